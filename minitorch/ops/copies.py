"""What views show, in memory of its own: PyTorch's functions `*_copy`, each made of its view."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .dims import normalize, whole
from .folding import unfold
from .index import getitem
from .join import split, unbind
from .moving import as_strided, diagonal, select, split_with_sizes
from .names import public
from .shape import expand_to, permute_to, squeeze, t, transpose, unsqueeze, view

VIEWS = {
    "as_strided": as_strided,
    "diagonal": diagonal,
    "expand": expand_to,
    "permute": permute_to,
    "select": select,
    "split": split,
    "split_with_sizes": split_with_sizes,
    "squeeze": squeeze,
    "t": t,
    "transpose": transpose,
    "unbind": unbind,
    "unfold": unfold,
    "unsqueeze": unsqueeze,
    "view": view,
}


def copying(name: str, of: Callable) -> Callable:
    """The function that copies what the view `of` shows."""

    @functools.wraps(of)
    def call(x: Any, *args: Any, **settings: Any) -> Any:
        found = of(x, *args, **settings)
        return tuple(v.clone() for v in found) if isinstance(found, tuple) else found.clone()

    call.__name__, call.__doc__ = f"{name}_copy", f"As `{name}`, a copy."
    return public(f"{name}_copy", on="t o")(call)


globals().update({f"{name}_copy": copying(name, of) for name, of in VIEWS.items()})


@public("alias_copy", on="t o")
def alias_copy(x: Any) -> Any:
    """A copy of x, on the tape."""
    return x.clone()


@public("detach_copy", on="t o")
def detach_copy(x: Any) -> Any:
    """A copy of x, not on the tape."""
    return x.detach().clone()


@public("slice_copy", on="t o")
def slice_copy(x: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    """The positions start, start + step, ... below `end` of axis `dim`, a copy."""
    if whole(step, "step") <= 0:
        raise RuntimeError("slice step must be positive")
    if not x.array.ndim:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    (d,) = normalize((dim,), x.array.ndim)
    return getitem(x, key=(slice(None),) * d + (slice(start, end, step), Ellipsis)).clone()
