"""Memory shared with others, tensors made of whatever there is, and what can be asked of a tensor."""

from __future__ import annotations

import array
import math
from typing import Any

import numpy as np
import pytest

import minitorch as m

NAN, INF = math.nan, math.inf


class Exporter:
    """Another library's array, as far as DLPack knows it."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    def __dlpack__(self, **settings: Any) -> Any:
        return self.values.__dlpack__(**settings)

    def __dlpack_device__(self) -> tuple:
        return self.values.__dlpack_device__()


def test_bare_capsules_may_be_written_to() -> None:
    """One of before DLPack 1.0 can't say that memory is read-only; later ones can, and are believed."""
    a = np.zeros(3)
    x = m.from_dlpack(a.__dlpack__())
    x[0] = 5.0
    assert a.tolist() == [5, 0, 0] and x.data_ptr() == a.ctypes.data
    del a
    x.add_(1)
    assert x.tolist() == [6, 1, 1]
    kept = np.ones(2)
    m.from_dlpack(kept.__dlpack__(max_version=(1, 0)))[0] = 3.0
    kept.flags.writeable = False
    with pytest.raises(RuntimeError, match="read-only"):
        m.from_dlpack(kept.__dlpack__(max_version=(1, 0)))[0] = 4.0
    assert kept.tolist() == [3, 1]


def test_dlpack_shares_memory_both_ways() -> None:
    """What one writes, the other sees; layouts, dtypes and values are kept."""
    values = np.arange(6.0).reshape(2, 3).T
    x = m.from_dlpack(values)
    x[0, 1] = 9.0
    assert values[0, 1] == 9.0 and x.stride() == (1, 3) and x.dtype is m.float64
    y = m.arange(4)
    seen = np.from_dlpack(y)
    y[2] = 7
    assert seen.tolist() == [0, 1, 7, 3] and y.__dlpack_device__() == (1, 0)
    for dtype in (m.bool, m.uint8, m.int8, m.int16, m.int32, m.int64, m.float16, m.float32, m.float64):
        z = m.ones(3).to(dtype)
        assert m.from_dlpack(z).dtype is dtype and m.from_dlpack(z).data_ptr() == z.data_ptr()
    assert m.utils.dlpack.from_dlpack is m.from_dlpack
    assert m.from_dlpack(Exporter([1.0, 2.0])).tolist() == m.tensor(Exporter([1.0, 2.0])).tolist() == [1.0, 2.0]
    assert m.asarray(Exporter([1, 2])).tolist() == m.as_tensor(Exporter([1, 2])).tolist() == [1, 2]
    copied = m.from_dlpack(values, copy=True)
    copied[0, 0] = 5.0
    assert values[0, 0] == 0.0


def test_dlpack_counts_changes() -> None:
    """A view of an image that stands channels-last stays where the other library sees it."""
    x = m.randn(1, 2, 3, 4).contiguous(memory_format=m.channels_last)
    seen = np.from_dlpack(x)
    x.view(-1)
    x.mul_(0.0)
    assert not seen.any()


def test_dlpack_guards() -> None:
    """No negative strides, no read-only memory, no gradients, no capsule twice."""
    backwards = m.from_numpy(np.arange(4.0)[::-1])
    assert np.from_dlpack(backwards).tolist() == [3.0, 2.0, 1.0, 0.0] and min(np.from_dlpack(backwards).strides) > 0
    fixed = np.arange(2.0)
    fixed.flags.writeable = False
    assert not np.shares_memory(np.from_dlpack(m.from_numpy(fixed)), fixed)
    with pytest.raises(BufferError, match="detach"):
        m.ones(2, requires_grad=True).__dlpack__()
    with pytest.raises(BufferError, match="detach"):
        m.to_dlpack(m.ones(2, requires_grad=True))
    with pytest.raises(BufferError, match="streams"):
        m.ones(2).__dlpack__(stream=1)
    capsule = m.to_dlpack(m.ones(2))
    assert m.from_dlpack(capsule).tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="consumed only once"):
        m.from_dlpack(capsule)
    with pytest.raises(RuntimeError, match="expected an object with __dlpack__"):
        m.from_dlpack([1.0])
    with pytest.raises(TypeError, match="uint16"):
        m.from_dlpack(np.ones(2, np.uint16))


def test_asarray_shares_where_it_can() -> None:
    """Tensors and arrays are shared, unless a copy or another dtype is asked for; lists cannot be."""
    x, a = m.ones(2), np.ones(2)
    assert m.asarray(x) is x and m.asarray(a).data_ptr() == a.ctypes.data
    assert m.asarray(x, copy=True).data_ptr() != x.data_ptr()
    assert m.asarray(a, dtype=m.float32).dtype is m.float32
    assert m.asarray([1, 2], dtype=m.float64).tolist() == [1.0, 2.0] and m.asarray(3.0).shape == ()
    assert m.asarray(bytearray(b"\x01\x00\x00\x00"), dtype=m.int32).tolist() == [1]
    assert m.asarray([1.0], requires_grad=True).requires_grad
    y = m.ones(2, requires_grad=True) + 2
    assert m.asarray(y) is y and m.asarray(y, copy=True).requires_grad and m.asarray(y, requires_grad=True) is y
    assert m.asarray(y, requires_grad=False).data_ptr() == y.data_ptr()
    assert not m.asarray(y, requires_grad=False).requires_grad
    with pytest.raises(ValueError, match="alias arbitrary sequence"):
        m.asarray([1, 2], copy=False)
    with pytest.raises(ValueError, match="alias tensor with dtype"):
        m.asarray(x, dtype=m.float64, copy=False)
    with pytest.raises(RuntimeError, match="floating"):
        m.asarray([1, 2], requires_grad=True)


def test_frombuffer() -> None:
    """Memory of bytearrays, arrays and bytes; what is read-only can't be written to."""
    memory = bytearray(16)
    x = m.frombuffer(memory, dtype=m.int32, count=2, offset=4)
    x[0] = 1
    assert x.shape == (2,) and memory[4] == 1
    assert m.frombuffer(array.array("d", [1.5]), dtype=m.float64).tolist() == [1.5]
    fixed = m.frombuffer(b"\x01\x02", dtype=m.uint8)
    assert fixed.tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="read-only"):
        fixed.fill_(0)
    for settings, words in (
        ({"buffer": bytearray(9)}, "multiple of element size"),
        ({"buffer": bytearray(0)}, "must not be 0"),
        ({"buffer": bytearray(8), "count": 0}, "must not be 0"),
        ({"buffer": bytearray(8), "count": 3}, "must not be greater"),
        ({"buffer": bytearray(8), "offset": 8}, "offset"),
        ({"buffer": 3}, "buffer protocol"),
    ):
        with pytest.raises(ValueError, match=words):
            m.frombuffer(**settings, dtype=m.int32)


MADE: list[tuple[str, Any]] = [
    ("m.scalar_tensor(3)", 3.0),
    ("m.scalar_tensor(True, dtype=m.int32)", 1),
    ("m.logspace(0, 2, 3)", [1.0, 10.0, 100.0]),
    ("m.logspace(0, 2, 3, base=2, dtype=m.int32)", [1, 2, 4]),
    ("m.logspace(1, 1, 1)", [10.0]),
    ("m.empty_strided((2, 3), (1, 2)).stride()", (1, 2)),
    ("m.empty_strided((0, 3), (5, 7)).shape", (0, 3)),
    ("m.randint_like(m.ones(3), 4, 5)", [4.0, 4.0, 4.0]),
    ("m.randint_like(m.ones(2, dtype=m.int16), 1).dtype", m.int16),
    ("x.new_zeros((2,), dtype=m.int8)", [0, 0]),
    ("x.new_ones(2, 1)", [[1.0], [1.0]]),
    ("x.new_full((2,), 3)", [3.0, 3.0]),
    ("x.new_full((1,), m.tensor(2.5))", [2.5]),
    ("x.new_empty((2, 3)).shape, x.new_empty(size=(1,)).shape", ((2, 3), (1,))),
    ("x.new_tensor([1, 2])", [1.0, 2.0]),
    ("x.new(3).shape, x.new([1, 2]).tolist()", ((3,), [1.0, 2.0])),
    ("m.ones(2, dtype=m.int64).new([1.5])", [1]),
    ("m.numel(x), x.numel(), x.nelement()", (6, 6, 6)),
    ("m.is_floating_point(x), m.is_complex(x), m.is_signed(x), m.is_tensor(x)", (True, False, True, True)),
    ("x.byte().is_signed(), x.char().is_signed(), x.bool().is_floating_point()", (False, True, False)),
    ("m.is_nonzero(m.ones(1)), m.zeros(()).is_nonzero()", (True, False)),
    ("m.is_same_size(x, x), x.is_same_size(m.ones(2)), x.is_set_to(x), x.is_set_to(x[:1])", (True, False, True, False)),
    ("x.itemsize, x.half().itemsize, x.ndimension(), x.nbytes", (4, 2, 2, 24)),
    ("x.storage_offset(), x[1].storage_offset(), x[:, 1:].storage_offset(), x.t()[1:].storage_offset()", (0, 3, 1, 1)),
    ("x[1].untyped_storage().data_ptr() == x.data_ptr(), x.untyped_storage().nbytes()", (True, 24)),
    ("x.is_shared(), x.is_pinned()", (False, False)),
    ("m.ones(2).apply_(lambda v: v + 1)", [2.0, 2.0]),
    ("m.ones(2).map_(m.tensor([2.0, 3.0]), lambda a, b: a + b)", [3.0, 4.0]),
    ("m.tensor([1, 2, 3]).resize_(2)", [1, 2]),
    ("m.tensor([1, 2]).resize_(3).shape", (3,)),
    ("m.tensor([[1, 2], [3, 4]]).resize_((4,))", [1, 2, 3, 4]),
    ("m.tensor([1, 2]).resize_as_(m.ones(1, 2))", [[1, 2]]),
    ("m.nan != m.nan, m.inf, round(m.pi, 5), round(m.e, 5), m.newaxis", (True, INF, 3.14159, 2.71828, None)),
    ("x[m.newaxis].shape", (1, 2, 3)),
    (
        "m.finfo(m.float32).eps, m.finfo(m.float16).max, m.finfo().dtype, m.finfo('float64').bits",
        (2.0**-23, 65504.0, "float32", 64),
    ),
    (
        "m.finfo(m.float32).tiny, m.iinfo(m.int8).min, m.iinfo(m.int16).max, m.iinfo(m.uint8).bits",
        (2.0**-126, -128, 32767, 8),
    ),
]


@pytest.mark.parametrize(("call", "expected"), MADE, ids=[call for call, _ in MADE])
def test_small_things(call: str, expected: Any) -> None:
    """Each gives what it says."""
    found = eval(call, {"m": m, "x": m.arange(6.0).reshape(2, 3)})
    assert (found.tolist() if isinstance(found, m.Tensor) else found) == expected


REFUSED: list[tuple[str, type[Exception], str]] = [
    ("m.empty_strided((2, 3), (1,))", RuntimeError, "dimensionality"),
    ("m.empty_strided((2,), (-1,))", RuntimeError, "strides"),
    ("m.logspace(0, 2, -1)", RuntimeError, "non-negative"),
    ("m.is_nonzero(m.ones(2))", RuntimeError, "ambiguous"),
    ("m.is_floating_point(3)", TypeError, "must be a Tensor"),
    ("m.is_same_size(m.ones(1), 3)", TypeError, "must be a Tensor"),
    ("m.ones(2, requires_grad=True).apply_(abs)", RuntimeError, "requires grad"),
    ("m.ones(2, requires_grad=True).resize_(3)", RuntimeError, "require grad"),
    ("m.ones(2)[:1].resize_(2)", RuntimeError, "view"),
    ("m.ones(2).resize_()", TypeError, "size"),
    ("m.ones(2).resize_(-1)", RuntimeError, "negative"),
    ("m.ones(2).as_subclass(int)", TypeError, "inherit from Tensor"),
    ("m.finfo(m.int32)", TypeError, "floating point"),
    ("m.iinfo(m.float32)", TypeError, "integer"),
    ("m.scalar_tensor('a')", TypeError, "number"),
]


@pytest.mark.parametrize(("call", "kind", "words"), REFUSED, ids=[call for call, _, _ in REFUSED])
def test_refused(call: str, kind: type[Exception], words: str) -> None:
    """PyTorch's classes."""
    with pytest.raises(kind, match=words):
        eval(call, {"m": m})


def test_range_is_deprecated() -> None:
    """It includes its end, and warns, as PyTorch's does."""
    with pytest.warns(UserWarning, match="deprecated"):
        assert m.range(1, 2, 0.5).tolist() == [1.0, 1.5, 2.0]
    with pytest.warns(UserWarning), pytest.raises(RuntimeError, match="nonzero"):
        m.range(0, 4, 0)


def test_a_subclass_keeps_memory_and_history() -> None:
    """as_subclass is on the tape."""

    class Named(m.Tensor):
        """A tensor with a name."""

    x = m.ones(2, requires_grad=True)
    y = (x * 2).as_subclass(Named)
    assert type(y) is Named
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    z = m.ones(2)
    z.as_subclass(Named).zero_()
    assert z.tolist() == [0.0, 0.0]


CLOSE: list[tuple[Any, Any, dict, str]] = [
    (
        m.ones(2),
        m.tensor([1.0, 2.0]),
        {},
        r"Mismatched elements: 1 / 2 \(50.0%\)\nGreatest absolute difference: 1.0 at",
    ),
    (m.ones(2), m.ones(3), {}, "'shape' do not match"),
    (m.ones(2), m.ones(2).double(), {}, "'dtype' do not match"),
    (m.ones(2).long(), m.tensor([1, 3]), {}, "not equal"),
    (1.0, 1.5, {}, "Expected 1.5 but got 1.0"),
    (1, 2, {}, "Scalars are not equal"),
    (True, False, {}, "Booleans mismatch"),
    (1.0, 1, {}, "types do not match"),
    ([1.0, m.ones(1)], [1.0, m.zeros(1)], {}, r"item \[1\]"),
    ([1.0], [1.0, 2.0], {}, "length of the sequences"),
    ({"a": 1.0}, {"b": 1.0}, {}, "Missing keys in the actual mapping: \\['b'\\]"),
    ({"a": [1.0]}, {"a": [2.0]}, {}, r"item \['a'\]\[0\]"),
    (np.ones(2), np.zeros(2), {}, "2 / 2"),
    (m.tensor([NAN]), m.tensor([NAN]), {}, "nan"),
    (m.ones(2), m.tensor([1.0, INF]), {}, "inf"),
    (m.ones(()), m.zeros(()), {}, "Scalars are not close"),
    (m.ones(2), m.tensor([1.0, 1.6]), {"rtol": 0.0, "atol": 0.5}, "up to 0.5 allowed"),
    (m.ones(2), m.zeros(2), {"msg": "mine"}, "^mine$"),
    (m.ones(2), m.zeros(2), {"msg": lambda text: "so: " + text}, "^so: Tensor-likes"),
    (m.ones(2, 3).t(), m.ones(3, 2), {"check_stride": True}, "stride"),
]


@pytest.mark.parametrize(("actual", "expected", "settings", "words"), CLOSE, ids=[str(i) for i in range(len(CLOSE))])
def test_what_is_not_close(actual: Any, expected: Any, settings: dict, words: str) -> None:
    """An AssertionError says where, and by how much."""
    with pytest.raises(AssertionError, match=words):
        m.testing.assert_close(actual, expected, **settings)


def test_what_is_close() -> None:
    """Within PyTorch's tolerances, by dtype; nested; NaN if asked."""
    close = m.testing.assert_close
    close(m.ones(2), m.tensor([1.0, 1.0 + 1e-6]))
    close(m.ones(2).half(), m.tensor([1.0, 1.0009]).half())
    close({"a": [m.ones(1), None, 1, True]}, {"a": (m.ones(1), None, 1, True)})
    close(m.ones(2), m.ones(2).double(), check_dtype=False)
    close(m.tensor([NAN, INF]), m.tensor([NAN, INF]), equal_nan=True)
    close(m.ones(2), m.tensor([1.0, 1.4]), rtol=0.0, atol=0.5)
    with pytest.raises(AssertionError):
        close(m.ones(2).double(), m.tensor([1.0, 1.0 + 1e-6]).double())
    with pytest.raises(ValueError, match="got no atol"):
        close(1.0, 1.0, rtol=1.0)
    for pair in ((1.0, m.tensor(1.0)), (np.ones(2), m.ones(2)), ("a", "a")):
        with pytest.raises(TypeError, match="No comparison pair"):
            close(*pair)


def test_make_tensor() -> None:
    """Random numbers within bounds, of any dtype, order and grad."""
    make = m.testing.make_tensor
    x = make((20, 30), dtype=m.float32, device="cpu", low=-1, high=2, requires_grad=True)
    assert x.requires_grad and x.shape == (20, 30) and -1 <= x.min().item() < 0 < x.max().item() < 2
    assert set(make(50, dtype=m.int64, device="cpu", low=1, high=3).tolist()) == {1, 2}
    assert not make(4, 4, dtype=m.float64, noncontiguous=True).is_contiguous()
    assert (make(300, dtype=m.uint8, low=0, high=2, exclude_zero=True) == 1).all()
    assert make((), dtype=m.bool).dtype is m.bool
    with pytest.raises(ValueError, match="less than"):
        make(2, dtype=m.float32, low=2, high=2)
    with pytest.raises(ValueError, match="requires_grad"):
        make(2, dtype=m.int32, requires_grad=True)
