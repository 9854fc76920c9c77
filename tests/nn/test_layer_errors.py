"""Wrong calls of layers and functional forms: the class and the words of what is raised, and what is warned of."""

import numpy as np
import pytest

import minitorch
from minitorch import nn
from minitorch.devices import NoDeviceError

F = nn.functional


def conv2d(x=(1, 3, 8, 8), w=(2, 3, 3, 3), b=None, **settings):
    """F.conv2d of ones."""
    return F.conv2d(minitorch.ones(*x), minitorch.ones(*w), None if b is None else minitorch.ones(*b), **settings)


def labels(*values, dtype=None):
    """An int64 tensor."""
    return minitorch.tensor(list(values), dtype=dtype or minitorch.int64)


ones = minitorch.ones
E3, E4 = ones(1, 3, 8, 8), ones(2, 4, 3, 3)
ERRORS = [
    (
        lambda: conv2d(w=(2, 4, 3, 3)),
        RuntimeError,
        "conv2d: `weight` expects 4 input channels but `input` has 3; input (1, 3, 8, 8), weight (2, 4, 3, 3)",
    ),
    (
        lambda: conv2d((8, 12, 32, 32), (32, 4, 3, 3), groups=4),
        RuntimeError,
        "16 input channels (groups=4 x 4) but `input` has 12",
    ),
    (
        lambda: conv2d(w=(2, 3, 9, 9)),
        RuntimeError,
        "Kernel size can't be greater than actual input size; input (1, 3, 8, 8), weight (2, 3, 9, 9)",
    ),
    (
        lambda: conv2d((1, 1, 3, 8, 8)),
        RuntimeError,
        "conv2d: expected `input` of 4 dimensions (N, C, *size), or 3 without the batch, but got 5",
    ),
    (lambda: conv2d(stride=0), RuntimeError, "conv2d: non-positive stride is not supported"),
    (lambda: conv2d(padding=-1), RuntimeError, "conv2d: negative padding is not supported"),
    (lambda: conv2d(dilation=0), RuntimeError, "`dilation` should be greater than zero, but got [0, 0]"),
    (lambda: conv2d(groups=0), RuntimeError, "`groups` should be greater than zero, but got 0"),
    (lambda: conv2d(padding=2**31), RuntimeError, "pixels per channel, more than the"),
    (lambda: conv2d(dilation=2**62), RuntimeError, "Kernel size can't be greater than actual input size"),
    (lambda: conv2d(stride=(1, 2, 3)), RuntimeError, "`stride` must be an int or a tuple of 2 ints, but got (1, 2, 3)"),
    (lambda: conv2d(stride=1.5), TypeError, "conv2d: `stride` must be an int or a tuple of ints, but got 1.5"),
    (lambda: conv2d(padding="foo"), RuntimeError, "invalid padding string 'foo'"),
    (
        lambda: conv2d((1, 3, 8, 8), (4, 1, 3, 3), groups=3),
        RuntimeError,
        "expected `weight` to be divisible by 3 at dimension 0",
    ),
    (lambda: conv2d(b=(3,)), RuntimeError, "`bias` must have shape (2,), one entry per output channel, but has (3,)"),
    (lambda: conv2d(w=(2, 3, 3)), RuntimeError, "`weight` must have 4 dimensions, but has 3"),
    (lambda: F.conv2d(np.ones((1, 3, 8, 8)), E4), TypeError, "conv2d: `input` must be a Tensor, but got ndarray"),
    (lambda: F.conv2d(E3, None), TypeError, "conv2d: `weight` must be a Tensor, but got NoneType"),
    (
        lambda: F.conv2d(E3.double(), ones(2, 3, 3, 3)),
        RuntimeError,
        "`input` and `weight` must have the same floating dtype, but got input minitorch.float64, weight "
        "minitorch.float32",
    ),
    (lambda: F.conv2d(E3.long(), ones(2, 3, 3, 3)), RuntimeError, "same floating dtype"),
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible by groups"),
    (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "out_channels must be divisible by groups"),
    (lambda: nn.Conv2d(4, 4, 3, groups=0), ValueError, "groups must be a positive integer"),
    (lambda: nn.Conv2d(3, 4, 3, padding="foo"), ValueError, "Invalid padding string 'foo'"),
    (lambda: nn.Conv2d(3, 4, 3, padding_mode="foo"), ValueError, "padding_mode must be one of"),
    (
        lambda: nn.Conv2d(3, 4, 3, padding=8, padding_mode="reflect")(E3),
        RuntimeError,
        "Padding size should be less than the corresponding input dimension",
    ),
    (
        lambda: nn.ConvTranspose2d(3, 4, 3, stride=2, output_padding=2)(E3),
        RuntimeError,
        "output padding must be smaller than either stride or dilation",
    ),
    (
        lambda: nn.ConvTranspose2d(3, 4, 3, stride=2)(E3, output_size=(19, 19)),
        ValueError,
        "valid sizes range from [17, 17] to [18, 18]",
    ),
    (lambda: nn.ConvTranspose2d(3, 4, 3)(E3, output_size=(10,)), ValueError, "output_size must have 2 or 4 elements"),
    (
        lambda: F.conv_transpose2d(E3, ones(4, 2, 3, 3)),
        RuntimeError,
        "conv_transpose2d: `weight` expects 4 input channels but `input` has 3",
    ),
    (lambda: F.conv_transpose2d(E3, ones(3, 2, 3, 3), padding=20), RuntimeError, "calculated output size"),
    (lambda: F.pad(ones(3), (-5, 0)), RuntimeError, "pad: a length would be negative"),
    (lambda: F.pad(ones(3), (2**62, 0)), RuntimeError, "more than 2147483647 elements"),
    (lambda: F.pad(ones(3), (1, 2, 3)), RuntimeError, "pad: `pad` needs a (before, after) pair"),
    (lambda: F.pad(ones(1, 3), (3, 0), mode="reflect"), RuntimeError, "(3, 0) at dimension 1 of input (1, 3)"),
    (lambda: F.pad(ones(1, 3), (1, 0), mode="foo"), NotImplementedError, "unrecognised padding mode 'foo'"),
    (
        lambda: F.linear(ones(3, 5), ones(2, 4)),
        RuntimeError,
        "linear: `weight` must be (out_features, in_features) and expects 4 input features, but `input` has 5; input "
        "(3, 5), weight (2, 4)",
    ),
    (
        lambda: F.linear(ones(3, 4), ones(2, 4), ones(3)),
        RuntimeError,
        "linear: `bias` must have shape (2,), but has (3,)",
    ),
    (lambda: nn.Linear(3, 2)(ones(2, 3, dtype=minitorch.int64)), RuntimeError, "must have the same floating dtype"),
    (lambda: nn.Linear(-1, 2), RuntimeError, "negative dimension -1: [2, -1]"),
    (lambda: nn.Linear(2.5, 2), TypeError, "expected a shape of ints"),
    (lambda: F.embedding(labels(-1), ones(3, 2)), IndexError, "index out of range in self"),
    (lambda: F.embedding(ones(2), ones(3, 2)), RuntimeError, "`input` must be int64 or int32"),
    (lambda: F.one_hot(labels(5), 3), RuntimeError, "Class values must be smaller than num_classes"),
    (
        lambda: F.max_pool2d(ones(1, 1, 2, 2), 3),
        RuntimeError,
        "max_pool2d: given input size (2 x 2), kernel size (3 x 3)",
    ),
    (
        lambda: F.max_pool2d(ones(1, 1, 4, 4), 2, padding=2),
        RuntimeError,
        "pad should be at most half of effective kernel size",
    ),
    (lambda: F.max_pool2d(ones(1, 1, 4, 4), 0), RuntimeError, "should be greater than zero"),
    (lambda: F.max_pool2d(ones(1, 1, 4, 4), 2, stride=2.0), TypeError, "max_pool2d: `stride` must be an int"),
    (lambda: F.max_pool2d(ones(4, 4), 2), RuntimeError, "max_pool2d: expected `input` of 4 dimensions"),
    (lambda: F.avg_pool2d(ones(1, 1, 4, 4), 2, padding=2), RuntimeError, "avg_pool2d: pad should be at most half"),
    (
        lambda: F.avg_pool2d(ones(1, 1, 4, 4), 2, divisor_override=0),
        RuntimeError,
        "`divisor_override` must not be zero",
    ),
    (lambda: F.avg_pool2d(ones(1, 1, 4, 4), 2**31 + 1), RuntimeError, "without overflow"),
    (
        lambda: F.adaptive_avg_pool2d(ones(1, 1, 4, 4), -1),
        RuntimeError,
        "greater than or equal to 0 but received (-1, -1)",
    ),
    (
        lambda: F.adaptive_avg_pool2d(ones(4, 4), 1),
        RuntimeError,
        "adaptive_avg_pool2d: expected `input` of 4 dimensions",
    ),
    (lambda: nn.BatchNorm2d(3)(ones(2, 3)), ValueError, "expected 4D input (got 2D input)"),
    (
        lambda: nn.BatchNorm1d(3)(ones(1, 3)),
        ValueError,
        "Expected more than 1 value per channel when training, got input size (1, 3)",
    ),
    (
        lambda: F.batch_norm(ones(2, 3), ones(2), ones(2)),
        RuntimeError,
        "`running_mean` should contain 3 elements, one per channel, not 2",
    ),
    (
        lambda: F.batch_norm(ones(2, 3), None, None),
        RuntimeError,
        "Expected `running_mean` to be defined when training=False",
    ),
    (
        lambda: F.layer_norm(ones(2, 3), (4,)),
        RuntimeError,
        "given normalized_shape=[4], expected `input` with shape [*, 4], but got (2, 3)",
    ),
    (lambda: F.group_norm(ones(1, 2), 2), ValueError, "Expected more than 1 value per channel"),
    (lambda: F.batch_norm(ones(2, 3), None, None, ones(3).double(), None, True), RuntimeError, "same floating dtype"),
    (lambda: F.pad(ones(3), (-5, 4)), RuntimeError, "pad: a length would be negative"),
    (
        lambda: F.group_norm(ones(2, 3, 4), 2),
        RuntimeError,
        "to be divisible by num_groups, but got input (2, 3, 4) and num_groups=2",
    ),
    (lambda: nn.InstanceNorm2d(3)(ones(3, 5)), ValueError, "expected 3D or 4D input (got 2D input)"),
    (
        lambda: nn.InstanceNorm2d(3, affine=True)(ones(2, 4, 5, 5)),
        ValueError,
        "expected input's size at dim=1 to match num_features (3), but got: 4.",
    ),
    (lambda: nn.InstanceNorm2d(3)(ones(2, 3, 1, 1)), ValueError, "Expected more than 1 spatial element when training"),
    (lambda: F.instance_norm(ones(2, 3)), ValueError, "Expected more than 1 spatial element when training"),
    (
        lambda: F.instance_norm(ones(2, 3, 4), use_input_stats=False),
        RuntimeError,
        "Expected running_mean and running_var to be defined when use_input_stats is false",
    ),
    (
        lambda: F.instance_norm(ones(2, 3, 4), weight=ones(2)),
        RuntimeError,
        "`weight` must have shape (3,), but has (2,)",
    ),
    (lambda: F.rms_norm(ones(2, 3), (4,)), RuntimeError, "expected `input` with shape [*, 4], but got (2, 3)"),
    (lambda: F.rms_norm(ones(2, 3), (3,), ones(2)), RuntimeError, "`weight` must have shape (3,), but has (2,)"),
    (lambda: F.local_response_norm(ones(2, 3), 2), ValueError, "Expected 3D or higher dimensionality input (got 2"),
    (lambda: F.local_response_norm(ones(2, 3, 4), 0), RuntimeError, "`size` should be greater than zero, but got 0"),
    (lambda: nn.GroupNorm(2, 3), ValueError, "num_channels (3) must be divisible by num_groups (2)"),
    (lambda: nn.Dropout(1.5), ValueError, "dropout probability has to be between 0 and 1, but got 1.5"),
    (lambda: F.dropout(ones(2), p=-0.1), ValueError, "dropout probability has to be between 0 and 1, but got -0.1"),
    (lambda: nn.Hardtanh(1, 0), ValueError, "max_val must be larger than min_val"),
    (lambda: F.gelu(ones(2), "foo"), RuntimeError, "approximate must be 'none' or 'tanh'"),
    (lambda: F.cross_entropy(ones(2, 3), labels(0, -1)), IndexError, "Target -1 is out of bounds"),
    (lambda: F.cross_entropy(ones(2, 10), labels(0, 10)), IndexError, "Target 10 is out of bounds"),
    (lambda: F.nll_loss(ones(1, 3), labels(2**40)), IndexError, "Target 1099511627776 is out of bounds"),
    (
        lambda: F.cross_entropy(ones(2, 3), labels(0)),
        ValueError,
        "Expected input batch_size (2) to match target batch_size (1)",
    ),
    (
        lambda: F.cross_entropy(ones(2, 3, 4), ones(2, 5, dtype=minitorch.int64)),
        RuntimeError,
        "`target` must have shape (2, 4), but has (2, 5)",
    ),
    (
        lambda: F.cross_entropy(ones(1, 3), labels(0, dtype=minitorch.int32)),
        RuntimeError,
        "expected `target` dtype to be int64 or uint8, but got minitorch.int32",
    ),
    (
        lambda: F.cross_entropy(ones(2, 3), labels(0, 1), label_smoothing=2),
        RuntimeError,
        "label_smoothing must be between 0.0 and 1.0. Got: 2",
    ),
    (
        lambda: F.cross_entropy(ones(2, 3), labels(0, 1), reduction="foo"),
        ValueError,
        "foo is not a valid value for reduction",
    ),
    (
        lambda: F.cross_entropy(ones(2, 3), labels(0, 1), ones(4)),
        RuntimeError,
        "`weight` must have one entry for each of the 3 classes",
    ),
    (
        lambda: F.cross_entropy(ones(2, 3), ones(2, 3), ignore_index=1),
        RuntimeError,
        "ignore_index=1 is not supported for floating point target",
    ),
    (
        lambda: F.nll_loss(ones(3), labels(0, 1)),
        ValueError,
        "for 1D input, `target` must be a scalar or of size 1, but has shape (2,)",
    ),
    (
        lambda: F.binary_cross_entropy(ones(2) * 2, ones(2)),
        RuntimeError,
        "all elements of input should be between 0 and 1",
    ),
    (
        lambda: F.binary_cross_entropy(ones(2), ones(3)),
        ValueError,
        "`target` size (3,) must be the same as `input` size (2,)",
    ),
    (lambda: F.binary_cross_entropy_with_logits(ones(2), ones(3)), ValueError, "`target` size (3,) must be the same"),
    (lambda: F.smooth_l1_loss(ones(2), ones(2), beta=-1), RuntimeError, "does not support negative values for beta"),
    (lambda: F.huber_loss(ones(2), ones(2), delta=0), RuntimeError, "does not support non-positive values for delta"),
    (lambda: nn.Unflatten("a", (1, 2)), TypeError, "`dim` must be an int"),
    (lambda: nn.Sequential(1), TypeError, "int is not a Module subclass"),
    (lambda: nn.Sequential()[0], IndexError, "index 0 is out of range"),
    (lambda: nn.ModuleList(3), TypeError, "ModuleList.extend should be called with an iterable, but got int"),
    (lambda: nn.ModuleDict([("a", nn.ReLU(), 1)]), ValueError, "element #0 has length 3; 2 is required"),
    (lambda: nn.ParameterDict({1: ones(1)}), TypeError, "not a string"),
    (lambda: nn.Parameter([1.0]), TypeError, "`data` must be a Tensor, but got list"),
    (lambda: nn.Parameter(labels(1)), RuntimeError, "floating point"),
    (lambda: nn.Module()(1), NotImplementedError, 'Module [Module] is missing the required "forward" function'),
    (lambda: nn.Linear(1, 1).train(1), ValueError, "training mode is expected to be boolean"),
    (lambda: nn.Linear(1, 1).to(minitorch.int64), TypeError, "only accepts floating point dtypes"),
    (lambda: nn.Linear(1, 1).to("cuda"), NoDeviceError, "cuda"),
    (lambda: nn.Linear(1, 1).get_submodule("a.b"), AttributeError, "Linear has no attribute `a`"),
    (lambda: nn.Linear(1, 1).get_parameter("in_features"), AttributeError, "`in_features` is not an nn.Parameter"),
    (lambda: nn.Linear(1, 1).nothing, AttributeError, "'Linear' object has no attribute 'nothing'"),
    (
        lambda: nn.Linear(1, 1).load_state_dict([1]),
        TypeError,
        "Expected state_dict to be dict-like, got <class 'list'>.",
    ),
    (
        lambda: setattr(nn.Linear(1, 1), "weight", ones(1, 1)),
        TypeError,
        "cannot assign 'minitorch.Tensor' as parameter 'weight' (minitorch.nn.Parameter or None expected)",
    ),
    (lambda: setattr(nn.Sequential(nn.ReLU()), "0", 1), TypeError, "cannot assign 'int' as child module '0'"),
    (lambda: setattr(nn.BatchNorm1d(1), "running_mean", 1), TypeError, "cannot assign 'int' as buffer 'running_mean'"),
    (lambda: nn.Module().register_buffer("x", 1), TypeError, "cannot assign 'int' object to buffer 'x'"),
    (
        lambda: nn.Module().register_parameter("x", ones(1)),
        TypeError,
        "cannot assign 'minitorch.Tensor' object to parameter 'x'",
    ),
    (lambda: nn.Module().register_parameter("x.y", None), KeyError, 'can\'t contain "."'),
    (lambda: nn.Module().register_parameter("", None), KeyError, "can't be empty string"),
    (lambda: nn.Module().register_buffer(3, None), TypeError, "buffer name should be a string. Got int"),
    (lambda: nn.Linear(1, 1).register_buffer("weight", None), KeyError, "attribute 'weight' already exists"),
    (lambda: nn.Module().add_module("forward", nn.ReLU()), KeyError, "attribute 'forward' already exists"),
]


@pytest.mark.parametrize(
    ("call", "kind", "message"), ERRORS, ids=[f"{i}-{m[:40]}" for i, (_, _, m) in enumerate(ERRORS)]
)
def test_errors(call, kind, message):
    """A wrong call raises PyTorch's class, and says what was needed and what came."""
    with pytest.raises(Exception) as caught:
        call()
    assert type(caught.value) is kind, repr(caught.value)
    assert message in str(caught.value.args[0])


def test_mse_loss_warns_of_broadcasting():
    """A target that only broadcasts to the input warns; one that does not raises."""
    with pytest.warns(UserWarning, match="different to the `input` size"):
        F.mse_loss(ones(3, 1), ones(3))
    with pytest.warns(UserWarning), pytest.raises(RuntimeError, match="must match the size of tensor b"):
        F.mse_loss(ones(2), ones(3))


def test_float_settings_are_refused_after_ints():
    """The cache of plans does not take 2.0 for the 2 it has seen."""
    F.max_pool2d(ones(1, 1, 4, 4), 2)
    with pytest.raises(TypeError):
        F.max_pool2d(ones(1, 1, 4, 4), 2.0)
    F.max_pool2d(ones(1, 1, 4, 4), (2, 2))
    with pytest.raises(TypeError):
        F.max_pool2d(ones(1, 1, 4, 4), (2.0, 2.0))


def test_older_reduction_flags():
    """size_average and reduce still mean what they meant."""
    x, t = ones(4), minitorch.zeros(4)
    assert F.mse_loss(x, t, size_average=False).item() == 4
    assert F.mse_loss(x, t, reduce=False).shape == (4,)
    assert nn.MSELoss(True).reduction == "mean"


def test_softmax_without_dim_warns():
    """The axis that PyTorch would choose is chosen, with its warning."""
    with pytest.warns(UserWarning, match="Implicit dimension choice"):
        out = F.softmax(minitorch.randn(2, 3))
    np.testing.assert_allclose(out.sum(1).numpy(), 1, rtol=1e-6)
