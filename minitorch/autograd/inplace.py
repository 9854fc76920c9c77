"""In-place changes: memory, version and history move together.

`x.add_(y)` computes x + y as any op does, then `assign` puts the result into x's memory, counts the change, and gives x
the result's place on the tape. Where nothing is recorded and x is large, the op writes over x as it reads it. If x is a
view, it is the base that changed: base = overwrite(base, x at these places), and every view notices by the version and
takes itself again from the base (`Variable.refresh`). `x.t_()` changes no memory, but how x shows it (`in_view`).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..dtypes import as_dtype, category
from . import following
from .following import step
from .modes import is_grad_enabled
from .primitive import primitive
from .tape import Node, Variable, follow, plain, wrap

LARGE = 1 << 16  # bytes from which a result is not worth memory of its own


@primitive
def overwrite(x: np.ndarray, value: np.ndarray, *, views: tuple) -> np.ndarray:
    """A copy of x in which the view reached by `views` holds `value`."""
    out = np.array(x, order="K")
    target = follow(views, out)
    if target.base is out or target is out:
        target[...] = value
        return out
    # x's memory stands otherwise than the base's did, and the chain had to copy: find the places it leads to.
    places = follow(views, np.arange(x.size).reshape(x.shape))
    out = np.array(x, order="C")
    out.reshape(-1)[places] = value
    return out


overwrite.vjp(
    x=lambda g, views, value_shape: overwrite(g, np.zeros(value_shape, plain(g).dtype), views=views),
    value=lambda g, views: follow(views, g),
)


def _changing(x: Any, recording: bool) -> Any:
    """What changes with x: the tensor that it is a view of, or x. Raises RuntimeError where the tape can't follow."""
    if x.base is not None:
        x.refresh()
    base = x if x.base is None else x.base
    unrecorded = is_grad_enabled() and base is not x and base.edge is not None and x.edge is None
    if unrecorded or (recording and x._made == "no_grad"):
        raise RuntimeError(
            "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Take the view "
            "where gradients are recorded, or change it under no_grad(), too."
        )
    if recording and x._made == "several":
        raise RuntimeError(
            "Output 0 of a function that returns multiple views is a view and is being modified inplace. Such "
            "functions do not allow the output views to be modified inplace. You should replace the inplace operation "
            "by an out-of-place one, or take the view by an index."
        )
    if recording and any([v._requires_grad and v._node is None for v in (base, x)]):
        what = "leaf Variable" if x._requires_grad else "view of a leaf Variable"
        raise RuntimeError(
            f"a {what} that requires grad is being used in an in-place operation. "
            "Change it under no_grad(), or change a clone."
        )
    return base


def _into_memory(out: np.ndarray, x: np.ndarray) -> None:
    """out[...] = x."""
    out[...] = x


into_memory = _into_memory  # ops, which have kernels, put another in its place


@step("assign")
def assign(x: Any, value: Any, copied: bool = False) -> Any:
    """Give tensor `x` the values and the history of `value`, a fresh tensor of its shape; returns x.

    copied: the value was not computed from x, whose gradient then is zeros.

    Raises RuntimeError, before anything changes, where x is a leaf that requires grad (or a view of one), a view that
    was taken without recording of what is on the tape, or its memory is read-only or holds several of its elements in
    one place.
    """
    recording = is_grad_enabled() and (value.edge is not None or x.edge is not None)
    base = _changing(x, recording)
    pending = x.pending
    if pending is None:
        x.check_writeable()
    moves = recording and x.base is None and value.node is not None and not (copied and x.edge is not None)
    if moves:
        node = value.node
    elif recording:
        mask = (base.edge is not None) | (value.edge is not None) << 1
        node = overwrite.record((base, value), base, mask, (), {"views": x.chain})
    outline = value.outline
    if (
        pending is not None
        and x.pending is pending
        and (not recording or (moves and not copied and value.pending))
        and (outline.shape, outline.dtype) == (pending.shape, pending.dtype)
        and (value.pending or outline.flags.writeable)
    ):  # nobody has seen what would have been there before: it need not be computed
        x.version.count += 1
        if value.pending:
            value.pending.hold(x)
            x.pending = value.pending
        else:
            x.array = value.array
            del x.pending
    elif value.array is not x.array:
        into_memory(x.write(), value.array)
    if recording:
        old, base._node = base._node, node  # at once: no interrupt comes between new values and their history
        node.keep_retainer(base, old)
    return x


def is_copied(x: Any, value: Any) -> bool:
    """Whether `assign` copies any tensor, not only a fresh one: of this dtype, where nothing is recorded."""
    return not is_grad_enabled() and x.pending is None and value.outline.dtype == x.array.dtype


def unhooked(x: Any, steps: int | None = None) -> Any:
    """x for the op that is to change it: taken from its base again if hooks see it, or a view on the way there.

    They see the uses before alone, and so does a view between that retains its gradient. steps: how many of the views
    on the way to look at, from x on (all).
    """
    if x.base is None or not is_grad_enabled():
        return x
    node = x.node
    for _ in x.chain[:steps]:
        if not isinstance(node, Node):
            break
        if node.hooks or node.after or (node.retained is not None and node.retained() is not x):
            return follow(x.chain, x.base)
        node = node.parents[0]
    return x


def in_place(op: Any, x: Any, *args: Any, **settings: Any) -> Any:
    """op(x, ...) with the result in x's memory, and x in its place on the tape; returns x.

    Raises RuntimeError, before anything changes, where the result has another shape or a dtype of a higher category.
    """
    source, asks = unhooked(x), getattr(op, "asks_input", None)  # None: not known, so if any argument has a gradient
    operands = [a for a in (*args, *settings.values()) if isinstance(a, Variable)]
    if asks is not False and is_grad_enabled():
        others = any([a.edge is not None for a in operands])
        if others or (asks and x.node is not None):  # a rule will need the values of before
            node, source = source.node, wrap(np.array(x.array, order="K"))
            source._node = node
    over = getattr(op, "over", op) if source is x and _is_spare(x, operands) else op
    value = over(source, *args, **settings)
    mine, its = x.outline, value.outline
    if its.shape != mine.shape:
        raise RuntimeError(f"output with shape {list(mine.shape)} doesn't match the broadcast shape {list(its.shape)}")
    if mine.dtype != its.dtype:
        if category(its.dtype) > category(mine.dtype):
            raise RuntimeError(
                f"result type {as_dtype(its.dtype)} can't be cast to the desired output type {as_dtype(mine.dtype)}"
            )
        value = value.to(mine.dtype)
    return assign(x, value)


def _is_spare(x: Any, operands: list) -> bool:
    """Whether x's memory may be written while an op reads x and `operands`, element by element.

    So it is where nothing is recorded, and no operand is larger, of another dtype, or shares a part of the memory.
    """
    if following.active() or x.pending is not None or x.array.nbytes < LARGE:
        return False
    if is_grad_enabled() and any([a.edge is not None for a in (x, *operands)]):
        return False
    _changing(x, False)
    x.check_writeable()
    mine = x.array

    def apart(a: Any) -> bool:
        fits = a.outline.dtype == mine.dtype and _fits(a.outline.shape, mine.shape)
        return fits and not np.may_share_memory(a.array, mine)

    return all([a.array is mine or apart(a) for a in operands])


def _fits(shape: tuple, into: tuple) -> bool:
    """Whether one shape broadcasts to another."""
    return len(shape) <= len(into) and all(n in (1, m) for n, m in zip(shape[::-1], into[::-1], strict=False))


def in_view(op: Any, x: Any, *args: Any, **settings: Any) -> Any:
    """x as op(x, ...), a view of it, shows it: other axes over the same memory; returns x.

    Views that were taken of x before stay what they were: x becomes a view beside them of a tensor that nobody sees.
    Raises RuntimeError as `assign`.
    """
    _changing(x, is_grad_enabled() and x.edge is not None)
    old, version, value = x.node, x.version, op(unhooked(x, 1), *args, **settings)
    version.count += 1
    if value is x:
        return x
    if x.base is None:
        x.base = wrap(x.array)
        x.base._inference, x.base._shared, x.base._node = x._inference, version, old
    if value._node is not None:
        value._node.keep_retainer(x, old)
    paths = {id(other()): path for other, path in version.sharers}
    version.sharers[:] = [(other, paths[id(value)] if other() is x else path) for other, path in version.sharers]
    x._node, x.array = value._node if is_grad_enabled() else old, value.array
    x.chain, x._seen = value.chain, version.count
    return x


def into(out: Any, function: Any, args: tuple, settings: dict[str, Any]) -> Any:
    """function(*args, **settings) written to `out`, a tensor, or one for each of several results; returns out.

    None for `out` returns the result. An `out` of another shape gets new memory, with a warning unless it was empty.
    Raises RuntimeError where gradients are recorded, or a result is of a higher category (bool, integer, float).
    """
    if out is None:
        return function(*args, **settings)
    outs = out if isinstance(out, tuple | list) else (out,)
    if is_grad_enabled() and any(isinstance(v, Variable) and v.edge is not None for v in (*args, *outs)):
        raise RuntimeError(
            "functions with out=... arguments don't support automatic differentiation, but one of the arguments "
            "requires grad."
        )
    found = function(*args, **settings)
    values = found if isinstance(found, tuple) else (found,)
    if len(values) != len(outs):
        raise TypeError(f"out: expected {len(values)} tensors, but got {len(outs)}")
    for target, value in zip(outs, values, strict=True):
        mine, its = target.outline.dtype, value.outline.dtype
        if category(its) > category(mine):
            raise RuntimeError(f"result type {as_dtype(its)} can't be cast to the desired output type {as_dtype(mine)}")
    for target, value in zip(outs, values, strict=True):
        array = value.array.astype(target.outline.dtype, copy=False)
        if target.outline.shape == array.shape:
            assign(target, wrap(array))
            continue
        if target.array.size:
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(target.array.shape)}, which "
                f"does not match the required output shape {list(array.shape)}.",
                stacklevel=4,
            )
        target.array = array
    return type(found)(*outs) if hasattr(found, "_fields") else out
