"""KeyboardInterrupt where a signal handler may raise it: all is whole afterwards, and the next step gives the same bits."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch import kernels, nn
from minitorch.kernels.engine import apart, memory

F = nn.functional
EVERY = 23  # of all moments, so many steps apart; a prime, so that loops are met at all their places


def moments(act: Callable[[], Any], strike: int = 0) -> int:
    """Run act; at moment `strike` raise KeyboardInterrupt, as a signal's handler does. Returns how many moments came.

    Signals reach Python code where a function begins and where a C function has returned.
    """
    count = 0

    def look(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        if event in ("call", "c_return"):
            count += 1
            if count == strike:
                sys.setprofile(None)
                raise KeyboardInterrupt

    try:
        sys.setprofile(look)
        act()
    except KeyboardInterrupt:
        pass
    finally:
        sys.setprofile(None)
    return count


class Net:
    """Training and evaluation of a net whose results are large enough to wait."""

    def __init__(self) -> None:
        self.first, self.norm, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1)
        self.parts = nn.ModuleList([self.first, self.norm, self.second])
        self.optimizer = minitorch.optim.SGD(self.parts.parameters(), lr=0.05)
        self.x = minitorch.randn(8, 3, 20, 20)
        self.saved = {k: v.clone() for k, v in self.parts.state_dict().items()}

    def forward(self) -> Any:
        h = F.relu(self.norm(self.first(self.x)))
        return F.relu(self.second(h) + h).square().mean()

    def act(self) -> list[bytes]:
        """One step; the bits of all that came of it."""
        self.parts.load_state_dict(self.saved)
        self.optimizer.zero_grad()
        loss = self.forward()
        loss.backward()
        self.optimizer.step()
        self.parts.eval()
        with minitorch.no_grad(), minitorch.inference_mode():
            after = self.forward()
        self.parts.train()
        return [t.detach().numpy().tobytes() for t in (loss, after, *self.parts.state_dict().values())]


@pytest.mark.parametrize("offset", range(2))
def test_a_step(offset: int) -> None:
    """Grad mode, inference mode, NumPy's error state, the pool's books and the bits of the next step."""
    net = Net()
    with np.errstate(divide="print"):  # as nobody sets it
        errors = np.geterr()
        expected = net.act()
        assert np.geterr() == errors
    assert net.act() == expected
    count = moments(net.act)
    assert count > 500
    gc.collect()
    errors, lent = np.geterr(), memory._pool.lent
    for strike in range(1 + offset * 11, count, EVERY):
        moments(net.act, strike)
        assert minitorch.is_grad_enabled(), strike
        assert not minitorch.is_inference_mode_enabled(), strike
        assert np.geterr() == errors, strike
        net.parts.train()
        assert net.act() == expected, strike
        assert memory._pool.lent == lent, strike


def test_the_harness_finds_what_is_left_changed() -> None:
    """A context manager written in Python does leave its state behind."""
    state = [0]

    class Plain:
        def __enter__(self) -> None:
            state.append(1)

        def __exit__(self, *_: object) -> None:
            state.pop()

    def act() -> None:
        with Plain():
            pass

    left = 0
    for strike in range(1, moments(act) + 1):
        moments(act, strike)
        left += len(state) != 1
        state[1:] = []
    assert left >= 2


@pytest.mark.parametrize("mode", [minitorch.no_grad, minitorch.enable_grad, minitorch.inference_mode])
@pytest.mark.parametrize("before", [True, False])
def test_every_moment_of_a_mode(mode: Any, before: bool) -> None:
    """Entered, nested, left, as a decorator and round a generator."""

    @mode()
    def decorated() -> None:
        return None

    @mode()
    def generator() -> Any:
        yield 1
        yield 2

    def act() -> None:
        with mode() as _, mode():
            len("")
        decorated()
        list(generator())

    minitorch.set_grad_enabled(before)
    try:
        for strike in range(1, moments(act) + 1):
            moments(act, strike)
            assert (minitorch.is_grad_enabled(), minitorch.is_inference_mode_enabled()) == (before, False), strike
    finally:
        minitorch.set_grad_enabled(True)


WAYS: dict[str, Callable[[Any], Any]] = {
    "zero_": lambda x: x.zero_(),
    "item": lambda x: x.__setitem__(0, 1.0),
    "data": lambda x: x.data.zero_(),
    "numpy": lambda x: x.numpy().fill(0.0),
    "add_": lambda x: x.add_(1.0),
    "copy_": lambda x: x.copy_(minitorch.zeros_like(x)),
    "view": lambda x: x[0].mul_(2.0),
    "out": lambda x: minitorch.exp(x, out=x),
    "detach": lambda x: x.detach().fill_(3.0),
    "fill_": lambda x: x.fill_(3.0),
}


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("way", WAYS)
def test_what_waits_is_not_forgotten(way: str, error: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change fails while it computes what waits on its memory; made again, it still computes that first."""
    from minitorch.ops import fuse

    if not fuse.enabled:
        pytest.skip("nothing waits")
    norm, source = nn.BatchNorm2d(8).eval(), minitorch.randn(4, 8, 24, 24)
    with minitorch.no_grad():
        x = F.relu(nn.Conv2d(8, 8, 1)(source))
        x.array  # noqa: B018 is computed
        expected = norm(x * 1).numpy().tobytes()
        waiting = norm(x)
        assert waiting.pending is not None

        def fail(*_: object) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(fuse.Normalized, "run", fail)
            with pytest.raises(error):
                WAYS[way](x)
        WAYS[way](x)
        assert waiting.numpy().tobytes() == expected


def test_a_follower_looks_whether_its_operand_was_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread computes the operand and changes what both read, while the follower computes."""
    from minitorch.ops import fuse

    if not fuse.enabled:
        pytest.skip("nothing waits")
    norm = nn.BatchNorm2d(8).eval()
    with minitorch.no_grad():
        x = F.relu(nn.Conv2d(8, 8, 1)(minitorch.randn(4, 8, 24, 24)))
        expected = F.relu(norm(x * 1)).numpy().tobytes()
        y, run = norm(x), fuse.Normalized.run
        assert y.pending is not None

        def late(self: Any, epilogue: Any, rectified: bool) -> Any:
            monkeypatch.undo()
            x.zero_()  # in the other thread
            return run(self, epilogue, rectified)

        monkeypatch.setattr(fuse.Normalized, "run", late)
        assert F.relu(y).numpy().tobytes() == expected


def test_hooks_find_the_mode_of_the_backward() -> None:
    """That of create_graph, in hooks of leaves and after accumulation, too, as in PyTorch; then the caller's."""
    for create_graph in (False, True):
        for outer in (True, False):
            seen: list[bool] = []
            x = minitorch.ones(3, requires_grad=True)
            x.register_hook(lambda g, seen=seen: seen.append(minitorch.is_grad_enabled()))
            x.register_post_accumulate_grad_hook(lambda p, seen=seen: seen.append(minitorch.is_grad_enabled()))
            y = (x * x).sum()
            with minitorch.set_grad_enabled(outer):
                y.backward(create_graph=create_graph)
                assert minitorch.is_grad_enabled() == outer
            assert seen == [create_graph] * 2
            x.grad = None


# ------------------------------------------------------------------------------------------------ work apart
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer")
def test_an_interrupt_ends_the_waiting_not_the_work() -> None:
    """The work goes on, errors arrive where it is waited for, and work within work needs no other thread."""
    go, done = threading.Event(), threading.Event()

    def work() -> None:
        go.wait(60)
        done.set()

    def strike(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, strike)
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            apart.apart(work)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not done.is_set()
    go.set()
    assert done.wait(60)
    assert apart.apart(lambda: apart.apart(lambda: 3)) == 3
    with pytest.raises(ZeroDivisionError):
        apart.apart(lambda: 1 // 0)


def python(code: str, **environment: str) -> tuple[int, str]:
    """Exit code and output of a fresh process."""
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )
    return found.returncode, found.stdout + found.stderr


KERNEL = "import minitorch as m; x = m.ones(300, 300); print((x @ x).sum().item())"


@pytest.mark.parametrize("value", ["abc", "1.5", "0"])
@pytest.mark.skipif(kernels.implementation() != "numba", reason="the reference kernels have one thread")
def test_a_number_of_threads_that_is_none(value: str) -> None:
    """The error names the variable, its value and what is allowed."""
    code, out = python(KERNEL, NUMBA_NUM_THREADS=value)
    assert code == 1
    assert f"NUMBA_NUM_THREADS must be a whole number of threads, 1 or more, but is '{value}'" in out


@pytest.mark.skipif(kernels.implementation() != "numba", reason="the reference kernels were chosen")
def test_a_broken_numba(tmp_path: Path) -> None:
    """The reference kernels serve, with one warning that says why."""
    (tmp_path / "llvmlite").mkdir()
    (tmp_path / "llvmlite" / "__init__.py").write_text("raise OSError('libLLVM.so: no such file')")
    code, out = python(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {KERNEL}; print((x @ x).sum().item(), m.kernels.implementation())"
    )
    assert code == 0
    assert out.count("cannot be imported (OSError: libLLVM.so: no such file)") == 1
    assert "27000000.0 reference" in out


@pytest.mark.skipif(kernels.implementation() != "numba", reason="the reference kernels were chosen")
def test_a_half_imported_numba() -> None:
    """What an interrupted import of the user's left behind is imported anew."""
    half = "import sys, numba; del sys.modules['numba'], numba; "
    code, out = python(half + KERNEL)
    assert code == 0 and "27000000.0" in out.splitlines()  # beside what is said of kernels that are compiled
    assert "cannot be imported" not in out


def test_free_threaded_builds_are_refused() -> None:
    """At import, with a sentence."""
    code, out = python(
        "import sys, sysconfig; sys._is_gil_enabled = lambda: False; get = sysconfig.get_config_var\n"
        "sysconfig.get_config_var = lambda name: 1 if name == 'Py_GIL_DISABLED' else get(name)\nimport minitorch"
    )
    assert code == 1
    assert "ImportError: minitorch does not run on a free-threaded build of Python" in out
