"""Rows of a table by their numbers, one by one and in bags."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ... import dtypes
from ...autograd.following import step
from ...autograd.tape import watch, wrap
from ...dtypes import FLOATS
from ...ops.index import getitem, take_along
from ...ops.links import Links, gather_links, largest
from ...ops.pointwise import where
from ...ops.shape import reshape
from .checks import check_tensor

__all__ = ["embedding", "embedding_bag"]


def _renormalized(weight: Any, rows: np.ndarray, max_norm: float, norm_type: float) -> None:
    """Scale the rows of the table that are named, in place and unseen by the tape, to a norm of at most `max_norm`."""
    if weight.array.dtype.kind not in FLOATS:
        raise RuntimeError(f"max_norm: `weight` should be floating, but is {weight.dtype}")
    named = np.unique(rows)
    norms = np.linalg.norm(weight.array[named].astype(np.float64), norm_type, axis=1)
    long = norms > max_norm
    if long.any():
        factor = (max_norm / (norms[long] + 1e-7)).astype(weight.array.dtype)
        weight.write()[named[long]] *= factor[:, None]


def _frequencies(rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """For each number 1 over how often it stands there."""
    _, which, counts = np.unique(rows, return_inverse=True, return_counts=True)
    return (1 / counts.astype(dtype))[which.reshape(rows.shape)]


@step("embedding")
def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Rows of weight (M, D) by their numbers: input (...) of ints gives (..., D). Row `padding_idx` gets no gradient.

    max_norm: rows that are named and longer, by the `norm_type`-norm, are first scaled down, in place.
    scale_grad_by_freq: the gradient of a row is divided by how often it is named. Raises IndexError for a number out of
    range, NotImplementedError for `sparse`.
    """
    if sparse:
        raise NotImplementedError("embedding: sparse gradients are not supported")
    rows, table = check_tensor("embedding", input).array, check_tensor("embedding", weight, "weight").array
    if rows.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"embedding: `input` must be int64 or int32, but is {dtypes.as_dtype(rows.dtype)}")
    if table.ndim != 2:
        raise RuntimeError(f"embedding: `weight` must be 2-D, but has shape {table.shape}")
    if padding_idx is not None and not -len(table) <= padding_idx < len(table):
        raise AssertionError(f"embedding: padding_idx {padding_idx} must be within num_embeddings {len(table)}")
    if rows.size and (rows.min() < 0 or rows.max() >= len(table)):
        raise IndexError(
            f"embedding: index out of range in self: `weight` has rows 0 to {len(table) - 1}, but `input` "
            f"names rows {rows.min()} to {rows.max()}"
        )
    if max_norm is not None:
        _renormalized(weight, rows, max_norm, norm_type)
    out = watch(getitem(weight, key=(rows,)), input)
    if scale_grad_by_freq and out.requires_grad:
        kept = out.detach()
        out = kept + (out - kept) * wrap(_frequencies(rows, table.dtype)[..., None])
    if padding_idx is None:
        return out
    return where(wrap((rows == padding_idx % len(table))[..., None]), out.detach(), out)


def _starts(offsets: Any, include_last_offset: bool, size: int) -> np.ndarray:
    """Where each bag begins, and the last one ends. Raises RuntimeError for what does not fit `size` numbers."""
    name = "embedding_bag"
    starts = check_tensor(name, offsets, "offsets").array
    if starts.ndim != 1:
        raise ValueError(f"{name}: offsets has to be a 1D Tensor, but has shape {starts.shape}")
    if starts.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"{name}: `offsets` must be int64 or int32, but is {offsets.dtype}")
    if include_last_offset and not starts.size:
        raise RuntimeError(f"{name}: include_last_offset: number of offset should be at least 1")
    if starts.size and starts[0] != 0:
        raise RuntimeError(
            f"{name}: offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. "
            f"However, got {starts[0]}"
        )
    if starts.size and starts[-1] > size:
        raise RuntimeError(f"{name}: offsets[-1] can not be greater than input's length {size}, but got {starts[-1]}")
    if (np.diff(starts) < 0).any():
        raise RuntimeError(f"{name}: offsets must not decrease, but got {starts.tolist()}")
    return starts.astype(np.int64) if include_last_offset else np.append(starts, size if starts.size else 0)


@step("embedding_bag")
def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """The "sum", "mean" or "max" of the rows of weight (M, D) that each bag names: (bags, D), zeros for an empty bag.

    input (bags, n) has a bag in each row; input (E,) has bags that begin at `offsets`, and with `include_last_offset`
    end at the next ones. per_sample_weights: a factor for each number, for "sum". Numbers equal to `padding_idx` count
    as not there. max_norm and scale_grad_by_freq as for `embedding`.

    Raises ValueError for shapes and modes, RuntimeError for dtypes, offsets and numbers that don't fit.
    """
    name = "embedding_bag"
    numbers, table = check_tensor(name, input).array, check_tensor(name, weight, "weight").array
    if table.dtype == np.int64 and numbers.dtype.kind in FLOATS:
        warnings.warn(f"{name} takes (input, weight), and no longer (weight, input).", stacklevel=2)
        input, weight, numbers, table = weight, input, table, numbers
    factors = per_sample_weights
    if factors is not None and check_tensor(name, factors, "per_sample_weights").array.shape != numbers.shape:
        raise ValueError(
            f"{name}: per_sample_weights {factors.array.shape} must have the same shape as the input {numbers.shape}"
        )
    if table.ndim != 2:
        raise ValueError(f"{name}: weight has to be a 2D Tensor, but has shape {table.shape}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"{name}: mode has to be one of sum, mean or max, but got {mode!r}")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError(f"{name}: max mode does not support scaling the gradient by the frequency")
    if factors is not None and mode != "sum":
        raise NotImplementedError(f"{name}: per_sample_weights is only supported for mode='sum' (got mode={mode!r})")
    if sparse:
        raise NotImplementedError(f"{name}: sparse gradients are not supported")
    if numbers.ndim not in (1, 2):
        raise ValueError(f"{name}: input has to be 1D or 2D Tensor, but has shape {numbers.shape}")
    if numbers.ndim == 2 and offsets is not None:
        raise ValueError(f"{name}: if input is 2D, each row is a bag, and offsets has to be None")
    if numbers.ndim == 1 and offsets is None:
        raise ValueError(f"{name}: offsets has to be a 1D Tensor but got None")
    if numbers.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"{name}: `input` must be int64 or int32, but is {input.dtype}")
    if table.dtype.kind not in FLOATS or factors is not None and factors.array.dtype != table.dtype:
        raise RuntimeError(f"{name}: weight and per_sample_weights must have the same floating dtype")
    if padding_idx is not None and not -len(table) <= padding_idx < len(table):
        raise RuntimeError(
            f"{name}: padding_idx must be within the number of embeddings, -{len(table)} through {len(table) - 1}, but "
            f"got {padding_idx}"
        )
    if numbers.size and (numbers.min() < 0 or numbers.max() >= len(table)):
        raise RuntimeError(f"{name}: input names a row which is not in the valid range [0, {len(table)})")
    columns = numbers.reshape(-1).astype(np.int64, copy=False)
    if offsets is None:
        first = np.arange(len(numbers) + 1) * numbers.shape[1]
        links = Links(first, columns, len(numbers), len(table))
    else:
        first = _starts(offsets, include_last_offset, columns.size)
        links = Links(first, columns[: first[-1]], first.size - 1, len(table))
    if max_norm is not None:
        _renormalized(weight, columns, max_norm, norm_type)
    kept: Any = slice(0, links.columns.size)
    if padding_idx is not None and not (there := links.columns != padding_idx % len(table)).all():
        kept = np.flatnonzero(there)
        links = Links.sorted(links.rows[kept], links.columns[kept], links.count, len(table))
    if mode == "max":
        at = largest(weight.array, links)
        empty = at < 0
        out = take_along(weight, np.where(empty, 0, at), dim=0) if len(table) else weight * 0.0
        return watch(where(wrap(empty), 0.0, out) if empty.any() else out, input, offsets)
    if factors is not None:
        w = getitem(reshape(factors, shape=(columns.size,)), key=(kept,))
    elif mode == "mean":
        lengths = np.maximum(np.diff(links.first), 1).astype(table.dtype)
        w = wrap(np.repeat(1 / lengths, np.diff(links.first)))
    else:
        w = wrap(np.ones(links.columns.size, table.dtype))
    if not scale_grad_by_freq or not weight.requires_grad:
        return watch(gather_links(weight, w, links=links), input, offsets)
    still = weight.detach()  # the rest is 0, and its gradient that of the whole, divided
    rest = gather_links(weight - still, w * wrap(_frequencies(columns, table.dtype)[kept]), links=links)
    return watch(gather_links(still, w, links=links) + rest, input, offsets)
