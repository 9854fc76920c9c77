"""Hooks of modules, and the containers of modules and parameters."""

from collections import OrderedDict

import numpy as np
import pytest

import minitorch
from minitorch import nn

ones = minitorch.ones

# ---------------------------------------------------------------------------------------------------------------- hooks


def test_forward_hooks():
    """Hooks see and may replace arguments and output, in order, until they are removed."""
    layer, seen = nn.Linear(2, 2), []
    first = layer.register_forward_pre_hook(lambda m, args: seen.append(args[0].shape))
    second = layer.register_forward_pre_hook(lambda m, args: args[0] * 0)
    third = layer.register_forward_hook(lambda m, args, out: (seen.append((args[0].sum().item(), m)), out + 1)[1])
    out = layer(ones(3, 2))
    assert seen == [(3, 2), (0.0, layer)]
    np.testing.assert_allclose(out.detach().numpy(), layer.bias.detach().numpy() + np.ones((3, 2)), rtol=1e-6)
    for handle in (first, second, third):
        handle.remove()
    layer(ones(3, 2))
    assert len(seen) == 2


def test_backward_hook():
    """A full backward hook sees both gradients and may replace the input's."""
    layer, seen = nn.Linear(2, 2), []
    x = ones(3, 2, requires_grad=True)
    with layer.register_full_backward_hook(lambda m, gx, gy: seen.append((m, gx, gy))):
        layer(x).sum().backward()
    (module, (gx,), (gy,)) = seen[0]
    assert module is layer and (gy.numpy() == 1).all()
    np.testing.assert_array_equal(gx.numpy(), x.grad.numpy())
    np.testing.assert_allclose(gx.numpy(), np.ones((3, 2)) @ layer.weight.detach().numpy(), rtol=1e-6)
    x.grad = None
    layer.register_full_backward_hook(lambda m, gx, gy: (gx[0] * 2,))
    layer(x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * gx.numpy())


def test_backward_hook_without_input_gradient():
    """Where no input needs a gradient the hook still runs, with None."""
    layer, seen = nn.Linear(2, 2), []
    layer.register_full_backward_hook(lambda m, gx, gy: seen.append((gx, gy[0].shape)))
    layer(ones(3, 2)).sum().backward()
    assert seen == [((None,), (3, 2))]
    with minitorch.no_grad():
        layer(ones(3, 2))


def test_backward_hook_of_several_tensors():
    """Arguments and outputs each have their place; None stands where no gradient goes or came."""
    seen = []

    class Two(nn.Module):
        def forward(self, x, y, n):
            return x * n, y, x + y

    module = Two()
    module.register_full_backward_hook(lambda m, gx, gy: seen.append((gx, gy)))
    x, y = ones(1, requires_grad=True), ones(1)
    first, _, last = module(x, y, 3)
    (first + last * 2).backward()
    ((gx, none, nothing), (g, missing, h)) = seen[0]
    assert (gx.item(), g.item(), h.item()) == (5, 1, 2) and none is nothing is missing is None
    assert x.grad.item() == 5


def test_backward_hook_limits():
    """What backward hooks don't support is said, not ignored."""
    module = nn.Identity()
    module.forward = lambda x: {"x": x}
    handle = module.register_full_backward_hook(lambda m, gx, gy: None)
    x = ones(1, requires_grad=True)
    with pytest.warns(UserWarning, match="returned dict"):
        module(x)["x"].backward()
    assert x.grad.tolist() == [1]
    handle.remove()
    del module.forward
    x = ones(1, requires_grad=True)
    handle = module.register_full_backward_hook(lambda m, gx, gy: (gx[0], gx[0]))
    with handle, pytest.raises(RuntimeError, match="invalid number of grad_input, got 2, but expected 1"):
        module(x).backward()
    linear = nn.Linear(1, 1)
    linear.register_full_backward_hook(lambda m, gx, gy: gy)
    with pytest.raises(RuntimeError, match="no input requires gradient"):
        linear(ones(1)).backward()


def test_hooks_in_front():
    """prepend puts a hook before the others, also one before backward, which may replace the gradients of outputs."""
    order, layer = [], nn.Identity()
    for prepend in (False, True):
        layer.register_forward_pre_hook(lambda m, args, p=prepend: order.append(("before", p)), prepend=prepend)
        layer.register_forward_hook(lambda m, args, out, p=prepend: order.append(("after", p)), prepend=prepend)
        layer.register_full_backward_hook(lambda m, gx, gy, p=prepend: order.append(("left", p)), prepend=prepend)
    layer.register_full_backward_pre_hook(lambda m, gy: (gy[0] * 3,))
    layer.register_full_backward_pre_hook(lambda m, gy: gy[0] + 1, prepend=True)
    x = ones(1, requires_grad=True)
    layer(x).backward()
    assert order == [(when, p) for when in ("before", "after", "left") for p in (True, False)]
    assert x.grad.item() == 6


def test_hooks_that_see_keywords():
    """with_kwargs, before and after; and always_call, which a failed forward does not keep away."""
    seen = []

    class Scale(nn.Module):
        def forward(self, x, *, by):
            return x * by

    layer = Scale()
    layer.register_forward_pre_hook(lambda m, args, kwargs: (args, {"by": kwargs["by"] + 1}), with_kwargs=True)
    layer.register_forward_hook(lambda m, args, kwargs, out: out + kwargs["by"], with_kwargs=True)
    assert layer(ones(1), by=2).item() == 6
    layer.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    with pytest.raises(TypeError):
        layer("a", by=2.5)
    assert seen == [None]
    layer.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="new_args, new_kwargs"):
        layer(ones(1), by=2)


# ----------------------------------------------------------------------------------------------------------- containers


def test_sequential():
    """Named by position or by an OrderedDict; indexed, sliced, changed."""
    a, b, c, d = nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.Identity()
    net = nn.Sequential(a, b)
    assert net.append(c) is net and net.insert(0, d) is net and list(net) == [d, a, b, c] and len(net) == 4
    assert net[0] is d and net[-1] is c and list(net[1:3]) == [a, b] and type(net[1:3]) is nn.Sequential
    del net[0]
    assert list(net) == [a, b, c] and list(net._modules) == ["0", "1", "2"]
    assert net.pop(1) is b and list(net) == [a, c]
    net[1] = b
    assert list(net.extend([c]) + nn.Sequential(d)) == [a, b, c, d]
    net += nn.Sequential(d)
    assert len(net) == 4
    named = nn.Sequential(OrderedDict(one=a, two=b))
    assert named.two is b and list(named[:1]._modules) == ["one"]
    np.testing.assert_array_equal(named(ones(1)).numpy(), b(a(ones(1))).numpy())
    with pytest.raises(ValueError, match="supports only objects of Sequential"):
        net + 1


def test_module_list():
    """A list of modules, in everything."""
    a, b, c, d = nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.Identity()
    modules = nn.ModuleList([a])
    modules += [b, c]
    modules.insert(1, d)
    assert list(modules) == [a, d, b, c] and list(modules[::2]) == [a, b] and modules[-1] is c
    del modules[1:3]
    assert list(modules) == [a, c] and list(modules._modules) == ["0", "1"] and list(modules + [d]) == [a, c, d]
    modules[0] = b
    assert modules.pop() is c and list(modules) == [b]
    with pytest.raises(NotImplementedError):
        modules(1)


def test_module_dict():
    """A dict of modules, in everything."""
    a, b = nn.ReLU(), nn.Tanh()
    modules = nn.ModuleDict([("a", a)])
    modules["b"] = b
    assert list(modules) == ["a", "b"] and "a" in modules and modules["b"] is b and modules.a is a
    assert list(modules.values()) == [a, b] and dict(modules.items()) == {"a": a, "b": b} and len(modules) == 2
    assert modules.pop("a") is a and list(modules.keys()) == ["b"]
    del modules["b"]
    modules.update(nn.ModuleDict({"c": a}))
    modules.clear()
    assert not len(modules)


def test_parameter_containers():
    """Tensors in parameter lists and dicts become parameters, and are found by the walks."""
    listed = nn.ParameterList([ones(1), nn.Parameter(ones(2))])
    listed += [ones(3)]
    listed[0] = minitorch.zeros(1)
    assert [p.numel() for p in listed] == [1, 2, 3] and listed[0].item() == 0 and len(listed[1:]) == 2
    assert [name for name, _ in listed.named_parameters()] == ["0", "1", "2"] and type(listed[-1]) is nn.Parameter
    named = nn.ParameterDict({"a": ones(1)})
    named["b"] = ones(2)
    assert list(named) == ["a", "b"] and "a" in named and named.get("c") is None and len(named) == 2
    assert [name for name, _ in named.named_parameters()] == ["a", "b"] == list(named.keys())
    assert named.pop("a").numel() == 1 and [p.numel() for p in named.values()] == [2]
    named.clear()
    assert not list(named.parameters()) and not len(named)
    with pytest.raises(KeyError):
        named["a"]
