"""Image files of every kind, folders as people keep them, and files that are damaged or hostile."""

from __future__ import annotations

import gzip
import os
import pickle
import struct
import tarfile
import tracemalloc
import zlib

import numpy as np
import pytest

from minitorch.vision import transforms as T
from minitorch.vision.datasets import CIFAR10, MNIST, ImageFolder
from minitorch.vision.datasets.array_pickle import read_pickle

GREY16 = (np.arange(64, dtype=np.uint16) * 1000).reshape(8, 8)
RGB = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
MODES = ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "LA", "I", "F", "I;16"]
MOVES = [T.CenterCrop(4), T.CenterCrop(10), T.RandomCrop(6), T.RandomHorizontalFlip(1.0), T.Resize((4, 5))]


@pytest.fixture
def pil():
    return pytest.importorskip("PIL.Image", reason="pillow is not installed")


def picture(pil, mode):
    """A PIL image of this mode, not symmetric."""
    if mode == "I;16":
        return pil.fromarray(GREY16)
    image = pil.fromarray(RGB)
    if mode == "LAB":
        return pil.frombytes("LAB", (8, 8), RGB.tobytes())
    return image.convert("RGB").convert("L").convert(mode) if mode in ("1", "LA", "I", "F") else image.convert(mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("move", MOVES, ids=repr)
def test_modes_stay(pil, mode, move):
    """A transform returns the mode it got; crops and mirrors give pillow's pixels."""
    image = picture(pil, mode)
    out = move(image)
    assert out.mode == mode
    if isinstance(move, T.CenterCrop) and (mode != "LAB" or move.size[0] < 8):  # pillow's border there is neutral grey
        edge = (8 - move.size[0]) // 2
        expected = image.crop((edge, edge, 8 - edge, 8 - edge))
    elif isinstance(move, T.RandomHorizontalFlip):
        expected = image.transpose(pil.Transpose.FLIP_LEFT_RIGHT)
    elif isinstance(move, T.Resize):
        expected = image.resize((5, 4), pil.Resampling.BILINEAR)
    else:
        expected = out
    assert out.size == expected.size
    np.testing.assert_array_equal(np.asarray(out), np.asarray(expected))


def test_palettes_stay(pil):
    """Colours, opacity and the transparent entry of a palette outlive every transform; none is mixed."""
    image = pil.new("P", (4, 4))
    image.putdata([0, 200] * 8)
    colours = [0] * 768
    colours[0:3], colours[600:603] = [255, 0, 0], [0, 0, 255]
    image.putpalette(colours)
    image.info["transparency"] = 0
    for move in (T.Resize((8, 8)), T.CenterCrop(2), T.RandomHorizontalFlip(1.0)):
        out = move(image)
        assert sorted(colour for _, colour in out.convert("RGB").getcolors()) == [(0, 0, 255), (255, 0, 0)]
        assert out.info["transparency"] == 0
    del image.info["transparency"]
    image.putpalette([10, 20, 30, 40] * 256, "RGBA")
    assert T.CenterCrop(2)(image).convert("RGBA").getcolors() == [(4, (10, 20, 30, 40))]


def test_to_tensor_of_modes(pil):
    """Mode 1 gives the floats 0 and 1; 16 bits keep their values in a wider dtype; 32 bits stay."""
    x = T.ToTensor()(pil.fromarray(RGB[..., 0] > 100))
    assert x.array.dtype == np.float32
    np.testing.assert_array_equal(x.array[0], RGB[..., 0] > 100)
    for image in (pil.fromarray(GREY16), GREY16, GREY16.astype(">u2"), GREY16.astype(np.uint32), GREY16.astype(">i4")):
        np.testing.assert_array_equal(T.ToTensor()(image).array[0], GREY16)
    halves = np.float16([[0.5, -2.0]])
    assert T.ToTensor()(halves).array.dtype == np.float32 and T.ToTensor()(halves).tolist() == [[[0.5, -2.0]]]
    assert T.ToTensor()(picture(pil, "F")).array.dtype == np.float32


# ---- folders


def folder(root, name="a.png", save=None, **options):
    """An ImageFolder of the class "c" with one file."""
    (root / "c").mkdir(exist_ok=True)
    if save:
        save(root / "c" / name)
    return ImageFolder(root, **options)


def test_deep_grey_is_scaled(pil, tmp_path):
    """16-bit grey becomes value / 257; numbers of 32 bits that would be lost are refused with the file's name."""
    for name in ("a.png", "b.tif", "c.pgm"):
        dataset = folder(tmp_path, name, pil.fromarray(GREY16).save)
        pixels = np.asarray(dataset[len(dataset) - 1][0])
        np.testing.assert_array_equal(pixels, np.repeat(np.rint(GREY16 / 257)[..., None], 3, -1))
    for values, fits in (
        (np.float32([[0, 255]]), True),
        (np.float32([[0, 0]]), True),
        (np.float32([[0, 0.5]]), False),
        (np.float32([[-1, 9]]), False),
        (np.int32([[0, 256]]), False),
        (np.int32([[0, 1]]), True),
    ):
        dataset = folder(tmp_path, "z.tif", pil.fromarray(values).save)
        if fits:
            np.testing.assert_array_equal(np.asarray(dataset[-1][0])[..., 0], values)
        else:
            with pytest.raises(ValueError, match=r"z\.tif holds numbers of 32 bits.*`loader`"):
                dataset[-1]


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "bmp"])
def test_damaged_images_are_named(pil, tmp_path, ending):
    """An image that is cut off, empty or none at all raises OSError with its name."""
    big = pil.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    dataset = folder(tmp_path, f"cut.{ending}", big.save)
    path = tmp_path / "c" / f"cut.{ending}"
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"<html>"):
        path.write_bytes(damaged)
        with pytest.raises(OSError, match=rf"cut\.{ending} is no whole image"):
            dataset[0]
    path.unlink()
    with pytest.raises(FileNotFoundError, match=f"cut.{ending}"):
        dataset[0]


def test_announced_sizes_are_not_believed(pil, tmp_path):
    """A PNG of 60 bytes that announces 10 gigapixels is refused by name, without their memory."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    dataset = folder(tmp_path, "bomb.png", lambda path: path.write_bytes(content))
    with pytest.raises(OSError, match=r"bomb\.png.*DecompressionBomb"):
        dataset[0]


def test_large_files_are_refused(pil, tmp_path, monkeypatch):
    """Flat pictures that unpack to more than 100 MB and files that are larger are named at once; others are read."""
    dataset = folder(tmp_path, "a.png", pil.new("RGB", (6000, 6000)).save)
    with pytest.raises(OSError, match=r"a\.png .* bytes would unpack to 108,000,000; if they should, give a `loader`"):
        dataset[0]
    (tmp_path / "c" / "a.png").write_bytes(b"P5\n8 8\n255\n" + bytes(64))
    assert dataset[0][0].size == (8, 8)
    os.truncate(tmp_path / "c" / "a.png", 1 << 30)
    with pytest.raises(OSError, match=r"a\.png .*more than 100,000,000 bytes"):
        dataset[0]
    noise = pil.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8))
    noise.save(tmp_path / "c" / "a.png")
    monkeypatch.setattr("minitorch.vision.datasets.loader.MOST", 5000)
    with pytest.raises(OSError, match="more than 5,000"):
        dataset[0]
    noise.save(tmp_path / "c" / "a.png", "JPEG")  # unpacks to more than MOST, from a hundredth of that and more
    assert dataset[0][0].size == (60, 60)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_pipes_are_no_images(pil, tmp_path):
    """A pipe named like an image is refused instead of waited for."""
    dataset = folder(tmp_path, "a.png", os.mkfifo)
    with pytest.raises(OSError, match=r"a\.png is no whole image .*no regular file"):
        dataset[0]


def test_in_memory_takes_8_bits_alone(pil, tmp_path, capsys):
    """Deeper images are refused by name instead of wrapped; black and white is 0 and 255."""
    deep = folder(tmp_path, "a.png", pil.fromarray(GREY16).save, loader=pil.open)
    with pytest.raises(ValueError, match=r"uint8, but .*a\.png is uint16"):
        deep.in_memory()
    flat = folder(tmp_path, "a.png", pil.fromarray(GREY16 > 9000).save, loader=pil.open).in_memory()
    np.testing.assert_array_equal(flat.data[0], np.where(GREY16 > 9000, 255, 0))
    (tmp_path / "c" / "a.png").unlink()
    with pytest.raises(ValueError, match="no images"):
        folder(tmp_path, allow_empty=True).in_memory()
    capsys.readouterr()


def test_empty_classes_hidden_files_and_loops(pil, tmp_path):
    """Empty classes are allowed on request, hidden names are left out, links back are not followed, others are."""
    image = pil.fromarray(RGB)
    folder(tmp_path, "a.png", image.save)
    image.save(tmp_path / "c" / "._a.png")
    for name in ("empty", ".ipynb_checkpoints", "c/.hidden", "shared"):
        (tmp_path / name).mkdir()
    image.save(tmp_path / "c" / ".hidden" / "h.png")
    image.save(tmp_path / "shared" / "s.png")
    (tmp_path / "c" / "loop").symlink_to(tmp_path / "c")
    (tmp_path / "c" / "more").symlink_to(tmp_path / "shared")
    for place in (tmp_path, tmp_path / "c"):
        (place / "itself").symlink_to("itself")
    (tmp_path / "shared" / "t.png").symlink_to("t.png")
    with pytest.raises(FileNotFoundError, match="empty"):
        ImageFolder(tmp_path)
    dataset = ImageFolder(tmp_path, allow_empty=True)
    assert dataset.classes == ["c", "empty", "shared"]
    found = [(os.path.relpath(path, tmp_path), target) for path, target in dataset.samples]
    assert found == [("c/a.png", 0), ("c/more/s.png", 0), ("c/more/t.png", 0), ("shared/s.png", 2), ("shared/t.png", 2)]
    with pytest.raises(OSError, match=r"shared.t\.png"):
        dataset[-1]


# ---- data sets


def write_cifar(root, labels=(0, 1), protocol=2, names=None):
    """CIFAR-10's folder of two samples a batch."""
    home = root / "cifar-10-batches-py"
    home.mkdir()
    for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"):
        (home / name).write_bytes(pickle.dumps({"data": np.full((2, 3072), 7, np.uint8), "labels": labels}, protocol))
    (home / "batches.meta").write_bytes(pickle.dumps({"label_names": names or list("abcdefghij")}, 2))
    return root


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "labels", [[0, 3], list(np.arange(0, 6, 3)), np.array([0, 3], np.uint8)], ids=["", "list", "array"]
)
def test_labels_of_numpy(tmp_path, protocol, labels):
    """Labels may be NumPy's, in batches of every pickle protocol; they become ints."""
    dataset = CIFAR10(write_cifar(tmp_path, labels, protocol))
    assert dataset.targets == [0, 3] * 5 and {type(label) for label in dataset.targets} == {int}
    assert (dataset.data == 7).all()


def test_byte_order_mark(tmp_path):
    """Class names saved by a Windows editor have no mark in front."""
    home = tmp_path / "cifar-10-batches-bin"
    home.mkdir()
    for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"):
        (home / f"{name}.bin").write_bytes(bytes([3]) + bytes(3072))
    (home / "batches.meta.txt").write_text("\r\n".join("abcdefghij"), encoding="utf-8-sig")
    assert CIFAR10(tmp_path).classes == list("abcdefghij")


def peak_of(call, match):
    """The memory that a call takes until it raises RuntimeError."""
    tracemalloc.start()
    try:
        with pytest.raises(RuntimeError, match=match):
            call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_bombs_are_refused(tmp_path):
    """Files that would take gigabytes are refused by name within 100 MB: unpacked, in an archive, gzipped, pickled."""
    home = write_cifar(tmp_path) / "cifar-10-batches-py"
    os.truncate(home / "data_batch_2", 3 << 30)
    assert peak_of(lambda: CIFAR10(tmp_path), "data_batch_2: expected at most") < 1e8
    packed = tmp_path / "packed"
    packed.mkdir()
    with tarfile.open(packed / "cifar-10-python.tar.gz", "w:gz", compresslevel=1) as archive:
        member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        member.size = 300 << 20
        archive.addfile(tarfile.TarInfo("cifar-10-batches-py/readme"))
        archive.fileobj.write(member.tobuf())  # the header suffices: what it announces is never read
    assert peak_of(lambda: CIFAR10(packed, verify=False), "data_batch_1: expected at most") < 1e8
    zeros = gzip.compress(struct.pack(">IIII", 0x803, 100_000, 28, 28) + bytes(1 << 20), 1)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(zeros)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(zeros)
    assert peak_of(lambda: MNIST(tmp_path, verify=False), "train-images.*expected 78,400,000 bytes") < 1e8
    (tmp_path / "train-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, 1, 28, 28))
    os.truncate(tmp_path / "train-images-idx3-ubyte", 3 << 30)
    assert peak_of(lambda: MNIST(tmp_path, verify=False), "train-images.*expected 784 bytes") < 1e8
    numbered = pickle.PROTO + b"\x02K\x01" + pickle.LONG_BINPUT + struct.pack("<I", 1 << 31) + b"."
    assert peak_of(lambda: read_pickle(numbered, "batch"), "batch: .*numbers an object") < 1e8


class Lie:
    """Pickled, it says of itself whatever is wanted: a name of numpy's, its arguments, its state."""

    def __init__(self, *parts):
        self.parts = parts

    def __reduce__(self):
        return self.parts


@pytest.mark.parametrize(
    ("letters", "state"),
    [
        ("O", (3, "|", None, None, None, 8, 8, 0)),  # numbers as addresses of objects: numpy follows them
        ("u1", (3, "|", None, None, None, 1, 1, 63)),  # flags that no bytes have
        ("i4,O", (3, "|", None, None, None, 12, 1, 0)),
        ("V8", (3, "|", None, None, None, 8, 1, 0)),
    ],
)
def test_what_a_pickle_says_of_a_dtype_is_not_believed(letters, state):
    """Only the letters of numbers and the byte order are taken from it."""
    dtype, shape = Lie(np.dtype, (letters, False, True), state), (16,) if letters == "u1" else (2,)
    array = Lie(np.zeros(0).__reduce__()[0], (np.ndarray, (0,), b"b"), (1, shape, dtype, False, bytes(range(1, 17))))
    content = pickle.dumps({"data": array}, 2)
    if letters == "u1":
        assert read_pickle(content, "batch")["data"].tolist() == list(range(1, 17))
        return
    with pytest.raises(RuntimeError, match="not of numbers"):
        read_pickle(content, "batch")


def test_arrays_of_pickles():
    """Orders, byte orders and dtypes come back, in every protocol."""
    arrays = {"a": np.arange(6.0).reshape(2, 3).T, "b": np.arange(5, dtype=">i2"), "c": np.zeros((0, 3), bool)}
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        found = read_pickle(pickle.dumps(arrays | {"d": np.float32(2.5), "e": [np.int64(3)]}, protocol), "batch")
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array)
        assert found["d"] == np.float32(2.5) and found["e"] == [3]


HOME = "cifar-10-batches-py/"


def member(name, size, kind=b"0", content=b""):
    """A tar header as it is told, and the content behind it, filled up to whole blocks."""
    text = f"{size:011o}".encode() + b"\0" if size < 8**11 else b"\x80" + size.to_bytes(11, "big")
    block = bytearray(name.encode().ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + text + b"00000000000\0")
    block += b" " * 8 + kind + bytes(100) + b"ustar\x0000"
    block += bytes(512 - len(block))
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + content + bytes(-len(content) % 512)


def settings(*lines):
    """An extended header of these lines."""
    content = b"".join(lines)
    return member("h", len(content), b"x", content)


BATCH = member(HOME + "data_batch_1", 10, b"0", bytes(10))
# name: (content of the archive, message)
ARCHIVES = {
    **{f"{kind} of 1 GB": (member("h", 1 << 30, kind.encode()), "too long: here one of 1,073,74") for kind in "xgLKX"},
    "slow settings": (settings(b"1" * 20_000), "too long"),
    "many settings": (settings(b"12 a=bcdefg\n") * 200, "too long"),
    "nested settings": (settings(b"12 a=bcdefg\n") * 100_000, "too long"),
    "many members": (member("a", 0) * 100_000, "too long"),
    "size by settings": (settings(b"30 size=99999999999999999999999\n") + BATCH, "data_batch_1: expected at most"),
    "negative size": (settings(b"12 size=-12\n") + BATCH, "cannot be read"),
    "size of a terabyte": (member(HOME + "data_batch_1", 1 << 40), "data_batch_1: expected at most"),
    "a bomb of 200 MB": (member(HOME + "data_batch_1", 200_000_000), "data_batch_1: expected at most 33,554,432"),
    "twice": (BATCH * 2, "two members named cifar-10-batches-py/data_batch_1"),
    "a link": (member(HOME + "data_batch_1", 0, b"2"), "expected the member cifar-10-batches-py/data_batch_1"),
    "a climber": (member("../" + HOME + "data_batch_1", 0), "expected the member cifar-10-batches-py/data_batch_1"),
    "holes": (settings(b"22 GNU.sparse.major=1\n", b"22 GNU.sparse.minor=0\n") + BATCH, "cannot be read"),
    "cut": (member(HOME + "data_batch_1", 3000), "cannot be read"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_hostile_archives(tmp_path, name):
    """Headers are not believed: refused by name within 100 MB, and in about a second at most."""
    content, message = ARCHIVES[name]
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(gzip.compress(content, 1))
    assert peak_of(lambda: CIFAR10(tmp_path, verify=False), f"cifar-10-python.tar.gz.*{message}") < 1e8


def test_hostile_gzip(tmp_path):
    """Endless names, empty members, files of gigabytes: neither archives nor idx files are read for long."""
    paths = [tmp_path / "cifar-10-python.tar.gz", tmp_path / "train-images-idx3-ubyte.gz"]
    readers = [lambda **k: CIFAR10(tmp_path, **k), lambda **k: MNIST(tmp_path, **k)]
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"")
    for content in (b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * 20_000_000, gzip.compress(b"") * 500_000):
        for path, read in zip(paths, readers, strict=True):
            path.write_bytes(content)
            assert peak_of(lambda read=read: read(verify=False), path.name) < 1e8
    for path, read in zip(paths, readers, strict=True):
        os.truncate(path, 3 << 30)
        for verify in (False, None):
            assert peak_of(lambda read=read, verify=verify: read(verify=verify), f"{path.name}: expected at most") < 1e8


def test_names_that_multiply(tmp_path):
    """A list of lists of lists ... as class names is refused, not written out."""
    names = ["a"]
    for _ in range(50):
        names = [names, names]
    write_cifar(tmp_path)
    (tmp_path / HOME / "batches.meta").write_bytes(pickle.dumps({"label_names": names}, 2))
    assert peak_of(lambda: CIFAR10(tmp_path), "batches.meta: expected class names of text") < 1e8
