"""What tensors print."""

from __future__ import annotations

import math
import pickle

import pytest

import minitorch

m = minitorch
nan, inf = math.nan, math.inf

REPRS = [
    ("m.tensor(1.5)", "tensor(1.5000)"),
    ("m.tensor(3)", "tensor(3)"),
    ("m.tensor(True)", "tensor(True)"),
    ("m.tensor([1.,2.,3.])", "tensor([1., 2., 3.])"),
    ("m.tensor([1.5,2.25])", "tensor([1.5000, 2.2500])"),
    ("m.tensor([1,20,300])", "tensor([  1,  20, 300])"),
    ("m.tensor([True,False])", "tensor([ True, False])"),
    ("m.tensor([])", "tensor([])"),
    ("m.zeros(0,3)", "tensor([], size=(0, 3))"),
    ("m.zeros(2,0,dtype=m.int64)", "tensor([], size=(2, 0), dtype=minitorch.int64)"),
    ("m.tensor([1e-5,1.])", "tensor([1.0000e-05, 1.0000e+00])"),
    ("m.tensor([1e5,1.5])", "tensor([1.0000e+05, 1.5000e+00])"),
    ("m.tensor([1e9,1.])", "tensor([1.0000e+09, 1.0000e+00])"),
    ("m.tensor([1e-8])", "tensor([1.0000e-08])"),
    ("m.tensor([nan,inf,-inf,1.])", "tensor([nan, inf, -inf, 1.])"),
    ("m.tensor([nan,1.5])", "tensor([   nan, 1.5000])"),
    ("m.tensor([1.,2.],dtype=m.float64)", "tensor([1., 2.], dtype=minitorch.float64)"),
    ("m.tensor([1,2],dtype=m.int32)", "tensor([1, 2], dtype=minitorch.int32)"),
    ("m.tensor([1,2],dtype=m.uint8)", "tensor([1, 2], dtype=minitorch.uint8)"),
    ("m.ones(2,2)", "tensor([[1., 1.],\n        [1., 1.]])"),
    (
        "m.arange(24.).reshape(2,3,4)",
        "tensor([[[ 0.,  1.,  2.,  3.],\n"
        "         [ 4.,  5.,  6.,  7.],\n"
        "         [ 8.,  9., 10., 11.]],\n"
        "\n"
        "        [[12., 13., 14., 15.],\n"
        "         [16., 17., 18., 19.],\n"
        "         [20., 21., 22., 23.]]])",
    ),
    ("m.eye(3)*-1", "tensor([[-1., -0., -0.],\n        [-0., -1., -0.],\n        [-0., -0., -1.]])"),
    (
        "m.arange(2000.)",
        "tensor([0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 1.9970e+03, 1.9980e+03,\n        1.9990e+03])",
    ),
    ("m.arange(1001)", "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    ("m.ones(2,requires_grad=True)", "tensor([1., 1.], requires_grad=True)"),
    (
        "m.ones(2,2,dtype=m.float64,requires_grad=True)",
        "tensor([[1., 1.],\n        [1., 1.]], dtype=minitorch.float64, requires_grad=True)",
    ),
    ("m.tensor(0.1234567)", "tensor(0.1235)"),
    ("m.tensor(123456789.)", "tensor(1.2346e+08)"),
    ("m.tensor(-0.0)", "tensor(-0.)"),
    ("m.tensor([0.,-0.0])", "tensor([0., -0.])"),
    ("m.tensor([1000000.,1.])", "tensor([1.0000e+06, 1.0000e+00])"),
    ("m.tensor([0.0001,1.])", "tensor([1.0000e-04, 1.0000e+00])"),
    ("m.tensor([99999999.,0.5])", "tensor([1.0000e+08, 5.0000e-01])"),
    (
        "m.arange(30.)",
        "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,\n"
        "        14., 15., 16., 17., 18., 19., 20., 21., 22., 23., 24., 25., 26., 27.,\n"
        "        28., 29.])",
    ),
    (
        "m.arange(30.)/7",
        "tensor([0.0000, 0.1429, 0.2857, 0.4286, 0.5714, 0.7143, 0.8571, 1.0000, 1.1429,\n"
        "        1.2857, 1.4286, 1.5714, 1.7143, 1.8571, 2.0000, 2.1429, 2.2857, 2.4286,\n"
        "        2.5714, 2.7143, 2.8571, 3.0000, 3.1429, 3.2857, 3.4286, 3.5714, 3.7143,\n"
        "        3.8571, 4.0000, 4.1429])",
    ),
    (
        "m.arange(12.).reshape(1,1,3,4)",
        "tensor([[[[ 0.,  1.,  2.,  3.],\n          [ 4.,  5.,  6.,  7.],\n          [ 8.,  9., 10., 11.]]]])",
    ),
    ("m.tensor([[1.5,-2],[1000,3]])", "tensor([[   1.5000,   -2.0000],\n        [1000.0000,    3.0000]])"),
    ("m.tensor(nan)", "tensor(nan)"),
    ("m.tensor(inf)", "tensor(inf)"),
    ("m.tensor(1e20)", "tensor(1.0000e+20)"),
    ("m.tensor(1e-20)", "tensor(1.0000e-20)"),
    ("m.tensor([1e-3,1e3])", "tensor([1.0000e-03, 1.0000e+03])"),
    ("m.tensor([[]])", "tensor([], size=(1, 0))"),
    ("m.zeros(0,dtype=m.int64)", "tensor([], dtype=minitorch.int64)"),
    (
        "m.arange(1200.).reshape(2,3,200)",
        "tensor([[[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 1.9700e+02,\n"
        "          1.9800e+02, 1.9900e+02],\n"
        "         [2.0000e+02, 2.0100e+02, 2.0200e+02,  ..., 3.9700e+02,\n"
        "          3.9800e+02, 3.9900e+02],\n"
        "         [4.0000e+02, 4.0100e+02, 4.0200e+02,  ..., 5.9700e+02,\n"
        "          5.9800e+02, 5.9900e+02]],\n"
        "\n"
        "        [[6.0000e+02, 6.0100e+02, 6.0200e+02,  ..., 7.9700e+02,\n"
        "          7.9800e+02, 7.9900e+02],\n"
        "         [8.0000e+02, 8.0100e+02, 8.0200e+02,  ..., 9.9700e+02,\n"
        "          9.9800e+02, 9.9900e+02],\n"
        "         [1.0000e+03, 1.0010e+03, 1.0020e+03,  ..., 1.1970e+03,\n"
        "          1.1980e+03, 1.1990e+03]]])",
    ),
    ("m.tensor([1e30,1.])", "tensor([1.0000e+30, 1.0000e+00])"),
    ("m.zeros(3)", "tensor([0., 0., 0.])"),
    ("m.tensor([100000000.,1])", "tensor([1.0000e+08, 1.0000e+00])"),
    ("m.tensor([100000001.,2.5])", "tensor([1.0000e+08, 2.5000e+00])"),
    ("m.tensor(1.5,dtype=m.float64)", "tensor(1.5000, dtype=minitorch.float64)"),
    ("m.tensor(7,dtype=m.int32)", "tensor(7, dtype=minitorch.int32)"),
    ("m.full((3,),1/3)", "tensor([0.3333, 0.3333, 0.3333])"),
    ("m.tensor([-1.5,10.25])", "tensor([-1.5000, 10.2500])"),
]


@pytest.mark.parametrize("expression,text", REPRS, ids=[e for e, _ in REPRS])
def test_repr(expression: str, text: str) -> None:
    """Texts frozen from torch 2.13, with this library's name in the dtypes."""
    assert repr(eval(expression, {"m": m, "nan": nan, "inf": inf})) == text


def test_repr_of_results_names_the_op() -> None:
    """grad_fn shows what made a tensor."""
    assert repr(m.ones(1, requires_grad=True) * 2) == "tensor([2.], grad_fn=<multiply>)"
    assert repr(m.ones(2).shape) == "minitorch.Size([2])"
    assert repr(m.float32) == "minitorch.float32"
    assert "tensor" in str(m.ones(1))


def test_format() -> None:
    """A 0-dim tensor formats as its number; others only without a format."""
    assert f"{m.tensor(3.14159):.2f}" == "3.14"
    assert f"{m.tensor(5):3d}" == "  5"
    assert f"{m.tensor([1.0])}" == "tensor([1.])"
    with pytest.raises(TypeError):
        f"{m.ones(2):.2f}"


def test_results_of_several_parts_have_pytorch_s_texts_and_names() -> None:
    """As `torch.return_types`: a tuple of named parts, its text over several lines; it can be pickled."""
    x = m.tensor([[3.0, 1.0], [2.0, 5.0]])
    found = x.max(0)
    assert repr(found) == "minitorch.return_types.max(\nvalues=tensor([3., 5.]),\nindices=tensor([0, 1]))"
    assert repr(x.aminmax()) == "minitorch.return_types.aminmax(\nmin=tensor(1.),\nmax=tensor(5.))"
    values, indices = found
    assert isinstance(found, tuple) and found.values is values and found[1] is indices
    assert type(pickle.loads(pickle.dumps(found))) is m.return_types.max is type(found)
    outs = m.empty(2), m.empty(2, dtype=m.int64)
    written = m.max(x, 0, out=outs)
    assert type(written) is m.return_types.max and written.values is outs[0] and outs[1].tolist() == [0, 1]
    for name in ("sort", "median", "nanmedian", "mode", "cummax", "cummin", "min"):
        assert type(getattr(x, name)(0)) is getattr(m.return_types, name)
    assert type(x.topk(1)) is m.return_types.topk and type(x.kthvalue(1)) is m.return_types.kthvalue
    assert type(x.frexp()) is m.return_types.frexp and type(x.histogram(2)) is m.return_types.histogram


def test_what_follows_the_elements_breaks_lines() -> None:
    """Where it would make a line longer than 80, dtype and history begin another, as in PyTorch."""
    x = m.arange(9, dtype=m.float64) / 8
    assert repr(x) == (
        "tensor([0.0000, 0.1250, 0.2500, 0.3750, 0.5000, 0.6250, 0.7500, 0.8750, 1.0000],\n"
        "       dtype=minitorch.float64)"
    )
    assert repr(x[:6].requires_grad_()) == (
        "tensor([0.0000, 0.1250, 0.2500, 0.3750, 0.5000, 0.6250], dtype=minitorch.float64,\n       requires_grad=True)"
    )
    assert repr(x[:3].detach()) == "tensor([0.0000, 0.1250, 0.2500], dtype=minitorch.float64)"
