"""Matrices beside torch: its own samples of torch.linalg and of the functions of the package that belong to it.

Values, first derivatives and those of their squares in float64, values in float32, and the classes of error inputs. What
depends on the signs of vectors is compared after PyTorch's own processing of the sample's output.
"""

from __future__ import annotations

import sys
import types
import warnings
from typing import Any

import numpy as np
import torch

import minitorch

sys.modules.setdefault("expecttest", types.SimpleNamespace(TestCase=object))  # which torch's tests import, unused here
from parity_calls import Foreign, copied, ours  # noqa: E402
from torch.testing._internal.common_methods_invocations import op_db  # noqa: E402

NAMES = """
    cholesky cholesky_inverse cholesky_solve corrcoef cov cross geqrf logdet lu lu_solve lu_unpack matrix_exp norm ormqr
    outer pinverse qr svd trace triangular_solve
    linalg.cholesky linalg.cholesky_ex linalg.cond linalg.cross linalg.det linalg.diagonal linalg.eigh linalg.eigvalsh
    linalg.householder_product linalg.inv linalg.inv_ex linalg.lstsq linalg.lu
    linalg.lu_factor linalg.lu_factor_ex linalg.lu_solve linalg.matrix_norm linalg.matrix_power
    linalg.matrix_rank linalg.multi_dot linalg.norm linalg.pinv linalg.qr linalg.slogdet linalg.solve linalg.solve_ex
    linalg.solve_triangular linalg.svd linalg.svdvals linalg.tensorinv linalg.tensorsolve linalg.vander linalg.vecdot
    linalg.vector_norm
""".split()  # noqa: SIM905
TRIANGULAR = {
    "cholesky_inverse": 0,
    "cholesky_solve": 1,
    "triangular_solve": 1,
}  # which argument is a triangle with a positive diagonal
# Second derivatives of which PyTorch loses half of the digits; ours were compared with mpmath's.
FIRST = ("matrix_exp",)
FEW = 40  # samples of each operator and dtype


def found(L: Any, name: str) -> Any:
    """The function of this name."""
    for part in name.split("."):
        L = getattr(L, part)
    return L


def tensors(L: Any, out: Any) -> list:
    """The tensors in a result."""
    parts = out if isinstance(out, list | tuple) else (out,)
    return [t for part in parts for t in (tensors(L, part) if isinstance(part, list | tuple) else [part])]


def triangular(L: Any, x: Any, upper: bool) -> Any:
    """A triangle of x with a positive diagonal."""
    rest = x.triu(1) if upper else x.tril(-1)
    return rest + L.diag_embed(x.diagonal(0, -2, -1).abs())


def run(L: Any, op: Any, s: Any, first: Any, args: Any, settings: dict) -> list:
    """The result of a sample, processed as PyTorch's own gradient checks do: free of signs that nobody chose."""
    args = [first, *args]
    if op.name in TRIANGULAR:
        place = TRIANGULAR[op.name]
        args[place] = triangular(L, args[place], settings.get("upper", False))
    elif "hermitian" in getattr(op.gradcheck_wrapper, "__name__", ""):
        args[0] = args[0] + args[0].mT
    if op.variant_test_name == "singular":  # PyTorch's sample is of products of thin matrices
        args = [args[0] @ args[1].mT]
    out = found(L, op.name)(*args, **settings)
    return tensors(L, s.output_process_fn_grad(out) if s.output_process_fn_grad else out)


def squares(outs: list) -> Any:
    """The sum of all squares of what has a derivative."""
    return sum((o * o).sum() for o in outs if o.requires_grad)


def derivatives(L: Any, outs: list, leaves: list, order: int = 2) -> list:
    """First derivatives of the sum of squares, and those of the sum of their squares."""
    found, total = [], squares(outs)
    for _ in range(order):
        grads = L.autograd.grad(total, leaves, create_graph=True, allow_unused=True)
        grads = [L.zeros_like(x) if g is None else g for g, x in zip(grads, leaves, strict=True)]
        found.extend(grads)
        total = squares(grads)
        if isinstance(total, int):
            break
    return found


def close(mine: Any, theirs: Any, order: int = 0) -> None:
    """The same shape, dtype and numbers."""
    a, b = mine.detach().numpy(), theirs.detach().numpy()
    assert a.shape == b.shape and a.dtype == b.dtype, f"{a.dtype} {a.shape}, PyTorch's {b.dtype} {b.shape}"
    scale = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0)) if b.dtype.kind == "f" else 1.0)
    if order:  # where PyTorch has no derivative, ours may be a number
        a = np.where(np.isnan(b), b, a)
    tolerance = scale * (100 if order else 1) * (1e-9 if b.dtype == np.float64 else 1e-3)
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance, equal_nan=True)


def leaves_of(cls: Any, args: Any) -> list:
    """The tensors among arguments that require grad."""
    flat = args if isinstance(args, list | tuple) else [args]
    return [
        x
        for a in flat
        for x in (leaves_of(cls, a) if isinstance(a, list | tuple) else [a])
        if isinstance(x, cls) and x.requires_grad
    ]


def test_operators() -> None:
    """Every sample of every operator."""
    counts, failures = 0, []
    warnings.simplefilter("ignore")
    for op in op_db:
        if op.name not in NAMES:
            continue
        for dtype in (torch.float64, torch.float32, torch.int64):
            if not op.supports_dtype(dtype, "cpu"):
                continue
            differs = dtype == torch.float64 and op.supports_autograd
            for s in list(op.sample_inputs("cpu", dtype, requires_grad=differs))[:FEW]:
                counts += 1
                try:
                    mine = ours(copied((s.input, *s.args))), {k: ours(copied(v)) for k, v in s.kwargs.items()}
                    theirs = run(torch, op, s, s.input, s.args, s.kwargs)
                    here = run(minitorch, op, s, mine[0][0], mine[0][1:], mine[1])
                    for a, b in zip(here, theirs, strict=True):
                        close(a, b)
                    if differs and any(o.requires_grad for o in theirs):
                        order = 2 if op.supports_gradgrad and op.name not in FIRST else 1
                        one = derivatives(minitorch, here, leaves_of(minitorch.Tensor, mine[0]), order)
                        other = derivatives(torch, theirs, leaves_of(torch.Tensor, (s.input, *s.args)), order)
                        for a, b in zip(one, other, strict=False):
                            close(a, b, order)
                except Foreign:
                    continue
                except Exception as error:  # noqa: BLE001
                    shapes = [tuple(x.shape) for x in leaves_of(torch.Tensor, (s.input, *s.args))]
                    said = " ".join(str(error).split())[:300]
                    failures.append(
                        f"{op.name} {op.variant_test_name} {dtype} {shapes} {str(s.args)[:80]!r} {s.kwargs}: "
                        f"{type(error).__name__} {said}"
                    )
        for e in op.error_inputs("cpu") if op.error_inputs_func else ():
            counts += 1
            try:
                s = e.sample_input
                found(minitorch, op.name)(ours(copied(s.input)), *ours(copied(s.args)), **ours(copied(s.kwargs)))
                failures.append(f"{op.name}: no {e.error_type.__name__} ({e.error_regex})")
            except Foreign:
                continue
            except e.error_type:
                pass
            except Exception as error:  # noqa: BLE001
                failures.append(f"{op.name}: {type(error).__name__} {error}, {e.error_type.__name__} {e.error_regex}")
    print(f"linalg: names {len(NAMES)}, cases {counts}, failures {len(failures)}")
    assert not failures, "\n".join(failures[:60])
