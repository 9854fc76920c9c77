"""What planted faults (faults.py) slipped through before it was here."""

from __future__ import annotations

import numpy as np
import pytest
from samples import Row, incoming
from test_primitives import run, same, smooth

import minitorch
from minitorch.autograd import grad
from minitorch.nn import functional as F

CURVES = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
}


@pytest.mark.parametrize("row", smooth, ids=[row.name for row in smooth])
def test_recorded_gradients_are_the_same(row: Row) -> None:
    """With create_graph=True a rule may compute in another way, as batch_norm's do; the gradients stay what they are.

    gradgradcheck does not see this: it compares the recorded gradient with nothing but itself.
    """
    for i, sample in enumerate(row.samples):
        if not sample.special:
            tensors, wanted = row.leaves(sample)
            out = row.apply(sample, tensors)
            if wanted and out.requires_grad:
                g = minitorch.from_numpy(incoming(out.shape, out.array.dtype))
                found = grad(out, wanted, g, create_graph=True, materialize_grads=True)
                for recorded, plain in zip(found, run(row, sample)[1], strict=True):
                    same(recorded.array, plain, f"{row.name}[{i}] recorded", rtol=1e-9)


def both_ways(y, x, g):
    """The gradient by the fused kernel, and by the tensor operations that create_graph records."""
    (fused,) = grad(y, x, g, retain_graph=True)
    (composed,) = grad(y, x, g, create_graph=True)
    assert composed.requires_grad
    return fused.array, composed.array


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CURVES)
def test_fused_slopes_of_curves(name, dtype):
    """Within 4 eps |g| of the composed ones, over the whole range and with NaN where they have it; on threads, too."""
    rng, eps = np.random.default_rng(0), np.finfo(dtype).eps
    far = [0.0, -0.0, 1e-300, 800.0, -800.0, 3e38, -3e38, np.inf, -np.inf, np.nan]
    numbers = np.concatenate([rng.standard_normal(20_011) * 3, np.linspace(-40, 40, 5_003), far])
    x = minitorch.from_numpy(numbers.astype(dtype)).requires_grad_()
    g = minitorch.from_numpy(rng.standard_normal(numbers.size).astype(dtype))
    fused, composed = both_ways(CURVES[name](x), x, g)
    assert fused.dtype == composed.dtype == dtype
    np.testing.assert_array_equal(np.isnan(fused), np.isnan(composed))
    finite = ~np.isnan(composed)
    error = np.abs(fused - composed)[finite] / np.abs(g.array)[finite]
    assert error.max() <= 4 * eps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_fused_slope_of_cross_entropy(weighted, smoothing, reduction, dtype):
    """Within 4 eps of what a label's class receives, for rows of less than a vector and of many; ignored rows exact."""
    rng, eps = np.random.default_rng(0), np.finfo(dtype).eps
    for m, classes in ((1, 1), (7, 3), (64, 33), (300, 100), (5, 1000)):
        x = minitorch.from_numpy((rng.standard_normal((m, classes)) * 4).astype(dtype)).requires_grad_()
        labels, weight = rng.integers(0, classes, m), rng.uniform(0.5, 2, classes).astype(dtype)
        labels[1::5] = -1
        y = F.cross_entropy(
            x,
            minitorch.from_numpy(labels),
            minitorch.from_numpy(weight) if weighted else None,
            ignore_index=-1,
            reduction=reduction,
            label_smoothing=smoothing,
        )
        g = rng.standard_normal(y.shape).astype(dtype)
        fused, composed = both_ways(y, x, minitorch.from_numpy(g))
        gain = np.broadcast_to(np.abs(g), m)
        if reduction == "mean":
            gain = gain / (weight[labels[labels >= 0]].sum() if weighted else np.count_nonzero(labels >= 0))
        assert fused.dtype == composed.dtype == dtype
        assert np.all(np.abs(fused - composed) <= 4 * eps * (2 if weighted else 1) * gain[:, None])
        assert not fused[labels < 0].any()
        assert not composed[labels < 0].any()
