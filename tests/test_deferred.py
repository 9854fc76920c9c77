"""Deferred results: batch norm, a sum and ReLU in one pass give the bits of the three one after the other, unseen.

What is composed here is made so by a look at the array between two steps.
"""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import minitorch
from minitorch import kernels, nn
from minitorch.kernels import memory

SHAPES = [(4, 16, 20, 20), (3, 10, 33, 21), (2, 300, 9, 7), (700, 33), (4, 3, 9, 11, 16)]


def image(shape, seed=0, dtype=np.float32):
    """Normal numbers, channels-last, in memory from the pool: what a layer would hand on."""
    last = (0, *range(2, len(shape)), 1)
    memory = kernels.empty(tuple(shape[axis] for axis in last), dtype)
    memory[...] = np.random.default_rng(seed).standard_normal(memory.shape)
    return minitorch.from_numpy(memory.transpose(np.argsort(last)))


def layer(channels, dtype=np.float32):
    """A batch norm with a weight and a bias that matter."""
    norm = nn.BatchNorm3d(channels, dtype=dtype)
    norm.ranks = (2, 3, 4, 5)
    rng = np.random.default_rng(3)
    for parameter in norm.parameters():
        parameter.array[...] = rng.standard_normal(channels)
    return norm


def look(tensor, composed=True):
    """The tensor itself, computed if steps are to be composed."""
    assert not composed or tensor.array is not None
    return tensor


def step(composed, shape, dtype, residual):
    """One training step through [a sum and] ReLU: everything that comes out of it."""
    norm, g = layer(shape[1], dtype), image(shape, 2, dtype)
    x, r = (image(shape, seed, dtype).requires_grad_() for seed in (0, 1))
    y = look(norm(x), composed)
    y = look({"none": lambda: y, "right": lambda: y + r, "left": lambda: r + y}[residual](), composed)
    assert composed == (y.recipe is None)
    z = y.relu()
    wanted = [x, *norm.parameters()] + [r] * (residual != "none")
    return [z, *minitorch.autograd.grad(z, wanted, g), *norm.buffers()]


def same(first, second):
    """Whether two lists of tensors have the same bits and strides."""
    return [(a.array.tobytes(), a.array.strides) for a in first] == [
        (b.array.tobytes(), b.array.strides) for b in second
    ]


@pytest.mark.parametrize("residual", ["none", "right", "left"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_same_bits_as_composed(shape, dtype, residual):
    """Result, gradients and running statistics, for one thread and for all."""
    threads = kernels.get_num_threads()
    composed = step(True, shape, dtype, residual)
    assert same(step(False, shape, dtype, residual), composed)
    try:
        kernels.set_num_threads(1)
        assert same(step(False, shape, dtype, residual), composed)
    finally:
        kernels.set_num_threads(threads)


def test_the_middle_arrays_are_never_made(monkeypatch):
    """Forwards one new array, backwards another; no kernel of ReLU's own runs."""

    def fail(*arrays):
        raise AssertionError("ReLU by itself")

    monkeypatch.setattr(kernels, "relu", fail)
    monkeypatch.setattr(kernels, "relu_grad", fail)
    norm, x, g = layer(16), image(SHAPES[0]).requires_grad_(), image(SHAPES[0], 2)
    pool = memory._pool

    def made(work):
        before, pool.peak = pool.lent, pool.lent
        result = work()
        return result, (pool.peak - before) / x.nbytes

    z, forward = made(lambda: norm(x).relu())
    _, backward = made(lambda: minitorch.autograd.grad(z, x, g))
    assert 1 <= forward < 1.5
    assert 1 <= backward < 1.5


def test_hooks_and_gradients_of_the_middle():
    """Registered before and after ReLU, retained, asked for: as composed; a hook's replacement counts."""

    def run(composed):
        norm, x, g = layer(16), image(SHAPES[0]).requires_grad_(), image(SHAPES[0], 2)
        seen = []
        y = look(norm(x), composed)
        y.register_hook(lambda g: seen.append(g))
        z = y.relu()
        y.register_hook(lambda g: g * 2)
        y.retain_grad()
        (gy,) = minitorch.autograd.grad(z, y, g, retain_graph=True)
        seen.clear()
        z.backward(g)
        return [gy, *seen, y.grad, x.grad, *(p.grad for p in norm.parameters()), y, z]

    fused = run(False)
    assert len(fused) == 8
    assert same(fused, run(True))


def test_a_middle_used_twice():
    """By ReLU, which does not need it, and by others, which do; gradients meet there."""

    def run(composed):
        norm, x, g = layer(16), image(SHAPES[0]).requires_grad_(), image(SHAPES[0], 2)
        y = look(norm(x), composed)
        z = y.relu() + y * 2 + y.relu() + (y + x) + (y + y)
        return [z, y, *minitorch.autograd.grad(z, [x, *norm.parameters()], g)]

    assert same(run(False), run(True))


@pytest.mark.parametrize("change", ["x", "detached", "view", "r", "w", "b", "running"])
@pytest.mark.parametrize("training", [True, False])
def test_changes_in_between_change_nothing(change, training):
    """In-place changes of all that a deferred result is made from, before it is used."""

    def run(composed):
        norm, x, r = layer(16).train(training), image(SHAPES[0]), image(SHAPES[0], 1)
        with minitorch.no_grad():
            y = norm(x)
            z = y + r
            if composed:
                look(y), look(z)
            else:
                assert y.recipe is not None
                assert z.recipe is not None
            target = {
                "x": x, "detached": x.detach(), "view": x[1], "r": r, "w": norm.weight, "b": norm.bias,
                "running": norm.running_mean,
            }[change]  # fmt: skip
            target.zero_()
            return [y.relu(), y, z.relu(), z]

    assert same(run(False), run(True))


def test_changes_of_the_tape_are_noticed_as_ever():
    """x modified before backward raises, and a view's history follows."""
    norm, x = layer(16), image(SHAPES[0]).requires_grad_()
    h = x + x
    z = norm(h).relu()
    h.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


@pytest.mark.parametrize("inplace", ["relu_", "add_", "F.relu"])
def test_in_place_on_the_middle(inplace):
    """y.relu_(), y.add_(r) and ReLU(inplace=True)."""

    def run(composed):
        norm, x, r, g = layer(16), image(SHAPES[0]).requires_grad_(), image(SHAPES[0], 1), image(SHAPES[0], 2)
        y = look(norm(x), composed)
        z = {"relu_": lambda: y.relu_(), "add_": lambda: y.add_(r).relu(), "F.relu": lambda: nn.ReLU(inplace=True)(y)}[
            inplace
        ]()
        assert y._version == 1
        return [z, y, *minitorch.autograd.grad(z, [x, *norm.parameters()], g)]

    assert same(run(False), run(True))


def test_second_order():
    """A gradient with create_graph, and the gradient of its norm."""

    def run(composed):
        norm, x = layer(16), image(SHAPES[0]).requires_grad_()
        z = look(norm(x), composed).relu()
        (gx,) = minitorch.autograd.grad((z * z).sum(), x, create_graph=True)
        return [z, gx, *minitorch.autograd.grad((gx * gx).sum(), [x, norm.weight])]

    assert same(run(False), run(True))


def test_the_tape_is_the_same():
    """Nodes, parents, what is kept."""
    norm, x, r = layer(16), image(SHAPES[0]).requires_grad_(), image(SHAPES[0], 1).requires_grad_()

    def names(node):
        if not hasattr(node, "parents"):
            return node is x or node is r or [p is node for p in norm.parameters()]
        return node.name(), node.shape, node.dtype, sorted(node.kept), [names(p) for p in node.parents if p is not None]

    trees = [names(look(look(norm(x), composed) + r, composed).relu().node) for composed in (False, True)]
    assert trees[0] == trees[1]
    assert trees[0][0] == "relu"


def test_arrays_of_users_are_not_deferred():
    """What came in as an array may be changed behind our back: computed at once."""
    array = np.random.default_rng(0).standard_normal((20, 20, 20, 16)).astype(np.float32)
    y = layer(16)(minitorch.from_numpy(array.transpose(0, 3, 1, 2)))
    assert y.recipe is None
    small = layer(16)(image((2, 16, 3, 3)))
    assert small.recipe is None


def test_a_deferred_tensor_is_a_tensor():
    """Its class, its name, copies and pickles."""
    with minitorch.no_grad():
        norm, x = layer(16), image(SHAPES[0])
        expected = norm(x).numpy()
        for use in (copy.deepcopy, lambda y: pickle.loads(pickle.dumps(y)), lambda y: y.detach(), lambda y: y[:]):
            y = norm(x)
            assert y.recipe is not None
            assert isinstance(y, minitorch.Tensor)
            assert type(y).__name__ == "Tensor"
            np.testing.assert_array_equal(use(y).array, expected)
            assert type(y) is minitorch.Tensor


def test_no_cycles_and_nothing_kept():
    """With the collector off, all memory returns when the tensors go, used or not; counters forget the dead."""
    norm, x = layer(16), image(SHAPES[0]).requires_grad_()
    norm(x).relu().sum().backward()
    gc.collect()
    gc.disable()
    try:
        before = memory._pool.lent
        for use in (lambda y: None, lambda y: y.relu(), lambda y: (y + x).relu(), lambda y: look(y)):
            y = norm(x)
            z = use(y)
            if z is not None and z is not y:
                z.sum().backward()
            references = [weakref.ref(y)] + ([] if z is None else [weakref.ref(z)])
            del y, z
            assert [reference() for reference in references] == [None] * len(references)
            assert memory._pool.lent == before
        assert len(x.version) <= 3
    finally:
        gc.enable()
