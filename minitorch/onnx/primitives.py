"""What each primitive is in ONNX: a row each. `steps.py` has the rows of functions that have an operator as a whole.

A row is the name of an operator that takes the same operands, or a function of the graph, of the operands (Merged
values, arrays, numbers) and of the settings, which returns the name of the result, or the operand that
is it. A primitive of single elements that
has no row is said by its formula (`formulas.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import formulas
from .graph import TYPES, Graph, Unsaid
from .trace import Merged, Varying, leaves

BIG = np.iinfo(np.int64).max
Row = str | Callable
ROWS: dict[str, Row] = {
    **dict.fromkeys(("identity", "to_channels_last"), lambda g, x: x),
    **formulas.SAME,
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "negative": "Neg",
    "power": "Pow",
    "reciprocal": "Reciprocal",
    "absolute": "Abs",
    "sign": "Sign",
    "equal": "Equal",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "isnan": "IsNaN",
    "isinf": "IsInf",
    "relu": "Relu",
    "hardswish": "HardSwish",
    "softsign": "Softsign",
    "where": "Where",
    "batched_matmul": "MatMul",
    "det": "Det",
}
LATER = {"HardSwish": 14}  # operators that came after opset 13


def says(*names: str) -> Callable[[Callable], Callable]:
    """Decorator: the row of these primitives."""

    def enter(function: Callable) -> Callable:
        ROWS.update(dict.fromkeys(names, function))
        return function

    return enter


def operands(g: Graph, args: tuple) -> list[Any]:
    """Operands in the one dtype in which they meet; Python's numbers become constants of it."""
    dtypes = [a.dtype for a in args if isinstance(a, Merged | np.ndarray)]
    dtype = np.result_type(*dtypes)
    if dtype not in dtypes:
        raise Unsaid(f"operands of dtypes {dtypes}")
    out = []
    for a in args:
        if isinstance(a, Merged | np.ndarray):
            out.append(a if a.dtype == dtype else g.node("Cast", a, to=TYPES[dtype.name]))
        else:
            out.append(g.number(a, dtype))
    return out


def like(x: Merged, value: float) -> np.ndarray:
    """A number of x's dtype."""
    return np.asarray(value, x.dtype)


# ------------------------------------------------------------------------------------------------- single elements
@says("where")
def _where(g: Graph, condition: Any, x: Any, y: Any) -> Any:
    if not isinstance(condition, Merged | np.ndarray):
        raise Unsaid("a condition that is no tensor")
    if condition.dtype != np.bool_:
        condition = g.node("Cast", condition, to=TYPES["bool"])
    return g.node("Where", condition, *operands(g, (x, y)))


@says("not_equal")
def _not_equal(g: Graph, x: Any, y: Any) -> Any:
    return g.node("Not", g.node("Equal", *operands(g, (x, y))))


def _logical(op: str) -> Callable:
    """Of bools; numbers are what they are not equal to 0."""

    def row(g: Graph, *xs: Any) -> Any:
        return g.node(op, *(x if x.dtype == np.bool_ else g.node("Cast", x, to=TYPES["bool"]) for x in xs))

    return row


for _name, _op in (("not", "Not"), ("and", "And"), ("or", "Or"), ("xor", "Xor")):
    ROWS[f"logical_{_name}"] = _logical(_op)


@says("maximum", "fmax")
def _maximum(g: Graph, x: Any, y: Any) -> Any:
    return g.node("Max", *operands(g, (x, y)))


@says("minimum", "fmin")
def _minimum(g: Graph, x: Any, y: Any) -> Any:
    return g.node("Min", *operands(g, (x, y)))


@says("square")
def _square(g: Graph, x: Any) -> Any:
    return g.node("Mul", x, x)


def _bits(op: str, of_bools: str) -> Callable:
    """Of bools, and from opset 18 on of integers."""

    def row(g: Graph, *xs: Any) -> Any:
        kinds = {x.dtype for x in xs if isinstance(x, Merged | np.ndarray)}
        if kinds == {np.dtype(np.bool_)}:
            return g.node(of_bools, *(g.number(x, np.dtype(np.bool_)) for x in xs))
        if g.opset < 18:
            raise Unsaid("of integers, before opset 18")
        return g.node(op, *operands(g, xs))

    return row


for _name, _op in (("not", "Not"), ("and", "And"), ("or", "Or"), ("xor", "Xor")):
    ROWS[f"bitwise_{_name}"] = _bits(f"Bitwise{_op}", _op)


@says("isfinite")
def _isfinite(g: Graph, x: Merged) -> Any:
    return g.node("Not", g.node("Or", g.node("IsNaN", x), g.node("IsInf", x)))


@says("atan2")
def _atan2(g: Graph, y: Any, x: Any) -> Any:
    """The angle of (x, y): atan(y / x), half a turn on where x is below 0; a quarter turn where it is 0."""
    b, a = operands(g, (y, x))
    one = y if isinstance(y, Merged) else x
    zero, up = like(one, 0), g.node("GreaterOrEqual", b, like(one, 0))
    half = g.node("Where", up, like(one, math.pi), like(one, -math.pi))
    slope = g.node("Atan", g.node("Div", b, a))
    turned = g.node("Where", g.node("Less", a, zero), g.node("Add", slope, half), slope)
    quarter = g.node("Mul", g.node("Sign", b), like(one, math.pi / 2))
    return g.node("Where", g.node("Equal", a, zero), quarter, turned)


@says("log1p")
def _log1p(g: Graph, x: Merged) -> Any:
    return g.node("Log", g.node("Add", x, like(x, 1)))


@says("expm1")
def _expm1(g: Graph, x: Merged) -> Any:
    return g.node("Sub", g.node("Exp", x), like(x, 1))


@says("exp2")
def _exp2(g: Graph, x: Merged) -> Any:
    return g.node("Pow", like(x, 2), x)


def _logarithm(base: float) -> Callable:
    return lambda g, x: g.node("Mul", g.node("Log", x), like(x, 1 / math.log(base)))


ROWS |= {"log2": _logarithm(2), "log10": _logarithm(10)}


@says("erfc")
def _erfc(g: Graph, x: Merged) -> Any:
    return g.node("Sub", like(x, 1), g.node("Erf", x))


@says("trunc")
def _trunc(g: Graph, x: Merged) -> Any:
    return g.node("Mul", g.node("Sign", x), g.node("Floor", g.node("Abs", x)))


@says("hypot")
def _hypot(g: Graph, x: Any, y: Any) -> Any:
    a, b = operands(g, (x, y))
    return g.node("Sqrt", g.node("Add", g.node("Mul", a, a), g.node("Mul", b, b)))


@says("copysign")
def _copysign(g: Graph, x: Any, y: Any) -> Any:
    """|x|, turned where y is below 0 or 1 / y is, which is so of -0."""
    a, b = operands(g, (x, y))
    zero = like(x if isinstance(x, Merged) else y, 0)
    below = g.node("Or", g.node("Less", b, zero), g.node("Less", g.node("Reciprocal", b), zero))
    size = g.node("Abs", a)
    return g.node("Where", below, g.node("Neg", size), size)


@says("logaddexp")
def _logaddexp(g: Graph, x: Any, y: Any) -> Any:
    a, b = operands(g, (x, y))
    return g.node("Add", g.node("Max", a, b), g.node("Softplus", g.node("Neg", g.node("Abs", g.node("Sub", a, b)))))


@says("fmod")
def _fmod(g: Graph, x: Any, y: Any) -> Any:
    return g.node("Mod", *operands(g, (x, y)), fmod=1)


@says("remainder")
def _remainder(g: Graph, x: Any, y: Any) -> Any:
    a, b = operands(g, (x, y))
    if (x if isinstance(x, Merged) else y).dtype.kind != "f":
        return g.node("Mod", a, b)
    return g.node("Sub", a, g.node("Mul", b, g.node("Floor", g.node("Div", a, b))))


@says("floor_divide")
def _floor_divide(g: Graph, x: Any, y: Any) -> Any:
    a, b = operands(g, (x, y))
    if (x if isinstance(x, Merged) else y).dtype.kind == "f":
        return g.node("Floor", g.node("Div", a, b))
    return g.node("Div", g.node("Sub", a, g.node("Mod", a, b)), b)


@says("clamp")
def _clamp(g: Graph, x: Merged, low: Any, high: Any) -> Any:
    out: Any = x
    for bound, op in ((low, "Max"), (high, "Min")):
        if bound is not None:
            out = g.node(op, out, g.number(bound, x.dtype))
    return out


@says("round")
def _round(g: Graph, x: Merged, decimals: int) -> Any:
    if decimals:
        raise Unsaid("decimals")
    return g.node("Round", x)


@says("cast")
def _cast(g: Graph, x: Merged, dtype: Any) -> Any:
    if x.dtype == dtype:
        return x
    return g.node("Cast", x, to=TYPES[np.dtype(dtype).name])


@says("leaky_relu")
def _leaky_relu(g: Graph, x: Any, negative_slope: float) -> Any:
    return g.node("LeakyRelu", x, alpha=float(negative_slope))


@says("leaky")
def _leaky(g: Graph, x: Merged, y: Any) -> Any:
    return g.node("PRelu", x, y)


@says("hardtanh")
def _hardtanh(g: Graph, x: Merged, min_val: float, max_val: float) -> Any:
    return g.node("Clip", x, like(x, min_val), like(x, max_val))


@says("elu", "celu")
def _elu(g: Graph, x: Merged, alpha: float, op: str = "Elu") -> Any:
    return g.node(op, x, alpha=float(alpha))


ROWS["celu"] = lambda g, x, alpha: _elu(g, x, alpha, "Celu")


@says("selu")
def _selu(g: Graph, x: Merged) -> Any:
    return g.node("Selu", x, alpha=1.6732632423543772, gamma=1.0507009873554805)


@says("gelu")
def _gelu(g: Graph, x: Merged) -> Any:
    root = g.node("Erf", g.node("Div", x, like(x, math.sqrt(2))))
    return g.node("Mul", g.node("Mul", x, g.node("Add", root, like(x, 1))), like(x, 0.5))


@says("silu")
def _silu(g: Graph, x: Merged) -> Any:
    return g.node("Mul", x, g.node("Sigmoid", x))


@says("gated")
def _gated(g: Graph, x: Merged, y: Merged) -> Any:
    return g.node("Mul", x, g.node("Sigmoid", y))


@says("mish")
def _mish(g: Graph, x: Merged) -> Any:
    return g.node("Mul", x, g.node("Tanh", g.node("Softplus", x)))


@says("hardsigmoid")
def _hardsigmoid(g: Graph, x: Merged) -> Any:
    return g.node("HardSigmoid", x, alpha=1 / 6, beta=0.5)


# ---------------------------------------------------------------------------------------------------------- shapes
@says("reshape")
def _reshape(g: Graph, x: Merged, shape: tuple) -> Any:
    if not any(isinstance(n, Varying) for n in shape):
        return g.node("Reshape", x, np.array(shape, np.int64))
    kept = [
        0
        if isinstance(n, Varying) and i < x.ndim and isinstance(x.shape[i], Varying) and x.shape[i].entries == n.entries
        else n
        for i, n in enumerate(shape)
    ]
    left = [i for i, n in enumerate(kept) if isinstance(n, Varying)]
    if len(left) == 1 and not any(n == 0 and shape[i] == 0 for i, n in enumerate(kept)):
        kept[left[0]] = -1
    if any(isinstance(n, Varying) for n in kept):
        return g.node("Reshape", x, g.ints(shape))
    return g.node("Reshape", x, np.array(kept, np.int64))


@says("permute")
def _permute(g: Graph, x: Merged, dims: tuple) -> Any:
    return g.node("Transpose", x, perm=[d % x.ndim for d in dims])


@says("expand")
def _expand(g: Graph, x: Merged, shape: tuple) -> Any:
    return g.node("Expand", x, g.ints(shape))


@says("sum_to")
def _sum_to(g: Graph, x: Merged, shape: tuple) -> Any:
    leading = x.ndim - len(shape)
    axes = [i for i in range(x.ndim) if i < leading or (shape[i - leading] == 1 and x.shape[i] != 1)]
    out = g.node("ReduceSum", x, np.array(axes, np.int64), keepdims=1)
    return g.node("Squeeze", out, np.arange(leading)) if leading else out


@says("pad_constant")
def _pad_constant(g: Graph, x: Merged, widths: tuple, value: float = 0.0) -> Any:
    pads = [before for before, _ in widths] + [after for _, after in widths]
    return g.node("Pad", x, g.ints(pads), like(x, value), mode="constant")


@says("extend")
def _extend(g: Graph, x: Merged, widths: tuple, mode: str) -> Any:
    if any(isinstance(n, Varying) for pair in widths for n in pair):
        raise Unsaid("a border that depends on a size that stays open")
    if mode not in ("reflect", "replicate") or any(n < 0 for pair in widths for n in pair):
        out: Any = x
        for axis, pair in enumerate(widths, x.ndim - len(widths)):
            if any(pair):
                out = _extended(g, out, axis, x.shape[axis], pair, mode)
        return out
    rest = (0,) * (x.ndim - len(widths))
    pads = [*rest, *(before for before, _ in widths), *rest, *(after for _, after in widths)]
    return g.node("Pad", x, g.ints(pads), mode="edge" if mode == "replicate" else mode)


def _cut(g: Graph, x: Any, axis: int, start: int, stop: int, step: int = 1) -> str:
    return g.node("Slice", x, *(np.array([n]) for n in (start, stop, axis, step)))


def _extended(g: Graph, x: Any, axis: int, n: Any, pair: tuple, mode: str) -> Any:
    """One axis with its border: slices, or, where pixels are cut off, the positions of all."""
    before, after = pair
    if min(pair) >= 0 and mode in ("circular", "symmetric"):
        if mode == "circular":
            parts = [
                _cut(g, x, axis, -before, BIG) if before else None,
                x,
                _cut(g, x, axis, 0, after) if after else None,
            ]
        else:
            low = _cut(g, x, axis, before - 1, -BIG, -1) if before else None
            parts = [low, x, _cut(g, x, axis, -1, -1 - after, -1) if after else None]
        return g.node("Concat", *(part for part in parts if part is not None), axis=axis)
    if isinstance(n, Varying):
        raise Unsaid(f"padding mode {mode!r} that cuts off, along an axis whose size stays open")
    names = {"replicate": "edge", "circular": "wrap"}
    line = np.arange(n)
    if mode == "circular":
        line = line[max(-before, 0) : n + min(after, 0)]
        positions = np.pad(line, (max(before, 0), max(after, 0)), mode="wrap")
    else:
        positions = np.pad(line, (max(before, 0), max(after, 0)), mode=names.get(mode, mode))  # type: ignore[call-overload]
        positions = positions[max(-before, 0) : len(positions) + min(after, 0)]
    return g.node("Gather", x, positions.astype(np.int64), axis=axis)


@says("flip")
def _flip(g: Graph, x: Merged, dims: tuple) -> Any:
    if not dims:
        return x
    axes = np.array(dims, np.int64)
    ones = np.ones_like(axes)
    return g.node("Slice", x, -ones, np.full_like(axes, -BIG), axes, -ones)


@says("roll")
def _roll(g: Graph, x: Any, shifts: tuple, dims: tuple) -> Any:
    shape = x.shape
    for shift, axis in zip(shifts, dims, strict=True):
        n = shape[axis]
        if isinstance(n, Varying) or isinstance(shift, Varying):
            raise Unsaid("a shift along an axis whose size stays open")
        k = shift % n if n else 0
        if k:
            at = np.array([n - k])
            ends = g.node("Slice", x, at, np.array([BIG]), np.array([axis]))
            x = g.node("Concat", ends, g.node("Slice", x, np.array([0]), at, np.array([axis])), axis=axis)
    return x


@says("tile")
def _tile(g: Graph, x: Merged, times: tuple) -> Any:
    if all(n == 1 for n in times):
        return x
    return g.node("Tile", x, g.ints(times))


@says("concatenate")
def _concatenate(g: Graph, *xs: Any, dim: int, new: bool = False) -> Any:
    if new:
        xs = tuple(g.node("Unsqueeze", x, np.array([dim])) for x in xs)
    return g.node("Concat", *xs, axis=int(dim))


@says("getitem")
def _getitem(g: Graph, x: Merged, key: tuple) -> Any:
    """Slices, then ints, then an array along one axis, then new axes."""
    items = [k for k in key if k is not Ellipsis]
    used = sum(1 if not _is_mask(k) else k.ndim for k in items if k is not None)
    at = next((i for i, k in enumerate(key) if k is Ellipsis), len(items))
    items = [*items[:at], *[slice(None)] * (x.ndim - used), *items[at:]]
    arrays = [k for k in items if isinstance(k, Merged | np.ndarray)]
    out: Any = x
    lists: list[list[Any]] = [[] for _ in range(6)]
    starts, stops, steps, axes, squeezed, new = lists
    axis = place = 0
    taken: list[tuple[int, Any]] = []
    for k in items:
        if k is None:
            new.append(place)
            place += 1
            continue
        if isinstance(k, slice):
            if (k.start, k.stop, k.step) != (None, None, None):
                starts.append(0 if k.start is None else k.start)
                stops.append(BIG if k.stop is None else k.stop)
                steps.append(1 if k.step is None else k.step)
                axes.append(axis)
            place += 1
        elif isinstance(k, Merged | np.ndarray):
            taken.append((axis, k))
        else:
            starts.append(k)
            last = not isinstance(k, Varying) and k == -1
            stops.append(BIG if last else Varying(tuple(e + 1 for e in k.entries)) if isinstance(k, Varying) else k + 1)
            steps.append(1)
            axes.append(axis)
            squeezed.append(axis)
        axis += k.ndim if _is_mask(k) else 1
    if arrays and (squeezed or (new and len(arrays) > 1)):
        raise Unsaid("arrays beside numbers or new axes in an index")
    if axes:
        out = g.node("Slice", out, g.ints(starts), g.ints(stops), np.array(axes), np.array(steps, np.int64))
    if squeezed:
        out = g.node("Squeeze", out, np.array(squeezed, np.int64))
    if len(arrays) == 1 and not _is_mask(arrays[0]):
        ((along, index),) = taken
        out = g.node("Gather", out, index, axis=along)
        if new:
            raise Unsaid("new axes beside an array in an index")
    elif arrays:
        out = _gathered(g, out, x, taken)
    if new:
        out = g.node("Unsqueeze", out, np.array(new, np.int64))
    return out


def _is_mask(k: Any) -> bool:
    return isinstance(k, Merged | np.ndarray) and k.dtype == np.bool_


def _gathered(g: Graph, out: Any, x: Merged, taken: list) -> Any:
    """Several arrays side by side, from the first axis on; or one mask."""
    if len(taken) == 1:
        ((axis, mask),) = taken
        if axis:
            raise Unsaid("a mask behind other axes in an index")
        return g.node("GatherND", out, g.node("Transpose", g.node("NonZero", mask), perm=[1, 0]))
    axes = [axis for axis, _ in taken]
    if axes != list(range(len(axes))) or any(_is_mask(k) for _, k in taken):
        raise Unsaid("arrays in an index that do not begin it, or stand apart")
    rank = max(k.ndim for _, k in taken)
    columns = [g.node("Cast", k, to=TYPES["int64"]) for _, k in taken]
    total = columns[0]
    for column in columns[1:]:
        total = g.node("Add", total, column)
    shape = g.node("Shape", total)
    spread = [g.node("Unsqueeze", g.node("Expand", c, shape), np.array([rank])) for c in columns]
    return g.node("GatherND", out, g.node("Concat", *spread, axis=rank))


@says("setitem")
def _setitem(g: Graph, x: Merged, value: Any, key: Any) -> Any:
    """A choice by a mask for one number, else elements at places that are known."""
    arrays = [k for k in leaves(key) if isinstance(k, Merged | np.ndarray)]
    if len(arrays) == 1 and isinstance(arrays[0], Merged) and _is_mask(arrays[0]) and key[0] is arrays[0]:
        mask, rest = arrays[0], x.ndim - arrays[0].ndim
        if isinstance(value, Merged) and any(n != 1 for n in value.shape):
            raise Unsaid("several values for a mask")
        one = g.node("Reshape", value, np.array([], np.int64)) if isinstance(value, Merged) else like(x, value)
        seen = g.node("Unsqueeze", mask, np.arange(mask.ndim, x.ndim)) if rest else mask
        return g.node("Where", seen, one, x)
    if any(not isinstance(k, np.ndarray) for k in arrays) or isinstance(key, Varying):
        raise Unsaid("an index that is computed")
    if any(isinstance(n, Varying) for n in x.shape) or any(isinstance(k, Varying) for k in leaves(key)):
        raise Unsaid("an index into a tensor whose size stays open")
    places = np.arange(math.prod(x.shape)).reshape(x.shape)[key]
    new = g.node("Expand", g.number(value, x.dtype), np.array(places.shape, np.int64))
    return placed(g, x, np.ascontiguousarray(places), new)


def placed(g: Graph, x: Merged, places: np.ndarray, new: Any) -> str:
    """x with new elements at places that count through all of it."""
    flat, values = g.node("Reshape", x, np.array([-1])), g.node("Reshape", new, np.array([-1]))
    out = g.node("ScatterElements", flat, places.reshape(-1), values, axis=0)
    return g.node("Reshape", out, np.array(x.shape, np.int64))


@says("gather")
def _gather(g: Graph, x: Merged, index: Any, dim: int) -> Any:
    return g.node("GatherElements", x, index, axis=dim)


@says("scatter_add")
def _scatter_add(g: Graph, y: Merged, index: Any, dim: int, shape: tuple) -> Any:
    zero = g.onnx.numpy_helper.from_array(np.zeros(1, y.dtype))
    zeros = g.node("ConstantOfShape", g.ints(shape), value=zero)
    if g.opset < 16:
        raise Unsaid("sums at places, before opset 16")
    return g.node("ScatterElements", zeros, index, y, axis=dim, reduction="add")


@says("diagonal")
def _diagonal(g: Graph, x: Merged, offset: int, dims: tuple) -> Any:
    if any(isinstance(x.shape[d], Varying) for d in dims):
        raise Unsaid("a diagonal of axes whose sizes stay open")
    a, b = (d % x.ndim for d in dims)
    rest = [d for d in range(x.ndim) if d not in (a, b)]
    at = np.diagonal(np.arange(x.shape[a] * x.shape[b]).reshape(x.shape[a], x.shape[b]), offset).astype(np.int64)
    turned = g.node("Transpose", x, perm=[*rest, a, b])
    flat = g.node("Reshape", turned, g.ints([*(x.shape[d] for d in rest), x.shape[a] * x.shape[b]]))
    return g.node("Gather", flat, at, axis=len(rest))


@says("windows")
def _windows(g: Graph, x: Merged, dim: int, size: int, step: int, dilation: int) -> Any:
    n = x.shape[dim]
    if isinstance(n, Varying):
        raise Unsaid("windows along an axis whose size stays open")
    first = np.arange(0, n - (size - 1) * dilation, step)
    out = g.node("Gather", x, first[:, None] + np.arange(size) * dilation, axis=dim)
    if dim != x.ndim - 1:
        axes = list(range(x.ndim + 1))
        axes.append(axes.pop(dim + 1))
        out = g.node("Transpose", out, perm=axes)
    return out


# ------------------------------------------------------------------------------------------------------ reductions
def _reduction(op: str, axes_as_input: bool = False) -> Callable:
    def row(g: Graph, x: Merged, dim: Any, keepdim: bool) -> Any:
        axes = [int(d) for d in ((dim,) if isinstance(dim, int) else dim)]
        if not axes:
            return x
        if axes_as_input or g.opset >= 18:
            return g.node(op, x, np.array(axes, np.int64), keepdims=int(keepdim))
        return g.node(op, x, axes=axes, keepdims=int(keepdim))

    return row


ROWS |= {
    "sum": _reduction("ReduceSum", axes_as_input=True),
    "amax_over": _reduction("ReduceMax"),
    "amin_over": _reduction("ReduceMin"),
    "prod": _reduction("ReduceProd"),
    "logsumexp": _reduction("ReduceLogSumExp"),
    "sum_sizes": _reduction("ReduceL1"),
    "sum_squares": _reduction("ReduceSumSquare"),
}


@says("var")
def _var(g: Graph, x: Merged, dim: tuple, keepdim: bool, correction: float) -> Any:
    mean = reduced(g, "ReduceMean", x, dim, True)
    centred = g.node("Sub", x, mean)
    square = g.node("Mul", centred, centred)
    if not correction:
        return reduced(g, "ReduceMean", square, dim, keepdim)
    total = g.node("ReduceSum", square, np.array(dim, np.int64), keepdims=int(keepdim))
    count = g.node("Sub", g.count([x.shape[d] for d in dim], x.dtype), np.full(1, correction, x.dtype))
    divisor = g.node("Max", count, np.zeros(1, x.dtype))
    return g.node("Div", total, divisor if keepdim or x.ndim > len(dim) else g.node("Squeeze", divisor))


def reduced(g: Graph, op: str, x: Any, dim: Any, keepdim: bool) -> Any:
    """A reduction whose axes are an attribute before opset 18."""
    return _reduction(op)(g, x, dim, keepdim)


@says("softmax", "log_softmax")
def _softmax(g: Graph, x: Merged, dim: int, op: str = "Softmax") -> Any:
    return g.node(op, x, axis=int(dim))


ROWS["log_softmax"] = lambda g, x, dim: _softmax(g, x, dim, "LogSoftmax")


@says("cumsum")
def _cumsum(g: Graph, x: Merged, dim: int, reverse: bool = False) -> Any:
    return g.node("CumSum", x, np.array(dim, np.int64), reverse=int(reverse))


# ---------------------------------------------------------------------------------------------- products, windows
@says("linear")
def _linear(g: Graph, x: Merged, w: Merged, turn_x: bool, turn_w: bool) -> Any:
    return g.node("Gemm", x, w, transA=int(turn_x), transB=int(turn_w))


@says("affine")
def _affine(g: Graph, x: Merged, w: Merged, b: Merged) -> Any:
    return g.node("Gemm", x, w, b, transB=1)


def _conv_settings(geometry: Any) -> dict[str, Any]:
    """The attributes of a convolution; of geometries that differ, what they have in common."""
    several = geometry.entries if isinstance(geometry, Varying) else (geometry,)
    settings = [
        {
            "kernel_shape": list(each.kernel_size),
            "strides": list(each.stride),
            "dilations": list(each.dilation),
            "group": each.groups,
            "pads": [b for b, _ in each.padding] + [a for _, a in each.padding],
        }
        for each in several
    ]
    if any(each != settings[0] for each in settings):
        raise Unsaid("padding that depends on a size that stays open")
    return settings[0]


@says("conv", "conv_bias")
def _conv(g: Graph, x: Merged, w: Merged, b: Any = None, *, geometry: Any) -> Any:
    return g.node("Conv", x, w, b, **_conv_settings(geometry))


@says("add_bias")
def _add_bias(g: Graph, x: Merged, b: Merged) -> Any:
    """The bias of a convolution, which becomes the third operand of it."""
    before = g.maker(x)
    if before is not None and before.op_type == "Conv" and len(before.input) == 2:
        return g.node("Conv", *before.input, b, **g.attributes(before))
    column = g.node("Reshape", b, np.array([-1, *(1,) * (x.ndim - 2)], np.int64))
    return g.node("Add", x, column)


@says("conv_transpose")
def _conv_transpose(g: Graph, y: Merged, w: Merged, geometry: Any) -> Any:
    return g.node("ConvTranspose", y, w, **_transposed_settings(geometry))


def _transposed_settings(geometry: Any) -> dict[str, Any]:
    """As `_conv_settings`, and how many pixels are left behind the last whole stride."""
    several = geometry.entries if isinstance(geometry, Varying) else (geometry,)
    extra = {
        tuple(
            n - ((o - 1) * s + d * (k - 1) + 1 - sum(p))
            for n, o, s, d, k, p in zip(
                each.input_size,
                each.output_size,
                each.stride,
                each.dilation,
                each.kernel_size,
                each.padding,
                strict=True,
            )
        )
        for each in several
    }
    if len(extra) != 1:
        raise Unsaid("an output_padding that depends on a size that stays open")
    return {"output_padding": list(extra.pop()), **_conv_settings(geometry)}


@says("normalize")
def _normalize(g: Graph, x: Merged, w: Merged, b: Merged, mean: Any, invstd: Any) -> Any:
    if isinstance(invstd, np.ndarray):
        return g.node(
            "BatchNormalization", x, w, b, mean, (1 / invstd.astype(np.float64) ** 2).astype(invstd.dtype), epsilon=0.0
        )
    raise Unsaid("statistics that depend on the input")


def flat_axes(g: Graph, x: Merged, tail: int) -> list[int]:
    """The last axes."""
    return list(range(x.ndim - tail, x.ndim))


@says("layer_norm")
def _layer_norm(g: Graph, x: Merged, w: Merged, b: Merged, eps: float) -> Any:
    if g.opset >= 17:
        return g.node("LayerNormalization", x, w, b, axis=-w.ndim, epsilon=float(eps))
    axes = flat_axes(g, x, w.ndim)
    centred = g.node("Sub", x, reduced(g, "ReduceMean", x, axes, True))
    variance = reduced(g, "ReduceMean", g.node("Mul", centred, centred), axes, True)
    root = g.node("Sqrt", g.node("Add", variance, like(x, eps)))
    return g.node("Add", g.node("Mul", g.node("Div", centred, root), w), b)


@says("rms_norm")
def _rms_norm(g: Graph, x: Merged, w: Merged, eps: float) -> Any:
    mean = reduced(g, "ReduceMean", g.node("Mul", x, x), flat_axes(g, x, w.ndim), True)
    root = g.node("Sqrt", g.node("Add", mean, like(x, eps)))
    return g.node("Mul", g.node("Div", x, root), w)


@says("group_norm")
def _group_norm(g: Graph, x: Merged, w: Merged, b: Merged, groups: int, eps: float) -> Any:
    """Instance norm of an image whose channels are the groups; then scale and shift of each channel."""
    ones, zeros = np.ones(groups, x.dtype), np.zeros(groups, x.dtype)
    lines = g.node("Reshape", x, np.array([0, groups, -1], np.int64))
    normal = g.node("InstanceNormalization", lines, ones, zeros, epsilon=float(eps))
    back = g.node("Reshape", normal, g.node("Shape", x))
    column = np.array([-1, *(1,) * (x.ndim - 2)], np.int64)
    return g.node("Add", g.node("Mul", back, g.node("Reshape", w, column)), g.node("Reshape", b, column))


@says("max_pool", "average")
def _pool(g: Graph, x: Merged, geometry: Any, scale: Any = None) -> Any:
    """Windows that are alike once those at the borders have what was cut off: it is padded with before."""
    if isinstance(geometry, Varying) or isinstance(scale, Varying):
        raise Unsaid("pooling windows that depend on a size that stays open")
    sizes, strides, before, after = [], [], [], []
    for starts, stops, n, d in zip(
        geometry.starts, geometry.stops, geometry.input_size, geometry.dilation, strict=True
    ):
        k = max(-(-(b - a) // d) for a, b in zip(starts, stops, strict=True))
        extent = (k - 1) * d + 1
        whole = [i for i, (a, b) in enumerate(zip(starts, stops, strict=True)) if b - a == extent]
        gaps = {(starts[j] - starts[i]) / (j - i) for i, j in zip(whole, whole[1:], strict=False)} or {extent}
        step = gaps.pop()
        first = starts[whole[0]] - whole[0] * step
        corners = [first + i * step for i in range(len(starts))]
        cut = all(
            a == (c if c >= 0 else c % d) and b == min(c + extent, n)
            for a, b, c in zip(starts, stops, corners, strict=True)
        )
        if gaps or step < 1 or not cut:
            raise Unsaid("pooling windows that are not alike")
        sizes.append(k)
        strides.append(int(step))
        before.append(int(-first))
        after.append(int(max(corners[-1] + extent - n, 0)))
    padded: Any = x
    if any(before) or any(after):
        outside = like(x, 0 if scale is not None else -np.inf)
        padded = g.node("Pad", x, np.array([0, 0, *before, 0, 0, *after]), outside, mode="constant")
    if scale is None:
        return g.node("MaxPool", padded, kernel_shape=sizes, strides=strides, dilations=list(geometry.dilation))
    if any(d != 1 for d in geometry.dilation):
        raise Unsaid("averages of dilated windows")
    out = g.node("AveragePool", padded, kernel_shape=sizes, strides=strides)
    factors = np.array(scale) * math.prod(sizes)
    if np.allclose(factors, 1, rtol=1e-12):
        return out
    return g.node("Mul", out, factors.reshape(1, 1, *geometry.output_size).astype(x.dtype))


def _ones_apart(geometry: Any, channels: int, dtype: np.dtype) -> np.ndarray:
    """The kernel (C taps, 1, *kernel_size) that looks at one tap for each of its channels."""
    taps = math.prod(geometry.kernel_size)
    eye = np.eye(taps, dtype=dtype).reshape(taps, 1, *geometry.kernel_size)
    return np.concatenate([eye] * channels)


@says("columns")
def _columns(g: Graph, x: Merged, geometry: Any) -> Any:
    """A convolution whose kernels look at one tap each, of every channel by itself."""
    if isinstance(geometry, Varying) or x.ndim != 4:
        raise Unsaid("windows of images whose size stays open, or without a batch")
    channels = x.shape[1]
    settings = _conv_settings(geometry) | {"group": channels}
    out = g.node("Conv", x, _ones_apart(geometry, channels, x.dtype), **settings)
    return g.node("Reshape", out, np.array([0, channels * math.prod(geometry.kernel_size), -1]))


@says("columns_transpose")
def _columns_transpose(g: Graph, y: Merged, geometry: Any) -> Any:
    """The transposed convolution with the same kernels."""
    if isinstance(geometry, Varying) or y.ndim != 3:
        raise Unsaid("images whose size stays open, or without a batch")
    rows = y.shape[1]
    kernel = _ones_apart(geometry, rows // math.prod(geometry.kernel_size), y.dtype)
    image = g.node("Reshape", y, np.array([0, rows, *geometry.output_size]))
    settings = _transposed_settings(geometry) | {"group": rows // math.prod(geometry.kernel_size)}
    return g.node("ConvTranspose", image, kernel, **settings)


@says("resample")
def _resample(g: Graph, x: Merged, axis: int, taps: Any) -> Any:
    """A product with the matrix of weights along the axis."""
    if isinstance(taps, Varying):
        raise Unsaid("resampling along an axis whose size stays open")
    matrix = np.zeros((len(taps.positions), taps.size), np.float64)
    np.add.at(matrix, (np.arange(len(matrix))[:, None], taps.positions), taps.weights)
    axes = [d for d in range(x.ndim) if d != axis] + [axis]
    out = g.node("MatMul", g.node("Transpose", x, perm=axes), matrix.T.astype(x.dtype))
    return g.node("Transpose", out, perm=[axes.index(d) for d in range(x.ndim)])


def said(g: Graph, name: str, args: tuple, settings: dict) -> Any:
    """The result's name of a primitive. Raises Unsaid where there is no row for it, or the row cannot say it."""
    row = ROWS.get(name)
    if row is None:
        return formulas.said(g, name, args, settings)
    if isinstance(row, str):
        if g.opset < LATER.get(row, 0):
            return formulas.said(g, name, args, settings)
        return g.node(row, *operands(g, args)) if len(args) > 1 and name != "batched_matmul" else g.node(row, *args)
    return row(g, *args, **settings)
