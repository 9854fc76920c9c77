"""utils.data beside the live PyTorch: what calls give, what they raise, and batches by 0 and 2 workers.

`pytest tests/parity/parity_data.py -s`
"""

from __future__ import annotations

import re
import warnings
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minitorch  # noqa: E402

Point = namedtuple("Point", "x y")

# Calls of D (utils.data), t (the library) and np, whose outcome is PyTorch's: the error's class, or the result as text.
CALLS = """
D.RandomSampler([1, 2], num_samples=-1)
D.RandomSampler([1, 2], num_samples=2.0)
D.RandomSampler([])
D.RandomSampler([1], replacement="yes")
D.RandomSampler(iter([1]))
D.RandomSampler([1, 2], num_samples=5).num_samples
list(D.RandomSampler([1, 2], generator=5))
sorted(D.RandomSampler(range(5)))
len(D.SequentialSampler(iter([1])))
list(D.SequentialSampler([4, 5]))
D.WeightedRandomSampler([[1.0]], 1)
D.WeightedRandomSampler(1.0, 1)
D.WeightedRandomSampler("ab", 1)
D.WeightedRandomSampler([1.0], 1.0)
D.WeightedRandomSampler([1.0], True)
D.WeightedRandomSampler([1.0], 1, None)
list(D.WeightedRandomSampler([1.0, -1.0], 1))
list(D.WeightedRandomSampler([1.0, float("nan")], 1))
list(D.WeightedRandomSampler([0.0, 0.0], 1))
list(D.WeightedRandomSampler([], 1))
list(D.WeightedRandomSampler([1.0, 2.0], 3, replacement=False))
list(D.WeightedRandomSampler([0.0, 2.0], 3))
sorted(D.SubsetRandomSampler([3, 4]))
list(D.SubsetRandomSampler(iter([3, 4])))
D.BatchSampler([1], 0, False)
D.BatchSampler([1], "2", False)
D.BatchSampler([1], 1, None)
D.BatchSampler([1], np.int64(2), False)
len(D.BatchSampler(iter([1]), 1, False))
len(D.BatchSampler([1, 2, 3], 2, False))
list(D.BatchSampler([1, 2, 3], 2, True))
D.random_split(range(10), [3, 3])
D.random_split(range(10), [0.5, 0.6])
D.random_split(range(10), [0.5, 0.4])
D.random_split(range(10), [-0.5, 1.5])
[len(p) for p in D.random_split(range(10), [-5, 15])]
D.random_split(range(10), [4.0, 6.0])
D.random_split(range(10), [4.5, 5.5])
[len(p) for p in D.random_split(range(10), [1.0])]
[len(p) for p in D.random_split(range(1), [1, 0])]
[len(p) for p in D.random_split(range(11), [1 / 3, 1 / 3, 1 / 3])]
[len(p) for p in D.random_split(range(10), [0.1] * 10)]
D.random_split(range(10), [])
D.random_split(range(10), ["a"])
D.random_split(range(10), [5, 5], generator=3)
D.random_split(iter(range(10)), [5, 5])
D.Subset(range(10), [1, 2])[5]
D.Subset(range(10), [1, 2])[-1]
D.Subset(range(10), [1, 2]).__getitems__([0, 1])
D.TensorDataset(t.zeros(2), t.zeros(3))
D.TensorDataset([1, 2])
D.ConcatDataset([])
D.ConcatDataset(5)
D.ConcatDataset([range(2)])[-3]
D.ConcatDataset([range(2)])[2]
D.ConcatDataset([range(2), range(3)]).cumulative_sizes
list(D.ChainDataset([range(2)]))
len(D.ChainDataset([range(2)]))
D.StackDataset()
D.StackDataset([1], a=[1])
D.StackDataset([1], [1, 2])
D.StackDataset([1, 2], "ab")[1]
D.StackDataset(a=[1, 2], b="ab").__getitems__([1, 0])
D.StackDataset([1, 2], "ab")[2]
D.Dataset()[0]
len(D.Dataset())
D.DataLoader([1], num_workers="2")
D.DataLoader([1], num_workers=None)
D.DataLoader([1], num_workers=-1)
D.DataLoader([1], timeout="2")
D.DataLoader([1], timeout=-1)
D.DataLoader([1], batch_size="2")
D.DataLoader([1], batch_size=-1)
D.DataLoader([1], drop_last=1)
type(D.DataLoader([1], shuffle="yes").sampler).__name__
list(D.DataLoader([]))
D.DataLoader([], shuffle=True)
D.DataLoader([1], num_workers=1, prefetch_factor=0).prefetch_factor
D.DataLoader([1], num_workers=1, prefetch_factor="1")
D.DataLoader([1], prefetch_factor=1)
D.DataLoader([1], num_workers=1, prefetch_factor=-1)
D.DataLoader([1], persistent_workers=True)
D.DataLoader([1], multiprocessing_context="spawn")
D.DataLoader([1], multiprocessing_context="thread", num_workers=1)
D.DataLoader([1], multiprocessing_context=3, num_workers=1)
D.DataLoader([1], 1, False, None, None, 0, None, False, False, 0, None, None, None, 2)
list(D.DataLoader([1, 2], shuffle=True, generator=3))
D.DataLoader([1], foo=1)
D.DataLoader([1], shuffle=True, sampler=[0])
D.DataLoader([1], batch_size=None, drop_last=True)
list(D.DataLoader({0: 1, 1: 2}))
list(D.DataLoader(None))
list(D.DataLoader(iter([1, 2])))
setattr(D.DataLoader([1]), "batch_size", 3)
setattr(D.DataLoader([1]), "dataset", [2])
setattr(D.DataLoader([1]), "multiprocessing_context", "fork")
list(D.DataLoader([1, 2], batch_size=None, sampler=[1, 0]))
len(D.DataLoader([1, 2], batch_sampler=[[1], [0]]))
D.DataLoader([1, 2], batch_sampler=[[1], [0]], shuffle=True)
D.DataLoader([1, 2], batch_sampler=[[1], [0]], batch_size=None)
D.DataLoader([1, 2], batch_sampler=[[1], [0]], sampler=[1])
D.default_collate([])
D.default_collate([None, None])
D.default_collate([[1], [1, 2]])
D.default_collate([{"a": 1}, {"b": 1}])
D.default_collate([{"a": 1}, {"a": 1, "b": 1}])
D.default_collate([1, 2.5])
D.default_collate([2.5, 1])
D.default_collate([True, False])
D.default_collate([True, 2])
D.default_collate([2**70])
D.default_collate([{1}])
D.default_collate([range(2), range(2)])
D.default_collate([(x for x in [1])])
D.default_collate(((1, 2), (3, 4)))
D.default_collate([Point(1, 2.0), Point(3, 4.0)])
D.default_collate([{"a": [1, {"b": b"x"}]}, {"a": [2, {"b": b"y"}]}])
D.default_collate([np.array("a")])
D.default_collate([np.array(1.5), np.array(2.5)])
D.default_collate([np.float32(1), np.float32(2)])
D.default_collate([t.ones(2), t.zeros(2)])
D.default_collate([t.ones(2), t.zeros(3)])
D.default_collate([object()])
D.default_convert([1, "a", None, {"x": 2}])
D.default_convert(np.float64(2.0))
D.default_convert(np.array(["a"])).shape
D.default_convert({1})
D.default_convert((1, np.ones(2)))
D.get_worker_info()
"""
ROWS = CALLS.strip().splitlines()


def outcome(library: Any, call: str) -> str:
    """The class of the error, or the result without what differs by the library's name."""
    names = {"D": library.utils.data, "t": library, "np": np, "Point": Point}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.sub(r"(mini)?torch\.|at 0x\w+", "", repr(eval(call, names)))
        except Exception as error:
            return type(error).__name__


def test_calls() -> None:
    """Every call of the table ends as PyTorch's does."""
    different = [
        f"{call}: {mine}, PyTorch {theirs}"
        for call in ROWS
        if (mine := outcome(minitorch, call)) != (theirs := outcome(torch, call))
    ]
    print(f"data: calls {len(ROWS)}, failures {len(different)}")
    assert not different, "\n".join(different)


class Squares:
    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple:
        return index, np.full(3, index * index, np.float32), {"name": str(index)}


def stream_of(library: Any) -> type:
    """An IterableDataset of a library; `split` says whether its workers share the work."""

    class Stream(library.utils.data.IterableDataset):
        def __init__(self, split: bool) -> None:
            self.split = split

        def __iter__(self) -> Any:
            info = library.utils.data.get_worker_info()
            step = info.num_workers if info and self.split else 1
            return iter(range(info.id if info and self.split else 0, 11, step))

        def __len__(self) -> int:
            return 11

    return Stream


def plain(batch: Any) -> Any:
    """A batch as lists and texts."""
    if isinstance(batch, dict):
        return {name: plain(part) for name, part in batch.items()}
    return (
        [plain(part) for part in batch]
        if isinstance(batch, (list, tuple))
        else getattr(batch, "tolist", lambda: batch)()
    )


@pytest.mark.parametrize("workers", [0, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 3},
        {"batch_size": 4, "drop_last": True},
        {"batch_size": None},
        {"batch_sampler": [[1, 1], [], [9]]},
        {"sampler": [3, 2, 1], "batch_size": 2},
        {"batch_size": 2, "prefetch_factor": 1},
        {"batch_size": 3, "collate_fn": list},
        {"batch_size": 5, "persistent_workers": True},
    ],
    ids=str,
)
def test_batches(options: dict, workers: int) -> None:
    """The same batches in the same order, of maps and of streams, in two epochs; forked, as PyTorch does on Linux."""
    if workers == 0:
        options = {k: v for k, v in options.items() if k not in ("prefetch_factor", "persistent_workers")}
    else:
        options = options | {"multiprocessing_context": "fork", "num_workers": workers}

    def epochs(library: Any, dataset: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                loader = library.utils.data.DataLoader(dataset, **options)
                return len(loader), [[plain(batch) for batch in loader] for _ in range(2)]
            except Exception as error:
                return type(error).__name__

    datasets: list[Callable[[Any], Any]] = [lambda library: Squares()]
    datasets += [lambda library, split=split: stream_of(library)(split) for split in (False, True)]
    for dataset in datasets:
        assert epochs(minitorch, dataset(minitorch)) == epochs(torch, dataset(torch))
