"""What may be wrong with a derivative: hypotheses, each tried on the numbers before it is said.

Two matrices are compared, [element of x, element of the result]: `found`, what the rules say, and `expected`, what
differences say. A hypothesis is a change under which the two agree: one factor, exchanged axes, the row of another
input. Those about the point itself (a kink, a step that is too small, a random function) call the function again.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

import numpy as np

NONE = "no simple pattern"
OF_POINT = (
    "a kink",
    "a pole",
    "a jump",
    "eps=",
    "float",
    "not deterministic",
    "the function",
)  # begin what is not said of a rule
_ROWS = 16  # elements of x at which the function is called again


def wrong(found: np.ndarray, expected: np.ndarray, atol: float = 1e-5, rtol: float = 1e-3) -> np.ndarray:
    """Where not |found - expected| <= atol + rtol * |expected|; a NaN is wrong, equal infinities are not."""
    with np.errstate(invalid="ignore"):
        close = (np.abs(found - expected) <= atol + rtol * np.abs(expected)) & np.isfinite(expected)
    return ~(close | (found == expected))


def suspect(
    found: np.ndarray,
    expected: np.ndarray,
    *,
    x: np.ndarray | None = None,
    out: np.ndarray | None = None,
    name: str = "x",
    others: Mapping[str, np.ndarray] | None = None,
    values: Mapping[str, np.ndarray] | None = None,
    call: Callable[[np.ndarray], np.ndarray] | None = None,
    reached: bool = True,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> str:
    """In words, what is wrong with a derivative that differs from the expected one, or "no simple pattern".

    found, expected: matrices [element of x, element of out]; without `out`, gradients of a number, of the shape of x.
    x, out: the arrays that `name` and the result are, for their shapes and values. others: what is expected of other
    inputs, by their names, as matrices of the same result. values: other inputs. call: from an array in the place of x
    to the result. reached: whether a gradient arrived at x. eps, atol, rtol: of the comparison.

    >>> suspect(np.array([1.0, 2.0, 5.0]), np.array([2.0, 4.0, 10.0]))
    'a constant factor: the factor 2 is missing'
    """
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape:
        return shapes(found.shape, expected.shape) or NONE
    shape = expected.shape if out is None and x is None else expected.shape[:1] if x is None else x.shape
    case = Case(found, expected, shape, () if out is None else out.shape, name, atol, rtol)
    if x is not None:
        case.values[name] = np.asarray(x, np.float64)
    case.values.update(values or {})
    if out is not None:
        case.values["out"] = np.asarray(out, np.float64)
    if not case.bad.any():
        return NONE
    with np.errstate(all="ignore"):
        if call is None or x is None:
            return _of_matrix(case, others or {}, reached) or NONE
        said = _of_point(case, call, x, out, eps)
        if said:
            return said
        coarse = _sharpened(case, call, x)
        return (_of_matrix(case, others or {}, reached) or NONE) + coarse


def shapes(given: tuple, wanted: tuple) -> str:
    """In words, why a gradient of shape `given` came for an argument of shape `wanted`; empty if nothing fits."""
    lead = len(given) - len(wanted)
    pairs = list(zip(given[max(lead, 0) :], wanted[max(-lead, 0) :], strict=True))
    if lead >= 0 and all(n in (1, m) for m, n in pairs):
        axes = [*range(lead), *(lead + i for i, (m, n) in enumerate(pairs) if m != n)]
        return f"not summed over the broadcast {_axes(axes)}"
    if lead <= 0 and all(m in (1, n) for m, n in pairs):
        return "summed over an axis that is not broadcast, or not expanded again"
    if sorted(given) == sorted(wanted):
        return "transposed: the sizes are right, in another order"
    if np.prod(given) == np.prod(wanted):
        return "not reshaped: as many elements, in another shape"
    apart = [i for i, (m, n) in enumerate(pairs) if m != n]
    if lead == 0 and len(apart) <= 2 and all(abs(given[i] - wanted[i]) <= 2 for i in apart):
        return f"off by {abs(given[apart[0]] - wanted[apart[0]])} along {_axes(apart)}"
    return ""


class Case:
    """A matrix of derivatives that is wrong, the one expected, and what is known about the place."""

    def __init__(
        self,
        found: np.ndarray,
        expected: np.ndarray,
        x_shape: tuple,
        out_shape: tuple,
        name: str,
        atol: float,
        rtol: float,
    ) -> None:
        size = int(np.prod(x_shape))
        self.found, self.expected = np.array(found.reshape(size, -1)), expected.reshape(size, -1)
        self.x_shape, self.out_shape, self.name = tuple(x_shape), tuple(out_shape), name
        self.atol, self.rtol = atol, rtol
        self.values: dict[str, np.ndarray] = {}
        self.judge()

    def judge(self) -> None:
        """Find out where the matrices differ; rows: the elements of x whose derivatives are wrong."""
        self.bad = wrong(self.found, self.expected, self.atol, self.rtol)
        self.rows = np.flatnonzero(self.bad.any(1))
        self.moving = (np.abs(self.expected) > 4 * self.atol) | (np.abs(self.found) > 4 * self.atol)

    def same(self, found: np.ndarray, expected: np.ndarray) -> bool:
        """Whether two matrices agree, as gradcheck compares them."""
        return not wrong(found, expected, 2 * self.atol, self.rtol).any()

    def part(self, rows: np.ndarray) -> Case:
        """The same for some elements of x alone."""
        found, expected = self.found[rows], self.expected[rows]
        part = Case(found, expected, (len(rows),), self.out_shape, self.name, self.atol, self.rtol)
        part.values = {
            k: v.reshape(-1)[rows] if v.shape == self.x_shape else v
            for k, v in self.values.items()
            if v.shape in (self.x_shape, self.out_shape)
        }
        return part

    def index(self, row: int) -> str:
        """An element of x as Python writes it."""
        at = ", ".join(str(int(i)) for i in np.unravel_index(row, self.x_shape)) if self.x_shape else ""
        return f"{self.name}[{at}]" if at else self.name


def _axes(axes: list[int]) -> str:
    *most, last = map(str, axes)
    return f"axes {', '.join(most)} and {last}" if most else f"axis {last}"


def _number(c: float) -> str:
    simple = Fraction(c).limit_denominator(12)
    return str(simple) if abs(float(simple) - c) <= 5e-4 * abs(c) else f"{c:.4g}"


def _whole(c: float) -> int:
    """The whole number that c is within the precision of differences, else 0."""
    return round(c) if abs(c - round(c)) <= 1e-3 * abs(c) else 0


# ---------------------------------------------------------------------------------------------- hypotheses of the point
def _of_point(case: Case, call: Callable, x: np.ndarray, out: np.ndarray | None, eps: float) -> str:
    """What the function itself does near x: random, not smooth, too coarse for the step."""
    base, again = (np.asarray(call(x), np.float64) for _ in range(2))
    apart = np.abs(base - again)
    if out is not None and out.shape == base.shape:
        before = np.abs(base - out)
        apart = np.maximum(apart, np.where(before > 64 * np.finfo(out.dtype).eps * np.abs(base), before, 0))
    if apart.max(initial=0) > 1e-3 * eps * np.abs(case.found - case.expected).max(initial=0):
        return (
            f"not deterministic: two calls with the same input differ by {apart.max():.3g}; the function draws random "
            "numbers, or depends on an earlier call"
        )
    rows = case.rows[np.unique(np.linspace(0, len(case.rows) - 1, _ROWS).astype(int))]
    bad, found = case.bad[rows], case.found[rows]
    at = f"{case.index(rows[0])} = {x.flat[rows[0]]:.4g}"
    right, left = _sides(call, x, base, rows, eps)
    finer, lefter = _sides(call, x, base, rows, eps / 16)
    middle, closer = (right + left) / 2, (finer + lefter) / 2
    if not (np.isfinite(right) & np.isfinite(left) & np.isfinite(base.ravel()))[bad].all():
        return f"a pole, or the edge of where the function is defined, within eps of {at}: move the point away"
    if np.isnan(found[bad]).any():
        return f"nan by the rule, {middle[bad & np.isnan(found)][0]:.4g} by differences: 0 * inf or 0 / 0 in the rule"
    growth = np.maximum(np.abs(finer), np.abs(lefter)) / np.maximum(np.abs(right), np.abs(left))
    noise = 8 * max(np.finfo(a.dtype).eps for a in (x, call(x))) * np.abs(base).max(initial=0)
    if noise < eps / 16 * np.abs(found - middle)[bad].min(initial=np.inf):  # rounding does not spoil the finer step
        if (growth[bad] > 2).all():
            what = "a jump" if growth[bad].min() > 8 else "a pole"
            return f"{what} within eps of {at}: the function has no slope there, move the point away"
        gap, shift = np.abs(right - left)[bad], np.abs(middle - closer)[bad]
        if not wrong(found, closer, 4 * case.atol, case.rtol)[bad].any():
            if (np.abs(shift / gap - 0.5) < 0.1).all():
                return f"a kink within eps of {at}: closer to it the rule agrees; move the point, or take a smaller eps"
            return f"eps={eps:g} is too large for this function; eps={eps / 16:.2g} would do"
        low, high = np.minimum(right, left), np.maximum(right, left)
        within = (found >= low - 1e-3 * (1 + abs(low))) & (found <= high + 1e-3 * (1 + abs(high)))
        wide = np.abs(right - left)  # both slopes are the same with the finer step
        lasting = np.maximum(np.abs(finer - right), np.abs(lefter - left)) < 0.1 * wide
        lasting &= wide > 4 * case.atol
        kinks = (within & lasting | ~bad).all(1)
        if kinks.all():
            i, j = (int(v) for v in np.argwhere(bad)[0])
            return (
                f"a kink: at {at} the function has slope {left[i, j] + 0.0:.4g} on the left and "
                f"{right[i, j] + 0.0:.4g} on the right; move the point"
            )
        if kinks.any():  # the rest is judged alone
            case.found[rows[kinks]] = case.expected[rows[kinks]]
            case.judge()
            return ""
    return _coarse(case, call, x, base, rows, eps, noise)


def _sides(call: Callable, x: np.ndarray, base: np.ndarray, rows: np.ndarray, step: float) -> tuple:
    """The slopes on the right and on the left of some elements, as matrices."""
    sides: tuple[list, list] = ([], [])
    for row in rows:
        for side, h in zip(sides, (step, -step), strict=True):
            moved = x.copy()
            moved.flat[row] += h
            way = float(moved.flat[row]) - float(x.flat[row])
            side.append((np.asarray(call(moved), np.float64) - base).ravel() / (way or h))
    return np.array(sides[0]), np.array(sides[1])


def _coarse(
    case: Case, call: Callable, x: np.ndarray, base: np.ndarray, rows: np.ndarray, eps: float, noise: float
) -> str:
    """Whether rounding, divided by a step as small as eps, is what differs: then larger steps come near the rule."""
    plain, worst = noise / eps < case.atol / 8, float(np.abs(case.found - case.expected)[case.bad].max())
    rows = np.unique([*rows, *np.linspace(0, len(case.found) - 1, _ROWS).astype(int)])  # and some that agreed
    found, tried, longest = case.found[rows], [], 0.3 * max(1.0, float(np.abs(x).max(initial=0)))
    for step in (eps * 10**power for power in range(1, 6)):
        if step <= longest:
            middle = _central(call, x, rows, step)
            error = np.abs(middle - found)
            ratio = float((error / (case.atol + case.rtol * np.abs(middle))).max())
            tried.append((ratio, float(error[case.bad[rows]].max()), step))
    scale = max(1.0, float(np.abs(found).max()), float(np.abs(base).max(initial=0)) * 1e-3)
    kind = min((a.dtype for a in (x, call(x))), key=lambda d: d.itemsize)
    least, error, _ = min(tried, default=(np.inf, np.inf, eps))
    if error > (3e-3 if kind.itemsize >= 4 else 5e-2) * scale or (plain and least > 1 and error > 0.03 * worst):
        return ""
    ratio, error, step = next(t for t in tried if t[0] <= max(2 * least, 0.2))
    cure = f"eps={step:.1g} would do"
    if ratio > 0.5:
        cure = f"eps={step:.1g} with atol={10 ** np.ceil(np.log10(2 * error)):.0e} would do"
    if plain:
        return (
            f"eps={eps:g} is too small: something in the function is coarser than {kind}, as a cast to float32; {cure}"
        )
    if kind == np.float64:
        return f"eps={eps:g} is too small beside rounding: the result is as large as {np.abs(base).max():.2g}; {cure}"
    return f"{kind} is too coarse for eps={eps:g}: {cure}, or float64 (x.double())"


def _sharpened(case: Case, call: Callable, x: np.ndarray) -> str:
    """Where rounding spoils the differences of a coarse dtype, take others with a larger step; says so."""
    kind = min((a.dtype for a in (x, call(x))), key=lambda d: d.itemsize)
    if kind == np.float64 or len(case.found) > 256:
        return ""
    step, atol, rtol = (1e-2, 1e-3, 1e-2) if kind.itemsize >= 4 else (0.1, 2e-2, 5e-2)
    case.expected = _central(call, x, np.arange(len(case.found)), step)
    case.atol, case.rtol = max(case.atol, atol * max(1.0, float(np.abs(case.expected).max(initial=0)))), rtol
    case.judge()
    return f"; found with steps of {step}, for {kind} is coarse"


def _central(call: Callable, x: np.ndarray, rows: np.ndarray, step: float) -> np.ndarray:
    """Central differences as gradcheck takes them, which counts the rounding of x + step."""
    found = []
    for row in rows:
        sides = []
        for h in (step, -step):
            moved = x.copy()
            moved.flat[row] += h
            sides.append(np.asarray(call(moved), np.float64).ravel())
        found.append((sides[0] - sides[1]) / (2 * step))
    return np.array(found)


# --------------------------------------------------------------------------------------------- hypotheses of the matrix
def _of_matrix(case: Case, others: Mapping[str, np.ndarray], reached: bool) -> str:
    """What a change of the found matrix makes the two agree."""
    found, expected = case.found, case.expected
    if not np.isfinite(found).all():
        return "nan or inf by the rule where the function has a slope: 0 * inf or 0 / 0 in the rule"
    if not np.abs(expected).max(initial=0) > case.atol:
        return "a gradient where the function does not move: differences are 0"
    said = _zero(case, reached) or _scaled(case) or _other(case, others) or _selected(case)
    for hypothesis in (_exchanged, _values, _uneven, _unsummed, _missing, _added, _partly):
        said = said or hypothesis(case)
        if said:
            return said + _edge(case)
    said = _elsewhere(case)
    if said:
        return said + _edge(case)
    ours, theirs = np.sort(np.abs(found), None), np.sort(np.abs(expected), None)
    if case.same(ours, theirs):
        return "the same numbers stand in other places" + _edge(case)
    lost = (np.abs(expected) > case.atol) & (np.abs(found) <= case.atol)
    if lost.any() and not (np.abs(found)[np.abs(expected) <= case.atol] > case.atol).any():
        if found.shape[0] == found.shape[1] and not found[~np.eye(len(found), dtype=bool)].any():
            return (
                f"a missing term: the rule has a diagonal alone, but each result reads several elements of {case.name}"
            )
        return f"a missing term: 0 at {int(lost.sum())} entries where the function moves{_edge(case)}"
    return _of_rank(case) or _edge(case).lstrip("; ")


def _elsewhere(case: Case) -> str:
    """Of an x that is broadcast: what is not 0 stands where it would if another axis were summed."""
    n, found = len(case.x_shape), np.abs(case.found) > case.atol
    if case.found.shape[0] >= case.found.shape[1] or len(case.out_shape) > 5:
        return ""
    whole, moving = (m.reshape(case.x_shape + case.out_shape) for m in (found, np.abs(case.expected) > case.atol))
    for order in itertools.permutations(range(n, whole.ndim)):
        turned = whole.transpose([*range(n), *order])
        if turned.shape == moving.shape and (turned == moving).all() and not (whole == moving).all():
            return "not summed over the broadcast axis but over another"
    return ""


def _of_rank(case: Case) -> str:
    """What is missing comes from a few numbers that all elements share."""
    lost = case.expected - case.found
    if min(lost.shape) > 3 and lost.size <= 1 << 16:
        sizes = np.linalg.svd(lost, compute_uv=False)
        rank = int((sizes > 1e-3 * sizes[0]).sum())
        if 2 * rank <= min(len(case.rows), int(case.bad.any(0).sum())):
            return (
                f"a missing term of rank {rank}, as a sum, mean or norm over several elements has (a statistic that is "
                "taken for a constant)"
            )
    return ""


def _zero(case: Case, reached: bool = True) -> str:
    if np.abs(case.found).max(initial=0) > 1e-3 * np.abs(case.expected).max(initial=0):
        return ""
    why = "the rule gives zeros" if reached else "a rule returned None, or it was detached (detach, NumPy, no_grad)"
    return f"zero gradient where the function moves: {why}"


def _scaled(case: Case) -> str:
    """One factor for all entries; a single entry has to have a simple one."""
    found, expected = case.found, case.expected
    c = float((found * expected).sum() / (expected * expected).sum())
    if not c or not case.same(found, c * expected) or not case.same(found / c, expected):
        return ""
    sign, k = ("the sign is wrong" if c < 0 else ""), abs(c)
    if abs(k - 1) < 1e-3:
        return sign
    missing, times = _whole(1 / k), _whole(k)
    if case.moving.sum() < 2 and not missing and not times and not _size(case, k):
        return ""
    for label, v in case.values.items():
        if v.size == 1 and not missing and not times:
            for value, word in ((1 / k, "is missing"), (k, "is too much")):
                if abs(abs(v.item()) - value) < 1e-3 * value:
                    return (sign and sign + ", and ") + f"a constant factor: the factor {label} {word}"
    word = (
        f"the factor {missing} is missing"
        if missing
        else f"{times} times too large"
        if times
        else f"the factor {_number(1 / k)} is missing"
    )
    return (sign and sign + ", and ") + f"a constant factor: {word}{_size(case, missing or times or k)}"


def _size(case: Case, k: float) -> str:
    """Which size a factor is: of an axis, of a whole, of what was reduced."""
    total, results = int(np.prod(case.x_shape)), int(np.prod(case.out_shape))
    sizes = {}
    if results > 1 and total % results == 0:
        sizes["the number of elements that each result reads"] = total // results
    sizes |= {f"the number of elements of {case.name}": total, "the number of elements of the result": results}
    for shape, of in ((case.x_shape, case.name), (case.out_shape, "the result")):
        for count in range(1, len(shape) + 1):
            for axes in itertools.combinations(range(len(shape)), count):
                sizes.setdefault(f"the size of {_axes(list(axes))} of {of}", int(np.prod([shape[a] for a in axes])))
    for label, n in sizes.items():
        if n > 1 and abs(n - k) < 1e-3:
            return f"; {n} is {label}"
    for label, n in sizes.items():
        if n > 2 and min(abs(k - (n - 1) / n), abs(k - n / (n - 1))) < 1e-4:
            return f"; n and n - 1, where n = {n} is {label}"
    return ""


def _other(case: Case, others: Mapping[str, np.ndarray]) -> str:
    for name, matrix in others.items():
        if matrix.shape == case.found.shape:
            for sign, word in ((1, ""), (-1, ", with the other sign")):
                if case.same(case.found, sign * matrix):
                    return f"the gradient of another input, `{name}`{word}"
    return ""


def _selected(case: Case) -> str:
    """Of an elementwise function, right where both are not 0; but they are so at other elements."""
    found, expected = (np.abs(m) > case.atol for m in (case.found, case.expected))
    size, other = case.found.shape
    if size != other or (case.moving & ~np.eye(size, dtype=bool)).any():
        return ""
    lost, more, both = (int(m.sum()) for m in (expected & ~found, found & ~expected, found & expected))
    if lost and more and 5 * both >= 2 * (lost + both) and not case.bad[found & expected].any():
        return f"another selection: 0 at {lost} elements that move the result, a gradient at {more} that do not"
    return ""


def _exchanged(case: Case) -> str:
    """Axes exchanged, reversed or shifted, of the gradient or of what comes in."""
    n = len(case.x_shape)
    whole = case.found.reshape(case.x_shape + case.out_shape)
    expected = case.expected.reshape(whole.shape)
    sides = [(range(n), "the gradient"), (range(n, whole.ndim), "the incoming gradient")]
    for axes, of in sides:
        for order in itertools.permutations(axes) if len(axes) <= 5 else ():
            moved = [a for a, b in zip(axes, order, strict=True) if a != b]
            every = [*order, *range(n, whole.ndim)] if axes.start == 0 else [*range(n), *order]
            if moved and whole.transpose(every).shape == expected.shape and case.same(whole.transpose(every), expected):
                named = _axes([a - axes.start for a in moved])
                if axes.start and case.found.shape[0] < case.found.shape[1]:
                    return f"not summed over the broadcast axis but over another: {named} of {of} exchanged"
                return f"transposed: {named} of {of} exchanged"
    if case.found.shape[0] == case.found.shape[1] and case.same(case.found.T, case.expected):
        return "transposed as a matrix: what the function does to x was done to g, not its adjoint"
    for axes, of in sides:
        long = [a for a in axes if whole.shape[a] > 1]
        for some in [[a] for a in long] + [long[-2:], long[-3:], long]:
            if some and case.same(np.flip(whole, tuple(some)), expected):
                return f"reversed along {_axes([a - axes.start for a in some])} of {of}"
    for axes, of in sides:
        for axis, by in itertools.product(axes, (1, -1, 2, -2)):
            size = whole.shape[axis]
            if size > abs(by) + 1:
                ours, theirs = (
                    np.moveaxis(v, axis, 0)[max(s, 0) : size + min(s, 0)] for v, s in ((whole, by), (expected, -by))
                )
                if np.abs(theirs).max() > case.atol and case.same(ours, theirs):
                    return f"off by {abs(by)}: shifted along {_axes([axis - axes.start])} of {of}"
    if n == len(case.out_shape):
        for some in [[a] for a in range(n)] + [[*range(max(n - d, 0), n)] for d in (2, 3)]:
            if some and case.same(np.flip(whole, tuple([*some, *(a + n for a in some)])), expected):
                return f"reversed along {_axes(some)}: as of a kernel that has to be turned round"
    return ""


def _terms(case: Case) -> Iterator[tuple[str, np.ndarray]]:
    """Numbers that a rule may have forgotten, by name, each as a row or a column of the matrix."""
    vectors = []
    for label, v in case.values.items():
        if v.shape == case.x_shape and label != "out":
            vectors.append((label, v.reshape(-1, 1)))
        with contextlib.suppress(ValueError):
            vectors.append((label, np.broadcast_to(v, case.out_shape).reshape(1, -1)))
    vectors = [(label, np.broadcast_to(v, case.found.shape)[case.moving]) for label, v in vectors]
    vectors = [(label, v) for label, v in vectors if len(np.unique(np.round(v, 6))) > 2]
    yield from vectors
    for label, v in vectors:
        yield f"{label} ** 2", v * v
        yield f"(1 - {label})", 1 - v
        yield f"(1 + {label})", 1 + v
        yield f"(1 - {label} ** 2)", 1 - v * v
        yield f"|{label}|", np.abs(v)
        yield from ((f"{f.__name__}({label})", f(v)) for f in (np.exp, np.cos, np.sin))


def _constant(v: np.ndarray) -> float:
    """The number that all of v are, else 0."""
    middle = float(np.median(v)) if v.size > 2 and np.isfinite(v).all() else 0.0
    return middle if middle and np.abs(v - middle).max() <= 2e-3 * abs(middle) else 0.0


def _values(case: Case) -> str:
    """A factor that depends on the values of x, the result or another input."""
    found, expected = case.found[case.moving], case.expected[case.moving]
    ratio = found / expected
    if case.moving.sum() < 3 or not np.isfinite(ratio).all() or not ratio.all():
        return ""
    if (np.abs(np.abs(ratio) - 1) < 2e-3).all():
        return f"the sign is wrong at {int((ratio < 0).sum())} of {ratio.size} entries{_where(case)}"
    terms = list(_terms(case))
    for label, t in terms:
        for value, word in ((ratio * t, "is missing"), (ratio / t, "is too much")):
            c = _constant(value)
            if c:
                c = 1 / c if word == "is missing" else c
                sign = "the sign is wrong, and " if c < 0 else ""
                times = "" if abs(abs(c) - 1) < 2e-3 else f"{_number(abs(c))} * "
                return f"{sign}the factor {times}{label} {word}"
    plain = [(label, t) for label, t in terms if label in case.values]
    for some in (plain, terms):
        for (a, s), (b, t) in itertools.permutations(some, 2):
            c = _constant(ratio * t / s) if a != b else 0.0
            if abs(abs(c) - 1) < 2e-3:
                return ("the sign is wrong, and " if c < 0 else "") + f"{a} stands where {b} belongs"
    return ""


def _uneven(case: Case) -> str:
    """A factor for each element of the result, or of x, over several entries."""
    moving = case.moving
    if not (np.abs(case.found[moving]) > case.atol).all() or not (np.abs(case.expected[moving]) > case.atol).all():
        return ""
    ratio = np.where(moving, case.found / np.where(moving, case.expected, 1), np.nan)
    for axis, of in ((0, "the result"), (1, case.name)):
        used = moving.sum(axis) > 0
        several = moving.sum(axis)[used] > 1
        low, high = (
            np.nanmin(np.moveaxis(ratio, axis, 0)[:, used], 0),
            np.nanmax(np.moveaxis(ratio, axis, 0)[:, used], 0),
        )
        if several.all() and several.size > 1 and (high - low <= 2e-3 * np.abs(high)).all():
            shown = ", ".join(_number(float(c)) for c in high[:3])
            return f"a constant factor for each element of {of} ({shown}{', ...' if high.size > 3 else ''})"
    return ""


def _unsummed(case: Case) -> str:
    """Of an axis over which x is broadcast, only one position counts."""
    lead = len(case.out_shape) - len(case.x_shape)
    if lead < 0 or any(n not in (1, m) for m, n in zip(case.out_shape[lead:], case.x_shape, strict=True)):
        return ""
    for axis, size in enumerate(case.out_shape):
        if size > 1 and (axis < lead or case.x_shape[axis - lead] == 1):
            found, expected = (
                np.moveaxis(m.reshape(-1, *case.out_shape), axis + 1, 0) for m in (case.found, case.expected)
            )
            used = [i for i in range(size) if np.abs(found[i]).max() > case.atol]
            if len(used) == 1 and case.same(found[used[0]], expected[used[0]]):
                return f"not summed over the broadcast axis {axis}: only its position {used[0]} counts"
    return ""


def _missing(case: Case) -> str:
    """What is there is right, and the rest is 0; or the other way round."""
    found, expected = case.found, case.expected
    here = np.abs(found) > case.atol
    if case.same(np.where(here, expected, 0), found):
        lost, (n, m) = int((case.bad & ~here).sum()), found.shape
        if n == m and not (here & ~np.eye(n, dtype=bool)).any() and (case.moving & ~np.eye(n, dtype=bool)).any():
            return f"a missing term: only the diagonal is there, and d result[i] / d {case.name}[j] is 0 for i != j"
        if n == m and not (here & np.eye(n, dtype=bool)).any():
            return "a missing term: the diagonal is 0, the rest is right"
        if (here.sum(1) <= 1).all() and (case.moving.sum(1) > 1).any():
            return (
                f"a missing term: where an element of {case.name} is used several times, one use counts "
                "(assigned where it must be added)"
            )
        return f"a missing term: 0 at {lost} entries where the function moves, right elsewhere{_where(case)}"
    there = np.abs(expected) > case.atol
    if case.same(np.where(there, found, 0), expected):
        return f"a term too much: {int((case.bad & ~there).sum())} entries where the function does not move"
    return ""


def _added(case: Case) -> str:
    """A term is missing or too much whose form is simple."""
    lost = case.expected - case.found
    whole = lost.reshape(case.x_shape + case.out_shape)
    for axis, size in enumerate(case.x_shape):
        if size > 1 and case.found.shape[1] > 1 and case.same(whole, whole.mean(axis, keepdims=True)):
            return (
                f"a missing term: the same along axis {axis} of {case.name}, as a mean or sum over it has (a statistic "
                "that is taken for a constant)"
            )
    if case.moving.sum() > 2 and not (case.bad & ~case.moving).any():
        c = _constant(lost[case.moving])
        if c:
            return f"a missing term: {_number(c)}, added"
        for label, t in _terms(case):
            c = _constant(lost[case.moving] / t)
            if c:
                return f"a missing term: {'' if abs(c - 1) < 2e-3 else _number(c) + ' * '}{label}, added"
    return ""


def _partly(case: Case) -> str:
    """One of the simple mistakes, at some elements of x alone."""
    if 1 < len(case.rows) < len(case.found) or (len(case.rows) == 1 and len(case.found) > 1):
        part = case.part(case.rows)
        said = _zero(part) or _scaled(part) or _values(part) or _added(part)
        if said:
            return f"{said}; so at {len(case.rows)} of {len(case.found)} elements of {case.name}{_where(case)}"
    return ""


def _where(case: Case) -> str:
    """For which values of x it is wrong, if it can be said so simply."""
    v = case.values.get(case.name)
    if v is None or v.size != len(case.found) or not 0 < len(case.rows) < v.size:
        return ""
    here = np.zeros(v.size, bool)
    here[case.rows] = True
    tests = {"< 0": v < 0, "> 0": v > 0, "<= 0": v <= 0, ">= 0": v >= 0, "== 0": v == 0}
    for border in (1, -1, 3, -3, 6):
        tests |= {f"< {border}": v < border, f"> {border}": v > border}
    for label, test in tests.items():
        if (test.ravel() == here).all():
            return f", all where {case.name} {label}"
    return ""


def _edge(case: Case) -> str:
    """Whether all that is wrong lies at an edge."""
    if len(case.rows) < len(case.found):
        for axis, (size, at) in enumerate(zip(case.x_shape, np.unravel_index(case.rows, case.x_shape), strict=True)):
            if size > 2 and len(set(at.tolist())) == 1 and at[0] in (0, size - 1):
                return f"; only at an edge: {'first' if at[0] == 0 else 'last'} along axis {axis} of {case.name}"
    columns = np.flatnonzero(case.bad.any(0))
    if case.out_shape and len(columns) < case.found.shape[1]:
        for axis, (size, at) in enumerate(zip(case.out_shape, np.unravel_index(columns, case.out_shape), strict=True)):
            if size > 2 and len(set(at.tolist())) == 1 and at[0] in (0, size - 1):
                return f"; only at an edge: {'first' if at[0] == 0 else 'last'} along axis {axis} of the result"
    return ""
