"""The ordinary loops of kernels/loops.py: they agree with the reference, and the environment chooses them."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from minitorch.geometry import ConvGeometry
from minitorch.kernels import loops, reference

GEOMETRIES = {
    "plain": ConvGeometry.of((7, 9), (3, 3), 1, 1),
    "all settings": ConvGeometry.of((7, 9), (2, 3), (2, 1), ((0, 1), (2, 0)), (1, 2)),
    "groups, by the reference": ConvGeometry.of((7, 9), (3, 3), 1, 1, 1, 3),
    "one axis, by the reference": ConvGeometry.of((7,), (3,)),
}


@pytest.mark.parametrize("name", ["conv", "conv_transpose", "conv_weight_grad"])
@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
def test_agree_with_the_reference(name: str, geometry: ConvGeometry) -> None:
    """The three faces, whatever stood in the result."""
    random = np.random.default_rng(0)
    x = random.standard_normal((2, *geometry.input_size, 6))
    w = random.standard_normal((9, 6 // geometry.groups, *geometry.kernel_size))
    y = random.standard_normal((2, *geometry.output_size, 9))
    first, second, like = {"conv": (x, w, y), "conv_transpose": (y, w, x), "conv_weight_grad": (x, y, w)}[name]
    expected, found = np.full_like(like, 9), np.full_like(like, 7)
    getattr(reference, name)(first, second, expected, geometry)
    getattr(loops, name)(first, second, found, geometry)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_the_environment_chooses_them() -> None:
    """MINITORCH_KERNELS=loops runs a layer by them; here as plain Python, which compiles nothing."""
    code = (
        "import minitorch, minitorch.kernels.loops as loops; from minitorch import kernels; calls = []; "
        "forward = loops.forward; loops.forward = lambda *a: (calls.append(1), forward(*a)); "
        "minitorch.nn.Conv2d(2, 3, 3)(minitorch.ones(1, 2, 5, 5)); print(kernels.implementation(), len(calls))"
    )
    environment = {**os.environ, "MINITORCH_KERNELS": "loops", "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["loops", "1"]
