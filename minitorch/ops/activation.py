"""Nonlinearities, element by element: rows as in pointwise.py; settings are keyword-only parameters of the value."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd import ZERO
from .declare import binary, formula, pointwise, unary
from .names import public
from .pointwise import exp, expm1, log1p, normal_cdf, normal_density, tanh, where

_log_of_sum = formula("softplus", lambda x: log1p(exp(-abs(x))) + where(x < 0.0, 0.0, x), atom=True)


def _sigmoid(x: Any) -> Any:
    e = exp(-abs(x))
    return where(x < 0.0, e, 1.0) / (e + 1.0)


sigmoid = unary("sigmoid", _sigmoid, atom=True,
                # BEGIN SOLUTION 3.3: x
                x=lambda g, out: g * ((1 - out) * out),
                # END SOLUTION
                doc="1 / (1 + exp(-x)), without overflow: exp is only taken of -|x|.")
# Of two equal numbers np.maximum returns the second, so that -0.0 stays.
relu = unary("relu", lambda x: np.maximum(0, x), vector=lambda x: where(x < 0, 0.0, x), floating=False,
             # BEGIN SOLUTION 3.4: x
             x=lambda g, out: where(out <= 0, 0.0, g),
             # END SOLUTION
             doc="max(x, 0), with slope 0 at 0; NaN and -0.0 stay as they are.")
relu_grad = binary("relu_grad", lambda h, y: where(y <= 0, 0.0, h), on="", h=lambda g, y: where(y <= 0, 0.0, g), y=ZERO,
                   doc="h where y = relu(x) is positive or NaN, else 0.")
leaky_relu = pointwise("leaky_relu", lambda x, *, negative_slope: where(x > 0, x, x * negative_slope), on="",
                       x=lambda g, x, negative_slope: where(x > 0, g, g * negative_slope),
                       doc="x above 0, negative_slope * x below.")
threshold = pointwise("threshold", lambda x, *, threshold, value: where(x <= threshold, value, x), on="",
                      x=lambda g, x, threshold: where(x <= threshold, 0.0, g),
                      doc="x above threshold, value elsewhere.")
hardtanh = pointwise("hardtanh",
                     lambda x, *, min_val, max_val: where(x < min_val, min_val, where(x > max_val, max_val, x)),
                     x=lambda g, x, min_val, max_val: where((x <= min_val) | (x >= max_val), 0.0, g), on="",
                     doc="x limited to [min_val, max_val]; slope 0 outside and at both ends.")
elu = pointwise("elu", lambda x, *, alpha: where(x <= 0, expm1(where(x <= 0, x, 0.0)) * alpha, x), on="",
                x=lambda g, x, alpha: where(x <= 0, g * (exp(where(x < 0, x, 0.0)) * alpha), g),
                doc="x above 0, alpha * (exp(x) - 1) below.")
celu = pointwise("celu", lambda x, *, alpha: where(x <= 0, expm1(where(x <= 0, x, 0.0) / alpha) * alpha, x), on="",
                 x=lambda g, x, alpha: where(x <= 0, g * exp(where(x < 0, x, 0.0) / alpha), g),
                 doc="x above 0, alpha * (exp(x / alpha) - 1) below.")
SCALE, ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
selu = unary("selu", lambda x: where(x <= 0, expm1(where(x <= 0, x, 0.0)) * ALPHA, x) * SCALE, least=1,
             floating=False, on="t",
             x=lambda g, x: g * where(x <= 0, exp(where(x < 0, x, 0.0)) * ALPHA, 1.0) * SCALE,
             doc="1.0507 times (x above 0, 1.67326 (exp(x) - 1) below).")
gelu = unary("gelu", lambda x: x * normal_cdf(x), least=1, floating=False, on="",
             x=lambda g, x: g * (normal_cdf(x) + x * normal_density(x)),
             doc="x P(x), with the normal distribution function P(x) = (1 + erf(x / sqrt 2)) / 2.")
CURVE, CUBE = math.sqrt(2 / math.pi), 0.044715


def _gelu_tanh_slope(x: Any) -> Any:
    t = tanh((x + x * x * x * CUBE) * CURVE)
    return (t + 1.0) * 0.5 + x * 0.5 * (1.0 - t * t) * ((x * x * (3 * CUBE) + 1.0) * CURVE)


gelu_tanh = unary("gelu_tanh", lambda x: x * ((tanh((x + x * x * x * CUBE) * CURVE) + 1.0) * 0.5), floating=False,
                  least=1, on="", x=lambda g, x: g * _gelu_tanh_slope(x),
                  doc="x/2 (1 + tanh(c (x + a x^3))), c = sqrt(2/pi) and a = 0.044715: near to `gelu`.")


def _silu_slope(x: Any) -> Any:
    s = sigmoid(x)
    return s * (x * (1.0 - s) + 1.0)


def _mish_slope(x: Any) -> Any:
    t = tanh(_log_of_sum(x))
    return t + x * (1.0 - t * t) * sigmoid(x)


silu = unary("silu", lambda x: x * sigmoid(x), least=1, floating=False, on="", x=lambda g, x: g * _silu_slope(x),
             doc="x sigmoid(x).")
mish = unary("mish", lambda x: x * tanh(_log_of_sum(x)), least=1, floating=False, on="",
             x=lambda g, x: g * _mish_slope(x), doc="x tanh(log(1 + exp(x))).")
softplus = pointwise("softplus",
                     lambda x, *, beta, threshold: where(x * beta > threshold, x, _log_of_sum(x * beta) / beta),
                     least=1, on="",
                     x=lambda g, x, beta, threshold: where(x * beta > threshold, g, g * sigmoid(x * beta)),
                     doc="log(1 + exp(beta x)) / beta, and x itself where beta x exceeds threshold.")
logsigmoid = unary("logsigmoid", lambda x: where(x < 0, x, 0.0) - log1p(exp(-abs(x))), least=1, floating=False, on="",
                   x=lambda g, x: g * sigmoid(-x), doc="log(sigmoid(x)), without overflow.")
hardsigmoid = unary("hardsigmoid", lambda x: where(x < -3, 0.0, where(x > 3, 6.0, x + 3.0)) / 6.0, floating=False,
                    on="", x=lambda g, x: where((x > -3) & (x < 3), g / 6.0, 0.0), doc="min(max(x + 3, 0), 6) / 6.")
hardswish = unary("hardswish", lambda x: x * where(x < -3, 0.0, where(x > 3, 6.0, x + 3.0)) / 6.0, floating=False,
                  on="", x=lambda g, x: where(x <= -3, 0.0, where(x < 3, g * (x / 3.0 + 0.5), g)),
                  doc="x min(max(x + 3, 0), 6) / 6.")
softsign = unary("softsign", lambda x: x / (abs(x) + 1.0), floating=False, on="",
                 x=lambda g, x: g / ((abs(x) + 1.0) * (abs(x) + 1.0)), doc="x / (1 + |x|).")
tanhshrink = unary("tanhshrink", lambda x: x - tanh(x), floating=False, on="", x=lambda g, x: g * (tanh(x) * tanh(x)),
                   doc="x - tanh(x).")
hardshrink = pointwise("hardshrink", lambda x, *, lambd: where(abs(x) <= lambd, 0.0, x), on="",
                       x=lambda g, x, lambd: where(abs(x) <= lambd, 0.0, g), doc="x, but 0 where |x| <= lambd.")
softshrink = pointwise("softshrink", lambda x, *, lambd: _shrunk(x, lambd), on="",
                       x=lambda g, x, lambd: where(abs(x) <= lambd, 0.0, g),
                       doc="x moved by lambd towards 0, and 0 where |x| <= lambd.")

gated = binary("gated", lambda x, y: x * sigmoid(y), on="", x=lambda g, y: g * sigmoid(y),
               y=lambda g, x, y: g * x * (sigmoid(y) * (1.0 - sigmoid(y))), doc="x sigmoid(y).")
leaky = binary("leaky", lambda x, y: where(x > 0, x, x * y), on="", x=lambda g, x, y: where(x > 0, g, g * y),
               y=lambda g, x: where(x > 0, 0.0, g * x), doc="x above 0, x y below.")

# Of one operand, behind which layers are to be expected.
CURVES = (relu, leaky_relu, hardtanh, elu, celu, selu, gelu, gelu_tanh, silu, mish, softplus, hardsigmoid, hardswish,
          sigmoid)


def _shrunk(x: Any, lambd: Any) -> Any:
    return where(x > lambd, x - lambd, where(x < -lambd, x + lambd, where(x == x, 0.0, x)))


@public("threshold", on="t o")
def threshold_of(input: Any, threshold: float, value: float) -> Any:
    """input above threshold, value elsewhere."""
    return _threshold(input, threshold=threshold, value=value)


@public("celu", on="t")
def celu_of(input: Any, alpha: float = 1.0) -> Any:
    """input above 0, alpha * (exp(input / alpha) - 1) below."""
    return celu(input, alpha=alpha)


@public("hardshrink", on="T t o")
def hardshrink_of(input: Any, lambd: float = 0.5) -> Any:
    """input, but 0 where |input| <= lambd."""
    return hardshrink(input, lambd=lambd)


_threshold = threshold  # which an argument is called, too
for _op in (relu, leaky_relu, threshold, hardtanh, hardsigmoid, hardshrink, softshrink):
    _op.flat = True
