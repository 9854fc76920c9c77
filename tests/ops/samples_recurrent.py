"""Rows of the recurrent layers: values by loops over single sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from samples import Draw, S, Sample, row

UNITS, FEATURES = 2, 2
LENGTHS = [((2, 2, 2), False), ((3, 2, 2, 1), False), ((3, 1), True), ((1,), True), ((0,), False)]


def sigmoid(x: np.ndarray) -> np.ndarray:
    """By the tangent, unlike the code under test."""
    return (np.tanh(x / 2) + 1) / 2


def samples(n: Draw, gates: int, states: int, **settings: Any) -> list[Sample]:
    """Full batches, lengths that differ, backwards, without biases and without sequences."""
    out = []
    for i, (sizes, reverse) in enumerate(LENGTHS):
        begin = [n(sizes[0], UNITS) for _ in range(states)]
        weights = [n(gates * UNITS, FEATURES), n(gates * UNITS, UNITS)]
        biases = [None, None] if i == 3 else [n(gates * UNITS), n(gates * UNITS)]
        last = [None] if states == 2 else []
        out.append(
            S(n(sum(sizes), FEATURES), *begin, *weights, *biases, *last, sizes=sizes, reverse=reverse, **settings)
        )
    return out


def followed(x: np.ndarray, states: list, sizes: tuple, reverse: bool, step: Callable) -> np.ndarray:
    """Each sequence by itself: step(its row of x, *its states) gives its new states, the first of which is put out."""
    starts = np.cumsum((0, *sizes))
    out, last = np.zeros((len(x), states[0].shape[1])), [s.copy() for s in states]
    for b in range(sizes[0]):
        rows = [starts[t] + b for t, n in enumerate(sizes) if n > b]
        for i in reversed(rows) if reverse else rows:
            for state, new in zip(last, step(x[i], *[s[b] for s in last]), strict=True):
                state[b] = new
            out[i] = last[0][b]
    return np.concatenate([a.ravel() for a in (out, *last)])


def total(x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> tuple[np.ndarray, np.ndarray]:
    """The two sums before the nonlinearities."""
    return w_ih @ x + (0 if b_ih is None else b_ih), w_hh @ h + (0 if b_hh is None else b_hh)


def rnn(x: Any, h: Any, *weights: Any, sizes: tuple, reverse: bool, relu: bool) -> np.ndarray:
    """The simple cell."""

    def step(x: Any, h: Any) -> tuple:
        a = sum(total(x, h, *weights))
        return (np.where(a > 0, a, 0) if relu else np.tanh(a),)

    return followed(x, [h], sizes, reverse, step)


def lstm(x: Any, h: Any, c: Any, *weights: Any, sizes: tuple, reverse: bool) -> np.ndarray:
    """Long short-term memory."""
    *weights, w_hr = weights  # type: ignore[assignment]

    def step(x: Any, h: Any, c: Any) -> tuple:
        i, f, g, o = np.split(sum(total(x, h, *weights)), 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        return (h if w_hr is None else w_hr @ h), c

    return followed(x, [h, c], sizes, reverse, step)


def gru(x: Any, h: Any, *weights: Any, sizes: tuple, reverse: bool) -> np.ndarray:
    """Gated units."""

    def step(x: Any, h: Any) -> tuple:
        (r, z, a), (p, q, b) = (np.split(s, 3) for s in total(x, h, *weights))
        r, z = sigmoid(r + p), sigmoid(z + q)
        return ((1 - z) * np.tanh(a + r * b) + z * h,)

    return followed(x, [h], sizes, reverse, step)


def projected(n: Draw) -> list[Sample]:
    """An LSTM whose state is narrower than its cells."""
    narrow = 1
    known = {"sizes": (3, 2), "reverse": True}
    weights = n(4 * UNITS, FEATURES), n(4 * UNITS, narrow), n(4 * UNITS), n(4 * UNITS), n(narrow, UNITS)
    return [S(n(5, FEATURES), n(3, narrow), n(3, UNITS), *weights, **known)]


row("rnn", lambda n: samples(n, 1, 1, relu=False) + samples(n, 1, 1, relu=True)[:3], rnn)
row("lstm", lambda n: projected(n) + samples(n, 4, 2), lstm)
row("gru", lambda n: samples(n, 3, 1), gru)
