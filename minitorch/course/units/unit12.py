"""Unit 12: checking gradients, and gradients of gradients."""

from ..outline import Task, Unit

GRADCHECK = "minitorch/autograd/gradcheck.py"
FUNCTIONAL = "minitorch/autograd/functional.py"
PENALTY = "minitorch/course/penalty.py"

UNIT = Unit(
    number=12,
    name="second_order",
    title="Gradient checks and second order",
    hours=2.5,
    read=(GRADCHECK, FUNCTIONAL, PENALTY),
    tasks=(
        Task(
            id="12.1",
            title="the matrix of derivatives, by differences",
            files=(GRADCHECK,),
            write="`_numerical`: for each output a matrix (elements of x, elements of the output) of central "
            "differences. Let each element of x.array take a step up and one down, in place, call "
            "`outputs_of(function, inputs)` both times, and put the element back.",
            hints=(
                "It is task 1.1 with many outputs. Which index of the matrix counts the steps?",
                "One step of one element of x gives one row of each matrix. The arrays of the outputs may be the "
                "same memory next time: make a copy.",
                "Loop over np.ndindex(*x.array.shape). Keep the element as a float, write kept + eps, copy all "
                "outputs, write kept - eps, copy again, write kept. Collect the flat quotients of all outputs, and "
                "stack the rows; without elements the matrix is (0, size).",
            ),
            minutes=30,
        ),
        Task(
            id="12.2",
            title="the same matrix by backward, and the verdict",
            files=(GRADCHECK,),
            write="`_analytical`: for each tensor of `xs` the matrix (its elements, elements of y), by one backward "
            "pass for each element of y (`grad` with retain_graph and allow_unused; None means zeros). `_verdict`: a "
            "bool for each entry, True where |found - expected| <= atol + rtol * |expected| does not hold.",
            hints=(
                "Backward gives y's derivatives weighted by what arrives. What has to arrive to get those of element "
                "j alone?",
                "A one at place j and zeros elsewhere; the answers of that pass are column j of each matrix.",
                "Seeds are the rows of np.eye(y.array.size), reshaped to y's shape and wrapped. The verdict negates "
                "the comparison, so that NaN, which is never <=, counts as wrong.",
            ),
            points=3,
            minutes=30,
        ),
        Task(
            id="12.3",
            title="forward products by two backward passes",
            files=(FUNCTIONAL,),
            write="In `jvp`: from outputs `ys`, inputs `xs` and a vector `vs` for each input compute `found`, J v "
            "for each output. `slopes(outputs, inputs, weights, create_graph)` gives the gradients of <weights, "
            "outputs> for the inputs.",
            hints=(
                "Backward computes u J for any u. As a function of u, what is that?",
                "u J is linear in u. Its derivative by u, weighted with v, is J v: a second backward pass, through "
                "the first.",
                "Make for each y a tensor of zeros `u` that requires grad (`u._requires_grad = True`). First pass: "
                "slopes of ys for xs with weights us, recorded. Second pass: slopes of its results for us with "
                "weights vs.",
            ),
            points=3,
            minutes=35,
        ),
        Task(
            id="12.4",
            title="a gradient penalty",
            files=(PENALTY,),
            write="`gradient_penalty`: the gradient of critic(x).sum() for x, recorded; the length of each sample's "
            "part; the mean of its squared distance from `wanted`.",
            hints=(
                "The penalty is a loss: whose derivatives does backward need to find through it?",
                "`create_graph=True` leaves the gradient on the tape. x has to be a leaf that requires grad for the "
                "time of the call.",
                "Detach x and let it require grad. grad of the sum with create_graph. Reshape to (N, -1), square, "
                "sum along axis 1, root; less wanted, squared, mean.",
            ),
            minutes=25,
        ),
    ),
)
