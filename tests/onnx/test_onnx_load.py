"""Load: models come back as they left, train as they did before, and files that are damaged or hostile are refused."""

from __future__ import annotations

import copy
import functools
import io
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_samples import layers, programs
from test_onnx_export import exported, flat, small

import minitorch as mt
from minitorch import nn

onnx = pytest.importorskip("onnx.checker", reason="the package onnx is not installed")
onnx = pytest.importorskip("onnx")
SOME = [
    "Conv1d",
    "ConvTranspose2d",
    "MaxPool2d ceil",
    "AvgPool2d ceil",
    "AdaptiveAvgPool2d 3",
    "LSTM",
    "GRU",
    "LSTMCell",
    "Transformer layer",
    "Embedding",
    "Upsample bilinear",
    "Upsample nearest-exact",
    "GroupNorm",
    "PReLU",
    "topk",
    "heads",
    "class token",
    "embedded positions",
    "parts in place",
    "one_hot",
    "integers",
    "any",
]
SAMPLES = {**layers(), **programs()}


@pytest.mark.parametrize("name", SOME)
def test_there_and_back(name: str) -> None:
    """A file that is loaded gives what the model gives, at both sizes; exported again, too; names are kept."""
    sample = SAMPLES[name]()
    sample.model.eval()
    data = exported(sample.model, sample.x, dynamic_axes={"input": sample.axes})
    loaded = mt.onnx.load(io.BytesIO(data))
    again = mt.onnx.load(io.BytesIO(exported(loaded, sample.x, dynamic_axes={"input": sample.axes})))
    for x in (sample.x, sample.other):
        want = flat(sample.model(x))
        for model in (loaded, again):
            for a, b in zip(flat(model(x)), want, strict=True):
                assert (a.shape, a.dtype) == (b.shape, b.dtype)
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    names = {name for name, _ in sample.model.named_parameters()}
    assert {name for name, _ in loaded.named_parameters()} == names & set(loaded.state_dict())


class Recurrent(nn.Module):
    """Both kinds of gates, in both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(16, 5, 2, batch_first=True, bidirectional=True)
        self.gru, self.head = nn.GRU(10, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        """Scores of images (N, 3, 4, 4), three steps of 16."""
        return self.head(self.gru(self.lstm(x.flatten(2))[0])[0][:, -1])


NETS: dict[str, Callable[[], nn.Module]] = {
    "convolutional": lambda: nn.Sequential(
        small(), nn.BatchNorm1d(2, momentum=0.02), nn.LeakyReLU(0.3), nn.Linear(2, 3)
    ),
    "recurrent": Recurrent,
    "attention": lambda: nn.Sequential(
        nn.Flatten(2),
        nn.TransformerEncoderLayer(16, 2, 8, dropout=0.0, batch_first=True),
        nn.Flatten(),
        nn.Linear(48, 3),
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_training_goes_on(name: str) -> None:
    """Five steps of the loaded model and of the original give the same weights and running statistics.

    To the bit, on the kernels; NumPy's products add up in an order that follows from how operands lie.
    """
    equal = np.array_equal if mt.kernels.implementation() == "numba" else functools.partial(np.allclose, atol=1e-5)
    net = NETS[name]()
    loaded = mt.onnx.load(io.BytesIO(exported(net, mt.randn(4, 3, 4, 4), dynamic_axes={"input": {0: "n"}})))
    copied = copy.deepcopy(loaded)
    data = [(mt.randn(8, 3, 4, 4), mt.randint(0, 3, (8,))) for _ in range(5)]
    for model in (net, loaded, copied):
        model.train()
        optimizer = mt.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for x, y in data:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    state = {name: value for name, value in net.state_dict().items() if "num_batches" not in name}
    assert loaded.state_dict().keys() == copied.state_dict().keys() == state.keys()
    for name, value in state.items():
        assert equal(loaded.state_dict()[name].numpy(), value.numpy()), name
        assert equal(copied.state_dict()[name].numpy(), value.numpy()), name


# ------------------------------------------------------------------------------------------------- files by hand
def made(nodes: list, inputs: dict, outputs: dict, tensors: Any = (), opset: int = 17, **more: Any) -> Any:
    """A model of nodes; inputs and outputs are {name: shape} of float32."""
    infos = [[onnx.helper.make_tensor_value_info(n, 1, s) for n, s in values.items()] for values in (inputs, outputs)]
    graph = onnx.helper.make_graph(nodes, "g", *infos, list(tensors))
    return onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", opset)], **more)


def node(op: str, takes: str, gives: str, **attributes: Any) -> Any:
    """A node, of names with spaces between them."""
    return onnx.helper.make_node(op, takes.split(" ") if takes else [], gives.split(), **attributes)


def load(model: Any) -> Any:
    """The module of a model."""
    return mt.onnx.load(io.BytesIO(model.SerializeToString()))


def weight(name: str, *shape: int) -> Any:
    """An initializer of ones."""
    return onnx.numpy_helper.from_array(np.ones(shape, np.float32), name)


def test_what_learns() -> None:
    """Weights of layers are parameters, also behind operators that move them; settings and statistics are not."""
    nodes = [
        node("Transpose", "w", "wt", perm=[1, 0]),
        node("MatMul", "x wt", "a"),
        node("Add", "a b", "c"),
        node("Mul", "c half", "d"),
        node("BatchNormalization", "d s t m v", "e"),
        node("Clip", "e low", "y"),
    ]
    tensors = [weight("w", 2, 3), weight("b", 2), weight("half"), *(weight(n, 2) for n in "stmv"), weight("low")]
    model = load(made(nodes, {"x": [4, 3]}, {"y": [4, 2]}, tensors))
    assert {name for name, _ in model.named_parameters()} == {"w", "b", "s", "t"}
    model(mt.ones(4, 3)).sum().backward()
    assert model.w.grad is not None


def test_names_that_python_has_not() -> None:
    """Names with slashes, empty parts, or of methods of modules are kept where they can be."""
    names = ["a/b:0", "forward", "x..y", "0.weight", "0.weight.more", "inputs", "steps.0"]
    sums = [node("Add", f"{'x' if not i else f's{i}'} {n}", f"s{i + 1}") for i, n in enumerate(names)]
    model = load(made(sums, {"x": [2]}, {f"s{len(names)}": [2]}, [weight(n, 2) for n in names]))
    assert model(mt.zeros(2)).tolist() == [7.0, 7.0]
    assert set(model.state_dict()) == {"a/b:0", "forward_", "x__y", "0.weight", "0.weight_.more", "inputs", "steps.0"}


def test_inputs_are_checked() -> None:
    """Too many, too few, unknown names, other dtypes and shapes are refused by name."""
    model = load(made([node("Add", "x z", "y")], {"x": [2, "n"], "z": [1]}, {"y": [2, "n"]}))
    assert model(z=mt.ones(1), x=mt.ones(2, 3)).shape == (2, 3)
    for args, kwargs, kind, words in [
        ((1, 2, 3), {}, TypeError, "takes 2 inputs"),
        ((mt.ones(2, 3),), {}, TypeError, "needs input 'z'"),
        ((mt.ones(2, 3),), {"q": mt.ones(1)}, TypeError, "no other input 'q'"),
        ((mt.ones(3, 3), mt.ones(1)), {}, RuntimeError, "'x' must have shape"),
        ((mt.ones(2, 3).double(), mt.ones(1)), {}, RuntimeError, "'x' must be float32"),
        (([1.0], mt.ones(1)), {}, TypeError, "'x' must be a tensor"),
    ]:
        with pytest.raises(kind, match=words):
            model(*args, **kwargs)


def _no_such(op: str = "NoSuchThing", domain: str = "") -> Any:
    bad = node(op, "x", "y", name="the_node", domain=domain)
    return made([node("Relu", "x", "z"), bad], {"x": [2]}, {"y": [2]})


def test_missing_operators() -> None:
    """What is not here is named with its node and opset, before anything runs."""
    with pytest.raises(NotImplementedError, match=r"NoSuchThing \(opset 17\), asked for by node 'the_node'"):
        load(_no_such())
    with pytest.raises(NotImplementedError, match=r"Relu of 'com.example'"):
        load(_no_such("Relu", "com.example"))


def _tensor(**changes: Any) -> Any:
    tensor = weight("w", 2, 3)
    for name, value in changes.items():
        if name == "dims":
            tensor.dims[:] = value
        else:
            setattr(tensor, name, value)
    return made([node("Add", "x w", "y")], {"x": [2, 3]}, {"y": [2, 3]}, [tensor])


def _outside(location: str, **more: Any) -> Any:
    model = _tensor()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    for key, value in {"location": location, **more}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    return model


def _opset(version: int) -> Any:
    return made([node("Relu", "x", "y")], {"x": [2]}, {"y": [2]}, opset=version)


DAMAGED: dict[str, tuple[Callable[[], Any], str]] = {
    "raw data too short": (lambda: _tensor(raw_data=b"123"), "'w' of shape .* has 3 bytes, not 24"),
    "huge": (lambda: _tensor(dims=[2**40, 2**40]), "'w' of shape .*1099511627776"),
    "negative": (lambda: _tensor(dims=[-2, -3]), "'w' has shape"),
    "type": (lambda: _tensor(data_type=8), "'w' has element type 8"),
    "no such type": (lambda: _tensor(data_type=99), "'w' has element type 99"),
    "cycle": (
        lambda: made([node("Add", "x b", "a", name="one"), node("Relu", "a", "b")], {"x": [2]}, {"b": [2]}),
        "node 'one' is in a cycle",
    ),
    "order": (
        lambda: made([node("Relu", "a", "b", name="one"), node("Relu", "x", "a")], {"x": [2]}, {"b": [2]}),
        "node 'one' takes 'a', which a later node gives",
    ),
    "nothing gives": (lambda: made([node("Relu", "q", "y")], {"x": [2]}, {"y": [2]}), "takes 'q', which nothing gives"),
    "no such output": (
        lambda: made([node("Relu", "x", "a")], {"x": [2]}, {"y": [2]}),
        "output 'y' is given by nothing",
    ),
    "no outputs": (lambda: made([node("Relu", "x", "a")], {"x": [2]}, {}), "without outputs"),
    "twice": (
        lambda: made([node("Relu", "x", "y"), node("Relu", "x", "y")], {"x": [2]}, {"y": [2]}),
        "gives 'y', which is there already",
    ),
    "initializer twice": (
        lambda: made([node("Add", "x w", "y")], {"x": [2]}, {"y": [2]}, [weight("w", 2), weight("w", 2)]),
        "initializer 'w' is there twice",
    ),
    "attribute": (
        lambda: made([node("Relu", "x", "y", strange=1)], {"x": [2]}, {"y": [2]}),
        r"attributes \['strange'\]",
    ),
    "inputs": (lambda: made([node("Relu", "x x", "y")], {"x": [2]}, {"y": [2]}), "takes 2 inputs; there are at most 1"),
    "opset": (lambda: _opset(999), "opset 999"),
    "no opset": (lambda: _opset(0), "opset 0"),
    "outside": (lambda: _outside("w.bin"), "'w.bin': load the model by its path"),
    "constant": (
        lambda: made([node("Constant", "", "y", value=_tensor(raw_data=b"1").graph.initializer[0])], {}, {"y": [2, 3]}),
        "attribute 'value' of Constant",
    ),
    "parameters": (lambda: _said("{"), "no list of names"),
}


def _said(text: str) -> Any:
    model = _opset(17)
    onnx.helper.set_model_props(model, {"minitorch.parameters": text})
    return model


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files(name: str) -> None:
    """A damaged file is refused, by name, with the memory that it is large."""
    make, words = DAMAGED[name]
    model = make()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RuntimeError, match=words):
        load(model)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KB


def test_truncated_files() -> None:
    """Whatever is cut off, an error says so; a model is never half of one."""
    data = exported(small(), mt.randn(1, 3, 4, 4))
    for end in range(0, len(data) - 1, 37):
        with pytest.raises(RuntimeError, match="^load: "):
            mt.onnx.load(io.BytesIO(data[:end]))
    with pytest.raises(RuntimeError, match="no ONNX file"):
        mt.onnx.load(io.BytesIO(b"PK\x03\x04 something else"))
    with pytest.raises(TypeError, match="path or a file"):
        mt.onnx.load(3)


@pytest.mark.parametrize(
    ("location", "more", "words"),
    [
        ("../secret", {}, "outside the folder"),
        ("/etc/passwd", {}, "outside the folder"),
        ("link", {}, "outside the folder"),
        ("sub/../../secret", {}, "outside the folder"),
        ("missing", {}, "No such file"),
        ("w.bin", {"offset": 16}, "16 to 40 of 'w.bin', which has 24"),
        ("w.bin", {"length": 2**40}, "which has 24"),
        ("w.bin", {"offset": -8}, "which has 24"),
        ("w.bin", {"offset": "x"}, "no numbers"),
        ("pipe", {}, "which has 0 and must be a file"),
    ],
)
def test_outside_data(location: str, more: dict, words: str, tmp_path: Path) -> None:
    """Data beside the file is read from its folder alone, and as much as the shape says."""
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(24))
    (folder / "w.bin").write_bytes(np.arange(6, dtype=np.float32).tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "pipe")
    path = folder / "m.onnx"
    path.write_bytes(_outside("w.bin").SerializeToString())
    assert mt.onnx.load(path)(mt.zeros(2, 3)).flatten().tolist() == list(range(6))
    path.write_bytes(_outside(location, **more).SerializeToString())
    with pytest.raises(RuntimeError, match=words):
        mt.onnx.load(os.fspath(path))


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("ConstantOfShape", "n", "y")], "ConstantOfShape"),
        ([node("Expand", "x n", "y")], "Expand"),
        ([node("Tile", "x n", "y")], "Tile"),
        ([node("Reshape", "x n", "y")], "Reshape"),
    ],
)
def test_huge_results(nodes: list, words: str) -> None:
    """A small file that asks for a huge result is refused when it runs, before memory is taken."""
    n = onnx.numpy_helper.from_array(np.array([2**40]), "n")
    model = load(made(nodes, {"x": [1]}, {"y": ["k"]}, [n]))
    with pytest.raises(RuntimeError, match=rf"{words}, node 0.*opset 17"):
        model(mt.ones(1))
