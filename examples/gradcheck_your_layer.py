"""Write a layer with a derivative of your own, and have it checked: against differences, and to the second order.

python examples/gradcheck_your_layer.py

Three ways to write the same op, the smooth absolute value sqrt(x^2 + a^2) with a learned a, and one that is wrong.
"""

import minitorch
from minitorch import nn
from minitorch.autograd import Function, GradcheckError, gradcheck, gradgradcheck, primitive


def composed(x, a):
    """The first way: compose ops that there are. Derivatives follow."""
    return (x * x + a * a).sqrt()


class Written(Function):
    """The second way: PyTorch's. `backward` is written in tensor operations, so it has derivatives, too."""

    @staticmethod
    def forward(ctx, x, a):
        y = (x * x + a * a).sqrt()
        ctx.save_for_backward(x, a, y)
        return y

    @staticmethod
    def backward(ctx, g):
        x, a, y = ctx.saved_tensors
        return g * x / y, (g * a / y).sum()


@primitive
def smooth_abs(x, a):
    """The third way: a function of arrays, and a rule per argument. What a rule names is what the tape keeps."""
    return (x * x + a * a) ** 0.5


smooth_abs.vjp(
    x=lambda g, x, out: g * x / out,
    a=lambda g, a, out: (g * a / out).sum(),
)


class Wrong(Written):
    """A mistake that training would hide: the sum over x is a mean."""

    @staticmethod
    def backward(ctx, g):
        x, a, y = ctx.saved_tensors
        return g * x / y, (g * a / y).mean()


class SmoothAbs(nn.Module):
    """The op as a layer."""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(minitorch.tensor(0.5))

    def forward(self, x):
        return smooth_abs(x, self.a)


def main():
    """Check all of them; returns what the check says of the wrong one."""
    minitorch.manual_seed(0)
    x = minitorch.randn(5, dtype=minitorch.float64, requires_grad=True)  # differences need float64
    a = minitorch.tensor(0.5, dtype=minitorch.float64, requires_grad=True)
    for name, op in (("composed", composed), ("Function", Written.apply), ("primitive", smooth_abs)):
        print(f"{name}: first order {gradcheck(op, (x, a))}, second order {gradgradcheck(op, (x, a))}")
    try:
        gradcheck(Wrong.apply, (x, a))
    except GradcheckError as error:
        said = str(error)
    print(f"wrong: {said}")

    model = nn.Sequential(nn.Linear(5, 3), SmoothAbs()).double()
    parameters = dict(model.named_parameters())

    def run(x, *values):
        return minitorch.func.functional_call(model, dict(zip(parameters, values, strict=True)), (x,))

    print(f"the layer in a net, parameters and all: {gradcheck(run, (x, *parameters.values()))}")
    return said


if __name__ == "__main__":
    main()
