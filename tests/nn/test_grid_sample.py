"""grid_sample and affine_grid, pixel by pixel from their definition."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import minitorch as m
from minitorch import nn

F = nn.functional
RNG = np.random.default_rng(3)


def place(c, n, align_corners):
    """A coordinate as a place among n pixels."""
    return (c + 1) / 2 * (n - 1) if align_corners else ((c + 1) * n - 1) / 2


def mirrored(s, n, align_corners):
    """s mirrored at the ends until it lies between them."""
    low, high = (0, n - 1) if align_corners else (-0.5, n - 0.5)
    if high == low:
        return 0.0
    while not low <= s <= high:
        s = 2 * low - s if s < low else 2 * high - s
    return s


def settled(s, n, padding_mode, align_corners):
    """Where a place counts."""
    if padding_mode == "reflection":
        s = mirrored(s, n, align_corners)
    return s if padding_mode == "zeros" else min(max(s, 0), n - 1)


def cubic(d):
    """Keys' cubic for a = -3/4, of a distance."""
    d, a = abs(d), -0.75
    return (a + 2) * d**3 - (a + 3) * d**2 + 1 if d <= 1 else a * (d**3 - 5 * d**2 + 8 * d - 4)


def taps(s, n, mode, padding_mode, align_corners):
    """(pixel, weight) along one axis."""
    if mode == "bicubic":
        low = math.floor(s)
        return [(settled(i, n, padding_mode, align_corners), cubic(s - i)) for i in range(low - 1, low + 3)]
    s = settled(s, n, padding_mode, align_corners)
    if mode == "nearest":
        return [(round(s), 1.0)]
    low = math.floor(s)
    return [(low, low + 1 - s), (low + 1, s - low)]


def by_pixels(x, grid, mode, padding_mode, align_corners):
    """The definition."""
    size, out = x.shape[2:], np.zeros((*x.shape[:2], *grid.shape[1:-1]))
    for at in np.ndindex(*grid.shape[:-1]):
        along = [
            taps(place(c, n, align_corners), n, mode, padding_mode, align_corners)
            for c, n in zip(grid[at][::-1], size, strict=True)
        ]
        for chosen in itertools.product(*along):
            pixel = [i for i, _ in chosen]
            if all(0 <= i < n for i, n in zip(pixel, size, strict=True)):
                weight = math.prod(w for _, w in chosen)
                out[(at[0], slice(None), *at[1:])] += weight * x[(at[0], slice(None), *map(int, pixel))]
    return out


CASES = [
    (mode, padding_mode, align_corners, rank)
    for rank in (2, 3)
    for mode in ("bilinear", "nearest", "bicubic")
    for padding_mode in ("zeros", "border", "reflection")
    for align_corners in (False, True)
    if (mode, rank) != ("bicubic", 3)
]


@pytest.mark.parametrize("mode,padding_mode,align_corners,rank", CASES)
def test_values_and_derivatives(mode, padding_mode, align_corners, rank):
    """The definition, inside and far outside; both orders of derivative by image and grid."""
    size = (3, 4, 2)[:rank]
    x, grid = RNG.standard_normal((2, 2, *size)), RNG.uniform(-2.5, 2.5, (2, 3, *(2,) * (rank - 1), rank))
    how = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    expected = by_pixels(x, grid, **how)
    np.testing.assert_allclose(
        F.grid_sample(m.tensor(x), m.tensor(grid), **how).numpy(), expected, rtol=1e-9, atol=1e-12
    )
    last = m.tensor(np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1))  # channels-last memory
    np.testing.assert_allclose(F.grid_sample(last, m.tensor(grid), **how).numpy(), expected, rtol=1e-9, atol=1e-12)
    single = F.grid_sample(m.tensor(x).float(), m.tensor(grid).float(), **how)
    assert single.dtype == m.float32
    tensors = [m.tensor(x[:1, :1], requires_grad=True), m.tensor(grid[:1, :2], requires_grad=True)]
    call = lambda x, grid: F.grid_sample(x, grid, **how)  # noqa: E731
    assert m.autograd.gradcheck(call, tensors) and m.autograd.gradgradcheck(call, tensors, fast_mode=True)


def test_identity():
    """The grid of the identity gives the image back, under every convention that has pixels at its places."""
    x = m.tensor(RNG.standard_normal((2, 3, 4, 5)))
    theta = m.tensor(np.broadcast_to(np.eye(2, 3), (2, 2, 3)).copy())
    for align_corners, mode in itertools.product((False, True), ("bilinear", "nearest", "bicubic")):
        grid = F.affine_grid(theta, x.shape, align_corners)
        found = F.grid_sample(x, grid, mode, align_corners=align_corners)
        np.testing.assert_allclose(found.numpy(), x.numpy(), atol=1e-12)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(1, 1, 3, 4), (2, 1, 1, 2), (2, 3, 2, 3, 4)])
def test_affine_grid(size, align_corners):
    """theta times the coordinates of each pixel's centre, (x, y) and 1."""
    rank = len(size) - 2
    theta = RNG.standard_normal((size[0], rank, rank + 1))
    found = F.affine_grid(m.tensor(theta), size, align_corners=align_corners).numpy()
    assert found.shape == (size[0], *size[2:], rank)
    for at in np.ndindex(*size[2:]):
        if align_corners:
            c = [0 if n == 1 else 2 * i / (n - 1) - 1 for i, n in zip(at, size[2:], strict=True)]
        else:
            c = [(2 * i + 1) / n - 1 for i, n in zip(at, size[2:], strict=True)]
        np.testing.assert_allclose(found[(slice(None), *at)], theta @ np.array([*c[::-1], 1]), atol=1e-12)
    w = m.tensor(theta, requires_grad=True)
    assert m.autograd.gradcheck(lambda w: F.affine_grid(w, size, align_corners), [w])


def test_a_hole_in_the_image_stays_where_it_is():
    """Pixels outside count nothing, also where the image's edge is infinite; a place that is no number is NaN."""
    x = m.full((1, 1, 2, 2), np.inf)
    grid = m.tensor([[[[-5.0, 0.0], [np.nan, 0.0], [9e30, 0.0]]]])
    assert F.grid_sample(x, grid, align_corners=False).flatten().tolist()[0] == 0
    found = F.grid_sample(m.ones(1, 1, 2, 2), grid, "nearest", align_corners=False).flatten().tolist()
    assert found == [0, 0, 0]
    assert np.isnan(F.grid_sample(m.ones(1, 1, 2, 2), grid, align_corners=False).flatten().tolist()[1])
    border = F.grid_sample(m.ones(1, 1, 2, 2), grid, padding_mode="border", align_corners=False)
    assert border.flatten().tolist() == [1, 1, 1]


def test_nearest_has_a_gradient_of_zero_for_the_grid():
    """Zeros, not None, as PyTorch."""
    x, grid = m.ones(1, 1, 3, 3, requires_grad=True), m.zeros(1, 2, 2, 2, requires_grad=True)
    F.grid_sample(x, grid, "nearest", align_corners=True).sum().backward()
    assert not grid.grad.any() and x.grad[0, 0, 1, 1].item() == 4


def test_empty():
    """No images, no channels, no places."""
    for x, out in (((0, 2, 3, 3), (0, 4, 4)), ((1, 0, 3, 3), (1, 4, 4)), ((1, 2, 3, 3), (1, 0, 4))):
        found = F.grid_sample(m.ones(*x), m.zeros(*out, 2), align_corners=True)
        assert found.shape == (x[0], x[1], *out[1:])


X, G = m.ones(2, 3, 4, 4), m.zeros(2, 5, 5, 2)
ERRORS = [
    (lambda: F.grid_sample(X, G, "cubic", align_corners=True), ValueError, "mode"),
    (lambda: F.grid_sample(X, G, padding_mode="mirror", align_corners=True), ValueError, "padding_mode"),
    (lambda: F.grid_sample(X, G[:1], align_corners=True), RuntimeError, "batch size"),
    (lambda: F.grid_sample(X, m.zeros(2, 5, 5, 3), align_corners=True), RuntimeError, "each spatial axis"),
    (lambda: F.grid_sample(X[0], G, align_corners=True), RuntimeError, "4D or 5D"),
    (lambda: F.grid_sample(m.ones(2, 3, 0, 4), G, align_corners=True), RuntimeError, "non-empty"),
    (
        lambda: F.grid_sample(m.ones(2, 1, 2, 2, 2), m.zeros(2, 1, 1, 1, 3), "bicubic", align_corners=True),
        RuntimeError,
        "4D",
    ),
    (lambda: F.grid_sample(X, G.double(), align_corners=True), RuntimeError, "dtype"),
    (lambda: F.grid_sample(X.long(), G.long(), align_corners=True), NotImplementedError, "float"),
    (lambda: F.grid_sample(X, G, align_corners=1), TypeError, "bool"),
    (lambda: F.affine_grid(m.ones(1, 2, 3).long(), (1, 1, 2, 2), True), ValueError, "floating"),
    (lambda: F.affine_grid(m.ones(1, 3, 3), (1, 1, 2, 2), True), ValueError, "Nx2x3"),
    (lambda: F.affine_grid(m.ones(1, 2, 3), (1, 1, 2), True), NotImplementedError, "4D and 5D"),
    (lambda: F.affine_grid(m.ones(1, 2, 3), (1, 1, 0, 2), True), ValueError, "positive"),
]


@pytest.mark.parametrize("call,kind,piece", ERRORS, ids=range(len(ERRORS)))
def test_wrong_calls(call, kind, piece):
    """PyTorch's class, and what was wrong."""
    with pytest.raises(kind) as info:
        call()
    assert piece in str(info.value)


def test_unsaid_align_corners_warns():
    """It is False then."""
    with pytest.warns(UserWarning, match="align_corners"):
        found = F.grid_sample(X, G)
    assert m.equal(found, F.grid_sample(X, G, align_corners=False))
