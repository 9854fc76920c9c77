"""Convolutions against the live PyTorch: random geometries, values, all gradients, second order, float32, wrong settings;
layers with padding modes.

`pytest tests/parity/parity_conv.py -s`; MINITORCH_PARITY_CASES (20000) sets the number of convolutions, of which there are
half as many transposed ones and a twentieth of each other kind; MINITORCH_PARITY_SEED the seed.
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

CASES = int(os.environ.get("MINITORCH_PARITY_CASES", "20000"))
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


def draw(rng: np.random.Generator, tiny: bool = False, transposed: bool | None = None) -> Case:
    """A random geometry of at most 400 pixels; a size may be 0 if its padding makes up for it."""
    while True:
        rank = int(rng.choice([1, 2, 2, 2, 3]))
        kind = bool(rng.random() < 0.4) if transposed is None else transposed
        size = rng.integers(0, 15, rank) if not tiny and rng.random() < 0.5 else rng.integers(1, 5 if tiny else 9, rank)
        kernel = rng.integers(1, 3 if tiny else (4 if rank == 3 else 6), rank)
        stride, dilation = rng.integers(1, 5, rank), rng.choice([1, 1, 2, 3], rank)
        padding: Any = rng.integers(0, 4, rank)
        groups = int(rng.choice([1, 1, 2, 3]))
        per_in, per_out = int(rng.integers(1, 3 if tiny else 5)), int(rng.integers(1, 3 if tiny else 5))
        if rng.random() < 0.2:  # depthwise
            groups, per_in = int(rng.integers(1, 4 if tiny else 20)), 1
            per_out = int(rng.integers(1, 3))
        batch = int(rng.choice([0, 1, 1, 2, 3])) if not tiny else 1
        settings: dict = {"groups": groups}
        if kind:
            extra = np.array([rng.integers(0, max(s, d)) for s, d in zip(stride, dilation, strict=True)])
            out = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1
            settings["output_padding"] = tuple(map(int, extra))
            weight = (groups * per_in, per_out, *kernel)
        else:
            if not tiny and rng.random() < 0.15:
                padding = str(rng.choice(["same", "valid"]))
                stride = np.ones_like(stride) if padding == "same" else stride
            sides = {"same": dilation * (kernel - 1), "valid": 0}[padding] if isinstance(padding, str) else 2 * padding
            out = (size + sides - dilation * (kernel - 1) - 1) // stride + 1
            weight = (groups * per_out, per_in, *kernel)
        if kind and not size.all() and not batch:
            continue  # no pixels in no images: an empty result in PyTorch, refused here as for any batch
        if out.min() < 1 or max(np.prod(out), np.prod(size)) > 400:
            continue
        settings |= {
            "stride": tuple(map(int, stride)),
            "padding": padding if isinstance(padding, str) else tuple(map(int, padding)),
            "dilation": tuple(map(int, dilation)),
        }
        if rng.random() < 0.2:
            settings["stride"] = int(stride[0]) if len(set(stride)) == 1 else settings["stride"]
        bias = rng.standard_normal(groups * per_out) if rng.random() < 0.5 else None
        x = rng.standard_normal((batch, groups * per_in, *size))
        if batch == 1 and rng.random() < 0.2:
            x = x[0]  # without a batch axis
        return Case(f"conv{'_transpose' if kind else ''}{rank}d", x, rng.standard_normal(weight), bias, settings)


def layout(rng: np.random.Generator, array: np.ndarray) -> np.ndarray:
    """The same values in other memory: as it is, channels last, with gaps, reversed, Fortran order."""
    kind = rng.integers(0, 6)
    if kind == 1 and array.ndim > 2:
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)
    if kind == 2:
        wide = np.zeros(tuple(2 * n for n in array.shape), array.dtype)
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


def worse(found: np.ndarray, expected: np.ndarray, case: Case, what: str, limit: float, term: float = 1e-3) -> float:
    """The error relative to the largest expected value, or to `term` if that is larger; raises beyond the limit."""
    assert found.shape == expected.shape, f"{case}: {what} has shape {found.shape}, expected {expected.shape}"
    assert found.dtype == expected.dtype, f"{case}: {what} is {found.dtype}"
    if not found.size:
        return 0.0
    error = float(np.abs(found - expected).max() / max(float(np.abs(expected).max()), term))
    assert error <= limit, f"{case}: {what} is off by {error:.3g} of the largest value"
    return error


def check(case: Case, rng: np.random.Generator) -> tuple[str, dict[str, float]]:
    """Value and gradients in float64, now and then float32: what became of the case, and how far off each is."""
    dtype, limit = (np.float32, 1e-5) if rng.random() < 0.1 else (np.float64, 1e-9)
    leaves, oracle = ours(case, dtype, rng), theirs(case, dtype)
    out, expected = answer(lambda: case.run(MF, leaves)), answer(lambda: case.run(TF, oracle))
    if isinstance(expected, Exception) or isinstance(out, Exception):
        assert type(out) is type(expected), f"{case}\n  PyTorch: {brief(expected)}\n  ours: {brief(out)}"
        return "refused", {}
    g = rng.standard_normal(tuple(expected.shape)).astype(dtype)
    found = [out, *m.autograd.grad(out, leaves, m.from_numpy(layout(rng, g)))]
    wanted = [expected, *torch.autograd.grad(expected, oracle, torch.from_numpy(g.copy()))]
    errors = {}
    for what, a, b in zip(("value", "gx", "gw", "gb"), found, wanted, strict=False):
        # In float32 the gradient of the bias, a sum of g, keeps the rounding of its terms when they cancel.
        term = float(np.abs(g).max(initial=1e-3)) if what == "gb" and dtype is np.float32 else 1e-3
        errors[f"{what} {np.dtype(dtype)}"] = worse(a.array, b.detach().numpy(), case, what, limit, term)
    return f"{case.name} {np.dtype(dtype)}", errors


@pytest.mark.parametrize("transposed", [False, True], ids=["conv", "conv_transpose"])
def test_values_and_gradients(transposed: bool) -> None:
    """1-d to 3-d, float64 and now and then float32: value and every gradient within 1e-9, 1e-5 in float32."""
    seed, cases = SEED + 10 * transposed, CASES // (1 + transposed)
    rng = np.random.default_rng(seed)
    worst: dict[str, float] = collections.defaultdict(float)
    counts: collections.Counter = collections.Counter()
    for _ in range(cases):
        fate, errors = check(draw(rng, transposed=transposed), rng)
        counts[fate] += 1
        for what, error in errors.items():
            worst[what] = max(worst[what], error)
    print(f"\nseed {seed}: {cases} geometries {dict(counts)}")
    print("worst relative errors:", {k: f"{v:.1e}" for k, v in worst.items()})


MODES = ("zeros", "reflect", "replicate", "circular")


def test_layers() -> None:
    """Conv1d-3d with all padding modes and strings, ConvTranspose1d-3d with output_size: values and all gradients."""
    rng = np.random.default_rng(SEED + 4)
    worst, cases, counts = 0.0, max(1, CASES // 10), collections.Counter()
    for _ in range(cases):
        case = draw(rng)
        transposed, rank = "transpose" in case.name, int(case.name[-2])
        kernel, groups = case.w.shape[2:], case.settings["groups"]
        arguments = {"kernel_size": kernel, "bias": case.b is not None, **case.settings}
        mode, call = "zeros", {}
        if transposed:
            channels = {"in_channels": case.w.shape[0], "out_channels": case.w.shape[1] * groups}
            if rng.random() < 0.5:
                del arguments["output_padding"]
                front = case.x.shape[: -rank - 1] + (channels["out_channels"],) if rng.random() < 0.3 else ()
                size = zip(
                    case.x.shape[-rank:],
                    kernel,
                    *map(each(rank), (case.settings[k] for k in ("stride", "padding", "dilation"))),
                    strict=True,
                )
                low = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, k, s, p, d in size]
                call["output_size"] = (
                    *front,
                    *(int(n + rng.integers(-1 if rng.random() < 0.1 else 0, 3)) for n in low),
                )
        else:
            channels = {"in_channels": case.w.shape[1] * groups, "out_channels": case.w.shape[0]}
            mode = arguments["padding_mode"] = str(rng.choice(MODES))
        name = case.name.replace("conv_transpose", "ConvTranspose").replace("conv", "Conv")
        what = f"{name} {channels} {arguments} on {case.x.shape} {call}"
        found, expected = (
            answer(lambda a=(*library, name, channels | arguments, case, call): run_layer(*a))
            for library in ((m, m.from_numpy), (torch, torch.from_numpy))
        )
        if isinstance(expected, Exception) or isinstance(found, Exception):
            assert type(found) is type(expected), f"{what}\n  PyTorch: {brief(expected)}\n  ours: {brief(found)}"
            counts["refused"] += 1
            continue
        counts[f"{name} {mode}"] += 1
        for i, (a, b) in enumerate(zip(found, expected, strict=True)):
            worst = max(worst, worse(a.array, b.detach().numpy(), case, f"{what}: result {i}", 1e-9))
    print(f"\nseed {SEED + 4}: {cases} layers {dict(counts)}, worst relative error {worst:.1e}")


def run_layer(library: Any, tensor: Any, name: str, arguments: dict, case: Case, call: dict) -> list:
    """Output and gradients of a layer with the case's weight and bias."""
    layer = getattr(library.nn, name)(**arguments, dtype=library.float64)
    with library.no_grad():
        for p, value in zip(layer.parameters(), (case.w, case.b), strict=False):
            p.copy_(tensor(value.copy()))
    x = tensor(case.x.copy()).requires_grad_()
    out = layer(x, **call)
    g = np.random.default_rng(1).standard_normal(tuple(out.shape))
    return [out, *library.autograd.grad(out, [x, *layer.parameters()], tensor(g))]


def brief(result: Any) -> str:
    """An error, or the shapes of a result."""
    if isinstance(result, Exception):
        return repr(result)
    return str([tuple(r.shape) for r in result] if isinstance(result, list) else tuple(result.shape))


def each(rank: int) -> Any:
    """An int as one per axis."""
    return lambda value: (value,) * rank if isinstance(value, int) else value


def test_second_order() -> None:
    """Random projections of the gradients, differentiated again: all second derivatives within 1e-9."""
    rng = np.random.default_rng(SEED + 1)
    worst, cases = 0.0, max(1, CASES // 20)
    for _ in range(cases):
        case = draw(rng)
        if 0 in case.x.shape[1:] or not case.x.size and len(case.x.shape) < case.w.ndim:
            continue  # refused
        leaves, oracle = ours(case), theirs(case)
        out, expected = case.run(MF, leaves), answer(lambda c=case, t=oracle: c.run(TF, t))
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
    """The result, or the error; PyTorch's warnings are its own business."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function()
    except Exception as error:  # noqa: BLE001
        return error


def test_wrong_settings() -> None:
    """Where PyTorch raises we raise the same class; where it does not, we agree with its value."""
    rng = np.random.default_rng(SEED + 3)
    refused, wrong, cases = 0, [], max(1, CASES // 20)
    for _ in range(cases):
        case = broken(rng, draw(rng, tiny=True))
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
