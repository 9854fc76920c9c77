"""The nets of the benchmark, written once for both frameworks: `net(nn)` with `minitorch.nn` or `torch.nn`."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


def tutorial(nn: Any) -> Any:
    """The net of PyTorch's CIFAR-10 tutorial: two convolutions 5x5, three linear layers."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


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
    Case("tutorial", tutorial, 4, 2.0),
    Case("tutorial", tutorial, 64, 2.5),
    Case("VGG-like", vgg, 64, 3.0),
    Case("ResNet-20", resnet20, 128, 2.5),
    Case("airbench94", airbench, 256, 3.0),
    Case("MobileNet-like", mobilenet, 64, 2.0),
]


# ------------------------------------------------------------------------------------------------ what is timed
def weights(side: Any, case: Case) -> dict[str, np.ndarray]:
    """First weights and buffers, to be copied into every contender."""
    side.lib.manual_seed(0)
    return {name: np.array(value) for name, value in case.net(side.lib.nn).state_dict().items()}


def data(side: Any, batch: int) -> tuple[Any, Any]:
    """Images and labels, the same for every contender."""
    rng = np.random.default_rng(0)
    return side.tensor(rng.standard_normal((batch, 3, 32, 32), np.float32)), side.tensor(rng.integers(0, 10, batch))


def training(side: Any, case: Case, start: dict[str, np.ndarray] | None = None) -> dict[str, Callable[[], Any]]:
    """A training step; returns the loss.

    `fused` is PyTorch's fastest SGD: 2.9 ms against 3.2 for the tutorial net at batch 4, no difference elsewhere
    (2026-11, 2 cores Zen 3). minitorch takes the argument and has one implementation.
    """
    net = side.model(case.net, start)
    parameters = [p for p in net.parameters() if p.requires_grad]
    optimizer = side.lib.optim.SGD(parameters, lr=1e-3, momentum=0.9, fused=True)
    cross_entropy = side.lib.nn.functional.cross_entropy
    model, (x, y) = side.compile(net), data(side, case.batch)

    def step() -> Any:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return {"training step": side.step(step)}


def inference(side: Any, case: Case, start: dict[str, np.ndarray] | None = None) -> dict[str, Callable[[], Any]]:
    """A forward pass in eval mode that records nothing; returns the loss."""
    net = side.model(case.net, start).eval()
    cross_entropy = side.lib.nn.functional.cross_entropy
    no_grad, model, (x, y) = side.lib.no_grad, side.compile(net), data(side, case.batch)

    def forward() -> Any:
        with no_grad():
            return model(x)

    forward = side.step(forward)

    def loss() -> Any:
        return cross_entropy(forward(), y)

    return {"forward": forward, "loss": loss}


def flops(side: Any, case: Case) -> dict[str, int]:
    """Multiplies and adds of all convolutions and linear layers; runs in minitorch's process.

    "forward", and "training step": with the gradients that are asked for. The first layer needs none for its input, a
    frozen weight none for itself.
    """
    from layers import conv_flops

    from minitorch.geometry import ConvGeometry

    total = {"forward": 0, "training step": 0}
    nn = side.lib.nn

    def count(module: Any, inputs: tuple, output: Any) -> None:
        x = inputs[0]
        if isinstance(module, nn.Conv2d):
            geometry = ConvGeometry.of(
                x.shape[2:], module.kernel_size, module.stride, module.padding, module.dilation, module.groups
            )
            face = conv_flops(x.shape[0], x.shape[1], module.out_channels, geometry)
        else:
            face = 2 * x.shape[0] * module.in_features * module.out_features
        total["forward"] += face
        total["training step"] += face * (1 + x.requires_grad + module.weight.requires_grad)

    net = case.net(nn)
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(count)
    net(data(side, case.batch)[0])
    return total


def memory(side: Any, case: Case) -> dict[str, float]:
    """Of ten training steps in a fresh process: peak bytes over what model, data and library hold, faults per step.

    A step at batch 2 comes first: it loads what both libraries load late (numba and its kernels, oneDNN's).
    """
    training(side, case._replace(batch=2))["training step"]()
    step = training(side, case)["training step"]
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = _status("VmRSS")
    for number in range(10):
        if number == 2:
            faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        step()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    return {"bytes": _status("VmHWM") - before, "faults": faults / 8}


def _status(field: str) -> int:
    """Bytes of a field of /proc/self/status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")
