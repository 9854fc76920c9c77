"""Linear layers of few rows: all gradients come from one kernel, also through a ReLU, and are what the rules give."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from minitorch import kernels, nn
from minitorch.nn import functional as F
from minitorch.ops import fuse

ROWS, INPUTS, MIDDLE, OUTPUTS = 4, 7, 6, 3


@pytest.fixture
def calls(monkeypatch):
    """For each call of the kernel, whether it read through a ReLU."""
    seen, run = [], kernels.linear_grad

    def watched(g, y, *rest):
        seen.append(y.size > 0)
        run(g, y, *rest)

    monkeypatch.setattr(kernels, "linear_grad", watched)
    return seen


def operands(dtype=np.float32, rows=ROWS):
    """x, and weight and bias of two layers, as leaves."""
    rng = np.random.default_rng(0)
    shapes = (rows, INPUTS), (MIDDLE, INPUTS), (MIDDLE,), (OUTPUTS, MIDDLE), (OUTPUTS,)
    return [minitorch.from_numpy(rng.standard_normal(s).astype(dtype)).requires_grad_() for s in shapes]


def loss(x, w, b, v, c):
    """Of the two layers with a ReLU between them."""
    return (F.linear(F.relu(F.linear(x, w, b)), v, c) ** 2).sum() * 0.5


def expected(x, w, b, v, c):
    """The gradients of `loss`, in float64."""
    x, w, b, v, c = (t.detach().numpy().astype(np.float64) for t in (x, w, b, v, c))
    y = np.maximum(x @ w.T + b, 0)
    g = y @ v.T + c
    h = (g @ v) * (y > 0)
    return h @ w, h.T @ x, h.sum(0), g.T @ y, g.sum(0)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("rows", [1, 2, 4, 8, 9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients(dtype, rows, fused, calls, monkeypatch):
    """Of every operand; one call a layer where there are few rows, and the second reads through the ReLU, if fused."""
    monkeypatch.setattr(fuse, "enabled", fused)
    leaves = operands(dtype, rows)
    loss(*leaves).backward()
    for leaf, g in zip(leaves, expected(*leaves), strict=True):
        np.testing.assert_allclose(leaf.grad.numpy(), g, rtol=1e-4 if dtype == np.float32 else 1e-12, atol=1e-5)
    assert calls == ([False, fused] if 2 <= rows <= 8 else [])


@pytest.mark.parametrize("asked", [(0,), (1,), (2,), (3,), (4,), (0, 3), (1, 2), (2, 4)])
def test_only_what_is_asked_for(asked):
    """`grad` of some operands, and frozen ones: the same bits as where all are asked for."""
    whole = minitorch.autograd.grad(loss(*(leaves := operands())), leaves)
    some = minitorch.autograd.grad(loss(*(leaves := operands())), [leaves[i] for i in asked])
    assert [g.numpy().tobytes() for g in some] == [whole[i].numpy().tobytes() for i in asked]
    leaves = operands()
    for i in set(range(5)) - set(asked):
        leaves[i].requires_grad_(False)
    loss(*leaves).backward()
    assert [leaf.grad is not None for leaf in leaves] == [i in asked for i in range(5)]
    assert [leaves[i].grad.numpy().tobytes() for i in asked] == [whole[i].numpy().tobytes() for i in asked]


def test_same_bits_as_recorded_and_without_a_bias():
    """`create_graph` runs the rules, whose products have the same kernels; `linear` alone as `affine` with zeros."""
    leaves = operands()
    plain = minitorch.autograd.grad(loss(*leaves), leaves)
    recorded = minitorch.autograd.grad(loss(*leaves), leaves, create_graph=True)
    for g, h in zip(plain, recorded, strict=True):
        np.testing.assert_allclose(g.numpy(), h.detach().numpy(), rtol=1e-6, atol=1e-6)
    x, w, b, v, c = operands()
    zeros = minitorch.zeros(MIDDLE), minitorch.zeros(OUTPUTS)
    bare = minitorch.autograd.grad(loss(x, w, None, v, None), [x, w, v])
    full = minitorch.autograd.grad(loss(x, w, zeros[0], v, zeros[1]), [x, w, v])
    assert [g.numpy().tobytes() for g in bare] == [g.numpy().tobytes() for g in full]


def test_hooks_see_gradients_that_do_not_change():
    """Of the ReLU's result and its input, of nodes and of leaves; what a hook returns counts."""
    x, w, b, v, c = operands()
    h = F.linear(x, w, b)
    y = F.relu(h)
    z = F.linear(y, v, c)
    seen = []
    for tensor in (h, y, w, v):
        tensor.register_hook(lambda g: seen.append(g))
    z.grad_fn.register_hook(lambda given, came: seen.extend(g for g in given if g is not None))
    b.register_hook(lambda g: g * 2)
    h.retain_grad()
    (z**2).sum().mul(0.5).backward(retain_graph=True)
    before = [g.numpy().copy() for g in seen]
    gx, gw, gb, gv, gc = expected(x, w, b, v, c)
    np.testing.assert_allclose(b.grad.numpy(), 2 * gb, rtol=1e-4)
    np.testing.assert_allclose(w.grad.numpy(), gw, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(h.grad.numpy().sum(0), gb, rtol=1e-4)
    assert not any(np.shares_memory(p.grad.numpy(), g.numpy()) for p in (w, v, c) for g in seen)
    for p in (w, v, c):
        p.grad.mul_(0)
    (z**2).sum().mul(0.5).backward()
    np.testing.assert_allclose(v.grad.numpy(), gv, rtol=1e-4, atol=1e-5)
    assert [g.numpy().tobytes() for g in seen[: len(before)]] == [g.tobytes() for g in before]


def test_gradients_are_taken_over_in_the_order_of_their_leaf():
    """A weight in column-major memory has a gradient that is; one used twice has the sum; both add up over steps."""
    x, w, b, *_ = operands()
    turned = minitorch.from_numpy(np.asfortranarray(w.detach().numpy())).requires_grad_()
    for step in (1, 2):
        (F.linear(x, w, b).sum() + F.linear(x * 2, w).sum() + F.linear(x, turned, b).sum()).backward()
        g = np.broadcast_to(x.detach().numpy().sum(0), w.shape)
        np.testing.assert_allclose(w.grad.numpy(), 3 * g * step, rtol=1e-5)
        np.testing.assert_allclose(turned.grad.numpy(), g * step, rtol=1e-5)
    assert turned.grad.array.strides == turned.array.strides
    assert w.grad.array.strides == w.array.strides


def test_what_was_changed_since_is_refused():
    """The weight, the input of a layer and the result of the ReLU, by the kernel as by the rules."""
    for change in range(3):
        x, w, b, v, c = operands()
        y = F.relu(F.linear(x * 1, w, b))
        z = F.linear(y, v, c).sum()
        with minitorch.no_grad():
            (w, v, y)[change].add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            z.backward()
        assert all(leaf.grad is None for leaf in (x, w, b, v, c))


def test_batch_norm_reads_through_a_relu_of_rows():
    """BatchNorm1d of few rows, whose kernels are given the ReLU's gate, in float64."""
    norm = nn.BatchNorm1d(MIDDLE, dtype=minitorch.float64)
    x = operands(np.float64)[0][:, :MIDDLE].detach().requires_grad_()
    assert minitorch.autograd.gradcheck(lambda x: F.relu(norm(x)), [x])
