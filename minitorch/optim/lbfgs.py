"""L-BFGS: Newton's method with a Hessian that the last gradients suggest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import prod, sqrt
from typing import Any, NamedTuple

import numpy as np

from minitorch.autograd import enable_grad
from minitorch.autograd.quiet import quietly
from minitorch.autograd.tape import wrap
from minitorch.tensor import Tensor

from .optimizer import Optimizer, Params, as_number

ENOUGH = 1e-4  # of the fall that the slope promises: Armijo's condition
FLAT = 0.9  # of the slope at the start: the curvature condition


class LBFGS(Optimizer):
    """p += t * d, where d = -H * gradient and H approximates the inverse Hessian from the last `history_size` steps.

    One `step(closure)` makes up to `max_iter` of these and calls the closure up to `max_eval` times (by default 5/4 of
    max_iter): it clears the gradients, computes the loss, calls backward and returns the loss. t is `lr`, or what
    `line_search_fn="strong_wolfe"` finds from there. It ends early where no gradient is above `tolerance_grad`, or the
    step or the loss changes by less than `tolerance_change`. All parameters are one group.

    >>> import minitorch
    >>> w = minitorch.tensor([4.0, -2.0], requires_grad=True)
    >>> optimizer = LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - minitorch.tensor([1.0, 3.0])) ** 4).sum()
    ...     loss.backward()
    ...     return loss
    >>> loss = optimizer.step(closure)
    >>> closure().item() < 1e-6 < loss.item()
    True
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": as_number("lr", lr),
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        self._check_options(defaults)
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    def _check_options(self, group: Mapping[str, Any]) -> None:
        if not group["lr"] >= 0:
            raise ValueError(f"Invalid learning rate: {group['lr']}")

    def _check_state(self, key: Any, p: Tensor, entry: Mapping[str, Any], group: Mapping[str, Any]) -> None:
        size = sum(prod(q.shape) for q in self.param_groups[0]["params"])
        vectors = [entry.get("d"), entry.get("prev_flat_grad")]
        for name in ("old_dirs", "old_stps"):
            vectors += entry.get(name) or []
        if any(v is not None and (not isinstance(v, Tensor) or v.array.shape != (size,)) for v in vectors):
            raise ValueError(f"loaded state dict: the vectors of LBFGS should have {size} elements, as the parameters")

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Up to max_iter steps; `closure` clears the gradients, calls backward and returns the loss.

        Returns the first loss. Raises RuntimeError for a line search that is not known.
        """
        group = self.param_groups[0]
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        self._params = group["params"]
        with enable_grad():
            first = closure()
        self._iterate(closure, float(first), group)
        return first

    @quietly
    def _iterate(self, closure: Callable[[], Any], loss: float, group: dict[str, Any]) -> None:
        lr, change = float(group["lr"]), float(group["tolerance_change"])
        state = self.state[self._params[0]]
        state["func_evals"] = state.get("func_evals", 0) + 1
        state.setdefault("n_iter", 0)
        g = self._gradient()
        if not _largest(g) > group["tolerance_grad"]:
            return
        evaluations, d, t = 1, _array(state.get("d")), as_number("t", state.get("t"))
        ys, ss = ([_array(v) for v in state.get(name) or ()] for name in ("old_dirs", "old_stps"))
        scale, before = as_number("H_diag", state.get("H_diag", 1)), _array(state.get("prev_flat_grad"))
        before_loss = state.get("prev_loss")
        for number in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            if d is None or before is None:
                d = -g
                t = min(1.0, 1.0 / float(abs(g).sum())) * lr
            else:
                y, s = g - before, d * t
                curved = float(y @ s)
                if curved > 1e-10:
                    if len(ys) == group["history_size"]:
                        ys, ss = ys[1:], ss[1:]
                    ys, ss = [*ys, y], [*ss, s]
                    scale = curved / float(y @ y)
                d, t = _direction(g, ys, ss, scale), lr
            before, before_loss = g, loss
            slope = float(g @ d)
            if slope > -change:
                break
            used = 0
            if group["line_search_fn"]:
                start = [p.array.copy() for p in self._params]
                search = _Search(partial(self._probe, closure, start, d), d, change)
                best, used = search.run(_Point(0.0, loss, g, slope), t, group["max_eval"] - evaluations)
                loss, g, t = best.loss, best.g, best.t
                self._move(t, d)
            else:
                self._move(t, d)
                if number != group["max_iter"]:
                    loss, g, used = *self._evaluate(closure), 1
            evaluations += used
            state["func_evals"] += used
            if (
                evaluations >= group["max_eval"]
                or not _largest(g) > group["tolerance_grad"]
                or _largest(d * t) <= change
                or abs(loss - before_loss) < change
            ):
                break
        inverse = [wrap(np.array(1 / (y @ s))) for y, s in zip(ys, ss, strict=True)]
        state.update(
            d=None if d is None else wrap(d),
            t=t,
            old_dirs=[wrap(y) for y in ys],
            old_stps=[wrap(s) for s in ss],
            ro=inverse,
            H_diag=scale,
            prev_flat_grad=None if before is None else wrap(before.copy()),
            prev_loss=before_loss,
            al=[None] * group["history_size"],
        )

    def _gradient(self) -> np.ndarray:
        """All gradients in one row; zeros where there is none."""
        rows = [np.zeros(p.array.size, p.array.dtype) if p.grad is None else p.grad.array.ravel() for p in self._params]
        return np.concatenate(rows)

    def _evaluate(self, closure: Callable[[], Any]) -> tuple[float, np.ndarray]:
        with enable_grad():
            loss = float(closure())
        return loss, self._gradient()

    def _move(self, t: float, d: np.ndarray) -> None:
        """p += t * d."""
        begin = 0
        for p in self._params:
            x = p.write()
            x += t * d[begin : begin + x.size].reshape(x.shape)
            begin += x.size

    def _probe(
        self, closure: Callable[[], Any], start: list[np.ndarray], d: np.ndarray, t: float
    ) -> tuple[float, np.ndarray]:
        """Loss and gradient at start + t * d; the parameters return to `start`."""
        self._move(t, d)
        try:
            return self._evaluate(closure)
        finally:
            for p, x in zip(self._params, start, strict=True):
                p.write()[...] = x


def _array(value: Tensor | None) -> Any:
    return None if value is None else value.array


def _largest(x: np.ndarray) -> float:
    return float(abs(x).max()) if x.size else 0.0


def _direction(g: np.ndarray, ys: list[np.ndarray], ss: list[np.ndarray], scale: float) -> np.ndarray:
    """-H g, by the two loops of Nocedal (1980): no matrix is formed."""
    d, shares = -g, []
    for y, s in zip(reversed(ys), reversed(ss), strict=True):
        shares.append(float(s @ d) / float(y @ s))
        d = d - shares[-1] * y
    d = d * scale
    for y, s, share in zip(ys, ss, reversed(shares), strict=True):
        d = d + (share - float(y @ d) / float(y @ s)) * s
    return d


class _Point(NamedTuple):
    """A place on the line: its step, loss, gradient, and slope along the line."""

    t: float
    loss: float
    g: np.ndarray
    slope: float


class _Search:
    """A step that fulfils the strong Wolfe conditions (Nocedal and Wright, Numerical Optimization, 3.5)."""

    def __init__(self, probe: Callable[[float], tuple[float, np.ndarray]], d: np.ndarray, change: float) -> None:
        self.probe, self.d, self.change = probe, d, change
        self.used = 0

    def _at(self, t: float) -> _Point:
        loss, g = self.probe(t)
        self.used += 1
        return _Point(t, loss, g, float(g @ self.d))

    def run(self, start: _Point, t: float, most: int) -> tuple[_Point, int]:
        """The best point found with `most` trials after the first, and how often the loss was computed."""
        before, here, trials = start, self._at(t), 0
        while trials < most:
            if self._too_high(here, start) or (trials > 1 and here.loss >= before.loss):
                break
            if abs(here.slope) <= -FLAT * start.slope:
                return here, self.used
            if here.slope >= 0:
                break
            further = _lowest(before, here, here.t + 0.01 * (here.t - before.t), here.t * 10)
            before, here = here, self._at(further)
            trials += 1
        else:
            before = start
        return self._zoom(start, before, here, most - trials), self.used

    @staticmethod
    def _too_high(point: _Point, start: _Point) -> bool:
        return point.loss > start.loss + ENOUGH * point.t * start.slope

    def _zoom(self, start: _Point, one: _Point, two: _Point, most: int) -> _Point:
        """The best point between two that enclose one; trials keep a tenth away from an end they came close to."""
        low, high = (one, two) if one.loss <= two.loss else (two, one)
        close, width = False, _largest(self.d)
        for _ in range(most):
            left, right = sorted((low.t, high.t))
            if (right - left) * width < self.change:
                break
            t = _lowest(low, high, left, right)
            margin = 0.1 * (right - left)
            if min(right - t, t - left) < margin:
                if close or t >= right or t <= left:
                    t = right - margin if abs(t - right) < abs(t - left) else left + margin
                    close = False
                else:
                    close = True
            else:
                close = False
            point = self._at(t)
            if self._too_high(point, start) or point.loss >= low.loss:
                low, high = (low, point) if low.loss <= point.loss else (point, low)
                continue
            if abs(point.slope) <= -FLAT * start.slope:
                return point
            low, high = point, low if point.slope * (high.t - low.t) >= 0 else high
        return low


def _lowest(one: _Point, two: _Point, least: float, most: float) -> float:
    """Where the cubic through two points with these slopes is lowest, within [least, most]; the middle if nowhere."""
    if one.t > two.t:
        one, two = two, one
    mean = one.slope + two.slope - 3 * (one.loss - two.loss) / (one.t - two.t)
    inside = mean * mean - one.slope * two.slope
    if not inside >= 0:
        return (least + most) / 2
    root = sqrt(inside)
    denominator = two.slope - one.slope + 2 * root
    if denominator == 0:
        return most
    t = two.t - (two.t - one.t) * (two.slope + root - mean) / denominator
    return min(max(t, least), most)
