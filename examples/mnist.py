"""Handwritten digits: a small CNN with dropout, learned in a few minutes to 99 %.

python examples/mnist.py                    MNIST, downloaded to ./data
python examples/mnist.py --data FOLDER      where the files train-images-idx3-ubyte.gz and so on are
python examples/mnist.py --fashion          FashionMNIST instead
"""

import argparse

from common import count, rate

import minitorch
from minitorch import nn, optim
from minitorch.nn import functional as F
from minitorch.utils.data import DataLoader
from minitorch.vision import datasets, transforms


class Net(nn.Module):
    """Two convolutions, a pool, two linear layers, dropout before each of these."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(64 * 12 * 12, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):  # (N, 1, 28, 28)
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # (N, 64, 12, 12)
        x = self.dropout1(x.flatten(1))
        x = self.dropout2(F.relu(self.fc1(x)))
        return F.log_softmax(self.fc2(x), dim=1)


def load(args):
    """The training and the test set."""
    kind = datasets.FashionMNIST if args.fashion else datasets.MNIST
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    download = args.data == "data"
    return [kind(args.data, train=train, transform=transform, download=download) for train in (True, False)]


def train_epoch(model, loader, optimizer, epoch):
    """One pass over the training set."""
    model.train()
    for batch, (images, labels) in enumerate(loader):
        optimizer.zero_grad()
        loss = F.nll_loss(model(images), labels)
        loss.backward()
        optimizer.step()
        if batch % 100 == 0:
            print(f"epoch {epoch}, batch {batch}/{len(loader)}: loss {loss.item():.4f}", flush=True)


@minitorch.no_grad()
def test(model, loader):
    """Mean loss and accuracy on the test set."""
    model.eval()
    loss, right, count = 0.0, 0, 0
    for images, labels in loader:
        scores = model(images)
        loss += F.nll_loss(scores, labels, reduction="sum").item()
        right += scores.argmax(1).eq(labels).sum().item()
        count += len(labels)
    return loss / count, right / count


def main(words=None):
    """Train and test; returns the accuracy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="data", help="the folder of the files; those of ./data are downloaded (data)")
    parser.add_argument("--fashion", action="store_true", help="clothes instead of digits")
    parser.add_argument("--epochs", type=count, default=4, help="passes over the training set (4)")
    parser.add_argument("--batch-size", type=count, default=64, help="images for each step (64)")
    parser.add_argument("--lr", type=rate, default=1.0, help="learning rate of Adadelta (1.0)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", help="write the weights to this file")
    args = parser.parse_args(words)
    minitorch.manual_seed(args.seed)
    try:
        train_set, test_set = load(args)
    except (OSError, RuntimeError) as error:
        raise SystemExit(f"--data {args.data}: {error}") from None
    train_loader = DataLoader(train_set, args.batch_size, shuffle=True)
    test_loader = DataLoader(test_set, 1000)

    model = Net()
    optimizer = optim.Adadelta(model.parameters(), lr=args.lr)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    accuracy = 0.0
    for epoch in range(1, args.epochs + 1):
        train_epoch(model, train_loader, optimizer, epoch)
        loss, accuracy = test(model, test_loader)
        print(f"after epoch {epoch}: test loss {loss:.4f}, accuracy {accuracy:.2%}", flush=True)
        scheduler.step()
    if args.save:
        minitorch.save(model.state_dict(), args.save)
    return accuracy


if __name__ == "__main__":
    main()
