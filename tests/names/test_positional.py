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
            (mt.poisson_nll_loss(x, y, False, True, 1e-6, number),
             F.poisson_nll_loss(x, y, False, True, None, 1e-6, None, name)),
            (mt.hinge_embedding_loss(x[:, 0], signs, 2.0, number),
             F.hinge_embedding_loss(x[:, 0], signs, 2.0, reduction=name)),
            (mt.margin_ranking_loss(x[:, 0], y[:, 0], signs, 0.5, number),
             F.margin_ranking_loss(x[:, 0], y[:, 0], signs, 0.5, reduction=name)),
            (mt.cosine_embedding_loss(x, y, signs, 0.5, number),
             F.cosine_embedding_loss(x, y, signs, 0.5, reduction=name)),
            (mt.triplet_margin_loss(x, y, z, 2.0, 1, 1e-5, True, number),
             F.triplet_margin_loss(x, y, z, 2.0, 1, 1e-5, True, reduction=name)),
            (mt.binary_cross_entropy_with_logits(x, y, z.abs(), y + 1, number),
             F.binary_cross_entropy_with_logits(x, y, z.abs(), None, None, name, y + 1)),
        ]  # fmt: skip
        for ours, theirs in pairs:
            assert same(ours, theirs)
    logs = F.log_softmax(mt.randn(6, 1, 3), 2)
    assert same(mt.ctc_loss(logs, mt.tensor([[1, 2]]), [6], [2], 0, 2), F.ctc_loss(
        logs, mt.tensor([[1, 2]]), [6], [2], 0, "sum"))  # fmt: skip
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
        "activation": "MultiheadAttention ReLU", "batchnorm": "BatchNorm2d LazyBatchNorm2d _BatchNorm _NormBase",
        "conv": "Conv2d LazyConv2d ConvTranspose1d _ConvNd _ConvTransposeNd", "distance": "CosineSimilarity",
        "channelshuffle": "ChannelShuffle", "dropout": "Dropout _DropoutNd", "linear": "Linear LazyLinear Identity",
        "instancenorm": "InstanceNorm2d LazyInstanceNorm1d",
        "loss": "CTCLoss GaussianNLLLoss TripletMarginLoss MSELoss _Loss", "rnn": "LSTM GRUCell RNNBase",
        "pooling": "MaxPool2d _MaxPoolNd _AvgPoolNd _LPPoolNd", "transformer": "Transformer TransformerEncoderLayer",
        "padding": "ZeroPad2d _ConstantPadNd", "sparse": "Embedding EmbeddingBag", "utils": "_pair _triple",
    }  # fmt: skip
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
