"""Calls with one argument wrong: the error is one of Python's, never one from inside, and tensors that were handed in are
as they were. Whether PyTorch raises the same class is counted.
"""

from __future__ import annotations

import collections
import contextlib
import resource
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

import minitorch as m
from tests.fuzz.cases import Failure

# A function and arguments that it takes; S, T are tensors' names below. Methods are called as L.Tensor.name.
CALLS = """
    L.add|x|y  L.sub|x|y|alpha=2  L.mul|x|2.0  L.div|x|y  L.div|x|y|rounding_mode="floor"  L.pow|x|2  L.maximum|x|y
    L.where|b|x|y  L.clamp|x|-1.0|1.0  L.atan2|x|y  L.fmod|x|y  L.remainder|x|1.5  L.logical_and|b|b  L.bitwise_and|i|i
    L.exp|x  L.log|x  L.tanh|x  L.abs|x  L.floor|x  L.sqrt|x  L.eq|x|y  L.lt|x|0.5  L.isnan|x  L.allclose|x|y
    L.sum|x|1  L.sum|x|(0,1)|keepdim=True  L.mean|x|0  L.var|x|1|correction=1  L.std|x|0  L.prod|x|1  L.amax|x|(0,1)
    L.max|x|1  L.min|x|0|keepdim=True  L.argmax|x|1  L.argmin|x  L.all|b|0  L.any|b|1  L.logsumexp|x|1  L.cumsum|x|0
    L.cumprod|x|1  L.softmax|x|1  L.log_softmax|x|0  L.norm|x|2|1  L.median|x|0  L.sort|x|1  L.topk|x|2|1
    L.nansum|x|1  L.aminmax|x|dim=0  L.cummax|x|0  L.var_mean|x|1|correction=0  L.count_nonzero|x|1
    L.reshape|x|(3,2)  L.transpose|x|0|1  L.permute|x|(1,0)  L.unsqueeze|x|1  L.squeeze|x|0  L.flatten|x4|1|2  L.flip|x|(0,)
    L.movedim|x|0|1  L.roll|x|1|0  L.chunk|x|2|1  L.split|x|2|1  L.unbind|x|0  L.narrow|x|1|0|2  L.tril|x|0  L.triu|x|1
    L.cat|[x,y]|0  L.stack|[x,y]|0  L.index_select|x|1|k  L.gather|x|1|i  L.matmul|x|z  L.mm|x|z  L.bmm|x3|z3  L.dot|v|v
    L.meshgrid|v|v|indexing="ij"  L.diagonal|x|0|0|1  L.one_hot|i  L.broadcast_to|x|(4,2,3)  L.outer|v|v  L.einsum|"ij,jk"|x|z
    L.Tensor.view|x|3|2  L.Tensor.expand|x|4|2|3  L.Tensor.repeat|x|2|1  L.Tensor.sum|x|1  L.Tensor.masked_fill|x|b|0.5
    L.Tensor.add_|x|y  L.Tensor.mul_|x|2  L.Tensor.copy_|x|y  L.Tensor.fill_|x|0.5  L.Tensor.zero_|x  L.Tensor.clamp_|x|0|1
    L.Tensor.index_add|x|1|k|x2  L.Tensor.scatter_add|x|1|i|y  L.Tensor.masked_fill_|x|b|1.0  L.Tensor.unfold|x|1|2|1
    L.Tensor.to|x|L.float32  L.Tensor.item|s  L.Tensor.size|x|0  L.Tensor.stride|x|1  L.Tensor.requires_grad_|x|True
    L.Tensor.__getitem__|x|0  L.Tensor.__getitem__|x|(0,slice(1,3))  L.Tensor.__getitem__|x|k2  L.Tensor.__getitem__|x|b
    L.Tensor.__setitem__|x|0|1.0  L.Tensor.__setitem__|x|b|0.5  L.Tensor.__setitem__|x|(0,slice(1,3))|v2
    L.Tensor.backward|s  L.Tensor.detach|x  L.Tensor.numpy|x  L.Tensor.tolist|x  L.Tensor.permute|x|1|0
    L.zeros|2|3  L.ones|(2,3)  L.full|(2,3)|0.5  L.arange|0|6|2  L.linspace|0|1|5  L.eye|3|4  L.empty|2|3  L.tensor|[1.0,2.0]
    L.zeros_like|x  L.full_like|x|1.5  L.rand|2|3  L.randn|2|3  L.randint|0|5|(2,3)  L.randperm|5  L.bernoulli|p  L.normal|0.0|1.0|(2,)
    L.multinomial|p|2|True  L.manual_seed|3  L.as_tensor|[1,2]  L.zeros|2|dtype=L.int64  L.from_numpy|x.detach().numpy()
    L.autograd.grad|r.sum()|[r]  L.autograd.grad|(r*r).sum()|r  L.autograd.backward|r.sum()  L.set_grad_enabled|True
    F.conv1d|x3|w3|c2|1|1  F.conv2d|x4|w4|c|1|1|1|1  F.conv2d|x4|w4|padding="same"  F.conv3d|x5|w5  F.conv_transpose2d|x4|w4|c|2|1|1
    F.conv_transpose1d|x3|w3  F.max_pool2d|x4|2|1|0  F.avg_pool2d|x4|2|2|1  F.max_pool1d|x3|2  F.adaptive_avg_pool2d|x4|(2,2)
    F.adaptive_max_pool2d|x4|3  F.lp_pool2d|x4|2.0|2  F.interpolate|x4|size=(3,3)  F.interpolate|x4|scale_factor=2.0|mode="bilinear"
    F.pad|x4|(1,1)  F.pad|x4|(1,1,1,1)|mode="reflect"  F.unfold|x4|2  F.fold|f|(5,5)|2  F.pixel_shuffle|x4|2  F.one_hot|i|5
    F.linear|x|w2|v2  F.embedding|i|w2  F.dropout|x|0.5  F.relu|x  F.gelu|x  F.gelu|x|approximate="tanh"  F.softplus|x|1|20
    F.leaky_relu|x|0.1  F.elu|x|1.0  F.hardtanh|x|-1|1  F.softmax|x|1  F.log_softmax|x|dim=0  F.normalize|x|2.0|1  F.celu|x|1.0
    F.batch_norm|x4|m4|n4|c|c|True|0.1|1e-5  F.batch_norm|x4|m4|n4  F.layer_norm|x|(3,)|v|v  F.group_norm|x4|2|c|c  F.rms_norm|x|(3,)
    F.instance_norm|x4  F.local_response_norm|x4|2  F.cross_entropy|x|t  F.cross_entropy|x|t|label_smoothing=0.1  F.nll_loss|x|t
    F.mse_loss|x|y  F.l1_loss|x|y|reduction="sum"  F.smooth_l1_loss|x|y|beta=0.5  F.huber_loss|x|y|delta=0.5  F.kl_div|x|y
    F.binary_cross_entropy|p|p  F.binary_cross_entropy_with_logits|x|p  F.cosine_similarity|x|y  F.threshold|x|0.1|0.5
    L.nn.Conv2d|4|4|3  L.nn.Conv2d|4|8|(3,3)|stride=2|padding=1|groups=2  L.nn.Linear|3|2  L.nn.BatchNorm2d|4  L.nn.Dropout|0.5
    L.nn.LayerNorm|3  L.nn.GroupNorm|2|4  L.nn.Embedding|5|3|padding_idx=1  L.nn.MaxPool2d|2  L.nn.ConvTranspose2d|4|4|3
    L.nn.Flatten|1  L.nn.Upsample|scale_factor=2  L.nn.Sequential|L.nn.ReLU()  L.nn.ModuleList|[L.nn.ReLU()]  L.nn.Parameter|x
    L.nn.ReflectionPad2d|1  L.nn.Unfold|2  L.nn.CrossEntropyLoss|label_smoothing=0.1  L.nn.PixelShuffle|2  L.nn.Softmax|1
    L.optim.SGD|[r]|lr=0.1  L.optim.SGD|[r]|0.1|momentum=0.9  L.optim.Adam|[r]|0.1|betas=(0.9,0.99)  L.optim.AdamW|[r]|weight_decay=0.1
    L.nn.utils.clip_grad_norm_|[r]|1.0  L.nn.init.uniform_|x|0.0|1.0  L.nn.init.kaiming_normal_|x|mode="fan_in"  L.nn.init.constant_|x|1.0
"""
WRONG = """
    None  "a"  ""  -1  0  1  7  -7  1.5  -0.5  2**31  2**63  2**70  -2**70  10**15  float("nan")  float("inf")  True  [] () [0,0] (1,-1) (0,)
    [1.5] (None,) ("a",) {} {"a":1} b"a" 1j object len L.float32 L.nn slice(None) ... x y i b v s e x4 [x] [x,1] (x,x) k s*0 r i*100 i-9
    (2**40,2**40) (10**15,) [[]] [None] range(2) x[:0] x[0] z h
"""
ALLOWED = (
    TypeError,
    ValueError,
    RuntimeError,
    IndexError,
    NotImplementedError,
    AttributeError,
    OverflowError,
    KeyError,
)
SAME_CLASS = False  # whether another class than PyTorch's is a failure, too
ROOM = 2 << 30  # bytes that a call may take
HUGE = ("10**15", "2**31", "2**40")  # PyTorch pads, pools or repeats by so much for hours: it is not asked


def split(table: str) -> list[list[str]]:
    """The entries, each a list of its parts."""
    return [entry.split("|") for entry in table.split()]


def known(path: str, library: Any) -> bool:
    """Whether the library has the function."""
    home: Any = library.nn.functional if path[0] == "F" else library
    for name in path.split(".")[1:]:
        home = getattr(home, name, None)
    return home is not None


ROWS = [row for row in split(CALLS) if known(row[0], m) and known(row[0], torch)]
BAD = WRONG.split()


def operands(library: Any) -> dict[str, Any]:
    """Fresh tensors, the same in both libraries."""
    rng = np.random.default_rng(0)
    shapes = {
        "x": (2, 3),
        "y": (2, 3),
        "z": (3, 2),
        "v": (3,),
        "v2": (2,),
        "s": (),
        "e": (0, 3),
        "x2": (2, 2),
        "w2": (5, 3),
        "x3": (2, 4, 5),
        "w3": (2, 4, 3),
        "z3": (2, 5, 3),
        "c2": (2,),
        "x4": (2, 4, 5, 5),
        "w4": (4, 4, 3, 3),
        "c": (4,),
        "x5": (1, 2, 3, 3, 3),
        "w5": (2, 2, 2, 2, 2),
        "f": (1, 4, 16),
        "r": (2, 3),
        "m4": (4,),
        "n4": (4,),
        "p": (2, 3),
    }
    arrays = {name: np.array(rng.uniform(0.1, 0.9, shape)) for name, shape in shapes.items()}
    arrays |= {
        "i": rng.integers(0, 2, (2, 3)),
        "b": rng.random((2, 3)) < 0.5,
        "k": np.array([0, 1]),
        "k2": np.array([1, 0]),
        "t": np.array([0, 2]),
        "h": rng.uniform(0, 1, (2, 3)).astype(np.float32),
    }
    tensors = {name: library.from_numpy(array) for name, array in arrays.items()}
    tensors["r"].requires_grad_()
    return {"L": library, "F": library.nn.functional, **tensors}


def wrong(rng: np.random.Generator) -> str:
    """A call with something wrong about it, or not after all."""
    function, *arguments = ROWS[rng.integers(len(ROWS))]
    kind, bad = rng.random(), BAD[rng.integers(len(BAD))]
    at = int(rng.integers(0, len(arguments)))
    if kind < 0.8:
        keyword, equals, _ = arguments[at].rpartition("=")
        arguments[at] = keyword + equals + bad
    elif kind < 0.86:
        del arguments[at]
    elif kind < 0.92:
        arguments.append(bad if "=" not in "".join(arguments) else f"extra={bad}")
    else:
        arguments.append(f"{rng.choice(['dim', 'out', 'keepdim', 'dtype', 'extra', 'stride', 'reduction'])}={bad}")
    return f"{function}({', '.join(arguments)})"


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """No more than ROOM bytes of new memory within."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def answer(code: Any, names: dict[str, Any]) -> Any:
    """The result, or the error."""
    try:
        return eval(code, names)
    except Exception as error:  # noqa: BLE001
        return error


def bits(names: dict[str, Any]) -> dict[str, tuple]:
    """Shape, dtype and bytes of every tensor."""
    tensors = {name: t for name, t in names.items() if isinstance(t, m.Tensor)}
    return {name: (t.shape, t.dtype, t.detach().numpy().tobytes(), t.requires_grad) for name, t in tensors.items()}


def brief(result: Any) -> str:
    """An answer on one line."""
    if isinstance(result, Exception):
        return " ".join(repr(result).split())[:250]
    return f"a {type(result).__name__}{' of shape ' + str(tuple(result.shape)) if hasattr(result, 'shape') else ''}"


def case(rng: np.random.Generator, counts: collections.Counter) -> None:
    """One call."""
    line = wrong(rng)
    try:
        code = compile(line, line, "eval")
    except SyntaxError:
        counts["no call"] += 1
        return
    names = operands(m)
    before = bits(names)
    with bounded():
        found = answer(code, names)
        asked = not any(huge in line for huge in HUGE)
        expected = answer(code, operands(torch)) if asked else None
    m.set_grad_enabled(True)
    torch.set_grad_enabled(True)
    if isinstance(found, Exception):
        asserts = "padding_idx" in line and isinstance(found, AssertionError)  # PyTorch's class for one out of range
        python = type(found).__module__ == "builtins" and isinstance(found, (*ALLOWED, type(expected))) or asserts
        if not python and not isinstance(found, MemoryError):
            what = f"an error from inside: {type(found).__module__}.{brief(found)}"
            raise Failure(f"{line}\n{what}\nPyTorch: {brief(expected) if asked else 'not asked'}")
        changed = [name for name, value in bits(names).items() if value != before[name]]
        if changed:
            raise Failure(f"{line}\nraised {brief(found)}, but changed {changed} before")
    if not asked:
        counts["PyTorch is not asked"] += 1
        return
    if type(found) is type(expected) if isinstance(expected, Exception) else not isinstance(found, Exception):
        counts["refused by both" if isinstance(expected, Exception) else "accepted by both"] += 1
        return
    if SAME_CLASS:
        raise Failure(f"{line}\nPyTorch: {brief(expected)}\nours: {brief(found)}")
    here, there = (isinstance(result, Exception) for result in (found, expected))
    counts["another class than PyTorch's" if here and there else f"refused by {'us' if here else 'PyTorch'} alone"] += 1
