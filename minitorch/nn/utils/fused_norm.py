"""A batch norm in evaluation is a scale and a shift for each channel: the layer before it can do that itself."""

from __future__ import annotations

import copy
from typing import Any

from ...ops.pointwise import rsqrt
from ...ops.promotion import to_dtype
from ...ops.shape import reshape
from ..module import Module
from ..parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


# norm(W x + b) = s (W x + b - mean) + shift with s = scale / sqrt(var + eps): weight s W, bias s (b - mean) + shift.
def fuse_conv_bn_weights(
    conv_w: Any,
    conv_b: Any,
    bn_rm: Any,
    bn_rv: Any,
    bn_eps: float,
    bn_w: Any,
    bn_b: Any,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the convolution that does what this one and the batch norm behind it do, as parameters.

    conv_b, bn_w, bn_b may be None; `transpose` for a transposed convolution, whose outputs are axis 1 of its weight.
    """
    scale = rsqrt(bn_rv + bn_eps)
    scale = scale if bn_w is None else scale * bn_w
    bias = (-bn_rm if conv_b is None else conv_b - bn_rm) * scale
    bias = bias if bn_b is None else bias + bn_b
    ndim, axis = conv_w.array.ndim, int(transpose)
    weight = conv_w * reshape(scale, shape=tuple(-1 if i == axis else 1 for i in range(ndim)))
    wanted = conv_w.requires_grad, conv_b is not None and conv_b.requires_grad
    dtypes = conv_w.array.dtype, (conv_w if conv_b is None else conv_b).array.dtype
    fused = zip((weight, bias), dtypes, wanted, strict=True)
    first, second = (Parameter(to_dtype(x, dtype).detach(), grad) for x, dtype, grad in fused)
    return first, second


def fuse_linear_bn_weights(
    linear_w: Any, linear_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any
) -> tuple[Parameter, Parameter]:
    """`fuse_conv_bn_weights` for a linear layer."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def _fused(layer: Any, bn: Any, weights: Any, *settings: bool) -> Any:
    if layer.training or bn.training:
        raise AssertionError("a layer and its norm are made one only in evaluation: call eval() on both")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    out = copy.deepcopy(layer)
    moments = bn.running_mean, bn.running_var, bn.eps
    out.weight, out.bias = weights(out.weight, out.bias, *moments, bn.weight, bn.bias, *settings)
    return out


def fuse_conv_bn_eval(conv: Module, bn: Module, transpose: bool = False) -> Module:
    """A copy of a convolution that does the batch norm behind it as well, both in evaluation.

    Raises AssertionError where one is in training, or the norm has no running statistics.
    """
    return _fused(conv, bn, fuse_conv_bn_weights, transpose)


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Module:
    """`fuse_conv_bn_eval` for a linear layer. Raises AssertionError also where the sizes don't fit."""
    if not (linear.training or bn.training) and bn.num_features not in (1, linear.out_features):
        raise AssertionError(
            "linear.out_features == bn.num_features or bn.num_features == 1 is needed, but got "
            f"{linear.out_features} and {bn.num_features}"
        )
    return _fused(linear, bn, fuse_linear_bn_weights)
