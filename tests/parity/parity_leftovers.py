"""Views in place, copies of views, Bessel functions, integers, hooks, dual tensors: against the live PyTorch.

`pytest tests/parity/parity_leftovers.py -s` prints one line. A case is text that either library runs: L is the library,
F its `nn.functional`, and `show` makes of its result what is compared.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minitorch  # noqa: E402

HEAD = """
a = L.arange(24.0).reshape(2, 3, 4).requires_grad_()
x = a * 2
"""
IN_VIEW = [
    "t_()",
    "transpose_(0, 1)",
    "swapaxes_(-1, 0)",
    "swapdims_(0, 1)",
    "squeeze_()",
    "squeeze_(0)",
    "unsqueeze_(1)",
    "unsqueeze_(-1)",
    "as_strided_((2, 2), (1, 2), 1)",
    "transpose_(0, 5)",
    "squeeze_(7)",
    "unsqueeze_(-9)",
]
OWNERS = [
    "x",
    "x[0]",
    "x[:, 1]",
    "x[:1]",
    "x.detach()",
    "a",
    "a.detach()",
    "x.split(1)[0]",
    "L.ones(3)",
    "L.ones(3, 1)",
    "L.ones(2, 3).t()",
    "x.unsafe_split(1, 2)[1]",
    "x.unsafe_chunk(2)[0]",
]
COPIES = [
    "alias_copy(x)",
    "as_strided_copy(x, (2, 2), (1, 2), 1)",
    "diagonal_copy(x, 1)",
    "diagonal_copy(x, 0, 2, 1)",
    "expand_copy(x[:1], (3, 3, 4))",
    "permute_copy(x, (2, 0, 1))",
    "permute_copy(x, (2, 0))",
    "select_copy(x, 1, 2)",
    "select_copy(x, 1, 9)",
    "slice_copy(x, 1, 1, 3)",
    "slice_copy(x)",
    "slice_copy(x, 2, -3, 9, 2)",
    "slice_copy(x, 0, 0, 3, 0)",
    "slice_copy(x.sum())",
    "split_copy(x, 2, 1)",
    "split_with_sizes_copy(x, (1, 2), 1)",
    "split_with_sizes_copy(x, (1, 1), 1)",
    "squeeze_copy(x[:1])",
    "squeeze_copy(x[:1], 0)",
    "t_copy(x[0])",
    "t_copy(x)",
    "transpose_copy(x, 0, 2)",
    "unbind_copy(x, 1)",
    "unfold_copy(x, 2, 2, 1)",
    "unsqueeze_copy(x, 1)",
    "view_copy(x, (6, 4))",
    "view_copy(x, (5, 4))",
    "unsafe_split(x, 2, 2)",
    "unsafe_split(x, -1)",
    "unsafe_chunk(x, 2, 2)",
    "unsafe_chunk(x, 0)",
    "fill(x, 3)",
    "fill(x, x.sum())",
    "fill(x, x)",
    "nonzero_static(x, size=4)",
    "nonzero_static(x, size=40, fill_value=2)",
    "nonzero_static(x, size=-1)",
    "where(x > 9)",
    "where(x > 9, x, 0.0)",
    "where(x > 9, 1)",
    "where(x, x, x)",
]
LAYERS = [
    "kl_div(p, q, 0)",
    "kl_div(p, q, 2, log_target=True)",
    "kl_div(p, q)",
    "poisson_nll_loss(p, q, True, True, 1e-6, 1)",
    "hinge_embedding_loss(p, s, 0.5, 2)",
    "margin_ranking_loss(p, q, s, 0.5)",
    "cosine_embedding_loss(p, q, s[:, 0])",
    "triplet_margin_loss(p, q, s, 2.0, 1, 1e-5, True, 0)",
    "binary_cross_entropy_with_logits(p, q, s + 2, q + 1, 2)",
    "batch_norm(p, q[0], q[1], q[2], q[3] + 1, False, 0.1, 1e-5, False)",
    "dropout(p, 0.5, False)",
    "constant_pad_nd(p, (1, 0), 7)",
    "instance_norm(x, None, None, None, None, True, 0.1, 1e-5, False)",
    "embedding(p, L.tensor([1, 0, 1]), 0)",
    "embedding(p, L.tensor([1, 0, 1]))",
    "adaptive_max_pool1d(x, 2)",
    "max_pool1d_with_indices(x, 2)",
    "rrelu(p)",
    "grid_sampler(x[None], x[:1, :, :2, None].reshape(1, 3, 1, 2) / 50, 0, 1, True)",
    "norm_except_dim(x, 2, 1)",
    "bilinear(p, p, x.reshape(2, 3, 4)[:, :, :3])",
    "norm_except_dim(x)",
    "feature_dropout(p, 0.5, False)",
]
WINDOWS = [
    f"{name}_window({n}, {periodic})"
    for name in ("hann", "hamming", "blackman", "bartlett", "kaiser")
    for n in (0, 1, 2, 7, -1)
    for periodic in (True, False)
]
WAVES = "bessel_j0 bessel_j1 bessel_y0 bessel_y1 airy_ai"
SMOOTH = """modified_bessel_k0 modified_bessel_k1 scaled_modified_bessel_k0 scaled_modified_bessel_k1
    spherical_bessel_j0"""
DEGREES = """chebyshev_polynomial_t chebyshev_polynomial_u chebyshev_polynomial_v chebyshev_polynomial_w
    hermite_polynomial_h hermite_polynomial_he laguerre_polynomial_l legendre_polynomial_p
    shifted_chebyshev_polynomial_t shifted_chebyshev_polynomial_u shifted_chebyshev_polynomial_v
    shifted_chebyshev_polynomial_w"""
INTEGERS = [
    "F.conv2d(x, w, b, 2, 1, 1, 2)",
    "F.conv2d(x[0], w, None, 1, 'same', 1, 2)",
    "F.conv1d(x[0], w[:, :, 0], b, 1, 1, 1, 2)",
    "F.conv3d(x[None], w[:, :1, None].repeat(1, 2, 1, 1, 1))",
    "F.linear(x, w[0, 0].repeat(1, 2)[:, :5], b[:3])",
    "F.max_pool2d(x, 2)",
    "F.max_pool2d(x, 3, 2, 1, return_indices=True)",
    "F.max_pool3d(x, 2)",
    "F.avg_pool2d(x, 3, 2, 1)",
    "F.avg_pool2d(x, 3, 2, 1, False, False)",
    "F.avg_pool3d(x, 2, divisor_override=3)",
    "F.adaptive_max_pool2d(x, 2)",
]


def show(value: Any) -> Any:
    """Numbers, dtype and shape of a result, whatever the library."""
    if isinstance(value, list | tuple):
        return [show(v) for v in value]
    if isinstance(value, torch.Tensor | minitorch.Tensor):
        return value.detach().numpy().copy(), str(value.dtype).partition(".")[2]
    return value


def outcome(library: Any, text: str, names: dict) -> Any:
    """What a case leaves in `out`, or the class of its error."""
    scope = {"L": library, "F": library.nn.functional, **names}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(text, scope)
    except Exception as error:
        return type(error)
    return show(scope["out"])


def agree(a: Any, b: Any, tolerance: float) -> bool:
    """Whether two outcomes are the same."""
    if isinstance(a, type) or isinstance(b, type):
        return isinstance(a, type) and isinstance(b, type) and (issubclass(a, b) or issubclass(b, a))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(agree(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, tuple) and isinstance(b, tuple):
        same = a[1] == b[1] and a[0].shape == b[0].shape
        return same and np.allclose(a[0], b[0], rtol=tolerance, atol=tolerance, equal_nan=True)
    return type(a) is type(b) and a == b


def backwards(call: str, of: str = "a") -> str:
    """The call's results, and the gradient of the sum of their squares."""
    return (
        f"{HEAD}res = {call}\nys = list(res) if isinstance(res, (tuple, list)) else [res]\n"
        f"total = sum((y * y).sum() for y in ys if y.dtype.is_floating_point and y.requires_grad)\n"
        f"{of}.grad = None\nif not isinstance(total, int): total.backward()\nout = [*ys, {of}.grad]\n"
    )


def cases() -> Iterator[tuple[str, str, dict, float]]:
    """(name, text, names, tolerance)."""
    for owner, call in itertools.product(OWNERS, IN_VIEW):
        counted = 0 if "unsafe" in owner else "v._version"  # whose pieces count for themselves in PyTorch
        text = f"{HEAD}v = {owner}\nold = x[0]\nsame = v.{call} is v\nx.mul_(3)\n(x * x).sum().backward()\n"
        yield call.partition("(")[0], f"{text}out = [same, v, old, x, a.grad, {counted}]", {}, 1e-6
        recorded = f"{HEAD}v = {owner}\nv.{call}\nv.mul_(2)\ny = (v * v).sum()\nif y.requires_grad: y.backward()\n"
        if "unsafe" not in owner:  # whose gradients PyTorch then gets wrong
            yield call.partition("(")[0], f"{recorded}out = [v, x, a.grad, v.requires_grad]", {}, 1e-6
        silent = f"{HEAD}v = {owner}\nwith L.no_grad(): v.{call}\nout = [v.detach()]"
        yield call.partition("(")[0], silent, {}, 1e-6
    for call in COPIES:
        yield call.partition("(")[0], backwards(f"L.{call}"), {}, 1e-6
    setting = "p = a[0].detach() / 24\nq = a[1, :, :].detach() / 24\ns = (p > 0.2) * 2.0 - 1\n"
    setting += "p, q = (L.cat([t, t[:1]])[:, :3].contiguous() for t in (p, q))\ns = L.cat([s, s[:1]])[:, :3]\np.requires_grad_()\n"
    for call in LAYERS:
        yield call.partition("(")[0], backwards(f"L.{call}", "p").replace(HEAD, HEAD + setting), {}, 1e-5
    for call in WINDOWS:
        yield call.partition("(")[0], f"out = L.{call}", {}, 1e-6
    for dtype, tolerance in (("float64", 1e-12), ("float32", 5e-6)):
        points = "x = L.from_numpy(X.copy())\n"
        scope = {"X": np.linspace(-30, 30, 2000, dtype=dtype)}
        for name in WAVES.split():  # PyTorch's own error is 2e-6 about 5
            yield name, f"{points}out = L.special.{name}(x)", scope, 1e-5
        for name in SMOOTH.split():
            yield name, f"{points}out = L.special.{name}(x)", scope, tolerance
        for name, n in itertools.product(DEGREES.split(), (-1, 0, 1, 5, 12.7)):
            inner = f"x = L.linspace(-1, 1, 200, dtype=L.{dtype})\n"
            yield name, f"{inner}out = L.special.{name}(x, {n})", {}, max(tolerance, 1e-11) * 1e2 ** (n > 9)
    for name in (*WAVES.split(), *SMOOTH.split()):
        yield name, f"out = [L.special.{name}(L.tensor([1, 2])), L.special.{name}(L.tensor([True]))]", {}, 1e-5
        yield name, f"out = L.special.{name}(L.ones(2).half())", {}, 1e-6
    for name in DEGREES.split():
        yield name, f"out = L.special.{name}(L.tensor([[1], [2]]), L.tensor([0, 1, 3]))", {}, 1e-6
        yield name, f"out = L.special.{name}(2.0, L.tensor([0.0, 1.0, 3.5]))", {}, 1e-6
        yield name, f"out = L.special.{name}(2.0, 3)", {}, 1e-6
    for dtype, wide, call in itertools.product(("uint8", "int8", "int16", "int32", "int64"), (False, True), INTEGERS):
        limits, rng = np.iinfo(dtype), np.random.default_rng(3)
        low, high = (limits.min, limits.max) if wide else (max(limits.min, -5), 5)
        arrays = [rng.integers(low, high, s, dtype, True) for s in ((2, 4, 6, 5), (4, 2, 3, 3), (4,))]
        text = "x, w, b = (L.from_numpy(v.copy()) for v in (X, W, B))\nout = " + call
        yield call.partition("(")[0], text, dict(zip("XWB", arrays, strict=True)), 0.0


def test_leftovers() -> None:
    """Every case has PyTorch's values, dtypes, shapes, gradients, or a class of error that is one of its."""
    names, count, failures = set(), 0, []
    for name, text, scope, tolerance in cases():
        names.add(name)
        count += 1
        theirs, ours = (outcome(library, text, scope) for library in (torch, minitorch))
        if not agree(theirs, ours, tolerance):
            failures.append(f"{text.strip()}\n  PyTorch {theirs}\n  here {ours}")
    print(f"leftovers: names {len(names)}, cases {count}, failures {len(failures)}")
    assert not failures, "\n".join(failures[:20])
