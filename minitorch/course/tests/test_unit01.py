"""Tests of unit 1: numbers and their slopes."""

import math

from minitorch.course.scalar import Scalar, differences
from minitorch.course.telling import Mistake, answer, same


def test_1_1_slopes_of_a_product():
    """Of x y z in each of its three numbers; a large step shows from how far apart the values come."""
    slopes = differences(lambda x, y, z: x * y * z, [2.0, 3.0, 5.0])
    same(slopes, [15.0, 10.0, 6.0], "the slopes of x * y * z at (2, 3, 5)", rtol=1e-5)


def test_1_1_both_sides():
    """With a step of 1/2 the cube's slope at 2 is 12 + step^2, from both sides; from one side it would be 15.25."""
    answer(
        differences(lambda x: x**3, [2.0], step=0.5),
        [12.25],
        "the slope of x ** 3 at 2 with a step of 0.5",
        {
            "the value at x itself was taken: a central difference looks at both sides of x": [15.25],
            "the value at x itself was taken for the upper one: look at both sides of x": [9.25],
            "the factor 2 is missing: the two points are two steps apart": [24.5],
            "the sign is wrong: the upper value comes first": [-12.25],
        },
    )


def test_1_1_one_number_at_a_time():
    """While one number moves, the others are those of the point; which is not changed."""
    point, seen = [1.0, 2.0, 4.0], []

    def function(*numbers):
        seen.append(numbers)
        return numbers[0] + numbers[1] * numbers[2]

    differences(function, point, step=0.25)
    if point != [1.0, 2.0, 4.0]:
        raise Mistake(f"differences changed the point it was given: it is {point} now, and was [1.0, 2.0, 4.0]")
    for numbers in seen:
        moved = [i for i in range(3) if numbers[i] != point[i]]
        if len(moved) != 1:
            raise Mistake(f"the function was called at {numbers}: exactly one number of {point} should have moved")
    if len(seen) != 6:
        raise Mistake(f"the function was called {len(seen)} times; two values for each of three numbers are enough")


def _local(out, expected, of, mistakes):
    answer(out.slopes, expected, f"the local slopes of {of}", mistakes)


def test_1_2_sum_and_product():
    """Each input of a sum and of a product has a slope of its own."""
    x, y = Scalar(2.0, "x"), Scalar(5.0, "y")
    _local(x + y, [1.0, 1.0], "x + y at (2, 5)", {"a sum moves as fast as each of its terms": [2.0, 5.0]})
    exchanged = "the slopes of the two inputs are exchanged: along x the product moves as fast as y says"
    _local(x * y, [5.0, 2.0], "x * y at (2, 5)", {exchanged: [2.0, 5.0]})
    _local(x * 3.0, [3.0, 2.0], "x * 3.0 at 2", {exchanged: [2.0, 3.0]})


def test_1_2_power():
    """The power rule, for whole, broken and negative exponents."""
    for n, expected in ((3, 12.0), (1, 1.0), (-1.0, -0.25), (0.5, 0.5 / math.sqrt(2))):
        mistakes = {
            "the factor n of the power rule is missing": [2.0 ** (n - 1)],
            "the exponent has not come down by one": [n * 2.0**n],
        }
        _local(Scalar(2.0) ** n, [expected], f"x ** {n} at 2", mistakes)


def test_1_2_exp_and_log():
    """exp is its own slope, log has 1 / x."""
    for x in (0.5, 2.0):
        e = math.exp(x)
        mistakes = {
            "this is the power rule; the exponential function is its own slope": [x * math.exp(x - 1)],
            "this is the input; the slope of exp is its value": [x],
        }
        _local(Scalar(x).exp(), [e], f"exp at {x}", mistakes)
        mistakes = {
            "the slope of log is 1 over its input, not over its value": [1 / math.log(x)],
            "the sign is wrong": [-1 / x],
        }
        _local(Scalar(x).log(), [1 / x], f"log at {x}", mistakes)


def test_1_2_relu():
    """1 above zero, 0 below, and by agreement 0 at the kink."""
    for x, slope in ((3.0, 1.0), (-3.0, 0.0), (0.0, 0.0)):
        mistakes = {"this is the value of relu, not its slope": [max(x, 0.0)], "at the kink the slope is 0": [1.0]}
        _local(Scalar(x).relu(), [slope], f"relu at {x}", mistakes)


def test_1_3_one_path():
    """Along one path the slopes multiply."""
    x = Scalar(0.5, "x")
    ((x * 3.0).exp() ** 2).backward()
    mistakes = {
        "only the last local slope came through: multiply what arrived by each local slope": 2 * math.exp(1.5),
        "the local slopes were added; along a path they multiply": 3 + math.exp(1.5) + 2 * math.exp(1.5),
        "only the first local slope came through: multiply what arrived by each local slope": 3.0,
    }
    answer(x.grad, 6 * math.exp(3.0), "the slope of exp(3 x) ** 2 at 0.5", mistakes)


def test_1_3_itself():
    """A number's slope along itself is 1, and inner numbers have theirs, too."""
    x = Scalar(2.0, "x")
    y = x * 4.0
    z = y + 1.0
    z.backward()
    same([z.grad, y.grad, x.grad], [1.0, 1.0, 4.0], "the grad of z, y and x, where z = y + 1 and y = x * 4")


def test_1_3_several_paths():
    """What arrives over several paths adds up."""
    overwritten = "one path's slope has overwritten another's: what arrives over several paths adds up"
    x = Scalar(3.0, "x")
    (x * x).backward()
    answer(x.grad, 6.0, "the slope of x * x at 3", {overwritten: 3.0})
    x = Scalar(3.0, "x")
    (x + x * 5.0).backward()
    answer(x.grad, 6.0, "the slope of x + x * 5", {overwritten: 1.0, f"{overwritten}.": 5.0})


def test_1_3_newest_first():
    """y hands on its slope when both of its uses have given theirs."""
    for near in (True, False):
        x = Scalar(2.0, "x")
        y = x * 10.0
        far = (y * 1.0) * 1.0
        z = y + far if near else far + y
        z.backward()
        early = "y handed on its slope before all of it had arrived: the newest scalar that waits goes first"
        answer(x.grad, 20.0, "the slope of y + (y * 1) * 1 along x, where y = x * 10", {early: 10.0})


class _Counted(Scalar):
    """A scalar that counts how often its grad is changed."""

    changes = -1

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)
        if name == "grad":
            self.changes += 1


def test_1_3_each_once():
    """Twelve doublings are 4096 paths, but only twelve numbers."""
    x = _Counted(1.0, "x")
    out = x + 0.0
    for _ in range(12):
        out = out + out
    out.backward()
    same(x.grad, 4096.0, "the slope of x, doubled twelve times")
    if x.changes > 2:
        raise Mistake(
            f"the grad of x changed {x.changes} times: every path was walked on its own. A scalar hands on its slope "
            "once, when it is the newest that waits and all of its slope has arrived"
        )


def test_1_3_calls_add_up():
    """Two calls give twice the slope, and inner numbers do not hand on what an earlier call left in their grad."""
    x = Scalar(2.0, "x")
    z = x * x * 3.0
    z.backward()
    z.backward()
    mistakes = {
        "an earlier call's grad was handed on again: keep what arrives in this call apart, in a dict": 36.0,
        "the second call has overwritten the grad of the first: add to it": 12.0,
    }
    answer(x.grad, 24.0, "the grad of x after two calls of backward on x * x * 3", mistakes)


def test_1_3_deep():
    """A tape may be longer than Python's stack."""
    x = out = Scalar(1.0, "x")
    for _ in range(1500):
        out = out + 1.0
    try:
        out.backward()
    except RecursionError:
        raise Mistake("backward calls itself for each number of a long tape; a loop has no such limit") from None
    same(x.grad, 1.0, "the slope of x + 1 + 1 + ... along x")
