"""What is read of a file before anything of it runs: sizes against contents, names, order, places of outside data.

A file is somebody else's. Its own size bounds what it may ask for: an array is made only where as many bytes stand
there as its shape says.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from typing import Any

import numpy as np

from .errors import LoadError
from .operators import DTYPES

LARGEST = 2**31 - 1  # bytes of a message
DEPTH = 50  # subgraphs within subgraphs
FIELDS = {1: "float_data", 7: "int64_data", 11: "double_data"}  # all others stand in int32_data


def message_of(onnx: Any, f: Any) -> tuple[Any, str | None]:
    """The message in a file, and the folder in which its outside data may lie. Raises LoadError, TypeError, OSError."""
    folder = None
    if isinstance(f, str | os.PathLike):
        folder = os.path.dirname(os.path.realpath(f))
        with open(f, "rb") as file:
            if os.fstat(file.fileno()).st_size > LARGEST:
                raise LoadError(f"load: {os.fspath(f)!r} has more than {LARGEST} bytes, which a message cannot have")
            data = file.read(LARGEST + 1)
    elif hasattr(f, "read"):
        data = f.read()
    else:
        raise TypeError(f"load: `f` must be a path or a file open for reading, but got {type(f).__name__}")
    try:
        message = onnx.load_model_from_string(bytes(data))
    except Exception as error:  # protobuf's own classes
        raise LoadError(f"load: no ONNX file, or a damaged one: {error}") from None
    if not data or not message.HasField("graph") or not message.opset_import:
        raise LoadError("load: no ONNX file, or a damaged one: it has no graph, or does not say its opset")
    return message, folder


# ------------------------------------------------------------------------------------------------------------ arrays
def array_of(proto: Any, what: str, folder: str | None) -> np.ndarray:
    """The array of a tensor in a file. Raises LoadError, before memory is taken, where sizes do not fit."""
    if proto.data_type not in DTYPES:
        raise LoadError(f"load: {what} has element type {proto.data_type}, which there is not here")
    dtype, shape = DTYPES[proto.data_type], tuple(proto.dims)
    if any(n < 0 for n in shape) or len(shape) > 64:
        raise LoadError(f"load: {what} has shape {shape}")
    count = math.prod(shape)
    if proto.HasField("segment"):
        raise LoadError(f"load: {what} is in segments, which nobody reads")
    if proto.data_location == 1:
        return _outside(proto, what, folder, dtype, count).reshape(shape)
    if proto.HasField("raw_data"):
        if len(proto.raw_data) != count * dtype.itemsize:
            raise LoadError(
                f"load: {what} of shape {shape}, {dtype}, has {len(proto.raw_data)} bytes, not {count * dtype.itemsize}"
            )
        return np.frombuffer(proto.raw_data, dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(shape)
    data = getattr(proto, FIELDS.get(proto.data_type, "int32_data"))
    if len(data) != count:
        raise LoadError(f"load: {what} of shape {shape} has {len(data)} elements, not {count}")
    if proto.data_type == 10:  # the bits of float16
        return np.array(data, np.uint16).view(np.float16).reshape(shape)
    return np.array(data).astype(dtype).reshape(shape)


def _outside(proto: Any, what: str, folder: str | None, dtype: np.dtype, count: int) -> np.ndarray:
    """Data beside the file: in its folder or below, as many bytes as the shape says."""
    entries = {entry.key: entry.value for entry in proto.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise LoadError(f"load: {what} lies in another file, {location!r}: load the model by its path")
    path = os.path.realpath(os.path.join(folder, location))
    parts = location.replace("\\", "/").split("/")
    if not location or os.path.isabs(location) or ".." in parts or os.path.commonpath([folder, path]) != folder:
        raise LoadError(f"load: {what} lies at {location!r}, outside the folder of the model")
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", count * dtype.itemsize))
    except ValueError:
        raise LoadError(f"load: {what} in {location!r} has offset and length that are no numbers") from None
    try:
        info = os.stat(path)  # before it is opened: a pipe would wait for whoever writes
        fits = min(offset, length) >= 0 and offset + length <= info.st_size
        if not stat.S_ISREG(info.st_mode) or not fits or length != count * dtype.itemsize:
            raise LoadError(
                f"load: {what} of {count * dtype.itemsize} bytes is at {offset} to {offset + length} of "
                f"{location!r}, which has {info.st_size} and must be a file"
            )
        with open(path, "rb") as file:
            file.seek(offset)
            data = file.read(length)
        if len(data) != length:
            raise LoadError(f"load: {what}: {location!r} ended early")
    except OSError as error:
        raise LoadError(f"load: {what}: {error}") from None
    return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype, copy=False)


# ------------------------------------------------------------------------------------------------------------ graphs
def named(node: Any, index: int) -> str:
    """A node in a message."""
    return f"node {node.name!r}" if node.name else f"node {index} ({node.op_type})"


def subgraphs(node: Any) -> Iterator[tuple[str, Any]]:
    """The graphs among the attributes of a node."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.name, attribute.g
        for k, graph in enumerate(attribute.graphs):
            yield f"{attribute.name}[{k}]", graph


def check_graph(graph: Any, around: frozenset[str] = frozenset(), depth: int = 0) -> None:
    """Names are given once and before they are used; outputs are there. Raises LoadError."""
    if depth > DEPTH:
        raise LoadError(f"load: graphs in graphs, more than {DEPTH} deep")
    if graph.sparse_initializer:
        raise LoadError("load: sparse initializers, which there are not here")
    known: set[str] = set()
    for what, names in (("input", [v.name for v in graph.input]), ("initializer", [t.name for t in graph.initializer])):
        seen: set[str] = set()
        for name in names:
            if not name or name in seen:
                raise LoadError(f"load: {what} {name!r} is there twice" if name else f"load: an {what} has no name")
            seen.add(name)
        known |= seen
    makers: dict[str, int] = {}
    for i, node in enumerate(graph.node):
        texts = (node.op_type, node.domain, node.name, *node.input, *node.output, *(a.name for a in node.attribute))
        if not all(isinstance(text, str) for text in texts):  # protobuf gives bytes for what is no UTF-8
            raise LoadError(f"load: node {i} has a name that is no text")
        for name in node.output:
            if name and (name in makers or name in known):
                raise LoadError(f"load: {named(node, i)} gives {name!r}, which is there already")
            if name:
                makers[name] = i
    for i, node in enumerate(graph.node):
        for name in node.input:
            if name and name not in known and name not in around:
                if name not in makers:
                    raise LoadError(f"load: {named(node, i)} takes {name!r}, which nothing gives")
                _raise_order(graph, makers, i, name)
        for _, inner in subgraphs(node):
            check_graph(inner, around | known, depth + 1)
        known.update(name for name in node.output if name)
    for value in graph.output:
        if value.name not in known and value.name not in around:
            raise LoadError(f"load: output {value.name!r} is given by nothing")
    if not graph.output:
        raise LoadError("load: a graph without outputs")


def _raise_order(graph: Any, makers: dict[str, int], start: int, name: str) -> None:
    """Say whether node `start`, which takes what a later one gives, is in a cycle."""
    waiting, seen = [makers[name]], set()
    while waiting:
        k = waiting.pop()
        if k == start:
            raise LoadError(
                f"load: {named(graph.node[start], start)} is in a cycle: it takes {name!r}, made of its own output"
            )
        if k not in seen:
            seen.add(k)
            waiting.extend(makers[n] for n in graph.node[k].input if n in makers)
    raise LoadError(f"load: {named(graph.node[start], start)} takes {name!r}, which a later node gives")
