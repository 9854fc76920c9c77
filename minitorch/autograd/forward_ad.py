"""Dual numbers, PyTorch's forward mode: tensors that carry a tangent, and what becomes of it.

    with dual_level():
        y = f(make_dual(x, v))
        primal, tangent = unpack_dual(y)  # f(x), and f's Jacobian times v

There is no forward mode underneath: ops are recorded as ever, and `unpack_dual` runs two backward passes. The gradient
of <u, y> is linear in u, with the Jacobian as its slope. So a tangent costs about three times its op, once for each
`unpack_dual`; and what happens under `no_grad` loses it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import FLOATS, as_dtype
from .modes import GradMode, is_grad_enabled
from .primitive import identity
from .tape import Node, Variable, grad, wrap

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]


class UnpackedDualTensor(NamedTuple):
    """What a dual tensor is made of; the tangent is None for any other."""

    primal: Any
    tangent: Any


class _Point(NamedTuple):
    """A dual tensor's place on the tape, the leaf below it if its primal is off the tape, and its tangent."""

    place: Any
    leaf: Any
    tangent: Any


_level: ContextVar[list[_Point] | None] = ContextVar("dual_level", default=None)


def enter_dual_level() -> int:
    """Begin a level, in which dual tensors live. Raises RuntimeError within another."""
    if _level.get() is not None:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _level.set([])
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """End the level: its tensors have no tangents any more. Raises RuntimeError where there is none."""
    if _level.get() is None:
        raise RuntimeError("Trying to exit a forward AD level when none exists")
    _level.set(None)


class dual_level:
    """A level as a context manager.

    >>> import minitorch
    >>> with dual_level():
    ...     x = make_dual(minitorch.tensor([1.0, 3.0]), minitorch.tensor([1.0, 10.0]))
    ...     unpack_dual(x * x)
    UnpackedDualTensor(primal=tensor([1., 9.]), tangent=tensor([ 2., 60.]))
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *error: object) -> None:
        exit_dual_level()


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> Any:
    """A tensor of the same memory that carries `tangent`, a direction of its shape and dtype.

    Raises RuntimeError outside a level and for another shape, ValueError for integers.
    """
    points = _level.get()
    if points is None:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    for what, x in (("primal", tensor), ("tangent", tangent)):
        if not isinstance(x, Variable):
            raise TypeError(f"make_dual(): the {what} must be a Tensor, but got {type(x).__name__}")
        if x.array.dtype.kind not in FLOATS:
            raise ValueError(f"Expected {what} to be floating point or complex, but got: {as_dtype(x.array.dtype)}")
    if tangent.array.shape != tensor.array.shape or tangent.array.dtype != tensor.array.dtype:
        raise RuntimeError(
            f"Expected the tangent to have the primal's shape and dtype, {list(tensor.array.shape)} of "
            f"{as_dtype(tensor.array.dtype)}, but it has {list(tangent.array.shape)} of {as_dtype(tangent.array.dtype)}"
        )
    leaf = None
    if tensor.edge is None:
        leaf = wrap(tensor.array)
        leaf._requires_grad = True
    dual, place = wrap(tensor.array), wrap(tensor.array)
    dual.share(tensor)
    dual._node = place._node = identity.record((tensor if leaf is None else leaf,), dual, 1, (), {})
    points.append(_Point(place, leaf, tangent))
    return dual


def unpack_dual(tensor: Any, *, level: int | None = None) -> UnpackedDualTensor:
    """The tensor and its tangent, None where no dual tensor of this level led to it.

    Both are on the tape where they depend on something else that requires grad, and nowhere else.
    """
    points = _level.get()
    if not points or tensor.edge is None:
        return UnpackedDualTensor(tensor, None)
    record = is_grad_enabled() and (
        _depends(tensor, [p.leaf for p in points]) or any(p.tangent.edge is not None for p in points)
    )
    with GradMode(True):
        u = wrap(np.zeros_like(tensor.array))
        u._requires_grad = True
        rows = grad(tensor, [p.place for p in points], u, create_graph=True, allow_unused=True)
        reached = [(row, p.tangent) for row, p in zip(rows, points, strict=True) if row is not None]
        if not reached:
            return UnpackedDualTensor(tensor, None)
        ys, vs = [row for row, _ in reached], [v for _, v in reached]
        found = _slope(ys, u, vs, record)
    return UnpackedDualTensor(tensor if record else tensor.detach(), found)


def _slope(ys: list, u: Any, vs: list, record: bool) -> Any:
    """The gradient of <v, y> by u; zeros where y does not depend on it."""
    pairs = [(y, v) for y, v in zip(ys, vs, strict=True) if y.edge is not None]
    found = None
    if pairs:
        (found,) = grad([y for y, _ in pairs], u, [v for _, v in pairs], None, record, allow_unused=True)
    return wrap(np.zeros_like(u.array)) if found is None else found


def _depends(tensor: Any, hidden: list) -> bool:
    """Whether a tensor depends on a leaf beside these."""
    known, seen, todo = {id(leaf) for leaf in hidden}, set(), [tensor.edge]
    while todo:
        edge = todo.pop()
        if edge is None or id(edge) in seen:
            continue
        seen.add(id(edge))
        if isinstance(edge, Node):
            todo += edge.parents
        elif id(edge) not in known:
            return True
    return False
