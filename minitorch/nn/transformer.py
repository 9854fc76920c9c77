"""Transformers: layers of attention and two linear maps, and stacks of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import creation, dtypes
from ..autograd.tape import wrap
from ..dtypes import FLOATS
from . import functional as F
from . import init
from .attention import MultiheadAttention
from .container import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .norm import LayerNorm

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]


def _activation(activation: Any) -> Any:
    """The function of a name. Raises RuntimeError for another than "relu" and "gelu"."""
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    return F.relu if activation == "relu" else F.gelu


def _copies(module: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(module) for _ in range(count)])


def _is_causal(mask: Any, is_causal: bool | None, length: int) -> bool:
    """Whether a mask hides just the later places: as told, or if None by a look at it."""
    if is_causal is not None or mask is None:
        return is_causal is True
    causal = _causal(length, mask.array.dtype)
    return mask.array.shape == causal.shape and bool((mask.array == causal).all())


def _causal(size: int, dtype: np.dtype) -> np.ndarray:
    return (
        np.triu(np.full((size, size), -np.inf), 1).astype(dtype) if dtype.kind in FLOATS else ~np.tri(size, dtype=bool)
    )


def _length(x: Any, batch_first: bool) -> int:
    shape = x.array.shape
    return shape[1] if len(shape) == 3 and batch_first else shape[0]


class _Layer(Module):
    """What both layers have: two linear maps with an activation between, and sums with what came in."""

    activation: Any

    def _feed(self, x: Any) -> Any:
        """The two maps of x."""
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def _added(self, x: Any, norm: Module, drop: Module, part: Callable) -> Any:
        """x + part(x), normalised before the part or after the sum."""
        if self.norm_first:
            return x + drop(part(norm(x)))
        return norm(x + drop(part(x)))

    def _attended(self, attention: Module, x: Any, memory: Any, mask: Any, padding: Any, is_causal: bool) -> Any:
        memory = x if memory is None else memory
        return attention(
            x, memory, memory, attn_mask=mask, key_padding_mask=padding, is_causal=is_causal, need_weights=False
        )[0]


class TransformerEncoderLayer(_Layer):
    """src + self_attn(src), normalised; then x + linear2(activation(linear1(x))), normalised; dropout in each part.

    norm_first: each norm stands before its part, not after the sum. activation: "relu", "gelu" or a function. src
    (S, N, d_model), or (N, S, d_model) with `batch_first`, or (S, d_model). Raises RuntimeError for another name.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Any = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        kind = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first, **kind)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **kind)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **kind)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, **kind)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, **kind)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)
        self.activation = _activation(activation)

    def forward(self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Any:
        """The layer of `src`; masks are those of `MultiheadAttention`."""

        def attend(x: Any) -> Any:
            return self._attended(self.self_attn, x, None, src_mask, src_key_padding_mask, is_causal)

        x = self._added(src, self.norm1, self.dropout1, attend)
        return self._added(x, self.norm2, self.dropout2, self._feed)


class TransformerDecoderLayer(_Layer):
    """As `TransformerEncoderLayer`, with attention to `memory`, the encoder's result, between the two parts."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Any = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        kind = {"device": device, "dtype": dtype}
        shared = {"dropout": dropout, "bias": bias, "batch_first": batch_first, **kind}
        self.self_attn = MultiheadAttention(d_model, nhead, **shared)
        self.multihead_attn = MultiheadAttention(d_model, nhead, **shared)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **kind)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **kind)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, **kind)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, **kind)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias, **kind)
        self.dropout1, self.dropout2, self.dropout3 = Dropout(dropout), Dropout(dropout), Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        """The layer of `tgt` (T, N, d_model), which looks at `memory` (S, N, d_model)."""

        def attend(x: Any) -> Any:
            return self._attended(self.self_attn, x, None, tgt_mask, tgt_key_padding_mask, tgt_is_causal)

        def recall(x: Any) -> Any:
            return self._attended(
                self.multihead_attn, x, memory, memory_mask, memory_key_padding_mask, memory_is_causal
            )

        x = self._added(tgt, self.norm1, self.dropout1, attend)
        x = self._added(x, self.norm2, self.dropout2, recall)
        return self._added(x, self.norm3, self.dropout3, self._feed)


class TransformerEncoder(Module):
    """`num_layers` copies of an encoder layer, one after the other, then `norm`, if there is one.

    enable_nested_tensor and mask_check are accepted and change nothing: padding stays where it is.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers, self.num_layers, self.norm = _copies(encoder_layer, num_layers), num_layers, norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool | None = None
    ) -> Any:
        """The layers of `src`; is_causal: whether `mask` hides just the later places, found out if None."""
        if not len(self.layers):
            return src if self.norm is None else self.norm(src)
        causal = _is_causal(mask, is_causal, _length(src, _is_batch_first(self.layers[0])))
        for layer in self.layers:
            src = layer(src, src_mask=mask, is_causal=causal, src_key_padding_mask=src_key_padding_mask)
        return src if self.norm is None else self.norm(src)


def _is_batch_first(layer: Any) -> bool:
    return getattr(getattr(layer, "self_attn", None), "batch_first", False)


class TransformerDecoder(Module):
    """`num_layers` copies of a decoder layer, one after the other, then `norm`, if there is one."""

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers, self.num_layers, self.norm = _copies(decoder_layer, num_layers), num_layers, norm

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        """The layers of `tgt`, which look at `memory`; tgt_is_causal: as in `TransformerEncoder`."""
        if len(self.layers):
            tgt_is_causal = _is_causal(tgt_mask, tgt_is_causal, _length(tgt, _is_batch_first(self.layers[0])))
        for layer in self.layers:
            tgt = layer(
                tgt,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=tgt_is_causal,
                memory_is_causal=memory_is_causal,
            )
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder of `src`, and a decoder of `tgt` that looks at its result.

    >>> import minitorch
    >>> model = minitorch.nn.Transformer(8, nhead=2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=16)
    >>> model(minitorch.ones(6, 3, 8), minitorch.ones(4, 3, 8)).shape
    minitorch.Size([4, 3, 8])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Any = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        kind = {"device": device, "dtype": dtype}
        settings = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)

        def last() -> LayerNorm:
            return LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **kind)

        self.encoder = custom_encoder
        if custom_encoder is None:
            layer = TransformerEncoderLayer(*settings, **kind)
            self.encoder = TransformerEncoder(layer, num_encoder_layers, last())
        self.decoder = custom_decoder
        if custom_decoder is None:
            self.decoder = TransformerDecoder(TransformerDecoderLayer(*settings, **kind), num_decoder_layers, last())
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        """Draw all matrices as `xavier_uniform_` does."""
        for p in self.parameters():
            if p.array.ndim > 1:
                init.xavier_uniform_(p)

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        """The decoder's result for `tgt` (T, N, d_model), which looks at the encoder's for `src` (S, N, d_model).

        Raises RuntimeError if the batches differ or the last size is not d_model.
        """
        a, b = src.array.shape, tgt.array.shape
        axis = 0 if self.batch_first else 1
        if len(a) == 3 and a[axis] != b[axis]:
            raise RuntimeError(f"the batch number of src and tgt must be equal, but shapes are {a} and {b}")
        if a[-1] != self.d_model or b[-1] != self.d_model:
            raise RuntimeError(
                f"the feature number of src and tgt must be equal to d_model {self.d_model}, but shapes are {a} and {b}"
            )
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Any:
        """(sz, sz) with -inf above the diagonal, 0 elsewhere: what hides the later places."""
        dtypes.check_device(device)
        return wrap(_causal(sz, creation.empty(0, dtype=dtype).array.dtype))
