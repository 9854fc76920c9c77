"""Distances and directions of vectors."""

from __future__ import annotations

from typing import Any

from ...autograd.inplace import into
from ...ops.distance import cosine_similarity, pairwise_distance, pdist
from ...ops.pointwise import clamp, divide
from ...ops.reduce import norm
from .checks import check_tensor

__all__ = ["cosine_similarity", "normalize", "pairwise_distance", "pdist"]


def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Any = None) -> Any:
    """input over its p-norm along `dim`, an axis or several, which counts as no less than eps."""
    length = clamp(norm(check_tensor("normalize", input), p, dim, True), eps)
    return into(out, divide, (input, length), {})
