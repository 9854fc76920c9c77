"""The recipe of examples/cifar10_airbench.py by PyTorch: the whole run that the example's result is held against.

    python benchmarks/recipe.py --data FOLDER [--seed N] [--epochs 9.9] [--threads N] [--limit N] [--out FILE]

Images, their order, shifts and mirrors, the first weights, rates and decays are the example's, taken from it; net,
loss, gradients, optimizer and averages are PyTorch's, in channels-last memory, its fastest here. Writes a line of JSON
for each epoch: seconds of training (the loop with its batches, tests left out), processor seconds, the median step,
accuracies.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from nets import airbench
from torch.nn import functional as F

import minitorch
from minitorch.vision.models import airbench94

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
import cifar10
import cifar10_airbench as recipe


def same_net(seed: int, train_set: Any) -> Any:
    """PyTorch's net with the weights that the example's has before its first step."""
    minitorch.manual_seed(seed)
    ours = airbench94(num_classes=len(train_set.classes))
    some = np.random.default_rng(seed).permutation(len(train_set))[:5000]
    ours.whiten(recipe.normalize(train_set.data[some]))
    net = airbench(torch.nn)
    net.load_state_dict({name: torch.tensor(value.numpy()) for name, value in ours.state_dict().items()})
    return net.to(memory_format=torch.channels_last)


def make_optimizer(net: Any, batch: int) -> Any:
    """The example's groups of parameters in PyTorch's SGD."""
    norm_biases = [layer.bias for layer in net if isinstance(layer, torch.nn.BatchNorm2d)]
    groups = recipe.groups_of(net.parameters(), norm_biases, batch)
    return torch.optim.SGD(groups, lr=groups[-1]["lr"], momentum=recipe.MOMENTUM, nesterov=True, fused=True)


@torch.no_grad()
def accuracy(net: Any, test_set: Any, views: int) -> float:
    """The fraction of the test images that is named rightly, by 1, 2 or 6 views."""

    def both(images: Any) -> Any:
        return net(images) if views == 1 else 0.5 * net(images) + 0.5 * net(images.flip(-1))

    net.eval()
    right = 0
    for first in range(0, len(test_set), 1000):
        images = torch.from_numpy(recipe.normalize(test_set.data[first : first + 1000]).numpy())
        scores = both(images)
        if views == 6:
            padded = F.pad(images, (1, 1, 1, 1), mode="reflect")
            shifted = both(padded[:, :, :-2, :-2]) + both(padded[:, :, 2:, 2:])
            scores = 0.5 * scores + 0.25 * shifted
        right += int((scores.argmax(1).numpy() == np.asarray(test_set.targets[first : first + 1000])).sum())
    return right / len(test_set)


def train(args: argparse.Namespace, train_set: Any, test_set: Any) -> None:
    """Train, and write a line for each epoch and one for the end."""
    views = recipe.Views(train_set.data, train_set.targets, args.batch_size, args.seed)
    total = math.ceil(len(views) * args.epochs)
    net = same_net(args.seed, train_set)
    optimizer = make_optimizer(net, args.batch_size)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, recipe.triangle(total))
    fast = [value for value in net.state_dict().values() if value.is_floating_point()]
    slow = [value.clone() for value in fast]

    @torch.no_grad()
    def average(decay: float) -> None:
        torch._foreach_lerp_(slow, fast, 1 - decay)
        torch._foreach_copy_(fast, slow)

    done, seconds, processor, steps = 0, 0.0, 0.0, []
    for epoch in range(math.ceil(args.epochs)):
        net.train()
        loss_sum, right, seen = 0.0, 0, 0
        began, began_processor = time.perf_counter(), time.process_time()
        for images, labels in views.epoch(epoch):
            start = time.perf_counter()
            x, y = torch.from_numpy(images.numpy()), torch.from_numpy(labels.numpy())
            net[0].bias.requires_grad_(done < recipe.WHITEN_BIAS_EPOCHS * len(views))
            outputs = net(x)
            loss = F.cross_entropy(outputs, y, label_smoothing=recipe.SMOOTHING, reduction="sum")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            done += 1
            if done % 5 == 0:
                average(0.95**5 * (done / total) ** 3)
            if done == total:
                average(1.0)
            loss_sum += loss.item()
            right += int((outputs.argmax(1) == y).sum())
            seen += len(y)
            steps.append(time.perf_counter() - start)
            if done == total:
                break
        seconds += time.perf_counter() - began
        processor += time.process_time() - began_processor
        row = {"epoch": min(epoch + 1, total / len(views)), "loss": loss_sum / seen, "accuracy": right / seen}
        row |= {"test_accuracy": accuracy(net, test_set, 1), "seconds": seconds, "processor_seconds": processor}
        row |= {"steps": done, "median_step": median(steps)}
        args.out.write(json.dumps(row) + "\n")
        args.out.flush()
    row = {f"test_accuracy_{views}_views": accuracy(net, test_set, views) for views in (1, 2, 6)}
    args.out.write(json.dumps(row | {"seed": args.seed, "threads": torch.get_num_threads()}) + "\n")


def main() -> None:
    """Parse the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="as the example's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=float, default=9.9)
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--threads", type=int, help="all that PyTorch takes by itself")
    parser.add_argument("--limit", type=int, help="so many training images only")
    parser.add_argument("--out", type=argparse.FileType("w"), default=sys.stdout)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    train_set, test_set = cifar10.load(args.data, None, None)
    if args.limit:
        some = np.random.default_rng(args.seed).permutation(len(train_set))[: args.limit]
        train_set.data, train_set.targets = train_set.data[some], [train_set.targets[i] for i in some]
    train(args, train_set, test_set)


if __name__ == "__main__":
    main()
