"""Pooling, unpooling, shuffling and interpolation against the live PyTorch: `pytest tests/parity/parity_pool.py`.

Settings are drawn at random, some of them wrong: where PyTorch refuses, ours must refuse with the same class; where it
accepts, values, indices and gradients must agree (float64 to 1e-9 of the largest). MINITORCH_PARITY_CASES (5000) sets
the number of poolings, a fifth of it is interpolated; MINITORCH_PARITY_SEED sets the seed.
"""

from __future__ import annotations

import collections
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
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

TOP = {1: 14, 2: 8, 3: 5}  # largest size by rank


@dataclass
class Case:
    """One call: the function's name, the differentiable input, other arrays, settings."""

    name: str
    x: np.ndarray
    settings: dict
    arrays: dict[str, np.ndarray] = field(default_factory=dict)  # passed by name, not differentiated

    def run(self, functional: Any, x: Any, convert: Callable) -> Any:
        """Call the function of this name."""
        return getattr(functional, self.name)(x, **{k: convert(v) for k, v in self.arrays.items()}, **self.settings)

    def __str__(self) -> str:
        return f"{self.name} x {self.x.shape} {self.x.dtype} {self.settings} {[*self.arrays]}"


def ints(rng: np.random.Generator, rank: int, low: int, high: int) -> Any:
    """An int, or one per axis."""
    return int(rng.integers(low, high)) if rng.random() < 0.4 else tuple(int(v) for v in rng.integers(low, high, rank))


def image(rng: np.random.Generator, rank: int, ties: float = 0.0) -> np.ndarray:
    """Values for (N, C, *size), now and then without a batch, empty, or of small integers with ties and NaN."""
    size = rng.integers(1, TOP[rank] + 1, rank)
    shape = (int(rng.choice([0, 1, 1, 2, 3], p=[0.04, 0.3, 0.2, 0.3, 0.16])), int(rng.integers(1, 5)), *size)
    if rng.random() < 0.03:
        shape = tuple(0 if i == rng.integers(1, rank + 2) else n for i, n in enumerate(shape))
    if rng.random() < 0.15:
        shape = shape[1:]
    if rng.random() < ties:
        x = rng.integers(-2, 3, shape).astype(float)
        x[rng.random(shape) < 0.05] = rng.choice([np.nan, np.inf, -np.inf])
        return x
    return rng.standard_normal(shape)


def windows(rng: np.random.Generator, rank: int, wild: bool) -> dict:
    """kernel_size, stride, padding, ceil_mode."""
    kernel = ints(rng, rank, 0 if wild else 1, 5 if wild or rng.random() < 0.5 else 3)
    most = np.array(kernel) // 2 + 1 + wild
    padding = (
        tuple(int(rng.integers(-1 if wild else 0, n)) for n in most)
        if isinstance(kernel, tuple)
        else int(rng.integers(-1 if wild else 0, most))
    )
    stride = None if rng.random() < 0.3 else ints(rng, rank, 0 if wild else 1, 4)
    return {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": bool(rng.random() < 0.5)}


def sliding(rng: np.random.Generator, wild: bool) -> Case:
    """max_pool and avg_pool."""
    rank = int(rng.choice([1, 2, 2, 3]))
    settings = windows(rng, rank, wild)
    if rng.random() < 0.6:
        settings["dilation"] = 1 if rng.random() < 0.5 else ints(rng, rank, 0 if wild else 1, 4)
        indices = "_with_indices" if rng.random() < 0.5 else ""
        return Case(f"max_pool{rank}d{indices}", image(rng, rank, ties=0.3), settings)
    settings["count_include_pad"] = bool(rng.random() < 0.5)
    if rank > 1 and rng.random() < 0.3:
        settings["divisor_override"] = int(rng.integers(-3 if wild else 1, 9))
    return Case(f"avg_pool{rank}d", image(rng, rank), settings)


def norms(rng: np.random.Generator, wild: bool) -> Case:
    """lp_pool."""
    rank = int(rng.choice([1, 2, 3]))
    settings = windows(rng, rank, wild)
    del settings["padding"]
    settings["norm_type"] = p = float(rng.choice([1, 2, 2, 3, 4, 1.5, 0.5, -1]))
    if rank == 1 and not wild and isinstance(settings["kernel_size"], tuple):
        (settings["kernel_size"],) = settings["kernel_size"]
    x = image(rng, rank)
    if p not in (2, 4):  # where powers of either sign add up to nearly nothing, the root's slope has no digits left
        x = (np.abs(x) + 0.1) * (-1 if p == int(p) and rng.random() < 0.2 else 1)
    return Case(f"lp_pool{rank}d", x, settings)


def adaptive(rng: np.random.Generator, wild: bool) -> Case:
    """adaptive_max_pool and adaptive_avg_pool."""
    rank = int(rng.choice([1, 2, 3]))
    size: Any = ints(rng, rank, -1 if wild else 0, 9)
    if isinstance(size, tuple) and (rank > 1 or wild):
        size = tuple(None if rng.random() < 0.2 else n for n in size)
    if wild and rng.random() < 0.2:
        size = rng.choice(np.array([None, (1,) * (rank - 1 or 2), 1.5], object))
    kind = str(rng.choice(["max", "max", "avg"]))
    indices = "_with_indices" if kind == "max" and rng.random() < 0.5 else ""
    return Case(f"adaptive_{kind}_pool{rank}d{indices}", image(rng, rank, 0.3 * (kind == "max")), {"output_size": size})


def unpooled(rng: np.random.Generator, wild: bool) -> Case:
    """max_unpool of what a pooling gave, or at random places."""
    rank = int(rng.choice([1, 2, 3]))
    settings = windows(rng, rank, False)
    del settings["ceil_mode"]
    x, arrays = image(rng, rank), {}
    try:
        pooled, indices = getattr(TF, f"max_pool{rank}d")(torch.from_numpy(x), **settings, return_indices=True)
        if rng.random() < 0.7:
            settings["output_size"] = x.shape[-rank:] if rng.random() < 0.6 else x.shape
        x, arrays = rng.permutation(pooled.numpy().ravel()).reshape(pooled.shape), {"indices": indices.numpy()}
    except RuntimeError:
        arrays["indices"] = rng.integers(0, max(2, int(np.prod(x.shape[-rank:]))), x.shape)
    if wild:
        kind = rng.integers(0, 6)
        if kind == 0:
            arrays["indices"] = arrays["indices"] + rng.choice([-3, 3, 10])
        elif kind == 1:
            arrays["indices"] = arrays["indices"].astype(np.int32)
        elif kind == 2:
            arrays["indices"] = arrays["indices"][..., :1]
        elif kind == 3:
            settings["output_size"] = tuple(int(n) for n in rng.integers(0, 12, int(rng.integers(1, 5))))
        elif kind == 4:
            settings["padding"] = int(rng.integers(0, 4))
        else:
            x = x[None, None]
            arrays["indices"] = arrays["indices"].reshape(x.shape)
    return Case(f"max_unpool{rank}d", x, settings, arrays)


def fractional(rng: np.random.Generator, wild: bool) -> Case:
    """fractional_max_pool with its random numbers given."""
    rank = int(rng.choice([2, 2, 3]))
    x = image(rng, rank, ties=0.3)
    size = x.shape[-rank:]
    kernel = tuple(int(min(v, max(n - 1, 1))) for v, n in zip(rng.integers(1, 4, rank), size, strict=True))
    lines = x.shape[:2] if x.ndim == rank + 2 else (1, x.shape[0])
    settings: dict = {"kernel_size": kernel}
    if rng.random() < 0.6:
        most = [max(n - k, 0) + 1 + (rank == 2) + wild for n, k in zip(size, kernel, strict=True)]
        settings["output_size"] = tuple(int(rng.integers(-wild, n)) for n in most)
    else:
        settings["output_ratio"] = tuple(float(v) for v in rng.uniform(0.2, 0.7, rank - (wild and rng.random() < 0.2)))
    samples = rng.random((lines[0] + int(rng.integers(0, 2)), lines[1] + int(wild and rng.random() < 0.2), rank))
    indices = "_with_indices" if rng.random() < 0.5 else ""
    return Case(f"fractional_max_pool{rank}d{indices}", x, settings, {"_random_samples": samples})


def shuffled(rng: np.random.Generator, wild: bool) -> Case:
    """pixel_shuffle, pixel_unshuffle, channel_shuffle."""
    name, argument = [
        ("pixel_shuffle", "upscale_factor"),
        ("pixel_unshuffle", "downscale_factor"),
        ("channel_shuffle", "groups"),
    ][rng.integers(3)]
    r, (h, w) = int(rng.integers(1, 4)), rng.integers(0, 4, 2)
    lead = tuple(rng.integers(1, 3, int(rng.integers(0, 3)) if name != "channel_shuffle" else 1))
    shape = (*lead, int(rng.integers(0, 4)), h, w)
    if name == "pixel_shuffle":
        shape = (*lead, shape[-3] * r * r, h, w)
    elif name == "pixel_unshuffle":
        shape = (*lead, shape[-3], h * r, w * r)
    else:
        shape = (*lead, shape[-3] * r, h, w)[: int(rng.integers(3, 5))]
    if name == "pixel_unshuffle" and 0 in shape:  # PyTorch leaves an empty image as it is
        shape = tuple(max(n, r) for n in shape)
    if wild:
        r = int(rng.integers(-1, 5)) if rng.random() < 0.8 else 2.0
        shape = shape[int(rng.random() < 0.2) :]
    return Case(name, rng.standard_normal(shape), {argument: r})


def interpolated(rng: np.random.Generator, wild: bool) -> Case:
    """interpolate in all modes."""
    rank = int(rng.choice([1, 2, 2, 3]))
    modes = ["nearest", "nearest-exact", "area", {1: "linear", 2: "bilinear", 3: "trilinear"}[rank]]
    mode = str(rng.choice([*modes, *(["bicubic", "bilinear", "bicubic", "lanczos"] if rank == 2 else modes[3:] * 2)]))
    if wild and rng.random() < 0.3:
        mode = str(rng.choice(["linear", "bicubic", "trilinear", "sharp"]))
    settings: dict = {"mode": mode}
    if rng.random() < 0.5:
        size: Any = ints(rng, rank, -1 if wild else 1, 14)
        settings["size"] = list(size) if isinstance(size, tuple) and rng.random() < 0.3 else size
        if wild and rng.random() < 0.2 and mode in modes:
            settings["size"] = rng.choice(np.array([(2,) * (rank + 1), (2.0,) * rank, None], object))
    else:
        low = -0.5 if wild else 0.3
        scale = tuple(float(v) for v in rng.choice([*rng.uniform(low, 3, 3), 0.5, 2, 3, 1.1], rank))
        settings["scale_factor"] = scale if rng.random() < 0.6 else scale[0]
    if rng.random() < 0.3:
        settings["recompute_scale_factor"] = bool(rng.random() < 0.6) and (wild or "size" not in settings)
    if (mode not in modes[:3] and rng.random() < 0.6) or (wild and rng.random() < 0.1):
        settings["align_corners"] = bool(rng.random() < 0.6)
    if mode == "lanczos" or (mode in ("bilinear", "bicubic") and rng.random() < 0.4) or (wild and rng.random() < 0.1):
        settings["antialias"] = True
    x = image(rng, rank)
    if x.ndim == rank + 1 and not wild:
        x = x[None]
    return Case("interpolate", x, settings)


POOLINGS = {sliding: 0.4, norms: 0.12, adaptive: 0.15, unpooled: 0.18, fractional: 0.1, shuffled: 0.05}


def layout(rng: np.random.Generator, array: np.ndarray) -> np.ndarray:
    """The same values in other memory: as it is, channels last, with gaps, reversed, in Fortran's order, read-only."""
    kind = rng.integers(0, 7)
    if kind == 1 and array.ndim > 2:
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)
    if kind == 2:
        wide = np.zeros(tuple(2 * n for n in array.shape), array.dtype)
        wide[tuple(slice(None, None, 2) for _ in array.shape)] = array
        return wide[tuple(slice(None, None, 2) for _ in array.shape)]
    if kind == 3 and array.ndim:
        return np.ascontiguousarray(array[..., ::-1])[..., ::-1]
    if kind == 4:
        return np.asfortranarray(array)
    if kind == 5:
        array = array.copy()
        array.flags.writeable = False
    return array


def answer(call: Callable) -> Any:
    """The result, or the error."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return call()
    except Exception as error:  # noqa: BLE001
        return error


def worse(found: np.ndarray, expected: np.ndarray, case: Case, what: str) -> float:
    """The error relative to the largest finite value; raises beyond the limit of the dtype."""
    assert found.shape == expected.shape, f"{case}: {what} has shape {found.shape}, expected {expected.shape}"
    assert found.dtype == expected.dtype, f"{case}: {what} is {found.dtype}, expected {expected.dtype}"
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(found[~finite], expected[~finite], err_msg=f"{case}: {what}")
    found, expected = found[finite], expected[finite]
    if not found.size:
        return 0.0
    limit, least = (1e-9, 1e-3) if expected.dtype == np.float64 else (3e-5, 1.0)
    error = float(np.abs(found - expected).max() / max(float(np.abs(expected).max()), least))
    assert error <= limit, f"{case}: {what} is off by {error:.3g} of the largest value"
    return error if expected.dtype == np.float64 else 0.0


def empty_window(case: Case, result: Any) -> bool:
    """Whether PyTorch chose a place outside the plane, for a window that holds nothing but padding."""
    if not case.name.startswith("max_pool"):
        return False
    rank = int(case.name[8])
    _, indices = Case(f"max_pool{rank}d_with_indices", case.x, case.settings).run(TF, torch.from_numpy(case.x), None)
    padded = np.pad(np.ones(case.x.shape[-rank:]), [(p, p) for p in np.broadcast_to(case.settings["padding"], rank)])
    seen = TF.max_pool3d(
        torch.from_numpy(padded.reshape(1, *(1,) * (3 - rank), *padded.shape)),
        *(
            tuple([1] * (3 - rank) + list(np.broadcast_to(v, rank)))
            for v in (case.settings["kernel_size"], case.settings["stride"] or case.settings["kernel_size"])
        ),
        0,
        tuple([1] * (3 - rank) + list(np.broadcast_to(case.settings["dilation"], rank))),
        case.settings["ceil_mode"],
    ).numpy()
    seen = seen.reshape(seen.shape[-rank:])
    outputs = tuple(slice(0, n) for n in indices.shape[-rank:])
    return bool((seen[outputs] == 0).any())


def contradictions(case: Case, result: Any) -> set[str]:
    """What is not compared, because PyTorch's values and gradients contradict each other: both by a scale_factor
    that nearly keeps (or, for "nearest", doubles) the size.

    "nearest": gradients and values of images keep the size exactly, values in 1-d and 3-d do not. Antialiased: values
    keep it, gradients do not. "bicubic": the other way round, if all axes are kept.
    """
    settings, mode = case.settings, case.settings.get("mode")
    if case.name != "interpolate" or "scale_factor" not in settings or settings.get("recompute_scale_factor"):
        return set()
    sizes = [*zip(case.x.shape[2:], result.shape[2:], strict=True)]
    if mode == "nearest" and case.x.ndim != 4 and any(o in (n, 2 * n) for n, o in sizes):
        return {"value"}
    if settings.get("antialias"):
        return {"gradient"} if any(o == n for n, o in sizes) else set()
    return {"gradient"} if mode == "bicubic" and all(o == n for n, o in sizes) else set()


def transposed(case: Case, result: Any) -> bool:
    """Whether PyTorch is to be asked for the image on its side: antialiasing to width 1 gives equal rows (2.13.0)."""
    return case.settings.get("antialias", False) and result.shape[3] == 1 and result.shape[2] != 1


def on_its_side(case: Case, x: Any) -> Any:
    """PyTorch's interpolation with height and width exchanged, there and back."""
    settings = {k: v[::-1] if isinstance(v, tuple | list) else v for k, v in case.settings.items()}
    return TF.interpolate(x.transpose(2, 3).contiguous(), **settings).transpose(2, 3)


def overwritten(indices: np.ndarray, rank: int) -> np.ndarray:
    """1 where an element of an unpooling stays, 0 where a later one takes its place."""
    stays = np.ones(indices.shape)
    for line in np.ndindex(*indices.shape[:-rank]):
        last = {}
        for at in np.ndindex(*indices.shape[-rank:]):
            if (place := int(indices[line + at])) in last:
                stays[last[place]] = 0
            last[place] = line + at
    return stays


def compare(case: Case, rng: np.random.Generator) -> tuple[str, float]:
    """What became of the case ("agreed", "refused", "no pixel"), and the error."""
    # Again, since the first parallel kernel sets OpenMP's threads for all: with two, which of several elements for one
    # place stays in max_unpool is a matter of luck.
    torch.set_num_threads(1)
    x = torch.from_numpy(case.x.copy())
    expected = answer(lambda: case.run(TF, x, lambda v: torch.from_numpy(v.copy())))
    leaf = m.from_numpy(layout(rng, case.x)).requires_grad_()
    found = answer(lambda: case.run(MF, leaf, lambda v: m.from_numpy(layout(rng, v))))
    if isinstance(expected, Exception):
        assert type(found) is type(expected), f"{case}\n  PyTorch: {expected!r}\n  ours: {found!r}"
        return "refused", 0.0
    if empty_window(case, expected):
        assert type(found) is RuntimeError and "nothing but padding" in str(found), f"{case}\n  ours: {found!r}"
        return "no pixel", 0.0
    if case.name.startswith("max_unpool") and 0 in expected.shape and case.x.size:
        assert type(found) is RuntimeError and "invalid max index" in str(found), f"{case}\n  ours: {found!r}"
        return "no pixel", 0.0
    rank = int(case.name[-2]) if "adaptive_avg" in case.name else case.x.ndim - 2
    if ("adaptive_avg" in case.name or case.settings.get("mode") == "area") and 0 in case.x.shape[-rank:]:
        assert type(found) is RuntimeError, f"{case}\n  ours: {found!r}"  # PyTorch: the mean of nothing is nan
        return "no pixel", 0.0
    if isinstance(found, Exception):
        raise AssertionError(f"{case}\n  PyTorch accepts, ours: {found!r}") from found
    expected = answer(lambda: case.run(TF, x.requires_grad_(), lambda v: torch.from_numpy(v.copy())))
    if case.name == "interpolate" and transposed(case, expected):
        expected = on_its_side(case, x)
    if isinstance(expected, tuple):
        np.testing.assert_array_equal(found[1].array, expected[1].numpy(), err_msg=f"{case}: indices")
        assert found[1].array.dtype == np.int64
        found, expected = found[0], expected[0]
    apart = contradictions(case, expected)
    error = 0.0 if "value" in apart else worse(found.array, expected.detach().numpy(), case, "value")
    g = rng.standard_normal(tuple(expected.shape)).astype(case.x.dtype)
    wanted = answer(lambda: torch.autograd.grad(expected, x, torch.from_numpy(g.copy()))[0].numpy())
    if isinstance(wanted, Exception):  # PyTorch's backward passes refuse some empty sizes
        assert 0 in g.shape or 0 in case.x.shape, f"{case}: {wanted!r}"
        return "agreed", error
    if case.name.startswith("max_unpool"):
        wanted = wanted * overwritten(case.arrays["indices"], int(case.name[10])).astype(wanted.dtype)
    (gradient,) = answer(lambda: m.autograd.grad(found, leaf, m.from_numpy(layout(rng, g))))
    if "gradient" in apart:
        return "agreed", error
    return "agreed", max(error, worse(gradient.array, wanted, case, "gradient"))


def drawn(family: Callable, rng: np.random.Generator) -> Case:
    """A case of a family, now and then wrong, or in float32."""
    case: Case = family(rng, bool(rng.random() < 0.15))
    if rng.random() < 0.2:
        case.x = case.x.astype(np.float32)
        case.arrays = {k: v.astype(np.float32) if v.dtype == np.float64 else v for k, v in case.arrays.items()}
    return case


def survey(families: dict[Callable, float], cases: int, seed: int) -> None:
    """Draw, compare, count, print; fail with what disagreed."""
    rng = np.random.default_rng(seed)
    counts: collections.Counter = collections.Counter()
    worst: dict[str, float] = collections.defaultdict(float)
    wrong = []
    shares = np.array([*families.values()])
    for _ in range(cases):
        family = [*families][rng.choice(len(shares), p=shares / shares.sum())]
        case = drawn(family, rng)
        try:
            fate, error = compare(case, rng)
        except AssertionError as problem:
            wrong.append(str(problem))
            continue
        counts[family.__name__, fate] += 1
        worst[family.__name__] = max(worst[family.__name__], error)
    print(f"\nseed {seed}: {cases} cases, {len(wrong)} disagree")
    for name in sorted(worst):
        fates = {fate: n for (family, fate), n in sorted(counts.items()) if family == name}
        print(f"  {name}: {fates}, worst relative error in float64 {worst[name]:.1e}")
    assert not wrong, "\n".join(wrong[:12])


def test_pooling() -> None:
    """Sliding, adaptive, Lp and fractional pooling, unpooling and shuffling."""
    survey(POOLINGS, CASES, SEED)


def test_interpolation() -> None:
    """All modes of interpolate."""
    survey({interpolated: 1.0}, max(1, CASES // 5), SEED + 1)
