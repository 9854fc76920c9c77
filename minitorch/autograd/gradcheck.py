"""Check derivatives against central differences, to first and second order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .modes import enable_grad, no_grad
from .tape import Variable, grad, wrap


class GradcheckError(RuntimeError):
    """An analytical and a numerical derivative differ."""


def _tuple(value: Any) -> tuple:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _differentiable(tensors: Sequence) -> list[tuple[int, Any]]:
    return [(i, t) for i, t in enumerate(tensors) if isinstance(t, Variable) and t.edge is not None]


def _overlaps(x: np.ndarray) -> bool:
    """Whether several elements stand in one place of memory, so that a step of one is a step of others."""
    end = 0
    for stride, n in sorted((abs(stride), n) for stride, n in zip(x.strides, x.shape, strict=True) if n > 1):
        if stride <= end:
            return x.size > 0
        end += stride * (n - 1)
    return False


def _outputs(function: Callable, inputs: tuple) -> tuple:
    return tuple(y for y in _tuple(function(*inputs)) if isinstance(y, Variable) and y.array.dtype.kind == "f")


def _numerical(function: Callable, inputs: tuple, x: Any, eps: float) -> list[np.ndarray]:
    """One matrix per output: [input element, output element], by central differences."""
    outputs = None
    with no_grad():
        for flat, index in enumerate(np.ndindex(x.array.shape)):
            kept = x.array[index]
            sides = []
            for step in (eps, -eps):
                x.array[index] = kept + step
                sides.append([y.array.copy() for y in _outputs(function, inputs)])
            x.array[index] = kept
            if outputs is None:
                outputs = [np.zeros((x.array.size, y.size)) for y in sides[0]]
            for matrix, above, below in zip(outputs, *sides, strict=True):
                matrix[flat] = ((above - below) / (2 * eps)).ravel()
        if outputs is None:
            outputs = [np.zeros((0, y.array.size)) for y in _outputs(function, inputs)]
    return outputs


def _analytical(y: Any, xs: list, index: int) -> list[np.ndarray]:
    """The gradients of element `index` of y with respect to each of xs, flat."""
    g = np.zeros(y.array.shape, y.array.dtype)
    g.flat[index] = 1
    found = grad(y, xs, wrap(g), retain_graph=True, allow_unused=True)
    return [np.zeros(x.array.size) if v is None else np.array(v.array).ravel() for x, v in zip(xs, found, strict=True)]


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare the gradients of `func` with central differences (f(x + eps) - f(x - eps)) / (2 eps), element by element.

    inputs: a tensor or a sequence; those that require grad are checked, and should be float64 without overlap.
    Passes where |analytical - numerical| <= atol + rtol * |numerical|, and where a second backward gives the same bits
    (within `nondet_tol`). Raises GradcheckError naming the input, the index, both numbers and the worst relative error,
    or returns False if `raise_exception` is off. `fast_mode` compares one random projection per pair. The remaining
    arguments are PyTorch's and concern what does not exist here (batched gradients, forward mode).

    >>> import minitorch
    >>> x = minitorch.tensor([0.5, -1.0], dtype=minitorch.float64, requires_grad=True)
    >>> gradcheck(lambda x: x.exp() * x, (x,))
    True
    """
    inputs = _tuple(inputs)
    checked = _differentiable(inputs)
    if not checked:
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of the them have.")
    for i, x in checked:
        if x.array.dtype != np.float64 and eps < 1e-4:
            raise ValueError(
                f"gradcheck: input {i} is {x.array.dtype}; differences with eps={eps} need float64, or a larger eps"
            )
        if _overlaps(x.array):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0, or others that overlap. gradcheck only supports "
                "inputs that are non-overlapping to be able to compute the numerical gradients correctly. Call "
                ".contiguous on the input before passing it to gradcheck."
            )
    try:
        outputs = _outputs(func, inputs)
        xs = [x for _, x in checked]
        analytical = []
        for y in outputs:
            rows: Any = [[] for _ in xs] if y.edge is not None else None
            for index in range(y.array.size if y.edge is not None else 0):
                first, again = _analytical(y, xs, index), _analytical(y, xs, index)
                for column, a, b in zip(rows, first, again, strict=True):
                    if np.abs(a - b).max(initial=0) > nondet_tol:
                        raise GradcheckError(f"Backward is not reentrant: two runs differ by {np.abs(a - b).max():.3g}")
                    column.append(a)
            if rows is None:
                analytical.append([np.zeros((x.array.size, y.array.size)) for x in xs])
            else:
                analytical.append(
                    [
                        np.stack(column, 1) if column else np.zeros((x.array.size, 0))
                        for x, column in zip(xs, rows, strict=True)
                    ]
                )
        rng = np.random.default_rng(0)
        for position, (i, x) in enumerate(checked):
            for o, numerical in enumerate(_numerical(func, inputs, x, eps)):
                found = analytical[o][position]
                if fast_mode:
                    u, v = rng.standard_normal(found.shape[0]), rng.standard_normal(found.shape[1])
                    found, numerical = (np.reshape(u @ m @ v, (1, 1)) for m in (found, numerical))
                _compare(found, numerical, i, o, x, outputs[o], atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _compare(found: np.ndarray, expected: np.ndarray, i: int, o: int, x: Any, y: Any, atol: float, rtol: float) -> None:
    error = np.abs(found - expected)
    bad = ~(error <= atol + rtol * np.abs(expected))  # a NaN on either side is bad
    bad &= ~(np.isnan(found) & np.isnan(expected))
    if not bad.any():
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(bad, error / np.maximum(np.abs(expected), np.finfo(float).tiny), 0)
    worst = np.unravel_index(int(np.nanargmax(np.where(bad, np.nan_to_num(error, nan=np.inf), -1))), error.shape)
    where = "a random projection"
    if error.shape == (x.array.size, y.array.size):
        at = [
            tuple(int(k) for k in np.unravel_index(w, a.shape)) for w, a in zip(worst, (x.array, y.array), strict=True)
        ]
        where = f"d output {o} at {at[1]} / d input {i} at {at[0]}"
    raise GradcheckError(
        f"Jacobian mismatch for output {o} with respect to input {i}: {where} is {found[worst]:.8g} by the rules and "
        f"{expected[worst]:.8g} by differences; {int(bad.sum())} of {bad.size} entries differ by more than "
        f"atol={atol} + rtol={rtol} * |numerical|; worst relative error {float(np.nanmax(relative)):.3g}"
    )


def gradgradcheck(
    func: Callable,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """`gradcheck` of the gradients of `func`: second derivatives, also with respect to the incoming gradients.

    grad_outputs: the incoming gradients; by default random ones from a fixed seed.
    """
    inputs = _tuple(inputs)
    outputs = _outputs(func, inputs)
    if grad_outputs is None:
        rng = np.random.default_rng(1)
        grad_outputs = []
        for y in outputs:
            values = rng.standard_normal(y.array.shape)
            if gen_non_contig_grad_outputs:
                values = np.repeat(values[..., None], 2, axis=-1)[..., 0]
            g = wrap(np.asarray(values, y.array.dtype))
            g._requires_grad = True
            grad_outputs.append(g)
    grad_outputs = _tuple(grad_outputs)
    count = len(inputs)
    positions = [i for i, _ in _differentiable(inputs)]

    def gradients(*args: Any) -> tuple:
        xs, gs = args[:count], args[count:]
        pairs = [(y, g) for y, g in zip(_outputs(func, xs), gs, strict=True) if y.edge is not None]
        found = grad(
            [y for y, _ in pairs],
            [xs[i] for i in positions],
            [g for _, g in pairs],
            create_graph=True,
            allow_unused=True,
        )
        return tuple(g for g in found if g is not None)

    return gradcheck(
        enable_grad()(gradients),  # differences are taken under no_grad, but gradients need the tape
        (*inputs, *grad_outputs),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        fast_mode=fast_mode,
    )
