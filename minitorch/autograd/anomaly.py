"""Where a NaN came from: nodes remember the line that made them, and backward stops at the first NaN."""

from __future__ import annotations

import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from .modes import Recorder, _recorder
from .tape import Node, plain

__all__ = ["detect_anomaly", "is_anomaly_enabled", "set_detect_anomaly"]

_HERE = str(Path(__file__).parents[1])


class Trace:
    """Remembers where nodes are recorded; check_nan: whether gradients are searched for NaN."""

    def __init__(self, check_nan: bool) -> None:
        self.check_nan = check_nan

    def record(self, node: Node) -> None:
        """Note the lines that led to the node, up to the last one outside this package."""
        lines = traceback.extract_stack()
        while len(lines) > 1 and lines[-1].filename.startswith(_HERE):
            lines.pop()
        node.origin = lines

    def check(self, node: Node, position: int, piece: Any) -> None:
        """Raises RuntimeError for a gradient with NaN, after a warning that shows the line of the forward pass."""
        array = plain(piece)
        if not self.check_nan or not isinstance(array, np.ndarray) or not np.isnan(array).any():
            return
        name, origin = node.primitive.name, node.origin
        if origin is None:
            warnings.warn(
                f"Error detected in {name}. No forward pass information available. Enable detect anomaly during "
                "forward pass for more information.",
                stacklevel=2,
            )
        else:
            lines = "".join(origin.format())
            warnings.warn(
                f"Error detected in {name}. Traceback of forward call that caused the error:\n{lines}", stacklevel=2
            )
        raise RuntimeError(f"Function '{name}' returned nan values in its {position}th output.")


class set_detect_anomaly:
    """Turn the search on or off: at once when called as a function, until the end of the block as a context manager."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = before = _recorder.get()
        trace = Trace(check_nan) if mode else None
        save, refusal = (before.save, before.refusal) if before else (None, None)
        _recorder.set(Recorder(save, trace, refusal) if trace or save or refusal else None)

    def __enter__(self) -> None:
        """It is on already."""

    def __exit__(self, *error: object) -> None:
        _recorder.set(self._before)


class detect_anomaly(set_detect_anomaly):
    """Inside, backward raises RuntimeError at the first NaN and warns with the line of the forward pass; for debugging.

    check_nan=False only remembers the lines. Recording takes about ten times as long.

    >>> import minitorch
    >>> import warnings
    >>> warnings.simplefilter("ignore")
    >>> x = minitorch.tensor(-1.0, requires_grad=True)
    >>> with detect_anomaly():
    ...     minitorch.sqrt(x).backward()
    Traceback (most recent call last):
    RuntimeError: Function 'sqrt' returned nan values in its 0th output.
    """

    def __init__(self, check_nan: bool = True) -> None:
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging.",
            stacklevel=2,
        )
        self.check_nan = check_nan
        self._before = None

    def __enter__(self) -> None:
        super().__init__(True, self.check_nan)


def is_anomaly_enabled() -> bool:
    """Whether nodes remember where they were recorded."""
    recorder = _recorder.get()
    return recorder is not None and recorder.trace is not None
