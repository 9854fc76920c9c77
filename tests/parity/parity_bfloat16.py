"""bfloat16 beside the live PyTorch: every operator of its database that takes it, and files both ways.

`pytest tests/parity/parity_bfloat16.py -s`. A result, and the gradient of its sum, has PyTorch's dtype and is as near
to PyTorch's in float64 as PyTorch's own is, or within three units of bfloat16 of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from parity_calls import Foreign, forms, ours  # noqa: E402
from parity_calls import database as wrong_calls  # noqa: E402

import minitorch as m  # noqa: E402

UNIT = 2.0**-8
# What no number says: random or uninitialized memory, dropout, choices among equals; operators whose samples share
# memory, or order arguments otherwise than the public function; and what differs in float32, too.
LEFT_OUT = set(
    """
    bernoulli cauchy empty empty_like empty_permuted empty_strided exponential geometric log_normal mode multinomial
    new_empty new_empty_strided normal rand_like randint randint_like randn randn_like uniform
    nn.functional.alpha_dropout nn.functional.dropout nn.functional.dropout2d nn.functional.dropout3d
    nn.functional.feature_alpha_dropout nn.functional.fractional_max_pool2d nn.functional.fractional_max_pool3d
    nn.functional.rrelu nn.functional.scaled_dot_product_attention nn.functional.multi_head_attention_forward
    as_strided as_strided_scatter einsum nn.functional.embedding polygamma special.polygamma where zero_
    nn.functional.triplet_margin_with_distance_loss nn.functional.batch_norm nn.functional.max_unpool1d
    nn.functional.max_unpool2d nn.functional.max_unpool3d
""".split()
)  # noqa: SIM905
CHOICES = ("argsort", "sort", "topk")  # of equals others are chosen: only values are compared


def database() -> list:
    """PyTorch's operators of bfloat16 that are here, where its test modules can be imported."""
    wrong_calls()  # puts a stand-in for a package that PyTorch's test modules import
    try:
        from torch.testing._internal.common_methods_invocations import op_db
    except ImportError:
        return []
    return [
        op
        for op in op_db
        if torch.bfloat16 in op.supported_dtypes("cpu")
        and op.name not in LEFT_OUT
        and not next(iter(forms(op)), (0, 0, 1))[2]
    ]


def converted(x: Any) -> Any:
    """PyTorch's argument as minitorch's, tensors of bfloat16 too."""
    if isinstance(x, torch.Tensor) and x.dtype == torch.bfloat16:
        return m.tensor(x.detach().float().numpy()).to(m.bfloat16).requires_grad_(x.requires_grad)
    if x is torch.bfloat16:
        return m.bfloat16
    if type(x) in (list, tuple):
        return type(x)(map(converted, x))
    return {k: converted(v) for k, v in x.items()} if isinstance(x, dict) else ours(x)


def widened(x: Any) -> Any:
    """PyTorch's argument in float64."""
    if isinstance(x, torch.Tensor) and x.dtype == torch.bfloat16:
        return x.detach().double().requires_grad_(x.requires_grad)
    if type(x) in (list, tuple):
        return type(x)(map(widened, x))
    return torch.float64 if x is torch.bfloat16 else x


def tensors(x: Any) -> Iterator[Any]:
    """The tensors in a result or in arguments."""
    if isinstance(x, list | tuple):
        for y in x:
            yield from tensors(y)
    elif isinstance(x, torch.Tensor | m.Tensor):
        yield x


def numbers(x: Any) -> np.ndarray:
    """A tensor's elements as float64."""
    return x.detach().double().numpy(force=True) if isinstance(x, torch.Tensor) else x.array.astype(np.float64)


def far(found: Any, theirs: Any, exact: Any) -> str:
    """How a tensor differs, or "": by dtype, or farther from `exact` than PyTorch's."""
    if str(theirs.dtype).split(".")[1] != found.dtype.name or tuple(theirs.shape) != tuple(found.shape):
        return f"{found.dtype} {tuple(found.shape)}, PyTorch {theirs.dtype} {tuple(theirs.shape)}"
    a, b, c = map(numbers, (found, theirs, exact))
    with np.errstate(all="ignore"):
        off, allowed = (np.where((v == c) | (np.isnan(v) & np.isnan(c)), 0, np.abs(v - c)) for v in (a, b))
    size = np.abs(c[np.isfinite(c)]).max(initial=1e-2)
    most = np.nan_to_num(allowed, nan=np.inf).max(initial=0)
    bad = ~(off <= 3 * UNIT * size + 2 * most) & ~(a == b) & ~(np.isinf(c) | np.isnan(b))
    return f"off by {off[bad].max():.3g}, PyTorch by {most:.3g}, of {size:.3g}" if bad.any() else ""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("op", database(), ids=lambda op: f"{op.name}-{op.variant_test_name}".rstrip("-"))
def test_operator(op: Any) -> None:
    """Values and gradients of the first 20 samples."""
    theirs, mine, _ = next(iter(forms(op)), (None, None, None))
    if mine is None:
        pytest.skip("not here")
    different = []
    for sample in list(op.sample_inputs("cpu", torch.bfloat16, requires_grad=op.supports_autograd))[:20]:
        arguments, named = [sample.input, *sample.args], dict(sample.kwargs)
        try:
            own, settings = converted(arguments), converted(named)
        except Foreign:
            continue
        wide = widened(arguments)
        try:
            wanted = theirs(*arguments, **named)
            exact = theirs(*wide, **{k: widened(v) for k, v in named.items()})
        except RuntimeError:
            continue
        found = mine(*own, **settings)
        rows = list(zip(tensors(found), tensors(wanted), tensors(exact), strict=True))
        rows = [row for row in rows if not row[1].dtype.is_complex]
        if op.name in CHOICES:
            rows = [row for row in rows if row[1].is_floating_point()]
        said = [far(*row) for row in rows]
        graded = [[y for y in column if y.requires_grad] for column in zip(*rows, strict=True)] if rows else []
        if all(graded) and graded and not any(said) and op.supports_autograd:
            starts = [[x for x in tensors(v) if x.requires_grad] for v in (own, arguments, wide)]
            total = [sum(y.sum() for y in column) for column in graded]
            try:
                slopes = [torch.autograd.grad(total[i], starts[i], allow_unused=True) for i in (1, 2)]
            except (RuntimeError, NotImplementedError):
                continue
            slopes.insert(0, m.autograd.grad(total[0], starts[0], allow_unused=True))
            said += [far(*row) for row in zip(*slopes, strict=True) if None not in row]
        different += [f"{[tuple(t.shape) for t in tensors(arguments)]} {named}: {text}" for text in said if text]
    assert not different, "\n".join(different)


def test_files(tmp_path: Path) -> None:
    """Every bit pattern through .pt and .safetensors, both ways."""
    from safetensors.torch import load_file, save_file

    bits = torch.arange(-(2**15), 2**15, dtype=torch.int16)
    state = {"a": bits.view(torch.bfloat16), "b": bits[::3].clone().view(torch.bfloat16)}
    for name, write, read in (("x.pt", torch.save, torch.load), ("x.safetensors", save_file, load_file)):
        write(state, tmp_path / name)
        found = m.load(tmp_path / name)
        m.save(dict(found), tmp_path / f"again-{name}")
        again = read(tmp_path / f"again-{name}")
        for key, x in state.items():
            assert found[key].dtype is m.bfloat16 and again[key].dtype == torch.bfloat16
            assert np.array_equal(found[key].array.view(np.int16), x.view(torch.int16).numpy())
            assert torch.equal(again[key].view(torch.int16), x.view(torch.int16))


def test_rounding() -> None:
    """Every float32 pattern of a stride that meets all exponents rounds as PyTorch's, to the bit."""
    x = np.arange(0, 2**32, 65_519, dtype=np.uint64).astype(np.uint32).view(np.float32)
    theirs, mine = torch.from_numpy(x).bfloat16(), m.from_numpy(x).bfloat16()
    nan = np.isnan(x)
    assert np.array_equal(mine.array.view(np.int16)[~nan], theirs.view(torch.int16).numpy()[~nan])
    assert bool(mine[m.from_numpy(nan)].isnan().all())


def test_summary() -> None:
    """One line."""
    print(f"\nbfloat16: {len(database())} operators beside PyTorch's")
