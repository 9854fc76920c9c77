"""Dropout: elements set to zero at random, the rest scaled, in one pass; the mask is kept for the gradient."""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..autograd import primitive
from .layout import copied, room
from .pointwise import multiply, where


@primitive(residuals="mask")
def dropout(x: np.ndarray, *, p: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """x with each element zero with probability p, the rest times 1 / (1 - p).

    What is drawn depends on `seed` and an element's place in memory, not on the number of threads.
    """
    x = copied(x) if 0 in x.strides else x
    out, mask = room(x), room(x, dtype=np.bool_)
    threshold, scale = min(round(p * 2**32), 2**32 - 1), 1 / (1 - p) if p < 1 else 0.0
    kernels.dropout(x.ravel("K"), out.ravel("K"), mask.ravel("K"), seed, threshold, scale)
    return out, mask


dropout.vjp(x=lambda g, mask, p: where(mask, multiply(g, 1 / (1 - p) if p < 1 else 0.0), 0.0))
