"""Transforms between kinds of images and dtypes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch.utils.data.bridge import is_tensor, to_array, to_tensor
from minitorch.utils.data.stream import Stream

from . import functional as F
from .base import OnBatches, Transform
from .functional.convert import constants, unit_floats
from .kinds import is_pil, kind

__all__ = [
    "RGB",
    "ConvertImageDtype",
    "Identity",
    "LinearTransformation",
    "Normalize",
    "PILToTensor",
    "ToDtype",
    "ToImage",
    "ToPILImage",
    "ToPureTensor",
    "ToTensor",
]


class _Converted(Transform):
    """Makes an image of another kind of each image by `one`."""

    def one(self, image: Any) -> Any:
        """The image in its new kind."""
        raise NotImplementedError

    def __call__(self, *inputs: Any) -> Any:
        alone = len(inputs) == 1 and not isinstance(inputs[0], (tuple, list, dict))
        return self.one(inputs[0]) if alone else super().__call__(*inputs)

    def _changed(self, image: Any, drawn: tuple) -> Any:
        return self.one(image)


class ToTensor(_Converted):
    """An image (H, W, C) or (H, W) as a Tensor (C, H, W): uint8 becomes float32 in [0, 1], other values stay.

    Black-and-white PIL images become float32, too. Numbers of 16 bits become int32 or float32, as they are: 16-bit grey
    reaches 65,535. uint32 becomes int64.

    Raises:
        TypeError: the image is neither a PIL image nor an array.
        ValueError: an array has neither two nor three axes.
    """

    def one(self, image: Any) -> Any:
        return F.to_tensor(image)

    def on_batch(self, images: np.ndarray, stream: Stream | None = None) -> np.ndarray:
        """uint8 images (N, H, W, C) as float32 in [0, 1]."""
        if images.dtype != np.uint8:
            raise TypeError(f"ToTensor: needs images of uint8, but got {images.dtype}; is it applied twice?")
        return unit_floats(images)


class PILToTensor(_Converted):
    """A PIL image as a Tensor (C, H, W) of its own dtype, not scaled."""

    def one(self, image: Any) -> Any:
        return F.pil_to_tensor(image)


class ToPILImage(_Converted):
    """A Tensor (C, H, W) or an array (H, W, C) as a PIL image, of `mode` if given. See `functional.to_pil_image`."""

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def one(self, image: Any) -> Any:
        return F.to_pil_image(image, self.mode)

    def extra_repr(self) -> str:
        return "" if self.mode is None else f"mode={self.mode}"


class ToImage(_Converted):
    """An image of any kind as a Tensor (C, H, W) of its own dtype, not scaled."""

    def one(self, image: Any) -> Any:
        if is_pil(image):
            return F.pil_to_tensor(image)
        if isinstance(image, np.ndarray) and image.ndim > 1:
            return to_tensor(np.moveaxis(image if image.ndim > 2 else image[..., None], -1, -3))
        if not is_tensor(image):
            raise TypeError(
                f"ToImage: Input can either be a pure Tensor, a numpy array, or a PIL image, but got {kind(image)}"
            )
        return image


class ConvertImageDtype(_Converted):
    """Values of a Tensor in another dtype; white stays white. See `functional.convert_image_dtype`."""

    def __init__(self, dtype: Any) -> None:
        from minitorch.dtypes import as_dtype

        self.dtype = as_dtype(dtype)

    def one(self, image: Any) -> Any:
        return F.convert_image_dtype(image, self.dtype)

    def extra_repr(self) -> str:
        return f"dtype={self.dtype}"


class ToDtype(ConvertImageDtype):
    """Values of a Tensor in another dtype: as they are, or with `scale` so that white stays white."""

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__(dtype)
        self.scale = scale

    def one(self, image: Any) -> Any:
        if is_pil(image):
            return image
        if self.scale:
            return super().one(image)
        return image.to(self.dtype) if is_tensor(image) else image.astype(self.dtype.numpy)

    def extra_repr(self) -> str:
        return f"dtype={self.dtype}, scale={self.scale}"


class Identity(OnBatches):
    """Each image as it is."""

    def change(self, image: Any) -> Any:
        return image


class ToPureTensor(Identity):
    """Each image as it is: there are no Tensors here that know what they show."""


class RGB(OnBatches):
    """Grey images in three equal channels; images of three channels as they are, without what is opaque of four."""

    def change(self, image: Any) -> Any:
        if is_pil(image):
            return image.convert("RGB")
        if image.shape[3] == 1:
            return np.repeat(image, 3, axis=3)
        if image.shape[3] != 3:
            raise TypeError(f"RGB: needs images of one channel or three, but got {image.shape[3]}")
        return image


class Normalize(_Converted):
    """`(x - mean[c]) / std[c]` for each channel c of a float Tensor (..., C, H, W).

    Raises:
        TypeError: `x` is no Tensor of floats.
        ValueError: `x` has fewer than three axes, or some `std` is zero in its dtype.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        self.mean, self.std, self.inplace = mean, std, inplace

    def one(self, image: Any) -> Any:
        return F.normalize(image, self.mean, self.std, self.inplace)

    def on_batch(self, images: np.ndarray, stream: Stream | None = None) -> np.ndarray:
        """The same to float images (N, H, W, C), which are overwritten."""
        if images.dtype.kind != "f":
            raise TypeError(
                f"Normalize: needs a Tensor of floats (put ToTensor before it), but got images of {images.dtype}"
            )
        # One constant per number of an image: numpy's inner loop is then 3,072 long instead of 3.
        both = constants(self.mean, self.std, images.dtype, images.shape[3])
        mean, std = (np.broadcast_to(c, images.shape[1:]).reshape(-1) for c in both)
        rows = np.ascontiguousarray(images).reshape(len(images), mean.size)
        rows -= mean
        rows /= std
        return rows.reshape(images.shape)

    def extra_repr(self) -> str:
        return f"mean={self.mean}, std={self.std}"


class LinearTransformation:
    """Whitening: the values of a Tensor (..., C, H, W), less `mean_vector`, as one row times `transformation_matrix`.

    Raises:
        ValueError: the matrix is not square, or does not fit to the vector or the image.
    """

    def __init__(self, transformation_matrix: Any, mean_vector: Any) -> None:
        self.matrix, self.mean = to_array(transformation_matrix), to_array(mean_vector)
        if self.matrix.ndim != 2 or self.matrix.shape[0] != self.matrix.shape[1]:
            raise ValueError(f"transformation_matrix should be square. Got {self.matrix.shape} rectangular matrix.")
        if self.mean.shape != self.matrix.shape[:1]:
            raise ValueError(
                f"mean_vector should have the length {len(self.matrix)}, but its shape is {self.mean.shape}"
            )

    def __call__(self, tensor: Any) -> Any:
        if not is_tensor(tensor):
            raise TypeError(f"LinearTransformation: needs a Tensor, but got {kind(tensor)}")
        shape = tuple(tensor.shape)
        values = tensor.array.reshape(-1, int(np.prod(shape[-3:])))
        if values.shape[1] != len(self.matrix):
            raise ValueError(
                f"LinearTransformation: the matrix is for {len(self.matrix)} values, but images have {shape[-3:]}"
            )
        return to_tensor(((values - self.mean) @ self.matrix).astype(self.matrix.dtype).reshape(shape))

    def __repr__(self) -> str:
        return f"LinearTransformation(transformation_matrix={self.matrix.tolist()}, mean_vector={self.mean.tolist()})"
