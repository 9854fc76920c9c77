"""Matrix products of all ranks, on the register tile."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

import numpy as np

from .. import dtypes, kernels
from ..autograd import Node, Variable, plain, primitive
from ..autograd.following import step
from ..autograd.primitive import kept_array
from ..autograd.tape import Own
from .dims import no_tensor
from .layout import absent
from .names import public
from .norm import gated_rows
from .promotion import unbroadcastable
from .reduce import reduce_sum
from .shape import expand, reshape, squeeze, standalone, transpose, unsqueeze


@primitive
def batched_matmul(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x @ y of two stacks of matrices, (B, M, K) and (B, K, N)."""
    out = kernels.empty((x.shape[0], x.shape[1], y.shape[2]), x.dtype)
    kernels.matmul(x, y, out)
    return out


# Linear in each operand, and each gradient is a product again, of g and the other operand, transposed.
batched_matmul.vjp(
    # BEGIN SOLUTION 4.2: x y
    x=lambda g, y: batched_matmul(g, transpose(y, 1, 2)),
    y=lambda g, x: batched_matmul(transpose(x, 1, 2), g),
    # END SOLUTION
)


@primitive
def linear(x: np.ndarray, w: np.ndarray, *, turn_x: bool = False, turn_w: bool = True) -> np.ndarray:
    """x @ w of matrices, transposed first if told: as a rule (M, inputs) and (outputs, inputs), as layers have them."""
    return _linear(x, w, absent(x), turn_x, turn_w)


def _linear(x: np.ndarray, w: np.ndarray, b: np.ndarray, turn_x: bool, turn_w: bool) -> np.ndarray:
    out = kernels.empty((x.shape[turn_x], w.shape[not turn_w]), x.dtype)
    if x.flags.fnc:  # a transposed view: turned as the kernel does, without a copy
        x, turn_x = x.T, not turn_x
    if w.flags.fnc:
        w, turn_w = w.T, not turn_w
    kernels.linear(x, w, b, out, turn_x, turn_w, False)
    return out


# The same two products. An operand that was turned receives the transpose of its own, and (A B)T = BT AT. So each
# gradient is one product again, and no view is taken: `linear` turns its operands itself.
def _x_grad(g: Any, w: Any, turn_x: bool, turn_w: bool) -> Any:
    """The gradient of x, by one call of `linear`; where x was turned, of x as it came."""
    # BEGIN SOLUTION 4.2
    if turn_x:
        return linear(w, g, turn_x=turn_w, turn_w=True)
    return linear(g, w, turn_x=False, turn_w=not turn_w)
    # END SOLUTION


def _w_grad(g: Any, x: Any, turn_x: bool, turn_w: bool) -> Any:
    """The gradient of w, by one call of `linear`; where w was turned, of w as it came."""
    # BEGIN SOLUTION 4.2
    if turn_w:
        return linear(g, x, turn_x=True, turn_w=turn_x)
    return linear(x, g, turn_x=not turn_x, turn_w=False)
    # END SOLUTION


linear.vjp(x=_x_grad, w=_w_grad)


@primitive
def affine(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """x @ w transposed + b, of matrices (M, inputs) and (outputs, inputs) and a vector (outputs,)."""
    return _linear(x, w, b, False, True)


affine.vjp(
    x=lambda g, w: _x_grad(g, w, False, True),
    w=lambda g, x: _w_grad(g, x, False, True),
    b=lambda g: reduce_sum(g, dim=(0,), keepdim=False),
)


def _grads(node: Node, g: Any, needed: Container | None) -> list[tuple] | None:
    """The gradients of a layer's operands by one kernel, which reads g through the gate of a ReLU.

    None where there are too many rows for that kernel, or where neither x nor w is asked for.
    """
    edges = [p if needed is None or p in needed else None for p in node.parents]
    for_x, for_w, for_b = edges if len(edges) == 3 else (*edges, None)
    w = None if for_x is None else kept_array(node, "w")
    x = None if for_w is None else kept_array(node, "x")
    like = x if w is None else w
    if like is None or node.settings not in LAYER or plain.enabled:
        return None
    (rows, outputs), inputs = node.shape, like.shape[1]
    if not kernels.are_few(rows, outputs, inputs):
        return None
    none = absent(like)
    h, y, *_ = (g, none) if type(g) is np.ndarray else gated_rows(g)
    gx = none if w is None else np.empty((rows, inputs), h.dtype)
    gw = none if x is None else kernels.empty((outputs, inputs), h.dtype)
    gb = none if for_b is None else np.empty(outputs, h.dtype)
    kernels.linear_grad(h, y, none if x is None else x, none if w is None else w, gx, gw, gb)
    given = (for_x, gx), (for_w, gw), (for_b, gb)
    return [(edge, out if type(edge) is Node else Own(out)) for edge, out in given if edge is not None]


LAYER: tuple = ({}, {"turn_x": False, "turn_w": True})  # settings of `affine`, and of `linear` as layers call it
affine.together = linear.together = _grads
affine.accepts_pending = linear.accepts_pending = True


@public("matmul", on="T t o")
@step("matmul")
def matmul(x: Any, other: Any) -> Any:
    """x @ y: vectors are a row or a column and lose that axis again; leading axes of larger ranks broadcast.

    Raises RuntimeError if the inner sizes or dtypes differ, or an operand is a scalar.
    """
    if not isinstance(other, Variable):
        raise no_tensor("matmul", "other", other)
    y = other
    a, b = x.array, y.array
    if a.ndim == 0 or b.ndim == 0:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {a.ndim}D and {b.ndim}D")
    if a.dtype != b.dtype:
        names = [str(dtypes.as_dtype(v.dtype)) for v in (a, b)]
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {names[0]} != {names[1]}")
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        if a.ndim == b.ndim == 1:
            raise RuntimeError(
                f"inconsistent tensor size, expected tensor {list(a.shape)} and src {list(b.shape)} to have the same "
                "number of elements"
            )
        rows = "x".join(map(str, a.shape))
        columns = "x".join(map(str, b.shape))
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({rows} and {columns})")
    if a.ndim == 1:
        return standalone(squeeze(matmul(unsqueeze(x, 0), y), -2 if b.ndim > 1 else 0))
    if b.ndim == 1:
        return standalone(squeeze(matmul(x, unsqueeze(y, 1)), -1))
    if b.ndim == 2:  # one product of all rows, however they are stacked
        return _stacked_rows(x, lambda rows: linear(rows, y, turn_x=False, turn_w=False))
    if a.ndim == b.ndim == 3 and a.shape[0] == b.shape[0]:
        return batched_matmul(x, y)
    try:
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise unbroadcastable("matmul", x, y) from None
    x, y = (_stacked(v, batch) for v in (x, y))
    return standalone(reshape(batched_matmul(x, y), shape=(*batch, a.shape[-2], b.shape[-1])))


def stacked_linear(x: Any, w: Any, b: Any = None) -> Any:
    """`linear` or, with b (outputs,), `affine` of x (..., inputs) with any leading axes."""
    if b is None:
        return _stacked_rows(x, lambda rows: linear(rows, w))
    return affine(x, w, b) if len(x.outline.shape) == 2 else _stacked_rows(x, lambda rows: affine(rows, w, b))


def _stacked_rows(x: Any, product: Callable) -> Any:
    """A product of the rows of x (..., inputs), with any leading axes."""
    shape = x.array.shape
    if len(shape) == 2:
        return product(x)
    out = product(reshape(x, shape=(_count(shape[:-1]), shape[-1])))
    return standalone(reshape(out, shape=(*shape[:-1], out.outline.shape[1])))


def _count(shape: tuple) -> int:
    return int(np.prod(shape))


def _stacked(x: Any, batch: tuple) -> Any:
    """x broadcast to `batch` and flattened to one batch axis."""
    matrix = x.array.shape[-2:]
    full = x if x.array.shape[:-2] == batch else expand(x, shape=(*batch, *matrix))
    return reshape(full, shape=(_count(batch), *matrix))


@public("mm", on="T t o")
def mm(x: Any, mat2: Any) -> Any:
    """x @ mat2 of two matrices. Raises RuntimeError for other ranks."""
    for v, name in ((x, "self"), (mat2, "mat2")):
        if not isinstance(v, Variable):
            raise no_tensor("mm", name, v)
        if v.array.ndim != 2:
            raise RuntimeError(f"{name} must be a matrix, but has shape {v.array.shape}")
    return matmul(x, mat2)


@public("bmm", on="T t o")
def bmm(x: Any, mat2: Any) -> Any:
    """x @ mat2 of two stacks of matrices. Raises RuntimeError for other ranks or different numbers of matrices."""
    for v, name in ((x, "batch1"), (mat2, "batch2")):
        if not isinstance(v, Variable):
            raise no_tensor("bmm", name, v)
        if v.array.ndim != 3:
            raise RuntimeError(f"{name} must be a 3D tensor, but has shape {v.array.shape}")
    if x.array.shape[0] != mat2.array.shape[0]:
        raise RuntimeError(f"bmm: batch1 has {x.array.shape[0]} matrices and batch2 {mat2.array.shape[0]}")
    return matmul(x, mat2)


@public("dot", on="T t o")
def dot(x: Any, tensor: Any) -> Any:
    """The sum of products of two vectors. Raises RuntimeError for other ranks."""
    if not isinstance(tensor, Variable):
        raise no_tensor("dot", "tensor", tensor)
    if x.array.ndim != 1 or tensor.array.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {x.array.ndim}D and {tensor.array.ndim}D tensors")
    return matmul(x, tensor)


@public("outer ger", on="T t o")
def outer(x: Any, vec2: Any) -> Any:
    """out[i, j] = x[i] * vec2[j] of two vectors. Raises RuntimeError for other ranks."""
    for v, name in ((x, "self"), (vec2, "vec2")):
        if not isinstance(v, Variable):
            raise no_tensor("outer", name, v)
        if v.array.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {v.array.ndim}-D")
    return unsqueeze(x, 1) * vec2
