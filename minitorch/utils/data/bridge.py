"""Where arrays become Tensors: the only place in `utils.data` and `vision` that knows the core.

The core is imported inside the functions, so that `minitorch.utils.data` costs no more than numpy to import.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def to_tensor(array: np.ndarray) -> Any:
    """A Tensor that shares `array`'s memory and keeps its strides; a wider copy of dtypes that Tensors lack."""
    import minitorch

    return minitorch.as_tensor(array)


def numbers_to_tensor(numbers: list) -> Any:
    """Python numbers as a Tensor, float64 if the first is a float; ints and floats together have the default dtype.

    Raises ValueError for an int that has no 64 bits.
    """
    import minitorch

    array = np.array(numbers)
    if array.dtype.kind not in "biufc":
        raise ValueError(f"Overflow: an int of {numbers} has more than 64 bits")
    if array.dtype.kind == "f" and not isinstance(numbers[0], float):
        return minitorch.tensor(numbers)
    return to_tensor(array)


def is_tensor(value: object) -> bool:
    """Whether `value` is a minitorch Tensor."""
    import minitorch

    return isinstance(value, minitorch.Tensor)


def is_plain_mode() -> bool:
    """Whether samples are loaded one by one and joined, without a dataset's shortcut: see `autograd/plain.py`."""
    from minitorch.autograd import plain

    return plain.enabled


def is_plain_tensor(value: object) -> bool:
    """Whether `value` is a Tensor and nothing more than its array: of no subclass, and without a gradient."""
    import minitorch

    return type(value) is minitorch.Tensor and not value.requires_grad and value.grad is None


def to_array(value: Any) -> np.ndarray:
    """The array of a Tensor, or of anything numpy understands."""
    return value.array if is_tensor(value) else np.asarray(value)


def stack(tensors: list) -> Any:
    """Join Tensors along a new first axis; a part of the graph when one of them is."""
    import minitorch

    return minitorch.stack(tensors)


def numpy_generator(generator: Any = None) -> np.random.Generator:
    """The numpy Generator inside a `minitorch.Generator`; the one `minitorch.manual_seed` seeds when None.

    Raises TypeError for anything else.
    """
    from minitorch.random import numpy_generator

    return numpy_generator(generator)


def default_generator() -> Any:
    """The `minitorch.Generator` that `minitorch.manual_seed` seeds."""
    from minitorch.random import default_generator

    return default_generator


def default_dtype() -> str:
    """The name of the dtype that floats get where none is given."""
    import minitorch

    return minitorch.get_default_dtype().numpy.name


def set_default_dtype(name: str) -> None:
    """Give floats the dtype of that name where none is given."""
    import minitorch

    minitorch.set_default_dtype(getattr(minitorch, name))
