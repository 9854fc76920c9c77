"""Typical wrong solutions of unit 4."""

from ..outline import Wrong


def _with(right: dict[str, str], **wrong: str) -> tuple[str, ...]:
    """The blocks of a task in their order, some of them wrong."""
    return tuple(text + "\n" for text in {**right, **wrong}.values())


SUM = {
    "spread": "return expand(reshape(g, shape=kept(shape, dim)), shape=shape)",
    "rule": "x=lambda g, x_shape, dim: spread(g, x_shape, dim),",
    "mean": """\
total = reduce_sum(x, dim=dim, keepdim=keepdim)
return total / _count(x, dim) if _count(x, dim) else total / 0.0""",
}
PRODUCT = {
    "stacks": """\
x=lambda g, y: batched_matmul(g, transpose(y, 1, 2)),
y=lambda g, x: batched_matmul(transpose(x, 1, 2), g),""",
    "x": """\
if turn_x:
    return linear(w, g, turn_x=turn_w, turn_w=True)
return linear(g, w, turn_x=False, turn_w=not turn_w)""",
    "w": """\
if turn_w:
    return linear(g, x, turn_x=True, turn_w=turn_x)
return linear(x, g, turn_x=not turn_x, turn_w=False)""",
}
LARGEST = {
    "shares": """\
winners = (x == best) | (np.isnan(x) & np.isnan(best))
return (winners / winners.sum(axis=dim, keepdims=True)).astype(x.dtype)""",
    "slope": """\
best = out.array.reshape(kept(x.shape, dim))
return spread(g, tuple(x.shape), dim) * wrap(_shares(x.array, best, dim))""",
}
SOFTMAX = {
    "softmax": """\
e = np.exp(x - x.max(1, keepdims=True, initial=-np.inf))
out[...] = e / e.sum(1, keepdims=True)""",
    "log_softmax": """\
x = x - x.max(1, keepdims=True, initial=-np.inf)
out[...] = x - np.log(np.exp(x).sum(1, keepdims=True))""",
    "softmax_grad": "out[...] = y * (g - (g * y).sum(1, keepdims=True))",
    "log_softmax_grad": "out[...] = g - np.exp(y) * g.sum(1, keepdims=True)",
    "slope": "return out * (g - sum(out * g, dim, keepdim=True))",
    "log_slope": "return g - exp(out) * sum(g, dim, keepdim=True)",
}
INDEXING = {
    "placed": """\
out = np.zeros(shape, y.dtype)
np.add.at(out, key, y)
return out""",
    "getitem": "x=lambda g, key, x_shape: place(g, key=key, shape=x_shape),",
    "place": "y=lambda g, key: getitem(g, key=key),",
}

WRONG = [
    Wrong(
        "4.1",
        "expanded without the axes of size 1",
        _with(SUM, spread="return expand(g, shape=shape)"),
        "axes of size 1",
    ),
    Wrong(
        "4.1",
        "the mean divides by all elements",
        _with(SUM, mean="return reduce_sum(x, dim=dim, keepdim=keepdim) * (1 / x.array.size)"),
        "number of all elements",
    ),
    Wrong(
        "4.1",
        "the rule of the sum divides",
        _with(SUM, rule="x=lambda g, x_shape, dim: spread(g, x_shape, dim) * 0.5,"),
        "factor",
    ),
    Wrong(
        "4.2",
        "factors in the wrong order",
        _with(
            PRODUCT,
            stacks="x=lambda g, y: batched_matmul(transpose(y, 1, 2), g),\n"
            "y=lambda g, x: batched_matmul(g, transpose(x, 1, 2)),",
        ),
        r"square matrices: the derivative by x",
    ),
    Wrong(
        "4.2",
        "not transposed",
        _with(PRODUCT, stacks="x=lambda g, y: batched_matmul(g, y), y=lambda g, x: batched_matmul(x, g),"),
        r"square matrices: the derivative by x",
    ),
    Wrong(
        "4.2",
        "a turned operand's gradient is not turned back",
        _with(PRODUCT, x="return linear(g, w, turn_x=False, turn_w=not turn_w)"),
        "transposed",
    ),
    Wrong(
        "4.3",
        "each of several equals gets everything",
        _with(LARGEST, shares="return ((x == best) | (np.isnan(x) & np.isnan(best))).astype(x.dtype)"),
        "they share it",
    ),
    Wrong(
        "4.3",
        "winners of all rows are counted",
        _with(
            LARGEST,
            shares="winners = (x == best) | (np.isnan(x) & np.isnan(best))\n"
            "return (winners / winners.sum()).astype(x.dtype)",
        ),
        "not of those in the same row|factor",
    ),
    Wrong(
        "4.3",
        "NaN never wins",
        _with(
            LARGEST,
            shares="winners = x == best\n"
            "return (winners / np.maximum(winners.sum(axis=dim, keepdims=True), 1)).astype(x.dtype)",
        ),
        "NaN",
    ),
    Wrong(
        "4.4",
        "exp overflows",
        _with(SOFTMAX, softmax="out[...] = np.exp(x) / np.exp(x).sum(1, keepdims=True)"),
        "subtract the largest",
    ),
    Wrong(
        "4.4",
        "the logarithm of softmax",
        _with(SOFTMAX, log_softmax="softmax(x, out)\nout[...] = np.log(out)"),
        "logarithm of a softmax",
    ),
    Wrong(
        "4.4",
        "the sum runs over everything",
        _with(SOFTMAX, softmax="e = np.exp(x - x.max())\nout[...] = e / e.sum()"),
        "not along the middle",
    ),
    Wrong(
        "4.4",
        "only the diagonal of softmax's slopes",
        _with(SOFTMAX, slope="return g * out * (1 - out)"),
        r"softmax\(x\) along axis 1: the derivative",
    ),
    Wrong(
        "4.4",
        "the sum of g without softmax",
        _with(SOFTMAX, log_slope="return g - sum(g, dim, keepdim=True)"),
        "log_softmax",
    ),
    Wrong(
        "4.5",
        "places named twice overwrite",
        _with(INDEXING, placed="out = np.zeros(shape, y.dtype)\nout[key] += y\nreturn out"),
        "named twice",
    ),
    Wrong("4.5", "place's rule is place", _with(INDEXING, place="y=lambda g, key: g,"), "gave shape"),
]
