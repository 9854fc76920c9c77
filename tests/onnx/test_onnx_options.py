"""What export takes and gives beside the usual: nested arguments, shared weights, odd outputs, files, verbose."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_samples import Of
from test_onnx_export import exported, flat

import minitorch as mt
from minitorch import nn
from minitorch.onnx import ExportError

reference = pytest.importorskip("onnx.reference", reason="the package onnx is not installed")
onnx = pytest.importorskip("onnx")


def run(data: bytes, *inputs: Any) -> list[np.ndarray]:
    """What the reference evaluator makes of the inputs, in order."""
    names = [value.name for value in onnx.load_from_string(data).graph.input]
    return reference.ReferenceEvaluator(data).run(
        None, {name: x.numpy() for name, x in zip(names, inputs, strict=True)}
    )


class Odd(nn.Module):
    """Takes a dict, a pair and a keyword; gives what it was given, a parameter, and one tensor twice."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(mt.tensor([2.0, 3.0]))

    def forward(self, named: dict, pair: tuple, *, shift: Any = None, times: int = 1) -> dict:
        """A nest of tensors."""
        y = named["a"] * self.w + pair[0] * times
        y = y if shift is None else y + shift
        return {"twice": (y, y), "given": pair[1], "weight": self.w, "rest": [y.sum()]}


def test_nested_arguments_and_odd_outputs() -> None:
    """Tensors in nests are inputs in order; outputs may be inputs, parameters, or the same tensor."""
    a, b, c, d = (mt.randn(2) for _ in range(4))
    file = io.BytesIO()
    mt.onnx.export(Odd(), ({"a": a}, (b, c)), file, kwargs={"shift": d, "times": 3})
    fresh = [mt.randn(2) for _ in range(4)]
    y = fresh[0].numpy() * [2, 3] + fresh[1].numpy() * 3 + fresh[3].numpy()
    for got, want in zip(run(file.getvalue(), *fresh), (y, y, fresh[2].numpy(), [2, 3], y.sum()), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5)


def test_shared_weights() -> None:
    """A weight that two layers share is there once, and is one parameter again when it is loaded."""
    net = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    net[2].weight = net[0].weight
    data = exported(net, mt.randn(2, 4))
    assert [t.name for t in onnx.load_from_string(data).graph.initializer] == ["0.weight", "0.bias", "2.bias"]
    loaded = mt.onnx.load(io.BytesIO(data))
    x = mt.randn(2, 4)
    for model in (net, loaded):
        model(x).sum().backward()
    assert np.array_equal(net[0].weight.grad.numpy(), dict(loaded.named_parameters())["0.weight"].grad.numpy())


def test_frozen_and_plain_tensors() -> None:
    """A frozen parameter stays one; a tensor that is no member of the module is a constant of the graph."""
    factor = mt.tensor([1.0, 2.0])
    net = Of(lambda self, x: self.layer(x) * factor, layer=nn.Linear(2, 2))
    net.layer.weight.requires_grad_(False)
    data = exported(net, mt.randn(3, 2))
    assert {t.name for t in onnx.load_from_string(data).graph.initializer} == {"layer.weight", "layer.bias"}
    assert {name for name, _ in mt.onnx.load(io.BytesIO(data)).named_parameters()} == {"layer.weight", "layer.bias"}


def test_without_the_values_of_parameters() -> None:
    """export_params=False leaves parameters as inputs of the graph."""
    net = nn.Linear(3, 2)
    data = exported(net, mt.randn(1, 3), export_params=False)
    graph = onnx.load_from_string(data).graph
    assert [value.name for value in graph.input] == ["input", "weight", "bias"] and not graph.initializer
    x = mt.randn(1, 3)
    np.testing.assert_allclose(run(data, x, net.weight.detach(), net.bias.detach())[0], flat(net(x))[0], rtol=1e-5)


def test_functions_and_files(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """A function is a model; a path may be a Path; verbose prints the graph; errors of the disk are as they are."""
    path = tmp_path / "f.onnx"
    mt.onnx.export(mt.sigmoid, mt.randn(2), path, ["x"], ["y"], {"x": [0]}, 14, verbose=True)
    assert "Sigmoid" in capsys.readouterr().out
    model = onnx.load(str(path))
    assert (model.opset_import[0].version, model.graph.input[0].name, model.graph.output[0].name) == (14, "x", "y")
    assert mt.onnx.load(path)(mt.zeros(5)).tolist() == [0.5] * 5
    with pytest.raises(FileNotFoundError):
        mt.onnx.export(mt.sigmoid, mt.randn(2), tmp_path / "no" / "such" / "folder.onnx")
    with pytest.raises(FileNotFoundError):
        mt.onnx.load(tmp_path / "missing.onnx")


def test_constants_of_a_size() -> None:
    """Sizes that stay open and are computed with: products, quotients, shifts, numbers of them."""

    def model(x: Any) -> Any:
        n, t, c = x.shape
        rows = x.reshape(n * t, c)[: n * t - 1]
        return rows.sum(0) / (n * t) + mt.arange(t).sum() * (1.0 / n), x.new_zeros(n + 1, 2 * t)

    data = exported(model, mt.randn(2, 3, 4), dynamic_axes={"input": {0: "n", 1: "t"}})
    x = mt.randn(4, 5, 4)
    for got, want in zip(run(data, x), flat(model(x)), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("steps", "at"), [(6, 5), (8, 8), (1, 1)])
def test_models_with_a_most(steps: int, at: int) -> None:
    """A size stays open also where the model takes no more than 8 steps; where it takes one alone, the error says so."""
    net = Of(
        lambda self, x: self.table(x) + self.places(mt.arange(x.shape[1])),
        table=nn.Embedding(9, 4),
        places=nn.Embedding(8 if steps > 1 else 1, 4),
    )
    x = mt.randint(0, 9, (2, steps))
    if steps == 1:
        with pytest.raises(ExportError, match="another size 't' than 1"):
            exported(net, x, dynamic_axes={"input": {1: "t"}})
        return
    data = exported(net, x, dynamic_axes={"input": {0: "n", 1: "t"}})
    other = mt.randint(0, 9, (3, at))
    np.testing.assert_allclose(run(data, other)[0], flat(net(other))[0], rtol=1e-6)


def test_one_tensor_for_two_inputs() -> None:
    """The same tensor given twice is two inputs."""
    data = exported(lambda x, y: x - 2 * y, *[mt.ones(2)] * 2)
    assert run(data, mt.ones(2), mt.zeros(2))[0].tolist() == [1.0, 1.0]


def test_error_in_the_model_is_the_models() -> None:
    """What the model raises comes through; modes and hooks are set back."""
    net = nn.Sequential(nn.Linear(3, 2), Of(lambda x: x.reshape(7)))
    with pytest.raises(RuntimeError, match="invalid for input of size"):
        exported(net, mt.randn(1, 3))
    assert net.training and not nn.hooks.EVERYWHERE
    assert mt.ones(2).exp().shape == (2,)


def test_numbers_that_were_written() -> None:
    """A file holds settings in single precision; what was written as 0.3 is 0.3 again, also beside float64."""
    loaded = mt.onnx.load(io.BytesIO(exported(nn.LeakyReLU(0.3), mt.randn(2).double())))
    assert loaded(mt.tensor([-1.0, 2.0], dtype=mt.float64)).tolist() == [-0.3, 2.0]
