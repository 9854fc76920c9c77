"""vision.utils and vision.io: grids, pictures on disk, boxes and masks."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest

import minitorch
from minitorch import vision
from minitorch.vision.io import ImageReadMode, decode_image, read_file, read_image, write_jpeg, write_png
from minitorch.vision.utils import draw_bounding_boxes, draw_segmentation_masks, make_grid, save_image

RANDOM = np.random.default_rng(0)


def tensor(array):
    return minitorch.from_numpy(np.ascontiguousarray(array))


def test_make_grid():
    """Images stand row by row, two pixels apart, in a frame of `pad_value`."""
    images = RANDOM.normal(size=(5, 3, 4, 6)).astype(np.float32)
    grid = make_grid(tensor(images), nrow=3, pad_value=9).array
    expected = np.full((3, 2 * 6 + 2, 3 * 8 + 2), 9, np.float32)
    for number, (top, left) in enumerate([(2, 2), (2, 10), (2, 18), (8, 2), (8, 10)]):
        expected[:, top : top + 4, left : left + 6] = images[number]
    np.testing.assert_array_equal(grid, expected)
    np.testing.assert_array_equal(make_grid([tensor(image) for image in images], 3, pad_value=9).array, expected)
    assert make_grid(tensor(images), padding=0).shape == (3, 4, 30)
    grey = images[:, :1]
    np.testing.assert_array_equal(make_grid(tensor(grey)).array, make_grid(tensor(np.repeat(grey, 3, 1))).array)
    for one in (images[:1], images[0]):
        np.testing.assert_array_equal(make_grid(tensor(one)).array, images[0])
    np.testing.assert_array_equal(make_grid(tensor(images[0, 0])).array, np.stack([images[0, 0]] * 3))


def test_make_grid_normalizes():
    """Values go from their extremes, or from `value_range`, to [0, 1]; the input stays."""
    images = RANDOM.normal(size=(2, 3, 4, 6)).astype(np.float32)
    x = tensor(images.copy())
    low, high = images.min(), images.max()
    np.testing.assert_allclose(
        make_grid(x, padding=0, normalize=True).array[:, :, :6], (images[0] - low) / (high - low), rtol=1e-5
    )
    each = make_grid(x, padding=0, normalize=True, scale_each=True).array
    assert each[:, :, :6].min() == each[:, :, 6:].min() == 0 and each[:, :, :6].max() == each[:, :, 6:].max() == 1
    np.testing.assert_allclose(
        make_grid(x, padding=0, normalize=True, value_range=(-1, 1)).array[:, :, 6:],
        (images[1].clip(-1, 1) + 1) / 2,
        rtol=1e-5,
        atol=1e-6,
    )
    np.testing.assert_array_equal(x.array, images)


def test_save_image(tmp_path):
    """The grid is on disk as it is in memory; to a file object too; what cannot be written leaves nothing."""
    pil = pytest.importorskip("PIL.Image")
    images = tensor(RANDOM.random((3, 3, 4, 4), np.float32))
    path = tmp_path / "grid.png"
    save_image(images, path, nrow=2)
    expected = np.moveaxis(np.floor(make_grid(images, nrow=2).array * 255 + 0.5), 0, -1)
    np.testing.assert_array_equal(np.asarray(pil.open(path)), expected)
    memory = io.BytesIO()
    save_image(images, memory, "png", nrow=2)
    np.testing.assert_array_equal(np.asarray(pil.open(memory)), expected)
    for name in ("grid.xyz", "grid"):
        with pytest.raises(ValueError, match=name):
            save_image(images, tmp_path / name)
    with pytest.raises(OSError, match="cannot write mode|encoder"):
        save_image(images, tmp_path / "x.png", "xbm")
    assert os.listdir(tmp_path) == ["grid.png"]


def test_boxes():
    """Outlines of the width and colour asked for; the inside mixed with `fill`; grey images get colours."""
    pytest.importorskip("PIL")
    image = tensor(np.zeros((3, 12, 14), np.uint8))
    boxes = minitorch.tensor([[1, 2, 8, 9], [0.0, 0.0, 13.9, 11.9]])
    out = draw_bounding_boxes(image, boxes, colors=["red", (1, 2, 3)]).array
    expected = np.zeros((12, 14, 3), np.uint8)
    expected[[2, 9], 1:9] = expected[2:10, [1, 8]] = (255, 0, 0)
    expected[[0, 11]] = expected[:, [0, 13]] = (1, 2, 3)
    np.testing.assert_array_equal(np.moveaxis(out, 0, -1), expected)
    assert not image.array.any()
    wide = draw_bounding_boxes(image, boxes[:1], colors="#00ff00", width=2).array[1]
    assert (wide[2:10, 1:9] == 255).sum() == 64 - 16 and wide.sum() == 255 * 48
    filled = draw_bounding_boxes(image, boxes[:1], colors=(250, 0, 0), fill=True).array[0]
    assert filled[5, 5] == round(250 * 100 / 255) and filled[0, 0] == 0
    floats = draw_bounding_boxes(minitorch.zeros(1, 12, 14), boxes[:1], colors="white")
    assert floats.dtype == minitorch.float32 and floats.shape == (3, 12, 14) and floats.array.max() == 1
    named = draw_bounding_boxes(image, boxes[1:], ["a"], ["red"], label_colors="blue").array
    assert named[2].max() > 100 and named[2, :, 9:].max() == 0
    backed = draw_bounding_boxes(
        image, boxes[1:], ["a"], ["red"], fill_labels=True, label_background_colors="lime"
    ).array
    assert (backed[1] == 255).sum() > 10
    assert draw_bounding_boxes(image, boxes).array[1].any()  # a wheel of colours: the second is not black


def test_masks():
    """`alpha` parts of the colour; black where masks overlap; the rest stays."""
    pytest.importorskip("PIL")
    image = tensor(np.full((3, 2, 3), 100, np.uint8))
    masks = tensor(np.array([[[1, 1, 0], [0, 0, 0]], [[0, 1, 1], [0, 0, 0]]], bool))
    out = draw_segmentation_masks(image, masks, 0.5, ["red", (0, 200, 0)]).array
    assert np.moveaxis(out, 0, -1)[0].tolist() == [[177, 50, 50], [50, 50, 50], [50, 150, 50]]
    assert (out[:, 1] == 100).all() and (image.array == 100).all()
    floats = draw_segmentation_masks(minitorch.zeros(3, 2, 3), masks[0], 1.0, "red").array
    assert floats[0].tolist() == [[1, 1, 0], [0, 0, 0]] and not floats[1:].any()


def test_files(tmp_path):
    """Pictures are read in the mode asked for, and written whole."""
    pil = pytest.importorskip("PIL.Image")
    array = RANDOM.integers(0, 256, (5, 4, 3), dtype=np.uint8)
    path = tmp_path / "a.png"
    write_png(tensor(np.moveaxis(array, -1, 0)), path)
    np.testing.assert_array_equal(np.moveaxis(read_image(str(path)).array, 0, -1), array)
    grey = np.asarray(pil.fromarray(array).convert("L"))
    for mode, channels in ((ImageReadMode.GRAY, 1), ("GRAY_ALPHA", 2), ("RGB", 3), (ImageReadMode.RGB_ALPHA, 4)):
        out = read_image(path, mode).array
        assert out.shape == (channels, 5, 4)
        np.testing.assert_array_equal(out[0], grey if channels < 3 else array[..., 0])
    np.testing.assert_array_equal(decode_image(read_file(path)).array, read_image(path).array)
    write_png(tensor(grey[None]), path)
    np.testing.assert_array_equal(read_image(path).array, grey[None])
    write_jpeg(tensor(np.full((3, 8, 8), 120, np.uint8)), tmp_path / "b.jpg", quality=90)
    assert abs(int(read_image(tmp_path / "b.jpg").array.mean()) - 120) <= 1
    turned = pil.Exif()
    turned[0x112] = 6
    pil.fromarray(array).save(path, exif=turned)
    assert read_image(path).shape == (3, 5, 4) and read_image(path, apply_exif_orientation=True).shape == (3, 4, 5)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(RuntimeError, match=r"a\.png is no whole image"):
        read_image(path)
    with pytest.raises(RuntimeError, match="write_png"):
        write_png(minitorch.zeros(3, 4, 4), path)


IMAGE = minitorch.zeros(3, 9, 9)
MASK = minitorch.zeros(9, 9).bool()


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (TypeError, "tensor or list of tensors", lambda: make_grid(np.zeros((3, 3, 3)))),
        (TypeError, "value_range", lambda: make_grid(IMAGE, value_range=[0, 1])),
        (ValueError, "one shape", lambda: make_grid([IMAGE, IMAGE[:, :4]])),
        (ValueError, "one shape", lambda: make_grid([])),
        (ValueError, r"\(9,\)", lambda: make_grid(minitorch.zeros(9))),
        (ValueError, "nrow", lambda: make_grid(IMAGE, nrow=0)),
        (TypeError, "must be a tensor", lambda: draw_bounding_boxes(np.zeros((3, 3, 3)), minitorch.zeros(1, 4))),
        (ValueError, "uint8 or float", lambda: draw_bounding_boxes(IMAGE.long(), minitorch.zeros(1, 4))),
        (ValueError, "not batches", lambda: draw_bounding_boxes(IMAGE[None], minitorch.zeros(1, 4))),
        (ValueError, "RGB", lambda: draw_bounding_boxes(IMAGE[:2], minitorch.zeros(1, 4))),
        (ValueError, "xmin", lambda: draw_bounding_boxes(IMAGE, minitorch.tensor([[3, 0, 2, 5]]))),
        (ValueError, "mismatch", lambda: draw_bounding_boxes(IMAGE, minitorch.zeros(1, 4), ["a", "b"])),
        (ValueError, "Number of colors", lambda: draw_bounding_boxes(IMAGE, minitorch.zeros(2, 4), colors=["red"])),
        (ValueError, "tuple or a string", lambda: draw_bounding_boxes(IMAGE, minitorch.zeros(1, 4), colors=[3])),
        (TypeError, "must be a tensor", lambda: draw_segmentation_masks("picture", MASK)),
        (ValueError, "RGB", lambda: draw_segmentation_masks(IMAGE[:1], MASK)),
        (ValueError, "bool", lambda: draw_segmentation_masks(IMAGE, MASK.float())),
        (ValueError, "same height", lambda: draw_segmentation_masks(IMAGE, MASK[:4])),
        (ValueError, r"\(N, H, W\)", lambda: draw_segmentation_masks(IMAGE, MASK[None, None])),
        (AttributeError, "no ops for detection", lambda: vision.ops.nms),
    ],
)
def test_refusals(error, words, call):
    """Wrong arguments raise torchvision's class, in a sentence."""
    pytest.importorskip("PIL")
    with pytest.raises(error, match=words):
        call()


def test_nothing_to_draw():
    """No boxes or masks: a warning, and the image as it is."""
    pytest.importorskip("PIL")
    with pytest.warns(UserWarning, match="No box"):
        assert draw_bounding_boxes(IMAGE, minitorch.zeros(0, 4)) is IMAGE
    with pytest.warns(UserWarning, match="No mask"):
        assert draw_segmentation_masks(IMAGE, MASK[None][:0]) is IMAGE
