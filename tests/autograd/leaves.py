"""What the tests of the tape begin with."""

from __future__ import annotations

from typing import Any

import minitorch as m


def leaf(*values: float) -> Any:
    """A float64 leaf that requires grad; a scalar for one value."""
    data = values[0] if len(values) == 1 else list(values)
    return m.tensor(data, dtype=m.float64, requires_grad=True)
