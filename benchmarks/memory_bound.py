"""What is bound by memory: forward and backward of the ops between convolutions, and the optimizers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import nets
import numpy as np

IMAGES, LOGITS = (64, 64, 32, 32), (8192, 100)


class Op(NamedTuple):
    """A row: the least traffic in units of the operand's bytes, and the goal as a ratio to PyTorch's best layout."""

    name: str
    traffic: float
    why: str
    goal: float | None = None
    operand: str = "images"


# Read and write what must be: an array counts once for each pass over it that no cache of ours can save.
OPS = [
    Op("BatchNorm2d + ReLU", 8, "x twice, y; x and g twice, gx", 5.0),
    Op("MaxPool2d(2)", 2.625, "x, y (1/4), choice as bytes (1/16); the same back", 5.0),
    Op("AdaptiveAvgPool2d(1)", 2, "x; gx", 5.0),
    Op("add", 3, "x, y, sum; nothing back"),
    Op("GELU", 5, "x, y; x, g, gx"),
    Op("ReLU", 5, "x, y; y, g, gx"),
    Op("cross_entropy", 3, "logits; logits, gradient", operand="logits"),
    Op("SGD, momentum", 5, "p, g, buffer; p, buffer", operand="parameters"),
    Op("SGD, momentum (PyTorch: fused)", 5, "the same", operand="parameters"),
    Op("Adam", 7, "p, g, two moments; p, two moments", operand="parameters"),
    Op("Adam (PyTorch: fused)", 7, "the same", operand="parameters"),
]


def sizes(side: Any) -> dict[str, int]:
    """Bytes of each kind of operand."""
    parameters = sum(p.numel() for p in nets.vgg(side.lib.nn).parameters())
    return {"images": 4 * int(np.prod(IMAGES)), "logits": 4 * int(np.prod(LOGITS)), "parameters": 4 * parameters}


def ops(side: Any) -> dict[str, Callable[[], Any]]:
    """Every op of OPS as a function: forward and backward, or one step over the VGG-like net's parameters."""
    rng = np.random.default_rng(0)
    nn, grad = side.lib.nn, side.lib.autograd.grad
    functional = nn.functional

    def both(function: Callable[..., Any], *inputs: Any, and_to: Any = ()) -> Callable[[], Any]:
        """Forward, and the gradients for the inputs and for the parameters `and_to`."""
        shape = tuple(function(*inputs).shape)
        g = side.tensor(rng.standard_normal(shape, np.float32)) if shape else None
        targets = [*inputs, *and_to]
        return lambda: grad([function(*inputs)], targets, None if g is None else [g])

    def image() -> Any:  # the result of an op, as in a net
        x = side.tensor(rng.standard_normal(IMAGES, np.float32))
        return (x + x).requires_grad_()

    def step(kind: str, **settings: Any) -> Callable[[], Any]:
        parameters = list(side.model(nets.vgg).parameters())
        for p in parameters:
            p.grad = side.weight(rng.standard_normal(tuple(p.shape), np.float32))
        return getattr(side.lib.optim, kind)(parameters, lr=1e-4, **settings).step

    norm = side.model(lambda nn: nn.Sequential(nn.BatchNorm2d(IMAGES[1]), nn.ReLU()))
    logits = side.tensor(rng.standard_normal(LOGITS, np.float32)).requires_grad_()
    target = side.tensor(rng.integers(0, LOGITS[1], LOGITS[0]))
    functions = (
        both(norm, image(), and_to=norm.parameters()),
        both(lambda x: functional.max_pool2d(x, 2), image()),
        both(lambda x: functional.adaptive_avg_pool2d(x, 1), image()),
        both(lambda x, y: x + y, image(), image()),
        both(functional.gelu, image()),
        both(functional.relu, image()),
        both(lambda x: functional.cross_entropy(x, target), logits),
        step("SGD", momentum=0.9),
        step("SGD", momentum=0.9, fused=True),
        step("Adam"),
        step("Adam", fused=True),
    )
    return dict(zip((op.name for op in OPS), functions, strict=True))
