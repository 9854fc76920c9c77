"""Parameters and buffers: tensors that a `Module` registers, and placeholders until a first input gives a shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import creation, dtypes
from ..dtypes import FLOATS
from ..tensor import Tensor

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter"]


class Parameter(Tensor):
    """A tensor that a `Module` registers when it is assigned to it; it shares memory with `data`.

    Raises TypeError for data that is no tensor, RuntimeError for integers that should require grad.

    >>> import minitorch
    >>> minitorch.nn.Parameter(minitorch.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        if data is None:
            data = creation.empty(0)
        if not isinstance(data, Tensor):
            raise TypeError(f"Parameter: `data` must be a Tensor, but got {type(data).__name__}")
        self.array = data.array
        self.share(data)
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A tensor that a `Module` registers as a buffer when it is assigned to it; it shares memory with `data`.

    persistent: whether `state_dict` holds it. Raises TypeError for data that is no tensor.

    >>> import minitorch
    >>> layer = minitorch.nn.Module()
    >>> layer.mean = minitorch.nn.Buffer(minitorch.zeros(2))
    >>> list(layer.state_dict())
    ['mean']
    """

    persistent = True

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True) -> None:
        if data is None:
            data = creation.empty(0)
        if not isinstance(data, Tensor):
            raise TypeError(f"Buffer: `data` must be a Tensor, but got {type(data).__name__}")
        self.array = data.array
        self.share(data)
        self.persistent = persistent


def new_parameter(*shape: int, device: Any = None, dtype: Any = None) -> Parameter:
    """An uninitialised parameter, in the default dtype if none is named."""
    dtypes.check_device(device)
    return Parameter(creation.empty(shape, dtype=dtype))


class Uninitialized(Tensor):
    """A tensor without shape and memory; `materialize` gives it both, and makes it what it is a placeholder for.

    Until then it has a dtype, and every use of its values raises ValueError, of its shape RuntimeError.
    """

    becomes: type[Tensor]
    _wanted: np.dtype

    def __init__(self, requires_grad: bool = False, device: Any = None, dtype: Any = None) -> None:
        dtypes.check_device(device)
        self._wanted = (dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)).numpy
        self._requires_grad = requires_grad

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Take this shape, and memory that holds anything; the class becomes the plain one."""
        dtypes.check_device(device)
        wanted = self._wanted if dtype is None else dtypes.as_dtype(dtype).numpy
        array = creation.empty(shape, dtype=wanted).array
        del self._wanted
        self.__class__ = self.becomes  # type: ignore[assignment]
        self.array = array

    def __getattr__(self, name: str) -> Any:
        if name == "array":
            raise ValueError(
                f"Attempted to use an uninitialized {self.becomes.__name__.lower()}: its shape follows from the first "
                "input. Call the lazy module with a batch once, before its parameters are used, counted, initialised "
                "or given to an optimizer."
            )
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @property
    def shape(self) -> Any:
        """Not known yet: raises RuntimeError."""
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. Call the lazy module with a batch once "
            "(or load a state_dict into it) first. If this happens in `load_state_dict`, the state is that of a lazy "
            "module, and the module that should take it is not lazy any more."
        )

    @property
    def dtype(self) -> dtypes.dtype:
        """The element type it will have."""
        return dtypes.as_dtype(self._wanted)

    def is_floating_point(self) -> bool:
        """Whether elements will be float32 or float64."""
        return self._wanted.kind in FLOATS

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Ask for gradients, or no longer; returns self."""
        self._requires_grad = requires_grad
        return self

    def detach(self) -> Any:
        """self: there are no values to take off the tape."""
        return self

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Have another dtype when materialised; returns self. Takes what `Tensor.to` takes."""
        self._wanted = creation.empty(0, dtype=self._wanted).to(*args, **kwargs).array.dtype
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo: dict) -> Any:
        out = memo[id(self)] = type(self)(self._requires_grad, None, self._wanted)
        return out

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return type(self), (self._requires_grad, None, dtypes.as_dtype(self._wanted))


class UninitializedParameter(Uninitialized, Parameter):
    """A parameter of a lazy module that has not seen an input yet.

    >>> from minitorch import nn
    >>> nn.LazyLinear(3).weight
    <UninitializedParameter>
    """

    becomes = Parameter

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(requires_grad, device, dtype)


class UninitializedBuffer(Uninitialized):
    """A buffer of a lazy module that has not seen an input yet."""

    becomes = Tensor
