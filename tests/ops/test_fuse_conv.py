"""Deferred convolutions: the same bits as composed, one kernel, changes in between."""

from __future__ import annotations

import gc
import itertools
import weakref

import numpy as np
import pytest
from test_fuse import SHAPES, fusion_on, image, layer, look, same  # noqa: F401 -- also here, for every test

import minitorch
from minitorch import kernels, nn
from minitorch.autograd import tape
from minitorch.kernels.engine import memory
from minitorch.ops import fuse

# shape of x, outputs, kernel, settings
CONVOLUTIONS = {
    "3x3": ((4, 16, 24, 23), 16, 3, {"padding": 1}),
    "3x3, 17 to 20 channels": ((3, 17, 22, 25), 20, 3, {}),
    "3x3, 3 to 5 channels": ((4, 3, 80, 70), 5, 3, {"padding": (2, 1)}),
    "3x3, 40 outputs": ((2, 16, 24, 23), 40, 3, {"padding": 1}),
    "stride 2": ((9, 20, 24, 25), 17, 3, {"padding": 1, "stride": 2}),
    "1x1": ((5, 20, 20, 20), 33, 1, {}),
    "1x1, stride 2": ((9, 16, 22, 22), 32, 1, {"stride": 2}),
    "dilation": ((4, 17, 24, 24), 16, 3, {"dilation": (2, 3), "padding": 2}),
    "groups": ((4, 16, 24, 24), 20, 3, {"groups": 2, "padding": 1}),
    "depthwise": ((4, 17, 24, 24), 17, 3, {"groups": 17, "padding": 1}),
    "depthwise, stride 2": ((9, 20, 25, 24), 20, 3, {"groups": 20, "padding": 1, "stride": 2}),
    "depthwise, 3 channels": ((4, 3, 80, 70), 3, 5, {"groups": 3}),
    "1d": ((4, 5, 3000), 17, 3, {"stride": 2}),
    "3d": ((4, 5, 12, 12, 12), 3, 3, {"padding": 1}),
}


def convolution(case, dtype=np.float32, bias=True):
    """A layer of one of the cases, an image for it, and one for its result."""
    shape, outputs, kernel, settings = CONVOLUTIONS[case]
    minitorch.manual_seed(0)
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(shape) - 3]
    conv, x = kind(shape[1], outputs, kernel, dtype=dtype, bias=bias, **settings), image(shape, 0, dtype)
    with minitorch.no_grad():
        return conv, x, image(conv(x).array.shape, 1, dtype)


@pytest.fixture
def runs(monkeypatch):
    """The names of convolution's kernels, as they run."""
    seen = []

    def watched(name, kernel):
        return lambda *arguments: (seen.append(name), kernel(*arguments))[1]

    for name in ("conv", "conv_normal"):
        monkeypatch.setattr(kernels, name, watched(name, getattr(kernels, name)))
    return seen


def tail(composed, conv, norm, x, r, residual, relu):
    """A convolution and what may follow it."""
    y = look(conv(x), composed)
    y = look(norm(y), composed) if norm else y
    y = look({"none": lambda: y, "right": lambda: y + r, "left": lambda: r + y}[residual](), composed)
    assert composed == (y.pending is None)
    return y.relu() if relu else y


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolution_has_the_bits_of_the_composed(case, dtype, monkeypatch):
    """For all algorithms, with bias and without, whatever follows, for one thread and for all."""
    monkeypatch.setattr(fuse, "CHANNELS", 1)
    threads, fast = kernels.get_num_threads(), kernels.implementation() == "numba"
    algorithms = ("auto", "direct", "winograd") if case.startswith("3x3") and fast else ("auto",)
    for algorithm, bias in itertools.product(algorithms, (False, True)):
        monkeypatch.setattr(minitorch.backends.conv, "algorithm", algorithm)
        conv, x, r = convolution(case, dtype, bias)
        with minitorch.no_grad():
            norm = layer(r.shape[1], dtype).eval()
            for arguments in itertools.product((None, norm), (x,), (r,), ("none", "right", "left"), (False, True)):
                composed = [tail(True, conv, *arguments)]
                if arguments[0] is None or not bias:
                    for count in (1, threads):
                        kernels.set_num_threads(count)
                        assert same([tail(False, conv, *arguments)], composed)
                else:
                    assert same([norm(conv(x))], [norm(look(conv(x)))])


def test_convolution_is_one_kernel_and_one_array(runs, monkeypatch):
    """Of the four steps of a residual block; and so with ReLU in place, which overwrites what nobody saw."""
    conv, x, r = convolution("3x3", bias=False)
    norm, blocks, take = layer(16).eval(), [], memory._pool.take
    monkeypatch.setattr(memory._pool, "take", lambda size: (blocks.append(size), take(size))[1])
    with minitorch.no_grad():
        relus = nn.ReLU(), nn.ReLU(inplace=True), lambda y: y.relu_()
        for relu, follow in itertools.product(relus, (lambda y: norm(y) + r, norm, lambda y: y)):
            expected = relu(look(follow(look(conv(x))))).numpy().copy()
            runs.clear()
            blocks.clear()
            y = relu(follow(conv(x)))
            assert (runs, len(blocks)) == (["conv_normal"], 1)
            assert y.array.tobytes() == expected.tobytes()


@pytest.mark.parametrize("change", ["x", "detached", "view", "r", "w", "step", "b", "running", "conv's b", "data"])
def test_changes_between_a_convolution_and_its_use(change):
    """In-place changes of all it is made from, an optimizer's, too."""

    def run(composed):
        conv, x, r = convolution("3x3", bias=change == "conv's b")
        norm = layer(16).eval()
        optimizer = minitorch.optim.SGD([conv.weight], lr=1.0)
        conv.weight.grad = minitorch.ones(*conv.weight.shape)
        with minitorch.no_grad():
            h = look(conv(x), composed)
            y = look(norm(h), composed and change != "conv's b")
            z = look(y + r, composed)
            assert composed == (z.pending is None)
            if change == "step":
                optimizer.step()
            elif change == "data":
                conv.weight.data[...] = 0
            else:
                target = {
                    "x": x,
                    "detached": x.detach(),
                    "view": x[1],
                    "r": r,
                    "w": conv.weight,
                    "b": norm.bias,
                    "running": norm.running_mean,
                    "conv's b": conv.bias,
                }[change]
                target.zero_()
            return [z.relu(), z, y.relu(), y, h.relu(), h]

    assert same(run(False), run(True))


def test_changes_of_a_convolution_s_own_result():
    """In place, after batch norm took the convolution in."""

    def run(composed):
        conv, x, _ = convolution("3x3", bias=False)
        with minitorch.no_grad():
            h = look(conv(x), composed)
            y = look(layer(16).eval()(h), composed)
            h.relu_()
            h.add_(1)
            return [y, h]

    assert same(run(False), run(True))


def test_a_convolution_used_by_many(runs):
    """Each right, and the convolution run once for the first and once for all others."""
    conv, x, _ = convolution("3x3", bias=False)
    first, second = layer(16).eval(), layer(16).eval()
    second.bias.array[...] = 1

    def uses(h):
        a, b = first(h), second(h)
        return [a.relu(), a, a + x, b.relu(), b, h.relu(), h + h, h]

    with minitorch.no_grad():
        expected = uses(look(conv(x)))
        for use, most in ((uses, 3), (lambda h: [h + h], 1), (lambda h: [h.relu() for _ in range(4)], 2)):
            runs.clear()
            got = use(conv(x))
            assert all(y.array is not None for y in got)
            assert len(runs) <= most
            if use is uses:
                assert same(got, expected)


def test_negative_zeros_stay():
    """What underflows from below, without a batch norm that would change it."""
    conv, x, r = convolution("1x1", bias=False)
    with minitorch.no_grad():
        x.fill_(1e-30)
        conv.weight.fill_(-1e-30)
        r.fill_(-0.0)
        for use in (lambda y: y, lambda y: y.relu(), lambda y: y + r, lambda y: r + y):
            assert same([use(conv(x))], [use(look(conv(x)))])
        if kernels.implementation() == "numba":
            assert np.signbit(conv(x).relu().array).all()


def test_the_algorithm_is_the_one_set_at_the_call(monkeypatch):
    """Though the sums are computed later."""
    conv, x, r = convolution("3x3")
    results = {}
    with minitorch.no_grad():
        for algorithm in ("direct", "winograd"):
            monkeypatch.setattr(minitorch.backends.conv, "algorithm", algorithm)
            y, z = conv(x), conv(x)
            monkeypatch.setattr(minitorch.backends.conv, "algorithm", "auto")
            results[algorithm] = [y, z.relu()]
            monkeypatch.setattr(minitorch.backends.conv, "algorithm", algorithm)
            assert same(results[algorithm], [look(conv(x)), look(conv(x)).relu()])
    if kernels.implementation() == "numba":
        assert not same(*results.values())


def test_a_frozen_convolution():
    """What follows it learns as ever."""
    conv, x, _ = convolution("3x3")
    conv.requires_grad_(False)

    def run(composed):
        minitorch.manual_seed(1)
        after, norm = nn.Conv2d(16, 16, 1), layer(16)
        h = look(conv(x), composed)
        assert composed == (h.pending is None)
        y = look(conv(x), composed).requires_grad_()
        z = after(norm(h).relu()) + y.relu()
        return [z, y, *minitorch.autograd.grad((z * z).sum(), [y, *norm.parameters(), *after.parameters()])]

    assert same(run(False), run(True))


RECORDED = {
    "conv, relu": lambda conv, norm, fc, x: conv(x).relu(),
    "F.relu": lambda conv, norm, fc, x: nn.functional.relu(conv(x)),
    "in place": lambda conv, norm, fc, x: nn.functional.relu(conv(x), inplace=True),
    "conv, norm, relu": lambda conv, norm, fc, x: norm(conv(x)).relu(),
    "conv, norm, add, relu": lambda conv, norm, fc, x: (norm(conv(x)) + x).relu(),
    "conv, add, relu": lambda conv, norm, fc, x: (conv(x) + x).relu(),
    "conv, add": lambda conv, norm, fc, x: x + conv(x),
    "conv, relu and more": lambda conv, norm, fc, x: (lambda h: h.relu() + h * 2 + h.relu())(conv(x)),
    "linear, relu": lambda conv, norm, fc, x: fc(x.mean((2, 3))).relu(),
    "linear, relu and more": lambda conv, norm, fc, x: (lambda h: h.relu() + h)(fc(x.mean((2, 3)))),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("case", RECORDED)
def test_recorded_steps_have_the_bits_of_the_composed(case, bias):
    """Values, gradients of everything, tape and hooks, of a hand-written forward; and with fusion off."""
    minitorch.manual_seed(0)
    conv, norm, fc = nn.Conv2d(16, 16, 3, padding=1, bias=bias), layer(16), nn.Linear(16, 500)
    start, seen = image((40, 16, 20, 20)), {}
    wanted = [*conv.parameters(), *norm.parameters(), *fc.parameters()]
    for fused in (True, False):
        minitorch.backends.fusion.enabled = fused
        try:
            x = tape.wrap(start.array).requires_grad_()
            y = RECORDED[case](conv, norm, fc, x)
            found = minitorch.autograd.grad((y * y).sum(), [x, *wanted], allow_unused=True)
        finally:
            minitorch.backends.fusion.enabled = True
        seen[fused] = [y, *(g for g in found if g is not None)]
        assert len(seen[fused]) > 2
    assert same(seen[True], seen[False])


def test_a_hand_written_forward_is_what_a_sequential_is(runs):
    """One convolution, one pass behind it; nothing of ReLU's own runs."""
    conv, x, _ = convolution("3x3")
    passes = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "evaluate", lambda *arguments: passes.append(arguments))
        for use in (nn.Sequential(conv, nn.ReLU()), lambda x: nn.functional.relu(conv(x))):
            runs.clear()
            y = use(x)
            assert y.pending is None and y.requires_grad
            assert runs == ["conv"] and not passes


def test_the_switch():
    """Off, nothing waits; anything but a bool is refused."""
    conv, x, _ = convolution("3x3")
    assert conv(x).pending is not None
    try:
        y = conv(x)
        minitorch.backends.fusion.enabled = False
        assert y.relu().pending is None and y.pending is None, "ReLU joined, though fusion was off"
        assert conv(x).pending is None and layer(16)(x).pending is None
    finally:
        minitorch.backends.fusion.enabled = True
    with pytest.raises(TypeError, match="must be a bool"):
        minitorch.backends.fusion.enabled = 1


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_what_waits_is_forgotten_only_when_it_is_computed(error, monkeypatch):
    """An interrupted change in place leaves all as it was; the next attempt computes first."""
    norm, x = layer(16).eval(), image(SHAPES[0])
    with minitorch.no_grad():
        expected, y = norm(image(SHAPES[0])).numpy().copy(), norm(x)

        def fail(*arguments):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(kernels, "batch_norm_apply", fail)
            with pytest.raises(error):
                x.zero_()
        assert y.pending is not None and (x.array == image(SHAPES[0]).array).all()
        x.zero_()
        np.testing.assert_array_equal(y.array, expected)


@pytest.mark.parametrize("change", ["x", "w", "b"])
def test_changes_between_a_linear_layer_and_its_use(change):
    """Its input, weight and bias, before the result is used."""

    def run(composed):
        minitorch.manual_seed(0)
        fc, x = nn.Linear(16, 500), minitorch.randn(200, 16)
        with minitorch.no_grad():
            y = look(fc(x), composed)
            assert composed == (y.pending is None)
            {"x": x, "w": fc.weight, "b": fc.bias}[change].zero_()
            return [y.relu(), y]

    assert same(run(False), run(True))


def test_two_residuals():
    """The second sum does not take the place of the first."""

    def run(composed):
        norm, x, r, s = layer(16), image(SHAPES[0]).requires_grad_(), image(SHAPES[0], 1), image(SHAPES[0], 2)
        y = look(norm(x) + r, composed)
        z = (y + s).relu()
        return [z, y, *minitorch.autograd.grad(z, [x, *norm.parameters()], image(SHAPES[0], 3))]

    assert same(run(False), run(True))


def test_memory_that_was_handed_out_is_not_waited_on():
    """By numpy(), before the op; `data` is watched, before and after."""
    norm = layer(16).eval()
    with minitorch.no_grad():
        x = image(SHAPES[0])
        x.numpy()
        assert norm(x).pending is None
        for early in (True, False):
            x = image(SHAPES[0])
            expected = norm(image(SHAPES[0])).numpy().copy()
            data = x.data if early else None
            y = norm(x)
            (data if early else x.data).zero_()
            np.testing.assert_array_equal(y.array, expected)


def test_what_a_convolution_does_not_defer():
    """Arrays of users, results that are small, other memory than channels-last."""
    array = np.random.default_rng(0).standard_normal((20, 20, 20, 16)).astype(np.float32).transpose(0, 3, 1, 2)
    conv = nn.Conv2d(16, 16, 1)
    with minitorch.no_grad():
        assert conv(minitorch.from_numpy(array)).pending is None
        assert nn.Conv2d(16, 8, 1)(image((2, 16, 20, 20))).pending is None
        assert conv(minitorch.from_numpy(np.ascontiguousarray(array))).pending is not None  # of a copy


@pytest.mark.parametrize("bias", [True, False])
def test_few_channels_are_finished_in_a_pass_of_their_own(bias, runs, monkeypatch):
    """One that adds the bias and rectifies, after the plain convolution; the same bits as apart."""
    conv, x, passes = nn.Conv2d(16, 7, 1, bias=bias), image((40, 16, 20, 20)), []
    with minitorch.no_grad():
        expected = look(conv(x)).relu().numpy()
        shift = kernels.shift_columns
        monkeypatch.setattr(kernels, "shift_columns", lambda *a: (passes.append(a[3]), shift(*a))[1])
        runs.clear()
        y = conv(x).relu()
    assert (runs, passes) == (["conv"], [True])
    assert y.array.tobytes() == expected.tobytes()


def test_a_deferred_convolution_keeps_nothing():
    """With the collector off, all memory returns, used or not."""
    conv, x, r = convolution("3x3", bias=False)
    norm = layer(16).eval()
    gc.collect()
    gc.disable()
    try:
        with minitorch.no_grad():
            before = memory._pool.lent
            for use in (lambda y: y, norm, lambda y: norm(y) + r, lambda y: (norm(y) + r).relu(), look):
                y = conv(x)
                z = use(y)
                references = weakref.ref(y), weakref.ref(z)
                del y, z
                assert [reference() for reference in references] == [None, None]
                assert memory._pool.lent == before
            assert len(x.version.readers) <= 2
    finally:
        gc.enable()


def test_layers_that_ask_for_the_rank() -> None:
    """They are told that of a result that waits, as that of an array."""
    x, conv = image((4, 8, 40, 40), 1), nn.Conv2d(8, 8, 3, padding=1)
    for curve in (nn.PReLU(8), nn.Softmax2d()):
        assert conv(x).outline.ndim == 4
        there = conv(x)
        assert there.array.ndim == 4 and (curve(conv(x)) == curve(there)).all()
