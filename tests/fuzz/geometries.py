"""Random settings of layers and reductions beside PyTorch: values, gradients, and the class of what is refused.

The families are those of tests/parity, whose files say how a case is drawn and what is compared.
"""

from __future__ import annotations

import collections
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import parity_conv
import parity_nn
import parity_pad_fold
import parity_pool
import torch

import minitorch as m
from tests.fuzz.cases import Failure

Rng = np.random.Generator


def convolution(rng: Rng) -> str:
    """conv1d to conv3d, and transposed."""
    fate, _ = parity_conv.check(parity_conv.draw(rng), rng)
    return fate.partition(" ")[0]


def wrong_convolution(rng: Rng) -> str:
    """A convolution with one thing wrong; of a whole image, since PyTorch looks less closely at empty batches."""
    case = parity_conv.broken(rng, parity_conv.draw(rng, tiny=True))
    if case.settings["dilation"] == 0 and set(case.w.shape[2:]) == {1}:
        return "dilation 0 of a single tap"  # means nothing, so PyTorch accepts it now and then
    parity_conv.check(case, rng)
    return "convolution with a wrong setting"


def pooling(family: Callable) -> Callable[[Rng], str]:
    """A family of parity_pool."""

    def check(rng: Rng) -> str:
        fate, _ = parity_pool.compare(case := parity_pool.drawn(family, rng), rng)
        return case.name if fate == "agreed" else f"{family.__name__}: {fate}"

    return check


def tallied(draw: Callable) -> Callable[[Rng], str]:
    """Paddings and folds."""

    def check(rng: Rng) -> str:
        tally = parity_pad_fold.Tally(0, rng)
        draw(tally)
        if tally.wrong:
            raise Failure("\n".join(tally.wrong))
        return str(draw.__name__)

    return check


def layer(family: Callable) -> Callable[[Rng], str]:
    """A family of parity_nn."""

    def check(rng: Rng) -> str:
        row = family(rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parity_nn.check(row, str(row))
        return str(family.__name__)

    return check


REDUCTIONS = [
    "sum",
    "mean",
    "amax",
    "amin",
    "prod",
    "var",
    "std",
    "logsumexp",
    "softmax",
    "log_softmax",
    "cumsum",
    "cumprod",
    "norm",
    "max",
    "min",
    "argmax",
    "argmin",
    "all",
    "any",
    "median",
    "nansum",
    "count_nonzero",
    "var_mean",
    "cummax",
    "cummin",
]


def reduction(rng: Rng) -> str:
    """A reduction or scan over some axes of an array in any memory order."""
    shape = tuple(int(n) for n in rng.integers(0 if rng.random() < 0.05 else 1, 8, int(rng.integers(1, 5))))
    if rng.random() < 0.05:
        shape = tuple(int(n) for n in rng.integers(8, 40, 3))  # large enough for kernels
    name = str(rng.choice([name for name in REDUCTIONS if hasattr(m.Tensor, name)]))
    ties = rng.random() < 0.2 and name != "median"  # which takes any of equals in PyTorch
    x = rng.integers(-2, 3, shape).astype(float) if ties else rng.standard_normal(shape)
    x = x.astype(np.float32) if rng.random() < 0.2 else x
    one = name in [
        "logsumexp",
        "softmax",
        "log_softmax",
        "cumsum",
        "cumprod",
        "max",
        "min",
        "argmax",
        "argmin",
        "median",
        "cummax",
        "cummin",
    ]
    axes = tuple(int(a) for a in rng.permutation(len(shape))[: int(rng.integers(1, len(shape) + 1))])
    dim: Any = axes[0] if one or rng.random() < 0.5 else axes
    if name in ("prod",) or (name in ("all", "any") and rng.random() < 0.5):
        dim = axes[0]
    if rng.random() < 0.04:
        dim = int(rng.choice([-9, 9, len(shape)]))
    settings: dict = {"dim": dim}
    if "softmax" not in name and not name.startswith("cum") and name != "count_nonzero":
        settings["keepdim"] = bool(rng.random() < 0.5)
    if name in ("var", "std", "var_mean"):
        settings["correction"] = int(rng.integers(0, 2))
        if name == "std":  # of one number, the slope is 0 here and NaN there
            x = x + np.arange(x.size).reshape(x.shape)  # in float64: such numbers cancel
    if name == "norm":
        settings["p"] = [1, 2, 3, 0.5, float("inf"), float("-inf"), 0][rng.integers(7)]
    what = f"{name}{settings} of {x.dtype} {shape}{' with ties' if ties else ''}"
    g_seed = int(rng.integers(1 << 30))
    mine = m.from_numpy(parity_conv.layout(rng, x)).requires_grad_()
    other = torch.from_numpy(x.copy()).requires_grad_()
    found, expected = outcome(mine, name, settings, g_seed), outcome(other, name, settings, g_seed)
    if name in ("cummax", "cummin") and not x.size and isinstance(found, IndexError):
        return "reduction: no such axis"  # which PyTorch does not look at where there are no elements
    if isinstance(found, Exception) or isinstance(expected, Exception):
        if type(found) is not type(expected):
            raise Failure(f"{what}\nPyTorch: {expected!r}\nours: {found!r}")
        return "reduction: refused"
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        if a.shape != b.shape or a.dtype != b.dtype:
            raise Failure(f"{what}\nresult {i} is {a.dtype} {a.shape}, PyTorch's {b.dtype} {b.shape}")
        limit = 1e-9 if a.dtype != np.float32 else 2e-5
        scale = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0.0)))
        if not np.allclose(a, b, limit, limit * scale, equal_nan=True):
            raise Failure(f"{what}\nresult {i} differs: {brief(a)}, PyTorch's {brief(b)}")
    return name


def outcome(x: Any, name: str, settings: dict, seed: int) -> Any:
    """Results and the gradient of x, as arrays, or the error."""
    try:
        out = getattr(x, name)(**settings)
        results = list(out) if isinstance(out, tuple) else [out]
        arrays = [np.array(r.detach().numpy()) for r in results]
        rng = np.random.default_rng(seed)
        smooth = settings.get("p") != 0  # a count has no gradient here, and one that is undefined in PyTorch
        weighed = [
            (r * as_library(x, rng.standard_normal(tuple(r.shape)).astype(a.dtype))).sum()
            for r, a in zip(results, arrays, strict=True)
            if smooth and a.dtype.kind == "f" and r.requires_grad
        ]
        if weighed:
            sum(weighed).backward()
            arrays.append(np.array(x.grad.numpy()))
        return arrays
    except Exception as error:  # noqa: BLE001
        return error


def as_library(x: Any, array: np.ndarray) -> Any:
    """The array as a tensor of x's library."""
    return (m if isinstance(x, m.Tensor) else torch).from_numpy(array)


def brief(x: np.ndarray) -> str:
    """The first elements."""
    return str(x.ravel()[:6].tolist()) + ("..." if x.size > 6 else "")


FAMILIES: dict[Callable[[Rng], str], float] = {
    convolution: 0.30,
    wrong_convolution: 0.06,
    **{pooling(family): 0.20 * share for family, share in parity_pool.POOLINGS.items()},
    pooling(parity_pool.interpolated): 0.08,
    tallied(parity_pad_fold.padded): 0.08,
    tallied(parity_pad_fold.folded): 0.08,
    layer(parity_nn.norm): 0.06,
    layer(parity_nn.class_loss): 0.02,
    layer(parity_nn.distance_loss): 0.02,
    layer(parity_nn.activation): 0.02,
    reduction: 0.12,
}


def case(rng: Rng, counts: collections.Counter) -> None:
    """One case of a family drawn by its share."""
    shares = np.array([*FAMILIES.values()])
    family = [*FAMILIES][rng.choice(len(shares), p=shares / shares.sum())]
    torch.set_num_threads(1)
    counts[family(rng)] += 1
