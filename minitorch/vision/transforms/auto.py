"""Ready-made mixtures of transforms: AutoAugment, RandAugment, TrivialAugment and AugMix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import numpy as np

from minitorch.utils.data.stream import Stream, current_stream

from . import functional as F
from .base import OnBatches, branch
from .functional.scaling import InterpolationMode, mode_of
from .functional.warp import degrees_of_shear
from .kinds import as_batch, bound, is_pil, refuse_palette

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]

# What is done to an image by a strength, which has a sign where the name is in SIGNED.
GEOMETRY = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
COLOURS = ("Brightness", "Color", "Contrast", "Sharpness")
SIGNED = {*GEOMETRY, *COLOURS}
ADJUST: dict[str, Callable[..., Any]] = {
    "Brightness": F.adjust_brightness,
    "Color": F.adjust_saturation,
    "Contrast": F.adjust_contrast,
    "Sharpness": F.adjust_sharpness,
}
PLAIN: dict[str, Callable[[Any], Any]] = {
    "AutoContrast": F.autocontrast,
    "Equalize": F.equalize,
    "Invert": F.invert,
    "Identity": lambda image: image,
}


def apply_op(image: Any, name: str, strength: float, interpolation: InterpolationMode, fill: Any) -> Any:
    """One of the operations, on a PIL image or a batch (N, H, W, C)."""
    look: dict[str, Any] = {"interpolation": interpolation, "fill": fill}
    if name in PLAIN:
        return PLAIN[name](image)
    if name in ADJUST:
        return ADJUST[name](image, 1.0 + strength)
    if name == "Posterize":
        return F.posterize(image, int(strength))
    if name == "Solarize":
        white = 255 if is_pil(image) else bound(image.dtype)
        return F.solarize(image, strength * white / 255)
    if name == "Rotate":
        return F.rotate(image, strength, **look)
    if name == "ShearX":
        return F.affine(image, 0.0, [0, 0], 1.0, [degrees_of_shear(strength), 0.0], center=[0, 0], **look)
    if name == "ShearY":
        return F.affine(image, 0.0, [0, 0], 1.0, [0.0, degrees_of_shear(strength)], center=[0, 0], **look)
    moves = [int(strength), 0] if name == "TranslateX" else [0, int(strength)]
    return F.affine(image, 0.0, moves, 1.0, [0.0, 0.0], **look)


# The strongest of each; bins run evenly from 0. Translations are parts of width and height, or pixels from 1 on.
USUAL = dict.fromkeys(("ShearX", "ShearY"), 0.3) | dict.fromkeys(("TranslateX", "TranslateY"), 150 / 331)
USUAL |= {"Rotate": 30.0} | dict.fromkeys(COLOURS, 0.9)


def strength(name: str, part: float, most: Mapping[str, float], bits: tuple[int, int], size: tuple[int, int]) -> float:
    """How strong an operation is at `part` in [0, 1] of its range. `bits`: how many stay at its start, how many go."""
    if name == "Posterize":
        return bits[0] - round(part * bits[1])
    if name == "Solarize":
        return 255 * (1 - part)
    if name in PLAIN:
        return 0.0
    far = part * most[name]
    if name in ("TranslateX", "TranslateY") and most[name] < 1:  # of the width or the height
        return far * size[name == "TranslateX"]
    return far


class _Auto(OnBatches):
    """Each image is changed by operations that are drawn for it."""

    most: Mapping[str, float] = USUAL
    bits = (8, 4)

    def __init__(self, interpolation: Any, fill: Any) -> None:
        self.interpolation, self.fill = mode_of(interpolation), fill

    def draw(self, stream: Stream, size: tuple[int, int]) -> tuple:
        return (branch(stream).words(),)

    def change(self, image: Any, seeds: Any) -> Any:
        if is_pil(image):
            return self.augmented(image, Stream(int(seeds), [0]))
        if len(seeds) == 1:
            return self.augmented(image, Stream(int(seeds[0]), [0]))
        parts = [self.augmented(one[None], Stream(int(seed), [0])) for one, seed in zip(image, seeds, strict=True)]
        return np.concatenate(parts)

    def augmented(self, image: Any, own: Stream) -> Any:
        """The PIL image or batch, changed by what `own` draws."""
        raise NotImplementedError

    def step(self, image: Any, own: Stream, name: str, part: float) -> Any:
        """One operation, its sign drawn where it has one."""
        _, *size = F.get_dimensions(image)
        how = strength(name, part, self.most, self.bits, (size[0], size[1]))
        negative = bool(own.integers(2)[0]) and name in SIGNED
        return apply_op(image, name, -how if negative else how, self.interpolation, self.fill)


class AutoAugmentPolicy(Enum):
    """For which set the operations of AutoAugment were searched."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


# The policies that were found (Cubuk et al., "AutoAugment: Learning Augmentation Policies from Data", 2019, appendix):
# pairs of operations, each with its probability and its strength in ninths.
POLICIES = {
    AutoAugmentPolicy.IMAGENET: """
        Posterize .4 8, Rotate .6 9; Solarize .6 5, AutoContrast .6 0; Equalize .8 0, Equalize .6 0;
        Posterize .6 7, Posterize .6 6; Equalize .4 0, Solarize .2 4; Equalize .4 0, Rotate .8 8;
        Solarize .6 3, Equalize .6 0; Posterize .8 5, Equalize 1 0; Rotate .2 3, Solarize .6 8;
        Equalize .6 0, Posterize .4 6; Rotate .8 8, Color .4 0; Rotate .4 9, Equalize .6 0;
        Equalize 0 0, Equalize .8 0; Invert .6 0, Equalize 1 0; Color .6 4, Contrast 1 8;
        Rotate .8 8, Color 1 2; Color .8 8, Solarize .8 7; Sharpness .4 7, Invert .6 0;
        ShearX .6 5, Equalize 1 0; Color .4 0, Equalize .6 0; Equalize .4 0, Solarize .2 4;
        Solarize .6 5, AutoContrast .6 0; Invert .6 0, Equalize 1 0; Color .6 4, Contrast 1 8;
        Equalize .8 0, Equalize .6 0""",
    AutoAugmentPolicy.CIFAR10: """
        Invert .1 0, Contrast .2 6; Rotate .7 2, TranslateX .3 9; Sharpness .8 1, Sharpness .9 3;
        ShearY .5 8, TranslateY .7 9; AutoContrast .5 0, Equalize .9 0; ShearY .2 7, Posterize .3 7;
        Color .4 3, Brightness .6 7; Sharpness .3 9, Brightness .7 9; Equalize .6 0, Equalize .5 0;
        Contrast .6 7, Sharpness .6 5; Color .7 7, TranslateX .5 8; Equalize .3 0, AutoContrast .4 0;
        TranslateY .4 3, Sharpness .2 6; Brightness .9 6, Color .2 8; Solarize .5 2, Invert 0 0;
        Equalize .2 0, AutoContrast .6 0; Equalize .2 0, Equalize .6 0; Color .9 9, Equalize .6 0;
        AutoContrast .8 0, Solarize .2 8; Brightness .1 3, Color .7 0; Solarize .4 5, AutoContrast .9 0;
        TranslateY .9 9, TranslateY .7 9; AutoContrast .9 0, Solarize .8 3; Equalize .8 0, Invert .1 0;
        TranslateY .7 9, AutoContrast .9 0""",
    AutoAugmentPolicy.SVHN: """
        ShearX .9 4, Invert .2 0; ShearY .9 8, Invert .7 0; Equalize .6 0, Solarize .6 6;
        Invert .9 0, Equalize .6 0; Equalize .6 0, Rotate .9 3; ShearX .9 4, AutoContrast .8 0;
        ShearY .9 8, Invert .4 0; ShearY .9 5, Solarize .2 6; Invert .9 0, AutoContrast .8 0;
        Equalize .6 0, Rotate .9 3; ShearX .9 4, Solarize .3 3; ShearY .8 8, Invert .7 0;
        Equalize .9 0, TranslateY .6 6; Invert .9 0, Equalize .6 0; Contrast .3 3, Rotate .8 4;
        Invert .8 0, TranslateY 0 2; ShearY .7 6, Solarize .4 8; Invert .6 0, Rotate .8 4;
        ShearY .3 7, TranslateX .9 3; ShearX .1 6, Invert .6 0; Solarize .7 2, TranslateY .6 7;
        ShearY .8 4, Invert .8 0; ShearX .7 9, TranslateY .8 3; ShearY .8 5, AutoContrast .7 0;
        ShearX .7 2, Invert .1 0""",
}


def parsed(policy: str) -> list[list[tuple[str, float, int]]]:
    """Pairs of (name, probability, ninths)."""
    pairs = [[step.split() for step in pair.split(",")] for pair in policy.split(";")]
    return [[(name, float(chance), int(ninths)) for name, chance, ninths in pair] for pair in pairs]


class AutoAugment(_Auto):
    """One of the 25 pairs of operations that were found best for a set; each is done with its own probability."""

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self.policy = AutoAugmentPolicy(policy)
        self.policies = parsed(POLICIES[self.policy])

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, np.ndarray, np.ndarray]:
        """A pair's number, two numbers in [0, 1) to hold its probabilities against, and two signs (0 is minus)."""
        own = branch(current_stream(1))
        which = int(own.integers(transform_num)[0])
        return which, np.array([own.uniform()[0], own.uniform()[0]]), np.array([own.integers(2)[0], own.integers(2)[0]])

    def augmented(self, image: Any, own: Stream) -> Any:
        for name, chance, ninths in self.policies[int(own.integers(len(self.policies))[0])]:
            if own.uniform()[0] <= chance:
                image = self.step(image, own, name, ninths / 9)
        return image

    def extra_repr(self) -> str:
        return f"policy={self.policy}, fill={self.fill}"


RAND = ("Identity", *GEOMETRY, *COLOURS, "Posterize", "Solarize", "AutoContrast", "Equalize")


class RandAugment(_Auto):
    """`num_ops` operations that are drawn, all of strength `magnitude` out of `num_magnitude_bins`."""

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if not 0 <= magnitude < num_magnitude_bins:
            raise ValueError(
                f"RandAugment: `magnitude` should lie in [0, {num_magnitude_bins - 1}], one of `num_magnitude_bins`, "
                f"but is {magnitude}"
            )
        self.num_ops, self.magnitude, self.num_magnitude_bins = num_ops, magnitude, num_magnitude_bins

    def augmented(self, image: Any, own: Stream) -> Any:
        for _ in range(self.num_ops):
            name = RAND[int(own.integers(len(RAND))[0])]
            image = self.step(image, own, name, self.magnitude / (self.num_magnitude_bins - 1))
        return image

    def extra_repr(self) -> str:
        return (
            f"num_ops={self.num_ops}, magnitude={self.magnitude}, num_magnitude_bins={self.num_magnitude_bins}, "
            f"interpolation={self.interpolation}, fill={self.fill}"
        )


class TrivialAugmentWide(_Auto):
    """One operation that is drawn, of a strength that is drawn."""

    most = dict.fromkeys(("ShearX", "ShearY", *COLOURS), 0.99) | {
        "TranslateX": 32.0,
        "TranslateY": 32.0,
        "Rotate": 135.0,
    }
    bits = (8, 6)

    def __init__(
        self, num_magnitude_bins: int = 31, interpolation: Any = InterpolationMode.NEAREST, fill: Any = None
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def augmented(self, image: Any, own: Stream) -> Any:
        name = RAND[int(own.integers(len(RAND))[0])]
        bin = int(own.integers(self.num_magnitude_bins)[0])
        return self.step(image, own, name, bin / (self.num_magnitude_bins - 1))

    def extra_repr(self) -> str:
        return f"num_magnitude_bins={self.num_magnitude_bins}, interpolation={self.interpolation}, fill={self.fill}"


class AugMix(_Auto):
    """The image mixed with `mixture_width` chains of operations upon it, in random parts.

    A chain has `chain_depth` operations, one to three where that is not positive; `severity` in [1, 10] bounds them.
    """

    most = {**USUAL, "TranslateX": 1 / 3, "TranslateY": 1 / 3}
    bits = (4, 4)

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if not 1 <= severity <= 10:
            raise ValueError(f"The severity must be between [1, 10]. Got {severity} instead.")
        self.severity, self.mixture_width, self.chain_depth = severity, mixture_width, chain_depth
        self.alpha, self.all_ops = alpha, all_ops
        self.names = (*GEOMETRY, "Posterize", "Solarize", "AutoContrast", "Equalize", *(COLOURS if all_ops else ()))

    def augmented(self, image: Any, own: Stream) -> Any:
        refuse_palette(image, "AugMix")
        if is_pil(image):  # mixed as arrays
            batch, back = as_batch(image, "AugMix")
            return back(self.augmented(batch, own))
        random = np.random.default_rng(int(own.words()[0]))
        stays, changes = random.dirichlet([self.alpha] * 2)
        shares = random.dirichlet([self.alpha] * self.mixture_width) * changes
        floats = image.dtype if image.dtype.kind == "f" else np.dtype(np.float32)
        mixed = image * floats.type(stays)
        for share in shares:
            chain = image
            for _ in range(self.chain_depth if self.chain_depth > 0 else 1 + int(own.integers(3)[0])):
                name = self.names[int(own.integers(len(self.names))[0])]
                chain = self.step(chain, own, name, int(own.integers(self.severity)[0]) / 9)
            mixed = mixed + chain * floats.type(share)
        return np.clip(mixed, 0, bound(image.dtype)).astype(image.dtype)

    def extra_repr(self) -> str:
        return (
            f"severity={self.severity}, mixture_width={self.mixture_width}, chain_depth={self.chain_depth}, "
            f"alpha={self.alpha}, all_ops={self.all_ops}, interpolation={self.interpolation}, fill={self.fill}"
        )
