"""`autograd.trace`: the steps of a backward pass as text, page and picture; and that it leaves no trace itself."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import minitorch as m
from minitorch import nn
from minitorch.autograd import Function, Trace, primitive, registry, trace

TEXT = """\
step 1: sum #N, result ()
  comes in, ():
    1.
  goes out for x, to multiply #N (y), (2,):
    [1. 1.]
    by minitorch/ops/reduce.py:N: x=lambda g, ...: spread(g, x_shape, dim)
step 2: multiply #N, result (2,)
  comes in, (2,):
    [1. 1.]
  goes out for x, to x, (2,):
    [3. 4.]
    by minitorch/ops/pointwise.py:N: x=lambda g, y: g * y
  goes out for y, to leaf 2, (2,):
    [1. 2.]
    by minitorch/ops/pointwise.py:N: y=lambda g, x: g * x
in the end, x, (2,):
    [3. 4.]
in the end, leaf 2, (2,):
    [1. 2.]"""


def leaf(*values):
    """A vector that requires grad."""
    return m.tensor(values, requires_grad=True)


def test_text():
    """Node by node: the rule, its source line, what comes in and goes out; then the leaves."""
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = x * w
    said = re.sub(r"(?<=[#:])\d+", "N", str(trace(y.sum(), names={"x": x, "y": y})))
    said = re.sub(r"lambda g, [\w, ]+: spread", "lambda g, ...: spread", said)
    assert re.sub(r"(?m)^    by \S*/minitorch/", "    by minitorch/", said) == TEXT


def test_steps():
    """Numbers to compute with: x^2 used twice, so two gradients add up."""
    x = leaf(1.0, -3.0)
    y = x * x
    found = trace((y + y.exp()).sum())
    assert [step.name for step in found.steps] == ["sum", "add", "exp", "multiply"] and len(found) == 4
    assert [step.added for step in found.steps] == [1, 1, 1, 2]
    np.testing.assert_allclose(found.steps[-1].incoming[0].corner, 1 + np.exp([1, 9]), rtol=1e-6)
    (g,) = found.leaves.values()
    np.testing.assert_allclose(g.corner, [2 + 2 * np.e, -6 - 6 * np.exp(9)], rtol=1e-6)
    assert g.shape == (2,) and g.dtype == "float32" and g.whole and g.least == g.corner[1] and g.largest == g.corner[0]
    assert repr(found) == "<trace of 4 steps>" and isinstance(found, Trace)


def test_large_gradients_show_a_corner():
    """Rows and columns up to eight, and the norm of all."""
    x = m.ones(2, 20, 30, requires_grad=True)
    found = trace((x * 3).sum())
    (g,) = found.leaves.values()
    assert g.corner.shape == (8, 8) and not g.whole and g.norm == pytest.approx(3 * 1200**0.5)
    assert "... norm 103.9, from 3 to 3" in str(found)
    assert "(empty)" in str(trace(m.ones(0, 2, requires_grad=True).sum()))


def test_nothing_changes():
    """Neither .grad, of leaves and of tensors that retain it, nor the tape, which runs again, nor the nodes."""
    x = leaf(1.0, 2.0)
    y = x.exp()
    y.retain_grad()
    loss = (y * y).sum()
    primitives = [loss.node.primitive, y.node.primitive]
    first, second = trace(loss), trace(loss)
    assert str(first) == str(second) and x.grad is None and y.grad is None
    assert [loss.node.primitive, y.node.primitive] == primitives
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp([2.0, 4.0]), rtol=1e-6)
    np.testing.assert_allclose(y.grad.numpy(), 2 * np.exp([1.0, 2.0]), rtol=1e-6)
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        trace(loss)
    assert loss.node.primitive is primitives[0]


def test_hooks_run():
    """As in any backward: what they return goes on."""
    x = leaf(1.0, 2.0)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    assert trace(y.sum()).leaves["leaf 1"].corner.tolist() == [20.0, 20.0] and x.grad is None


def test_refusals():
    """Results off the tape or with several elements, and what is no tensor."""
    x = leaf(1.0, 2.0)
    with m.no_grad():
        y = x * 2
    with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad"):
        trace(y.sum())
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        trace(x * 2)
    assert trace(x * 2, m.tensor([1.0, 10.0])).leaves["leaf 1"].corner.tolist() == [2.0, 20.0]
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        trace(x * 2, m.ones(3))
    with pytest.raises(TypeError, match="expected a Tensor, but got float"):
        trace(3.0)
    with pytest.raises(TypeError, match="names must be a module or a dict of tensors, but got list"):
        trace(x.sum(), names=[x])


def test_a_leaf_alone():
    """No step, and the gradient itself."""
    x = m.tensor(2.0, requires_grad=True)
    found = trace(x)
    assert str(found).splitlines() == [
        "(nothing on the tape: the tensor is a leaf)",
        "in the end, leaf 1, ():",
        "    1.",
    ]
    assert '[label="leaf 1\\n()", shape=oval]' in found.dot() and "->" not in found.dot()


def test_functions_with_several_results():
    """Each result hands on its gradient; backward gets them all."""

    class Split(Function):
        """2 x and 3 x."""

        @staticmethod
        def forward(ctx, x):
            """As said."""
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            """The sum."""
            return 2 * g + 3 * h

    x = leaf(1.0, 2.0)
    a, b = Split.apply(x)
    found = trace((a * b).sum())
    last = found.steps[-1]
    assert last.name == "Split" and [g.corner.tolist() for g in last.incoming] == [[3.0, 6.0], [2.0, 4.0]]
    assert last.outgoing[0].line == "def backward(ctx, g, h):" and "test_trace.py:" in last.outgoing[0].place
    assert found.leaves["leaf 1"].corner.tolist() == [12.0, 24.0]
    assert "comes in for result 1" in str(found) and "goes out for result 0, to Split" in str(found)


def test_a_rule_that_fails_leaves_the_tape_as_it_was():
    """The nodes have their primitives again."""

    @primitive(name="test_trace_failing")
    def failing(x):
        return x * 1

    failing.vjp(x=lambda g: g.no_such_thing)
    registry.pop(failing.name)  # of which others expect a row of samples for each name
    y = failing(leaf(1.0))
    with pytest.raises(AttributeError):
        trace(y.sum())
    assert y.node.primitive is failing


def test_dot():
    """DOT text: nodes, leaves, an arrow for each argument; quotes and lines are escaped."""
    x = leaf(1.0, 2.0)
    text = re.sub(r"node\d+", "node", trace((x * x).sum(), names={'the "x"': x}).dot())
    assert text.splitlines() == [
        "digraph tape {",
        '  node [fontname="sans-serif", shape=box, style=rounded];',
        '  node [label="multiply\\n(2,)"];',
        '  node [label="sum\\n()"];',
        '  leaf0 [label="the \\"x\\"\\n(2,)", shape=oval];',
        '  node -> node [label="x"];',
        '  node -> leaf0 [label="x"];',
        '  node -> leaf0 [label="y"];',
        "}",
    ]


def test_draw_without_graphviz(monkeypatch, tmp_path):
    """A picture of our own as SVG; for other kinds an error that says what is missing."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    found = trace(leaf(1.0).sum())
    found.draw(tmp_path / "tape.svg")
    assert (tmp_path / "tape.svg").read_text() == found.svg() == found._repr_svg_()
    with pytest.raises(RuntimeError, match="needs Graphviz's program `dot` for .png"):
        found.draw(tmp_path / "tape.png")


def test_page(tmp_path):
    """One file, with its data and no address of anything else; names with marks stay text."""
    m.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    loss = nn.functional.cross_entropy(net(m.randn(2, 1, 4, 4)), m.tensor([0, 2]))
    found = trace(loss, names=net)
    found.save(tmp_path / "steps.html")
    text = (tmp_path / "steps.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|src=|@import|url\(", text) and 'name="viewport"' in text
    data = json.loads(re.search(r"const DATA = (.*);\n", text)[1])
    titles = [step["title"] for step in data["steps"]]
    assert len(titles) == len(found) + 4 and titles[-4:] == [f"in the end, {n}" for n in found.leaves]
    assert set(found.leaves) == {"0.weight", "0.bias", "3.weight", "3.bias"}
    (row,) = data["steps"][0]["incoming"][0]["rows"]
    assert row == [["1", 1.0]]
    x = leaf(1.0, float("nan"))
    trace(x.sum(), names={"</script><b>": x}).save(tmp_path / "odd.html")
    odd = (tmp_path / "odd.html").read_text(encoding="utf-8")
    assert odd.count("</script>") == 1 and "&lt;/script&gt;&lt;b&gt;" in odd


def test_plain_mode(monkeypatch):
    """The plain sweep is traced, too, with the same numbers."""
    x = leaf(1.0, 2.0)
    loss = (x * x.exp()).sum()
    expected = {name: g.corner.tolist() for name, g in trace(loss).leaves.items()}
    monkeypatch.setattr("minitorch.autograd.plain.enabled", True)
    found = trace(loss)
    assert {name: g.corner.tolist() for name, g in found.leaves.items()} == expected and len(found) == 3
