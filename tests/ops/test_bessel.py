"""Bessel functions, Airy's and orthogonal polynomials: numbers of 40 digits, where they end, what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch as m
from minitorch.autograd import gradcheck, gradgradcheck

INF, NAN = float("inf"), float("nan")
# Name: arguments and values, rounded from 40 digits that mpmath 1.3 computed by sums of its own.
VALUES = {
    "bessel_j0": (
        [1e-05, 0.5, 2.0, 3.9375, 4.0625, 5.03125, 8.0, 20.0, 100.0, 12345.0, -3.0, -30.0],
        [
            0.999999999975,
            0.9384698072408129,
            0.22389077914123567,
            -0.4005278803582183,
            -0.3922852445198516,
            -0.16730691131658149,
            0.1716508071375539,
            0.16702466434058316,
            0.019985850304223122,
            -0.004480422295220666,
            -0.26005195490193345,
            -0.08636798358104021,
        ],
    ),
    "bessel_j1": (
        [1e-05, 0.5, 2.0, 3.9375, 4.0625, 5.03125, 8.0, 20.0, 100.0, 12345.0, -3.0, -30.0],
        [
            4.9999999999375e-06,
            0.2422684576748739,
            0.5767248077568734,
            -0.0419587469336312,
            -0.08951454636794912,
            -0.3309169725573001,
            0.23463634685391463,
            0.06683312417585005,
            -0.07714535201411216,
            -0.005612209079694793,
            -0.3390589585259365,
            0.11875106261662294,
        ],
    ),
    "bessel_y0": (
        [1e-05, 0.5, 2.0, 3.9375, 4.0625, 5.03125, 8.0, 20.0, 100.0, 12345.0],
        [
            -7.40316028370197,
            -0.44451873350670656,
            0.5103756726497451,
            0.008142899791447198,
            -0.041569827387017304,
            -0.31297290014404466,
            0.22352148938756622,
            0.06264059680938383,
            -0.07724431336508315,
            -0.005612027608008375,
        ],
    ),
    "bessel_y1": (
        [1e-05, 0.5, 2.0, 3.9375, 4.0625, 5.03125, 8.0, 20.0, 100.0, 12345.0],
        [
            -63661.97727536548,
            -1.471472392670243,
            -0.10703243154093754,
            0.4045233449332154,
            0.38998484751057605,
            0.13726317501942503,
            -0.1580604617312475,
            -0.1655116143625213,
            -0.020372312002759792,
            0.0044801949992763455,
        ],
    ),
    "modified_bessel_k0": (
        [1e-05, 0.25, 1.0, 1.9375, 2.0625, 3.5, 10.0, 50.0, 300.0],
        [
            11.628856980944363,
            1.5415067512483027,
            0.42102443824070834,
            0.12300567052555429,
            0.10550071349007924,
            0.01959889717036849,
            1.778006231616765e-05,
            3.4101677497894956e-23,
            3.7236948548891435e-132,
        ],
    ),
    "modified_bessel_k1": (
        [1e-05, 0.25, 1.0, 1.9375, 2.0625, 3.5, 10.0, 50.0, 300.0],
        [
            99999.99993935571,
            3.7470259744407115,
            0.6019072301972346,
            0.151894691359947,
            0.12888016682027845,
            0.022239392925923834,
            1.8648773453825585e-05,
            3.4441022267175555e-23,
            3.7298958583323724e-132,
        ],
    ),
    "scaled_modified_bessel_k0": (
        [1e-05, 0.25, 1.0, 1.9375, 2.0625, 3.5, 10.0, 50.0, 300.0],
        [
            11.628973270095617,
            1.9793338485985688,
            1.144463079806895,
            0.8538285872562115,
            0.8298273904353701,
            0.6490263376886884,
            0.39163193443659866,
            0.17680715585742934,
            0.0723300317396073,
        ],
    ),
    "scaled_modified_bessel_k1": (
        [1e-05, 0.25, 1.0, 1.9375, 2.0625, 3.5, 10.0, 50.0, 300.0],
        [
            100000.99994435512,
            4.811276588171025,
            1.6361534862632583,
            1.0543581379741223,
            1.0137210353691468,
            0.7364675480289125,
            0.41076657059578875,
            0.17856655855881556,
            0.07245048166725841,
        ],
    ),
    "spherical_bessel_j0": (
        [1e-05, 0.5, 2.0, 3.9375, 4.0625, 5.03125, 8.0, 20.0, 100.0, 12345.0, -3.0, -30.0],
        [
            0.9999999999833333,
            0.958851077208406,
            0.45464871341284085,
            -0.18145999031429502,
            -0.1959756261427362,
            -0.18873899874523217,
            0.12366978082792272,
            0.045647262536381385,
            -0.005063656411097588,
            -8.049993004906287e-05,
            0.04704000268662241,
            -0.03293438746976206,
        ],
    ),
    "airy_ai": (
        [-50.0, -10.0, -5.0, -2.25, -1.9375, -0.5, 0.125, 1.0, 1.9375, 2.0625, 5.0, 20.0],
        [
            -0.1618814236123209,
            0.04024123848644319,
            0.35076100902411433,
            0.06159865877700528,
            0.26512061491299604,
            0.4757280916105396,
            0.32278593902677793,
            0.13529241631288141,
            0.03838162203263807,
            0.03173952616423258,
            0.00010834442813607442,
            1.6916728686705404e-27,
        ],
    ),
}
ENDS = {  # at 0, at infinity, below 0
    "bessel_j0": (1.0, NAN, 0.5),
    "bessel_j1": (0.0, NAN, -0.5),
    "bessel_y0": (-INF, NAN, NAN),
    "bessel_y1": (-INF, NAN, NAN),
    "modified_bessel_k0": (INF, 0.0, NAN),
    "modified_bessel_k1": (INF, 0.0, NAN),
    "scaled_modified_bessel_k0": (INF, 0.0, NAN),
    "scaled_modified_bessel_k1": (INF, 0.0, NAN),
    "spherical_bessel_j0": (1.0, 0.0, 0.5),
    "airy_ai": (0.3550280538878172, 0.0, 0.5),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    """To the last digits in float64, element by element and on the kernel; to float32's in float32."""
    x, want = (np.array(v) for v in VALUES[name])
    size = np.maximum(abs(want), np.abs(x) ** -0.5 if "_j" in name or "_y" in name or name == "airy_ai" else 0)
    for times in (1, 400):
        found = getattr(m.special, name)(m.tensor(np.repeat(x, times)))
        assert (abs(found.numpy().reshape(-1, times) - want[:, None]) / size[:, None]).max() < 2e-14
    small = (abs(x) < 200) & (abs(want) > 1e-30)
    found = getattr(m.special, name)(m.tensor(x[small].astype(np.float32)))
    assert found.dtype is m.float32
    assert (abs(found.numpy() - want[small]) / size[small]).max() < 2e-5


@pytest.mark.parametrize("name", ENDS)
def test_ends(name: str) -> None:
    """At 0, infinity and NaN; below 0 where there is nothing."""
    zero, infinite, below = ENDS[name]
    function = getattr(m.special, name)
    for times in (1, 3000):
        found = function(m.tensor([0.0, INF, NAN, -0.5] * times, dtype=m.float64)).numpy().reshape(-1, 4)[-1]
        np.testing.assert_allclose(found[:3], [zero, infinite, NAN], rtol=1e-15)
        assert np.isnan(found[3]) == np.isnan(below)


def test_integers_become_floats() -> None:
    """The default float; half precision is refused, numbers are no tensors."""
    for name in VALUES:
        function = getattr(m.special, name)
        assert function(m.tensor([1, 2])).dtype is m.float32
        out = m.zeros(1)
        assert function(input=m.ones(1), out=out) is out and out.item() != 0
        with pytest.raises(NotImplementedError, match="not implemented for 'Half'"):
            function(m.ones(1).half())
        with pytest.raises(TypeError):
            function(1.0)


def test_wronskians() -> None:
    """J_1 Y_0 - J_0 Y_1 = 2 / pi x, and I_0 K_1 + I_1 K_0 = 1 / x."""
    s, x = m.special, m.linspace(0.1, 40, 500, dtype=m.float64)
    wave = s.bessel_j1(x) * s.bessel_y0(x) - s.bessel_j0(x) * s.bessel_y1(x)
    np.testing.assert_allclose((wave * x).numpy(), 2 / np.pi, rtol=1e-13)
    real = s.i0e(x) * s.scaled_modified_bessel_k1(x) + s.i1e(x) * s.scaled_modified_bessel_k0(x)
    np.testing.assert_allclose((real * x).numpy(), 1, rtol=1e-13)


@pytest.mark.parametrize("name", [n for n in VALUES if n != "airy_ai"])
def test_derivatives(name: str) -> None:
    """First and second, near the borders of the formulas, too."""
    x = m.tensor([0.7, 1.99, 2.2, 3.98, 4.5, 9.0], dtype=m.float64, requires_grad=True)
    assert gradcheck(getattr(m.special, name), (x,))
    assert gradgradcheck(getattr(m.special, name), (x,))


def test_slopes_at_zero() -> None:
    """J_0 is flat, J_1 has slope 1/2, sin(x) / x is flat."""
    for name, want in (("bessel_j0", 0.0), ("bessel_j1", 0.5), ("spherical_bessel_j0", 0.0)):
        x = m.zeros(1, dtype=m.float64, requires_grad=True)
        getattr(m.special, name)(x).sum().backward()
        assert x.grad.item() == want


def test_polynomials() -> None:
    """Degrees are cut off to integers, those below 0 give 0; numbers on either side; integers become floats."""
    s = m.special
    assert s.chebyshev_polynomial_t(m.tensor([2.0, 3.0]), 3).tolist() == [26, 99]
    assert s.chebyshev_polynomial_u(2.0, m.tensor([-0.5, 0.0, 1.0, 2.9])).tolist() == [1, 1, 4, 15]
    assert s.legendre_polynomial_p(m.tensor([[2], [3]]), m.tensor([-1, 2])).tolist() == [[0, 5.5], [0, 13]]
    assert s.hermite_polynomial_h(m.tensor([1, 2]), 3).dtype is m.float32
    assert s.laguerre_polynomial_l(m.tensor([0.0, 1.0]), 2).tolist() == [1, -0.5]
    assert s.hermite_polynomial_he(m.tensor([1.0, NAN]), NAN).tolist() == [0, 0]
    assert s.shifted_chebyshev_polynomial_t(m.tensor([1.0, 0.5, 0.0]), 5).tolist() == [1, 0, -1]
    large = s.chebyshev_polynomial_t(m.linspace(-1, 1, 20_000, dtype=m.float64), m.tensor(600.0))
    angles = np.arccos(np.linspace(-1, 1, 20_000))
    np.testing.assert_allclose(large.numpy(), np.cos(600 * angles), atol=1e-9)
    with pytest.raises(TypeError):
        s.chebyshev_polynomial_t(2.0, 3)


def test_no_derivative() -> None:
    """Where there is no rule, backward says so; nothing is zero in silence."""
    x = m.ones(2, requires_grad=True)
    for out in (m.special.airy_ai(x), m.special.legendre_polynomial_p(x, 2)):
        with pytest.raises(NotImplementedError, match="is not implemented"):
            out.sum().backward()


def test_a_polynomial_of_one_number() -> None:
    """A tensor without axes stays one, a transposed one has its values in place."""
    out = m.special.legendre_polynomial_p(m.tensor(0.5), 2)
    assert out.shape == () and out.item() == -0.125
    x = m.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).T
    assert m.special.hermite_polynomial_he(x, 2).tolist() == [[0, 15], [3, 24], [8, 35]]
    assert m.special.chebyshev_polynomial_t(x, m.tensor([1.0, 2.0])).tolist() == [[1, 31], [2, 49], [3, 71]]
