"""In plain mode SGD and Adam step by their NumPy formulas: as their kernels do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch import kernels
from minitorch.autograd import plain

OPTIONS = [
    (minitorch.optim.SGD, {"lr": 0.1}),
    (minitorch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True}),
    (minitorch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "maximize": True}),
    (minitorch.optim.Adam, {"lr": 0.1}),
    (minitorch.optim.Adam, {"lr": 0.1, "betas": (0.7, 0.8), "weight_decay": 0.1, "amsgrad": True}),
    (minitorch.optim.AdamW, {"lr": 0.1, "maximize": True}),
]


@pytest.mark.parametrize(("optimizer", "options"), OPTIONS, ids=str)
def test_plain_steps(optimizer: Any, options: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four steps of a matrix and a vector, in plain mode without any kernel."""

    def run() -> list[np.ndarray]:
        draw = np.random.default_rng(1)
        params = [minitorch.tensor(draw.normal(size=s).astype(np.float32), requires_grad=True) for s in ((5, 7), (3,))]
        made = optimizer(params, **options)
        for _ in range(4):
            for p in params:
                p.grad = minitorch.tensor(draw.normal(size=p.shape).astype(np.float32))
            made.step()
        return [p.array for p in params]

    expected = run()
    monkeypatch.setattr(plain, "enabled", True)
    monkeypatch.setattr(kernels, "update", lambda *args: pytest.fail("a kernel was called"))
    for found, e in zip(run(), expected, strict=True):
        np.testing.assert_allclose(found, e, rtol=1e-5, atol=1e-6)
