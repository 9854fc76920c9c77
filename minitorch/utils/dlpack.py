"""`from_dlpack` and `to_dlpack` at PyTorch's other place."""

from ..exchange import from_dlpack, to_dlpack

__all__ = ["from_dlpack", "to_dlpack"]
