"""Nonlinearities, element by element, and softmax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from . import functional as F
from .module import Module

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softmax",
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
