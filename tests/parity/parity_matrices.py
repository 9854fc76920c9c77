"""Products named by letters and their kin beside torch: PyTorch's own samples, and random equations."""

from __future__ import annotations

import sys
import types
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import minitorch

sys.modules.setdefault("expecttest", types.SimpleNamespace(TestCase=object))  # which torch's tests import, unused here
from parity_calls import Foreign, copied, ours  # noqa: E402
from torch.testing._internal.common_methods_invocations import op_db  # noqa: E402

NAMES = """
    einsum tensordot inner kron mv vdot addmm addmv addr addbmm baddbmm matrix_power linalg.matrix_power
""".split()  # noqa: SIM905
EQUATIONS = """
    ij->ji ii->i ii-> ij-> ij->j i,i-> i,j->ij ij,jk ij,jk->ik ij,jk->ki bij,bjk->bik bij,bjk bij,jk->bik b...ij,...jk->b...ik
    ...i,...i->... ...ii->...i ij,ij-> ij,ij->ij ij,kl->ijkl ijk,jk->i bhid,bhjd->bhij bnd,kd->bnk i,ij,j-> ij,jk,kl->il
    a...b,b->a... iji->j ijij->ij ij,ji-> a,a,a->a ba,cb->ca
""".split()  # noqa: SIM905


def derivatives(L: Any, out: Any, inputs: list) -> list:
    """First derivatives of the sum of squares, and those of the sum of their squares."""
    leaves = [x for x in inputs if x.requires_grad]
    first = L.autograd.grad((out * out).sum(), leaves, create_graph=True, allow_unused=True)
    first = [L.zeros_like(x) if g is None else g for g, x in zip(first, leaves, strict=True)]
    total = sum((g * g).sum() for g in first)
    second = [None] * len(leaves)
    if total.requires_grad:
        second = L.autograd.grad(total, leaves, allow_unused=True)
    return [*first, *(L.zeros_like(x) if g is None else g for g, x in zip(second, leaves, strict=True))]


def close(found: Any, expected: Any) -> None:
    """The same shape, dtype and numbers."""
    a, b = found.detach().numpy(), expected.detach().numpy()
    assert a.shape == b.shape and a.dtype == b.dtype, f"{a.dtype} {a.shape}, PyTorch's {b.dtype} {b.shape}"
    scale = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0)) if b.dtype.kind == "f" else 1.0)
    np.testing.assert_allclose(a, b, rtol=0, atol=scale * (1e-9 if b.dtype == np.float64 else 1e-4), equal_nan=True)


@pytest.mark.parametrize("equation", EQUATIONS)
def test_equations(equation: str) -> None:
    """Values and both orders of derivatives; sizes 1 broadcast."""
    rng = np.random.default_rng(len(equation))
    for trial in range(4):
        sizes = {c: int(rng.integers(1, 4)) for c in "abcdefghijkln"}
        arrays = []
        for term in equation.partition("->")[0].split(","):
            lead = (2, 3)[: trial % 3] if "..." in term else ()
            shape = [lead if c == "." else (sizes[c],) for c in term.replace("...", ".")]
            arrays.append(rng.standard_normal(sum(shape, ())))
        sides = []
        for L in (minitorch, torch):
            leaves = [L.from_numpy(a.copy()).requires_grad_() for a in arrays]
            out = L.einsum(equation, *leaves)
            sides.append([out, *derivatives(L, out, leaves)])
        for found, expected in zip(*sides, strict=True):
            close(found, expected)


def call(L: Any, op: Any, first: Any, args: Any, settings: dict) -> Any:
    function = getattr(L, op.name.removeprefix("linalg."))
    return function(args[0], *first) if op.name == "einsum" else function(first, *args, **settings)


def test_operators() -> None:
    """PyTorch's samples in float64, float32 and int64, and the classes of its error inputs."""
    counts, failures = 0, []
    warnings.simplefilter("ignore")
    for op in op_db:
        if op.name not in NAMES:
            continue
        for dtype in (torch.float64, torch.float32, torch.int64):
            if not op.supports_dtype(dtype, "cpu"):
                continue
            differs = dtype == torch.float64 and op.supports_autograd
            for s in list(op.sample_inputs("cpu", dtype, requires_grad=differs))[:40]:
                counts += 1
                try:
                    expected = call(torch, op, s.input, s.args, s.kwargs)
                    mine = ours(copied((s.input, *s.args))), {k: ours(copied(v)) for k, v in s.kwargs.items()}
                    found = call(minitorch, op, mine[0][0], mine[0][1:], mine[1])
                    close(found, expected)
                    if differs and expected.requires_grad:
                        flat = lambda t: [x for v in t for x in (v if isinstance(v, list | tuple) else [v])]  # noqa: E731
                        inputs = [x for x in flat([s.input, *s.args]) if isinstance(x, torch.Tensor)]
                        own = [x for x in flat(mine[0]) if isinstance(x, minitorch.Tensor)]
                        for a, b in zip(
                            derivatives(minitorch, found, own), derivatives(torch, expected, inputs), strict=True
                        ):
                            close(a, b)
                except Foreign:
                    continue
                except Exception as error:  # noqa: BLE001
                    failures.append(
                        f"{op.name} {dtype} {str(s.args)[:120]} {s.kwargs}: {type(error).__name__} {str(error)[:200]}"
                    )
        for e in op.error_inputs("cpu") if op.error_inputs_func else ():
            counts += 1
            try:
                s = e.sample_input
                call(minitorch, op, ours(copied(s.input)), ours(copied(s.args)), ours(copied(s.kwargs)))
                failures.append(f"{op.name}: no {e.error_type.__name__} ({e.error_regex})")
            except Foreign:
                continue
            except e.error_type:
                pass
            except Exception as error:  # noqa: BLE001
                failures.append(
                    f"{op.name}: {type(error).__name__} {error}, PyTorch {e.error_type.__name__} {e.error_regex}"
                )
    print(f"matrices: names {len(NAMES)}, cases {counts}, failures {len(failures)}")
    assert not failures, "\n".join(failures[:20])
