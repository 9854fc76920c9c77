"""Recurrent layers over whole sequences, and the cells that make a single step."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..autograd.following import step
from ..autograd.tape import wrap
from ..ops import recurrent
from ..ops.dims import whole
from ..ops.index import getitem
from ..ops.join import cat, stack
from ..ops.shape import reshape, squeeze, standalone, transpose, unsqueeze
from . import functional as F
from . import init
from .module import Module
from .parameter import new_parameter
from .utils.rnn import PackedSequence

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _draw(module: Module, hidden_size: int) -> None:
    """All parameters uniformly from [-b, b), b = 1 / sqrt(hidden_size), in the order of their names."""
    bound = 1 / math.sqrt(hidden_size) if hidden_size > 0 else 0
    for weight in module.parameters():
        init.uniform_(weight, -bound, bound)


class RNNBase(Module):
    """`RNN`, `LSTM` and `GRU` but for the cell, which `mode` names: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU".

    Layer k, backwards with the suffix "_reverse", has weight_ih_lk (gates * hidden_size, features) and weight_hh_lk
    (gates * hidden_size, P), with `bias` bias_ih_lk and bias_hh_lk, with `proj_size` weight_hr_lk (P, hidden_size). P
    is proj_size or, without one, hidden_size. Raises TypeError and ValueError for settings that cannot be.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check_settings(mode, input_size, hidden_size, num_layers, bias, dropout, proj_size)
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        self._names: list[list[str]] = []
        gates, given = GATES[mode] * hidden_size, proj_size or hidden_size
        for layer in range(num_layers):
            features = given * (1 + bool(bidirectional)) if layer else input_size
            for suffix in ("", "_reverse") if bidirectional else ("",):
                shapes: dict[str, tuple] = {"weight_ih": (gates, features), "weight_hh": (gates, given)}
                shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)} if bias else {}
                shapes |= {"weight_hr": (proj_size, hidden_size)} if proj_size else {}
                self._names.append([f"{name}_l{layer}{suffix}" for name in shapes])
                for name, shape in zip(self._names[-1], shapes.values(), strict=True):
                    self.register_parameter(name, new_parameter(*shape, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters uniformly from [-b, b), b = 1 / sqrt(hidden_size)."""
        _draw(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Does nothing: the parameters are read where they are."""

    @property
    def all_weights(self) -> list[list[Any]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._names]

    def extra_repr(self) -> str:
        """Sizes, and the settings that are not the default."""
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        changed = [f", {n}={getattr(self, n)}" for n, default in defaults.items() if getattr(self, n) != default]
        return f"{self.input_size}, {self.hidden_size}" + "".join(changed)

    # ------------------------------------------------------------------------------------------------------ the forward
    def _state_shapes(self, batch: int) -> list[tuple]:
        """The shapes of h and, of an LSTM, c."""
        count = self.num_layers * (1 + bool(self.bidirectional))
        shapes = [(count, batch, self.proj_size or self.hidden_size)]
        return [*shapes, (count, batch, self.hidden_size)] if self.mode == "LSTM" else shapes

    def _states(self, hx: Any, batched: bool, batch: int) -> list[Any] | None:
        """h and, of an LSTM, c, of a batch; None for none. Raises what PyTorch does for others."""
        if hx is None:
            return None
        states, lstm = [hx], self.mode == "LSTM"
        if lstm:
            if not isinstance(hx, tuple | list):
                raise TypeError(f"LSTM: hx must be a pair of Tensors (h_0, c_0), but got {type(hx).__name__}")
            if len(hx) != 2:
                raise RuntimeError(f"lstm expects two hidden states, but got {len(hx)}")
            states = list(hx)
        for state in states:
            if not hasattr(state, "array"):
                raise AttributeError(f"{type(self).__name__}: hx must be a Tensor, but got {type(state).__name__}")
        ranks, rank = [state.array.ndim for state in states], 3 if batched else 2
        if any(n != rank for n in ranks):
            found = f"({ranks[0]}-D, {ranks[1]}-D) tensors" if lstm else f"{ranks[0]}-D tensor"
            raise RuntimeError(
                f"For {'batched 3-D' if batched else 'unbatched 2-D'} input, hx {'and cx ' * lstm}should also be "
                f"{rank}-D but got {found}"
            )
        if not batched:
            states = [unsqueeze(state, 1) for state in states]
        for i, (state, shape) in enumerate(zip(states, self._state_shapes(batch), strict=True)):
            if state.array.shape != shape:
                raise RuntimeError(
                    f"Expected hidden{f'[{i}]' if lstm else ''} size {shape}, got {list(state.array.shape)}"
                )
            if state.array.dtype != self._dtype:
                raise RuntimeError(
                    f"{type(self).__name__}: hidden states must have the dtype of the weights, "
                    f"{self._dtype}, but one has {state.array.dtype}: expected the same dtype"
                )
        return states

    @property
    def _dtype(self) -> np.dtype:
        return getattr(self, self._names[0][0]).array.dtype

    @step("recurrent")
    def forward(self, input: Any, hx: Any = None) -> tuple:
        """(output, h_n), or (output, (h_n, c_n)) of an LSTM.

        input (T, B, input_size), or (B, T, input_size) if `batch_first`, or (T, input_size), or a PackedSequence; hx
        the first states (layers * directions, B, P), zeros if None. Raises ValueError for other ranks or another dtype,
        RuntimeError for other sizes.
        """
        if isinstance(input, PackedSequence):
            data, batch_sizes, order, back = input
            self._check(data)
            sizes = tuple(batch_sizes.array.tolist())
            states = self._states(hx, True, sizes[0])
            if states is not None and order is not None:
                states = [getitem(state, key=(slice(None), order.array)) for state in states]
            rows, last = self._run(data, sizes, states)
            if back is not None:
                last = [getitem(state, key=(slice(None), back.array)) for state in last]
            return PackedSequence(rows, batch_sizes, order, back), _as_hidden(last)
        name = type(self).__name__
        if not hasattr(input, "array"):
            raise AttributeError(f"{name}: input must be a Tensor or a PackedSequence, but got {type(input).__name__}")
        ndim = input.array.ndim
        if ndim not in (2, 3):
            raise ValueError(f"{name}: Expected input to be 2D or 3D, got {ndim}D tensor instead")
        self._check(input)
        batched = ndim == 3
        x = unsqueeze(input, 1) if not batched else transpose(input, 0, 1) if self.batch_first else input
        steps, batch, features = x.array.shape
        states = self._states(hx, batched, batch)
        if not steps:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        rows, last = self._run(reshape(x, shape=(steps * batch, features)), (batch,) * steps, states)
        out = reshape(rows, shape=(steps, batch, rows.array.shape[1]))
        if not batched:
            return standalone(squeeze(out, 1)), _as_hidden([standalone(squeeze(state, 1)) for state in last])
        return standalone(transpose(out, 0, 1) if self.batch_first else out), _as_hidden(last)

    def _check(self, x: Any) -> None:
        if x.array.dtype != self._dtype:
            raise ValueError(
                f"RNN input dtype ({x.dtype}) does not match weight dtype ({getattr(self, self._names[0][0]).dtype}). "
                "Convert input: input.to(weight dtype), or convert model: model.to(input dtype)"
            )
        if x.array.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {x.array.shape[-1]}"
            )

    def _run(self, rows: Any, sizes: tuple, states: list | None) -> tuple[Any, list]:
        """The outputs (N, directions * P) of rows (N, features), and the last states of all layers."""
        last: list[list] = []
        directions = 1 + bool(self.bidirectional)
        shapes = [shape[1:] for shape in self._state_shapes(sizes[0])]
        for layer in range(self.num_layers):
            if layer and self.dropout:
                rows = F.dropout(rows, self.dropout, self.training)
            outputs = []
            for direction in range(directions):
                k = layer * directions + direction
                if states is None:
                    begin = [wrap(np.zeros(shape, self._dtype)) for shape in shapes]
                else:
                    begin = [getitem(state, key=(k,)) for state in states]
                out, *end = self._layer(rows, begin, k, sizes, direction == 1)
                outputs.append(out)
                last.append(end)
            rows = outputs[0] if len(outputs) == 1 else cat(outputs, 1)
        return rows, [stack(ends) for ends in zip(*last, strict=True)]

    def _layer(self, rows: Any, begin: list, k: int, sizes: tuple, reverse: bool) -> list:
        """Outputs and last states of one layer in one direction."""
        weights = [getattr(self, name) for name in self._names[k]]
        projection = weights.pop() if self.proj_size else None
        if not self.bias:
            weights += [None, None]
        shapes = [state.array.shape for state in begin]
        if self.mode == "LSTM":
            flat = recurrent.lstm(rows, *begin, *weights, projection, sizes=sizes, reverse=reverse)
        elif self.mode == "GRU":
            flat = recurrent.gru(rows, *begin, *weights, sizes=sizes, reverse=reverse)
        else:
            relu = self.mode == "RNN_RELU"
            flat = recurrent.rnn(rows, *begin, *weights, sizes=sizes, reverse=reverse, relu=relu)
        return recurrent.pieces(flat, len(rows.array), *shapes)


def _as_hidden(states: list) -> Any:
    return states[0] if len(states) == 1 else tuple(states)


def _check_settings(
    mode: str, input_size: Any, hidden_size: Any, num_layers: Any, bias: Any, dropout: Any, proj_size: Any
) -> None:
    if mode not in GATES:
        raise ValueError(f"Unrecognized RNN mode: {mode}")
    if not isinstance(dropout, int | float) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element being zeroed, but "
            f"is {dropout!r}"
        )
    for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
        if not isinstance(size, int):
            raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
        if size <= 0:
            raise ValueError(f"{name} must be greater than zero, but is {size}")
    if whole(num_layers, "num_layers") <= 0:
        raise ValueError(f"num_layers must be greater than zero, but is {num_layers}")
    if not isinstance(bias, bool):
        raise TypeError(f"bias should be of type bool, got: {type(bias).__name__}")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError(f"proj_size has to be smaller than hidden_size {hidden_size}, but is {proj_size}")
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers "
            f"greater than 1, but got dropout={dropout} and num_layers={num_layers}",
            stacklevel=4,
        )


def _refuse_projection(settings: dict) -> None:
    if "proj_size" in settings:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")


class RNN(RNNBase):
    """h' = tanh(x @ weight_ihT + bias_ih + h @ weight_hhT + bias_hh) along a sequence; or relu, by `nonlinearity`.

    >>> import minitorch
    >>> out, h_n = minitorch.nn.RNN(3, 4, num_layers=2)(minitorch.ones(7, 5, 3))
    >>> out.shape, h_n.shape
    (minitorch.Size([7, 5, 4]), minitorch.Size([2, 5, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        *args: Any,
        **kwargs: Any,
    ) -> None:
        _refuse_projection(kwargs)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(f"RNN_{nonlinearity.upper()}", input_size, hidden_size, num_layers, *args, **kwargs)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory along a sequence: c' = f c + i g, h' = o tanh(c').

    i, f and o are sigmoids of x @ weight_ihT + bias_ih + h @ weight_hhT + bias_hh, g the tanh of it; the rows of the
    weights are in the order i, f, g, o. With proj_size, h' @ weight_hrT stands in place of h'.

    >>> import minitorch
    >>> out, (h_n, c_n) = minitorch.nn.LSTM(3, 4, bidirectional=True)(minitorch.ones(7, 5, 3))
    >>> out.shape, h_n.shape, c_n.shape
    (minitorch.Size([7, 5, 8]), minitorch.Size([2, 5, 4]), minitorch.Size([2, 5, 4]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)


class GRU(RNNBase):
    """Gated recurrent units along a sequence: h' = (1 - z) n + z h.

    r and z are sigmoids of x @ weight_ihT + bias_ih + h @ weight_hhT + bias_hh; n is the tanh of the same sum, of whose
    second half r is a factor. The rows of the weights are in the order r, z, n.

    >>> import minitorch
    >>> out, h_n = minitorch.nn.GRU(3, 4, batch_first=True)(minitorch.ones(5, 7, 3))
    >>> out.shape, h_n.shape
    (minitorch.Size([5, 7, 4]), minitorch.Size([1, 5, 4]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _refuse_projection(kwargs)
        super().__init__("GRU", *args, **kwargs)


# --------------------------------------------------------------------------------------------------------- single steps
class RNNCellBase(Module):
    """`RNNCell`, `LSTMCell` and `GRUCell` but for the formula.

    weight_ih (num_chunks * hidden_size, input_size), weight_hh (num_chunks * hidden_size, hidden_size); two biases.
    """

    bias_ih: Any
    bias_hh: Any

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        input_size, hidden_size = whole(input_size, "input_size"), whole(hidden_size, "hidden_size")
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = num_chunks * hidden_size
        self.weight_ih = new_parameter(rows, input_size, device=device, dtype=dtype)
        self.weight_hh = new_parameter(rows, hidden_size, device=device, dtype=dtype)
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, new_parameter(rows, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters uniformly from [-b, b), b = 1 / sqrt(hidden_size)."""
        _draw(self, self.hidden_size)

    def extra_repr(self) -> str:
        """Sizes, and the settings that are not the default."""
        text = f"{self.input_size}, {self.hidden_size}" + ("" if self.bias is True else f", bias={self.bias}")
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        return text if nonlinearity == "tanh" else f"{text}, nonlinearity={nonlinearity}"

    def _step(self, cell: Any, input: Any, states: list, lstm: bool = False) -> Any:
        """`cell` of input and states, each (B, *) or without the batch; states are zeros where they are None."""
        name = type(self).__name__
        for i, x in enumerate([input, *states]):
            if x is None and i:
                continue
            if not hasattr(x, "array"):
                raise AttributeError(f"{name}: expected Tensors, but got {type(x).__name__}")
            if x.array.ndim not in (1, 2):
                what = "input" if i == 0 else f"hx[{i - 1}]" if lstm else "hidden"
                raise ValueError(f"{name}: Expected {what} to be 1D or 2D, got {x.array.ndim}D instead")
        batched = input.array.ndim == 2
        x = input if batched else unsqueeze(input, 0)
        if states[0] is None:
            states = [wrap(np.zeros((len(x.array), self.hidden_size), x.array.dtype)) for _ in states]
        else:
            states = [state if batched else unsqueeze(state, 0) for state in states]
        for state in states:
            if state.array.ndim == 2 and state.array.shape[1] != self.hidden_size:
                raise RuntimeError(
                    f"{name}: hidden has inconsistent hidden_size: got {state.array.shape[1]}, expected "
                    f"{self.hidden_size}"
                )
            if state.array.ndim != 2 or len(state.array) != len(x.array):
                raise RuntimeError(
                    f"{name}: Input batch size {len(x.array)} doesn't match hidden batch size {len(state.array)}; "
                    f"input {input.array.shape}, hidden {state.array.shape}"
                )
        found = cell(
            x, tuple(states) if lstm else states[0], self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        )
        if batched:
            return found
        return tuple(standalone(squeeze(y, 0)) for y in found) if lstm else standalone(squeeze(found, 0))


class RNNCell(RNNCellBase):
    """One step of `RNN`: input (B, input_size) and hx (B, hidden_size), or both without B, to the next state."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The next state; hx is zeros if None. Raises RuntimeError for a nonlinearity but "tanh" and "relu"."""
        cells = {"tanh": recurrent.rnn_tanh_cell, "relu": recurrent.rnn_relu_cell}
        if self.nonlinearity not in cells:
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._step(cells[self.nonlinearity], input, [hx])


class LSTMCell(RNNCellBase):
    """One step of `LSTM`: input (B, input_size) and a pair of (B, hidden_size), or all without B, to the next pair."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> tuple:
        """(h', c'); the states are zeros if hx is None."""
        if hx is not None and not (isinstance(hx, tuple | list) and len(hx) == 2):
            raise TypeError(f"LSTMCell: hx must be a pair of Tensors (h, c), but got {type(hx).__name__}")
        return self._step(recurrent.lstm_cell, input, [None, None] if hx is None else list(hx), lstm=True)


class GRUCell(RNNCellBase):
    """One step of `GRU`: input (B, input_size) and hx (B, hidden_size), or both without B, to the next state."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The next state; hx is zeros if None."""
        return self._step(recurrent.gru_cell, input, [hx])
