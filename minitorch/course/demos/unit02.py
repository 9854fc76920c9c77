"""The tape on your own code: what is recorded, what lies below a result, and the sweep, step by step."""

import minitorch
from minitorch.autograd import plain, primitive, print_tape
from minitorch.autograd.tape import _below


@primitive(name="demo_times")
def times(x, y):
    """x y, number by number."""
    return x * y


times.vjp(x=lambda g, y: times(g, y), y=lambda g, x: times(g, x))


def main() -> None:
    """Print the chapter."""
    print("1. a = x * y, b = a * x, c = b * a. The tape below c, newest first:\n")
    x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    y = minitorch.tensor([5.0, 3.0], requires_grad=True)
    a = times(x, y)
    b = times(a, x)
    c = times(b, a)
    print_tape(c)
    nodes = _below([c.node])
    names = {node: name for node, name in zip(nodes, "abc", strict=True)} | {x: "x", y: "y"}
    print("\n   your list, oldest first:", [names[node] for node in nodes])

    print("\n2. The sweep. Each node hands on once, when all of its gradient is there:\n")

    def hand_on(node, g):
        pairs = node.primitive.backward(node, g, None)
        given = ",  ".join(f"{names[parent]} gets {piece.tolist()}" for parent, piece in pairs)
        print(f"   {names[node]} has {g.tolist()}:  {given}")
        return pairs

    left = plain.sweep(nodes, [(c.node, minitorch.ones(2))], hand_on)
    for edge, g in left.items():
        print(f"   left for {names[edge]}: {g.tolist()}")
    print(f"   c = x^3 y^2, so it should be 3 x^2 y^2 = {[75.0, 108.0]} and 2 x^3 y = {[10.0, 48.0]}")

    print("\n3. Leaves: two calls of backward add up, and a tape that was freed says so.\n")
    c.backward(minitorch.ones(2), retain_graph=True)
    print("   x.grad after one call: ", x.grad.tolist())
    c.backward(minitorch.ones(2))
    print("   x.grad after two calls:", x.grad.tolist())
    try:
        c.backward(minitorch.ones(2))
    except RuntimeError as error:
        print("   a third:", str(error).split(".")[0])


if __name__ == "__main__":
    main()
