"""Published image sets: files good and bad, downloads, bits that never change."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import os
import pickle
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from pictures import NAMES, labels_of, photographs

from minitorch.utils.data import DataLoader
from minitorch.vision import transforms as T
from minitorch.vision.datasets import CIFAR10, CIFAR100, MNIST, FashionMNIST, Shapes
from minitorch.vision.datasets import cifar as cifar_module
from minitorch.vision.datasets import mnist as mnist_module

PER_BATCH = 4


def planes(images: np.ndarray) -> np.ndarray:
    """(n, 32, 32, 3) as the files have it: (n, 3072), channel after channel."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)


def python2_pickle(content: dict) -> bytes:
    """A pickle in the dialect of the official files: protocol 2, text as bytes, numpy 1's module names."""
    old = pickle.dumps({key.encode(): value for key, value in content.items()}, protocol=2)
    return old.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def write_cifar10(root: Path, layout: str, pickled=python2_pickle) -> np.ndarray:
    """A small CIFAR-10 in one layout; returns the 20 training images."""
    images = photographs(6 * PER_BATCH)
    folder = root / f"cifar-10-batches-{layout}"
    folder.mkdir(parents=True)
    for k in range(6):
        part, labels = images[k * PER_BATCH :][:PER_BATCH], labels_of(PER_BATCH, k)
        name = "test_batch" if k == 5 else f"data_batch_{k + 1}"
        if layout == "py":
            (folder / name).write_bytes(pickled({"data": planes(part), "labels": labels}))
        else:
            records = np.concatenate([np.array(labels, np.uint8)[:, None], planes(part)], axis=1)
            (folder / f"{name}.bin").write_bytes(records.tobytes())
    if layout == "py":
        (folder / "batches.meta").write_bytes(pickled({"label_names": [name.encode() for name in NAMES]}))
    else:
        (folder / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    return images[: 5 * PER_BATCH]


def pack(folder: Path, archive: Path, prefix: str = "") -> None:
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, f"{prefix}{folder.name}/{path.name}")


@pytest.fixture
def server(tmp_path):
    """A file server on this machine: (folder, address)."""
    folder = tmp_path / "server"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()
        thread.join()


# ---- CIFAR


@pytest.mark.parametrize("layout", ["py", "bin"])
def test_cifar10_layouts(tmp_path, layout):
    """Either layout gives the same images, targets, classes and split."""
    images = write_cifar10(tmp_path, layout)
    train, test = CIFAR10(tmp_path), CIFAR10(str(tmp_path), train=False)
    np.testing.assert_array_equal(train.data, images)
    assert train.data.dtype == np.uint8 and train.data.flags.c_contiguous
    assert train.targets == [label for k in range(5) for label in labels_of(PER_BATCH, k)]
    assert test.targets == labels_of(PER_BATCH, 5) and len(test) == PER_BATCH
    assert train.classes == NAMES and train.class_to_idx["frog"] == 6


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_cifar10_written_by_python3(tmp_path, protocol):
    """Batches pickled again by today's Python and numpy are read as well."""
    images = write_cifar10(tmp_path, "py", functools.partial(pickle.dumps, protocol=protocol))
    np.testing.assert_array_equal(CIFAR10(tmp_path).data, images)


@pytest.mark.parametrize(("layout", "archive"), [("py", "cifar-10-python.tar.gz"), ("bin", "cifar-10-binary.tar.gz")])
def test_cifar10_from_the_archive(tmp_path, layout, archive):
    """An archive is read in place, once its md5 is right or the check is turned off; nothing is unpacked."""
    source, home = tmp_path / "source", tmp_path / "home"
    home.mkdir()
    images = write_cifar10(source, layout)
    pack(source / f"cifar-10-batches-{layout}", home / archive)
    with pytest.raises(RuntimeError, match=f"{archive}.*expected md5 [0-9a-f]+, found"):
        CIFAR10(home)
    np.testing.assert_array_equal(CIFAR10(home, verify=False).data, images)
    assert [path.name for path in home.iterdir()] == [archive]


def test_archive_members_elsewhere_are_not_taken(tmp_path):
    """Only members below the official folder count: names that climb out of it are not even read."""
    write_cifar10(tmp_path / "source", "bin")
    pack(tmp_path / "source" / "cifar-10-batches-bin", tmp_path / "cifar-10-binary.tar.gz", prefix="../")
    with pytest.raises(RuntimeError, match="expected the member cifar-10-batches-bin/data_batch_1.bin"):
        CIFAR10(tmp_path, verify=False)


def test_cut_archive(tmp_path):
    """An archive that ends early is named with its size."""
    write_cifar10(tmp_path / "source", "bin")
    path = tmp_path / "cifar-10-binary.tar.gz"
    pack(tmp_path / "source" / "cifar-10-batches-bin", path)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(RuntimeError, match=r"cifar-10-binary.tar.gz.*20,000 bytes"):
        CIFAR10(tmp_path, verify=False)


def test_cifar100_layouts(tmp_path):
    """CIFAR-100's fine labels come from the pickle's key or the second byte of a record."""
    images, fine = photographs(5), labels_of(5, 1, 100)
    names = [f"class_{k}" for k in range(100)]
    for folder in ("cifar-100-python", "cifar-100-binary"):
        (tmp_path / folder / folder).mkdir(parents=True)
    python, binary = (tmp_path / folder / folder for folder in ("cifar-100-python", "cifar-100-binary"))
    content = {"data": planes(images), "fine_labels": fine, "coarse_labels": [0] * 5}
    (python / "train").write_bytes(python2_pickle(content))
    (python / "meta").write_bytes(python2_pickle({"fine_label_names": [name.encode() for name in names]}))
    records = np.concatenate([np.zeros((5, 1), np.uint8), np.array(fine, np.uint8)[:, None], planes(images)], axis=1)
    (binary / "train.bin").write_bytes(records.tobytes())
    (binary / "fine_label_names.txt").write_text("\n".join(names))
    for home in (python.parent, binary.parent):
        dataset = CIFAR100(home)
        np.testing.assert_array_equal(dataset.data, images)
        assert dataset.targets == fine and dataset.classes == names


class Evil:
    """A pickle of this runs a command when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def test_pickle_that_names_a_command_is_refused(tmp_path):
    """A batch that names os.system is refused by that name, and nothing is run."""
    write_cifar10(tmp_path, "py")
    mark = tmp_path / "it-ran"
    bad = pickle.dumps({b"data": Evil(mark)}, protocol=2)
    (tmp_path / "cifar-10-batches-py" / "data_batch_2").write_bytes(bad)
    with pytest.raises(RuntimeError, match=rf"data_batch_2.*{os.system.__module__}\.system"):
        CIFAR10(tmp_path)
    assert not mark.exists()
    pickle.loads(bad)
    assert mark.exists(), "the pickle was harmless, so that the test showed nothing"


def replaced(**changes) -> bytes:
    return python2_pickle({"data": planes(photographs(2)), "labels": [1, 2]} | changes)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "expected a whole pickle"),
        (replaced()[:3000], "3,000 bytes"),
        (b"\x80\x02garbage", "expected a whole pickle"),
        (pickle.dumps([1, 2], protocol=2), "found a list"),
        (python2_pickle({"labels": [1]}), "expected 'data'"),
        (replaced(data=np.zeros((2, 3072), np.float32)), "found float32"),
        (replaced(data=np.zeros((2, 3071), np.uint8)), r"\(2, 3071\)"),
        (replaced(labels=[1]), "expected 2 labels.*found 1"),
        (replaced(labels=[1, 10]), "from 0 to 9, found 10"),
        (replaced(labels=[1, b"x"]), "from 0 to 9"),
        (replaced(labels=np.array([[1, 2]])), "found a ndarray"),
        (replaced(labels=[1.0, 2.0]), "from 0 to 9, found 1.0"),
    ],
)
def test_damaged_pickles(tmp_path, content, words):
    """A damaged batch raises RuntimeError with its name, what was expected and what was found."""
    write_cifar10(tmp_path, "py")
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(content)
    with pytest.raises(RuntimeError, match=words) as caught:
        CIFAR10(tmp_path, train=False)
    assert "test_batch" in str(caught.value)


def test_damaged_binary_files(tmp_path):
    """A record file that was cut, is empty or has a label too many is named."""
    write_cifar10(tmp_path, "bin")
    path = tmp_path / "cifar-10-batches-bin" / "test_batch.bin"
    whole = path.read_bytes()
    for content, words in (
        (whole[:-1], "12,291 bytes, 3,072 more than 3 records"),
        (b"", "found 0 bytes"),
        (b"\x0a" + whole[1:], "found 10"),
    ):
        path.write_bytes(content)
        with pytest.raises(RuntimeError, match=words) as caught:
            CIFAR10(tmp_path, train=False)
        assert str(path) in str(caught.value)


def test_missing_cifar_says_what_to_do(tmp_path):
    """No data, half the data, and unverifiable data each say so."""
    with pytest.raises(RuntimeError, match="download=True"):
        CIFAR10(tmp_path)
    write_cifar10(tmp_path, "bin")
    with pytest.raises(RuntimeError, match="verify"):
        CIFAR10(tmp_path, verify=True)
    (tmp_path / "cifar-10-batches-bin" / "data_batch_3.bin").unlink()
    with pytest.raises(RuntimeError, match=r"data_batch_3\.bin: expected this file"):
        CIFAR10(tmp_path)


def test_unpacked_files_are_verified_on_request(tmp_path):
    """verify=True holds unpacked batches to the published md5."""
    write_cifar10(tmp_path, "py")
    with pytest.raises(RuntimeError, match="data_batch_1: .*c99cafc152244af753f735de768cd75f"):
        CIFAR10(tmp_path, verify=True)


# ---- downloads


def test_cifar_download(tmp_path, server, monkeypatch):
    """The archive is fetched, checked and read; the second time nothing is fetched."""
    folder, address = server
    images = write_cifar10(tmp_path / "source", "bin")
    archive = folder / "cifar-10-binary.tar.gz"
    pack(tmp_path / "source" / "cifar-10-batches-bin", archive)
    layout = CIFAR10.layouts[1]
    right = cifar_module.Layout(**{**vars(layout), "md5": hashlib.md5(archive.read_bytes()).hexdigest()})
    monkeypatch.setattr(CIFAR10, "layouts", (right,))
    monkeypatch.setattr(cifar_module, "URL", address)
    home = tmp_path / "home"
    np.testing.assert_array_equal(CIFAR10(home, download=True).data, images)
    assert [path.name for path in home.iterdir()] == [archive.name]
    archive.unlink()
    assert len(CIFAR10(home, train=False, download=True)) == PER_BATCH


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_download_that_fails_leaves_nothing(tmp_path, server, monkeypatch, damage):
    """A wrong checksum or a missing file raises with the address, and no file stays, whole or in part."""
    folder, address = server
    if damage == "changed":
        (folder / "cifar-10-binary.tar.gz").write_bytes(b"not the archive")
    monkeypatch.setattr(CIFAR10, "layouts", (CIFAR10.layouts[1],))
    monkeypatch.setattr(cifar_module, "URL", address)
    words = "expected md5 c32a1d4ab5d03f1284b67883e8d87530" if damage == "changed" else "404"
    with pytest.raises(RuntimeError, match=words) as caught:
        CIFAR10(tmp_path / "home", download=True)
    assert address in str(caught.value) and list((tmp_path / "home").iterdir()) == []


def test_mnist_download_takes_the_next_mirror(tmp_path, server, monkeypatch):
    """A mirror that fails is passed over; files land in MNIST/raw."""
    folder, address = server
    images = photographs(3)[:, :28, :28, 0]
    md5 = {}
    for name, content in (
        ("t10k-images-idx3-ubyte", idx(images)),
        ("t10k-labels-idx1-ubyte", idx(np.uint8([1, 2, 3]))),
    ):
        packed = gzip.compress(content)
        (folder / f"{name}.gz").write_bytes(packed)
        md5[name] = hashlib.md5(packed).hexdigest()
    monkeypatch.setattr(MNIST, "mirrors", [address + "nowhere/", address])
    monkeypatch.setattr(MNIST, "md5", md5)
    dataset = MNIST(tmp_path, train=False, download=True)
    np.testing.assert_array_equal(dataset.data, images)
    assert sorted(path.name for path in (tmp_path / "MNIST" / "raw").iterdir()) == sorted(f"{name}.gz" for name in md5)


# ---- MNIST


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_mnist(folder: Path, split: str = "train", ending: str = "") -> np.ndarray:
    folder.mkdir(parents=True, exist_ok=True)
    images = photographs(6)[:, :28, :28, 0].copy()
    for name, array in (("images-idx3", images), ("labels-idx1", np.arange(6, dtype=np.uint8))):
        content = gzip.compress(idx(array)) if ending else idx(array)
        (folder / f"{split}-{name}-ubyte{ending}").write_bytes(content)
    return images


@pytest.mark.parametrize(("cls", "where"), [(MNIST, "MNIST/raw"), (FashionMNIST, "FashionMNIST/raw"), (MNIST, ".")])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_mnist_files(tmp_path, cls, where, ending):
    """idx files, raw or gzipped, are found in torchvision's folder and in the root."""
    images = write_mnist(tmp_path / where, ending=ending)
    dataset = cls(tmp_path, verify=False)
    np.testing.assert_array_equal(dataset.data, images)
    assert dataset.targets == list(range(6)) and len(dataset.classes) == 10
    if ending:
        with pytest.raises(RuntimeError, match="expected md5"):
            cls(tmp_path)


def test_mnist_batches(tmp_path):
    """Grey images get a channel from ToTensor and none without it."""
    images = write_mnist(tmp_path)
    plain = next(iter(DataLoader(MNIST(tmp_path), 6)))
    assert plain[0].shape == (6, 28, 28) and plain[0].array.dtype == np.uint8
    cropped = next(iter(DataLoader(MNIST(tmp_path, transform=T.CenterCrop(20)), 6)))
    np.testing.assert_array_equal(cropped[0].array, images[:, 4:24, 4:24])
    x, y = next(iter(DataLoader(MNIST(tmp_path, transform=T.ToTensor()), 6)))
    assert x.shape == (6, 1, 28, 28) and y.tolist() == list(range(6))
    np.testing.assert_array_equal(x.array[:, 0], images.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("train-images-idx3-ubyte", idx(np.zeros((6, 28, 28), np.uint8))[:-1], "expected 4,704 bytes.*found 4,703"),
        ("train-images-idx3-ubyte", idx(np.zeros((6, 28, 28), np.uint8)) + b"x", "found 4,705"),
        ("train-images-idx3-ubyte", idx(np.zeros(6, np.uint8)), "00000803.*00000801"),
        ("train-images-idx3-ubyte", b"", "00000803"),
        ("train-images-idx3-ubyte", b"\0\0\x08\x03" + b"\xff" * 12, "found 0"),
        ("train-labels-idx1-ubyte", idx(np.zeros(5, np.uint8)), "expected 6 labels.*found 5"),
        ("train-labels-idx1-ubyte", idx(np.full(6, 10, np.uint8)), "from 0 to 9, found 10"),
    ],
)
def test_damaged_idx(tmp_path, name, content, words):
    """A damaged idx file is named, with what was expected and found."""
    write_mnist(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RuntimeError, match=words) as caught:
        MNIST(tmp_path)
    assert name in str(caught.value)


def test_cut_gzip_and_missing_mnist(tmp_path):
    """A gzip file that ends early and no file at all raise RuntimeError with the name."""
    with pytest.raises(RuntimeError, match="download=True"):
        MNIST(tmp_path)
    write_mnist(tmp_path, ending=".gz")
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RuntimeError, match=r"train-images-idx3-ubyte\.gz.*200 bytes"):
        MNIST(tmp_path, verify=False)
    with pytest.raises(RuntimeError, match="3 axes|begins with"):
        mnist_module.read_idx(tmp_path / "train-labels-idx1-ubyte.gz", 3)


# ---- Shapes


def test_shapes_bits():
    """Shapes are the same bytes on every machine: 10,000 and 2,000 images of ten classes, each equally often."""
    train, test = Shapes(), Shapes("unused", train=False)
    assert train.data.shape == (10_000, 32, 32, 3) and test.data.shape == (2_000, 32, 32, 3)
    assert [hashlib.sha256(dataset.data.tobytes()).hexdigest() for dataset in (train, test)] == [
        "06fa9977eb13b8ef9b479504545dbd76b2bb4ae662b636504a419b2c4ddad189",
        "2fdf5fcd340d8ddc6fe4b006c166fab0f2f1d20d6a87e0b4015e1dce2e5561ac",
    ]
    assert np.bincount(train.targets).tolist() == [1000] * 10 and train.targets[:3] == [0, 1, 2]
    assert Shapes.classes == train.classes and len(set(train.classes)) == 10


def test_shapes_hide_their_class_from_a_linear_model():
    """Least squares on pixels stays under 25 % on the test images, where chance is 10 %."""

    def rows(dataset):
        return np.c_[dataset.data.reshape(len(dataset), -1) / 255 - 0.5, np.ones(len(dataset))].astype(np.float32)

    train, test = Shapes(), Shapes(train=False)
    x, wanted = rows(train), np.eye(10, dtype=np.float32)[train.targets]
    weight = np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1], dtype=np.float32), x.T @ wanted)
    accuracy = np.mean((rows(test) @ weight).argmax(1) == test.targets)
    assert 0.05 < accuracy < 0.25


# ---- real files, where there are some

shared = os.environ.get("MINITORCH_SHARED_DATA")

if shared:  # a folder of real files, for those who have one

    def test_real_files():
        """True CIFAR-10 batches and MNIST test files are read, and the latter have the published md5."""
        cifar = CIFAR10(Path(shared, "cifar10-sample"))
        assert cifar.data.shape == (5000, 32, 32, 3) and cifar.classes == NAMES and cifar.targets[:3] == [6, 9, 9]
        mnist = MNIST(Path(shared, "mnist"), train=False, verify=True)
        assert mnist.data.shape == (10_000, 28, 28) and mnist.targets[:5] == [7, 2, 1, 0, 4]
