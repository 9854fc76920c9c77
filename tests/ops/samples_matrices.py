"""Rows of primitives of square matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
from samples import S, row

import minitorch
from minitorch.ops.factor import inverse_of


def shifted(x: Any) -> Any:
    """x + 4 times the identity, which is not singular, also if all rows of x are equal."""
    eye = 4 * np.eye(x.shape[-1])
    return x + (minitorch.from_numpy(eye).to(x.dtype) if isinstance(x, minitorch.Tensor) else eye)


row(
    "inverse",
    lambda n: [S(n(3, 3)), S(n(2, 2, 2)), S(n(0, 2, 2)), S(n(1, 1))],
    lambda x: np.linalg.inv(shifted(x)),
    call=lambda x: inverse_of(shifted(x)),
)
