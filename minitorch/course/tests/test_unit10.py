"""Tests of unit 10: samplers, batches, collate, augmentation."""

from collections import Counter, namedtuple

import numpy as np

import minitorch
from minitorch.course.telling import Mistake, answer, same
from minitorch.utils.data import BatchSampler, DataLoader, RandomSampler, WeightedRandomSampler, default_collate
from minitorch.utils.data.stream import Stream
from minitorch.vision import transforms


def _generator(seed):
    return minitorch.Generator().manual_seed(seed)


def _ints(sampler):
    """What a sampler yields, in a list."""
    found = list(sampler)
    for index in found:
        if type(index) is not int:
            raise Mistake(f"the sampler yields {type(index).__name__}s, as {index!r}; ints are needed")
    return found


def test_10_1_every_index_once():
    """An epoch is a permutation."""
    found = _ints(RandomSampler(range(50), generator=_generator(1)))
    if len(found) != 50:
        raise Mistake(f"an epoch over 50 samples has {len(found)} indices")
    twice = [index for index, count in Counter(found).items() if count > 1]
    if twice:
        raise Mistake(
            f"index {twice[0]} comes twice before all were drawn: without replacement an epoch is a permutation"
        )
    same(sorted(found), range(50), "the indices of an epoch over 50 samples, sorted,")
    if found == list(range(50)):
        raise Mistake("the order is that of the data set: nothing is shuffled")


def test_10_1_orders_differ():
    """Each epoch has its own order; a generator with the same seed gives the same orders."""
    sampler = RandomSampler(range(30), generator=_generator(2))
    first, second = _ints(sampler), _ints(sampler)
    if first == second:
        raise Mistake("two epochs have the same order: draw a new one whenever __iter__ is called")
    sampler = RandomSampler(range(30), generator=_generator(2))
    if [first, second] != [_ints(sampler), _ints(sampler)]:
        raise Mistake("the same seed gave another order: draw from `random`, which the generator of the sampler drives")


def test_10_1_more_than_all():
    """No index comes a second time before every one has come once."""
    found = _ints(RandomSampler(range(8), num_samples=20, generator=_generator(3)))
    if len(found) != 20:
        raise Mistake(f"num_samples=20 over 8 samples gave {len(found)} indices")
    for begin in (0, 8):
        if sorted(found[begin : begin + 8]) != list(range(8)):
            raise Mistake(
                f"of 20 draws from 8, number {begin} to {begin + 7} are {found[begin : begin + 8]}: not each once"
            )
    if len(_ints(RandomSampler(range(8), num_samples=5, generator=_generator(4)))) != 5:
        raise Mistake("num_samples=5 over 8 samples did not give 5 indices")


def test_10_1_replacement():
    """Independent draws: in 60 of 60 some index comes twice, and all come in the end."""
    found = _ints(RandomSampler(range(60), replacement=True, generator=_generator(5)))
    if len(found) != 60 or len(set(found)) == 60:
        raise Mistake("with replacement there should be 60 draws in which some index comes twice")
    many = Counter(_ints(RandomSampler(range(4), replacement=True, num_samples=4000, generator=_generator(6))))
    if set(many) != set(range(4)) or min(many.values()) < 800:
        raise Mistake(
            f"4000 draws from 4 indices with replacement gave {dict(many)}: each should come about 1000 times"
        )


def test_10_1_weights():
    """Frequencies follow the weights, which need not add up to 1."""
    weights = [4.0, 0.0, 1.0, 15.0]
    found = _ints(WeightedRandomSampler(weights, 10_000, generator=_generator(7)))
    count = np.bincount(found, minlength=4) / len(found)
    if len(found) != 10_000 or len(count) > 4:
        raise Mistake(f"10,000 draws with 4 weights gave {len(found)} indices, the largest {max(found)}")
    if count[1]:
        raise Mistake("an index of weight 0 was drawn")
    expected = np.array(weights) / 20
    if np.abs(count - expected).max() > 0.03:
        why = "\nthe weights need not add up to 1: the points must cover their whole sum" if count[0] > 0.9 else ""
        why = "\nall indices came equally often" if np.ptp(count[[0, 2, 3]]) < 0.05 else why
        raise Mistake(f"weights {weights} gave frequencies {count.round(3)}, expected about {expected}{why}")


def _batches(n, size, drop_last, expected):
    sampler = BatchSampler(iter(range(n)), size, drop_last)
    of = f"{n} indices in batches of {size}{', the last one dropped' if drop_last else ''}"
    found, rest = list(sampler), list(range(n - n % size, n))
    if found == expected:
        return
    if rest and not drop_last and found == expected[:-1]:
        raise Mistake(f"{of}: the last, shorter batch {rest} is missing; got {found}")
    if rest and drop_last and found == [*expected, rest]:
        raise Mistake(f"{of}: the last batch {rest} is shorter, and was to be left out")
    if [] in found:
        raise Mistake(f"{of}: there is an empty batch in {found}")
    if found and all(batch is found[0] for batch in found) and len(found) > 1:
        raise Mistake(f"{of}: all batches are one list, which has changed since it was handed out; begin a new one")
    raise Mistake(f"{of}: got {found}, expected {expected}")


def test_10_2_batches():
    """All cases of a remainder, through an iterator that can be read once."""
    _batches(6, 3, False, [[0, 1, 2], [3, 4, 5]])
    _batches(7, 3, False, [[0, 1, 2], [3, 4, 5], [6]])
    _batches(7, 3, True, [[0, 1, 2], [3, 4, 5]])
    _batches(2, 3, False, [[0, 1]])
    _batches(2, 3, True, [])
    _batches(0, 3, False, [])


def test_10_2_length():
    """As many as are yielded."""
    for n in range(8):
        for drop_last in (False, True):
            sampler = BatchSampler(range(n), 3, drop_last)
            got, expected = len(sampler), len(list(sampler))
            if got != expected:
                raise Mistake(
                    f"len is {got} for {n} indices in batches of 3 with drop_last={drop_last}, but there are {expected}"
                )


def test_10_2_loader():
    """A DataLoader asks for samples batch by batch."""
    squares = [number**2 for number in range(10)]
    loader = DataLoader(squares, batch_size=4, collate_fn=list)
    same(sum(list(loader), []), squares, "all samples that a DataLoader without shuffle gives")
    if [len(batch) for batch in loader] != [4, 4, 2] or len(loader) != 3:
        raise Mistake(f"10 samples in batches of 4 came as {[len(batch) for batch in loader]}")
    shuffled = DataLoader(squares, batch_size=3, shuffle=True, drop_last=True, collate_fn=list)
    if [len(batch) for batch in shuffled] != [3, 3, 3] or len(shuffled) != 3:
        raise Mistake("10 samples in batches of 3, the last one dropped, should be three batches of 3")


def _random(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def test_10_3_arrays():
    """A new first axis counts the samples."""
    for shape in ((3, 2), (4,), ()):
        samples = [_random(seed, *shape) for seed in (1, 2, 3)]
        got = default_collate([np.asarray(sample) for sample in samples])
        if not isinstance(got, minitorch.Tensor):
            raise Mistake(f"three arrays of shape {shape} became a {type(got).__name__}; a Tensor is needed")
        if shape and got.shape == (3 * shape[0], *shape[1:]):
            raise Mistake(
                f"arrays of shape {shape} were put end to end: got {got.shape}; samples need a new first axis"
            )
        if shape and got.shape == (*shape, 3):
            raise Mistake(f"arrays of shape {shape} were stacked along a new last axis; it has to be the first")
        same(got, np.array(samples), f"the batch of three arrays of shape {shape}")
    last = [_random(seed, 4, 4, 3).transpose(2, 0, 1) for seed in (4, 5)]
    same(default_collate(last), np.array(last), "the batch of two images whose channels lie last in memory")


def test_10_3_pairs():
    """[images, labels] of (image, label)."""
    got = default_collate([(1, 2), (3, 4), (5, 6)])
    if not isinstance(got, list) or len(got) != 2:
        raise Mistake(
            f"three pairs became {len(got) if isinstance(got, list | tuple) else type(got).__name__} items; join the "
            "first items of all samples, then the second ones"
        )
    same(got[0], [1, 3, 5], "the first items of (1, 2), (3, 4) and (5, 6)")
    samples = [(_random(seed, 2, 2), seed) for seed in (1, 2, 3)]
    images, labels = default_collate(samples)
    same(images, np.array([image for image, _ in samples]), "the images of a batch of pairs")
    same(labels, [1, 2, 3], "the labels of a batch of pairs")
    if labels.dtype != minitorch.int64:
        raise Mistake(f"labels that are ints became {labels.dtype}; default_collate makes int64 of them")


def test_10_3_mappings():
    """Key by key, and what is in them."""
    samples = [{"x": np.full(2, k), "about": {"name": f"n{k}", "size": (k, 2 * k)}} for k in (1, 2, 3)]
    got = default_collate(samples)
    if not isinstance(got, dict) or set(got) != {"x", "about"}:
        what = f"a dict with {sorted(got)}" if isinstance(got, dict) else f"a {type(got).__name__}"
        raise Mistake(f"three dicts with x and about became {what}")
    same(got["x"], [[1, 1], [2, 2], [3, 3]], "x of a batch of dicts")
    if not isinstance(got["about"], dict) or got["about"].get("name") != ["n1", "n2", "n3"]:
        raise Mistake(f"a dict within the samples became {got['about']!r}: containers are joined at any depth")
    first, second = got["about"]["size"]
    same(first, [1, 2, 3], "the first sizes, in a tuple in a dict in a dict,")
    same(second, [2, 4, 6], "the second sizes, in a tuple in a dict in a dict,")


Point = namedtuple("Point", "x y")


def test_10_3_namedtuples():
    """A namedtuple stays one."""
    got = default_collate([Point(1.0, 2.0), Point(3.0, 4.0)])
    if not isinstance(got, Point):
        raise Mistake(f"namedtuples became a {type(got).__name__}; a namedtuple of the same class is needed")
    same(got.y, [2.0, 4.0], "y of a batch of namedtuples")
    if not isinstance(default_collate([[1, 2], [3, 4]]), list):
        raise Mistake("lists became something else; a list stays a list")


def _places(n, height, width):
    """Images in which each pixel says its row, its column and its image."""
    out = np.zeros((n, height, width, 3), np.int16)
    out[..., 0], out[..., 1] = np.arange(height)[:, None], np.arange(width)
    out[..., 2] = np.arange(n)[:, None, None]
    return out


def test_10_4_windows():
    """Each image's own window, whole and in order."""
    images = _places(200, 8, 7)
    kept = images.copy()
    out = transforms.RandomCrop((5, 4)).on_batch(images, Stream(seed=11, indices=range(200)))
    if out.shape != (200, 5, 4, 3):
        raise Mistake(f"windows of (5, 4) came as {out.shape}, expected (200, 5, 4, 3)")
    same(images, kept, "the images, which are only to be read,")
    if (out[..., 2] != np.arange(200)[:, None, None]).any():
        raise Mistake("an image got pixels of another one")
    expected = out[:, :1, :1, :2] + np.stack(np.meshgrid(np.arange(5), np.arange(4), indexing="ij"), -1)
    same(out[..., :2], expected, "the rows and columns that the windows show")
    corners = {tuple(corner) for corner in out[:, 0, 0, :2].tolist()}
    if len(corners) == 1:
        raise Mistake(f"all images were cut at {corners.pop()}: each has numbers of its own")


def test_10_4_all_places():
    """Where the window fits, it may lie; all places equally often."""
    transform, images = transforms.RandomCrop(4), _places(2000, 7, 6)
    out = transform.on_batch(images, Stream(seed=12, indices=range(2000)))
    for axis, name, places in ((0, "top", 4), (1, "left", 3)):
        found = Counter(out[:, 0, 0, axis].tolist())
        missing = sorted(set(range(places)) - set(found))
        if missing == [places - 1]:
            raise Mistake(
                f"a window of 4 pixels in {places + 3} has {places} places, but none of 2000 images was cut at {name} "
                f"{places - 1}, the last: one place more than there are spare pixels"
            )
        if missing or min(found.values()) < 2000 / places * 0.7:
            raise Mistake(
                f"the {name}s of 2000 windows are {dict(sorted(found.items()))}: all should come equally often"
            )


def test_10_4_padding():
    """The border is added first; single images go the same way."""
    transform = transforms.RandomCrop(6, padding=2)
    image = np.arange(1, 37, dtype=np.uint8).reshape(6, 6, 1)
    minitorch.manual_seed(13)
    wide = np.pad(image, [(2, 2), (2, 2), (0, 0)])
    for _ in range(20):
        out = np.asarray(transform(image))
        if not any(np.array_equal(out, wide[i : i + 6, j : j + 6]) for i in range(5) for j in range(5)):
            raise Mistake(f"a crop of one image with a border of 2 is no window of it:\n{out[..., 0]}")


def test_10_4_mirror():
    """Left and right, for about half of the images."""
    images = _places(300, 3, 4)
    kept = images.copy()
    out = transforms.RandomHorizontalFlip().on_batch(images, Stream(seed=14, indices=range(300)))
    same(images, kept, "the images, which are only to be read,")
    mirrored = (out == images[:, :, ::-1]).all((1, 2, 3))
    straight = (out == images).all((1, 2, 3))
    if (out == images[:, ::-1]).all((1, 2, 3)).any():
        raise Mistake("an image stands upside down: left and right are the axis of columns, the third one")
    if (out[..., 2] != np.arange(300)[:, None, None]).any():
        raise Mistake("images have changed places: the axis of columns is the third one")
    if not (mirrored | straight).all():
        raise Mistake("an image is neither the given one nor its mirror image")
    if not 90 < mirrored.sum() < 210:
        raise Mistake(f"{mirrored.sum()} of 300 images are mirrored; with p=0.5 about half should be")
    answer(
        transforms.functional.hflip(images[0]),
        images[0][:, ::-1],
        "hflip of one image",
        {"it stands upside down: left and right are the axis of columns": images[0][::-1]},
    )
