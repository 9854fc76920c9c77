"""Attention and transformers: values by NumPy, masks, names, wrong calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch as m
from minitorch import nn
from minitorch.nn import functional as F

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    """Numbers."""
    return RNG.standard_normal(shape)


def t(x: np.ndarray) -> Any:
    """A tensor."""
    return m.from_numpy(np.array(x))


def softmax(x: np.ndarray) -> np.ndarray:
    """Along the last axis; zeros where all is -inf."""
    e = np.exp(x - np.maximum(x.max(-1, keepdims=True), -1e300))
    return e / np.maximum(e.sum(-1, keepdims=True), 1e-300)


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, added: Any = 0.0, scale: float | None = None) -> np.ndarray:
    """The formula."""
    scale = 1 / np.sqrt(q.shape[-1]) if scale is None else scale
    return softmax(np.einsum("...le,...se->...ls", q, k) * scale + added) @ v


Q, K, V = normal(2, 4, 3, 8), normal(2, 4, 5, 8), normal(2, 4, 5, 6)
SEEN = np.array([[1, 0, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], bool)
HIDDEN = np.where(SEEN, 0, -np.inf)
CAUSAL = np.where(np.tri(3, 5, dtype=bool), 0, -np.inf)


@pytest.mark.parametrize(
    ("how", "added", "scale"),
    [
        ({}, 0.0, None),
        ({"scale": 0.3}, 0.0, 0.3),
        ({"is_causal": True}, CAUSAL, None),
        ({"attn_mask": SEEN}, HIDDEN, None),
        ({"attn_mask": HIDDEN}, HIDDEN, None),
        ({"attn_mask": normal(1, 3, 5) * 0 + 2.5}, 2.5, None),
    ],
)
def test_scaled_dot_product_attention(how: dict, added: Any, scale: Any) -> None:
    """Values by the formula; a query that sees no key gives zeros, and finite gradients."""
    q, k, v = (t(x).requires_grad_() for x in (Q, K, V))
    given = {name: t(x) if isinstance(x, np.ndarray) else x for name, x in how.items()}
    out = F.scaled_dot_product_attention(q, k, v, **given)
    np.testing.assert_allclose(out.array, attention(Q, K, V, added, scale), rtol=1e-10, atol=1e-12)
    (out**2).sum().backward()
    assert all(np.isfinite(x.grad.array).all() for x in (q, k, v))


def test_groups_of_heads_and_broadcast_batches() -> None:
    """Each head of the keys serves two of the queries; a single one serves all."""
    out = F.scaled_dot_product_attention(t(Q), t(K[:, :2]), t(V[:, :2]), enable_gqa=True)
    np.testing.assert_allclose(out.array, attention(Q, K[:, [0, 0, 1, 1]], V[:, [0, 0, 1, 1]]), rtol=1e-10)
    out = F.scaled_dot_product_attention(t(Q), t(K[:, :1]), t(V[:, :1]))
    np.testing.assert_allclose(out.array, attention(Q, K[:, :1], V[:, :1]), rtol=1e-10)


def test_dropout_of_weights() -> None:
    """All weights dropped leave zeros; half of them keep the mean."""
    q = t(Q)
    assert not F.scaled_dot_product_attention(q, t(K), t(V), dropout_p=1.0).array.any()
    m.manual_seed(0)
    ones = m.ones(50, 20, 100, 1).double()
    mean = F.scaled_dot_product_attention(ones, ones, ones, dropout_p=0.5).mean().item()
    assert mean == pytest.approx(1, abs=0.02)
    layer = nn.MultiheadAttention(8, 2, dropout=1.0, bias=False).double()
    x = t(normal(3, 2, 8))
    assert not layer(x, x, x)[0].array.any()
    assert layer.eval()(x, x, x)[0].array.any()


def many_heads(layer: Any, q: np.ndarray, k: np.ndarray, v: np.ndarray, added: Any = 0.0) -> tuple:
    """nn.MultiheadAttention, of (L, N, E): output and weights of each head."""
    state = {name: p.array for name, p in layer.state_dict().items()}
    n, e, heads = q.shape[1], layer.embed_dim, layer.num_heads
    ws = (
        [state[f"{s}_proj_weight"] for s in "qkv"] if "q_proj_weight" in state else np.split(state["in_proj_weight"], 3)
    )
    bs = np.split(state.get("in_proj_bias", np.zeros(3 * e)), 3)
    q, k, v = (x @ w.T + b for x, w, b in zip((q, k, v), ws, bs, strict=True))
    if layer.bias_k is not None:
        k, v = (np.concatenate([x, np.tile(state[b], (1, n, 1))]) for x, b in ((k, "bias_k"), (v, "bias_v")))
    if layer.add_zero_attn:
        k, v = (np.concatenate([x, np.zeros((1, n, e))]) for x in (k, v))
    q, k, v = (x.reshape(len(x), n, heads, e // heads).transpose(1, 2, 0, 3) for x in (q, k, v))
    added = np.broadcast_to(added, (n, heads, q.shape[2], k.shape[2] - (k.shape[2] - 5))) if np.ndim(added) else added
    if np.ndim(added):
        added = np.pad(added, ((0, 0),) * 3 + ((0, k.shape[2] - 5),))
    weights = softmax(np.einsum("nhle,nhse->nhls", q, k) / np.sqrt(e // heads) + added)
    out = (weights @ v).transpose(2, 0, 1, 3).reshape(q.shape[2], n, e)
    return out @ state["out_proj.weight"].T + state.get("out_proj.bias", 0), weights


LAYERS: list[dict] = [{}, {"bias": False}, {"add_bias_kv": True}, {"add_zero_attn": True, "kdim": 5, "vdim": 7}]


@pytest.mark.parametrize("settings", LAYERS, ids=str)
def test_multihead_attention(settings: dict) -> None:
    """Values and weights by NumPy, with masks of both kinds, both ways to compute, and the batch in front."""
    layer = nn.MultiheadAttention(8, 2, **settings).double()
    for p in layer.parameters():
        nn.init.normal_(p, std=0.5)
    q, k, v = normal(4, 3, 8), normal(5, 3, layer.kdim), normal(5, 3, layer.vdim)
    mask, padding = np.tri(4, 5, 1) < 0.5, np.array([[0, 0, 0, 0, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 0]], bool)
    cases: list[tuple] = [
        ({}, 0.0),
        ({"attn_mask": t(mask)}, np.where(mask, -np.inf, 0)),
        ({"attn_mask": t(np.where(mask, -2.0, 1.0))}, np.where(mask, -2.0, 1.0)),
        ({"key_padding_mask": t(padding)}, np.where(padding, -np.inf, 0)[:, None, None]),
        ({"key_padding_mask": t(padding), "attn_mask": t(mask)}, np.where(padding[:, None, None] | mask, -np.inf, 0)),
    ]
    for how, added in cases:
        expected, weights = many_heads(layer, q, k, v, added)
        out, found = layer(t(q), t(k), t(v), **how)
        np.testing.assert_allclose(out.array, expected, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(found.array, weights.mean(1), rtol=1e-9, atol=1e-11)
        out, found = layer(t(q), t(k), t(v), need_weights=False, **how)
        assert found is None
        np.testing.assert_allclose(out.array, expected, rtol=1e-9, atol=1e-11)
    assert layer(t(q), t(k), t(v), average_attn_weights=False)[1].shape == weights.shape
    alone, _ = layer(t(q[:, 0]), t(k[:, 0]), t(v[:, 0]))
    np.testing.assert_allclose(alone.array, many_heads(layer, q, k, v)[0][:, 0], rtol=1e-9, atol=1e-11)


def test_attention_to_itself_takes_one_product() -> None:
    """The same tensor thrice, or twice, gives what copies of it give, also with the batch in front."""
    for first in (False, True):
        layer = nn.MultiheadAttention(8, 2, batch_first=first).double()
        x, y = t(normal(3, 3, 8)), t(normal(3, 3, 8))
        np.testing.assert_allclose(
            layer(x, x, x)[0].array, layer(x, x.clone(), x.clone())[0].array, rtol=1e-10, atol=1e-12
        )
        np.testing.assert_allclose(layer(x, y, y)[0].array, layer(x, y, y.clone())[0].array, rtol=1e-10, atol=1e-12)


def normed(x: np.ndarray) -> np.ndarray:
    """Layer norm with weight 1 and bias 0."""
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


@pytest.mark.parametrize("norm_first", [False, True])
def test_layers_of_transformers(norm_first: bool) -> None:
    """Encoder and decoder layer, by their parts."""
    x, y = normal(4, 3, 8), normal(5, 3, 8)
    how = {"dim_feedforward": 12, "dropout": 0.0, "norm_first": norm_first}

    def added(x: np.ndarray, part: Any) -> np.ndarray:
        return x + part(normed(x)) if norm_first else normed(x + part(x))

    for kind in ("Encoder", "Decoder"):
        layer = getattr(nn, f"Transformer{kind}Layer")(8, 2, **how).double()
        found = layer(t(x)) if kind == "Encoder" else layer(t(x), t(y))
        expected = added(x, lambda z: many_heads(layer.self_attn, z, z, z)[0])  # noqa: B023
        if kind == "Decoder":
            expected = added(expected, lambda z: many_heads(layer.multihead_attn, z, y, y)[0])  # noqa: B023
        w1, b1, w2, b2 = (p.array for p in [*layer.linear1.parameters(), *layer.linear2.parameters()])
        expected = added(expected, lambda z: np.maximum(z @ w1.T + b1, 0) @ w2.T + b2)  # noqa: B023
        np.testing.assert_allclose(found.array, expected, rtol=1e-9, atol=1e-10)


def test_stacks_and_causal_masks() -> None:
    """An encoder is its layers in turn; what is behind a causal mask changes nothing before it, hint or not."""
    layer = nn.TransformerEncoderLayer(8, 2, 12, 0.0, "gelu", batch_first=True).double()
    stack = nn.TransformerEncoder(layer, 2, nn.LayerNorm(8).double())
    x = t(normal(3, 5, 8))
    np.testing.assert_allclose(stack(x).array, stack.norm(stack.layers[1](stack.layers[0](x))).array, rtol=1e-12)
    mask = nn.Transformer.generate_square_subsequent_mask(5, dtype=m.float64)
    assert mask.tolist() == np.where(np.tri(5) > 0, 0, -np.inf).tolist()
    changed = x.clone()
    changed[:, 3:] += 1
    for hint in (None, True, False):
        a, b = (stack(v, mask, is_causal=hint).array for v in (x, changed))
        np.testing.assert_allclose(a[:, :3], b[:, :3], rtol=1e-10)
        assert np.abs(a[:, 3:] - b[:, 3:]).max() > 1e-3
    whole = nn.Transformer(8, 2, 1, 1, 12, 0.0).double()
    src, tgt = t(normal(5, 3, 8)), t(normal(4, 3, 8))
    assert whole(src, tgt).shape == (4, 3, 8)
    np.testing.assert_allclose(whole(src, tgt).array, whole.decoder(tgt, whole.encoder(src)).array, rtol=1e-12)


def test_names_and_first_values() -> None:
    """State is named as PyTorch's; weights are Xavier's, biases zero."""
    layer = nn.MultiheadAttention(48, 2, kdim=5, add_bias_kv=True)
    assert list(layer.state_dict()) == [
        "q_proj_weight",
        "k_proj_weight",
        "v_proj_weight",
        "in_proj_bias",
        "bias_k",
        "bias_v",
        "out_proj.weight",
        "out_proj.bias",
    ]
    assert np.abs(layer.q_proj_weight.array).max() <= np.sqrt(6 / 96)
    assert not layer.in_proj_bias.array.any()
    assert not layer.out_proj.bias.array.any()
    assert layer.bias_k.array.any()
    assert list(nn.TransformerDecoderLayer(8, 2, 4, bias=False).state_dict()) == [
        "self_attn.in_proj_weight",
        "self_attn.out_proj.weight",
        "multihead_attn.in_proj_weight",
        "multihead_attn.out_proj.weight",
        "linear1.weight",
        "linear2.weight",
        "norm1.weight",
        "norm2.weight",
        "norm3.weight",
    ]
    assert repr(nn.MultiheadAttention(8, 2)) == (
        "MultiheadAttention(\n  (out_proj): NonDynamicallyQuantizableLinear(in_features=8, out_features=8, bias=True)\n)"
    )


def call(*args: Any, **how: Any) -> Any:
    """A layer of attention, called."""
    return nn.MultiheadAttention(8, 2)(*args, **how)


X = m.ones(5, 3, 8)
E = m.ones(3, 4)
ERRORS = [
    (lambda: F.scaled_dot_product_attention(E, m.ones(3, 5), E), RuntimeError, "must be equal"),
    (lambda: F.scaled_dot_product_attention(E, E, E.double()), RuntimeError, "to have the same dtype"),
    (lambda: F.scaled_dot_product_attention(E[0], E, E), RuntimeError, "at least 2 dimensional"),
    (lambda: F.scaled_dot_product_attention(E, E, E, m.ones(3, 3), is_causal=True), RuntimeError, "should not be set"),
    (lambda: F.scaled_dot_product_attention(E, E, E, m.ones(2, 2)), RuntimeError, "must match the size"),
    (lambda: F.scaled_dot_product_attention(E, E, E, m.ones(3, 3).long()), RuntimeError, "attn_mask dtype to be bool"),
    (lambda: F.scaled_dot_product_attention(E, E, E, dropout_p=2.0), RuntimeError, "between 0 and 1"),
    (lambda: F.scaled_dot_product_attention(None, E, E), TypeError, "must be a Tensor"),
    (
        lambda: F.scaled_dot_product_attention(t(Q), t(K[:, :3]), t(V[:, :3]), enable_gqa=True),
        RuntimeError,
        "must divide",
    ),
    (lambda: nn.MultiheadAttention(8, 3), AssertionError, "divisible by num_heads"),
    (lambda: nn.MultiheadAttention(0, 1), ValueError, "greater than 0, got embed_dim=0"),
    (lambda: call(m.ones(5, 3, 4), X, X), AssertionError, "embedding dimension of 8, but got 4"),
    (lambda: call(X, X[:2], X), AssertionError, "does not match value shape"),
    (lambda: call(X, X, X, attn_mask=m.ones(3, 3)), RuntimeError, "2D attn_mask is"),
    (lambda: call(X, X, X, attn_mask=m.ones(5, 5).long()), AssertionError, "only bool and floating types of attn_mask"),
    (lambda: call(X, X, X, key_padding_mask=m.ones(5, 3) > 0), AssertionError, "Expected key_padded_mask"),
    (lambda: call(X, X, X, is_causal=True), RuntimeError, "Need attn_mask"),
    (lambda: call(X[:, 0], X, X), AssertionError, "to be 2-D but found 3-D and 3-D"),
    (lambda: nn.TransformerEncoderLayer(8, 2, activation="foo"), RuntimeError, "should be relu/gelu, not foo"),
    (lambda: nn.Transformer(8, 2, 1, 1, 16)(X, m.ones(4, 2, 8)), RuntimeError, "batch number of src and tgt"),
    (lambda: nn.Transformer(8, 2, 1, 1, 16)(X[..., :7], X), RuntimeError, "must be equal to d_model"),
]


@pytest.mark.parametrize(("wrong", "error", "message"), ERRORS)
def test_wrong_calls(wrong: Any, error: type, message: str) -> None:
    """PyTorch's classes, and what they say."""
    with pytest.raises(error, match=message):
        wrong()
