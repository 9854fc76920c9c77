"""Optimizers and schedules against PyTorch's frozen trajectories (golden/optim.npz, made by make_golden_optim.py)."""

import copy
import math
import warnings
from pathlib import Path

import numpy as np
import pytest

import minitorch
from minitorch import kernels, optim
from minitorch.optim import SGD, Adam, AdamW, lr_scheduler
from minitorch.optim import optimizer as optimizer_module

GOLDEN = Path(__file__).parent.parent / "golden" / "optim.npz"
SHAPES = ((3, 4), (5,), ())
STEPS = 50
KEPT = (0, 1, 4, 9, 19, 29, 39, 49)  # the steps after which golden holds all parameters
EPOCHS = 100

# name: (class, options of the optimizer, options of a second group with the last two parameters, or None)
OPTIMIZERS = {
    "sgd": ("SGD", {"lr": 0.1}, None),
    "sgd_decay": ("SGD", {"lr": 0.1, "weight_decay": 0.02}, None),
    "sgd_momentum": ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-2}, {"lr": 0.3, "momentum": 0}),
    "sgd_dampening": ("SGD", {"lr": 0.05, "momentum": 0.8, "dampening": 0.3, "maximize": True}, None),
    "sgd_nesterov": ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-2}, None),
    "adam": ("Adam", {"lr": 0.01}, None),
    "adam_decay": ("Adam", {"lr": 0.01, "weight_decay": 0.1, "maximize": True}, {"betas": (0.5, 0.7), "eps": 1e-3}),
    "adam_amsgrad": ("Adam", {"lr": 0.02, "amsgrad": True, "betas": (0.0, 0.6)}, None),
    "adamw": ("AdamW", {"lr": 0.01}, {"weight_decay": 0.5, "lr": 0.03}),
    "adamw_amsgrad": ("AdamW", {"lr": 0.01, "amsgrad": True, "maximize": True, "betas": (0.8, 0.9)}, None),
}

# name: a function of (module with the classes, optimizer, last_epoch) that makes the scheduler
SCHEDULERS = {
    "step": lambda s, o, e: s.StepLR(o, 7, 0.7, e),
    "multistep": lambda s, o, e: s.MultiStepLR(o, [3, 30, 30, 62], 0.3, e),
    "constant": lambda s, o, e: s.ConstantLR(o, 0.4, 45, e),
    "linear": lambda s, o, e: s.LinearLR(o, 0.1, 0.8, 60, e),
    "linear_to_zero": lambda s, o, e: s.LinearLR(o, 1.0, 0.0, 50, e),
    "exponential": lambda s, o, e: s.ExponentialLR(o, 0.93, e),
    "polynomial": lambda s, o, e: s.PolynomialLR(o, 80, 1.7, e),
    "cosine": lambda s, o, e: s.CosineAnnealingLR(o, 23, 1e-4, e),
    "cosine_to_zero": lambda s, o, e: s.CosineAnnealingLR(o, 100, 0.0, e),
    "restarts": lambda s, o, e: s.CosineAnnealingWarmRestarts(o, 9, 2, 1e-3, e),
    "restarts_even": lambda s, o, e: s.CosineAnnealingWarmRestarts(o, 9, 1, 0.0, e),
    "lambda": lambda s, o, e: s.LambdaLR(o, [lambda t: 0.95**t, lambda t: 1 / (1 + t)], e),
    "onecycle": lambda s, o, e: s.OneCycleLR(o, [0.5, 0.2], 100, last_epoch=e),
    "onecycle_linear": lambda s, o, e: s.OneCycleLR(
        o, 0.5, None, 10, 10, 0.25, "linear", True, 0.6, [0.9, 0.8], 10.0, 100.0, True, e
    ),
    "onecycle_rate_only": lambda s, o, e: s.OneCycleLR(
        o, 0.5, 100, cycle_momentum=False, three_phase=True, last_epoch=e
    ),
}
# as above, but such schedulers can't be resumed by last_epoch alone
SEQUENCES = {
    "warmup": lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.1, 1.0, 10), s.CosineAnnealingLR(o, 90)], [10]),
    "three": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.5, 100), s.ExponentialLR(o, 0.9), s.StepLR(o, 10, 0.1)], [20, 61]
    ),
    "plateau": lambda s, o: s.ReduceLROnPlateau(o, "min", 0.5, 3, 1e-2, "rel", 2, [1e-3, 0.0]),
    "plateau_max": lambda s, o: s.ReduceLROnPlateau(o, "max", 0.7, 2, 0.05, "abs", 0, 1e-5),
}


def make_optimizer(library, parameters, name):
    """The optimizer of OPTIMIZERS[name] from `library`, over `parameters`."""
    cls, options, second = OPTIMIZERS[name]
    groups = [{"params": parameters}] if second is None else [{"params": parameters[:1]}]
    if second is not None:
        groups.append({"params": parameters[1:], **second})
    return getattr(library, cls)(groups, **options)


def trajectory(library, name, parameters, gradients, present, decay):
    """All parameters, flattened into one row, after each of the steps KEPT."""
    optimizer = make_optimizer(library, parameters, name)
    rows = []
    for step in range(STEPS):
        for p, g, here in zip(parameters, gradients, present[step], strict=True):
            p.grad = g(step) if here else None
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("initial", group["lr"]) * decay[step]
        optimizer.step()
        if step in KEPT:
            rows.append(np.concatenate([p.detach().numpy().ravel() for p in parameters]))
    return np.stack(rows)


def rates(optimizer, scheduler, epochs, metrics=None):
    """The rate and the momentum (or beta1) of every group, now and after each of `epochs` steps."""

    def now():
        return [
            [group["lr"] for group in optimizer.param_groups],
            [group["betas"][0] if "betas" in group else group["momentum"] for group in optimizer.param_groups],
        ]

    rows = [now()]
    for epoch in range(epochs):
        optimizer.step()
        scheduler.step() if metrics is None else scheduler.step(metrics[epoch])
        rows.append(now())
    return np.array(rows, dtype=float)


def weight(*values, dtype=None):
    """A parameter of these values."""
    return minitorch.tensor(list(values), dtype=dtype, requires_grad=True)


def two_groups(cls=SGD, **options):
    """An optimizer with groups of rates 0.1 and 0.02."""
    return cls([{"params": [weight(1.0)]}, {"params": [weight(2.0)], "lr": 0.02}], lr=0.1, **options)


@pytest.fixture(scope="module")
def golden():
    """The frozen figures."""
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


# ------------------------------------------------------------------------------------------------------- trajectories


def minitorch_trajectory(golden, name, dtype, order="C"):
    """`trajectory` by minitorch from the golden start and gradients."""

    def copied(array):
        return np.array(array, dtype=dtype, order=order)

    parameters = [minitorch.from_numpy(copied(golden[f"start{i}"])).requires_grad_() for i in range(len(SHAPES))]
    gradients = [
        lambda step, i=i: minitorch.from_numpy(copied(golden[f"gradients{i}"][step])) for i in range(len(SHAPES))
    ]
    return trajectory(optim, name, parameters, gradients, golden["present"], golden["decay"])


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_trajectory_is_pytorchs(golden, name, dtype):
    """50 steps with missing gradients and a falling rate stay within 2 ulp of PyTorch's parameters, in their dtype."""
    expected = golden[f"{name}_{dtype}"]
    rows = minitorch_trajectory(golden, name, dtype)
    assert rows.dtype == expected.dtype == dtype
    ulp = np.finfo(dtype).eps * max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(rows, expected, rtol=0, atol=2 * ulp)


@pytest.mark.parametrize("name", ["sgd_nesterov", "adam_amsgrad", "adamw"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_change_no_bit(golden, name, order, monkeypatch):
    """Updates in tiny blocks give the bits of updates in one piece, in any memory layout."""
    whole = minitorch_trajectory(golden, name, "float32")
    one_array_at_a_time(monkeypatch)
    monkeypatch.setattr(optimizer_module, "BLOCK_BYTES", 8)
    assert np.array_equal(minitorch_trajectory(golden, name, "float32", order), whole)


def one_array_at_a_time(monkeypatch):
    """From here on optimizers work by their NumPy formulas."""
    monkeypatch.setattr(kernels, "update", lambda *arguments: False)


def one_launch(monkeypatch):
    """From here on: the list of what `kernels.update` answered. Skips the test without numba."""
    if kernels.implementation() != "numba":
        pytest.skip("the reference kernels were chosen")
    answers, update = [], kernels.update
    monkeypatch.setattr(kernels, "update", lambda *arguments: answers.append(update(*arguments)) or answers[-1])
    return answers


def many_shapes(cls, options, dtype, steps=3):
    """Parameters of many shapes after a few steps, one without a gradient, with zeros, inf and NaN among the others."""
    rng = np.random.default_rng(0)
    shapes = [(3, 5), (), (1,), (40_001,), (0,), (64, 3, 3, 3), (8192,), (2, 0)]
    parameters = [minitorch.from_numpy(rng.standard_normal(s, dtype)).requires_grad_() for s in shapes]
    optimizer = cls(parameters, lr=0.1, **options)
    for step in range(steps):
        for p in parameters:
            g = rng.standard_normal(p.shape, dtype)
            if g.size > 5:
                g.reshape(-1)[:4] = 0, -0.0, np.inf, np.nan
            p.grad = minitorch.tensor(g)
        if step == 1:
            parameters[0].grad = None
        optimizer.step()
    states = [value for state in optimizer.state.values() for value in state.values() if value is not None]
    return [x.detach().numpy() for x in (*parameters, *states)]


OPTIONS = [
    *((SGD, {"momentum": m, "weight_decay": w, "maximize": x}) for m in (0, 0.9) for w in (0, 0.1) for x in (0, 1)),
    (SGD, {"momentum": 0.9, "dampening": 0.3}),
    (SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    *((cls, {"amsgrad": a, "weight_decay": w}) for cls in (Adam, AdamW) for a in (False, True) for w in (0, 0.1)),
    (Adam, {"maximize": True}),
]


@pytest.mark.parametrize(("cls", "options"), OPTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_launch_gives_numpys_bits(cls, options, dtype, monkeypatch):
    """All parameters updated by one kernel have the bits of the NumPy formulas, on any number of threads."""
    answers, threads = one_launch(monkeypatch), kernels.get_num_threads()
    fast = many_shapes(cls, options, dtype)
    assert all(answers)
    try:
        kernels.set_num_threads(1)
        alone = many_shapes(cls, options, dtype)
    finally:
        kernels.set_num_threads(threads)
    one_array_at_a_time(monkeypatch)
    for x, y, expected in zip(fast, alone, many_shapes(cls, options, dtype), strict=True):
        assert x.dtype == expected.dtype
        assert np.where(np.isnan(x), 0, x).tobytes() == np.where(np.isnan(expected), 0, expected).tobytes()
        assert x.tobytes() == y.tobytes()
        np.testing.assert_array_equal(np.isnan(x), np.isnan(expected))


ODD = {
    "read-only": lambda p, g, b: (p, g, np.lib.stride_tricks.as_strided(b, writeable=False)),
    "not contiguous": lambda p, g, b: (p, g, np.zeros((6, 4), b.dtype)[::2]),
    "not aligned": lambda p, g, b: (p, g, np.zeros(b.nbytes + 1, np.uint8)[1:].view(b.dtype).reshape(b.shape)),
    "another shape": lambda p, g, b: (p, g.reshape(4, 3), b),
    "another rank": lambda p, g, b: (p, g.ravel(), b),
    "another size": lambda p, g, b: (p, g, np.zeros((3, 5), b.dtype)),
    "another dtype": lambda p, g, b: (p, g, b.astype(np.float64)),
    "another byte order": lambda p, g, b: (p, g.astype(">f4"), b),
    "the same array": lambda p, g, b: (p, g, p),
    "memory in common": lambda p, g, b: (*np.zeros((4, 4), p.dtype)[np.arange(3), :][None].repeat(2, 0), p[:]),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_arrays_are_refused(name, monkeypatch):
    """The kernel is not given arrays that it would misread, or that two workers would write to."""
    one_launch(monkeypatch)
    rows = [tuple(np.zeros((3, 4), np.float32) for _ in range(3)) for _ in range(3)]
    arguments = np.zeros(4, np.float32), np.zeros(3, bool), False, False, False
    assert kernels.update("sgd", rows, *arguments)
    rows[1] = ODD[name](*rows[1])
    if name == "memory in common":
        rows[2] = (*rows[2][:2], rows[1][2])
    assert not kernels.update("sgd", rows, *arguments)


def test_shared_memory_is_updated_in_turn(monkeypatch):
    """Parameters that share memory, and a gradient that is another parameter, move one after the other."""
    answers = one_launch(monkeypatch)
    memory = np.ones(6, np.float32)
    v, w = minitorch.from_numpy(memory[:4]).requires_grad_(), minitorch.from_numpy(memory[2:]).requires_grad_()
    v.grad, w.grad = minitorch.ones(4), v.detach()
    SGD([v, w], lr=0.5).step()
    assert answers == [False]
    assert memory.tolist() == [0.5, 0.5, 0.25, 0.25, 0.75, 0.75]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_resumed_run_is_the_same_run(name):
    """A new optimizer that loads the state of another after 3 steps goes on bit for bit."""
    generator = np.random.default_rng(0)
    parameters = [weight(*generator.random(4).tolist()) for _ in SHAPES]
    optimizer = make_optimizer(optim, parameters, name)
    twin_parameters, twin = None, None
    for step in range(8):
        if step == 3:
            twin_parameters = [weight(*p.tolist()) for p in parameters]
            twin = make_optimizer(optim, twin_parameters, name)
            state = optimizer.state_dict()
            twin.load_state_dict(state)
            assert repr(twin.state_dict()) == repr(state)
        for i, p in enumerate(parameters):
            p.grad = minitorch.tensor(generator.standard_normal(4), dtype=minitorch.float32)
            if twin is not None:
                twin_parameters[i].grad = p.grad
        optimizer.step()
        if twin is not None:
            twin.step()
            for p, q in zip(parameters, twin_parameters, strict=True):
                assert np.array_equal(p.array, q.array)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_step_writes_in_place(name):
    """A step keeps the parameter's memory, counts as an in-place change, and leaves the gradient as it is."""
    parameters = [weight(1.0, 2.0), weight(3.0), weight(4.0)]
    optimizer = make_optimizer(optim, parameters, name)
    for p in parameters:
        p.grad = minitorch.ones_like(p)
    arrays, versions = [p.array for p in parameters], [p.version.count for p in parameters]
    optimizer.step()
    optimizer.step()
    for p, array, version in zip(parameters, arrays, versions, strict=True):
        assert p.array is array and p.version.count == version + 2 and p.requires_grad and p.is_leaf
        assert p.grad.tolist() == [1.0] * len(p)


def test_stale_graph_is_noticed():
    """Backward through a graph from before the step raises instead of using the new values."""
    w = weight(2.0)
    loss = (w * w).sum()
    w.grad = minitorch.tensor([1.0])
    SGD([w], lr=0.1).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_closure_runs_with_grad():
    """`step(closure)` calls it once with gradients on, also under no_grad, and returns its loss."""
    w = weight(3.0)
    optimizer = SGD([w], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with minitorch.no_grad():
        assert optimizer.step(closure).item() == 9.0
    assert w.tolist() == [0.0]
    assert optimizer.step() is None


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_deepcopy_is_independent(name):
    """A deep copy of parameters and optimizer together goes the same way, without touching the original."""
    parameters = [weight(1.0, 2.0), weight(3.0), weight(4.0)]
    optimizer = make_optimizer(optim, parameters, name)

    def step(some_parameters, some_optimizer):
        for p in some_parameters:
            p.grad = minitorch.ones_like(p)
        some_optimizer.step()

    step(parameters, optimizer)
    twins, twin = copy.deepcopy((parameters, optimizer))
    before = [p.tolist() for p in parameters]
    step(twins, twin)
    assert [p.tolist() for p in parameters] == before
    step(parameters, optimizer)
    assert [p.tolist() for p in parameters] == [p.tolist() for p in twins]


def test_numpy_scalars_keep_float32():
    """Rates that are NumPy float64 scalars don't widen a float32 parameter."""
    w = weight(1.0)
    for optimizer in (SGD([w], lr=0.1, momentum=0.9), Adam([w], weight_decay=0.1)):
        optimizer.param_groups[0]["lr"] = np.float64(0.25)
        w.grad = minitorch.tensor([1.0])
        optimizer.step()
        assert w.array.dtype == np.float32
        assert all(value.array.dtype == np.float32 for value in optimizer.state[w].values())


def test_large_parameter_takes_blocks(monkeypatch):
    """A parameter larger than a block, in an odd layout, moves as formula and float64 say."""
    generator = np.random.default_rng(1)
    start, g = generator.standard_normal((2, 300, 171))
    w = minitorch.from_numpy(np.array(start, np.float32)).requires_grad_()
    w.grad = minitorch.from_numpy(np.asfortranarray(g.astype(np.float32)))
    one_array_at_a_time(monkeypatch)
    SGD([w], lr=0.5, weight_decay=0.5).step()
    np.testing.assert_allclose(w.array, start - 0.5 * (g + 0.5 * start), atol=2e-6)


# --------------------------------------------------------------------------------------------------- groups and state


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


# ----------------------------------------------------------------------------------------------------------- schedules


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
