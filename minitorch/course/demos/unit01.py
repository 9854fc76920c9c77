"""The chain rule on your own code: a tape, what arrives where, and a line that learns."""

import math

from minitorch.course.scalar import Scalar, differences


def main() -> None:
    """Print the chapter."""
    print("1. A slope by trying: move x = 1 by a step, look at exp. The true slope is e.\n")
    for k in range(1, 13, 2):
        error = abs(differences(math.exp, [1.0], step=10.0**-k)[0] - math.e)
        print(f"   step 1e-{k:<2}  error {error:.0e}  {'*' * max(1, round(14 + math.log10(error + 1e-14)))}")
    print("   Too large a step bends, too small a one rounds.\n")

    print("2. The tape of z = x * y + x, newest first, after z.backward().\n")
    x, y = Scalar(2.0, "x"), Scalar(3.0, "y")
    z = x * y + x
    z.backward()
    print(z.tape())
    print("\n   x has two paths to z: one through the product, with slope y = 3, one straight, with slope 1.\n")

    print("3. A line a * t + b learns five points of 2 t - 1: slopes by your backward, steps of 0.05 against them.\n")
    a, b = 0.0, 0.0
    points = [(t, 2 * t - 1) for t in (-2.0, -1.0, 0.0, 1.0, 2.0)]
    for step in range(41):
        slope, offset = Scalar(a, "a"), Scalar(b, "b")
        loss = sum(((slope * t + offset - u) ** 2 for t, u in points), Scalar(0.0)) * (1 / len(points))
        loss.backward()
        if step % 8 == 0:
            print(f"   step {step:2}   a = {a:+.3f}   b = {b:+.3f}   loss = {loss.value:.4f}")
        a, b = a - 0.05 * slope.grad, b - 0.05 * offset.grad


if __name__ == "__main__":
    main()
