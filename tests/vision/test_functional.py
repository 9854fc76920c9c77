"""transforms.functional: torchvision's numbers, PIL modes, kinds and dtypes, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import minitorch
from minitorch.vision.transforms import InterpolationMode
from minitorch.vision.transforms import functional as F

# An image of 6 x 5 pixels, and what torchvision 0.28 makes of it: lines of kind, function, settings, shape, values in hex:
# bytes, or for floats four digits each of 10,000 x + 20,000.
NUMBERS = np.arange(90)
IMAGE = ((NUMBERS * 73 + 41) ^ (NUMBERS * NUMBERS * 7 & 255)).astype(np.uint8).reshape(6, 5, 3)
LINES = (Path(__file__).parent / "torchvision.txt").read_text().splitlines()
EXACT = 1e-9


@pytest.fixture(scope="module")
def pil():
    return pytest.importorskip("PIL.Image", reason="pillow is not installed")


def as_kind(kind: str, array: np.ndarray):
    if kind == "pil":
        return pytest.importorskip("PIL.Image").fromarray(array)
    planes = np.moveaxis(array, -1, 0).copy()
    return minitorch.from_numpy(planes if kind == "uint8" else planes.astype(np.float32) / np.float32(255))


def as_array(image) -> np.ndarray:
    """(H, W, C), or (H, W) of a PIL image in grey."""
    return np.moveaxis(image.array, 0, -1) if isinstance(image, minitorch.Tensor) else np.asarray(image)


@pytest.mark.parametrize("line", LINES, ids=lambda line: " ".join(line.split()[:3]))
def test_values(line):
    """PIL images as torchvision has them, to the byte; uint8 within one; floats within 1e-4."""
    kind, name, settings, shape, values = line.split()
    settings = json.loads(settings)
    if "antialias" not in settings and name.startswith("resize"):
        pytest.importorskip("PIL")
    out = as_array(getattr(F, name)(as_kind(kind, IMAGE), **settings))
    assert out.shape == tuple(map(int, shape.split("x"))) and out.dtype == ("float32" if kind == "float32" else "uint8")
    if kind == "float32":
        expected = (np.frombuffer(bytes.fromhex(values), ">u2").astype(np.float64) - 20_000) / 10_000
        np.testing.assert_allclose(out.reshape(-1), expected, atol=1e-4)
    else:
        expected = np.frombuffer(bytes.fromhex(values), np.uint8).astype(int)
        assert np.abs(out.reshape(-1) - expected).max(initial=0) <= (0 if kind == "pil" else 1)


SETTINGS = {line.split()[1]: json.loads(line.split()[2]) for line in LINES}


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_kinds_and_batches_agree(name):
    """Tensors, arrays, grey arrays, batches of arrays and of Tensors give the same pixels."""
    if name.startswith("resize"):
        pytest.importorskip("PIL")
    function, settings = getattr(F, name), dict(SETTINGS[name])
    settings |= {"interpolation": "bilinear"} if "interpolation" in settings else {}
    expected = as_array(function(as_kind("uint8", IMAGE), **settings))
    np.testing.assert_array_equal(function(IMAGE, **settings), expected)
    other = np.ascontiguousarray(IMAGE[::-1])
    both = np.stack([expected, function(other, **settings)])
    np.testing.assert_array_equal(function(np.stack([IMAGE, other]), **settings), both)
    tensor = minitorch.from_numpy(np.stack([IMAGE, other])[None].transpose(0, 1, 4, 2, 3).copy())
    np.testing.assert_array_equal(function(tensor, **settings).array[0], np.moveaxis(both, -1, 1))
    if name != "rgb_to_grayscale":
        grey = function(IMAGE[..., 0], **settings)
        np.testing.assert_array_equal(grey, function(IMAGE[..., :1], **settings)[..., 0])
        plane = function(minitorch.from_numpy(IMAGE[..., 0].copy()), **settings)
        np.testing.assert_array_equal(plane.array, grey)


def test_numbers_per_image():
    """In a batch of arrays each image may have its own numbers."""
    batch = np.stack([IMAGE, IMAGE[::-1], IMAGE[:, ::-1]])
    for function, numbers in (
        (F.adjust_brightness, [0.2, 1.0, 1.5]),
        (F.adjust_contrast, [0.2, 1.0, 1.5]),
        (F.adjust_saturation, [0.2, 1.0, 1.5]),
        (F.adjust_sharpness, [0.2, 1.0, 1.5]),
        (F.adjust_hue, [-0.2, 0.0, 0.3]),
        (F.rotate, [10.0, 20.0, -50.0]),
        (lambda x, s: F.gaussian_blur(x, 3, s), [0.5, 1.0, 1.5]),
        (lambda x, s: F.affine(x, s, (s, 1), 1.1, (0.0, s)), [3.0, -4.0, 5.0]),
    ):
        alone = np.stack([function(image, number) for image, number in zip(batch, numbers, strict=True)])
        np.testing.assert_array_equal(function(batch, np.array(numbers)), alone)


def test_identities(pil):
    """Settings that change nothing change nothing; opposite ones undo each other."""
    picture = pil.fromarray(IMAGE)
    for image in (IMAGE, as_kind("float32", IMAGE), picture):
        for same in (
            F.adjust_brightness(image, 1),
            F.adjust_contrast(image, 1.0),
            F.adjust_saturation(image, 1.0),
            F.adjust_sharpness(image, 1.0),
            F.pad(image, 0),
            F.crop(image, 0, 0, 6, 5),
            F.resize(image, (6, 5)),
            F.rotate(image, 0),
            F.affine(image, 0, [0, 0], 1.0, [0.0]),
            F.hflip(F.hflip(image)),
            F.vflip(F.vflip(image)),
            F.invert(F.invert(image)),
            F.rotate(F.rotate(image, 180), 180),
            F.crop(F.pad(image, (1, 2, 3, 4)), 2, 1, 6, 5),
            F.pad(F.pad(image, 2), -2),
        ):
            np.testing.assert_allclose(as_array(same), as_array(image), atol=1e-6)
    square = np.ascontiguousarray(IMAGE[:5])
    np.testing.assert_array_equal(F.rotate(square, 90), np.rot90(square))
    np.testing.assert_array_equal(F.rotate(IMAGE[:, :4], 90, expand=True), np.rot90(IMAGE[:, :4]))
    np.testing.assert_array_equal(F.affine(IMAGE, 0, [1, 2], 1.0, [0.0])[2:, 1:], IMAGE[:-2, :-1])
    corners = [[0, 0], [4, 0], [4, 5], [0, 5]]
    np.testing.assert_array_equal(F.perspective(IMAGE, corners, corners), IMAGE)
    still = np.zeros((1, 6, 5, 2), np.float32)
    np.testing.assert_array_equal(F.elastic_transform(IMAGE, minitorch.from_numpy(still)), IMAGE)
    still[..., 0] = 2 / 5  # one pixel: the unit is half the width
    np.testing.assert_array_equal(F.elastic_transform(IMAGE, still)[:, :-1], IMAGE[:, 1:])


def test_places_that_are_nowhere():
    """Where a perspective divides by zero there is no image, and no warning."""
    corners = [[0, 0], [4, 0], [4, 4], [0, 4]]
    for interpolation in ("nearest", "bilinear"):
        out = F.perspective(np.full((5, 5, 3), 200, np.uint8), corners, [[0, 0], [4, 1], [4, 3], [0, 4]], interpolation)
        assert out.shape == (5, 5, 3) and out.max() == 200
    for strange in (np.full((1, 6, 5, 2), np.nan), np.full((1, 6, 5, 2), np.inf), np.full((1, 6, 5, 2), -1e30)):
        assert not F.elastic_transform(IMAGE, strange).any()


def test_hue_goes_round_the_circle():
    """A third of the circle turns red into green, green into blue, blue into red; grey and black stay."""
    colours = np.float32([[[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0.5], [0, 0, 0], [1, 1, 0]]])
    third = F.adjust_hue(colours, 1 / 3)
    expected = np.float32([[[0, 1, 0], [0, 0, 1], [1, 0, 0], [0.5, 0.5, 0.5], [0, 0, 0], [0, 1, 1]]])
    np.testing.assert_allclose(third, expected, atol=1e-5)


def test_equal_shares():
    """equalize leaves an even ramp and spreads a narrow one over all values; autocontrast stretches each channel."""
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    np.testing.assert_array_equal(F.equalize(ramp), ramp)
    narrow = F.equalize(np.repeat(np.uint8([[100, 101, 102, 103]]), 1020, 0)[..., None])
    assert narrow[0, :, 0].tolist() == [0, 85, 170, 255]
    stretched = F.autocontrast(np.uint8([[[10, 7], [20, 7], [30, 7]]]))
    assert stretched[0].tolist() == [[0, 7], [127, 7], [255, 7]]


def test_resize_by_hand():
    """Halving averages pairs where images are smoothed, and takes every second pixel where nearest ones are asked for."""
    row = np.arange(8, dtype=np.float64).reshape(1, 8, 1)
    half = F.resize(row, (1, 4), antialias=False)
    assert half[0, :, 0].tolist() == [0.5, 2.5, 4.5, 6.5]
    # The triangle of four pixels: weights 1/8, 3/8, 3/8, 1/8, cut off and made to sum to 1 at the edge.
    smooth = F.resize(row, (1, 4))[0, :, 0]
    np.testing.assert_allclose(smooth[1:3], [2.5, 4.5])
    np.testing.assert_allclose(smooth[0], (3 * 0 + 3 * 1 + 1 * 2) / 7)
    assert F.resize(row, (1, 4), InterpolationMode.NEAREST)[0, :, 0].tolist() == [0, 2, 4, 6]
    assert F.resize(row, (1, 4), InterpolationMode.NEAREST_EXACT)[0, :, 0].tolist() == [1, 3, 5, 7]
    assert F.resize(np.zeros((20, 30, 1)), 10, max_size=12).shape == (8, 12, 1)
    assert F.resize(np.zeros((20, 30, 1)), None, max_size=12).shape == (8, 12, 1)
    assert F.resize(row.astype(np.int16), (1, 16)).dtype == np.int16


def test_crops_of_corners():
    """five_crop: corners row by row, then the middle; ten_crop adds those of the mirror image."""
    five = F.five_crop(IMAGE, (2, 3))
    places = [(0, 0), (0, 2), (4, 0), (4, 2), (2, 1)]
    for part, (top, left) in zip(five, places, strict=True):
        np.testing.assert_array_equal(part, IMAGE[top : top + 2, left : left + 3])
    for part, other in zip(F.ten_crop(IMAGE, (2, 3))[5:], F.five_crop(IMAGE[:, ::-1], (2, 3)), strict=True):
        np.testing.assert_array_equal(part, other)
    for part, other in zip(F.ten_crop(IMAGE, 2, True)[5:], F.five_crop(IMAGE[::-1], 2), strict=True):
        np.testing.assert_array_equal(part, other)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LA", "I", "F", "I;16"])
def test_pil_modes_stay(pil, mode):
    """What moves pixels keeps the mode of an image."""
    image = pil.fromarray(IMAGE)
    if mode == "I;16":
        image = pil.fromarray(IMAGE[..., 0].astype(np.uint16) * 200)
    else:
        image = image.convert("L").convert(mode) if mode in ("1", "LA", "I", "F") else image.convert(mode)
    for out in (
        F.pad(image, 2),
        F.pad(image, 1, padding_mode="reflect"),
        F.crop(image, -1, -1, 9, 9),
        F.vflip(image),
        F.resize(image, (3, 3)),
    ):
        assert out.mode == mode
    if mode != "I;16":
        assert F.rotate(image, 20).mode == F.affine(image, 5, [1, 1], 1.0, 0.0).mode == mode
    if mode in ("1", "P"):
        for mixed in (lambda: F.gaussian_blur(image, 3), lambda: F.elastic_transform(image, np.zeros((1, 6, 5, 2)))):
            with pytest.raises(ValueError, match="can't be mixed"):
                mixed()
    assert F.get_dimensions(image) == [len(image.getbands()), 6, 5] and F.get_image_size(image) == [5, 6]


def test_dimensions():
    """Channels, height and width of every kind."""
    for image in (IMAGE, IMAGE[None], as_kind("uint8", IMAGE)):
        assert F.get_dimensions(image) == [3, 6, 5] and F.get_image_num_channels(image) == 3
    assert F.get_dimensions(IMAGE[..., 0]) == F.get_dimensions(minitorch.zeros(6, 5)) == [1, 6, 5]
    with pytest.raises(TypeError, match="image"):
        F.get_dimensions("picture")


def test_pil_and_back(pil):
    """to_pil_image and pil_to_tensor undo each other; floats are scaled; modes can be chosen."""
    for array, mode in (
        (IMAGE, "RGB"),
        (IMAGE[..., 0], "L"),
        (IMAGE[..., :2], "LA"),
        (np.dstack([IMAGE, IMAGE[..., :1]]), "RGBA"),
    ):
        image = F.to_pil_image(array)
        assert image.mode == mode
        np.testing.assert_array_equal(np.asarray(image), array)
        tensor = F.pil_to_tensor(image)
        np.testing.assert_array_equal(np.moveaxis(tensor.array, 0, -1), array.reshape(6, 5, -1))
        assert F.to_pil_image(tensor).mode == mode
        np.testing.assert_array_equal(np.asarray(F.to_pil_image(tensor)), array)
    np.testing.assert_array_equal(np.asarray(F.to_pil_image(as_kind("float32", IMAGE))), IMAGE)
    assert F.to_pil_image(minitorch.rand(3, 4, 5), "YCbCr").mode == "YCbCr"
    assert F.to_pil_image(np.float32(IMAGE[..., 0])).mode == "F" and F.to_pil_image(np.int32(IMAGE[..., 0])).mode == "I"
    assert F.to_pil_image(minitorch.rand(4, 5)).size == (5, 4)
    deep = F.pil_to_tensor(pil.fromarray(np.uint16([[1, 60_000]])))
    assert deep.array.tolist() == [[[1, 60_000]]]


def test_dtypes():
    """White stays white in every dtype; floats become integers by equal shares."""
    x = minitorch.tensor([0, 1, 128, 255], dtype=minitorch.uint8)
    np.testing.assert_allclose(F.convert_image_dtype(x).array, np.float32([0, 1 / 255, 128 / 255, 1]))
    assert F.convert_image_dtype(x, minitorch.int16).tolist() == [0, 128, 128 * 128, 255 * 128]
    assert F.convert_image_dtype(x, minitorch.uint8) is x
    assert F.convert_image_dtype(np.int16([0, 127, 128, 32767]), "uint8").tolist() == [0, 0, 1, 255]
    floats = minitorch.tensor([0.0, 0.5, 0.999, 1.0])
    assert F.convert_image_dtype(floats, minitorch.uint8).tolist() == [0, 127, 255, 255]
    assert F.convert_image_dtype(floats, minitorch.float64).dtype == minitorch.float64
    with pytest.raises(RuntimeError, match="cannot be performed safely"):
        F.convert_image_dtype(floats, minitorch.int32)


def test_erase():
    """A rectangle holds the value, in a copy or in place."""
    x = minitorch.zeros(2, 3, 4, 5)
    out = F.erase(x, 1, 2, 2, 3, minitorch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1))
    expected = np.zeros((2, 3, 4, 5))
    expected[..., 1:3, 2:5] = np.reshape([1, 2, 3], (3, 1, 1))
    np.testing.assert_array_equal(out.array, expected)
    assert not x.array.any() and F.erase(x, 0, 0, 1, 1, 7.0, inplace=True) is x and x.array[0, 0, 0, 0] == 7


PICTURE = IMAGE
FLOATS = IMAGE / np.float32(255)


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (ValueError, "not non-negative", lambda: F.adjust_brightness(PICTURE, -0.1)),
        (ValueError, "not non-negative", lambda: F.adjust_sharpness(PICTURE, -1)),
        (ValueError, r"not in \[-0.5, 0.5\]", lambda: F.adjust_hue(PICTURE, 0.6)),
        (ValueError, "non-negative", lambda: F.adjust_gamma(PICTURE, -1)),
        (TypeError, "permitted channel values", lambda: F.adjust_contrast(PICTURE[..., :2], 1)),
        (TypeError, "uint8", lambda: F.posterize(FLOATS, 3)),
        (TypeError, "uint8", lambda: F.equalize(FLOATS)),
        (TypeError, "less than bound", lambda: F.solarize(FLOATS, 2)),
        (ValueError, "either 1 or 3", lambda: F.rgb_to_grayscale(PICTURE, 2)),
        (TypeError, "PIL", lambda: F.to_grayscale(PICTURE)),
        (ValueError, "odd and positive", lambda: F.gaussian_blur(PICTURE, 4)),
        (ValueError, "length should be 2", lambda: F.gaussian_blur(PICTURE, [3, 3, 3])),
        (ValueError, "positive values", lambda: F.gaussian_blur(PICTURE, 3, 0.0)),
        (ValueError, "too large", lambda: F.gaussian_blur(PICTURE, 13)),
        (ValueError, "1, 2, or 4 element", lambda: F.pad(PICTURE, [1, 2, 3])),
        (TypeError, "padding", lambda: F.pad(PICTURE, "3")),
        (ValueError, "constant, edge", lambda: F.pad(PICTURE, 1, padding_mode="wrap")),
        (ValueError, "reflect", lambda: F.pad(PICTURE, 6, padding_mode="reflect")),
        (ValueError, "number of bands", lambda: F.pad(PICTURE, 1, fill=(1, 2))),
        (ValueError, "bigger than input", lambda: F.five_crop(PICTURE, 7)),
        (ValueError, "size", lambda: F.resize(PICTURE, 0)),
        (ValueError, "strictly greater", lambda: F.resize(PICTURE, 4, max_size=4)),
        (ValueError, "smaller edge", lambda: F.resize(PICTURE, (4, 4), max_size=9)),
        (ValueError, "wavelet", lambda: F.resize(PICTURE, 4, "wavelet")),
        (TypeError, "angle", lambda: F.rotate(PICTURE, "a lot")),
        (ValueError, "unsupported", lambda: F.rotate(PICTURE, 3, InterpolationMode.BICUBIC)),
        (ValueError, "center", lambda: F.rotate(PICTURE, 3, center=[1])),
        (ValueError, "positive", lambda: F.affine(PICTURE, 0, [0, 0], 0, [0.0])),
        (TypeError, "translate", lambda: F.affine(PICTURE, 0, 3, 1.0, [0.0])),
        (ValueError, "translate", lambda: F.affine(PICTURE, 0, [3], 1.0, [0.0])),
        (TypeError, "[Ss]hear", lambda: F.affine(PICTURE, 0, [0, 0], 1.0, "x")),
        (ValueError, "[Ss]hear", lambda: F.affine(PICTURE, 0, [0, 0], 1.0, [1.0, 2.0, 3.0])),
        (ValueError, "four points", lambda: F.perspective(PICTURE, [[0, 0]], [[0, 0]])),
        (ValueError, "displacement", lambda: F.elastic_transform(PICTURE, np.zeros((1, 2, 2, 2)))),
        (TypeError, "Tensor", lambda: F.erase(PICTURE, 0, 0, 1, 1, 0)),
        (TypeError, "PIL Image", lambda: F.pil_to_tensor(PICTURE)),
        (TypeError, "Tensor or ndarray", lambda: F.to_pil_image([1, 2])),
        (ValueError, "2/3 dimensional", lambda: F.to_pil_image(np.zeros((2, 2, 2, 2), np.uint8))),
        (ValueError, "4 channels", lambda: F.to_pil_image(np.zeros((2, 2, 5), np.uint8))),
        (ValueError, "mode", lambda: F.to_pil_image(PICTURE, "L")),
        (TypeError, "not supported", lambda: F.to_pil_image(FLOATS)),
        (TypeError, "Tensor", lambda: F.convert_image_dtype("picture")),
        (TypeError, "hflip", lambda: F.hflip("picture")),
    ],
)
def test_refusals(error, words, call):
    """Wrong settings and images raise torchvision's class, in a sentence."""
    pytest.importorskip("PIL")
    with pytest.raises(error, match=words):
        call()
