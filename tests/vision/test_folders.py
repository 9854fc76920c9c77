"""Image folders on disk."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import photographs

from minitorch.utils.data import DataLoader
from minitorch.vision import transforms as T
from minitorch.vision.datasets import ArrayImages, ImageFolder


def write_folder(root: Path, size: tuple[int, int] = (8, 6)) -> dict[str, np.ndarray]:
    image = pytest.importorskip("PIL.Image")
    images = {}
    for k, name in enumerate(["cat/b.png", "cat/a.png", "ant/deep/c.png"]):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        images[name] = photographs(1, k)[0, : size[0], : size[1]]
        image.fromarray(images[name]).save(path)
    (root / "cat" / "notes.txt").write_text("no image")
    return images


def test_image_folder(tmp_path):
    """Classes are folders and sorted, files sorted within them; images are RGB."""
    images = write_folder(tmp_path)
    dataset = ImageFolder(str(tmp_path), transform=np.asarray, target_transform=str)
    assert dataset.classes == ["ant", "cat"] and dataset.class_to_idx == {"ant": 0, "cat": 1}
    names = [Path(path).relative_to(tmp_path).as_posix() for path, _ in dataset.samples]
    assert names == ["ant/deep/c.png", "cat/a.png", "cat/b.png"] and dataset.targets == [0, 1, 1]
    assert dataset.imgs is dataset.samples
    np.testing.assert_array_equal(dataset[1][0], images["cat/a.png"])
    assert dataset[1][1] == "1"
    chosen = ImageFolder(tmp_path, is_valid_file=lambda path: path.endswith(("a.png", "c.png")))
    assert len(chosen) == 2


def test_image_folder_in_memory(tmp_path, capsys):
    """Loaded into memory, the set gives the same samples, from one array; sizes must agree."""
    images = write_folder(tmp_path)
    dataset = ImageFolder(tmp_path, transform=T.ToTensor())
    loaded = dataset.in_memory()
    assert isinstance(loaded, ArrayImages) and loaded.data.shape == (3, 8, 6, 3) and loaded.targets == [0, 1, 1]
    np.testing.assert_array_equal(loaded.data[2], images["cat/b.png"])
    for one, other in zip(DataLoader(dataset, 3), DataLoader(loaded, 3), strict=True):
        np.testing.assert_array_equal(one[0].array, other[0].array)
    small = ImageFolder(tmp_path, loader=lambda path: np.zeros((2, 2 + ("a.png" in path), 3), np.uint8))
    with pytest.raises(ValueError, match=r"a\.png.*\(2, 3, 3\)"):
        small.in_memory()
    assert "ImageFolder" in capsys.readouterr().err


def test_image_folder_refuses(tmp_path, monkeypatch):
    """No folders, an empty folder and no pillow each raise what torchvision raises, and say what to do."""
    with pytest.raises(FileNotFoundError, match="one folder per class"):
        ImageFolder(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty"):
        ImageFolder(tmp_path)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"minitorch-numba\[viz\]"):
        ImageFolder(tmp_path)
