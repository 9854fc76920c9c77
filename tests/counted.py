"""What tests count."""

import gc

# "rule of an argument" -> whether a check noticed; filled by test_bends, printed at the end
BENDS: dict[str, bool] = {}


def living() -> int:
    """Living tensors and nodes. Only types are asked: `isinstance` would ask the objects of others for their class."""
    from minitorch.autograd import Node, Variable  # not sooner: conftest imports this file

    return sum(issubclass(type(thing), (Variable, Node)) for thing in gc.get_objects())
