"""Attributes of windows at random: what a node gives here is what it gives in onnxruntime.

`pytest tests/parity/parity_onnx_attributes.py -s`; needs onnx and onnxruntime, not PyTorch.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx.helper", reason="the package onnx is not installed")
onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime", reason="the package onnxruntime is not installed")

import minitorch as mt  # noqa: E402

TRIES = 60
runtime.set_default_logger_severity(4)


class Draw:
    """Random settings and arrays."""

    def __init__(self, seed: int) -> None:
        self.random, self.numpy = random.Random(seed), np.random.default_rng(seed)

    def one(self, *choices: Any) -> Any:
        """One of these."""
        return self.random.choice(choices)

    def several(self, count: int, *choices: Any) -> list:
        """So many of these."""
        return [self.random.choice(choices) for _ in range(count)]

    def floats(self, *shape: int) -> np.ndarray:
        """A normal array."""
        return self.numpy.standard_normal(shape).astype(np.float32)


def windows(d: Draw, rank: int, most: int) -> dict[str, Any]:
    """kernel_shape, strides, dilations, auto_pad and pads below `most` (kernel sizes, if 0)."""
    kernel = d.several(rank, 1, 2, 3)
    out: dict[str, Any] = {"kernel_shape": kernel}
    out["auto_pad"] = d.one("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
    same = out["auto_pad"].startswith("SAME")
    if d.one(0, 1):  # a stride beyond the kernel would ask for negative pads, on which runtimes differ
        out["strides"] = [d.random.randint(1, k if same else 3) for k in kernel]
    if not same and d.one(0, 1):
        out["dilations"] = d.several(rank, 1, 2)
    if out["auto_pad"] == "NOTSET" and d.one(0, 1):
        out["pads"] = [d.random.randrange(most or kernel[i % rank]) for i in range(2 * rank)]
    return out


def conv(d: Draw) -> tuple:
    """A convolution: opset, inputs, attributes."""
    rank, group = d.one(1, 2, 2, 3), d.one(1, 1, 2)
    channels, kernels = group * d.one(1, 2), group * d.one(1, 2)
    settings = windows(d, rank, 3) | {"group": group}
    inputs = [d.floats(2, channels, *d.several(rank, 5, 6, 7, 8))]
    inputs.append(d.floats(kernels, channels // group, *settings["kernel_shape"]))
    return 17, [*inputs, d.floats(kernels)] if d.one(0, 1) else inputs, settings


def conv_transpose(d: Draw) -> tuple:
    """A transposed convolution, by pads, output_padding, or output_shape."""
    rank, group = d.one(1, 2, 2, 3), d.one(1, 1, 2)
    channels, kernels = group * d.one(1, 2), d.one(1, 2)
    kernel, strides, size = d.several(rank, 2, 3), d.several(rank, 1, 2, 3), d.several(rank, 2, 3, 4)
    dilations = d.several(rank, 1, 2)
    settings: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "group": group}
    whole = [(n - 1) * s + e * (k - 1) + 1 for n, s, e, k in zip(size, strides, dilations, kernel, strict=True)]
    how = d.one("pads", "output_padding", "output_shape", "nothing")
    if how in ("pads", "output_padding"):
        settings["pads"] = d.several(2 * rank, 0, 1)
    if how == "output_padding":
        settings[how] = [d.random.randrange(s) for s in strides]
    if how == "output_shape":
        settings[how] = [n - d.one(0, 0, 1) for n in whole]
        settings["auto_pad"] = d.one("NOTSET", "SAME_UPPER", "SAME_LOWER")
    inputs = [d.floats(2, channels, *size), d.floats(channels, kernels, *kernel)]
    return 17, [*inputs, d.floats(kernels * group)] if d.one(0, 1) else inputs, settings


def pool(d: Draw) -> tuple:
    """Windows of a pool over an image."""
    rank = d.one(1, 2, 2, 3)
    settings = windows(d, rank, 0)
    if settings["auto_pad"] == "NOTSET" and d.one(0, 1):
        settings["ceil_mode"] = 1
    return [d.floats(2, 3, *d.several(rank, 5, 6, 7, 8))], settings


def max_pool(d: Draw) -> tuple:
    """With positions, in both orders of planes."""
    inputs, settings = pool(d)
    if len(settings["kernel_shape"]) == 2:
        settings["storage_order"] = d.one(0, 1)
    return 12, inputs, settings


def average_pool(d: Draw) -> tuple:
    """With padding that counts, or not."""
    inputs, settings = pool(d)
    return 19, inputs, settings | {"count_include_pad": d.one(0, 1)}


def lp_pool(d: Draw) -> tuple:
    """Of several powers."""
    inputs, settings = pool(d)
    settings.pop("ceil_mode", None)
    return 18, inputs, settings | {"p": d.one(1, 2, 3)}


def pad(d: Draw) -> tuple:
    """All modes, on all axes or some."""
    rank, mode = d.one(1, 2, 3, 4), d.one("constant", "edge", "reflect", "wrap")
    axes = d.random.sample(range(rank), d.random.randint(1, rank)) if d.one(0, 1) else None
    count = rank if axes is None else len(axes)
    pads = [d.random.randrange(-1 if mode == "constant" else 0, 3) for _ in range(2 * count)]
    value = np.array(1.5, np.float32) if mode == "constant" else None
    inputs = [d.floats(*d.several(rank, 3, 4, 5)), np.array(pads), value]
    return 19, inputs if axes is None else [*inputs, np.array(axes)], {"mode": mode}


def resize(d: Draw) -> tuple:
    """By scales or sizes; onnx and onnxruntime differ where corners are aligned by a scale."""
    rank = d.one(1, 2, 2, 3)
    size, mode = d.several(rank, 2, 3, 4, 5, 6), d.one("nearest", "linear", "cubic" if rank == 2 else "linear")
    places = ["half_pixel", "pytorch_half_pixel", "asymmetric", "half_pixel_symmetric", "align_corners"]
    settings = {"mode": mode, "coordinate_transformation_mode": d.one(*places)}
    by_scale = settings["coordinate_transformation_mode"] != "align_corners" and d.one(0, 1)
    if mode == "nearest":
        settings["nearest_mode"] = d.one("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    if mode == "cubic":
        settings |= {"cubic_coeff_a": d.one(-0.75, -0.5), "exclude_outside": d.one(0, 1)}
    if mode != "nearest" and settings["coordinate_transformation_mode"] != "half_pixel_symmetric":
        settings["antialias"] = d.one(0, 0, 1)
    x = d.floats(2, 1, *size)
    if by_scale:
        return 19, [x, None, np.array([1, 1, *d.several(rank, 0.5, 0.6, 1.5, 2.0, 3.0)], np.float32)], settings
    return 19, [x, None, None, np.array([2, 1, *d.several(rank, 1, 2, 4, 5, 7, 9)])], settings


KINDS: dict[str, Callable[[Draw], tuple]] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "LpPool": lp_pool,
    "Pad": pad,
    "Resize": resize,
}


@pytest.mark.parametrize("op", KINDS)
def test_attributes(op: str) -> None:
    """The node here and there, for as many random settings as onnxruntime takes."""
    done, draw, helper = 0, Draw(0), onnx.helper
    outputs = ["y", "places"] if op == "MaxPool" else ["y"]
    for _ in range(TRIES):
        opset, inputs, settings = KINDS[op](draw)
        names = [f"i{k}" if v is not None else "" for k, v in enumerate(inputs)]
        constants = [
            onnx.numpy_helper.from_array(v, n) for n, v in zip(names[1:], inputs[1:], strict=True) if v is not None
        ]
        graph = helper.make_graph(
            [helper.make_node(op, names, outputs, **settings)],
            "g",
            [helper.make_tensor_value_info("i0", 1, inputs[0].shape)],
            [helper.make_tensor_value_info(n, t, None) for n, t in zip(outputs, (1, 7), strict=False)],
            constants,
        )
        data = helper.make_model(
            graph, ir_version=9, opset_imports=[helper.make_opsetid("", opset)]
        ).SerializeToString()
        try:
            want = runtime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"i0": inputs[0]})
        except Exception:
            continue  # it does not have these settings
        with mt.no_grad():
            got = mt.onnx.load(io.BytesIO(data))(mt.tensor(inputs[0]))
        for a, b in zip(got if isinstance(got, tuple) else (got,), want, strict=True):
            what = f"{op} of {inputs[0].shape}: {settings}"
            assert a.numpy().shape == b.shape, what
            np.testing.assert_allclose(a.numpy(), b, rtol=2e-4, atol=2e-5, err_msg=what)
        done += 1
    print(f"{op}: {done} of {TRIES} random settings")
    assert done > TRIES // 2
