"""Random transforms: batches and single images alike, how often and how far, samples of several parts, reprs."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from pictures import labels_of, photographs

import minitorch
from minitorch.utils.data import DataLoader, default_collate
from minitorch.utils.data.stream import Stream
from minitorch.vision import transforms as T
from minitorch.vision.datasets import ArrayImages
from minitorch.vision.transforms import functional as F
from minitorch.vision.transforms import v2

pil = pytest.importorskip("PIL.Image", reason="pillow is not installed")
I = T.InterpolationMode  # noqa: E741

ON_BATCHES = [
    T.Resize(20, I.NEAREST),
    T.Resize((24, 20), I.BICUBIC, antialias=False),
    T.Pad((1, 2), 5),
    T.Pad(3, 0, "symmetric"),
    T.RandomVerticalFlip(),
    T.RandomResizedCrop(24),
    T.RandomResizedCrop((8, 9), (0.5, 0.6), (1, 1)),
    T.RandomRotation(30),
    T.RandomRotation((10, 20), I.BILINEAR, fill=(1, 2, 3)),
    T.RandomPerspective(),
    T.RandomPerspective(0.9, 1),
    T.RandomAffine(10, (0.1, 0.2), (0.8, 1.2), (-5, 5, -3, 3)),
    T.RandomAffine(0, shear=9, interpolation=I.BILINEAR, fill=4),
    T.ElasticTransform(20.0, 3.0),
    T.ColorJitter(0.5, 0.5, 0.5, 0.1),
    T.ColorJitter(hue=(0.1, 0.2)),
    T.Grayscale(),
    T.Grayscale(3),
    T.RandomGrayscale(0.5),
    T.GaussianBlur(3),
    T.GaussianBlur((5, 3), (0.5, 3)),
    T.RandomInvert(),
    T.RandomPosterize(3),
    T.RandomSolarize(100),
    T.RandomAdjustSharpness(2),
    T.RandomAutocontrast(),
    T.RandomEqualize(),
    T.AutoAugment(),
    T.AutoAugment(T.AutoAugmentPolicy.CIFAR10),
    T.AutoAugment(T.AutoAugmentPolicy.SVHN),
    T.RandAugment(),
    T.RandAugment(3, 12),
    T.TrivialAugmentWide(),
    T.AugMix(),
    T.AugMix(5, 2, 2, all_ops=False),
    v2.RGB(),
    v2.Identity(),
    v2.RandomChannelPermutation(),
    T.Compose([T.ToTensor(), T.RandomErasing(0.7)]),
    T.Compose([T.ToTensor(), T.RandomErasing(1, value="random")]),
    T.Compose([T.ToTensor(), T.RandomErasing(0.5, value=(1, 2, 3)), v2.GaussianNoise()]),
    T.Compose([T.RandomCrop(30, 2), T.TrivialAugmentWide(), T.RandomHorizontalFlip(), T.ToTensor()]),
]
ONE_BY_ONE = [
    T.RandomApply([T.ColorJitter(0.5)], 0.5),
    T.RandomChoice([T.RandomRotation(9), T.RandomInvert(1), T.GaussianBlur(3)], [1, 2, 3]),
    T.RandomOrder([T.RandomCrop(30), T.RandomHorizontalFlip(), T.ColorJitter(0.5)]),
    T.Compose([T.RandomApply([T.RandomCrop(30, 1), T.Resize(32)]), T.RandomHorizontalFlip()]),
    v2.Compose(
        [v2.ToImage(), v2.RandomCrop(20), v2.ToDtype(minitorch.float32, scale=True), v2.Normalize([0.5], [0.2])]
    ),
    T.Compose([T.ToTensor(), T.ConvertImageDtype(minitorch.float64)]),
]


def epoch(transform, size, **options):
    dataset = ArrayImages(photographs(12), labels_of(12, 0), ["a"] * 10, transform=transform)
    loader = DataLoader(dataset, size, generator=minitorch.Generator().manual_seed(3), **options)
    return np.concatenate([x.array for x, _ in loader])


@pytest.mark.parametrize("transform", ON_BATCHES + ONE_BY_ONE, ids=repr)
def test_batches_equal_single_images(transform):
    """Whole batches, other sizes, other orders and single images all give the same bits; pickled transforms, too."""
    assert T.works_on_batches(transform) == (transform in ON_BATCHES)
    whole = epoch(transform, 12)
    others = [
        epoch(transform, 5),
        epoch(pickle.loads(pickle.dumps(transform)), 4, collate_fn=default_collate),
        epoch(T.Compose([transform, T.Lambda(lambda x: x)]), 7),
        epoch(transform, 5, sampler=range(11, -1, -1))[::-1],
    ]
    for other in others:
        assert other.dtype == whole.dtype
        if transform in ON_BATCHES or other.shape == whole.shape:
            np.testing.assert_array_equal(other, whole)


@pytest.mark.parametrize(
    "transform", [T.ColorJitter(0.5, 0.5, 0.5, 0.1), T.RandomRotation(30), T.RandomPerspective(0.5, 0.8)], ids=repr
)
def test_blocks_of_a_batch(transform):
    """Large batches are worked upon in blocks, which nobody sees."""
    images = photographs(200)
    whole = transform.on_batch(images, Stream(1, range(200)))
    parts = [transform.on_batch(images[k : k + 20], Stream(1, range(k, k + 20))) for k in range(0, 200, 20)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert not transform.on_batch(images[:0], Stream(1, [])).size


def test_workers_change_nothing():
    """Mixtures, and transforms that draw more for some samples than for others, give the same with and without workers."""
    for transform in (
        T.Compose([T.RandomResizedCrop(24), T.RandAugment(), T.ColorJitter(0.3), T.ToTensor(), T.RandomErasing()]),
        T.Compose(
            [T.RandomOrder([T.RandomCrop(20), T.RandomInvert()]), T.RandomApply([T.GaussianBlur(3)]), T.ToTensor()]
        ),
    ):
        np.testing.assert_array_equal(epoch(transform, 3, num_workers=2), epoch(transform, 4))


KINDS = [t for t in ON_BATCHES if not isinstance(t, T.Compose)]


@pytest.mark.parametrize("transform", KINDS, ids=repr)
def test_kinds_agree(transform):
    """From one seed, arrays, Tensors and (for what Pillow does alike) PIL images come out the same, and keep their kind."""
    image = photographs(1, 4)[0]
    results = []
    for one in (image, minitorch.from_numpy(np.moveaxis(image, -1, 0).copy()), pil.fromarray(image)):
        minitorch.manual_seed(5)
        out = transform(one)
        assert isinstance(out, (pil.Image if isinstance(one, pil.Image) else type(one)))
        results.append(np.moveaxis(out.array, 0, -1) if isinstance(out, minitorch.Tensor) else np.asarray(out))
    np.testing.assert_array_equal(results[1], results[0])
    assert results[2].reshape(results[0].shape).shape == results[0].shape
    if isinstance(transform, (T.RandomResizedCrop, T.RandomGrayscale, T.Pad, T.RandomVerticalFlip, T.RandomInvert)):
        assert np.abs(results[2].astype(int) - results[0]).max() <= 1


def test_expanded_rotations_are_made_one_by_one():
    """Where results differ in size, no batch is made at once."""
    assert not T.works_on_batches(T.RandomRotation(40, expand=True))
    minitorch.manual_seed(0)
    assert T.RandomRotation((45, 45), expand=True)(photographs(1)[0]).shape == (46, 46, 3)


def draws(transform, count=2000, size=(40, 60)):
    return transform.draw(Stream(1, range(count)), size)


def test_how_often():
    """What happens with probability p happens about so often; p = 0 and 1 are exact."""
    for cls, settings in (
        (T.RandomVerticalFlip, ()),
        (T.RandomGrayscale, ()),
        (T.RandomInvert, ()),
        (T.RandomPosterize, (2,)),
        (T.RandomSolarize, (9,)),
        (T.RandomAutocontrast, ()),
        (T.RandomEqualize, ()),
        (T.RandomErasing, ()),
        (T.RandomAdjustSharpness, (0.5,)),
        (T.RandomPerspective, ()),
    ):
        for p in (0, 0.3, 1):
            chosen = draws(cls(*settings, p=p))[0]
            assert abs(chosen.mean() - p) < (0.04 if p == 0.3 else 1e-9)
        with pytest.raises(ValueError, match="probability"):
            cls(*settings, p=1.5)
    applied = [T.RandomApply([lambda x: x + 1], 0.3)(0) for _ in range(600)]
    assert 120 < sum(applied) < 240
    chosen = [T.RandomChoice([lambda x: 0, lambda x: 1, lambda x: 2], [0.2, 0, 0.8])(None) for _ in range(600)]
    assert 80 < chosen.count(0) < 160 and chosen.count(1) == 0
    orders = {tuple(T.RandomOrder([lambda x, k=k: [*x, k] for k in range(3)])([])) for _ in range(200)}
    assert len(orders) == 6


def test_how_far():
    """Angles, moves, scales, shears and factors are spread evenly over their ranges."""
    (angles,) = draws(T.RandomRotation((-10, 50)))
    assert -10 <= angles.min() < -9 and 49 < angles.max() < 50 and abs(angles.mean() - 20) < 2
    angle, tx, ty, scale, sx, sy = draws(T.RandomAffine(5, (0.1, 0.5), (0.5, 2.0), (-3, 3, 1, 2)))
    assert np.abs(tx).max() == 6 and np.abs(ty).max() == 20 and set(np.unique(tx)) == set(range(-6, 7))
    assert 0.5 <= scale.min() < 0.52 and 1.98 < scale.max() <= 2 and abs(np.median(scale) - 1.25) < 0.1
    assert -3 <= sx.min() < -2.9 and sx.max() > 2.9 and sy.min() >= 1 and sy.max() <= 2 and np.abs(angle).max() <= 5
    order, *factors = draws(T.ColorJitter(0.4, (0.5, 3), 2, 0.2))
    assert {tuple(row) for row in order.tolist()} == {tuple(p) for p in itertools.permutations(range(4))}
    for numbers, (low, high) in zip(factors, [(0.6, 1.4), (0.5, 3), (0, 3), (-0.2, 0.2)], strict=True):
        assert low <= numbers.min() and numbers.max() <= high and abs(numbers.mean() - (low + high) / 2) < 0.06
    (sigma,) = draws(T.GaussianBlur(3, (0.5, 2.5)))
    assert sigma.min() >= 0.5 and sigma.max() <= 2.5 and abs(sigma.mean() - 1.5) < 0.06
    _, corners = draws(T.RandomPerspective(0.5))
    top_left, bottom_right = corners[:, 0], corners[:, 2]
    assert top_left.min(0).tolist() == [0, 0] and top_left.max(0).tolist() == [15, 10]
    assert bottom_right.min(0).tolist() == [44, 29] and bottom_right.max(0).tolist() == [59, 39]


def test_resized_crops():
    """Windows lie in the image, have the wanted areas and ratios, and fall everywhere; where none fits, the middle."""
    tops, lefts, heights, widths = draws(T.RandomResizedCrop(8, (0.2, 0.6), (0.5, 2)))
    assert tops.min() == 0 and (tops + heights).max() == 40 and lefts.min() == 0 and (lefts + widths).max() == 60
    areas = heights * widths / 2400
    assert 0.18 < areas.min() < 0.22 and 0.55 < areas.max() < 0.63 and abs(areas.mean() - 0.4) < 0.03
    ratios = np.log(widths / heights)
    assert -0.75 < ratios.min() < -0.6 and 0.6 < ratios.max() < 0.75
    tops, lefts, heights, widths = draws(T.RandomResizedCrop(8, (1.0, 1.0), (0.5, 0.5)), 5)
    assert set(zip(tops.tolist(), lefts.tolist(), heights.tolist(), widths.tolist(), strict=True)) == {(0, 20, 40, 20)}


def test_erased_rectangles():
    """One rectangle inside the image, of the wanted part of it, holds the value; all else stays."""
    chosen, rows, columns, heights, widths, _ = draws(T.RandomErasing(1.0, (0.1, 0.3), (0.5, 2.0)))
    areas, ratios = heights * widths / 2400, np.log(heights / widths)
    assert chosen.all() and areas.min() > 0.08 and areas.max() < 0.32 and abs(areas.mean() - 0.2) < 0.02
    assert -0.8 < ratios.min() < -0.6 and 0.6 < ratios.max() < 0.8
    assert rows.min() == 0 and (rows + heights).max() == 40 and columns.min() == 0 and (columns + widths).max() == 60
    x = minitorch.ones(3, 20, 30)
    out = T.RandomErasing(1.0, value=(5, 6, 7))(x).array
    changed = out != 1
    inside = np.argwhere(changed[0])
    (top, left), (bottom, right) = inside.min(0), inside.max(0) + 1
    for channel, value in enumerate((5, 6, 7)):
        assert (out[channel, top:bottom, left:right] == value).all()
    assert changed.sum() == 3 * (bottom - top) * (right - left) and x.array.all()
    assert T.RandomErasing(1.0, inplace=True)(x) is x and not x.array.all()
    with pytest.raises(TypeError, match="ToTensor"):
        T.RandomErasing(1.0)(photographs(1)[0])


def test_get_params():
    """get_params draws what scripts then hand to functional."""
    image = pil.fromarray(photographs(1)[0])
    i, j, h, w = T.RandomCrop.get_params(image, output_size=(20, 10))
    assert F.crop(image, i, j, h, w).size == (10, 20)
    assert F.resized_crop(image, *T.RandomResizedCrop.get_params(image, [0.1, 0.2], [1, 1]), [7, 7]).size == (7, 7)
    assert -3 <= T.RandomRotation.get_params([-3, 3]) <= 3
    angle, (tx, ty), scale, shear = T.RandomAffine.get_params([0, 5], [0.1, 0.1], [1, 2], None, [100, 50])
    assert 0 <= angle <= 5 and abs(tx) <= 10 and abs(ty) <= 5 and 1 <= scale <= 2 and shear == (0, 0)
    start, end = T.RandomPerspective.get_params(30, 20, 0.5)
    assert start == [[0, 0], [29, 0], [29, 19], [0, 19]] and len(end) == 4
    order, brightness, contrast, saturation, hue = T.ColorJitter.get_params((0.5, 1), None, None, (-0.1, 0.1))
    assert (
        sorted(order) == [0, 1, 2, 3]
        and 0.5 <= brightness <= 1
        and contrast is saturation is None
        and -0.1 <= hue <= 0.1
    )
    assert 1 <= T.GaussianBlur.get_params(1, 2) <= 2
    i, j, h, w, v = T.RandomErasing.get_params(minitorch.ones(3, 9, 9), (0.1, 0.2), (1, 1), [0.0])
    assert v.shape == (3, h, w)
    assert T.ElasticTransform.get_params([9.0, 9.0], [1.0, 1.0], [5, 6]).shape == (1, 5, 6, 2)
    which, chances, signs = T.AutoAugment.get_params(25)
    assert 0 <= which < 25 and len(chances) == len(signs) == 2


def test_policies_of_autoaugment():
    """25 pairs each, of operations that there are; the first and the last as published."""
    for policy, first, last in (
        ("imagenet", [("Posterize", 0.4, 8), ("Rotate", 0.6, 9)], [("Equalize", 0.8, 0), ("Equalize", 0.6, 0)]),
        ("cifar10", [("Invert", 0.1, 0), ("Contrast", 0.2, 6)], [("TranslateY", 0.7, 9), ("AutoContrast", 0.9, 0)]),
        ("svhn", [("ShearX", 0.9, 4), ("Invert", 0.2, 0)], [("ShearX", 0.7, 2), ("Invert", 0.1, 0)]),
    ):
        policies = T.AutoAugment(T.AutoAugmentPolicy(policy)).policies
        assert len(policies) == 25 and policies[0] == first and policies[-1] == last
        assert all(len(pair) == 2 for pair in policies)


def test_strengths():
    """Bins run from nothing to the strongest: for RandAugment and for TrivialAugmentWide."""
    from minitorch.vision.transforms.auto import USUAL, strength

    def at(name, part, most=USUAL, bits=(8, 4)):
        return strength(name, part, most, bits, (224, 200))

    assert at("ShearX", 1) == 0.3 and at("Rotate", 0.5) == 15 and at("Brightness", 1) == 0.9
    np.testing.assert_allclose([at("TranslateX", 1), at("TranslateY", 1)], [200 * 150 / 331, 224 * 150 / 331])
    assert [at("Posterize", k / 9) for k in range(10)] == [8, 8, 7, 7, 6, 6, 5, 5, 4, 4]
    assert [at("Solarize", part) for part in (0, 0.5, 1)] == [255, 127.5, 0]
    wide = T.TrivialAugmentWide
    assert at("TranslateX", 1, wide.most, wide.bits) == 32 and at("Rotate", 1, wide.most) == 135
    assert at("Posterize", 1, wide.most, wide.bits) == 2 and at("Color", 1, wide.most) == 0.99


def test_mixes():
    """MixUp blends neighbours, CutMix puts a rectangle of one into the other; labels count alike."""
    images = minitorch.from_numpy(
        np.arange(4, dtype=np.float32).reshape(4, 1, 1, 1) * np.ones((1, 3, 20, 20), np.float32)
    )
    labels = minitorch.tensor([2, 0, 1, 1])
    for _ in range(5):
        x, y = v2.MixUp(alpha=0.5, num_classes=3)(images, labels)
        share = (x.array[1, 0, 0, 0] - 0) / 1  # image 1 times the share, and image 0
        np.testing.assert_allclose(y.array[0], np.float32([0, 1 - share, share]), atol=1e-6)
        np.testing.assert_allclose(x.array[:, 0, 3, 4], [3 * (1 - share), share, 1 + share, 2 + share], rtol=1e-5)
        batch = v2.CutMix(num_classes=3)({"image": images, "label": labels, "name": "x"})
        x, y = batch["image"].array, batch["label"].array
        part = (x[2, 0] == 1).mean()
        np.testing.assert_allclose(y[2], [part, 1 - part, 0], atol=1e-6)
        np.testing.assert_array_equal(x[2] == 1, x[1] == 0)
        assert set(np.unique(x[2])) <= {1, 2} and batch["name"] == "x" and images.array[2].min() == 2
    probabilities = minitorch.tensor([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0], [0.25, 0.75]])
    assert v2.MixUp()([images, probabilities])[1].array.sum(1).tolist() == pytest.approx([1] * 4)
    for wrong, words in (
        (lambda: v2.MixUp()(images, labels), "num_classes"),
        (lambda: v2.MixUp(num_classes=2)(images, labels), r"\[0, 2\)"),
        (lambda: v2.MixUp(num_classes=3)(images), "labels"),
        (lambda: v2.MixUp(num_classes=3)(images, labels[:2]), "N = 4"),
        (lambda: v2.MixUp(alpha=0), "alpha"),
        (lambda: v2.CutMix(num_classes=3)(labels, labels), "batch of images"),
    ):
        with pytest.raises(ValueError, match=words):
            wrong()


def test_mixes_in_a_loader():
    """As a part of collate_fn they draw from the loader's seed."""
    dataset = ArrayImages(photographs(8), [0] * 8, ["a"], transform=T.ToTensor())
    mix = v2.CutMix(num_classes=1)

    def run():
        loader = DataLoader(
            dataset,
            4,
            collate_fn=lambda batch: mix(*default_collate(batch)),
            generator=minitorch.Generator().manual_seed(1),
        )
        return np.concatenate([x.array for x, _ in loader])

    minitorch.manual_seed(9)
    first = run()
    minitorch.manual_seed(9)
    np.testing.assert_array_equal(run(), first)


def test_samples_of_several_parts():
    """PIL images of a sample change together; labels and all else pass through; a lone Tensor among labels is the image."""
    image = pil.fromarray(photographs(1)[0])
    steps = v2.Compose(
        [v2.RandomCrop(20), v2.RandomHorizontalFlip(), v2.ToImage(), v2.ToDtype(minitorch.float32, scale=True)]
    )
    out = steps({"image": image, "mask": image, "label": 3, "boxes": [1, 2]})
    assert out["label"] == 3 and out["boxes"] == [1, 2] and out["image"].shape == (3, 20, 20)
    np.testing.assert_array_equal(out["image"].array, out["mask"].array)
    first, second, label = v2.RandomAffine(30)(image, image, 7)
    assert label == 7
    np.testing.assert_array_equal(np.asarray(first), np.asarray(second))
    x, y = v2.Compose([v2.RandomCrop(5), v2.Normalize([0.5], [0.5])])(minitorch.ones(1, 9, 9), minitorch.zeros(1, 9, 9))
    assert x.shape == (1, 5, 5) and x.array.max() == 1 and y.shape == (1, 9, 9)
    x, y, z = T.Compose([T.RandomCrop(9), T.ToTensor(), v2.Lambda(lambda n: n + 1, int)])(image, 3, "name")
    assert x.shape == (3, 9, 9) and (y, z) == (4, "name")
    crops = T.Compose([T.FiveCrop(8), T.Lambda(lambda parts: minitorch.stack([T.ToTensor()(part) for part in parts]))])
    assert crops(image).shape == (5, 3, 8, 8) and len(T.TenCrop((4, 5))(image)) == 10
    with pytest.raises(TypeError, match="RandomCrop"):
        v2.RandomCrop(3)({"label": 3})


def test_conversions():
    """ToImage and ToDtype, RGB, ToPILImage, LinearTransformation."""
    image = photographs(1)[0]
    for one in (image, pil.fromarray(image), minitorch.from_numpy(np.moveaxis(image, -1, 0).copy())):
        np.testing.assert_array_equal(v2.ToImage()(one).array, np.moveaxis(image, -1, 0))
    x = v2.ToImage()(image)
    np.testing.assert_array_equal(v2.ToDtype(minitorch.float32)(x).array, x.array.astype(np.float32))
    np.testing.assert_array_equal(v2.ToDtype(minitorch.float32, scale=True)(x).array, x.array / np.float32(255))
    np.testing.assert_array_equal(np.asarray(T.ToPILImage()(x)), image)
    np.testing.assert_array_equal(T.PILToTensor()(pil.fromarray(image)).array, x.array)
    assert v2.RGB()(image[..., :1]).shape == (32, 32, 3) and v2.RGB()(pil.fromarray(image).convert("L")).mode == "RGB"
    values = np.random.default_rng(0).normal(size=(2, 3, 2, 2))
    matrix, mean = np.random.default_rng(1).normal(size=(12, 12)), np.arange(12.0)
    whitened = T.LinearTransformation(minitorch.from_numpy(matrix), minitorch.from_numpy(mean))(
        minitorch.from_numpy(values)
    )
    np.testing.assert_allclose(whitened.array.reshape(2, 12), (values.reshape(2, 12) - mean) @ matrix)


REPRS = {
    "Resize(size=256, interpolation=bilinear, max_size=None, antialias=True)": lambda: T.Resize(256),
    "CenterCrop(size=(3, 3))": lambda: T.CenterCrop(3),
    "Pad(padding=(1, 2), fill=(1, 2, 3), padding_mode=edge)": lambda: T.Pad((1, 2), (1, 2, 3), "edge"),
    "RandomApply(\n    p=0.5\n    ToTensor()\n)": lambda: T.RandomApply([T.ToTensor()]),
    "RandomOrder(\n    ToTensor()\n)": lambda: T.RandomOrder([T.ToTensor()]),
    "RandomChoice(\n    ToTensor()\n)(p=None)": lambda: T.RandomChoice([T.ToTensor()]),
    "RandomCrop(size=(3, 3), padding=4)": lambda: T.RandomCrop(3, 4),
    "RandomHorizontalFlip(p=0.5)": T.RandomHorizontalFlip,
    "RandomPerspective(p=0.5)": T.RandomPerspective,
    "RandomResizedCrop(size=(3, 3), scale=(0.08, 1.0), ratio=(0.75, 1.3333), interpolation=bilinear, antialias=True)": lambda: (
        T.RandomResizedCrop(3)
    ),
    "FiveCrop(size=(3, 3))": lambda: T.FiveCrop(3),
    "TenCrop(size=(3, 3), vertical_flip=False)": lambda: T.TenCrop(3),
    "ColorJitter(brightness=(0.5, 1.5), contrast=None, saturation=None, hue=(-0.1, 0.1))": lambda: T.ColorJitter(
        0.5, hue=0.1
    ),
    "RandomRotation(degrees=[-10.0, 10.0], interpolation=nearest, expand=False, fill=0)": lambda: T.RandomRotation(10),
    "RandomAffine(degrees=[-10.0, 10.0])": lambda: T.RandomAffine(10),
    "RandomAffine(degrees=[-10.0, 10.0], translate=(0.1, 0.2), scale=(1, 2), shear=[-5.0, 5.0], interpolation=bilinear, "
    "fill=3, center=(1, 2))": lambda: T.RandomAffine(10, (0.1, 0.2), (1, 2), 5, I.BILINEAR, 3, (1, 2)),
    "Grayscale(num_output_channels=1)": T.Grayscale,
    "RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False)": T.RandomErasing,
    "GaussianBlur(kernel_size=(3, 3), sigma=(0.1, 2.0))": lambda: T.GaussianBlur(3),
    "RandomPosterize(bits=3,p=0.5)": lambda: T.RandomPosterize(3),
    "RandomSolarize(threshold=3,p=0.5)": lambda: T.RandomSolarize(3),
    "RandomAdjustSharpness(sharpness_factor=3,p=0.5)": lambda: T.RandomAdjustSharpness(3),
    "AutoAugment(policy=AutoAugmentPolicy.IMAGENET, fill=None)": T.AutoAugment,
    "RandAugment(num_ops=2, magnitude=9, num_magnitude_bins=31, interpolation=InterpolationMode.NEAREST, fill=None)": T.RandAugment,
    "TrivialAugmentWide(num_magnitude_bins=31, interpolation=InterpolationMode.NEAREST, fill=None)": T.TrivialAugmentWide,
    "ToPILImage()": T.ToPILImage,
    "PILToTensor()": T.PILToTensor,
}


@pytest.mark.parametrize("expected", REPRS)
def test_reprs(expected):
    """The repr is torchvision's."""
    assert repr(REPRS[expected]()) == expected


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (ValueError, lambda: T.RandomRotation(-3)),
        (ValueError, lambda: T.RandomRotation((1, 2, 3))),
        (TypeError, lambda: T.RandomRotation("x")),
        (TypeError, lambda: T.RandomRotation(3, fill="red")),
        (TypeError, lambda: T.RandomRotation(3, center=1)),
        (ValueError, lambda: T.RandomAffine(3, (0.1, 2))),
        (ValueError, lambda: T.RandomAffine(3, scale=(0, 1))),
        (TypeError, lambda: T.RandomAffine(3, scale=2)),
        (ValueError, lambda: T.RandomAffine(3, shear=(1, 2, 3))),
        (ValueError, lambda: T.ColorJitter(brightness=-1)),
        (ValueError, lambda: T.ColorJitter(hue=0.6)),
        (ValueError, lambda: T.ColorJitter(contrast=(2, 1))),
        (TypeError, lambda: T.ColorJitter(saturation="x")),
        (ValueError, lambda: T.GaussianBlur(2)),
        (ValueError, lambda: T.GaussianBlur(3, (2, 1))),
        (ValueError, lambda: T.GaussianBlur(3, 0)),
        (TypeError, lambda: T.RandomErasing(value={})),
        (ValueError, lambda: T.RandomErasing(value="noise")),
        (ValueError, lambda: T.RandomErasing(scale=(0.5, 2))),
        (ValueError, lambda: T.RandomErasing(1, value=(1, 2))(minitorch.ones(3, 9, 9))),
        (TypeError, lambda: T.RandomResizedCrop(3, scale=0.5)),
        (TypeError, lambda: T.RandomChoice([T.ToTensor()], 0.5)),
        (ValueError, lambda: T.RandomChoice([T.ToTensor()], [0.5, 0.5])),
        (TypeError, lambda: T.RandomApply(T.ToTensor())),
        (ValueError, lambda: T.RandAugment(magnitude=31)),
        (ValueError, lambda: T.AugMix(severity=11)),
        (ValueError, lambda: T.AutoAugment("mnist")),
        (ValueError, lambda: T.LinearTransformation(minitorch.zeros(2, 3), minitorch.zeros(2))),
        (ValueError, lambda: T.LinearTransformation(minitorch.zeros(3, 3), minitorch.zeros(2))),
        (ValueError, lambda: T.Pad((1, 2, 3))),
        (TypeError, lambda: T.Pad(1.5)),
        (TypeError, lambda: T.Resize("x")),
        (ValueError, lambda: v2.GaussianNoise()(photographs(1)[0])),
        (TypeError, lambda: v2.RGB()(np.zeros((4, 4, 2), np.uint8))),
    ],
)
def test_settings_are_refused(error, call):
    """Wrong settings raise torchvision's class."""
    with pytest.raises(error):
        call()
