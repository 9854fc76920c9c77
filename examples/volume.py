"""Volumes: three-dimensional convolutions tell balls, boxes and shells in noisy scans of 16 x 16 x 16 voxels.

python examples/volume.py
"""

import argparse

import numpy as np
from common import count, rate

import minitorch
from minitorch import nn, optim
from minitorch.nn import functional as F

CLASSES = ["ball", "box", "shell"]
SIZE = 16


def scans(count, rng):
    """Volumes (N, 1, SIZE, SIZE, SIZE) and what is in them. As int16, as scanners give them, then as floats."""
    grid = np.stack(np.mgrid[:SIZE, :SIZE, :SIZE]).astype(np.float32)
    labels = rng.integers(0, len(CLASSES), count)
    volumes = rng.normal(0, 120, (count, 1, SIZE, SIZE, SIZE)).astype(np.int16)
    for volume, label in zip(volumes[:, 0], labels, strict=True):
        away = grid - rng.uniform(6, SIZE - 6, 3).astype(np.float32)[:, None, None, None]
        radius = rng.uniform(4, 6)
        distance = np.abs(away).max(0) / 0.8 if label == 1 else np.sqrt((away**2).sum(0))
        inside = (distance <= radius) & ((label != 2) | (distance >= radius - 2))
        volume[inside] += 300
    return minitorch.from_numpy(volumes).float() / 300, minitorch.from_numpy(labels)


def net(width=8):
    """Two convolutions 3x3x3 with batch norm, each halving the volume; one linear layer."""
    return nn.Sequential(
        nn.Conv3d(1, width, 3, padding=1, bias=False),
        nn.BatchNorm3d(width),
        nn.ReLU(),
        nn.MaxPool3d(2),  # 8 x 8 x 8
        nn.Conv3d(width, 2 * width, 3, padding=1, bias=False),
        nn.BatchNorm3d(2 * width),
        nn.ReLU(),
        nn.MaxPool3d(2),  # 4 x 4 x 4
        nn.Flatten(),
        nn.Linear(2 * width * 64, len(CLASSES)),
    )


def main(words=None):
    """Train on new scans all the time, test on others; returns the accuracy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=count, default=200, help="training steps (200)")
    parser.add_argument("--batch-size", type=count, default=32)
    parser.add_argument("--lr", type=rate, default=0.003, help="learning rate of Adam (0.003)")
    args = parser.parse_args(words)
    minitorch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = net()
    optimizer = optim.Adam(model.parameters(), args.lr)
    for step in range(1, args.steps + 1):
        volumes, labels = scans(args.batch_size, rng)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(volumes), labels)
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            print(f"step {step}: loss {loss.item():.4f}", flush=True)

    model.eval()
    volumes, labels = scans(150, np.random.default_rng(1))
    with minitorch.no_grad():
        accuracy = (model(volumes).argmax(1) == labels).float().mean().item()
    print(f"accuracy on 150 other scans: {accuracy:.1%}")
    return accuracy


if __name__ == "__main__":
    main()
