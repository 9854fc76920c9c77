"""Random lines of tensor programs, as text that runs in either library.

A line reads tensors t0, t1, ...; `L` is the library, `F` its functional part, `leaf(k, *shape)` a leaf with numbers
drawn from the seed k, `const` the same without a gradient, `see(k)` a hook that notes the gradient it is handed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch as m

Rng = np.random.Generator

UNARY = """
    {x}.exp() | {x}.tanh() | {x}.sigmoid() | {x}.sin() * {x} | ({x} * {x} + 1).log() | ({x} * {x} + 0.5).sqrt()
    {x}.abs() | {x}.relu() | {x}.clamp(-0.7, 0.9) | 1 / ({x} * {x} + 2) | {x} ** 3 | ({x} * {x} + 0.1) ** -0.5 | -{x}
    {x}.erf() | {x}.expm1() | ({x} * {x}).log1p() | {x}.cos() | 2.5 - {x} | {x}.square() | {x}.floor() * {x} | 1.5 ** {x}
    {x}.clamp(min=0.1) | ({x} * {x} + 1).rsqrt() | {x}.clone() | {x}.float().double() | {x} % 1.3
    {x}.masked_fill({x} > 0.8, 0.25) | L.where({x} > 0, {x}, {x} * 0.1) | F.gelu({x}) | F.softplus({x}) | F.elu({x} + 0.05)
    {x}.contiguous() + 0 | {x} * 1 | L.zeros_like({x}) + {x} | {x}.detach() * {x}
"""
BINARY = """
    {x} + {y} | {x} - {y} | {x} * {y} | {x} / ({y} * {y} + 1) | L.maximum({x}, {y}) | L.minimum({x}, {y})
    L.where({x} > {y}, {x}, {y} * 2) | ({x} * {x} + 0.5) ** {y} | {x}.sub({y}, alpha=0.5) | L.atan2({x}, {y} * {y} + 1)
"""
REDUCE = """
    {x}.sum({d}, keepdim={k}) | {x}.mean({d}, keepdim={k}) | {x}.amax({d}, keepdim={k}) | {x}.prod({d}, keepdim={k})
    {x}.max({d}, keepdim={k}).values | {x}.min({d}, keepdim={k})[0] | {x}.var({d}, keepdim={k}, correction=0)
    ({x} + 3).norm(dim={d}, keepdim={k}) | ({x} + 3).norm(1, {d}, {k}) | ({x} + 3).norm(float("inf"), {d}, {k})
    ({x} * {x} + 1).norm(2.5, {d}, {k}) | {x}.var(({d},), unbiased=False, keepdim={k}) | {x}.cumprod({d})
    L.nansum({x}, {d}, {k}) | L.aminmax({x}, dim={d}, keepdim={k})[1] | L.cummax({x}, {d})[0]
    L.var_mean({x}, {d}, correction=0, keepdim={k})[0] | {x}.logsumexp({d}, keepdim={k}) | {x}.softmax({d})
    {x}.log_softmax({d}) | {x}.cumsum({d}) | {x} - {x}.mean({d}, keepdim=True) | {x}.amin(({d},), keepdim={k})
"""
INPLACE = """
    {x}.mul_(1.5) | {x}.add_(0.25) | {x}.tanh_() | {x}.clamp_(-0.5, 0.5) | {x}.zero_() | {x}.sigmoid_() | {x}.relu_()
    {x}.fill_(0.3) | {x}.neg_() | {x}.exp_().clamp_(max=2.0) | {x} *= 0.5 | {x} -= 0.1 | {x}.masked_fill_({x} > 0.2, -0.4)
    {x}[{x} > 0.3] = 0.25 | {x}[{x} < 0] *= 0.5 | {x}.abs_() | {x}.square_() | F.relu({x}, inplace=True)
    {x}[...] = 0.7 | {x}.div_(1.25) | {x}.sub_(0.5, alpha=0.5) | {x}.pow_(2)
"""
INPLACE_TWO = """
    {x}.add_({y}) | {x}.copy_({y}) | {x}.sub_({y}, alpha=0.5) | {x}.mul_({y}) | {x} += {y} | {x}[...] = {y} * 0.5
    {x}[{x} > {y}] = 0.1 | {x}.div_({y} * {y} + 1)
"""
TAPE = """
    {n} = {x}.detach() | {n} = {x}.detach().requires_grad_() | {n} = {x}.detach().clone().requires_grad_()
    {x}.register_hook(lambda g: g * 2) | {x}.register_hook(see({s})) | {x}.retain_grad() | {n} = {x}.data
    with L.no_grad(): {n} = {x} * 2 | with L.no_grad(): {x}.mul_(0.5) | with L.no_grad(): {x}.add_(0.125)
    with L.no_grad(): {x}.copy_({x} * 0.5) | with L.no_grad(): v = {x}[...] | {x}.data.mul_(0.5)
    {x}.register_hook(lambda g: None) | with L.enable_grad(): {n} = {x} * 1.5 | {x}.detach().zero_() | {n} = ({x} * 2).detach_()
    with L.no_grad(): v = {x}.reshape(-1) | with L.no_grad(): v.mul_(0.5) | v.mul_(0.5) | {n} = {x}.detach()[...] | {x}.sum().backward(retain_graph=True)
    with L.no_grad(): L.mul({x}, 0.5, out={x})
"""
WAITING = """
    {n} = F.conv2d({i}, {w}, {b}, padding=1) | {n} = F.conv2d({i}, {w}, None, padding=1)
    {n} = F.conv2d({i}, {w}, {b}, padding=1).relu() | {n} = F.relu(F.conv2d({i}, {w}, padding=1) + {j})
    {n} = F.batch_norm({i}, {m}, {v}, {c}, {b}, False) | {n} = F.batch_norm({i}, {mean}, {var}, {c}, {b}, True)
    {n} = F.relu(F.batch_norm({i}, {mean}, {var}, {c}, {b}, True)) | {n} = F.relu(F.batch_norm({i}, {m}, {v}, {c}, {b}, False))
    {n} = F.batch_norm({i}, {mean}, {var}, {c}, {b}, True) + {j}
    {n} = (F.batch_norm({i}, {mean}, {var}, {c}, {b}, True) + {j}).relu()
    {n} = F.batch_norm(F.conv2d({i}, {w}, None, padding=1), {m}, {v}, {c}, {b}, False).relu()
    {n} = F.relu({i}) | {n} = {i}.relu() | {n} = {i} + {j} | {n} = {j} + {i} | {i}.relu_() | {n} = {i} * {j} | {i}.add_({j})
    {n} = {i}[:, 1:5] | {n} = {i}.transpose(1, 2) | {n} = {i}.detach() | {n} = {i}.flatten(1) | {n} = {i}.mean((2, 3))
    {n} = {i}.view(4, -1) | {n} = {i}[1:3] | {n} = F.max_pool2d({i}, 2) | {n} = {i} * 1 | {i}[:, 2:4] = 0.5 | {n} = {i}.sum(1)
    with L.no_grad(): {w}.mul_(0.5) | with L.no_grad(): {b}.add_(0.5) | with L.no_grad(): {c}.mul_(0.5) | {w}.data.mul_(0.5)
    with L.no_grad(): {i}.mul_(0.5) | with L.no_grad(): {n} = F.relu(F.conv2d({i}, {w}, {b}, padding=1))
    with L.no_grad(): {n} = F.relu(F.batch_norm({i}, {m}, {v}, {c}, {b}, False) + {j}) | {i}.register_hook(see({s}))
    with L.no_grad(): {n} = F.batch_norm(F.conv2d({i}, {w}, None, padding=1), {mean}, {var}, {c}, {b}, False)
    {i}.retain_grad() | {m}.add_(0.25) | {v}.mul_(1.5) | {i}.mul_(0.5) | {i}.data.add_(0.5) | {i}.copy_({j})
    {n} = F.linear({p}, {q}, {r}) | {n} = F.linear({p}, {q}, {r}).relu() | {n} = F.relu(F.linear({p}, {q})) | {p}.mul_(0.5)
    with L.no_grad(): {q}.mul_(0.5) | with L.no_grad(): {n} = F.relu(F.linear({p}, {q}, {r})) | {n} = {p} * 1
"""


@functools.lru_cache(100_000)
def known(entry: str) -> bool:
    """Whether minitorch has all methods and functions that the entry calls."""
    homes = (m, m.Tensor, m.nn.functional, m.Size)
    return all(any(hasattr(home, name) for home in homes) for name in re.findall(r"\.([a-zA-Z_]\w*)", entry))


def choices(table: str) -> list[str]:
    """The entries of a table above."""
    entries = [entry.strip() for line in table.strip().splitlines() for entry in line.split(" | ")]
    return [entry for entry in entries if known(entry)]


TABLES = {
    name: choices(table)
    for name, table in {
        "unary": UNARY,
        "binary": BINARY,
        "reduce": REDUCE,
        "inplace": INPLACE,
        "inplace two": INPLACE_TWO,
        "tape": TAPE,
        "waiting": WAITING,
    }.items()
}


def pick(rng: Rng, table: str) -> str:
    """One entry."""
    entries = TABLES[table]
    return entries[rng.integers(len(entries))]


def broadcasts(a: tuple, b: tuple) -> bool:
    """Whether the shapes broadcast."""
    return all(n == k or 1 in (n, k) for n, k in zip(reversed(a), reversed(b), strict=False))


def within(b: tuple, a: tuple) -> bool:
    """Whether b broadcasts to a."""
    return broadcasts(a, b) and np.broadcast_shapes(a, b) == a


def axis(rng: Rng, shape: tuple) -> int:
    """A random axis, counted from either end."""
    return int(rng.integers(-len(shape), len(shape)))


def key(rng: Rng, shape: tuple, basic: bool) -> tuple[str, Any]:
    """A random index as text and as NumPy's: ints, slices, None, an ellipsis; int and bool arrays unless `basic`."""
    text: list[str] = []
    entries: list = []
    for n in shape:
        arrays = not basic and n and not any(isinstance(entry, np.ndarray) for entry in entries)
        kind = rng.integers(0, 6 if arrays else 4)
        if kind == 0 and n:
            entry: Any = int(rng.integers(-n, n))
            text.append(str(entry))
        elif kind <= 2:
            start, stop = sorted(rng.integers(0, n + 1, 2).tolist())
            entry = slice(start, stop if rng.random() < 0.7 else None, int(rng.integers(1, 3)))
            step = "" if entry.step == 1 else f":{entry.step}"
            text.append(f"{entry.start or ''}:{'' if entry.stop is None else entry.stop}{step}")
        elif kind >= 4:
            # Each place at most once: of several values for one place it is open which stays.
            entry = rng.permutation(np.arange(n))[: int(rng.integers(1, 4))] if kind == 4 else rng.random(n) < 0.6
            text.append(f"L.tensor({entry.tolist()})")
        else:
            entry = slice(None)
            text.append(":")
        entries.append(entry)
    if rng.random() < 0.2:
        at = int(rng.integers(0, len(text) + 1))
        text.insert(at, "None")
        entries.insert(at, None)
    if rng.random() < 0.2 or not text:
        text.append("...")
        entries.append(Ellipsis)
    return ", ".join(text), tuple(entries)


def view(rng: Rng, x: str, shape: tuple) -> str:
    """A random rearrangement of x; most are views."""
    rank = len(shape)
    order = ", ".join(map(str, rng.permutation(rank)))
    choices = [
        f"{x}.unsqueeze({rng.integers(-rank - 1, rank + 1)})",
        f"{x}.flatten()",
        f"{x}.reshape(-1)",
        f"{x}.view(-1)",
    ]
    if rank:
        a, b = axis(rng, shape), axis(rng, shape)
        choices += [
            f"{x}.permute({order})",
            f"{x}.transpose({a}, {b})",
            f"{x}.squeeze({a})",
            f"{x}.flip({a})",
            f"{x}.movedim({a}, {b})",
            f"{x}.expand(2, {', '.join(map(str, shape))})",
            f"{x}[None]",
            f"{x}.view_as({x})",
            f"{x}.repeat({', '.join('2' * rank)})",
            f"{x}.roll(1, {a})",
            f"{x}.swapaxes({a}, {b})",
        ]
        n = shape[a]
        if n:
            k, at = int(rng.integers(1, n + 1)), int(rng.integers(-n, n))
            choices += [
                f"{x}.narrow({a}, 0, {k})",
                f"{x}.split({k}, {a})[-1]",
                f"{x}.chunk(2, {a})[0]",
                f"{x}.unbind({a})[{at}]",
                f"{x}.select({a}, {at})",
                f"{x}.unfold({a}, {k}, 1)",
                f"{x}.tensor_split(2, {a})[0]",
            ]
    if rank >= 2:
        choices += [
            f"{x}.tril()",
            f"{x}.triu(1)",
            f"{x}.diagonal()",
            f"{x}.diagonal(1, -2, -1)",
            f"{x}.mT",
            f"{x}.flatten(0, 1)",
        ]
        choices += [f"{x}.view({shape[0]}, -1)", f"{x}.reshape(-1, {shape[-1]})"]
    choices = [choice for choice in choices if known(choice)]
    return choices[rng.integers(len(choices))]


KINDS = (
    ["unary"] * 3
    + ["binary"] * 4
    + ["reduce"] * 2
    + ["view"] * 6
    + ["index"] * 2
    + ["inplace"] * 4
    + ["two"] * 3
    + ["setitem"] * 3
    + ["tape"] * 4
    + ["matmul", "cat", "pick"]
)


def line(rng: Rng, shapes: dict[str, tuple]) -> str | None:
    """A random line that fits tensors of these shapes, or None."""
    names = list(shapes)
    x = names[rng.integers(len(names))]
    shape, new = shapes[x], f"t{len(names)}"
    kind = KINDS[rng.integers(len(KINDS))]

    def other(fits: Callable[[tuple], bool]) -> str | None:
        found = [name for name in names if fits(shapes[name])]
        return found[rng.integers(len(found))] if found else None

    if kind == "unary":
        return f"{new} = {pick(rng, kind).format(x=x)}"
    if kind == "binary":
        return f"{new} = {pick(rng, kind).format(x=x, y=other(lambda s: broadcasts(shape, s)))}"
    if kind == "reduce":
        if not shape or 0 in shape:
            return f"{new} = {x}.sum()"
        return f"{new} = {pick(rng, kind).format(x=x, d=axis(rng, shape), k=rng.random() < 0.5)}"
    if kind == "view":
        return f"{new} = {view(rng, x, shape)}"
    if kind == "index":
        return f"{new} = {x}[{key(rng, shape, rng.random() < 0.5)[0]}]"
    if kind == "inplace":
        return pick(rng, kind).format(x=x)
    if kind == "two":
        return pick(rng, "inplace two").format(x=x, y=other(lambda s: within(s, shape)))
    if kind == "setitem":
        text, entries = key(rng, shape, rng.random() < 0.6)
        part = np.zeros(shape)[entries].shape
        y = other(lambda s: within(s, part))
        return f"{x}[{text}] = {f'{y} * 0.5' if y else 0.5}"
    if kind == "tape":
        return pick(rng, kind).format(x=x, n=new, s=rng.integers(100))
    if kind == "matmul":
        y = other(
            lambda s: (
                len(shape) > 0 < len(s) and shape[-1] == s[-2 if len(s) > 1 else 0] and broadcasts(shape[:-2], s[:-2])
            )
        )
        return f"{new} = {x} @ {y}" if y else None
    if not shape or 0 in shape:
        return None
    d = axis(rng, shape)
    if kind == "cat":
        joined = f"[{x}, {other(lambda s: s == shape)}]"
        return f"{new} = L.cat({joined}, {d})" if rng.random() < 0.5 else f"{new} = L.stack({joined}, 0)"
    places = rng.integers(0, shape[d], int(rng.integers(1, 4)))
    if rng.random() < 0.5:
        return f"{new} = {x}.index_select({d}, L.tensor({places.tolist()}))"
    wanted = list(shape)
    wanted[d] = len(places)
    return f"{new} = {x}.gather({d}, L.tensor({rng.integers(0, shape[d], wanted).tolist()}))"


# -------------------------------------------------------------------------------------------- large results, which wait
SHAPES = {"i": (4, 8, 16, 16), "w": (8, 8, 3, 3), "b": (8,), "c": (8,), "p": (128, 32), "q": (64, 32), "r": (64,)}
LARGE = [
    "t0 = leaf({}, 4, 8, 16, 16)",
    "t1 = leaf({}, 8, 8, 3, 3)",
    "t2 = leaf({}, 8)",
    "t3 = leaf({}, 8)",
    "t4 = const({}, 8)",
    "t5 = const({}, 8) ** 2 + 0.5",
    "t6 = leaf({}, 128, 32)",
    "t7 = leaf({}, 64, 32)",
    "t8 = leaf({}, 64)",
    "t9 = const({}, 8)",
    "t10 = const({}, 8) ** 2 + 0.5",
    "t11 = F.conv2d(t0, t1, t2, padding=1)",
]


def large_line(rng: Rng, shapes: dict[str, tuple]) -> str:
    """A random line of convolutions, batch norms and linear layers and what may join them.

    t4 and t5 are known statistics, t9 and t10 running ones: PyTorch's gradient of a batch norm in evaluation is wrong
    when one in training has moved its statistics since.
    """
    statistics = ("t4", "t5", "t9", "t10")
    names: dict[str, Any] = {
        "m": "t4",
        "v": "t5",
        "mean": "t9",
        "var": "t10",
        "n": f"t{len(shapes)}",
        "s": rng.integers(100),
    }
    for letter, shape in {**SHAPES, "j": SHAPES["i"]}.items():
        fits = [name for name, other in shapes.items() if other == shape and name not in statistics]
        recent = fits[-3:] if letter in "ij" and rng.random() < 0.7 else fits
        names[letter] = recent[rng.integers(len(recent))]
    return pick(rng, "waiting").format(**names)
