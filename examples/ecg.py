"""Heartbeats: one-dimensional convolutions sort beats of a synthetic ECG, most of which are normal.

python examples/ecg.py

Each beat is 180 samples, half a second at 360 Hz, a sum of bumps: P wave, the narrow QRS spike, T wave. Three kinds:
normal; ventricular, with a wide spike and no P wave; atrial, early and with a bent P wave. 80 % are normal, so the
loss weighs the classes, and the result is the accuracy of each class, not of all beats.
"""

import argparse

import numpy as np
from common import count, rate

import minitorch
from minitorch import nn, optim
from minitorch.nn import functional as F
from minitorch.utils.data import DataLoader, TensorDataset

CLASSES = ["normal", "ventricular", "atrial"]
SHARE = [0.8, 0.1, 0.1]
LENGTH = 180


def beats(count, seed):
    """Signals (N, 1, LENGTH) and classes (N,)."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 1, LENGTH)
    labels = rng.choice(3, count, p=SHARE)

    def bump(place, width, height):
        """A bell curve for each beat; every number varies by a tenth."""
        place, width, height = (
            value * rng.normal(1, s, (count, 1)) for value, s in ((place, 0.03), (width, 0.1), (height, 0.1))
        )
        return height * np.exp(-(((t - place) / width) ** 2))

    ventricular, atrial = (labels == 1)[:, None], (labels == 2)[:, None]
    p = bump(0.25, 0.04, 0.2) - atrial * bump(0.27, 0.02, 0.25)
    narrow = bump(0.45, 0.012, 1.0) - bump(0.42, 0.01, 0.15) - bump(0.48, 0.012, 0.25)
    wide = bump(0.45, 0.05, 1.1) - bump(0.55, 0.05, 0.4)
    signal = np.where(ventricular, wide, narrow + p) + bump(0.72, 0.08, 0.3) * np.where(ventricular, -1, 1)
    drift = 0.2 * np.sin(2 * np.pi * (t * rng.uniform(0.2, 0.8, (count, 1)) + rng.random((count, 1))))
    signal = signal + drift + rng.normal(0, 0.05, signal.shape)
    return minitorch.from_numpy(signal[:, None].astype(np.float32)), minitorch.from_numpy(labels)


def net():
    """Three convolutions along time, the strongest answer of each channel, one linear layer."""
    layers, channels = [], 1
    for width in (16, 32, 64):
        layers += [nn.Conv1d(channels, width, 7, padding=3, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
        layers.append(nn.MaxPool1d(3))
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(channels, len(CLASSES)))


def main(words=None):
    """Train and test; returns the accuracy of the worst class."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=count, default=5, help="passes over the beats (5)")
    parser.add_argument("--count", type=count, default=4000, help="beats to learn from (4000)")
    parser.add_argument("--lr", type=rate, default=0.003, help="learning rate of AdamW (0.003)")
    args = parser.parse_args(words)
    minitorch.manual_seed(0)
    loader = DataLoader(TensorDataset(*beats(args.count, 0)), 64, shuffle=True)
    weight = 1 / minitorch.tensor(SHARE)

    model = net()
    optimizer = optim.AdamW(model.parameters(), args.lr)
    for epoch in range(1, args.epochs + 1):
        model.train()
        for signals, labels in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(signals), labels, weight)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        print(f"epoch {epoch}: loss {loss.item():.4f} of the last batch", flush=True)

    model.eval()
    signals, labels = beats(1000, 1)
    with minitorch.no_grad():
        right = (model(signals).argmax(1) == labels).numpy()
    scores = [float(right[labels.numpy() == k].mean()) for k in range(len(CLASSES))]
    for name, score in zip(CLASSES, scores, strict=True):
        print(f"  {name:<12} {score:6.1%}")
    return min(scores)


if __name__ == "__main__":
    main()
