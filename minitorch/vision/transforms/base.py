"""What transforms have in common: how they draw their numbers, and how one rule serves single images and batches."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minitorch.utils.data.bridge import is_tensor
from minitorch.utils.data.dataset import speaks_for
from minitorch.utils.data.stream import Stream, current_stream

from .functional.convert import get_dimensions
from .kinds import as_batch, is_image, is_pil


def works_on_batches(transform: Any) -> bool:
    """Whether `transform.on_batch` may stand in for calling `transform` on every image."""
    inner = getattr(transform, "all_on_batch", None)
    if inner is not None:
        return type(transform).__call__ is Compose.__call__ and all(map(works_on_batches, inner))
    return getattr(transform, "one_size", True) and speaks_for(type(transform), "on_batch", "__call__")


def branch(stream: Stream) -> Stream:
    """A stream of its own for each sample, for numbers of which some samples need more than others.

    It takes one number of `stream`, whatever is drawn from it then.
    """
    own = copy.copy(stream)
    own._keys, own._drawn = stream.words(), 0
    return own


def between(stream: Stream, low: Any, high: Any) -> np.ndarray:
    """Floats in [low, high), one per sample."""
    return low + (high - low) * stream.uniform()


def areas(
    own: Stream, size: tuple[int, int], scale: Sequence[float], ratio: Sequence[float], tall: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Heights and widths of a random part of the area; `ratio` is height to width where `tall`, else its inverse."""
    area = size[0] * size[1] * between(own, *scale)
    skew = np.exp(between(own, math.log(ratio[0]), math.log(ratio[1])))
    heights, widths = np.sqrt(area * skew), np.sqrt(area / skew)
    return tuple(np.rint(v).astype(np.int64) for v in ((heights, widths) if tall else (widths, heights)))


def check_chance(p: float, who: str) -> float:
    """`p`, or ValueError where it is no probability."""
    if not 0 <= p <= 1:
        raise ValueError(f"{who}: `p` should be a probability in [0, 1], but got {p}")
    return p


class Transform:
    """One image in, one image of the same kind out.

    Several arguments, or a tuple, list or dict, are a sample: its PIL images, or where it has none the first of its
    Tensors and arrays, are changed, all by the same numbers; the rest passes through.

    Subclasses write `draw` and `change`.
    """

    def draw(self, stream: Stream, size: tuple[int, int]) -> tuple:
        """The numbers that images of this (height, width) are changed by: each an array of one per sample."""
        return ()

    def change(self, image: Any, *drawn: Any) -> Any:
        """A PIL image changed by its numbers, or images (N, H, W, C) by arrays of N numbers, or of one for all."""
        raise NotImplementedError(f"{type(self).__name__}: a Transform needs a `change(image, *drawn)`")

    def __call__(self, *inputs: Any) -> Any:
        sample = inputs[0] if len(inputs) == 1 else inputs
        images = list(images_of(sample))
        if not images:
            raise TypeError(
                f"{type(self).__name__}: needs a PIL image, an array (H, W, C) or (H, W), or a Tensor, "
                f"but got a {type(sample).__name__}"
            )
        _, height, width = get_dimensions(images[0])
        drawn = self.draw(current_stream(1), (height, width))
        done = {id(image): self._changed(image, drawn) for image in images}
        return replaced(sample, done)

    def _changed(self, image: Any, drawn: tuple) -> Any:
        if is_pil(image):
            return self.change(image, *(numbers[0] for numbers in drawn))
        batch, back = as_batch(image, type(self).__name__)
        return back(self.change(batch, *drawn))

    def extra_repr(self) -> str:
        """The settings, as the repr shows them."""
        return ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"


BLOCK = 1 << 18  # bytes of images: intermediate floats then stay in the cache, which is half as fast again (2026-11)


class OnBatches(Transform):
    """A Transform that changes a whole batch of images at once, by the same rule."""

    in_blocks = False  # whether there is much to compute for each pixel

    def _changed_all(self, images: np.ndarray, drawn: Sequence[np.ndarray]) -> np.ndarray:
        """Images (N, H, W, C), each by its own numbers."""
        step = max(1, BLOCK // max(1, images[:1].nbytes)) if self.in_blocks else len(images)
        if len(images) <= step:
            return self.change(images, *drawn)
        places = [slice(start, start + step) for start in range(0, len(images), step)]
        return np.concatenate([self.change(images[part], *(numbers[part] for numbers in drawn)) for part in places])

    def on_batch(self, images: np.ndarray, stream: Stream | None = None) -> np.ndarray:
        """(N, H, W, C) to (N, H', W', C'), each image by its own numbers."""
        drawn = () if stream is None else self.draw(stream, images.shape[1:3])
        return self._changed_all(images, drawn)


class Sometimes(OnBatches):
    """Changes an image with probability `p`. Subclasses write `numbers` in place of `draw`; sizes must stay."""

    in_blocks = True

    def __init__(self, p: float = 0.5) -> None:
        self.p = check_chance(p, type(self).__name__)

    def numbers(self, stream: Stream, size: tuple[int, int]) -> tuple:
        """What `draw` is to a Transform."""
        return ()

    def draw(self, stream: Stream, size: tuple[int, int]) -> tuple:
        return (stream.uniform() < self.p, *self.numbers(stream, size))

    def _changed(self, image: Any, drawn: tuple) -> Any:
        return super()._changed(image, drawn[1:]) if drawn[0][0] else image

    def on_batch(self, images: np.ndarray, stream: Stream | None = None) -> np.ndarray:
        assert stream is not None
        chosen, *drawn = self.draw(stream, images.shape[1:3])
        rows = np.flatnonzero(chosen)
        out = images.copy(order="C")
        if len(rows):
            out[rows] = self._changed_all(images[rows], [numbers[rows] for numbers in drawn])
        return out

    def extra_repr(self) -> str:
        return f"p={self.p}"


def images_of(sample: Any) -> list:
    """The images that a transform changes in a sample."""
    found = [leaf for leaf in _leaves(sample) if is_image(leaf)]
    pictures = [leaf for leaf in found if is_pil(leaf)]
    return pictures or found[:1]


def _leaves(sample: Any) -> list:
    if isinstance(sample, dict):
        return [leaf for value in sample.values() for leaf in _leaves(value)]
    if isinstance(sample, (tuple, list)):
        return [leaf for value in sample for leaf in _leaves(value)]
    return [sample]


def replaced(sample: Any, done: dict[int, Any]) -> Any:
    """The sample with some of its leaves exchanged, by `id`."""
    if isinstance(sample, dict):
        return {key: replaced(value, done) for key, value in sample.items()}
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return type(sample)(*(replaced(value, done) for value in sample))
    if isinstance(sample, (tuple, list)):
        return type(sample)(replaced(value, done) for value in sample)
    return done.get(id(sample), sample)


def is_float_image(image: Any) -> bool:
    """Whether this is a Tensor or array of floats."""
    values = image.array if is_tensor(image) else image
    return isinstance(values, np.ndarray) and values.dtype.kind == "f"


# ---- transforms made of transforms


class Compose:
    """Apply `transforms` one after the other."""

    def __init__(self, transforms: Sequence[Any]) -> None:
        self.transforms = list(transforms)

    @property
    def all_on_batch(self) -> list:
        """What must work on batches for this to do so."""
        return self.transforms

    def __call__(self, *inputs: Any) -> Any:
        sample = inputs[0] if len(inputs) == 1 else inputs
        for transform in self.transforms:
            sample = transform(*sample) if len(inputs) > 1 else transform(sample)
        return sample

    def on_batch(self, images: np.ndarray, stream: Stream) -> np.ndarray:
        """The same to images (N, H, W, C); every transform needs an `on_batch`."""
        for transform in self.transforms:
            images = transform.on_batch(images, stream)
        return images

    def __repr__(self) -> str:
        return "Compose(" + "".join(f"\n    {transform}" for transform in self.transforms) + "\n)"


class Lambda:
    """Any function of one image as a transform. Batches are then made image by image."""

    def __init__(self, lambd: Callable, *types: type) -> None:
        if not callable(lambd):
            raise TypeError(f"Lambda: `lambd` should be callable, but got {type(lambd).__name__}")
        self.lambd, self.types = lambd, types

    def __call__(self, *inputs: Any) -> Any:
        done = tuple(self.lambd(one) if not self.types or isinstance(one, self.types) else one for one in inputs)
        return done if len(inputs) > 1 else done[0]

    def __repr__(self) -> str:
        return "Lambda()"


class _Several:
    """Chooses among transforms, image by image."""

    def __init__(self, transforms: Sequence[Any]) -> None:
        if not isinstance(transforms, Sequence):
            raise TypeError(f"{type(self).__name__}: `transforms` should be a sequence, but is {transforms!r}")
        self.transforms = transforms

    def _apply(self, transforms: Sequence[Any], inputs: tuple) -> Any:
        return Compose(transforms)(*inputs)

    def __repr__(self) -> str:
        return type(self).__name__ + "(" + "".join(f"\n    {transform}" for transform in self.transforms) + "\n)"


class RandomApply(_Several):
    """All of `transforms` one after the other with probability `p`, else none."""

    def __init__(self, transforms: Sequence[Any], p: float = 0.5) -> None:
        super().__init__(transforms)
        self.p = check_chance(p, "RandomApply")

    def __call__(self, *inputs: Any) -> Any:
        own = branch(current_stream(1))
        chosen = own.uniform()[0] < self.p
        with own.active():
            return self._apply(self.transforms if chosen else [], inputs)

    def __repr__(self) -> str:
        return "RandomApply(" + f"\n    p={self.p}" + super().__repr__().removeprefix("RandomApply(")


class RandomOrder(_Several):
    """All of `transforms` in an order that is drawn for each image."""

    def __call__(self, *inputs: Any) -> Any:
        own = branch(current_stream(1))
        order = np.argsort([own.uniform()[0] for _ in self.transforms])
        with own.active():
            return self._apply([self.transforms[k] for k in order], inputs)


class RandomChoice(_Several):
    """One of `transforms`, drawn for each image with probabilities in proportion to `p`: alike if not given.

    Raises:
        TypeError: `p` is no sequence.
        ValueError: `p` has another length.
    """

    def __init__(self, transforms: Sequence[Any], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        if p is not None and not isinstance(p, Sequence):
            raise TypeError(f"RandomChoice: Argument p should be a sequence, but is {p!r}")
        if p is not None and len(p) != len(transforms):
            raise ValueError(f"RandomChoice: got {len(p)} probabilities `p` for {len(transforms)} transforms")
        self.p = p

    def __call__(self, *inputs: Any) -> Any:
        own = branch(current_stream(1))
        shares = np.cumsum(self.p if self.p is not None else np.ones(len(self.transforms)))
        chosen = int(np.searchsorted(shares, own.uniform()[0] * shares[-1], side="right"))
        with own.active():
            return self._apply([self.transforms[min(chosen, len(shares) - 1)]], inputs)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"
