"""Convolution and transposed convolution in 1, 2 and 3 dimensions: one implementation each, over a cached plan."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ...autograd import plain
from ...autograd.following import step
from ...geometry import ConvGeometry, transposed_input_size
from ...ops import conv as convolution
from ...ops import shape as shaping
from ...ops.dims import whole
from .checks import (
    as_ints,
    as_setting,
    check_operands,
    check_tensor,
    has_batch,
    of_integers,
    renamed,
    with_batch,
    without_batch,
)
from .padding import Sides, fold_border

__all__ = ["conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


def _check_conv(name: str, x: tuple, w: tuple, b: tuple | None, rank: int, groups: int, transposed: bool) -> bool:
    """The shapes fit together; returns whether `input` has a batch axis."""
    shapes = f"input {x}, weight {w}"
    batched = has_batch(name, x, rank)
    if len(w) != rank + 2:
        raise RuntimeError(f"{name}: `weight` must have {rank + 2} dimensions, but has {len(w)}; {shapes}")
    if whole(groups, "groups") < 1:
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
    if 0 in x[-rank:] and 0 not in x[:-rank]:
        raise RuntimeError(f"{name}: only the batch or the channels of `input` may be of size 0; {shapes}")
    outputs = w[1] * groups if transposed else w[0]
    if b is not None and b != (outputs,):
        raise RuntimeError(
            f"{name}: `bias` must have shape ({outputs},), one entry per output channel, but has {b}; {shapes}"
        )
    return batched


def padding_sides(name: str, padding: Any, size: tuple, kernel: tuple, stride: tuple, dilation: tuple) -> Sides:
    """(before, after) per axis, from an int, an int or a pair per axis, "valid" or "same".

    "same" adds as many pixels as the last of ceil(size / stride) windows needs, the odd one after. Without a stride
    that is dilation * (kernel - 1) for any size; only "same" depends on the size.
    """
    rank = len(kernel)
    if not isinstance(padding, str):
        if isinstance(padding, tuple) and any(isinstance(entry, tuple) for entry in padding):
            if len(padding) != rank or any(not isinstance(pair, tuple) or len(pair) != 2 for pair in padding):
                raise RuntimeError(f"{name}: `padding` must have {rank} pairs (before, after), but got {padding}")
            return padding
        return tuple((p, p) for p in as_ints(name, "padding", padding, rank))
    if padding == "valid":
        return ((0, 0),) * rank
    if padding != "same":
        raise RuntimeError(f"{name}: invalid padding string {padding!r}, should be one of 'same', 'valid'")
    spare = [
        max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0) if s > 0 else 0  # which the geometry will refuse
        for n, k, s, d in zip(size, kernel, stride, dilation, strict=True)
    ]
    return tuple((n // 2, n - n // 2) for n in spare)


@lru_cache(maxsize=4096, typed=True)
def _conv_plan(
    name: str, rank: int, x: tuple, w: tuple, b: tuple | None, stride: Any, padding: Any, dilation: Any, groups: int
) -> tuple[ConvGeometry, bool]:
    """The geometry, and whether there is a batch axis."""
    stride, dilation = as_ints(name, "stride", stride, rank), as_ints(name, "dilation", dilation, rank)
    batched = _check_conv(name, x, w, b, rank, groups, False)
    try:
        sides = padding_sides(name, padding, x[-rank:], w[2:], stride, dilation)
        geometry = ConvGeometry.of(x[-rank:], w[2:], stride, sides, dilation, groups)
    except RuntimeError as error:
        raise renamed(name, error, f"input {x}, weight {w}") from None
    return geometry, batched


def conv_nd(
    name: str,
    rank: int,
    x: Any,
    w: Any,
    b: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    """Convolution of any rank, under the public name of the caller."""
    try:
        check_operands(name, x, weight=w, bias=b)
    except NotImplementedError:
        settings: tuple = (stride, padding, dilation, groups)
        return of_integers(lambda x, w, b: conv_nd(name, rank, x, w, b, *settings), x, w, b, -1 - rank)
    geometry, batched = _conv_plan(
        name,
        rank,
        x.outline.shape,
        w.array.shape,
        None if b is None else b.array.shape,
        as_setting(name, "stride", stride),
        as_setting(name, "padding", padding),
        as_setting(name, "dilation", dilation),
        groups,
    )
    x = convolution.channels_last_memory(x if batched else with_batch(x))
    if b is None or plain.enabled:
        out = convolution.conv(x, w, geometry=geometry)
        out = out if b is None else convolution.add_bias(out, b)
    else:
        out = convolution.conv_bias(x, w, b, geometry=geometry)
    return out if batched else without_batch(out)


def conv1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Convolution of input (N, C, L) or (C, L) with weight (K, C/groups, kernel); see `conv2d`."""
    return conv_nd("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Convolution (cross-correlation) of input (N, C, H, W) or (C, H, W) with weight (K, C/groups, kernel, kernel).

    stride, padding, dilation: an int or one per axis. There are
    (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 output pixels along an axis. padding also:

        "valid"            none
        "same"             ceil(size / stride) output pixels; with a stride above 1 not PyTorch's
        ((1, 2), (0, 1))   zeros before and after each axis; not PyTorch's

    Raises RuntimeError where shapes, dtypes or settings don't fit, TypeError for what is no tensor or no int.

    >>> import minitorch
    >>> minitorch.nn.functional.conv2d(minitorch.ones(1, 1, 4, 4), minitorch.ones(1, 1, 3, 3)).shape
    minitorch.Size([1, 1, 2, 2])
    """
    return conv_nd("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Convolution of input (N, C, D, H, W) or (C, D, H, W) with weight (K, C/groups, *kernel); see `conv2d`."""
    return conv_nd("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def conv_tbc(input: Any, weight: Any, bias: Any, pad: int = 0) -> Any:
    """`conv1d` with time first: input (T, N, C), weight (size, C, K), bias (K,) give (T', N, K).

    Raises RuntimeError for other ranks and sizes.
    """
    for argument, given in (("input", input), ("weight", weight), ("bias", bias)):
        check_tensor("conv_tbc", given, argument)
    x, w, b = (v.outline.shape for v in (input, weight, bias))
    for wrong, text in (
        (len(x) != 3, "Input must have 3 dims: time, batch, in_channel"),
        (len(w) != 3, "Weight tensor must have 3 dims: kernel_width, in_channels, out_channels."),
        (len(b) != 1, "Bias must be 1-D"),
        (x[-1:] != w[1:2], "Input dim 2 (input channels) is not == dim 1 in the weight tensor"),
        (b != w[2:], "Bias size must equal dim 2 in the weight tensor (output channels)."),
    ):
        if wrong:
            raise RuntimeError(f"conv_tbc: {text}; input {x}, weight {w}, bias {b}")
    out = conv1d(
        shaping.permute(input, dims=(1, 2, 0)), shaping.permute(weight, dims=(2, 1, 0)), bias, padding=whole(pad, "pad")
    )
    return shaping.permute(out, dims=(2, 0, 1))


@lru_cache(maxsize=4096, typed=True)
def _transposed_plan(
    name: str,
    rank: int,
    y: tuple,
    w: tuple,
    b: tuple | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> tuple[ConvGeometry, bool, tuple | None]:
    """As `_conv_plan`, and the zeros to put behind the input.

    Output padding of a stride or more (allowed up to the dilation) makes room for one more window: its input is zero.
    For "same" the big side is stride times as large, less what a negative output padding takes off.
    """
    stride, dilation = as_ints(name, "stride", stride, rank), as_ints(name, "dilation", dilation, rank)
    extra = as_ints(name, "output_padding", output_padding, rank)
    batched = _check_conv(name, y, w, b, rank, groups, True)
    try:
        if padding == "same":
            size = tuple(n * s + e for n, s, e in zip(y[-rank:], stride, extra, strict=True))
            if any(not -s < e <= 0 for s, e in zip(stride, extra, strict=True)):
                raise RuntimeError(
                    "transposed convolution: for padding='same', output padding must be 0, or negative and smaller "
                    f"than the stride, but got output_padding={extra}, stride={stride}"
                )
            sides = padding_sides(name, padding, size, w[2:], stride, dilation)
        else:
            sides = padding_sides(name, padding, y[-rank:], w[2:], stride, dilation)
            size = transposed_input_size(y[-rank:], w[2:], stride, sides, dilation, extra)
        geometry = ConvGeometry.of(size, w[2:], stride, sides, dilation, groups)
    except RuntimeError as error:
        raise renamed(name, error, f"input {y}, weight {w}") from None
    more = tuple((0, o - i) for o, i in zip(geometry.output_size, y[-rank:], strict=True))
    widths = ((0, 0), (0, 0), *more) if any(after for _, after in more) else None
    return geometry, batched, widths


@step("conv_transpose")
def conv_transpose_nd(
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
    mode: str = "zeros",
) -> Any:
    """Transposed convolution of any rank, under the public name of the caller.

    A convolution with a padding mode is conv(extend(x), w), without padding of its own. Its adjoint, with another mode
    than "zeros", is the adjoints in reverse: extend_transpose(conv_transpose(y, w)), where the transposed convolution
    makes the border too, and extend_transpose adds it to the pixels it is a copy of. For zeros, that cuts it off.
    """
    try:
        check_operands(name, y, weight=w, bias=b)
    except NotImplementedError:
        settings: tuple = (stride, padding, output_padding, groups, dilation, mode)
        return of_integers(lambda y, w, b: conv_transpose_nd(name, rank, y, w, b, *settings), y, w, b, -1 - rank)
    geometry, batched, widths = _transposed_plan(
        name,
        rank,
        y.array.shape,
        w.array.shape,
        None if b is None else b.array.shape,
        as_setting(name, "stride", stride),
        as_setting(name, "padding", padding),
        as_setting(name, "output_padding", output_padding),
        groups,
        as_setting(name, "dilation", dilation),
    )
    y = y if batched else with_batch(y)
    if widths is not None:
        y = shaping.pad_constant(y, widths=widths)
    if mode == "zeros":
        out = convolution.conv_transpose(y, w, geometry=geometry)
    else:
        all_of_it = ConvGeometry.of(
            geometry.padded_size, geometry.kernel_size, geometry.stride, 0, geometry.dilation, groups
        )
        out = fold_border(name, convolution.conv_transpose(y, w, geometry=all_of_it), geometry.padding, mode)
    if b is not None:
        out = convolution.add_bias(out, b)
    return out if batched else without_batch(out)


def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The adjoint of `conv1d`: input (N, K, L) or (K, L), weight (K, C/groups, kernel); see `conv_transpose2d`."""
    return conv_transpose_nd(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The adjoint of `conv2d`, of input (N, K, H, W) or (K, H, W) with weight (K, C/groups, kernel, kernel).

    The result has (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1 pixels along an
    axis. Raises as `conv2d`, and RuntimeError unless output_padding is smaller than the stride or the dilation.

    Not PyTorch's: padding may be a pair (before, after) per axis, or "same", the adjoint of `conv2d` with "same": the
    result has size * stride pixels. From these, -stride < output_padding <= 0 takes away: all such sizes are
    convolved to `size`.

    >>> import minitorch
    >>> F = minitorch.nn.functional
    >>> F.conv_transpose2d(minitorch.ones(1, 1, 4, 4), minitorch.ones(1, 1, 3, 3), stride=2, padding="same").shape
    minitorch.Size([1, 1, 8, 8])
    """
    return conv_transpose_nd(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The adjoint of `conv3d`, of input (N, K, D, H, W) or (K, D, H, W); see `conv_transpose2d`."""
    return conv_transpose_nd(
        "conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )
