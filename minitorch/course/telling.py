"""What the tests of tasks ask with: an answer that is wrong is told in a student's terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


def answer(got: Any, expected: Any, of: str, mistakes: Mapping[str, Any]) -> None:
    """`same`; if the answer is what a known mistake gives, this is told. mistakes: words, and what comes of each."""
    try:
        same(got, expected, of)
    except Mistake as wrong:
        got = np.asarray(_array(got))
        for sentence, result in mistakes.items():
            result = np.asarray(_array(result))
            if result.shape == got.shape and np.allclose(got, result, rtol=1e-5, atol=1e-8, equal_nan=True):
                raise Mistake(f"{wrong}\n{sentence}") from None
        raise


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
