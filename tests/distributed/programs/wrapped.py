"""What DistributedDataParallel, SyncBatchNorm and Averages promise, on real ranks; prints how many parts passed."""

import sys
from datetime import timedelta

import numpy as np

import minitorch as m
import minitorch.distributed as dist
from minitorch import nn
from minitorch.distributed import reducer
from minitorch.nn import functional as F
from minitorch.nn.parallel import DistributedDataParallel

dist.init_process_group("mpi", timeout=timedelta(seconds=30))
RANK, SIZE = dist.get_rank(), dist.get_world_size()


def data(rank, n=4, features=6):
    return m.from_numpy(np.random.default_rng(rank).standard_normal((n, features), np.float32))


def net(seed=0):
    m.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))


def close(a, b, tolerance=1e-6):
    a, b = (np.asarray(x.detach().numpy() if isinstance(x, m.Tensor) else x, np.float64) for x in (a, b))
    assert a.shape == b.shape and np.abs(a - b).max() <= tolerance * (1 + np.abs(b).max()), (a, b)


def means(model, loss):
    """The mean over ranks of the gradients that each has by itself, computed here for all of them."""
    trained = [p for p in model.parameters() if p.requires_grad]
    total = [np.zeros(p.shape) for p in trained]
    for rank in range(SIZE):
        grads = m.autograd.grad(loss(model, data(rank)), trained, allow_unused=True)
        for t, g in zip(total, grads, strict=True):
            t += 0 if g is None else g.numpy() / SIZE
    return total


def starts_as_rank_0():
    model = net(RANK)
    ddp = DistributedDataParallel(model)
    for p, q in zip(model.parameters(), net(0).parameters(), strict=True):
        assert m.equal(p, q)
    assert ddp.module is model and list(ddp.state_dict()) == [f"module.{name}" for name in model.state_dict()]


def mean_of_gradients():
    for size in (None, 1e-5, 1e-4):
        model = net()
        ddp = DistributedDataParallel(model, bucket_cap_mb=size)
        expected = means(model, lambda f, x: f(x).square().sum())
        for _ in range(2):
            model.zero_grad()
            ddp(data(RANK)).square().sum().backward()
            for p, g in zip(model.parameters(), expected, strict=True):
                close(p.grad, g)
        ddp(data(RANK)).square().sum().backward()  # adds to what is there
        for p, g in zip(model.parameters(), expected, strict=True):
            close(p.grad, 2 * g)


def half_precision():
    """Gradients of float16 and bfloat16 are added up in float32, and rounded once."""
    for dtype in (m.float16, m.bfloat16):
        model = nn.Linear(3, 1, bias=False).to(dtype)
        x = m.full((1, 3), 1.0 if RANK else 300.0, dtype=dtype)  # bfloat16 would round 301 to 302 before it is halved
        ddp = DistributedDataParallel(model)
        ddp(x).sum().backward()
        assert model.weight.grad.dtype is dtype
        close(model.weight.grad.float(), m.full((1, 3), (299 + SIZE) / SIZE).to(dtype).float(), 0)
        total = m.full((2,), 300.0 if RANK else 1.0, dtype=dtype)
        dist.all_reduce(total)
        assert total.dtype is dtype and m.equal(total, m.full((2,), 1.0 + 300 * (SIZE - 1)).to(dtype))


def sent_while_backward_runs():
    """Buckets in reverse order of registration; the first is under way before the first layer's rule has run."""
    model = net()
    ddp = DistributedDataParallel(model, bucket_cap_mb=1e-5)
    shapes = [tuple(p.shape) for bucket in ddp.reducer.buckets for p in bucket.parameters]
    assert shapes == [tuple(p.shape) for p in reversed(list(model.parameters()))]
    sent, seen = [], []
    original = reducer.Reducer.send
    reducer.Reducer.send = lambda self, number: (sent.append(number), original(self, number))[1]
    x = data(RANK).requires_grad_()
    x.register_hook(lambda g: seen.append(list(sent)))
    hidden = ddp.module[0](x)
    hidden.register_hook(lambda g: seen.append(list(sent)))
    ddp.reducer.armed = True
    ddp.module[2](ddp.module[1](hidden)).sum().backward()
    reducer.Reducer.send = original
    assert sent == [0, 1, 2, 3], sent
    assert seen[0] == [0, 1], seen  # both of the last layer, when the gradient comes to the first


def no_sync():
    model = net()
    ddp = DistributedDataParallel(model)
    with ddp.no_sync():
        ddp(data(RANK)).sum().backward()
    alone = m.autograd.grad(model(data(RANK)).sum(), list(model.parameters()))
    for p, g in zip(model.parameters(), alone, strict=True):
        close(p.grad, g)
    ddp(data(RANK)).square().sum().backward()
    both = means(model, lambda f, x: f(x).square().sum() + f(x).sum())
    for p, g in zip(model.parameters(), both, strict=True):
        close(p.grad, g)


class Branches(nn.Module):
    """Ranks may take different branches; one is taken by nobody."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.none = nn.Linear(6, 2), nn.Linear(6, 2), nn.Linear(6, 2)

    def forward(self, x, way):
        return (self.one if way else self.two)(x)


def unused_parameters():
    for find in (False, True):
        m.manual_seed(0)
        ddp = DistributedDataParallel(Branches(), find_unused_parameters=find)
        ddp(data(RANK), RANK == 0).sum().backward()
        close(ddp.module.one.weight.grad, np.tile(data(0).numpy().sum(0) / SIZE, (2, 1)))
        close(ddp.module.two.weight.grad, np.tile(sum(data(r).numpy().sum(0) for r in range(1, SIZE)) / SIZE, (2, 1)))
        if find:
            assert ddp.module.none.weight.grad is None
        else:
            close(ddp.module.none.weight.grad, np.zeros((2, 6)))


def other_gradients():
    """Hooks, shared and frozen parameters, gradients of gradients, other models' backward, `autograd.grad`."""
    model = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))
    model[2].weight = model[0].weight
    model[2].bias.requires_grad_(False)
    model[0].bias.register_hook(lambda g: g * 2)
    ddp = DistributedDataParallel(model)
    expected = means(model, lambda f, x: f(x).square().sum())
    ddp(data(RANK)).square().sum().backward()
    close(model[0].weight.grad, expected[0])
    assert model[2].bias.grad is None
    before = model[0].weight.grad.clone()
    m.autograd.grad(ddp(data(RANK)).sum(), [model[0].weight])
    nn.Linear(6, 1)(data(RANK)).sum().backward()
    assert m.equal(model[0].weight.grad, before)
    smooth = net()
    ddp = DistributedDataParallel(smooth)
    x = data(RANK).requires_grad_()
    (g,) = m.autograd.grad(ddp(x).square().sum(), [x], create_graph=True)
    g.square().sum().backward()

    def slope(f, x):
        x = x.requires_grad_()
        return m.autograd.grad(f(x).square().sum(), [x], create_graph=True)[0].square().sum()

    for p, e in zip(smooth.parameters(), means(smooth, slope), strict=True):
        close(p.grad, e, 1e-5)


def two_models():
    """As an adversarial pair has them: one loss goes through both."""
    first, second = DistributedDataParallel(nn.Linear(6, 4)), DistributedDataParallel(nn.Linear(4, 1))
    second(first(data(RANK))).sum().backward()
    grads = [first.module.weight.grad, second.module.weight.grad]
    both = nn.Sequential(first.module, second.module)
    expected = means(both, lambda f, x: f(x).sum())
    close(grads[0], expected[0])
    close(grads[1], expected[2])


def buffers_of_rank_0():
    model = nn.BatchNorm1d(6)
    model.running_mean += RANK
    ddp = DistributedDataParallel(model)
    close(model.running_mean, np.zeros(6))
    model.running_mean += RANK
    ddp.eval()
    close(ddp(data(0)), (data(0).numpy() - 0) / np.sqrt(1 + 1e-5))


def synchronised_batch_norm():
    """Value, gradients and statistics against the whole batch in one process; ranks with different shares."""
    shares = [data(rank, 3 + rank) + rank for rank in range(SIZE)]
    whole = m.cat(shares)
    for make in (
        lambda: nn.BatchNorm1d(6),
        lambda: nn.BatchNorm1d(6, affine=False, momentum=None),
        lambda: nn.BatchNorm1d(6, track_running_stats=False),
    ):
        plain, own = make(), nn.SyncBatchNorm.convert_sync_batchnorm(make())
        assert type(own) is nn.SyncBatchNorm
        for layer in (plain, own):
            if layer.affine:
                with m.no_grad():
                    layer.weight.copy_(m.arange(6.0) - 2)
        for _ in range(2):
            x, part = whole.clone().requires_grad_(), shares[RANK].clone().requires_grad_()
            y, z = plain(x), own(part)
            y.sin().sum().backward()
            z.sin().sum().backward()
            first = sum(len(s) for s in shares[:RANK])
            rows = slice(first, first + len(part))
            close(z, y[rows], 1e-5)
            close(part.grad, x.grad[rows], 1e-4)
        if plain.affine:
            for p, q in ((plain.weight, own.weight), (plain.bias, own.bias)):
                total = q.grad.clone()
                dist.all_reduce(total)
                close(total, p.grad, 1e-4)
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            if getattr(plain, name) is not None:
                close(getattr(own, name), getattr(plain, name), 1e-5)
        close(own.eval()(part), plain.eval()(whole)[rows], 1e-5)
    images = m.from_numpy(np.random.default_rng(9).standard_normal((2 * SIZE, 3, 4, 5), np.float32))
    mine = images[2 * RANK : 2 * RANK + 2].clone().requires_grad_()
    x = images.clone().requires_grad_()
    F.relu(nn.BatchNorm2d(3)(x)).square().sum().backward()
    F.relu(nn.SyncBatchNorm(3)(mine)).square().sum().backward()
    close(mine.grad, x.grad[2 * RANK : 2 * RANK + 2], 1e-4)
    pair = dist.new_group([0, 1])
    if RANK < 2:
        part = data(RANK)
        y = nn.BatchNorm1d(6)(m.cat([data(0), data(1)]))
        close(nn.SyncBatchNorm(6, process_group=pair)(part), y[4 * RANK : 4 * RANK + 4], 1e-5)


def micro_shards():
    """Scalars, tuples and dicts as results; in evaluation the module as it is."""

    class Several(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 3)

        def forward(self, x, scale, *, labels=None):
            y = self.layer(x) * scale
            return {"y": y, "pair": (y.sum(), [y * 2])} if labels is None else F.cross_entropy(y, labels)

    model = Several()
    ddp = DistributedDataParallel(model, micro_shards=2 * SIZE)
    x = data(RANK)
    got, expected = ddp(x, 2.0), model(x, 2.0)
    close(got["y"], expected["y"])
    close(got["pair"][0], expected["pair"][0] / 2)  # the mean of two halves
    close(got["pair"][1][0], expected["pair"][1][0])
    labels = m.tensor([0, 1, 2, 0])
    ddp(x, 2.0, labels=labels).backward()
    mean = means(model, lambda f, x: f(x, 2.0, labels=labels))
    for p, g in zip(model.parameters(), mean, strict=True):
        close(p.grad, g)
    with m.no_grad():
        close(ddp(x[:3], 2.0)["y"], model(x[:3], 2.0)["y"])


def averages():
    numbers = dist.Averages()
    numbers.add("loss", m.tensor(2.0 * (RANK + 1)), RANK + 1)
    numbers.add("right", RANK, 10)
    numbers.add("nothing", 0, 0)
    found = numbers.compute()
    assert found["loss"] == 2.0 and np.isnan(found["nothing"])
    assert abs(found["right"] - sum(range(SIZE)) / (10 * SIZE)) < 1e-12
    if RANK:
        numbers.add("mine", 1)
    raises(RuntimeError, "different names", numbers.compute)


def raises(kind, text, call):
    try:
        call()
    except kind as error:
        assert text in str(error), error
    else:
        raise AssertionError(f"no {kind.__name__}: {text}")


def wrong_calls():
    linear, norm = nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2))
    wrap = DistributedDataParallel
    raises(RuntimeError, "doesn't have any parameter", lambda: wrap(nn.ReLU()))
    raises(RuntimeError, "DDP expects same model across all ranks", lambda: wrap(nn.Linear(2, 2 + RANK)))
    raises(ValueError, "power of two", lambda: wrap(linear, micro_shards=3))
    raises(ValueError, "ranks divide", lambda: wrap(linear, micro_shards=1))
    raises(ValueError, "convert_sync_batchnorm", lambda: wrap(norm, micro_shards=2 * SIZE))
    raises(ValueError, "above zero", lambda: wrap(linear, bucket_cap_mb=0))
    raises(ValueError, "a batch of 3 does not divide", lambda: wrap(linear, micro_shards=2 * SIZE)(m.ones(3, 2)))
    raises(ValueError, "Invalid process group", lambda: wrap(linear, process_group="world"))
    raises(ValueError, "in all processes", lambda: nn.SyncBatchNorm(2)(m.ones(1 - min(RANK, 1), 2)))


PARTS = [
    starts_as_rank_0,
    mean_of_gradients,
    sent_while_backward_runs,
    no_sync,
    unused_parameters,
    other_gradients,
    two_models,
    buffers_of_rank_0,
    synchronised_batch_norm,
    micro_shards,
    averages,
    half_precision,
    wrong_calls,
]
for part in PARTS:
    part()
    dist.barrier()
if RANK == 0:
    print(f"{len(PARTS)} parts agree on {SIZE} ranks")
sys.exit(0)
