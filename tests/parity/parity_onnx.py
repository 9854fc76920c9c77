"""ONNX beside its other readers: our files in onnxruntime, onnx's own cases and models here.

`pytest tests/parity/parity_onnx.py -s`; needs onnx and onnxruntime, not PyTorch.
"""

from __future__ import annotations

import gc
import io
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx.backend.test.loader", reason="the package onnx is not installed")
onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime", reason="the package onnxruntime is not installed")

from onnx_samples import layers, programs, several  # noqa: E402

import minitorch as mt  # noqa: E402
from minitorch import nn  # noqa: E402
from minitorch.autograd.tape import wrap  # noqa: E402
from minitorch.onnx.operators import DTYPES, OPERATORS  # noqa: E402
from minitorch.vision import models  # noqa: E402

MODELS = (
    *("airbench94", "densenet121", "efficientnet_b0", "googlenet", "mobilenet_v2", "mobilenet_v3_small"),
    *("resnet18", "resnet20", "resnet50", "mobilenet_v3_large", "shufflenet_v2_x1_0", "squeezenet1_1"),
)
SMALL = {"airbench94": 32, "resnet20": 32}  # all others see 64 x 64 pixels
SAMPLES = {**layers(), **programs(), **several()}
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def exported(model: Any, x: Any, axes: Any) -> bytes:
    """The file of a model."""
    file = io.BytesIO()
    mt.onnx.export(model, x, file, dynamic_axes=axes)
    return file.getvalue()


def flat(out: Any) -> list[np.ndarray]:
    """The arrays of a tensor, or of nested tuples of them."""
    if isinstance(out, tuple | list):
        return [array for item in out for array in flat(item)]
    return [out.detach().numpy()]


def session(data: bytes) -> Any:
    """A model in onnxruntime, on one thread: others want the cores, too."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def agree(model: Any, data: bytes, *inputs: tuple) -> float:
    """onnxruntime's results of the file are the model's, to 1e-5 of the largest (or of 1); how far off they are."""
    other, worst = session(data), 0.0
    model.eval()
    for xs in inputs:
        with mt.no_grad():
            want = flat(model(*xs))
        given = {told.name: x.numpy() for told, x in zip(other.get_inputs(), xs, strict=True)}
        for a, b in zip(other.run(None, given), want, strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            scale = max(1.0, float(np.abs(b).max(initial=0)))
            worst = max(worst, float(np.abs(a.astype(np.float64) - b).max(initial=0)) / scale)
    assert worst < 1e-5
    return worst


@pytest.mark.parametrize("name", MODELS)
def test_models(name: str) -> None:
    """A net of vision.models, exported with an open batch, in onnxruntime; loaded again it gives the same."""
    net, size = models.get_model(name), SMALL.get(name, 64)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)
    x, other = mt.randn(2, 3, size, size), mt.randn(3, 3, size, size)
    net.eval()
    data = exported(net, x, {"input": {0: "batch"}})
    worst = agree(net, data, (x,), (other,))
    loaded = mt.onnx.load(io.BytesIO(data))
    with mt.no_grad():
        want = net(other).numpy()
        np.testing.assert_allclose(loaded(other).numpy(), want, rtol=1e-4, atol=1e-5 * max(1, np.abs(want).max()))
    print(f"{name}: {len(loaded._steps)} nodes, off by {worst:.1e}")
    del net, loaded, data
    gc.collect()


@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name: str) -> None:
    """Layers and functions in onnxruntime, with open sizes; and again once they were loaded."""
    sample = SAMPLES[name]()
    data = exported(sample.model.eval(), sample.x, sample.open_axes())
    agree(sample.model, data, *sample.inputs())
    again = exported(mt.onnx.load(io.BytesIO(data)), sample.x, sample.open_axes())
    agree(sample.model, again, *sample.inputs())


def test_training_goes_on() -> None:
    """Exported, loaded and trained for 5 steps, resnet20 has the weights that it has without."""
    net = models.resnet20()
    net.train()
    loaded = mt.onnx.load(io.BytesIO(exported(net, mt.randn(2, 3, 32, 32), {"input": {0: "n"}})))
    data = [(mt.randn(8, 3, 32, 32), mt.randint(0, 10, (8,))) for _ in range(5)]
    for model in (net, loaded):
        model.train()
        optimizer = mt.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        for x, y in data:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    state = net.state_dict()
    for name, value in loaded.state_dict().items():
        assert np.array_equal(value.numpy(), state[name].numpy()), name


# ------------------------------------------------------------------------------------------- onnx's own cases
DRAWN = ("bernoulli", "training_dropout")  # whose results are random numbers


def known_types(graph: Any) -> bool:
    """Whether all element types of a graph are here."""
    codes = [t.data_type for t in graph.initializer]
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.HasField("tensor_type"):
            codes.append(value.type.tensor_type.elem_type)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                codes.append(attribute.t.data_type)
            if attribute.name == "to":
                codes.append(attribute.i)
            if attribute.HasField("g") and not known_types(attribute.g):
                return False
    return set(codes) <= DTYPES.keys()


def operators(graph: Any) -> set[tuple[str, str]]:
    """(domain, operator) of all nodes, also of graphs within."""
    found = set()
    for node in graph.node:
        found.add((node.domain, node.op_type))
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found |= operators(attribute.g)
    return found


def tensors(value: Any) -> Any:
    """Arrays, or lists of them, as tensors."""
    if value is None or isinstance(value, list):
        return value if value is None else [tensors(v) for v in value]
    return wrap(np.array(onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value))


def same(got: Any, want: Any, case: Any) -> None:
    """The result is the expected one, within the case's own tolerance."""
    if isinstance(want, list):
        assert len(got) == len(want)
        for a, b in zip(got, want, strict=True):
            same(a, b, case)
    elif want is None:
        assert got is None
    else:
        want = tensors(want).array
        assert (got.array.shape, got.array.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(got.array, want, rtol=case.rtol, atol=max(case.atol, 1e-7))


def data_of(case: Any) -> list[tuple[list, list]]:
    """Pairs of inputs and expected outputs; from files, where they are not made."""
    if case.data_sets is not None:
        return list(case.data_sets)

    def read(folder: Path, kind: str) -> list:
        out = []
        for i in range(len(list(folder.glob(f"{kind}_*.pb")))):
            out.append(onnx.TensorProto.FromString((folder / f"{kind}_{i}.pb").read_bytes()))
        return out

    return [(read(f, "input"), read(f, "output")) for f in sorted(Path(case.model_dir).glob("test_data_set_*"))]


def test_cases_of_onnx() -> None:
    """onnx's own cases, of single operators and of small nets, for all operators that are here."""
    done: Counter = Counter()
    failures, left, types, cases = [], Counter(), 0, 0  # type: Any
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        everything = [
            case
            for kind in ("node", "simple", "pytorch-operator", "pytorch-converted")
            for case in onnx.backend.test.loader.load_model_tests(kind=kind)
        ]
    for case in everything:
        model = case.model or onnx.load(str(Path(case.model_dir) / "model.onnx"))
        used = operators(model.graph)
        missing = [op for domain, op in used if op not in OPERATORS or domain not in ("", "ai.onnx")]
        if missing:
            left.update(missing)
            continue
        if not known_types(model.graph):
            types += 1
            continue
        if any(word in case.name for word in DRAWN):
            continue
        cases += 1
        try:
            loaded = mt.onnx.load(io.BytesIO(model.SerializeToString()))
            for inputs, outputs in data_of(case):
                with mt.no_grad(), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    got = loaded(*map(tensors, inputs))
                same(list(got) if isinstance(got, tuple) else [got], outputs, case)
        except Exception as error:
            failures.append(f"{case.name}: {type(error).__name__}: {str(error)[:200]}")
        done.update(op for _, op in used)
    print(f"\nonnx's own cases: operators {len(done)}, cases {cases}, failures {len(failures)}")
    print(f"left out: {types} cases of element types that are not here; operators {dict(left)}")
    print(f"operators without a case: {sorted(OPERATORS.keys() - done.keys())}")
    assert not failures, "\n".join(failures)
    assert len(done) >= 140 and cases > 1200


@pytest.mark.parametrize("path", sorted(LIGHT.glob("*.onnx")), ids=lambda path: path.stem)
def test_light_models(path: Path) -> None:
    """The published nets that onnx carries, with weights that are all alike, give what onnx says."""
    model = mt.onnx.load(path)
    name, dtype, shape = model._inputs[0]
    count = int(np.prod(shape))
    x = (np.arange(count).reshape(shape) / count).astype(dtype)
    want = onnx.numpy_helper.to_array(
        onnx.TensorProto.FromString(path.with_name(f"{path.stem}_output_0.pb").read_bytes())
    )
    if path.stem == "light_squeezenet":  # its logits are 1e10: one unit in their last place is exp(1024)
        assert model._steps[-1].entry is OPERATORS["Softmax"]
        model._outputs[:] = model._steps[-1].takes
        model._steps.pop()
        want = np.full(want.shape, 9.475688e9, np.float32)  # onnxruntime's
    with mt.no_grad():
        got = model(mt.tensor(x)).numpy()
    assert name and got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-3 if want[0].max() < 1 else 1e-6, atol=1e-6)


def test_files_of_pytorch() -> None:
    """Files that PyTorch wrote of its own layers, in three opsets, give what PyTorch gives."""
    torch = pytest.importorskip("torch")
    theirs = torch.nn

    class Words(theirs.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.head = theirs.Embedding(20, 8), theirs.Linear(12, 4)
            self.lstm = theirs.LSTM(8, 6, 2, batch_first=True, bidirectional=True)

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(self.table(x))[0].mean(1))

    class Pixels(theirs.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.up = theirs.Conv2d(3, 4, 3, padding=1), theirs.ConvTranspose2d(4, 2, 2, stride=2)
            self.group, self.each = theirs.GroupNorm(2, 4), theirs.InstanceNorm2d(4, affine=True)

        def forward(self, x: Any) -> Any:
            y = self.each(theirs.functional.silu(self.group(self.conv(x))))
            y = theirs.functional.interpolate(y, scale_factor=2, mode="bilinear")
            return self.up(y), theirs.functional.pixel_shuffle(y, 2), torch.topk(y.flatten(1), 3).values

    torch.manual_seed(0)
    row = theirs.Sequential(
        theirs.Conv1d(4, 8, 3),
        theirs.BatchNorm1d(8),
        theirs.PReLU(8),
        theirs.AdaptiveAvgPool1d(4),
        theirs.Hardswish(),
        theirs.GELU(),
    )
    for module, x in (
        (Words(), torch.randint(0, 20, (2, 5))),
        (Pixels(), torch.randn(2, 3, 8, 8)),
        (row, torch.randn(2, 4, 18)),
        (theirs.GRU(4, 5), torch.randn(3, 2, 4)),
    ):
        want = module.eval()(x)
        for opset in (11, 14, 17):
            file = io.BytesIO()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.onnx.export(module, (x,), file, dynamo=False, opset_version=opset)
            with mt.no_grad():
                got = mt.onnx.load(io.BytesIO(file.getvalue()))(mt.tensor(x.numpy()))
            for a, b in zip(
                flat(got), [w.detach().numpy() for w in (want if isinstance(want, tuple) else [want])], strict=True
            ):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
