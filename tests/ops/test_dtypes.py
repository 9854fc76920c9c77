"""Numbers that a dtype cannot hold, NumPy's other dtypes, probabilities, the dtypes of gradients."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest

import minitorch as mt
from minitorch.utils import data

INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (2**31, "int32"),
        (-(2**31) - 1, "int32"),
        (1e30, "int64"),
        (9.3e18, "int64"),
        (NAN, "int64"),
        (INF, "int32"),
        (-INF, "uint8"),
        (256, "uint8"),
        (-256, "uint8"),
    ],
)
def test_an_integer_dtype_refuses_what_it_cannot_hold(value, dtype):
    """However the number comes in, and nothing changes."""
    to = getattr(mt, dtype)
    x = mt.ones(2, dtype=to)
    yes = mt.tensor([True, False])

    def put():
        x[0] = value

    ways = [
        lambda: mt.tensor([0, value], dtype=to),
        lambda: mt.tensor(np.array([value]), dtype=to),
        lambda: mt.tensor(mt.tensor([value], dtype=mt.float64), dtype=to),
        lambda: mt.as_tensor([value], dtype=to),
        lambda: mt.full((2,), value, dtype=to),
        lambda: mt.full_like(x, value),
        lambda: x.new_tensor([value]),
        lambda: x.fill_(value),
        put,
        lambda: x.masked_fill(yes, value),
        lambda: mt.linspace(0, value, 2, dtype=to),
    ]
    for way in ways:
        with pytest.raises(RuntimeError, match=f"cannot be converted to type {dtype} without overflow"):
            way()
    assert x.tolist() == [1, 1]


def test_numbers_at_the_edge_fit():
    """The extremes of a dtype, fractions towards 0, and what uint8 takes modulo 256."""
    assert mt.tensor([2**31 - 1, -(2**31)], dtype=mt.int32).tolist() == [2**31 - 1, -(2**31)]
    assert mt.tensor([-(2**63), 2**63 - 1]).tolist() == [-(2**63), 2**63 - 1]
    assert mt.tensor([1.9, -1.9], dtype=mt.int64).tolist() == [1, -1]
    assert mt.tensor([-1, -255, 255], dtype=mt.uint8).tolist() == [255, 1, 255]
    assert mt.tensor([-1.5], dtype=mt.uint8).tolist() == [255]
    assert mt.full((1,), -1, dtype=mt.uint8).tolist() == [255]
    assert mt.tensor([NAN, 0.0], dtype=mt.bool).tolist() == [True, False]
    assert mt.tensor([2**70], dtype=mt.float64).tolist() == [2.0**70]
    assert mt.tensor([1e300]).tolist() == [INF]


def test_python_integers_beyond_int64_are_refused():
    """Where no dtype is given, too."""
    for value in (2**63, 2**64, -(2**63) - 1):
        with pytest.raises(RuntimeError, match="type int64 without overflow"):
            mt.tensor([value])


def test_choices_between_integers_and_numbers_check_the_number():
    """where and clamp store the number among integers; comparisons only look at it."""
    x, yes = mt.zeros(2, dtype=mt.int32), mt.tensor([True, False])
    for call in (lambda: mt.where(yes, x, 2**31), lambda: mt.where(yes, 2**31, x), lambda: x.clamp(max=2**31)):
        with pytest.raises(RuntimeError, match="int32 without overflow"):
            call()
    assert (mt.tensor([44], dtype=mt.uint8) == 300).tolist() == [False]


def test_a_finite_number_that_float32_cannot_hold_is_no_filling():
    """fill_, x[0] = 1e300 and full refuse it; infinity itself is fine."""
    x = mt.zeros(2)
    with pytest.raises(RuntimeError, match="float32 without overflow"):
        x.fill_(1e300)
    with pytest.raises(RuntimeError, match="float32 without overflow"):
        x[0] = -1e300
    assert x.fill_(INF).tolist() == [INF, INF]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("float16", "float16"), ("int8", "int8"), ("int16", "int16"), ("uint16", "int32"), ("uint32", "int64")],
)
def test_arrays_keep_their_dtype_or_get_the_next_wider(given, kept):
    """Their extremes survive, in tensors, batches and beside tensors."""
    info = np.finfo(given) if given == "float16" else np.iinfo(given)
    array = np.array([info.min, info.max], given)
    wanted = getattr(mt, kept)
    for x in (
        mt.tensor(array),
        mt.as_tensor(array),
        mt.tensor([array])[0],
        data.default_collate([array])[0],
        data.default_convert([array])[0],
    ):
        assert (x.dtype, x.tolist()) == (wanted, [info.min, info.max])
    assert (mt.zeros(2, dtype=mt.float64) + array).tolist() == [info.min, info.max]
    if given == kept:
        assert mt.from_numpy(array).dtype is wanted
    else:
        with pytest.raises(TypeError, match="dtype="):
            mt.from_numpy(array)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("x + 1000", 233),
        ("1000 - x", 231),
        ("x * -1", 255),
        ("x - 1000", 25),
        ("x & 511", 1),
        ("x // 300", 0),
        ("x % 300", 1),
        ("x + 2**40", 1),
        ("x == 257", 0),
        ("x < 1000", 1),
    ],
)
def test_ints_beyond_an_integer_dtype_wrap_in_arithmetic(call, expected):
    """Arithmetic takes the lowest bits, as PyTorch's does; comparisons only look at the number."""
    assert int(eval(call, {"x": mt.tensor(1, dtype=mt.uint8)})) == expected


def test_an_exponent_does_not_wrap():
    """PyTorch's error."""
    with pytest.raises(RuntimeError, match="without overflow: 300"):
        mt.tensor([2], dtype=mt.uint8) ** 300


@pytest.mark.parametrize("dtype", ["uint64", "complex64", "longdouble"])
def test_arrays_no_dtype_can_hold_are_refused_with_what_to_do(dtype):
    """The error names dtype=."""
    with pytest.raises(TypeError, match="dtype="):
        mt.tensor(np.ones(2, dtype))


def test_a_batch_of_mixed_kinds_says_which():
    """A tensor beside an array, a number beside text."""
    for batch in ([mt.ones(2), np.zeros(2)], [np.zeros(2), mt.ones(2)], [1, "a"], [{"a": 1}, [1]]):
        with pytest.raises(TypeError, match="need one type in each place"):
            data.default_collate(batch)
    assert data.default_collate([1, 2.5]).tolist() == [1, 2.5]
    assert data.default_collate([np.int64(1), np.array(2)]).tolist() == [1, 2]


@pytest.mark.parametrize("p", [1.5, -0.1, NAN, INF])
def test_probabilities_outside_0_to_1_are_refused(p):
    """bernoulli in each of its forms."""
    x = mt.ones(2)
    for call in (
        lambda: mt.bernoulli(mt.tensor([0.5, p])),
        lambda: mt.bernoulli(x, p),
        lambda: x.bernoulli_(p),
        lambda: x.bernoulli_(mt.tensor([0.5, p])),
    ):
        with pytest.raises(RuntimeError, match=r"in \[0, 1\]"):
            call()
    assert x.tolist() == [1, 1]


def test_bernoulli_takes_probabilities_of_each_element():
    """As a tensor, and a number for all."""
    assert mt.zeros(2).bernoulli_(mt.tensor([1.0, 0.0])).tolist() == [1, 0]
    assert mt.bernoulli(mt.zeros(3), 1.0).tolist() == [1, 1, 1]


def test_draws_that_make_no_sense_are_refused():
    """No probability at all, a deviation or bounds that are no number, integers beyond the dtype."""
    for call in (
        lambda: mt.multinomial(mt.zeros(2), 1),
        lambda: mt.normal(0.0, NAN, (2,)),
        lambda: mt.zeros(2).normal_(0, NAN),
        lambda: mt.zeros(2).uniform_(NAN, 1),
        lambda: mt.zeros(2).uniform_(0, INF),
        lambda: mt.randint(0, 257, (2,), dtype=mt.uint8),
        lambda: mt.randint(2**31, 2**32, (2,), dtype=mt.int32),
    ):
        with pytest.raises(RuntimeError):
            call()
    assert mt.randint(255, 256, (2,), dtype=mt.uint8).tolist() == [255, 255]


@pytest.mark.parametrize("leaf", [True, False])
@pytest.mark.parametrize("create_graph", [True, False])
def test_a_hook_must_keep_the_dtype(leaf, create_graph):
    """No float64 gradient ends at a float32 leaf; no gradient is changed by the failed pass."""
    x = mt.ones(2, requires_grad=True)
    y = x * 1
    handle = (x if leaf else y).register_hook(lambda g: g.double())
    with pytest.raises(RuntimeError, match="changed the type of value"):
        y.sum().backward(create_graph=create_graph)
    assert x.grad is None
    handle.remove()
    x.register_hook(lambda g: 3.0)
    with pytest.raises(TypeError, match="must return a Tensor"):
        (x * 1).sum().backward()


# A letter for each dtype, in this order; a row for the one, a column for the other: PyTorch's promote_types, written out.
LETTERS = {
    "b": "bool",
    "u": "uint8",
    "c": "int8",
    "s": "int16",
    "i": "int32",
    "l": "int64",
    "h": "float16",
    "f": "float32",
    "d": "float64",
}
MEET = [
    "bucsilhfd",
    "uussilhfd",
    "cscsilhfd",
    "ssssilhfd",
    "iiiiilhfd",
    "llllllhfd",
    "hhhhhhhfd",
    "ffffffffd",
    "ddddddddd",
]


def test_dtypes_meet_as_in_pytorch_s_table():
    """Of two tensors with dimensions, by `promote_types` and by an op; the category decides against a number."""
    for row, a in zip(MEET, LETTERS.values(), strict=True):
        for letter, b in zip(row, LETTERS.values(), strict=True):
            one, other, wanted = (getattr(mt, name) for name in (a, b, LETTERS[letter]))
            assert mt.promote_types(one, other) is wanted
            assert (mt.ones(2, dtype=one) * mt.ones(2, dtype=other)).dtype is wanted
            assert mt.can_cast(one, other) is (a == "bool" or b[:5] == "float" or (a[:5] != "float" and b != "bool"))
    for name in LETTERS.values():
        x = mt.ones(2, dtype=getattr(mt, name))
        assert mt.result_type(x, 1.5) is (x.dtype if name[:5] == "float" else mt.float32)
        assert mt.result_type(x, 3) is (mt.int64 if name == "bool" else x.dtype)
        assert mt.result_type(x, mt.tensor(1.5, dtype=mt.float64)) is (x.dtype if name[:5] == "float" else mt.float64)
    assert mt.result_type(1, 2.5) is mt.float32 and mt.result_type(True, 2) is mt.int64


def test_small_dtypes_compute():
    """int8, int16 and float16 wrap, add up and convert as PyTorch's do."""
    x = mt.tensor([100, 100, -128], dtype=mt.int8)
    assert (x + x).tolist() == [-56, -56, 0] and x.sum().dtype is mt.int64 and x.sum().item() == 72
    assert x.sum(dtype=mt.int8).item() == 72 and mt.tensor([100, 100], dtype=mt.int8).sum(dtype=mt.int8).item() == -56
    half = mt.ones(4096, dtype=mt.float16)
    assert half.sum().dtype is mt.float16 and half.sum().item() == 4096.0
    assert mt.tensor([70000.0]).half().tolist() == [INF] and mt.tensor([0.1]).half().float().item() == 0.0999755859375
    assert repr(mt.tensor([1.5], dtype=mt.float16)) == "tensor([1.5000], dtype=minitorch.float16)"
    with pytest.raises(RuntimeError, match="int8 without overflow"):
        mt.tensor([128], dtype=mt.int8)
    for call in ("1 - m", "m - 1", "x - m", "m - x", "m - True"):
        with pytest.raises(RuntimeError, match="with a bool tensor is not supported"):
            eval(call, {"m": mt.tensor([True]), "x": mt.ones(1)})


def test_bfloat16_without_ml_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts may name it, compare with it and ask for its limits; the error for a tensor says what to install."""
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    monkeypatch.setattr(mt.dtypes, "narrow", [])
    monkeypatch.delitem(vars(mt.bfloat16), "numpy", raising=False)
    mt.dtypes.promoted.cache_clear()
    b = mt.bfloat16
    assert repr(b) == "minitorch.bfloat16" and b.itemsize == 2 and b.is_floating_point and b != mt.float16
    assert pickle.loads(pickle.dumps(b)) is b and mt.ones(1).dtype != b
    limits = mt.finfo(b)
    assert limits.eps == 2**-7 and limits.max == -limits.min == float.fromhex("0x1.fep127") and limits.bits == 16
    assert limits.tiny == 2**-126 and "dtype=bfloat16" in repr(limits)
    with mt.autocast("cpu", dtype=b):
        assert mt.ones(2).dtype is mt.float32
    calls = [
        lambda: mt.zeros(2, dtype=b),
        lambda: mt.tensor(1.0, dtype="bfloat16"),
        lambda: mt.ones(2).to(b),
        lambda: mt.ones(2).bfloat16(),
        lambda: mt.nn.Linear(1, 1).bfloat16(),
        lambda: mt.set_default_dtype(b),
        lambda: mt.ones(2).sum(dtype=b),
        lambda: mt.promote_types(b, mt.float32),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="no tensor of dtype minitorch.bfloat16 without .* pip install ml_dtypes"):
            call()
    assert mt.get_default_dtype() is mt.float32
