"""Settings with a number for each axis, as `torch.nn.modules.utils` makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__: list[str] = []


def _ntuple(n: int) -> Callable[[Any], tuple]:
    """A function that repeats one number n times, and leaves several as they are."""

    def parse(x: Any) -> tuple:
        return tuple(x) if isinstance(x, Iterable) else (x,) * n

    return parse


_single, _pair, _triple, _quadruple = map(_ntuple, (1, 2, 3, 4))
