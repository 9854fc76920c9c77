"""Typical wrong solutions of unit 11."""

from ..outline import Wrong

DEFINITION = """\
for n in range(len(x)):
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            for k in range(len(w)):
                value = 0.0
                for u in range(w.shape[2]):
                    for v in range(w.shape[3]):
                        a, b = i * stride[0] + u * dilation[0], j * stride[1] + v * dilation[1]
                        for c in range(w.shape[1]):
                            value += x[n, a, b, c] * w[k, c, u, v]
                out[n, i, j, k] = value
"""
ROW = """\
out[n, i, :, :] = 0
for j in range(out.shape[2]):
    for u in range(w.shape[0]):
        for v in range(w.shape[1]):
            a, b = i * stride[0] + u * dilation[0], j * stride[1] + v * dilation[1]
            for c in range(x.shape[3]):
                seen = x[n, a, b, c]
                for k in range(out.shape[3]):
                    out[n, i, j, k] = out[n, i, j, k] + seen * w[u, v, c, k]
"""
FORWARD = """\
for task in prange(len(out) * out.shape[1]):
    n, i = task // out.shape[1], task % out.shape[1]
    any_row(x, w, out, stride, dilation, n, i, four)
"""
SCATTER = """\
for n in prange(len(y)):
    out[n, :, :, :] = 0
    for i in range(y.shape[1]):
        for j in range(y.shape[2]):
            for u in range(w.shape[0]):
                for v in range(w.shape[1]):
                    a, b = i * stride[0] + u * dilation[0], j * stride[1] + v * dilation[1]
                    for k in range(y.shape[3]):
                        for c in range(out.shape[3]):
                            out[n, a, b, c] += y[n, i, j, k] * w[u, v, k, c]
"""
COLLECT = """\
for u in prange(out.shape[0]):
    out[u, :, :, :] = 0
    for v in range(out.shape[1]):
        for n in range(len(x)):
            for i in range(y.shape[1]):
                for j in range(y.shape[2]):
                    a, b = i * stride[0] + u * dilation[0], j * stride[1] + v * dilation[1]
                    for c in range(x.shape[3]):
                        for k in range(y.shape[3]):
                            out[u, v, c, k] += x[n, a, b, c] * y[n, i, j, k]
"""
RACE = """\
out[:, :, :, :] = 0
for n in prange(len(x)):
    for u in range(out.shape[0]):
        for v in range(out.shape[1]):
            for i in range(y.shape[1]):
                for j in range(y.shape[2]):
                    a, b = i * stride[0] + u * dilation[0], j * stride[1] + v * dilation[1]
                    for c in range(x.shape[3]):
                        for k in range(y.shape[3]):
                            out[u, v, c, k] += x[n, a, b, c] * y[n, i, j, k]
"""
FOUR = """\
out[n, i, :, :] = 0
full = out.shape[2] // 4 * 4
for j in range(0, full, 4):
    a, b, c4, d = out[n, i, j], out[n, i, j + 1], out[n, i, j + 2], out[n, i, j + 3]
    for u in range(w.shape[0]):
        for v in range(w.shape[1]):
            r, q, s = i * stride[0] + u * dilation[0], j * stride[1] + v * dilation[1], stride[1]
            for c in range(x.shape[3]):
                p0, p1, p2, p3 = x[n, r, q, c], x[n, r, q + s, c], x[n, r, q + 2 * s, c], x[n, r, q + 3 * s, c]
                for k in range(out.shape[3]):
                    one = w[u, v, c, k]
                    a[k] += p0 * one
                    b[k] += p1 * one
                    c4[k] += p2 * one
                    d[k] += p3 * one
for j in range(full, out.shape[2]):
    for u in range(w.shape[0]):
        for v in range(w.shape[1]):
            for c in range(x.shape[3]):
                seen = x[n, i * stride[0] + u * dilation[0], j * stride[1] + v * dilation[1], c]
                for k in range(out.shape[3]):
                    out[n, i, j, k] += seen * w[u, v, c, k]
"""
BESIDE = FOUR.replace("2 * s", "2").replace("3 * s", "3").replace("q + s", "q + 1")

WRONG = [
    Wrong("11.1", "no stride", (DEFINITION.replace("i * stride[0]", "i").replace("j * stride[1]", "j"),), "stride"),
    Wrong("11.1", "turned round", (DEFINITION.replace("w[k, c, u, v]", "w[k, c, -1 - u, -1 - v]"),), "turned round"),
    Wrong("11.1", "added to what was there", (DEFINITION.replace("] = value", "] += value"),), "stood in out before"),
    Wrong("11.2", "not cleared", (ROW.replace("out[n, i, :, :] = 0\n", ""),), "stood in out before"),
    Wrong("11.2", "all rows cleared", (ROW.replace("out[n, i, :, :]", "out[:, :, :, :]"),), "every other row"),
    Wrong("11.2", "no dilation", (ROW.replace("u * dilation[0]", "u").replace("v * dilation[1]", "v"),), "dilation"),
    Wrong("11.3", "images race for the weight gradient", (FORWARD, SCATTER, RACE), "a race"),
    Wrong("11.3", "the first image only", (FORWARD.replace("len(out) * ", ""), SCATTER, COLLECT), "the convolution on"),
    Wrong("11.3", "not cleared", (FORWARD, SCATTER.replace("out[n, :, :, :] = 0", "pass"), COLLECT), "stood in out"),
    Wrong("11.4", "left-over columns forgotten", (FOUR[: FOUR.index("for j in range(full")],), "row . of image"),
    Wrong("11.4", "pixels side by side, without the stride", (BESIDE,), "row . of image"),
]
