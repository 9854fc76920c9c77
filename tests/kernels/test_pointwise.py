"""Every formula of a pointwise op as a kernel: against NumPy's reading of it, in all layouts, on any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch import kernels
from minitorch.autograd import registry
from minitorch.ops.declare import SINGLE, Formula, Pointwise, Symbol, binary, pointwise, unary
from minitorch.ops.names import public

pytestmark = pytest.mark.skipif(kernels.implementation() != "numba", reason="the reference kernels were chosen")
FORMULAS: dict[str, tuple[Pointwise, Formula, list[str]]] = {
    formula.name: (op, formula, names)
    for op in registry.values()
    if isinstance(op, Pointwise)
    for formula, names in op.formulas()
}
ODD = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 2.5, 0.5, -0.5, 30.0, -30.0]
WITHOUT = {"bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not"}
USES_THEM = {"remainder_grad_y", "zeta_grad_y", "polygamma_grad_x", "trigamma_grad_x", "ldexp_grad_x"}
SETTING = {"decimals": 0, "n": 2}


def values_of(op: Pointwise, names: list[str], size: int) -> tuple[list[Any], list[Any]]:
    """Operands of float32, and the same numbers in float64: all pairs of odd ones first, then random ones."""
    rng = np.random.default_rng(0)
    odd = np.stack(np.meshgrid(ODD, ODD, ODD), -1).reshape(-1, 3)
    single: list[Any] = []
    for i, name in enumerate(names):
        if name in op.settings:
            single.append(SETTING.get(name, 0.75 + 0.5 * op.settings.index(name)))
            continue
        x = rng.standard_normal(size).astype(np.float32)
        x[: len(odd)] = odd[:, i % 3]
        single.append(x > 0 if name == "condition" else x)
    return single, [x.astype(np.float64) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in single]


@pytest.mark.parametrize("name", [n for n in FORMULAS if n not in WITHOUT | USES_THEM])
def test_kernel_computes_what_numpy_does(name: str) -> None:
    """Near NumPy's result in float64, with the same NaN and infinities; and a kernel did compute it."""
    op, formula, names = FORMULAS[name]
    values, wide = values_of(op, names, SINGLE + 13)
    with np.errstate(all="ignore"):
        expected = formula.read(formula.formula, tuple(wide))
        plain = formula.read(formula.formula, tuple(values))
        got = formula._pass(tuple(values))
    assert got is not None, f"no program: {formula.programs}"
    assert got.dtype == plain.dtype and got.shape == plain.shape
    if got.dtype == np.bool_:
        np.testing.assert_array_equal(got, plain)
        return
    # Where the three agree about being finite; float32 may overflow or lose everything where float64 does not.
    finite = np.isfinite(plain) & np.isfinite(expected)
    np.testing.assert_array_equal(np.isnan(got)[~finite], np.isnan(plain)[~finite])
    error = np.abs(got[finite] - expected[finite])
    theirs = np.abs(plain[finite] - expected[finite])
    allowed = 4 * theirs + 2e-6 * np.abs(expected[finite]) + 1e-6
    worst = int(np.argmax(error - allowed))
    where = [v[finite][worst] if isinstance(v, np.ndarray) else v for v in values]
    assert (error <= allowed).all(), f"{got[finite][worst]} for {where}, expected {expected[finite][worst]}"


@pytest.mark.parametrize("name", sorted(WITHOUT | USES_THEM))
def test_numpy_serves_what_has_no_program(name: str) -> None:
    """Large arrays, too: division with a rest of floats, bits of integers."""
    op, formula, names = FORMULAS[name]
    values = values_of(op, names, SINGLE + 13)[0]
    if name.startswith(("bitwise", "gcd", "lcm")):
        values = [np.arange(x.size) for x in values]
    if name.startswith("ldexp"):
        values[1] = np.arange(values[1].size, dtype=np.int32) % 100
    with np.errstate(all="ignore"):
        got, expected = formula(*values), formula.read(formula.formula, tuple(values))
    np.testing.assert_array_equal(got, expected)
    assert set(formula.programs.values()) == {None}


def test_division_with_a_rest_of_large_tensors() -> None:
    """By hand: 7 = 3 * 2 + 1, as often as you like."""
    x, y = minitorch.full((SINGLE,), 7.0, requires_grad=True), minitorch.full((SINGLE,), 2.0, requires_grad=True)
    for rest, whole in ((x % y, x // y), (minitorch.fmod(x, y), minitorch.div(x, y, rounding_mode="trunc"))):
        assert (rest == 1).all() and (whole == 3).all()
        gx, gy = minitorch.autograd.grad(rest.sum(), (x, y))
        assert (gx == 1).all() and (gy == -3).all()


LAYOUTS = {
    "rows and a row": ((300, 70), (70,)),
    "rows and a column": ((300, 70), (300, 1)),
    "images and channels": ((8, 5, 33, 17), (5, 1, 1)),
    "images and a mask of channels": ((8, 5, 33, 17), (8, 5, 1, 1)),
    "a row and a column": ((1, 170), (190, 1)),
    "a scalar": ((30_000,), ()),
    "three axes around a line": ((6, 5, 4, 200), (6, 1, 4, 1)),
    "five axes": ((2, 1, 3, 1, 4000), (2, 5, 1, 7, 1)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("order", ["C", "channels last", "every second", "every second row", "backwards", "read-only"])
def test_operands_are_read_as_they_lie(layout: str, order: str) -> None:
    """x * 2 + y in every layout has NumPy's bits, shape and memory order; the operands are as they were."""
    twice = Formula("twice", lambda x, y: x * 2 + y)
    rng = np.random.default_rng(0)
    arrays = []
    for shape in LAYOUTS[layout]:
        if order == "every second":
            x = rng.standard_normal(tuple(2 * n for n in shape)).astype(np.float32)[
                (slice(None, None, 2),) * len(shape)
            ]
        else:
            x = rng.standard_normal(shape).astype(np.float32)
        if order == "channels last" and x.ndim > 2:
            x = np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
        if order == "every second row" and x.ndim:
            x = np.repeat(x, 2, 0)[::2]
        if order == "backwards" and x.ndim:
            x = x[::-1]
        if order == "read-only":
            x.flags.writeable = False
        arrays.append(x)
    before = [x.copy() for x in arrays]
    got, expected = twice(*arrays), arrays[0] * 2 + arrays[1]
    np.testing.assert_array_equal(got, expected)
    if order in ("C", "channels last"):
        assert got.strides == expected.strides
    for x, y in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("size", [1, 15, 16, 63, 64, 65, 1000, 100_003])
def test_bits_do_not_depend_on_threads_or_place(size: int) -> None:
    """exp(x) * y of any number of elements, by one thread and by several, alone and within a larger array."""
    product = Formula("product", lambda x, y: minitorch.exp(x) * y, least=1)
    x, y = np.random.default_rng(0).standard_normal((2, size)).astype(np.float32)
    before = minitorch.get_num_threads()
    try:
        minitorch.set_num_threads(1)
        alone = product(x, y)
        minitorch.set_num_threads(4)
        np.testing.assert_array_equal(product(x, y), alone)
    finally:
        minitorch.set_num_threads(before)
    np.testing.assert_array_equal(product(x[size // 3 :], y[size // 3 :]), alone[size // 3 :])


def test_programs_name_each_step_once() -> None:
    """What a formula computes twice is a line once; numbers that are handed over are parameters."""
    formula = Formula("f", lambda x, slope: (x * slope) * (x * slope))
    program = formula.program(("f", float))
    assert program.text == "t0 = x0 * n0\nt1 = t0 * t0\nout = t1" and not program.boolean and program.weight == 2
    assert formula.program(("l", float)) is None and formula.program(("f", "d")) is None


def test_a_formula_cannot_branch() -> None:
    """`if x > 0` asks one question about many elements: the error says what to write."""
    with pytest.raises(TypeError, match=r"use where\(condition, x, y\)"):
        Formula("f", lambda x: x if x > 0 else -x).program(("f",))
    with pytest.raises(TypeError, match="arithmetic is for floats"):
        Formula("f", lambda x: (x > 0) * x).program(("f",))


@pytest.mark.parametrize(
    "declare,words",
    [
        (lambda: unary("exp", np.exp, doc="again"), "registered already"),
        (lambda: unary("new_1", np.exp, doc="", y=lambda g: g), "no argument 'y'"),
        (lambda: unary("new_2", np.exp, doc="", x=lambda g, slope: g), r"asks for \['slope'\]; allowed"),
        (lambda: binary("new_3", np.hypot, doc="", names="add"), "'add' is declared already"),
        (lambda: public("new_4", on="Z"), r"no place is called \['Z'\]; choose from"),
    ],
)
def test_a_wrong_row_fails_at_once(declare: Any, words: str) -> None:
    """A name twice, a rule for nothing, a rule that asks for nothing known, an unknown place."""
    before = dict(registry)
    try:
        with pytest.raises((TypeError, ValueError), match=words):
            declare()
    finally:
        registry.clear()
        registry.update(before)


def test_a_row_is_all_it_takes() -> None:
    """An op declared here promotes, broadcasts, has every derivative and runs as a kernel."""
    before = dict(registry)
    try:
        op = pointwise(
            "scaled_tanh",
            lambda x, *, a: minitorch.tanh(x) * a,
            doc="a tanh(x)",
            on="",
            x=lambda g, x, a: g * a * (1 - minitorch.tanh(x) * minitorch.tanh(x)),
        )
        x = minitorch.randn(20_000, requires_grad=True)
        op(x, a=3.0).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), 3 / np.cosh(x.detach().numpy()) ** 2, rtol=1e-4, atol=1e-6)
        small = minitorch.randn(3, dtype=minitorch.float64, requires_grad=True)
        assert minitorch.autograd.gradgradcheck(lambda v: op(v, a=3.0), small)
        assert isinstance(op.value.programs["f", float].text, str) and Symbol.__name__ == "Symbol"
    finally:
        registry.clear()
        registry.update(before)
