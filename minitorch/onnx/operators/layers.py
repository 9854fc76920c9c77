"""Operators that are layers: products, norms, recurrent layers, attention, losses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...nn import functional as F
from ...ops import recurrent
from .table import arr, axes_of, axis_of, cast, dtype_of, operator, t, tensor


# --------------------------------------------------------------------------------------------------------- products
@operator("Gemm", learns=(0, 1, 2))
def _gemm(
    A: Any,
    B: Any,
    C: Any = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
    broadcast: int = 0,
) -> Any:
    if arr(A).dtype.kind != "f":
        a, b = (arr(v).T if turn else arr(v) for v, turn in ((A, transA), (B, transB)))
        out = alpha * (a @ b) + (0 if C is None else beta * arr(C))
        return tensor(np.asarray(out).astype(arr(A).dtype))
    a = t.permute(A, (1, 0)) if transA else A
    vector = C is None or (arr(C).ndim == 1 and arr(C).shape[0] == arr(B).shape[0 if transB else 1])
    if alpha == 1 and beta == 1 and transB and vector:
        return F.linear(a, B, C)
    out = t.matmul(a, t.permute(B, (1, 0)) if transB else B)
    out = out if alpha == 1 else out * alpha
    return out if C is None else out + (C if beta == 1 else C * beta)


@operator("MatMul", learns=(0, 1))
def _matmul(A: Any, B: Any) -> Any:
    if arr(A).dtype.kind != "f":
        return tensor(arr(A) @ arr(B))
    return t.matmul(A, B)


@operator("MatMulInteger")
def _matmul_integer(A: Any, B: Any, a_zero: Any = None, b_zero: Any = None) -> Any:
    a, b = arr(A).astype(np.int32), arr(B).astype(np.int32)
    if a_zero is not None:
        zero = arr(a_zero).astype(np.int32)
        a = a - (zero[:, None] if zero.ndim == 1 and zero.size > 1 else zero)
    b = b if b_zero is None else b - arr(b_zero).astype(np.int32)
    return tensor(a @ b)


@operator("Einsum")
def _einsum(*inputs: Any, equation: str) -> Any:
    if arr(inputs[0]).dtype.kind != "f":
        return tensor(np.einsum(equation, *map(arr, inputs)))
    return t.einsum(equation.replace(" ", ""), *inputs)


@operator("Det")
def _det(X: Any) -> Any:
    return t.det(X)


# ------------------------------------------------------------------------------------------------------------ norms
@operator("BatchNormalization", learns=(1, 2))
def _batch_norm(
    X: Any,
    scale: Any,
    B: Any,
    mean: Any,
    var: Any,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: Any = None,
    spatial: int = 1,
    is_test: int = 0,
    outputs: int,
    training: bool,
) -> Any:
    """By the running statistics; by those of the batch where the file says so, or the module is in training."""
    if training_mode:
        axes = (0, *range(2, arr(X).ndim))
        own_mean, own_var = t.mean(X, axes), t.var(X, axes, False)
        kept = [old * momentum + new * (1 - momentum) for old, new in ((mean, own_mean), (var, own_var))]
        return (F.batch_norm(X, own_mean.detach(), own_var.detach(), scale, B, False, 0.1, epsilon), *kept)
    if training:
        return F.batch_norm(X, mean, var, scale, B, True, round(1 - momentum, 7), epsilon)
    x = X if arr(X).ndim > 1 else t.reshape(X, (1, -1))
    return t.reshape(F.batch_norm(x, mean, var, scale, B, False, 0.1, epsilon), arr(X).shape)


@operator("InstanceNormalization", learns=(1, 2))
def _instance_norm(input: Any, scale: Any, B: Any, *, epsilon: float = 1e-5) -> Any:
    return F.instance_norm(input, None, None, scale, B, True, 0.1, epsilon)


@operator("LayerNormalization", learns=(1, 2))
def _layer_norm(
    X: Any, Scale: Any, B: Any = None, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1, outputs: int
) -> Any:
    shape = arr(X).shape
    d = axis_of(axis, len(shape))
    tail, axes = shape[d:], tuple(range(d, len(shape)))
    scale, shift = (None if v is None else t.broadcast_to(v, tail) if arr(v).shape != tail else v for v in (Scale, B))
    out = F.layer_norm(X, tail, scale, shift, epsilon)
    if outputs == 1:
        return out
    mean = t.mean(X, axes, True)
    return out, mean, t.rsqrt(t.mean((X - mean) * (X - mean), axes, True) + epsilon)


@operator("RMSNormalization", learns=(1,))
def _rms_norm(X: Any, scale: Any, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1) -> Any:
    axes = tuple(range(axis_of(axis, arr(X).ndim), arr(X).ndim))
    dtype = arr(X).dtype
    x = cast(X, np.float32) if dtype.itemsize < 4 else X
    return cast(x * t.rsqrt(t.mean(x * x, axes, True) + epsilon), dtype) * scale


@operator("GroupNormalization", learns=(1, 2))
def _group_norm(X: Any, scale: Any, bias: Any, *, num_groups: int, epsilon: float = 1e-5, stash_type: int = 1) -> Any:
    """scale and bias of each channel; of each group before opset 21."""
    each = arr(X).shape[1] // num_groups
    if arr(scale).shape[0] == num_groups != arr(X).shape[1]:
        scale, bias = (t.reshape(t.broadcast_to(t.unsqueeze(v, 1), (num_groups, each)), (-1,)) for v in (scale, bias))
    return F.group_norm(X, num_groups, scale, bias, epsilon)


@operator("LRN")
def _lrn(X: Any, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Any:
    if size % 2:
        return F.local_response_norm(X, size, alpha, beta, bias)
    c, squares = arr(X).shape[1], X * X
    low, high = (size - 1) // 2, size // 2
    rows = np.arange(c)
    near = (rows[:, None] - low <= rows) & (rows <= rows[:, None] + high)
    total = t.movedim(t.matmul(t.movedim(squares, 1, -1), tensor(near.T, arr(X).dtype)), -1, 1)
    return X / t.pow(total * (alpha / size) + bias, beta)


@operator("LpNormalization")
def _lp_normalization(input: Any, *, axis: int = -1, p: int = 2) -> Any:
    d = axis_of(axis, arr(input).ndim)
    size = t.sum(t.abs(input), d, True) if p == 1 else t.sqrt(t.sum(input * input, d, True))
    return input / t.where(size == 0, tensor(1, arr(size).dtype), size)


@operator("MeanVarianceNormalization")
def _mean_variance_normalization(X: Any, *, axes: Any = (0, 2, 3)) -> Any:
    along = axes_of(axes, arr(X).ndim)
    centred = X - t.mean(X, along, True)
    return centred / (t.sqrt(t.mean(centred * centred, along, True)) + 1e-9)


# -------------------------------------------------------------------------------------------------- recurrent layers
ACTIVATIONS: dict[str, Callable] = {
    "relu": lambda x, a, b: F.relu(x),
    "tanh": lambda x, a, b: t.tanh(x),
    "sigmoid": lambda x, a, b: t.sigmoid(x),
    "affine": lambda x, a, b: x * (1.0 if a is None else a) + (0.0 if b is None else b),
    "leakyrelu": lambda x, a, b: F.leaky_relu(x, 0.01 if a is None else a),
    "thresholdedrelu": lambda x, a, b: F.threshold(x, 1.0 if a is None else a, 0.0),
    "scaledtanh": lambda x, a, b: t.tanh(x * (1.0 if b is None else b)) * (1.0 if a is None else a),
    "hardsigmoid": lambda x, a, b: t.clamp(x * (0.2 if a is None else a) + (0.5 if b is None else b), 0.0, 1.0),
    "elu": lambda x, a, b: F.elu(x, 1.0 if a is None else a),
    "softsign": lambda x, a, b: F.softsign(x),
    "softplus": lambda x, a, b: F.softplus(x, 1.0, math.inf),
}


def _functions(names: Any, default: list[str], directions: int, alpha: Any, beta: Any) -> list[list[Callable]]:
    """The activations of each direction."""
    words = [w.lower() for w in (names or default * directions)]
    a, b = list(alpha or []), list(beta or [])
    takes = {"affine": 2, "leakyrelu": 1, "thresholdedrelu": 1, "scaledtanh": 2, "hardsigmoid": 2, "elu": 1}
    out: list[Callable] = []
    for word in words:
        if word not in ACTIVATIONS:
            raise ValueError(f"activation {word!r}")
        first = a.pop(0) if a and takes.get(word, 0) > 0 else None
        second = b.pop(0) if b and takes.get(word, 0) > 1 else None
        out.append(lambda x, f=ACTIVATIONS[word], first=first, second=second: f(x, first, second))
    each = len(default)
    return [out[i * each : (i + 1) * each] for i in range(directions)]


def _directions(direction: str) -> list[bool]:
    """Whether each direction runs backwards."""
    kinds = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}
    if direction not in kinds:
        raise ValueError(f"direction {direction!r}")
    return kinds[direction]


def _scan(X: Any, lens: Any, backwards: bool, states: list, step: Callable) -> tuple[Any, list]:
    """The outputs (T, B, H) of step(x, states) along the steps of a sequence, and the last states.

    Where sequences have lengths, steps behind their ends change no state, and their outputs are zeros.
    """
    steps = arr(X).shape[0]
    order = range(steps - 1, -1, -1) if backwards else range(steps)
    found: list[Any] = [None] * steps
    for k in order:
        new = step(X[k], states)
        if lens is not None:
            alive = tensor((k < arr(lens))[:, None])
            zero = tensor(0, arr(X).dtype)
            found[k] = t.where(alive, new[0], zero)
            states = [t.where(alive, n, o) for n, o in zip(new, states, strict=True)]
        else:
            found[k], states = new[0], new
    return t.stack(found, 0), states


def _recurrent(
    X: Any,
    W: Any,
    R: Any,
    B: Any,
    lens: Any,
    initial: list,
    P: Any,
    direction: str,
    layout: int,
    clip: Any,
    functions: list,
    cell: Callable,
) -> tuple:
    """All directions of a layer: Y (T, directions, B, H), and the last state (directions, B, H) of each kind."""
    if layout:
        X = t.permute(X, (1, 0, 2))
        initial = [None if s is None else t.permute(s, (1, 0, 2)) for s in initial]
    hidden, batch = arr(R).shape[2], arr(X).shape[1]
    outs, lasts = [], []
    for d, backwards in enumerate(_directions(direction)):
        zero = tensor(np.zeros((batch, hidden), arr(X).dtype))
        states = [zero if s is None else s[d] for s in initial]
        bias = None if B is None else B[d]
        peep = None if P is None else P[d]
        step = cell(W[d], R[d], bias, peep, functions[d], clip)
        out, last = _scan(X, lens, backwards, states, step)
        outs.append(out)
        lasts.append(last)
    Y = t.stack(outs, 1)
    ends = [t.stack(list(column), 0) for column in zip(*lasts, strict=True)]
    if layout:
        Y, ends = t.permute(Y, (2, 0, 1, 3)), [t.permute(e, (1, 0, 2)) for e in ends]
    return Y, *ends


# The order of gates in the rows of weights: ours, of ONNX's.
ROWS = {"RNN": (0,), "GRU": (1, 0, 2), "LSTM": (0, 2, 3, 1)}


def _as_layer(
    kind: str, X: Any, W: Any, R: Any, B: Any, initial: list, direction: str, layout: int, relu: bool
) -> tuple:
    """What `_recurrent` gives, by the primitives of the layers, whole sequences at once."""
    if layout:
        X = t.permute(X, (1, 0, 2))
        initial = [None if s is None else t.permute(s, (1, 0, 2)) for s in initial]
    steps, batch, features = arr(X).shape
    hidden = arr(R).shape[2]
    rows = tensor(np.concatenate([np.arange(k * hidden, (k + 1) * hidden) for k in ROWS[kind]]), np.int64)
    flat, outs, lasts = t.reshape(X, (steps * batch, features)), [], []
    for d, backwards in enumerate(_directions(direction)):
        zero = tensor(np.zeros((batch, hidden), arr(X).dtype))
        states = [zero if s is None else s[d] for s in initial]
        weights = [t.index_select(w[d], 0, rows) for w in (W, R)]
        biases = [None if b is None else t.index_select(b, 0, rows) for b in _halves(None if B is None else B[d])]
        how: dict[str, Any] = {"sizes": (batch,) * steps, "reverse": backwards}
        if kind == "LSTM":
            found = recurrent.lstm(flat, *states, *weights, *biases, None, **how)
        elif kind == "GRU":
            found = recurrent.gru(flat, *states, *weights, *biases, **how)
        else:
            found = recurrent.rnn(flat, *states, *weights, *biases, relu=relu, **how)
        out, *last = recurrent.pieces(found, steps * batch, *[(batch, hidden)] * len(states))
        outs.append(t.reshape(out, (steps, batch, hidden)))
        lasts.append(last)
    Y = t.stack(outs, 1)
    ends = [t.stack(list(column), 0) for column in zip(*lasts, strict=True)]
    if layout:
        Y, ends = t.permute(Y, (2, 0, 1, 3)), [t.permute(e, (1, 0, 2)) for e in ends]
    return Y, *ends


def _usual(X: Any, lens: Any, clip: Any, names: Any, *usual: list[str]) -> bool:
    """Whether the layers of `nn` compute just this: floats, full sequences, nothing clipped, their own activations."""
    words = [w.lower() for w in names or usual[0]]
    kinds = [[w.lower() for w in each] for each in usual]
    whole = lens is None and not clip and arr(X).size and arr(X).dtype.char in "fd"
    return bool(whole) and any(words == each * (len(words) // len(each)) for each in kinds)


def _clipped(x: Any, clip: Any) -> Any:
    return x if clip is None else t.clamp(x, -clip, clip)


def _gates(x: Any, w: Any, b: Any) -> Any:
    return F.linear(x, w, b)


def _halves(b: Any) -> tuple:
    if b is None:
        return None, None
    n = arr(b).shape[0] // 2
    return b[:n], b[n:]


@operator("RNN", learns=(1, 2, 3))
def _rnn(
    X: Any,
    W: Any,
    R: Any,
    B: Any = None,
    sequence_lens: Any = None,
    initial_h: Any = None,
    *,
    activations: Any = None,
    activation_alpha: Any = None,
    activation_beta: Any = None,
    clip: Any = None,
    direction: str = "forward",
    hidden_size: Any = None,
    layout: int = 0,
    output_sequence: int = 1,
) -> tuple:
    if _usual(X, sequence_lens, clip, activations, ["Tanh"], ["Relu"]):
        relu = bool(activations) and activations[0].lower() == "relu"
        return _as_layer("RNN", X, W, R, B, [initial_h], direction, layout, relu)
    functions = _functions(activations, ["Tanh"], len(_directions(direction)), activation_alpha, activation_beta)

    def cell(w: Any, r: Any, b: Any, _: Any, f: list, clip: Any) -> Callable:
        wb, rb = _halves(b)
        return lambda x, states: [f[0](_clipped(_gates(x, w, wb) + _gates(states[0], r, rb), clip))]

    return _recurrent(X, W, R, B, sequence_lens, [initial_h], None, direction, layout, clip, functions, cell)


@operator("GRU", learns=(1, 2, 3))
def _gru(
    X: Any,
    W: Any,
    R: Any,
    B: Any = None,
    sequence_lens: Any = None,
    initial_h: Any = None,
    *,
    activations: Any = None,
    activation_alpha: Any = None,
    activation_beta: Any = None,
    clip: Any = None,
    direction: str = "forward",
    hidden_size: Any = None,
    layout: int = 0,
    linear_before_reset: int = 0,
    output_sequence: int = 1,
) -> tuple:
    if linear_before_reset and _usual(X, sequence_lens, clip, activations, ["Sigmoid", "Tanh"]):
        return _as_layer("GRU", X, W, R, B, [initial_h], direction, layout, False)
    functions = _functions(
        activations, ["Sigmoid", "Tanh"], len(_directions(direction)), activation_alpha, activation_beta
    )

    def cell(w: Any, r: Any, b: Any, _: Any, f: list, clip: Any) -> Callable:
        wb, rb = _halves(b)
        h = arr(r).shape[1]

        def step(x: Any, states: list) -> list:
            (s,) = states
            gx = _gates(x, w, wb)
            gh = _gates(s, r[: 2 * h], None if rb is None else rb[: 2 * h])
            z = f[0](_clipped(gx[:, :h] + gh[:, :h], clip))
            reset = f[0](_clipped(gx[:, h : 2 * h] + gh[:, h:], clip))
            rn, bn = r[2 * h :], None if rb is None else rb[2 * h :]
            inner = reset * _gates(s, rn, bn) if linear_before_reset else _gates(reset * s, rn, bn)
            n = f[1](_clipped(gx[:, 2 * h :] + inner, clip))
            return [(1.0 - z) * n + z * s]

        return step

    return _recurrent(X, W, R, B, sequence_lens, [initial_h], None, direction, layout, clip, functions, cell)


@operator("LSTM", learns=(1, 2, 3, 7))
def _lstm(
    X: Any,
    W: Any,
    R: Any,
    B: Any = None,
    sequence_lens: Any = None,
    initial_h: Any = None,
    initial_c: Any = None,
    P: Any = None,
    *,
    activations: Any = None,
    activation_alpha: Any = None,
    activation_beta: Any = None,
    clip: Any = None,
    direction: str = "forward",
    hidden_size: Any = None,
    input_forget: int = 0,
    layout: int = 0,
    output_sequence: int = 1,
) -> tuple:
    if P is None and not input_forget and _usual(X, sequence_lens, clip, activations, ["Sigmoid", "Tanh", "Tanh"]):
        return _as_layer("LSTM", X, W, R, B, [initial_h, initial_c], direction, layout, False)
    functions = _functions(
        activations, ["Sigmoid", "Tanh", "Tanh"], len(_directions(direction)), activation_alpha, activation_beta
    )

    def cell(w: Any, r: Any, b: Any, p: Any, f: list, clip: Any) -> Callable:
        wb, rb = _halves(b)
        h = arr(r).shape[1]
        pi, po, pf = (None, None, None) if p is None else (p[:h], p[h : 2 * h], p[2 * h :])

        def step(x: Any, states: list) -> list:
            s, c = states
            i, o, g, n = t.chunk(_gates(x, w, wb) + _gates(s, r, rb), 4, 1)
            i = f[0](_clipped(i if pi is None else i + pi * c, clip))
            g = 1.0 - i if input_forget else f[0](_clipped(g if pf is None else g + pf * c, clip))
            c = g * c + i * f[1](_clipped(n, clip))
            o = f[0](_clipped(o if po is None else o + po * c, clip))
            return [o * f[2](c), c]

        return step

    begin = [initial_h, initial_c]
    return _recurrent(X, W, R, B, sequence_lens, begin, P, direction, layout, clip, functions, cell)


# -------------------------------------------------------------------------------------------------------- attention
def _headed(x: Any, heads: int) -> Any:
    """(B, S, heads * E) as (B, heads, S, E)."""
    b, s, n = arr(x).shape
    return t.permute(t.reshape(x, (b, s, heads, n // heads)), (0, 2, 1, 3))


@operator("Attention")
def _attention(
    Q: Any,
    K: Any,
    V: Any,
    attn_mask: Any = None,
    past_key: Any = None,
    past_value: Any = None,
    nonpad_kv_seqlen: Any = None,
    *,
    is_causal: int = 0,
    kv_num_heads: Any = None,
    left_window_size: int = -1,
    q_num_heads: Any = None,
    qk_matmul_output_mode: int = 0,
    right_window_size: int = -1,
    scale: Any = None,
    softcap: float = 0.0,
    softmax_precision: Any = None,
) -> tuple:
    flat = arr(Q).ndim == 3
    if flat:
        Q, K, V = _headed(Q, q_num_heads), _headed(K, kv_num_heads), _headed(V, kv_num_heads)
    if past_key is not None:
        K, V = t.cat([past_key, K], 2), t.cat([past_value, V], 2)
    present, dtype = (K, V), arr(Q).dtype
    groups = arr(Q).shape[1] // arr(K).shape[1]
    k, v = (x if groups == 1 else t.repeat_interleave(x, groups, 1) for x in (K, V))
    root = math.sqrt(1 / math.sqrt(arr(Q).shape[-1]) if scale is None else scale)
    scores = t.matmul(Q * root, t.transpose(k * root, -2, -1))
    rows, columns = arr(scores).shape[-2:]
    bias = np.zeros((rows, columns), dtype)
    if attn_mask is not None:
        m = arr(attn_mask)
        m = np.where(m, 0, -np.inf).astype(dtype) if m.dtype.kind == "b" else m.astype(dtype)
        if m.shape[-1] < columns:
            m = np.pad(m, [(0, 0)] * (m.ndim - 1) + [(0, columns - m.shape[-1])], constant_values=-np.inf)
        bias = bias + m
    first = np.array(0 if past_key is None else arr(past_key).shape[2])
    if nonpad_kv_seqlen is not None and past_key is None:
        first = arr(nonpad_kv_seqlen)[:, None, None, None] - rows
    ahead = np.arange(columns) - (np.arange(rows)[:, None] + first)  # how far a key is behind its query
    seen = (ahead <= 0) if is_causal else np.ones_like(ahead, bool)
    if left_window_size >= 0:
        seen &= ahead >= -left_window_size
    if right_window_size >= 0:
        seen &= ahead <= right_window_size
    if not seen.all():
        bias = bias + np.where(seen, 0, -np.inf).astype(dtype)
    if nonpad_kv_seqlen is not None:
        held = np.arange(columns) < arr(nonpad_kv_seqlen)[:, None, None, None]
        bias = bias + np.where(held, 0, -np.inf).astype(dtype)
    stages = {0: scores}
    capped = t.tanh(scores / softcap) * softcap if softcap else scores
    biased = capped + tensor(bias.astype(dtype))
    stages[1], stages[2] = capped, biased
    precise = biased if softmax_precision is None else cast(biased, dtype_of(softmax_precision))
    blind = np.isneginf(arr(precise)).all(-1, keepdims=True)
    if blind.any():
        precise = t.where(tensor(blind), tensor(0, arr(precise).dtype), precise)
    weights = cast(t.softmax(precise, -1), dtype)
    if blind.any():
        weights = t.where(tensor(blind), tensor(0, dtype), weights)
    stages[3] = weights
    Y = t.matmul(weights, v)
    if flat:
        b, n, s, e = arr(Y).shape
        Y = t.reshape(t.permute(Y, (0, 2, 1, 3)), (b, s, n * e))
    return Y, *present, stages[qk_matmul_output_mode]


@operator("RotaryEmbedding")
def _rotary_embedding(
    X: Any,
    cos: Any,
    sin: Any,
    position_ids: Any = None,
    *,
    interleaved: int = 0,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
) -> Any:
    shape = arr(X).shape
    x = X if len(shape) == 4 else t.permute(_headed(X, num_heads), (0, 1, 2, 3))
    size = rotary_embedding_dim or arr(x).shape[-1]
    if position_ids is not None:
        cos, sin = (v[position_ids] for v in (cos, sin))
    cos, sin = (t.unsqueeze(v[..., : size // 2], 1) for v in (cos, sin))  # (B, 1, S, size / 2)
    turned, kept = x[..., :size], x[..., size:]
    if interleaved:
        a, b = turned[..., 0::2], turned[..., 1::2]
    else:
        a, b = turned[..., : size // 2], turned[..., size // 2 :]
    real, imaginary = cos * a - sin * b, sin * a + cos * b
    if interleaved:
        whole = t.reshape(t.stack([real, imaginary], -1), arr(turned).shape)
    else:
        whole = t.cat([real, imaginary], -1)
    out = t.cat([whole, kept], -1) if arr(kept).shape[-1] else whole
    return out if len(shape) == 4 else t.reshape(t.permute(out, (0, 2, 1, 3)), shape)


# ----------------------------------------------------------------------------------------------------------- losses
def _picked(scores: Any, target: Any, weight: Any, ignore: Any, reduction: str) -> Any:
    labels = arr(target)
    kept = np.ones(labels.shape, bool) if ignore is None else labels != ignore
    at = np.where(kept, labels, 0)
    loss = -t.squeeze(t.gather(scores, 1, tensor(np.expand_dims(at, 1), np.int64)), 1)
    w = tensor(kept.astype(arr(scores).dtype))
    if weight is not None:
        w = w * weight[tensor(at, np.int64)]
    loss = loss * w
    if reduction == "none":
        return loss
    return t.sum(loss) / t.sum(w) if reduction == "mean" else t.sum(loss)


@operator("NegativeLogLikelihoodLoss")
def _nll_loss(input: Any, target: Any, weight: Any = None, *, ignore_index: Any = None, reduction: str = "mean") -> Any:
    return _picked(input, target, weight, ignore_index, reduction)


@operator("SoftmaxCrossEntropyLoss")
def _cross_entropy(
    scores: Any, labels: Any, weights: Any = None, *, ignore_index: Any = None, reduction: str = "mean", outputs: int
) -> Any:
    logs = t.log_softmax(scores, 1)
    loss = _picked(logs, labels, weights, ignore_index, reduction)
    return (loss, logs) if outputs > 1 else loss
