"""The tests are tested: every derivative rule is bent by 1% in turn, and the checks of its samples must notice.

Without a bend the same checks pass: they are test_first_derivative and test_second_derivative of test_primitives.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from counted import BENDS
from samples import ROWS, Row
from test_primitives import check_first_order, check_second_order

from minitorch.autograd import GradcheckError

RULES = [(row, position) for row in ROWS.values() for position in row.bendable()]


def bent(rule: Callable) -> Callable:
    """The rule, times 1.01."""

    def scaled(*args: Any) -> Any:
        found = rule(*args)
        return (found.compute() if hasattr(found, "join") else found) * 1.01

    return scaled


def noticed(row: Row) -> bool:
    """Whether some sample of the row fails its derivative checks."""
    try:
        for sample in row.samples:
            if not sample.special:
                check_first_order(row, sample)
                check_second_order(row, sample)
    except GradcheckError:
        return True
    return False


@pytest.mark.parametrize("row,position", RULES, ids=[f"{row.name}-{row.primitive.arguments[p]}" for row, p in RULES])
def test_bent_rule_is_noticed(row: Row, position: int) -> None:
    """1% too much in this one rule makes the derivative checks fail."""
    rules = row.primitive.rules
    name = f"{row.name}, rule of {row.primitive.arguments[position]}"
    straight = rules[position]
    rules[position] = bent(straight)
    try:
        BENDS[name] = noticed(row)
    finally:
        rules[position] = straight
    assert BENDS[name], f"{name}: bent by 1%, and no check failed"
