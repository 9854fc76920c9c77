"""How calls are written: PyTorch's and NumPy's names of arguments, pickled functions, errors that name what is public."""

from __future__ import annotations

import inspect
import pickle
import re
from typing import Any

import numpy as np
import pytest

import minitorch as m
from minitorch import surface

# Functions whose first argument PyTorch calls otherwise.
OTHERWISE = {
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_tensors",
    "cartesian_prod",
    "cat",
    "column_stack",
    "concat",
    "concatenate",
    "dstack",
    "einsum",
    "hstack",
    "meshgrid",
    "result_type",
    "row_stack",
    "stack",
    "vstack",
    "where",
}
PROBES = {name: f for name, f in surface.functions().items() if name not in OTHERWISE}


def refused(function: Any, name: str, value: Any) -> bool:
    """Whether a function says that it has no argument of this name."""
    try:
        function(**{name: value})
    except Exception as error:
        return bool(re.search(rf"unexpected keyword argument '?{name}|got an unexpected .*'{name}'", str(error)))
    return False


@pytest.mark.parametrize("name", sorted(PROBES))
def test_the_first_argument_is_called_input(name: str) -> None:
    """By every public function of one tensor."""
    first = next(iter(inspect.signature(PROBES[name]).parameters))
    if first in ("tensors", "arrays", "equation", "n", "row"):
        pytest.skip(f"PyTorch calls it {first}, too")
    assert not refused(getattr(m, name), "input", m.tensor([[1.0, 2.0], [3.0, 4.0]])), name


@pytest.mark.parametrize("name", sorted(n for n, f in PROBES.items() if "dim" in inspect.signature(f).parameters))
def test_axis_is_dim(name: str) -> None:
    """Functions and methods that take `dim` take NumPy's name for it."""
    x = m.tensor([[1.0, 2.0], [3.0, 4.0]])
    for form in (getattr(m, name), getattr(m.Tensor, name, None)):
        if form is not None:
            assert not refused(lambda form=form, **named: form(x, **named), "axis", 0), name


FORMS: list[tuple[str, Any]] = [
    ("x.sum(axis=1)", [3.0, 7.0]),
    ("x.sum(axis=1, keepdims=True)", [[3.0], [7.0]]),
    ("x.mean(axis=0, keepdim=True)", [[2.0, 3.0]]),
    ("m.sum(input=x, axis=0)", [4.0, 6.0]),
    ("m.sum(a=x)", 10.0),
    ("m.add(x1=x, x2=1)", [[2.0, 3.0], [4.0, 5.0]]),
    ("m.exp(x=x * 0)", [[1.0, 1.0], [1.0, 1.0]]),
    ("x.max(axis=1, keepdims=True).values", [[2.0], [4.0]]),
    ("x.argmax(axis=0)", [1, 1]),
    ("m.cat([x, x], axis=1)[0]", [1.0, 2.0, 1.0, 2.0]),
    ("m.stack([x, x], axis=2)[1, 1]", [4.0, 4.0]),
    ("x.unsqueeze(axis=0).shape", (1, 2, 2)),
    ("x.cumsum(axis=1)", [[1.0, 3.0], [3.0, 7.0]]),
    ("m.softmax(input=x * 0, axis=1)", [[0.5, 0.5], [0.5, 0.5]]),
    ("x.permute(dims=(1, 0))", [[1.0, 3.0], [2.0, 4.0]]),
    ("m.permute(x, dims=(1, 0))", [[1.0, 3.0], [2.0, 4.0]]),
    ("m.flip(x, dims=[0])", [[3.0, 4.0], [1.0, 2.0]]),
    ("m.flip(input=x, dims=(1,))", [[2.0, 1.0], [4.0, 3.0]]),
    ("m.pow(x, exponent=2)", [[1.0, 4.0], [9.0, 16.0]]),
    ("x.view(size=(4,))", [1.0, 2.0, 3.0, 4.0]),
    ("m.reshape(input=x, shape=(4,))", [1.0, 2.0, 3.0, 4.0]),
    ("x[:1].expand(size=(3, 2))[2]", [1.0, 2.0]),
    ("m.broadcast_to(input=x[0], size=(2, 2))[1]", [1.0, 2.0]),
    ("x.repeat(repeats=(1, 2))[0]", [1.0, 2.0, 1.0, 2.0]),
    ("x.swapaxes(axis0=0, axis1=1)[0]", [1.0, 3.0]),
    ("m.swapdims(input=x, dim0=0, dim1=1)[0]", [1.0, 3.0]),
    ("m.unflatten(x, dim=1, sizes=(2, 1)).shape", (2, 2, 1)),
    ("m.split(tensor=x, split_size_or_sections=1)[1]", [[3.0, 4.0]]),
    ("x.split(split_size=1, dim=1)[0]", [[1.0], [3.0]]),
    ("m.matmul(input=x, other=x)[0]", [7.0, 10.0]),
    ("m.mm(input=x, mat2=x)[0]", [7.0, 10.0]),
    ("m.gather(x, 1, m.tensor([[1], [0]]), sparse_grad=False)", [[2.0], [3.0]]),
    ("m.zeros(size=(2, 1))", [[0.0], [0.0]]),
    ("m.ones(size=(2,), dtype=int)", [1, 1]),
    ("m.rand(size=(2, 3)).shape", (2, 3)),
    ("m.randint(low=4, high=5, size=(2,))", [4, 4]),
    ("m.randint(high=1, size=(2,))", [0, 0]),
    ("m.randint(1, size=(2,))", [0, 0]),
    ("m.randint(1, (2,))", [0, 0]),
    ("m.full(size=(2,), fill_value=3)", [3, 3]),
    ("m.arange(end=3)", [0, 1, 2]),
    ("m.arange(start=1, end=3)", [1, 2]),
    ("m.normal(mean=1.0, std=0.0, size=(2,))", [1.0, 1.0]),
    ("m.zeros(2, layout=m.strided, pin_memory=False, device=m.device('cpu'))", [0.0, 0.0]),
    ("m.zeros(2, out=m.ones(2))", [0.0, 0.0]),
    ("m.arange(3, out=m.zeros(3))", [0.0, 1.0, 2.0]),
    ("m.ones(2, dtype=float).dtype is m.float64", True),
    ("m.ones(2).to(bool).dtype is m.bool", True),
    ("m.tensor([1.5], dtype=int)", [1]),
    ("m.autograd.grad((x2 * x2).sum(), x2, only_inputs=True)[0]", [2.0]),
]


@pytest.mark.parametrize(("call", "expected"), FORMS, ids=[call for call, _ in FORMS])
def test_forms_of_calls(call: str, expected: Any) -> None:
    """Each gives what it says."""
    x, x2 = m.tensor([[1.0, 2.0], [3.0, 4.0]]), m.tensor([1.0], requires_grad=True)
    found = eval(call, {"m": m, "x": x, "x2": x2})
    assert (found.tolist() if isinstance(found, m.Tensor) else found) == expected


WRONG: list[tuple[str, type[Exception], str]] = [
    ("m.flip(x, axis=0)", TypeError, r"flip\(\) got an unexpected keyword argument 'axis'"),
    ("m.permute(x, dim=(1, 0))", TypeError, r"permute\(\) got an unexpected"),
    ("x.sum(axis=0, dim=1)", TypeError, "axis"),
    ("m.sum(x, nonsense=1)", TypeError, "nonsense"),
    ("m.roll(x)", TypeError, r"roll\(\) missing 1 required positional argument: 'shifts'"),
    ("x.view(2, 2, size=(4,))", TypeError, "not both"),
    ("m.zeros(2, nonsense=1)", TypeError, "nonsense"),
    ("m.zeros(2, layout='sparse')", TypeError, "layout"),
    ("m.zeros(2, layout=m.layout('sparse_coo'))", RuntimeError, "strided"),
    ("m.zeros(2, pin_memory=True)", RuntimeError, "pin_memory"),
    ("m.ones(2, dtype='nonsense')", TypeError, "dtype nonsense is not supported"),
    ("m.numel(3)", TypeError, "must be a Tensor"),
    ("m.randint(3, 3, (2,))", RuntimeError, "less than"),
]


@pytest.mark.parametrize(("call", "kind", "words"), WRONG, ids=[call for call, _, _ in WRONG])
def test_wrong_calls_name_what_is_public(call: str, kind: type[Exception], words: str) -> None:
    """PyTorch's class, and no name of the insides."""
    with pytest.raises(kind, match=words):
        eval(call, {"m": m, "x": m.ones(2, 2)})


@pytest.mark.parametrize("name", sorted(surface.functions()))
def test_functions_pickle(name: str) -> None:
    """By name, as functions of modules do."""
    function = getattr(m, name)
    assert pickle.loads(pickle.dumps(function)) is function


def test_out_comes_with_other_names() -> None:
    """`input=` and `out=` together."""
    out = m.zeros(2)
    assert m.sum(input=m.ones(2, 3), axis=1, out=out) is out and out.tolist() == [3.0, 3.0]


def test_variable_is_callable() -> None:
    """Scripts of before PyTorch 0.4 wrap tensors: the same memory, off the tape."""
    x = m.ones(2)
    v = m.autograd.Variable(x, requires_grad=True)
    assert type(v) is m.Tensor and isinstance(v, m.autograd.Variable) and v.requires_grad and not x.requires_grad
    with m.no_grad():
        v[0] = 5.0
    assert x.tolist() == [5.0, 1.0]
    (v * 2).sum().backward()
    assert v.grad.tolist() == [2.0, 2.0]
    assert m.autograd.Variable(v * 2).is_leaf
    with pytest.raises(TypeError, match="Variable data has to be a tensor, but got list"):
        m.autograd.Variable([1.0])


def test_grad_of_what_is_no_leaf_warns() -> None:
    """PyTorch's sentence, unless the gradient is retained or there."""
    x = m.ones(2, requires_grad=True)
    y = x * 2
    with pytest.warns(UserWarning, match="not a leaf Tensor is being accessed"):
        assert y.grad is None
    assert x.grad is None and m.ones(1).grad is None and y.detach().grad is None
    y.retain_grad()
    assert y.grad is None
    y.sum().backward()
    assert y.grad.tolist() == [1.0, 1.0]


def test_sizes_stay_sizes() -> None:
    """Slices, sums and products of sizes are sizes; what is no int is refused."""
    size = m.ones(2, 3, 4).shape
    for made in (size[1:], size + (5,), (5,) + size, size[:1] * 2, m.Size([1, np.int64(2)])):
        assert type(made) is m.Size
    assert (size[1:].numel(), (1, *size), size + size[:1], m.Size().numel()) == (12, (1, 2, 3, 4), (2, 3, 4, 2), 1)
    assert type(size[0]) is int and pickle.loads(pickle.dumps(size)) == size and hash(size) == hash((2, 3, 4))
    with pytest.raises(TypeError, match="item 1 is 'float'"):
        m.Size([1, 1.5])
