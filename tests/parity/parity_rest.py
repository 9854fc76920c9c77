"""segment_reduce, convolution with time first, recurrent functions, low ranks, hooks of nodes: beside the live PyTorch.

`pytest tests/parity/parity_rest.py -s` prints one line. Cases are text, as in `parity_leftovers`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")

from parity_leftovers import agree, outcome  # noqa: E402

import minitorch  # noqa: E402

HEAD = """
a = (L.arange(210.0) * 37 % 211 / 100 - 1).requires_grad_()
x = L.sin(a[:42] * 99).reshape(3, 7, 2)
"""
SEGMENTS = [
    "x[0], R, lengths=L.tensor([2, 0, 3, 2])",
    "x[0], R, lengths=L.tensor([2, 0, 3, 2]), initial=0.5",
    "x, R, lengths=L.tensor([[2, 0, 5], [7, 0, 0], [1, 2, 4]]), axis=1",
    "x, R, offsets=L.tensor([0, 1, 3])",
    "x[0, :, 0], R, offsets=L.tensor([0, 3, 3, 7]), initial=-0.5",
    "x[0], R, lengths=L.tensor([2, 0, 3]), unsafe=True",
    "x[0], R, lengths=L.tensor([2, 3])",
    "x[0], R, lengths=L.tensor([-1, 8])",
    "x, R",
    "x.long(), R, lengths=L.tensor([3])",
    "x, R, lengths=L.tensor([2, 1]), axis=1",
    "x[0], R, lengths=[7]",
    "x[0], R, indices=L.tensor([0] * 7)",
    "x[0].double(), R, lengths=L.tensor([7], dtype=L.int32)",
]
OTHERS = [
    "L.conv_tbc(x, a[42:54].reshape(3, 2, 2), a[54:56])",
    "L.conv_tbc(x, a[42:54].reshape(3, 2, 2), a[54:56], 2)",
    "L.conv_tbc(x[0], a[42:54].reshape(3, 2, 2), a[54:56])",
    "F.conv_tbc(x, a[42:54].reshape(3, 2, 2), a[54:57])",
    "L.embedding_renorm_((x * 9).detach()[0], L.tensor([[0, 2], [2, 1]]), 1.0, 2.0)",
    "L.embedding_renorm_(x.detach()[0], L.tensor([7]), 1.0, 2.0)",
    "L.embedding_renorm_(a, L.tensor([0]), 1.0, 2.0)",
    "L.svd_lowrank(x[:, :4, 0], q=3)[1]",
    "(lambda u, s, v: (u * s) @ v.mT)(*L.svd_lowrank(x[:, :, 0].mT, q=3))",
    "L.svd_lowrank(x[:, :, 0], q=3, M=L.ones(7))[1]",
    "L.svd_lowrank(x[0, 0])",
    "L.pca_lowrank(x[0], q=2)[1]",
    "L.pca_lowrank(x[0], q=3)",
    "L.pca_lowrank(x[:, :, 0], niter=-1)",
    "L.lobpcg(sym, k=2)[0]",
    "L.lobpcg(sym, k=2)[1] ** 2",
    "L.lobpcg(sym, k=3)",
    "L.lobpcg(x[0].detach())",
]
# Hooks of the node of a Function with several outputs: what they saw, and the gradients of both leaves.
NODE = """
class Three(L.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        return x * 2, y * 3, x + y
    @staticmethod
    def backward(ctx, a, b, c):
        return a * 2 + c, b * 3 + c
x, y, seen = L.tensor([1.0, 2.0], requires_grad=True), L.tensor([3.0, 4.0], requires_grad=True), []
a, b, c = Three.apply(x * 1, y * 1)
def kept(*sides):
    seen.append([[None if g is None else g.detach().clone() for g in side] for side in sides])
"""
HOOKS = [
    "a.grad_fn.register_hook(kept)",
    "b.grad_fn.register_prehook(kept)",
    "a.register_hook(lambda g: None if g is None else g * 7)",
    "c.grad_fn.register_hook(lambda i, o: (i[0] * 10, i[1] * 100))",
    "b.grad_fn.register_hook(lambda i, o: (None, i[1]))",
    "a.grad_fn.register_prehook(lambda o: tuple(g if g is None else g * 5 for g in o))",
    "c.retain_grad()",
    "a.grad_fn.register_hook(lambda i, o: i[:1])",
    "a.grad_fn.register_prehook(lambda o: o[:1])",
    "a.grad_fn.register_hook(kept).remove()",
    "seen.append(a.grad_fn is c.grad_fn)",
]
SUMS = ["a.sum()", "b.sum()", "a.sum() + 2 * b.sum() + c.sum()", "(a * b + c).sum()", "(x * a).sum() + c.sum()"]


def backwards(call: str) -> str:
    """The call's results, and the gradient of a weighted sum of them."""
    return (
        f"{HEAD}sym = (lambda s: s @ s.mT + L.eye(7))(L.sin(a[50:99] * 77).reshape(7, 7))\n"
        f"res = {call}\nys = list(res) if isinstance(res, (tuple, list)) else [res]\n"
        "total = sum((y * L.cos(L.arange(y.numel()).reshape(y.shape))).nan_to_num(0, 0, 0).sum() for y in ys)\n"
        "if total.requires_grad: total.backward()\nout = [*ys, a.grad]\n"
    )


def cases() -> Iterator[tuple[str, str, float]]:
    """(name, text, tolerance)."""
    for call, how in itertools.product(SEGMENTS, ("sum", "mean", "max", "min", "prod", "other")):
        text = backwards(f"L.segment_reduce({call.replace('R', repr(how))})")
        if "offsets=L.tensor([0, 1, 3])" in call:  # PyTorch leaves the gradient of what no segment covers undefined
            text = text.replace("total.requires_grad", "False")
        yield "segment_reduce", text, 1e-5
    for call in OTHERS:
        yield call.partition("(")[0], backwards(call), 3e-2 if "lobpcg" in call else 2e-3 if "lowrank" in call else 1e-5
    kinds = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
    for (name, gates), bias, both, train in itertools.product(
        kinds.items(), (True, False), (True, False), (True, False)
    ):
        width = 3 * gates
        sizes = [(width, 2), (width, 3), *([(width,)] * 2 if bias else [])] * (2 if both else 1)
        params = ", ".join(
            f"(L.arange(200) * {7 + i} % 23 / 23.0 - 0.5 + a[:200])[:{w * r[0] if r else w}].reshape({w}, *{r})"
            for i, (w, *r) in enumerate(sizes)
        )
        state = f"a[60:{60 + 6 * (1 + both)}].reshape({1 + both}, 2, 3)"
        hx = f"({state}, {state} * 2)" if name == "lstm" else state
        rest = f"({params},), {bias}, 1, 0.0, {train}, {both}"
        yield name, backwards(f"L.{name}(a[:20].reshape(5, 2, 2), {hx}, {rest}, False)"), 1e-5
        yield name, backwards(f"L.{name}(a[:16].reshape(8, 2), L.tensor([2, 2, 2, 1, 1]), {hx}, {rest})"), 1e-5
    for hooks, total, graph in itertools.product(itertools.combinations(HOOKS, 2), SUMS, (False, True)):
        text = "\n".join(
            [NODE, *hooks, f"({total}).backward(create_graph={graph})", "out = [seen, x.grad, y.grad, c.grad]"]
        )
        yield "Function", text, 1e-6


def test_rest() -> None:
    """Every case has PyTorch's values, dtypes, shapes, gradients, or a class of error that is one of its."""
    names, count, failures = set(), 0, []
    for name, text, tolerance in cases():
        names.add(name)
        count += 1
        theirs, ours = (outcome(library, text, {}) for library in (torch, minitorch))
        if not agree(theirs, ours, tolerance):
            failures.append(f"{text.strip()}\n  PyTorch {theirs}\n  here {ours}")
    print(f"rest: names {len(names)}, cases {count}, failures {len(failures)}")
    assert not failures, "\n".join(failures[:20])
