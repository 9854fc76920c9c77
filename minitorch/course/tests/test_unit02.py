"""Tests of unit 2: the tape. They bring two primitives of their own, so no rule of the package is asked for."""

import numpy as np

import minitorch
from minitorch.autograd import Node, grad, plain, primitive
from minitorch.autograd.tape import _below
from minitorch.course.telling import Mistake, answer, same


@primitive(name="course_times")
def times(x, y):
    """x y, number by number."""
    return x * y


times.vjp(x=lambda g, y: times(g, y), y=lambda g, x: times(g, x))


@primitive(name="course_plus")
def plus(x, y):
    """x + y, of the same shape. Its rules hand both parents the very tensor that came in."""
    return x + y


plus.vjp(x=lambda g: g, y=lambda g: g)


def leaf(*numbers):
    """A leaf that requires grad."""
    return minitorch.tensor(numbers, dtype=minitorch.float64, requires_grad=True)


# ------------------------------------------------------------------------------------------------- 2.1: nodes below


def _names(nodes, known):
    return [next((name for name, tensor in known.items() if tensor.node is node), repr(node)) for node in nodes]


def test_2_1_a_chain():
    """Three steps, one after the other."""
    x = leaf(2.0)
    a = times(x, x)
    b = plus(a, x)
    c = times(b, b)
    found = _names(_below([c.node]), {"a": a, "b": b, "c": c})
    if found == ["c", "b", "a"]:
        raise Mistake(f"newest first: {found}. The nodes were asked for with parents before children: ['a', 'b', 'c']")
    if found != ["a", "b", "c"]:
        raise Mistake(f"a = x * x, b = a + x, c = b * b: expected the nodes of ['a', 'b', 'c'], but got {found}")


def test_2_1_only_nodes():
    """Leaves and None are no nodes, wherever they stand; a leaf alone has nothing below it."""
    x = leaf(2.0)
    a = times(x, 3.0)
    for edges in ([a.node, x, None], [x], [None], []):
        found = _below(edges)
        wrong = [node for node in found if not isinstance(node, Node)]
        if wrong:
            raise Mistake(f"of the edges {edges} came {found}: {wrong[0]!r} is no Node; leaves and None are left out")
    if [*_below([a.node, x, None])] != [a.node]:
        raise Mistake(f"of [the node of a, a leaf, None] came {_below([a.node, x, None])}, expected that of a alone")


def test_2_1_each_once():
    """A node that is used often, or given twice, is listed once."""
    x = leaf(2.0)
    a = times(x, x)
    b = plus(a, a)
    c = times(b, a)
    found = _below([c.node, b.node, c.node])
    names = _names(found, {"a": a, "b": b, "c": c})
    if len(found) != len(set(found)):
        raise Mistake(f"a = x * x, b = a + a, c = b * a: a node is listed twice: {names}; remember which you have seen")
    if names != ["a", "b", "c"]:
        raise Mistake(f"a = x * x, b = a + a, c = b * a: expected ['a', 'b', 'c'], but got {names}")


def test_2_1_parents_first():
    """Whatever the shape of the graph: no node stands before a parent of its."""
    draw = np.random.default_rng(21)
    made = [leaf(1.0), leaf(1.0)]
    for _ in range(40):
        i, j = draw.integers(0, len(made), 2)
        made.append((times if draw.random() < 0.5 else plus)(made[i], made[j]))
    found = _below([made[-1].node, made[-2].node])
    for position, node in enumerate(found):
        for parent in node.parents:
            if isinstance(parent, Node) and parent not in found[:position]:
                raise Mistake(
                    f"node #{node.sequence} stands at position {position}, but its parent #{parent.sequence} does not "
                    "stand before it: parents before children"
                )
    wanted, todo = set(), [made[-1].node, made[-2].node]
    while todo:
        wanted.add(todo[-1])
        todo.extend(p for p in todo.pop().parents if isinstance(p, Node) and p not in wanted)
    if set(found) != wanted:
        raise Mistake(f"a graph of 40 steps has {len(wanted)} nodes below its two ends, but {len(set(found))} came")


def test_2_1_deep_and_wide():
    """5,000 steps in a row, and 30 doublings: neither the depth nor the number of paths matters."""
    x = out = leaf(1.0)
    for _ in range(5000):
        out = plus(out, x)
    try:
        found = _below([out.node])
    except RecursionError:
        raise Mistake(
            "a tape of 5,000 steps is deeper than Python's stack: use a list as a stack, and a loop"
        ) from None
    same(len(found), 5000, "the number of nodes below 5,000 steps")
    out = x
    for _ in range(30):
        out = plus(out, out)
    same(len(_below([out.node])), 30, "the number of nodes below 30 doublings")


# ----------------------------------------------------------------------------------------------------- 2.2: the sweep


def test_2_2_a_chain():
    """(x * 3) * 5, for an incoming gradient."""
    x = leaf(1.0, 2.0)
    out = times(times(x, 3.0), 5.0)
    (found,) = grad(out, [x], minitorch.tensor([1.0, 10.0], dtype=minitorch.float64))
    same(found, [15.0, 150.0], "the gradient of x * 3 * 5 for the incoming gradient (1, 10)")


def test_2_2_paths_add_up():
    """x is used three times, its gradients arrive one by one."""
    x = leaf(2.0, 3.0)
    out = plus(times(x, x), times(x, 10.0))
    (found,) = grad(out, [x], minitorch.ones(2, dtype=minitorch.float64))
    lost = "a gradient that came later has replaced an earlier one: what arrives at the same edge adds up"
    answer(found, [14.0, 16.0], "the gradient of x * x + x * 10", {lost: [10.0, 10.0], f"{lost}.": [2.0, 3.0]})


def test_2_2_children_first():
    """a is used near and far: its rules run when both have given."""
    x = leaf(1.0)
    a = times(x, 2.0)
    out = plus(a, times(times(a, 1.0), 1.0))
    calls = []

    def hand_on(node, g):
        calls.append(node)
        return node.primitive.backward(node, g, None)

    nodes = _below([out.node])
    plain.sweep(nodes, [(out.node, minitorch.ones(1, dtype=minitorch.float64))], hand_on)
    if len(calls) != len(set(calls)):
        raise Mistake("the rules of a node ran twice in one sweep; they run once, when all of its gradient has arrived")
    if calls != nodes[::-1]:
        order = [nodes.index(node) for node in calls]
        raise Mistake(
            f"of four nodes, oldest first 0 1 2 3, rules ran in the order {order}: expected [3, 2, 1, 0], each node "
            "after all that use it"
        )


def test_2_2_nothing_in_place():
    """The rule of a sum hands the same tensor to both parents; a third gradient for one must not reach the other."""
    x, y = leaf(1.0), leaf(1.0)
    ones = minitorch.ones(1, dtype=minitorch.float64)
    found = plain.sweep(
        _below([(out := plus(times(x, 7.0), plus(x, y))).node]),
        [(out.node, ones)],
        lambda node, g: node.primitive.backward(node, g, None),
    )
    shared = "a gradient was added in place, into a tensor that other edges have, too: make a new one"
    answer(found[y], [1.0], "the gradient of x * 7 + (x + y) along y", {shared: [8.0], f"{shared}.": [9.0]})
    same(found[x], [8.0], "the gradient of x * 7 + (x + y) along x")
    same(ones, [1.0], "the gradient that was passed in, after the sweep,")


def test_2_2_only_leaves_are_left():
    """The result has a gradient for each leaf, and none for inner nodes; roots may be leaves, and may come twice."""
    x, y = leaf(2.0), leaf(5.0)
    out = times(times(x, y), y)
    one = minitorch.ones(1, dtype=minitorch.float64)
    roots = [(out.node, one), (x, one), (out.node, one)]
    found = plain.sweep(_below([out.node]), roots, lambda node, g: node.primitive.backward(node, g, None))
    inner = [edge for edge in found if isinstance(edge, Node)]
    if inner:
        raise Mistake(f"the result holds a gradient for {inner[0]}, which was handed on already: take it out (`pop`)")
    same(found[x], [51.0], "the gradient along x, from x * y * y twice and from x itself")
    same(found[y], [40.0], "the gradient along y, from x * y * y twice")


def test_2_2_what_nothing_reaches():
    """Nodes in the list that no gradient reaches are left alone."""
    x = leaf(2.0)
    a, b = times(x, 3.0), times(x, 4.0)
    found = plain.sweep(
        _below([a.node, b.node]),
        [(a.node, minitorch.ones(1, dtype=minitorch.float64))],
        lambda node, g: node.primitive.backward(node, g, None),
    )
    same(found[x], [3.0], "the gradient of a along x, in a sweep over a and another node b")


def test_2_2_derivatives_of_derivatives():
    """x^3 three times, with create_graph: the sweep adds tensors that are on the tape."""
    x = leaf(2.0)
    out, expected = times(times(x, x), x), [12.0, 12.0, 6.0]
    for order in range(3):
        (out,) = grad(out, [x], minitorch.ones(1, dtype=minitorch.float64), create_graph=True)
        same(out, [expected[order]], f"derivative {order + 1} of x^3 at 2")


# -------------------------------------------------------------------------------------------------------- 2.3: leaves


def test_2_3_first_and_second():
    """The first gradient is the leaf's, later ones are added."""
    x = leaf(1.0, 2.0)
    for i, expected in enumerate(([3.0, 3.0], [6.0, 6.0], [9.0, 9.0])):
        times(x, 3.0).backward(minitorch.ones(2, dtype=minitorch.float64))
        if x.grad is None:
            raise Mistake("after backward the leaf's grad is None: the first gradient is not kept")
        answer(
            x.grad,
            expected,
            f"x.grad after {i + 1} calls of backward on x * 3",
            {"the gradient of an earlier call is gone: later gradients are added": [3.0, 3.0]},
        )


def test_2_3_no_shared_memory():
    """x + y hands both leaves the same gradient. Changing one must leave the other, and what was passed in."""
    x, y = leaf(1.0), leaf(1.0)
    g = minitorch.ones(1, dtype=minitorch.float64)
    plus(x, y).backward(g)
    times(x, 5.0).backward(minitorch.ones(1, dtype=minitorch.float64))
    shared = "the grads of two leaves share memory: the first gradient has to be copied"
    answer(y.grad, [1.0], "y.grad, after a gradient of 5 for x alone", {shared: [6.0]})
    same(x.grad, [6.0], "x.grad, after gradients of 1 and 5")
    answer(
        g, [1.0], "the gradient passed to backward, afterwards", {shared.replace("two leaves", "a leaf and you"): [6.0]}
    )


def test_2_3_in_place():
    """Without create_graph a later gradient is added into the memory that is there: no new array each time."""
    x = leaf(1.0, 2.0)
    times(x, 3.0).backward(minitorch.ones(2, dtype=minitorch.float64))
    before = x.grad
    count = before.version.count
    times(x, 3.0).backward(minitorch.ones(2, dtype=minitorch.float64))
    same(before, [6.0, 6.0], "a tensor that was x.grad before the second call of backward")
    if before.version.count == count:
        raise Mistake("x.grad was changed in place behind the tape's back: `write()` counts the change")


def test_2_3_on_the_tape():
    """With create_graph the sum is on the tape, and what it is made of keeps its value."""
    x = leaf(3.0)
    one = minitorch.ones(1, dtype=minitorch.float64)
    times(x, x).backward(one, create_graph=True)
    first = x.grad
    times(x, x).backward(one, create_graph=True)
    in_place = "added in place, though the tape may hold the old one: with create_graph make a new tensor"
    answer(first, [6.0], "what x.grad was after the first call, after the second,", {in_place: [12.0]})
    same(x.grad, [12.0], "x.grad after two calls on x * x")
    (second,) = grad(x.grad, [x], one, allow_unused=True)
    if second is None:
        raise Mistake(
            "x.grad is not on the tape: with create_graph a first gradient is cloned, a later one added, as a tensor"
        )
    same(second, [4.0], "the derivative of x.grad, after two calls on x * x")
