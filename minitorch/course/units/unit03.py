"""Unit 3: the rules of pointwise operations, and what broadcasting does to gradients."""

from ..outline import Task, Unit

POINTWISE, SHAPE, ACTIVATION = "minitorch/ops/pointwise.py", "minitorch/ops/shape.py", "minitorch/ops/activation.py"

UNIT = Unit(
    number=3,
    name="pointwise",
    title="Pointwise rules and broadcasting",
    hours=3.0,
    read=(SHAPE, "minitorch/ops/declare.py", POINTWISE, ACTIVATION),
    tasks=(
        Task(
            id="3.1",
            title="sum_to, the adjoint of broadcasting",
            files=(SHAPE,),
            write="Sum x over the axes along which an array of `shape` was repeated to give it, and return it in that "
            "shape. Then give expand and sum_to their rules: each is the other one.",
            hints=(
                "Broadcasting looks at shapes from the right. An array of shape (3, 1) becomes one of (2, 3, 4): which "
                "axes of the result hold copies?",
                "There are two kinds: leading axes, as many as x has more than `shape`, and axes where `shape` has a "
                "1. The sum keeps the axes that it sums over, with size 1; `reshape` removes the leading ones.",
                "Let `lead` be the difference of the ranks. The axes are `range(lead)`, and `lead + i` for each i "
                "where `shape[i]` is 1. Sum over the tuple of them and reshape. The rule of expand asks for `g, "
                "x_shape` and calls `fit`, the rule of sum_to asks for the same and calls `expand(g, shape=...)`.",
            ),
            points=3,
            minutes=40,
        ),
        Task(
            id="3.2",
            title="the rules of subtract, divide, negative and square",
            files=(POINTWISE,),
            write="Give each row its rules, in the form of the row of `multiply`. A rule is a function of `g` and of "
            "what it asks for by name: `x`, `y`, or `out`, the result. Broadcasting is taken care of: what a rule "
            "gives is summed down to the shape of its argument.",
            hints=(
                "The row of `multiply` shows the form: for each operand a lambda whose first parameter is g.",
                "A rule is g times the local slope of unit 1. The quotient is x times 1/y, and 1/y has the slope "
                "-1/y^2.",
                "subtract: g and minus g. divide: along x it is g over y; along y it is minus g, times x over y, over "
                "y once more, and x over y is `out`. negative: minus g. square: g times twice x.",
            ),
            minutes=25,
        ),
        Task(
            id="3.3",
            title="the rules of exp, log, sqrt, tanh and sigmoid",
            files=(POINTWISE, ACTIVATION),
            write="Give each row the rule of `x`. Ask for `out` instead of `x` wherever the slope can be computed "
            "from the result: the result exists anyway, x would have to be kept.",
            hints=(
                "Write y for the result, and find y' as a function of y. For one of the five that does not work out.",
                "exp: y. sqrt: differentiate y^2 = x. tanh: 1 - y^2. sigmoid: y (1 - y). The logarithm needs x.",
                "`lambda g, out: ...` with g times out; g over twice out; g times one minus out squared; g times out "
                "times one minus out. And `lambda g, x: ...` with g over x.",
            ),
            minutes=30,
        ),
        Task(
            id="3.4",
            title="choices: where, relu, abs, maximum and minimum",
            files=(POINTWISE, ACTIVATION),
            write="Give these rows their rules: gradient goes to what was chosen. At a kink the docstrings say what "
            "to do: slope 0 for relu and abs; where x and y are equal, maximum and minimum give half of the gradient "
            "to each.",
            hints=(
                "`where` itself is the tool: its condition is known, and has no gradient. Numbers may stand for "
                "tensors in it.",
                "where: g where the condition holds, else 0; for y the other way round. relu: the sign of the result "
                "tells on which side x was. abs: the sign of x is a function, `sign`. maximum: two questions, one in "
                "the other.",
                "In `maximum`, along x: 0 where x is less than y, else, where they are equal, half of g, else g. "
                "Along y with x and y exchanged; `minimum` has > in place of <. relu: 0 where `out` is not positive, "
                "else g.",
            ),
            points=3,
            minutes=40,
        ),
        Task(
            id="3.5",
            title="reshape, permute and flip",
            files=(SHAPE,),
            write="These only move elements; their rules move them back. Write each with the same primitive. Which "
            "shape, which order of axes, which axes?",
            hints=(
                "Each primitive takes settings by name: `reshape(g, shape=...)`. A rule may ask for a setting, such as "
                "`dims`, and for `x_shape`.",
                "The inverse of a permutation: axis i of the result was axis dims[i] of x, so axis j of x is now where "
                "j stands in dims.",
                "reshape to `x_shape`. permute with the tuple of `dims.index(i)` for each axis i. flip with the same "
                "dims.",
            ),
            minutes=25,
        ),
    ),
)
