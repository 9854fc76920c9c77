"""Rules on your own code: gradients of rows, what the tape keeps, and broadcasting as an adjoint pair."""

import numpy as np

import minitorch
from minitorch.autograd import grad
from minitorch.ops.shape import expand, sum_to


def main() -> None:
    """Print the chapter."""
    print("1. Broadcasting. b of shape (3,) is repeated along 4 rows, and its gradient sums them.\n")
    b, g = np.array([10.0, 20.0, 30.0]), np.arange(12.0).reshape(4, 3)
    print("   g =", str(g).replace("\n", "\n       "))
    print("   sum_to(g, (3,)) =", sum_to(g, shape=(3,)))
    left, right = (expand(b, shape=(4, 3)) * g).sum(), (b * sum_to(g, shape=(3,))).sum()
    print(f"   <expand b, g> = {left}, <b, sum_to g> = {right}: an adjoint pair\n")

    print("2. Slopes by your rules, at x = -1, 0.5 and 2 (log and sqrt at 1, 0.5 and 2), and what the tape keeps:\n")
    for name in ("exp", "log", "sqrt", "tanh", "sigmoid", "relu", "abs"):
        op = getattr(minitorch, name)
        x = minitorch.tensor([1.0 if name in ("log", "sqrt") else -1.0, 0.5, 2.0], requires_grad=True)
        out = op(x)
        kept = ", ".join(out.node.kept)
        (slope,) = grad(out, [x], minitorch.ones(3))
        print(f"   {name:8} {'  '.join(f'{s:+.4f}' for s in slope.tolist())}    keeps {kept}")

    print("\n3. A choice sends the gradient to what was chosen; equals share it.\n")
    x = minitorch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = minitorch.tensor([3.0, 2.0, 1.0], requires_grad=True)
    gx, gy = grad(minitorch.maximum(x, y), [x, y], minitorch.ones(3))
    print(f"   maximum of {x.tolist()} and {y.tolist()}: {gx.tolist()} for x, {gy.tolist()} for y")

    print("\n4. All together: softsign'(x) = 1 / (1 + |x|)^2, by the chain of three of your rules.\n")
    x = minitorch.tensor([-3.0, 0.5, 1.0], requires_grad=True)
    (slope,) = grad(x / (x.abs() + 1), [x], minitorch.ones(3))
    print(f"   at {x.tolist()}: {[round(v, 4) for v in slope.tolist()]}, expected {[0.0625, 0.4444, 0.25]}")


if __name__ == "__main__":
    main()
