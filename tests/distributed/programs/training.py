"""Trains small nets by DistributedDataParallel and prints a digest of the weights: the same for any number of ranks?

training.py NET STEPS BATCH [MICRO_SHARDS]

With CHECKPOINT in the environment rank 0 saves after every step, and the run goes on from there; with KILL rank 1 is
killed after that step.
"""

import hashlib
import os
import signal
import sys
from datetime import timedelta

import numpy as np

import minitorch as m
import minitorch.distributed as dist
from minitorch import nn
from minitorch.nn import functional as F

NETS = {
    "conv": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.GroupNorm(4, 16),
        nn.GELU(),
        nn.AvgPool2d(4),
        nn.Flatten(),
        nn.Linear(16, 10),
    ),
    "batchnorm": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, 2),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    ),
    "dropout": lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 64), nn.Tanh(), nn.Dropout(0.4), nn.Linear(64, 10)),
}


def digest(model):
    """A hash of all parameters and buffers."""
    hashed = hashlib.sha256()
    for _, value in sorted(model.state_dict().items()):
        hashed.update(np.ascontiguousarray(value.numpy()).tobytes())
    return hashed.hexdigest()[:16]


def main(net, steps, batch, exact):
    dist.init_process_group("mpi", timeout=timedelta(seconds=30))
    rank, size = dist.get_rank(), dist.get_world_size()
    m.manual_seed(5)
    model = NETS[net]()
    if net == "batchnorm":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    ddp = nn.parallel.DistributedDataParallel(model, micro_shards=exact, bucket_cap_mb=0.002)
    optimizer = m.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    random = np.random.default_rng(3)
    path, first = os.environ.get("CHECKPOINT"), 0
    if path and os.path.exists(path):
        state = m.load(path)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        m.set_rng_state(state["random"])
        first = state["steps"]
    for step in range(steps):
        images = random.standard_normal((batch, 3, 8, 8), np.float32)
        labels = random.integers(0, 10, batch)
        if step < first:
            continue
        part = slice(rank * batch // size, (rank + 1) * batch // size)
        optimizer.zero_grad()
        loss = F.cross_entropy(ddp(m.from_numpy(images[part])), m.from_numpy(labels[part]))
        loss.backward()
        optimizer.step()
        if path and rank == 0:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "random": m.get_rng_state()}
            m.save({**state, "steps": step + 1}, path)
        if rank == 1 and str(step + 1) == os.environ.get("KILL"):
            os.kill(os.getpid(), signal.SIGKILL)
    digests = [None] * size
    dist.all_gather_object(digests, digest(model))
    assert len(set(digests)) == 1, "the ranks differ"
    averages = dist.Averages()
    averages.add("loss", loss * (batch // size), batch // size)
    loss = averages.compute()["loss"]
    if rank == 0:
        print(digests[0], f"{loss:.6f}")


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else None)
