"""Compiled steps: the bits of the function, whatever changes, and the function itself where a record can't be sure."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch as m
from minitorch import nn
from minitorch.compiler import Step, program
from minitorch.nn import functional as F
from minitorch.ops import conv


class Residual(nn.Module):
    """A net of a user's class, with a sum, a branch on what holds for a run, and a method."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), self.head()
        self.noisy = True

    def head(self, inputs: int = 8) -> nn.Module:
        """The last layer."""
        return nn.Linear(inputs, 10)

    def squeezed(self, x: Any) -> Any:
        """Every channel's mean."""
        return F.adaptive_avg_pool2d(x, 1).flatten(1)

    def forward(self, x: Any) -> Any:
        """Two layers and a shortcut."""
        x = F.relu(self.first(x))
        if self.noisy:
            x = F.dropout(x, 0.25, self.training)
        return self.last(self.squeezed(F.relu(x + self.second(x))))


NETS: dict[str, Callable[[], nn.Module]] = {
    "layers": lambda: nn.Sequential(nn.Flatten(), nn.Linear(432, 32), nn.Tanh(), nn.LayerNorm(32), nn.Linear(32, 10)),
    "tutorial": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96, 24), nn.ReLU(), nn.Linear(24, 10)
    ),
    "norm": lambda: nn.Sequential(
        nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.Conv2d(16, 16, 3),
        nn.BatchNorm2d(16), nn.GELU(), nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(256, 10),
    ),
    "groups": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 3, groups=6), nn.SiLU(), nn.ConvTranspose2d(6, 4, 3, stride=2),
        nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(4 * 21 * 21, 10),
    ),
    "residual": Residual,
}  # fmt: skip
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda params: m.optim.SGD(params, lr=0.05, momentum=0.9, weight_decay=1e-3),
    "Adam": lambda params: m.optim.Adam(params, lr=1e-3),
    "RMSprop": m.optim.RMSprop,
}


class Pair:
    """A net with its step, and the same with the step compiled."""

    def __init__(self, net: Callable[[], Any], optimizer: str = "SGD") -> None:
        self.nets, self.optimizers, self.steps = [], [], []  # type: tuple[list[Any], list[Any], list[Any]]
        for compiled in (False, True):
            m.manual_seed(0)
            model = net()
            opt = OPTIMIZERS[optimizer](model.parameters())

            def step(x: Any, y: Any, model: Any = model, opt: Any = opt) -> Any:
                opt.zero_grad()
                out = model(x)
                loss = F.cross_entropy(out, y)
                loss.backward()
                opt.step()
                return loss, out

            self.nets.append(model)
            self.optimizers.append(opt)
            self.steps.append(m.compile(step) if compiled else step)

    @property
    def case(self) -> Any:
        """How far the compiled step's newest kind of call is."""
        return list(self.steps[1]._cases.values())[-1]

    def run(self, seed: int, batch: int = 4, draws: bool = True) -> None:
        """Both steps on the same values: all bits must be the same, and the generators at the same place."""
        found = []
        for net, step in zip(self.nets, self.steps, strict=True):
            if draws:
                m.manual_seed(seed)
            loss, out = step(*data(seed, batch))
            tensors = [loss, out, *net.parameters(), *net.buffers(), *(p.grad for p in net.parameters())]
            bits: list[Any] = [t if t is None else t.array.tobytes() for t in tensors]
            found.append([*bits, loss.requires_grad, m.rand(1).item() if draws else 0.0])
        assert found[0] == found[1]


def data(seed: int, batch: int = 4) -> tuple[Any, Any]:
    """Images and labels."""
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((batch, 3, 12, 12), np.float32)
    return m.tensor(images), m.tensor(rng.integers(0, 10, batch))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("net", list(NETS))
def test_bits_are_the_functions(net: str, threads: int) -> None:
    """Every kind of layer, for any number of threads; the record runs from the fifth call on."""
    before = m.get_num_threads()
    try:
        m.set_num_threads(threads)
        pair = Pair(NETS[net])
        for seed in range(8):
            pair.run(seed)
            assert pair.case.ready == (seed > 2), pair.steps[1].refused
    finally:
        m.set_num_threads(before)


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_optimizers_go_on(optimizer: str) -> None:
    """Their state and their settings are their own: a learning rate that a scheduler changes is the next step's."""
    pair = Pair(NETS["tutorial"], optimizer)
    schedules = [m.optim.lr_scheduler.StepLR(opt, 2, 0.5) for opt in pair.optimizers]
    for seed in range(10):
        pair.run(seed)
        for schedule in schedules:
            schedule.step()
    assert pair.case.ready


def test_other_shapes_have_records_of_their_own() -> None:
    """The last batch of an epoch is smaller."""
    pair = Pair(NETS["tutorial"])
    for seed in range(12):
        pair.run(seed, 3 if seed % 4 == 3 else 4)
    assert [case.ready for case in pair.steps[1]._cases.values()] == [True, False]


def _set_noisy(net: Any) -> None:
    net.noisy = False


def _other_weight(net: Any) -> None:
    net.last.weight = nn.Parameter(net.last.weight.detach() * 2)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "eval": lambda net: net.eval(),
    "a hook of a module": lambda net: net.second.register_forward_hook(lambda module, args, out: out * 2),
    "a hook of a parameter": lambda net: net.last.weight.register_hook(lambda g: g * 2),
    "an attribute": _set_noisy,
    "another parameter": _other_weight,
    "frozen": lambda net: net.first.requires_grad_(False),
    "an exchanged layer": lambda net: setattr(net, "second", nn.Conv2d(8, 8, 1, bias=False)),
    "values": lambda net: net.load_state_dict({k: v * 2 for k, v in net.state_dict().items()}),
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_changes_are_noticed(change: str) -> None:
    """At once the function runs; what stays changed is recorded anew, and frozen parameters have no gradient."""
    pair = Pair(Residual)
    for seed in range(6):
        pair.run(seed)
    assert pair.case.ready
    for net in pair.nets:
        m.manual_seed(1)
        CHANGES[change](net)
        for p in net.parameters():
            p.grad = None if p.requires_grad else m.zeros_like(p)
    for seed in range(14):
        pair.run(seed)


def test_names_are_looked_up_each_time() -> None:
    """A global or an enclosing name with another value is noticed."""
    w, scale = m.ones(3, requires_grad=True), 2.0

    def f(x: Any) -> Any:
        loss = (w * x * scale * SCALE).sum()
        loss.backward()
        return loss

    global SCALE
    step = m.compile(f)
    for _ in range(6):
        assert step(m.ones(3)).item() == 18
    SCALE = 5.0
    assert step(m.ones(3)).item() == 30
    scale = 3.0
    assert step(m.ones(3)).item() == 45
    SCALE = 3.0
    assert w.grad is not None
    assert w.grad.tolist() == [6 * 6 + 10 + 15] * 3


SCALE = 3.0


def test_what_was_handed_out_stays() -> None:
    """Losses, outputs and gradients of one step are not those of the next, and its tape is freed as always."""
    pair = Pair(NETS["tutorial"])
    kept: list[Any] = []
    for seed in range(8):
        pair.run(seed)
        loss, out = pair.steps[1](*data(seed))
        pair.steps[0](*data(seed))
        grads = [p.grad for p in pair.nets[1].parameters()]
        kept.append(([loss, out, *grads], [t.array.copy() for t in (loss, out, *grads)]))
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()
    for tensors, values in kept:
        assert all((t.array == v).all() for t, v in zip(tensors, values, strict=True))


def test_errors_are_the_functions() -> None:
    """A label out of range raises as it does otherwise, whenever it comes, and the next step is right."""
    for bad in (0, 1, 2, 3, 5):
        pair = Pair(NETS["tutorial"])
        for seed in range(7):
            pair.run(seed)
            if seed == bad:
                for step in pair.steps:
                    with pytest.raises(IndexError, match="Target 10 is out of bounds"):
                        step(data(seed)[0], m.tensor([1, 2, 10, 3]))


def test_gradients_add_up() -> None:
    """A step that does not forget gradients adds to them."""
    w = m.ones(4, requires_grad=True)

    @m.compile
    def step(x: Any) -> None:
        (w * x).sum().backward()

    for i in range(1, 9):
        step(m.full((4,), float(i)))
        assert w.grad is not None
        assert w.grad.tolist() == [i * (i + 1) / 2] * 4
    w.grad = None
    step(m.ones(4))
    assert w.grad is not None
    assert w.grad.tolist() == [1.0] * 4


def test_functions_without_gradients() -> None:
    """Under no_grad a function of tensors is recorded as well; each result has memory of its own."""
    net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))

    @m.compile
    def f(x: Any) -> Any:
        with m.no_grad():
            return net(x).softmax(1)

    found = [f(m.full((2, 8), float(i))) for i in range(8)]
    assert f.refused == "" and next(iter(f._cases.values())).ready
    with m.no_grad():
        assert all((f(m.full((2, 8), float(i))) == found[i]).all() for i in range(8))
        assert all((net(m.full((2, 8), float(i))).softmax(1) == found[i]).all() for i in range(8))


# ------------------------------------------------------------------------------------------------------------- refused
net, counts, log = nn.Linear(3, 2), {"steps": 0}, list[Any]()
optimizer = m.optim.SGD(net.parameters(), lr=0.1)
schedule = m.optim.lr_scheduler.StepLR(optimizer, 1)


class Settings:
    """What may change unseen."""

    scale = 2.0


settings = Settings()


def asks(x: Any) -> Any:
    """Reads a value."""
    return x * 2 if net(x).sum().item() > 0 else x


def branches(x: Any) -> Any:
    """Asks whether a tensor is true."""
    return x * 2 if (x > 0).all() else x * 3


def prints(x: Any) -> Any:
    """Prints."""
    print(x)
    return x * 2


def grows(x: Any) -> Any:
    """Adds to a list."""
    log.append(1)
    return x * 2


def counting(x: Any) -> Any:
    """Changes a dict."""
    counts["steps"] += 1
    return x * 2


def reads(x: Any) -> Any:
    """Reads an attribute of an object of an unknown class."""
    return x * settings.scale


def schedules(x: Any) -> Any:
    """Steps a scheduler."""
    optimizer.step()
    schedule.step()
    return x * 2


def changes(x: Any) -> Any:
    """Changes its argument."""
    x += 1
    return x * 2


def clips(x: Any) -> Any:
    """Changes gradients in place."""
    net(x).sum().backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    return x * 2


def draws(x: Any) -> Any:
    """Draws numbers that no seed stands for."""
    return x * m.rand(4, 3)


def shows(x: Any) -> Any:
    """Gives back what it was given."""
    return x[0]


def catches(x: Any) -> Any:
    """Catches an exception."""
    try:
        return x @ net.weight
    except RuntimeError:
        return x * 2


def rates(x: Any) -> Any:
    """Reads a setting of an optimizer."""
    return x * optimizer.param_groups[0]["lr"]


def lives(x: Any) -> Any:
    """Returns what can be differentiated."""
    return net(x)


def numbers(x: Any) -> Any:
    """Computes with NumPy."""
    return x * m.tensor(np.tanh(x.numpy()))


def eyes(x: Any) -> Any:
    """Computes integers from values, outside of primitives."""
    return F.one_hot(x.long().clamp(0, 2)).float() * x.sum()


def chooses(x: Any) -> Any:
    """Takes the elements that a mask holds for: as many as there are."""
    return x[x > -1].sum() * x


def packs(x: Any) -> Any:
    """Has the library look at values, on which its way depends."""
    lengths = m.tensor([3, 2, 2, 1])
    return nn.utils.rnn.pack_padded_sequence(x.unsqueeze(2), lengths, batch_first=True).data * 2


def embeds(x: Any) -> Any:
    """Has the library check values, outside of primitives."""
    return F.embedding((x > 0).long(), x)


REFUSED: dict[Callable[..., Any], str] = {
    asks: "asks calls item",
    branches: "looks at values (reduce)",
    prints: "prints calls print",
    grows: "log is of a class that may change: list",
    counting: "counts is of a class that may change: dict",
    reads: "settings is of a class that may change: Settings",
    schedules: "schedule is of a class that may change: StepLR",
    changes: "what the step did not make is changed in place",
    clips: "what the step did not make is changed in place",
    draws: "draws calls",
    shows: "it returns a view, or what it was given",
    catches: "catches exceptions",
    rates: "rates reads .param_groups",
    lives: "what it returns can be differentiated",
    numbers: "np is of a class that may change: module",
    chooses: "by a mask gives as many elements",
    packs: "packs reads .data",
    embeds: "embedding looks at values (min)",
    eyes: "is given what nobody saw computed",
}


@pytest.mark.parametrize("function", REFUSED, ids=lambda f: f.__name__)
def test_refused(function: Any, capsys: Any) -> None:
    """What might have an effect, or depend on what nobody sees, runs as it is: each call has all its effects."""
    rng, step = np.random.default_rng(0), m.compile(function)
    before, lr = (len(log), counts["steps"]), optimizer.param_groups[0]["lr"]
    for i in range(8):
        x = m.tensor(rng.standard_normal((4, 3), np.float32))
        y = x.clone()
        m.manual_seed(i)
        found = step(x)
        m.manual_seed(i)
        assert (function(y) == found).all()
        net.zero_grad()
    assert REFUSED[function] in step.refused and not any(case.ready for case in step._cases.values())
    effects = {"grows": (16, 0), "counting": (0, 16)}.get(function.__name__, (0, 0))
    assert (len(log) - before[0], counts["steps"] - before[1]) == effects
    assert capsys.readouterr().out.count("tensor") == (16 if function is prints else 0)
    assert function is not schedules or optimizer.param_groups[0]["lr"] == pytest.approx(lr * 0.1**16)


@pytest.mark.parametrize("how", ["return found + b.reshape(-1, 1, 1)", "found += b.reshape(-1, 1, 1); return found"])
def test_unseen_computing_comes_to_light(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An op that is said to do nothing but launch kernels, and computes with NumPy besides, makes no record."""
    names: dict[str, Any] = {"conv": conv.conv_bias.function}
    text = f"def bent(x, w, b, *, geometry):\n    found = conv(x, w, b, geometry=geometry)\n    {how}"
    exec(compile(text, conv.__file__, "exec"), names)  # code of the library, which is not looked through
    monkeypatch.setattr(conv.conv_bias, "function", names["bent"])
    pair = Pair(NETS["tutorial"])
    for seed in range(6):
        pair.run(seed)
    news = "something that is computed was not seen" if "+=" in how else "relu is given what nobody saw computed"
    assert pair.steps[1].refused == news


def test_large_steps_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """With many bytes there is little Python, and nothing is kept."""
    monkeypatch.setattr(program, "LARGE", 10_000)
    pair = Pair(NETS["tutorial"])
    for seed in range(6):
        pair.run(seed)
    assert "so large" in pair.steps[1].refused and pair.case.program is None


def test_other_threads_and_processes() -> None:
    """Another thread may call the step meanwhile; a forked child runs the function."""
    pairs, wrong = [Pair(NETS["tutorial"]) for _ in range(3)], list[Any]()
    pair = pairs[0]

    def train(pair: Pair) -> None:
        try:
            for seed in range(30):
                pair.run(seed, draws=False)
        except BaseException as error:  # noqa: BLE001 the test raises it
            wrong.append(error)

    threads = [threading.Thread(target=train, args=(pair,)) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    for seed in range(5):
        pair.run(seed)
    assert pair.case.ready
    child = os.fork()
    if not child:
        try:
            pair.run(100)
            os._exit(0)
        except BaseException:  # noqa: BLE001 the parent tells
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    pair.run(101)


def test_what_compile_takes() -> None:
    """Functions become steps, modules and builtins stay what they are; PyTorch's settings are taken."""
    module = nn.Linear(2, 2)
    assert m.compile(module) is module and m.compile(len) is len
    assert isinstance(m.compile(mode="max-autotune")(asks), Step) and m.compile(asks, disable=True) is asks
    step = m.compile(asks, fullgraph=True, dynamic=False, backend="inductor")
    assert (step.__name__, step.__doc__) == (asks.__name__, asks.__doc__) and "asks" in repr(step)
    assert m.compiler.disable(asks) is asks and m.compiler.disable()(asks) is asks and not m.compiler.is_compiling()
