"""Datasets, samplers, collation, random streams and the DataLoader."""

from __future__ import annotations

import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest

import minitorch
from minitorch.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    random_split,
)
from minitorch.utils.data.dataset import speaks_for
from minitorch.utils.data.stream import Stream, current_stream, mix


def seeded(seed: int) -> minitorch.Generator:
    return minitorch.Generator().manual_seed(seed)


class Squares(Dataset):
    def __getitem__(self, index):
        return index * index

    def __len__(self):
        return 10


class Count(IterableDataset):
    def __init__(self, stop):
        self.stop = stop

    def __iter__(self):
        return iter(range(self.stop))

    def __len__(self):
        return self.stop


class Noisy(Squares):
    """A sample is its index and a random number."""

    def __getitem__(self, index):
        return index, float(current_stream(1).uniform()[0])


def flat(loader) -> list:
    return [value for batch in loader for value in batch.tolist()]


# ---- datasets


def test_tensor_dataset_rows_and_lengths():
    """A TensorDataset hands out rows, and refuses tensors of different lengths."""
    x, y = minitorch.tensor(np.arange(6.0).reshape(3, 2)), minitorch.tensor([7, 8, 9])
    dataset = TensorDataset(x, y)
    row, label = dataset[1]
    assert len(dataset) == 3 and row.tolist() == [2.0, 3.0] and label.item() == 8
    with pytest.raises(AssertionError, match=r"\[3, 2\]"):
        TensorDataset(x, y[:2])


def test_tensor_dataset_batch_equals_collated_samples():
    """The whole batch a TensorDataset makes is what its collated samples would be."""
    dataset = TensorDataset(minitorch.tensor(np.arange(12.0).reshape(4, 3)), minitorch.tensor([3, 2, 1, 0]))
    fast = dataset.__getbatch__([2, 0])
    slow = default_collate([dataset[2], dataset[0]])
    assert [t.tolist() for t in fast] == [t.tolist() for t in slow]
    assert [t.dtype for t in fast] == [t.dtype for t in slow]


def test_concat_subset_and_chain():
    """Datasets join and divide; negative and wild indices are treated as PyTorch does."""
    joined = Squares() + Squares()
    assert isinstance(joined, ConcatDataset) and len(joined) == 20
    assert [joined[k] for k in (0, 9, 10, 19, -1, -20)] == [0, 81, 0, 81, 81, 0]
    with pytest.raises(ValueError, match="-21"):
        joined[-21]
    with pytest.raises(IndexError, match="20"):
        joined[20]
    assert list(DataLoader(Subset(Squares(), [5, 1]), batch_size=None)) == [25, 1]
    chained = Count(2) + Count(3)
    assert isinstance(chained, ChainDataset) and list(chained) == [0, 1, 0, 1, 2] and len(chained) == 5


def test_joining_the_wrong_kind_raises():
    """Concat refuses nothing at all and streams; Chain refuses maps; bare base classes say what to write."""
    with pytest.raises(AssertionError):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="ChainDataset"):
        ConcatDataset([Count(1)])
    with pytest.raises(AssertionError, match="ConcatDataset"):
        list(ChainDataset([Squares()]))
    with pytest.raises(NotImplementedError, match="__getitem__"):
        Dataset()[0]
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(IterableDataset())
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(Sampler())


@pytest.mark.parametrize(
    ("total", "lengths", "expected"),
    [(10, [7, 3], [7, 3]), (10, [0.5, 0.25, 0.25], [6, 2, 2]), (7, [0.5, 0.5], [4, 3]), (5, [5, 0], [5, 0])],
)
def test_random_split_lengths(total, lengths, expected):
    """Counts are taken as they are; fractions are rounded down and the rest dealt out in turn."""
    parts = random_split(range(total), lengths, generator=seeded(1))
    assert [len(part) for part in parts] == expected
    assert sorted(i for part in parts for i in part.indices) == list(range(total))


def test_random_split_follows_its_generator():
    """The same generator state gives the same parts, another one gives others."""
    first, again, other = (random_split(range(50), [20, 30], generator=seeded(s)) for s in (1, 1, 2))
    assert first[0].indices == again[0].indices != other[0].indices


def test_random_split_refuses():
    """Sums that do not match, and fractions outside [0, 1], raise ValueError; an empty part warns."""
    with pytest.raises(ValueError, match="adds up to 9"):
        random_split(range(10), [4, 5])
    with pytest.raises(ValueError, match="fraction 0"):
        random_split(range(10), [-0.5, 1.5])
    with pytest.warns(UserWarning, match="part 1"):
        random_split(range(2), [0.9, 0.1 - 1e-12])


# ---- samplers


def test_sequential_and_batch_sampler():
    """Batches are runs of the order; the short last one is kept or dropped, and counted accordingly."""
    order = SequentialSampler(range(5))
    assert list(order) == [0, 1, 2, 3, 4] and len(order) == 5
    for drop_last, expected in ((False, [[0, 1], [2, 3], [4]]), (True, [[0, 1], [2, 3]])):
        batches = BatchSampler(order, 2, drop_last)
        assert list(batches) == expected and len(batches) == len(expected)


def test_random_sampler_is_a_permutation_each_round():
    """Without replacement each run through the data holds every index once; num_samples cuts or repeats."""
    draws = list(RandomSampler(range(10), num_samples=25, generator=seeded(3)))
    assert sorted(draws[:10]) == sorted(draws[10:20]) == list(range(10)) and len(set(draws[20:])) == 5
    assert draws[:10] != draws[10:20]


def test_random_sampler_with_replacement_repeats():
    """With replacement 1,000 draws from 10 hit every index about equally often."""
    counts = np.bincount(list(RandomSampler(range(10), True, 1000, seeded(3))), minlength=10)
    assert counts.sum() == 1000 and counts.min() > 60 and counts.max() < 145


def test_subset_random_sampler():
    """The given indices, in another order."""
    draws = list(SubsetRandomSampler([4, 8, 15, 16, 23, 42], generator=seeded(0)))
    assert sorted(draws) == [4, 8, 15, 16, 23, 42]


def test_weighted_sampler_frequencies():
    """Frequencies follow the weights with replacement; without it, every index comes at most once."""
    draws = list(WeightedRandomSampler([0.0, 1.0, 3.0], 4000, generator=seeded(5)))
    counts = np.bincount(draws, minlength=3)
    assert counts[0] == 0 and abs(counts[2] / counts[1] - 3) < 0.4
    once = [list(WeightedRandomSampler([1.0, 1.0, 0.0, 8.0], 3, False, seeded(s))) for s in range(50)]
    assert all(sorted(draw) == [0, 1, 3] for draw in once)
    assert sum(draw[0] == 3 for draw in once) > 30


@pytest.mark.parametrize(
    ("error", "make"),
    [
        (ValueError, lambda: RandomSampler([])),
        (ValueError, lambda: RandomSampler([1], num_samples=0)),
        (TypeError, lambda: RandomSampler([1], replacement=1)),
        (ValueError, lambda: WeightedRandomSampler([1.0], 0)),
        (ValueError, lambda: WeightedRandomSampler([1.0], True)),
        (ValueError, lambda: WeightedRandomSampler([1.0], 1, replacement=1)),
        (ValueError, lambda: WeightedRandomSampler([[1.0]], 1)),
        (RuntimeError, lambda: iter(WeightedRandomSampler([1.0, -1.0], 1))),
        (RuntimeError, lambda: iter(WeightedRandomSampler([0.0, 0.0], 1))),
        (RuntimeError, lambda: iter(WeightedRandomSampler([1.0, 0.0], 2, replacement=False))),
        (ValueError, lambda: BatchSampler([1], 0, False)),
        (ValueError, lambda: BatchSampler([1], True, False)),
        (ValueError, lambda: BatchSampler([1], 2.5, False)),
        (ValueError, lambda: BatchSampler([1], 1, 0)),
    ],
)
def test_samplers_refuse(error, make):
    """Wrong sampler arguments raise PyTorch's class."""
    with pytest.raises(error):
        make()


# ---- collation

Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("batch", "dtype", "expected"),
    [
        ([1, 2], np.int64, [1, 2]),
        ([1.5, 2.5], np.float64, [1.5, 2.5]),
        ([True, False], np.bool_, [True, False]),
        ([np.float32(1), np.float32(2)], np.float32, [1, 2]),
        ([np.zeros(2, np.uint8), np.ones(2, np.uint8)], np.uint8, [[0, 0], [1, 1]]),
    ],
)
def test_collate_numbers_and_arrays(batch, dtype, expected):
    """Numbers and arrays become one Tensor of PyTorch's dtype."""
    out = default_collate(batch)
    assert out.array.dtype == dtype and out.tolist() == expected


def test_collate_containers():
    """Tuples, lists, namedtuples, mappings and text are collated item by item."""
    pairs = default_collate([(1, "a"), (2, "b")])
    assert isinstance(pairs, list) and pairs[0].tolist() == [1, 2] and pairs[1] == ["a", "b"]
    points = default_collate([Point(1, 2.0), Point(3, 4.0)])
    assert isinstance(points, Point) and points.x.tolist() == [1, 3]
    nested = default_collate([{"a": [1, {"b": b"x"}]}, {"a": [2, {"b": b"y"}]}])
    assert nested["a"][0].tolist() == [1, 2] and nested["a"][1]["b"] == [b"x", b"y"]


def test_collate_tensors_keeps_graph_and_channels_last():
    """A sample that requires grad stays on the tape; channels-last samples make a channels-last batch."""
    x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    assert default_collate([x, x]).requires_grad
    pictures = [minitorch.from_numpy(np.moveaxis(np.random.rand(4, 5, 3), -1, 0)) for _ in range(2)]
    out = default_collate(pictures)
    assert out.shape == (2, 3, 4, 5) and np.moveaxis(out.array, 1, -1).flags.c_contiguous
    np.testing.assert_array_equal(out.array, np.stack([p.array for p in pictures]))


@pytest.mark.parametrize(
    ("error", "words", "batch"),
    [
        (RuntimeError, "sample 1 is", [np.zeros(1), np.zeros(2)]),
        (RuntimeError, r"\[1, 2\]", [(1,), (1, 2)]),
        (TypeError, "object", [object(), object()]),
        (TypeError, "<U1", [np.array(["a"]), np.array(["b"])]),
    ],
)
def test_collate_refuses(error, words, batch):
    """Ragged samples and types with no Tensor raise PyTorch's class and name the culprit."""
    with pytest.raises(error, match=words):
        default_collate(batch)


def test_convert_one_sample():
    """default_convert makes Tensors of arrays inside a sample and leaves everything else."""
    out = default_convert({"a": np.ones(2), "b": [1, "x"], "c": Point(np.zeros(1), 2), "d": (1,)})
    assert out["a"].tolist() == [1, 1] and out["b"] == [1, "x"] and out["c"].x.tolist() == [0] and out["d"] == [1]


# ---- random streams


def test_mix_is_splitmix64():
    """The first outputs of splitmix64 from state 0, as its reference implementation prints them."""
    gamma = 0x9E3779B97F4A7C15
    words = mix(np.array([gamma * k % 2**64 for k in (1, 2, 3)], np.uint64))
    assert [f"{word:016x}" for word in words.tolist()] == ["e220a8397b1dcdaf", "6e789e6aa1b965f4", "06c45d188009454f"]


def test_stream_depends_on_seed_and_index_alone():
    """A sample's numbers are the same in any batch, and differ by seed, index and draw."""
    batch, alone = Stream(7, [3, 4, 5]), Stream(7, [4])
    for _ in range(3):
        assert batch.words()[1] == alone.words()[0]
    words = [Stream(seed, [index]).words()[0] for seed in (0, 1, -1) for index in (0, 1, -1, "a", (1, 2))]
    assert len(set(words)) == len(words)


def test_stream_ranges_are_even():
    """Integers fill [0, high) evenly and uniforms [0, 1)."""
    stream = Stream(1, np.arange(90_000))
    counts = np.bincount(stream.integers(9), minlength=9)
    assert len(counts) == 9 and abs(counts - 10_000).max() < 500
    u = stream.uniform()
    assert 0 <= u.min() < 1e-3 and 0.999 < u.max() < 1 and abs(u.mean() - 0.5) < 0.005


# ---- DataLoader


def test_order_follows_the_generator():
    """The order is a function of the generator's state, and new in every epoch."""
    loader = DataLoader(Squares(), 3, shuffle=True, generator=seeded(1))
    first, second = flat(loader), flat(loader)
    assert sorted(first) == sorted(second) == [k * k for k in range(10)] and first != second
    again = DataLoader(Squares(), 5, shuffle=True, generator=seeded(1))
    assert flat(again) == first and flat(again) == second


def test_manual_seed_decides_where_no_generator_is_given():
    """minitorch.manual_seed repeats an epoch of a loader without a generator."""
    loader = DataLoader(Squares(), 3, shuffle=True)
    minitorch.manual_seed(4)
    first = flat(loader)
    minitorch.manual_seed(4)
    assert flat(loader) == first


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [4, 4, 2]), (True, [4, 4])])
@pytest.mark.parametrize("dataset", [Squares(), Count(10)])
def test_batches_and_lengths(dataset, drop_last, sizes):
    """Maps and streams are cut into batches alike, and len() counts them."""
    loader = DataLoader(dataset, 4, drop_last=drop_last)
    assert [len(batch) for batch in loader] == sizes and len(loader) == len(sizes)


def test_no_automatic_batching():
    """batch_size=None yields samples one by one; a batch_sampler or a sampler of keys sets the order."""
    assert list(DataLoader(Squares(), batch_size=None))[:3] == [0, 1, 4]
    assert list(DataLoader(Count(3), batch_size=None)) == [0, 1, 2] and len(DataLoader(Count(3), None)) == 3
    assert flat(DataLoader(Squares(), batch_sampler=[[1, 2], [3]])) == [1, 4, 9]
    assert flat(DataLoader({"a": 1, "b": 2}, sampler=["b", "a"])) == [2, 1]


def test_random_samples_do_not_depend_on_batching():
    """Augmentation is the same at any batch size and order, through Subset too, and new in every epoch."""

    def epoch(loader):
        return {
            index: value for batch in loader for index, value in zip(*map(lambda t: t.tolist(), batch), strict=True)
        }

    loaders = [
        DataLoader(Noisy(), 3, generator=seeded(1)),
        DataLoader(Noisy(), 10, generator=seeded(1)),
        DataLoader(Subset(Noisy(), range(10)), 4, generator=seeded(1)),
        DataLoader(Noisy(), 3, sampler=range(9, -1, -1), generator=seeded(1)),
    ]
    epochs = [epoch(loader) for loader in loaders]
    assert all(one == epochs[0] for one in epochs) and len(set(epochs[0].values())) == 10
    assert epoch(loaders[0]) != epochs[0]


def test_samples_drawn_again_are_augmented_anew():
    """Every draw of an index has random numbers of its own, the first those of a plain epoch, at any batch size."""

    def draws(batch_size, **options):
        epoch = list(DataLoader(Noisy(), batch_size, generator=seeded(1), **options))
        return [tuple(map(float, sample)) for batch in epoch for sample in (zip(*batch) if batch_size else [batch])]  # noqa: B905

    once, twice = draws(4, sampler=[3, 5]), draws(4, sampler=[3, 5, 3, np.int64(3), 5, 3])
    assert twice[:2] == once and len(set(twice)) == 6
    assert draws(1, sampler=[3, 5, 3, 3, 5, 3]) == draws(None, sampler=[3, 5, 3, 3, 5, 3]) == twice
    for sampler in (
        WeightedRandomSampler([1.0, 0.0], 40),
        RandomSampler(range(4), replacement=True, num_samples=40),
        RandomSampler(range(4), num_samples=40),
    ):
        assert len(set(draws(7, sampler=sampler))) == 40
    loader = DataLoader(Noisy(), 2, sampler=[3, 3], generator=seeded(1))
    first, second = (flat(batch[1] for batch in loader) for _ in range(2))
    assert len({*first, *second}) == 4


def test_stream_is_inactive_after_an_error():
    """A dataset that raises leaves no random stream behind."""

    class Broken(Squares):
        def __getitem__(self, index):
            raise KeyError("no such sample")

    with pytest.raises(KeyError):
        next(iter(DataLoader(Broken(), 2)))
    assert len(current_stream(7)) == 7


def test_getitems_and_getbatch_are_used():
    """__getbatch__ serves the default collation, __getitems__ any other one."""

    class Fast(Squares):
        def __getitems__(self, indices):
            return [-i for i in indices]

        def __getbatch__(self, indices):
            return minitorch.tensor([100 + i for i in indices])

    assert flat(DataLoader(Fast(), 4))[:3] == [100, 101, 102]
    assert list(DataLoader(Fast(), 4, collate_fn=list))[0] == [0, -1, -2, -3]
    assert flat(DataLoader(Subset(Fast(), [3, 4]), 2)) == [103, 104]

    class Declines(Fast):
        def __getbatch__(self, indices):
            return NotImplemented

    assert flat(DataLoader(Declines(), 4))[:3] == [0, -1, -2]


def test_fast_methods_of_a_parent_do_not_hide_an_override():
    """A subclass that redefines __getitem__ alone gets its samples, not its parent's batches."""

    class Shifted(TensorDataset):
        def __getitem__(self, index):
            return super().__getitem__(index)[0] + 1

    assert flat(DataLoader(Shifted(minitorch.tensor([1, 2])), 2)) == [2, 3]
    assert speaks_for(TensorDataset, "__getbatch__", "__getitem__")
    assert not speaks_for(Shifted, "__getbatch__", "__getitem__") and not speaks_for(Squares, "__getbatch__", "no")


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (ValueError, {"batch_size": 0}),
        (ValueError, {"batch_size": 2.5}),
        (ValueError, {"num_workers": -1}),
        (ValueError, {"timeout": -1}),
        (ValueError, {"prefetch_factor": 2}),
        (ValueError, {"prefetch_factor": -2, "num_workers": 1}),
        (ValueError, {"persistent_workers": True}),
        (ValueError, {"multiprocessing_context": "spawn"}),
        (ValueError, {"multiprocessing_context": "thread", "num_workers": 1}),
        (TypeError, {"multiprocessing_context": 3, "num_workers": 1}),
        (ValueError, {"sampler": [0], "shuffle": True}),
        (ValueError, {"batch_sampler": [[0]], "batch_size": 2}),
        (ValueError, {"batch_sampler": [[0]], "drop_last": True}),
        (ValueError, {"batch_size": None, "drop_last": True}),
        (ValueError, {"dataset": [], "shuffle": True}),
        (ValueError, {"dataset": Count(2), "shuffle": True}),
        (ValueError, {"dataset": Count(2), "sampler": [0]}),
        (ValueError, {"dataset": Count(2), "batch_sampler": [[0]]}),
        (ValueError, {"dataset": Count(2), "batch_size": 0}),
    ],
)
def test_loader_refuses(error, arguments):
    """Wrong and conflicting arguments raise PyTorch's class, in a message that names the argument."""
    with pytest.raises(error) as caught:
        DataLoader(**{"dataset": Squares(), **arguments})
    named = "num_samples" if arguments.get("dataset") == [] else list(arguments)[-1 if "dataset" in arguments else 0]
    assert named in str(caught.value)


def test_loader_attributes_are_fixed():
    """Attributes that the samplers were made from cannot be set afterwards."""
    loader = DataLoader(Squares(), 2)
    with pytest.raises(ValueError, match="batch_size"):
        loader.batch_size = 3
    loader.timeout = 1


def test_data_modules_import_neither_kernels_nor_numba():
    """The data modules themselves ask for nothing but numpy and the standard library."""
    code = (
        "import sys, types, pathlib, importlib;"
        "import importlib.util as u; place = pathlib.Path(u.find_spec('minitorch').origin).parent;"
        "bare = types.ModuleType('minitorch'); bare.__path__ = [str(place)]; sys.modules['minitorch'] = bare;"
        "[importlib.import_module('minitorch.' + name) for name in ('utils.data', 'vision.datasets')];"
        "loud = {'numba', 'PIL', 'pooch', 'tqdm', 'minitorch.kernels', 'minitorch.tensor'};"
        "print(sorted(loud & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout.strip() == "[]", run.stdout + run.stderr
