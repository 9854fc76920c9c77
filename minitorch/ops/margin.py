"""Losses of margins, element by element, and that of several right classes against all others."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import primitive
from ..autograd.tape import wrap
from .activation import _log_of_sum, sigmoid
from .declare import binary
from .pointwise import where
from .shape import expand, reshape

soft_margin = binary(
    "soft_margin",
    lambda x, y: _log_of_sum(-(x * y)),
    x=lambda g, x, y: -(g * y) * sigmoid(-(x * y)),
    y=lambda g, x, y: -(g * x) * sigmoid(-(x * y)),
    on="",
    doc="log(1 + exp(-x y)), without overflow.",
)
hinge_embedding = binary(
    "hinge_embedding",
    lambda x, y, *, margin: where(y != 1, where(x > margin, 0.0, margin - x), 0.0) + where(y != -1, x, 0.0),
    x=lambda g, x, y, margin: where(y != -1, g, 0.0) - where((y != 1) & (x <= margin), g, 0.0),
    on="",
    doc="x where y is 1, max(margin - x, 0) where it is -1, and their sum for another y.",
)
hinge_embedding.flat = True
excess = binary(
    "excess",
    lambda x, y, *, margin, power: where(x - y > -margin, (x - y + margin) ** power, 0.0),
    x=lambda g, x, y, margin, power: where(x - y > -margin, g * (x - y + margin) ** (power - 1) * power, 0.0),
    y=lambda g, x, y, margin, power: where(x - y > -margin, g * (x - y + margin) ** (power - 1) * -power, 0.0),
    static=(1, 2),
    on="",
    doc="max(0, x - y + margin) to the power 1 or 2.",
)


# Every right class r loses to every other class j by max(0, 1 - x[r] + x[j]). Where that is positive it has slope -1 in
# x[r] and 1 in x[j]; so the slope of the sum, an int for each class, is counted on the way, and its own slope is 0.
@primitive(residuals="slope")
def multilabel_margin(x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean over C of all max(0, 1 - x[r] + x[j]), r right and j not, for rows x (N, C) and labels (N, C).

    A row's labels end before the first negative one; each counts as often as it stands there.
    """
    n, classes = x.shape
    right, total, slope = np.zeros(x.shape, np.bool_), np.zeros(n, x.dtype), np.zeros(x.shape, x.dtype)
    lengths = np.where((labels < 0).any(1), (labels < 0).argmax(1), classes) if classes else np.zeros(n, np.int64)
    turns = range(int(lengths.max(initial=0)))
    rows = [np.flatnonzero(lengths > t) for t in turns]
    for t in turns:
        right[rows[t], labels[rows[t], t]] = True
    for t in turns:
        at, label = rows[t], labels[rows[t], t]
        errors = x[at] - (x[at, label] - 1)[:, None]
        losing = (errors > 0) & ~right[at]
        total[at] += np.where(losing | np.isnan(errors) & ~right[at], errors, 0).sum(1)
        slope[at] += losing
        slope[at, label] -= losing.sum(1)
    return total / x.dtype.type(max(classes, 1)), slope / x.dtype.type(max(classes, 1))


def _times_slope(g: Any, slope: Any) -> Any:
    """g (N,) over all classes, times the slope."""
    if isinstance(g, np.ndarray):
        return g[:, None] * slope
    return expand(reshape(g, shape=(-1, 1)), shape=slope.array.shape) * wrap(slope.array)


multilabel_margin.vjp(x=_times_slope)
multilabel_margin.flat = True
