"""Export: what the file computes, by ONNX's reference evaluator, is what the model computes, at another size, too."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_samples import Of, Sample, layers, programs, several

import minitorch as mt
from minitorch import nn
from minitorch.onnx import ExportError

onnx = pytest.importorskip("onnx.reference", reason="the package onnx is not installed")
onnx_package = pytest.importorskip("onnx")
LAYERS, PROGRAMS, SEVERAL = layers(), programs(), several()
# The evaluator has its own ideas of these (1.23): positions of max pooling, windows behind the image, RNN in rows.
SKIPPED = {"MaxPool2d positions", "LocalResponseNorm", "RNN", "ConstantPad2d", "ConvTranspose2d", "Fold"}


def exported(model: Any, *args: Any, **settings: Any) -> bytes:
    """The file of a model."""
    file = io.BytesIO()
    mt.onnx.export(model, args, file, **settings)
    return file.getvalue()


def flat(out: Any) -> list[np.ndarray]:
    """The arrays of a tensor, or of nested tuples of them."""
    if isinstance(out, tuple | list):
        return [array for item in out for array in flat(item)]
    return [out.detach().numpy()]


def agree(sample: Sample, data: bytes) -> None:
    """The file gives what the model gives, of both inputs."""
    evaluator = onnx.ReferenceEvaluator(data)
    sample.model.eval()
    for xs in sample.inputs():
        want = flat(sample.model(*xs))
        with np.errstate(all="ignore"):
            got = evaluator.run(None, {f"input_{i}" if i else "input": x.numpy() for i, x in enumerate(xs)})
        for a, b in zip(got, want, strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    """A layer, with its batch open."""
    sample = LAYERS[name]()
    data = exported(sample.model, sample.x, dynamic_axes=sample.open_axes())
    if name not in SKIPPED:
        agree(sample, data)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    """A function of tensors, with some of its sizes open."""
    sample = PROGRAMS[name]()
    agree(sample, exported(sample.model, sample.x, dynamic_axes=sample.open_axes()))


@pytest.mark.parametrize("name", SEVERAL)
def test_several_inputs(name: str) -> None:
    """Models of several tensors: states, masks, indices."""
    sample = SEVERAL[name]()
    sample.model.eval()
    agree(sample, exported(sample.model, *sample.x, dynamic_axes=sample.open_axes()))


# ------------------------------------------------------------------------------------------------------- the file
def small() -> nn.Module:
    """A net with parameters and buffers."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(16, 2))


def test_names_and_versions() -> None:
    """Initializers are named as in state_dict; IR 8, opset 17; inputs, outputs and open sizes as told."""
    net = small()
    data = exported(
        net,
        mt.randn(2, 3, 4, 4),
        input_names=["image"],
        output_names=["score"],
        dynamic_axes={"image": {0: "batch"}, "score": {0: "batch"}},
    )
    model = onnx_package.load_from_string(data)
    names = {tensor.name for tensor in model.graph.initializer}
    assert {name for name in net.state_dict() if "num_batches" not in name} <= names
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
    assert [n.op_type for n in model.graph.node if n.op_type != "Constant"] == [
        "Conv",
        "BatchNormalization",
        "Relu",
        "Reshape",
        "Gemm",
    ]
    dims = [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.input]
    assert (model.graph.input[0].name, dims) == ("image", [["batch", 3, 4, 4]])
    assert model.graph.output[0].name == "score"
    assert model.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "batch"


@pytest.mark.parametrize("opset", range(13, 22))
def test_opsets(opset: int) -> None:
    """Every opset that may be asked for gives a file that says the same."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LayerNorm(2), nn.Hardswish(), Of(lambda x: x.mean(1, keepdim=True)))
    sample = Sample(net, mt.randn(2, 3, 4, 4), {0: "n"}, mt.randn(3, 3, 4, 4))
    agree(sample, exported(net, sample.x, opset_version=opset, dynamic_axes={"input": sample.axes}))


def test_the_model_stays_what_it_was() -> None:
    """Modes, buffers, gradients and random numbers are as before."""
    net = small()
    net[1].eval()
    before = {name: v.numpy().copy() for name, v in net.state_dict().items()}
    mt.manual_seed(3)
    exported(net, mt.randn(2, 3, 4, 4))
    drawn = mt.randn(3)
    mt.manual_seed(3)
    mt.randn(2, 3, 4, 4)
    assert (drawn == mt.randn(3)).all()
    assert net.training and not net[1].training and net[0].weight.grad is None
    assert all((before[name] == v.numpy()).all() for name, v in net.state_dict().items())


def test_a_failed_export_leaves_the_file(tmp_path: Path) -> None:
    """A path holds the old file, whole, where the model can't be said; a new one where it can."""
    path = tmp_path / "net.onnx"
    path.write_bytes(b"old")
    with pytest.raises(ExportError):
        mt.onnx.export(Of(lambda x: mt.special.zeta(x, 2.0)), mt.rand(2) + 2, path)
    assert path.read_bytes() == b"old"
    mt.onnx.export(small(), mt.randn(1, 3, 4, 4), path)
    onnx_package.checker.check_model(str(path))
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def _decided(x: Any) -> Any:
    return x * 2 if x.sum().item() > 100 else x.exp() if x.shape[0] > 3 else -x


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.Sequential(nn.Identity(), Of(lambda x: mt.special.zeta(x, 2.0))), r"'zeta' in layer '1'.*can't be said"),
        (Of(lambda x: mt.tensor(np.sort(x.detach().numpy())) + x), r"'add' in the model.*where nobody can follow"),
        (Of(_decided), r"does other things for other inputs"),
        (Of(lambda x: x * x.max().item()), r"'multiply' in the model"),
        (Of(lambda x: [x, 3]), r"returns int"),
        (Of(lambda x: None), r"returns no tensor"),
        (Of(lambda x: x.to(mt.bfloat16)), r"bfloat16 is not written.*model.float\(\)"),
    ],
)
def test_what_cannot_be_said(model: Any, words: str) -> None:
    """An error names the op, the layer and the reason."""
    with pytest.raises(ExportError, match=words):
        exported(model, mt.rand(2, 3) + 2, dynamic_axes={"input": {0: "n"}})


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"opset_version": 12}, ValueError, "13 to 21"),
        ({"opset_version": 17.0}, ValueError, "13 to 21"),
        ({"input_names": "x"}, TypeError, "list of names"),
        ({"input_names": ["a", "b"]}, ValueError, "2 names"),
        ({"input_names": ["0.weight"]}, ValueError, "names of parameters"),
        ({"output_names": ["input"]}, ValueError, "inputs and of outputs"),
        ({"dynamic_axes": {"y": {0: "n"}}}, ValueError, "no input or output"),
        ({"dynamic_axes": {"input": {4: "n"}}}, ValueError, "no axis 4"),
        ({"dynamic_axes": {"input": {1: "n", 2: "n"}}}, ValueError, "size 'n' is 3 and 4"),
        ({"dynamic_axes": [0]}, TypeError, "must be a dict"),
    ],
)
def test_wrong_arguments(settings: dict, kind: type, words: str) -> None:
    """Bad settings are refused by name."""
    with pytest.raises(kind, match=words):
        exported(small(), mt.randn(1, 3, 4, 4), **settings)


def test_wrong_model_and_file() -> None:
    """So are a model that can't be called, no inputs, and what is no file."""
    with pytest.raises(TypeError, match="must be a Module or a function"):
        exported(3, mt.ones(2))
    with pytest.raises(ValueError, match="has no tensor"):
        exported(small(), 3)
    with pytest.raises(TypeError, match="path or a file"):
        mt.onnx.export(small(), mt.ones(1, 3, 4, 4), 3)


def test_nothing_is_imported_before_its_time() -> None:
    """`import minitorch.onnx` imports no onnx; where it is missing, the error says what to install."""
    code = (
        "import sys, io, minitorch.onnx as o, minitorch as mt\n"
        "assert 'onnx' not in sys.modules and 'google.protobuf' not in sys.modules\n"
        "sys.modules['onnx'] = None\n"
        "for call in (lambda: o.export(mt.nn.ReLU(), mt.ones(1), io.BytesIO()), lambda: o.load(io.BytesIO())):\n"
        "    try:\n"
        "        call()\n"
        "    except ImportError as error:\n"
        "        assert 'minitorch-numba[onnx]' in str(error)\n"
        "    else:\n"
        "        raise SystemExit('no error')\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert not done.returncode, done.stderr
