"""What goes wrong in a worker reaches the main process at once, with worker, sample and the original traceback."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from minitorch.utils.data import DataLoader, IterableDataset, Subset, get_worker_info

SOON = 5.0  # seconds within which the main process hears of it


class Ends:
    """Eight samples; sample 5 does `what`."""

    def __init__(self, what=None):
        self.what = what

    def __getitem__(self, index):
        if self.what is not None and np.any(index == 5):
            self.what()
        return index

    def __len__(self):
        return 8


class OddError(ValueError):
    """Its constructor wants two arguments and has no text."""

    def __init__(self, code, place):
        super().__init__()
        self.code, self.place = code, place

    def __str__(self):
        return f"odd {self.code} at {self.place}"


class UnprintableError(LookupError):
    def __str__(self):
        raise RuntimeError("no text either")


def raise_key_error():
    raise KeyError("the missing key")


def raise_local():
    class LocalError(ArithmeticError):
        pass

    raise LocalError("known here only")


def raise_odd():
    raise OddError(7, "home")


def raise_with_a_lock():
    error = OSError("holds a lock")
    error.lock = threading.Lock()
    raise error


def raise_unprintable():
    raise UnprintableError


def raise_decode_error():
    b"\xff".decode("utf-8")


def raise_stop_iteration():
    raise StopIteration("a stray next()")


def leave():
    sys.exit("leaving")


def interrupt():
    raise KeyboardInterrupt


def die():
    os._exit(3)


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def crash():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.string_at(0)


def hang(*_):
    time.sleep(600)


@contextlib.contextmanager
def raised_soon(error, *words):
    """The block raises `error`, by this very name, with all `words` in its text, before SOON is over."""
    start = time.monotonic()
    with pytest.raises(error) as caught:
        yield
    text = str(caught.value)
    assert type(caught.value).__name__ == error.__name__, text
    assert not [word for word in words if word not in text], text
    assert time.monotonic() - start < SOON


def no_workers():
    """No worker process is left, running or dead."""
    gc.collect()
    assert multiprocessing.active_children() == []


@pytest.fixture(scope="module", autouse=True)
def server():
    """Start the server that forks the workers, which takes a second the first time."""
    list(DataLoader(Ends(), num_workers=1))


@pytest.fixture(autouse=True)
def nothing_is_left():
    """After each test no worker is left."""
    yield
    no_workers()


@pytest.mark.parametrize(
    ("what", "error", "words"),
    [
        (raise_key_error, KeyError, ["Caught KeyError", "the missing key", "raise_key_error"]),
        (raise_local, ArithmeticError, ["Caught LocalError", "known here only", "raise_local"]),
        (raise_odd, OddError, ["Caught OddError", "odd 7 at home", "raise_odd"]),
        (raise_with_a_lock, OSError, ["Caught OSError", "holds a lock", "raise_with_a_lock"]),
        (raise_unprintable, UnprintableError, ["Caught UnprintableError", "raise_unprintable"]),
        (raise_decode_error, UnicodeDecodeError, ["Caught UnicodeDecodeError", "0xff", "raise_decode_error"]),
        (raise_stop_iteration, RuntimeError, ["Caught StopIteration", "a stray next()"]),
        (leave, RuntimeError, ["Caught SystemExit", "leaving"]),
        (interrupt, RuntimeError, ["Caught KeyboardInterrupt"]),
    ],
)
def test_exceptions_of_a_dataset(what, error, words):
    """Whatever a dataset raises arrives as its class or the next parent, and the batches before it arrive first."""
    batches = iter(DataLoader(Ends(what), 2, num_workers=2))
    assert [next(batches).tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with raised_soon(error, "worker process 0", "at sample 5", "Traceback", *words):
        try:
            next(batches)
        finally:
            assert next(batches).tolist() == [6, 7]  # the worker goes on
            del batches


@pytest.mark.parametrize(
    ("what", "words"),
    [(die, ["exit code 3"]), (kill, ["SIGKILL", "memory"]), (crash, ["SIGSEGV"])],
)
def test_death_of_a_worker(what, words):
    """A worker that ends on its own is noticed at once: who it was, how it ended and at which sample."""
    with raised_soon(RuntimeError, "DataLoader worker 0 (pid ", "exited unexpectedly", "at sample 5", *words):
        list(DataLoader(Ends(what), 2, num_workers=2, collate_fn=list))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"batch_size": None}, "at sample 5."),
        ({"batch_size": None, "sampler": [np.arange(4, 6)]}, "at sample [4 5]."),
        ({"batch_sampler": [np.array([4, 5])]}, "at sample 5."),
        ({"dataset": Subset(Ends(raise_key_error), [7, 5]), "batch_size": 2}, "at sample 1."),
    ],
)
def test_the_sample_is_named(options, place):
    """By what the sampler said of it."""
    options = {"dataset": Ends(raise_key_error), **options}
    with raised_soon(KeyError, f"in DataLoader worker process 0, {place}"):
        list(DataLoader(**options, num_workers=1))


@pytest.mark.slow
def test_death_from_outside_while_waiting():
    """A kill from outside reaches a main process that waits for another worker's batch."""
    batches = iter(DataLoader(Ends(hang), 8, num_workers=2))
    victim = multiprocessing.active_children()[0]
    threading.Timer(0.3, os.kill, (victim.pid, signal.SIGKILL)).start()
    with raised_soon(RuntimeError, "SIGKILL", str(victim.pid)):
        try:
            next(batches)
        finally:
            with pytest.raises(RuntimeError, match="the workers have ended"):
                next(batches)
            del batches, victim


@pytest.mark.slow
def test_hang_past_the_time_limit():
    """A worker that hangs is named with its sample and its stack, as soon as the time limit is over."""
    with raised_soon(RuntimeError, "timed out after 0.5 seconds", "worker 0", "at sample 5", "time.sleep(600)"):
        list(DataLoader(Ends(hang), 3, num_workers=1, timeout=0.5))
    with raised_soon(RuntimeError, "timed out after 0.5 seconds", "in hang"):
        list(DataLoader(Ends(), num_workers=1, timeout=0.5, worker_init_fn=hang))


class SlowToOpen(Ends):
    def __setstate__(self, state):
        time.sleep(0.6)
        self.__dict__.update(state)


@pytest.mark.slow
def test_a_slow_start_is_not_late():
    """The time limit begins when the worker has its dataset: imports may take longer."""
    assert len(list(DataLoader(SlowToOpen(), num_workers=1, timeout=0.5))) == 8


def fail_to_join(batch):
    if 5 in batch:
        raise ZeroDivisionError("cannot join")
    return batch


def fail_to_begin(worker):
    if worker == 1:
        raise OddError(worker, "the beginning")


def test_exception_of_collate_fn():
    """A failing collate_fn is told with the samples of its batch."""
    with raised_soon(ZeroDivisionError, "worker process 0", "[4, 5]", "cannot join", "in fail_to_join"):
        list(DataLoader(Ends(), 2, num_workers=2, collate_fn=fail_to_join))


def test_exception_of_worker_init_fn():
    """A failing worker_init_fn is told with its worker."""
    with raised_soon(OddError, "worker process 1", "while it started", "odd 1", "in fail_to_begin"):
        list(DataLoader(Ends(), 2, num_workers=2, worker_init_fn=fail_to_begin))


def make_unpicklable(batch):
    return {"batch": batch, "late": lambda: 0}


def test_batch_that_cannot_be_pickled():
    """A batch that cannot be sent is the worker's failure, and it says what it was."""
    with raised_soon(AttributeError, "worker process 0", "make_unpicklable.<locals>.<lambda>"):
        list(DataLoader(Ends(), 2, num_workers=1, collate_fn=make_unpicklable))


class Holder(Ends):
    def __init__(self, part):
        super().__init__()
        self.options = {"part": part}


def test_dataset_that_cannot_be_pickled():
    """What cannot be sent is named by its path, in the main process, before a worker starts."""
    with raised_soon(AttributeError, "`dataset.options['part']`", "num_workers=0", "fork"):
        iter(DataLoader(Holder(lambda: 0), num_workers=2))
    with raised_soon(TypeError, "`dataset.options['part']`", "lock"):
        iter(DataLoader(Holder(threading.Lock()), num_workers=2))
    with raised_soon(AttributeError, "`collate_fn`"):
        iter(DataLoader(Ends(), num_workers=2, collate_fn=lambda batch: batch))


class Unreadable(Ends):
    def __setstate__(self, state):
        raise ImportError("only in the main process")


def test_dataset_that_cannot_be_unpickled():
    """A dataset that a worker cannot open is a failure of its start."""
    with raised_soon(ImportError, "worker process", "while it started", "only in the main process", "__setstate__"):
        list(DataLoader(Unreadable(), num_workers=1))


class BrokenStream(IterableDataset):
    def __init__(self, begins):
        self.begins = begins

    def __iter__(self):
        if not self.begins:
            raise OSError("no stream")
        yield from range(3)
        raise OSError("the stream broke")


def test_exceptions_of_a_stream():
    """A stream that cannot begin, or breaks, says which worker and how far it was."""
    with raised_soon(OSError, "worker process 0", "no stream"):
        list(DataLoader(BrokenStream(False), num_workers=1))
    batches = iter(DataLoader(BrokenStream(True), 2, num_workers=1))
    assert next(batches).tolist() == [0, 1]
    with raised_soon(OSError, "worker process 0", "at sample 3 of its stream", "the stream broke"):
        try:
            next(batches)
        finally:
            assert list(batches) == []
            del batches


def broken_order():
    yield from [2, 1]
    raise ValueError("no further index")


@pytest.mark.parametrize("workers", [0, 2])
def test_exception_of_a_sampler(workers):
    """A sampler's error comes after the batches before it, as it is."""

    class Order:
        def __iter__(self):
            return broken_order()

    batches = iter(DataLoader(Ends(), 1, sampler=Order(), num_workers=workers))
    assert [next(batches).tolist() for _ in range(2)] == [[2], [1]]
    with raised_soon(ValueError, "no further index"):
        try:
            next(batches)
        finally:
            assert list(batches) == []
            del batches


def forbid_files(worker):
    """From here on, no file of this process may grow."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


class Wide(Ends):
    def __getitem__(self, index):
        return np.full(100_000, index, np.float32)


@pytest.mark.slow
def test_no_room_for_shared_memory():
    """Where no file in memory can be had, the batches come through the pipe."""
    got = [batch.array for batch in DataLoader(Wide(), 2, num_workers=2, worker_init_fn=forbid_files)]
    want = [np.repeat(np.float32([[i], [i + 1]]), 100_000, 1) for i in (0, 2, 4, 6)]
    assert all(np.array_equal(g, w) for g, w in zip(got, want, strict=True))
    no_workers()


@pytest.mark.slow
def test_interrupt_of_the_main_process():
    """Ctrl-C while a batch is awaited is raised at once and ends the workers, also persistent ones."""
    loader = DataLoader(Ends(hang), 8, num_workers=2, persistent_workers=True)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with raised_soon(KeyboardInterrupt):
        list(loader)


@pytest.mark.slow
def test_iterator_dropped_half_way():
    """Workers, pipes and open files go with the iterator."""
    files = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        batches = iter(DataLoader(Wide(), 1, num_workers=2))
        next(batches)
        del batches
        no_workers()
    assert len(os.listdir("/proc/self/fd")) <= files
    for batch in DataLoader(Wide(), 1, num_workers=2):  # noqa: B007
        break
    no_workers()


def script(tmp_path, text):
    """A Popen of a script that has a dataset `Slow`, which hangs at sample 5 after it prints its pid."""
    head = """
        import os, sys, time
        from minitorch.utils.data import DataLoader
        class Slow:
            def __len__(self): return 8
            def __getitem__(self, index):
                if index == 5:
                    print(os.getpid(), flush=True)
                    time.sleep(600)
                return index
    """
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(head) + textwrap.dedent(text))
    return subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.slow
def test_death_of_the_main_process(tmp_path):
    """Workers end by themselves when the main process is killed, even in the middle of a sample."""
    process = script(tmp_path, "if __name__ == '__main__': list(DataLoader(Slow(), 5, num_workers=1))")
    worker = int(process.stdout.readline())
    process.kill()
    process.communicate()
    end = time.monotonic() + SOON
    while not gone(worker) and time.monotonic() < end:
        time.sleep(0.05)
    assert gone(worker)


@pytest.mark.slow
def test_script_without_guard(tmp_path):
    """A script that makes workers as it is imported fails with a sentence that says so, and does not go on forever."""
    process = script(tmp_path, "list(DataLoader(Slow(), 5, num_workers=1))")
    _, text = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "before it could start" in text and "if __name__ == '__main__':" in text


@pytest.mark.slow
def test_end_of_a_program_with_a_live_iterator(tmp_path):
    """A program that ends with workers under way ends quietly, and they end with it."""
    text = """
        if __name__ == '__main__':
            batches = iter(DataLoader(Slow(), 1, num_workers=2, persistent_workers=True))
            print(next(batches).item())
            sys.exit(4)
    """
    process = script(tmp_path, text)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out.split()[0], error) == (4, "0", "")


def test_failures_of_the_main_process_name_no_worker():
    """Without workers an exception comes as it is, and the next batch follows."""
    batches = iter(DataLoader(Ends(raise_key_error), 2))
    next(batches), next(batches)
    with pytest.raises(KeyError, match="^'the missing key'$"):
        next(batches)
    assert next(batches).tolist() == [6, 7] and get_worker_info() is None
