"""What can be asked of tensors under names of the package, too, and memory formats: how elements follow each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import devices, dtypes, kernels
from ..autograd import Variable, primitive
from ..autograd.inplace import assign
from ..autograd.tape import wrap
from ..dtypes import FLOATS
from .dims import check_size, no_tensor, sizes
from .layout import order_of, ordered_back
from .names import public
from .promotion import operand
from .shape import transpose


def order_in(memory_format: devices.memory_format, ndim: int) -> tuple[int, ...]:
    """The axes as they follow each other in memory, outermost first."""
    return (0, *range(2, ndim), 1) if memory_format.ndim else tuple(range(ndim))


def is_in_format(array: np.ndarray, memory_format: Any = None) -> bool:
    """Whether memory is in the order of a memory format, by default row-major."""
    ndim = getattr(memory_format, "ndim", None)
    devices.check_format(memory_format, ndim or 0)
    if ndim is None:
        return array.flags.c_contiguous
    return array.ndim == ndim and array.transpose(order_in(memory_format, ndim)).flags.c_contiguous


@primitive
def rearranged(x: np.ndarray, *, order: tuple) -> np.ndarray:
    """A copy of x whose axes follow each other in memory in this order."""
    out = ordered_back(kernels.empty(x.shape, x.dtype), x.shape, order)
    kernels.fill(out, x)
    return out


rearranged.vjp(x=lambda g: g)


def in_format(x: Any, memory_format: Any) -> Any:
    """x itself if memory is in the order of a memory format, else a copy that is."""
    chosen = devices.check_format(memory_format, x.array.ndim)
    if chosen is devices.preserve_format or is_in_format(x.array, chosen):
        return x
    return rearranged(x, order=order_in(chosen, x.array.ndim))


# ------------------------------------------------------------------------------------------------------ questions
def _about(x: Any, name: str) -> Any:
    """What has the shape and dtype of a tensor."""
    if not isinstance(x, Variable):
        raise no_tensor(name, "input", x)
    return x.outline


@public("numel")
def numel(input: Any) -> int:
    """The number of elements."""
    return math.prod(_about(input, "numel").shape)


@public("is_floating_point")
def is_floating_point(input: Any) -> bool:
    """Whether elements are floats."""
    return _about(input, "is_floating_point").dtype.kind in FLOATS


@public("is_complex")
def is_complex(input: Any) -> bool:
    """False: there are no complex tensors."""
    return _about(input, "is_complex").dtype.kind == "c"


@public("is_signed")
def is_signed(input: Any) -> bool:
    """Whether the dtype has negative numbers."""
    return _about(input, "is_signed").dtype.kind in "ifV"


@public("is_nonzero")
def is_nonzero(input: Any) -> bool:
    """Whether the only element is not zero. Raises RuntimeError if there are several, or none."""
    _about(input, "is_nonzero")
    return bool(input)


@public("is_same_size")
def is_same_size(input: Any, other: Any) -> bool:
    """Whether two tensors have one shape."""
    return _about(input, "is_same_size").shape == _about(other, "is_same_size").shape


@public("is_set_to", on="T")
def is_set_to(x: Any, tensor: Any) -> bool:
    """Whether two tensors are the same memory, seen in the same way."""
    a, b = _about(x, "is_set_to"), _about(tensor, "is_set_to")
    return (a.shape, a.dtype, x.array.strides, x.data_ptr()) == (
        b.shape,
        b.dtype,
        tensor.array.strides,
        tensor.data_ptr(),
    )


@public("is_conj is_neg")
def is_conj(input: Any) -> bool:
    """False: numbers are real, and stand in memory as they are."""
    _about(input, "is_conj")
    return False


@public("is_inference", on="t")
def is_inference(input: Any) -> bool:
    """Whether the tensor was made in inference mode."""
    _about(input, "is_inference")
    return input.is_inference()


@public("get_device", on="t")
def get_device(input: Any) -> int:
    """-1, the number of the CPU."""
    _about(input, "get_device")
    return -1


@public("dim_order", on="T")
def dim_order(x: Any, *, ambiguity_check: Any = False) -> tuple[int, ...]:
    """The axes as they follow each other in memory, outermost first."""
    return tuple(order_of(x.array))


@public("fill", on="t")
def fill(input: Any, value: Any) -> Any:
    """A tensor like input with `value`, a number or a tensor without axes, everywhere."""
    _about(input, "fill")
    return input.clone().fill_(value)


@public("conj conj_physical resolve_conj resolve_neg")
def conj(input: Any) -> Any:
    """input itself: numbers are real."""
    _about(input, "conj")
    return input


@public("real", on="t")
def real(input: Any) -> Any:
    """input itself: numbers are real."""
    return conj(input)


@public("adjoint")
def adjoint(input: Any) -> Any:
    """The last two axes exchanged."""
    _about(input, "adjoint")
    return transpose(input, -2, -1)


@public("clone", on="t")
def clone(input: Any, *, memory_format: Any = None) -> Any:
    """A copy, on the tape."""
    return input.clone(memory_format=memory_format)


@public("detach", on="t")
def detach(input: Any) -> Any:
    """The same memory, not on the tape."""
    return input.detach()


@public("result_type", on="t")
def result_type(tensor: Any, other: Any) -> Any:
    """The dtype in which two tensors or numbers meet.

    >>> import minitorch
    >>> minitorch.result_type(minitorch.tensor([1, 2]), 1.5)
    minitorch.float32
    """
    return dtypes.as_dtype(
        dtypes.meet(*(x.outline if isinstance(x, Variable) else operand(x) for x in (tensor, other)))
    )


# ------------------------------------------------------------------------------------------------ element by element
def _to_call(x: Any, name: str) -> Any:
    if x.requires_grad:
        raise RuntimeError(f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead.")
    return x.array


@public("apply_", on="T")
def apply_(x: Any, callable: Callable) -> Any:
    """Replace every element by `callable(element)`, a Python function of numbers: slow. Returns x."""
    array = _to_call(x, "apply_")
    found = np.fromiter((callable(v) for v in array.ravel().tolist()), array.dtype, array.size)
    return assign(x, wrap(found.reshape(array.shape)))


@public("map_", on="T")
def map_(x: Any, tensor: Any, callable: Callable) -> Any:
    """Replace every element by `callable(element, that of the other tensor)`: slow. Returns x."""
    array = _to_call(x, "map_")
    if not isinstance(tensor, Variable):
        raise no_tensor("map_", "tensor", tensor)
    other = np.broadcast_to(tensor.array, array.shape)
    pairs = zip(array.ravel().tolist(), other.ravel().tolist(), strict=True)
    return assign(
        x, wrap(np.fromiter((callable(a, b) for a, b in pairs), array.dtype, array.size).reshape(array.shape))
    )


@public("map2_", on="T")
def map2_(x: Any, tensor1: Any, tensor2: Any, callable: Callable) -> Any:
    """Replace every element by `callable(element, those of two other tensors)`: slow. Returns x."""
    array = _to_call(x, "map2_")
    lines = [np.broadcast_to(v.array, array.shape).ravel().tolist() for v in (x, tensor1, tensor2)]
    found = np.fromiter((callable(*row) for row in zip(*lines, strict=True)), array.dtype, array.size)
    return assign(x, wrap(found.reshape(array.shape)))


# ------------------------------------------------------------------------------------------------------ other sizes
@public("resize_", on="T")
def resize_(x: Any, *shape: Any, memory_format: Any = None) -> Any:
    """Give x another shape: its first elements in row-major order stay, new ones are 0. Returns x.

    In new memory where the number of elements changes, so views keep the old. Raises RuntimeError for a view, or where
    gradients flow.
    """
    if not shape:
        raise TypeError('resize_() missing 1 required positional arguments: "size"')
    wanted = check_size(sizes(shape), x.outline.dtype.itemsize)
    return _resized(x, wanted)


@public("resize_as_", on="T t")
def resize_as_(input: Any, the_template: Any, *, memory_format: Any = None) -> Any:
    """`resize_` to the shape of another tensor."""
    return _resized(input, _about(the_template, "resize_as_").shape)


def _resized(x: Any, shape: Sequence[int]) -> Any:
    if x.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    if x.base is not None:
        raise RuntimeError("cannot resize a view; clone() it first")
    if x.array.shape != tuple(shape):
        array = np.zeros(math.prod(shape), x.array.dtype)
        kept = x.array.ravel()[: array.size]
        array[: kept.size] = kept
        x.array = array.reshape(shape)
        x.share(wrap(x.array))
    return x
