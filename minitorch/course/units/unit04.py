"""Unit 4: sums, products of matrices, extremes, the softmax, and indexing."""

from ..outline import Task, Unit

REDUCE, LINALG, INDEX = "minitorch/ops/reduce.py", "minitorch/ops/linalg.py", "minitorch/ops/index.py"
REFERENCE = "minitorch/kernels/reference.py"

UNIT = Unit(
    number=4,
    name="reductions",
    title="Sums, products, choices, indices",
    hours=3.5,
    read=(REDUCE, LINALG, INDEX, REFERENCE),
    tasks=(
        Task(
            id="4.1",
            title="sum and mean",
            files=(REDUCE,),
            write="Write `spread`, which copies a sum's gradient back to all that was summed, and the rule of the sum "
            "by it. Then compose the mean of the sum: its gradient needs no rule of its own.",
            hints=(
                "It is the other half of the pair of task 3.1: there the rule of copying was a sum.",
                "If a matrix was summed over axis 1 to (2,), expand would align that 2 with the last axis. First give "
                "g its axis of size 1 back: the helper `kept` knows the shape.",
                "spread: reshape g to `kept(shape, dim)`, expand to `shape`. The rule of `reduce_sum` asks for `g, "
                "x_shape, dim` and calls it. The mean: `_count(x, dim)` says how many, `reduce_sum(x, dim=dim, "
                "keepdim=keepdim)` is the sum; of nothing the mean is NaN, which you get as sum / 0.0.",
            ),
            minutes=30,
        ),
        Task(
            id="4.2",
            title="the matrix product",
            files=(LINALG,),
            write="Give the product of stacks of matrices its rules, with `transpose(x, 1, 2)` for the transposes. "
            "Then do it for `linear`, whose operands may be turned, in one call of `linear` each.",
            hints=(
                "Write the sizes: x is (M, K), y is (K, N), g is (M, N). Which product of g and y is (M, K)?",
                "The gradient of x is g y^T, that of y is x^T g. In `linear` X and W are what is multiplied, x and w "
                "what came in. Where w came turned, X W is x w^T.",
                "Batched: `batched_matmul` of g and the transpose of y, and of the transpose of x and g. linear, x "
                "not turned: g times W^T, and W^T needs a turn just where w was not turned already: `turn_w=not "
                "turn_w`. x turned: the transpose of that, W g^T. The two cases of w in the same way: X^T g, or its "
                "transpose g^T X.",
            ),
            points=3,
            minutes=45,
        ),
        Task(
            id="4.3",
            title="the largest element, and ties",
            files=(REDUCE,),
            write="`_shares` says for each element which part of the gradient it gets: 1 over the number of those "
            "that are equal to the best, 0 for all others. It works on arrays. `_shared_slope` is the rule, on "
            "tensors: the gradient, spread, times the shares.",
            hints=(
                "Which elements equal the best is an array of bools. Where the best is NaN, nothing equals it: ask "
                "`np.isnan` of both.",
                "Count the winners along `dim` with keepdims=True, and divide the bools by the counts. The shares do "
                "not depend on x but by jumps: they are a constant for the tape.",
                "The winners are `x == best`, or both NaN; divide them by their number along `dim`, and cast to the "
                "dtype of x. The rule: `spread(g, shape, dim)` times `wrap` of the shares of `x.array`, with "
                "`out.array` reshaped to `kept(shape, dim)` for the best.",
            ),
            minutes=35,
        ),
        Task(
            id="4.4",
            title="softmax and log_softmax",
            files=(REFERENCE, REDUCE),
            write="In kernels/reference.py fill `out` with softmax and log_softmax along the middle axis, without "
            "overflow, and with their gradients; these kernels are NumPy. In ops/reduce.py write the gradients once "
            "more in tensor operations, which can be differentiated again.",
            hints=(
                "Adding a constant to all x changes nothing in softmax. Which constant makes all exponents harmless?",
                "log_softmax is not the logarithm of softmax: far out that is log(0). It is x - max - log(sum(exp(x - "
                "max))). For the gradient put d out_i / dx_j of the docstrings into sum_i g_i d out_i.",
                "softmax: y * (g - the sum of g * y), the sum along the axis, kept with size 1. log_softmax: g - "
                "exp(y) * the sum of g. The axis is 1 in kernels, `dim` in reduce.py, where `sum(..., dim, "
                "keepdim=True)` and `exp` are those of tensors. For an empty axis give max an `initial=-np.inf`.",
            ),
            points=3,
            minutes=50,
        ),
        Task(
            id="4.5",
            title="indexing and its adjoint",
            files=(INDEX,),
            write="`_placed` makes zeros of a shape and adds y at the key. The rule of `getitem` is `place`, the rule "
            "of `place` is `getitem`.",
            hints=(
                "x[[3, 0, 3]] uses element 3 twice. What is its gradient?",
                "NumPy's `out[key] += y` reads, adds and writes; a place that is named twice is read twice before it "
                "is written. Look for the function of ufuncs that adds one by one.",
                "Zeros of the shape and of the dtype of y, then `np.add.at`. The rule of getitem asks for `g, key, "
                "x_shape` and calls `place(g, key=..., shape=...)`; begin it with `_part(g, key, x_shape) or`, which "
                "is faster outside plain mode. The rule of place asks for `g, key`.",
            ),
            minutes=30,
        ),
    ),
)
