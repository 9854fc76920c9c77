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
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils

from minitorch.kernels.engine.runtime import FASTMATH, borrow, get_num_threads, give_back, helper, kernel
from minitorch.kernels.norm import summed
from minitorch.kernels.tile.epilogue import epilogue_of, kernel_with_epilogue
from minitorch.kernels.tile.tile import ROWS, narrow_panel, wide_panel
from minitorch.kernels.words.moves import claim, clear
from minitorch.kernels.words.registers import INT, WIDTH, Vectors, data, intrinsic, unpacked

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


def make_map(matrix: np.ndarray, image: str = "", clip: bool = False, masked: bool = False) -> Any:
    """An intrinsic that writes matrix @ X @ matrix.T for square tiles X of vectors: `vectors` of them side by side.

    X[i, j] is at start + i*row + j*column of `source`, the result at at + i*target_row + j*target_column of
    `target`. `image` says which of the two is part of an image; if it is the source, pixels AHEAD columns to the right
    are fetched into the cache. With `clip`, at the edge of an image, only rows first_row to last_row and columns
    first_column to last_column exist; the other pixels are read from, or written to, the vector at `aside` of `space`.
    With `masked` only `valid` lanes of a vector in an image are touched. The last arguments are the number of the
    target's first channel and a `Epilogue`, or ().
    """
    height, width = matrix.shape

    @intrinsic
    def transform(typingctx, source, start, row, column, target, at, target_row, target_column, vectors,
                  space, aside, first_row, last_row, first_column, last_column, valid, channel, finish):
        size = types.intp
        signature = types.void(source, *[size] * 3, target, *[size] * 4, space, *[size] * 7, finish)

        def emit(context, builder, signature, arguments):
            (source, start, row, column, target, at, target_row, target_column, vectors, space, aside,
             first_row, last_row, first_column, last_column, valid, channel,
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
                if side == image == "source":
                    v.fetch(v.at(place, ahead))
                clipped = clip and side == image
                return builder.select(builder.and_(rows[i], columns[j]), place, aside) if clipped else place

            with cgutils.for_range(builder, vectors) as loop:
                moved = builder.mul(loop.index, INT(v.lanes))
                half = []  # columns of matrix @ X
                for j, top in enumerate(walk(v.at(source, start), column, width)):
                    x = [v.load(inside("source", place, i, j), mask if image == "source" else None)
                         for i, place in enumerate(walk(v.at(top, moved), row, width))]
                    half.append(_apply(v, matrix, x))
                to = builder.add(at, moved)
                if finish:
                    factors = finish.factors(builder.add(channel, moved))
                    beside = walk(v.at(finish.r, finish.step(to)), finish.step(target_row), height)
                for i, left in enumerate(walk(v.at(target, to), target_row, height)):
                    values = _apply(v, matrix, [half[j][i] for j in range(width)])
                    if finish:
                        others = walk(next(beside), finish.step(target_column), height)
                        values = [finish(value, factors, inside("target", other, i, j), mask)
                                  for j, (value, other) in enumerate(zip(values, others, strict=True))]
                    for j, (value, place) in enumerate(zip(values, walk(left, target_column, height), strict=True)):
                        v.store(value, inside("target", place, i, j), mask if image == "target" else None)
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


def _variants(matrix: np.ndarray, image: str) -> tuple[Any, Any, Any]:
    """The map inside an image, at its edge, and for the last few channels."""
    return make_map(matrix, image), make_map(matrix, image, clip=True), make_map(matrix, image, clip=True, masked=True)


AT, G, BT = maps()
weight_map, weight_adjoint = make_map(G), make_map(G.T)
input_map, input_edge, input_tail = _variants(BT, "source")
output_map, output_edge, output_tail = _variants(AT, "target")
adjoint_map, adjoint_edge, adjoint_tail = _variants(AT.T, "source")


# ------------------------------------------------------------------------------------------------ conv
BLOCK = 36 // ROWS * ROWS  # tiles whose V and M stay in a core's L2; 12 and 48: 10 to 40 % slower at 128 channels
APART = 16  # elements between the planes of V or M, so that they fall into different sets of the cache


def conv(x: np.ndarray, w: np.ndarray, out: np.ndarray, padding: tuple[tuple[int, int], ...], flip: bool,
         finish: tuple = ()) -> None:
    """out[n, o, k] = sum over taps t, channels c of x[n, o + t - p, c] w[k, c, t]; with `flip` w[c, k, 2 - t].

    The sums are finished before they are written, if told; see `Epilogue`.
    """
    batch, height, width, channels = x.shape
    _, out_height, out_width, outputs = out.shape
    lanes = 4 * WIDTH // x.itemsize
    high, wide = -(-out_height // OUT), -(-out_width // OUT)
    total = batch * high * wide
    v_plane, m_plane = BLOCK * _whole(channels, lanes) + APART, BLOCK * 2 * lanes + APART
    slot = 36 * (v_plane + m_plane) + 2 * lanes
    u, space = borrow(36 * channels * _whole(outputs, lanes), x.dtype), borrow(get_num_threads() * slot, x.dtype)
    heavy = total * channels * outputs > HEAVY
    _transform_weight(heavy and channels * outputs > 1000, w.reshape(-1), u, space, channels, outputs, lanes, flip)
    _conv(heavy, x.reshape(-1), u, out.reshape(-1), space, np.zeros(1, np.int64), total, high, wide, height, width,
          padding[0][0], padding[1][0], out_height, out_width, channels, outputs, v_plane, m_plane, slot, lanes, finish)
    give_back(u, space)


def _whole(channels: int, lanes: int) -> int:
    """Channels, and the lanes left over in the last vector."""
    return -(-channels // lanes) * lanes


@kernel
def _transform_weight(workers, w, u, space, channels, outputs, lanes, flip):
    """U = G w G^T as the panel reads it: [block of lanes of k][position][c][lane]."""
    blocks = -(-outputs // (2 * lanes))
    for worker in prange(workers):
        taps = space[worker * 9 * 2 * lanes:(worker + 1) * 9 * 2 * lanes]
        for item in range(worker * blocks * channels // workers, (worker + 1) * blocks * channels // workers):
            k, c = item // channels * 2 * lanes, item % channels
            size = 2 * lanes if outputs - k > lanes else lanes
            used = min(size, outputs - k)
            taps[:] = 0
            for lane in range(used):
                if flip:
                    start = (c * outputs + k + lane) * 9
                    for t in range(9):
                        taps[t * size + lane] = w[start + 8 - t]
                else:
                    start = ((k + lane) * channels + c) * 9
                    for t in range(9):
                        taps[t * size + lane] = w[start + t]
            step = channels * size
            weight_map(taps, 0, 3 * size, size, u, k * 36 * channels + c * size, 6 * step, step, size // lanes,
                       taps, 0, 0, 0, 0, 0, 0, 0, ())


@helper(fastmath=FASTMATH)
def _place(tile, high, wide):
    """The image of a tile and its first pixel."""
    return tile // (high * wide), tile // wide % high * 4, tile % wide * 4


@helper(fastmath=FASTMATH)
def _map_input(x, n, i, j, height, width, channels, v, at, plane, space, zeros, lanes):
    """V = B^T d B of the tile whose first pixel is (i, j)."""
    row, start, whole = width * channels, ((n * height + i) * width + j) * channels, channels // lanes
    last_row, last_column = height - 1 - i, width - 1 - j
    if i >= 0 and j >= 0 and last_row >= 5 and last_column >= 5:
        input_map(x, start, row, channels, v, at, 6 * plane, plane, whole, x, 0, 0, 0, 0, 0, 0, 0, ())
    else:
        input_edge(x, start, row, channels, v, at, 6 * plane, plane, whole, space, zeros,
                   -i, last_row, -j, last_column, 0, 0, ())
    if channels % lanes:
        input_tail(x, start + whole * lanes, row, channels, v, at + whole * lanes, 6 * plane, plane, 1, space, zeros,
                   -i, last_row, -j, last_column, channels % lanes, 0, ())


@kernel_with_epilogue
def _conv(workers, x, u, out, space, counter, total, high, wide, height, width, top, left, out_height, out_width,
          channels, outputs, v_plane, m_plane, slot, lanes, finish):
    out_row, padded = out_width * outputs, (v_plane - APART) // BLOCK
    for worker in prange(workers):
        v = worker * slot
        m = v + 36 * v_plane
        zeros = m + 36 * m_plane
        aside = zeros + lanes
        while True:
            first = claim(counter) * BLOCK
            count = min(BLOCK, total - first)
            if count <= 0:
                break
            clear(space, zeros, lanes)
            for t in range(count):
                n, i, j = _place(first + t, high, wide)
                _map_input(x, n, i - top, j - left, height, width, channels, space, v + t * padded, v_plane, space,
                           zeros, lanes)
            for k in range(0, outputs, 2 * lanes):
                size = 2 * lanes if outputs - k > lanes else lanes
                for p in range(36):
                    # While product p runs, prefetch the output of tile p: there are 36 products and at most 36 tiles,
                    # so each gets its turn. N128 C16 32x32: 4.2 ms without, 3.5 with.
                    tile = p
                    if tile < count:
                        n, i, j = _place(first + tile, high, wide)
                        fetch_tile(out, ((n * out_height + i) * out_width + j) * outputs + k, out_row, outputs,
                                   finish)
                    a, b, c = v + p * v_plane, (k * 36 + p * size) * channels, m + p * m_plane
                    if size > lanes:
                        wide_panel(space, a, padded, 1, count, u, b, channels, space, c, size, 0)
                    else:
                        narrow_panel(space, a, padded, 1, count, u, b, channels, space, c, size, 0)
                full = min(outputs - k, size) // lanes
                rest = min(outputs - k, size) % lanes
                for t in range(count):
                    n, i, j = _place(first + t, high, wide)
                    to, at = ((n * out_height + i) * out_width + j) * outputs + k, m + t * size
                    last_row, last_column = out_height - 1 - i, out_width - 1 - j
                    if last_row >= 3 and last_column >= 3:
                        output_map(space, at, 6 * m_plane, m_plane, out, to, out_row, outputs, full,
                                   out, 0, 0, 0, 0, 0, 0, k, finish)
                    else:
                        output_edge(space, at, 6 * m_plane, m_plane, out, to, out_row, outputs, full, space, aside,
                                    0, last_row, 0, last_column, 0, k, finish)
                    if rest:
                        output_tail(space, at + full * lanes, 6 * m_plane, m_plane, out, to + full * lanes, out_row,
                                    outputs, 1, space, aside, 0, last_row, 0, last_column, rest,
                                    k + full * lanes, finish)


# ------------------------------------------------------------------------------------------------ conv_weight_grad
PARTS, PART_BYTES = 16, 1_000_000  # how many sums dU a batch has, each of a part of it; only if dU is no larger
BLOCK_BYTES = 1_200_000  # V and dM of the tiles that one worker sums at a time; 600,000 and 2 MB: up to 7 % slower
CHUNK_BYTES = 2_000_000  # V and dM of the tiles that all workers sum at a time: a share of L3
LEAST = 64  # tiles of a block or a chunk, at least: with fewer, adding to dU is more work than reading V and dM
STEPS = 256  # tiles a panel sums at a time; of each it reads one cache line of V and two vectors of dM


def conv_weight_grad(x: np.ndarray, y: np.ndarray, out: np.ndarray, padding: tuple[tuple[int, int], ...]) -> None:
    """out[k, c, t] = sum over n and o of y[n, o, k] x[n, o + t - p, c].

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
    if not total:
        out[...] = 0
        return
    c_padded, k_padded = _whole(channels, lanes), _whole(outputs, lanes)
    u_size, tile = 36 * channels * k_padded, 36 * (c_padded + k_padded)
    heavy = total * channels * outputs > HEAVY
    apart = u_size * x.itemsize <= PART_BYTES or not heavy
    least = max(LEAST, channels * outputs // (channels + outputs))  # C256 7x7: 79 ms with 64 tiles, 70 with 128
    block = max(least, (BLOCK_BYTES if apart else CHUNK_BYTES) // (tile * x.itemsize) // LEAST * LEAST)
    parts = PARTS if apart else 1
    while parts > 1 and parts * 2 * block > total:
        parts //= 2
    block = min(block, total)
    v_plane, m_plane, slot = block * c_padded + APART, block * k_padded + APART, 9 * 2 * lanes
    buffers = get_num_threads() if apart else 1
    v, m, u = (borrow(size, x.dtype) for size in (buffers * 36 * v_plane, buffers * 36 * m_plane, parts * u_size))
    space = borrow(get_num_threads() * slot, x.dtype)
    sizes = (high, wide, height, width, padding[0][0], padding[1][0], out_height, out_width, channels, outputs,
             c_padded, v_plane, m_plane, slot, lanes)
    flat_x, flat_y = x.reshape(-1), y.reshape(-1)
    if apart:
        _sum_parts(heavy, flat_x, flat_y, v, m, u, space, np.zeros(1, np.int64), total, block, parts, u_size, *sizes)
    else:
        for first in range(0, total, block):
            count = min(block, total - first)
            _transform(heavy, flat_x, flat_y, v, m, space, first, count, *sizes)
            _correlate(heavy, v, m, u, np.zeros(1, np.int64), count, channels, outputs, c_padded, v_plane, m_plane,
                       first > 0, lanes)
    _transform_weight_back(heavy, u, out.reshape(-1), space, parts, u_size, channels, outputs, slot, lanes)
    give_back(v, m, u, space)


@helper(fastmath=FASTMATH)
def _map_tiles(x, y, v, v_at, m, m_at, space, zeros, first, low, stop, count, high, wide, height, width, top, left,
               out_height, out_width, channels, outputs, c_padded, v_plane, m_plane, lanes):
    """Of `count` tiles from `first` on the maps of low ... stop - 1.

    V = B^T d B as [position][tile][c], and dM = A g A^T as [position][block of lanes of k][tile][lane].
    """
    row = out_width * outputs
    for t in range(low, stop):
        n, i, j = _place(first + t, high, wide)
        _map_input(x, n, i - top, j - left, height, width, channels, v, v_at + t * c_padded, v_plane, space, zeros,
                   lanes)
        last_row, last_column = out_height - 1 - i, out_width - 1 - j
        for k in range(0, outputs, 2 * lanes):
            size = 2 * lanes if outputs - k > lanes else lanes
            start, at = ((n * out_height + i) * out_width + j) * outputs + k, m_at + k * count + t * size
            full = min(outputs - k, size) // lanes
            rest = min(outputs - k, size) % lanes
            if last_row >= 3 and last_column >= 3:
                adjoint_map(y, start, row, outputs, m, at, 6 * m_plane, m_plane, full, y, 0, 0, 0, 0, 0, 0, 0, ())
            else:
                adjoint_edge(y, start, row, outputs, m, at, 6 * m_plane, m_plane, full, space, zeros,
                             0, last_row, 0, last_column, 0, 0, ())
            if rest:
                adjoint_tail(y, start + full * lanes, row, outputs, m, at + full * lanes, 6 * m_plane, m_plane, 1,
                             space, zeros, 0, last_row, 0, last_column, rest, 0, ())


@helper(fastmath=FASTMATH)
def _add_products(v, v_at, m, m_at, u, u_at, p, count, more, channels, outputs, c_padded, v_plane, m_plane, lanes):
    """dU (+)= V^T dM in position p, over `count` tiles, as [block of lanes of k][position][c][lane]."""
    for step in range(0, count, STEPS):
        steps = min(STEPS, count - step)
        a = v_at + p * v_plane + step * c_padded
        add = 1 if more or step else 0
        for k in range(0, outputs, 2 * lanes):
            size = 2 * lanes if outputs - k > lanes else lanes
            b, to = m_at + p * m_plane + k * count + step * size, u_at + (k * 36 + p * size) * channels
            if size > lanes:
                wide_panel(v, a, 1, c_padded, channels, m, b, steps, u, to, size, add)
            else:
                narrow_panel(v, a, 1, c_padded, channels, m, b, steps, u, to, size, add)


@kernel
def _sum_parts(workers, x, y, v, m, u, space, counter, total, block, parts, u_size, high, wide, height, width, top,
               left, out_height, out_width, channels, outputs, c_padded, v_plane, m_plane, slot, lanes):
    for worker in prange(workers):
        v_at, m_at, zeros = worker * 36 * v_plane, worker * 36 * m_plane, worker * slot
        clear(space, zeros, lanes)
        while True:
            part = claim(counter)
            if part >= parts:
                break
            begin, end = part * total // parts, (part + 1) * total // parts
            for first in range(begin, end, block):
                count = min(block, end - first)
                _map_tiles(x, y, v, v_at, m, m_at, space, zeros, first, 0, count, count, high, wide, height, width,
                           top, left, out_height, out_width, channels, outputs, c_padded, v_plane, m_plane, lanes)
                for p in range(36):
                    _add_products(v, v_at, m, m_at, u, part * u_size, p, count, first > begin, channels, outputs,
                                  c_padded, v_plane, m_plane, lanes)


@kernel
def _transform(workers, x, y, v, m, space, first, count, high, wide, height, width, top, left, out_height, out_width,
               channels, outputs, c_padded, v_plane, m_plane, slot, lanes):
    for worker in prange(workers):
        clear(space, worker * slot, lanes)
        _map_tiles(x, y, v, 0, m, 0, space, worker * slot, first, worker * count // workers,
                   (worker + 1) * count // workers, count, high, wide, height, width, top, left, out_height, out_width,
                   channels, outputs, c_padded, v_plane, m_plane, lanes)


@kernel
def _correlate(workers, v, m, u, counter, count, channels, outputs, c_padded, v_plane, m_plane, more, lanes):
    for _ in prange(workers):
        while True:
            p = claim(counter)
            if p >= 36:
                break
            _add_products(v, 0, m, 0, u, 0, p, count, more, channels, outputs, c_padded, v_plane, m_plane, lanes)


@kernel
def _transform_weight_back(workers, u, out, space, parts, u_size, channels, outputs, slot, lanes):
    """dw = G^T dU G, of the sum of the parts' dU."""
    for worker in prange(workers):
        taps = worker * slot
        low, high = worker * channels // workers, (worker + 1) * channels // workers
        for k in range(0, outputs, 2 * lanes):
            size = 2 * lanes if outputs - k > lanes else lanes
            first, step, length = k * 36 * channels + low * size, channels * size, (high - low) * size
            for p in range(36):
                for part in range(1, parts):
                    summed((u, u), (first + p * step, part * u_size + first + p * step), length)
            for c in range(low, high):
                weight_adjoint(u, first + (c - low) * size, 6 * step, step, space, taps, 3 * size, size, size // lanes,
                               space, 0, 0, 0, 0, 0, 0, 0, ())
                for lane in range(min(size, outputs - k)):
                    to = ((k + lane) * channels + c) * 9
                    for t in range(9):
                        out[to + t] = space[taps + t * size + lane]
