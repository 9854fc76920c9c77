"""Every primitive of the registry, by its row in `samples.py`: values, dtypes, layouts, derivatives, errors."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import ROWS, Row, Sample, incoming

import minitorch
import minitorch.nn
from minitorch import kernels
from minitorch.autograd import Node, grad, gradcheck, gradgradcheck, registry, tape

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "ops.npz")
every_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
smooth = [row for row in ROWS.values() if any(row.differentiable(s) for s in row.samples)]
every_smooth_row = pytest.mark.parametrize("row", smooth, ids=[row.name for row in smooth])


def run(row: Row, sample: Sample, **how: Any) -> tuple[np.ndarray, list[np.ndarray]]:
    """The value, and the gradients for the fixed incoming gradient."""
    with np.errstate(all="ignore"):
        tensors, wanted = row.leaves(sample, **how)
        out = row.apply(sample, tensors)
        if not wanted:
            return out.array, []
        g = minitorch.from_numpy(incoming(out.shape, out.array.dtype))
        found = grad(out, wanted, g, allow_unused=True)
    return out.array, [np.zeros_like(x.array) if v is None else v.array for x, v in zip(wanted, found, strict=True)]


def same(found: np.ndarray, expected: np.ndarray, what: str, rtol: float = 1e-12, zeros: bool = False) -> None:
    """Equal within rtol of the largest finite value; NaN, infinities and, if asked, signs of zero exactly."""
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, expected {expected.shape}"
    finite = np.isfinite(np.asarray(expected, np.float64))
    scale = np.abs(np.asarray(expected, np.float64)[finite]).max(initial=0)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * min(scale, 1e6), equal_nan=True, err_msg=what)
    if zeros and found.dtype.kind == "f":
        at = (expected == 0) & (found == 0)
        np.testing.assert_array_equal(np.signbit(found[at]), np.signbit(expected[at]), err_msg=f"{what}: sign of zero")


def check_first_order(row: Row, sample: Sample) -> None:
    """The rules against central differences; for linear functions these are exact at any step."""
    tensors, wanted = row.leaves(sample)
    if wanted:
        gradcheck(lambda *xs: row.apply(sample, list(xs)), tensors, **precision(row, sample))


def check_second_order(row: Row, sample: Sample) -> None:
    """The derivatives of the rules against central differences of the rules."""
    tensors, wanted = row.leaves(sample)
    out = row.apply(sample, tensors)
    if wanted and out.requires_grad:
        gradgradcheck(lambda *xs: row.apply(sample, list(xs)), tensors, **precision(row, sample))


def precision(row: Row, sample: Sample) -> dict[str, float]:
    """Step and tolerances."""
    if row.linear:
        tolerance = sample.tolerance or 1e-10
        return {"eps": 1.0, "atol": tolerance, "rtol": tolerance}
    return {"eps": 1e-6, "atol": 1e-7, "rtol": 1e-5}


# ------------------------------------------------------------------------------------------------------------ the table


def test_every_primitive_has_a_row() -> None:
    """A primitive without samples fails here, and so does a row without a primitive."""
    assert set(ROWS) == set(registry)


@every_row
def test_row_is_complete(row: Row) -> None:
    """Each row has a sample of size 0 or says why not, and every sample has numbers to be compared with."""
    sizes = [a.size for s in row.samples for a in s.args if isinstance(a, np.ndarray)]
    assert 0 in sizes or row.empty
    assert row.formula is not None or all(f"{row.name}/{i}/value" in GOLDEN for i in range(len(row.samples)))


# --------------------------------------------------------------------------------------------------------------- values


@every_row
def test_value_by_formula(row: Row) -> None:
    """The value is that of the row's formula, which is written in other operations."""
    if row.formula is None:
        return
    for i, sample in enumerate(row.samples):
        if not sample.special:
            expected = np.asarray(row.formula(*sample.args, **sample.settings))
            same(run(row, sample)[0], expected, f"{row.name}[{i}]", rtol=1e-11)


@every_row
def test_value_and_gradients_are_pytorch_s(row: Row) -> None:
    """Values, gradients, NaN, infinities and signs of zero agree with the frozen numbers."""
    for i, sample in enumerate(row.samples):
        key = f"{row.name}/{i}/"
        if row.formula is not None and key + "inputs" not in GOLDEN:
            continue
        assert GOLDEN[key + "inputs"] == sample.fingerprint(), f"{key} is stale: run tests/scripts/make_golden_ops.py"
        value, grads = run(row, sample)
        assert value.dtype == GOLDEN[key + "value"].dtype
        same(value, GOLDEN[key + "value"], f"{key}value", rtol=row.oracle, zeros=sample.special)
        for position, g in zip(row.differentiable(sample), grads, strict=True):
            same(g, GOLDEN[f"{key}grad{position}"], f"{key}grad{position}", rtol=row.oracle)


@pytest.mark.parametrize(
    "name",
    [
        "reshape",
        "cast",
        "pad_constant",
        "flip",
        "roll",
        "tile",
        "concatenate",
        "getitem",
        "place",
        "setitem",
        "gather",
        "scatter_add",
        "extend",
        "extend_transpose",
        "resample",
        "resample_transpose",
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_values_of_what_large_arrays_take(name: str, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copies that large arrays get, from either memory order: values and gradients are the frozen ones."""
    monkeypatch.setattr(kernels, "SMALL", 0)
    row = ROWS[name]
    for i, sample in enumerate(row.samples):
        value, grads = run(row, sample, make=lambda a: np.array(a, order=order))
        same(value, GOLDEN[f"{name}/{i}/value"], name, rtol=1e-10)
        for position, g in zip(row.differentiable(sample), grads, strict=True):
            same(g, GOLDEN[f"{name}/{i}/grad{position}"], f"{name}/{i}/grad{position}", rtol=1e-10)


@every_row
def test_special_values_are_silent(row: Row) -> None:
    """Poles and NaN are answers, not warnings: PyTorch prints nothing either."""
    for sample in row.samples:
        tensors, wanted = row.leaves(sample)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            out = row.apply(sample, tensors)
            if wanted and out.requires_grad:
                grad(out, wanted, minitorch.from_numpy(incoming(out.shape, out.array.dtype)), allow_unused=True)


# ------------------------------------------------------------------------------------------------------- dtype and layout


@every_row
def test_float32_stays_float32(row: Row) -> None:
    """float32 in gives float32 out and float32 gradients, within float32's precision of the float64 values."""
    if not row.kept:
        return
    for i, sample in enumerate(row.samples):
        if not row.differentiable(sample) and not any(
            isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in sample.args
        ):
            continue
        value, grads = run(row, sample, dtype=np.float32)
        assert value.dtype == np.float32, f"{row.name}[{i}] gives {value.dtype}"
        assert all(g.dtype == np.float32 for g in grads), f"{row.name}[{i}]: gradients {[g.dtype for g in grads]}"
        if not sample.special:
            exact, exact_grads = run(row, sample)
            for found, expected in zip([value, *grads], [exact, *exact_grads], strict=True):
                same(found, expected, f"{row.name}[{i}] in float32", rtol=2e-4)


SCALARS = [
    2,
    2.5,
    True,
    np.float64(2),
    np.float32(2),
    np.sqrt(2),
    np.int64(3),
    np.int32(3),
    np.bool_(True),
    np.float64("nan"),
]
BINARY = ["add", "subtract", "multiply", "divide", "power", "floor_divide", "remainder"]


@given(
    name=st.sampled_from(BINARY),
    scalar=st.sampled_from(SCALARS),
    size=st.lists(st.integers(0, 3), max_size=2),
    swapped=st.booleans(),
)
def test_numbers_never_widen(name: str, scalar: Any, size: list, swapped: bool) -> None:
    """No number, of Python or NumPy, on either side, turns float32 into float64, nor its gradient."""
    x = minitorch.ones(*size, requires_grad=True) if size else minitorch.tensor(1.0, requires_grad=True)
    with np.errstate(all="ignore"):
        out = registry[name](scalar, x) if swapped else registry[name](x, scalar)
        assert out.dtype is minitorch.float32
        if out.requires_grad:
            (g,) = grad(out.sum(), x)
            assert g.dtype is minitorch.float32


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda s: f"{type(s).__name__}-{s}")
def test_operators_with_numbers_keep_float32(scalar: Any) -> None:
    """The operators with a number on the left or right keep float32 and keep the graph, NumPy's scalars included."""
    x = minitorch.tensor([0.5, 1.5], requires_grad=True)
    for out in (
        x + scalar,
        scalar + x,
        x - scalar if not isinstance(scalar, (bool, np.bool_)) else x,
        scalar * x,
        x * scalar,
        x / scalar,
        scalar / x,
        x**scalar,
        scalar**x,
    ):
        assert isinstance(out, minitorch.Tensor)
        assert out.dtype is minitorch.float32
        assert out.requires_grad
        (g,) = grad(out.sum(), x)
        assert g.dtype is minitorch.float32


def strided(array: np.ndarray) -> np.ndarray:
    """Equal values, every axis with gaps, the first reversed, the axes in Fortran's order."""
    if array.ndim == 0:
        return array.copy()
    wide = np.zeros(tuple(2 * n for n in array.shape), array.dtype, order="F")
    out = wide[tuple(slice(None, None, -2) if i == 0 else slice(None, None, 2) for i in range(array.ndim))]
    out[...] = array
    return out


def read_only(array: np.ndarray) -> np.ndarray:
    """A copy that refuses to be written."""
    out = array.copy()
    out.flags.writeable = False
    return out


def broadcast(array: np.ndarray) -> np.ndarray:
    """Equal values of the first slice everywhere, without memory of their own."""
    return np.broadcast_to(array[:1], array.shape) if array.ndim and array.size else array.copy()


@pytest.mark.parametrize("row", [row for row in ROWS.values() if not row.by_place], ids=lambda row: row.name)
def test_strided_inputs_give_the_same(row: Row) -> None:
    """Gaps, reversed axes and Fortran order change nothing."""
    for i, sample in enumerate(row.samples):
        value, grads = run(row, sample)
        for found, expected in zip(
            [value, *grads], (lambda v, g: [v, *g])(*run(row, sample, make=strided)), strict=True
        ):
            same(found, expected, f"{row.name}[{i}] strided")


@every_row
def test_read_only_inputs_give_the_same(row: Row) -> None:
    """Memory that cannot be written is enough, and gives the same bits."""
    for i, sample in enumerate(row.samples):
        value, grads = run(row, sample)
        again, grads_again = run(row, sample, make=read_only)
        for found, expected in zip([value, *grads], [again, *grads_again], strict=True):
            np.testing.assert_array_equal(found, expected, err_msg=f"{row.name}[{i}] read-only")


@every_row
def test_expanded_inputs_give_the_same(row: Row) -> None:
    """Stride-0 memory is read as its values."""
    for i, sample in enumerate(row.samples):
        value, grads = run(row, sample, make=broadcast)
        again, grads_again = run(row, sample, make=lambda a: np.array(broadcast(a)))
        for found, expected in zip([value, *grads], [again, *grads_again], strict=True):
            same(found, expected, f"{row.name}[{i}] expanded")


@every_row
def test_inputs_are_not_modified(row: Row) -> None:
    """Forward and backward leave their inputs and the incoming gradient as they were."""
    for i, sample in enumerate(row.samples):
        tensors, wanted = row.leaves(sample)
        before = [x.array.copy() if isinstance(x, minitorch.Tensor) else x for x in tensors]
        with np.errstate(all="ignore"):
            out = row.apply(sample, tensors)
            g = minitorch.from_numpy(incoming(out.shape, out.array.dtype))
            if wanted and out.requires_grad:
                grad(out, wanted, g, allow_unused=True)
        for x, kept in zip(tensors, before, strict=True):
            np.testing.assert_array_equal(
                x.array if isinstance(x, minitorch.Tensor) else x, kept, err_msg=f"{row.name}[{i}]"
            )
        np.testing.assert_array_equal(g.array, incoming(out.shape, out.array.dtype))


@every_smooth_row
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rules_on_arrays(row: Row, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handed an array, rules make no tensor, keep the dtype, and give what they give where they are recorded."""

    def refuse(cls: type) -> None:
        raise AssertionError(f"{row.name}: a rule on arrays makes a tensor")

    for i, sample in enumerate(row.samples):
        tensors, wanted = row.leaves(sample, dtype=dtype)
        out = row.apply(sample, tensors)
        if not (wanted and out.requires_grad):
            continue
        g = incoming(out.shape, out.array.dtype)
        recorded = out.node.primitive.backward(out.node, minitorch.from_numpy(g.copy()), None)
        with monkeypatch.context() as patch, minitorch.no_grad(), np.errstate(all="ignore"):
            patch.setattr(tape, "_make", refuse)
            plain = out.node.primitive.backward(out.node, g, None)
        for (_, expected), (parent, part) in zip(recorded, plain, strict=True):
            found = part.compute() if hasattr(part, "compute") else part
            assert isinstance(found, np.ndarray | np.generic), f"{row.name}[{i}] gives {type(found)}"
            assert found.dtype == (parent.dtype if isinstance(parent, Node) else parent.array.dtype), f"{row.name}[{i}]"
            rtol = 1e-12 if dtype is np.float64 else 2e-4
            same(np.asarray(found), expected.array, f"{row.name}[{i}] on arrays", rtol=rtol)


@every_row
def test_same_bits_twice(row: Row) -> None:
    """Value and gradients are the same to the bit when computed again."""
    for i, sample in enumerate(row.samples):
        first, again = run(row, sample), run(row, sample)
        for a, b in zip([first[0], *first[1]], [again[0], *again[1]], strict=True):
            assert np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes(), f"{row.name}[{i}]"


# ------------------------------------------------------------------------------------------------------------ derivatives


@every_smooth_row
def test_first_derivative(row: Row) -> None:
    """The rules agree with differences."""
    for i, sample in enumerate(row.samples):
        if not sample.special:
            try:
                check_first_order(row, sample)
            except RuntimeError as error:
                raise AssertionError(f"{row.name}[{i}]: {error}") from error


LONG = ("lstm", "gru", "strided_placed")  # seconds each


@pytest.mark.parametrize(
    "row", [pytest.param(row, marks=pytest.mark.slow if row.name in LONG else (), id=row.name) for row in smooth]
)
def test_second_derivative(row: Row) -> None:
    """The rules' own derivatives agree with differences, also for the incoming gradient."""
    for i, sample in enumerate(row.samples):
        if not sample.special:
            try:
                check_second_order(row, sample)
            except RuntimeError as error:
                raise AssertionError(f"{row.name}[{i}]: {error}") from error


THIRD = [
    "exp",
    "log",
    "sqrt",
    "sin",
    "tanh",
    "sigmoid",
    "erf",
    "softplus",
    "power",
    "multiply",
    "divide",
    "softmax",
    "log_softmax",
    "batched_matmul",
    "conv",
    "conv_weight_grad",
    "batch_norm",
    "getitem",
    "average",
]


@pytest.mark.parametrize("name", THIRD)
def test_third_derivative(name: str) -> None:
    """The gradient, as a function, has right first and second derivatives."""
    row = ROWS[name]
    sample = next(s for s in row.samples if not s.special and row.differentiable(s))
    tensors, _ = row.leaves(sample)
    positions = row.differentiable(sample)

    def first(*xs: Any) -> tuple:
        out = row.apply(sample, list(xs))
        weights = minitorch.from_numpy(incoming(out.shape))
        found = grad((out * out * weights).sum(), [xs[i] for i in positions], create_graph=True)
        return tuple(found)

    with minitorch.enable_grad():
        gradcheck(lambda *xs: enabled(first, xs), tensors, atol=1e-6, rtol=1e-5)
        gradgradcheck(lambda *xs: enabled(first, xs), tensors, atol=1e-5, rtol=1e-4)


def enabled(function: Any, args: tuple) -> Any:
    """The function with recording on, whatever the caller set."""
    with minitorch.enable_grad():
        return function(*args)


@pytest.mark.parametrize("row", [row for row in smooth if row.linear], ids=[row.name for row in smooth if row.linear])
def test_adjoint_identity(row: Row) -> None:
    """<A(x) - A(0), y> = <x, A'(y)> in each argument of the linear ones, to rounding."""
    for i, sample in enumerate(row.samples):
        if sample.tolerance or (sample.special and not row.name.startswith(("conv", "batched"))):
            continue
        tensors, wanted = row.leaves(sample)
        out = row.apply(sample, tensors)
        y = incoming(out.shape, out.array.dtype)
        grads = grad(out, wanted, minitorch.from_numpy(y), allow_unused=True)
        for position, g in zip(row.differentiable(sample), grads, strict=True):
            zeroed = [minitorch.zeros_like(t) if k == position else t for k, t in enumerate(tensors)]
            difference = out.array - row.apply(sample, zeroed).array
            left, right = float((difference * y).sum()), float((sample.args[position] * g.array).sum())
            scale = float(np.abs(difference * y).sum()) + 1e-300
            assert abs(left - right) <= 1e-12 * scale + 1e-13, (
                f"{row.name}[{i}] in argument {position}: {left} and {right}"
            )


# ----------------------------------------------------------------------------------------------------------------- errors

ERRORS = [(row.name, i, *error) for row in ROWS.values() for i, error in enumerate(row.errors)]


@pytest.mark.parametrize("call,kind,piece", [e[2:] for e in ERRORS], ids=[f"{e[0]}-{e[1]}" for e in ERRORS])
def test_error(call: Any, kind: type, piece: str) -> None:
    """A wrong call raises PyTorch's class and says what was wrong."""
    with pytest.raises(kind) as info:
        call()
    assert type(info.value) is kind, f"{type(info.value).__name__}, expected {kind.__name__}"
    assert piece.lower() in str(info.value).lower()
