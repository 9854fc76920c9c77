"""From a list of samples to one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .bridge import is_tensor, numbers_to_tensor, stack, to_tensor

_KINDS: tuple = (np.ndarray, (bool, int, float, complex, np.generic), (str, bytes), Mapping, Sequence)


def _is_namedtuple(value: object) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _rebuild(kind: Any, items: Any) -> Any:
    """A container like `kind` with new items; a plain dict or list where its class cannot be made of them."""
    try:
        return type(kind)(items)
    except TypeError:
        return items


def _stack_arrays(arrays: list[np.ndarray]) -> Any:
    """Stack along a new first axis; samples that lie in memory channels last make a batch that does."""
    first = arrays[0]
    different = next((k for k, array in enumerate(arrays) if array.shape != first.shape), None)
    if different is not None:
        raise RuntimeError(
            f"default_collate: the samples of a batch need one shape, but sample 0 is {first.shape} and "
            f"sample {different} is {arrays[different].shape}; pass a `collate_fn` that pads them"
        )
    # BEGIN SOLUTION 10.3
    if first.ndim > 1 and not first.flags.c_contiguous and np.moveaxis(first, 0, -1).flags.c_contiguous:
        return to_tensor(np.moveaxis(np.stack([np.moveaxis(array, 0, -1) for array in arrays]), -1, 1))
    return to_tensor(np.stack(arrays))
    # END SOLUTION


def _check_alike(batch: list) -> None:
    """Raises TypeError where Tensors, arrays, numbers, text and containers are mixed in one place of the samples."""
    parts = [x[()] if isinstance(x, np.ndarray) and x.ndim == 0 else x for x in batch if not is_tensor(x)]
    kinds = [next((k for k in _KINDS if isinstance(x, k)), type(x)) for x in parts]
    if len(kinds) not in (0, len(batch)) or len(set(kinds)) > 1:
        names = sorted({"Tensor" if is_tensor(x) else type(x).__name__ for x in batch})
        raise TypeError(
            f"default_collate: the samples of a batch need one type in each place, but have {' and '.join(names)}; "
            "convert them in the dataset or pass a `collate_fn`"
        )


def default_collate(batch: list) -> Any:
    """Join samples: Tensors, arrays and numbers along a new first axis, containers item by item, text into a list.

    Python floats become float64, ints int64, bools bool; arrays keep their dtype. A tuple becomes a list, a namedtuple
    or mapping one of its own class.

    Raises:
        RuntimeError: samples differ in shape or in length.
        TypeError: there is no way to join the type.

    Example:
        >>> default_collate([{"x": 1, "name": "a"}, {"x": 2, "name": "b"}])["name"]
        ['a', 'b']
    """
    first = batch[0]
    _check_alike(batch)
    if is_tensor(first):
        return stack(batch) if any(x.requires_grad for x in batch) else _stack_arrays([x.array for x in batch])
    if isinstance(first, (np.ndarray, np.generic)):
        if first.dtype.kind not in "biufc":
            raise TypeError(f"default_collate: an array of {first.dtype} cannot become a Tensor; pass a `collate_fn`")
        return _stack_arrays([np.asarray(x) for x in batch])
    if isinstance(first, (bool, int, float, complex)):
        return numbers_to_tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        # BEGIN SOLUTION 10.3
        return _rebuild(first, {key: default_collate([sample[key] for sample in batch]) for key in first})
        # END SOLUTION
    if isinstance(first, Sequence):
        lengths = sorted({len(sample) for sample in batch})
        if len(lengths) > 1:
            raise RuntimeError(
                f"default_collate: the samples of a batch need equal numbers of items, but they have {lengths}"
            )
        # BEGIN SOLUTION 10.3
        columns = [default_collate(list(column)) for column in zip(*batch, strict=True)]
        if _is_namedtuple(first):
            return type(first)(*columns)
        return columns if isinstance(first, tuple) else _rebuild(first, columns)
        # END SOLUTION
    raise TypeError(
        "default_collate: samples need to be Tensors, arrays, numbers, text, mappings or sequences, "
        f"but got {type(first).__name__}; convert it in the dataset "
        "(images by transforms.ToTensor) or pass a `collate_fn`"
    )


def default_convert(data: Any) -> Any:
    """Turn the arrays inside one sample into Tensors, leave all else: the `collate_fn` for batch_size=None."""
    if isinstance(data, (np.ndarray, np.generic)) and data.dtype.kind in "biufc":
        return to_tensor(np.asarray(data))
    if isinstance(data, Mapping):
        return _rebuild(data, {key: default_convert(value) for key, value in data.items()})
    if _is_namedtuple(data):
        return type(data)(*map(default_convert, data))
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        columns = [default_convert(item) for item in data]
        return columns if isinstance(data, tuple) else _rebuild(data, columns)
    return data
