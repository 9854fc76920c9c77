"""Rows of a table, weighted and added up into rows of a result: bags of embeddings, and pixels between pixels.

Links e = 0 ... E - 1 each go from a row of a table x (M, D) to a row of a result (R, D), with a weight w[e]. With any y
of the result's shape they make the number

    S(y, x, w) = sum over e of w[e] <y[rows[e]], x[columns[e]]>

which is linear in each of the three. Its derivatives are `gather_links` by y, `scatter_links` by x, `link_products` by
w: each is linear in the two others, and so the three are closed under derivatives, as those of a convolution are.

Where rows are long, they are what memory is read by. Where they are short, at most NARROW, and each row of the result
has as many links, taps, as any other, columns of the table are, a tap at a time: a pass over a column is as fast as
memory, a loop over three numbers is not (8 images of 3 channels and 256 x 256, one core: 7 and 13 ms; 2026-11).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .. import kernels
from ..autograd import primitive

BLOCK = 1 << 16  # elements of rows that stay in the cache while they are multiplied
NARROW = 8


@dataclass(frozen=True, eq=False)
class Links:
    """Links from a table of `size` rows to a result of `count`: row r has those from first[r] to first[r + 1].

    With taps, each row of the result has so many links, which stand tap by tap: tap t of row r is link t * count + r.
    """

    first: np.ndarray  # (R + 1,) int64
    columns: np.ndarray  # (E,) int64
    count: int
    size: int
    taps: int = 0

    @classmethod
    def sorted(cls, rows: np.ndarray, columns: np.ndarray, count: int, size: int) -> Links:
        """Of the two ends of each link; rows do not decrease."""
        return cls(np.concatenate([[0], np.bincount(rows, minlength=count).cumsum()]), columns, count, size)

    @classmethod
    def by_taps(cls, columns: np.ndarray, size: int) -> Links:
        """Of columns (taps, R)."""
        taps, count = columns.shape
        return cls(np.arange(count + 1) * taps, columns.reshape(-1), count, size, taps)

    @cached_property
    def rows(self) -> np.ndarray:
        """(E,): the row of the result."""
        count = np.arange(self.count)
        return np.tile(count, self.taps) if self.taps else np.repeat(count, np.diff(self.first))

    @cached_property
    def order(self) -> np.ndarray:
        """The links by their rows in the table: by 16 bits after the other, which NumPy sorts in linear time."""
        order = np.argsort(self.columns.astype(np.uint16), kind="stable")
        for bits in range(16, (self.size - 1).bit_length(), 16):
            order = order[np.argsort((self.columns[order] >> bits).astype(np.uint16), kind="stable")]
        return order

    @cached_property
    def turned(self) -> Links:
        """The links the other way round, in this order."""
        return Links.sorted(self.columns[self.order], self.rows[self.order], self.size, self.count)

    def by_row(self, values: np.ndarray) -> np.ndarray:
        """Values of links, row by row."""
        if self.taps:
            values = values.reshape(self.taps, self.count).T.reshape(-1)
        return kernels.contiguous(values)

    def by_tap(self, values: np.ndarray) -> np.ndarray:
        """Values of links, (taps, R)."""
        return values.reshape(self.taps, self.count)

    def is_narrow(self, x: np.ndarray) -> bool:
        """Whether to work a tap and a column of the table at a time."""
        return self.taps > 0 and 0 < x.shape[1] <= NARROW < self.count


def _weighted(x: np.ndarray, w: np.ndarray, links: Links) -> np.ndarray:
    """The weighted sums of x's rows."""
    out = kernels.empty((links.count, x.shape[1]), x.dtype)
    if out.size:
        columns = links.by_row(links.columns)
        kernels.weighted_rows(kernels.contiguous(x)[None], links.first, columns, links.by_row(w), out[None])
    return out


def _columns(x: np.ndarray) -> np.ndarray:
    """The columns of x (M, D) as kernels take rows of one number: (D, M, 1)."""
    return kernels.contiguous(x.T)[..., None]


def _taken(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """x[:, rows] for x (D, M, 1), as (D, R)."""
    out = kernels.empty((len(x), rows.size, 1), x.dtype)
    kernels.gather_rows(x, rows, out)
    return out[..., 0]


@primitive
def gather_links(x: np.ndarray, w: np.ndarray, *, links: Links) -> np.ndarray:
    """out[r] = sum of w[e] x[columns[e]] over the links e with rows[e] = r; x (M, D), w (E,)."""
    if not links.is_narrow(x):
        return _weighted(x, w, links)
    columns, out = _columns(x), None
    for rows, factors in zip(links.by_tap(links.columns), links.by_tap(w), strict=True):
        taken = _taken(columns, rows)
        np.multiply(taken, factors, out=taken)
        out = taken if out is None else np.add(out, taken, out=out)
    return out.T  # type: ignore[union-attr]


@primitive
def scatter_links(y: np.ndarray, w: np.ndarray, *, links: Links) -> np.ndarray:
    """out[c] = sum of w[e] y[rows[e]] over the links e with columns[e] = c; y (R, D), w (E,)."""
    if not links.is_narrow(y):
        return _weighted(y, np.take(w, links.order), links.turned)
    scaled = kernels.empty((y.shape[1], links.taps, links.count), y.dtype)
    np.multiply(kernels.contiguous(y.T)[:, None], links.by_tap(w), out=scaled)
    out = kernels.empty((y.shape[1], links.size, 1), y.dtype)
    kernels.scatter_rows(scaled.reshape(y.shape[1], -1, 1), links.columns, out)
    return out[..., 0].T


@primitive
def link_products(y: np.ndarray, x: np.ndarray, *, links: Links) -> np.ndarray:
    """out[e] = <y[rows[e]], x[columns[e]]>; y (R, D), x (M, D)."""
    out = kernels.empty((links.columns.size,), x.dtype)
    if links.is_narrow(x):
        table, result = _columns(x), kernels.contiguous(y.T)
        for rows, products in zip(links.by_tap(links.columns), links.by_tap(out), strict=True):
            np.einsum("dr,dr->r", result, _taken(table, rows), out=products)
        return out
    step = max(1, BLOCK // max(1, x.shape[1]))
    for tap in range(max(1, links.taps)):
        before, count = tap * links.count, links.count if links.taps else out.size
        for start in range(0, count, step):
            part = slice(before + start, before + min(start + step, count))
            mine = y[start : start + step] if links.taps else y[links.rows[part]]
            np.einsum("ed,ed->e", mine, x[links.columns[part]], out=out[part])
    return out


gather_links.vjp(
    x=lambda g, w, links: scatter_links(g, w, links=links), w=lambda g, x, links: link_products(g, x, links=links)
)
scatter_links.vjp(
    y=lambda g, w, links: gather_links(g, w, links=links), w=lambda g, y, links: link_products(y, g, links=links)
)
link_products.vjp(
    y=lambda g, x, links: gather_links(x, g, links=links), x=lambda g, y, links: scatter_links(y, g, links=links)
)


def largest(x: np.ndarray, links: Links) -> np.ndarray:
    """(R, D): in which row of the table x each row of the result finds its largest element, the first of equals.

    -1 where a row has no links. The links have no taps.
    """
    lengths, starts = np.diff(links.first), links.first[:-1]
    best, tap = np.zeros((links.count, x.shape[1]), x.dtype), np.zeros((links.count, x.shape[1]), np.int32)
    for t in range(int(lengths.max(initial=0))):
        if lengths.min() > t:
            found = np.take(x, links.columns[starts + t], axis=0)
            np.copyto(tap, t, where=found > best if t else True)
            np.maximum(best, found, out=best) if t else np.copyto(best, found)
        else:
            rows = np.flatnonzero(lengths > t)
            found = x[links.columns[starts[rows] + t]]
            better = found > best[rows] if t else np.ones(found.shape, np.bool_)
            best[rows] = np.where(better, found, best[rows])
            tap[rows] = np.where(better, t, tap[rows])
    there = (lengths > 0)[:, None]
    at = np.where(there, starts[:, None] + tap, 0)
    return np.where(there, links.columns[at], -1) if links.columns.size else np.full_like(at, -1)
