"""Typical wrong solutions of unit 9."""

from ..outline import Wrong

CHOOSE = """\
pixels = x[:, window]
best = pixels.argmax(1)
choice[:, o] = window[best]
out[:, o] = pixels.max(1)
"""
GATHER = "out[...] = np.take_along_axis(_flat(x), _flat(choice), 1).reshape(out.shape)\n"
SCATTER = """\
out[...] = 0
flat, y, choice = _flat(out), _flat(y), _flat(choice)
for n in range(flat.shape[0]):
    for c in range(flat.shape[2]):
        np.add.at(flat[n, :, c], choice[n, :, c], y[n, :, c])
"""
PICK = (
    "x=lambda g, choice, geometry: pool_scatter(g, choice, size=geometry.input_size),\n",
    "x=lambda g, choice, x_shape: pool_scatter(g, choice, size=x_shape[2:]),\n",
    "y=lambda g, choice: pool_gather(g, choice),\n",
)
SUM = "out[:, o] = scale[o] * x[:, window].sum(1)\n"
SPREAD = "out[:, window] += scale[o] * y[:, o, None]\n"
AVERAGE = (
    "x=lambda g, geometry, scale: average_transpose(g, geometry=geometry, scale=scale),\n",
    "y=lambda g, geometry, scale: average(g, geometry=geometry, scale=scale),\n",
)
STATISTICS = """\
mean[...] = x.mean(0)
variance[...] = x.var(0)
invstd[...] = 1 / np.sqrt(variance + eps)
if running_mean.size:
    running_mean[...] = (1 - momentum) * running_mean + momentum * mean
if running_var.size:
    running_var[...] = (1 - momentum) * running_var + momentum * x.var(0, ddof=1)
"""
SUMS = "sum_g[...] = g.sum(0)\nsum_gh[...] = (g * (x - mean) * invstd).sum(0)\n"
INPUT = "m = len(x)\nout[...] = scale * (g - sum_g / m - (x - mean) * invstd * sum_gh / m)\n"
RECORDED = """\
inner = g - reduce.mean(g, axes, keepdim=True) - h * reduce.mean(g * h, axes, keepdim=True)
return _column(w, x) * scale * inner
"""

WRONG = [
    Wrong(
        "9.1", "places counted in the window", (CHOOSE.replace("window[best]", "best"),), "counts within each window"
    ),
    Wrong(
        "9.1",
        "the last of equals",
        (CHOOSE.replace("pixels.argmax(1)", "len(window) - 1 - pixels[:, ::-1].argmax(1)"),),
        "chose the last",
    ),
    Wrong(
        "9.1",
        "the smallest",
        (CHOOSE.replace("argmax", "argmin").replace("max(1)", "min(1)"),),
        "these are the smallest",
    ),
    Wrong(
        "9.2",
        "repeated indices added once",
        (
            GATHER,
            """\
out[...] = 0
flat, y, choice = _flat(out), _flat(y), _flat(choice)
n, c = np.arange(flat.shape[0])[:, None, None], np.arange(flat.shape[2])
flat[n, choice, c] += y
""",
            *PICK,
        ),
        "overwritten the other",
    ),
    Wrong("9.2", "out not set to zero", (GATHER, SCATTER.replace("out[...] = 0\n", ""), *PICK), "stood in out before"),
    Wrong(
        "9.2",
        "a sign in a rule",
        (GATHER, SCATTER, PICK[0].replace("pool_scatter(g", "pool_scatter(-g"), *PICK[1:]),
        "sign is wrong",
    ),
    Wrong("9.3", "overlaps overwritten", (SUM, SPREAD.replace("+=", "="), *AVERAGE), "overwritten the other"),
    Wrong(
        "9.3", "the scale forgotten on the way back", (SUM, SPREAD.replace("scale[o] * ", ""), *AVERAGE), "scale is mis"
    ),
    Wrong("9.3", "averaged twice", (SUM.replace("sum(1)", "mean(1)"), SPREAD, *AVERAGE), "divided by the pixels"),
    Wrong(
        "9.4", "the unbiased variance normalises", (STATISTICS.replace("x.var(0)\n", "x.var(0, ddof=1)\n"),), "unbiased"
    ),
    Wrong(
        "9.4",
        "running statistics weighted the wrong way round",
        (STATISTICS.replace("(1 - momentum)", "momentum", 1).replace("momentum * mean", "(1 - momentum) * mean"),),
        "weight of what is new",
    ),
    Wrong(
        "9.4",
        "the biased variance remembered",
        (STATISTICS.replace("x.var(0, ddof=1)", "variance"),),
        "follows the biased",
    ),
    Wrong(
        "9.4",
        "eps outside of the root",
        (STATISTICS.replace("np.sqrt(variance + eps)", "(np.sqrt(variance) + eps)"),),
        "eps was added after",
    ),
    Wrong(
        "9.5",
        "mean and variance taken for constants",
        ("return _column(w, x) * scale * g\n",),
        "taken for constants",
    ),
    Wrong(
        "9.5",
        "the mean forgotten",
        (RECORDED.replace("g - reduce.mean(g, axes, keepdim=True) -", "g -"),),
        "moves the mean",
    ),
    Wrong("9.5", "w forgotten", (RECORDED.replace("_column(w, x) * ", ""),), "w is missing"),
    Wrong("9.5", "sums for means", (RECORDED.replace("reduce.mean", "reduce.sum"),), "sums were taken off"),
    Wrong("9.6", "the variance forgotten", (SUMS, "out[...] = scale * (g - sum_g / len(x))\n"), "moves the variance"),
    Wrong("9.6", "sums not divided", (SUMS, INPUT.replace(" / m", "")), "not divided by M"),
    Wrong("9.6", "x in place of h", (SUMS.replace("(x - mean) * invstd", "x"), INPUT), "normalised first"),
]
