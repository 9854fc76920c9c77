# %% [markdown]
# # A layer, explained
#
# What does `Conv2d` compute, what are its gradients, and what has `ConvTranspose2d` to do with it? All of it in numbers
# small enough to look at.

# %%
import numpy as np
from matplotlib import pyplot as plt

import minitorch
from minitorch import nn
from minitorch.autograd import gradcheck, gradgradcheck
from minitorch.nn import functional as F

generator = minitorch.manual_seed(0)

# %% [markdown]
# ## Forward: a window slides
#
# Each output pixel is the sum of the pixels under its window, each times the weight at its place.

# %%
x = minitorch.arange(25.0).reshape(1, 1, 5, 5)
w = minitorch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]).reshape(1, 1, 3, 3)
y = F.conv2d(x, w, stride=2, padding=1)
print(x[0, 0])
print(y[0, 0])

# %% [markdown]
# The same in plain loops:

# %%
padded = np.pad(x[0, 0].numpy(), 1)
by_hand = np.array(
    [[(padded[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] * w[0, 0].numpy()).sum() for j in range(3)] for i in range(3)]
)
print(by_hand)
print("equal:", np.array_equal(by_hand, y[0, 0].numpy()))

# %% [markdown]
# ## It is a matrix
#
# Convolution is linear in the image: 9 outputs of 25 pixels are a 9 x 25 matrix, mostly zeros. Column k is the answer
# to an image in which only pixel k is 1.

# %%
matrix = np.stack(
    [
        F.conv2d(minitorch.from_numpy(pixel.reshape(1, 1, 5, 5)), w, stride=2, padding=1).numpy().ravel()
        for pixel in np.eye(25, dtype=np.float32)
    ],
    axis=1,
)
figure, axis = plt.subplots(figsize=(7, 2.8))
axis.imshow(matrix, cmap="RdBu", vmin=-4, vmax=4)
axis.set(xlabel="pixel of the image", ylabel="pixel of the output")
plt.show()

# %% [markdown]
# ## Backward: the transposed matrix
#
# If y = A x, the gradient for x is Aᵀ g. That is what `conv_transpose2d` computes: it spreads each g over the window it
# came from. It brings back the shape, not the image.

# %%
x.requires_grad_()
g = minitorch.randn(1, 1, 3, 3)
F.conv2d(x, w, stride=2, padding=1).backward(g)
print("by the tape:                    ", x.grad[0, 0, 0])
print("by the matrix:                  ", (matrix.T @ g.numpy().ravel()).reshape(5, 5)[0].round(4))
print("by the transposed convolution:  ", F.conv_transpose2d(g, w, stride=2, padding=1)[0, 0, 0])

# %% [markdown]
# ## Every setting, written out
#
# `explain` derives a layer's forward pass and both its gradients as convolutions with all their settings, and compares
# them with the tape and the matrix.

# %%
explained = minitorch.explain(nn.Conv2d(2, 4, 3, stride=2, padding=1), (2, 6, 6))

# %% [markdown]
# ## What the tape keeps
#
# Each line is an op: its number, its output's shape, where its inputs came from, and what it holds on to for backward.

# %%
layer = nn.Conv2d(1, 2, 3)
loss = F.relu(layer(minitorch.randn(1, 1, 5, 5))).sum()
minitorch.print_tape(loss)

# %% [markdown]
# ## Is it right?
#
# `gradcheck` compares the gradients with differences (f(x + h) - f(x - h)) / 2h, in float64. `gradgradcheck` does the
# same with the gradients' own gradients.

# %%
image = minitorch.randn(1, 2, 5, 5, dtype=minitorch.float64, requires_grad=True)
kernel = minitorch.randn(3, 2, 3, 3, dtype=minitorch.float64, requires_grad=True)
print("first order: ", gradcheck(lambda x, w: F.conv2d(x, w, stride=2, padding=1), (image, kernel)))
print("second order:", gradgradcheck(lambda x, w: F.conv2d(x, w, stride=2, padding=1), (image, kernel)))

# %% [markdown]
# ## Draw with it
#
# A transposed convolution with stride 2 doubles an image. With a kernel whose size the stride does not divide, windows
# overlap unevenly, and a checkerboard appears: 3x3 on the left, 4x4 on the right.

# %%
flat = minitorch.ones(1, 1, 6, 6)
uneven = F.conv_transpose2d(flat, minitorch.ones(1, 1, 3, 3), stride=2, padding=1, output_padding=1)
even = F.conv_transpose2d(flat, minitorch.ones(1, 1, 4, 4), stride=2, padding=1)
figure, axes = plt.subplots(1, 2, figsize=(6, 2.8))
for axis, drawn in zip(axes, (uneven, even), strict=True):
    axis.imshow(drawn[0, 0], cmap="gray")
    axis.axis("off")
plt.show()
