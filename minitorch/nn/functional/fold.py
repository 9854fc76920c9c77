"""unfold and fold: all windows of an image as columns of a matrix, and columns added up to an image."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

from ...geometry import LIMIT, ConvGeometry
from ...ops import folding
from .checks import as_ints, as_setting, check_tensor, renamed

__all__ = ["fold", "unfold"]


@lru_cache(maxsize=4096, typed=True)
def _plan(
    name: str, shape: tuple, size: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> ConvGeometry:
    """The windows over an image of `size`; `shape` is the input's. All settings are an int or two."""
    pair = {}
    for argument, value in (
        ("output_size", size),
        ("kernel_size", kernel_size),
        ("stride", stride),
        ("padding", padding),
        ("dilation", dilation),
    ):
        pair[argument] = as_ints(name, argument, value, 2)
        if isinstance(value, tuple) and len(value) != 2:
            raise RuntimeError(f"{name}: `{argument}` must be an int or 2 of them, but got {value}")
    try:
        return ConvGeometry.of(
            pair["output_size"], pair["kernel_size"], pair["stride"], pair["padding"], pair["dilation"]
        )
    except RuntimeError as error:
        raise renamed(name, error, f"input {shape}") from None


def _check(name: str, x: Any, ranks: tuple[int, int], axes: str) -> tuple[int, ...]:
    """The shape of x: of one of these ranks and not empty but for the batch. Raises RuntimeError."""
    shape = check_tensor(name, x).array.shape
    if len(shape) not in ranks or 0 in shape[len(shape) - ranks[0] :]:
        raise RuntimeError(
            f"{name}: expected `input` of {ranks[1]} dimensions {axes}, or {ranks[0]} without the batch, and no size "
            f"of 0 but the batch's; got {shape}"
        )
    return shape


def _check_dtype(name: str, x: Any) -> None:
    """Floating, or bool, as in PyTorch. Raises NotImplementedError."""
    if x.array.dtype.kind not in "fVb":
        raise NotImplementedError(f"{name}: not implemented for {x.dtype}; `input` must be floating")


def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Every window of input (N, C, H, W) or (C, H, W) as a column: (N, C * prod(kernel_size), windows).

    Settings are an int or one per axis. Windows count as `conv2d` counts them, last axis fastest, and so do the pixels
    of a window within its channel: conv2d(x, w) is w.flatten(1) @ unfold(x), in another shape. A pixel receives the
    gradients of all windows that hold it: the gradient of unfold is `fold`. Raises RuntimeError where no window fits
    and for other ranks (IndexError for fewer than 3 axes), NotImplementedError for integers.

    >>> import minitorch
    >>> x = minitorch.arange(9.0).reshape(1, 1, 3, 3)
    >>> minitorch.nn.functional.unfold(x, 2)[0]
    tensor([[0., 1., 3., 4.],
            [1., 2., 4., 5.],
            [3., 4., 6., 7.],
            [4., 5., 7., 8.]])
    """
    if check_tensor("unfold", input).array.ndim < 3:
        raise IndexError(f"unfold: Dimension out of range: expected `input` (N, C, H, W), got {input.array.shape}")
    shape = _check("unfold", input, (3, 4), "(N, C, H, W)")
    g = _plan("unfold", shape, shape[-2:], *_settings("unfold", kernel_size, dilation, padding, stride))
    front, rows, columns = shape[:-3], shape[-3] * prod(g.kernel_size), prod(g.output_size)
    if prod(front) * rows * columns > LIMIT:
        raise RuntimeError(
            f"unfold: input {shape} gives {rows} x {columns} values per image, more than {LIMIT} elements together"
        )
    _check_dtype("unfold", input)
    return folding.columns(input, geometry=g)


def fold(input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """The image (N, C, *output_size) whose windows are the columns of input (N, C * prod(kernel_size), windows).

    The adjoint of `unfold` with the same settings: where windows overlap, their values add up. So fold after unfold is
    no identity but multiplies every pixel by the number of windows that hold it:

        fold(unfold(x)) = divisor * x,    divisor = fold(unfold(ones_like(x)))

    and fold(unfold(x)) / divisor is x again where the divisor is not 0. The gradient of fold is `unfold`. The batch may
    be missing. Raises RuntimeError where input's shape is not that of unfold, NotImplementedError for integers.

    >>> import minitorch
    >>> F = minitorch.nn.functional
    >>> F.fold(F.unfold(minitorch.ones(1, 1, 3, 4), 2), (3, 4), 2)
    tensor([[[[1., 2., 2., 1.],
              [2., 4., 4., 2.],
              [1., 2., 2., 1.]]]])
    """
    shape = _check("fold", input, (2, 3), "(N, C * prod(kernel_size), windows)")
    size = as_setting("fold", "output_size", output_size)
    settings = _settings("fold", kernel_size, dilation, padding, stride)
    g = _plan("fold", shape, size, *settings)
    columns = prod(g.output_size)
    if shape[-2] % prod(g.kernel_size) or shape[-1] != columns:
        raise RuntimeError(
            f"fold: for output_size={g.input_size}, kernel_size={g.kernel_size}, dilation={g.dilation}, "
            f"padding={tuple(p for p, _ in g.padding)} and stride={g.stride}, expected `input` "
            f"(N, a multiple of {prod(g.kernel_size)}, {' * '.join(map(str, g.output_size))} = {columns}), but got "
            f"{shape}"
        )
    if min(g.input_size) < 1:
        raise RuntimeError(f"fold: expected output_size to be positive, but got {g.input_size}")
    _check_dtype("fold", input)
    front, channels = shape[:-2], shape[-2] // prod(g.kernel_size)
    if prod(front) * channels * prod(g.padded_size) > LIMIT:
        raise RuntimeError(f"fold: {channels} channels of {g.padded_size} pixels are more than {LIMIT} elements")
    return folding.columns_transpose(input, geometry=g)


def _settings(name: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> list[Any]:
    """The four settings, fit to be looked up."""
    named = {"kernel_size": kernel_size, "dilation": dilation, "padding": padding, "stride": stride}
    return [as_setting(name, argument, value) for argument, value in named.items()]
