"""Attention: values weighed by how well their keys fit a query."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...autograd import Variable
from ...autograd.following import step
from ...autograd.tape import wrap
from ...dtypes import FLOATS
from ...ops.dims import flag, no_tensor
from ...ops.index import getitem, masked_fill
from ...ops.join import cat, chunk
from ...ops.linalg import matmul
from ...ops.pointwise import where
from ...ops.promotion import in_float32, unbroadcastable
from ...ops.reduce import mean, softmax
from ...ops.shape import expand, pad_constant, permute, reshape, squeeze, standalone, transpose, unsqueeze
from .dropout import dropout
from .linear import linear

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


@step("scaled_dot_product_attention")
@in_float32
def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """softmax(query @ keyT * scale + mask) @ value of query (..., L, E), key (..., S, E) and value (..., S, F).

    scale: 1 / sqrt(E) if None. attn_mask: what is added, (..., L, S), or bools, True where a key may be seen; a query
    that sees none gives zeros. is_causal: query i sees the keys up to i. dropout_p: with this probability, always, a
    weight becomes zero. enable_gqa: each head of key and value, axis -3, serves as many heads of query as there are
    more of these. Raises RuntimeError for shapes or dtypes that do not fit, and for a mask beside `is_causal`.
    """
    name = "scaled_dot_product_attention"
    for argument, x in (("query", query), ("key", key), ("value", value), ("attn_mask", attn_mask)):
        if not isinstance(x, Variable) and not (argument == "attn_mask" and x is None):
            raise no_tensor(name, argument, x)
    flag(is_causal, "is_causal")
    flag(enable_gqa, "enable_gqa")
    operands = [query.array, key.array, value.array]
    kinds = [str(x.dtype) for x in operands]
    if len(set(kinds)) > 1:
        raise RuntimeError(
            f"Expected query, key, and value to have the same dtype, but got {', '.join(kinds)} instead."
        )
    if operands[0].dtype.kind not in FLOATS:
        raise RuntimeError(f"{name}: expected scalar type Float but found {kinds[0]}")
    if min(x.ndim for x in operands) < 2:
        ranks = ", ".join(str(x.ndim) for x in operands)
        raise RuntimeError(f"Expected query, key, and value to all be at least 2 dimensional, but got {ranks} instead.")
    if not 0 <= dropout_p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {dropout_p}")
    if attn_mask is not None and is_causal:
        raise RuntimeError(f"{name}: Explicit attn_mask should not be set when is_causal=True")
    if enable_gqa:
        key, value = _repeated(key, operands[0]), _repeated(value, operands[0])
    if operands[0].shape[-1] != operands[1].shape[-1] or operands[1].shape[-2] != operands[2].shape[-2]:
        raise RuntimeError(
            f"{name}: the last sizes of query and key must be equal, and the numbers of keys and values; shapes are "
            f"query {operands[0].shape}, key {operands[1].shape}, value {operands[2].shape}"
        )
    features = operands[0].shape[-1]
    scale = (1 / math.sqrt(features) if features else math.inf) if scale is None else scale
    rows, columns = operands[0].shape[-2], operands[1].shape[-2]
    mask, blind = None, None
    if is_causal:
        mask = wrap(_added(~np.tri(rows, columns, dtype=bool), operands[0].dtype))
    elif attn_mask is not None:
        mask, blind = _as_added(attn_mask, operands[0].dtype)
    scores = matmul(query * scale, transpose(key, -2, -1))
    if mask is not None:
        if _broadcast(mask, scores) != scores.array.shape:
            raise RuntimeError(
                f"{name}: output with shape {list(scores.array.shape)} doesn't match the broadcast shape of a mask "
                f"{list(mask.array.shape)}"
            )
        scores = scores + mask
    weights = softmax(scores, -1)
    if blind is not None:
        weights = masked_fill(weights, wrap(blind), 0.0)
    return matmul(dropout(weights, dropout_p), value)


def _broadcast(mask: Any, scores: Any) -> tuple:
    try:
        return np.broadcast_shapes(mask.array.shape, scores.array.shape)
    except ValueError:
        raise unbroadcastable("scaled_dot_product_attention", scores, mask) from None


def _repeated(x: Any, query: np.ndarray) -> Any:
    """Keys or values (..., H, S, E), each head as often as query has more."""
    shape = x.array.shape
    if len(shape) < 3 or query.ndim < 3:
        raise IndexError(
            "Dimension out of range: with enable_gqa query, key and value need an axis of heads, the third last"
        )
    heads, wanted = shape[-3], query.shape[-3]
    if not heads or wanted % heads:
        raise RuntimeError(
            f"Number of heads in key and value must divide the number of heads in query, but {wanted} / {heads}"
        )
    many = wanted // heads
    full = expand(unsqueeze(x, -3), shape=(*shape[:-2], many, *shape[-2:]))
    return reshape(full, shape=(*shape[:-3], wanted, *shape[-2:]))


def _added(hidden: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """-inf where something is hidden, else 0."""
    return np.where(hidden, -np.inf, 0).astype(dtype)


def _as_added(mask: Any, dtype: np.dtype) -> tuple[Any, np.ndarray | None]:
    """A mask as what is added, and which rows hide all keys, if there are some: these are added nothing."""
    if mask.array.dtype == np.bool_:
        mask = wrap(_added(~mask.array, dtype))
    elif mask.array.dtype != dtype:
        raise RuntimeError(
            f"Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{mask.dtype} and query.dtype: {dtype} instead."
        )
    if mask.array.ndim < 1 or not mask.array.size:
        return mask, None
    blind = (mask.array == -np.inf).all(-1, keepdims=True)
    if not blind.any():
        return mask, None
    return where(wrap(blind), 0.0, mask), blind


# ---------------------------------------------------------------------------------------------------------- many heads
def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple:
    """What `nn.MultiheadAttention` computes: (output (L, N, E), weights (N, L, S) or None).

    query (L, N, E), key (S, N, .), value (S, N, .), or all without N. attn_mask (L, S) or (N * num_heads, L, S) and
    key_padding_mask (N, S): what is added to the scores, or bools, True where a key is hidden. Weights are those of
    each head, (N, num_heads, L, S), unless `average_attn_weights`. Raises AssertionError and RuntimeError for what
    does not fit, as PyTorch does.
    """
    batched = _check_ranks(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        query, key, value = (unsqueeze(x, 1) for x in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else unsqueeze(key_padding_mask, 0)
    length, batch, width = query.array.shape
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    _require(width == embed_dim_to_check, f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}")
    size = width // num_heads
    _require(size * num_heads == width, f"embed_dim {width} not divisible by num_heads {num_heads}")
    shapes = tuple(key.array.shape), tuple(value.array.shape)
    if use_separate_proj_weight:
        _require(
            shapes[0][:2] == shapes[1][:2],
            f"key's sequence and batch dims {shapes[0][:2]} do not match value's {shapes[1][:2]}",
        )
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        _require(None not in [w if w is None else 0 for w in weights], "use_separate_proj_weight needs three weights")
    else:
        _require(shapes[0] == shapes[1], f"key shape {shapes[0]} does not match value shape {shapes[1]}")
        weights = None
    dtype = query.array.dtype
    hidden = _canonical("key_padding_mask", key_padding_mask, dtype)
    mask = _canonical("attn_mask", attn_mask, dtype)
    if is_causal and hidden is None and not need_weights:
        mask = None  # it says what is_causal does
    elif mask is not None:
        is_causal = False
        last = (length, len(key.array))
        wanted = last if mask.array.ndim == 2 else (batch * num_heads, *last)
        if mask.array.shape != wanted:
            raise RuntimeError(
                f"The shape of the {mask.array.ndim}D attn_mask is {mask.array.shape}, but should be {wanted}."
            )
        mask = unsqueeze(mask, 0) if mask.array.ndim == 2 else mask
    q, k, v = _projected(query, key, value, in_proj_weight, weights, in_proj_bias)
    _require((bias_k is None) == (bias_v is None), "bias_k and bias_v must both be None or both be given")
    more = 0
    if bias_k is not None:
        _require(static_k is None, "bias cannot be added to static key.")
        _require(static_v is None, "bias cannot be added to static value.")
        k, v = (cat([x, expand(b, shape=(1, batch, width))]) for x, b in ((k, bias_k), (v, bias_v)))
        more = 1
    q = _heads(q, num_heads)
    k = _heads(k, num_heads) if static_k is None else _static("key", static_k, batch * num_heads, size)
    v = _heads(v, num_heads) if static_v is None else _static("value", static_v, batch * num_heads, size)
    if add_zero_attn:
        zeros = wrap(np.zeros((batch * num_heads, 1, size), dtype))
        k, v = cat([k, zeros], 1), cat([v, zeros], 1)
        more += 1
    mask, hidden = _widened(mask, more), _widened(hidden, more)
    columns = k.array.shape[1]
    if hidden is not None:
        _require(
            hidden.array.shape == (batch, columns),
            f"expecting key_padding_mask shape of {(batch, columns)}, but got {hidden.array.shape}",
        )
        full = expand(reshape(hidden, shape=(batch, 1, 1, columns)), shape=(batch, num_heads, 1, columns))
        full = reshape(full, shape=(batch * num_heads, 1, columns))
        mask = full if mask is None else mask + full
    drop = dropout_p if training else 0.0
    if need_weights:
        scores = matmul(q * (1 / math.sqrt(size)), transpose(k, 1, 2))
        weighed = dropout(softmax(scores if mask is None else scores + mask, -1), drop)
        found = matmul(weighed, v)
    else:
        found = scaled_dot_product_attention(q, k, v, mask, drop, is_causal and mask is None)
    rows = reshape(permute(found, dims=(1, 0, 2)), shape=(length * batch, width))
    out = linear(rows, out_proj_weight, out_proj_bias)
    out = reshape(out, shape=(length, batch, out.array.shape[1]))
    if not need_weights:
        return standalone(out if batched else squeeze(out, 1)), None
    weighed = reshape(weighed, shape=(batch, num_heads, length, columns))
    if average_attn_weights:
        weighed = mean(weighed, 1)
    if batched:
        return standalone(out), standalone(weighed)
    return standalone(squeeze(out, 1)), standalone(squeeze(weighed, 0))


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


def _check_ranks(query: Any, key: Any, value: Any, key_padding_mask: Any, attn_mask: Any, heads: int) -> bool:
    """Whether query is batched. Raises AssertionError where ranks are not what that asks for."""
    for argument, x in (("query", query), ("key", key), ("value", value)):
        if not isinstance(x, Variable):
            raise AttributeError(f"MultiheadAttention: `{argument}` must be a Tensor, but got {type(x).__name__}")
    rank = query.array.ndim
    _require(rank in (2, 3), f"query should be unbatched 2D or batched 3D tensor but received {rank}-D query tensor")
    how = f"For {'batched (3-D)' if rank == 3 else 'unbatched (2-D)'} `query`, expected "
    ranks = key.array.ndim, value.array.ndim
    _require(
        ranks == (rank, rank),
        f"{how}`key` and `value` to be {rank}-D but found {ranks[0]}-D and {ranks[1]}-D tensors respectively",
    )
    if key_padding_mask is not None:
        found = key_padding_mask.array.ndim
        _require(
            found == rank - 1,
            f"{how}`key_padding_mask` to be `None` or {rank - 1}-D but found {found}-D tensor instead",
        )
    if attn_mask is not None:
        found = attn_mask.array.ndim
        _require(found in (2, 3), f"{how}`attn_mask` to be `None`, 2-D or 3-D but found {found}-D tensor instead")
        if found == 3 and rank == 2:
            wanted = (heads, len(query.array), len(key.array))
            _require(
                attn_mask.array.shape == wanted,
                f"Expected `attn_mask` shape to be {wanted} but got {attn_mask.array.shape}",
            )
    if key_padding_mask is not None and rank == 3:
        sizes, shape = (key.array.shape[1], len(key.array)), key_padding_mask.array.shape
        for i in range(2):
            _require(shape[i] == sizes[i], f"Expected key_padded_mask.shape[{i}] to be {sizes[i]}, but got {shape[i]}")
    return rank == 3


@step("hidden_keys")
def _canonical(name: str, mask: Any, dtype: np.dtype) -> Any:
    """A mask as what is added to scores. Raises AssertionError for integers."""
    if mask is None:
        return None
    kind = mask.array.dtype.kind
    _require(kind in "fVb", f"only bool and floating types of {name} are supported")
    if kind == "b":
        return wrap(_added(mask.array, dtype))
    if mask.array.dtype != dtype:
        raise RuntimeError(f"Input dtypes must be the same: {name} is {mask.dtype}, and query {dtype}")
    return mask


def _widened(mask: Any, more: int) -> Any:
    """A mask that also lets `more` last keys through."""
    if mask is None or not more:
        return mask
    return pad_constant(mask, widths=(*((0, 0),) * (mask.array.ndim - 1), (0, more)))


def _static(what: str, x: Any, count: int, size: int) -> Any:
    found = x.array.shape
    _require(found[0] == count, f"expecting static_{what[0]}.size(0) of {count}, but got {found[0]}")
    _require(found[2] == size, f"expecting static_{what[0]}.size(2) of {size}, but got {found[2]}")
    return x


def _heads(x: Any, heads: int) -> Any:
    """(L, N, E) as (N * heads, L, E / heads)."""
    length, batch, width = x.array.shape
    return permute(reshape(x, shape=(length, batch * heads, width // heads)), dims=(1, 0, 2))


def _projected(query: Any, key: Any, value: Any, weight: Any, weights: tuple | None, bias: Any) -> Any:
    """query, key and value times their weights, plus their biases: in one product where they are the same tensor."""
    biases = (None, None, None) if bias is None else chunk(bias, 3)
    width = query.array.shape[-1]
    if weights is None:
        if key is value and query is key:
            found = linear(query, weight, bias)
            return [getitem(found, key=(..., slice(i * width, (i + 1) * width))) for i in range(3)]
        if key is value:
            of_query, rest = (getitem(weight, key=(part,)) for part in (slice(0, width), slice(width, None)))
            both = linear(key, rest, None if bias is None else getitem(bias, key=(slice(width, None),)))
            pair = [getitem(both, key=(..., slice(i * width, (i + 1) * width))) for i in range(2)]
            return [linear(query, of_query, biases[0]), *pair]
        weights = chunk(weight, 3)
    for what, x, w in zip(("query", "key", "value"), (query, key, value), weights, strict=True):
        wanted = (width, x.array.shape[-1])
        _require(w.array.shape == wanted, f"expecting {what} weights shape of {wanted}, but got {w.array.shape}")
    return [linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)]
