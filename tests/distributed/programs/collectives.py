"""Every collective against NumPy. Each rank knows what all ranks hold, and prints what does not agree."""

import sys
from datetime import timedelta

import numpy as np

import minitorch as m
import minitorch.distributed as dist

dist.init_process_group("mpi", timeout=timedelta(seconds=30))
RANK, SIZE = dist.get_rank(), dist.get_world_size()
DTYPES = [np.float32, np.float64, np.float16, np.int64, np.int32, np.uint8, np.int8, np.bool_]
SHAPES = [(), (1,), (5,), (3, 4), (0,), (2, 3, 4, 5)]
done = 0


def held(rank, dtype, shape, salt=0):
    """What a rank has: numbers that are added up exactly."""
    return np.random.default_rng([rank, salt, len(shape)]).integers(0, 4, shape).astype(dtype)


def mine(dtype, shape, salt=0):
    return m.as_tensor(held(RANK, dtype, shape, salt))


def everybody(dtype, shape, salt=0):
    return [held(rank, dtype, shape, salt) for rank in range(SIZE)]


def equal(what, got, expected):
    global done
    done += 1
    expected = np.asarray(expected)
    if got.numpy().dtype != expected.dtype or not np.array_equal(got.numpy(), expected):
        print(f"rank {RANK}: {what}: {got.numpy()} instead of {expected}", flush=True)
        sys.exit(1)


def raises(kind, text, call):
    global done
    done += 1
    try:
        call()
    except kind as error:
        if text not in str(error):
            sys.exit(f"rank {RANK}: {error!r} does not say {text!r}")
    else:
        sys.exit(f"rank {RANK}: no {kind.__name__}: {text}")


OPS = {
    "SUM": np.add,
    "PRODUCT": np.multiply,
    "MIN": np.minimum,
    "MAX": np.maximum,
    "BAND": np.bitwise_and,
    "BOR": np.bitwise_or,
    "BXOR": np.bitwise_xor,
}


def combined(name, parts):
    """The numbers of several ranks as one, in the dtype they have."""
    if name == "AVG":
        return (np.sum(np.stack(parts), 0, dtype=np.float64) / SIZE).astype(parts[0].dtype)
    return OPS[name].reduce(np.stack(parts), 0, dtype=parts[0].dtype)


def reductions():
    for dtype in DTYPES:
        for name in (*OPS, "AVG"):
            if (np.dtype(dtype).kind == "f") == name.startswith("B") and np.dtype(dtype).kind == "f":
                continue
            if name == "AVG" and np.dtype(dtype).kind != "f":
                continue
            op = getattr(dist.ReduceOp, name)
            for shape in SHAPES[-3:] if dtype is not np.float32 else SHAPES:
                expected = combined(name, everybody(dtype, shape))
                x = mine(dtype, shape)
                assert dist.all_reduce(x, op) is None
                equal(f"all_reduce {name} {dtype}", x, expected)
                x = mine(dtype, shape)
                dist.reduce(x, SIZE - 1, op=op)
                equal(f"reduce {name} {dtype}", x, expected if RANK == SIZE - 1 else held(RANK, dtype, shape))
                sent = [held(RANK, dtype, shape, i) for i in range(SIZE)]
                x = m.as_tensor(np.zeros(shape, dtype))
                dist.reduce_scatter(x, [m.as_tensor(s) for s in sent], op)
                equal(f"reduce_scatter {name} {dtype}", x, combined(name, everybody(dtype, shape, RANK)))
                x = m.as_tensor(np.zeros(shape, dtype))
                dist.reduce_scatter_tensor(x, m.as_tensor(np.stack(sent)), op)
                equal(f"reduce_scatter_tensor {name} {dtype}", x, combined(name, everybody(dtype, shape, RANK)))


def movements():
    for dtype in DTYPES:
        for shape in SHAPES:
            for root in range(SIZE):
                x = mine(dtype, shape)
                dist.broadcast(x, root)
                equal("broadcast", x, held(root, dtype, shape))
                got = [m.as_tensor(np.zeros(shape, dtype)) for _ in range(SIZE)]
                dist.gather(mine(dtype, shape), got if root == RANK else None, dst=root)
                if root == RANK:
                    for x, expected in zip(got, everybody(dtype, shape), strict=True):
                        equal("gather", x, expected)
                x = m.as_tensor(np.zeros(shape, dtype))
                sent = [m.as_tensor(held(rank, dtype, shape, 7)) for rank in range(SIZE)]
                dist.scatter(x, sent if root == RANK else None, src=root)
                equal("scatter", x, held(RANK, dtype, shape, 7))
            got = [m.as_tensor(np.zeros(shape, dtype)) for _ in range(SIZE)]
            dist.all_gather(got, mine(dtype, shape))
            for x, expected in zip(got, everybody(dtype, shape), strict=True):
                equal("all_gather", x, expected)
            for whole in ((SIZE, *shape), (SIZE * shape[0], *shape[1:]) if shape else (SIZE,)):
                x = m.as_tensor(np.zeros(whole, dtype))
                dist.all_gather_into_tensor(x, mine(dtype, shape))
                equal("all_gather_into_tensor", x, np.stack(everybody(dtype, shape)).reshape(whole))
            got = [m.as_tensor(np.zeros(shape, dtype)) for _ in range(SIZE)]
            dist.all_to_all(got, [m.as_tensor(held(RANK, dtype, shape, rank)) for rank in range(SIZE)])
            for rank, x in enumerate(got):
                equal("all_to_all", x, held(rank, dtype, shape, RANK))


def uneven():
    x = m.arange(SIZE * 2 * 3.0).reshape(SIZE * 2, 3) + 100 * RANK
    got = m.zeros(SIZE * 2, 3)
    dist.all_to_all_single(got, x)
    parts = [np.arange(SIZE * 6.0, dtype=np.float32).reshape(SIZE, 2, 3)[RANK] + 100 * rank for rank in range(SIZE)]
    equal("all_to_all_single", got, np.concatenate(parts))
    # Rank r sends r + s rows to rank s.
    x = m.full((sum(RANK + s for s in range(SIZE)), 2), float(RANK))
    got = m.zeros(sum(RANK + s for s in range(SIZE)), 2)
    lengths = [RANK + s for s in range(SIZE)]
    dist.all_to_all_single(got, x, lengths, lengths)
    rows = np.repeat(np.arange(SIZE, dtype=np.float32), lengths)
    equal("all_to_all_single, uneven", got, np.stack([rows, rows], 1))
    got = [m.zeros(RANK + s + 1) for s in range(SIZE)]
    dist.all_to_all(got, [m.full((RANK + s + 1,), float(RANK)) for s in range(SIZE)])
    for s, x in enumerate(got):
        equal("all_to_all, uneven", x, np.full(RANK + s + 1, s, np.float32))


def orders():
    """Memory in another order than that of rows, views, and tensors that are not computed yet."""
    x = m.as_tensor(held(RANK, np.float32, (4, 6))).t()
    dist.all_reduce(x)
    equal("all_reduce of a transposed one", x, sum(everybody(np.float32, (4, 6))).T)
    whole = mine(np.float32, (6, 4))
    dist.broadcast(whole[:, 1], 1)
    expected = held(RANK, np.float32, (6, 4))
    expected[:, 1] = held(1, np.float32, (6, 4))[:, 1]
    equal("broadcast of a column", whole, expected)
    images = m.nn.functional.relu(m.nn.Conv2d(3, 4, 3)(m.ones(2, 3, 8, 8))).detach()
    before = images.numpy().copy()
    with m.no_grad():
        y = m.nn.functional.relu(images * 2)
        dist.all_reduce(y, dist.ReduceOp.AVG)
    assert y.shape == before.shape
    total = m.as_tensor(before * 2).clamp(min=0)
    dist.all_reduce(total)
    assert np.allclose(y.numpy(), total.numpy() / SIZE)


def messages():
    right, left = (RANK + 1) % SIZE, (RANK - 1) % SIZE
    for dtype in DTYPES:
        for shape in SHAPES:
            x = m.as_tensor(np.zeros(shape, dtype))
            work = [dist.isend(mine(dtype, shape), right, tag=3), dist.irecv(x, left, tag=3)]
            assert all(w.wait() for w in work) and work[1].is_completed()
            equal("isend, irecv", x, held(left, dtype, shape))
    x = m.zeros(4)
    if RANK == 0:
        sources = set()
        for _ in range(SIZE - 1):
            source = dist.recv(x)
            sources.add(source)
            equal("recv from any", x, np.full(4, source, np.float32))
        assert sources == set(range(1, SIZE))
    else:
        dist.send(m.full((4,), float(RANK)), 0)


def objects():
    things = [{"rank": RANK}, "text" * RANK, None]
    dist.broadcast_object_list(things, SIZE - 1)
    assert things == [{"rank": SIZE - 1}, "text" * (SIZE - 1), None]
    got = [None] * SIZE
    dist.all_gather_object(got, ("r", RANK, list(range(RANK))))
    assert got == [("r", rank, list(range(rank))) for rank in range(SIZE)]
    got = [None] * SIZE if RANK == 1 else None
    dist.gather_object(RANK * 2, got, dst=1)
    assert got is None or got == [2 * rank for rank in range(SIZE)]
    got = [None]
    dist.scatter_object_list(got, [f"for {rank}" for rank in range(SIZE)] if RANK == 0 else None)
    assert got == [f"for {RANK}"]


def under_way():
    """Several at once, waited for in another order; a large one."""
    xs = [m.full((1000 * (i + 1),), float(RANK + i)) for i in range(5)]
    work = [dist.all_reduce(x, async_op=True) for x in xs] + [dist.barrier(async_op=True)]
    for i in reversed(range(6)):
        assert work[i].wait()
    for i, x in enumerate(xs):
        equal("all_reduce under way", x, np.full(1000 * (i + 1), sum(r + i for r in range(SIZE)), np.float32))
    x = m.full((3_000_000,), float(RANK))
    dist.all_reduce(x, dist.ReduceOp.MAX)
    equal("a large all_reduce", x, np.full(3_000_000, SIZE - 1, np.float32))


def groups():
    pair = dist.new_group([SIZE - 1, 0])
    alone = [dist.new_group([rank]) for rank in range(SIZE)][RANK]
    assert dist.get_world_size(alone) == 1 and dist.get_rank(alone) == 0
    x = m.full((2,), float(RANK + 1))
    dist.all_reduce(x, group=alone)
    equal("all_reduce of one", x, np.full(2, RANK + 1, np.float32))
    if RANK in (0, SIZE - 1):
        assert dist.get_process_group_ranks(pair) == [0, SIZE - 1]
        assert dist.get_global_rank(pair, 1) == SIZE - 1 and dist.get_group_rank(pair, SIZE - 1) == 1
        dist.all_reduce(x, group=pair)
        equal("all_reduce of a pair", x, np.full(2, SIZE + 1, np.float32))
        dist.broadcast(x.mul_(RANK), SIZE - 1, group=pair)
        equal("broadcast in a pair", x, np.full(2, (SIZE + 1) * (SIZE - 1), np.float32))
        dist.broadcast(x, group=pair, group_src=1)
        raises(ValueError, "is not part of group", lambda: dist.broadcast(x, 1 if SIZE > 2 else 7, group=pair))
        dist.barrier(pair)
        dist.destroy_process_group(pair)
        raises(ValueError, "Invalid process group", lambda: dist.barrier(pair))
    else:
        assert dist.get_rank(pair) == -1 == dist.get_world_size(pair)
        import warnings

        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            assert dist.all_reduce(x, group=pair) is None
        assert "does not belong" in str(heard[0].message)


def wrong_calls():
    x, ints = m.ones(2), m.ones(2, dtype=m.int64)
    raises(ValueError, "twice", lambda: dist.init_process_group("mpi"))
    raises(TypeError, "Expected parameter `tensor`", lambda: dist.all_reduce([x]))
    raises(TypeError, "Expected parameter `tensor_list`", lambda: dist.all_gather(x, x))
    raises(TypeError, "Expected parameter `tensor`", lambda: dist.broadcast(np.ones(2), 0))
    raises(ValueError, "is not part of group", lambda: dist.broadcast(x, SIZE))
    raises(ValueError, "Must specify", lambda: dist.broadcast(x))
    raises(ValueError, "Can't specify both", lambda: dist.broadcast(x, 0, group_src=0))
    raises(TypeError, "must be an int", lambda: dist.broadcast(x, "0"))
    raises(ValueError, "``op`` argument", lambda: dist.all_reduce(x, "SUM"))
    raises(RuntimeError, "BAND has no meaning", lambda: dist.all_reduce(x, dist.ReduceOp.BAND))
    raises(RuntimeError, "AVG has no meaning", lambda: dist.all_reduce(ints, dist.ReduceOp.AVG))
    raises(ValueError, "for each of the", lambda: dist.all_gather([x] * (SIZE + 1), x))
    raises(ValueError, "different dtypes", lambda: dist.all_gather([ints] * SIZE, x))
    raises(ValueError, "has the shape (3,)", lambda: dist.all_gather([m.ones(3)] * SIZE, x))
    raises(ValueError, "has the shape (3,)", lambda: dist.all_gather_into_tensor(m.ones(3), x))
    raises(ValueError, "has the shape (3,)", lambda: dist.reduce_scatter_tensor(x, m.ones(3)))
    raises(ValueError, "does not divide", lambda: dist.all_to_all_single(m.ones(SIZE + 1), m.ones(SIZE + 1)))
    raises(ValueError, "add up to", lambda: dist.all_to_all_single(x, x, [5] * SIZE, [1] * SIZE))
    lists = (
        ("must be specified", lambda: dist.gather(x))
        if RANK == 0
        else ("must NOT be specified", lambda: dist.gather(x, [x] * SIZE))
    )
    raises(ValueError, *lists)
    raises(ValueError, "same as the rank of the current process", lambda: dist.send(x, RANK))
    raises(ValueError, "`tag` must be", lambda: dist.send(x, (RANK + 1) % SIZE, tag=-1))
    raises(ValueError, "within the world_size", lambda: dist.new_group([SIZE]))
    raises(ValueError, "stands twice", lambda: dist.new_group([0, 0]))
    raises(ValueError, "Invalid process group", lambda: dist.barrier("world"))
    raises(RuntimeError, "single memory location", lambda: dist.all_reduce(m.ones(1).expand(2)))
    raises(AttributeError, "docs/distributed.md", lambda: dist.fully_shard)
    dist.barrier()


for part in (reductions, movements, uneven, orders, messages, objects, under_way, groups, wrong_calls):
    part()
total = m.tensor(float(done))
dist.all_reduce(total)
dist.destroy_process_group()
raises(ValueError, "has not been initialized", dist.get_rank)
if RANK == 0:
    print(f"{int(total)} comparisons on {SIZE} ranks agree")
