"""What planted faults (faults.py) slipped through before it was here."""

from __future__ import annotations

import pytest
from samples import Row, incoming
from test_primitives import run, same, smooth

import minitorch
from minitorch.autograd import grad


@pytest.mark.parametrize("row", smooth, ids=[row.name for row in smooth])
def test_recorded_gradients_are_the_same(row: Row) -> None:
    """With create_graph=True a rule may compute in another way, as batch_norm's do; the gradients stay what they are.

    gradgradcheck does not see this: it compares the recorded gradient with nothing but itself.
    """
    for i, sample in enumerate(row.samples):
        if not sample.special:
            tensors, wanted = row.leaves(sample)
            out = row.apply(sample, tensors)
            if wanted and out.requires_grad:
                g = minitorch.from_numpy(incoming(out.shape, out.array.dtype))
                found = grad(out, wanted, g, create_graph=True, materialize_grads=True)
                for recorded, plain in zip(found, run(row, sample)[1], strict=True):
                    same(recorded.array, plain, f"{row.name}[{i}] recorded", rtol=1e-9)
