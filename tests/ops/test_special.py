"""Special functions against numbers of 40 digits, and where they end: poles, zeros, infinities, NaN, other dtypes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch as m
from minitorch.autograd import grad

INF, NAN = float("inf"), float("nan")
# Name, arguments, values: rounded from 40 digits that mpmath 1.3 computed by sums and quadratures of its own.
VALUES = [
    (
        "lgamma",
        [
            1e-10,
            0.25,
            0.5,
            0.875,
            1.0009765625,
            1.5,
            1.9990234375,
            2.5,
            3.75,
            4.5,
            6.25,
            8.5,
            20.0,
            100000.0,
            -0.5,
            -2.25,
            -7.75,
        ],
        [
            23.025850929882736,
            1.2880225246980774,
            0.5723649429247001,
            0.08585870722533433,
            -0.0005629031799912047,
            -0.12078223763524522,
            -0.0004125677359714894,
            0.2846828704729192,
            1.486815578593417,
            2.4537365708424423,
            5.219603986990229,
            9.549267257300997,
            39.339884187199495,
            1051287.7089736569,
            1.2655121234846454,
            0.5555015450206475,
            -8.581847763551867,
        ],
    ),
    (
        "digamma",
        [1e-05, 0.25, 1.0, 1.5, 2.0, 5.0, 7.75, 8.25, 100.0, 10000000000.0, -0.25, -3.5, -10.125],
        [
            -100000.57719921567,
            -4.2274535333762655,
            -0.5772156649015329,
            0.03648997397857652,
            0.42278433509846713,
            1.5061176684318005,
            1.9817915626943456,
            2.0483845613664946,
            4.600161852738087,
            23.025850929890456,
            2.9141391202135276,
            1.388870926359529,
            9.948053825866076,
        ],
    ),
    (
        "polygamma(1)",
        [0.001, 0.5, 1.0, 3.75, 30.0, -0.5, -4.25],
        [
            1000001.6425331958,
            4.934802200544679,
            1.6449340668482264,
            0.3053398526902531,
            0.033895060357739946,
            8.934802200544679,
            19.529448389881463,
        ],
    ),
    (
        "polygamma(3)",
        [0.125, 0.5, 1.0, 3.75, 30.0, -0.5, -4.25],
        [
            24580.143419063566,
            97.40909103400244,
            6.493939402266829,
            0.05570526074539451,
            7.78600366473613e-05,
            193.40909103400244,
            1558.527193402683,
        ],
    ),
    (
        "special.erfcx",
        [-5.0, -1.0, 0.0, 0.5, 2.0, 5.0, 7.96875, 8.0625, 20.0, 1000000.0],
        [
            144009798674.66104,
            5.008980080762283,
            1.0,
            0.6156903441929259,
            0.25539567631050575,
            0.11070463773306863,
            0.07025546440775347,
            0.06945071717732322,
            0.02817434874105132,
            5.641895835474742e-07,
        ],
    ),
    (
        "erfinv",
        [-0.9990234375, -0.5, 1e-12, 0.25, 0.4990234375, 0.75, 0.984375, 0.9999999990686774],
        [
            -2.331467773621948,
            -0.4769362762044699,
            8.86226925452758e-13,
            0.2253120550121781,
            0.47585032980045294,
            0.8134198475976185,
            1.7094723742995115,
            4.328028275800946,
        ],
    ),
    (
        "special.ndtri",
        [1e-300, 1e-100, 1e-20, 1e-05, 0.125, 0.4375, 0.75, 0.9990234375],
        [
            -37.0470962993612,
            -21.273453560965326,
            -9.262340089798407,
            -4.264890793922825,
            -1.150349380376008,
            -0.1573106846101707,
            0.6744897501960817,
            3.0972690781987846,
        ],
    ),
    (
        "special.ndtr",
        [-10.0, -1.0, 0.0, 0.5, 3.0],
        [
            7.619853024160525e-24,
            0.15865525393145705,
            0.5,
            0.6914624612740131,
            0.9986501019683699,
        ],
    ),
    (
        "special.log_ndtr",
        [-10000.0, -40.0, -5.0, -1.0625, -0.9375, 0.0, 3.0, 8.0],
        [
            -50000010.12927891,
            -804.6084420137538,
            -15.064998393988725,
            -1.9379115701325937,
            -1.7472601439521884,
            -0.6931471805599453,
            -0.0013508099647481938,
            -6.220960574271786e-16,
        ],
    ),
    (
        "special.modified_bessel_i0",
        [0.001, 0.5, 3.0, 10.0, 17.9375, 18.0625, 100.0, 700.0],
        [
            1.0000002500000156,
            1.0634833707413236,
            4.8807925858650245,
            2815.7166284662544,
            5851976.367760962,
            6607834.822984288,
            1.0737517071310738e42,
            1.5295933476718737e302,
        ],
    ),
    (
        "special.i0e",
        [-3.0, 0.5, 10.0, 17.9375, 18.0625, 100.0, 1000000.0],
        [
            0.2430003541618254,
            0.6450352704491501,
            0.1278333371634286,
            0.09487358125573846,
            0.09453989137037211,
            0.03994437929909668,
            0.00039894233026924577,
        ],
    ),
    (
        "special.modified_bessel_i1",
        [0.001, 0.5, 3.0, 10.0, 17.9375, 18.0625, 100.0, 700.0],
        [
            0.0005000000625000026,
            0.2578943053908963,
            3.9533702174026093,
            2670.9883037012546,
            5686442.319529504,
            6422233.346094417,
            1.0683693903381625e42,
            1.5285003902339006e302,
        ],
    ),
    (
        "special.i1e",
        [-3.0, 0.5, 10.0, 17.9375, 18.0625, 100.0, 1000000.0],
        [
            -0.19682671329730086,
            0.1564208031848717,
            0.12126268138445552,
            0.09218990535062072,
            0.09188444614006527,
            0.03974415302513025,
            0.0003989421307980308,
        ],
    ),
    (
        "sinc",
        [1e-08, 0.25, 0.5, 1.5, -2.75, 10.5],
        [
            0.9999999999999999,
            0.9003163161571061,
            0.6366197723675814,
            -0.2122065907891938,
            0.08184693783246419,
            0.03031522725559911,
        ],
    ),
    ("special.entr", [1e-300, 0.25, 1.0, 3.0], [6.9077552789821376e-298, 0.34657359027997264, 0.0, -3.295836866004329]),
    ("logit", [1e-300, 0.25, 0.5, 0.875], [-690.7755278982137, -1.0986122886681098, 0.0, 1.9459101490553132]),
]
ZETA = [
    (2.0, 1.0, 1.6449340668482264),
    (3.0, 0.25, 64.66386996876847),
    (1.125, 2.0, 7.586241294510575),
    (20.0, 1.5, 0.00030073966816718435),
    (4.0, -0.5, 32.234848505667074),
    (3.0, -2.25, -61.94847488703008),
]
GAMMA = [
    (0.001, 0.5, 0.9994399333435292, 0.0005600666564707498),
    (0.5, 0.25, 0.5204998778130465, 0.4795001221869535),
    (0.5, 9.0, 0.9999779095030014, 2.209049699858544e-05),
    (3.0, 2.0, 0.32332358381693654, 0.6766764161830635),
    (3.0, 30.0, 0.9999999999549898, 4.501016648012124e-11),
    (7.5, 7.0, 0.4744708702370911, 0.5255291297629089),
    (8.5, 8.0, 0.4761650741376738, 0.5238349258623263),
    (100.0, 90.0, 0.15822098918643016, 0.8417790108135699),
    (100.0, 120.0, 0.9721362601094793, 0.027863739890520663),
    (1000.0, 1010.0, 0.6276789447369947, 0.3723210552630053),
]


def named(name: str) -> Callable:
    """A function of the package or of `special`; of `polygamma(1)` with its order."""
    if name.startswith("polygamma"):
        return lambda x: m.polygamma(int(name[-2]), x)
    return getattr(m.special, name.removeprefix("special.")) if "." in name else getattr(m, name)


@pytest.mark.parametrize("name,x,expected", VALUES, ids=[row[0] for row in VALUES])
@pytest.mark.parametrize("copies", [1, 3000])
def test_values(name: str, x: list, expected: list, copies: int) -> None:
    """Right to 2e-14 in float64 and 2e-6 in float32, computed by NumPy for few elements and by a kernel for many."""
    wide = named(name)(m.tensor(x * copies, dtype=m.float64)).numpy()
    np.testing.assert_allclose(wide, expected * copies, rtol=2e-14, atol=0)
    narrow = np.asarray(x, np.float32)
    fits = (narrow == x) & (np.abs(expected) > 1e-30) & (np.abs(expected) < 1e30)
    found = named(name)(m.tensor(narrow[fits].tolist() * copies)).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.asarray(expected)[fits].tolist() * copies, rtol=2e-5, atol=1e-7)


def test_zeta() -> None:
    """Of two tensors, of a number and a tensor; below 0, too."""
    for s, q, expected in ZETA:
        for first in (s, m.tensor(s, dtype=m.float64)):
            assert m.special.zeta(first, m.tensor([q], dtype=m.float64)).item() == pytest.approx(expected, rel=1e-14)
    x = m.tensor([1.0, 0.5, 2.0, 2.5, INF], dtype=m.float64)
    q = m.tensor([1.0, 1.0, -1.0, -0.5, 2.0], dtype=m.float64)
    np.testing.assert_array_equal(m.special.zeta(x, q).numpy(), [INF, NAN, INF, NAN, 0.0])
    assert m.special.zeta(m.tensor([2.0]), 3).dtype is m.float32


def test_incomplete_gamma() -> None:
    """Both tails are exact where they are tiny; ends by hand."""
    for a, x, lower, upper in GAMMA:
        at = m.tensor([a], dtype=m.float64), m.tensor([x], dtype=m.float64)
        assert m.igamma(*at).item() == pytest.approx(lower, rel=5e-14)
        assert m.igammac(*at).item() == pytest.approx(upper, rel=5e-14)
    a, x = m.tensor([0.0, 1.0, 1.0, -1.0, 1.0, 0.0, INF]), m.tensor([1.0, 0.0, INF, 1.0, -1.0, 0.0, 1.0])
    np.testing.assert_array_equal(m.igamma(a, x).numpy(), [1, 0, 1, NAN, NAN, NAN, 0])
    np.testing.assert_array_equal(m.igammac(a, x).numpy(), [0, 1, 0, NAN, NAN, NAN, 1])


ENDS: list[tuple] = [
    ("lgamma", [0.0, -0.0, -1.0, -30.0, INF, -INF, NAN, 1.0, 2.0], [INF, INF, INF, INF, INF, INF, NAN, 0.0, 0.0]),
    ("digamma", [0.0, -0.0, -1.0, INF, -INF, NAN], [-INF, INF, NAN, INF, NAN, NAN]),
    ("polygamma(1)", [0.0, INF, NAN], [INF, 0.0, NAN]),
    ("polygamma(2)", [0.0, INF, NAN], [-INF, 0.0, NAN]),
    ("erfinv", [-1.0, 0.0, 1.0, 1.5, -2.0, NAN], [-INF, 0.0, INF, NAN, NAN, NAN]),
    ("special.ndtri", [0.0, 0.5, 1.0, 1.5, -1.0, NAN], [-INF, 0.0, INF, NAN, NAN, NAN]),
    ("special.ndtr", [-INF, INF, NAN], [0.0, 1.0, NAN]),
    ("special.log_ndtr", [-INF, INF, NAN], [-INF, 0.0, NAN]),
    ("special.erfcx", [-INF, INF, NAN, -30.0, 0.0], [INF, 0.0, NAN, INF, 1.0]),
    ("i0", [0.0, INF, -INF, NAN], [1.0, INF, INF, NAN]),
    ("special.i1", [0.0, INF, -INF, NAN], [0.0, INF, -INF, NAN]),
    ("special.i0e", [0.0, INF, -INF, NAN], [1.0, 0.0, 0.0, NAN]),
    ("special.i1e", [0.0, INF, -INF, NAN], [0.0, 0.0, -0.0, NAN]),
    ("special.entr", [0.0, -1.0, INF, NAN], [0.0, -INF, -INF, NAN]),
    ("logit", [0.0, 1.0, -0.5, 1.5, NAN], [-INF, INF, NAN, NAN, NAN]),
    ("sinc", [0.0, 1.0, INF, NAN], [1.0, 3.8981718325193755e-17, NAN, NAN]),
]


@pytest.mark.parametrize("name,x,expected", ENDS, ids=[row[0] for row in ENDS])
@pytest.mark.parametrize("copies", [1, 3000])
def test_ends(name: str, x: list, expected: list, copies: int) -> None:
    """Poles, infinities, NaN, what is outside."""
    found = named(name)(m.tensor(x * copies, dtype=m.float64)).numpy()
    np.testing.assert_allclose(found, expected * copies, rtol=0, atol=2e-16, equal_nan=True)


def derivatives(f: Callable, at: float, orders: int) -> list[float]:
    """The first derivatives of f at a point."""
    x = m.tensor([at], dtype=m.float64, requires_grad=True)
    out, found = f(x), []
    for _ in range(orders):
        (out,) = grad(out, x, m.ones(1, dtype=m.float64), create_graph=True)
        found.append(out.item())
    return found


def test_derivatives_where_a_quotient_has_none() -> None:
    """At 0 sinc and the Bessel functions are 0 / 0 in their formulas, and smooth: their Taylor series say so."""
    assert derivatives(m.sinc, 0.0, 4) == pytest.approx([0, -(np.pi**2) / 3, 0, np.pi**4 / 5])
    assert derivatives(m.special.i1, 0.0, 2) == pytest.approx([0.5, 0])
    assert derivatives(m.i0, 0.0, 2) == pytest.approx([0, 0.5])
    assert derivatives(m.erfinv, 0.0, 3) == pytest.approx([np.sqrt(np.pi) / 2, 0, np.pi**1.5 / 4])
    assert derivatives(m.lgamma, 1.0, 3) == pytest.approx([-0.5772156649015329, np.pi**2 / 6, -2.4041138063191885])


def test_no_derivative_is_an_error_and_not_zero() -> None:
    """For the first operand of zeta, igamma, igammac nobody has a formula; the second has its gradient."""
    for f in (m.special.zeta, m.igamma, m.igammac):
        x, y = m.tensor([2.5], requires_grad=True), m.tensor([1.5], requires_grad=True)
        f(x.detach(), y).backward()
        assert y.grad is not None
        with pytest.raises(NotImplementedError, match="the derivative for"):
            f(x, y).sum().backward()


def test_logit_within_limits() -> None:
    """eps limits the argument first; no gradient passes beyond."""
    x = m.tensor([0.0, 0.25, 0.9], dtype=m.float64, requires_grad=True)
    out = m.logit(x, eps=0.25)
    np.testing.assert_allclose(out.detach().numpy(), [-np.log(3), -np.log(3), np.log(3)])
    out.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0, 16 / 3, 0])
    with pytest.raises(TypeError, match="argument 'eps' must be float, not Tensor"):
        m.logit(x, m.ones(2))


def test_multivariate_gamma() -> None:
    """p = 2 by hand: log(sqrt(pi)) + lgamma(x) + lgamma(x - 1/2)."""
    assert m.mvlgamma(m.tensor([3.0], dtype=m.float64), 2).item() == pytest.approx(
        np.log(np.sqrt(np.pi) * 2 * 1.329340388179137)
    )


def test_integers_become_floats() -> None:
    """The default float, as PyTorch's do; igamma refuses."""
    names = "lgamma digamma erfinv i0 sinc logit special.ndtr special.entr special.i1e polygamma(1)"
    for name, dtype in itertools.product(names.split(), (m.int64, m.uint8, m.bool)):
        assert named(name)(m.ones(3, dtype=dtype)).dtype is m.float32, name
    with pytest.raises(NotImplementedError, match="igamma"):
        m.igamma(m.ones(2).long(), m.ones(2).long())


def test_names_of_special() -> None:
    """One function by several names; `out` and `input` as everywhere."""
    s = m.special
    pairs: list[Any] = [(s.psi, m.digamma), (s.gammaln, m.lgamma), (s.expit, m.sigmoid), (s.modified_bessel_i0, m.i0)]
    for ours, other in pairs:
        assert ours is other
    x = m.tensor([0.5, 2.0])
    assert s.gammainc(x, x).tolist() == m.igamma(x, x).tolist()
    assert s.multigammaln(x + 1, 2).tolist() == x.add(1).mvlgamma(2).tolist()
    assert s.logsumexp(x, 0).item() == m.logsumexp(x, 0).item()
    out = m.zeros(2)
    assert s.polygamma(1, input=x, out=out) is out
    np.testing.assert_allclose(s.zeta(2.0, x, out=m.zeros(2)), out, rtol=3e-7)
    assert x.polygamma(1).tolist() == out.tolist()
