"""explain: its lines are true, by an independent sum over pixels, and say what they compute; matrix, picture, errors."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch import nn
from minitorch.autograd import grad

F = nn.functional
float64 = minitorch.float64

# (function, settings), weight shape, input size. The weight of a transposed convolution is (in, out/groups, ...).
CALLS: list[tuple[str, dict[str, Any], tuple, tuple]] = [
    ("conv1d", {}, (1, 1, 3), (6,)),
    ("conv1d", {"stride": 2, "padding": 1}, (1, 1, 3), (6,)),
    ("conv1d", {"stride": 3, "padding": 2, "dilation": 2}, (3, 2, 3), (2, 11)),
    ("conv1d", {"padding": "same"}, (2, 3, 4), (4, 3, 7)),
    ("conv1d", {"padding": "valid", "groups": 2}, (4, 1, 2), (3, 2, 5)),
    ("conv2d", {"stride": 2, "padding": 1}, (4, 3, 3, 3), (10, 10)),
    ("conv2d", {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}, (4, 2, 3, 2), (2, 4, 9, 8)),
    ("conv2d", {"groups": 3, "stride": (3, 2)}, (6, 1, 2, 3), (3, 6, 7)),
    ("conv2d", {"groups": 2, "stride": 2}, (4, 2, 2, 2), (5, 6)),
    ("conv2d", {"padding": "same", "dilation": (1, 3)}, (1, 2, 2, 2), (2, 2, 5, 6)),
    ("conv3d", {"stride": (1, 2, 3), "padding": (1, 0, 1), "groups": 2}, (2, 1, 2, 3, 2), (2, 2, 3, 4, 5)),
    ("conv1d", {"padding": ((0, 3),), "stride": 2}, (1, 2, 2), (6,)),
    ("conv2d", {"padding": "same", "stride": (2, 3)}, (2, 1, 4, 3), (7, 8)),
    ("conv2d", {"padding": ((1, 2), (0, 1)), "stride": 2, "groups": 2}, (2, 1, 3, 3), (2, 5, 6)),
    ("conv_transpose1d", {"stride": 2}, (1, 1, 3), (5,)),
    ("conv_transpose1d", {"padding": "same", "stride": 3}, (1, 2, 4), (3,)),
    ("conv_transpose2d", {"padding": ((1, 2), (0, 1)), "stride": 2, "output_padding": 1}, (2, 1, 3, 3), (4, 3)),
    ("conv_transpose2d", {"padding": "same", "stride": 3, "output_padding": (-1, 0)}, (2, 1, 2, 4), (4, 3)),
    ("conv_transpose1d", {"stride": 2, "padding": 2, "output_padding": 1, "dilation": 3}, (2, 3, 3), (2, 8)),
    ("conv_transpose1d", {"dilation": 3, "output_padding": 2}, (2, 1, 2), (3, 2, 4)),
    ("conv_transpose2d", {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2)}, (4, 2, 3, 2), (3, 4)),
    ("conv_transpose2d", {"groups": 2, "dilation": (2, 1)}, (4, 1, 2, 3), (2, 4, 3, 3)),
    (
        "conv_transpose3d",
        {"stride": (2, 1, 3), "dilation": (3, 1, 1), "output_padding": (2, 0, 1), "groups": 2},
        (4, 2, 3, 3, 3),
        (4, 3, 3, 4),
    ),
]
LAYERS = [
    (nn.Conv1d(2, 3, 4, padding="same"), (9,)),
    (nn.Conv1d(2, 4, 3, padding=2, dilation=2, groups=2, padding_mode="reflect"), (2, 8)),
    (nn.Conv2d(3, 4, 3, stride=2, padding=1), (2, 3, 10, 9)),
    (nn.Conv2d(4, 8, 2, padding="same", groups=4, padding_mode="circular"), (5, 5)),
    (nn.Conv2d(1, 2, 3, stride=2, padding=(2, 1), padding_mode="replicate", bias=False), (6, 7)),
    (nn.Conv3d(2, 2, 2, stride=(1, 2, 1), padding=(0, 1, 1), dilation=(1, 1, 2)), (1, 2, 3, 4, 5)),
    (nn.Conv2d(1, 2, 3, stride=2, padding=((2, 1), (0, 3)), padding_mode="symmetric"), (2, 1, 6, 7)),
    (nn.Conv2d(2, 2, 3, stride=2, padding="same", padding_mode="reflect"), (6, 7)),
    (nn.ConvTranspose1d(2, 1, 2, bias=False), (2, 4)),
    (nn.ConvTranspose1d(2, 3, 4, stride=2, padding="same", padding_mode="circular"), (2, 2, 5)),
    (nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1, groups=2, padding_mode="reflect"), (4, 3, 4)),
    (
        nn.ConvTranspose2d(1, 1, 3, dilation=3, padding=((1, 2), (0, 2)), output_padding=2, padding_mode="symmetric"),
        (3, 4),
    ),
    (nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1), (3, 3)),
    (nn.ConvTranspose3d(2, 2, (1, 2, 3), stride=(1, 2, 2), groups=2), (2, 2, 3, 2, 2)),
]
LAYER_IDS = [f"{layer}".replace("kernel_size=", "") for layer, _ in LAYERS]
CALL_IDS = [f"{name}({settings})" for name, settings, _, _ in CALLS]


def explain(*args: Any, **settings: Any) -> Any:
    """An explanation that prints nothing."""
    return minitorch.explain(*args, file=io.StringIO(), **settings)


def explained(row: tuple) -> Any:
    """The explanation of a row of CALLS."""
    name, settings, weight_shape, size = row
    return explain(getattr(F, name), size, weight_shape, **settings)


def draw(rng: np.random.Generator, *shape: int) -> Any:
    """A float64 leaf."""
    return minitorch.from_numpy(rng.standard_normal(shape)).requires_grad_()


def dense(
    w: np.ndarray, size: tuple, small: tuple, stride: Any, padding: Any, dilation: Any, groups: int
) -> np.ndarray:
    """W of the convolution (K*small, C*size), entry by entry from i + p = o*s + t*d."""
    outer, inner, *kernel = w.shape
    rank, channels = len(size), inner * groups
    s, d = (v if isinstance(v, tuple) else (v,) * rank for v in (stride, dilation))
    if padding == "same":  # so that the last of ceil(n / s) windows ends with the padded image, the odd pixel after
        needed = [(-(-n // b) - 1) * b + a * (k - 1) + 1 - n for n, a, b, k in zip(size, d, s, kernel, strict=True)]
        before = tuple(max(n, 0) // 2 for n in needed)
    elif isinstance(padding, tuple):
        before = tuple(entry[0] if isinstance(entry, tuple) else entry for entry in padding)
    else:
        before = (0 if padding == "valid" else padding,) * rank
    out = np.zeros((outer, *small, channels, *size))
    for k, c, *t in np.argwhere(w):
        for o in np.ndindex(*small):
            i = tuple(o[a] * s[a] + t[a] * d[a] - before[a] for a in range(rank))
            if all(0 <= i[a] < size[a] for a in range(rank)):
                out[(k, *o, k // (outer // groups) * inner + c, *i)] += w[(k, c, *t)]
    return out.reshape(outer * int(np.prod(small)), channels * int(np.prod(size)))


def pad_transpose(y: Any, ends: tuple, mode: str) -> Any:
    """The adjoint of pad, as the tape knows it."""
    sides = zip(ends[-2::-2], ends[::-2], strict=True)
    first = len(y.shape) - len(ends) // 2
    inside = [n - before - after for n, (before, after) in zip(y.shape[first:], sides, strict=True)]
    x = minitorch.zeros(*y.shape[:first], *inside, dtype=float64, requires_grad=True)
    return grad(F.pad(x, ends, mode), x, y.detach())[0]


def run(explanation: Any, names: dict[str, Any]) -> dict[str, Any]:
    """Run the lines with a batch of 3 for N; every value must have the shape beside its line."""
    known = {"N": 3, "pad_transpose": pad_transpose} | {name: getattr(F, name) for name in F.__all__} | names
    for _, steps in explanation.sections:
        for step in steps:
            known[step.name] = eval(step.expression, known)
            stated = tuple(eval(str(n), {"N": 3}) for n in step.shape)
            assert tuple(known[step.name].shape) == stated, step
    return known


def image(rng: np.random.Generator, given: tuple, rank: int, channels: int) -> Any:
    """An input for a size that was given with or without channels and batch."""
    return draw(rng, *((3, channels) if len(given) == rank else ()), *given)


@pytest.mark.parametrize("row", CALLS, ids=CALL_IDS)
def test_calls(row: tuple, rng: np.random.Generator) -> None:
    """Lines and matrix give what a sum over (pixel, tap) pairs gives: forward and both gradients."""
    name, settings, shape, given = row
    explanation, rank, transposed = explained(row), len(shape) - 2, "transpose" in name
    settings = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1} | settings
    settings.pop("output_padding", None)
    w = draw(rng, *shape)
    x = image(rng, given, rank, shape[0] if transposed else shape[1] * settings["groups"])
    y = getattr(F, name)(x, w, **row[1])
    g = draw(rng, *y.shape)
    big, small = (y, x) if transposed else (x, y)
    matrix = dense(w.array, big.shape[-rank:], small.shape[-rank:], **settings)
    matrix = matrix.T if transposed else matrix
    np.testing.assert_array_equal(explanation.matrix(w), matrix)
    np.testing.assert_array_equal(explanation.matrix(w.array), matrix)
    names = run(explanation, {"x": x, "w": w, "g": g})
    rows, columns = matrix.shape
    np.testing.assert_allclose(names["y"].array.reshape(-1, rows), x.array.reshape(-1, columns) @ matrix.T, atol=1e-12)
    np.testing.assert_allclose(names["gx"].array.reshape(-1, columns), g.array.reshape(-1, rows) @ matrix, atol=1e-12)
    pairs = g.array.reshape(-1, rows).T @ x.array.reshape(-1, columns)  # d loss / d W
    for index in np.ndindex(shape):
        one = np.zeros(shape)
        one[index] = 1
        where = dense(one, big.shape[-rank:], small.shape[-rank:], **settings)
        expected = (pairs * (where.T if transposed else where)).sum()
        assert names["gw"].array[index] == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize(("layer", "given"), LAYERS, ids=LAYER_IDS)
def test_layers(layer: Any, given: tuple, rng: np.random.Generator) -> None:
    """Lines give the layer's output and its gradients, with the layer's own parameters."""
    layer = layer.double()
    explanation = explain(layer, given)
    x = image(rng, given, layer.rank, layer.in_channels)
    y = layer(x)
    g = draw(rng, *y.shape)
    leaves = {"x": x, "w": layer.weight} | ({"b": layer.bias} if layer.bias is not None else {})
    names = run(explanation, {**leaves, "g": g})
    np.testing.assert_allclose(names["y"].array, y.array, atol=1e-12)
    for (name, _), expected in zip(leaves.items(), grad(y, list(leaves.values()), g), strict=True):
        np.testing.assert_allclose(names[f"g{name}"].array, expected.array, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("row", [*CALLS, *LAYERS], ids=[*CALL_IDS, *LAYER_IDS])
def test_text(row: tuple) -> None:
    """Every line is in the text with its shape, 100 columns are enough, and the check found no difference."""
    explanation = explained(row) if len(row) == 4 else explain(*row)
    text = str(explanation)
    assert max(map(len, text.splitlines())) <= 100
    joined = " ".join(text.split())
    for heading, steps in explanation.sections:
        assert heading in text
        for step in steps:
            shape = str(step.shape).replace("'", "")
            assert f"{step.name} = {step.expression} {shape}" in joined
    assert set(explanation.differences) >= {"gx", "gw", "W x - y", "W.T g - gx"}
    assert max(explanation.differences.values()) < 1e-12


def test_check_notices() -> None:
    """A line that is wrong makes a difference; the check of what is large is not made unasked."""
    explanation = explain(nn.Conv2d(1, 2, 3, stride=2), (8, 8))
    for section, name in ((1, "gx"), (2, "gw"), (3, "gb")):
        steps = explanation.sections[section][1]
        steps.append(type(steps[0])(name, f"{name} * 1.01", steps[-1].shape))
        assert explanation._check()[name] > 1e-3
        steps.pop()
    assert max(explanation._check().values()) < 1e-12
    assert explain(nn.Conv2d(64, 64, 3), (224, 224)).differences is None
    assert explain(nn.Conv1d(1, 1, 3), (9,), check=False).differences is None
    assert "W" not in (explain(nn.Conv2d(8, 8, 3), (64, 64), check=True).differences or "W")


def test_settings_of_the_gradients() -> None:
    """The case of the docstring: what is left over returns as output_padding; stride and dilation change places."""
    text = str(explain(nn.Conv2d(3, 4, 3, stride=2, padding=1), (10, 10)))
    assert "gx  = conv_transpose2d(g, w, stride=2, padding=1, dilation=1, output_padding=1)" in text
    assert "gw  = conv2d(xt, gt, stride=1, padding=1, dilation=2)" in text
    text = str(explain(nn.ConvTranspose1d(3, 2, 3, stride=2, padding=1), (10,), output_size=(20,)))
    assert "y   = conv_transpose1d(x, w, b, stride=2, padding=1, dilation=1, output_padding=1)" in text
    assert "gx  = conv1d(g, w, stride=2, padding=1, dilation=1)" in text


@pytest.mark.parametrize(
    ("layer", "size", "rows"),
    [
        (
            nn.Conv1d(1, 1, 3, stride=2, padding=1),
            (5,),
            [
                "b c . . .    b . .",
                ". a b c .    c a .",
                ". . . a b    . b .",
                "              . c a",
                "              . . b",
            ],
        ),
        (nn.Conv1d(1, 1, 3, padding=2, padding_mode="reflect"), (3,), ["c b a", "b a+c .", "a b c", ". a+c b"]),
        (nn.Conv1d(1, 2, 2), (2,), ["a b", "c d"]),
        (
            nn.ConvTranspose1d(1, 1, 3, padding=1, padding_mode="replicate"),
            (3,),
            ["a+b a . a+b c .", "c b a a b c", ". c b+c . a b+c"],
        ),
        (nn.ConvTranspose1d(1, 1, 2, stride=2), (2,), ["a .    a b . .", "b .    . . a b", ". a", ". b"]),
    ],
)
def test_letters(layer: Any, size: tuple, rows: list[str]) -> None:
    """The printed matrix of small cases."""
    text = "".join(" ".join(line.split()) + "\n" for line in str(explain(layer, size)).splitlines())
    for row in rows:
        assert " ".join(row.split()) in text


def test_prints_and_returns(capsys: pytest.CaptureFixture) -> None:
    """The text goes to stdout, or to `file`; random numbers of the user are left alone."""
    minitorch.manual_seed(3)
    expected = minitorch.rand(4).array
    minitorch.manual_seed(3)
    explanation = minitorch.explain(nn.functional.conv1d, (8,), (2, 3, 3))
    np.testing.assert_array_equal(minitorch.rand(4).array, expected)
    assert capsys.readouterr().out == str(explanation) + "\n"
    file = io.StringIO()
    minitorch.explain(nn.functional.conv1d, (8,), (2, 3, 3), file=file)
    assert file.getvalue() == str(explanation) + "\n" and not capsys.readouterr().out
    assert repr(explanation) == "<explanation of conv1d(x, w)>"
    with minitorch.no_grad():
        assert str(explain(nn.functional.conv1d, (8,), (2, 3, 3))) == str(explanation)


CONV = nn.Conv2d(3, 4, 3)
ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: explain(nn.Linear(3, 4), (3,)), TypeError, "must be a module Conv1d-3d .* but got Linear"),
    (lambda: explain(F.relu, (3, 4)), TypeError, "but got relu"),
    (lambda: explain("conv2d", (3, 4)), TypeError, "but got str"),
    (lambda: explain(F.conv2d, (8, 8)), TypeError, "conv2d needs `weight_shape`"),
    (lambda: explain(F.conv2d, (8, 8), (4, 3, 3)), ValueError, "`weight_shape` of 4 entries, but got \\(4, 3, 3\\)"),
    (lambda: explain(F.conv2d, (8, 8), (4, 3, 0, 3)), ValueError, "every entry of `weight_shape` must be at least 1"),
    (
        lambda: explain(F.conv2d, (8, 8), (4, 3, 3, 3), strides=2),
        TypeError,
        "conv2d has no setting 'strides'; it has stride",
    ),
    (lambda: explain(F.conv2d, (8, 8), (4, 3, 3, 3), output_padding=1), TypeError, "no setting 'output_padding'"),
    (
        lambda: explain(F.conv2d, (8, 8), (4, 3, 3, 3), output_size=(3, 3)),
        TypeError,
        "goes with a ConvTranspose module",
    ),
    (
        lambda: explain(CONV, (8, 8), stride=2),
        TypeError,
        "a module has its own weight and settings, but got also stride",
    ),
    (lambda: explain(CONV, (8, 8), (4, 3, 3, 3)), TypeError, "but got also weight_shape"),
    (
        lambda: explain(CONV, (8, 8), output_size=(9, 9)),
        TypeError,
        "goes with a ConvTranspose module, but got one with Conv2d",
    ),
    (lambda: explain(nn.LazyConv2d(4, 3), (8, 8)), ValueError, "LazyConv2d does not know its input channels yet"),
    (lambda: explain(CONV, 8), TypeError, "`input_size` must be a sequence of ints, but got 8"),
    (lambda: explain(CONV, (8.0, 8)), TypeError, "`input_size` must be a sequence of ints"),
    (
        lambda: explain(CONV, (8,)),
        ValueError,
        "2 entries \\(\\*size\\), 3 \\(C, \\*size\\) or 4 \\(N, C, \\*size\\), but got \\(8,\\)",
    ),
    (lambda: explain(CONV, (0, 3, 8, 8)), ValueError, "every entry of `input_size` must be at least 1"),
    (lambda: explain(CONV, (2, 8, 8)), RuntimeError, "conv2d: `weight` expects 3 input channels but `input` has 2"),
    (lambda: explain(CONV, (2, 2)), RuntimeError, "Kernel size can't be greater than actual input size"),
    (
        lambda: explain(nn.Conv1d(1, 1, 9, padding=4, padding_mode="reflect"), (4,)),
        RuntimeError,
        "Padding size should be",
    ),
    (
        lambda: explain(nn.ConvTranspose1d(1, 1, 3, stride=2), (4,), output_size=(12,)),
        ValueError,
        "valid sizes range from",
    ),
    (
        lambda: explain(CONV, (8, 8)).matrix(np.zeros((4, 3, 3))),
        ValueError,
        "must have shape \\(4, 3, 3, 3\\), but has \\(4, 3, 3\\)",
    ),
    (lambda: explain(CONV, (999, 999)).matrix(CONV.weight), ValueError, "W would be 3976036 x 2994003"),
    (lambda: explain(nn.Conv3d(1, 1, 1), (4, 4, 4)).picture(), ValueError, "draws 1 or 2 dimensions"),
    (lambda: explain(CONV, (41, 20)).picture(), ValueError, "at most 40 pixels along an axis"),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[message for _, _, message in ERRORS])
def test_errors(call: Any, kind: type[Exception], message: str) -> None:
    """What cannot be explained, in a sentence."""
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (nn.Conv1d(3, 4, 3, stride=2, padding=2, dilation=2), (12,)),
        (nn.Conv1d(3, 4, 3, padding=1, padding_mode="reflect"), (1, 3, 6)),
        (nn.ConvTranspose1d(1, 1, 3, dilation=3, output_padding=2), (5,)),
        (nn.Conv2d(3, 4, 3, stride=(2, 3), padding=(1, 2)), (10, 9)),
        (nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1), (4, 5)),
        (nn.Conv2d(1, 1, 3), (3, 3)),
    ],
    ids=str,
)
def test_picture(layer: Any, size: tuple, tmp_path: Any) -> None:
    """The number in a pixel is the sum of a column of ones: how many windows use it; the file is small."""
    pytest.importorskip("matplotlib")
    explanation = explain(layer, size)
    path = tmp_path / "windows.png"
    figure = explanation.picture(path)
    assert path.read_bytes()[:4] == b"\x89PNG" and path.stat().st_size < 60_000
    geometry, rank = explanation.geometry, layer.rank
    padded = geometry.padded_size
    small = size[-rank:] if layer.transposed else geometry.output_size
    ones = np.ones((1, 1, *geometry.kernel_size))
    expected = dense(ones, padded, small, geometry.stride, 0, geometry.dilation, 1).sum(0).astype(int)
    texts = [t.get_text() for t in figure.axes[0].texts if t.get_text().isdigit()]
    assert texts == [str(n) for n in expected]
    hatched = sum(patch.get_hatch() is not None for patch in figure.axes[0].patches)
    inside = size[-rank:] if not layer.transposed else tuple(geometry.input_size)
    assert hatched == np.prod(padded) - np.prod(inside)
    assert type(explanation.picture()) is type(figure)


def test_picture_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"Explanation.picture needs matplotlib: pip install minitorch-numba\[viz\]"):
        explain(CONV, (8, 8)).picture()


def test_pictures_of_the_docs() -> None:
    """Every picture that a page shows is there, and small."""
    docs = Path(__file__).parents[2] / "docs"
    shown = {name for page in docs.glob("*.md") for name in re.findall(r"!\[[^\]]*\]\((\w+\.png)\)", page.read_text())}
    assert {"convolution_windows.png", "convolution_transpose.png"} <= shown
    for name in shown:
        assert (docs / name).stat().st_size < 60_000, name
