"""Unit 8: the gradients of a convolution, to any order, and of its bias."""

from ..outline import Task, Unit

REFERENCE = "minitorch/kernels/reference.py"
CONV = "minitorch/ops/conv.py"

UNIT = Unit(
    number=8,
    name="conv_gradients",
    title="The gradients of a convolution",
    hours=3.0,
    read=(CONV, REFERENCE),
    tasks=(
        Task(
            id="8.1",
            title="the transposed convolution, which is the gradient for x",
            files=(REFERENCE,),
            write="Fill `out` (N, *input_size, C) from y (N, *output_size, K) and w. Every product of `conv` took a "
            "pixel of x to a pixel of y; here a number goes the same way back, and what arrives at one pixel adds up.",
            hints=(
                "Put your `conv` beside it. Which array is read through the slice there, and which one is written?",
                "Begin with zeros in place of the padded input. For each tap, what windows read through `seen` there "
                "is what they add to here; at the end the border is cut off.",
                "Zeros of shape (N, *geometry.padded_size, C). For each tap and group: `zeros[seen][..., c] +=` y of "
                "the group's channels times the matrix (K, C) of the tap, not transposed this time. Then copy into "
                "out the part that begins after the padding before each axis and has input_size pixels.",
            ),
            points=3,
            minutes=40,
        ),
        Task(
            id="8.2",
            title="the gradient of a convolution for its weight",
            files=(REFERENCE,),
            write="Fill `out` (K, C/groups, *kernel_size) from x (N, *input_size, C) and y (N, *output_size, K). For "
            "each tap, sum over all images and windows the product of what the window sees through the tap and of y "
            "there.",
            hints=(
                "In the formula of the docstring, which letters are summed over, and which name the result?",
                "Through one tap, all windows of all images see a list of M rows of C numbers; y is a list of M rows "
                "of K numbers. The tap's matrix (K, C) is the sum of their outer products: one matrix product.",
                "Pad x as in `conv`. Reshape y to (M, K) and, for each tap, the pixels seen to (M, C). For each "
                "group, the block out[k][tap] is the transpose of y's channels times the pixels' channels.",
            ),
            points=3,
            minutes=35,
        ),
        Task(
            id="8.3",
            title="six rules: each face of the form hands on to the other two",
            files=(CONV,),
            write="Give `conv`, `conv_transpose` and `conv_weight_grad` a rule for each of their two arguments: "
            "functions of `g`, of what they name among the arguments, and of `geometry`. Each calls one of the three "
            "primitives, with `geometry=geometry`.",
            hints=(
                "Read the derivation at the head of the file until T(x, w, y). What is held fixed, and what receives?",
                "g has the shape of the primitive's result. If the result is like y, g takes the place of y in T; if "
                "it is like x, the place of x; if it is like w, the place of w. The rule of an argument is T's "
                "gradient for it.",
                "For conv, x receives the transposed convolution of g with w, and w receives the weight gradient of "
                "x and g. For conv_transpose(y, w) the gradient g is like x, so y receives a convolution. For "
                "conv_weight_grad(x, y) the gradient g is like w: it is the kernel in both rules.",
            ),
            points=3,
            minutes=35,
        ),
        Task(
            id="8.4",
            title="the bias, its gradient, and the gradient of that",
            files=(CONV,),
            write="The rules of `add_bias` for x and b; `bias_grad`, the sum of x (N, C, *size) over all but the "
            "channels, an array (C,); and its rule. `kernels.column_sums(rows, out)` adds up the columns of a "
            "matrix, `pixels(x)` is x as a matrix (pixels, C), `reshape` and `expand` are primitives with a keyword "
            "`shape`.",
            hints=(
                "b is repeated for every image and every pixel. What is the adjoint of repeating?",
                "To x the gradient passes unchanged; b receives its sum over all but the channels, which is "
                "`bias_grad`. The derivative of a sum repeats what arrives.",
                "bias_grad: make an empty array with x.shape[1] entries of x's dtype, fill it by column_sums, return "
                "it. Its rule asks for g and x_shape: bring g to the shape (C, 1, 1, ...), with as many ones as x "
                "has axes of space, and expand it to x_shape.",
            ),
            minutes=25,
        ),
    ),
)
