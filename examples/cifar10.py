"""Train a small CNN on images: the main job, from data to accuracy.

python examples/cifar10.py                      the built-in Shapes
python examples/cifar10.py --data cifar10       CIFAR-10, downloaded to ./data
python examples/cifar10.py --data FOLDER        CIFAR-10's files, or train/<class>/*.jpg and test/<class>/*.jpg
"""

import argparse
import time
from pathlib import Path

from tqdm import tqdm

import minitorch
from minitorch import nn, optim
from minitorch.files import replacing
from minitorch.utils.data import DataLoader
from minitorch.vision import datasets, transforms

MEAN, STD = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)  # of CIFAR-10's pixels; near enough for other photographs


class Net(nn.Module):
    """Three stages of two convolutions with batch norm and ReLU, each halving the image; then one linear layer."""

    def __init__(self, classes, widths=(32, 64, 128)):
        super().__init__()
        layers, channels = [], 3
        for width in widths:
            for _ in range(2):
                layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(channels * 4 * 4, classes))

    def forward(self, x):
        return self.classifier(self.features(x))


def load(data, augment, plain):
    """The training and the test set of what the user asked for."""
    if data == "shapes":
        return datasets.Shapes(train=True, transform=augment), datasets.Shapes(train=False, transform=plain)
    if data == "cifar10":
        return (
            datasets.CIFAR10("data", train=True, transform=augment, download=True),
            datasets.CIFAR10("data", train=False, transform=plain),
        )
    folder = Path(data)
    if not folder.is_dir():
        raise SystemExit(f"--data {data}: there is no such folder; say shapes, cifar10 or a folder of images")
    if (folder / "train").is_dir():
        return (
            datasets.ImageFolder(folder / "train", transform=augment).in_memory(),
            datasets.ImageFolder(folder / "test", transform=plain).in_memory(),
        )
    return datasets.CIFAR10(folder, train=True, transform=augment), datasets.CIFAR10(
        folder, train=False, transform=plain
    )


def train_epoch(model, loader, loss_function, optimizer, scheduler, title):
    """One pass over the training set; returns the mean loss, the accuracy and images per second."""
    model.train()
    total, correct, seen, start = 0.0, 0, 0, time.perf_counter()
    with tqdm(loader, title, unit="batch", leave=False, disable=None) as bar:
        for images, labels in bar:
            optimizer.zero_grad()
            scores = model(images)
            loss = loss_function(scores, labels)
            loss.backward()
            optimizer.step()
            scheduler.step()

            seen += len(labels)
            total += loss.item() * len(labels)
            correct += int((scores.argmax(1) == labels).sum())
            speed = seen / (time.perf_counter() - start)
            bar.set_postfix_str(f"loss {total / seen:.3f}, accuracy {correct / seen:.1%}, {speed:.0f} images/s")
    return total / seen, correct / seen, speed


@minitorch.no_grad()
def evaluate(model, loader, loss_function, classes):
    """Mean loss and accuracy on the test set, and the accuracy of each class."""
    model.eval()
    total, hits, counts = 0.0, [0] * classes, [0] * classes
    for images, labels in loader:
        scores = model(images)
        total += loss_function(scores, labels).item() * len(labels)
        for label, guess in zip(labels.tolist(), scores.argmax(1).tolist(), strict=True):
            counts[label] += 1
            hits[label] += guess == label
    per_class = [hit / max(count, 1) for hit, count in zip(hits, counts, strict=True)]
    return total / sum(counts), sum(hits) / sum(counts), per_class


def draw(history, path):
    """The learning curves as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    epochs = range(1, len(history) + 1)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for axes, what, columns in ((left, "loss", (0, 2)), (right, "accuracy", (1, 3))):
        for column, name in zip(columns, ("training", "test"), strict=True):
            axes.plot(epochs, [row[column] for row in history], marker="o", markersize=3, label=name)
        axes.set(xlabel="epoch", ylabel=what)
        axes.grid(alpha=0.3)
        axes.legend()
    with replacing(path) as file:  # whoever looks while it is written, or after a crash, finds a whole picture
        figure.savefig(file, format="png", dpi=120)
    plt.close(figure)


def main():
    """Parse the arguments, train, test, and say where everything lies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="shapes", help="shapes, cifar10 or a folder")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.05, help="the highest learning rate of the one-cycle schedule")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where checkpoint and picture go")
    args = parser.parse_args()

    minitorch.manual_seed(args.seed)
    normalize = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    augment = transforms.Compose([transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), *normalize])
    train_set, test_set = load(args.data, augment, transforms.Compose(normalize))
    train_loader = DataLoader(train_set, args.batch_size, shuffle=True, drop_last=True)
    test_loader = DataLoader(test_set, 250)
    classes = train_set.classes
    print(f"{len(train_set):,} training and {len(test_set):,} test images of {len(classes)} classes")

    model = Net(len(classes))
    loss_function = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), args.lr, momentum=0.9, weight_decay=5e-4, nesterov=True)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=args.epochs * len(train_loader))

    args.out.mkdir(parents=True, exist_ok=True)
    checkpoint, picture = args.out / "checkpoint.zip", args.out / "curve.png"
    history = []
    for epoch in range(1, args.epochs + 1):
        title = f"epoch {epoch}/{args.epochs}"
        loss, accuracy, speed = train_epoch(model, train_loader, loss_function, optimizer, scheduler, title)
        test_loss, test_accuracy, per_class = evaluate(model, test_loader, loss_function, len(classes))
        history.append((loss, accuracy, test_loss, test_accuracy))
        print(
            f"{title}: training loss {loss:.3f}, accuracy {accuracy:.1%}; "
            f"test loss {test_loss:.3f}, accuracy {test_accuracy:.1%}; {speed:,.0f} images/s",
            flush=True,
        )
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}
        minitorch.save({"epoch": epoch, "history": history, "classes": list(classes), **state}, checkpoint)
        draw(history, picture)

    print("accuracy by class:")
    for name, score in zip(classes, per_class, strict=True):
        print(f"  {name:<12} {score:6.1%} {'#' * round(40 * score)}")
    print(f"test accuracy {100 * test_accuracy:.1f} %")
    print(f"learning curves: {picture}   checkpoint: {checkpoint}")


if __name__ == "__main__":
    main()
