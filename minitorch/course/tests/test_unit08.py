"""Tests of unit 8: the adjoints of a convolution and the rules that use them."""

import itertools

import numpy as np

import minitorch
from minitorch.autograd import grad
from minitorch.course.telling import answer, gradients, same
from minitorch.geometry import ConvGeometry
from minitorch.kernels import reference
from minitorch.ops.conv import add_bias, bias_grad, conv, conv_transpose, conv_weight_grad


def _terms(geometry):
    """Each window, tap and pixel that a convolution connects, as index tuples."""
    for tap in itertools.product(*map(range, geometry.kernel_size)):
        for at in itertools.product(*map(range, geometry.output_size)):
            moved = zip(at, tap, geometry.stride, geometry.dilation, geometry.padding, strict=True)
            place = tuple(o * s + t * d - before for o, t, s, d, (before, _) in moved)
            if all(0 <= i < size for i, size in zip(place, geometry.input_size, strict=True)):
                yield at, tap, place


def _at(place, axes=1):
    """The index of a pixel: all of the first axes, then its place."""
    return (*[slice(None)] * axes, *place)


def _blocks(geometry, w):
    """For each group: its channels of x, its channels of y, its part of w."""
    each = len(w) // geometry.groups
    for group in range(geometry.groups):
        low = group * w.shape[1]
        yield (
            slice(low, low + w.shape[1]),
            slice(group * each, (group + 1) * each),
            w[group * each : (group + 1) * each],
        )


def _random(geometry, n, c, k):
    random = np.random.default_rng(8)
    x = random.standard_normal((n, *geometry.input_size, c))
    w = random.standard_normal((k, c // geometry.groups, *geometry.kernel_size))
    y = random.standard_normal((n, *geometry.output_size, k))
    return x, w, y


def _spread(y, w, geometry, channels, add=True):
    """The transposed convolution, product by product."""
    out = np.zeros((y.shape[0], *geometry.input_size, channels))
    for at, tap, place in _terms(geometry):
        for c, k, part in _blocks(geometry, w):
            arriving = y[_at(at)][:, k] @ part[_at(tap, 2)]
            target = out[_at(place)][:, c]
            target[...] = target + arriving if add else arriving
    return out


def _transpose(geometry, n, c, k, of):
    _, w, y = _random(geometry, n, c, k)
    out = np.full((n, *geometry.input_size, c), 99.0)
    reference.conv_transpose(y, w, out, geometry)
    space = tuple(range(2, w.ndim))
    expected = _spread(y, w, geometry, c)
    mistakes = {
        "where windows overlap, one has overwritten the other: they add up": _spread(y, w, geometry, c, add=False),
        "the kernel is turned round; a number goes back through the tap it came by": _spread(
            y, np.flip(w, space), geometry, c
        ),
        "what stood in out before is still in there": expected + 99,
    }
    shifted = ConvGeometry.of(
        geometry.padded_size, geometry.kernel_size, geometry.stride, 0, geometry.dilation, geometry.groups
    )
    whole = _spread(y, w, shifted, c)
    first = tuple(slice(0, size) for size in geometry.input_size)
    last = tuple(
        slice(padded - size, padded) for padded, size in zip(geometry.padded_size, geometry.input_size, strict=True)
    )
    for words, part in (("begins too early: first come the zeros of the padding", first), ("begins too late", last)):
        mistakes[f"the part that was cut out {words}"] = whole[_at(part)]
    answer(out, expected, of, mistakes)


def test_8_1_windows_overlap():
    """A pixel collects from all windows that cover it."""
    _transpose(ConvGeometry.of((6,), 3), 1, 1, 1, "the transposed convolution of one channel, kernel 3,")


def test_8_1_channels():
    """y has K channels, out has C."""
    _transpose(ConvGeometry.of((5, 4), (3, 2)), 2, 3, 3, "the transposed convolution from 3 channels to 3")
    _transpose(ConvGeometry.of((5, 4), (3, 2)), 2, 2, 4, "the transposed convolution from 4 channels to 2")


def test_8_1_padding():
    """What arrives at the zeros round the image is dropped."""
    geometry = ConvGeometry.of((5, 5), 3, 1, ((2, 0), (1, 1)))
    _transpose(geometry, 1, 2, 3, "the transposed convolution with padding (2, 0) and (1, 1)")


def test_8_1_left_over():
    """Pixels behind the last window receive nothing, and exist."""
    _transpose(ConvGeometry.of((9,), 2, 3), 1, 1, 2, "the transposed convolution with 2 pixels left over")
    _transpose(ConvGeometry.of((8, 7), 3, 2, 1, 2, 2), 2, 4, 2, "the transposed convolution with all settings")


def test_8_1_adjoint():
    """<y, conv(x, w)> = <x, conv_transpose(y, w)>, in three dimensions."""
    geometry = ConvGeometry.of((4, 5, 3), (3, 2, 2), (1, 2, 1), 1)
    x, w, y = _random(geometry, 2, 2, 3)
    forward, back = np.zeros_like(y), np.zeros_like(x)
    reference.conv(x, w, forward, geometry)
    reference.conv_transpose(y, w, back, geometry)
    same((x * back).sum(), (y * forward).sum(), "<x, conv_transpose(y, w)>, which should be <y, conv(x, w)>,")


def _collected(x, y, w, geometry):
    """The gradient for w, product by product."""
    out = np.zeros_like(w)
    for at, tap, place in _terms(geometry):
        for c, k, part in _blocks(geometry, out):
            part[_at(tap, 2)] += y[_at(at)][:, k].T @ x[_at(place)][:, c]
    return out


def _weight(geometry, n, c, k, of):
    x, w, y = _random(geometry, n, c, k)
    out = np.full(w.shape, 99.0)
    reference.conv_weight_grad(x, y, out, geometry)
    expected = _collected(x, y, w, geometry)
    mistakes = {
        "it is averaged over the images; the loss says how to average, a gradient adds up": expected / n,
        "it is averaged over images and windows; a gradient adds up": expected / (y.size / k),
        "the kernel is turned round: each tap gets the sum of another": np.flip(expected, tuple(range(2, w.ndim))),
        "only the first image counts": _collected(x[:1], y[:1], w, geometry),
        "only the last image counts": _collected(x[-1:], y[-1:], w, geometry),
        "what stood in out before is still in there": expected + 99,
    }
    if len(w) == w.shape[1]:
        mistakes["input and output channels are exchanged: transposed"] = expected.swapaxes(0, 1)
    answer(out, expected, of, mistakes)


def test_8_2_one_channel():
    """A tap collects from all windows."""
    _weight(ConvGeometry.of((6,), 3), 1, 1, 1, "the weight gradient of one channel")


def test_8_2_images_and_channels():
    """Images add up; K and C stay apart."""
    _weight(ConvGeometry.of((5, 4), (3, 2)), 3, 2, 2, "the weight gradient of three images, 2 channels to 2,")
    _weight(ConvGeometry.of((5,), 2), 2, 3, 4, "the weight gradient of two images, 3 channels to 4,")


def test_8_2_settings():
    """Padding, stride, dilation and groups."""
    _weight(ConvGeometry.of((5, 5), 3, 1, ((2, 0), (1, 1))), 2, 2, 3, "the weight gradient with padding")
    _weight(ConvGeometry.of((9, 8), (3, 2), (2, 3), 1, (2, 1)), 2, 1, 2, "the weight gradient with strides")
    _weight(ConvGeometry.of((6,), 3, 1, 1, 1, 2), 2, 4, 6, "the weight gradient of two groups")


GEOMETRY = ConvGeometry.of((4,), 3, 1, 1)  # x and y have one shape, so no shape tells of an exchange
FACES = {"conv": conv, "conv_transpose": conv_transpose, "conv_weight_grad": conv_weight_grad}


def _tensor(a, images=True):
    """Numbers as users see them: channels second."""
    return minitorch.tensor(np.moveaxis(a, -1, 1) if images else a)


def _operands():
    x, w, y = _random(GEOMETRY, 2, 2, 2)
    return {"x": _tensor(x), "w": _tensor(w, images=False), "y": _tensor(y)}


def _hands_on(face, wanted):
    """The gradients of a face of T for its operands; wanted: for each operand the face and the operands of its rule."""
    known = _operands()
    operands = {name: known[name].clone().requires_grad_() for name in wanted}
    out = FACES[face](*operands.values(), geometry=GEOMETRY)
    g = minitorch.tensor(np.random.default_rng(3).standard_normal(out.shape))
    known["g"] = g
    for name, found in zip(wanted, grad(out, tuple(operands.values()), g), strict=True):
        rule, first, second = wanted[name]
        expected = FACES[rule](known[first], known[second], geometry=GEOMETRY)
        mistakes = {"the sign is wrong": -expected}
        for other, function in FACES.items():
            for a, b in itertools.permutations([first, second]):
                if known[a].shape[-1] == 4 and (known[b].shape[-1] == 4) == (other == "conv_weight_grad"):
                    result = function(known[a], known[b], geometry=GEOMETRY)
                    mistakes[f"this is {other}({a}, {b}); which letter of T(x, w, y) does g stand for?"] = result
        answer(found, expected, f"the gradient of {face}({', '.join(wanted)}) for {name}", mistakes)


def test_8_3_gradients_of_conv():
    """g is like y: x receives the transposed convolution, w the weight gradient."""
    _hands_on("conv", {"x": ("conv_transpose", "g", "w"), "w": ("conv_weight_grad", "x", "g")})


def test_8_3_gradients_of_conv_transpose():
    """g is like x: y receives a convolution, w the weight gradient of g and y."""
    _hands_on("conv_transpose", {"y": ("conv", "g", "w"), "w": ("conv_weight_grad", "g", "y")})


def test_8_3_gradients_of_conv_weight_grad():
    """g is like w: it is the kernel for both."""
    _hands_on("conv_weight_grad", {"x": ("conv_transpose", "y", "g"), "y": ("conv", "x", "g")})


def test_8_3_any_geometry():
    """By differences, with settings that tell x from y."""
    geometry = ConvGeometry.of((5, 4), (3, 2), (2, 1), ((1, 0), (0, 1)), 1, 2)
    x, w, y = _random(geometry, 1, 2, 4)
    tx, tw, ty = _tensor(x).requires_grad_(), _tensor(w, images=False).requires_grad_(), _tensor(y).requires_grad_()
    gradients(lambda x, w: conv(x, w, geometry=geometry), tx, tw, of="conv(x, w)")
    gradients(lambda y, w: conv_transpose(y, w, geometry=geometry), ty, tw, of="conv_transpose(y, w)")
    gradients(lambda x, y: conv_weight_grad(x, y, geometry=geometry), tx, ty, of="conv_weight_grad(x, y)")


def test_8_3_second_order():
    """Gradients of gradients, by differences."""
    geometry = ConvGeometry.of((5,), 2, 2, 1)
    x, w, _ = _random(geometry, 1, 1, 2)
    tx, tw = _tensor(x).requires_grad_(), _tensor(w, images=False).requires_grad_()
    gradients(lambda x, w: conv(x, w, geometry=geometry), tx, tw, of="conv, differentiated twice,", second=True)


def test_8_4_sum():
    """bias_grad adds up all but the channels."""
    x = np.arange(24.0).reshape(2, 3, 2, 2)
    expected = x.sum((0, 2, 3))
    mistakes = {
        "it is averaged over the images: the gradient of a bias adds up": expected / 2,
        "it is averaged over images and pixels: the gradient of a bias adds up": expected / 8,
    }
    answer(bias_grad.function(x), expected, "bias_grad of two images of 3 channels", mistakes)
    same(bias_grad.function(np.ones((5, 2))), [5.0, 5.0], "bias_grad of five images without pixels, (5, 2),")


def test_8_4_of_a_layer():
    """F.conv2d with a bias."""
    x, w, g = _random(ConvGeometry.of((5, 4), 3), 2, 2, 3)
    tx, tw, tg = _tensor(x).requires_grad_(), _tensor(w, images=False), _tensor(g)
    b = minitorch.tensor(np.array([1.0, -2.0, 3.0])).requires_grad_()
    out = minitorch.nn.functional.conv2d(tx, tw, b)
    gx, gb = grad(out, (tx, b), tg)
    expected = g.sum((0, 1, 2))
    mistakes = {
        "it is averaged over the images": expected / 2,
        "it is averaged over images and windows": expected / 12,
        "the sign is wrong": -expected,
    }
    answer(gb, expected, "the gradient of conv2d for its bias", mistakes)
    (plain,) = grad(minitorch.nn.functional.conv2d(tx, tw), tx, tg)
    same(gx, plain, "the gradient of conv2d with a bias for its input, which is that without a bias,")


def test_8_4_add_bias():
    """To second order, for images and for rows."""
    random = np.random.default_rng(4)
    x = minitorch.tensor(random.standard_normal((2, 3, 2, 2))).requires_grad_()
    g = minitorch.tensor(np.array([1.0, 2.0, 4.0]))
    (found,) = grad(bias_grad(x), x, g)
    expected = np.broadcast_to(g.numpy()[:, None, None], (2, 3, 2, 2))
    mistakes = {
        "it is divided among images and pixels; the derivative of a sum repeats what arrives": expected / 8,
        "it is divided among the images; the derivative of a sum repeats what arrives": expected / 2,
    }
    answer(found, expected, "the gradient of bias_grad", mistakes)
    for shape in ((2, 3, 2), (3, 2)):
        x = minitorch.tensor(random.standard_normal(shape)).requires_grad_()
        b = minitorch.tensor(random.standard_normal(shape[1])).requires_grad_()
        gradients(add_bias, x, b, of=f"add_bias of {shape}", second=True)
