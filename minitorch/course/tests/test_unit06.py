"""Tests of unit 6: the loss of a classifier, an epoch of training, and accuracy."""

import math

import numpy as np

import minitorch
from minitorch import nn
from minitorch.autograd import grad
from minitorch.course.telling import Mistake, answer, gradients, same
from minitorch.course.training import accuracy, batched, train_epoch
from minitorch.nn.functional import cross_entropy, nll_loss
from minitorch.ops.loss import pick, put


def scores(*sizes):
    """Float64 numbers that require grad."""
    values = np.random.default_rng(sizes).normal(size=sizes)
    return minitorch.tensor(values, dtype=minitorch.float64, requires_grad=True)


def _losses(x, labels):
    """-log softmax at the labels, by NumPy."""
    e = np.exp(x.array)
    return -np.log((e / e.sum(1, keepdims=True))[np.arange(len(labels)), labels])


# ------------------------------------------------------------------------------------------------------ 6.1: the loss


def test_6_1_pick_and_put():
    """One element of each row, times a factor; and back."""
    labels, factor = np.array([2, 0, 1]), np.array([-1.0, -2.0, 0.5])
    gradients(lambda x: pick(x, labels, factor), scores(3, 4), of="pick of a (3, 4)", second=True)
    gradients(lambda y: put(y, labels, factor, classes=4), scores(3), of="put into a (3, 4)")
    x, y = scores(3, 4).array, scores(3).array
    left = (pick(x, labels, factor) * y).sum()
    same((x * put(y, labels, factor, classes=4)).sum(), left, "<x, put y>, which is to be <pick x, y>,")


def test_6_1_cross_entropy():
    """The mean, the sum, and each loss by itself."""
    x, labels = scores(5, 3), np.array([0, 2, 1, 1, 0])
    t, each = minitorch.tensor(labels), _losses(x, labels)
    mistakes = {
        "the sign is wrong: the loss is minus the logarithm": -each.mean(),
        "log_softmax is missing: scores are no log-probabilities": -x.array[np.arange(5), labels].mean(),
        "this is the sum": each.sum(),
    }
    answer(cross_entropy(x, t), each.mean(), "cross_entropy of 5 rows", mistakes)
    same(cross_entropy(x, t, reduction="sum"), each.sum(), "cross_entropy with reduction='sum'")
    same(cross_entropy(x, t, reduction="none"), each, "cross_entropy with reduction='none'")
    gradients(lambda x: cross_entropy(x, t), x, of="cross_entropy", second=True)


def test_6_1_gradient():
    """It is (p - onehot) / N."""
    x = scores(2, 3)
    (found,) = grad(cross_entropy(x, minitorch.tensor([2, 0])), [x])
    e = np.exp(x.array)
    p = e / e.sum(1, keepdims=True)
    same(found, (p - np.eye(3)[[2, 0]]) / 2, "the gradient of cross_entropy of 2 rows, which is (p - onehot) / 2,")


def test_6_1_weights_and_ignored_labels():
    """The mean is over rows that count, each with the weight of its label."""
    x, labels, weight = scores(4, 3), np.array([0, 2, -100, 2]), np.array([1.0, 5.0, 3.0])
    t, kept = minitorch.tensor(labels), np.array([0, 1, 3])
    each = _losses(x, np.maximum(labels, 0))[kept]
    mistakes = {"the mean counts rows that are ignored": each.sum() / 4}
    answer(cross_entropy(x, t), each.mean(), "cross_entropy with one of 4 rows ignored", mistakes)
    w = weight[labels[kept]]
    mistakes = {
        "the mean divides by the number of rows, not by the sum of their weights": (each * w).sum() / 3,
        "the mean divides by the sum of all classes' weights": (each * w).sum() / weight.sum(),
    }
    found = cross_entropy(x, t, minitorch.tensor(weight))
    answer(found, (each * w).sum() / w.sum(), "cross_entropy with weights (1, 5, 3) and a row ignored", mistakes)
    same(nll_loss(minitorch.log_softmax(x, 1), t), each.mean(), "nll_loss of log-probabilities, one of 4 rows ignored,")


def test_6_1_images():
    """Scores (N, C, H, W) and labels (N, H, W): one loss for each pixel."""
    x = scores(2, 3, 2, 2)
    labels = np.random.default_rng(61).integers(0, 3, (2, 2, 2))
    rows = minitorch.tensor(x.array.transpose(0, 2, 3, 1).reshape(-1, 3))
    expected = _losses(rows, labels.reshape(-1))
    same(cross_entropy(x, minitorch.tensor(labels)), expected.mean(), "cross_entropy of scores (2, 3, 2, 2)")


# -------------------------------------------------------------------------------------------------------- 6.2: an epoch


def _blobs(count=90):
    """Points around three centres, and which."""
    draw = np.random.default_rng(62)
    labels = np.arange(count) % 3
    x = np.array([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])[labels] + draw.normal(0, 0.3, (count, 2))
    return minitorch.tensor(x.astype(np.float32)), minitorch.tensor(labels)


def _net():
    """Two layers."""
    minitorch.manual_seed(6)
    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))


def _watched(net, lr):
    """An optimizer, and a list that gets the gradients of each step."""
    optimizer, seen = minitorch.optim.SGD(net.parameters(), lr=lr), []

    def look(optimizer, args, kwargs):
        if any(p.grad is None for p in net.parameters()):
            raise Mistake("optimizer.step() was called, but there is no gradient: backward comes before")
        seen.append([p.grad.array.copy() for p in net.parameters()])

    optimizer.register_step_pre_hook(look)
    return optimizer, seen


def test_6_2_one_step():
    """A batch, a step: the gradients are those of the mean loss."""
    net, (x, labels) = _net(), _blobs(6)
    expected = grad(cross_entropy(net(x), labels), list(net.parameters()))
    optimizer, seen = _watched(net, lr=0.1)
    loss = train_epoch(net, [(x, labels)], optimizer)
    if len(seen) != 1:
        raise Mistake(f"one batch, but optimizer.step() was called {len(seen)} times")
    for (name, _), found, e in zip(net.named_parameters(), seen[0], expected, strict=True):
        same(found, e, f"the gradient of {name} at the step", rtol=1e-4, atol=1e-6)
    if not isinstance(loss, float):
        raise Mistake(
            f"train_epoch returns a float, but this is a {type(loss).__name__}: a tensor keeps its whole tape"
        )


def test_6_2_fresh_gradients():
    """The gradients of the second batch are not added to those of the first, or to what was there before."""
    net, (x, labels) = _net(), _blobs(8)
    for p in net.parameters():
        p.grad = minitorch.ones(*p.shape) * 100
    optimizer, seen = _watched(net, lr=0.0)
    train_epoch(net, batched(x, labels, 4), optimizer)
    expected = grad(cross_entropy(net(x[4:]), labels[4:]), list(net.parameters()))
    for found, e in zip(seen[1], expected, strict=True):
        if not np.allclose(found, e.array, rtol=1e-3, atol=1e-5):
            raise Mistake("the gradients of earlier batches are still there: call zero_grad before backward")


def test_6_2_mean_loss():
    """The mean over samples, where the last batch is smaller."""
    net, (x, labels) = _net(), _blobs(10)
    losses = [cross_entropy(net(a), b).item() for a, b in batched(x, labels, 4)]
    found = train_epoch(net, iter(batched(x, labels, 4)), minitorch.optim.SGD(net.parameters(), lr=0.0))
    mistakes = {
        "the mean over batches; the last batch is smaller, so weigh by the number of samples": sum(losses) / 3,
        "this is the last batch's loss": losses[-1],
        "this is the sum over batches": sum(losses),
    }
    expected = (4 * losses[0] + 4 * losses[1] + 2 * losses[2]) / 10
    answer(np.round(found, 6), np.round(expected, 6), "the mean loss of batches of 4, 4 and 2 samples", mistakes)


def test_6_2_mode():
    """The net is in training mode while it trains."""
    net, (x, labels) = _net().eval(), _blobs(6)
    seen = []
    net.register_forward_hook(lambda module, args, out: seen.append(module.training))
    train_epoch(net, [(x, labels)], minitorch.optim.SGD(net.parameters(), lr=0.1))
    if seen != [True]:
        raise Mistake("the net was in eval mode while it trained: call net.train() first")


def test_6_2_it_learns():
    """Three clouds of points, ten epochs."""
    net, (x, labels) = _net(), _blobs()
    optimizer = minitorch.optim.SGD(net.parameters(), lr=0.2, momentum=0.9)
    losses = [train_epoch(net, batched(x, labels, 30), optimizer) for _ in range(10)]
    if not losses[-1] < 0.3 * losses[0]:
        raise Mistake(
            f"the loss went from {losses[0]:.3f} to {losses[-1]:.3f} in ten epochs: it should fall below a third"
        )


# -------------------------------------------------------------------------------------------------------- 6.3: accuracy


class _Fixed(nn.Module):
    """A net whose scores are its input; it notes what happens to it."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(minitorch.zeros(1))
        self.modes, self.recorded = [], []

    def forward(self, x):
        """x + 0."""
        out = x + self.bias
        self.modes.append(self.training)
        self.recorded.append(out.requires_grad)
        return out


def _eye(labels):
    return minitorch.tensor(np.eye(3, dtype=np.float32)[labels])


def test_6_3_share():
    """7 of 10, in batches of 4, 4 and 2."""
    labels, chosen = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0]), np.array([0, 1, 2, 0, 2, 2, 0, 0, 2, 1])
    found = accuracy(_Fixed(), iter(batched(_eye(chosen), minitorch.tensor(labels), 4)))
    mistakes = {
        "the mean over batches; the last batch is smaller, so count samples": (1 + 0.5 + 0.5) / 3,
        "this is the number of right ones, not their share": 7.0,
        "this is a percentage, not a share": 70.0,
        "this is the share of wrong ones": 0.3,
    }
    answer(found, 0.7, "the accuracy of a net that is right for 7 of 10 samples", mistakes)
    if not isinstance(found, float):
        raise Mistake(f"accuracy returns a float, but this is a {type(found).__name__}")


def test_6_3_without_the_tape():
    """In eval mode, nothing recorded; afterwards all is as it was."""
    for mode in (True, False):
        net = _Fixed().train(mode)
        accuracy(net, [(_eye([0, 1]), minitorch.tensor([0, 1]))])
        if net.modes != [False]:
            raise Mistake(
                "the net was in training mode while it was measured: dropout would drop, batch norm would learn"
            )
        if net.recorded != [False]:
            raise Mistake("the tape recorded while the net was measured: nobody will call backward; use no_grad")
        if net.training is not mode:
            raise Mistake(f"before, net.training was {mode}, afterwards it is {net.training}: leave the mode as it was")
    if not minitorch.is_grad_enabled():
        raise Mistake("afterwards nothing is recorded any more: use `with no_grad():`")


def test_6_3_a_trained_net():
    """Three clouds of points are told apart."""
    net, (x, labels) = _net(), _blobs()
    optimizer = minitorch.optim.Adam(net.parameters(), lr=0.05)
    for _ in range(10):
        train_epoch(net, batched(x, labels, 30), optimizer)
    share = accuracy(net, batched(x, labels, 30))
    if share < 0.9 or math.isnan(share):
        raise Mistake(f"after ten epochs on three clouds of points the accuracy is {share}, expected 0.9 at least")
