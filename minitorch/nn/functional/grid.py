"""Images sampled where a grid says, and the grids of affine maps."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ...autograd.following import step
from ...autograd.tape import watch, wrap
from ...dtypes import FLOATS
from ...ops import grid as grids
from ...ops.dims import listed
from ...ops.linalg import batched_matmul
from ...ops.shape import reshape, standalone, transpose
from .checks import as_flag, check_operands, check_tensor

__all__ = ["affine_grid", "grid_sample"]


def _aligned(name: str, align_corners: bool | None) -> bool:
    if align_corners is None:
        warnings.warn(
            f"{name}: the default of align_corners is False, and was True before PyTorch 1.3. Say which one is meant.",
            stacklevel=3,
        )
        return False
    return as_flag(name, "align_corners", align_corners)


@step("grid_sample")
def grid_sample(
    input: Any,
    grid: Any,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Any:
    """input (N, C, *size) at the places that grid (N, *out, rank) names: (N, C, *out), of 2 or 3 spatial axes.

    A place is (x, y) or (x, y, z), each -1 ... 1 from edge to edge, or with `align_corners` from the outermost pixel's
    centre to the other. mode: "bilinear" (of 8 pixels in 3-d), "nearest", or in 2-d "bicubic". padding_mode says what
    is outside: "zeros", the "border" pixel, or the "reflection" of the image. See `minitorch.ops.grid` for formulas.

    Raises ValueError for unknown modes, RuntimeError for shapes and dtypes that don't fit.
    """
    name = "grid_sample"
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(f"{name}: expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: {mode!r}")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            f"{name}: expected padding_mode to be 'zeros', 'border' or 'reflection', but got: {padding_mode!r}"
        )
    x, places = check_tensor(name, input).array.shape, check_tensor(name, grid, "grid").array.shape
    aligned = _aligned(name, align_corners)
    if len(x) not in (4, 5) or len(places) != len(x) or places[0] != x[0] or places[-1] != len(x) - 2:
        raise RuntimeError(
            f"{name}: expected 4D or 5D `input` (N, C, *size) and `grid` of the same batch size and rank, with a "
            f"number for each spatial axis in its last; got input {x} and grid {places}"
        )
    if 0 in x[2:]:
        raise RuntimeError(f"{name}: expected input to have non-empty spatial dimensions, but got {x}")
    if mode == "bicubic" and len(x) == 5:
        raise RuntimeError(f"{name}: bicubic interpolation only supports 4D input, but got {x}")
    check_operands(name, input, grid=grid)
    return watch(standalone(grids.sample(input, grid, mode, padding_mode, aligned)), grid)


def affine_grid(theta: Any, size: Any, align_corners: bool | None = None) -> Any:
    """The grid for `grid_sample` that looks at every pixel of an image of `size` through an affine map.

    theta (N, 2, 3) and size (N, C, H, W) give (N, H, W, 2); (N, 3, 4) and (N, C, D, H, W) give (N, D, H, W, 3): theta
    times (x, y, 1) or (x, y, z, 1) of each pixel. Raises ValueError for shapes that don't fit, NotImplementedError for
    other ranks.
    """
    name = "affine_grid"
    aligned = _aligned(name, align_corners)
    if check_tensor(name, theta, "theta").array.dtype.kind not in FLOATS:
        raise ValueError(f"{name}: Expected theta to have floating point type, but got {theta.dtype}")
    whole = listed((tuple(size),))
    rank = len(whole) - 2
    if rank not in (2, 3):
        raise NotImplementedError(f"{name} only supports 4D and 5D sizes, for 2D and 3D maps; got {list(whole)}")
    if theta.array.ndim != 3 or theta.array.shape[1:] != (rank, rank + 1):
        raise ValueError(
            f"{name}: Expected a batch of {rank}D affine matrices of shape Nx{rank}x{rank + 1} for size {list(whole)}, "
            f"but got {theta.array.shape}"
        )
    if min(whole) <= 0:
        raise ValueError(f"{name}: Expected non-zero, positive output size. Got {list(whole)}")
    if theta.array.shape[0] != whole[0]:
        raise RuntimeError(f"{name}: size {list(whole)} wants {whole[0]} matrices, but theta is {theta.array.shape}")
    ends = [float(n > 1) if aligned else (n - 1) / n for n in whole[2:]]
    axes = [np.linspace(-end, end, n, dtype=theta.array.dtype) for end, n in zip(ends, whole[2:], strict=True)]
    ones = np.ones(whole[2:], theta.array.dtype)
    pixels = np.stack([*reversed(np.meshgrid(*axes, indexing="ij")), ones], -1).reshape(1, -1, rank + 1)
    base = wrap(np.broadcast_to(pixels, (whole[0], *pixels.shape[1:])))
    return standalone(reshape(batched_matmul(base, transpose(theta, 1, 2)), shape=(whole[0], *whole[2:], rank)))
