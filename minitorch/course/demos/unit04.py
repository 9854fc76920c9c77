"""Reductions, products and choices on your own code."""

import numpy as np

import minitorch
from minitorch.autograd import grad


def table(x):
    """A small matrix, to be printed beside a text."""
    return "\n".join("      " + "  ".join(f"{v:7.3f}" for v in row) for row in np.atleast_2d(x.tolist()))


def main() -> None:
    """Print the chapter."""
    x = minitorch.tensor([[1.0, 3.0, 3.0], [0.5, -1.0, 2.0]], requires_grad=True)
    print("1. x, and the gradients of some of its reductions, for incoming ones:\n")
    print(table(x))
    for name, op in (
        ("x.sum(1)", lambda: x.sum(1)),
        ("x.mean(0)", lambda: x.mean(0)),
        ("x.amax(1)", lambda: x.amax(1)),
    ):
        out = op()
        (found,) = grad(out, [x], minitorch.ones(*out.shape))
        print(f"\n   {name} = {out.tolist()}, and the gradient of x:\n{table(found)}")

    print("\n2. A product of (2, 3) and (3, 2): <g, x @ y> is <g y^T, x> and <x^T g, y>.\n")
    y = minitorch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, -1.0]], requires_grad=True)
    g = minitorch.tensor([[1.0, 2.0], [3.0, 4.0]])
    out = x @ y
    gx, gy = grad(out, [x, y], g)
    print(
        "   three times the same number:",
        *(round(float((a * b).sum().item()), 6) for a, b in ((g, out), (gx, x), (gy, y))),
    )

    print("\n3. Probabilities. The loss -log p[label] has the gradient p - onehot(label).\n")
    logits = minitorch.tensor([2.0, -1.0, 0.5, 800.0 - 800.0], requires_grad=True)
    loss = -minitorch.log_softmax(logits, 0)[2]
    (found,) = grad(loss, [logits])
    for i, (p, s) in enumerate(zip(minitorch.softmax(logits, 0).tolist(), found.tolist(), strict=True)):
        print(
            f"      class {i}   p {p:.3f} {'#' * round(30 * p):30} gradient {s:+.3f}{'   the label' if i == 2 else ''}"
        )
    far = minitorch.log_softmax(minitorch.tensor([1000.0, 0.0]), 0)
    print("   log_softmax of (1000, 0), which overflows if one is careless:", far.tolist())

    print("\n4. A table of three rows, looked up at 0, 2, 2, 2: what each row's gradient is.\n")
    rows = minitorch.zeros(3, 2, requires_grad=True)
    (found,) = grad(rows[minitorch.tensor([0, 2, 2, 2])], [rows], minitorch.ones(4, 2))
    print(table(found))


if __name__ == "__main__":
    main()
