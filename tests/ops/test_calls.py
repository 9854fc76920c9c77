"""Wrong calls raise PyTorch's class and change nothing; unusual ones that PyTorch takes are taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import wrong_calls

import minitorch as m


def called(lib: Any, call: str, x: Any) -> Any:
    """What a call of wrong_calls.py returns."""
    return eval(call, {"m": lib, "F": lib.nn.functional, "x": x})


@pytest.mark.parametrize(("call", "error", "words"), wrong_calls.ROWS, ids=[row[0] for row in wrong_calls.ROWS])
def test_wrong_call(call: str, error: type[Exception], words: str) -> None:
    """The class is the one in the row, the message holds its words, and x is as it was."""
    x = m.tensor([1.0, 2.0, 3.0])
    with pytest.raises(error) as caught:
        called(m, call, x)
    assert type(caught.value) in (error, m.OutOfMemoryError) and words in str(caught.value)
    assert x.tolist() == [1.0, 2.0, 3.0] and not x.requires_grad


RIGHT: list[tuple[str, Any]] = [
    ("m.add(2, 3)", 5),
    ("m.sum(input=x)", 6.0),
    ("m.reshape(input=x, shape=(3, 1)).squeeze(1)", [1.0, 2.0, 3.0]),
    ("m.cat(tensors=[x, x]).numel()", 6),
    ("x.flip(dims=(0,))", [3.0, 2.0, 1.0]),
    ("x.flip(0)", [3.0, 2.0, 1.0]),
    ("x.nonzero(as_tuple=True)[0]", [0, 1, 2]),
    ("x.gather(0, m.tensor([2], dtype=m.int32))", [3.0]),
    ("x.gather(0, m.tensor(2))", 3.0),
    ("m.tensor(5.0).gather(0, m.tensor([0, 0]))", [5.0, 5.0]),
    ("x.gather(0, m.zeros(0, dtype=m.uint8))", []),
    ("m.tensor(5.0).scatter_add(0, m.tensor(0), m.tensor(2.0))", 7.0),
    ("x.scatter_add(0, m.tensor([1], dtype=m.int32), m.ones(1))", [1.0, 3.0, 3.0]),
    ("m.tensor(5.0).index_select(0, m.tensor([0]))", 5.0),
    ("x.masked_select(m.tensor([[True, False, True], [False, False, True]]))", [1.0, 3.0, 3.0]),
    ("m.tensor(5.0).masked_select(m.tensor([True, True]))", [5.0, 5.0]),
    ("x.narrow(0, -2, 2)", [2.0, 3.0]),
    ("x.split(m.tensor(2))[1]", [3.0]),
    ("x.norm(m.tensor(1))", 6.0),
    ("m.arange(m.tensor(2))", [0, 1]),
    ("m.arange(-0.9, 2.1, 2.0, dtype=m.int64)", [0]),
    ("m.arange(0.1, -7.9, -4.0, dtype=m.int64)", [0, -4]),
    ("m.arange(3.1, dtype=m.int64)", [0, 1, 2]),
    ("m.linspace(4.3, -3, 8, dtype=m.int64)", [4, 3, 2, 1, 0, -1, -2, -3]),
    ("m.full_like(x, 2.0, device='cpu')", [2.0, 2.0, 2.0]),
    ("x.new_zeros(2, device='cpu')", [0.0, 0.0]),
    ("m.normal(m.ones(2) * 3, m.zeros(2))", [3.0, 3.0]),
    ("m.multinomial(m.tensor([0.0, 1.0, 0.0]), 2)", [1, 0]),
    ("m.manual_seed(-5).initial_seed() == 2**64 - 5", True),
    ("F.linear(m.tensor([1, 2]), m.tensor([[3, 4]]), m.tensor([5]))", [16]),
    ("F.conv1d(m.tensor([[1, 2, 3]]), m.tensor([[[1, 10]]]))", [[21, 32]]),
    ("F.conv_transpose1d(m.tensor([[1, 2]]), m.tensor([[[1, 10]]]))", [[1, 12, 20]]),
    ("np.maximum(x, 2)", [2.0, 2.0, 3.0]),
    ("np.less(2, x)", [False, False, True]),
]


@pytest.mark.parametrize(("call", "expected"), RIGHT, ids=[row[0] for row in RIGHT])
def test_unusual_call(call: str, expected: Any) -> None:
    """Forms of arguments that PyTorch takes beside the usual ones."""
    out = eval(call, {"m": m, "F": m.nn.functional, "np": np, "x": m.tensor([1.0, 2.0, 3.0])})
    assert (out.tolist() if isinstance(out, m.Tensor) else out) == expected


def test_scalars_have_gradients_through_gather_and_scatter() -> None:
    """A scalar counts as a line of one element, forwards and backwards."""
    x = m.tensor(2.0, requires_grad=True)
    (x.gather(0, m.tensor([0, 0])) * m.tensor([3.0, 4.0])).sum().backward()
    assert x.grad.item() == 7.0
    source = m.tensor(2.0, requires_grad=True)
    (x.detach().scatter_add(0, m.tensor(0), source) * 5).backward()
    assert source.grad.item() == 5.0
