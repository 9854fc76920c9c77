"""Recurrent layers and packed sequences: values by hand and by NumPy loops, states, names, wrong calls."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import minitorch as m
from minitorch import nn
from minitorch.nn.utils import rnn

KINDS = ["RNN", "LSTM", "GRU"]


def draw(*shape: int) -> Any:
    """A float64 tensor, always the same for a shape."""
    return m.from_numpy(np.random.default_rng(len(shape)).standard_normal(shape))


def state(kind: str, count: int, batch: int, units: int = 4) -> Any:
    """First states of a layer."""
    h = draw(count, batch, units)
    return (h, draw(count, batch, units) * 2) if kind == "LSTM" else h


def parts(hidden: Any) -> list:
    """h_n, or h_n and c_n."""
    return list(hidden) if isinstance(hidden, tuple) else [hidden]


def filled(layer: Any, value: float) -> Any:
    """The layer with all parameters equal."""
    for p in layer.parameters():
        nn.init.constant_(p, value)
    return layer


def test_values_by_hand() -> None:
    """One unit, all weights and biases 1/2, the input 1 and then -1: numbers from the formulas, to ten digits."""

    def s(a: float) -> float:
        return 1 / (1 + np.exp(-a))

    x = m.tensor([[1.0], [-1.0]], dtype=m.float64)
    first = np.tanh(1.5)
    second = np.tanh(0.5 + first / 2)
    out, last = filled(nn.RNN(1, 1).double(), 0.5)(x)
    np.testing.assert_allclose(out.array[:, 0], [first, second], rtol=1e-12)
    np.testing.assert_allclose(last.array, [[second]], rtol=1e-12)
    c = s(1.5) * np.tanh(1.5)
    h = s(1.5) * np.tanh(c)
    a = 0.5 + h / 2
    c2 = s(a) * c + s(a) * np.tanh(a)
    out, (last, cell) = filled(nn.LSTM(1, 1).double(), 0.5)(x)
    np.testing.assert_allclose(out.array[:, 0], [h, s(a) * np.tanh(c2)], rtol=1e-12)
    np.testing.assert_allclose(cell.array, [[c2]], rtol=1e-12)
    h = (1 - s(1.5)) * np.tanh(1 + 0.5 * s(1.5))
    z = s(0.5 + h / 2)
    new = np.tanh(z * (h / 2 + 0.5))
    out, last = filled(nn.GRU(1, 1).double(), 0.5)(x)
    np.testing.assert_allclose(out.array[:, 0], [h, (1 - z) * new + z * h], rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_its_cell_along_a_sequence(kind: str) -> None:
    """Outputs, last states and gradients are those of single steps with the same weights."""
    layer, cell = getattr(nn, kind)(3, 4).double(), getattr(nn, f"{kind}Cell")(3, 4).double()
    cell.load_state_dict({name.removesuffix("_l0"): p for name, p in layer.state_dict().items()})
    x = draw(5, 2, 3)
    out, last = layer(x, state(kind, 1, 2))
    hx: Any = tuple(s[0] for s in parts(state(kind, 1, 2)))
    outputs = []
    for step in range(5):
        hx = cell(x[step], hx if kind == "LSTM" else hx[0])
        hx = hx if kind == "LSTM" else (hx,)
        outputs.append(hx[0])
    np.testing.assert_allclose(out.array, m.stack(outputs).array, rtol=1e-12)
    for a, b in zip(parts(last), hx, strict=True):
        np.testing.assert_allclose(a.array[0], b.array, rtol=1e-12)
    (out**2).sum().backward()
    (m.stack(outputs) ** 2).sum().backward()
    for p, q in zip(layer.parameters(), cell.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.array, q.grad.array, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_two_directions_are_two_layers(kind: str) -> None:
    """The second half of the output is that of a layer that reads the sequence backwards."""
    both = getattr(nn, kind)(3, 4, bidirectional=True).double()
    back = getattr(nn, kind)(3, 4).double()
    back.load_state_dict(
        {n.removesuffix("_reverse"): p for n, p in both.state_dict().items() if n.endswith("_reverse")}
    )
    x = draw(6, 2, 3)
    out, last = both(x)
    other, end = back(m.flip(x, [0]))
    np.testing.assert_allclose(out.array[..., 4:], m.flip(other, [0]).array, rtol=1e-12)
    for a, b in zip(parts(last), parts(end), strict=True):
        np.testing.assert_allclose(a.array[1], b.array[0], rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", [[5, 4, 1], [2, 5, 3]])
def test_packed_sequences_are_as_each_by_itself(kind: str, lengths: list[int]) -> None:
    """Two layers in two directions give each sequence of a packed batch what they give it alone, in its place."""
    layer = getattr(nn, kind)(3, 4, 2, bidirectional=True).double()
    x, hx = draw(5, 3, 3), state(kind, 4, 3)
    packed = rnn.pack_padded_sequence(x, lengths, enforce_sorted=lengths[0] == 5)
    out, last = layer(packed, hx)
    padded, found = rnn.pad_packed_sequence(out)
    assert found.tolist() == lengths
    for i, n in enumerate(lengths):
        begin = [s[:, i : i + 1] for s in parts(hx)]
        alone, end = layer(x[:n, i : i + 1], tuple(begin) if kind == "LSTM" else begin[0])
        np.testing.assert_allclose(padded.array[:n, i], alone.array[:, 0], rtol=1e-12)
        assert not padded.array[n:, i].any()
        for a, b in zip(parts(last), parts(end), strict=True):
            np.testing.assert_allclose(a.array[:, i], b.array[:, 0], rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_batch_first_and_without_a_batch(kind: str) -> None:
    """Both are the same numbers in another order."""
    layer = getattr(nn, kind)(3, 4, 2).double()
    turned = getattr(nn, kind)(3, 4, 2, batch_first=True).double()
    turned.load_state_dict(layer.state_dict())
    x, hx = draw(5, 2, 3), state(kind, 2, 2)
    out, last = layer(x, hx)
    again, end = turned(m.transpose(x, 0, 1), hx)
    np.testing.assert_array_equal(out.array, again.array.swapaxes(0, 1))
    alone, single = layer(x[:, 0], tuple(s[:, 0] for s in hx) if kind == "LSTM" else hx[:, 0])
    assert alone.shape == (5, 4)
    np.testing.assert_allclose(alone.array, out.array[:, 0], rtol=1e-12)
    for a, b, c in zip(parts(last), parts(end), parts(single), strict=True):
        np.testing.assert_array_equal(a.array, b.array)
        np.testing.assert_allclose(c.array, a.array[:, 0], rtol=1e-12)


def test_projections() -> None:
    """With the identity's first rows for weight_hr, the output is the first of the cells' numbers."""
    layer = nn.LSTM(3, 4, proj_size=2).double()
    with m.no_grad():
        layer.weight_hr_l0.copy_(m.from_numpy(np.eye(2, 4)))
        layer.weight_hh_l0.zero_()
    plain = nn.LSTM(3, 4).double()
    with m.no_grad():
        for name in ("weight_ih_l0", "bias_ih_l0", "bias_hh_l0"):
            getattr(plain, name).copy_(getattr(layer, name))
        plain.weight_hh_l0.zero_()
    x = draw(5, 2, 3)
    out, (h, c) = layer(x)
    wide, (_, same) = plain(x)
    assert (h.shape, c.shape) == ((1, 2, 2), (1, 2, 4))
    np.testing.assert_allclose(out.array, wide.array[..., :2], rtol=1e-12)
    np.testing.assert_allclose(c.array, same.array, rtol=1e-12)


def test_dropout_is_between_layers_in_training_only() -> None:
    """With everything dropped, the second layer sees zeros; in evaluation nothing is dropped, and with one layer neither."""
    layer = nn.GRU(3, 4, 2, dropout=1.0).double()
    x = draw(5, 2, 3)
    out, last = layer(x)
    other, end = layer(x * 2)
    np.testing.assert_array_equal(out.array, other.array)
    assert not np.array_equal(last.array[0], end.array[0])
    layer.eval()
    assert not np.array_equal(layer(x)[0].array, layer(x * 2)[0].array)
    with pytest.warns(UserWarning, match="num_layers greater than 1"):
        nn.RNN(3, 4, dropout=0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_of_derivatives(kind: str) -> None:
    """A penalty on the gradient at the input, which depends on all weights, against differences."""
    layer = getattr(nn, kind)(2, 3, bidirectional=True).double()
    x, names = draw(3, 2, 2).requires_grad_(), dict(layer.named_parameters())

    def penalty() -> Any:
        out, last = layer(x)
        (g,) = m.autograd.grad((out**2).sum() + parts(last)[-1].sum(), x, create_graph=True)
        return (g**2).sum()

    penalty().backward()
    for name, p in names.items():
        at, step = (0,) * p.ndim, 1e-6
        values = []
        for sign in (1, -1):
            with m.no_grad():
                p[at] += sign * step
            values.append(penalty().item())
            with m.no_grad():
                p[at] -= sign * step
        assert p.grad[at].item() == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5, abs=1e-7), name


@pytest.mark.parametrize("kind", KINDS)
def test_results_may_change_in_place(kind: str) -> None:
    """Outputs and last states are memory of their own: changing one spoils neither gradients nor the others."""
    layer, x = getattr(nn, kind)(3, 4).double(), draw(5, 2, 3).requires_grad_()
    out, last = layer(x)
    (expected,) = m.autograd.grad((2 * out).sum() + (parts(last)[0] ** 2).sum(), x)
    out, last = layer(x)
    square = (parts(last)[0] ** 2).sum()
    out.mul_(2)
    np.testing.assert_array_equal(out.array[-1], 2 * parts(last)[0].array[0])
    (found,) = m.autograd.grad(out.sum() + square, x)
    np.testing.assert_allclose(found.array, expected.array, rtol=1e-12)


def test_names_and_first_values() -> None:
    """Parameters are named and ordered as PyTorch's, and drawn within 1 / sqrt(units)."""
    layer = nn.LSTM(3, 16, 2, bidirectional=True, proj_size=2)
    one = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"]
    assert list(layer.state_dict()) == [f"{n}_l{i}{s}" for i in (0, 1) for s in ("", "_reverse") for n in one]
    assert layer.weight_ih_l1.shape == (64, 4)
    assert layer.all_weights[1][4] is layer.weight_hr_l0_reverse
    values = np.concatenate([p.array.ravel() for p in layer.parameters()])
    assert np.abs(values).max() <= 0.25
    assert values.std() == pytest.approx(0.25 / np.sqrt(3), rel=0.1)
    assert list(nn.GRUCell(3, 4, bias=False).state_dict()) == ["weight_ih", "weight_hh"]


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (lambda: nn.RNN(3, 4, nonlinearity="relu"), "RNN(3, 4)"),
        (
            lambda: nn.LSTM(3, 4, 2, False, True, 0.1, True, 2),
            "LSTM(3, 4, proj_size=2, num_layers=2, bias=False, batch_first=True, dropout=0.1, bidirectional=True)",
        ),
        (lambda: nn.RNNCell(3, 4, False, "relu"), "RNNCell(3, 4, bias=False, nonlinearity=relu)"),
        (lambda: nn.LSTMCell(3, 4), "LSTMCell(3, 4)"),
    ],
)
def test_repr(layer: Any, text: str) -> None:
    """Layers print as PyTorch's do."""
    assert repr(layer()) == text


# ---------------------------------------------------------------------------------------------------------- nn.utils.rnn
def test_packing_by_hand() -> None:
    """Steps follow each other without padding; the order is undone."""
    a, b, c = m.tensor([1, 2]), m.tensor([3, 4, 5]), m.tensor([6])
    packed = rnn.pack_sequence([a, b, c], enforce_sorted=False)
    assert packed.data.tolist() == [3, 1, 6, 4, 2, 5]
    assert packed.batch_sizes.tolist() == [3, 2, 1]
    assert packed.sorted_indices.tolist() == [1, 0, 2]
    assert packed.unsorted_indices.tolist() == [1, 0, 2]
    assert [s.tolist() for s in rnn.unpack_sequence(packed)] == [[1, 2], [3, 4, 5], [6]]
    padded, lengths = rnn.pad_packed_sequence(packed, batch_first=True, padding_value=-1, total_length=4)
    assert padded.tolist() == [[1, 2, -1, -1], [3, 4, 5, -1], [6, -1, -1, -1]]
    assert lengths.tolist() == [2, 3, 1]
    assert rnn.pad_sequence([a, b]).tolist() == [[1, 3], [2, 4], [0, 5]]
    assert rnn.pad_sequence([a, b], True, 9, "left").tolist() == [[9, 1, 2], [3, 4, 5]]
    assert [s.tolist() for s in rnn.unpad_sequence(padded, lengths, batch_first=True)] == [[1, 2], [3, 4, 5], [6]]
    assert packed.double().data.dtype is m.float64
    assert packed.cpu() is packed
    assert not packed.is_cuda


def test_padding_gets_no_gradient() -> None:
    """The gradient of a packed batch reaches the steps that are there."""
    x = draw(3, 2, 1).requires_grad_()
    rnn.pack_padded_sequence(x, [3, 1]).data.sum().backward()
    assert x.grad.array[..., 0].tolist() == [[1, 1], [1, 0], [1, 0]]


ERRORS = [
    (lambda: nn.RNN(3, 4, nonlinearity="x"), ValueError, "Unknown nonlinearity 'x'"),
    (lambda: nn.GRU(3, 4, proj_size=2), ValueError, "only supported for LSTM"),
    (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "smaller than hidden_size"),
    (lambda: nn.LSTM(3, 0), ValueError, "hidden_size must be greater than zero"),
    (lambda: nn.LSTM(3, 4.0), TypeError, "hidden_size should be of type int, got: float"),
    (lambda: nn.LSTM(3, 4, 0), ValueError, "num_layers must be greater than zero"),
    (lambda: nn.LSTM(3, 4, dropout=2), ValueError, "dropout should be a number in range"),
    (lambda: nn.RNNBase("XX", 3, 4), ValueError, "Unrecognized RNN mode: XX"),
    (lambda: nn.GRU(3, 4)(m.ones(2, 5, 7)), RuntimeError, "Expected 3, got 7"),
    (lambda: nn.GRU(3, 4)(m.ones(3)), ValueError, "Expected input to be 2D or 3D, got 1D"),
    (lambda: nn.GRU(3, 4)(m.ones(0, 5, 3)), RuntimeError, "sequence length to be larger than 0"),
    (lambda: nn.GRU(3, 4)(m.ones(2, 5, 3).double()), ValueError, "does not match weight dtype"),
    (lambda: nn.GRU(3, 4)(m.ones(2, 5, 3), m.ones(2, 5, 4)), RuntimeError, r"Expected hidden size \(1, 5, 4\), got"),
    (lambda: nn.GRU(3, 4)(m.ones(2, 5, 3), m.ones(5, 4)), RuntimeError, "hx should also be 3-D but got 2-D"),
    (
        lambda: nn.LSTM(3, 4)(m.ones(5, 3), (m.ones(1, 1, 4),) * 2),
        RuntimeError,
        r"hx and cx should also be 2-D but got \(3",
    ),
    (lambda: nn.LSTM(3, 4)(m.ones(2, 5, 3), (m.ones(1, 5, 4),) * 3), RuntimeError, "expects two hidden states"),
    (lambda: nn.GRUCell(3, 4)(m.ones(2, 7)), RuntimeError, "inconsistent input_size: got 7 expected 3"),
    (lambda: nn.GRUCell(3, 4)(m.ones(2, 3), m.ones(3, 4)), RuntimeError, "Input batch size 2 doesn't match"),
    (lambda: nn.GRUCell(3, 4)(m.ones(2, 3, 3)), ValueError, "Expected input to be 1D or 2D, got 3D"),
    (lambda: m.lstm_cell(m.ones(2, 3), m.ones(2, 4), m.ones(16, 3), m.ones(16, 4)), TypeError, "must be a pair"),
    (lambda: m.gru_cell(m.ones(2, 3), m.ones(2, 4), m.ones(16, 3), m.ones(16, 4)), RuntimeError, "hidden_size"),
    (lambda: rnn.pack_padded_sequence(m.ones(4, 3), [4, 3]), RuntimeError, "to be equal to batch_size, but got 2"),
    (lambda: rnn.pack_padded_sequence(m.ones(4, 3), [4, 3, 0]), RuntimeError, "has to be greater than 0"),
    (lambda: rnn.pack_padded_sequence(m.ones(4, 3), [2, 3, 1]), RuntimeError, "must be sorted in decreasing order"),
    (lambda: rnn.pack_padded_sequence(m.ones(4, 3), [5, 3, 1]), RuntimeError, "at most 4"),
    (lambda: rnn.pad_sequence([]), RuntimeError, "received an empty list of sequences"),
    (lambda: rnn.pad_sequence([m.ones(2, 2), m.ones(2, 3)]), RuntimeError, "must match the size"),
    (lambda: rnn.pad_packed_sequence(rnn.pack_sequence([m.ones(3)]), total_length=2), ValueError, "total_length=2"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS)
def test_wrong_calls(call: Any, error: type, message: str) -> None:
    """PyTorch's classes, and what they say."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error, match=message):
            call()
