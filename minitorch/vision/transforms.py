"""Image transforms under torchvision's names, for one image or for a whole batch.

One image is a PIL image, a uint8 array (H, W, C) or (H, W), or a Tensor (..., C, H, W); a transform returns the kind it
got. `on_batch(images, stream)` does the same to images (N, H, W, C) at once: uint8 while they are images, float32 from
`ToTensor` on. A transform that has `on_batch` writes its work only there, and single images are batches of one, so
that both ways give the same bits. Data sets that live in memory use it when every transform of theirs has it.

Random transforms draw from the Stream of the DataLoader that asks (see `minitorch.utils.data.stream`): the numbers of a
sample depend on the epoch's seed, its index and how often the epoch drew it before.
Outside of a DataLoader they draw from the default generator.
Results carry no gradient, except those of `Normalize`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import numpy as np

from minitorch.utils.data.bridge import is_tensor, to_tensor
from minitorch.utils.data.dataset import speaks_for
from minitorch.utils.data.stream import Stream, current_stream

from .pillow import import_pillow

__all__ = [
    "CenterCrop",
    "Compose",
    "InterpolationMode",
    "Lambda",
    "Normalize",
    "RandomCrop",
    "RandomHorizontalFlip",
    "Resize",
    "ToTensor",
]


def works_on_batches(transform: Any) -> bool:
    """Whether `transform.on_batch` may stand in for calling `transform` on every image."""
    if isinstance(transform, Compose):
        return type(transform).__call__ is Compose.__call__ and all(map(works_on_batches, transform.transforms))
    return speaks_for(type(transform), "on_batch", "__call__")


def _is_pil(image: Any) -> bool:
    return type(image).__module__.startswith("PIL.")


def _as_batch(image: Any, who: str) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
    """One image as a batch (1, H, W, C), and the way back to its own kind."""
    if is_tensor(image):
        if image.ndim < 2:
            raise TypeError(f"{who}: a Tensor image needs the shape (..., H, W), but has {tuple(image.shape)}")
        lead = tuple(image.shape[:-2])
        planes = image.array.reshape(-1, *image.shape[-2:])
        return np.moveaxis(planes, 0, -1)[None], lambda out: to_tensor(
            np.moveaxis(out[0], -1, 0).reshape(lead + out.shape[1:3])
        )
    if _is_pil(image):
        batch, back = _as_batch(np.asarray(image), who)
        return batch, lambda out: _like_image(back(out), image)
    if isinstance(image, np.ndarray) and image.ndim == 3:
        return image[None], lambda out: out[0]
    if isinstance(image, np.ndarray) and image.ndim == 2:
        return image[None, :, :, None], lambda out: out[0, :, :, 0]
    raise TypeError(f"{who}: needs a PIL image, an array (H, W, C) or (H, W), or a Tensor, but got {_kind(image)}")


def _like_image(array: np.ndarray, source: Any) -> Any:
    """A PIL image of the array, with the mode, palette and notes of `source`."""
    from PIL import Image

    if source.mode == "1":  # bytes of this mode hold eight pixels
        result = Image.fromarray(np.ascontiguousarray(array))
    else:
        result = Image.frombytes(source.mode, array.shape[1::-1], array.tobytes())
    if source.palette is not None:
        result.putpalette(source.getpalette(source.palette.mode), source.palette.mode)
    result.info = dict(source.info)
    return result


def _kind(value: Any) -> str:
    return f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


class _Spatial:
    """A transform that moves pixels: subclasses write `on_batch`."""

    def __call__(self, image: Any) -> Any:
        batch, back = _as_batch(image, type(self).__name__)
        return back(self.on_batch(batch, current_stream(1)))

    def on_batch(self, images: np.ndarray, stream: Stream) -> np.ndarray:
        """(N, H, W, C) to (N, H', W', C)."""
        raise NotImplementedError


class Compose:
    """Apply `transforms` one after the other."""

    def __init__(self, transforms: Sequence[Any]) -> None:
        self.transforms = list(transforms)

    def __call__(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image

    def on_batch(self, images: np.ndarray, stream: Stream) -> np.ndarray:
        """The same to images (N, H, W, C); every transform needs an `on_batch`."""
        for transform in self.transforms:
            images = transform.on_batch(images, stream)
        return images

    def __repr__(self) -> str:
        return "Compose(" + "".join(f"\n    {transform}" for transform in self.transforms) + "\n)"


# What there are no Tensors of, by what holds the same values.
_WIDER = {"uint16": np.int32, "int16": np.int32, "uint32": np.int64, "float16": np.float32}


class ToTensor:
    """An image (H, W, C) or (H, W) as a Tensor (C, H, W): uint8 becomes float32 in [0, 1], other values stay.

    Black-and-white PIL images become float32, too. Numbers of 16 bits become int32 or float32, as they are: 16-bit grey
    reaches 65,535. uint32 becomes int64.

    Raises:
        TypeError: the image is neither a PIL image nor an array.
        ValueError: an array has neither two nor three axes.
    """

    def __call__(self, image: Any) -> Any:
        if _is_pil(image):
            array = np.asarray(image)
            array = array * np.uint8(255) if image.mode == "1" else array
        elif isinstance(image, np.ndarray):
            array = image
        else:
            raise TypeError(f"ToTensor: needs a PIL image or an array, but got {_kind(image)}")
        if array.ndim not in (2, 3):
            raise ValueError(f"ToTensor: needs an array (H, W, C) or (H, W), but its shape is {array.shape}")
        array = array if array.ndim == 3 else array[:, :, None]
        array = (
            self.on_batch(array)
            if array.dtype == np.uint8
            else array.astype(_WIDER.get(array.dtype.name, array.dtype.newbyteorder("=")))
        )
        return to_tensor(np.moveaxis(array, -1, 0))

    def on_batch(self, images: np.ndarray, stream: Stream | None = None) -> np.ndarray:
        """uint8 images (N, H, W, C) as float32 in [0, 1]."""
        if images.dtype != np.uint8:
            raise TypeError(f"ToTensor: needs images of uint8, but got {images.dtype}; is it applied twice?")
        out = images.astype(np.float32, order="C")
        return np.divide(out, np.float32(255), out=out)

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize:
    """`(x - mean[c]) / std[c]` for each channel c of a float Tensor (..., C, H, W).

    Raises:
        TypeError: `x` is no Tensor of floats.
        ValueError: `x` has fewer than three axes, or some `std` is zero in its dtype.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        self.mean, self.std, self.inplace = mean, std, inplace

    def _constants(self, dtype: np.dtype, channels: int) -> tuple[np.ndarray, np.ndarray]:
        mean, std = (np.atleast_1d(np.asarray(value, dtype)) for value in (self.mean, self.std))
        if (std == 0).any():
            raise ValueError(f"Normalize: `std` needs to be nonzero in {dtype}, but is {self.std}")
        for name, value in (("mean", mean), ("std", std)):
            if len(value) not in (1, channels):
                raise ValueError(f"Normalize: `{name}` has {len(value)} values, but the image has {channels} channels")
        return mean, std

    def __call__(self, x: Any) -> Any:
        if not is_tensor(x):
            raise TypeError(f"Normalize: needs a Tensor (put ToTensor before it), but got {_kind(x)}")
        if x.array.dtype.kind != "f":
            raise TypeError(f"Normalize: needs a Tensor of floats, but its dtype is {x.dtype}")
        if x.ndim < 3:
            raise ValueError(f"Normalize: needs a Tensor (..., C, H, W), but its shape is {tuple(x.shape)}")
        mean, std = (to_tensor(c.reshape(-1, 1, 1)) for c in self._constants(x.array.dtype, x.shape[-3]))
        return x.sub_(mean).div_(std) if self.inplace else (x - mean) / std

    def on_batch(self, images: np.ndarray, stream: Stream | None = None) -> np.ndarray:
        """The same to float images (N, H, W, C), which are overwritten."""
        if images.dtype.kind != "f":
            raise TypeError("Normalize: needs a Tensor of floats (put ToTensor before it), but got images of uint8")
        # One constant per number of an image: numpy's inner loop is then 3,072 long instead of 3.
        constants = self._constants(images.dtype, images.shape[3])
        mean, std = (np.broadcast_to(c, images.shape[1:]).reshape(-1) for c in constants)
        rows = np.ascontiguousarray(images).reshape(len(images), mean.size)
        rows -= mean
        rows /= std
        return rows.reshape(images.shape)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


class CenterCrop(_Spatial):
    """The middle of an image, of height and width `size` (one number for both), after a black border where needed."""

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = _pair(size, "CenterCrop")

    def on_batch(self, images: np.ndarray, stream: Stream | None = None) -> np.ndarray:
        """The middles of images (N, H, W, C)."""
        lack = [max(0, wanted - have) for wanted, have in zip(self.size, images.shape[1:3], strict=True)]
        if any(lack):
            around = [(missing // 2, missing - missing // 2) for missing in lack]
            images = np.pad(images, [(0, 0), *around, (0, 0)])
        (height, width), (have_height, have_width) = self.size, images.shape[1:3]
        # Python rounds halves to even, as torchvision does here.
        top, left = round((have_height - height) / 2), round((have_width - width) / 2)
        return images[:, top : top + height, left : left + width]

    def __repr__(self) -> str:
        return f"CenterCrop(size={self.size})"


class RandomCrop(_Spatial):
    """A random window of height and width `size` of each image.

    `padding` is added first: one number, (left and right, top and bottom), or (left, top, right, bottom), filled
    by `padding_mode` 'constant' (with `fill`), 'edge', 'reflect' or 'symmetric'. `pad_if_needed` grows images that are
    smaller than the window.

    Raises:
        ValueError: (when applied) the padded image is smaller than the window.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: float | Sequence[float] = 0,
        padding_mode: str = "constant",
    ) -> None:
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError(
                f"RandomCrop: `padding_mode` should be 'constant', 'edge', 'reflect' or 'symmetric', "
                f"but got {padding_mode!r}"
            )
        self.size, self.padding, self.pad_if_needed = _pair(size, "RandomCrop"), padding, pad_if_needed
        self.fill, self.padding_mode = fill, padding_mode

    def _pad(self, images: np.ndarray, vertical: tuple[int, int], horizontal: tuple[int, int]) -> np.ndarray:
        if self.padding_mode != "constant":
            return np.pad(images, [(0, 0), vertical, horizontal, (0, 0)], mode=self.padding_mode)  # type: ignore[call-overload]
        count, height, width, channels = images.shape
        out = np.empty((count, sum(vertical) + height, sum(horizontal) + width, channels), images.dtype)
        out[:] = np.asarray(self.fill, images.dtype)
        out[:, vertical[0] : vertical[0] + height, horizontal[0] : horizontal[0] + width] = images
        return out

    def on_batch(self, images: np.ndarray, stream: Stream) -> np.ndarray:
        """A random window of each of the images (N, H, W, C)."""
        height, width = self.size
        if self.padding is not None:
            left, top, right, bottom = _margins(self.padding)
            images = self._pad(images, (top, bottom), (left, right))
        if self.pad_if_needed:
            lack_height, lack_width = max(0, height - images.shape[1]), max(0, width - images.shape[2])
            images = self._pad(images, (lack_height,) * 2, (lack_width,) * 2)
        spare_height, spare_width = images.shape[1] - height, images.shape[2] - width
        if spare_height < 0 or spare_width < 0:
            raise ValueError(
                f"RandomCrop: the window {self.size} does not fit into the (padded) image {images.shape[1:3]}; "
                "give a larger `padding` or set pad_if_needed=True"
            )
        tops, lefts = stream.integers(spare_height + 1).tolist(), stream.integers(spare_width + 1).tolist()
        out = np.empty((len(images), height, width, images.shape[3]), images.dtype)
        # A loop of slice copies: 1 us an image of 32 x 32, and faster than any gather by index that numpy has.
        for target, source, top, left in zip(out, images, tops, lefts, strict=False):
            target[...] = source[top : top + height, left : left + width]
        return out

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


class RandomHorizontalFlip(_Spatial):
    """Swap left and right with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"RandomHorizontalFlip: `p` should be a probability in [0, 1], but got {p}")
        self.p = p

    def on_batch(self, images: np.ndarray, stream: Stream) -> np.ndarray:
        """Each of the images (N, H, W, C), or its mirror image."""
        chosen = np.flatnonzero(stream.uniform() < self.p)
        out = images.copy(order="C")
        # With a pixel as one item numpy moves its channels together: twice as fast (2026-11, 2 cores).
        pixels = out.view(f"V{out.itemsize * out.shape[3]}")[..., 0]
        pixels[chosen] = pixels[chosen][:, :, ::-1]
        return out

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip(p={self.p})"


class InterpolationMode(Enum):
    """How `Resize` finds values between pixels."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"


class Resize(_Spatial):
    """Scale to `size`: (height, width), or one number for the shorter side, the other in proportion. Needs pillow.

    PIL images are scaled by pillow as a whole: colours of a palette are not mixed, colours count by their opacity.
    """

    def __init__(
        self, size: int | Sequence[int], interpolation: InterpolationMode = InterpolationMode.BILINEAR
    ) -> None:
        self.size = size if isinstance(size, int) else _pair(size, "Resize")
        self.interpolation = InterpolationMode(interpolation)

    def __call__(self, image: Any) -> Any:
        if not _is_pil(image):
            return super().__call__(image)
        height, width = self._target(image.height, image.width)
        return image.resize((width, height), import_pillow("Resize").Resampling[self.interpolation.name])

    def _target(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what an image of this size becomes."""
        if not isinstance(self.size, int):
            return self.size
        shorter = min(height, width)
        return self.size * height // shorter, self.size * width // shorter

    def on_batch(self, images: np.ndarray, stream: Stream | None = None) -> np.ndarray:
        """Images (N, H, W, C) of uint8 or float32, scaled channel by channel."""
        pillow = import_pillow("Resize")
        have_height, have_width = images.shape[1:3]
        height, width = self._target(have_height, have_width)
        method = pillow.Resampling[self.interpolation.name]
        planes = np.ascontiguousarray(np.moveaxis(images, -1, 1)).reshape(-1, have_height, have_width)
        scaled = np.stack([np.asarray(pillow.fromarray(plane).resize((width, height), method)) for plane in planes])
        out = np.moveaxis(scaled.reshape(len(images), -1, height, width), 1, -1)
        return np.ascontiguousarray(out)

    def __repr__(self) -> str:
        return f"Resize(size={self.size}, interpolation={self.interpolation.value})"


class Lambda:
    """Any function of one image as a transform. Batches are then made image by image."""

    def __init__(self, lambd: Callable) -> None:
        if not callable(lambd):
            raise TypeError(f"Lambda: `lambd` should be callable, but got {type(lambd).__name__}")
        self.lambd = lambd

    def __call__(self, image: Any) -> Any:
        return self.lambd(image)

    def __repr__(self) -> str:
        return "Lambda()"


def _pair(size: int | Sequence[int], who: str) -> tuple[int, int]:
    """(height, width) from one number, a sequence of one, or both."""
    values = tuple(size) if isinstance(size, Sequence) else (size,)
    if len(values) not in (1, 2) or not all(isinstance(v, int) and v > 0 for v in values):
        raise ValueError(f"{who}: `size` should be one or two positive integers (height, width), but got {size}")
    return values[0], values[-1]


def _margins(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) from one number, (horizontal, vertical), or all four."""
    values = tuple(padding) if isinstance(padding, Sequence) else (padding,)
    if len(values) not in (1, 2, 4):
        raise ValueError(f"RandomCrop: `padding` should be one, two or four integers, but got {padding}")
    left, top, right, bottom = (values * 4)[:4]
    return left, top, right, bottom
