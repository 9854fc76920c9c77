"""Losses beyond the tables: by NumPy's formulas, at kinks, with reductions, weights and wrong calls."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import minitorch as m
from minitorch import nn

F = nn.functional
RNG = np.random.default_rng(5)


def t(x, **how):
    """A float64 or int64 tensor."""
    return m.tensor(np.array(x, np.float64 if np.array(x).dtype.kind == "f" else np.int64), **how)


X, Y, Z = (RNG.standard_normal((4, 5)) for _ in range(3))
SIGNS = np.array([1.0, -1.0, 1.0, -1.0])
COUNTS = np.array([[0, 1, 2, 3, 7]] * 4).astype(float)
VARIANCE = RNG.uniform(0.5, 2, (4, 5))


def distance(a, b, p=2.0):
    """The p-norm of the difference, as triplet losses take it."""
    return (np.abs(a - b + 1e-6) ** p).sum(-1) ** (1 / p)


def cosine(a, b):
    """The cosine of the rows."""
    return (a * b).sum(1) / np.sqrt(((a * a).sum(1) + 1e-12) * ((b * b).sum(1) + 1e-12))


def multi_margin(x, labels, p, margin, weight):
    """Class by class."""
    out = []
    for row, label in zip(x, labels, strict=True):
        errors = [max(0, margin - row[label] + row[j]) ** p for j in range(len(row)) if j != label]
        out.append(weight[label] * sum(errors) / len(row))
    return np.array(out)


def stirling(counts):
    """log(t!) where t > 1."""
    several = np.maximum(counts, 1)
    return np.where(counts > 1, counts * np.log(several) - counts + np.log(2 * np.pi * several) / 2, 0)


LABELS, WEIGHT = np.array([0, 4, 2, 2]), np.array([0.5, 1.0, 2.0, 1.0, 0.1])
ROWS = [
    ("poisson_nll_loss", (X, COUNTS), {}, np.exp(X) - COUNTS * X),
    (
        "poisson_nll_loss",
        (np.abs(X), COUNTS),
        {"log_input": False, "eps": 0.1},
        np.abs(X) - COUNTS * np.log(np.abs(X) + 0.1),
    ),
    ("poisson_nll_loss", (X, COUNTS), {"full": True}, np.exp(X) - COUNTS * X + stirling(COUNTS)),
    ("gaussian_nll_loss", (X, Y, VARIANCE), {}, (np.log(VARIANCE) + (X - Y) ** 2 / VARIANCE) / 2),
    ("gaussian_nll_loss", (X, Y, VARIANCE[:, 0]), {}, (np.log(VARIANCE[:, :1]) + (X - Y) ** 2 / VARIANCE[:, :1]) / 2),
    (
        "gaussian_nll_loss",
        (X, Y, 0.0 * X),
        {"eps": 0.5, "full": True},
        (np.log(0.5) + (X - Y) ** 2 / 0.5 + np.log(2 * np.pi)) / 2,
    ),
    (
        "hinge_embedding_loss",
        (np.abs(X[:, 0]), SIGNS),
        {"margin": 2.0},
        np.where(SIGNS == 1, np.abs(X[:, 0]), np.maximum(0, 2 - np.abs(X[:, 0]))),
    ),
    (
        "margin_ranking_loss",
        (X[:, 0], Y[:, 0], SIGNS),
        {"margin": 0.3},
        np.maximum(0, 0.3 - SIGNS * (X[:, 0] - Y[:, 0])),
    ),
    (
        "cosine_embedding_loss",
        (X, Y, SIGNS),
        {"margin": 0.1},
        np.where(SIGNS == 1, 1 - cosine(X, Y), np.maximum(0, cosine(X, Y) - 0.1)),
    ),
    ("soft_margin_loss", (X, np.sign(Y)), {}, np.log1p(np.exp(-X * np.sign(Y)))),
    (
        "multilabel_soft_margin_loss",
        (X, (Y > 0) * 1.0),
        {"weight": t(WEIGHT)},
        (np.logaddexp(0, np.where(Y > 0, -X, X)) * WEIGHT).mean(1),
    ),
    ("multi_margin_loss", (X, LABELS), {}, multi_margin(X, LABELS, 1, 1, np.ones(5))),
    (
        "multi_margin_loss",
        (X, LABELS),
        {"p": 2, "margin": 0.4, "weight": t(WEIGHT)},
        multi_margin(X, LABELS, 2, 0.4, WEIGHT),
    ),
    ("triplet_margin_loss", (X, Y, Z), {}, np.maximum(0, 1 + distance(X, Y) - distance(X, Z))),
    (
        "triplet_margin_loss",
        (X, Y, Z),
        {"p": 3.0, "margin": 2.0, "swap": True},
        np.maximum(0, 2 + distance(X, Y, 3) - np.minimum(distance(X, Z, 3), distance(Y, Z, 3))),
    ),
    (
        "triplet_margin_with_distance_loss",
        (X, Y, Z),
        {"distance_function": lambda a, b: (a - b).abs().sum(-1)},
        np.maximum(0, 1 + np.abs(X - Y).sum(1) - np.abs(X - Z).sum(1)),
    ),
]


@pytest.mark.parametrize("name,args,settings,expected", ROWS, ids=[f"{i}-{r[0]}" for i, r in enumerate(ROWS)])
def test_values_and_reductions(name, args, settings, expected):
    """Every reduction of every loss; the module gives the same; the old flags name a reduction."""
    function = getattr(F, name)
    tensors = [t(a) for a in args]
    for reduction, value in (("none", expected), ("sum", expected.sum()), ("mean", expected.mean())):
        found = function(*tensors, **settings, reduction=reduction)
        np.testing.assert_allclose(found.numpy(), value, rtol=1e-12, atol=1e-13)
        assert found.dtype == m.float64
    classes = {n.lower(): n for n in nn.__all__}
    layer = getattr(nn, classes[name.replace("_", "")])(**settings, reduction="sum")
    np.testing.assert_allclose(layer(*tensors).numpy(), expected.sum(), rtol=1e-12)
    if name not in ("gaussian_nll_loss", "triplet_margin_with_distance_loss"):
        assert function(*tensors, **settings, size_average=False).item() == pytest.approx(expected.sum())
        assert function(*tensors, **settings, reduce=False).shape == expected.shape


@pytest.mark.parametrize("name,args,settings,expected", ROWS, ids=[f"{i}-{r[0]}" for i, r in enumerate(ROWS)])
def test_derivatives(name, args, settings, expected):
    """First and second derivatives by all float operands that have one, against differences; float32 stays."""
    labels = {1} if name in ("multilabel_soft_margin_loss", "hinge_embedding_loss", "poisson_nll_loss") else {2} - {0}
    fixed = set() if name.startswith(("triplet", "gaussian")) else labels
    if name == "gaussian_nll_loss" and not args[2].any():
        fixed = {2}
    tensors = [t(a, requires_grad=a.dtype.kind == "f" and i not in fixed) for i, a in enumerate(args)]
    function = lambda *xs: getattr(F, name)(*xs, **settings)  # noqa: E731
    assert m.autograd.gradcheck(function, tensors)
    assert m.autograd.gradgradcheck(function, tensors)
    if "weight" not in settings:
        singles = [t(a).float() if a.dtype.kind == "f" else t(a) for a in args]
        assert function(*singles).dtype == m.float32


def test_kinks():
    """At the margin a loss has the slope of max(x, 0) there: 1 for those that clamp, 0 in multi_margin."""
    x = t([1.0, 0.0], requires_grad=True)
    F.hinge_embedding_loss(x, t([-1.0, -1.0]), reduction="sum").backward()
    np.testing.assert_array_equal(x.grad.numpy(), [-1, -1])
    x = t([[1.0, 0.0]], requires_grad=True)
    F.multi_margin_loss(x, t([0]), reduction="sum").backward()
    np.testing.assert_array_equal(x.grad.numpy(), [[0, 0]])
    a, b = t([0.5], requires_grad=True), t([0.0])
    F.margin_ranking_loss(a, b, t([1.0]), margin=0.5).backward()
    np.testing.assert_array_equal(a.grad.numpy(), [-1])


def test_soft_margin_does_not_overflow():
    """Where exp(-t x) is infinite, the loss is -t x."""
    x = t([-2000.0, 2000.0], requires_grad=True)
    losses = F.soft_margin_loss(x, t([1.0, 1.0]), reduction="none")
    losses.sum().backward()
    np.testing.assert_array_equal(losses.detach().numpy(), [2000, 0])
    np.testing.assert_array_equal(x.grad.numpy(), [-1, 0])


def test_multilabel_margin_by_hand():
    """Right classes end at the first -1; scores without a batch, and a scalar."""
    x = t([0.1, 0.2, 0.4, 0.8], requires_grad=True)
    loss = F.multilabel_margin_loss(x, t([3, 0, -1, 1]))
    assert loss.item() == pytest.approx(0.25 * ((1 - 0.6) + (1 - 0.4) + (1 + 0.1) + (1 + 0.3)))
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), [-0.5, 0.5, 0.5, -0.5])
    assert F.multilabel_margin_loss(t(0.3), t(0)).item() == 0
    assert F.multi_margin_loss(t([0.1, 0.9]), t(1), reduction="none").item() == pytest.approx(0.1)
    assert nn.MultiLabelMarginLoss(reduction="none")(t(X), t(np.full((4, 5), -1))).tolist() == [0, 0, 0, 0]


# ------------------------------------------------------------------------------------------------ spread texts
def probability(p, text, blank=0):
    """The sum over all paths that say the text."""
    paths = itertools.product(range(p.shape[1]), repeat=len(p))
    said = lambda path: [c for c, _ in itertools.groupby(path) if c != blank]  # noqa: E731
    return sum(np.prod([row[c] for row, c in zip(p, path, strict=True)]) for path in paths if said(path) == text)


def test_ctc_layouts_of_targets():
    """Rows with lengths, all in a row, and no batch: the same losses; the mean is by length, then over the batch."""
    x = RNG.standard_normal((5, 2, 3))
    log_p = F.log_softmax(t(x), 2)
    p = np.exp(log_p.numpy())
    expected = [-math.log(probability(p[:, 0], [1, 2])), -math.log(probability(p[:4, 1], [2]))]
    lengths = {"input_lengths": (5, 4), "target_lengths": t([2, 1])}
    for targets in (t([[1, 2], [2, 2]]), t([1, 2, 2])):
        found = F.ctc_loss(log_p, targets, **lengths, reduction="none")
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    mean = nn.CTCLoss()(log_p, t([1, 2, 2]), **lengths)
    assert mean.item() == pytest.approx((expected[0] / 2 + expected[1]) / 2)
    alone = F.ctc_loss(log_p[:, 0], t([1, 2]), t(5), t(2), reduction="none")
    assert alone.shape == () and alone.item() == pytest.approx(expected[0])
    other = F.ctc_loss(log_p, t([[0, 1], [1, 1]]), (5, 5), (2, 1), blank=2, reduction="sum")
    assert other.item() == pytest.approx(-math.log(probability(p[:, 0], [0, 1], 2) * probability(p[:, 1], [1], 2)))


def test_ctc_gradient_is_that_of_normalised_probabilities():
    """By log_probs it is exp(lp) minus the share of each class, zero after the end; it sums to 0 over classes."""
    log_p = F.log_softmax(t(RNG.standard_normal((5, 2, 3))), 2).requires_grad_()
    F.ctc_loss(log_p, t([[1, 1], [2, 0]]), (5, 3), (2, 1), reduction="sum").backward()
    g = log_p.grad.numpy()
    np.testing.assert_allclose(g.sum(2), 0, atol=1e-14)
    assert not g[3:, 1].any() and g[:3, 1].any()


def test_ctc_of_a_text_too_long():
    """inf with a gradient of NaN, or with zero_infinity 0 and none; a time of 0 says the empty text."""
    x = t(RNG.standard_normal((3, 2, 3)), requires_grad=True)
    call = lambda **how: F.ctc_loss(F.log_softmax(x, 2), t([[1, 1], [2, 2]]), (2, 3), (2, 1), reduction="none", **how)  # noqa: E731
    found = call()
    assert found.tolist()[0] == math.inf and math.isfinite(found.tolist()[1])
    found.sum().backward()
    assert np.isnan(x.grad.numpy()[:2, 0]).all() and np.isfinite(x.grad.numpy()[:, 1]).all()
    x.grad = None
    found = call(zero_infinity=True)
    found.sum().backward()
    assert found.tolist()[0] == 0 and not x.grad.numpy()[:, 0].any() and np.isfinite(x.grad.numpy()).all()
    none = F.ctc_loss(F.log_softmax(x, 2), t([[1, 1], [2, 2]]), (0, 0), (0, 1), reduction="none")
    assert none.tolist() == [0, math.inf]


def test_targets_changed_before_backward_are_noticed():
    """As for all labels: the gradient would be that of other labels."""
    x, labels = t(X, requires_grad=True), t(LABELS)
    loss = F.multi_margin_loss(x, labels)
    labels[0] = 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_adaptive_softmax():
    """Probabilities of all classes add up to 1, the output is that of the target, predict takes the best."""
    layer = nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], div_value=2.0)
    x, labels = m.randn(20, 8), m.arange(20) % 12
    log_p = layer.log_prob(x)
    np.testing.assert_allclose(np.exp(log_p.detach().numpy()).sum(1), 1, rtol=1e-5)
    output, loss = layer(x, labels)
    np.testing.assert_allclose(
        output.detach().numpy(), log_p.detach().numpy()[np.arange(20), labels.numpy()], rtol=1e-5
    )
    assert loss.item() == pytest.approx(-output.mean().item())
    np.testing.assert_array_equal(layer.predict(x).numpy(), log_p.detach().numpy().argmax(1))
    assert list(layer.state_dict()) == [
        "head.weight",
        "tail.0.0.weight",
        "tail.0.1.weight",
        "tail.1.0.weight",
        "tail.1.1.weight",
    ]
    assert layer(x[0], labels[0]).output.shape == ()


def test_linear_cross_entropy():
    """Cross-entropy of the linear map, also of several outputs."""
    x, w, b = t(X), t(RNG.standard_normal((3, 2, 5))), t(RNG.standard_normal((3, 2)))
    target = t([[0, 1], [2, 2], [1, 0], [0, 0]])
    logits = np.einsum("ni,koi->nko", X, w.numpy()) + b.numpy()
    expected = F.cross_entropy(t(logits), target)
    assert F.linear_cross_entropy(x, w, target, linear_bias=b).item() == pytest.approx(expected.item())
    layer = nn.LinearCrossEntropyLoss(5, 3, out_features=(2,), bias=True)
    layer.load_state_dict({"linear.weight": w.numpy().reshape(6, 5), "linear.bias": b.numpy().reshape(6)})
    assert layer.double()(x, target).item() == pytest.approx(expected.item(), rel=1e-5)


def test_old_names_warn():
    """NLLLoss2d is NLLLoss."""
    with pytest.warns(FutureWarning, match="NLLLoss2d has been deprecated"):
        layer = nn.NLLLoss2d(ignore_index=1)
    assert isinstance(layer, nn.NLLLoss) and layer.ignore_index == 1


ERRORS = [
    (lambda: F.poisson_nll_loss(t(X), t(X), reduction="all"), ValueError, "reduction"),
    (lambda: F.gaussian_nll_loss(t(X), t(Y), t(-VARIANCE)), ValueError, "negative"),
    (lambda: F.gaussian_nll_loss(t(X), t(Y), -1.0), ValueError, "negative"),
    (lambda: F.gaussian_nll_loss(t(X), t(Y), t(VARIANCE[:2])), ValueError, "incorrect size"),
    (lambda: F.margin_ranking_loss(t(X), t(Y), t(SIGNS)), RuntimeError, "same dimension"),
    (lambda: F.cosine_embedding_loss(t(X), t(Y), t(1.0)), RuntimeError, "0D target tensor expects 1D"),
    (lambda: F.cosine_embedding_loss(t(X), t(Y), t(X)), RuntimeError, "multi-target"),
    (lambda: F.triplet_margin_loss(t(X), t(Y), t(X[0])), RuntimeError, "same number of dimensions"),
    (lambda: F.triplet_margin_loss(t(X), t(Y), t(Z), margin=0), ValueError, "greater than 0"),
    (lambda: nn.TripletMarginLoss(margin=-1.0), ValueError, "greater than 0"),
    (lambda: F.multi_margin_loss(t(X), t([0, 5, 0, 0])), RuntimeError, "out of range"),
    (lambda: F.multi_margin_loss(t(X), t([0, 1])), RuntimeError, "inconsistent target size"),
    (lambda: F.multi_margin_loss(t(X), t(LABELS), p=3), ValueError, "p == 1 and p == 2"),
    (lambda: F.multi_margin_loss(t(X), t(LABELS), weight=t([1.0])), RuntimeError, "weight size"),
    (lambda: F.hinge_embedding_loss(t(X), [1]), TypeError, "target"),
    (lambda: F.ctc_loss(t(X), t([1]), (4,), (2,)), RuntimeError, "0 to 1"),
    (lambda: F.ctc_loss(t(X), t([1]), 4, (1,)), TypeError, "tuple of ints"),
    (lambda: F.ctc_loss(t(X).long(), t([1]), (4,), (1,)), NotImplementedError, "not implemented"),
    (lambda: F.multi_margin_loss(t(X), t(LABELS), weight=t(WEIGHT).float()), RuntimeError, "dtype"),
    (lambda: F.hinge_embedding_loss(t(LABELS), t(SIGNS)), RuntimeError, "cast"),
    (lambda: F.soft_margin_loss(t(LABELS), t(LABELS)), RuntimeError, "cast"),
    (lambda: F.linear_cross_entropy(t(X), t(X[:, :2]), t(LABELS)), RuntimeError, "linear_weight"),
    (lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2, 2]), ValueError, "unique"),
    (lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2])(m.ones(2, 4), t([0, 5])), RuntimeError, "in [0, 4]"),
]


@pytest.mark.parametrize("call,kind,piece", ERRORS, ids=range(len(ERRORS)))
def test_wrong_calls(call, kind, piece):
    """PyTorch's class, and what was wrong."""
    with pytest.raises(kind) as info:
        call()
    assert piece in str(info.value)
