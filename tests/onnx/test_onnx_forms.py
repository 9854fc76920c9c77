"""Operators as older opsets had them: axes as attributes, softmax of flattened axes, numbers beside images, ..."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx.checker", reason="the package onnx is not installed")
from test_onnx_load import load, made, node  # noqa: E402

import minitorch as mt  # noqa: E402

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4) - 11
ROW = np.array([1, 2, 3, 4], np.float32)
IMAGE = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)


def _soft(x: np.ndarray, axes: tuple) -> np.ndarray:
    e = np.exp(x - x.max(axes, keepdims=True))
    return e / e.sum(axes, keepdims=True)


# operator, opset, inputs, attributes, what NumPy says of it
FORMS: list[tuple[str, int, list, dict, Any]] = [
    ("Squeeze", 11, [X[:1]], {"axes": [0]}, X[0]),
    ("Squeeze", 13, [X[:1], np.array([0])], {}, X[0]),
    ("Unsqueeze", 11, [X], {"axes": [0, -1]}, X[None, ..., None]),
    ("Unsqueeze", 13, [X, np.array([0, -1])], {}, X[None, ..., None]),
    ("ReduceSum", 11, [X], {"axes": [1], "keepdims": 0}, X.sum(1)),
    ("ReduceSum", 13, [X, np.array([1])], {"keepdims": 0}, X.sum(1)),
    ("ReduceMax", 18, [X, np.array([0, -1])], {}, X.max((0, 2), keepdims=True)),
    ("ReduceMean", 17, [X], {"axes": [-1]}, X.mean(-1, keepdims=True)),
    ("Softmax", 12, [X], {"axis": 1}, _soft(X, (1, 2))),
    ("Softmax", 12, [X], {}, _soft(X, (1, 2))),
    ("Softmax", 13, [X], {"axis": 1}, _soft(X, (1,))),
    ("Softmax", 13, [X], {}, _soft(X, (2,))),
    ("LogSoftmax", 1, [X], {"axis": 0}, np.log(_soft(X, (0, 1, 2)))),
    ("Hardmax", 11, [X], {"axis": 2}, (X.max(2, keepdims=True) == X).astype(np.float32)),
    ("Slice", 9, [X], {"starts": [1, -3], "ends": [99, -1], "axes": [1, 2]}, X[:, 1:, -3:-1]),
    ("Slice", 10, [X, np.array([-1]), np.array([-99]), np.array([2]), np.array([-2])], {}, X[:, :, ::-2]),
    ("Pad", 2, [X[0]], {"pads": [1, 0, 0, 2], "value": 7.0}, np.pad(X[0], ((1, 0), (0, 2)), constant_values=7)),
    ("Pad", 1, [X[0]], {"paddings": [1, 0, 0, 2], "mode": "edge"}, np.pad(X[0], ((1, 0), (0, 2)), mode="edge")),
    ("Clip", 6, [X], {"min": -2.0, "max": 3.0}, X.clip(-2, 3)),
    ("Clip", 11, [X, np.array(-2, np.float32)], {}, X.clip(-2)),
    ("Clip", 13, [X, None, np.array(3, np.float32)], {}, X.clip(None, 3)),
    ("Upsample", 7, [IMAGE], {"scales": [1.0, 1.0, 2.0, 1.0]}, IMAGE.repeat(2, 2)),
    ("Upsample", 9, [IMAGE, np.array([1, 1, 1, 2], np.float32)], {"mode": "nearest"}, IMAGE.repeat(2, 3)),
    ("Upsample", 1, [IMAGE], {"height_scale": 2.0, "width_scale": 2.0}, IMAGE.repeat(2, 2).repeat(2, 3)),
    ("Resize", 10, [IMAGE, np.array([1, 1, 0.5, 0.5], np.float32)], {}, IMAGE[:, :, ::2, ::2]),
    ("TopK", 1, [ROW], {"k": 2}, ROW[:1:-1]),
    ("TopK", 10, [ROW, np.array([2])], {}, ROW[:1:-1]),
    ("TopK", 11, [ROW, np.array([2])], {"largest": 0}, ROW[:2]),
    ("Split", 2, [X], {"axis": 2, "split": [1, 3]}, X[:, :, :1]),
    ("Split", 13, [X, np.array([1, 3])], {"axis": 2}, X[:, :, :1]),
    ("Split", 18, [X], {"axis": 1, "num_outputs": 2}, X[:, :2]),
    ("Dropout", 6, [X], {"is_test": 1, "ratio": 0.9}, X),
    ("Dropout", 12, [X, np.array(0.9, np.float32)], {}, X),
    ("Gemm", 6, [X[0], X[0], ROW[:3]], {"transB": 1, "broadcast": 1}, X[0] @ X[0].T + ROW[:3]),
    ("Gemm", 11, [X[0], X[0]], {"transA": 1, "alpha": 0.5}, 0.5 * X[0].T @ X[0]),
    ("Add", 6, [X, ROW[:3]], {"broadcast": 1, "axis": 1}, X + ROW[:3, None]),
    ("Mul", 7, [X, ROW], {}, X * ROW),
    ("Reshape", 1, [X], {"shape": [0, -1]}, X.reshape(2, 12)),
    ("Reshape", 14, [X[:0], np.array([0, 3, 4])], {"allowzero": 1}, X[:0]),
    ("Cast", 1, [X], {"to": "DOUBLE"}, X.astype(np.float64)),
    ("Cast", 13, [X], {"to": 6}, X.astype(np.int32)),
    (
        "PRelu",
        6,
        [IMAGE.repeat(2, 1) - 8, np.array([0.5, 2], np.float32)],
        {},
        np.where(IMAGE.repeat(2, 1) > 8, IMAGE.repeat(2, 1) - 8, (IMAGE.repeat(2, 1) - 8) * [[[[0.5]], [[2]]]]),
    ),
    ("Tile", 1, [X, np.array(2), np.array(1)], {}, np.tile(X, (1, 2, 1))),
    ("Tile", 6, [X, np.array([1, 2, 1])], {}, np.tile(X, (1, 2, 1))),
    ("Concat", 1, [X, X], {}, np.concatenate([X, X], 1)),
    ("Scatter", 9, [ROW, np.array([0, 2]), ROW[:2]], {}, np.array([1, 2, 2, 4], np.float32)),
    ("ArgMax", 1, [X], {"axis": 1, "keepdims": 0}, X.argmax(1)),
    ("ArgMax", 12, [np.zeros((2, 3), np.float32)], {"axis": 1, "select_last_index": 1}, np.array([[2], [2]])),
    ("Relu", 1, [X], {"consumed_inputs": [0]}, X.clip(0)),
    ("MaxPool", 1, [IMAGE], {"kernel_shape": [2, 2]}, IMAGE.reshape(4, 4)[1:, 1:].reshape(1, 1, 3, 3)),
    ("GlobalLpPool", 1, [IMAGE], {"p": 1.0}, IMAGE.sum((2, 3), keepdims=True)),
    (
        "MaxRoiPool",
        1,
        [IMAGE, np.array([[0, 0, 0, 3, 3]], np.float32)],
        {"pooled_shape": [2, 2]},
        np.array([5, 7, 13, 15], np.float32).reshape(1, 1, 2, 2),
    ),
    (
        "BatchNormalization",
        7,
        [IMAGE, *(np.array([v], np.float32) for v in (2, 1, 3, 4))],
        {"epsilon": 0.0},
        (IMAGE - 3) / 2 * 2 + 1,
    ),
    ("ReduceL1", 13, [X], {}, np.abs(X).sum(keepdims=True)),
    ("ReduceSum", 13, [X], {"noop_with_empty_axes": 1}, X),
]


@pytest.mark.parametrize(
    ("op", "opset", "inputs", "attributes", "want"),
    FORMS,
    ids=[f"{op}-{opset}-{i}" for i, (op, opset, *_) in enumerate(FORMS)],
)
def test_forms(op: str, opset: int, inputs: list, attributes: dict, want: Any) -> None:
    """A node of an opset gives what NumPy says, in its dtype."""
    names = " ".join(f"i{k}" if v is not None else "" for k, v in enumerate(inputs))
    model = made([node(op, names, "y", **attributes)], {}, {"y": []}, opset=opset)
    for k, value in enumerate(inputs):
        if value is not None:
            kind = {"float32": 1, "int64": 7}[value.dtype.name]
            model.graph.input.append(_info(f"i{k}", kind))
    got = load(model)(*[mt.tensor(v) for v in inputs if v is not None])
    got = got[0] if isinstance(got, tuple) else got
    assert (tuple(got.shape), got.numpy().dtype) == (want.shape, np.asarray(want).astype(got.numpy().dtype).dtype)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=1e-6)


def _info(name: str, kind: int) -> Any:
    import onnx

    return onnx.helper.make_tensor_value_info(name, kind, None)


@pytest.mark.parametrize(
    ("op", "attributes", "low", "high"),
    [
        ("RandomUniform", {"shape": [1000], "low": 2.0, "high": 4.0}, 2.9, 3.1),
        ("RandomNormal", {"shape": [1000], "mean": 3.0, "scale": 0.5}, 2.9, 3.1),
        ("RandomUniformLike", {"low": 2.0, "high": 4.0}, 2.9, 3.1),
        ("RandomNormalLike", {"mean": 3.0}, 2.8, 3.2),
        ("Bernoulli", {}, 0.2, 0.3),
        ("Multinomial", {"sample_size": 1000}, 0.4, 0.6),
    ],
)
def test_chance(op: str, attributes: dict, low: float, high: float) -> None:
    """Random numbers have the mean that was asked for, depend on the seed, and are drawn anew without one."""
    x = mt.zeros(1, 2) if op == "Multinomial" else mt.full((1, 1000), 0.25)
    made_of = "" if op in ("RandomUniform", "RandomNormal") else "x"
    models = [
        load(made([node(op, made_of, "y", **attributes, **seed)], {"x": list(x.shape)} if made_of else {}, {"y": []}))
        for seed in ({}, {"seed": 1.0})
    ]
    inputs = [x] if made_of else []
    free, seeded = models
    first = free(*inputs)
    assert low < first.double().mean().item() < high
    assert not (first == free(*inputs)).all()
    assert (seeded(*inputs) == seeded(*inputs)).all()


def test_subgraphs() -> None:
    """If and Loop see the values around them, and train."""
    import onnx

    helper = onnx.helper
    info = [helper.make_tensor_value_info("z", 1, [2])]
    double = helper.make_graph([node("Mul", "x w", "z")], "then", [], info)
    negate = helper.make_graph([node("Neg", "x", "z")], "else", [], info)
    body = helper.make_graph(
        [node("Add", "s z", "t"), node("Identity", "go", "on"), node("Mul", "t t", "row")],
        "body",
        [
            helper.make_tensor_value_info("i", 7, []),
            helper.make_tensor_value_info("go", 9, []),
            helper.make_tensor_value_info("s", 1, [2]),
        ],
        [
            helper.make_tensor_value_info("on", 9, []),
            helper.make_tensor_value_info("t", 1, [2]),
            helper.make_tensor_value_info("row", 1, [2]),
        ],
    )
    nodes = [
        node("ReduceSum", "x", "total", keepdims=0),
        node("Greater", "total zero", "c"),
        node("If", "c", "z", then_branch=double, else_branch=negate),
        node("Loop", "n  x", "last rows", body=body),
    ]
    tensors = [
        onnx.numpy_helper.from_array(np.array(v, d), n)
        for n, v, d in (("zero", 0, np.float32), ("w", [2, 3], np.float32), ("n", 3, np.int64))
    ]
    model = load(made(nodes, {"x": [2]}, {"last": [2], "rows": [3, 2]}, tensors))
    last, rows = model(mt.tensor([1.0, 1.0]))
    assert last.tolist() == [7.0, 10.0] and rows.tolist() == [[9, 16], [25, 49], [49, 100]]
    last, rows = model(mt.tensor([-1.0, -1.0]))
    assert last.tolist() == [2.0, 2.0]
