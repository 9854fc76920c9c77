"""Train a small CNN on images: the main job, from data to accuracy.

    python examples/cifar10.py                      the built-in Shapes
    python examples/cifar10.py --data cifar10       downloads CIFAR-10
    python examples/cifar10.py --data FOLDER        CIFAR-10's files, or train/<class>/*.jpg and test/<class>/*.jpg
"""

import argparse
import time
from pathlib import Path

from tqdm import tqdm

import minitorch as torch
from minitorch import nn, optim
from minitorch.nn import functional as F
from minitorch.utils.data import DataLoader
from minitorch.vision import datasets, transforms


class Net(nn.Module):
    """Three stages of convolution, batch norm and ReLU, each halving the image; then one linear layer."""

    def __init__(self, classes, width=32):
        super().__init__()
        stages, channels = [], 3
        for out in (width, 2 * width, 4 * width):
            stages += [
                nn.Conv2d(channels, out, 3, padding=1, bias=False),
                nn.BatchNorm2d(out),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
            channels = out
        self.features = nn.Sequential(*stages)
        self.pool = nn.AdaptiveMaxPool2d(1) if False else nn.AdaptiveAvgPool2d(2)
        self.head = nn.Linear(4 * channels, classes)

    def forward(self, x):
        return self.head(self.pool(self.features(x)).flatten(1))
