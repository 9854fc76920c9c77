"""Where tensors are, and how: devices, of which only the CPU holds any, memory formats, layouts; PyTorch's names."""

from __future__ import annotations

from typing import Any

# Those that PyTorch knows, in the order of its error message.
KNOWN = """cpu cuda ipu xpu mkldnn opengl opencl ideep hip ve fpga maia xla lazy vulkan mps meta hpu mtia
    privateuseone""".split()  # noqa: SIM905


class NoDeviceError(AssertionError, RuntimeError):
    """Raised where something is asked of a device that is not the CPU: PyTorch's CPU build raises either class."""


class device:
    """A device by name: `device("cpu")`, `device("cpu", 0)`, `device("cuda:1")`. All tensors are on the CPU.

    Others can be named and compared, as scripts do that choose one, but nothing can be put there. Equal to its name, a
    string. Raises RuntimeError for a name that PyTorch does not know.

    >>> import minitorch
    >>> minitorch.device("cpu", 0), minitorch.ones(2).device == minitorch.device("cpu")
    (device(type='cpu', index=0), True)
    """

    __slots__ = ("index", "type")
    type: str
    index: int | None

    def __init__(self, type: Any, index: Any = None) -> None:
        if isinstance(type, device) and index is None:
            name, index = type.type, type.index
        elif isinstance(type, int) and not isinstance(type, bool) and index is None:
            raise RuntimeError("Cannot access accelerator device when none is available: a number names a GPU.")
        elif isinstance(type, str) and (index is None or isinstance(index, int)):
            name, index = _parsed(type, index)
        else:
            raise TypeError(f"device(): expected a name such as 'cpu', and an int, but got {type!r}, {index!r}")
        object.__setattr__(self, "type", name)
        object.__setattr__(self, "index", index)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"attribute {name!r} of 'minitorch.device' objects is not writable")

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device(type={self.type!r}{'' if self.index is None else f', index={self.index}'})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, device):
            return (self.type, self.index) == (other.type, other.index)
        return isinstance(other, str) and str(self) == other

    def __hash__(self) -> int:
        return hash(str(self))

    def __reduce__(self) -> tuple:
        return device, (self.type, self.index)

    def __enter__(self) -> device:
        check(self)
        return self

    def __exit__(self, *exception: object) -> None:
        pass


def _parsed(text: str, index: int | None) -> tuple[str, int | None]:
    """The type and index that a string and an index name."""
    name, colon, number = text.partition(":")
    if name not in KNOWN:
        raise RuntimeError(f"Expected one of {', '.join(KNOWN)} device type at start of device string: {text}")
    if colon and (not number.isascii() or not number.isdigit() or (number[0] == "0" and number != "0")):
        raise RuntimeError(f"Invalid device string: {text!r}")
    if colon and index is not None:
        raise RuntimeError(f"type (string) must not include an index because index was passed explicitly: {text}")
    if index is not None and index < 0:
        raise RuntimeError(f"Device index must not be negative, but got {index}")
    return name, int(number) if colon else index


CPU = device("cpu")


def refuse(what: Any) -> NoDeviceError:
    """The error for another device than the CPU."""
    return NoDeviceError(
        f"minitorch runs on the CPU: `device` must be 'cpu' or None, but got {what!r}. Ask "
        "minitorch.cuda.is_available(), which is False, before choosing one"
    )


def check(value: Any) -> None:
    """Raises NoDeviceError for what is not on the CPU, TypeError for what is no device. None stands for the CPU."""
    if value is None or value is CPU or value == "cpu":
        return
    if isinstance(value, bool) or not isinstance(value, device | str | int):
        raise TypeError(f"argument `device` must be a minitorch.device, but got {type(value).__name__}")
    if (value if isinstance(value, device) else device(value)).type != "cpu":
        raise refuse(str(value))


def get_default_device() -> device:
    """The device of new tensors: the CPU."""
    return CPU


def set_default_device(device: Any) -> None:
    """Make a device that of new tensors. Raises NoDeviceError for any but the CPU."""
    check(device)


class memory_format:
    """An order of axes in memory: `contiguous_format`, `channels_last`, `channels_last_3d`, `preserve_format`."""

    def __init__(self, name: str, ndim: int | None = None) -> None:
        self.name, self.ndim = name, ndim

    def __repr__(self) -> str:
        return f"minitorch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


class layout:
    """How elements are stored: `strided`, as every tensor here is."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"minitorch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


contiguous_format, preserve_format = memory_format("contiguous_format"), memory_format("preserve_format")
channels_last, channels_last_3d = memory_format("channels_last", 4), memory_format("channels_last_3d", 5)
strided = layout("strided")
layout_type = layout


def check_format(value: Any, ndim: int, default: memory_format = preserve_format) -> memory_format:
    """A memory format, `default` for None. Raises TypeError for anything else, RuntimeError where axes don't fit."""
    if value is None:
        return default
    if not isinstance(value, memory_format):
        raise TypeError(f"argument `memory_format` must be a minitorch.memory_format, but got {type(value).__name__}")
    if value.ndim not in (None, ndim):
        raise RuntimeError(f"required rank {value.ndim} tensor to use {value.name} format, but got {ndim} dimensions")
    return value


def check_placement(layout: Any, pin_memory: Any) -> None:
    """The arguments `layout` and `pin_memory` of new tensors: strided, and not pinned; RuntimeError for others."""
    if layout is not None and not isinstance(layout, layout_type):
        raise TypeError(f"argument `layout` must be minitorch.layout, but got {type(layout).__name__}")
    if layout is not None and layout is not strided:
        raise RuntimeError(
            f"minitorch has strided tensors only: `layout` must be minitorch.strided, but got {layout!r}"
        )
    if pin_memory:
        raise RuntimeError("pin_memory=True requires a CUDA or other accelerator backend; there is none")
