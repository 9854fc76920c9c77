"""DCGAN: transposed convolutions learn to draw, convolutions learn to tell the drawings from pictures.

python examples/dcgan.py                     draws Shapes; runs/dcgan/<epoch>.png shows how it gets better
python examples/dcgan.py --data FOLDER       draws what lies in FOLDER/<class>/*.jpg, at 32 x 32 pixels

After Radford, Metz, Chintala, "Unsupervised representation learning with deep convolutional generative adversarial
networks" (2015), with its settings: normal weights of deviation 0.02, batch norm, LeakyReLU, Adam(2e-4, (0.5, 0.999)).
"""

import argparse
from pathlib import Path

import common

import minitorch
from minitorch import nn, optim
from minitorch.nn import functional as F
from minitorch.utils.data import DataLoader
from minitorch.vision import datasets, transforms


def generator(noise, width, channels=3):
    """(N, noise, 1, 1) to images (N, channels, 32, 32) in [-1, 1]: each layer doubles the size."""

    def up(inputs, outputs, stride, padding):
        conv = nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False)
        return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]

    return nn.Sequential(
        *up(noise, 4 * width, 1, 0),  # 4 x 4
        *up(4 * width, 2 * width, 2, 1),  # 8 x 8
        *up(2 * width, width, 2, 1),  # 16 x 16
        nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False),  # 32 x 32
        nn.Tanh(),
    )


def discriminator(width, channels=3):
    """Images to one score each: above zero, if it takes them for real."""

    def down(inputs, outputs):
        return [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]

    return nn.Sequential(
        nn.Conv2d(channels, width, 4, 2, 1, bias=False),  # 16 x 16
        nn.LeakyReLU(0.2),
        *down(width, 2 * width),  # 8 x 8
        *down(2 * width, 4 * width),  # 4 x 4
        nn.Conv2d(4 * width, 1, 4, bias=False),
        nn.Flatten(0),
    )


def initialize(module):
    """The paper's weights."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def load(data):
    """Images in [-1, 1]."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)])
    if data == "shapes":
        return datasets.Shapes(train=True, transform=transform)
    sized = transforms.Compose([transforms.Resize(32), transforms.CenterCrop(32), transform])
    return datasets.ImageFolder(data, transform=sized)


def main(words=None):
    """Train both; returns images of the generator, (64, 3, 32, 32) in [0, 1]."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="shapes", help="shapes or a folder of folders of images (shapes)")
    parser.add_argument("--epochs", type=common.count, default=10, help="passes over the images (10)")
    parser.add_argument("--noise", type=common.count, default=64, help="numbers that each drawing is made of (64)")
    parser.add_argument("--width", type=common.count, default=32, help="channels of the layers next to the images (32)")
    parser.add_argument("--batch-size", type=common.count, default=64)
    parser.add_argument("--lr", type=common.rate, default=2e-4, help="learning rate of Adam (0.0002)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/dcgan"), help="the folder of the pictures")
    args = parser.parse_args(words)
    minitorch.manual_seed(args.seed)
    try:
        loader = DataLoader(load(args.data), args.batch_size, shuffle=True, drop_last=True)
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(str(error)) from None

    draw, judge = generator(args.noise, args.width).apply(initialize), discriminator(args.width).apply(initialize)
    draw_optimizer = optim.Adam(draw.parameters(), args.lr, betas=(0.5, 0.999))
    judge_optimizer = optim.Adam(judge.parameters(), args.lr, betas=(0.5, 0.999))
    same_noise = minitorch.randn(64, args.noise, 1, 1)
    ones, zeros = minitorch.ones(args.batch_size), minitorch.zeros(args.batch_size)

    for epoch in range(1, args.epochs + 1):
        for real, _ in loader:
            drawn = draw(minitorch.randn(args.batch_size, args.noise, 1, 1))
            # The judge learns from pictures and from drawings; these are detached, for the other net waits.
            judge_optimizer.zero_grad()
            judge_loss = F.binary_cross_entropy_with_logits(judge(real), ones)
            judge_loss = judge_loss + F.binary_cross_entropy_with_logits(judge(drawn.detach()), zeros)
            judge_loss.backward()
            judge_optimizer.step()
            # The generator learns to have its drawings taken for pictures.
            draw_optimizer.zero_grad()
            draw_loss = F.binary_cross_entropy_with_logits(judge(drawn), ones)
            draw_loss.backward()
            draw_optimizer.step()
        print(f"epoch {epoch}: judge {judge_loss.item():.3f}, generator {draw_loss.item():.3f}", flush=True)
        with minitorch.no_grad():
            pictures = draw(same_noise) / 2 + 0.5
        common.grid(pictures, args.out / f"{epoch}.png")
    return pictures


if __name__ == "__main__":
    main()
