"""How a pointwise kernel passes through its operands: axes sorted by memory, merged where all agree; no numba here.

`plan_of` is worked out once for each combination of shapes and strides and kept.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

HEAD, OPERAND = 4, 4  # entries of a table before the operands', and for each: see `Plan`
OUTER = 3  # axes around a line
COPIED, WHOLE, FIRST = range(3)


class Program(NamedTuple):
    """A pointwise formula as lines of code; see pointwise.py. weight: about how many operations it does per element."""

    name: str
    text: str
    boolean: bool
    weight: int


class Plan(NamedTuple):
    """table: elements, length of a line, the two inner sizes of the axes around it; then for each operand, the result
    last, its step along a line and its strides along the three axes.

    ways: how the kernel gets each operand: COPIED into the order of the result first, since it moves by other steps
    along a line; WHOLE, as a vector of all its elements; or by its FIRST element. order: the axes of the result as
    memory has them, outermost first. out_shape: its shape in that order; back: the axes from there back to the logical
    order, None where it is the same.
    """

    table: np.ndarray
    ways: tuple[int, ...]
    order: tuple[int, ...]
    out_shape: tuple[int, ...]
    back: tuple[int, ...] | None


def plan_of(operands: list[np.ndarray]) -> Plan | None:
    """The plan for these operands; None if they don't broadcast or leave more axes than a kernel walks."""
    try:
        shape = np.broadcast_shapes(*[x.shape for x in operands])
    except ValueError:
        return None
    ndim = len(shape)
    order = _order(operands, shape)
    strides = [_strides(x, shape) for x in operands]
    out = _dense(shape, order)
    strides.append(out)
    ways = [WHOLE if _is_dense(x) else FIRST for x in operands]
    dims = merged(shape, order, strides)
    for i, x in enumerate(operands):
        if dims[-1][1][i] not in (0, 1):
            ways[i] = COPIED
            padded = (1,) * (ndim - x.ndim) + x.shape
            dense = _dense(padded, order)
            strides[i] = [0 if n == 1 else dense[axis] for axis, n in enumerate(padded)]
    if COPIED in ways:
        dims = merged(shape, order, strides)
    if len(dims) > OUTER + 1:
        return None
    dims = [(1, [0] * len(strides))] * (OUTER + 1 - len(dims)) + dims
    inner, steps = dims[-1]
    table = [int(np.prod(shape, dtype=object)), inner, dims[1][0], dims[2][0]]
    for i in range(len(strides)):
        table += [steps[i], dims[0][1][i], dims[1][1][i], dims[2][1][i]]
    back = None if order == tuple(range(ndim)) else tuple(order.index(axis) for axis in range(ndim))
    return Plan(np.array(table, np.int64), tuple(ways), order, tuple(shape[axis] for axis in order), back)


def laid_out(x: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    """A copy of x whose memory has its axes in this order (of those of a result with as many axes, or more)."""
    lead = len(order) - x.ndim
    own = [axis - lead for axis in order if axis >= lead]
    copy = np.ascontiguousarray(x.transpose(own))
    copy = copy.copy() if np.may_share_memory(copy, x) else copy
    return copy.transpose(np.argsort(own))


def _order(operands: list[np.ndarray], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of the result, outermost first: as the first operand of its shape has them."""
    for x in operands:
        if x.shape == shape and (x.flags.c_contiguous or 0 not in x.strides):
            if x.flags.c_contiguous:
                break
            return tuple(sorted(range(x.ndim), key=lambda axis, x=x: (-abs(x.strides[axis]), axis)))  # type: ignore[misc]
    return tuple(range(len(shape)))


def _is_dense(x: np.ndarray) -> bool:
    """Whether x's elements fill its memory without gaps or repetitions, in whatever order its axes are."""
    step = x.itemsize
    for stride, n in sorted(zip(x.strides, x.shape, strict=True)):
        if n != 1:
            if stride != step:
                return False
            step *= n
    return True


def _strides(x: np.ndarray, shape: tuple[int, ...]) -> list[int]:
    """In elements along each axis of the result, 0 where x is repeated."""
    own = [0 if n == 1 else s // x.itemsize for n, s in zip(x.shape, x.strides, strict=True)]
    return [0] * (len(shape) - x.ndim) + own


def _dense(shape: tuple[int, ...], order: tuple[int, ...]) -> list[int]:
    """The strides of an array without gaps whose memory has its axes in this order."""
    strides, step = [0] * len(shape), 1
    for axis in reversed(order):
        strides[axis] = step
        step *= shape[axis]
    return strides


def merged(shape: tuple[int, ...], order: tuple[int, ...], strides: list[list[int]]) -> list[tuple[int, list[int]]]:
    """(size, stride of each operand) of the axes that are left, outermost first."""
    dims: list[tuple[int, list[int]]] = []
    for axis in order:
        n, steps = shape[axis], [s[axis] for s in strides]
        if n == 1:
            continue
        if dims and all(outer == n * step for outer, step in zip(dims[-1][1], steps, strict=True)):
            dims[-1] = (dims[-1][0] * n, steps)
        else:
            dims.append((n, steps))
    if not dims:
        return [(1, [0] * (len(strides) - 1) + [1])]
    return dims
