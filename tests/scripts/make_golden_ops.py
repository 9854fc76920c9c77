"""Freeze PyTorch's values and gradients for every sample of `samples.py` into `golden/ops.npz`.

Run where torch 2.13 is installed: `python tests/scripts/make_golden_ops.py`. The tests read the numbers and need no torch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from places import GOLDEN
from samples import ROWS, Row, Sample, incoming
from samples_conv import POOLINGS
from samples_pointwise import drawn
from samples_windows import border

PATH = GOLDEN / "ops.npz"


def pad(x: Any, widths: tuple, value: float = 0.0) -> Any:
    """F.pad with (before, after) per axis, first axis first."""
    return F.pad(x, [n for pair in reversed(widths) for n in pair], value=value)


def conv(x: Any, w: Any, geometry: Any) -> Any:
    """Convolution with padding of its own on either side."""
    function = (F.conv1d, F.conv2d, F.conv3d)[len(geometry.input_size) - 1]
    x = pad(x, geometry.padding)
    return function(x, w, None, geometry.stride, 0, geometry.dilation, geometry.groups)


def adjoint(function: Any, shape: tuple, g: Any) -> Any:
    """The adjoint of a linear function of an array of `shape`, applied to g, differentiable in g and what function holds."""
    x = torch.zeros(shape, dtype=g.dtype, requires_grad=True)
    return torch.autograd.grad(function(x), x, g, create_graph=True)[0]


def conv_transpose(y: Any, w: Any, geometry: Any) -> Any:
    """The gradient of conv for x."""
    shape = (y.shape[0], w.shape[1] * geometry.groups, *geometry.input_size)
    return adjoint(lambda x: conv(x, w, geometry), shape, y)


def conv_weight_grad(x: Any, y: Any, geometry: Any) -> Any:
    """The gradient of conv for w."""
    shape = (y.shape[1], x.shape[1] // geometry.groups, *geometry.kernel_size)
    return adjoint(lambda w: conv(x, w, geometry), shape, y)


def pooled(x: Any, geometry: Any, kind: str) -> Any:
    """Sliding or adaptive pooling, as the settings that made the geometry say."""
    settings = POOLINGS[geometry]
    prefix = "adaptive_" if "output_size" in settings else ""
    return getattr(F, f"{prefix}{kind}_pool{len(geometry.input_size)}d")(x, **settings)


def average_transpose(y: Any, geometry: Any, scale: tuple) -> Any:
    """The gradient of average pooling."""
    return adjoint(lambda x: pooled(x, geometry, "avg"), (*y.shape[:2], *geometry.input_size), y)


def windows(x: Any, dim: int, size: int, step: int, dilation: int) -> Any:
    """Windows as large as they span, without the pixels between the taps."""
    return x.unfold(dim, (size - 1) * dilation + 1, step)[..., ::dilation]


def columns(x: Any, geometry: Any) -> Any:
    """F.unfold with padding of its own on either side."""
    g = geometry
    x = pad(x, ((0, 0),) * (x.ndim - 2) + g.padding)
    return F.unfold(x, g.kernel_size, g.dilation, 0, g.stride)


def windows_transpose(y: Any, dim: int, length: int, step: int, dilation: int) -> Any:
    """The gradient of windows."""
    shape = (*y.shape[:dim], length, *y.shape[dim + 1 : -1])
    return adjoint(lambda x: windows(x, dim, y.shape[-1], step, dilation), shape, y)


def extend(x: Any, widths: tuple, mode: str) -> Any:
    """F.pad of the last axes; the mode that PyTorch has not by a table."""
    if mode == "symmetric":
        for dim, (before, after) in enumerate(widths, x.ndim - len(widths)):
            x = x.index_select(dim, torch.from_numpy(border(x.shape[dim], before, after, mode)))
        return x
    if not x.numel():
        return x.new_zeros((*x.shape[:-1], x.shape[-1] + sum(widths[-1]))) + 0 * x.sum()
    images = x.reshape(1, -1, *x.shape[x.ndim - len(widths) :])
    out = F.pad(images, [side for pair in widths[::-1] for side in pair], mode)
    return out.reshape(*x.shape[: x.ndim - len(widths)], *out.shape[2:])


def extend_transpose(y: Any, widths: tuple, mode: str) -> Any:
    """The gradient of extend."""
    first = y.ndim - len(widths)
    shape = (*y.shape[:first], *(n - sum(width) for n, width in zip(y.shape[first:], widths, strict=True)))
    return adjoint(lambda x: extend(x, widths, mode), shape, y)


def resample(x: Any, axis: int, taps: Any) -> Any:
    """The taps as a matrix, multiplied with every line."""
    entries = (
        torch.arange(len(taps.positions))[:, None].expand(taps.positions.shape),
        torch.from_numpy(taps.positions),
    )
    matrix = torch.zeros(len(taps.positions), taps.size, dtype=x.dtype)
    matrix.index_put_(entries, torch.from_numpy(taps.weights), accumulate=True)
    return torch.tensordot(matrix, x, ([1], [axis])).movedim(0, axis)


def resample_transpose(y: Any, axis: int, taps: Any) -> Any:
    """The gradient of resample."""
    return adjoint(lambda x: resample(x, axis, taps), (*y.shape[:axis], taps.size, *y.shape[axis + 1 :]), y)


def index_key(key: tuple) -> tuple:
    """Index arrays as tensors."""
    return tuple(torch.from_numpy(k) if isinstance(k, np.ndarray) else k for k in key)


def getitem(x: Any, key: tuple) -> Any:
    """x[key]"""
    return x[index_key(key)]


def setitem(x: Any, value: Any, key: tuple) -> Any:
    """A copy of x with x[key] = value."""
    out = x.clone()
    out[index_key(key)] = value
    return out


def overwrite(x: Any, value: Any, views: tuple) -> Any:
    """A copy of x, changed through a chain of views."""
    out = x.clone()
    target = out
    for view, settings in views:
        target = {"getitem": getitem, "permute": torch.permute, "reshape": torch.Tensor.view}[view.name](
            target, *settings.values()
        )
    target.copy_(value)
    return out


def flat(x: Any) -> Any:
    """Spatial axes as one."""
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


def pool_gather(x: Any, choice: Any) -> Any:
    """Pixels picked by flat position."""
    return flat(x).gather(2, flat(choice).long()).reshape(choice.shape)


def pool_scatter(y: Any, choice: Any, size: tuple) -> Any:
    """Pixels added at flat positions."""
    out = torch.zeros(*y.shape[:2], math.prod(size), dtype=y.dtype)
    return out.scatter_add(2, flat(choice).long(), flat(y)).reshape(*y.shape[:2], *size)


def extreme(name: str) -> Any:
    """amax or amin; over all axes as max() and min()."""

    def function(x: Any, dim: tuple, keepdim: bool) -> Any:
        return getattr(torch, name)(x, dim=dim, keepdim=keepdim)

    return function


def prod(x: Any, dim: tuple, keepdim: bool) -> Any:
    """The product over several axes, one after the other."""
    for d in sorted(dim, reverse=True):
        x = x.prod(d, keepdim=keepdim)
    return x.clone()


def number(x: Any, like: Any) -> Any:
    """A Python number stays one where torch takes it."""
    return x if isinstance(x, torch.Tensor) else torch.full((), x, dtype=like.dtype)


def oracle(name: str) -> Any:
    """PyTorch's function for a row: the one of its name, where TORCH says nothing else."""
    return TORCH.get(name) or getattr(torch, name, None) or getattr(F, name)


DTYPES = {np.dtype("float32"): torch.float32, np.dtype("float64"): torch.float64}
TORCH = {
    "expand": lambda x, shape: x.expand(shape),
    "sum_to": lambda x, shape: x.sum_to_size(shape),
    "concatenate": lambda *xs, dim, new=False: torch.stack(xs, dim) if new else torch.cat(xs, dim),
    "pad_constant": pad,
    "tile": lambda x, times: x.repeat(times),
    "cast": lambda x, dtype: x.to(DTYPES[dtype]),
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "negative": torch.neg,
    "power": lambda x, y: torch.pow(x if isinstance(x, torch.Tensor) else number(x, y), y),
    "absolute": torch.abs,
    "clamp": lambda x, min, max: torch.clamp(x, min, max),
    "relu_grad": lambda g, out: torch.where(out <= 0, 0.0, g),
    "equal": torch.eq,
    "not_equal": torch.ne,
    "less": torch.lt,
    "less_equal": torch.le,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "getitem": getitem,
    "place": lambda y, key, shape: adjoint(lambda x: getitem(x, key), shape, y),
    "setitem": setitem,
    "gather": lambda x, index, dim: x.gather(dim, index),
    "scatter_add": lambda y, index, dim, shape: torch.zeros(shape, dtype=y.dtype).scatter_add(dim, index, y),
    "identity": lambda x: x.clone(),
    "overwrite": overwrite,
    "sum": lambda x, dim, keepdim: x.sum(dim, keepdim=keepdim) if dim else x.sum(),
    "var": lambda x, dim, keepdim, correction: x.var(dim, correction=correction, keepdim=keepdim),
    "sum_squares": lambda x, dim, keepdim: (x * x).sum(dim, keepdim=keepdim),
    "sum_sizes": lambda x, dim, keepdim: x.abs().sum(dim, keepdim=keepdim),
    "prod": prod,
    "cumprod": torch.cumprod,
    "logsumexp": torch.logsumexp,
    "amax_over": extreme("amax"),
    "amin_over": extreme("amin"),
    "cumsum": lambda x, dim, reverse: x.flip(dim).cumsum(dim).flip(dim) if reverse else x.cumsum(dim),
    "squared_error": lambda x, y: F.mse_loss(*torch.broadcast_tensors(x, y), reduction="none"),
    "absolute_error": lambda x, y: F.l1_loss(*torch.broadcast_tensors(x, y), reduction="none"),
    "logistic_error": lambda x, y: F.binary_cross_entropy_with_logits(*torch.broadcast_tensors(x, y), reduction="none"),
    "huber": lambda x, y, edge, curvature, slope: (
        F.huber_loss(*torch.broadcast_tensors(x, y), reduction="none", delta=edge) * (slope / edge)
    ),
    "pick": lambda x, labels, factor: x.gather(1, labels[:, None])[:, 0] * factor,
    "put": lambda y, labels, factor, classes: torch.zeros(len(y), classes, dtype=y.dtype).scatter(
        1, labels[:, None], (y * factor)[:, None]
    ),
    "dropout": lambda x, p, seed: (
        x
        * torch.from_numpy(np.array([drawn(i, seed) >= p * 2**32 for i in range(x.numel())], bool).reshape(x.shape))
        / (1 - p if p < 1 else 1)
    ),
    "cross_entropy": lambda x, labels, weight, smoothing, **how: F.cross_entropy(
        x, labels, weight, label_smoothing=smoothing, **how
    ),
    "copysign": lambda x, y: torch.copysign(x, y),
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "batched_matmul": torch.bmm,
    "linear": lambda x, w, turn_x=False, turn_w=True: (x.T if turn_x else x) @ (w.T if turn_w else w),
    "affine": F.linear,
    "add_bias": lambda x, b: x + b.reshape(-1, *[1] * (x.ndim - 2)),
    "windows": windows,
    "columns": columns,
    "columns_transpose": lambda y, geometry: adjoint(
        lambda x: columns(x, geometry),
        (*y.shape[:-2], y.shape[-2] // math.prod(geometry.kernel_size), *geometry.input_size),
        y,
    ),
    "windows_transpose": windows_transpose,
    "extend": extend,
    "extend_transpose": extend_transpose,
    "resample": resample,
    "resample_transpose": resample_transpose,
    "to_channels_last": lambda x: x.clone(),
    "bias_grad": lambda x: x.sum((0, *range(2, x.ndim))),
    "conv": conv,
    "conv_bias": lambda x, w, b, geometry: conv(x, w, geometry=geometry) + b.reshape(-1, *[1] * (x.ndim - 2)),
    "normalize": lambda x, w, b, mean, invstd: (
        (x.movedim(1, -1) - torch.from_numpy(mean)) * torch.from_numpy(invstd) * w + b
    ).movedim(-1, 1),
    "conv_transpose": conv_transpose,
    "conv_weight_grad": conv_weight_grad,
    "max_pool": lambda x, geometry: pooled(x, geometry, "max"),
    "pool_gather": pool_gather,
    "pool_scatter": pool_scatter,
    "average": lambda x, geometry, scale: pooled(x, geometry, "avg"),
    "average_transpose": average_transpose,
    "group_norm": lambda x, w, b, groups, eps: F.group_norm(x, groups, w, b, eps),
    "layer_norm": lambda x, w, b, eps: F.layer_norm(x, w.shape, w, b, eps),
    "rms_norm": lambda x, w, eps: F.rms_norm(x, w.shape, w, eps),
    "batch_norm": lambda x, w, b, eps: F.batch_norm(x, None, None, w, b, True, 0.0, eps),
}


def freeze(row: Row, sample: Sample) -> dict[str, np.ndarray]:
    """The value, the gradients for one fixed incoming gradient, and what identifies the inputs."""
    args = [torch.from_numpy(a.copy()) if isinstance(a, np.ndarray) else a for a in sample.args]
    wanted = row.differentiable(sample)
    for i in wanted:
        args[i].requires_grad_()
    out = oracle(row.name)(*args, **sample.settings)
    found = {"value": out.detach().numpy()}
    if wanted:
        if out.requires_grad:
            g = torch.from_numpy(incoming(out.shape, out.detach().numpy().dtype))
            grads = torch.autograd.grad(out, [args[i] for i in wanted], g, allow_unused=True)
        else:
            grads = [None] * len(wanted)
        for i, grad in zip(wanted, grads, strict=True):
            found[f"grad{i}"] = np.zeros_like(sample.args[i]) if grad is None else grad.numpy()
    found["inputs"] = sample.fingerprint()
    return found


def main() -> None:
    """Write the file."""
    frozen = {}
    for row in ROWS.values():
        for i, sample in enumerate(row.samples):
            for key, array in freeze(row, sample).items():
                frozen[f"{row.name}/{i}/{key}"] = array
    np.savez_compressed(PATH, **frozen)
    print(f"torch {torch.__version__}: {len(frozen)} arrays, {PATH.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
