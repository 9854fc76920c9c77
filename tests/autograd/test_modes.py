"""Off the tape: detached, no_grad and its kin, in threads and tasks."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest
from leaves import leaf

import minitorch as m
from minitorch.autograd import grad

# ------------------------------------------------------------------------------------------------------------- leaf or not


def test_detach_cuts() -> None:
    """detach() shares memory and passes no gradient."""
    x = leaf(2.0, 3.0)
    y = x * 2
    d = y.detach()
    assert not d.requires_grad and d.grad_fn is None
    assert np.shares_memory(d.array, y.array)
    (y * d).sum().backward()
    assert x.grad.tolist() == [8.0, 12.0]


def test_requires_grad_flags() -> None:
    """Leaves, results, and what may be changed about them."""
    x = m.ones(2)
    assert x.is_leaf and not x.requires_grad
    x.requires_grad_()
    assert x.is_leaf and x.requires_grad
    y = x * 2
    assert not y.is_leaf and y.requires_grad and y.grad_fn.name() == "multiply"
    y.requires_grad_()
    with pytest.raises(RuntimeError, match="leaf variables"):
        y.requires_grad = False
    x.requires_grad = False
    assert not (x * 2).requires_grad
    with pytest.raises(RuntimeError, match="floating point"):
        m.ones(2, dtype=m.int64).requires_grad_()
    assert not (leaf(1.0) > 0).requires_grad
    assert not leaf(1.0, 2.0).argmax().requires_grad


def test_next_functions() -> None:
    """The graph can be walked through grad_fn."""
    x = leaf(2.0)
    y = x.exp() * 3
    (first, _) = y.grad_fn.next_functions[0]
    assert first.name() == "exp"


# -------------------------------------------------------------------------------------------------------------- grad modes


def test_no_grad() -> None:
    """Nothing is recorded inside; enable_grad records within it; both restore what was."""
    x = leaf(2.0)
    with m.no_grad():
        assert not m.is_grad_enabled()
        assert not (x * 2).requires_grad
        with m.enable_grad():
            assert (x * 2).requires_grad
        assert not m.is_grad_enabled()
    assert (x * 2).requires_grad
    with m.inference_mode():
        assert not (x * 2).requires_grad


def test_modes_survive_exceptions() -> None:
    """An exception leaves the mode as it was."""
    with pytest.raises(ValueError), m.no_grad():  # noqa: PT011
        raise ValueError
    assert m.is_grad_enabled()


def test_set_grad_enabled() -> None:
    """As a function at once, as a context manager until the end of the block."""
    m.set_grad_enabled(False)
    assert not m.is_grad_enabled()
    m.set_grad_enabled(True)
    with m.set_grad_enabled(False):
        assert not m.is_grad_enabled()
    assert m.is_grad_enabled()

    @m.set_grad_enabled(False)
    def inside() -> bool:
        return m.is_grad_enabled()

    assert m.is_grad_enabled()
    assert not inside()
    assert m.is_grad_enabled()


@pytest.mark.parametrize("mode", [m.no_grad, m.inference_mode, m.no_grad()], ids=["class", "inference", "instance"])
def test_mode_as_decorator(mode: Any) -> None:
    """With and without brackets, keeping name and docstring, reentrant."""

    @mode() if isinstance(mode, type) else mode
    def double(x: Any, depth: int = 0) -> Any:
        """Twice."""
        return double(x, depth - 1) if depth else x * 2

    assert double.__name__ == "double" and double.__doc__ == "Twice."
    assert not double(leaf(2.0), depth=3).requires_grad
    assert m.is_grad_enabled()


def test_no_grad_decorator_without_brackets() -> None:
    """`@no_grad` over a function works as `@no_grad()`."""

    @m.no_grad
    def double(x: Any) -> Any:
        return x * 2

    assert not double(leaf(2.0)).requires_grad


def test_mode_in_generators() -> None:
    """A decorated generator runs without recording, and does not leak its mode to the caller between values."""

    @m.no_grad()
    def values() -> Any:
        received = yield m.is_grad_enabled()
        try:
            yield (m.is_grad_enabled(), received)
        except KeyError:
            yield (m.is_grad_enabled(), "thrown")
        return "done"

    g = values()
    assert next(g) is False
    assert m.is_grad_enabled()
    assert g.send(5) == (False, 5)
    assert m.is_grad_enabled()
    assert g.throw(KeyError()) == (False, "thrown")
    assert m.is_grad_enabled()
    with pytest.raises(StopIteration) as stop:
        next(g)
    assert stop.value.value == "done"


def test_modes_are_local_to_threads() -> None:
    """A thread starts recording, whatever the one that started it does, and its mode stays its own."""
    seen = {}
    barrier = threading.Barrier(2)

    def work(name: str, mode: bool) -> None:
        with m.set_grad_enabled(mode):
            barrier.wait(10)
            seen[name] = m.is_grad_enabled()
            barrier.wait(10)

    with m.no_grad():
        first = threading.Thread(target=lambda: seen.update(start=m.is_grad_enabled()))
        first.start()
        first.join()
    threads = [threading.Thread(target=work, args=pair) for pair in (("a", False), ("b", True))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"start": True, "a": False, "b": True}


def test_modes_are_local_to_tasks() -> None:
    """Two asyncio tasks that take turns keep their own modes."""

    async def task(mode: bool) -> list[bool]:
        out = []
        with m.set_grad_enabled(mode):
            for _ in range(3):
                await asyncio.sleep(0)
                out.append(m.is_grad_enabled())
        return out

    async def both() -> Any:
        return await asyncio.gather(task(False), task(True))

    assert asyncio.run(both()) == [[False] * 3, [True] * 3]


def test_backward_in_threads() -> None:
    """Graphs of different threads do not disturb each other."""
    found = {}

    def work(i: int) -> None:
        x = leaf(float(i))
        for _ in range(50):
            (g,) = grad(x * x * x, x)
        found[i] = g.item()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: 3.0 * i * i for i in range(4)}


def test_backward_within_no_grad() -> None:
    """A graph recorded before runs backward inside no_grad; create_graph still records."""
    x = leaf(3.0)
    y = x**3
    with m.no_grad():
        (g,) = grad(y, x, create_graph=True)
    assert g.requires_grad
    assert grad(g, x)[0].item() == pytest.approx(18.0)
