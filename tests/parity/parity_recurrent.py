"""Recurrent layers, packed sequences, attention and transformers against the live PyTorch.

`pytest tests/parity/parity_recurrent.py -s`. Weights are copied, then outputs, gradients and second derivatives are
compared, as are reprs, names of parameters and the classes of errors.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402

import minitorch as m  # noqa: E402

RNG = np.random.default_rng(0)
pytestmark = pytest.mark.filterwarnings("ignore")  # PyTorch's own
COUNT: dict[str, Any] = {"names": set(), "cases": 0, "failures": []}
BOTH = ((torch, 0), (m, 1))


def here(x: Any, like: Any) -> Any:
    """An array, or a structure of them, as tensors of one of the libraries; others as they are."""
    if isinstance(x, np.ndarray):
        return like.from_numpy(x.copy()) if like is m else torch.from_numpy(x.copy())
    if isinstance(x, tuple | list):
        return type(x)(here(v, like) for v in x)
    return {k: here(v, like) for k, v in x.items()} if isinstance(x, dict) else x


def leaves(x: Any) -> list:
    """All floating tensors in a structure."""
    if isinstance(x, torch.Tensor | m.Tensor):
        return [x] if x.is_floating_point() else []
    if isinstance(x, dict):
        x = list(x.values())
    return [leaf for v in x for leaf in leaves(v)] if isinstance(x, tuple | list) else []


def tensors(x: Any) -> list:
    """All tensors in a structure."""
    if isinstance(x, torch.Tensor | m.Tensor):
        return [x]
    return [leaf for v in x for leaf in tensors(v)] if isinstance(x, tuple | list) else []


def differ(what: str, found: list, wanted: list, tolerance: float) -> list[str]:
    """A line for each pair that is not the same."""
    out = [] if len(found) == len(wanted) else [f"{what}: {len(found)} results, PyTorch {len(wanted)}"]
    for i, (a, b) in enumerate(zip(found, wanted, strict=False)):
        if (a is None) != (b is None):
            out.append(f"{what}[{i}]: {a is None}, PyTorch {b is None}")
        if a is None or b is None:
            continue
        a, b = a.detach().numpy(), b.detach().numpy()
        if a.shape != b.shape or a.dtype != b.dtype:
            out.append(f"{what}[{i}]: {a.shape} {a.dtype}, PyTorch {b.shape} {b.dtype}")
        elif a.size and not np.allclose(a, b, tolerance, tolerance, equal_nan=True):
            out.append(f"{what}[{i}]: off by {np.abs(a - b).max()}")
    return out


@sdpa_kernel(SDPBackend.MATH)  # the others have no second derivative
def compare(
    name: str, run: Callable, args: tuple, modules: Any = None, tolerance: float = 1e-8, second: bool = True
) -> None:
    """run(library, module, *args) in both: outputs, gradients of all floats and of parameters, then of these."""
    COUNT["names"].add(name.split("(")[0])
    COUNT["cases"] += 1
    outs, firsts, seconds = [], [], []
    for like, i in BOTH:
        given = here(args, like)
        module = modules[i] if modules else None
        wanted = [x.requires_grad_() for x in leaves(given) if x.is_leaf] + ([*module.parameters()] if module else [])
        rng = np.random.default_rng(1)
        out = tensors(run(like, module, *given))
        outs.append(out)
        smooth = [y for y in out if y.is_floating_point() and y.requires_grad]
        gs = [here(rng.standard_normal(tuple(y.shape)).astype(str(y.dtype).split(".")[-1]), like) for y in smooth]
        for g in gs:
            g.requires_grad_()
        first = like.autograd.grad(smooth, wanted, gs, create_graph=second, allow_unused=True) if smooth else []
        firsts.append(list(first))
        again = [g for g in first if g is not None and g.requires_grad]
        if not second or not again:
            continue
        ggs = [here(rng.standard_normal(tuple(y.shape)), like) for y in again]
        seconds.append(list(like.autograd.grad(again, wanted + gs, ggs, allow_unused=True, materialize_grads=True)))
    lines = differ("output", outs[1], outs[0], tolerance) + differ("gradient", firsts[1], firsts[0], tolerance * 10)
    if seconds:
        lines += differ("second", seconds[1], seconds[0], tolerance * 100)
    COUNT["failures"] += [f"{name}: {line}" for line in lines]


def pair(make: Callable, dtype: str = "float64") -> list:
    """The same module in both libraries, with weights copied: PyTorch's first and ours, after a way to and fro."""
    theirs, ours = make(torch.nn, torch).to(getattr(torch, dtype)), make(m.nn, m).to(getattr(m, dtype))
    name = repr(theirs).split("\n")[0]
    check(f"repr of {name}", repr(ours) == repr(theirs), f"{ours} / {theirs}")
    state = theirs.state_dict()
    check(f"names of {name}", list(state) == list(ours.state_dict()), f"{list(ours.state_dict())} / {list(state)}")
    shapes = [(k, tuple(v.shape)) for k, v in state.items()]
    check(f"shapes of {name}", shapes == [(k, tuple(v.shape)) for k, v in ours.state_dict().items()], "")
    ours.load_state_dict({k: m.from_numpy(v.numpy().copy()) for k, v in state.items()})
    theirs.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in ours.state_dict().items()})
    return [theirs, ours]


def check(name: str, holds: bool, what: str) -> None:
    """Count a case."""
    COUNT["cases"] += 1
    if not holds:
        COUNT["failures"].append(f"{name}: {what}")


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


# ------------------------------------------------------------------------------------------------------------ recurrent
KINDS = [("RNN", {}), ("RNN", {"nonlinearity": "relu"}), ("LSTM", {}), ("LSTM", {"proj_size": 2}), ("GRU", {})]
FLAGS = [
    dict(zip(("num_layers", "bias", "bidirectional"), v, strict=True))
    for v in itertools.product((1, 2), (True, False), (False, True))
]


def hidden(kind: str, settings: dict, *batch: int) -> Any:
    """First states."""
    count = settings["num_layers"] * (1 + settings["bidirectional"])
    h = normal(count, *batch, settings.get("proj_size", 4))
    return (h, normal(count, *batch, 4)) if kind == "LSTM" else h


def test_sequences() -> None:
    """Layers of all kinds, with and without first states, batches, `batch_first`."""
    for (kind, own), flags in itertools.product(KINDS, FLAGS):
        settings = {**own, **flags}
        modules = pair(lambda nn, _: getattr(nn, kind)(3, 4, **settings))
        for args in (
            (normal(5, 2, 3),),
            (normal(5, 2, 3), hidden(kind, settings, 2)),
            (normal(4, 3),),
            (normal(4, 3), hidden(kind, settings)),
            (normal(1, 1, 3),),
        ):
            compare(f"{kind}({settings})", lambda _, mod, *a: mod(*a), args, modules)
        first = pair(lambda nn, _: getattr(nn, kind)(3, 4, batch_first=True, **settings))
        compare(f"{kind}(batch_first)", lambda _, mod, *a: mod(*a), (normal(2, 5, 3),), first)
        single = pair(lambda nn, _: getattr(nn, kind)(3, 4, **settings), "float32")
        x = normal(9, 3, 3).astype(np.float32)
        compare(f"{kind}(float32)", lambda _, mod, *a: mod(*a), (x,), single, 2e-5, second=False)


def test_packed() -> None:
    """Packed sequences, sorted and not, through layers, and unpacked again."""

    def run(like: Any, mod: Any, x: Any, *states: Any, lengths: Any, **how: Any) -> Any:
        rnn = like.nn.utils.rnn
        packed = rnn.pack_padded_sequence(x, lengths, **how)
        out, last = mod(packed, *states)
        return [*tensors(tuple(packed)), *rnn.pad_packed_sequence(out, padding_value=2.0, total_length=7), last]

    for (kind, own), flags in itertools.product(KINDS, FLAGS):
        settings = {**own, **flags}
        modules = pair(lambda nn, _: getattr(nn, kind)(3, 4, **settings))
        for lengths, how in (
            ([5, 3, 1], {}),
            ([2, 5, 3], {"enforce_sorted": False}),
            ([4, 4, 4], {"batch_first": True}),
        ):
            x = normal(3, 5, 3) if how.get("batch_first") else normal(5, 3, 3)
            for states in ((), (hidden(kind, settings, 3),)):
                compare(
                    f"packed {kind}({settings}, {lengths})",
                    lambda like, mod, *a: run(like, mod, *a, lengths=lengths, **how),
                    (x, *states),
                    modules,
                )


def test_cells() -> None:
    """Single steps, as modules and as functions."""
    for kind, bias, own in itertools.product(
        ("RNNCell", "LSTMCell", "GRUCell"), (True, False), ({}, {"nonlinearity": "relu"})
    ):
        if own and kind != "RNNCell":
            continue
        modules = pair(lambda nn, _: getattr(nn, kind)(3, 4, bias=bias, **own))
        for batch in ((2,), (), (0,)):
            state = normal(*batch, 4)
            hx = (state, normal(*batch, 4)) if kind == "LSTMCell" else state
            for args in ((normal(*batch, 3),), (normal(*batch, 3), hx)):
                compare(f"{kind}({bias})", lambda _, mod, *a: mod(*a), args, modules)
    for name, gates in (("rnn_tanh_cell", 1), ("rnn_relu_cell", 1), ("gru_cell", 3), ("lstm_cell", 4)):
        for biases in ((), (normal(gates * 4), normal(gates * 4))):
            hx = (normal(2, 4), normal(2, 4)) if gates == 4 else normal(2, 4)
            args = (normal(2, 3), hx, normal(gates * 4, 3), normal(gates * 4, 4), *biases)
            compare(name, lambda like, _, *a: getattr(like, name)(*a), args)


def test_padding() -> None:
    """nn.utils.rnn by itself."""
    pieces = [normal(3, 2), normal(5, 2), normal(1, 2)]
    for first, side, value in itertools.product((False, True), ("left", "right"), (0.0, -1.5)):
        compare(
            "pad_sequence",
            lambda like, _, *a: like.nn.utils.rnn.pad_sequence(
                a, batch_first=first, padding_side=side, padding_value=value
            ),
            tuple(pieces),
        )
    vectors = [normal(2), normal(4)]
    compare("pad_sequence", lambda like, _, *a: like.nn.utils.rnn.pad_sequence(list(a)), tuple(vectors))
    compare(
        "pack_sequence",
        lambda like, _, *a: tuple(like.nn.utils.rnn.pack_sequence(a, enforce_sorted=False)),
        tuple(pieces),
    )
    compare(
        "unpack_sequence",
        lambda like, _, *a: like.nn.utils.rnn.unpack_sequence(like.nn.utils.rnn.pack_sequence(a, enforce_sorted=False)),
        tuple(pieces),
    )
    for first in (False, True):
        compare(
            "unpad_sequence",
            lambda like, _, x: like.nn.utils.rnn.unpad_sequence(x * 1, like.tensor([4, 2]), batch_first=first),
            (normal(2, 4, 3) if first else normal(4, 2, 3),),
        )
        compare(
            "pad_packed_sequence",
            lambda like, _, x: like.nn.utils.rnn.pad_packed_sequence(
                like.nn.utils.rnn.pack_padded_sequence(x, like.tensor([2, 4]), enforce_sorted=False), batch_first=first
            ),
            (normal(4, 2, 3),),
        )


# ------------------------------------------------------------------------------------------------------------ attention
def test_scaled_dot_product_attention() -> None:
    """Masks, scales, causality, groups of heads, broadcast batches."""
    q, k, v = normal(2, 4, 3, 8), normal(2, 4, 5, 8), normal(2, 4, 5, 6)
    seen = RNG.random((3, 5)) < 0.6
    seen[0] = False
    added = np.where(RNG.random((2, 1, 3, 5)) < 0.2, -np.inf, normal(2, 1, 3, 5))
    added[1, 0, 2] = -np.inf
    cases = [
        ((q, k, v), {}),
        ((q, k, v), {"scale": 0.3}),
        ((q, k, v), {"is_causal": True}),
        ((q[0, 0], k[0, 0], v[0, 0]), {}),
        ((q, k[:, :2], v[:, :2]), {"enable_gqa": True}),
        ((q[0], k[0], v[0]), {}),
        ((q, k[:, :1], v[:, :1]), {}),
        ((q[:, :0], k[:, :0], v[:, :0]), {}),
    ]
    for args, how in cases:
        compare(
            "scaled_dot_product_attention",
            lambda like, _, *a: like.nn.functional.scaled_dot_product_attention(*a, **how),
            args,
        )
    for mask in (
        seen,
        seen[None, None],
        seen[:1],
        np.array([True, False, True, True, False]),
        normal(3, 5),
        normal(2, 4, 3, 5),
    ):
        compare(
            "scaled_dot_product_attention",
            lambda like, _, a, b, c, d: like.nn.functional.scaled_dot_product_attention(a, b, c, attn_mask=d),
            (q, k, v, mask),
        )
    # of a row that hides all keys PyTorch's second derivatives are NaN, ours zeros: values and first ones are compared
    compare(
        "scaled_dot_product_attention",
        lambda like, _, a, b, c, d: like.nn.functional.scaled_dot_product_attention(a, b, c, attn_mask=d),
        (q, k, v, added),
        second=False,
    )


def masks(batch: int, heads: int, rows: int, columns: int) -> list[dict]:
    """Masks of all kinds."""
    bools, hidden = RNG.random((rows, columns)) < 0.3, RNG.random((batch, columns)) < 0.3
    bools[:, 0] = hidden[:, 0] = False
    return [
        {},
        {"attn_mask": bools},
        {"attn_mask": normal(rows, columns)},
        {"attn_mask": normal(batch * heads, rows, columns)},
        {"key_padding_mask": hidden},
        {"key_padding_mask": hidden, "attn_mask": bools},
        {"key_padding_mask": normal(batch, columns), "attn_mask": normal(rows, columns)},
    ]


def test_multihead_attention() -> None:
    """Every setting of the layer."""
    settings: list[dict] = [
        {},
        {"bias": False},
        {"add_bias_kv": True},
        {"add_zero_attn": True},
        {"batch_first": True},
        {"kdim": 5, "vdim": 3},
        {"kdim": 5, "vdim": 3, "add_bias_kv": True, "add_zero_attn": True},
    ]
    calls = [{}, {"need_weights": False}, {"average_attn_weights": False}]
    for own in settings:
        modules = pair(lambda nn, _: nn.MultiheadAttention(8, 2, **own))
        shape = (lambda n: (3, n)) if own.get("batch_first") else (lambda n: (n, 3))
        operands = normal(*shape(4), 8), normal(*shape(5), own.get("kdim", 8)), normal(*shape(5), own.get("vdim", 8))
        for mask, call in itertools.product(masks(3, 2, 4, 5), calls):
            compare(
                "MultiheadAttention",
                lambda _, mod, a, b, c, d: mod(a, b, c, **d, **call),
                (*operands, mask),
                modules,
            )
        alone = [x[0] for x in operands] if own.get("batch_first") else [x[:, 0] for x in operands]
        compare("MultiheadAttention", lambda _, mod, *a: mod(*a), tuple(alone), modules)
        if "kdim" not in own:
            compare("MultiheadAttention", lambda _, mod, a: mod(a, a, a), operands[:1], modules)
            compare("MultiheadAttention", lambda _, mod, a, b: mod(a, b, b), operands[:2], modules)
            causal = np.triu(np.full((4, 4), -np.inf), 1)
            for call in calls:
                compare(
                    "MultiheadAttention",
                    lambda _, mod, a: mod(a, a, a, attn_mask=here(causal, _), is_causal=True, **call),
                    operands[:1],
                    modules,
                )


def test_transformers() -> None:
    """Layers and stacks, with masks; PyTorch in training, where it takes no short cut, without dropout."""
    own = {"dropout": 0.0, "dim_feedforward": 12}
    for first, norm_first, activation, bias in itertools.product(
        (False, True), (False, True), ("relu", "gelu"), (True, False)
    ):
        how = {**own, "batch_first": first, "norm_first": norm_first, "activation": activation, "bias": bias}
        src, tgt = (normal(3, n, 8) if first else normal(n, 3, 8) for n in (5, 4))
        encoder = pair(lambda nn, _: nn.TransformerEncoderLayer(8, 2, **how))
        decoder = pair(lambda nn, _: nn.TransformerDecoderLayer(8, 2, **how))
        for mask in masks(3, 2, 5, 5):
            mask = {("src_mask" if k == "attn_mask" else "src_" + k): v for k, v in mask.items()}
            compare("TransformerEncoderLayer", lambda _, mod, x, d: mod(x, **d), (src, mask), encoder)
        for mask in masks(3, 2, 4, 5):
            mask = {("memory_mask" if k == "attn_mask" else "memory_" + k): v for k, v in mask.items()}
            compare("TransformerDecoderLayer", lambda _, mod, x, y, d: mod(x, y, **d), (tgt, src, mask), decoder)
        stack = pair(
            lambda nn, _: nn.TransformerEncoder(
                nn.TransformerEncoderLayer(8, 2, **how),
                2,
                nn.LayerNorm(8),
                enable_nested_tensor=False,
            )
        )
        causal = np.triu(np.full((5, 5), -np.inf), 1)
        for mask in (None, causal, normal(5, 5)):
            compare("TransformerEncoder", lambda _, mod, x, k: mod(x, k), (src, mask), stack, second=mask is not causal)
    for first in (False, True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = pair(lambda nn, _: nn.Transformer(8, 2, 2, 2, batch_first=first, **own))
        src, tgt = (normal(3, n, 8) if first else normal(n, 3, 8) for n in (5, 4))

        def run(like: Any, mod: Any, a: Any, b: Any) -> Any:
            mask = mod.generate_square_subsequent_mask(4, dtype=like.float64)
            hidden = like.tensor([[False, False, True, True, True]] * 3)
            return mod(a, b, tgt_mask=mask), mod(a, b, src_key_padding_mask=hidden, memory_key_padding_mask=hidden)

        compare("Transformer", run, (src, tgt), whole, second=False)


def test_initial_values() -> None:
    """The spread of initial values is PyTorch's."""
    makes = [
        lambda nn: nn.LSTM(40, 50, 2, bidirectional=True, proj_size=30),
        lambda nn: nn.GRUCell(40, 50),
        lambda nn: nn.MultiheadAttention(60, 2, add_bias_kv=True),
        lambda nn: nn.MultiheadAttention(60, 2, kdim=30),
        lambda nn: nn.Transformer(48, 2, 1, 1, 60, batch_first=True),
    ]
    for make in makes:
        theirs, ours = make(torch.nn), make(m.nn)
        for (name, p), q in zip(theirs.named_parameters(), ours.parameters(), strict=True):
            a, b = p.detach().numpy(), q.detach().numpy()
            check(
                f"init of {name}", abs(a.std() - b.std()) <= 0.4 * a.std() and abs(a.mean() - b.mean()) <= a.std(), ""
            )


# --------------------------------------------------------------------------------------------------------------- errors
ERRORS = """
nn.RNN(3, 4, nonlinearity="x")
nn.RNN(3, 4, proj_size=2)
nn.GRU(3, 4, proj_size=2)
nn.LSTM(3, 4, proj_size=4)
nn.LSTM(3, 4, proj_size=-1)
nn.LSTM(3, 0)
nn.LSTM(0, 4)
nn.LSTM(3, 4.0)
nn.LSTM(3.0, 4)
nn.LSTM(3, 4, 0)
nn.LSTM(3, 4, 1.5)
nn.LSTM(3, 4, dropout=2)
nn.LSTM(3, 4, dropout=True)
nn.LSTM(3, 4, bias=1)
nn.LSTM(3)
nn.RNNBase("XX", 3, 4)
nn.{layer}(3, 4)(ones(2, 5, 7))
nn.{layer}(3, 4)(ones(3))
nn.{layer}(3, 4)(ones(1, 2, 5, 3))
nn.{layer}(3, 4)(ones(0, 5, 3))
nn.{layer}(3, 4)(ones(2, 5, 3).double())
nn.{layer}(3, 4)(ones(2, 5, 3).long())
nn.{layer}(3, 4)(ones(2, 5, 3), hx(1, 5, 5))
nn.{layer}(3, 4)(ones(2, 5, 3), hx(5, 4))
nn.{layer}(3, 4)(ones(2, 5, 3), hx(2, 5, 4))
nn.{layer}(3, 4)(ones(5, 3), hx(1, 1, 4))
nn.{layer}(3, 4)(ones(2, 5, 3), 5)
nn.{layer}(3, 4)(None)
nn.{layer}(3, 4)(ones(2, 5, 3), (ones(1, 5, 4),) * 3)
nn.{layer}Cell(3, 4)(ones(2, 7))
nn.{layer}Cell(3, 4)(ones(2, 3, 3))
nn.{layer}Cell(3, 4)(ones(()))
nn.{layer}Cell(3, 4)(ones(3), hx(2, 4))
nn.{layer}Cell(3, 4)(ones(2, 3), hx(3, 4))
nn.{layer}Cell(3, 4)(ones(2, 3), hx(2, 5))
nn.{layer}Cell(3, 4)(ones(2, 3), hx(1, 2, 4))
nn.{layer}Cell(3, 4)(ones(2, 3).double())
nn.{layer}Cell(3, 4)(None)
nn.{layer}Cell(3, 4)(ones(2, 3), 5)
nn.{layer}Cell(3.0, 4)
nn.RNNCell(3, 4, nonlinearity="x")(ones(2, 3))
rnn.pack_padded_sequence(ones(4, 3, 2), [4, 3])
rnn.pack_padded_sequence(ones(4, 3, 2), [4, 3, 0])
rnn.pack_padded_sequence(ones(4, 3, 2), [2, 3, 1])
rnn.pack_padded_sequence(ones(4, 3, 2), 5)
rnn.pack_padded_sequence(ones(0, 3, 2), [1, 1, 1])
rnn.pack_padded_sequence(ones(4), [4])
rnn.pad_packed_sequence(rnn.pack_padded_sequence(ones(4, 3, 2), [4, 3, 1]), total_length=2)
rnn.pad_packed_sequence(ones(4))
rnn.pad_sequence([])
rnn.pad_sequence(5)
rnn.pad_sequence([1, 2])
rnn.pad_sequence([ones(4, 3, 2), ones(2, 5, 5)])
rnn.pad_sequence([ones(4)], padding_side="up")
rnn.pack_sequence([ones(2), ones(3)])
rnn.pack_sequence(5)
rnn.PackedSequence(ones(2))
F.scaled_dot_product_attention(ones(3), ones(3), ones(3))
F.scaled_dot_product_attention(ones(3, 4), ones(3, 4), ones(3, 4).double())
F.scaled_dot_product_attention(ones(3, 4), ones(3, 5), ones(3, 4))
F.scaled_dot_product_attention(None, ones(3, 5), ones(3, 4))
F.scaled_dot_product_attention(ones(3, 4), ones(3, 4), ones(3, 4), attn_mask=ones(3, 3).bool(), is_causal=True)
F.scaled_dot_product_attention(ones(3, 4), ones(3, 4), ones(3, 4), attn_mask=ones(2, 2))
F.scaled_dot_product_attention(ones(3, 4), ones(3, 4), ones(3, 4), attn_mask=ones(3, 3).long())
F.scaled_dot_product_attention(ones(3, 4), ones(3, 4), ones(3, 4), attn_mask=[1])
F.scaled_dot_product_attention(ones(3, 4), ones(3, 4), ones(3, 4), dropout_p=2.0)
F.scaled_dot_product_attention(ones(3, 4), ones(3, 4), ones(3, 4), is_causal=1)
F.scaled_dot_product_attention(ones(2, 4, 3, 4), ones(2, 3, 3, 4), ones(2, 3, 3, 4), enable_gqa=True)
F.scaled_dot_product_attention(ones(2, 4, 3, 4), ones(2, 3, 3, 4), ones(2, 3, 3, 4))
F.scaled_dot_product_attention(ones(3, 4), ones(3, 4), ones(3, 4), enable_gqa=True)
F.scaled_dot_product_attention(ones(3, 4).long(), ones(3, 4).long(), ones(3, 4).long())
nn.MultiheadAttention(8, 3)
nn.MultiheadAttention(0, 1)
nn.MultiheadAttention(8, 0)
nn.MultiheadAttention(8, -2)
attend(ones(5, 3, 4), x, x)
attend(ones(8), x, x)
attend(x, ones(2, 3, 8), x)
attend(x[:, 0], x, x)
attend(x, ones(5, 3, 4), x)
attend(x, x)
attend(None, x, x)
attend(x, x, x, attn_mask=ones(3, 3))
attend(x, x, x, attn_mask=ones(4, 5, 5))
attend(x, x, x, attn_mask=ones(5, 5).long())
attend(x, x, x, attn_mask=ones(5))
attend(x, x, x, key_padding_mask=ones(5, 3).bool())
attend(x, x, x, key_padding_mask=ones(3, 5).long())
attend(x, x, x, is_causal=True)
attend(x.double(), x, x)
attend(x, x[:, :1], x[:, :1])
attend(x[:, 0], x[:, 0], x[:, 0], key_padding_mask=ones(1, 5).bool())
nn.MultiheadAttention(8, 2, kdim=3)(x, x, x)
nn.TransformerEncoderLayer(8, 2, activation="foo")
nn.TransformerEncoderLayer(8, 3)
nn.TransformerEncoderLayer(8, 2, 16)(ones(8))
nn.TransformerEncoderLayer(8, 2, 16)(ones(1, 2, 5, 8))
nn.TransformerEncoderLayer(8, 2, 16)(x, is_causal=True)
nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2)(ones(8))
nn.Transformer(8, 2, 1, 1, 16)(ones(5, 3, 8), ones(4, 2, 8))
nn.Transformer(8, 2, 1, 1, 16)(ones(5, 3, 7), ones(4, 3, 7))
nn.Transformer(8, 2, 1, 1, 16)(ones(5, 8), ones(4, 3, 8))
"""


def outcome(like: Any, text: str) -> str:
    """The class a call raises."""
    names = {
        "nn": like.nn,
        "F": like.nn.functional,
        "rnn": like.nn.utils.rnn,
        "ones": like.ones,
        "hx": (lambda *s: (like.ones(*s),) * 2) if "LSTM" in text else like.ones,
        "attend": like.nn.MultiheadAttention(8, 2),
        "x": like.ones(5, 3, 8),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            eval(text, names)  # noqa: S307 texts of this file
        except Exception as error:
            return type(error).__name__
    return "none"


def test_errors() -> None:
    """Wrong calls raise PyTorch's classes."""
    for line in ERRORS.strip().splitlines():
        for layer in ("RNN", "LSTM", "GRU") if "{layer}" in line else ("",):
            text = line.replace("{layer}", layer)
            found, wanted = outcome(m, text), outcome(torch, text)
            check(text, found == wanted, f"{found}, PyTorch {wanted}")


def test_summary() -> None:
    """Runs last: no case failed."""
    print(f"recurrent: names {len(COUNT['names'])}, cases {COUNT['cases']}, failures {len(COUNT['failures'])}")
    assert not COUNT["failures"], "\n".join(COUNT["failures"][:60])
