"""Convolutions against the live PyTorch: random geometries, values, all gradients, second order, float32, wrong settings.

`pytest tests/parity_conv.py -s`; MINITORCH_PARITY_CASES (5000) sets the number of geometries, MINITORCH_PARITY_SEED the seed.
"""

from __future__ import annotations

import collections
import os
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as TF  # noqa: E402

import minitorch as m  # noqa: E402
import minitorch.nn.functional as MF  # noqa: E402

CASES = int(os.environ.get("MINITORCH_PARITY_CASES", "5000"))
SEED = int(os.environ.get("MINITORCH_PARITY_SEED", "0"))
torch.set_num_threads(1)


@dataclass
class Case:
    """One call: which function, its arrays, its settings."""

    name: str
    x: np.ndarray
    w: np.ndarray
    b: np.ndarray | None
    settings: dict

    def run(self, functional: Any, tensors: list) -> Any:
        """Call the function of this name."""
        x, w, *b = tensors
        return getattr(functional, self.name)(x, w, b[0] if b else None, **self.settings)

    def arrays(self) -> list[np.ndarray]:
        """The differentiable arguments."""
        return [a for a in (self.x, self.w, self.b) if a is not None]

    def __str__(self) -> str:
        return f"{self.name} x {self.x.shape} w {self.w.shape} bias {self.b is not None} {self.settings}"


def draw(rng: np.random.Generator, tiny: bool = False) -> Case:
    """A random geometry whose every size is at least 1."""
    while True:
        rank = int(rng.choice([1, 2, 2, 2, 3]))
        transposed = bool(rng.random() < 0.4)
        top = {1: 12, 2: 8, 3: 5}[rank] if not tiny else 4
        size = rng.integers(1, top + 1, rank)
        kernel = rng.integers(1, 3 if tiny else (4 if rank == 3 else 6), rank)
        stride, dilation = rng.integers(1, 5, rank), rng.choice([1, 1, 2, 3], rank)
        padding = rng.integers(0, 4, rank)
        groups = int(rng.choice([1, 1, 2, 3]))
        per_in, per_out = int(rng.integers(1, 3 if tiny else 5)), int(rng.integers(1, 3 if tiny else 5))
        if rng.random() < 0.2:  # depthwise
            groups, per_in = int(rng.integers(1, 4 if tiny else 20)), 1
            per_out = int(rng.integers(1, 3))
        batch = int(rng.choice([0, 1, 1, 2, 3])) if not tiny else 1
        settings: dict = {"groups": groups}
        if transposed:
            extra = np.array([rng.integers(0, max(s, d)) for s, d in zip(stride, dilation, strict=True)])
            out = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1
            settings["output_padding"] = tuple(map(int, extra))
            weight = (groups * per_in, per_out, *kernel)
        else:
            out = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            weight = (groups * per_out, per_in, *kernel)
        if out.min() < 1 or np.prod(out) > 400:
            continue
        settings |= {
            "stride": tuple(map(int, stride)),
            "padding": tuple(map(int, padding)),
            "dilation": tuple(map(int, dilation)),
        }
        if rng.random() < 0.2:
            settings["stride"] = int(stride[0]) if len(set(stride)) == 1 else settings["stride"]
        bias = rng.standard_normal(groups * per_out) if rng.random() < 0.5 else None
        x = rng.standard_normal((batch, groups * per_in, *size))
        if batch == 1 and rng.random() < 0.2:
            x = x[0]  # without a batch axis
        return Case(f"conv{'_transpose' if transposed else ''}{rank}d", x, rng.standard_normal(weight), bias, settings)


def layout(rng: np.random.Generator, array: np.ndarray) -> np.ndarray:
    """The same values in other memory: as it is, channels last, with gaps, reversed, Fortran order."""
    kind = rng.integers(0, 6)
    if kind == 1 and array.ndim > 2:
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)
    if kind == 2:
        wide = np.zeros(tuple(2 * n for n in array.shape))
        wide[tuple(slice(None, None, 2) for _ in array.shape)] = array
        return wide[tuple(slice(None, None, 2) for _ in array.shape)]
    if kind == 3:
        return np.ascontiguousarray(array[..., ::-1])[..., ::-1]
    if kind == 4:
        return np.asfortranarray(array)
    return array


def ours(case: Case, dtype: Any = np.float64, rng: np.random.Generator | None = None) -> list:
    """Leaves of ours."""
    arrays = [a if rng is None else layout(rng, a) for a in case.arrays()]
    return [m.from_numpy(a.astype(dtype, copy=False)).requires_grad_() for a in arrays]


def theirs(case: Case, dtype: Any = np.float64) -> list:
    """Leaves of PyTorch."""
    return [torch.from_numpy(a.astype(dtype)).requires_grad_() for a in case.arrays()]


def worse(found: np.ndarray, expected: np.ndarray, case: Case, what: str, limit: float) -> float:
    """The error relative to the largest expected value; raises beyond the limit."""
    assert found.shape == expected.shape, f"{case}: {what} has shape {found.shape}, expected {expected.shape}"
    assert found.dtype == expected.dtype, f"{case}: {what} is {found.dtype}"
    if not found.size:
        return 0.0
    error = float(np.abs(found - expected).max() / max(float(np.abs(expected).max()), 1e-3))
    assert error <= limit, f"{case}: {what} is off by {error:.3g} of the largest value"
    return error


def test_values_and_gradients() -> None:
    """conv and conv_transpose, 1-d to 3-d, in float64: value and every gradient within 1e-9."""
    rng = np.random.default_rng(SEED)
    worst: dict[str, float] = collections.defaultdict(float)
    counts: collections.Counter = collections.Counter()
    for _ in range(CASES):
        case = draw(rng)
        leaves, oracle = ours(case, rng=rng), theirs(case)
        out, expected = case.run(MF, leaves), case.run(TF, oracle)
        worst["value"] = max(worst["value"], worse(out.array, expected.detach().numpy(), case, "value", 1e-9))
        g = rng.standard_normal(tuple(expected.shape))
        found = m.autograd.grad(out, leaves, m.from_numpy(layout(rng, g)))
        wanted = torch.autograd.grad(expected, oracle, torch.from_numpy(g.copy()))
        for name, a, b in zip(("x", "w", "b"), found, wanted, strict=False):
            worst[f"gradient of {name}"] = max(
                worst[f"gradient of {name}"], worse(a.array, b.numpy(), case, f"gradient of {name}", 1e-9)
            )
        counts[case.name] += 1
    print(f"\nseed {SEED}: {CASES} geometries {dict(counts)}")
    print("worst relative errors:", {k: f"{v:.1e}" for k, v in worst.items()})


def test_second_order() -> None:
    """Random projections of the gradients, differentiated again: all second derivatives within 1e-9."""
    rng = np.random.default_rng(SEED + 1)
    worst, cases = 0.0, max(1, CASES // 10)
    for _ in range(cases):
        case = draw(rng)
        leaves, oracle = ours(case), theirs(case)
        out, expected = case.run(MF, leaves), case.run(TF, oracle)
        array = rng.standard_normal(tuple(expected.shape))
        g, h = m.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
        first = m.autograd.grad((out * out).sum() * 0.5 + (out * g).sum(), leaves, create_graph=True)
        other = torch.autograd.grad((expected * expected).sum() * 0.5 + (expected * h).sum(), oracle, create_graph=True)
        v = [rng.standard_normal(tuple(t.shape)) for t in other]
        found = m.autograd.grad(
            sum((a * m.from_numpy(u)).sum() for a, u in zip(first, v, strict=True)), [*leaves, g], allow_unused=True
        )
        wanted = torch.autograd.grad(
            sum((a * torch.from_numpy(u)).sum() for a, u in zip(other, v, strict=True)), [*oracle, h], allow_unused=True
        )
        for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
            leaf = [*oracle, h][i]  # None stands for zeros: of an empty batch, PyTorch forgets the path
            wanted_array = np.zeros(tuple(leaf.shape)) if b is None else b.numpy()
            found_array = np.zeros_like(wanted_array) if a is None else a.array
            worst = max(worst, worse(found_array, wanted_array, case, f"second derivative {i}", 1e-9))
    print(f"\nseed {SEED + 1}: {cases} second-order cases, worst relative error {worst:.1e}")


def test_float32() -> None:
    """float32 within 1e-5 of the largest float64 value, value and gradients, and float32 throughout."""
    rng = np.random.default_rng(SEED + 2)
    worst, cases = 0.0, max(1, CASES // 5)
    for _ in range(cases):
        case = draw(rng)
        case = Case(
            case.name,
            *(a if a is None else a.astype(np.float32).astype(float) for a in (case.x, case.w, case.b)),
            case.settings,
        )
        leaves, oracle = ours(case, np.float32), theirs(case)
        out, expected = case.run(MF, leaves), case.run(TF, oracle)
        g = rng.standard_normal(tuple(expected.shape)).astype(np.float32)
        found = [out, *m.autograd.grad(out, leaves, m.from_numpy(g))]
        wanted = [expected, *torch.autograd.grad(expected, oracle, torch.from_numpy(g.astype(float)))]
        for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
            assert a.array.dtype == np.float32
            worst = max(worst, worse(a.array.astype(float), b.detach().numpy(), case, f"float32 result {i}", 1e-5))
    print(f"\nseed {SEED + 2}: {cases} float32 cases, worst relative error {worst:.1e}")


BREAKS = ("stride", "dilation", "padding", "output_padding", "groups", "kernel", "channels", "bias", "rank", "dtype")


def broken(rng: np.random.Generator, case: Case) -> Case:
    """The case with one thing wrong (or, now and then, not wrong after all)."""
    kind = str(rng.choice(BREAKS))
    x, w, b, settings = case.x, case.w, case.b, dict(case.settings)
    if kind in ("stride", "dilation", "padding"):
        settings[kind] = int(rng.choice([0, -1, -2]))
    elif kind == "output_padding" and "output_padding" in settings:
        settings[kind] = int(rng.choice([-1, 4, 9]))
    elif kind == "groups":
        settings["groups"] = int(rng.choice([0, -1, 2, 3, 5]))
    elif kind == "kernel":
        w = w[..., :0] if rng.random() < 0.5 else np.concatenate([w] * 9, -1)
    elif kind == "channels":
        w = w[:, :0] if "output_padding" not in settings and rng.random() < 0.3 else np.concatenate([w, w], 1)
    elif kind == "bias":
        b = rng.standard_normal(int(rng.integers(1, 9)))
    elif kind == "rank":
        x = x[None, None] if rng.random() < 0.5 else x.reshape(-1)
    elif kind == "dtype":
        w = w.astype(np.float32)
    return Case(case.name, x, w, b, settings)


def answer(function: Any) -> Any:
    """The result, or the error."""
    try:
        return function()
    except Exception as error:  # noqa: BLE001
        return error


def test_wrong_settings() -> None:
    """Where PyTorch raises we raise the same class; where it does not, we agree with its value."""
    rng = np.random.default_rng(SEED + 3)
    refused, wrong, cases = 0, [], max(1, CASES // 5)
    for _ in range(cases):
        case = broken(rng, draw(rng, tiny=True))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = answer(lambda c=case: c.run(TF, [torch.from_numpy(a.copy()) for a in c.arrays()]))
        found = answer(lambda c=case: c.run(MF, [m.from_numpy(a.copy()) for a in c.arrays()]))
        if isinstance(expected, Exception):
            refused += 1
            if type(found) is not type(expected):
                wrong.append(f"{case}\n  PyTorch: {expected!r}\n  ours: {found!r}")
        elif isinstance(found, Exception):
            wrong.append(f"{case}\n  PyTorch: {tuple(expected.shape)}\n  ours: {found!r}")
        else:
            worse(found.array, expected.numpy(), case, "value", 1e-9)
    print(f"\nseed {SEED + 3}: {cases} altered calls, {refused} refused by PyTorch, {len(wrong)} answered otherwise")
    assert not wrong, "\n".join(wrong[:12])
