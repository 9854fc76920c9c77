"""minitorch.linalg: values by NumPy and by what factors fulfil, special matrices, several results, wrong calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch as m
from minitorch.autograd import gradcheck, gradgradcheck

L = m.linalg
RNG = np.random.default_rng(7)
INF, NAN = float("inf"), float("nan")


def drawn(*shape: int, dtype: Any = np.float64) -> Any:
    """A leaf of random numbers."""
    return m.from_numpy(RNG.standard_normal(shape).astype(dtype)).requires_grad_()


def close(found: Any, expected: Any, rtol: float = 1e-10) -> None:
    """The same numbers, shape and dtype."""
    found = found.detach().numpy()
    expected = np.asarray(expected)
    assert found.shape == expected.shape and found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)


def positive(*shape: int) -> Any:
    """Symmetric matrices with positive eigenvalues."""
    x = drawn(*shape).detach()
    return x @ x.mT + m.eye(shape[-1], dtype=m.float64)


# ---------------------------------------------------------------------------------------------------------------- norms
@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, INF, -INF])
def test_norms_of_matrices_are_numpys(ord: Any) -> None:
    """Of a matrix, of two axes of a stack in any order, kept or not."""
    a = drawn(3, 4)
    close(L.norm(a, ord), np.linalg.norm(a.detach().numpy(), ord))
    close(L.matrix_norm(a, ord), np.linalg.norm(a.detach().numpy(), ord))
    stack = drawn(2, 3, 4)
    for dim in ((0, 2), (-1, 0), (1, 2)):
        expected = np.linalg.norm(stack.detach().numpy(), ord, axis=dim)
        close(L.norm(stack, ord, dim), expected)
        kept = np.linalg.norm(stack.detach().numpy(), ord, axis=dim, keepdims=True)
        close(L.matrix_norm(stack, ord, dim, True), kept)
    assert gradcheck(lambda x: L.matrix_norm(x, ord), [drawn(2, 3, 2)])
    assert gradgradcheck(lambda x: L.matrix_norm(x, ord), [drawn(3, 2)])


def test_norms_of_vectors() -> None:
    """Without an order all elements count; dtypes only widen."""
    a = drawn(2, 3, 4)
    x = a.detach().numpy()
    close(L.norm(a), np.linalg.norm(x.ravel()))
    close(L.vector_norm(a, 3, dim=(0, 2)), (np.abs(x) ** 3).sum((0, 2)) ** (1 / 3))
    close(L.vector_norm(a, 0), np.float64(24))
    close(m.norm(a[0], "nuc"), np.linalg.norm(x[0], "nuc"))
    close(a[0].norm(p="nuc", dim=(0, 1), keepdim=True), np.linalg.norm(x[0], "nuc", keepdims=True))
    single = a.detach().float()
    assert L.vector_norm(single, dtype=m.float64).dtype == m.float64
    with pytest.raises(RuntimeError, match="without narrowing"):
        L.vector_norm(a, dtype=m.float32)
    (g,) = m.autograd.grad(L.vector_norm(a, 0), a)
    assert not g.any()


def test_norm_of_equal_singular_values() -> None:
    """The slope of the sum of singular values is U V^T, however many are equal."""
    for x in (np.eye(3), np.eye(3)[:, :2] * 2, np.diag([1.0, 1.0, 3.0])):
        a = m.from_numpy(x).requires_grad_()
        (g,) = m.autograd.grad(L.matrix_norm(a, "nuc"), a)
        close(g, np.sign(x))


def test_a_tall_zero_has_a_slope() -> None:
    """Singular values that are 0 divide nothing: the slope is U V^T of those vectors that were found."""
    a = m.zeros(3, 2, dtype=m.float64, requires_grad=True)
    (g,) = m.autograd.grad(L.matrix_norm(a, "nuc"), a)
    close(g.mT @ g, np.eye(2))


def test_condition_numbers() -> None:
    """inf where there is no inverse."""
    a = drawn(3, 3)
    for p in (None, 2, -2, 1, -1, INF, -INF, "fro"):
        close(L.cond(a, p), np.linalg.cond(a.detach().numpy(), p), 1e-8)
    stack = m.stack([m.eye(2), m.ones(2, 2)])
    close(L.cond(stack, 1), np.array([1, INF], np.float32))
    assert L.cond(m.zeros(0, 0), 1).item() == 0


# --------------------------------------------------------------------------------------------------------- determinants
def third(f: Callable, x: np.ndarray) -> np.ndarray:
    """All third derivatives of a function of a matrix, by the tape."""
    a = m.from_numpy(x).requires_grad_()
    (g,) = m.autograd.grad(f(a), a, create_graph=True)
    out = np.zeros((x.size,) * 3)
    for i, first in enumerate(g.reshape(-1)):
        (h,) = m.autograd.grad(first, a, create_graph=True)
        for j, second in enumerate(h.reshape(-1)):
            if second.requires_grad:
                (t,) = m.autograd.grad(second, a, allow_unused=True, retain_graph=True)
                out[i, j] = 0 if t is None else t.numpy().ravel()
    return out


LEVI_CIVITA = np.zeros((3, 3, 3))
for _i, _j, _k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
    LEVI_CIVITA[_i, _j, _k], LEVI_CIVITA[_i, _k, _j] = 1, -1


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_determinants_of_any_rank(rank: int) -> None:
    """det is the sum of e_ijk a_0i a_1j a_2k: a polynomial, whose derivatives of all orders exist."""
    x = RNG.standard_normal((3, rank)) @ RNG.standard_normal((rank, 3))
    for rows in (x, x[::-1].copy()):
        a = m.from_numpy(rows).requires_grad_()
        (g,) = m.autograd.grad(m.det(a), a)
        cofactors = np.stack([np.cross(rows[i - 2], rows[i - 1]) for i in range(3)])
        np.testing.assert_allclose(g.numpy(), cofactors, rtol=1e-9, atol=1e-12)
        assert gradgradcheck(m.det, [a])
    expected = np.einsum("abc,ijk->aibjck", LEVI_CIVITA, LEVI_CIVITA).reshape(9, 9, 9)
    np.testing.assert_allclose(third(m.det, x), expected, atol=1e-8)


def test_determinants_of_a_stack_with_singular_matrices() -> None:
    """Each has its own derivative; the logarithm has none where the determinant is 0."""
    x = np.stack([np.eye(2), [[1.0, 2.0], [2.0, 4.0]], np.zeros((2, 2))])
    a = m.from_numpy(x).requires_grad_()
    (g,) = m.autograd.grad(L.det(a).sum(), a)
    close(g, np.array([[[1.0, 0], [0, 1]], [[4, -2], [-2, 1]], [[0, 0], [0, 0]]]))
    for p, q, r, s in ((2.0, 4.0, 1.0, 2.0), (1.0, -2.0, 2.0, -4.0), (-1.0, 2.0, 2.0, -4.0), (0.0, 0.0, 3.0, 1.0)):
        one = m.tensor([[p, q], [r, s]], requires_grad=True)
        np.testing.assert_allclose(m.autograd.grad(L.det(one), one)[0].numpy(), [[s, -r], [-q, p]], atol=1e-5)
    sign, log = L.slogdet(a)
    assert sign.tolist() == [1, 0, 0] and log.tolist() == [0, -INF, -INF] and not sign.requires_grad
    (g,) = m.autograd.grad(log[0], a)
    close(g[0], np.eye(2))
    assert m.logdet(-m.eye(1)).isnan().item() and m.logdet(m.zeros(1, 1)).item() == -INF
    assert L.det(m.ones(0, 0)).item() == 1 and m.slogdet(m.ones(2, 0, 0)).logabsdet.tolist() == [0, 0]


# -------------------------------------------------------------------------------------------------------------- factors
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (2, 4, 3), (0, 2, 2), (3, 0), (0, 3), (150, 140)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_factors_make_the_matrix(shape: tuple, dtype: Any) -> None:
    """Their products are A, in its dtype; orthonormal is orthonormal, triangles are triangles."""
    a = drawn(*shape, dtype=dtype).detach()
    tolerance = 1e-3 if dtype == np.float32 else 1e-9
    k = min(shape[-2:])
    eye = np.broadcast_to(np.eye(k, dtype=dtype), (*shape[:-2], k, k))
    q, r = L.qr(a)
    close(q @ r, a.numpy(), tolerance)
    close(q.mT @ q, eye, tolerance)
    close(r.tril(-1), np.zeros(r.shape, dtype))
    u, s, vh = L.svd(a, full_matrices=False)
    close((u * s[..., None, :]) @ vh, a.numpy(), tolerance)
    close(L.svdvals(a), s.numpy(), tolerance)
    full = L.svd(a)
    assert full.U.shape[-1] == shape[-2] and full.Vh.shape[-1] == shape[-1]
    p, lower, upper = L.lu(a)
    close(p @ lower @ upper, a.numpy(), tolerance)
    close(lower.triu(1), np.zeros(lower.shape, dtype))
    close(m.svd(a).V, vh.mT.numpy(), tolerance)
    complete = L.qr(a, "complete")
    close(complete.Q @ complete.R, a.numpy(), tolerance)
    if shape[-1] <= shape[-2]:
        close(m.orgqr(*m.geqrf(a)), q.numpy(), tolerance)
        close(m.ormqr(*m.geqrf(a), a, transpose=True)[..., :k, :], r.numpy(), tolerance)


@pytest.mark.parametrize("n", [3, 200])
def test_factors_of_symmetric_matrices(n: int) -> None:
    """Only the triangle that is asked for is read."""
    a = positive(n, n)
    noise = m.randn(n, n, dtype=m.float64).triu(1)
    lower = L.cholesky(a + noise)
    close(lower @ lower.mT, a.numpy())
    upper = m.cholesky(a + noise.mT, upper=True)
    close(upper, lower.mT.numpy())
    values, v = L.eigh(a + noise)
    close((v * values) @ v.mT, a.numpy())
    close(L.eigvalsh(a + noise.mT, "U"), values.numpy())
    close(m.cholesky_inverse(lower) @ a, np.eye(n))
    b = m.randn(n, 2, dtype=m.float64)
    close(a @ m.cholesky_solve(b, upper, upper=True), b.numpy())


def test_derivatives_of_factors() -> None:
    """To second order, of what does not depend on signs; wide and tall."""
    for f, a in (
        (L.qr, drawn(2, 2, 4)),
        (lambda x: L.svd(x, False)[0].abs(), drawn(4, 2)),
        (lambda x: L.svd(x)[2][..., :2, :].abs(), drawn(2, 3)),
        (L.svdvals, drawn(2, 3, 2)),
        (lambda x: L.eigh(x + x.mT)[1].abs(), drawn(3, 3)),
        (lambda x: L.eigvalsh(x + x.mT, "U"), drawn(2, 2, 2)),
        (lambda x: L.cholesky(x @ x.mT + m.eye(2), upper=True), drawn(2, 2)),
        (lambda x: L.lu(x)[1:], drawn(4, 2)),
        (lambda x: L.lu_factor(x)[0], drawn(2, 2, 4)),
        (lambda x: L.householder_product(x, x[0] * 0.5), drawn(3, 2)),
        (lambda x: L.lu_solve(*L.lu_factor(x), x, adjoint=True, left=False), drawn(2, 2)),
    ):
        assert gradcheck(f, [a]) and gradgradcheck(f, [a])


def test_factors_that_have_no_derivative_say_so() -> None:
    """Where backward arrives, not before."""
    a = drawn(4, 3)
    with pytest.raises(RuntimeError, match="not differentiable when mode='complete'"):
        L.qr(a, "complete").R.sum().backward()
    with pytest.raises(RuntimeError, match="depends on Q"):
        L.qr(a, mode="r").R.sum().backward()
    with pytest.raises(NotImplementedError, match="geqrf"):
        m.geqrf(a).a.sum().backward()
    assert L.qr(a.detach(), mode="r").Q.shape == (0,)


def test_a_factor_that_changed_is_noticed() -> None:
    """The rule needs it as it was."""
    a = drawn(3, 3)
    q, r = L.qr(a)
    with m.no_grad():
        q.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        r.sum().backward()


# ------------------------------------------------------------------------------------------------ systems, least squares
def test_systems() -> None:
    """From both sides, with vectors, broadcast, by triangles."""
    a, b = drawn(2, 3, 3), drawn(3, 4)
    x = np.linalg.inv(a.detach().numpy())
    close(L.solve(a, b), x @ b.detach().numpy())
    close(L.solve(a, b[:, :3], left=False), b[:, :3].detach().numpy() @ x)
    close(L.solve(a, b[:2, :3]), np.stack([x[i] @ b[i, :3].detach().numpy() for i in range(2)]))
    close(L.solve_ex(a, b).result, x @ b.detach().numpy())
    for upper in (False, True):
        t = np.triu(a.detach().numpy()) if upper else np.tril(a.detach().numpy())
        close(L.solve_triangular(a, b, upper=upper), np.linalg.inv(t) @ b.detach().numpy())
        square = b[:, :3].detach().numpy()
        close(L.solve_triangular(a, b[:, :3], upper=upper, left=False), square @ np.linalg.inv(t))
        close(m.triangular_solve(b, a, upper, transpose=True)[0], np.linalg.inv(t.mT) @ b.detach().numpy())
    big = drawn(300, 300).detach() / 30
    found = L.solve_triangular(big, big, upper=False, unitriangular=True)
    close((big.tril(-1) + m.eye(300, dtype=m.float64)) @ found, big.numpy())
    zero = L.solve_triangular(m.tensor([[0.0, 1.0], [0.0, 1.0]]), m.ones(2, 1), upper=True)
    assert zero[1].item() == 1 and zero[0].isnan().item()


def test_tensors_as_matrices() -> None:
    """tensorinv and tensorsolve are NumPy's."""
    a, b = drawn(2, 3, 6), drawn(2, 3)
    close(L.tensorsolve(a, b), np.linalg.tensorsolve(a.detach().numpy(), b.detach().numpy()))
    close(L.tensorinv(a), np.linalg.tensorinv(a.detach().numpy()))
    moved = a.permute(0, 2, 1)
    expected = np.linalg.tensorsolve(a.detach().numpy(), b.detach().numpy())
    close(L.tensorsolve(moved, b, dims=(1,)), expected)


@pytest.mark.parametrize("shape", [(6, 3), (3, 6), (4, 4)])
def test_least_squares(shape: tuple) -> None:
    """Of full rank by QR, of less by the pseudo-inverse; residuals, ranks and singular values as drivers have them."""
    a, b = drawn(*shape), drawn(shape[0], 2)
    x, residuals, rank, values = np.linalg.lstsq(a.detach().numpy(), b.detach().numpy(), rcond=None)
    found = L.lstsq(a, b, driver="gelsd")
    close(found.solution, x)
    close(found.residuals, residuals)
    close(found.singular_values, values)
    assert found.rank.item() == rank
    plain = L.lstsq(a, b[:, 0])
    close(plain.solution, x[:, 0])
    assert plain.residuals.shape == plain.singular_values.shape == (0,) and plain.rank.dtype == m.int64
    assert gradcheck(lambda a, b: L.lstsq(a, b, driver="gelsd")[:2], [a, b])
    thin = drawn(shape[0], 2) @ drawn(2, shape[1])
    expected = np.linalg.lstsq(thin.detach().numpy(), b.detach().numpy(), rcond=1e-10)
    found = L.lstsq(thin, b, rcond=1e-10)
    close(found.solution, expected[0], 1e-8)
    assert found.rank.item() == 2 == L.matrix_rank(thin).item()


def test_pseudo_inverses_and_ranks() -> None:
    """What counts as 0 is absolute or a part of the largest; of symmetric matrices, by eigenvalues."""
    x = np.diag([4.0, 1.0, 0.1])
    a = m.from_numpy(x)
    close(L.pinv(a, rtol=0.1), np.diag([0.25, 1, 0]))
    close(L.pinv(a, atol=2.0), np.diag([0.25, 0, 0]))
    close(m.pinverse(a, 0.5), np.diag([0.25, 0, 0]))
    close(L.pinv(-a, atol=2.0, hermitian=True), np.diag([-0.25, 0, 0]))
    ranks = L.matrix_rank(m.stack([a, a]), atol=m.tensor([0.5, 2.0]), rtol=0.0)
    assert ranks.tolist() == [2, 1] and L.matrix_rank(-a, 0.5, hermitian=True).item() == 2
    thin = lambda u, v: L.pinv(u @ v.mT)  # noqa: E731
    assert gradcheck(thin, [drawn(4, 2), drawn(3, 2)]) and gradgradcheck(thin, [drawn(4, 2), drawn(3, 2)])


# ------------------------------------------------------------------------------------------------------------- products
def test_exponentials() -> None:
    """Of a rotation, of what has no root, of large norms, and of a stack of both."""
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    c, s = np.cos(2.0), np.sin(2.0)
    close(m.matrix_exp(m.from_numpy(2 * turn)), np.array([[c, -s], [s, c]]), 1e-13)
    close(L.matrix_exp(m.tensor([[0.0, 1.0], [0.0, 0.0]])), np.array([[1, 1], [0, 1]], np.float32), 1e-6)
    for scale in (1e-3, 0.1, 0.5, 1.0, 3.0, 40.0):
        x = scale * np.array([[-1.0, 1.0], [1.0, -1.0]])  # exp is 1 + x (1 - exp(-2 scale)) / 2 scale
        expected = np.eye(2) - x * np.expm1(-2 * scale) / (2 * scale)
        close(m.from_numpy(x).matrix_exp(), expected, 1e-13)
        close(m.from_numpy(x).float().matrix_exp(), expected.astype(np.float32), 3e-5)
    both = m.from_numpy(np.stack([1e-3 * turn, 40 * turn]))
    close(m.matrix_exp(both)[1], np.array([[np.cos(40), -np.sin(40)], [np.sin(40), np.cos(40)]]), 1e-11)
    assert L.matrix_exp(m.full((2, 2), NAN)).isnan().all() and L.matrix_exp(m.ones(0, 2, 2)).shape == (0, 2, 2)


def test_the_derivative_of_an_exponential_keeps_its_digits() -> None:
    """A gradient of 1e12 does not spoil it: of diag(1, 2) it is g_ij (e^i - e^j) / (i - j)."""
    a = m.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=m.float64, requires_grad=True)
    (g,) = m.autograd.grad(m.matrix_exp(a), a, m.full((2, 2), 1e12, dtype=m.float64))
    e, e2 = np.exp(1.0), np.exp(2.0)
    close(g / 1e12, np.array([[e, e2 - e], [e2 - e, e2]]), 1e-14)


def test_products_of_vectors() -> None:
    """Cross products along the first axis of three or the last, sums of products, diagonals."""
    a, b = drawn(3, 4, 3), drawn(3, 4, 3)
    x, y = a.detach().numpy(), b.detach().numpy()
    close(L.cross(a, b), np.cross(x, y))
    close(a.cross(b), np.cross(x, y, axis=0))
    close(L.cross(a[:1], b, dim=2), np.cross(x[:1], y))
    close(m.cross(a[0, 0], b[0, 0]), np.cross(x[0, 0], y[0, 0]))
    assert m.cross(m.tensor([1, 0, 0]), m.tensor([0, 1, 0])).tolist() == [0, 0, 1]
    close(L.vecdot(a, b[0], dim=1), (x * y[0]).sum(1))
    close(L.diagonal(a, offset=1), np.diagonal(x, 1, -2, -1))
    close(m.ger(a[0, 0], b[0, 0]), np.outer(x[0, 0], y[0, 0]))


def test_products_of_many() -> None:
    """In any order the same; vectors at the ends."""
    chain = [drawn(2, 9), drawn(9, 1), drawn(1, 8), drawn(8, 3)]
    arrays = [x.detach().numpy() for x in chain]
    close(L.multi_dot(chain), np.linalg.multi_dot(arrays))
    close(
        L.multi_dot([chain[0][0], *chain[1:3], chain[3][:, 0]]), arrays[0][0] @ arrays[1] @ arrays[2] @ arrays[3][:, 0]
    )
    close(L.multi_dot([chain[0][0], chain[1]]), arrays[0][0] @ arrays[1])
    assert gradcheck(lambda *xs: L.multi_dot(xs), chain)
    close(L.matrix_power(m.eye(2) * 2, -2), np.eye(2, dtype=np.float32) / 4)


def test_powers() -> None:
    """Rising in linalg, falling as NumPy's otherwise; integers stay int64."""
    x = np.array([2.0, 0.0, -3.0])
    close(L.vander(m.from_numpy(x), N=4), np.vander(x, 4, increasing=True))
    close(m.vander(m.from_numpy(x)), np.vander(x))
    assert m.vander(m.tensor([1, 2]), 3).tolist() == [[1, 1, 1], [4, 2, 1]]
    assert m.vander(m.tensor([1, 2]), 0).shape == (2, 0)
    assert gradcheck(lambda x: L.vander(x, N=4), [drawn(2, 3)])


def test_infinities_warn_nobody() -> None:
    """They are results, or LinAlgError says that there is none; with derivatives, too."""
    stack = m.stack([m.eye(2), m.zeros(2, 2), m.full((2, 2), INF), m.full((2, 2), 2e38)])
    for f in (
        L.det,
        L.svdvals,
        L.eigvalsh,
        L.lu,
        L.qr,
        L.slogdet,
        L.pinv,
        L.cond,
        L.matrix_exp,
        L.inv_ex,
        L.cholesky_ex,
    ):
        for a in (*stack, stack):
            x = a.clone().requires_grad_()
            try:
                f(a)
                out = f(x)
                parts = [out] if isinstance(out, m.Tensor) else out
                next(part for part in parts if part.requires_grad).sum().backward()
            except L.LinAlgError:
                continue
            assert x.grad.shape == a.shape
    (g,) = m.autograd.grad(L.det(x).sum(), x, create_graph=True)
    assert g.isfinite().all((1, 2))[:3].tolist() == [True, True, False]


# ---------------------------------------------------------------------------------------------------------- wrong calls
def test_singular_matrices_are_named() -> None:
    """LinAlgError says which matrix and which element; info says it without raising."""
    stack = m.stack([m.eye(3), m.tensor([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 0.0, 1.0]])])
    with pytest.raises(L.LinAlgError, match=r"\(Batch element 1\): The diagonal element \d is zero"):
        L.inv(stack)
    with pytest.raises(RuntimeError, match=r"\(Batch element 1\): The solver failed"):
        L.solve(stack, m.ones(3, 1))
    inverse, info = L.inv_ex(stack)
    assert info.dtype == m.int32 and info[0] == 0 < info[1] and inverse[1].isnan().all() and inverse[0].equal(m.eye(3))
    assert L.solve_ex(stack, m.ones(2, 3)).info.tolist() == info.tolist()
    with pytest.raises(L.LinAlgError, match="leading minor of order 2"):
        L.cholesky(stack[1] - m.eye(3) * 0.5)
    assert L.cholesky_ex(m.stack([m.eye(3), stack[1] - m.eye(3) * 0.5])).info.tolist() == [0, 2]
    assert L.cholesky_ex(m.full((2, 2), NAN)).info.item() == 1
    for call in (L.svd, L.svdvals, L.pinv):
        with pytest.raises(L.LinAlgError, match=r"\(Batch element 1\).*non-finite"):
            call(m.stack([m.eye(3), m.full((3, 3), NAN)]))
    with pytest.raises(RuntimeError, match=r"U\[2,2\] is zero"):
        L.lu_factor(m.tensor([[1.0, 2.0], [2.0, 4.0]]))
    assert L.lu_factor_ex(m.zeros(2, 3, 3)).info.tolist() == [1, 1]
    assert issubclass(L.LinAlgError, RuntimeError)


@pytest.mark.parametrize(
    "call,error,words",
    [
        (lambda: L.inv(m.ones(3, 3, dtype=m.int64)), RuntimeError, "floating point tensor as input. Got Long"),
        (lambda: L.det(m.ones(3, 3).half()), NotImplementedError, "low precision"),
        (lambda: L.inv(m.ones(3)), RuntimeError, "at least 2 dimensions"),
        (lambda: L.eigh(m.ones(2, 3)), RuntimeError, "2 by 3 matrices"),
        (lambda: L.eigh(m.ones(2, 2), "X"), RuntimeError, "UPLO"),
        (lambda: L.qr(m.ones(2, 2), "x"), RuntimeError, "unrecognized mode 'x'"),
        (lambda: L.svd(m.ones(2, 2), driver="gesvd"), RuntimeError, "driver"),
        (lambda: L.solve(m.ones(2, 2), m.ones(2).double()), RuntimeError, "same dtype"),
        (lambda: L.solve(m.ones(2, 2), m.ones(3)), RuntimeError, r"\(2x2 and 3x1\)"),
        (lambda: L.solve(m.eye(2), None), TypeError, "`B` must be a Tensor"),
        (lambda: L.lstsq(m.ones(3, 2), m.ones(2, 1)), RuntimeError, "should match"),
        (lambda: L.lstsq(m.ones(3, 2), m.ones(3, 1), driver="x"), RuntimeError, "gelsy"),
        (lambda: L.matrix_norm(m.ones(2, 2), 3), RuntimeError, "Order 3 not supported"),
        (lambda: L.matrix_norm(m.ones(2, 2), dim=(0, 0)), RuntimeError, "dims must be different"),
        (lambda: L.norm(m.ones(2, 2, 2), 2), RuntimeError, "must be 1D or 2D. Got 3D"),
        (lambda: L.multi_dot([m.ones(2, 2)]), RuntimeError, "at least 2 tensors"),
        (lambda: L.multi_dot([m.ones(2, 2), m.ones(3, 2)]), RuntimeError, "cannot be multiplied"),
        (lambda: L.cross(m.ones(2), m.ones(2)), RuntimeError, "must have length 3"),
        (lambda: m.cross(m.ones(2, 4), m.ones(2, 4)), RuntimeError, "no dimension of size 3"),
        (lambda: L.vander(m.ones(3), N=1), RuntimeError, "greater than 1"),
        (lambda: m.vander(m.ones(3), -1), RuntimeError, "non-negative"),
        (lambda: L.tensorinv(m.ones(2, 3)), RuntimeError, "requirement"),
        (lambda: L.lu(m.ones(2, 2), pivot=False), RuntimeError, "without pivoting"),
        (lambda: L.lu_solve(m.eye(2), m.tensor([1, 2]), m.eye(2)), RuntimeError, "int32"),
        (lambda: m.lu_unpack(m.eye(2), m.tensor([1, 3]).int()), RuntimeError, "between 1 and"),
        (lambda: L.householder_product(m.ones(2, 3), m.ones(3)), RuntimeError, "greater than or equal"),
        (lambda: L.eig(m.eye(2)), AttributeError, "no complex tensors"),
    ],
)
def test_wrong_calls(call: Callable, error: type, words: str) -> None:
    """PyTorch's classes, and sentences."""
    with pytest.raises(error, match=words):
        call()


def test_out_receives_several_results() -> None:
    """By PyTorch's names of them."""
    a = drawn(3, 2).detach()
    q, r = m.empty(0, dtype=m.float64), m.empty(2, 2, dtype=m.float64)
    found = L.qr(a, out=(q, r))
    assert found.Q is q and found.R is r
    close(q @ r, a.numpy())
    norm = m.empty((), dtype=m.float64)
    assert L.norm(a, out=norm) is norm and norm.item() == pytest.approx(np.linalg.norm(a.numpy()))
