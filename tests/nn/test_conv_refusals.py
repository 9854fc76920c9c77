"""Wrong calls of convolutions, windows and borders."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
from counted import at_once

import minitorch
from minitorch import nn
from minitorch.devices import NoDeviceError

F = nn.functional
ones = minitorch.ones

X, W = ones(1, 3, 8, 8), ones(2, 3, 3, 3)
P = nn.UninitializedParameter()
BAD: list[tuple[Any, type, str]] = [
    (lambda: F.conv2d(X, ones(2, 4, 3, 3)), RuntimeError, "expects 4 input channels but `input` has 3"),
    (lambda: F.conv2d(X, ones(2, 3, 9, 9)), RuntimeError, "Kernel size can't be greater than actual input size"),
    (lambda: F.conv2d(ones(1, 1, 3, 8, 8), W), RuntimeError, "expected `input` of 4 dimensions"),
    (lambda: F.conv2d(X, W, stride=0), RuntimeError, "non-positive stride is not supported"),
    (lambda: F.conv2d(X, W, stride=0, padding="same"), RuntimeError, "non-positive stride is not supported"),
    (lambda: F.conv2d(X, W, padding=-1), RuntimeError, "negative padding is not supported"),
    (lambda: F.conv2d(X, W, padding=((1, -1), (0, 0))), RuntimeError, "negative padding is not supported"),
    (lambda: F.conv2d(X, W, padding=((1, 1),)), RuntimeError, "must have 2 pairs (before, after)"),
    (lambda: F.conv2d(X, W, padding=((1, 1, 1), (1, 1, 1))), RuntimeError, "must have 2 pairs (before, after)"),
    (lambda: F.conv2d(X, W, padding=((1.5, 1), (1, 1))), TypeError, "`padding` must be an int or a tuple of ints"),
    (lambda: F.conv2d(X, W, padding=1.5), TypeError, "`padding` must be an int or a tuple of ints"),
    (lambda: F.conv2d(X, W, stride=((1, 1), (1, 1))), TypeError, "`stride` must be an int or a tuple of ints"),
    (lambda: F.conv2d(X, W, dilation=0), RuntimeError, "should be greater than zero"),
    (lambda: F.conv2d(ones(1, 3, 0, 8), W, padding=2), RuntimeError, "only the batch or the channels"),
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible by groups"),
    (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "out_channels must be divisible by groups"),
    (lambda: F.conv2d(X, ones(4, 1, 3, 3), groups=3), RuntimeError, "to be divisible by 3 at dimension 0"),
    (lambda: F.conv2d(X, W, ones(3)), RuntimeError, "`bias` must have shape (2,)"),
    (lambda: nn.Conv2d(3, 4, 3, padding="foo"), ValueError, "Invalid padding string 'foo'"),
    (lambda: F.conv2d(X, W, padding="foo"), RuntimeError, "invalid padding string 'foo'"),
    (lambda: nn.Conv2d(3, 4, 3, padding_mode="foo"), ValueError, "padding_mode must be one of"),
    (lambda: F.conv2d(X, W, stride=1.5), TypeError, "`stride` must be an int or a tuple of ints, but got 1.5"),
    (lambda: nn.Conv2d(3, 4, 3)(np.ones((1, 3, 8, 8))), TypeError, "`input` must be a Tensor, but got ndarray"),
    (lambda: nn.ConvTranspose2d(3, 4, 3)(np.ones(3), (8, 8)), TypeError, "`input` must be a Tensor, but got ndarray"),
    (lambda: nn.Conv2d(3, 4, 3, device="cuda"), NoDeviceError, "`device` must be 'cpu' or None, but got 'cuda'"),
    (lambda: nn.LazyLinear(3, device="cuda:1"), NoDeviceError, "`device` must be 'cpu' or None"),
    (lambda: nn.Conv2d(3, 4, 3, dtype=minitorch.int64), RuntimeError, "floating point"),
    (lambda: nn.Conv2d(-2, 3, 3), RuntimeError, "negative dimension -2: [3, -2, 3, 3]"),
    (lambda: nn.Conv2d(2.0, 3, 3), TypeError, "ints"),
    (lambda: F.conv_transpose2d(X, ones(3, 2, 3, 3), output_padding=1), RuntimeError, "smaller than either stride"),
    (
        lambda: F.conv_transpose2d(X, ones(3, 2, 3, 3), padding="same", output_padding=1, stride=2),
        RuntimeError,
        "must be 0, or negative and smaller than the stride",
    ),
    (lambda: nn.ConvTranspose2d(3, 2, 3, padding="foo"), ValueError, "Invalid padding string 'foo'"),
    (
        lambda: nn.ConvTranspose2d(3, 2, 3, stride=2)(X, output_size=(16, 19)),
        ValueError,
        "requested an output size of (16, 19), but valid sizes range from [17, 17] to [18, 18]",
    ),
    (
        lambda: nn.ConvTranspose1d(1, 1, 3, padding=4, padding_mode="reflect")(ones(1, 1, 10)),
        RuntimeError,
        "to reflect, at most 3, but got (4, 4) at dimension 2",
    ),
    (lambda: nn.Conv2d(3, 4, 3, padding=8, padding_mode="reflect")(X), RuntimeError, "to reflect, at most 7"),
    (lambda: nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")(ones(8, 8)), NotImplementedError, "channel axis"),
    # padding
    (lambda: F.pad(ones(3), (-5, 0)), RuntimeError, "a length would be negative"),
    (lambda: F.pad(ones(3), (1,)), RuntimeError, "(before, after) pair"),
    (lambda: F.pad(ones(3), (1, 1, 1, 1)), RuntimeError, "for at most 1 axes"),
    (lambda: F.pad(ones(3), 1), TypeError, "`pad` must be a tuple of ints"),
    (lambda: F.pad(ones(3), (1.5, 1)), TypeError, "`pad` must be a tuple of ints"),
    (lambda: F.pad([1.0], (1, 1)), TypeError, "`input` must be a Tensor"),
    (lambda: F.pad(ones(3), (1, 1), "foo"), NotImplementedError, "unrecognised padding mode 'foo'"),
    (lambda: F.pad(ones(1, 3), (1, 1), "reflect", 1.0), RuntimeError, "does not take a value, but got value=1.0"),
    (lambda: F.pad(ones(3), (1, 1), "reflect"), NotImplementedError, "input (3,)"),
    (lambda: F.pad(ones(1, 2, 3, 3), (1, 1), "circular"), NotImplementedError, "input (1, 2, 3, 3)"),
    (lambda: F.pad(ones(0, 3), (1, 1), "replicate"), RuntimeError, "all axes but the batch"),
    (lambda: F.pad(ones(1, 3), (-1, -2), "reflect"), RuntimeError, "is too small"),
    (lambda: F.pad(ones(1, 3), (-2, 2), "circular"), RuntimeError, "to circular, at most 1"),
    (lambda: nn.ReflectionPad2d(1)(ones(3, 3)), NotImplementedError, "channel axis"),
    # windows
    (lambda: F.unfold(ones(8, 9), 3), IndexError, "out of range"),
    (lambda: F.unfold(ones(1, 1, 3, 8, 9), 3), RuntimeError, "expected `input` of 4 dimensions (N, C, H, W)"),
    (lambda: F.unfold(ones(2, 0, 8, 9), 3), RuntimeError, "no size of 0"),
    (lambda: F.unfold(X, (3, 3, 3)), RuntimeError, "`kernel_size` must be an int or a tuple of 2 ints"),
    (lambda: F.unfold(X, [3]), RuntimeError, "`kernel_size` must be an int or 2 of them"),
    (lambda: F.unfold(X, 2.5), TypeError, "`kernel_size` must be an int"),
    (lambda: F.unfold(X, 9), RuntimeError, "unfold: calculated padded input size"),
    (lambda: F.unfold(X, 3, 0), RuntimeError, "should be greater than zero"),
    (lambda: F.unfold(X, 3, 1, -1), RuntimeError, "negative padding"),
    (lambda: F.unfold(X, 3, 1, 0, 0), RuntimeError, "non-positive stride"),
    (lambda: F.unfold(X.long(), 3), NotImplementedError, "minitorch.int64"),
    (lambda: F.fold(ones(2, 27, 41), (8, 9), 3), RuntimeError, "6 * 7 = 42), but got (2, 27, 41)"),
    (lambda: F.fold(ones(2, 26, 42), (8, 9), 3), RuntimeError, "a multiple of 9"),
    (lambda: F.fold(ones(2, 27, 42, 1), (8, 9), 3), RuntimeError, "expected `input` of 3 dimensions"),
    (lambda: F.fold(ones(2, 9, 1), (2, 2), 3), RuntimeError, "fold: calculated padded input size"),
    (lambda: F.fold(ones(9, 42).long(), (8, 9), 3), NotImplementedError, "minitorch.int64"),
    (lambda: F.fold(ones(2, 27, 42), (8.5, 9), 3), TypeError, "`output_size` must be an int"),
    (lambda: ones(10).unfold(0, 11, 1), RuntimeError, "maximum size for tensor at dimension 0 is 10 but size is 11"),
    # gradients by name
    (lambda: nn.grad.conv2d_input((1, 3, 8, 8), W, ones(1, 2, 5, 6)), RuntimeError, "`grad_output` has shape (1, 2, 5"),
    (lambda: nn.grad.conv2d_weight(X, (2, 4, 3, 3), ones(1, 2, 6, 6)), RuntimeError, "expects 4 input channels"),
    (lambda: nn.grad.conv2d_input((3, 8, 8), W, ones(2, 6, 6)), RuntimeError, "needed are 4 dimensions each"),
    # lazy
    (lambda: minitorch.optim.SGD(nn.LazyLinear(3).parameters(), lr=0.1), ValueError, "uninitialized parameter"),
    (lambda: P.shape, RuntimeError, "Can't access the shape of an uninitialized parameter"),
    (lambda: P + 1, ValueError, "Attempted to use an uninitialized parameter"),
    (lambda: P.numel(), ValueError, "Attempted to use an uninitialized parameter"),
    (lambda: nn.init.zeros_(P), ValueError, "Attempted to use an uninitialized parameter"),
    (lambda: nn.UninitializedBuffer().sum(), ValueError, "Attempted to use an uninitialized tensor"),
]


@pytest.mark.parametrize(("call", "kind", "message"), BAD, ids=[f"{i}-{m[:40]}" for i, (_, _, m) in enumerate(BAD)])
def test_wrong_calls(call: Any, kind: type, message: str) -> None:
    """A wrong call raises PyTorch's class (where PyTorch has the call), and says what was needed and what came."""
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind and message in str(caught.value)


SMALL, TAPS = ones(1, 1, 4, 4), ones(1, 1, 3, 3)
HOSTILE: list[tuple[Any, str]] = [
    (lambda: F.conv2d(SMALL, TAPS, padding=2**62), str((2**63 + 4) ** 2)),
    (lambda: F.conv2d(SMALL, TAPS, padding=2**31), str((2**32 + 4) ** 2)),
    (lambda: F.conv2d(SMALL, TAPS, dilation=2**62), str(2**63 + 1)),
    (lambda: F.conv2d(SMALL, TAPS, padding=2**63 - 1), str((2**64 + 2) ** 2)),
    (lambda: F.conv2d(SMALL, TAPS, padding="same", dilation=2**40), str((2**41 + 4) ** 2)),
    (lambda: F.conv_transpose2d(SMALL, TAPS, stride=2**31), str(3 * 2**31 + 3)),
    (lambda: F.conv_transpose2d(SMALL, TAPS, stride=2**31, padding="same"), str(4 * 2**31)),
    (lambda: F.conv_transpose2d(SMALL, TAPS, padding=2**62), str(-(2**63) + 6)),
    (lambda: F.unfold(SMALL, 3, padding=2**62), str((2**63 + 4) ** 2)),
    (lambda: F.unfold(SMALL, 3, padding=2**14), str((2**15 + 2) ** 2)),
    (lambda: F.fold(ones(1, 9, 1), (2**31, 2**31), 3), str(2**62)),
    (lambda: F.fold(ones(1, 9, 1), (2**31, 3), 3, stride=2**31), str(2**31 * 3)),
    (lambda: F.pad(ones(3), (2**62, 0)), str(2**62 + 3)),
    (lambda: F.pad(ones(1, 3), (2**62, 0), "replicate"), str(2**62 + 3)),
    (lambda: F.pad(ones(1, 3), (2**62, 0), "reflect"), str(2**62)),
    (lambda: F.pad(ones(3), (-5, 0)), "-5"),
    (lambda: ones(3).unfold(0, 2**62, 1), str(2**62)),
    (lambda: nn.grad.conv2d_input((1, 1, 2**31, 2**31), TAPS, SMALL), str(2**62)),
    (lambda: nn.grad.conv2d_weight(SMALL, (1, 1, 2**40, 3), SMALL), str(2**40)),
]


@pytest.mark.parametrize(("call", "size"), HOSTILE, ids=[str(i) for i in range(len(HOSTILE))])
def test_hostile_sizes(call: Any, size: str) -> None:
    """Sizes that no memory holds are refused at once, before anything is allocated, with the computed size."""
    tracemalloc.start()
    begin = time.process_time()
    try:
        with pytest.raises(RuntimeError) as caught:
            call()
        spent, peak = time.process_time() - begin, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100e6 and at_once(spent)
    assert size in str(caught.value), caught.value


def test_large_steps_are_no_harm() -> None:
    """A stride beyond the image leaves one window: no reason to refuse."""
    assert F.conv2d(SMALL, TAPS, stride=2**63 - 1).shape == (1, 1, 1, 1)
    assert F.unfold(SMALL, 3, stride=2**62).shape == (1, 9, 1)
    assert ones(4).unfold(0, 2, 2**62).shape == (1, 2)
