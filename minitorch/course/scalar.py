"""The chain rule on single numbers: a tape of scalars, all on one screen. The chapters after the first use arrays.

>>> x, y = Scalar(2.0, "x"), Scalar(3.0, "y")
>>> z = x * y + x
>>> z.backward()
>>> x.grad, y.grad
(4.0, 2.0)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

_numbers = itertools.count()


def differences(function: Callable[..., float], point: Sequence[float], step: float = 1e-5) -> list[float]:
    """The slope of function(*point) along each of its numbers, by central differences; `point` stays as it is.

    Along a number x it is (f at x + step  -  f at x - step) / (2 step), while all other numbers are those of the point.

    >>> [round(slope, 6) for slope in differences(lambda x, y: x * y, [2.0, 3.0])]
    [3.0, 2.0]
    """
    # BEGIN SOLUTION 1.1
    slopes = []
    for i, x in enumerate(point):
        above, below = list(point), list(point)
        above[i], below[i] = x + step, x - step
        slopes.append((function(*above) - function(*below)) / (2 * step))
    return slopes
    # END SOLUTION


class Scalar:
    """A number that remembers what it was computed from.

    name: what is written in pictures of it. inputs: the scalars it was computed from. slopes: for each input the local
    slope, how fast this number moves when that input alone moves. number: how many scalars are older. grad: the slope
    of whatever `backward` was called on, along this number; calls add up.
    """

    def __init__(
        self, value: float, name: str = "", inputs: tuple[Scalar, ...] = (), slopes: tuple[float, ...] = ()
    ) -> None:
        self.value, self.name, self.inputs, self.slopes = float(value), name, inputs, slopes
        self.number, self.grad = next(_numbers), 0.0

    # ------------------------------------------------------------------ operations: a value, and a slope for each input

    def __add__(self, other: Scalar | float) -> Scalar:
        other = _scalar(other)
        # BEGIN SOLUTION 1.2
        slopes = 1.0, 1.0
        # END SOLUTION
        return Scalar(self.value + other.value, "+", (self, other), slopes)

    def __mul__(self, other: Scalar | float) -> Scalar:
        other = _scalar(other)
        # BEGIN SOLUTION 1.2
        slopes = other.value, self.value
        # END SOLUTION
        return Scalar(self.value * other.value, "*", (self, other), slopes)

    def __pow__(self, n: float) -> Scalar:
        """self to the power n, a number that is no scalar."""
        # BEGIN SOLUTION 1.2
        slope = n * self.value ** (n - 1)
        # END SOLUTION
        return Scalar(self.value**n, f"**{n}", (self,), (slope,))

    def exp(self) -> Scalar:
        """e to the power self."""
        out = math.exp(self.value)
        # BEGIN SOLUTION 1.2
        slope = out
        # END SOLUTION
        return Scalar(out, "exp", (self,), (slope,))

    def log(self) -> Scalar:
        """The natural logarithm of self."""
        # BEGIN SOLUTION 1.2
        slope = 1 / self.value
        # END SOLUTION
        return Scalar(math.log(self.value), "log", (self,), (slope,))

    def relu(self) -> Scalar:
        """self where it is positive, else 0; at 0 itself the slope is 0."""
        # BEGIN SOLUTION 1.2
        slope = 1.0 if self.value > 0 else 0.0
        # END SOLUTION
        return Scalar(max(self.value, 0.0), "relu", (self,), (slope,))

    # These are composed of the others, and need no slopes of their own.
    def __neg__(self) -> Scalar:
        return self * -1.0

    def __sub__(self, other: Scalar | float) -> Scalar:
        return self + -_scalar(other)

    def __truediv__(self, other: Scalar | float) -> Scalar:
        return self * _scalar(other) ** -1.0

    __radd__, __rmul__ = __add__, __mul__

    # -------------------------------------------------------------------------------------------------------- the tape

    def backward(self) -> None:
        """Add the slope of self along x to the `grad` of every scalar x below it, and of self, whose slope is 1.

        What arrives at a scalar over all paths is added up before it is handed on: it is handed on, times the local
        slopes, when the scalar is the newest that waits. Whatever uses it is newer, so nothing can arrive later.
        """
        # BEGIN SOLUTION 1.3
        arrived = {self: 1.0}
        while arrived:
            newest = max(arrived, key=lambda scalar: scalar.number)
            g = arrived.pop(newest)
            newest.grad += g
            for x, slope in zip(newest.inputs, newest.slopes, strict=True):
                arrived[x] = arrived.get(x, 0.0) + g * slope
        # END SOLUTION

    def tape(self) -> str:
        """Everything below self as a table, newest first: number, name, value, grad, and where it came from."""
        lines = ["   #  name        value       grad   from, with the local slope"]
        for scalar in sorted(self._family().values(), key=lambda s: -s.number):
            pairs = zip(scalar.inputs, scalar.slopes, strict=True)
            came = ",  ".join(f"#{x.number} ({slope:+.4g})" for x, slope in pairs)
            line = f"{scalar.number:4}  {scalar.name:6} {scalar.value:10.4g} {scalar.grad:10.4g}   {came}"
            lines.append(line.rstrip())
        return "\n".join(lines)

    def _family(self) -> dict[int, Scalar]:
        found = {self.number: self}
        for x in self.inputs:
            found |= x._family()
        return found

    def __repr__(self) -> str:
        return f"Scalar({self.value:g}, {self.name!r}, grad={self.grad:g})"


def _scalar(x: Scalar | float) -> Scalar:
    return x if isinstance(x, Scalar) else Scalar(x, f"{x:g}")
