"""Tests of unit 11: loops for numba. Most run the functions as plain Python, which saves the time of compiling them."""

import numpy as np

from minitorch.course.telling import Mistake, answer, same
from minitorch.kernels import loops

STRIDE, DILATION = (2, 3), (3, 2)


def _operands(n=2, c=2, k=3, rows=2, columns=3, kernel=(2, 3), dtype=np.float64):
    """x, padded already, w as users have it, and a y of the shape of the result."""
    random = np.random.default_rng(11)
    size = [(o - 1) * s + (t - 1) * d + 1 for o, t, s, d in zip((rows, columns), kernel, STRIDE, DILATION, strict=True)]
    x = random.standard_normal((n, *size, c)).astype(dtype)
    w = random.standard_normal((k, c, *kernel)).astype(dtype)
    return x, w, random.standard_normal((n, rows, columns, k)).astype(dtype)


def _seen(x, tap, shape, stride=STRIDE, dilation=DILATION):
    """The pixels of x that all windows see through a tap, (N, rows, columns, C)."""
    (u, v), (s, t), (d, e) = tap, stride, dilation
    return x[:, u * d : u * d + (shape[1] - 1) * s + 1 : s, v * e : v * e + (shape[2] - 1) * t + 1 : t]


def _conv(x, w, shape, **settings):
    """The convolution, tap by tap."""
    out = np.zeros(shape)
    for tap in np.ndindex(*w.shape[2:]):
        out += _seen(x, tap, shape, **settings) @ w[(...,) + tap].T
    return out


def _collected(x, y, kernel):
    """The weight gradient (rows, columns, C, K)."""
    out = np.zeros((*kernel, x.shape[3], y.shape[3]))
    for tap in np.ndindex(*kernel):
        out[tap] = np.einsum("nijc,nijk->ck", _seen(x, tap, y.shape), y)
    return out


def _spread(y, w, size):
    """The transposed convolution, into images of this size."""
    out = np.zeros((y.shape[0], *size, w.shape[1]))
    for tap in np.ndindex(*w.shape[2:]):
        _seen(out, tap, y.shape)[...] += y @ w[(...,) + tap]
    return out


def _mistakes(x, w, y):
    right = _conv(x, w, y.shape)
    return right, {
        "the stride is missing: window i begins at pixel i * stride": _conv(x, w, y.shape, stride=(1, 1)),
        "the dilation is missing: tap u is u * dilation pixels from the first": _conv(x, w, y.shape, dilation=(1, 1)),
        "the kernel is turned round": _conv(x, w[:, :, ::-1, ::-1], y.shape),
        "what stood in out before is still in there": right + 99,
        "only the first channel of x is counted": _conv(x[..., :1], w[:, :1], y.shape),
    }


def test_11_1_the_definition():
    """All images, channels, windows and taps, with stride and dilation."""
    x, w, y = _operands()
    right, mistakes = _mistakes(x, w, y)
    out = np.full(y.shape, 99.0)
    loops.definition.py_func(x, w, out, STRIDE, DILATION)
    answer(out, right, "the convolution", mistakes)


def test_11_1_compiled():
    """numba takes the loops as they are."""
    x, w, y = _operands(dtype=np.float32)
    out = np.empty(y.shape, np.float32)
    loops.definition(x, w, out, STRIDE, DILATION)
    same(out, _conv(x, w, y.shape), "the compiled convolution, in float32,", rtol=1e-4, atol=1e-4)


def _a_row(function, x, w, y, n, i):
    right, mistakes = _mistakes(x, w, y)
    out = np.full(y.shape, 99.0)
    function(x, loops.packed(w), out, STRIDE, DILATION, n, i)
    answer(out[n, i], right[n, i], f"row {i} of image {n}", {words: v[n, i] for words, v in mistakes.items()})
    out[n, i] = 99
    same(out, np.full(y.shape, 99.0), "every other row, where nothing may be written,")


def test_11_2_a_row():
    """One row is written, whatever stood in it, and no other."""
    x, w, y = _operands()
    for n, i in ((1, 1), (0, 0), (1, 0)):
        _a_row(loops.row.py_func, x, w, y, n, i)


def test_11_2_compiled():
    """Row by row it is the convolution."""
    x, w, y = _operands(dtype=np.float32)
    out = np.empty(y.shape, np.float32)
    loops.ordered(x, loops.packed(w), out, STRIDE, DILATION)
    same(out, _conv(x, w, y.shape), "the compiled convolution, in float32,", rtol=1e-4, atol=1e-4)


def _on_threads(run, right, of):
    """Compare what `run` fills with zeros and nines, on one thread and, several times, on two."""
    results = []
    for threads in (1, *[2] * 12):
        try:
            loops.set_num_threads(threads)
        except ValueError:
            break  # this machine has one core
        out = np.full(right.shape, 99.0)
        run(out)
        results.append(out)
    loops.set_num_threads(1)
    answer(results[0], right, f"{of} on one thread", {"what stood in out before is still in there": right + 99})
    for out in results[1:]:
        if not np.array_equal(out, results[0]):
            share = np.count_nonzero(out != results[0]) / out.size
            raise Mistake(
                f"{of} is right on one thread, but on two {share:.0%} of the numbers differ from that: two workers "
                "write to the same numbers, a race. Let each number have one owner."
            )


def test_11_3_forward():
    """A worker owns rows."""
    x, w, y = _operands(n=3, rows=4)
    right, _ = _mistakes(x, w, y)
    packed = loops.packed(w)
    _on_threads(lambda out: loops.forward(x, packed, out, STRIDE, DILATION, False), right, "the convolution")


def test_11_3_scatter():
    """Windows overlap, and so do their rows."""
    x, w, y = _operands(n=40, rows=6, columns=9)
    packed = np.ascontiguousarray(w.transpose(2, 3, 0, 1))
    right = _spread(y, w, x.shape[1:3])
    _on_threads(lambda out: loops.scatter(y, packed, out, STRIDE, DILATION), right, "the transposed convolution")


def test_11_3_collect():
    """All images add to the same numbers."""
    x, w, y = _operands(n=60, rows=24, columns=24)
    right = _collected(x, y, w.shape[2:])
    _on_threads(lambda out: loops.collect(x, y, out, STRIDE, DILATION), right, "the weight gradient")


def test_11_4_four_pixels():
    """Rows of four, eight, and of what is no multiple of four; one row is written, and no other."""
    for columns in (4, 8, 6, 3):
        x, w, y = _operands(columns=columns)
        for n, i in ((1, 0), (0, 1)):
            _a_row(loops.four_pixels.py_func, x, w, y, n, i)


def test_11_4_compiled():
    """The compiled function agrees with the plain one."""
    x, w, y = _operands(columns=7, dtype=np.float32)
    out = np.empty(y.shape, np.float32)
    for n, i in np.ndindex(*y.shape[:2]):
        loops.four_pixels(x, loops.packed(w), out, STRIDE, DILATION, n, i)
    same(out, _conv(x, w, y.shape), "the compiled convolution, in float32,", rtol=1e-4, atol=1e-4)
