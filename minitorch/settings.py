"""Settings of PyTorch's that scripts make: those that mean something here are kept, the others change nothing."""

from __future__ import annotations

import warnings
from typing import Any

from . import dtypes
from .ops.dims import flag

_deterministic = {"mode": False, "warn_only": False}
_precision = "highest"


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for the same bits in every run: they are, for any number of threads, whatever this says."""
    _deterministic["mode"], _deterministic["warn_only"] = flag(mode, "mode"), flag(warn_only, "warn_only")


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` was told, False before."""
    return _deterministic["mode"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether `use_deterministic_algorithms` was told to warn only."""
    return _deterministic["mode"] and _deterministic["warn_only"]


def set_float32_matmul_precision(precision: str) -> None:
    """Choose "highest", "high" or "medium": float32 products are computed in float32 in any case."""
    global _precision
    if precision not in ("highest", "high", "medium"):
        warnings.warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; the current setFloat32MatmulPrecision call has "
            "no effect.",
            stacklevel=2,
        )
        return
    _precision = precision


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` chose."""
    return _precision


def set_default_tensor_type(t: Any) -> None:
    """Make the dtype of `FloatTensor` or "torch.DoubleTensor" that of new float tensors: use `set_default_dtype`."""
    wanted = dtypes.of_type(t) if isinstance(t, str) else getattr(t, "of_elements", None)
    if wanted is None:
        raise TypeError(f"invalid type object: {t!r}")
    dtypes.set_default_dtype(wanted)


def get_num_interop_threads() -> int:
    """1: ops run one after the other."""
    return 1


def set_num_interop_threads(threads: int) -> None:
    """Ops run one after the other in any case. Raises RuntimeError for less than 1."""
    if threads < 1:
        raise RuntimeError("set_num_interop_threads expects a positive integer")


def set_flush_denormal(mode: bool) -> bool:
    """False: denormal numbers are kept."""
    return False
