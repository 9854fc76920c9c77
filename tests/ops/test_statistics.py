"""Quantiles, histograms, counts, covariances; differences, integrals, slopes and running log-sums along an axis."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch as m
from minitorch.autograd import grad, gradcheck, gradgradcheck
from minitorch.ops import scan

INF, NAN = np.inf, np.nan
rng = np.random.default_rng(0)


# ----------------------------------------------------------------------------------------------------- quantiles
@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
@pytest.mark.parametrize("nan", [False, True])
@pytest.mark.parametrize("dim", [None, 0, 1, -1])
def test_quantiles_are_numpys(dim: Any, nan: bool, interpolation: str) -> None:
    """Of all and along each axis, with and without NaN, keeping the axis or not, for one q and several."""
    x = rng.standard_normal((4, 5, 3))
    x[rng.random(x.shape) < 0.2] = NAN if nan else 1.0
    x[2, :, 1] = NAN if nan else 2.0
    for q in (0.3, [0.0, 0.25, 0.6, 1.0]):
        for keep in (False, True):
            ours = m.tensor(q, dtype=m.float64) if isinstance(q, list) else q
            for name in ("quantile", "nanquantile"):
                found = getattr(m.from_numpy(x), name)(ours, dim, keep, interpolation=interpolation).numpy()
                with warnings.catch_warnings():  # of rows without numbers
                    warnings.simplefilter("ignore")
                    expected = getattr(np, name)(x, q, dim, keepdims=keep, method=interpolation)
                np.testing.assert_allclose(found, expected, rtol=1e-14, err_msg=f"{name} {q} {keep}")


def test_the_gradient_of_a_quantile_reaches_q() -> None:
    """Its slope is the distance of the two elements around, times n - 1."""
    q = m.tensor([0.3, 0.5], requires_grad=True)
    (g,) = grad(m.tensor([1.0, 2.0, 4.0]).quantile(q).sum(), q)
    assert g.tolist() == [2.0, 0.0]


# ------------------------------------------------------------------------------------------ histograms and counts
def histogram(*args: Any, **settings: Any) -> list:
    """Counts and edges as lists."""
    found = m.histogram(*args, **settings)
    return [found.hist.tolist(), found.bin_edges.tolist()]


SAMPLES, POINTS = m.tensor([1.0, 2.0, 1.5]), m.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
RIGHT: list[tuple[Callable, Any]] = [
    (lambda: m.histc(m.tensor([1.0, 2.0, 3.0]), 3), [1.0, 1.0, 1.0]),
    (lambda: m.histc(m.tensor([1.0, 1.0]), 3), [0.0, 2.0, 0.0]),
    (lambda: m.histc(m.tensor([1.0, NAN, 2.0, 5.0]), 3, 0, 2), [0.0, 1.0, 1.0]),
    (lambda: m.histc(m.empty(0), 3), [0.0, 0.0, 0.0]),
    (lambda: m.tensor([[0.0, 1.0], [4.0, 4.0]]).histc(bins=4, min=0, max=4), [1.0, 1.0, 0.0, 2.0]),
    (lambda: histogram(SAMPLES, 2), [[1.0, 2.0], [1.0, 1.5, 2.0]]),
    (lambda: histogram(SAMPLES, 4, range=(0.0, 2.0), density=True), [[0, 0, 2 / 3, 4 / 3], [0.0, 0.5, 1.0, 1.5, 2.0]]),
    (
        lambda: histogram(SAMPLES, 4, range=(0.0, 2.0), weight=m.tensor([1.0, 2.0, 4.0])),
        [[0.0, 0.0, 1.0, 6.0], [0.0, 0.5, 1.0, 1.5, 2.0]],
    ),
    (lambda: histogram(SAMPLES, m.tensor([0.0, 1.0, 1.6, 4.0])), [[0.0, 2.0, 1.0], [0.0, 1.0, 1.6, 4.0]]),
    (lambda: histogram(m.tensor([1.0, 2.0, NAN]), 2, range=(0.0, 2.0)), [[0.0, 2.0], [0.0, 1.0, 2.0]]),
    (lambda: histogram(m.ones(2, 3), 2), [[0.0, 6.0], [0.5, 1.0, 1.5]]),
    (lambda: m.histogramdd(POINTS, 2).hist, [[0.0, 1.0], [1.0, 1.0]]),
    (lambda: list(m.histogramdd(POINTS, [2, 1], range=[0.0, 2.0, 0.0, 4.0]).bin_edges), [[0.0, 1.0, 2.0], [0.0, 4.0]]),
    (
        lambda: m.histogramdd(POINTS, [2, 2], range=[0.0, 2.0, 0.0, 4.0], density=True).hist,
        [[1 / 6, 0], [1 / 6, 1 / 6]],
    ),
    (lambda: m.histogramdd(POINTS, [2, 2], weight=m.tensor([1.0, 2.0, 4.0])).hist, [[0.0, 1.0], [2.0, 4.0]]),
    (lambda: m.histogramdd(POINTS, [m.tensor([0.0, 1.0, 2.0]), m.tensor([0.0, 1.5])]).hist, [[1.0], [1.0]]),
    (lambda: m.histogramdd(m.ones(2, 3, 2), 2).hist, [[0.0, 0.0], [0.0, 6.0]]),
    (lambda: m.bincount(m.tensor([1, 2, 2]), minlength=5), [0, 1, 2, 0, 0]),
    (lambda: m.bincount(m.tensor([1, 2, 2]), m.tensor([0.5, 1.0, 1.0])), [0.0, 0.5, 2.0]),
    (lambda: m.bincount(m.tensor([1, 2, 2]), m.tensor([1, 1, 3])).dtype, m.float64),
    (lambda: m.bincount(m.tensor([], dtype=m.int64), minlength=3), [0, 0, 0]),
    (lambda: m.bincount(m.tensor([3, 0], dtype=m.uint8)).dtype, m.int64),
    (lambda: m.cov(m.tensor([[1.0, 2.0, 4.0], [2.0, 1.0, 5.0]])), [[7 / 3, 8 / 3], [8 / 3, 13 / 3]]),
    (lambda: m.cov(m.tensor([1.0, 2.0])), 0.5),
    (lambda: m.cov(m.tensor([[1, 2], [3, 5]])), [[0.5, 1.0], [1.0, 2.0]]),
    (lambda: m.cov(m.tensor([1.0, 5.0]), fweights=m.tensor([3, 1])), 4.0),
    (lambda: m.cov(m.tensor([1.0, 5.0]), correction=0, aweights=m.tensor([1.5, 0.5])), 3.0),
    (lambda: m.corrcoef(m.tensor([1.0, 2.0])), 1.0),
    (lambda: m.corrcoef(m.tensor([[1.0, 2.0, 3.0], [5.0, 3.0, 1.0]])), [[1.0, -1.0], [-1.0, 1.0]]),
    (lambda: m.diff(m.tensor([1, 4, 9])), [3, 5]),
    (lambda: m.diff(m.tensor([1, 4, 9]), 2), [2]),
    (lambda: m.diff(m.tensor([1, 4, 9]), n=5), []),
    (lambda: m.diff(m.tensor([True, False]), n=0), [True, False]),
    (lambda: m.diff(m.tensor([True, False, False])), [True, False]),
    (lambda: m.diff(m.tensor([[1, 4], [3, 3]]), dim=0), [[2, -1]]),
    (lambda: m.diff(m.tensor([1.0, 4.0]), prepend=m.tensor([0]), append=m.tensor([9.0, 9.0])), [1.0, 3.0, 5.0, 0.0]),
    (lambda: m.trapezoid(m.tensor([1, 2, 3]), dx=2), 8.0),
    (lambda: m.trapezoid(m.tensor([[1, 2, 3], [4, 5, 6]]), m.tensor([0, 1, 3])), [6.5, 15.5]),
    (lambda: m.trapz(m.tensor([[1.0, 2.0], [3.0, 6.0]]), x=m.tensor([0.0, 2.0]), dim=0), [4.0, 8.0]),
    (lambda: m.trapezoid(m.empty(2, 0)), [0.0, 0.0]),
    (lambda: m.trapezoid(m.tensor([7.0])), 0.0),
    (lambda: m.cumulative_trapezoid(m.tensor([1, 2, 3])), [1.5, 4.0]),
    (lambda: m.cumulative_trapezoid(m.tensor([1.0, 2.0, 3.0]), m.tensor([0.0, 1.0, 3.0])), [1.5, 6.5]),
    (lambda: m.gradient(m.tensor([1.0, 4.0, 9.0, 16.0]))[0], [3.0, 4.0, 6.0, 7.0]),
    (lambda: m.gradient(m.tensor([1, 4, 9, 16]), edge_order=2)[0], [2.0, 4.0, 6.0, 8.0]),
    (lambda: m.gradient(m.tensor([1.0, 4.0, 9.0]), spacing=2.0)[0], [1.5, 2.0, 2.5]),
    (
        lambda: m.gradient(m.tensor([0.0, 1.0, 9.0, 16.0]), spacing=(m.tensor([0.0, 1.0, 3.0, 4.0]),), edge_order=2)[0],
        [0.0, 2.0, 6.0, 8.0],
    ),
    (lambda: m.gradient(m.tensor([[1.0, 2.0], [4.0, 8.0]]), spacing=[1.0, 2.0])[1], [[0.5, 0.5], [2.0, 2.0]]),
    (lambda: m.gradient(m.tensor([[1.0, 2.0], [4.0, 8.0]]), dim=0)[0], [[3.0, 6.0], [3.0, 6.0]]),
    (lambda: m.gradient(m.tensor(3.0)), ()),
    (lambda: m.tensor([1, 2, 3], dtype=m.int32).cumsum_(0), [1, 3, 6]),
    (lambda: m.tensor([1.0, 2.0, 3.0]).cumprod_(0), [1.0, 2.0, 6.0]),
    (lambda: m.cummax(m.tensor(True), 0).values.dtype, m.bool),
    (lambda: m.logcumsumexp(m.tensor([0.0, 0.0, -INF, NAN, 1.0]), 0), [0.0, np.log(2), np.log(2), NAN, NAN]),
    (lambda: m.logcumsumexp(m.tensor([-INF, -INF, 2.0, INF, 1.0]), 0), [-INF, -INF, 2.0, INF, INF]),
    (lambda: m.logcumsumexp(m.tensor(2.0), 0), 2.0),
    (lambda: m.tensor([-200.0, 0.0, 200.0]).logcumsumexp(0), [-200.0, 0.0, 200.0]),
]


@pytest.mark.parametrize(("call", "expected"), RIGHT, ids=[str(i) for i in range(len(RIGHT))])
def test_values(call: Callable, expected: Any) -> None:
    """Written out."""
    found = call()
    if isinstance(found, m.dtype | tuple):
        assert found == expected
        return
    for a, b in zip(found, expected, strict=True) if isinstance(found, list) else [(found, expected)]:
        a = a.numpy() if isinstance(a, m.Tensor) else a
        np.testing.assert_allclose(a, b, rtol=1e-6)
        assert np.shape(a) == np.shape(b)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bins", [10, 49, 93])
def test_edges_belong_to_the_bin_above(bins: int, dtype: Any) -> None:
    """Elements on edges, beside them, and all others, are counted where a comparison with the edges puts them."""
    low, high = dtype(-0.3), dtype(0.7)
    edges = m.histogram(m.zeros(1, dtype=m.float64 if dtype == np.float64 else m.float32), bins, range=(low, high))
    e = edges.bin_edges.numpy()
    x = np.concatenate([e, np.nextafter(e, dtype(-9)), np.nextafter(e, dtype(9)), rng.random(3000).astype(dtype)])
    hist, found = (v.numpy() for v in m.histogram(m.from_numpy(x), bins, range=(low, high)))
    inside = [(x >= e[i]) & ((x < e[i + 1]) | (i == bins - 1) & (x <= e[bins])) for i in range(bins)]
    assert hist.tolist() == [b.sum() for b in inside] and hist.dtype == found.dtype == dtype
    np.testing.assert_allclose(found, np.linspace(-0.3, 0.7, bins + 1), atol=1e-6)


def test_covariance_without_freedom_warns() -> None:
    """And divides by 0."""
    with pytest.warns(UserWarning, match="degrees of freedom"):
        assert np.isnan(m.cov(m.tensor(3.0)).item())


SMOOTH: dict[str, Callable] = {
    "cov": lambda x: m.cov(x, aweights=m.from_numpy(np.linspace(0.5, 1, 5))),
    "corrcoef": lambda x: m.corrcoef(x),
    "diff": lambda x: m.diff(x, 2, 1, prepend=x[:, :1] * 2),
    "trapezoid": lambda x: m.trapezoid(x, m.from_numpy(np.arange(15.0).reshape(3, 5) ** 2)),
    "trapezoid of x": lambda x: m.trapezoid(x.sin(), x, dim=0),
    "cumulative_trapezoid": lambda x: m.cumulative_trapezoid(x, dx=0.5),
    "gradient": lambda x: m.gradient(x, spacing=(m.tensor([0.0, 0.5, 2.0], dtype=m.float64), 2.0), edge_order=2)[0],
    "logcumsumexp": lambda x: m.logcumsumexp(x, 1),
    "cumprod_": lambda x: (x * 1).cumprod_(1),
    "cumsum_": lambda x: (x * 1).cumsum_(0),
    "renorm_": lambda x: (x * 2).renorm_(3, 1, 1.0),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients(name: str) -> None:
    """First and second order, by differences."""
    x = m.from_numpy(np.random.default_rng(1).standard_normal((3, 5))).requires_grad_()
    gradcheck(SMOOTH[name], (x,))
    gradgradcheck(SMOOTH[name], (x,))


@pytest.mark.parametrize("spread", [1.0, 400.0])
def test_both_ways_of_the_gradient_of_log_sums(spread: float) -> None:
    """By running sums where nothing overflows, else by doubling; the latter is what is recorded."""
    x = rng.standard_normal((3, 40)) * spread
    g = rng.standard_normal(x.shape)
    out = np.logaddexp.accumulate(x, 1)
    found = scan._logsum_grad(g, out, x, 1)
    expected = np.array([[(g[r, j:] * np.exp(x[r, j] - out[r, j:])).sum() for j in range(40)] for r in range(3)])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(scan._logsum_slope(g, out, x, 1), expected, rtol=1e-9, atol=1e-12)


WRONG: list[tuple[Callable, type, str]] = [
    (lambda: m.tensor([1, 2]).quantile(0.5), RuntimeError, "float or double"),
    (lambda: m.ones(2).quantile(1.5), RuntimeError, "[0, 1] but got 1.5"),
    (lambda: m.ones(2).quantile(m.tensor([0.5, 2.0])), RuntimeError, "q values"),
    (lambda: m.ones(2).quantile(m.tensor([0.5], dtype=m.float64)), RuntimeError, "same dtype"),
    (lambda: m.ones(2).quantile(m.ones(1, 1)), RuntimeError, "1D"),
    (lambda: m.ones(2).quantile(0.5, interpolation="x"), RuntimeError, "got x"),
    (lambda: m.empty(0).nanquantile(0.5), RuntimeError, "nanquantile() input tensor must be non-empty"),
    (lambda: m.ones(2).quantile("a"), TypeError, "`q`"),
    (lambda: m.histc(m.tensor([1, 2]), 3), NotImplementedError, "int64"),
    (lambda: m.histc(m.ones(2), 0), RuntimeError, "bins must be > 0"),
    (lambda: m.histc(m.ones(2), 3, 2, 1), RuntimeError, "larger than min"),
    (lambda: m.histc(m.tensor([1.0, NAN]), 3), RuntimeError, "not finite"),
    (lambda: m.histogram(m.ones(2), 3, range=(2.0, 0.0)), RuntimeError, "min should not exceed max"),
    (lambda: m.histogram(m.tensor([1, 2]), 2), NotImplementedError, "histogramdd"),
    (lambda: m.histogram(m.ones(2), 2, weight=m.ones(3)), RuntimeError, "same shape"),
    (lambda: m.histogram(m.ones(2), m.ones(1)), RuntimeError, "bins must be > 0"),
    (lambda: m.histogram(m.ones(2), m.ones(3).double()), RuntimeError, "same dtype"),
    (lambda: m.histogram(m.ones(2), m.ones(3, 1)), RuntimeError, "one dimension"),
    (lambda: m.histogramdd(m.ones(2), 2), RuntimeError, "at least 2 dimensions"),
    (lambda: m.histogramdd(POINTS, [2]), RuntimeError, "size of bins"),
    (lambda: m.histogramdd(POINTS, 2, range=[0.0, 1.0]), RuntimeError, "should have 4 elements, but got 2"),
    (lambda: m.histogramdd(POINTS, 2, weight=m.ones(2)), RuntimeError, "weight with shape [2]"),
    (lambda: m.bincount(m.tensor([1, -2])), RuntimeError, "non-negative"),
    (lambda: m.bincount(m.ones(2)), NotImplementedError, "float32"),
    (lambda: m.bincount(m.tensor([[1]])), RuntimeError, "1-d"),
    (lambda: m.bincount(m.tensor([1]), m.ones(2)), RuntimeError, "same length"),
    (lambda: m.bincount(m.tensor([1]), minlength=-1), RuntimeError, "minlength"),
    (lambda: m.cov(m.ones(2, 2, 2)), RuntimeError, "3 dimensions"),
    (lambda: m.cov(m.tensor([True, False])), RuntimeError, "bool"),
    (lambda: m.cov(m.ones(2), fweights=m.ones(2)), RuntimeError, "integral"),
    (lambda: m.cov(m.ones(2), aweights=m.ones(3)), RuntimeError, "3 != 2"),
    (lambda: m.cov(m.ones(2), aweights=m.tensor([1.0, -1.0])), RuntimeError, "negative"),
    (lambda: m.corrcoef(m.ones(2, 2, 2)), RuntimeError, "corrcoef()"),
    (lambda: m.diff(m.tensor(1.0)), RuntimeError, "at least one-dimensional"),
    (lambda: m.diff(m.ones(2), n=-1), RuntimeError, "non-negative"),
    (lambda: m.diff(m.ones(2), prepend=m.tensor(0.0)), RuntimeError, "same dimension"),
    (lambda: m.diff(m.ones(2, 3), append=m.ones(3, 1)), RuntimeError, "input.size(0) = 2"),
    (lambda: m.trapezoid(m.tensor(3.0)), IndexError, "no dimensions"),
    (lambda: m.trapezoid(m.ones(2), m.ones(1)), RuntimeError, "one `x` value"),
    (lambda: m.trapezoid(m.tensor([True])), RuntimeError, "bool"),
    (lambda: m.gradient(m.ones(3, 4), spacing=[1.0, 2.0], dim=1), RuntimeError, "length 2"),
    (lambda: m.gradient(m.ones(3, 4), dim=(0, 0)), RuntimeError, "multiple times"),
    (lambda: m.gradient(m.ones(1, 4)), RuntimeError, "edge_order+1"),
    (lambda: m.gradient(m.ones(4), edge_order=3), RuntimeError, "edge_order=1 and"),
    (lambda: m.gradient(m.ones(4), spacing=m.ones(4)), TypeError, "spacing"),
    (lambda: m.gradient(m.ones(4, dtype=m.uint8)), RuntimeError, "uint8"),
    (lambda: m.ones(2).cumsum(0, dtype=m.bool), NotImplementedError, "Bool"),
]


@pytest.mark.parametrize(("call", "kind", "piece"), WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_wrong_calls(call: Callable, kind: type, piece: str) -> None:
    """PyTorch's class, and what was wrong."""
    with pytest.raises(kind) as info:
        call()
    assert type(info.value) is kind and piece in str(info.value)
