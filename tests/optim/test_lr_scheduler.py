"""Schedules: PyTorch's rates, resuming, what is refused and warned of."""

import math
import warnings

import numpy as np
import pytest
from test_optim import SCHEDULERS, SEQUENCES, frozen, rates, two_groups, weight

import minitorch
from minitorch import optim
from minitorch.optim import SGD, lr_scheduler

EPOCHS = 100
golden = pytest.fixture(scope="module")(frozen)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("cls", ["SGD", "Adam"])
def test_schedule_is_pytorchs(golden, name, cls):
    """Rates and momenta of 100 epochs agree with PyTorch's to 1e-12, and the last ones are reported."""
    optimizer = two_groups(getattr(optim, cls))
    scheduler = SCHEDULERS[name](lr_scheduler, optimizer, -1)
    rows = rates(optimizer, scheduler, EPOCHS - 1)
    np.testing.assert_allclose(rows, golden[f"{name}_{cls}"], rtol=1e-12, atol=1e-18)
    assert scheduler.get_last_lr() == [group["lr"] for group in optimizer.param_groups]


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequence_is_pytorchs(golden, name):
    """Sequences of schedules, and reductions on a plateau, agree with PyTorch's to 1e-12."""
    optimizer = two_groups()
    metrics = golden["metrics"] if "plateau" in name else None
    rows = rates(optimizer, SEQUENCES[name](lr_scheduler, optimizer), EPOCHS - 1, metrics)
    np.testing.assert_allclose(rows, golden[f"{name}_SGD"], rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize("name", [*SCHEDULERS, *SEQUENCES])
def test_schedule_resumes_from_state_dicts(golden, name):
    """State dicts of optimizer and scheduler, taken at epoch 40, carry on where they were."""
    metrics = golden["metrics"] if "plateau" in name else None

    def make():
        optimizer = two_groups()
        if name in SCHEDULERS:
            return optimizer, SCHEDULERS[name](lr_scheduler, optimizer, -1)
        return optimizer, SEQUENCES[name](lr_scheduler, optimizer)

    optimizer, scheduler = make()
    rates(optimizer, scheduler, 40, metrics)
    again, resumed = make()
    resumed.load_state_dict(scheduler.state_dict())
    again.load_state_dict(optimizer.state_dict())
    rows = rates(again, resumed, EPOCHS - 41, None if metrics is None else metrics[40:])
    np.testing.assert_allclose(rows, golden[f"{name}_SGD"][40:], rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedule_resumes_from_last_epoch(golden, name):
    """A scheduler made with last_epoch=40 over a loaded optimizer goes on as PyTorch's does."""
    optimizer = two_groups()
    rates(optimizer, SCHEDULERS[name](lr_scheduler, optimizer, -1), 40)
    again = two_groups()
    again.load_state_dict(optimizer.state_dict())
    rows = rates(again, SCHEDULERS[name](lr_scheduler, again, 40), 30)
    np.testing.assert_allclose(rows, golden[f"{name}_resumed"], rtol=1e-12, atol=1e-18)


def test_schedules_compose():
    """Two multiplying schedules on one optimizer, and a rate changed by hand, all take effect."""
    optimizer = SGD([weight(1.0)], lr=1.0)
    one, two = lr_scheduler.StepLR(optimizer, 2, 0.5), lr_scheduler.ExponentialLR(optimizer, 0.9)
    for _ in range(4):
        optimizer.step()
        one.step()
        two.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.25 * 0.9**4, rel=1e-14)
    optimizer.param_groups[0]["lr"] = 3.0
    two.step()
    assert two.get_last_lr() == [pytest.approx(2.7)]


def test_sequences_nest():
    """A sequence inside a sequence, first or later, starts at its own epoch 0."""

    def nested(optimizer):
        return lr_scheduler.SequentialLR(
            optimizer, [lr_scheduler.ConstantLR(optimizer, 0.5, 9), lr_scheduler.StepLR(optimizer, 2, 0.1)], [2]
        )

    inner = [0.5, 0.5, 1.0, 1.0, 0.1]
    optimizer = SGD([weight(1.0)], lr=1.0)
    last = lr_scheduler.SequentialLR(optimizer, [lr_scheduler.ConstantLR(optimizer, 0.3, 9), nested(optimizer)], [2])
    assert rates(optimizer, last, 6)[:, 0, 0] == pytest.approx([0.3, 0.3, *inner])
    optimizer = SGD([weight(1.0)], lr=1.0)
    first = lr_scheduler.SequentialLR(optimizer, [nested(optimizer), lr_scheduler.ConstantLR(optimizer, 0.3, 9)], [5])
    assert rates(optimizer, first, 6)[:, 0, 0] == pytest.approx([*inner, 0.3, 0.3])


def test_wrong_order_warns():
    """A scheduler that steps before its optimizer warns once; in the right order nothing does."""
    optimizer = two_groups()
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    with pytest.warns(UserWarning, match=r"Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()
        optimizer = two_groups()
        scheduler = lr_scheduler.StepLR(optimizer, 2)
        optimizer.step()
        scheduler.step()


def test_other_warnings():
    """get_lr outside a step, an epoch argument, and a replaced optimizer.step warn."""
    optimizer = two_groups()
    scheduler = lr_scheduler.StepLR(optimizer, 2, 0.5)
    with pytest.warns(UserWarning, match="please use `get_last_lr"):
        scheduler.get_lr()
    optimizer.step()
    with pytest.warns(UserWarning, match="epoch parameter"):
        scheduler.step(5)
    assert scheduler.get_last_lr() == [0.1 * 0.25, 0.02 * 0.25]
    optimizer = two_groups()
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    optimizer.step = lambda: None
    with pytest.warns(UserWarning, match="has been overridden"):
        scheduler.step()


def test_onecycle_ends():
    """A step past the last of a one-cycle schedule raises."""
    optimizer = two_groups()
    scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=3)
    rates(optimizer, scheduler, 3)
    with pytest.raises(ValueError, match="Tried to step 4 times. The specified number of total steps is 3"):
        scheduler.step()


def test_onecycle_without_a_rise():
    """A rise of no length (PyTorch divides by zero) starts at the top."""
    optimizer = two_groups()
    rows = rates(optimizer, lr_scheduler.OneCycleLR(optimizer, 0.5, 10, pct_start=0.1), 9)
    assert rows[0, 0].tolist() == [0.5, 0.5] and rows[-1, 0].tolist() == pytest.approx([2e-6, 2e-6])


def test_onecycle_needs_momentum():
    """Cycling the momentum of an optimizer that has none raises."""
    optimizer = optim.Optimizer([weight(1.0)], {"lr": 0.1})
    with pytest.raises(ValueError, match="must support momentum or beta1"):
        lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=3)


def test_restarts_jump_to_any_epoch():
    """CosineAnnealingWarmRestarts.step(t) gives the rate that t counted steps give, and takes fractions."""
    optimizer, counted = two_groups(), two_groups()
    jump = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 3, 2)
    count = lr_scheduler.CosineAnnealingWarmRestarts(counted, 3, 2)
    for epoch in range(1, 40):
        jump.step(epoch)
        count.step()
        assert jump.get_last_lr() == pytest.approx(count.get_last_lr(), rel=1e-14)
    jump.step(4.5)  # 1.5 into the cycle of 6 that begins at 3
    assert jump.get_last_lr()[0] == pytest.approx(0.05 * (1 + math.cos(math.pi / 4)))
    with pytest.raises(ValueError, match="non-negative epoch"):
        jump.step(-1)


def test_lambda_state_holds_callable_objects():
    """LambdaLR saves the attributes of callable objects and nothing of functions."""

    class Decay:
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, epoch):
            return self.rate**epoch

    scheduler = lr_scheduler.LambdaLR(two_groups(), [Decay(0.5), lambda epoch: 1.0])
    state = scheduler.state_dict()
    assert state["lr_lambdas"] == [{"rate": 0.5}, None]
    other = lr_scheduler.LambdaLR(two_groups(), [Decay(0.1), lambda epoch: 1.0])
    other.load_state_dict(state)
    assert other.lr_lambdas[0].rate == 0.5
    with pytest.raises(ValueError, match="holds 1 functions"):
        other.load_state_dict({**state, "lr_lambdas": [None]})


def test_plateau_ignores_tiny_cuts():
    """A cut by less than eps is not made."""
    optimizer = SGD([{"params": [weight(1.0)], "lr": 1e-4}, {"params": [weight(1.0)], "lr": 3e-4}], lr=0.1)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, eps=1e-4)
    for _ in range(2):
        scheduler.step(1.0)
    assert scheduler.get_last_lr() == [1e-4, 1.5e-4]


def test_loaded_schedule_shares_nothing():
    """A schedule keeps its own copy of the state dict it loaded."""
    scheduler = lr_scheduler.StepLR(two_groups(), 3)
    state = scheduler.state_dict()
    other = lr_scheduler.StepLR(two_groups(), 3)
    other.load_state_dict(state)
    state["base_lrs"][0] = 9.0
    assert other.base_lrs == [0.1, 0.02]


def test_plateau_with_a_new_group():
    """A single min_lr extends to groups added later; a list of them raises."""
    for min_lr, raises in ((0.001, False), ([0.001, 0.001], True)):
        optimizer = two_groups()
        scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=min_lr)
        optimizer.add_param_group({"params": [weight(5.0)]})
        scheduler.step(minitorch.tensor(1.0))
        if raises:
            with pytest.raises(RuntimeError, match="extend the field `min_lrs`"):
                scheduler.step(1.0)
        else:
            scheduler.step(1.0)
            assert scheduler.get_last_lr() == pytest.approx([0.01, 0.002, 0.01])
