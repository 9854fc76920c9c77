"""The 94 % recipe: each of its parts does what the paper says."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import minitorch
from minitorch.vision.datasets.image_set import ArrayImages


@pytest.fixture(scope="module")
def recipe(example):
    """The module examples/cifar10_airbench.py."""
    return example("cifar10_airbench")


def smooth(count, size, seed=0):
    """Images whose neighbouring pixels resemble each other, uint8 (N, H, W, 3)."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, size, size, 3))
    return ((pixels + np.roll(pixels, 1, 1) + np.roll(pixels, 1, 2)) // 3).astype(np.uint8)


def test_normalize(recipe):
    """(x / 255 - mean) / std, in float32, channels first in shape and last in memory."""
    pixels = smooth(2, 5)
    images = recipe.normalize(pixels)
    assert images.shape == (2, 3, 5, 5) and images.dtype == minitorch.float32
    assert images.is_contiguous(memory_format=minitorch.channels_last)
    expected = (pixels / 255 - [0.4914, 0.4822, 0.4465]) / [0.2470, 0.2435, 0.2616]
    np.testing.assert_allclose(np.moveaxis(images.numpy(), 1, -1), expected, rtol=1e-5, atol=1e-5)


def test_views_alternate_and_shift(recipe):
    """Each image comes as a shift by at most 2 of itself or of its mirror image, which take turns; half begin so."""
    pixels = smooth(40, 6)
    views = recipe.Views(pixels, range(40), 8, seed=3)
    assert len(views) == 5
    originals = recipe.normalize(pixels).numpy()

    def mirrored(view, original):
        for flipped in (False, True):
            padded = np.pad(original[:, :, ::-1] if flipped else original, ((0, 0), (2, 2), (2, 2)), mode="reflect")
            if any((padded[:, i : i + 6, j : j + 6] == view).all() for i in range(5) for j in range(5)):
                return flipped
        raise AssertionError("no view of this image")

    def sides(epoch):
        found = {}
        for images, labels in views.epoch(epoch):
            for image, label in zip(images.numpy(), labels.tolist(), strict=True):
                found[label] = mirrored(image, originals[label])
        return [found[k] for k in range(40)]

    first, second, third = sides(0), sides(1), sides(2)
    assert first == third and all(a != b for a, b in zip(first, second, strict=True))
    assert 10 < sum(first) < 30
    batches = [images.numpy() for images, _ in views.epoch(1)]
    assert (next(iter(views.epoch(1, 3)))[0].numpy() == batches[3]).all()


def test_whitening(recipe):
    """The first layer makes of 2x2 patches twelve uncorrelated numbers of mean square one, and their negatives."""
    images = recipe.normalize(smooth(50, 16))
    net = recipe.models.airbench94()
    net.whiten(images, eps=0.0)
    outputs = net[0](images).detach().numpy().transpose(1, 0, 2, 3).reshape(24, -1).astype(np.float64)
    np.testing.assert_allclose(outputs[:12] @ outputs[:12].T / outputs.shape[1], np.eye(12), atol=2e-3)
    np.testing.assert_allclose(outputs[12:], -outputs[:12], atol=1e-5)
    assert not net[0].weight.requires_grad


def test_convolutions_begin_as_the_identity(recipe):
    """As many outputs as there are inputs are copies of them."""
    conv = recipe.models.airbench94()[2]
    x = minitorch.randn(1, 24, 5, 5)
    np.testing.assert_allclose(conv(x).detach().numpy()[:, :24], x.numpy(), rtol=1e-6)


def test_rates_and_decays(recipe):
    """Biases of norms learn 64 times faster; a weight shrinks as much at any learning rate; the schedule's corners."""
    optimizer = recipe.make_optimizer(recipe.models.airbench94(), 1024)
    biases, others = optimizer.param_groups
    assert [p.ndim for p in biases["params"]] == [1] * 6
    assert {p.ndim for p in others["params"]} == {1, 2, 4}  # the first layer's bias among them
    scale = 1024 * (1 + 1 / 0.15)
    np.testing.assert_allclose([biases["lr"], others["lr"]], [64 * 11.5 / scale, 11.5 / scale])
    decay = 0.0153 * 1024 / scale
    np.testing.assert_allclose([g["lr"] * g["weight_decay"] for g in (biases, others)], [decay, decay])
    factor = recipe.triangle(100)
    np.testing.assert_allclose([factor(0), factor(23), factor(100)], [0.2, 1.0, 0.07])


def test_lookahead(recipe):
    """The slow copy moves by 1 - decay, the fast one follows; both come back from a state_dict."""
    net = minitorch.nn.Sequential(minitorch.nn.Linear(1, 1, bias=False))
    weight = net[0].weight.detach()
    weight.fill_(1.0)
    lookahead = recipe.Lookahead(net)
    weight.fill_(3.0)
    lookahead.update(0.75)
    assert net[0].weight.item() == 1.5
    state = {name: value.clone() for name, value in lookahead.state_dict().items()}
    weight.fill_(9.0)
    lookahead.update(0.0)
    lookahead.load_state_dict(state)
    lookahead.update(1.0)
    assert net[0].weight.item() == 1.5


def test_six_views_vote(recipe):
    """The result is half of the plain view's and a quarter of each shifted one's, each with its mirror image."""

    class Corner(minitorch.nn.Module):
        def forward(self, x):
            return x[:, :, 0, 0]

    pixels = smooth(3, 5)
    x = recipe.normalize(pixels).numpy()
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    plain, up, down = (
        (view[:, :, 0, 0] + view[:, :, 0, -1]) / 2 for view in (x, padded[:, :, :5, :5], padded[:, :, 2:, 2:])
    )
    np.testing.assert_allclose(recipe.scores(Corner(), pixels, 1).numpy(), x[:, :, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(recipe.scores(Corner(), pixels, 2).numpy(), plain, rtol=1e-6)
    expected = plain / 2 + (up + down) / 4
    np.testing.assert_allclose(recipe.scores(Corner(), pixels, 6, size=2).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_it_learns_and_goes_on(recipe, tmp_path, monkeypatch):
    """Two classes, a bright left or right half, in a few steps of a narrow net; a run that broke off ends as it does."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 192)
    pixels = rng.integers(0, 100, (192, 32, 32, 3)).astype(np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[16 * label : 16 * label + 16] += 100
    sets = [ArrayImages(pixels[part], labels[part].tolist(), "ab") for part in (slice(128), slice(128, None))]

    def run(folder, resume=False):
        minitorch.manual_seed(0)
        folder.mkdir(exist_ok=True)
        args = dict(batch_size=16, epochs=2.5, seed=0, out=folder, resume=resume, save_every=0.0)
        return recipe.train(SimpleNamespace(**args), *sets, widths=(24, 24, 24))

    net, history, results, outputs = run(tmp_path / "whole")
    assert [row["epoch"] for row in history] == [1, 2, 2.5]
    assert results["test_accuracy_tta"] > 0.75 and outputs.shape == (64, 2)
    white = net[0](recipe.normalize(sets[0].data)).detach().numpy()[:, :12]
    np.testing.assert_allclose((white**2).mean((0, 2, 3)), 1, rtol=0.1)  # the bias has hardly moved

    check, checked = recipe.common.Watch.check, []

    def break_off(self, *args):
        checked.append(self)
        if len(checked) == 12:
            raise RuntimeError("power cut")
        check(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(recipe.common.Watch, "check", break_off)
        with pytest.raises(RuntimeError, match="power cut"):
            run(tmp_path / "broken")
    again, _, resumed, _ = run(tmp_path / "broken", resume=True)
    assert resumed["test_accuracy_tta"] == results["test_accuracy_tta"]
    for name, value in net.state_dict().items():
        assert (again.state_dict()[name] == value).all(), name
