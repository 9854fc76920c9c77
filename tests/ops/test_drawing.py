"""Drawing: the right distributions, every dtype that holds them, seeds, and wrong calls."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch as m

N = 40_000


def generator() -> Any:
    """The same stream in every test."""
    return m.Generator().manual_seed(5)


def near(values: Any, expected: float, deviation: float) -> None:
    """The mean of drawn values is the expected one, within five of its standard deviations."""
    values = np.asarray(values, np.float64)
    assert abs(values.mean() - expected) < 5 * deviation / math.sqrt(values.size)


def test_continuous_distributions() -> None:
    """Their distribution functions at some places, dtype and memory of the tensor."""
    x = m.zeros(N, dtype=m.float64)
    near(x.exponential_(2.0, generator=generator()).numpy() < 0.5, 1 - math.exp(-1), 0.5)
    near(x.cauchy_(1.0, 2.0, generator=generator()).numpy() < 3.0, 0.75, 0.5)
    near(x.log_normal_(0.5, 0.25, generator=generator()).numpy() < math.exp(0.75), 0.8413447, 0.4)
    near(x.log(), 0.5, 0.25)
    assert m.zeros(3).exponential_(math.inf).tolist() == [0.0, 0.0, 0.0]
    for name in ("exponential_", "cauchy_", "log_normal_", "uniform_", "normal_"):
        y = m.zeros(2, 3)
        memory = y.numpy()
        assert getattr(y, name)() is y and memory.all() and memory.dtype == np.float32


def test_whole_numbers() -> None:
    """Ranges, means, and the dtypes that hold them."""
    for dtype in (m.float32, m.int64, m.int32, m.uint8):
        x = m.zeros(N, dtype=dtype)
        near(x.geometric_(0.25, generator=generator()), 4.0, math.sqrt(12))
        assert x.min() == 1
        near(x.random_(2, 7, generator=generator()), 4.0, math.sqrt(2))
        assert (x.min(), x.max()) == (2, 6)
        assert set(x.random_(3).tolist()) == {0, 1, 2} == set(x.random_(to=3).tolist())
        assert set(x.random_(**{"from": 1, "to": 3}).tolist()) == {1, 2}
    assert set(m.zeros(99).random_(-2, 0).tolist()) == {-2, -1}
    for dtype, least, most in (
        (m.uint8, 200, 255),
        (m.int32, 2**30, 2**31 - 1),
        (m.float32, 2**23, 2**24),
        (m.float64, 2**52, 2**53),
    ):
        x = m.zeros(N, dtype=dtype).random_(generator=generator())
        assert least < x.max().item() <= most and x.min().item() < least // 8
    assert set(m.zeros(99, dtype=m.bool).random_().tolist()) == {False, True}
    assert (
        m.randint_like(m.zeros(3, 2), 5).dtype is m.float32
        and m.randint_like(m.zeros(3), 2, 3, dtype=m.int64).tolist() == [2] * 3
    )


def test_rates_and_tries() -> None:
    """poisson and binomial: means and variances, certain cases, input's dtype."""
    drawn = m.poisson(m.full((N,), 3.0), generator())
    near(drawn, 3.0, math.sqrt(3))
    near((drawn - 3) ** 2, 3.0, math.sqrt(21))
    assert m.poisson(m.zeros(3)).tolist() == [0.0] * 3 and drawn.dtype is m.float32
    drawn = m.binomial(m.full((N,), 10.0), m.tensor(0.3), generator())
    near(drawn, 3.0, math.sqrt(2.1))
    assert m.binomial(m.tensor([3.0, 3.0]), m.tensor([1.0, 0.0])).tolist() == [3.0, 0.0]
    assert m.tensor([1.0, 0.0]).bernoulli().tolist() == [1.0, 0.0] and m.tensor([1, 1]).bernoulli(1.0).tolist() == [
        1,
        1,
    ]


@pytest.mark.parametrize("rows", [1, N // 10])
def test_multinomial_with_repetition(rows: int) -> None:
    """Each position as often as its weight says, that without weight never."""
    w = m.tensor([0.1, 0.2, 0.0, 0.7]).expand(rows, 4)
    drawn = w.multinomial(N // rows, True, generator=generator()).numpy()
    assert drawn.shape == (rows, N // rows)
    for i, p in enumerate((0.1, 0.2, 0.0, 0.7)):
        near(drawn == i, p, math.sqrt(p * (1 - p)) + 1e-9)
    assert m.tensor([0.0, 0.0, 5.0, 0.0]).multinomial(50, replacement=True).tolist() == [2] * 50


def test_multinomial_without_repetition() -> None:
    """Pairs in order, each as often as drawing one after the other makes it; 0 last of all."""
    w = [0.1, 0.2, 0.0, 0.7]
    drawn = m.tensor(w).expand(N, 4).multinomial(2, generator=generator())
    counts = Counter(map(tuple, drawn.tolist()))
    for i in (0, 1, 3):
        for j in {0, 1, 3} - {i}:
            p = w[i] * w[j] / (1 - w[i])
            assert abs(counts[i, j] / N - p) < 5 * math.sqrt(p / N)
    assert counts.total() == N and not any(2 in pair or pair[0] == pair[1] for pair in counts)
    assert m.tensor([0.0, 1.0, 0.0]).multinomial(3).tolist() == [1, 0, 2]


DRAWS: list[Callable] = [
    lambda g: m.zeros(5).exponential_(generator=g),
    lambda g: m.zeros(5).geometric_(0.2, generator=g),
    lambda g: m.zeros(5).cauchy_(generator=g),
    lambda g: m.zeros(5).log_normal_(generator=g),
    lambda g: m.zeros(5).random_(generator=g),
    lambda g: m.full((5,), 0.5).bernoulli(generator=g),
    lambda g: m.ones(9).multinomial(4, generator=g),
    lambda g: m.ones(9).multinomial(4, True, generator=g),
    lambda g: m.poisson(m.full((5,), 9.0), generator=g),
    lambda g: m.binomial(m.full((5,), 90.0), m.full((5,), 0.5), generator=g),
    lambda g: m.randint_like(m.zeros(5), 99, generator=g),
]


@pytest.mark.parametrize("draw", DRAWS)
def test_seeds(draw: Callable) -> None:
    """The same from the same seed, of a generator of its own or of the default one."""
    first = draw(generator())
    assert first.tolist() == draw(generator()).tolist()
    m.manual_seed(5)
    assert first.tolist() == draw(None).tolist() != draw(None).tolist()


WRONG: list[tuple[Callable, type, str]] = [
    (lambda: m.zeros(3).random_(5, 5), RuntimeError, "from=5 >= to=5"),
    (lambda: m.zeros(3).random_(0), RuntimeError, "from=0 >= to=0"),
    (lambda: m.zeros(3, dtype=m.uint8).random_(0, 300), RuntimeError, "to - 1 is out of bounds"),
    (lambda: m.zeros(3, dtype=m.uint8).random_(-1, 3), RuntimeError, "from is out of bounds"),
    (lambda: m.zeros(3).random_(2.5), TypeError, "int"),
    (lambda: m.zeros(3).random_(1, 2, 3), TypeError, "random_"),
    (lambda: m.zeros(3).random_(since=2), TypeError, "since"),
    (lambda: m.zeros(3).exponential_(0), RuntimeError, "lambda > 0.0, but found lambda=0"),
    (lambda: m.zeros(3, dtype=m.int64).exponential_(), RuntimeError, "continuous"),
    (lambda: m.zeros(3).geometric_(0), RuntimeError, "p=0"),
    (lambda: m.zeros(3).geometric_(1.0), RuntimeError, "p=1"),
    (lambda: m.zeros(3).geometric_(), TypeError, "p"),
    (lambda: m.zeros(3).cauchy_(0, 0), RuntimeError, "sigma=0"),
    (lambda: m.zeros(3, dtype=m.int64).cauchy_(), RuntimeError, "continuous"),
    (lambda: m.zeros(3).log_normal_(0, 0), RuntimeError, "std=0"),
    (lambda: m.zeros(3, dtype=m.int64).log_normal_(), NotImplementedError, "log_normal"),
    (lambda: m.poisson(m.tensor([1, 2])), NotImplementedError, "poisson"),
    (lambda: m.poisson(m.tensor([-1.0])), RuntimeError, "non-negative"),
    (lambda: m.poisson(m.tensor([math.nan])), RuntimeError, "non-negative"),
    (lambda: m.binomial(m.tensor([2.0]), m.tensor([1.5])), RuntimeError, "[0, 1]"),
    (lambda: m.binomial(m.ones(2), m.ones(3)), RuntimeError, "broadcast"),
    (lambda: m.randint_like(m.zeros(3), 5, 5), RuntimeError, "from=5 >= to=5"),
    (lambda: m.randint_like([1], 5), TypeError, "Tensor"),
    (lambda: m.zeros(2, requires_grad=True).exponential_(), RuntimeError, "leaf"),
]


@pytest.mark.parametrize(("call", "kind", "piece"), WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_wrong_calls(call: Callable, kind: type, piece: str) -> None:
    """PyTorch's class, and what was wrong."""
    with pytest.raises(kind) as info:
        call()
    assert type(info.value) is kind and piece in str(info.value)
