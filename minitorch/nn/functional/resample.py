"""Images made larger or smaller, and channels traded for pixels."""

from __future__ import annotations

import math
import operator
import warnings
from typing import Any

from ... import dtypes
from ...autograd.following import step
from ...dtypes import FLOATS
from ...geometry import LIMIT, WINDOWS
from ...ops import resample as resampling
from ...ops.layout import channels_last
from ...ops.shape import permute, reshape, unshared
from .checks import check_tensor
from .pool import adaptive_avg_pool_nd

__all__ = [
    "channel_shuffle",
    "interpolate",
    "pixel_shuffle",
    "pixel_unshuffle",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]

RANKS = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2, "lanczos": 2}  # spatial axes of the input
MODES = ("nearest", "nearest-exact", "area", *RANKS)


def _target(x: tuple, size: Any, scale_factor: Any, recompute: bool) -> tuple[list[int], list[float | None]]:
    """The size of the result, and per axis r = 1 / scale_factor where that is to be used as it was given."""
    spatial = x[2:]
    if size is not None and scale_factor is not None:
        raise ValueError(f"interpolate: only one of size={size!r} and scale_factor={scale_factor!r} should be defined")
    if size is None and scale_factor is None:
        raise ValueError("interpolate: either `size` or `scale_factor` should be defined")
    given = size if scale_factor is None else scale_factor
    name = "size" if scale_factor is None else "scale_factor"
    entries = list(given) if isinstance(given, list | tuple) else [given] * len(spatial)
    if len(entries) != len(spatial):
        raise ValueError(
            f"interpolate: `input` and `{name}` must have the same number of spatial dimensions, but got input {x} "
            f"and {name}={given!r}"
        )
    if scale_factor is None:
        try:
            target = list(map(operator.index, entries))
        except TypeError:
            raise TypeError(f"interpolate: `size` must be an int or a tuple of ints, but got {size!r}") from None
        if recompute:
            raise ValueError("interpolate: `recompute_scale_factor` is not meaningful with an explicit `size`")
        return target, [None] * len(spatial)
    try:
        target = [int(n * float(f)) for n, f in zip(spatial, entries, strict=True)]
    except (OverflowError, ValueError, TypeError) as error:
        kind = RuntimeError if all(isinstance(f, float) for f in entries) else TypeError
        raise kind(f"interpolate: `scale_factor` must be a finite number or several, but got {given!r}") from error
    return target, [None if recompute or f <= 0 else 1 / float(f) for f in entries]


@step("interpolate")
def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """input (N, C, *size) resampled to the spatial `size`, or to floor(scale_factor * size).

    mode: "nearest" (rounds down), "nearest-exact" (by centres), "linear" (N, C, L), "bilinear" (N, C, H, W),
    "trilinear" (N, C, D, H, W), "bicubic" (N, C, H, W), "lanczos" (the same, antialiased) or "area" (the mean of all
    pixels covered, as `adaptive_avg_pool2d`). Pixels are unit squares whose outer edges are matched; with
    `align_corners` the centres of the corner pixels are. `recompute_scale_factor` takes the scale from the sizes
    rather than from `scale_factor`. `antialias`, for bilinear and bicubic, averages what shrinking would skip. See
    `minitorch.ops.resample` for the formulas.

    Raises ValueError for contradicting arguments, NotImplementedError for an unknown mode, a rank it does not have or
    a dtype that is not floating, RuntimeError for empty sizes.

    >>> import minitorch
    >>> x = minitorch.tensor([[[0.0, 4.0]]])
    >>> minitorch.nn.functional.interpolate(x, 4, mode="linear")
    tensor([[[0., 1., 3., 4.]]])
    >>> minitorch.nn.functional.interpolate(x, 3, mode="linear", align_corners=True)
    tensor([[[0., 2., 4.]]])
    """
    x = check_tensor("interpolate", input).array.shape
    rank = len(x) - 2
    if mode in MODES[:3] and align_corners is not None:
        raise ValueError(f"interpolate: align_corners can only be set with {' | '.join(RANKS)}, but mode is {mode!r}")
    target, scales = _target(x, size, scale_factor, bool(recompute_scale_factor))
    if antialias and (mode not in ("bilinear", "bicubic", "lanczos") or rank != 2):
        raise ValueError(
            "interpolate: antialias is restricted to bilinear, bicubic and lanczos modes and 4-D input, but got "
            f"{mode!r} and input {x}"
        )
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError("interpolate: lanczos mode requires antialias=True, and does not support align_corners=True")
    if mode not in MODES or not 1 <= rank <= 3 or RANKS.get(mode, rank) != rank:
        raise NotImplementedError(
            f"interpolate: input {x} and mode {mode!r}: there are nearest | nearest-exact | area for 3D, 4D and 5D, "
            "linear for 3D, bilinear | bicubic | lanczos for 4D, trilinear for 5D input"
        )
    if input.array.dtype.kind not in FLOATS:
        raise NotImplementedError(f"interpolate: `input` must be floating, but is {dtypes.as_dtype(input.array.dtype)}")
    if max(target) > WINDOWS or math.prod(target) > LIMIT:
        raise RuntimeError(f"interpolate: input {x} would become {tuple(target)}, more than {LIMIT} pixels")
    if mode == "area":
        return adaptive_avg_pool_nd(rank, input, tuple(target))
    if min(target) < 1 or 0 in x[1:]:
        raise RuntimeError(
            f"interpolate: input and output sizes should be greater than 0, but got input {x} and output "
            f"{tuple(target)}"
        )
    for axis, (n, o, r) in enumerate(zip(x[2:], target, scales, strict=True), start=2):
        if mode.startswith("nearest"):
            taps = resampling.nearest_taps(n, o, r, mode == "nearest-exact")
        elif mode == "bicubic":
            taps = resampling.cubic_taps(n, o, r, bool(align_corners), antialias)
        elif mode == "lanczos":
            taps = resampling.lanczos_taps(n, o, r)
        else:
            taps = resampling.linear_taps(n, o, r, bool(align_corners), antialias)
        input = resampling.resample(input, axis=axis, taps=taps)
    return input


def _deprecated(name: str) -> None:
    warnings.warn(f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=3)


def upsample(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Any:
    """`interpolate`, under its old name; warns."""
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """`interpolate` with mode="nearest", under its old name; warns."""
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """`interpolate` with mode="bilinear" and align_corners=True, under its old name; warns."""
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, "bilinear", True)


# ---------------------------------------------------------------------------------------- channels traded for pixels


def _factor(name: str, argument: str, x: Any, value: Any) -> tuple[tuple, int]:
    """The shape of x, of at least 3 dimensions, and a positive int."""
    shape = check_tensor(name, x).array.shape
    try:
        value = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: `{argument}` must be an int, but got {value!r}") from None
    if len(shape) < 3:
        raise RuntimeError(f"{name} expects input to have at least 3 dimensions, but got input {shape}")
    if value < 1:
        raise RuntimeError(f"{name} expects a positive {argument}, but got {value}")
    return shape, value


@step("pixel_shuffle")
def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """Channels laid out as pixels: (*, C r^2, H, W) becomes (*, C, H r, W r), r = `upscale_factor`.

    out[c, h r + i, w r + j] = input[c r^2 + i r + j, h, w]. Raises RuntimeError if r^2 does not divide the channels.

    >>> import minitorch
    >>> minitorch.nn.functional.pixel_shuffle(minitorch.arange(4.0).reshape(4, 1, 1), 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    (*lead, c, h, w), r = _factor("pixel_shuffle", "upscale_factor", input, upscale_factor)
    if c % r**2:
        raise RuntimeError(f"pixel_shuffle: the {c} channels of input {input.array.shape} are not divisible by {r**2}")
    n = len(lead)
    split = reshape(input, shape=(*lead, c // r**2, r, r, h, w))
    if _channels_last(input):
        moved = permute(split, dims=(0, 4, 2, 5, 3, 1))
        return unshared(permute(reshape(moved, shape=(*lead, h * r, w * r, c // r**2)), dims=(0, 3, 1, 2)), input)
    moved = permute(split, dims=(*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    return unshared(reshape(moved, shape=(*lead, c // r**2, h * r, w * r)), input)


def _channels_last(x: Any) -> bool:
    """Whether images (N, C, H, W) are channels-last in memory, as results made of them then are."""
    return x.array.ndim == 4 and not x.array.flags.c_contiguous and channels_last(x.array).flags.c_contiguous


def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """Pixels laid out as channels: (*, C, H r, W r) becomes (*, C r^2, H, W), r = `downscale_factor`.

    The inverse of `pixel_shuffle`. Raises RuntimeError if r does not divide height and width.
    """
    (*lead, c, h, w), r = _factor("pixel_unshuffle", "downscale_factor", input, downscale_factor)
    if h % r or w % r:
        raise RuntimeError(
            f"pixel_unshuffle expects height and width to be divisible by downscale_factor {r}, but got input "
            f"{input.array.shape}"
        )
    n = len(lead)
    split = reshape(input, shape=(*lead, c, h // r, r, w // r, r))
    if _channels_last(input):
        moved = permute(split, dims=(0, 2, 4, 1, 3, 5))
        return unshared(permute(reshape(moved, shape=(*lead, h // r, w // r, c * r**2)), dims=(0, 3, 1, 2)), input)
    moved = permute(split, dims=(*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    return unshared(reshape(moved, shape=(*lead, c * r**2, h // r, w // r)), input)


def channel_shuffle(input: Any, groups: int) -> Any:
    """Channels of input (N, C, *size) dealt out: channel i of group j becomes channel i * groups + j.

    So that the next grouped convolution sees some of each group. Raises RuntimeError if `groups` does not divide C.

    >>> import minitorch
    >>> minitorch.nn.functional.channel_shuffle(minitorch.arange(6.0).reshape(1, 6, 1), 2).flatten()
    tensor([0., 3., 1., 4., 2., 5.])
    """
    (batch, c, *size), groups = _factor("channel_shuffle", "groups", input, groups)
    if c % groups:
        raise RuntimeError(
            f"channel_shuffle: number of channels must be divisible by groups. Got {c} channels and {groups} groups."
        )
    split = reshape(input, shape=(batch, groups, c // groups, *size))
    moved = permute(split, dims=(0, 2, 1, *range(3, split.array.ndim)))
    return unshared(reshape(moved, shape=(batch, c, *size)), input)
