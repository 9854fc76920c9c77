"""PyTorch's `accelerator`, as it answers where there is none."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["current_accelerator", "current_device_index", "device_count", "empty_cache", "is_available", "synchronize"]


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """None."""


def _needs_one(*args: Any) -> NoReturn:
    """Raises RuntimeError: there is no accelerator."""
    raise RuntimeError("Cannot access accelerator device when none is available.")


current_device_index = synchronize = empty_cache = set_device_index = current_stream = _needs_one
