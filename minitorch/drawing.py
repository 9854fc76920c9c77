"""Drawing from distributions: tensors filled in place, and functions of probabilities, rates and weights.

Everything draws from a `Generator` (random.py), the default one if none is given.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import dtypes
from .autograd import Variable
from .autograd.inplace import assign
from .autograd.quiet import quietly
from .autograd.tape import wrap
from .dtypes import FLOATS
from .ops.dims import check_size, flag, no_tensor, whole
from .ops.sort import bisect, leading
from .random import Generator, check_drawn, check_probability, numpy_generator

LARGEST = np.float32(2**62)  # of rates and tries; beyond it, counts are no int64


def _numbers(name: str, **given: Any) -> None:
    """Raises TypeError for a setting of a distribution that is no number."""
    for argument, value in given.items():
        if not isinstance(value, float | int):
            raise TypeError(f"{name}: `{argument}` must be a number, but got {value!r}")


def _continuous(name: str, d: np.dtype) -> None:
    if d.kind not in FLOATS:
        raise RuntimeError(
            f"{name} distribution is a continuous probability distribution. dtype must be a floating point but you "
            f"specified {dtypes.as_dtype(d)}"
        )


class Draws:
    """Methods of Tensor that draw: in place, or from the tensor as probabilities."""

    outline: Any
    array: np.ndarray

    def _drawn(self, values: Any) -> Any:
        """self, with drawn values in its dtype; none of them was computed from it."""
        return assign(self, wrap(np.asarray(values).astype(self.outline.dtype)))

    def uniform_(self, a: Any = 0.0, b: Any = 1.0, *, generator: Any = None) -> Any:
        """Draw every element uniformly from [a, b); returns self."""
        check_drawn("uniform_", self.outline.dtype)
        if not isinstance(a, float | int) or not isinstance(b, float | int):
            raise TypeError(f"uniform_: both ends must be numbers, but got {a!r} and {b!r}")
        if not a <= b or not math.isfinite(b - a):
            raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={a} > to={b}")
        return self._drawn(numpy_generator(generator).uniform(a, b, self.outline.shape))

    def normal_(self, mean: Any = 0.0, std: Any = 1.0, *, generator: Any = None) -> Any:
        """Draw every element from a normal distribution; returns self."""
        check_drawn("normal_", self.outline.dtype)
        if not isinstance(mean, float | int) or not isinstance(std, float | int):
            raise TypeError(f"normal_: `mean` and `std` must be numbers, but got {mean!r} and {std!r}")
        if not std >= 0:
            raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
        return self._drawn(numpy_generator(generator).normal(mean, std, self.outline.shape))

    def log_normal_(self, mean: Any = 1.0, std: Any = 2.0, *, generator: Any = None) -> Any:
        """Draw every element as exp of a normal number with this mean and deviation; returns self."""
        _numbers("log_normal_", mean=mean, std=std)
        if not std > 0:
            raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
        check_drawn("log_normal_cpu", self.outline.dtype)
        return self._drawn(numpy_generator(generator).lognormal(mean, std, self.outline.shape))

    def cauchy_(self, median: Any = 0.0, sigma: Any = 1.0, *, generator: Any = None) -> Any:
        """Draw every element from a Cauchy distribution of this median and half width; returns self."""
        _numbers("cauchy_", median=median, sigma=sigma)
        if not sigma > 0:
            raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
        _continuous("Cauchy", self.outline.dtype)
        return self._drawn(median + sigma * numpy_generator(generator).standard_cauchy(self.outline.shape))

    def exponential_(self, lambd: Any = 1.0, *, generator: Any = None) -> Any:
        """Draw every element from an exponential distribution of mean 1 / lambd; returns self."""
        _numbers("exponential_", lambd=lambd)
        _continuous("Exponential", self.outline.dtype)
        if not lambd > 0:
            raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
        return self._drawn(numpy_generator(generator).standard_exponential(self.outline.shape) / lambd)

    def geometric_(self, p: Any, *, generator: Any = None) -> Any:
        """Draw every element as the number of tries up to the first success, of probability p; returns self."""
        _numbers("geometric_", p=p)
        if not 0 < p < 1:
            raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
        return self._drawn(numpy_generator(generator).geometric(p, self.outline.shape))

    def random_(self, *bounds: Any, generator: Any = None, **named: Any) -> Any:
        """Draw every element uniformly from the integers `from` (0) to `to` - 1: random_(to) or random_(from, to).

        Without `to` up to the largest that the dtype holds exactly, with all that are smaller. Returns self.
        Raises RuntimeError if there is no such integer, or the dtype cannot hold it.
        """
        unknown = named.keys() - {"from", "to"}
        if unknown or len(bounds) > 2 or len(bounds) + len(named) > 2:
            raise TypeError(f"random_() takes `from` and `to`, but got {bounds} and {named}")
        if len(bounds) == 1 and "to" not in named:
            bounds = (0, *bounds)
        low = whole(bounds[0] if bounds else named.get("from", 0), "from")
        to = bounds[1] if len(bounds) > 1 else named.get("to")
        d = self.outline.dtype
        least, most = _whole_range(d)
        high = (int(2 / dtypes.finfo(d).eps) if d.kind in FLOATS else most) + 1 if to is None else whole(to, "to")
        if low >= high:
            raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
        for name, value in (("from", low), ("to - 1", high - 1)):
            if not least <= value <= most:
                raise RuntimeError(f"{name} is out of bounds for {dtypes.as_dtype(d)}")
        return self._drawn(numpy_generator(generator).integers(low, high, self.outline.shape))

    def bernoulli_(self, p: Any = 0.5, *, generator: Any = None) -> Any:
        """Set every element to 1 with probability p, a number or a tensor, else to 0; returns self."""
        likely = np.broadcast_to(check_probability(p), self.outline.shape)
        return self._drawn(numpy_generator(generator).random(self.outline.shape) < likely)

    def bernoulli(self, p: Any = None, *, generator: Any = None) -> Any:
        """`minitorch.bernoulli` of this tensor."""
        return bernoulli(self, p, generator=generator)

    def multinomial(self, num_samples: int, replacement: bool = False, *, generator: Any = None) -> Any:
        """`minitorch.multinomial` of this tensor."""
        return multinomial(self, num_samples, replacement, generator=generator)


def _whole_range(d: np.dtype) -> tuple[int, int]:
    """The smallest and the largest integer of a dtype."""
    if d.kind == "b":
        return 0, 1
    limits = dtypes.finfo(d) if d.kind in FLOATS else np.iinfo(d)
    return int(limits.min), int(limits.max)


def bernoulli(input: Any, p: float | None = None, *, generator: Generator | None = None) -> Any:
    """1 with the probability given by each element, or with probability p everywhere, else 0.

    Raises RuntimeError for a probability that is not in [0, 1].
    """
    if not isinstance(input, Variable):
        raise no_tensor("bernoulli", "input", input)
    if p is None:
        check_drawn("bernoulli", input.array.dtype)
    likely = check_probability(input if p is None else p)
    drawn = numpy_generator(generator).random(input.array.shape) < likely
    return wrap(drawn.astype(input.array.dtype))


def poisson(input: Any, generator: Generator | None = None) -> Any:
    """Numbers drawn from Poisson distributions, with each element as the rate; of input's dtype."""
    if not isinstance(input, Variable):
        raise no_tensor("poisson", "input", input)
    rates = input.array
    check_drawn("poisson_cpu", rates.dtype)
    if not ((rates >= 0) & (rates < LARGEST)).all():
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative (and below 2^62)")
    return wrap(np.asarray(numpy_generator(generator).poisson(rates)).astype(rates.dtype))


def binomial(count: Any, prob: Any, generator: Generator | None = None) -> Any:
    """How often, of `count` tries each, an event of probability `prob` happens; both float tensors, which broadcast."""
    for name, v in (("count", count), ("prob", prob)):
        if not isinstance(v, Variable):
            raise no_tensor("binomial", name, v)
        check_drawn("binomial", v.array.dtype)
    if count.array.dtype != prob.array.dtype:
        raise RuntimeError(f"binomial: `count` and `prob` must have one dtype, but got {count.dtype} and {prob.dtype}")
    tries, likely = count.array, check_probability(prob)
    if not ((tries >= 0) & (tries < LARGEST)).all():
        raise RuntimeError("binomial: `count` must not be negative")
    try:
        drawn = numpy_generator(generator).binomial(tries.astype(np.int64), likely)
    except ValueError:
        raise RuntimeError(f"binomial: shapes {tries.shape} and {likely.shape} do not broadcast") from None
    return wrap(np.asarray(drawn).astype(tries.dtype))


@quietly
def multinomial(input: Any, num_samples: int, replacement: bool = False, *, generator: Generator | None = None) -> Any:
    """Positions drawn with probabilities proportional to each row of `input`, int64.

    Without `replacement` none is drawn twice, and what has weight 0 only where nothing else is left.
    """
    if not isinstance(input, Variable):
        raise no_tensor("multinomial", "input", input)
    num_samples, shape = whole(num_samples, "num_samples"), input.array.shape
    flag(replacement, "replacement")
    if input.array.dtype.kind not in FLOATS:
        raise RuntimeError(
            "multinomial only supports floating-point dtypes for input, got: " + str(dtypes.as_dtype(input.array.dtype))
        )
    if len(shape) not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > shape[-1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    check_size((*shape[:-1], num_samples), 8)
    weights = np.atleast_2d(input.array).astype(np.float64)
    if weights.size and not (weights.min() >= 0 and weights.max() < math.inf):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if not weights.sum(1).all():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    draw = numpy_generator(generator)
    rows = (_again if replacement else _once)(draw, weights, num_samples)
    return wrap(rows.reshape(*shape[:-1], num_samples))


def _once(draw: np.random.Generator, weights: np.ndarray, count: int) -> np.ndarray:
    """Positions without repetition. Of exponential clocks with these rates, those that ring first: the first is i with
    probability w_i / sum w, and then, for clocks have no memory, it is the same among the others."""
    return leading(weights / draw.standard_exponential(weights.shape), count)


def _again(draw: np.random.Generator, weights: np.ndarray, count: int) -> np.ndarray:
    """Positions with repetition: where a uniform number falls among the running sums."""
    sums = np.cumsum(weights, 1)
    drawn = draw.random((len(weights), count)) * sums[:, -1:]
    found = np.searchsorted(sums[0], drawn, "right") if len(weights) == 1 else bisect(sums, drawn, True)
    last = weights.shape[1] - 1 - (weights[:, ::-1] > 0).argmax(1)[:, None]
    return np.minimum(found, last)
