"""Unit 1: derivatives of numbers, by differences and by the chain rule."""

from ..outline import Task, Unit

SCALAR = "minitorch/course/scalar.py"

UNIT = Unit(
    number=1,
    name="chain_rule",
    title="The chain rule",
    hours=2.0,
    read=(SCALAR,),
    tasks=(
        Task(
            id="1.1",
            title="central differences",
            files=(SCALAR,),
            write="Compute the slope of a function along each of its numbers from two values of the function. Move one "
            "number up and down by `step`, and leave all others, and the given point, as they are.",
            hints=(
                "Look at the formula in the docstring, and count: a function of three numbers is called six times.",
                "For each number make two copies of the point, one with that number raised, one with it lowered. The "
                "distance between the two is twice the step.",
                "Loop over positions and numbers with `enumerate(point)`. Copy with `list(point)`, replace one entry "
                "in each copy, call the function with `*copy`, and append the quotient to a list, which you return.",
            ),
            minutes=20,
        ),
        Task(
            id="1.2",
            title="the local slopes of + * ** exp log relu",
            files=(SCALAR,),
            write="Assign the local slopes of each operation: a pair `slopes` where it has two inputs, else the number "
            "`slope`. They are plain numbers, computed from the values of the inputs or of the result.",
            hints=(
                "Take a page with derivatives of elementary functions, and ask for each operation: how fast does the "
                "result move when one input moves, and the other stands still?",
                "A sum moves as fast as each of its terms. A product moves along one factor as fast as the other "
                "factor says. The slope of exp is the value that the line above has computed.",
                "In `__add__` both slopes are one; in `__mul__` each is the value of the other input; the power rule "
                "brings the exponent down in front; the logarithm has the reciprocal; relu has one or zero, and zero "
                "at 0.",
            ),
            points=3,
            minutes=25,
        ),
        Task(
            id="1.3",
            title="backward over scalars, newest first",
            files=(SCALAR,),
            write="Keep a dict of scalars and the slopes that have arrived at them; it begins with `self` and 1. Take "
            "the newest scalar out of it, again and again: add its slope to its `grad`, and hand on the slope times "
            "each local slope to its inputs. What arrives at the same scalar adds up.",
            hints=(
                "Draw the tape of x * x + x on paper. Over how many paths does the result depend on x?",
                "A scalar may hand on its slope only when all that use it have handed on theirs. All of these are "
                "newer: so the one with the largest `number` is always ready.",
                "`while` the dict is not empty: `max(..., key=...)` finds the newest, `pop` takes it out. Its slope "
                "goes to its `grad` with `+=`. Then loop over `zip(inputs, slopes)` and add the product to what the "
                "dict has for that input, 0 if nothing (`dict.get`).",
            ),
            points=3,
            minutes=40,
        ),
    ),
)
