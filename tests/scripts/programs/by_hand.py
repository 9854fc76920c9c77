"""Learning by examples: a polynomial fitted with tensors and gradients alone, then with a Function of one's own."""

import math

import torch


class LegendrePolynomial3(torch.autograd.Function):
    """P3(x) = (5 x^3 - 3 x) / 2, and its derivative."""

    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return 0.5 * (5 * input**3 - 3 * input)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        return grad_output * 1.5 * (5 * input**2 - 1)


def models():
    return {}


def train():
    dtype, device = torch.float, torch.device("cpu")
    x = torch.linspace(-math.pi, math.pi, 200, device=device, dtype=dtype)
    y = torch.sin(x)
    a, b, c, d = (torch.full((), v, device=device, dtype=dtype, requires_grad=True) for v in (0.1, -0.2, 0.3, 0.05))
    for _ in range(15):
        y_pred = a + b * x + c * x**2 + d * x**3
        loss = (y_pred - y).pow(2).sum()
        loss.backward()
        with torch.no_grad():
            for p in (a, b, c, d):
                p -= 1e-6 * p.grad
                p.grad = None
        yield loss.item()

    P3 = LegendrePolynomial3.apply
    w = torch.tensor([0.0, -1.0, 0.0, 0.3], requires_grad=True)
    for _ in range(15):
        y_pred = w[0] + w[1] * P3(w[2] + w[3] * x)
        loss = (y_pred - y).pow(2).sum()
        (g,) = torch.autograd.grad(loss, w)
        w.data -= 5e-6 * g
        yield loss.item()
