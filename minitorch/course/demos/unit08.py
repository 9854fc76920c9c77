"""A convolution as a matrix, its transpose, and the three faces of one form, computed by your kernels and rules."""

import itertools

import numpy as np

import minitorch
from minitorch.autograd import grad
from minitorch.geometry import ConvGeometry
from minitorch.kernels import reference
from minitorch.ops.conv import add_bias, conv

geometry = ConvGeometry.of((6,), 3, 2, 1)
w = np.array([[[1.0, 2.0, 3.0]]])


def columns(kernel, inputs, outputs):
    """The matrix of a linear kernel: what it makes of each unit vector is a column."""
    out = np.zeros((inputs, outputs, 1))
    kernel(np.eye(inputs)[:, :, None], w, out, geometry)
    return out[:, :, 0].T


def show(matrix):
    """A matrix of small whole numbers, a for 1, b for 2, c for 3."""
    return ["  ".join(".abc"[int(v)] for v in row) for row in matrix]


forward, back = columns(reference.conv, 6, 3), columns(reference.conv_transpose, 3, 6)
print("6 pixels, kernel a b c, stride 2, padding 1. What conv does, and what conv_transpose does:\n")
for left, right in itertools.zip_longest(show(forward), show(back), fillvalue=" " * 16):
    print(f"    {left}        {right}")
print(f"\nThe second is the transpose of the first: {np.array_equal(back, forward.T)}\n")

random = np.random.default_rng(0)
geometry = ConvGeometry.of((7, 6), (3, 2), (2, 1), 1, (1, 2), 2)
x, w = random.standard_normal((2, 7, 6, 4)), random.standard_normal((6, 2, 3, 2))
y = random.standard_normal((2, *geometry.output_size, 6))
out_y, out_x, out_w = np.zeros_like(y), np.zeros_like(x), np.zeros_like(w)
reference.conv(x, w, out_y, geometry)
reference.conv_transpose(y, w, out_x, geometry)
reference.conv_weight_grad(x, y, out_w, geometry)
print("T(x, w, y) for stride (2, 1), padding 1, dilation (1, 2), 2 groups, once by each of its faces:\n")
print(f"    <y, conv(x, w)>             = {np.vdot(y, out_y):.12f}")
print(f"    <x, conv_transpose(y, w)>   = {np.vdot(x, out_x):.12f}")
print(f"    <w, conv_weight_grad(x, y)> = {np.vdot(w, out_w):.12f}\n")

ones = minitorch.ones(1, 1, 7, 7, requires_grad=True)
kernel = minitorch.ones(1, 1, 3, 3, requires_grad=True)
out = conv(ones, kernel, geometry=ConvGeometry.of((7, 7), 3, 2))
gx, gw = grad(out.sum(), (ones, kernel))
print("An image of ones, a kernel of ones, stride 2: how many windows cover each pixel is what the rules give it,\n")
for row in gx[0, 0].numpy().astype(int):
    print("    " + " ".join(map(str, row)))
print(f"\nand how many windows each tap has seen: {gw[0, 0, 0].numpy().astype(int)} in each row of the kernel.\n")

b = minitorch.zeros(1, requires_grad=True)
(gb,) = grad(add_bias(out.detach(), b).sum(), b)
print(f"The bias was added to {out.numel()} pixels, so its gradient is {gb.item():.0f}.")
