"""Writes tests/golden/*.pt: small files as PyTorch 2.13 writes them, which the tests read without it.

python tests/scripts/make_golden_pt.py
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch

GOLDEN = Path(__file__).parents[1] / "golden"
DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")


def kinds(old: bool) -> dict[str, Any]:
    """Every kind of value, with numbers that the tests can count themselves."""
    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    tied = torch.nn.Parameter(torch.arange(3.0))
    out = {
        "dtypes": [torch.tensor([0, 1, 3]).to(getattr(torch, name)) for name in DTYPES],
        "views": [base, base[1], base.t(), base[:, 2:], base[0, 0].expand(2, 2)],
        "shapes": [torch.tensor(7), torch.zeros(0, 3), torch.ones(1, 1, 1)],
        "layout": torch.arange(24.0).reshape(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
        "grad": [torch.ones(2, requires_grad=True), tied, tied, torch.nn.Parameter(torch.ones(1), False)],
        "bfloat16": torch.tensor([1.5, -2.0, float("inf"), 3.140625]).bfloat16(),
        "numbers": [None, True, 0, -1, 255, 256, 70000, 2**40, -(2**70), 0.1, float("inf"), 1 + 2j],
        "text": ["", "ünïcode", b"", b"\x00\xff"],
        "nests": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, (4,)), [], {}, {1: {"a": []}, (1, "x"): 2}],
        "classes": [OrderedDict(b=1, a=2), Counter("aab"), {1, 2}, torch.Size((2, 3)), torch.device("cuda", 1)],
        "types": [getattr(torch, name) for name in DTYPES],
        "numpy": [
            np.arange(6, dtype=">i4").reshape(2, 3),
            np.asfortranarray(np.eye(2, 3)),
            np.float32(0.5),
            np.array("ab"),
        ],
    }
    if not old:
        out["wide"] = [torch.tensor([0, 65535]).to(torch.uint16), torch.tensor([0, 2**32 - 1]).to(torch.uint32)]
    return out


def checkpoint() -> dict[str, Any]:
    """A net and two optimizers after two steps of known gradients."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 2, bias=False), torch.nn.BatchNorm2d(2), torch.nn.Flatten(), torch.nn.Linear(8, 3)
    )
    adam = torch.optim.Adam(net.parameters(), lr=0.01)
    sgd = torch.optim.SGD(
        [{"params": net[0].parameters(), "lr": 0.5}, {"params": net[3].parameters()}], 0.1, momentum=0.9
    )
    schedule = torch.optim.lr_scheduler.StepLR(sgd, 5)
    for _ in range(2):
        for optimizer in (adam, sgd):
            optimizer.zero_grad()
            net(torch.arange(18.0).reshape(2, 1, 3, 3)).square().sum().backward()
            optimizer.step()
    schedule.step()
    optimizers = {"adam": adam.state_dict(), "sgd": sgd.state_dict(), "schedule": schedule.state_dict()}
    return {"epoch": 3, "net": net.state_dict(), **optimizers}


def main() -> None:
    """All of them."""
    torch.save(kinds(old=False), GOLDEN / "kinds.pt")
    torch.save(kinds(old=True), GOLDEN / "kinds_old.pt", _use_new_zipfile_serialization=False)
    state = checkpoint()
    torch.save(state, GOLDEN / "checkpoint.pt")
    tensors = {f"net.{name}": x for name, x in state["net"].items()}
    for part in ("adam", "sgd"):
        for number, entries in state[part]["state"].items():
            tensors |= {f"{part}.{number}.{name}": x for name, x in entries.items() if isinstance(x, torch.Tensor)}
    np.savez(GOLDEN / "checkpoint.npz", **{name: x.numpy() for name, x in tensors.items()})
    torch.save(torch.nn.Linear(1, 1), GOLDEN / "module.pt")
    torch.save(torch.ones(2, dtype=torch.complex64), GOLDEN / "complex.pt")
    torch.save(torch.eye(2).to_sparse(), GOLDEN / "sparse.pt")
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), GOLDEN / "script.pt")


if __name__ == "__main__":
    main()
