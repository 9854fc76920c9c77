"""Tests of unit 5: modules, their initial scale, and optimizers."""

import math

import numpy as np

import minitorch
from minitorch import nn
from minitorch.course.telling import Mistake, answer, same


class Part(nn.Module):
    """A parameter, a buffer, and whatever is put below it."""

    def __init__(self, value, **below):
        super().__init__()
        self.w = nn.Parameter(minitorch.tensor([float(value)]))
        self.register_buffer("seen", minitorch.tensor([value * 10.0]))
        for name, module in below.items():
            setattr(self, name, module)


def model():
    """Four parts: a, b, and under b once more a, which is shared."""
    a = Part(1)
    return Part(0, a=a, b=Part(2, inner=Part(3), again=a))


# --------------------------------------------------------------------------------------------------------- 5.1: walks


def test_5_1_modules():
    """A module comes before what is below it, under dotted names; a shared one once."""
    net = model()
    names = [name for name, _ in net.named_modules()]
    expected = ["", "a", "b", "b.inner"]
    if names == ["", "a", "b", "b.inner", "b.again"]:
        raise Mistake(f"the modules are {names}: b.again is the same module as a, and was to come once; keep a memo")
    if sorted(names) == sorted(expected) and names != expected:
        raise Mistake(f"the modules come in the order {names}: a module comes before what is below it: {expected}")
    if names != expected:
        raise Mistake(f"the modules are {names}, expected {expected}")
    every = [name for name, _ in net.named_modules(remove_duplicate=False)]
    if every != [*expected, "b.again"]:
        raise Mistake(f"with remove_duplicate=False the modules are {every}, expected {[*expected, 'b.again']}")


def test_5_1_prefix_and_none():
    """A prefix stands before all names; a submodule that is None is passed over."""
    net = Part(0, a=Part(1))
    net.register_module("nothing", None)
    try:
        names = [name for name, _ in net.named_modules(prefix="net")]
    except AttributeError as error:
        raise Mistake(f"a submodule may be None, which is passed over: {error}") from None
    if names != ["net", "net.a"]:
        raise Mistake(f"with the prefix 'net' the modules are {names}, expected ['net', 'net.a']")


def test_5_1_parameters():
    """Names, order, and each parameter once, whether a module or the parameter itself is shared."""
    net = model()
    names = [name for name, _ in net.named_parameters()]
    if names != ["w", "a.w", "b.w", "b.inner.w"]:
        raise Mistake(f"the parameters are {names}, expected ['w', 'a.w', 'b.w', 'b.inner.w']")
    tied = Part(5)
    tied.same = tied.w
    found = [name for name, _ in tied.named_parameters()]
    if found == ["w", "same"]:
        raise Mistake("a parameter under two names came twice: an optimizer would take two steps with it")
    if found != ["w"]:
        raise Mistake(f"a parameter under the names w and same: it came as {found}, expected ['w']")
    tied.register_parameter("nothing", None)
    if [name for name, _ in tied.named_parameters(remove_duplicate=False)] != ["w", "same"]:
        raise Mistake("with remove_duplicate=False a parameter comes under each of its names, and None never")


def test_5_1_buffers_and_depth():
    """The same walk, of another dict; and not below, with recurse=False."""
    net = model()
    names = [name for name, _ in net.named_buffers()]
    if names != ["seen", "a.seen", "b.seen", "b.inner.seen"]:
        raise Mistake(f"the buffers are {names}, expected ['seen', 'a.seen', 'b.seen', 'b.inner.seen']")
    own = [name for name, _ in net.named_parameters(recurse=False)]
    if own != ["w"]:
        raise Mistake(f"with recurse=False the parameters are {own}, expected ['w']: only the module's own")


# --------------------------------------------------------------------------------------------------------- 5.2: state


def test_5_2_train_and_eval():
    """The mode reaches every module, however deep, and the call returns the module."""
    net = model()
    if net.eval() is not net:
        raise Mistake("eval() and train() return the module itself, so that one can write net = Net().eval()")
    left = [name for name, module in net.named_modules() if module.training]
    if left:
        raise Mistake(
            f"after eval() these are still in training mode: {left}; the mode is that of all modules below, too"
        )
    net.train()
    left = [name for name, module in net.named_modules() if not module.training]
    if left:
        raise Mistake(f"after train() these are still in eval mode: {left}")


def test_5_2_state_dict():
    """Parameters and buffers under dotted names, detached, sharing memory."""
    net = Part(1, a=Part(2))
    net.register_buffer("scratch", minitorch.zeros(1), persistent=False)
    state = net.state_dict()
    if list(state) != ["w", "seen", "a.w", "a.seen"]:
        raise Mistake(
            f"the state has {list(state)}, expected ['w', 'seen', 'a.w', 'a.seen']: parameters, then buffers that are "
            "persistent"
        )
    if state["w"].requires_grad:
        raise Mistake("a tensor of the state requires grad: the state holds detached tensors, unless keep_vars")
    if net.state_dict(keep_vars=True)["w"] is not net.w:
        raise Mistake("with keep_vars=True the state holds the parameters themselves")
    with minitorch.no_grad():
        net.w.fill_(7.0)
    same(state["w"], [7.0], "what a state says of a parameter that has changed since, with which it shares memory,")


def test_5_2_load():
    """What was saved comes back."""
    source, target = model(), model()
    with minitorch.no_grad():
        for i, p in enumerate(source.parameters()):
            p.fill_(100.0 + i)
    found = target.load_state_dict(source.state_dict())
    same([p.item() for p in target.parameters()], [100.0, 101.0, 102.0, 103.0], "the parameters after loading")
    if found.missing_keys or found.unexpected_keys:
        raise Mistake(f"the same model's state was loaded, but this came back: {found}")


def test_5_2_load_all_or_nothing():
    """Two wrong shapes: both are named, and nothing has changed."""
    net = Part(1, a=Part(2), b=Part(3))
    state = {key: value.clone() for key, value in Part(51, a=Part(52), b=Part(53)).state_dict().items()}
    state["a.w"], state["b.seen"] = minitorch.zeros(2), minitorch.zeros(3)
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        if isinstance(error, NotImplementedError):
            raise
        missing = [key for key in ("a.w", "b.seen") if key not in str(error)]
        if missing:
            raise Mistake(
                f"two tensors have wrong shapes, but the error does not name {missing}: collect all"
            ) from None
    else:
        raise Mistake("a.w and b.seen had wrong shapes, and load_state_dict raised nothing")
    mistakes = {"something was loaded before everything was checked: all or nothing": [51.0, 2.0, 3.0]}
    answer(
        [p.item() for p in net.parameters()], [1.0, 2.0, 3.0], "the parameters after a failed load_state_dict", mistakes
    )


# --------------------------------------------------------------------------------------------------------- 5.3: scale


def test_5_3_fans():
    """How many inputs an output sums over, and how many outputs an input reaches."""
    for sizes, expected in (((5, 3), (3, 5)), ((8, 4, 3, 3), (36, 72)), ((2, 6, 5), (30, 10))):
        found = nn.init._calculate_fan_in_and_fan_out(minitorch.zeros(*sizes))
        mistakes = {
            "fan in and fan out are exchanged: a weight is (outputs, inputs, ...)": expected[::-1],
            "the taps of the window are forgotten: each input comes in with every tap": (sizes[1], sizes[0]),
        }
        answer(found, expected, f"(fan in, fan out) of a weight {sizes}", mistakes)


def test_5_3_deviation():
    """gain / sqrt(fan)."""
    w = minitorch.zeros(50, 200)
    for mode, fan in (("fan_in", 200), ("fan_out", 50)):
        found = nn.init._kaiming_deviation(w, 0, mode, "relu")
        mistakes = {
            "the root is missing": math.sqrt(2) / fan,
            "the gain is missing": 1 / math.sqrt(fan),
            "the other fan was taken": math.sqrt(2 / (250 - fan)),
        }
        answer(found, math.sqrt(2 / fan), f"the deviation for relu of a weight (50, 200), mode {mode},", mistakes)


def test_5_3_uniform():
    """A uniform distribution over [-b, b) has the deviation b / sqrt(3)."""
    minitorch.manual_seed(53)
    w = nn.init.kaiming_uniform_(minitorch.empty(100, 400), nonlinearity="relu").array
    expected = math.sqrt(2 / 400)
    bound = np.abs(w).max()
    if abs(bound - expected) < 0.02 * expected:
        raise Mistake("the bound is the deviation itself; a uniform distribution over [-b, b) deviates by b / sqrt(3)")
    same(bound, math.sqrt(3) * expected, "the largest of 40,000 values, which is to be near the bound,", rtol=0.01)
    same(w.std(), expected, "the deviation of 40,000 values", rtol=0.02)


def test_5_3_depth():
    """Twenty layers of relu: what comes in with deviation 1 neither dies out nor explodes."""
    minitorch.manual_seed(54)
    x = np.random.default_rng(55).normal(size=(200, 100)).astype(np.float32)
    for _ in range(20):
        w = nn.init.kaiming_uniform_(minitorch.empty(100, 100), nonlinearity="relu").array
        x = np.maximum(x @ w.T, 0)
    size = math.sqrt(float((x**2).mean()))
    if not 0.2 < size < 5:
        raise Mistake(f"after 20 layers of relu the root mean square is {size:.2g}, and was 1: the scale is wrong")


# ----------------------------------------------------------------------------------------------------------- 5.4: SGD


def _steps(optimizer, p, gradients):
    """The parameter after each step."""
    out = []
    for g in gradients:
        p.grad = minitorch.tensor([g], dtype=minitorch.float64)
        optimizer.step()
        out.append(p.item())
        if p.grad.item() != g:
            raise Mistake("the step has changed the gradient; it belongs to the user")
    return out


def _parameter(value=1.0):
    return minitorch.tensor([value], dtype=minitorch.float64, requires_grad=True)


def test_5_4_plain():
    """p -= lr * g, with and without weight decay, up and down."""
    p = _parameter()
    mistakes = {"the sign is wrong: steps go against the gradient": [1.2, 1.1]}
    answer(
        _steps(minitorch.optim.SGD([p], lr=0.1), p, [2.0, -1.0]), [0.8, 0.9], "p after two steps with lr 0.1", mistakes
    )
    p = _parameter()
    found = _steps(minitorch.optim.SGD([p], lr=0.1, weight_decay=0.5), p, [2.0])
    same(found, [1 - 0.1 * (2 + 0.5)], "p after a step with weight_decay 0.5")
    p = _parameter()
    found = _steps(minitorch.optim.SGD([p], lr=0.1, weight_decay=0.5, maximize=True), p, [2.0])
    same(found, [1 - 0.1 * (-2 + 0.5)], "p after a step with maximize and weight_decay 0.5")


def test_5_4_momentum():
    """b = momentum * b + g; the first time b = g."""
    p = _parameter(0.0)
    mistakes = {
        "without the old buffer: b is momentum times b, plus g": [-1.0, -2.0, -3.0],
        "the first step counts g with the share 1 - momentum; here b = g at first, and shares are 1 - dampening": [
            -0.1,
            -0.29,
            -0.561,
        ],
    }
    found = _steps(minitorch.optim.SGD([p], lr=1.0, momentum=0.9), p, [1.0, 1.0, 1.0])
    answer(found, [-1.0, -2.9, -5.61], "p after three steps with momentum 0.9", mistakes)
    p = _parameter(0.0)
    found = _steps(minitorch.optim.SGD([p], lr=1.0, momentum=0.5, dampening=0.25), p, [1.0, 1.0])
    answer(
        found,
        [-1.0, -2.25],
        "p after two steps with momentum 0.5 and dampening 0.25",
        {"dampening is for later steps: the first buffer is g itself": [-0.75, -1.875]},
    )


def test_5_4_nesterov():
    """The direction looks ahead: g + momentum * b."""
    p = _parameter(0.0)
    found = _steps(minitorch.optim.SGD([p], lr=1.0, momentum=0.9, nesterov=True), p, [1.0, 1.0])
    mistakes = {
        "this is momentum without nesterov: the direction is g + momentum * b": [-1.0, -2.9],
        "the buffer itself was moved ahead: nesterov changes the direction, not what is remembered": [-1.9, -5.339],
    }
    answer(found, [-1.9, -4.61], "p after two steps with nesterov and momentum 0.9", mistakes)


# ---------------------------------------------------------------------------------------------------------- 5.5: Adam


def _adam(gradients, lr, beta1, beta2, eps, correct=(True, True), root=True, peak=False):
    p, m, v, top, out = 0.0, 0.0, 0.0, 0.0, []
    for i, g in enumerate(gradients, 1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        top = max(top, v) if peak else v
        mean = m / (1 - beta1**i) if correct[0] else m
        square = top / (1 - beta2**i) if correct[1] else top
        p -= lr * mean / ((math.sqrt(square) if root else square) + eps)
        out.append(p)
    return out


def test_5_5_steps():
    """Five steps by the formulas of the class, written with plain numbers."""
    gradients, settings = [1.0, -0.5, 3.0, 2.0, 0.1], (0.1, 0.8, 0.9, 1e-3)
    p = _parameter(0.0)
    found = _steps(minitorch.optim.Adam([p], lr=0.1, betas=(0.8, 0.9), eps=1e-3), p, gradients)
    mistakes = {
        "the averages are not corrected: at first they are too near to 0": _adam(gradients, *settings, (False, False)),
        "m is not corrected: at first it is too near to 0": _adam(gradients, *settings, (False, True)),
        "v is not corrected: at first it is too near to 0": _adam(gradients, *settings, (True, False)),
        "the root of v is missing": _adam(gradients, *settings, root=False),
        "the betas are exchanged": _adam(gradients, 0.1, 0.9, 0.8, 1e-3),
        "the sign is wrong: steps go against the gradient": [-x for x in _adam(gradients, *settings)],
    }
    answer(found, _adam(gradients, *settings), "p after each of five steps of Adam", mistakes)


def test_5_5_size_of_a_step():
    """The first step is lr, whatever the size of the gradient."""
    for g in (1e-4, 1.0, 1e4):
        p = _parameter(0.0)
        same(
            _steps(minitorch.optim.Adam([p], lr=0.01, eps=1e-12), p, [g]),
            [-0.01],
            f"p after one step with a gradient of {g}",
        )


def test_5_5_state():
    """The averages are kept in the state, in place."""
    p = _parameter(0.0)
    optimizer = minitorch.optim.Adam([p], lr=0.1, betas=(0.5, 0.75))
    _steps(optimizer, p, [2.0, 4.0])
    state = optimizer.state[p]
    same(state["exp_avg"], [2.5], "the average of the gradients 2 and 4, with beta1 = 1/2,")
    same(state["exp_avg_sq"], [4.75], "the average of their squares, with beta2 = 3/4,")


def test_5_5_amsgrad():
    """The largest v so far stands in for v."""
    gradients = [3.0, 0.1, 0.1]
    p = _parameter(0.0)
    found = _steps(minitorch.optim.Adam([p], lr=0.1, betas=(0.8, 0.5), eps=1e-3, amsgrad=True), p, gradients)
    expected = _adam(gradients, 0.1, 0.8, 0.5, 1e-3, peak=True)
    without = _adam(gradients, 0.1, 0.8, 0.5, 1e-3)
    answer(
        found,
        expected,
        "p after each of three steps with amsgrad",
        {"peak, the largest v so far, is not used": without},
    )
