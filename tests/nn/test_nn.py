"""Modules, layers, losses, functional forms: values and gradients against PyTorch's frozen numbers, and behaviour."""

import copy
import gc
import pickle
import warnings
import weakref
import zlib
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

import minitorch
from minitorch import nn
from minitorch.devices import NoDeviceError

F = nn.functional
GOLDEN = Path(__file__).parent.parent / "golden" / "nn.npz"

# ---------------------------------------------------------------------------------------------------- values, gradients
# One row per case: an expression in `nn` (a layer, then called with the inputs) or `F`, and the inputs. An input is a
# shape (normal values), ("labels", shape, classes), ("probabilities", shape), ("constant", shape) for the
# same without a gradient, ("grid", shape) for small integers with ties, or ("exact", values). make_golden_nn.py runs the same rows with PyTorch.

X1, X2, X3 = (2, 4, 9), (2, 4, 6, 7), (1, 2, 4, 5, 4)
ROWS = [
    # convolution
    ("nn.Conv1d(4, 6, 3)", [X1]),
    ("nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2)", [X1]),
    ("nn.Conv1d(4, 3, 4, padding='same')", [X1]),
    ("nn.Conv1d(4, 3, 2, padding='valid', bias=False)", [(4, 9)]),
    ("nn.Conv1d(4, 2, 3, padding=2, padding_mode='reflect')", [X1]),
    ("nn.Conv2d(4, 3, 3)", [X2]),
    ("nn.Conv2d(4, 3, 1, stride=2)", [X2]),
    ("nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2)", [X2]),
    ("nn.Conv2d(4, 8, 3, padding=1, groups=4)", [X2]),
    ("nn.Conv2d(4, 2, 3, dilation=(1, 2), padding='same')", [X2]),
    ("nn.Conv2d(4, 2, (2, 4), padding='same')", [X2]),
    ("nn.Conv2d(4, 2, 3)", [(4, 6, 7)]),
    ("nn.Conv2d(4, 2, 3, padding=(1, 2), padding_mode='circular')", [X2]),
    ("nn.Conv2d(4, 2, 3, padding=(2, 1), padding_mode='replicate')", [X2]),
    ("nn.Conv2d(4, 2, 3, padding='same', padding_mode='reflect')", [X2]),
    ("nn.Conv2d(4, 2, 5, padding=4, stride=3)", [X2]),
    ("nn.Conv2d(4, 2, 3)", [(0, 4, 6, 7)]),
    ("nn.Conv3d(2, 3, (1, 3, 2))", [X3]),
    ("nn.Conv3d(2, 2, 2, stride=(1, 2, 1), padding=(0, 1, 1), groups=2, dilation=(1, 1, 2))", [X3]),
    ("F.conv2d(x, w)", [X2, (2, 4, 3, 3)]),
    ("F.conv2d(x, w, v, [2, 1], [1, 0])", [X2, (2, 4, 3, 3), (2,)]),
    # transposed convolution
    ("nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)", [X1]),
    ("nn.ConvTranspose1d(4, 3, 2, bias=False)", [(4, 9)]),
    ("nn.ConvTranspose2d(4, 2, 2, stride=2)", [X2]),
    ("nn.ConvTranspose2d(4, 2, 3, stride=(2, 3), padding=(1, 0), output_padding=(1, 2))", [(1, 4, 3, 4)]),
    ("nn.ConvTranspose2d(4, 4, (3, 2), groups=2, dilation=(2, 1))", [(1, 4, 3, 4)]),
    ("nn.ConvTranspose2d(4, 2, 3, dilation=3, output_padding=2)", [(1, 4, 3, 4)]),
    ("nn.ConvTranspose2d(4, 2, 3, stride=2, dilation=3, output_padding=2)", [(1, 4, 3, 4)]),
    ("nn.ConvTranspose3d(2, 1, 2, stride=2, padding=1)", [(1, 2, 3, 3, 2)]),
    # padding, linear, embedding
    ("F.pad(x, (1, 2))", [X2]),
    ("F.pad(x, (-1, 2, 1, -2), value=1.5)", [X2]),
    ("F.pad(x, (1, 2, 3, 0), mode='reflect')", [X2]),
    ("F.pad(x, (1, 2, 3, 0), mode='replicate')", [X2]),
    ("F.pad(x, (1, 7, 6, 0), mode='circular')", [X2]),
    ("nn.Linear(4, 3)", [(5, 4)]),
    ("nn.Linear(4, 3, bias=False)", [(2, 3, 4)]),
    ("nn.Linear(4, 3)", [(4,)]),
    ("nn.Linear(4, 3)", [(0, 4)]),
    ("nn.Embedding(5, 3)", [("labels", (2, 4), 5)]),
    ("nn.Embedding(5, 3, padding_idx=1)", [("labels", (2, 4), 5)]),
    # pooling
    ("nn.MaxPool1d(3, 2, 1, ceil_mode=True)", [X1]),
    ("nn.MaxPool1d(2, return_indices=True)", [(4, 9)]),
    ("nn.MaxPool2d(2)", [X2]),
    ("nn.MaxPool2d((3, 2), stride=(1, 2), padding=(1, 0), dilation=(2, 1))", [X2]),
    ("nn.MaxPool2d(3, 2, 1, return_indices=True)", [X2]),
    ("nn.MaxPool2d(3, 2, ceil_mode=True, return_indices=True)", [("grid", X2)]),
    ("nn.MaxPool2d(2, 1)", [(4, 6, 7)]),
    ("nn.MaxPool3d(2, stride=(1, 2, 1))", [X3]),
    ("nn.MaxPool3d((2, 3, 2), padding=(1, 1, 0), return_indices=True)", [("grid", X3)]),
    ("nn.AvgPool1d(3, 2, 1)", [X1]),
    ("nn.AvgPool1d(2, ceil_mode=True, count_include_pad=False)", [(4, 9)]),
    ("nn.AvgPool2d(2)", [X2]),
    ("nn.AvgPool2d((3, 2), stride=(2, 1), padding=(1, 1), ceil_mode=True)", [X2]),
    ("nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)", [X2]),
    ("nn.AvgPool2d(3, 2, divisor_override=5)", [(4, 6, 7)]),
    ("nn.AvgPool3d((1, 2, 3), padding=(0, 1, 1))", [X3]),
    ("nn.AdaptiveAvgPool1d(4)", [X1]),
    ("nn.AdaptiveAvgPool2d(1)", [X2]),
    ("nn.AdaptiveAvgPool2d((4, None))", [X2]),
    ("nn.AdaptiveAvgPool2d((8, 3))", [(4, 6, 7)]),
    ("nn.AdaptiveAvgPool3d((2, 3, 1))", [X3]),
    # normalisation
    ("nn.BatchNorm1d(4)", [(6, 4)]),
    ("nn.BatchNorm1d(4, momentum=None)", [X1]),
    ("nn.BatchNorm1d(4).eval()", [X1]),
    ("nn.BatchNorm2d(4, eps=0.1, momentum=0.3)", [X2]),
    ("nn.BatchNorm2d(4, affine=False)", [X2]),
    ("nn.BatchNorm2d(4, track_running_stats=False).eval()", [X2]),
    ("nn.BatchNorm2d(4).eval()", [X2]),
    ("nn.BatchNorm3d(2)", [X3]),
    ("F.batch_norm(x, None, None, training=True)", [X2]),
    ("F.batch_norm(x, None, None, w, None, True)", [X2, (4,)]),
    ("nn.BatchNorm2d(4, bias=False)", [X2]),
    ("nn.GroupNorm(2, 4, bias=False)", [X2]),
    ("nn.LayerNorm(7)", [X2]),
    ("nn.LayerNorm((6, 7), eps=0.1, bias=False)", [X2]),
    ("nn.LayerNorm(4, elementwise_affine=False)", [(3, 4)]),
    ("nn.GroupNorm(2, 4)", [X2]),
    ("nn.GroupNorm(4, 4, eps=0.1, affine=False)", [X1]),
    ("nn.GroupNorm(1, 4)", [(3, 4)]),
    ("nn.InstanceNorm1d(4, affine=True)", [X1]),
    ("nn.InstanceNorm2d(4)", [X2]),
    ("nn.InstanceNorm2d(4, eps=0.1, momentum=0.3, affine=True, track_running_stats=True)", [X2]),
    ("nn.InstanceNorm2d(4, track_running_stats=True).eval()", [X2]),
    ("nn.InstanceNorm2d(4, affine=True, bias=False)", [(4, 6, 7)]),
    ("nn.InstanceNorm3d(2, momentum=None, track_running_stats=True)", [X3]),
    ("F.instance_norm(x, weight=w)", [X2, (4,)]),
    ("nn.RMSNorm(7)", [X2]),
    ("nn.RMSNorm((6, 7), eps=0.1)", [X2]),
    ("nn.RMSNorm(4, elementwise_affine=False)", [(3, 4)]),
    ("F.rms_norm(x, (4,), w)", [(3, 4), (4,)]),
    ("nn.LocalResponseNorm(3)", [X1]),
    ("nn.LocalResponseNorm(2, alpha=0.5, beta=0.6, k=2.0)", [X2]),
    ("F.local_response_norm(x, 5, 1.0)", [X3]),
    # activations
    *[
        (f"nn.{name}", [(3, 5)])
        for name in (
            "ReLU()",
            "ReLU6()",
            "LeakyReLU(0.2)",
            "Hardtanh(-0.5, 0.7)",
            "ELU(0.7)",
            "SiLU()",
            "GELU()",
            "GELU(approximate='tanh')",
            "Softplus()",
            "Softplus(2, 1)",
            "CELU(0.5)",
            "SELU()",
            "Mish()",
            "Hardswish()",
            "Softsign()",
            "LogSigmoid()",
            "Tanhshrink()",
            "Hardshrink(0.3)",
            "Softshrink(0.3)",
            "Threshold(0.1, 20)",
            "Tanh()",
            "Sigmoid()",
            "Softmax(dim=1)",
            "LogSoftmax(0)",
        )
    ],  # fmt: skip
    *[
        (f"F.{name}", [("exact", [-np.inf, -800.0, -1.0, -0.0, 0.0, 0.5, 1.0, 6.0, 800.0, np.nan])])
        for name in (
            "relu(x)",
            "relu6(x)",
            "leaky_relu(x)",
            "hardtanh(x)",
            "elu(x)",
            "softplus(x)",
            "softplus(x, 0.5, 300)",
            "sigmoid(x)",
            "tanh(x)",
        )
    ],  # fmt: skip
    ("F.silu(x)", [("exact", [-700.0, -1.0, -0.0, 0.0, 0.5, 800.0, np.nan])]),
    ("F.gelu(x)", [("exact", [-700.0, -1.0, -0.0, 0.0, 0.5, 800.0, np.nan])]),
    ("nn.Flatten()", [X2]),
    ("nn.Flatten(0, 1)", [X2]),
    ("nn.Unflatten(1, (2, -1))", [X2]),
    ("nn.Identity(5, why='not')", [X1]),
    ("nn.Dropout(0.5).eval()", [X1]),
    ("nn.Dropout2d(0.0)", [X2]),
    ("F.one_hot(x, 7)", [("labels", (2, 3), 5)]),
    # losses
    *[
        (f"nn.{name}", [(5, 4), ("labels", (5,), 4)])
        for name in (
            "CrossEntropyLoss()",
            "CrossEntropyLoss(reduction='sum')",
            "CrossEntropyLoss(reduction='none')",
            "CrossEntropyLoss(ignore_index=2)",
            "CrossEntropyLoss(label_smoothing=0.3)",
            "CrossEntropyLoss(label_smoothing=0.3, ignore_index=1, reduction='none')",
            "CrossEntropyLoss(label_smoothing=1.0, ignore_index=1, reduction='sum')",
            "NLLLoss()",
            "NLLLoss(reduction='none', ignore_index=0)",
        )
    ],  # fmt: skip
    *[
        (f"F.cross_entropy(x, w, v, {settings})", [(5, 4), ("labels", (5,), 4), ("constant", (4,))])
        for settings in (
            "",
            "ignore_index=1",
            "label_smoothing=0.2",
            "label_smoothing=0.2, ignore_index=3",
            "reduction='none', label_smoothing=0.2",
            "reduction='sum'",
        )
    ],  # fmt: skip
    ("F.nll_loss(x, w, v, reduction='mean')", [(5, 4, 3), ("labels", (5, 3), 4), ("constant", (4,))]),
    ("F.cross_entropy(x, w, label_smoothing=0.1)", [(2, 4, 3, 2), ("labels", (2, 3, 2), 4)]),
    ("F.cross_entropy(x, w, reduction='none')", [(2, 4, 3), ("labels", (2, 3), 4)]),
    ("F.cross_entropy(x, w)", [(4,), ("labels", (), 4)]),
    ("F.cross_entropy(x, w)", [(5, 4), ("probabilities", (5, 4))]),
    ("F.cross_entropy(x, w, v, label_smoothing=0.2)", [(5, 4, 3), ("probabilities", (5, 4, 3)), ("constant", (4,))]),
    ("F.cross_entropy(x, w, reduction='none')", [(4,), ("probabilities", (4,))]),
    ("F.cross_entropy(x, w, ignore_index=3)", [(2, 4), ("exact", [3, 3])]),
    ("F.cross_entropy(x, w)", [(0, 4), ("labels", (0,), 4)]),
    ("F.cross_entropy(x, w)", [("exact", [[1e4, -1e4], [1e4, -1e4]]), ("exact", [0, 1])]),
    *[
        (f"nn.{name}", [(3, 4), (3, 4)])
        for name in (
            "MSELoss()",
            "MSELoss(reduction='none')",
            "L1Loss()",
            "L1Loss(reduction='sum')",
            "SmoothL1Loss()",
            "SmoothL1Loss(beta=0.3, reduction='sum')",
            "SmoothL1Loss(beta=0)",
            "HuberLoss()",
            "HuberLoss('none', 0.4)",
            "BCEWithLogitsLoss()",
        )
    ],  # fmt: skip
    ("F.huber_loss(x, w, delta=2.0, reduction='none')", [("grid", (9,)), ("grid", (9,))]),
    ("F.smooth_l1_loss(x, w, reduction='none')", [("grid", (9,)), ("grid", (9,))]),
    ("F.l1_loss(x, w)", [("grid", (9,)), ("grid", (9,))]),
    ("F.mse_loss(x, w, weight=v)", [(3, 4), (3, 4), ("constant", (3, 4))]),
    ("nn.BCELoss()", [("probabilities", (3, 4)), ("probabilities", (3, 4))]),
    (
        "F.binary_cross_entropy(x, w, v, reduction='sum')",
        [("probabilities", (3, 4)), ("probabilities", (3, 4)), ("constant", (3, 4))],
    ),
    (
        "F.binary_cross_entropy_with_logits(x, w, v, pos_weight=u)",
        [(3, 4), ("probabilities", (3, 4)), ("constant", (3, 4)), ("constant", (4,))],
    ),
    (
        "F.binary_cross_entropy_with_logits(x, w, reduction='none')",
        [("exact", [-800.0, 800.0, -800.0, 800.0]), ("exact", [0.0, 0.0, 1.0, 1.0])],
    ),
    ("nn.KLDivLoss()", [(3, 4), ("probabilities", (3, 4))]),
    ("nn.KLDivLoss(reduction='batchmean', log_target=True)", [(3, 4), (3, 4)]),
    ("F.kl_div(x, w, reduction='none')", [(4,), ("constant", [0.0, 1.0, 0.5, 0.0])]),
]


def values(row: tuple) -> list[np.ndarray]:
    """The inputs of a row as arrays: the same every time."""
    expression, inputs = row
    generator = np.random.default_rng(zlib.crc32(repr(row).encode()))
    out = []
    for spec in inputs:
        kind = spec[0] if spec and isinstance(spec[0], str) else "normal"
        if kind == "normal":
            out.append(generator.standard_normal(spec))
        elif kind == "labels":
            out.append(generator.integers(0, spec[2], spec[1]))
        elif kind in ("probabilities", "constant") and isinstance(spec[1], tuple):
            out.append(generator.uniform(0.05, 0.95, spec[1]))
        elif kind == "grid":
            out.append(generator.integers(-2, 3, spec[1]).astype(np.float64))
        else:
            out.append(np.array(spec[1]))
    return out


def numbers(library, tensor_of, row: tuple) -> dict[str, np.ndarray]:
    """Result, gradients and buffers of a row, computed by `library` (minitorch or torch)."""
    expression, inputs = row
    tensors = [tensor_of(v) for v in values(row)]
    names = dict(zip("xwvu", tensors, strict=False))
    constant = {name: spec[:1] == ("constant",) for name, spec in zip("xwvu", inputs, strict=False)}
    for name, tensor in names.items():
        if tensor.is_floating_point() and not constant[name]:
            tensor.requires_grad_()
    environment = {"nn": library.nn, "F": library.nn.functional, **names}
    leaves = {name: tensor for name, tensor in names.items() if tensor.requires_grad}
    out = {}
    if expression.startswith("nn."):
        module = eval(expression, environment).double()
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            drawn = np.random.default_rng(zlib.crc32(name.encode())).uniform(0.5, 1.5, tuple(tensor.shape))
            if tensor.is_floating_point():
                with library.no_grad():
                    tensor.copy_(tensor_of(drawn))
        leaves |= {name: p for name, p in module.named_parameters() if p.requires_grad}
        result = module(*tensors)
        out |= {f"buffer {name}": np.array(buffer.numpy()) for name, buffer in module.named_buffers()}
    else:
        result = eval(expression, environment)
    if isinstance(result, tuple):
        result, indices = result
        out["indices"] = np.array(indices.numpy())
    out["result"] = np.array(result.detach().numpy())
    if result.requires_grad:
        g = np.random.default_rng(7).standard_normal(tuple(result.shape))
        result.backward(tensor_of(g))
        for name, leaf in leaves.items():
            if leaf.grad is not None:
                out[f"gradient {name}"] = np.array(leaf.grad.numpy())
    return out


def compare(ours: dict, expected: dict, what: str) -> None:
    """The same names, shapes and dtypes; floats to 1e-9 of the largest, or 1e-12."""
    assert sorted(ours) == sorted(expected), what
    for name, value in expected.items():
        assert ours[name].shape == value.shape and ours[name].dtype == value.dtype, f"{what}: {name}"
        finite = np.abs(value[np.isfinite(value)]) if value.dtype.kind == "f" else value
        scale = float(finite.max()) if finite.size else 1.0
        np.testing.assert_allclose(ours[name], value, rtol=1e-9, atol=1e-9 * scale + 1e-12, err_msg=f"{what}: {name}")


@pytest.fixture(scope="module")
def golden():
    """PyTorch's numbers by row."""
    with np.load(GOLDEN) as stored:
        rows: dict[str, dict] = {}
        for key in stored:
            row, name = key.split(" | ")
            rows.setdefault(row, {})[name] = stored[key]
    return rows


@pytest.mark.parametrize("index", range(len(ROWS)), ids=[expression for expression, _ in ROWS])
def test_values(index, golden):
    """Result, gradients of inputs and parameters, and buffers are PyTorch's."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = numbers(minitorch, lambda v: minitorch.from_numpy(np.array(v)), ROWS[index])
    compare(ours, golden[row_key(index)], ROWS[index][0])


def row_key(index: int) -> str:
    """The name of a row in the file; changes with the row."""
    return f"{index} {zlib.crc32(repr(ROWS[index]).encode()):08x}"


def test_hardsigmoid():
    """By hand: PyTorch rounds the slope of a double to float32."""
    x = minitorch.tensor([-4.0, -1.5, 0.0, 1.5, 4.0], dtype=minitorch.float64, requires_grad=True)
    y = nn.Hardsigmoid()(x)
    y.sum().backward()
    np.testing.assert_allclose(y.detach().numpy(), [0, 0.25, 0.5, 0.75, 1], rtol=1e-15)
    np.testing.assert_allclose(x.grad.numpy(), [0, 1 / 6, 1 / 6, 1 / 6, 0], rtol=1e-15)


def test_binary_cross_entropy_at_the_ends():
    """Loss and slope at probabilities 0 and 1 are finite: the logarithm stops at -100, the slope at 1e12."""
    x = minitorch.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True, dtype=minitorch.float64)
    t = minitorch.tensor([1.0, 0.0, 0.0, 1.0], dtype=minitorch.float64)
    losses = F.binary_cross_entropy(x, t, reduction="none")
    np.testing.assert_array_equal(losses.detach().numpy(), [100, 100, 0, 0])
    losses.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [-1e12, 1e12, 1, -1])


FLOAT32 = [
    ("nn.Conv2d(3, 4, 3)", (2, 3, 6, 6)), ("nn.ConvTranspose2d(3, 4, 3)", (2, 3, 6, 6)), ("nn.Linear(4, 3)", (2, 4)),
    ("nn.BatchNorm2d(3)", (2, 3, 6, 6)), ("nn.BatchNorm2d(3).eval()", (2, 3, 6, 6)), ("nn.LayerNorm(4)", (2, 4)),
    ("nn.InstanceNorm2d(3, affine=True)", (2, 3, 6, 6)), ("nn.RMSNorm(4)", (2, 4)), ("nn.LocalResponseNorm(3)", (2, 4, 3)),
    ("nn.GroupNorm(3, 3)", (2, 3, 6, 6)), ("nn.MaxPool2d(2)", (2, 3, 6, 6)), ("nn.AvgPool2d(2)", (2, 3, 6, 6)),
    ("nn.AdaptiveAvgPool2d(2)", (2, 3, 6, 6)), ("nn.Dropout()", (3, 4)), ("nn.GELU()", (3, 4)),
    ("nn.GELU('tanh')", (3, 4)), ("nn.SiLU()", (3, 4)), ("nn.ELU()", (3, 4)), ("nn.Softplus()", (3, 4)),
    ("nn.LeakyReLU()", (3, 4)), ("nn.Hardtanh()", (3, 4)), ("nn.Softmax(1)", (3, 4)), ("nn.CELU()", (3, 4)),
    ("nn.SELU()", (3, 4)), ("nn.Mish()", (3, 4)), ("nn.Hardswish()", (3, 4)), ("nn.Softshrink()", (3, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "shape"), FLOAT32)
def test_float32_stays(expression, shape):
    """A float32 input gives a float32 result, and float32 gradients of input and parameters."""
    module = eval(expression, {"nn": nn})
    x = minitorch.randn(*shape, requires_grad=True)
    out = module(x)
    out.backward(minitorch.ones_like(out))
    assert {t.dtype for t in (out, x.grad, *(p.grad for p in module.parameters()))} == {minitorch.float32}


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_float32_class_losses(name):
    """Class weights and smoothing keep float32."""
    x = minitorch.randn(3, 4, requires_grad=True)
    settings = {"label_smoothing": 0.1} if name == "cross_entropy" else {}
    loss = getattr(F, name)(x, minitorch.tensor([0, 3, 1]), minitorch.rand(4), **settings)
    loss.backward()
    assert loss.dtype == x.grad.dtype == minitorch.float32


@pytest.mark.parametrize("size", [(4, 3, 2, 2), (16, 32, 32, 32)])
@pytest.mark.parametrize("value", [np.inf, np.nan, 3e38, 0.0])
def test_infinities_are_silent(value, size):
    """A training step that blows up, or divides 0 by 0, warns of nothing: forward, rules and optimizers."""
    net = nn.Sequential(nn.ReLU(), nn.BatchNorm2d(size[1], eps=1e-300), nn.ReLU(), nn.GELU(), nn.Flatten())
    x = minitorch.zeros(*size)
    x[0, :, 0] = value
    x.requires_grad_()
    optimizers = [getattr(minitorch.optim, name)([x], lr=1e30) for name in ("SGD", "Adam", "AdamW")]
    finite = [minitorch.isfinite(t).all().item() for t in (net(x), net[1].running_var)]
    assert not all(finite)
    for _ in range(2):
        for optimizer in optimizers:
            F.cross_entropy(net(x), minitorch.zeros(size[0], dtype=minitorch.int64)).backward()
            optimizer.step()
    net.eval()(x)


SECOND_ORDER = [
    ("nn.Conv2d(2, 2, 2, padding=1)", (1, 2, 3, 3)), ("nn.ConvTranspose1d(2, 2, 2, stride=2)", (1, 2, 3)),
    ("nn.Linear(3, 2)", (2, 3)), ("nn.BatchNorm1d(2)", (4, 2)), ("nn.LayerNorm(3)", (2, 3)),
    ("nn.MaxPool1d(2)", (1, 2, 4)),
    ("nn.AvgPool2d(2, 1, 1)", (1, 1, 3, 3)), ("nn.GELU()", (3,)), ("nn.ELU()", (3,)), ("nn.Softplus()", (3,)),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "shape"), SECOND_ORDER)
def test_second_order(expression, shape):
    """Layers can be differentiated twice, in their input and their parameters."""
    minitorch.manual_seed(3)
    module = eval(expression, {"nn": nn}).double()
    parameters = list(module.parameters())
    x = minitorch.randn(*shape, dtype=minitorch.float64, requires_grad=True)
    assert minitorch.autograd.gradgradcheck(lambda x, *_: module(x).tanh(), (x, *parameters))


# ------------------------------------------------------------------------------------------------------------ errors

E3, E4 = minitorch.ones(1, 3, 8, 8), minitorch.ones(2, 4, 3, 3)


def conv2d(x=(1, 3, 8, 8), w=(2, 3, 3, 3), b=None, **settings):
    """F.conv2d of ones."""
    return F.conv2d(minitorch.ones(*x), minitorch.ones(*w), None if b is None else minitorch.ones(*b), **settings)


def labels(*values, dtype=None):
    """An int64 tensor."""
    return minitorch.tensor(list(values), dtype=dtype or minitorch.int64)


ones = minitorch.ones
ERRORS = [
    (
        lambda: conv2d(w=(2, 4, 3, 3)),
        RuntimeError,
        "conv2d: `weight` expects 4 input channels but `input` has 3; input (1, 3, 8, 8), weight (2, 4, 3, 3)",
    ),
    (
        lambda: conv2d((8, 12, 32, 32), (32, 4, 3, 3), groups=4),
        RuntimeError,
        "16 input channels (groups=4 x 4) but `input` has 12",
    ),
    (
        lambda: conv2d(w=(2, 3, 9, 9)),
        RuntimeError,
        "Kernel size can't be greater than actual input size; input (1, 3, 8, 8), weight (2, 3, 9, 9)",
    ),
    (
        lambda: conv2d((1, 1, 3, 8, 8)),
        RuntimeError,
        "conv2d: expected `input` of 4 dimensions (N, C, *size), or 3 without the batch, but got 5",
    ),
    (lambda: conv2d(stride=0), RuntimeError, "conv2d: non-positive stride is not supported"),
    (lambda: conv2d(padding=-1), RuntimeError, "conv2d: negative padding is not supported"),
    (lambda: conv2d(dilation=0), RuntimeError, "`dilation` should be greater than zero, but got [0, 0]"),
    (lambda: conv2d(groups=0), RuntimeError, "`groups` should be greater than zero, but got 0"),
    (lambda: conv2d(padding=2**31), RuntimeError, "pixels per channel, more than the"),
    (lambda: conv2d(dilation=2**62), RuntimeError, "Kernel size can't be greater than actual input size"),
    (lambda: conv2d(stride=(1, 2, 3)), RuntimeError, "`stride` must be an int or a tuple of 2 ints, but got (1, 2, 3)"),
    (lambda: conv2d(stride=1.5), TypeError, "conv2d: `stride` must be an int or a tuple of ints, but got 1.5"),
    (lambda: conv2d(padding="foo"), RuntimeError, "invalid padding string 'foo'"),
    (
        lambda: conv2d((1, 3, 8, 8), (4, 1, 3, 3), groups=3),
        RuntimeError,
        "expected `weight` to be divisible by 3 at dimension 0",
    ),
    (lambda: conv2d(b=(3,)), RuntimeError, "`bias` must have shape (2,), one entry per output channel, but has (3,)"),
    (lambda: conv2d(w=(2, 3, 3)), RuntimeError, "`weight` must have 4 dimensions, but has 3"),
    (lambda: F.conv2d(np.ones((1, 3, 8, 8)), E4), TypeError, "conv2d: `input` must be a Tensor, but got ndarray"),
    (lambda: F.conv2d(E3, None), TypeError, "conv2d: `weight` must be a Tensor, but got NoneType"),
    (
        lambda: F.conv2d(E3.double(), ones(2, 3, 3, 3)),
        RuntimeError,
        "`input` and `weight` must have the same floating dtype, but got input minitorch.float64, weight "
        "minitorch.float32",
    ),
    (lambda: F.conv2d(E3.long(), ones(2, 3, 3, 3)), RuntimeError, "same floating dtype"),
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible by groups"),
    (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "out_channels must be divisible by groups"),
    (lambda: nn.Conv2d(4, 4, 3, groups=0), ValueError, "groups must be a positive integer"),
    (lambda: nn.Conv2d(3, 4, 3, padding="foo"), ValueError, "Invalid padding string 'foo'"),
    (lambda: nn.Conv2d(3, 4, 3, padding_mode="foo"), ValueError, "padding_mode must be one of"),
    (
        lambda: nn.Conv2d(3, 4, 3, padding=8, padding_mode="reflect")(E3),
        RuntimeError,
        "Padding size should be less than the corresponding input dimension",
    ),
    (
        lambda: nn.ConvTranspose2d(3, 4, 3, stride=2, output_padding=2)(E3),
        RuntimeError,
        "output padding must be smaller than either stride or dilation",
    ),
    (
        lambda: nn.ConvTranspose2d(3, 4, 3, stride=2)(E3, output_size=(19, 19)),
        ValueError,
        "valid sizes range from [17, 17] to [18, 18]",
    ),
    (lambda: nn.ConvTranspose2d(3, 4, 3)(E3, output_size=(10,)), ValueError, "output_size must have 2 or 4 elements"),
    (
        lambda: F.conv_transpose2d(E3, ones(4, 2, 3, 3)),
        RuntimeError,
        "conv_transpose2d: `weight` expects 4 input channels but `input` has 3",
    ),
    (lambda: F.conv_transpose2d(E3, ones(3, 2, 3, 3), padding=20), RuntimeError, "calculated output size"),
    (lambda: F.pad(ones(3), (-5, 0)), RuntimeError, "pad: a length would be negative"),
    (lambda: F.pad(ones(3), (2**62, 0)), RuntimeError, "more than 2147483647 elements"),
    (lambda: F.pad(ones(3), (1, 2, 3)), RuntimeError, "pad: `pad` needs a (before, after) pair"),
    (lambda: F.pad(ones(1, 3), (3, 0), mode="reflect"), RuntimeError, "(3, 0) at dimension 1 of input (1, 3)"),
    (lambda: F.pad(ones(1, 3), (1, 0), mode="foo"), NotImplementedError, "unrecognised padding mode 'foo'"),
    (
        lambda: F.linear(ones(3, 5), ones(2, 4)),
        RuntimeError,
        "linear: `weight` must be (out_features, in_features) and expects 4 input features, but `input` has 5; input "
        "(3, 5), weight (2, 4)",
    ),
    (
        lambda: F.linear(ones(3, 4), ones(2, 4), ones(3)),
        RuntimeError,
        "linear: `bias` must have shape (2,), but has (3,)",
    ),
    (lambda: nn.Linear(3, 2)(ones(2, 3, dtype=minitorch.int64)), RuntimeError, "must have the same floating dtype"),
    (lambda: nn.Linear(-1, 2), RuntimeError, "negative dimension -1: [2, -1]"),
    (lambda: nn.Linear(2.5, 2), TypeError, "expected a shape of ints"),
    (lambda: F.embedding(labels(-1), ones(3, 2)), IndexError, "index out of range in self"),
    (lambda: F.embedding(ones(2), ones(3, 2)), RuntimeError, "`input` must be int64 or int32"),
    (lambda: F.one_hot(labels(5), 3), RuntimeError, "Class values must be smaller than num_classes"),
    (
        lambda: F.max_pool2d(ones(1, 1, 2, 2), 3),
        RuntimeError,
        "max_pool2d: given input size (2 x 2), kernel size (3 x 3)",
    ),
    (
        lambda: F.max_pool2d(ones(1, 1, 4, 4), 2, padding=2),
        RuntimeError,
        "pad should be at most half of effective kernel size",
    ),
    (lambda: F.max_pool2d(ones(1, 1, 4, 4), 0), RuntimeError, "should be greater than zero"),
    (lambda: F.max_pool2d(ones(1, 1, 4, 4), 2, stride=2.0), TypeError, "max_pool2d: `stride` must be an int"),
    (lambda: F.max_pool2d(ones(4, 4), 2), RuntimeError, "max_pool2d: expected `input` of 4 dimensions"),
    (lambda: F.avg_pool2d(ones(1, 1, 4, 4), 2, padding=2), RuntimeError, "avg_pool2d: pad should be at most half"),
    (
        lambda: F.avg_pool2d(ones(1, 1, 4, 4), 2, divisor_override=0),
        RuntimeError,
        "`divisor_override` must not be zero",
    ),
    (lambda: F.avg_pool2d(ones(1, 1, 4, 4), 2**31 + 1), RuntimeError, "without overflow"),
    (
        lambda: F.adaptive_avg_pool2d(ones(1, 1, 4, 4), -1),
        RuntimeError,
        "greater than or equal to 0 but received (-1, -1)",
    ),
    (
        lambda: F.adaptive_avg_pool2d(ones(4, 4), 1),
        RuntimeError,
        "adaptive_avg_pool2d: expected `input` of 4 dimensions",
    ),
    (lambda: nn.BatchNorm2d(3)(ones(2, 3)), ValueError, "expected 4D input (got 2D input)"),
    (
        lambda: nn.BatchNorm1d(3)(ones(1, 3)),
        ValueError,
        "Expected more than 1 value per channel when training, got input size (1, 3)",
    ),
    (
        lambda: F.batch_norm(ones(2, 3), ones(2), ones(2)),
        RuntimeError,
        "`running_mean` should contain 3 elements, one per channel, not 2",
    ),
    (
        lambda: F.batch_norm(ones(2, 3), None, None),
        RuntimeError,
        "Expected `running_mean` to be defined when training=False",
    ),
    (
        lambda: F.layer_norm(ones(2, 3), (4,)),
        RuntimeError,
        "given normalized_shape=[4], expected `input` with shape [*, 4], but got (2, 3)",
    ),
    (lambda: F.group_norm(ones(1, 2), 2), ValueError, "Expected more than 1 value per channel"),
    (lambda: F.batch_norm(ones(2, 3), None, None, ones(3).double(), None, True), RuntimeError, "same floating dtype"),
    (lambda: F.pad(ones(3), (-5, 4)), RuntimeError, "pad: a length would be negative"),
    (
        lambda: F.group_norm(ones(2, 3, 4), 2),
        RuntimeError,
        "to be divisible by num_groups, but got input (2, 3, 4) and num_groups=2",
    ),
    (lambda: nn.InstanceNorm2d(3)(ones(3, 5)), ValueError, "expected 3D or 4D input (got 2D input)"),
    (
        lambda: nn.InstanceNorm2d(3, affine=True)(ones(2, 4, 5, 5)),
        ValueError,
        "expected input's size at dim=1 to match num_features (3), but got: 4.",
    ),
    (lambda: nn.InstanceNorm2d(3)(ones(2, 3, 1, 1)), ValueError, "Expected more than 1 spatial element when training"),
    (lambda: F.instance_norm(ones(2, 3)), ValueError, "Expected more than 1 spatial element when training"),
    (
        lambda: F.instance_norm(ones(2, 3, 4), use_input_stats=False),
        RuntimeError,
        "Expected running_mean and running_var to be defined when use_input_stats is false",
    ),
    (
        lambda: F.instance_norm(ones(2, 3, 4), weight=ones(2)),
        RuntimeError,
        "`weight` must have shape (3,), but has (2,)",
    ),
    (lambda: F.rms_norm(ones(2, 3), (4,)), RuntimeError, "expected `input` with shape [*, 4], but got (2, 3)"),
    (lambda: F.rms_norm(ones(2, 3), (3,), ones(2)), RuntimeError, "`weight` must have shape (3,), but has (2,)"),
    (lambda: F.local_response_norm(ones(2, 3), 2), ValueError, "Expected 3D or higher dimensionality input (got 2"),
    (lambda: F.local_response_norm(ones(2, 3, 4), 0), RuntimeError, "`size` should be greater than zero, but got 0"),
    (lambda: nn.GroupNorm(2, 3), ValueError, "num_channels (3) must be divisible by num_groups (2)"),
    (lambda: nn.Dropout(1.5), ValueError, "dropout probability has to be between 0 and 1, but got 1.5"),
    (lambda: F.dropout(ones(2), p=-0.1), ValueError, "dropout probability has to be between 0 and 1, but got -0.1"),
    (lambda: nn.Hardtanh(1, 0), ValueError, "max_val must be larger than min_val"),
    (lambda: F.gelu(ones(2), "foo"), RuntimeError, "approximate must be 'none' or 'tanh'"),
    (lambda: F.cross_entropy(ones(2, 3), labels(0, -1)), IndexError, "Target -1 is out of bounds"),
    (lambda: F.cross_entropy(ones(2, 10), labels(0, 10)), IndexError, "Target 10 is out of bounds"),
    (lambda: F.nll_loss(ones(1, 3), labels(2**40)), IndexError, "Target 1099511627776 is out of bounds"),
    (
        lambda: F.cross_entropy(ones(2, 3), labels(0)),
        ValueError,
        "Expected input batch_size (2) to match target batch_size (1)",
    ),
    (
        lambda: F.cross_entropy(ones(2, 3, 4), ones(2, 5, dtype=minitorch.int64)),
        RuntimeError,
        "`target` must have shape (2, 4), but has (2, 5)",
    ),
    (
        lambda: F.cross_entropy(ones(1, 3), labels(0, dtype=minitorch.int32)),
        RuntimeError,
        "expected `target` dtype to be int64 or uint8, but got minitorch.int32",
    ),
    (
        lambda: F.cross_entropy(ones(2, 3), labels(0, 1), label_smoothing=2),
        RuntimeError,
        "label_smoothing must be between 0.0 and 1.0. Got: 2",
    ),
    (
        lambda: F.cross_entropy(ones(2, 3), labels(0, 1), reduction="foo"),
        ValueError,
        "foo is not a valid value for reduction",
    ),
    (
        lambda: F.cross_entropy(ones(2, 3), labels(0, 1), ones(4)),
        RuntimeError,
        "`weight` must have one entry for each of the 3 classes",
    ),
    (
        lambda: F.cross_entropy(ones(2, 3), ones(2, 3), ignore_index=1),
        RuntimeError,
        "ignore_index=1 is not supported for floating point target",
    ),
    (
        lambda: F.nll_loss(ones(3), labels(0, 1)),
        ValueError,
        "for 1D input, `target` must be a scalar or of size 1, but has shape (2,)",
    ),
    (
        lambda: F.binary_cross_entropy(ones(2) * 2, ones(2)),
        RuntimeError,
        "all elements of input should be between 0 and 1",
    ),
    (
        lambda: F.binary_cross_entropy(ones(2), ones(3)),
        ValueError,
        "`target` size (3,) must be the same as `input` size (2,)",
    ),
    (lambda: F.binary_cross_entropy_with_logits(ones(2), ones(3)), ValueError, "`target` size (3,) must be the same"),
    (lambda: F.smooth_l1_loss(ones(2), ones(2), beta=-1), RuntimeError, "does not support negative values for beta"),
    (lambda: F.huber_loss(ones(2), ones(2), delta=0), RuntimeError, "does not support non-positive values for delta"),
    (lambda: nn.Unflatten("a", (1, 2)), TypeError, "`dim` must be an int"),
    (lambda: nn.Sequential(1), TypeError, "int is not a Module subclass"),
    (lambda: nn.Sequential()[0], IndexError, "index 0 is out of range"),
    (lambda: nn.ModuleList(3), TypeError, "ModuleList.extend should be called with an iterable, but got int"),
    (lambda: nn.ModuleDict([("a", nn.ReLU(), 1)]), ValueError, "element #0 has length 3; 2 is required"),
    (lambda: nn.ParameterDict({1: ones(1)}), TypeError, "not a string"),
    (lambda: nn.Parameter([1.0]), TypeError, "`data` must be a Tensor, but got list"),
    (lambda: nn.Parameter(labels(1)), RuntimeError, "floating point"),
    (lambda: nn.Module()(1), NotImplementedError, 'Module [Module] is missing the required "forward" function'),
    (lambda: nn.Linear(1, 1).train(1), ValueError, "training mode is expected to be boolean"),
    (lambda: nn.Linear(1, 1).to(minitorch.int64), TypeError, "only accepts floating point dtypes"),
    (lambda: nn.Linear(1, 1).to("cuda"), NoDeviceError, "cuda"),
    (lambda: nn.Linear(1, 1).get_submodule("a.b"), AttributeError, "Linear has no attribute `a`"),
    (lambda: nn.Linear(1, 1).get_parameter("in_features"), AttributeError, "`in_features` is not an nn.Parameter"),
    (lambda: nn.Linear(1, 1).nothing, AttributeError, "'Linear' object has no attribute 'nothing'"),
    (
        lambda: nn.Linear(1, 1).load_state_dict([1]),
        TypeError,
        "Expected state_dict to be dict-like, got <class 'list'>.",
    ),
    (
        lambda: setattr(nn.Linear(1, 1), "weight", ones(1, 1)),
        TypeError,
        "cannot assign 'minitorch.Tensor' as parameter 'weight' (minitorch.nn.Parameter or None expected)",
    ),
    (lambda: setattr(nn.Sequential(nn.ReLU()), "0", 1), TypeError, "cannot assign 'int' as child module '0'"),
    (lambda: setattr(nn.BatchNorm1d(1), "running_mean", 1), TypeError, "cannot assign 'int' as buffer 'running_mean'"),
    (lambda: nn.Module().register_buffer("x", 1), TypeError, "cannot assign 'int' object to buffer 'x'"),
    (
        lambda: nn.Module().register_parameter("x", ones(1)),
        TypeError,
        "cannot assign 'minitorch.Tensor' object to parameter 'x'",
    ),
    (lambda: nn.Module().register_parameter("x.y", None), KeyError, 'can\'t contain "."'),
    (lambda: nn.Module().register_parameter("", None), KeyError, "can't be empty string"),
    (lambda: nn.Module().register_buffer(3, None), TypeError, "buffer name should be a string. Got int"),
    (lambda: nn.Linear(1, 1).register_buffer("weight", None), KeyError, "attribute 'weight' already exists"),
    (lambda: nn.Module().add_module("forward", nn.ReLU()), KeyError, "attribute 'forward' already exists"),
]


@pytest.mark.parametrize(
    ("call", "kind", "message"), ERRORS, ids=[f"{i}-{m[:40]}" for i, (_, _, m) in enumerate(ERRORS)]
)
def test_errors(call, kind, message):
    """A wrong call raises PyTorch's class, and says what was needed and what came."""
    with pytest.raises(Exception) as caught:
        call()
    assert type(caught.value) is kind, repr(caught.value)
    assert message in str(caught.value.args[0])


def test_mse_loss_warns_of_broadcasting():
    """A target that only broadcasts to the input warns; one that does not raises."""
    with pytest.warns(UserWarning, match="different to the `input` size"):
        F.mse_loss(ones(3, 1), ones(3))
    with pytest.warns(UserWarning), pytest.raises(RuntimeError, match="must match the size of tensor b"):
        F.mse_loss(ones(2), ones(3))


def test_float_settings_are_refused_after_ints():
    """The cache of plans does not take 2.0 for the 2 it has seen."""
    F.max_pool2d(ones(1, 1, 4, 4), 2)
    with pytest.raises(TypeError):
        F.max_pool2d(ones(1, 1, 4, 4), 2.0)
    F.max_pool2d(ones(1, 1, 4, 4), (2, 2))
    with pytest.raises(TypeError):
        F.max_pool2d(ones(1, 1, 4, 4), (2.0, 2.0))


def test_older_reduction_flags():
    """size_average and reduce still mean what they meant."""
    x, t = ones(4), minitorch.zeros(4)
    assert F.mse_loss(x, t, size_average=False).item() == 4
    assert F.mse_loss(x, t, reduce=False).shape == (4,)
    assert nn.MSELoss(True).reduction == "mean"


def test_softmax_without_dim_warns():
    """The axis that PyTorch would choose is chosen, with its warning."""
    with pytest.warns(UserWarning, match="Implicit dimension choice"):
        out = F.softmax(minitorch.randn(2, 3))
    np.testing.assert_allclose(out.sum(1).numpy(), 1, rtol=1e-6)


# ------------------------------------------------------------------------------------------------------- text and keys

REPRS = [
    ("Conv2d(3, 8, 3)", "Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))"),
    (
        "Conv2d(4, 8, (3, 2), 2, 1, 2, groups=2, bias=False, padding_mode='reflect')",
        "Conv2d(4, 8, kernel_size=(3, 2), stride=(2, 2), padding=(1, 1), dilation=(2, 2), groups=2, bias=False, "
        "padding_mode=reflect)",
    ),
    ("Conv1d(3, 8, 3, padding='same')", "Conv1d(3, 8, kernel_size=(3,), stride=(1,), padding=same)"),
    (
        "ConvTranspose3d(2, 2, 2, 2, output_padding=1)",
        "ConvTranspose3d(2, 2, kernel_size=(2, 2, 2), stride=(2, 2, 2), output_padding=(1, 1, 1))",
    ),
    ("Linear(3, 2, bias=False)", "Linear(in_features=3, out_features=2, bias=False)"),
    ("Identity()", "Identity()"),
    ("Embedding(5, 3, padding_idx=-1)", "Embedding(5, 3, padding_idx=4)"),
    ("BatchNorm2d(8)", "BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)"),
    ("LayerNorm((2, 3))", "LayerNorm((2, 3), eps=1e-05, elementwise_affine=True, bias=True)"),
    ("GroupNorm(2, 4)", "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)"),
    (
        "InstanceNorm1d(8)",
        "InstanceNorm1d(8, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)",
    ),
    ("RMSNorm((2, 3))", "RMSNorm((2, 3), eps=None, elementwise_affine=True)"),
    ("LocalResponseNorm(3)", "LocalResponseNorm(3, alpha=0.0001, beta=0.75, k=1.0)"),
    ("MaxPool2d(2)", "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"),
    ("AvgPool2d((2, 3), 1)", "AvgPool2d(kernel_size=(2, 3), stride=1, padding=0)"),
    ("AvgPool1d(2)", "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))"),
    ("AdaptiveAvgPool2d((1, None))", "AdaptiveAvgPool2d(output_size=(1, None))"),
    ("ReLU()", "ReLU()"),
    ("ReLU(inplace=True)", "ReLU(inplace=True)"),
    ("ReLU6()", "ReLU6()"),
    ("LeakyReLU(0.2, True)", "LeakyReLU(negative_slope=0.2, inplace=True)"),
    ("Hardtanh(-2, 2)", "Hardtanh(min_val=-2, max_val=2)"),
    ("ELU()", "ELU(alpha=1.0)"),
    ("GELU('tanh')", "GELU(approximate='tanh')"),
    ("Softplus()", "Softplus(beta=1.0, threshold=20.0)"),
    ("CELU(0.3, True)", "CELU(alpha=0.3, inplace=True)"),
    ("SELU()", "SELU()"),
    ("Mish(True)", "Mish(inplace=True)"),
    ("Hardswish(True)", "Hardswish()"),
    ("Hardsigmoid()", "Hardsigmoid()"),
    ("Softsign()", "Softsign()"),
    ("Hardshrink()", "Hardshrink(0.5)"),
    ("Softshrink(0.3)", "Softshrink(0.3)"),
    ("Threshold(0.1, 20)", "Threshold(threshold=0.1, value=20)"),
    ("Softmax(dim=1)", "Softmax(dim=1)"),
    ("Dropout2d(0.2)", "Dropout2d(p=0.2, inplace=False)"),
    ("Flatten()", "Flatten(start_dim=1, end_dim=-1)"),
    ("Unflatten(1, (2, 3))", "Unflatten(dim=1, unflattened_size=(2, 3))"),
    ("CrossEntropyLoss()", "CrossEntropyLoss()"),
    ("Sequential()", "Sequential()"),
    (
        "Sequential(ReLU(), Sequential(ReLU()))",
        "Sequential(\n  (0): ReLU()\n  (1): Sequential(\n    (0): ReLU()\n  )\n)",
    ),
    (
        "ModuleList([ReLU(), ReLU(), Linear(1, 2)])",
        "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Linear(in_features=1, out_features=2, bias=True)\n)",
    ),
    ("ModuleList()", "ModuleList()"),
    ("ModuleDict({'a': ReLU()})", "ModuleDict(\n  (a): ReLU()\n)"),
]


@pytest.mark.parametrize(("expression", "text"), REPRS)
def test_repr(expression, text):
    """Layers print as PyTorch's do."""
    assert repr(eval(expression, vars(nn))) == text


def test_parameter_repr():
    """A parameter says what it is; lists of them say sizes."""
    p = nn.Parameter(ones(2))
    assert repr(p) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert repr(nn.ParameterList([p])) == "ParameterList(  (0): Parameter containing: [minitorch.float32 of size 2])"


KEYS = [
    ("Linear(2, 3)", {"weight": (3, 2), "bias": (3,)}),
    ("Linear(2, 3, bias=False)", {"weight": (3, 2)}),
    ("Conv2d(4, 6, (3, 2), groups=2)", {"weight": (6, 2, 3, 2), "bias": (6,)}),
    ("ConvTranspose2d(4, 6, (3, 2), groups=2)", {"weight": (4, 3, 3, 2), "bias": (6,)}),
    (
        "BatchNorm1d(2)",
        {"weight": (2,), "bias": (2,), "running_mean": (2,), "running_var": (2,), "num_batches_tracked": ()},
    ),
    ("BatchNorm1d(2, affine=False)", {"running_mean": (2,), "running_var": (2,), "num_batches_tracked": ()}),
    ("BatchNorm1d(2, track_running_stats=False)", {"weight": (2,), "bias": (2,)}),
    ("LayerNorm((2, 3), bias=False)", {"weight": (2, 3)}),
    ("GroupNorm(2, 4, bias=False)", {"weight": (4,)}),
    ("GroupNorm(2, 4)", {"weight": (4,), "bias": (4,)}),
    ("RMSNorm((2, 3))", {"weight": (2, 3)}),
    ("InstanceNorm2d(3)", {}),
    (
        "InstanceNorm3d(3, affine=True, track_running_stats=True)",
        {"weight": (3,), "bias": (3,), "running_mean": (3,), "running_var": (3,), "num_batches_tracked": ()},
    ),
    ("Embedding(5, 3)", {"weight": (5, 3)}),
    ("Sequential(Linear(1, 1, False), ReLU(), Linear(1, 1))", {"0.weight": (1, 1), "2.weight": (1, 1), "2.bias": (1,)}),
    ("ModuleDict({'a': ModuleList([Linear(1, 1)])})", {"a.0.weight": (1, 1), "a.0.bias": (1,)}),
    ("CrossEntropyLoss()", {}),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "shapes"), KEYS)
def test_state_dict_keys(expression, shapes):
    """The names in a state dict, their order and shapes are PyTorch's; tensors are detached and share memory."""
    module = eval(expression, vars(nn))
    state = module.state_dict()
    assert type(state) is OrderedDict
    assert {key: tuple(value.shape) for key, value in state.items()} == shapes and list(state) == list(shapes)
    assert not any(value.requires_grad for value in state.values())
    for name, p in module.named_parameters():
        assert state[name].array is p.array and module.state_dict(keep_vars=True)[name] is p


def test_state_dict_options():
    """A prefix goes before every name; a given dict is filled; what is not persistent is left out."""
    module = nn.Module()
    module.register_buffer("a", ones(1))
    module.register_buffer("b", ones(1), persistent=False)
    module.register_buffer("c", None)
    destination = {"x": 1}
    assert module.state_dict(destination=destination, prefix="m.") is destination
    assert list(destination) == ["x", "m.a"]


# --------------------------------------------------------------------------------------------------------------- Module


class Net(nn.Module):
    """A model with everything: a shared layer, a buffer, a parameter of its own, nothing under one name."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU())
        self.head = nn.Linear(4, 2)
        self.again = self.head
        self.scale = nn.Parameter(minitorch.tensor([2.0]))
        self.register_buffer("offset", minitorch.zeros(2))
        self.register_parameter("absent", None)

    def forward(self, x):
        return self.head(self.body(x)) * self.scale + self.offset


NET_PARAMETERS = ["scale", "body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias", "head.weight", "head.bias"]


def test_walks():
    """Parameters, buffers and modules by name: each once, shared ones under their first name unless asked otherwise."""
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NET_PARAMETERS
    assert [name for name, _ in net.named_parameters(remove_duplicate=False)][-2:] == ["again.weight", "again.bias"]
    assert [name for name, _ in net.named_parameters(prefix="p", recurse=False)] == ["p.scale"]
    assert len(list(net.parameters())) == 7
    assert [name for name, _ in net.named_buffers()][:2] == ["offset", "body.1.running_mean"]
    assert len(list(net.buffers())) == 4
    assert [name for name, _ in net.named_modules()] == ["", "body", "body.0", "body.1", "body.2", "head"]
    assert [name for name, _ in net.named_children()] == ["body", "head"]
    assert list(net.children()) == [net.body, net.head] and next(iter(net.modules())) is net
    assert net.get_submodule("body.1") is net.body[1] and net.get_submodule("") is net
    assert net.get_parameter("body.0.weight") is net.body[0].weight
    assert net.get_buffer("body.1.running_var") is net.body[1].running_var
    assert "head" in dir(net) and "offset" in dir(net) and "scale" in dir(net)


def test_attributes():
    """Assigning sorts by kind, frees the name, and deleting forgets."""
    net = Net()
    assert net.absent is None
    net.absent = nn.Parameter(ones(1))
    assert "absent" in dict(net.named_parameters())
    net.absent = None
    assert "absent" not in dict(net.named_parameters())
    net.plain = 3
    net.plain = nn.ReLU()
    assert "plain" not in vars(net) and "plain" in dict(net.named_children())
    net.plain = nn.Parameter(ones(1))
    assert "plain" not in dict(net.named_children())
    net.offset = ones(2)
    assert net.get_buffer("offset") is net.offset
    del net.plain, net.offset, net.head
    for name in ("plain", "offset", "head"):
        assert not hasattr(net, name)
    with pytest.raises(AttributeError):
        del net.nothing


@pytest.mark.parametrize(
    ("value", "message"),
    [(lambda: nn.Parameter(ones(1)), "cannot assign parameters"), (nn.ReLU, "cannot assign module")],
)
def test_assigning_before_init(value, message):
    """Parameters and modules assigned before super().__init__() are refused; plain attributes are not."""

    class Late(nn.Module):
        def __init__(self):
            self.fine = 1
            self.x = value()

    with pytest.raises(AttributeError, match=message):
        Late()


def test_modes_and_apply():
    """train, eval, requires_grad_, apply and zero_grad reach everything and return the module."""
    net = Net()
    assert net.eval() is net and not any(m.training for m in net.modules())
    assert net.train() is net and all(m.training for m in net.modules())
    assert net.requires_grad_(False) is net and not any(p.requires_grad for p in net.parameters())
    net.requires_grad_()
    seen = []
    assert net.apply(seen.append) is net
    assert seen[-1] is net and seen[-2] is net.head and len(seen) == 6
    net(minitorch.randn(5, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all((p.grad.numpy() == 0).all() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_casts_keep_identity():
    """double() casts parameters where they are, with their gradients; integer buffers stay."""
    net = Net()
    net(minitorch.randn(5, 3)).sum().backward()
    before = list(net.parameters())
    assert net.double() is net
    assert all(p is q for p, q in zip(before, net.parameters(), strict=True))
    assert {p.dtype for p in before} | {p.grad.dtype for p in before} == {minitorch.float64}
    assert net.body[1].num_batches_tracked.dtype is minitorch.int64 and net.offset.dtype is minitorch.float64
    net.zero_grad()
    net(minitorch.randn(5, 3, dtype=minitorch.float64)).sum().backward()
    assert net.to("cpu").to(device="cpu").cpu().to(ones(1)).head.weight.dtype is minitorch.float32
    assert net.to("cpu", minitorch.float64).float().head.weight.dtype is minitorch.float32


def test_copies():
    """deepcopy and pickle give an equal, independent model with the same sharing."""
    net = Net()
    x = minitorch.randn(4, 3)
    net.eval()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.again is other.head and type(other.scale) is nn.Parameter and not other.training
        np.testing.assert_array_equal(other(x).detach().numpy(), net(x).detach().numpy())
        other.head.weight.array[...] = 0
        assert net.head.weight.array.any()


def test_memory_is_freed_without_the_collector():
    """A model and a step of training leave no cycle behind."""
    gc.disable()
    try:
        net = Net()
        seen = [weakref.ref(m) for m in net.modules()]
        out = net(minitorch.randn(4, 3))
        out.sum().backward()
        seen.append(weakref.ref(out))
        del net, out
        assert not any(ref() for ref in seen)
    finally:
        gc.enable()


# ------------------------------------------------------------------------------------------------------ load_state_dict


def snapshot(module):
    """Copies of everything in the state dict."""
    return {key: np.array(value.numpy()) for key, value in module.state_dict().items()}


def test_load_round_trip():
    """What one model saves, another loads, as tensors or as arrays; casts on the way."""
    source, target = Net(), Net()
    source(minitorch.randn(8, 3))
    result = target.load_state_dict(source.state_dict())
    assert repr(result) == "<All keys matched successfully>" and result == ([], [])
    for key, value in snapshot(source).items():
        np.testing.assert_array_equal(target.state_dict()[key].numpy(), value)
    target = Net().double()
    target.load_state_dict(snapshot(source))
    assert target.head.weight.dtype is minitorch.float64
    np.testing.assert_array_equal(target.head.weight.detach().numpy(), source.head.weight.detach().numpy())


def test_load_not_strict():
    """strict=False takes what fits by name and reports the rest."""
    net = Net()
    result = net.load_state_dict({"scale": minitorch.tensor([7.0]), "new": ones(1)}, strict=False)
    assert net.scale.item() == 7
    assert "offset" in result.missing_keys and result.unexpected_keys == ["new"]


def test_load_assign():
    """assign=True takes the tensors themselves, with the old parameter's requires_grad."""
    net = nn.Linear(2, 2)
    net.bias.requires_grad_(False)
    state = {"weight": minitorch.randn(2, 2, dtype=minitorch.float64), "bias": minitorch.randn(2)}
    net.load_state_dict(state, assign=True)
    assert net.weight.array is state["weight"].array and type(net.weight) is nn.Parameter
    assert net.weight.requires_grad and not net.bias.requires_grad


FAILURES = [
    ({}, 'Error(s) in loading state_dict for Linear:\n\tMissing key(s) in state_dict: "weight", "bias". '),
    (
        {"weight": ones(2, 2), "bias": ones(3), "more": ones(1), "most": ones(1)},
        'Error(s) in loading state_dict for Linear:\n\tUnexpected key(s) in state_dict: "more", "most". \n\tsize '
        "mismatch for weight: copying a param with shape minitorch.Size([2, 2]) from checkpoint, the shape in "
        "current model is minitorch.Size([3, 2]).",
    ),
    (
        {"bias": ones(3), "weight": [[1.0, 2.0]]},
        'Error(s) in loading state_dict for Linear:\n\tWhile copying the parameter named "weight", expected a Tensor '
        "or array from checkpoint but received <class 'list'>",
    ),
]


@pytest.mark.parametrize(("state", "message"), FAILURES)
@pytest.mark.parametrize("assign", [False, True])
def test_load_failure_changes_nothing(state, message, assign):
    """Every problem is named in one error, and until then nothing was copied."""
    module = nn.Linear(2, 3)
    before, parameters = snapshot(module), list(module.parameters())
    with pytest.raises(RuntimeError) as caught:
        module.load_state_dict(state, assign=assign)
    assert str(caught.value) == message
    for key, value in snapshot(module).items():
        np.testing.assert_array_equal(value, before[key])
    assert all(p is q for p, q in zip(parameters, module.parameters(), strict=True))


def test_load_into_read_only_memory():
    """A parameter that can't be written is a problem like any other: found first, nothing copied."""
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[1].bias.array.flags.writeable = False
    before = snapshot(module)
    with pytest.raises(RuntimeError, match="read-only"):
        module.load_state_dict({key: value + 1 for key, value in before.items()})
    for key, value in snapshot(module).items():
        np.testing.assert_array_equal(value, before[key])


def test_load_counts_as_change():
    """Loading after the forward, before the backward, is noticed."""
    net = nn.Linear(2, 2)
    out = net(minitorch.randn(1, 2, requires_grad=True))
    net.load_state_dict(snapshot(net))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


# ---------------------------------------------------------------------------------------------------------------- hooks


def test_forward_hooks():
    """Hooks see and may replace arguments and output, in order, until they are removed."""
    layer, seen = nn.Linear(2, 2), []
    first = layer.register_forward_pre_hook(lambda m, args: seen.append(args[0].shape))
    second = layer.register_forward_pre_hook(lambda m, args: args[0] * 0)
    third = layer.register_forward_hook(lambda m, args, out: (seen.append((args[0].sum().item(), m)), out + 1)[1])
    out = layer(ones(3, 2))
    assert seen == [(3, 2), (0.0, layer)]
    np.testing.assert_allclose(out.detach().numpy(), layer.bias.detach().numpy() + np.ones((3, 2)), rtol=1e-6)
    for handle in (first, second, third):
        handle.remove()
    layer(ones(3, 2))
    assert len(seen) == 2


def test_backward_hook():
    """A full backward hook sees both gradients and may replace the input's."""
    layer, seen = nn.Linear(2, 2), []
    x = ones(3, 2, requires_grad=True)
    with layer.register_full_backward_hook(lambda m, gx, gy: seen.append((m, gx, gy))):
        layer(x).sum().backward()
    (module, (gx,), (gy,)) = seen[0]
    assert module is layer and (gy.numpy() == 1).all()
    np.testing.assert_array_equal(gx.numpy(), x.grad.numpy())
    np.testing.assert_allclose(gx.numpy(), np.ones((3, 2)) @ layer.weight.detach().numpy(), rtol=1e-6)
    x.grad = None
    layer.register_full_backward_hook(lambda m, gx, gy: (gx[0] * 2,))
    layer(x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * gx.numpy())


def test_backward_hook_without_input_gradient():
    """Where no input needs a gradient the hook still runs, with None."""
    layer, seen = nn.Linear(2, 2), []
    layer.register_full_backward_hook(lambda m, gx, gy: seen.append((gx, gy[0].shape)))
    layer(ones(3, 2)).sum().backward()
    assert seen == [((None,), (3, 2))]
    with minitorch.no_grad():
        layer(ones(3, 2))


def test_backward_hook_of_several_tensors():
    """Arguments and outputs each have their place; None stands where no gradient goes or came."""
    seen = []

    class Two(nn.Module):
        def forward(self, x, y, n):
            return x * n, y, x + y

    module = Two()
    module.register_full_backward_hook(lambda m, gx, gy: seen.append((gx, gy)))
    x, y = ones(1, requires_grad=True), ones(1)
    first, _, last = module(x, y, 3)
    (first + last * 2).backward()
    ((gx, none, nothing), (g, missing, h)) = seen[0]
    assert (gx.item(), g.item(), h.item()) == (5, 1, 2) and none is nothing is missing is None
    assert x.grad.item() == 5


def test_backward_hook_limits():
    """What backward hooks don't support is said, not ignored."""
    module = nn.Identity()
    module.forward = lambda x: {"x": x}
    handle = module.register_full_backward_hook(lambda m, gx, gy: None)
    with pytest.raises(NotImplementedError, match="returned dict"):
        module(ones(1))
    handle.remove()
    del module.forward
    x = ones(1, requires_grad=True)
    handle = module.register_full_backward_hook(lambda m, gx, gy: (gx[0], gx[0]))
    with handle, pytest.raises(RuntimeError, match="invalid number of grad_input, got 2, but expected 1"):
        module(x).backward()
    linear = nn.Linear(1, 1)
    linear.register_full_backward_hook(lambda m, gx, gy: gy)
    with pytest.raises(RuntimeError, match="no input requires gradient"):
        linear(ones(1)).backward()


def test_hooks_in_front():
    """prepend puts a hook before the others, also one before backward, which may replace the gradients of outputs."""
    order, layer = [], nn.Identity()
    for prepend in (False, True):
        layer.register_forward_pre_hook(lambda m, args, p=prepend: order.append(("before", p)), prepend=prepend)
        layer.register_forward_hook(lambda m, args, out, p=prepend: order.append(("after", p)), prepend=prepend)
        layer.register_full_backward_hook(lambda m, gx, gy, p=prepend: order.append(("left", p)), prepend=prepend)
    layer.register_full_backward_pre_hook(lambda m, gy: (gy[0] * 3,))
    layer.register_full_backward_pre_hook(lambda m, gy: gy[0] + 1, prepend=True)
    x = ones(1, requires_grad=True)
    layer(x).backward()
    assert order == [(when, p) for when in ("before", "after", "left") for p in (True, False)]
    assert x.grad.item() == 6


def test_hooks_that_see_keywords():
    """with_kwargs, before and after; and always_call, which a failed forward does not keep away."""
    seen = []

    class Scale(nn.Module):
        def forward(self, x, *, by):
            return x * by

    layer = Scale()
    layer.register_forward_pre_hook(lambda m, args, kwargs: (args, {"by": kwargs["by"] + 1}), with_kwargs=True)
    layer.register_forward_hook(lambda m, args, kwargs, out: out + kwargs["by"], with_kwargs=True)
    assert layer(ones(1), by=2).item() == 6
    layer.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    with pytest.raises(TypeError):
        layer("a", by=2.5)
    assert seen == [None]
    layer.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="new_args, new_kwargs"):
        layer(ones(1), by=2)


# ----------------------------------------------------------------------------------------------------------- containers


def test_sequential():
    """Named by position or by an OrderedDict; indexed, sliced, changed."""
    a, b, c, d = nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.Identity()
    net = nn.Sequential(a, b)
    assert net.append(c) is net and net.insert(0, d) is net and list(net) == [d, a, b, c] and len(net) == 4
    assert net[0] is d and net[-1] is c and list(net[1:3]) == [a, b] and type(net[1:3]) is nn.Sequential
    del net[0]
    assert list(net) == [a, b, c] and list(net._modules) == ["0", "1", "2"]
    assert net.pop(1) is b and list(net) == [a, c]
    net[1] = b
    assert list(net.extend([c]) + nn.Sequential(d)) == [a, b, c, d]
    net += nn.Sequential(d)
    assert len(net) == 4
    named = nn.Sequential(OrderedDict(one=a, two=b))
    assert named.two is b and list(named[:1]._modules) == ["one"]
    np.testing.assert_array_equal(named(ones(1)).numpy(), b(a(ones(1))).numpy())
    with pytest.raises(ValueError, match="supports only objects of Sequential"):
        net + 1


def test_module_list():
    """A list of modules, in everything."""
    a, b, c, d = nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.Identity()
    modules = nn.ModuleList([a])
    modules += [b, c]
    modules.insert(1, d)
    assert list(modules) == [a, d, b, c] and list(modules[::2]) == [a, b] and modules[-1] is c
    del modules[1:3]
    assert list(modules) == [a, c] and list(modules._modules) == ["0", "1"] and list(modules + [d]) == [a, c, d]
    modules[0] = b
    assert modules.pop() is c and list(modules) == [b]
    with pytest.raises(NotImplementedError):
        modules(1)


def test_module_dict():
    """A dict of modules, in everything."""
    a, b = nn.ReLU(), nn.Tanh()
    modules = nn.ModuleDict([("a", a)])
    modules["b"] = b
    assert list(modules) == ["a", "b"] and "a" in modules and modules["b"] is b and modules.a is a
    assert list(modules.values()) == [a, b] and dict(modules.items()) == {"a": a, "b": b} and len(modules) == 2
    assert modules.pop("a") is a and list(modules.keys()) == ["b"]
    del modules["b"]
    modules.update(nn.ModuleDict({"c": a}))
    modules.clear()
    assert not len(modules)


def test_parameter_containers():
    """Tensors in parameter lists and dicts become parameters, and are found by the walks."""
    listed = nn.ParameterList([ones(1), nn.Parameter(ones(2))])
    listed += [ones(3)]
    listed[0] = minitorch.zeros(1)
    assert [p.numel() for p in listed] == [1, 2, 3] and listed[0].item() == 0 and len(listed[1:]) == 2
    assert [name for name, _ in listed.named_parameters()] == ["0", "1", "2"] and type(listed[-1]) is nn.Parameter
    named = nn.ParameterDict({"a": ones(1)})
    named["b"] = ones(2)
    assert list(named) == ["a", "b"] and "a" in named and named.get("c") is None and len(named) == 2
    assert [name for name, _ in named.named_parameters()] == ["a", "b"] == list(named.keys())
    assert named.pop("a").numel() == 1 and [p.numel() for p in named.values()] == [2]
    named.clear()
    assert not list(named.parameters()) and not len(named)
    with pytest.raises(KeyError):
        named["a"]


# ------------------------------------------------------------------------------------------------------ layers, closely


@pytest.mark.parametrize(
    ("expression", "fan_in"),
    [("Linear(100, 50)", 100), ("Conv2d(8, 64, 3, groups=2)", 36), ("ConvTranspose2d(64, 32, 3, groups=2)", 144)],
)
def test_initial_values(expression, fan_in):
    """Weights and biases are uniform within 1/sqrt(fan_in), and follow the seed."""
    minitorch.manual_seed(5)
    layer = eval(expression, vars(nn))
    bound = fan_in**-0.5
    for p in layer.parameters():
        drawn = p.detach().numpy()
        assert np.abs(drawn).max() <= bound and np.abs(drawn).max() > 0.9 * bound
        assert abs(drawn.std() - bound / 3**0.5) < 0.15 * bound
    minitorch.manual_seed(5)
    np.testing.assert_array_equal(eval(expression, vars(nn)).weight.detach().numpy(), layer.weight.detach().numpy())


def test_dtype_argument():
    """dtype reaches parameters and float buffers; device is taken and ignored."""
    for layer in (
        nn.Conv2d(1, 1, 1, device="cpu", dtype=minitorch.float64), nn.BatchNorm1d(1, dtype=minitorch.float64),
        nn.Linear(1, 1, dtype=minitorch.float64), nn.LayerNorm(1, dtype=minitorch.float64),
    ):  # fmt: skip
        state = layer.state_dict().values()
        assert {t.dtype for t in state} - {minitorch.int64} == {minitorch.float64}


def test_batch_norm_running_statistics():
    """momentum=None averages over all batches; counting, evaluation and reset work."""
    norm, rng = nn.BatchNorm1d(2, momentum=None).double(), np.random.default_rng(0)
    batches = rng.standard_normal((3, 10, 2)) + 5
    for batch in batches:
        norm(minitorch.from_numpy(batch))
    np.testing.assert_allclose(norm.running_mean.numpy(), batches.mean(1).mean(0))
    np.testing.assert_allclose(norm.running_var.numpy(), batches.var(1, ddof=1).mean(0))
    assert norm.num_batches_tracked.item() == 3
    before = snapshot(norm)
    norm.eval()(minitorch.from_numpy(batches[0]))
    for key, value in snapshot(norm).items():
        np.testing.assert_array_equal(value, before[key])
    norm.reset_running_stats()
    assert norm.num_batches_tracked.item() == 0 and norm.running_mean.numpy().sum() == 0


def test_batch_norm_refuses_before_counting():
    """A batch that raises leaves the running statistics and the count as they were."""
    norm = nn.BatchNorm1d(3)
    before = snapshot(norm)
    with pytest.raises(ValueError):
        norm(ones(1, 3))
    with pytest.raises(RuntimeError):
        norm(ones(4, 2))
    for key, value in snapshot(norm).items():
        np.testing.assert_array_equal(value, before[key])


def test_batch_norm_counts_its_change():
    """Training changes the running statistics in place: a tape that keeps them notices."""
    norm, x = nn.BatchNorm1d(2), minitorch.randn(4, 2)
    out = minitorch.ones(2, requires_grad=True) * norm.running_mean
    norm(x)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_batch_norm_far_from_zero():
    """A mean far above the deviation does not spoil the variance."""
    x = minitorch.from_numpy((np.random.default_rng(0).standard_normal((64, 1)) + 1e4).astype(np.float32))
    out = nn.BatchNorm1d(1)(x).detach().numpy()
    assert abs(out.mean()) < 1e-3 and abs(out.std() - 1) < 1e-3


def test_dropout():
    """Kept elements are scaled, the share is p, the seed decides, p=1 gives zeros; gradients use the same mask."""
    x = ones(200, 50, requires_grad=True)
    minitorch.manual_seed(1)
    out = F.dropout(x, 0.25)
    values, counts = np.unique(out.detach().numpy(), return_counts=True)
    np.testing.assert_allclose(values, [0, 4 / 3], rtol=1e-6)
    assert abs(counts[0] / 10_000 - 0.25) < 0.02
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), out.detach().numpy())
    minitorch.manual_seed(1)
    np.testing.assert_array_equal(F.dropout(x, 0.25).detach().numpy(), out.detach().numpy())
    assert not F.dropout(x, 1.0).detach().numpy().any()
    assert F.dropout(x, 0.5, training=False) is x and nn.Dropout().eval()(x) is x


@pytest.mark.parametrize(
    ("name", "shape", "channel_axes"),
    [
        ("Dropout1d", (20, 10, 7), 2), ("Dropout1d", (200, 7), 1), ("Dropout2d", (20, 10, 3, 4), 2),
        ("Dropout2d", (20, 10, 7), 2), ("Dropout3d", (20, 10, 2, 3, 2), 2), ("Dropout3d", (200, 2, 3, 2), 1),
    ],
)  # fmt: skip
def test_channel_dropout(name, shape, channel_axes):
    """Channels go as a whole, each by its own chance."""
    out = getattr(nn, name)(0.5)(ones(*shape)).numpy().reshape(*shape[:channel_axes], -1)
    assert (out == out[..., :1]).all()
    assert 0.35 < (out[..., 0] == 0).mean() < 0.65


def test_inplace_activations():
    """inplace=True writes over the input and keeps the tape right."""
    for layer in (
        nn.ReLU(True),
        nn.LeakyReLU(0.1, True),
        nn.ELU(inplace=True),
        nn.SiLU(True),
        nn.Hardtanh(inplace=True),
        nn.CELU(0.7, True),
        nn.SELU(True),
        nn.Mish(True),
        nn.Hardswish(True),
        nn.Hardsigmoid(True),
        nn.Threshold(0.1, 2.0, True),
    ):
        leaf = minitorch.randn(5, requires_grad=True)
        x = leaf * 2
        out = layer(x)
        assert out is x
        out.sum().backward()
        apart, fresh = copy.deepcopy(layer), leaf.detach().requires_grad_()
        apart.inplace = False
        apart(fresh * 2).sum().backward()
        np.testing.assert_array_equal(leaf.grad.numpy(), fresh.grad.numpy())
        with pytest.raises(RuntimeError, match="leaf Variable"):
            layer(leaf)


def test_output_size_of_a_transposed_convolution():
    """output_size undoes a strided convolution of an even size, with or without the batch and channel sizes."""
    x = minitorch.randn(1, 2, 9, 8)
    small = nn.Conv2d(2, 3, 3, stride=2, padding=1)(x)
    back = nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1)
    assert back(small).shape == (1, 2, 9, 7)
    assert back(small, output_size=(9, 8)).shape == back(small, output_size=x.shape).shape == x.shape


def test_transposed_convolution_is_the_adjoint():
    """<y, conv(x)> = <conv_transpose(y), x>, for settings that leave pixels out and others."""
    rng = np.random.default_rng(0)
    for settings in ({"stride": 2, "padding": 1}, {"stride": 3, "dilation": 2}, {"groups": 2}, {"padding": (0, 2)}):
        x = minitorch.from_numpy(rng.standard_normal((2, 4, 9, 10)))
        w = minitorch.from_numpy(rng.standard_normal((6, 4 // settings.get("groups", 1), 3, 2)))
        y = minitorch.from_numpy(rng.standard_normal(F.conv2d(x, w, **settings).shape))
        extra = [n - m for n, m in zip(x.shape[2:], F.conv_transpose2d(y, w, **settings).shape[2:], strict=True)]
        back = F.conv_transpose2d(y, w, **settings, output_padding=extra)
        left, right = (y * F.conv2d(x, w, **settings)).sum().item(), (back * x).sum().item()
        assert abs(left - right) < 1e-10 * abs(left) + 1e-10


def test_max_pool_ties_and_nan():
    """The first of equals wins, the last NaN before everything; padding never."""
    x = minitorch.tensor([[[[1.0, 1.0, np.nan, 0.0], [1.0, 1.0, np.nan, 5.0]]]])
    out, indices = F.max_pool2d(x, 2, return_indices=True)
    assert out.numpy()[0, 0, 0, 0] == 1 and np.isnan(out.numpy()[0, 0, 0, 1])
    assert indices.tolist() == [[[[0, 6]]]] and indices.dtype is minitorch.int64
    assert F.max_pool1d(minitorch.full((1, 1, 2), -np.inf), 2, 1, 1).numpy().max() == -np.inf


def test_embedding_pretrained():
    """A table can be given; it is frozen unless asked otherwise; its padding row starts at zero when drawn."""
    table = ones(3, 2)
    assert not nn.Embedding.from_pretrained(table).weight.requires_grad
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.array is table.array
    assert not nn.Embedding(3, 2, padding_idx=1).weight.detach().numpy()[1].any()


def test_gradient_clipping():
    """Gradients shrink together to the norm asked for, or are cut one by one."""
    a, b = nn.Parameter(ones(2)), nn.Parameter(ones(3))
    (a.sum() * 3 + b.sum() * 4).backward()
    before = nn.utils.clip_grad_norm_([a, b, nn.Parameter(ones(1))], 1.0)
    assert abs(before.item() - (2 * 9 + 3 * 16) ** 0.5) < 1e-5
    np.testing.assert_allclose(
        np.concatenate([a.grad.numpy(), b.grad.numpy()]), np.array([3, 3, 4, 4, 4]) / 66**0.5, rtol=1e-5
    )
    nn.utils.clip_grad_value_([a, b], 0.4)
    assert b.grad.numpy().max() == np.float32(0.4)
    assert nn.utils.clip_grad_norm_(a, 100.0, float("inf")).item() < 1
    a.grad.array[0] = np.nan
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(a, 1.0, error_if_nonfinite=True)
    assert nn.utils.clip_grad_norm_([], 1.0).item() == 0


def test_parameters_as_a_vector():
    """Parameters become one vector and come back from one."""
    net = nn.Linear(2, 3)
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (9,) and vector.requires_grad
    nn.utils.vector_to_parameters(minitorch.arange(9.0), net.parameters())
    assert net.bias.tolist() == [6, 7, 8] and net.weight.tolist()[1] == [2, 3]


def test_names():
    """Everything in __all__ exists, has a docstring, and layers of one family stand together."""
    for name in nn.__all__:
        assert getattr(nn, name).__doc__, name
    for name in F.__all__:
        assert getattr(F, name).__doc__, name
    assert len(set(nn.__all__)) == len(nn.__all__) and len(set(F.__all__)) == len(F.__all__)


def test_training_lowers_the_loss():
    """A small convolutional net fits eight images."""
    minitorch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 4)
    )
    x, t = minitorch.randn(8, 1, 6, 6), minitorch.arange(8) % 4
    losses = []
    for _ in range(30):
        net.zero_grad()
        loss = nn.CrossEntropyLoss()(net(x), t)
        loss.backward()
        losses.append(loss.item())
        with minitorch.no_grad():
            for p in net.parameters():
                p.sub_(p.grad * 0.1)
    assert losses[-1] < 0.2 * losses[0]


RELU_PAIRS = [
    (lambda: nn.Linear(5, 4), (3, 5)),
    (lambda: nn.Linear(5, 4), (2, 3, 5)),
    (lambda: nn.Conv1d(2, 3, 3, padding=1), (2, 2, 9)),
    (lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), (2, 2, 8, 8)),
    (lambda: nn.Conv2d(16, 16, 3), (2, 16, 16, 16)),
    (lambda: nn.Conv3d(2, 4, 2, groups=2), (2, 4, 4, 4)),
    (lambda: nn.Linear(5, 4, bias=False), (3, 5)),
]


@pytest.mark.parametrize("make, shape", RELU_PAIRS)
@pytest.mark.parametrize("inplace", [False, True])
def test_a_layer_and_its_relu_in_one_step(make, shape, inplace):
    """Within a Sequential: the bits of one after the other, of gradients too; theirs add up in another order."""
    net = nn.Sequential(make(), nn.ReLU(inplace))
    x = minitorch.randn(*shape, requires_grad=True)
    found = []
    for apart in (False, True):
        y = net[1](net[0](x)) if apart else net(x)
        grads = minitorch.autograd.grad((y * y).sum(), [x, *net.parameters()], create_graph=True)
        second = minitorch.autograd.grad(sum((g * g).sum() for g in grads), [x, *net.parameters()])
        found.append([v.array for v in (y, *grads, *second)])
        first_order = 1 + len(grads)
    for one, other in zip(*(arrays[:first_order] for arrays in found), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(*(arrays[first_order:] for arrays in found), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * np.abs(other).max())


def test_whoever_watches_a_layer_sees_it():
    """Hooks on either of the two, a replaced forward or a class of the user's own keep the layer and the ReLU apart."""

    class Mine(nn.Linear):
        def forward(self, input):
            return super().forward(input) - 100.0

    class Seven(nn.ReLU):
        def forward(self, input):
            return input * 0 + 7.0

    x = minitorch.randn(3, 2)
    seen = []
    for position in (0, 1):
        for register in ("register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook"):
            net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
            getattr(net[position], register)(lambda module, *values: seen.append(values) and None)
            net(x).sum().backward()
            assert len(seen) == 1, (position, register)
            seen.clear()
    assert float(nn.Sequential(Mine(2, 2), nn.ReLU())(x).sum().item()) == 0
    assert float(nn.Sequential(nn.Linear(2, 2), Seven())(x).sum().item()) == 42
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    net[0].forward = lambda input: input - 100.0
    assert float(net(x).sum().item()) == 0
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    net[1].forward = lambda input: input * 0 + 7.0
    assert float(net(x).sum().item()) == 42
