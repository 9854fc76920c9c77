"""The folder of compiled kernels is executed: whatever others could have put there is refused, at the price of time."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

import minitorch
from minitorch import kernels
from minitorch.kernels.engine import runtime

ir = pytest.importorskip("llvmlite.ir")
functions = pytest.importorskip("minitorch.kernels.engine.functions")
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
    entry.chmod(0o600)
    if os.getuid() == 0:
        os.chown(entry, 12345, -1)
        with pytest.raises(PermissionError, match="somebody else"):
            runtime._read_entry(entry)
        os.chown(entry, 0, -1)
    (tmp_path / "link").symlink_to(entry)
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError, match=name):
            runtime._read_entry(tmp_path / name)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that serves as the cache of this process, whose warning was not given so far."""
    path = tmp_path / "kernels-0"
    path.mkdir(mode=0o700)
    monkeypatch.setattr(runtime, "cache_directory", lambda: path)
    monkeypatch.setattr(runtime, "_warned", False)
    monkeypatch.setattr(runtime, "_say", lambda name: None)
    return path


class Compiled:
    """What numba's compiler would return."""

    def __init__(self, content):
        self.content = content

    def _reduce(self):
        return self.content


def damaged(path, how):
    """Do to an entry what disks and neighbours do."""
    content = path.read_bytes()
    path.unlink()
    if how == "pipe":
        os.mkfifo(path, 0o600)
    elif how == "folder":
        path.mkdir(0o700)
    elif how == "another kernel's":
        path.write_bytes(runtime._seal(path.with_name("other"), content[32:]) + content[32:])
    elif how == "another release's":
        path.write_bytes(runtime._seal(path.parent.with_name("kernels-1") / path.name, content[32:]) + content[32:])
    elif how == "no pickle":
        path.write_bytes(runtime._seal(path, b"junk") + b"junk")
    elif how == "all may write":
        path.write_bytes(content)
        path.chmod(0o666)
    else:
        path.write_bytes({"empty": b"", "cut": content[:-1], "flipped": content[:-1] + b"!"}[how])


DAMAGES = [
    "empty",
    "cut",
    "flipped",
    "pipe",
    "folder",
    "another kernel's",
    "another release's",
    "no pickle",
    "all may write",
]


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_entries_are_refused_and_replaced(folder, monkeypatch, how):
    """Whatever is in an entry's place, the kernel is compiled, with one warning; then the entry is right again."""
    monkeypatch.setattr("numba.core.compiler.CompileResult._rebuild", lambda context, *content: content)
    cache = runtime._disk_cache("kernel")
    cache.save_overload("signature", Compiled((1, 2)))
    assert cache.load_overload("signature", None) == (1, 2)
    (path,) = folder.iterdir()
    damaged(path, how)
    with pytest.warns(UserWarning, match="cannot use the kernel cache"):
        assert cache.load_overload("signature", None) is None
    cache.save_overload("signature", Compiled((3, 4)))
    assert cache.load_overload("signature", None) == (None if how == "folder" else (3, 4))
    assert [entry.name for entry in folder.iterdir()] == [path.name]


def seven(module):
    """A function without arguments whose result is 7."""
    function = ir.Function(module, ir.FunctionType(ir.IntType(64), []), module.name)
    ir.IRBuilder(function.append_basic_block()).ret(ir.IntType(64)(7))


@pytest.mark.parametrize("how", ["nothing", *DAMAGES])
def test_functions_without_numba_are_kept_alike(folder, monkeypatch, how):
    """They run from the file where it is whole, and are compiled again where it is not."""

    def result():
        monkeypatch.setattr(functions, "_addresses", {})
        compiled = runtime.compilations()
        address = functions.address_of(f"seven {how}", seven)
        return ctypes.CFUNCTYPE(ctypes.c_int64)(address)(), runtime.compilations() - compiled

    assert result() == (7, 1)
    (path,) = (entry for entry in folder.iterdir() if entry.name != "lock")
    if how != "nothing":
        damaged(path, how)
        with pytest.warns(UserWarning, match="cannot use the kernel cache"):
            assert result() == (7, 1)
    assert result() == (7, 1 if how == "folder" else 0)


def test_locks_that_cannot_be_had_are_done_without(folder):
    """A pipe or a folder in place of the lock is not waited for; a new lock is private."""
    before = os.umask(0)
    try:
        with runtime._file_lock("kernel"):
            assert (folder / "lock").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
    for make in (os.mkfifo, os.mkdir):
        os.unlink(folder / "lock")
        make(folder / "lock")
        with runtime._file_lock("kernel"):
            assert runtime._state.locked
        assert not runtime._state.locked


SCRIPT = """
import numpy as np
from minitorch import kernels
x = np.ones((4, 70, 70)); out = np.empty_like(x)
kernels.fill(out, x.transpose(0, 2, 1))
print(kernels.compilations(), (out == 1).all())
"""


@pytest.mark.slow
def test_exchanged_entries_are_compiled_again(tmp_path):
    """In whole processes: an entry under another one's name is refused by its seal, with one warning."""
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
            damaged(path, "another kernel's")
    assert run() == ([count, "True"], 1)
