"""Order, statistics, running results, distances and drawing beside the live PyTorch, over its own sampled arguments.

`pytest tests/parity/parity_sorting.py -s`: values, dtypes, shapes, classes of errors, both orders of gradients. Which of
several equals is chosen is PyTorch's secret in topk, kthvalue, median, mode and an unstable sort: there the chosen
positions must hold the values.
"""

from __future__ import annotations

import collections
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from parity_calls import DTYPES, Foreign, copied, ours  # noqa: E402

import minitorch as m  # noqa: E402

NAMES = [
    "aminmax",
    "argsort",
    "bincount",
    "bucketize",
    "cdist",
    "corrcoef",
    "cov",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "cumulative_trapezoid",
    "diff",
    "dist",
    "gradient",
    "histc",
    "histogram",
    "histogramdd",
    "kthvalue",
    "logcumsumexp",
    "median",
    "mode",
    "msort",
    "nanmean",
    "nanmedian",
    "nanquantile",
    "nansum",
    "quantile",
    "renorm",
    "searchsorted",
    "sort",
    "std",
    "std_mean",
    "topk",
    "trapezoid",
    "trapz",
    "unique",
    "unique_consecutive",
    "var",
    "var_mean",
    "nn.functional.cosine_similarity",
    "nn.functional.normalize",
    "nn.functional.pairwise_distance",
    "nn.functional.pdist",
]
CHOICES = {"argsort", "kthvalue", "median", "mode", "nanmedian", "sort", "topk"}
NO_GRADIENT = {"histogram", "histogramdd", "unique", "unique_consecutive"}  # here; PyTorch raises in backward
MOST = 45  # samples of one dtype
ROUGH = {"logcumsumexp": 3e-3}  # float32 gradients in which PyTorch loses digits, where values are 10,000
SECOND = 12  # of which so many are differentiated twice


def tensors(x: Any) -> list:
    """All tensors in arguments or results."""
    if isinstance(x, torch.Tensor | m.Tensor):
        return [x]
    values = x.values() if isinstance(x, dict) else x if isinstance(x, list | tuple) else ()
    return [t for v in values for t in tensors(v)]


def called(function: Callable, arguments: list, settings: dict) -> tuple[Any, str]:
    """The result, or the name of the class of the error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(*arguments, **settings), "none"
        except Exception as error:
            return None, type(error).__name__


def near(found: np.ndarray, expected: np.ndarray, what: str, float32: float = 2e-4) -> str:
    """What differs, if anything does."""
    if found.dtype != expected.dtype or found.shape != expected.shape:
        return f"{what}: {found.dtype}{found.shape}, PyTorch {expected.dtype}{expected.shape}"
    tolerance = float32 if expected.dtype == np.float32 else 1e-6
    if np.allclose(found, expected, tolerance, tolerance, equal_nan=True):
        return ""
    return f"{what}: {found.reshape(-1)[:6]}, PyTorch {expected.reshape(-1)[:6]}"


def points(x: np.ndarray, positions: np.ndarray, values: np.ndarray, dim: int) -> bool:
    """Whether there are these values at the positions along a dimension, which may be gone."""
    if x.ndim == 0:
        return bool(np.array_equal(x, values, equal_nan=x.dtype.kind == "f"))
    if positions.ndim < x.ndim:
        positions, values = np.expand_dims(positions, dim), np.expand_dims(values, dim)
    taken = np.take_along_axis(x, positions, dim)
    return bool(np.array_equal(taken, values, equal_nan=x.dtype.kind == "f"))


def gradients(lib: Any, outs: list, leaves: list, order: int) -> list:
    """The gradients of the results, weighted irregularly, and of the sines of those for order 2."""
    as_lib = torch.from_numpy if lib is torch else m.from_numpy
    outs = [o for o in outs if o.requires_grad]
    sizes = [int(np.prod(o.shape)) for o in outs]
    weights = [np.cos(np.arange(n) * 1.7 + 0.3).reshape(tuple(o.shape)) for n, o in zip(sizes, outs, strict=True)]
    total = sum(
        (o.double() * as_lib(w) if lib is torch else o * as_lib(w.astype(o.detach().numpy().dtype))).sum()
        for o, w in zip(outs, weights, strict=True)
    )
    found = lib.autograd.grad(total, leaves, create_graph=order == 2, allow_unused=True)
    if order == 1:
        return [None if g is None else g.detach().numpy() for g in found]
    again = sum(g.sin().sum() for g in found if g is not None and g.requires_grad)
    if isinstance(again, int):
        return []
    return [None if g is None else g.detach().numpy() for g in lib.autograd.grad(again, leaves, allow_unused=True)]


def compared(name: str, mine: Callable, theirs: Callable, given: list, named: dict, order: int) -> str:
    """What differs between the two libraries for these arguments, if anything does."""
    arguments, settings = ours(given), ours(named)
    given, named = copied(given), copied(named)
    (wanted, error), (found, mistake) = called(theirs, given, named), called(mine, arguments, settings)
    if error != mistake:
        return f"raises {mistake}, PyTorch {error}"
    outs, expected = tensors(found), tensors(wanted)
    if len(outs) != len(expected):
        return f"{len(outs)} results, PyTorch {len(expected)}"
    ambiguous = name in CHOICES and len(outs) + (name == "argsort") > 1 and outs
    for i, (a, b) in enumerate(zip(outs, expected, strict=True)):
        a, b = a.detach().numpy(), b.detach().numpy()
        if ambiguous and (i == 1 or name == "argsort"):
            x = arguments[0].detach().numpy()
            dim = settings.get("dim", next((v for v in arguments[1:][::-1] if type(v) is int), -1))
            dim = arguments[2] if name in ("topk", "kthvalue") and len(arguments) > 2 else dim
            dim = -1 if name in ("topk", "kthvalue") and len(arguments) == 2 and "dim" not in settings else dim
            values = np.take_along_axis(x, b, dim) if name == "argsort" and x.ndim else outs[0].detach().numpy()
            if (
                a.dtype == b.dtype
                and a.shape == b.shape
                and (name == "argsort" and not x.ndim or points(x, a, values, dim))
            ):
                continue
        if (
            name == "unique"
            and a.dtype == np.int64
            and any(np.isnan(t.detach().numpy()).any() for t in tensors(arguments))
        ):
            continue  # which of the NaN an element is
        if text := near(a, b, f"result {i}"):
            return text
    mine_leaves, leaves = ([t for t in tensors(v) if t.requires_grad] for v in ((arguments, settings), (given, named)))
    if not leaves or name in NO_GRADIENT or not any(t.requires_grad for t in expected):
        return ""
    for n in range(1, order + 1):
        try:
            slopes = gradients(torch, expected, leaves, n)
        except (RuntimeError, NotImplementedError):  # it has no derivative of this order
            return ""
        for a, b in zip(gradients(m, outs, mine_leaves, n), slopes, strict=True) if slopes else ():
            zeros = np.zeros_like(a if b is None else b) if a is not None or b is not None else np.zeros(0)
            if text := near(
                zeros if a is None else a, zeros if b is None else b, f"gradient of order {n}", ROUGH.get(name, 2e-4)
            ):
                return text
    return ""


def database() -> dict[str, list]:
    """PyTorch's operators by name, each with its variants."""
    from torch.testing._internal.common_methods_invocations import op_db

    found = collections.defaultdict(list)
    for op in op_db:
        if op.name in NAMES:
            found[op.name].append(op)
    return found


def samples(op: Any, dtype: Any, grad: bool) -> Iterator[Any]:
    """PyTorch's, some of each kind: reference inputs have more shapes."""
    for make in (op.sample_inputs, op.reference_inputs):
        try:
            found = list(make("cpu", dtype, requires_grad=grad))
        except Exception:  # it has none of this dtype
            continue
        yield from found[:: max(1, len(found) // MOST)]


def function(name: str) -> Callable:
    """Ours of a dotted name."""
    found: Any = m
    for piece in name.split("."):
        found = getattr(found, piece)
    return found


def test_operators() -> None:
    """Values, dtypes, shapes, classes of errors and both orders of gradients are PyTorch's."""
    found, cases, failures = database(), 0, []
    for name in NAMES:
        for op in found[name]:
            for dtype in DTYPES.keys() - {torch.float16}:  # which is for storage here
                floats = dtype.is_floating_point
                for i, sample in enumerate(samples(op, dtype, floats)):
                    given, named = [sample.input, *sample.args], dict(sample.kwargs)
                    order = (
                        2
                        if i < SECOND
                        and dtype == torch.float64
                        and max((t.numel() for t in tensors(given)), default=0) < 200
                        else 1
                    )
                    try:
                        text = compared(name, function(name), op.op, given, named, order)
                    except Foreign:
                        continue
                    cases += 1
                    if text:
                        shapes = [tuple(t.shape) for t in tensors(given)]
                        failures.append(f"{name}, {dtype}, shapes {shapes}, {given[1:]}, {named}: {text}")
    names = sum(bool(v) for v in found.values())
    print(f"\nsorting: names {names}, cases {cases}, failures {len(failures)}")
    assert not failures, "\n".join(failures[:40])


def test_modules() -> None:
    """The two modules, with every argument."""
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((4, 5, 3)) for _ in "xy")
    for name, settings in (
        ("PairwiseDistance", {"p": 3.0, "eps": 0.1, "keepdim": True}),
        ("PairwiseDistance", {}),
        ("CosineSimilarity", {"dim": 2, "eps": 0.5}),
        ("CosineSimilarity", {}),
    ):
        both = [getattr(lib.nn, name)(**settings) for lib in (m, torch)]
        assert repr(both[0]) == repr(both[1])
        np.testing.assert_allclose(
            both[0](m.from_numpy(x), m.from_numpy(y)).numpy(), both[1](torch.from_numpy(x), torch.from_numpy(y)).numpy()
        )


DRAWS = [
    "t.zeros(9).random_(3, 3)",
    "t.zeros(9, dtype=t.uint8).random_(0, 300)",
    "t.zeros(9).random_(1.5)",
    "t.zeros(9).random_()",
    "t.zeros(9, dtype=t.bool).random_()",
    "t.zeros(9).exponential_(0)",
    "t.zeros(9, dtype=t.int64).exponential_()",
    "t.zeros(9).geometric_(1.0)",
    "t.zeros(9, dtype=t.int32).geometric_(0.5)",
    "t.zeros(9).geometric_()",
    "t.zeros(9).cauchy_(0, 0)",
    "t.zeros(9, dtype=t.int64).cauchy_()",
    "t.zeros(9).log_normal_(0, 0)",
    "t.zeros(9, dtype=t.int64).log_normal_()",
    "t.poisson(t.ones(9))",
    "t.poisson(-t.ones(9))",
    "t.poisson(t.ones(9, dtype=t.int64))",
    "t.binomial(t.ones(9), t.ones(9))",
    "t.ones(9).bernoulli()",
    "t.ones(9, dtype=t.int64).bernoulli(0.5)",
    "(t.ones(9) * 2).bernoulli()",
    "t.ones(9).multinomial(3)",
    "t.ones(2, 9).multinomial(12, True)",
    "t.ones(9).multinomial(10)",
    "t.randint_like(t.ones(9), 3)",
    "t.randint_like(t.ones(9), 2, 2)",
]


@pytest.mark.parametrize("call", DRAWS)
def test_draws(call: str) -> None:
    """The same dtype and shape, or the same class of error; what is drawn is another stream."""
    (mine, mistake), (theirs, error) = (called(lambda lib=lib: eval(call, {"t": lib}), [], {}) for lib in (m, torch))
    assert mistake == error
    if error == "none":
        assert mine.numpy().dtype == theirs.numpy().dtype and tuple(mine.shape) == tuple(theirs.shape)
