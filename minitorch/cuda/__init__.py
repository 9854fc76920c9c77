"""PyTorch's `cuda` as a build without CUDA answers: there are no GPUs, what needs one says so, what may be left out is.

>>> import minitorch
>>> minitorch.device("cuda" if minitorch.cuda.is_available() else "cpu")
device(type='cpu')
"""

from __future__ import annotations

from typing import Any, NoReturn

from .. import missing
from ..devices import refuse
from . import amp

__all__ = [
    "Event",
    "Stream",
    "amp",
    "current_device",
    "current_stream",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_rng_state",
    "get_rng_state_all",
    "init",
    "ipc_collect",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "reset_peak_memory_stats",
    "seed",
    "seed_all",
    "set_device",
    "set_rng_state",
    "set_rng_state_all",
    "synchronize",
]


def is_available() -> bool:
    """False: there is no GPU to compute on."""
    return False


def is_initialized() -> bool:
    """False: there is nothing to initialize."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Seed the generator of the current GPU, of which there is none: nothing happens."""
    int(seed)


def manual_seed_all(seed: int) -> None:
    """Seed the generators of all GPUs: nothing happens."""
    int(seed)


def seed() -> None:
    """As `manual_seed`, at random: nothing happens."""


def seed_all() -> None:
    """As `manual_seed_all`, at random: nothing happens."""


def get_rng_state_all() -> list:
    """The states of the generators of all GPUs: none."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Put the generators of all GPUs back: raises NoDeviceError if there are states."""
    for _ in new_states:
        raise refuse("cuda")


def empty_cache() -> None:
    """Free what the GPU's allocator keeps: nothing."""


def memory_allocated(device: Any = None) -> int:
    """Bytes of tensors on a GPU: 0."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def _needs_gpu(name: str) -> Any:
    def needs(*args: Any, **settings: Any) -> NoReturn:
        raise refuse("cuda")

    needs.__name__ = needs.__qualname__ = name
    needs.__doc__ = f"Raises NoDeviceError: `cuda.{name}` needs a GPU."
    return needs


synchronize, current_device, set_device = map(_needs_gpu, ("synchronize", "current_device", "set_device"))
get_device_name, get_device_properties = _needs_gpu("get_device_name"), _needs_gpu("get_device_properties")
get_device_capability, current_stream = _needs_gpu("get_device_capability"), _needs_gpu("current_stream")
get_rng_state, set_rng_state = _needs_gpu("get_rng_state"), _needs_gpu("set_rng_state")
init, ipc_collect, Stream, Event = map(_needs_gpu, ("init", "ipc_collect", "Stream", "Event"))
mem_get_info, reset_peak_memory_stats = _needs_gpu("mem_get_info"), _needs_gpu("reset_peak_memory_stats")
__getattr__ = missing.guide(__name__, "minitorch runs on the CPU: there are no GPUs")
