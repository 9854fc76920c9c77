"""Layers and losses against live PyTorch, with settings drawn at random: `pytest tests/parity/parity_nn.py`.

Every family draws ROUNDS rows of test_nn's kind. Where PyTorch accepts a row, result, gradients and buffers must agree
to 1e-9; where it refuses, ours must refuse with the same class. MINITORCH_PARITY_SEED sets the seed.
"""

import os
import warnings
from collections import Counter

import numpy as np
import pytest
import torch
from test_nn import compare, numbers

import minitorch

SEED = int(os.environ.get("MINITORCH_PARITY_SEED", "0"))
ROUNDS = int(os.environ.get("MINITORCH_PARITY_ROUNDS", 150))


def per_axis(rng, rank, low, high):
    """An int, or one per axis."""
    if rng.random() < 0.4:
        return int(rng.integers(low, high))
    return tuple(int(v) for v in rng.integers(low, high, rank))


def image(rng, rank, channels):
    """The shape of an input, now and then without a batch axis."""
    size = tuple(int(v) for v in rng.integers(1, 9 if rank < 3 else 6, rank))
    return (channels, *size) if rng.random() < 0.15 else (int(rng.integers(1, 4)), channels, *size)


def conv(rng):
    """A convolution layer of any rank."""
    rank, groups = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    c, k = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    padding = per_axis(rng, rank, 0, 4) if rng.random() < 0.8 else str(rng.choice(["same", "valid"]))
    stride = 1 if padding == "same" else per_axis(rng, rank, 1, 4)
    mode = "zeros" if rng.random() < 0.7 else str(rng.choice(["reflect", "replicate", "circular"]))
    settings = {
        "stride": stride,
        "padding": padding,
        "dilation": per_axis(rng, rank, 1, 3),
        "groups": groups,
        "bias": bool(rng.random() < 0.7),
        "padding_mode": mode,
    }
    channels = c if rng.random() < 0.95 else c + 1
    return f"nn.Conv{rank}d({c}, {k}, {per_axis(rng, rank, 1, 4)}, **{settings})", [image(rng, rank, channels)]


def conv_transpose(rng):
    """A transposed convolution layer of any rank."""
    rank, groups = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    c, k = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    settings = {
        "stride": per_axis(rng, rank, 1, 4),
        "padding": per_axis(rng, rank, 0, 3),
        "groups": groups,
        "output_padding": per_axis(rng, rank, 0, 3),
        "dilation": per_axis(rng, rank, 1, 4),
        "bias": bool(rng.random() < 0.7),
    }
    return f"nn.ConvTranspose{rank}d({c}, {k}, {per_axis(rng, rank, 1, 4)}, **{settings})", [image(rng, rank, c)]


def pool(rng):
    """A pooling layer of any rank."""
    rank = int(rng.integers(1, 4))
    shape = image(rng, rank, int(rng.integers(1, 4)))
    kernel = per_axis(rng, rank, 1, 5)
    settings = {
        "stride": None if rng.random() < 0.3 else per_axis(rng, rank, 1, 4),
        "padding": per_axis(rng, rank, 0, 3),
    }
    settings["ceil_mode"] = bool(rng.random() < 0.5)
    kind = str(rng.choice(["Max", "Avg", "AdaptiveAvg"]))
    if kind == "Max":
        settings |= {"dilation": per_axis(rng, rank, 1, 3), "return_indices": bool(rng.random() < 0.5)}
        return f"nn.MaxPool{rank}d({kernel}, **{settings})", [("grid", shape) if rng.random() < 0.5 else shape]
    if kind == "Avg":
        settings["count_include_pad"] = bool(rng.random() < 0.5)
        if rank > 1 and rng.random() < 0.3:
            settings["divisor_override"] = int(rng.integers(1, 9))
        return f"nn.AvgPool{rank}d({kernel}, **{settings})", [shape]
    sizes = tuple(None if rng.random() < 0.2 and rank > 1 else int(v) for v in rng.integers(1, 9, rank))
    return f"nn.AdaptiveAvgPool{rank}d({sizes})", [shape]


def norm(rng):
    """A normalising layer."""
    rank, c = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    size = tuple(int(v) for v in rng.integers(1, 6, rank))
    shape = (int(rng.integers(1, 5)), c, *size)
    kind = rng.integers(6)
    eps = float(10 ** rng.uniform(-6, 0))
    if kind == 0:
        settings = {"eps": eps, "momentum": None if rng.random() < 0.3 else float(rng.random())}
        settings |= {"affine": bool(rng.random() < 0.7), "track_running_stats": bool(rng.random() < 0.7)}
        if rank == 1 and rng.random() < 0.5:
            shape = shape[:2]
        return f"nn.BatchNorm{rank}d({c}, **{settings}){'.eval()' if rng.random() < 0.3 else ''}", [shape]
    if kind == 1:
        tail = shape[-int(rng.integers(1, rank + 1)) :]
        return f"nn.LayerNorm({tail}, eps={eps}, elementwise_affine={rng.random() < 0.7})", [shape]
    if kind == 2:
        tail = shape[-int(rng.integers(1, rank + 1)) :]
        return f"nn.RMSNorm({tail}, eps={eps}, elementwise_affine={rng.random() < 0.7})", [shape]
    if kind == 3:
        settings = {"size": int(rng.integers(1, 6)), "alpha": float(rng.random()), "beta": float(rng.random())}
        return f"nn.LocalResponseNorm(**{settings}, k={1 + rng.random()})", [shape]
    if kind == 4 and np.prod(size) > 1:
        settings = {"eps": eps, "momentum": None if rng.random() < 0.3 else float(rng.random())}
        settings |= {"affine": bool(rng.random() < 0.7), "track_running_stats": bool(rng.random() < 0.5)}
        shape = shape[1:] if rng.random() < 0.3 else shape
        return f"nn.InstanceNorm{rank}d({c}, **{settings}){'.eval()' if rng.random() < 0.3 else ''}", [shape]
    groups = int(rng.choice([g for g in range(1, c + 1) if c % g == 0]))
    return f"nn.GroupNorm({groups}, {c}, eps={eps}, affine={rng.random() < 0.7})", [shape]


def class_loss(rng):
    """cross_entropy or nll_loss, of labels or probabilities."""
    classes, rank = int(rng.integers(1, 6)), int(rng.integers(0, 4))
    batch = (int(rng.integers(1, 5)), *(int(v) for v in rng.integers(1, 4, max(rank - 1, 0)))) if rank else ()
    shape = (*batch[:1], classes, *batch[1:])
    settings = {"reduction": str(rng.choice(["mean", "sum", "none"]))}
    if rng.random() < 0.5:
        settings["ignore_index"] = int(rng.integers(0, classes))
    name = "cross_entropy" if rng.random() < 0.7 else "nll_loss"
    target = ("labels", batch, classes)
    if name == "cross_entropy":
        settings["label_smoothing"] = float(rng.choice([0.0, 0.1, 1.0]))
        if rng.random() < 0.4:
            target = ("probabilities", shape)
    if rng.random() < 0.5:
        return f"F.{name}(x, w, v, **{settings})", [shape, target, ("constant", (classes,))]
    return f"F.{name}(x, w, **{settings})", [shape, target]


def distance_loss(rng):
    """A loss of two tensors of one shape."""
    shape = tuple(int(v) for v in rng.integers(1, 5, int(rng.integers(0, 4))))
    reduction = str(rng.choice(["mean", "sum", "none"]))
    name, extra, inputs = [
        ("mse_loss", "", [shape, shape]),
        ("l1_loss", "", [shape, shape]),
        ("smooth_l1_loss", f", beta={rng.uniform(0, 2)}", [shape, shape]),
        ("huber_loss", f", delta={rng.uniform(0.1, 2)}", [shape, shape]),
        ("binary_cross_entropy", "", [("probabilities", shape)] * 2),
        ("binary_cross_entropy_with_logits", "", [shape, ("probabilities", shape)]),
        ("kl_div", f", log_target={rng.random() < 0.5}", [shape, ("probabilities", shape)]),
    ][rng.integers(7)]
    if name.startswith("binary") and rng.random() < 0.5:
        inputs, extra = [*inputs, ("constant", shape)], ", weight=v"
        if name.endswith("logits"):
            inputs, extra = [*inputs, ("constant", shape[-1:])], ", weight=v, pos_weight=u"
    return f"F.{name}(x, w, reduction='{reduction}'{extra})", inputs


def activation(rng):
    """A nonlinearity, or a padding."""
    shape = tuple(int(v) for v in rng.integers(1, 5, int(rng.integers(2, 4))))
    low = float(rng.uniform(-2, 0))
    names = [
        "ReLU()",
        "ReLU6()",
        f"LeakyReLU({rng.random()})",
        f"Hardtanh({low}, {low + 1})",
        f"ELU({rng.random()})",
        "SiLU()",
        "SELU()",
        "Mish()",
        "Hardswish()",
        "Softsign()",
        "LogSigmoid()",
        "Tanhshrink()",
        f"CELU({rng.choice([0.5, 1.0, 2.0])})",
        f"Hardshrink({rng.random()})",
        f"Softshrink({rng.random()})",
        f"Threshold({low}, {rng.random()})",
        "GELU()",
        "GELU('tanh')",
        f"Softplus({rng.uniform(0.1, 3)}, {rng.uniform(0, 5)})",
        "Tanh()",
        "Sigmoid()",
        f"Softmax({rng.integers(-2, 2)})",
        f"LogSoftmax({rng.integers(-2, 2)})",
    ]
    if rng.random() < 0.7:
        return f"nn.{rng.choice(names)}", [shape if rng.random() < 0.7 else ("grid", shape)]
    mode = str(rng.choice(["constant", "reflect", "replicate", "circular"]))
    ends = tuple(int(v) for v in rng.integers(-1 if mode == "constant" else 0, 4, 2 if len(shape) < 4 else 4))
    return f"F.pad(x, {ends}, '{mode}')", [shape]


def outcome(library, tensor_of, row):
    """The numbers of a row, or the exception."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return numbers(library, tensor_of, row)
        except Exception as error:
            return error


# Where we differ on purpose, by words of the refusal.
ACCEPTED = [  # here, not by PyTorch
    "smaller than kernel size",  # AvgPool3d of an input that only reaches the kernel's size with its padding
    "half of kernel size",  # MaxPool's padding may reach half of the dilated kernel, as PyTorch documents
]
REFUSED = ["nothing but padding"]  # by us: PyTorch gives -inf there, and an index outside the image

FAMILIES = [conv, conv_transpose, pool, norm, class_loss, distance_loss, activation]


def check(row, what):
    """The row in both libraries: how it ended."""
    ours = outcome(minitorch, lambda v: minitorch.from_numpy(np.array(v)), row)
    if isinstance(ours, Exception) and any(words in str(ours) for words in REFUSED):
        return "refused here"  # not shown to PyTorch: its backward writes outside its arrays, and may abort
    theirs = outcome(torch, lambda v: torch.tensor(v), row)
    if any(words in str(theirs) for words in ACCEPTED) and not isinstance(ours, Exception):
        return "accepted here"
    if isinstance(theirs, Exception):
        assert type(ours) is type(theirs), f"{what}: PyTorch {theirs!r}, ours {ours!r}"
        return type(theirs).__name__
    assert not isinstance(ours, Exception), f"{what}: {ours!r}"
    compare(ours, theirs, what)
    return "compared"


@pytest.mark.parametrize("family", FAMILIES, ids=[f.__name__ for f in FAMILIES])
def test_parity(family):
    """Random rows of one family give PyTorch's numbers, or its class of error."""
    rng = np.random.default_rng([SEED, FAMILIES.index(family)])
    counts = Counter()
    for _ in range(ROUNDS):
        row = family(rng)
        counts[check(row, f"seed {SEED}: {row}")] += 1
    print(f"{family.__name__}: seed {SEED}, {ROUNDS} rows, {dict(counts)}")
    assert counts["compared"] > ROUNDS // 4
