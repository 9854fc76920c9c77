"""Damaged files: `load` refuses with RuntimeError or gives exactly what was saved; readers of data sets refuse or give an
array. Nothing takes more memory than the file allows.
"""

from __future__ import annotations

import atexit
import collections
import gzip
import io
import pickle
import shutil
import tempfile
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from test_serialization import same

import minitorch as m
from minitorch.vision.datasets import array_pickle, mnist
from tests.fuzz.cases import Failure

Rng = np.random.Generator
ROOM = 1 << 26  # bytes that reading may take beside four times the file
FOLDER = tempfile.mkdtemp()
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


# -------------------------------------------------------------------------------------------------------------- objects
def leaf(rng: Rng) -> Any:
    """Something that a file holds."""
    shape = tuple(int(n) for n in rng.integers(0 if rng.random() < 0.1 else 1, 9, int(rng.integers(0, 4))))
    dtype = [m.float32, m.float64, m.int64, m.uint8, m.bool][rng.integers(5)]
    x = m.from_numpy(np.array(rng.uniform(0, 200, shape))).to(dtype)
    kind = rng.integers(0, 12)
    if kind < 4:
        return x
    if kind == 4:
        return m.nn.Parameter(m.from_numpy(np.array(rng.standard_normal(shape))))
    if kind == 5:
        return x.numpy()
    if kind == 6 and x.ndim > 1:
        return [x, x.transpose(0, 1), x[1:]]  # one memory
    return [
        3,
        -1.5,
        "text",
        b"bytes",
        None,
        True,
        2**80,
        float("inf"),
        1 + 2j,
        np.float32(0.5),
        m.float32,
        m.Size((2, 3)),
        {1, 2},
        (1, (2, "x")),
        x,
    ][rng.integers(15)]


def nest(rng: Rng, depth: int) -> Any:
    """A nest of dicts and lists."""
    if depth == 0 or rng.random() < 0.2:
        return leaf(rng)
    entries = [nest(rng, depth - 1) for _ in range(int(rng.integers(1, 5)))]
    kind = rng.integers(0, 4)
    if kind == 0:
        return entries
    if kind == 1:
        return OrderedDict((f"layer.{i}", entry) for i, entry in enumerate(entries))
    return {f"k{i}" if i % 2 else i: entry for i, entry in enumerate(entries)}


def checkpoint(rng: Rng) -> dict:
    """A model, an optimizer that has made a step, a number."""
    model = m.nn.Sequential(m.nn.Linear(4, int(rng.integers(1, 9))), m.nn.ReLU())
    optimizer = m.optim.Adam(model.parameters(), lr=0.1)
    model(m.ones(2, 4)).sum().backward()
    optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "random": m.get_rng_state()}


# --------------------------------------------------------------------------------------------------------------- damage
def flipped(content: bytes, rng: Rng) -> bytes:
    """Some bytes changed; more often near the end, where archives have their directory."""
    out = bytearray(content)
    for _ in range(int(rng.choice([1, 1, 1, 2, 3, 10])) if content else 0):
        n = len(out)
        at = int(rng.integers(0, n)) if rng.random() < 0.5 else n - 1 - int(rng.integers(0, min(n, 400)))
        out[at] = int(rng.choice([out[at] ^ 1 << int(rng.integers(8)), int(rng.integers(256)), 0, 255]))
    return bytes(out)


def cut(content: bytes, rng: Rng) -> bytes:
    """Cut short at either end."""
    at = int(rng.integers(0, len(content)))
    return content[:at] if rng.random() < 0.8 else content[at:]


def patched(content: bytes, rng: Rng) -> bytes:
    """A piece left out, said twice, or replaced by zeros or noise."""
    start, stop = sorted(int(at) for at in rng.integers(0, len(content) + 1, 2))
    piece = content[start:stop]
    middle = [b"", piece * 2, bytes(len(piece)), rng.bytes(len(piece))][rng.integers(4)]
    return content[:start] + middle + content[stop:]


def reordered(content: bytes, rng: Rng) -> bytes:
    """The members of the archive in another order."""
    members = unpacked(content)
    return packed([members[i] for i in rng.permutation(len(members))])


def swapped(content: bytes, rng: Rng) -> bytes:
    """Members that have changed places, are there twice, or are missing: another archive, sound in itself."""
    members = unpacked(content)
    i, j = (int(at) for at in rng.integers(0, len(members), 2))
    kind = rng.integers(0, 5)
    if kind == 0:
        members[i], members[j] = (members[i][0], members[j][1]), (members[j][0], members[i][1])
    elif kind == 1:
        del members[i]
    elif kind == 2:
        members.append(members[i])
    elif kind == 3:
        members[i] = (members[i][0], flipped(members[i][1], rng))
    else:
        members[i] = (members[j][0] + "x", members[i][1])
    return packed(members, zipfile.ZIP_DEFLATED if rng.random() < 0.2 else zipfile.ZIP_STORED)


def unpacked(content: bytes) -> list[tuple[str, bytes]]:
    """Names and contents of an archive's members."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def packed(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


# name: (damage, whether a checksum tells what is not as it was saved)
DAMAGES: dict[str, tuple[Callable[[bytes, Rng], bytes], bool]] = {
    "bytes flipped": (flipped, True),
    "cut short": (cut, True),
    "pieces replaced": (patched, True),
    "members in another order": (reordered, True),
    "members swapped": (swapped, False),
    "whole": (lambda content, rng: content, True),
}


def read(call: Callable[[], Any], size: int, what: str, watched: bool) -> Any:
    """What the call gives, or its RuntimeError; raises Failure for other errors and for too much memory."""
    if watched:
        tracemalloc.start()
    try:
        found = call()
    except RuntimeError as error:
        found = error
    except Exception as error:
        raise Failure(f"{what}\nraised {' '.join(repr(error).split())[:300]}, not RuntimeError") from error
    finally:
        peak = tracemalloc.get_traced_memory()[1] if watched else 0
        tracemalloc.stop()
    if peak > 4 * size + ROOM:
        raise Failure(f"{what}\nof {size:,} bytes took {peak:,}")
    return found


def saved(rng: Rng, counts: collections.Counter) -> None:
    """A checkpoint or a nest, damaged: in the project's own format, in PyTorch's, or flat."""
    value = checkpoint(rng) if rng.random() < 0.2 else nest(rng, 3)
    file = io.BytesIO()
    ending = str(rng.choice(["own", "own", "pt", "pt", "npz", "safetensors"]))
    if ending in ("npz", "safetensors"):
        value = {f"k{i}": x for i, x in enumerate(leaf(rng) for _ in range(9)) if isinstance(x, m.Tensor)}
        value = {name: x.detach() for name, x in value.items()} | {"k": m.ones(2)}
    file.name = f"x.{ending}"  # type: ignore[attr-defined]
    m.save(value, file)
    name = list(DAMAGES)[rng.integers(len(DAMAGES))]
    damage, telling = DAMAGES[name]
    if ending == "safetensors":  # it has no checksums, and is no archive
        damage, telling = [(flipped, False), (cut, True), (patched, False), (lambda content, rng: content, True)][
            rng.integers(4)
        ]
        name = damage.__name__.replace("<lambda>", "whole")
    elif ending == "npz":
        telling = name in ("whole", "members in another order")
    content = damage(file.getvalue(), rng)
    watched = rng.random() < 0.25
    found = read(lambda: m.load(io.BytesIO(content)), len(content), f"load of {ending}, {name}", watched)
    if isinstance(found, dict) and ending in ("npz", "safetensors"):
        found, value = dict(sorted(found.items())), dict(sorted(value.items()))
    refused = isinstance(found, RuntimeError)
    if name in ("whole", "members in another order") and refused:
        raise Failure(f"load of {ending}, {name}\nrefused: {found}")
    if telling and not refused and not same(found, value):
        raise Failure(f"load of {ending}, {name}\ngave something else than was saved: {str(found)[:200]}")
    counts[f"{ending}, {name}: {'refused' if refused else 'as saved' if telling else 'another object'}"] += 1


def images(rng: Rng, counts: collections.Counter) -> None:
    """An idx file of MNIST, raw or gzipped, or a batch of CIFAR, damaged."""
    array = rng.integers(0, 256, (int(rng.integers(1, 5)), 4, 4)).astype(np.uint8)
    idx = bytes([0, 0, 8, 3]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
    kind = str(rng.choice(["idx", "idx.gz", "pickle"]))
    whole = {
        "idx": idx,
        "idx.gz": gzip.compress(idx, mtime=0),
        "pickle": pickle.dumps({b"data": array, b"labels": [1, 2]}, 2),
    }[kind]
    damage = [flipped, cut, patched][rng.integers(3)]
    content = damage(whole, rng)
    what = f"{kind}, {damage.__name__}: {content[:40]!r}"
    if kind == "pickle":
        found = read(lambda: array_pickle.read_pickle(content, "batch"), len(content), what, True)
    else:
        path = Path(FOLDER) / f"images.{kind}"
        path.write_bytes(content)
        found = read(lambda: mnist.read_idx(path, 3), len(content), what, True)
        if kind == "idx.gz" and not isinstance(found, RuntimeError) and not np.array_equal(found, array):
            raise Failure(f"{what}\ngave another array")
    counts[f"{kind}: {'refused' if isinstance(found, RuntimeError) else 'read'}"] += 1


def case(rng: Rng, counts: collections.Counter) -> None:
    """One damaged file."""
    (images if rng.random() < 0.25 else saved)(rng, counts)
