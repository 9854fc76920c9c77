"""SparseAdam, by name: there are no sparse gradients here."""

from __future__ import annotations

from typing import Any

from .optimizer import Optimizer


class SparseAdam(Optimizer):
    """Raises NotImplementedError: gradients are dense here, and `Adam` takes the same options for them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            "SparseAdam: minitorch has no sparse gradients; an embedding's gradient is dense. Use Adam instead"
        )
