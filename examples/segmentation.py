"""Segmentation: what each pixel shows. Dilated convolutions see far without making the image smaller.

python examples/segmentation.py     discs and rings in noise; runs/segmentation.png: images, truth, answers

A 3x3 kernel whose taps lie d pixels apart spans 2d + 1 pixels. Layers with d = 1, 2, 4, 8, 1 see 33 x 33 pixels
(minitorch.explain(layer, shape) shows the arithmetic), and every pixel still has an answer of its own.
"""

import argparse
from pathlib import Path

import common
import numpy as np

import minitorch
from minitorch import nn, optim
from minitorch.nn import functional as F

CLASSES = ["background", "disc", "ring"]


def scenes(count, size, rng):
    """Images (N, 1, size, size) with a disc and a ring in noise, and the class of each pixel (N, size, size).

    Both are equally bright, so a pixel alone does not tell which of them it is in, nor do the nearest ones.
    """
    y, x = np.mgrid[:size, :size]
    images = rng.normal(0.4, 0.15, (count, 1, size, size)).astype(np.float32)
    masks = np.zeros((count, size, size), np.int64)
    for image, mask in zip(images[:, 0], masks, strict=True):
        for label in rng.permutation([1, 2]):
            cy, cx = rng.uniform(8, size - 8, 2)
            radius = rng.uniform(6, 10)
            distance = np.hypot(y - cy, x - cx)
            inside = (distance <= radius) & ((label == 1) | (distance >= radius / 2))
            mask[inside] = label
            image[inside] += 0.3
    return minitorch.from_numpy(images), minitorch.from_numpy(masks)


def net(width):
    """Five 3x3 convolutions with growing dilation, one 1x1 for the scores; the size of the image stays."""
    layers, channels = [], 1
    for dilation in (1, 2, 4, 8, 1):
        conv = nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation, bias=False)
        layers += [conv, nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.Conv2d(width, len(CLASSES), 1))


def overlaps(guesses, masks):
    """For each class, the pixels that are rightly of it over those that are or are said to be (IoU)."""
    guesses, masks = guesses.numpy(), masks.numpy()
    return [
        float(((guesses == k) & (masks == k)).sum() / max(((guesses == k) | (masks == k)).sum(), 1))
        for k in range(len(CLASSES))
    ]


def main(words=None):
    """Train on new scenes all the time, test on others; returns the mean overlap of disc and ring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=common.count, default=300, help="training steps (300)")
    parser.add_argument("--size", type=common.count, default=48, help="pixels of a side (48)")
    parser.add_argument("--width", type=common.count, default=24, help="channels of each layer (24)")
    parser.add_argument("--batch-size", type=common.count, default=16)
    parser.add_argument("--lr", type=common.rate, default=0.01, help="highest learning rate (0.01)")
    parser.add_argument("--out", type=Path, default=Path("runs/segmentation.png"), help="the picture")
    args = parser.parse_args(words)
    minitorch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = net(args.width)
    optimizer = optim.AdamW(model.parameters(), args.lr)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, max(args.steps, 1))
    weight = minitorch.tensor([0.3, 1.0, 1.0])  # most pixels are background
    for step in range(1, args.steps + 1):
        images, masks = scenes(args.batch_size, args.size, rng)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), masks, weight)
        loss.backward()
        optimizer.step()
        scheduler.step()
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.4f}", flush=True)

    model.eval()
    images, masks = scenes(32, args.size, np.random.default_rng(1))
    with minitorch.no_grad():
        guesses = model(images).argmax(1)
    found = overlaps(guesses, masks)
    print(", ".join(f"{name} {value:.1%}" for name, value in zip(CLASSES, found, strict=True)))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    rows = [images[:8, 0].numpy(), masks[:8].numpy() / 2, guesses[:8].numpy() / 2]
    common.grid(np.concatenate(rows), args.out)
    return (found[1] + found[2]) / 2


if __name__ == "__main__":
    main()
