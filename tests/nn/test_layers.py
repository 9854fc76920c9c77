"""What layers do beside their values: initial weights, running statistics, dropout, in-place activations, pairs with ReLU."""

import copy

import numpy as np
import pytest
from test_module import snapshot

import minitorch
from minitorch import nn

F, ones = nn.functional, minitorch.ones

# ------------------------------------------------------------------------------------------------------ layers, closely


@pytest.mark.parametrize(
    ("expression", "fan_in"),
    [("Linear(100, 50)", 100), ("Conv2d(8, 64, 3, groups=2)", 36), ("ConvTranspose2d(64, 32, 3, groups=2)", 144)],
)
def test_initial_values(expression, fan_in):
    """Weights and biases are uniform within 1/sqrt(fan_in), and follow the seed."""
    minitorch.manual_seed(5)
    layer = eval(expression, vars(nn))
    bound = fan_in**-0.5
    for p in layer.parameters():
        drawn = p.detach().numpy()
        assert np.abs(drawn).max() <= bound and np.abs(drawn).max() > 0.9 * bound
        assert abs(drawn.std() - bound / 3**0.5) < 0.15 * bound
    minitorch.manual_seed(5)
    np.testing.assert_array_equal(eval(expression, vars(nn)).weight.detach().numpy(), layer.weight.detach().numpy())


def test_dtype_argument():
    """dtype reaches parameters and float buffers; device is taken and ignored."""
    for layer in (
        nn.Conv2d(1, 1, 1, device="cpu", dtype=minitorch.float64),
        nn.BatchNorm1d(1, dtype=minitorch.float64),
        nn.Linear(1, 1, dtype=minitorch.float64),
        nn.LayerNorm(1, dtype=minitorch.float64),
    ):
        state = layer.state_dict().values()
        assert {t.dtype for t in state} - {minitorch.int64} == {minitorch.float64}


def test_batch_norm_running_statistics():
    """momentum=None averages over all batches; counting, evaluation and reset work."""
    norm, rng = nn.BatchNorm1d(2, momentum=None).double(), np.random.default_rng(0)
    batches = rng.standard_normal((3, 10, 2)) + 5
    for batch in batches:
        norm(minitorch.from_numpy(batch))
    np.testing.assert_allclose(norm.running_mean.numpy(), batches.mean(1).mean(0))
    np.testing.assert_allclose(norm.running_var.numpy(), batches.var(1, ddof=1).mean(0))
    assert norm.num_batches_tracked.item() == 3
    before = snapshot(norm)
    norm.eval()(minitorch.from_numpy(batches[0]))
    for key, value in snapshot(norm).items():
        np.testing.assert_array_equal(value, before[key])
    norm.reset_running_stats()
    assert norm.num_batches_tracked.item() == 0 and norm.running_mean.numpy().sum() == 0


def test_batch_norm_refuses_before_counting():
    """A batch that raises leaves the running statistics and the count as they were."""
    norm = nn.BatchNorm1d(3)
    before = snapshot(norm)
    with pytest.raises(ValueError):
        norm(ones(1, 3))
    with pytest.raises(RuntimeError):
        norm(ones(4, 2))
    for key, value in snapshot(norm).items():
        np.testing.assert_array_equal(value, before[key])


def test_batch_norm_counts_its_change():
    """Training changes the running statistics in place: a tape that keeps them notices."""
    norm, x = nn.BatchNorm1d(2), minitorch.randn(4, 2)
    out = minitorch.ones(2, requires_grad=True) * norm.running_mean
    norm(x)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_batch_norm_far_from_zero():
    """A mean far above the deviation does not spoil the variance."""
    x = minitorch.from_numpy((np.random.default_rng(0).standard_normal((64, 1)) + 1e4).astype(np.float32))
    out = nn.BatchNorm1d(1)(x).detach().numpy()
    assert abs(out.mean()) < 1e-3 and abs(out.std() - 1) < 1e-3


def test_dropout():
    """Kept elements are scaled, the share is p, the seed decides, p=1 gives zeros; gradients use the same mask."""
    x = ones(200, 50, requires_grad=True)
    minitorch.manual_seed(1)
    out = F.dropout(x, 0.25)
    values, counts = np.unique(out.detach().numpy(), return_counts=True)
    np.testing.assert_allclose(values, [0, 4 / 3], rtol=1e-6)
    assert abs(counts[0] / 10_000 - 0.25) < 0.02
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), out.detach().numpy())
    minitorch.manual_seed(1)
    np.testing.assert_array_equal(F.dropout(x, 0.25).detach().numpy(), out.detach().numpy())
    assert not F.dropout(x, 1.0).detach().numpy().any()
    assert F.dropout(x, 0.5, training=False) is x and nn.Dropout().eval()(x) is x


@pytest.mark.parametrize(
    ("name", "shape", "channel_axes"),
    [
        ("Dropout1d", (20, 10, 7), 2),
        ("Dropout1d", (200, 7), 1),
        ("Dropout2d", (20, 10, 3, 4), 2),
        ("Dropout2d", (20, 10, 7), 2),
        ("Dropout3d", (20, 10, 2, 3, 2), 2),
        ("Dropout3d", (200, 2, 3, 2), 1),
    ],
)
def test_channel_dropout(name, shape, channel_axes):
    """Channels go as a whole, each by its own chance."""
    out = getattr(nn, name)(0.5)(ones(*shape)).numpy().reshape(*shape[:channel_axes], -1)
    assert (out == out[..., :1]).all()
    assert 0.35 < (out[..., 0] == 0).mean() < 0.65


def test_inplace_activations():
    """inplace=True writes over the input and keeps the tape right."""
    for layer in (
        nn.ReLU(True),
        nn.LeakyReLU(0.1, True),
        nn.ELU(inplace=True),
        nn.SiLU(True),
        nn.Hardtanh(inplace=True),
        nn.CELU(0.7, True),
        nn.SELU(True),
        nn.Mish(True),
        nn.Hardswish(True),
        nn.Hardsigmoid(True),
        nn.Threshold(0.1, 2.0, True),
    ):
        leaf = minitorch.randn(5, requires_grad=True)
        x = leaf * 2
        out = layer(x)
        assert out is x
        out.sum().backward()
        apart, fresh = copy.deepcopy(layer), leaf.detach().requires_grad_()
        apart.inplace = False
        apart(fresh * 2).sum().backward()
        np.testing.assert_array_equal(leaf.grad.numpy(), fresh.grad.numpy())
        with pytest.raises(RuntimeError, match="leaf Variable"):
            layer(leaf)


def test_output_size_of_a_transposed_convolution():
    """output_size undoes a strided convolution of an even size, with or without the batch and channel sizes."""
    x = minitorch.randn(1, 2, 9, 8)
    small = nn.Conv2d(2, 3, 3, stride=2, padding=1)(x)
    back = nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1)
    assert back(small).shape == (1, 2, 9, 7)
    assert back(small, output_size=(9, 8)).shape == back(small, output_size=x.shape).shape == x.shape


def test_transposed_convolution_is_the_adjoint():
    """<y, conv(x)> = <conv_transpose(y), x>, for settings that leave pixels out and others."""
    rng = np.random.default_rng(0)
    for settings in ({"stride": 2, "padding": 1}, {"stride": 3, "dilation": 2}, {"groups": 2}, {"padding": (0, 2)}):
        x = minitorch.from_numpy(rng.standard_normal((2, 4, 9, 10)))
        w = minitorch.from_numpy(rng.standard_normal((6, 4 // settings.get("groups", 1), 3, 2)))
        y = minitorch.from_numpy(rng.standard_normal(F.conv2d(x, w, **settings).shape))
        extra = [n - m for n, m in zip(x.shape[2:], F.conv_transpose2d(y, w, **settings).shape[2:], strict=True)]
        back = F.conv_transpose2d(y, w, **settings, output_padding=extra)
        left, right = (y * F.conv2d(x, w, **settings)).sum().item(), (back * x).sum().item()
        assert abs(left - right) < 1e-10 * abs(left) + 1e-10


def test_max_pool_ties_and_nan():
    """The first of equals wins, the last NaN before everything; padding never."""
    x = minitorch.tensor([[[[1.0, 1.0, np.nan, 0.0], [1.0, 1.0, np.nan, 5.0]]]])
    out, indices = F.max_pool2d(x, 2, return_indices=True)
    assert out.numpy()[0, 0, 0, 0] == 1 and np.isnan(out.numpy()[0, 0, 0, 1])
    assert indices.tolist() == [[[[0, 6]]]] and indices.dtype is minitorch.int64
    assert F.max_pool1d(minitorch.full((1, 1, 2), -np.inf), 2, 1, 1).numpy().max() == -np.inf


def test_embedding_pretrained():
    """A table can be given; it is frozen unless asked otherwise; its padding row starts at zero when drawn."""
    table = ones(3, 2)
    assert not nn.Embedding.from_pretrained(table).weight.requires_grad
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.array is table.array
    assert not nn.Embedding(3, 2, padding_idx=1).weight.detach().numpy()[1].any()


def test_gradient_clipping():
    """Gradients shrink together to the norm asked for, or are cut one by one."""
    a, b = nn.Parameter(ones(2)), nn.Parameter(ones(3))
    (a.sum() * 3 + b.sum() * 4).backward()
    before = nn.utils.clip_grad_norm_([a, b, nn.Parameter(ones(1))], 1.0)
    assert abs(before.item() - (2 * 9 + 3 * 16) ** 0.5) < 1e-5
    np.testing.assert_allclose(
        np.concatenate([a.grad.numpy(), b.grad.numpy()]), np.array([3, 3, 4, 4, 4]) / 66**0.5, rtol=1e-5
    )
    nn.utils.clip_grad_value_([a, b], 0.4)
    assert b.grad.numpy().max() == np.float32(0.4)
    assert nn.utils.clip_grad_norm_(a, 100.0, float("inf")).item() < 1
    a.grad.array[0] = np.nan
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(a, 1.0, error_if_nonfinite=True)
    assert nn.utils.clip_grad_norm_([], 1.0).item() == 0


def test_parameters_as_a_vector():
    """Parameters become one vector and come back from one."""
    net = nn.Linear(2, 3)
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (9,) and vector.requires_grad
    nn.utils.vector_to_parameters(minitorch.arange(9.0), net.parameters())
    assert net.bias.tolist() == [6, 7, 8] and net.weight.tolist()[1] == [2, 3]


def test_names():
    """Everything in __all__ exists, has a docstring, and layers of one family stand together."""
    for name in nn.__all__:
        assert getattr(nn, name).__doc__, name
    for name in F.__all__:
        assert getattr(F, name).__doc__, name
    assert len(set(nn.__all__)) == len(nn.__all__) and len(set(F.__all__)) == len(F.__all__)


def test_training_lowers_the_loss():
    """A small convolutional net fits eight images."""
    minitorch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 4)
    )
    x, t = minitorch.randn(8, 1, 6, 6), minitorch.arange(8) % 4
    losses = []
    for _ in range(30):
        net.zero_grad()
        loss = nn.CrossEntropyLoss()(net(x), t)
        loss.backward()
        losses.append(loss.item())
        with minitorch.no_grad():
            for p in net.parameters():
                p.sub_(p.grad * 0.1)
    assert losses[-1] < 0.2 * losses[0]


RELU_PAIRS = [
    (lambda: nn.Linear(5, 4), (3, 5)),
    (lambda: nn.Linear(5, 4), (2, 3, 5)),
    (lambda: nn.Conv1d(2, 3, 3, padding=1), (2, 2, 9)),
    (lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), (2, 2, 8, 8)),
    (lambda: nn.Conv2d(16, 16, 3), (2, 16, 16, 16)),
    (lambda: nn.Conv3d(2, 4, 2, groups=2), (2, 4, 4, 4)),
    (lambda: nn.Linear(5, 4, bias=False), (3, 5)),
]


@pytest.mark.parametrize("make, shape", RELU_PAIRS)
@pytest.mark.parametrize("inplace", [False, True])
def test_a_layer_and_its_relu_in_one_step(make, shape, inplace):
    """Within a Sequential: the bits of one after the other, of gradients too; theirs add up in another order."""
    net = nn.Sequential(make(), nn.ReLU(inplace))
    x = minitorch.randn(*shape, requires_grad=True)
    found = []
    for apart in (False, True):
        y = net[1](net[0](x)) if apart else net(x)
        grads = minitorch.autograd.grad((y * y).sum(), [x, *net.parameters()], create_graph=True)
        second = minitorch.autograd.grad(sum((g * g).sum() for g in grads), [x, *net.parameters()])
        found.append([v.array for v in (y, *grads, *second)])
        first_order = 1 + len(grads)
    for one, other in zip(*(arrays[:first_order] for arrays in found), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(*(arrays[first_order:] for arrays in found), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * np.abs(other).max())


def test_whoever_watches_a_layer_sees_it():
    """Hooks on either of the two, a replaced forward or a class of the user's own keep the layer and the ReLU apart."""

    class Mine(nn.Linear):
        def forward(self, input):
            return super().forward(input) - 100.0

    class Seven(nn.ReLU):
        def forward(self, input):
            return input * 0 + 7.0

    x = minitorch.randn(3, 2)
    seen = []
    for position in (0, 1):
        for register in ("register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook"):
            net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
            getattr(net[position], register)(lambda module, *values: seen.append(values) and None)
            net(x).sum().backward()
            assert len(seen) == 1, (position, register)
            seen.clear()
    assert float(nn.Sequential(Mine(2, 2), nn.ReLU())(x).sum().item()) == 0
    assert float(nn.Sequential(nn.Linear(2, 2), Seven())(x).sum().item()) == 42
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    net[0].forward = lambda input: input - 100.0
    assert float(net(x).sum().item()) == 0
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    net[1].forward = lambda input: input * 0 + 7.0
    assert float(net(x).sum().item()) == 42


def test_activations_of_integers():
    """Those that PyTorch computes of integers: `threshold` stays an integer, softsign and tanhshrink become floats."""
    x = minitorch.tensor([-1, 0, 2, 8])
    assert F.threshold(x, 1.9, 20.9).tolist() == [20, 20, 2, 8] and nn.Threshold(1, 20)(x).dtype is minitorch.int64
    assert F.threshold_(x.clone(), 0, 5).tolist() == [5, 5, 2, 8]
    np.testing.assert_allclose(F.softsign(x).numpy(), np.float32([-1 / 2, 0, 2 / 3, 8 / 9]))
    np.testing.assert_allclose(F.tanhshrink(x).numpy(), x.numpy() - np.tanh(x.numpy()), rtol=1e-6)
    for function in (F.softsign, F.tanhshrink, F.mish):
        with pytest.raises(NotImplementedError, match="not implemented for minitorch.bool"):
            function(x > 0)
