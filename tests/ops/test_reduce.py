"""Reductions of large arrays, which kernels do: every op in every memory order, against NumPy in float64."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import minitorch as m
from minitorch import kernels
from minitorch.autograd import grad
from minitorch.ops import collapse, reduce

RNG = np.random.default_rng(5)
SHAPE = (4, 12, 9, 16)
DIMS = [(0,), (1,), (2,), (3,), (2, 3), (0, 2, 3), (0, 2), (1, 3), (0, 1, 2, 3)]
ORDERS = {"first": (0, 1, 2, 3), "last": (0, 2, 3, 1), "turned": (3, 1, 0, 2)}


def image(dtype: Any, order: str, seed: int = 0) -> np.ndarray:
    """Numbers near 1 with ties, in an order of memory; "gaps" between them, or a "constant" axis without memory."""
    values = np.round(1 + np.random.default_rng(seed).standard_normal(SHAPE) / 4, 1).astype(dtype)
    if order == "constant":
        return np.broadcast_to(values[:1], SHAPE)
    if order == "gaps":
        return np.repeat(values, 2, 3)[..., ::2]
    axes = ORDERS[order]
    return np.ascontiguousarray(values.transpose(axes)).transpose(np.argsort(axes))


def flat(x: np.ndarray, dim: tuple) -> np.ndarray:
    """The axes dim as one, the last."""
    others = [i for i in range(x.ndim) if i not in dim]
    return x.transpose(*others, *dim).reshape(*(x.shape[i] for i in others), -1)


# op -> (on tensors, in NumPy over the last axis)
OVER: dict[str, tuple] = {
    "sum": (lambda x, d: x.sum(d), lambda a: a.sum(-1)),
    "mean": (lambda x, d: x.mean(d), lambda a: a.mean(-1)),
    "var": (lambda x, d: x.var(d), lambda a: a.var(-1, ddof=1)),
    "std": (lambda x, d: x.std(d, correction=0), lambda a: a.std(-1)),
    "amax": (lambda x, d: x.amax(d), lambda a: a.max(-1)),
    "amin": (lambda x, d: x.amin(d), lambda a: a.min(-1)),
    "norm": (lambda x, d: x.norm(2, d), lambda a: np.sqrt((a * a).sum(-1))),
    "norm 1": (lambda x, d: x.norm(1, d), lambda a: np.abs(a).sum(-1)),
    "norm inf": (lambda x, d: x.norm(math.inf, d), lambda a: np.abs(a).max(-1)),
    "norm 3": (lambda x, d: x.norm(3, d), lambda a: (np.abs(a) ** 3).sum(-1) ** (1 / 3)),
    "logsumexp": (lambda x, d: x.logsumexp(d), lambda a: np.log(np.exp(a).sum(-1))),
    "sum_to": (
        lambda x, d: m.autograd.registry["sum_to"](x, shape=reduce.kept(x.shape, d)).squeeze(d),
        lambda a: a.sum(-1),
    ),
}
# op -> (on tensors, in NumPy), along one axis
ALONG: dict[str, tuple] = {
    "prod": (lambda x, d: x.prod(d), lambda a, d: a.prod(d)),
    "cumsum": (lambda x, d: x.cumsum(d), lambda a, d: a.cumsum(d)),
    "cumprod": (lambda x, d: reduce.cumprod(x, d), lambda a, d: a.cumprod(d)),
    "softmax": (lambda x, d: x.softmax(d), lambda a, d: np.exp(a) / np.exp(a).sum(d, keepdims=True)),
    "log_softmax": (lambda x, d: x.log_softmax(d), lambda a, d: a - np.log(np.exp(a).sum(d, keepdims=True))),
    "max": (lambda x, d: x.max(d).values, lambda a, d: a.max(d)),
    "argmax": (lambda x, d: x.argmax(d), lambda a, d: a.argmax(d)),
    "argmin": (lambda x, d: x.argmin(d), lambda a, d: a.argmin(d)),
}
every_order = pytest.mark.parametrize("order", [*ORDERS, "gaps", "constant"])
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def close(found: np.ndarray, expected: np.ndarray, dtype: Any) -> None:
    """Equal to a few roundings of the largest."""
    assert found.shape == expected.shape
    scale = float(np.abs(expected).max(initial=1e-9))
    np.testing.assert_allclose(found, expected, rtol=0, atol=scale * (3e-6 if dtype == np.float32 else 1e-13))


def gradient(function: Any, array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The value, and the gradient of its sum with fixed weights."""
    x = m.from_numpy(array)
    if not array.flags.writeable:
        x.array = array  # as it lies
    out = function(x.requires_grad_())
    weights = np.random.default_rng(1).standard_normal(out.shape).astype(array.dtype)
    return out.detach().numpy(), grad((out * m.from_numpy(weights)).sum(), x)[0].array


@every_dtype
@every_order
@pytest.mark.parametrize("name", OVER)
def test_over_axes(name: str, order: str, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are NumPy's; gradients are those of the small arrays' rules, which the table of primitives tests."""
    function, formula = OVER[name]
    array = image(dtype, order)
    for dim in DIMS:
        value, slope = gradient(lambda x, d=dim: function(x, d), array)
        close(value, formula(flat(array.astype(np.float64), dim)), dtype)
        assert value.dtype == slope.dtype == dtype
        with monkeypatch.context() as patch:
            patch.setattr(collapse, "FEW", array.size)
            close(slope, gradient(lambda x, d=dim: function(x, d), array.astype(np.float64))[1], dtype)


@every_dtype
@every_order
@pytest.mark.parametrize("name", ALONG)
def test_along_an_axis(name: str, order: str, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same of ops along one axis; positions exactly."""
    function, formula = ALONG[name]
    array = image(dtype, order)
    for d in range(4):
        expected = formula(array.astype(np.float64), d)
        if expected.dtype == np.int64:
            np.testing.assert_array_equal(function(m.from_numpy(array.copy()), d).numpy(), expected)
            continue
        value, slope = gradient(lambda x, d=d: function(x, d), array)
        close(value, expected, dtype)
        with monkeypatch.context() as patch:
            patch.setattr(collapse, "FEW", array.size)
            close(slope, gradient(lambda x, d=d: function(x, d), array.astype(np.float64))[1], dtype)


@pytest.mark.parametrize("name", [*OVER, *ALONG])
def test_second_derivatives_of_large_arrays(name: str) -> None:
    """Along a direction, they are differences of the gradient, which kernels compute."""
    if name.startswith("arg"):
        return
    axis: Any = (1,) if name in OVER else 1
    function = (OVER | ALONG)[name][0]
    array = 1 + RNG.permutation(math.prod(SHAPE)).reshape(SHAPE) / math.prod(SHAPE)
    direction, eps = RNG.standard_normal(SHAPE), 1e-6
    x = m.from_numpy(array).requires_grad_()
    out = function(x, axis)
    weights = m.from_numpy(np.random.default_rng(1).standard_normal(out.shape))
    (g,) = grad((out * weights).sum(), x, create_graph=True)
    close(g.detach().numpy(), gradient(lambda y: function(y, axis), array)[1], np.float64)
    if not g.requires_grad:
        return
    found = grad((g * m.from_numpy(direction)).sum(), x)[0].array
    ahead, behind = (gradient(lambda y: function(y, axis), array + s * eps * direction)[1] for s in (1, -1))
    expected = (ahead - behind) / (2 * eps)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("combine", ["sum", "prod", "max", "min"])
def test_a_formula_of_one_s_own(combine: str) -> None:
    """Kernels of a formula and a combination, of several arrays and one of what is kept, over scattered axes."""
    kernel = kernels.reduction(f"own_{combine}", lambda x, y, w: x * y - w, combine, kept=1)
    again = getattr(kernels, f"{combine}_along")
    formula = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min}[combine]
    for dtype, dim in itertools.product((np.float32, np.float64, np.float16), DIMS):
        x, y = image(dtype, "last"), image(dtype, "first", 1)
        w = np.full(reduce.kept(SHAPE, dim), 0.1, dtype)
        found = collapse.reduce(kernel, [x, y], [w], dim, again).squeeze(dim)
        exact = flat(x.astype(np.float64) * y - np.float64(dtype(0.1)), dim)
        assert found.dtype == dtype
        with np.errstate(over="ignore"):
            expected = formula(exact, -1).astype(dtype)
        np.testing.assert_allclose(found, expected, rtol={2: 0.2, 4: 2e-3, 8: 1e-9}[found.itemsize], atol=1e-2)


def test_formulas_of_one_name_do_not_meet() -> None:
    """Whose machine code lies in the same cache, as when a program is changed and run again."""
    x, out = np.full((3, 5, 2), 2.0, np.float32), np.empty((3, 2), np.float32)
    for power, formula in ((2, lambda x: x * x), (3, lambda x: x * x * x)):
        kernels.reduction("own_power", formula, "sum")(x, out)
        assert (out == 5 * 2**power).all()


@pytest.mark.parametrize("order", ORDERS)
def test_layouts_are_not_copied(order: str) -> None:
    """Dense arrays in any order are read as they lie: (outer, reduced, inner) is a view."""
    array = image(np.float32, order)
    for dim in DIMS:
        how = collapse.Collapse.of(array, dim)
        assert np.shares_memory(how.full(array), array)
        assert how.back(how.full(array), array.shape).strides == array.strides


@pytest.mark.parametrize("axis", [0, 1])
def test_a_million_terms_are_right_to_float32(axis: int) -> None:
    """Added up one by one in float32, a tenth a million times gives 100,958."""
    array = np.full((1_000_000, 3), 0.1, np.float32)
    x = m.from_numpy(array if axis == 0 else np.ascontiguousarray(array.T))
    expected = float(np.float32(0.1)) * 1e6
    for found in (
        x.sum(axis),
        x.mean(axis) * 1e6,
        m.autograd.registry["sum_to"](x, shape=reduce.kept(x.shape, (axis,))),
    ):
        np.testing.assert_allclose(found.numpy().ravel(), expected, rtol=1e-6)
    np.testing.assert_allclose(x.sum().item(), 3 * expected, rtol=1e-6)


def test_variance_survives_a_large_mean() -> None:
    """Deviation 1 round a mean of 1e4, in float32."""
    array = (RNG.standard_normal((5, 20_000)) + 1e4).astype(np.float32)
    np.testing.assert_allclose(m.from_numpy(array).var(1).numpy(), array.astype(np.float64).var(1, ddof=1), rtol=1e-5)


def test_a_sums_gradient_has_no_memory_of_its_own() -> None:
    """It is one number, or one per row, seen everywhere."""
    x = m.ones(100, 1000, requires_grad=True)
    seen: list = []
    y = x * 1
    y.register_hook(lambda g: seen.append(g.array.strides))
    y.mean().backward()
    y = x * 1
    y.register_hook(lambda g: seen.append(g.array.strides))
    y.sum(1).sum().backward()
    assert seen[0] == (0, 0) and seen[1][1] == 0


def test_nan_and_ties_in_large_arrays() -> None:
    """NaN wins; positions are of the first NaN, or the first of equals, in rows and in columns."""
    array = np.round(RNG.standard_normal((70, 90))).astype(np.float32)
    array[3, 50:60], array[40:50, 7], array[20], array[60] = np.nan, np.nan, -np.inf, np.inf
    x = m.from_numpy(array)
    for d, name in itertools.product((0, 1), ("amax", "amin")):
        np.testing.assert_array_equal(getattr(x, name)(d).numpy(), getattr(np, name)(array, d))
        positions = getattr(x, "arg" + name[1:])(d).numpy()
        np.testing.assert_array_equal(positions, getattr(np, "arg" + name[1:])(array, d))
    assert math.isnan(x.max().item()) and x.argmax().item() == array.argmax()
    y = m.tensor([[-math.inf] * 3000, [math.inf] + [0.0] * 2999]).requires_grad_()
    assert y.logsumexp(1).tolist() == [-math.inf, math.inf]


def test_functions_beside_pytorch_s_numbers() -> None:
    """The newer functions, by hand; where slopes are a choice, PyTorch's."""
    x = m.tensor([[1.0, 5.0, 5.0], [2.0, math.nan, 0.0]])
    assert reduce.aminmax(x, dim=1).min.tolist()[0] == 1 and reduce.aminmax(x[0]).max.item() == 5
    assert reduce.nansum(x).item() == 13 and reduce.nanmean(x, 1).tolist() == pytest.approx([11 / 3, 1])
    assert reduce.count_nonzero(x).item() == 5 and reduce.count_nonzero(x, 0).tolist() == [2, 2, 1]
    variance, average = reduce.var_mean(x[0])
    assert (variance.item(), average.item()) == pytest.approx((16 / 3, 11 / 3))
    deviation, average = reduce.std_mean(x[:1], 1, False, True)
    assert deviation.shape == (1, 1) and deviation.item() == pytest.approx(math.sqrt(32 / 9))
    best = reduce.cummax(m.tensor([1.0, 1.0, math.nan, 2.0]), 0)
    assert best.indices.tolist() == [0, 1, 2, 2] and best.values.tolist()[:2] == [1, 1]
    assert reduce.cummin(m.tensor([3, 1, 2, 1]), 0)[1].tolist() == [0, 1, 1, 3]
    assert reduce.cumprod(m.tensor([2, 3, 4], dtype=m.int32), 0).dtype is m.int64
    assert m.tensor([1, 0], dtype=m.uint8).all().dtype is m.uint8
    for call, kind in (
        (lambda: reduce.aminmax(m.zeros(0)), RuntimeError),
        (lambda: reduce.aminmax(m.zeros(2, 0), dim=1), IndexError),
        (lambda: reduce.var_mean(m.ones(2).long()), RuntimeError),
        (lambda: reduce.nanmean(m.ones(2).long()), RuntimeError),
    ):
        with pytest.raises(kind):
            call()


NORMS = {  # at 0, -2, 3, 3, 1/2, from PyTorch 2.13
    0.5: (31.19693374633789, [0, -3.9495, 3.2247, 3.2247, 7.8990]),
    1: (8.5, [0, -1, 1, 1, 1]),
    1.5: (5.69042444229126, [0, -0.5928, 0.7261, 0.7261, 0.2964]),
    3: (3.960549831390381, [0, -0.2550, 0.5738, 0.5738, 0.0159]),
    math.inf: (3, [0, 0, 0.5, 0.5, 0]),
    -math.inf: (0, [0] * 5),
    -1: (0, [0] * 5),
}


@pytest.mark.parametrize("p", NORMS)
def test_norms_are_pytorch_s(p: float) -> None:
    """Values and slopes, with a 0 and a tie."""
    x = m.tensor([0.0, -2.0, 3.0, 3.0, 0.5], requires_grad=True)
    value, slope = NORMS[p]
    out = x.norm(p)
    assert out.item() == pytest.approx(value)
    np.testing.assert_allclose(grad(out, x)[0].numpy(), slope, atol=1e-4)
    assert m.tensor([0.0, 2.0, -3.0]).norm(0).item() == 2


def test_std_of_equal_numbers_is_flat() -> None:
    """As PyTorch has it, 0 over 0 is 0 there."""
    x = m.ones(3, 5000, requires_grad=True)
    assert not grad(x.std(1).sum(), x)[0].array.any()
