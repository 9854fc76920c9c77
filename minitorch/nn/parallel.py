"""Models on several devices: with the CPU alone, a wrapper that hands everything on."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from .module import Module

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]


class DataParallel(Module):
    """Calls `module`, on the one device there is; parameters have "module." before their names, as with several.

    Raises RuntimeError for devices other than the CPU.
    """

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        super().__init__()
        for device in (*(device_ids or ()), output_device):
            dtypes.check_device(device)
        self.module, self.dim = module, dim
        self.device_ids: list = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module makes of the input."""
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(Module):
    """Refused: there is one process."""

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        raise ValueError("DistributedDataParallel: there is one process; call the module itself, or use DataParallel")


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: Any = None,
) -> Any:
    """module(*inputs), on the one device there is."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return DataParallel(module, device_ids, output_device, dim)(*inputs, **(module_kwargs or {}))
