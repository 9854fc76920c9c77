"""Where names come from: declarations of ops become methods of Tensor, in-place methods and functions of the package.

`make surface` writes what follows from them for readers and tools: stubs and docs/ops.md.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .autograd import Variable
from .autograd.inplace import in_place, in_view, into
from .autograd.parameters import parameters
from .autograd.primitive import registry
from .ops import (  # noqa: F401 they declare names
    arithmetic,
    bessel,
    copies,
    distance,
    einsum,
    factor,
    folding,
    index,
    join,
    linalg,
    loss,
    lu,
    matrices,
    moving,
    names,
    place,
    pointwise,
    products,
    recurrent,
    reduce,
    scan,
    scatter,
    segments,
    shape,
    sort,
    special,
    spectral,
    statistics,
)
from .ops.declare import Pointwise
from .ops.dims import no_tensor
from .ops.names import PUBLIC

SPACES = {"s": "minitorch.special", "l": "minitorch.linalg"}
OPERANDS = (Variable, float, int, np.ndarray, np.generic)
# Python's operators and the ops they call; the reflected and in-place forms follow.
OPERATORS = {
    "add": pointwise.add,
    "sub": pointwise.subtract,
    "mul": pointwise.multiply,
    "truediv": pointwise.divide,
    "pow": pointwise.power,
    "floordiv": pointwise.floor_divide,
    "mod": pointwise.remainder,
    "and": pointwise.bitwise_and,
    "or": pointwise.bitwise_or,
    "xor": pointwise.bitwise_xor,
    "lshift": arithmetic.bitwise_left_shift,
    "rshift": arithmetic.bitwise_right_shift,
}
COMPARISONS = {
    "eq": pointwise.equal,
    "ne": pointwise.not_equal,
    "lt": pointwise.less,
    "le": pointwise.less_equal,
    "gt": pointwise.greater,
    "ge": pointwise.greater_equal,
}
# NumPy's functions that work on tensors, where their name is not that of a row.
UFUNCS = {"invert": "bitwise_not", "left_shift": "bitwise_left_shift", "right_shift": "bitwise_right_shift"}
# The in-place forms that PyTorch has as functions, too.
IN_PLACE = """
    abs acos acosh addmv arccos arccosh arcsin arcsinh arctan arctanh as_strided asin asinh atan atanh ceil celu
    clamp clamp_max clamp_min clip cos cosh deg2rad detach erf erfc exp exp2 expm1 fill fix floor frac gcd i0
    index_put lcm ldexp log log10 log1p log2 logit nan_to_num neg negative rad2deg reciprocal relu round rsqrt selu
    sigmoid sin sinc sinh sqrt square tan tanh threshold trunc xlogy zero"""


def _operator(op: Callable) -> Callable:
    """An operator method: what is neither tensor, array nor number is left to Python to reject."""

    def method(self: Any, other: Any) -> Any:
        return op(self, other) if isinstance(other, OPERANDS) else NotImplemented

    return method


def _reflected(op: Callable) -> Callable:
    def method(self: Any, other: Any) -> Any:
        return op(other, self) if isinstance(other, OPERANDS) else NotImplemented

    return method


def in_place_method(op: Callable, name: str, change: Callable = in_place) -> Callable:
    """The in-place form of an op: the result goes into self's memory, and self takes its place on the tape.

    change: `in_view` for views, which change how self shows its memory.
    """

    def method(self: Any, *args: Any, **settings: Any) -> Any:
        return change(op, self, *args, **settings)

    method.__name__ = method.__qualname__ = f"{name}_"
    method.__doc__ = f"`{name}`, in place; returns self."
    return method


def methods() -> dict[str, Callable]:
    """Everything that declarations add to Tensor, by name."""
    found: dict[str, Callable] = {}
    for name, op in OPERATORS.items():
        found[f"__{name}__"], found[f"__r{name}__"] = _operator(op), _reflected(op)
        found[f"__i{name}__"] = in_place_method(op, name)
    found |= {f"__{name}__": _operator(op) for name, op in COMPARISONS.items()}
    found |= {"__neg__": pointwise.negative, "__abs__": pointwise.absolute, "__invert__": pointwise.bitwise_not}
    for entry in PUBLIC:
        function = _renaming(entry.function) if _takes_axis(entry.function) else entry.function
        if "T" in entry.on:
            found[entry.name] = function
        if "i" in entry.on:
            found[f"{entry.name}_"] = in_place_method(function, entry.name)
        if "v" in entry.on:
            found[f"{entry.name}_"] = in_place_method(function, entry.name, in_view)
    return found


# Names of arguments that PyTorch takes for its own wherever it has these; those of the first one come first.
FIRST = ("input", "x", "a", "x1", "tensor")
NUMPY = {"axis": "dim", "keepdims": "keepdim", "x2": "other", "split_size_or_sections": "split_size"}


@functools.cache
def _names(function: Callable) -> tuple[str, ...]:
    known = parameters(function)
    return known.positional + known.keyword_only


def _takes_axis(function: Callable) -> bool:
    """Whether a method has to be told NumPy's names: those of rows and reductions know them."""
    return not isinstance(function, Pointwise) and not hasattr(function, "knows_axis") and "dim" in _names(function)


def _theirs(function: Callable, args: tuple, settings: dict) -> tuple[tuple, dict] | None:
    """The arguments of a call by the function's own names; None where there is nothing to rename."""
    own, named = _names(function), dict(settings)
    for theirs, ours in NUMPY.items():
        if theirs in named and theirs not in own and ours in own and ours not in named:
            named[ours] = named.pop(theirs)
    if not args:
        first = next((n for n in FIRST if n in named and (n not in own or n == own[0])), None)
        if first is not None:
            args = (named.pop(first),)
    return None if named == settings else (args, named)


def _renaming(function: Callable) -> Callable:
    """The function, which takes PyTorch's and NumPy's names of its arguments, too."""

    @functools.wraps(function)
    def call(*args: Any, **settings: Any) -> Any:
        try:
            return function(*args, **settings)
        except TypeError:
            renamed = _theirs(function, args, settings) if settings else None
            if renamed is None:
                raise
        return function(*renamed[0], **renamed[1])

    return call


def functions(where: str = "t") -> dict[str, Callable]:
    """Everything that declarations add to the package, or with a letter of SPACES to a module of it, by name."""
    found = {e.name: _function(e.function, "o" in e.on, e.name, where) for e in PUBLIC if where in e.on}
    return found | {f"{name}_": _in_place_function(name) for name in IN_PLACE.split() if where == "t"}


def _in_place_function(name: str) -> Callable:
    """The in-place form of an op as a function of the package."""
    op = next((e.function for e in PUBLIC if e.name == name and "v" not in e.on and set("it") & set(e.on)), None)

    def call(input: Any, *args: Any, **settings: Any) -> Any:
        if not isinstance(input, Variable):
            raise no_tensor(f"{name}_", "input", input)
        return getattr(input, f"{name}_")(*args, **settings) if op is None else in_place(op, input, *args, **settings)

    call.__name__ = call.__qualname__ = f"{name}_"
    call.__module__ = "minitorch"
    call.__doc__ = f"`{name}`, in place; returns input."
    return call


def _function(function: Callable, takes_out: bool, name: str, where: str) -> Callable:
    """An op as a function of the package, by PyTorch's names of its arguments. The first one has to be a tensor.

    takes_out: it has an argument `out`, a tensor that its result is written to. Rows know all that by themselves.
    """
    if isinstance(function, Pointwise):
        return function

    @functools.wraps(function)
    def call(*args: Any, **settings: Any) -> Any:
        out = settings.pop("out", None) if takes_out else None
        try:
            return function(*args, **settings) if out is None else into(out, function, args, settings)
        except AttributeError:
            if not args or isinstance(args[0], Variable):
                raise
            raise no_tensor(name, "input", args[0]) from None
        except TypeError:
            renamed = _theirs(function, args, settings) if settings else None
            if renamed is None:
                raise
        return call(*renamed[0], **renamed[1], **({} if out is None else {"out": out}))

    call.__module__ = SPACES.get(where, "minitorch")  # where pickle finds it
    call.__qualname__ = name
    if takes_out:
        signature = inspect.signature(function)
        last = inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Any)
        parameters = [*signature.parameters.values(), last]
        call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return call


def ufuncs() -> dict[np.ufunc, Callable]:
    """NumPy's functions that ours stand in for when one is called with a tensor."""
    found = {getattr(np, name): op for name, op in registry.items() if isinstance(getattr(np, name, None), np.ufunc)}
    return found | {getattr(np, name): registry[op] for name, op in UFUNCS.items()}


def attach(cls: type) -> None:
    """Add the methods to Tensor."""
    for name, method in methods().items():
        setattr(cls, name, method)


# ------------------------------------------------------------------------------------------------ what goes to files
HERE = Path(__file__).parent
STUBS, PAGE = HERE / "_surface.pyi", HERE.parent / "docs" / "ops.md"
PARTS = {where: HERE / f"{name.rpartition('.')[2]}.pyi" for where, name in SPACES.items()}
THEIRS = {"power": ("input", "exponent")}  # PyTorch's names of operands, where they are not input and other


def _signature(function: Callable, method: bool) -> str:
    """The parameters as a stub writes them, with PyTorch's names for operands."""
    parts, starred = [], False
    parameters = list(inspect.signature(function).parameters.values())
    if isinstance(function, Pointwise):
        names = (*THEIRS.get(function.name, ("input", "other")), "other")
        operands = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        given = [names[i] if len(operands) < 3 else n for i, n in enumerate(operands)]
        parameters = [p.replace(name=given[i]) if i < len(given) else p for i, p in enumerate(parameters)]
        if not method:
            parameters.append(inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None))
    for i, p in enumerate(parameters):
        if p.kind is p.KEYWORD_ONLY and not starred:
            parts.append("*")
        starred = starred or p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        name = ("*" if p.kind is p.VAR_POSITIONAL else "") + p.name
        if i == 0 and (method or name == "x"):
            name = "self" if method else "input"
        kind = "" if name == "self" else ": Any"
        default = "" if p.default is p.empty else f" = {p.default!r}" if kind else ""
        parts.append(f"{name}{kind}{default}")
    return ", ".join(parts)


# What returns several tensors, or one or several, by the names that PyTorch has for such; all else returns a tensor.
SEVERAL = """
    aminmax atleast_1d atleast_2d atleast_3d broadcast_tensors cummax cummin eigh frexp geqrf histogram histogramdd
    kthvalue lstsq lu_unpack max median meshgrid min mode nanmedian nonzero qr slogdet sort std_mean svd topk unique
    unique_consecutive unravel_index var_mean where
""".split()  # noqa: SIM905
PLAIN = {"tuple", "int", "bool", "float", "list"}


def _result(name: str, function: Callable) -> str:
    """The type of a result, as a stub writes it."""
    noted = str(inspect.signature(function).return_annotation).partition("[")[0]
    return noted if noted in PLAIN else "Any" if name in (*SEVERAL, "result_type", "__eq__", "__ne__") else "Tensor"


def stubs() -> str:
    """The text of _surface.pyi."""
    lines = [
        "# Written by `make surface` from the declarations of ops. Do not edit.",
        "from typing import Any",
        "",
        "from .tensor import Tensor",
        "",
        "class Methods:",
        *(
            f"    def {name}({_method(name, method)}) -> {_result(name, method)}: ..."
            for name, method in sorted(methods().items())
        ),
        "",
        *(
            f"def {name}({_signature(function, False)}) -> {_result(name, function)}: ..."
            for name, function in sorted(functions().items())
        ),
    ]
    return "\n".join(lines) + "\n"


def part_stubs(where: str) -> str:
    """The text of special.pyi or linalg.pyi."""
    lines = ["# Written by `make surface` from the declarations of ops. Do not edit.", "from typing import Any", ""]
    lines += ["class LinAlgError(RuntimeError): ...", ""] if where == "l" else []
    lines += [f"def {n}({_signature(f, False)}) -> Any: ..." for n, f in sorted(functions(where).items())]
    return "\n".join(lines) + "\n"


def _method(name: str, method: Callable) -> str:
    if name.startswith("__"):
        return "self" if name in ("__neg__", "__abs__", "__invert__") else "self, other: Any"
    if name.endswith("_"):
        method = next((e.function for e in PUBLIC if f"{e.name}_" == name and set("iv") & set(e.on)), method)
    return _signature(method, True)


def page() -> str:
    """The text of docs/ops.md."""
    rows: dict[int, list] = {}
    for entry in PUBLIC:
        rows.setdefault(id(entry.function), [entry.function, [], set()])
        rows[id(entry.function)][1].append(entry.name)
        rows[id(entry.function)][2] |= set(entry.on)
    table = []
    for function, called, on in rows.values():
        where = [*(["method"] if "T" in on else []), *(["in place"] if {"i", "v"} & on else [])]
        where += [*(["function"] if "t" in on else []), *(["special"] if "s" in on else [])]
        where += ["linalg"] if "l" in on else []
        where += ["`out`"] if "o" in on else []
        text = inspect.getdoc(function) or ""
        summary = " ".join(text.partition("\n\n")[0].split()).replace("|", "\\|")
        table.append((called[0], f"| {', '.join(f'`{n}`' for n in called)} | {', '.join(where)} | {summary} |"))
    return "\n".join(
        [
            "# Ops",
            "",
            "Written by `make surface` from the declarations in `minitorch/ops`.",
            "",
            "| name | found as | what it computes |",
            "|---|---|---|",
            *(line for _, line in sorted(table)),
            "",
        ]
    )


def write() -> None:
    """Bring the files up to date."""
    STUBS.write_text(stubs())
    for where, path in PARTS.items():
        path.write_text(part_stubs(where))
    PAGE.write_text(page())
