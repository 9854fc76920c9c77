"""SummaryWriter: what TensorBoard's own reader finds in the files."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

import minitorch
from minitorch import nn
from minitorch.utils.data import DataLoader
from minitorch.utils.tensorboard import SummaryWriter, pixels, trace
from minitorch.vision import transforms
from minitorch.vision.datasets import Shapes


@pytest.fixture
def read(tmp_path):
    """A function that gives TensorBoard's view of what was written to tmp_path / name."""
    pytest.importorskip("tensorboardX", reason="tensorboardX, of the tensorboard extra, writes the files")
    pytest.importorskip("PIL", reason="pillow, of the viz extra, packs the images")
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    def read(name="."):
        accumulator = accumulators.EventAccumulator(str(tmp_path / name), {"images": 0, "tensors": 0})
        accumulator.Reload()
        return accumulator

    return read


def picture(event):
    """The pixels of an image event."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))


class Net(nn.Module):
    """Named modules, a frozen layer, a residual sum and two outputs."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())
        self.head = nn.Linear(8, 3)
        self.frozen = nn.Linear(3, 3).requires_grad_(False)

    def forward(self, x):
        y = self.head(self.features(x).flatten(1))
        return self.frozen(y) + y, y.sum()


def test_scalars_of_tensors_on_the_tape(read, tmp_path):
    """A loss that requires a gradient is a point, steps may be tensors, and curves of one plot lie in folders."""
    with SummaryWriter(log_dir=tmp_path) as writer:
        weight = minitorch.tensor([3.0, 4.0], requires_grad=True)
        writer.add_scalar("loss", (weight * weight).sum(), minitorch.tensor(7), walltime=12.5)
        writer.add_scalar("loss", np.float64(0.5), 8, new_style=True, double_precision=True)
        writer.add_scalars("both", {"train": weight[0], "test": 2}, 1)
        assert writer.log_dir == writer.get_logdir() == str(tmp_path)
    found = read()
    assert [(e.wall_time, e.step, e.value) for e in found.Scalars("loss")][0] == (12.5, 7, 25.0)
    assert found.Scalars("loss")[1].value == 0.5
    assert read("both/train").Scalars("both")[0].value == 3.0
    assert read("both/test").Scalars("both")[0].value == 2.0


def test_images_in_all_layouts(read, tmp_path):
    """Floats are cut off at 0 and 1, uint8 stay; HW, HWC, a batch in rows of eight, a list."""
    values = minitorch.tensor([[[-1.0, 0.0], [1.0, 7.0]]] * 3, requires_grad=True)
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("floats", values, 0)
        writer.add_image("bytes", minitorch.full((4, 5, 3), 200, dtype=minitorch.uint8), dataformats="HWC")
        writer.add_image("grey", np.ones((4, 5)), dataformats="HW")
        writer.add_images("batch", minitorch.ones(9, 1, 4, 5))
        writer.add_images("list", [minitorch.ones(3, 4, 5)] * 2, dataformats="CHW")
        writer.add_image_with_boxes("boxes", minitorch.zeros(3, 9, 9), minitorch.tensor([[1, 1, 6, 7]]))
    found = {tag: picture(read().Images(tag)[0]) for tag in read().Tags()["images"]}
    assert found["floats"].tolist() == [[[0] * 3, [0] * 3], [[255] * 3, [255] * 3]]
    assert found["bytes"].shape == (4, 5, 3) and (found["bytes"] == 200).all()
    assert found["grey"].shape == (4, 5, 3)
    assert found["batch"].shape == (8, 40, 3) and found["batch"][:, :, 0].sum() == 9 * 20 * 255
    assert found["list"].shape == (4, 10, 3)
    assert found["boxes"][1, 1].tolist() == [255, 0, 0] and not found["boxes"][3:5, 3:5].any()


def test_not_a_number_is_black():
    """NaN and infinities become pixels: 0, 0 and 1."""
    assert pixels(minitorch.tensor([float("nan"), -float("inf"), float("inf")])).tolist() == [0, 0, 1]


def test_histograms_texts_curves_and_points(read, tmp_path):
    """Counts add up; texts, precision-recall curves, meshes, layouts and embeddings are there."""
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("weights", nn.Linear(8, 3).weight, 2)
        writer.add_histogram("choices", minitorch.tensor([True, False, True]), bins="auto")
        writer.add_histogram_raw("raw", 0, 1, 3, 1.5, 2.0, minitorch.tensor([0.5, 1.0]), [1, 2])
        writer.add_text("note", "**hello**", 1)
        writer.add_pr_curve("curve", minitorch.tensor([0, 1, 1]), minitorch.tensor([0.1, 0.5, 0.9]), num_thresholds=5)
        writer.add_mesh("body", minitorch.rand(1, 4, 3), faces=minitorch.tensor([[[0, 1, 2]]]))
        writer.add_custom_scalars({"all": {"losses": ["Multiline", ["a", "b"]]}})
        writer.add_embedding(minitorch.eye(4), list("abcd"), minitorch.rand(4, 3, 8, 8), global_step=1, tag="points")
    found = read()
    weights = found.Histograms("weights")[0]
    assert weights.step == 2 and weights.histogram_value.num == sum(weights.histogram_value.bucket) == 24
    assert found.Histograms("choices")[0].histogram_value.sum == 2
    assert found.Histograms("raw")[0].histogram_value.sum_squares == 2
    assert found.Tensors("note/text_summary")[0].tensor_proto.string_val[0] == b"**hello**"
    assert {"curve", "custom_scalars__config__"} <= set(found.Tags()["tensors"])
    folder = next(tmp_path.glob("*/points"))
    assert (folder / "tensors.tsv").read_text().splitlines()[1] == "0.0\t1.0\t0.0\t0.0"
    assert (folder / "metadata.tsv").read_text().split() == list("abcd")
    assert (folder / "sprite.png").exists()


def test_figures(read, tmp_path):
    """A matplotlib figure is a picture of its size, and closed."""
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib, of the viz extra, draws figures")
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    with SummaryWriter(tmp_path) as writer:
        writer.add_figure("curve", plt.figure(figsize=(2, 1), dpi=50))
    assert not plt.get_fignums()
    assert picture(read().Images("curve")[0]).shape == (50, 100, 3)


def test_hparams(read, tmp_path):
    """A run of its own holds settings and metrics; a setting of a strange kind is refused before a file is made."""
    with SummaryWriter(tmp_path) as writer:
        settings = {"lr": 0.1, "batch": minitorch.tensor(64), "name": "a", "nesterov": True, "none": None}
        writer.add_hparams(settings, {"accuracy": minitorch.tensor(0.5)}, {"batch": [32, 64]}, run_name="first")
        with pytest.raises(ValueError, match="`layers` is list"):
            writer.add_hparams({"layers": [1, 2]}, {})
        with pytest.raises(TypeError, match="should be dictionary"):
            writer.add_hparams([], {})
        with pytest.raises(TypeError, match="dictionary of lists"):
            writer.add_hparams({"lr": 0.1}, {}, {"momentum": [0.9]})
    assert read("first").Scalars("accuracy")[0].value == 0.5
    plugin = read("first").summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert all(name.encode() in plugin for name in ("lr", "batch", "nesterov"))


def test_graph_of_the_tape(read, tmp_path, capsys):
    """Ops are named by the module that ran them, edges lead to them, buffers stay, frozen layers are there."""
    net = Net()
    rows = {name: (op, sources) for name, op, sources, _ in trace(net, minitorch.randn(2, 1, 4, 4))}
    ops = {op: (name, sources) for name, (op, sources) in rows.items()}
    conv, norm, relu = (ops[op][0] for op in ("conv_bias", "batch_norm", "relu"))
    assert conv.startswith("Net/features/0/") and relu.startswith("Net/features/2/")
    assert rows[conv][1] == ["input/0", "Net/features/0/weight", "Net/features/0/bias"]
    assert rows[relu][1] == [norm] and rows[norm][1][0] == conv
    affines = [name for name in rows if "/affine_" in name]
    assert [name.rpartition("/")[0] for name in affines] == ["Net/head", "Net/frozen"]
    assert rows["output/1"][1] == [ops["sum"][0]] and ops["sum"][1] == affines[:1]
    assert net.features[1].num_batches_tracked == 0 and not net.features[1].running_mean.any()
    assert not net.features[0]._forward_hooks
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(net, (minitorch.randn(2, 1, 4, 4),), verbose=True)
    assert "Net/features/0/weight: Parameter (2, 1, 3, 3)" in capsys.readouterr().out
    nodes = {node.name: node for node in read().Graph().node}
    assert len(nodes) == len(rows)
    names = {name.rsplit("_", 1)[0] for name in nodes}
    assert {source.rsplit("_", 1)[0] for node in nodes.values() for source in node.input} <= names
    assert [d.size for d in nodes["output/0"].attr["_output_shapes"].list.shape[0].dim] == [2, 3]


def test_a_graph_of_nothing_says_so():
    """Without parameters and floating inputs nothing is recorded."""
    with pytest.raises(RuntimeError, match="recorded nothing"):
        list(trace(nn.Flatten(), minitorch.ones(2, 2, dtype=minitorch.int64)))


def test_images_before_and_after_a_convolution(read, tmp_path):
    """The script that many begin with: batches of 64, and what Conv2d(3, 6, 3) makes of them."""
    loader = DataLoader(Shapes(train=False, transform=transforms.ToTensor()), batch_size=64)
    conv = nn.Conv2d(3, 6, kernel_size=3, stride=1, padding=0)
    writer = SummaryWriter(str(tmp_path))
    for step, (images, _) in enumerate(loader):
        output = minitorch.reshape(conv(images), (-1, 3, 30, 30))
        writer.add_images("input", images, step)
        writer.add_images("output", output, step)
        if step == 1:
            break
    writer.close()
    assert [picture(event).shape for event in read().Images("input")] == [(256, 256, 3)] * 2
    assert [picture(event).shape for event in read().Images("output")] == [(480, 240, 3)] * 2


def test_what_is_not_there(monkeypatch, tmp_path):
    """Without tensorboardX, and for what it can't write, a sentence says what to do."""
    pytest.importorskip("tensorboardX")
    writer = SummaryWriter(tmp_path)
    with pytest.raises(AttributeError, match="add_video.*one image per frame"):
        writer.add_video  # noqa: B018
    with pytest.raises(TypeError, match="input_to_model"):
        writer.add_graph(Net())
    writer.close()
    writer.close()
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match="pip install tensorboardX"):
        SummaryWriter(tmp_path)
