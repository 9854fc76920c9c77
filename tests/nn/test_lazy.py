"""Lazy layers: what they learn from the first input."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch import nn

ones = minitorch.ones

LAZY = [
    ("LazyConv1d(4, 3)", (2, 5, 6), "LazyConv1d(0, 4, kernel_size=(3,), stride=(1,))"),
    ("LazyConv2d(4, 3, 2, padding='same', bias=False)", (2, 6, 6), ""),
    ("LazyConv3d(4, 2, groups=2)", (1, 2, 3, 3, 3), ""),
    ("LazyConvTranspose1d(4, 3, dtype=minitorch.float64)", (2, 5, 6), ""),
    ("LazyConvTranspose2d(4, 3, stride=2, output_padding=1, groups=2)", (2, 6, 3, 3), ""),
    ("LazyConvTranspose3d(4, 2)", (1, 2, 3, 3, 3), ""),
    ("LazyLinear(4)", (3, 7), "LazyLinear(in_features=0, out_features=4, bias=True)"),
    ("LazyLinear(4, bias=False)", (7,), ""),
    ("LazyBatchNorm1d()", (3, 7), ""),
    ("LazyBatchNorm2d(0.1, 0.3)", (3, 7, 2, 2), ""),
    ("LazyBatchNorm3d(affine=False)", (3, 7, 2, 2, 1), ""),
    ("LazyBatchNorm1d(affine=False, track_running_stats=False)", (3, 7), ""),
]


@pytest.mark.parametrize(("expression", "shape", "before"), LAZY, ids=[e for e, _, _ in LAZY])
def test_lazy(expression: str, shape: tuple, before: str) -> None:
    """A lazy layer becomes the plain one at its first input, equal to one made with the number of channels."""
    minitorch.manual_seed(3)
    lazy = eval(f"nn.{expression}")
    plain = getattr(nn, type(lazy).__name__.removeprefix("Lazy"))
    assert repr(lazy).startswith(type(lazy).__name__) and (not before or repr(lazy) == before)
    named = dict(lazy.named_parameters())
    assert lazy.has_uninitialized_params() == bool(named or lazy._buffers.get("running_mean") is not None)
    for p in named.values():
        assert isinstance(p, nn.UninitializedParameter) and repr(p) == "<UninitializedParameter>" and p.requires_grad
    dtype = next(iter(named.values())).dtype if named else minitorch.float32
    x = minitorch.randn(*shape, dtype=dtype)
    out = lazy(x)
    assert type(lazy) is plain and repr(lazy).startswith(f"{plain.__name__}(")
    channels = next(getattr(lazy, n) for n in ("in_channels", "in_features", "num_features") if hasattr(lazy, n))
    rank = getattr(lazy, "rank", 0)
    assert channels == (shape[-rank - 1] if not isinstance(lazy, nn.norm._BatchNorm) else shape[1])
    assert all(named[name] is p and type(p) is nn.Parameter for name, p in lazy.named_parameters())
    again = plain(*lazy_arguments(lazy, channels), **({"dtype": dtype} if named else {}))
    assert repr(again) == repr(lazy)
    again.load_state_dict({k: v for k, v in lazy.state_dict().items()})
    np.testing.assert_array_equal(again.train(lazy.training)(x).array, out.array)
    if named:
        out.sum().backward()
    assert all(p.grad is not None for p in named.values())


def lazy_arguments(module: Any, channels: int) -> tuple:
    """The positional arguments that make the same layer."""
    if isinstance(module, nn.Linear):
        return channels, module.out_features, module.bias is not None
    if isinstance(module, nn.norm._BatchNorm):
        return channels, module.eps, module.momentum, module.affine, module.track_running_stats
    settings = (module.stride, module.padding)
    kernel = (channels, module.out_channels, module.kernel_size)
    if module.transposed:
        return *kernel, *settings, module.output_padding, module.groups, module.bias is not None, module.dilation
    return *kernel, *settings, module.dilation, module.groups, module.bias is not None


def test_lazy_initial_values() -> None:
    """The initial values are those of a plain layer: the same stream of random numbers, the same bounds."""
    minitorch.manual_seed(3)
    lazy = nn.LazyConv2d(8, 3)
    lazy(ones(1, 5, 4, 4))
    minitorch.manual_seed(3)
    np.testing.assert_array_equal(nn.Conv2d(5, 8, 3).weight.array, lazy.weight.array)


def test_lazy_state() -> None:
    """A state_dict gives a lazy layer its shapes; its own says which entries have none."""
    source = nn.Conv2d(5, 8, 3)
    for assign in (False, True):
        lazy = nn.LazyConv2d(8, 3)
        lazy.load_state_dict(source.state_dict(), assign=assign)
        assert isinstance(lazy, nn.LazyConv2d) and not lazy.has_uninitialized_params()
        x = minitorch.randn(1, 5, 4, 4)
        np.testing.assert_array_equal(lazy(x).array, source(x).array)
        assert type(lazy) is nn.Conv2d and lazy.in_channels == 5
    lazy = nn.LazyConv2d(8, 3)
    lazy.load_state_dict({"weight": source.weight}, strict=False)
    lazy(x)
    np.testing.assert_array_equal(lazy.weight.array, source.weight.array)
    assert np.abs(lazy.bias.array).max() <= 45**-0.5
    empty = nn.LazyConv2d(8, 3).state_dict()
    assert repr(empty["weight"]) == "<UninitializedParameter>"
    nn.LazyConv2d(8, 3).load_state_dict(empty)
    with pytest.raises(RuntimeError, match="weight is uninitialized in the checkpoint"):
        source.load_state_dict(empty)
    norm = nn.LazyBatchNorm1d()
    norm.load_state_dict(nn.BatchNorm1d(5).state_dict())
    norm(ones(3, 5))
    assert norm.num_features == 5 and norm.num_batches_tracked.item() == 1
    with pytest.raises(RuntimeError, match="expects 5 input channels but `input` has 4"):
        again = nn.LazyConv2d(8, 3)
        again.load_state_dict(source.state_dict())
        again(ones(1, 4, 4, 4))


def test_lazy_copies() -> None:
    """Lazy layers can be cast, copied, pickled, frozen and hooked before they have shapes."""
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2)).double()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        seen = []
        twin[0].register_forward_pre_hook(lambda module, args, seen=seen: seen.append(type(module)))
        twin.requires_grad_(False)
        assert twin(ones(3, 2, 5, 5, dtype=minitorch.float64)).dtype is minitorch.float64
        assert seen == [nn.Conv2d] and not any(p.requires_grad for p in twin.parameters())
    assert net[3].has_uninitialized_params() and type(net[0].weight) is nn.UninitializedParameter


def test_refused_input_leaves_a_layer_lazy() -> None:
    """An input that doesn't fit raises and changes nothing."""
    lazy = nn.LazyConv2d(8, 3, groups=2)
    for x, kind in ((ones(1, 3, 4, 4), ValueError), (ones(4, 4), RuntimeError), (np.ones((1, 2, 4, 4)), TypeError)):
        with pytest.raises(kind):
            lazy(x)
    with pytest.raises(ValueError, match="expected 4D input"):
        nn.LazyBatchNorm2d()(ones(2, 3))
    assert repr(lazy) == "LazyConv2d(0, 8, kernel_size=(3, 3), stride=(1, 1), groups=2)"
    lazy(ones(1, 2, 4, 4))
