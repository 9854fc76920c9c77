"""What a batch norm and a curve give is formed by whoever reads it, and not stored: with the bits of the stored."""

from __future__ import annotations

import gc
import io
import itertools

import numpy as np
import pytest
from test_fuse import fusion_on, image, layer, look, same  # noqa: F401 -- also here, for every test

import minitorch
from minitorch import kernels, nn
from minitorch.autograd.graph import saved_tensors_hooks
from minitorch.kernels.engine import memory
from minitorch.nn import functional as F
from minitorch.ops import fuse
from minitorch.ops.activation import CURVES

# shape of x, outputs, kernel, settings, and whether the convolution forms what it reads
READERS = {
    "3x3": ((4, 16, 24, 23), 16, 3, {"padding": 1}, True),
    "3x3, not padded": ((3, 17, 22, 25), 20, 3, {}, True),
    "3x3, wide padding": ((12, 16, 12, 9), 16, 3, {"padding": (3, 2)}, True),
    "3x3, small images": ((40, 70, 3, 5), 33, 3, {"padding": 1}, True),
    "3x3, more rows than are formed at a time": ((1, 40, 50, 43), 16, 3, {"padding": 1}, True),
    "3x3, a weight too large for parts": ((3, 130, 11, 12), 140, 3, {"padding": 1}, True),
    "3x3, few channels": ((4, 5, 60, 50), 12, 3, {"padding": 1}, True),
    "3x3, few channels, not padded": ((4, 5, 60, 50), 12, 3, {}, False),
    "3x3, one image": ((1, 12, 70, 60), 40, 3, {"padding": 1}, True),
    "5x5, many weights": ((3, 100, 9, 8), 130, 5, {"padding": 2}, True),
    "padding that no window reaches": ((30, 17, 24, 24), 16, 3, {"padding": ((0, 1), (0, 1)), "stride": 3}, True),
    "1x1": ((5, 20, 20, 20), 33, 1, {}, True),
    "1x1, three parts": ((1, 40, 55, 57), 90, 1, {}, True),
    "1x1, more rows than are formed at a time": ((2, 33, 31, 30), 200, 1, {}, True),
    "1x1, many channels": ((9, 600, 4, 4), 16, 1, {}, False),
    "1x1, stride 2": ((9, 16, 22, 22), 32, 1, {"stride": 2}, False),
    "dilated": ((4, 17, 24, 24), 16, 3, {"dilation": (2, 3), "padding": 2}, True),
    "3d": ((4, 5, 12, 12, 12), 3, 3, {"padding": 1}, True),
    "depthwise": ((4, 17, 24, 24), 17, 3, {"groups": 17, "padding": 1}, True),
    "depthwise, stride 2": ((9, 40, 25, 24), 40, 3, {"groups": 40, "padding": 1, "stride": 2}, True),
    "depthwise, more images than parts": ((40, 17, 9, 8), 17, 3, {"groups": 17, "padding": 1}, True),
    "depthwise, large images": ((1, 20, 90, 80), 20, 3, {"groups": 20, "padding": 1}, False),
    "groups": ((4, 16, 24, 24), 20, 3, {"groups": 2, "padding": 1}, True),
    "small groups": ((9, 32, 24, 24), 32, 3, {"groups": 8, "padding": 1}, True),
    "stride 2": ((9, 20, 24, 25), 17, 3, {"padding": 1, "stride": 2}, True),
    "1d": ((9, 20, 400), 17, 1, {}, True),
}
FAST = kernels.implementation() == "numba"
needs_numba = pytest.mark.skipif(not FAST, reason="counts what numba kernels do")


def reader(case, dtype=np.float32, bias=True):
    """A convolution of one of the cases, and an image for the norm before it."""
    shape, outputs, kernel, settings, _ = READERS[case]
    minitorch.manual_seed(0)
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(shape) - 3]
    return kind(shape[1], outputs, kernel, dtype=dtype, bias=bias, **settings), image(shape, 0, dtype)


def step(composed, case, dtype, relu=F.relu, bias=True):
    """A training step through batch norm, ReLU and a convolution: everything that comes out of it."""
    conv, x = reader(case, dtype, bias)
    norm = layer(x.shape[1], dtype)
    x.requires_grad_()
    z = conv(look(relu(look(norm(x), composed)), composed))
    wanted = [x, *norm.parameters(), *conv.parameters()]
    return [z, *minitorch.autograd.grad(z, wanted, image(tuple(z.shape), 2, dtype)), *norm.buffers()]


@pytest.fixture
def formed(monkeypatch):
    """Counts the passes that store what a batch norm gives."""
    runs, apply = [], kernels.batch_norm_apply
    monkeypatch.setattr(kernels, "batch_norm_apply", lambda *arguments: (runs.append(1), apply(*arguments))[1])
    return runs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", READERS)
def test_same_bits_as_stored(case, dtype, monkeypatch):
    """Result and gradients, for all algorithms, with bias and without, for one thread and for all."""
    threads = kernels.get_num_threads()
    algorithms = ("auto", "direct", "winograd") if case.startswith("3x3") and FAST else ("auto",)
    for word, bias in itertools.product(algorithms, (False, True)):
        monkeypatch.setattr(minitorch.backends.conv, "algorithm", word)
        stored = step(True, case, dtype, bias=bias)
        for count in (1, threads):
            kernels.set_num_threads(count)
            assert same(step(False, case, dtype, bias=bias), stored)


@needs_numba
@pytest.mark.parametrize("relu", [F.relu, lambda y: y.relu(), lambda y: y.relu_(), nn.ReLU(inplace=True)])
@pytest.mark.parametrize("case", READERS)
def test_it_is_not_stored(case, relu, formed):
    """In the step of a convolution that forms it, ReLU in place or not; once forwards where another reads it."""
    step(False, case, np.float32, relu)
    assert len(formed) == (0 if READERS[case][-1] else 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "window", [{"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}]
)
@pytest.mark.parametrize("shape", [(4, 16, 20, 20), (2, 70, 13, 12), (3, 300, 9, 7)])
def test_a_pool_forms_what_it_reads(shape, window, dtype, formed):
    """With the bits of the stored; of its choices, too, and where there is NaN."""

    def run(composed):
        norm, x = layer(shape[1], dtype).eval(), image(shape, 0, dtype)
        x.array[0, :, 3:5, 2] = np.nan
        x.requires_grad_()
        z = F.max_pool2d(look(F.relu(look(norm(x), composed)), composed), **window)
        return [z, *minitorch.autograd.grad(z, [x, *norm.parameters()], image(tuple(z.shape), 2, dtype))]

    stored = run(True)
    formed.clear()
    assert same(run(False), stored)
    assert not FAST or not formed


@needs_numba
def test_outliers_and_integers_are_summed_directly():
    """By Winograd's rules for what is formed, not for what it is formed of; with the bits of the stored."""

    def run(composed, spoil):
        conv, x = reader("3x3")
        norm = layer(16)
        spoil(x.array, norm)
        norm.eval()
        z = conv(look(F.relu(look(norm(x.requires_grad_()), composed)), composed))
        g = image(tuple(z.shape), 2)
        if spoil is integers:
            g.array[...] = np.round(g.array)
        return [z, *minitorch.autograd.grad(z, [x, *conv.parameters()], g)]

    def outlier(x, norm):
        x[1, 3, 5, 7] = 1e9

    def infinite(x, norm):
        x[1, 3, 5, 7] = np.inf

    def missing(x, norm):
        x[0, 0] = np.nan

    def integers(x, norm):
        x[...] = np.round(x)
        norm.weight.array[...], norm.bias.array[...], norm.running_var.array[...] = 1, 2, 1 - norm.eps

    def nothing(x, norm):
        norm.weight.array[...], norm.bias.array[...] = 0, -1

    def made(x, norm):
        x[:, 5], x[1, 5, 3, 7] = -1, 1
        norm.weight.array[5], norm.bias.array[5] = 1e9, 0

    for spoil in (outlier, infinite, missing, integers, nothing, made):
        assert same(run(False, spoil), run(True, spoil)), spoil.__name__


@pytest.mark.parametrize("case", ["3x3", "1x1", "depthwise"])
@pytest.mark.parametrize("threads", [2, 3, 4])
@needs_numba
def test_more_threads_than_cores(case, threads, in_threads):
    """The same bits for any number of them."""
    assert in_threads(threads, case) == in_threads(1, case)


@pytest.fixture
def in_threads():
    """What a step gives in a process with so many threads, as a hash."""
    import hashlib
    import os
    import subprocess
    import sys
    from pathlib import Path

    def run(count, case):
        code = (
            "import numpy as np, hashlib, test_fuse_reading as t;"
            f"out = t.step(False, {case!r}, np.float32);"
            "print(hashlib.sha256(b''.join(a.array.tobytes() for a in out)).hexdigest())"
        )
        path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        env = {**os.environ, "NUMBA_NUM_THREADS": str(count), "PYTHONPATH": path}
        out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
        assert len(out.strip()) == hashlib.sha256().digest_size * 2
        return out

    return run


# ------------------------------------------------------------------------------------------------ nobody can tell
def frozen(composed):
    """Before the convolution a shift alone needs a gradient, which needs no array; then all that was read changes."""
    conv, x = reader("3x3")
    norm = layer(16).eval()
    norm.weight.requires_grad_(False)
    y = look(F.relu(look(norm(x), composed)), composed)
    z = conv(y)
    del y
    with minitorch.no_grad():
        for read in (x, norm.weight, norm.bias, norm.running_mean, norm.running_var):
            read.zero_()
    return [*minitorch.autograd.grad(z, [norm.bias, *conv.parameters()], image(tuple(z.shape), 2))]


def test_what_was_read_may_change():
    """Where nothing that the tape needs has changed, gradients are those of before."""
    assert same(frozen(False), frozen(True))


@pytest.mark.parametrize("what", ["x", "y", "norm's weight"])
def test_what_is_kept_may_not_change(what):
    """Backward raises, as for what is stored."""
    for composed in (False, True):
        conv, x = reader("3x3")
        norm = layer(16)
        x = x.requires_grad_() * 1
        y = look(F.relu(look(norm(x), composed)), composed)
        z = conv(y)
        with minitorch.no_grad():
            {"x": x, "y": y, "norm's weight": norm.weight}[what].mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            z.sum().backward()


@pytest.mark.parametrize("seen", ["before", "between", "after", "in place after", "twice"])
def test_it_is_there_for_whoever_looks(seen):
    """Before the convolution or after it, and for two convolutions."""

    def run(composed):
        conv, x = reader("3x3")
        norm = layer(16)
        y = look(F.relu(look(norm(x.requires_grad_()), composed)), composed)
        before = y.detach().numpy().copy() if seen == "before" else None
        z = conv(y)
        other = conv(y * 2) if seen == "between" else conv(y) if seen == "twice" else None
        total = z.sum() if other is None else z.sum() + other.sum()
        gradients = minitorch.autograd.grad(total, [x, *norm.parameters(), *conv.parameters()])
        if seen == "in place after":
            with minitorch.no_grad():
                y += 1
        values = [minitorch.tensor(before)] if seen == "before" else []
        return [*values, z, y.detach() if seen != "before" else z, *gradients]

    assert same(run(False), run(True))


def test_twice_in_place():
    """A ReLU in place of what waits, after another."""

    def run(composed):
        conv, x = reader("3x3")
        y = look(layer(16)(x.requires_grad_()), composed)
        y = look(y.relu_(), composed).relu_()
        z = conv(look(y, composed))
        return [z, *minitorch.autograd.grad(z, [x, *conv.parameters()], image(tuple(z.shape), 2))]

    assert same(run(False), run(True))


def test_hooks_and_retained_gradients():
    """On both sides of the ReLU."""

    def run(composed):
        conv, x = reader("3x3")
        norm, seen = layer(16), []
        h = look(norm(x.requires_grad_()), composed)
        y = look(F.relu(h), composed)
        h.register_hook(lambda g: seen.append(g.clone()))
        y.register_hook(lambda g: g * 2)
        y.retain_grad()
        z = conv(y)
        z.backward(image(tuple(z.shape), 2))
        return [*seen, y.grad, x.grad, *(p.grad for p in (*norm.parameters(), *conv.parameters()))]

    assert same(run(False), run(True))


def test_second_derivatives():
    """Through what is formed, and of graphs that are walked twice."""

    def run(composed):
        conv, x = reader("3x3")
        norm = layer(16)
        z = conv(look(F.relu(look(norm(x.requires_grad_()), composed)), composed))
        wanted = [x, *norm.parameters(), conv.weight]
        once = minitorch.autograd.grad((z * z).sum(), wanted, retain_graph=True)
        first = minitorch.autograd.grad((z * z).sum(), wanted, create_graph=True)
        total = sum((g * g).sum() for g in first)
        return [*once, *first, *minitorch.autograd.grad(total, wanted)]

    assert same(run(False), run(True))


def test_hooks_on_what_is_saved_see_arrays():
    """All that is kept goes through them, stored."""
    sizes = []
    with saved_tensors_hooks(lambda t: (sizes.append(tuple(t.shape)), t)[1], lambda t: t):
        fused = step(False, "3x3", np.float32)
    seen = sizes[:]
    sizes.clear()
    with saved_tensors_hooks(lambda t: (sizes.append(tuple(t.shape)), t)[1], lambda t: t):
        stored = step(True, "3x3", np.float32)
    assert same(fused, stored)
    assert seen == sizes
    assert len(seen) > 4


def test_hooks_that_come_later_see_arrays():
    """Of what began to wait before them."""

    def run(composed):
        conv, x = reader("3x3")
        h = look(layer(16)(x.requires_grad_()), composed)
        y, once = look(F.relu(h), composed), F.gelu(h)
        sizes = []
        with saved_tensors_hooks(lambda t: (sizes.append(tuple(t.shape)), t)[1], lambda t: t):
            z = (conv(y) * F.silu(h) * F.max_pool2d(y, 1)).sum() + once.sum()
        return sizes, [z, *minitorch.autograd.grad(z, [x, *conv.parameters()])]

    (fused, values), (stored, others) = run(False), run(True)
    assert fused == stored
    assert len(fused) > 5
    assert same(values, others)


def test_the_tape_can_be_printed():
    """What is formed again has no size there."""
    conv, x = reader("3x3")
    out = io.StringIO()
    minitorch.print_tape(conv(F.relu(layer(16)(x.requires_grad_()))), out)
    (line,) = [line for line in out.getvalue().splitlines() if " relu " in line]
    assert line.endswith("keeps out")


@needs_numba
def test_memory_returns_without_the_collector():
    """There are no cycles; and a net keeps one array a layer, that of the convolution."""
    minitorch.manual_seed(0)
    net = nn.Sequential(*[m for _ in range(4) for m in (nn.Conv2d(16, 16, 3, padding=1), layer(16), nn.ReLU())])
    x, pool = image((8, 16, 20, 20)), memory._pool
    gc.collect()
    gc.disable()
    try:
        pool.clear()  # a free block of up to twice the size would count for what it is
        before = pool.lent
        z = net(x)
        kept = (pool.lent - before) / x.array.nbytes
        z.sum().backward()
        del z
        assert pool.lent == before
    finally:
        gc.enable()
    assert 4 <= kept < 5


# ------------------------------------------------------------------------------------------------ other curves
SETTINGS = {
    "leaky_relu": {"negative_slope": 0.1},
    "hardtanh": {"min_val": 0, "max_val": 6},
    "elu": {"alpha": 1.5},
    "celu": {"alpha": 0.7},
    "softplus": {"beta": 2.0, "threshold": 3.0},
}


def curved(composed, op, shape, dtype, follow):
    """A training step through batch norm and a curve."""
    minitorch.manual_seed(0)
    norm, x = layer(shape[1], dtype), image(shape, 0, dtype).requires_grad_()
    conv = nn.Conv2d(shape[1], 16, 3, dtype=dtype)
    y = op(look(norm(x), composed), **SETTINGS.get(op.name, {}))
    z = conv(y) if follow else y
    g = image(tuple(z.shape), 2, dtype)
    return [y, z, *minitorch.autograd.grad(z, [x, *norm.parameters()], g), *norm.buffers()]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("op", [op for op in CURVES if op.name != "relu"], ids=lambda op: op.name)
def test_a_curve_behind_a_norm(op, dtype, formed):
    """The bits of the two, gradients handed in and made on the way; no pass of the norm's."""
    for shape, follow in itertools.product([(4, 16, 24, 23), (3, 600, 5, 4)], (False, True)):
        stored = curved(True, op, shape, dtype, follow)
        formed.clear()
        assert same(curved(False, op, shape, dtype, follow), stored)
        assert not FAST or not formed


def test_a_curve_behind_a_norm_keeps_what_the_norm_reads():
    """Also where nothing needs a gradient, in eval mode, for what is looked at later, and in place."""

    def run(composed):
        x = image((4, 16, 24, 23)).requires_grad_()
        norm = layer(16)
        h = look(norm(x), composed)
        y = F.silu(h)
        other = reader("3x3")[0](h)
        gradients = minitorch.autograd.grad((y * h).sum(), [x], retain_graph=True)
        with minitorch.no_grad():
            z = look(norm.eval()(x), composed)
            z = F.gelu(z) + F.relu(z)
        return [h, y, z, other, *gradients, *minitorch.autograd.grad(y.sum(), [x]), F.silu(norm(x), inplace=True)]

    assert same(run(False), run(True))


def test_a_curve_after_which_the_norm_s_result_changes():
    """Backward raises, as for what is stored."""
    for composed in (False, True):
        h = look(layer(16)(image((4, 16, 24, 23)).requires_grad_()), composed)
        y = F.gelu(h)
        with minitorch.no_grad():
            h.mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()


def test_without_fusion_nothing_waits(monkeypatch):
    """The switch turns it off."""
    monkeypatch.setattr(fuse, "enabled", False)
    y = F.relu(layer(16)(image((4, 16, 24, 23)).requires_grad_()))
    assert y.pending is None
