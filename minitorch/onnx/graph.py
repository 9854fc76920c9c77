"""The graph of an export: nodes, constants, and sizes that stay open, computed from the sizes of what is there."""

from __future__ import annotations

import itertools
import math
import re
from fractions import Fraction
from typing import Any

import numpy as np

from .errors import ExportError
from .trace import Merged, Varying, together


class _Types(dict):
    """ONNX's numbers of element types, by NumPy's names."""

    def __missing__(self, name: str) -> int:
        raise ExportError(f"export: {name} is not written, as few of ONNX's operators take it; export `model.float()`")


TYPES = _Types(
    {
        "float32": 1,
        "uint8": 2,
        "int8": 3,
        "uint16": 4,
        "int16": 5,
        "int32": 6,
        "int64": 7,
        "bool": 9,
        "float16": 10,
        "float64": 11,
        "uint32": 12,
        "uint64": 13,
    }
)


class Unsaid(Exception):
    """Raised by a row of the tables for a call that it has no words for."""


class Graph:
    """Collects nodes. onnx: the package. opset: the version of the operators. symbols: names of sizes that stay open,
    with what they were in each run."""

    def __init__(self, onnx: Any, opset: int, symbols: dict[str, tuple[int, ...]], state: dict[int, Merged]) -> None:
        self.onnx, self.opset, self.symbols, self._state = onnx, opset, symbols, state
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}
        self.layer = ""
        self._taken: set[str] = set()
        self._contents: dict[tuple, str] = {}
        self._sizes: dict[tuple[int, ...], str | tuple[str, int]] = {}  # what a size was: its name, or whose axis it is

    # ------------------------------------------------------------------------------------------------- names and nodes
    def reserve(self, names: list[str]) -> None:
        """These names are taken."""
        self._taken.update(names)

    def named(self, tensor: Any) -> Merged:
        """The value of a parameter or buffer of the model."""
        if id(tensor) not in self._state:
            raise Unsaid("a weight that is no parameter of the model")
        return self._state[id(tensor)]

    def fresh(self, wish: str) -> str:
        """A name that nobody has, like `wish`."""
        name, n = wish, 0
        while name in self._taken:
            n += 1
            name = f"{wish}_{n}"
        self._taken.add(name)
        return name

    def node(self, op: str, *inputs: Any, outputs: int = 1, domain: str = "", **attributes: Any) -> Any:
        """A new node; its output's name, or a tuple of them. Inputs are names, values, arrays, or None."""
        names = [self.name(value) for value in inputs]
        while names and not names[-1]:
            names.pop()
        base = f"{self.layer}/{op}" if self.layer else op
        outs = [self.fresh(f"{base}_output" if outputs == 1 else f"{base}_output_{i}") for i in range(outputs)]
        attributes = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(
            self.onnx.helper.make_node(op, names, outs, name=self.fresh(base), domain=domain or None, **attributes)
        )
        return outs[0] if outputs == 1 else tuple(outs)

    def name(self, value: Any) -> str:
        """The name of a value; constants become initializers. Raises ExportError for a value that could not be said."""
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, np.ndarray | np.generic):
            return self.constant(np.asarray(value))
        if isinstance(value, Varying) and all(isinstance(a, np.ndarray) for a in value.entries):
            return self._varying_constant(list(value.entries))
        if isinstance(value, Varying):
            raise Unsaid(f"a setting that depends on the input: {value}")
        if value.error is not None:
            raise value.error
        if not value.name:
            if value.kind != "constant":
                raise Unsaid("a value that no call before has made")
            same = self._same(value.arrays)
            value.name = self.constant(value.arrays[0]) if same else self._varying_constant(value.arrays)
        elif value.kind == "named" and value.name not in self.constants:
            self.constants[value.name] = value.arrays[0]
        return value.name

    def maker(self, value: Any) -> Any:
        """The node that gives a value, if there is one."""
        name = self.name(value)
        return next((node for node in reversed(self.nodes) if name in node.output), None)

    def attributes(self, node: Any) -> dict[str, Any]:
        """The attributes of a node by name."""
        return {a.name: self.onnx.helper.get_attribute_value(a) for a in node.attribute}

    def constant(self, array: np.ndarray, wish: str = "constant") -> str:
        """The name of an initializer with these contents."""
        if array.dtype.name not in TYPES:
            raise Unsaid(f"dtype {array.dtype}")
        key = (array.shape, array.dtype.char, array.tobytes())
        if key not in self._contents:
            self._contents[key] = self.fresh(wish)
            self.constants[self._contents[key]] = array
        return self._contents[key]

    def number(self, value: Any, dtype: np.dtype) -> Any:
        """Python's number as a constant of a dtype; other values as they are."""
        if isinstance(value, Varying):
            return self._scalar(np.array(value.entries, np.float64), dtype)
        return np.asarray(value, dtype) if isinstance(value, int | float | np.generic) else value

    # ------------------------------------------------------------------------------------------------------- sizes
    def knows(self, value: Merged) -> None:
        """A value that is computed by now: sizes may be read off it."""
        for axis, size in enumerate(value.shape):
            if isinstance(size, Varying):
                self._sizes.setdefault(size.entries, (value.name, axis))

    def forget_sizes(self) -> None:
        """Nodes were taken back: sizes that they computed are unknown again."""
        made = {name for node in self.nodes for name in node.output}
        self._sizes = {v: k for v, k in self._sizes.items() if isinstance(k, tuple) or k in made}

    def count(self, sizes: Any, dtype: np.dtype) -> Any:
        """The product of ints and Varyings as a number of a dtype."""
        plain = math.prod(n for n in sizes if not isinstance(n, Varying))
        out: Any = np.array([plain])
        for size in sizes:
            if isinstance(size, Varying):
                out = self.node("Mul", out, self.size(size))
        return self.node("Cast", out, to=TYPES[dtype.name]) if isinstance(out, str) else out.astype(dtype)

    def ints(self, sizes: Any) -> str:
        """A vector of int64 of ints and Varyings."""
        if not any(isinstance(size, Varying) for size in sizes):
            return self.constant(np.array(sizes, np.int64).reshape(-1))
        parts, plain = [], []  # type: tuple[list[str], list[int]]
        for size in sizes:
            if isinstance(size, Varying):
                if plain:
                    parts.append(self.constant(np.array(plain, np.int64)))
                parts.append(self.size(size))
                plain = []
            else:
                plain.append(size)
        if plain:
            parts.append(self.constant(np.array(plain, np.int64)))
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=0)

    def size(self, size: Varying) -> str:
        """A vector of the one size: an axis of something known, or a multiple, a product or a shift of such."""
        vector = size.entries
        if not all(isinstance(n, int | np.integer) for n in vector):
            raise Unsaid(f"a setting that depends on the input: {size}")
        known = self._sizes.get(vector)
        if known is None:
            known = self._sizes[vector] = self._derived(vector)
        elif isinstance(known, tuple):
            value, axis = known
            if self.opset >= 15:
                known = self.node("Shape", value, start=axis, end=axis + 1)
            else:
                known = self.node("Gather", self.node("Shape", value), np.array([axis]), axis=0)
            self._sizes[vector] = known
        return known

    def _derived(self, vector: tuple[int, ...]) -> str:
        axes = list(self.symbols.values())
        products = [
            tuple(math.prod(column) for column in zip(*choice, strict=True))
            for n in range(1, len(axes) + 1)
            for choice in itertools.combinations(axes, n)
        ]
        for base in [*products, *self._sizes]:
            ratios = {Fraction(v, b) if b else None for v, b in zip(vector, base, strict=True)}
            ratio = ratios.pop()
            if ratios or not ratio:
                continue
            name = self._product(base, axes)
            if ratio.numerator != 1:
                name = self.node("Mul", name, np.array([ratio.numerator]))
            return name if ratio.denominator == 1 else self.node("Div", name, np.array([ratio.denominator]))
        for base in [*products, *self._sizes]:
            pairs = sorted(set(zip(base, vector, strict=True)))
            (b0, v0), (b1, v1) = pairs[0], pairs[-1]
            if b0 == b1 or (v1 - v0) % (b1 - b0):
                continue
            slope = (v1 - v0) // (b1 - b0)
            if slope and all(v - slope * b == v0 - slope * b0 for b, v in pairs):
                name = self._product(base, axes)
                name = name if slope == 1 else self.node("Mul", name, np.array([slope]))
                return self.node("Add", name, np.array([v0 - slope * b0]))
        raise Unsaid(f"a size that depends on the input in a way that is not understood: {Varying(vector)}")

    def _product(self, vector: tuple[int, ...], axes: list[tuple[int, ...]]) -> str:
        if vector in self._sizes:
            return self.size(Varying(vector))
        for n in range(2, len(axes) + 1):
            for choice in itertools.combinations(axes, n):
                if tuple(math.prod(column) for column in zip(*choice, strict=True)) == vector:
                    name = self.size(Varying(choice[0]))
                    for factor in choice[1:]:
                        name = self.node("Mul", name, self.size(Varying(factor)))
                    self._sizes[vector] = name
                    return name
        raise Unsaid(f"size {Varying(vector)}")

    # ------------------------------------------------------------------------------ constants that depend on sizes
    def _same(self, arrays: list[np.ndarray]) -> bool:
        first = arrays[0]
        return all(a.shape == first.shape and a.tobytes() == first.tobytes() for a in arrays[1:])

    def _varying_constant(self, arrays: list[np.ndarray]) -> str:
        """What was made of sizes alone: one number, the same number all over, or the numbers from 0 on."""
        dtype, shape = arrays[0].dtype, together([a.shape for a in arrays])
        if len({a.ndim for a in arrays}) == 1:
            if all(a.size == 1 for a in arrays):
                vector = np.array([a.item() for a in arrays])
                return self.node("Reshape", self._scalar(vector, dtype), np.array(arrays[0].shape, np.int64))
            fills = {a.flat[0].item() if a.size and (a == a.flat[0]).all() else None for a in arrays}
            if len(fills) == 1 and None not in fills:
                tensor = self.onnx.numpy_helper.from_array(np.array([fills.pop()], dtype))
                return self.node("ConstantOfShape", self.ints(shape), value=tensor)
            if dtype.kind == "i" and all((a.ravel() == np.arange(a.size)).all() for a in arrays):
                count = Varying(tuple(a.size for a in arrays))
                scalar = self.node(
                    "Reshape", self.node("Cast", self.size(count), to=TYPES[dtype.name]), np.array([], np.int64)
                )
                line = self.node("Range", np.zeros((), dtype), scalar, np.ones((), dtype))
                return line if arrays[0].ndim == 1 else self.node("Reshape", line, self.ints(shape))
        raise ExportError(
            "a tensor that the model made of its input where nobody can follow: by NumPy, from Python's numbers "
            f"(.item(), .tolist()), or by a function that ONNX has no operator for; it has shape {shape}"
        )

    def _scalar(self, vector: np.ndarray, dtype: np.dtype) -> str:
        """A vector of one number that was `vector` in the runs: a size times something, or something over a size."""
        if (vector == vector[0]).all():
            return self.constant(np.full(1, vector[0], dtype))
        if (vector == np.round(vector)).all():
            return self.node("Cast", self.size(Varying(tuple(int(v) for v in vector))), to=TYPES[dtype.name])
        for power in (-1.0, 0.5, -0.5):
            ints = np.abs(vector) ** (1 / power)
            factor = 1.0 if np.allclose(ints, np.round(ints), rtol=1e-4) else None
            if factor is None:
                continue
            size = self.node("Cast", self.size(Varying(tuple(int(v) for v in np.round(ints)))), to=TYPES[dtype.name])
            out = self.node("Sqrt", size) if abs(power) == 0.5 else size
            out = self.node("Reciprocal", out) if power < 0 else out
            return self.node("Neg", out) if vector[0] < 0 else out
        raise ExportError(f"a number that depends on the input where nobody can follow: {Varying(tuple(vector))}")

    # ----------------------------------------------------------------------------------------------------- the model
    def used(self, outputs: list[str]) -> list[Any]:
        """The nodes that the outputs depend on."""
        wanted, kept = set(outputs), []
        for node in reversed(self.nodes):
            if wanted.intersection(node.output):
                kept.append(node)
                wanted.update(node.input)
        self.constants = {name: array for name, array in self.constants.items() if name in wanted}
        return kept[::-1]


def tidy(name: str) -> str:
    """A name for nodes, of letters that all tools take."""
    return re.sub(r"[^\w./-]", "_", name)
