"""PyTorch's mixed precision, as far as it means something here: nothing is cast, and losses are not scaled.

Scripts that use it run, in the dtypes of their tensors. Kernels compute in float32 or float64; half the bits would make
nothing faster on a CPU without instructions for them, so `autocast` is a block like any other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .devices import device

__all__ = ["GradScaler", "autocast", "is_autocast_available"]


class autocast:
    """A block, or with @ a function, in which PyTorch would choose dtypes; here it computes as it does outside."""

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        device(device_type)
        self.device, self.fast_dtype = device_type, dtype

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def call(*args: Any, **settings: Any) -> Any:
            return function(*args, **settings)

        return call


def is_autocast_available(device_type: str) -> bool:
    """False: `autocast` changes nothing."""
    device(device_type)
    return False


class GradScaler:
    """What PyTorch's is where it is not enabled: losses stay, `step(optimizer)` is `optimizer.step()`.

    >>> import minitorch
    >>> scaler = minitorch.amp.GradScaler()
    >>> scaler.is_enabled(), scaler.get_scale(), scaler.scale(minitorch.tensor(2.0))
    (False, 1.0, tensor(2.))
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if growth_factor <= 1.0:
            raise AssertionError(f"The growth factor must be > 1.0, but got {growth_factor}.")
        if backoff_factor >= 1.0:
            raise AssertionError(f"The backoff factor must be < 1.0, but got {backoff_factor}.")

    def scale(self, outputs: Any) -> Any:
        """The outputs, as they are."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Gradients are not scaled: nothing happens."""

    def step(self, optimizer: Any, *args: Any, **settings: Any) -> Any:
        """`optimizer.step` with these arguments."""
        return optimizer.step(*args, **settings)

    def update(self, new_scale: Any = None) -> None:
        """There is no scale to update."""

    def is_enabled(self) -> bool:
        """False."""
        return False

    def get_scale(self) -> float:
        """1.0."""
        return 1.0

    def state_dict(self) -> dict:
        """Nothing to save."""
        return {}

    def load_state_dict(self, state_dict: dict) -> None:
        """Whatever was saved has no effect."""
