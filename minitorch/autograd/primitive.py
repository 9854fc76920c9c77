"""What an op is: a function of arrays, and for each argument the rule of its derivative.

    @primitive
    def multiply(x, y):
        return np.multiply(x, y)

    multiply.vjp(
        x=lambda g, y, x_shape: sum_to(g * y, x_shape),
        y=lambda g, x, y_shape: sum_to(g * x, y_shape),
    )

Positional arguments are arrays and may be differentiated; keyword-only arguments are settings and may not. A rule is
handed what its parameters name, and the tape keeps exactly that:

    g             the gradient that comes in, a tensor of the shape of the result
    out           the result
    x, x_shape    the argument x, its shape
    a setting     as it was passed
    a residual    an array the primitive returned beside its result, for its rules alone
    memo          a dict that the rules of one application share, for work they have in common

Of a variadic argument `*xs` a rule sees `index` (which one it is about), `xs_shape` (of that one) and `xs_shapes`.

Called without a tensor, a primitive computes with plain arrays and returns one: no tensor, no node. So the same text of
a rule serves twice. Where derivatives are recorded (`create_graph`) it is handed tensors, so it is differentiable, and
every order of derivative exists. Where they are not, it is handed arrays and costs no more than NumPy does; a rule
that has a kernel for just this case asks `isinstance(g, Variable)`. Rules of primitives made outside this package
always see tensors, whose methods they may call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Container
from typing import Any

import numpy as np

from ..dtypes import narrow
from .modes import _enabled, _recorder
from .parameters import parameters
from .quiet import QUIET
from .quiet import get as get_errors
from .quiet import set as set_errors
from .tape import SELF, Kept, Node, Variable, Version, _computed, wrap

registry: dict[str, Primitive] = {}

ZERO: Any = "zero"  # a rule: flat wherever it is differentiable (sign, floor)

_PACKAGE = __name__.partition(".")[0]
_tuple = tuple.__new__
_ARGUMENT, _SHAPE, _OUT, _RESIDUAL, _SHAPES = range(5)


class OutOfMemoryError(RuntimeError, MemoryError):
    """There is not enough memory for a result: PyTorch's class for that, and Python's."""


class _Link:
    """Stands where a node has its primitive: hands a gradient on, and says that it does not depend on something.

    Derivatives with respect to that are zeros then, as they are for every function, not an error.
    """

    name, on_arrays = "linked", True

    def backward(self, node: Node, g: Any, needed: Container | None) -> list[tuple]:
        """As `Primitive.backward`."""
        source, flat = node.parents
        pieces = [(source, g), (flat, _zeros(flat, node, g))]
        return [(p, piece) for p, piece in pieces if p is not None and (needed is None or p in needed)]


_link: Any = _Link()


def _zeros(edge: Node | Variable, node: Node, g: Any) -> Any:
    """The gradient of a node's argument that its result does not depend on: a tensor if g is one, else an array."""
    zeros = np.zeros(edge.shape if isinstance(edge, Node) else edge.array.shape, node.dtype)
    return wrap(zeros) if isinstance(g, Variable) else zeros


class Primitive:
    """A differentiable function of arrays; called with tensors, it records itself on the tape."""

    widely: Callable[..., Any]  # (args, settings) to the result for bfloat16, which is computed in float32, or None
    fuse: Callable | None = None  # (primitive, args, settings) to a result that is pending or joined one: ops/fuse.py
    flat = False  # whether its slope does not depend on the argument but by steps: a second derivative is zeros
    accepts_pending = False  # whether its rules, or `postpone`, take a gradient still to be computed, or `Own`
    together: Callable | None = None  # (node, g, needed) to what all rules give, by one kernel, or None
    takes_recipes = False  # whether its rules take, for an array that it keeps, how that is formed
    postpone: Callable | None = None  # (node, g) to such a gradient for the first argument, or None
    fresh: Callable | None = None  # (what a rule made, in memory of its own, and for whom) to such a gradient

    def __init__(self, function: Callable, residuals: str = "", view: bool = False, name: str | None = None) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = name or function.__name__
        self.on_arrays = (function.__module__ or "").partition(".")[0] == _PACKAGE  # else rules always see tensors
        self.view = view
        self.widens = not view  # whether `widely` has it compute in float32 what is bfloat16
        self.residuals = residuals.split()
        arguments, settings, defaults, self.variadic = parameters(function)
        self.arguments, self.settings, self.defaults = list(arguments), list(settings), defaults
        self.rules: list[Any] = [None] * len(self.arguments)
        self._names: list[tuple[str, ...]] = [()] * len(self.arguments)
        self._differentiable = 0  # a bit per argument that has a rule
        self._plans: dict[int, tuple] = {}
        special = {"g", "out", "memo"} | ({"index"} if self.variadic else set())
        named = {*self.arguments, *self.settings, *self.residuals}
        taken = special & named
        if taken:
            raise TypeError(f"{self.name}: {sorted(taken)} mean something else in rules; choose other argument names")
        self._names_allowed = special | named
        if self.name in registry:
            raise ValueError(f"a primitive named {self.name!r} is registered already")
        registry[self.name] = self

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __reduce__(self) -> tuple:
        return registered, (self.name,)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A primitive placed in a class body is a method of its first argument."""
        return self if instance is None else functools.partial(self, instance)

    # ------------------------------------------------------------------------------------------------------- the rules

    def vjp(self, **rules: Any) -> None:
        """Give the derivative rule of each argument that has one; a misspelt name fails here, at import.

        A text stands for a rule that is still to be written: asked for, it raises NotImplementedError with the text.
        """
        allowed = self._names_allowed | {f"{a}_shape" for a in self.arguments}
        if self.variadic:
            allowed ^= {self.arguments[-1], f"{self.arguments[-1]}_shapes"}  # the one takes the place of the other
        for argument, rule in rules.items():
            if argument not in self.arguments:
                raise TypeError(f"{self.name} has no argument {argument!r} to differentiate; it has {self.arguments}")
            if isinstance(rule, str) and rule is not ZERO:
                rule = _unwritten(rule)
            names = () if rule is ZERO else parameters(rule).positional
            wrong = [name for name in names if name not in allowed]
            if wrong:
                raise TypeError(
                    f"the rule for {argument!r} of {self.name} asks for {wrong}; allowed: {sorted(allowed)}"
                )
            position = self.arguments.index(argument)
            self.rules[position], self._names[position] = rule, names
            self._differentiable |= -1 << position if self.variadic else 1 << position
        self._plans.clear()

    def _plan(self, mask: int) -> tuple:
        """What to keep when the arguments in `mask` need gradients: (name, kind, position), and whether arrays are."""
        variadic = self.variadic
        wanted = {name for i in range(len(self.arguments)) if variadic or mask >> i & 1 for name in self._names[i]}
        items = []
        for i, argument in enumerate(self.arguments):
            if argument in wanted:
                items.append((argument, _ARGUMENT, i))
            if f"{argument}_shape" in wanted and not variadic:
                items.append((f"{argument}_shape", _SHAPE, i))
        if "out" in wanted:
            items.append(("out", _OUT, 0))
        items.extend((name, _RESIDUAL, i) for i, name in enumerate(self.residuals) if name in wanted)
        if variadic:
            items.append((f"{self.arguments[-1]}_shapes", _SHAPES, 0))
        holds = any(kind in (_ARGUMENT, _OUT, _RESIDUAL) for _, kind, _ in items)
        return self._plans.setdefault(mask, (items, holds))

    # ----------------------------------------------------------------------------------------------- forward, backward

    def __call__(self, *args: Any, **settings: Any) -> Any:
        if narrow and self.widens:
            result = self.widely(args, settings)
            if result is not None:
                return result
        if self.fuse is not None:
            result = self.fuse(args, settings)
            if result is not None:
                return result
        arrays, tensors = [], False
        for arg in args:
            if isinstance(arg, Variable):
                tensors = True
                if arg.base is not None:
                    arg.refresh()
                arg = arg.array
            arrays.append(arg)
        if self.defaults and len(settings) < len(self.settings):
            settings = {**self.defaults, **settings}
        before = get_errors()
        try:
            set_errors(QUIET)
            out = self.function(*arrays, **settings)
        except MemoryError as error:
            raise OutOfMemoryError(f"can't allocate memory: {self.name}: {error}") from None
        finally:
            set_errors(before)
        residuals: Any = ()
        if self.residuals:
            out, *residuals = out
        if not tensors:
            return out if type(out) is np.ndarray else np.asarray(out)
        result = wrap(out)
        if self._differentiable:
            self.place(args, result, settings, residuals)
        if self.view:
            self._connect(args[0], result, settings)
        return result

    def record(self, args: tuple, result: Any, mask: int, residuals: Any, settings: dict) -> Node:
        """The node of one application whose result is known: edges for the arguments in `mask`, and what to keep."""
        items, holds = self._plans.get(mask) or self._plan(mask)
        kept: dict[str, Any] = {}
        for name, kind, i in items:
            if kind == _SHAPE:
                arg = args[i]
                kept[name] = arg.outline.shape if isinstance(arg, Variable) else np.shape(arg)
            elif kind == _ARGUMENT:
                arg = args[i]
                if isinstance(arg, Variable):
                    version = arg._shared or arg.version
                    if arg._inference:
                        raise RuntimeError(
                            "Inference tensors cannot be saved for backward. Please do not use Tensors created in "
                            "inference mode in computation tracked by autograd. To work around this, you can make a "
                            "clone to get a normal tensor and use it in autograd."
                        )
                    edge = arg._node or (arg if arg._requires_grad else None)
                    array = arg.array if arg.pending is None else arg.pending.recipe or arg.array
                    kept[name] = _tuple(Kept, (array, edge, version, version.count))
                else:
                    kept[name] = _tuple(Kept, (arg, None, None, 0))
            elif kind == _OUT:
                version = result.version
                array = result.array if result.pending is None else result.pending.recipe or result.array
                kept[name] = _tuple(Kept, (array, SELF, version, version.count))
            elif kind == _RESIDUAL:
                kept[name] = _tuple(Kept, (residuals[i], None, None, 0))
            else:
                kept[name] = [arg.array.shape if isinstance(arg, Variable) else np.shape(arg) for arg in args]
        parents = []
        for arg in args:
            parents.append((arg._node or arg) if mask & 1 else None)
            mask >>= 1
        node = Node(self, tuple(parents), kept, holds, settings, result.outline)
        recorder = _recorder.get()
        if recorder is not None:
            recorder.act(node)
        return node

    def place(self, args: tuple, result: Any, settings: dict, residuals: Any = ()) -> Any:
        """`result`, however it was computed, with the place on the tape that this application gives it."""
        if _enabled.get():
            mask, bit = 0, 1
            for arg in args:
                if isinstance(arg, Variable):
                    if arg.base is not None:
                        arg.refresh()
                    if arg._node is not None or arg._requires_grad:
                        mask |= bit
                bit += bit
            mask &= self._differentiable
            if mask:
                result._node = self.record(args, result, mask, residuals, settings)
        return result

    def _connect(self, source: Any, result: Any, settings: dict) -> None:
        """Make `result` a view of `source` for later in-place changes, if it shares its memory."""
        if not isinstance(source, Variable):
            return
        array, base = source.array, result.array.base
        while base is not array and base is not array.base:  # as_strided's result holds its source by others
            base = getattr(base, "base", None)
            if base is None:
                return  # NumPy had to copy, as a reshape may have to
        if base is None:
            return
        result.base = source if source.base is None else source.base
        result.chain = (*source.chain, (self, settings))
        if source._made or not _enabled.get():
            result._made = source._made or "no_grad"
        result.share(source, None, ((self, settings),))
        result._seen = result._shared.count

    def backward(self, node: Node, g: Any, needed: Container | None) -> list[tuple]:
        """The pairs (parent, gradient for it), for the parents that are needed: tensors if g is one, else arrays.

        In place of an array there may be a result that is pending, or what a rule of users returned.
        """
        if node.kept is None:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved tensors after they have "
                f"already been freed), at {self.name} with output shape {node.shape}. Specify retain_graph=True if you "
                "need to backward through the graph a second time or if you need to access saved tensors after calling "
                "backward."
            )
        for version, expected in node.watched:
            if version.count != expected:
                raise _modified(f"an index, mask, target or weight of {self.name}", node.shape, version, expected)
        on_arrays = self.on_arrays and not isinstance(g, Variable)
        if on_arrays and self.together is not None:
            given = self.together(node, g, needed)
            if given is not None:
                return given
            g = _computed(g)
        kept, values = node.kept, {"g": g if on_arrays or isinstance(g, Variable) else wrap(g)}
        pieces: list[tuple] = []
        for i, parent in enumerate(node.parents):
            if parent is None or (needed is not None and parent not in needed):
                continue
            position = 0 if self.variadic else i
            rule = self.rules[position]
            if rule is ZERO:
                pieces.append((parent, _zeros(parent, node, g)))
                continue
            if self.postpone is not None and on_arrays and i == 0:
                pending = self.postpone(node, g)
                if pending is not None:
                    pieces.append((parent, pending))
                    continue
            if self.variadic:
                values["index"] = i
                values[f"{self.arguments[-1]}_shape"] = kept[f"{self.arguments[-1]}_shapes"][i]
            names = self._names[position]
            for name in names:
                if name in values:
                    continue
                if name in kept:
                    values[name] = kept_array(node, name, self.takes_recipes) if on_arrays else unpack(node, name)
                else:
                    values[name] = {} if name == "memo" else node.settings[name]
            piece = rule(*[values[name] for name in names])
            if self.fresh is not None and on_arrays:
                piece = self.fresh(piece, parent)
            if self.flat and isinstance(g, Variable):
                source, piece = piece, wrap(piece.array)
                piece._node = Node(_link, (source.edge, parent), {}, False, {}, piece.array)
            if node.watched and isinstance(g, Variable) and piece._node not in (None, g._node):
                piece._node.watched = node.watched
            pieces.append((parent, piece))
        return pieces


def _unwritten(text: str) -> Callable:
    def rule() -> Any:
        raise NotImplementedError(text)

    return rule


def primitive(
    function: Callable | None = None, *, residuals: str = "", view: bool = False, name: str | None = None
) -> Any:
    """Register a function of arrays as a primitive; see the head of this file.

    residuals: names, separated by spaces, of the arrays that the function returns after its result, for its rules.
    view: the result may share the first argument's memory. name: the registry key, by default the function's name.
    """
    if function is None:
        return functools.partial(Primitive, residuals=residuals, view=view, name=name)
    return Primitive(function, residuals, view, name)


@primitive
def identity(x: np.ndarray) -> np.ndarray:
    """x itself, with a node of its own."""
    return x


identity.vjp(x=lambda g: g)


def registered(name: str) -> Primitive:
    """The primitive of this name, for pickle."""
    return registry[name]


def kept_array(node: Node, name: str, as_kept: bool = False) -> Any:
    """What a node keeps under `name`, an array if it was one or a tensor. Raises if it was modified in place since.

    as_kept: an array of which the tape keeps how to form it is given as that.
    """
    item = node.kept[name]  # type: ignore[index]
    if type(item) is not Kept:
        return item.restored() if hasattr(item, "restored") else item
    array, _, version, expected = item
    if version is not None and version.count != expected:
        raise _modified(f"`{name}` of {node.primitive.name}", array.shape, version, expected)
    return array if as_kept or type(array) is np.ndarray or not hasattr(array, "restored") else array.restored()


def _modified(what: str, shape: tuple, version: Version, expected: int) -> RuntimeError:
    return RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"{what}, shape {shape}, is at version {version.count}; expected version {expected} instead. "
        "Modify a clone, or modify it before it is used."
    )


def unpack(node: Node, name: str) -> Any:
    """`kept_array` as a tensor, back on its place on the tape."""
    array = kept_array(node, name)
    if not isinstance(array, np.ndarray):
        return array
    item = node.kept[name]  # type: ignore[index]
    return on_tape(array, node if item.edge is SELF else item.edge, getattr(item, "version", None))


def on_tape(array: np.ndarray, edge: Node | Variable | None, version: Version | None = None) -> Any:
    """An array that was kept as a tensor whose gradient goes to `edge`."""
    if isinstance(edge, Variable):
        if edge.array is array:
            return edge
        edge = Node(identity, (edge,), {}, False, {}, array)  # the leaf has other memory by now
    out = wrap(array)
    out._node, out._shared = edge, version
    return out
