"""Modules, layers, losses, functional forms: values and gradients against PyTorch's frozen numbers, and behaviour."""

import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

import minitorch
from minitorch import nn

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
    ],
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
    ],
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
    ],
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
    ],
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
    ],
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
    ("nn.Conv2d(3, 4, 3)", (2, 3, 6, 6)),
    ("nn.ConvTranspose2d(3, 4, 3)", (2, 3, 6, 6)),
    ("nn.Linear(4, 3)", (2, 4)),
    ("nn.BatchNorm2d(3)", (2, 3, 6, 6)),
    ("nn.BatchNorm2d(3).eval()", (2, 3, 6, 6)),
    ("nn.LayerNorm(4)", (2, 4)),
    ("nn.InstanceNorm2d(3, affine=True)", (2, 3, 6, 6)),
    ("nn.RMSNorm(4)", (2, 4)),
    ("nn.LocalResponseNorm(3)", (2, 4, 3)),
    ("nn.GroupNorm(3, 3)", (2, 3, 6, 6)),
    ("nn.MaxPool2d(2)", (2, 3, 6, 6)),
    ("nn.AvgPool2d(2)", (2, 3, 6, 6)),
    ("nn.AdaptiveAvgPool2d(2)", (2, 3, 6, 6)),
    ("nn.Dropout()", (3, 4)),
    ("nn.GELU()", (3, 4)),
    ("nn.GELU('tanh')", (3, 4)),
    ("nn.SiLU()", (3, 4)),
    ("nn.ELU()", (3, 4)),
    ("nn.Softplus()", (3, 4)),
    ("nn.LeakyReLU()", (3, 4)),
    ("nn.Hardtanh()", (3, 4)),
    ("nn.Softmax(1)", (3, 4)),
    ("nn.CELU()", (3, 4)),
    ("nn.SELU()", (3, 4)),
    ("nn.Mish()", (3, 4)),
    ("nn.Hardswish()", (3, 4)),
    ("nn.Softshrink()", (3, 4)),
]


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
    ("nn.Conv2d(2, 2, 2, padding=1)", (1, 2, 3, 3)),
    ("nn.ConvTranspose1d(2, 2, 2, stride=2)", (1, 2, 3)),
    ("nn.Linear(3, 2)", (2, 3)),
    ("nn.BatchNorm1d(2)", (4, 2)),
    ("nn.LayerNorm(3)", (2, 3)),
    ("nn.MaxPool1d(2)", (1, 2, 4)),
    ("nn.AvgPool2d(2, 1, 1)", (1, 1, 3, 3)),
    ("nn.GELU()", (3,)),
    ("nn.ELU()", (3,)),
    ("nn.Softplus()", (3,)),
]


@pytest.mark.parametrize(("expression", "shape"), SECOND_ORDER)
def test_second_order(expression, shape):
    """Layers can be differentiated twice, in their input and their parameters."""
    minitorch.manual_seed(3)
    module = eval(expression, {"nn": nn}).double()
    parameters = list(module.parameters())
    x = minitorch.randn(*shape, dtype=minitorch.float64, requires_grad=True)
    assert minitorch.autograd.gradgradcheck(lambda x, *_: module(x).tanh(), (x, *parameters))
