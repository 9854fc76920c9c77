"""Unit 2: the tape of tensors, and how gradients run down it."""

from ..outline import Task, Unit

TAPE, PLAIN = "minitorch/autograd/tape.py", "minitorch/autograd/plain.py"

UNIT = Unit(
    number=2,
    name="tape",
    title="The tape",
    hours=2.5,
    read=(TAPE, PLAIN, "minitorch/autograd/primitive.py"),
    tasks=(
        Task(
            id="2.1",
            title="the nodes below a result, parents before children",
            files=(TAPE,),
            write="Walk from the given edges to parents, to their parents, and so on, and collect every `Node` once. "
            "Sort by age: a node's `sequence` is larger than its parents'. No recursion, for tapes are deep.",
            hints=(
                "Which three kinds of things can stand in `node.parents`? Only one of them goes into the result.",
                "Keep a list of nodes that are still to be looked at, and a set of those that you have seen. Take one "
                "out of the list, look whether it is new, and put its parents that are nodes into the list.",
                "Begin with the edges whose type is Node. `while` the list is not empty, `pop` one; if it is not in "
                "the set, add it, and extend the list by its parents of that type. At the end `sorted` the set with "
                "`key=_age`, which reads the sequence.",
            ),
            minutes=30,
        ),
        Task(
            id="2.2",
            title="the plain backward sweep",
            files=(PLAIN,),
            write="Keep a dict of the gradients that have arrived, by edge. Put those of the roots in, then go "
            "through the nodes, youngest first: take a node's gradient out, `hand_on`, and put in what comes back. "
            "What arrives at the same edge adds up, in a new tensor. What is left at the end is the answer.",
            hints=(
                "It is task 1.3 once more; the list of nodes has replaced the search for the newest.",
                "You put pairs (edge, gradient) into the dict in two places, for the roots and for what a node hands "
                "on: write a function for it. A node may be in the list and have no gradient: skip it.",
                "The inner function loops over pairs and stores the gradient, or the sum of what is there and the "
                "gradient, written with +, not +=. Call it with the roots. Then `for node in reversed(nodes)`: if it "
                "is in the dict, call it with the result of `hand_on(node, ...)`, whose gradient you `pop`. Return "
                "the dict.",
            ),
            points=3,
            minutes=40,
        ),
        Task(
            id="2.3",
            title="a leaf's gradient: copied first, added to later",
            files=(TAPE,),
            write="Three cases: the leaf has no gradient yet; it has one and derivatives are recorded; it has one and "
            "they are not. The docstring says what to do in each.",
            hints=(
                "Two leaves may be handed the very same array. What happens to the one when you add to the other?",
                "First gradient: copy. Recorded: an ordinary sum of two tensors makes a new one. Not recorded: NumPy "
                "adds into memory, `np.add(..., out=...)`.",
                "`if leaf._grad is None`, assign either `g.clone()` or `wrap(_own(g, leaf.array))`. `elif "
                "create_graph`, assign the sum. `else` call `np.add` with the array of the gradient that is there, g, "
                "and `out=` what `write()` returns.",
            ),
            minutes=20,
        ),
    ),
)
