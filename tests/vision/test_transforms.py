"""Transforms: batches against single images, windows and mirrors, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import NAMES, labels_of, photographs

import minitorch
from minitorch.utils.data import DataLoader, Subset, default_collate
from minitorch.utils.data.stream import Stream
from minitorch.vision import transforms as T
from minitorch.vision.datasets import ArrayImages, Shapes

AUGMENT = [
    T.RandomCrop(32, padding=4),
    T.RandomHorizontalFlip(),
    T.ToTensor(),
    T.Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.1)),
]


@pytest.mark.parametrize(
    "steps",
    [
        [],
        AUGMENT[2:],
        AUGMENT,
        [AUGMENT[2], AUGMENT[0], AUGMENT[1], AUGMENT[3]],
        [T.RandomCrop((20, 30), (1, 2, 3, 4), fill=7), T.CenterCrop((40, 16)), T.ToTensor()],
        [
            T.RandomCrop(36, pad_if_needed=True),
            T.RandomCrop(32, 3, padding_mode="reflect"),
            T.RandomHorizontalFlip(0.9),
        ],
        [T.Compose(AUGMENT[:2]), T.Compose(AUGMENT[2:])],
        [T.Resize(40), T.RandomCrop(32), T.ToTensor()],
        [T.ToTensor(), T.Resize((20, 24))],
    ],
    ids=repr,
)
def test_batches_equal_single_images(steps):
    """Whole batches, single images, other batch sizes and other orders all give the same bits."""
    if any(isinstance(step, T.Resize) for step in steps):
        pytest.importorskip("PIL")
    transform = T.Compose(steps)
    dataset = ArrayImages(photographs(12), labels_of(12, 0), NAMES, transform=transform)
    assert T.works_on_batches(transform)

    def epoch(data, size, **options):
        loader = DataLoader(data, size, generator=minitorch.Generator().manual_seed(3), **options)
        batches = list(loader)
        return np.concatenate([x.array for x, _ in batches]), [label for _, y in batches for label in y.tolist()]

    whole, labels = epoch(dataset, 12)
    for other in (
        epoch(dataset, 5),
        epoch(dataset, 4, collate_fn=lambda samples: default_collate(samples)),
        epoch(
            ArrayImages(dataset.data, dataset.targets, NAMES, transform=T.Compose([*steps, T.Lambda(lambda x: x)])), 4
        ),
    ):
        np.testing.assert_array_equal(other[0], whole)
        assert other[1] == labels == dataset.targets
    backwards, _ = epoch(dataset, 5, sampler=range(11, -1, -1))
    np.testing.assert_array_equal(backwards[::-1], whole)


def test_batches_are_channels_last_float32():
    """Image batches are float32 (N, 3, 32, 32) over memory in channels-last order, labels int64."""
    dataset = ArrayImages(photographs(10), labels_of(10, 0), NAMES, transform=T.Compose(AUGMENT))
    for data in (dataset, Subset(dataset, [3, 1, 4, 5])):
        x, y = next(iter(DataLoader(data, 4)))
        assert x.shape == (4, 3, 32, 32) and x.array.dtype == np.float32 and y.array.dtype == np.int64
        assert np.moveaxis(x.array, 1, -1).flags.c_contiguous
        np.testing.assert_array_equal(np.moveaxis(x.array, 1, -1), x.array.transpose(0, 2, 3, 1))


def test_augmentation_is_new_each_epoch_and_repeats_by_seed():
    """Two epochs differ; manual_seed repeats both."""
    dataset = ArrayImages(photographs(8), [0] * 8, NAMES, transform=T.Compose(AUGMENT))
    loader = DataLoader(dataset, 8)
    runs = []
    for _ in range(2):
        minitorch.manual_seed(11)
        runs.append([next(iter(loader))[0].array for _ in range(2)])
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0][0] != runs[0][1]).any()


def test_random_crop_takes_windows_of_the_padded_image():
    """Every crop is one of the 81 windows of the zero-padded image, and over many draws all of them come."""
    image = photographs(1)[0]
    padded = np.pad(image, ((4, 4), (4, 4), (0, 0)))
    windows = {padded[i : i + 32, j : j + 32].tobytes(): (i, j) for i in range(9) for j in range(9)}
    crops = T.RandomCrop(32, padding=4).on_batch(np.repeat(image[None], 1500, 0), Stream(5, range(1500)))
    assert {windows[crop.tobytes()] for crop in crops} == set(windows.values())


def test_random_flip_mirrors_with_its_probability():
    """A flip is the mirror image, about p of the time; p = 0 and 1 are exact."""
    images = photographs(1000)[:, :4, :5]
    out = T.RandomHorizontalFlip(0.3).on_batch(images, Stream(1, range(1000)))
    flipped = (out == images[:, :, ::-1]).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(out[~flipped], images[~flipped])
    assert 240 < flipped.sum() < 360
    np.testing.assert_array_equal(T.RandomHorizontalFlip(1)(images[0]), images[0, :, ::-1])
    np.testing.assert_array_equal(T.RandomHorizontalFlip(0)(images[0]), images[0])


@pytest.mark.parametrize("padding", [2, (1, 2), (1, 2, 3, 4), [3]])
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
def test_crop_padding(padding, mode):
    """One, two and four paddings, in all modes, agree with numpy's pad."""
    left, top, right, bottom = {2: (2,) * 4, (1, 2): (1, 2, 1, 2), (1, 2, 3, 4): (1, 2, 3, 4)}.get(
        tuple(padding) if isinstance(padding, list) else padding, (3,) * 4
    )
    image = photographs(1)[0, :7, :8]
    crop = T.RandomCrop((7 + top + bottom, 8 + left + right), padding, padding_mode=mode)
    np.testing.assert_array_equal(crop(image), np.pad(image, ((top, bottom), (left, right), (0, 0)), mode=mode))


@pytest.mark.parametrize("transform", [T.RandomHorizontalFlip(1.0), T.CenterCrop(5), T.CenterCrop((9, 4))], ids=repr)
def test_kinds_of_images_agree(transform):
    """PIL images, arrays with and without channels, and Tensors are treated alike and keep their kind."""
    pil = pytest.importorskip("PIL.Image")
    array = photographs(1)[0, :8, :7]
    expected = transform(array)
    np.testing.assert_array_equal(np.asarray(transform(pil.fromarray(array))), expected)
    np.testing.assert_array_equal(transform(array[:, :, 0]), expected[:, :, 0])
    np.testing.assert_array_equal(np.asarray(transform(pil.fromarray(array[:, :, 0]))), expected[:, :, 0])
    tensor = transform(minitorch.from_numpy(np.moveaxis(array, -1, 0)))
    np.testing.assert_array_equal(np.moveaxis(tensor.array, 0, -1), expected)
    many = transform(minitorch.from_numpy(np.stack([np.moveaxis(array, -1, 0)] * 2)))
    np.testing.assert_array_equal(many.array, np.stack([tensor.array] * 2))


def test_to_tensor():
    """uint8 becomes float32 / 255 with the channels first; floats keep dtype and values."""
    pil = pytest.importorskip("PIL.Image")
    array = photographs(1)[0, :4, :5]
    expected = array.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    for image in (array, pil.fromarray(array)):
        np.testing.assert_array_equal(T.ToTensor()(image).array, expected)
    floats = np.random.rand(4, 5)
    out = T.ToTensor()(floats)
    assert out.shape == (1, 4, 5) and out.array.dtype == np.float64
    np.testing.assert_array_equal(out.array[0], floats)
    assert not np.shares_memory(out.array, floats)


def test_normalize():
    """(x - mean) / std per channel, differentiable, in place on request, the same for a batch of Tensors."""
    x = minitorch.tensor(np.random.rand(3, 4, 5).astype(np.float32), requires_grad=True)
    transform = T.Normalize((0.1, 0.2, 0.3), (2.0, 4.0, 8.0))
    out = transform(x)
    expected = (x.array - np.float32([0.1, 0.2, 0.3])[:, None, None]) / np.float32([2, 4, 8])[:, None, None]
    np.testing.assert_array_equal(out.array, expected)
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.array, np.broadcast_to(np.float32([0.5, 0.25, 0.125])[:, None, None], x.shape))
    y = x.detach()
    assert T.Normalize((0.1, 0.2, 0.3), (2.0, 4.0, 8.0), inplace=True)(y) is y
    np.testing.assert_array_equal(y.array, expected)


def test_resize_keeps_proportions():
    """One number scales the shorter side, two set both; a constant image stays constant."""
    pytest.importorskip("PIL")
    image = np.full((8, 12, 3), 7, np.uint8)
    for size, shape in ((4, (4, 6, 3)), ((5, 9), (5, 9, 3))):
        for mode in T.InterpolationMode:
            out = T.Resize(size, mode)(image)
            assert out.shape == shape and (out == 7).all()


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (TypeError, lambda: T.ToTensor()(minitorch.zeros(3, 2, 2))),
        (TypeError, lambda: T.ToTensor()("picture")),
        (ValueError, lambda: T.ToTensor()(np.zeros(3))),
        (TypeError, lambda: T.ToTensor().on_batch(np.zeros((1, 2, 2, 3), np.float32))),
        (TypeError, lambda: T.Normalize(0, 1)(np.zeros((3, 2, 2)))),
        (TypeError, lambda: T.Normalize(0, 1)(minitorch.from_numpy(np.zeros((3, 2, 2), np.uint8)))),
        (TypeError, lambda: T.Normalize(0, 1).on_batch(np.zeros((1, 2, 2, 3), np.uint8))),
        (ValueError, lambda: T.Normalize(0, 1)(minitorch.zeros(2, 2))),
        (ValueError, lambda: T.Normalize(0, 0)(minitorch.zeros(3, 2, 2))),
        (ValueError, lambda: T.Normalize((0, 0), (1, 1))(minitorch.zeros(3, 2, 2))),
        (ValueError, lambda: T.RandomCrop(40)(photographs(1)[0])),
        (ValueError, lambda: T.RandomCrop(0)),
        (ValueError, lambda: T.RandomCrop((1, 2, 3))),
        (ValueError, lambda: T.RandomCrop(4, padding_mode="wrap")),
        (ValueError, lambda: T.RandomCrop(4, padding=(1, 2, 3))(photographs(1)[0])),
        (ValueError, lambda: T.RandomHorizontalFlip(1.5)),
        (TypeError, lambda: T.RandomHorizontalFlip()("picture")),
        (TypeError, lambda: T.Lambda(3)),
        (ValueError, lambda: T.Resize(4, "wavelet")),
        (ValueError, lambda: ArrayImages(np.zeros((2, 4, 4)), [0, 0], NAMES)),
        (ValueError, lambda: ArrayImages(np.zeros((2, 4, 4), np.uint8), [0], NAMES)),
    ],
)
def test_transforms_refuse(error, call):
    """Wrong images and settings raise torchvision's class, in a sentence that begins with who."""
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).split(":")[0] in [*T.__all__, "ArrayImages"] or "wavelet" in str(caught.value)


def test_overridden_transform_is_called():
    """A subclass that redefines __call__ alone is called for every image."""

    class Blank(T.ToTensor):
        def __call__(self, image):
            return super().__call__(image) * 0

    dataset = ArrayImages(photographs(2), [0, 1], NAMES, transform=T.Compose([Blank()]))
    assert not T.works_on_batches(dataset.transform)
    assert not next(iter(DataLoader(dataset, 2)))[0].array.any()


def test_target_transform():
    """Targets pass through target_transform, in batches and alone."""
    dataset = ArrayImages(photographs(3), [0, 1, 2], NAMES, transform=T.ToTensor(), target_transform=lambda t: t + 0.5)
    assert dataset[1][1] == 1.5
    assert next(iter(DataLoader(dataset, 3)))[1].tolist() == [0.5, 1.5, 2.5]


def test_repr():
    """The repr is torchvision's."""
    dataset = ArrayImages(
        photographs(2), [0, 1], NAMES, "place", T.Compose([T.ToTensor(), T.Normalize(0.5, 2)]), T.Lambda(str)
    )
    assert repr(dataset).splitlines() == [
        "Dataset ArrayImages",
        "    Number of datapoints: 2",
        "    Root location: place",
        "    StandardTransform",
        "    Transform: Compose(",
        "                   ToTensor()",
        "                   Normalize(mean=0.5, std=2)",
        "               )",
        "    Target transform: Lambda()",
    ]
    assert "Split: Test" in repr(Shapes(train=False))
