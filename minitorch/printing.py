"""How tensors print: PyTorch's layout, with at most 4 digits and long axes cut short."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes


class _Options:
    """How tensors print from now on; see `set_printoptions`."""

    precision, threshold, edgeitems, linewidth = 4, 1000, 3, 80
    sci_mode: bool | None = None


PROFILES = {"default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, math.inf, 3, 80)}
options: Any = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Say how tensors print: digits after the point, elements from which the middle is left out, elements left at each
    end, characters in a line; `profile` "default", "short" or "full" for all four; sci_mode: whether as 1.0e+00, None
    to let the numbers decide.

    >>> import minitorch
    >>> minitorch.set_printoptions(precision=2)
    >>> minitorch.tensor(0.12345)
    tensor(0.12)
    >>> minitorch.set_printoptions(profile="default")
    """
    if profile is not None:
        if profile not in PROFILES:
            raise ValueError(f"set_printoptions: `profile` must be one of {', '.join(PROFILES)}, but got {profile!r}")
        options.precision, options.threshold, options.edgeitems, options.linewidth = PROFILES[profile]
    for name, value in (
        ("precision", precision),
        ("threshold", threshold),
        ("edgeitems", edgeitems),
        ("linewidth", linewidth),
    ):
        if value is not None:
            setattr(options, name, value)
    options.sci_mode = sci_mode


def formatter(values: np.ndarray) -> Callable[[Any], str]:
    """The format shared by all the printed elements of a tensor, padded to one width."""
    if values.dtype.kind != "f":

        def plain(v: Any) -> str:
            return str(v) if isinstance(v, bool | np.bool_) else f"{v:d}"
    else:
        finite = np.abs(values[np.isfinite(values) & (values != 0)].astype(np.float64))
        whole = bool((finite == np.ceil(finite)).all())
        large, small = (finite.max(), finite.min()) if finite.size else (0.0, 0.0)
        digits, scientific = options.precision, options.sci_mode
        if scientific is None:
            scientific = finite.size and (large > 1e8 or large / small > 1000 or (small < 1e-4 and not whole))
        spec = f".{digits}e" if scientific else "" if whole else f".{digits}f"

        def plain(v: Any) -> str:
            if spec or not np.isfinite(v):
                return f"{v:{spec}}"
            return f"{v:.0f}."

    counted = values[np.isfinite(values) & (values != 0)] if values.dtype.kind == "f" else values.ravel()
    width = max((len(plain(v)) for v in counted), default=1)  # PyTorch lets zeros and NaN take what they need
    return lambda v: f"{plain(v):>{width}}"


def _shown(array: np.ndarray) -> np.ndarray:
    """The elements that will be printed: the ends of long axes."""
    if array.size <= options.threshold:
        return array
    edge = options.edgeitems
    for axis, n in enumerate(array.shape):
        if n > 2 * edge:
            array = np.take(array, [*range(edge), *range(n - edge, n)], axis)
    return array


def _nested(array: np.ndarray, text: Callable[[Any], str], indent: int, cut: bool) -> str:
    """The elements in brackets, as many in a line as fit; `cut` leaves out the middle of long axes."""
    edge = options.edgeitems
    short = cut and len(array) > 2 * edge
    parts = [*array[:edge], None, *array[len(array) - edge :]] if short else list(array)
    if array.ndim > 1:
        rows = ["..." if part is None else _nested(part, text, indent + 1, cut) for part in parts]
        return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(rows) + "]"
    words = [" ..." if part is None else text(part) for part in parts]
    width = max((len(word) for word in words if word != " ..."), default=0) + 2
    per_line = max(1, (options.linewidth - indent) // width)
    lines = [", ".join(words[i : i + per_line]) for i in range(0, len(words), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def tensor_text(x: Any, name: str = "tensor") -> str:
    """`repr(x)`: the elements, then size, dtype and history where they don't go without saying."""
    array, suffixes = x.array.astype(np.float32) if x.dtype is dtypes.bfloat16 else x.array, []
    if array.size == 0:
        body = "[]"
        if array.ndim != 1:
            suffixes.append(f"size={tuple(array.shape)}")
    elif array.ndim == 0:
        body = formatter(array.reshape(1))(array[()]).strip()
    else:
        body = _nested(array, formatter(_shown(array)), len(name) + 1, array.size > options.threshold)
    dtype = x.dtype
    usual = (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool_)
    if dtype not in usual or (array.size == 0 and dtype is not dtypes.get_default_dtype()):
        suffixes.append(f"dtype={dtype}")
    if x.node is not None:
        suffixes.append(f"grad_fn=<{x.node.name()}>")
    elif x._requires_grad:
        suffixes.append("requires_grad=True")
    text, indent = f"{name}({body}", len(name) + 1
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        more = len(suffix.replace("minitorch.", "torch.")) + 2  # so lines break where PyTorch's do
        fits = used + more <= options.linewidth
        text += f", {suffix}" if fits else f",\n{' ' * indent}{suffix}"
        used = used + more if fits else indent + more - 2
    return f"{text})"
