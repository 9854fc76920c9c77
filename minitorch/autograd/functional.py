"""Whole derivatives of functions: vector-Jacobian and Jacobian-vector products, Jacobians, Hessians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .modes import enable_grad
from .tape import Variable, grad, wrap


def _tuple(value: Any) -> tuple:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _plain(values: tuple, like: Any) -> Any:
    """A tuple for a tuple, a single value for a single one."""
    return values if isinstance(like, list | tuple) else values[0]


def _fresh(inputs: Any, create_graph: bool) -> tuple:
    """The inputs as new points on the tape: connected to where they came from if the result shall be differentiable."""
    out = []
    for x in _tuple(inputs):
        if not isinstance(x, Variable):
            raise TypeError(f"the inputs must be Tensors, but one is {type(x).__name__}")
        if create_graph and x.edge is not None:
            out.append(x.view_as(x))
        else:
            y = wrap(x.array)
            y._requires_grad = True
            out.append(y)
    return tuple(out)


def _call(func: Callable, xs: tuple) -> Any:
    result = func(*xs)
    for y in _tuple(result):
        if not isinstance(y, Variable):
            raise TypeError(f"the function must return Tensors, but returned {type(y).__name__}")
    return result


def slopes(ys: Any, xs: Any, vs: Any, create_graph: bool) -> tuple:
    """The gradients of <v, y>, zeros where nothing depends on an input."""
    pairs = [(y, v) for y, v in zip(ys, vs, strict=True) if y.edge is not None]
    if not pairs:
        return tuple(wrap(np.zeros_like(x.array)) for x in xs)
    found = grad(
        [y for y, _ in pairs],
        xs,
        [v for _, v in pairs],
        create_graph=create_graph,
        allow_unused=True,
        retain_graph=True,
    )
    return tuple(wrap(np.zeros_like(x.array)) if g is None else g for g, x in zip(found, xs, strict=True))


def _vectors(v: Any, like: tuple, what: str) -> tuple:
    if v is None:
        if len(like) != 1 or like[0].array.size != 1:
            raise RuntimeError(f"The vector v can only be None if the {what} is a single element")
        return (wrap(np.ones_like(like[0].array)),)
    vs = _tuple(v)
    if [w.array.shape for w in vs] != [y.array.shape for y in like]:
        raise RuntimeError(
            f"v has shapes {[w.array.shape for w in vs]}, but the {what} has {[y.array.shape for y in like]}"
        )
    return vs


def vjp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), v times its Jacobian): the gradients of <v, func(inputs)>, one per input."""
    with enable_grad():
        xs = _fresh(inputs, create_graph)
        result = _call(func, xs)
        ys = _tuple(result)
        found = slopes(ys, xs, _vectors(v, ys, "output of the function"), create_graph)
    return _released(result, create_graph), _plain(_released(found, create_graph), inputs)


def jvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), its Jacobian J times v), by two backward passes: u J is linear in u, with the derivative J."""
    with enable_grad():
        xs = _fresh(inputs, create_graph)
        result = _call(func, xs)
        ys, vs = _tuple(result), _vectors(v, xs, "input")
        # BEGIN SOLUTION 12.3
        us = tuple(wrap(np.zeros(y.array.shape, y.array.dtype)) for y in ys)
        for u in us:
            u._requires_grad = True
        rows = slopes(ys, xs, us, True)
        found = slopes(rows, us, vs, create_graph)
        # END SOLUTION
    return _released(result, create_graph), _plain(_released(found, create_graph), result)


def _released(values: Any, create_graph: bool) -> Any:
    if create_graph:
        return values
    return _plain(tuple(y.detach() for y in _tuple(values)), values)


def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """All derivatives of func's outputs by its inputs: for each pair a tensor of shape output.shape + input.shape.

    A single tensor for one output and one input, else tuples, outputs outside. One backward pass per output element.

    >>> import minitorch
    >>> jacobian(lambda x: x * x, minitorch.tensor([1.0, 3.0]))
    tensor([[2., 0.],
            [0., 6.]])
    """
    with enable_grad():
        xs = _fresh(inputs, create_graph)
        result = _call(func, xs)
        table = []
        for y in _tuple(result):
            rows: list[list] = [[] for _ in xs]
            for index in range(y.array.size):
                one = np.zeros_like(y.array)
                one.flat[index] = 1
                for column, g in zip(rows, slopes((y,), xs, (wrap(one),), create_graph), strict=True):
                    column.append(g)
            table.append(_plain(tuple(_stacked(c, y, x, create_graph) for c, x in zip(rows, xs, strict=True)), inputs))
    return _plain(tuple(table), result)


def _stacked(rows: list, y: Any, x: Any, create_graph: bool) -> Any:
    shape = (*y.array.shape, *x.array.shape)
    if not create_graph:
        return wrap(np.stack([g.array for g in rows]).reshape(shape) if rows else np.zeros(shape, x.array.dtype))
    total = wrap(np.zeros((len(rows), *x.array.shape), x.array.dtype))
    for i, g in enumerate(rows):  # in tensor operations, so that the Jacobian can be differentiated
        total[i] = g
    return total.reshape(shape)


def hessian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of a scalar function: the Jacobian of its gradient.

    >>> import minitorch
    >>> hessian(lambda x: (x**3).sum(), minitorch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacobian(lambda *xs: _plain(_slope(func, xs), inputs), inputs, create_graph)


def _slope(func: Callable, xs: tuple) -> tuple:
    """The gradient of a scalar function, differentiable itself."""
    y = _call(func, xs)
    if not isinstance(y, Variable) or y.array.size != 1:
        raise RuntimeError("the function must return a single element, a scalar, to have a Hessian")
    return slopes((y,), xs, (wrap(np.ones_like(y.array)),), True)


def hvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), its Hessian times v), without forming the Hessian."""
    with enable_grad():
        xs = _fresh(inputs, create_graph)
        y = _call(func, xs)
        first = slopes(_tuple(y), xs, (wrap(np.ones_like(_tuple(y)[0].array)),), True)
        found = slopes(first, xs, _vectors(v, xs, "input"), create_graph)
    return _released(y, create_graph), _plain(_released(found, create_graph), inputs)


vhp = hvp  # the Hessian is symmetric
