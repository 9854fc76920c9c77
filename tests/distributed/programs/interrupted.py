"""Ranks that wait until somebody interrupts them: one in a collective, the other elsewhere."""

import sys
import time

import minitorch.distributed as dist

dist.init_process_group("mpi")
try:
    print("ready", flush=True)  # inside: whoever reads it may interrupt before this line has ended
    if dist.get_rank() == 0:
        dist.barrier()
    else:
        time.sleep(60)
except KeyboardInterrupt:
    print("caught", flush=True)
    sys.exit(130)
