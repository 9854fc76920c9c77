"""unfold and fold as layers."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module

__all__ = ["Fold", "Unfold"]


class Unfold(Module):
    """Every window of (N, C, H, W) or (C, H, W) as a column: (N, C * prod(kernel_size), windows); see `F.unfold`.

    >>> import minitorch
    >>> minitorch.nn.Unfold(3, padding=1)(minitorch.ones(2, 4, 5, 6)).shape
    minitorch.Size([2, 36, 30])
    """

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Any) -> Any:
        """The columns of `input`."""
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """All settings."""
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Unfold):
    """Columns (N, C * prod(kernel_size), windows) added up to images (N, C, *output_size); see `F.fold`.

    The adjoint of `Unfold`, not its inverse: fold(unfold(x)) = divisor * x with divisor = fold(unfold(ones)).

    >>> import minitorch
    >>> minitorch.nn.Fold((5, 6), 3, padding=1)(minitorch.ones(2, 36, 30)).shape
    minitorch.Size([2, 4, 5, 6])
    """

    def __init__(
        self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, input: Any) -> Any:
        """The images of `input`."""
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """All settings."""
        return f"output_size={self.output_size}, {super().extra_repr()}"
