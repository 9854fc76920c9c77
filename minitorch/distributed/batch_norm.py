"""Batch norm over the batches of all ranks, and over all micro-shards of each: the heart of `nn.SyncBatchNorm`.

Each shard has n pixels, their mean and q = the sum of squared deviations from it. Of two shards a and b with d = the
difference of their means, both together have

    n = n_a + n_b,    mean = mean_a + d n_b / n,    q = q_a + q_b + d^2 n_a n_b / n.

All ranks gather the triples of all shards, in float64, and join them in the same tree. Backwards, the sums of g and g h
(see ops/norm.py) go the same way, and each shard's own are the gradients for its bias and weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..autograd import Function
from ..autograd.function import once_differentiable
from ..autograd.tape import wrap
from ..ops import norm
from .group import ProcessGroup
from .shards import add_up
from .work import Work

__all__ = ["Synchronized"]


def gathered(group: ProcessGroup | None, call: str, rows: np.ndarray) -> np.ndarray:
    """The rows (shards, ...) of all ranks, float64, in their order."""
    if group is None or group.size() == 1:
        return rows
    call = f"{call}({rows.size} x float64)"
    everything = np.empty((group.size() * len(rows), *rows.shape[1:]))
    number = group.begin(call)
    Work(group, number, call, [group.comm.Iallgather(rows, everything)]).wait()
    return everything


def joined(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """n, mean and q (3, C) of two shards together."""
    (n_a, mean_a, q_a), (n_b, mean_b, q_b) = a, b
    n = np.maximum(n_a + n_b, 1)
    d = mean_b - mean_a
    return np.stack([n_a + n_b, mean_a + d * (n_b / n), q_a + q_b + d * d * (n_a * n_b / n)])


class Synchronized(Function):
    """Each of the k shards of this rank, normalised by the mean and variance of all shards of all ranks.

    apply(group, eps, seen, k, x_1, ..., x_k, w_1, ..., w_k, b_1, ..., b_k) gives k tensors. seen(mean, variance, n) is
    told what was found, in float64: the variance is that over n.
    """

    @staticmethod
    def forward(ctx: Any, group: ProcessGroup | None, eps: float, seen: Any, k: int, *tensors: Any) -> tuple:
        """See the class."""
        xs, ws, bs = ([t.array for t in tensors[i * k : (i + 1) * k]] for i in range(3))
        rows = np.zeros((k, 3, xs[0].shape[1]))
        for row, x in zip(rows, xs, strict=True):
            if x.size:
                mean, variance = norm.moments(x)
                row[0] = x.size // x.shape[1]
                row[1], row[2] = mean, variance * row[0]
        n, mean, q = add_up(gathered(group, "SyncBatchNorm", rows), joined)
        seen(mean, q / np.maximum(n, 1), float(n[0]))
        dtype = xs[0].dtype
        center, invstd = mean.astype(dtype), (1 / np.sqrt(q / np.maximum(n, 1) + eps)).astype(dtype)
        ctx.save_for_backward(*tensors[: 2 * k])
        ctx.group, ctx.k, ctx.statistics, ctx.total = group, k, (center, invstd), float(n[0])
        return tuple(wrap(norm._apply(x, center, invstd * w, b)) for x, w, b in zip(xs, ws, bs, strict=True))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> tuple:
        """Gradients for the shards, then for the weights, then for the biases."""
        k, (mean, invstd) = ctx.k, ctx.statistics
        saved = [t.array for t in ctx.saved_tensors]
        xs, ws, gs = saved[:k], saved[k:], [g.array for g in gradients]
        own = [np.stack(norm.sums(g, x, mean, invstd)) for g, x in zip(gs, xs, strict=True)]
        rows = np.stack(own).astype(np.float64)
        total = add_up(gathered(ctx.group, "gradient of SyncBatchNorm", rows), np.add)
        out = []
        for g, x, w in zip(gs, xs, ws, strict=True):
            part = (total * (x.size // x.shape[1] / ctx.total)).astype(x.dtype)  # the kernel divides by its own pixels
            out.append(wrap(norm.input_grad(g, x, w, mean, invstd, part[0], part[1])))
        gh, g = ([wrap(np.ascontiguousarray(sums[i])) for sums in own] for i in (1, 0))
        return None, None, None, None, *out, *gh, *g


def ones_or(values: Sequence[Any], fill: float, like: Any) -> list:
    """Weights or biases; where a layer has none, tensors of `fill` for its channels."""
    c = like.outline.shape[1]
    return [wrap(np.full(c, fill, like.outline.dtype)) if v is None else v for v in values]
