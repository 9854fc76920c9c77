"""Tensors as users meet them: making, promoting, indexing, printing, NumPy on either side, reductions, wrong calls."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest

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
        (
            lambda: m.ones(3).half().view(m.float32),
            RuntimeError,
            "size(-1) must be divisible by 2 to view Half as Float",
        ),
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
