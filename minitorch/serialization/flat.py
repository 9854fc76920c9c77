"""Flat files, of arrays by name: safetensors and NumPy's .npz."""

from __future__ import annotations

import json
import zipfile
from collections import OrderedDict
from typing import IO, Any

import numpy as np

from minitorch import dtypes
from minitorch.tensor import Tensor, from_numpy

from .reading import read_array
from .torch_reading import ELEMENTS, Elements

LONGEST = 1 << 22  # the longest header of a safetensors file that is read: of some 40,000 tensors
UNPACKED, RATIO = 1 << 26, 100  # an .npz file of n bytes may hold UNPACKED + RATIO * n
KINDS: dict[str, Elements] = {
    {"bool": "BOOL", "uint8": "U8", "bfloat16": "BF16"}.get(name) or name[0].upper() + name.lstrip("uintfloa"): elements
    for name, elements in ELEMENTS.items()
}


def flat(obj: Any, ending: str) -> dict[str, np.ndarray]:
    """The arrays of a dict of tensors by name. Raises TypeError for anything else."""
    if not isinstance(obj, dict):
        raise TypeError(f"save: a {ending} file holds a dict of tensors by name, but obj is a {type(obj).__name__}")
    for name, value in obj.items():
        if type(name) is not str:
            raise TypeError(f"save: a {ending} file holds tensors by name, but {name!r} is a {type(name).__name__}")
        if not isinstance(value, Tensor | np.ndarray | np.generic):
            raise TypeError(
                f"save: a {ending} file holds a flat dict of tensors, but obj[{name!r}] is a {type(value).__name__}; "
                "a .pt file holds nests"
            )
    return {name: value.array if isinstance(value, Tensor) else np.asarray(value) for name, value in obj.items()}


# --------------------------------------------------------------------------------------------------------- safetensors


def safetensors_of(obj: Any) -> bytes:
    """The file of a dict of tensors, and of its `metadata` where it has any. What shares memory is there twice."""
    from safetensors.numpy import save

    metadata = getattr(obj, "metadata", None) or {"format": "pt"}  # which others ask for
    arrays = {name: np.asarray(array, order="C") for name, array in flat(obj, ".safetensors").items()}
    for name, array in arrays.items():
        if array.dtype not in dtypes.narrow and (array.dtype.kind not in "biuf" or array.dtype.itemsize > 8):
            raise TypeError(f"save: a .safetensors file holds no elements of {array.dtype}, as obj[{name!r}] has")
    return save(arrays, metadata)


def read_safetensors(file: IO[bytes], size: int) -> tuple[OrderedDict, list[Tensor]]:
    """The tensors in a file of `size` bytes, by name; `.metadata` of the dict has its texts.

    The header is compared with the file before more is read.
    """
    from safetensors import deserialize

    file.seek(0)
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if length > min(size - 8, LONGEST):
        raise ValueError(f"its header announces {length:,} bytes; the file has {size:,}, and {LONGEST:,} are read")
    header = file.read(length)
    found = json.loads(header)
    if not isinstance(found, dict):
        raise ValueError("its header is no object")
    metadata = found.pop("__metadata__", {})
    if max((int(entry["data_offsets"][1]) for entry in found.values()), default=0) != size - 8 - length:
        raise ValueError("its tensors don't end where the file does")
    for name, entry in found.items():
        if entry["dtype"] not in KINDS:
            raise ValueError(
                f"{name[:100]} has elements of {str(entry['dtype'])[:50]}, of which there are no tensors here"
            )
    out: Any = OrderedDict()
    out.metadata = metadata
    read = dict(deserialize(start + header + file.read()))
    for name in found:  # in the order of the file
        entry, elements = read[name], KINDS[read[name]["dtype"]]
        content = np.frombuffer(entry["data"], elements.stored)
        out[name] = from_numpy(elements.made(content).reshape(entry["shape"]))
    return out, list(out.values())


# ----------------------------------------------------------------------------------------------------------------- npz


def npz_of(obj: Any) -> dict[str, np.ndarray]:
    """The arrays of a dict of tensors or arrays by name."""
    arrays = flat(obj, ".npz")
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"save: obj[{name!r}] is an array of Python objects; only numbers and text can be saved")
        if array.dtype in dtypes.narrow:
            raise TypeError(f"save: a .npz file holds no bfloat16, as obj[{name!r}] is; save its .float()")
    return arrays


def write_npz(file: Any, arrays: dict[str, np.ndarray]) -> None:
    """The arrays as numpy.savez writes them."""
    archive = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
    try:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        archive.close()
    finally:
        archive.fp = None


def read_npz(archive: zipfile.ZipFile, size: int) -> tuple[dict[str, Any], list[Tensor]]:
    """The arrays in a checked archive of `size` bytes; as tensors, where there is such a dtype."""
    members = archive.infolist()
    if sum(member.file_size for member in members) > UNPACKED + RATIO * size:
        raise ValueError(f"its members would unpack to far more than the {size:,} bytes of the file allow")
    out: dict[str, Any] = {}
    for member in members:
        with archive.open(member) as file:
            array = read_array(file, member.filename, member.file_size)
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        known = native.dtype.name in {d.name for d in dtypes.ALL}
        out[member.filename.removesuffix(".npy")] = from_numpy(native) if known else array
    return out, [value for value in out.values() if isinstance(value, Tensor)]
