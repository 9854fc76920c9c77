"""Plain mode: every step of a net is the formula that its chapter derives, and nothing runs that nobody wrote down.

`minitorch.backends.plain.enabled = True`, or MINITORCH_PLAIN=1, turns all shortcuts off: layers call one op for each
term of their formulas (a convolution with a bias is `conv`, then `add_bias`; cross-entropy, unless labels are
smoothed, is `log_softmax`, then one element of each row), no result waits for what follows, optimizers step by NumPy's
formulas, and backward is the `sweep` below, in which every rule works on tensors, as it does where derivatives are
recorded. MINITORCH_PLAIN=1 also chooses the NumPy kernels of kernels/reference.py. Results agree within rounding. It
is slow, and made for a debugger, and for a course in which the rules and kernels that run are those that a student
wrote.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

enabled = os.environ.get("MINITORCH_PLAIN", "0") not in ("", "0")


def sweep(nodes: Sequence[Any], roots: Iterable[tuple[Any, Any]], hand_on: Callable[[Any, Any], Any]) -> dict[Any, Any]:
    """Backward in its plainest form: the gradient of every leaf that gradients from `roots` reach, by leaf.

    nodes: those of the tape below the roots, parents before children, as `tape._below` lists them. roots: pairs (edge,
    gradient), where an edge is a node or a leaf. hand_on(node, g) runs the rules of a node on its gradient g, and
    returns the pairs (parent, gradient for it). Gradients are tensors; what arrives at the same edge adds up, in a new
    tensor, because a rule may have handed the same one to several parents.
    """
    # BEGIN SOLUTION 2.2
    arrived: dict[Any, Any] = {}

    def deliver(pairs: Iterable) -> None:
        for edge, g in pairs:
            arrived[edge] = arrived[edge] + g if edge in arrived else g

    deliver(roots)
    for node in reversed(nodes):
        if node in arrived:
            deliver(hand_on(node, arrived.pop(node)))
    return arrived
    # END SOLUTION
