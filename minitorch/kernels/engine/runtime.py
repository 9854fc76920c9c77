"""What every numba kernel shares: threads, the launch lock, the compile cache on disk, and a pool of scratch buffers.

Importing this file does not import numba. Rules that the code below rests on, each the answer to a crash:

- OpenMP's threads do not survive a fork, so forked children run every kernel on one thread.
- Two Python threads must not be in a parallel kernel at once: one process-wide lock round every parallel launch. A
  signal handler may find its own thread holding it, between the end of a kernel and the release; it goes on.
- An import of numba or a compilation that is interrupted is lost for the process: they run apart (apart.py).
- Idle OpenMP threads spin and starve numpy's BLAS unless GOMP_SPINCOUNT is small.
- numba's own cache goes stale and trips over corrupt files: ours is a checksummed file per signature, in a directory
  named by a hash of everything the machine code depends on. Whatever goes wrong there, the kernel is compiled in
  memory.
"""

from __future__ import annotations

import gc
import hashlib
import os
import pickle
import platform
import stat
import sys
import threading
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from minitorch.files import replacing
from minitorch.kernels.engine.apart import apart

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["kernel", "set_num_threads", "get_num_threads", "compilations", "cache_directory", "borrow", "give_back",
           "helper"]

NUMBA = "0.68."  # the version whose inside compiler.py knows
FASTMATH = {"reassoc", "contract", "nsz"}  # not True, which would make isnan(nan) False


# ------------------------------------------------------------------------------------------------ threads
class _State:
    """What a process knows about its threads; made anew in a forked child."""

    def __init__(self, forked: bool) -> None:
        self.forked = forked
        self.launch = threading.RLock()
        self.locked = False  # whether the thread that compiles holds a lock of the cache, see `_file_lock`


_state = _State(forked=False)
_threads: int | None = None


def _after_fork() -> None:
    global _state
    _state = _State(forked=True)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _most_threads() -> int:
    """Threads numba may start: NUMBA_NUM_THREADS, else the cores this process may use."""
    chosen = os.environ.get("NUMBA_NUM_THREADS")
    if chosen:
        if not chosen.strip().isdecimal() or int(chosen) < 1:
            raise ValueError(f"NUMBA_NUM_THREADS must be a whole number of threads, 1 or more, but is {chosen!r}")
        return int(chosen)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_num_threads(count: int) -> None:
    """Use `count` threads from now on, at most as many as numba may start. No bit of any result depends on it."""
    global _threads
    if not isinstance(count, int | np.integer) or isinstance(count, bool):
        raise RuntimeError(f"set_num_threads expects an int, but got {type(count).__name__}")
    if count < 1:
        raise RuntimeError(f"set_num_threads: expected a positive number of threads, but got {count}")
    _threads = min(int(count), _most_threads())


def get_num_threads() -> int:
    """Threads that a parallel kernel runs on."""
    global _threads
    if _threads is None:
        _threads = _most_threads()
    return _threads


# ------------------------------------------------------------------------------------------------ kernels
class Kernel:
    """A function `body(workers, *arguments)` that loops over `prange(workers)`, compiled lazily; see team.py.

    Called as `kernel(heavy, *arguments)`; `heavy` says that the work is worth waking the other threads. The first
    argument is an array whose dtype, float32 or float64, decides all other types. `exact`: every operation rounds by
    itself, as NumPy's do. `rare`: for layers of certain sizes; it is not listed among the kernels.
    """

    def __init__(self, body: Callable[..., None], exact: bool, rare: bool = False) -> None:
        # Read by libgomp when the first parallel kernel loads it. After a pause of 500 us a launch takes 26 to 54 us
        # with 1000 to 10,000 turns of waiting and 4.4 with 20,000 (Zen 3). On a Xeon, where these are faster, a step of
        # the tutorial net at batch 4 takes 1.40 ms with 20,000 and 1.28 with 50,000 or more. numpy's BLAS in turns is
        # no slower (2026-11).
        os.environ.setdefault("GOMP_SPINCOUNT", "50000")
        self.body, self.exact = body, exact
        self.__doc__, self.__name__ = body.__doc__, f"{body.__module__.rpartition('.')[2]}.{body.__name__}"
        self.ready: dict[str, Callable[..., None]] = {}  # by dtype, once compiled
        if not rare:
            kernels.append(self)

    @cached_property
    def compiled(self) -> Any:
        """numba's function of (team, worker, workers, *arguments)."""
        from minitorch.kernels.engine.team import one_worker, stand_in

        def written() -> None:  # only now: to read the source takes longer than to load machine code
            dispatcher._compiler.py_func = dispatcher.py_func = one_worker(self.body)

        flags = {"nogil": True, "error_model": "numpy", "fastmath": False if self.exact else FASTMATH}
        dispatcher = jit("ENTRY", **flags)(stand_in(self.body))
        dispatcher._cache = _disk_cache(self.__name__, written)
        compile = dispatcher.compile

        def once(signature: tuple[Any, ...]) -> Any:
            with preparing(self.__name__):
                return compile(signature)

        # numba, too, calls this, for arguments of a new type.
        dispatcher.compile = lambda signature: apart(partial(once, signature))
        return dispatcher

    def __call__(self, heavy: bool, *arguments: Any) -> None:
        run = self.ready.get(arguments[0].dtype.char) or self._prepare(arguments)
        # numba looks the signature up in every call, 0.4 to 0.8 us of the 8 that the smallest op takes. That stays: it
        # tells a contiguous array from a strided one, and the compiled entry point alone would not (2026-11).
        if not heavy or _state.forked or (workers := get_num_threads()) == 1:
            run(0, -1, 1, *arguments)
            return
        team = _team()
        with _state.launch:
            run(team, -1, workers, *arguments)

    def launch(self, heavy: bool, arguments: tuple) -> tuple[Callable[..., None], tuple]:
        """The function that a call would run, and its arguments."""
        run = self.ready.get(arguments[0].dtype.char) or self._prepare(arguments)
        if not heavy or _state.forked or (workers := get_num_threads()) == 1:
            return run, (0, -1, 1, *arguments)
        return run, (_team(), -1, workers, *arguments)

    def _prepare(self, arguments: tuple[Any, ...]) -> Callable[..., None]:
        """Load the kernel from disk, or compile it, for the first call of a process for a dtype."""

        def work() -> Any:
            import numba

            self.compiled.compile(tuple(map(numba.typeof, (0, 0, 1, *arguments))))
            return self.compiled

        run = self.ready[arguments[0].dtype.char] = apart(work)
        for listener in listeners:
            listener(self.__name__)
        return run


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """numba makes so many objects that looking for garbage among them took 1.4 of 17 s (2026-11)."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def preparing(name: str) -> Iterator[None]:
    """While a kernel is loaded or compiled: no other process does the same meanwhile."""
    with _file_lock(name), _collector_at_rest():
        yield


kernels: list[Kernel] = []  # all there are, in order of their definition
listeners: list[Callable[[str], None]] = []  # called with the name of every kernel that became ready, to report it


@cache
def _team() -> int:
    """The threads of numba's threading layer, started by the first parallel launch."""

    def start() -> int:
        from numba import config

        from minitorch.kernels.engine.team import team

        settings: Any = config
        settings.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]
        return team()

    return apart(start)


def jit(kind: str, **flags: Any) -> Any:
    """numba's `njit` with the options `kind` of compiler.py, or, if numba is not the release made for, without them."""
    import numba

    own = {}
    if numba.__version__.startswith(NUMBA):
        from minitorch.kernels.engine import compiler

        own = getattr(compiler, kind)
    return numba.njit(**own, **flags)


def helper(**flags: Any) -> Any:
    """Decorator: a function that kernels call. It is compiled with their flags, and with `flags` in place of some."""
    return jit("PART", **flags)


def kernel(body: Callable[..., None] | None = None, *, exact: bool = False) -> Any:
    """Decorator, with or without arguments; see `Kernel`. `exact`: every operation rounds by itself, as NumPy's do."""
    return Kernel(body, exact) if body else lambda body: Kernel(body, exact)


# ------------------------------------------------------------------------------------------------ compile cache
_compilations = 0


def compilations() -> int:
    """Kernels this process had to compile, as against loaded from disk."""
    return _compilations


@cache
def cache_directory() -> Path | None:
    """Where compiled kernels are kept, None if that is impossible: $MINITORCH_CACHE_DIR, else in the user's cache
    directory.

    The last part of the path is a hash of the kernels' sources, of the versions of Python, numpy, numba and llvmlite,
    of the processor and the vector width. The directory is private, since what it holds is executed: one that somebody
    else owns, may write to or may exchange is refused.
    """
    return apart(_find_cache_directory)


def _find_cache_directory() -> Path | None:
    import llvmlite
    import llvmlite.binding
    import numba

    from minitorch.kernels.words.registers import WIDTH

    settings: Any = numba.config
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    digest.update(repr((sys.version, np.__version__, numba.__version__, llvmlite.__version__, platform.platform(),
                        WIDTH, llvmlite.binding.get_host_cpu_name(),
                        llvmlite.binding.get_host_cpu_features().flatten(),
                        settings.OPT, settings.BOUNDSCHECK, settings.DEBUG)).encode())
    try:
        path = _cache_home().absolute() / f"kernels-{digest.hexdigest()[:20]}"
        for part in (*reversed(path.parents), path):  # one by one: mkdir(parents=True) leaves parents to the umask
            part.mkdir(mode=0o700, exist_ok=True)
        path = path.resolve()
        _check_private(path, path.stat())
        for part in path.parents:
            _check_parent(part, part.stat())
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        _cache_warning(error)
        return None
    return path


def _check_private(path: Path, status: os.stat_result) -> None:
    """Raise PermissionError unless this user alone may write there."""
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        raise PermissionError(f"{path} belongs to somebody else or others may write to it")


def _check_parent(path: Path, status: os.stat_result) -> None:
    """Raise PermissionError if others may exchange what lies in this folder. Owners of the root folder may anyway."""
    if hasattr(os, "getuid"):
        everybody = status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX
        if everybody or status.st_uid not in (0, os.getuid(), os.stat("/").st_uid):
            raise PermissionError(f"{path}, in which the cache lies, belongs to somebody else or all may write to it")


def _cache_home() -> Path:
    """The user's cache directory of this platform, or $MINITORCH_CACHE_DIR."""
    if chosen := os.environ.get("MINITORCH_CACHE_DIR"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "minitorch"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "minitorch"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minitorch"


_warned = False


def _cache_warning(error: BaseException) -> None:
    """Say once that the cache does not work."""
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(f"minitorch: cannot use the kernel cache ({type(error).__name__}: {error}); kernels are compiled "
                      "in memory. Set MINITORCH_CACHE_DIR to a private, writable directory", stacklevel=2)


# How files of the cache are opened: no link is followed, a pipe is not waited for.
_CAUTIOUS = sum(getattr(os, flag, 0) for flag in ("O_BINARY", "O_NOFOLLOW", "O_NONBLOCK"))


def _seal(path: Path, content: bytes) -> bytes:
    """What an entry begins with: the SHA-256 of its folder's name, of its own and of the rest.

    So it is of use in no other place, be it another kernel's or another release's.
    """
    return hashlib.sha256(f"{path.parent.name}/{path.name}/".encode() + content).digest()


@contextmanager
def _file_lock(name: str) -> Iterator[None]:
    """Of several processes that need the same kernel at once, one compiles it and the others then load the result.

    Each kernel has a byte of one file to lock, so that processes compile different kernels at the same time. A process
    holds one such lock at most: while a signal handler or a finaliser compiles within a compilation, it takes no second
    one, so that no two processes wait for each other. Locks of this kind are not inherited by forked children, and the
    system takes them back when a process dies.
    """
    directory = None if _state.locked else cache_directory()
    if fcntl is None or directory is None:
        yield
        return
    lock = None
    _state.locked = True
    try:
        with suppress(OSError):  # a read-only folder has no locks and needs none
            lock = os.open(directory / "lock", os.O_WRONLY | os.O_CREAT | _CAUTIOUS, 0o600)
            fcntl.lockf(lock, fcntl.LOCK_EX, 1, int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "little"))
        yield
    finally:
        _state.locked = False
        if lock is not None:
            os.close(lock)  # releases the lock


def _say(name: str) -> None:
    """Tell the user once that kernels are being compiled; on a terminal with a count and the name of each."""
    if listeners:
        return
    if not _compilations:
        print("minitorch: compiling kernels for this machine, once (later runs load them from disk; "
              "`python -m minitorch.warmup` compiles all) ...", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(f"\r\033[K  {_compilations + 1}: {name} ", end="\r", file=sys.stderr, flush=True)


def _read_entry(path: Path) -> bytes:
    """The bytes of a file of the cache. What is checked is what is open: no link, no pipe, nobody else's file."""
    with open(os.open(path, os.O_RDONLY | _CAUTIOUS), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path} is no regular file")
        _check_private(path, status)
        return file.read()


def kept(name: str, read: Callable[[bytes], Any]) -> Any:
    """What `read` makes of the cache's file of this name; None, which is said to the user, if it has to be compiled."""
    try:
        directory = cache_directory()
        if directory is not None and os.path.lexists(path := directory / name):
            content = _read_entry(path)
            if _seal(path, content[32:]) != content[:32]:
                raise OSError(f"{path} is damaged, or another kernel's")
            return read(content[32:])
    except Exception as error:  # noqa: BLE001 whatever is wrong with the file, compiling is the cure
        _cache_warning(error)
    _say(name)
    return None


def keep(name: str, content: Callable[[], bytes]) -> None:
    """Count a compilation, and write the cache's file of this name."""
    global _compilations
    _compilations += 1
    try:
        directory = cache_directory()
        if directory is not None:
            path, made = directory / name, content()
            path.unlink(missing_ok=True)  # with its mode, if it was refused for that
            with replacing(path, 0o600, lasting=False) as file:  # if half of it is lost, the seal is broken
                file.write(_seal(path, made) + made)
    except Exception as error:  # noqa: BLE001 a full or read-only disk costs time, not the run
        _cache_warning(error)


def _disk_cache(name: str, missing: Callable[[], None] = lambda: None) -> Any:
    """A cache for one dispatcher: a file per signature, of numba's pickle. missing: called before it is compiled."""
    from numba.core.caching import _Cache
    from numba.core.compiler import CompileResult
    from numba.core.serialize import dumps

    def file_of(signature: Any) -> str:
        return f"{name}-{hashlib.sha256(repr(signature).encode()).hexdigest()[:16]}"

    class DiskCache(_Cache):
        @property
        def cache_path(self) -> str:
            return str(cache_directory())

        def load_overload(self, signature: Any, target_context: Any) -> Any:
            found = kept(file_of(signature), lambda c: CompileResult._rebuild(target_context, *pickle.loads(c)))
            if found is None:
                missing()
            return found

        def save_overload(self, signature: Any, result: Any) -> None:
            keep(file_of(signature), lambda: dumps(result._reduce()))

        def enable(self) -> None:
            pass

        disable = flush = enable

    return DiskCache()


# ------------------------------------------------------------------------------------------------ scratch buffers
# Fresh pages cost more than the copies made into them, so scratch arrays are used again. Sizes are powers of two; a
# buffer that an exception kept from coming back is simply freed. There are as many as were ever in use at once.
_buffers: defaultdict[tuple[str, int], list[np.ndarray]] = defaultdict(list)
apart_buffers: dict[int, defaultdict[tuple[str, int], list[np.ndarray]]] = {}  # of threads that record, see record.py


def _pool() -> defaultdict[tuple[str, int], list[np.ndarray]]:
    return apart_buffers.get(threading.get_ident(), _buffers) if apart_buffers else _buffers


def borrow(size: int, dtype: np.dtype) -> np.ndarray:
    """A 1-d array of at least `size` elements of junk, aligned to 64 bytes; hand it back with `give_back`."""
    size = 1 << (size - 1).bit_length() if size > 1024 else 1024
    try:
        return _pool()[dtype.char, size].pop()
    except IndexError:
        raw = np.empty(size * dtype.itemsize + 64, np.uint8)
        start = -raw.ctypes.data % 64
        return raw[start:start + size * dtype.itemsize].view(dtype)


def give_back(*buffers: np.ndarray) -> None:
    """Return borrowed buffers to the pool."""
    pool = _pool()
    for buffer in buffers:
        pool[buffer.dtype.char, buffer.size].append(buffer)
