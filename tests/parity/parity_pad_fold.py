"""Padding, unfold and fold against the live PyTorch: random settings, values, gradients of both orders, wrong ones.

`pytest tests/parity/parity_pad_fold.py -s`; a tenth of MINITORCH_PARITY_CASES (20000) is the number of cases of each kind that
PyTorch answers,
MINITORCH_PARITY_SEED the seed.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minitorch as m  # noqa: E402

CASES = max(1, int(os.environ.get("MINITORCH_PARITY_CASES", "20000")) // 10)
SEED = int(os.environ.get("MINITORCH_PARITY_SEED", "0"))
torch.set_num_threads(1)

MODES = ("constant", "reflect", "replicate", "circular")


class Tally:
    """What was compared, and how far apart it was at most."""

    def __init__(self, seed: int, rng: np.random.Generator | None = None) -> None:
        self.rng = rng or np.random.default_rng(seed)
        self.seed = seed
        self.counts: collections.Counter = collections.Counter()
        self.worst = 0.0
        self.wrong: list[str] = []

    def near(self, found: Any, expected: Any, what: str) -> None:
        """The same shape and dtype, and every number within 1e-9 of the largest (1e-5 in float32)."""
        a, b = found.array, expected.detach().numpy()
        if a.shape != b.shape or a.dtype != b.dtype:
            self.wrong.append(f"{what}: {a.shape} {a.dtype}, PyTorch {b.shape} {b.dtype}")
            return
        if not a.size or a.dtype.kind != "f":
            if not np.array_equal(a, b):
                self.wrong.append(what)
            return
        error = float(np.abs(a - b).max() / max(float(np.abs(b).max()), 1e-3))
        if a.dtype == np.float64:
            self.worst = max(self.worst, error)
        if not error <= (1e-9 if a.dtype == np.float64 else 1e-5):
            self.wrong.append(f"{what}: off by {error:.3g}")

    def compare(self, call: Callable[[Any, Any], Any], x: np.ndarray, what: str, gradient: bool = True) -> None:
        """call(library, tensor) with both: the same error class, or value, gradient and second derivative."""
        ours, theirs = m.from_numpy(self.layout(x)), torch.from_numpy(x.copy())
        floating = x.dtype.kind == "f"
        if floating:
            ours.requires_grad_()
            theirs.requires_grad_()
        expected, found = answer(lambda: call(torch, theirs)), answer(lambda: call(m, ours))
        if isinstance(expected, Exception) or isinstance(found, Exception):
            self.counts["refused"] += 1
            if type(expected) is not type(found):
                self.wrong.append(f"{what}\n  PyTorch: {expected!r}\n  ours: {found!r}")
            return
        self.counts["answered"] += 1
        self.near(found, expected, what)
        if not floating or not gradient:
            return
        g = self.rng.standard_normal(tuple(expected.shape)).astype(x.dtype)
        a, b = m.tensor(g, requires_grad=True), torch.tensor(g, requires_grad=True)
        (gx,) = m.autograd.grad(found, ours, a, create_graph=True)
        (hx,) = torch.autograd.grad(expected, theirs, b, create_graph=True)
        self.near(gx, hx, f"{what}: gradient")
        if self.counts["answered"] % 5 == 0:
            v = self.rng.standard_normal(x.shape).astype(x.dtype)
            (ga,) = m.autograd.grad(gx, a, m.from_numpy(v))
            (gb,) = torch.autograd.grad(hx, b, torch.from_numpy(v))
            self.near(ga, gb, f"{what}: second derivative")
            self.counts["second order"] += 1

    def layout(self, x: np.ndarray) -> np.ndarray:
        """The same values in other memory, now and then."""
        kind = self.rng.integers(0, 5)
        if kind == 1 and x.ndim > 2:
            return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
        if kind == 2 and x.ndim:
            return np.asfortranarray(x)
        if kind == 3 and x.ndim:
            return np.ascontiguousarray(x[..., ::-1])[..., ::-1]
        return x.copy()

    def numbers(self, shape: Any) -> np.ndarray:
        """float64, now and then float32 or int64."""
        x = np.asarray(self.rng.standard_normal(shape))
        kind = self.rng.random()
        return np.asarray(x.astype(np.float32) if kind < 0.15 else np.rint(x * 9).astype(np.int64) if kind < 0.2 else x)

    def report(self, name: str) -> None:
        """Print, and fail if anything differed."""
        counts = ", ".join(f"{n} {what}" for what, n in self.counts.items())
        print(f"\n{name}, seed {self.seed}: {counts}; worst relative error {self.worst:.1e}")
        assert not self.wrong, f"{len(self.wrong)} differ:\n" + "\n".join(self.wrong[:12])


def answer(function: Callable[[], Any]) -> Any:
    """The result, or the error."""
    try:
        return function()
    except Exception as error:  # noqa: BLE001
        return error


def undefined(shape: tuple, ends: tuple, mode: str) -> bool:
    """A circle closed over fewer pixels than it should lend: PyTorch reads memory that nothing was written to."""
    if mode != "circular" or len(ends) % 2 or min(ends, default=0) >= 0:
        return False
    axes = zip(shape[::-1], ends[::2], ends[1::2], strict=False)
    return any(max(before, after) > n + min(before, 0) + min(after, 0) for n, before, after in axes)


def padded(tally: Tally) -> None:
    """One padding."""
    rng = tally.rng
    mode = str(rng.choice(MODES))
    rank = int(rng.integers(1, 6))
    shape = tuple(map(int, rng.integers(0 if rng.random() < 0.15 else 1, 7, rank)))
    axes = int(rng.integers(0, 4)) if rng.random() < 0.15 else max(rank - int(rng.integers(1, 3)), 0)
    ends = tuple(map(int, rng.integers(-2 if rng.random() < 0.5 else 0, 6, 2 * min(axes, 3))))
    if rng.random() < 0.02:
        ends = ends[:-1]
    if undefined(shape, ends, mode):
        return
    value = float(rng.standard_normal()) if rng.random() < 0.2 else None
    total = [n + a + b for n, a, b in zip(shape[::-1], ends[::2], ends[1::2], strict=False)]
    empty = mode == "reflect" and 0 in total  # PyTorch's gradient of an empty reflection is uninitialised memory
    tally.counts[mode] += 1
    tally.compare(
        lambda library, x: library.nn.functional.pad(x, ends, mode, value),
        tally.numbers(shape),
        f"pad {shape} by {ends} {mode} value {value}",
        gradient=not empty,
    )


def test_pad() -> None:
    """F.pad: all modes, ranks 1 to 5, sizes from 0, negative widths, also what PyTorch refuses."""
    tally = Tally(SEED)
    while tally.counts["answered"] < CASES:
        padded(tally)
    tally.report("pad")


def settings(rng: np.random.Generator) -> dict[str, Any]:
    """Kernel, dilation, padding and stride of unfold, an int or two; rarely one of them wrong."""

    def draw(low: int, high: int) -> Any:
        if rng.random() < 0.02:
            return int(rng.integers(-1, 1))
        return int(rng.integers(low, high)) if rng.random() < 0.3 else tuple(map(int, rng.integers(low, high, 2)))

    return {"kernel_size": draw(1, 4), "dilation": draw(1, 4), "padding": draw(0, 4), "stride": draw(1, 5)}


def folded(tally: Tally) -> None:
    """One unfolding or folding."""
    rng = tally.rng
    kind = str(rng.choice(["unfold", "fold", "Tensor.unfold"]))
    tally.counts[kind] += 1
    if kind == "Tensor.unfold":
        shape = tuple(map(int, rng.integers(0, 7, int(rng.integers(0, 4)))))
        arguments = (int(rng.integers(-3, 4)), int(rng.integers(-1, 6)), int(rng.integers(0, 5)))
        tally.compare(lambda library, x: x.unfold(*arguments), tally.numbers(shape), f"{shape}.unfold{arguments}")
        return
    chosen = settings(rng)
    low = 0 if rng.random() < 0.1 else 1
    size = tuple(map(int, rng.integers(low, 15, 2)))
    front = tuple(map(int, rng.integers(low, 4, int(rng.integers(1, 3)))))
    if kind == "unfold":
        x = tally.numbers((*front, *size))
    else:
        probe = answer(lambda: torch.nn.functional.unfold(torch.zeros(1, 1, *size), **chosen))
        rows, columns = (4, 4) if isinstance(probe, Exception) else probe.shape[1:]
        rows, columns = (rows * front[-1], columns) if rng.random() < 0.95 else (rows + 1, columns)
        x = tally.numbers((*front[:-1], rows, columns if rng.random() < 0.95 else columns + 1))
        chosen = {"output_size": size, **chosen}
    tally.compare(lambda library, x: getattr(library.nn.functional, kind)(x, **chosen), x, f"{kind} {x.shape} {chosen}")


def test_unfold_and_fold() -> None:
    """F.unfold and F.fold, with and without a batch, also with columns that don't fit; and Tensor.unfold."""
    tally = Tally(SEED + 1)
    while tally.counts["answered"] < CASES:
        folded(tally)
    tally.report("unfold and fold")
