"""Who takes part: the ranks of a job, and groups of them. mpi4py is imported when `init_process_group` is called."""

from __future__ import annotations

import faulthandler
import importlib.util
import multiprocessing
import os
import subprocess
import sys
import warnings
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from . import guard, monitor
from .work import Work

__all__ = [
    "Backend",
    "GroupMember",
    "ProcessGroup",
    "barrier",
    "destroy_process_group",
    "get_backend",
    "get_global_rank",
    "get_group_rank",
    "get_node_local_rank",
    "get_process_group_ranks",
    "get_rank",
    "get_world_size",
    "group",
    "init_process_group",
    "is_available",
    "is_backend_available",
    "is_gloo_available",
    "is_initialized",
    "is_mpi_available",
    "is_nccl_available",
    "is_torchelastic_launched",
    "is_ucc_available",
    "is_xccl_available",
    "new_group",
]

TIMEOUT = timedelta(minutes=30)


class ProcessGroup:
    """Ranks that compute together. ranks: their numbers in the whole job, by their number in this group."""

    def __init__(self, comm: Any, ranks: Sequence[int], name: str, timeout: timedelta) -> None:
        self.comm, self.ranks, self.name, self.timeout = comm, list(ranks), name, timeout
        self.calls = 0  # collectives begun
        self._rank, self._size = comm.Get_rank(), comm.Get_size()

    def rank(self) -> int:
        """The number of this process in the group."""
        return self._rank

    def size(self) -> int:
        """How many ranks there are."""
        return self._size

    @property
    def group_name(self) -> str:
        """What the group is called in messages."""
        return self.name

    def begin(self, call: str) -> int:
        """Count a collective, and tell the watchdog of it; returns its number."""
        self.calls += 1
        if guard.current is not None:
            guard.current.begin(self.name, self.calls, call, self._size)
        return self.calls

    def __repr__(self) -> str:
        return f"<ProcessGroup {self.name} of ranks {self.ranks}>"


class _World:
    """What `group.WORLD` and `GroupMember.WORLD` read."""

    WORLD = property(lambda self: _world)
    NON_GROUP_MEMBER = object()  # what `new_group` returns to ranks that are not in it


group = GroupMember = _World()
_world: ProcessGroup | None = None
_groups: dict[str, ProcessGroup] = {}


class Backend(str):
    """The name of a backend, in lower case."""

    MPI, GLOO, NCCL, UNDEFINED = "mpi", "gloo", "nccl", "undefined"

    def __new__(cls, name: str) -> Backend:
        if not isinstance(name, str):
            raise ValueError(f"Backend constructor parameter must be string-ish, but is {name!r}")
        return super().__new__(cls, name.lower())


# ------------------------------------------------------------------------------------------------ what there is


def is_mpi_available() -> bool:
    """Whether mpi4py is installed."""
    return importlib.util.find_spec("mpi4py") is not None


def is_available() -> bool:
    """Whether this module is of use: whether mpi4py is installed."""
    return is_mpi_available()


def is_backend_available(backend: str) -> bool:
    """Whether a backend is there: "mpi", where mpi4py is."""
    return backend.lower() == "mpi" and is_mpi_available()


def is_gloo_available() -> bool:
    """False: MPI is the one backend."""
    return False


is_nccl_available = is_ucc_available = is_xccl_available = is_torchelastic_launched = is_gloo_available


def is_initialized() -> bool:
    """Whether `init_process_group` was called."""
    return _world is not None


# ------------------------------------------------------------------------------------------------ beginning and end


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: timedelta | None = None,
    world_size: int = -1,
    rank: int = -1,
    store: Any = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
) -> None:
    """Join the job that mpiexec, or `python -m minitorch.distributed.run`, has started.

    backend: "mpi". init_method: None or "env://"; MPI knows who takes part. timeout: how long any call may wait for
    other ranks (default: 30 minutes); after it the whole job ends, with a message that says which rank was waited for.
    world_size, rank: are compared with MPI's, if given.

    Raises ValueError for another backend, method, size or rank, and when called twice; RuntimeError where mpi4py or an
    MPI library is missing, and in workers of a DataLoader.
    """
    global _world
    if _world is not None:
        raise ValueError("trying to initialize the default process group twice!")
    name = Backend("mpi" if backend is None else backend)
    if name.rpartition(":")[2] != "mpi":
        raise ValueError(f"init_process_group: the one backend is 'mpi', but got {backend!r}")
    if init_method not in (None, "env://") or store is not None:
        raise ValueError(
            "init_process_group: MPI knows the ranks; leave out `store`, and `init_method` but for 'env://'"
        )
    timeout = _checked_timeout(timeout)
    if multiprocessing.parent_process() is not None:
        raise RuntimeError(
            "init_process_group: this process was started by a rank, and is none; what the main script does, it does "
            "under `if __name__ == '__main__':`"
        )
    if not is_mpi_available():
        raise RuntimeError("init_process_group: mpi4py is not installed; pip install 'minitorch-numba[distributed]'")

    watched = guard.started_by_run()
    seconds = timeout.total_seconds()
    if watched and guard.current is not None:
        with guard.current.waiting("world", 1, "init_process_group", seconds, (), ()):
            guard.current.begin("world", 1, "init_process_group", guard.numbers()[1])
            guard.current.announce()  # mpi4py keeps the GIL while it waits for the others
            comm = _start()
    else:  # nobody watches yet: a thread that needs no GIL ends the process
        faulthandler.dump_traceback_later(seconds, exit=True)
        try:
            comm = _start()
        finally:
            faulthandler.cancel_dump_traceback_later()
    for what, given, found in (("rank", rank, comm.Get_rank()), ("world_size", world_size, comm.Get_size())):
        if given not in (-1, None, found):
            raise ValueError(f"init_process_group: {what}={given} was given, but MPI says {found}")
    if not watched:
        if comm.Get_size() > 1:
            _start_monitor(comm)
        guard.watch_the_end()
    world = ProcessGroup(comm, range(comm.Get_size()), "world", timeout)
    world.calls = 1
    _groups["world"] = _world = world
    os.environ.setdefault("RANK", str(world.rank()))
    os.environ.setdefault("WORLD_SIZE", str(world.size()))
    os.environ.setdefault("LOCAL_RANK", os.environ.get("MPI_LOCALRANKID", "0"))


def _checked_timeout(timeout: Any) -> timedelta:
    if timeout is None:
        return TIMEOUT
    if not isinstance(timeout, timedelta):
        raise TypeError(
            f"Expected timeout argument to be of type datetime.timedelta, got {type(timeout).__name__}: {timeout!r}"
        )
    if timeout <= timedelta(0):
        raise ValueError(f"init_process_group: `timeout` must be above zero, but is {timeout}")
    return timeout


def _start() -> Any:
    """Start MPI, unless somebody has; a communicator of this module's own."""
    import mpi4py

    if "mpi4py.MPI" not in sys.modules:
        mpi4py.rc.initialize = mpi4py.rc.finalize = False
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError, OSError) as error:
        raise RuntimeError(
            f"init_process_group: mpi4py finds no MPI library ({error}); pip install 'minitorch-numba[distributed]'"
        ) from error
    if not MPI.Is_initialized():
        MPI.Init_thread(MPI.THREAD_MULTIPLE)
        guard.at_the_end.append(_finalize)
    return MPI.COMM_WORLD.Dup()


def _finalize() -> None:
    """End MPI: every rank has come to its end."""
    from mpi4py import MPI

    if not MPI.Is_finalized():
        MPI.Finalize()


def _start_monitor(comm: Any) -> None:
    """Watch a job that mpiexec has started: rank 0 starts the process for it, all connect to it."""
    import socket

    hosts = comm.allgather(socket.gethostname())
    where = ""
    if comm.Get_rank() == 0:
        host = "127.0.0.1" if len(set(hosts)) == 1 else hosts[0]
        process = subprocess.Popen(
            [sys.executable, "-S", "-E", monitor.__file__, str(comm.Get_size()), host],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if not name.startswith(("PMI_", "PMIX_"))},
        )
        assert process.stdout is not None
        where = process.stdout.readline().strip()
        process.stdout.close()
        process.returncode = 0  # it outlives this process
    address, _, token = comm.bcast(where).partition(" ")
    guard.enter(address, token, comm.Get_rank())


def destroy_process_group(group: ProcessGroup | None = None) -> None:
    """Leave a group, or with None all of them. Messages that were begun must have been waited for.

    Raises ValueError for a group that is not there.
    """
    global _world
    if group is None and _world is None:
        raise ValueError("Invalid process group specified: none was initialized")
    if group is None or group is _world:
        for other in reversed(_groups.values()):
            other.comm.Free()
        _groups.clear()
        _world = None
        return
    if getattr(group, "name", None) not in _groups:
        raise ValueError("Invalid process group specified")
    _groups.pop(group.name).comm.Free()


# ------------------------------------------------------------------------------------------------ groups


def resolve(group: Any) -> ProcessGroup:
    """The group meant, of which this rank is a member or not. Raises ValueError where none was initialized."""
    if group is None or group is GroupMember.WORLD:
        if _world is None:
            raise ValueError(
                "Default process group has not been initialized, please make sure to call init_process_group."
            )
        return _world
    if not isinstance(group, ProcessGroup) or _groups.get(group.name) is not group:
        raise ValueError(f"Invalid process group specified: {group!r}")
    return group


def outside(group: Any, name: str) -> bool:
    """Whether this rank is not in the group; it is warned, and nothing is done, as in PyTorch."""
    if group is not GroupMember.NON_GROUP_MEMBER:
        return False
    warnings.warn(f"Running {name} on a rank that does not belong to the given group: nothing is done", stacklevel=3)
    return True


def get_rank(group: Any = None) -> int:
    """The number of this process in the group (default: in the job); -1 if it is not in it."""
    return -1 if group is GroupMember.NON_GROUP_MEMBER else resolve(group).rank()


def get_world_size(group: Any = None) -> int:
    """How many ranks the group has (default: the job); -1 if this one is not in it."""
    return -1 if group is GroupMember.NON_GROUP_MEMBER else resolve(group).size()


def get_backend(group: Any = None) -> Backend:
    """The name of the group's backend: "mpi"."""
    if group is GroupMember.NON_GROUP_MEMBER:
        raise ValueError("Invalid process group specified")
    resolve(group)
    return Backend("mpi")


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """The number of this process among those of its machine. Raises RuntimeError if unknown and no other is given."""
    found = os.environ.get("LOCAL_RANK", os.environ.get("MPI_LOCALRANKID", fallback_rank))
    if found is None:
        raise RuntimeError("LOCAL_RANK is not in the environment. Consider passing fallback_rank")
    return int(found)


def get_process_group_ranks(group: Any = None) -> list[int]:
    """The numbers in the job of the group's ranks."""
    return list(resolve(group).ranks)


def get_group_rank(group: ProcessGroup, global_rank: int) -> int:
    """The number in the group of a rank of the job. Raises ValueError if it is not in it."""
    ranks = resolve(group).ranks
    if global_rank not in ranks:
        raise ValueError(f"Global rank {global_rank} is not part of group {group}")
    return ranks.index(global_rank)


def get_global_rank(group: ProcessGroup, group_rank: int) -> int:
    """The number in the job of a rank of the group. Raises ValueError if there is none."""
    ranks = resolve(group).ranks
    if not 0 <= group_rank < len(ranks):
        raise ValueError(f"Group rank {group_rank} is not part of group {group}")
    return ranks[group_rank]


def new_group(
    ranks: Sequence[int] | None = None,
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    use_local_synchronization: bool = False,
    group_desc: str | None = None,
    device_id: Any = None,
) -> Any:
    """A group of some ranks of the job (None: all), by number. Every rank of the job calls this, member or not.

    Ranks that are not in it get GroupMember.NON_GROUP_MEMBER. Raises ValueError for ranks that there are not, or twice.
    """
    world = resolve(None)
    timeout = world.timeout if timeout is None else _checked_timeout(timeout)
    chosen = list(range(world.size())) if ranks is None else [_rank_number(r) for r in ranks]
    if backend is not None and Backend(backend) != "mpi":
        raise ValueError(f"new_group: the one backend is 'mpi', but got {backend!r}")
    if len(chosen) > world.size() or not chosen:
        raise ValueError(
            "the new group's world size should be one at least, and at most that of the job: "
            f"{chosen} of {world.size()}"
        )
    for r in chosen:
        if not 0 <= r < world.size():
            raise ValueError(f"The new group's rank should be within the world_size set by init_process_group: {r}")
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"new_group: a rank stands twice in {chosen}")
    chosen.sort()
    call = f"new_group({chosen})"
    number = world.begin(call)
    Work(world, number, call, [world.comm.Ibarrier()]).wait()
    inside = world.rank() in chosen
    from mpi4py import MPI

    comm = world.comm.Split(0 if inside else MPI.UNDEFINED, world.rank())
    if not inside:
        return GroupMember.NON_GROUP_MEMBER
    name = f"{group_desc or chosen} made by call {number}"
    made = _groups[name] = ProcessGroup(comm, chosen, name, timeout)
    return made


def _rank_number(rank: Any) -> int:
    try:
        return int(rank.__index__())
    except AttributeError:
        raise TypeError(f"new_group: `ranks` must be ints, but {rank!r} is among them") from None


def barrier(group: Any = None, async_op: bool = False, device_ids: Any = None) -> Work | None:
    """Wait until all ranks of the group have come here. With `async_op` a Work to wait for."""
    if outside(group, "barrier"):
        return None
    members = resolve(group)
    call = "barrier()"
    work = Work(members, members.begin(call), call, [members.comm.Ibarrier()])
    return work if async_op or not work.wait() else None
