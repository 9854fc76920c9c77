"""In plain mode linear layers and cross-entropy are their definitions, with the same values and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch.autograd import plain
from minitorch.nn import functional as F

DRAW = np.random.default_rng(0)


def leaf(*sizes: int) -> Any:
    """Float64 numbers that require grad."""
    return minitorch.tensor(DRAW.normal(size=sizes), requires_grad=True)


X, LABELS = leaf(5, 4), minitorch.tensor([0, 3, -100, 1, 3])
CASES = {
    "linear": (lambda x, w, b: F.linear(x, w, b), (leaf(5, 4), leaf(3, 4), leaf(3))),
    "linear of a vector": (lambda x, w, b: F.linear(x, w, b), (leaf(4), leaf(3, 4), leaf(3))),
    "linear of stacks": (lambda x, w: F.linear(x, w), (leaf(2, 5, 4), leaf(3, 4))),
    "cross_entropy": (lambda x: F.cross_entropy(x, LABELS), (X,)),
    "cross_entropy, sum": (lambda x: F.cross_entropy(x, LABELS, reduction="sum"), (X,)),
    "cross_entropy, none": (lambda x: F.cross_entropy(x, LABELS, reduction="none"), (X,)),
    "cross_entropy, weighted": (lambda x: F.cross_entropy(x, LABELS, minitorch.arange(1.0, 5.0).double()), (X,)),
    "cross_entropy of images": (
        lambda x: F.cross_entropy(x, minitorch.tensor([[[0, 1]], [[2, 1]]]), reduction="none"),
        (leaf(2, 3, 1, 2),),
    ),
    "cross_entropy of one": (lambda x: F.cross_entropy(x, minitorch.tensor(2)), (leaf(4),)),
    "cross_entropy, all ignored": (lambda x: F.cross_entropy(x, minitorch.tensor([-100, -100])), (leaf(2, 3),)),
    "indexing": (lambda x: x[minitorch.tensor([1, 1, 4])] * x[:3] + x[0], (leaf(5, 4),)),
}


@pytest.mark.parametrize("case", CASES)
def test_plain_and_fast_agree(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values, shapes and gradients."""
    function, inputs = CASES[case]

    def run() -> list[np.ndarray]:
        out = function(*inputs)
        g = minitorch.tensor(np.cos(np.arange(out.numel(), dtype=np.float64)).reshape(out.shape))
        return [out.detach().numpy(), *(x.numpy() for x in minitorch.autograd.grad(out, inputs, g))]

    expected = run()
    monkeypatch.setattr(plain, "enabled", True)
    for found, e in zip(run(), expected, strict=True):
        assert found.shape == e.shape and found.dtype == e.dtype
        np.testing.assert_allclose(found, e, rtol=1e-12, atol=1e-14)


def test_plain_steps_are_on_the_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs is what the definitions say."""
    monkeypatch.setattr(plain, "enabled", True)
    loss = F.cross_entropy(F.linear(leaf(5, 4), leaf(4, 4), leaf(4)), LABELS)
    names, node = [], loss.node
    while node is not None and hasattr(node, "primitive"):
        names.append(node.primitive.name)
        node = next((p for p in node.parents if p is not None), None)
    assert names == ["multiply", "sum", "pick", "log_softmax", "add", "linear"]


def test_wrong_labels_raise_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A label that is no class."""
    monkeypatch.setattr(plain, "enabled", True)
    with pytest.raises(IndexError, match="Target 4 is out of bounds"):
        F.cross_entropy(leaf(1, 3), minitorch.tensor([4]))
