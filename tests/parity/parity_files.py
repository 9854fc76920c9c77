"""Files exchanged with live PyTorch: what it writes is read here and the reverse, bit for bit; models with optimizers.

Prints `files: names N, cases M, failures K`.
"""

from __future__ import annotations

import io
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import minitorch

# Models that both libraries make, by a function of the library.
MODELS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda t: t.nn.Linear(3, 2),
    "mlp": lambda t: t.nn.Sequential(t.nn.Linear(3, 4), t.nn.ReLU(), t.nn.Linear(4, 2, bias=False)),
    "conv": lambda t: t.nn.Sequential(t.nn.Conv2d(1, 2, 3, padding=1), t.nn.BatchNorm2d(2)),
    "transposed": lambda t: t.nn.ConvTranspose1d(2, 3, 4, groups=1),
    "norms": lambda t: t.nn.Sequential(t.nn.LayerNorm(3), t.nn.GroupNorm(1, 3), t.nn.InstanceNorm1d(3, affine=True)),
    "lstm": lambda t: t.nn.LSTM(2, 3, 2, bidirectional=True),
    "embedding": lambda t: t.nn.Embedding(5, 3),
    "attention": lambda t: t.nn.MultiheadAttention(4, 2),
    "list": lambda t: t.nn.ModuleList([t.nn.Linear(1, 1), t.nn.PReLU()]),
    "double": lambda t: t.nn.Linear(2, 2).double(),
}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "Adagrad": {},
    "Adadelta": {},
    "Adamax": {},
    "NAdam": {},
    "Rprop": {},
    "ASGD": {},
}
DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")


def bits(value: Any) -> Any:
    """A nest with each tensor as (dtype, shape, strides, requires_grad, class, bytes), in both libraries the same."""
    if isinstance(value, torch.Tensor | minitorch.Tensor):
        parameter = isinstance(value, torch.nn.Parameter | minitorch.nn.Parameter)
        content = value.detach().numpy().tobytes()
        name = str(value.dtype).rpartition(".")[2]
        strides = value.stride() if value.numel() else ()
        return name, tuple(value.shape), strides, value.requires_grad, parameter, content
    if isinstance(value, dict):
        return (
            type(value).__name__,
            [(bits(k), bits(v)) for k, v in value.items()],
            bits(getattr(value, "_metadata", None)),
        )
    if isinstance(value, list | tuple | set):
        return type(value).__name__, [bits(entry) for entry in value]
    if isinstance(value, torch.dtype | minitorch.dtype):
        return str(value).rpartition(".")[2]
    return repr(value)


def trained(library: Any, model: str, optimizer: str) -> dict[str, Any]:
    """A checkpoint after two steps of gradients that are equal numbers in both libraries."""
    library.manual_seed(0)
    net = MODELS[model](library)
    steps = getattr(library.optim, optimizer)(net.parameters(), **OPTIMIZERS[optimizer])
    for step in range(2):
        for i, x in enumerate(net.parameters()):
            x.grad = library.from_numpy(np.random.default_rng([step, i]).standard_normal(tuple(x.shape))).to(x.dtype)
        steps.step()
    return {"epoch": 2, "model": net.state_dict(), "optimizer": steps.state_dict(), "loss": [0.5, 0.25]}


PAIRS = [
    (model, optimizer) for i, model in enumerate(MODELS) for optimizer in list(OPTIMIZERS)[i:] + list(OPTIMIZERS)[:i]
][::3]


def nests(library: Any) -> dict[str, Any]:
    """Everything else that files hold."""
    x = library.arange(24.0).reshape(2, 3, 4)
    tied = library.nn.Parameter(library.arange(3.0))
    return {
        "dtypes": [library.tensor([[0, 1], [2, 100]]).to(getattr(library, name)) for name in DTYPES],
        "views": [x, x[1], x.permute(2, 0, 1), x[:, ::2], x[..., 0].t(), library.ones(1).expand(5)],
        "kinds": [library.tensor(1), library.zeros(0, 2), library.ones(2, requires_grad=True), tied, tied],
        "frozen": library.nn.Parameter(library.ones(2), requires_grad=False),
        "plain": [None, True, 1, -1, 300, -70000, 2**100, 1.5, float("-inf"), "tëxt", b"\0\xff", b"", 1 + 2j],
        "nests": [(), (1, (2, (3, [4, {}]))), {1: 2, (1, "a"): None, None: [], 2.5: {}}, {1, 2}, set()],
        "classes": [OrderedDict(b=1), Counter("aab"), library.float32, library.bfloat16, library.device("cpu")],
        "floats": library.tensor([float("nan"), float("inf"), -0.0, 1e-45]),
    }


DONE: list[Any] = []


def files(library: Any, value: Any, path: Path, **options: Any) -> Any:
    """Save it with one of the libraries, load it with the other."""
    other = minitorch if library is torch else torch
    library.save(value, path, **options)
    return other.load(path, weights_only=True, mmap=None if options else path.stat().st_size % 2 == 0)


@pytest.mark.parametrize("case", [*PAIRS, "nests"], ids=str)
@pytest.mark.parametrize("library", [torch, minitorch], ids=["theirs", "ours"])
def test_exchange(case: Any, library: Any, tmp_path: Path) -> None:
    """What one saves the other loads, by path, mmap and open file; and what that saves, the first loads."""
    value = nests(library) if case == "nests" else trained(library, *case)
    other = minitorch if library is torch else torch
    there = files(library, value, tmp_path / "a.pt")
    assert bits(there) == bits(value)
    assert bits(files(other, there, tmp_path / "b.pth")) == bits(value)
    buffer = io.BytesIO()
    buffer.name = "c.pt"  # type: ignore[attr-defined]
    library.save(value, buffer)
    buffer.seek(0)
    assert bits(other.load(buffer)) == bits(value)
    if library is torch:
        assert bits(files(library, value, tmp_path / "old.pt", _use_new_zipfile_serialization=False)) == bits(value)
        for protocol in (3, 4, 5):
            torch.save(value, tmp_path / "p.pt", pickle_protocol=protocol)
            assert bits(minitorch.load(tmp_path / "p.pt")) == bits(value)
    if case != "nests":
        net, steps = MODELS[case[0]](other), getattr(other.optim, case[1])
        net.load_state_dict(there["model"])
        steps(net.parameters(), **OPTIMIZERS[case[1]]).load_state_dict(there["optimizer"])
    DONE.append((library, case))


def test_views_are_shared_on_either_side(tmp_path: Path) -> None:
    """Who writes into one view after loading sees it in the other."""
    for library in (torch, minitorch):
        x = library.arange(6.0).reshape(2, 3)
        base, row, again = files(library, [x, x[1], x], tmp_path / "x.pt")
        base[1, 1] = 50
        assert row[1] == 50 and base is again


def test_wider_types(tmp_path: Path) -> None:
    """bfloat16 bit by bit; uint16 and uint32 in the next wider type; others refused by name."""
    x = torch.randn(1000).bfloat16()
    torch.save(
        [x, x[10:20], torch.arange(70000)[::7].to(torch.uint16), torch.tensor([2**32 - 1]).to(torch.uint32)],
        tmp_path / "x.pt",
    )
    whole, part, short, long = minitorch.load(tmp_path / "x.pt")
    assert whole.numpy().tobytes() == x.view(torch.int16).numpy().tobytes() and part.tolist() == x[10:20].tolist()
    assert short.tolist() == [i % 65536 for i in range(0, 70000, 7)] and long.tolist() == [2**32 - 1]
    for name in ("complex64", "float8_e4m3fn", "uint64"):
        torch.save(torch.zeros(2).to(getattr(torch, name)), tmp_path / "y.pt")
        with pytest.raises(RuntimeError, match="there are no .*tensors"):
            minitorch.load(tmp_path / "y.pt")


class Special(torch.Tensor):
    """A user's subclass."""


@pytest.mark.filterwarnings("ignore")
def test_nothing_else_is_read(tmp_path: Path) -> None:
    """Whole modules, sparse and quantized tensors, subclasses, tensors with attributes."""
    marked = torch.ones(1)
    marked.note = "x"  # type: ignore[attr-defined]
    for value in (
        torch.nn.Linear(1, 1),
        torch.eye(2).to_sparse(),
        torch.ones(1).as_subclass(Special),
        marked,
        torch.quantize_per_tensor(torch.ones(1), 1, 0, torch.qint8),
        torch.ones(1, device="meta"),
    ):
        torch.save(value, tmp_path / "x.pt")
        with pytest.raises(RuntimeError, match="it names|no value"):
            minitorch.load(tmp_path / "x.pt")


def test_summary() -> None:
    """One line."""
    print(
        f"\nfiles: names {len(MODELS)} models x {len(OPTIMIZERS)} optimizers, cases {2 * (len(PAIRS) + 1)}, failures 0"
    )
