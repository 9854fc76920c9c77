"""Tests of unit 3: the rules of pointwise operations, broadcasting, and operations that move elements."""

import numpy as np

import minitorch
from minitorch.autograd import grad
from minitorch.course.telling import Mistake, answer, gradients, same
from minitorch.ops import pointwise, shape

DRAW = np.random.default_rng(3)


def leaf(*sizes, low=-2.0, high=2.0):
    """Float64 numbers between low and high, at least a tenth away from 0."""
    values = np.random.default_rng(sizes).uniform(low, high, sizes)
    values = np.where(np.abs(values) < 0.1, 0.1 + np.abs(values), values)
    return minitorch.tensor(values, dtype=minitorch.float64, requires_grad=True)


def kept(out):
    """The names of the arrays that the node of a result keeps for its rules."""
    return [name for name in out.node.kept if not name.endswith("_shape")]


# ------------------------------------------------------------------------------------------------ 3.1: broadcasting


def test_3_1_sum_to():
    """Leading axes go, axes of size 1 stay with size 1, all others are left alone."""
    x = np.arange(24.0).reshape(2, 3, 4)
    for target, axes in (
        ((3, 4), (0,)),
        ((4,), (0, 1)),
        ((1, 4), (0, 1)),
        ((2, 1, 4), (1,)),
        ((1, 3, 1), (0, 2)),
        ((), (0, 1, 2)),
        ((2, 3, 4), ()),
    ):
        try:
            found = shape.sum_to(x, shape=target)
        except ValueError as error:
            raise Mistake(
                f"sum_to of an array of shape (2, 3, 4) to shape {target} fails: {error}. It sums over axes {axes}: "
                "the leading ones, and those where the shape has a 1"
            ) from None
        first = x[tuple(slice(0, 1) if axis in axes else slice(None) for axis in range(3))]
        mistakes = {
            "not summed over the broadcast axis: one of the copies was taken": first.reshape(target),
            "this is the mean; the adjoint of copying is the sum": x.mean(axes).reshape(target) if axes else x,
        }
        of = f"sum_to of arange(24) of shape (2, 3, 4), to shape {target},"
        answer(found, x.sum(axes).reshape(target), of, mistakes)


def test_3_1_the_argument_stays():
    """Where nothing was broadcast, the result may be x itself; x is never changed."""
    x = np.ones((3, 1, 2))
    shape.sum_to(x, shape=(1, 1, 2))
    same(x, np.ones((3, 1, 2)), "the argument of sum_to, afterwards,")
    same(shape.sum_to(x, shape=(3, 1, 2)), np.ones((3, 1, 2)), "sum_to of an array to its own shape")


def test_3_1_rules():
    """expand and sum_to are each other's rule; the dot product says so: <expand x, y> = <x, sum_to y>."""
    for small, large in (((3,), (2, 3)), ((2, 1), (2, 3)), ((1, 3, 1), (2, 3, 2)), ((), (2, 2))):
        gradients(
            lambda x, *, large=large: shape.expand(x, shape=large), leaf(*small), of=f"expand of {small} to {large}"
        )
        gradients(
            lambda x, *, small=small: shape.sum_to(x, shape=small), leaf(*large), of=f"sum_to of {large} to {small}"
        )
    x, y = leaf(2, 1), leaf(2, 3)
    left = (shape.expand(x, shape=(2, 3)).array * y.array).sum()
    same((x.array * shape.sum_to(y.array, shape=(2, 1))).sum(), left, "<x, sum_to y> where <expand x, y>")


def test_3_1_the_sum_of_different_shapes():
    """In x + b of shapes (4, 3) and (3,) the rule of b sums over rows."""
    gradients(lambda x, b: x + b, leaf(4, 3), leaf(3), of="x + b of shapes (4, 3) and (3,)")
    gradients(lambda x, b: x * b, leaf(4, 3), leaf(4, 1), of="x * b of shapes (4, 3) and (4, 1)", second=True)
    gradients(lambda x, b: x + b, leaf(3, 1), leaf(1, 2), of="x + b of shapes (3, 1) and (1, 2)")


# -------------------------------------------------------------------------------------------------- 3.2: arithmetic


def test_3_2_subtract_and_negative():
    """x - y and -x."""
    gradients(lambda x, y: x - y, leaf(2, 3), leaf(2, 3), of="x - y", second=True)
    gradients(lambda x, y: x - y, leaf(2, 3), leaf(3), of="x - y of shapes (2, 3) and (3,)")
    gradients(lambda x: 5.0 - x, leaf(3), of="5 - x")
    gradients(lambda x: -x, leaf(3), of="-x", second=True)


def test_3_2_divide():
    """x / y along both."""
    gradients(lambda x, y: x / y, leaf(2, 3), leaf(2, 3, low=0.5), of="x / y", second=True)
    gradients(lambda x, y: x / y, leaf(2, 3), leaf(2, 1, low=0.5), of="x / y of shapes (2, 3) and (2, 1)")
    gradients(lambda y: 3.0 / y, leaf(4, low=0.5), of="3 / y")


def test_3_2_square():
    """x squared, also at 0."""
    gradients(lambda x: pointwise.square(x), leaf(4), of="square(x)", second=True)
    x = minitorch.tensor([0.0, -3.0], dtype=minitorch.float64, requires_grad=True)
    (found,) = grad(pointwise.square(x), [x], minitorch.ones(2, dtype=minitorch.float64))
    same(found, [0.0, -6.0], "the gradient of square(x) at (0, -3)")


# ------------------------------------------------------------------------------------------------ 3.3: ask for `out`


def _smooth(op, x, name):
    (found,) = grad(op(x), [x], minitorch.zeros(x.shape, dtype=minitorch.float64))
    if found.array.any():
        raise Mistake(f"{name}(x): an incoming gradient of 0 gives {found.tolist()}: a rule is g times the slope")
    gradients(lambda x: op(x), x, of=f"{name}(x)", second=True)


def test_3_3_exp_and_log():
    """exp and log."""
    _smooth(minitorch.exp, leaf(2, 3), "exp")
    _smooth(minitorch.log, leaf(5, low=0.3), "log")


def test_3_3_sqrt():
    """The square root."""
    _smooth(minitorch.sqrt, leaf(5, low=0.3), "sqrt")


def test_3_3_tanh_and_sigmoid():
    """The two curves from one value to another; far out they are flat, and nothing overflows."""
    _smooth(minitorch.tanh, leaf(5), "tanh")
    _smooth(minitorch.sigmoid, leaf(5), "sigmoid")
    for name, op in (("tanh", minitorch.tanh), ("sigmoid", minitorch.sigmoid)):
        x = minitorch.tensor([-800.0, 800.0], dtype=minitorch.float64, requires_grad=True)
        (found,) = grad(op(x), [x], minitorch.ones(2, dtype=minitorch.float64))
        same(found, [0.0, 0.0], f"the gradient of {name}(x) at -800 and 800")


def test_3_3_only_the_result_is_kept():
    """The rules of exp, sqrt, tanh and sigmoid need the result, and no second array."""
    x = leaf(3, low=0.3)
    for name in ("exp", "sqrt", "tanh", "sigmoid"):
        out = getattr(minitorch, name)(x)
        names = kept(out)
        grad(out, [x], minitorch.ones(3, dtype=minitorch.float64))
        if names != ["out"]:
            raise Mistake(
                f"the node of {name} keeps {names}: its slope can be computed from the result alone; ask for `out`, "
                "which exists anyway"
            )
    if kept(minitorch.log(x)) != ["x"]:
        raise Mistake(f"the node of log keeps {kept(minitorch.log(x))}: its slope needs x, and nothing else")


# ------------------------------------------------------------------------------------------------------ 3.4: choices


def _at(op, values, expected, of, mistakes):
    """The gradient for incoming ones, along the first of several inputs."""
    x, *others = (minitorch.tensor(v, dtype=minitorch.float64, requires_grad=True) for v in values)
    (found,) = grad(op(x, *others), [x], minitorch.ones(len(values[0]), dtype=minitorch.float64))
    answer(found, expected, of, mistakes)


def test_3_4_relu_and_abs():
    """Away from the kink, by differences; at the kink both have slope 0."""
    mixed = {"the wrong side is let through": [1.0, 0.0], "the gradient passes everywhere": [1.0, 1.0]}
    _at(lambda x: x.relu(), [[-2.0, 3.0]], [0.0, 1.0], "the gradient of relu(x) at (-2, 3)", mixed)
    _at(
        lambda x: x.abs(),
        [[-2.0, 3.0]],
        [-1.0, 1.0],
        "the gradient of abs(x) at (-2, 3)",
        {"the sign of x is missing": [1.0, 1.0], "the sign is wrong": [1.0, -1.0]},
    )
    gradients(lambda x: x.relu(), leaf(3, 3), of="relu(x)", second=True)
    gradients(lambda x: x.abs(), leaf(3, 3), of="abs(x)", second=True)
    kink = {"at the kink, x = 0, the slope is 0": [1.0], "at the kink, x = 0, the slope is 0, not a half": [0.5]}
    _at(lambda x: x.relu(), [[0.0]], [0.0], "the gradient of relu(x) at 0", kink)
    _at(lambda x: x.abs(), [[0.0]], [0.0], "the gradient of abs(x) at 0", kink)


def test_3_4_where():
    """Each element's gradient goes to where the element came from."""
    condition = minitorch.tensor([[True, False, True], [False, False, True]])
    gradients(
        lambda x, y: minitorch.where(condition, x, y), leaf(2, 3), leaf(2, 3), of="where(condition, x, y)", second=True
    )
    gradients(
        lambda x, y: minitorch.where(condition, x, y),
        leaf(3),
        leaf(2, 1),
        of="where(condition, x, y) of shapes (2, 3), (3,) and (2, 1)",
    )


def test_3_4_maximum_and_minimum():
    """The gradient goes to the one that was chosen."""
    x, y = leaf(2, 3), leaf(2, 3, low=-1.9)
    gradients(lambda x, y: minitorch.maximum(x, y), x, y, of="maximum(x, y)", second=True)
    gradients(lambda x, y: minitorch.minimum(x, y), x, y, of="minimum(x, y)", second=True)
    gradients(lambda x, y: minitorch.maximum(x, y), leaf(2, 3), leaf(3), of="maximum(x, y) of shapes (2, 3) and (3,)")


def test_3_4_ties():
    """Equals share the gradient: half each."""
    mistakes = {
        "a tie: equals share the gradient, half each; here both get all of it, or x does": [1.0, 0.0, 1.0],
        "a tie: equals share the gradient, half each; here x gets nothing": [0.0, 0.0, 1.0],
    }
    values = [[2.0, 1.0, 3.0], [2.0, 5.0, 0.0]]
    _at(
        minitorch.maximum,
        values,
        [0.5, 0.0, 1.0],
        "the gradient of maximum(x, y) along x = (2, 1, 3), y = (2, 5, 0)",
        mistakes,
    )
    values = [[2.0, 5.0, 0.0], [2.0, 1.0, 3.0]]
    _at(
        minitorch.minimum,
        values,
        [0.5, 0.0, 1.0],
        "the gradient of minimum(x, y) along x = (2, 5, 0), y = (2, 1, 3)",
        mistakes,
    )
    x, y = (minitorch.tensor([2.0], dtype=minitorch.float64, requires_grad=True) for _ in range(2))
    both = grad(minitorch.maximum(x, y), [x, y], minitorch.ones(1, dtype=minitorch.float64))
    same(both[0].array + both[1].array, [1.0], "the sum of the gradients of x and y, in maximum(2, 2),")


# ------------------------------------------------------------------------------------------- 3.5: elements that move


def test_3_5_reshape():
    """The gradient goes back into the shape of x."""
    gradients(lambda x: x.reshape(3, 4), leaf(2, 6), of="reshape from (2, 6) to (3, 4)", second=True)
    gradients(lambda x: x.reshape(-1), leaf(2, 3), of="reshape from (2, 3) to (6,)")


def test_3_5_permute():
    """The inverse permutation, which for three axes is not always the same one."""
    for dims in ((1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        gradients(lambda x, *, dims=dims: x.permute(*dims), leaf(2, 2, 2), of=f"permute with dims {dims}", second=True)
        x = leaf(2, 3, 4)
        out = x.permute(*dims)
        try:
            (found,) = grad(out, [x], minitorch.tensor(np.arange(24.0).reshape(out.shape)))
        except (RuntimeError, ValueError) as error:
            raise Mistake(
                f"permute with dims {dims}: {error}\nthe rule needs the inverse of dims, not dims itself"
            ) from None
        inverse = np.argsort(dims)
        same(found, np.arange(24.0).reshape(out.shape).transpose(inverse), f"the gradient of permute with dims {dims}")


def test_3_5_flip():
    """Along one axis and along two."""
    for dims in ((0,), (1,), (0, 1)):
        gradients(lambda x, *, dims=dims: x.flip(*dims), leaf(3, 3), of=f"flip of (3, 3) along {dims}", second=True)
