"""Typical wrong solutions of unit 7."""

from ..outline import Wrong

EXTENT = "return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation))\n"
SIZE = "return tuple((i - e) // s + 1 for i, e, s in zip(self.padded_size, self.extent, self.stride))\n"

WRONG = [
    Wrong(
        "7.1",
        "k steps between k taps",
        ("return tuple(d * k for k, d in zip(self.kernel_size, self.dilation))\n", SIZE),
        "k - 1 steps",
    ),
    Wrong(
        "7.1",
        "the window at 0 is not counted",
        (EXTENT, "return tuple((i - e) // s for i, e, s in zip(self.padded_size, self.extent, self.stride))\n"),
        "room for one more window",
    ),
    Wrong(
        "7.1",
        "rounded up",
        (EXTENT, "return tuple(-((e - i) // s) + 1 for i, e, s in zip(self.padded_size, self.extent, self.stride))\n"),
        "stick out",
    ),
    Wrong(
        "7.1",
        "padding forgotten",
        (EXTENT, "return tuple((i - e) // s + 1 for i, e, s in zip(self.input_size, self.extent, self.stride))\n"),
        "without its padding",
    ),
    Wrong(
        "7.2",
        "dilation forgotten",
        (
            """\
seen = [slice(t, t + (o - 1) * s + 1, s) for t, o, s in zip(tap, geometry.output_size, geometry.stride)]
""",
        ),
        "dilation is not counted",
    ),
    Wrong(
        "7.2",
        "no end",
        (
            """\
seen = [slice(t * d, None, s) for t, d, s in zip(tap, geometry.dilation, geometry.stride)]
""",
        ),
        "positions, but . windows",
    ),
    Wrong(
        "7.2",
        "stride and dilation exchanged",
        (
            """\
seen = []
for t, o, s, d in zip(tap, geometry.output_size, geometry.stride, geometry.dilation):
    seen.append(slice(t * s, t * s + (o - 1) * d + 1, d))
""",
        ),
        "stride and dilation are exchanged",
    ),
    Wrong(
        "7.3",
        "taps overwrite each other",
        (
            """\
padded = np.pad(x, [(0, 0), *geometry.padding, (0, 0)])
for tap, seen in _taps(geometry):
    for c, k in _groups(geometry, x.shape[-1], w.shape[0]):
        out[..., k] = padded[seen][..., c] @ w[k][tap].T
""",
        ),
        "overwritten each other",
    ),
    Wrong(
        "7.3",
        "out not set to zero",
        (
            """\
padded = np.pad(x, [(0, 0), *geometry.padding, (0, 0)])
for tap, seen in _taps(geometry):
    for c, k in _groups(geometry, x.shape[-1], w.shape[0]):
        out[..., k] += padded[seen][..., c] @ w[k][tap].T
""",
        ),
        "stood in out before",
    ),
    Wrong(
        "7.3",
        "the kernel turned round",
        (
            """\
padded = np.pad(x, [(0, 0), *geometry.padding, (0, 0)])
w = np.flip(w, tuple(range(2, w.ndim)))
out[...] = 0
for tap, seen in _taps(geometry):
    for c, k in _groups(geometry, x.shape[-1], w.shape[0]):
        out[..., k] += padded[seen][..., c] @ w[k][tap].T
""",
        ),
        "turned round",
    ),
    Wrong(
        "7.3",
        "padding before and after exchanged",
        (
            """\
padded = np.pad(x, [(0, 0), *((after, before) for before, after in geometry.padding), (0, 0)])
out[...] = 0
for tap, seen in _taps(geometry):
    for c, k in _groups(geometry, x.shape[-1], w.shape[0]):
        out[..., k] += padded[seen][..., c] @ w[k][tap].T
""",
        ),
        "before and after an axis are exchanged",
    ),
]
