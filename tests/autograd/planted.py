"""Derivatives with mistakes planted in them, and right ones: what gradcheck is judged by."""

from __future__ import annotations

import inspect

import numpy as np

import minitorch as m
from minitorch.autograd import Function, gradcheck, gradgradcheck
from minitorch.nn import functional as F


def op(forward, backward):
    """A Function of one's own: backward gets (g, out, *inputs), with what `forward` made of them."""

    class Own(Function):
        """Made by `op`."""

        @staticmethod
        def forward(ctx, *xs):
            """As given."""
            out = forward(*xs)
            ctx.save_for_backward(out, *xs)
            return out

        @staticmethod
        def backward(ctx, g):
            """As given."""
            out, *xs = ctx.saved_tensors
            return backward(g, out, *xs)

    ctx = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    Own.forward.__signature__ = inspect.Signature([ctx, *inspect.signature(forward).parameters.values()])
    return Own.apply


def r(*shape, seed=0, low=-1.5, high=1.5):
    """Numbers that require grad, away from 0."""
    drawn = np.random.default_rng((seed, *shape)).uniform(low, high, shape)
    return m.tensor(drawn + 0.2 * np.sign(drawn), dtype=m.float64, requires_grad=True)


def t(values):
    """These numbers, which require grad."""
    return m.tensor(values, dtype=m.float64, requires_grad=True)


def windows(x, g=None, overwrite=False):
    """Sums over three neighbours; or its adjoint of g, in which later windows overwrite earlier ones."""
    if g is None:
        return x[:-2] + x[1:-1] + x[2:]
    out = m.zeros_like(x)
    for i in range(g.shape[0]):
        for k in range(3):
            out[i + k] = g[i] if overwrite else out[i + k] + g[i]
    return out


def correlate(x, w):
    """Windows of x times w, as a layer computes it."""
    return F.conv1d(x[None, None], w[None, None])[0, 0]


def full(g, w):
    """The adjoint for x."""
    return F.conv_transpose1d(g[None, None], w[None, None])[0, 0]


def two(wrong):
    """A Function with two results."""

    class Two(Function):
        """Products and sums."""

        @staticmethod
        def forward(ctx, x, y):
            """x y and x + y."""
            ctx.save_for_backward(x, y)
            return x * y, x + y

        @staticmethod
        def backward(ctx, g, h):
            """Right, but for the factor of the second."""
            x, y = ctx.saved_tensors
            return g * y + wrong * h, g * x + h

    return Two.apply


def counted():
    """A function that depends on how often it was called."""
    calls = []

    def function(x):
        calls.append(1)
        return x * len(calls)

    return function


def last_call():
    """A function that keeps something of its last call."""
    kept = [1.0]

    def function(x):
        y = x * kept[0]
        kept[0] = float(x.detach().sum())
        return y

    return function


def drifting():
    """A rule that depends on how often it ran."""
    runs = []

    def rule(g, out, x):
        runs.append(1)
        return 2 * g * x * len(runs)

    return op(lambda x: x * x, rule)


def changes(x):
    """Writes to its input, past the tape."""
    y = x * 2
    x.data.mul_(1.5)
    return y


def counts(x, steps):
    """Writes to an input beside."""
    steps.data.add_(1)
    return x * steps


def outer_numpy(x):
    """Leaves the tape."""
    return m.from_numpy(np.sin(x.detach().numpy()))


def softmax(x):
    """Over the last axis."""
    return x.softmax(-1)


# name: (function, inputs, how the suspicion begins or what it contains; check, settings)
PLANTED = {
    "square without 2": (op(lambda x: x * x, lambda g, out, x: g * x), (r(4),), "the factor 2 is missing"),
    "exp with a sign": (op(lambda x: x.exp(), lambda g, out, x: -g * out), (r(4),), "the sign is wrong"),
    "mean not divided": (
        op(lambda x: x.mean(), lambda g, out, x: g.expand(x.shape)),
        (r(2, 5),),
        "10 times too large; 10 is the number of",
    ),
    "sum divided": (
        op(lambda x: x.sum(0), lambda g, out, x: g.expand(x.shape) / 3),
        (r(3, 2),),
        "the factor 3 is miss",
    ),
    "unbiased variance": (
        op(lambda x: x.var(0), lambda g, out, x: g * (x - x.mean(0)) * 2 / 5),
        (r(5, 2),),
        "n and n - 1, where n = 5",
    ),
    "matmul, result transposed": (
        op(lambda x, y: x @ y, lambda g, out, x, y: ((g @ y.T).T, x.T @ g)),
        (r(3, 3), r(3, 3)),
        "transposed: axes 0 and 1",
    ),
    "a linear map for its adjoint": (
        op(lambda x: x.cumsum(0), lambda g, out, x: g.cumsum(0)),
        (r(5),),
        "transposed as a matrix|reversed along",
    ),
    "permute back the wrong way": (
        op(lambda x: x.permute(1, 2, 0), lambda g, out, x: g.permute(1, 2, 0)),
        (r(2, 2, 2),),
        "transposed: axes",
    ),
    "bias summed over the wrong axis": (
        op(lambda x, b: x + b, lambda g, out, x, b: (g, g.sum(1))),
        (r(3, 3), r(3)),
        "not summed over the broadcast axis",
    ),
    "bias from one row": (
        op(lambda x, b: x + b, lambda g, out, x, b: (g, g[0])),
        (r(4, 3), r(3)),
        "not summed over the broadcast axis 0",
    ),
    "bias averaged": (
        op(lambda x, b: x + b, lambda g, out, x, b: (g, g.mean(0))),
        (r(4, 3), r(3)),
        "the factor 4 is missing",
    ),
    "bias not summed at all": (
        lambda x, b: planted_add(x, b),
        (r(4, 3), r(3)),
        "not summed over the broadcast axis 0",
    ),
    "product with gradients swapped": (
        op(lambda x, y: x * y, lambda g, out, x, y: (g * x, g * y)),
        (r(4), r(4, seed=1)),
        "the gradient of another input",
    ),
    "difference without a sign": (
        op(lambda x, y: x - y, lambda g, out, x, y: (g, g)),
        (r(4), r(4, seed=1)),
        "the sign is wrong",
    ),
    "quotient with y, not y squared": (
        op(lambda x, y: x / y, lambda g, out, x, y: (g / y, -g * x / y)),
        (r(4), r(4, seed=1)),
        "the factor y is too much",
    ),
    "tanh without the square": (
        op(lambda x: x.tanh(), lambda g, out, x: g * (1 - out)),
        (r(5),),
        r"\(1 \+ out\) is miss",
    ),
    "sigmoid with half its rule": (
        op(lambda x: x.sigmoid(), lambda g, out, x: g * out),
        (r(5),),
        r"\(1 - out\) is miss",
    ),
    "exp of x for out": (op(lambda x: x.exp(), lambda g, out, x: g * x), (r(5),), "x stands where out belongs"),
    "power one too high": (op(lambda x: x**3, lambda g, out, x: 3 * g * x**3), (r(5),), "the factor x is too much"),
    "scale without x": (
        op(lambda x, a: x * a, lambda g, out, x, a: (g * a, g.sum())),
        (r(5), r()),
        "factor x is missing",
    ),
    "abs without a sign": (
        op(lambda x: x.abs(), lambda g, out, x: g),
        (r(6),),
        "the sign is wrong at .* all where x < 0",
    ),
    "leaky relu without the leak": (
        op(lambda x: F.leaky_relu(x, 0.2), lambda g, out, x: g * (x > 0)),
        (r(8),),
        "missing term: 0 at .* where x < 0",
    ),
    "clamp lets all through": (
        op(lambda x: x.clamp(-1, 1), lambda g, out, x: g),
        (t([-2.0, 0.5, 3.0, 0.1]),),
        "a term too much",
    ),
    "rounding with a slope": (
        op(lambda x: x.round(), lambda g, out, x: g),
        (r(4),),
        "a gradient where the function does",
    ),
    "softmax, diagonal only": (
        op(softmax, lambda g, out, x: g * out * (1 - out)),
        (r(2, 3),),
        "a missing term: only the diagonal",
    ),
    "softmax without the sum": (op(softmax, lambda g, out, x: g * out), (r(2, 3),), "a missing term"),
    "log-softmax without the sum": (
        op(lambda x: x.log_softmax(-1), lambda g, out, x: g),
        (r(2, 4),),
        "a missing term",
    ),
    "mean taken for a constant": (
        op(lambda x: x - x.mean(0), lambda g, out, x: g),
        (r(4, 2),),
        "a missing term: the same",
    ),
    "norm taken for a constant": (
        op(lambda x: x / x.norm(), lambda g, out, x: g / x.norm()),
        (r(5),),
        "a missing term",
    ),
    "silu without its second term": (
        op(lambda x: x * x.sigmoid(), lambda g, out, x: g * x.sigmoid()),
        (r(5),),
        "a missing term",
    ),
    "windows that overwrite": (
        op(windows, lambda g, out, x: windows(x, g, overwrite=True)),
        (r(6),),
        "a missing term: where an element .* several",
    ),
    "repeated index overwritten": (
        op(lambda x: x[m.tensor([0, 0, 2])], lambda g, out, x: m.stack([g[1], g[0] * 0, g[2]])),
        (r(3),),
        "a missing term",
    ),
    "kernel not turned round": (
        op(correlate, lambda g, out, x, w: (full(g, w.flip(0)), None)),
        (r(6), r(3).detach()),
        "reversed along axis 0",
    ),
    "padding off by one": (
        op(lambda x: x[1:5] * 1.0, lambda g, out, x: F.pad(g, (0, 2))),
        (r(6),),
        "off by 1: shifted along axis 0",
    ),
    "last column forgotten": (
        op(lambda x: x * 3, lambda g, out, x: F.pad(3 * g[:, :-1], (0, 1))),
        (r(2, 4),),
        "only at an edge: last along axis 1",
    ),
    "concatenation with parts swapped": (
        op(lambda x, y: m.cat([x, y]), lambda g, out, x, y: (g[3:], g[:3])),
        (r(3), r(3)),
        "the gradient of another input",
    ),
    "dropout in training": (lambda x: F.dropout(x, 0.5, True), (r(8),), "not deterministic: two calls"),
    "counts its calls": (counted(), (r(3),), "not deterministic: two calls .* earlier call"),
    "a rule that counts": (drifting(), (r(3),), "not deterministic: the rule"),
    "changes its input": (changes, (r(3),), "the function changes its input"),
    "counts in an input": (
        counts,
        (r(3), m.zeros(1)),
        "the function changes its input `steps`, so it depends on an earli",
    ),
    "float32": (lambda x: (x * 3).sin(), (m.tensor([0.3, -1.2], requires_grad=True),), "float32 is too coarse for eps"),
    "float32, and a factor": (
        op(lambda x: x**3, lambda g, out, x: g * x**2),
        (m.tensor([0.3, -1.2, 2.0], requires_grad=True),),
        "the factor 3 is missing.* for float32 is coarse",
    ),
    "a cast to float32 inside": (lambda x: (x.float() * 3).sin().double(), (r(3),), "coarser than float64, as a cast"),
    "keeps a number of its last call": (last_call(), (r(3),), "not deterministic: two calls"),
    "a slope beside a kink": (
        op(lambda x: F.leaky_relu(x, 0.1), lambda g, out, x: g * m.where(x > 0, 1.0, 0.2)),
        (t([0.0, 1.0, -2.0, 3.0, -1.0]),),
        "2 times too large.* all where x < 0",
    ),
    "relu at 0": (m.relu, (t([0.0, 1.0]),), "a kink: at x\\[0\\] = 0"),
    "maximum of two that are close": (
        lambda x, y: m.maximum(x, y),
        (t([1.0, 2.0]), t([1.0 + 4e-7, 0])),
        "a kink within eps",
    ),
    "square root at 0": (lambda x: x.sqrt(), (t([0.0, 4.0]),), "a pole"),
    "a result off the tape": (outer_numpy, (r(3),), "zero gradient where the function moves"),
    "None for a wanted gradient": (
        op(lambda x, y: x * y, lambda g, out, x, y: (g * y, None)),
        (r(3), r(3)),
        "zero gradient where the function moves",
    ),
    "the second of two results": (two(2), (r(3), r(3)), "a constant factor: 2 times too large"),
    "detached in backward": (
        op(lambda x: x**3, lambda g, out, x: 3 * g * x.detach() ** 2),
        (r(3),),
        "zero gradient where",
        gradgradcheck,
    ),
    "another formula where recorded": (
        op(lambda x: x**3, lambda g, out, x: (1 if m.is_grad_enabled() else 3) * g * x**2),
        (r(3),),
        "the rule has two form",
        gradgradcheck,
    ),
    "factor in the second order": (
        op(lambda x: x**3, lambda g, out, x: op(lambda x: 3 * x * x, lambda h, o, x: 3 * h * x)(x) * g),
        (r(3),),
        "the factor 2 is missing",
        gradgradcheck,
    ),
}


@m.autograd.primitive(name="planted_add")
def planted_add(x, b):
    """x + b, with rules that forget the broadcast."""
    return x + b


planted_add.vjp(x=lambda g: g, b=lambda g: g)
m.autograd.registry.pop("planted_add")  # of which others expect a row of samples for each name


def found(name):
    """What is suspected of a planted mistake; None if it was not caught."""
    function, inputs, _, *check = PLANTED[name]
    try:
        (check[0] if check else gradcheck)(function, inputs)
    except RuntimeError as error:
        return getattr(error, "suspected", None) or str(error)
    return None


W, V = r(3, 4, seed=7).detach(), r(4, seed=8).detach()
RIGHT = {  # name: (function, inputs)
    "square": (op(lambda x: x * x, lambda g, out, x: 2 * g * x), (r(4),)),
    "exp": (op(lambda x: x.exp(), lambda g, out, x: g * out), (r(4),)),
    "matmul": (op(lambda x, y: x @ y, lambda g, out, x, y: (g @ y.T, x.T @ g)), (r(3, 3), r(3, 3))),
    "bias": (op(lambda x, b: x + b, lambda g, out, x, b: (g, g.sum(0))), (r(3, 3), r(3))),
    "product": (op(lambda x, y: x * y, lambda g, out, x, y: (g * y, g * x)), (r(4), r(4, seed=1))),
    "two results": (two(1), (r(3), r(3))),
    "windows": (op(windows, lambda g, out, x: windows(x, g)), (r(6),)),
    "softmax": (softmax, (r(2, 3),)),
    "log-softmax": (lambda x: x.log_softmax(0), (r(2, 3),)),
    "logsumexp": (lambda x: x.logsumexp(1), (r(2, 3),)),
    "norm": (lambda x: x / x.norm(), (r(5),)),
    "variance": (lambda x: x.var(0), (r(5, 2),)),
    "sorted": (lambda x: x.sort()[0] * V[:3], (t([3.0, 1.0, 2.0]),)),
    "largest": (lambda x: x.amax(1), (r(3, 4),)),
    "cumulative product": (lambda x: x.cumprod(0), (r(4),)),
    "index": (lambda x: x[m.tensor([0, 0, 2])], (r(3),)),
    "conv1d": (correlate, (r(6), r(3))),
    "conv2d": (lambda x, w: F.conv2d(x, w, stride=2, padding=1), (r(1, 2, 4, 4), r(2, 2, 3, 3))),
    "transposed conv": (lambda x, w: F.conv_transpose1d(x, w, stride=2), (r(1, 2, 3), r(2, 2, 3))),
    "max pooling": (lambda x: F.max_pool1d(x[None], 2, 1), (r(2, 5),)),
    "batch norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), (r(5, 3), r(3), r(3))),
    "layer norm": (lambda x: F.layer_norm(x, (4,)), (r(2, 4),)),
    "cross-entropy": (lambda x: F.cross_entropy(x, m.tensor([0, 2])), (r(2, 3),)),
    "a sum of paths": (lambda x: x * x.sin() + x.exp(), (r(4),)),
    "a diamond": (lambda x: (x * 2) * (x * 2).tanh(), (r(4),)),
    "one number": (lambda x: x**3, (r(),)),
    "nothing": (lambda x: x * 2, (m.zeros(0, 3, dtype=m.float64, requires_grad=True),)),
    "large values": (lambda x: x * 1e6, (t([1e3, -2e3]),)),
    "small values": (lambda x: x * x, (t([1e-4, -2e-5]),)),
    "steep": (lambda x: (20 * x).tanh(), (t([0.01, -0.03, 0.4]),)),
    "flat": (lambda x: (x > 0) * 1.0 + x * 0, (r(4),)),
    "beside a kink": (m.relu, (t([1e-3, -1e-3]),)),
    "an input unused": (lambda x, y: x * 2, (r(3), r(2))),
    "a constant beside": (lambda x, n, y: x * n + y, (r(3), 2.0, m.ones(3))),
    "an index beside": (lambda x: (x * 2, x.argmax()), (r(3),)),
    "a detached result beside": (lambda x: (x * 2, x.detach() * 3), (r(3),)),
    "a list": (lambda x: [x * 2, x.sin()], (r(3),)),
    "turned memory": (lambda x: x * x.sum(0), (r(4, 3).detach().t().requires_grad_(),)),
    "in place inside": (lambda x: (x * 1).mul_(x).sin_(), (r(4),)),
    "a gradient inside": (lambda x: m.autograd.grad((x**3).sum(), x, create_graph=True)[0], (r(4),)),
    "seeded draws": (lambda x: (m.manual_seed(3), F.dropout(x, 0.5, True))[1], (r(6),)),
    "matrix inverse": (m.linalg.inv, (t([[2.0, 0.5], [0.3, 1.5]]),)),
}
