"""Recurrent layers: a whole sequence through one layer, in one direction, is one primitive.

A batch of B sequences is `rows` (N, features): those of the first step, then those of the second, ... `sizes` says how
many each step has. They never grow: sequences are sorted by length, so step t has the first sizes[t] of them. With
`reverse` the steps run from the last to the first, and a sequence begins where it ends otherwise. A result is one
vector, in which the outputs (N, P) and the last states follow each other; `pieces` cuts it.

Forward, the products of all inputs are one matrix product, and each step adds that of its state. Backward, let a step
receive dh for its h and dc for its c: from the output, and from the step that ran after it. Each cell says what the
sums before its nonlinearities receive, d; then the state before receives d @ w_hh (and what the cell hands on
directly), and when all d are known, one product for all steps gives the gradient of each weight:

    gx = d @ w_ih,   gw_ih = dT @ x,   gw_hh = dT @ (the h that each step began with),   gb = sum(d)

With s' = s (1 - s) for a sigmoid s and t' = 1 - t^2 for a tangent t, the cells are

    RNN    h' = tanh(a)                                      d = dh t'  (or dh where h' > 0)
    LSTM   c' = f c + i g,  h' = o tanh(c')                  dc += dh o tanh'(c');  di = dc g i',  df = dc c f',
                                                             dg = dc i g',  do = dh tanh(c') o';  c receives dc f
    GRU    n = tanh(a + r q),  h' = n + z (h - n)            dn = dh (1 - z) n',  dz = dh (h - n) z',  dr = dn q r';
                                                             q = h @ w + b receives dn r, and h beside it dh z

An LSTM with w_hr hands on h' @ w_hrT in place of h'. Derivatives that are recorded run the steps again, in tensor
operations, and differentiate those.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import kernels
from ..autograd import Primitive, Variable, enable_grad, grad, primitive
from ..autograd.following import step
from ..autograd.parameters import Parameters
from ..autograd.primitive import identity
from . import activation, collapse
from .dims import no_tensor
from .index import getitem
from .join import concatenate, narrow
from .layout import absent
from .linalg import affine, linear
from .names import public
from .pointwise import tanh
from .shape import reshape, standalone


# ------------------------------------------------------------------------------------------------------- what all share
def _steps(sizes: tuple, reverse: bool) -> list[tuple[slice, int]]:
    """For each step, in the order in which they run: its rows, and how many."""
    stops = np.cumsum(sizes).tolist()
    steps = [(slice(stop - n, stop), n) for stop, n in zip(stops, sizes, strict=True)]
    return steps[::-1] if reverse else steps


def _starts(sizes: tuple) -> np.ndarray:
    """The first row of each step, and the number of rows."""
    return np.cumsum((0, *sizes))


def _room(rows: int, *states: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """The vector of a result, the outputs in it, and the states in it, which begin as these."""
    flat = kernels.empty((rows * states[0].shape[1] + sum(s.size for s in states),), states[0].dtype)
    out, *last = _cut(flat, [(rows, states[0].shape[1]), *[s.shape for s in states]])
    for place, state in zip(last, states, strict=True):
        place[...] = state
    return flat, out, last


def _cut(flat: np.ndarray, shapes: list[tuple]) -> list[np.ndarray]:
    ends = np.cumsum([n * width for n, width in shapes]).tolist()
    return [flat[end - n * width : end].reshape(n, width) for end, (n, width) in zip(ends, shapes, strict=True)]


def pieces(flat: Any, rows: int, *states: tuple) -> list[Any]:
    """The outputs (rows, P), and the last states of these shapes, of which the first is (B, P)."""
    out, start = [], 0
    for n, width in ((rows, states[0][1]), *states):
        piece = getitem(flat, key=(slice(start, start + n * width),))
        out.append(standalone(reshape(piece, shape=(n, width))))
        out[-1]._shared = None  # pieces do not overlap: a change of one is none of the others
        start += n * width
    return out


def _times(x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, turn_w: bool = True) -> np.ndarray:
    out = kernels.empty((x.shape[0], w.shape[not turn_w]), x.dtype)
    kernels.linear(x, w, absent(x) if b is None else b, out, False, turn_w, False)
    return out


def _sigmoid(x: np.ndarray) -> None:
    """In place; exp may be infinite."""
    np.negative(x, x)
    np.exp(x, x)
    x += 1
    np.reciprocal(x, x)


def _weighed(d: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dT @ x, what a weight receives."""
    out = kernels.empty((d.shape[1], x.shape[1]), d.dtype)
    kernels.linear(d, x, absent(d), out, True, False, False)
    return out


def _gradients(d: np.ndarray, x: np.ndarray, held: np.ndarray, w_ih: np.ndarray) -> dict[str, Callable]:
    """What the operands of the sums receive of d, each computed when asked for."""
    return {
        "x": lambda: _times(d, w_ih, turn_w=False),
        "w_ih": lambda: _weighed(d, x),
        "w_hh": lambda: _weighed(d, held),
        "b_ih": lambda: collapse.total(d, (0,)),
        "b_hh": lambda: collapse.total(d, (0,)),
    }


def _rules(op: Primitive, fast: Callable, cell: Callable) -> None:
    """Give `op` its rules: by `fast`, of arrays, which finds all of them, or by steps of `cell`, of tensors."""
    arguments, settings = op.arguments, op.settings
    names = ["g", *arguments, *op.residuals, *settings, "memo"]

    def rule_of(argument: str) -> Callable:
        def rule(*values: Any) -> Any:
            given = dict(zip(names, values, strict=True))
            memo, g = given.pop("memo"), given["g"]
            if not isinstance(g, Variable):
                if not memo:
                    memo.update(fast(**given))
                return memo[argument]()
            if not memo:
                known = {name: given[name] for name in settings}
                memo.update(_recorded(cell, g, {name: given[name] for name in arguments}, known))
            return memo[argument]

        rule.parameters = Parameters(tuple(names), (), {}, False)  # type: ignore[attr-defined]
        return rule

    op.vjp(**{argument: rule_of(argument) for argument in arguments})


def _recorded(cell: Callable, g: Any, operands: dict[str, Any], settings: dict) -> dict[str, Any]:
    """The gradients of all operands on the tape, as tensors on the tape: of the same steps in tensor operations.

    Operands get nodes of their own first: one may depend on another, and that way is not this rule's.
    """
    with enable_grad():  # in plain mode rules see tensors also where nothing is recorded
        fresh = {name: x if x is None or x.edge is None else identity(x) for name, x in operands.items()}
        asked = {name: x for name, x in fresh.items() if x is not None and x.edge is not None}
        found = grad(_composed(cell, **fresh, **settings), list(asked.values()), g, create_graph=True)
    return dict(zip(asked, found, strict=True))


def _composed(
    cell: Callable, x: Any, h: Any, *, sizes: tuple, reverse: bool, c: Any = None, w_ih: Any, b_ih: Any, **others: Any
) -> Any:
    """What the primitives compute, in tensor operations, whose derivatives are on the tape."""
    sums = linear(x, w_ih) if b_ih is None else affine(x, w_ih, b_ih)
    states, outputs = [h] if c is None else [h, c], []
    for rows, n in _steps(sizes, reverse):
        before = [narrow(state, 0, 0, n) for state in states]
        after = cell(getitem(sums, key=(rows,)), *before, **others)
        outputs.append(after[0])
        states = [
            new if n == len(old.array) else concatenate(new, narrow(old, 0, n, len(old.array) - n), dim=0)
            for new, old in zip(after, states, strict=True)
        ]
    flat = [reshape(piece, shape=(-1,)) for piece in [*(outputs[::-1] if reverse else outputs), *states]]
    return concatenate(*flat, dim=0)


def _hidden(h: Any, w_hh: Any, b_hh: Any) -> Any:
    return linear(h, w_hh) if b_hh is None else affine(h, w_hh, b_hh)


def _parts(x: Any, count: int) -> list[Any]:
    width = x.array.shape[1] // count
    return [narrow(x, 1, i * width, width) for i in range(count)]


# ------------------------------------------------------------------------------------------------------------ the cells
@primitive(residuals="outputs held")
def rnn(
    x: np.ndarray,
    h: np.ndarray,
    w_ih: np.ndarray,
    w_hh: np.ndarray,
    b_ih: Any,
    b_hh: Any,
    *,
    sizes: tuple,
    reverse: bool,
    relu: bool,
) -> tuple:
    """h' = tanh(x @ w_ihT + b_ih + h @ w_hhT + b_hh), or the positive part of that, at every step."""
    flat, out, (h,) = _room(len(x), h)
    sums, held, more = _times(x, w_ih, b_ih), np.empty_like(out), np.empty_like(h)
    none = absent(x) if b_hh is None else b_hh
    for rows, n in _steps(sizes, reverse):
        a, state = sums[rows], h[:n]
        held[rows] = state
        kernels.linear(state, w_hh, none, more[:n], False, True, False)
        a += more[:n]
        if relu:
            np.maximum(0, a, out=state)
        else:
            np.tanh(a, out=state)
        out[rows] = state
    return flat, out.copy(), held  # the outputs may change in place


def _rnn_grad(
    g: np.ndarray,
    x: Any,
    h: Any,
    w_ih: Any,
    w_hh: Any,
    outputs: np.ndarray,
    held: np.ndarray,
    sizes: tuple,
    reverse: bool,
    relu: bool,
    **_: Any,
) -> dict[str, Callable]:
    g_out, gh = _cut(g, [outputs.shape, h.shape])
    gh = gh.copy()
    d = (outputs > 0).astype(g.dtype) if relu else 1 - outputs * outputs
    for rows, n in reversed(_steps(sizes, reverse)):
        gh[:n] += g_out[rows]
        d[rows] *= gh[:n]
        kernels.linear(d[rows], w_hh, absent(g), gh[:n], False, False, False)
    return _gradients(d, x, held, w_ih) | {"h": lambda: gh}


def _rnn_cell(sums: Any, h: Any, w_hh: Any, b_hh: Any, relu: bool) -> list[Any]:
    return [(activation.relu if relu else tanh)(sums + _hidden(h, w_hh, b_hh))]


@primitive(residuals="gates held cells tangents")
def lstm(
    x: np.ndarray,
    h: np.ndarray,
    c: np.ndarray,
    w_ih: np.ndarray,
    w_hh: np.ndarray,
    b_ih: Any,
    b_hh: Any,
    w_hr: Any,
    *,
    sizes: tuple,
    reverse: bool,
) -> tuple:
    """i, f, g, o = x @ w_ihT + b_ih + h @ w_hhT + b_hh; c' = f c + i g; h' = o tanh(c') (@ w_hrT), at every step."""
    flat, out, (h, c) = _room(len(x), h, c)
    bias = b_ih if b_hh is None or b_ih is None else b_ih + b_hh
    gates, held = _times(x, w_ih, bias), kernels.empty(out.shape, x.dtype)
    cells, tangents = (kernels.empty((len(x), c.shape[1]), x.dtype) for _ in range(2))
    projection = absent(x) if w_hr is None else w_hr
    kernels.lstm_steps(w_hh, projection, _starts(sizes), gates, held, cells, tangents, out, h, c, reverse)
    return flat, gates, held, cells, tangents


def _lstm_grad(
    g: np.ndarray,
    x: Any,
    h: Any,
    c: Any,
    w_ih: Any,
    w_hh: Any,
    w_hr: Any,
    gates: np.ndarray,
    held: np.ndarray,
    cells: np.ndarray,
    tangents: np.ndarray,
    sizes: tuple,
    reverse: bool,
    **_: Any,
) -> dict[str, Callable]:
    g_out, gh, gc = _cut(g, [held.shape, h.shape, c.shape])
    gh, gc, d = gh.copy(), gc.copy(), kernels.empty_like(gates)
    projection, received = (absent(g), absent(g)) if w_hr is None else (w_hr, np.empty_like(held))
    kernels.lstm_steps_grad(
        g_out, w_hh, projection, _starts(sizes), gates, cells, tangents, d, received, gh, gc, reverse
    )
    found = _gradients(d, x, held, w_ih) | {"h": lambda: gh, "c": lambda: gc}
    return found | {"w_hr": lambda: _weighed(received, gates[:, 3 * c.shape[1] :] * tangents)}


def _lstm_cell(sums: Any, h: Any, c: Any, w_hh: Any, b_hh: Any, w_hr: Any) -> list[Any]:
    i, f, g, o = _parts(sums + _hidden(h, w_hh, b_hh), 4)
    c = activation.sigmoid(f) * c + activation.sigmoid(i) * tanh(g)
    h = activation.sigmoid(o) * tanh(c)
    return [h if w_hr is None else linear(h, w_hr), c]


@primitive(residuals="gates held added")
def gru(
    x: np.ndarray,
    h: np.ndarray,
    w_ih: np.ndarray,
    w_hh: np.ndarray,
    b_ih: Any,
    b_hh: Any,
    *,
    sizes: tuple,
    reverse: bool,
) -> tuple:
    """r, z, a = x @ w_ihT + b_ih; r, z += p, and q, of h @ w_hhT + b_hh; n = tanh(a + r q); h' = n + z (h - n)."""
    flat, out, (h,) = _room(len(x), h)
    units = h.shape[1]
    gates, held, added = _times(x, w_ih, b_ih), np.empty_like(out), np.empty_like(out)
    more, none = np.empty((len(h), 3 * units), x.dtype), absent(x) if b_hh is None else b_hh
    for rows, n in _steps(sizes, reverse):
        a, state, p, q = gates[rows], h[:n], more[:n, : 2 * units], more[:n, 2 * units :]
        held[rows] = state
        kernels.linear(state, w_hh, none, more[:n], False, True, False)
        added[rows] = q
        rz, new = a[:, : 2 * units], a[:, 2 * units :]
        rz += p
        _sigmoid(rz)
        q *= a[:, :units]
        new += q
        np.tanh(new, out=new)
        state -= new
        state *= a[:, units : 2 * units]
        state += new
        out[rows] = state
    return flat, gates, held, added


def _gru_grad(
    g: np.ndarray,
    x: Any,
    h: Any,
    w_ih: Any,
    w_hh: Any,
    gates: np.ndarray,
    held: np.ndarray,
    added: np.ndarray,
    sizes: tuple,
    reverse: bool,
    **_: Any,
) -> dict[str, Callable]:
    g_out, gh = _cut(g, [held.shape, h.shape])
    gh, none, shape = gh.copy(), absent(g), (len(x), 3, h.shape[1])
    r, z, new = (gates.reshape(shape)[:, k] for k in range(3))
    d = kernels.empty_like(gates)
    blocks, direct = d.reshape(shape), kernels.empty_like(held)
    np.subtract(1, gates, out=d)
    d *= gates  # r' and z'
    np.multiply(new, new, out=direct)
    np.subtract(1, direct, out=direct)
    direct *= 1 - z  # what n's sum receives of dh
    blocks[:, 0] *= direct
    blocks[:, 0] *= added
    blocks[:, 1] *= held - new
    np.multiply(direct, r, out=blocks[:, 2])
    for rows, n in reversed(_steps(sizes, reverse)):
        dh = gh[:n]
        dh += g_out[rows]
        blocks[rows] *= dh[:, None]
        direct[rows] *= dh
        kept = dh * z[rows]
        kernels.linear(d[rows], w_hh, none, dh, False, False, False)
        dh += kept
    of_inputs = d.copy()
    of_inputs.reshape(shape)[:, 2] = direct
    state, inputs = _gradients(d, x, held, w_ih), _gradients(of_inputs, x, held, w_ih)
    return inputs | {"w_hh": state["w_hh"], "b_hh": state["b_hh"], "h": lambda: gh}


def _gru_cell(sums: Any, h: Any, w_hh: Any, b_hh: Any) -> list[Any]:
    (r, z, a), (p, q, b) = _parts(sums, 3), _parts(_hidden(h, w_hh, b_hh), 3)
    r, z = activation.sigmoid(r + p), activation.sigmoid(z + q)
    new = tanh(a + r * b)
    return [new + z * (h - new)]


_rules(rnn, _rnn_grad, _rnn_cell)
_rules(lstm, _lstm_grad, _lstm_cell)
_rules(gru, _gru_grad, _gru_cell)


# --------------------------------------------------------------------------------------------------------- single steps
def _fit(name: str, input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, gates: int) -> None:
    """Raises RuntimeError where an input (B, features), a state (B, units) and weights do not fit."""
    for argument, x in {"input": input, "hx": hx, "w_ih": w_ih, "w_hh": w_hh, "b_ih": b_ih, "b_hh": b_hh}.items():
        if not isinstance(x, Variable) and not (x is None and argument[0] == "b"):
            raise no_tensor(name, argument, x)
    x, h, w, v = (t.array.shape for t in (input, hx, w_ih, w_hh))
    if len(x) != 2 or len(w) != 2 or x[1] != w[1]:
        raise RuntimeError(f"{name}: input has inconsistent input_size: got {x[-1]} expected {w[-1]}; w_ih {w}")
    if len(h) != 2 or h[0] != x[0]:
        raise RuntimeError(f"{name}: Input batch size {x[0]} doesn't match hidden batch size {h[0]}; hx has shape {h}")
    if v != (gates * h[1], h[1]) or w[0] != v[0]:
        raise RuntimeError(f"{name}: hidden has inconsistent hidden_size: got {h[1]}; w_ih {w}, w_hh {v}")
    for b in (b_ih, b_hh):
        if b is not None and b.array.shape != w[:1]:
            raise RuntimeError(f"{name}: biases must have shape {w[:1]}, but one has {b.array.shape}")
    kinds = {t.array.dtype for t in (input, hx, w_ih, w_hh, b_ih, b_hh) if t is not None}
    if len(kinds) > 1:
        raise RuntimeError(f"{name}: expected all tensors to have the same dtype, but got {sorted(map(str, kinds))}")


@public("rnn_tanh_cell", on="t")
@step("rnn_tanh_cell")
def rnn_tanh_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """tanh(input @ w_ihT + b_ih + hx @ w_hhT + b_hh) of an input (B, features) and a state (B, units)."""
    return _rnn_step("rnn_tanh_cell", input, hx, w_ih, w_hh, b_ih, b_hh, False)


@public("rnn_relu_cell", on="t")
@step("rnn_relu_cell")
def rnn_relu_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """relu(input @ w_ihT + b_ih + hx @ w_hhT + b_hh) of an input (B, features) and a state (B, units)."""
    return _rnn_step("rnn_relu_cell", input, hx, w_ih, w_hh, b_ih, b_hh, True)


def _rnn_step(name: str, x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, relu: bool) -> Any:
    _fit(name, x, h, w_ih, w_hh, b_ih, b_hh, 1)
    count, shape = len(x.array), h.array.shape
    return pieces(rnn(x, h, w_ih, w_hh, b_ih, b_hh, sizes=(count,), reverse=False, relu=relu), count, shape)[0]


@public("gru_cell", on="t")
@step("gru_cell")
def gru_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """The next state of a GRU, of an input (B, features) and a state (B, units)."""
    _fit("gru_cell", input, hx, w_ih, w_hh, b_ih, b_hh, 3)
    count, shape = len(input.array), hx.array.shape
    return pieces(gru(input, hx, w_ih, w_hh, b_ih, b_hh, sizes=(count,), reverse=False), count, shape)[0]


@public("lstm_cell", on="t")
@step("lstm_cell")
def lstm_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> tuple:
    """The next pair (h, c) of an LSTM, of an input (B, features) and a pair hx of states (B, units)."""
    if not isinstance(hx, tuple | list) or len(hx) != 2:
        raise TypeError(f"lstm_cell(): argument `hx` must be a pair of Tensors (h, c), but got {type(hx).__name__}")
    for state in hx:
        _fit("lstm_cell", input, state, w_ih, w_hh, b_ih, b_hh, 4)
    (h, c), count, shape = hx, len(input.array), hx[0].array.shape
    flat = lstm(input, h, c, w_ih, w_hh, b_ih, b_hh, None, sizes=(count,), reverse=False)
    return tuple(pieces(flat, count, shape, shape)[1:])
