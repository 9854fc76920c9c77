"""Disks and kills, for everything that writes files: checkpoints, pictures, downloads, entries of the kernel cache.

One process for each writer forks a child for each fault, and looks at the folder afterwards.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minitorch import kernels

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limits, signals and fork")

# name: (code that defines write(path), the name of the file that is written)
WRITERS = {
    "checkpoint": (
        """
from minitorch.serialization import load, save
value = {"w": np.arange(10_000), "t": (1, "x")}
def write(path): save(value, path)
""",
        "checkpoint.zip",
    ),
    "PyTorch's": (
        """
import minitorch
from minitorch.serialization import load, save
value = {"w": minitorch.arange(10_000), "t": (1, "x")}
def write(path): save(value, path)
""",
        "checkpoint.pt",
    ),
    "picture": (
        """
from matplotlib.figure import Figure
from minitorch.explain import _write
figure = Figure((4, 4))
figure.add_subplot()
def write(path): _write(figure, path)  # what Explanation.picture ends with
""",
        "windows.png",
    ),
    "download": (
        """
from pathlib import Path
from minitorch.vision.datasets.download import download, md5_of
def write(path): download([sys.argv[2] + "nowhere", sys.argv[2] + "set.gz"], Path(path), sys.argv[3])
""",
        "set.gz",
    ),
    "kernel": (
        """
import pathlib
from minitorch.kernels.engine import runtime
def write(path):
    runtime.cache_directory = lambda: pathlib.Path(path).parent
    runtime._warned = False
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "minitorch: cannot use the kernel cache")
        runtime.keep(pathlib.Path(path).name, lambda: bytes(5000))
""",
        "kernel-entry",
    ),
}

FAULTS = """
import json, os, resource, signal, sys, tempfile, warnings
import numpy as np

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def limit(action):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, action)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # the write that passes 1,000 bytes ends there

def read_only():
    os.chmod(folder, 0o555)
    if os.getuid() == 0:
        os.seteuid(65534)

MOMENTS = {
    "killed while writing": lambda: limit(signal.SIG_DFL),
    "killed before the name changes": lambda: setattr(os, "replace", kill),
    "killed before the bytes are on the disk": lambda: setattr(os, "fsync", kill),
    "full disk": lambda: limit(signal.SIG_IGN),
    "read-only": read_only,
}

def child(prepare, repeat=1):
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        prepare()
        for _ in range(repeat):
            write(path)
        message = "done"
    except BaseException as error:
        message = f"{type(error).__name__}: {error}"
    os.write(1, (json.dumps(["message", message]) + "\\n").encode())
    os._exit(0)

def state(*say):
    content = open(path, "rb").read() if os.path.exists(path) else None
    rest = [n for n in os.listdir(folder) if n != name]
    print(json.dumps([*say, "whole" if content == whole else "none" if content is None else "torn", len(rest)]), flush=True)

with tempfile.TemporaryDirectory() as folder:
    os.chmod(folder, 0o755)
    name = sys.argv[1]
    path = os.path.join(folder, name)
    write(path)
    whole = open(path, "rb").read()
    assert len(whole) > 2000
    for moment, prepare in MOMENTS.items():
        for before in ("old", "new"):
            if before == "new":
                os.unlink(path)
            _, status = os.waitpid(child(prepare), 0)
            os.chmod(folder, 0o755)
            state("after", moment, before, os.WIFSIGNALED(status))
            write(path)
            state("next", moment, before, False)
    for pid in [child(lambda: None, 3) for _ in range(4)]:
        os.waitpid(pid, 0)
    state("after", "two at once", "old", False)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """An address that gives set.gz, and the md5 of that."""
    import hashlib

    content = bytes(range(256)) * 100
    (tmp_path / "set.gz").write_bytes(content)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}/", hashlib.md5(content).hexdigest()
        httpd.shutdown()
        thread.join()


@pytest.mark.parametrize("writer", WRITERS)
def test_files_are_whole_or_not_there(writer: str, server: tuple[str, str]) -> None:
    """After a kill at any moment, a full disk, a read-only folder, four writers at once: the old or the new file whole.

    Errors name the file; the next writer removes what killed ones left.
    """
    if writer == "picture":
        pytest.importorskip("matplotlib", reason="matplotlib, of the viz extra, draws pictures")
    if writer == "kernel" and kernels.implementation() != "numba":
        pytest.skip("only numba's kernels are cached")
    code, name = WRITERS[writer]
    script = FAULTS.replace("def kill(", code + "\ndef kill(", 1)
    done = subprocess.run(
        [sys.executable, "-c", script, name, *server],
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    message = ""
    killed = 0
    for kind, *row in rows:
        if kind == "message":
            message = row[0]
            continue
        moment, before, signaled, content, others = row
        killed += signaled
        assert content != "torn", row
        if kind == "next":
            assert (content, others) == ("whole", 0), row
            continue
        if moment == "two at once":
            assert (content, others) == ("whole", 0) and message == "done", (row, message)
            continue
        if before == "old" and writer != "kernel":  # whose old entry goes first: another is as good
            assert content == "whole", row
        if moment.startswith("killed"):
            # entries are not synced: if half of one is lost, its seal is broken
            assert signaled or (writer == "kernel" and moment.endswith("on the disk")), row
            assert others == signaled, row
        else:
            assert not signaled and others == 0, row
            expected = {"full disk": "File too large", "read-only": "Permission denied"}[moment]
            assert expected in message and name in message, message
            assert content == ("whole" if before == "old" and writer != "kernel" else content), row
    assert len(rows) >= 25 and killed == (4 if writer == "kernel" else 6)


CROWD = """
import os, sys, time, traceback
from minitorch.files import replacing

def writer(removes):
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        if removes and os.path.lexists(sys.argv[1]):
            try:
                os.unlink(sys.argv[1])
            except FileNotFoundError:
                pass
        with replacing(sys.argv[1], lasting=False) as file:
            file.write(bytes(5000))

children = []
for i in range(6):
    if not (child := os.fork()):
        try:
            writer(i % 2)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    children.append(child)
sys.exit(sum(os.waitpid(child, 0)[1] for child in children) != 0)
"""


def test_a_crowd_of_writers(tmp_path: Path) -> None:
    """Thousands of files of one name by six writers, three of which remove the old one first: none of them fails."""
    run = [sys.executable, "-c", CROWD, str(tmp_path / "file")]
    done = subprocess.run(run, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [(p.name, p.stat().st_size) for p in tmp_path.iterdir()] == [("file", 5000)]
