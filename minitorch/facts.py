"""What a tensor is: its shape, its dtype, where and how it stands in memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from . import devices, dtypes
from .autograd import Variable
from .ops import place
from .ops import shape as shaping
from .ops.dims import normalize

if TYPE_CHECKING:
    from .tensor import Tensor


class Size(tuple):
    """A shape: a tuple of ints that prints as PyTorch's, and stays one when it is sliced or joined to another.

    >>> import minitorch
    >>> minitorch.ones(2, 3, 4).shape[1:] + (5,)
    minitorch.Size([3, 4, 5])
    """

    __slots__ = ()

    def __new__(cls, sizes: Any = ()) -> Size:
        sizes = tuple(sizes)
        for i, n in enumerate(sizes):
            if type(n) is not int and not hasattr(n, "__index__"):
                raise TypeError(f"minitorch.Size() takes an iterable of 'int' (item {i} is '{type(n).__name__}')")
        return tuple.__new__(cls, [n if type(n) is int else n.__index__() for n in sizes])

    def numel(self) -> int:
        """The number of elements."""
        return math.prod(self)

    def __getitem__(self, key: Any) -> Any:
        found = tuple.__getitem__(self, key)
        return tuple.__new__(Size, found) if type(key) is slice else found

    def __add__(self, other: Any) -> Any:
        return Size(tuple.__add__(self, tuple(other))) if isinstance(other, tuple) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        return Size(other + tuple(self)) if isinstance(other, tuple) else NotImplemented

    def __mul__(self, times: Any) -> Any:
        return tuple.__new__(Size, tuple.__mul__(self, times))

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"minitorch.Size({list(self)})"

    def __reduce__(self) -> tuple:
        return Size, (tuple(self),)


class Storage(NamedTuple):
    """The memory of a tensor, as far as one may ask for it: where it begins, and how many bytes it has."""

    address: int
    size: int

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return self.address

    def nbytes(self) -> int:
        """The number of bytes."""
        return self.size


def _false(what: str) -> Any:
    return property(lambda self: False, doc=f"False: there are no tensors {what} here.")


class Facts(Variable):
    """What can be asked of a tensor beside its elements and its gradient."""

    @property
    def shape(self) -> Size:
        """The sizes of all axes."""
        return tuple.__new__(Size, self.outline.shape)

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

    ndimension = dim

    def nelement(self) -> int:
        """The number of elements."""
        return math.prod(self.outline.shape)

    def element_size(self) -> int:
        """Bytes per element."""
        return self.outline.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self.outline.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.nelement() * self.element_size()

    # ------------------------------------------------------------------------------------------------------ in memory

    def stride(self, dim: int | None = None) -> Any:
        """The step in memory along each axis, in elements."""
        strides = tuple(s // self.array.itemsize for s in self.array.strides)
        return strides if dim is None else strides[normalize((dim,), len(strides))[0]]

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether memory is in row-major order, or in that of a memory format."""
        return place.is_in_format(self.array, memory_format)

    def contiguous(self: Any, memory_format: Any = None) -> Tensor:
        """self if memory is in row-major order, or in that of a memory format, else a copy that is."""
        if memory_format is not None and memory_format is not devices.contiguous_format:
            return place.in_format(self, memory_format)
        if self.array.flags.c_contiguous and (self.base is None or self.base.array.flags.c_contiguous):
            return self  # else it is in order because memory stands otherwise than it does in PyTorch, which copies
        return shaping.tile(self, times=(1,) * self.array.ndim)

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self.array.ctypes.data

    def _memory(self) -> Any:
        """The array that has all of the memory this tensor stands in, as far as it is known."""
        return self.array if self.base is None else self.base.array

    def storage_offset(self) -> int:
        """How many elements the first one stands behind the beginning of the memory."""
        return (self.array.ctypes.data - self._memory().ctypes.data) // self.array.itemsize

    def untyped_storage(self) -> Storage:
        """Where the memory begins, and how large it is: to be asked whether two tensors share it."""
        memory = self._memory()
        return Storage(memory.ctypes.data, memory.nbytes)

    def share_memory_(self) -> Any:
        """Raises NotImplementedError: a tensor is not shared with other processes in place."""
        raise NotImplementedError("share_memory_: tensors are not shared between processes here; send their arrays")

    def is_shared(self) -> bool:
        """False: memory belongs to this process."""
        return False

    def is_pinned(self, device: Any = None) -> bool:
        """False: memory is pinned for GPUs."""
        return False

    def pin_memory(self, device: Any = None) -> Any:
        """Raises RuntimeError: memory is pinned for GPUs."""
        raise RuntimeError("Cannot access accelerator device when none is available: memory is pinned for GPUs.")

    # ------------------------------------------------------------------------------------------------------ its kind

    @property
    def device(self) -> devices.device:
        """The CPU."""
        return devices.CPU

    @property
    def layout(self) -> devices.layout:
        """`minitorch.strided`."""
        return devices.strided

    def get_device(self) -> int:
        """-1, the number of the CPU."""
        return -1

    @property
    def is_cpu(self) -> bool:
        """True."""
        return True

    is_cuda, is_mps, is_xpu, is_xla = _false("on GPUs"), _false("on GPUs"), _false("on GPUs"), _false("on TPUs")
    is_meta, is_nested, is_mkldnn = _false("without memory"), _false("of tensors"), _false("of other libraries")
    is_quantized, is_sparse, is_sparse_csr = _false("that are quantized"), _false("that are sparse"), _false("in CSR")

    @property
    def T(self) -> Tensor:
        """All axes in reverse order."""
        return shaping.permute(self, dims=tuple(reversed(range(self.array.ndim))))

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        return shaping.transpose(self, -2, -1)

    @property
    def H(self) -> Tensor:
        """The transpose of a matrix: numbers are real. Raises RuntimeError for other dimensions, but for 0."""
        if self.array.ndim not in (0, 2):
            raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {self.array.ndim}-D tensor.")
        return self.T

    @property
    def mH(self) -> Tensor:
        """The last two axes exchanged."""
        return self.mT

    @property
    def real(self: Any) -> Tensor:
        """self: numbers are real."""
        return self

    def as_subclass(self, cls: Any) -> Any:
        """The same memory and place on the tape, as an instance of a subclass of Tensor; else TypeError."""
        if not (isinstance(cls, type) and issubclass(cls, Facts)):
            raise TypeError(
                "Creating a Tensor subclass from a class that does not inherit from Tensor is not possible."
            )
        out = cls.__new__(cls)
        viewed = shaping.reshape(self, shape=self.array.shape)
        out.__dict__.update(viewed.__dict__)
        return out
