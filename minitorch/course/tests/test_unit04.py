"""Tests of unit 4: many elements into one, products of matrices, the softmax, and indexing."""

import numpy as np

import minitorch
from minitorch import kernels
from minitorch.autograd import grad
from minitorch.course.telling import Mistake, answer, gradients, same
from minitorch.ops.index import getitem, place
from minitorch.ops.linalg import batched_matmul, linear
from minitorch.ops.reduce import amax_over, mean, reduce_sum, spread


def leaf(*sizes):
    """Float64 numbers between -2 and 2."""
    values = np.random.default_rng(sizes).uniform(-2, 2, sizes)
    return minitorch.tensor(values, dtype=minitorch.float64, requires_grad=True)


def ones(*sizes):
    """Incoming gradients."""
    return minitorch.ones(sizes, dtype=minitorch.float64)


# ------------------------------------------------------------------------------------------------- 4.1: sum and mean


def test_4_1_spread():
    """What was summed away is copied back; with and without the axes of size 1."""
    full = np.broadcast_to(np.array([[1.0], [2.0]]), (2, 3))
    for g in ([1.0, 2.0], [[1.0], [2.0]]):
        try:
            found = spread(minitorch.tensor(g), (2, 3), (1,))
        except ValueError as error:
            raise Mistake(
                f"spread of {g} to shape (2, 3), over axis 1, fails: {error}\nbring g to its shape with axes of size 1 "
                "first; only then is it clear which axis was summed over"
            ) from None
        same(found, full, f"spread of {g} to shape (2, 3), over axis 1,")
    same(spread(minitorch.tensor([[1.0, 2.0]]), (2, 2), (0,)), [[1, 2], [1, 2]], "spread of [[1, 2]] over axis 0")
    same(
        spread(minitorch.tensor([1.0, 2.0]), (2, 2), (1,)), [[1, 1], [2, 2]], "spread of [1, 2] to (2, 2), over axis 1,"
    )


def test_4_1_sum():
    """Over one axis, two, and all."""
    for dim, keepdim in (((0,), False), ((1,), False), ((0, 2), False), ((1,), True), ((0, 1, 2), False)):
        gradients(
            lambda x, *, dim=dim, keepdim=keepdim: reduce_sum(x, dim=dim, keepdim=keepdim),
            leaf(2, 3, 2),
            of=f"the sum over {dim}, keepdim={keepdim},",
            second=True,
        )


def test_4_1_mean():
    """Its value, and its gradient: divided by as many as were averaged."""
    x = leaf(2, 3)
    for dim, count in ((0, 2), (1, 3), (None, 6)):
        expected = x.array.mean(dim)
        mistakes = {
            "this is the sum": expected * count,
            "divided by the number of all elements, not of those that are averaged": expected * count / 6,
            "divided by the number of results, not of what is averaged": expected * count * count / 6,
        }
        answer(mean(x, dim), expected, f"the mean of a (2, 3) over dim={dim}", mistakes)
        gradients(lambda x, *, dim=dim: mean(x, dim), x, of=f"the mean of a (2, 3) over dim={dim}")
    empty = mean(minitorch.zeros(0, dtype=minitorch.float64))
    if not np.isnan(empty.item()):
        raise Mistake(f"the mean of nothing is {empty.item()}, expected NaN: 0 / 0")


# ------------------------------------------------------------------------------------------- 4.2: products of matrices


def test_4_2_stacks_of_matrices():
    """Of different sizes, so that a wrong order of factors does not even fit."""
    gradients(lambda x, y: batched_matmul(x, y), leaf(2, 3, 4), leaf(2, 4, 2), of="x @ y of (2, 3, 4) and (2, 4, 2)")
    gradients(lambda x, y: batched_matmul(x, y), leaf(1, 2, 3), leaf(1, 3, 2), of="x @ y, twice,", second=True)


def test_4_2_square_matrices():
    """Here a wrong order fits, and gives wrong numbers."""
    gradients(lambda x, y: batched_matmul(x, y), leaf(1, 2, 2), leaf(1, 2, 2) + 0.5, of="x @ y of square matrices")
    gradients(
        lambda x, y: x @ y, leaf(2, 2), leaf(2, 2).detach().t().contiguous().requires_grad_(), of="x @ y of (2, 2)"
    )


def test_4_2_turned_operands():
    """All four cases of `linear`."""
    for turn_x in (False, True):
        for turn_w in (False, True):
            x, w = leaf(*((3, 2) if turn_x else (2, 3))), leaf(*((4, 3) if turn_w else (3, 4)))
            called = f"linear with turn_x={turn_x}, turn_w={turn_w}"
            gradients(lambda x, w, *, a=turn_x, b=turn_w: linear(x, w, turn_x=a, turn_w=b), x, w, of=called)
    gradients(lambda x, w: linear(x, w), leaf(2, 2), leaf(2, 2) * 2 + 1, of="linear of square matrices", second=True)


def test_4_2_a_layer():
    """x @ W^T + b, as a layer has it."""
    gradients(
        lambda x, w, b: minitorch.nn.functional.linear(x, w, b), leaf(4, 3), leaf(2, 3), leaf(2), of="a linear layer"
    )


# -------------------------------------------------------------------------------------------------------- 4.3: amax


def test_4_3_the_largest():
    """Where there is one, it has all of the gradient."""
    for dim, keepdim in (((1,), False), ((0,), True), ((0, 1), False)):
        gradients(
            lambda x, *, dim=dim, keepdim=keepdim: amax_over(x, dim=dim, keepdim=keepdim),
            leaf(3, 4),
            of=f"amax over {dim}, keepdim={keepdim},",
            second=True,
        )
    gradients(lambda x: x.amin(1), leaf(3, 4), of="amin over 1")


def test_4_3_ties():
    """Equals share."""
    x = minitorch.tensor(
        [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [0.0, 5.0, 1.0]], dtype=minitorch.float64, requires_grad=True
    )
    (found,) = grad(x.amax(1), [x], ones(3) * 6)
    expected = np.array([[0.0, 3.0, 3.0], [2.0, 2.0, 2.0], [0.0, 6.0, 0.0]])
    wins = x.array == x.array.max(1, keepdims=True)
    mistakes = {
        "ties: each of several equals gets the whole gradient; they share it": wins * 6.0,
        "ties: the first of several equals gets everything; they share it": np.eye(3)[x.array.argmax(1)] * 6.0,
        "ties: shared by the number of all winners, not of those in the same row": wins * (6.0 / wins.sum()),
    }
    answer(found, expected, "the gradient of amax over axis 1, with 6 coming in for each row,", mistakes)


def test_4_3_nan():
    """NaN wins, and shares with other NaN."""
    nan = float("nan")
    x = minitorch.tensor([1.0, nan, 3.0, nan], dtype=minitorch.float64, requires_grad=True)
    (found,) = grad(x.amax(0), [x], minitorch.tensor(1.0, dtype=minitorch.float64))
    same(found, [0.0, 0.5, 0.0, 0.5], "the gradient of amax of (1, NaN, 3, NaN)")


# ----------------------------------------------------------------------------------------------------- 4.4: softmax


def _kernel(kernel, *arrays):
    out = np.full_like(arrays[0], 7.0)
    with np.errstate(all="ignore"):
        kernel(*arrays, out)
    return out


def test_4_4_softmax():
    """Along the middle axis of (outer, C, inner)."""
    x = np.random.default_rng(44).normal(size=(2, 3, 2))
    e = np.exp(x)
    mistakes = {
        "the sum runs over all elements, not along the middle axis": e / e.sum(),
        "the sum runs along the last axis, not the middle one": e / e.sum(2, keepdims=True),
        "the array was not filled: write out[...] = ...": np.full_like(x, 7.0),
    }
    answer(_kernel(kernels.softmax, x), e / e.sum(1, keepdims=True), "softmax of (2, 3, 2) along the middle", mistakes)
    mistakes = {"no exponentials are summed: log(sum(exp(x))), in this order": x - x.sum(1, keepdims=True)}
    expected = x - np.log(e.sum(1, keepdims=True))
    answer(_kernel(kernels.log_softmax, x), expected, "log_softmax along the middle", mistakes)


def test_4_4_large_numbers():
    """exp(1000) is infinite; softmax is not, and log_softmax keeps its digits far out."""
    x = np.array([[[1000.0], [1001.0], [-1000.0]]])
    e = np.exp(x - 1001)
    expected, found = e / e.sum(), _kernel(kernels.softmax, x)
    if not np.isfinite(found).all():
        raise Mistake(f"softmax of (1000, 1001, -1000) is {found.ravel()}: exp overflows; subtract the largest first")
    same(found, expected, "softmax of (1000, 1001, -1000)")
    found = _kernel(kernels.log_softmax, x)
    if not np.isfinite(found).all():
        raise Mistake(
            f"log_softmax of (1000, 1001, -1000) is {found.ravel()}: exp overflows, or the logarithm of a softmax that "
            "is 0 was taken; subtract the largest, then the logarithm of the sum"
        )
    same(found, x - 1001 - np.log(e.sum()), "log_softmax of (1000, 1001, -1000)")


def test_4_4_gradients():
    """By tensor operations, to second order, and by the kernels."""
    for name in ("softmax", "log_softmax"):
        op = getattr(minitorch, name)
        gradients(lambda x, *, op=op: op(x, 1), leaf(2, 4), of=f"{name}(x) along axis 1", second=True)
        gradients(lambda x, *, op=op: op(x, 0), leaf(3, 2), of=f"{name}(x) along axis 0")
        x = leaf(2, 4)
        y = op(x, 1)
        g = np.random.default_rng(45).normal(size=(2, 4))
        (found,) = grad(y, [x], minitorch.tensor(g))
        by_kernel = _kernel(getattr(kernels, f"{name}_grad"), g[..., None], y.array[..., None])[..., 0]
        same(by_kernel, found, f"what the kernel {name}_grad gives, beside the rule in tensor operations,")


# ---------------------------------------------------------------------------------------------------- 4.5: indexing


def test_4_5_place():
    """Zeros, and y where it was taken from; a place that is named twice gets both."""
    y = np.array([1.0, 2.0, 4.0])
    same(place(y, key=(slice(1, 4),), shape=(5,)), [0, 1, 2, 4, 0], "place of (1, 2, 4) at [1:4] of 5")
    found = place(y, key=(np.array([3, 0, 3]),), shape=(4,))
    once = "index 3 is named twice, and the last one has overwritten the first: they add up"
    answer(found, [2.0, 0.0, 0.0, 5.0], "place of (1, 2, 4) at [[3, 0, 3]] of 4", {once: [2.0, 0.0, 0.0, 4.0]})
    same(place(np.array(7.0), key=(1, 0), shape=(2, 2)), [[0, 0], [7, 0]], "place of 7 at [1, 0] of (2, 2)")
    same(
        place(y, key=(Ellipsis, slice(None, None, 2)), shape=(5,)),
        [1, 0, 2, 0, 4],
        "place of (1, 2, 4) at [..., ::2] of 5",
    )


def test_4_5_rules():
    """getitem and place are each other's rule, for all kinds of keys."""
    keys = {
        "x[1]": 1,
        "x[:, 1:3]": (slice(None), slice(1, 3)),
        "x[..., ::2]": (Ellipsis, slice(None, None, 2)),
        "x[rows] with rows = (2, 0, 2, 1)": minitorch.tensor([2, 0, 2, 1]),
        "x[None]": None,
    }
    for text, key in keys.items():
        gradients(lambda x, *, key=key: x[key], leaf(3, 4), of=text, second=True)
    gradients(lambda y: place(y, key=(np.array([3, 0, 3]),), shape=(4,)), leaf(3), of="place at [[3, 0, 3]] of 4")


def test_4_5_adjoint():
    """<x[key], y> = <x, place(y)>."""
    draw = np.random.default_rng(46)
    x, y = draw.normal(size=(4, 3)), draw.normal(size=(5, 3))
    key = (np.array([0, 3, 3, 1, 0]),)
    left = (getitem(x, key=key) * y).sum()
    same((x * place(y, key=key, shape=(4, 3))).sum(), left, "<x, place(y)>, which is to be <x[key], y>,")


def test_4_5_the_key_may_hold_everything():
    """A net's rows, looked up by a batch: the gradient of rows that occur often is large, of others zero."""
    table = leaf(5, 2)
    (found,) = grad(table[minitorch.tensor([1, 1, 1, 4])], [table], ones(4, 2))
    overwritten = np.array([[0.0] * 2, [1.0] * 2, [0.0] * 2, [0.0] * 2, [1.0] * 2])
    once = "a row that was taken three times got one gradient; they add up"
    expected = [[0, 0], [3, 3], [0, 0], [0, 0], [1, 1]]
    answer(found, expected, "the gradient of a table, of which rows (1, 1, 1, 4) were taken,", {once: overwritten})
