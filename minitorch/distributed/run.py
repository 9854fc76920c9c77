"""Starts a script on several ranks: `python -m minitorch.distributed.run -n 2 script.py args...`.

It calls mpiexec, gives each rank its share of the cores, and watches: whatever ends one rank ends all of them, with the
reason on stderr and an exit code other than 0. Output is passed on as it is. Ctrl-C reaches all ranks, as if each had
been started alone; a second one ends the job at once.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Any

from minitorch.distributed.guard import ADDRESS
from minitorch.distributed.monitor import Monitor

__all__ = ["main", "mpiexec"]


def mpiexec() -> str | None:
    """The mpiexec beside this Python, as the mpich wheel puts it there, or that of PATH; None if there is none."""
    beside = os.path.join(os.path.dirname(sys.executable), "mpiexec")
    return beside if os.access(beside, os.X_OK) else shutil.which("mpiexec")


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line; ends the process with code 2 where it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m minitorch.distributed.run", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("-n", "--ranks", type=int, default=None, help="how many processes (one for each host)")
    parser.add_argument("--hosts", default="", help="machines to start them on, as mpiexec -hosts has them: a,b:2")
    parser.add_argument("--address", default="", help="of this machine, for the hosts to reach it (its host name)")
    parser.add_argument(
        "--launcher-exec", default="", help="the program that takes the place of ssh, as mpiexec has it"
    )
    parser.add_argument("--threads", type=int, default=None, help="threads of each rank (cores / ranks of a machine)")
    parser.add_argument("--torch", action="store_true", help="have `import torch` mean minitorch: see minitorch.run")
    parser.add_argument("-m", dest="module", action="store_true", help="the script is the name of a module")
    parser.add_argument("script")
    parser.add_argument("args", nargs=argparse.REMAINDER)
    chosen = parser.parse_args(arguments)
    hosts = [host for host in chosen.hosts.split(",") if host]
    chosen.ranks = len(hosts) or 1 if chosen.ranks is None else chosen.ranks
    for name in ("ranks", "threads"):
        if getattr(chosen, name) is not None and getattr(chosen, name) < 1:
            parser.error(f"--{name} needs a number from 1 on, but is {getattr(chosen, name)}")
    if not chosen.module and not os.path.isfile(chosen.script):
        parser.error(f"can't open file {chosen.script!r}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    chosen.threads = chosen.threads or max(1, cores // -(-chosen.ranks // max(1, len(hosts))))
    return chosen


def main(arguments: list[str] | None = None) -> int:
    """Run the job; its exit code: 0 if all ranks end with 0."""
    chosen = parse(sys.argv[1:] if arguments is None else arguments)
    launcher = mpiexec()
    if launcher is None:
        print(
            "minitorch.distributed.run: there is no mpiexec; pip install 'minitorch-numba[distributed]'",
            file=sys.stderr,
        )
        return 2
    here = chosen.address or socket.gethostname()
    monitor = Monitor(chosen.ranks, here if chosen.hosts else "127.0.0.1")
    hosts = ["-hosts", chosen.hosts] if chosen.hosts else []
    hosts += ["-launcher", "ssh", "-launcher-exec", chosen.launcher_exec] if chosen.launcher_exec else []
    command = [launcher, "-disable-auto-cleanup", "-n", str(chosen.ranks), *hosts]
    command += [sys.executable, "-m", "minitorch.distributed.rank", *["--torch"] * chosen.torch]
    command += [*["-m"] * chosen.module, chosen.script, *chosen.args]
    environment = {**os.environ, ADDRESS: f"{monitor.address} {monitor.token}"}
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment.setdefault(name, str(chosen.threads))
    terminal = sys.stdin is None or sys.stdin.closed or sys.stdin.isatty()
    # A session of its own: Ctrl-C comes by way of the monitor, so that ranks may end in their own way.
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL if terminal else None, start_new_session=True
    )
    interrupts = _signals(monitor)
    try:
        while monitor.turn():
            if process.poll() is not None:
                until = time.monotonic() + 1.0  # whatever ended mpiexec, the ranks' connections tell of it now
                while time.monotonic() < until and monitor.turn():
                    pass
                break
        return _finish(monitor, process, interrupts)
    finally:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        monitor.close()


def _signals(monitor: Monitor) -> list[int]:
    """Pass on what would end this process; returns the list of what came."""
    came: list[int] = []

    def note(number: int, frame: Any) -> None:
        came.append(number)
        if number == signal.SIGINT and len(came) == 1:
            monitor.tell({"interrupt": 1})
        else:
            monitor.code = 128 + number
            monitor.end(f"signal {signal.Signals(number).name}")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, note)
    return came


def _finish(monitor: Monitor, process: subprocess.Popen, interrupts: list[int]) -> int:
    """Wait until nothing is left of the job; its exit code."""
    if monitor.verdict is None:
        code = process.wait()
        return monitor.code or (code if code >= 0 else 128 - code)
    monitor.clear()
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(2.0)
    return 130 if signal.SIGINT in interrupts and monitor.code == 1 else monitor.code


if __name__ == "__main__":
    raise SystemExit(main())
