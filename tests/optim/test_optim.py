"""Optimizers and schedules against PyTorch's frozen trajectories (golden/optim.npz, made by make_golden_optim.py)."""

import copy
from pathlib import Path

import numpy as np
import pytest

import minitorch
from minitorch import kernels, optim
from minitorch.optim import SGD, Adam, AdamW
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


def frozen():
    """PyTorch's figures."""
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


golden = pytest.fixture(scope="module")(frozen)


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
