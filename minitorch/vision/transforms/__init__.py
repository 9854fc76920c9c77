"""Image transforms under torchvision's names, for one image or for a whole batch.

One image is a PIL image, a uint8 array (H, W, C) or (H, W), or a Tensor (..., C, H, W); a transform returns the kind it
got. `on_batch(images, stream)` does the same to images (N, H, W, C) at once: uint8 while they are images, float32 from
`ToTensor` on. A transform that has `on_batch` writes its work only once, and single images are batches of one, so
that both ways give the same bits. Data sets that live in memory use it when every transform of theirs has it.

Random transforms draw from the Stream of the DataLoader that asks (see `minitorch.utils.data.stream`): the numbers of a
sample depend on the epoch's seed, its index and how often the epoch drew it before.
Outside of a DataLoader they draw from the default generator.
Results carry no gradient, except those of `Normalize`.
"""

from . import functional, v2
from .auto import AugMix, AutoAugment, AutoAugmentPolicy, RandAugment, TrivialAugmentWide
from .base import Compose, Lambda, RandomApply, RandomChoice, RandomOrder, Transform, works_on_batches
from .colors import (
    ColorJitter,
    GaussianBlur,
    Grayscale,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomEqualize,
    RandomGrayscale,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)
from .convert import ConvertImageDtype, LinearTransformation, Normalize, PILToTensor, ToPILImage, ToTensor
from .erase import RandomErasing
from .functional import InterpolationMode
from .warps import ElasticTransform, RandomAffine, RandomPerspective, RandomRotation
from .windows import (
    CenterCrop,
    FiveCrop,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomVerticalFlip,
    Resize,
    TenCrop,
)

__all__ = [
    "AugMix",
    "AutoAugment",
    "AutoAugmentPolicy",
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "ConvertImageDtype",
    "ElasticTransform",
    "FiveCrop",
    "GaussianBlur",
    "Grayscale",
    "InterpolationMode",
    "Lambda",
    "LinearTransformation",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RandAugment",
    "RandomAdjustSharpness",
    "RandomAffine",
    "RandomApply",
    "RandomAutocontrast",
    "RandomChoice",
    "RandomCrop",
    "RandomEqualize",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomOrder",
    "RandomPerspective",
    "RandomPosterize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomSolarize",
    "RandomVerticalFlip",
    "Resize",
    "TenCrop",
    "ToPILImage",
    "ToTensor",
    "TrivialAugmentWide",
    "functional",
    "v2",
]
