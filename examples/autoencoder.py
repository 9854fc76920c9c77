"""An autoencoder: convolutions press an image into a few numbers, transposed convolutions draw it again.

python examples/autoencoder.py              the built-in Shapes; runs/autoencoder.png shows images above, drawings below
python examples/autoencoder.py --code 16    with fewer numbers for each image

Each layer of the decoder is the transposed twin of one of the encoder: Conv2d with stride 2 halves an image,
ConvTranspose2d with the same settings doubles it.
"""

import argparse
from pathlib import Path

import common

import minitorch
from minitorch import nn, optim
from minitorch.nn import functional as F
from minitorch.utils.data import DataLoader
from minitorch.vision import datasets, transforms


def encoder(code, width):
    """(N, 3, 32, 32) to (N, code)."""
    return nn.Sequential(
        nn.Conv2d(3, width, 4, stride=2, padding=1),  # 16 x 16
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),  # 8 x 8
        nn.ReLU(),
        nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1),  # 4 x 4
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * width * 16, code),
    )


def decoder(code, width):
    """(N, code) to (N, 3, 32, 32), in [0, 1]."""
    return nn.Sequential(
        nn.Linear(code, 4 * width * 16),
        nn.ReLU(),
        nn.Unflatten(1, (4 * width, 4, 4)),
        nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(width, 3, 4, stride=2, padding=1),
        nn.Sigmoid(),
    )


def main(words=None):
    """Train and draw; returns the error on test images beside that of drawing the mean image, as a fraction."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=common.count, default=5, help="passes over the training set (5)")
    parser.add_argument("--steps", type=common.count, help="end after so many steps")
    parser.add_argument("--code", type=common.count, default=64, help="numbers for each image (64)")
    parser.add_argument("--width", type=common.count, default=32, help="channels of the first layer (32)")
    parser.add_argument("--lr", type=common.rate, default=1e-3, help="learning rate of Adam (0.001)")
    parser.add_argument("--out", type=Path, default=Path("runs/autoencoder.png"), help="the picture")
    args = parser.parse_args(words)
    minitorch.manual_seed(0)
    train_set = datasets.Shapes(train=True, transform=transforms.ToTensor())
    test_set = datasets.Shapes(train=False, transform=transforms.ToTensor())
    loader = DataLoader(train_set, 64, shuffle=True)

    model = nn.Sequential(encoder(args.code, args.width), decoder(args.code, args.width))
    optimizer = optim.Adam(model.parameters(), args.lr)
    step = 0
    for epoch in range(1, args.epochs + 1):
        for images, _ in loader:
            optimizer.zero_grad()
            loss = F.mse_loss(model(images), images)
            loss.backward()
            optimizer.step()
            step += 1
            if step == args.steps:
                break
        print(f"epoch {epoch}: error {loss.item():.5f} of the last batch", flush=True)
        if step == args.steps:
            break

    with minitorch.no_grad():
        images, _ = next(iter(DataLoader(test_set, 256)))
        drawn = model(images)
        error = F.mse_loss(drawn, images) / F.mse_loss(images.mean(0, keepdim=True).expand_as(images), images)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    common.grid(minitorch.cat([images[:8], drawn[:8]]), args.out)
    print(
        f"{args.code} numbers for {images[0].numel():,}; what is lost of the variance: {error.item():.1%}; {args.out}"
    )
    return error.item()


if __name__ == "__main__":
    main()
