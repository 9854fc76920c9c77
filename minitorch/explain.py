"""What a convolution and its gradients are in one particular case: as calls, as a matrix, as a picture.

The lines that `explain` prints are Python, and the check evaluates them as they stand: what you read is what was
compared with the tape.
"""

from __future__ import annotations

import itertools
import operator
import string
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from .autograd import enable_grad, grad, no_grad
from .files import replacing
from .geometry import ConvGeometry
from .nn import conv as layers
from .nn import functional as F
from .nn.functional import conv as functional
from .nn.functional.checks import as_ints, as_setting
from .nn.functional.padding import check_border, fold_border
from .nn.parameter import Uninitialized
from .tensor import from_numpy

__all__ = ["Explanation", "explain"]

COLUMNS = 100  # of a terminal
SMALL = 10_000_000  # multiply-adds that are checked without being asked
DENSE = 1_000_000  # entries of a matrix W that takes part in the check
LETTERS = string.ascii_lowercase + string.ascii_uppercase  # the entries of w in a printed matrix
PRINTED = 25  # rows or columns of a matrix: those of a 5 x 5 image
DRAWN = 40  # padded pixels along an axis of a picture
COLOURS = ("#d1495b", "#2e86ab", "#e5a823")

Size = tuple[int, ...]
Shape = tuple[int | str, ...]  # "N" stands for any batch
Pairs = tuple[tuple[int, int], ...]

FUNCTIONS = {f"conv{kind}{rank}d": (rank, bool(kind)) for kind in ("", "_transpose") for rank in (1, 2, 3)}


@dataclass(frozen=True)
class Step:
    """One line: `name` is the value of `expression`, and has this shape."""

    name: str
    expression: str
    shape: Shape


@dataclass(frozen=True)
class Case:
    """One convolution with everything known: what text, matrix and picture are made from.

    `geometry` belongs to the convolution whose big side is the input, or the output of a transposed one. `pad` are the
    pixels around the big side; `geometry` counts them as padding if `mode` is "zeros", and else as input.
    """

    title: str
    transposed: bool
    geometry: ConvGeometry
    pad: Pairs
    padding: Any  # as it was given
    mode: str
    output_padding: Size
    batch: int | str | None
    input_size: Size
    output_size: Size
    weight_shape: Size
    bias: bool

    @property
    def rank(self) -> int:
        """Spatial axes."""
        return len(self.input_size)

    @property
    def channels(self) -> tuple[int, int]:
        """Of the input and of the output."""
        big, small = self.weight_shape[1] * self.geometry.groups, self.weight_shape[0]
        return (small, big) if self.transposed else (big, small)

    @property
    def small_size(self) -> Size:
        """Windows along each axis."""
        return self.input_size if self.transposed else self.output_size

    @property
    def small_name(self) -> str:
        """What has a pixel for each window."""
        return "x" if self.transposed else "y"

    def shape(self, channels: int, size: Size) -> Shape:
        """The shape of an image with this case's batch."""
        return (channels, *size) if self.batch is None else (self.batch, channels, *size)


class Explanation:
    """What `explain` prints, and what it is made of.

    `str()` is the text. `sections` are its headings with their steps, `geometry` the sizes of the windows;
    `differences` is what the check found, the largest absolute differences by name, or None without a check.
    """

    def __init__(self, case: Case, check: bool | None) -> None:
        self._case, self.geometry = case, case.geometry
        self.sections = _sections(case)
        images = case.batch if isinstance(case.batch, int) else 2
        work = images * prod(case.geometry.output_size) * prod(case.weight_shape)
        self.differences = self._check() if (work <= SMALL if check is None else check) else None

    def __str__(self) -> str:
        lines = textwrap.wrap(self._case.title, COLUMNS, subsequent_indent="    ")
        lines += ["  " + line for line in (_operands(self._case), *_table(self._case))]
        for heading, steps in self.sections:
            lines += [heading, *(line for step in steps for line in _written(step))]
        lines += self._printed_matrix()
        if self.differences is not None:
            against = "the tape and the matrix" if "W x - y" in self.differences else "the tape"
            lines += [f"in float64 these lines differ from {against} by at most"]
            lines += ["  " + ", ".join(f"{name} {value:.1g}" for name, value in self.differences.items())]
        return "\n".join(line.rstrip() for line in lines)

    def __repr__(self) -> str:
        return f"<explanation of {self._case.title}>"

    @property
    def _matrix_shape(self) -> tuple[int, int]:
        case = self._case
        return case.channels[1] * prod(case.output_size), case.channels[0] * prod(case.input_size)

    def matrix(self, weight: Any) -> np.ndarray:
        """W in float64: for one image without bias, flattened, the output is W x and the input's gradient W.T g.

        weight: a tensor or an array of the weight's shape. Raises ValueError for another shape, and for a W of more
        than 2**26 entries.

        >>> import io
        >>> from minitorch.nn import functional as F
        >>> e = explain(F.conv1d, (4,), (1, 1, 2), file=io.StringIO())
        >>> e.matrix([[[5, 7]]])
        array([[5., 7., 0., 0.],
               [0., 5., 7., 0.],
               [0., 0., 5., 7.]])
        """
        w = np.asarray(getattr(weight, "array", weight), np.float64)
        if w.shape != self._case.weight_shape:
            raise ValueError(
                f"Explanation.matrix: `weight` must have shape {self._case.weight_shape}, but has {w.shape}"
            )
        rows, columns = self._matrix_shape
        if rows * columns > 2**26:
            raise ValueError(f"Explanation.matrix: W would be {rows} x {columns}, more than {2**26} entries")
        basis = np.eye(columns).reshape(columns, self._case.channels[0], *self._case.input_size)
        b = from_numpy(np.zeros(self._case.channels[1]))
        with no_grad():
            y = _evaluated(self.sections[0][1], {"x": from_numpy(basis), "w": from_numpy(w), "b": b})["y"]
        return np.ascontiguousarray(y.array.reshape(columns, rows).T)

    def _check(self) -> dict[str, float]:
        """Evaluate the lines; compare their gradients with the tape's, and both with W where it is small."""
        case, numbers = self._case, np.random.default_rng(0)
        batch = 2 if case.batch == "N" else case.batch
        front = () if batch is None else (batch,)

        def drawn(*shape: Any) -> Any:
            return from_numpy(numbers.standard_normal(shape)).requires_grad_()

        leaves = {"x": drawn(*front, case.channels[0], *case.input_size), "w": drawn(*case.weight_shape)}
        if case.bias:
            leaves["b"] = drawn(case.channels[1])
        g = drawn(*front, case.channels[1], *case.output_size).detach()
        with enable_grad():
            steps = [step for _, steps in self.sections for step in steps]
            names = _evaluated(steps, {**leaves, "g": g, "N": batch})
            taped = grad(names["y"], list(leaves.values()), g)
        found = {f"g{name}": _apart(names[f"g{name}"].array, t.array) for name, t in zip(leaves, taped, strict=True)}
        if prod(self._matrix_shape) <= DENSE:
            dense = self.matrix(leaves["w"])
            y = names["y"].array - (leaves["b"].array.reshape(-1, *(1,) * case.rank) if case.bias else 0)
            found["W x - y"] = _apart(leaves["x"].array.reshape(-1, dense.shape[1]) @ dense.T, y)
            found["W.T g - gx"] = _apart(g.array.reshape(-1, dense.shape[0]) @ dense, names["gx"].array)
        return found

    def _printed_matrix(self) -> list[str]:
        """W and its transpose, letters for the entries of w, where they fit."""
        shape, (rows, columns) = self._case.weight_shape, self._matrix_shape
        letters = LETTERS[: prod(shape)]
        if prod(shape) > len(LETTERS) or max(rows, columns) > PRINTED:
            return []
        cells = np.full((rows, columns), "", object)
        for letter, one in zip(letters, np.eye(len(letters)), strict=True):
            used = self.matrix(one.reshape(shape)) != 0
            cells[used] = [f"{cell}+{letter}".lstrip("+") for cell in cells[used]]
        width = max(1, *map(len, cells.ravel()))
        heads = (f"W ({rows} x {columns}), y = W x", f"W.T ({columns} x {rows}), gx = W.T g")
        left, right = (
            [head, *(" ".join(f"{cell or '.':{width}}" for cell in row).rstrip() for row in m)]
            for head, m in zip(heads, (cells, cells.T), strict=True)
        )
        wide = max(map(len, left)) + 4
        grid = [f"{a:{wide}}{b}" for a, b in itertools.zip_longest(left, right, fillvalue="")]
        if max(map(len, grid)) + 2 > COLUMNS:
            grid = left + right
        taps = np.array([*letters]).reshape(*shape[:2], -1, shape[-1])
        planes = [f"w[{k}, {c}] = {' / '.join(map(' '.join, taps[k, c]))}" for k, c in np.ndindex(taps.shape[:2])]
        lines = [*textwrap.wrap(";  ".join(planes), COLUMNS - 2), *grid]
        if max(map(len, lines)) + 2 > COLUMNS:
            return []
        return ["as a matrix, one flattened image", *("  " + line for line in lines)]

    def picture(self, path: Any = None) -> Any:
        """Draw the windows over the padded big side of 1 or 2 dimensions; returns the matplotlib Figure.

        One dimension: every window, a line each. Two: the first, second and last window, beside their pixels of the
        small side. The number in a pixel counts the windows that use it. Padding is hatched.
        path: a file to write, named after its format (.png, .svg, .pdf). Raises ImportError without matplotlib,
        ValueError for 3 dimensions or more than 40 pixels along an axis.
        """
        case, geometry = self._case, self.geometry
        if case.rank > 2:
            raise ValueError(f"Explanation.picture: draws 1 or 2 dimensions, but {case.title} has {case.rank}")
        if max(geometry.padded_size) > DRAWN:
            raise ValueError(
                f"Explanation.picture: draws at most {DRAWN} pixels along an axis, padding included, but there are "
                f"{geometry.padded_size}: try the same settings on a smaller input"
            )
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError("Explanation.picture needs matplotlib: pip install minitorch-numba[viz]") from error
        figure = Figure(layout="constrained")
        (_draw_line if case.rank == 1 else _draw_plane)(figure, case)
        if path is not None:
            _write(figure, path)
        return figure


def _write(figure: Any, path: Any) -> None:
    """The picture as a file that is whole or not there; into an open one as it is."""
    if hasattr(path, "write"):
        figure.savefig(path, dpi=90)
        return
    path = Path(path)
    path = path if path.suffix else path.with_name(path.name + ".png")
    with replacing(path) as file:
        figure.savefig(file, format=path.suffix[1:], dpi=90)


def explain(
    what: Any,
    input_size: Sequence[int],
    weight_shape: Sequence[int] | None = None,
    *,
    check: bool | None = None,
    file: TextIO | None = None,
    output_size: Sequence[int] | None = None,
    **settings: Any,
) -> Explanation:
    """Print what a convolution and its gradients are in this case, and return it as an `Explanation`.

    The gradient for the input of a convolution is a transposed convolution, and the other way round; the gradient for
    the weight is a convolution too. Their settings and shapes are printed as calls; small cases also as a matrix.

    what: a module Conv1d-3d or ConvTranspose1d-3d, or a function F.conv1d-3d, F.conv_transpose1d-3d; with a function go
    `weight_shape` and settings as it takes them (stride, padding, dilation, groups, output_padding).
    input_size: the spatial size alone (any batch), or the whole shape (C, *size) or (N, C, *size).
    check: whether to compare the printed calls with the tape and the matrix in float64; by default, if that is quick.
    file: where to print, as for `print`. output_size: as in a call of a ConvTranspose module.
    Raises TypeError for anything else, ValueError for sizes that don't fit, and what the function itself raises.

    >>> from minitorch import nn
    >>> _ = explain(nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), (10, 10), check=False)
    Conv2d(3, 4, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), bias=False)
      x (N, 3, 10, 10), w (4, 3, 3, 3); y and its gradient g (N, 4, 5, 5)
      axis  input  padding  kernel  dilation  span  stride  output  left over
         H     10    1 + 1       3         1     3       2       5          1
         W     10    1 + 1       3         1     3       2       5          1
      span = dilation*(kernel - 1) + 1
      output = (input + padding - span) // stride + 1; the rest is left over
    forward: every output pixel collects the input under its window
      y   = conv2d(x, w, stride=2, padding=1, dilation=1)                                (N, 4, 5, 5)
    gradient for x: the transposed convolution; output_padding is what was left over
      gx  = conv_transpose2d(g, w, stride=2, padding=1, dilation=1, output_padding=1)  (N, 3, 10, 10)
    gradient for w: a convolution of x with g as kernel; stride and dilation, batch and channels swap
      xt  = x.transpose(0, 1)                                                          (3, N, 10, 10)
      gt  = g.transpose(0, 1)                                                            (4, N, 5, 5)
      gw  = conv2d(xt, gt, stride=1, padding=1, dilation=2)                              (3, 4, 4, 4)
      gw  = gw[:, :, :3, :3].transpose(0, 1)                                             (4, 3, 3, 3)
    """
    if isinstance(what, layers._Conv):
        if weight_shape is not None or settings:
            given = ", ".join([*(["weight_shape"] if weight_shape is not None else []), *settings])
            raise TypeError(f"explain: a module has its own weight and settings, but got also {given}")
        case = _module_case(what, input_size, output_size)
    elif getattr(what, "__name__", None) in FUNCTIONS and getattr(F, what.__name__) is what:
        if output_size is not None:
            raise TypeError(
                f"explain: `output_size` goes with a ConvTranspose module; {what.__name__} takes output_padding"
            )
        if weight_shape is None:
            raise TypeError(f"explain: {what.__name__} needs `weight_shape`, such as (4, 3, *kernel_size)")
        case = _function_case(what.__name__, input_size, weight_shape, settings)
    else:
        raise TypeError(
            "explain: `what` must be a module Conv1d-3d or ConvTranspose1d-3d, or a function F.conv1d-3d or "
            f"F.conv_transpose1d-3d, but got {getattr(what, '__name__', None) or type(what).__name__}"
        )
    explanation = Explanation(case, check)
    print(explanation, file=file)
    return explanation


# ------------------------------------------------------------------------------------------------ the case
def _function_case(name: str, input_size: Any, weight_shape: Any, settings: dict[str, Any]) -> Case:
    """The case of a call of `conv1d` and the like."""
    rank, transposed = FUNCTIONS[name]
    known = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1} | ({"output_padding": 0} if transposed else {})
    unknown = [setting for setting in settings if setting not in known]
    if unknown:
        raise TypeError(f"explain: {name} has no setting {unknown[0]!r}; it has {', '.join(known)}")
    w = _as_size("weight_shape", weight_shape)
    if len(w) != rank + 2:
        raise ValueError(f"explain: {name} needs a `weight_shape` of {rank + 2} entries, but got {w}")
    title = ", ".join([f"{name}(x, w", *(f"{setting}={value!r}" for setting, value in settings.items())]) + ")"
    return _case(title, name, w, input_size, bias=False, mode="zeros", **(known | settings))


def _module_case(module: Any, input_size: Any, output_size: Any) -> Case:
    """The case of a layer, with its settings."""
    kind = type(module).__name__
    if isinstance(module.weight, Uninitialized):
        raise ValueError(f"explain: {kind} does not know its input channels yet; call it with an input first")
    w = module.weight.array.shape
    if output_size is not None and not module.transposed:
        raise TypeError(f"explain: `output_size` goes with a ConvTranspose module, but got one with {kind}")
    settings = {name: getattr(module, name) for name in ("stride", "padding", "dilation", "groups")}
    if module.transposed:
        settings["output_padding"] = module.output_padding
        if output_size is not None:
            _, shape = _input_shape(module.rank, input_size, w[0])
            settings["output_padding"] = module._extra(shape, output_size)
    name = f"conv{'_transpose' * module.transposed}{module.rank}d"
    return _case(repr(module), name, w, input_size, bias=module.bias is not None, mode=module.padding_mode, **settings)


def _case(
    title: str,
    name: str,
    w: Size,
    input_size: Any,
    *,
    bias: bool,
    mode: str,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    output_padding: Any = 0,
) -> Case:
    """All sizes, checked as a call checks them."""
    rank, transposed = FUNCTIONS[name]
    batch, x = _input_shape(rank, input_size, w[0] if transposed else w[1] * groups)
    stride, padding, dilation = (
        as_setting(name, argument, value)
        for argument, value in (("stride", stride), ("padding", padding), ("dilation", dilation))
    )
    extra = as_ints(name, "output_padding", output_padding, rank)
    if transposed:
        geometry, *_ = functional._transposed_plan(name, rank, x, w, None, stride, padding, extra, groups, dilation)
    else:
        geometry, *_ = functional._conv_plan(name, rank, x, w, None, stride, padding, dilation, groups)
    big, pad = geometry.input_size, geometry.padding
    if mode != "zeros":
        check_border(name, (1, 1, *big), pad, mode)
        geometry = ConvGeometry.of(geometry.padded_size, w[2:], geometry.stride, 0, geometry.dilation, groups)
        padding = 0
    output = big if transposed else geometry.output_size
    return Case(title, transposed, geometry, pad, padding, mode, extra, batch, x[-rank:], output, w, bias)


def _as_size(argument: str, value: Any) -> Size:
    """A sequence of positive ints as a tuple. Raises TypeError and ValueError."""
    try:
        entries = tuple(map(operator.index, value))
    except TypeError:
        raise TypeError(f"explain: `{argument}` must be a sequence of ints, but got {value!r}") from None
    if min(entries, default=1) < 1:
        raise ValueError(f"explain: every entry of `{argument}` must be at least 1, but got {entries}")
    return entries


def _input_shape(rank: int, input_size: Any, channels: int) -> tuple[int | str | None, Size]:
    """(batch, shape) of an input given by its spatial size or its shape; "N", and 2 images, for the spatial size."""
    given = _as_size("input_size", input_size)
    if len(given) not in (rank, rank + 1, rank + 2):
        raise ValueError(
            f"explain: `input_size` must have {rank} entries (*size), {rank + 1} (C, *size) or {rank + 2} "
            f"(N, C, *size), but got {given}"
        )
    if len(given) == rank:
        return "N", (2, channels, *given)
    return (None if len(given) == rank + 1 else given[0]), given


# ------------------------------------------------------------------------------------------------ the lines
HEADINGS = (
    (
        "forward: every output pixel collects the input under its window",
        "gradient for x: the transposed convolution; output_padding is what was left over",
        "gradient for w: a convolution of x with g as kernel; stride and dilation, batch and channels swap",
    ),
    (
        "forward: every input pixel spreads over its window of the output",
        "gradient for x: the convolution with the same settings",
        "gradient for w: a convolution of g with x as kernel; stride and dilation, batch and channels swap",
    ),
)


def _sections(case: Case) -> list[tuple[str, list[Step]]]:
    """Headings and lines: forward, then a gradient for each operand."""
    forward, gx = (_transposed_steps if case.transposed else _forward_steps)(case)
    sections = list(zip(HEADINGS[case.transposed], (forward, gx, _weight_steps(case)), strict=True))
    if case.bias:
        first = 1 if case.batch is None else 2
        axes = (*range(first - 1), *range(first, first + case.rank))
        step = Step("gb", f"g.sum({axes})", case.channels[1:])
        sections.append(("gradient for b: it was added to every pixel", [step]))
    return sections


def _forward_steps(case: Case) -> tuple[list[Step], list[Step]]:
    """A convolution, and its adjoint in x. With a padding mode it is one of xp, the input with its border."""
    rank, geometry, plain = case.rank, case.geometry, case.mode == "zeros"
    x, padded = (case.shape(case.channels[0], size) for size in (case.input_size, geometry.input_size))
    border = f"{_ends(case.pad)}, mode={case.mode!r}"
    y = _call(f"conv{rank}d", f"{'x' if plain else 'xp'}, w{', b' * case.bias}", geometry, padding=case.padding)
    forward = [Step("y", y, case.shape(case.channels[1], case.output_size))]
    back = _call(f"conv_transpose{rank}d", "g, w", geometry, output_padding=_left_over(case))
    if plain:
        return forward, [Step("gx", back, x)]
    return (
        [Step("xp", f"pad(x, {border})", padded), *forward],
        [Step("gxp", back, padded), Step("gx", f"pad_transpose(gxp, {border})", x)],
    )


def _transposed_steps(case: Case) -> tuple[list[Step], list[Step]]:
    """A transposed convolution, and its adjoint in x. With a padding mode, it makes the border of y too, as in yp."""
    rank, geometry, plain = case.rank, case.geometry, case.mode == "zeros"
    y, padded = (case.shape(case.channels[1], size) for size in (case.output_size, geometry.input_size))
    border = f"{_ends(case.pad)}, mode={case.mode!r}"
    name = f"conv_transpose{rank}d"
    if plain:
        settings = {"padding": case.padding, "output_padding": case.output_padding}
        forward = [Step("y", _call(name, f"x, w{', b' * case.bias}", geometry, **settings), y)]
        gx = []
    else:
        bias = f" + b.reshape({', '.join(['-1', *['1'] * rank])})" * case.bias
        forward = [
            Step("yp", _call(name, "x, w", geometry, output_padding=_left_over(case)), padded),
            Step("y", f"pad_transpose(yp, {border}){bias}", y),
        ]
        gx = [Step("gp", f"pad(g, {border})", padded)]
    windows = case.shape(case.channels[0], geometry.output_size)
    gx.append(Step("gx", _call(f"conv{rank}d", f"{'g' if plain else 'gp'}, w", geometry), windows))
    if geometry.output_size != case.input_size:  # output_padding of a stride or more has room for another window
        gx.append(Step("gx", f"gx[..., {_first(case.input_size)}]", case.shape(case.channels[0], case.input_size)))
    return forward, gx


def _weight_steps(case: Case) -> list[Step]:
    """gw[k, c, t] = sum over n, o of big[n, c, o*s + t*d - p] small[n, k, o]: t stands where a convolution has o.

    So `small` is the kernel of a convolution whose taps o lie s apart and whose windows t move by d. The sum over n is
    its sum over channels; c takes the place of the batch. Windows beyond the kernel's size are cut off.
    """
    rank, geometry, (outer, inner, *kernel) = case.rank, case.geometry, case.weight_shape
    groups, n = geometry.groups, 1 if case.batch is None else case.batch
    pixels = geometry.input_size
    few = case.small_size
    big, small = ("g", "x") if case.transposed else ("x", "g")
    big += "" if case.mode == "zeros" else "p"
    swap = "unsqueeze(1)" if case.batch is None else "transpose(0, 1)"
    if groups == 1:
        first = Step("xt", f"{big}.{swap}", (inner, n, *pixels))
    else:
        merged = groups * n if isinstance(n, int) else f"{groups}*{n}"
        parts = ", ".join(map(str, (groups, inner, *pixels)))
        if case.batch is None:
            expression = f"{big}.reshape({parts}).transpose(0, 1)"
        else:
            flat = ", ".join(map(str, (inner, merged, *pixels)))
            expression = f"{big}.reshape({n}, {parts}).transpose(0, 2).reshape({flat})"
        first = Step("xt", expression, (inner, merged, *pixels))
    steps = [first, Step("gt", f"{small}.{swap}", (outer, n, *few))]
    turned = _call(f"conv{rank}d", "xt, gt", geometry, stride=geometry.dilation, dilation=geometry.stride)
    taps = tuple(
        (i - s * (o - 1) - 1) // d + 1
        for i, s, o, d in zip(geometry.padded_size, geometry.stride, few, geometry.dilation, strict=True)
    )
    crop = "" if taps == tuple(kernel) else f"[:, :, {_first(kernel)}]"
    return [
        *steps,
        Step("gw", turned, (inner, outer, *taps)),
        Step("gw", f"gw{crop}.transpose(0, 1)", case.weight_shape),
    ]


def _call(name: str, operands: str, geometry: ConvGeometry, **other: Any) -> str:
    """A call with the settings of a geometry, or others."""
    settings = {"stride": geometry.stride, "padding": geometry.padding, "dilation": geometry.dilation, **other}
    if geometry.groups > 1:
        settings["groups"] = geometry.groups
    return f"{name}({operands}, {', '.join(f'{key}={_short(value)}' for key, value in settings.items())})"


def _short(value: Any) -> str:
    """A setting, with what is the same for both sides or all axes said once."""
    if isinstance(value, tuple) and all(isinstance(pair, tuple) and pair[0] == pair[1] for pair in value):
        value = tuple(before for before, _ in value)
    same = isinstance(value, tuple) and len(set(value)) == 1 and isinstance(value[0], int)
    return repr(value[0] if same else value)


def _left_over(case: Case) -> Size:
    """Pixels behind the last window, along each axis: the output_padding of the transposed convolution."""
    g = case.geometry
    return tuple(
        i - (o - 1) * s - e for i, o, s, e in zip(g.padded_size, case.small_size, g.stride, g.extent, strict=True)
    )


def _ends(padding: Pairs) -> Size:
    """Padding as `pad` takes it: the last axis first."""
    return tuple(side for pair in reversed(padding) for side in pair)


def _first(size: Sequence[int]) -> str:
    """The index of the first pixels along each axis."""
    return ", ".join(f":{n}" for n in size)


def _evaluated(steps: list[Step], names: dict[str, Any]) -> dict[str, Any]:
    """The names, and those that the lines add."""
    known = {name: getattr(F, name) for name in (*FUNCTIONS, "pad")} | {"pad_transpose": pad_transpose} | names
    for step in steps:
        known[step.name] = eval(step.expression, known)
    return known


def pad_transpose(input: Any, pad: Sequence[int], mode: str) -> Any:
    """The adjoint of `F.pad`: `input` without its border, which is added to the pixels that `pad` copies there."""
    return fold_border("pad_transpose", input, tuple(zip(pad[-2::-2], pad[::-2], strict=True)), mode)


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference; W knows images only as rows."""
    return float(np.abs(a.reshape(b.shape) - b).max(initial=0))


# ------------------------------------------------------------------------------------------------ the text
FORMULAS = (
    ("span = dilation*(kernel - 1) + 1", "output = (input + padding - span) // stride + 1; the rest is left over"),
    ("span = dilation*(kernel - 1) + 1", "output = (input - 1)*stride + span - padding + output padding"),
)


def _table(case: Case) -> list[str]:
    """Sizes along each axis, and the formula that connects them."""
    geometry = case.geometry
    columns: dict[str, Sequence[Any]] = {
        "axis": {1: "L", 2: "HW", 3: "DHW"}[case.rank],
        "input": case.input_size,
        "padding": [f"{before} + {after}" for before, after in case.pad],
        "kernel": geometry.kernel_size,
        "dilation": geometry.dilation,
        "span": geometry.extent,
        "stride": geometry.stride,
        **({"output padding": _left_over(case)} if case.transposed else {}),
        "output": case.output_size,
        **({} if case.transposed else {"left over": _left_over(case)}),
    }
    rows = zip(*([head, *map(str, cells)] for head, cells in columns.items()), strict=True)
    wide = [max(len(head), *(len(str(cell)) for cell in cells)) for head, cells in columns.items()]
    lines = ["  ".join(f"{cell:>{n}}" for cell, n in zip(row, wide, strict=True)) for row in rows]
    border = [] if case.mode == "zeros" else ["pad_transpose: the adjoint of pad; it adds the border to what it copies"]
    return [*lines, *FORMULAS[case.transposed], *border]


def _operands(case: Case) -> str:
    """The shapes of what comes in."""
    x, y = (case.shape(c, n) for c, n in zip(case.channels, (case.input_size, case.output_size), strict=True))
    bias = f", b {_parenthesis(case.channels[1:])}" if case.bias else ""
    return f"x {_parenthesis(x)}, w {_parenthesis(case.weight_shape)}{bias}; y and its gradient g {_parenthesis(y)}"


def _parenthesis(shape: Shape) -> str:
    """A shape as a tuple."""
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"


def _written(step: Step) -> list[str]:
    """A line with its shape at the right; a long one is broken between arguments."""
    start = f"  {step.name:<3} = "
    shape = _parenthesis(step.shape)
    *lines, last = textwrap.wrap(start + step.expression, COLUMNS - 2, subsequent_indent=" " * (len(start) + 4))
    if len(last) + 2 + len(shape) > COLUMNS:
        lines, last = [*lines, last], ""
    return [*lines, f"{last}{shape:>{COLUMNS - len(last)}}"]


# ------------------------------------------------------------------------------------------------ the picture
def _draw_line(figure: Any, case: Case) -> None:
    """All windows of one axis, a row each, below the padded pixels."""
    (few,), (count,) = case.small_size, case.geometry.padded_size
    figure.set_size_inches(min(10, 0.34 * (count + 4)), min(10, 0.34 * (few + 3)))
    axes = figure.add_subplot()
    used = np.bincount([i for o in range(few) for i in _window(case, 0, o)], minlength=count)
    for i in range(count):
        _pixel(axes, case, (i,), i, 0, str(used[i]))
    for o in range(few):
        colour = COLOURS[o % len(COLOURS)]
        taps = _window(case, 0, o)
        axes.plot([taps[0] + 0.5, taps[-1] + 0.5], [o + 1.65] * 2, color=colour, linewidth=1, zorder=1)
        for i in taps:
            _tap(axes, i, o + 1.15, colour, fill=True)
        axes.text(count + 0.4, o + 1.65, f"{case.small_name}[{o}]", va="center", fontsize=8, color=colour)
    _frame(axes, count + 3, few + 1.3, _caption(case))


def _draw_plane(figure: Any, case: Case) -> None:
    """Three windows over the padded pixels, and their pixels of the small side."""
    (rows, columns), (high, wide) = case.small_size, case.geometry.padded_size
    figure.set_size_inches(min(10, 0.3 * (wide + columns + 3)), min(10, 0.3 * (max(high, rows) + 3)))
    left, right = figure.subplots(1, 2, width_ratios=(wide, columns))
    used = [
        np.bincount([i for o in range(few) for i in _window(case, axis, o)], minlength=count)
        for axis, (few, count) in enumerate(zip(case.small_size, (high, wide), strict=True))
    ]
    for i, j in np.ndindex(high, wide):
        _pixel(left, case, (i, j), j, i, str(used[0][i] * used[1][j]))
    for o in np.ndindex(rows, columns):
        _pixel(right, case, (), o[1], o[0])
    chosen = dict.fromkeys([(0, 0), (0, min(1, columns - 1)), (rows - 1, columns - 1)])
    for number, (o, colour) in enumerate(zip(chosen, COLOURS, strict=False)):
        _tap(right, o[1], o[0], colour, fill=True)
        for i, j in itertools.product(_window(case, 0, o[0]), _window(case, 1, o[1])):
            _tap(left, j, i, colour, inset=0.08 + 0.1 * number)
    _frame(left, wide, high, _caption(case))
    _frame(right, columns, rows, case.small_name)


def _caption(case: Case) -> str:
    """What the big side is."""
    pad = "" if case.mode == "zeros" else f", padded by {case.mode}"
    return f"{'y' if case.transposed else 'x'}{pad}: windows that use each pixel"


def _window(case: Case, axis: int, o: int) -> list[int]:
    """The padded pixels under the taps of window o."""
    geometry = case.geometry
    return [o * geometry.stride[axis] + t * geometry.dilation[axis] for t in range(geometry.kernel_size[axis])]


def _pixel(axes: Any, case: Case, position: Size, column: float, row: float, text: str = "") -> None:
    """A square with a text in it, hatched if its padded position lies in the padding."""
    from matplotlib.patches import Rectangle

    inside = all(
        before <= i < count - after
        for i, count, (before, after) in zip(position, case.geometry.padded_size, case.pad, strict=False)
    )
    style: dict[str, Any] = {"facecolor": "#eef1f4"} if inside else {"facecolor": "white", "hatch": "////"}
    axes.add_patch(Rectangle((column, row), 1, 1, edgecolor="#c3cbd3", linewidth=0.6, **style))
    axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=7, color="#323f4b")


def _tap(axes: Any, column: float, row: float, colour: str, inset: float = 0.15, fill: bool = False) -> None:
    """A smaller square in the colour of a window."""
    from matplotlib.patches import Rectangle

    size = 1 - 2 * inset
    style: dict[str, Any] = {"facecolor": colour} if fill else {"fill": False}
    axes.add_patch(Rectangle((column + inset, row + inset), size, size, edgecolor=colour, linewidth=1.4, **style))


def _frame(axes: Any, width: float, height: float, title: str) -> None:
    """Equal units, rows downwards, no ticks."""
    axes.set(xlim=(-0.1, width + 0.1), ylim=(height + 0.1, -0.1), aspect="equal")
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()
