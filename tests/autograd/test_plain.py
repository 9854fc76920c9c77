"""Plain mode's backward, a sweep over the nodes, finds what the heap finds: for every primitive, graph and option."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from samples import ROWS, Row, Sample, incoming

import minitorch
from minitorch import nn
from minitorch.autograd import grad, plain

SMOOTH = [row for row in ROWS.values() if any(row.differentiable(s) for s in row.samples)]


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Plain mode on; the list has the number of nodes of each sweep."""
    counts: list[int] = []
    sweep = plain.sweep

    def counted(nodes: Any, roots: Any, hand_on: Any) -> Any:
        counts.append(len(nodes))
        return sweep(nodes, roots, hand_on)

    monkeypatch.setattr(plain, "sweep", counted)
    monkeypatch.setattr(plain, "enabled", True)
    yield counts


def gradients(row: Row, sample: Sample) -> list[Any]:
    """Those of a sample, for a fixed incoming gradient."""
    with np.errstate(all="ignore"):
        tensors, wanted = row.leaves(sample)
        out = row.apply(sample, tensors)
        if not (wanted and out.requires_grad):
            return []
        g = minitorch.from_numpy(incoming(out.shape, out.array.dtype))
        return [x if x is None else x.array for x in grad(out, wanted, g, allow_unused=True)]


@pytest.mark.parametrize("row", SMOOTH, ids=[row.name for row in SMOOTH])
def test_every_primitive(row: Row, sweeps: list[int]) -> None:
    """The gradients of each primitive are, within rounding, those of the fast loop."""
    for i, sample in enumerate(row.samples):
        found = gradients(row, sample)
        plain.enabled = False
        expected = gradients(row, sample)
        plain.enabled = True
        assert len(found) == len(expected)
        for g, e in zip(found, expected, strict=True):
            if e is None:
                assert g is None
                continue
            assert g.shape == e.shape and g.dtype == e.dtype
            finite = np.abs(e[np.isfinite(e)]).max(initial=0)
            np.testing.assert_allclose(g, e, rtol=1e-10, atol=1e-10 * min(finite, 1e6), err_msg=f"{row.name}[{i}]")


def diamond(x: Any, y: Any) -> Any:
    """A graph that uses results near and far, and a leaf that needs no gradient."""
    a = x * y
    b = (a.exp() + x).reshape(-1)
    c = a.reshape(-1) * b.sum() + minitorch.ones(6, dtype=minitorch.float64)
    return (c * b)[1:].sum() + y.mean()


def leaves() -> tuple[Any, Any]:
    """Two small matrices, one of which is broadcast."""
    x = minitorch.linspace(-1, 1, 6, dtype=minitorch.float64).reshape(2, 3).requires_grad_()
    y = minitorch.tensor([[0.5], [2.0]], dtype=minitorch.float64, requires_grad=True)
    return x.detach().requires_grad_(), y


def both(measure: Callable[[], Any]) -> tuple[Any, Any]:
    """What `measure` gives in plain mode, and without."""
    plain.enabled = True
    found = measure()
    plain.enabled = False
    expected = measure()
    plain.enabled = True
    return found, expected


def test_backward_adds_up(sweeps: list[int]) -> None:
    """Two calls, the second on a tape that was kept."""

    def measure() -> list[Any]:
        x, y = leaves()
        out = diamond(x, y)
        out.backward(retain_graph=True)
        out.backward()
        with pytest.raises(RuntimeError, match="second time"):
            out.backward()
        assert x.grad.node is None and not x.grad.requires_grad
        return [x.grad.tolist(), y.grad.tolist()]

    found, expected = both(measure)
    assert sweeps == [14, 14, 14]
    for g, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-12)


def test_gradients_of_gradients(sweeps: list[int]) -> None:
    """create_graph records, to the third order; inner results may be asked for, too."""

    def measure() -> list[Any]:
        x, y = leaves()
        inner = x * y
        out = (inner**4 * x).sum() + inner.sum()
        first = grad(out, [x, inner, y], create_graph=True)
        (second,) = grad(first[0].sum(), [y], create_graph=True)
        (third,) = grad(second.sum(), [x])
        return [g.tolist() for g in (*first, second, third)]

    found, expected = both(measure)
    assert len(sweeps) == 3
    for g, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-12)


def test_what_asks_for_more_takes_the_other_loop(sweeps: list[int]) -> None:
    """Hooks, retained gradients, anomalies and functions of users are served as ever."""

    class Twice(minitorch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    seen: list[Any] = []
    hooked = x * 3
    hooked.register_hook(lambda g: seen.append(g.tolist()))
    hooked.sum().backward()
    kept = x * 3
    kept.retain_grad()
    kept.sum().backward()
    Twice.apply(x).sum().backward()
    with pytest.warns(UserWarning, match="Anomaly"), minitorch.autograd.detect_anomaly():
        (x * 3).sum().backward()
    assert seen == [[1.0, 1.0]] and kept.grad.tolist() == [1.0, 1.0] and x.grad.tolist() == [11.0, 11.0]
    assert not sweeps
    x.register_hook(lambda g: g * 10)  # of a leaf: the sweep ends there
    (x * 3).sum().backward()
    assert x.grad.tolist() == [41.0, 41.0] and sweeps == [2]


def test_a_net_in_training(sweeps: list[int]) -> None:
    """A small net takes the same steps."""

    def measure() -> list[Any]:
        minitorch.manual_seed(3)
        net = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 5)
        )
        optimizer = minitorch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        x, t = minitorch.randn(6, 1, 8, 8), minitorch.arange(6) % 5
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), t).backward()
            optimizer.step()
        return [p.tolist() for p in net.parameters()]

    found, expected = both(measure)
    assert len(sweeps) == 3
    for g, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=2e-4, atol=2e-6)
