"""Fusion: a large result may wait until it is known what follows it, and then both are one pass over memory.

`relu(batch_norm(x) + r)` reads and writes an array three times where one pass would do; `relu(conv(x) + b)` twice. So
a producer of a large result (a convolution, a linear layer, a batch norm) returns a tensor without an array. It is
`Pending`: a `Producer`, and an `Epilogue` that the producer applies. The next op may join:

    | joins             | convolution | linear | batch norm |
    |-------------------|-------------|--------|------------|
    | normalize         | yes         |        |            |
    | add, of one shape | yes         |        | yes        |
    | relu, the last    | yes         | yes    | yes        |
    | other curves      |             |        | yes        |

Whoever else looks at the array has it computed, and from then on the tensor is a plain one. Nothing else changes. Each
op leaves the node it leaves otherwise, recorded or not, in a Sequential or in anybody's `forward`; and as fused and
separate kernels do the same arithmetic on each element, the bits are the same. Where nothing is recorded, convolutions
apply the epilogue to their sums before these leave the registers (kernels/tile/epilogue.py), unless they have few
channels; where it is, one pass in place follows, and no kernel is compiled that training would not need otherwise.

What a batch norm and its ReLU give is not stored at all where only convolutions and max pools read it. In training it
waits with its ReLU; a convolution by Winograd's algorithm, a 1x1 or a depthwise one forms what it is about to read in
a core's cache, one with padding as it copies an image to put zeros round it (`forms_normal`). On the tape stands a
`Recipe`, how to form it, for the weight's gradient, which does so again. Of a batch norm and another curve the curve's
result is stored, the norm's is a `Recipe`. So a layer keeps one array where it kept two, and its forward pass two
passes over memory less: ResNet-20's step takes 0.92 of the time, MobileNet-like's 0.81, with 0.74 and 0.51 of the
memory (one core of a Xeon with AVX-512, 2026-11).

A batch norm in training that finds a convolution waiting has it computed with its statistics: they are summed block by
block as it writes (`Pending.measured`, kernels/norm.py), in the order of one pass afterwards.

Backwards, a ReLU behind a batch norm or a linear layer hands on a `Gate`: the gradient at the ReLU's input, which their
kernels form as they read. And what a convolution or a pool behind them has made arrives as `Own`: nobody else has that
memory, so the gradient of the norm, of a curve or a sum is written over it, and a leaf takes it for its `.grad`.
Whoever looks at a gradient on the way, a hook or a tensor that keeps it, is given an array, which nobody writes over.

Rules, each the answer to a wrong result:

- What a pending result reads must not change before it is computed. `Variable.write` has it computed first, through the
  `Version` of the memory; memory that anyone has as a NumPy array (`Version.exposed`), or that did not come from the
  pool, is never waited on.
- Another thread may compute the operand of a follower, and then change what both read. So a follower looks, once it
  waits or has its result, whether its operand is pending still; otherwise it begins anew, with the operand's array.
- Running a convolution twice costs more than fusion saves. So only the first op that asks may join; later ones get the
  computed array.
- What a recipe reads must not change either, though nobody holds a tensor any more. So it stands among the readers of
  that memory, as a pending result does, and holds the array from then on.
- A pending result keeps alive what it is made of, which may be much larger. So at most WAITING of them wait: the next
  one has the oldest computed.
- `enabled` (minitorch.backends.fusion.enabled, MINITORCH_FUSION=0) turns all of it off, and so does plain mode.
"""

from __future__ import annotations

import os
import weakref
from collections import deque
from functools import cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .. import kernels
from ..autograd import (
    Node,
    Primitive,
    Variable,
    inplace,
    is_grad_enabled,
    is_inference_mode_enabled,
    plain,
    quiet,
    tape,
)
from ..autograd.modes import _recorder
from ..autograd.parameters import Parameters
from ..autograd.primitive import kept_array
from ..autograd.tape import Own, Version, may_wait, wrap
from ..geometry import ConvGeometry
from ..kernels.tile import algorithm
from ..kernels.tile.algorithm import forms_normal
from .activation import CURVES, relu, relu_grad
from .conv import conv, conv_bias, conv_weight_grad
from .declare import Formula, trace_of
from .layout import absent, channels_first, channels_last, pixels
from .linalg import affine
from .norm import batch_norm, normalize
from .pointwise import add
from .pool import average, max_pool

enabled = os.environ.get("MINITORCH_FUSION", "1") not in ("", "0")
WAITING = 4  # a residual block has two at once: its last batch norm and its shortcut's
CHANNELS = 8  # fewer are not finished in registers: the tutorial net's 6 took 3.19 ms so, 2.88 without (2026-11)
WIDE = 512  # channels are a line by themselves; GELU of 16 channels, 64 32x32 images: 1.8 ms, 0.6 by rows (2026-11)
_waiting: deque[weakref.ref] = deque()


class Epilogue(NamedTuple):
    """(result - mean) * scale + shift, + residual: what a producer does last.

    mean and scale are None where nothing is normalised; shift then is a bias, or None.
    """

    mean: np.ndarray | None = None
    scale: np.ndarray | None = None
    shift: np.ndarray | None = None
    residual: np.ndarray | None = None

    @property
    def empty(self) -> bool:
        """Whether it changes nothing."""
        return self.shift is None and self.residual is None

    def factors(self, channels: int, dtype: np.dtype) -> tuple[Any, Any, Any]:
        """Mean, scale and shift, or those that do nothing: (t - 0) * 1 + b has the bits of t + b, and t + -0.0 is t."""
        if self.mean is not None:
            return self.mean, self.scale, self.shift
        shift = np.full(channels, -0.0, dtype) if self.shift is None else self.shift
        return np.zeros(channels, dtype), np.ones(channels, dtype), shift


class Producer:
    """What a pending result comes from; `joins` names the ops that may follow."""

    __slots__ = ("dtype", "shape")
    joins: tuple[Primitive, ...] = ()
    shape: tuple[int, ...]
    dtype: np.dtype

    def run(self, epilogue: Epilogue, rectified: bool) -> np.ndarray:
        """The result after the epilogue and, if `rectified`, a ReLU."""
        raise NotImplementedError


class Normalized(Producer):
    """x, to be normalised: batch norm is all epilogue."""

    __slots__ = ("x",)
    joins = (add, relu)

    def __init__(self, x: np.ndarray) -> None:
        self.x, self.shape, self.dtype = x, x.shape, x.dtype

    def run(self, epilogue: Epilogue, rectified: bool) -> np.ndarray:
        """One pass over x."""
        memory = kernels.empty(channels_last(self.x).shape, self.dtype)
        _apply(pixels(self.x), epilogue, memory.reshape(-1, self.shape[1]), rectified)
        return channels_first(memory)


class Convolved(Producer):
    """conv(x, w), or with `norm` of relu((x - mean) * scale + shift).

    apart: the epilogue is a pass of its own, by kernels that training compiles anyway.
    """

    __slots__ = ("algorithm", "apart", "geometry", "norm", "w", "x")
    joins = (normalize, add, relu)

    def __init__(self, x: np.ndarray, w: np.ndarray, geometry: ConvGeometry, apart: bool, norm: Any = ()) -> None:
        self.shape, self.dtype = (x.shape[0], w.shape[0], *geometry.output_size), x.dtype
        self.x, self.w, self.geometry, self.apart, self.norm = x, w, geometry, apart, norm
        self.algorithm = algorithm.setting

    def run(self, epilogue: Epilogue, rectified: bool, statistics: tuple = ()) -> np.ndarray:
        """By the algorithm that was set when the convolution was called; statistics: see `Pending.measured`."""
        last = (self.shape[0], *self.shape[2:], self.shape[1])
        out, x, plain = kernels.empty(last, self.dtype), channels_last(self.x), epilogue.empty and not rectified
        with algorithm.as_of(self.algorithm):
            if statistics:
                mean, scale, shift = self.norm or (absent(self.x),) * 3
                own, variance, invstd, running_mean, running_var, eps, momentum = statistics
                results = (own, variance, invstd, running_mean, running_var)
                kernels.conv_statistics(x, self.w, mean, scale, shift, out, *results, self.geometry, eps, momentum)
            elif self.norm:
                mean, scale, shift = self.norm
                kernels.conv_of_normal(x, self.w, mean, scale, shift, out, self.geometry)
            elif plain or self.apart:
                kernels.conv(x, self.w, out, self.geometry)
            else:
                r = absent(self.x) if epilogue.residual is None else channels_last(epilogue.residual)
                factors = epilogue.factors(self.shape[1], self.dtype)
                kernels.conv_normal(x, self.w, r, *factors, out, self.geometry, rectified)
        if self.apart and not plain:
            rows = out.reshape(-1, self.shape[1])
            _apply(rows, epilogue, rows, rectified)
        return channels_first(out)


class Multiplied(Producer):
    """x @ w transposed + b, of matrices."""

    __slots__ = ("b", "w", "x")
    joins = (relu,)

    def __init__(self, x: np.ndarray, w: np.ndarray, b: np.ndarray) -> None:
        self.shape, self.dtype = (x.shape[0], w.shape[0]), x.dtype
        self.x, self.w, self.b = x, w, b

    def run(self, epilogue: Epilogue, rectified: bool) -> np.ndarray:
        """One product, which adds b and rectifies as it writes."""
        out = kernels.empty(self.shape, self.dtype)
        kernels.linear(self.x, self.w, self.b, out, False, True, rectified)
        return out


def _apply(x: np.ndarray, epilogue: Epilogue, out: np.ndarray, rectified: bool) -> None:
    """An epilogue and a ReLU over rows (M, C), in one pass; out may be x."""
    if epilogue.mean is None and epilogue.residual is None:
        kernels.shift_columns(x, epilogue.factors(x.shape[1], x.dtype)[2], out, rectified)
        return
    r = absent(x) if epilogue.residual is None else pixels(epilogue.residual)
    kernels.batch_norm_apply(x, r, *epilogue.factors(x.shape[1], x.dtype), out, rectified)


# ----------------------------------------------------------------------------------------------------- pending results
class Pending:
    """How to compute a result: its producer and epilogue. versions: of all memory that is read and may change.

    recipe: what the tape keeps of it, if it is a batch norm that a curve has read, or that a ReLU ends. No op joins the
    latter, but convolutions form it as they read, and it need never be stored.
    """

    __slots__ = ("claimed", "dtype", "epilogue", "producer", "recipe", "shape", "versions")

    def __init__(
        self, producer: Producer, epilogue: Epilogue, versions: list[Version], recipe: Recipe | None = None
    ) -> None:
        self.producer, self.epilogue, self.versions, self.recipe = producer, epilogue, versions, recipe
        self.shape, self.dtype = producer.shape, producer.dtype
        self.claimed = recipe is not None and recipe.rectified

    @property
    def ndim(self) -> int:
        """As of an array."""
        return len(self.shape)

    def hold(self, tensor: Any) -> Any:
        """Have `tensor`, whose result this is, computed before what it reads changes; a weak reference to it."""
        reference: Any = weakref.ref(tensor)
        for version in self.versions:
            version.read_by(reference)
        return reference

    def compute(self, rectified: bool = False) -> np.ndarray:
        """The array, after a ReLU if asked, or if that ends it."""
        ends = self.recipe is not None and self.recipe.rectified
        return _run(self.producer, self.epilogue, rectified or ends)

    @property
    def measures(self) -> bool:
        """Whether statistics of the array can be added up as it is written: of a convolution with nothing behind it."""
        return isinstance(self.producer, Convolved) and self.epilogue.empty

    def measured(self, statistics: tuple) -> np.ndarray:
        """The array of what `measures`; statistics: arguments of `kernels.batch_norm_statistics`, but for the first."""
        return _run(self.producer, self.epilogue, False, statistics)

    @property
    def normal(self) -> bool:
        """Whether this is a batch norm and nothing else yet."""
        return isinstance(self.producer, Normalized) and self.epilogue.residual is None and not self.claimed

    def claim(self, op: Primitive) -> bool:
        """Whether `op` may join; of those that would run a product again only the first."""
        if not enabled or plain.enabled or self.claimed or op not in self.producer.joins:
            return False
        self.claimed = not isinstance(self.producer, Normalized)
        return True


def _run(producer: Any, *how: Any) -> np.ndarray:
    """What a producer gives, without NumPy's warnings."""
    before = quiet.get()
    try:
        quiet.set(quiet.QUIET)
        return producer.run(*how)
    finally:
        quiet.set(before)


class Recipe:
    """How to form a batch norm, maybe with its ReLU, of which the tape keeps no more than this.

    pending: the images x to be normalised, until that memory is about to change; from then on the result is `held`.
    factors: mean, scale and shift of each channel.
    """

    __slots__ = ("__weakref__", "dtype", "factors", "held", "pending", "rectified", "shape", "strides")

    def __init__(self, of: Pending, rectified: bool) -> None:
        x = of.producer.x  # type: ignore[attr-defined]
        self.shape, self.dtype, self.strides = x.shape, x.dtype, x.strides
        self.pending, self.rectified = x, rectified
        self.factors: Any = of.epilogue[:3]
        self.held: Any = None
        for version in of.versions:
            version.read_by(weakref.ref(self))

    @property
    def array(self) -> np.ndarray:
        """The array, for `Version.settle`."""
        self.held, self.pending = self.restored(), None
        return self.held

    def restored(self) -> np.ndarray:
        """The array: a new one, as long as it is not held."""
        x = self.pending
        return self.held if x is None else _run(Normalized(x), Epilogue(*self.factors), self.rectified)

    def columns(self) -> list[np.ndarray]:
        """The factors beside images, for a formula: repeated for a row of pixels, which is then one line of memory."""
        channels, *size = self.shape[1:]
        if not size or channels >= WIDE:
            return [factor.reshape(-1, *[1] * len(size)) for factor in self.factors]
        row = np.empty((3, size[-1], channels), self.dtype)
        for i, factor in enumerate(self.factors):
            row[i] = factor
        return list(row.transpose(0, 2, 1).reshape(3, channels, *[1] * (len(size) - 1), size[-1]))


def _wait(pending: Pending) -> Any:
    """A tensor, not on the tape, whose array is computed when first needed, or before what it reads changes."""
    out: Any = object.__new__(tape._result_class)
    out.pending = pending
    out._inference = is_inference_mode_enabled()
    _waiting.append(pending.hold(out))
    while len(_waiting) > WAITING:
        oldest = _waiting.popleft()()
        if oldest is not None:
            _ = oldest.array
    return out


def _steady(x: Any) -> bool:
    """Whether x is an image in channels-last memory that only this library has, and large: then results wait on it."""
    array = x.array
    return (
        array.ndim > 1
        and kernels.pooled(array)
        and channels_last(array).flags.c_contiguous
        and not (x._shared is not None and x._shared.exposed)
    )


def _unwatched(x: Any) -> Any:
    """A parameter's array, or a copy of what anyone has as a NumPy array, who changes it without our knowing."""
    return x.array.copy() if x.version.exposed else x.array


def _to_form(x: Any) -> Any:
    """What waits of a batch norm and its ReLU, for whoever can form it; None where hooks want to see what is kept."""
    pending = getattr(x, "pending", None)
    waits = pending is not None and pending.recipe is not None and pending.recipe.rectified
    return pending if waits and _recorder.get() is None else None


# ------------------------------------------------------------------------------------------------------------ producers
def _convolution(op: Primitive, args: tuple, settings: dict) -> Any:
    """conv or conv_bias of a large image."""
    if not enabled or plain.enabled or not all([isinstance(arg, Variable) for arg in args]):
        return None
    (x, w, *b), geometry = args, settings["geometry"]
    (batch, inputs), channels, dtype = x.outline.shape[:2], w.outline.shape[0], w.outline.dtype
    if batch * channels * prod(geometry.output_size) * dtype.itemsize < kernels.SMALL:
        return None
    recorded = is_grad_enabled() and any([arg.edge is not None for arg in args])
    pending = _to_form(x)
    if pending is not None and recorded and forms_normal(geometry, dtype, inputs, channels):
        recipe = pending.recipe
        source, norm, versions = pending.producer.x, recipe.factors, pending.versions
    elif _steady(x):
        source, norm, versions = x.array, (), [x.version]
    else:
        return None
    epilogue = Epilogue(shift=b[0].array.copy() if b else None)
    producer = Convolved(source, _unwatched(w), geometry, recorded or channels < CHANNELS, norm)
    out = _wait(Pending(producer, epilogue, [*versions, w.version]))
    return op.place(args, out, settings) if not norm or x.pending is pending else None


def _linear(op: Primitive, args: tuple, settings: dict) -> Any:
    """affine with a large result."""
    if not enabled or plain.enabled or not all([isinstance(arg, Variable) for arg in args]):
        return None
    x, w, b = args
    if x.outline.shape[0] * w.outline.shape[0] * w.outline.dtype.itemsize < kernels.SMALL or x.version.exposed:
        return None
    producer = Multiplied(x.array, _unwatched(w), b.array.copy())
    return op.place(args, _wait(Pending(producer, Epilogue(), [x.version, w.version])), settings)


def _batch_norm(op: Primitive, args: tuple, settings: dict) -> Any:
    """batch_norm or normalize, whose statistics are known, of a large image."""
    x = args[0]
    if not enabled or plain.enabled or not isinstance(x, Variable) or not _steady(x):
        return None
    return op.place(args, _wait(Pending(Normalized(x.array), _normalizing(args, settings), [x.version])), settings)


def _normalizing(args: tuple, settings: dict) -> Epilogue:
    """What a batch norm does to each element."""
    _, w, b = args
    return Epilogue(settings["mean"], settings["invstd"] * w.array, b.array.copy())


def normal(x: Any, mean: Any, scale: Any, shift: Any) -> Any:
    """(x - mean) * scale + shift, for formulas: with one rounding at the end, as kernels of norms have it."""
    trace = trace_of((x, mean, scale, shift))
    return (x - mean) * scale + shift if trace is None else trace.call("fma", x - mean, scale, shift)


# ------------------------------------------------------------------------------------------------------------ followers
def _normalize(op: Primitive, args: tuple, settings: dict) -> Any:
    """normalize behind a convolution without a bias, or of a large image."""
    pending = getattr(args[0], "pending", None)
    if pending is not None and pending.epilogue.empty and pending.claim(op):
        out = _wait(Pending(pending.producer, _normalizing(args, settings), pending.versions))
        if args[0].pending is pending:
            return op.place(args, out, settings)
    return _batch_norm(op, args, settings)


def _add(op: Primitive, args: tuple, settings: dict) -> Any:
    """A sum with an image of the same shape, in the same order of memory."""
    for x, r in (args, args[::-1]):
        pending = getattr(x, "pending", None)
        if pending is None or x is r or not isinstance(r, Variable) or pending.epilogue.residual is not None:
            continue
        if (r.outline.shape, r.outline.dtype) == (pending.shape, pending.dtype) and _steady(r) and pending.claim(op):
            epilogue = pending.epilogue._replace(residual=r.array)
            out = _wait(Pending(pending.producer, epilogue, [*pending.versions, r.version]))
            if x.pending is pending:
                return op.place(args, out, settings)
    return None


def _relu(op: Primitive, args: tuple, settings: dict) -> Any:
    """A ReLU, after which nothing can join."""
    pending = getattr(args[0], "pending", None)
    if pending is None or not pending.claim(op):
        return None
    gate = {"gate": (pending.epilogue.scale, pending.epilogue.shift)} if pending.normal else {}
    if pending.normal and is_grad_enabled() and args[0].edge is not None and _recorder.get() is None:
        out = _wait(Pending(pending.producer, pending.epilogue, pending.versions, Recipe(pending, True)))
    else:
        out = wrap(pending.compute(rectified=True))
    return op.place(args, out, {**settings, **gate}) if args[0].pending is pending else None


def _max_pool(op: Primitive, args: tuple, settings: dict) -> Any:
    """max_pool of a batch norm with its ReLU, formed as it is read."""
    pending = _to_form(args[0])
    if pending is None:
        return None
    x, shape = pending.producer.x, (pending.shape[0], *settings["geometry"].output_size, pending.shape[1])
    out, choice = kernels.empty(shape, pending.dtype), kernels.empty(shape, np.int32)
    mean, scale, shift = pending.recipe.factors
    kernels.max_pool_of_normal(channels_last(x), mean, scale, shift, out, choice, settings["geometry"])
    result = wrap(channels_first(out))
    return op.place(args, result, settings, [channels_first(choice)]) if args[0].pending is pending else None


def _curve(op: Any, args: tuple, settings: dict) -> Any:
    """A curve behind a batch norm: one pass, after which only what the norm read is there."""
    pending = getattr(args[0], "pending", None)
    if pending is None or not pending.normal or not enabled or plain.enabled or _recorder.get() is not None:
        return None
    if pending.recipe is None:
        pending.recipe = Recipe(pending, False)
    recipe = pending.recipe
    settings = {**op.defaults, **settings}
    given = [settings[name] for name in op.value.settings]
    out = wrap(_behind_norm(op)[0](pending.producer.x, *recipe.columns(), *given))
    return op.place(args, out, settings) if args[0].pending is pending else None


@cache
def _behind_norm(op: Any) -> tuple[Formula, Formula]:
    """The value of a curve and its rule; in place of its x are what a batch norm reads and the norm's factors."""
    factors = ("mean", "scale", "shift")

    def value(x: Any, mean: Any, scale: Any, shift: Any, *settings: Any) -> Any:
        told = op.value.formula if trace_of((x,)) is None else op.value.vector
        return op.value.read(told, (normal(x, mean, scale, shift), *settings))

    def rule(g: Any, x: Any, mean: Any, scale: Any, shift: Any, *settings: Any) -> Any:
        return op.rules[0].rule(g, normal(x, mean, scale, shift), *settings)

    names = op._names[0][2:]
    value.parameters = Parameters(("x", *factors, *op.value.settings), (), {}, False)  # type: ignore[attr-defined]
    rule.parameters = Parameters(("g", "x", *factors, *names), (), {}, False)  # type: ignore[attr-defined]
    return Formula(f"{op.name}_of_norm", value), Formula(f"{op.name}_of_norm_grad", rule)


for _op, _hook in {
    **{op: _curve for op in CURVES},
    conv: _convolution,
    conv_bias: _convolution,
    affine: _linear,
    batch_norm: _batch_norm,
    normalize: _normalize,
    add: _add,
    relu: _relu,
    max_pool: _max_pool,
}.items():
    _op.fuse = _hook.__get__(_op)


# ------------------------------------------------------------------------------------------------------------ backwards
class Gate:
    """relu_grad(h, y), of a backward on arrays, before it is computed.

    factors: scale and shift of the batch norm before the ReLU, from which y's sign follows without y; or None.
    own: h, if nobody else has its memory, else None.
    """

    __slots__ = ("dtype", "factors", "h", "own", "shape", "y")

    def __init__(self, h: np.ndarray, y: Any, factors: Any, own: np.ndarray | None) -> None:
        self.h, self.y, self.factors, self.own, self.shape, self.dtype = h, y, factors, own, y.shape, y.dtype

    def compute(self) -> np.ndarray:
        """The gradient at the ReLU's input."""
        return relu_grad(self.h, self.y.restored() if type(self.y) is Recipe else self.y)

    def rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What kernels/norm.py reads: h as rows, then y, or scale and shift, the others empty."""
        none = absent(self.h)
        if self.factors is None:
            return pixels(self.h), pixels(self.y), none, none
        return pixels(self.h), none, *self.factors


def _gate(node: Node, g: Any) -> Any:
    """The gradient at a ReLU's input, for a node that reads through the gate; else as for any curve."""
    if enabled and not plain.enabled and may_wait(node.parents[0]):
        y, waits = kept_array(node, "out", as_kept=True), hasattr(g, "compute")
        h = g.compute() if waits else g  # of a ReLU behind this one, a new array
        if (type(y) is Recipe or kernels.pooled(y) or y.ndim == 2) and h.strides == y.strides:
            return Gate(h, y, node.settings.get("gate"), h if waits else None)
        g = Own(h) if waits else g
    return _over(node, g)


def _over(node: Node, g: Any) -> Own | None:
    """The gradient at a curve's input, written over g, if nobody else has that; None if g is an array.

    What a batch norm before the curve gave is formed once more, if it is not there.
    """
    kept: Any = node.kept
    _, name, *more = node.primitive._names[0]
    x = kept_array(node, name, as_kept=True)  # or a ReLU's result, whose rule takes what it was made of as well
    if type(x) is Recipe and x.pending is not None:
        given = [node.settings[name] for name in more]
        rule, operands = _behind_norm(node.primitive)[1], (x.pending, *x.columns(), *given)
        return Own(rule.over(g.compute(), *operands) if hasattr(g, "compute") else rule(g, *operands))
    if not hasattr(g, "compute"):
        return None
    values = [
        g.compute() if name == "g" else kept_array(node, name) if name in kept else node.settings[name]
        for name in node.primitive._names[0]
    ]
    return Own(node.primitive.rules[0].formula.over(*values))


def _weight_grad(op: Primitive, args: tuple, settings: dict) -> Any:
    """conv_weight_grad of an image that is formed as the kernel reads it, if it still is to be."""
    x, y = args
    if type(x) is not Recipe:
        return None
    source, geometry = x.pending, settings["geometry"]
    if source is None:
        return op(x.held, y, **settings)
    out = kernels.empty((y.shape[1], x.shape[1] // geometry.groups, *geometry.kernel_size), x.dtype)
    mean, scale, shift = x.factors
    kernels.weight_grad_of_normal(channels_last(source), channels_last(y), mean, scale, shift, out, geometry)
    return out


def _fresh(g: np.ndarray, edge: Any) -> Any:
    """A gradient that a rule has made, so that nobody else has it; itself if that gains nothing where it goes."""
    gains = type(edge) is not Node or (g.nbytes >= kernels.SMALL and kernels.pooled(g))
    return Own(g) if gains and enabled and not plain.enabled else g


conv_weight_grad.fuse = _weight_grad.__get__(conv_weight_grad)
conv.takes_recipes = conv_bias.takes_recipes = True
for _op in (conv, conv_bias, max_pool, average, *CURVES):
    _op.fresh = _fresh
for _op in CURVES:
    _op.postpone, _op.accepts_pending = _over, True
relu.postpone = _gate
tape.add_over = add.value.over
inplace.into_memory = kernels.fill
