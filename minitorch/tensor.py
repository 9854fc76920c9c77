"""Tensor: an ndarray, a gradient, a place on the tape; its operators call primitives."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import devices, dtypes, missing, printing, surface
from .autograd import Variable, is_grad_enabled, is_inference_mode_enabled, tape
from .autograd.inplace import assign, is_copied
from .autograd.quiet import quietly
from .autograd.tape import RemovableHandle
from .drawing import Draws
from .dtypes import FLOATS
from .facts import Facts, Size
from .ops import index as indexing
from .ops import join, linalg, place, promotion
from .ops import shape as shaping
from .ops.dims import check_size, flag, no_tensor, sizes

if TYPE_CHECKING:
    from ._surface import Methods
else:
    Methods = object  # surface.py attaches the methods


class Tensor(Draws, Facts, Methods):
    """An n-dimensional array on the tape. Make one with `minitorch.tensor`, `zeros`, `randn`, ...

    Logical shapes are PyTorch's; memory may stand in another order (images are channels-last), which only `stride()`
    shows. `.array` is the NumPy array inside.
    """

    __hash__ = object.__hash__
    __array_priority__ = 1000

    def __init__(self, *data: Any, **settings: Any) -> None:
        if "array" in self.__dict__:  # `autograd.Variable(tensor)` has made it
            return
        if settings.pop("device", None) is not None or settings:
            raise TypeError(f"Tensor() takes data or sizes, but got {', '.join(settings) or 'a device'}; use tensor()")
        self.array = built(dtypes.get_default_dtype(), data)

    def __getattr__(self, name: str) -> Any:
        """What is not there is explained, in the AttributeError."""
        try:
            return Variable.__getattr__(self, name)
        except AttributeError as error:
            if name == "array" or name.startswith("_"):
                raise
            raise AttributeError(missing.answer(name, str(error)), name=name, obj=self) from None

    # ---------------------------------------------------------------------------------------- its place on the tape

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor."""
        return self._requires_grad or self.node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for gradients, or no longer; returns self. Raises RuntimeError for integers and for non-leaves."""
        flag(requires_grad, "requires_grad")
        if requires_grad and self.outline.dtype.kind not in FLOATS:
            raise RuntimeError(
                f"only Tensors of floating point dtype can require gradients; this one is {self.dtype}: "
                "make it float first, tensor.float().requires_grad_()"
            )
        if self.node is not None:
            if requires_grad:
                return self
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in "
                "a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        if requires_grad and self._inference and not is_inference_mode_enabled():
            raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
        self._requires_grad = bool(requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether the tensor was made by the user, not by a recorded operation."""
        return self.node is None

    @property
    def grad_fn(self) -> Any:
        """The node that made this tensor, one for all outputs of a Function, or None."""
        node = self.node
        return node and node.whole[0]

    def backward(
        self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
    ) -> None:
        """Add the gradients of this tensor to the `.grad` of the leaves it was made from.

        gradient: the gradient of this tensor, of its shape; not needed for a scalar. Raises RuntimeError for a
        non-scalar without it, for a tensor that is not on the tape, and for a second time without `retain_graph`.

        >>> import minitorch
        >>> x = minitorch.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.])
        """
        tape.backward(self, gradient, retain_graph, create_graph, inputs)

    def detach(self) -> Tensor:
        """The same memory, not on the tape."""
        out = tape.wrap(self.array)
        out.share(self)
        return out

    def detach_(self) -> Tensor:
        """Take this tensor off the tape; returns self."""
        if self.base is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        if self.node is not None:  # what was computed from it would lose the way to where it came from
            self.version.count += 1
            kept = self.node.kept or {}
            kept.update(
                {
                    name: item._replace(expected=item.expected + 1)
                    for name, item in kept.items()
                    if type(item) is tape.Kept and item.edge is tape.SELF
                }
            )
        self._node, self._requires_grad = None, False
        return self

    @property
    def data(self) -> Tensor:
        """The same memory as a tensor off the tape; assign to replace the memory."""
        out = tape.wrap(self.array)
        out.share(self, tape.Version(self.version))
        return out

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if self.requires_grad and value.outline.dtype.kind not in FLOATS:
            raise RuntimeError("data set to a tensor that requires gradients must be floating point or complex dtype")
        version = tape.Version(value.version)
        version.count = self.version.count
        self.array = value.array
        self.share(value, version)

    @property
    def grad(self) -> Any:
        """The gradient that backward has added up here, or None. Raises for one of another shape, dtype or class."""
        if self._grad is None and self.node is not None and not self.retains_grad:
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute "
                "won't be populated during autograd.backward(). If you indeed want the .grad field to be populated for "
                "a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor.",
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}"
                )
            if value.array.shape != self.array.shape:
                raise RuntimeError(
                    f"attempting to assign a gradient of size '{list(value.array.shape)}' to a tensor of size "
                    f"'{list(self.array.shape)}'. Please ensure that the gradient and the tensor are the same size"
                )
            if value.array.dtype != self.array.dtype:
                raise RuntimeError(
                    f"attempting to assign a gradient of dtype {value.dtype} to a tensor of {self.dtype}"
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        """As setting it to None."""
        self._grad = None

    def is_inference(self) -> bool:
        """Whether the tensor was made in inference mode."""
        return self._inference

    @property
    def _version(self) -> int:
        """How often the memory was changed in place, under PyTorch's name."""
        return self._shared.count if self._shared else 0

    def retain_grad(self) -> None:
        """Keep the gradient of this intermediate result in `.grad`, too."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.node is not None:
            import weakref

            self.node.retained = weakref.ref(self)

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called on this intermediate result."""
        return self.node is not None and self.node.retained is not None

    def register_hook(self, hook: Callable) -> RemovableHandle:
        """Call hook(gradient) when the gradient of this tensor is known; what it returns, if anything, replaces it."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        owner: Any = self if self.node is None else self.node
        name = "_hooks" if self.node is None else "hooks"
        hooks = getattr(owner, name)
        if hooks is None:
            hooks = {}
            setattr(owner, name, hooks)
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    def register_post_accumulate_grad_hook(self, hook: Callable) -> RemovableHandle:
        """Call hook(tensor) after backward has added to this leaf's `.grad`."""
        if self.node is not None or not self._requires_grad:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        if self._after_hooks is None:
            self._after_hooks = {}
        handle = RemovableHandle(self._after_hooks)
        self._after_hooks[handle.id] = hook
        return handle

    # --------------------------------------------------------------------------------------------- to and from Python

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The array itself, sharing memory.

        Raises RuntimeError for a tensor that requires grad, unless with `force` or where grad is off.
        """
        if self.requires_grad and not force and is_grad_enabled():
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        version = self.version  # whoever gets the memory may change it unseen
        version.settle()
        version.expose()
        return self.array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"a copy is needed to turn {array.dtype} into {dtype}")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """NumPy's ufuncs on tensors are ours: `ndarray * tensor` stays on the tape."""
        op = _ufuncs().get(ufunc)
        if method == "__call__" and op is not None and not kwargs:
            return op(*[np.asarray(x)[()] if isinstance(x, float | int) else x for x in inputs])
        if any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
            raise TypeError(f"numpy.{ufunc.__name__} has no derivative here; use tensor.detach() if none is needed")
        arrays = [x.array if isinstance(x, Tensor) else x for x in inputs]
        out = kwargs.get("out")
        if out is not None:
            kwargs["out"] = tuple(x.write() if isinstance(x, Tensor) else x for x in out)
        result = getattr(ufunc, method)(*arrays, **kwargs)
        if out is not None:
            return out[0]
        return tuple(map(tape.wrap, result)) if isinstance(result, tuple) else tape.wrap(result)

    def item(self) -> Any:
        """The only element as a Python number. Raises RuntimeError if there are several."""
        if self.array.size != 1:
            raise RuntimeError(f"a Tensor with {self.array.size} elements cannot be converted to Scalar")
        return self.array.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self.array.tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.array.dtype.kind not in "iub" or self.array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.array.item())

    def __bool__(self) -> bool:
        if self.array.size != 1:
            what = "no values" if self.array.size == 0 else "more than one value"
            raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
        return bool(self.array.item())

    def __len__(self) -> int:
        if not self.outline.shape:
            raise TypeError("len() of a 0-d tensor")
        return self.outline.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self.array.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(join.unbind(self))

    def __contains__(self, value: Any) -> bool:
        return bool((self.array == (value.array if isinstance(value, Tensor) else value)).any())

    def __repr__(self) -> str:
        return printing.tensor_text(self)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.array.ndim == 0 else object.__format__(self, spec)

    def __deepcopy__(self, memo: dict) -> Any:
        if self.node is not None:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the "
                "moment; detach() it first"
            )
        out = type(self).__new__(type(self))
        out.__dict__.update({k: v for k, v in self.__dict__.items() if k == "_requires_grad"})
        out.array = self.array.copy(order="K")
        memo[id(self)] = out
        if self.grad is not None:
            out.grad = self.grad.__deepcopy__(memo)
        return out

    def __reduce_ex__(self, protocol: Any) -> tuple:
        if self.node is not None:
            raise RuntimeError("Only leaf tensors can be pickled; detach() it first")
        return _rebuild, (type(self), np.ascontiguousarray(self.array), self._requires_grad)

    # ------------------------------------------------------------------------------------------------ other dtypes

    def to(
        self,
        *args: Any,
        dtype: Any = None,
        device: Any = None,
        non_blocking: Any = False,
        copy: Any = False,
        memory_format: Any = None,
        other: Any = None,
    ) -> Tensor:
        """In another dtype or memory format, or the dtype of another tensor; devices are "cpu", others raise.

        `to(dtype)`, `to(device, dtype)`, `to(other)`, each followed by `non_blocking`, which means nothing here, and
        `copy`.
        """
        flags = 0
        for arg in args if other is None else (other, *args):
            if isinstance(arg, Tensor):
                dtype = arg.dtype
            elif isinstance(arg, dtypes.dtype | type | np.dtype):
                dtype = arg
            elif isinstance(arg, bool):
                flags += 1
                copy = arg if flags == 2 else copy
            elif isinstance(arg, devices.device | str | int):
                device = arg
            elif arg is not None:
                raise TypeError(f"to(): expected a device, a dtype or a Tensor, but got {type(arg).__name__}")
        if device is not None:
            devices.check(device)
        wanted = self.outline.dtype if dtype is None else dtypes.as_dtype(dtype).numpy
        out = promotion.converted(self, wanted) if copy or wanted != self.outline.dtype else self
        return out if memory_format is None else place.in_format(out, memory_format)

    def type(self, dtype: Any = None, non_blocking: Any = False) -> Any:
        """The name of the tensor's type, as "minitorch.FloatTensor", or the tensor in another dtype.

        dtype: also such a name, PyTorch's too, or `minitorch.FloatTensor` itself.
        """
        if dtype is None:
            return f"minitorch.{self.dtype.type_name}"
        if isinstance(dtype, str) and dtype.endswith("Tensor"):
            dtype = dtypes.of_type(dtype)
        return self.to(getattr(dtype, "of_elements", dtype))

    def type_as(self, other: Tensor) -> Tensor:
        """In the dtype of another tensor."""
        if not isinstance(other, Tensor):
            raise no_tensor("type_as", "other", other)
        return self.to(other.dtype)

    def half(self, memory_format: Any = None) -> Tensor:
        """As float16, which takes half the memory; arithmetic in it is slow."""
        return self.to(dtypes.float16, memory_format=memory_format)

    def bfloat16(self, memory_format: Any = None) -> Tensor:
        """As bfloat16: float32 of 8 bits' precision. Raises TypeError where the package ml_dtypes is missing."""
        return self.to(dtypes.bfloat16, memory_format=memory_format)

    def float(self, memory_format: Any = None) -> Tensor:
        """As float32."""
        return self.to(dtypes.float32, memory_format=memory_format)

    def double(self, memory_format: Any = None) -> Tensor:
        """As float64."""
        return self.to(dtypes.float64, memory_format=memory_format)

    def long(self, memory_format: Any = None) -> Tensor:
        """As int64."""
        return self.to(dtypes.int64, memory_format=memory_format)

    def int(self, memory_format: Any = None) -> Tensor:
        """As int32."""
        return self.to(dtypes.int32, memory_format=memory_format)

    def short(self, memory_format: Any = None) -> Tensor:
        """As int16."""
        return self.to(dtypes.int16, memory_format=memory_format)

    def char(self, memory_format: Any = None) -> Tensor:
        """As int8."""
        return self.to(dtypes.int8, memory_format=memory_format)

    def byte(self, memory_format: Any = None) -> Tensor:
        """As uint8."""
        return self.to(dtypes.uint8, memory_format=memory_format)

    def bool(self, memory_format: Any = None) -> Tensor:
        """As bool."""
        return self.to(dtypes.bool_, memory_format=memory_format)

    def cpu(self, memory_format: Any = None) -> Tensor:
        """self: everything is on the CPU."""
        return self if memory_format is None else self.to(memory_format=memory_format)

    def cuda(self, device: Any = None, non_blocking: Any = False, memory_format: Any = None) -> Any:
        """Raises NoDeviceError: there is no GPU."""
        raise devices.refuse("cuda")

    def clone(self, *, memory_format: Any = None) -> Tensor:
        """A copy, on the tape."""
        out = promotion.converted(self, self.outline.dtype)
        return out if memory_format is None else place.in_format(out, memory_format)

    # ------------------------------------------------------------------------------------------------- operators

    def __pos__(self) -> Tensor:
        return self

    def __matmul__(self, other: Any) -> Tensor:
        return linalg.matmul(self, _tensor(other))

    def __rmatmul__(self, other: Any) -> Tensor:
        return linalg.matmul(_tensor(other), self)

    if TYPE_CHECKING:

        def __getitem__(self, key: Any) -> Tensor: ...
    else:
        __getitem__ = indexing.index
    __setitem__ = indexing.assign_index

    def reshape_as(self, other: Tensor) -> Tensor:
        """Reshaped like another tensor."""
        if not isinstance(other, Tensor):
            raise no_tensor("reshape_as", "other", other)
        return shaping.reshape_to(self, other.array.shape)

    def view_as(self, other: Tensor) -> Tensor:
        """A view in the shape of another tensor."""
        if not isinstance(other, Tensor):
            raise no_tensor("view_as", "other", other)
        return self.view(other.array.shape)

    # -------------------------------------------------------------------------------------------------- in place

    def copy_(self, source: Any, non_blocking: Any = False) -> Tensor:
        """Take the values of `source`, broadcast and cast; returns self."""
        source = promotion.operand(source)
        if not isinstance(source, Tensor):
            return self.fill_(source)
        value = shaping.expand_to(source, *self.array.shape)
        if not is_copied(self, value):
            value = promotion.converted(value, self.outline.dtype)
        return assign(self, value, copied=True)

    def fill_(self, value: Any) -> Tensor:
        """Set every element to a number, or a tensor without axes, which gets the gradients; returns self."""
        if isinstance(value, Tensor):
            if value.array.ndim:
                raise RuntimeError(
                    f"fill_ only supports 0-dimension value tensor but got tensor with {value.array.ndim} dimensions."
                )
            return self.copy_(value)
        filled = np.broadcast_to(dtypes.number(value, self.outline.dtype), self.outline.shape)
        return assign(self, tape.wrap(filled))

    def zero_(self) -> Tensor:
        """Set every element to zero; returns self."""
        return self.fill_(0)

    # ------------------------------------------------------------------------------------- new ones of the same kind

    def new_tensor(self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: Any = False) -> Tensor:
        """`minitorch.tensor` with this tensor's dtype."""
        return tensor(data, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)

    def new(self, *data: Any, device: Any = None) -> Tensor:
        """A tensor of this dtype from data, or of sizes, with whatever memory held."""
        devices.check(device)
        return tape.wrap(built(self.dtype, data))

    def new_zeros(self, *size: Any, **settings: Any) -> Tensor:
        """Zeros with this tensor's dtype."""
        return self._filled(np.zeros, size, **settings)

    def new_ones(self, *size: Any, **settings: Any) -> Tensor:
        """Ones with this tensor's dtype."""
        return self._filled(np.ones, size, **settings)

    def new_empty(self, *size: Any, **settings: Any) -> Tensor:
        """A tensor of this dtype with whatever memory held."""
        return self._filled(np.empty, size, **settings)

    def new_full(self, size: Any, fill_value: Any, **settings: Any) -> Tensor:
        """A tensor of this dtype with `fill_value` everywhere."""
        if isinstance(fill_value, Tensor):
            fill_value = fill_value.item()
        return self._filled(lambda shape, d: np.full(shape, dtypes.number(fill_value, d), d), (size,), **settings)

    def _filled(
        self,
        make: Callable,
        shape: tuple,
        dtype: Any = None,
        device: Any = None,
        requires_grad: Any = False,
        layout: Any = None,
        pin_memory: Any = False,
        size: Any = None,
    ) -> Tensor:
        devices.check(device)
        devices.check_placement(layout, pin_memory)
        wanted = self.dtype if dtype is None else dtypes.as_dtype(dtype)
        shape = check_size(sizes(shape if size is None else (size,)), wanted.itemsize)
        return tape.wrap(make(shape, wanted.numpy)).requires_grad_(requires_grad)

    # ------------------------------------------------------------------------------------------------- DLPack

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None
    ) -> Any:
        """A capsule by which another library sees the same memory; of negative strides and read-only memory, a copy.

        Raises BufferError for a tensor that requires grad.
        """
        if self.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        if stream not in (None, -1):
            raise BufferError("minitorch runs on the CPU: there are no streams")
        array = self.numpy()
        if min(array.strides, default=0) < 0 or not array.flags.writeable:  # other libraries abort, or write
            array = array.copy()
        settings = {} if copy is None else {"copy": copy}  # older ones of NumPy know neither
        if max_version is not None:
            settings |= {"max_version": max_version, "dl_device": dl_device}
        return array.__dlpack__(**settings)

    def __dlpack_device__(self) -> tuple:
        """The CPU, as DLPack numbers it."""
        return 1, 0


surface.attach(Tensor)
tape.set_result_class(Tensor)


def _rebuild(cls: Any, array: np.ndarray, requires_grad: bool) -> Any:
    out = cls.__new__(cls)
    dtypes.as_dtype(array.dtype)  # which bfloat16 has to know
    out.array, out._requires_grad = array, requires_grad
    return out


def _tensor(x: Any) -> Any:
    """A tensor from a tensor or an array. Raises TypeError for anything else."""
    if isinstance(x, Tensor):
        return x
    if isinstance(x, np.ndarray):
        return promotion.exposed(x)
    raise TypeError(f"expected a Tensor, got {type(x).__name__}")


def built(dtype: dtypes.dtype, data: tuple) -> np.ndarray:
    """The array of `Tensor(...)`, `FloatTensor(...)` and `new(...)`: of data, one argument, or of sizes."""
    if not data:
        return np.empty(0, dtype.numpy)
    first = data[0]
    if len(data) == 1 and not isinstance(first, Size):
        if isinstance(first, Tensor) and first.dtype is not dtype:
            raise TypeError(f"expected a tensor of {dtype}, but got one of {first.dtype}; use .to({dtype})")
        if isinstance(first, Tensor):
            return first.array
        if not isinstance(first, int):
            if not hasattr(first, "__len__"):
                raise TypeError(f"new(): data must be a sequence (got {type(first).__name__})")
            given = as_array(first)
            return np.array(
                given if given.dtype.kind not in FLOATS or dtype.is_floating_point else np.trunc(given), dtype.numpy
            )
    return np.zeros(check_size(sizes(data), dtype.itemsize), dtype.numpy)


@quietly
def as_array(data: Any, dtype: Any = None) -> np.ndarray:
    """A new array of a user's numbers, nested sequences, arrays, tensors; Python floats in the default dtype."""
    if isinstance(data, Tensor):
        array = data.array
    elif isinstance(data, np.ndarray | np.generic):
        array = np.asarray(data)
    elif hasattr(data, "__dlpack__"):
        array = np.from_dlpack(data)
    else:
        array = np.asarray(_plain(data))
        if array.dtype.kind == "O" and all(isinstance(v, int) for v in array.flat):  # beyond 64 bits
            array = array if dtype is None else array.astype(np.float64)
        elif array.dtype.kind in "OUS":
            raise TypeError(f"cannot make a tensor of {type(data).__name__}: {str(data)[:60]!r}")
        if dtype is None and array.dtype == np.float64 and not _holds_array(data):
            array = array.astype(dtypes.get_default_dtype().numpy)
        if dtype is None and array.dtype.kind in "Ou" and not _holds_array(data):
            dtypes.check_fits(array, np.dtype(np.int64))  # Python ints have grown beyond it
    wanted = dtypes.widened(array.dtype) if dtype is None else dtypes.as_dtype(dtype).numpy
    dtypes.check_fits(array, wanted)
    if wanted == np.uint8 and array.dtype.kind in "ifV":
        array = array.astype(np.int64)  # negative numbers wrap, also those that were floats
    return np.array(array, wanted, order="K" if isinstance(data, Tensor) else "C")


def _plain(data: Any) -> Any:
    """Nested sequences in which tensors have become arrays. Raises ValueError where lengths differ."""
    if isinstance(data, Tensor):
        return data.array
    if hasattr(data, "__dlpack__") and not isinstance(data, np.ndarray | np.generic):
        return np.from_dlpack(data)
    if isinstance(data, list | tuple):
        items = [_plain(d) for d in data]
        lengths = [len(i) if isinstance(i, list) else -1 for i in items]
        for position, n in enumerate(lengths):
            if n != lengths[0]:
                raise ValueError(
                    f"expected sequence of length {max(lengths[0], 0)} at dim 1 (got {max(n, 0)}), at {position}"
                )
        return items
    return data


def _holds_array(data: Any) -> bool:
    """Whether a nested sequence has NumPy's numbers inside, which keep their dtype, rather than Python's."""
    while isinstance(data, list | tuple) and data:
        data = data[0]
    return isinstance(data, np.ndarray | np.generic) or hasattr(data, "__dlpack__")


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A new tensor with a copy of the data: a number, nested sequences, an array or a tensor.

    Python floats become float32 (the default dtype), ints int64, bools bool; arrays keep their dtype, or get the next
    one that holds their values: float32 for float16, int32 for int8, int16 and uint16, int64 for uint32. Raises
    TypeError for what is no number, ValueError for ragged sequences, RuntimeError for integers that should require
    grad, and where an integer dtype cannot hold a value.

    >>> import minitorch
    >>> minitorch.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    devices.check(device)
    out = tape.wrap(as_array(data, dtype))
    return out.requires_grad_() if requires_grad else out


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`tensor`, without a copy where `data` is a tensor or array of the right dtype."""
    devices.check(device)
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray):
        wanted = dtypes.widened(data.dtype) if dtype is None else dtypes.as_dtype(dtype).numpy
        if wanted == data.dtype:
            return from_numpy(data)
    return tensor(data, dtype=dtype)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares the array's memory. Raises TypeError for what is no array, or an unsupported dtype."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    if not array.dtype.isnative:
        raise ValueError(
            f"from_numpy: the array's byte order ({array.dtype.str}) is not the machine's; use astype() first"
        )
    dtypes.as_dtype(array.dtype)
    return promotion.exposed(array)


@functools.cache
def _ufuncs() -> dict[np.ufunc, Callable]:
    return surface.ufuncs() | {np.matmul: lambda x, y: linalg.matmul(_tensor(x), _tensor(y))}


def is_tensor(x: Any) -> bool:
    """Whether x is a Tensor."""
    return isinstance(x, Tensor)
