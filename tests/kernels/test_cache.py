"""The folder of compiled kernels is executed: whatever others could have put there is refused, at the price of time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import minitorch
from minitorch import kernels
from minitorch.kernels.engine import runtime

pytestmark = [
    pytest.mark.skipif(kernels.implementation() != "numba", reason="only numba's kernels are compiled"),
    pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs owners and modes of Unix"),
]


@pytest.fixture
def folder_at(monkeypatch):
    """The cache folder that a process with this MINITORCH_CACHE_DIR would use."""

    def find(home):
        monkeypatch.setenv("MINITORCH_CACHE_DIR", str(home))
        monkeypatch.setattr(runtime, "_warned", False)
        return runtime.cache_directory.__wrapped__()

    return find


def test_folders_are_private_whatever_the_umask(tmp_path, folder_at):
    """All folders that are made on the way have mode 700."""
    before = os.umask(0)
    try:
        path = folder_at(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert path is not None
    assert [part.stat().st_mode & 0o777 for part in (tmp_path / "a", tmp_path / "a" / "b", path)] == [0o700] * 3


def test_what_others_may_write_to_or_own_is_refused(tmp_path, folder_at):
    """The folder and those above it; a sticky one above, as /tmp, is safe."""
    home = tmp_path / "home"
    path = folder_at(home)
    for part, mode in ((path, 0o777), (path, 0o770), (home, 0o777)):
        part.chmod(mode)
        with pytest.warns(UserWarning, match="cannot use the kernel cache"):
            assert folder_at(home) is None
        part.chmod(0o700)
    home.chmod(0o1777)
    assert folder_at(home) == path
    home.chmod(0o700)
    if os.getuid() == 0 and os.stat("/").st_uid == 0:
        for part in (path, home):
            os.chown(part, 12345, -1)
            with pytest.warns(UserWarning, match="belongs to somebody else"):
                assert folder_at(home) is None
            os.chown(part, 0, -1)


def test_no_home(folder_at, monkeypatch):
    """Without a home folder kernels are compiled in memory, with one warning."""

    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(runtime.Path, "home", nowhere)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.warns(UserWarning, match=r"home directory.*compiled in memory"):
        assert folder_at("") is None


def test_entries_are_checked_when_open(tmp_path):
    """A link, a pipe, a file that others may write to: refused at once."""
    entry = tmp_path / "entry"
    entry.write_bytes(b"code")
    entry.chmod(0o600)
    assert runtime._read_entry(entry) == b"code"
    entry.chmod(0o666)
    with pytest.raises(PermissionError, match="others may write"):
        runtime._read_entry(entry)
    (tmp_path / "link").symlink_to(entry)
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError, match=name):
            runtime._read_entry(tmp_path / name)


SCRIPT = """
import numpy as np
from minitorch import kernels
x = np.ones((4, 70, 70)); out = np.empty_like(x)
kernels.fill(out, x.transpose(0, 2, 1))
print(kernels.compilations(), (out == 1).all())
"""


def test_exchanged_entries_are_compiled_again(tmp_path):
    """An entry under another one's name is refused by its checksum, with one warning."""
    here = str(Path(minitorch.__file__).parents[1])

    def run():
        environment = {**os.environ, "PYTHONPATH": here, "MINITORCH_CACHE_DIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, check=True
        )
        return done.stdout.split(), done.stderr.count("cannot use the kernel cache")

    (count, right), warned = run()
    assert int(count) > 0 and right == "True" and not warned
    assert run() == (["0", "True"], 0)
    (folder,) = tmp_path.iterdir()
    for path in folder.iterdir():
        if path.name != "lock":
            assert path.stat().st_mode & 0o777 == 0o600
            content = path.read_bytes()
            wrong = runtime.hashlib.sha256(b"another" + content[32:]).digest()
            path.write_bytes(wrong + content[32:])
    assert run() == ([count, "True"], 1)
