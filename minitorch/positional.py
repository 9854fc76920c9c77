"""Functions of layers as PyTorch's package has them: arguments in another order, reductions and modes as numbers."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from .nn import functional as F
from .nn.functional import adaptive_max_pool1d_with_indices as adaptive_max_pool1d
from .nn.functional import bilinear, max_pool1d_with_indices, rrelu, rrelu_
from .nn.functional.dropout import _dropped
from .nn.utils.parametrizations import norm_except_dim as _norm_except_dim
from .ops.dims import whole

__all__ = [
    "adaptive_max_pool1d", "affine_grid_generator", "alpha_dropout", "alpha_dropout_", "batch_norm", "bilinear",
    "binary_cross_entropy_with_logits", "constant_pad_nd", "cosine_embedding_loss", "ctc_loss", "dropout", "dropout_",
    "embedding", "feature_alpha_dropout", "feature_alpha_dropout_", "feature_dropout", "feature_dropout_",
    "grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "hinge_embedding_loss", "instance_norm", "kl_div",
    "margin_ranking_loss", "max_pool1d_with_indices", "norm_except_dim", "poisson_nll_loss", "rrelu", "rrelu_",
    "triplet_margin_loss",
]  # fmt: skip

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
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, momentum: float,
    eps: float, cudnn_enabled: bool,
) -> Any:  # fmt: skip
    """`nn.functional.batch_norm`."""
    return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, use_input_stats: bool, momentum: float,
    eps: float, cudnn_enabled: bool,
) -> Any:  # fmt: skip
    """`nn.functional.instance_norm`."""
    return F.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def embedding(
    weight: Any, indices: Any, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Any:
    """The rows of weight at the indices; padding_idx -1: none."""
    row = None if padding_idx == -1 else padding_idx
    return F.embedding(indices, weight, row, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)


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
