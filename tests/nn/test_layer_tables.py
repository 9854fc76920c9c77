"""docs/layers.md is current and its ticks are earned; and every layer hands every argument on to its function.

The functions have their own tests, against PyTorch's numbers.
"""

from __future__ import annotations

import importlib.util
import itertools
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch import nn
from minitorch.autograd import grad

F = nn.functional
ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docs" / "make_layers.py"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """docs/make_layers.py, imported."""
    spec = importlib.util.spec_from_file_location("make_layers", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_current(maker: ModuleType) -> None:
    """Made anew from the classes, with the proofs it names, the page is the same."""
    text = maker.PAGE.read_text(encoding="utf-8")
    assert text == maker.page(maker.proofs_of(text)), "run: python docs/make_layers.py"


def test_every_layer_of_the_family_is_listed(maker: ModuleType) -> None:
    """No exported name that sounds like one of the family is left out."""
    listed = {cls.__name__ for group in maker.layers().values() for cls in group}
    sounds = {
        name for name in dir(maker.nn) if re.search(r"Conv|[Pp]ool|Pad\d|Fold|fold|Shuffle|shuffle|Upsampl|^Lazy", name)
    }
    assert {name for name in sounds if isinstance(getattr(maker.nn, name), type)} == listed


@pytest.mark.slow
def test_ticks_are_earned() -> None:
    """Each test that the page names fails when the argument it is named for is ignored."""
    done = subprocess.run([sys.executable, str(SCRIPT), "--verify"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run: python docs/make_layers.py\n{done.stdout}{done.stderr}"


def test_a_tick_must_be_earned(maker: ModuleType, tmp_path: Path) -> None:
    """Building a layer proves nothing, nor does a test that passes whatever the argument is."""
    (tmp_path / "test_planted.py").write_text(
        "import minitorch\n"
        "from minitorch import nn\n"
        "x = minitorch.ones(1, 1, 5)\n"
        "def test_built(): assert 'stride=(2,)' in repr(nn.Conv1d(1, 1, 3, stride=2))\n"
        "def test_called(): assert nn.Conv1d(1, 1, 3, padding=1)(x).shape[1] == 1\n"
        "def test_proven(): assert nn.Conv1d(1, 1, 3, dilation=2)(x).shape[2] == 1\n"
        "def test_default(): assert nn.Conv1d(1, 1, 3, groups=1)(x).shape[2] == 3\n"
        "def test_failing(): assert nn.Conv2d(1, 1, 3, stride=2)(x).shape[1] == 7\n"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r}); import make_layers as m;"
        f"found = m.prove([{str(tmp_path / 'test_planted.py')!r}]);"
        "print(sorted(argument for _, argument in found))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.splitlines()[-1] == "['dilation', 'in_channels', 'kernel_size', 'out_channels']", (
        done.stdout + done.stderr
    )


def test_round_trip(maker: ModuleType) -> None:
    """What a test is called survives the table."""
    proofs = {("Conv2d", "bias"): "tests/nn/test_nn.py::test_values[a|b \"c\" 'd' <e> & [f]]"}
    assert maker.proofs_of(maker.page(proofs)) == proofs


# ---------------------------------------------------------------------------------------------------- arguments
# A layer with what it needs, and for settings that are not the default what must hold of its result y. {n} is the rank,
# {s} the setting; the function is called as PyTorch's documentation of the layer says.
CONVOLUTION = [
    ("stride=2", "same(y, F.conv{n}d(x, m.weight, m.bias, {s}))"),
    ("padding=1", "same(y, F.conv{n}d(x, m.weight, m.bias, {s}))"),
    ("dilation=2", "same(y, F.conv{n}d(x, m.weight, m.bias, {s}))"),
    ("groups=2", "same(y, F.conv{n}d(x, m.weight, m.bias, {s}))"),
    ("bias=False", "same(y, F.conv{n}d(x, m.weight))"),
    (
        "padding=1, padding_mode='circular'",
        "same(y, F.conv{n}d(F.pad(x, [1] * 2 * {n}, 'circular'), m.weight, m.bias))",
    ),
    ("dtype=minitorch.float64", "y.dtype is minitorch.float64"),
]
TRANSPOSED = [
    ("stride=2", "same(y, F.conv_transpose{n}d(x, m.weight, m.bias, {s}))"),
    ("padding=1", "same(y, F.conv_transpose{n}d(x, m.weight, m.bias, {s}))"),
    ("stride=2, output_padding=1", "same(y, F.conv_transpose{n}d(x, m.weight, m.bias, {s}))"),
    ("groups=2", "same(y, F.conv_transpose{n}d(x, m.weight, m.bias, {s}))"),
    ("bias=False", "same(y, F.conv_transpose{n}d(x, m.weight))"),
    ("dilation=2", "same(y, F.conv_transpose{n}d(x, m.weight, m.bias, {s}))"),
    (
        "padding=1, padding_mode='circular'",
        "close(y, border_added(F.conv_transpose{n}d(x, m.weight), y) + m.bias.reshape(-1, *[1] * {n}))",
    ),
    ("dtype=minitorch.float64", "y.dtype is minitorch.float64"),
]
NORM = [
    ("eps=0.5", "same(y, F.batch_norm(x, None, None, m.weight, m.bias, True, eps=0.5))"),
    ("momentum=0.5", "close(m.running_mean, x.transpose(0, 1).flatten(1).mean(1) / 2)"),
    ("affine=False", "m.weight is None and m.bias is None"),
    ("bias=False", "m.weight is not None and m.bias is None"),
    ("track_running_stats=False", "m.running_mean is None"),
    ("dtype=minitorch.float64", "m.weight.dtype is minitorch.float64"),
]
WINDOWS = [(s, "same(y, F.{f}{n}d(x, 3, {s}))") for s in ("stride=2", "padding=1", "ceil_mode=True, stride=2")]
FACTOR = "same(y, F.interpolate(x, {s}))"
LAYERS: list[tuple[str, list[tuple[str, str]]]] = [
    ("Conv{n}d(4, 6, 2)", CONVOLUTION),
    ("ConvTranspose{n}d(4, 6, 2)", TRANSPOSED),
    ("LazyConv{n}d(6, 2)", [("", "y.shape[1] == 6 and m.kernel_size == (2,) * {n}"), *CONVOLUTION]),
    ("LazyConvTranspose{n}d(6, 2)", [("", "y.shape[1] == 6 and m.kernel_size == (2,) * {n}"), *TRANSPOSED]),
    ("LazyBatchNorm{n}d()", NORM),
    (
        "LazyInstanceNorm{n}d()",
        [("eps=0.5", "same(y, F.instance_norm(x, weight=m.weight, bias=m.bias, eps=0.5))"), *NORM[1:]],
    ),
    (
        "LazyLinear(3)",
        [
            ("", "y.shape[-1] == 3"),
            ("bias=False", "same(y, F.linear(x, m.weight))"),
            ("dtype=minitorch.float64", "y.dtype is minitorch.float64"),
        ],
    ),
    ("Unfold(2)", [(s, "same(y, F.unfold(x, 2, {s}))") for s in ("", "dilation=2", "padding=1", "stride=2")]),
    (
        "Fold((4, 5), 2)",
        [
            (
                s,
                "same(F.fold(F.unfold(ones(1, 2, 4, 5), 2, {s}), (4, 5), 2, {s}), m(F.unfold(ones(1, 2, 4, 5), 2, {s})))",
            )
            for s in ("", "dilation=2", "padding=1", "stride=2")
        ],
    ),
    *[
        (f"{kind}Pad{{n}}d((1, 2) * {{n}})", [("", f"same(y, F.pad(x, (1, 2) * {{n}}, '{mode}'))")])
        for kind, mode in (
            ("Zero", "constant"),
            ("Reflection", "reflect"),
            ("Replication", "replicate"),
            ("Circular", "circular"),
        )
    ],
    ("ConstantPad{n}d((1, 2) * {n}, 3.5)", [("", "same(y, F.pad(x, (1, 2) * {n}, value=3.5))")]),
    (
        "MaxPool{n}d(3)",
        [
            *[(s, p.replace("{f}", "max_pool")) for s, p in WINDOWS],
            ("dilation=2", "same(y, F.max_pool{n}d(x, 3, {s}))"),
            ("return_indices=True", "all(map(same, y, F.max_pool{n}d(x, 3, {s})))"),
        ],
    ),
    (
        "AvgPool{n}d(3)",
        [
            *[(s, p.replace("{f}", "avg_pool")) for s, p in WINDOWS],
            ("padding=1, count_include_pad=False", "same(y, F.avg_pool{n}d(x, 3, {s}))"),
        ],
    ),
    ("AvgPool2d(3)", [("divisor_override=5", "same(y, F.avg_pool2d(x, 3, {s}))")]),
    ("AvgPool3d(3)", [("divisor_override=5", "same(y, F.avg_pool3d(x, 3, {s}))")]),
    (
        "LPPool{n}d(2, 3)",
        [(s, "same(y, F.lp_pool{n}d(x, 2, 3, {s}))") for s in ("", "stride=2", "ceil_mode=True, stride=2")],
    ),
    ("AdaptiveAvgPool{n}d(2)", [("", "same(y, F.adaptive_avg_pool{n}d(x, 2))")]),
    (
        "AdaptiveMaxPool{n}d(2)",
        [
            ("", "same(y, F.adaptive_max_pool{n}d(x, 2))"),
            ("return_indices=True", "all(map(same, y, F.adaptive_max_pool{n}d(x, 2, {s})))"),
        ],
    ),
    (
        "FractionalMaxPool2d(2)",
        [
            (s, "all(map(same, y, F.fractional_max_pool2d(x, 2, {s})))")
            for s in (
                "output_size=5, return_indices=True, _random_samples=ones(2, 4, 2) * 0.95",
                "output_ratio=(0.5, 0.4), return_indices=True, _random_samples=ones(2, 4, 2) * 0.95",
            )
        ],
    ),
    (
        "FractionalMaxPool3d(2)",
        [
            (s, "all(map(same, y, F.fractional_max_pool3d(x, 2, {s})))")
            for s in (
                "output_size=5, return_indices=True, _random_samples=ones(2, 4, 3) * 0.95",
                "output_ratio=(0.5, 0.4, 0.6), return_indices=True, _random_samples=ones(2, 4, 3) * 0.95",
            )
        ],
    ),
    (
        "MaxUnpool{n}d(2)",
        [
            (
                s,
                "same(m(*F.max_pool{n}d(x, 2, return_indices=True, {s})), F.max_unpool{n}d(*F.max_pool{n}d(x, 2, return_indices=True, {s}), 2, {s}))",
            )
            for s in ("", "stride=3", "padding=1")
        ],
    ),
    (
        "Upsample()",
        [
            (s, FACTOR)
            for s in (
                "size=(5, 6)",
                "scale_factor=2",
                "scale_factor=1.7, mode='bilinear'",
                "scale_factor=1.7, mode='bilinear', align_corners=True",
                "scale_factor=1.7, mode='bilinear', recompute_scale_factor=True",
            )
        ],
    ),
    ("UpsamplingNearest2d()", [(s, "same(y, F.interpolate(x, {s}))") for s in ("size=(5, 6)", "scale_factor=2")]),
    (
        "UpsamplingBilinear2d()",
        [
            (s, "same(y, F.interpolate(x, {s}, mode='bilinear', align_corners=True))")
            for s in ("size=(5, 6)", "scale_factor=2")
        ],
    ),
    ("PixelShuffle(2)", [("", "same(y, F.pixel_shuffle(x, 2))")]),
    ("PixelUnshuffle(2)", [("", "same(y, F.pixel_unshuffle(x, 2))")]),
    ("ChannelShuffle(2)", [("", "same(y, F.channel_shuffle(x, 2))")]),
]
CALLED_BY_CLAIM = ("Fold", "MaxUnpool")  # their input is made from x in what must hold


def layer_rows() -> list[tuple[str, str, str]]:
    """(layer, size of its input, what must hold) for every rank that the layer has."""
    rows = []
    for layer, settings in LAYERS:
        ranks = (1, 2, 3) if "{n}" in layer else (3,) if "3d" in layer else (2,)
        for (setting, claim), n in itertools.product(settings, ranks):
            made = layer.format(n=n)
            made = f"{made[:-1]}{', ' * (bool(setting) and made[-2] != '(')}{setting})"
            rows.append((made, str((8,) * n), claim.format(n=n, s=setting)))
    return rows


def same(a: Any, b: Any) -> bool:
    """The same bits."""
    return a.array.shape == b.array.shape and bool((a.array == b.array).all())


def close(a: Any, b: Any) -> bool:
    """The same but for the order of a sum."""
    return a.array.shape == b.array.shape and np.allclose(a.array, b.array, rtol=1e-5, atol=1e-6)


def border_added(whole: Any, y: Any) -> Any:
    """The adjoint of a circular border of one pixel, as the tape knows it."""
    x = minitorch.zeros(*y.shape, requires_grad=True)
    padded = F.pad(x, [1] * 2 * (len(y.shape) - 2), "circular")
    return grad(padded, x, whole.detach())[0]


@pytest.mark.parametrize(("layer", "size", "claim"), layer_rows(), ids=[row[0] for row in layer_rows()])
def test_arguments(layer: str, size: str, claim: str) -> None:
    """The layer is its function with its arguments."""
    names = {"minitorch": minitorch, "F": F, "ones": minitorch.ones, "same": same, "close": close}
    m = eval(f"nn.{layer}", {"nn": nn, **names})
    x = minitorch.randn(2, 4, *eval(size), dtype=minitorch.float64 if "float64" in layer else None)
    y = None if layer.startswith(CALLED_BY_CLAIM) else m(x)
    assert eval(claim, {**names, "border_added": border_added, "m": m, "x": x, "y": y})


@pytest.mark.parametrize("name", [n for n in sorted(dir(nn)) if re.fullmatch(r"(Lazy)?Conv(Transpose)?\dd|Lazy\w+", n)])
def test_other_devices_are_refused(name: str) -> None:
    """There is no device but the CPU, whatever the layer."""
    needed = {"Conv": (4, 6, 2), "LazyC": (6, 2), "LazyL": (3,), "LazyB": (), "LazyI": ()}
    arguments = next(a for start, a in needed.items() if name.startswith(start))
    assert getattr(nn, name)(*arguments, device="cpu")
    with pytest.raises(RuntimeError, match="must be 'cpu' or None, but got 'cuda'"):
        getattr(nn, name)(*arguments, device="cuda")
