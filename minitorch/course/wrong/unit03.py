"""Typical wrong solutions of unit 3."""

from ..outline import Wrong


def _with(right: dict[str, str], **wrong: str) -> tuple[str, ...]:
    """The blocks of a task in their order, some of them wrong."""
    return tuple(text + "\n" for text in {**right, **wrong}.values())


BROADCAST = {
    "sum_to": """\
lead = x.ndim - len(shape)
axes = tuple(range(lead)) + tuple(lead + i for i, n in enumerate(shape) if n == 1)
return total(x, axes, True).reshape(shape)""",
    "expand": "x=lambda g, x_shape: fit(g, x_shape),",
    "back": "x=lambda g, x_shape: expand(g, shape=x_shape),",
}
ARITHMETIC = {
    "subtract": "x=lambda g: g, y=lambda g: -g,",
    "divide": "x=lambda g, y: g / y, y=lambda g, out, y: -g * out / y,",
    "negative": "x=lambda g: -g,",
    "square": "x=lambda g, x: g * x * 2,",
}
SMOOTH = {
    "sqrt": "x=lambda g, out: g / (out * 2),",
    "exp": "x=lambda g, out: g * out,",
    "log": "x=lambda g, x: g / x,",
    "tanh": "x=lambda g, out: g * (1 - out * out),",
    "sigmoid": "x=lambda g, out: g * out * (1 - out),",
}
CHOICES = {
    "where": "x=lambda g, condition: where(condition, g, 0.0), y=lambda g, condition: where(condition, 0.0, g),",
    "maximum": """\
x=lambda g, x, y: where(x < y, 0.0, where(x == y, g * 0.5, g)),
y=lambda g, x, y: where(y < x, 0.0, where(x == y, g * 0.5, g)),""",
    "minimum": """\
x=lambda g, x, y: where(x > y, 0.0, where(x == y, g * 0.5, g)),
y=lambda g, x, y: where(y > x, 0.0, where(x == y, g * 0.5, g)),""",
    "absolute": "x=lambda g, x: g * sign(x),",
    "relu": "x=lambda g, out: where(out > 0, g, 0.0),",
}
MOVES = {
    "reshape": "x=lambda g, x_shape: reshape(g, shape=x_shape),",
    "permute": "x=lambda g, dims: permute(g, dims=tuple(np.argsort(dims).tolist())),",
    "flip": "x=lambda g, dims: flip(g, dims=dims),",
}

WRONG = [
    Wrong(
        "3.1",
        "only leading axes are summed",
        _with(BROADCAST, sum_to="return total(x, tuple(range(x.ndim - len(shape))), True).reshape(shape)"),
        "those where the shape has a 1",
    ),
    Wrong(
        "3.1",
        "the first of the copies",
        _with(BROADCAST, sum_to="return x.reshape(-1)[:int(np.prod(shape))].reshape(shape)"),
        "not summed over the broadcast axis",
    ),
    Wrong(
        "3.1",
        "expand's rule does not sum",
        _with(BROADCAST, expand="x=lambda g, x_shape: g,"),
        "not summed over the broadcast",
    ),
    Wrong("3.2", "y's sign in x - y", _with(ARITHMETIC, subtract="x=lambda g: g, y=lambda g: g,"), "sign"),
    Wrong(
        "3.2",
        "x / y along y without the square",
        _with(ARITHMETIC, divide="x=lambda g, y: g / y, y=lambda g, x, y: -g * x / y,"),
        "factor y is too much",
    ),
    Wrong("3.2", "the square without its 2", _with(ARITHMETIC, square="x=lambda g, x: g * x,"), "factor 2 is missing"),
    Wrong(
        "3.3",
        "tanh without the square",
        _with(SMOOTH, tanh="x=lambda g, out: g * (1 - out),"),
        r"factor \(1 \+ out\) is missing",
    ),
    Wrong("3.3", "sqrt without its 2", _with(SMOOTH, sqrt="x=lambda g, out: g / out,"), "2 times too large"),
    Wrong("3.3", "exp keeps x", _with(SMOOTH, exp="x=lambda g, x: g * exp(x),"), "ask for `out`"),
    Wrong(
        "3.3",
        "the incoming gradient is forgotten",
        _with(SMOOTH, sigmoid="x=lambda g, out: out * (1 - out),"),
        "g times the slope",
    ),
    Wrong(
        "3.4",
        "relu blocks what is positive",
        _with(CHOICES, relu="x=lambda g, out: where(out > 0, 0.0, g),"),
        "wrong side",
    ),
    Wrong(
        "3.4",
        "x wins a tie",
        _with(CHOICES, maximum="x=lambda g, x, y: where(x < y, 0.0, g), y=lambda g, x, y: where(x < y, g, 0.0),"),
        "equals share the gradient",
    ),
    Wrong("3.4", "abs lets everything through", _with(CHOICES, absolute="x=lambda g: g,"), "sign of x is missing"),
    Wrong(
        "3.4",
        "where with its branches exchanged",
        _with(
            CHOICES,
            where="x=lambda g, condition: where(condition, 0.0, g), y=lambda g, condition: where(condition, g, 0.0),",
        ),
        "gradient of another input",
    ),
    Wrong(
        "3.5",
        "permuted again the same way",
        _with(MOVES, permute="x=lambda g, dims: permute(g, dims=dims),"),
        "transposed|inverse of dims",
    ),
    Wrong("3.5", "flip's gradient is not flipped", _with(MOVES, flip="x=lambda g: g,"), "reversed along axis 0"),
    Wrong("3.5", "reshape leaves the shape", _with(MOVES, reshape="x=lambda g: g,"), "not reshaped"),
]
