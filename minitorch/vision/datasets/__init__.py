"""Image data sets under torchvision's names, and `Shapes`, which needs no download."""

from .cifar import CIFAR10, CIFAR100
from .folder import DatasetFolder, ImageFolder
from .image_set import ArrayImages, ImageSet
from .mnist import MNIST, FashionMNIST
from .shapes import Shapes

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "MNIST",
    "ArrayImages",
    "DatasetFolder",
    "FashionMNIST",
    "ImageFolder",
    "ImageSet",
    "Shapes",
]
