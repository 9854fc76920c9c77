"""Ops that move and place elements, beside PyTorch: its own sample inputs, values, both orders of gradient, errors."""

from __future__ import annotations

import sys
import types
import unittest
import warnings

import numpy as np
import torch

import minitorch

try:
    import expecttest  # noqa: F401 PyTorch's sample inputs import it, and use none of it
except ImportError:
    sys.modules["expecttest"] = types.ModuleType("expecttest")
    sys.modules["expecttest"].TestCase = unittest.TestCase
from torch.testing._internal.common_methods_invocations import op_db

NAMES = set(
    [
        "rot90",
        "fliplr",
        "flipud",
        "tile",
        "repeat_interleave",
        "tensor_split",
        "hsplit",
        "vsplit",
        "dsplit",
        "hstack",
        "vstack",
        "dstack",
        "column_stack",
        "block_diag",
        "diag",
        "diagonal",
        "diag_embed",
        "diagflat",
        "diagonal_scatter",
        "select",
        "select_scatter",
        "slice_scatter",
        "narrow_copy",
        "as_strided",
        "as_strided_scatter",
        "unravel_index",
        "meshgrid",
        "cartesian_prod",
        "combinations",
        "broadcast_tensors",
        "broadcast_shapes",
        "atleast_1d",
        "atleast_2d",
        "atleast_3d",
        "ravel",
        "tril_indices",
        "triu_indices",
        "argwhere",
        "split_with_sizes",
        "sum_to_size",
        "trace",
        "put",
        "take",
        "take_along_dim",
        "index_add",
        "index_copy",
        "index_fill",
        "index_put",
        "index_reduce",
        "scatter",
        "scatter_reduce",
        "masked_scatter",
        "masked_fill",
        "tril",
        "triu",
    ]
)
DTYPES = (torch.float64, torch.float32, torch.int64, torch.bool)


def ours(value: object) -> object:
    """The same value for minitorch."""
    if isinstance(value, torch.Tensor):
        out = minitorch.tensor(value.detach().numpy().copy())
        return out.requires_grad_() if value.requires_grad else out
    if isinstance(value, torch.dtype):
        return getattr(minitorch, str(value).split(".")[1])
    if isinstance(value, tuple | list) and type(value) in (tuple, list):
        return type(value)(map(ours, value))
    return value


def flat(value: object) -> list:
    """All tensors in a value."""
    if isinstance(value, tuple | list):
        return [t for v in value for t in flat(v)]
    return [value] if hasattr(value, "requires_grad") else []


def agree(mine: list, theirs: list) -> bool:
    """Whether tensors are equal in number, shape, dtype and values."""
    return len(mine) == len(theirs) and all(
        tuple(a.shape) == tuple(b.shape)
        and str(a.dtype).split(".")[-1] == str(b.dtype).split(".")[-1]
        and np.allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5, atol=1e-6, equal_nan=True)
        for a, b in zip(mine, theirs, strict=True)
    )


def gradients(package: object, out: object, inputs: list, weights: list) -> list:
    """First derivatives of a weighted sum of squares of the results, and those of their own squares."""
    leaves = [x for x in inputs if x.requires_grad]
    total = sum((w * o * o).sum() for w, o in zip(weights, flat(out), strict=True) if o.requires_grad)
    first = package.autograd.grad(total, leaves, create_graph=True, allow_unused=True)
    first = [package.zeros_like(x) if g is None else g for g, x in zip(first, leaves, strict=True)]
    again = sum((g * g).sum() for g in first if g.requires_grad)
    second = [None] * len(leaves)
    if hasattr(again, "requires_grad") and again.requires_grad:
        second = package.autograd.grad(again, leaves, allow_unused=True)
    return first + [package.zeros_like(x) if g is None else g for g, x in zip(second, leaves, strict=True)]


def call(package: object, op: object, sample: tuple) -> object:
    """The op as a function, or as a method where it is only that."""
    first, args, kwargs = sample
    function = getattr(package, op.name, None)
    if function is None:
        return getattr(first, op.name)(*args, **kwargs)
    many = isinstance(first, list | tuple) and op.name in (
        ["block_diag", "cartesian_prod", "atleast_1d", "broadcast_tensors", "meshgrid"]
    )
    return function(*first, *args, **kwargs) if many else function(first, *args, **kwargs)


# Differs on purpose: why.
EXCUSED = {
    "as_strided_scatter": "PyTorch's gradients fail its own gradcheck",
    "narrow_copy": "an axis out of range is an IndexError, as in narrow",
}


def main() -> int:
    """Compare all samples; the number of failures."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    names, cases, failures = set(), 0, []
    for op in op_db:
        if op.name not in NAMES or op.variant_test_name == "partial_views":  # of memory that a copy has not
            continue
        for dtype in DTYPES:
            if not op.supports_dtype(dtype, "cpu"):
                continue
            differs = dtype is torch.float64 and op.supports_autograd
            for s in list(op.sample_inputs("cpu", dtype, requires_grad=differs))[:60]:
                try:
                    theirs = call(torch, op, (s.input, s.args, s.kwargs))
                except Exception:  # noqa: BLE001, S112 a sample that its own function cannot take
                    continue
                names.add(op.name)
                cases += 1
                what = f"{op.name} {op.variant_test_name} {dtype} {s.summary()[:200]}"
                try:
                    arguments = ours((s.input, *s.args)), {k: ours(v) for k, v in s.kwargs.items()}
                    mine = call(minitorch, op, (arguments[0][0], arguments[0][1:], arguments[1]))
                    good = agree(flat(mine), flat(theirs)) if flat(theirs) else tuple(mine) == tuple(theirs)
                    if not good:
                        failures.append(f"value {what}")
                    elif differs and any(o.requires_grad for o in flat(theirs)):
                        w = [torch.rand(o.shape, dtype=dtype) for o in flat(theirs)]
                        inputs = flat([s.input, *s.args, *s.kwargs.values()])
                        expected = gradients(torch, theirs, inputs, w)
                        found = gradients(minitorch, mine, flat([*arguments[0], *arguments[1].values()]), ours(w))
                        if not agree(found, expected) and op.name not in EXCUSED:
                            failures.append(f"gradient {what}")
                except Exception as error:  # noqa: BLE001 it is what is counted
                    failures.append(f"{type(error).__name__} {error} {what}")
        if op.error_inputs_func is None:
            continue
        for e in op.error_inputs("cpu"):
            s = e.sample_input
            if "out" in s.kwargs:  # memory that overlaps, which a copy does not
                continue
            if any(t.dtype not in (*DTYPES, torch.int32, torch.uint8) for t in flat([s.input, *s.args])):
                continue
            cases += 1
            try:
                call(minitorch, op, (ours(s.input), ours(s.args), {k: ours(v) for k, v in s.kwargs.items()}))
                failures.append(f"no {e.error_type.__name__}: {op.name} {s.summary()[:200]} ({e.error_regex})")
            except e.error_type:
                pass
            except Exception as error:  # noqa: BLE001 it is what is counted
                if op.name in EXCUSED:
                    continue
                failures.append(
                    f"{type(error).__name__}, not {e.error_type.__name__}: {op.name} {s.summary()[:200]} {error}"
                )
    for failure in failures:
        print(failure)
    print(f"moving: names {len(names)}, cases {cases}, failures {len(failures)}")
    return len(failures)


def test_moving() -> None:
    """Values, both orders of gradients and the classes of errors."""
    assert main() == 0


if __name__ == "__main__":
    sys.exit(bool(main()))
