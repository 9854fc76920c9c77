"""Parameter groups, state dicts, hooks and wrong calls of optimizers."""

import copy
import math

import numpy as np
import pytest
from test_optim import two_groups, weight

import minitorch
from minitorch import optim
from minitorch.optim import SGD, Adam, AdamW, lr_scheduler


def test_zero_grad():
    """`zero_grad` sets gradients to None, or to zeros in the same memory and off the tape."""
    w = weight(1.0, 2.0)
    optimizer = SGD([w], lr=0.1)
    w.grad = minitorch.ones_like(w)
    array = w.grad.array
    optimizer.zero_grad(set_to_none=False)
    assert w.grad.array is array and w.grad.tolist() == [0.0, 0.0]
    (w * w).sum().backward(create_graph=True)
    optimizer.zero_grad(set_to_none=False)
    assert not w.grad.requires_grad and w.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert w.grad is None


def test_groups_take_defaults():
    """Groups fill in the defaults, keep their own options, and leave the caller's dicts alone."""
    a, b, c = weight(1.0), weight(2.0), weight(3.0)
    given = {"params": a, "lr": 0.5}
    optimizer = SGD([given, {"params": iter([b])}], lr=0.1, momentum=0.9)
    assert given == {"params": a, "lr": 0.5}
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1]
    optimizer.add_param_group({"params": [c], "momentum": 0})
    assert [group["momentum"] for group in optimizer.param_groups] == [0.9, 0.9, 0]
    assert [group["params"] for group in optimizer.param_groups] == [[a], [b], [c]]


def test_named_parameters():
    """(name, tensor) pairs are kept as param_names, and have to be everywhere or nowhere."""
    a, b = weight(1.0), weight(2.0)
    optimizer = SGD([("a", a)], lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["a"] and optimizer.param_groups[0]["params"] == [a]
    with pytest.raises(ValueError, match="with/without names"):
        optimizer.add_param_group({"params": [b]})
    with pytest.raises(ValueError, match="Some param names are missing"):
        SGD([("a", a), b], lr=0.1)


def test_state_dict_has_pytorchs_form():
    """State is numbered in order of the groups; keys and entries are PyTorch's."""
    a, b = weight(1.0), weight(2.0)
    optimizer = Adam([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1, amsgrad=True)
    b.grad = minitorch.tensor([2.0])
    optimizer.step()
    state = optimizer.state_dict()
    assert list(state) == ["state", "param_groups"]
    assert [group["params"] for group in state["param_groups"]] == [[0], [1]]
    options = "lr betas eps weight_decay amsgrad maximize foreach capturable differentiable fused"
    assert list(state["param_groups"][1]) == [*options.split(), "decoupled_weight_decay", "params"]
    assert list(state["state"]) == [1]
    entry = state["state"][1]
    assert list(entry) == ["step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"]
    assert entry["step"].item() == 1.0
    assert entry["exp_avg"].tolist() == pytest.approx([0.2]) and entry["exp_avg_sq"].tolist() == pytest.approx([0.004])


def test_load_state_dict_copies():
    """Loaded state shares no memory, takes the parameter's dtype, and keeps step counts and options."""
    a, b = weight(1.0), weight(1.0, dtype=minitorch.float64)
    source, target = Adam([a], lr=0.5), Adam([b], lr=0.1)
    a.grad = minitorch.tensor([1.0])
    source.step()
    saved = source.state_dict()
    target.load_state_dict(saved)
    assert target.state[b]["step"].dtype == minitorch.float32 and target.state[b]["step"].item() == 1.0
    saved["state"][0]["step"] = 7  # a plain number, as old files have it
    target.load_state_dict(saved)
    assert target.param_groups[0]["lr"] == 0.5 and target.param_groups[0]["params"] == [b]
    entry = target.state[b]
    assert entry["exp_avg"].dtype == minitorch.float64 and entry["step"].dtype == minitorch.float32
    assert entry["step"].item() == 7.0
    entry["exp_avg"].array[...] = 9
    assert source.state[a]["exp_avg"].tolist() == pytest.approx([0.1])


BAD_STATES = {
    "groups": (lambda s: s["param_groups"].append(s["param_groups"][0]), "a different number of parameter groups"),
    "sizes": (lambda s: s["param_groups"][0]["params"].append(5), "doesn't match the size of optimizer's group"),
    "shape": (lambda s: s["state"][1].update(momentum_buffer=minitorch.zeros(3)), "has shape"),
}


@pytest.mark.parametrize("name", BAD_STATES)
def test_load_state_dict_checks_first(name):
    """A state dict that doesn't fit raises ValueError and changes nothing."""
    spoil, message = BAD_STATES[name]
    parameters = [weight(1.0), weight(2.0)]
    optimizer = SGD(parameters, lr=0.1, momentum=0.9)
    for p in parameters:
        p.grad = minitorch.tensor([1.0])
    optimizer.step()
    before = repr(optimizer.state_dict())
    state = copy.deepcopy(optimizer.state_dict())
    state["param_groups"][0]["lr"] = 7.0
    spoil(state)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(state)
    assert repr(optimizer.state_dict()) == before


def test_repr_lists_the_options():
    """`repr` shows every group's options in alphabetical order."""
    lines = ["SGD (", "Parameter Group 0"]
    options = ["dampening: 0", "differentiable: False", "foreach: None", "fused: None", "lr: 0.1", "maximize: False"]
    lines += [f"    {option}" for option in [*options, "momentum: 0", "nesterov: False", "weight_decay: 0"]]
    assert repr(SGD([weight(1.0)], lr=0.1)) == "\n".join([*lines, ")"])


def test_step_hooks():
    """Hooks run around a step with (optimizer, args, kwargs), may replace the arguments, and can be removed."""
    w = weight(1.0)
    optimizer = SGD([w], lr=0.1)
    calls = []
    before = optimizer.register_step_pre_hook(lambda o, args, kwargs: calls.append(("before", o, args, kwargs)))
    after = optimizer.register_step_post_hook(lambda o, args, kwargs: calls.append(("after", o, args, kwargs)))
    optimizer.step()
    assert calls == [("before", optimizer, (optimizer,), {}), ("after", optimizer, (optimizer,), {})]
    before.remove()
    after.remove()
    optimizer.step()
    assert len(calls) == 2
    optimizer.register_step_pre_hook(lambda o, args, kwargs: ((o, lambda: 5), kwargs))
    assert optimizer.step() == 5
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 3)
    with pytest.raises(RuntimeError, match="pre-hook must return"):
        optimizer.step()


def test_own_optimizer():
    """A subclass that defines `step` has groups, state dicts, hooks and schedules."""

    class Sign(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.array[...] -= group["lr"] * np.sign(p.grad.array)
                    self.state[p]["calls"] = self.state[p].get("calls", 0) + 1

    w = weight(1.0, -1.0)
    w.grad = minitorch.tensor([3.0, -0.1])
    optimizer = Sign([w], 0.5)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    optimizer.step()
    assert w.tolist() == [0.25, -0.25]
    assert optimizer.state_dict() == {
        "state": {0: {"calls": 2}},
        "param_groups": [{"lr": 0.25, "initial_lr": 0.5, "params": [0]}],
    }
    with pytest.raises(NotImplementedError, match="defines no step"):
        optim.Optimizer([w], {}).step()


# name: (call, error class, message)
BAD_CALLS = {
    "tensor": (lambda: SGD(weight(1.0)), TypeError, "should be an iterable of Tensors or dicts, but got Tensor"),
    "empty": (lambda: Adam([]), ValueError, "optimizer got an empty parameter list"),
    "string": (lambda: SGD(["a"]), TypeError, "can only optimize Tensors, but one of the params is str"),
    "set": (lambda: SGD([{"params": {weight(1.0)}}]), TypeError, "ordered collections"),
    "group": (lambda: SGD([weight(1.0)]).add_param_group([weight(1.0)]), TypeError, "param_group must be a dict"),
    "non-leaf": (lambda: SGD([weight(1.0) * 2]), ValueError, "can't optimize a non-leaf Tensor"),
    "twice": (
        lambda: (lambda w: SGD([{"params": [w]}, {"params": [w]}]))(weight(1.0)),
        ValueError,
        "some parameters appear in more than one parameter group",
    ),
    "lr": (lambda: SGD([weight(1.0)], lr=-1), ValueError, "Invalid learning rate: -1"),
    "lr nan": (lambda: Adam([weight(1.0)], lr=math.nan), ValueError, "Invalid learning rate: nan"),
    "lr tensor": (lambda: SGD([weight(1.0)], lr=minitorch.ones(2)), ValueError, "Tensor lr must be 1-element"),
    "momentum": (lambda: SGD([weight(1.0)], momentum=-0.5), ValueError, "Invalid momentum value: -0.5"),
    "decay": (lambda: SGD([weight(1.0)], weight_decay=-1), ValueError, "Invalid weight_decay value: -1"),
    "nesterov": (lambda: SGD([weight(1.0)], nesterov=True), ValueError, "Nesterov momentum requires a momentum"),
    "adam lr": (lambda: AdamW([weight(1.0)], lr=-1.0), ValueError, "Invalid learning rate: -1.0"),
    "eps": (lambda: Adam([weight(1.0)], eps=-1), ValueError, "Invalid epsilon value: -1"),
    "beta1": (lambda: Adam([weight(1.0)], betas=(1.0, 0.9)), ValueError, "Invalid beta parameter at index 0: 1.0"),
    "beta2": (lambda: Adam([weight(1.0)], betas=(0.5, -0.1)), ValueError, "Invalid beta parameter at index 1: -0.1"),
    "adam decay": (lambda: Adam([weight(1.0)], weight_decay=-2), ValueError, "Invalid weight_decay value: -2"),
    "differentiable": (lambda: SGD([weight(1.0)], differentiable=True), NotImplementedError, "differentiable=True"),
    "constant": (lambda: lr_scheduler.ConstantLR(two_groups(), 1.5), ValueError, "between 0 and 1"),
    "linear start": (lambda: lr_scheduler.LinearLR(two_groups(), 0), ValueError, "Starting multiplicative factor"),
    "linear end": (lambda: lr_scheduler.LinearLR(two_groups(), 1, 2), ValueError, "Ending multiplicative factor"),
    "restarts": (lambda: lr_scheduler.CosineAnnealingWarmRestarts(two_groups(), 0), ValueError, "positive integer T_0"),
    "restarts 2": (lambda: lr_scheduler.CosineAnnealingWarmRestarts(two_groups(), 2, 0.5), ValueError, "T_mult >= 1"),
    "lambdas": (lambda: lr_scheduler.LambdaLR(two_groups(), [abs]), ValueError, "expected 2 lr_lambdas"),
    "no optimizer": (lambda: lr_scheduler.StepLR(5, 1), TypeError, "int is not an Optimizer"),
    "resume": (lambda: lr_scheduler.StepLR(two_groups(), 1, last_epoch=3), KeyError, "'initial_lr' is not specified"),
    "cycle steps": (lambda: lr_scheduler.OneCycleLR(two_groups(), 1), ValueError, "either total_steps OR"),
    "cycle total": (lambda: lr_scheduler.OneCycleLR(two_groups(), 1, 0), ValueError, "positive integer total_steps"),
    "cycle epochs": (
        lambda: lr_scheduler.OneCycleLR(two_groups(), 1, epochs=1.5, steps_per_epoch=3),
        ValueError,
        "positive integer epochs, but got 1.5",
    ),
    "cycle share": (
        lambda: lr_scheduler.OneCycleLR(two_groups(), 1, 9, pct_start=1.5),
        ValueError,
        "Expected float between 0 and 1 pct_start, but got 1.5",
    ),
    "cycle path": (lambda: lr_scheduler.OneCycleLR(two_groups(), 1, 9, anneal_strategy="x"), ValueError, "'cos' or"),
    "cycle rates": (lambda: lr_scheduler.OneCycleLR(two_groups(), [1], 9), ValueError, "expected 2 max_lr"),
    "plateau factor": (lambda: lr_scheduler.ReduceLROnPlateau(two_groups(), factor=1.0), ValueError, "Factor should"),
    "plateau mode": (lambda: lr_scheduler.ReduceLROnPlateau(two_groups(), "x"), ValueError, "mode x is unknown"),
    "plateau minima": (
        lambda: lr_scheduler.ReduceLROnPlateau(two_groups(), min_lr=[1]),
        ValueError,
        "expected 2 min_lrs",
    ),
    "no schedulers": (lambda: lr_scheduler.SequentialLR(two_groups(), [], []), ValueError, "at least one scheduler"),
    "milestones": (
        lambda: (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 1)], [3]))(two_groups()),
        ValueError,
        "1 schedulers and 1 milestones",
    ),
    "two optimizers": (
        lambda: lr_scheduler.SequentialLR(two_groups(), [lr_scheduler.StepLR(two_groups(), 1)], []),
        ValueError,
        "belong to the same optimizer",
    ),
    "plateau in sequence": (
        lambda: (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.ReduceLROnPlateau(o)], []))(two_groups()),
        ValueError,
        "does not support `ReduceLROnPlateau`",
    ),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_calls(name):
    """Wrong arguments raise PyTorch's error class with a message that names them."""
    call, error, message = BAD_CALLS[name]
    with pytest.raises(error, match=message):
        call()


def test_duplicates_warn():
    """The same parameter twice in one group is a warning."""
    w = weight(1.0)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        SGD([w, w], lr=0.1)
