"""One rank fails in the way that is named; the others work on with collectives."""

import os
import signal
import sys
import time
from datetime import timedelta

import numpy as np

kind = sys.argv[1]
rank = int(os.environ["PMI_RANK"])
if rank == 1 and kind == "exception before the start":
    raise ValueError("the first line was wrong")
if rank == 1 and kind == "exit before the start":
    sys.exit(0)

import minitorch as m  # noqa: E402 after what happens before it
import minitorch.distributed as dist  # noqa: E402


class Bad(m.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        raise FloatingPointError("bad slope")


class Broken:
    def __len__(self):
        return 8

    def __getitem__(self, index):
        if index == 5:
            raise LookupError("no sample 5")
        return np.float32(index)


def deeper():
    deeper()


def fail():
    print(f"fails at {time.time()}", file=sys.stderr, flush=True)
    if kind == "exception":
        raise KeyError("no such layer")
    if kind == "sys.exit":
        sys.exit(3)
    if kind == "os._exit":
        os._exit(0)
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "terminate":
        os.kill(os.getpid(), signal.SIGTERM)
    if kind == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if kind == "sleep":
        time.sleep(60)
    if kind == "spin":
        while True:
            pass
    if kind == "early end":
        sys.exit(0)
    if kind == "skipped":
        dist.broadcast(x, 0, group)  # what the others call next
    if kind == "another call":
        dist.barrier(group)
    if kind == "another size":
        dist.all_reduce(m.ones(999), group=group)
    if kind == "another dtype":
        dist.all_reduce(x.double(), group=group)
    if kind == "another root":
        dist.broadcast(x, 1, group)
    if kind == "nobody sends":
        dist.recv(x, 0, group)
    if kind == "backward":
        Bad.apply(x.clone().requires_grad_()).sum().backward()
    if kind == "worker":
        list(m.utils.data.DataLoader(Broken(), 2, num_workers=1))
    if kind == "recursion":
        deeper()
    if kind == "memory":
        m.zeros(2**50)


if __name__ == "__main__":
    if rank == 1 and kind == "hang before the start":
        time.sleep(60)
    dist.init_process_group("mpi", timeout=timedelta(seconds=3 if kind == "hang before the start" else 60))
    group = dist.new_group(timeout=timedelta(seconds=30 if kind == "worker" else 2))
    x = m.ones(1000)
    dist.all_reduce(x, group=group)
    for step in range(3):
        if rank == 1 and step == 1:
            fail()
        if kind == "skipped" and step == 1 and rank != 1:
            dist.all_reduce(x, group=group)
        if kind == "another root":
            dist.broadcast(x, 0, group)
        dist.all_reduce(x, group=group)
        dist.broadcast(x, 0, group)
        dist.all_reduce(x, group=group)
    if kind == "both leave":
        sys.exit(4 if rank else 0)
    print("the end", rank)
