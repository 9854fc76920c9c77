"""Differences against backward, forward products, and a penalty on a gradient, by your code."""

import numpy as np

import minitorch
from minitorch.autograd import functional, gradcheck
from minitorch.autograd.gradcheck import _analytical, _numerical
from minitorch.course.penalty import gradient_penalty

print("The slope of sin at 1 by differences: the step, and the error in float64\n")
x = minitorch.tensor(np.array([1.0])).requires_grad_()
for power in range(1, 13):
    (slope,) = _numerical(lambda x: x.sin(), (x,), x, 10.0**-power)
    error = abs(slope[0, 0] - np.cos(1.0))
    print(f"    1e-{power:02}   {error:.1e}   {'#' * int(max(0, 14 + np.log10(error + 1e-14)) * 3)}")

x = minitorch.tensor(np.array([0.0, 1.0, -1.0])).requires_grad_()
(differences,), (backward,) = _numerical(lambda x: x.softmax(0), (x,), x, 1e-6), _analytical(x.softmax(0), [x])
print("\nSoftmax of three numbers: all derivatives by differences, and by backward\n")
for left, right in zip(differences, backward, strict=True):
    print("    " + " ".join(f"{v:8.5f}" for v in left) + "     " + " ".join(f"{v:8.5f}" for v in right))
print(f"\n    gradcheck says {gradcheck(lambda x: x.softmax(0), (x,))}")

_, moved = functional.jvp(lambda x: x.softmax(0), x, minitorch.tensor(np.array([1.0, 0.0, 0.0])))
print(f"\nHow softmax moves if the first number does, by two backward passes: {moved.numpy().round(5)}")
w = minitorch.tensor(np.array([3.0, 4.0])).requires_grad_()
penalty = gradient_penalty(lambda x: x @ w, minitorch.tensor(np.ones((4, 2))))
penalty.backward()
print(f"\nA critic <w, x> with w = (3, 4) has slope 5 everywhere: penalty (5 - 1)^2 = {penalty.item():.1f},")
print(f"whose gradient for w is 2 (5 - 1) w / 5 = {w.grad.numpy()}")
