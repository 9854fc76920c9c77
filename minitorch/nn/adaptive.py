"""Softmax over very many classes, most of them rare (Grave et al., 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..autograd.tape import watch, wrap
from ..ops.index import add_along, getitem, take_along
from ..ops.join import cat
from ..ops.reduce import argmax, log_softmax, mean
from ..ops.shape import reshape, unsqueeze
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _ASMoutput(NamedTuple):
    """The log-probability of each target, and minus their mean."""

    output: Any
    loss: Any


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-probabilities of classes that are numbered from frequent to rare, and their loss.

    The head tells the classes below cutoffs[0] apart, and names for all others the cluster that they are in: from one
    cutoff to the next. Cluster i tells its own apart after a projection to in_features / div_value^(i + 1) features.

    Raises ValueError unless cutoffs are different, increasing, and from 1 to n_classes - 1.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if cutoffs != sorted({int(c) for c in cutoffs}) or cutoffs[0] <= 0 or cutoffs[-1] > n_classes - 1:
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each "
                f"value is between 1 and n_classes-1, but got {cutoffs} of {n_classes} classes"
            )
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = cutoffs[0], len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            features = int(in_features // div_value ** (i + 1))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            layers = Linear(in_features, features, False, device, dtype), Linear(features, size, False, device, dtype)
            self.tail.append(Sequential(*layers))

    def reset_parameters(self) -> None:
        """Draw all weights again."""
        for layer in self.modules():
            if isinstance(layer, Linear):
                layer.reset_parameters()

    def forward(self, input_: Any, target_: Any) -> _ASMoutput:
        """The log-probability of each target (N,), input (N, in_features), or of () for (in_features,); and the loss.

        Raises RuntimeError for shapes that don't fit and targets out of range.
        """
        x, labels = input_.array.shape, target_.array
        if labels.ndim > 1 or len(x) != labels.ndim + 1:
            raise RuntimeError(
                f"AdaptiveLogSoftmaxWithLoss: 0D or 1D target tensor expected, with input tensors of one dimension "
                f"more; multi-target not supported. Got input {x} and target {labels.shape}"
            )
        if labels.ndim and len(labels) != x[0]:
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if labels.size and not 0 <= labels.min() <= labels.max() < self.n_classes:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range [{labels.min()}, "
                f"{labels.max()}] were found."
            )
        rows = input_ if labels.ndim else unsqueeze(input_, 0)
        flat = labels.reshape(-1)
        cluster = np.searchsorted(self.cutoffs, flat, side="right")  # 0 for the shortlist
        named = np.where(cluster == 0, flat, self.shortlist_size + cluster - 1)
        head = log_softmax(self.head(rows), 1)
        output = reshape(take_along(head, named[:, None], dim=1), shape=flat.shape)
        for i, layers in enumerate(self.tail):
            at = np.flatnonzero(cluster == i + 1)
            if at.size:
                inside = log_softmax(layers(getitem(rows, key=(at,))), 1)
                own = take_along(inside, (flat[at] - self.cutoffs[i])[:, None], dim=1)
                output = output + add_along(reshape(own, shape=at.shape), at, dim=0, shape=flat.shape)
        watch(output, target_)
        return _ASMoutput(output if labels.ndim else reshape(output, shape=()), -mean(output))

    def log_prob(self, input: Any) -> Any:
        """The log-probabilities of all classes, (N, n_classes) for (N, in_features)."""
        head = log_softmax(self.head(input), 1)
        parts = [getitem(head, key=(slice(None), slice(0, self.shortlist_size)))]
        for i, layers in enumerate(self.tail):
            of_cluster = getitem(head, key=(slice(None), slice(self.shortlist_size + i, self.shortlist_size + i + 1)))
            parts.append(log_softmax(layers(input), 1) + of_cluster)
        return cat(parts, 1)

    def predict(self, input: Any) -> Any:
        """The class with the largest log-probability, (N,); clusters are looked into only where the head names one."""
        best = argmax(self.head(input.detach()), 1).array.copy()
        rare = np.flatnonzero(best >= self.shortlist_size)
        if rare.size:
            best[rare] = argmax(self.log_prob(getitem(input.detach(), key=(rare,))), 1).array
        return wrap(best)
