"""Tests of unit 9: windows that choose or average, and the normalisation of a batch."""

import numpy as np

import minitorch
from minitorch.autograd import grad
from minitorch.course.telling import Mistake, answer, gradients, same
from minitorch.geometry import PoolGeometry
from minitorch.kernels import reference
from minitorch.nn import functional as F
from minitorch.ops.pool import average, max_pool, pool_gather, pool_scatter


def _normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def _leaf(array):
    return minitorch.tensor(array).requires_grad_()


def _chosen(x, geometry):
    """Max pooling window by window; the largest values, their places in the plane and in the window."""
    first, pixels = geometry.table
    plane = x.reshape(len(x), -1, x.shape[-1])
    out, choice, inner = (np.zeros((len(x), len(first) - 1, x.shape[-1])) for _ in range(3))
    for n, o, c in np.ndindex(out.shape):
        window = list(pixels[first[o] : first[o + 1]])
        values = [plane[n, i, c] for i in window]
        inner[n, o, c] = values.index(max(values))
        choice[n, o, c], out[n, o, c] = window[int(inner[n, o, c])], max(values)
    shape = (len(x), *geometry.output_size, x.shape[-1])
    return out.reshape(shape), choice.reshape(shape), inner.reshape(shape)


def _pooled(x, geometry, of):
    """Compare with the search, window by window."""
    shape = (len(x), *geometry.output_size, x.shape[-1])
    out, choice = np.full(shape, 99.0), np.full(shape, 99, np.int32)
    kept = x.copy()
    reference.max_pool(x, out, choice, geometry)
    values, places, inner = _chosen(x, geometry)
    turned = PoolGeometry(geometry.input_size, geometry.starts, geometry.stops, geometry.dilation, geometry.counts)
    smallest = -_chosen(-x, turned)[0]
    answer(out, values, f"the maxima of {of}", {"these are the smallest": smallest})
    answer(
        choice,
        places,
        f"the choice of {of}",
        {
            "it counts within each window; it must say where in the plane the pixel stands": inner,
        },
    )
    same(x, kept, "x, which is only to be read,")


def test_9_1_windows_side_by_side():
    """Values, and where they stand."""
    x = np.array([[3.0, 1, 4, 1], [5, 9, 2, 6], [5, 3, 5, 8], [9, 7, 9, 3]]).reshape(1, 4, 4, 1)
    _pooled(x, PoolGeometry.windows((4, 4), 2), "windows of 2x2 side by side")


def test_9_1_overlap():
    """Windows that overlap, padding, images and channels of their own."""
    _pooled(_normal(1, 2, 5, 6, 3), PoolGeometry.windows((5, 6), 3, 2, 1), "windows of 3x3 with stride 2 and padding 1")
    _pooled(_normal(2, 1, 7, 2), PoolGeometry.windows((7,), 2, 1, 0, 3), "windows of one axis with dilation 3")


def test_9_1_negative():
    """The largest of negative numbers is no zero."""
    _pooled(-1 - np.abs(_normal(3, 1, 4, 4, 2)), PoolGeometry.windows((4, 4), 3, 1, 1), "windows of negative numbers")


def test_9_1_ties():
    """Of equals the first, in the order of rows."""
    x = np.array([[1.0, 2, 2], [2, 2, 0], [0, 2, 2]]).reshape(1, 3, 3, 1)
    shape, geometry = (1, 2, 2, 1), PoolGeometry.windows((3, 3), 2, 1)
    out, choice = np.zeros(shape), np.zeros(shape, np.int32)
    reference.max_pool(x, out, choice, geometry)
    mistakes = {"of equals it chose the last; the first is to win": np.array([[4, 4], [7, 8]])}
    answer(choice[0, :, :, 0], np.array([[1, 1], [3, 4]]), "the choice among equal pixels", mistakes)


def _choice(seed, n, pixels, windows, c):
    return np.random.default_rng(seed).integers(pixels, size=(n, windows, c)).astype(np.int32)


def test_9_2_gather():
    """Each number is picked from its own image and channel."""
    x, choice = _normal(4, 2, 3, 2, 2), _choice(5, 2, 6, 4, 2)
    out = np.full((2, 4, 2), 99.0)
    reference.pool_gather(x, choice, out)
    plane = x.reshape(2, 6, 2)
    expected = [[[plane[n, choice[n, o, c], c] for c in range(2)] for o in range(4)] for n in range(2)]
    same(out, expected, "what pool_gather picks")


def test_9_2_scatter():
    """What comes to the same pixel adds up."""
    y, choice = _normal(6, 2, 3, 2, 2), np.zeros((2, 3, 2, 2), np.int32)
    choice[0, ..., 0] = [[0, 1], [1, 2], [2, 1]]
    choice[1, ..., 1] = [[3, 3], [3, 0], [0, 3]]
    out = np.full((2, 2, 2, 2), 99.0)
    reference.pool_scatter(y, choice, out)
    expected, overwritten = np.zeros((2, 4, 2)), np.zeros((2, 4, 2))
    for n, o, c in np.ndindex(2, 6, 2):
        number = y.reshape(2, 6, 2)[n, o, c]
        expected[n, choice.reshape(2, 6, 2)[n, o, c], c] += number
        overwritten[n, choice.reshape(2, 6, 2)[n, o, c], c] = number
    mistakes = {
        "where two windows chose the same pixel, one has overwritten the other: they add up": overwritten,
        "what stood in out before is still in there": expected + 99,
    }
    answer(out.reshape(2, 4, 2), expected, "what pool_scatter puts back", mistakes)


def test_9_2_adjoint():
    """<y, gather(x)> = <scatter(y), x>."""
    x, y, choice = _normal(7, 2, 9, 3), _normal(8, 2, 5, 3), _choice(9, 2, 9, 5, 3)
    gathered, scattered = np.zeros_like(y), np.zeros_like(x)
    reference.pool_gather(x, choice, gathered)
    reference.pool_scatter(y, choice, scattered)
    same((x * scattered).sum(), (y * gathered).sum(), "<x, pool_scatter(y)>, which should be <y, pool_gather(x)>,")


def test_9_2_rules():
    """The gradient of max pooling goes to the chosen pixels; all orders."""
    x = _leaf(np.random.default_rng(10).permutation(50).reshape(1, 2, 5, 5) / 10)
    geometry = PoolGeometry.windows((5, 5), 3, 1)
    g = _normal(11, 1, 2, 3, 3)
    (found,) = grad(max_pool(x, geometry=geometry), x, minitorch.tensor(g))
    _, choice, _ = _chosen(x.detach().numpy().transpose(0, 2, 3, 1), geometry)
    expected = np.zeros((2, 25))
    for c, i, j in np.ndindex(2, 3, 3):
        expected[c, int(choice[0, i, j, c])] += g[0, c, i, j]
    mistakes = {"the sign is wrong": -expected.reshape(1, 2, 5, 5)}
    answer(found, expected.reshape(1, 2, 5, 5), "the gradient of max pooling", mistakes)
    gradients(lambda x: max_pool(x, geometry=geometry) ** 2, x, of="the square of max pooling", second=True)
    places = np.array([[[0, 3, 3]], [[1, 1, 2]]], np.int32)
    gradients(lambda x: pool_gather(x, places), _leaf(_normal(12, 2, 1, 2, 2)), of="pool_gather", second=True)
    y = _leaf(_normal(13, 2, 1, 3))
    gradients(lambda y: pool_scatter(y, places, size=(2, 2)), y, of="pool_scatter", second=True)


def _windows(geometry):
    first, pixels = geometry.table
    return [pixels[a:b] for a, b in zip(first, first[1:], strict=False)]


AVERAGES = (
    ("windows of 2x2 side by side", PoolGeometry.windows((4, 4), 2), 2),
    ("windows of 3x3, stride 1, padding 1", PoolGeometry.windows((4, 3), 3, 1, 1), 3),
)


def test_9_3_sum():
    """Every window's sum has its own factor."""
    for of, geometry, c in AVERAGES:
        x = _normal(14, 2, *geometry.input_size, c)
        scale = 1 + np.arange(np.prod(geometry.output_size)) / 4
        out = np.full((2, *geometry.output_size, c), 99.0)
        reference.window_sum(x, scale, out, geometry)
        plane = x.reshape(2, -1, c)
        sums = np.stack([sum(plane[:, i] for i in window) for window in _windows(geometry)], 1)
        sizes = np.array([len(window) for window in _windows(geometry)])[:, None]
        mistakes = {
            "the scale is missing": sums,
            "it is divided by the pixels of the window as well; the scale does that": scale[:, None] * sums / sizes,
        }
        answer(out.reshape(2, -1, c), scale[:, None] * sums, f"the sums over {of}", mistakes)


def test_9_3_spread():
    """Every pixel collects its share from all windows that hold it."""
    for of, geometry, c in AVERAGES:
        y = _normal(15, 2, *geometry.output_size, c)
        scale = 1 + np.arange(np.prod(geometry.output_size)) / 4
        out = np.full((2, *geometry.input_size, c), 99.0)
        reference.window_spread(y, scale, out, geometry)
        rows, windows = y.reshape(2, -1, c), _windows(geometry)
        pixels = range(int(np.prod(geometry.input_size)))
        holders = [[o for o in range(len(windows)) if i in windows[o]] for i in pixels]
        expected = np.stack([sum(scale[o] * rows[:, o] for o in held) for held in holders], 1)
        mistakes = {
            "where windows overlap, one has overwritten the other: they add up": np.stack(
                [scale[held[-1]] * rows[:, held[-1]] for held in holders], 1
            ),
            "the scale is missing": np.stack([sum(rows[:, o] for o in held) for held in holders], 1),
            "what stood in out before is still in there": expected + 99,
        }
        answer(out.reshape(2, -1, c), expected, f"what is spread over {of}", mistakes)


def test_9_3_rules():
    """Gradients of average pooling, to second order."""
    geometry = PoolGeometry.windows((4, 3), 3, 1, 1)
    scale, x = tuple(1 / d for d in geometry.divisors()), _leaf(_normal(16, 1, 2, 4, 3))
    (found,) = grad(average(x, geometry=geometry, scale=scale).sum(), x)
    plane = np.zeros(12)
    for window, share in zip(_windows(geometry), scale, strict=True):
        plane[window] += share
    expected = np.broadcast_to(plane.reshape(4, 3), (1, 2, 4, 3))
    answer(found, expected, "the gradient of the sum of average pooling", {"the sign is wrong": -expected})
    gradients(lambda x: F.avg_pool2d(x, 2, 1) ** 2, x, of="the square of average pooling", second=True)
    gradients(lambda x: F.adaptive_avg_pool2d(x, (3, 2)) * x[..., :3, :2], x, of="adaptive average pooling")


def _statistics(x, mean=None, var=None, eps=1e-3, momentum=0.25):
    """Mean, variance, invstd and the running ones of batch_norm_statistics."""
    own_mean, own_var, invstd = (np.full(x.shape[1], 99.0) for _ in range(3))
    running_mean, running_var = (np.zeros(0) if r is None else r.copy() for r in (mean, var))
    reference.batch_norm_statistics(x, own_mean, own_var, invstd, running_mean, running_var, eps, momentum)
    return own_mean, own_var, invstd, running_mean, running_var


def test_9_4_of_the_batch():
    """Along the rows, for every channel."""
    x = _normal(17, 6, 3) * [1, 2, 5] + [0, 3, -4]
    mean, variance, invstd, *_ = _statistics(x)
    answer(mean, x.mean(0), "the mean", {"it was not assigned into the array: mean[...] = ...": np.full(3, 99.0)})
    expected = ((x - x.mean(0)) ** 2).mean(0)
    mistakes = {
        "this is the unbiased variance, divided by M - 1; the batch is normalised by the biased one": expected * 6 / 5,
        "this is the mean square, without the mean taken off": (x**2).mean(0),
        "this is the standard deviation; its square is needed": np.sqrt(expected),
    }
    answer(variance, expected, "the variance", mistakes)
    mistakes = {
        "eps is missing: it stands under the root": 1 / np.sqrt(expected),
        "eps was added after the root; it stands under it": 1 / (np.sqrt(expected) + 1e-3),
    }
    answer(invstd, 1 / np.sqrt(expected + 1e-3), "1 / s", mistakes)


def test_9_4_running():
    """Running ones follow with weight momentum; their variance is the unbiased one."""
    x = _normal(18, 5, 2) * [1, 3] + [2, -1]
    before = np.array([10.0, 20.0]), np.array([4.0, 8.0])
    *_, mean, var = _statistics(x, *before)
    answer(
        mean,
        0.75 * before[0] + 0.25 * x.mean(0),
        "the running mean",
        {
            "momentum is the weight of what is new; here it is that of the old": 0.25 * before[0] + 0.75 * x.mean(0),
            "it has not moved: change it in place": before[0],
            "the old one is forgotten": x.mean(0),
        },
    )
    own = x.var(0)
    answer(
        var,
        0.75 * before[1] + 0.25 * own * 5 / 4,
        "the running variance",
        {
            "it follows the biased variance; the unbiased one, divided by M - 1, is needed": 0.75 * before[1]
            + 0.25 * own,
            "momentum is the weight of what is new; here it is that of the old": 0.25 * before[1] + 0.75 * own * 5 / 4,
        },
    )


def test_9_4_a_layer():
    """BatchNorm2d in training and in evaluation."""
    layer = minitorch.nn.BatchNorm2d(2, momentum=0.5)
    x = minitorch.tensor(_normal(19, 4, 2, 3, 3) * 3 + 1).float()
    for parameter in layer.parameters():
        parameter.requires_grad_(False)
    out = layer(x).numpy()
    same(out.mean((0, 2, 3)), np.zeros(2), "the mean of each channel after BatchNorm2d", atol=1e-5)
    same(out.std((0, 2, 3)), np.ones(2), "the deviation of each channel after BatchNorm2d", rtol=1e-4)
    layer.eval()
    array = x.numpy().astype(np.float64)
    mean, var = 0.5 * array.mean((0, 2, 3)), 0.5 + 0.5 * array.var((0, 2, 3), ddof=1)
    expected = (array - mean[:, None, None]) / np.sqrt(var + 1e-5)[:, None, None]
    same(layer(x), expected, "BatchNorm2d in evaluation, after one batch in training,", rtol=1e-4, atol=1e-4)


def test_9_5_terms():
    """What x receives: directly, by the mean and by the variance."""
    x, w, b = _leaf(_normal(25, 4, 2, 3)), _leaf(np.array([2.0, -0.5])), _leaf(np.zeros(2))
    g = _normal(26, 4, 2, 3)
    (found,) = grad(F.batch_norm(x, None, None, w, b, training=True), x, minitorch.tensor(g))
    array, weight, axes = x.detach().numpy(), w.detach().numpy()[:, None], (0, 2)
    s = np.sqrt(array.var(axes, keepdims=True) + 1e-5)
    h = (array - array.mean(axes, keepdims=True)) / s
    centred, along = g - g.mean(axes, keepdims=True), h * (g * h).mean(axes, keepdims=True)
    mistakes = {
        "mean and variance are taken for constants: each x moves them, too": weight * g / s,
        "a missing term: x also moves the variance, which is h times the mean of g h": weight * centred / s,
        "a missing term: x also moves the mean": weight * (g - along) / s,
        "w is missing": (centred - along) / s,
        "the factor 1/s is missing": weight * (centred - along),
        "the sign of the terms is wrong: they are taken off": weight * (2 * g - centred + along) / s,
        "sums were taken off in place of means": weight
        * (g - g.sum(axes, keepdims=True) - h * (g * h).sum(axes, keepdims=True))
        / s,
    }
    answer(found, weight * (centred - along) / s, "the gradient of batch norm for x", mistakes)


def test_9_5_second_order():
    """Of the whole function, and of its gradient."""
    x, w, b = _leaf(_normal(22, 3, 2, 2)), _leaf(_normal(23, 2)), _leaf(_normal(24, 2))
    out = F.batch_norm(x, None, None, w, b, training=True)
    (recorded,) = grad(out[0].square().sum(), x, create_graph=True)
    if not recorded.requires_grad:
        raise Mistake("the gradient is cut off from the tape: use tensor operations alone, no arrays")
    gradients(lambda *xwb: F.batch_norm(xwb[0], None, None, *xwb[1:], True), x, w, b, of="batch norm", second=True)


def _backward(seed=20, m=7, c=3, eps=0.1):
    """A gradient through batch_norm, all of its terms computed one by one."""
    x, g, w = _normal(seed, m, c) * 2 + 1, _normal(seed + 1, m, c), np.array([1.0, -2.0, 0.5])
    mean, invstd = x.mean(0), 1 / np.sqrt(x.var(0) + eps)
    h, none = (x - mean) * invstd, np.zeros(0)
    sums = np.full(c, 99.0), np.full(c, 99.0)
    reference.batch_norm_sums(x, g, none, mean, invstd, invstd * w, none, *sums)
    out = np.full((m, c), 99.0)
    expected = g.sum(0), (g * h).sum(0)
    reference.batch_norm_input_grad(x, g, none, mean, invstd, invstd * w, none, *expected, out)
    return x, g, h, invstd * w, sums, expected, out


def test_9_6_sums():
    """What b and w receive."""
    _, g, h, _, sums, expected, _ = _backward()
    answer(sums[0], expected[0], "sum_g", {"it is averaged; the sum is needed": expected[0] / 7})
    mistakes = {
        "it is averaged; the sum is needed": expected[1] / 7,
        "this is the sum of g x: x has to be normalised first": (g * _backward()[0]).sum(0),
    }
    answer(sums[1], expected[1], "sum_gh", mistakes)


def test_9_6_input():
    """What x receives: directly, by the mean and by the variance."""
    _, g, h, scale, _, _, out = _backward()
    all_of_it = scale * (g - g.mean(0) - h * (g * h).mean(0))
    mistakes = {
        "mean and variance are taken for constants: each x moves them, too": scale * g,
        "a missing term: x also moves the variance, which is h times the mean of g h": scale * (g - g.mean(0)),
        "a missing term: x also moves the mean": scale * (g - h * (g * h).mean(0)),
        "the sums were not divided by M": scale * (g - g.sum(0) - h * (g * h).sum(0)),
        "the sign of the terms is wrong: they are taken off": scale * (g + g.mean(0) + h * (g * h).mean(0)),
    }
    answer(out, all_of_it, "the gradient of batch norm for x", mistakes)


def test_9_6_in_a_layer():
    """Out of plain mode the kernels serve: they give the gradient that the tensor operations give."""
    x, w, b = _leaf(_normal(27, 5, 2, 3)), _leaf(np.array([2.0, -0.5])), _leaf(np.zeros(2))
    g = minitorch.tensor(_normal(28, 5, 2, 3))
    found = []
    try:
        for minitorch.backends.plain.enabled in (True, False):
            out = F.batch_norm(x, None, None, w, b, training=True)
            found.append(grad(out, (x, w, b), g))
    finally:
        minitorch.backends.plain.enabled = True
    for name, plain, fast in zip("xwb", *found, strict=True):
        same(fast, plain, f"the gradient of batch norm for {name} by the kernels, compared with the tensor operations,")
