"""Unit 9: pooling and batch normalisation."""

from ..outline import Task, Unit

REFERENCE = "minitorch/kernels/reference.py"
POOL = "minitorch/ops/pool.py"
NORM = "minitorch/ops/norm.py"

UNIT = Unit(
    number=9,
    name="pooling_norm",
    title="Pooling and batch normalisation",
    hours=3.5,
    read=(POOL, NORM, REFERENCE),
    tasks=(
        Task(
            id="9.1",
            title="max pooling: the largest pixel of a window, and where it stands",
            files=(REFERENCE,),
            write="In the loop of `max_pool`, for window number o: `window` holds the flat positions of its pixels "
            "in the plane. Fill out[:, o], the largest value for every image and channel, and choice[:, o], the "
            "position in the plane at which it stands: of equals the first.",
            hints=(
                "x is (N, pixels, C) here. What are x[:, window] and its largest entries along axis 1?",
                "First find where in the window the largest stands, then look up which pixel of the plane that is, "
                "and its value.",
                "`argmax(1)` of the window's pixels gives (N, C) numbers that count within the window, and the first "
                "of equals. `window` indexed by them gives positions in the plane, `np.take_along_axis` the values. "
                "What NaN does is up to you: here the last NaN wins, as in PyTorch.",
            ),
            minutes=25,
        ),
        Task(
            id="9.2",
            title="picking by a choice, its adjoint, and the rules of both",
            files=(REFERENCE, POOL),
            write="The kernels `pool_gather` (out[n, o, c] = x[n, choice[n, o, c], c]) and `pool_scatter`, its "
            "adjoint, which adds up where several windows chose the same pixel. Then the rules of `max_pool`, "
            "`pool_gather` and `pool_scatter` in ops/pool.py.",
            hints=(
                "Once the choice is made, max pooling is linear: it picks. Picking and putting back are adjoint, as "
                "getitem and its adjoint in unit 4.",
                "`_flat` brings images to (N, pixels, C). NumPy's `a[index] += y` adds only once where an index "
                "repeats: take one window after the other, in which no pixel repeats.",
                "Gather is `np.take_along_axis` along axis 1. Scatter: zeros, then for each o an indexed addition "
                "with an index for images (a column), the choice at o, and an index for channels. The rules: what "
                "was picked from x returns to it by pool_scatter with `size`, the size of the plane "
                "(geometry.input_size, or x_shape from axis 2 on); what was scattered is gathered again.",
            ),
            points=3,
            minutes=40,
        ),
        Task(
            id="9.3",
            title="average pooling, its adjoint, and the rules of both",
            files=(REFERENCE, POOL),
            write="In the loops of `window_sum` and `window_spread`, for window number o with the flat positions "
            "`window`: the sum of its pixels times scale[o]; and back, the same share of y[:, o] added to each of "
            "its pixels. Then the rules of `average` and `average_transpose`.",
            hints=(
                "Average pooling is linear. Write its matrix for 4 pixels and windows of 2, and transpose it.",
                "Each pixel of a window went into the sum with the weight scale[o]; so it receives that share of "
                "what arrives, once for each window that holds it.",
                "In the sum: the pixels of the window, summed along axis 1. In the spread: `+=`, and y[:, o] needs "
                "an axis in the middle to reach all pixels of the window. The rules call each other with the same "
                "geometry and scale.",
            ),
            minutes=25,
        ),
        Task(
            id="9.4",
            title="statistics of a batch, and running ones",
            files=(REFERENCE,),
            write="In `batch_norm_statistics`, for x (M, C): fill `mean`, `variance` (the biased one, divided by M) "
            "and `invstd` = 1 / sqrt(variance + eps). Then bring running_mean and running_var up to date in place, "
            "unless they are empty: the running variance follows the unbiased one, divided by M - 1.",
            hints=(
                "`momentum` is the weight of what is new: with 0.1, nine tenths of the running value stay.",
                "Numbers of the batch are used at once, so the biased variance makes the batch's own variance "
                "exactly 1. The running one estimates the variance of all images; a sample's own underestimates it "
                "by (M - 1) / M.",
                "Sums along axis 0 give (C,) numbers. Assign with `mean[...] =`, or the caller sees nothing. Compute "
                "the mean first, then the mean square of x less the mean. For the running ones: momentum times the "
                "new plus (1 - momentum) times the old, if `.size` is not 0.",
            ),
            minutes=30,
        ),
        Task(
            id="9.5",
            title="the gradient of batch normalisation, in tensor operations",
            files=(NORM,),
            write="In `_input_grad`: return the gradient for x from g, w, and what `_normalized` has computed, h and "
            "scale = 1/s. All are tensors; use tensor operations alone: `*`, `-`, `reduce.mean(..., axes, "
            "keepdim=True)`.",
            hints=(
                "Each x moves all of h: directly, by the mean, and by the variance. Which of the three did you leave "
                "out?",
                "From the gradient take its mean, and h times the mean of g h; what is left has no part along 1 and "
                "none along h. Then come the factors w and 1/s.",
                "The means run over `axes`, which keepdim leaves as ones. w (C,) has to stand beside images: "
                "`_column(w, x)`. g less its mean, less h times the mean of g h; that times `scale` and w.",
            ),
            points=3,
            minutes=40,
        ),
        Task(
            id="9.6",
            title="the same gradient as kernels: two sums, then a formula",
            files=(REFERENCE,),
            write="`batch_norm_sums` fills sum_g and sum_gh, the sums over M of g and of g h, which b and w receive. "
            "`batch_norm_input_grad` fills `out`, the gradient for x, from them. Here x and g are (M, C), and "
            "`scale` is w/s.",
            hints=(
                "It is the formula of 9.5, with sums in place of means. What is M?",
                "The sums are made in one pass over x and g, the result in a second one. h need not be kept: compute "
                "it anew.",
                "M is len(x). h is (x - mean) * invstd. The means are sum_g / M and sum_gh / M, numbers (C,) that "
                "broadcast over the rows of x.",
            ),
            minutes=20,
        ),
    ),
)
