"""Functions of layers as the package has them, and layers under the names of PyTorch's files."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import minitorch as mt
from minitorch import nn
from minitorch.nn import functional as F


def same(a: mt.Tensor, b: mt.Tensor) -> bool:
    """Shapes and bits agree."""
    return a.shape == b.shape and np.array_equal(a.numpy(), b.numpy(), equal_nan=True)


def test_losses_have_reductions_as_numbers() -> None:
    """0 none, 1 mean, 2 sum, in PyTorch's place among the arguments; other numbers are refused."""
    mt.manual_seed(0)
    x, y, z = mt.randn(4, 3), mt.rand(4, 3), mt.randn(4, 3)
    signs = mt.tensor([1.0, -1, 1, -1])
    for number, name in enumerate(("none", "mean", "sum")):
        pairs = [
            (mt.kl_div(x, y, number, log_target=True), F.kl_div(x, y, reduction=name, log_target=True)),
            (
                mt.poisson_nll_loss(x, y, False, True, 1e-6, number),
                F.poisson_nll_loss(x, y, False, True, None, 1e-6, None, name),
            ),
            (
                mt.hinge_embedding_loss(x[:, 0], signs, 2.0, number),
                F.hinge_embedding_loss(x[:, 0], signs, 2.0, reduction=name),
            ),
            (
                mt.margin_ranking_loss(x[:, 0], y[:, 0], signs, 0.5, number),
                F.margin_ranking_loss(x[:, 0], y[:, 0], signs, 0.5, reduction=name),
            ),
            (
                mt.cosine_embedding_loss(x, y, signs, 0.5, number),
                F.cosine_embedding_loss(x, y, signs, 0.5, reduction=name),
            ),
            (
                mt.triplet_margin_loss(x, y, z, 2.0, 1, 1e-5, True, number),
                F.triplet_margin_loss(x, y, z, 2.0, 1, 1e-5, True, reduction=name),
            ),
            (
                mt.binary_cross_entropy_with_logits(x, y, z.abs(), y + 1, number),
                F.binary_cross_entropy_with_logits(x, y, z.abs(), None, None, name, y + 1),
            ),
        ]
        for ours, theirs in pairs:
            assert same(ours, theirs)
    logs = F.log_softmax(mt.randn(6, 1, 3), 2)
    assert same(
        mt.ctc_loss(logs, mt.tensor([[1, 2]]), [6], [2], 0, 2),
        F.ctc_loss(logs, mt.tensor([[1, 2]]), [6], [2], 0, "sum"),
    )
    assert same(mt.kl_div(x, y), F.kl_div(x, y, reduction="none"))  # PyTorch's default here
    with pytest.raises(RuntimeError, match="reduction"):
        mt.kl_div(x, y, 3)


def test_norms_and_tables_have_their_weights_first() -> None:
    """`batch_norm`, `instance_norm`, `embedding`."""
    x, w, b = mt.arange(12.0).reshape(2, 3, 2), mt.tensor([1.0, 2, 3]), mt.tensor([0.0, 1, 2])
    mean, var = mt.tensor([1.0, 1, 1]), mt.tensor([4.0, 4, 4])
    want = (x - 1) / 2 * w.reshape(3, 1) + b.reshape(3, 1)
    np.testing.assert_allclose(mt.batch_norm(x, w, b, mean, var, False, 0.1, 0.0, True).numpy(), want.numpy())
    assert same(mt.instance_norm(x, w, b, None, None, True, 0.1, 1e-5, True), F.instance_norm(x, None, None, w, b))
    table = mt.arange(6.0).reshape(3, 2).requires_grad_()
    rows = mt.embedding(table, mt.tensor([2, 0, 2]), 0)
    assert rows.tolist() == [[4, 5], [0, 1], [4, 5]]
    rows.sum().backward()
    assert table.grad.tolist() == [[0, 0], [0, 0], [2, 2]]


def test_grids_and_padding() -> None:
    """Modes as numbers."""
    image, theta = mt.arange(16.0).reshape(1, 1, 4, 4), mt.tensor([[[0.7, 0.2, 0.3], [0.1, 0.9, -0.4]]])
    grid = mt.affine_grid_generator(theta, (1, 1, 3, 3), True)
    assert same(grid, F.affine_grid(theta, (1, 1, 3, 3), align_corners=True))
    for i, mode in enumerate(("bilinear", "nearest", "bicubic")):
        for j, padding in enumerate(("zeros", "border", "reflection")):
            assert same(mt.grid_sampler(image, grid, i, j, False), F.grid_sample(image, grid, mode, padding, False))
    with pytest.raises(RuntimeError, match="interpolation_mode"):
        mt.grid_sampler_2d(image, grid, 5, 0, False)
    assert mt.constant_pad_nd(mt.ones(2), (1, 0), 7).tolist() == [7, 1, 1]
    found = mt.adaptive_max_pool1d(mt.tensor([[[1.0, 5, 2, 3]]]), 2)
    assert [t.tolist() for t in found] == [[[[5, 3]]], [[[1, 3]]]]
    assert mt.norm_except_dim(mt.tensor([[3.0, 4], [6, 8]]), 2, 0).tolist() == [[5], [10]]


def test_dropouts() -> None:
    """(input, p, train), and in place; whole channels for `feature_dropout`."""
    x = mt.ones(50, 20, 3)
    assert mt.dropout(x, 0.5, False) is x and set(mt.dropout(x, 0.5, True).unique().tolist()) == {0, 2}
    channels = mt.feature_dropout(x, 0.5, True)
    assert set(channels.sum(2).unique().tolist()) == {0, 6}
    assert len(mt.feature_alpha_dropout(x, 0.5, True).unique()) == len(mt.alpha_dropout(x, 0.5, True).unique()) == 2
    for call in (mt.dropout_, mt.alpha_dropout_, mt.feature_dropout_, mt.feature_alpha_dropout_):
        y = x.clone()
        assert call(y, 0.5, True) is y and len(y.unique()) == 2
    with pytest.raises(RuntimeError, match="at least 2 dimensions"):
        mt.feature_dropout(mt.ones(3), 0.5, True)


def test_layers_under_the_names_of_files() -> None:
    """`from nn.modules.<file> import <layer>` gives the layer; private base classes are those of instances."""
    rows = {
        "activation": "MultiheadAttention ReLU",
        "batchnorm": "BatchNorm2d LazyBatchNorm2d _BatchNorm _NormBase",
        "conv": "Conv2d LazyConv2d ConvTranspose1d _ConvNd _ConvTransposeNd",
        "distance": "CosineSimilarity",
        "channelshuffle": "ChannelShuffle",
        "dropout": "Dropout _DropoutNd",
        "linear": "Linear LazyLinear Identity",
        "instancenorm": "InstanceNorm2d LazyInstanceNorm1d",
        "loss": "CTCLoss GaussianNLLLoss TripletMarginLoss MSELoss _Loss",
        "rnn": "LSTM GRUCell RNNBase",
        "pooling": "MaxPool2d _MaxPoolNd _AvgPoolNd _LPPoolNd",
        "transformer": "Transformer TransformerEncoderLayer",
        "padding": "ZeroPad2d _ConstantPadNd",
        "sparse": "Embedding EmbeddingBag",
        "utils": "_pair _triple",
    }
    for file, names in rows.items():
        module = importlib.import_module(f"minitorch.nn.modules.{file}")
        for name in names.split():
            found = getattr(module, name)
            assert getattr(nn, name, found) is found
    assert nn.modules.Conv2d is nn.Conv2d and "Conv2d" in nn.modules.__all__
    assert isinstance(nn.Conv2d(1, 1, 1), nn.modules.conv._ConvNd)
    assert isinstance(nn.BatchNorm1d(1), nn.modules.batchnorm._BatchNorm)


def test_utilities_of_old_names() -> None:
    """`nn.utils.stateless.functional_call`, and the memory order of weights."""
    net = nn.Linear(2, 1, bias=False)
    assert nn.utils.stateless.functional_call(net, {"weight": mt.ones(1, 2)}, mt.ones(1, 2)).item() == 2
    conv = nn.Sequential(nn.Conv2d(3, 2, 3))
    before = conv[0].weight.tolist()
    assert nn.utils.convert_conv2d_weight_memory_format(conv, mt.channels_last) is conv
    assert conv[0].weight.is_contiguous(memory_format=mt.channels_last) and conv[0].weight.tolist() == before
    wide = nn.utils.convert_conv3d_weight_memory_format(nn.Conv3d(2, 2, 3), mt.channels_last_3d)
    assert wide.weight.is_contiguous(memory_format=mt.channels_last_3d)


def test_conv_tbc() -> None:
    """Convolution with time first: each output is a sum over taps and channels; gradients reach all three."""
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((5, 2, 3)), rng.standard_normal((2, 3, 4)), rng.standard_normal(4)
    tensors = [mt.tensor(v, requires_grad=True) for v in (x, w, b)]
    for pad in (0, 1):
        wide = np.pad(x, ((pad, pad), (0, 0), (0, 0)))
        want = sum(wide[k : len(wide) - 1 + k] @ w[k] for k in range(2)) + b
        np.testing.assert_allclose(mt.conv_tbc(*tensors, pad).numpy(force=True), want)
    assert F.conv_tbc is mt.conv_tbc and mt.autograd.gradcheck(mt.conv_tbc, (*tensors, 1))
    x, w, b = (v.detach() for v in tensors)
    for call, error, text in (
        (lambda: mt.conv_tbc(x[0], w, b), RuntimeError, "Input must have 3 dims"),
        (lambda: mt.conv_tbc(x, w[0], b), RuntimeError, "Weight tensor must have 3 dims"),
        (lambda: mt.conv_tbc(x, w, w), RuntimeError, "Bias must be 1-D"),
        (lambda: mt.conv_tbc(x, w.mT, b), RuntimeError, "Input dim 2"),
        (lambda: mt.conv_tbc(x, w, b[:2]), RuntimeError, "Bias size"),
        (lambda: mt.conv_tbc(x, w, None), TypeError, "bias"),
    ):
        with pytest.raises(error, match=text):
            call()


def test_embedding_renorm() -> None:
    """Rows that are named, and longer, get the norm; the change is counted, and refused where gradients are recorded."""
    table = mt.tensor([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0], [0.0, 5.0]])
    assert mt.embedding_renorm_(table, mt.tensor([[0, 1], [3, 0]]), 2.0, 2.0) is table and table._version == 1
    np.testing.assert_allclose(table.numpy(), [[1.2, 1.6], [0.3, 0.4], [6, 8], [0, 2]], rtol=1e-6)
    mt.embedding_renorm_(table, mt.tensor([2]), 7.0, 1.0)
    np.testing.assert_allclose(table[2].numpy(), [3, 4], rtol=1e-6)
    leaf = mt.ones(2, 2, requires_grad=True)
    for call, error, text in (
        (lambda: mt.embedding_renorm_(table, mt.tensor([4]), 1.0, 2.0), IndexError, "index 4 out of range"),
        (lambda: mt.embedding_renorm_(table, mt.tensor([-1]), 1.0, 2.0), IndexError, "index -1 out of range"),
        (lambda: mt.embedding_renorm_(table, mt.tensor([1.0]), 1.0, 2.0), RuntimeError, "int64 or int32"),
        (lambda: mt.embedding_renorm_(table[0], mt.tensor([1]), 1.0, 2.0), RuntimeError, "2-dimensional"),
        (lambda: mt.embedding_renorm_(table, [1], 1.0, 2.0), TypeError, "indices"),
        (lambda: mt.embedding_renorm_(leaf, mt.tensor([1]), 1.0, 2.0), RuntimeError, "leaf"),
    ):
        with pytest.raises(error, match=text):
            call()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layers, both", [(1, False), (2, True)])
@pytest.mark.parametrize(
    "name, layer, settings",
    [
        ("lstm", nn.LSTM, {}),
        ("lstm", nn.LSTM, {"proj_size": 2}),
        ("gru", nn.GRU, {}),
        ("rnn_tanh", nn.RNN, {}),
        ("rnn_relu", nn.RNN, {"nonlinearity": "relu"}),
    ],
)
def test_recurrent_functions(name, layer, settings, layers, both, bias) -> None:
    """The layer's bits, and gradients of its parameters, of a batch and of a packed one; nothing is drawn."""
    mt.manual_seed(0)
    net = layer(3, 4, num_layers=layers, bidirectional=both, bias=bias, **settings)
    runs, size = layers * (1 + both), settings.get("proj_size", 4)
    states = [mt.randn(runs, 2, size), mt.randn(runs, 2, 4)][: 2 if name == "lstm" else 1]
    hx, x = tuple(states) if name == "lstm" else states[0], mt.randn(5, 2, 3)
    params = [p.detach().clone().requires_grad_() for p in net.parameters()]
    before, function = mt.get_rng_state(), getattr(mt, name)
    found = function(x, hx, params, bias, layers, 0.5, False, both, False)
    assert mt.get_rng_state() == before
    out, last = net.eval()(x, hx)
    for a, b in zip(found, (out, *(last if name == "lstm" else (last,))), strict=True):
        assert same(a.detach(), b.detach())
    found[0].sum().backward()
    out.sum().backward()
    assert all(same(p.grad, q.grad) for p, q in zip(params, net.parameters(), strict=True))
    turned = function(x.transpose(0, 1), hx, params, bias, layers, 0.0, True, both, True)[0].transpose(0, 1)
    assert same(turned.detach(), out.detach())
    packed = nn.utils.rnn.pack_padded_sequence(x, mt.tensor([5, 2]))
    rows = function(packed.data, packed.batch_sizes, hx, params, bias, layers, 0.0, True, both)
    named = function(
        data=packed.data,
        batch_sizes=packed.batch_sizes,
        hx=hx,
        params=params,
        has_biases=bias,
        num_layers=layers,
        dropout=0.0,
        train=True,
        bidirectional=both,
    )
    out, last = net(packed, hx)
    for a, b, c in zip(rows, (out.data, *(last if name == "lstm" else (last,))), named, strict=True):
        assert same(a.detach(), b.detach()) and same(a.detach(), c.detach())


def test_recurrent_functions_refuse() -> None:
    """What makes no layers."""
    p = list(nn.GRU(3, 4).parameters())
    x, h, rest = mt.randn(5, 2, 3), mt.zeros(1, 2, 4), (0.0, False, False, False)
    for call, error, text in (
        (lambda: mt.gru(x, h, p[:3], True, 1, *rest), RuntimeError, "3 params do not make 1 layers with biases"),
        (lambda: mt.gru(x, h, p, False, 1, *rest), RuntimeError, "4 params do not make 1 layers"),
        (lambda: mt.gru(x, h, p, True, 0, *rest), RuntimeError, "do not make 0 layers"),
        (lambda: mt.gru(x, h, p[::-1], True, 1, *rest), RuntimeError, "weights must be matrices"),
        (lambda: mt.gru(x, h, [1, 2, 3, 4], True, 1, *rest), TypeError, "params"),
        (lambda: mt.gru(x[:, 0], h, p, True, 1, *rest), IndexError, "3 dimensions"),
        (lambda: mt.gru(x[..., :2], h, p, True, 1, *rest), RuntimeError, "input_size"),
        (lambda: mt.lstm(x, [h], list(nn.LSTM(3, 4).parameters()), True, 1, *rest), RuntimeError, "two hidden states"),
        (lambda: mt.gru(x), TypeError, "missing"),
    ):
        with pytest.raises(error, match=text):
            call()
