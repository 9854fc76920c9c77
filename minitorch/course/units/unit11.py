"""Unit 11: a convolution as loops for numba, from the definition to a tile of registers."""

from ..outline import Task, Unit

LOOPS = "minitorch/kernels/loops.py"

UNIT = Unit(
    number=11,
    name="kernels",
    title="Fast loops",
    hours=4.0,
    read=(LOOPS, "minitorch/kernels/tile/tile.py", "minitorch/kernels/tile/winograd.py"),
    tasks=(
        Task(
            id="11.1",
            title="the definition of a convolution as loops",
            files=(LOOPS,),
            write="Seven loops, over images, channels of y, rows, columns, channels of x and the two axes of the "
            "kernel, add up each number of `out`. x is padded already, w is (K, C, rows, columns) as users have it.",
            hints=(
                "The docstring is the program. What does one number of out depend on?",
                "The four outer loops choose a number of out, the three inner ones run over the terms of its sum. "
                "Keep the sum in a variable, and store it once.",
                "Window (i, j) begins at the row `stride[0]` times i, and tap (u, v) lies `dilation[0]` times u rows "
                "below; the column likewise. numba compiles plain Python loops: no slices, no sums of arrays.",
            ),
            minutes=25,
            kernels="loops",
        ),
        Task(
            id="11.2",
            title="a row of a convolution, loops in the order of memory",
            files=(LOOPS,),
            write="The same sums for row i of image n, in another order of loops: first zeros, then for each tap, "
            "column and channel of x add the pixel times all K weights. w is packed here: (rows, columns, C, K).",
            hints=(
                "Memory is read a line at a time. Which index has neighbours side by side in out, and which in the "
                "packed w?",
                "The innermost loop runs over k. Everything that does not depend on k is computed before it, once.",
                "Clear out[n, i]. Loops over u, v, j, c; the pixel of x in a variable; innermost over k, where the "
                "number of out grows by the pixel times the weight.",
            ),
            minutes=25,
            kernels="loops",
        ),
        Task(
            id="11.3",
            title="threads, and the same bits for any number of them",
            files=(LOOPS,),
            write="`forward`: every row of every image by `any_row`, in parallel. `scatter`: the transposed "
            "convolution, where windows overlap. `collect`: the weight gradient, to which all images add. In each, "
            "choose what a worker owns, so that no two write to the same number, and clear it first.",
            hints=(
                "`prange` runs the passes of its loop on several threads, in no particular order. For each of the "
                "three, ask: which numbers does a pass write to, and may another pass write there, too?",
                "A row of y for `forward`, an image for `scatter`, and for `collect` a tap and a channel of x: K "
                "numbers that one worker adds up over all images.",
                "Make one number count rows of all images: job // rows is the image, job % rows the row. In "
                "`collect` job counts (u, v, c) in the same way; its own loops run over n, i, j and k. Only the "
                "outermost loop is a `prange`.",
            ),
            points=3,
            minutes=45,
            kernels="loops",
        ),
        Task(
            id="11.4",
            title="four pixels for each weight that is loaded",
            files=(LOOPS,),
            write="As `row`, four columns of out at once: load a weight, and use it for four pixels before the next "
            "one is loaded. Columns that are left over at the end of the row are done one by one.",
            hints=(
                "Count in 11.2: for each multiplication one weight is loaded, and a number of out is loaded and "
                "stored. The arithmetic waits for memory.",
                "Four neighbouring windows see four pixels through the same tap, `stride` apart, and share the weight.",
                "Name the four rows of K numbers, out[n, i, first] to out[n, i, first + 3], before the loops over "
                "taps, and the four pixels before the loop over k. In that loop, read the weight into a variable, and "
                "add four products.",
            ),
            points=3,
            minutes=60,
            kernels="loops",
        ),
    ),
)
