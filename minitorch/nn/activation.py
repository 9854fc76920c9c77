"""Nonlinearities, element by element, and softmax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from .. import creation
from . import functional as F
from .functional.checks import check_tensor
from .module import Module
from .parameter import Parameter

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _Activation(Module):
    """A function with settings: attributes, named and ordered as the function's arguments after the first."""

    function: ClassVar[Callable[..., Any]]

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self._settings = tuple(settings)
        for name, value in settings.items():
            setattr(self, name, value)

    def forward(self, input: Any) -> Any:
        """The function of `input`."""
        return type(self).function(input, *[getattr(self, name) for name in self._settings])

    def extra_repr(self) -> str:
        """The settings; `inplace` only where it is set."""
        shown = [(name, getattr(self, name)) for name in self._settings]
        return ", ".join(f"{name}={value!r}" for name, value in shown if name != "inplace" or value)


class _Inplace(_Activation):
    """A function without settings that may write over its input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(inplace=inplace)


class ReLU(_Inplace):
    """max(x, 0); with `inplace` written over the input."""

    function = F.relu


class SELU(_Inplace):
    """1.0507 times (x above 0, 1.67326 * (exp(x) - 1) below)."""

    function = F.selu


class SiLU(_Inplace):
    """x * sigmoid(x)."""

    function = F.silu


class Mish(_Inplace):
    """x * tanh(log(1 + exp(x)))."""

    function = F.mish


class Hardswish(_Inplace):
    """x * min(max(x + 3, 0), 6) / 6."""

    function = F.hardswish

    def extra_repr(self) -> str:
        """Nothing, as in PyTorch."""
        return ""


class Hardsigmoid(_Inplace):
    """min(max(x + 3, 0), 6) / 6."""

    function = F.hardsigmoid

    def extra_repr(self) -> str:
        """Nothing, as in PyTorch."""
        return ""


class Sigmoid(_Activation):
    """1 / (1 + exp(-x))."""

    function = F.sigmoid


class LogSigmoid(_Activation):
    """log(1 / (1 + exp(-x)))."""

    function = F.logsigmoid


class Tanh(_Activation):
    """The hyperbolic tangent."""

    function = F.tanh


class Tanhshrink(_Activation):
    """x - tanh(x)."""

    function = F.tanhshrink


class Softsign(_Activation):
    """x / (1 + |x|)."""

    function = F.softsign


class LeakyReLU(_Activation):
    """x above 0, negative_slope * x below."""

    function = F.leaky_relu

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(negative_slope=negative_slope, inplace=inplace)


class Hardtanh(_Activation):
    """x limited to [min_val, max_val]."""

    function = F.hardtanh

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__(min_val=min_val, max_val=max_val, inplace=inplace)
        if min_val >= max_val:
            raise ValueError(f"Hardtanh: max_val must be larger than min_val, but got {min_val} and {max_val}")


class ReLU6(Hardtanh):
    """x limited to [0, 6]."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        """Whether it works in place."""
        return "inplace=True" if self.inplace else ""


class Threshold(_Activation):
    """x above `threshold`, `value` elsewhere."""

    function = F.threshold

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(threshold=threshold, value=value, inplace=inplace)


class ELU(_Activation):
    """x above 0, alpha * (exp(x) - 1) below."""

    function = F.elu

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(alpha=alpha, inplace=inplace)


class CELU(_Activation):
    """x above 0, alpha * (exp(x / alpha) - 1) below."""

    function = F.celu

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(alpha=alpha, inplace=inplace)


class GELU(_Activation):
    """x times the normal distribution function of x, exactly or by tanh."""

    function = F.gelu

    def __init__(self, approximate: str = "none") -> None:
        super().__init__(approximate=approximate)


class Softplus(_Activation):
    """log(1 + exp(beta x)) / beta, and x itself where beta x exceeds `threshold`."""

    function = F.softplus

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__(beta=beta, threshold=threshold)


class _Shrink(_Activation):
    """A function with one setting, which is printed without its name."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__(lambd=lambd)

    def extra_repr(self) -> str:
        """The number alone, as in PyTorch."""
        return str(self.lambd)


class Hardshrink(_Shrink):
    """x, but 0 where |x| <= lambd."""

    function = F.hardshrink


class Softshrink(_Shrink):
    """x moved by lambd towards 0, and 0 where |x| <= lambd."""

    function = F.softshrink


class Softmax(_Activation):
    """exp(x) over its sum along `dim`."""

    function = F.softmax

    def __init__(self, dim: int | None = None) -> None:
        super().__init__(dim=dim)


class LogSoftmax(_Activation):
    """log(softmax(x)) along `dim`."""

    function = F.log_softmax

    def __init__(self, dim: int | None = None) -> None:
        super().__init__(dim=dim)


class Softmin(_Activation):
    """`Softmax` of -x."""

    function = F.softmin

    def __init__(self, dim: int | None = None) -> None:
        super().__init__(dim=dim)


class Softmax2d(Module):
    """`Softmax` over the channels of (N, C, H, W) or (C, H, W), pixel by pixel."""

    def forward(self, input: Any) -> Any:
        """The shares of the channels. Raises ValueError for other ranks."""
        ndim = check_tensor("Softmax2d", input).outline.ndim
        if ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D (got {ndim}D input)")
        return F.softmax(input, -3)


class GLU(_Activation):
    """The first half of `dim` times the sigmoid of the second."""

    function = F.glu

    def __init__(self, dim: int = -1) -> None:
        super().__init__(dim=dim)


class RReLU(_Activation):
    """x above 0, and below times a slope: in training drawn from [lower, upper), else their mean."""

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__(lower=lower, upper=upper, inplace=inplace)

    def forward(self, input: Any) -> Any:
        """The function of `input`."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class PReLU(Module):
    """x above 0, and below times a slope that is learned: one for all, or one for each channel."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(creation.empty(num_parameters, dtype=dtype, device=device))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the slopes to their initial value."""
        self.weight.write().fill(self.init)

    def forward(self, input: Any) -> Any:
        """The function of `input`."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """The number of slopes."""
        return f"num_parameters={self.num_parameters}"
