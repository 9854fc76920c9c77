"""KMNIST, EMNIST, SVHN, STL10 and FakeData: small copies of the published files, whole and damaged."""

from __future__ import annotations

import gzip
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from minitorch.utils.data import DataLoader
from minitorch.vision import transforms as T
from minitorch.vision.datasets import EMNIST, KMNIST, STL10, SVHN, FakeData

RANDOM = np.random.default_rng(0)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_idx(folder: Path, part: str, labels: list[int], ending: str = "") -> np.ndarray:
    folder.mkdir(parents=True, exist_ok=True)
    images = RANDOM.integers(0, 256, (len(labels), 28, 28), dtype=np.uint8)
    for name, array in (("images-idx3", images), ("labels-idx1", np.uint8(labels))):
        content = gzip.compress(idx(array)) if ending else idx(array)
        (folder / f"{part}-{name}-ubyte{ending}").write_bytes(content)
    return images


def test_kmnist(tmp_path):
    """MNIST's files in a folder of its own, with its own classes."""
    images = write_idx(tmp_path / "KMNIST" / "raw", "t10k", [3, 9])
    dataset = KMNIST(tmp_path, train=False)
    np.testing.assert_array_equal(dataset.data, images)
    assert dataset.targets == [3, 9] and dataset.classes[3] == "tsu" and len(dataset.classes) == 10
    with pytest.raises(RuntimeError, match="download=True"):
        KMNIST(tmp_path)
    write_idx(tmp_path / "KMNIST" / "raw", "train", [3, 9], ".gz")
    with pytest.raises(RuntimeError, match="expected md5 bdb82020997e1d708af4cf47b453dcf7"):
        KMNIST(tmp_path)


@pytest.mark.parametrize(
    ("split", "classes", "last"),
    [
        ("byclass", 62, "z"),
        ("bymerge", 47, "t"),
        ("balanced", 47, "t"),
        ("letters", 27, "z"),
        ("digits", 10, "9"),
        ("mnist", 10, "9"),
    ],
)
def test_emnist(tmp_path, split, classes, last):
    """Each split has its files and classes; a label past the last is refused."""
    for ending, train in (("", True), (".gz", False)):
        part = f"emnist-{split}-{'train' if train else 'test'}"
        images = write_idx(tmp_path / "EMNIST" / "raw", part, [1, classes - 1], ending)
        dataset = EMNIST(tmp_path, split, train=train)
        np.testing.assert_array_equal(dataset.data, images)
        assert len(dataset.classes) == classes and dataset.classes[-1] == last and dataset.split == split
    write_idx(tmp_path / "EMNIST" / "raw", f"emnist-{split}-train", [classes])
    with pytest.raises(RuntimeError, match=f"from 0 to {classes - 1}, found {classes}"):
        EMNIST(tmp_path, split)


def test_emnist_refuses(tmp_path):
    """An unknown split, and files that are not there: what to fetch is said."""
    with pytest.raises(ValueError, match="Unknown value 'greek' for argument split"):
        EMNIST(tmp_path, "greek")
    with pytest.raises(RuntimeError, match=r"emnist-letters-train-images.*gzip\.zip \(560 MB\)"):
        EMNIST(tmp_path, "letters", download=True)


def matlab(monkeypatch, content):
    """A scipy that reads any file as this."""
    module = types.ModuleType("scipy.io")

    def loadmat(path):
        if isinstance(content, Exception):
            raise content
        return content

    module.loadmat = loadmat
    monkeypatch.setitem(sys.modules, "scipy", types.ModuleType("scipy"))
    monkeypatch.setitem(sys.modules, "scipy.io", module)


def test_svhn(tmp_path, monkeypatch):
    """Images come image by image, and ten means zero."""
    (tmp_path / "test_32x32.mat").write_bytes(b"MATLAB")
    images = RANDOM.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    matlab(monkeypatch, {"X": np.moveaxis(images, 0, -1), "y": np.uint8([[1], [10], [9]])})
    dataset = SVHN(tmp_path, "test", verify=False)
    np.testing.assert_array_equal(dataset.data, images)
    assert dataset.targets == dataset.labels == [1, 0, 9] and "Split: test" in repr(dataset)
    with pytest.raises(RuntimeError, match="expected md5 eb5a983be6a315427106f1b164d9cef3"):
        SVHN(tmp_path, "test")
    for wrong, words in (
        (ValueError("Unknown mat file type"), "Unknown mat file type"),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8)}, "KeyError"),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.ones((3, 1))}, "found uint8"),
        ({"X": np.zeros((32, 32, 3, 1), np.uint8), "y": np.zeros((1, 1), np.uint8)}, "from 1 to 10, found 0"),
    ):
        matlab(monkeypatch, wrong)
        with pytest.raises(RuntimeError, match=words) as caught:
            SVHN(tmp_path, "test", verify=False)
        assert "test_32x32.mat" in str(caught.value)


def test_svhn_without_files_or_scipy(tmp_path, monkeypatch):
    """What is missing is said, and how to get it."""
    with pytest.raises(ValueError, match="Unknown value 'more'"):
        SVHN(tmp_path, "more")
    with pytest.raises(RuntimeError, match="download=True"):
        SVHN(tmp_path)
    with pytest.raises(RuntimeError, match=r"1\.3 GB"):
        SVHN(tmp_path, "extra", download=True)
    (tmp_path / "train_32x32.mat").write_bytes(b"MATLAB")
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(ImportError, match="pip install scipy"):
        SVHN(tmp_path, verify=False)


def write_stl10(root: Path) -> dict[str, np.ndarray]:
    """Small files of all three parts; returns the images as they should come."""
    home = root / "stl10_binary"
    home.mkdir()
    made = {}
    for name, count in (("train", 4), ("test", 3), ("unlabeled", 2)):
        made[name] = RANDOM.integers(0, 256, (count, 96, 96, 3), dtype=np.uint8)
        (home / f"{name}_X.bin").write_bytes(np.ascontiguousarray(made[name].transpose(0, 3, 2, 1)).tobytes())
        if name != "unlabeled":
            (home / f"{name}_y.bin").write_bytes(bytes(range(1, count + 1)))
    (home / "fold_indices.txt").write_text("0 2\n" * 9 + "3 1 0\n")
    return made


def test_stl10(tmp_path):
    """Columns become rows, labels count from 0, unlabelled images have -1, folds choose."""
    made = write_stl10(tmp_path)
    train, test = STL10(tmp_path), STL10(tmp_path, "test")
    np.testing.assert_array_equal(train.data, made["train"])
    np.testing.assert_array_equal(test.data, made["test"])
    assert train.targets == train.labels == [0, 1, 2, 3] and test.targets == [0, 1, 2] and train.classes[2] == "car"
    both = STL10(tmp_path, "train+unlabeled", 9)
    np.testing.assert_array_equal(both.data, np.concatenate([made["train"][[3, 1, 0]], made["unlabeled"]]))
    assert both.targets == [3, 1, 0, -1, -1] and STL10(tmp_path, "unlabeled").targets == [-1, -1]
    x, _ = next(iter(DataLoader(STL10(tmp_path, transform=T.ToTensor()), 4)))
    assert x.shape == (4, 3, 96, 96)


def test_stl10_refuses(tmp_path):
    """Wrong splits and folds, missing and damaged files."""
    with pytest.raises(ValueError, match="Unknown value 'all'"):
        STL10(tmp_path, "all")
    for fold in (10, -1, "1"):
        with pytest.raises(ValueError, match="folds"):
            STL10(tmp_path, folds=fold)
    with pytest.raises(RuntimeError, match=r"train_X\.bin.*stl10_binary\.tar\.gz \(2\.6 GB\)"):
        STL10(tmp_path, download=True)
    write_stl10(tmp_path)
    home = tmp_path / "stl10_binary"
    with pytest.raises(RuntimeError, match="expected md5 918c2871b30a85fa023e0c44e0bee87f"):
        STL10(tmp_path, verify=True)
    for name, content, words in (
        ("fold_indices.txt", b"1 2\n", "ten lines"),
        ("fold_indices.txt", b"1 9\n" * 10, "from 0 to 3, found 9"),
        ("train_y.bin", bytes([1, 2, 3, 11]), "from 1 to 10, found 11"),
        ("train_y.bin", bytes([1, 2, 3]), "4 labels, one per image, found 3"),
        ("train_X.bin", bytes(27_649), "27,648 bytes, found 27,649"),
        ("train_X.bin", b"", "found 0 bytes"),
    ):
        (home / name).write_bytes(content)
        with pytest.raises(RuntimeError, match=words) as caught:
            STL10(tmp_path, folds=1)
        assert name in str(caught.value)


def test_fake_data():
    """Image i is always the same, others are others; sizes and classes are those asked for."""
    dataset = FakeData(5, (3, 8, 6), 4, T.ToTensor())
    images = [x.array for x, _ in dataset]
    assert len(images) == len(dataset) == 5 and images[0].shape == (3, 8, 6) and 0 <= min(y for _, y in dataset) <= 3
    np.testing.assert_array_equal(dataset[3][0].array, images[3])
    np.testing.assert_array_equal(dataset[-2][0].array, images[3])
    np.testing.assert_array_equal(FakeData(3, (3, 8, 6), 4, T.ToTensor(), random_offset=2)[1][0].array, images[3])
    assert (images[0] != images[1]).any() and FakeData(9, (1, 2, 3))[0][0].shape == (2, 3, 1)
    for index in (5, -6):
        with pytest.raises(IndexError, match="out of range"):
            dataset[index]
