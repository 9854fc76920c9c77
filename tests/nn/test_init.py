"""Initializers: exact values where nothing is random, distributions where something is, PyTorch's errors."""

import math
import statistics

import numpy as np
import pytest

import minitorch
from minitorch.nn import init

COUNT = 40_000
SHAPE = (200, 8, 5, 5)  # COUNT elements; fan_in 200, fan_out 5,000


def drawn(name, *arguments, shape=SHAPE, dtype=minitorch.float32, seed=0, **settings):
    """A tensor filled by init.<name> with a seeded generator, as float64 values."""
    generator = minitorch.Generator().manual_seed(seed)
    out = getattr(init, name)(minitorch.zeros(shape, dtype=dtype), *arguments, generator=generator, **settings)
    return out.array.astype(np.float64)


def distance(values, distribution):
    """Kolmogorov and Smirnov's: how far the share of values below x is from distribution(x), at worst."""
    values = np.sort(values.ravel())
    expected = np.array([distribution(x) for x in values])
    ranks = np.arange(values.size + 1) / values.size
    return max(np.abs(ranks[1:] - expected).max(), np.abs(ranks[:-1] - expected).max())


def uniform(low, high):
    """The distribution function of the uniform distribution."""
    return lambda x: min(max((x - low) / (high - low), 0.0), 1.0)


def normal(deviation, mean=0.0):
    """The distribution function of the normal distribution."""
    return statistics.NormalDist(mean, deviation).cdf


# name: (call, distribution function); fans and gains worked out by hand
RANDOM = {
    "uniform_": (("uniform_", -2.0, 0.5), {}, uniform(-2.0, 0.5)),
    "normal_": (("normal_", 3.0, 0.25), {}, normal(0.25, 3.0)),
    "xavier_uniform_": (("xavier_uniform_", 2.0), {}, uniform(-2 * math.sqrt(6 / 5200), 2 * math.sqrt(6 / 5200))),
    "xavier_normal_": (("xavier_normal_",), {}, normal(math.sqrt(2 / 5200))),
    "kaiming_uniform_": (("kaiming_uniform_",), {}, uniform(-math.sqrt(6 / 200), math.sqrt(6 / 200))),
    "kaiming_uniform_ sqrt5": (
        ("kaiming_uniform_", math.sqrt(5)),
        {},
        uniform(-1 / math.sqrt(200), 1 / math.sqrt(200)),
    ),
    "kaiming_normal_": (("kaiming_normal_",), {"nonlinearity": "relu"}, normal(math.sqrt(2 / 200))),
    "kaiming_normal_ out": (
        ("kaiming_normal_",),
        {"mode": "fan_out", "nonlinearity": "tanh"},
        normal(5 / 3 / math.sqrt(5000)),
    ),
}


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distribution(name, dtype):
    """Values follow the documented distribution in both dtypes."""
    call, settings, distribution = RANDOM[name]
    values = drawn(*call, **settings, dtype=getattr(minitorch, dtype))
    assert distance(values, distribution) < 1.95 / math.sqrt(COUNT)  # passes 999 seeds of 1000, and this one always


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [
        (0.0, 1.0, -2.0, 2.0),
        (0.0, 0.02, -2.0, 2.0),
        (1.0, 2.0, 0.5, 0.75),
        (0.0, 1.0, 3.0, 40.0),
        (0.0, 1.0, -math.inf, -5.0),
        (-1.0, 0.5, 1.0, 1.5),
        (0.0, 1.0, -0.1, 0.1),
        (0.5, 1.5, -math.inf, math.inf),
    ],
)
def test_truncated_normal(mean, std, a, b):
    """trunc_normal_ is the normal distribution given that it lies in [a, b], also far from the mean."""
    values = drawn("trunc_normal_", mean, std, a, b, shape=(20, 1000), dtype=minitorch.float64)
    assert values.min() >= a and values.max() <= b
    low, high = (a - mean) / std, (b - mean) / std
    if low > 0:  # mirror: the tail's share keeps its digits below the mean, not above
        values, mean, low, high = 2 * mean - values, mean, -high, -low

    def share(x):
        return math.erfc(-x / math.sqrt(2)) / 2

    def distribution(x):
        return (share((x - mean) / std) - share(low)) / (share(high) - share(low))

    assert distance(values, distribution) < 1.95 / math.sqrt(values.size)


@pytest.mark.parametrize("name", ["uniform_", "normal_", "trunc_normal_", "kaiming_uniform_", "orthogonal_", "sparse_"])
def test_generators(name):
    """The same seed gives the same values, another seed others; manual_seed rules where no generator is given."""
    arguments = {"sparse_": (0.5,)}.get(name, ())
    first = drawn(name, *arguments, shape=(9, 8))
    assert np.array_equal(first, drawn(name, *arguments, shape=(9, 8)))
    assert not np.array_equal(first, drawn(name, *arguments, shape=(9, 8), seed=1))
    minitorch.manual_seed(0)
    out = getattr(init, name)(minitorch.zeros(9, 8), *arguments)
    assert np.array_equal(first, out.array)


@pytest.mark.parametrize("name", ["uniform_", "zeros_", "eye_", "orthogonal_", "kaiming_normal_", "trunc_normal_"])
def test_in_place(name):
    """Initializers return the tensor itself, keep its memory, count as a change and leave no trace on the tape."""
    w = minitorch.ones(3, 3, requires_grad=True)
    array, version = w.array, w.version.count
    assert getattr(init, name)(w) is w
    assert w.array is array and w.version.count == version + 1
    assert w.is_leaf and w.requires_grad and not np.array_equal(array, np.ones((3, 3)))


def test_strided_memory():
    """A weight in another memory order gets the same logical values."""
    strided = minitorch.from_numpy(np.asfortranarray(np.zeros((4, 6), np.float32)))
    out = init.normal_(strided, generator=minitorch.Generator().manual_seed(0))
    assert np.array_equal(out.array, drawn("normal_", shape=(4, 6)).astype(np.float32))


@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (6, 2, 3, 3), (3, 2, 2, 2), (4, 4)])
def test_orthogonal(shape):
    """The shorter side's vectors are orthogonal and as long as the gain."""
    values = drawn("orthogonal_", 1.5, shape=shape, dtype=minitorch.float64).reshape(shape[0], -1)
    if shape[0] > values.shape[1]:
        values = values.T
    np.testing.assert_allclose(values @ values.T, 1.5**2 * np.eye(len(values)), atol=1e-12)


def test_orthogonal_is_not_biased():
    """Each entry of a random orthogonal matrix is as often negative as positive."""
    shares = np.mean([drawn("orthogonal_", shape=(2, 2), seed=seed) > 0 for seed in range(400)], axis=0)
    assert np.abs(shares - 0.5).max() < 0.1


def test_sparse():
    """sparse_ zeroes ceil(sparsity * rows) entries of each column and draws the others."""
    values = drawn("sparse_", 0.31, 2.0, shape=(100, 400))
    assert ((values == 0).sum(axis=0) == 31).all()
    assert distance(values[values != 0], normal(2.0)) < 1.95 / math.sqrt(69 * 400)


def test_identities():
    """eye_ is the identity matrix; dirac_ is the convolution that hands on its input, group by group."""
    assert np.array_equal(init.eye_(minitorch.ones(2, 3)).array, [[1, 0, 0], [0, 1, 0]])
    values = init.dirac_(minitorch.ones(4, 2, 3), 2).array
    assert np.argwhere(values).tolist() == [[0, 0, 1], [1, 1, 1], [2, 0, 1], [3, 1, 1]]
    assert np.argwhere(init.dirac_(minitorch.ones(3, 2, 4, 3)).array).tolist() == [[0, 0, 2, 1], [1, 1, 2, 1]]
    assert np.argwhere(init.dirac_(minitorch.ones(1, 2, 1, 1, 1)).array).tolist() == [[0, 0, 0, 0, 0]]


def test_constants():
    """constant_, ones_ and zeros_ fill tensors of any dtype."""
    assert init.constant_(minitorch.zeros(2), 0.5).tolist() == [0.5, 0.5]
    assert init.ones_(minitorch.zeros(2, dtype=minitorch.int64)).tolist() == [1, 1]
    assert init.zeros_(minitorch.ones(2, requires_grad=True)).tolist() == [0.0, 0.0]


def test_gains():
    """Gains are those of PyTorch's table."""
    for name in ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose2d", "sigmoid"):
        assert init.calculate_gain(name) == 1.0
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("selu") == 0.75
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / 1.0001)
    assert init.calculate_gain("leaky_relu", 2) == math.sqrt(0.4)


def test_fans():
    """Fans count the taps of a kernel."""
    assert init._calculate_fan_in_and_fan_out(minitorch.zeros(7, 3)) == (3, 7)
    assert init._calculate_fan_in_and_fan_out(minitorch.zeros(8, 4, 3, 5)) == (60, 120)


def test_empty():
    """kaiming on a tensor without elements warns and does nothing; orthogonal_ just does nothing."""
    w = minitorch.zeros(0, 3)
    for call in (init.kaiming_uniform_, init.kaiming_normal_):
        with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
            assert call(w) is w
    assert init.orthogonal_(w) is w
    assert init.trunc_normal_(w) is w


def zeros(*shape):
    """A tensor of zeros."""
    return minitorch.zeros(shape)


# name: (call, error class, message)
BAD_CALLS = {
    "gain": (lambda: init.calculate_gain("swish"), ValueError, "Unsupported nonlinearity swish"),
    "slope": (lambda: init.calculate_gain("leaky_relu", "a"), ValueError, "negative_slope a not a valid number"),
    "slope bool": (lambda: init.calculate_gain("leaky_relu", True), ValueError, "negative_slope True not a valid"),
    "uniform": (lambda: init.uniform_(zeros(2), 2, 1), RuntimeError, "from=2, to=1"),
    "uniform inf": (lambda: init.uniform_(zeros(2), 0, math.inf), RuntimeError, "finite range"),
    "uniform int": (lambda: init.uniform_(zeros(2).long()), NotImplementedError, "not int64"),
    "normal": (lambda: init.normal_(zeros(2), 0, -1), RuntimeError, "expects std >= 0.0, but found std -1"),
    "normal int": (lambda: init.normal_(zeros(2).long()), NotImplementedError, "not int64"),
    "truncated": (lambda: init.trunc_normal_(zeros(2), a=2, b=1), RuntimeError, "a=2, b=1"),
    "truncated std": (lambda: init.trunc_normal_(zeros(2), std=0), ValueError, "std > 0, but found std 0"),
    "eye": (lambda: init.eye_(zeros(2)), ValueError, "Only tensors with 2 dimensions are supported"),
    "dirac": (lambda: init.dirac_(zeros(2, 2)), ValueError, "Only tensors with 3, 4, or 5 dimensions are supported"),
    "dirac groups": (lambda: init.dirac_(zeros(3, 2, 2), 2), ValueError, "dim 0 must be divisible by groups"),
    "orthogonal": (lambda: init.orthogonal_(zeros(2)), ValueError, "Only tensors with 2 or more dimensions"),
    "sparse": (lambda: init.sparse_(zeros(2), 0.1), ValueError, "Only tensors with 2 dimensions are supported"),
    "xavier": (lambda: init.xavier_uniform_(zeros(2)), ValueError, "Fan in and fan out can not be computed"),
    "kaiming": (lambda: init.kaiming_normal_(zeros(2)), ValueError, "Fan in and fan out can not be computed"),
    "mode": (lambda: init.kaiming_uniform_(zeros(2, 2), mode="x"), ValueError, "Mode x not supported"),
    "nonlinearity": (
        lambda: init.kaiming_uniform_(zeros(2, 2), nonlinearity="x"),
        ValueError,
        "Unsupported nonlinearity x",
    ),
    "generator": (lambda: init.normal_(zeros(2), generator=5), TypeError, "expected a minitorch.Generator"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_calls(name):
    """Wrong arguments raise PyTorch's error class with a message that names them, and write nothing."""
    call, error, message = BAD_CALLS[name]
    with pytest.raises(error, match=message):
        call()
