"""Initial values of parameters. Every function fills `tensor` in place, unseen by the tape, and returns it.

Random ones take a `generator`, by default the one that `minitorch.manual_seed` seeds.
"""

from __future__ import annotations

import functools
import math
import warnings
from typing import Any

import numpy as np

from minitorch.random import numpy_generator

from ..dtypes import FLOATS

_GAINS = {
    **dict.fromkeys(("linear", "conv1d", "conv2d", "conv3d"), 1.0),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid"), 1.0),
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4.0,  # not the gain 1 of the paper: PyTorch trades it for more stable gradients in narrow layers
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which a deviation must grow to pass a nonlinearity unchanged.

    `param` is leaky_relu's slope (0.01). Raises ValueError for an unknown name or a slope that is no number.

    >>> calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return _GAINS[nonlinearity]


def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Any:
    """Fill with values uniform in [a, b). Raises RuntimeError for an infinite or reversed range."""
    if not (a <= b and math.isfinite(b - a)):
        raise RuntimeError(f"uniform_ expects a finite range [from, to) with from <= to, but found from={a}, to={b}")
    _check_floating("uniform_", tensor)
    return _fill(tensor, a + (b - a) * numpy_generator(generator).random(tensor.array.shape, _drawn_dtype(tensor)))


def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Any:
    """Fill with normal values of this mean and standard deviation. Raises RuntimeError for a negative std."""
    if not std >= 0:
        raise RuntimeError(f"normal_ expects std >= 0.0, but found std {std}")
    _check_floating("normal_", tensor)
    drawn = numpy_generator(generator).standard_normal(tensor.array.shape, _drawn_dtype(tensor))
    return _fill(tensor, mean + std * drawn)


def trunc_normal_(
    tensor: Any, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Any = None
) -> Any:
    """Fill with normal values of this mean and standard deviation, on condition that they lie in [a, b].

    The distribution is exact however far [a, b] is from the mean. Raises RuntimeError unless a <= b, and ValueError
    unless std > 0.
    """
    if not a <= b:
        raise RuntimeError(f"trunc_normal_ expects a range [a, b] with a <= b, but found a={a}, b={b}")
    if not std > 0:
        raise ValueError(f"trunc_normal_ expects std > 0, but found std {std}")
    _check_floating("trunc_normal_", tensor)
    count = tensor.array.size
    values = _truncated_normal(count, (a - mean) / std, (b - mean) / std, numpy_generator(generator))
    return _fill(tensor, np.clip(mean + std * values, a, b).reshape(tensor.array.shape))


def constant_(tensor: Any, val: float) -> Any:
    """Fill with `val`."""
    return _fill(tensor, val)


def ones_(tensor: Any) -> Any:
    """Fill with ones."""
    return _fill(tensor, 1)


def zeros_(tensor: Any) -> Any:
    """Fill with zeros."""
    return _fill(tensor, 0)


def eye_(tensor: Any) -> Any:
    """Fill a matrix with the identity: ones on the diagonal. Raises ValueError unless it has 2 dimensions."""
    if tensor.array.ndim != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, got {_shape(tensor)}")
    return _fill(tensor, np.eye(*tensor.array.shape))


def dirac_(tensor: Any, groups: int = 1) -> Any:
    """Fill a convolution's weight so that it hands on its input: channel c of each group to channel c.

    Raises ValueError unless it has 3 to 5 dimensions and `groups` divides the first.
    """
    shape = tensor.array.shape
    if len(shape) not in (3, 4, 5):
        raise ValueError(f"Only tensors with 3, 4, or 5 dimensions are supported, got {_shape(tensor)}")
    if groups < 1 or shape[0] % groups:
        raise ValueError(f"dim 0 must be divisible by groups, but {shape[0]} is not divisible by {groups}")
    outputs = shape[0] // groups
    same = np.arange(min(outputs, shape[1]))
    centre = tuple(size // 2 for size in shape[2:])
    values = np.zeros(shape)
    for group in range(groups):
        place = (group * outputs + same, same, *centre)
        values[place] = 1
    return _fill(tensor, values)


def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Fill with values uniform in [-a, a), a = gain * sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    bound = gain * math.sqrt(6.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Fill with normal values of deviation gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor))), generator)


def kaiming_uniform_(
    tensor: Any, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Any:
    """Fill with values uniform in [-bound, bound), whose deviation is gain / sqrt(fan) (He et al., 2015).

    `a` is leaky_relu's slope; `mode` "fan_in" keeps the deviation on the way forward, "fan_out" on the way back.
    """
    if _is_empty(tensor):
        return tensor
    # BEGIN SOLUTION 5.3
    limit = math.sqrt(3.0) * _kaiming_deviation(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -limit, limit, generator)
    # END SOLUTION


def kaiming_normal_(
    tensor: Any, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Any:
    """Fill with normal values of deviation gain / sqrt(fan) (He et al., 2015). Arguments as in `kaiming_uniform_`."""
    if _is_empty(tensor):
        return tensor
    return normal_(tensor, 0.0, _kaiming_deviation(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Any, gain: float = 1, generator: Any = None) -> Any:
    """Fill with `gain` times a random (semi-)orthogonal matrix: all dimensions but the first are taken as one.

    Q of a QR decomposition of normal values, its signs turned so that all orthogonal matrices are equally likely.
    Raises ValueError for fewer than 2 dimensions.
    """
    shape = tensor.array.shape
    if len(shape) < 2:
        raise ValueError(f"Only tensors with 2 or more dimensions are supported, got {_shape(tensor)}")
    if tensor.array.size == 0:
        return tensor
    rows, columns = shape[0], tensor.array.size // shape[0]
    values = numpy_generator(generator).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(values)
    q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(shape))


def sparse_(tensor: Any, sparsity: float, std: float = 0.01, generator: Any = None) -> Any:
    """Fill a matrix with normal values of deviation `std`, and a share `sparsity` of each column with zeros.

    Raises ValueError unless it has 2 dimensions.
    """
    if tensor.array.ndim != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, got {_shape(tensor)}")
    rows, columns = tensor.array.shape
    source = numpy_generator(generator)
    values = std * source.standard_normal((rows, columns))
    for column in range(columns):
        values[source.permutation(rows)[: math.ceil(sparsity * rows)], column] = 0
    return _fill(tensor, values)


def _calculate_fan_in_and_fan_out(tensor: Any) -> tuple[int, int]:
    """How many inputs an output of this weight sums over, and how many outputs an input reaches.

    weight: (outputs, inputs), of a convolution (outputs, inputs, *taps), where each input comes in with every tap.
    """
    shape = tensor.array.shape
    if len(shape) < 2:
        raise ValueError(
            f"Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, got {_shape(tensor)}"
        )
    # BEGIN SOLUTION 5.3
    taps = math.prod(shape[2:])
    return shape[1] * taps, shape[0] * taps
    # END SOLUTION


def _kaiming_deviation(tensor: Any, a: float, mode: str, nonlinearity: str) -> float:
    """gain / sqrt(fan): `mode` says which of the two fans above; `calculate_gain` knows the gain."""
    modes = ("fan_in", "fan_out")
    if str(mode).lower() not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {list(modes)}")
    # BEGIN SOLUTION 5.3
    fan = _calculate_fan_in_and_fan_out(tensor)[modes.index(mode.lower())]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)
    # END SOLUTION


def _is_empty(tensor: Any) -> bool:
    if tensor.array.size:
        return False
    warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
    return True


def _truncated_normal(count: int, low: float, high: float, source: np.random.Generator) -> np.ndarray:
    """`count` standard normal values in [low, high], by rejection.

    Where the interval holds a fifth of the normal's mass or more: normal values that fall into it. Elsewhere: uniform
    values x, accepted with probability exp((nearest^2 - x^2) / 2), `nearest` being the interval's point nearest to 0.
    A long interval is cut where the density has fallen by exp(-37), below what float64 can add.
    """
    mass = (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2
    nearest = min(max(low, 0.0), high)
    reach = min(8.7, 37 / max(abs(nearest), 1e-300))
    near_low, near_high = max(low, nearest - reach), min(high, nearest + reach)
    values = np.empty(count)
    filled = 0
    while filled < count:
        if mass >= 0.2:
            drawn = source.standard_normal(2 * (count - filled) + 16)
            drawn = drawn[(drawn >= low) & (drawn <= high)]
        else:
            drawn = source.uniform(near_low, near_high, 2 * (count - filled) + 16)
            drawn = drawn[source.random(drawn.size) <= np.exp((nearest - drawn) * (nearest + drawn) / 2)]
        drawn = drawn[: count - filled]
        values[filled : filled + drawn.size] = drawn
        filled += drawn.size
    return values


def _fill(tensor: Any, values: Any) -> Any:
    tensor.write()[...] = values
    return tensor


def _check_floating(name: str, tensor: Any) -> None:
    if tensor.array.dtype.kind not in FLOATS:
        raise NotImplementedError(f"{name} fills tensors of a floating dtype, not {tensor.array.dtype}")


def _drawn_dtype(tensor: Any) -> type:
    """The dtype to draw in: numpy draws no others."""
    return np.float64 if tensor.array.dtype == np.float64 else np.float32


def _shape(tensor: Any) -> str:
    return f"shape {tuple(tensor.array.shape)}"


# ------------------------------------------------------------------------------------------------ under their old names
def _deprecated(function: Any) -> Any:
    """The function without the underscore at the end of its name; warns."""
    new = function.__name__
    old = new[:-1]

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    call.__name__ = call.__qualname__ = old
    call.__doc__ = f"`{new}`, under its old name; warns."
    return call


uniform, normal, constant, eye, dirac = map(_deprecated, (uniform_, normal_, constant_, eye_, dirac_))
xavier_uniform, xavier_normal = map(_deprecated, (xavier_uniform_, xavier_normal_))
kaiming_uniform, kaiming_normal = map(_deprecated, (kaiming_uniform_, kaiming_normal_))
orthogonal, sparse = map(_deprecated, (orthogonal_, sparse_))
