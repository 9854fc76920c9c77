"""The loops around a net: an epoch of training, and how often it is right."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import no_grad
from ..nn import Module
from ..nn.functional import cross_entropy
from ..optim import Optimizer


def train_epoch(net: Module, batches: Iterable[tuple[Any, Any]], optimizer: Optimizer) -> float:
    """One pass over the batches in training mode, a step for each; returns the mean loss of all samples, a float.

    batches: pairs (x, labels), int64 labels (N,) for what `net(x)` gives as scores (N, C). The last batch may be
    smaller than the others, so losses are weighted by the sizes. The loss of a batch is its `cross_entropy`.

    >>> import minitorch
    >>> net = minitorch.nn.Linear(2, 2)
    >>> batches = [(minitorch.eye(2), minitorch.tensor([0, 1]))]
    >>> optimizer = minitorch.optim.SGD(net.parameters(), lr=1.0)
    >>> losses = [train_epoch(net, batches, optimizer) for _ in range(20)]
    >>> losses[-1] < losses[0]
    True
    """
    # BEGIN SOLUTION 6.2
    net.train()
    total, count = 0.0, 0
    for x, labels in batches:
        optimizer.zero_grad()
        mean = cross_entropy(net(x), labels)
        mean.backward()
        optimizer.step()
        total += mean.item() * len(labels)
        count += len(labels)
    return total / count
    # END SOLUTION


def accuracy(net: Module, batches: Iterable[tuple[Any, Any]]) -> float:
    """The share of samples whose label has the largest score, in eval mode, with nothing recorded.

    Afterwards the net is in the mode in which it was. batches: as above.
    """
    # BEGIN SOLUTION 6.3
    before, right, count = net.training, 0, 0
    net.eval()
    with no_grad():
        for x, labels in batches:
            right += int((net(x).argmax(1) == labels).sum().item())
            count += len(labels)
    net.train(before)
    return right / count
    # END SOLUTION


def batched(x: Any, labels: Any, size: int) -> list[tuple[Any, Any]]:
    """Tensors cut into batches of `size`, the last one maybe smaller."""
    return [(x[i : i + size], labels[i : i + size]) for i in range(0, len(labels), size)]
