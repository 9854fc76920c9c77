"""State dicts of optimizers and schedulers that are damaged, incomplete or nonsense: refused, and nothing changes."""

import copy

import numpy as np
import pytest

import minitorch
from minitorch.optim import SGD, Adam, AdamW, lr_scheduler


def trained(cls, **options):
    """An optimizer of two parameters after one step."""
    parameters = [minitorch.tensor([1.0, 2.0], requires_grad=True), minitorch.tensor([3.0], requires_grad=True)]
    optimizer = cls([{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.2}], lr=0.1, **options)
    for p in parameters:
        p.grad = minitorch.ones(*p.shape)
    optimizer.step()
    return optimizer


def option(name, value):
    return lambda state: state["param_groups"][1].update({name: value})


def entry(name, value):
    return lambda state: state["state"][1].update({name: value})


# name: (what is done to the state dict, error class, message); the first ones also hold for SGD
BAD = {
    "lr missing": (lambda s: s["param_groups"][1].pop("lr"), ValueError, "there is no lr of group 1"),
    "lr text": (option("lr", "0.1"), TypeError, "lr of group 1 should be a number, but is '0.1'"),
    "lr None": (option("lr", None), TypeError, "lr of group 1"),
    "lr bool": (option("lr", True), TypeError, "lr of group 1"),
    "lr list": (option("lr", [0.1]), TypeError, "lr of group 1"),
    "lr of two": (option("lr", minitorch.ones(2)), TypeError, "lr of group 1"),
    "lr negative": (option("lr", -1.0), ValueError, "Invalid learning rate: -1.0"),
    "lr NaN": (option("lr", float("nan")), ValueError, "Invalid learning rate: nan"),
    "decay": (option("weight_decay", -1), ValueError, "Invalid weight_decay"),
    "flag": (option("maximize", "no"), TypeError, "maximize of group 1 should be a bool, but is 'no'"),
    "numbers": (lambda s: s["param_groups"][1].update(params=[0]), ValueError, "same number"),
    "no groups": (lambda s: s.pop("param_groups"), KeyError, "param_groups"),
    "no state": (lambda s: s.pop("state"), KeyError, "state"),
    "state": (lambda s: s["state"].update({1: [1]}), TypeError, "state of parameter 1 should be a dict, but is list"),
    # Adam's
    "one beta": (option("betas", (0.9,)), TypeError, r"betas of group 1 should be 2 numbers, but is \(0.9,\)"),
    "a beta": (option("betas", 0.9), TypeError, "betas of group 1"),
    "betas missing": (lambda s: s["param_groups"][0].pop("betas"), ValueError, "there is no betas of group 0"),
    "beta of 1": (option("betas", [0.9, 1.0]), ValueError, "Invalid beta parameter at index 1"),
    "eps": (option("eps", "tiny"), TypeError, "eps of group 1"),
    "average missing": (lambda s: s["state"][1].pop("exp_avg"), ValueError, "parameter 1 has no exp_avg$"),
    "average None": (entry("exp_avg_sq", None), ValueError, "parameter 1 has no exp_avg_sq"),
    "average list": (entry("exp_avg", [1.0]), TypeError, "exp_avg of parameter 1 should be a Tensor, but is list"),
    "average ints": (entry("exp_avg", minitorch.tensor([1])), TypeError, "has the dtype"),
    "step missing": (lambda s: s["state"][1].pop("step"), ValueError, "parameter 1 has no step"),
    "step text": (entry("step", "3"), TypeError, "step of parameter 1 should be a number"),
    "step negative": (entry("step", -1), ValueError, "step of parameter 1 is -1"),
    "peak missing": (option("amsgrad", True), ValueError, "parameter 1 has no max_exp_avg_sq"),
}
ADAMS = [*BAD].index("one beta")


@pytest.mark.parametrize(
    ("cls", "name"), [(cls, name) for cls in (SGD, Adam, AdamW) for name in [*BAD][: ADAMS if cls is SGD else None]]
)
def test_refused_before_anything_changes(cls, name):
    """The error names what is wrong; options, states and the next step stay as they were."""
    spoil, error, message = BAD[name]
    optimizer, twin = trained(cls), trained(cls)
    state = copy.deepcopy(twin.state_dict())
    state["param_groups"][0]["lr"] = 7.0
    spoil(state)
    with pytest.raises(error, match=message):
        optimizer.load_state_dict(state)
    assert repr(optimizer.state_dict()) == repr(twin.state_dict())
    for one in (optimizer, twin):
        one.step()
    for mine, other in zip(optimizer.param_groups, twin.param_groups, strict=True):
        assert mine["params"][0].tolist() == other["params"][0].tolist()


def test_no_dict_at_all():
    """What is no dict is named."""
    with pytest.raises(TypeError, match="expected a dict, but got list"):
        trained(SGD).load_state_dict([])


def test_what_old_checkpoints_lack_is_taken_from_the_optimizer():
    """Flags may be missing, averages of parameters without a step too; numbers may be NumPy's or tensors."""
    optimizer = trained(AdamW)
    state = copy.deepcopy(optimizer.state_dict())
    for group in state["param_groups"]:
        for name in ("maximize", "foreach", "fused", "capturable", "differentiable", "decoupled_weight_decay"):
            del group[name]
        group.update(lr=np.float64(0.5), betas=[0.5, minitorch.tensor(0.75)], note="kept")
    state["state"][1] = {}
    optimizer.load_state_dict(state)
    group = optimizer.param_groups[1]
    assert group["lr"] == 0.5 and group["decoupled_weight_decay"] and group["note"] == "kept"
    optimizer.step()
    assert [optimizer.state[g["params"][0]]["step"].item() for g in optimizer.param_groups] == [2, 1]


BAD_SCHEDULES = {
    "epoch missing": (lambda s: s.pop("last_epoch"), ValueError, "no last_epoch"),
    "epoch text": (lambda s: s.update(last_epoch="3"), TypeError, "last_epoch should be a number, but is '3'"),
    "size": (lambda s: s.update(step_size=None), TypeError, "step_size should be a number"),
    "rates": (lambda s: s.update(base_lrs=[0.1]), ValueError, r"base_lrs \[0.1\], not 2 rates"),
}


@pytest.mark.parametrize("name", BAD_SCHEDULES)
def test_schedules_are_refused(name):
    """The same for a scheduler: its epoch and the rates it would set next stay."""
    spoil, error, message = BAD_SCHEDULES[name]
    schedule = lr_scheduler.StepLR(trained(SGD), 2)
    before = repr(schedule.state_dict())
    state = {**copy.deepcopy(schedule.state_dict()), "gamma": 7.0}
    spoil(state)
    with pytest.raises(error, match=message):
        schedule.load_state_dict(state)
    assert repr(schedule.state_dict()) == before
