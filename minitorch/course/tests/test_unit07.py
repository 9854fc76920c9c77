"""Tests of unit 7: window arithmetic and the convolution."""

import itertools

import numpy as np

from minitorch.course.telling import Mistake, answer, same
from minitorch.geometry import ConvGeometry
from minitorch.kernels import reference


def _axis(size, kernel, stride=1, padding=0, dilation=1):
    """A geometry of one axis, and what to call it."""
    names = {"stride": stride, "padding": padding, "dilation": dilation}
    said = [f"{name} {value}" for name, value in names.items() if value != (0 if name == "padding" else 1)]
    text = f"{size} pixels and a kernel of {kernel}" + "".join(f", {part}" for part in said)
    return ConvGeometry.of((size,), kernel, stride, padding, dilation), text


def _windows(size, kernel, stride=1, padding=0, dilation=1):
    """How many windows fit: counted."""
    before, after = padding if isinstance(padding, tuple) else (padding, padding)
    last = [start + dilation * (kernel - 1) for start in range(0, size + before + after, stride)]
    return sum(position < size + before + after for position in last)


def test_7_1_span():
    """From the first tap to the last."""
    for kernel, dilation, span in ((3, 1, 3), (1, 1, 1), (1, 4, 1), (3, 2, 5), (4, 3, 10)):
        geometry, text = _axis(20, kernel, dilation=dilation)
        mistakes = {
            "d more than it should be: k taps have k - 1 steps between them, not k": [dilation * kernel],
            "the dilation is not counted": [kernel],
            "the last pixel is not counted: both ends belong to the span": [dilation * (kernel - 1)],
        }
        answer(geometry.extent, [span], f"the extent for {text}", mistakes)


def _check_windows(size, kernel, stride=1, padding=0, dilation=1):
    geometry, text = _axis(size, kernel, stride, padding, dilation)
    got, expected = geometry.output_size, _windows(size, kernel, stride, padding, dilation)
    if got == (expected,):
        return
    reason = ""
    if isinstance(got, tuple) and len(got) == 1 and isinstance(got[0], int):
        if padding and got[0] == _windows(size, kernel, stride, 0, dilation):
            reason = "\nthat many fit into the input without its padding"
        elif dilation > 1 and got[0] == _windows(size, kernel, stride, padding):
            reason = "\nthat many fit without dilation: a window spans `extent` pixels"
        elif got[0] > expected:
            reason = "\nthe last of them would stick out of the padded input"
        elif got[0] < expected:
            reason = "\nthere is room for one more window"
    raise Mistake(f"the output size for {text} is wrong: got {got}, expected {(expected,)}{reason}")


def test_7_1_windows_side_by_side():
    """Stride 1, no padding."""
    for settings in ((5, 3), (3, 3), (8, 1)):
        _check_windows(*settings)


def test_7_1_stride():
    """Also where pixels are left over behind the last window."""
    for settings in ((9, 3, 2), (10, 3, 2), (12, 2, 2), (7, 1, 3), (11, 4, 4)):
        _check_windows(*settings)


def test_7_1_padding_and_dilation():
    """Zeros round the image make room, dilation takes it."""
    for settings in ((6, 3, 1, 1), (6, 3, 2, 1), (9, 3, 1, 0, 2), (12, 3, 2, 2, 2), (5, 3, 1, 3, 4)):
        _check_windows(*settings)


def test_7_1_axes():
    """Every axis has its own numbers, and padding may differ before and after."""
    geometry = ConvGeometry.of((9, 14, 5), (3, 2, 1), (2, 3, 1), ((1, 0), (0, 0), (2, 1)), (1, 4, 1))
    same(geometry.extent, (3, 5, 1), "the extent of a kernel of (3, 2, 1) with dilation (1, 4, 1)")
    same(geometry.output_size, (4, 4, 8), "the output size of three axes with settings of their own")
    if not isinstance(geometry.output_size, tuple):
        raise Mistake(f"the output size is a {type(geometry.output_size).__name__}; a tuple of ints is needed")


def _seen(*settings):
    """The positions seen through each tap of a geometry of one axis, and what the equation says."""
    geometry, text = _axis(*settings)
    line = np.arange(geometry.padded_size[0])
    found = {tap[-1]: line[seen[1]] for tap, seen in reference._taps(geometry)}
    stride, dilation = geometry.stride[0], geometry.dilation[0]
    for t, positions in found.items():
        expected = [o * stride + t * dilation for o in range(geometry.output_size[0])]
        if len(positions) != len(expected):
            raise Mistake(
                f"through tap {t}, for {text}, there are {len(positions)} positions, but {len(expected)} windows: "
                f"got {positions.tolist()}, expected {expected}"
            )
        mistakes = {
            "stride and dilation are exchanged": [o * dilation + t * stride for o in range(len(expected))],
            "the dilation is not counted: tap t lies t*d after the first": [
                o * stride + t for o in range(len(expected))
            ],
            "the stride is not counted: windows start s apart": [o + t * dilation for o in range(len(expected))],
            "the padding is counted twice: the positions are those of the padded input": [
                position - geometry.padding[0][0] for position in expected
            ],
        }
        answer(positions, expected, f"what is seen through tap {t}, for {text},", mistakes)


def test_7_2_taps():
    """Windows side by side."""
    _seen(6, 3)
    _seen(4, 4)


def test_7_2_stride_and_dilation():
    """Steps between windows, and between taps."""
    for settings in ((9, 3, 2), (9, 3, 1, 0, 2), (12, 3, 3, 0, 2), (11, 3, 2)):
        _seen(*settings)


def test_7_2_padding():
    """Positions count from the first pixel of the padded input."""
    _seen(6, 3, 2, 2)
    _seen(5, 2, 1, 1, 3)


def test_7_2_axes():
    """Every axis has a slice; an image is indexed with all of them at once."""
    geometry = ConvGeometry.of((5, 7), (2, 3), (2, 1), (0, 1), (1, 2))
    padded = np.arange(2 * 5 * 9 * 3).reshape(2, 5, 9, 3)
    for tap, seen in reference._taps(geometry):
        (_, ty, tx), rows, columns = tap, 2 * np.arange(2), np.arange(5)
        expected = padded[:, rows + ty][:, :, columns + 2 * tx]
        same(padded[seen], expected, f"what the windows see through tap ({ty}, {tx})")


def _at(place):
    """The index of a pixel: of all images, then its place."""
    return (slice(None), *place)


def _convolved(x, w, geometry):
    """The definition, pixel by pixel."""
    padded = np.zeros((len(x), *geometry.padded_size, x.shape[-1]))
    corner = [before for before, _ in geometry.padding]
    padded[_at(map(slice, corner, np.add(corner, geometry.input_size)))] = x
    groups, each = geometry.groups, w.shape[0] // geometry.groups
    out = np.zeros((len(x), *geometry.output_size, w.shape[0]))
    for at in itertools.product(*map(range, geometry.output_size)):
        for tap in itertools.product(*map(range, geometry.kernel_size)):
            place = tuple(o * s + t * d for o, s, t, d in zip(at, geometry.stride, tap, geometry.dilation, strict=True))
            for k in range(w.shape[0]):
                first = k // each * (x.shape[-1] // groups)
                pixel = padded[_at(place)][:, first : first + w.shape[1]]
                out[_at(at)][:, k] += pixel @ w[k][_at(tap)]
    return out


def _convolve(geometry, n, c, k, of):
    """Compare a convolution of random numbers with the definition, and with what known mistakes give."""
    random = np.random.default_rng(7)
    x = random.standard_normal((n, *geometry.input_size, c))
    w = random.standard_normal((k, c // geometry.groups, *geometry.kernel_size))
    kept, out = x.copy(), np.full((n, *geometry.output_size, k), 99.0)
    reference.conv(x, w, out, geometry)
    expected, space = _convolved(x, w, geometry), tuple(range(2, w.ndim))
    mistakes = {
        "the kernel is turned round: tap 0 looks at the first pixel of its window": _convolved(
            x, np.flip(w, space), geometry
        ),
        "the results of the taps have overwritten each other: they add up": _convolved(
            x,
            np.where(
                np.arange(np.prod(geometry.kernel_size)).reshape(geometry.kernel_size) + 1
                < np.prod(geometry.kernel_size),
                0,
                w,
            ),
            geometry,
        ),
        "what stood in out before is still in there": expected + 99,
    }
    answer(out, expected, of, mistakes)
    same(x, kept, f"x, after {of}: the input is only to be read, and")


def test_7_3_one_channel():
    """A single image with one channel, one axis."""
    _convolve(ConvGeometry.of((6,), 3), 1, 1, 1, "a convolution of 6 pixels with a kernel of 3")


def test_7_3_channels_and_images():
    """The channels of a pixel are added up, each image is alone."""
    _convolve(ConvGeometry.of((5, 6), (3, 2)), 2, 3, 4, "a convolution of two images of 3 channels")


def test_7_3_padding():
    """Zeros around, as many on either side as the geometry says."""
    geometry = ConvGeometry.of((5, 5), 3, 1, ((2, 0), (1, 1)))
    x, w = np.ones((1, 5, 5, 1)), np.ones((1, 1, 3, 3))
    out = np.zeros((1, *geometry.output_size, 1))
    reference.conv(x, w, out, geometry)
    rows = np.array([1, 2, 3, 3, 3])
    exchanged = np.array([3, 3, 3, 2, 1])
    columns = np.array([2, 3, 3, 3, 2])
    mistakes = {
        "the zeros before and after an axis are exchanged": exchanged[:, None] * columns,
        "the zeros before the axis are missing: every window looks too far": np.array([3, 3, 3, 2, 1])[:, None]
        * np.array([3, 3, 3, 2, 1]),
        "the border repeats the edge of the image; it holds zeros": np.full((5, 5), 9),
    }
    answer(out[0, :, :, 0], rows[:, None] * columns, "a convolution of ones, two rows of zeros above it,", mistakes)
    _convolve(geometry, 1, 2, 2, "a convolution with padding (2, 0) and (1, 1)")


def test_7_3_stride_and_dilation():
    """All settings at once, in one, two and three dimensions."""
    _convolve(ConvGeometry.of((9,), 3, 2, 2, 2), 2, 2, 3, "a convolution with stride 2, padding 2, dilation 2")
    _convolve(ConvGeometry.of((6, 7), (2, 3), (2, 1), 1, (1, 2)), 1, 2, 2, "a convolution of two axes")
    _convolve(ConvGeometry.of((3, 4, 5), 2, 1, 1), 1, 1, 2, "a convolution of three axes")


def test_7_3_groups():
    """Channels of one group do not see those of another."""
    _convolve(ConvGeometry.of((4, 4), 3, 1, 1, 1, 2), 1, 4, 6, "a convolution of two groups")
    _convolve(ConvGeometry.of((5,), 3, groups=3), 2, 3, 3, "a depthwise convolution")
