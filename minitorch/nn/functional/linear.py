"""Matrix products with weights, and look-ups in them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import dtypes
from ...autograd.tape import watch, wrap
from ...geometry import LIMIT
from ...ops import pointwise
from ...ops.dims import whole
from ...ops.index import getitem
from ...ops.linalg import matmul, stacked_linear
from ...ops.pointwise import where
from ...ops.promotion import to_dtype
from .checks import (
    check_operands,
    check_tensor,
    whole_numbers,
)

__all__ = ["embedding", "linear", "one_hot"]


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """input (..., in) @ weight (out, in) transposed + bias (out,). Raises RuntimeError where they don't fit."""
    try:
        check_operands("linear", input, weight=weight, bias=bias)
    except NotImplementedError:
        return to_dtype(linear(*whole_numbers(input, weight, bias)), input.array.dtype)
    x, w = input.outline.shape, weight.array.shape
    if len(w) != 2 or not x or x[-1] != w[1]:
        if len(w) == 1 and x and x[-1] == w[0] and bias is None:
            return matmul(input, weight)
        raise RuntimeError(
            f"linear: `weight` must be (out_features, in_features) and expects {w[-1] if w else 0} input features, but "
            f"`input` has {x[-1] if x else 0}; input {x}, weight {w}: shapes cannot be multiplied"
        )
    if bias is not None and bias.array.shape not in ((w[0],), (1,), ()):
        raise RuntimeError(f"linear: `bias` must have shape ({w[0]},), but has {bias.array.shape}; weight {w}")
    if bias is None or bias.array.ndim == 1 and bias.array.size == w[0]:
        return stacked_linear(input, weight, bias)
    return pointwise.add(stacked_linear(input, weight), bias)


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: Any = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Rows of weight (M, D) by their numbers: input (...) of ints gives (..., D). Row `padding_idx` gets no gradient.

    Raises IndexError for a number out of range, NotImplementedError for max_norm, scale_grad_by_freq and sparse.
    """
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise NotImplementedError("embedding: max_norm, scale_grad_by_freq and sparse are not supported")
    rows, table = check_tensor("embedding", input).array, check_tensor("embedding", weight, "weight").array
    if rows.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"embedding: `input` must be int64 or int32, but is {dtypes.as_dtype(rows.dtype)}")
    if table.ndim != 2:
        raise RuntimeError(f"embedding: `weight` must be 2-D, but has shape {table.shape}")
    if rows.size and (rows.min() < 0 or rows.max() >= len(table)):
        raise IndexError(
            f"embedding: index out of range in self: `weight` has rows 0 to {len(table) - 1}, but `input` "
            f"names rows {rows.min()} to {rows.max()}"
        )
    out = watch(getitem(weight, key=(rows,)), input)
    if padding_idx is None:
        return out
    if not -len(table) <= padding_idx < len(table):
        raise AssertionError(f"embedding: padding_idx {padding_idx} must be within num_embeddings {len(table)}")
    return where(wrap((rows == padding_idx % len(table))[..., None]), out.detach(), out)


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """Class numbers (...) as rows of zeros with a 1 at the class: (..., num_classes), int64; -1 counts the classes."""
    classes = check_tensor("one_hot", tensor, "tensor").array
    if classes.dtype != np.int64:
        raise RuntimeError(f"one_hot: needs an int64 tensor of class numbers, but got {dtypes.as_dtype(classes.dtype)}")
    if classes.size and classes.min() < 0:
        raise RuntimeError("one_hot: Class values must be non-negative.")
    if whole(num_classes, "num_classes") == -1:
        if not classes.size:
            raise RuntimeError("one_hot: can't infer the number of classes of an empty tensor; pass `num_classes`")
        num_classes = int(classes.max()) + 1
    if num_classes < 1 or (classes.size and classes.max() >= num_classes):
        raise RuntimeError(f"one_hot: Class values must be smaller than num_classes={num_classes}.")
    if classes.size * num_classes > LIMIT:
        raise RuntimeError(f"one_hot: {classes.size} rows of {num_classes} classes are more than {LIMIT} elements")
    return wrap((classes[..., None] == np.arange(num_classes)).astype(np.int64))
