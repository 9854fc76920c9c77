"""The public names, frozen: adding or losing one is a decision, and is made here."""

from __future__ import annotations

import importlib
import inspect
import os
import subprocess
import sys
from types import ModuleType

import pytest

import minitorch
from minitorch import lowrank, positional, surface, windows

# Without the names that ops declare: docs/ops.md lists these, and test_surface.py compares it.
NAMES = {
    "minitorch": """
        Generator OutOfMemoryError Size Tensor arange as_tensor autograd backends bernoulli bool default_generator distributed double dtype
        empty empty_like enable_grad explain eye finfo float float32 float64 from_numpy func full full_like
        get_default_dtype get_num_threads get_rng_state iinfo inference_mode initial_seed int int32 int64
        bfloat16 binomial is_anomaly_enabled is_grad_enabled is_inference_mode_enabled is_tensor linalg
        linspace load long manual_seed multinomial nn no_grad normal ones ones_like onnx optim poisson print_tape
        rand rand_like randint randint_like randn randn_like randperm return_types save seed
        set_default_dtype set_grad_enabled set_num_threads set_rng_state show_config special summary tensor
        uint8 utils version vision vmap zeros zeros_like""",
    "minitorch.autograd": """
        Function GradcheckError Node OutOfMemoryError Primitive Variable ZERO backward detect_anomaly enable_grad functional grad gradcheck
        gradgradcheck graph inference_mode is_grad_enabled is_inference_mode_enabled no_grad primitive print_tape registry set_detect_anomaly set_grad_enabled""",
    "minitorch.nn": """
        AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d
        AvgPool1d AvgPool2d AvgPool3d BatchNorm1d BatchNorm2d BatchNorm3d ChannelShuffle CircularPad1d CircularPad2d
        CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d
        ConvTranspose3d CrossEntropyLoss Dropout Flatten Fold FractionalMaxPool2d FractionalMaxPool3d Identity
        LPPool1d LPPool2d LPPool3d LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d LazyConv1d LazyConv2d LazyConv3d
        LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d LazyLinear Linear MSELoss MaxPool1d MaxPool2d
        MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d Module ModuleDict ModuleList NLLLoss Parameter ParameterDict
        ParameterList PixelShuffle PixelUnshuffle ReLU ReflectionPad1d ReflectionPad2d ReflectionPad3d
        ReplicationPad1d ReplicationPad2d ReplicationPad3d Sequential Sigmoid Softmax Tanh Unfold
        UninitializedBuffer UninitializedParameter Upsample UpsamplingBilinear2d UpsamplingNearest2d ZeroPad1d
        ZeroPad2d ZeroPad3d functional grad init utils""",
    "minitorch.optim": """
        ASGD Adadelta Adafactor Adagrad Adam AdamW Adamax LBFGS Muon NAdam Optimizer RAdam RMSprop Rprop SGD SparseAdam
        lr_scheduler swa_utils
    """,
}
# Devices, dtypes, exchange, settings, and layers as functions of the package.
NAMES["minitorch"] += """
    BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor GradScaler HalfTensor IntTensor LongTensor
    ShortTensor accelerator adaptive_avg_pool1d amp are_deterministic_algorithms_enabled asarray autocast
    avg_pool1d can_cast channel_shuffle channels_last channels_last_3d compile contiguous_format conv1d conv2d
    conv3d conv_transpose1d conv_transpose2d conv_transpose3d cpu cuda device e empty_strided float16 from_dlpack
    frombuffer get_default_device get_float32_matmul_precision get_num_interop_threads group_norm half inf int16
    int8 is_deterministic_algorithms_warn_only_enabled layer_norm layout logspace max_pool1d max_pool2d max_pool3d
    memory_format mps nan newaxis pi pixel_shuffle pixel_unshuffle preserve_format promote_types randint_like
    range rms_norm scalar_tensor set_default_device set_default_tensor_type set_float32_matmul_precision
    set_flush_denormal set_num_interop_threads set_printoptions short strided testing to_dlpack
    use_deterministic_algorithms xpu
"""
# Parts that hold the public names, reachable but not themselves names of PyTorch's.
PARTS = {
    "TYPE_CHECKING",
    "surface",
    "compiler",
    "config",
    "course",
    "creation",
    "drawing",
    "devices",
    "dtypes",
    "exchange",
    "facts",
    "files",
    "geometry",
    "kernels",
    "legacy",
    "lowrank",
    "missing",
    "ops",
    "positional",
    "printing",
    "random",
    "run",
    "serialization",
    "settings",
    "tensor",
    "version",
    "warmup",
    "windows",
}
# What PyTorch calls otherwise or has not: see docs.
EXTENSIONS = {
    "minitorch": {"explain", "print_tape", "show_config", "summary", "vision", "version"},
    "minitorch.autograd": {
        "GradcheckError",
        "OutOfMemoryError",
        "Node",
        "Primitive",
        "Variable",
        "ZERO",
        "primitive",
        "print_tape",
        "registry",
        "is_grad_enabled",
        "is_inference_mode_enabled",
    },
}


def public(module: ModuleType) -> set[str]:
    """`__all__`, or all names that do not begin with an underscore and are no parts."""
    if hasattr(module, "__all__"):
        return set(module.__all__)
    return {name for name in vars(module) if not name.startswith("_")}


def test_names_of_the_package() -> None:
    """minitorch's names are exactly these, beside the parts they stand in."""
    expected = set(NAMES["minitorch"].split()) | surface.functions().keys()
    expected |= set(lowrank.__all__) | set(positional.__all__) | set(windows.__all__)
    found = public(minitorch)
    assert found - PARTS - expected == set(), "new names: add them here, and to the docs"
    assert expected - found == set(), "names are missing"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "minitorch"])
def test_names_of_parts(name: str) -> None:
    """What these parts must have; nn and optim may have more of PyTorch's, which `make parity` checks."""
    module = importlib.import_module(name)
    assert set(NAMES[name].split()) - set(dir(module)) == set()


def test_all_is_sorted_and_real() -> None:
    """Where a module has `__all__`, every name in it exists, once."""
    for name in NAMES:
        module = importlib.import_module(name)
        listed = list(getattr(module, "__all__", []))
        assert len(listed) == len(set(listed)), name
        for entry in listed:
            assert hasattr(module, entry), f"{name}.{entry}"


def test_no_leaks() -> None:
    """numpy, typing and the like are not public names of the package."""
    foreign = [
        name
        for name in public(minitorch)
        if inspect.ismodule(value := getattr(minitorch, name)) and not value.__name__.startswith("minitorch")
    ]
    assert not foreign


def test_version() -> None:
    """The version is a string of three numbers."""
    assert len(minitorch.__version__.split(".")) == 3


def test_show_config(capsys: pytest.CaptureFixture[str]) -> None:
    """One row for everything that a report needs, after a kernel ran and in a process of reference kernels."""
    minitorch.relu(minitorch.ones(3))
    minitorch.show_config()
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert f"minitorch {minitorch.__version__}, Python" in rows["versions"]
    assert rows["kernels"].split(",")[0] == minitorch.kernels.implementation()
    assert rows["threads"].startswith(f"{minitorch.get_num_threads()} of ")
    if minitorch.kernels.implementation() == "numba":
        from minitorch.kernels.words.registers import WIDTH

        assert rows["vectors"].startswith(f"{WIDTH} float32 lanes")
        assert str(minitorch.kernels.cache_directory()) in rows["cache"]
    code = "import sys, minitorch; minitorch.show_config(); sys.exit('numba' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"MINITORCH_KERNELS": "reference"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "reference, because MINITORCH_KERNELS=reference" in done.stdout
