"""Images: data sets, and what is done to pictures before training."""

from . import datasets, models, ops, transforms

__all__ = ["datasets", "models", "ops", "transforms"]
