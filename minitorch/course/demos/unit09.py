"""Which pixels max pooling chooses, what averaging spreads, and what batch norm does to a batch and to a gradient."""

import numpy as np

import minitorch
from minitorch.autograd import grad
from minitorch.nn import functional as F

numbers = np.random.default_rng(3).integers(0, 40, (5, 5))
x = minitorch.tensor(numbers[None, None].astype(float)).requires_grad_()
print("5 x 5 pixels; the largest of each window of 3 x 3, stride 1; how often each pixel was chosen;")
print("and what each pixel receives from averages over the same windows, in ninths:\n")
largest = F.max_pool2d(x, 3, 1)
(chosen,) = grad(largest.sum(), x)
(spread,) = grad(F.avg_pool2d(x, 3, 1).sum(), x)
for i in range(5):
    row = " ".join(f"{v:2}" for v in numbers[i])
    top = " ".join(f"{v:2.0f}" for v in largest.detach().numpy()[0, 0, i]) if i < 3 else " " * 8
    counts = " ".join(f"{v:.0f}" if v else "." for v in chosen.numpy()[0, 0, i])
    print(f"    {row}    {top}    {counts}    {' '.join(f'{9 * v:.0f}' for v in spread.numpy()[0, 0, i])}")

minitorch.manual_seed(0)
layer = minitorch.nn.BatchNorm2d(2).double()
batch = minitorch.randn(16, 2, 4, 4, dtype=minitorch.float64) * minitorch.tensor([[[1.0]], [[5.0]]]) + 3
print("\nTwo channels with mean 3 and deviations 1 and 5, and what BatchNorm2d makes of them:\n")
for step in range(1, 41):
    with minitorch.no_grad():
        out = layer(batch)
    if step in (1, 5, 40):
        mean, var = layer.running_mean.numpy(), layer.running_var.numpy()
        print(
            f"    after {step:2} steps: result {out.mean().item():5.2f} +- {out.std().item():.2f}, "
            f"running mean {mean.round(2)}, running variance {var.round(2)}"
        )

h = minitorch.randn(6, 1, dtype=minitorch.float64).requires_grad_()
out = F.batch_norm(h, None, None, training=True)
(g,) = grad((out * minitorch.arange(6.0).reshape(6, 1)).sum(), h)
print("\nSix numbers, a gradient 0, 1, ..., 5 for their normalised values, and what reaches them:\n")
print(f"    {g.numpy().ravel().round(3)}")
print(f"    sum {g.sum().item():.1e}, along the normalised values {(g * out).sum().item():.1e}")
print("\nNeither a shift of all six nor a stretch changes the result, so no gradient points that way.")
