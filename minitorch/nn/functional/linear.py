"""Maps that are linear in one or two operands, and class numbers as vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import dtypes
from ...autograd import plain
from ...autograd.following import step
from ...autograd.tape import wrap
from ...geometry import LIMIT
from ...ops import pointwise
from ...ops.dims import whole
from ...ops.linalg import matmul, stacked_linear
from ...ops.promotion import to_dtype
from ...ops.shape import reshape, transpose, unsqueeze
from .checks import (
    check_operands,
    check_tensor,
    of_integers,
    whole_numbers,
)

__all__ = ["bilinear", "linear", "one_hot"]


@step("linear")
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """input (..., in) @ weight (out, in) transposed + bias (out,). Raises RuntimeError where they don't fit."""
    try:
        check_operands("linear", input, weight=weight, bias=bias)
    except NotImplementedError:
        return of_integers(linear, input, weight, bias)
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
    if plain.enabled:
        out = matmul(input, transpose(weight, 0, 1))
        return out if bias is None else pointwise.add(out, bias)
    if bias is None or bias.array.ndim == 1 and bias.array.size == w[0]:
        return stacked_linear(input, weight, bias)
    return pointwise.add(stacked_linear(input, weight), bias)


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """out[..., k] = sum over i and j of input1[..., i] weight[k, i, j] input2[..., j] + bias[k].

    input1 (*, I), input2 (*, J), weight (K, I, J), bias (K,). Raises RuntimeError where they don't fit.
    """
    name = "bilinear"
    given = {"input2": input2, "weight": weight} | ({} if bias is None else {"bias": bias})
    try:
        check_operands(name, input1, **given)
    except NotImplementedError:
        return to_dtype(bilinear(*whole_numbers(input1, input2, weight, bias)), input1.array.dtype)
    x, y, w = input1.array.shape, input2.array.shape, weight.array.shape
    if len(w) != 3:
        raise IndexError(f"{name}: Dimension out of range: `weight` must be (out, in1, in2), but has shape {w}")
    if not x or not y:
        raise IndexError(f"{name}: Dimension specified as -1 but tensor has no dimensions: input1 {x}, input2 {y}")
    if x[:-1] != y[:-1]:
        raise RuntimeError(f"{name}: input batch dimensions do not match: input1 {x}, input2 {y}")
    if (x[-1], y[-1]) != w[1:]:
        raise RuntimeError(f"{name}: input sizes do not match weight size: input1 {x}, input2 {y}, weight {w}")
    if bias is not None and bias.array.shape != w[:1]:
        raise RuntimeError(f"{name}: bias size does not match weight size: got {bias.array.shape} but expected {w[0]}")
    pairs = reshape(unsqueeze(input1, -1) * unsqueeze(input2, -2), shape=(*x[:-1], x[-1] * y[-1]))
    return linear(pairs, reshape(weight, shape=(w[0], w[1] * w[2])), bias)


@step("one_hot")
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
