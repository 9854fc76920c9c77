"""Attention with many heads."""

from __future__ import annotations

from typing import Any

from ..ops.shape import standalone, transpose
from . import functional as F
from . import init
from .linear import Linear
from .module import Module
from .parameter import new_parameter

__all__ = ["MultiheadAttention"]


class NonDynamicallyQuantizableLinear(Linear):
    """A `Linear` by the name that it has in what PyTorch prints of attention."""


class MultiheadAttention(Module):
    """Queries, keys and values, each times a weight; attention in `num_heads` parts of them; the result times a weight.

    query (L, N, embed_dim), key (S, N, kdim) and value (S, N, vdim), or (N, L, .) with `batch_first`, or all without N.
    add_bias_kv: one more key and value, which are learnt. add_zero_attn: one more of zeros. Raises ValueError for sizes
    below 1, AssertionError unless num_heads divides embed_dim.

    >>> import minitorch
    >>> x = minitorch.ones(5, 2, 8)
    >>> out, weights = minitorch.nn.MultiheadAttention(8, 2)(x, x, x)
    >>> out.shape, weights.shape
    (minitorch.Size([5, 2, 8]), minitorch.Size([2, 5, 5]))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and num_heads={num_heads} "
                "instead"
            )
        if embed_dim % num_heads:
            raise AssertionError(f"embed_dim must be divisible by num_heads, but they are {embed_dim} and {num_heads}")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == self.vdim == embed_dim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        same, widths = self._qkv_same_embed_dim, {"q": embed_dim, "k": self.kdim, "v": self.vdim}
        shapes: dict[str, tuple | None] = {
            f"{n}_proj_weight": None if same else (embed_dim, w) for n, w in widths.items()
        }
        shapes["in_proj_weight"] = (3 * embed_dim, embed_dim) if same else None
        shapes["in_proj_bias"] = (3 * embed_dim,) if bias else None
        for name in ("bias_k", "bias_v"):
            shapes[name] = (1, 1, embed_dim) if add_bias_kv else None
        for name, shape in shapes.items():
            self.register_parameter(name, new_parameter(*shape, device=device, dtype=dtype) if shape else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias, device=device, dtype=dtype)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Draw the weights as `xavier_uniform_` does, `bias_k` and `bias_v` as `xavier_normal_`; other biases are 0."""
        for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            if getattr(self, name) is not None:
                init.xavier_uniform_(getattr(self, name))
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for name in ("bias_k", "bias_v"):
            if getattr(self, name) is not None:
                init.xavier_normal_(getattr(self, name))

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple:
        """(output (L, N, embed_dim), weights (N, L, S), or None unless `need_weights`).

        Masks are added to the scores, or are bools, True where a key is hidden: attn_mask (L, S) or (N * num_heads, L,
        S), and key_padding_mask (N, S). is_causal: a hint that attn_mask hides all later keys, and nothing else.
        """
        turned = self.batch_first and getattr(query, "ndim", 0) == 3
        if turned:
            operands: dict[int, Any] = {id(x): transpose(x, 0, 1) for x in (query, key, value)}
            query, key, value = (operands[id(x)] for x in (query, key, value))
        out, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return standalone(transpose(out, 0, 1)) if turned else out, weights
