"""Rows of `samples.py` for losses of margins and of spread texts, activations of two operands, and linked rows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from samples import Draw, S, m, row

from minitorch.ops import ctc, links
from minitorch.ops.reduce import log_softmax

F = m.nn.functional


# ------------------------------------------------------------------------------------------------ element by element
def logistic(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), by the hyperbolic tangent."""
    return (np.tanh(x / 2) + 1) / 2


row(
    "gated",
    lambda n: [
        S(n(2, 3), n(2, 3)),
        S(n(2, 1), n(3)),
        S(n(0, 3), n(0, 3)),
        S([2.0, 2.0], [-800.0, 800.0], special=True),
    ],
    lambda x, y: x * logistic(y),
    errors=[
        (lambda: F.glu(m.ones(2, 3)), RuntimeError, "must be even"),
        (lambda: F.glu(m.tensor(1.0)), RuntimeError, "0-dimensional"),
        (lambda: F.glu(m.ones(2, 4), 2), IndexError, "out of range"),
    ],
)
row(
    "gaussian_error",
    lambda n: [
        S(n(2, 3), n.between(0.3, 3, 2, 3)),
        S(n(2, 1), n.between(0.3, 3, 3)),
        S(n(0, 3), n(3)),
        S([0.0, 2.0, np.nan], [0.0, 0.0, 1.0], special=True),
    ],
    lambda d, v: (
        -np.log(np.exp(-(d**2) / (2 * v)) / np.sqrt(v)) if d.size and v.all() else np.log(v) / 2 + d * d / v / 2
    ),
    errors=[(lambda: F.gaussian_nll_loss(m.ones(2), m.ones(2), m.ones(3)), ValueError, "incorrect size")],
)
row(
    "leaky",
    lambda n: [S(n.apart(2, 3), n()), S(n.apart(2, 3, 2), n(3, 1)), S(n(0, 3), n())],
    lambda x, y: np.maximum(x, 0) + y * np.minimum(x, 0),
    errors=[
        (lambda: m.prelu(m.ones(2, 3), m.ones(2)), RuntimeError, "parameter numbers = 2 and channel size = 3"),
        (lambda: m.prelu(m.ones(2, 3), m.ones(1, 1)), RuntimeError, "scalar or 1D"),
        (lambda: m.prelu(m.ones(2), m.ones(1, dtype=m.float64)), RuntimeError, "promoting"),
        (lambda: F.rrelu(m.ones(2), 0.5, 0.1), RuntimeError, "less than or equal"),
    ],
)
row(
    "soft_margin",
    lambda n: [S(n(2, 3), n(2, 3)), S(n(3), n()), S(n(0, 3), n(0, 3))],
    lambda x, y: np.logaddexp(0, -x * y),
)
row(
    "excess",
    lambda n: [
        *(S(n.apart(3, 4), n.apart(3, 1) + 0.07, margin=margin, power=p) for margin in (1.0, 0.0) for p in (1, 2)),
        S(n(0, 3), n(0, 1), margin=1.0, power=2),
    ],
    lambda x, y, margin, power: np.maximum(0, margin + x - y) ** power,
)
row(
    "hinge_embedding",
    lambda n: [
        S(n.apart(4), np.array([1.0, -1.0, -1.0, 1.0]), margin=1.0),
        S(n.apart(2, 3) + 0.03, n(2, 3).round(), margin=0.2),
        S(n(0, 2), n(0, 2), margin=1.0),
    ],
    lambda x, y, margin: np.where(y == 1, 0, np.maximum(0, margin - x)) + np.where(y == -1, 0, x),
)


# ------------------------------------------------------------------------------------------------ right classes
def all_pairs(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Each right class against each other class, one by one."""
    out = np.zeros(len(x))
    for i, chosen in enumerate(labels):
        right = list(itertools.takewhile(lambda c: c >= 0, chosen))
        for r in right:
            out[i] += sum(max(0, 1 - x[i, r] + x[i, j]) for j in range(x.shape[1]) if j not in right)
    return out / max(1, x.shape[1])


row(
    "multilabel_margin",
    lambda n: [
        S(n(3, 4), np.array([[1, -1, 2, 3], [3, 0, 2, -1], [-1, 0, 0, 0]])),
        S(n(2, 3), np.array([[1, 1, -1], [0, 1, 2]])),
        S(n(0, 3), n.integers(0, 3, 0, 3)),
    ],
    all_pairs,
    errors=[
        (lambda: F.multilabel_margin_loss(m.ones(2, 3), m.ones(2, 2)), RuntimeError, "inconsistent target size"),
        (lambda: F.multilabel_margin_loss(m.ones(3), m.tensor([1, 3, 0])), RuntimeError, "target out of range"),
        (lambda: F.multilabel_margin_loss(m.ones(3), m.ones(3)), RuntimeError, "int64"),
    ],
)


# ------------------------------------------------------------------------------------------------ linked rows
def made(rows: list, columns: list, count: int, size: int) -> links.Links:
    """Links of lists."""
    return links.Links.sorted(np.array(rows, np.int64), np.array(columns, np.int64), count, size)


LINKS = [
    made([0, 0, 2, 2, 2], [1, 3, 0, 1, 1], 4, 4),
    made([0, 1, 2], [2, 1, 0], 3, 5),
    made([], [], 2, 3),
    links.Links.by_taps(np.arange(20).reshape(2, 10) % 7, 8),
]


def dense(w: np.ndarray, links: links.Links) -> np.ndarray:
    """The weights as a matrix."""
    out = np.zeros((links.count, links.size))
    for r, c, v in zip(links.rows, links.columns, w, strict=True):
        out[r, c] += v
    return out


row(
    "gather_links",
    lambda n: (
        [S(n(k.size, d), n(k.rows.size), links=k) for k in LINKS for d in (3, 1, 9)]
        + [S(n(4, 0), n(5), links=LINKS[0])]
    ),
    lambda x, w, links: dense(w, links) @ x,
    linear=True,
)
row(
    "scatter_links",
    lambda n: [S(n(k.count, d), n(k.rows.size), links=k) for k in LINKS for d in (3, 1, 0, 9)],
    lambda y, w, links: dense(w, links).T @ y,
    linear=True,
)
row(
    "link_products",
    lambda n: [S(n(k.count, d), n(k.size, d), links=k) for k in LINKS for d in (3, 1, 0, 9)],
    lambda y, x, links: np.array([y[r] @ x[c] for r, c in zip(links.rows, links.columns, strict=True)]),
    linear=True,
)


# ------------------------------------------------------------------------------------------------ spread texts
def texts(labels: list, times: list, lengths: list, blank: int = 0) -> ctc.Texts:
    """Texts of lists."""
    whole = (np.array(v, np.int64) for v in (labels, times, lengths))
    return ctc.Texts.make(*whole, blank, np.dtype(np.float64))


def said(path: tuple, blank: int) -> list:
    """The text that a path says."""
    return [c for c, _ in itertools.groupby(path) if c != blank]


def by_all_paths(x: np.ndarray, texts: ctc.Texts, zero_infinity: bool) -> np.ndarray:
    """-log of the sum of the probabilities of all paths that say the text."""
    p = np.exp(x) / np.exp(x).sum(2, keepdims=True)
    out = []
    for n, (time, end) in enumerate(zip(texts.times, texts.ends, strict=True)):
        blank, text = texts.states[n, 0], texts.states[n, 1 : end + 1 : 2].tolist()
        paths = itertools.product(range(x.shape[2]), repeat=time)
        total = sum(np.prod([p[t, n, c] for t, c in enumerate(path)]) for path in paths if said(path, blank) == text)
        out.append(-np.log(total) if total else 0 if zero_infinity else np.inf)
    return np.array(out)


def spread(x: Any, **settings: Any) -> Any:
    """The primitive behind the softmax, whose gradient it leaves room for."""
    return ctc.ctc(log_softmax(x, 2), **settings)


def text_samples(n: Draw) -> list:
    """Labels that repeat, texts of different lengths and times, one that is empty, one too long, none at all."""
    return [
        S(n(4, 2, 3), texts=texts([[1, 1], [2, 1]], [4, 3], [2, 2]), zero_infinity=False),
        S(n(5, 3, 3), texts=texts([[1, 2], [2, 0], [1, 2]], [5, 5, 3], [2, 1, 0]), zero_infinity=False),
        S(n(2, 2, 2), texts=texts([[1, 1], [1, 0]], [2, 2], [2, 1]), zero_infinity=True),
        S(n(3, 0, 2), texts=texts(np.zeros((0, 1), np.int64), [], []), zero_infinity=False),
    ]


row(
    "ctc",
    text_samples,
    by_all_paths,
    call=spread,
    errors=[
        (lambda: F.ctc_loss(m.ones(4, 1, 3), m.tensor([[1]]), (5,), (1,)), RuntimeError, "0 to 4, but got value 5"),
        (lambda: F.ctc_loss(m.ones(4, 1, 3), m.tensor([[1]]), (4, 4), (1,)), RuntimeError, "size batch_size"),
        (lambda: F.ctc_loss(m.ones(4, 1, 3), m.tensor([[1]]), (4,), (1,), blank=3), RuntimeError, "label range"),
        (lambda: F.ctc_loss(m.ones(4, 1, 3), m.tensor([[3]]), (4,), (1,)), RuntimeError, "must be classes"),
        (lambda: F.ctc_loss(m.ones(4, 1, 3), m.tensor([[1]]), m.ones(1), (1,)), RuntimeError, "integral"),
        (lambda: F.ctc_loss(m.ones(4, 1, 3), m.tensor([[1]]), (4,), (1,), reduction="no"), ValueError, "reduction"),
    ],
)
