"""Typical wrong solutions of unit 12."""

from ..outline import Wrong

DIFFERENCES = """\
rows = []
for at in np.ndindex(x.array.shape):
    kept = x.array[at].copy()
    x.array[at] = kept + eps
    above = [y.array.copy() for y in outputs_of(function, inputs)]
    x.array[at] = kept - eps
    below = [y.array.copy() for y in outputs_of(function, inputs)]
    x.array[at] = kept
    rows.append([(a - b).ravel() / (2 * eps) for a, b in zip(above, below)])
return [np.stack(matrix) for matrix in zip(*rows)]
"""
BACKWARD = """\
columns = []
for j in range(y.array.size):
    seed = np.zeros(y.array.shape)
    seed.flat[j] = 1
    found = grad(y, xs, wrap(seed), retain_graph=True, allow_unused=True)
    columns.append([np.zeros(x.array.size) if g is None else g.array.ravel() for x, g in zip(xs, found)])
return [np.stack(matrix, 1) for matrix in zip(*columns)]
"""
VERDICT = "return ~(np.abs(found - expected) <= atol + rtol * np.abs(expected))\n"
PENALTY = """\
x = x.detach().requires_grad_()
(g,) = grad(critic(x).sum(), x, create_graph=True)
return (((g ** 2).flatten(1).sum(1) ** 0.5 - wanted) ** 2).mean()
"""

WRONG = [
    Wrong("12.1", "divided by one step", (DIFFERENCES.replace("(2 * eps)", "eps"),), "factor 2 is missing"),
    Wrong("12.1", "the input not put back", (DIFFERENCES.replace("    x.array[at] = kept\n", ""),), "was not put back"),
    Wrong(
        "12.1",
        "a difference to one side",
        (DIFFERENCES.replace("x.array[at] = kept - eps", "x.array[at] = kept").replace("(2 * eps)", "eps"),),
        "both sides",
    ),
    Wrong("12.2", "ones for every seed", (BACKWARD.replace("seed.flat[j] = 1", "seed[...] = 1"), VERDICT), "added up"),
    Wrong(
        "12.2",
        "NaN passes",
        (BACKWARD, "return np.abs(found - expected) > atol + rtol * np.abs(expected)\n"),
        "NaN passed",
    ),
    Wrong(
        "12.2",
        "the absolute tolerance forgotten",
        (BACKWARD, VERDICT.replace("atol + ", "")),
        "atol is missing",
    ),
    Wrong(
        "12.3", "one backward pass with v", ("found = slopes(ys, xs, vs, create_graph)\n",), "transposed|v has|shape"
    ),
    Wrong("12.4", "the gradient not recorded", (PENALTY.replace(", create_graph=True", ""),), "cut off from the tape"),
    Wrong("12.4", "one length for the batch", (PENALTY.replace(".flatten(1).sum(1)", ".sum()"),), "whole batch"),
    Wrong("12.4", "the root forgotten", (PENALTY.replace(" ** 0.5", ""),), "root is missing"),
]
