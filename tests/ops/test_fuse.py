"""Deferred results: [convolution,] batch norm, a sum and ReLU in one pass give the bits of one after the other, unseen.

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
from minitorch.autograd import tape
from minitorch.kernels.engine import memory
from minitorch.ops import fuse

SHAPES = [(4, 16, 20, 20), (3, 10, 33, 21), (2, 300, 9, 7), (700, 33), (4, 3, 9, 11, 16)]


@pytest.fixture(autouse=True)
def fusion_on(monkeypatch):
    """Also where the suite runs with MINITORCH_FUSION=0."""
    monkeypatch.setattr(fuse, "enabled", True)


def image(shape, seed=0, dtype=np.float32):
    """Normal numbers, channels-last, in memory from the pool: what a layer would hand on."""
    last = (0, *range(2, len(shape)), 1)
    memory = kernels.empty(tuple(shape[axis] for axis in last), dtype)
    memory[...] = np.random.default_rng(seed).standard_normal(memory.shape)
    return tape.wrap(memory.transpose(np.argsort(last)))


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
    assert composed == (y.pending is None)
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

    monkeypatch.setattr(kernels, "evaluate", fail)
    norm, x, g = layer(16), image(SHAPES[0]).requires_grad_(), image(SHAPES[0], 2)
    pool = memory._pool

    def made(work):
        gc.collect()
        pool.clear()  # a free block of up to twice the size would count for what it is
        before, pool.peak = pool.lent, pool.lent
        result = work()
        return result, (pool.peak - before) / x.nbytes

    z, forward = made(lambda: norm(x).relu())
    assert forward == 0
    _, forward = made(lambda: z.array)
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
                assert y.pending is not None
                assert z.pending is not None
            target = {
                "x": x,
                "detached": x.detach(),
                "view": x[1],
                "r": r,
                "w": norm.weight,
                "b": norm.bias,
                "running": norm.running_mean,
            }[change]
            target.zero_()
            return [y.relu(), y, z.relu(), z]

    assert same(run(False), run(True))


WRITERS = {
    "SGD": lambda x: minitorch.optim.SGD([x], lr=1.0).step(),
    "Adam": lambda x: minitorch.optim.Adam([x], lr=1.0).step(),
    "init": lambda x: nn.init.ones_(x),
    "load_state_dict": lambda x: nn.ParameterList([x]).load_state_dict({"0": minitorch.zeros(*x.shape)}),
    "vector_to_parameters": lambda x: nn.utils.vector_to_parameters(minitorch.zeros(x.numel()), [x]),
    "ufunc": lambda x: np.add(x.detach(), 5, out=x.detach()),
    "numpy": lambda x: x.numpy().fill(3),
    "data": lambda x: x.data.mul_(5),
    "clip_grad_norm_": lambda x: nn.utils.clip_grad_norm_([x], 1e-3),
    "clip_grad_value_": lambda x: nn.utils.clip_grad_value_([x], 1e-3),
    "zero_grad": lambda x: minitorch.optim.SGD([x], lr=1.0).zero_grad(set_to_none=False),
}


@pytest.mark.parametrize("write", WRITERS)
def test_who_writes_has_what_is_deferred_computed_first(write):
    """All that changes memory in place, of a parameter or of its gradient."""

    def run(composed):
        norm, x = layer(16).eval(), nn.Parameter(image(SHAPES[0]))
        x.grad = image(SHAPES[0], 1)
        with minitorch.no_grad():
            made = [look(norm(x), composed), look(norm(x.grad), composed)]
            assert composed == (made[0].pending is None) == (made[1].pending is None)
            WRITERS[write](x)
            return [*made, x, x.grad]

    before, after = run(True), run(False)
    assert same(before, after)
    assert not same(before[2:], [image(SHAPES[0]), image(SHAPES[0], 1)])  # it did write


def test_a_gradient_added_to_in_place():
    """.grad that a deferred result reads, before the next backward adds to it."""

    def run(composed):
        norm, x = layer(16).eval(), image(SHAPES[0]).requires_grad_()
        x.grad = image(SHAPES[0], 1)
        with minitorch.no_grad():
            y = look(norm(x.grad), composed)
        (x * 2).sum().backward()
        return [y, x.grad]

    assert same(run(False), run(True))


def test_few_wait_at_a_time():
    """Results that are kept, as when features are collected, do not keep all that they are made of."""
    norm = layer(16).eval()
    with minitorch.no_grad():
        kept = [norm(image(SHAPES[0], seed)) for seed in range(9)]
        assert sum(y.pending is not None for y in kept) <= fuse.WAITING
        assert same(kept, [look(norm(image(SHAPES[0], seed))) for seed in range(9)])


def test_statistics_of_the_time_of_the_call():
    """A batch norm used in evaluation, then in training, then backwards: gradients by the statistics it had then."""
    norm, x = layer(16).eval(), minitorch.randn(40, 16)
    own = [t.clone() for t in (norm.running_mean, norm.running_var)]
    y = norm(x)
    norm.train()(minitorch.randn(40, 16))
    gradients = minitorch.autograd.grad((y**3).sum(), [norm.weight, norm.bias])
    z = nn.functional.batch_norm(x, *own, norm.weight, norm.bias)
    assert same(gradients, minitorch.autograd.grad((z**3).sum(), [norm.weight, norm.bias]))


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


def test_a_hook_that_writes_into_its_gradient():
    """The same memory may be the gradient that a ReLU's gate, not yet applied, will read."""

    def run(hook):
        norm, x, r = layer(16), image(SHAPES[0]).requires_grad_(), image(SHAPES[0], 1).requires_grad_()
        y, h = norm(x), r * 1
        h.register_hook(hook)
        return minitorch.autograd.grad(y.relu() + h, [x, *norm.parameters(), r], image(SHAPES[0], 2))

    assert same(run(lambda g: g * 2), run(lambda g: g.mul_(2)))


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
    assert y.pending is None
    small = layer(16)(image((2, 16, 3, 3)))
    assert small.pending is None


def test_a_deferred_tensor_is_a_tensor():
    """Its class, its name, copies and pickles."""
    with minitorch.no_grad():
        norm, x = layer(16), image(SHAPES[0])
        expected = norm(x).numpy()
        for use in (copy.deepcopy, lambda y: pickle.loads(pickle.dumps(y)), lambda y: y.detach(), lambda y: y[:]):
            y = norm(x)
            assert y.pending is not None
            assert type(y) is minitorch.Tensor
            assert (y.shape, y.dtype, y.ndim, len(y), y.numel()) == (x.shape, x.dtype, x.ndim, len(x), x.numel())
            assert y.size() == x.size() and y.dim() == 4 and y.is_floating_point() and y.nbytes == x.nbytes
            assert y.pending is not None
            np.testing.assert_array_equal(use(y).array, expected)
            assert y.pending is None


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
        assert len(x.version.readers) <= 2
    finally:
        gc.enable()
