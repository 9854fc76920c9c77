"""One gradient check: the matrices that are compared, and what is said where they differ."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..dtypes import FLOATS
from . import forward_ad
from .diagnosis import OF_POINT, suspect, wrong
from .functional import jvp
from .report import Pair, mismatch, rules_on
from .tape import Variable, grad, wrap


class GradcheckError(RuntimeError):
    """An analytical and a numerical derivative differ.

    Where a derivative is wrong: suspected, what may be the mistake; analytical, numerical, the matrices [element of the
    input, element of the output]; input, output, their positions; name, what the function calls the input.
    """

    __module__ = "minitorch.autograd.gradcheck"  # where PyTorch has it

    suspected = ""
    analytical: Any = None
    numerical: Any = None
    input: int | None = None
    output: int | None = None
    name = ""


def as_tuple(value: Any) -> tuple:
    """A tuple of a sequence's items, or of the single value."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def differentiable(tensors: Sequence) -> list[tuple[int, Any]]:
    """The tensors that require grad, each with its position."""
    return [(i, t) for i, t in enumerate(tensors) if isinstance(t, Variable) and t.edge is not None]


def outputs_of(function: Callable, inputs: tuple) -> tuple:
    """The results that are float tensors."""
    return tuple(y for y in as_tuple(function(*inputs)) if isinstance(y, Variable) and y.array.dtype.kind in FLOATS)


def dual_columns(function: Callable, inputs: tuple, xs: Sequence[tuple[int, Any]], which: int) -> list[np.ndarray]:
    """As `numerical` for the input `xs[which]`, by dual numbers."""
    position, x = xs[which]
    fresh = list(inputs)
    for i, other in xs:
        fresh[i] = wrap(other.array)
        fresh[i]._requires_grad = True
    rows: list[list[np.ndarray]] = []
    for index in np.ndindex(x.array.shape):
        one = np.zeros_like(x.array)
        one[index] = 1
        with forward_ad.dual_level():
            fresh[position] = forward_ad.make_dual(wrap(x.array), wrap(one))
            duals = [(y, forward_ad.unpack_dual(y).tangent) for y in outputs_of(function, tuple(fresh))]
        rows.append([np.zeros(y.array.size) if t is None else np.array(t.array, float).ravel() for y, t in duals])
    return [np.array(matrix) for matrix in zip(*rows, strict=True)]


class Comparison:
    """A function, its inputs, what everything is called, and the tolerances.

    numerical, analytical, verdict: how derivatives are computed and compared: see gradcheck.py.
    """

    numerical: Callable
    analytical: Callable
    verdict: Callable

    def __init__(self, func: Callable, inputs: tuple, names: list[str], results: Any, settings: dict) -> None:
        self.func, self.inputs, self.names, self.results = func, inputs, names, results
        self.eps, self.atol, self.rtol = settings["eps"], settings["atol"], settings["rtol"]
        self.nondet_tol, self.dtypes = settings["nondet_tol"], settings["check_grad_dtypes"]
        self.checked = differentiable(inputs)
        self.xs = [x for _, x in self.checked]
        self.origin: Any = None  # results whose rules are meant, if not those of func
        before = [x.array.copy() for x in self.xs]
        beside = {names[i]: (t, t.array.copy()) for i, t in enumerate(inputs) if isinstance(t, Variable)}
        returned = func(*inputs)
        self.unchanged(before)
        self.written = [
            n
            for n, (t, old) in beside.items()
            if not np.array_equal(t.array, old, equal_nan=t.array.dtype.kind in FLOATS)
        ]
        every = [(i, y) for i, y in enumerate(as_tuple(returned)) if isinstance(y, Variable)]
        if not every and as_tuple(returned):
            raise TypeError(f"gradcheck: the function must return tensors, but returned {type(returned).__name__}")
        self.floats = [(i, y) for i, y in every if y.array.dtype.kind in FLOATS]
        self.single = len(self.floats) == 1
        self.taken = [k for k, (_, y) in enumerate(self.floats) if y.edge is not None]
        self.outputs = [self.floats[k][1] for k in self.taken]

    def unchanged(self, before: list) -> None:
        """Raises GradcheckError if an input that is checked has other values than before."""
        for (i, x), old in zip(self.checked, before, strict=True):
            if not np.array_equal(x.array, old, equal_nan=True):
                x.array[...] = old
                error = GradcheckError(
                    f"the function changes its input {i} (`{self.names[i]}`): differences have no meaning then; "
                    "work on x.clone()"
                )
                error.suspected, error.input, error.name = "the function changes its input", i, self.names[i]
                raise error

    def result(self, k: int) -> str:
        """What the output at place k of the float outputs is called."""
        if self.results:
            return self.results[k]
        return "out" if self.single else f"output {self.floats[k][0]}"

    def pair(self, found: np.ndarray, expected: np.ndarray, k: int, which: int) -> Pair:
        """The matrices of one output and one input with their names."""
        i, x = self.checked[which]
        position, y = self.floats[k]
        bad = self.verdict(found, expected, self.atol, self.rtol)
        return Pair(found, expected, bad, self.result(k), position, self.names[i], i, (x.array.shape, y.array.shape))

    def differences(self) -> list[list[np.ndarray]]:
        """For each input the matrices of all float outputs."""
        return [self.numerical(self.func, self.inputs, x, self.eps) for x in self.xs]

    def flat(self) -> None:
        """No output is on the tape: raises GradcheckError if one moves."""
        if not self.floats:
            warnings.warn("gradcheck: the function has no floating-point output, so nothing was checked", stacklevel=4)
        for which, matrices in enumerate(self.differences() if self.floats else ()):
            for k, expected in enumerate(matrices):
                if expected.any():
                    pair = self.pair(np.zeros_like(expected), expected, k, which)
                    at = np.unravel_index(int(np.argmax(np.abs(expected))), expected.shape)
                    raise self.error(
                        "Numerical gradient for function expected to be zero: no output requires grad, but "
                        f"{pair.entry(at)} is {expected[at]:.8g} by differences\n  suspected: zero gradient where the "
                        "function moves: the result was detached from the input (detach, NumPy, no_grad)"
                        + "".join(f"\n  the rule: {r}" for r in rules_on(self.origin or [], self.xs[which])),
                        pair,
                        "zero gradient where the function moves: the result was detached from the input",
                    )

    def backward(self) -> None:
        """Compare backward with differences; raises GradcheckError for the first pair that differs."""
        found = []
        for k in self.taken:
            y = self.floats[k][1]
            first, again = self.analytical(y, self.xs), self.analytical(y, self.xs)
            self.reentrant(first, again, k)
            found.append(first)
        expected = self.differences()
        self.compare(found, [[row[k] for row in expected] for k in self.taken], "")

    def reentrant(self, first: list, again: list, k: int) -> None:
        """Raises GradcheckError if two backward passes differ."""
        for (i, _), a, b in zip(self.checked, first, again, strict=True):
            apart = np.abs(a - b).max(initial=0)
            if apart > self.nondet_tol:
                text = (
                    f"Backward is not reentrant: two runs with the same input and incoming gradient give gradients of "
                    f"input {i} (`{self.names[i]}`) that differ by {apart:.3g}; nondet_tol={self.nondet_tol}"
                )
                rules = rules_on(self.origin or [self.floats[k][1]], self.inputs[i])
                said = "not deterministic: the rule draws random numbers, or depends on an earlier call"
                raise self.error(
                    "\n  ".join([text, f"suspected: {said}", *(f"the rule: {r}" for r in rules)]), None, said
                )

    def compare(self, found: list, expected: list, how: str) -> None:
        """found, expected: for each output that is taken, for each input, a matrix."""
        pairs = [
            self.pair(found[o][which], expected[o][which], k, which)
            for o, k in enumerate(self.taken)
            for which in range(len(self.xs))
        ]
        for number, pair in enumerate(pairs):
            if pair.bad.any():
                o, which = divmod(number, len(self.xs))
                raise self.explained(pair, pairs, expected[o], o, which, how)

    def explained(self, pair: Pair, pairs: list, expected: list, o: int, which: int, how: str) -> GradcheckError:
        """The error that tells of a pair which differs."""
        i, x = self.checked[which]
        k, y = self.taken[o], self.outputs[o]
        values = {
            self.names[j]: t.array.astype(float)
            for j, t in enumerate(self.inputs)
            if j != i and isinstance(t, Variable) and t.array.dtype.kind in FLOATS
        }
        others = {self.names[j]: m for (j, _), m in zip(self.checked, expected, strict=True) if j != i}
        (reached,) = grad(y, [x], wrap(np.ones_like(y.array)), retain_graph=True, allow_unused=True)

        def call(array: np.ndarray) -> np.ndarray:
            kept = x.array.copy()
            try:
                x.array[...] = array
                return outputs_of(self.func, self.inputs)[k].array.copy()
            finally:
                x.array[...] = kept

        said = suspect(
            pair.found,
            pair.expected,
            x=x.array.copy(),
            out=y.array,
            name=pair.name,
            others=others,
            values=values,
            call=call,
            reached=reached is not None,
            eps=self.eps,
            atol=self.atol,
            rtol=self.rtol,
        )
        if said.startswith("not deterministic") and self.written:
            said = f"the function changes its input `{self.written[0]}`, so it depends on an earlier call"
        rules = [] if said.startswith(OF_POINT) else rules_on(self.origin or [y], x)
        return self.error(mismatch(pair, pairs, said, rules, self.atol, self.rtol, how), pair, said)

    def error(self, text: str, pair: Pair | None, suspected: str) -> GradcheckError:
        """A GradcheckError with its attributes."""
        error = GradcheckError(text)
        error.suspected = suspected
        if pair is not None:
            error.analytical, error.numerical = pair.found, pair.expected
            error.input, error.output, error.name = pair.input, pair.output, pair.name
        return error

    def forward(self, backward: bool) -> None:
        """Compare dual numbers with differences, then with `jvp` and backward along one direction."""
        found = [dual_columns(self.func, self.inputs, self.checked, which) for which in range(len(self.xs))]
        expected = self.differences()
        ours, theirs = ([[row[k] for row in m] for k in self.taken] for m in (found, expected))
        self.compare(ours, theirs, "computed with forward mode ")
        if backward:
            self.three_ways(ours)

    def three_ways(self, forward: list) -> None:
        """Along random directions <v, J u>, by dual numbers, by `jvp` and by backward."""
        rng = np.random.default_rng(2)
        us = [rng.standard_normal(x.array.shape).astype(x.array.dtype) for x in self.xs]

        def function(*xs: Any) -> tuple:
            args = list(self.inputs)
            for (i, _), x in zip(self.checked, xs, strict=True):
                args[i] = x
            return tuple(outputs_of(self.func, tuple(args))[k] for k in self.taken)

        _, products = jvp(function, tuple(self.xs), tuple(wrap(u) for u in us))
        for y, row, product in zip(self.outputs, forward, products, strict=True):
            v = rng.standard_normal(y.array.shape).astype(y.array.dtype)
            gs = grad(y, self.xs, wrap(v), retain_graph=True, allow_unused=True)
            ways = {
                "forward mode": sum(float(u.ravel() @ m @ v.ravel()) for u, m in zip(us, row, strict=True)),
                "jvp": float((v * product.array).sum()),
                "backward": sum(float((g.array * u).sum()) for g, u in zip(gs, us, strict=True) if g is not None),
            }
            limit = self.atol * max(1.0, v.size**0.5) + self.rtol * abs(ways["backward"])
            if max(ways.values()) - min(ways.values()) > limit:
                said = ", ".join(f"{value:.8g} by {way}" for way, value in ways.items())
                raise GradcheckError(f"one derivative along a random direction, computed in three ways: {said}")

    def fast(self) -> None:
        """Compare <v, J u> along one random direction for each input and output: two calls, and two backward passes."""
        rng = np.random.default_rng(0)
        us = [rng.standard_normal(x.array.shape) for x in self.xs]
        vs = [rng.standard_normal(y.array.shape) for y in self.outputs]
        found = []
        for k, y, v in zip(self.taken, self.outputs, vs, strict=True):
            runs: list[list] = []
            for _ in range(2):
                gs = grad(y, self.xs, wrap(v.astype(y.array.dtype)), retain_graph=True, allow_unused=True)
                runs.append(
                    [np.zeros(x.array.shape) if g is None else g.array for g, x in zip(gs, self.xs, strict=True)]
                )
            self.reentrant(runs[0], runs[1], k)
            found.append([float((g * u).sum()) for g, u in zip(runs[0], us, strict=True)])
        for which, (x, u) in enumerate(zip(self.xs, us, strict=True)):
            kept, sides = x.array.copy(), []
            for step in (self.eps, -self.eps):
                x.array[...] = kept + step * u
                sides.append([y.array.copy() for y in outputs_of(self.func, self.inputs)])
            x.array[...] = kept
            for o, (k, v) in enumerate(zip(self.taken, vs, strict=True)):
                expected = float((v * (sides[0][k] - sides[1][k])).sum() / (2 * self.eps))
                limit = self.atol * float(np.linalg.norm(u) * np.linalg.norm(v))
                if wrong(np.array(found[o][which]), np.array(expected), limit, self.rtol):
                    i, _ = self.checked[which]
                    self.backward()  # says more
                    raise GradcheckError(
                        f"Jacobian mismatch for output {self.floats[k][0]} with respect to input {i} "
                        f"(`{self.names[i]}`): along a random direction {found[o][which]:.8g} by the rules and "
                        f"{expected:.8g} by differences. Fast gradcheck failed but element-wise differences are "
                        "small: fast_mode=False would pass"
                    )

    def scaled(self) -> None:
        """No gradient comes in: raises GradcheckError unless zeros come out, of the inputs' dtypes."""
        zeros = [wrap(np.zeros_like(y.array)) for y in self.outputs]
        found = grad(self.outputs, self.xs, zeros, retain_graph=True, allow_unused=True)
        for (i, x), g in zip(self.checked, found, strict=True):
            if g is None:
                continue
            if g.array.any() or np.isnan(g.array).any():
                raise GradcheckError(
                    f"backward not multiplied by grad_output: where zeros come in, the gradient of input {i} "
                    f"(`{self.names[i]}`) is not zero"
                )
            if self.dtypes and g.array.dtype != x.array.dtype:
                raise GradcheckError(f"Gradient has dtype mismatch: {g.dtype} for input {i} of {x.dtype}")

    def undefined(self) -> None:
        """Gradients come for all outputs but one: raises GradcheckError where a rule can't do with that."""
        for left in range(len(self.outputs) if len(self.outputs) > 1 else 0):
            outputs = [y for k, y in enumerate(outputs_of(self.func, self.inputs)) if k in self.taken]
            rest = [y for k, y in enumerate(outputs) if k != left]
            zeros = [wrap(np.zeros_like(y.array)) for y in rest]
            try:
                found = grad(rest, self.xs, zeros, allow_unused=True)
            except (RuntimeError, TypeError, AttributeError) as error:
                raise GradcheckError(
                    "Expected backward function to handle undefined output grads: no gradient came for output "
                    f"{self.floats[self.taken[left]][0]}, and a rule raised {type(error).__name__}: {error}"
                ) from error
            if any(g is not None and g.array.any() for g in found):
                raise GradcheckError(
                    "Expected all input grads to be undefined or zero when all output grads are undefined or zero"
                )
