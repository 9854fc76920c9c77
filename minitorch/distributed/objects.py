"""Python objects from rank to rank, as pickles: all ranks of a job trust each other."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from .collectives import _peer
from .group import outside, resolve
from .work import Work

__all__ = ["all_gather_object", "broadcast_object_list", "gather_object", "scatter_object_list"]


def _moved(members: Any, call: str, start: Callable[[], Any]) -> None:
    """Begin a collective, and wait for it."""
    number = members.begin(call)
    Work(members, number, call, [start()]).wait()


def _shared(members: Any, name: str, root: int, data: bytes | None) -> bytes:
    """The bytes of rank `root`, at all ranks."""
    length = np.array([len(data or b"")], np.int64)
    _moved(members, f"{name}(from {members.ranks[root]})", lambda: members.comm.Ibcast(length, root))
    memory = np.frombuffer(data, np.uint8).copy() if data is not None else np.empty(int(length[0]), np.uint8)
    _moved(members, f"{name}(from {members.ranks[root]})", lambda: members.comm.Ibcast(memory, root))
    return memory.tobytes()


def _collected(members: Any, name: str, data: bytes) -> list[bytes]:
    """The bytes of every rank, at all ranks."""
    lengths = np.empty(members.size(), np.int64)
    mine = np.array([len(data)], np.int64)
    _moved(members, f"{name}()", lambda: members.comm.Iallgather(mine, lengths))
    memory, sent = np.empty(int(lengths.sum()), np.uint8), np.frombuffer(data, np.uint8).copy()
    _moved(members, f"{name}()", lambda: members.comm.Iallgatherv(sent, (memory, lengths.tolist())))
    return [piece.tobytes() for piece in np.split(memory, np.cumsum(lengths)[:-1])]


def broadcast_object_list(
    object_list: list, src: int | None = None, group: Any = None, device: Any = None, group_src: int | None = None
) -> None:
    """Put the objects that rank `src` (0) has in `object_list` into the lists of all ranks, which are as long."""
    if outside(group, "broadcast_object_list"):
        return
    members = resolve(group)
    root = _peer("src", members, src, group_src, 0)
    _checked_list("object_list", object_list)
    here = members.rank() == root
    data = _shared(members, "broadcast_object_list", root, pickle.dumps(list(object_list)) if here else None)
    if not here:
        found = pickle.loads(data)
        if len(found) != len(object_list):
            raise ValueError(
                f"broadcast_object_list: rank {members.ranks[root]} has sent {len(found)} objects, but "
                f"`object_list` has {len(object_list)}"
            )
        object_list[:] = found


def all_gather_object(object_list: list, obj: Any, group: Any = None) -> None:
    """object_list[r] = the `obj` of rank r, at all ranks."""
    if outside(group, "all_gather_object"):
        return
    members = resolve(group)
    _checked_list("object_list", object_list, members.size())
    object_list[:] = [pickle.loads(data) for data in _collected(members, "all_gather_object", pickle.dumps(obj))]


def gather_object(
    obj: Any,
    object_gather_list: list | None = None,
    dst: int | None = None,
    group: Any = None,
    group_dst: int | None = None,
) -> None:
    """At rank `dst` (0), object_gather_list[r] = the `obj` of rank r; the others leave the list out."""
    if outside(group, "gather_object"):
        return
    members = resolve(group)
    root = _peer("dst", members, dst, group_dst, 0)
    here = members.rank() == root
    if here and object_gather_list is None:
        raise ValueError("Argument ``object_gather_list`` must be specified on destination rank.")
    if not here and object_gather_list:
        raise ValueError("Argument ``object_gather_list`` must NOT be specified on non-destination ranks.")
    if here:
        _checked_list("object_gather_list", object_gather_list, members.size())
    found = _collected(members, f"gather_object to {members.ranks[root]}", pickle.dumps(obj))
    if here and object_gather_list is not None:
        object_gather_list[:] = [pickle.loads(data) for data in found]


def scatter_object_list(
    scatter_object_output_list: list,
    scatter_object_input_list: list | None = None,
    src: int | None = None,
    group: Any = None,
    group_src: int | None = None,
) -> None:
    """scatter_object_output_list[0] of rank r = scatter_object_input_list[r] of rank `src` (0)."""
    if outside(group, "scatter_object_list"):
        return
    members = resolve(group)
    root = _peer("src", members, src, group_src, 0)
    if not isinstance(scatter_object_output_list, list) or not scatter_object_output_list:
        raise ValueError("Expected argument scatter_object_output_list to be a list of size at least 1.")
    here = members.rank() == root
    if here:
        _checked_list("scatter_object_input_list", scatter_object_input_list, members.size())
    data = pickle.dumps(scatter_object_input_list) if here else None
    scatter_object_output_list[0] = pickle.loads(_shared(members, "scatter_object_list", root, data))[members.rank()]


def _checked_list(name: str, value: Any, length: int | None = None) -> None:
    if not isinstance(value, list):
        raise TypeError(f"`{name}` must be a list, but is {type(value).__name__}")
    if length is not None and len(value) != length:
        raise ValueError(f"`{name}` needs {length} places, one for each rank, but has {len(value)}")
