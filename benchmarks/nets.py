"""The nets of the benchmark, written once for both frameworks: `net(nn)` with `minitorch.nn` or `torch.nn`."""

from typing import Any, NamedTuple


def tutorial(nn: Any) -> Any:
    """The net of PyTorch's CIFAR-10 tutorial: two convolutions 5x5, three linear layers."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def vgg(nn: Any) -> Any:
    """Six convolutions 3x3, 64-64-128-128-256-256, each with batch norm and ReLU; three max pools."""
    layers, channels = [], 3
    for width in (64, 128, 256):
        for _ in range(2):
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * 16, 10))


def resnet20(nn: Any) -> Any:
    """ResNet-20 for CIFAR-10 (He et al., 2015): 16-32-64 channels, three blocks a stage, 1x1 shortcuts."""

    class Block(nn.Module):
        def __init__(self, channels: int, width: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.shortcut = nn.Sequential()
            if stride != 1 or channels != width:
                self.shortcut = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

        def forward(self, x: Any) -> Any:
            out = nn.functional.relu(self.bn1(self.conv1(x)))
            out = self.bn2(self.conv2(out))
            return nn.functional.relu(out + self.shortcut(x))

    layers, channels = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for width in (16, 32, 64):
        for block in range(3):
            layers.append(Block(channels, width, 2 if block == 0 and width > 16 else 1))
            channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def airbench(nn: Any) -> Any:
    """The net of airbench94 (Jordan, 2024): a frozen 2x2 whitening layer, groups of 64-256-256 channels, GELU."""

    class Scale(nn.Module):
        def forward(self, x: Any) -> Any:
            return x * (1 / 9)

    def norm(width: int) -> Any:
        layer = nn.BatchNorm2d(width, eps=1e-12, momentum=0.4)
        layer.weight.requires_grad_(False)
        return layer

    white = nn.Conv2d(3, 24, 2)
    white.weight.requires_grad_(False)
    layers, channels = [white, nn.GELU()], 24
    for width in (64, 256, 256):
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.MaxPool2d(2), norm(width), nn.GELU()]
        layers += [nn.Conv2d(width, width, 3, padding=1, bias=False), norm(width), nn.GELU()]
        channels = width
    return nn.Sequential(*layers, nn.MaxPool2d(3), nn.Flatten(), nn.Linear(channels, 10, bias=False), Scale())


def mobilenet(nn: Any) -> Any:
    """Seven depthwise-separable blocks, 32 to 512 channels, as MobileNet's (Howard et al., 2017), for 32x32 images."""
    layers = [nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()]
    channels = 32
    for width, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        layers += [nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False), nn.BatchNorm2d(channels)]
        layers += [nn.ReLU(), nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


class Case(NamedTuple):
    """One row of the table: a net at a batch size, and the speed asked of its training step against PyTorch's best."""

    name: str
    net: Any
    batch: int
    goal: float


CASES = [
    Case("tutorial", tutorial, 4, 1.3),
    Case("tutorial", tutorial, 64, 2.0),
    Case("VGG-like", vgg, 64, 2.5),
    Case("ResNet-20", resnet20, 128, 2.5),
    Case("airbench94", airbench, 256, 2.5),
    Case("MobileNet-like", mobilenet, 64, 2.0),
]
