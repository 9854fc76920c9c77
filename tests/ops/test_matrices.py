"""Products named by letters, and their kin, beside NumPy's in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch import kernels
from minitorch.autograd import gradcheck, gradgradcheck
from minitorch.ops.factor import LinAlgError

EQUATIONS = [
    ("ij->ji", [(2, 3)]),
    ("ii->i", [(3, 3)]),
    ("ij->", [(2, 3)]),
    ("iji->j", [(2, 3, 2)]),
    ("i,j->ij", [(2,), (3,)]),
    ("ij,jk", [(2, 3), (3, 4)]),
    ("ba,cb->ca", [(2, 3), (4, 2)]),
    ("b...ij,...jk->b...ik", [(2, 3, 2, 4), (3, 4, 2)]),
    ("...i,...i->...", [(2, 3), (1, 3)]),
    ("ij,jk,kl->il", [(2, 3), (3, 2), (2, 4)]),
    ("i,ij,j->", [(2,), (2, 3), (3,)]),
    ("ij,kl->ijkl", [(2, 1), (1, 2)]),
    ("ij,ik->i", [(2, 3), (2, 4)]),
    ("bi,bi->bi", [(2, 3), (2, 3)]),
    ("bij,bij->b", [(2, 3, 4), (2, 3, 4)]),
    ("ij,ij->", [(2, 3), (2, 3)]),
    ("bi,b->ib", [(2, 3), (2,)]),
]


def drawn(*shape: int, seed: int = 0) -> Any:
    """A float64 leaf."""
    return minitorch.from_numpy(np.random.default_rng([seed, *shape]).standard_normal(shape)).requires_grad_()


@pytest.mark.parametrize(("equation", "shapes"), EQUATIONS)
def test_einsum(equation: str, shapes: list) -> None:
    """NumPy's value, right derivatives of both orders."""
    operands = [drawn(*shape, seed=i) for i, shape in enumerate(shapes)]
    found = minitorch.einsum(equation, *operands)
    np.testing.assert_allclose(
        found.detach().numpy(), np.einsum(equation, *(x.detach().numpy() for x in operands)), rtol=1e-12
    )
    assert gradcheck(lambda *xs: minitorch.einsum(equation, *xs), operands)
    assert gradgradcheck(lambda *xs: minitorch.einsum(equation, *xs), operands)


def test_einsum_by_numbers() -> None:
    """Sublists of numbers, with and without that of the result; operands in a list."""
    a, b = drawn(2, 3), drawn(3, 4)
    expected = (a @ b).tolist()
    assert minitorch.einsum(a, [0, 1], b, [1, 2], [0, 2]).tolist() == expected
    assert minitorch.einsum(a, [0, 1], b, [1, 2]).tolist() == expected
    assert minitorch.einsum("ij,jk", [a, b]).tolist() == expected


WRONG = [
    (lambda: minitorch.einsum("ij,jk", drawn(2, 3)), "fewer operands"),
    (lambda: minitorch.einsum("ij", drawn(2, 3), drawn(2, 3)), "more operands"),
    (lambda: minitorch.einsum("i", drawn(2, 3)), "does not match the number of dimensions"),
    (lambda: minitorch.einsum("ij,jk", drawn(2, 3), drawn(2, 3)), "does not broadcast"),
    (lambda: minitorch.einsum("ij->k", drawn(2, 3)), "does not appear"),
    (lambda: minitorch.einsum("ij->ii", drawn(2, 3)), "more than once"),
    (lambda: minitorch.einsum("i1", drawn(2, 3)), "invalid subscript"),
    (lambda: minitorch.einsum(drawn(2, 3), [0, 99]), "subscripts"),
    (lambda: minitorch.einsum("ii->i", drawn(1, 3)), "sizes don't match"),
    (lambda: minitorch.tensordot(drawn(2, 3), drawn(2, 3)[:, :2], 1), "contracted dimensions"),
    (lambda: minitorch.mv(drawn(2, 3), drawn(2)), "size mismatch"),
    (lambda: minitorch.addmm(drawn(3), drawn(2, 3), drawn(3, 4)), "must match the existing size"),
    (lambda: minitorch.inverse(drawn(2, 3)), "square"),
    (lambda: minitorch.inner(drawn(2, 3), drawn(2)), "last dimension"),
]


@pytest.mark.parametrize(("call", "words"), WRONG)
def test_wrong_calls(call: Any, words: str) -> None:
    """RuntimeErrors that say what does not fit."""
    with pytest.raises(RuntimeError, match=words):
        call()


def test_no_operands() -> None:
    """A ValueError, as in PyTorch; and a power of 0 is the identity, whatever the matrix holds."""
    with pytest.raises(ValueError, match="at least one operand"):
        minitorch.einsum("ij")
    assert minitorch.matrix_power(minitorch.full((2, 2), float("inf")), 0).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_products() -> None:
    """tensordot, inner, kron, vdot, mv as NumPy has them."""
    a, b, v = drawn(2, 3, 4), drawn(4, 3, 2), drawn(4)
    x, y, w = (t.detach().numpy() for t in (a, b, v))
    np.testing.assert_allclose(
        minitorch.tensordot(a, b, ([1, 2], [1, 0])).detach().numpy(), np.tensordot(x, y, ([1, 2], [1, 0]))
    )
    np.testing.assert_allclose(minitorch.tensordot(a, b, 1).detach().numpy(), np.tensordot(x, y, 1))
    np.testing.assert_allclose(minitorch.inner(a, v).detach().numpy(), np.inner(x, w))
    np.testing.assert_allclose(minitorch.kron(a[0], b).detach().numpy(), np.kron(x[0], y))
    np.testing.assert_allclose(minitorch.mv(a[0], v).detach().numpy(), x[0] @ w)
    np.testing.assert_allclose(minitorch.vdot(v, v).item(), w @ w)


def test_transposed_views_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Matrices that are turned in memory are read as they lie, by products and by their gradients."""
    monkeypatch.setattr(kernels, "_plain", None)
    for shapes in (((40, 30), (40, 20)), ((30, 40), (20, 40)), ((40, 30), (20, 40))):
        x, y = (drawn(*shape) for shape in shapes)
        a, b = x.T if shapes[0][0] == 40 else x, y if shapes[1][0] == 40 else y.T
        out = a @ b
        np.testing.assert_allclose(out.detach().numpy(), a.detach().numpy() @ b.detach().numpy())
        for g, like in zip(minitorch.autograd.grad(out, [x, y], drawn(*out.shape)), (x, y), strict=True):
            assert g.shape == like.shape


def test_sums_of_products() -> None:
    """beta x + alpha product; with beta 0 NaN in x does not count; in place, too."""
    a, b, x = drawn(2, 3), drawn(3, 4), drawn(4)
    expected = 0.5 * x.detach().numpy() + 2 * a.detach().numpy() @ b.detach().numpy()
    np.testing.assert_allclose(minitorch.addmm(x, a, b, beta=0.5, alpha=2).detach().numpy(), expected)
    assert gradcheck(lambda x, a, b: minitorch.addmm(x, a, b, beta=0.5, alpha=2), [x, a, b])
    nan = minitorch.full((2, 4), float("nan"), dtype=minitorch.float64)
    np.testing.assert_allclose(
        nan.addmm_(a.detach(), b.detach(), beta=0).numpy(), a.detach().numpy() @ b.detach().numpy()
    )
    stack, other = drawn(5, 2, 3), drawn(5, 3, 2)
    products = stack.detach().numpy() @ other.detach().numpy()
    zero = minitorch.zeros(2, 2, dtype=minitorch.float64)
    np.testing.assert_allclose(minitorch.addbmm(zero, stack, other).detach().numpy(), products.sum(0))
    np.testing.assert_allclose(minitorch.baddbmm(zero, stack, other).detach().numpy(), products)
    np.testing.assert_allclose(
        minitorch.addr(zero, a[:, 0], b[:2, 0]).detach().numpy(), np.outer(a[:, 0].tolist(), b[:2, 0].tolist())
    )


def test_powers_and_inverses() -> None:
    """By squaring; a negative power is one of the inverse; singular matrices are named."""
    a = drawn(3, 3) + 2 * minitorch.eye(3, dtype=minitorch.float64)
    for n in (0, 1, 2, 5, -1, -3):
        expected = np.linalg.matrix_power(a.detach().numpy(), n)
        np.testing.assert_allclose(minitorch.matrix_power(a, n).detach().numpy(), expected, rtol=1e-9, atol=1e-12)
    stack = minitorch.eye(2).repeat(3, 1, 1)
    stack[1] = 0
    with pytest.raises(LinAlgError, match="Batch element 1"):
        minitorch.inverse(stack)
