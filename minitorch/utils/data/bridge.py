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


def is_tensor(value: object) -> bool:
    """Whether `value` is a minitorch Tensor."""
    import minitorch

    return isinstance(value, minitorch.Tensor)


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
    """The numpy Generator inside a `minitorch.Generator`; the one `minitorch.manual_seed` seeds when None."""
    return (default_generator() if generator is None else generator).numpy


def default_generator() -> Any:
    """The `minitorch.Generator` that `minitorch.manual_seed` seeds."""
    import minitorch

    return minitorch.default_generator
