"""Second derivatives that are zeros, and what gradcheck refuses."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch as m
from minitorch.autograd import grad, gradcheck
from minitorch.nn import functional as F


@pytest.mark.parametrize(
    "f",
    [
        F.leaky_relu,
        F.relu6,
        F.hardtanh,
        F.hardsigmoid,
        F.hardshrink,
        F.softshrink,
        F.relu,
        lambda x: F.threshold(x, 0.1, 2.0),
        lambda x: x.clamp(-1, 1),
        lambda x: x.clamp(max=m.zeros(1, 1, 4)),
        abs,
        lambda x: m.maximum(x, x * 2),
        lambda x: x.amax(-1),
        lambda x: x.min(),
        lambda x: x.norm(np.inf),
        lambda x: F.avg_pool1d(x, 2, 1),
        lambda x: F.max_pool1d(x, 2, 1),
        lambda x: F.adaptive_avg_pool1d(x, 2),
        lambda x: F.max_pool1d(x, 2, 1, return_indices=True)[0],
        lambda x: F.adaptive_max_pool1d(x, 2),
        lambda x: F.pad(x, (1, 1), "reflect"),
        lambda x: F.l1_loss(x, x.detach() + 1),
    ],
)
def test_second_derivatives_of_what_is_linear_in_pieces_are_zeros(f):
    """Not an error; and a product with such a function has the derivative of the product."""
    x = m.tensor([[[0.5, -2.0, 3.0, 0.2]]], requires_grad=True)
    (g,) = grad(f(x).sum(), x, create_graph=True)
    (gg,) = grad(g.sum(), x, create_graph=True)
    assert gg.tolist() == [[[0.0] * 4]]
    w = m.tensor(2.0, requires_grad=True)
    (g,) = grad((f(x) * w).sum(), x, create_graph=True)
    second, mixed = grad(g.sum(), (x, w))
    assert second.tolist() == [[[0.0] * 4]]
    np.testing.assert_allclose(mixed.item(), g.detach().numpy().sum() / 2, rtol=1e-6)


def test_gradcheck_refuses_inputs_that_overlap():
    """A step of one element would be a step of others: expanded memory, windows of one memory."""
    line = np.arange(4.0)
    windows = m.from_numpy(np.lib.stride_tricks.sliding_window_view(line, 3, writeable=True))
    for x in (m.ones(1, dtype=m.float64).expand(3), windows):
        with pytest.raises(RuntimeError, match="overlap"):
            gradcheck(lambda x: x * 2, x.detach().requires_grad_())
    strided = m.from_numpy(np.arange(12.0).reshape(3, 4)[::2, ::-3].T)
    assert gradcheck(lambda x: x * x, strided.requires_grad_())
