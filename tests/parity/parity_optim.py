"""Optimizers, schedules, initializers against live PyTorch, at random: `pytest tests/parity/parity_optim.py`."""

import warnings

import numpy as np
import pytest
import torch
from test_optim import SCHEDULERS, SEQUENCES, rates, two_groups
from torch.optim import lr_scheduler as torch_scheduler

import minitorch
from minitorch import optim
from minitorch.optim import lr_scheduler

SHAPES = ((16, 3, 3, 3), (16,), (), (1, 7), (0, 2), (130, 257))


def random_options(generator, name):
    """Options for an optimizer of this class."""
    options = {"lr": float(10 ** generator.uniform(-3, -1)), "maximize": bool(generator.random() < 0.3)}
    options["weight_decay"] = float(generator.choice([0.0, 1e-3, 0.1]))
    if name == "SGD":
        options["momentum"] = float(generator.choice([0.0, 0.5, 0.9]))
        options["nesterov"] = bool(options["momentum"] and generator.random() < 0.5)
        options["dampening"] = 0.0 if options["nesterov"] else float(generator.choice([0.0, 0.3]))
    else:
        options["betas"] = (float(generator.choice([0.0, 0.4, 0.9])), float(generator.choice([0.3, 0.99, 0.999])))
        options["eps"] = float(generator.choice([1e-8, 1e-3]))
        options["amsgrad"] = bool(generator.random() < 0.5)
    return options


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_trajectory(name, seed, dtype):
    """50 steps with random settings, gaps, and a state dict carried over half-way agree to 20 ulp of the largest."""
    generator = np.random.default_rng([seed, len(name)])
    options, second = random_options(generator, name), random_options(generator, name)
    starts = [generator.standard_normal(shape).astype(dtype) for shape in SHAPES]
    ours = [minitorch.from_numpy(np.array(start)).requires_grad_() for start in starts]
    theirs = [torch.tensor(start, requires_grad=True) for start in starts]

    def make(library, parameters):
        return getattr(library, name)([{"params": parameters[:2], **second}, {"params": parameters[2:]}], **options)

    our_optimizer, their_optimizer = make(optim, ours), make(torch.optim, theirs)
    largest = 1.0
    for step in range(50):
        if step == 25:
            state = our_optimizer.state_dict()
            our_optimizer = make(optim, ours)
            our_optimizer.load_state_dict(state)
        for p, q in zip(ours, theirs, strict=True):
            p.grad = q.grad = None
            if generator.random() < 0.85:
                g = np.asarray(generator.standard_normal(p.array.shape), dtype)
                p.grad = minitorch.from_numpy(np.array(g, order=str(generator.choice(["C", "F"]))))
                q.grad = torch.tensor(g)
        factor = float(generator.uniform(0.9, 1.05))
        for group in our_optimizer.param_groups + their_optimizer.param_groups:
            group["lr"] *= factor
        our_optimizer.step()
        their_optimizer.step()
        for p, q in zip(ours, theirs, strict=True):
            expected = q.detach().numpy()
            largest = max(largest, np.abs(expected).max(initial=0))
            np.testing.assert_allclose(p.array, expected, rtol=0, atol=20 * np.finfo(dtype).eps * largest)
    ours_state, theirs_state = our_optimizer.state_dict(), their_optimizer.state_dict()
    assert ours_state["param_groups"] == theirs_state["param_groups"]
    for index, entry in theirs_state["state"].items():
        assert list(entry) == list(ours_state["state"][index])
        for key, value in entry.items():
            array = ours_state["state"][index][key].array
            assert array.dtype == value.numpy().dtype and array.shape == tuple(value.shape)
            scale = max(1.0, np.abs(array).max(initial=0))
            np.testing.assert_allclose(array, value.numpy(), rtol=0, atol=20 * np.finfo(dtype).eps * scale)


def torch_groups(cls=torch.optim.SGD):
    """PyTorch's counterpart of `two_groups`."""
    parameters = [torch.ones(1, requires_grad=True) for _ in range(2)]
    return cls([{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.02}], lr=0.1)


def plain(value):
    """A scheduler's state with numbers rounded, to be compared."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    return pytest.approx(value, rel=1e-12, abs=1e-18) if isinstance(value, (int, float)) else value


@pytest.mark.parametrize("name", [*SCHEDULERS, *SEQUENCES])
def test_scheduler_state(name):
    """State dicts of schedulers have PyTorch's keys and values, and PyTorch's load here."""
    metrics = np.random.default_rng(3).random(17) if "plateau" in name else None
    pairs = []
    for library, optimizer in ((lr_scheduler, two_groups()), (torch_scheduler, torch_groups())):
        scheduler = (SCHEDULERS | SEQUENCES)[name](library, optimizer, *([-1] if name in SCHEDULERS else []))
        rates(optimizer, scheduler, 17, metrics)
        pairs.append((optimizer, scheduler))
    (our_optimizer, ours), (their_optimizer, theirs) = pairs
    assert set(ours.state_dict()) == set(theirs.state_dict())
    assert theirs.state_dict() == plain(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    for group, saved in zip(our_optimizer.param_groups, their_optimizer.param_groups, strict=True):
        group.update({key: value for key, value in saved.items() if key != "params"})
    more = None if metrics is None else np.zeros(30)
    np.testing.assert_allclose(
        rates(our_optimizer, ours, 30, more), rates(their_optimizer, theirs, 30, more), rtol=1e-12, atol=1e-18
    )


def random_schedule(generator):
    """A schedule with random settings, as a function of (module, optimizer)."""
    n, m = int(generator.integers(2, 60)), int(generator.integers(1, 30))
    a, b = (float(value) for value in generator.uniform(0.05, 1.0, 2))
    milestones = sorted(int(t) for t in generator.integers(0, 90, 4))
    share, strategy, three = float(generator.uniform(0.15, 0.45)), str(generator.choice(["cos", "linear"])), a < 0.5
    choices = [
        lambda s, o: s.StepLR(o, m, a),
        lambda s, o: s.MultiStepLR(o, milestones, a),
        lambda s, o: s.ConstantLR(o, a, n),
        lambda s, o: s.LinearLR(o, a, b, n),
        lambda s, o: s.ExponentialLR(o, a),
        lambda s, o: s.PolynomialLR(o, n, 2 * b),
        lambda s, o: s.CosineAnnealingLR(o, n, b / 100),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, m, 1 + n % 3, b / 100),
        lambda s, o: s.OneCycleLR(o, b, 100, None, None, share, strategy, b > 0.3, three_phase=three),
    ]
    first, second, third = (choices[i] for i in generator.integers(0, len(choices) - 1, 3))
    choices.append(lambda s, o: s.SequentialLR(o, [first(s, o), second(s, o), third(s, o)], [m, m + n]))
    return choices[int(generator.integers(0, len(choices)))]


@pytest.mark.parametrize("seed", range(150))
@pytest.mark.parametrize("cls", ["SGD", "Adam"])
def test_schedule(seed, cls):
    """100 epochs of one or two random schedules on one optimizer agree to 1e-12."""
    results = []
    for library, make, optimizers in ((lr_scheduler, two_groups, optim), (torch_scheduler, torch_groups, torch.optim)):
        generator = np.random.default_rng(seed)
        optimizer = make(getattr(optimizers, cls))
        scheduler = random_schedule(generator)(library, optimizer)
        if seed % 3 == 0:
            also = random_schedule(generator)(library, optimizer)
            optimizer.register_step_post_hook(lambda *_, also=also: also.step() if also.last_epoch < 99 else None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.append(rates(optimizer, scheduler, 99))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-11 if seed % 3 == 0 else 1e-12, atol=1e-18)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (8, 6, 3), (6, 3, 3, 5), (4, 2, 3, 2, 2)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_constant_initializers(shape, dtype):
    """What is not random is PyTorch's exactly: zeros, ones, constants, identities, and fans."""
    from minitorch.nn import init

    calls = [("ones_", ()), ("zeros_", ()), ("constant_", (0.3,))]
    calls += [("eye_", ())] if len(shape) == 2 else [("dirac_", ()), ("dirac_", (2,))]
    for name, arguments in calls:
        ours = getattr(init, name)(minitorch.from_numpy(np.full(shape, 7, dtype)), *arguments)
        theirs = getattr(torch.nn.init, name)(torch.full(shape, 7, dtype=getattr(torch, dtype)), *arguments)
        assert np.array_equal(ours.array, theirs.numpy())
    fans = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    assert init._calculate_fan_in_and_fan_out(minitorch.zeros(shape)) == fans


@pytest.mark.parametrize("name", ["uniform_", "normal_", "trunc_normal_", "sparse_", "orthogonal_"])
@pytest.mark.parametrize("seed", range(3))
def test_random_initializers(name, seed):
    """Random values have PyTorch's distribution: the two samples' distribution functions stay close."""
    from minitorch.nn import init

    generator = np.random.default_rng(seed)
    a, b = float(generator.uniform(-2, 0)), float(generator.uniform(0.5, 2))
    arguments = {"uniform_": (a, b), "normal_": (a, b), "trunc_normal_": (a / 3, b, -2.0, 1.0), "sparse_": (0.3, b)}
    torch.manual_seed(seed)
    theirs = getattr(torch.nn.init, name)(torch.empty(300, 200), *arguments.get(name, ())).numpy().ravel()
    gen = minitorch.Generator().manual_seed(seed)
    ours = getattr(init, name)(minitorch.zeros(300, 200), *arguments.get(name, ()), generator=gen).array.ravel()
    grid = np.sort(np.concatenate([ours, theirs]))
    below = [np.searchsorted(np.sort(sample), grid, side="right") / sample.size for sample in (ours, theirs)]
    assert np.abs(below[0] - below[1]).max() < 2.0 * np.sqrt(2 / ours.size)  # Kolmogorov-Smirnov at 0.07 %
