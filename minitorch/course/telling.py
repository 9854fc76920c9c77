"""What the tests of tasks ask with: an answer that is wrong is told in a student's terms."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

import minitorch


class Mistake(AssertionError):
    """An answer is wrong; the message says what was expected, what came, and where they part."""


def same(got: Any, expected: Any, of: str, *, rtol: float = 1e-6, atol: float = 1e-8) -> None:
    """Raises Mistake unless `got`, a tensor, array or number, has the shape and, within rounding, the values expected.

    of: what it is, as a noun: "the gradient of x".
    """
    if got is None:
        raise Mistake(f"{of} is None: is there a `return`?")
    got, expected = np.asarray(_array(got)), np.asarray(_array(expected))
    if got.shape != expected.shape:
        hint = " (transposed?)" if got.shape == expected.shape[::-1] else ""
        raise Mistake(f"{of} has shape {got.shape}, expected {expected.shape}{hint}")
    wrong = ~np.isclose(got, expected, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    where = f" at {list(at)}" if at else ""
    lines = [f"{of} is wrong{where}: got {_number(got[at])}, expected {_number(expected[at])}"]
    if wrong.size > 1:
        lines.append(f"{int(wrong.sum())} of {wrong.size} numbers differ")
        lines += picture(got, expected, wrong)
    raise Mistake("\n".join(lines))


def picture(got: np.ndarray, expected: np.ndarray, wrong: np.ndarray, title: str = "") -> list[str]:
    """Lines that show where two arrays differ: small ones with their numbers, larger ones as a map; others not at all.

    Of more than two axes the plane with the first difference is shown. title: what the rows and columns are.
    """
    if wrong.ndim > 2:
        plane = tuple(int(i) for i in np.argwhere(wrong)[0][:-2])
        got, expected, wrong = got[plane], expected[plane], wrong[plane]
        title = f" in [{', '.join(map(str, plane))}]"
    got, expected, wrong = np.atleast_2d(got), np.atleast_2d(expected), np.atleast_2d(wrong)
    rows, columns = wrong.shape
    if rows <= 6 and columns <= 5:
        cells = [
            [_number(v) + " *"[int(w)] for v, w in zip(*pair, strict=True)] for pair in zip(got, wrong, strict=True)
        ]
        others = [[_number(v) for v in row] for row in expected]
        width = [max(len(row[j]) for table in (cells, others) for row in table) for j in range(columns)]
        left, right = (
            [" ".join(c.rjust(w) for c, w in zip(row, width, strict=True)) for row in t] for t in (cells, others)
        )
        head = f"got{title if not title.startswith(':') else ''}".ljust(len(left[0]))
        return [f"  {head}   expected"] + [f"  {a.ljust(len(head))}   {b}" for a, b in zip(left, right, strict=True)]
    if rows <= 24 and columns <= 48:
        return [f"  x marks what differs{title}"] + ["  " + " ".join(".x"[int(w)] for w in row) for row in wrong]
    return []


def raises(error: type[BaseException], function: Callable, *arguments: Any, of: str) -> None:
    """Raises Mistake unless the function raises an error of this class. of: the call, as a noun."""
    try:
        function(*arguments)
    except error:
        return
    raise Mistake(f"{of} should raise {error.__name__}, and does not")


def answer(got: Any, expected: Any, of: str, mistakes: Mapping[str, Any]) -> None:
    """`same`; if the answer is what a known mistake gives, this is told. mistakes: words, and what comes of each."""
    try:
        same(got, expected, of)
    except Mistake as wrong:
        got = np.asarray(_array(got))
        for sentence, result in mistakes.items():
            result = np.asarray(_array(result))
            if result.shape == got.shape and np.allclose(got, result, rtol=1e-5, atol=1e-8, equal_nan=True):
                raise Mistake(f"{wrong}\n{sentence}") from None
        raise


def gradients(function: Callable, *inputs: Any, of: str, second: bool = False) -> None:
    """Raises Mistake unless the gradients of a function of float64 tensors agree with central differences.

    Those inputs that are tensors and require grad are checked; second: derivatives of the gradients, too. of: what is
    differentiated, as a noun: "x * y". It needs backward, and nothing of autograd/gradcheck.py.
    """
    wanted = [i for i, x in enumerate(inputs) if isinstance(x, minitorch.Tensor) and x.requires_grad]
    called = _called(function, len(inputs))
    _compare(function, inputs, wanted, of, called)
    if second:
        draw = np.random.default_rng(0)
        weights = [_leaf(draw.uniform(0.5, 1.5, y.shape)) for y in _results(function, inputs)]

        def slopes(*arguments: Any) -> tuple:
            xs, vs = arguments[: len(inputs)], arguments[len(inputs) :]
            ys = [(y, v) for y, v in zip(_results(function, xs), vs, strict=True) if y.requires_grad]
            found = minitorch.autograd.grad(
                [y for y, _ in ys], [xs[i] for i in wanted], [v for _, v in ys], create_graph=True, allow_unused=True
            )
            return tuple(
                _leaf(np.zeros(inputs[i].shape)) if g is None else g for i, g in zip(wanted, found, strict=True)
            )

        every = [*wanted, *range(len(inputs), len(inputs) + len(weights))]
        called += ["the incoming gradient"] * len(weights)
        results = [f"the gradient of {called[i]}" for i in wanted]
        _compare(slopes, (*inputs, *weights), every, f"the second derivative of {of}", called, results)


def _called(function: Callable, count: int) -> list[str]:
    """What the arguments of a function are called."""
    try:
        names = [p.name for p in inspect.signature(function).parameters.values() if p.kind == p.POSITIONAL_OR_KEYWORD]
    except (TypeError, ValueError):
        names = []
    return names if len(names) == count else [f"input {i}" for i in range(count)]


def _compare(function: Callable, inputs: tuple, wanted: list, of: str, called: list, names: Any = None) -> None:
    """Compare the derivatives of each result by each wanted input with differences.

    called, names: what the inputs and the results are called.
    """
    points = {i: np.array(inputs[i].detach().numpy(), np.float64) for i in wanted}

    def evaluate(values: dict) -> tuple[list, list]:
        arguments = [_leaf(values[i].copy()) if i in values else x for i, x in enumerate(inputs)]
        return arguments, _results(function, arguments)

    arguments, results = evaluate(points)
    outputs = [np.array(y.detach().numpy()) for y in results]
    for i, point in points.items():
        if not np.array_equal(arguments[i].detach().numpy(), point, equal_nan=True):
            raise Mistake(f"{of}: the function changes its argument {called[i]}")
    found, again = (_by_rules(results, [arguments[i] for i in wanted]) for _ in range(2))
    expected = [_by_differences(lambda v, i=i: evaluate({**points, i: v})[1], points[i], outputs) for i in wanted]
    for position, i in enumerate(wanted):
        for k, y in enumerate(outputs):
            reached = found[k][position] is not None
            ours = found[k][position] if reached else np.zeros((points[i].size, y.size))
            theirs = expected[position][k]
            wrong = ~np.isclose(ours, theirs, rtol=1e-3, atol=1e-5)
            if not wrong.any():
                if reached and not np.array_equal(ours, again[k][position]):
                    raise Mistake(f"{of}: not deterministic: a second backward gives another gradient of {called[i]}")
                continue
            row, column = (int(j) for j in np.argwhere(wrong)[0])
            at = [int(j) for j in np.unravel_index(row, points[i].shape)]
            to = [int(j) for j in np.unravel_index(column, y.shape)]
            by = called[i]
            result = (names[k] if names else "the result" if len(outputs) == 1 else f"result {k}") + f"{to or ''}"
            lines = [
                f"{of}: the derivative by {by}{at or ''} is wrong: got {_number(ours[row, column])}, "
                f"expected {_number(theirs[row, column])} by differences",
                f"that is how fast {result} moves with it; {int(wrong.sum())} of {wrong.size} such numbers differ",
            ]
            others = {called[j]: expected[p][k] for p, j in enumerate(wanted) if j != i}
            call = partial(lambda i, k, v: evaluate({**points, i: v})[1][k], i, k)
            said = _suspicion(ours, theirs, points[i], y, by, others, reached, call)
            if said:
                lines.append(f"suspect: {said}")
            if wrong.size > 1:
                lines += picture(
                    ours, theirs, wrong, f": a row for each element of {by}, a column for each of the result"
                )
            raise Mistake("\n".join(lines))


def _by_rules(results: list, xs: list) -> list[list]:
    """For each result and each x the matrix [element of x, element of the result], or None where nothing arrives."""
    out = []
    for y in results:
        columns: list[list] = [[] for _ in xs]
        for j in range(y.numel() if y.requires_grad else 0):
            g = np.zeros(y.shape)
            g.flat[j] = 1
            found = minitorch.autograd.grad(y, xs, minitorch.tensor(g), retain_graph=True, allow_unused=True)
            for column, value in zip(columns, found, strict=True):
                column.append(None if value is None else np.array(value.detach().numpy()).ravel())
        out.append([np.stack(c, 1) if c and all(v is not None for v in c) else None for c in columns])
    return out


def _by_differences(function: Callable, point: np.ndarray, outputs: list, step: float = 1e-6) -> list[np.ndarray]:
    """For each result the matrix [element of the point, element of the result]."""
    out = [np.zeros((point.size, y.size)) for y in outputs]
    for flat in range(point.size):
        sides = []
        for moved in (step, -step):
            values = point.copy()
            values.flat[flat] += moved
            sides.append([np.array(y.detach().numpy()) for y in function(values)])
        for matrix, above, below in zip(out, *sides, strict=True):
            matrix[flat] = ((above - below) / (2 * step)).ravel()
    return out


def _suspicion(found: Any, expected: Any, x: Any, out: Any, name: str, others: dict, reached: bool, call: Any) -> str:
    """What the numbers suggest; "" if nothing fits."""
    from minitorch.autograd import diagnosis

    said = diagnosis.suspect(
        found,
        expected,
        x=x,
        out=out,
        name=name,
        others=others,
        reached=reached,
        call=lambda v: np.array(call(np.asarray(v, np.float64).reshape(x.shape)).detach().numpy()),
    )
    return "" if said == diagnosis.NONE else said


def _results(function: Callable, arguments: Any) -> list:
    """The results that are tensors of floating numbers."""
    results = function(*arguments)
    results = results if isinstance(results, tuple | list) else (results,)
    return [y for y in results if isinstance(y, minitorch.Tensor) and y.dtype.is_floating_point]


def _leaf(array: np.ndarray) -> Any:
    return minitorch.tensor(array, dtype=minitorch.float64, requires_grad=True)


def _number(value: Any) -> str:
    return f"{value + 0:.6g}" if np.asarray(value).dtype.kind in "iuf" else str(value)


def _array(x: Any) -> Any:
    return x.detach().numpy() if isinstance(x, minitorch.Tensor) else x
