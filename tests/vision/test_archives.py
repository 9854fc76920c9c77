"""Image folders inside archives, and prepared images: read in place, checked, made anew where they are stale."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from minitorch.utils.data import DataLoader
from minitorch.vision import transforms as T
from minitorch.vision.datasets import DatasetFolder, ImageFolder
from minitorch.vision.datasets.archive import Archive

pillow = pytest.importorskip("PIL.Image", reason="pillow is not installed")

NAMES = ["train/cat/b.png", "train/cat/a.png", "train/ant/deep/c.png", "train/ant/deep-er/d.png", "test/cat/e.png"]
ENDINGS = [".zip", ".tar", ".tar.gz", ".tgz"]


def png(number: int, size: tuple[int, int] = (4, 5)) -> bytes:
    file = io.BytesIO()
    pillow.fromarray(np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)).save(file, "png")
    return file.getvalue()


def contents() -> dict[str, bytes]:
    extra = {"train/cat/.hidden.png": png(9), "train/.git/x.png": png(9), "train/cat/notes.txt": b"no image"}
    return {name: png(number) for number, name in enumerate(NAMES)} | extra


def pack(
    path: Path, files: dict[str, bytes], folders: tuple[str, ...] = (), method: int = zipfile.ZIP_DEFLATED
) -> Path:
    """An archive of the kind that its name says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", method) as archive:
            for folder in folders:
                archive.writestr(folder + "/", b"")
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as tar:
        for folder in folders:
            member = tarfile.TarInfo(folder)
            member.type = tarfile.DIRTYPE
            tar.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def unpack(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_folder_in_an_archive_is_the_folder_on_disk(tmp_path, ending):
    """Classes, order, samples, images, batches and copies for workers are those of the unpacked folder."""
    disk = ImageFolder(unpack(tmp_path / "disk", contents()) / "train", T.ToTensor())
    path = pack(tmp_path / f"Data{ending}", contents())
    packed = ImageFolder(str(path / "train"), T.ToTensor())
    assert packed.classes == disk.classes == ["ant", "cat"] and packed.class_to_idx == {"ant": 0, "cat": 1}
    assert packed.targets == disk.targets == [0, 0, 1, 1] and packed.imgs is packed.samples
    inside = [Path(name).relative_to(path / "train") for name, _ in packed.samples]
    assert inside == [Path(name).relative_to(tmp_path / "disk" / "train") for name, _ in disk.samples]
    for one in (packed, pickle.loads(pickle.dumps(packed))):
        for index in range(4):
            np.testing.assert_array_equal(one[index][0].array, disk[index][0].array)
    np.testing.assert_array_equal(packed.in_memory().data, disk.in_memory().data)
    assert next(iter(DataLoader(packed, 4)))[1].tolist() == [0, 0, 1, 1]
    whole = ImageFolder(path, is_valid_file=lambda name: name.endswith(("a.png", "e.png")))
    assert whole.classes == ["test", "train"] and len(whole) == 2
    assert sorted(child.name for child in tmp_path.iterdir()) == sorted([path.name, "disk"])


@pytest.mark.parametrize("ending", ENDINGS)
def test_empty_and_missing_folders_of_an_archive(tmp_path, ending):
    """An empty class is refused or admitted as on disk; a folder that is not there is named."""
    path = pack(tmp_path / f"x{ending}", contents(), ("train", "train/dog"))
    with pytest.raises(FileNotFoundError, match="dog"):
        len(ImageFolder(path / "train"))
    assert ImageFolder(path / "train", allow_empty=True).classes == ["ant", "cat", "dog"]
    with pytest.raises(FileNotFoundError, match="nowhere"):
        len(ImageFolder(path / "nowhere"))


def test_other_archives_are_named(tmp_path):
    """A root that leads into another kind of file says which are read."""
    (tmp_path / "x.tar.xz").write_bytes(b"x")
    with pytest.raises(NotADirectoryError, match=r"x\.tar\.xz.*\.zip, \.tar"):
        ImageFolder(tmp_path / "x.tar.xz" / "train")


@pytest.mark.parametrize("ending", ENDINGS)
def test_long_and_foreign_names(tmp_path, ending):
    """Names of any length and script, capital endings, and folders that are only a part of other names."""
    files = {f"train/{'lang' * 40}/é漢 {'x' * 120}.PNG": png(1), "train/b/1.Jpeg": png(2), "training/c/2.png": png(3)}
    path = pack(tmp_path / f"x{ending}", files)
    dataset = ImageFolder(path / "train")
    assert dataset.classes == ["b", "lang" * 40] and dataset.samples[1][0].endswith(f"é漢 {'x' * 120}.PNG")
    assert dataset.in_memory().data.shape == (2, 4, 5, 3)


@pytest.mark.parametrize("ending", ENDINGS)
def test_names_that_climb_are_no_files(tmp_path, ending):
    """Absolute names and names with `..` are left out, and nothing is written anywhere."""
    home = tmp_path / "home"
    home.mkdir()
    evil = {
        "../evil.png": png(0),
        "/tmp/evil.png": png(0),
        "train/cat/../../../evil.png": png(0),
        "./train/cat/f.png": png(7),
    }
    path = pack(home / f"x{ending}", contents() | evil)
    dataset = ImageFolder(path / "train")
    assert [os.path.basename(name) for name, _ in dataset.samples] == ["c.png", "d.png", "a.png", "b.png", "f.png"]
    assert sorted(Archive(path).files) == sorted([*contents(), "train/cat/f.png"])
    dataset.in_memory()
    assert [child.name for child in home.iterdir()] == [path.name] and list(tmp_path.iterdir()) == [home]


def test_links_in_a_tar(tmp_path):
    """Hard links are the files they stand for, whose names come before; links to names and devices are left out."""
    for kind, expected in ((tarfile.LNKTYPE, 3), (tarfile.SYMTYPE, 2), (tarfile.FIFOTYPE, 2)):
        path = pack(tmp_path / "x.tar", {"cat/a.png": png(0), "cat/b.png": png(1)})
        with tarfile.open(path, "a") as tar:
            member = tarfile.TarInfo("cat/z.png")
            member.type, member.linkname = kind, "cat/b.png"
            tar.addfile(member)
        dataset = ImageFolder(path)
        assert len(dataset) == expected
        np.testing.assert_array_equal(np.asarray(dataset[-1][0]), np.asarray(dataset[1][0]))
    with tarfile.open(path, "a") as tar:
        member.name, member.type, member.linkname = "cat/y.png", tarfile.LNKTYPE, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(RuntimeError, match="/etc/passwd"):
        len(ImageFolder(path))


@pytest.mark.parametrize("ending", ENDINGS)
def test_damaged_archives(tmp_path, ending):
    """Cut archives are refused by name; a file whose bytes changed is named when it is read."""
    path = pack(tmp_path / f"x{ending}", contents())
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 3], b"nonsense" * 200):
        path.write_bytes(content)
        with pytest.raises((RuntimeError, FileNotFoundError, OSError), match=f"x{ending}"):
            ImageFolder(path / "train").in_memory()
    path.write_bytes(whole)
    if ending == ".zip":
        position = whole.index(b"train/cat/a.png") + 60
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 255]) + whole[position + 1 :])
        with pytest.raises(OSError, match=r"x\.zip.train.cat.a\.png cannot be read"):
            ImageFolder(path / "train").in_memory()


def test_zips_that_are_not_read(tmp_path, monkeypatch):
    """Encrypted files and other ways to pack are refused; sizes are held to what is there."""
    path = pack(tmp_path / "x.zip", {"cat/a.png": png(0)}, method=zipfile.ZIP_BZIP2)
    with pytest.raises(RuntimeError, match="method 12"):
        len(ImageFolder(path))
    pack(path, {"cat/a.png": png(0)}, method=zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(RuntimeError, match="encrypted"):
        len(ImageFolder(path))
    pack(path, {"cat/a.png": bytes(200_000_000)})
    with pytest.raises(OSError, match="200,000,000"):
        ImageFolder(path)[0]


def test_a_tar_gz_that_grows_without_end(tmp_path):
    """Files that unpack to more than a hundred times the archive, and 100 MB, are refused before they are held."""
    path = pack(tmp_path / "x.tar.gz", {f"cat/{k}.bmp": bytes(30_000_000) for k in range(4)})
    with pytest.raises(RuntimeError, match="unpack to more than 100,000,000"):
        len(ImageFolder(path))


def test_loaders_get_an_open_file(tmp_path):
    """A loader of one's own reads a file out of an archive by `read` and `name`."""
    path = pack(tmp_path / "x.tar.gz", {"cat/a.bin": b"abc", "dog/b.BIN": b"de"})
    dataset = DatasetFolder(path, lambda file: (file.read(), os.path.basename(file.name)), ".bin")
    assert list(map(dataset.__getitem__, range(2))) == [((b"abc", "a.bin"), 0), ((b"de", "b.BIN"), 1)]


def test_dataset_folder(tmp_path):
    """On disk: any files, chosen by extension or function, one of the two; classes can be found in another way."""
    unpack(tmp_path, {"cat/a.bin": b"abc", "cat/b.txt": b"", "dog/c.BIN": b"de"})

    def read(path):
        return Path(path).read_bytes()

    dataset = DatasetFolder(tmp_path, read, (".bin",), transform=len, target_transform=str)
    assert [dataset[0], dataset[1]] == [(3, "0"), (2, "1")] and "DatasetFolder" in repr(dataset)
    assert len(DatasetFolder(str(tmp_path), read, is_valid_file=lambda path: True)) == 3
    for wrong in ({}, {"extensions": ".bin", "is_valid_file": lambda path: True}):
        with pytest.raises(ValueError, match="at the same time"):
            DatasetFolder(tmp_path, read, **wrong)
    with pytest.raises(FileNotFoundError, match=r"\.png"):
        DatasetFolder(tmp_path, read, (".png",))

    class Dogs(DatasetFolder):
        def find_classes(self, directory):
            return ["dog"], {"dog": 7}

    assert Dogs(tmp_path, read, ".bin").targets == [7]


# ---- prepared images


def decoded(monkeypatch) -> list[int]:
    """How often sets were decoded from now on."""
    counts: list[int] = []
    plain = ImageFolder._decode
    monkeypatch.setattr(ImageFolder, "_decode", lambda self, threads: counts.append(len(self)) or plain(self, threads))
    return counts


@pytest.mark.parametrize("ending", ["", ".tar.gz", ".zip"])
def test_the_second_start_decodes_nothing(tmp_path, monkeypatch, ending):
    """Images, targets and classes come from the prepared file when it was made of the same source."""
    place = pack(tmp_path / f"x{ending}", contents()) if ending else unpack(tmp_path / "x", contents())
    counts, cache = decoded(monkeypatch), tmp_path / "new folder" / "train.npz"
    first = ImageFolder(place / "train", T.ToTensor()).in_memory(cache=cache)
    again = ImageFolder(place / "train", T.ToTensor()).in_memory(cache=str(cache))
    assert counts == [4] and [child.name for child in cache.parent.iterdir()] == ["train.npz"]
    np.testing.assert_array_equal(again.data, first.data)
    np.testing.assert_array_equal(first.data, ImageFolder(place / "train").in_memory().data)
    assert again.targets == first.targets == [0, 0, 1, 1] and again.classes == ["ant", "cat"]
    assert again.data.flags.writeable and type(again.targets[0]) is int
    with np.load(cache) as file:
        np.testing.assert_array_equal(file["data"], first.data)


def grown(path):
    return path.write_bytes(path.read_bytes() + b"x")


@pytest.mark.parametrize("change", ["file", "more", "loader", "split", "archive"])
def test_a_stale_cache_is_made_anew(tmp_path, monkeypatch, change):
    """Other files, another loader, another split or another archive: a warning says so, and the images are right."""
    files = contents()
    place = unpack(tmp_path / "x", files)
    if change == "archive":
        place = pack(tmp_path / "x.zip", files)
    cache, counts = tmp_path / "c.npz", decoded(monkeypatch)
    ImageFolder(place / "train").in_memory(cache=cache)
    options, split = {}, "train"
    if change == "file":
        (place / NAMES[0]).write_bytes(png(50))
        os.utime(place / NAMES[0], ns=(1, 1))
    elif change == "more":
        (place / "train" / "cat" / "new.png").write_bytes(png(51))
    elif change == "loader":
        options["loader"] = lambda path: pillow.open(path).convert("RGB")
    elif change == "split":
        split = "test"
    else:
        pack(place, files | {NAMES[0]: png(52)})
    with pytest.warns(UserWarning, match=r"c\.npz was prepared from other images"):
        again = ImageFolder(place / split, **options).in_memory(cache=cache)
    np.testing.assert_array_equal(again.data, ImageFolder(place / split).in_memory().data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ImageFolder(place / split, **options).in_memory(cache=cache)
    assert len(counts) == 3


def test_a_damaged_cache_is_made_anew(tmp_path):
    """Any changed byte is noticed or changes nothing; cut, empty and foreign files are replaced with a warning."""
    place, cache = unpack(tmp_path / "x", contents()) / "train", tmp_path / "c.npz"
    first = ImageFolder(place).in_memory(cache=cache)
    whole = cache.read_bytes()
    pixels = whole.index(first.data.tobytes()) + 100
    damaged = [b"", whole[:-30], whole[:200], b"other", pickle.dumps([1]), whole.replace(b"|u1", b"|i1", 1)]
    damaged += [
        whole[:k] + bytes([whole[k] ^ 4]) + whole[k + 1 :] for k in (pixels, whole.index(first.data.tobytes()) - 90)
    ]
    for content in damaged:
        cache.write_bytes(content)
        with pytest.warns(UserWarning, match=r"c\.npz (is no whole file of prepared images|was prepared from other)"):
            again = ImageFolder(place).in_memory(cache=cache)
        np.testing.assert_array_equal(again.data, first.data)
        assert cache.read_bytes() == whole or len(cache.read_bytes()) == len(whole)
    for position in range(0, len(whole), 61):
        cache.write_bytes(whole[:position] + bytes([whole[position] ^ 255]) + whole[position + 1 :])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = ImageFolder(place).in_memory(cache=cache)
        np.testing.assert_array_equal(again.data, first.data)
        assert again.targets == first.targets and again.classes == first.classes


def test_a_cache_that_cannot_be_written(tmp_path):
    """The images are there all the same, with a warning."""
    place = unpack(tmp_path / "x", contents()) / "train"
    (tmp_path / "file").write_bytes(b"")
    with pytest.warns(UserWarning, match="could not be kept"):
        loaded = ImageFolder(place).in_memory(cache=tmp_path / "file" / "c.npz")
    assert len(loaded) == 4 and (tmp_path / "file").read_bytes() == b""
