"""Wrong calls against the live PyTorch: the rows of tests/ops, and the error inputs of its operator database.

`pytest tests/parity/parity_calls.py -s`. docs/design.md lists the classes that differ on purpose.
"""

from __future__ import annotations

import sys
import types
import unittest
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import test_calls  # noqa: E402
import wrong_calls  # noqa: E402

import minitorch as m  # noqa: E402

DTYPES = {getattr(torch, d.name): d for d in m.dtypes.ALL}
# Refused by PyTorch, and accepted or refused in another way here, on purpose.
OURS = {
    "nn.functional.conv3d": 'padding="same" goes with a stride, too',
    "aminmax": "out may be of a wider dtype",
    "gather": "out may be of a wider dtype",
    "arange": "no out",
    "multinomial": "no out",
    "normal": "no out; the in-place form of the database is normal_",
}


def outcome(call: Callable) -> str:
    """The name of the class that a call raises, or "none"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call()
        except Exception as error:
            return type(error).__name__
    return "none"


@pytest.mark.parametrize("call", [row[0] for row in wrong_calls.ROWS])
def test_rows(call: str) -> None:
    """PyTorch raises the class in the row."""
    expected = next(error for text, error, _ in wrong_calls.ROWS if text == call)
    found = outcome(lambda: test_calls.called(torch, call, torch.tensor([1.0, 2.0, 3.0])))
    assert found == expected.__name__


class Foreign(Exception):
    """An argument that minitorch has no counterpart of: a dtype, a layout, a device."""


def ours(x: Any) -> Any:
    """PyTorch's argument as minitorch's."""
    if isinstance(x, torch.Tensor):
        if x.layout != torch.strided or x.dtype not in DTYPES or x.device.type != "cpu" or x.ndim > 60:
            raise Foreign
        return m.from_numpy(x.detach().numpy().copy()).requires_grad_(x.requires_grad)
    if isinstance(x, torch.dtype):
        if x not in DTYPES:
            raise Foreign
        return DTYPES[x]
    if isinstance(x, torch.memory_format | torch.layout | torch.Generator):
        raise Foreign
    if isinstance(x, torch.device):
        return str(x)
    if isinstance(x, list | tuple):
        return type(x)(map(ours, x)) if type(x) in (list, tuple) else tuple(map(ours, x))
    return {k: ours(v) for k, v in x.items()} if isinstance(x, dict) else x


def copied(x: Any) -> Any:
    """PyTorch's arguments with memory of their own: those that overlap on purpose are no case for us."""
    if isinstance(x, torch.Tensor):
        return x.detach().clone().requires_grad_(x.requires_grad)
    if type(x) in (list, tuple):
        return type(x)(map(copied, x))
    return {k: copied(v) for k, v in x.items()} if isinstance(x, dict) else x


def forms(op: Any) -> Iterator[tuple[Callable, Callable, bool]]:
    """An operator of the database as function, method and in-place method: PyTorch's, ours, and if it is a method."""
    found: Any = m
    for part in op.name.split("."):
        found = getattr(found, part, None)
    if callable(found):
        yield op.op, found, False
    for name in (op.name, f"{op.name}_"):
        pair = [getattr(cls, name, None) for cls in (torch.Tensor, m.Tensor)]
        if "." not in name and callable(pair[0]) and callable(pair[1]):
            yield pair[0], pair[1], True


def database() -> list:
    """PyTorch's operators with error inputs, where its test modules can be imported."""
    if "expecttest" not in sys.modules:
        stand_in: Any = types.ModuleType("expecttest")
        stand_in.TestCase = unittest.TestCase
        sys.modules["expecttest"] = stand_in
    try:
        from torch.testing._internal.common_methods_invocations import op_db
    except ImportError:
        return []
    return [op for op in op_db if op.error_inputs_func is not None and any(True for _ in forms(op))]


@pytest.mark.parametrize("op", database(), ids=lambda op: f"{op.name}-{op.variant_test_name}".rstrip("-"))
def test_error_inputs(op: Any) -> None:
    """Every wrong call of the database raises PyTorch's class, and leaves its arguments as they were."""
    if op.name in OURS:
        pytest.skip(OURS[op.name])
    different = []
    for error in op.error_inputs("cpu"):
        sample = error.sample_input
        for theirs, mine, method in forms(op):
            arguments = [sample.input, *sample.args]
            if method and not isinstance(sample.input, torch.Tensor):
                continue
            try:
                converted, settings = ours(arguments), ours(dict(sample.kwargs))
            except Foreign:
                continue
            given, named = copied(arguments), copied(dict(sample.kwargs))
            wanted = outcome(lambda: theirs(*given, **named))  # noqa: B023 it is called at once
            if wanted == "none":
                continue
            before = [x.array.copy() for x in converted if isinstance(x, m.Tensor)]
            found = outcome(lambda: mine(*converted, **settings))
            same = all(
                np.array_equal(x.array, was, equal_nan=was.dtype.kind == "f")
                for x, was in zip([x for x in converted if isinstance(x, m.Tensor)], before, strict=True)
            )
            if found != wanted or not same:
                different.append(f"{mine}: {arguments}, {sample.kwargs}: {found}, PyTorch {wanted}, unchanged: {same}")
    assert not different, "\n".join(different)
