"""A sine fitted five ways, from NumPy to a Function of one's own, as tutorials do; gradcheck; second derivatives."""

import math

import numpy as np
import torch
from torch.autograd import Function, Variable, gradcheck

np.random.seed(0)
torch.manual_seed(0)
dtype, device = torch.float, torch.device("cpu")
x = torch.linspace(-math.pi, math.pi, 500, device=device, dtype=dtype)
y = torch.sin(x)


class LegendrePolynomial3(Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return 0.5 * (5 * input**3 - 3 * input)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        return grad_output * 1.5 * (5 * input**2 - 1)


class Polynomial3(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (torch.nn.Parameter(torch.randn(())) for _ in range(4))

    def forward(self, x):
        return self.a + self.b * x + self.c * x**2 + self.d * x**3

    def string(self):
        return f"y = {self.a.item():.3f} + {self.b.item():.3f} x + {self.c.item():.3f} x^2 + {self.d.item():.3f} x^3"


# by hand, with NumPy's numbers
a, b = np.random.randn(2)
for _ in range(200):
    error = a + b * x.numpy() - y.numpy()
    a, b = a - 1e-4 * 2 * error.sum(), b - 1e-4 * 2 * (error * x.numpy()).sum()
# by the tape
w = torch.randn(2, device=device, dtype=dtype, requires_grad=True)
for t in range(200):
    loss = (w[0] + w[1] * x - y).pow(2).sum()
    loss.backward()
    with torch.no_grad():
        w -= 1e-4 * w.grad
        w.grad = None
assert np.allclose(w.detach().numpy(), [a, b], atol=1e-3)
# by modules and an optimizer
model = Polynomial3()
criterion = torch.nn.MSELoss(reduction="sum")
optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
for t in range(1000):
    y_pred = model(x)
    loss = criterion(y_pred, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(t, loss.item(), model.string())
# by a Function of one's own
P3 = LegendrePolynomial3.apply
assert gradcheck(P3, (torch.randn(5, dtype=torch.double, requires_grad=True),), eps=1e-6, atol=1e-4)
c, d = (torch.full((), value, requires_grad=True) for value in (0.0, 0.3))
before = (c * P3(d * x) - y).pow(2).sum().item()
c.data.fill_(-1.0)
for t in range(500):
    loss = (c * P3(d * x) - y).pow(2).sum()
    loss.backward()
    with torch.no_grad():
        for p in (c, d):
            p -= 5e-5 * p.grad
            p.grad = None
print(loss.item(), c.item(), d.item())
assert loss.item() < before
v = Variable(torch.tensor([2.0]), requires_grad=True)
(first,) = torch.autograd.grad((v**3).sum(), v, create_graph=True)
(second,) = torch.autograd.grad(first.sum(), v)
assert first.item() == 12 and second.item() == 12
