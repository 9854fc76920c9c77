"""Training on your own code: two clouds of numbers first, then pictures of ten shapes."""

import numpy as np

import minitorch
from minitorch import nn
from minitorch.course.training import accuracy, batched, train_epoch
from minitorch.nn.functional import cross_entropy
from minitorch.vision.datasets.shapes import SHAPES, draw_shapes


def pictures(first: int, count: int) -> tuple:
    """Shapes as 256 numbers: how far each of 16 x 16 places is from the background."""
    data, labels = draw_shapes(np.arange(first, first + count))
    gray = data.astype(np.float32).mean(3) / 255
    gray = np.abs(gray - np.median(gray, axis=(1, 2), keepdims=True))
    return minitorch.tensor(gray.reshape(count, 16, 2, 16, 2).mean((2, 4)).reshape(count, 256)), minitorch.tensor(
        labels
    )


def main() -> None:
    """Print the chapter."""
    print("1. The loss of one sample whose label is class 1, by the score of class 1 (the others have 0):\n")
    for score in (-4.0, -2.0, 0.0, 2.0, 4.0):
        loss = cross_entropy(minitorch.tensor([[0.0, score, 0.0]]), minitorch.tensor([1])).item()
        print(f"   score {score:+.0f}   loss {loss:.3f} {'#' * round(10 * loss)}")

    print("\n2. A picture, as the net sees it, and what it is:\n")
    x, labels = pictures(0, 2000)
    names = list(SHAPES)
    for row in x[3].reshape(16, 16).tolist():
        print("      " + "".join(" .:-=+*#%@"[min(9, int(v * 20))] * 2 for v in row))
    print("     ", names[int(labels[3].item())])

    print("\n3. Two layers, 2,000 pictures, ten epochs of your loop; guessing would be right for 10 in 100:\n")
    others, theirs = pictures(10_000, 500)
    minitorch.manual_seed(0)
    net = nn.Sequential(nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = minitorch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(1, 11):
        order = minitorch.randperm(len(labels))
        loss = train_epoch(net, batched(x[order], labels[order], 50), optimizer)
        known, share = accuracy(net, batched(x, labels, 500)), accuracy(net, batched(others, theirs, 250))
        bar = "#" * round(40 * share)
        print(f"   epoch {epoch:2}   loss {loss:.3f}   right {known:.0%}, of unseen ones {share:.0%} {bar}")
    print("\n   More epochs would teach it these 2,000 by heart. That a shape may stand anywhere comes with unit 7.")


if __name__ == "__main__":
    main()
