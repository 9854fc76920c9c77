"""Winograd's F(4x4, 3x3): a 3x3 convolution with a quarter of the multiplications.

Along one axis, four outputs of a filter of three taps, y[i] = sum over t of w[t] d[i+t], are a bilinear map of w and
six inputs d. Polynomials give it with six multiplications instead of twelve (Toom and Cook; Winograd 1980): two
polynomials, of degrees 2 and 3, are multiplied by their values at five points and at infinity. Read backwards, as the
adjoint in one operand, a product of polynomials is a filter, and the three steps become three linear maps:

    y = A^T [(G w) * (B^T d)]       with "*" element by element

    G    values of w(x) = w0 + w1 x + w2 x^2 at the points a_j, each divided by N_j = product over m != j of (a_j - a_m)
    B^T  row j: coefficients of the product over m != j of (x - a_m); last row: over all m
    A^T  row i: the powers a_j^i, and 1 for infinity in the last row

In two dimensions every map is applied along both axes: 36 multiplications for 16 outputs of 9 taps, 144 otherwise.
Summed over channels c, each of the 36 positions p is a matrix product over the tiles of an image:

    V = B^T d B,    U = G w G^T,    M_p = V_p U_p,    y = A^T M A

That is linear in d and in w, so its gradients are the adjoints of these steps in reverse. For an incoming gradient g
of y:

    dM = A g A^T,    dU_p = V_p^T dM_p,    dw = G^T dU G

and for the input it is the same convolution again, of g with the flipped and transposed w.

The points decide the rounding errors. 0, +-1, +-2 is the usual choice; with 0, +-3/4, +-3/2 the powers spread less:
largest error over largest output 2.3e-6 against 1.3e-5 (128 channels, normal numbers; the direct sum has 5e-7). Pairs
+-a cost nothing: even and odd parts are computed once for both.

| points, besides 0 and infinity | +-1, +-2 | +-1, +-1/2 | +-1/2, +-3/2 | +-5/8, +-5/4 | +-2/3, +-4/3 | +-3/4, +-3/2 |
|--------------------------------|----------|------------|--------------|--------------|--------------|--------------|
| error, in 1e-6                 |     12.9 |       15.1 |          5.8 |          3.2 |          2.7 |          2.3 |

What a direct sum keeps, and this algorithm by itself does not
--------------------------------------------------------------
An output here is made of all 36 pixels of its tile, of which its window sees 9: the others cancel up to rounding, some
1e-7 of the largest. So a NaN would spread over 16 outputs, one pixel of 1e8 move its neighbours by 7, 3e38 overflow in
B^T d, and sums of ones would not be whole. What is in danger of that is summed directly, by three rules. They read
values alone, and belong to the algorithm, whatever made the choice of it.

1. Weights (`_transform_weight`). The direct sum does the whole layer if for any output with weights other than 0
   - all weights have one sign: boxes, blurs, a single 1. Sums of what is not negative are never below 0, and of a
     constant image they are one number;
   - all are integers up to 255 times one power of two: edges, masks, differences. Integers are counted exactly;
   - the largest weight at one tap is less than 1/256 of the largest: windows at the border might see no other.
   It does so, too, if the largest weight is not finite, or one that G w could take out of the range of floats.
2. Tiles (`_conv`, `_inspect`). The direct sum does a tile if the largest magnitude of its 36 pixels, over all channels,
   is more than RATIO = 64 times what is usual, and as much more than what one of its windows sees (in a tile cut off at
   the edge, one of its pixels); or not finite, or beyond what the maps can take. Usual is the median over tiles. So an
   outlier stays where it is seen, finite sums stay finite, and around a few pixels on zeros windows of zeros give 0.
   The tile's outputs then have the bits that the direct sum gives them.
   To look at all 36 pixels of every tile would cost 3 % at 64 channels. So the maps watch, for each vector of channels,
   4 values they hold anyway: products to which every pixel contributes with a factor of 1 or more. Only where these are
   more than RATIO times the median, or padding is wider than 2, a tile is inspected. Without the median, whatever lies
   beside a window of zeros was summed directly: gradients that come through max pooling, and airbench94 took 1.4 times
   as long (2026-11). What rounding leaves in such a window is 1e-6 of what is usual.
3. The gradient for w. Its sum runs over all tiles, channels do not mix, and what a tile adds to one tap is as uncertain
   as its contribution to the others is large. Images with a tile whose product of largest values of V and dM is more
   than an eighth (of few tiles 16/n) of all others' sum, or beyond the range, are left out and summed directly
   (`_outweighing`). Fewer than FEW = 16 tiles are, too; and all of them if both x and y are integers up to 255, each
   times a power of two.

What remains: errors are relative to the largest value that the window sees in any channel, times the largest weight of
the output. Measured with one outlier of 100 to 3e38 in normal numbers (16 channels): at most 1e-5 of the sum of
magnitudes where the direct sum has 1e-6. Equal pixels need not give equal outputs, unless by rule 1: under weights of
both signs a constant image comes out with differences in the last bits.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils

from minitorch.kernels.engine.runtime import FASTMATH, borrow, get_num_threads, give_back, helper, kernel
from minitorch.kernels.norm import NO_NORM, NO_SUMS, formed, normal_pixels, span_of, sum_written, summed
from minitorch.kernels.tile.epilogue import epilogue_of, kernel_with_epilogue
from minitorch.kernels.tile.tile import PANEL, narrow_panel, narrow_turned, wide_panel, wide_turned
from minitorch.kernels.words.lanes import row_total
from minitorch.kernels.words.moves import claim, clear, lanes_of
from minitorch.kernels.words.registers import INT, WIDTH, Vectors, data, intrinsic, unpacked
from minitorch.kernels.words.vector import choose, sweep

OUT, TAPS = 4, 3  # outputs and taps along an axis of a tile ...
IN = OUT + TAPS - 1  # ... and inputs; also the number of products
HEAVY = 100_000  # products per position worth waking the other threads for
AHEAD = 2 * OUT  # columns; the weight's gradient at N64 C64 32x32: 27 ms without, 23 with (one core Zen 3, 2026-11)
POINTS = (Fraction(0), Fraction(3, 4), Fraction(-3, 4), Fraction(3, 2), Fraction(-3, 2))


# ------------------------------------------------------------------------------------------------ the three maps
def _product_of(roots: list[Fraction]) -> list[Fraction]:
    """Coefficients of the product of (x - root), lowest first, IN of them."""
    coefficients = [Fraction(1)]
    for root in roots:
        above, below = [Fraction(0), *coefficients], [*coefficients, Fraction(0)]
        coefficients = [a - root * b for a, b in zip(above, below, strict=True)]
    return coefficients + [Fraction(0)] * (IN - len(coefficients))


def maps() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A^T (OUT, IN), G (IN, TAPS) and B^T (IN, IN), as derived above."""
    at = [[a**i for a in POINTS] + [Fraction(i == OUT - 1)] for i in range(OUT)]
    g, bt = [], []
    for j, a in enumerate(POINTS):
        others = [b for m, b in enumerate(POINTS) if m != j]
        n = _product_of(others)
        g.append([a**t / sum(c * a**i for i, c in enumerate(n)) for t in range(TAPS)])
        bt.append(n)
    g.append([Fraction(0)] * (TAPS - 1) + [Fraction(1)])
    bt.append(_product_of(list(POINTS)))
    return tuple(np.array(m, np.float64) for m in (at, g, bt))  # type: ignore[return-value]


def _apply(v: Vectors, matrix: np.ndarray, x: list[ir.Value]) -> list[ir.Value]:
    """matrix @ x for vectors x. Columns and rows that differ in signs only are met as sums and differences."""
    columns = matrix.shape[1]
    for j in range(columns):
        for k in range(j + 1, columns):
            same = matrix[:, j] == matrix[:, k]
            if np.array_equal(abs(matrix[:, j]), abs(matrix[:, k])) and not same.all():
                # m_j x_j + m_k x_k is m_j (x_j + x_k) in some rows and m_j (x_j - x_k) in the others
                split = matrix.copy()
                split[:, j], split[:, k] = np.where(same, matrix[:, j], 0), np.where(same, 0, matrix[:, j])
                x = list(x)
                x[j], x[k] = v.builder.fadd(x[j], x[k]), v.builder.fsub(x[j], x[k])
                return _apply(v, split, x)
    out: list[Any] = [None] * len(matrix)
    for r in range(len(matrix)):
        for s in range(r + 1, len(matrix)):
            if out[r] is None and np.array_equal(abs(matrix[r]), abs(matrix[s])) and np.count_nonzero(matrix[r]) > 1:
                even, odd = (_combine(v, np.where(part, matrix[r], 0), x)
                             for part in (matrix[r] == matrix[s], matrix[r] != matrix[s]))
                out[r], out[s] = v.builder.fadd(even, odd), v.builder.fsub(even, odd)
        if out[r] is None:
            out[r] = _combine(v, matrix[r], x)
    return out


def _combine(v: Vectors, row: np.ndarray, x: list[ir.Value]) -> ir.Value:
    """The sum of row[j] * x[j]."""
    total = None
    for j in sorted(np.flatnonzero(row), key=lambda j: row[j] != 1):  # a factor of 1 first: it needs no multiplication
        if total is None:
            total = x[j] if row[j] == 1 else v.builder.fmul(v.constant(row[j]), x[j])
        elif row[j] in (1, -1):
            total = (v.builder.fadd if row[j] == 1 else v.builder.fsub)(total, x[j])
        else:
            total = v.fma(v.constant(row[j]), x[j], total)
    return v.zero if total is None else total


def make_map(matrix: np.ndarray, image: str = "", clip: bool = False, masked: bool = False,
             watched: tuple[int, ...] = ()) -> Any:
    """An intrinsic that writes matrix @ X @ matrix.T for square tiles X of vectors: `vectors` of them side by side.

    X[i, j] is at start + i*row + j*column of `source`, the result at at + i*target_row + j*target_column of
    `target`; the next vector is `step` further, or beside it in an image. `image` says which of the two is part of an
    image; if it is the source, pixels AHEAD columns to the right are fetched into the cache. With `clip`, at the edge
    of an image, only rows first_row to last_row and columns first_column to last_column exist; the other pixels are
    read from, or written to, the vector at `aside` of `space`. With `masked` only `valid` lanes of a vector in an image
    are touched. The last arguments are the number of the target's first channel and a `Epilogue`, or ().

    `watched`, of a map of the image: record[entry] becomes the largest magnitude, NaN above all, of the products whose
    row and column are both among these, unless it is larger.
    """
    height, width = matrix.shape

    @intrinsic
    def transform(typingctx, source, start, row, column, target, at, target_row, target_column, vectors, step,
                  space, aside, first_row, last_row, first_column, last_column, valid, record, entry, channel, finish):
        size = types.intp
        signature = types.void(source, *[size] * 3, target, *[size] * 5, space, *[size] * 6, record, *[size] * 2,
                               finish)

        def emit(context, builder, signature, arguments):
            (source, start, row, column, target, at, target_row, target_column, vectors, step, space, aside,
             first_row, last_row, first_column, last_column, valid, record, entry, channel,
             finish) = unpacked(context, builder, signature, arguments)
            v = Vectors(builder, context.get_data_type(signature.args[0].dtype))
            finish = epilogue_of(context, v, signature.args[-1], finish)
            mask = v.mask(valid) if masked else None
            aside = v.at(space, aside)
            ahead = builder.mul(column, INT(AHEAD))

            def between(number, first, last):
                return builder.and_(builder.icmp_signed("<=", first, INT(number)),
                                    builder.icmp_signed("<=", INT(number), last))

            sides = range(width if image == "source" else height)
            rows = [between(i, first_row, last_row) for i in sides] if clip else []
            columns = [between(j, first_column, last_column) for j in sides] if clip else []

            def walk(base, step, count):  # not i*step from the base: LLVM would keep all products in memory
                for _ in range(count):
                    yield base
                    base = v.at(base, step)

            def inside(side, place, i, j):
                clipped = clip and side == image
                return builder.select(builder.and_(rows[i], columns[j]), place, aside) if clipped else place

            peak = v.peak() if watched else None
            # an image is read or written row by row; so what is no image, whose distances are known, is by columns
            by_rows = image != "target"
            outer, inner = (row, column) if by_rows else (column, row)
            target_outer, target_inner = (target_column, target_row) if by_rows else (target_row, target_column)
            across = [builder.mul(inner, INT(j)) for j in range(width)]
            target_across = [builder.mul(target_inner, INT(j)) for j in range(height)]
            with cgutils.for_range(builder, vectors) as loop:
                moved, to = (builder.mul(loop.index, INT(v.lanes) if side == image else step)
                             for side in ("source", "target"))
                to = builder.add(at, to)
                half = []
                for i, line in enumerate(walk(v.at(source, start, moved), outer, width)):
                    if image == "source":
                        for j in range(width):
                            v.fetch(v.at(line, ahead, across[j]))
                    x = [v.load(inside("source", v.at(line, across[j]), i, j), mask if image == "source" else None)
                         for j in range(width)]
                    half.append(_apply(v, matrix, x))
                if finish:
                    factors = finish.factors(builder.add(channel, builder.mul(loop.index, INT(v.lanes))))
                    beside = walk(v.at(finish.r, finish.step(to)), finish.step(target_row), height)
                for i, line in enumerate(walk(v.at(target, to), target_outer, height)):
                    values = _apply(v, matrix, [part[i] for part in half])
                    for j in watched if i in watched else ():
                        v.raise_peak(peak, values[j])
                    if finish:
                        others = walk(next(beside), finish.step(target_column), height)
                        values = [finish(value, factors, inside("target", other, i, j), mask)
                                  for j, (value, other) in enumerate(zip(values, others, strict=True))]
                    for j, value in enumerate(values):
                        v.store(value, inside("target", v.at(line, target_across[j]), i, j),
                                mask if image == "target" else None)
            if watched:
                v.record_peak(peak, v.at(record, entry))
            return context.get_dummy_value()

        return signature, emit

    return transform


@intrinsic
def fetch_tile(typingctx, image, start, row, column, finish):
    """Fetch the pixels of a tile, and those of a `Epilogue`'s r, so that writing them later waits for nothing."""

    def emit(context, builder, signature, arguments):
        image, start, row, column, finish = arguments
        v = Vectors(builder, context.get_data_type(signature.args[0].dtype))

        def fetch(base, write):
            left = builder.gep(base, [start])
            for _ in range(OUT):
                place = left
                for _ in range(OUT):
                    v.fetch(place, write)
                    place = builder.gep(place, [column])
                left = builder.gep(left, [row])

        fetch(data(context, builder, signature.args[0], image), True)
        if finish := epilogue_of(context, v, signature.args[4], finish):
            with builder.if_then(finish.given):  # C16 32x32, N128: 6.4 ms without, 5.7 with (one core Zen 3, 2026-11)
                fetch(finish.r, False)
        return context.get_dummy_value()

    return types.void(image, types.intp, types.intp, types.intp, finish), emit


def _variants(matrix: np.ndarray, image: str, watched: tuple[int, ...] = ()) -> tuple[Any, Any, Any]:
    """The map inside an image, at its edge, and for the last few channels."""
    return (make_map(matrix, image, watched=watched), make_map(matrix, image, clip=True, watched=watched),
            make_map(matrix, image, clip=True, masked=True, watched=watched))


AT, G, BT = maps()
weight_map, weight_adjoint = make_map(G), make_map(G.T)
# Every pixel enters a watched product with a factor of 1 or more: even ones the first, odd ones the last of B^T d; all
# of them A g at the points +-3/2.
input_map, input_edge, input_tail = _variants(BT, "source", (0, IN - 1))
output_map, output_edge, output_tail = _variants(AT, "target")
adjoint_map, adjoint_edge, adjoint_tail = _variants(AT.T, "source", (3, 4))


# ------------------------------------------------------------------------------------------------ conv
BLOCK = {16: 24, 8: 32, 4: 32}[WIDTH]  # tiles whose V and M stay in a core's L2, whole panels; 16 to 36: within 5 %
GROUP = 3  # products between which outputs are prefetched
STEPS = {16: 128, 8: 64, 4: 64}[WIDTH]  # channels summed at a time, so that what a panel reads stays in L1
# More of V than FAR_BYTES does not stay in L2. Then the outputs whose M takes up to SHARE_BYTES are computed position
# by position, so that they share a reading of V. C256 8x8, N64: 26.5 ms without this, STEPS, and panels that fetch the
# next position's U; 20.5 with all three, 25.8 if panels fetch nothing (one core Zen 3, 2026-11).
FAR_BYTES, SHARE_BYTES = 400_000, 320_000
STAGED = 32_000  # bytes of normalised rows that a worker has at a time
RATIO = 64.0  # of the largest pixel of a tile to the largest one that a window sees, or to what is usual, at most
SAMPLE = 256  # tiles, at most, of which the median peak is what is usual
TAP_RATIO = 256.0  # of the largest weight of an output to the largest one at a tap, at most
DIGITS = 8  # binary digits of numbers that count as small integers
APART = 16  # elements between the planes of U, V or M, so that they fall into different sets of the cache


def conv(x: np.ndarray, w: np.ndarray, out: np.ndarray, padding: tuple[tuple[int, int], ...], flip: bool,
         finish: tuple = (), norm: Any = (), sums: Any = ()) -> np.ndarray | None:
    """out[n, o, k] = sum over taps t, channels c of x[n, o + t - p, c] w[k, c, t]; with `flip` w[c, k, 2 - t].

    The sums are finished before they are written, if told; see `Epilogue`. With norm = (mean, scale, shift) the image
    is relu((x - mean) * scale + shift), of which a row of tiles at a time is in a core's cache, and no more exists.
    sums: as in `conv_statistics`.
    Returns the numbers of the tiles whose outputs are to be computed directly, or None if all are, because of w; see
    the top of this file.
    """
    batch, height, width, channels = x.shape
    _, out_height, out_width, outputs = out.shape
    lanes = 4 * WIDTH // x.itemsize
    high, wide = -(-out_height // OUT), -(-out_width // OUT)
    total, workers = batch * high * wide, get_num_threads()
    if not total:
        return np.arange(0)
    v_size, m_size = 36 * -(-channels // lanes) * (BLOCK * lanes + APART), 36 * (BLOCK * 2 * lanes + APART)
    share = SHARE_BYTES // (m_size * x.itemsize) if v_size * x.itemsize > FAR_BYTES else 1
    share = min(max(share, 1), -(-outputs // (2 * lanes)))
    norm, rows, stage = _staging(norm, x, high)
    slot, peak_slot = v_size + share * m_size + 2 * lanes + stage, 9 * _whole(outputs, lanes) + 1
    u_size = -(-outputs // (2 * lanes)) * 36 * (channels * 2 * lanes + APART)
    u, space = borrow(u_size, x.dtype), borrow(workers * slot, x.dtype)
    peaks, record, verdict = (np.zeros(count, x.dtype) for count in (workers * peak_slot, total + 2, 2))
    heavy = total * channels * outputs > HEAVY
    _transform_weight(heavy and channels * outputs > 1000, w.reshape(-1), u, space, peaks, verdict, channels, outputs,
                      flip, peak_slot)
    largest, odd = float(verdict[0]), bool(verdict[1])
    least, most = _range(x.dtype)
    if odd or not (least < largest < most or largest == 0):
        give_back(u, space)
        return None
    most /= max(1.0, channels * largest)
    sizes = high, wide, height, width, padding[0][0], padding[1][0], out_height, out_width, channels
    _conv(heavy, x.reshape(-1), u, out.reshape(-1), *norm, space, record, np.zeros(1, np.int64), total, *sizes,
          outputs, slot, stage, rows, share * 2 * lanes, span_of(sums, total, BLOCK),
          *(sums or NO_SUMS[x.dtype.char]), finish)
    peak, (low, high) = record[:total], record[total:].tolist()
    sample = peak[::-(-total // SAMPLE)]
    usual = np.partition(sample, sample.size // 2)[sample.size // 2]  # NaN is above all
    if max(map(max, padding)) > 2:  # there are windows that see no pixel, and give 0
        unsure = np.arange(total)
    elif low > least and high < most and high / RATIO <= usual:  # as nearly always
        unsure = np.arange(0)
    else:
        unsure = np.flatnonzero(~((peak / RATIO <= usual) & (peak < most) & ((peak > least) | (peak == 0))))
    if unsure.size:
        x, apart = formed(x, norm), np.zeros(unsure.size, x.dtype)
        _inspect(unsure.size * channels > HEAVY // 100, x.reshape(-1), unsure, peak, apart, least, most, *sizes)
        unsure = unsure[apart != 0]
        if sums and unsure.size:
            sums[0][:] = 0  # outputs will change
    give_back(u, space)
    return unsure


def _staging(norm: Any, x: np.ndarray, high: int) -> tuple[tuple, int, int]:
    """A norm's factors, rows of tiles for which x is formed at a time, elements of these; 0 without a norm."""
    if not norm:
        return NO_NORM[x.dtype.char], 0, 0
    line = x.shape[2] * x.shape[3]
    rows = min(max(1, STAGED // (OUT * line * x.itemsize)), high)
    return norm, rows, (OUT * rows + IN - OUT) * line


def pixels_of(tiles: np.ndarray, out_shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The image of each tile and the first row and column of its outputs."""
    high, wide = -(-out_shape[1] // OUT), -(-out_shape[2] // OUT)
    return tiles // (high * wide), tiles // wide % high * OUT, tiles % wide * OUT


@cache
def _range(dtype: np.dtype) -> tuple[float, float]:
    """Magnitudes between which no map underflows or overflows: products of two are at most 2^18 times as large."""
    limits = np.finfo(dtype)
    return float(limits.tiny) * 2.0**26, float(limits.max) / 2.0**18


def _whole(channels: int, lanes: int) -> int:
    """Channels, and the lanes left over in the last vector."""
    return -(-channels // lanes) * lanes


@helper(fastmath=FASTMATH)
def _kinds(a, start, step, runs, length, sought):
    """Which occur among `runs` runs of numbers, until all `sought` are found.

    1: positive ones, 2: negative ones, 4: more than DIGITS binary digits between the first of the largest and the last
    of the finest. Numbers that are not finite are not looked at.
    """
    found, high, low = 0, -10_000, 10_000
    for run in range(runs):
        for i in range(start + run * step, start + run * step + length):
            value = a[i]
            if value == 0 or not abs(value) < np.inf:
                continue
            found |= 1 if value > 0 else 2
            digits, exponent = math.frexp(abs(value))
            digits *= 2**DIGITS
            whole, last = int(digits), exponent  # last: the place of the last digit that is not 0, DIGITS higher
            if whole != digits:
                found |= 4
            else:
                while whole % 2 == 0:
                    whole //= 2
                    last += 1
                high, low = max(high, exponent), min(low, last)
                if high > low:
                    found |= 4
            if found & sought == sought:
                return found
    return found


@helper(fastmath=FASTMATH)
def _start_of_u(k, channels, lanes):
    """Where U has two vectors of outputs, from k on."""
    return k // (2 * lanes) * 36 * (channels * 2 * lanes + APART)


@kernel
def _transform_weight(workers, w, u, space, peaks, verdict, channels, outputs, flip, peak_slot):
    """U = G w G^T as the panel reads it: [two vectors of k][position][c][lane].

    peaks: zeros, for the largest |w| of each output and tap. verdict: the largest of all, and whether the weights of
    any output are to be summed directly.
    """
    lanes = lanes_of(u)
    blocks = -(-outputs // (2 * lanes))
    for worker in prange(workers):
        taps = space[worker * 9 * 2 * lanes:(worker + 1) * 9 * 2 * lanes]
        for item in range(worker * blocks * channels // workers, (worker + 1) * blocks * channels // workers):
            k, c = item // channels * 2 * lanes, item % channels
            size = 2 * lanes if outputs - k > lanes else lanes
            used = min(size, outputs - k)
            taps[:] = 0
            for lane in range(used):
                start = (c * outputs + k + lane) * 9 if flip else ((k + lane) * channels + c) * 9
                if c == 0:
                    step = outputs * 9 if flip else 9
                    found = _kinds(w, start, step, channels, 9, 7)
                    if found != 7 and found != 0:
                        peaks[(worker + 1) * peak_slot - 1] = 1
                if flip:
                    for t in range(9):
                        taps[t * size + lane] = w[start + 8 - t]
                else:
                    for t in range(9):
                        taps[t * size + lane] = w[start + t]
            at = worker * peak_slot + k * 9
            own = peaks[at:at + 9 * size]
            raise_peaks((taps, own, own), 0, 9 * size, ())
            plane = channels * size + APART
            weight_map(taps, 0, 3 * size, size, u, _start_of_u(k, channels, lanes) + c * size, 6 * plane, plane,
                       size // lanes, lanes, taps, 0, 0, 0, 0, 0, 0, taps, 0, 0, ())
    for worker in range(workers):
        if peaks[(worker + 1) * peak_slot - 1] != 0:
            verdict[1] = 1
    for k in range(outputs):
        block = k // (2 * lanes) * 2 * lanes
        size = 2 * lanes if outputs - block > lanes else lanes
        least, most = np.inf, 0.0
        for t in range(9):
            peak = 0.0
            for worker in range(workers):
                own = peaks[worker * peak_slot + block * 9 + t * size + k - block]
                if own > peak or own != own:
                    peak = own
            least = min(least, peak)
            if peak > most or peak != peak:
                most = peak
        if least * TAP_RATIO < most:
            verdict[1] = 1
        if most > verdict[0] or most != most:
            verdict[0] = most


@helper(fastmath=FASTMATH)
def _place(tile, high, wide):
    """The image of a tile and its first pixel."""
    return tile // (high * wide), tile // wide % high * 4, tile % wide * 4


@helper(fastmath=FASTMATH)
def _next(n, i, j, high, wide):
    """The same of the next tile, without divisions."""
    j += 4
    if j == 4 * wide:
        i, j = i + 4, 0
        if i == 4 * high:
            n, i = n + 1, 0
    return n, i, j


@helper(fastmath=FASTMATH)
def _map_input(x, start, i, j, height, width, channels, v, at, plane, space, zeros, record, tile):
    """V = B^T d B of the tile whose first pixel is (i, j), at x[start]."""
    lanes = lanes_of(v)
    row, whole = width * channels, channels // lanes
    last_row, last_column, step = height - 1 - i, width - 1 - j, 36 * plane
    if i >= 0 and j >= 0 and last_row >= 5 and last_column >= 5:
        input_map(x, start, row, channels, v, at, 6 * plane, plane, whole, step, x, 0, 0, 0, 0, 0, 0, record, tile, 0,
                  ())
    else:
        input_edge(x, start, row, channels, v, at, 6 * plane, plane, whole, step, space, zeros,
                   -i, last_row, -j, last_column, 0, record, tile, 0, ())
    if channels % lanes:
        input_tail(x, start + whole * lanes, row, channels, v, at + whole * step, 6 * plane, plane, 1, step, space,
                   zeros, -i, last_row, -j, last_column, channels % lanes, record, tile, 0, ())


@helper(fastmath=FASTMATH)
def _map_inputs(x, mean, scale, shift, first, low, stop, high, wide, height, width, top, left, channels, v, v_at, plane,
                space, zeros, staged, rows, record):
    """Of the tiles from `first` on V of low ... stop - 1, with a norm of images that are formed at space[staged:].

    They are formed `rows` rows of tiles at a time, two rows of pixels at their border twice.
    """
    n, i, j = _place(first + low, high, wide)
    begin = i
    for t in range(low, stop):
        a, start = x, ((n * height + i - top) * width + j - left) * channels
        if rows:
            if t == low or (j == 0 and (i == 0 or i == begin + 4 * rows)):
                begin = i
                some = min(rows, -(-(j // 4 + stop - t) // wide))
                for line in range(max(i - top, 0), min(i - top + 4 * some + 2, height)):
                    normal_pixels(x, (n * height + line) * width * channels, channels, mean, scale, shift, 0, space,
                                  staged + (line - i + top) * width * channels, width, channels)
            a, start = space, staged + ((i - begin) * width + j - left) * channels
        _map_input(a, start, i - top, j - left, height, width, channels, v, v_at + t * lanes_of(v), plane, space, zeros,
                   record, first + t)
        n, i, j = _next(n, i, j, high, wide)


@helper(fastmath=FASTMATH)
def _multiply(space, v, m, u, u_at, p, count, channels, size):
    """M = V U of `count` tiles in GROUP positions from p on; size: of one or two vectors of outputs."""
    lanes = lanes_of(space)
    plane, m_plane, u_plane = BLOCK * lanes + APART, BLOCK * 2 * lanes + APART, channels * size + APART
    for c in range(0, channels, STEPS):
        steps, more, place = min(channels - c, STEPS), min(c, 1), m + p * m_plane
        a, b = v + c // lanes * 36 * plane + p * plane, u_at + p * u_plane + c * size
        if size > lanes:
            wide_panel(GROUP, space, a, plane, 36 * plane, count, u, b, u_plane, steps, space, place, m_plane, more)
        else:
            narrow_panel(GROUP, space, a, plane, 36 * plane, count, u, b, u_plane, steps, space, place, m_plane, more)


@helper(fastmath=FASTMATH)
def _map_output(m, m_at, count, first, high, wide, out, out_height, out_width, outputs, k, aside, finish):
    """y = A^T M A of `count` tiles, two vectors of outputs from k on."""
    lanes, row = lanes_of(m), out_width * outputs
    m_plane, size = BLOCK * 2 * lanes + APART, 2 * lanes if outputs - k > lanes else lanes
    full, rest = min(outputs - k, size) // lanes, min(outputs - k, size) % lanes
    n, i, j = _place(first, high, wide)
    for t in range(count):
        to, at = ((n * out_height + i) * out_width + j) * outputs + k, m_at + t * size
        last_row, last_column = out_height - 1 - i, out_width - 1 - j
        if last_row >= 3 and last_column >= 3:
            output_map(m, at, 6 * m_plane, m_plane, out, to, row, outputs, full, lanes, out, 0, 0, 0, 0, 0, 0, out, 0,
                       k, finish)
        else:
            output_edge(m, at, 6 * m_plane, m_plane, out, to, row, outputs, full, lanes, m, aside,
                        0, last_row, 0, last_column, 0, out, 0, k, finish)
        if rest:
            output_tail(m, at + full * lanes, 6 * m_plane, m_plane, out, to + full * lanes, row, outputs, 1, lanes,
                        m, aside, 0, last_row, 0, last_column, rest, out, 0, k + full * lanes, finish)
        n, i, j = _next(n, i, j, high, wide)


def _higher(x: Any, old: Any) -> Any:
    """The larger of |x| and old, which is not negative, by their bits: so NaN is above infinity."""
    new, old = abs(x).bits(), old.bits()
    return choose(new > old, new, old).floats()


raise_peaks = sweep(_higher)
magnitude = row_total(lambda x: abs(x), "max")


@kernel_with_epilogue
def _conv(workers, x, u, out, mean, scale, shift, space, record, counter, total, high, wide, height, width, top, left,
          out_height, out_width, channels, outputs, slot, stage, rows, share, span, written, partial, scratch,
          width_of_sums, finish):
    lanes = lanes_of(x)
    plane, m_plane, out_row = BLOCK * lanes + APART, BLOCK * 2 * lanes + APART, out_width * outputs
    for worker in prange(workers):
        m = worker * slot
        zeros = m + share // (2 * lanes) * 36 * m_plane
        aside = zeros + lanes
        staged = aside + lanes
        v = staged + stage
        first, stop = 0, 0
        while True:
            if first == stop:
                first = claim(counter) * span
                stop = min(first + span, total)
            if first >= total:
                break
            count = min(BLOCK, stop - first)
            clear(space, zeros, lanes)
            _map_inputs(x, mean, scale, shift, first, 0, count, high, wide, height, width, top, left, channels, space,
                        v, plane, space, zeros, staged, rows, record)
            for some in range(0, outputs, share):
                n, i, j = _place(first, high, wide)
                for p in range(0, 36, GROUP):
                    # While some products run, prefetch the outputs of as many of the tiles. N128 C16 32x32: 4.2 ms
                    # without, 3.5 with (one core Zen 3, 2026-11).
                    for _ in range(p, min(p + GROUP, count)):
                        to = ((n * out_height + i) * out_width + j) * outputs + some
                        fetch_tile(out, to, out_row, outputs, finish)
                        n, i, j = _next(n, i, j, high, wide)
                    for k in range(some, min(some + share, outputs), 2 * lanes):
                        size = 2 * lanes if outputs - k > lanes else lanes
                        m_at = m + (k - some) // (2 * lanes) * 36 * m_plane
                        _multiply(space, v, m_at, u, _start_of_u(k, channels, lanes), p, count, channels, size)
                for k in range(some, min(some + share, outputs), 2 * lanes):
                    _map_output(space, m + (k - some) // (2 * lanes) * 36 * m_plane, count, first, high, wide, out,
                                out_height, out_width, outputs, k, aside, finish)
            end = first + count
            while written.size and first < end:  # the tiles of one row
                n, i, j = _place(first, high, wide)
                some = min(end - first, wide - j // 4)
                for line in range(i, min(i + 4, out_height)):
                    sum_written(out, (n * out_height + line) * out_width + j, min(4 * some, out_width - j), outputs,
                                outputs, written, partial, scratch, width_of_sums)
                first += some
            first = end
    least, most = np.inf, 0.0  # of all peaks that are not 0; NaN above all
    for t in range(total):
        if 0 < record[t] < least:
            least = record[t]
        if record[t] > most or record[t] != record[t]:
            most = record[t]
    record[total], record[total + 1] = least, most


@helper(fastmath=FASTMATH)
def _largest(x, n, row, column, size, height, width, channels):
    """The largest magnitude in a square of pixels of an image, NaN above all; outside of the image it is 0."""
    most, low, high = 0.0, max(column, 0), min(column + size, width)
    for line in range(max(row, 0), min(row + size, height) if low < high else 0):
        start = (n * height + line) * width
        peak = magnitude((x,), (start + low) * channels, (start + high) * channels, (), 0)
        if peak > most or peak != peak:
            most = peak
    return most


@kernel
def _inspect(workers, x, tiles, peaks, apart, least, most, high, wide, height, width, top, left, out_height, out_width,
             channels):
    """apart[i] = 1 if tile i of these is to be summed directly; see the top of this file. peaks: of V."""
    for worker in prange(workers):
        for item in range(worker * tiles.size // workers, (worker + 1) * tiles.size // workers):
            n, i, j = _place(tiles[item], high, wide)
            peak, row, column = peaks[tiles[item]], i - top, j - left
            if least < peak < most:  # every window holds one of four squares: they are looked at first
                seen = most
                for square in range(4):
                    seen = min(seen, _largest(x, n, row + 1 + square // 2 * 2, column + 1 + square % 2 * 2, 2, height,
                                              width, channels))
                if peak <= RATIO * seen:
                    continue
            high_side, wide_side = min(4, out_height - i), min(4, out_width - j)
            peak = _largest(x, n, row, column, 6, height, width, channels)
            seen = peak
            for o in range(high_side):
                for q in range(wide_side):
                    seen = min(seen, _largest(x, n, row + o, column + q, 3, height, width, channels))
            if high_side < 4 or wide_side < 4:  # all windows of a cut tile may see one pixel: each pixel is looked at
                for line in range(max(row, 0), min(row + high_side + 2, height)):
                    for place in range(max(column, 0), min(column + wide_side + 2, width)):
                        seen = min(seen, _largest(x, n, line, place, 1, height, width, channels))
            if not (peak <= RATIO * seen and peak < most and (peak > least or peak == 0)):
                apart[item] = 1


# ------------------------------------------------------------------------------------------------ conv_weight_grad
PARTS, PART_BYTES = 16, 1_000_000  # how many sums dU a batch has, each of a part of it; only if dU is no larger
BLOCK_BYTES = 400_000  # V and dM of tiles that a worker sums at a time; 1.2 MB: 5 to 9 % slower (one core Zen 4)
CHUNK_BYTES = 2_000_000  # V and dM of the tiles that all workers sum at a time: a share of L3
FEW = 16  # tiles, of which one may well outweigh the others: fewer are summed directly
LEAST = 64  # tiles of a block or a chunk, at least: with fewer, adding to dU is more work than reading V and dM
MOST = 128  # and at most: planes of V and dM lie so far apart, which the compiler knows


def conv_weight_grad(x: np.ndarray, y: np.ndarray, out: np.ndarray, padding: tuple[tuple[int, int], ...],
                     norm: Any = ()) -> np.ndarray | None:
    """out[k, c, t] = sum over n and o of y[n, o, k] x[n, o + t - p, c]; with `norm` as in `conv`.

    Returns the numbers of images that are to be left out and summed directly, in which case `out` is worth nothing,
    or None if all are.

    The tiles are cut into parts, each summed by one worker in one order, a block at a time; the parts are added up in
    order. No worker waits for others or reads what they wrote. A dU too large to have several is summed another way:
    all workers do one chunk of tiles after the other, first transform it and then share the positions of dU. C16 32x32
    takes 3.5 ms the first way, 6.6 the second (N128, 2 cores Zen 3, 2026-11).
    """
    batch, height, width, channels = x.shape
    _, out_height, out_width, outputs = y.shape
    lanes = 4 * WIDTH // x.itemsize
    high, wide = -(-out_height // OUT), -(-out_width // OUT)
    total = batch * high * wide
    norm, staged_rows, stage = _staging(norm, x, high)
    slot = 9 * 2 * lanes + stage
    space = borrow(get_num_threads() * slot, x.dtype)
    flat_x, flat_y, fine = x.reshape(-1), y.reshape(-1), np.zeros(1, x.dtype)
    if total >= FEW:
        _are_fine(False, flat_x, flat_y, *norm, space, fine)
    if not fine[0]:
        give_back(space)
        return None
    c_padded, k_padded, rows = (_whole(count, unit) for count, unit in
                                ((channels, lanes), (outputs, lanes), (channels, min(lanes, PANEL))))
    u_size, tile = -(-outputs // (2 * lanes)) * 36 * (rows * 2 * lanes + APART), 36 * (c_padded + k_padded)
    heavy = total * channels * outputs > HEAVY
    apart = u_size * x.itemsize <= PART_BYTES or not heavy
    least = max(LEAST, channels * outputs // (channels + outputs))  # C256 7x7: 79 ms with 64 tiles, 70 with 128
    block = max(least, (BLOCK_BYTES if apart else CHUNK_BYTES) // (tile * x.itemsize) // LEAST * LEAST)
    block = min(block, MOST, total)
    parts = PARTS if apart else 1
    while parts > 1 and parts * 2 * block > total:
        parts //= 2
    buffers = get_num_threads() if apart else 1
    v_size, m_size = (36 * -(-count // lanes) * (MOST * lanes + APART) for count in (channels, outputs + lanes))
    v, m, u = (borrow(size, x.dtype) for size in (buffers * v_size, buffers * m_size, parts * u_size))
    sizes = (high, wide, height, width, padding[0][0], padding[1][0], out_height, out_width, channels, outputs, slot,
             staged_rows)
    record, sums = np.zeros(2 * total, x.dtype), np.zeros(3)
    if apart:
        _sum_parts(heavy, flat_x, flat_y, *norm, v, m, u, space, record, np.zeros(1, np.int64), total, block, parts,
                   u_size, v_size, m_size, rows, *sizes)
    else:
        for first in range(0, total, block):
            count = min(block, total - first)
            _transform(heavy, flat_x, flat_y, *norm, v, m, space, record, total, first, count, *sizes)
            _correlate(heavy, v, m, u, np.zeros(1, np.int64), count, outputs, rows, min(first, 1))
    _transform_weight_back(heavy, u, out.reshape(-1), space, record, sums, parts, u_size, channels, outputs, rows, slot)
    give_back(v, m, u, space)
    return _outweighing(*record.reshape(2, batch, -1), *sums.tolist())


def _outweighing(x: np.ndarray, y: np.ndarray, peak: float, largest: float, total: float) -> np.ndarray:
    """Numbers of the images with tiles that could spoil the sum over all; x, y (N, ...): peaks of V and dM of each.

    A tile could if its product is beyond the maps' range, or large against the sum of all others but the four largest,
    since a pixel is in up to four tiles. Then the same is asked of those that are left. The numbers: the largest of
    x and y, the largest product, the sum of all products; not finite ones are met by no comparison.
    """
    _, most = _range(x.dtype)
    share = max(16 / x.size, 1 / 8)
    if peak < most and largest < most / 2.0**20 and largest <= share * (total - 4 * largest):
        return np.arange(0)  # as nearly always
    with np.errstate(all="ignore"):
        product = x.astype(np.float64) * y
    light = (x < most) & (y < most) & (product < most / 2.0**20)
    kept = np.ones(len(x), bool)
    while True:
        kept &= light.all(1)
        product[~kept] = 0
        largest = product.max()
        if largest <= share * (product.sum() - 4 * largest):
            break
        light = product <= share * np.partition(product, -4, axis=None)[:-4].sum()
        if light.all():
            break
    return np.flatnonzero(~kept)


@kernel
def _are_fine(workers, x, y, mean, scale, shift, space, fine):
    """fine[0] = 1 unless both arrays are small integers, up to a power of two each.

    With a norm, a pixel of x must show that by itself: else `fine` stays 0, and the array itself is to be looked at.
    """
    channels = mean.size
    for worker in prange(workers):
        if worker == 0:
            if _kinds(y, 0, 0, 1, y.size, 4) & 4 or (not channels and _kinds(x, 0, 0, 1, x.size, 4) & 4):
                fine[0] = 1
            for at in range(0, x.size if channels and fine[0] == 0 else 0, max(channels, 1)):
                normal_pixels(x, at, channels, mean, scale, shift, 0, space, 0, 1, channels)
                if _kinds(space, 0, 0, 1, channels, 4) & 4:
                    fine[0] = 1
                    break


@helper(fastmath=FASTMATH)
def _map_tiles(x, y, mean, scale, shift, v, v_at, m, m_at, space, zeros, record, tiles, first, low, stop, high, wide,
               height, width, top, left, out_height, out_width, channels, outputs, staged_rows):
    """Of the tiles from `first` on the maps of low ... stop - 1.

    V = B^T d B as [vector of c][position][tile][lane], dM = A g A^T as [two vectors of k][position][tile][lane].
    record: of all `tiles` the peaks of V, then those of dM.
    """
    lanes = lanes_of(v)
    row, plane, m_plane = out_width * outputs, MOST * lanes + APART, MOST * 2 * lanes + APART
    _map_inputs(x, mean, scale, shift, first, low, stop, high, wide, height, width, top, left, channels, v, v_at, plane,
                space, zeros, zeros + 9 * 2 * lanes, staged_rows, record)
    n, i, j = _place(first + low, high, wide)
    for t in range(low, stop):
        last_row, last_column = out_height - 1 - i, out_width - 1 - j
        for k in range(0, outputs, 2 * lanes):
            size = 2 * lanes if outputs - k > lanes else lanes
            start = ((n * out_height + i) * out_width + j) * outputs + k
            at = m_at + k // (2 * lanes) * 36 * m_plane + t * size
            full = min(outputs - k, size) // lanes
            rest = min(outputs - k, size) % lanes
            if last_row >= 3 and last_column >= 3:
                adjoint_map(y, start, row, outputs, m, at, 6 * m_plane, m_plane, full, lanes, y, 0, 0, 0, 0, 0, 0,
                            record, tiles + first + t, 0, ())
            else:
                adjoint_edge(y, start, row, outputs, m, at, 6 * m_plane, m_plane, full, lanes, space, zeros,
                             0, last_row, 0, last_column, 0, record, tiles + first + t, 0, ())
            if rest:
                adjoint_tail(y, start + full * lanes, row, outputs, m, at + full * lanes, 6 * m_plane, m_plane, 1,
                             lanes, space, zeros, 0, last_row, 0, last_column, rest, record, tiles + first + t, 0, ())
        n, i, j = _next(n, i, j, high, wide)


@helper(fastmath=FASTMATH)
def _add_products(products, v, v_at, m, m_at, u, u_at, p, count, more, outputs, rows):
    """dU (+)= V^T dM in positions from p on, over `count` tiles, as [two vectors of k][position][c][lane]."""
    lanes = lanes_of(v)
    plane, m_plane = MOST * lanes + APART, MOST * 2 * lanes + APART
    for k in range(0, outputs, 2 * lanes):
        size = 2 * lanes if outputs - k > lanes else lanes
        u_plane = rows * size + APART
        a, b = v_at + p * plane, m_at + (k // (2 * lanes) * 36 + p) * m_plane
        c = u_at + _start_of_u(k, rows, lanes) + p * u_plane
        if size > lanes:
            wide_turned(products, v, a, plane, 36 * plane, rows, m, b, m_plane, count, u, c, u_plane, more)
        else:
            narrow_turned(products, v, a, plane, 36 * plane, rows, m, b, m_plane, count, u, c, u_plane, more)


@kernel
def _sum_parts(workers, x, y, mean, scale, shift, v, m, u, space, record, counter, total, block, parts, u_size, v_size,
               m_size, rows, high, wide, height, width, top, left, out_height, out_width, channels, outputs, slot,
               staged_rows):
    for worker in prange(workers):
        v_at, m_at, zeros = worker * v_size, worker * m_size, worker * slot
        clear(space, zeros, lanes_of(space))
        while True:
            part = claim(counter)
            if part >= parts:
                break
            begin, end = part * total // parts, (part + 1) * total // parts
            for first in range(begin, end, block):
                count = min(block, end - first)
                _map_tiles(x, y, mean, scale, shift, v, v_at, m, m_at, space, zeros, record, total, first, 0, count,
                           high, wide, height, width, top, left, out_height, out_width, channels, outputs, staged_rows)
                _add_products(36, v, v_at, m, m_at, u, part * u_size, 0, count, min(first - begin, 1), outputs, rows)


@kernel
def _transform(workers, x, y, mean, scale, shift, v, m, space, record, tiles, first, count, high, wide, height, width,
               top, left, out_height, out_width, channels, outputs, slot, staged_rows):
    for worker in prange(workers):
        clear(space, worker * slot, lanes_of(space))
        _map_tiles(x, y, mean, scale, shift, v, 0, m, 0, space, worker * slot, record, tiles, first,
                   worker * count // workers, (worker + 1) * count // workers, high, wide, height, width, top, left,
                   out_height, out_width, channels, outputs, staged_rows)


@kernel
def _correlate(workers, v, m, u, counter, count, outputs, rows, more):
    for _ in prange(workers):
        while True:
            p = claim(counter)
            if p >= 36:
                break
            _add_products(1, v, 0, m, 0, u, 0, p, count, more, outputs, rows)


@kernel
def _transform_weight_back(workers, u, out, space, record, sums, parts, u_size, channels, outputs, rows, slot):
    """dw = G^T dU G, of the sum of the parts' dU; and the sums of what `record` holds that `_outweighing` reads."""
    lanes = lanes_of(u)
    for worker in prange(workers):
        taps = worker * slot
        low, high = worker * channels // workers, (worker + 1) * channels // workers
        for k in range(0, outputs, 2 * lanes):
            size = 2 * lanes if outputs - k > lanes else lanes
            first, plane, length = _start_of_u(k, rows, lanes) + low * size, rows * size + APART, (high - low) * size
            for p in range(36):
                for part in range(1, parts):
                    summed((u, u), (first + p * plane, part * u_size + first + p * plane), length)
            for c in range(low, high):
                weight_adjoint(u, first + (c - low) * size, 6 * plane, plane, space, taps, 3 * size, size,
                               size // lanes, lanes, space, 0, 0, 0, 0, 0, 0, space, 0, 0, ())
                for lane in range(min(size, outputs - k)):
                    to = ((k + lane) * channels + c) * 9
                    for t in range(9):
                        out[to + t] = space[taps + t * size + lane]
    tiles = record.size // 2
    for t in range(tiles):
        product = np.float64(record[t]) * record[tiles + t]
        sums[0], sums[1] = max(sums[0], record[t], record[tiles + t]), max(sums[1], product)
        sums[2] += product
