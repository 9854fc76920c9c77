"""The package onnx, imported only when a model is written or read."""

from __future__ import annotations

from typing import Any


def import_onnx(who: str) -> Any:
    """The package, or an ImportError that says how to get it."""
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
        import onnx.printer
    except ImportError as error:
        raise ImportError(f"{who} needs onnx: pip install minitorch-numba[onnx]") from error
    return onnx
