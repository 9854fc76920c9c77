"""Tensors as users meet them: making, promoting, indexing, printing, NumPy on either side, reductions, wrong calls."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minitorch
from minitorch import kernels
from minitorch.autograd import grad, registry
from minitorch.ops.shape import rolled

m = minitorch
nan, inf = math.nan, math.inf
DTYPES = dict(zip("builfd", (m.bool, m.uint8, m.int32, m.int64, m.float32, m.float64), strict=True))

# --------------------------------------------------------------------------------------------------------------- creation


@pytest.mark.parametrize(
    "data,letter",
    [
        (1, "l"),
        (1.5, "f"),
        (True, "b"),
        ([1, 2], "l"),
        ([1.5], "f"),
        ([True], "b"),
        ([], "f"),
        ([1, 2.5], "f"),
        ([True, 2], "l"),
        (np.float64(1), "d"),
        (np.float32(1), "f"),
        (np.int32(3), "i"),
        (np.ones(2), "d"),
        (np.ones(2, "f4"), "f"),
        ([np.float64(1)], "d"),
        (np.array([1, 2], "i4"), "i"),
        (2**40, "l"),
        ([np.ones(2)], "d"),
        (np.bool_(True), "b"),
        ((1, 2), "l"),
        (range(3), "l"),
    ],
    ids=repr,
)
def test_dtype_of_data(data: Any, letter: str) -> None:
    """Python floats become float32, ints int64, bools bool; NumPy keeps its dtype."""
    x = m.tensor(data)
    assert x.dtype is DTYPES[letter]
    np.testing.assert_array_equal(x.array, np.asarray(data))


def test_python_floats_keep_float64_s_digits() -> None:
    """tensor(0.1, dtype=float64) is 0.1, not float32's nearest."""
    assert m.tensor(0.1, dtype=m.float64).item() == 0.1
    assert m.tensor([0.1, 1 / 3], dtype=m.float64).tolist() == [0.1, 1 / 3]
    assert m.full((1,), 0.1, dtype=m.float64).item() == 0.1


def test_tensor_copies_from_numpy_shares() -> None:
    """tensor() copies; from_numpy and as_tensor share memory."""
    array = np.zeros(2, np.float32)
    copied, shared, same = m.tensor(array), m.from_numpy(array), m.as_tensor(array)
    array[0] = 5
    assert (copied.tolist(), shared.tolist(), same.tolist()) == ([0.0, 0.0], [5.0, 0.0], [5.0, 0.0])
    x = m.ones(2)
    assert m.as_tensor(x) is x
    assert not np.shares_memory(m.tensor(x).array, x.array)


def test_constructors() -> None:
    """Shapes, dtypes and values."""
    assert m.zeros(2, 3).shape == m.zeros((2, 3)).shape == (2, 3)
    assert m.ones(2, dtype=m.int32).tolist() == [1, 1]
    assert (
        m.full((2,), 7).dtype is m.int64 and m.full((2,), 7.0).dtype is m.float32 and m.full((2,), True).dtype is m.bool
    )
    assert m.empty(0, 2).shape == (0, 2)
    assert m.zeros(()).shape == () and m.zeros(()).item() == 0
    assert m.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert m.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert m.zeros_like(m.ones(2, dtype=m.int32)).dtype is m.int32
    assert m.ones_like(m.zeros(2), dtype=m.float64).dtype is m.float64
    assert m.full_like(m.zeros(2), 3).tolist() == [3.0, 3.0]
    assert m.zeros(2, requires_grad=True).requires_grad
    assert m.full_like(m.zeros(2), 3, requires_grad=True).requires_grad
    assert m.ones_like(m.zeros(2, 3).t(), requires_grad=True).requires_grad
    assert m.Tensor(2, 3).shape == (2, 3) and m.Tensor([1, 2]).dtype is m.float32


def axes_by_stride(x):
    """The axes as they follow each other in memory."""
    return sorted(range(x.ndim), key=lambda axis: -x.array.strides[axis])


KEEPING = {
    "zeros_like": m.zeros_like,
    "ones_like": m.ones_like,
    "empty_like": m.empty_like,
    "full_like": lambda x: m.full_like(x, 2.0),
    "rand_like": m.rand_like,
    "randn_like": m.randn_like,
    "another dtype": lambda x: m.ones_like(x, dtype=m.int64),
    "clone": lambda x: x.clone(),
    "add": lambda x: x + x,
    "multiply by a number": lambda x: x * 2,
    "cat": lambda x: m.cat([x, x], 1),
    "stack of slices": lambda x: m.cat([x[:, :1], x[:, 1:]], 1),
    "pad": lambda x: m.nn.functional.pad(x, (1, 2)),
    "pad reflect": lambda x: m.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect"),
    "flip": lambda x: x.flip(1),
    "index_select": lambda x: x.index_select(2, m.tensor([1, 0, 1])),
}


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1), (3, 1, 0, 2)])
@pytest.mark.parametrize("name", KEEPING)
def test_results_and_gradients_lie_in_memory_as_their_source(name, order, large):
    """Axes follow each other as the operand's do, whatever the size; without gaps. So does the gradient of a leaf."""
    n = 24 if large else 3
    x = m.from_numpy(np.random.default_rng(0).random((n, n + 1, n + 2, n + 3), np.float32).transpose(np.argsort(order)))
    assert axes_by_stride(x) == list(order)
    out = KEEPING[name](x.requires_grad_())
    assert out.shape == x.shape or name in ("cat", "pad", "pad reflect", "index_select")
    if large or name != "index_select":  # small ones are NumPy's
        assert axes_by_stride(out) == list(order)
        assert out.array.transpose(order).flags.c_contiguous
    if out.requires_grad:
        out.sum().backward()
        assert axes_by_stride(x.grad) == list(order)


def test_like_draws_and_fills_the_right_values():
    """In another order of memory, too."""
    x = m.zeros(40, 50, 60).permute(2, 0, 1)
    for out, expected in ((m.ones_like(x), 1), (m.full_like(x, 7), 7), (m.zeros_like(x), 0)):
        assert out.shape == (60, 40, 50) and (out.array == expected).all()
    assert 0.49 < float(m.rand_like(x).mean()) < 0.51 and abs(float(m.randn_like(x).mean())) < 0.02


VIEWED = [
    ((2, 3, 4), (0, 1, 2), (6, 4)),
    ((2, 3, 4), (1, 2, 0), (12, 2)),
    ((2, 3, 4), (1, 2, 0), (3, 8)),
    ((2, 3, 4), (1, 2, 0), (3, 2, 2, 2)),
    ((2, 3, 4), (2, 0, 1), (4, 6)),
    ((2, 3, 4), (2, 0, 1), (2, 2, 6)),
    ((2, 3, 4), (0, 2, 1), (24,)),
    ((2, 1, 4), (2, 1, 0), (8,)),
    ((1, 3, 1), (2, 1, 0), (3,)),
]


@pytest.mark.parametrize("shape,order,target", VIEWED)
def test_reshape_is_a_view_where_numpy_s_is(shape, order, target, monkeypatch):
    """Large arrays are copied by a kernel, but only where NumPy would copy, too; sliced and expanded ones as well."""
    monkeypatch.setattr(kernels, "SMALL", 0)
    x = np.random.default_rng(0).random((*shape[:-1], 2 * shape[-1]))
    half = x[..., ::2]
    for whole in (half.copy(), half, x[..., : shape[-1]], np.broadcast_to(x[:1, :, :1], shape)):
        array = whole.transpose(order)
        out = registry["reshape"].function(array, shape=target)
        np.testing.assert_array_equal(out, array.reshape(target))
        assert np.shares_memory(out, array) == np.shares_memory(array.reshape(target), array)


def test_roll_of_all_and_of_one_axis_twice():
    """By default x is one line; shifts of the same axis add up."""
    x = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(rolled(m.tensor(x), 5).array, np.roll(x, 5))
    np.testing.assert_array_equal(rolled(m.tensor(x), (1, 1, -1), (0, -2, 1)).array, np.roll(x, (2, -1), (0, 1)))
    assert rolled(m.tensor(3.0), 2).item() == 3
    with pytest.raises(IndexError, match="no dimensions"):
        rolled(m.tensor(3.0), 1, 0)
    for shifts, dims in (((), None), ((1, 2), None), (1, (0, 1))):
        with pytest.raises(RuntimeError, match="shifts"):
            rolled(m.tensor(x), shifts, dims)


def test_the_gradient_of_a_sum_takes_no_memory():
    """sum and mean hand down one number for all elements; what keeps it, `.grad`, has memory of its own."""
    x = m.ones(8, 16, 32).permute(1, 2, 0).requires_grad_()
    for total, expected in ((x.sum(), 1), (x.mean(), 1 / 4096)):
        (g,) = m.autograd.grad(total, x)
        assert g.array.strides == (0, 0, 0) and g.array.flat[0] == np.float32(expected)
    x.sum().backward()
    assert x.grad.array.strides == x.array.strides and (x.grad.array == 1).all()


@pytest.mark.parametrize(
    "args,expected",
    [
        ((5,), [0, 1, 2, 3, 4]),
        ((1, 4), [1, 2, 3]),
        ((1, 8, 3), [1, 4, 7]),
        ((5, 0, -2), [5, 3, 1]),
        ((0,), []),
        ((1.5, 4), [1.5, 2.5, 3.5]),
        ((0, 1, 0.25), [0, 0.25, 0.5, 0.75]),
        ((2, 2), []),
        ((0, 0.3, 0.1), [0, 0.1, 0.2]),
    ],
)
def test_arange(args: tuple, expected: list) -> None:
    """The end is left out; ints give int64, floats float32."""
    x = m.arange(*args)
    assert x.dtype is (m.int64 if all(isinstance(a, int) for a in args) else m.float32)
    np.testing.assert_allclose(x.array, np.array(expected, x.array.dtype))


def test_random_numbers_follow_the_seed() -> None:
    """Same seed, same numbers, for the default generator and for others."""
    makers = [
        lambda g: m.rand(3, generator=g),
        lambda g: m.randn(2, 2, generator=g),
        lambda g: m.randint(0, 9, (5,), generator=g),
        lambda g: m.randperm(6, generator=g),
        lambda g: m.zeros(3).uniform_(-1, 1, generator=g),
        lambda g: m.zeros(3).normal_(1, 2, generator=g),
        lambda g: m.bernoulli(m.full((5,), 0.5), generator=g),
        lambda g: m.multinomial(m.ones(4), 2, generator=g),
    ]
    for make in makers:
        m.manual_seed(3)
        first = make(None).tolist()
        m.manual_seed(3)
        assert make(None).tolist() == first
        assert make(m.Generator().manual_seed(3)).tolist() == first
        assert make(m.Generator().manual_seed(4)).tolist() != first or len(first) < 3
    state = m.get_rng_state()
    a = m.rand(3).tolist()
    m.set_rng_state(state)
    assert m.rand(3).tolist() == a


def test_random_numbers_have_their_distribution() -> None:
    """Ranges, means and deviations of 100,000 draws, within five standard errors."""
    n = 100_000
    u, z = m.rand(n), m.randn(n)
    assert u.dtype is m.float32 and u.min().item() >= 0 and u.max().item() < 1
    assert abs(u.mean().item() - 0.5) < 5 * 0.2887 / n**0.5
    assert abs(z.mean().item()) < 5 / n**0.5 and abs(z.std().item() - 1) < 5 / (2 * n) ** 0.5
    k = m.randint(2, 5, (n,))
    assert sorted(set(k.tolist())) == [2, 3, 4] and k.dtype is m.int64
    assert sorted(m.randperm(10).tolist()) == list(range(10))


# -------------------------------------------------------------------------------------------------------------- promotion

# Frozen from torch 2.13. Rows: dtype of the left tensor; columns: of the right operand. Letters: bool, uint8, int32 (i),
# int64 (l), float32, float64 (d).
SAME = "builfd uuilfd iiilfd llllfd fffffd dddddd"
ZERO_DIM = "builfd uuuufd iiiifd llllfd ffffff dddddd"
DIVIDE = "fffffd fffffd fffffd fffffd fffffd dddddd"
DIVIDE_ZERO_DIM = "fffffd fffffd fffffd fffffd ffffff dddddd"
NUMBERS, DIVIDE_NUMBERS = "blf uuf iif llf fff ddd", "fff fff fff fff fff ddd"  # by True, 1, 1.5
OPS = {
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "where": lambda a, b: m.where(m.tensor([True]), a, b),
}
OPS_OF_TENSORS = {"maximum": m.maximum, "cat": lambda a, b: m.cat([a.reshape(1), b.reshape(1)])}


def table(text: str) -> dict:
    """(left, right) -> result, by letters."""
    return {
        (a, b): c for a, line in zip("builfd", text.split(), strict=True) for b, c in zip("builfd", line, strict=False)
    }


@pytest.mark.parametrize("name", [*OPS, *OPS_OF_TENSORS])
def test_promotion_of_tensors(name: str) -> None:
    """All 36 pairs of dtypes: arrays, array with 0-dim, two 0-dim."""
    op = {**OPS, **OPS_OF_TENSORS}[name]
    same, zero_dim = (DIVIDE, DIVIDE_ZERO_DIM) if name == "divide" else (SAME, SAME if name == "cat" else ZERO_DIM)
    for a, b in itertools.product("builfd", repeat=2):
        x, y = (m.ones(1, dtype=DTYPES[d]) for d in (a, b))
        p, q = (m.ones((), dtype=DTYPES[d]) for d in (a, b))
        found = [op(x, y).dtype, op(x, q).dtype, op(p, q).dtype]
        expected = [DTYPES[table(same)[a, b]], DTYPES[table(zero_dim)[a, b]], DTYPES[table(same)[a, b]]]
        if name == "where":  # the condition has one dimension, as in the frozen table
            found, expected = found[:2], expected[:2]
        assert found == expected, f"{name} of {a} and {b}"


@pytest.mark.parametrize("name", OPS)
def test_promotion_with_numbers(name: str) -> None:
    """A Python bool, int or float on the right, for arrays and 0-dim tensors."""
    for a, letters in zip("builfd", (DIVIDE_NUMBERS if name == "divide" else NUMBERS).split(), strict=True):
        for number, letter in zip((True, 1, 1.5), letters, strict=True):
            for x in (m.ones(1, dtype=DTYPES[a]), m.ones((), dtype=DTYPES[a])):
                assert OPS[name](x, number).dtype is DTYPES[letter], f"{name} of {a} and {number}"


@pytest.mark.parametrize(
    "name,letters",
    [
        ("sum", "llllfd"),
        ("prod", "llllfd"),
        ("cumsum", "llllfd"),
        ("exp", "fffffd"),
        ("sqrt", "fffffd"),
        ("sigmoid", "fffffd"),
        ("sign", "builfd"),
        ("max", "builfd"),
        ("argmax", "-lllll"),
        ("reciprocal", "fffffd"),
        ("square", "luilfd"),
        ("mean", "----fd"),
        ("std", "----fd"),
        ("softmax", "----fd"),
        ("neg", "-uilfd"),
        ("abs", "-uilfd"),
        ("relu", "-uilfd"),
        ("all", "b-bbbb"),
    ],
)
def test_dtype_of_results(name: str, letters: str) -> None:
    """What each dtype becomes; "-" where PyTorch refuses or deprecates."""
    for d, letter in zip("builfd", letters, strict=True):
        if letter != "-":
            x = m.ones(2, dtype=DTYPES[d])
            out = getattr(x, name)(0) if name in ("cumsum", "softmax") else getattr(x, name)()
            assert out.dtype is DTYPES[letter], f"{name} of {d}"


def test_gradients_come_back_in_their_own_dtype() -> None:
    """A float32 leaf beside a float64 one: each gradient has the dtype of its leaf."""
    x, y = m.ones(2, requires_grad=True), m.ones(2, dtype=m.float64, requires_grad=True)
    gx, gy = grad((x * y).sum(), [x, y])
    assert (gx.dtype, gy.dtype) == (m.float32, m.float64)


def test_set_default_dtype() -> None:
    """New floats follow the default; others raise."""
    m.set_default_dtype(m.float64)
    try:
        assert m.tensor(1.5).dtype is m.ones(1).dtype is m.randn(1).dtype is m.float64
        assert m.ones(1, dtype=m.int64).exp().dtype is m.float64
    finally:
        m.set_default_dtype(m.float32)
    with pytest.raises(TypeError, match="floating-point"):
        m.set_default_dtype(m.int64)


# --------------------------------------------------------------------------------------------------------------- indexing


def items() -> st.SearchStrategy:
    """One entry of an index of an axis of size 3."""
    return st.one_of(
        st.integers(-3, 2),
        st.just(Ellipsis),
        st.none(),
        st.builds(
            slice,
            st.one_of(st.none(), st.integers(-4, 4)),
            st.one_of(st.none(), st.integers(-4, 4)),
            st.one_of(st.none(), st.integers(1, 3)),
        ),
        st.lists(st.integers(-3, 2), min_size=1, max_size=3).map(np.array),
        st.lists(st.booleans(), min_size=3, max_size=3).map(np.array),
    )


@given(st.lists(items(), min_size=1, max_size=4).map(tuple))
def test_indexing_picks_what_pytorch_picks(key: tuple) -> None:
    """Any mixture of ints, slices, None, ellipses, int and bool arrays picks what it should, or raises."""
    array = np.arange(27.0).reshape(3, 3, 3)
    if sum(k is Ellipsis for k in key) > 1:
        return

    def select(a: np.ndarray) -> np.ndarray:
        """NumPy's answer, ints first: PyTorch takes them as basic indices, also beside arrays."""
        full = list(key)
        if Ellipsis not in [k for k in key if not isinstance(k, np.ndarray)]:
            full.append(Ellipsis)
        first = tuple(k if isinstance(k, int) or k is Ellipsis else slice(None) for k in full if k is not None)
        return a[first][tuple(k for k in full if not isinstance(k, int))]

    try:
        if sum(k is not None and k is not Ellipsis for k in key) > array.ndim:
            raise IndexError
        expected = select(array)
    except IndexError:
        with pytest.raises(IndexError):
            m.from_numpy(array)[key]
        return
    x = m.tensor(array, requires_grad=True)
    out = x[tuple(m.from_numpy(k) if isinstance(k, np.ndarray) else k for k in key)]
    np.testing.assert_array_equal(out.detach().numpy(), expected)
    (g,) = grad((out * m.from_numpy(np.arange(1.0, expected.size + 1).reshape(expected.shape))).sum(), x)
    counted = np.zeros(array.size)
    np.add.at(counted, select(np.arange(array.size).reshape(array.shape)).ravel(), np.arange(1.0, expected.size + 1))
    np.testing.assert_array_equal(g.array.ravel(), counted)


def test_ints_beside_arrays_are_basic_indices() -> None:
    """x[0, :, [0, 1]] is x[0][:, [0, 1]], as in PyTorch; NumPy would move the array's axis to the front."""
    x = m.arange(24).reshape(2, 3, 4)
    assert x[0, :, [0, 1]].shape == (3, 2)
    assert x[[0, 1], :, 1].shape == (2, 3)
    x[0, :, [0, 1]] = m.arange(6).reshape(3, 2)
    assert x[0, 2].tolist() == [4, 5, 10, 11]


def test_results_have_memory_of_their_own() -> None:
    """Reductions and copies over axes of size 1 do not share memory with their input."""
    x = m.ones(1, 1)
    for make in (
        lambda t: t.prod(),
        lambda t: t.prod(0),
        lambda t: t.sum(0),
        lambda t: t.repeat(1, 1),
        lambda t: t.repeat(2, 2),
        lambda t: t.amax(0),
        lambda t: t.max(0).values,
        lambda t: t.mean(),
        lambda t: t.cumsum(0),
        lambda t: t.clone(),
        lambda t: t.flip(0),
        lambda t: m.cat([t]),
        lambda t: m.stack([t]),
        lambda t: t.relu(),
        lambda t: t.clamp(0, 9),
        lambda t: t[[0]],
        lambda t: t.masked_select(t > 0),
        lambda t: t.tril(),
        lambda t: t.abs(),
        lambda t: t.std(0, correction=0),
        lambda t: t.prod(1, keepdim=True),
        lambda t: t.norm(),
        lambda t: t.floor(),
        lambda t: t.round(),
    ):
        out = make(x)
        assert not np.shares_memory(out.array, x.array)
        out.add_(1)


def test_index_forms() -> None:
    """Lists, ranges, tensors of all integer dtypes, 0-dim tensors, NumPy integers."""
    x = m.arange(12).reshape(3, 4)
    assert x[[0, 2]].tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]
    assert x[[[0, 1], [1, 2]]].shape == (2, 2, 4)
    assert x[range(2)].shape == (2, 4)
    for dtype in (m.int32, m.int64):
        assert x[m.tensor([2, 0], dtype=dtype), 1].tolist() == [9, 1]
    assert x[m.tensor(1), m.tensor(2)].item() == 6
    assert x[np.int64(1)].tolist() == [4, 5, 6, 7]
    assert x[:, m.tensor([True, False, False, True])].tolist() == [[0, 3], [4, 7], [8, 11]]
    assert x[x > 9].tolist() == [10, 11]
    assert x[True].shape == (1, 3, 4) and x[None].shape == (1, 3, 4) and x[...].shape == (3, 4)
    assert x[1, 2].shape == () and isinstance(x[1, 2], m.Tensor)
    assert x[[]].shape == (0, 4)


def test_basic_indexing_shares_memory_advanced_copies() -> None:
    """As in NumPy and PyTorch."""
    x = m.zeros(3, 3)
    x[1:][0].fill_(1)
    x[[0, 2]].fill_(5)
    assert x.tolist() == [[0, 0, 0], [1, 1, 1], [0, 0, 0]]


# --------------------------------------------------------------------------------------------------------------- printing

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


# ----------------------------------------------------------------------------------------------------- Python's protocols


def test_numbers() -> None:
    """float, int, bool, index, item, tolist."""
    assert float(m.tensor(2.5)) == 2.5 and int(m.tensor([2.5])) == 2 and bool(m.tensor([[3.0]]))
    assert [10, 20, 30][m.tensor(1)] == 20
    assert m.tensor(2.5).item() == 2.5 and type(m.tensor(2).item()) is int and type(m.tensor(True).item()) is bool
    assert m.tensor([[1, 2]]).tolist() == [[1, 2]] and m.tensor(1.5).tolist() == 1.5
    with pytest.raises(TypeError):
        [1, 2][m.tensor(1.0)]
    with pytest.raises((RuntimeError, ValueError)):
        float(m.ones(2))


def test_length_and_iteration() -> None:
    """len and iter run over the first axis; rows carry gradients."""
    x = m.arange(6.0).reshape(3, 2).requires_grad_()
    assert len(x) == 3
    rows = list(x)
    assert [row.tolist() for row in rows] == [[0, 1], [2, 3], [4, 5]]
    assert grad(rows[1].sum(), x)[0].tolist() == [[0, 0], [1, 1], [0, 0]]
    a, b = m.tensor([1, 2])
    assert (a.item(), b.item()) == (1, 2)
    with pytest.raises(TypeError, match="len"):
        len(m.tensor(1.0))
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(m.tensor(1.0))
    assert 2 in m.tensor([1, 2]) and 3 not in m.tensor([1, 2])


def test_truth() -> None:
    """Only one element has a truth value."""
    for x, text in ((m.ones(2), "more than one value"), (m.ones(0), "no values")):
        with pytest.raises(RuntimeError, match=f"Boolean value of Tensor with {text} is ambiguous"):
            bool(x)


def test_hash_is_identity() -> None:
    """Tensors are dictionary keys by identity, though == compares elements."""
    x, y = m.ones(2), m.ones(2)
    assert {x: 1, y: 2}[y] == 2
    assert (x == y).tolist() == [True, True]
    assert (x == "a") is False and (x != "a") is True and (x == None) is False  # noqa: E711


def test_copy_and_pickle() -> None:
    """deepcopy and pickle keep values, dtype, requires_grad and grad; results of ops refuse."""
    x = m.ones(2, 3, dtype=m.float64, requires_grad=True)
    (x * 2).sum().backward()
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert y.dtype is m.float64 and y.requires_grad and y.tolist() == x.tolist()
        assert not np.shares_memory(y.array, x.array)
    assert copy.deepcopy(x).grad.tolist() == x.grad.tolist()
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(x * 2)
    a = [x, x]
    b = copy.deepcopy(a)
    assert b[0] is b[1]


def test_to() -> None:
    """Conversions; the same dtype gives the tensor itself, copies on request; other devices raise."""
    x = m.ones(2)
    assert x.to(m.float32) is x and x.float() is x and x.cpu() is x and x.to("cpu") is x
    assert x.to(m.float32, copy=True) is not x
    assert (
        x.double().dtype
        is x.to(m.float64).dtype
        is x.to(dtype=m.float64).dtype
        is x.to(m.ones(1, dtype=m.float64)).dtype
        is m.float64
    )
    assert (x * 2.7).long().tolist() == (x * 2.7).int().tolist() == [2, 2]
    assert m.tensor([0.0, 2.0]).bool().tolist() == [False, True]
    with pytest.raises(RuntimeError, match="cuda"):
        x.to("cuda")
    y = m.ones(2, requires_grad=True)
    assert grad(y.double().sum(), y)[0].dtype is m.float32


def test_size() -> None:
    """shape is a tuple; size, stride, numel, dim and friends."""
    x = m.zeros(2, 3, 4)
    assert isinstance(x.shape, tuple) and x.shape == (2, 3, 4) and x.size() == (2, 3, 4) and x.size(-1) == 4
    assert x.shape.numel() == x.numel() == x.nelement() == 24
    assert x.stride() == (12, 4, 1) and x.stride(1) == 4 and x.transpose(0, 2).stride() == (1, 4, 12)
    assert x.dim() == x.ndim == 3 and x.element_size() == 4 and x.nbytes == 96
    assert (
        x.is_contiguous() and not x.transpose(0, 1).is_contiguous() and x.transpose(0, 1).contiguous().is_contiguous()
    )
    assert m.is_tensor(x) and not m.is_tensor(1) and x.is_floating_point() and not x.long().is_floating_point()


def test_contiguous_keeps_the_graph() -> None:
    """contiguous() of a transposed tensor is a copy with a gradient."""
    x = m.arange(6.0).reshape(2, 3).requires_grad_()
    y = x.t().contiguous()
    assert y.is_contiguous()
    assert grad((y * m.arange(6.0).reshape(3, 2)).sum(), x)[0].tolist() == [[0, 2, 4], [1, 3, 5]]


# ------------------------------------------------------------------------------------------------------- NumPy beside it


def test_numpy_shares_memory() -> None:
    """numpy() is the array; tensors that require grad refuse."""
    x = m.zeros(2)
    x.numpy()[0] = 3
    assert x.tolist() == [3.0, 0.0]
    for convert in (lambda t: t.numpy(), np.asarray, np.array):
        with pytest.raises(RuntimeError, match=r"Use tensor.detach\(\).numpy\(\) instead"):
            convert(m.ones(2, requires_grad=True))
    assert m.ones(2, requires_grad=True).numpy(force=True).tolist() == [1.0, 1.0]
    with m.no_grad():
        assert np.asarray(m.ones(2, requires_grad=True)).tolist() == [1.0, 1.0]
    assert np.asarray(x) is x.array or np.shares_memory(np.asarray(x), x.array)
    assert np.asarray(x, np.float64).dtype == np.float64
    assert np.array(x).base is None


@pytest.mark.parametrize(
    "op", [np.add, np.subtract, np.multiply, np.divide, np.power, np.maximum, np.minimum], ids=lambda u: u.__name__
)
def test_ufuncs_keep_the_graph(op: Any) -> None:
    """ndarray and NumPy scalars beside a tensor, in either order, and the ufunc itself: a tensor with a gradient."""
    array = np.array([1.5, 2.5], np.float32)
    expected = op(np.float32(2), array), op(array, np.float32(2))
    for found, value in zip(
        (op(m.full((2,), 2.0, requires_grad=True), array), op(array, m.full((2,), 2.0, requires_grad=True))),
        expected,
        strict=True,
    ):
        assert isinstance(found, m.Tensor) and found.requires_grad and found.dtype is m.float32
        np.testing.assert_allclose(found.detach().numpy(), value, rtol=1e-6)


def test_operators_with_ndarrays_keep_the_graph() -> None:
    """array * tensor, array - tensor, array @ tensor."""
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    x = m.ones(2, 2, dtype=m.float64, requires_grad=True)
    assert grad((a * x).sum(), x)[0].tolist() == a.tolist()
    assert grad((a - x).sum(), x)[0].tolist() == [[-1.0, -1.0], [-1.0, -1.0]]
    assert grad((a @ x).sum(), x)[0].tolist() == [[4.0, 4.0], [6.0, 6.0]]
    assert grad((x @ a).sum(), x)[0].tolist() == [[3.0, 7.0], [3.0, 7.0]]
    assert isinstance(np.float64(2) * m.ones(2), m.Tensor)
    assert (np.float64(2) * m.ones(2)).dtype is m.float32
    assert isinstance(np.exp(m.ones(2)), m.Tensor) and np.exp(x).requires_grad
    with pytest.raises(TypeError, match="no derivative"):
        np.cbrt(x)
    assert np.cbrt(m.ones(2)).tolist() == np.cbrt(np.ones(2, np.float32)).tolist()


def test_comparisons_with_ndarrays() -> None:
    """array < tensor is a bool tensor."""
    out = np.array([1.0, 3.0]) < m.tensor([2.0, 2.0])
    assert isinstance(out, m.Tensor) and out.tolist() == [True, False]


# ------------------------------------------------------------------------------------------------------------- reductions


@pytest.mark.parametrize("dim", [None, 0, -1, (0, 2), (1,), [0, 1, 2], ()], ids=str)
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "amax", "amin", "all", "any", "norm", "logsumexp"])
def test_reductions_over_dims(name: str, dim: Any, keepdim: bool, rng: np.random.Generator) -> None:
    """Every reduction over every form of `dim`, against NumPy."""
    array = rng.standard_normal((2, 3, 4))
    axis = tuple(dim) if isinstance(dim, list) else dim
    axis = None if axis == () else axis
    numpy = {
        "sum": np.sum,
        "mean": np.mean,
        "var": lambda a, **k: np.var(a, ddof=1, **k),
        "std": lambda a, **k: np.std(a, ddof=1, **k),
        "amax": np.max,
        "amin": np.min,
        "all": np.all,
        "any": np.any,
        "norm": lambda a, **k: np.sqrt(np.sum(a * a, **k)),
        "logsumexp": lambda a, **k: np.log(np.sum(np.exp(a), **k)),
    }[name]
    x = m.from_numpy(array > 0) if name in ("all", "any") else m.from_numpy(array)
    if dim is None and name in ("logsumexp", "amax", "amin"):
        return
    out = getattr(x, name)(dim=dim, keepdim=keepdim)
    np.testing.assert_allclose(out.array, numpy(x.array, axis=axis, keepdims=keepdim), rtol=1e-12)


def test_reductions_of_nothing() -> None:
    """sum 0, mean nan, prod 1, all True, any False; max and min refuse."""
    x = m.zeros(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert x.sum().item() == 0 and math.isnan(x.mean().item()) and x.prod().item() == 1
        assert x.all().item() is True and x.any().item() is False
        assert m.zeros(0, 3).sum(0).tolist() == [0, 0, 0]
        assert all(math.isnan(v) for v in m.zeros(0, 3).mean(0).tolist())
        assert m.zeros(2, 0).prod(1).tolist() == [1, 1]
        assert math.isnan(m.ones(1).var().item()) and m.ones(1).var(correction=0).item() == 0
        assert math.isnan(x.std().item())
    for name, kind in (("max", RuntimeError), ("min", RuntimeError), ("argmax", IndexError), ("argmin", IndexError)):
        with pytest.raises(kind, match=f"{name}\\(\\): Expected reduction dim to be specified"):
            getattr(x, name)()


def test_extremes_and_nan() -> None:
    """NaN wins everywhere, and its position is the first one's."""
    x = m.tensor([1.0, nan, 3.0, nan])
    for name in ("max", "min", "amax", "amin"):
        assert math.isnan(getattr(x, name)().item())
    assert x.argmax().item() == x.argmin().item() == 1
    values, indices = x.max(0)
    assert math.isnan(values.item()) and indices.item() == 1
    assert math.isnan(x.sum().item()) and math.isnan(m.maximum(x, m.zeros(4))[1].item())


def test_extremes_and_ties() -> None:
    """max(): equals share the gradient; max(dim): the first gets it; maximum: half each."""
    x = m.tensor([2.0, 5.0, 5.0, 5.0], requires_grad=True)
    assert grad(x.amax(), x)[0].tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])
    assert grad(x.max(), x)[0].tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])
    values, indices = x.max(0)
    assert indices.item() == 1 and grad(values, x)[0].tolist() == [0, 1, 0, 0]
    assert x.argmax().item() == 1 and x.neg().argmin().item() == 1
    y = m.tensor([2.0, 1.0, 5.0, 9.0], requires_grad=True)
    assert grad(m.maximum(x, y).sum(), [x, y])[0].tolist() == [0.5, 1, 0.5, 0]
    assert grad(m.minimum(x, y).sum(), [x, y])[1].tolist() == [0.5, 1, 0.5, 0]


def test_max_forms() -> None:
    """max of all, along a dim with indices, of two tensors."""
    x = m.tensor([[1.0, 4.0], [3.0, 2.0]])
    assert x.max().item() == 4 and m.max(x).item() == 4
    found = x.max(1)
    assert found.values.tolist() == [4, 3] and found.indices.tolist() == [1, 0] and found.indices.dtype is m.int64
    assert x.min(dim=0, keepdim=True).values.shape == (1, 2)
    assert m.max(x, m.full((2, 2), 2.5)).tolist() == [[2.5, 4], [3, 2.5]]
    assert x.argmax(1).tolist() == [1, 0] and x.argmax().item() == 1 and x.argmax(1, keepdim=True).shape == (2, 1)


def test_var_and_std() -> None:
    """Correction, unbiased, dims; the gradient of std."""
    array = np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 9.0]])
    x = m.tensor(array, requires_grad=True)
    assert x.var().item() == pytest.approx(array.var(ddof=1))
    assert x.var(unbiased=False).item() == pytest.approx(array.var())
    assert x.var(False).item() == pytest.approx(array.var())
    np.testing.assert_allclose(x.std(1, correction=2).detach().numpy(), array.std(1, ddof=2))
    (g,) = grad(x.std(), x)
    np.testing.assert_allclose(g.array, (array - array.mean()) / (5 * array.std(ddof=1)), rtol=1e-12)


def test_prod_with_zeros() -> None:
    """The gradient of a product is finite with one zero factor or two, to second order."""
    for values in ([2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [2.0, 5.0, 3.0]):
        x = m.tensor(values, dtype=m.float64, requires_grad=True)
        (g,) = grad(x.prod(), x, create_graph=True)
        expected = [np.prod([v for j, v in enumerate(values) if j != i]) for i in range(3)]
        np.testing.assert_allclose(g.detach().numpy(), expected)
        (second,) = grad(g.sum(), x)
        pairs = [
            sum(np.prod([v for k, v in enumerate(values) if k not in (i, j)]) for j in range(3) if j != i)
            for i in range(3)
        ]
        np.testing.assert_allclose(second.array, pairs)


@pytest.mark.parametrize("p", [1, 2, 3, inf, "fro", 0.5])
def test_norm(p: Any) -> None:
    """The p-norms; 2 has slope 0 at 0."""
    array = np.array([[3.0, -4.0], [1.0, 2.0]])
    power = 2 if p == "fro" else p
    expected = np.abs(array).max() if p == inf else (np.abs(array) ** power).sum() ** (1 / power)
    assert m.tensor(array).norm(p).item() == pytest.approx(expected)
    zero = m.zeros(3, requires_grad=True)
    if p in (2, "fro"):
        assert grad(zero.norm(p), zero)[0].tolist() == [0, 0, 0]


def test_logsumexp_is_stable() -> None:
    """Large, infinite and no values."""
    assert m.tensor([1000.0, 1000.0]).logsumexp(0).item() == pytest.approx(1000 + math.log(2))
    assert m.tensor([-inf, -inf]).logsumexp(0).item() == -inf
    assert m.tensor([inf, 1.0]).logsumexp(0).item() == inf
    x = m.tensor([0.0, math.log(3)], dtype=m.float64, requires_grad=True)
    np.testing.assert_allclose(grad(x.logsumexp(0), x)[0].array, [0.25, 0.75], rtol=1e-12)


def test_slopes_at_zero() -> None:
    """abs 0, sqrt inf, relu 0, relu of NaN 1, clamp 1 at both edges."""

    def slope(function: Any, at: float) -> float:
        x = m.tensor(at, requires_grad=True)
        return grad(function(x), x)[0].item()

    assert slope(m.abs, 0.0) == 0 and slope(m.sqrt, 0.0) == inf and slope(m.relu, 0.0) == 0 and slope(m.relu, nan) == 1
    assert slope(lambda x: x.clamp(-1, 1), 1.0) == slope(lambda x: x.clamp(-1, 1), -1.0) == 1
    assert math.isnan(m.tensor(nan).relu().item()) and math.copysign(1, m.tensor(-0.0).relu().item()) == -1
    assert math.isnan(m.tensor(nan).clamp(0, 1).item())


# ------------------------------------------------------------------------------------------------------------ rearranging


def test_shapes() -> None:
    """The forms of reshape, squeeze, transpose, expand, repeat, and their values."""
    x = m.arange(6)
    assert x.reshape(2, -1).tolist() == x.view((2, 3)).tolist() == [[0, 1, 2], [3, 4, 5]]
    y = x.reshape(2, 3)
    assert (
        y.t().tolist()
        == y.T.tolist()
        == y.transpose(0, 1).tolist()
        == y.permute(1, 0).tolist()
        == [[0, 3], [1, 4], [2, 5]]
    )
    assert (
        y.flatten().shape == (6,)
        and m.zeros(2, 3, 4).flatten(1).shape == (2, 12)
        and m.tensor(1).flatten().shape == (1,)
    )
    assert m.zeros(2, 1, 3, 1).squeeze().shape == (2, 3) and m.zeros(2, 1, 3, 1).squeeze(1).shape == (2, 3, 1)
    assert m.zeros(2, 1, 3, 1).squeeze((1, 3)).shape == (2, 3) and m.zeros(2, 1).squeeze(0).shape == (2, 1)
    assert y.unsqueeze(-1).shape == (2, 3, 1) and y.unflatten(1, (3, -1)).shape == (2, 3, 1)
    assert m.zeros(2, 1).expand(2, 4).shape == m.zeros(2, 1).expand(-1, 4).shape == (2, 4) and m.zeros(3).expand(
        2, -1
    ).shape == (2, 3)
    assert m.tensor([1, 2]).repeat(2, 2).tolist() == [[1, 2, 1, 2], [1, 2, 1, 2]]
    assert m.zeros(2, 3, 4).movedim(0, -1).shape == (3, 4, 2) and m.zeros(2, 3, 4).movedim((0, 1), (2, 0)).shape == (
        3,
        4,
        2,
    )
    assert y.flip(1).tolist() == [[2, 1, 0], [5, 4, 3]] and y.flip(0, 1).tolist() == [[5, 4, 3], [2, 1, 0]]
    assert y.tril().tolist() == [[0, 0, 0], [3, 4, 0]] and y.triu(1).tolist() == [[0, 1, 2], [0, 0, 5]]


@pytest.mark.parametrize(
    ("x", "to", "values"),
    [  # 1.0 is 0x3f800000, as a double 0x3ff00000_00000000, whose upper half is 1.875
        ([1.0, 0.0], "int32", [1065353216, 0]),
        ([[1.0], [-0.0]], "uint8", [[0, 0, 128, 63], [0, 0, 0, 128]]),
        ([0.0, 1.875], "float64", [1.0]),
        (1.0, "int32", 1065353216),
        ([[], []], "int32", [[], []]),
        ([2.0], "float32", [2.0]),
    ],
)
def test_view_as_another_dtype(x: list, to: str, values: list) -> None:
    """The same memory, off the tape; in-place writes reach the source and count as its changes."""
    source = m.tensor(x, requires_grad=True)
    for seen in (source.view(getattr(m, to)), source.view(dtype=np.dtype(to))):
        assert seen.tolist() == values and seen.dtype is getattr(m, to) and not seen.requires_grad
    y = source * 1
    seen, before = y.view(getattr(m, to)), y._version
    seen.zero_()
    assert not y.any() and y._version == before + 1


def test_split_chunk_stack_cat() -> None:
    """Pieces and their gradients; empty vectors in cat are passed over."""
    x = m.arange(5.0).requires_grad_()
    assert [p.tolist() for p in x.split(2)] == [[0, 1], [2, 3], [4]]
    assert [p.tolist() for p in x.split([1, 4])] == [[0], [1, 2, 3, 4]]
    assert [len(p) for p in x.chunk(3)] == [2, 2, 1] and [len(p) for p in m.arange(4).chunk(3)] == [2, 2]
    assert grad(x.split(2)[1].sum(), x)[0].tolist() == [0, 0, 1, 1, 0]
    assert m.stack([x, x]).shape == (2, 5) and m.stack([x, x], -1).shape == (5, 2)
    assert m.cat([m.zeros(0), m.ones(2, 2)]).shape == (2, 2)
    assert grad((m.cat([x, x * 2]) * m.arange(10.0)).sum(), x)[0].tolist() == [10, 13, 16, 19, 22]
    assert [r.tolist() for r in m.tensor([[1, 2], [3, 4]]).unbind(1)] == [[1, 3], [2, 4]]
    assert m.zeros(0).split(2)[0].shape == (0,)


def test_picking() -> None:
    """gather, scatter_add, index_select, masked_fill, masked_select, where, nonzero."""
    x = m.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.gather(1, m.tensor([[1], [0]])).tolist() == [[2], [3]]
    assert m.zeros(2, 2).scatter_add(1, m.tensor([[0, 0], [1, 1]]), x).tolist() == [[3, 0], [0, 7]]
    assert x.index_select(1, m.tensor([1, 1])).tolist() == [[2, 2], [4, 4]]
    assert x.masked_fill(x > 2, 0).tolist() == [[1, 2], [0, 0]]
    assert x.masked_select(x > 2).tolist() == [3, 4]
    assert m.where(x > 2, x, 0.0).tolist() == [[0, 0], [3, 4]] and x.where(x > 2, -x).tolist() == [[-1, -2], [3, 4]]
    assert m.nonzero(m.tensor([[0, 1], [2, 0]])).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    "a,b",
    [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((5, 2, 3), (5, 3, 4)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((3,), (5, 3, 2)),
        ((5, 2, 3), (3,)),
        ((0, 3), (3, 2)),
        ((2, 0), (0, 3)),
        ((0,), (0,)),
    ],
    ids=str,
)
def test_matmul_ranks(a: tuple, b: tuple, rng: np.random.Generator) -> None:
    """Vectors, matrices, stacks, broadcast stacks and empty ones, with gradients, against einsum."""
    x, y = m.tensor(rng.standard_normal(a), requires_grad=True), m.tensor(rng.standard_normal(b), requires_grad=True)
    out = x @ y
    expected = np.matmul(x.array, y.array)
    np.testing.assert_allclose(out.array, expected, rtol=1e-12, atol=1e-14)
    assert out.shape == expected.shape
    g = rng.standard_normal(expected.shape)
    gx, gy = grad(out, [x, y], m.tensor(g))
    for found, wrt, other in ((gx, x, 0), (gy, y, 1)):
        direction = rng.standard_normal(wrt.shape)
        product = np.matmul(direction, y.array) if other == 0 else np.matmul(x.array, direction)
        assert float((found.array * direction).sum()) == pytest.approx(float((g * product).sum()), rel=1e-10, abs=1e-12)


# ------------------------------------------------------------------------------------------------------------ wrong calls


@pytest.mark.parametrize(
    "call,kind,text",
    [
        (lambda: m.tensor([[1], [1, 2]]), ValueError, "expected sequence of length 1"),
        (lambda: m.tensor("a"), TypeError, "str"),
        (lambda: m.tensor([None]), TypeError, "None"),
        (lambda: m.from_numpy(np.array(["a"])), TypeError, "str"),
        (lambda: m.from_numpy(np.zeros(2, ">f4")), ValueError, "byte order"),
        (lambda: m.from_numpy([1, 2]), TypeError, "expected np.ndarray (got list)"),
        (lambda: m.tensor([300], dtype=m.uint8), RuntimeError, "uint8"),
        (lambda: m.ones(2, -3), RuntimeError, "negative dimension -3: [2, -3]"),
        (lambda: m.ones(2.5), TypeError, "2.5"),
        (lambda: m.empty(2**50), RuntimeError, "4503599627370496"),
        (lambda: m.arange(0, 5, 0), RuntimeError, "step must be nonzero"),
        (lambda: m.arange(0, 5, -1), RuntimeError, "inconsistent with step sign"),
        (lambda: m.linspace(0, 1, -1), RuntimeError, "number of steps must be non-negative"),
        (lambda: m.randint(5, 5, (2,)), RuntimeError, "from=5 >= to=5"),
        (lambda: m.multinomial(m.tensor([-1.0, 1.0]), 1), RuntimeError, "inf"),
        (lambda: m.normal(0.0, -1.0, (2,)), RuntimeError, "normal expects std >= 0.0, but found std -1"),
        (lambda: m.manual_seed("a"), ValueError, "'a'"),
        (lambda: m.ones(3).squeeze(1), IndexError, "[-1, 0], but got 1"),
        (lambda: m.ones(3).unsqueeze(3), IndexError, "[-2, 1], but got 3"),
        (lambda: m.ones(2).item(), RuntimeError, "2 elements cannot be converted to Scalar"),
        (lambda: m.ones(2, dtype=m.int64, requires_grad=True), RuntimeError, "floating point"),
        (lambda: m.ones(3).split(-1), RuntimeError, "split_size=-1"),
        (lambda: m.ones(3).split([1, 1]), RuntimeError, "sum exactly to 3"),
        (lambda: m.ones(3).chunk(0), RuntimeError, "greater than 0, got: 0"),
        (lambda: m.ones(2, 3).flatten(1, 0), RuntimeError, "start_dim"),
        (lambda: m.ones(2, 3, 4).t(), RuntimeError, "<= 2 dimensions"),
        (lambda: m.ones(2, 3).repeat(2), RuntimeError, "repeat dims can not be smaller"),
        (lambda: m.ones(2, 3).masked_fill(m.ones(2, 3), 0), RuntimeError, "boolean mask"),
        (lambda: m.ones(2).max(1), IndexError, "[-1, 0], but got 1"),
        (lambda: m.ones(2).std(5), IndexError, "[-1, 0], but got 5"),
        (lambda: m.ones(2).div(2, rounding_mode="up"), RuntimeError, "rounding_mode"),
        (lambda: m.ones(2).long().var(), RuntimeError, "var"),
        (lambda: m.ones(2).to("gpu9"), RuntimeError, "gpu9"),
        (lambda: m.zeros(2, dtype="bfloat16"), TypeError, "bfloat16"),
        (lambda: m.rand(2, generator=3), TypeError, "Generator"),
        (lambda: m.zeros(2).uniform_(2, 1), RuntimeError, "from=2 > to=1"),
        (lambda: m.ones(()).view(m.float64), RuntimeError, "self.dim() cannot be 0 to view Float as Double"),
        (lambda: m.ones(2, 3).view(m.float64), RuntimeError, "self.size(-1) must be divisible by 2 to view Float as"),
        (lambda: m.ones(4, 6)[:, 1:5].view(m.float64), RuntimeError, "self.storage_offset() must be divisible by 2"),
        (lambda: m.ones(3, 5)[:, :4].view(m.float64), RuntimeError, "self.stride(0) must be divisible by 2"),
        (lambda: m.ones(4, 6).t().view(m.float64), RuntimeError, "self.stride(-1) must be 1 to view Float as Double"),
        (lambda: m.ones(6)[::3].view(m.uint8), RuntimeError, "as Byte (different element sizes), but got 3"),
        (lambda: m.ones(6).view(6, dtype=m.int32), TypeError, "a shape or a dtype"),
    ],
)
def test_wrong_call(call: Any, kind: type, text: str) -> None:
    """PyTorch's error class for the same call, and a message that says as much."""
    with pytest.raises(kind) as info:
        call()
    assert type(info.value) in (kind, m.OutOfMemoryError), f"{type(info.value).__name__}: {info.value}"
    assert text in str(info.value)


@pytest.mark.parametrize("make", ["zeros", "ones", "empty", "rand", "randn", "eye", "arange", "randperm"])
def test_other_devices_are_refused(make):
    """Everything is on the CPU, and says so rather than pretending; "cpu" and None are welcome."""
    function = getattr(minitorch, make)
    function(2, device="cpu")
    with pytest.raises(RuntimeError, match="CPU"):
        function(2, device="cuda")
    with pytest.raises(RuntimeError, match="CPU"):
        minitorch.tensor(1.0, device="cuda:0")


@pytest.mark.parametrize(
    "convert", [lambda x: x.long(), lambda x: x.bool(), lambda x: x.to(m.uint8), lambda x: x.int()]
)
def test_integers_leave_the_tape(convert):
    """A cast to integers or bools has no gradient; what follows it requires none, and others' gradients are right."""
    x = m.tensor([1.5, 2.5], requires_grad=True)
    assert not convert(x).requires_grad and not (convert(x).float() * 2).requires_grad
    (g,) = m.autograd.grad((convert(x).double() * x).sum(), x)
    assert g.tolist() == convert(x).double().tolist()
