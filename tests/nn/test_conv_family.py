"""The convolution family: convolutions, transposed and lazy ones, their gradients by name, padding, unfold and fold."""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_nn import compare, numbers

import minitorch
from minitorch import nn
from minitorch.autograd import grad, gradcheck, gradgradcheck
from minitorch.geometry import ConvGeometry
from minitorch.ops import conv as convolution

F = nn.functional
GOLDEN = Path(__file__).parent.parent / "golden" / "conv.npz"
ones = minitorch.ones


def drawn(*shape: int, seed: int = 0) -> Any:
    """A float64 leaf of normal values."""
    return minitorch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).requires_grad_()


# ---------------------------------------------------------------------------------------------------- shapes

LINE, PLANE, SPACE = (20, 16, 50), (20, 16, 50, 100), (20, 16, 10, 50, 100)
SHAPES = [
    ("Conv1d(16, 33, 3, stride=2)", LINE, (20, 33, 24)),
    ("Conv1d(16, 33, 5, stride=2)", LINE, (20, 33, 23)),
    ("Conv1d(16, 33, 3, stride=3)", LINE, (20, 33, 16)),
    ("Conv1d(16, 33, 3, stride=2, padding=2)", LINE, (20, 33, 26)),
    ("Conv1d(16, 33, 3, stride=2, dilation=3)", LINE, (20, 33, 22)),
    ("Conv1d(16, 24, 3, stride=2, groups=2)", LINE, (20, 24, 24)),
    ("Conv2d(16, 33, 3, stride=2)", PLANE, (20, 33, 24, 49)),
    ("Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))", PLANE, (20, 33, 28, 100)),
    ("Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1))", PLANE, (20, 33, 26, 100)),
    ("Conv3d(16, 33, 3, stride=2)", SPACE, (20, 33, 4, 24, 49)),
    ("Conv3d(16, 33, (3, 5, 2), stride=(2, 1, 1), padding=(4, 2, 0))", SPACE, (20, 33, 8, 50, 99)),
    ("ConvTranspose1d(16, 33, 3, stride=2)", (20, 16, 30), (20, 33, 61)),
    ("ConvTranspose1d(16, 33, 3, stride=2, padding=2)", (20, 16, 30), (20, 33, 57)),
    ("ConvTranspose1d(16, 33, 3, stride=2, padding=2, output_padding=1)", (20, 16, 30), (20, 33, 58)),
    ("ConvTranspose1d(16, 33, 3, stride=2, padding=2, output_padding=1, dilation=3)", (20, 16, 30), (20, 33, 62)),
    ("ConvTranspose2d(16, 33, 3, stride=2)", PLANE, (20, 33, 101, 201)),
    ("ConvTranspose2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))", PLANE, (20, 33, 93, 100)),
    ("ConvTranspose3d(16, 33, 3, stride=2)", SPACE, (20, 33, 21, 101, 201)),
    ("ConvTranspose3d(16, 33, (3, 5, 2), stride=(2, 1, 1), padding=(0, 4, 2))", SPACE, (20, 33, 21, 46, 97)),
    ("Conv2d(1, 4, (2, 3))", (3, 1, 5, 4), (3, 4, 4, 2)),
    ("Conv2d(16, 33, 3)", (16, 5, 4), (33, 3, 2)),
    ("Conv1d(16, 32, 3, groups=16)", (16, 5), (32, 3)),
    ("Conv2d(1, 2, 3, padding='same')", (1, 1, 5, 4), (1, 2, 5, 4)),
    ("Conv2d(1, 2, 3, padding='valid', stride=2)", (1, 1, 5, 4), (1, 2, 2, 1)),
    # beyond PyTorch
    ("Conv2d(1, 2, 3, stride=2, padding='same')", (1, 1, 5, 4), (1, 2, 3, 2)),
    ("Conv1d(1, 2, 2, stride=5, padding='same')", (1, 1, 11), (1, 2, 3)),
    ("ConvTranspose2d(1, 2, 3, stride=(2, 3), padding='same')", (1, 1, 5, 4), (1, 2, 10, 12)),
    ("ConvTranspose1d(1, 2, 2, stride=5, padding='same')", (1, 1, 3), (1, 2, 15)),
    ("Conv2d(1, 2, 3, padding=((1, 2), (0, 1)))", (1, 1, 5, 4), (1, 2, 6, 3)),
    ("ConvTranspose2d(1, 2, 3, padding=[(1, 2), (0, 1)])", (1, 1, 5, 4), (1, 2, 4, 5)),
    ("ConvTranspose2d(1, 2, 3, padding=1, padding_mode='reflect')", (1, 1, 5, 4), (1, 2, 5, 4)),
]


@pytest.mark.parametrize(("layer", "x", "y"), SHAPES, ids=[f"{layer} {x}" for layer, x, _ in SHAPES])
def test_shapes(layer: str, x: tuple, y: tuple) -> None:
    """The shapes that must come out; of large batches one image is computed."""
    module = eval(layer, vars(nn))
    batch = 1 if np.prod(y) > 1e6 else x[0]
    with minitorch.no_grad():
        out = module(minitorch.zeros(*((batch, *x[1:]) if len(x) == module.rank + 2 else x)))
    assert out.shape == ((batch, *y[1:]) if len(x) == module.rank + 2 else y)


def test_output_size_undoes_a_stride() -> None:
    """ConvTranspose2d called with output_size gives back 12 x 12 after Conv2d, however the size is written."""
    x = ones(1, 16, 12, 12)
    down, up = nn.Conv2d(16, 16, 3, stride=2, padding=1), nn.ConvTranspose2d(16, 16, 3, stride=2, padding=1)
    y = down(x)
    assert y.shape == (1, 16, 6, 6) and up(y).shape == (1, 16, 11, 11)
    for size in (x.shape, (12, 12), [12, 12], (1, 16, 12, 12)):
        assert up(y, output_size=size).shape == x.shape
    assert up(y[0], output_size=(16, 12, 12)).shape == (16, 12, 12)
    for size in ((10, 12), (12, 13), (12,), (16, 12, 12)):
        with pytest.raises(ValueError, match="output_size must have|range from"):
            up(y, output_size=size)


@pytest.mark.parametrize("stride", [1, 2, 3, 5])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_padding(stride: int, kernel: int, dilation: int) -> None:
    """`same` gives ceil(n / stride) pixels; transposed n * stride; and every size comes back by output_size."""
    down = nn.Conv1d(1, 1, kernel, stride, "same", dilation)
    up = nn.ConvTranspose1d(1, 1, kernel, stride, "same", dilation=dilation)
    for n in range(1, 12):
        y = down(ones(1, 1, n))
        assert y.shape == (1, 1, -(-n // stride))
        assert up(y).shape == (1, 1, y.shape[2] * stride)
        assert up(y, output_size=(n,)).shape == (1, 1, n)
        with pytest.raises(ValueError, match=rf"range from \[{(y.shape[2] - 1) * stride + 1}\]"):
            up(y, output_size=(y.shape[2] * stride + 1,))


@pytest.mark.parametrize(
    "name", ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]
)
@pytest.mark.parametrize("groups", [1, 4])
def test_initial_values(name: str, groups: int) -> None:
    """weight and bias are U(-sqrt(k), sqrt(k)), with the k that the layer's documentation states."""
    minitorch.manual_seed(1)
    layer = getattr(nn, name)(24, 40, 3, groups=groups)
    channels = 40 if "Transpose" in name else 24
    bound = (groups / (channels * 3**layer.rank)) ** 0.5
    assert layer.weight.shape[2:] == (3,) * layer.rank
    for p in (layer.weight, layer.bias):
        assert np.abs(p.array).max() <= bound and np.abs(p.array).max() > 0.85 * bound and p.dtype is minitorch.float32
    assert abs(layer.weight.array.std() - bound / 3**0.5) < 0.05 * bound


# ---------------------------------------------------------------------------------------------------- values
# An expression, the shapes of its inputs x, w, v, and where PyTorch lacks the name or the setting: what it says instead.

X1, X2, X3 = (2, 4, 9), (2, 4, 6, 7), (1, 2, 4, 5, 4)
CIRCULAR = "padding_mode='circular'"
ROWS: list[tuple] = [
    *((f"nn.Conv1d(4, 3, 3, padding=2, stride=2, padding_mode='{mode}')", [X1]) for mode in ("reflect", "replicate")),
    (f"nn.Conv1d(4, 4, 3, padding=9, groups=2, {CIRCULAR})", [X1]),
    ("nn.Conv3d(2, 2, (1, 3, 2), padding=(0, 2, 1), padding_mode='reflect')", [X3]),
    (f"nn.Conv3d(2, 2, 2, padding='same', {CIRCULAR})", [X3]),
    ("nn.Conv2d(4, 8, (2, 3), dilation=(2, 1), padding='same', padding_mode='replicate')", [(4, 6, 7)]),
    ("nn.Conv2d(4, 12, 3, groups=4, bias=False)", [X2]),
    ("nn.ConvTranspose1d(4, 3, 3, dilation=2, output_padding=1)", [X1]),
    ("nn.ConvTranspose2d(4, 4, (1, 3), stride=(3, 1), groups=4, bias=False, output_padding=(2, 0))", [X2]),
    ("nn.ConvTranspose3d(2, 4, (1, 2, 3), stride=(1, 2, 1), padding=(0, 0, 1), groups=2)", [X3]),
    ("F.conv3d(x, w, v, (1, 2, 1), 'valid', 1, 2)", [X3, (2, 1, 2, 2, 3), (2,)]),
    ("F.conv_transpose3d(x, w, v, 2, 1, (1, 0, 1), 2)", [X3, (2, 1, 2, 2, 3), (2,)]),
    # padding
    ("nn.ConstantPad1d((1, 2), 3.5)", [X1]),
    ("nn.ConstantPad2d(2, -1.0)", [X2]),
    ("nn.ConstantPad3d((1, 0, -1, 2, 0, -2), 0.5)", [X3]),
    ("nn.ZeroPad1d(2)", [X1]),
    ("nn.ZeroPad2d((1, -2, 0, 3))", [X2]),
    ("nn.ZeroPad3d(1)", [X3]),
    ("nn.ReflectionPad1d(8)", [X1]),
    ("nn.ReflectionPad2d((6, 6, 5, 5))", [X2]),
    ("nn.ReflectionPad3d((3, 3, 4, 4, 3, 3))", [X3]),
    ("nn.ReplicationPad1d((3, 12))", [(4, 9)]),
    ("nn.ReplicationPad2d((2, 0, 1, 3))", [(4, 6, 7)]),
    ("nn.ReplicationPad3d(2)", [X3]),
    ("nn.CircularPad1d(9)", [X1]),
    ("nn.CircularPad2d((7, 6, 0, 6))", [X2]),
    ("nn.CircularPad3d((1, 4, 5, 0, 2, 2))", [X3]),
    *((f"F.pad(x, (-2, 3, 1, -1), '{mode}')", [X2]) for mode in ("constant", "reflect", "replicate", "circular")),
    # windows
    ("nn.Unfold(3)", [X2]),
    ("nn.Unfold((2, 3), dilation=(1, 2), padding=(1, 0), stride=(2, 1))", [(4, 6, 7)]),
    ("nn.Fold((6, 7), 3)", [(2, 18, 20)]),
    ("nn.Fold((5, 6), (2, 3), dilation=(2, 1), padding=(0, 2), stride=(1, 3))", [(12, 9)]),
    ("F.fold(F.unfold(x, 2, stride=2, padding=1), (6, 7), 2, stride=2, padding=1)", [X2]),
    ("x.unfold(2, 3, 2).unfold(3, 2, 1)", [X2]),
    ("x.unfold(-1, 2, 3)", [X1]),
    # gradients by name
    ("(nn.grad.conv1d_input((2, 4, 9), w, x, 2, 1))", [(2, 3, 5), (3, 4, 3)]),
    (
        "(nn.grad.conv2d_input((2, 4, 6, 7), w, x, stride=(2, 1), padding=(1, 0), groups=2))",
        [(2, 2, 3, 5), (2, 2, 3, 3)],
    ),
    ("(nn.grad.conv3d_input((1, 2, 4, 5, 4), w, x, dilation=(1, 2, 1)))", [(1, 1, 3, 3, 3), (1, 2, 2, 2, 2)]),
    ("(nn.grad.conv1d_weight(x, (3, 4, 3), w, 2, 1))", [X1, (2, 3, 5)]),
    ("(nn.grad.conv2d_weight(x, (2, 2, 3, 3), w, stride=(2, 1), padding=(1, 0), groups=2))", [X2, (2, 2, 3, 5)]),
    ("(nn.grad.conv3d_weight(x, (1, 2, 2, 2, 2), w, dilation=(1, 2, 1)))", [X3, (1, 1, 3, 3, 3)]),
    # beyond PyTorch
    (
        "F.conv2d(x, w, stride=(2, 3), padding='same')",
        [X2, (3, 4, 3, 4)],
        "F.conv2d(F.pad(x, (1, 2, 0, 1)), w, stride=(2, 3))",
    ),
    (
        "F.conv_transpose1d(x, w, stride=2, padding='same')",
        [X1, (4, 3, 4)],
        "F.conv_transpose1d(x, w, stride=2, padding=1)",
    ),
    (
        "F.conv_transpose1d(x, w, stride=2, padding='same')",
        [X1, (4, 3, 3)],
        "F.conv_transpose1d(x, w, stride=2)[:, :, :-1]",
    ),
    ("F.conv2d(x, w, padding=((1, 2), (0, 1)))", [X2, (3, 4, 3, 3)], "F.conv2d(F.pad(x, (0, 1, 1, 2)), w)"),
    (
        "F.conv_transpose2d(x, w, padding=((1, 2), (0, 1)))",
        [X2, (4, 3, 3, 3)],
        "F.conv_transpose2d(x, w)[:, :, 1:-2, :-1]",
    ),
    ("F.pad(x, (3, 2), 'symmetric')", [(2, 5)], "x[:, [2, 1, 0, 0, 1, 2, 3, 4, 4, 3]]"),
    ("F.pad(x, (1, -1), 'symmetric')", [(2, 5)], "x[:, [0, 0, 1, 2, 3]]"),
    ("F.pad(x, (1, 2, -1, 2), 'symmetric')", [(1, 3, 4)], "x[:, [1, 2, 2, 1]][:, :, [0, 0, 1, 2, 3, 3, 2]]"),
]


def exact(inputs: list[tuple]) -> list[tuple]:
    """Normal values of these shapes, as test_nn takes them: the same whatever the expression."""
    rng = np.random.default_rng(zlib.crc32(repr(inputs).encode()))
    return [("exact", rng.standard_normal(shape)) for shape in inputs]


def row_key(index: int) -> str:
    """The name of a row in the file; changes with the row."""
    return f"{index} {zlib.crc32(repr(ROWS[index]).encode()):08x}"


def test_values() -> None:
    """Result, gradients of inputs and parameters are PyTorch's, frozen by make_golden_conv.py."""
    with np.load(GOLDEN) as stored:
        frozen: dict[str, dict] = {}
        for key in stored:
            row, name = key.split(" | ")
            frozen.setdefault(row, {})[name] = stored[key]
    assert set(frozen) == {row_key(i) for i in range(len(ROWS))}, (
        "rows have changed: run tests/scripts/make_golden_conv.py"
    )
    for index, (expression, inputs, *_) in enumerate(ROWS):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ours = numbers(minitorch, lambda v: minitorch.from_numpy(np.array(v)), (expression, exact(inputs)))
        compare(ours, frozen[row_key(index)], expression)


# Small ones for differences; what stands in `layer` is made with the weight w.
FAMILIES = [
    ("F.conv1d(x, w, v, 2, 1, 2)", [(2, 1, 5), (2, 1, 2), (2,)]),
    ("F.conv2d(x, w, v, (2, 1), (1, 0), 1, 2)", [(1, 2, 3, 3), (2, 1, 2, 2), (2,)]),
    ("F.conv3d(x, w, v, 1, (0, 1, 0))", [(1, 1, 2, 2, 3), (1, 1, 2, 2, 2), (1,)]),
    ("F.conv_transpose1d(x, w, v, 2, 1, 1, 1, 2)", [(2, 1, 3), (1, 2, 2), (2,)]),
    ("F.conv_transpose2d(x, w, v, (2, 1), (1, 0), (1, 0), 2)", [(1, 2, 2, 3), (2, 1, 2, 2), (2,)]),
    ("F.conv_transpose3d(x, w, v, 1, (0, 1, 0))", [(1, 1, 2, 2, 2), (1, 1, 2, 2, 2), (1,)]),
    ("F.conv2d(x, w, padding='same', stride=2)", [(1, 1, 3, 4), (1, 1, 3, 2)]),
    ("F.conv_transpose2d(x, w, padding='same', stride=2)", [(1, 1, 2, 3), (1, 1, 3, 2)]),
    ("F.conv2d(x, w, padding=((1, 2), (0, 1)))", [(1, 1, 3, 3), (1, 1, 2, 2)]),
    ("(nn.grad.conv2d_input((1, 1, 3, 4), w, x, (1, 2), 1))", [(1, 2, 3, 3), (2, 1, 3, 2)]),
    ("(nn.grad.conv2d_weight(x, (2, 1, 2, 2), w, 2))", [(1, 1, 3, 4), (1, 2, 1, 2)]),
    *((f"F.pad(x, (3, 3, 2, 1), '{m}')", [(1, 3, 4)]) for m in ("reflect", "symmetric", "replicate", "circular")),
    ("F.pad(x, (3, -1, -1, 2), 'constant', 2.0)", [(3, 4)]),
    ("F.unfold(x, (2, 3), (1, 2), (1, 0), 2)", [(2, 4, 6)]),
    ("F.fold(x, (3, 4), 2, 1, 1, (2, 1))", [(4, 10)]),
    ("x.unfold(0, 3, 1).unfold(1, 2, 2)", [(5, 4)]),
    ("layer('ConvTranspose2d', w, padding=1, stride=2, padding_mode='reflect')(x)", [(1, 1, 2, 3), (1, 1, 3, 3)]),
    ("layer('ConvTranspose1d', w, padding=2, padding_mode='circular')(x)", [(1, 2, 5), (2, 1, 3)]),
    ("layer('Conv1d', w, padding='same', stride=2, padding_mode='symmetric')(x)", [(1, 1, 5), (2, 1, 4)]),
]


def layer(name: str, w: Any, **settings: Any) -> Any:
    """A layer without bias whose weight is w, on the tape."""
    transposed, groups = "Transpose" in name, settings.get("groups", 1)
    channels = [w.shape[1] * groups, w.shape[0]]
    module = getattr(nn, name)(*(channels[::-1] if transposed else channels), w.shape[2:], bias=False, **settings)
    del module.weight
    module.weight = w
    return module


@pytest.mark.parametrize(("expression", "shapes"), FAMILIES, ids=[e for e, _ in FAMILIES])
def test_derivatives(expression: str, shapes: list[tuple]) -> None:
    """First and second derivatives against differences, which are exact at any step: all is linear in each argument."""
    inputs = [drawn(*shape, seed=i) for i, shape in enumerate(shapes)]

    def function(*xs: Any) -> Any:
        return eval(expression, {"nn": nn, "F": F, "layer": layer, **dict(zip("xwv", xs, strict=False))})

    gradcheck(function, inputs, eps=1.0, atol=1e-10, rtol=1e-10)
    gradgradcheck(function, inputs, eps=1.0, atol=1e-10, rtol=1e-10)


# ---------------------------------------------------------------------------------------------------- adjoints


def geometries(count: int) -> Any:
    """(channels, geometry) at random: ranks 1 to 3, uneven kernels, strides, padding on each side, dilation, groups."""
    rng = np.random.default_rng(5)
    while count:
        rank = int(rng.integers(1, 4))
        size, kernel = rng.integers(1, (15, 9, 6)[rank - 1], rank), rng.integers(1, 5, rank)
        stride, dilation = rng.integers(1, 5, rank), rng.integers(1, 4, rank)
        padding = [tuple(map(int, pair)) for pair in rng.integers(0, 4, (rank, 2))]
        groups = int(rng.integers(1, 4))
        try:
            g = ConvGeometry.of(
                *(tuple(map(int, v)) for v in (size, kernel, stride)), padding, tuple(map(int, dilation)), groups
            )
        except RuntimeError:
            continue
        count -= 1
        yield groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4)), g


def test_adjoint_identity() -> None:
    """<conv(x, w), y> = <conv_transpose(y, w), x> = <conv_weight_grad(x, y), w> to 1e-12, over 500 geometries."""
    rng = np.random.default_rng(6)
    worst = 0.0
    for c, k, g in geometries(500):
        arrays = [
            rng.standard_normal(shape)
            for shape in ((2, c, *g.input_size), (k, c // g.groups, *g.kernel_size), (2, k, *g.output_size))
        ]
        x, w, y = map(minitorch.from_numpy, arrays)
        faces = [
            (convolution.conv(x, w, geometry=g).array * y.array),
            (convolution.conv_transpose(y, w, geometry=g).array * x.array),
            (convolution.conv_weight_grad(x, y, geometry=g).array * w.array),
        ]
        scale = max(float(np.abs(face).sum()) for face in faces) or 1.0  # every window may lie in the padding
        numbers = [float(face.sum()) for face in faces]
        error = (max(numbers) - min(numbers)) / scale
        assert error <= 1e-12, f"{g}: {numbers}"
        worst = max(worst, error)
    print(f"500 geometries, largest difference {worst:.1e}")


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular", "symmetric"])
@pytest.mark.parametrize("padding", [0, 1, "same", ((1, 2), (0, 1))], ids=str)
@pytest.mark.parametrize("stride", [1, 2])
def test_layers_are_adjoint(mode: str, padding: Any, stride: int) -> None:
    """<Conv(x), y> = <x, ConvTranspose(y)> with one weight, in every padding mode."""
    x, w = drawn(2, 2, 7, 6), drawn(3, 2, 3, 4, seed=1)
    settings = {"stride": stride, "padding": padding, "padding_mode": mode}
    out = layer("Conv2d", w, **settings)(x)
    y = drawn(*out.shape, seed=2)
    back = layer("ConvTranspose2d", w, **settings)(y, output_size=x.shape)
    left, right = (out * y).sum().item(), (x * back).sum().item()
    assert abs(left - right) <= 1e-12 * float(np.abs((out * y).array).sum())
    (gx,) = grad(out, x, y)
    np.testing.assert_allclose(gx.array, back.array, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("padding", [1, "same", "valid"])
def test_gradients_by_name(rank: int, padding: Any) -> None:
    """nn.grad's functions give what the tape gives."""
    x, w = drawn(2, 4, *(6, 5, 4)[:rank]), drawn(6, 2, *(3, 2, 3)[:rank], seed=1)
    settings = {"stride": 2, "padding": padding, "groups": 2}
    y = getattr(F, f"conv{rank}d")(x, w, **settings)
    g = drawn(*y.shape, seed=2)
    gx, gw = grad(y, (x, w), g)
    by_name = getattr(nn.grad, f"conv{rank}d_input")(x.shape, w, g, **settings)
    np.testing.assert_array_equal(by_name.array, gx.array)
    by_name = getattr(nn.grad, f"conv{rank}d_weight")(x, w.shape, g, **settings)
    np.testing.assert_array_equal(by_name.array, gw.array)


# ---------------------------------------------------------------------------------------------------- windows, borders


def test_fold_counts_windows() -> None:
    """fold(unfold(x)) = divisor * x, and the divisor counts the windows over each pixel."""
    x = drawn(2, 3, 6, 7)
    for settings in ({"kernel_size": 3}, {"kernel_size": (2, 3), "dilation": 2, "padding": 1, "stride": (1, 2)}):
        again = F.fold(F.unfold(x, **settings), (6, 7), **settings)
        divisor = F.fold(F.unfold(ones(1, 1, 6, 7, dtype=minitorch.float64), **settings), (6, 7), **settings)
        np.testing.assert_allclose(again.array, (divisor * x).array, rtol=1e-12)
    np.testing.assert_array_equal(F.fold(F.unfold(ones(1, 1, 2, 3), 2), (2, 3), 2).array, [[[[1, 2, 1], [1, 2, 1]]]])


def test_convolution_is_a_product_with_unfold() -> None:
    """conv2d(x, w) = w.flatten(1) @ unfold(x)."""
    x, w = drawn(2, 3, 6, 7), drawn(5, 3, 3, 2, seed=1)
    settings = {"stride": (2, 1), "padding": 1, "dilation": (1, 2)}
    product = w.flatten(1) @ F.unfold(x, (3, 2), **settings)
    y = F.conv2d(x, w, **settings)
    np.testing.assert_allclose(product.array, y.flatten(2).array, rtol=1e-12, atol=1e-12)


def test_unfold_is_a_view() -> None:
    """Tensor.unfold shares memory: it sees changes of its source, and where windows don't overlap, changes it."""
    x = minitorch.zeros(7)
    windows = x.unfold(0, 3, 2)
    x[2] = 5.0
    assert windows.tolist() == [[0, 0, 5], [5, 0, 0], [0, 0, 0]]
    with pytest.raises(RuntimeError, match="clone"):
        windows.add_(1)
    leaf = minitorch.arange(6.0).requires_grad_()
    y = leaf * 1
    apart = y.unfold(0, 2, 3)
    apart.mul_(10.0)
    assert y.tolist() == [0, 10, 2, 30, 40, 5]
    y.sum().backward()
    assert leaf.grad.tolist() == [10, 10, 1, 10, 10, 1]
    kept = minitorch.ones(4, requires_grad=True) * 1
    squares = kept.unfold(0, 2, 1) ** 2
    kept.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        squares.sum().backward()


@pytest.mark.parametrize(
    ("mode", "copies"),
    [("reflect", [2, 3, 2]), ("symmetric", [2, 3, 2]), ("replicate", [3, 1, 3]), ("circular", [2, 3, 2])],
)
def test_copied_pixels_add_up(mode: str, copies: list[int]) -> None:
    """A pixel receives the gradients of all its copies, also where both borders copy it."""
    x = drawn(1, 3)
    F.pad(x, (2, 2), mode).sum().backward()
    np.testing.assert_array_equal(x.grad.array, [copies])


def test_padding_layers_are_pad() -> None:
    """Every padding layer is F.pad with its mode, prints as PyTorch's, and takes an input without a batch."""
    modes = {
        "Constant": "constant",
        "Zero": "constant",
        "Reflection": "reflect",
        "Replication": "replicate",
        "Circular": "circular",
    }
    for kind, mode in modes.items():
        for rank in (1, 2, 3):
            extra = (7.0,) if kind == "Constant" else ()
            module = getattr(nn, f"{kind}Pad{rank}d")(1, *extra)
            text = f"padding={(1,) * (2 * rank)}, value=7.0" if extra else f"{(1,) * (2 * rank)}"
            assert repr(module) == f"{kind}Pad{rank}d({text})"
            for x in (drawn(2, 3, *(4, 5, 3)[:rank]), drawn(3, *(4, 5, 3)[:rank])):
                expected = F.pad(x, (1,) * (2 * rank), mode, *extra)
                np.testing.assert_array_equal(module(x).array, expected.array)


def test_integers_are_padded() -> None:
    """Padding moves numbers of any kind."""
    x = minitorch.tensor([[1, 2, 3]])
    assert F.pad(x, (1, 1), "reflect").tolist() == [[2, 1, 2, 3, 2]]
    assert F.pad(x, (1, 0), value=9).dtype is minitorch.int64
    assert F.pad(x > 1, (1, 0), "circular").tolist() == [[True, False, True, True]]
