"""A table of what a model's layers return and cost: shapes, parameters, multiply-adds, receptive fields, activations.

The model's copy is called once, in evaluation. Forward hooks say which module runs; a recorder is shown each step that
the tape records meanwhile, so that what a `forward` computes by functions counts, too.
"""

from __future__ import annotations

import copy
import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, prod
from typing import Any

import numpy as np

from .autograd import enable_grad, inference_mode
from .autograd.modes import Recorder, _recorder
from .autograd.tape import Kept, Node, wrap
from .creation import zeros
from .geometry import ConvGeometry, PoolGeometry
from .nn import Module, Parameter, PixelShuffle, PixelUnshuffle
from .nn.parameter import Uninitialized
from .random import get_rng_state, set_rng_state
from .tensor import Tensor

__all__ = ["Row", "Summary", "summary"]

Field = tuple[tuple[Fraction, Fraction], ...] | str | None  # for each axis (pixels, step); START, ALL; None: not known
START, ALL = "start", "all"
HEADS = ["module", "type", "output shape", "parameters", "multiply-adds", "receptive field", "activations"]


@dataclass(eq=False)
class Row:
    """One call of a module. Numbers are its own, without those of the modules it calls: columns add up to the totals.

    path: the dotted name, "" for the model. depth: of the path. output_shape: of a tensor; of several a list, or None
    if the module was not called. parameters, trainable: numbers in tensors that no row above has. multiply_adds: see
    `multiply_adds`. receptive_field: pixels of the input along each axis that a number of the output depends on, "all",
    or None if that is not known. memory: bytes of what a module without children returns, but not where the memory
    is that of its arguments. repeated: whether the module was called before.
    """

    path: str
    type: str
    depth: int
    output_shape: Any = None
    parameters: int = 0
    trainable: int = 0
    multiply_adds: int = 0
    receptive_field: tuple[int, ...] | str | None = None
    memory: int = 0
    repeated: bool = False
    children: list[Row] = field(default_factory=list, repr=False)

    def walk(self, depth: int | None = None) -> Iterator[Row]:
        """This row and those below it, in the order of the calls; at most `depth` deep."""
        yield self
        if depth is None or self.depth < depth:
            for row in self.children:
                yield from row.walk(depth)

    def total(self, name: str) -> int:
        """The sum of a number, such as "parameters", over this row and all below it."""
        return sum(getattr(row, name) for row in self.walk())


class Summary:
    """What `summary` returns; `str()` is the table.

    rows: all rows, in the order of the calls. parameters, trainable, multiply_adds, memory: their sums. buffers:
    numbers in buffers. input_memory, parameter_memory: bytes. `summary[path]` is the first row of a path.
    """

    def __init__(self, root: Row, depth: int, buffers: int, input_memory: int, parameter_memory: int) -> None:
        self.root, self.depth, self.buffers = root, depth, buffers
        self.rows = list(root.walk())
        self.parameters, self.trainable = root.total("parameters"), root.total("trainable")
        self.multiply_adds, self.memory = root.total("multiply_adds"), root.total("memory")
        self.input_memory, self.parameter_memory = input_memory, parameter_memory

    def __getitem__(self, path: str) -> Row:
        """The first row of a path. Raises KeyError if there is none."""
        for row in self.rows:
            if row.path == path:
                return row
        raise KeyError(path)

    def __str__(self) -> str:
        table = self._table()
        wide = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(f"{c:<{n}}" if i < 3 else f"{c:>{n}}" for i, (c, n) in enumerate(zip(cells, wide, strict=True)))
            for cells in table
        ]
        rule = "-" * len(lines[0])
        return "\n".join(line.rstrip() for line in [lines[0], rule, *lines[1:], rule, *self._totals()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The table as notebooks show it."""
        head, *rows = self._table()
        lines = ["".join(f"<th>{cell}</th>" for cell in head)]
        for cells in rows:
            sides = ["left"] * 3 + ["right"] * len(cells)
            texts = (html.escape(cell).replace(" ", "&nbsp;") for cell in cells)
            lines.append(
                "".join(f'<td style="text-align: {side}">{t}</td>' for side, t in zip(sides, texts, strict=False))
            )
        return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>{'<br>'.join(self._totals())}"

    def _table(self) -> list[list[str]]:
        """The cells, below a row of heads; receptive fields only where something has windows."""
        table = [HEADS]
        for row in self.root.walk(self.depth):
            whole = row.depth == self.depth  # the rows below it are not shown
            parameters, work, memory = (
                row.total(name) if whole else getattr(row, name) for name in ("parameters", "multiply_adds", "memory")
            )
            again = row.repeated and not parameters
            table.append(
                [
                    "  " * row.depth + (row.path.rpartition(".")[2] or "(model)"),
                    row.type,
                    "not called" if row.output_shape is None else _shape_text(row.output_shape),
                    "again" if again else f"{parameters:,}" if parameters else "",
                    _scaled(work) if work else "",
                    _field_text(row.receptive_field),
                    _bytes(memory) if memory else "",
                ]
            )
        windows = any(isinstance(row.receptive_field, tuple) for row in self.rows)
        return table if windows else [[*cells[:5], cells[6]] for cells in table]

    def _totals(self) -> list[str]:
        """What stands below the table."""
        frozen = "" if self.trainable == self.parameters else f", {self.trainable:,} of them trainable"
        given, held, returned = map(_bytes, (self.input_memory, self.parameter_memory, self.memory))
        return [
            f"parameters: {self.parameters:,}{frozen}; buffers: {self.buffers:,}; multiply-adds: "
            f"{_scaled(self.multiply_adds)}",
            f"memory: input {given}, parameters {held}, activations {returned}",
        ]


def summary(model: Module, input_size: Any = None, input_data: Any = None, depth: int = 3) -> Summary:
    """A table of the model's layers: what they return, and what they cost.

    input_size: the shape of the input, with its batch; a list of shapes for several inputs. They are zeros of the dtype
    of the model's first parameter. input_data: instead of that, the input: a tensor, a tuple or list of positional
    arguments, or a dict of keywords. depth: of the rows that are shown; the last have the numbers of all below them.

    The model stays as it is, mode, buffers, hooks and lazy layers; so does the default generator. A copy runs, which
    shares the parameters' memory, in evaluation. Of what it does in `no_grad`, multiply-adds and receptive fields are
    not known: they count as 0. Raises TypeError for what is no Module or no size, ValueError unless
    there is one of input_size and input_data, RuntimeError where the model raises, with the module's name.

    >>> from minitorch import nn
    >>> net = nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1176, 10))
    >>> summary(net, (1, 3, 32, 32))
    module   type        output shape    parameters  multiply-adds  receptive field  activations
    --------------------------------------------------------------------------------------------
    (model)  Sequential  (1, 10)                                                all
      0      Conv2d      (1, 6, 28, 28)         456        352.8 K              5x5      18.4 KB
      1      ReLU        (1, 6, 28, 28)                                         5x5      18.4 KB
      2      MaxPool2d   (1, 6, 14, 14)                                         6x6      4.59 KB
      3      Flatten     (1, 1176)                                              all
      4      Linear      (1, 10)             11,770        11.76 K              all         40 B
    --------------------------------------------------------------------------------------------
    parameters: 12,226; buffers: 0; multiply-adds: 364.6 K
    memory: input 12 KB, parameters 47.8 KB, activations 41.4 KB
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary: `model` must be a Module, but got {type(model).__name__}")
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 0:
        raise ValueError(f"summary: `depth` must be an int of at least 0, but got {depth!r}")
    if (input_size is None) == (input_data is None):
        raise ValueError("summary: give either input_size, such as (1, 3, 32, 32), or input_data, the input itself")
    state = get_rng_state()
    try:
        with inference_mode(False), enable_grad():
            return _run(model, _arguments(model, input_size) if input_data is None else input_data, depth)
    finally:
        set_rng_state(state)


def _run(model: Module, given: Any, depth: int) -> Summary:
    """The summary of a call with these arguments."""
    net, frozen = _copy(model)
    watch = _Watch(net)
    several = isinstance(given, tuple | list) and not hasattr(given, "_fields")  # a packed sequence is one argument
    args: Sequence[Any] = given if several else () if isinstance(given, Mapping) else (given,)
    args, kwargs = watch.taken(tuple(args)), watch.taken(dict(given) if isinstance(given, Mapping) else {})
    before = _recorder.get()
    _recorder.set(Recorder(None, watch))
    try:
        net(*args, **kwargs)
    except Exception as error:
        raise RuntimeError(watch.failure(error)) from error
    finally:
        _recorder.set(before)
    watch.count_parameters(net, frozen)
    buffers = sum(b.array.size for b in net.buffers() if not isinstance(b, Uninitialized))
    memory = sum(p.array.nbytes for p in net.parameters() if not isinstance(p, Uninitialized))
    return Summary(watch.root, depth, buffers, sum(x.array.nbytes for x in _tensors((args, kwargs))), memory)


def _arguments(model: Module, input_size: Any) -> tuple:
    """Zeros of one shape, or of each in a list."""
    several = isinstance(input_size, tuple | list) and any(isinstance(n, tuple | list) for n in input_size)
    sizes = list(input_size) if several else [input_size]
    for size in sizes:
        if not isinstance(size, tuple | list) or any(isinstance(n, bool) or not isinstance(n, int) for n in size):
            raise TypeError(
                "summary: `input_size` must be a shape, such as (1, 3, 32, 32), or a list of shapes, but got "
                f"{input_size!r}"
            )
        if any(n < 0 for n in size):
            raise ValueError(f"summary: `input_size` has a negative size: {input_size!r}")
    dtypes = [p.dtype for p in model.parameters() if not isinstance(p, Uninitialized) and p.is_floating_point()]
    return tuple(zeros(*size, dtype=dtypes[0] if dtypes else None) for size in sizes)


def _copy(model: Module) -> tuple[Module, set[int]]:
    """A copy in evaluation that shares the parameters' memory, all of them asking for gradients, and ids of the frozen.

    They ask, so that the tape records whatever a frozen layer does with integers.
    """
    memo: dict[int, Any] = {}
    frozen = set()
    for parameter in model.parameters():
        if isinstance(parameter, Uninitialized):
            continue
        shared = Parameter(wrap(parameter.array), parameter.is_floating_point())
        memo[id(parameter)] = shared
        if not parameter.requires_grad:
            frozen.add(id(shared))
    try:
        return copy.deepcopy(model, memo).eval(), frozen
    except Exception as error:
        name = type(model).__name__
        raise TypeError(f"summary: a copy of the model runs, and {name} can't be copied: {error}") from error


class _Watch:
    """Follows a call: which modules run, one inside the other, and which steps the tape records in each."""

    def __init__(self, net: Module) -> None:
        self.names = {id(module): name for name, module in net.named_modules()}
        self.first: dict[int, Row] = {}  # by the module's id
        self.running: list[Row] = []
        self.fields: dict[Any, Field] = {}
        for module in net.modules():
            module.register_forward_pre_hook(self._enter)
            module.register_forward_hook(self._leave, with_kwargs=True)

    @property
    def root(self) -> Row:
        """The row of the model."""
        return next(iter(self.first.values()))

    def taken(self, given: Any) -> Any:
        """Arguments with every floating tensor on the tape, as a copy: nothing that the model does in place is seen."""
        if isinstance(given, Tensor):
            if not given.is_floating_point():
                return given.detach().clone()
            out = given.detach().clone().requires_grad_().clone()
            self.fields[out.edge] = START
            return out
        if isinstance(given, tuple | list):
            parts = [self.taken(x) for x in given]
            return type(given)(*parts) if hasattr(given, "_fields") else type(given)(parts)
        if isinstance(given, dict):
            return {key: self.taken(x) for key, x in given.items()}
        return given

    def record(self, node: Node) -> None:
        """A step: its multiply-adds are the running module's, and what it keeps for backward is not needed."""
        if self.running:
            self.running[-1].multiply_adds += multiply_adds(node)
        self.fields[node] = receptive_field(node, self.fields)
        if node.kept:
            node.kept = dict.fromkeys(node.kept)

    def failure(self, error: Exception) -> str:
        """What to say of an exception in the call."""
        row = self.running[-1] if self.running else None
        where = "the model" if row is None else f"{row.path or 'the model'} ({row.type})"
        return f"summary: {where} raised {type(error).__name__}: {error}"

    def _enter(self, module: Module, args: Any) -> None:
        path = self.names.get(id(module), "?")
        row = Row(path, type(module).__name__, path.count(".") + 1 if path else 0, repeated=id(module) in self.first)
        if self.running:
            self.running[-1].children.append(row)
            row.depth = max(row.depth, self.running[-1].depth + 1)
        self.first.setdefault(id(module), row)
        self.running.append(row)

    def _leave(self, module: Module, args: Any, kwargs: Any, out: Any) -> None:
        row = self.running.pop()
        results = list(_tensors(out))
        shapes = [tuple(x.shape) for x in results]
        row.output_shape = shapes[0] if len(shapes) == 1 else shapes
        if not row.children:
            inside = [x.array for x in _tensors((args, kwargs))]
            row.memory = sum(
                x.array.nbytes for x in results if not any(np.may_share_memory(x.array, a) for a in inside)
            )
        if isinstance(module, PixelShuffle | PixelUnshuffle):
            self.fields[out.edge] = _shuffled(self.fields.get(next(_tensors((args, kwargs))).edge), module)
        found = [self.fields.get(x.edge) for x in results if x.edge is not None]
        row.receptive_field = _pixels(found[0]) if found else None

    def count_parameters(self, net: Module, frozen: set[int]) -> None:
        """Give every parameter to the first module that has it; modules that were not called get a row."""
        seen: set[int] = set()
        for path, module in net.named_modules():
            own = [p for p in module._parameters.values() if p is not None and not isinstance(p, Uninitialized)]
            own = [p for p in own if id(p) not in seen]
            seen.update(map(id, own))
            if id(module) not in self.first and own:
                row = Row(path, type(module).__name__, path.count(".") + 1)
                above = path.rpartition(".")[0]
                while id(net.get_submodule(above)) not in self.first:
                    above = above.rpartition(".")[0]
                self.first[id(net.get_submodule(above))].children.append(row)
                self.first[id(module)] = row
            for p in own:
                row = self.first[id(module)]
                row.parameters += p.array.size
                row.trainable += 0 if id(p) in frozen else p.array.size


# ------------------------------------------------------------------------------------------- what a step costs and sees
def multiply_adds(node: Node) -> int:
    """How many products of two numbers a step adds up; other steps than these count as 0.

    - convolution: numbers in the output * input channels of a group * pixels of the kernel
    - transposed convolution: numbers in the input * output channels of a group * pixels of the kernel
    - matrix product, and a linear layer's (M, K) with (K, N): M * K * N; of attention these are q k^T and the sums of v
    - RNN, LSTM, GRU: for every step of every sequence, layer and direction the numbers in the weights that it has
    """
    name, out = node.primitive.name, prod(node.shape)
    if name in ("conv", "conv_bias"):
        return out * prod(_shape(node, "w")[1:])
    if name == "conv_transpose":
        return prod(_shape(node, "y")) * prod(_shape(node, "w")[1:])
    if name in ("linear", "affine"):
        return out * _shape(node, "x")[0 if node.settings.get("turn_x") else 1]
    if name == "batched_matmul":
        return out * _shape(node, "x")[2]
    if name in ("rnn", "lstm", "gru"):
        return sum(node.settings["sizes"]) * sum(prod(_shape(node, w)) for w in ("w_ih", "w_hh", "w_hr"))
    return 0


def _shape(node: Node, name: str) -> tuple[int, ...]:
    """The shape of an argument, (0,) if there is none."""
    if name not in node.primitive.arguments:
        return (0,)
    source = node.parents[node.primitive.arguments.index(name)]
    if source is None:
        source = (node.kept or {}).get(name)
        if isinstance(source, Kept):
            source = source.array
    return (0,) if source is None or not hasattr(source, "shape") else tuple(source.shape)


def receptive_field(node: Node, known: Mapping[Any, Field]) -> Field:
    """For each axis (pixels, step): how many pixels of the input a number depends on, and how far its neighbour's lie.

    A window of k pixels at stride s and dilation d sees n + d (k - 1) j pixels, where one before it sees n with step j;
    its own step is s j. A transposed convolution's pixel is reached from 1 + floor((k - 1) / (s / g)) (d / g) pixels at
    most, g the greatest common divisor of s and d, and its step is j / s. Padding counts as pixels, statistics of a
    norm do not count. What follows a flattened image, a sum or a pool over all pixels sees all of it. So n is exact but
    for windows of an even size behind a transposed convolution, which may see a few pixels less.
    """
    sources = [known[p] for p in node.parents if p is not None and p in known]
    if not sources:
        return None
    if any(source is None for source in sources):
        return None
    if any(source == ALL for source in sources):
        return ALL
    name, settings = node.primitive.name, node.settings
    geometry = settings.get("geometry")
    seen = _widest(sources)
    if geometry is not None and name in WINDOWS:
        if isinstance(geometry, PoolGeometry) and geometry.stops == tuple((size,) for size in geometry.input_size):
            return ALL  # one window of all pixels
        rank = len(geometry.input_size)
        pairs = ((Fraction(1), Fraction(1)),) * rank if seen == START else seen
        if not isinstance(pairs, tuple) or len(pairs) != rank:
            return None
        windows = WINDOWS[name](geometry)
        return tuple((n + span * j, step * j) for (n, j), (span, step) in zip(pairs, windows, strict=True))
    if seen == START:
        return ALL if name in MIXING else START
    return _passed(node, seen)


def _passed(node: Node, seen: Any) -> Field:
    """The field behind a step that has no windows, from that of its widest argument."""
    name, settings, rank = node.primitive.name, node.settings, len(seen)
    before = next((p.shape for p in node.parents if p is not None and len(p.shape) >= rank), node.shape)
    if name == "resample":
        axis = settings["axis"] % len(node.shape) - (len(node.shape) - rank)
        taps = settings["taps"]
        n, j = seen[axis]
        changed = (n + (taps.positions.shape[1] - 1) * j, j * Fraction(taps.size, len(taps.positions)))
        return (*seen[:axis], changed, *seen[axis + 1 :])
    if name == "getitem":
        steps = _steps(settings["key"], len(before))
        if steps is not None and len(node.shape) == len(before):
            return tuple((n, j * step) for (n, j), step in zip(seen, steps[-rank:], strict=True))
    if name == "permute" and settings["dims"][-rank:] != tuple(range(len(node.shape)))[-rank:]:
        return None
    if name in MIXING:
        return ALL if len(node.shape) <= 2 else None
    shapes = [p.shape for p in node.parents if p is not None]
    if name in BORDERS or any(tuple(node.shape[-rank:]) == tuple(shape[-rank:]) for shape in shapes):
        return seen
    return ALL if len(node.shape) <= 2 or prod(node.shape[-rank:]) == 1 else None


def _widest(sources: Sequence[Any]) -> Any:
    """Of fields the largest along each axis; the input itself is one pixel wide."""
    tuples = [source for source in sources if source != START]
    if not tuples:
        return START
    if len({len(source) for source in tuples}) > 1:
        return max(tuples, key=len)
    return tuple((max(n for n, _ in axis), max(j for _, j in axis)) for axis in zip(*tuples, strict=True))


def _conv_windows(geometry: ConvGeometry) -> Iterator[tuple[int, int]]:
    """For each axis, how much further than the first a window's last pixel lies, and the stride."""
    for k, s, d in zip(geometry.kernel_size, geometry.stride, geometry.dilation, strict=True):
        yield d * (k - 1), s


def _transposed_windows(geometry: ConvGeometry) -> Iterator[tuple[int, Fraction]]:
    """The same for an output pixel of a transposed one: taps that reach it lie s / g apart, d / g pixels there."""
    for k, s, d in zip(geometry.kernel_size, geometry.stride, geometry.dilation, strict=True):
        g = int(np.gcd(s, d))
        yield (k - 1) // (s // g) * (d // g), Fraction(1, s)


def _pool_windows(geometry: PoolGeometry) -> Iterator[tuple[int, int]]:
    """The same for pooling, of the largest window within the image."""
    for starts, stops in zip(geometry.starts, geometry.stops, strict=True):
        last = max(b - a for a, b in zip(starts, stops, strict=True)) - 1
        yield last, max((b - a for a, b in zip(starts, starts[1:], strict=False)), default=1)


def _shuffled(seen: Any, module: PixelShuffle | PixelUnshuffle) -> Field:
    """The field behind a module that makes pixels of channels, or channels of r x r pixels."""
    pairs = ((Fraction(1), Fraction(1)),) * 2 if seen == START else seen
    if not isinstance(pairs, tuple):
        return pairs
    if isinstance(module, PixelShuffle):
        return tuple((n, j / module.upscale_factor) for n, j in pairs)
    r = module.downscale_factor
    return tuple((n + (r - 1) * j, j * r) for n, j in pairs)


WINDOWS: dict[str, Callable] = {
    "conv": _conv_windows,
    "conv_bias": _conv_windows,
    "conv_transpose": _transposed_windows,
    "max_pool": _pool_windows,
    "average": _pool_windows,
}
BORDERS = ("pad_constant", "extend", "concatenate")
MIXING = ("linear", "affine", "batched_matmul", "rnn", "lstm", "gru")


def _steps(key: tuple, rank: int) -> list[int] | None:
    """The steps along all axes of an index that has slices alone, or None."""
    if any(not isinstance(k, slice) and k is not Ellipsis for k in key):
        return None
    at = key.index(Ellipsis) if Ellipsis in key else len(key)
    missing = [slice(None)] * (rank - len(key) + (at < len(key)))
    return [abs(k.step or 1) for k in (*key[:at], *missing, *key[at + 1 :])]


def _pixels(seen: Field) -> tuple[int, ...] | str | None:
    """A field as a row has it."""
    if isinstance(seen, tuple):
        return tuple(ceil(n) for n, _ in seen)
    return None if seen == START else seen


# ------------------------------------------------------------------------------------------------------------ the text
def _tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in tuples, lists, dicts and packed sequences."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _tensors(part)


def _shape_text(shape: Any) -> str:
    return ", ".join(map(str, shape)) if isinstance(shape, list) else str(shape)


def _field_text(seen: Any) -> str:
    if seen is None or seen == ALL:
        return seen or ""
    return "x".join(map(str, seen))


def _scaled(count: int) -> str:
    """Four digits and a unit of a power of 1000."""
    value, unit = float(count), ""
    for unit in ("", "K", "M", "G", "T"):  # noqa: B007 the last one is what is wanted
        if value < 1000 or unit == "T":
            break
        value /= 1000
    return f"{value:.4g} {unit}".rstrip()


def _bytes(count: int) -> str:
    """Three digits and a unit of a power of 1024."""
    value, unit = float(count), ""
    for unit in ("B", "KB", "MB", "GB"):  # noqa: B007 the last one is what is wanted
        if value < 1024 or unit == "GB":
            break
        value /= 1024
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"
