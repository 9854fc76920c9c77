"""Rows of ops/place.py; see samples.py."""

from __future__ import annotations

from samples import S, row

row(
    "rearranged",
    lambda n: [
        S(n(2, 3, 4, 5), order=(0, 2, 3, 1)),
        S(n(2, 3), order=(1, 0)),
        S(n(), order=()),
        S(n(0, 2), order=(0, 1)),
    ],
    lambda x, order: x.copy(),
    linear=True,
)
