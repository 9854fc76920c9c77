"""Tables looked up by number, one by one and in bags, against loops over bags."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch as m
from minitorch import nn

F = nn.functional
RNG = np.random.default_rng(11)
TABLE = RNG.standard_normal((6, 3))
NUMBERS, OFFSETS = np.array([4, 1, 1, 0, 5, 4, 1]), np.array([0, 3, 3, 5])
WEIGHTS = RNG.standard_normal(7)


def bags(mode, padding_idx=None, weights=None, offsets=OFFSETS):
    """Bag by bag."""
    out = []
    for start, end in zip(offsets, [*offsets[1:], len(NUMBERS)], strict=True):
        kept = [e for e in range(start, end) if NUMBERS[e] != padding_idx]
        rows = np.array([TABLE[NUMBERS[e]] * (1 if weights is None else weights[e]) for e in kept]).reshape(-1, 3)
        value = rows.sum(0)
        if kept:
            value = {"sum": value, "mean": value / len(kept), "max": rows.max(0)}[mode]
        out.append(value)
    return np.array(out)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_idx", [None, 1, -2])
def test_bags(mode, padding_idx):
    """Values with empty bags and padding; derivatives of both orders."""
    table, numbers, offsets = m.tensor(TABLE, requires_grad=True), m.tensor(NUMBERS), m.tensor(OFFSETS)
    settings = {"mode": mode, "padding_idx": padding_idx}
    expected = bags(mode, None if padding_idx is None else padding_idx % 6)
    np.testing.assert_allclose(F.embedding_bag(numbers, table, offsets, **settings).detach().numpy(), expected)
    last = m.tensor([*OFFSETS, len(NUMBERS)])
    again = F.embedding_bag(numbers, table, last, include_last_offset=True, **settings)
    np.testing.assert_allclose(again.detach().numpy(), expected)
    call = lambda w: F.embedding_bag(numbers, w, offsets, **settings)  # noqa: E731
    assert m.autograd.gradcheck(call, [table]) and m.autograd.gradgradcheck(call, [table])
    layer = nn.EmbeddingBag(6, 3, _weight=table.detach(), **settings)
    np.testing.assert_allclose(layer(numbers.int(), offsets.int()).detach().numpy(), expected)


def test_rows_of_a_matrix_are_bags():
    """Without offsets; rows of no numbers are zeros."""
    numbers = NUMBERS[:6].reshape(2, 3)
    found = F.embedding_bag(m.tensor(numbers), m.tensor(TABLE))
    np.testing.assert_allclose(found.numpy(), TABLE[numbers].mean(1))
    assert F.embedding_bag(m.zeros(2, 0, dtype=m.int64), m.tensor(TABLE), mode="max").tolist() == [[0.0] * 3] * 2


def test_factors():
    """per_sample_weights have a gradient, too, and none where padding is left out."""
    table, factors = m.tensor(TABLE, requires_grad=True), m.tensor(WEIGHTS, requires_grad=True)
    for padding_idx in (None, 1):
        settings = {"mode": "sum", "padding_idx": padding_idx}

        def call(w, f, settings=settings):
            return F.embedding_bag(m.tensor(NUMBERS), w, m.tensor(OFFSETS), per_sample_weights=f, **settings)

        np.testing.assert_allclose(call(table, factors).detach().numpy(), bags("sum", padding_idx, WEIGHTS))
        assert m.autograd.gradcheck(call, [table, factors]) and m.autograd.gradgradcheck(call, [table, factors])


def test_large_bags_are_the_same():
    """On kernels: sums of thousands of rows, and their gradient, as NumPy has them."""
    table = RNG.standard_normal((500, 64)).astype(np.float32)
    numbers = RNG.integers(0, 500, (300, 20))
    w = m.tensor(table, requires_grad=True)
    out = F.embedding_bag(m.tensor(numbers), w, mode="sum")
    np.testing.assert_allclose(out.detach().numpy(), table[numbers].sum(1), rtol=1e-4, atol=1e-4)
    g = RNG.standard_normal((300, 64)).astype(np.float32)
    out.backward(m.tensor(g))
    expected = np.zeros((500, 64))
    np.add.at(expected, numbers.reshape(-1), np.repeat(g, 20, 0))
    np.testing.assert_allclose(w.grad.numpy(), expected, rtol=1e-3, atol=1e-3)


def test_tables_beyond_65536_rows():
    """Links are turned round by sorting 16 bits after the other."""
    numbers = np.array([[70_000, 4464], [4464, 70_000], [65_536, 0]])  # 70,000 and 4464 differ in the upper bits only
    w = m.zeros(70_001, 2, requires_grad=True)
    F.embedding_bag(m.tensor(numbers), w, mode="sum").backward(m.tensor([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]]))
    assert w.grad[[70_000, 4464, 65_536, 0]].tolist() == [[11, 22], [11, 22], [100, 200], [100, 200]]
    assert w.grad.sum().item() == 666


@pytest.mark.parametrize("bag", [False, True])
def test_scale_grad_by_freq(bag):
    """The gradient of a row is divided by how often it is named; the value is the same."""
    numbers = m.tensor([[2, 2], [0, 2]])
    for scale in (False, True):
        w = m.tensor(TABLE, requires_grad=True)
        function = (lambda *a, **k: F.embedding_bag(*a, mode="sum", **k)) if bag else F.embedding
        out = function(numbers, w, scale_grad_by_freq=scale)
        expected = TABLE[numbers.numpy()]
        np.testing.assert_allclose(out.detach().numpy(), expected.sum(1) if bag else expected)
        out.sum().backward()
        np.testing.assert_allclose(w.grad.numpy()[[0, 1, 2], 0], [1, 0, 1 if scale else 3])


@pytest.mark.parametrize("bag", [False, True])
def test_max_norm(bag):
    """Only rows that are named and too long are scaled, in the table itself; nothing is recorded."""
    w = m.tensor([[3.0, 4.0], [6.0, 8.0], [0.3, 0.4]], requires_grad=True)
    (F.embedding_bag if bag else F.embedding)(m.tensor([[0, 2]]), w, max_norm=1.0).sum().backward()
    np.testing.assert_allclose(w.detach().numpy(), [[0.6, 0.8], [6, 8], [0.3, 0.4]], rtol=1e-6)
    layer = nn.Embedding(3, 2, max_norm=2.0, norm_type=1.0)
    layer.weight.data.fill_(5.0)
    layer(m.tensor([1, 1]))
    np.testing.assert_allclose(layer.weight.detach().numpy(), [[5, 5], [1, 1], [5, 5]])
    kept = w.detach().clone()
    with pytest.raises((IndexError, RuntimeError)):
        (F.embedding_bag if bag else F.embedding)(m.tensor([[0, 3]]), w, max_norm=0.1)
    assert m.equal(w, kept)


def test_padding_row_has_no_gradient():
    """In both layers; it starts at 0."""
    for layer, inputs in (
        (nn.Embedding(4, 2, padding_idx=1), [[0, 1]]),
        (nn.EmbeddingBag(4, 2, padding_idx=-3), [[0, 1]]),
    ):
        assert layer.padding_idx == 1 and layer.weight[1].tolist() == [0, 0]
        layer(m.tensor(inputs)).sum().backward()
        assert layer.weight.grad[1].tolist() == [0, 0] and layer.weight.grad[0, 0].item() == 1


def test_from_pretrained():
    """The table is that tensor, frozen or not."""
    table = m.tensor(TABLE)
    for cls in (nn.Embedding, nn.EmbeddingBag):
        layer = cls.from_pretrained(table, padding_idx=2, max_norm=3.0)
        assert not layer.weight.requires_grad and layer.padding_idx == 2 and layer.max_norm == 3.0
        assert layer.weight.data_ptr() == table.data_ptr()
        assert cls.from_pretrained(table, freeze=False).weight.requires_grad
    assert (
        repr(nn.Embedding(5, 3, padding_idx=1, max_norm=2.0, norm_type=1.0))
        == "Embedding(5, 3, padding_idx=1, max_norm=2.0, norm_type=1.0)"
    )
    assert repr(nn.EmbeddingBag(5, 3, padding_idx=1)) == "EmbeddingBag(5, 3, mode='mean', padding_idx=1)"


def of(*numbers):
    """int64."""
    return m.tensor(list(numbers))


W = m.tensor(TABLE)
ERRORS = [
    (lambda: F.embedding(of(0), m.ones(3, 2, dtype=m.int64), max_norm=1.0), RuntimeError, "floating"),
    (lambda: F.bilinear(m.tensor(1.0), m.tensor(1.0), m.ones(5, 1, 1)), IndexError, "no dimensions"),
    (lambda: F.embedding_bag(of(0, 6), W, of(0)), RuntimeError, "valid range"),
    (lambda: F.embedding_bag(of(0, -1), W, of(0)), RuntimeError, "valid range"),
    (lambda: F.embedding_bag(of(0, 1), W, of(1)), RuntimeError, "offsets[0] has to be 0"),
    (lambda: F.embedding_bag(of(0, 1), W, of(0, 3)), RuntimeError, "greater than input's length"),
    (lambda: F.embedding_bag(of(0, 1), W, of(0, 2, 1)), RuntimeError, "decrease"),
    (lambda: F.embedding_bag(of(0, 1), W), ValueError, "offsets"),
    (lambda: F.embedding_bag(m.tensor([[0, 1]]), W, of(0)), ValueError, "offsets"),
    (lambda: F.embedding_bag(m.tensor([[[0]]]), W), ValueError, "1D or 2D"),
    (lambda: F.embedding_bag(of(0, 1), W[0], of(0)), ValueError, "2D"),
    (lambda: F.embedding_bag(m.tensor([0.0]), W, of(0)), RuntimeError, "int64"),
    (lambda: F.embedding_bag(of(0, 1), W, of(0), mode="min"), ValueError, "sum, mean or max"),
    (lambda: F.embedding_bag(of(0, 1), W, of(0), mode="max", scale_grad_by_freq=True), ValueError, "max mode"),
    (lambda: F.embedding_bag(of(0, 1), W, of(0), per_sample_weights=m.ones(2)), NotImplementedError, "mode='sum'"),
    (lambda: F.embedding_bag(of(0, 1), W, of(0), mode="sum", per_sample_weights=m.ones(2)), RuntimeError, "dtype"),
    (lambda: F.embedding_bag(of(0, 1), W, of(0), mode="sum", per_sample_weights=m.ones(3)), ValueError, "same shape"),
    (lambda: F.embedding_bag(of(0, 1), W, of(0), padding_idx=6), RuntimeError, "padding_idx"),
    (
        lambda: F.embedding_bag(of(0, 1), W, m.zeros(0, dtype=m.int64), include_last_offset=True),
        RuntimeError,
        "at least 1",
    ),
    (lambda: nn.EmbeddingBag(3, 2, sparse=True), NotImplementedError, "sparse"),
    (lambda: nn.Embedding(3, 2, _weight=m.ones(2, 2)), AssertionError, "shape"),
    (lambda: nn.EmbeddingBag(3, 2, padding_idx=-4), AssertionError, "padding_idx"),
    (lambda: nn.Embedding.from_pretrained(m.ones(3)), AssertionError, "2-dimensional"),
]


@pytest.mark.parametrize("call,kind,piece", ERRORS, ids=range(len(ERRORS)))
def test_wrong_calls(call, kind, piece):
    """PyTorch's class, and what was wrong."""
    with pytest.raises(kind) as info:
        call()
    assert piece in str(info.value)


def test_bilinear():
    """Every pair of features, with and without batches and bias, to second order; integers as floats."""
    x, y, w, b = (RNG.standard_normal(s) for s in ((2, 4, 3), (2, 4, 2), (5, 3, 2), (5,)))
    expected = np.einsum("abi,kij,abj->abk", x, w, y)
    tensors = [m.tensor(v, requires_grad=True) for v in (x, y, w, b)]
    np.testing.assert_allclose(F.bilinear(*tensors).detach().numpy(), expected + b)
    np.testing.assert_allclose(F.bilinear(*tensors[:3])[1, 2].detach().numpy(), expected[1, 2])
    np.testing.assert_allclose(
        F.bilinear(tensors[0][0, 0], tensors[1][0, 0], tensors[2]).detach().numpy(), expected[0, 0]
    )
    small = [m.tensor(v, requires_grad=True) for v in (x[0, :2], y[0, :2], w[:2], b[:2])]
    assert m.autograd.gradcheck(F.bilinear, small) and m.autograd.gradgradcheck(F.bilinear, small)
    assert F.bilinear(m.tensor([2]), m.tensor([3]), m.tensor([[[4]]])).tolist() == [24]
    layer = nn.Bilinear(3, 2, 5)
    assert (layer.weight.abs() <= 3**-0.5).all() and layer(m.ones(4, 3), m.ones(4, 2)).shape == (4, 5)
    assert repr(layer) == "Bilinear(in1_features=3, in2_features=2, out_features=5, bias=True)"
    for args, kind in (
        ((m.ones(2, 3), m.ones(3, 2), m.ones(5, 3, 2)), RuntimeError),
        ((m.ones(2, 3), m.ones(2, 3), m.ones(5, 3, 2)), RuntimeError),
        ((m.ones(2, 3), m.ones(2, 2), m.ones(5, 3)), IndexError),
        ((m.ones(2, 3), m.ones(2, 2), m.ones(5, 3, 2), m.ones(3)), RuntimeError),
    ):
        with pytest.raises(kind):
            F.bilinear(*args)
