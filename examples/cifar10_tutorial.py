"""The classic first training: CIFAR-10, two epochs, four images at a time, a small net.

python examples/cifar10_tutorial.py                   CIFAR-10, downloaded to ./data
python examples/cifar10_tutorial.py --data FOLDER     CIFAR-10's files, or train/<class>/*.jpg and test/<class>/*.jpg
python examples/cifar10_tutorial.py --data shapes     the built-in Shapes: no download

It follows PyTorch's "Training a classifier" step by step, so that the two can be read side by side.
"""

import argparse
from pathlib import Path

from common import count, rate

import minitorch
from minitorch import nn, optim
from minitorch.nn import functional as F
from minitorch.utils.data import DataLoader
from minitorch.vision import datasets, transforms


class Net(nn.Module):
    """Two convolutions 5x5, each with a pool; three linear layers."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):  # (N, 3, 32, 32)
        x = self.pool(F.relu(self.conv1(x)))  # (N, 6, 14, 14)
        x = self.pool(F.relu(self.conv2(x)))  # (N, 16, 5, 5)
        x = minitorch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def load(data):
    """The training and the test set."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])
    if data == "shapes":
        return [datasets.Shapes(train=train, transform=transform) for train in (True, False)]
    if data == "cifar10":
        return [datasets.CIFAR10("data", train, transform, download=True) for train in (True, False)]
    if (Path(data) / "train").is_dir():
        return [datasets.ImageFolder(Path(data) / part, transform).in_memory() for part in ("train", "test")]
    return [datasets.CIFAR10(data, train, transform) for train in (True, False)]


def train(net, loader, epochs, lr):
    """Epochs of SGD with momentum; prints the loss of every 2,000 batches."""
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=lr, momentum=0.9)
    for epoch in range(epochs):
        running_loss = 0.0
        for i, (inputs, labels) in enumerate(loader, start=1):
            optimizer.zero_grad()
            loss = criterion(net(inputs), labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
            if i % 2000 == 0:
                print(f"[{epoch + 1}, {i:5d}] loss: {running_loss / 2000:.3f}", flush=True)
                running_loss = 0.0


def test(net, loader, classes):
    """Prints the accuracy of each class; returns that of all images."""
    right, count = dict.fromkeys(classes, 0), dict.fromkeys(classes, 0)
    with minitorch.no_grad():
        for images, labels in loader:
            _, guesses = minitorch.max(net(images), 1)
            for label, guess in zip(labels.tolist(), guesses.tolist(), strict=True):
                count[classes[label]] += 1
                right[classes[label]] += label == guess
    for name in classes:
        print(f"  {name:<12} {right[name] / max(count[name], 1):6.1%}")
    return sum(right.values()) / sum(count.values())


def main(words=None):
    """Train, save, load into a fresh net, and test that; returns the accuracy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10", help="cifar10, shapes or a folder (cifar10)")
    parser.add_argument("--epochs", type=count, default=2, help="passes over the training set (2)")
    parser.add_argument("--lr", type=rate, default=0.001, help="learning rate (0.001)")
    parser.add_argument("--out", default="cifar_net.zip", help="where the weights go (cifar_net.zip)")
    args = parser.parse_args(words)
    minitorch.manual_seed(0)
    try:
        train_set, test_set = load(args.data)
    except (OSError, RuntimeError) as error:
        raise SystemExit(f"--data {args.data}: {error}") from None

    net = Net()
    train(net, DataLoader(train_set, batch_size=4, shuffle=True), args.epochs, args.lr)
    minitorch.save(net.state_dict(), args.out)

    net = Net()
    net.load_state_dict(minitorch.load(args.out))
    accuracy = test(net, DataLoader(test_set, batch_size=250), train_set.classes)
    print(f"accuracy on {len(test_set):,} test images: {accuracy:.1%}; chance would be 10 %")
    return accuracy


if __name__ == "__main__":
    main()
