"""Window arithmetic, once, in Python ints: which pixels does a convolution or a pooling window touch?

| letter | meaning                        | letter | meaning                                          |
|--------|--------------------------------|--------|--------------------------------------------------|
| n      | image in the batch             | x      | the big side, (N, *input_size, C)                |
| c      | channel of x                   | y      | the small side, (N, *output_size, K)             |
| k      | channel of y                   | w      | the weight, (K, C/groups, *kernel_size)          |
| i      | position along an axis of x    | s      | stride                                           |
| o      | position along an axis of y    | d      | dilation                                         |
| t      | tap: position in the kernel    | p      | padding before the axis                          |

One equation holds for every axis, and the rest of this file solves it for one letter or another:

    i + p = o*s + t*d

`*_size` has one entry per spatial axis, `*_shape` is a full shape. Nothing here depends on the rank, on channels or
dtypes.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from typing import Any

import numpy as np

__all__ = ["ConvGeometry", "PoolGeometry", "GatherPlan", "transposed_input_size"]

LIMIT = 2**31 - 1  # pixels of one padded image: positions are kept as int32
WINDOWS = 2**24  # windows along one axis: the tables of a PoolGeometry hold one entry each


# ------------------------------------------------------------------------------------------------ convolution
@dataclass(frozen=True)
class ConvGeometry:
    """Sizes of one convolution: every entry a tuple of Python ints, one per spatial axis.

    `padding` holds (before, after) per axis. Raises RuntimeError where the windows cannot exist.

    >>> g = ConvGeometry.of((32, 32), 3, stride=2, padding=1)
    >>> g.output_size, g.padding
    ((16, 16), ((1, 1), (1, 1)))
    """

    input_size: tuple[int, ...]
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int

    @classmethod
    def of(cls, input_size: Sequence[int], kernel_size: int | Sequence[int], stride: int | Sequence[int] = 1,
           padding: int | Sequence[int] | Sequence[tuple[int, int]] = 0, dilation: int | Sequence[int] = 1,
           groups: int = 1) -> ConvGeometry:
        """The geometry of these settings; an int means the same for every axis. Equal settings give the same object."""
        rank = len(input_size)
        return _conv_geometry(
            _per_axis(input_size, rank, "input_size"), _per_axis(kernel_size, rank, "kernel_size"),
            _per_axis(stride, rank, "stride"), _padding_per_axis(padding, rank),
            _per_axis(dilation, rank, "dilation"), operator.index(groups))

    def __post_init__(self) -> None:
        _check_windows(self.kernel_size, self.stride, self.dilation)
        if self.groups < 1:
            raise RuntimeError(f"convolution: `groups` should be greater than zero, but got {self.groups}")
        if any(side < 0 for pair in self.padding for side in pair):
            raise RuntimeError(f"convolution: negative padding is not supported, but got padding={self.padding}")
        if prod(self.padded_size) > LIMIT:
            raise RuntimeError(f"convolution: an input of {_times(self.input_size)} padded by {self.padding} would "
                               f"have {prod(self.padded_size)} pixels per channel, more than the {LIMIT} supported")
        if any(extent > size for extent, size in zip(self.extent, self.padded_size, strict=True)):
            raise RuntimeError(
                f"convolution: calculated padded input size per channel: ({_times(self.padded_size)}). Kernel size: "
                f"({_times(self.kernel_size)}), spanning ({_times(self.extent)}) at dilation {self.dilation}. "
                "Kernel size can't be greater than actual input size")

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.input_size, self.kernel_size, self.stride, self.padding, self.dilation, self.groups))

    @cached_property
    def padded_size(self) -> tuple[int, ...]:
        """Size of x with its zeros around it."""
        return tuple(i + sum(p) for i, p in zip(self.input_size, self.padding, strict=True))

    @cached_property
    def extent(self) -> tuple[int, ...]:
        """Pixels from the first tap to the last, both included."""
        # BEGIN SOLUTION 7.1
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation, strict=True))
        # END SOLUTION

    @cached_property
    def output_size(self) -> tuple[int, ...]:
        """Size of y: how many windows fit."""
        # BEGIN SOLUTION 7.1
        return tuple((i - e) // s + 1 for i, e, s in zip(self.padded_size, self.extent, self.stride, strict=True))
        # END SOLUTION

    @cached_property
    def padded(self) -> bool:
        """Whether there are any zeros around x."""
        return self.padded_size != self.input_size

    @cached_property
    def pointwise(self) -> bool:
        """Whether every window is one pixel, every pixel one window, and all channels are one group."""
        return self.output_size == self.input_size and prod(self.kernel_size) == self.groups == 1 and not self.padded

    @cached_property
    def gather(self) -> GatherPlan:
        """How y gathers from x: the plan of `conv`."""
        return _gather_plan([_forward_axis(self, a) for a in range(len(self.kernel_size))], self.output_size,
                            self.kernel_size, merge=self.groups == 1)

    @cached_property
    def scatter(self) -> GatherPlan:
        """How x gathers from y: the plan of `conv_transpose`."""
        return _gather_plan([_adjoint_axis(self, a) for a in range(len(self.kernel_size))], self.input_size,
                            self.kernel_size, merge=self.groups == 1)

    @cached_property
    def sweep(self) -> SweepPlan:
        """How the weight's gradient sums over pixels: the plan of `conv_weight_grad`."""
        return _sweep_plan(self)


_conv_geometry = lru_cache(maxsize=4096)(ConvGeometry)


def transposed_input_size(output_size: Sequence[int], kernel_size: Sequence[int], stride: Sequence[int],
                          padding: Sequence[tuple[int, int]], dilation: Sequence[int],
                          output_padding: Sequence[int]) -> tuple[int, ...]:
    """The big side of a transposed convolution whose small side is `output_size`.

    The smallest input that gives o outputs is (o-1)*s + d*(k-1) + 1 with its padding; up to s-1 more pixels give the
    same o, and `output_padding` chooses among them (PyTorch allows max(s, d)-1). Raises RuntimeError.

    >>> transposed_input_size((16,), (3,), (2,), ((1, 1),), (1,), (1,))
    (32,)
    """
    _check_windows(kernel_size, stride, dilation)
    for extra, s, d in zip(output_padding, stride, dilation, strict=True):
        if not 0 <= extra < max(s, d):
            raise RuntimeError("transposed convolution: output padding must be smaller than either stride or dilation, "
                               f"but got output_padding={tuple(output_padding)}, stride={tuple(stride)}, "
                               f"dilation={tuple(dilation)}")
    size = tuple((o - 1) * s - sum(p) + d * (k - 1) + extra + 1 for o, k, s, p, d, extra in
                 zip(output_size, kernel_size, stride, padding, dilation, output_padding, strict=True))
    if min(size, default=1) < 1 or prod(size) > LIMIT:
        raise RuntimeError(f"transposed convolution: an input of {_times(output_size)} gives a calculated output size "
                           f"of {_times(size)}: every axis needs at least 1 pixel and all together at most {LIMIT}")
    return size


# ------------------------------------------------------------------------------------------------ gather plans
@dataclass(frozen=True, eq=False)
class GatherPlan:
    """A convolution, or its adjoint, as table look-ups: target[j] = sum over taps of source[row[j] + tap] * w[tap].

    All offsets count pixels; the kernels multiply them by the number of channels. Target pixels that use the same
    taps form a phase; a convolution has one phase, its adjoint one for each residue of the stride. Taps at
    consecutive pixels are merged into runs of equal length when the channels of a pixel are all used (one group).
    """

    padding: tuple[tuple[int, int], ...]  # zeros the source needs around it
    source_size: tuple[int, ...]  # with those zeros
    lines: np.ndarray  # int64: padded pixel at which each line of the unpadded source starts
    target_pixels: int
    images: int  # images covered by the row tables, so that small images still fill the tiles
    rows: np.ndarray  # int64: source pixel of each target pixel, phase by phase, `images` images each
    targets: np.ndarray  # int64: target pixel
    order: np.ndarray  # int64: tap of the kernel, in the order the weight is packed
    runs: np.ndarray  # int64: source offset of each run of taps
    phases: np.ndarray  # int64 (phases, 6): first row, rows per image, first tap, taps, first run, runs


@dataclass(frozen=True, eq=False)
class SweepPlan:
    """All output pixels in C order, as lines of equal length: what the weight's gradient sums over.

    Offsets count pixels.
    """

    taps: np.ndarray  # int64: offset of each tap in the padded input
    images: int  # images covered by `lines`, so that small images make long enough sums
    lines: np.ndarray  # int64: padded pixel under the first tap, for the first window of each line, `images` images
    lines_per_image: int
    length: int  # windows in a line
    step: int  # pixels from one window of a line to the next


def _sweep_plan(geometry: ConvGeometry) -> SweepPlan:
    """Lines run along the last axis; where the pixels go on without a gap, whole divisors of the image are one line."""
    steps = _steps(geometry.padded_size)
    taps = _grid([range(0, k * d, d) for k, d in zip(geometry.kernel_size, geometry.dilation, strict=True)], steps)
    starts = [range(0, o * s, s) for o, s in zip(geometry.output_size, geometry.stride, strict=True)]
    pixels, length, step = prod(geometry.output_size), geometry.output_size[-1], geometry.stride[-1]
    lines = _grid([*starts[:-1], [0]], steps)
    if np.all(np.diff(lines) == length * step):
        joined = max(m for m in range(1, len(lines) + 1) if len(lines) % m == 0 and (m == 1 or m * length <= 256))
        length, lines = length * joined, lines[::joined]
    images = max(1, -(-512 // max(pixels, 1)))
    image = np.arange(images, dtype=np.int64)[:, None] * prod(geometry.padded_size)
    return SweepPlan(taps, images, (lines + image).ravel(), len(lines), length, step)


@dataclass(frozen=True)
class _Axis:
    """One axis of a plan: padding of the source, its size, and phases (source and target positions, taps, offsets)."""

    padding: tuple[int, int]
    size: int
    phases: list[tuple[list[int], list[int], list[int], list[int]]]


def _forward_axis(geometry: ConvGeometry, axis: int) -> _Axis:
    """i + p = o*s + t*d as it stands: window o starts at o*s, tap t lies t*d further."""
    s, d, k = geometry.stride[axis], geometry.dilation[axis], geometry.kernel_size[axis]
    windows = range(geometry.output_size[axis])
    return _Axis(geometry.padding[axis], geometry.padded_size[axis],
                 [([o * s for o in windows], list(windows), list(range(k)), [t * d for t in range(k)])])


def _adjoint_axis(geometry: ConvGeometry, axis: int) -> _Axis:
    """The same equation solved for o: with i + p = q*s + r it reads o = q - (t*d - r)/s, an integer when t*d = r mod s.

    So pixels of one residue r share their taps, and neighbours q, q+1 read neighbouring o: a stride-1 gather from y.
    Offsets rise when the taps fall. Pixels that no tap reaches form a phase of their own, without taps.
    """
    s, d, p = geometry.stride[axis], geometry.dilation[axis], geometry.padding[axis][0]
    taps_of: dict[int | None, list[int]] = {}
    for t in reversed(range(geometry.kernel_size[axis])):
        taps_of.setdefault(t * d % s, []).append(t)
    pixels_of: dict[int | None, list[int]] = {}
    for i in range(geometry.input_size[axis]):
        r = (i + p) % s
        pixels_of.setdefault(r if r in taps_of else None, []).append(i)
    phases = []
    for residue, pixels in pixels_of.items():
        taps = taps_of.get(residue, [])
        phases.append(([(i + p) // s if taps else 0 for i in pixels], pixels, taps, [-(t * d // s) for t in taps]))
    reach = [(min(q) + min(e), max(q) + max(e)) for q, _, taps, e in phases if taps]
    before = max((-low for low, _ in reach), default=0)
    after = max((high for _, high in reach), default=0) - (geometry.output_size[axis] - 1)
    padding = (max(before, 0), max(after, 0))
    phases = [([q + padding[0] if taps else 0 for q in rows], pixels, taps, e) for rows, pixels, taps, e in phases]
    return _Axis(padding, geometry.output_size[axis] + sum(padding), phases)


def _gather_plan(axes: list[_Axis], target_size: tuple[int, ...], kernel_size: tuple[int, ...],
                 merge: bool) -> GatherPlan:
    """The product of the axes: offsets add up, weighted with the strides of the source."""
    source_size = tuple(axis.size for axis in axes)
    target_pixels = prod(target_size)
    images = max(1, -(-256 // max(target_pixels, 1)))
    rows: list[np.ndarray] = []
    targets: list[np.ndarray] = []
    order: list[np.ndarray] = []
    runs: list[np.ndarray] = []
    table: list[tuple[int, ...]] = []
    steps, target_steps, tap_steps = _steps(source_size), _steps(target_size), _steps(kernel_size)
    for parts in itertools.product(*(axis.phases for axis in axes)):
        row = _grid([q for q, _, _, _ in parts], steps)
        target = _grid([i for _, i, _, _ in parts], target_steps)
        tap = _grid([t for _, _, t, _ in parts], tap_steps)
        run = _merge(_grid([e for _, _, _, e in parts], steps)) if merge else _grid([e for _, _, _, e in parts], steps)
        image = np.arange(images, dtype=np.int64)[:, None]
        table.append((_total(rows), len(row), _total(order), len(tap), _total(runs), len(run)))
        rows.append((row + image * prod(source_size)).ravel())
        targets.append((target + image * target_pixels).ravel())
        order.append(tap)
        runs.append(run)
    padding = tuple(axis.padding for axis in axes)
    return GatherPlan(padding, source_size, _lines(padding, source_size), target_pixels, images,
                      _joined(rows), _joined(targets), _joined(order), _joined(runs),
                      np.array(table, np.int64).reshape(-1, 6))


def _total(parts: list[np.ndarray]) -> int:
    """Entries of all parts."""
    return sum(part.size for part in parts)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """All parts in one table, which may be empty."""
    return np.concatenate([*parts, np.zeros(0, np.int64)])


def _lines(padding: tuple[tuple[int, int], ...], padded_size: tuple[int, ...]) -> np.ndarray:
    """First pixel of every line (along the last axis) of an image, once it has its padding around it."""
    inside = [range(before, size - after) for (before, after), size in zip(padding, padded_size, strict=True)]
    return _grid([*inside[:-1], inside[-1][:1]], _steps(padded_size))


def _steps(size: Sequence[int]) -> list[int]:
    """Pixels between neighbours along each axis of a C-contiguous image."""
    return [prod(size[a + 1:]) for a in range(len(size))]


def _grid(positions: Sequence[Sequence[int]], steps: Sequence[int]) -> np.ndarray:
    """Flat position of every combination of per-axis positions, last axis fastest."""
    flat = np.zeros(1, np.int64)
    for along, step in zip(positions, steps, strict=True):
        flat = (flat[:, None] + np.array(along, np.int64) * step).ravel()
    return flat


def _merge(offsets: np.ndarray) -> np.ndarray:
    """First offsets of the longest equal runs of consecutive offsets."""
    breaks = np.flatnonzero(np.diff(offsets) != 1) + 1
    lengths = np.diff(np.concatenate([[0], breaks, [len(offsets)]]))
    length = int(np.gcd.reduce(lengths)) if len(offsets) else 1
    return offsets[::length]


# ------------------------------------------------------------------------------------------------ pooling
@dataclass(frozen=True)
class PoolGeometry:
    """Windows of a pooling: window o of an axis holds the pixels range(starts[o], stops[o], dilation) of that axis.

    `counts` are the pixels of each window with its padding (clipped to the padded input), for average pooling.

    >>> g = PoolGeometry.windows((5,), 2, ceil_mode=True)
    >>> g.output_size, g.starts, g.stops
    ((3,), ((0, 2, 4),), ((2, 4, 5),))
    >>> PoolGeometry.adaptive((5,), 2).starts
    ((0, 2),)
    """

    input_size: tuple[int, ...]
    starts: tuple[tuple[int, ...], ...]
    stops: tuple[tuple[int, ...], ...]
    dilation: tuple[int, ...]
    counts: tuple[tuple[int, ...], ...]

    @classmethod
    def windows(cls, input_size: Sequence[int], kernel_size: int | Sequence[int],
                stride: int | Sequence[int] | None = None, padding: int | Sequence[int] = 0,
                dilation: int | Sequence[int] = 1, ceil_mode: bool = False) -> PoolGeometry:
        """Sliding windows as in PyTorch's max_pool and avg_pool; stride None means the kernel size."""
        rank = len(input_size)
        kernel = _per_axis(kernel_size, rank, "kernel_size")
        return _sliding_windows(
            _per_axis(input_size, rank, "input_size"), kernel,
            kernel if stride is None or stride == () else _per_axis(stride, rank, "stride"),
            _per_axis(padding, rank, "padding"), _per_axis(dilation, rank, "dilation"), bool(ceil_mode))

    @classmethod
    def adaptive(cls, input_size: Sequence[int], output_size: int | Sequence[int]) -> PoolGeometry:
        """Windows that divide the input into `output_size` nearly equal, possibly overlapping parts."""
        rank = len(input_size)
        return _adaptive_windows(_per_axis(input_size, rank, "input_size"), _per_axis(output_size, rank, "output_size"))

    @cached_property
    def output_size(self) -> tuple[int, ...]:
        """Windows along each axis."""
        return tuple(map(len, self.starts))

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.input_size, self.starts, self.stops, self.dilation))

    def divisors(self, count_include_pad: bool = True, divisor_override: int | None = None) -> tuple[float, ...]:
        """What average pooling divides each window's sum by, windows in C order (last axis fastest)."""
        if divisor_override is not None:
            return (float(divisor_override),) * prod(self.output_size)
        if count_include_pad:
            sizes = self.counts
        else:
            sizes = tuple(tuple(b - a for a, b in zip(lo, hi, strict=True))
                          for lo, hi in zip(self.starts, self.stops, strict=True))
        return tuple(float(prod(window)) for window in itertools.product(*sizes))

    @cached_property
    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """Pixels of every window in C order: (first, pixels), int64; window o holds pixels[first[o]:first[o+1]]."""
        pixels, inside = np.zeros((1, 1), np.int64), np.ones((1, 1), bool)  # (windows, pixels of the largest window)
        for starts, stops, d, step in zip(self.starts, self.stops, self.dilation, _steps(self.input_size), strict=True):
            low, high = np.array(starts, np.int64)[:, None], np.array(stops, np.int64)[:, None]
            along = low + np.arange(0, int((high - low).max(initial=0)), d)
            shape = (len(pixels) * len(along), pixels.shape[1] * along.shape[1])
            pixels = (pixels[:, None, :, None] + along[:, None] * step).reshape(shape)
            inside = (inside[:, None, :, None] & (along < high)[:, None]).reshape(shape)
        return np.concatenate([[0], np.cumsum(inside.sum(1))]), pixels[inside]


@lru_cache(maxsize=4096)
def _sliding_windows(input_size: tuple[int, ...], kernel_size: tuple[int, ...], stride: tuple[int, ...],
                     padding: tuple[int, ...], dilation: tuple[int, ...], ceil_mode: bool) -> PoolGeometry:
    """As many windows as fit; with `ceil_mode` also a last partial one, if it starts before the right padding."""
    _check_windows(kernel_size, stride, dilation, what="pooling")
    output_size, starts, stops, counts = [], [], [], []
    for i, k, s, p, d in zip(input_size, kernel_size, stride, padding, dilation, strict=True):
        extent = d * (k - 1) + 1
        if p < 0:
            raise RuntimeError(f"pooling: pad must be non-negative, but got pad={p}")
        if p > extent // 2:
            raise RuntimeError("pooling: pad should be at most half of effective kernel size, but got "
                               f"pad={p}, kernel_size={k} and dilation={d}")
        o = (i + 2 * p - extent + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (o - 1) * s >= i + p:
            o -= 1
        output_size.append(o)
    if min(output_size, default=1) < 1:
        raise RuntimeError(f"pooling: given input size ({_times(input_size)}), kernel size ({_times(kernel_size)}) and "
                           f"dilation {dilation}, the calculated output size is ({_times(output_size)}). "
                           "Output size is too small")
    if max(output_size, default=1) > WINDOWS or prod(input_size) > LIMIT:
        raise RuntimeError(f"pooling: an input of {_times(input_size)} and an output of {_times(output_size)} are more "
                           f"than supported ({LIMIT} pixels, {WINDOWS} windows along an axis)")
    for i, k, s, p, d, o in zip(input_size, kernel_size, stride, padding, dilation, output_size, strict=True):
        extent = d * (k - 1) + 1
        corners = [w * s - p for w in range(o)]
        starts.append(tuple(c if c >= 0 else c % d for c in corners))
        stops.append(tuple(min(c + extent, i) for c in corners))
        counts.append(tuple(min(c + extent, i + p) - c for c in corners))
        if any(lo >= hi for lo, hi in zip(starts[-1], stops[-1], strict=True)):
            raise RuntimeError(f"pooling: a window of kernel_size={k}, dilation={d} and padding={p} over {i} pixels "
                               "holds nothing but padding")
    return PoolGeometry(input_size, tuple(starts), tuple(stops), dilation, tuple(counts))


@lru_cache(maxsize=4096)
def _adaptive_windows(input_size: tuple[int, ...], output_size: tuple[int, ...]) -> PoolGeometry:
    """Window o of O is [floor(o*I/O), ceil((o+1)*I/O))."""
    if min(output_size, default=0) < 0:
        raise RuntimeError("adaptive pooling: elements of output_size must be greater than or equal to 0 but received "
                           f"{output_size}")
    if min(input_size, default=1) < 1:
        raise RuntimeError(f"adaptive pooling: expected an input with non-zero size, but got ({_times(input_size)})")
    if max(output_size, default=1) > WINDOWS or prod(output_size) > LIMIT or prod(input_size) > LIMIT:
        raise RuntimeError(f"adaptive pooling: output size ({_times(output_size)}) has {prod(output_size)} windows, "
                           f"more than supported ({WINDOWS} along an axis, {LIMIT} together)")
    starts = tuple(tuple(w * i // o for w in range(o)) for i, o in zip(input_size, output_size, strict=True))
    stops = tuple(tuple(-(-(w + 1) * i // o) for w in range(o)) for i, o in zip(input_size, output_size, strict=True))
    counts = tuple(tuple(b - a for a, b in zip(lo, hi, strict=True)) for lo, hi in zip(starts, stops, strict=True))
    return PoolGeometry(input_size, starts, stops, (1,) * len(input_size), counts)


# ------------------------------------------------------------------------------------------------ settings
def _per_axis(value: int | Sequence[int], rank: int, name: str) -> tuple[int, ...]:
    """One Python int per axis."""
    entries = tuple(map(operator.index, value)) if isinstance(value, Iterable) else (operator.index(value),) * rank
    if len(entries) == 1:
        entries *= rank
    if len(entries) != rank:
        raise RuntimeError(f"expected `{name}` to be a single integer or {rank} of them, one per spatial axis, "
                           f"but got {entries}")
    return entries


def _padding_per_axis(padding: int | Sequence[int] | Sequence[tuple[int, int]],
                      rank: int) -> tuple[tuple[int, int], ...]:
    """(before, after) per axis, from an int, ints or pairs."""
    entries: Any = padding
    if isinstance(entries, Iterable):
        entries = tuple(entries)
        if len(entries) == rank and all(isinstance(pair, Iterable) for pair in entries):
            return tuple((operator.index(before), operator.index(after)) for before, after in entries)
    return tuple((p, p) for p in _per_axis(entries, rank, "padding"))


def _check_windows(kernel_size: Sequence[int], stride: Sequence[int], dilation: Sequence[int],
                   what: str = "convolution") -> None:
    """Kernel, stride and dilation are positive."""
    for name, entries in (("stride", stride), ("dilation", dilation), ("kernel_size", kernel_size)):
        if min(entries, default=1) < 1:
            raise RuntimeError(f"{what}: non-positive {name} is not supported: `{name}` should be greater than zero, "
                               f"but got {list(entries)}")


def _times(size: Sequence[int]) -> str:
    """'8 x 8'"""
    return " x ".join(map(str, size))
