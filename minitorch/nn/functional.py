"""Layers as functions, with PyTorch's signatures: arguments are checked and made plain here, then primitives compute.

Whatever can be known from shapes and settings alone (window geometry, checks, the shape of the bias) is a *plan*, made
once per combination and cached; a call then costs one look-up. Errors have PyTorch's class and name the function, the
argument and both shapes, and are raised before anything is computed.
"""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd import Variable
from ..autograd.inplace import assign
from ..autograd.tape import wrap
from ..geometry import LIMIT, ConvGeometry, PoolGeometry, transposed_input_size
from ..ops import conv as convolution
from ..ops import elementwise, loss, norm, pool
from ..ops import reduce as reducing
from ..ops import shape as shaping
from ..ops.elementwise import where
from ..ops.index import getitem, index_select
from ..ops.linalg import matmul
from ..random import default_generator

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "batch_norm", "binary_cross_entropy", "binary_cross_entropy_with_logits", "conv1d", "conv2d", "conv3d",
    "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "cross_entropy", "dropout", "dropout1d", "dropout2d",
    "dropout3d", "elu", "embedding", "gelu", "group_norm", "hardtanh", "huber_loss", "kl_div", "l1_loss", "layer_norm",
    "leaky_relu", "linear", "log_softmax", "max_pool1d", "max_pool1d_with_indices", "max_pool2d",
    "max_pool2d_with_indices", "max_pool3d", "max_pool3d_with_indices", "mse_loss", "nll_loss", "one_hot", "pad",
    "relu", "relu6", "sigmoid", "silu", "smooth_l1_loss", "softmax", "softplus", "tanh",
]  # fmt: skip


# ------------------------------------------------------------------------------------------------ settings and operands


def _setting(name: str, argument: str, value: Any) -> Any:
    """A setting as a cache key: an int, a string or None as it is, several as a tuple of ints (2.0 would equal 2)."""
    if isinstance(value, tuple | list):
        try:
            return tuple(map(operator.index, value))
        except TypeError:
            raise TypeError(f"{name}: `{argument}` must be an int or a tuple of ints, but got {value!r}") from None
    return value


def _ints(name: str, argument: str, value: Any, rank: int) -> tuple[int, ...]:
    """A setting as one int per axis. Raises TypeError for what is no int, RuntimeError for a wrong number of them."""
    try:
        entries = tuple(map(operator.index, value if isinstance(value, tuple) else (value,)))
    except TypeError:
        raise TypeError(f"{name}: `{argument}` must be an int or a tuple of ints, but got {value!r}") from None
    if len(entries) == 1:
        return entries * rank
    if len(entries) != rank:
        raise RuntimeError(f"{name}: `{argument}` must be an int or a tuple of {rank} ints, but got {value!r}")
    return entries


def _operands(name: str, input: Any, **others: Any) -> None:
    """Tensors of one floating dtype; `bias` may be None. Raises TypeError and RuntimeError."""
    for argument, x in (("input", input), *others.items()):
        if x is None and argument == "bias":
            continue
        if not isinstance(x, Variable):
            raise TypeError(f"{name}: `{argument}` must be a Tensor, but got {type(x).__name__}")
        if x.array.dtype != input.array.dtype or x.array.dtype.kind != "f":
            kinds = ", ".join(f"{a} {dtypes.as_dtype(v.array.dtype)}" for a, v in (("input", input), (argument, x)))
            raise RuntimeError(f"{name}: `input` and `{argument}` must have the same floating dtype, but got {kinds}")


def _given(**arguments: Any) -> dict[str, Any]:
    """The arguments that were not left out."""
    return {name: value for name, value in arguments.items() if value is not None}


def _tensor(name: str, x: Any, argument: str = "input") -> Any:
    if not isinstance(x, Variable):
        raise TypeError(f"{name}: `{argument}` must be a Tensor, but got {type(x).__name__}")
    return x


def _batched(name: str, x: tuple, rank: int) -> bool:
    """Whether a shape is (N, C, *size) rather than (C, *size). Raises RuntimeError if it is neither."""
    if len(x) not in (rank + 1, rank + 2):
        raise RuntimeError(
            f"{name}: expected `input` of {rank + 2} dimensions (N, C, *size), or {rank + 1} without the batch, but "
            f"got {len(x)}: input {x}"
        )
    return len(x) == rank + 2


def _about(name: str, error: RuntimeError, shapes: str) -> RuntimeError:
    """geometry's error under the name of the function that was called, with the shapes it was called with."""
    return RuntimeError(f"{name}: {str(error).partition(': ')[2]}; {shapes}")


def _with_batch(x: Any) -> Any:
    return shaping.reshape(x, shape=(1, *x.array.shape))


def _without_batch(x: Any) -> Any:
    return shaping.reshape(x, shape=x.array.shape[1:])


# ---------------------------------------------------------------------------------------------------------- convolution


def _check_conv(name: str, x: tuple, w: tuple, b: tuple | None, rank: int, groups: int, transposed: bool) -> bool:
    """The shapes fit together; returns whether `input` has a batch axis."""
    shapes = f"input {x}, weight {w}"
    batched = _batched(name, x, rank)
    if len(w) != rank + 2:
        raise RuntimeError(f"{name}: `weight` must have {rank + 2} dimensions, but has {len(w)}; {shapes}")
    if groups < 1:
        raise RuntimeError(f"{name}: `groups` should be greater than zero, but got {groups}")
    if w[0] % groups or w[0] < groups:
        raise RuntimeError(
            f"{name}: given groups={groups}, expected `weight` to be divisible by {groups} at dimension 0, but it has "
            f"size {w[0]}; {shapes}"
        )
    channels, needed = x[-rank - 1], w[0] if transposed else w[1] * groups
    if channels != needed:
        product = f" (groups={groups} x {w[1]})" if groups > 1 and not transposed else ""
        raise RuntimeError(
            f"{name}: `weight` expects {needed} input channels{product} but `input` has {channels}; {shapes}"
        )
    outputs = w[1] * groups if transposed else w[0]
    if b is not None and b != (outputs,):
        raise RuntimeError(
            f"{name}: `bias` must have shape ({outputs},), one entry per output channel, but has {b}; {shapes}"
        )
    return batched


def _padding(name: str, padding: Any, kernel: tuple, stride: tuple, dilation: tuple) -> tuple[tuple[int, int], ...]:
    """(before, after) per axis; "same" puts the odd pixel after, as PyTorch does."""
    if not isinstance(padding, str):
        return tuple((p, p) for p in _ints(name, "padding", padding, len(kernel)))
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding != "same":
        raise RuntimeError(f"{name}: invalid padding string {padding!r}, should be one of 'same', 'valid'")
    if any(s != 1 for s in stride):
        raise RuntimeError(f"{name}: padding='same' is not supported for strided convolutions, but got stride={stride}")
    spare = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return tuple((n // 2, n - n // 2) for n in spare)


@lru_cache(maxsize=4096, typed=True)
def _conv_plan(
    name: str, rank: int, x: tuple, w: tuple, b: tuple | None, stride: Any, padding: Any, dilation: Any, groups: int
) -> tuple[ConvGeometry, bool, tuple]:
    """The geometry, whether there is a batch axis, and the shape in which the bias broadcasts."""
    stride, dilation = _ints(name, "stride", stride, rank), _ints(name, "dilation", dilation, rank)
    batched = _check_conv(name, x, w, b, rank, groups, False)
    sides = _padding(name, padding, w[2:], stride, dilation)
    try:
        geometry = ConvGeometry.of(x[-rank:], w[2:], stride, sides, dilation, groups)
    except RuntimeError as error:
        raise _about(name, error, f"input {x}, weight {w}") from None
    return geometry, batched, (w[0], *(1,) * rank)


def _conv(name: str, rank: int, x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    _operands(name, x, weight=w, bias=b)
    geometry, batched, column = _conv_plan(
        name, rank, x.array.shape, w.array.shape, None if b is None else b.array.shape,
        _setting(name, "stride", stride), _setting(name, "padding", padding), _setting(name, "dilation", dilation),
        groups,
    )  # fmt: skip
    out = convolution.conv(x if batched else _with_batch(x), w, geometry=geometry)
    if b is not None:
        out = elementwise.add(out, shaping.reshape(b, shape=column))
    return out if batched else _without_batch(out)


def conv1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Convolution of input (N, C, L) or (C, L) with weight (K, C/groups, kernel); see `conv2d`."""
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Convolution (cross-correlation) of input (N, C, H, W) or (C, H, W) with weight (K, C/groups, kernel, kernel).

    stride, padding, dilation: an int or one per axis; padding also "same" or "valid". Raises RuntimeError where shapes,
    dtypes or settings don't fit, TypeError for what is no tensor or no int.

    >>> import minitorch
    >>> minitorch.nn.functional.conv2d(minitorch.ones(1, 1, 4, 4), minitorch.ones(1, 1, 3, 3)).shape
    minitorch.Size([1, 1, 2, 2])
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Convolution of input (N, C, D, H, W) or (C, D, H, W) with weight (K, C/groups, *kernel); see `conv2d`."""
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


@lru_cache(maxsize=4096, typed=True)
def _transposed_plan(
    name: str, rank: int, y: tuple, w: tuple, b: tuple | None, stride: Any, padding: Any, output_padding: Any,
    groups: int, dilation: Any,
) -> tuple[ConvGeometry, bool, tuple, tuple | None]:  # fmt: skip
    """As `_conv_plan`, and the zeros to put behind the input.

    Output padding of a stride or more (allowed up to the dilation) makes room for one more window: its input is zero.
    """
    stride, dilation = _ints(name, "stride", stride, rank), _ints(name, "dilation", dilation, rank)
    extra = _ints(name, "output_padding", output_padding, rank)
    sides = tuple((p, p) for p in _ints(name, "padding", padding, rank))
    batched = _check_conv(name, y, w, b, rank, groups, True)
    try:
        size = transposed_input_size(y[-rank:], w[2:], stride, sides, dilation, extra)
        geometry = ConvGeometry.of(size, w[2:], stride, sides, dilation, groups)
    except RuntimeError as error:
        raise _about(name, error, f"input {y}, weight {w}") from None
    more = tuple((0, o - i) for o, i in zip(geometry.output_size, y[-rank:], strict=True))
    widths = ((0, 0), (0, 0), *more) if any(after for _, after in more) else None
    return geometry, batched, (w[1] * groups, *(1,) * rank), widths


def _conv_transpose(
    name: str,
    rank: int,
    y: Any,
    w: Any,
    b: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Any:
    _operands(name, y, weight=w, bias=b)
    geometry, batched, column, widths = _transposed_plan(
        name, rank, y.array.shape, w.array.shape, None if b is None else b.array.shape,
        _setting(name, "stride", stride), _setting(name, "padding", padding),
        _setting(name, "output_padding", output_padding), groups, _setting(name, "dilation", dilation),
    )  # fmt: skip
    y = y if batched else _with_batch(y)
    if widths is not None:
        y = shaping.pad_constant(y, widths=widths)
    out = convolution.conv_transpose(y, w, geometry=geometry)
    if b is not None:
        out = elementwise.add(out, shaping.reshape(b, shape=column))
    return out if batched else _without_batch(out)


def conv_transpose1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    """The adjoint of `conv1d`: input (N, K, L) or (K, L), weight (K, C/groups, kernel); see `conv_transpose2d`."""
    return _conv_transpose(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )  # fmt: skip


def conv_transpose2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    """The adjoint of `conv2d`, of input (N, K, H, W) or (K, H, W) with weight (K, C/groups, kernel, kernel).

    The result has (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1 pixels along an
    axis. Raises as `conv2d`, and RuntimeError unless output_padding is smaller than the stride or the dilation.
    """
    return _conv_transpose(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )  # fmt: skip


def conv_transpose3d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    """The adjoint of `conv3d`, of input (N, K, D, H, W) or (K, D, H, W); see `conv_transpose2d`."""
    return _conv_transpose(
        "conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )  # fmt: skip


def _source(mode: str, n: int, before: int, after: int) -> np.ndarray:
    """The pixel of an axis of n that each pixel of the padded axis copies."""
    at = np.arange(-before, n + after)
    if mode == "replicate":
        return np.clip(at, 0, n - 1)
    if mode == "circular":
        return at % n
    period = max(2 * (n - 1), 1)
    at = at % period
    return np.minimum(at, period - at) if n > 1 else at * 0


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """input with pixels added, or with negative entries cut off, at both ends of its last axes.

    pad: (before, after) of the last axis, then of the one before it, ... mode "constant" adds `value` (0); "reflect",
    "replicate" and "circular" add pixels of the input. Raises RuntimeError for what does not fit, NotImplementedError
    for an unknown mode.

    >>> import minitorch
    >>> minitorch.nn.functional.pad(minitorch.tensor([1.0, 2.0, 3.0]), (2, 1), mode="reflect")
    tensor([3., 2., 1., 2., 3., 2.])
    """
    size = _tensor("pad", input).array.shape
    ends = tuple(map(operator.index, pad))
    if len(ends) % 2 or len(ends) > 2 * len(size):
        raise RuntimeError(
            f"pad: `pad` needs a (before, after) pair for at most {len(size)} axes, but got {ends}; input {size}"
        )
    pairs = ((0, 0),) * (len(size) - len(ends) // 2) + tuple(zip(ends[-2::-2], ends[::-2], strict=True))
    padded = [n + before + after for n, (before, after) in zip(size, pairs, strict=True)]
    if any(n + min(before, 0) + min(after, 0) < 0 for n, (before, after) in zip(size, pairs, strict=True)):
        raise RuntimeError(f"pad: a length would be negative: input {size} padded by {ends}")
    if math.prod(padded) > LIMIT:
        raise RuntimeError(f"pad: input {size} padded by {ends} gives {tuple(padded)}, more than {LIMIT} elements")
    if mode == "constant":
        return shaping.pad_constant(input, widths=pairs, value=0.0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"pad: unrecognised padding mode {mode!r}")
    if value is not None and value != 0:
        raise ValueError(f'pad: mode "{mode}" does not take a value, but got value={value}')
    for axis, (before, after) in enumerate(pairs):
        n, most = size[axis], max(before, after)
        if not (before or after):
            continue
        if mode == "reflect" and most >= n or mode == "circular" and most > n or n == 0 or min(before, after) < 0:
            raise RuntimeError(
                f"pad: Padding size should be non-negative and, to {mode}, less than the corresponding input "
                f"dimension, but got ({before}, {after}) at dimension {axis} of input {size}"
            )
        input = index_select(input, axis, wrap(_source(mode, n, before, after)))
    return input


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """input (..., in) @ weight (out, in) transposed + bias (out,). Raises RuntimeError where they don't fit."""
    _operands("linear", input, weight=weight, bias=bias)
    x, w = input.array.shape, weight.array.shape
    if len(w) != 2 or not x or x[-1] != w[1]:
        if len(w) == 1 and x and x[-1] == w[0] and bias is None:
            return matmul(input, weight)
        raise RuntimeError(
            f"linear: `weight` must be (out_features, in_features) and expects {w[-1] if w else 0} input features, but "
            f"`input` has {x[-1] if x else 0}; input {x}, weight {w}: shapes cannot be multiplied"
        )
    if bias is not None and bias.array.shape not in ((w[0],), (1,), ()):
        raise RuntimeError(f"linear: `bias` must have shape ({w[0]},), but has {bias.array.shape}; weight {w}")
    out = matmul(input, shaping.permute(weight, dims=(1, 0)))
    return out if bias is None else elementwise.add(out, bias)


def embedding(
    input: Any, weight: Any, padding_idx: int | None = None, max_norm: Any = None, norm_type: float = 2.0,
    scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Any:  # fmt: skip
    """Rows of weight (M, D) by their numbers: input (...) of ints gives (..., D). Row `padding_idx` gets no gradient.

    Raises IndexError for a number out of range, NotImplementedError for max_norm, scale_grad_by_freq and sparse.
    """
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise NotImplementedError("embedding: max_norm, scale_grad_by_freq and sparse are not supported")
    rows, table = _tensor("embedding", input).array, _tensor("embedding", weight, "weight").array
    if rows.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"embedding: `input` must be int64 or int32, but is {dtypes.as_dtype(rows.dtype)}")
    if table.ndim != 2:
        raise RuntimeError(f"embedding: `weight` must be 2-D, but has shape {table.shape}")
    if rows.size and (rows.min() < 0 or rows.max() >= len(table)):
        raise IndexError(f"embedding: index out of range in self: `weight` has rows 0 to {len(table) - 1}, but `input` "
                         f"names rows {rows.min()} to {rows.max()}")  # fmt: skip
    out = getitem(weight, key=(rows,))
    if padding_idx is None:
        return out
    if not -len(table) <= padding_idx < len(table):
        raise AssertionError(f"embedding: padding_idx {padding_idx} must be within num_embeddings {len(table)}")
    return where(wrap((rows == padding_idx % len(table))[..., None]), out.detach(), out)


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """Class numbers (...) as rows of zeros with a 1 at the class: (..., num_classes), int64; -1 counts the classes."""
    classes = _tensor("one_hot", tensor, "tensor").array
    if classes.dtype != np.int64:
        raise RuntimeError(f"one_hot: needs an int64 tensor of class numbers, but got {dtypes.as_dtype(classes.dtype)}")
    if classes.size and classes.min() < 0:
        raise RuntimeError("one_hot: Class values must be non-negative.")
    if num_classes == -1:
        if not classes.size:
            raise RuntimeError("one_hot: can't infer the number of classes of an empty tensor; pass `num_classes`")
        num_classes = int(classes.max()) + 1
    if num_classes < 1 or (classes.size and classes.max() >= num_classes):
        raise RuntimeError(f"one_hot: Class values must be smaller than num_classes={num_classes}.")
    if classes.size * num_classes > LIMIT:
        raise RuntimeError(f"one_hot: {classes.size} rows of {num_classes} classes are more than {LIMIT} elements")
    return wrap((classes[..., None] == np.arange(num_classes)).astype(np.int64))


# -------------------------------------------------------------------------------------------------------------- pooling


def _pooled(x: Any, batched: bool, pooling: Callable) -> Any:
    """pooling(x) of images with or without a batch axis."""
    if batched:
        return pooling(x)
    out = pooling(_with_batch(x))
    return tuple(map(_without_batch, out)) if isinstance(out, tuple) else _without_batch(out)


@lru_cache(maxsize=4096, typed=True)
def _max_pool_plan(
    name: str, rank: int, x: tuple, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[PoolGeometry, bool]:
    batched = _batched(name, x, rank)
    kernel = _ints(name, "kernel_size", kernel, rank)
    stride = kernel if stride in (None, ()) else _ints(name, "stride", stride, rank)
    padding, dilation = _ints(name, "padding", padding, rank), _ints(name, "dilation", dilation, rank)
    try:
        return PoolGeometry.windows(x[-rank:], kernel, stride, padding, dilation, ceil_mode), batched
    except RuntimeError as error:
        raise _about(name, error, f"input {x}, kernel_size {kernel}") from None


def _max_pool(
    rank: int, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, indices: bool
) -> Any:
    name = f"max_pool{rank}d"
    geometry, batched = _max_pool_plan(
        name, rank, _tensor(name, x).array.shape, _setting(name, "kernel_size", kernel),
        _setting(name, "stride", stride),
        _setting(name, "padding", padding), _setting(name, "dilation", dilation), ceil_mode,
    )  # fmt: skip
    if indices:
        return _pooled(x, batched, lambda x: pool.max_pool_with_indices(x, geometry))
    if batched:
        return pool.max_pool(x, geometry=geometry)
    return _without_batch(pool.max_pool(_with_batch(x), geometry=geometry))


def max_pool1d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window of input (N, C, L) or (C, L); see `max_pool2d`."""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window of input (N, C, H, W) or (C, H, W); stride None is the kernel size.

    Padding never wins. With `return_indices` also where each stands in its plane, counted flat (int64). The first of
    equals wins, and NaN before everything. Raises RuntimeError where no window fits, or padding exceeds half a window.
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window of input (N, C, D, H, W) or (C, D, H, W); see `max_pool2d`."""
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _with_indices(rank: int) -> Callable:
    def max_pool_with_indices(
        input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
        return_indices: bool = True,
    ) -> tuple[Any, Any]:  # fmt: skip
        return _max_pool(rank, input, kernel_size, stride, padding, dilation, ceil_mode, True)

    max_pool_with_indices.__name__ = max_pool_with_indices.__qualname__ = f"max_pool{rank}d_with_indices"
    max_pool_with_indices.__doc__ = f"`max_pool{rank}d` with return_indices=True."
    return max_pool_with_indices


max_pool1d_with_indices, max_pool2d_with_indices, max_pool3d_with_indices = map(_with_indices, (1, 2, 3))


@lru_cache(maxsize=4096, typed=True)
def _avg_pool_plan(
    name: str, rank: int, x: tuple, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, include: bool, divisor: Any
) -> tuple[PoolGeometry, tuple, bool]:
    geometry, batched = _max_pool_plan(name, rank, x, kernel, stride, padding, 1, ceil_mode)
    if divisor == 0:
        raise RuntimeError(f"{name}: `divisor_override` must not be zero")
    return geometry, tuple(1 / d for d in geometry.divisors(include, divisor)), batched


def _avg_pool(
    rank: int, x: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, include: bool, divisor: Any
) -> Any:
    name = f"avg_pool{rank}d"
    _operands(name, x)
    geometry, scale, batched = _avg_pool_plan(
        name, rank, x.array.shape, _setting(name, "kernel_size", kernel), _setting(name, "stride", stride),
        _setting(name, "padding", padding), ceil_mode, include, divisor,
    )  # fmt: skip
    return _pooled(x, batched, lambda x: pool.average(x, geometry=geometry, scale=scale))


def avg_pool1d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:  # fmt: skip
    """The mean of each window of input (N, C, L) or (C, L); see `avg_pool2d`."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Any:  # fmt: skip
    """The mean of each window of input (N, C, H, W) or (C, H, W); stride None is the kernel size.

    Padding counts as zeros, or with count_include_pad=False not at all; `divisor_override` divides by another number.
    Raises RuntimeError where no window fits, or padding exceeds half a window.
    """
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Any:  # fmt: skip
    """The mean of each window of input (N, C, D, H, W) or (C, D, H, W); see `avg_pool2d`."""
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@lru_cache(maxsize=4096, typed=True)
def _adaptive_plan(name: str, rank: int, x: tuple, output_size: Any) -> tuple[PoolGeometry, tuple, bool]:
    batched = _batched(name, x, rank)
    wanted = output_size if isinstance(output_size, tuple) else (output_size,) * rank
    if len(wanted) != rank:
        raise RuntimeError(
            f"{name}: `output_size` must be an int or a tuple of {rank}, but got {output_size!r}; input {x}"
        )
    sizes = tuple(i if o is None else o for i, o in zip(x[-rank:], wanted, strict=True))
    try:
        geometry = PoolGeometry.adaptive(x[-rank:], _ints(name, "output_size", sizes, rank))
    except RuntimeError as error:
        raise _about(name, error, f"input {x}") from None
    return geometry, tuple(1 / d for d in geometry.divisors()), batched


def _adaptive_avg_pool(rank: int, x: Any, output_size: Any) -> Any:
    name = f"adaptive_avg_pool{rank}d"
    _operands(name, x)
    geometry, scale, batched = _adaptive_plan(
        name, rank, x.array.shape, tuple(output_size) if isinstance(output_size, list) else output_size
    )
    return _pooled(x, batched, lambda x: pool.average(x, geometry=geometry, scale=scale))


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """The means of `output_size` nearly equal parts of input (N, C, L) or (C, L)."""
    return _adaptive_avg_pool(1, input, output_size)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """The means of nearly equal parts of input (N, C, H, W) or (C, H, W); output_size: an int or two, None keeps.

    Part o of O along an axis of I pixels is floor(o I / O) ... ceil((o + 1) I / O) - 1.
    """
    return _adaptive_avg_pool(2, input, output_size)


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """The means of nearly equal parts of input (N, C, D, H, W) or (C, D, H, W); see `adaptive_avg_pool2d`."""
    return _adaptive_avg_pool(3, input, output_size)


# -------------------------------------------------------------------------------------------------------- normalisation


def batch_norm(
    input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    """Every channel of input (N, C, *) to mean 0 and variance 1, then scaled by weight (C,) and shifted by bias (C,).

    In training the batch's own mean and (biased) variance normalise, and running = (1 - momentum) * running + momentum
    * own, the variance unbiased; otherwise the running ones do. Raises ValueError in training for a single value per
    channel, RuntimeError where sizes don't fit.
    """
    _operands("batch_norm", input, **_given(weight=weight, bias=bias))
    x = input.array.shape
    if len(x) < 2:
        raise RuntimeError(f"batch_norm: `input` must be (N, C, *), but has shape {x}")
    channels = x[1]
    for argument, value in (
        ("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)
    ):  # fmt: skip
        if value is None:
            if argument[0] == "r" and not training:
                raise RuntimeError(f"batch_norm: Expected `{argument}` to be defined when training=False")
        elif value.array.shape != (channels,):
            raise RuntimeError(
                f"batch_norm: `{argument}` should contain {channels} elements, one per channel, not "
                f"{value.array.size}; input {x}"
            )
    if not training:
        return norm.batch_norm_eval(input, running_mean, running_var, weight, bias, eps)
    count = input.array.size // max(channels, 1)
    if count == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {x}")
    out, mean, variance = norm.batch_norm_train_with_statistics(input, weight, bias, eps)
    for running, own in ((running_mean, mean), (running_var, variance * (count / max(count - 1, 1)))):
        if running is not None:
            running.array[...] = (1 - momentum) * running.array + momentum * own
            running.bump()
    return out


def _standardized(x: Any, axes: tuple, eps: float) -> Any:
    """x with mean 0 and variance 1 over `axes`."""
    deviation = x - reducing.mean(x, axes, keepdim=True)
    return deviation * elementwise.rsqrt(reducing.mean(deviation * deviation, axes, keepdim=True) + eps)


def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Every sample to mean 0 and variance 1 over its last axes, of `normalized_shape`; then * weight + bias."""
    _operands("layer_norm", input, **_given(weight=weight, bias=bias))
    tail = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    x = input.array.shape
    if not tail or x[-len(tail) :] != tail:
        raise RuntimeError(
            f"layer_norm: given normalized_shape={list(tail)}, expected `input` with shape [*, "
            f"{', '.join(map(str, tail))}], but got {x}"
        )
    for argument, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.array.shape != tail:
            raise RuntimeError(f"layer_norm: `{argument}` must have shape {tail}, but has {value.array.shape}")
    if not input.array.size:
        return input * 1
    out = _standardized(input, tuple(range(len(x) - len(tail), len(x))), eps)
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Each of `num_groups` groups of channels of (N, C, *) to mean 0 and variance 1; then * weight + bias, (C,)."""
    _operands("group_norm", input, **_given(weight=weight, bias=bias))
    x = input.array.shape
    if len(x) < 2:
        raise RuntimeError(f"group_norm: `input` must be (N, C, *), but has shape {x}")
    if num_groups < 1 or x[1] % num_groups:
        raise RuntimeError(
            f"group_norm: expected the number of channels to be divisible by num_groups, but got input {x} and "
            f"num_groups={num_groups}"
        )
    for argument, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.array.shape != (x[1],):
            raise RuntimeError(
                f"group_norm: `{argument}` must have shape ({x[1]},), but has {value.array.shape}; input {x}"
            )
    if not input.array.size:
        return input * 1
    if input.array.size == num_groups:
        raise ValueError(f"group_norm: Expected more than 1 value per channel when training, got input size {x}")
    rows = shaping.reshape(input, shape=(x[0], num_groups, math.prod(x[1:]) // num_groups))
    out = shaping.reshape(_standardized(rows, (2,), eps), shape=x)
    column = (x[1], *(1,) * (len(x) - 2))
    out = out if weight is None else out * shaping.reshape(weight, shape=column)
    return out if bias is None else out + shaping.reshape(bias, shape=column)


# ---------------------------------------------------------------------------------------------------------- activations


def _placed(x: Any, out: Any, inplace: bool) -> Any:
    """out, or with `inplace` x with its values and history."""
    return assign(x, out) if inplace else out


def relu(input: Any, inplace: bool = False) -> Any:
    """max(x, 0); NaN stays."""
    return _placed(input, elementwise.relu(_tensor("relu", input)), inplace)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """x above 0, negative_slope * x below."""
    _operands("leaky_relu", input)
    return _placed(input, where(wrap(input.array > 0), input, input * negative_slope), inplace)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """x limited to [min_val, max_val]; slope 0 outside and at both ends. Raises ValueError if min_val > max_val."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val cannot be greater than max_val, but got {min_val} and {max_val}")
    x = _tensor("hardtanh", input).array
    inside = wrap(~((x <= min_val) | (x >= max_val)))
    return _placed(input, where(inside, input, wrap(np.clip(x, min_val, max_val).astype(x.dtype, copy=False))), inplace)


def relu6(input: Any, inplace: bool = False) -> Any:
    """x limited to [0, 6]."""
    return hardtanh(input, 0.0, 6.0, inplace)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """x above 0, alpha * (exp(x) - 1) below."""
    _operands("elu", input)
    x = input.clone() if inplace else input  # its derivative needs the input
    below = elementwise.expm1(elementwise.clamp(x, max=0.0)) * alpha
    return _placed(input, where(wrap(~(x.array <= 0)), x, below), inplace)


def silu(input: Any, inplace: bool = False) -> Any:
    """x * sigmoid(x)."""
    _operands("silu", input)
    x = input.clone() if inplace else input  # its derivative needs the input
    return _placed(input, x * elementwise.sigmoid(x), inplace)


def gelu(input: Any, approximate: str = "none") -> Any:
    """x times the normal distribution function of x; approximate="tanh" uses tanh(sqrt(2/pi) (x + 0.044715 x^3)).

    Raises RuntimeError for another `approximate`.
    """
    _operands("gelu", input)
    if approximate == "none":
        return input * (elementwise.erf(input * math.sqrt(0.5)) + 1.0) * 0.5
    if approximate == "tanh":
        inner = (input + input * input * input * 0.044715) * math.sqrt(2 / math.pi)
        return input * (elementwise.tanh(inner) + 1.0) * 0.5
    raise RuntimeError(f"gelu: approximate must be 'none' or 'tanh', but got {approximate!r}")


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + exp(beta x)) / beta, and x itself where beta x exceeds `threshold`."""
    _operands("softplus", input)
    scaled = input * beta
    return where(wrap(scaled.array > threshold), input, loss.softplus(scaled) / beta)


def tanh(input: Any) -> Any:
    """The hyperbolic tangent."""
    return elementwise.tanh(input)


def sigmoid(input: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return elementwise.sigmoid(input)


def _implicit_dim(name: str, x: Any, dim: int | None) -> int:
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=4,
    )
    return 0 if x.array.ndim in (0, 1, 3) else 1


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """exp(x) over its sum along `dim`."""
    return reducing.softmax(input, _implicit_dim("softmax", input, dim), dtype=dtype)


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """log(softmax(x)) along `dim`, without overflow."""
    return reducing.log_softmax(input, _implicit_dim("log_softmax", input, dim), dtype=dtype)


# -------------------------------------------------------------------------------------------------------------- dropout


def _dropped(name: str, x: Any, p: float, training: bool, inplace: bool, mask_shape: tuple) -> Any:
    """x with a share p set to zero, at random per entry of `mask_shape`, and the rest scaled by 1 / (1 - p)."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    _operands(name, x)
    if not training or p == 0:
        return x
    kept = default_generator.numpy.random(mask_shape, np.float32) >= p
    mask = kept.astype(x.array.dtype)
    if p < 1:
        mask *= 1 / (1 - p)
    return _placed(x, x * wrap(mask), inplace)


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zeros at random, each with probability p, the rest scaled by 1 / (1 - p); input as it is unless `training`.

    Draws from `minitorch.default_generator`. Raises ValueError unless 0 <= p <= 1.
    """
    return _dropped("dropout", input, p, training, inplace, _tensor("dropout", input).array.shape)


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """`dropout` of whole channels of input (N, C, L) or (C, L). Raises RuntimeError for other ranks."""
    x = _tensor("dropout1d", input).array.shape
    if len(x) not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {len(x)}D input: {x}")
    return _dropped("dropout1d", input, p, training, inplace, (*x[:-1], 1))


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """`dropout` of whole channels of input (N, C, H, W); (N, C, L) is taken as in `dropout1d`, as PyTorch does."""
    x = _tensor("dropout2d", input).array.shape
    if len(x) not in (3, 4):
        raise RuntimeError(f"dropout2d: Expected 3D or 4D input, but received a {len(x)}D input: {x}")
    return _dropped("dropout2d", input, p, training, inplace, (*x[:2], *(1,) * (len(x) - 2)))


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """`dropout` of whole channels of input (N, C, D, H, W) or (C, D, H, W). Raises RuntimeError for other ranks."""
    x = _tensor("dropout3d", input).array.shape
    if len(x) not in (4, 5):
        raise RuntimeError(f"dropout3d: Expected 4D or 5D input, but received a {len(x)}D input: {x}")
    return _dropped("dropout3d", input, p, training, inplace, (*x[:-3], 1, 1, 1))


# --------------------------------------------------------------------------------------------------------------- losses


def _reduction(size_average: bool | None, reduce_: bool | None, reduction: str) -> str:
    """The reduction asked for, by PyTorch's older pair of flags if one of them is given. Raises ValueError."""
    if size_average is not None or reduce_ is not None:
        if reduce_ is False:
            return "none"
        return "sum" if size_average is False else "mean"
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction; choose 'none', 'mean' or 'sum'")
    return reduction


def _reduced(losses: Any, reduction: str) -> Any:
    if reduction == "mean":
        return reducing.mean(losses)
    return reducing.sum(losses) if reduction == "sum" else losses


def _class_weight(name: str, weight: Any, classes: int, x: tuple) -> np.ndarray | None:
    if weight is None:
        return None
    if _tensor(name, weight, "weight").array.shape != (classes,):
        raise RuntimeError(
            f"{name}: `weight` must have one entry for each of the {classes} classes, but has shape "
            f"{weight.array.shape}; input {x}"
        )
    return weight.array


def _check_labels(name: str, x: tuple, target: Any) -> int:
    """Input (N, C, *) or (C,) and labels (N, *) or () fit together; returns the axis of classes."""
    t = target.array.shape
    if target.array.dtype not in (np.int64, np.uint8):
        raise RuntimeError(f"{name}: expected `target` dtype to be int64 or uint8, but got {target.dtype}")
    if not x:
        raise RuntimeError(f"{name}: `input` needs an axis of classes, but is a scalar")
    if len(x) == 1:
        if len(t) > 1 or math.prod(t) != 1:
            raise ValueError(
                f"{name}: for 1D input, `target` must be a scalar or of size 1, but has shape {t}; input {x}"
            )
        return 0
    if not t or x[0] != t[0]:
        raise ValueError(
            f"{name}: Expected input batch_size ({x[0]}) to match target batch_size ({t[0] if t else 0}); input {x}, "
            f"target {t}"
        )
    if (x[0], *x[2:]) != t:
        raise RuntimeError(f"{name}: `target` must have shape {(x[0], *x[2:])}, but has {t}; input {x}")
    return 1


def _rows(x: Any) -> Any:
    """(N, C, *size) as (N * size, C); (C,) as (1, C)."""
    n = x.array.ndim
    if n == 2:
        return x
    if n == 1:
        return _with_batch(x)
    moved = shaping.permute(x, dims=(0, *range(2, n), 1))
    return shaping.reshape(moved, shape=(math.prod(moved.array.shape[:-1]), x.array.shape[1]))


def _picked(rows: Any, target: Any, weight: np.ndarray | None, ignore_index: int, reduction: str) -> tuple[Any, Any]:
    """-weight * log-probability of the label of each row, reduced; and what the mean divides by."""
    labels = target.array.astype(np.int64, copy=False).ravel()
    losses = loss.nll(rows, labels, weight, ignore_index)
    if reduction == "none":
        return losses if losses.array.shape == target.array.shape else shaping.reshape(
            losses, shape=target.array.shape
        ), None
    total = reducing.sum(losses)
    if reduction == "sum":
        return total, None
    counted = labels != ignore_index
    divisor = float(np.count_nonzero(counted) if weight is None else weight[labels[counted]].sum())
    return _mean(total, divisor), divisor


def _mean(total: Any, divisor: float) -> Any:
    """total / divisor; NaN, with gradient 0, if everything was ignored."""
    return total * (1 / divisor) if divisor else total + math.nan


def nll_loss(
    input: Any, target: Any, weight: Any = None, size_average: bool | None = None, ignore_index: int = -100,
    reduce: bool | None = None, reduction: str = "mean",
) -> Any:  # fmt: skip
    """-weight[target] * input[target] of log-probabilities (N, C), (N, C, *) or (C,) and labels (N,), (N, *) or ().

    The mean is weighted, and leaves out rows labelled `ignore_index`. Raises IndexError for a label out of range,
    ValueError for batches of different size, RuntimeError for other shapes and dtypes.
    """
    reduction = _reduction(size_average, reduce, reduction)
    _operands("nll_loss", input)
    x = input.array.shape
    axis = _check_labels("nll_loss", x, _tensor("nll_loss", target, "target"))
    weights = _class_weight("nll_loss", weight, x[axis], x)
    return _picked(_rows(input), target, weights, ignore_index, reduction)[0]


def cross_entropy(
    input: Any, target: Any, weight: Any = None, size_average: bool | None = None, ignore_index: int = -100,
    reduce: bool | None = None, reduction: str = "mean", label_smoothing: float = 0.0,
) -> Any:  # fmt: skip
    """-log of the softmax of logits (N, C), (N, C, *) or (C,) at the label; labels (N,), (N, *) or ().

    A floating target of the input's shape holds class probabilities q instead: -sum(q log softmax). label_smoothing e
    mixes the target with the uniform distribution, (1 - e) q + e / C. The mean is weighted, leaves out rows labelled
    `ignore_index`, and is NaN if there are no others. Raises as `nll_loss`.

    >>> import minitorch
    >>> minitorch.nn.functional.cross_entropy(minitorch.zeros(2, 4), minitorch.tensor([1, 3]))
    tensor(1.3863)
    """
    name = "cross_entropy"
    reduction = _reduction(size_average, reduce, reduction)
    _operands(name, input)
    _tensor(name, target, "target")
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"{name}: label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    x = input.array.shape
    if x and target.array.shape == x and target.array.dtype.kind == "f":
        return _soft_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    axis = _check_labels(name, x, target)
    weights = _class_weight(name, weight, x[axis], x)
    rows = _rows(reducing.log_softmax_over(input, dim=axis))
    out, divisor = _picked(rows, target, weights, ignore_index, reduction)
    if not label_smoothing:
        return out
    # The uniform part: every class counts, each with its weight, in the rows that are not ignored.
    counted = target.array.ravel() != ignore_index
    each = np.broadcast_to(np.ones(x[axis], rows.array.dtype) if weights is None else weights, rows.array.shape)
    spread = reducing.reduce_sum(rows * wrap(-each * counted[:, None]), dim=(1,), keepdim=False)
    if reduction == "none":
        uniform = shaping.reshape(spread, shape=target.array.shape)
    else:
        uniform = reducing.reduce_sum(spread, dim=(0,), keepdim=False)
        if reduction == "mean":
            uniform = _mean(uniform, divisor)
    return out * (1 - label_smoothing) + uniform * (label_smoothing / x[axis])


def _soft_cross_entropy(
    input: Any, target: Any, weight: Any, ignore_index: int, reduction: str, smoothing: float
) -> Any:
    """`cross_entropy` for class probabilities."""
    if ignore_index >= 0:
        raise RuntimeError(f"cross_entropy: ignore_index={ignore_index} is not supported for floating point target")
    x = input.array.shape
    axis = min(1, len(x) - 1)
    classes = x[axis]
    weights = _class_weight("cross_entropy", weight, classes, x)
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    terms = reducing.log_softmax_over(input, dim=axis) * target
    if weights is not None:
        terms = terms * wrap(weights.reshape(-1, *(1,) * (len(x) - axis - 1)))
    losses = -reducing.reduce_sum(terms, dim=(axis,), keepdim=False)
    if reduction == "none":
        return losses
    total = reducing.reduce_sum(losses, dim=tuple(range(losses.array.ndim)), keepdim=False)
    return total if reduction == "sum" else _mean(total, float(losses.array.size))


def _pair(name: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Two tensors that broadcast, the promoted ones; warns, as PyTorch does, if their shapes differ."""
    x, t = _tensor(name, input).array.shape, _tensor(name, target, "target").array.shape
    if x != t:
        warnings.warn(
            f"{name}: `target` {t} is different to the `input` size {x}. This will likely lead to incorrect results "
            "due to broadcasting. Please ensure they have the same size.",
            stacklevel=3,
        )
    return input, target


def _weighted(losses: Any, weight: Any, reduction: str) -> Any:
    if weight is None:
        return _reduced(losses, reduction)
    if reduction == "mean":
        return reducing.sum(losses * weight) / reducing.sum(weight)
    return _reduced(losses * weight, reduction)


def mse_loss(
    input: Any, target: Any, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
    weight: Any = None,
) -> Any:  # fmt: skip
    """(input - target)^2, element by element; the mean of them, the sum, or "none" of the two."""
    reduction = _reduction(size_average, reduce, reduction)
    x, t = _pair("mse_loss", input, target)
    difference = x - t
    return _weighted(difference * difference, weight, reduction)


def l1_loss(
    input: Any, target: Any, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
    weight: Any = None,
) -> Any:  # fmt: skip
    """|input - target|, element by element; slope 0 at 0."""
    reduction = _reduction(size_average, reduce, reduction)
    x, t = _pair("l1_loss", input, target)
    return _weighted(abs(x - t), weight, reduction)


def smooth_l1_loss(
    input: Any, target: Any, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
    beta: float = 1.0,
) -> Any:  # fmt: skip
    """0.5 d^2 / beta where d = |input - target| < beta, d - 0.5 beta elsewhere. Raises RuntimeError for beta < 0."""
    reduction = _reduction(size_average, reduce, reduction)
    x, t = _pair("smooth_l1_loss", input, target)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, but got {beta}")
    distance = abs(x - t)
    if beta == 0:
        return _reduced(distance, reduction)
    return _reduced(_huber(distance, beta, 0.5 / beta, 1.0), reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """0.5 d^2 where d = |input - target| < delta, else delta (d - 0.5 delta). Raises RuntimeError for delta <= 0."""
    reduction = _reduction(None, None, reduction)
    x, t = _pair("huber_loss", input, target)
    if delta <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta, but got {delta}")
    return _weighted(_huber(abs(x - t), delta, 0.5, delta), weight, reduction)


def _huber(distance: Any, edge: float, curvature: float, slope: float) -> Any:
    """A parabola up to `edge`, a line beyond."""
    near = wrap(distance.array < edge)
    return where(near, distance * distance * curvature, (distance - 0.5 * edge) * slope)


def _same_size(name: str, input: Any, target: Any) -> None:
    x, t = _tensor(name, input).array.shape, _tensor(name, target, "target").array.shape
    if x != t:
        raise ValueError(f"{name}: `target` size {t} must be the same as `input` size {x}")


def _floored_log(x: Any) -> Any:
    """log(x), but no less than -100, and slope 1e12 below x = 1e-12: so that losses and gradients stay finite."""
    tiny = wrap(x.array < 1e-12)
    least = np.finfo(x.array.dtype).smallest_subnormal
    floor = wrap(np.maximum(np.log(np.maximum(x.array, least)), -100).astype(x.array.dtype))
    return where(tiny, floor + (x - x.detach()) * 1e12, elementwise.log(where(tiny, 1.0, x)))


def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:  # fmt: skip
    """-(t log x + (1 - t) log(1 - x)) of probabilities x, element by element; no logarithm is below -100.

    Raises RuntimeError for x outside [0, 1], ValueError if shapes differ.
    """
    reduction = _reduction(size_average, reduce, reduction)
    _same_size("binary_cross_entropy", input, target)
    _operands("binary_cross_entropy", input, target=target)
    x = input.array
    if not ((x >= 0) & (x <= 1)).all():
        raise RuntimeError(
            "binary_cross_entropy: all elements of input should be between 0 and 1; apply sigmoid first, or call "
            "binary_cross_entropy_with_logits"
        )
    losses = (target - 1.0) * _floored_log(1.0 - input) - target * _floored_log(input)
    return _reduced(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", pos_weight: Any = None,
) -> Any:  # fmt: skip
    """`binary_cross_entropy` of sigmoid(input), computed from softplus without overflow: (1 - t) x + softplus(-x).

    `pos_weight` multiplies the first, positive term. Raises ValueError if shapes differ.
    """
    reduction = _reduction(size_average, reduce, reduction)
    _same_size("binary_cross_entropy_with_logits", input, target)
    _operands("binary_cross_entropy_with_logits", input)
    rest = loss.softplus(-input)
    if pos_weight is not None:
        rest = rest * (target * (pos_weight - 1.0) + 1.0)
    losses = (1.0 - target) * input + rest
    return _reduced(losses if weight is None else losses * weight, reduction)


def kl_div(
    input: Any, target: Any, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
    log_target: bool = False,
) -> Any:  # fmt: skip
    """t (log t - input) for log-probabilities `input` and probabilities t, or with `log_target` their logarithms.

    reduction "batchmean" divides the sum by the batch size, which is the mathematical definition; "mean" by all
    elements.
    """
    if reduction != "batchmean":
        reduction = _reduction(size_average, reduce, reduction)
    _operands("kl_div", input, target=target)
    if log_target:
        losses = elementwise.exp(target) * (target - input)
    else:  # t log t, which is 0 at t = 0
        zero = wrap(target.array == 0)
        losses = where(zero, 0.0, target * elementwise.log(where(zero, 1.0, target))) - target * input
    if reduction == "batchmean":
        return reducing.reduce_sum(losses, dim=tuple(range(losses.array.ndim)), keepdim=False) / float(
            input.array.shape[0]
        )
    return _reduced(losses, reduction)
