"""What the tests of tasks ask with: an answer that is wrong is told in a student's terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch


class Mistake(AssertionError):
    """An answer is wrong; the message says what was expected, what came, and where they part."""


def same(got: Any, expected: Any, of: str, *, rtol: float = 1e-6, atol: float = 1e-8) -> None:
    """Raises Mistake unless `got`, a tensor, array or number, has the shape and, within rounding, the values expected.

    of: what it is, as a noun: "the gradient of x".
    """
    got, expected = np.asarray(_array(got)), np.asarray(_array(expected))
    if got.shape != expected.shape:
        raise Mistake(f"{of} has shape {got.shape}, expected {expected.shape}")
    wrong = ~np.isclose(got, expected, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    where = f" at {list(at)}" if at else ""
    lines = [f"{of} is wrong{where}: got {got[at]:.6g}, expected {expected[at]:.6g}"]
    if wrong.size > 1:
        lines.append(f"{int(wrong.sum())} of {wrong.size} numbers differ")
    raise Mistake("\n".join(lines))


def gradients(function: Callable, *inputs: Any, of: str, second: bool = False) -> None:
    """Raises Mistake unless the gradients of a function of float64 tensors agree with differences.

    Those inputs that are tensors and require grad are checked; second: derivatives of the gradients, too.
    """
    try:
        minitorch.autograd.gradcheck(function, inputs)
        if second:
            minitorch.autograd.gradgradcheck(function, inputs)
    except minitorch.autograd.GradcheckError as error:
        raise Mistake(f"{of}: {error}") from None


def _array(x: Any) -> Any:
    return x.detach().numpy() if isinstance(x, minitorch.Tensor) else x
