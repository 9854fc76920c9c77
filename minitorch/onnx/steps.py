"""What steps are in ONNX (see autograd/following.py): functions for which there is one operator.

A row is called with the graph and the arguments that the function was called with; what it returns stands for the
function's results. Where it raises Unsaid, the calls inside of the function are said instead.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .graph import TYPES, Graph, Unsaid
from .primitives import BIG, like, placed, reduced
from .trace import Merged, Varying

STEPS: dict[str, Callable] = {}


def says(name: str) -> Callable[[Callable], Callable]:
    """Decorator: the row of a step."""

    def enter(function: Callable) -> Callable:
        STEPS[name] = function
        return function

    return enter


def said(g: Graph, name: str, args: tuple, settings: dict) -> Any:
    """The names of a step's results. Raises Unsaid where there is no row, or it cannot say it."""
    row = STEPS.get(name)
    if row is None:
        raise Unsaid("ONNX has no such operator")
    bound = inspect.signature(row).bind(g, *args, **settings)
    return row(*bound.args, **bound.kwargs)


def _ints(name: str, value: Any, rank: int) -> list[int]:
    entries = list(value) if isinstance(value, tuple | list) else [value] * rank
    if len(entries) == 1:
        entries *= rank
    if not all(isinstance(n, int | np.integer) for n in entries):
        raise Unsaid(f"{name} that depends on the input")
    return [int(n) for n in entries]


def _batched(g: Graph, x: Merged, rank: int, of: Callable[[Any], Any]) -> Any:
    """of(x) of images with a batch axis, which x may have or not."""
    if x.ndim == rank + 2:
        return of(x)
    out = of(g.node("Unsqueeze", x, np.array([0])))
    outs = out if isinstance(out, tuple) else (out,)
    flat = tuple(g.node("Squeeze", y, np.array([0])) for y in outs)
    return flat if isinstance(out, tuple) else flat[0]


# ------------------------------------------------------------------------------------------------ layers and windows
@says("linear")
def _linear(g: Graph, input: Merged, weight: Merged, bias: Any = None) -> Any:
    if input.dtype.kind != "f" or weight.ndim != 2 or (bias is not None and bias.ndim != 1):
        raise Unsaid("integers, or a weight that is no matrix")
    if input.ndim == 2:
        return g.node("Gemm", input, weight, bias, transB=1)
    out = g.node("MatMul", input, g.node("Transpose", weight, perm=[1, 0]))
    return out if bias is None else g.node("Add", out, bias)


@says("matmul")
def _matmul(g: Graph, x: Any, other: Any) -> Any:
    return g.node("MatMul", x, other)


@says("conv_transpose")
def _conv_transpose(
    g: Graph,
    name: str,
    rank: int,
    y: Merged,
    w: Merged,
    b: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
    mode: str = "zeros",
) -> Any:
    if mode != "zeros" or isinstance(padding, str) or y.dtype.kind != "f":
        raise Unsaid("a padding mode")
    if any(isinstance(p, tuple) for p in (padding if isinstance(padding, tuple) else ())):
        pads = [p[0] for p in padding] + [p[1] for p in padding]
    else:
        pads = _ints("padding", padding, rank) * 2
    steps, dilations = _ints("stride", stride, rank), _ints("dilation", dilation, rank)
    extra = _ints("output_padding", output_padding, rank)
    if any(e >= max(s, 1) or e < 0 for e, s in zip(extra, steps, strict=True)):
        raise Unsaid("an output_padding of a stride or more")
    return _batched(
        g,
        y,
        rank,
        lambda y: g.node(
            "ConvTranspose",
            y,
            w,
            b,
            kernel_shape=[int(n) for n in w.shape[2:]],
            strides=steps,
            pads=pads,
            dilations=dilations,
            output_padding=extra,
            group=int(groups),
        ),
    )


def _windows(x: Merged, rank: int, kernel: Any, stride: Any, padding: Any, dilation: Any) -> dict[str, Any]:
    sizes = _ints("kernel_size", kernel, rank)
    steps = sizes if stride in (None, ()) else _ints("stride", stride, rank)
    around = _ints("padding", padding, rank)
    return {"kernel_shape": sizes, "strides": steps, "pads": around * 2} | (
        {} if dilation is None else {"dilations": _ints("dilation", dilation, rank)}
    )


def _count(n: int, k: int, s: int, p: int, d: int) -> tuple[int, int]:
    """Windows of ceil_mode along an axis: as PyTorch has them, and as ONNX counts them."""
    more = math.ceil((n + 2 * p - d * (k - 1) - 1) / s) + 1
    return more - ((more - 1) * s >= n + p), more


def _ceil(g: Graph, x: Merged, rank: int, settings: dict, ceil_mode: bool) -> bool:
    """Whether the attribute ceil_mode is to be set. Raises Unsaid where ONNX would add a window outside the image."""
    if not ceil_mode:
        return False
    for axis in range(rank):
        sizes = x.shape[x.ndim - rank + axis]
        for n in sizes.entries if isinstance(sizes, Varying) else (sizes,):
            k, s, p = (settings[key][axis] for key in ("kernel_shape", "strides", "pads"))
            ours, theirs = _count(n, k, s, p, settings.get("dilations", [1] * rank)[axis])
            if ours != theirs:
                raise Unsaid("a last window of ceil_mode that begins behind the image")
    return True


@says("max_pool")
def _max_pool(
    g: Graph,
    rank: int,
    x: Merged,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    indices: bool,
) -> Any:
    settings = _windows(x, rank, kernel, stride, padding, dilation)
    ceil = _ceil(g, x, rank, settings, ceil_mode)
    if not indices:
        return _batched(g, x, rank, lambda x: g.node("MaxPool", x, ceil_mode=int(ceil), **settings))
    pixels = math.prod(n for n in x.shape[x.ndim - rank :] if not isinstance(n, Varying))
    if any(isinstance(n, Varying) for n in x.shape[x.ndim - rank :]):
        raise Unsaid("positions in images whose size stays open")

    def pooled(x: Any) -> tuple:
        values, places = g.node("MaxPool", x, outputs=2, ceil_mode=int(ceil), **settings)
        return values, g.node("Mod", places, np.array(pixels))  # ONNX counts on through all planes

    return _batched(g, x, rank, pooled)


@says("avg_pool")
def _avg_pool(
    g: Graph, rank: int, x: Merged, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, include: bool, divisor: Any
) -> Any:
    if x.dtype.kind != "f" or divisor is not None:
        raise Unsaid("integers, or divisor_override")
    settings = _windows(x, rank, kernel, stride, padding, None)
    ceil = _ceil(g, x, rank, settings, ceil_mode)
    if ceil:  # what the last windows are divided by differs from tool to tool
        raise Unsaid("ceil_mode of averages")
    return _batched(g, x, rank, lambda x: g.node("AveragePool", x, count_include_pad=int(bool(include)), **settings))


@says("adaptive_avg_pool")
def _adaptive_avg_pool(g: Graph, rank: int, x: Merged, output_size: Any) -> Any:
    return _adaptive(g, rank, x, output_size, "AveragePool")


@says("adaptive_max_pool")
def _adaptive_max_pool(g: Graph, rank: int, x: Merged, output_size: Any, indices: bool = False) -> Any:
    if indices:
        raise Unsaid("positions")
    return _adaptive(g, rank, x, output_size, "MaxPool")


def _adaptive(g: Graph, rank: int, x: Merged, output_size: Any, op: str) -> Any:
    """One window for all, windows of one size, or, of averages, a product with a matrix for each axis."""
    sizes = x.shape[x.ndim - rank :]
    wanted = list(output_size) if isinstance(output_size, tuple | list) else [output_size] * rank
    wanted = [n if w is None else w for n, w in zip(sizes, wanted, strict=True)]
    if all(w == 1 for w in wanted):
        return _batched(g, x, rank, lambda x: g.node(f"Global{op}", x))
    if any(isinstance(n, Varying) for n in (*sizes, *wanted)):
        raise Unsaid("adaptive pooling of images whose size stays open, to more than one pixel")
    if all(n % w == 0 for n, w in zip(sizes, wanted, strict=True)):
        steps = [n // w for n, w in zip(sizes, wanted, strict=True)]
        return _batched(g, x, rank, lambda x: g.node(op, x, kernel_shape=steps, strides=steps))
    out: Any = x
    for axis, (n, w) in enumerate(zip(sizes, wanted, strict=True), x.ndim - rank):
        if op == "MaxPool":
            ends = [(o * n // w, -(-(o + 1) * n // w)) for o in range(w)]
            parts = [g.node("Slice", out, *(np.array([v]) for v in (*pair, axis))) for pair in ends]
            out = g.node("Concat", *(reduced(g, "ReduceMax", part, [axis], True) for part in parts), axis=axis)
            continue
        matrix = np.zeros((n, w))
        for o in range(w):
            first, last = o * n // w, -(-(o + 1) * n // w)
            matrix[first:last, o] = 1 / (last - first)
        out = _along(g, out, matrix.astype(x.dtype), axis, x.ndim)
    return out


def _along(g: Graph, x: Any, matrix: np.ndarray, axis: int, ndim: int) -> Any:
    """The product with a matrix (before, after) along an axis."""
    if axis == ndim - 1:
        return g.node("MatMul", x, matrix)
    order = [d for d in range(ndim) if d != axis] + [axis]
    out = g.node("MatMul", g.node("Transpose", x, perm=order), matrix)
    return g.node("Transpose", out, perm=[order.index(d) for d in range(ndim)])


@says("batch_norm")
def _batch_norm(
    g: Graph,
    input: Merged,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    channels = input.shape[1]
    weight = np.ones(channels, input.dtype) if weight is None else weight
    bias = np.zeros(channels, input.dtype) if bias is None else bias
    if training and running_mean is None and running_var is None:
        axes = [0, *range(2, input.ndim)]
        centred = g.node("Sub", input, reduced(g, "ReduceMean", input, axes, True))
        variance = reduced(g, "ReduceMean", g.node("Mul", centred, centred), axes, True)
        normal = g.node("Div", centred, g.node("Sqrt", g.node("Add", variance, like(input, eps))))
        column = np.array([-1, *(1,) * (input.ndim - 2)], np.int64)
        return g.node("Add", g.node("Mul", normal, g.node("Reshape", weight, column)), g.node("Reshape", bias, column))
    if training:
        raise Unsaid("running statistics that change")
    if any(v.dtype != input.dtype for v in (weight, bias, running_mean, running_var)):
        raise Unsaid("statistics of another dtype")
    settings: dict[str, Any] = {"epsilon": float(eps)} | (
        {"momentum": 1 - momentum} if 0 < momentum < 1 and momentum != 0.1 else {}
    )
    return g.node("BatchNormalization", input, weight, bias, running_mean, running_var, **settings)


@says("instance_norm")
def _instance_norm(
    g: Graph,
    input: Merged,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    if not use_input_stats:
        return _batch_norm(g, input, running_mean, running_var, weight, bias, False, momentum, eps)
    if input.ndim < 3:
        raise Unsaid("no pixels")
    weight = np.ones(input.shape[1], input.dtype) if weight is None else weight
    bias = np.zeros(input.shape[1], input.dtype) if bias is None else bias
    return g.node("InstanceNormalization", input, weight, bias, epsilon=float(eps))


@says("local_response_norm")
def _local_response_norm(
    g: Graph, input: Merged, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Any:
    if size % 2 == 0:
        raise Unsaid("an even size")
    return g.node("LRN", input, size=size, alpha=float(alpha), beta=float(beta), bias=float(k))


@says("embedding")
def _embedding(g: Graph, input: Merged, weight: Merged, *_: Any, max_norm: Any = None, **__: Any) -> Any:
    if max_norm is not None or (len(_) > 1 and _[1] is not None):
        raise Unsaid("max_norm, which changes the table")
    return g.node("Gather", weight, input, axis=0)


@says("recurrent")
def _recurrent(g: Graph, module: Any, input: Any, hx: Any = None) -> tuple:
    """RNN, LSTM and GRU: one node a layer, of both directions. The rows of weights are brought into ONNX's order."""
    if not isinstance(input, Merged) or module.proj_size:
        raise Unsaid("packed sequences or projections")
    op, order, hidden = module.mode.partition("_")[0], _GATES[module.mode.partition("_")[0]], module.hidden_size
    rows = np.concatenate([np.arange(k * hidden, (k + 1) * hidden) for k in order])
    directions = 1 + bool(module.bidirectional)
    batched = input.ndim == 3
    x: Any = input if batched else g.node("Unsqueeze", input, np.array([1]))
    if batched and module.batch_first:
        x = g.node("Transpose", x, perm=[1, 0, 2])
    states = [] if hx is None else list(hx) if isinstance(hx, tuple) else [hx]
    if not batched:
        states = [g.node("Unsqueeze", state, np.array([1])) for state in states]
    settings: dict[str, Any] = {"hidden_size": hidden, "direction": "bidirectional" if directions == 2 else "forward"}
    if op == "GRU":
        settings["linear_before_reset"] = 1
    if op == "RNN":
        settings["activations"] = ["Relu" if module.mode == "RNN_RELU" else "Tanh"] * directions

    def ordered(name: str) -> Any:
        return g.node("Gather", g.named(getattr(module, name)), rows, axis=0)

    def joined(parts: list[str]) -> Any:
        parts = [g.node("Unsqueeze", part, np.array([0])) for part in parts]
        return parts[0] if len(parts) == 1 else g.node("Concat", *parts, axis=0)

    last: list[list[str]] = [[], []]
    for layer in range(module.num_layers):
        names = module._names[layer * directions : (layer + 1) * directions]
        w = joined([ordered(each[0]) for each in names])
        r = joined([ordered(each[1]) for each in names])
        b = None
        if module.bias:
            b = joined([g.node("Concat", ordered(each[2]), ordered(each[3]), axis=0) for each in names])
        ends = np.array([layer * directions]), np.array([(layer + 1) * directions])
        begin = [g.node("Slice", state, *ends, np.array([0])) for state in states]
        out, *final = g.node(op, x, w, r, b, None, *begin, outputs=3 if op == "LSTM" else 2, **settings)
        x = g.node("Reshape", g.node("Transpose", out, perm=[0, 2, 1, 3]), np.array([0, 0, -1]))
        for kept, state in zip(last, final, strict=False):
            kept.append(state)
    ends_of = [kept[0] if len(kept) == 1 else g.node("Concat", *kept, axis=0) for kept in last if kept]
    if not batched:
        x = g.node("Squeeze", x, np.array([1]))
        ends_of = [g.node("Squeeze", state, np.array([1])) for state in ends_of]
    elif module.batch_first:
        x = g.node("Transpose", x, perm=[1, 0, 2])
    return x, ends_of[0] if len(ends_of) == 1 else tuple(ends_of)


def _sums(g: Graph, x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> tuple[str, str]:
    return g.node("Gemm", x, w_ih, b_ih, transB=1), g.node("Gemm", h, w_hh, b_hh, transB=1)


def _simple_cell(op: str) -> Callable:
    def row(g: Graph, input: Merged, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
        return g.node(op, g.node("Add", *_sums(g, input, hx, w_ih, w_hh, b_ih, b_hh)))

    return row


STEPS |= {"rnn_tanh_cell": _simple_cell("Tanh"), "rnn_relu_cell": _simple_cell("Relu")}


@says("lstm_cell")
def _lstm_cell(g: Graph, input: Merged, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> tuple:
    h, c = hx
    sums = g.node("Add", *_sums(g, input, h, w_ih, w_hh, b_ih, b_hh))
    i, f, n, o = g.node("Split", sums, outputs=4, axis=1, num_outputs=4 if g.opset >= 18 else None)
    kept = g.node("Mul", g.node("Sigmoid", f), c)
    c = g.node("Add", kept, g.node("Mul", g.node("Sigmoid", i), g.node("Tanh", n)))
    return g.node("Mul", g.node("Sigmoid", o), g.node("Tanh", c)), c


@says("gru_cell")
def _gru_cell(g: Graph, input: Merged, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """n = tanh(x_n + r h_n); h' = n + z (h - n)."""
    count = 3 if g.opset >= 18 else None
    x, h = (
        g.node("Split", part, outputs=3, axis=1, num_outputs=count)
        for part in _sums(g, input, hx, w_ih, w_hh, b_ih, b_hh)
    )
    r, z = (g.node("Sigmoid", g.node("Add", x[k], h[k])) for k in (0, 1))
    n = g.node("Tanh", g.node("Add", x[2], g.node("Mul", r, h[2])))
    return g.node("Add", n, g.node("Mul", z, g.node("Sub", hx, n)))


_GATES = {"RNN": (0,), "LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}  # input, output, forget, cell; update, reset, new


# -------------------------------------------------------------------------------------------- images made larger
def _runs(size: Any) -> Any:
    """A size in each run."""
    return size.entries if isinstance(size, Varying) else itertools.repeat(size, 64)


@says("interpolate")
def _interpolate(
    g: Graph,
    input: Merged,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: Any = None,
    recompute_scale_factor: Any = None,
    antialias: bool = False,
) -> Any:
    modes = {"nearest": "nearest", "linear": "linear", "bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}
    rank = input.ndim - 2
    if mode not in modes or antialias:
        raise Unsaid(f"mode {mode!r}" if mode not in modes else "antialias")
    place = "asymmetric" if mode == "nearest" else "align_corners" if align_corners else "pytorch_half_pixel"
    settings: dict[str, Any] = {"coordinate_transformation_mode": place, "mode": modes[mode]}
    if mode == "nearest":
        settings["nearest_mode"] = "floor"
    if mode == "bicubic":
        settings["cubic_coeff_a"] = -0.75
    if scale_factor is not None and not recompute_scale_factor:
        factors = scale_factor if isinstance(scale_factor, tuple | list) else [scale_factor] * rank
        scales = np.array([1.0, 1.0, *map(float, factors)], np.float32)
        if mode == "nearest" and any(f <= 0 or max(f, 1 / f) % 1 for f in map(float, factors)):
            raise Unsaid("factors that are no whole numbers or parts, of the nearest pixel")
        return g.node("Resize", input, None, scales, **settings)
    if size is None:
        raise Unsaid("recompute_scale_factor")
    target = list(size) if isinstance(size, tuple | list) else [size] * rank
    pairs = [
        pair for n, t in zip(input.shape[2:], target, strict=True) for pair in zip(_runs(n), _runs(t), strict=False)
    ]
    if mode == "nearest" and any(b % a for a, b in pairs):
        raise Unsaid("sizes that are no multiples, of the nearest pixel")
    shape = g.node("Shape", input, start=0, end=2) if g.opset >= 15 else g.ints(input.shape[:2])
    return g.node("Resize", input, None, None, g.node("Concat", shape, g.ints(target), axis=0), **settings)


@says("pixel_shuffle")
def _pixel_shuffle(g: Graph, input: Merged, upscale_factor: int) -> Any:
    if input.ndim != 4:
        raise Unsaid("other ranks")
    return g.node("DepthToSpace", input, blocksize=int(upscale_factor), mode="CRD")


@says("grid_sample")
def _grid_sample(
    g: Graph,
    input: Merged,
    grid: Merged,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: Any = None,
) -> Any:
    if g.opset < 16 or input.ndim != 4:
        raise Unsaid("before opset 16, or volumes")
    word = {"nearest": "nearest", "bilinear": "bilinear", "bicubic": "bicubic"}[mode]
    if g.opset >= 20:
        word = {"nearest": "nearest", "bilinear": "linear", "bicubic": "cubic"}[mode]
    return g.node(
        "GridSample", input, grid, mode=word, padding_mode=padding_mode, align_corners=int(bool(align_corners))
    )


# ----------------------------------------------------------------------------------------------------- choices
@says("mean")
def _mean(g: Graph, x: Merged, *, dim: tuple, keepdim: bool) -> Any:
    return reduced(g, "ReduceMean", x, dim, keepdim) if dim else x


def _position(op: str) -> Callable:
    def row(g: Graph, x: Merged, dim: Any = None, keepdim: bool = False) -> Any:
        if dim is None:
            flat = g.node("Reshape", x, np.array([-1]))
            out = g.node(op, flat, axis=0, keepdims=0)
            return g.node("Reshape", out, np.ones(x.ndim, np.int64)) if keepdim else out
        return g.node(op, x, axis=int(dim), keepdims=int(keepdim))

    return row


STEPS |= {"argmax": _position("ArgMax"), "argmin": _position("ArgMin")}


@says("topk")
def _topk(g: Graph, input: Merged, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple:
    if not input.ndim:
        raise Unsaid("a scalar")
    return g.node("TopK", input, g.ints([k]), outputs=2, axis=int(dim), largest=int(largest), sorted=int(sorted))


@says("sort")
def _sort(g: Graph, input: Merged, dim: int = -1, descending: bool = False, *, stable: Any = None) -> tuple:
    if not input.ndim:
        raise Unsaid("a scalar")
    return _topk(g, input, input.shape[dim], dim, descending)


@says("argsort")
def _argsort(g: Graph, input: Merged, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Any:
    return _sort(g, input, dim, descending)[1]


@says("one_hot")
def _one_hot(g: Graph, tensor: Merged, num_classes: int = -1) -> Any:
    if isinstance(num_classes, Varying) or num_classes == -1:
        raise Unsaid("classes that are counted")
    return g.node("OneHot", tensor, np.array(num_classes), np.array([0, 1]), axis=-1)


def _truth(op: str) -> Callable:
    def row(g: Graph, x: Merged, *, dim: tuple, keepdim: bool) -> Any:
        if x.dtype == np.uint8:
            raise Unsaid("of uint8")
        truth = g.node("Cast", x, to=TYPES["bool"])
        return g.node("Cast", reduced(g, op, g.node("Cast", truth, to=TYPES["int32"]), dim, keepdim), to=TYPES["bool"])

    return row


STEPS |= {"all": _truth("ReduceMin"), "any": _truth("ReduceMax")}


# --------------------------------------------------------------------------------------------------- in place
@says("assign")
def _assign(
    g: Graph, x: Any = None, value: Any = None, copied: bool = False, *, base: Any = None, views: Any = None
) -> Any:
    """x.op_(): the result; of a view: the base with the result at the view's places."""
    if base is None:
        return value
    if any(isinstance(n, Varying) for n in (*base.shape, *value.shape)) or isinstance(views, Varying):
        return _sliced_in(g, base, value, views)
    places = np.arange(math.prod(base.shape)).reshape(base.shape)
    for primitive, settings in views:
        places = primitive.function(places, **settings)
    return placed(g, base, np.ascontiguousarray(places), value)


def _sliced_in(g: Graph, base: Merged, value: Merged, views: Any) -> Any:
    """A slice along one axis, where others stay open: what is before it, the value, what is behind."""
    if isinstance(views, Varying) or len(views) != 1 or views[0][0].name != "getitem":
        raise Unsaid("a change in place of a view of a tensor whose size stays open")
    key = [k for k in views[0][1]["key"] if k is not Ellipsis]
    if Ellipsis in views[0][1]["key"][: len(key)] or not all(isinstance(k, slice | int) for k in key):
        raise Unsaid("a change in place of a view of a tensor whose size stays open")
    cut = [i for i, k in enumerate(key) if k != slice(None)]
    if len(cut) != 1 or isinstance(base.shape[cut[0]], Varying):
        raise Unsaid("a change in place of a view of a tensor whose size stays open")
    (axis,), k = cut, key[cut[0]]
    if isinstance(k, int):
        start, stop, step = k % base.shape[axis], k % base.shape[axis] + 1, 1
        new: Any = g.node("Unsqueeze", value, np.array([axis]))
    else:
        (start, stop, step), new = k.indices(base.shape[axis]), value
    if step != 1:
        raise Unsaid("a change in place of every other slice of a tensor whose size stays open")
    parts = [
        g.node("Slice", base, np.array([0]), np.array([start]), np.array([axis])) if start else None,
        new,
        g.node("Slice", base, np.array([stop]), np.array([BIG]), np.array([axis])) if stop < base.shape[axis] else None,
    ]
    return g.node("Concat", *(part for part in parts if part is not None), axis=axis)


@says("scaled_dot_product_attention")
def _attention(
    g: Graph,
    query: Merged,
    key: Merged,
    value: Merged,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: Any = None,
    enable_gqa: bool = False,
) -> Any:
    """Where the mask is computed: it is made in the graph, of sizes or of what was given; a row without a key is 0."""
    rows, columns = query.shape[-2], key.shape[-2]
    growing = is_causal and any(isinstance(n, Varying) for n in (rows, columns))
    given = isinstance(attn_mask, Merged) and attn_mask.kind in ("computed", "input")
    if enable_gqa or dropout_p or not (growing or given):
        raise Unsaid("as its parts")
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    axes = list(range(key.ndim))
    turned = g.node("Transpose", key, perm=[*axes[:-2], axes[-1], axes[-2]])
    scores = g.node("MatMul", g.node("Mul", query, like(query, factor)), turned)
    if growing:
        hidden = g.onnx.numpy_helper.from_array(np.array([-np.inf], query.dtype))
        shape = g.node("ConstantOfShape", g.ints([rows, columns]), value=hidden)
        added = g.node("Trilu", shape, np.ones((), np.int64), upper=1)
        return g.node("MatMul", g.node("Softmax", g.node("Add", scores, added), axis=-1), value)
    mask = _added(g, attn_mask, query, True)
    last = [attn_mask.ndim - 1]
    blind = g.node("Equal", reduced(g, "ReduceMax", mask, last, True), like(query, -np.inf))
    scores = g.node("Add", scores, g.node("Where", blind, like(query, 0), mask))
    weights = g.node("Where", blind, like(query, 0), g.node("Softmax", scores, axis=-1))
    return g.node("MatMul", weights, value)


def _added(g: Graph, mask: Merged, like_: Any, seen: bool) -> str:
    """A mask as what is added to scores; of bools, which say what is `seen`, or hidden."""
    if mask.dtype != np.bool_:
        return g.name(mask)
    zero, hidden = np.zeros((), like_.dtype), np.array(-np.inf, like_.dtype)
    return g.node("Where", mask, *((zero, hidden) if seen else (hidden, zero)))


@says("hidden_keys")
def _hidden_keys(g: Graph, name: str, mask: Any, dtype: Any) -> Any:
    return None if mask is None else _added(g, mask, np.zeros((), dtype), False)


@says("embedding_bag")
def _embedding_bag(
    g: Graph,
    input: Merged,
    weight: Merged,
    offsets: Any = None,
    max_norm: Any = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: Any = None,
) -> Any:
    if input.ndim != 2 or max_norm is not None or padding_idx is not None:
        raise Unsaid("bags of different sizes, max_norm or padding_idx")
    rows = g.node("Gather", weight, input, axis=0)
    if per_sample_weights is not None:
        rows = g.node("Mul", rows, g.node("Unsqueeze", per_sample_weights, np.array([2])))
    if mode == "sum":
        return g.node("ReduceSum", rows, np.array([1]), keepdims=0)
    return reduced(g, {"mean": "ReduceMean", "max": "ReduceMax"}[mode], rows, [1], False)


@says("max_unpool")
def _max_unpool(
    g: Graph, rank: int, x: Merged, indices: Any, kernel: Any, stride: Any, padding: Any, output_size: Any
) -> Any:
    """Zeros, as one line for each plane, with the elements at their places."""
    sizes = _ints("kernel_size", kernel, rank)
    steps = sizes if stride in (None, ()) else _ints("stride", stride, rank)
    around = _ints("padding", padding, rank)
    if x.ndim != rank + 2 or any(isinstance(n, Varying) for n in x.shape[2:]):
        raise Unsaid("images without a batch, or whose size stays open")
    size = [(n - 1) * s + k - 2 * p for n, s, k, p in zip(x.shape[2:], steps, sizes, around, strict=True)]
    if output_size is not None:
        size = _ints("output_size", tuple(output_size)[-rank:], rank)
    zero = g.onnx.numpy_helper.from_array(np.zeros(1, x.dtype))
    zeros = g.node("ConstantOfShape", g.ints([*x.shape[:2], math.prod(size)]), value=zero)
    lines = [g.node("Reshape", v, np.array([0, 0, -1])) for v in (indices, x)]
    return g.node("Reshape", g.node("ScatterElements", zeros, *lines, axis=2), np.array([0, 0, *size]))


@says("scatter")
def _scatter(
    g: Graph, x: Merged, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: Any = None
) -> Any:
    if reduce is not None or not isinstance(src, Merged) or index.shape != src.shape:
        raise Unsaid("a reduction, or one value for all")
    return g.node("ScatterElements", x, index, src, axis=int(dim))


@says("nonzero")
def _nonzero(g: Graph, x: Merged, *, as_tuple: bool = False) -> Any:
    if as_tuple or not x.ndim:
        raise Unsaid("as a tuple")
    return g.node("Transpose", g.node("NonZero", x), perm=[1, 0])


@says("count_nonzero")
def _count_nonzero(g: Graph, input: Merged, dim: Any = None) -> Any:
    truth = g.node("Cast", g.node("Cast", input, to=TYPES["bool"]), to=TYPES["int64"])
    axes = range(input.ndim) if dim is None else dim if isinstance(dim, tuple) else (dim,)
    return g.node("ReduceSum", truth, np.array(list(axes), np.int64), keepdims=0)


# ------------------------------------------------------------------------------------------- nodes that were loaded
@says("node")
def _node(g: Graph, told: Any, inputs: tuple, given: Any) -> tuple:
    """The node as it stood in the file, where its operator means the same in this opset."""
    node = told.proto
    known, wanted = (
        g.onnx.defs.get_schema(node.op_type, version, "").since_version for version in (told.opset, g.opset)
    )
    if known != wanted or any(a.HasField("g") for a in node.attribute):
        raise Unsaid("a node of another opset, or with graphs")
    if not all(isinstance(x, Merged) or x is None for x in inputs):
        raise Unsaid("values that are no tensors")
    out = g.node(node.op_type, *inputs, outputs=len(node.output), **g.attributes(node))
    return out if isinstance(out, tuple) else (out,)
