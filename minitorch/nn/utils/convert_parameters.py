"""Parameters of a whole model as one vector."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...ops.join import cat
from ...ops.shape import reshape
from ...tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Any:
    """All parameters as one vector, on the tape."""
    return cat([reshape(p, shape=(p.array.size,)) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy consecutive parts of a vector into the parameters. Raises TypeError for what is no tensor."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected a Tensor, but got: {type(vec).__name__}")
    start = 0
    for p in parameters:
        p.write()[...] = vec.array[start : start + p.array.size].reshape(p.array.shape)
        start += p.array.size
