"""PyTorch's `mps` (GPUs of Apple), as it answers where there is none."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["device_count", "empty_cache", "is_available", "manual_seed", "seed", "synchronize"]


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing happens."""
    int(seed)


def seed() -> None:
    """Nothing happens."""


def _needs_mps(*args: Any) -> NoReturn:
    """Raises RuntimeError: there is no such device."""
    raise RuntimeError("minitorch runs on the CPU: there is no MPS backend.")


synchronize = empty_cache = _needs_mps
