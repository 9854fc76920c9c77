"""Averaged weights, and the schedules of cycles, of products and of several schedulers."""

import copy

import numpy as np
import pytest

import minitorch
from minitorch import nn, optim
from minitorch.optim import lr_scheduler as schedules
from minitorch.optim import swa_utils


def sgd(lr=1.0):
    """An optimizer with momentum."""
    return optim.SGD([minitorch.ones(1, requires_grad=True)], lr=lr, momentum=0.9)


def rates(scheduler, steps):
    """The rate now and after each step."""
    rows = [scheduler.get_last_lr()[0]]
    for _ in range(steps):
        scheduler.optimizer.step()
        scheduler.step()
        rows.append(scheduler.get_last_lr()[0])
    return rows


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda o: schedules.CyclicLR(o, 1.0, 3.0, 2), [1, 2, 3, 2, 1, 2, 3]),
        (lambda o: schedules.CyclicLR(o, 1.0, 3.0, 2, mode="triangular2"), [1, 2, 3, 2, 1, 1.5, 2, 1.5, 1, 1.25]),
        (
            lambda o: schedules.CyclicLR(o, 1.0, 3.0, 1, 3, mode="exp_range", gamma=0.5),
            [1, 2, 1 + 1 / 3, 1 + 1 / 12, 1],
        ),
        (lambda o: schedules.CyclicLR(o, 1.0, 3.0, 1, scale_fn=lambda n: n), [1, 3, 1, 5, 1, 7]),
        (lambda o: schedules.MultiplicativeLR(o, lambda t: t), [1, 1, 2, 6, 24]),
        (
            lambda o: schedules.ChainedScheduler([schedules.ConstantLR(o, 0.5, 2), schedules.ExponentialLR(o, 0.5)]),
            [0.5, 0.25, 0.25, 0.125],
        ),
        (lambda o: swa_utils.SWALR(o, 0.2, 4, "linear"), [1, 0.8, 0.6, 0.4, 0.2, 0.2]),
        (lambda o: swa_utils.SWALR(o, 0.2, 2), [1, 0.6, 0.2, 0.2]),
    ],
)
def test_rates(make, expected):
    """The rates of the first epochs, also by a second scheduler that took over the state of the first."""
    assert rates(make(sgd()), len(expected) - 1) == pytest.approx(expected)
    first = make(optimizer := sgd())
    rates(first, 2)
    saved, inner = copy.deepcopy(first.state_dict()), copy.deepcopy(optimizer.state_dict())
    second = make(other := sgd())
    other.load_state_dict(inner)
    second.load_state_dict(saved)
    assert rates(second, len(expected) - 3) == pytest.approx(expected[2:])


def test_cyclic_momentum_runs_the_other_way():
    """Momentum, or Adam's beta1, falls while the rate rises."""
    adam = optim.Adam([minitorch.ones(1, requires_grad=True)], betas=(0.5, 0.7))
    for optimizer, now in ((sgd(), lambda g: g["momentum"]), (adam, lambda g: g["betas"][0])):
        scheduler = schedules.CyclicLR(optimizer, 1.0, 3.0, 2, base_momentum=0.6, max_momentum=0.8)
        seen = [now(optimizer.param_groups[0])]
        for _ in range(3):
            optimizer.step()
            scheduler.step()
            seen.append(now(optimizer.param_groups[0]))
        assert seen == pytest.approx([0.8, 0.7, 0.6, 0.7])
    assert adam.param_groups[0]["betas"][1] == 0.7


def test_wrong_schedules():
    """What makes no sense is refused."""
    rmsprop = optim.Adagrad([minitorch.ones(1, requires_grad=True)])
    plateau = schedules.ReduceLROnPlateau(sgd())
    for call, error, words in (
        (lambda: schedules.CyclicLR(sgd(), 1.0, 2.0, mode="square"), ValueError, "mode is invalid"),
        (lambda: schedules.CyclicLR(rmsprop, 1.0, 2.0), ValueError, "must support momentum"),
        (lambda: schedules.CyclicLR(sgd(), [1.0, 2.0], 2.0), ValueError, "base_lr"),
        (lambda: schedules.ChainedScheduler([]), ValueError, "at least one scheduler"),
        (lambda: schedules.ChainedScheduler([1]), TypeError, "at index 0"),
        (lambda: schedules.ChainedScheduler([plateau]), ValueError, "ReduceLROnPlateau"),
        (lambda: swa_utils.SWALR(sgd(), 0.1, anneal_strategy="log"), ValueError, "anneal_strategy"),
        (lambda: swa_utils.SWALR(sgd(), 0.1, -1), ValueError, "anneal_epochs"),
        (lambda: swa_utils.get_ema_avg_fn(1.5), ValueError, "Invalid decay value 1.5"),
    ):
        with pytest.raises(error, match=words):
            call()
    with pytest.warns(UserWarning, match="epoch parameter"):
        plateau.step(1.0, epoch=3)


def test_a_bad_state_changes_no_part_of_a_sequence():
    """The states of all schedulers are checked before the first takes one over."""
    optimizer = sgd()
    parts = [schedules.ExponentialLR(optimizer, 0.9), schedules.ExponentialLR(optimizer, 0.8)]
    for scheduler in (schedules.SequentialLR(optimizer, parts, [3]), schedules.ChainedScheduler(parts)):
        before = copy.deepcopy(scheduler.state_dict())
        bad = copy.deepcopy(before)
        bad["_schedulers"][0]["gamma"] = 0.5
        bad["_schedulers"][1]["gamma"] = "half"
        with pytest.raises(TypeError, match="gamma"):
            scheduler.load_state_dict(bad)
        assert scheduler.state_dict() == before


def test_a_rate_that_is_a_tensor_is_changed_in_place():
    """Whoever holds it sees the new rate."""
    optimizer = sgd()
    optimizer.param_groups[0]["lr"] = rate = minitorch.tensor(1.0)
    assert rates(schedules.ExponentialLR(optimizer, 0.5), 2) == [1.0, 0.5, 0.25]
    assert rate.item() == 0.25


def test_averaged_model():
    """Means and moving means of parameters; buffers are copied, or averaged too."""
    model = nn.BatchNorm1d(1)
    one, ema = swa_utils.AveragedModel(model), swa_utils.AveragedModel(model, avg_fn=swa_utils.get_ema_avg_fn(0.75))
    both = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_swa_multi_avg_fn(), use_buffers=True)
    for value in (4.0, 8.0, 3.0):
        nn.init.constant_(model.weight, value)
        model.running_mean.fill_(value + 1)
        for averaged in (one, ema, both):
            averaged.update_parameters(model)
    assert [x.module.weight.item() for x in (one, ema, both)] == [5.0, 4.5, 5.0]
    assert [x.module.running_mean.item() for x in (one, both)] == [4.0, 6.0]
    assert one.n_averaged.item() == 3
    assert one.n_averaged.dtype == minitorch.int64
    assert one.module.weight.requires_grad
    with pytest.raises(AssertionError, match="Only one"):
        swa_utils.AveragedModel(model, avg_fn=swa_utils.get_swa_avg_fn(), multi_avg_fn=swa_utils.get_swa_multi_avg_fn())


def test_update_bn():
    """Statistics are the plain means over the batches; momentum and mode are as before."""
    model = nn.Sequential(nn.BatchNorm1d(2)).eval()
    batches = [
        minitorch.tensor(np.random.default_rng(i).normal(size=(6, 2)), dtype=minitorch.float32) for i in range(3)
    ]
    swa_utils.update_bn([(batches[0], 1), batches[1], [batches[2]]], model)
    expected = np.mean([b.numpy().mean(0) for b in batches], 0), np.mean([b.numpy().var(0, ddof=1) for b in batches], 0)
    np.testing.assert_allclose(model[0].running_mean.numpy(), expected[0], 1e-5)
    np.testing.assert_allclose(model[0].running_var.numpy(), expected[1], 1e-5)
    assert model[0].momentum == 0.1
    assert not model.training


def test_public_names():
    """All names of these parts exist."""
    assert all(hasattr(part, name) for part in (schedules, swa_utils) for name in part.__all__)
