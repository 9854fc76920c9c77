"""Which functions users call, by which names, and where they find them; surface.py puts them there."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple


class Public(NamedTuple):
    """A public name: what it calls, and where users find it.

    on: T a method of Tensor, i its in-place form, v that of a view, which moves no element, t a function of the
    package, s one of minitorch.special, l one of minitorch.linalg, o with an argument `out`.
    """

    name: str
    function: Callable
    on: str


PUBLIC: list[Public] = []


def public(names: str, on: str = "T t") -> Callable[[Any], Any]:
    """Decorator: a function of tensors under these names, at these places; see `Public`."""
    unknown = set(on.split()) - set("Tivtosl")
    if unknown:
        raise ValueError(f"public({names!r}): no place is called {sorted(unknown)}; choose from T, i, v, t, s, l and o")

    def declare(function: Any) -> Any:
        for name in names.split():
            for other in PUBLIC:
                if other.name == name and set(other.on) & set(on) - set(" o"):
                    raise ValueError(f"{name!r} is declared already, as {other.function}")
            PUBLIC.append(Public(name, function, on))
        if isinstance(function, FunctionType):  # Python's own errors name it so
            function.__qualname__ = names.split()[0]
        return function

    return declare
