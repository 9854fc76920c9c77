"""Devices, memory formats and what surrounds them answer as PyTorch's CPU build does."""

from __future__ import annotations

import copy
import importlib
import pickle
from typing import Any

import pytest

import minitorch as m
from minitorch import nn
from minitorch.devices import NoDeviceError

X = (2, 3, 4, 5)

ANSWERS: list[tuple[str, Any]] = [
    ("repr(m.device('cpu'))", "device(type='cpu')"),
    ("repr(m.device('cuda:1'))", "device(type='cuda', index=1)"),
    ("str(m.device('cpu', 0))", "cpu:0"),
    ("(m.device('cuda:0').type, m.device('cuda:0').index, m.device('cpu').index)", ("cuda", 0, None)),
    ("m.device(type='cpu', index=1) == m.device('cpu:1')", True),
    ("m.device('cpu') == m.device('cpu', 0)", False),
    ("m.device('cpu') == 'cpu', m.device('cpu', 0) == 'cpu', m.device('cpu') != 'cuda'", (True, False, True)),
    ("len({m.device('cpu'), m.device('cpu'), m.device('cuda')})", 2),
    ("m.device(m.device('cuda:2')).index", 2),
    ("m.ones(2).device.type", "cpu"),
    ("m.zeros(2, device='cpu:3').device == m.device('cpu')", True),
    ("m.ones(2).to(m.device('cpu'), m.float64).dtype", m.float64),
    ("m.ones(2).to(m.device('cpu', 0), non_blocking=True).tolist()", [1.0, 1.0]),
    ("f'{m.ones(1).device}'", "cpu"),
    ("m.get_default_device()", m.device("cpu")),
    ("m.set_default_device('cpu')", None),
    ("m.ones(1).is_cpu, m.ones(1).is_cuda, m.ones(1).is_sparse, m.ones(1).is_quantized", (True, False, False, False)),
    ("m.ones(1).layout is m.strided, m.ones(1).get_device()", (True, -1)),
    ("m.cuda.is_available(), m.cuda.device_count(), m.cuda.memory_allocated()", (False, 0, 0)),
    ("m.cuda.manual_seed(1), m.cuda.manual_seed_all(1), m.cuda.empty_cache()", (None, None, None)),
    ("m.cuda.get_rng_state_all(), m.cuda.set_rng_state_all([]), m.version.cuda", ([], None, None)),
    ("m.accelerator.is_available(), m.accelerator.current_accelerator()", (False, None)),
    ("m.mps.is_available(), m.xpu.device_count(), m.cpu.is_available()", (False, 0, True)),
    (
        "m.backends.mps.is_available(), m.backends.cudnn.is_available(), m.backends.cuda.is_built()",
        (False, False, False),
    ),
    ("m.backends.cudnn.enabled, m.backends.cudnn.benchmark, m.backends.cudnn.version()", (True, False, None)),
    ("m.compile(len), m.compile(mode='max-autotune')(len)", (len, len)),
    ("m.amp.GradScaler('cuda').get_scale(), m.amp.GradScaler().is_enabled()", (1.0, False)),
    ("m.are_deterministic_algorithms_enabled(), m.get_float32_matmul_precision()", (False, "highest")),
    ("m.ones(2).type(), m.ones(2).half().type()", ("minitorch.FloatTensor", "minitorch.HalfTensor")),
    ("m.ones(2).type('torch.LongTensor').dtype, m.ones(2).type(m.ByteTensor).dtype", (m.int64, m.uint8)),
    ("m.ones(2).type(m.int16).type(), m.ones(2).type_as(m.ones(1).char()).dtype", ("minitorch.ShortTensor", m.int8)),
    ("isinstance(m.ones(2), m.FloatTensor), isinstance(m.ones(2), m.LongTensor)", (True, False)),
    ("m.FloatTensor([1, 2]).tolist(), m.LongTensor([1.5, -1.5]).tolist()", ([1.0, 2.0], [1, -1])),
    ("m.FloatTensor(2, 3).shape, m.LongTensor(m.Size([2])).shape, m.IntTensor().shape", ((2, 3), (2,), (0,))),
    ("m.ByteTensor([1]).dtype, m.BoolTensor([0, 1]).tolist()", (m.uint8, [False, True])),
    ("m.Tensor(2, 3).shape, m.Tensor([2]).tolist(), m.Tensor(m.Size([1, 2])).shape", ((2, 3), [2.0], (1, 2))),
]


@pytest.mark.parametrize(("call", "expected"), ANSWERS, ids=[call for call, _ in ANSWERS])
def test_answers(call: str, expected: Any) -> None:
    """What each says."""
    assert eval(call, {"m": m}) == expected


REFUSED: list[tuple[str, type[Exception], str]] = [
    ("m.ones(2).to('cuda')", AssertionError, "runs on the CPU"),
    ("m.ones(2).to('cuda')", RuntimeError, "cuda.is_available"),
    ("m.ones(2).cuda()", AssertionError, "runs on the CPU"),
    ("m.zeros(2, device=m.device('cuda', 0))", AssertionError, "'cuda:0'"),
    ("m.tensor([1.0], device='mps')", RuntimeError, "'mps'"),
    ("m.nn.Linear(1, 1).to(m.device('cuda'))", AssertionError, "cuda"),
    ("m.nn.Linear(1, 1).cuda()", AssertionError, "cuda"),
    ("m.set_default_device('cuda')", AssertionError, "cuda"),
    ("m.cuda.synchronize()", AssertionError, "CPU"),
    ("m.cuda.current_device()", AssertionError, "CPU"),
    ("m.cuda.FloatTensor(2)", AttributeError, "no GPUs"),
    ("m.accelerator.current_device_index()", RuntimeError, "accelerator"),
    ("m.mps.synchronize()", RuntimeError, "MPS"),
    ("m.device('foo')", RuntimeError, "Expected one of cpu, cuda, ipu"),
    ("m.device('cpu:a')", RuntimeError, "Invalid device string: 'cpu:a'"),
    ("m.device('cpu', -2)", RuntimeError, "must not be negative"),
    ("m.device('cpu:0', 1)", RuntimeError, "must not include an index"),
    ("m.device(0)", RuntimeError, "Cannot access accelerator"),
    ("m.device(1.5)", TypeError, "expected a name"),
    ("m.zeros(2, device=1.5)", TypeError, "device"),
    ("setattr(m.device('cpu'), 'type', 'cuda')", AttributeError, "not writable"),
    ("m.ones(2).to([1])", TypeError, "list"),
    ("m.ones(2).pin_memory()", RuntimeError, "pinned"),
    ("m.ones(2).type('LongTensor')", ValueError, "invalid type"),
    ("m.LongTensor(m.ones(2))", TypeError, "expected a tensor of minitorch.int64"),
    ("m.FloatTensor(3.5)", TypeError, "data must be a sequence"),
    ("m.FloatTensor(2, device='cuda')", AssertionError, "cuda"),
    ("m.ones(2, 3).contiguous(memory_format=m.channels_last)", RuntimeError, "required rank 4"),
    ("m.ones(2).clone(memory_format='x')", TypeError, "memory_format"),
    ("m.use_deterministic_algorithms(1)", TypeError, "bool"),
    ("m.amp.autocast()", TypeError, "device_type"),
    ("m.amp.GradScaler(growth_factor=0.5)", AssertionError, "growth factor"),
    ("m.compile(3)", TypeError, "module or a function"),
    ("m.compile(len, nonsense=1)", TypeError, "nonsense"),
    ("m.set_printoptions(profile='nonsense')", ValueError, "profile"),
]


@pytest.mark.parametrize(("call", "kind", "words"), REFUSED, ids=[call for call, _, _ in REFUSED])
def test_refused(call: str, kind: type[Exception], words: str) -> None:
    """The class is PyTorch's, and the sentence says what to do."""
    with pytest.raises(kind, match=words):
        eval(call, {"m": m})


def test_devices_travel() -> None:
    """Copies and pickles of devices, formats and layouts; the error is of both of PyTorch's classes."""
    for made in (m.device("cuda", 1), m.device("cpu")):
        assert copy.deepcopy(made) == made == pickle.loads(pickle.dumps(made))
    assert issubclass(NoDeviceError, AssertionError) and issubclass(NoDeviceError, RuntimeError)
    with m.device("cpu"):
        assert m.zeros(1).device == m.device("cpu")


@pytest.mark.parametrize(
    "name",
    [
        "cuda",
        "cuda.amp",
        "amp",
        "mps",
        "xpu",
        "cpu",
        "accelerator",
        "backends.cudnn",
        "backends.mps",
        "backends.cuda",
        "testing",
        "utils.dlpack",
    ],
)
def test_parts_are_modules(name: str) -> None:
    """`import minitorch.backends.cudnn as cudnn` works, and what `__all__` lists is there."""
    module = importlib.import_module(f"minitorch.{name}")
    assert all(hasattr(module, entry) for entry in getattr(module, "__all__", []))


def test_channels_last() -> None:
    """Formats are accepted wherever PyTorch takes them, and mean what they mean there."""
    x = m.arange(120.0).reshape(X).requires_grad_()
    y = x.contiguous(memory_format=m.channels_last)
    assert y.stride() == (60, 1, 15, 3) and y.tolist() == x.tolist() and y is not x
    assert y.is_contiguous(memory_format=m.channels_last) and not y.is_contiguous()
    assert x.is_contiguous() and not x.is_contiguous(memory_format=m.channels_last)
    (y * y).sum().backward()
    assert x.grad.tolist() == (2 * x).tolist()
    assert y.contiguous(memory_format=m.channels_last) is y
    for made in (
        x.to(memory_format=m.channels_last),
        x.clone(memory_format=m.channels_last),
        m.zeros_like(x, memory_format=m.channels_last),
        m.empty(X, memory_format=m.channels_last),
        m.full_like(x, 3.0, memory_format=m.channels_last),
        x.double(memory_format=m.channels_last),
    ):
        assert made.shape == X and made.stride() == (60, 1, 15, 3)
    assert m.zeros_like(y, memory_format=m.contiguous_format).stride() == (60, 20, 5, 1)
    assert m.ones_like(y).stride() == y.clone().stride() == (60, 1, 15, 3)
    assert y.contiguous(memory_format=m.contiguous_format).stride() == (60, 20, 5, 1)
    assert x.contiguous(memory_format=m.preserve_format) is x
    volume = m.ones(1, 2, 3, 4, 5).to(memory_format=m.channels_last_3d)
    assert volume.stride() == (120, 1, 40, 10, 2)
    net = nn.Conv2d(3, 4, 3).to(memory_format=m.channels_last)
    assert net(x).shape == (2, 4, 2, 3)


def test_pass_throughs() -> None:
    """autocast and GradScaler change nothing: a step under them is a step."""
    net, data = nn.Linear(2, 1), m.ones(4, 2)
    plain = copy.deepcopy(net)
    for layer, scaler in ((net, m.amp.GradScaler("cuda")), (plain, None)):
        optimizer = m.optim.SGD(layer.parameters(), lr=0.1)
        optimizer.zero_grad()
        if scaler is None:
            layer(data).sum().backward()
            optimizer.step()
            continue
        with m.autocast("cuda", dtype=m.float16):
            loss = layer(data).sum()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        scaler.load_state_dict(scaler.state_dict())
    assert net.weight.tolist() == plain.weight.tolist()
    with m.cuda.amp.autocast(enabled=False):
        assert (m.ones(2) @ m.ones(2)).dtype is m.float32

    @m.autocast("cpu")
    def twice(x: Any) -> Any:
        return x * 2

    @m.compile(fullgraph=True)
    def thrice(x: Any) -> Any:
        return x * 3

    assert (twice(m.ones(1)) + thrice(m.ones(1))).tolist() == [5.0]


def test_settings_are_kept() -> None:
    """What a script sets, it reads back; afterwards all is as before."""
    cudnn = m.backends.cudnn
    with cudnn.flags(enabled=False, benchmark=True):
        assert (cudnn.enabled, cudnn.benchmark) == (False, True)
    assert (cudnn.enabled, cudnn.benchmark) == (True, False)
    m.use_deterministic_algorithms(True, warn_only=True)
    assert m.are_deterministic_algorithms_enabled() and m.is_deterministic_algorithms_warn_only_enabled()
    m.use_deterministic_algorithms(False)
    m.set_float32_matmul_precision("high")
    assert m.get_float32_matmul_precision() == "high"
    with pytest.warns(UserWarning, match="not one of"):
        m.set_float32_matmul_precision("low")
    m.set_float32_matmul_precision("highest")
    m.set_default_tensor_type("torch.DoubleTensor")
    assert m.ones(1).dtype is m.float64 and m.Tensor([1]).dtype is m.float64
    m.set_default_tensor_type(m.FloatTensor)
    assert m.ones(1).dtype is m.float32


def test_print_options() -> None:
    """Digits, scientific notation, what is left out, the width of lines."""
    try:
        m.set_printoptions(precision=2)
        assert repr(m.tensor([0.12345, 10.0])) == "tensor([ 0.12, 10.00])"
        m.set_printoptions(precision=2, sci_mode=True)
        assert repr(m.tensor([0.5])) == "tensor([5.00e-01])"
        m.set_printoptions(profile="default", threshold=4, edgeitems=1)
        assert repr(m.arange(6)) == "tensor([0,  ..., 5])"
        m.set_printoptions(profile="full", linewidth=12)
        assert repr(m.arange(2)) == "tensor([0,\n        1])"
        m.set_printoptions(sci_mode=False)
        assert "e" not in repr(m.tensor([1e-6, 1e6])).removeprefix("tensor")
    finally:
        m.set_printoptions(profile="default")
    assert repr(m.tensor([0.12345, 10.0])) == "tensor([ 0.1235, 10.0000])"
