"""Unit 7: the convolution, from its one equation to a kernel."""

from ..outline import Task, Unit

GEOMETRY = "minitorch/geometry.py"
REFERENCE = "minitorch/kernels/reference.py"

UNIT = Unit(
    number=7,
    name="convolution",
    title="Convolution",
    hours=2.5,
    read=(GEOMETRY, REFERENCE, "minitorch/ops/conv.py", "minitorch/nn/functional/conv.py"),
    tasks=(
        Task(
            id="7.1",
            title="how far a window spans, and how many windows fit",
            files=(GEOMETRY,),
            write="Two properties of ConvGeometry, each a tuple with an int for every axis. `extent`: the pixels "
            "from the first tap of a window to its last, both included. `output_size`: how many windows fit into the "
            "padded input, if each starts a stride after the one before.",
            hints=(
                "Draw an axis of 7 pixels. Lay a kernel of 3 taps with dilation 2 on it: on which pixels do its taps "
                "lie? How far can you move it to the right?",
                "Between k taps there are k - 1 steps of d pixels. The last window must end within the padded input, "
                "so its start is at most the padded size less the span.",
                "Go through the axes with zip over the fields that the formula names, and build a tuple. The starts "
                "are 0, s, 2s, ... up to padded size less span: divide that by the stride, round down, and count the "
                "window that starts at 0, too.",
            ),
            minutes=20,
        ),
        Task(
            id="7.2",
            title="the pixels that all windows see through one tap, as a slice",
            files=(REFERENCE,),
            write="In `_taps`: for the tap `tap`, a tuple with a position for each axis, make `seen`, a list with a "
            "slice for each axis. Together they choose from the padded input the pixels that the windows 0, 1, 2, "
            "... see through this tap, and no more than there are windows.",
            hints=(
                "Hold t fixed in i + p = o*s + t*d and let o run. What kind of sequence do the positions form?",
                "A slice has a start, a stop and a step. The first window sees the tap at t*d, the next one s "
                "further; there are as many positions as `geometry.output_size` says.",
                "For every axis: the start is tap times dilation, the step is the stride, and the stop is one more "
                "than the position of the last window, which lies (windows - 1) steps after the start.",
            ),
            minutes=25,
        ),
        Task(
            id="7.3",
            title="the convolution",
            files=(REFERENCE,),
            write="Fill `out` (N, *output_size, K) from x (N, *input_size, C) and w (K, C/groups, *kernel_size). Put "
            "the zeros round x, then add up, tap by tap and group by group, the pixels seen through the tap times "
            "the weights of the tap.",
            hints=(
                "Read `_taps` and `_groups`: what do they yield? Write down the shapes of the padded input at `seen` "
                "and of w at the group and the tap.",
                "Through one tap every window sees one pixel, a row of C numbers, and makes K numbers of it: a "
                "product with a matrix (C, K). A convolution is the sum of such products over the taps.",
                "`np.pad` takes a pair for every axis: none for the images and channels, `geometry.padding` for the "
                "rest. Set out to zero, loop over `_taps(geometry)` and in it over `_groups(geometry, C, K)`, and "
                "add to the group's channels of out. `np.einsum` with `...` for the axes of space computes the "
                "product for any number of axes; or multiply by the transposed matrix with `@`.",
            ),
            points=3,
            minutes=45,
        ),
    ),
)
