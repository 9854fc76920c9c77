"""What kernels of convolutions do to their sums before they write them; for whom, see `ops/fuse.py`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from minitorch.kernels.engine.runtime import kernel
from minitorch.kernels.words.registers import INT, Vectors, data


class Epilogue:
    """What becomes of the sums of a convolution before they are written: batch norm, a sum with r, and ReLU.

    Kernels hand on one argument, () for nothing, or (r, table, plane): r as the result or empty; the table holds mean,
    scale and shift of all channels, each `plane` long, then a vector of -0.0, which stands in for r where r is empty,
    and one of what values must not be below, 0 or -inf.
    """

    def __init__(self, context: Any, v: Vectors, kind: Any, argument: ir.Value) -> None:
        r, table, self.plane = cgutils.unpack_tuple(v.builder, argument)
        self.v, self.table = v, data(context, v.builder, kind.types[1], table)
        # No branch in the loops: without an r its address is that of the -0.0, and all distances in it are 0.
        array = context.make_array(kind.types[0])(context, v.builder, r)
        self.given = v.builder.icmp_signed("!=", array.nitems, INT(0))
        constants = v.builder.gep(self.table, [v.builder.mul(self.plane, INT(3))])
        self.r = v.builder.select(self.given, array.data, constants)
        self.floor = v.load(v.builder.gep(constants, [INT(v.lanes)]))

    def step(self, size: ir.Value) -> ir.Value:
        """A distance in the result, as a distance in r."""
        return self.v.builder.select(self.given, size, INT(0))

    def factors(self, channel: ir.Value) -> list[ir.Value]:
        """Mean, scale and shift of a vector of channels."""
        return [self.v.load(self.v.at(self.table, channel, *[self.plane] * i)) for i in range(3)]

    def __call__(self, t: ir.Value, factors: list[ir.Value], place: ir.Value, mask: ir.Value | None) -> ir.Value:
        """A vector of sums, finished; place: of r."""
        y = self.v.builder.fadd(self.v.normal(t, *factors), self.v.load(place, mask))
        return self.v.rectified(y, self.floor)


def epilogue_of(context: Any, v: Vectors, kind: Any, argument: ir.Value) -> Epilogue | None:
    """What a kernel's argument says, None if it is ()."""
    return Epilogue(context, v, kind, argument) if len(kind.types) else None


def kernel_with_epilogue(body: Callable[..., None]) -> Callable[..., None]:
    """Decorator: a kernel whose last argument is an `Epilogue` or (), compiled for each when first needed."""
    plain, ending = kernel(body), kernel(body)
    ending.__name__ += "_epilogue"

    @functools.wraps(body)
    def run(heavy: bool, *arguments: Any) -> None:
        (ending if arguments[-1] else plain)(heavy, *arguments)

    return run
