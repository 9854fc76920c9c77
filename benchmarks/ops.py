"""Every op and layer: forward, and backward through `autograd.grad`, at a size that fills memory and at a tiny one.

A row is written once for both libraries, since minitorch has PyTorch's names. The processes of `timing` look rows up by
name: functions cannot be sent to them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import nets
import numpy as np

SIZES = ("large", "tiny")
SAME = 2e-3  # relative: mean sizes of the results of two libraries
Shape = tuple[int, ...]


class Operand(NamedTuple):
    """An argument: shapes at both sizes (tiny: None if the row has no tiny size), and what it is filled with.

    kind: "normal", "positive" (0.5 to 1.5), "unit" (-0.9 to 0.9), "weight" (normal, small, in the memory order of
    parameters), which all get gradients; "constant" (0 to 1), "mask" (bools), "index" (integers below `below`), which
    get none.
    """

    large: Shape
    tiny: Shape | None
    kind: str = "normal"
    below: tuple[int, int] = (0, 0)

    def make(self, side: Any, size: str, seed: int) -> Any:
        """The tensor, in the memory order of this contender; a copy, since rows may write to it."""
        shape = self.large if size == "large" else self.tiny
        array = numbers(shape, self.kind, self.below[SIZES.index(size)], seed).copy()
        if self.kind in ("constant", "mask", "index"):
            return side.tensor(array)
        return (side.weight if self.kind == "weight" else side.tensor)(array).requires_grad_()


@lru_cache(maxsize=8)
def numbers(shape: Shape, kind: str, below: int, seed: int) -> np.ndarray:
    """The same for every contender."""
    rng = np.random.default_rng(seed)
    if kind == "index":
        return rng.integers(0, below, shape)
    if kind in ("normal", "weight"):
        scale = 1 if kind == "normal" else 1 / math.sqrt(max(1, math.prod(shape[1:])))
        return rng.standard_normal(shape, np.float32) * np.float32(scale)
    low, high = {"positive": (0.5, 1.5), "unit": (-0.9, 0.9), "constant": (0, 1), "mask": (0, 1)}[kind]
    array = rng.uniform(low, high, shape).astype(np.float32)
    return array > 0.5 if kind == "mask" else array


IMAGES: tuple[Shape, Shape] = (32, 64, 32, 32), (2, 4, 4, 4)
MATRIX: tuple[Shape, Shape] = (2048, 1024), (8, 8)
X, POSITIVE, UNIT = (Operand(*IMAGES, kind) for kind in ("normal", "positive", "unit"))
TARGET, MASK = Operand(*IMAGES, "constant"), Operand(*IMAGES, "mask")
ROWS, SQUARE = Operand(*MATRIX), Operand((512, 512), (8, 8))
SHORT = Operand((32, 16, 32, 32), IMAGES[1])  # of ops whose result is four times as large
LOGITS, LABELS = Operand((16384, 100), (8, 10)), Operand((16384,), (8,), "index", (100, 10))
CHANNELS = Operand((64,), (4,), "positive")
COLUMN = Operand((64, 1, 1), (4, 1, 1), "positive")
STATISTICS = Operand((64,), (4,), "constant")
LAST = Operand((1024,), (8,), "positive")


class Op(NamedTuple):
    """A row: `function(lib, functional, *operands)`, its result a tensor or several.

    backward: whether there is one. random: results are no two times the same, so nobody compares them.
    """

    name: str
    function: Callable[..., Any]
    operands: tuple[Operand, ...] = (X,)
    backward: bool = True
    random: bool = False

    @property
    def sizes(self) -> tuple[str, ...]:
        """Those at which it is timed."""
        return SIZES if self.operands[0].tiny is not None else SIZES[:1]

    def build(self, side: Any, size: str) -> Callable[[], Sequence[Any]]:
        """What is timed; it returns the results if there is no backward pass, else the gradients.

        The incoming gradient is the cosine of the result: it lies in memory as that does, and norms do not cancel it.
        """
        lib, f, grad = side.lib, side.lib.nn.functional, side.lib.autograd.grad
        xs = [operand.make(side, size, seed) for seed, operand in enumerate(self.operands)]
        targets = [x for x in xs if x.requires_grad]

        def forward() -> Sequence[Any]:
            y = self.function(lib, f, *xs)
            return y if isinstance(y, (tuple, list)) else [y]

        if not self.backward:
            return forward
        gs = [y.detach().cos() if y.ndim else None for y in forward()]
        return lambda: grad(forward(), targets, gs)


class Step(NamedTuple):
    """A row: one step of an optimizer over the parameters of a net, by PyTorch's fastest implementation."""

    name: str
    kind: str
    settings: dict[str, Any]
    random: bool = False
    sizes: tuple[str, ...] = SIZES

    def build(self, side: Any, size: str) -> Callable[[], Sequence[Any]]:
        """What is timed; it returns the parameters. Large: of the VGG-like net; tiny: of two linear layers."""

        def linear(nn: Any) -> Any:
            return nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 4))

        parameters = list(side.model(nets.vgg if size == "large" else linear).parameters())
        for seed, p in enumerate(parameters):
            p.data.copy_(side.weight(numbers(tuple(p.shape), "normal", 0, seed).copy()))
            p.grad = side.weight(numbers(tuple(p.shape), "weight", 0, seed + 1).copy())
        optimizer = getattr(side.lib.optim, self.kind)(parameters, lr=1e-4, fused=True, **self.settings)

        def step() -> Sequence[Any]:
            optimizer.step()
            return parameters

        return step


def functional(names: str, *operands: Operand, **settings: Any) -> Iterable[Op]:
    """Rows of functions of `nn.functional`."""
    for name in names.split():
        yield Op(name, lambda lib, f, *xs, name=name: getattr(f, name)(*xs, **settings), operands or (X,))


def toplevel(names: str, *operands: Operand, backward: bool = True) -> Iterable[Op]:
    """Rows of functions of the library itself."""
    for name in names.split():
        yield Op(name, lambda lib, f, *xs, name=name: getattr(lib, name)(*xs), operands or (X,), backward)


def pads(mode: str) -> Op:
    """One pixel on every side."""
    return Op(f"pad {mode}", lambda lib, f, x: f.pad(x, (1, 1, 1, 1), mode=mode))


def resized(mode: str) -> Op:
    """Images of twice the height and width."""
    settings = {} if mode == "nearest" else {"align_corners": False}
    return Op(
        f"interpolate {mode}", lambda lib, f, x: f.interpolate(x, scale_factor=2, mode=mode, **settings), (SHORT,)
    )


def conv(
    name: str,
    kernel: int,
    stride: int = 1,
    dilation: int = 1,
    groups: tuple[int, int] = (1, 1),
    images: tuple[Shape, Shape] = IMAGES,
) -> Op:
    """A 2-d convolution with as many output channels as input channels, a bias, and images of one size if unstrided."""
    large, tiny = ((x[1], x[1] // g, kernel, kernel) for x, g in zip(images, groups, strict=True))
    padding = dilation * (kernel // 2)

    def function(lib: Any, f: Any, x: Any, w: Any, b: Any) -> Any:
        return f.conv2d(x, w, b, stride, padding, dilation, x.shape[1] // w.shape[1])

    return Op(name, function, (Operand(*images), Operand(large, tiny, "weight"), Operand(large[:1], tiny[:1])))


OPS: list[Op | Step] = [
    # activations
    *functional(
        "leaky_relu relu relu6 hardtanh elu celu selu gelu silu mish softplus sigmoid tanh hardswish hardsigmoid"
    ),
    *functional("softsign logsigmoid softshrink hardshrink tanhshrink"),
    Op("gelu tanh", lambda lib, f, x: f.gelu(x, approximate="tanh")),
    Op("threshold", lambda lib, f, x: f.threshold(x, 0.1, 0.0)),
    # one argument
    *toplevel("exp expm1 sin cos tan atan sinh cosh exp2 erf erfc abs"),
    *toplevel("log log2 log10 log1p sqrt rsqrt reciprocal", POSITIVE),
    *toplevel("asin acos", UNIT),
    Op("neg", lambda lib, f, x: -x),
    Op("x**2", lambda lib, f, x: x**2),
    Op("x**3", lambda lib, f, x: x**3),
    Op("x**1.7", lambda lib, f, x: x**1.7, (POSITIVE,)),
    Op("x * 2 + 1", lambda lib, f, x: x * 2 + 1),
    Op("clamp", lambda lib, f, x: x.clamp(-0.5, 0.5)),
    # several arguments
    *toplevel("add mul maximum hypot logaddexp", X, X),
    Op("sub", lambda lib, f, x, y: x - y, (X, X)),
    *toplevel("div pow xlogy atan2", POSITIVE, POSITIVE),
    Op("where", lambda lib, f, mask, x, y: lib.where(mask, x, y), (MASK, X, X)),
    Op("masked_fill", lambda lib, f, x, mask: x.masked_fill(mask, 0.0), (X, MASK)),
    Op("lerp by hand", lambda lib, f, x, y: x + 0.3 * (y - x), (X, X)),
    Op("add bias to channels", lambda lib, f, x, b: x + b, (X, COLUMN)),
    Op("scale channels", lambda lib, f, x, b: x * b, (X, COLUMN)),
    Op("add bias to rows", lambda lib, f, x, b: x + b, (ROWS, LAST)),
    Op("multiply by a mask", lambda lib, f, x, mask: x * mask, (X, MASK)),
    # forward only
    Op("x > y", lambda lib, f, x, y: x > y, (X, X), backward=False),
    Op("x == 0", lambda lib, f, x: x == 0, backward=False),
    Op("isnan", lambda lib, f, x: lib.isnan(x), backward=False),
    Op("float to double", lambda lib, f, x: x.double(), backward=False),
    Op("float to int", lambda lib, f, x: x.int(), backward=False),
    Op("bool to float", lambda lib, f, mask: mask.float(), (MASK,), backward=False),
    Op("argmax of channels", lambda lib, f, x: x.argmax(1), backward=False),
    # losses
    *functional("mse_loss l1_loss smooth_l1_loss huber_loss binary_cross_entropy_with_logits", X, TARGET),
    *functional("cross_entropy nll_loss multi_margin_loss", LOGITS, LABELS),
    *functional("hinge_embedding_loss soft_margin_loss poisson_nll_loss multilabel_soft_margin_loss", X, TARGET),
    Op("kl_div", lambda lib, f, x, y: f.kl_div(x, y, reduction="batchmean"), (X, TARGET)),
    Op("gaussian_nll_loss", lambda lib, f, x, y, v: f.gaussian_nll_loss(x, y, v), (X, TARGET, POSITIVE)),
    Op("triplet_margin_loss", lambda lib, f, x, y, z: f.triplet_margin_loss(x, y, z), (ROWS, ROWS, ROWS)),
    # special functions
    *toplevel("i0 sinc lgamma digamma", POSITIVE),
    *toplevel("erfinv", UNIT),
    Op("logit", lambda lib, f, x: lib.logit(x, 0.01), (TARGET,), backward=False),
    *(
        Op(name, lambda lib, f, x, name=name: getattr(lib.special, name)(x), (POSITIVE,), backward)
        for name, backward in (
            ("ndtr", True),
            ("log_ndtr", True),
            ("erfcx", True),
            ("i1e", True),
            ("bessel_j0", False),
            ("bessel_y1", False),
            ("modified_bessel_k0", False),
            ("spherical_bessel_j0", False),
            ("airy_ai", False),
        )
    ),
    Op("legendre_polynomial_p", lambda lib, f, x: lib.special.legendre_polynomial_p(x, 5), (UNIT,), backward=False),
    # reductions and scans
    Op("sum", lambda lib, f, x: x.sum()),
    Op("sum of pixels", lambda lib, f, x: x.sum((2, 3))),
    Op("sum of channels", lambda lib, f, x: x.sum(1)),
    Op("mean", lambda lib, f, x: x.mean()),
    Op("mean of pixels", lambda lib, f, x: x.mean((2, 3))),
    Op("var", lambda lib, f, x: x.var()),
    Op("var of channels", lambda lib, f, x: x.var(1)),
    Op("std of rows", lambda lib, f, x: x.std(-1), (ROWS,)),
    Op("std_mean of channels", lambda lib, f, x: lib.std_mean(x, 1)),
    Op("prod of channels", lambda lib, f, x: x.prod(1), (POSITIVE,)),
    Op("amax", lambda lib, f, x: x.amax()),
    Op("amax of channels", lambda lib, f, x: x.amax(1)),
    Op("max of channels", lambda lib, f, x: x.max(1)[0]),
    Op("max of rows", lambda lib, f, x: x.max(-1)[0], (ROWS,)),
    Op("norm 1", lambda lib, f, x: x.norm(1)),
    Op("norm 2", lambda lib, f, x: x.norm(2)),
    Op("norm 3", lambda lib, f, x: x.norm(3)),
    Op("norm inf", lambda lib, f, x: x.norm(math.inf)),
    Op("norm 2 of channels", lambda lib, f, x: x.norm(2, 1)),
    Op("logsumexp of rows", lambda lib, f, x: x.logsumexp(-1), (ROWS,)),
    Op("logsumexp of channels", lambda lib, f, x: x.logsumexp(1)),
    Op("sort of rows", lambda lib, f, x: x.sort(-1)[0], (ROWS,)),
    Op("topk of rows", lambda lib, f, x: x.topk(5)[0], (ROWS,)),
    Op("median of rows", lambda lib, f, x: x.median(-1)[0], (ROWS,)),
    Op("logcumsumexp of rows", lambda lib, f, x: x.logcumsumexp(-1), (ROWS,)),
    Op("cdist", lambda lib, f, x, y: lib.cdist(x, y), (Operand((1024, 64), (8, 8)), Operand((1024, 64), (8, 8)))),
    Op("normalize", lambda lib, f, x: f.normalize(x)),
    Op("cumsum of rows", lambda lib, f, x: x.cumsum(-1), (ROWS,)),
    Op("cumsum of channels", lambda lib, f, x: x.cumsum(1)),
    Op("cumprod of channels", lambda lib, f, x: x.cumprod(1), (POSITIVE,)),
    Op("softmax of rows", lambda lib, f, x: f.softmax(x, -1), (ROWS,)),
    Op("softmax of channels", lambda lib, f, x: f.softmax(x, 1)),
    Op("log_softmax of rows", lambda lib, f, x: f.log_softmax(x, -1), (ROWS,)),
    Op("log_softmax of channels", lambda lib, f, x: f.log_softmax(x, 1)),
    # sorting, statistics
    Op("argsort of rows", lambda lib, f, x: x.argsort(dim=-1, stable=True), (ROWS,), backward=False),
    Op("kthvalue of rows", lambda lib, f, x: x.kthvalue(7)[0], (ROWS,)),
    Op("msort", lambda lib, f, x: x.msort(), (ROWS,)),
    Op("bucketize", lambda lib, f, x: lib.bucketize(x, lib.linspace(-2, 2, 65)), (ROWS,), backward=False),
    Op("unique", lambda lib, f, i: lib.unique(i), (Operand(*MATRIX, "index", (1000, 8)),), backward=False),
    Op("bincount", lambda lib, f, i: i.bincount(), (Operand((1 << 20,), (64,), "index", (1000, 8)),), backward=False),
    Op("histc", lambda lib, f, x: x.histc(100, -3, 3), backward=False),
    Op("quantile of rows", lambda lib, f, x: x.quantile(0.3, -1), (ROWS,)),
    Op("aminmax", lambda lib, f, x: x.aminmax(), backward=False),
    Op("cummax of rows", lambda lib, f, x: x.cummax(-1)[0], (ROWS,)),
    Op("diff of rows", lambda lib, f, x: x.diff(), (ROWS,)),
    Op("trapezoid of rows", lambda lib, f, x: lib.trapezoid(x), (ROWS,)),
    Op("cov", lambda lib, f, x: x.cov(), (Operand((512, 2048), (8, 8)),)),
    Op("nanmean of rows", lambda lib, f, x: x.nanmean(-1), (ROWS,)),
    # norms
    Op("layer_norm of rows", lambda lib, f, x, w, b: f.layer_norm(x, w.shape, w, b), (ROWS, LAST, LAST)),
    Op("layer_norm of images", lambda lib, f, x: f.layer_norm(x, x.shape[1:])),
    Op("rms_norm of rows", lambda lib, f, x, w: f.rms_norm(x, w.shape, w), (ROWS, LAST)),
    Op("group_norm", lambda lib, f, x, w, b: f.group_norm(x, 4, w, b), (X, CHANNELS, CHANNELS)),
    Op("instance_norm", lambda lib, f, x: f.instance_norm(x)),
    Op(
        "batch_norm",
        lambda lib, f, x, w, b, mean, var: f.batch_norm(x, mean, var, w, b, training=True),
        (X, CHANNELS, CHANNELS, STATISTICS, STATISTICS),
    ),
    Op(
        "batch_norm + relu",
        lambda lib, f, x, w, b, mean, var: f.relu(f.batch_norm(x, mean, var, w, b, training=True)),
        (X, CHANNELS, CHANNELS, STATISTICS, STATISTICS),
    ),
    Op(
        "batch_norm in evaluation",
        lambda lib, f, x, w, b, mean, var: f.batch_norm(x, mean, var, w, b),
        (X, CHANNELS, CHANNELS, STATISTICS, STATISTICS),
    ),
    Op("local_response_norm", lambda lib, f, x: f.local_response_norm(x, 5)),
    Op("normalize by hand", lambda lib, f, x: x / x.norm(2, 1, keepdim=True)),
    Op("dropout", lambda lib, f, x: f.dropout(x, 0.5), random=True),
    Op("dropout2d", lambda lib, f, x: f.dropout2d(x, 0.5), random=True),
    # joins, parts and places
    Op("cat of channels", lambda lib, f, x, y: lib.cat([x, y], 1), (X, X)),
    Op("cat of images", lambda lib, f, x, y: lib.cat([x, y], 0), (X, X)),
    Op("stack", lambda lib, f, x, y: lib.stack([x, y]), (X, X)),
    Op("split of channels", lambda lib, f, x: x.split(x.shape[1] // 4, 1)),
    Op("chunk of images", lambda lib, f, x: x.chunk(2, 0)),
    Op("slice of pixels", lambda lib, f, x: x[:, :, 1:-1, 1:-1]),
    Op("repeat", lambda lib, f, x: x.repeat(1, 1, 2, 2), (SHORT,)),
    Op("expand", lambda lib, f, x, y: x.expand(y.shape) * y, (COLUMN, X)),
    Op("flip", lambda lib, f, x: x.flip(3)),
    Op("roll", lambda lib, f, x: x.roll((1, 1), (2, 3))),
    Op("clone", lambda lib, f, x: x.clone()),
    Op("tril", lambda lib, f, x: x.tril(), (ROWS,)),
    Op("rot90", lambda lib, f, x: x.rot90(1, (2, 3))),
    Op("tile", lambda lib, f, x: x.tile(2, 2), (SHORT,)),
    Op("repeat_interleave", lambda lib, f, x: x.repeat_interleave(2, 1), (SHORT,)),
    Op("diag_embed", lambda lib, f, x: x.diag_embed(), (Operand((2048, 32), (8, 8)),)),
    Op("diagonal", lambda lib, f, x: x.diagonal(0, 2, 3)),
    Op("tensor_split of channels", lambda lib, f, x: x.tensor_split(3, 1)),
    Op("as_strided, windows", lambda lib, f, x: x.as_strided((x.numel() // 4 - 1, 8), (4, 1)), (ROWS,)),
    Op("transpose_copy", lambda lib, f, x: lib.transpose_copy(x, 0, 1), (ROWS,)),
    Op("block_diag", lambda lib, f, x, y: lib.block_diag(x, y), (ROWS, ROWS)),
    *map(pads, ("constant", "reflect", "replicate", "circular")),
    Op("rows by index", lambda lib, f, x, i: x[i], (ROWS, Operand((2048,), (8,), "index", (2048, 8)))),
    Op(
        "index_select of columns",
        lambda lib, f, x, i: x.index_select(1, i),
        (ROWS, Operand((1024,), (8,), "index", (1024, 8))),
    ),
    Op("gather", lambda lib, f, x, i: x.gather(1, i), (ROWS, Operand(*MATRIX, "index", (1024, 8)))),
    Op(
        "scatter_add",
        lambda lib, f, x, i, y: x.scatter_add(1, i, y),
        (ROWS, Operand(*MATRIX, "index", (1024, 8)), ROWS),
    ),
    *(
        Op(name, function, (ROWS, Operand((2048,), (8,), "index", (2048, 8)), ROWS))
        for name, function in (
            ("index_add", lambda lib, f, x, i, y: x.index_add(0, i, y)),
            ("index_put, accumulating", lambda lib, f, x, i, y: x.index_put((i,), y, True)),
            ("index_reduce amax", lambda lib, f, x, i, y: x.index_reduce(0, i, y, "amax")),
        )
    ),
    *(
        Op(name, function, (ROWS, Operand(*MATRIX, "index", (1024, 8)), ROWS))
        for name, function in (
            ("take_along_dim", lambda lib, f, x, i, y: x.take_along_dim(i, 1) * y),
            ("take", lambda lib, f, x, i, y: x.take(i) * y),
            ("scatter_reduce amax", lambda lib, f, x, i, y: x.scatter_reduce(1, i, y, "amax")),
            ("scatter_reduce mean", lambda lib, f, x, i, y: x.scatter_reduce(1, i, y, "mean")),
        )
    ),
    Op("masked_select", lambda lib, f, x, mask: x.masked_select(mask), (X, MASK)),
    Op("masked_scatter", lambda lib, f, x, mask, y: x.masked_scatter(mask, y), (X, MASK, X)),
    Op(
        "embedding",
        lambda lib, f, i, w: f.embedding(i, w),
        (Operand((32768,), (8,), "index", (10000, 10)), Operand((10000, 64), (10, 4), "weight")),
    ),
    Op("reshape", lambda lib, f, x: x.reshape(x.shape[0], x.shape[1], -1)),
    Op("flatten", lambda lib, f, x: x.flatten(1)),
    Op("transpose, contiguous", lambda lib, f, x: x.transpose(0, 1).contiguous(), (ROWS,)),
    Op("permute, contiguous", lambda lib, f, x: x.permute(0, 2, 3, 1).contiguous()),
    *map(resized, ("nearest", "bilinear", "bicubic")),
    Op("pixel_shuffle", lambda lib, f, x: f.pixel_shuffle(x, 2)),
    Op("unfold", lambda lib, f, x: f.unfold(x, 3, padding=1), (Operand((8, 32, 32, 32), IMAGES[1]),)),
    # products
    *(
        Op(name, lambda lib, f, x, w, b: f.linear(x, w, b), operands)
        for name, operands in (
            (
                "linear (64, 400) to 120",
                (Operand((64, 400), (8, 8)), Operand((120, 400), (4, 8), "weight"), Operand((120,), (4,))),
            ),
            (
                "linear (256, 1024) to 1024",
                (Operand((256, 1024), None), Operand((1024, 1024), None, "weight"), Operand((1024,), None)),
            ),
        )
    ),
    *toplevel("matmul", Operand((1024, 1024), (8, 8)), Operand((1024, 1024), (8, 8), "weight")),
    Op("linalg.solve", lambda lib, f, a, b: lib.linalg.solve(a * 0.01 + lib.eye(len(a)), b), (SQUARE, SQUARE)),
    Op("linalg.cholesky", lambda lib, f, a: lib.linalg.cholesky(a @ a.mT + lib.eye(len(a))), (SQUARE,)),
    Op("linalg.cross", lambda lib, f, a, b: lib.linalg.cross(a, b), (Operand((500_000, 3), (8, 3)),) * 2),
    *toplevel("bmm", Operand((64, 128, 128), (2, 4, 4)), Operand((64, 128, 128), (2, 4, 4))),
    Op("matrix times vector", lambda lib, f, x, y: x @ y, (ROWS, LAST)),
    Op(
        "einsum bij,bkj->bik",
        lambda lib, f, x, y: lib.einsum("bij,bkj->bik", x, y),
        (Operand((64, 128, 128), (2, 4, 4)), Operand((64, 128, 128), (2, 4, 4))),
    ),
    Op("einsum ij,ij->i", lambda lib, f, x, y: lib.einsum("ij,ij->i", x, y), (ROWS, ROWS)),
    Op("tensordot", lambda lib, f, x, y: lib.tensordot(x, y, 1), (ROWS, Operand((1024, 256), (8, 4)))),
    Op("outer", lambda lib, f, x, y: lib.outer(x, y), (LAST, Operand((2048,), (8,)))),
    Op("kron", lambda lib, f, x, y: lib.kron(x, y), (Operand((64, 64), (4, 4)), Operand((32, 32), (2, 2)))),
    *(
        Op(
            name,
            function,
            (*operands, Operand((gates * 256, 256), (gates * 4, 4)), Operand((gates * 256, 256), (gates * 4, 4))),
        )
        for name, gates, operands, function in (
            ("gru_cell", 3, (Operand((256, 256), (2, 4)),) * 2, lambda lib, f, x, h, w, u: lib.gru_cell(x, h, w, u)),
            (
                "lstm_cell",
                4,
                (Operand((256, 256), (2, 4)),) * 3,
                lambda lib, f, x, h, c, w, u: lib.lstm_cell(x, (h, c), w, u),
            ),
        )
    ),
    # convolutions and pools
    conv("conv2d 1x1", 1),
    conv("conv2d 3x3", 3),
    conv("conv2d 5x5", 5),
    conv("conv2d 3x3, stride 2", 3, stride=2),
    conv("conv2d 3x3, dilation 2", 3, dilation=2),
    conv("conv2d 3x3, 32 groups", 3, groups=(32, 2)),
    conv("conv2d 3x3, depthwise", 3, groups=(64, 4)),
    conv("conv2d 3x3, 3 channels of 8x8", 3, images=((4, 3, 8, 8), (1, 2, 4, 4))),
    Op(
        "conv_transpose2d 4x4, stride 2",
        lambda lib, f, x, w, b: f.conv_transpose2d(x, w, b, 2, 1),
        (
            Operand((32, 64, 16, 16), IMAGES[1]),
            Operand((64, 32, 4, 4), (4, 4, 4, 4), "weight"),
            Operand((32,), (4,)),
        ),
    ),
    Op(
        "conv1d 3",
        lambda lib, f, x, w, b: f.conv1d(x, w, b, padding=1),
        (Operand((32, 64, 1024), (2, 4, 16)), Operand((64, 64, 3), (4, 4, 3), "weight"), Operand((64,), (4,))),
    ),
    Op(
        "conv3d 3x3x3",
        lambda lib, f, x, w, b: f.conv3d(x, w, b, padding=1),
        (
            Operand((8, 16, 16, 16, 16), (1, 2, 4, 4, 4)),
            Operand((16, 16, 3, 3, 3), (2, 2, 3, 3, 3), "weight"),
            Operand((16,), (2,)),
        ),
    ),
    Op("max_pool2d", lambda lib, f, x: f.max_pool2d(x, 2)),
    Op("max_pool2d 3x3, stride 2", lambda lib, f, x: f.max_pool2d(x, 3, 2, 1)),
    Op("avg_pool2d", lambda lib, f, x: f.avg_pool2d(x, 2)),
    Op("adaptive_avg_pool2d", lambda lib, f, x: f.adaptive_avg_pool2d(x, 1)),
    # optimizers
    Step("SGD with momentum, a step", "SGD", {"momentum": 0.9}),
    Step("Adam, a step", "Adam", {}),
    Step("AdamW, a step", "AdamW", {}),
]
NAMED = {op.name: op for op in OPS}


def chosen(words: Sequence[str]) -> list[str]:
    """Names of the rows that have one of the words in them; all if there are no words."""
    return [name for name in NAMED if not words or any(word in name for word in words)]


def prepare(side: Any, name: str) -> dict[str, list[float]] | str:
    """Keep the functions of a row, one for each size, and call each once.

    Returns the mean magnitudes of their results by size, to be compared; or what is missing in this library.
    """
    op = NAMED[name]
    side.functions = {}
    try:
        side.functions = {size: op.build(side, size) for size in op.sizes}
        results = {size: function() for size, function in side.functions.items()}
    except (AttributeError, NotImplementedError) as error:
        return f"{type(error).__name__}: {error}"
    if op.random:
        return {}
    return {size: [magnitude(result) for result in column] for size, column in results.items()}


def magnitude(result: Any) -> float:
    """The mean of the absolute values, in double precision."""
    return float(np.abs(np.asarray(result.detach(), np.float64)).mean())


def obstacle(answers: dict[str, dict[str, list[float]] | str]) -> str:
    """Why a row is not timed, from what `prepare` answered in each process; empty if it is.

    It is missing somewhere, or the results differ: timing something else would be worthless.
    """
    for label, answer in answers.items():
        if isinstance(answer, str):
            return f"{label}: {answer}"
    (first, ours), *others = answers.items()
    for label, theirs in others:
        for size, column in theirs.items():
            pairs = zip(ours[size], column, strict=False)
            if len(ours[size]) != len(column) or not all(abs(x - y) <= SAME * abs(y) + 1e-9 for x, y in pairs):
                return f"results differ: {first} {ours[size]}, {label} {column}"
    return ""
