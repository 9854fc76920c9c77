"""Tensor: an ndarray, a gradient, a place on the tape; its operators call primitives."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dtypes, printing, surface
from .autograd import Variable, is_grad_enabled, is_inference_mode_enabled, tape
from .autograd.inplace import assign
from .autograd.quiet import quietly
from .autograd.tape import RemovableHandle
from .drawing import Draws
from .ops import index as indexing
from .ops import join, linalg, promotion
from .ops import shape as shaping
from .ops.dims import check_size, flag, no_tensor, normalize, sizes


class Size(tuple):
    """A shape: a tuple that prints as PyTorch's."""

    def numel(self) -> int:
        """The number of elements."""
        return int(np.prod(self, dtype=object)) if self else 1

    def __repr__(self) -> str:
        return f"minitorch.Size({list(self)})"


if TYPE_CHECKING:
    from ._surface import Methods
else:
    Methods = object  # surface.py attaches the methods


class Tensor(Draws, Variable, Methods):
    """An n-dimensional array on the tape. Make one with `minitorch.tensor`, `zeros`, `randn`, ...

    Logical shapes are PyTorch's; memory may stand in another order (images are channels-last), which only `stride()`
    shows. `.array` is the NumPy array inside.
    """

    __hash__ = object.__hash__
    __array_priority__ = 1000

    def __init__(self, data: Any = (), *shape: int) -> None:
        if shape or isinstance(data, int):
            self.array = np.zeros((data, *shape), dtypes.get_default_dtype().numpy)
        else:
            self.array = as_array(data, dtypes.get_default_dtype())

    # ------------------------------------------------------------------------------------------------ what it is

    @property
    def shape(self) -> Size:
        """The sizes of all axes."""
        return Size(self.outline.shape)

    def size(self, dim: int | None = None) -> Any:
        """The sizes of all axes, or of one."""
        return self.shape if dim is None else self.outline.shape[normalize((dim,), len(self.outline.shape))[0]]

    @property
    def dtype(self) -> dtypes.dtype:
        """The element type."""
        return dtypes.as_dtype(self.outline.dtype)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.outline.shape)

    def dim(self) -> int:
        """The number of axes."""
        return len(self.outline.shape)

    def numel(self) -> int:
        """The number of elements."""
        return math.prod(self.outline.shape)

    nelement = numel

    def element_size(self) -> int:
        """Bytes per element."""
        return self.outline.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.numel() * self.element_size()

    def stride(self, dim: int | None = None) -> Any:
        """The step in memory along each axis, in elements."""
        strides = tuple(s // self.array.itemsize for s in self.array.strides)
        return strides if dim is None else strides[normalize((dim,), len(strides))[0]]

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether memory is in row-major order."""
        return self.array.flags.c_contiguous

    def contiguous(self, memory_format: Any = None) -> Any:
        """self if memory is in row-major order, else a copy that is."""
        if self.array.flags.c_contiguous and (self.base is None or self.base.array.flags.c_contiguous):
            return self  # else it is in order because memory stands otherwise than it does in PyTorch, which copies
        return shaping.tile(self, times=(1,) * self.array.ndim)

    def is_floating_point(self) -> bool:
        """Whether elements are float32 or float64."""
        return self.outline.dtype.kind == "f"

    @property
    def device(self) -> str:
        """Always "cpu"."""
        return "cpu"

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self.array.ctypes.data

    @property
    def T(self) -> Any:
        """All axes in reverse order."""
        return shaping.permute(self, dims=tuple(reversed(range(self.array.ndim))))

    @property
    def mT(self) -> Any:
        """The last two axes exchanged."""
        return shaping.transpose(self, -2, -1)

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
        if requires_grad and self.outline.dtype.kind != "f":
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
        """The node that made this tensor, or None."""
        return self.node

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

    def detach(self) -> Any:
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
            kept.update({name: item._replace(expected=item.expected + 1) for name, item in kept.items()
                         if type(item) is tape.Kept and item.edge is tape.SELF})  # fmt: skip
        self._node, self._requires_grad = None, False
        return self

    @property
    def data(self) -> Any:
        """The same memory as a tensor off the tape; assign to replace the memory."""
        out = tape.wrap(self.array)
        out.share(self, tape.Version(self.version))
        return out

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if self.requires_grad and value.outline.dtype.kind != "f":
            raise RuntimeError("data set to a tensor that requires gradients must be floating point or complex dtype")
        version = tape.Version(value.version)
        version.count = self.version.count
        self.array = value.array
        self.share(value, version)

    @property
    def grad(self) -> Any:
        """The gradient that backward has added up here, or None. Raises for one of another shape, dtype or class."""
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

    def __iter__(self) -> Iterator:
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

    def to(self, *args: Any, dtype: Any = None, device: Any = None, copy: bool = False, **kwargs: Any) -> Any:
        """In another dtype, or in that of another tensor; devices other than "cpu" raise RuntimeError."""
        for arg in args:
            if isinstance(arg, Tensor):
                dtype = arg.dtype
            elif isinstance(arg, dtypes.dtype | type | np.dtype):
                dtype = arg
            elif isinstance(arg, str):
                device = arg
        dtypes.check_device(device)
        wanted = self.outline.dtype if dtype is None else dtypes.as_dtype(dtype).numpy
        return promotion.converted(self, wanted) if copy or wanted != self.outline.dtype else self

    def type(self, dtype: Any = None) -> Any:
        """The dtype's name, or the tensor in another dtype."""
        return repr(self.dtype) if dtype is None else self.to(dtypes.as_dtype(dtype))

    def type_as(self, other: Tensor) -> Any:
        """In the dtype of another tensor."""
        return self.to(other.dtype)

    def float(self) -> Any:
        """As float32."""
        return self.to(dtypes.float32)

    def double(self) -> Any:
        """As float64."""
        return self.to(dtypes.float64)

    def long(self) -> Any:
        """As int64."""
        return self.to(dtypes.int64)

    def int(self) -> Any:
        """As int32."""
        return self.to(dtypes.int32)

    def byte(self) -> Any:
        """As uint8."""
        return self.to(dtypes.uint8)

    def bool(self) -> Any:
        """As bool."""
        return self.to(dtypes.bool_)

    def cpu(self) -> Tensor:
        """self: everything is on the CPU."""
        return self

    def clone(self, *, memory_format: Any = None) -> Any:
        """A copy, on the tape."""
        return promotion.converted(self, self.outline.dtype)

    # ------------------------------------------------------------------------------------------------- operators

    def __pos__(self) -> Any:
        return self

    def __matmul__(self, other: Any) -> Any:
        return linalg.matmul(self, _tensor(other))

    def __rmatmul__(self, other: Any) -> Any:
        return linalg.matmul(_tensor(other), self)

    __getitem__ = indexing.index
    __setitem__ = indexing.assign_index

    def reshape_as(self, other: Tensor) -> Any:
        """Reshaped like another tensor."""
        if not isinstance(other, Tensor):
            raise no_tensor("reshape_as", "other", other)
        return shaping.reshape_to(self, other.array.shape)

    def view_as(self, other: Tensor) -> Any:
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
        return assign(self, promotion.converted(value, self.outline.dtype), copied=True)

    def fill_(self, value: Any) -> Tensor:
        """Set every element to a number; returns self."""
        if isinstance(value, Tensor):
            if value.array.ndim:
                raise RuntimeError(
                    f"fill_ only supports 0-dimension value tensor but got tensor with {value.array.ndim} dimensions."
                )
            value = value.item()
        filled = np.broadcast_to(dtypes.number(value, self.outline.dtype), self.outline.shape)
        return assign(self, tape.wrap(filled))

    def zero_(self) -> Tensor:
        """Set every element to zero; returns self."""
        return self.fill_(0)

    # ------------------------------------------------------------------------------------- new ones of the same kind

    def new_tensor(self, data: Any, *, dtype: Any = None, requires_grad: Any = False) -> Any:
        """`minitorch.tensor` with this tensor's dtype."""
        return tensor(data, dtype=dtype or self.dtype, requires_grad=requires_grad)

    def new_zeros(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: Any = False) -> Any:
        """Zeros with this tensor's dtype."""
        dtypes.check_device(device)
        dtype = self.dtype if dtype is None else dtypes.as_dtype(dtype)
        shape = check_size(sizes(size), dtype.itemsize)
        return tape.wrap(np.zeros(shape, dtype.numpy)).requires_grad_(requires_grad)


surface.attach(Tensor)
tape.set_result_class(Tensor)


def _rebuild(cls: Any, array: np.ndarray, requires_grad: bool) -> Any:
    out = cls.__new__(cls)
    out.array, out._requires_grad = array, requires_grad
    return out


def _tensor(x: Any) -> Any:
    """A tensor from a tensor or an array. Raises TypeError for anything else."""
    if isinstance(x, Tensor):
        return x
    if isinstance(x, np.ndarray):
        return promotion.exposed(x)
    raise TypeError(f"expected a Tensor, got {type(x).__name__}")


@quietly
def as_array(data: Any, dtype: Any = None) -> np.ndarray:
    """A new array of a user's numbers, nested sequences, arrays, tensors; Python floats in the default dtype."""
    if isinstance(data, Tensor):
        array = data.array
    elif isinstance(data, np.ndarray | np.generic):
        array = np.asarray(data)
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
    if wanted == np.uint8 and array.dtype.kind in "if":
        array = array.astype(np.int64)  # negative numbers wrap, also those that were floats
    return np.array(array, wanted, order="K" if isinstance(data, Tensor) else "C")


def _plain(data: Any) -> Any:
    """Nested sequences in which tensors have become arrays. Raises ValueError where lengths differ."""
    if isinstance(data, Tensor):
        return data.array
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
    return isinstance(data, np.ndarray | np.generic)


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
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
    dtypes.check_device(device)
    out = tape.wrap(as_array(data, dtype))
    return out.requires_grad_() if requires_grad else out


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Any:
    """`tensor`, without a copy where `data` is a tensor or array of the right dtype."""
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray):
        wanted = dtypes.widened(data.dtype) if dtype is None else dtypes.as_dtype(dtype).numpy
        if wanted == data.dtype:
            return from_numpy(data)
    return tensor(data, dtype=dtype)


def from_numpy(array: np.ndarray) -> Any:
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
