"""Export: the model runs a few times under `trace.Run`; what all runs have in common is said in ONNX's operators."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..autograd import enable_grad, plain
from ..autograd.following import followed
from ..files import replacing
from ..nn import Module, Parameter
from ..nn.hooks import register_module_forward_hook, register_module_forward_pre_hook
from ..random import default_generator
from ..tensor import Tensor
from . import primitives, steps
from .errors import ExportError
from .graph import TYPES, Graph, Unsaid
from .packages import import_onnx
from .trace import Call, Merged, Merger, Run, Varying, leaves, where

OPSETS = range(13, 22)
IR = 8
LIMIT = 2**31 - 1  # bytes of a message
KNOWN = "minitorch.parameters"  # where a file says which initializers are parameters


def export_to(
    model: Any,
    args: Any,
    f: Any,
    kwargs: dict,
    input_names: Any,
    output_names: Any,
    dynamic_axes: Any,
    opset: Any,
    export_params: bool,
    verbose: bool,
) -> None:
    """`minitorch.onnx.export`."""
    onnx = import_onnx("onnx.export")
    if not callable(model):
        raise TypeError(f"export: `model` must be a Module or a function, but got {type(model).__name__}")
    if isinstance(opset, bool) or not isinstance(opset, int) or opset not in OPSETS:
        raise ValueError(f"export: opset_version must be one of {OPSETS.start} to {OPSETS.stop - 1}, but got {opset!r}")
    if not (isinstance(f, str | os.PathLike) or hasattr(f, "write")):
        raise TypeError(f"export: `f` must be a path or a file open for writing, but got {type(f).__name__}")
    given = args if isinstance(args, tuple) else (args,)
    inputs = [leaf for leaf in leaves((given, kwargs)) if isinstance(leaf, Tensor)]
    if not inputs:
        raise ValueError("export: `args` has no tensor, so the graph would have no input")
    names = _names(
        "input_names", input_names, [f"input_{i}" if i else "input" for i in range(len(inputs))], exact=False
    )
    symbols, axes = _open_axes(dynamic_axes, names, inputs, output_names)
    state = _state(model)
    taken = set(names) & set(state)
    if taken:
        raise ValueError(f"export: {sorted(taken)} are names of parameters or buffers; choose other input_names")
    runs, outputs, sizes = _runs(model, given, kwargs, inputs, names, symbols, axes, state)
    merger = Merger()
    calls = merger.calls([run.calls for run in runs])
    results = [merger.value(column) for column in zip(*outputs, strict=True)]
    firsts = [
        merger.value(column) for column in zip(*(run.values[: len(state) + len(inputs)] for run in runs), strict=True)
    ]
    held, started = firsts[: len(state)], firsts[len(state) :]
    graph = Graph(onnx, opset, sizes, {id(t): v for t, v in zip(state.values(), held, strict=True)})
    graph.reserve([*names, *state])
    graph.reserve([n for n in output_names or () if isinstance(n, str)])
    for value in started:
        graph.knows(value)
    for call in calls:
        _say(graph, call)
    message = _model(graph, names, started, results, held, output_names, dynamic_axes, export_params)
    learned = {name for name, tensor in state.items() if isinstance(tensor, Parameter)}
    onnx.helper.set_model_props(
        message, {KNOWN: json.dumps([t.name for t in message.graph.initializer if t.name in learned])}
    )
    _check(onnx, message, export_params)
    data = message.SerializeToString()
    if verbose:
        print(onnx.printer.to_text(message.graph))
    if hasattr(f, "write"):
        f.write(data)
        return
    with replacing(f) as file:
        file.write(data)


# -------------------------------------------------------------------------------------------------------- arguments
def _names(what: str, given: Any, default: list[str], exact: bool) -> list[str]:
    if given is None:
        return default
    if isinstance(given, str) or not isinstance(given, Sequence) or not all(isinstance(n, str) and n for n in given):
        raise TypeError(f"export: `{what}` must be a list of names, but got {given!r}")
    if len(given) > len(default) or (exact and len(given) < len(default)):
        raise ValueError(f"export: `{what}` has {len(given)} names, but there are {len(default)}")
    names = [*given, *default[len(given) :]]
    if len(set(names)) < len(names):
        raise ValueError(f"export: `{what}` has a name twice: {names}")
    return names


def _open_axes(given: Any, names: list[str], inputs: list, output_names: Any) -> tuple[list[str], list[dict[int, str]]]:
    """The names of sizes that stay open, and for each input the axes that have them."""
    found: list[dict[int, str]] = [{} for _ in names]
    if given is None:
        return [], found
    if not isinstance(given, Mapping):
        raise TypeError(f"export: `dynamic_axes` must be a dict {{name: {{axis: name of the size}}}}, got {given!r}")
    sizes: dict[str, int] = {}
    for name, axes in given.items():
        if name not in names:
            if output_names is None or name not in output_names:
                raise ValueError(f"export: dynamic_axes names {name!r}, which is no input or output; inputs: {names}")
            continue
        i = names.index(name)
        items = axes.items() if isinstance(axes, Mapping) else [(axis, f"{name}_{axis}") for axis in axes]
        for axis, size in items:
            shape = inputs[i].shape
            if not isinstance(axis, int) or not -len(shape) <= axis < len(shape):
                raise ValueError(f"export: dynamic_axes: {name!r} has shape {tuple(shape)} and no axis {axis!r}")
            n = shape[axis]
            if sizes.setdefault(str(size), n) != n:
                raise ValueError(f"export: dynamic_axes: size {size!r} is {sizes[str(size)]} and {n}")
            if not n:
                raise ValueError(f"export: dynamic_axes: axis {axis} of {name!r} has no elements in the example")
            found[i][axis % len(shape)] = str(size)
    return list(sizes), found


def _state(model: Any) -> dict[str, Any]:
    """The parameters and buffers of a module by name."""
    if not isinstance(model, Module):
        return {}
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


# -------------------------------------------------------------------------------------------------------------- runs
def _others(n: int) -> list[tuple[int, int]]:
    """Sizes to try in place of an open size n, in pairs. Some models take no more than so many steps."""
    return [(2 * n, 3 * n), (n + 1, n + 2), *([(n - 1, n - 2)] if n > 2 else [])]


def _runs(
    model: Any,
    given: tuple,
    kwargs: dict,
    inputs: list,
    names: list[str],
    symbols: list[str],
    axes: list[dict[int, str]],
    state: dict[str, Any],
) -> tuple[list[Run], list[list[Any]], dict[str, tuple[int, ...]]]:
    """A run with the given inputs, and others: of other values, and each with another size along one open axis."""
    rng, made = np.random.default_rng(0), []  # type: tuple[np.random.Generator, list[tuple[dict[str, int], Run, list]]]
    own = {m: t.shape[d] for t, mine in zip(inputs, axes, strict=True) for d, m in mine.items()}

    def attempt(sizes: dict[str, int]) -> tuple[dict[str, int], Run, list]:
        run, fresh = Run(state), []
        for name, tensor, mine in zip(names, inputs, axes, strict=True):
            shape = tuple(sizes[mine[d]] if d in mine else n for d, n in enumerate(tensor.shape))
            leaf = Tensor.__new__(Tensor)
            leaf.array = _other(tensor.array, shape, rng) if made else np.array(tensor.array)
            if leaf.array.dtype.kind == "f":
                leaf.requires_grad_(True)
                with enable_grad():
                    leaf = leaf.view(shape)  # no leaf, so that it may change in place
            run.input(name, leaf)
            fresh.append(leaf)
        following = iter(fresh)
        args, named = _rebuilt((given, kwargs), lambda leaf: next(following) if isinstance(leaf, Tensor) else leaf)
        with _quiet(model, run):
            out = model(*args, **named)
        return sizes, run, _outputs(out, run)

    made.append(attempt(own))
    for symbol in symbols:
        errors = []
        for pair in _others(own[symbol]):
            try:
                made += [attempt({**own, symbol: n}) for n in pair]
                break
            except ExportError:
                raise
            except Exception as error:
                errors.append(error)
        else:
            raise ExportError(
                f"export: the model does not run with another size {symbol!r} than {own[symbol]}: {errors[0]}"
            ) from errors[0]
    if not symbols:
        made.append(attempt(own))
    if len({len(row) for _, _, row in made}) > 1:
        raise ExportError("export: the model returns other things for other inputs")
    sizes = {s: tuple(each[s] for each, _, _ in made) for s in symbols}
    return [run for _, run, _ in made], [row for _, _, row in made], sizes


def _rebuilt(value: Any, of: Any) -> Any:
    """As `mapped`, but lists and named tuples stay what they are."""
    if isinstance(value, list):
        return [_rebuilt(item, of) for item in value]
    if isinstance(value, dict):
        return {key: _rebuilt(item, of) for key, item in value.items()}
    if isinstance(value, tuple):
        items = [_rebuilt(item, of) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return of(value)


def _other(array: np.ndarray, shape: tuple, rng: np.random.Generator) -> np.ndarray:
    """Other values of the same kind: those that are there in another order, floats also a little smaller."""
    if not array.size:
        return np.zeros(shape, array.dtype)
    out = rng.permutation(np.resize(array, shape).reshape(-1)).reshape(shape)
    if array.dtype.kind == "f":
        out = out * rng.uniform(0.5, 1.0, shape)
        if not out.any():
            out = rng.uniform(0.0, 1.0, shape)
    return np.ascontiguousarray(out.astype(array.dtype))


@contextlib.contextmanager
def _quiet(model: Any, run: Run) -> Iterator[None]:
    """Evaluation and plain mode, and hooks that tell the run which layer is running; all is set back afterwards."""
    modules = dict(model.named_modules()) if isinstance(model, Module) else {}
    names = {id(module): name for name, module in modules.items()}
    modes = [(module, module.training) for module in modules.values()]
    mode, random = plain.enabled, default_generator.get_state()
    handles = [
        register_module_forward_pre_hook(lambda m, _: run.layers.append(names.get(id(m), ""))),
        register_module_forward_hook(lambda *_: _left(run), always_call=True),
    ]
    try:
        plain.enabled = True
        for module, _ in modes:
            module.training = False
        with enable_grad(), followed(run):
            yield
    finally:
        plain.enabled = mode
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
        default_generator.set_state(random)


def _left(run: Run) -> None:
    run.layers.pop()


def _outputs(out: Any, run: Run) -> list[Any]:
    found = []
    for leaf in leaves(out):
        if isinstance(leaf, Tensor):
            found.append(run.value(leaf))
        elif leaf is not None:
            raise ExportError(f"export: the model returns {type(leaf).__name__}, where ONNX has tensors alone")
    if not found:
        raise ExportError("export: the model returns no tensor")
    return found


# ------------------------------------------------------------------------------------------------------------ saying
def _say(graph: Graph, call: Call) -> None:
    """The nodes of a call. What cannot be said is remembered in its results, and raised only where they are used."""
    graph.layer = call.layer.replace(".", "/")
    mark = len(graph.nodes)
    results = [leaf for leaf in leaves(call.results) if isinstance(leaf, Merged)]
    try:
        names = (steps if call.step else primitives).said(graph, call.name, call.args, call.settings)
    except (Unsaid, ExportError, TypeError, AttributeError, ValueError) as error:
        if not isinstance(error, Unsaid | ExportError) and not _varies(call):
            raise
        del graph.nodes[mark:]
        graph.forget_sizes()
        for inner in call.inner:
            _say(graph, inner)
        failure = call.apart or (error if isinstance(error, ExportError) and error.placed else _placed(call, error))
        for value in results:
            if not value.name and value.kind != "constant":
                value.error = value.error or failure
        return
    for value, name in zip(results, leaves(names), strict=False):
        if value.kind == "computed":
            value.name, value.error = graph.name(name), None
            graph.knows(value)


def _varies(call: Call) -> bool:
    """Whether a setting differs between the runs, for which most rows have no words."""
    return any(isinstance(leaf, Varying) for leaf in leaves((call.args, call.settings)))


def _placed(call: Call, error: Exception) -> ExportError:
    """The error of a call, which says where it stands."""
    said = f"works on {error}" if isinstance(error, ExportError) else f"can't be said in ONNX: {error}"
    failure = ExportError(f"export: {call.name!r} {where(call)} {said}")
    failure.placed = True
    return failure


def _model(
    graph: Graph,
    names: list[str],
    inputs: list[Merged],
    outputs: list[Merged],
    held: list[Merged],
    output_names: Any,
    dynamic_axes: Any,
    export_params: bool,
) -> Any:
    helper = graph.onnx.helper
    graph.layer = ""
    wanted = _names(
        "output_names", output_names, [f"output_{i}" if i else "output" for i in range(len(outputs))], exact=False
    )
    wanted = [n if n not in names or output_names is not None else graph.fresh(n) for n in wanted]
    if set(wanted) & set(names):
        raise ValueError(f"export: {sorted(set(wanted) & set(names))} are names of inputs and of outputs")
    declared = [
        helper.make_tensor_value_info(n, TYPES[v.dtype.name], _dims(graph, v, {}))
        for n, v in zip(names, inputs, strict=True)
    ]
    renamed: dict[str, str] = {}
    infos, made = [], {n for node in graph.nodes for n in node.output}
    for name, value in zip(wanted, outputs, strict=True):
        try:
            source = graph.name(value)
        except (Unsaid, ExportError) as error:
            if isinstance(error, ExportError) and str(error).startswith("export: "):
                raise
            raise ExportError(f"export: an output of the model is {error}") from None
        if source in renamed or source not in made:
            graph.nodes.append(helper.make_node("Identity", [renamed.get(source, source)], [name]))
        else:
            renamed[source] = name
        own = (dynamic_axes or {}).get(name, {})
        infos.append(
            helper.make_tensor_value_info(
                name, TYPES[value.dtype.name], _dims(graph, value, own if isinstance(own, Mapping) else {})
            )
        )
    for node in graph.nodes:
        node.input[:] = [renamed.get(n, n) for n in node.input]
        node.output[:] = [renamed.get(n, n) for n in node.output]
    nodes = graph.used(wanted)
    named = {v.name for v in held}
    tensors = {
        n: graph.onnx.numpy_helper.from_array(np.ascontiguousarray(a).reshape(a.shape), n)
        for n, a in graph.constants.items()
    }
    own = [helper.make_node("Constant", [], [n], value=t) for n, t in tensors.items() if n not in named]
    weights = [t for n, t in tensors.items() if n in named]
    if not export_params:
        declared += [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in weights]
        weights = []
    from ..version import __version__

    body = helper.make_graph([*own, *nodes], "minitorch", declared, infos, weights)
    return helper.make_model(
        body,
        ir_version=IR if graph.opset < 19 else 9 if graph.opset < 21 else 10,
        producer_name="minitorch",
        producer_version=__version__,
        opset_imports=[helper.make_opsetid("", graph.opset)],
    )


def _dims(graph: Graph, value: Merged, own: Mapping) -> list[Any]:
    """Sizes, and names for those that stay open."""
    known = {entries: name for name, entries in graph.symbols.items()}
    out: list[Any] = []
    for axis, size in enumerate(value.shape):
        if isinstance(size, Varying):
            out.append(known.get(size.entries) or own.get(axis) or own.get(axis - value.ndim))
        else:
            out.append(int(size))
    return out


def _check(onnx: Any, message: Any, whole: bool) -> None:
    if message.ByteSize() > LIMIT:
        raise ExportError(f"export: a file of {message.ByteSize()} bytes; ONNX's message holds 2 GB")
    onnx.checker.check_model(message, full_check=whole)
