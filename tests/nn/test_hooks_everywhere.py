"""Hooks of modules beside the everyday ones of test_module_hooks.py: of all modules, of states, where something raises."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

import minitorch as mt
from minitorch import nn
from minitorch.nn.modules import module as everywhere


@pytest.fixture
def handles() -> Iterator[list]:
    """Hooks of all modules, which are taken out after the test."""
    found: list = []
    yield found
    for handle in found:
        handle.remove()


def linear() -> nn.Linear:
    """[1 2; 3 4], without a bias."""
    layer = nn.Linear(2, 2, bias=False)
    layer.weight.data = mt.tensor([[1.0, 2], [3, 4]])
    return layer


def test_order_of_all_kinds(handles: list) -> None:
    """Those of all modules first, then the module's own; backward from outside in."""
    log: list = []
    handles += [
        everywhere.register_module_forward_pre_hook(lambda m, args: log.append(("before", type(m).__name__))),
        everywhere.register_module_forward_hook(lambda m, args, out: log.append(("after", type(m).__name__))),
        everywhere.register_module_full_backward_hook(lambda m, gx, gy: log.append(("back", type(m).__name__))),
        everywhere.register_module_full_backward_pre_hook(lambda m, gy: log.append(("back before", type(m).__name__))),
    ]
    layer = linear()
    net = nn.Sequential(layer)
    layer.register_forward_pre_hook(lambda m, args: log.append("own before"))
    layer.register_forward_hook(lambda m, args, out: log.append("own after"))
    layer.register_full_backward_hook(lambda m, gx, gy: log.append("own back"))
    layer.register_full_backward_pre_hook(lambda m, gy: log.append("own back before"))
    net(mt.ones(1, 2, requires_grad=True)).sum().backward()
    assert log == [
        ("before", "Sequential"),
        ("before", "Linear"),
        "own before",
        ("after", "Linear"),
        "own after",
        ("after", "Sequential"),
        ("back before", "Sequential"),
        ("back before", "Linear"),
        "own back before",
        ("back", "Linear"),
        "own back",
        ("back", "Sequential"),
    ]
    for handle in handles:
        handle.remove()
    del log[:]
    net(mt.ones(1, 2))
    assert log == ["own before", "own after"]


def test_hooks_of_all_modules_replace(handles: list) -> None:
    """Arguments and outputs, and gradients."""
    handles += [
        everywhere.register_module_forward_pre_hook(lambda m, args: args[0] * 2),
        everywhere.register_module_forward_hook(lambda m, args, kwargs, out: out + 1, with_kwargs=True),
        everywhere.register_module_backward_hook(lambda m, gx, gy: (gx[0] * 10,)),
    ]
    x = mt.ones(1, 2, requires_grad=True)
    out = linear()(x)
    assert out.tolist() == [[7, 15]]
    out.sum().backward()
    assert x.grad.tolist() == [[80, 120]]


def test_hooks_of_registration(handles: list) -> None:
    """Whoever becomes a member passes; what the hook returns takes its place."""
    log: list = []
    handles += [
        everywhere.register_module_parameter_registration_hook(lambda m, name, p: log.append(("parameter", name))),
        everywhere.register_module_buffer_registration_hook(lambda m, name, b: log.append(("buffer", name))),
        everywhere.register_module_module_registration_hook(
            lambda m, name, s: nn.Identity() if isinstance(s, nn.ReLU) else log.append(("module", name))
        ),
    ]
    net = nn.Sequential(nn.BatchNorm1d(2))
    net.extra = nn.ReLU()
    assert log == [
        ("parameter", "weight"),
        ("parameter", "bias"),
        ("buffer", "running_mean"),
        ("buffer", "running_var"),
        ("buffer", "num_batches_tracked"),
        ("module", "0"),
    ]
    assert isinstance(net.extra, nn.Identity)


def test_always_call_when_forward_raises() -> None:
    """With what there is so far; hooks that ran already and those that raised are not called again."""
    seen: list = []

    def raising(module: Any, args: Any, out: Any) -> None:
        seen.append("raising")
        raise KeyError("hook")

    layer = linear()
    layer.register_forward_hook(lambda m, args, out: seen.append(("first", out.tolist())), always_call=True)
    layer.register_forward_hook(raising, always_call=True)
    layer.register_forward_hook(lambda m, args, out: seen.append("never"))
    layer.register_forward_hook(
        lambda m, args, kwargs, out: seen.append((kwargs, out.tolist())), always_call=True, with_kwargs=True
    )
    with pytest.raises(KeyError, match="hook"):
        layer(mt.ones(1, 2))
    assert seen == [("first", [[3, 7]]), "raising", ({}, [[3, 7]])]
    del seen[:]
    broken = linear()
    broken.register_forward_pre_hook(lambda m, args: 1 / 0)
    broken.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    broken.register_forward_hook(raising, always_call=True)
    with pytest.warns(UserWarning, match="silenced"), pytest.raises(ZeroDivisionError):
        broken(mt.ones(1, 2))
    assert seen == [None, "raising"]


def test_hooks_of_states() -> None:
    """Before and after saving and loading, in this order, with the prefix of the module."""
    log: list = []
    layer = linear()
    net = nn.Sequential(layer)
    layer.register_state_dict_pre_hook(lambda m, prefix, keep: log.append(("save", prefix, keep)))
    layer.register_state_dict_post_hook(lambda m, state, prefix, meta: state.update({f"{prefix}old": mt.ones(1)}))
    layer.register_load_state_dict_pre_hook(
        lambda m, state, prefix, meta, strict, missing, unexpected, errors: state.pop(f"{prefix}old", None)
    )
    layer.register_load_state_dict_post_hook(
        lambda m, keys: log.append(("loaded", list(keys.missing_keys), list(keys.unexpected_keys)))
    )
    state = net.state_dict()
    assert list(state) == ["0.weight", "0.old"] and log == [("save", "0.", False)]
    other = copy.deepcopy(net)
    other[0].weight.data.zero_()
    assert str(other.load_state_dict(state)) == "<All keys matched successfully>" and "0.old" in state
    assert other[0].weight.tolist() == [[1, 2], [3, 4]] and log[-1] == ("loaded", [], [])
    assert net.load_state_dict({"x": mt.ones(1)}, strict=False) == (["0.weight"], ["x"])
    assert log[-1] == ("loaded", ["0.weight"], ["x"])


def test_hooks_of_states_decide() -> None:
    """A hook may forgive missing keys, name errors, or replace the whole dict."""
    layer = linear()
    layer.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    assert layer.load_state_dict({}) == ([], [])
    layer = linear()
    layer.register_load_state_dict_post_hook(lambda m, keys: None)
    with pytest.raises(RuntimeError, match=r"Missing key\(s\) in state_dict: \"weight\""):
        layer.load_state_dict({})
    layer._register_load_state_dict_pre_hook(lambda *args: args[-1].append("too old"))
    with pytest.raises(RuntimeError, match="too old"):
        layer.load_state_dict(layer.state_dict())
    layer._register_state_dict_hook(lambda m, state, prefix, meta: {"all": 1})
    assert layer.state_dict() == {"all": 1}


def test_hooks_of_states_return_nothing() -> None:
    """PyTorch's classes of errors."""
    layer = linear()
    layer.register_state_dict_post_hook(lambda *args: {})
    with pytest.raises(RuntimeError, match="must return None"):
        layer.state_dict()
    layer = linear()
    layer.register_load_state_dict_post_hook(lambda *args: 1)
    with pytest.raises(AssertionError, match="not expected to return"):
        layer.load_state_dict(layer.state_dict())


def test_the_older_backward_hook() -> None:
    """Sees the gradients of the output, as class activation maps need it."""
    seen: list = []
    layer = linear()
    layer.register_backward_hook(lambda m, gx, gy: seen.append(gy[0].tolist()))
    layer(mt.ones(1, 2, requires_grad=True)).sum().backward()
    assert seen == [[[1, 1]]]


def test_extra_state_stands_behind_its_module() -> None:
    """As in PyTorch: own members, own extra state, then the submodules."""

    class Counting(nn.Linear):
        def get_extra_state(self) -> int:
            return 7

        def set_extra_state(self, state: int) -> None:
            self.seen = state

    net = nn.Sequential(Counting(1, 1, bias=False), linear())
    assert list(net.state_dict()) == ["0.weight", "0._extra_state", "1.weight"]
    net.load_state_dict(net.state_dict())
    assert net[0].seen == 7
