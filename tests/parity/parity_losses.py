"""Losses, activations, dropout, embeddings and sampling against the live PyTorch, by the inputs of its databases.

`pytest tests/parity/parity_losses.py`: values, dtypes, gradients, second order where PyTorch has it, error classes.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from parity_calls import Foreign, copied, database, ours, outcome  # noqa: E402

import minitorch as m  # noqa: E402

database()  # makes torch's test modules importable
from torch.testing._internal.common_methods_invocations import op_db  # noqa: E402
from torch.testing._internal.common_modules import module_db  # noqa: E402

NAMES = [
    "poisson_nll_loss",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "cosine_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "ctc_loss",
    "glu",
    "prelu",
    "rrelu",
    "softmin",
    "alpha_dropout",
    "feature_alpha_dropout",
    "dropout",
    "dropout2d",
    "dropout3d",
    "bilinear",
    "embedding",
    "embedding_bag",
    "grid_sample",
    "cross_entropy",
    "nll_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "kl_div",
    "huber_loss",
    "smooth_l1_loss",
    "l1_loss",
    "mse_loss",
    "linear_cross_entropy",
]
MODULES = [
    "PoissonNLLLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "CosineEmbeddingLoss",
    "MarginRankingLoss",
    "MultiMarginLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
    "CTCLoss",
    "GLU",
    "PReLU",
    "RReLU",
    "Softmin",
    "Softmax2d",
    "Bilinear",
    "Embedding",
    "EmbeddingBag",
    "NLLLoss",
    "CrossEntropyLoss",
    "BCELoss",
    "BCEWithLogitsLoss",
    "KLDivLoss",
    "HuberLoss",
    "SmoothL1Loss",
    "L1Loss",
    "MSELoss",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LazyInstanceNorm1d",
    "CrossMapLRN2d",
    "LinearCrossEntropyLoss",
    "AdaptiveLogSoftmaxWithLoss",
    "AlphaDropout",
    "FeatureAlphaDropout",
]
RANDOM = {"rrelu", "alpha_dropout", "feature_alpha_dropout", "dropout", "dropout2d", "dropout3d"}  # compared where not
SECOND_ORDER_OURS = {"multi_margin_loss": "PyTorch takes the derivative of its gradient to be zero, also for p=2"}


def leaves(x: Any) -> list:
    """The tensors in nested arguments that require grad."""
    if isinstance(x, torch.Tensor | m.Tensor):
        return [x] if x.requires_grad else []
    if isinstance(x, dict):
        x = list(x.values())
    return [t for part in x for t in leaves(part)] if isinstance(x, list | tuple) else []


def differentiated(library: Any, call: Any, arguments: Any, second: bool) -> list[np.ndarray]:
    """The result, its gradients for a fixed incoming one, and the gradients of these."""
    out = call()
    several = out if isinstance(out, tuple) else (out,)
    found = [np.array(y.detach().numpy()) for y in several]
    out, wanted = several[0], leaves(arguments)
    if not (wanted and out.requires_grad):
        return found
    tensor = torch.tensor if library is torch else m.tensor
    g = tensor(np.cos(np.arange(found[0].size) * 1.7 + 0.3).reshape(found[0].shape).astype(found[0].dtype))
    grads = library.autograd.grad(out, wanted, g, create_graph=second, allow_unused=True)
    found += [
        np.zeros(tuple(x.shape)) if v is None else np.array(v.detach().numpy())
        for x, v in zip(wanted, grads, strict=True)
    ]
    grads = [v for v in grads if v is not None and v.requires_grad]
    if second:
        total = sum((v * v).sum() for v in grads)
        again = library.autograd.grad(total, wanted, allow_unused=True) if grads else [None] * len(wanted)
        for x, v in zip(wanted, again, strict=True):
            found.append(np.zeros(tuple(x.shape)) if v is None else np.array(v.detach().numpy()))
    return found


def different(ours_: list, theirs: list) -> str:
    """What differs, or nothing."""
    if len(ours_) != len(theirs):
        return f"{len(ours_)} numbers, PyTorch {len(theirs)}"
    for i, (a, b) in enumerate(zip(ours_, theirs, strict=True)):
        if a.shape != b.shape or i == 0 and a.dtype != b.dtype:
            return f"[{i}] {a.dtype} {a.shape}, PyTorch {b.dtype} {b.shape}"
        tolerance = 2e-4 if theirs[0].dtype == np.float32 else 1e-8
        finite = np.abs(b[np.isfinite(b)]) if b.dtype.kind == "f" else b
        if not np.allclose(
            a, b, rtol=tolerance, atol=tolerance * max(1.0, float(finite.max(initial=0))), equal_nan=True
        ):
            return f"[{i}] {a} PyTorch {b}"
    return ""


def counterpart(name: str) -> Any:
    """Our function, called as the database calls PyTorch's."""
    mine = getattr(m.nn.functional, name, None)
    if mine is not None and name.startswith("embedding"):
        return lambda weight, rows, *args, **named: mine(rows, weight, *args, **named)
    return mine


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """No warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def compared(theirs: Any, mine: Any, arguments: tuple, second: bool) -> str | None:
    """One call in both libraries: what differs, "" for nothing, None where it is no case."""
    try:
        converted = ours(arguments)
    except Foreign:
        return None
    for key, value in converted[1].items():
        if isinstance(value, torch.nn.Module):
            if not hasattr(m.nn, type(value).__name__):
                return None
            converted[1][key] = getattr(m.nn, type(value).__name__)()
    given = copied(arguments)
    for t, o in zip(leaves(given), leaves(converted), strict=True):
        o.requires_grad_(t.requires_grad)
    with silent():
        try:
            wanted = differentiated(torch, lambda: theirs(*given[0], **given[1]), given, second)
        except Exception as error:
            if second and ("not implemented" in str(error) or "double backward" in str(error)):
                return compared(theirs, mine, arguments, False)
            return None
        try:
            found = differentiated(m, lambda: mine(*converted[0], **converted[1]), converted, second)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return different(found, wanted)


def described(x: Any) -> Any:
    """Arguments in a line."""
    if isinstance(x, torch.Tensor):
        return f"{str(x.dtype)[6:]}{tuple(x.shape)}"
    if isinstance(x, list | tuple):
        return [described(v) for v in x]
    return {k: described(v) for k, v in x.items()} if isinstance(x, dict) else x


def report(what: str, names: set, cases: int, failures: list) -> None:
    """The line, and the failure if there are some."""
    print(f"\n{what}: names {len(names)}, cases {cases}, failures {len(failures)}")
    assert not failures, "\n".join(failures[:40])


def test_functions() -> None:
    """Every sample of the operator database."""
    names, cases, failures = set(), 0, []
    for op in op_db:
        name = op.name.removeprefix("nn.functional.")
        mine = counterpart(name)
        if name not in NAMES or mine is None or not op.name.startswith("nn."):
            continue
        for dtype in (torch.float32, torch.float64):
            if not op.supports_dtype(dtype, "cpu"):
                continue
            for sample in op.sample_inputs("cpu", dtype, requires_grad=True):
                arguments = ((sample.input, *sample.args), dict(sample.kwargs))
                if (
                    name in RANDOM
                    and arguments[1].get("training", name.startswith("dropout"))
                    and arguments[1].get("p", 0.5) != 0
                ):
                    continue
                second = dtype == torch.float64 and op.supports_gradgrad and name not in SECOND_ORDER_OURS
                second = second and arguments[1].get("options") is None  # in chunks PyTorch's is 0
                found = compared(op.op, mine, arguments, second)
                if found is not None:
                    names.add(name)
                    cases += 1
                if found:
                    failures.append(f"{name} {dtype} {described(arguments)}: {found}")
    report("losses, functions", names, cases, failures)


def test_modules() -> None:
    """Every sample of the module database, with PyTorch's parameters copied over; also how modules print."""
    names, cases, failures = set(), 0, []
    for info in module_db:
        name = info.module_cls.__name__
        cls = getattr(m.nn, name, None)
        if name not in MODULES or cls is None:
            continue
        for dtype, training in ((torch.float32, True), (torch.float64, False), (torch.float64, True)):
            samples = info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=training)
            for sample in samples[:: 1 + len(samples) // 100]:  # some have a thousand
                if sample.forward_input is None:
                    continue
                made, call = sample.constructor_input, sample.forward_input
                if name in ("RReLU", "AlphaDropout", "FeatureAlphaDropout") and training:
                    continue
                theirs = info.module_cls(*made.args, **{**made.kwargs}).to(dtype).train(training)
                try:
                    mine = cls(*ours(tuple(made.args)), **ours(dict(made.kwargs)))
                except Foreign:
                    continue
                mine = mine.to({torch.float32: m.float32, torch.float64: m.float64}[dtype]).train(training)
                names.add(name)
                with silent():
                    if hasattr(mine, "has_uninitialized_params"):
                        mine.initialize_parameters(ours(call.args[0])), theirs.initialize_parameters(call.args[0])
                    mine.load_state_dict({k: v.detach().numpy().copy() for k, v in theirs.state_dict().items()})
                second = dtype == torch.float64 and made.kwargs.get("options") is None
                found = compared(theirs, mine, (tuple(call.args), dict(call.kwargs)), second)
                if found is not None:
                    cases += 1
                if repr(theirs).replace("torch.", "minitorch.") != repr(mine):
                    failures.append(f"repr: {mine!r}, PyTorch {theirs!r}")
                if found:
                    failures.append(
                        f"{name} {described(made.args)} {described(made.kwargs)} {dtype} {described(call.args)}: {found}"
                    )
    report("losses, modules", names, cases, failures)


def errors(op: Any) -> Iterator[tuple]:
    """The database's wrong calls of an operator."""
    for error in op.error_inputs("cpu") if op.error_inputs_func else ():
        sample = error.sample_input
        yield (sample.input, *sample.args), dict(sample.kwargs)


def test_errors() -> None:
    """Wrong calls raise PyTorch's class."""
    names, cases, failures = set(), 0, []
    for op in op_db:
        name = op.name.removeprefix("nn.functional.")
        mine = counterpart(name)
        if name not in NAMES or mine is None or not op.name.startswith("nn."):
            continue
        for args, named in errors(op):
            try:
                mine_args, mine_named = ours(args), ours(named)
            except Foreign:
                continue
            wanted = outcome(functools.partial(op.op, *copied(args), **copied(named)))
            found = outcome(functools.partial(mine, *mine_args, **mine_named))
            names.add(name)
            cases += 1
            if found != wanted:
                failures.append(f"{name} {described(args)} {described(named)}: {found}, PyTorch {wanted}")
    report("losses, errors", names, cases, failures)


def grids() -> Iterator[tuple]:
    """Random images and grids of all modes; some places outside, some on pixels and edges."""
    rng = np.random.default_rng(0)
    for rank in (2, 3):
        for mode in ("bilinear", "nearest", "bicubic")[: 5 - rank]:
            for padding_mode in ("zeros", "border", "reflection"):
                for align_corners in (False, True):
                    for dtype in (torch.float32, torch.float64):
                        size, out = rng.integers(1, 6, rank), rng.integers(1, 5, rank)
                        x = torch.tensor(rng.standard_normal((2, 3, *size)), dtype=dtype, requires_grad=True)
                        places = rng.uniform(-1.6, 1.6, (2, *out, rank))
                        grid = torch.tensor(places, dtype=dtype, requires_grad=True)
                        yield (x, grid), {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}


def test_grids() -> None:
    """grid_sample and affine_grid of images and volumes."""
    cases, failures = 0, []
    for arguments in grids():
        second = arguments[0][0].dtype == torch.float64
        found = compared(torch.nn.functional.grid_sample, m.nn.functional.grid_sample, arguments, second)
        cases += found is not None
        if found:
            failures.append(f"grid_sample {described(arguments)}: {found}")
    for size in ((2, 1, 3, 4), (1, 2, 1, 5), (2, 1, 2, 3, 4)):
        for align_corners in (False, True):
            rank = len(size) - 2
            theta = torch.randn(size[0], rank, rank + 1, dtype=torch.float64, requires_grad=True)
            found = compared(
                torch.nn.functional.affine_grid,
                m.nn.functional.affine_grid,
                ((theta, size), {"align_corners": align_corners}),
                True,
            )
            cases += found is not None
            if found:
                failures.append(f"affine_grid {size} {align_corners}: {found}")
    report("losses, grids", {"grid_sample", "affine_grid"}, cases, failures)
