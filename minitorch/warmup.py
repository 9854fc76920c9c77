"""Compile every kernel ahead of time: `python -m minitorch.warmup [--dtype float32|float64|all]`.

Kernels are compiled when they first run, for about ten seconds in the first step of a net. This runs each once, on
tiny arrays, so that later processes load them from disk: in an image of a container, or before a benchmark. It ends
with exit code 1 if a kernel exists that it did not reach.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import pkgutil
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import minitorch
from minitorch import kernels, nn, optim
from minitorch.autograd import registry
from minitorch.kernels.engine import runtime
from minitorch.nn import functional as F
from minitorch.ops.declare import SINGLE, Pointwise

__all__ = ["main", "unreached", "warm"]

DTYPES = {"float32": minitorch.float32, "float64": minitorch.float64}


def main(arguments: list[str] | None = None) -> int:
    """Warm up as the command line says; exit code."""
    parser = argparse.ArgumentParser(prog="python -m minitorch.warmup", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dtype", choices=[*DTYPES, "all"], default="float32")
    chosen = parser.parse_args(arguments).dtype
    if kernels.implementation() == "reference":
        print("minitorch: the NumPy kernels are chosen, there is nothing to compile")
        return 0
    start, missing = time.perf_counter(), []
    for name in DTYPES if chosen == "all" else [chosen]:
        warm(name)
        missing += [f"{kernel} for {name}" for kernel in unreached(name)]
    count, seconds = kernels.compilations(), time.perf_counter() - start
    print(
        f"minitorch: compiled {count or 'nothing, all'} kernels {'' if count else 'were there '}in {seconds:.1f} s; "
        f"cache {kernels.cache_directory() or 'unusable: kept in memory only'}"
    )
    for kernel in missing:
        print(f"minitorch: not reached: {kernel}", file=sys.stderr)
    return 1 if missing else 0


def warm(dtype: str) -> None:
    """Run all kernels for one dtype, with a progress bar over kernels on stderr."""
    from tqdm import tqdm

    before, char = minitorch.get_default_dtype(), DTYPES[dtype].numpy.char
    _all_kernels()
    minitorch.set_default_dtype(DTYPES[dtype])
    try:
        with tqdm(total=len(runtime.kernels), unit="kernel", leave=False) as bar:

            def ready(name: str) -> None:
                bar.set_description(f"{dtype} {name}")
                bar.update(sum(_is_ready(kernel, char) for kernel in runtime.kernels) - bar.n)

            runtime.listeners.append(ready)
            try:
                for call in (*_nets(), *_reductions(), _copies, _places):
                    call()
                _pointwise(DTYPES[dtype].numpy)
            finally:
                runtime.listeners.remove(ready)
    finally:
        minitorch.set_default_dtype(before)


def unreached(dtype: str) -> list[str]:
    """The kernels that this process has not prepared for a dtype."""
    char = DTYPES[dtype].numpy.char
    return [kernel.__name__ for kernel in _all_kernels() if not _is_ready(kernel, char)]


def _is_ready(kernel: Any, char: str) -> bool:
    """Whether a kernel was prepared for floats of a dtype, or for integers, which then serve all."""
    return char in kernel.ready or bool(kernel.ready.keys() - {"f", "d"})


def _all_kernels() -> list[Any]:
    """The kernels that the files of `minitorch.kernels` define, imported for this."""
    for module in pkgutil.walk_packages(kernels.__path__, f"{kernels.__name__}."):
        importlib.import_module(module.name)
    return runtime.kernels


def _nets() -> Iterator[Callable[[], None]]:
    """One call for each layer that has kernels of its own: forward and two orders of derivative; then optimizers."""
    for layer, shape in (
        (nn.Conv2d(3, 5, 3, padding=1), (2, 3, 6, 6)),
        (nn.Conv2d(3, 2, 3, padding=1), (4, 3, 64, 64)),
        (nn.Conv2d(3, 16, 5), (8, 3, 16, 16)),
        (nn.Conv2d(8, 8, 3, padding=1, groups=8), (2, 8, 6, 6)),
        (nn.Linear(5, 3), (2, 5)),
        (nn.Linear(64, 40), (32, 64)),
        (lambda x: x @ x[0], (4, 5)),
        (nn.BatchNorm2d(4), (2, 4, 6, 6)),
        (nn.BatchNorm2d(4).eval(), (2, 4, 6, 6)),
        (nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()), (2, 4, 6, 6)),
        (nn.LayerNorm(6), (2, 6)),
        (lambda x: nn.LSTM(3, 4)(x)[0], (5, 2, 3)),
        (nn.GroupNorm(2, 4), (2, 4, 6, 6)),
        (lambda x: F.group_norm(x.permute(0, 3, 1, 2), 2), (2, 6, 6, 4)),
        (nn.ReLU(), (2, 4)),
        (nn.MaxPool2d(2), (2, 4, 6, 6)),
        (lambda x: F.max_pool2d(x, 2, return_indices=True)[0], (2, 4, 6, 6)),
        (nn.AvgPool2d(2), (2, 4, 6, 6)),
        (nn.AdaptiveAvgPool2d(1), (2, 4, 6, 6)),
        (lambda x: F.cross_entropy(x, minitorch.zeros(len(x), dtype=minitorch.int64)), (4, 5)),
        (nn.LogSoftmax(1), (4, 5)),
        (nn.Dropout(), (4, 5)),
    ):
        yield lambda layer=layer, shape=shape: _two_orders(layer, shape)  # type: ignore[misc]
    yield _winograd
    for optimizer in (optim.SGD, optim.Adam, optim.AdamW):
        yield lambda optimizer=optimizer: _update(optimizer)  # type: ignore[misc]


def _two_orders(layer: Any, shape: tuple[int, ...]) -> None:
    x = minitorch.rand(*shape, requires_grad=True)
    (layer(x) ** 2).sum().backward()
    inputs = [x, *layer.parameters()] if isinstance(layer, nn.Module) else [x]
    first = minitorch.autograd.grad((layer(x) ** 2).sum(), inputs, create_graph=True)
    sum((g * g).sum() for g in first).backward()


def _winograd() -> None:
    before, minitorch.backends.conv.algorithm = minitorch.backends.conv.algorithm, "winograd"
    try:
        _two_orders(nn.Conv2d(8, 8, 3, padding=3), (2, 8, 12, 12))  # whose first windows see zeros: tiles are inspected
        _two_orders(nn.Conv2d(64, 128, 3), (1, 64, 18, 18))  # the weight's gradient of a large layer runs otherwise
        layers = [nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.Conv2d(16, 16, 1), nn.Conv2d(16, 16, 3, padding=1)]
        with minitorch.no_grad():  # large results, as in evaluation, are finished by kernels of their own
            nn.Sequential(*(layer for conv in layers for layer in (conv, nn.ReLU())))(minitorch.rand(1, 16, 32, 32))
    finally:
        minitorch.backends.conv.algorithm = before


def _update(optimizer: Any) -> None:
    parameter = nn.Parameter(minitorch.rand(3, 4))
    (parameter**2).sum().backward()
    optimizer([parameter], lr=0.1).step()


def _pointwise(dtype: np.dtype) -> None:
    """The value and the rules of every pointwise op, of arrays that are large enough for a kernel."""
    x = np.full(SINGLE, 0.5, dtype)
    given = {"condition": x > 0, "decimals": 0, "by": np.zeros(SINGLE, np.int32), "n": 1}
    for op in registry.values():
        if isinstance(op, Pointwise) and not op.name.startswith("bitwise"):  # these take no floats
            for formula, names in op.formulas():
                formula(*(given.get(n, 0.5 if n in op.settings else x) for n in names))


def _reductions() -> Iterator[Callable[[], None]]:
    """The kernels that reduce rows or columns, and those of their gradients."""
    from minitorch.ops import reduce

    ops: tuple[Callable, ...] = (
        reduce.sum,
        reduce.prod,
        reduce.amax,
        reduce.amin,
        reduce.var,
        reduce.logsumexp,
        reduce.cumsum,
        reduce.cumprod,
        reduce.softmax,
        reduce.log_softmax,
        functools.partial(reduce.norm, p=2),
        functools.partial(reduce.norm, p=1),
    )
    for dim in (0, 1):
        for op in ops:
            yield functools.partial(_gradient, op, dim)
        yield lambda dim=dim: (minitorch.rand(80, 80).argmax(dim), minitorch.rand(80, 80).argmin(dim))  # type: ignore[misc]
        x = minitorch.rand(1, 4, 4).numpy()[:, :, : 4 if dim else 1].copy()
        yield lambda x=x: kernels.sum_products(x, x, np.empty_like(x[:, 0]))  # type: ignore[misc]


def _gradient(op: Callable, dim: int) -> None:
    x = (minitorch.rand(80, 80) + 0.5).requires_grad_()  # whose products are no zeros
    op(x, dim=dim).sum().backward()


def _copies() -> None:
    """Copies of runs, squares and single elements; rows taken, added and weighted."""
    x, rows = minitorch.rand(40, 40).numpy(), minitorch.arange(4).numpy()
    for view in (x, x.T, x[:3, ::2]):
        kernels.transfer(view, view.copy())
    kernels.gather_rows(x[None], rows, x[None, :4].copy())
    kernels.scatter_rows(x[None, :4], rows, x[None].copy())
    kernels.weighted_rows(x[None], rows, rows[:3], x[0, :3], x[None, :3].copy())


def _places() -> None:
    """Elements that meet in one place; places in an order; polynomials."""
    x, index = minitorch.rand(1, 4, 4).numpy(), minitorch.zeros(1, 4, 4, dtype=minitorch.int64).numpy()
    line, found, table = x.reshape(-1), index.copy(), np.ones((2, 4))
    kernels.place_extreme(x, x, index, x.copy(), x.copy(), x.copy(), x.copy(), True, True)
    kernels.place_product(x, x, index, x.copy(), True)
    kernels.histogram(line, line[:3], found[0])
    kernels.bisect_places(x[0], x[0], found[0], False)
    kernels.leading_places(x[0], found[0], True)
    kernels.running_extreme(x, found, True)
    kernels.polynomials(line, table[0, :1], table, line.copy())


if __name__ == "__main__":
    sys.exit(main())
