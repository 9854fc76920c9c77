"""For tests: whether tensors are close, and tensors to try things with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from . import creation, devices, dtypes
from .ops.dims import sizes
from .tensor import Tensor, as_array

__all__ = ["assert_close", "make_tensor"]

TOLERANCES = {  # rtol, atol; else exact
    "bfloat16": (1.6e-2, 1e-5),
    "float16": (1e-3, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raises AssertionError unless |actual - expected| <= atol + rtol |expected|, with PyTorch's tolerances by dtype.

    Both are tensors, arrays, numbers, None, or sequences and mappings of such, alike in structure, shape and dtype.
    msg: what the error says instead, or a function of what it would say. Raises TypeError for anything else,
    ValueError where only one of `rtol` and `atol` is given.

    >>> import minitorch
    >>> minitorch.testing.assert_close(minitorch.tensor([1.0, 2.0]), minitorch.tensor([1.0, 2.000001]))
    """
    if (rtol is None) != (atol is None):
        left_out = "atol" if atol is None else "rtol"
        raise ValueError(f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {left_out}.")
    settings = (None if rtol is None else (rtol, atol), equal_nan, check_dtype, check_stride, allow_subclasses)
    said = _difference(actual, expected, settings, "")
    if said:
        raise AssertionError(said if msg is None else msg(said) if callable(msg) else msg)


def _difference(actual: Any, expected: Any, settings: tuple, place: str) -> str:
    """What is different, empty if nothing is; `place` names the item of a sequence or mapping."""
    failed = f"\n\nThe failure occurred for item {place}" if place else ""
    pair = (actual, expected)
    if all(isinstance(x, Sequence) and not isinstance(x, str | bytes) for x in pair):
        if len(actual) != len(expected):
            return f"The length of the sequences mismatch: {len(actual)} != {len(expected)}{failed}"
        items: Any = range(len(actual))
    elif all(isinstance(x, Mapping) for x in pair):
        if actual.keys() != expected.keys():
            missing, more = [k for k in expected if k not in actual], [k for k in actual if k not in expected]
            return (
                f"The keys of the mappings do not match:\nMissing keys in the actual mapping: {missing}\n"
                f"Additional keys in the actual mapping: {more}{failed}"
            )
        items = actual
    else:
        said = _of_pair(actual, expected, *settings)
        return said and said + failed
    return next(filter(None, (_difference(actual[i], expected[i], settings, f"{place}[{i!r}]") for i in items)), "")


def _of_pair(
    actual: Any,
    expected: Any,
    tolerances: tuple | None,
    equal_nan: bool,
    check_dtype: bool,
    check_stride: bool,
    subclasses: bool,
) -> str:
    if actual is None and expected is None:
        return ""
    if all(isinstance(x, bool | np.bool_) for x in (actual, expected)):
        return "" if actual == expected else f"Booleans mismatch: {actual} is not {expected}"
    if all(isinstance(x, int | float | np.number) for x in (actual, expected)):
        if check_dtype and type(actual) is not type(expected):
            return f"The (d)types do not match: {type(actual)} != {type(expected)}."
        a, b = np.asarray(actual), np.asarray(expected)
    elif all(isinstance(x, Tensor) for x in (actual, expected)) and (subclasses or type(actual) is type(expected)):
        a, b = actual.array, expected.array
    elif all(isinstance(x, np.ndarray) for x in (actual, expected)):
        a, b = actual, expected
    else:
        raise TypeError(f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.")
    if a.shape != b.shape:
        return f"The values for attribute 'shape' do not match: {_shape(actual)} != {_shape(expected)}."
    if check_dtype and a.dtype != b.dtype:
        return f"The values for attribute 'dtype' do not match: {actual.dtype} != {expected.dtype}."
    if check_stride and isinstance(actual, Tensor) and actual.stride() != expected.stride():
        return f"The values for attribute 'stride()' do not match: {actual.stride()} != {expected.stride()}."
    if tolerances is None:
        found = [TOLERANCES.get(x.dtype.name, (0.0, 0.0)) for x in (a, b)]
        tolerances = (max(r for r, _ in found), max(t for _, t in found))
    return _of_values(a, b, tolerances, equal_nan)


def _shape(x: Any) -> Any:
    return x.shape if isinstance(x, Tensor) else tuple(np.shape(x))


def _of_values(actual: np.ndarray, expected: np.ndarray, tolerances: tuple, equal_nan: bool) -> str:
    """Where two arrays of one shape differ, and by how much."""
    exact = all(x.dtype.kind in "iub" for x in (actual, expected))
    a, b = (x.astype(object if exact else np.float64) for x in (actual, expected))
    if exact:
        a, b = (np.asarray(x * 1, object) for x in (a, b))  # bools count as numbers
    rtol, atol = tolerances
    with np.errstate(all="ignore"):
        apart = np.asarray(np.abs(a - b))
        close = (a == b) | ((apart <= atol + rtol * np.abs(b)) & (apart < math.inf))
        if equal_nan and not exact:
            close |= np.isnan(a) & np.isnan(b)
        close = np.asarray(close, bool)
        if close.all():
            return ""
        ratio = np.asarray(apart, np.float64) / np.abs(np.asarray(b, np.float64))
    equal = not rtol and not atol
    largest = [np.asarray(np.where(close, -1, v), np.float64) for v in (apart, ratio)]
    at = [np.unravel_index(int(np.argmax(v)), v.shape) for v in largest]
    limits = ["", ""] if equal else [f" (up to {atol} allowed)", f" (up to {rtol} allowed)"]
    word = "equal" if equal else "close"
    if not a.ndim:
        return (
            f"Scalars are not {word}!\n\nExpected {b.item()} but got {a.item()}.\n"
            f"Absolute difference: {apart.item()}{limits[0]}\n"
            f"Relative difference: {ratio.item()}{limits[1]}"
        )
    wrong = int((~close).sum())
    values = [v[i] for v, i in zip((apart, ratio), at, strict=True)]
    places = [f"at index {tuple(int(i) for i in index)}" for index in at]
    return (
        f"Tensor-likes are not {word}!\n\nMismatched elements: {wrong} / {close.size} ({wrong / close.size:.1%})\n"
        f"Greatest absolute difference: {values[0]} {places[0]}{limits[0]}\n"
        f"Greatest relative difference: {values[1]} {places[1]}{limits[1]}"
    )


def make_tensor(
    *shape: Any,
    dtype: Any,
    device: Any = "cpu",
    low: Any = None,
    high: Any = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Any:
    """Random numbers from [low, high): by default -9 to 9, from 0 for uint8, and bools.

    noncontiguous: every second element of a longer memory. exclude_zero: with 1 in place of 0, or the least float.
    """
    devices.check(device)
    wanted, size = dtypes.as_dtype(dtype), sizes(shape)
    if requires_grad and not wanted.is_floating_point:
        raise ValueError(f"`requires_grad=True` is not supported for {wanted}: only floats have gradients")
    if noncontiguous and memory_format is not None:
        raise ValueError("The parameters `noncontiguous` and `memory_format` are mutually exclusive")
    first = (0 if wanted in (dtypes.uint8, dtypes.bool_) else -9) if low is None else low
    last = (2 if wanted is dtypes.bool_ else 10 if not wanted.is_floating_point else 9) if high is None else high
    if not first < last:
        raise ValueError(f"`low` must be less than `high`, but got {first} >= {last}")
    drawn = (*size[:-1], 2 * size[-1]) if noncontiguous and size else size
    if wanted.is_floating_point:
        out = creation.rand(drawn, dtype=dtypes.float64).array * (last - first) + first
    else:
        out = creation.randint(math.ceil(first), math.ceil(last), drawn).array
    if exclude_zero:
        out = np.where(out == 0, np.finfo(wanted.numpy).tiny if wanted.is_floating_point else 1, out)
    array = as_array(out, wanted)
    made = creation.empty(0, dtype=wanted)
    made.array = array[..., ::2] if noncontiguous and size else array
    if memory_format is not None:
        made = made.contiguous(memory_format=memory_format)
    return made.requires_grad_(requires_grad)
