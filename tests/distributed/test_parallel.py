"""DistributedDataParallel, SyncBatchNorm, DistributedSampler: right, and the same bits on any number of ranks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from jobs import job, needs_mpi

import minitorch as m
import minitorch.distributed as dist
from minitorch import nn
from minitorch.distributed import reducer, shards
from minitorch.utils.data import DataLoader, DistributedSampler


@needs_mpi
@pytest.mark.parametrize("ranks", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_what_the_wrapper_promises(ranks: int) -> None:
    """Gradients against those of all ranks' data computed in one place; see the program."""
    done = job(ranks, "wrapped.py")
    assert done.code == 0 and f"parts agree on {ranks} ranks" in done.out, done.out + done.err
    assert not done.left


@needs_mpi
@pytest.mark.slow
@pytest.mark.parametrize("net", ["conv", "batchnorm", "dropout"])
def test_any_number_of_ranks_gives_the_same_bits(net: str) -> None:
    """Two steps of training, the batch divided among 1, 2 and 4 ranks: equal weights, statistics and losses."""
    ends = [job(n, "training.py", net, "2", "16", "8") for n in (1, 2, 4)]
    assert all(done.code == 0 for done in ends), ends[-1].err
    assert len({done.out for done in ends}) == 1, [done.out for done in ends]
    assert (
        ends[0].out != job(2, "training.py", net, "2", "16").out or net == "conv"
    )  # the fast way adds in another order


@needs_mpi
@pytest.mark.slow
@pytest.mark.parametrize("exact", [(), ("8",)])
def test_a_run_that_was_killed_goes_on_to_the_bit(exact: tuple, tmp_path: Path) -> None:
    """From the checkpoint of rank 0; in micro-shards on another number of ranks, too."""
    path = str(tmp_path / "checkpoint.zip")
    whole = job(2, "training.py", "dropout", "4", "16", *exact)
    killed = job(2, "training.py", "dropout", "4", "16", *exact, CHECKPOINT=path, KILL="2")
    assert killed.code != 0 and "rank 1" in killed.err and "is gone" in killed.err and not killed.left
    written = [entry for entry in tmp_path.iterdir() if entry.suffix != ".part"]  # the end may come within the next one
    assert [entry.name for entry in written] == ["checkpoint.zip"]
    again = job(4 if exact else 2, "training.py", "dropout", "4", "16", *exact, CHECKPOINT=path)
    assert whole.code == again.code == 0 and again.out == whole.out, again.err


def test_sums_in_a_tree() -> None:
    """Neighbours first; a branch of the tree is a tree."""
    assert shards.add_up(list("abcdefgh"), lambda a, b: f"({a}{b})") == "(((ab)(cd))((ef)(gh)))"
    assert shards.add_up(list("abcde"), lambda a, b: f"({a}{b})") == "(((ab)(cd))e)"
    assert shards.add_up(["a"], lambda a, b: f"({a}{b})") == "a"


def test_buckets_are_in_reverse_order() -> None:
    """As many as fit, one at least, of one dtype."""
    made = [
        nn.Parameter(m.ones(n, dtype=d)) for n, d in ((100, m.float32), (2, m.float64), (3, m.float32), (4, m.float32))
    ]
    found = [[tuple(p.shape) for p in bucket.parameters] for bucket in reducer.buckets(made, 28)]
    assert found == [[(4,), (3,)], [(2,)], [(100,)]]
    found = [[tuple(p.shape) for p in bucket.parameters] for bucket in reducer.buckets(made, 1)]
    assert found == [[(4,)], [(3,)], [(2,)], [(100,)]]


def test_stand_ins_share_all_but_parameters() -> None:
    """Gradients come in pairs; shared parameters stay shared."""
    layer = nn.Linear(2, 2, bias=False)
    net = nn.Sequential(layer, nn.BatchNorm1d(2), layer)
    copies = shards.fan(net, 4)
    assert copies[0][0] is copies[0][2] and copies[0][1].running_mean is net[1].running_mean
    assert copies[0][0].weight is not copies[1][0].weight and type(copies[0]) is nn.Sequential
    values = [np.float32(v) for v in (1.0, 1e-8, -1.0, 1e-8)]
    sum(float(v) * copy[0].weight.sum() for v, copy in zip(values, copies, strict=True)).backward()
    assert layer.weight.grad[0, 0].item() == (values[0] + values[1]) + (values[2] + values[3]) == 0


def test_shards_that_meet_go_on_together() -> None:
    """Each gets its own item back; one that fails or ends early is raised; random numbers belong to the shard."""

    def call(number: int, fails: bool = False, meets: bool = True):  # noqa: ANN202
        def run():  # noqa: ANN202
            if fails:
                raise KeyError(number)
            drawn = m.rand(1).item()
            got = shards.current.get().meet(lambda items: [sum(items) - i for i in items], number) if meets else 0
            return got, drawn, m.rand(1).item()

        return run

    found = shards.Lockstep(7, 4).run([call(1), call(2), call(3)], threads=True)
    assert [got for got, _, _ in found] == [5, 4, 3]
    alone = shards.Lockstep(7, 5).run([call(2, meets=False)], threads=False)
    assert found[1][1:] == alone[0][1:] != found[0][1:]
    before = m.get_rng_state()
    with pytest.raises(KeyError):
        shards.Lockstep(7, 0).run([call(1), call(2, fails=True)], threads=True)
    with pytest.raises(RuntimeError, match="not all micro-shards"):
        shards.Lockstep(7, 0).run([call(1), call(2, meets=False)], threads=True)
    assert m.get_rng_state() == before


def test_without_a_job() -> None:
    """The wrapper needs ranks; a synchronised norm without any is a batch norm."""
    with pytest.raises(ValueError, match="has not been initialized"):
        nn.parallel.DistributedDataParallel(nn.Linear(1, 1))
    x = m.randn(4, 3, 5)
    assert m.equal(nn.SyncBatchNorm(3)(x), nn.BatchNorm1d(3)(x))
    averages = dist.Averages()
    averages.add("loss", 3, 2)
    averages.add("loss", m.tensor(1.0), 2)
    assert averages.compute() == {"loss": 1.0}
    averages.reset()
    assert averages.compute() == {}


# (length, replicas, drop_last): what each rank visits without shuffling; of torch.utils.data.distributed, written out
VISITS = {
    (6, 2, False): [[0, 2, 4], [1, 3, 5]],
    (5, 2, False): [[0, 2, 4], [1, 3, 0]],
    (5, 2, True): [[0, 2], [1, 3]],
    (2, 5, False): [[0], [1], [0], [1], [0]],
    (7, 3, True): [[0, 3], [1, 4], [2, 5]],
    (7, 3, False): [[0, 3, 6], [1, 4, 0], [2, 5, 1]],
    (2, 3, True): [[], [], []],
}


@pytest.mark.parametrize(("case", "expected"), VISITS.items())
def test_sampler_divides_as_pytorchs(case: tuple, expected: list) -> None:
    """Padded from the beginning, or cut."""
    length, replicas, drop_last = case
    made = [DistributedSampler(range(length), replicas, r, shuffle=False, drop_last=drop_last) for r in range(replicas)]
    assert [list(sampler) for sampler in made] == expected
    assert [len(sampler) for sampler in made] == [len(part) for part in expected]


def test_sampler_shuffles_by_epoch() -> None:
    """One order for all ranks, another in each epoch and for each seed; the same again."""
    made = [DistributedSampler(range(10), 2, rank, seed=3) for rank in range(2)]
    first = [list(sampler) for sampler in made]
    assert sorted(first[0] + first[1]) == list(range(10)) and first == [list(sampler) for sampler in made]
    for sampler in made:
        sampler.set_epoch(1)
    second = [list(sampler) for sampler in made]
    assert sorted(second[0] + second[1]) == list(range(10)) and second != first
    assert list(DistributedSampler(range(10), 2, 0, seed=4)) != first[0]
    loader = DataLoader(m.utils.data.TensorDataset(m.arange(10)), 2, sampler=made[0])
    assert [x.tolist() for (x,) in loader] == [second[0][:2], second[0][2:4], second[0][4:]]


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("interval \\[0, 1\\]", (2, 2)),
        ("interval", (2, -1)),
        ("positive integer", (0, 0)),
        ("has not been initialized", (None, None)),
    ],
)
def test_sampler_refuses(text: str, arguments: tuple) -> None:
    """Ranks that there are not."""
    with pytest.raises(ValueError, match=text):
        DistributedSampler(range(3), *arguments)


def test_folder_of_programs_is_complete() -> None:
    """Every program is run by a test."""
    here = Path(__file__).parent
    tests = "".join(path.read_text() for path in here.glob("test_*.py"))
    assert all(program.name in tests for program in (here / "programs").glob("*.py"))
