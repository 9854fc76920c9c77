"""How calls are written, dtypes and how they meet, devices, exchange: beside live PyTorch. `make parity` runs it.

Prints `names: names N, cases M, failures K`.
"""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as TF
import torch.overrides

import minitorch as m
from minitorch import surface

HERE = Path(__file__).parent
DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
INTS = DTYPES[1:6]
NUMBERS = [True, 2, 1.5]
COUNT = {"names": 0, "cases": 0}
failures: list[str] = []


def check(case: str, ours: Any, theirs: Any) -> None:
    """One case: both must be the same."""
    COUNT["cases"] += 1
    if ours != theirs:
        failures.append(f"{case}: {ours!r}, PyTorch {theirs!r}")


def plain(value: Any) -> Any:
    """A result in words that both libraries share."""
    if isinstance(value, m.Tensor | torch.Tensor):
        array = value.detach().numpy()
        return (str(value.dtype).rpartition(".")[2], tuple(value.shape), array.tolist() if array.size else [])
    if isinstance(value, m.Size | torch.Size):
        return ("Size", *value)
    if isinstance(value, m.dtype | torch.dtype | m.device | torch.device | m.layout | torch.layout):
        return str(value).rpartition(".")[2]
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    return round(value, 6) if isinstance(value, float) else value


def outcome(call: str, names: dict) -> Any:
    """What a call gives, or the class of its error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return plain(eval(call, names))
        except Exception as error:
            return {c.__name__ for c in type(error).__mro__} - {"Exception", "BaseException", "object"}


def same_class(ours: Any, theirs: Any) -> bool:
    """Whether both are errors, ours of PyTorch's class or one below it."""
    return isinstance(ours, set) and isinstance(theirs, set) and theirs <= ours


def test_promotion() -> None:
    """promote_types, can_cast and result_type over all pairs."""
    COUNT["names"] += 3
    for a, b in itertools.product(DTYPES, DTYPES):
        ta, tb, ma, mb = getattr(torch, a), getattr(torch, b), getattr(m, a), getattr(m, b)
        check(f"promote_types {a} {b}", plain(m.promote_types(ma, mb)), plain(torch.promote_types(ta, tb)))
        check(f"can_cast {a} {b}", m.can_cast(ma, mb), torch.can_cast(ta, tb))

    def operands(lib: Any) -> list:
        made = [lib.ones(shape, dtype=getattr(lib, d)) for d in DTYPES for shape in ((2,), ())]
        return made + NUMBERS

    labels = [f"{d}{shape}" for d in DTYPES for shape in ("(2,)", "()")] + [str(n) for n in NUMBERS]
    pairs = zip(itertools.product(operands(m), repeat=2), itertools.product(operands(torch), repeat=2), strict=True)
    for label, (ours, theirs) in zip(itertools.product(labels, repeat=2), pairs, strict=True):
        check(f"result_type {label}", plain(m.result_type(*ours)), plain(torch.result_type(*theirs)))
        if not all(isinstance(x, int | float) for x in ours):
            check(f"multiply {label}", plain(ours[0] * ours[1]), plain(theirs[0] * theirs[1]))


BINARY = [
    "x + y",
    "x - y",
    "x * y",
    "x / y",
    "x // y",
    "x % y",
    "x == y",
    "x < y",
    "L.maximum(x, y)",
    "x & y",
    "L.where(x > y, x, y)",
    "x.clone().add_(y)",
    "L.cat([x, y])",
    "L.stack([x, y])",
]
UNARY = [
    "-x",
    "abs(x)",
    "x.sum()",
    "x.prod()",
    "x.max()",
    "x.argmax()",
    "x.cumsum(0)",
    "x + 1",
    "x * 2.5",
    "x ** 2",
    "x == 1",
    "x.exp()",
    "x.sign()",
    "x.sqrt()",
    "x.float()",
    "x.half()",
    "x.short()",
    "x.char()",
    "x.bool()",
    "x[1:]",
    "x.clone().fill_(3)",
    "L.zeros_like(x)",
    "x.new_ones(2)",
    "L.arange(3, dtype=x.dtype)",
    "L.eye(2, dtype=x.dtype)",
    "L.full((2,), 1, dtype=x.dtype)",
    "L.linspace(0, 4, 3, dtype=x.dtype)",
    "x.any()",
    "x.all()",
    "x.min(0).values",
    "x.type()[-10:]",
    "x.flip(0)",
    "x.tolist()",
    "x.itemsize",
    "x.is_signed()",
    "x.mean()",
    "x.reshape(2, 2) @ x[:2]",
    "x.to(L.int16)",
    "x.to(L.uint8)",
    "x.to(float)",
    "x.to(int)",
    "x.to(bool)",
    "L.scalar_tensor(1, dtype=x.dtype)",
    "L.tensor([1, 0], dtype=x.dtype)",
    "L.randint(0, 1, (2,), dtype=x.dtype)",
    "L.nn.functional.relu(x)",
    "x.unique_things()",
    "L.from_numpy(x.numpy()).dtype",
    "L.tensor(x.numpy()).dtype",
    "x.sum(dtype=L.int16)",
    "L.empty(0, dtype=x.dtype).sum()",
    "x.dtype.is_floating_point",
    "x.dtype.is_signed",
    "x.dtype.itemsize",
]


# Bools are numbers here in some places where PyTorch refuses them: docs/design.md, "Wrong calls".
BOOLS = {
    "abs(x)",
    "x.argmax()",
    "L.arange(3, dtype=x.dtype)",
    "L.linspace(0, 4, 3, dtype=x.dtype)",
    "x // y",
    "x % y",
    "x.reshape(2, 2) @ x[:2]",
    "L.nn.functional.relu(x)",
}


def test_small_dtypes() -> None:
    """Ops over int8, int16, float16 and the others: values, dtypes, error classes."""
    COUNT["names"] += len(BINARY) + len(UNARY)
    values = np.array([1, 2, 3, 1])
    for a in DTYPES:
        tx, mx = torch.tensor(values).to(getattr(torch, a)), m.tensor(values).to(getattr(m, a))
        for call in UNARY:
            if a == "bool" and call in BOOLS:
                continue
            check_calls(f"{call} {a}", call, {"x": mx}, {"x": tx})
        for b in DTYPES:
            ty, my = torch.tensor(values[::-1].copy()).to(getattr(torch, b)), m.tensor(values[::-1]).to(getattr(m, b))
            for call in BINARY:
                if a == b == "bool" and call in BOOLS:
                    continue
                check_calls(f"{call} {a} {b}", call, {"x": mx, "y": my}, {"x": tx, "y": ty})


def check_calls(label: str, call: str, mine: dict, theirs: dict) -> None:
    """One call in both libraries."""
    ours, wanted = outcome(call, {"L": m, **mine}), outcome(call, {"L": torch, **theirs})
    if same_class(ours, wanted):
        COUNT["cases"] += 1
        return
    check(label, close(ours), close(wanted))


def close(found: Any) -> Any:
    """Floats rounded to what float16 and float32 tell apart."""
    if isinstance(found, tuple | list):
        digits = 3 if found and found[0] == "float16" else 5
        return [close(f) if not isinstance(f, float) else float(f"{f:.{digits}g}") for f in found]
    return found


# What PyTorch has and this project means otherwise, as docs/design.md and docs/coverage.md say.
OTHERWISE = (
    "== 'cpu'",
    "type()",
    "share_memory_",
    "version.cuda",
    "flags",
    "resize_(-1)",
    "set_print",
    "randint_like",
    "uint16",
    "[:1].resize_",
    "finfo",
    "to_dlpack",
    "rand(size",
    "compile",
    "xpu",
    "__dlpack",
    "growth",
    "GradScaler('cuda')",
    "asarray(x)",
    "cuda.FloatTensor",
    "m.Tensor(m",
    "Exporter",
    "pin_memory",
    "LongTensor([1.5, -1.5]",
    "nonsense",
    "wraps",
    "set_default",
    "sparse_coo",
    "dim=(1, 0)",
    "permute(x, dim",
    "m.e, 5",
    "memory_format",
    "resize_(3)",
    "new(3)",
    "empty",
    "cuda.synchronize",
    "device(0)",
    "device=0",
    "'mps'",
    "m.e,",
    "roll(x)",
    "('a')",
)


def table(path: str, name: str) -> list:
    """A table of another test file."""
    spec = importlib.util.spec_from_file_location(f"rows_{Path(path).stem}", HERE.parent / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


def test_the_tables_say_what_pytorch_does() -> None:
    """Calls whose answers stand in the other tests, asked of PyTorch itself."""
    x, x2 = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1.0], requires_grad=True)
    for path, name in (
        ("ops/test_call_forms.py", "FORMS"),
        ("ops/test_call_forms.py", "WRONG"),
        ("names/test_devices.py", "ANSWERS"),
        ("names/test_devices.py", "REFUSED"),
        ("names/test_exchange.py", "MADE"),
        ("names/test_exchange.py", "REFUSED"),
    ):
        for call, *_ in table(path, name):
            if any(text in call for text in OTHERWISE):
                continue
            COUNT["names"] += 1
            tx = torch.arange(6.0).reshape(2, 3) if name == "MADE" else torch.ones(2, 2) if name == "WRONG" else x
            mx, mx2 = m.from_numpy(tx.numpy().copy()), m.tensor([1.0], requires_grad=True)
            ours, theirs = outcome(call, {"m": m, "x": mx, "x2": mx2}), outcome(call, {"m": torch, "x": tx, "x2": x2})
            if same_class(ours, theirs):
                COUNT["cases"] += 1
            else:
                check(call, ours, theirs)


SPARE = {
    "args",
    "kwargs",
    "inplace",
    "out_dtype",
    "self",
    "names",
    "out",
    "generator",
    "input",
    "tensor",
}  # of other overloads
# The stand-ins of torch.overrides name these, the functions themselves do not.
THEIRS = {
    "pow": {"exponent"},
    "split": {"split_size_or_sections"},
    "swapdims": {"axis0", "axis1"},
    "permute": {"dim"},
    "swapaxes": {"dim0", "dim1"},
    "histogram": {"min", "max"},
    "msort": {"descending"},
    "topk": {"descending"},
    "isin": {"e", "te"},
    "dot": {"other"},
    "diag_embed": {"diagonal"},
    "index_reduce": {"include_input"},
    "split_with_sizes": {"split_size_or_sections"},
    "unsafe_split_with_sizes": {"split_size_or_sections"},
    "unsafe_split": {"split_size_or_sections"},
    "cholesky_solve": {"input1"},
    "ormqr": {"input2", "input3"},
    "where": {"x", "y"},
}


def test_names_of_arguments() -> None:
    """Every name that PyTorch's function has for an argument, ours has."""
    for function, stand_in in torch.overrides.get_testing_overrides().items():
        name = getattr(function, "__name__", "")
        if getattr(torch, name, None) is not function or name not in surface.functions():
            continue
        COUNT["names"] += 1
        ours = set(inspect.signature(getattr(m, name)).parameters)
        wanted = {p.name for p in inspect.signature(stand_in).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD}
        missing = wanted - ours - SPARE - THEIRS.get(name, set()) - ({"other"} if "y" in ours else set())
        check(f"names of {name}", sorted(missing), [])
    for name in set(m.nn.functional.__all__) & set(dir(TF)):
        try:
            wanted = set(inspect.signature(getattr(TF, name)).parameters)
        except (ValueError, TypeError):
            continue
        COUNT["names"] += 1
        missing = (
            {n for n in wanted if n[0] != "_"}
            - SPARE
            - set(inspect.signature(getattr(m.nn.functional, name)).parameters)
        )
        check(f"names of F.{name}", sorted(missing), [])


def test_exchange_with_pytorch() -> None:
    """Memory is shared both ways, for every dtype and order."""
    for d in DTYPES:
        theirs = torch.ones(2, 3, dtype=getattr(torch, d)).t()
        ours = m.from_dlpack(theirs)
        check(f"from_dlpack {d}", (plain(ours), ours.stride()), (plain(theirs), theirs.stride()))
        ours[0, 1] = 0
        check(f"shared {d}", plain(ours), plain(theirs))
        mine = m.ones(2, 3, dtype=getattr(m, d)).t()
        for taken in (torch.from_dlpack(mine), torch.utils.dlpack.from_dlpack(m.to_dlpack(mine)), torch.asarray(mine)):
            taken[1, 1] = 0
            check(f"to_dlpack {d}", plain(mine), plain(taken))
        check(f"tensor {d}", plain(torch.tensor(mine)), plain(mine))
        check(f"tensor back {d}", plain(m.tensor(theirs)), plain(theirs))
    flipped = m.from_numpy(np.arange(3.0)[::-1])
    check("negative strides", plain(torch.from_dlpack(flipped)), plain(flipped))


def test_close() -> None:
    """assert_close agrees with PyTorch's, sentence by sentence."""
    for actual, expected in itertools.product(
        [[1.0, 2.0], [1.0, 2.000001], [1.0, 3.0], [1.0, float("nan")], [1, 2]], repeat=2
    ):
        for settings in ({}, {"equal_nan": True}, {"rtol": 0.0, "atol": 1.0}, {"check_dtype": False}):
            said = []
            for lib in (m, torch):
                try:
                    lib.testing.assert_close(lib.tensor(actual), lib.tensor(expected), **settings)
                    said.append("")
                except AssertionError as error:
                    said.append(str(error).replace("minitorch.", "torch.").partition("Greatest relative")[0])
            check(f"assert_close {actual} {expected} {settings}", *said)


def test_coverage_is_current() -> None:
    """docs/coverage.md says what is here: `python tests/scripts/make_coverage.py` writes it."""
    spec = importlib.util.spec_from_file_location("make_coverage", HERE.parent / "scripts" / "make_coverage.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted, found = module.page().splitlines(), module.PAGE.read_text().splitlines()
    check("docs/coverage.md", sorted(set(found) ^ set(wanted))[:5], [])


def test_summary(capsys: pytest.CaptureFixture[str]) -> None:
    """The line that `make parity` shows; nothing may differ."""
    with capsys.disabled():
        print(f"\nnames: names {COUNT['names']}, cases {COUNT['cases']}, failures {len(failures)}")
    assert not failures, "\n".join(failures[:300])
