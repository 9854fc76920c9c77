"""The way from a kernel into a function of LLVM's own (engine/functions.py), by its address.

One kernel walks through the work, whatever is computed; what it calls for each piece is compiled alone, without numba.
Parameters of such a function are named by letters: an integer "i", an array "a" (the address of its first element), a
tuple of arrays "t" (the address of a list of these), a tuple of floats "f" (the address of a list of doubles). Every
such function returns a double.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from minitorch.kernels.words.registers import INT, data, intrinsic

DOUBLE, ADDRESS = ir.DoubleType(), ir.IntType(8).as_pointer()
TUPLE: Any = types.BaseTuple
PARAMETERS = {"i": INT, "a": ADDRESS, "t": ADDRESS.as_pointer(), "f": DOUBLE.as_pointer()}


def begun(module: ir.Module, parameters: str) -> tuple[ir.IRBuilder, tuple[ir.Value, ...]]:
    """A new function with the module's name: where its code goes, and its arguments."""
    function = ir.Function(module, _kind(parameters), module.name)
    return ir.IRBuilder(function.append_basic_block()), function.args


def _kind(parameters: str) -> ir.FunctionType:
    return ir.FunctionType(DOUBLE, [PARAMETERS[letter] for letter in parameters])


def at(builder: ir.IRBuilder, arrays: ir.Value, i: int, element: ir.Type) -> ir.Value:
    """Where array i of a tuple begins."""
    return builder.bitcast(builder.load(builder.gep(arrays, [INT(i)])), element.as_pointer())


@intrinsic
def invoke(typingctx: Any, address: Any, arguments: Any) -> Any:
    """Call the function at an address with a tuple of arguments."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Any:
        address, packed = values
        kinds = signature.args[1].types
        values = cgutils.unpack_tuple(builder, packed, len(kinds))
        passed = [_passed(context, builder, kind, value) for kind, value in zip(kinds, values, strict=True)]
        function = _kind("".join(letter for letter, _ in passed))
        return builder.call(builder.inttoptr(address, function.as_pointer()), [value for _, value in passed])

    return types.float64(types.intp, arguments), emit


def _passed(context: Any, builder: ir.IRBuilder, kind: Any, value: Any) -> tuple[str, ir.Value]:
    """The letter of an argument, and what is passed for it."""
    if isinstance(kind, types.Array):
        return "a", builder.bitcast(data(context, builder, kind, value), ADDRESS)
    if not isinstance(kind, TUPLE):
        return "i", context.cast(builder, value, kind, types.intp)
    values = cgutils.unpack_tuple(builder, value, len(kind))
    if kind.count and not isinstance(kind[0], types.Array):
        return "f", _listed(builder, DOUBLE, values)
    values = [_passed(context, builder, one, value)[1] for one, value in zip(kind, values, strict=True)]
    return "t", _listed(builder, ADDRESS, values)


def _listed(builder: ir.IRBuilder, kind: ir.Type, values: list[ir.Value]) -> ir.Value:
    """The address of these values, side by side in memory of the function."""
    room = builder.bitcast(cgutils.alloca_once(builder, ir.ArrayType(kind, max(1, len(values)))), kind.as_pointer())
    for i, value in enumerate(values):
        builder.store(value, builder.gep(room, [INT(i)]))
    return room
