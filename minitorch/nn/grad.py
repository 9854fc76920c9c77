"""The gradients of a convolution for its input and its weight, by name: two faces of the trilinear form in ops/conv.py.

`conv*_input` is the transposed convolution onto an input of the given size, `conv*_weight` sums over all pixel pairs
that a tap connected. Both are on the tape themselves. Settings are those of the convolution: stride, padding (an int,
one or a pair per axis, "same", "valid"), dilation, groups; all inputs have a batch axis. Raises RuntimeError where
shapes don't fit together.
"""

from __future__ import annotations

from typing import Any

from ..ops import conv as convolution
from .functional.checks import as_setting, check_operands
from .functional.conv import _conv_plan

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input", "conv3d_weight"]


def _geometry(
    name: str, rank: int, x: Any, w: Any, y: tuple, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """The convolution that maps shapes x and w to y."""
    x, w = as_setting(name, "input_size", tuple(x)), as_setting(name, "weight_size", tuple(w))
    settings = [
        as_setting(name, argument, value)
        for argument, value in (("stride", stride), ("padding", padding), ("dilation", dilation))
    ]
    geometry, batched = _conv_plan(name, rank, x, w, None, *settings, groups)
    expected = (x[0], w[0], *geometry.output_size) if batched else None
    if y != expected:
        raise RuntimeError(
            f"{name}: an input {x} and a weight {w} give an output {expected or 'without a batch axis'}, but "
            f"`grad_output` has shape {y}; needed are {rank + 2} dimensions each"
        )
    return geometry


def _input(rank: int, input_size: Any, weight: Any, grad_output: Any, settings: tuple) -> Any:
    name = f"conv{rank}d_input"
    check_operands(name, weight, grad_output=grad_output)
    geometry = _geometry(name, rank, input_size, weight.array.shape, grad_output.array.shape, *settings)
    return convolution.conv_transpose(grad_output, weight, geometry=geometry)


def _weight(rank: int, input: Any, weight_size: Any, grad_output: Any, settings: tuple) -> Any:
    name = f"conv{rank}d_weight"
    check_operands(name, input, grad_output=grad_output)
    geometry = _geometry(name, rank, input.array.shape, weight_size, grad_output.array.shape, *settings)
    return convolution.conv_weight_grad(input, grad_output, geometry=geometry)


def conv1d_input(
    input_size: Any,
    weight: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The gradient of `conv1d` for its input (N, C, L) of shape `input_size`; see `conv2d_input`."""
    return _input(1, input_size, weight, grad_output, (stride, padding, dilation, groups))


def conv1d_weight(
    input: Any,
    weight_size: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The gradient of `conv1d` for its weight (K, C/groups, kernel) of shape `weight_size`; see `conv2d_weight`."""
    return _weight(1, input, weight_size, grad_output, (stride, padding, dilation, groups))


def conv2d_input(
    input_size: Any,
    weight: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The gradient of `conv2d` for its input (N, C, H, W) of shape `input_size`: conv_transpose(grad_output, weight).

    >>> import minitorch
    >>> conv2d_input((1, 1, 3, 3), minitorch.ones(1, 1, 2, 2), minitorch.ones(1, 1, 2, 2))[0, 0]
    tensor([[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]])
    """
    return _input(2, input_size, weight, grad_output, (stride, padding, dilation, groups))


def conv2d_weight(
    input: Any,
    weight_size: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The gradient of `conv2d` for its weight (K, C/groups, kernel, kernel) of shape `weight_size`.

    >>> import minitorch
    >>> conv2d_weight(minitorch.ones(1, 1, 3, 3), (1, 1, 2, 2), minitorch.ones(1, 1, 2, 2))[0, 0]
    tensor([[4., 4.],
            [4., 4.]])
    """
    return _weight(2, input, weight_size, grad_output, (stride, padding, dilation, groups))


def conv3d_input(
    input_size: Any,
    weight: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The gradient of `conv3d` for its input (N, C, D, H, W) of shape `input_size`; see `conv2d_input`."""
    return _input(3, input_size, weight, grad_output, (stride, padding, dilation, groups))


def conv3d_weight(
    input: Any,
    weight_size: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The gradient of `conv3d` for its weight (K, C/groups, *kernel) of shape `weight_size`; see `conv2d_weight`."""
    return _weight(3, input, weight_size, grad_output, (stride, padding, dilation, groups))
