"""Write a layer with a derivative of your own, and have it checked: against differences, and to the second order.

python examples/gradcheck_your_layer.py

Three ways to write the same op, the smooth absolute value sqrt(x^2 + a^2) with a learned a, and one that is wrong, of
which the check says what is wrong. `--trace FILE.html` writes a page that goes through the layer's backward pass.
"""

import argparse
import sys

import minitorch
from minitorch import nn
from minitorch.autograd import Function, GradcheckError, check_rules, gradcheck, gradgradcheck, primitive, trace


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


def main(arguments=()):
    """Check all of them; returns what the check says of the wrong one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", metavar="FILE.html", help="write the layer's backward pass as a page")
    options = parser.parse_args(list(arguments))
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
    print(f"each rule of the primitive, in float32: {check_rules(smooth_abs, minitorch.randn(4), 0.5)}")

    model = nn.Sequential(nn.Linear(5, 3), SmoothAbs())
    print(f"the layer in a net, by all its parameters: {model.gradcheck(minitorch.randn(2, 5), second=True)}")
    if options.trace:
        trace(model(minitorch.randn(2, 5)).sum(), names=model).save(options.trace)
        print(f"its backward pass, step by step: {options.trace}")
    return said


if __name__ == "__main__":
    main(sys.argv[1:])
