"""A training run with everything a checkpoint has to hold, in a second: python tiny.py --out FOLDER [--resume]."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
import common

import minitorch
from minitorch import nn, optim
from minitorch.utils.data import DataLoader
from minitorch.vision import transforms
from minitorch.vision.datasets.image_set import ArrayImages

CLASSES = ["left", "right"]


def images(count, seed, transform):
    """Noise with a bright left or right half."""
    generator = minitorch.Generator().manual_seed(seed)
    labels = minitorch.randint(2, (count,), generator=generator)
    pixels = minitorch.randint(0, 100, (count, 8, 8, 3), generator=generator)
    for image, label in zip(pixels, labels.tolist(), strict=True):
        image[:, 4 * label : 4 * label + 4] += 100
    return ArrayImages(pixels.to(minitorch.uint8).numpy(), labels.tolist(), CLASSES, transform=transform)


def main():
    """Train for three epochs of eight batches."""
    parser = common.arguments(__doc__, epochs=3, batch_size=16, lr=0.05, out="runs")
    args = parser.parse_args()
    common.start(args)
    if "PLAIN" in os.environ:  # tests are sooner done without pictures
        common.pyplot, common.tensorboard = (lambda: None), (lambda *_: common.Nothing())
    augment = transforms.Compose([transforms.RandomCrop(8, padding=1), transforms.ToTensor()])
    train_set, test_set = images(128, 0, augment), images(32, 1, transforms.ToTensor())
    batches, loader = common.Batches(train_set, args.batch_size, args.seed), DataLoader(test_set, 16)
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(144, 2)]
    model = nn.Sequential(*layers)
    optimizer = optim.Adam(model.parameters(), args.lr)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=args.epochs * len(batches))
    watch = common.Watch(model)

    def step(images, labels):
        optimizer.zero_grad()
        with watch:
            scores = model(images)
            loss = nn.functional.cross_entropy(scores, labels)
        loss.backward()
        watch.check(loss, lambda: nn.functional.cross_entropy(model(images), labels), images)
        optimizer.step()
        scheduler.step()
        return loss.item() * len(labels), int((scores.argmax(1) == labels).sum())

    def test(stop):
        examined = common.examine(model, loader, stop)
        return {"loss": examined.loss, "accuracy": examined.accuracy}

    history = common.train(args, {"model": model, "optimizer": optimizer, "scheduler": scheduler}, step, batches, test)
    common.report(args, "Halves", history, common.examine(model, loader), test_set, CLASSES, model)


if __name__ == "__main__":
    main()
