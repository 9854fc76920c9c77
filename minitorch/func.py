"""Derivatives as functions of functions: `grad(f)` is the function that computes f's gradient.

Each transform makes fresh points on the tape of its inputs, calls the function, and runs `autograd.grad`. They nest.
Their results are on the tape where they depend on something outside that requires grad, as weights that the function
uses, and nowhere else. Inputs and outputs may be tensors, or tuples, lists and dicts of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import autograd
from .autograd import Node, Variable
from .autograd.functional import slopes
from .autograd.tape import wrap
from .dtypes import FLOATS
from .ops.index import getitem
from .ops.join import stack

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "stack_module_state",
    "vjp",
    "vmap",
]


# ------------------------------------------------------------------------------------------------ trees of tensors
def _leaves(tree: Any) -> list:
    """What is in tuples, lists and dicts, in order."""
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in _leaves(value)]
    if isinstance(tree, tuple | list):
        return [leaf for value in tree for leaf in _leaves(value)]
    return [tree]


def _with(tree: Any, leaves: Any) -> Any:
    """The tree with other leaves, taken from an iterator."""
    if isinstance(tree, dict):
        return type(tree)((key, _with(value, leaves)) for key, value in tree.items())
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(_with(value, leaves) for value in tree))
    if isinstance(tree, tuple | list):
        return type(tree)(_with(value, leaves) for value in tree)
    return next(leaves)


def _tree(tree: Any, leaves: Sequence) -> Any:
    return _with(tree, iter(leaves))


def _map(function: Callable, tree: Any) -> Any:
    return _tree(tree, [function(leaf) for leaf in _leaves(tree)])


def _tensors(what: str, tree: Any) -> list:
    leaves = _leaves(tree)
    for leaf in leaves:
        if not isinstance(leaf, Variable):
            raise ValueError(f"{what}: Thing passed to transform API must be Tensor, got {type(leaf)}")
    return leaves


# ---------------------------------------------------------------------------------------------- fresh points, slopes
def _fresh(tree: Any) -> Any:
    """The tensors of a tree as new points on the tape, connected to where they came from."""

    def fresh(x: Any) -> Any:
        if not isinstance(x, Variable) or x.outline.dtype.kind not in FLOATS:
            return x
        if x.edge is not None:
            return x.view_as(x)
        y = wrap(x.array)
        y._requires_grad = True
        return y

    return _map(fresh, tree)


def _outside(ys: list, xs: list) -> bool:
    """Whether ys depend on something that requires grad beside the points xs."""
    own = {x.edge for x in xs}
    seen, todo = set(own), [y.edge for y in ys if isinstance(y, Variable)]
    while todo:
        edge = todo.pop()
        if edge is None or edge in seen:
            continue
        seen.add(edge)
        if not isinstance(edge, Node):
            return True
        todo += edge.parents
    return any(isinstance(edge, Node) and any(p is not None for p in edge.parents) for edge in own)


def _left(tree: Any, record: bool) -> Any:
    """Results as they leave a transform: off the tape, where nothing outside needs them on it."""
    return tree if record else _map(lambda y: y.detach() if isinstance(y, Variable) else y, tree)


def _chosen(args: tuple, argnums: int | tuple[int, ...]) -> tuple[tuple, Any]:
    """The arguments with fresh points for those that are asked for, and these points."""
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for n in numbers:
        if not -len(args) <= n < len(args):
            raise RuntimeError(f"Got argnum={n}, but only {len(args)} positional inputs")
    if len({n % len(args) for n in numbers}) < len(numbers):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    new = list(args)
    for n in numbers:
        _tensors("argnums", args[n])
        new[n] = _fresh(args[n])
    picked = tuple(new[n] for n in numbers)
    return tuple(new), picked[0] if isinstance(argnums, int) else picked


def _called(func: Callable, args: tuple, kwargs: dict, has_aux: bool) -> tuple[Any, Any]:
    result = func(*args, **kwargs)
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        raise RuntimeError("the function should return a tuple (output, aux) if has_aux is True")
    return result


# -------------------------------------------------------------------------------------------------------- transforms
def grad_and_value(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The function that returns (gradient of func for its arguments `argnums`, func's value).

    func returns a tensor of one element without dimensions; with has_aux a pair of it and anything, and then the value
    is such a pair. Raises RuntimeError where it returns something else.
    """

    def transformed(*args: Any, **kwargs: Any) -> Any:
        outer = autograd.is_grad_enabled()
        with autograd.enable_grad():
            new, points = _chosen(args, argnums)
            y, aux = _called(func, new, kwargs, has_aux)
            if not isinstance(y, Variable):
                raise RuntimeError(f"Expected f(*args) to return a tensor, got {type(y).__name__}")
            if y.outline.shape != ():
                raise RuntimeError(
                    f"Expected f(*args) to return a scalar tensor, got tensor with {len(y.outline.shape)} dims. Maybe "
                    "you wanted to use the vjp or jacrev APIs instead?"
                )
            xs = _leaves(points)
            record = outer and _outside([y], xs)
            found = slopes([y], xs, [wrap(np.ones_like(y.array))], record)
        value = _left((y, aux) if has_aux else y, record)
        return _left(_tree(points, found), record), value

    return transformed


def grad(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The function that computes the gradient of func for its arguments `argnums`; with has_aux (gradient, aux).

    >>> import minitorch
    >>> grad(grad(lambda x: x**3))(minitorch.tensor(2.0))
    tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    def transformed(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return transformed


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """(func(*primals), f): f(v) is v times the Jacobian, one per primal; with has_aux a third result.

    >>> import minitorch
    >>> y, f = vjp(lambda x: x * x, minitorch.tensor([1.0, 3.0]))
    >>> f(minitorch.tensor([1.0, 1.0]))
    (tensor([2., 6.]),)
    """
    outer = autograd.is_grad_enabled()
    with autograd.enable_grad():
        points = _fresh(primals)
        result, aux = _called(func, points, {}, has_aux)
        ys, xs = _tensors("vjp", result), _leaves(points)
        record = outer and _outside(ys, xs)

    def product(cotangents: Any) -> Any:
        vs = _tensors("vjp", cotangents)
        if [v.outline.shape for v in vs] != [y.outline.shape for y in ys]:
            raise RuntimeError(
                f"Expected cotangents of the output's shapes, {[tuple(y.outline.shape) for y in ys]}, but got "
                f"{[tuple(v.outline.shape) for v in vs]}"
            )
        again = autograd.is_grad_enabled() and (record or any(v.edge is not None for v in vs))
        return _left(_tree(points, slopes(ys, xs, vs, again)), again)

    results = (_left(result, record), product)
    return (*results, _left(aux, record)) if has_aux else results


def jvp(func: Callable, primals: tuple, tangents: tuple, *, strict: bool = False, has_aux: bool = False) -> tuple:
    """(func(*primals), its Jacobian times the tangents), by two backward passes: u J is linear in u, with the slope J.

    >>> import minitorch
    >>> jvp(lambda x: x * x, (minitorch.tensor([1.0, 3.0]),), (minitorch.tensor([1.0, 0.0]),))[1]
    tensor([2., 0.])
    """
    outer = autograd.is_grad_enabled()
    with autograd.enable_grad():
        if not isinstance(primals, tuple) or not isinstance(tangents, tuple):
            raise RuntimeError("jvp: Expected primals and tangents to be tuples")
        points = _fresh(primals)
        result, aux = _called(func, points, {}, has_aux)
        ys, xs, vs = _tensors("jvp", result), _leaves(points), _tensors("jvp", tangents)
        if [v.outline.shape for v in vs] != [x.outline.shape for x in xs]:
            raise RuntimeError("jvp: Expected primals and tangents to have the same shapes")
        record = outer and (_outside(ys, xs) or any(v.edge is not None for v in vs))
        us = [wrap(np.zeros_like(y.array)) for y in ys]
        for u in us:
            u._requires_grad = True
        found = slopes(slopes(ys, xs, us, True), us, vs, record)
    results = (_left(result, record), _left(_tree(result, found), record))
    return (*results, _left(aux, record)) if has_aux else results


def linearize(func: Callable, *primals: Any) -> tuple:
    """(func(*primals), f): f(*tangents) is the Jacobian times the tangents."""
    value = func(*primals)
    return value, lambda *tangents: jvp(func, primals, tangents)[1]


def jacrev(
    func: Callable, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False, chunk_size: int | None = None
) -> Callable:
    """The function that computes func's Jacobian, output.shape + input.shape, a backward pass per output element.

    >>> import minitorch
    >>> jacrev(lambda x: x * x)(minitorch.tensor([1.0, 3.0]))
    tensor([[2., 0.],
            [0., 6.]])
    """

    def transformed(*args: Any, **kwargs: Any) -> Any:
        outer = autograd.is_grad_enabled()
        with autograd.enable_grad():
            new, points = _chosen(args, argnums)
            result, aux = _called(func, new, kwargs, has_aux)
            ys, xs = _tensors("jacrev", result), _leaves(points)
            record = outer and _outside(ys, xs)
            tables = []
            for y in ys:
                rows = []
                for i in range(y.array.size):
                    one = np.zeros_like(y.array)
                    one.flat[i] = 1
                    rows.append(slopes([y], xs, [wrap(one)], record))
                shapes = [(*y.array.shape, *x.array.shape) for x in xs]
                columns = zip(*rows, strict=True) if rows else [() for _ in xs]
                tables.append(
                    [
                        stack(column).reshape(shape) if column else wrap(np.zeros(shape, y.array.dtype))
                        for column, shape in zip(columns, shapes, strict=True)
                    ]
                )
        found = _left(_tree(result, [_tree(points, table) for table in tables]), record)
        return (found, _left(aux, record)) if has_aux else found

    return transformed


def jacfwd(
    func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable:
    """What `jacrev` computes, and by the same passes: a forward mode of its own would cost two of them per column."""
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """The function that computes func's second derivatives.

    >>> import minitorch
    >>> hessian(lambda x: (x**3).sum())(minitorch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacrev(jacrev(func, argnums), argnums)


# ------------------------------------------------------------------------------------------------------------- vmap
def vmap(
    func: Callable, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable:
    """func for each slice of its arguments along `in_dims`, its results stacked along `out_dims`: a loop.

    in_dims: one for all arguments, or as they are nested, None for what all slices share. Raises ValueError where sizes
    differ, or nothing is mapped over.

    >>> import minitorch
    >>> vmap(lambda a, b: (a * b).sum())(minitorch.ones(3, 2), minitorch.ones(3, 2))
    tensor([2., 2., 2.])
    """

    def transformed(*args: Any, **kwargs: Any) -> Any:
        if not isinstance(in_dims, int | tuple | list):
            raise ValueError(f"vmap: expected `in_dims` to be int or a (potentially nested) tuple, got {type(in_dims)}")
        dims = _spread(in_dims, args, "in_dims")
        leaves = _leaves(args)
        sizes = {leaf.size(d) for leaf, d in zip(leaves, dims, strict=True) if d is not None}
        if not sizes:
            raise ValueError(
                "vmap: expected at least one input to be mapped over: all `in_dims` are None, so there is no size"
            )
        if len(sizes) > 1:
            raise ValueError(
                f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes}"
            )
        results = []
        for i in range(sizes.pop()):
            part = [x if d is None else _slice(x, d, i) for x, d in zip(leaves, dims, strict=True)]
            results.append(func(*_tree(args, part), **kwargs))
        if not results:
            raise ValueError("vmap: there are no slices to call the function with")
        outs = _spread(out_dims, results[0], "out_dims")
        columns = zip(*(_tensors("vmap", result) for result in results), strict=True)
        return _tree(
            results[0], [stack(column, 0 if d is None else d) for column, d in zip(columns, outs, strict=True)]
        )

    return transformed


def _slice(x: Any, dim: int, i: int) -> Any:
    return getitem(x, key=(*(slice(None),) * (dim % x.dim()), i))


def _spread(dims: Any, tree: Any, what: str) -> list:
    """A dimension for each leaf of the tree, of one for all or of a tree that may be shallower."""
    if dims is None or isinstance(dims, int):
        return [dims] * len(_leaves(tree))
    if isinstance(dims, tuple | list) and isinstance(tree, tuple | list) and len(dims) == len(tree):
        return [d for part, value in zip(dims, tree, strict=True) for d in _spread(part, value, what)]
    if isinstance(dims, dict) and isinstance(tree, dict) and dims.keys() == tree.keys():
        return [d for key, value in tree.items() for d in _spread(dims[key], value, what)]
    raise ValueError(f"vmap: `{what}` {dims!r} is not compatible with the structure of what it is for")


# ---------------------------------------------------------------------------------------------------------- modules
def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args, **kwargs) with these tensors in place of its parameters and buffers of the same names.

    tie_weights: a tensor for one name serves for all names of the same parameter. strict: every parameter and buffer
    has to be given. Raises RuntimeError for unknown or missing names with `strict`, ValueError where names occur twice.

    >>> import minitorch
    >>> net = minitorch.nn.Linear(2, 1, bias=False)
    >>> functional_call(net, {"weight": minitorch.ones(1, 2)}, minitorch.ones(3, 2)).flatten()
    tensor([2., 2., 2.])
    """
    given = parameter_and_buffer_dicts
    if isinstance(given, tuple | list):
        names = [name for part in given for name in part]
        if len(set(names)) < len(names):
            raise ValueError(f"{sorted({n for n in names if names.count(n) > 1})} appeared in multiple dictionaries")
        given = {name: value for part in given for name, value in part.items()}
    elif not isinstance(given, dict):
        raise ValueError(
            f"Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got {type(given)}"
        )
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, dict(given), tie_weights, strict):
        return module(*args, **(kwargs or {}))


@contextmanager
def _replaced(module: Any, given: dict, tie_weights: bool, strict: bool) -> Any:
    own = dict(module.named_parameters(remove_duplicate=False)) | dict(module.named_buffers(remove_duplicate=False))
    if tie_weights:
        for name, value in list(given.items()):
            same = [other for other, tensor in own.items() if name in own and tensor is own[name] and other != name]
            for other in same:
                if given.setdefault(other, value) is not value:
                    raise ValueError(
                        f"functional_call got multiple values for keys {sorted([name, *same])}, which are tied"
                    )
    unexpected, missing = given.keys() - own.keys(), own.keys() - given.keys()
    if strict and (unexpected or missing):
        raise RuntimeError(
            f"functional_call: with strict=True unexpected names {sorted(unexpected)}, missing names {sorted(missing)}"
        )
    given = {name: value for name, value in given.items() if name in own}
    places = []
    for name in given:
        path, _, last = name.rpartition(".")
        owner = module.get_submodule(path)
        places.append((owner._parameters if last in owner._parameters else owner._buffers, last))
    try:
        for (members, last), value in zip(places, given.values(), strict=True):
            members[last] = value
        yield
    finally:
        for (members, last), name in zip(places, given, strict=True):
            members[last] = own[name]


def stack_module_state(models: Sequence) -> tuple[dict, dict]:
    """(parameters, buffers) of modules of one kind, each stacked along a new first dimension, for `vmap`.

    The stacked parameters are leaves that require grad where the modules' do. Raises RuntimeError for no models.
    """
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({type(model) for model in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    if len({model.training for model in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    with autograd.no_grad():
        parameters = {
            name: stack([dict(model.named_parameters())[name] for model in models])
            for name, _ in models[0].named_parameters()
        }
        buffers = {
            name: stack([dict(model.named_buffers())[name] for model in models])
            for name, _ in models[0].named_buffers()
        }
    for name, p in models[0].named_parameters():
        parameters[name].requires_grad_(p.requires_grad)
    return parameters, buffers
