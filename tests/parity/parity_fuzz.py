"""The kinds of the fuzz harness that need PyTorch find planted mistakes, too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("torch")

from test_bends import bent  # noqa: E402
from test_fuzz import check_caught  # noqa: E402

import minitorch  # noqa: E402
from minitorch.autograd import registry  # noqa: E402


def bend(name: str) -> Callable[[pytest.MonkeyPatch], None]:
    """A primitive's first rule, times 1.01."""
    primitive = registry[name]
    return lambda patch: patch.setattr(primitive, "rules", [bent(primitive.rules[0]), *primitive.rules[1:]])


PLANTED: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "geometries": (bend("conv"), "gx is off by"),
    "programs": (bend("multiply"), "is off by"),
    "calls": (
        lambda patch: patch.setattr(minitorch, "cumsum", lambda *_, **__: np.zeros(2).sum(axis=9)),
        "an error from inside: numpy.exceptions.AxisError",
    ),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_mistakes_are_caught(kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """A slope that is 1% too large; an error that NumPy raises."""
    plant, word = PLANTED[kind]
    plant(monkeypatch)
    check_caught(kind, word, capsys)
