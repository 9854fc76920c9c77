"""Reference and numba kernels: same names, same values; what the doors to them do."""

from __future__ import annotations

import inspect
import itertools
import pickle

import numpy as np
import pytest
from kernel_samples import CONVOLUTIONS, DTYPES, compare, in_process, needs_numba

from minitorch import kernels
from minitorch.geometry import ConvGeometry, PoolGeometry
from minitorch.kernels import reference
from minitorch.kernels.tile import algorithm


# ------------------------------------------------------------------------------------------------ values
@pytest.mark.parametrize("name", reference.declarations)
def test_fast_kernels_agree_with_reference(name):
    """Over all samples of this name, of which there are some, and both dtypes."""
    assert compare(names=(name,)) == {name}


@needs_numba
def test_both_implementations_export_the_same_names():
    """What the numba files export is what reference.py exports."""
    assert set(kernels._fast()) == set(reference.declarations)


@pytest.mark.parametrize("name", reference.declarations)
def test_a_door_bears_what_reference_declares(name):
    """Name, docstring and signature; it is another function, and pickled by its public name."""
    door, declared = getattr(kernels, name), getattr(reference, name)
    assert door is not declared and name in kernels.__all__
    assert (door.__name__, door.__doc__) == (name, declared.__doc__) and declared.__doc__
    assert inspect.signature(door) == inspect.signature(declared)
    assert pickle.loads(pickle.dumps(door)) is door
    _, operands, results, _ = reference.declarations[name]
    kinds = [parameter.annotation for parameter in inspect.signature(door).parameters.values()]
    assert [i for i, kind in enumerate(kinds) if kind == "np.ndarray"] == list(range(operands + results))


@needs_numba
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("setting", ["direct", "winograd"])
def test_a_finished_convolution_has_the_bits_of_two_kernels(dtype, setting, monkeypatch):
    """conv, then batch_norm_apply: with r and without, with ReLU and without, NaN and -0.0 among the results."""
    monkeypatch.setattr(algorithm, "setting", setting)
    rng = np.random.default_rng(2)
    for case, (batch, channels, outputs, g) in CONVOLUTIONS.items():
        x, w, r = (
            rng.standard_normal(shape).astype(dtype)
            for shape in (
                (batch, *g.input_size, channels),
                (outputs, channels // g.groups, *g.kernel_size),
                (batch, *g.output_size, outputs),
            )
        )
        x[:1, :1] = np.nan
        x[1:2] = 0
        y, none = np.empty_like(r), np.empty(0, dtype)
        kernels.conv(x, w, y, g)
        rows = y.reshape(-1, outputs)
        normal, same = rng.standard_normal((3, outputs)).astype(dtype), np.ones((3, outputs), dtype)
        same[0], same[2] = 0, -0.0
        turned = same * np.array([[1], [-1], [1]], dtype)
        for factors in (normal, same, turned):
            for other, relu in itertools.product((none, r), (False, True)):
                expected, got = np.empty_like(rows), np.full_like(y, 7)
                others = other.reshape(-1, outputs) if other.size else none
                kernels.batch_norm_apply(rows, others, *factors, expected, relu)
                kernels.conv_normal(x, w, other, *factors, got, g, relu)
                assert got.tobytes() == expected.tobytes(), (case, other.size, relu)
                if factors is same and not other.size and not relu:
                    assert got.tobytes() == y.tobytes(), case


def test_convolution_by_hand():
    """A case small enough to write down: correlation, not convolution; zeros outside."""
    g = ConvGeometry.of((4,), 3, stride=2, padding=1)
    x, w = np.array([1, 2, 3, 4.0]).reshape(1, 4, 1), np.array([1, 10, 100.0]).reshape(1, 1, 3)
    for implementation in (reference, kernels):
        out = np.empty((1, 2, 1))
        implementation.conv(x, w, out, g)
        assert out.ravel().tolist() == [210, 432]


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_the_three_faces_of_one_trilinear_form(case):
    """sum(y * conv(x, w)) = sum(x * conv_transpose(y, w)) = sum(w * conv_weight_grad(x, y))."""
    batch, channels, outputs, g = CONVOLUTIONS[case]
    rng = np.random.default_rng(1)
    x = rng.standard_normal((batch, *g.input_size, channels))
    w = rng.standard_normal((outputs, channels // g.groups, *g.kernel_size))
    y = rng.standard_normal((batch, *g.output_size, outputs))
    for implementation in (reference, kernels):
        gx, gw, gy = np.empty_like(x), np.empty_like(w), np.empty_like(y)
        implementation.conv(x, w, gy, g)
        implementation.conv_transpose(y, w, gx, g)
        implementation.conv_weight_grad(x, y, gw, g)
        form = np.vdot(y, gy)
        np.testing.assert_allclose([np.vdot(x, gx), np.vdot(w, gw)], [form, form], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", DTYPES)
def test_statistics_survive_a_large_mean(dtype):
    """Deviation 1 round a mean of 1e4: the variance keeps its digits."""
    x = (np.random.default_rng(0).standard_normal((10_000, 3)) + [0, 1e4, -1e4]).astype(dtype)
    mean, variance, invstd = np.empty((3, 3), dtype)
    none = np.empty(0, dtype)
    kernels.batch_norm_statistics(x, mean, variance, invstd, none, none, 1e-5, 0.1)
    wide = x.astype(np.longdouble)
    np.testing.assert_allclose(variance, wide.var(0), rtol=1e-6)
    np.testing.assert_allclose(mean, wide.mean(0), rtol=1e-6, atol=1e-6)


def test_max_pool_choices():
    """The first of equals, the last NaN, and -inf is a value like any other."""
    x = np.array([[1, 1, -np.inf, -np.inf, np.nan, 2, np.nan, np.nan]]).reshape(1, 8, 1)
    for implementation in (reference, kernels):
        out, choice = np.empty((1, 4, 1)), np.empty((1, 4, 1), np.int32)
        implementation.max_pool(x, out, choice, PoolGeometry.windows((8,), 2))
        np.testing.assert_array_equal(out.ravel(), [1, -np.inf, np.nan, np.nan])
        assert choice.ravel().tolist() == [0, 2, 4, 7]


# ------------------------------------------------------------------------------------------------ the door
def test_any_layout_is_served():
    """Strided and read-only operands, strided results, float16 and big-endian numbers."""
    g = ConvGeometry.of((5, 5), 3, padding=1)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 5, 5)).transpose(0, 2, 3, 1), rng.standard_normal((4, 3, 3, 3))
    w.flags.writeable = False
    expected = np.empty((2, 5, 5, 4))
    reference.conv(x, w, expected, g)
    out = np.empty((2, 4, 5, 5)).transpose(0, 2, 3, 1)
    kernels.conv(x, w, out, g)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)
    for dtype, tolerance in (("float16", 0.05), (">f8", 1e-12)):
        out = np.empty(expected.shape, dtype)
        kernels.conv(x.astype(dtype), w.astype(dtype), out, g)
        np.testing.assert_allclose(out.astype(float), expected, atol=tolerance)


@pytest.mark.parametrize("environment", [{"MINITORCH_KERNELS": "reference"}, {"NUMBA_DISABLE_JIT": "1"}])
def test_the_reference_can_be_chosen(environment):
    """By its own variable, or because numba is switched off; numba is then not imported."""
    out, _ = in_process(
        "compare(names=('conv', 'max_pool')); print(kernels.implementation(), 'numba' in sys.modules)", **environment
    )
    assert out == "reference False"
