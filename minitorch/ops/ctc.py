"""Connectionist temporal classification (Graves et al., 2006): the probability of a text, however it is spread in time.

At each time t the net gives log-probabilities lp[t] of C classes, one of them blank. A path names a class for each t;
the text it says is what remains when equal neighbours are one and blanks go. With a blank before, between and behind
its labels the text l is a row of 2 S + 1 states s, and the paths that say l walk through them: they begin at state 0 or
1, end at one of the last two, and from one time to the next stay, go one state on, or go two on, over a blank between
different labels. So with all sums of logarithms meant as log(sum(exp))

    alpha[t, s] = lp[t, l[s]] + sum over the states r that lead to s of alpha[t - 1, r]
    beta[t, s]  = sum over the states r that s leads to of lp[t + 1, l[r]] + beta[t + 1, r]

are the log-probabilities of all ways to s at t, and of all ways from there. Their last alphas give the loss
L = -log p(l), and gamma[t, s] = exp(alpha + beta + L) is the probability that the path is at s at t, given l. That is
how much L falls with lp[t, l[s]]. A net's log-probabilities are a log_softmax, for which the gradient by lp and that
plus any multiple of exp(lp[t]) are the same. Ours is, as PyTorch's,

    dL / dlp[t, c] = exp(lp[t, c]) - sum of gamma[t, s] over the states with l[s] = c,

which sums to 0 over the classes. In the rule that is recorded, alpha and beta are tensors, so it has all derivatives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import primitive
from ..autograd.tape import wrap
from .index import add_along, getitem, take_along
from .join import stack
from .pointwise import clamp, exp, where
from .reduce import first_order, logsumexp_over
from .shape import expand, pad_constant, reshape

NEVER = -1e30  # the logarithm of 0: with infinities, slopes would be NaN


@dataclass(frozen=True, eq=False)
class Texts:
    """N texts as rows of 2 S + 1 states, and which of the T times and states each of them has."""

    states: np.ndarray  # (N, L) int64: the class of each state
    skips: np.ndarray  # (N, L): 0 where a state can be reached from two before, else NEVER
    times: np.ndarray  # (N,): how many times there are
    ends: np.ndarray  # (N,): the last state, 2 S

    @classmethod
    def make(cls, labels: np.ndarray, times: np.ndarray, lengths: np.ndarray, blank: int, dtype: np.dtype) -> Texts:
        """Of labels (N, S), of which each row has so many."""
        states = np.full((len(labels), 2 * labels.shape[1] + 1), blank)
        states[:, 1::2] = labels
        skips = np.full(states.shape, NEVER, dtype)
        skips[:, 2:][states[:, 2:] != states[:, :-2]] = 0
        return cls(states, skips, times, 2 * lengths)

    def last(self) -> np.ndarray:
        """(N, L): 0 at the states where a path may end, else NEVER."""
        s = np.arange(self.states.shape[1])
        return np.where((s == self.ends[:, None]) | (s == self.ends[:, None] - 1), 0, NEVER).astype(self.skips.dtype)


def _joined(a: Any, skipping: Any, on: int) -> Any:
    """The log of the sum of what arrives at each state: from itself, one before, and as `skipping`, two before.

    on: 1, or -1 for the way back, where it arrives from behind.
    """
    one, two = (((0, 0), (d * on, -d * on)) for d in (1, 2))
    if not isinstance(a, np.ndarray):
        ways = [a, pad_constant(a, widths=one, value=NEVER), pad_constant(skipping, widths=two, value=NEVER)]
        return logsumexp_over(stack(ways), dim=(0,), keepdim=False)
    three = np.full((3, *a.shape), NEVER, a.dtype)
    three[0] = a
    for d, way in ((1, a), (2, skipping)):
        if on > 0:
            three[d, :, d:] = way[:, :-d]
        else:
            three[d, :, :-d] = way[:, d:]
    most = three.max(0)
    np.exp(np.subtract(three, most, out=three), out=three)
    return np.log(three[0] + three[1] + three[2]) + most


def _alphas(e: Any, texts: Texts) -> list:
    """alpha of each time; e (T, N, L), the log-probability of each state's class."""
    start = np.full(texts.states.shape, NEVER, texts.skips.dtype)
    start[:, :2] = 0
    leaving = np.full_like(texts.skips, NEVER)
    leaving[:, :-2] = texts.skips[:, 2:]
    found = [e[0] + (start if isinstance(e, np.ndarray) else wrap(start))]
    leaving = leaving if isinstance(e, np.ndarray) else wrap(leaving)
    for t in range(1, e.shape[0]):
        found.append(_joined(found[-1], found[-1] + leaving, 1) + e[t])
    return found


def _betas(e: Any, texts: Texts) -> list:
    """beta of each time."""
    plain = isinstance(e, np.ndarray)
    last, skips = (v if plain else wrap(v) for v in (texts.last(), texts.skips))
    found = [last]
    for t in range(e.shape[0] - 2, -1, -1):
        ahead = found[-1] + e[t + 1]
        beta = _joined(ahead, ahead + skips, -1)
        ending = (texts.times == t + 1)[:, None]
        if ending.any():
            beta = np.where(ending, last, beta) if plain else where(wrap(ending), last, beta)
        found.append(beta)
    return found[::-1]


def _emitted(lp: Any, texts: Texts) -> Any:
    """(T, N, L): the log-probability of each state's class at each time."""
    if isinstance(lp, np.ndarray):
        return np.maximum(np.take_along_axis(lp, texts.states[None], 2), lp.dtype.type(NEVER))
    states = np.broadcast_to(texts.states, (lp.shape[0], *texts.states.shape))
    return clamp(take_along(lp, np.ascontiguousarray(states), dim=2), NEVER, None)


@primitive(residuals="alphas")
def ctc(lp: np.ndarray, *, texts: Texts, zero_infinity: bool) -> tuple[np.ndarray, np.ndarray]:
    """-log of the probability of each text (N,), for log-probabilities lp (T, N, C); inf for one too long for its time.

    zero_infinity: 0 there, and no gradient.
    """
    alphas = np.stack(_alphas(_emitted(lp, texts), texts))
    losses = _losses(alphas, texts)
    out = np.where(losses > -NEVER / 2, 0 if zero_infinity else math.inf, losses)
    return out.astype(lp.dtype), alphas


def _weights(lp: np.ndarray, texts: Texts, losses: np.ndarray, zero_infinity: bool) -> np.ndarray:
    """(T, N, 1): 1 while the text has time; for one too long NaN, or 0 if its loss was made 0."""
    there = np.arange(len(lp))[:, None] < texts.times
    lost = np.isinf(losses)
    return np.where(there, np.where(lost, 0 if zero_infinity else math.nan, 1), 0)[..., None].astype(lp.dtype)


def _losses(alphas: Any, texts: Texts) -> Any:
    """L (N,) of alphas (T, N, L), arrays or tensors; about -NEVER where it is infinite. No time says no label."""
    n = np.arange(len(texts.ends))
    two = [getitem(alphas, key=(texts.times - 1, n, texts.ends - d)) for d in (0, 1)]
    some, none = texts.ends > 0, texts.times == 0
    if isinstance(alphas, np.ndarray):
        losses = -np.logaddexp(two[0], np.where(some, two[1], NEVER))
        return np.where(none, np.where(some, -NEVER, 0), losses)
    losses = -logsumexp_over(stack([two[0], where(wrap(some), two[1], NEVER)]), dim=(0,), keepdim=False)
    return where(wrap(none), wrap(np.where(some, -NEVER, 0).astype(losses.array.dtype)), losses)


def _ctc_grad(g: np.ndarray, lp: np.ndarray, texts: Texts, alphas: np.ndarray, zero_infinity: bool) -> np.ndarray:
    losses = _losses(alphas, texts)
    losses[losses > -NEVER / 2] = math.inf
    gammas = np.stack(_betas(_emitted(lp, texts), texts))
    gammas += alphas
    gammas += np.where(np.isinf(losses), 0, losses)[:, None]
    np.exp(gammas, out=gammas)
    t, n, c = lp.shape
    at = (np.arange(t * n).reshape(t, n, 1) * c + texts.states).reshape(-1)
    named = np.bincount(at, gammas.reshape(-1), lp.size).reshape(lp.shape).astype(lp.dtype)
    weights = _weights(lp, texts, losses, zero_infinity)
    return np.where(weights == 0, 0, (np.exp(lp) - named) * (weights * g[:, None]))


def _ctc_slope(g: Any, lp: Any, texts: Texts, alphas: Any, zero_infinity: bool) -> Any:
    e = _emitted(lp, texts)
    ways = stack(_alphas(e, texts))
    losses = _losses(ways, texts)
    exact = np.where(losses.array > -NEVER / 2, math.inf, losses.array)
    weights = _weights(lp.array, texts, exact, zero_infinity)
    t, n, c = lp.array.shape
    gammas = exp(ways + stack(_betas(e, texts)) + reshape(losses, shape=(n, 1)))
    states = np.ascontiguousarray(np.broadcast_to(texts.states, (t, *texts.states.shape)))
    slope = (exp(lp) - add_along(gammas, states, dim=2, shape=lp.array.shape)) * wrap(weights)
    slope = where(wrap(np.broadcast_to(weights == 0, slope.array.shape)), 0.0, slope)
    return slope * expand(reshape(g, shape=(n, 1)), shape=(n, c))


ctc.vjp(lp=first_order(_ctc_grad, _ctc_slope))
