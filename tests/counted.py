"""What tests count."""

import gc
import time

# "rule of an argument" -> whether a check noticed; filled by test_bends, printed at the end
BENDS: dict[str, bool] = {}


def living() -> int:
    """Living tensors and nodes. Only types are asked: `isinstance` would ask the objects of others for their class."""
    from minitorch.autograd import Node, Variable  # not sooner: conftest imports this file

    return sum(issubclass(type(thing), (Variable, Node)) for thing in gc.get_objects())


def at_once(spent: float, limit: float = 1.0) -> bool:
    """Whether `spent` seconds of the processor are under a limit in seconds of a quiet machine.

    A slow or busy one has as much more as a million small lists take there than half a second, which is what they
    take on two quiet cores of 2021.
    """
    if spent < limit:
        return True
    start = time.process_time()
    lists: list[list[int]] = []
    for _ in range(1_000_000):
        lists.append([])
    return spent < limit * (time.process_time() - start) / 0.5
