"""Images: data sets, and what is done to pictures before training."""

from . import datasets, transforms

__all__ = ["datasets", "transforms"]
