"""Large tensors are changed where they lie: same values, one change counted, nobody misled who shares the memory."""

import numpy as np
import pytest

import minitorch
from minitorch import nn
from minitorch.nn import functional as F

SHAPE = (5, 16, 24, 20)

CALLS = {
    "add_": (minitorch.add, 1),
    "add_ alpha": (lambda x, y: minitorch.add(x, y, alpha=-0.3), 1),
    "sub_ alpha": (lambda x, y: minitorch.sub(x, y, alpha=2), 1),
    "mul_": (minitorch.mul, 1),
    "div_": (minitorch.div, 1),
    "div_ floor": (lambda x, y: minitorch.div(x, y, rounding_mode="floor"), 1),
    "lerp_": (lambda x, y: minitorch.lerp(x, y, 0.3), 1),
    "addcmul_": (lambda x, y, z: minitorch.addcmul(x, y, z, value=0.5), 2),
    "clamp_": (lambda x: minitorch.clamp(x, -0.5, 0.5), 0),
    "tanh_": (minitorch.tanh, 0),
    "mul_ by a number": (lambda x: minitorch.mul(x, 0.25), 0),
    "copy_": (lambda x, y: y + 0.0, 1),
}


def change(name, x, *others):
    """The same in place."""
    method = name.split(" ")[0]
    settings = {
        "add_ alpha": {"alpha": -0.3},
        "sub_ alpha": {"alpha": 2},
        "div_ floor": {"rounding_mode": "floor"},
        "addcmul_": {"value": 0.5},
    }.get(name, {})
    numbers = {"lerp_": (0.3,), "clamp_": (-0.5, 0.5), "mul_ by a number": (0.25,)}.get(name, ())
    return getattr(x, method)(*others, *numbers, **settings)


def image(dtype=minitorch.float32, last=False):
    x = minitorch.randn(*SHAPE, dtype=dtype)
    return x.to(memory_format=minitorch.channels_last) if last else x


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize("dtype", [minitorch.float32, minitorch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", CALLS)
def test_same_values_in_the_same_memory(name, dtype, last):
    """Bit by bit as out of place, also with operands that are broadcast or x itself; one change is counted."""
    op, count = CALLS[name]
    for shape in (SHAPE, (1, 16, 1, 1), (20,)):
        x, others = image(dtype, last), [minitorch.randn(*shape, dtype=dtype) for _ in range(count)]
        expected, address, version = op(x, *others).expand(SHAPE), x.data_ptr(), x._version
        assert change(name, x, *others) is x
        assert np.array_equal(x.numpy(), expected.numpy(), equal_nan=True)
        assert (x.data_ptr(), x._version) == (address, version + 1)
        x = image(dtype, last)
        expected = op(x, *[x] * count)
        assert np.array_equal(change(name, x, *[x] * count).numpy(), expected.numpy(), equal_nan=True)


def test_parts_of_the_same_memory():
    """An operand that overlaps is read before it changes."""
    for name in ("add_", "mul_", "copy_", "add_ alpha"):
        for target, other in (
            (lambda x: x[1:], lambda x: x[:-1]),
            (lambda x: x[:-1], lambda x: x[1:]),
            (lambda x: x, lambda x: x.t()),
            (lambda x: x, lambda x: x.flip(0)),
        ):
            x = minitorch.randn(300, 300)
            expected = CALLS[name][0](target(x), other(x).clone())
            with minitorch.no_grad():
                change(name, target(x), other(x))
            assert np.array_equal(target(x).numpy(), expected.numpy())


def test_views_see_the_change():
    x = minitorch.randn(400, 300)
    row, before = x[7], x.clone()
    x.mul_(2.0)
    x[:, ::2].add_(1.0)
    before = before * 2.0
    before[:, ::2] = before[:, ::2] + 1.0
    assert np.array_equal(x.numpy(), before.numpy()) and np.array_equal(row.numpy(), before[7].numpy())


def test_what_waits_reads_the_old_values():
    """A convolution that is still to be computed has its operand as it was."""
    net, x = nn.Conv2d(8, 8, 3, padding=1), minitorch.relu(minitorch.randn(4, 8, 40, 40)) * 1.0
    x = x.to(memory_format=minitorch.channels_last) + 1.0
    expected = net(x).detach().numpy().copy()
    with minitorch.no_grad():
        waiting = net(x)
        x.mul_(3.0)
        assert np.array_equal(waiting.numpy(), expected)


def test_saved_for_backward():
    """Whoever saved the tensor hears of the change, or of nothing where the call failed."""
    w = minitorch.randn(300, 100, requires_grad=True)
    x = minitorch.randn(300, 100)
    loss = (w * x).sum()
    with pytest.raises(RuntimeError, match="must match|broadcast"):
        x.mul_(minitorch.randn(7))
    loss.backward(retain_graph=True)
    with minitorch.no_grad():
        x.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_refused_before_anything_changes():
    w = minitorch.randn(300, 100, requires_grad=True)
    before = w.detach().clone()
    with pytest.raises(RuntimeError, match="leaf"):
        w.add_(1.0)
    x = minitorch.randn(100)
    wide, version = x.expand(300, 100), x._version
    with pytest.raises(RuntimeError, match="single memory"):
        wide.mul_(2.0)
    big, one = minitorch.randn(300, 100), minitorch.randn(1, 100)
    with pytest.raises(RuntimeError, match="broadcast shape"):
        minitorch.randn(20_000, 1).add_(minitorch.randn(1, 3))
    one.add_(1.0)
    assert np.array_equal(w.detach().numpy(), before.numpy()) and x._version == version and big._version == 0


def test_recorded_in_place_is_as_before():
    """Where gradients are recorded, the rules have the values of before."""
    x = minitorch.randn(300, 100, requires_grad=True)
    y = x * 1.0
    y.mul_(x)
    y.sum().backward()
    assert np.allclose(x.grad.numpy(), 2 * x.detach().numpy())
    a, b = minitorch.randn(300, 100), minitorch.randn(300, 100, requires_grad=True)
    a.add_(b)
    a.sum().backward()
    assert np.array_equal(b.grad.numpy(), np.ones((300, 100), np.float32))


def test_operands_by_name():
    """An operand given by name is one as any other: its gradient, and memory that it shares."""
    x, w = minitorch.randn(300, 100), minitorch.randn(300, 100, requires_grad=True)
    before = x.clone()
    x.mul_(other=w)
    x.sum().backward()
    assert np.array_equal(w.grad.numpy(), before.numpy())
    y = minitorch.randn(300, 300)
    expected = y[1:] + y[:-1]
    y[1:].add_(other=y[:-1])
    assert np.array_equal(y[1:].numpy(), expected.numpy())


def test_inplace_curve_under_no_grad():
    x = minitorch.randn(64, 1024)
    expected = F.relu(x)
    assert np.array_equal(F.relu(x, inplace=True).numpy(), expected.numpy())
