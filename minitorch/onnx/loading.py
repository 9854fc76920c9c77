"""Load: the nodes of a file as steps of a module, each a function of the table of operators with its attributes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..autograd.following import step
from ..autograd.tape import wrap
from ..nn import Module, Parameter
from ..tensor import Tensor
from .errors import LoadError
from .exporting import KNOWN
from .operators import DTYPES, OPERATORS, Operator
from .packages import import_onnx
from .reading import array_of, check_graph, message_of, named, subgraphs

ARITHMETIC = ("Add", "Sub", "Mul", "Div")  # a number beside these is a setting, an array learns


class Step:
    """A node: its function, the names that it takes and gives, its attributes. gone: names that nobody needs after."""

    __slots__ = ("attributes", "entry", "gives", "gone", "opset", "proto", "takes", "where")

    def __init__(self, entry: Operator, where: str, opset: int, takes: list, gives: list, attributes: dict) -> None:
        self.entry, self.where, self.opset, self.takes, self.gives = entry, where, opset, takes, gives
        self.attributes, self.gone, self.proto = attributes, (), None  # type: tuple[dict, tuple[str, ...], Any]

    def act(self, values: dict[str, Any], training: bool) -> None:
        """Take, compute, give. Raises RuntimeError, which names the node."""
        entry, given = self.entry, dict(self.attributes)
        for name in entry.extras:
            if name == "run":
                given["run"] = lambda body, *inputs: body.run(dict(values), inputs, training)
            else:
                given[name] = {
                    "opset": self.opset,
                    "outputs": len(self.gives),
                    "training": training,
                    "node": self.where,
                }[name]
        try:
            out = _node(self, [values[name] if name else None for name in self.takes], given)
        except MemoryError:
            raise
        except Exception as error:
            raise RuntimeError(f"{self.where} (opset {self.opset}): {error}") from error
        if len(self.gives) == 1 and not isinstance(out, tuple):
            out = (out,)
        for name, value in zip(self.gives, out, strict=False):
            if name:
                values[name] = value
        for name in self.gone:
            values.pop(name, None)


@step("node")
def _node(told: Step, inputs: list, given: dict) -> Any:
    """What a node computes. Who follows the run may take the node as it stands in the file."""
    return told.entry.function(*inputs, **given)


class Body:
    """A graph within a node: what it takes and gives, its own constants, and its steps."""

    def __init__(self, inputs: list[str], outputs: list[str], constants: dict[str, Any], steps: list[Step]) -> None:
        self.inputs, self.outputs, self.constants, self.steps = inputs, outputs, constants, steps

    def run(self, values: dict[str, Any], inputs: tuple, training: bool) -> list[Any]:
        """The outputs; `values` are those around the graph."""
        values.update(self.constants)
        values.update(zip(self.inputs, inputs, strict=True))
        for each in self.steps:
            each.act(values, training)
        return [values[name] for name in self.outputs]


class OnnxModule(Module):
    """A model that was read from an ONNX file; `minitorch.onnx.load` makes it.

    Called with the inputs of the graph in order or by name, it returns its output, or a tuple of several. In training
    mode batch norm normalizes by the batch, and Dropout, if the file has it, drops; a file says what evaluation does.
    """

    def __init__(self, inputs: list[tuple], outputs: list[str], constants: dict[str, Any], steps: list[Step]) -> None:
        super().__init__()
        self._inputs, self._outputs, self._steps = inputs, outputs, steps
        self._constants = constants
        self._places: dict[str, tuple[Module, str]] = {}

    def extra_repr(self) -> str:
        """Inputs, outputs, how many steps."""
        return f"{', '.join(name for name, *_ in self._inputs)} -> {', '.join(self._outputs)}, {len(self._steps)} nodes"

    def _hold(self, name: str, tensor: Any) -> None:
        """Keep a parameter or a buffer under its name, dots in modules of their own."""
        module: Module = self
        *path, last = name.split(".") if all(name.split(".")) else [name.replace(".", "_")]
        for part in path:
            inner = module._modules.get(part)
            if inner is None:
                part = _free(module, part)
                inner = Module()
                module.add_module(part, inner)
            module = inner
        last = _free(module, last)
        if isinstance(tensor, Parameter):
            module.register_parameter(last, tensor)
        else:
            module.register_buffer(last, tensor)
        self._places[name] = module, last

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs. Raises TypeError for missing inputs, RuntimeError for others than the file declares."""
        if len(args) > len(self._inputs):
            raise TypeError(f"the model takes {len(self._inputs)} inputs, but got {len(args)}")
        given = dict(zip((name for name, *_ in self._inputs), args, strict=False))
        for name, value in kwargs.items():
            if name in given or name not in (n for n, *_ in self._inputs):
                raise TypeError(f"the model has no other input {name!r}; it has {[n for n, *_ in self._inputs]}")
            given[name] = value
        for name, dtype, shape in self._inputs:
            if name not in given:
                raise TypeError(f"the model needs input {name!r}")
            _fits(name, given[name], dtype, shape)
        values = {**self._constants, **given}
        for name, (module, own) in self._places.items():
            values[name] = getattr(module, own)
        for each in self._steps:
            each.act(values, self.training)
        found = tuple(values[name] for name in self._outputs)
        return found[0] if len(found) == 1 else found


def _fits(name: str, value: Any, dtype: Any, shape: Any) -> None:
    if dtype is None:
        return
    if not isinstance(value, Tensor):
        raise TypeError(f"input {name!r} must be a tensor, but got {type(value).__name__}")
    have = value.array.shape
    if value.array.dtype != dtype:
        raise RuntimeError(f"input {name!r} must be {dtype}, but is {value.array.dtype}")
    if shape is not None and (
        len(have) != len(shape) or any(n is not None and n != m for n, m in zip(shape, have, strict=True))
    ):
        raise RuntimeError(f"input {name!r} must have shape {tuple(n or '?' for n in shape)}, but has {tuple(have)}")


def _free(module: Module, name: str) -> str:
    """A name that the module has not yet."""
    while hasattr(module, name) or name in module.__dict__:
        name += "_"
    return name


# ---------------------------------------------------------------------------------------------------------- building
def load_from(f: Any) -> OnnxModule:
    """`minitorch.onnx.load`."""
    onnx = import_onnx("onnx.load")
    message, folder = message_of(onnx, f)
    graph, opset = message.graph, _opset(onnx, message)
    check_graph(graph)
    if message.functions:
        raise NotImplementedError(f"load: function {message.functions[0].name!r} of the file's own is not supported")
    _check_operators(graph, opset)
    arrays = {t.name: array_of(t, f"initializer {t.name!r}", folder) for t in graph.initializer}
    constants, steps = _steps(onnx, graph, opset, folder)
    inputs = [_input(v) for v in graph.input if v.name not in arrays]
    outputs = [v.name for v in graph.output]
    _forget(steps, graph, set(outputs))
    module = OnnxModule(inputs, outputs, constants, steps)
    said = next((p.value for p in message.metadata_props if p.key == KNOWN), None)
    learned = _learned(graph, arrays) if said is None else _listed(said)
    for name, array in arrays.items():
        tensor = wrap(np.array(array, order="C"))
        module._hold(name, Parameter(tensor) if array.dtype.kind == "f" and name in learned else tensor)
    module.eval()
    return module


def _opset(onnx: Any, message: Any) -> int:
    versions = {entry.domain: entry.version for entry in message.opset_import}
    opset = versions.get("", versions.get("ai.onnx"))
    most = onnx.defs.onnx_opset_version()
    if opset is None or not 1 <= opset <= most:
        raise LoadError(f"load: opset {opset} of the standard operators; there are 1 to {most}")
    return opset


def _nodes(graph: Any) -> Iterator[tuple[int, Any]]:
    for i, node in enumerate(graph.node):
        yield i, node
        for _, inner in subgraphs(node):
            yield from _nodes(inner)


def _check_operators(graph: Any, opset: int) -> None:
    """All operators are here. Raises NotImplementedError with the first that is not, and its node and opset."""
    missing = [(i, n) for i, n in _nodes(graph) if n.op_type not in OPERATORS or n.domain not in ("", "ai.onnx")]
    if missing:
        (i, node), kinds = missing[0], sorted({n.op_type for _, n in missing})
        others = f"; of this file are missing: {', '.join(kinds)}" if len(kinds) > 1 else ""
        domain = f" of {node.domain!r}" if node.domain else ""
        raise NotImplementedError(
            f"load: operator {node.op_type}{domain} (opset {opset}), asked for by {named(node, i)}, is not here{others}"
        )


def _steps(onnx: Any, graph: Any, opset: int, folder: str | None) -> tuple[dict[str, Any], list[Step]]:
    """The nodes as steps; those of constants are computed now."""
    constants: dict[str, Any] = {}
    steps = []
    for i, node in enumerate(graph.node):
        entry, where = OPERATORS[node.op_type], f"{node.op_type}, {named(node, i)}"
        attributes = {a.name: _attribute(onnx, a, where, opset, folder) for a in node.attribute}
        attributes.pop("consumed_inputs", None)
        unknown = attributes.keys() - entry.attributes
        if unknown and not entry.any_attributes:
            raise LoadError(f"load: {where} (opset {opset}) has attributes {sorted(unknown)}, which are not known")
        takes = list(node.input)
        if not entry.variadic and len(takes) > len(entry.inputs):
            raise LoadError(f"load: {where} takes {len(takes)} inputs; there are at most {len(entry.inputs)}")
        made = Step(entry, where, opset, takes, list(node.output), attributes)
        if node.op_type == "Constant":
            made.act(constants, False)
        else:
            made.proto = node
            steps.append(made)
    return constants, steps


def _attribute(onnx: Any, attribute: Any, where: str, opset: int, folder: str | None) -> Any:
    if attribute.ref_attr_name:
        raise LoadError(f"load: {where}: attribute {attribute.name!r} refers to one of a function")
    if attribute.HasField("t"):
        return wrap(array_of(attribute.t, f"attribute {attribute.name!r} of {where}", folder))
    if attribute.HasField("g"):
        return _body(onnx, attribute.g, opset, folder)
    if attribute.tensors or attribute.graphs or attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
        raise LoadError(f"load: {where}: attribute {attribute.name!r} is of a kind that there is not here")
    value = onnx.helper.get_attribute_value(attribute) if attribute.type else None
    if value is None:
        raise LoadError(f"load: {where}: attribute {attribute.name!r} has no value")
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, int) or hasattr(value, "DESCRIPTOR"):
        return value
    if isinstance(value, float):
        return _shortest(value)
    plain = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in value]
    return [_shortest(v) if isinstance(v, float) else v for v in plain]


def _shortest(value: float) -> float:
    """The number that was written, which a file holds in single precision: 1e-5, not 9.99999974738e-06."""
    return float(str(np.float32(value)))


def _body(onnx: Any, graph: Any, opset: int, folder: str | None) -> Body:
    constants, steps = _steps(onnx, graph, opset, folder)
    for tensor in graph.initializer:
        constants[tensor.name] = wrap(array_of(tensor, f"initializer {tensor.name!r}", folder))
    return Body([v.name for v in graph.input], [v.name for v in graph.output], constants, steps)


def _input(value: Any) -> tuple[str, Any, Any]:
    """Name, dtype and shape of an input; None for what is not said, or is no tensor."""
    kind = value.type
    if not kind.HasField("tensor_type"):
        return value.name, None, None
    if kind.tensor_type.elem_type not in DTYPES:
        raise LoadError(f"load: input {value.name!r} has element type {kind.tensor_type.elem_type}, not here")
    shape = None
    if kind.tensor_type.HasField("shape"):
        shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.tensor_type.shape.dim)
    return value.name, DTYPES[kind.tensor_type.elem_type], shape


def _forget(steps: list[Step], graph: Any, kept: set[str]) -> None:
    """Tell each step which values nobody takes after it."""
    used: dict[str, int] = {}
    made = {name for each in steps for name in each.gives}
    for i, each in enumerate(steps):
        for name in _taken(each):
            used[name] = i
        for name in each.gives:
            used.setdefault(name, i)
    for name, i in used.items():
        if name in made and name not in kept:
            steps[i].gone = (*steps[i].gone, name)


def _taken(each: Step) -> Iterator[str]:
    """The names that a step, or a graph within it, takes."""
    yield from each.takes
    for value in each.attributes.values():
        if isinstance(value, Body):
            yield from value.outputs
            for inner in value.steps:
                yield from _taken(inner)


def _learned(graph: Any, arrays: dict[str, np.ndarray]) -> set[str]:
    """Initializers that layers learn, directly or behind operators that only move elements."""
    learned: set[str] = set()
    for node in reversed(graph.node):
        entry = OPERATORS[node.op_type]
        for k in entry.learns:
            name = node.input[k] if k < len(node.input) else ""
            if node.op_type not in ARITHMETIC or (name in arrays and arrays[name].size > 1) or name not in arrays:
                learned.add(name)
        if entry.moves and learned.intersection(node.output):
            learned.update(node.input if entry.variadic else node.input[:1])
    return learned


def _listed(text: str) -> set[str]:
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise LoadError(f"load: what the file says of its parameters is no list of names: {text[:80]!r}")
    return set(names)
