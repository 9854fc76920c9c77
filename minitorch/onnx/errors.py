"""What can go wrong with files and models, beside wrong arguments."""

from __future__ import annotations


class ExportError(RuntimeError):
    """Raised for a model, or a part of it, that ONNX cannot say. placed: the message names the call and its layer."""

    placed = False


class LoadError(RuntimeError):
    """Raised for a file that is damaged, or that asks for what it must not."""
