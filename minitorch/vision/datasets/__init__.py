"""Image data sets under torchvision's names, and `Shapes`, which needs no download."""

from .cifar import CIFAR10, CIFAR100
from .fake import FakeData
from .folder import DatasetFolder, ImageFolder
from .image_set import ArrayImages, ImageSet
from .mnist import EMNIST, KMNIST, MNIST, FashionMNIST
from .shapes import Shapes
from .stl10 import STL10
from .svhn import SVHN

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "EMNIST",
    "KMNIST",
    "MNIST",
    "STL10",
    "SVHN",
    "ArrayImages",
    "DatasetFolder",
    "FakeData",
    "FashionMNIST",
    "ImageFolder",
    "ImageSet",
    "Shapes",
]
