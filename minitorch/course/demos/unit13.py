"""A small net on the Shapes, trained by what you wrote: plain mode runs your rules and kernels."""

import time

import minitorch
from minitorch import nn
from minitorch.autograd import plain
from minitorch.vision import datasets

minitorch.manual_seed(0)
shapes = datasets.Shapes(train=True)
images = minitorch.tensor(shapes.data[:256].transpose(0, 3, 1, 2)[:, :, ::2, ::2] / 255).float()
labels = minitorch.tensor(shapes.targets[:256])
net = nn.Sequential(
    nn.Conv2d(3, 8, 3, stride=2, padding=1),
    nn.BatchNorm2d(8),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(8 * 16, 10),
)
optimizer = minitorch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
print(f"256 pictures of shapes, plain mode {'on: your rules, your kernels' if plain.enabled else 'off'}\n")
start = time.perf_counter()
for epoch in range(6):
    right = 0
    for first in range(0, 256, 32):
        x, y = images[first : first + 32], labels[first : first + 32]
        scores = net(x)
        loss = nn.functional.cross_entropy(scores, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        right += (scores.argmax(1) == y).sum().item()
    print(f"    epoch {epoch + 1}: {right / 256:4.0%} {'#' * (40 * right // 256)}")
print(f"\n{(time.perf_counter() - start) / 48 * 1e3:.1f} ms a step. The handout has what comes next.")
