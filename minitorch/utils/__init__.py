"""What surrounds training: `data` feeds it, `checkpoint` trades time for memory."""

from . import checkpoint, data

__all__ = ["checkpoint", "data"]
