"""Typical wrong solutions of unit 8."""

from ..outline import Wrong

TRANSPOSE = """\
padded = np.zeros((len(y), *geometry.padded_size, out.shape[-1]), out.dtype)
for tap, seen in _taps(geometry):
    for c, k in _groups(geometry, out.shape[-1], len(w)):
        padded[seen][..., c] += y[..., k] @ w[k][tap]
corner = [before for before, _ in geometry.padding]
out[...] = padded[(slice(None), *(slice(p, p + i) for p, i in zip(corner, geometry.input_size)))]
"""
WEIGHT = """\
padded = np.pad(x, [(0, 0), *geometry.padding, (0, 0)])
for tap, seen in _taps(geometry):
    for c, k in _groups(geometry, x.shape[-1], len(out)):
        out[k][tap] = y[..., k].reshape(-1, len(out[k])).T @ padded[seen][..., c].reshape(-1, out.shape[1])
"""
RULES = (
    "x=lambda g, w, geometry: conv_transpose(g, w, geometry=geometry),\n"
    "w=lambda g, x, geometry: conv_weight_grad(x, g, geometry=geometry),\n",
    "y=lambda g, w, geometry: conv(g, w, geometry=geometry),\n"
    "w=lambda g, y, geometry: conv_weight_grad(g, y, geometry=geometry),\n",
    "x=lambda g, y, geometry: conv_transpose(y, g, geometry=geometry),\n"
    "y=lambda g, x, geometry: conv(x, g, geometry=geometry),\n",
)
SUM = "out = np.empty(x.shape[1], x.dtype)\nkernels.column_sums(pixels(x), out)\nreturn out\n"
BIAS = "x=lambda g: g,\nb=lambda g: bias_grad(g),\n"
REPEAT = "x=lambda g, x_shape: expand(reshape(g, shape=(-1, *(1,) * (len(x_shape) - 2))), shape=x_shape),\n"

WRONG = [
    Wrong("8.1", "overlaps overwritten", (TRANSPOSE.replace("+=", "="),), "overlap.* overwritten"),
    Wrong("8.1", "the padding is cut off behind", (TRANSPOSE.replace("slice(p, p + i)", "slice(0, i)"),), "too early"),
    Wrong("8.1", "the kernel turned round", ("w = np.flip(w, tuple(range(2, w.ndim)))\n" + TRANSPOSE,), "turned round"),
    Wrong("8.2", "averaged over the batch", (WEIGHT + "out /= len(x)\n",), "averaged over the images"),
    Wrong(
        "8.2",
        "the kernel turned round",
        (WEIGHT + "out[...] = np.flip(out, tuple(range(2, out.ndim)))\n",),
        "turned round",
    ),
    Wrong(
        "8.2",
        "added to what was there",
        (WEIGHT.replace("out[k][tap] =", "out[k][tap] +="),),
        "stood in out before",
    ),
    Wrong(
        "8.3",
        "a convolution in place of its adjoint",
        (RULES[0].replace("conv_transpose", "conv"), *RULES[1:]),
        r"this is conv\(g, w\)",
    ),
    Wrong(
        "8.3",
        "operands of the weight gradient exchanged, second order",
        (RULES[0], RULES[1].replace("conv_weight_grad(g, y", "conv_weight_grad(y, g"), RULES[2]),
        r"this is conv_weight_grad\(y, g\)",
    ),
    Wrong(
        "8.3",
        "two rules of the weight gradient exchanged",
        (
            *RULES[:2],
            "x=lambda g, y, geometry: conv(y, g, geometry=geometry),\n"
            "y=lambda g, x, geometry: conv_transpose(x, g, geometry=geometry),\n",
        ),
        r"this is conv\(y, g\)",
    ),
    Wrong(
        "8.4", "the bias averaged", (SUM.replace("return out", "return out / len(x)"), BIAS, REPEAT), "averaged over"
    ),
    Wrong(
        "8.4",
        "the sign for x",
        (SUM, BIAS.replace("x=lambda g: g", "x=lambda g: -g"), REPEAT),
        "for its input, which is that without",
    ),
    Wrong(
        "8.4",
        "a gradient shared out",
        (SUM, BIAS, REPEAT.replace("expand(reshape(g,", "expand(reshape(g / x_shape[0],")),
        "repeats what arrives",
    ),
]
