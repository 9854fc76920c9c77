"""Tables whose rows are looked up by number, one by one and in bags: a linear map of one-hot rows."""

from __future__ import annotations

from typing import Any

from ..ops.dims import whole
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter, new_parameter

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """`weight` (num_embeddings, embedding_dim), drawn from the standard normal distribution; row `padding_idx` is 0."""

    weight: Any
    padding_idx: int | None

    def _make(self, rows: Any, columns: Any, padding_idx: Any, given: Any, device: Any, dtype: Any) -> None:
        """Set the sizes and the table: the given one, or a new one."""
        name = type(self).__name__
        rows, columns = whole(rows, "num_embeddings"), whole(columns, "embedding_dim")
        if padding_idx is not None:
            padding_idx = whole(padding_idx, "padding_idx")
            if not -rows <= padding_idx < rows:
                raise AssertionError(f"{name}: padding_idx {padding_idx} must be within num_embeddings {rows}")
            padding_idx %= rows
        self.num_embeddings, self.embedding_dim, self.padding_idx = rows, columns, padding_idx
        if given is None:
            self.weight = new_parameter(rows, columns, device=device, dtype=dtype)
            self.reset_parameters()
        else:
            if tuple(given.shape) != (rows, columns):
                raise AssertionError(f"{name}: shape of weight {tuple(given.shape)} is not ({rows}, {columns})")
            self.weight = given if isinstance(given, Parameter) else Parameter(given)

    def reset_parameters(self) -> None:
        """Draw the table again."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.write()[self.padding_idx] = 0

    def extra_repr(self) -> str:
        """Sizes, and the settings that are not the default."""
        shown = [f"{self.num_embeddings}, {self.embedding_dim}"]
        defaults = {"padding_idx": None, "max_norm": None, "norm_type": 2, "scale_grad_by_freq": False, "sparse": False}
        shown += [f"{k}={getattr(self, k)}" for k, default in defaults.items() if getattr(self, k) != default]
        return ", ".join(shown)


class Embedding(_Table):
    """Rows of `weight` (num_embeddings, embedding_dim) by number, drawn from the standard normal distribution.

    Row `padding_idx` starts at zero and gets no gradient. max_norm, norm_type and scale_grad_by_freq are those of
    `functional.embedding`. Raises NotImplementedError for `sparse`.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if sparse:
            raise NotImplementedError("Embedding: sparse gradients are not supported")
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self._make(num_embeddings, embedding_dim, padding_idx, _weight, device, dtype)
        self.weight.requires_grad_(not _freeze)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """A layer with this table, which gets no gradient if `freeze`."""
        _check_table(embeddings)
        settings: dict[str, Any] = {"max_norm": max_norm, "norm_type": norm_type, "sparse": sparse}
        settings |= {"scale_grad_by_freq": scale_grad_by_freq, "_weight": embeddings, "_freeze": freeze}
        rows, columns = embeddings.array.shape
        return cls(rows, columns, padding_idx, **settings)

    def forward(self, input: Any) -> Any:
        """The rows named by `input`."""
        settings = (self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse)
        return F.embedding(input, self.weight, *settings)


def _check_table(embeddings: Any) -> None:
    if embeddings.dim() != 2:
        raise AssertionError(f"Embeddings parameter is expected to be 2-dimensional, but has shape {embeddings.shape}")


class EmbeddingBag(_Table):
    """The sum, mean or maximum of the rows that each bag names; see `functional.embedding_bag`.

    Raises NotImplementedError for `sparse`.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Any = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if sparse:
            raise NotImplementedError("EmbeddingBag: sparse gradients are not supported")
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        self.mode, self.sparse, self.include_last_offset = mode, sparse, include_last_offset
        self._make(num_embeddings, embedding_dim, padding_idx, _weight, device, dtype)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """A layer with this table, which gets no gradient if `freeze`."""
        _check_table(embeddings)
        settings: dict[str, Any] = {"mode": mode, "sparse": sparse, "padding_idx": padding_idx, "_weight": embeddings}
        settings["include_last_offset"] = include_last_offset
        rows, columns = embeddings.array.shape
        out = cls(rows, columns, max_norm, norm_type, scale_grad_by_freq, **settings)
        out.weight.requires_grad_(not freeze)
        return out

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Any:
        """The bags' rows, reduced."""
        settings = (self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode, self.sparse, per_sample_weights)
        return F.embedding_bag(input, self.weight, offsets, *settings, self.include_last_offset, self.padding_idx)

    def extra_repr(self) -> str:
        """Sizes, the settings that are not the default, and the mode."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        settings = super().extra_repr().replace(padding, "", 1) if padding else super().extra_repr()
        return f"{settings}, mode={self.mode!r}{padding}"
