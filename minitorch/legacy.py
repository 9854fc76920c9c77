"""`FloatTensor` and the other names that PyTorch once gave to tensors of one dtype."""

from __future__ import annotations

from typing import Any

from . import devices, dtypes
from .autograd.tape import wrap
from .tensor import Tensor, built

__all__ = [d.type_name for d in (*dtypes.ALL, dtypes.bfloat16)]


class _Type(type):
    """The class of `FloatTensor`: calling it makes a tensor; its instances are the tensors of its dtype."""

    of_elements: dtypes.dtype

    def __call__(cls, *data: Any, device: Any = None) -> Any:
        devices.check(device)
        return wrap(built(cls.of_elements, data))

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.of_elements

    @property
    def dtype(cls) -> dtypes.dtype:
        """The element type."""
        return cls.of_elements


def _type(d: dtypes.dtype) -> _Type:
    doc = f"Makes a tensor of {d} from data, or of sizes; `isinstance` holds for all of them. Use `tensor` in new code."
    return _Type(d.type_name, (), {"of_elements": d, "__doc__": doc, "__module__": "minitorch"})


BoolTensor, ByteTensor, CharTensor, ShortTensor = map(_type, (dtypes.bool_, dtypes.uint8, dtypes.int8, dtypes.int16))
IntTensor, LongTensor = _type(dtypes.int32), _type(dtypes.int64)
HalfTensor, FloatTensor, DoubleTensor = map(_type, (dtypes.float16, dtypes.float32, dtypes.float64))
BFloat16Tensor = _type(dtypes.bfloat16)
