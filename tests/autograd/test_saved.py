"""What nodes keep in the hands of users: hooks that store it, checkpoints that compute it again, the search for NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from leaves import leaf

import minitorch as m
from minitorch import autograd, nn
from minitorch.autograd.graph import disable_saved_tensors_hooks, save_on_cpu, saved_tensors_hooks
from minitorch.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


class Square(autograd.Function):
    """x squared, as a user writes it; keeps an input and its output."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = x * x
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, y = ctx.saved_tensors
        return 2 * g * y / x


@pytest.mark.parametrize("square", [lambda x: x * x, Square.apply, lambda x: x.exp().log() * x])
def test_kept_values_go_through_the_hooks(square: Any) -> None:
    """Every kept array is packed once and unpacked for each use; both orders of gradients are those without hooks."""
    x, packed, unpacked = leaf(1.5, 2.0), [], []

    def pack(value: Any) -> Any:
        packed.append(value)
        return value.numpy().tobytes(), value.shape

    def unpack(stored: Any) -> Any:
        unpacked.append(stored)
        return m.from_numpy(np.frombuffer(stored[0]).reshape(stored[1]).copy())

    with saved_tensors_hooks(pack, unpack):
        y = square(x * 3)
    assert packed and not unpacked and not any(value.requires_grad for value in packed)
    (g,) = autograd.grad(y.sum(), x, create_graph=True)
    np.testing.assert_allclose(g.tolist(), [27.0, 36.0])
    (h,) = autograd.grad(g.sum(), x)
    np.testing.assert_allclose(h.tolist(), [18.0, 18.0])
    assert len(unpacked) >= 2


def test_the_innermost_hooks_act() -> None:
    """And none outside of the block."""
    x, seen = leaf(2.0), []
    with saved_tensors_hooks(lambda t: seen.append("outer") or t, lambda t: t):
        with saved_tensors_hooks(lambda t: seen.append("inner") or t, lambda t: t):
            _ = x.exp()
        assert set(seen) == {"inner"}
        _ = x.exp()
    assert seen[-1] == "outer"
    before = len(seen)
    _ = x.exp()
    assert len(seen) == before


def test_hooks_refuse_what_is_no_tensor_of_that_shape() -> None:
    """In backward, when it comes back."""
    for unpack, kind in ((lambda s: 3, TypeError), (lambda s: m.ones(3), RuntimeError)):
        with saved_tensors_hooks(lambda t: t, unpack):
            y = leaf(1.0, 2.0).exp().sum()
        with pytest.raises(kind, match=r"unpack_hook"):
            y.backward()


def test_hooks_can_be_refused() -> None:
    """By whoever can't do with them."""
    with disable_saved_tensors_hooks("not here"):
        with pytest.raises(RuntimeError, match="not here"), save_on_cpu():
            pass
        leaf(1.0).exp().backward()


def test_kept_copies_are_not_changed() -> None:
    """save_on_cpu copies, so that a change in place does no harm."""
    x = leaf(1.0, 2.0)
    y = x * 1
    with save_on_cpu():
        z = (y * y).sum()
    y.zero_()
    z.backward()
    assert x.grad.tolist() == [2.0, 4.0]


def net() -> Any:
    """Layers of each kind that keep something, and one that draws."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4, momentum=0.0),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 5),
        nn.Sigmoid(),
    )


@pytest.mark.parametrize("how", ["whole", "in parts"])
def test_a_checkpoint_has_the_gradients_of_the_plain_call(how: str) -> None:
    """Bit for bit, to second order, for inputs and parameters, with the same masks of dropout."""
    layers, x = net(), m.randn(2, 3, 6, 6).requires_grad_()

    def gradients(call: Any) -> list:
        m.manual_seed(5)
        points = [x, *layers.parameters()]
        y = call(x)
        after = m.rand(1).item()
        first = autograd.grad((y * y).sum(), points, create_graph=True)
        second = autograd.grad(sum((g * g).sum() for g in first), points)
        return [after, *(g.tolist() for g in first), *(g.tolist() for g in second)]

    call = (
        (lambda x: checkpoint(layers, x, use_reentrant=False))
        if how == "whole"
        else (lambda x: checkpoint_sequential(layers, 3, x))
    )
    assert gradients(call) == gradients(layers)


def test_a_checkpoint_keeps_nothing() -> None:
    """Of the forward pass; it runs again once, when backward asks for something, and after retain_graph once more."""
    runs = []

    def function(x: Any) -> Any:
        runs.append(m.is_grad_enabled())
        return (x.exp() * x).sum()

    x = leaf(1.0, 2.0)
    y = checkpoint(function, x)
    assert runs == [True]
    y.backward(retain_graph=True)
    assert runs == [True, True]
    y.backward()
    assert len(runs) == 3
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp([1, 2]) * [2, 3])


def test_a_checkpoint_that_does_something_else() -> None:
    """It is noticed, unless that is not wanted."""
    calls = []

    def function(x: Any) -> Any:
        calls.append(x)
        return x.exp().sum() if len(calls) == 1 else x.exp().exp().sum()

    y = checkpoint(function, leaf(1.0))
    with pytest.raises(CheckpointError, match="different number of tensors"):
        y.backward()
    with pytest.raises(ValueError, match="determinism_check"):
        checkpoint(function, leaf(1.0), determinism_check="perhaps")


def test_anomalies() -> None:
    """Backward stops at the first NaN and shows the line of the forward pass."""
    x = leaf(-1.0)
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"), autograd.detect_anomaly():
        assert m.is_anomaly_enabled()
        y = x.sqrt()
        with (
            pytest.warns(UserWarning, match=r"Error detected in sqrt[\s\S]*y = x\.sqrt\(\)"),
            pytest.raises(RuntimeError, match="Function 'sqrt' returned nan values in its 0th output"),
        ):
            y.backward()
    assert not m.is_anomaly_enabled() and x.grad is None
    autograd.set_detect_anomaly(True, check_nan=False)
    try:
        y = x.sqrt()
        y.backward()
        assert np.isnan(x.grad.item())
    finally:
        autograd.set_detect_anomaly(False)
    y = x.sqrt()
    with (
        autograd.set_detect_anomaly(True),
        pytest.warns(UserWarning, match="No forward pass information"),
        pytest.raises(RuntimeError, match="nan values"),
    ):
        y.backward()
