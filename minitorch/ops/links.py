"""Rows of a table, weighted and added up into rows of a result: bags of embeddings, and pixels between pixels.

Links e = 0 ... E - 1 each go from a row of a table x (M, D) to a row of a result (R, D), with a weight w[e]. With any y
of the result's shape they make the number

    S(y, x, w) = sum over e of w[e] <y[rows[e]], x[columns[e]]>

which is linear in each of the three. Its derivative by y is the weighted sum of rows, `gather_links`; by x the same sum
with all links turned round; by w the products of rows, `link_products`. So these two are closed under derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .. import kernels
from ..autograd import primitive
from .index import getitem

BLOCK = 1 << 16  # elements of rows that stay in the cache while they are multiplied


@dataclass(frozen=True, eq=False)
class Links:
    """Link e goes from row columns[e] of a table of `size` rows to row rows[e] of `count`; rows do not decrease."""

    rows: np.ndarray  # (E,) int64
    columns: np.ndarray  # (E,) int64
    count: int
    size: int

    @cached_property
    def first(self) -> np.ndarray:
        """By row of the result: where its links begin; the last number is that of all links."""
        return np.concatenate([[0], np.bincount(self.rows, minlength=self.count).cumsum()])

    @cached_property
    def order(self) -> np.ndarray:
        """The links by their rows in the table."""
        return np.argsort(self.columns, kind="stable")

    @cached_property
    def turned(self) -> Links:
        """The links the other way round, in this order."""
        return Links(self.columns[self.order], self.rows[self.order], self.size, self.count)


@primitive
def gather_links(x: np.ndarray, w: np.ndarray, *, links: Links) -> np.ndarray:
    """out[r] = sum of w[e] x[columns[e]] over the links e with rows[e] = r; x (M, D), w (E,)."""
    out = kernels.empty((links.count, x.shape[1]), x.dtype)
    if out.size:
        x, w = kernels.contiguous(x), kernels.contiguous(w)
        kernels.weighted_rows(x[None], links.first, links.columns, w, out[None])
    return out


@primitive
def link_products(y: np.ndarray, x: np.ndarray, *, links: Links) -> np.ndarray:
    """out[e] = <y[rows[e]], x[columns[e]]>; y (R, D), x (M, D)."""
    out = np.empty(links.rows.size, x.dtype)
    step = max(1, BLOCK // max(1, x.shape[1]))
    for start in range(0, out.size, step):
        part = slice(start, start + step)
        np.einsum("ed,ed->e", y[links.rows[part]], x[links.columns[part]], out=out[part])
    return out


gather_links.vjp(
    x=lambda g, w, links: gather_links(g, getitem(w, key=(links.order,)), links=links.turned),
    w=lambda g, x, links: link_products(g, x, links=links),
)
link_products.vjp(
    y=lambda g, x, links: gather_links(x, g, links=links),
    x=lambda g, y, links: gather_links(y, getitem(g, key=(links.order,)), links=links.turned),
)


def largest(x: np.ndarray, links: Links) -> np.ndarray:
    """(R, D): in which row of the table x each row of the result finds its largest element, the first of equals.

    -1 where a row has no links. NaN is larger than all.
    """
    out = np.full((links.count, x.shape[1]), -1, np.int64)
    there = np.flatnonzero(np.diff(links.first))
    if there.size:
        starts, taken = links.first[there], x[links.columns]
        best = np.maximum.reduceat(taken, starts, axis=0)
        best = np.repeat(best, np.diff(np.append(starts, links.rows.size)), axis=0)
        hit = (taken == best) | np.isnan(taken) & np.isnan(best)
        places = np.where(hit, np.arange(len(taken))[:, None], len(taken))
        out[there] = links.columns[np.minimum.reduceat(places, starts, axis=0)]
    return out
