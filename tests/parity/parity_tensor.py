"""Random tensor programs against the live PyTorch: values, dtypes, shapes and all gradients, to second order.

`pytest tests/parity/parity_tensor.py -s`; MINITORCH_PARITY_CASES (5000) sets the number of programs, MINITORCH_PARITY_SEED the seed.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import test_public_names  # noqa: E402

import minitorch as m  # noqa: E402

CASES = int(os.environ.get("MINITORCH_PARITY_CASES", "5000"))
SEED = int(os.environ.get("MINITORCH_PARITY_SEED", "0"))
torch.set_num_threads(1)

Step = Callable[..., Any]  # (library, *tensors) -> tensor, or None where the first tensor was changed in place


def axis(rng: np.random.Generator, x: Any) -> int:
    """A random axis of x, counted from either end."""
    return int(rng.integers(-x.ndim, x.ndim))


def key(rng: np.random.Generator, shape: tuple, basic: bool) -> tuple:
    """A random index: ints, slices, None, an ellipsis; int and bool arrays unless `basic`."""
    out: list = []
    for n in shape:
        kind = rng.integers(0, 4 if basic or n == 0 else 6)
        if kind == 0 and n:
            out.append(int(rng.integers(-n, n)))
        elif kind <= 2:
            start, stop = sorted(rng.integers(0, n + 1, 2).tolist())
            out.append(slice(start, stop if rng.random() < 0.7 else None, int(rng.integers(1, 3))))
        elif kind == 4:
            out.append(
                rng.integers(-n, n, int(rng.integers(1, 4)))
                if not any(isinstance(k, np.ndarray) for k in out)
                else slice(None)
            )
        elif kind == 5:
            out.append(rng.random(n) < 0.6 if not any(isinstance(k, np.ndarray) for k in out) else slice(None))
        else:
            out.append(slice(None))
    if rng.random() < 0.2:
        out.insert(int(rng.integers(0, len(out) + 1)), None)
    if rng.random() < 0.2:
        out.append(Ellipsis)
    return tuple(out)


def indexed(lib: Any, k: tuple) -> tuple:
    """Index arrays as tensors of the library."""
    return tuple(lib.from_numpy(i) if isinstance(i, np.ndarray) else i for i in k)


UNARY: list[Callable] = [
    lambda lib, x: x.exp(),
    lambda lib, x: x.tanh(),
    lambda lib, x: x.sigmoid(),
    lambda lib, x: x.sin() * x,
    lambda lib, x: (x * x + 1).log(),
    lambda lib, x: (x * x + 0.5).sqrt(),
    lambda lib, x: x.abs(),
    lambda lib, x: x.relu(),
    lambda lib, x: x.clamp(-0.7, 0.9),
    lambda lib, x: 1 / (x * x + 2),
    lambda lib, x: x**3,
    lambda lib, x: (x * x + 0.1) ** -0.5,
    lambda lib, x: -x,
    lambda lib, x: x.erf(),
    lambda lib, x: x.expm1(),
    lambda lib, x: (x * x).log1p(),
    lambda lib, x: x.cos(),
    lambda lib, x: 2.5 - x,
    lambda lib, x: x.square(),
    lambda lib, x: x.floor() * x,
    lambda lib, x: 1.5**x,
    lambda lib, x: x.clamp(min=0.1),
    lambda lib, x: (x * x + 1).rsqrt(),
    lambda lib, x: x.clone(),
    lambda lib, x: x.float().double(),
    lambda lib, x: x.masked_fill(x > 0.8, 0.25),
    lambda lib, x: x % 1.3,
]
BINARY: list[Callable] = [
    lambda lib, x, y: x + y,
    lambda lib, x, y: x - y,
    lambda lib, x, y: x * y,
    lambda lib, x, y: x / (y * y + 1),
    lambda lib, x, y: lib.maximum(x, y),
    lambda lib, x, y: lib.minimum(x, y),
    lambda lib, x, y: lib.where(x > y, x, y * 2),
    lambda lib, x, y: (x * x + 0.5) ** y,
    lambda lib, x, y: x.sub(y, alpha=0.5),
]


def reduction(lib: Any, name: str) -> Callable:
    """A function of either library, also where only ops.reduce has it."""
    return getattr(lib, name, None) or getattr(m.ops.reduce, name)


REDUCE: list[Callable] = [
    lambda lib, x, d, k: x.sum(d, keepdim=k),
    lambda lib, x, d, k: x.mean(d, keepdim=k),
    lambda lib, x, d, k: x.amax(d, keepdim=k),
    lambda lib, x, d, k: x.max(d, keepdim=k).values,
    lambda lib, x, d, k: x.min(d, keepdim=k)[0],
    lambda lib, x, d, k: x.prod(d, keepdim=k),
    lambda lib, x, d, k: x.var(d, keepdim=k, correction=0),
    lambda lib, x, d, k: (x + 3).norm(dim=d, keepdim=k),
    lambda lib, x, d, k: (x + 3).norm(1, d, k),
    lambda lib, x, d, k: (x + 3).norm(float("inf"), d, k),
    lambda lib, x, d, k: (x * x + 1).norm(2.5, d, k),
    # Of one number, where it is 0, PyTorch's second derivative of std is NaN and ours 0.
    lambda lib, x, d, k: (x + 3).std(d, keepdim=k, correction=0) if x.shape[d] > 1 else x.sum(d, keepdim=k),
    lambda lib, x, d, k: x.var((d,), unbiased=False, keepdim=k),
    lambda lib, x, d, k: reduction(lib, "cumprod")(x, d),
    lambda lib, x, d, k: reduction(lib, "nansum")(x, d, k),
    lambda lib, x, d, k: reduction(lib, "aminmax")(x, dim=d, keepdim=k)[1],
    lambda lib, x, d, k: reduction(lib, "cummax")(x, d)[0],
    lambda lib, x, d, k: reduction(lib, "var_mean")(x, d, correction=0, keepdim=k)[0],
    lambda lib, x, d, k: x.logsumexp(d, keepdim=k),
    lambda lib, x, d, k: x.softmax(d),
    lambda lib, x, d, k: x.log_softmax(d),
    lambda lib, x, d, k: x.cumsum(d),
    lambda lib, x, d, k: x - x.mean(d, keepdim=True),
    lambda lib, x, d, k: x.amin((d,), keepdim=k),
]


def step(rng: np.random.Generator, tensors: list) -> tuple[str, list[int], Step] | None:
    """A random operation that fits: its kind, which tensors it takes, and how to do it in either library."""
    i = int(rng.integers(0, len(tensors)))
    x = tensors[i]
    kind = str(
        rng.choice(
            [
                "unary",
                "unary",
                "binary",
                "binary",
                "binary",
                "reduce",
                "view",
                "view",
                "index",
                "inplace",
                "setitem",
                "matmul",
                "cat",
                "pick",
            ]
        )
    )
    if kind == "unary":
        function = UNARY[rng.integers(len(UNARY))]
        return kind, [i], function
    if kind == "binary":
        fits = [j for j, y in enumerate(tensors) if broadcasts(x.shape, y.shape)]
        function = BINARY[rng.integers(len(BINARY))]
        return kind, [i, int(rng.choice(fits))], function
    if kind == "reduce":
        if x.ndim == 0 or 0 in x.shape:
            return kind, [i], lambda lib, x: x.sum()
        d, k, function = axis(rng, x), bool(rng.random() < 0.5), REDUCE[rng.integers(len(REDUCE))]
        return kind, [i], lambda lib, x: function(lib, x, d, k)
    if kind == "view":
        return kind, [i], view(rng, x)
    if kind == "index":
        k = key(rng, x.shape, basic=bool(rng.random() < 0.5))
        return kind, [i], lambda lib, x: x[indexed(lib, k)]
    if kind in ("inplace", "setitem") and any(s == 0 and n > 1 for s, n in zip(x.stride(), x.shape, strict=True)):
        return None  # expanded memory: some of PyTorch's ops refuse to write it, some do not
    if kind == "inplace":
        fits = [
            j
            for j, y in enumerate(tensors)
            if broadcasts(x.shape, y.shape) and np.broadcast_shapes(x.shape, y.shape) == x.shape
        ]
        changes: list[tuple[list[int], Step]] = [
            ([i], lambda lib, x: x.mul_(1.5)),
            ([i], lambda lib, x: x.add_(0.25)),
            ([i], lambda lib, x: x.tanh_()),
            ([i], lambda lib, x: x.clamp_(-0.5, 0.5)),
            ([i], lambda lib, x: x.zero_()),
            ([i], lambda lib, x: x.sigmoid_()),
        ]
        if fits:
            j = int(rng.choice(fits))
            changes += [
                ([i, j], lambda lib, x, y: x.add_(y)),
                ([i, j], lambda lib, x, y: x.copy_(y)),
                ([i, j], lambda lib, x, y: x.sub_(y)),
            ] * 2
        return kind, *changes[rng.integers(len(changes))]
    if kind == "setitem":
        k = key(rng, x.shape, basic=bool(rng.random() < 0.6))
        if any(
            isinstance(n, np.ndarray) and n.dtype != bool for n in k
        ):  # places named twice: which value stays is open
            k = (np.unique(rng.integers(0, x.shape[0], 2)),) if x.ndim and x.shape[0] else (Ellipsis,)
        shape = np.zeros(x.shape)[k].shape
        fits = [
            j
            for j, y in enumerate(tensors)
            if broadcasts(shape, y.shape) and np.broadcast_shapes(shape, y.shape) == shape
        ]
        if not fits:
            return None
        j = int(rng.choice(fits))

        def assign(lib: Any, x: Any, y: Any) -> Any:
            x[indexed(lib, k)] = y * 0.5
            return x

        return kind, [i, j], assign
    if kind == "matmul":
        fits = [
            j
            for j, y in enumerate(tensors)
            if x.ndim >= 1
            and y.ndim >= 1
            and x.shape[-1] == y.shape[-2 if y.ndim > 1 else 0]
            and (x.ndim < 3 or y.ndim < 3 or broadcasts(x.shape[:-2], y.shape[:-2]))
        ]
        return (kind, [i, int(rng.choice(fits))], lambda lib, x, y: x @ y) if fits else None
    if kind == "cat":
        fits = [j for j, y in enumerate(tensors) if y.shape == x.shape]
        j, d = int(rng.choice(fits)), axis(rng, x) if x.ndim else 0
        if x.ndim and rng.random() < 0.5:
            return kind, [i, j], lambda lib, x, y: lib.cat([x, y], d)
        return kind, [i, j], lambda lib, x, y: lib.stack([x, y], 0)
    if x.ndim == 0 or 0 in x.shape:
        return None
    d = axis(rng, x)
    n = x.shape[d]
    shape = list(x.shape)
    shape[d] = int(rng.integers(1, 4))
    index = rng.integers(0, n, shape)
    if rng.random() < 0.5:
        return "pick", [i], lambda lib, x: x.gather(d, lib.from_numpy(index))
    return "pick", [i], lambda lib, x: x.index_select(d, lib.from_numpy(index.ravel()[:3].copy()))


def view(rng: np.random.Generator, x: Any) -> Step:
    """A random rearrangement of x."""
    order = rng.permutation(x.ndim).tolist()
    at = int(rng.integers(-x.ndim - 1, x.ndim + 1))
    choices: list[Step] = [
        lambda lib, x: x.unsqueeze(at),
        lambda lib, x: x.permute(*order) if order else x * 1,
        lambda lib, x: x.flatten(),
        lambda lib, x: x.reshape(-1) if x.numel() else x * 1,
    ]
    if x.ndim:
        a, b = axis(rng, x), axis(rng, x)
        choices += [
            lambda lib, x: x.transpose(a, b),
            lambda lib, x: x.squeeze(a),
            lambda lib, x: x.flip(a),
            lambda lib, x: x.movedim(a, b),
            lambda lib, x: x.expand(2, *x.shape),
            lambda lib, x: x.repeat(*[2] * x.ndim),
        ]
        if x.shape[a]:
            k = int(rng.integers(1, x.shape[a] + 1))
            choices += [
                lambda lib, x: x.narrow(a, 0, k),
                lambda lib, x: x.split(k, a)[-1],
                lambda lib, x: x.chunk(2, a)[0],
                lambda lib, x: x.unbind(a)[0],
            ]
    if x.ndim >= 2:
        choices += [lambda lib, x: x.tril(), lambda lib, x: x.triu(1)]
    return choices[rng.integers(len(choices))]


def broadcasts(a: tuple, b: tuple) -> bool:
    """Whether the shapes broadcast."""
    return all(n == k or 1 in (n, k) for n, k in zip(reversed(a), reversed(b), strict=False))


def attempt(function: Callable, *args: Any) -> Any:
    """The result, or the RuntimeError."""
    try:
        return function(*args)
    except RuntimeError as error:
        return error


def agree(found: Any, expected: Any, trace: list, what: str) -> float:
    """Same shape, dtype and, within 1e-9 of the largest, values; returns the error."""
    a, b = found.detach().numpy(), expected.detach().numpy(force=True)
    assert a.shape == b.shape and a.dtype == b.dtype, (
        f"{trace}: {what} is {a.dtype} {a.shape}, expected {b.dtype} {b.shape}"
    )
    finite = np.isfinite(b)
    assert (np.isfinite(a) == finite).all(), f"{trace}: {what}: {a} expected {b}"
    if not finite.any():
        return 0.0
    error = float(np.abs(a[finite] - b[finite]).max() / max(1.0, float(np.abs(b[finite]).max())))
    assert error <= 1e-9, f"{trace}: {what} is off by {error:.3g}\n{a}\n{b}"
    return error


def program(rng: np.random.Generator, counts: collections.Counter) -> float:
    """Run one random program in both libraries; returns the worst error."""
    shapes = [tuple(rng.choice([1, 2, 3], int(rng.integers(0, 4))).tolist()) for _ in range(3)]
    shapes.append(tuple(int(rng.choice([1, n])) for n in shapes[0]))
    if rng.random() < 0.05:
        shapes.append((0, 3))
    arrays = [rng.uniform(-1.2, 1.2, shape) for shape in shapes]
    mine = [m.tensor(a, requires_grad=True) for a in arrays]
    other = [torch.tensor(a, requires_grad=True) for a in arrays]
    leaves, oracle = list(mine), list(other)
    trace: list = [shapes]
    worst = 0.0
    for _ in range(int(rng.integers(3, 12))):
        chosen = step(rng, other)
        if chosen is None:
            continue
        kind, at, function = chosen
        trace.append((kind, at))
        b = attempt(function, torch, *(other[i] for i in at))
        a = attempt(function, m, *(mine[i] for i in at))
        if isinstance(b, Exception) and (
            "returns multiple views" in str(b) or "some elements of the input tensor" in str(b)
        ):
            counts["views that PyTorch cannot change"] += 1
            return worst
        if isinstance(b, Exception) or isinstance(a, Exception):
            assert type(a) is type(b), f"{trace}: PyTorch {b!r}, ours {a!r}"
            counts["refused by both"] += 1
            continue
        counts[kind] += 1
        worst = max(worst, agree(a, b, trace, "value"))
        for i, (x, y) in enumerate(zip(mine, other, strict=True)):  # a change through a view shows in all others
            if kind in ("inplace", "setitem"):
                worst = max(worst, agree(x, y, trace, f"tensor {i} after the change"))
        if kind not in ("inplace", "setitem") and b.numel() <= 200 and bool((b.detach().abs() < 1e3).all()):
            mine.append(a)
            other.append(b)
    weights = [np.asarray(rng.standard_normal(tuple(t.shape))) for t in other]
    loss_b = attempt(lambda: sum((t * torch.from_numpy(w)).sum() for t, w in zip(other, weights, strict=True)))
    if isinstance(loss_b, Exception):
        assert "returns multiple views" in str(loss_b), f"{trace}: {loss_b!r}"
        counts["views that PyTorch cannot change"] += 1
        return worst
    loss_a = sum((t * m.from_numpy(w)).sum() for t, w in zip(mine, weights, strict=True))
    second = bool(rng.random() < 0.3)
    a = attempt(lambda: m.autograd.grad(loss_a, leaves, create_graph=second))
    b = attempt(lambda: torch.autograd.grad(loss_b, oracle, create_graph=second))
    if isinstance(a, Exception) or isinstance(b, Exception):  # which operands are kept is each library's own affair
        for error in (a, b):
            assert not isinstance(error, Exception) or "modified by an inplace operation" in str(error), (
                f"{trace}: {error!r}"
            )
        counts[
            "changed after it was kept, by "
            + ("both" if isinstance(a, type(b)) else "PyTorch" if isinstance(b, Exception) else "ours")
        ] += 1
        return worst
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        worst = max(worst, agree(x, y, trace, f"gradient {i}"))
    if second:
        total_a, total_b = sum((g * g).sum() for g in a), sum((g * g).sum() for g in b)
        if total_b.requires_grad:
            a = m.autograd.grad(total_a, leaves, allow_unused=True) if total_a.requires_grad else [None] * len(leaves)
            b = torch.autograd.grad(total_b, oracle, allow_unused=True)
            for i, (x, y) in enumerate(zip(a, b, strict=True)):
                x = m.zeros_like(leaves[i]) if x is None else x
                y = torch.zeros_like(oracle[i]) if y is None else y
                worst = max(worst, agree(x, y, trace, f"second derivative {i}"))
            counts["second order"] += 1
    counts["programs with gradients compared"] += 1
    return worst


def test_random_programs() -> None:
    """Chains of ops with broadcasting, views, in-place changes and indexing: everything agrees within 1e-9."""
    counts: collections.Counter = collections.Counter()
    worst, failures = 0.0, []
    for number in range(CASES):
        try:
            worst = max(worst, program(np.random.default_rng([SEED, number]), counts))
        except Exception as error:  # noqa: BLE001
            failures.append(f"program {number}: {type(error).__name__}: {error}")
    print(f"\nseed {SEED}: {CASES} programs, worst error {worst:.1e}, {len(failures)} failed\n{dict(counts)}")
    assert not failures, "\n\n".join(failures[:8])


@pytest.mark.parametrize("name", test_public_names.NAMES)
def test_names_exist_in_pytorch(name: str) -> None:
    """Every public name is PyTorch's or a documented extension."""
    module: Any = torch
    for piece in name.split(".")[1:]:
        module = getattr(module, piece)
    ours = set(test_public_names.NAMES[name].split()) - test_public_names.EXTENSIONS.get(name, set())
    assert not [n for n in ours if not hasattr(module, n)]
