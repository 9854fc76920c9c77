"""Functions of layers as PyTorch's package has them: arguments in another order, reductions and modes as numbers."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .autograd import Variable, is_grad_enabled
from .nn import Module, RNNBase
from .nn import functional as F
from .nn.functional import adaptive_max_pool1d_with_indices as adaptive_max_pool1d
from .nn.functional import bilinear, conv_tbc, max_pool1d_with_indices, rrelu, rrelu_
from .nn.functional.dropout import _dropped
from .nn.functional.embedding import _renormalized
from .nn.utils.parametrizations import norm_except_dim as _norm_except_dim
from .nn.utils.rnn import PackedSequence
from .ops.dims import no_tensor, whole

__all__ = [
    "adaptive_max_pool1d",
    "affine_grid_generator",
    "alpha_dropout",
    "alpha_dropout_",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy_with_logits",
    "constant_pad_nd",
    "conv_tbc",
    "cosine_embedding_loss",
    "ctc_loss",
    "dropout",
    "dropout_",
    "embedding",
    "embedding_renorm_",
    "feature_alpha_dropout",
    "feature_alpha_dropout_",
    "feature_dropout",
    "feature_dropout_",
    "grid_sampler",
    "grid_sampler_2d",
    "grid_sampler_3d",
    "gru",
    "hinge_embedding_loss",
    "instance_norm",
    "kl_div",
    "lstm",
    "margin_ranking_loss",
    "max_pool1d_with_indices",
    "norm_except_dim",
    "poisson_nll_loss",
    "rnn_relu",
    "rnn_tanh",
    "rrelu",
    "rrelu_",
    "triplet_margin_loss",
]

REDUCTIONS = ("none", "mean", "sum")
SAMPLING, PADDING = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")


def _chosen(name: str, argument: str, value: Any, names: Sequence[str]) -> str:
    if not 0 <= whole(value, argument) < len(names):
        raise RuntimeError(f"{name}: `{argument}` must be one of {dict(enumerate(names))}, but got {value}")
    return names[value]


def _loss(function: Callable) -> Callable:
    """A loss whose reduction is a number: 0 none, which is the default as in PyTorch, 1 mean, 2 sum."""
    kept = [p for n, p in inspect.signature(function).parameters.items() if n not in ("size_average", "reduce")]

    @functools.wraps(function)
    def call(*args: Any, **settings: Any) -> Any:
        given = call.__signature__.bind(*args, **settings).arguments  # type: ignore[attr-defined]
        given["reduction"] = _chosen(function.__name__, "reduction", given.get("reduction", 0), REDUCTIONS)
        return function(**given)

    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [p.replace(default=0) if p.name == "reduction" else p for p in kept]
    )
    call.__module__ = __name__
    return call


cosine_embedding_loss, ctc_loss = _loss(F.cosine_embedding_loss), _loss(F.ctc_loss)
hinge_embedding_loss, margin_ranking_loss = _loss(F.hinge_embedding_loss), _loss(F.margin_ranking_loss)
kl_div, poisson_nll_loss = _loss(F.kl_div), _loss(F.poisson_nll_loss)
triplet_margin_loss = _loss(F.triplet_margin_loss)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, pos_weight: Any = None, reduction: int = 0
) -> Any:
    """`nn.functional.binary_cross_entropy_with_logits`, with reduction 0 none, the default, 1 mean, 2 sum."""
    chosen = _chosen("binary_cross_entropy_with_logits", "reduction", reduction, REDUCTIONS)
    return F.binary_cross_entropy_with_logits(input, target, weight, pos_weight=pos_weight, reduction=chosen)


def batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Any:
    """`nn.functional.batch_norm`."""
    return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Any:
    """`nn.functional.instance_norm`."""
    return F.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def embedding(
    weight: Any, indices: Any, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Any:
    """The rows of weight at the indices; padding_idx -1: none."""
    row = None if padding_idx == -1 else padding_idx
    return F.embedding(indices, weight, row, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)


def embedding_renorm_(input: Any, indices: Any, max_norm: float, norm_type: float) -> Any:
    """The rows of input that the indices name and that are longer scaled to the norm_type-norm `max_norm`, in place.

    Raises RuntimeError for no matrix or indices that are no integers, IndexError for one out of range.
    """
    for name, x in (("input", input), ("indices", indices)):
        if not isinstance(x, Variable):
            raise no_tensor("embedding_renorm_", name, x)
    table, rows = input.array, indices.array
    if table.ndim != 2:
        raise RuntimeError(f"embedding_renorm_: Expected 2-dimensional tensor, but got {table.ndim}-dimensional tensor")
    if rows.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"embedding_renorm_: Expected `indices` to be int64 or int32, but got {indices.dtype}")
    outside = rows[(rows < 0) | (rows >= len(table))]
    if outside.size:
        raise IndexError(f"embedding_renorm_: index {outside[0]} out of range for tensor of size {list(table.shape)}")
    if input.requires_grad and is_grad_enabled():
        what = "leaf Variable" if input.is_leaf else "Tensor"
        raise RuntimeError(f"a {what} that requires grad is being used in an in-place operation without a derivative.")
    _renormalized(input, rows, max_norm, norm_type)
    return input


class _Recurrent(RNNBase):
    """A recurrent layer of tensors that are given, in the order of `all_weights`."""

    def __init__(
        self,
        mode: str,
        params: Sequence[Any],
        bias: bool,
        layers: int,
        dropout: float,
        train: bool,
        both: bool,
        batch_first: bool,
    ) -> None:
        Module.__init__(self)
        name, runs = mode.lower(), whole(layers, "num_layers") * (1 + bool(both))
        for x in params:
            if not isinstance(x, Variable):
                raise no_tensor(name, "params", x)
        count, rest = divmod(len(params), max(runs, 1))
        projected = count == (5 if bias else 3) and mode == "LSTM"
        if runs < 1 or rest or count != (4 if bias else 2) + projected:
            raise RuntimeError(f"{name}: {len(params)} params do not make {runs} layers{' with biases' * bool(bias)}")
        self.mode, self.bias, self.batch_first, self.bidirectional = mode, bias, batch_first, both
        self.num_layers, self.dropout, self.training = layers, float(dropout), bool(train)
        w_ih, w_hh = params[0].array.shape, params[1].array.shape
        if len(w_ih) != 2 or len(w_hh) != 2:
            raise RuntimeError(f"{name}: weights must be matrices, but have shapes {w_ih} and {w_hh}")
        self.input_size, self.proj_size = w_ih[1], w_hh[1] if projected else 0
        self.hidden_size = params[count - 1].array.shape[-1] if projected else w_hh[1]
        self._names = [[f"given{run}_{i}" for i in range(count)] for run in range(runs)]
        vars(self).update(zip([n for names in self._names for n in names], params, strict=True))


def _recurrent(name: str, mode: str) -> Callable:
    """A recurrent layer under the name of the package: of a batch, or of the rows of a packed one."""

    def whole_batch(
        input: Any,
        hx: Any,
        params: Any,
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> tuple:
        if not isinstance(input, Variable):
            raise no_tensor(name, "input", input)
        net = _Recurrent(mode, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)
        if input.ndim != 3:
            raise IndexError(f"{name}: Dimension out of range: input must have 3 dimensions, but has {input.ndim}")
        return flat(*net(input, hx))

    def packed(
        data: Any,
        batch_sizes: Any,
        hx: Any,
        params: Any,
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
    ) -> tuple:
        for argument, x in (("data", data), ("batch_sizes", batch_sizes)):
            if not isinstance(x, Variable):
                raise no_tensor(name, argument, x)
        net = _Recurrent(mode, params, has_biases, num_layers, dropout, train, bidirectional, False)
        out, last = net(PackedSequence(data, batch_sizes), hx)
        return flat(out.data, last)

    def flat(out: Any, last: Any) -> tuple:
        return (out, *last) if isinstance(last, tuple) else (out, last)

    def call(*args: Any, **settings: Any) -> tuple:
        is_packed = "batch_sizes" in settings or (len(args) > 3 and isinstance(args[3], tuple | list))
        return (packed if is_packed else whole_batch)(*args, **settings)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"""`nn.{mode.partition("_")[0]}` with parameters that are given, in the order of its `all_weights`.

    (input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first), or of a PackedSequence
    (data, batch_sizes, hx, params, ...) without batch_first; hx {"a pair" if mode == "LSTM" else "a tensor"}. Returns
    the outputs and the last states. Raises RuntimeError where sizes don't fit.
    """
    return call


lstm, gru = _recurrent("lstm", "LSTM"), _recurrent("gru", "GRU")
rnn_tanh, rnn_relu = _recurrent("rnn_tanh", "RNN_TANH"), _recurrent("rnn_relu", "RNN_RELU")


def _dropping(name: str, like: str, function: Callable) -> tuple[Callable, Callable]:
    """Dropout under the name of the package, and in place."""

    def drop(input: Any, p: float, train: bool) -> Any:
        return function(input, p, train)

    def drop_(input: Any, p: float, train: bool) -> Any:
        return function(input, p, train, True)

    for call, end in ((drop, ""), (drop_, "_")):
        call.__name__ = call.__qualname__ = name + end
        call.__doc__ = f"`nn.functional.{like}`{', in place' if end else ''}."
    return drop, drop_


def _channels(input: Any, p: float, train: bool, inplace: bool = False) -> Any:
    shape = input.array.shape
    if len(shape) < 2:
        raise RuntimeError(f"feature_dropout: Feature dropout requires at least 2 dimensions in the input, got {shape}")
    return _dropped("feature_dropout", input, p, train, inplace, (*shape[:2], *(1,) * (len(shape) - 2)))


dropout, dropout_ = _dropping("dropout", "dropout", F.dropout)
alpha_dropout, alpha_dropout_ = _dropping("alpha_dropout", "alpha_dropout", F.alpha_dropout)
feature_dropout, feature_dropout_ = _dropping("feature_dropout", "dropout2d", _channels)
feature_alpha_dropout, feature_alpha_dropout_ = _dropping(
    "feature_alpha_dropout", "feature_alpha_dropout", F.feature_alpha_dropout
)


def constant_pad_nd(input: Any, pad: Sequence[int], value: float = 0) -> Any:
    """`nn.functional.pad` with a constant."""
    return F.pad(input, pad, "constant", value)


def grid_sampler(input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Any:
    """`nn.functional.grid_sample`: modes 0 bilinear, 1 nearest, 2 bicubic; padding 0 zeros, 1 border, 2 reflection."""
    mode = _chosen("grid_sampler", "interpolation_mode", interpolation_mode, SAMPLING)
    outside = _chosen("grid_sampler", "padding_mode", padding_mode, PADDING)
    return F.grid_sample(input, grid, mode, outside, align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


def affine_grid_generator(theta: Any, size: Sequence[int], align_corners: bool) -> Any:
    """`nn.functional.affine_grid`."""
    return F.affine_grid(theta, size, align_corners)


def norm_except_dim(v: Any, pow: int = 2, dim: int = 0) -> Any:
    """The length of the slices of v along `dim`, or of all of v for -1; pow: 2."""
    if pow != 2:
        raise NotImplementedError("norm_except_dim: only pow=2, the length of vectors, is here")
    return _norm_except_dim(v, dim)
