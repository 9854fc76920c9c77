"""Convolutions of many small groups, several of which are done as one: each group by itself gives the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch import backends, kernels
from minitorch.autograd import grad
from minitorch.nn import functional as F

pytestmark = pytest.mark.skipif(kernels.implementation() != "numba", reason="the reference does groups one by one")


def passes(x: np.ndarray, w: np.ndarray, g: np.ndarray, groups: int) -> list[np.ndarray]:
    """The result and both gradients of a convolution 3x3."""
    image, weight = (minitorch.from_numpy(array.copy()).requires_grad_() for array in (x, w))
    y = F.conv2d(image, weight, padding=1, groups=groups)
    return [y.detach().numpy(), *(t.numpy() for t in grad(y, [image, weight], minitorch.from_numpy(g.copy())))]


@pytest.mark.parametrize("bad", [None, np.nan, np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("groups", "inputs", "outputs"), [(16, 32, 32), (6, 18, 12), (5, 20, 10), (16, 16, 48)])
def test_groups_do_not_feel_each_other(
    groups: int, inputs: int, outputs: int, dtype: Any, bad: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit, also where one group has NaN or infinities in the image or in the gradient that comes in."""
    monkeypatch.setattr(backends.conv, "algorithm", "direct")
    if kernels.implementation() == "numba":  # where a group by itself would add up in another order
        monkeypatch.setattr("minitorch.kernels.tile.few_outputs.sums_lines", lambda *_: False)
    rng, many = np.random.default_rng(0), 24
    x = rng.standard_normal((8, inputs, many, many)).astype(dtype)
    w = rng.standard_normal((outputs, inputs // groups, 3, 3)).astype(dtype)
    g = rng.standard_normal((8, outputs, many, many)).astype(dtype)
    if bad is not None:
        x[1, 1, 3, 4] = x[7, -1, -1, 0] = g[0, 2, 5, 5] = bad
    parts = [
        passes(*parts, 1)
        for parts in zip(np.split(x, groups, 1), np.split(w, groups), np.split(g, groups, 1), strict=True)
    ]
    for found, one_by_one, axis in zip(passes(x, w, g, groups), zip(*parts, strict=True), (1, 1, 0), strict=True):
        np.testing.assert_array_equal(found, np.concatenate(one_by_one, axis))
