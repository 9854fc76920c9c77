"""Results that are computed when somebody looks: how several primitives become one pass over memory.

`relu(batch_norm(x) + r)` reads and writes an array three times where one pass would do. So batch norm returns a tensor
without an array: it knows by a `Recipe` how to compute it. Its `array` is a property; the first to ask
has it computed, and from then on the tensor is a plain one. All code therefore gets the right array, and only who
gains from it looks for a recipe first: `add` and `relu` ask the recipe of an argument to take them in (`fused`).

Where nothing is recorded, as in evaluation, a large convolution is deferred as well, and takes in what follows it: a
batch norm with known statistics, a sum, ReLU. Its kernel then applies them to the sums while they are in registers. It
holds a copy of its weight, whose memory need not be a kernel's own. To run it for everybody who asks would
be dear: whoever takes in a convolution is the only one, and the next gets its array. So no use runs it more than twice.

The tape does not change. Each primitive leaves the node it would have left, when it would have left it; nothing but
the array comes later. Fused and separate kernels do the same arithmetic on each element, so the bits are the same.

Backwards, likewise: `relu_grad`, the gradient at a ReLU's input, is deferred if that input came from a primitive that
`gates`, whose rules read the incoming gradient and the ReLU's result themselves. Hooks, sums of gradients, `.grad` and
the results of `grad` ask for the array, and so end the deferral.

What a recipe reads must not change before it is used. In-place changes through tensors have their sources' dependents
computed first (`Variable.bump`): a version counter is [changes, weak references to dependents ...]. Out of reach are
NumPy arrays that share memory with a source, and `.data`. Hence only memory that a kernel took from the pool is ever a
source (and, while backward runs, the gradient it was given): what users made, or handed in as arrays, is not. The limit
that remains: an array got by `x.numpy()` or `x.data` from a *computed* x before batch_norm(x), or conv(x), and written
to between that and the first use of its result.

A deferred tensor keeps alive what it is made of, which may be much larger. So no more than WAITING of them wait: the
next has the oldest computed.
"""

from __future__ import annotations

import functools
import weakref
from collections import deque
from typing import Any

import numpy as np

from . import quiet, tape

WAITING = 4  # a residual block has two at once: its last batch norm and its shortcut's
_waiting: deque[weakref.ref] = deque()


class Recipe:
    """How to compute an array of the shape and dtype of `like`; it does not raise.

    counters: the version counters of all memory that it reads and that may change.
    """

    __slots__ = ("counters", "dtype", "shape")

    def __init__(self, like: Any, *counters: list) -> None:
        self.shape, self.dtype, self.counters = like.shape, like.dtype, counters

    def compute(self) -> np.ndarray:
        """The array."""
        raise NotImplementedError

    def fuse(self, primitive: Any, args: tuple) -> tuple[Any, dict] | None:
        """The result of a primitive on the deferred tensor and others, and settings for its node; None: no gain."""
        return None


def _get_array(x: Any) -> np.ndarray:
    """The array, computed now. Of two threads that ask at once, both get the array of the first to finish."""
    recipe = x.recipe
    if recipe is not None:
        token = quiet.enter()
        try:
            computed = recipe.compute()
        finally:
            quiet.leave(token)
        _set_array(x, x.__dict__.setdefault("array", computed))
    return x.__dict__["array"]


def _set_array(x: Any, array: np.ndarray) -> None:
    """Make x a plain tensor."""
    x.__dict__["array"] = array
    x.__dict__.pop("recipe", None)
    x.__class__ = tape._result_class


@functools.cache
def _deferred(plain: type) -> type:
    """The class of deferred tensors, which goes by the plain name; copy and pickle get a plain tensor."""
    body = {
        "__module__": plain.__module__,
        "array": property(_get_array, _set_array),
        "__deepcopy__": lambda x, memo: x.array is not None and x.__deepcopy__(memo),
        "__reduce_ex__": lambda x, protocol: x.array is not None and x.__reduce_ex__(protocol),
    }
    return type(plain.__name__, (plain,), body)


def defer(recipe: Recipe) -> Any:
    """A tensor, not on the tape, whose array is computed when first needed, or before what it reads changes."""
    out: Any = object.__new__(_deferred(tape._result_class))
    out.recipe = recipe
    reference: Any = weakref.ref(out)
    for counter in recipe.counters:
        counter[1:] = [other for other in counter[1:] if getattr(other(), "recipe", None)]
        counter.append(reference)
    _waiting.append(reference)
    if len(_waiting) > WAITING:
        oldest = _waiting.popleft()()
        if oldest is not None:
            _ = oldest.array
    return out


@quiet.quietly
def _fuse(recipe: Recipe, primitive: Any, args: tuple) -> tuple[Any, dict] | None:
    return recipe.fuse(primitive, args)


def fused(primitive: Any, *args: Any) -> Any:
    """The result of a primitive, on the tape, if an argument is deferred and its recipe can take the primitive in."""
    for arg in args:
        recipe = getattr(arg, "recipe", None)
        found = recipe and _fuse(recipe, primitive, args)
        if found:
            result, settings = found
            return primitive.place(args, result, settings)
    return None
