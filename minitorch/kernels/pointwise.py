"""Any pointwise formula as one kernel: a pass over all operands, broadcast as they are, on all threads.

A formula arrives as a `Program`: a few lines of Python over `x0, x1, ...` (operands), `n0, ...` (numbers) and the words
below, which end in a line `out = ...`. `ops/declare.py` writes programs by tracing the formulas of ops; here the lines
run once, on `Vector`s, while the kernel is compiled.

What computes a line of elements is a function of LLVM's (engine/functions.py). What walks the lines, on all threads, is
one kernel for all formulas with operands of the same dtypes; it calls the function by its address.

Loops. The axes are sorted as the largest operand has them in memory, and neighbours that all operands pass through in
one stride become one. What is left is a line of `inner` elements, on which an operand moves by 0 or 1, inside up to
three outer axes with any strides, 0 among them. So a bias, a mask or a column is read where it is. An operand that is
the same all along a line is written into a few vectors once per line, from which the loop reads it like any other.

Each element is computed by itself and every operation rounds by itself: its bits depend neither on its place nor on the
number of threads.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba import prange
from numba.core import cgutils

from minitorch.kernels.broadcast import COPIED, HEAD, OPERAND, WHOLE, Program, laid_out, plan_of
from minitorch.kernels.engine.functions import address_of
from minitorch.kernels.engine.memory import empty
from minitorch.kernels.engine.runtime import Kernel, helper
from minitorch.kernels.words import polynomial
from minitorch.kernels.words.outline import DOUBLE, at, begun, invoke
from minitorch.kernels.words.registers import INT, Vectors
from minitorch.kernels.words.vector import SIDE_BY_SIDE, Vector, choose

CHUNK = 64  # threads share work in multiples of it, so that no two of them write to one cache line
PARALLEL = 100_000  # operations worth waking the other threads for
BYTE = ir.IntType(8)


@helper()
def _share(size: int, worker: int, workers: int) -> tuple[int, int]:
    """The elements low ... high - 1 of one worker."""
    chunks = (size + CHUNK - 1) // CHUNK
    return worker * chunks // workers * CHUNK, min(size, (worker + 1) * chunks // workers * CHUNK)


def evaluate(program: Program, operands: list[np.ndarray], numbers: tuple[float, ...],
             over: np.ndarray | None = None, changing: Callable[[], Any] | None = None) -> np.ndarray | None:
    """The program's result for broadcast operands (float32 or float64, and bools), in the memory order of the largest.

    It is written over `over`, an operand, if that is what the result is to be: of its shape, dtype and order; before
    that `changing` is called.

    None where there are more than four axes that cannot be merged, or shapes do not broadcast.
    """
    for i, x in enumerate(operands):
        if not x.flags.behaved:  # writable and aligned; numba would compile a kernel of its own for others
            operands[i] = x.copy(order="K")
    key = (program, *[(x.shape, x.strides, x.dtype.char) for x in operands])
    try:
        plan, dtype, run, line = _known[key]
    except KeyError:
        if len(_known) > 10_000:  # shapes that never come again
            _known.clear()
        plan, dtype, run, line = _known[key] = _prepared(program, operands, len(numbers))
    if plan is None:
        return None
    flat = []
    for x, way in zip(operands, plan.ways, strict=True):
        if way == COPIED:
            x = laid_out(x, plan.order)
        flat.append(x.ravel("K") if way <= WHOLE else x[(slice(1),) * x.ndim].reshape(-1))
    out = None if over is None or over.ndim != len(plan.order) else over.transpose(plan.order)
    if out is None or out.shape != plan.out_shape or out.dtype != dtype or not out.flags.carray:
        out, over = empty(plan.out_shape, dtype), None
    elif changing is not None:
        changing()
    size = out.size
    if size:
        run(size * program.weight > PARALLEL, plan.table, (*flat, out.reshape(-1)), numbers, line)
    if over is not None:
        return over
    return out if plan.back is None else out.transpose(plan.back)


_known: dict[tuple, tuple] = {}  # what is prepared, by program, and shape, strides and dtype of each operand


def _prepared(program: Program, operands: list[np.ndarray], numbers: int) -> tuple:
    """How a program passes through such operands, the dtype of its result, and what `_line` gives."""
    plan, chars = plan_of(operands), "".join([x.dtype.char for x in operands])
    dtype = np.dtype("?" if program.boolean else next(char for char in chars if char != "?"))
    if plan is None:
        return None, dtype, None, 0
    return plan, dtype, *_line(program, chars + dtype.char, numbers)


@cache
def _line(program: Program, chars: str, numbers: int) -> tuple[Kernel, int]:
    """The kernel that walks lines of these dtypes, and the address of the program's own function for them.

    On disk the function is known by the program's text.
    """
    dtypes = chars.replace("?", "b")
    text = hashlib.sha256(repr((program.text, program.boolean)).encode()).hexdigest()
    address = address_of(f"pointwise.{program.name}_{dtypes}_{text[:12]}", partial(_emit, program, chars, numbers))
    return _walk(f"lines_{dtypes}_{numbers}"), address


@cache
def _walk(name: str) -> Kernel:
    """The kernel of this name, which shares the elements out and calls a function for each line, or part of one."""

    def body(workers, plan, arrays, numbers, line):
        for worker in prange(workers):
            low, high = _share(plan[0], worker, workers)
            inner = plan[1]
            while low < high:
                row = low // inner
                start = low - row * inner
                stop = min(inner, start + high - low)
                invoke(line, (plan, arrays, row, start, stop, numbers))
                low += stop - start

    body.__name__ = name
    return Kernel(body, exact=True)


# ------------------------------------------------------------------------------------------------ words of programs
def _where(mask: Vector, yes: Any, no: Any) -> Vector:
    """yes where the mask holds, else no; numbers or vectors."""
    if not isinstance(yes, Vector):
        yes = Vector(mask.v, [mask.v.constant(yes)] * len(mask.values))
    return choose(mask, yes, no)


WORDS: dict[str, Any] = {
    **{name: word for name, word in vars(polynomial).items() if callable(word) and not name.startswith("_")},
    "inf": math.inf,
    "nan": math.nan,
    "where": _where,
    "sqrt": Vector.sqrt,
    "fma": Vector.fma,
    "floor": Vector.floor,
    "ceil": Vector.ceil,
    "trunc": Vector.trunc,
    "round": Vector.rint,
    "maximum": Vector.maximum,
    "minimum": Vector.minimum,
    "copysign": Vector.signed_as,
}


# ------------------------------------------------------------------------------------------------ emission
def _emit(program: Program, chars: str, numbers: int, module: ir.Module) -> None:
    """The function of a program: elements start ... stop - 1 of one line; the last array is the result."""
    builder, arguments = begun(module, "atiiif")
    _Line(builder, arguments, chars, numbers).run(compile(program.text, program.name, "exec"))
    builder.ret(DOUBLE(0.0))


class _Line:
    """The loop over one line: where each operand begins, by which step it moves, what the program makes of them."""

    def __init__(self, builder: ir.IRBuilder, arguments: tuple[ir.Value, ...], chars: str, numbers: int) -> None:
        table, arrays, row, self.start, self.stop, given = arguments
        self.builder, table = builder, builder.bitcast(table, INT.as_pointer())
        element = ir.FloatType() if "f" in chars else ir.DoubleType()
        self.v = v = Vectors(builder, element)

        def entry(i: int) -> ir.Value:
            return builder.load(builder.gep(table, [INT(i)]))

        n1, n2 = entry(2), entry(3)
        rest, i2 = builder.udiv(row, n2), builder.urem(row, n2)
        places = builder.udiv(rest, n1), builder.urem(rest, n1), i2
        self.masks = [char == "?" for char in chars]
        self.at: list[ir.Value] = []
        self.steps: list[ir.Value] = []
        for i, mask in enumerate(self.masks):
            address = at(builder, arrays, i, BYTE if mask else element)
            first = HEAD + OPERAND * i
            for k, place in enumerate(places):
                address = builder.gep(address, [builder.mul(place, entry(first + 1 + k))])
            step = entry(first)
            if i < len(chars) - 1:
                address = self._repeated(address, step)
            self.at.append(address)
            self.steps.append(step)
        loaded = [builder.load(builder.gep(given, [INT(i)])) for i in range(numbers)]
        self.numbers = [v.splat(builder.fptrunc(n, element) if "f" in chars else n) for n in loaded]

    def _repeated(self, address: ir.Value, step: ir.Value) -> ir.Value:
        """The address itself, or, where the operand does not move, that of vectors full of its element."""
        element = address.type.pointee
        room = cgutils.alloca_once(self.builder, ir.ArrayType(element, SIDE_BY_SIDE * self.v.lanes))
        room = self.builder.bitcast(room, element.as_pointer())
        still = self.builder.icmp_signed("==", step, INT(0))
        with self.builder.if_then(still):
            value = self.builder.load(address)
            for i in range(SIDE_BY_SIDE * self.v.lanes):
                self.builder.store(value, self.builder.gep(room, [INT(i)]))
        return self.builder.select(still, room, address)

    def run(self, code: Any) -> None:
        """Groups of vectors, single ones, and the rest under a mask."""
        b, start = self.builder, self.start
        ahead = self.v.ahead(b.sub(self.stop, start))
        for count in (SIDE_BY_SIDE, 1):
            step = INT(count * self.v.lanes)
            end = b.sub(self.stop, b.srem(b.sub(self.stop, start), step))
            with cgutils.for_range_slice(b, start, end, step) as (i, _):
                for address, mask, moves in zip(self.at, self.masks, self.steps, strict=True) if count > 1 else ():
                    if not mask:
                        self.v.fetch_on(b.gep(address, [b.mul(i, moves)]), count, ahead, address is self.at[-1])
                self.step(code, [b.add(i, INT(k * self.v.lanes)) for k in range(count)], None)
            start = end
        with b.if_then(b.icmp_signed("<", start, self.stop)):
            self.step(code, [start], self.v.mask(b.sub(self.stop, start)))

    def step(self, code: Any, places: list[ir.Value], mask: ir.Value | None) -> None:
        """Load, compute, store the vectors at these places."""
        b, v = self.builder, self.v
        words: dict[str, Any] = {f"n{i}": Vector(v, [n] * len(places)) for i, n in enumerate(self.numbers)}
        steady = Vector(v, [v.zero] * len(places))
        words["number"] = steady.like
        for i, (address, step) in enumerate(zip(self.at[:-1], self.steps[:-1], strict=True)):
            # Vectors of an operand that does not move lie side by side, from the first on.
            moved = [b.add(b.mul(p, step), b.mul(INT(k * v.lanes), b.sub(INT(1), step))) for k, p in enumerate(places)]
            load = self._load_mask if self.masks[i] else v.load
            words[f"x{i}"] = Vector(v, [load(b.gep(address, [p]), mask) for p in moved])
        exec(code, WORDS, words)
        out = words["out"]
        for p, value in zip(places, out.values, strict=True):
            store = self._store_mask if self.masks[-1] else v.store
            store(value, b.gep(self.at[-1], [p]), mask)

    def _load_mask(self, address: ir.Value, mask: ir.Value | None) -> ir.Value:
        """A vector of bools from as many bytes."""
        kind = ir.VectorType(BYTE, self.v.lanes)
        pointer = self.builder.bitcast(address, kind.as_pointer())
        if mask is None:
            found = self.builder.load(pointer, align=1)
        else:
            found = self._masked("load", kind, [pointer, ir.IntType(32)(1), mask, ir.Constant(kind, None)])
        return self.builder.icmp_signed("!=", found, ir.Constant(kind, None))

    def _store_mask(self, value: ir.Value, address: ir.Value, mask: ir.Value | None) -> None:
        """A vector of bools to as many bytes."""
        kind = ir.VectorType(BYTE, self.v.lanes)
        value = self.builder.zext(value, kind)
        pointer = self.builder.bitcast(address, kind.as_pointer())
        if mask is None:
            self.builder.store(value, pointer, align=1)
        else:
            self._masked("store", ir.VoidType(), [value, pointer, ir.IntType(32)(1), mask])

    def _masked(self, what: str, result: ir.Type, arguments: list[ir.Value]) -> ir.Value:
        kind = ir.FunctionType(result, [a.type for a in arguments])
        name = f"llvm.masked.{what}.v{self.v.lanes}i8.p0"
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), arguments)


