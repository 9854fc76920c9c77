"""Loading an ImageFolder of JPEG files by 0, 1, 2 and 4 workers; starting the workers; an epoch over images in memory.

python benchmarks/loading.py [--images 400] [--torch]      --torch: PyTorch's DataLoader over the same dataset beside it
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minitorch.utils.data import DataLoader
from minitorch.vision import transforms as T
from minitorch.vision.datasets import ArrayImages, ImageFolder

WORKERS = (0, 1, 2, 4)


def write_images(folder: Path, count: int) -> None:
    """Noisy JPEG files of about 320 x 280 pixels, in two classes."""
    from PIL import Image

    random = np.random.default_rng(0)
    for number in range(count):
        place = folder / str(number % 2)
        place.mkdir(exist_ok=True)
        coarse = Image.fromarray(random.integers(0, 256, (14, 16, 3), np.uint8))
        coarse.resize((320, 280)).save(place / f"{number}.jpg", quality=90)


def seconds(batches: Callable[[], Any]) -> tuple[float, float]:
    """Until the first batch, and from there to the end."""
    start = time.perf_counter()
    iterator = iter(batches())
    next(iterator)
    first = time.perf_counter()
    for _ in iterator:
        pass
    return first - start, time.perf_counter() - first


def arrays(samples: list) -> list:
    """A `collate_fn` without a library: PyTorch cannot join minitorch's Tensors."""
    return [np.stack([np.asarray(part.array if hasattr(part, "array") else part) for part in c]) for c in zip(*samples)]  # noqa: B905


def report(name: str, loader: type, images: int, dataset: Any, **options: Any) -> None:
    """One line for each number of workers."""
    for workers in WORKERS:
        more = options if workers else {}
        first, rest = seconds(lambda: loader(dataset, 32, num_workers=workers, collate_fn=arrays, **more))  # noqa: B023
        print(f"{name:10} {workers} workers: first batch {first:5.2f} s, then {(images - 32) / rest:6.0f} images/s")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--torch", action="store_true")
    chosen = parser.parse_args()
    augment = [T.Resize(256), T.RandomCrop(224), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize((0.5,), (0.2,))]
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder), chosen.images)
        dataset = ImageFolder(folder, T.Compose(augment))
        seconds(lambda: DataLoader(dataset, num_workers=1))  # the server that forks the workers starts once
        report("minitorch", DataLoader, chosen.images, dataset)
        if chosen.torch:
            from torch.utils.data import DataLoader as Theirs

            report("PyTorch", Theirs, chosen.images, dataset, multiprocessing_context="forkserver")
    pixels = np.random.default_rng(0).integers(0, 256, (50_000, 32, 32, 3), np.uint8)
    augment = [T.RandomCrop(32, padding=4), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize((0.5,), (0.2,))]
    cifar = ArrayImages(pixels, [0] * 50_000, ["all"], transform=T.Compose(augment))
    for workers in (0, 2):
        took = sum(seconds(lambda: DataLoader(cifar, 512, shuffle=True, num_workers=workers)))  # noqa: B023
        print(f"50,000 images of 32 x 32 in memory, augmented, {workers} workers: {took:.2f} s an epoch")


if __name__ == "__main__":
    main()
