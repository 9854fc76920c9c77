"""svd_lowrank, pca_lowrank, lobpcg: a few of a matrix's values and vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch as m


def of_rank(r: int, *shape: int) -> np.ndarray:
    """A random matrix of this rank."""
    rng = np.random.default_rng(r)
    return np.asarray(rng.standard_normal((*shape[:-1], r)) @ rng.standard_normal((*shape[:-2], r, shape[-1])))


@pytest.mark.parametrize("shape", [(9, 6), (6, 9), (2, 7, 7)])
def test_svd_of_low_rank(shape: tuple) -> None:
    """Where q reaches the rank it is the matrix, with orthonormal columns and NumPy's values."""
    A = of_rank(3, *shape)
    for q in (3, 5, 6):
        U, S, V = m.svd_lowrank(m.tensor(A), q=q)
        assert U.shape == (*shape[:-1], q) and S.shape == (*shape[:-2], q) and V.shape == (*shape[:-2], shape[-1], q)
        np.testing.assert_allclose((U * S[..., None, :] @ V.mT).numpy(), A, atol=1e-10)
        np.testing.assert_allclose(S.numpy(), np.linalg.svd(A)[1][..., :q], atol=1e-10)
        for Q in (U, V):
            np.testing.assert_allclose((Q.mT @ Q).numpy(), np.broadcast_to(np.eye(q), (*shape[:-2], q, q)), atol=1e-10)
    less = m.svd_lowrank(m.tensor(A), M=m.ones(shape[-1], dtype=m.float64))[1]
    np.testing.assert_allclose(less.numpy(), np.linalg.svd(A - 1)[1][..., :6], atol=1e-9)


def test_turns_bring_the_largest() -> None:
    """With q below the rank, more turns come nearer to the best; U S VT is the projection of A all the same."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((40, 30))
    best, off = np.linalg.svd(A)[1][:4], []
    for niter in (0, 2, 40):
        m.manual_seed(1)
        off.append(np.abs(m.svd_lowrank(m.tensor(A), 4, niter)[1].numpy() - best).max())
    assert off[0] > off[1] > off[2] and off[2] < 1e-2


def test_principal_components() -> None:
    """Directions and variances are those of the covariance."""
    A = of_rank(2, 30, 5) + 3
    _, S, V = m.pca_lowrank(m.tensor(A))
    values, vectors = np.linalg.eigh(np.cov(A.T))
    np.testing.assert_allclose((S**2 / 29).numpy(), values[::-1].clip(0), atol=1e-10)
    np.testing.assert_allclose((V[:, :2] ** 2).numpy(), vectors[:, :-3:-1] ** 2, atol=1e-10)
    np.testing.assert_allclose(
        m.pca_lowrank(m.tensor(A), 3, center=False)[1].numpy(), np.linalg.svd(A)[1][:3], atol=1e-9
    )


def test_gradients_of_values() -> None:
    """d sum(S) / dA = U VT, of the SVD."""
    A = np.random.default_rng(3).standard_normal((6, 4))
    x = m.tensor(A, requires_grad=True)
    m.svd_lowrank(x, q=4)[1].sum().backward()
    u, _, vt = np.linalg.svd(A, full_matrices=False)
    np.testing.assert_allclose(x.grad.numpy(), u @ vt, atol=1e-8)


def test_eigenvalues() -> None:
    """The largest or smallest k of A v = e v and A v = e B v, with vectors of length 1 by B, and their gradients."""
    rng = np.random.default_rng(0)
    A, half = rng.standard_normal((9, 9)), rng.standard_normal((9, 9))
    A, B = A + A.T, half @ half.T + 9 * np.eye(9)
    for metric in (None, B):
        values = np.linalg.eigvalsh(A) if metric is None else np.sort(np.linalg.eigvals(np.linalg.solve(B, A)).real)
        b = None if metric is None else m.tensor(B)
        for largest in (True, False):
            E, V = m.lobpcg(m.tensor(A), k=3, B=b, largest=largest)
            np.testing.assert_allclose(E.numpy(), values[::-1][:3] if largest else values[:3])
            v, by = V.numpy(), np.eye(9) if metric is None else metric
            np.testing.assert_allclose(A @ v, by @ v * E.numpy(), atol=1e-8)
            np.testing.assert_allclose(v.T @ by @ v, np.eye(3), atol=1e-8)
    x = m.tensor(A, requires_grad=True)
    E, V = m.lobpcg(x)
    E.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), (V @ V.T).numpy(force=True), atol=1e-10)  # symmetric: v vT
    assert m.lobpcg(m.tensor([A, B]), X=m.ones(9, 2))[1].shape == (2, 9, 2)

    def both(a: Any, b: Any) -> Any:
        E, V = m.lobpcg(a, 2, b + b.mT)
        return E, V * V

    assert m.autograd.gradcheck(both, (x.detach().requires_grad_(), m.tensor(B, requires_grad=True)))


@pytest.mark.parametrize(
    "call, error, text",
    [
        ("m.svd_lowrank([1.0])", TypeError, "A"),
        ("m.svd_lowrank(x[0])", ValueError, "not enough values"),
        ("m.svd_lowrank(x.long())", RuntimeError, "floating"),
        ("m.svd_lowrank(x, q=-1)", RuntimeError, "negative"),
        (
            "m.pca_lowrank(x, q=5)",
            ValueError,
            "q\\(=5\\) must be non-negative integer and not greater than min\\(m, n\\)=4",
        ),
        ("m.pca_lowrank(x, niter=-1)", ValueError, "niter"),
        ("m.pca_lowrank(x.long())", RuntimeError, "floating"),
        ("m.lobpcg(x)", AssertionError, "A must be square"),
        ("m.lobpcg(x[:4], k=2)", ValueError, "smaller than 3 x"),
        ("m.lobpcg(x[:4], k=0)", ValueError, "not applicable"),
        ("m.lobpcg(x[:4], tracker=print)", NotImplementedError, "track"),
    ],
)
def test_wrong_calls(call: str, error: type, text: str) -> None:
    """PyTorch's classes."""
    with pytest.raises(error, match=text):
        eval(call, {"m": m, "x": m.ones(6, 4)})
