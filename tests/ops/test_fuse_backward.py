"""Gradients that wait or are written over: the same bits as by one step after the other, and nobody sees them change."""

from __future__ import annotations

import numpy as np
import pytest
from test_fuse import fusion_on, image, layer, same  # noqa: F401 -- also here, for every test

import minitorch
from minitorch import kernels, nn
from minitorch.autograd import tape
from minitorch.nn import functional as F
from minitorch.ops import fuse

SHAPE = (4, 16, 20, 20)
MIDDLES = {
    "nothing": lambda h: h,
    "relu": F.relu,
    "relu twice": lambda h: F.relu(F.relu(h)),
    "relu in place": lambda h: F.relu(h, inplace=True),
}
FOLLOWERS = {
    "conv": lambda: nn.Conv2d(16, 20, 3, padding=1, bias=False),
    "conv, bias": lambda: nn.Conv2d(16, 20, 1),
    "conv, stride 2": lambda: nn.Conv2d(16, 16, 3, stride=2),
    "depthwise": lambda: nn.Conv2d(16, 16, 3, padding=1, groups=16),
    "max_pool": lambda: nn.MaxPool2d(2),
    "avg_pool": lambda: nn.AvgPool2d(2, ceil_mode=True),
}


@pytest.fixture
def overs(monkeypatch):
    """For each gradient of a batch norm, whether it was written over the one that came in."""
    seen, run = [], kernels.batch_norm_input_grad

    def watched(x, g, *arguments):
        seen.append(np.shares_memory(g, arguments[-1]))
        run(x, g, *arguments)

    monkeypatch.setattr(kernels, "batch_norm_input_grad", watched)
    return seen


def setting(follower):
    """A batch norm, what follows it, and a leaf."""
    minitorch.manual_seed(0)
    return layer(16), FOLLOWERS[follower](), image(SHAPE).requires_grad_()


def both(run, monkeypatch):
    """Whether what `run` returns has the same bits with fusion and without; and what it is with."""
    fused = run()
    monkeypatch.setattr(fuse, "enabled", False)
    return same(fused, run()), fused


@pytest.mark.parametrize("follower", FOLLOWERS)
@pytest.mark.parametrize("middle", MIDDLES)
def test_a_gradient_that_nobody_has_is_written_over(middle, follower, overs, monkeypatch):
    """Behind a layer that made it; with the bits, and the order of memory, of a new array."""
    norm, after, leaf = setting(follower)

    def run():
        y = after(MIDDLES[middle](norm(leaf)))
        g = image(tuple(y.shape), 1)
        return minitorch.autograd.grad(y, [leaf, *norm.parameters(), *after.parameters()], g)

    agree, _ = both(run, monkeypatch)
    assert agree
    if middle != "relu twice" or kernels.implementation() == "numba":  # NumPy's has another order of memory
        assert overs == [True, False]


def hooked(tensor, seen):
    """A hook on the gradient of a tensor, which keeps it."""
    tensor.register_hook(lambda g: seen.append(g))


def shown(node, seen):
    """A hook on a node, which keeps what came in and what its rules gave."""
    node.register_hook(lambda given, came: seen.extend(g for g in (*given, *came) if g is not None))


WATCHERS = {
    "hook on the middle": lambda h, y, z, seen: hooked(y, seen),
    "hook behind the norm": lambda h, y, z, seen: hooked(h, seen),
    "node of the norm": lambda h, y, z, seen: shown(h.grad_fn, seen),
    "node of the middle": lambda h, y, z, seen: shown(y.grad_fn, seen),
    "node of the follower": lambda h, y, z, seen: shown(z.grad_fn, seen),
    "prehook of the norm": lambda h, y, z, seen: h.grad_fn.register_prehook(lambda came: seen.extend(came)),
    "prehook of the middle": lambda h, y, z, seen: y.grad_fn.register_prehook(lambda came: seen.extend(came)),
    "kept by the middle": lambda h, y, z, seen: y.retain_grad(),
    "kept by the norm": lambda h, y, z, seen: h.retain_grad(),
}


@pytest.mark.parametrize("follower", ["conv", "max_pool"])
@pytest.mark.parametrize("middle", ["nothing", "relu", "relu twice"])
@pytest.mark.parametrize("watcher", WATCHERS)
def test_what_somebody_has_seen_does_not_change(watcher, middle, follower, monkeypatch):
    """Gradients that hooks keep, or tensors, are afterwards what they are without fusion."""
    norm, after, leaf = setting(follower)

    def run():
        seen = []
        h = norm(leaf)
        y = MIDDLES[middle](h)
        z = after(y)
        WATCHERS[watcher](h, y, z, seen)
        leaf.grad = None
        z.backward(image(tuple(z.shape), 1))
        return [*seen, *(t.grad for t in (h, y) if t.grad_fn is not None and t.retains_grad), leaf.grad]

    agree, found = both(run, monkeypatch)
    assert agree
    assert len(found) > 1, "nobody watched"


def test_what_is_asked_for_does_not_change(monkeypatch):
    """The gradient of the middle, together with that of the leaf."""
    norm, after, leaf = setting("conv")

    def run():
        h = norm(leaf)
        y = h.relu()
        z = after(y)
        return minitorch.autograd.grad(z, [y, h, leaf, norm.weight], image(tuple(z.shape), 1))

    assert both(run, monkeypatch)[0]


def test_modules_hooks_see_what_they_see_without(monkeypatch):
    """Full backward hooks of the norm, the ReLU and what follows, which keep all they are shown."""
    norm, after, leaf = setting("conv")
    net, seen = nn.Sequential(norm, nn.ReLU(), after), []
    for module in net:
        module.register_full_backward_hook(lambda module, given, came: seen.extend((*given, *came)))

    def run():
        seen.clear()
        z = net(leaf)
        return [*minitorch.autograd.grad(z, [leaf, *net.parameters()], image(tuple(z.shape), 1)), *seen]

    agree, found = both(run, monkeypatch)
    assert agree
    assert len(found) == 10


def test_a_shared_gradient_is_left_alone(overs, monkeypatch):
    """Where two layers follow, or a sum hands one gradient to two, it is somebody else's, too."""
    norm, after, leaf = setting("conv")
    other, more = layer(16), image(SHAPE, 5).requires_grad_()

    def run():
        h = norm(leaf)
        y = (other(more) + h).relu()
        z = after(y).sum() + (after(y) * 2).sum() + F.max_pool2d(y, 2).sum()
        return minitorch.autograd.grad(z, [leaf, more, *norm.parameters(), *other.parameters()])

    assert both(run, monkeypatch)[0]
    assert overs == [False] * 4


CURVES = {
    "relu": F.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.1),
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
    "hardswish": F.hardswish,
    "sigmoid": lambda x: x.sigmoid(),
    "silu behind relu": lambda x: F.silu(F.relu(x)),
    "relu behind silu": lambda x: F.relu(F.silu(x)),
}


@pytest.mark.parametrize("middle", ["sum", "norm", "leaf"])
@pytest.mark.parametrize("curve", CURVES)
def test_curves_write_over_what_came_in(curve, middle, monkeypatch):
    """With the bits of a new array, whatever lies below; hooks keep what they saw, and what they make is used."""
    norm, after, leaf = setting("conv")

    def run(hook=None):
        x = {"sum": lambda: norm(leaf) + leaf, "norm": lambda: norm(leaf), "leaf": lambda: leaf * 1}[middle]()
        y = CURVES[curve](x)
        if hook is not None:
            y.register_hook(hook)
        g = image(SHAPE, 4)
        found = minitorch.autograd.grad((after(y) * g[:, :1]).sum(), [leaf, *norm.parameters()], allow_unused=True)
        return [t for t in found if t is not None]

    seen = []
    fused, kept, doubled = run(), run(seen.append), run(lambda g: g * 2)
    assert same(fused, kept)
    before = seen[0].array.copy()
    monkeypatch.setattr(fuse, "enabled", False)
    assert same([*fused, *doubled], [*run(), *run(lambda g: g * 2)])
    assert same([*run(seen.append), seen[1]], [*fused, seen[0]])
    assert before.tobytes() == seen[0].array.tobytes()


@pytest.mark.skipif(kernels.implementation() != "numba", reason="NumPy makes a new array")
def test_a_sum_of_gradients_is_written_over_one(monkeypatch):
    """Of an image used by a layer and by more: in either order, and of three; the others' gradients stay as they are."""
    norm, after, leaf = setting("conv")
    sums, add = [], tape.add_over

    def watched(own, g):
        out = add(own, g)
        if own.shape == SHAPE:  # a weight's gradient is small: NumPy makes a new array
            sums.append(np.shares_memory(own, out) and not np.shares_memory(g, out))
        return out

    def run():
        y = leaf * 1
        z = after(y), norm(y), after(y * 2)
        images = [image(tuple(t.shape), i) for i, t in enumerate(z)]
        return minitorch.autograd.grad(z, [leaf, z[1], *norm.parameters(), after.weight], images)

    monkeypatch.setattr(tape, "add_over", watched)
    agree, _ = both(run, monkeypatch)
    assert agree
    assert len(sums) > 1
    assert all(sums)


@pytest.mark.parametrize("first", ["somebody's", "nobody's"])
def test_a_sum_of_gradients_of_which_one_is_somebody_s(first, monkeypatch):
    """It is written over the other one, whichever comes first; a gradient that was handed on to two stays."""
    _, after, leaf = setting("conv")
    more, sums, add = image(SHAPE, 5).requires_grad_(), [], tape.add_over

    def watched(own, g):
        sums.append(own.shape == SHAPE)
        return add(own, g)

    def run():
        y, other = leaf * 1, more * 1
        z = [after(y), y + other] if first == "somebody's" else [y + other, after(y)]
        given = [image(tuple(t.shape), i) for i, t in enumerate(z)]
        before = [g.numpy().copy() for g in given]
        found = minitorch.autograd.grad(z, [leaf, more], given)
        assert all((g.numpy() == b).all() for g, b in zip(given, before, strict=True))
        return found

    monkeypatch.setattr(tape, "add_over", watched)
    assert both(run, monkeypatch)[0]
    assert any(sums)


def test_one_of_two_norms_may_write(overs, monkeypatch):
    """A chain of layers, each with a gradient of its own; a weight that was normalised keeps its place on the tape."""
    norm, after, leaf = setting("conv")
    second = layer(20)

    def run():
        w = layer(16)(after.weight)
        h = F.relu(norm(leaf))
        z = F.max_pool2d(second(F.conv2d(h, w, padding=1)).relu(), 2)
        g = image(tuple(z.shape), 1)
        return minitorch.autograd.grad(z, [leaf, after.weight, *norm.parameters(), *second.parameters()], g)

    assert both(run, monkeypatch)[0]
    assert overs[:3].count(True) == 2


def test_what_is_recorded_or_checked_is_the_same():
    """create_graph, where gradients are tensors; and detect_anomaly, which looks at every gradient."""
    norm, after, leaf = setting("conv")

    def run():
        z = after(norm(leaf).relu())
        g = image(tuple(z.shape), 1)
        (first,) = minitorch.autograd.grad(z, leaf, g, create_graph=True)
        second = minitorch.autograd.grad((first * first).sum(), [leaf, norm.weight, after.weight])
        with pytest.warns(UserWarning), minitorch.autograd.detect_anomaly(check_nan=True):
            checked = minitorch.autograd.grad(after(norm(leaf).relu()), [leaf, norm.weight], g)
        return [first, *second, *checked]

    with pytest.MonkeyPatch.context() as patch:
        agree, _ = both(run, patch)
    assert agree


@pytest.mark.skipif(kernels.implementation() != "numba", reason="NumPy makes arrays on the way")
def test_a_step_needs_less_memory(monkeypatch):
    """What is out at once, at the peak of a step through three layers of one size: three arrays fewer."""
    from minitorch.kernels.engine import memory

    minitorch.manual_seed(0)
    net = nn.Sequential(*[m for _ in range(3) for m in (nn.Conv2d(16, 16, 3, padding=1), layer(16), nn.ReLU())])
    leaf, g = tape.wrap(image((8, 16, 40, 40)).array), image((8, 16, 40, 40), 1)

    def run():
        memory._pool.sweep()
        before, most, take = memory._pool.load, [0], memory._pool.take

        def watched(size):
            block = take(size)
            memory._pool.sweep()
            most[0] = max(most[0], memory._pool.load)
            return block

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(memory._pool, "take", watched)
            net(leaf).backward(g)
        return most[0] - before

    run()
    fused = run()
    monkeypatch.setattr(fuse, "enabled", False)
    assert fused <= run() - 3 * g.array.nbytes
