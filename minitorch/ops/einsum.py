"""Sums of products named by letters: `einsum`, and `tensordot`, `inner`, `kron`, which are such sums.

Two operands meet as one batched matrix product. Their letters are of four kinds: in both and in the result (the batch),
in both and not in the result (summed by the product), or in one of them and in the result (rows, columns). A letter of
one operand that nothing else names is summed before, a letter that an operand names twice is a diagonal. All of that is
permuting, reshaping and one product, whose rules give the derivatives of every order.
"""

from __future__ import annotations

import functools
import math
import operator
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..autograd import Variable
from ..autograd.tape import wrap
from ..dtypes import FLOATS
from .dims import check_tensors, no_tensor, normalize
from .factor import inverse
from .linalg import batched_matmul, matmul
from .moving import diagonal
from .names import public
from .pointwise import where
from .reduce import sum
from .shape import expand, permute, reshape, standalone

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DOTS = "."


def _spelled(labels: Sequence) -> str:
    """A sublist of numbers as letters, an Ellipsis as dots."""
    for label in labels:
        if label is not Ellipsis and not (isinstance(label, int) and 0 <= label < len(LETTERS)):
            raise RuntimeError(
                f"einsum(): not all subscripts are in [0, {len(LETTERS)}), or Ellipsis: {label!r} is not among them"
            )
    return "".join("..." if label is Ellipsis else LETTERS[label] for label in labels)


def _parsed(equation: str) -> tuple[list[str], str | None]:
    """The subscripts of each operand and of the result, "." for an ellipsis; None for a result that is not named."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    sides = [*left.split(","), *([right] if arrow else [])]
    terms = []
    for i, side in enumerate(sides):
        where = f"operand {i}" if i < len(sides) - bool(arrow) else "the output"
        term = side.replace("...", DOTS, 1)
        wrong = next((c for c in term if c not in LETTERS and c != DOTS), None)
        if wrong is not None or term.count(DOTS) > 1:
            raise RuntimeError(
                f"einsum(): invalid subscript given at {where} in the equation string, subscripts must be in [a-zA-Z]: "
                f"{wrong or '.'!r} in {equation!r}"
            )
        terms.append(term)
    return (terms[:-1], terms[-1]) if arrow else (terms, None)


def _letters(terms: list[str], out: str | None, operands: list[Any]) -> tuple[list[str], str, dict[str, int]]:
    """The terms with digits for the axes of an ellipsis, the result's, and the size of each letter."""
    sizes: dict[str, int] = {}
    dots = 0
    for i, (term, x) in enumerate(zip(terms, operands, strict=True)):
        named, rank = len(term.replace(DOTS, "")), x.array.ndim
        if named > rank or (DOTS not in term and named != rank):
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) does not match the number of dimensions "
                f"({rank}) for operand {i}{'' if DOTS in term else ' and no ellipsis was given'}"
            )
        dots = max(dots, rank - named) if DOTS in term else dots
    covered = [chr(0x100 + i) for i in range(dots)]  # the last of them is the last axis of every ellipsis
    spread = []
    for term, x in zip(terms, operands, strict=True):
        mine = x.array.ndim - len(term.replace(DOTS, ""))
        spread.append(term.replace(DOTS, "".join(covered[dots - mine :])))
        own: dict[str, int] = {}
        for letter, n in zip(spread[-1], x.array.shape, strict=True):
            if own.setdefault(letter, n) != n:
                raise RuntimeError(
                    f"einsum(): subscript {letter} is repeated for operand {len(spread) - 1} but the sizes don't "
                    f"match, {n} != {own[letter]}"
                )
            if sizes.setdefault(letter, n) != n and 1 not in (n, sizes[letter]):
                raise RuntimeError(
                    f"einsum(): operands do not broadcast with remapped shapes [original->remapped]: subscript "
                    f"{letter} has size {n} which does not broadcast with previously seen size {sizes[letter]}"
                )
            sizes[letter] = max(n, sizes[letter]) if 0 not in (n, sizes[letter]) else 0
    if out is None:
        counts = Counter("".join(spread))
        return spread, "".join(covered) + "".join(sorted(c for c in sizes if c in LETTERS and counts[c] == 1)), sizes
    out = out.replace(DOTS, "".join(covered))
    for letter, count in Counter(out).items():
        if count > 1:
            raise RuntimeError(f"einsum(): output subscript {letter} appears more than once in the output")
        if letter not in sizes:
            raise RuntimeError(
                f"einsum(): output subscript {letter} does not appear in the equation for any input operand"
            )
    return spread, out, sizes


def _once(x: Any, term: str) -> tuple[Any, str]:
    """x with a diagonal for each letter that its term names twice."""
    for letter in [c for c, count in Counter(term).items() if count > 1]:
        while term.count(letter) > 1:
            first = term.index(letter)
            second = term.index(letter, first + 1)
            x = diagonal(x, 0, first, second)
            term = term[:first] + term[first + 1 : second] + term[second + 1 :] + letter
    return x, term


def _without(x: Any, term: str, wanted: str) -> tuple[Any, str]:
    """x summed over the letters that nothing else names."""
    gone = [i for i, letter in enumerate(term) if letter not in wanted]
    return (sum(x, gone), "".join(c for c in term if c in wanted)) if gone else (x, term)


def _aligned(x: Any, term: str, order: list[str]) -> Any:
    """x with its axes in this order, and axes of size 1 for the letters that it has not."""
    x = permute(x, dims=tuple(term.index(c) for c in order if c in term))
    sizes = iter(x.array.shape)
    return reshape(x, shape=tuple(next(sizes) if c in term else 1 for c in order))


def _product(x: Any, xs: str, y: Any, ys: str, wanted: str, sizes: dict[str, int]) -> tuple[Any, str]:
    """The product of two operands, summed over the letters of both that are not wanted any more."""
    x, xs = _without(x, xs, ys + wanted)
    y, ys = _without(y, ys, xs + wanted)
    both = [c for c in xs if c in ys]
    one = {c for c in both if x.array.shape[xs.index(c)] != y.array.shape[ys.index(c)]}  # of size 1 in one of them
    batch = [c for c in both if c in wanted]
    summed = [c for c in both if c not in wanted]
    rows, columns = [c for c in xs if c not in ys], [c for c in ys if c not in xs]

    if not summed or not (rows or columns):  # nothing for a matrix product to add up, or nothing but sums
        order = [*batch, *rows, *columns, *summed]
        wide = _aligned(x, xs, order) * _aligned(y, ys, order)
        kept = len(order) - len(summed)
        return (sum(wide, list(range(kept, len(order)))) if summed else wide), "".join(order[:kept])

    def matrices(v: Any, term: str, order: list[str], shape: tuple) -> Any:
        v = permute(v, dims=tuple(term.index(c) for c in order))
        if one:
            v = expand(v, shape=tuple(sizes[c] if c in one else n for c, n in zip(order, v.array.shape, strict=True)))
        return reshape(v, shape=shape)

    b, k, m, n = (math.prod(sizes[c] for c in part) for part in (batch, summed, rows, columns))
    left = matrices(x, xs, [*batch, *rows, *summed], (b, m, k))
    right = matrices(y, ys, [*batch, *summed, *columns], (b, k, n))
    out = batched_matmul(left, right)
    order = [*batch, *rows, *columns]
    return reshape(out, shape=tuple(sizes[c] for c in order)), "".join(order)


@public("einsum", on="t")
def einsum(equation: Any, *operands: Any) -> Any:
    """The sum of products that an equation of letters names: "bij,bjk->bik" is a batched matrix product.

    A letter stands for an axis, in all operands the same, an ellipsis for axes that broadcast. Letters that the result
    does not name are summed; without "->" it has those that occur once, in alphabetical order. Also called as
    einsum(tensor, [0, 1], tensor, [1, 2], [0, 2]). More than two operands are multiplied from left to right. Raises
    RuntimeError for equations and shapes that do not fit each other.

    >>> import minitorch
    >>> minitorch.einsum("ij,j->i", minitorch.ones(2, 3), minitorch.tensor([1.0, 2.0, 3.0]))
    tensor([6., 6.])
    """
    if not isinstance(equation, str):
        given = [equation, *operands]
        pairs, last = given[: len(given) // 2 * 2], given[len(given) // 2 * 2 :]
        sides = ",".join(_spelled(labels) for labels in pairs[1::2])
        equation, operands = sides + ("->" + _spelled(last[0]) if last else ""), tuple(pairs[::2])
    elif len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    if not operands:
        raise ValueError("einsum(): must specify the equation string and at least one operand")
    check_tensors("einsum", operands)
    terms, out = _parsed(equation)
    if len(terms) != len(operands):
        more = "more" if len(operands) > len(terms) else "fewer"
        raise RuntimeError(f"einsum(): {more} operands were provided than specified in the equation {equation!r}")
    if len({x.array.dtype for x in operands}) > 1:
        raise RuntimeError(f"einsum(): expected operands of one dtype, but got {[str(x.dtype) for x in operands]}")
    spread, out, sizes = _letters(terms, out, list(operands))
    parts = [_once(x, term) for x, term in zip(operands, spread, strict=True)]
    x, term = parts[0]
    for i, (y, other) in enumerate(parts[1:], 1):
        later = out + "".join(t for _, t in parts[i + 1 :])
        x, term = _product(x, term, y, other, later, sizes)
    x, term = _without(x, term, out)
    if term != out:
        x = permute(x, dims=tuple(term.index(c) for c in out))
    return standalone(x)


@public("tensordot", on="t o")
def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """Products summed over axes of both: the last `dims` of a and the first of b, or two lists of axes.

    Raises RuntimeError where their sizes differ.
    """
    for x, name in ((a, "a"), (b, "b")):
        if not isinstance(x, Variable):
            raise no_tensor("tensordot", name, x)
    if isinstance(dims, Variable):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.array.ndim, b.array.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        first, second = list(range(a.array.ndim - dims, a.array.ndim)), list(range(dims))
    else:
        first, second = (list(d) if isinstance(d, list | tuple) else [d] for d in dims)
    if len(first) != len(second):
        raise RuntimeError("both dimension lists should have same length")
    first, second = list(normalize(tuple(first), a.array.ndim)), list(normalize(tuple(second), b.array.ndim))
    for i, j in zip(first, second, strict=True):
        m, n = a.array.shape[i], b.array.shape[j]
        if m != n and 1 not in (m, n):
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {m} in dim {i} and second has size {n} in "
                f"dim {j}"
            )
    m, n, dtype = a.array.shape, b.array.shape, a.array.dtype
    matrices = (len(m), len(n), first, second) == (2, 2, [1], [0]) and m[1] == n[0]
    if matrices and dtype == b.array.dtype and dtype.kind in FLOATS:
        return matmul(a, b)
    letters = iter(LETTERS)
    left = [next(letters) for _ in range(a.array.ndim)]
    right = [next(letters) for _ in range(b.array.ndim)]
    for i, j in zip(first, second, strict=True):
        right[j] = left[i]
    out = [c for i, c in enumerate(left) if i not in first] + [c for j, c in enumerate(right) if j not in second]
    return einsum(f"{''.join(left)},{''.join(right)}->{''.join(out)}", a, b)


@public("inner", on="T t o")
def inner(x: Any, other: Any) -> Any:
    """Products summed over the last axis of both; of a scalar and anything, their product."""
    if not isinstance(other, Variable):
        raise no_tensor("inner", "other", other)
    if not x.array.ndim or not other.array.ndim:
        return x * other
    if x.array.shape[-1] != other.array.shape[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes {list(x.array.shape)} and "
            f"{list(other.array.shape)}"
        )
    return tensordot(x, other, ([-1], [-1]))


@public("kron", on="T t o")
def kron(x: Any, other: Any) -> Any:
    """The Kronecker product: a block of `other` for each element of x, axis by axis, missing ones of size 1."""
    if not isinstance(other, Variable):
        raise no_tensor("kron", "other", other)
    y = other
    rank = max(x.array.ndim, y.array.ndim)
    a, b = [(1,) * (rank - v.array.ndim) + v.array.shape for v in (x, y)]
    wide = reshape(x, shape=tuple(n for size in a for n in (size, 1)))
    return reshape(
        wide * reshape(y, shape=tuple(n for size in b for n in (1, size))),
        shape=tuple(m * n for m, n in zip(a, b, strict=True)),
    )


@public("mv", on="T t o")
def mv(x: Any, vec: Any) -> Any:
    """The product of a matrix and a vector. Raises RuntimeError for other ranks or sizes that differ."""
    if not isinstance(vec, Variable):
        raise no_tensor("mv", "vec", vec)
    if x.array.ndim != 2 or vec.array.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {x.array.ndim}, {vec.array.ndim}")
    if x.array.shape[1] != vec.array.shape[0]:
        raise RuntimeError(f"size mismatch, got input ({x.array.shape[0]}x{x.array.shape[1]}), vec ({len(vec.array)})")
    return x @ vec


@public("vdot", on="T t o")
def vdot(x: Any, other: Any) -> Any:
    """`dot`: of real numbers they are the same."""
    return x.dot(other)


def _added(name: str, x: Any, product: Any, beta: float, alpha: float) -> Any:
    """beta * x + alpha * product; x counts for nothing, also NaN, where beta is 0."""
    if not isinstance(x, Variable):
        raise no_tensor(name, "input", x)
    if x.array.dtype != product.array.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {x.dtype} and {product.dtype} ({name})"
        )
    if x.array.dtype.kind not in FLOATS:
        beta, alpha = int(beta), int(alpha)
    shape = product.array.shape
    try:
        wide: Any = expand(x, shape=shape) if x.array.shape != shape else x
    except (RuntimeError, ValueError):
        raise RuntimeError(
            f"{name}: The expanded size of the tensor ({list(shape)}) must match the existing size "
            f"({list(x.array.shape)})"
        ) from None
    scaled = product if alpha == 1 else product * alpha
    if beta == 0:
        return scaled
    return (wide if beta == 1 else wide * beta) + scaled


@public("addmm", on="T i t o")
def addmm(x: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * x + alpha * mat1 @ mat2, of matrices; x broadcasts."""
    return _added("addmm", x, _ranked("addmm", mat1, 2, "mat1").mm(_ranked("addmm", mat2, 2, "mat2")), beta, alpha)


@public("addmv", on="T i t o")
def addmv(x: Any, mat: Any, vec: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * x + alpha * mat @ vec, of a matrix and a vector; x broadcasts."""
    return _added("addmv", x, mv(_ranked("addmv", mat, 2, "mat"), vec), beta, alpha)


@public("addr", on="T i t o")
def addr(x: Any, vec1: Any, vec2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * x + alpha times the outer product of two vectors; x broadcasts."""
    return _added("addr", x, _ranked("addr", vec1, 1, "vec1").outer(_ranked("addr", vec2, 1, "vec2")), beta, alpha)


@public("baddbmm", on="T i t o")
def baddbmm(x: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * x + alpha * batch1 @ batch2, of stacks of matrices; x broadcasts."""
    return _added("baddbmm", x, _ranked("baddbmm", batch1, 3, "batch1").bmm(batch2), beta, alpha)


@public("addbmm", on="T i t o")
def addbmm(x: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * x + alpha times the sum of all products in two stacks of matrices; x broadcasts."""
    return _added("addbmm", x, sum(_ranked("addbmm", batch1, 3, "batch1").bmm(batch2), 0), beta, alpha)


def _ranked(name: str, x: Any, rank: int, argument: str) -> Any:
    if not isinstance(x, Variable):
        raise no_tensor(name, argument, x)
    if x.array.ndim != rank:
        raise RuntimeError(f"{name}: {argument} must be {rank}-D, but has shape {list(x.array.shape)}")
    return x


@public("chain_matmul", on="t")
def chain_matmul(*matrices: Any) -> Any:
    """The product of several matrices, from left to right."""
    if not matrices:
        raise ValueError("chain_matmul(): Expected one or more matrices")
    out = _ranked("chain_matmul", matrices[0], 2, "matrices")
    for matrix in matrices[1:]:
        out = out.mm(_ranked("chain_matmul", matrix, 2, "matrices"))
    return out


@public("matrix_power", on="T t o")
def matrix_power(x: Any, n: int) -> Any:
    """x @ x @ ... @ x, n times, by squaring; the identity for n = 0. Raises RuntimeError for what is not square."""
    shape = x.array.shape
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise RuntimeError(f"linalg.matrix_power: A must be batches of square matrices, but got {list(shape)}")
    if n < 0:
        x, n = inverse(x), -n
    if n == 0:
        return where(wrap(np.zeros(shape, bool)), x, wrap(np.eye(shape[-1], dtype=x.array.dtype)))
    out, power = [], x
    while n:
        if n & 1:
            out.append(power)
        n >>= 1
        power = power @ power if n else power
    return functools.reduce(operator.matmul, out) if len(out) > 1 else out[0].clone()
