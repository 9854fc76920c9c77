"""Samples of the kernels of meet.py, order.py and recurrence.py."""

from __future__ import annotations

import numpy as np

# batch, places, rows that meet there, columns
MEETINGS = [(1, 1, 1, 1), (2, 5, 9, 3), (40, 7, 11, 1), (3, 4, 6, 300), (1, 50, 2000, 60), (2, 3, 0, 4), (0, 3, 2, 1)]
# lines in order, their length, values for each
HALVED = [(1, 0, 5), (1, 1, 7), (1, 64, 3000), (1, 65, 40_000), (5, 9, 11), (3, 0, 2), (2, 4, 0)]
LINES = [(1, 1, 1), (4, 9, 3), (70, 33, 5), (30, 1000, 8), (0, 5, 2), (3, 4, 4)]  # lines, their length, leaders
STEPS = np.array([[2, -1, 0, 1], [-1, 3, 1, 2], [5, 0, 2, 3], [2, 0, 1, 1]])


def meeting_samples(dtype, make):
    """(kernel, case, operands, results, settings) with equals and NaN; `make` places each array."""
    rng = np.random.default_rng(3)

    def numbers(*shape):
        """Few different ones, so that many are equal, and now and then what is no number."""
        out = rng.integers(-3, 4, shape).astype(dtype) / 2
        out.reshape(-1)[::37] = np.nan
        return make(out)

    def room(*shape, kind=dtype):
        return make(np.full(shape, 7, kind))

    for batch, places, rows, columns in MEETINGS:
        shape = batch, rows, columns
        for index in (shape, (1, rows, 1), (batch, rows, 1), (1, rows, columns)):
            if 1 in index[::2] or index == shape:
                meet = make(rng.integers(0, places, index))
                for own in (False, True):
                    operands, case = (numbers(batch, places, columns), numbers(*shape), meet), f"{shape} {index} {own}"
                    yield "place_product", case, operands, (room(batch, places, columns),), (own,)
                    for largest in (False, True):
                        results = [room(*a.shape) for a in (operands[0], operands[0], operands[1], operands[0])]
                        yield "place_extreme", f"{case} {largest}", operands, tuple(results), (largest, own)
    for size in (0, 1, 1000, 70_001):
        for bins, parts in ((1, 1), (7, 3), (100, 16)):
            ends = make(np.array([-1, 1.5, bins / 2.5], dtype))
            yield "histogram", f"{size} {bins}", (numbers(size), ends), (room(parts, bins, kind=np.int64),), ()
    for lines, length, count in HALVED:
        for right in (False, True):
            for ordered in (np.sort(numbers(lines, length)), np.sort(numbers(1, length))):
                operands = make(ordered), numbers(lines, count)
                yield (
                    "bisect_places",
                    f"{ordered.shape} {right}",
                    operands,
                    (room(lines, count, kind=np.int64),),
                    (right,),
                )
    for lines, length, leaders in LINES:
        for largest in (False, True):
            x, ramp = numbers(lines, length), make(np.tile(np.arange(length, dtype=dtype), (lines, 1)))
            for case, a in (("few", x), ("ascending", ramp)):
                out = room(lines, min(leaders, length), kind=np.int64)
                yield "leading_places", f"{a.shape} {case} {largest}", (a,), (out,), (largest,)
            for inner in (1, 3):
                a = numbers(lines, length, inner)
                yield "running_extreme", f"{a.shape} {largest}", (a,), (room(*a.shape, kind=np.int64),), (largest,)
    for size in (0, 1, 511, 512, 2000, 40_000):
        x = make(rng.uniform(-1, 1, size).astype(dtype))
        for steps in (0, 1, 4):
            for degrees in ([-1.0], [0.0], [float(steps)], rng.integers(-1, 6, size).astype(np.float64)):
                operands = x, make(np.asarray(degrees, np.float64)), make(STEPS[:steps].astype(np.float64))
                yield "polynomials", f"{size} {steps} {len(degrees)}", operands, (room(size),), ()
