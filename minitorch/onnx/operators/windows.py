"""Operators of images: convolutions, pools, and looking at them between their pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...geometry import PoolGeometry
from ...nn import functional as F
from ...ops import pool
from .shapes import padded
from .table import arr, axes_of, cast, ints, number, numbers, operator, room, t, tensor


def _sides(size: Any, kernel: Any, stride: Any, dilation: Any, pads: Any, auto_pad: str) -> list[tuple[int, int]]:
    """Pads before and after each axis. For SAME as many as ceil(size / stride) windows need, the odd one at the end
    (UPPER) or at the beginning (LOWER)."""
    rank = len(kernel)
    if auto_pad in ("NOTSET", ""):
        given = list(pads) if pads else [0] * 2 * rank
        return list(zip(given[:rank], given[rank:], strict=True))
    if auto_pad == "VALID":
        return [(0, 0)] * rank
    out = []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        small = total // 2
        out.append((small, total - small) if auto_pad == "SAME_UPPER" else (total - small, small))
    return out


@operator("Conv", learns=(1, 2))
def _conv(
    X: Any,
    W: Any,
    B: Any = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    kernel = arr(W).shape[2:]
    rank = len(kernel)
    if kernel_shape is not None and tuple(kernel_shape) != kernel:
        raise ValueError(f"kernel_shape {tuple(kernel_shape)}, but W has {arr(W).shape}")
    if not 1 <= rank <= 3:
        raise ValueError(f"{rank} spatial axes; there are 1 to 3")
    stride, dilation = tuple(strides or [1] * rank), tuple(dilations or [1] * rank)
    sides = _sides(arr(X).shape[2:], kernel, stride, dilation, pads, auto_pad)
    if any(n < 0 for side in sides for n in side):
        X = padded(X, [0, 0, *(b for b, _ in sides)], [0, 0, *(a for _, a in sides)], "constant")
        sides = [(0, 0)] * rank
    plain = tuple(b for b, _ in sides) if all(b == a for b, a in sides) else tuple(sides)
    function: Any = (F.conv1d, F.conv2d, F.conv3d)[rank - 1]
    dtype = arr(X).dtype
    if dtype.itemsize > 2:
        return function(X, W, B, stride, plain, dilation, group)
    wide = [None if v is None else cast(v, np.float32) for v in (X, W, B)]  # float16 would be added up in float16
    return cast(function(*wide, stride, plain, dilation, group), dtype)


@operator("ConvTranspose", learns=(1, 2))
def _conv_transpose(
    X: Any,
    W: Any,
    B: Any = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    output_padding: Any = None,
    output_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    """Whatever the pads come from, begin and end are cut off the whole result, or zeros put there where negative."""
    size, kernel = arr(X).shape[2:], arr(W).shape[2:]
    rank = len(kernel)
    if not 1 <= rank <= 3:
        raise ValueError(f"{rank} spatial axes; there are 1 to 3")
    stride, dilation = tuple(strides or [1] * rank), tuple(dilations or [1] * rank)
    extra = tuple(output_padding or [0] * rank)
    whole = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(size, stride, dilation, kernel, strict=True)]
    given = list(pads) if pads and auto_pad in ("NOTSET", "") else [0] * 2 * rank
    sides = list(zip(given[:rank], given[rank:], strict=True))
    wanted = list(output_shape)[-rank:] if output_shape else None
    if wanted is None and auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [n * s for n, s in zip(size, stride, strict=True)]
    if wanted is not None:
        total = [n + e - m for n, e, m in zip(whole, extra, wanted, strict=True)]
        sides = [(n // 2, n - n // 2) if auto_pad == "SAME_UPPER" else (n - n // 2, n // 2) for n in total]
    room(n + e - b - a for n, e, (b, a) in zip(whole, extra, sides, strict=True))
    function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[rank - 1]
    if all(b == a >= 0 for b, a in sides) and all(
        e < max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)
    ):
        return function(X, W, B, stride, tuple(b for b, _ in sides), extra, group, dilation)
    out = function(X, W, None, stride, 0, 0, group, dilation)
    out = padded(
        out,
        [0, 0, *(-b for b, _ in sides)],
        [0, 0, *(e - a for e, (_, a) in zip(extra, sides, strict=True))],
        "constant",
    )
    return out if B is None else out + t.reshape(B, (-1, *(1,) * rank))


@operator("DeformConv", learns=(1, 3))
def _deform_conv(
    X: Any,
    W: Any,
    offset: Any,
    B: Any = None,
    mask: Any = None,
    *,
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    offset_group: int = 1,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    """A convolution whose taps stand where `offset` moves them to, between the pixels, and count `mask` times.

    Each tap looks at the image by itself; what all saw is one image of taps, whose convolution is a product.
    """
    if arr(X).ndim != 4:
        raise ValueError(f"{arr(X).ndim - 2} spatial axes; there are 2")
    (n, c, h, w), kernel = arr(X).shape, arr(W).shape[2:]
    stride, dilation, p = strides or [1, 1], dilations or [1, 1], pads or [0, 0, 0, 0]
    rows, columns = arr(offset).shape[2:]
    taps, each = kernel[0] * kernel[1], c // offset_group
    room((n, c, taps, rows, columns))
    moved = t.reshape(offset, (n, offset_group, taps, 2, rows, columns))
    weights = None if mask is None else t.reshape(mask, (n, offset_group, taps, rows, columns))
    framed = padded(X, [0, 0, 1, 1], [0, 0, 1, 1], "constant")  # so that no axis is of one pixel
    groups = []
    for k in range(offset_group):
        image, seen = t.narrow(framed, 1, k * each, each), []
        for tap in range(taps):
            i, j = divmod(tap, kernel[1])
            y = np.arange(rows)[:, None] * stride[0] - p[0] + i * dilation[0] + 1
            x = np.arange(columns) * stride[1] - p[1] + j * dilation[1] + 1
            down = (moved[:, k, tap, 0] + tensor(y, arr(X).dtype)) * (2 / (h + 1)) - 1.0
            right = (moved[:, k, tap, 1] + tensor(x, arr(X).dtype)) * (2 / (w + 1)) - 1.0
            look = F.grid_sample(image, t.stack([right, down], -1), "bilinear", "zeros", True)
            seen.append(look if weights is None else look * t.unsqueeze(weights[:, k, tap], 1))
        groups.append(t.stack(seen, 2))
    found = t.reshape(t.cat(groups, 1), (n, c * taps, rows, columns))
    return F.conv2d(found, t.reshape(W, (arr(W).shape[0], -1, 1, 1)), B, groups=group)


# ------------------------------------------------------------------------------------------------------------ pools
def _plan(
    x: Any, kernel: Any, strides: Any, pads: Any, dilations: Any, auto_pad: str, ceil_mode: int
) -> tuple[PoolGeometry, list[tuple[int, int]]]:
    """The windows over images, and the pads. A last one of ceil_mode begins before the pads at the end."""
    size, rank = arr(x).shape[2:], len(kernel)
    stride, dilation = strides or [1] * rank, dilations or [1] * rank
    sides = _sides(size, kernel, stride, dilation, pads, auto_pad)
    starts, stops, counts = [], [], []
    for n, k, s, d, (before, after) in zip(size, kernel, stride, dilation, sides, strict=True):
        extent = d * (k - 1) + 1
        spare = n + before + after - extent
        count = (-(-spare // s) if ceil_mode else spare // s) + 1
        if ceil_mode and (count - 1) * s >= n + before:
            count -= 1
        room((max(count, -1),))
        corners = [i * s - before for i in range(count)]
        starts.append(tuple(c if c >= 0 else c % d for c in corners))
        stops.append(tuple(min(c + extent, n) for c in corners))
        counts.append(tuple(-(-(min(c + extent, n + after) - c) // d) for c in corners))
        if any(a >= b for a, b in zip(starts[-1], stops[-1], strict=True)):
            raise ValueError(f"a window of {k} pixels over {n}, pads {before} and {after}, holds nothing but padding")
    return PoolGeometry(tuple(size), tuple(starts), tuple(stops), tuple(dilation), tuple(counts)), sides


def _plain(kernel: Any, sides: Any, auto_pad: str) -> bool:
    """Whether the layers' own functions have such windows."""
    return len(kernel) <= 3 and all(b == a <= k // 2 and b >= 0 for (b, a), k in zip(sides, kernel, strict=True))


@operator("MaxPool")
def _max_pool(
    X: Any,
    *,
    kernel_shape: Any,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Any = None,
    pads: Any = None,
    storage_order: int = 0,
    strides: Any = None,
    outputs: int,
) -> Any:
    dtype = arr(X).dtype
    x = X if dtype.kind == "f" and dtype.itemsize > 2 else cast(X, np.float32 if dtype.kind == "f" else np.int64)
    geometry, sides = _plan(x, kernel_shape, strides, pads, dilations, auto_pad, ceil_mode)
    rank = len(kernel_shape)
    if outputs == 1:
        if _plain(kernel_shape, sides, auto_pad):
            function: Any = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[rank - 1]
            settings = [
                tuple(v) for v in (kernel_shape, strides or [1] * rank, [b for b, _ in sides], dilations or [1] * rank)
            ]
            return cast(function(x, *settings, bool(ceil_mode)), dtype)
        return cast(pool.max_pool(x, geometry=geometry), dtype)
    values, places = pool.max_pool_with_indices(x, geometry)
    at = arr(places)
    size = arr(X).shape
    if storage_order:
        at = np.ravel_multi_index(np.unravel_index(at, size[2:])[::-1], size[2:][::-1])
    planes = np.arange(size[0] * size[1]).reshape(size[0], size[1], *(1,) * rank)
    return cast(values, dtype), tensor(at + planes * math.prod(size[2:]), np.int64)


@operator("AveragePool")
def _average_pool(
    X: Any,
    *,
    kernel_shape: Any,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    geometry, sides = _plan(X, kernel_shape, strides, pads, dilations, auto_pad, ceil_mode)
    rank = len(kernel_shape)
    if _plain(kernel_shape, sides, auto_pad) and not ceil_mode and set(dilations or [1]) == {1}:
        function: Any = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[rank - 1]
        settings = [tuple(v) for v in (kernel_shape, strides or [1] * rank, [b for b, _ in sides])]
        if rank < 3 or all(k <= n for k, n in zip(kernel_shape, arr(X).shape[2:], strict=True)):
            return function(X, *settings, False, bool(count_include_pad))
    inside = [
        [-(-(b - a) // d) for a, b in zip(lo, hi, strict=True)]
        for lo, hi, d in zip(geometry.starts, geometry.stops, geometry.dilation, strict=True)
    ]
    count = np.ones(())
    for axis in geometry.counts if count_include_pad else inside:
        count = count[..., None] * np.array(axis, np.float64)
    return pool.average(X, geometry=geometry, scale=tuple((1 / count).reshape(-1).tolist()))


@operator("LpPool")
def _lp_pool(
    X: Any,
    *,
    kernel_shape: Any,
    p: float = 2,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    geometry, _ = _plan(X, kernel_shape, strides, pads, dilations, auto_pad, ceil_mode)
    ones = (1.0,) * math.prod(geometry.output_size)
    return t.pow(pool.average(t.pow(t.abs(X), p), geometry=geometry, scale=ones), 1 / p)


def _pixels(x: Any) -> tuple[int, ...]:
    return tuple(range(2, arr(x).ndim))


@operator("GlobalAveragePool")
def _global_average_pool(X: Any) -> Any:
    rank = arr(X).ndim - 2
    if 1 <= rank <= 3 and arr(X).dtype.kind == "f":
        function: Any = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[rank - 1]
        return function(X, 1)
    return t.mean(X, _pixels(X), True)


@operator("GlobalMaxPool")
def _global_max_pool(X: Any) -> Any:
    return t.amax(X, _pixels(X), True)


@operator("GlobalLpPool")
def _global_lp_pool(X: Any, *, p: float = 2) -> Any:
    return t.pow(t.sum(t.pow(t.abs(X), p), _pixels(X), True), 1 / p)


@operator("MaxUnpool")
def _max_unpool(
    X: Any,
    places: Any,
    output_shape: Any = None,
    *,
    kernel_shape: Any,
    pads: Any = None,
    strides: Any = None,  # noqa: E741
) -> Any:
    """Places count through the image that was pooled; output_shape has room for more."""
    shape, rank = arr(X).shape, len(kernel_shape)
    s, p = strides or [1] * rank, pads or [0] * 2 * rank
    size = [(n - 1) * s[i] + kernel_shape[i] - p[i] - p[rank + i] for i, n in enumerate(shape[2:])]
    own = room((*shape[:2], *size))
    flat = tensor(np.zeros(math.prod(own), arr(X).dtype))
    out = t.reshape(t.scatter(flat, 0, t.reshape(places, (-1,)), t.reshape(X, (-1,))), own)
    if output_shape is None:
        return out
    wanted = room(ints(output_shape) or ())
    return padded(out, [0] * len(wanted), [b - a for a, b in zip(own, wanted, strict=True)], "constant")


# ------------------------------------------------------------------------------------- looking between the pixels
def _positions(n: int, out: int, scale: float, mode: str, roi: tuple[float, float]) -> np.ndarray:
    """Where the pixels of the result stand in an axis of n pixels."""
    o = np.arange(out, dtype=np.float64)
    if mode == "asymmetric":
        return o / scale
    if mode == "align_corners":
        return o * (n - 1) / (scale * n - 1) if scale * n > 1 else np.zeros(out)
    if mode == "pytorch_half_pixel" and out == 1:
        return np.zeros(out)
    if mode == "tf_half_pixel_for_nn":
        return (o + 0.5) / scale
    if mode == "tf_crop_and_resize":
        a, b = roi
        return a * (n - 1) + o * (b - a) * (n - 1) / (out - 1) if out > 1 else np.full(out, 0.5 * (a + b) * (n - 1))
    if mode == "half_pixel_symmetric":
        return n / 2 * (1 - out / (scale * n)) + (o + 0.5) / scale - 0.5
    if mode in ("half_pixel", "pytorch_half_pixel"):
        return (o + 0.5) / scale - 0.5
    raise ValueError(f"coordinate_transformation_mode {mode!r}")


def _nearest(at: np.ndarray, n: int, mode: str) -> np.ndarray:
    rounded = {
        "round_prefer_floor": lambda: np.ceil(at - 0.5),
        "round_prefer_ceil": lambda: np.floor(at + 0.5),
        "floor": lambda: np.floor(at),
        "ceil": lambda: np.ceil(at),
    }
    if mode not in rounded:
        raise ValueError(f"nearest_mode {mode!r}")
    return np.clip(rounded[mode](), 0, n - 1).astype(np.int64)


def _hat(d: np.ndarray, _: float) -> np.ndarray:
    return np.maximum(1 - np.abs(d), 0)


def _cubic(d: np.ndarray, a: float) -> np.ndarray:
    d = np.abs(d)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def _matrix(
    at: np.ndarray, n: int, scale: float, mode: str, a: float, exclude_outside: bool, antialias: bool
) -> np.ndarray:
    """The weights (out, n) of the pixels for each place; those outside are the border's, or left out."""
    weigh, reach = (_hat, 1) if mode == "linear" else (_cubic, 2)
    shrink = min(scale, 1.0) if antialias else 1.0
    wide = reach / shrink
    first = np.floor(at - wide).astype(np.int64) + 1
    taps = np.arange(int(np.ceil(2 * wide)) + 1)
    places = first[:, None] + taps
    weights = weigh((places - at[:, None]) * shrink, a)
    inside = (places >= 0) & (places < n)
    if exclude_outside or antialias:
        weights = np.where(inside, weights, 0) if exclude_outside else weights
        weights = weights / weights.sum(1, keepdims=True)
    out = np.zeros((len(at), n))
    np.add.at(out, (np.arange(len(at))[:, None], np.clip(places, 0, n - 1)), weights)
    return out


@operator("Resize")
def _resize(
    X: Any,
    roi: Any = None,
    scales: Any = None,
    sizes: Any = None,
    *,
    antialias: int = 0,
    axes: Any = None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
    opset: int,
) -> Any:
    shape = arr(X).shape
    if opset < 11:  # scales are the second input, and places asymmetric
        roi, scales, coordinate_transformation_mode, nearest_mode = None, roi, "asymmetric", "floor"
    along = axes_of(axes, len(shape)) if axes is not None else tuple(range(len(shape)))
    if sizes is not None and arr(sizes).size:
        wanted = list(ints(sizes) or ())
        factors = [w / shape[d] for w, d in zip(wanted, along, strict=True)]
        if keep_aspect_ratio_policy != "stretch":
            one = (min if keep_aspect_ratio_policy == "not_larger" else max)(factors)
            factors = [one] * len(along)
            wanted = [math.floor(one * shape[d] + 0.5) for d in along]
    else:
        factors = numbers(scales) or []
        wanted = [math.floor(shape[d] * f) for d, f in zip(along, factors, strict=True)]
    target = list(shape)
    for d, w in zip(along, wanted, strict=True):
        target[d] = w
    room(target)
    known = _as_interpolation(
        X,
        along,
        wanted,
        factors,
        coordinate_transformation_mode,
        mode,
        nearest_mode,
        cubic_coeff_a,
        bool(exclude_outside or antialias),
        sizes is None,
    )
    if known is not None:
        return known
    bounds = numbers(roi) or []
    dtype, outside = arr(X).dtype, np.zeros(target, bool)
    x = X if dtype.kind == "f" or mode == "nearest" else cast(X, np.float64)
    for i, (d, out, scale) in enumerate(zip(along, wanted, factors, strict=True)):
        n, crop = shape[d], coordinate_transformation_mode == "tf_crop_and_resize"
        if n == out and scale == 1 and not crop:
            continue
        at = _positions(
            n, out, scale, coordinate_transformation_mode, (bounds[i], bounds[i + len(along)]) if crop else (0, 1)
        )
        if crop:
            beyond = ((at < 0) | (at > n - 1)).reshape(-1, *(1,) * (len(shape) - d - 1))
            outside |= np.broadcast_to(beyond, target)
        if mode == "nearest":
            x = t.index_select(x, d, tensor(_nearest(at, n, nearest_mode)))
            continue
        weights = _matrix(at, n, scale, mode, cubic_coeff_a, bool(exclude_outside), bool(antialias))
        x = t.movedim(t.matmul(t.movedim(x, d, -1), tensor(weights.T, arr(x).dtype)), -1, d)
    if outside.any():
        x = t.where(tensor(outside), tensor(extrapolation_value, arr(x).dtype), x)
    return cast(x, dtype)


def _as_interpolation(
    x: Any,
    along: tuple,
    wanted: list,
    factors: list,
    place: str,
    mode: str,
    nearest: str,
    a: float,
    other: bool,
    by_scale: bool,
) -> Any:
    """`interpolate`, where it has just this: kernels of its own, and one operator again when it is exported."""
    shape = arr(x).shape
    rank = len(shape) - 2
    spatial = {d: (w, f) for d, w, f in zip(along, wanted, factors, strict=True)}
    if (
        other
        or arr(x).dtype.kind != "f"
        or not 1 <= rank <= 3
        or any(spatial.get(d, (shape[d],))[0] != shape[d] for d in (0, 1))
    ):
        return None
    size = tuple(spatial.get(d, (shape[d], 1.0))[0] for d in range(2, rank + 2))
    exact = all(w % shape[d] == 0 for d, (w, _) in spatial.items()) and all(
        f == w / shape[d] for d, (w, f) in spatial.items()
    )
    if mode == "nearest":
        if place not in ("asymmetric",) or nearest != "floor" or not exact:
            return None
        return F.interpolate(x, size, mode="nearest")
    words = {"linear": ("linear", "bilinear", "trilinear")[rank - 1], "cubic": "bicubic" if rank == 2 else ""}
    even = (
        place in ("half_pixel", "pytorch_half_pixel")
        and min(size) > 1
        and all(f == w / shape[d] for d, (w, f) in spatial.items())
    )
    corners = place == "align_corners" and min(size) > 1 and all(f == w / shape[d] for d, (w, f) in spatial.items())
    if not words.get(mode) or not (even or corners) or (mode == "cubic" and a != -0.75):
        return None
    return F.interpolate(x, size, mode=words[mode], align_corners=corners)


@operator("Upsample")
def _upsample(
    X: Any, scales: Any = None, *, mode: str = "nearest", height_scale: float = 1.0, width_scale: float = 1.0
) -> Any:
    factors = [1.0, 1.0, height_scale, width_scale] if scales is None else scales
    factors = factors if hasattr(factors, "array") else tensor(factors, np.float32)
    return _resize(
        X,
        None,
        factors,
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
        opset=11,
        mode={"bilinear": "linear"}.get(mode, mode),
    )


@operator("GridSample")
def _grid_sample(
    X: Any, grid: Any, *, align_corners: int = 0, mode: str = "linear", padding_mode: str = "zeros"
) -> Any:
    word = {"linear": "bilinear", "cubic": "bicubic"}.get(mode, mode)
    return F.grid_sample(X, grid, word, padding_mode, bool(align_corners))


@operator("AffineGrid")
def _affine_grid(theta: Any, size: Any, *, align_corners: int = 0) -> Any:
    return F.affine_grid(theta, ints(size), bool(align_corners))


@operator("RoiAlign")
def _roi_align(
    X: Any,
    rois: Any,
    batch_indices: Any,
    *,
    coordinate_transformation_mode: str = "half_pixel",
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
    opset: int,
) -> Any:
    """Each box of an image in cells, of each the mean (or the largest) of some bilinear looks."""
    x, boxes, images = arr(X), arr(rois).astype(np.float64), arr(batch_indices)
    half = opset >= 16 and coordinate_transformation_mode == "half_pixel"
    h, w = x.shape[2:]
    out = np.zeros((len(boxes), x.shape[1], *room((output_height, output_width))), x.dtype)

    def looks(start: float, length: float, cells: int) -> np.ndarray:
        count = sampling_ratio or max(math.ceil(length / cells), 1)
        return start + length / cells * (np.arange(cells)[:, None] + (np.arange(count) + 0.5) / count)

    def along(at: np.ndarray, n: int) -> tuple:
        held = np.clip(at, 0, None)
        low = np.minimum(held.astype(np.int64), n - 1)
        high = np.minimum(low + 1, n - 1)
        part = np.where(low >= n - 1, 0, held - low)
        seen = (at >= -1) & (at <= n)
        return (low, (1 - part) * seen), (high, part * seen)

    for k, ((x1, y1, x2, y2), image) in enumerate(zip(boxes * spatial_scale - 0.5 * half, images, strict=True)):
        wide, tall = (x2 - x1, y2 - y1) if half else (max(x2 - x1, 1.0), max(y2 - y1, 1.0))
        rows, columns = along(looks(y1, tall, output_height), h), along(looks(x1, wide, output_width), w)
        parts = [
            x[image][:, r[:, :, None, None], c] * (wr[:, :, None, None] * wc) for r, wr in rows for c, wc in columns
        ]
        if mode == "avg":
            out[k] = sum(parts).mean((2, 4))
        else:
            out[k] = np.max(parts, 0).max((2, 4))
    return tensor(out)


@operator("MaxRoiPool")
def _max_roi_pool(X: Any, rois: Any, *, pooled_shape: Any, spatial_scale: float = 1.0) -> Any:
    x = arr(X)
    out = np.zeros((len(arr(rois)), x.shape[1], *room(pooled_shape)), x.dtype)
    for k, (image, *box) in enumerate(arr(rois)):
        x1, y1, x2, y2 = (math.floor(v * spatial_scale + 0.5) for v in box)
        for i in range(pooled_shape[0]):
            for j in range(pooled_shape[1]):
                tall, wide = max(y2 - y1 + 1, 1) / pooled_shape[0], max(x2 - x1 + 1, 1) / pooled_shape[1]
                a, b = (min(max(v + y1, 0), x.shape[2]) for v in (math.floor(i * tall), math.ceil((i + 1) * tall)))
                c, d = (min(max(v + x1, 0), x.shape[3]) for v in (math.floor(j * wide), math.ceil((j + 1) * wide)))
                if a < b and c < d:
                    out[k, :, i, j] = x[int(image), :, a:b, c:d].max((1, 2))
    return tensor(out)


@operator("ConvInteger")
def _conv_integer(X: Any, W: Any, x_zero: Any = None, w_zero: Any = None, **settings: Any) -> Any:
    """Of integers less their zeros, exactly: float64 holds the sums."""
    x, w = (cast(v, np.float64) for v in (X, W))
    x = x if x_zero is None else x - float(number(x_zero))
    w = w if w_zero is None else w - cast(w_zero, np.float64).reshape(-1, *(1,) * (arr(W).ndim - 1))
    return cast(_conv(x, w, None, **settings), np.int32)
