"""Modules: their texts, names, walks, casts and copies; state dicts and loading them."""

import copy
import gc
import pickle
import weakref
from collections import OrderedDict

import numpy as np
import pytest

import minitorch
from minitorch import nn

ones = minitorch.ones

# ------------------------------------------------------------------------------------------------------- text and keys

REPRS = [
    ("Conv2d(3, 8, 3)", "Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))"),
    (
        "Conv2d(4, 8, (3, 2), 2, 1, 2, groups=2, bias=False, padding_mode='reflect')",
        "Conv2d(4, 8, kernel_size=(3, 2), stride=(2, 2), padding=(1, 1), dilation=(2, 2), groups=2, bias=False, "
        "padding_mode=reflect)",
    ),
    ("Conv1d(3, 8, 3, padding='same')", "Conv1d(3, 8, kernel_size=(3,), stride=(1,), padding=same)"),
    (
        "ConvTranspose3d(2, 2, 2, 2, output_padding=1)",
        "ConvTranspose3d(2, 2, kernel_size=(2, 2, 2), stride=(2, 2, 2), output_padding=(1, 1, 1))",
    ),
    ("Linear(3, 2, bias=False)", "Linear(in_features=3, out_features=2, bias=False)"),
    ("Identity()", "Identity()"),
    ("Embedding(5, 3, padding_idx=-1)", "Embedding(5, 3, padding_idx=4)"),
    ("BatchNorm2d(8)", "BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)"),
    ("LayerNorm((2, 3))", "LayerNorm((2, 3), eps=1e-05, elementwise_affine=True, bias=True)"),
    ("GroupNorm(2, 4)", "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)"),
    (
        "InstanceNorm1d(8)",
        "InstanceNorm1d(8, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)",
    ),
    ("RMSNorm((2, 3))", "RMSNorm((2, 3), eps=None, elementwise_affine=True)"),
    ("LocalResponseNorm(3)", "LocalResponseNorm(3, alpha=0.0001, beta=0.75, k=1.0)"),
    ("MaxPool2d(2)", "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"),
    ("AvgPool2d((2, 3), 1)", "AvgPool2d(kernel_size=(2, 3), stride=1, padding=0)"),
    ("AvgPool1d(2)", "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))"),
    ("AdaptiveAvgPool2d((1, None))", "AdaptiveAvgPool2d(output_size=(1, None))"),
    ("ReLU()", "ReLU()"),
    ("ReLU(inplace=True)", "ReLU(inplace=True)"),
    ("ReLU6()", "ReLU6()"),
    ("LeakyReLU(0.2, True)", "LeakyReLU(negative_slope=0.2, inplace=True)"),
    ("Hardtanh(-2, 2)", "Hardtanh(min_val=-2, max_val=2)"),
    ("ELU()", "ELU(alpha=1.0)"),
    ("GELU('tanh')", "GELU(approximate='tanh')"),
    ("Softplus()", "Softplus(beta=1.0, threshold=20.0)"),
    ("CELU(0.3, True)", "CELU(alpha=0.3, inplace=True)"),
    ("SELU()", "SELU()"),
    ("Mish(True)", "Mish(inplace=True)"),
    ("Hardswish(True)", "Hardswish()"),
    ("Hardsigmoid()", "Hardsigmoid()"),
    ("Softsign()", "Softsign()"),
    ("Hardshrink()", "Hardshrink(0.5)"),
    ("Softshrink(0.3)", "Softshrink(0.3)"),
    ("Threshold(0.1, 20)", "Threshold(threshold=0.1, value=20)"),
    ("Softmax(dim=1)", "Softmax(dim=1)"),
    ("Dropout2d(0.2)", "Dropout2d(p=0.2, inplace=False)"),
    ("Flatten()", "Flatten(start_dim=1, end_dim=-1)"),
    ("Unflatten(1, (2, 3))", "Unflatten(dim=1, unflattened_size=(2, 3))"),
    ("CrossEntropyLoss()", "CrossEntropyLoss()"),
    ("Sequential()", "Sequential()"),
    (
        "Sequential(ReLU(), Sequential(ReLU()))",
        "Sequential(\n  (0): ReLU()\n  (1): Sequential(\n    (0): ReLU()\n  )\n)",
    ),
    (
        "ModuleList([ReLU(), ReLU(), Linear(1, 2)])",
        "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Linear(in_features=1, out_features=2, bias=True)\n)",
    ),
    ("ModuleList()", "ModuleList()"),
    ("ModuleDict({'a': ReLU()})", "ModuleDict(\n  (a): ReLU()\n)"),
]


@pytest.mark.parametrize(("expression", "text"), REPRS)
def test_repr(expression, text):
    """Layers print as PyTorch's do."""
    assert repr(eval(expression, vars(nn))) == text


def test_parameter_repr():
    """A parameter says what it is; lists of them say sizes."""
    p = nn.Parameter(ones(2))
    assert repr(p) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert repr(nn.ParameterList([p])) == "ParameterList(  (0): Parameter containing: [minitorch.float32 of size 2])"


KEYS = [
    ("Linear(2, 3)", {"weight": (3, 2), "bias": (3,)}),
    ("Linear(2, 3, bias=False)", {"weight": (3, 2)}),
    ("Conv2d(4, 6, (3, 2), groups=2)", {"weight": (6, 2, 3, 2), "bias": (6,)}),
    ("ConvTranspose2d(4, 6, (3, 2), groups=2)", {"weight": (4, 3, 3, 2), "bias": (6,)}),
    (
        "BatchNorm1d(2)",
        {"weight": (2,), "bias": (2,), "running_mean": (2,), "running_var": (2,), "num_batches_tracked": ()},
    ),
    ("BatchNorm1d(2, affine=False)", {"running_mean": (2,), "running_var": (2,), "num_batches_tracked": ()}),
    ("BatchNorm1d(2, track_running_stats=False)", {"weight": (2,), "bias": (2,)}),
    ("LayerNorm((2, 3), bias=False)", {"weight": (2, 3)}),
    ("GroupNorm(2, 4, bias=False)", {"weight": (4,)}),
    ("GroupNorm(2, 4)", {"weight": (4,), "bias": (4,)}),
    ("RMSNorm((2, 3))", {"weight": (2, 3)}),
    ("InstanceNorm2d(3)", {}),
    (
        "InstanceNorm3d(3, affine=True, track_running_stats=True)",
        {"weight": (3,), "bias": (3,), "running_mean": (3,), "running_var": (3,), "num_batches_tracked": ()},
    ),
    ("Embedding(5, 3)", {"weight": (5, 3)}),
    ("Sequential(Linear(1, 1, False), ReLU(), Linear(1, 1))", {"0.weight": (1, 1), "2.weight": (1, 1), "2.bias": (1,)}),
    ("ModuleDict({'a': ModuleList([Linear(1, 1)])})", {"a.0.weight": (1, 1), "a.0.bias": (1,)}),
    ("CrossEntropyLoss()", {}),
]


@pytest.mark.parametrize(("expression", "shapes"), KEYS)
def test_state_dict_keys(expression, shapes):
    """The names in a state dict, their order and shapes are PyTorch's; tensors are detached and share memory."""
    module = eval(expression, vars(nn))
    state = module.state_dict()
    assert type(state) is OrderedDict
    assert {key: tuple(value.shape) for key, value in state.items()} == shapes and list(state) == list(shapes)
    assert not any(value.requires_grad for value in state.values())
    for name, p in module.named_parameters():
        assert state[name].array is p.array and module.state_dict(keep_vars=True)[name] is p


def test_state_dict_options():
    """A prefix goes before every name; a given dict is filled; what is not persistent is left out."""
    module = nn.Module()
    module.register_buffer("a", ones(1))
    module.register_buffer("b", ones(1), persistent=False)
    module.register_buffer("c", None)
    destination = {"x": 1}
    assert module.state_dict(destination=destination, prefix="m.") is destination
    assert list(destination) == ["x", "m.a"]


# --------------------------------------------------------------------------------------------------------------- Module


class Net(nn.Module):
    """A model with everything: a shared layer, a buffer, a parameter of its own, nothing under one name."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU())
        self.head = nn.Linear(4, 2)
        self.again = self.head
        self.scale = nn.Parameter(minitorch.tensor([2.0]))
        self.register_buffer("offset", minitorch.zeros(2))
        self.register_parameter("absent", None)

    def forward(self, x):
        return self.head(self.body(x)) * self.scale + self.offset


NET_PARAMETERS = ["scale", "body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias", "head.weight", "head.bias"]


def test_walks():
    """Parameters, buffers and modules by name: each once, shared ones under their first name unless asked otherwise."""
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NET_PARAMETERS
    assert [name for name, _ in net.named_parameters(remove_duplicate=False)][-2:] == ["again.weight", "again.bias"]
    assert [name for name, _ in net.named_parameters(prefix="p", recurse=False)] == ["p.scale"]
    assert len(list(net.parameters())) == 7
    assert [name for name, _ in net.named_buffers()][:2] == ["offset", "body.1.running_mean"]
    assert len(list(net.buffers())) == 4
    assert [name for name, _ in net.named_modules()] == ["", "body", "body.0", "body.1", "body.2", "head"]
    assert [name for name, _ in net.named_children()] == ["body", "head"]
    assert list(net.children()) == [net.body, net.head] and next(iter(net.modules())) is net
    assert net.get_submodule("body.1") is net.body[1] and net.get_submodule("") is net
    assert net.get_parameter("body.0.weight") is net.body[0].weight
    assert net.get_buffer("body.1.running_var") is net.body[1].running_var
    assert "head" in dir(net) and "offset" in dir(net) and "scale" in dir(net)


def test_attributes():
    """Assigning sorts by kind, frees the name, and deleting forgets."""
    net = Net()
    assert net.absent is None
    net.absent = nn.Parameter(ones(1))
    assert "absent" in dict(net.named_parameters())
    net.absent = None
    assert "absent" not in dict(net.named_parameters())
    net.plain = 3
    net.plain = nn.ReLU()
    assert "plain" not in vars(net) and "plain" in dict(net.named_children())
    net.plain = nn.Parameter(ones(1))
    assert "plain" not in dict(net.named_children())
    net.offset = ones(2)
    assert net.get_buffer("offset") is net.offset
    del net.plain, net.offset, net.head
    for name in ("plain", "offset", "head"):
        assert not hasattr(net, name)
    with pytest.raises(AttributeError):
        del net.nothing


@pytest.mark.parametrize(
    ("value", "message"),
    [(lambda: nn.Parameter(ones(1)), "cannot assign parameters"), (nn.ReLU, "cannot assign module")],
)
def test_assigning_before_init(value, message):
    """Parameters and modules assigned before super().__init__() are refused; plain attributes are not."""

    class Late(nn.Module):
        def __init__(self):
            self.fine = 1
            self.x = value()

    with pytest.raises(AttributeError, match=message):
        Late()


def test_modes_and_apply():
    """train, eval, requires_grad_, apply and zero_grad reach everything and return the module."""
    net = Net()
    assert net.eval() is net and not any(m.training for m in net.modules())
    assert net.train() is net and all(m.training for m in net.modules())
    assert net.requires_grad_(False) is net and not any(p.requires_grad for p in net.parameters())
    net.requires_grad_()
    seen = []
    assert net.apply(seen.append) is net
    assert seen[-1] is net and seen[-2] is net.head and len(seen) == 6
    net(minitorch.randn(5, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all((p.grad.numpy() == 0).all() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_casts_keep_identity():
    """double() casts parameters where they are, with their gradients; integer buffers stay."""
    net = Net()
    net(minitorch.randn(5, 3)).sum().backward()
    before = list(net.parameters())
    assert net.double() is net
    assert all(p is q for p, q in zip(before, net.parameters(), strict=True))
    assert {p.dtype for p in before} | {p.grad.dtype for p in before} == {minitorch.float64}
    assert net.body[1].num_batches_tracked.dtype is minitorch.int64 and net.offset.dtype is minitorch.float64
    net.zero_grad()
    net(minitorch.randn(5, 3, dtype=minitorch.float64)).sum().backward()
    assert net.to("cpu").to(device="cpu").cpu().to(ones(1)).head.weight.dtype is minitorch.float32
    assert net.to("cpu", minitorch.float64).float().head.weight.dtype is minitorch.float32


def test_copies():
    """deepcopy and pickle give an equal, independent model with the same sharing."""
    net = Net()
    x = minitorch.randn(4, 3)
    net.eval()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.again is other.head and type(other.scale) is nn.Parameter and not other.training
        np.testing.assert_array_equal(other(x).detach().numpy(), net(x).detach().numpy())
        other.head.weight.array[...] = 0
        assert net.head.weight.array.any()


def test_memory_is_freed_without_the_collector():
    """A model and a step of training leave no cycle behind."""
    gc.disable()
    try:
        net = Net()
        seen = [weakref.ref(m) for m in net.modules()]
        out = net(minitorch.randn(4, 3))
        out.sum().backward()
        seen.append(weakref.ref(out))
        del net, out
        assert not any(ref() for ref in seen)
    finally:
        gc.enable()


# ------------------------------------------------------------------------------------------------------ load_state_dict


def snapshot(module):
    """Copies of everything in the state dict."""
    return {key: np.array(value.numpy()) for key, value in module.state_dict().items()}


def test_load_round_trip():
    """What one model saves, another loads, as tensors or as arrays; casts on the way."""
    source, target = Net(), Net()
    source(minitorch.randn(8, 3))
    result = target.load_state_dict(source.state_dict())
    assert repr(result) == "<All keys matched successfully>" and result == ([], [])
    for key, value in snapshot(source).items():
        np.testing.assert_array_equal(target.state_dict()[key].numpy(), value)
    target = Net().double()
    target.load_state_dict(snapshot(source))
    assert target.head.weight.dtype is minitorch.float64
    np.testing.assert_array_equal(target.head.weight.detach().numpy(), source.head.weight.detach().numpy())


def test_load_not_strict():
    """strict=False takes what fits by name and reports the rest."""
    net = Net()
    result = net.load_state_dict({"scale": minitorch.tensor([7.0]), "new": ones(1)}, strict=False)
    assert net.scale.item() == 7
    assert "offset" in result.missing_keys and result.unexpected_keys == ["new"]


def test_load_assign():
    """assign=True takes the tensors themselves, with the old parameter's requires_grad."""
    net = nn.Linear(2, 2)
    net.bias.requires_grad_(False)
    state = {"weight": minitorch.randn(2, 2, dtype=minitorch.float64), "bias": minitorch.randn(2)}
    net.load_state_dict(state, assign=True)
    assert net.weight.array is state["weight"].array and type(net.weight) is nn.Parameter
    assert net.weight.requires_grad and not net.bias.requires_grad


@pytest.mark.parametrize(
    ("versions", "fails"), [(None, False), ({"1": {"version": 1}}, False), ({}, False), ({"1": {"version": 2}}, True)]
)
def test_older_files_count_no_batches(versions, fails):
    """The number of batches of a norm may be missing, unless the file says that it is new enough; it stays."""
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    net[1].num_batches_tracked.fill_(5)
    state = OrderedDict((key, value) for key, value in net.state_dict().items() if "num" not in key)
    if versions is not None:
        state._metadata = versions
    if fails:
        with pytest.raises(RuntimeError, match=r"Missing key\(s\) in state_dict: \"1.num_batches_tracked\""):
            net.load_state_dict(state)
    else:
        assert net.load_state_dict(state).missing_keys == []
        assert net[1].num_batches_tracked.item() == 5
    del state["1.running_mean"]
    with pytest.raises(RuntimeError, match="running_mean"):
        net.load_state_dict(state)


FAILURES = [
    ({}, 'Error(s) in loading state_dict for Linear:\n\tMissing key(s) in state_dict: "weight", "bias". '),
    (
        {"weight": ones(2, 2), "bias": ones(3), "more": ones(1), "most": ones(1)},
        'Error(s) in loading state_dict for Linear:\n\tUnexpected key(s) in state_dict: "more", "most". \n\tsize '
        "mismatch for weight: copying a param with shape minitorch.Size([2, 2]) from checkpoint, the shape in "
        "current model is minitorch.Size([3, 2]).",
    ),
    (
        {"bias": ones(3), "weight": [[1.0, 2.0]]},
        'Error(s) in loading state_dict for Linear:\n\tWhile copying the parameter named "weight", expected a Tensor '
        "or array from checkpoint but received <class 'list'>",
    ),
]


@pytest.mark.parametrize(("state", "message"), FAILURES)
@pytest.mark.parametrize("assign", [False, True])
def test_load_failure_changes_nothing(state, message, assign):
    """Every problem is named in one error, and until then nothing was copied."""
    module = nn.Linear(2, 3)
    before, parameters = snapshot(module), list(module.parameters())
    with pytest.raises(RuntimeError) as caught:
        module.load_state_dict(state, assign=assign)
    assert str(caught.value) == message
    for key, value in snapshot(module).items():
        np.testing.assert_array_equal(value, before[key])
    assert all(p is q for p, q in zip(parameters, module.parameters(), strict=True))


def test_load_into_read_only_memory():
    """A parameter that can't be written is a problem like any other: found first, nothing copied."""
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[1].bias.array.flags.writeable = False
    before = snapshot(module)
    with pytest.raises(RuntimeError, match="read-only"):
        module.load_state_dict({key: value + 1 for key, value in before.items()})
    for key, value in snapshot(module).items():
        np.testing.assert_array_equal(value, before[key])


def test_load_counts_as_change():
    """Loading after the forward, before the backward, is noticed."""
    net = nn.Linear(2, 2)
    out = net(minitorch.randn(1, 2, requires_grad=True))
    net.load_state_dict(snapshot(net))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()
