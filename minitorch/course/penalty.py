"""A loss that holds the slope of a network near a wanted one: training through a gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minitorch.autograd import grad

__all__ = ["gradient_penalty"]


def gradient_penalty(critic: Callable, x: Any, wanted: float = 1.0) -> Any:
    """The mean over samples n of (|g[n]| - wanted)^2, where g is the gradient of critic(x).sum() for x (N, ...).

    |g[n]| is the Euclidean length of sample n's part. The result can be differentiated by the parameters of `critic`;
    what x came from receives nothing.
    """
    # BEGIN SOLUTION 12.4
    points = x.detach().requires_grad_()
    (g,) = grad(critic(points).sum(), points, create_graph=True)
    lengths = g.reshape(len(g), -1).square().sum(1).sqrt()
    return (lengths - wanted).square().mean()
    # END SOLUTION
