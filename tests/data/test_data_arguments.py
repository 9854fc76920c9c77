"""StackDataset, and what datasets, samplers and collation say to arguments of other kinds."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from minitorch.utils import data
from minitorch.utils.data import DataLoader, Dataset, StackDataset, Subset, TensorDataset, default_collate
from minitorch.utils.data.stream import current_stream


class Noise(Dataset):
    """A random number of the sample's stream."""

    def __getitem__(self, index):
        return float(current_stream(1).uniform()[0])

    def __len__(self):
        return 6


class Batches(Dataset):
    """Samples by `__getitems__`, one too many if `wrong`."""

    def __init__(self, wrong=False):
        self.wrong = wrong

    def __getitem__(self, index):
        return -index

    def __getitems__(self, indices):
        return [10 * index for index in indices] + [0] * self.wrong

    def __len__(self):
        return 6


def test_stack_dataset():
    """Samples stand beside each other, as tuples or under their names."""
    rows, squares = range(6), [k * k for k in range(6)]
    assert StackDataset(rows, squares)[3] == (3, 9) and len(StackDataset(rows, squares)) == 6
    assert StackDataset(a=rows, b=squares)[-1] == {"a": 5, "b": 25}
    assert StackDataset(rows, Batches()).__getitems__([1, 2]) == [(1, 10), (2, 20)]
    assert StackDataset(a=rows, b=Batches()).__getitems__([1]) == [{"a": 1, "b": 10}]
    loaded = next(iter(DataLoader(StackDataset(rows, Subset(squares, range(6))), 3)))
    assert [part.tolist() for part in loaded] == [[0, 1, 2], [0, 1, 4]]


def test_stacked_sets_in_memory_make_whole_batches():
    """Where all datasets make their batches in one call, so does the stack, with what collation would give."""
    x = minitorch.arange(12).reshape(6, 2)
    for stack in (StackDataset(TensorDataset(x), TensorDataset(x + 1)), StackDataset(a=TensorDataset(x))):
        fast, slow = stack.__getbatch__([4, 1]), default_collate([stack[4], stack[1]])
        assert repr(fast) == repr(slow)
    assert StackDataset(TensorDataset(x), range(6)).__getbatch__([0]) is NotImplemented


def test_stacked_samples_draw_alike():
    """A picture and its mask, in two datasets of one stack, draw the same numbers: they are turned together."""
    one, two = next(iter(DataLoader(StackDataset(Noise(), Noise()), 6)))
    assert one.tolist() == two.tolist() and len(set(one.tolist())) == 6


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (ValueError, "both types are given", lambda: StackDataset([1], a=[1])),
        (ValueError, "at least one dataset", lambda: StackDataset()),
        (ValueError, r"size mismatch between datasets: \[1, 2\]", lambda: StackDataset([1], [1, 2])),
        (ValueError, "Expected 2, got 3", lambda: StackDataset(Batches(wrong=True)).__getitems__([0, 1])),
        (TypeError, "minitorch.Generator, got int", lambda: list(data.RandomSampler([1], generator=3))),
        (TypeError, "minitorch.Generator, got int", lambda: iter(DataLoader([1], generator=3))),
        (TypeError, "minitorch.Generator, got int", lambda: data.random_split([1, 2], [1, 1], generator=3)),
        (TypeError, "`weights` should be numbers", lambda: data.WeightedRandomSampler("ab", 1)),
        (TypeError, "ints, or fractions", lambda: data.random_split(range(10), [4.0, 6.0])),
        (TypeError, "str", lambda: data.random_split(range(10), ["all"])),
        (TypeError, "num_workers option should be an int", lambda: DataLoader([1], num_workers=1.5)),
        (ValueError, "Overflow", lambda: default_collate([2**70])),
        (ValueError, "num_workers=0", lambda: setattr(DataLoader([1]), "multiprocessing_context", "fork")),
        (ValueError, "has not been initialized", lambda: data.DistributedSampler(range(3))),
        (AttributeError, "write a Dataset", lambda: data.IterDataPipe),
    ],
)
def test_refusals(error, words, call):
    """Wrong kinds of arguments raise PyTorch's class."""
    with pytest.raises(error, match=words):
        call()


def test_split_by_integers_of_numpy():
    """Counts may be integers of any kind."""
    assert [len(part) for part in data.random_split(range(5), np.array([2, 3]))] == [2, 3]


def test_collate_of_mixed_numbers():
    """An int first: the default dtype. A float first: float64. As in PyTorch."""
    assert default_collate([1, 2.5]).dtype == minitorch.float32
    assert default_collate([2.5, 1]).dtype == minitorch.float64
    assert default_collate([True, 2]).dtype == minitorch.int64


def test_rounds_of_a_random_sampler_are_drawn_at_once():
    """What the program draws between two batches does not change the order that the sampler has begun."""

    def order(draws):
        minitorch.manual_seed(1)
        indices = []
        for index in data.RandomSampler(range(4), num_samples=12):
            indices.append(index)
            minitorch.rand(draws)
        return indices

    assert order(0) == order(1)


def test_loading_takes_no_numbers_from_the_program():
    """`minitorch.rand` in a dataset follows the loader's generator; the program's own draws stay as they were."""

    class Draws(Noise):
        def __getitem__(self, index):
            return minitorch.rand(1)

    def epoch(batch_size):
        loader = DataLoader(Draws(), batch_size, generator=minitorch.Generator().manual_seed(2))
        return [batch.tolist() for batch in loader]

    minitorch.manual_seed(5)
    first, then = epoch(3), minitorch.rand(2).tolist()
    minitorch.manual_seed(5)
    assert minitorch.rand(2).tolist() == then
    assert epoch(3) == first and len({value for batch in first for value in map(tuple, batch)}) == 6
