"""Images with zeros around each, as the direct kernels read them."""

from __future__ import annotations

from numba import prange

from minitorch.kernels.engine.runtime import FASTMATH, helper, kernel
from minitorch.kernels.norm import normal_pixels
from minitorch.kernels.words.moves import clear, copy

__all__ = ["pad", "surround"]


@kernel
def pad(workers, source, mean, scale, shift, space, lines, line, pixels, channels, batch):
    """The whole batch into `space`, with zeros around every image."""
    for worker in prange(workers):
        first, stop = worker * batch // workers, (worker + 1) * batch // workers
        surround(source, first, stop - first, mean, scale, shift, space, first * pixels * channels, lines, line,
                 pixels, channels)


@helper(fastmath=FASTMATH)
def surround(source, first, count, mean, scale, shift, space, start, lines, line, pixels, channels):
    """`count` images into `space`, normalised if told: line by line, and zeros in the gaps between the lines."""
    length = line * channels
    for image in range(count):
        at, end = start + image * pixels * channels, 0
        for i in range(lines.size):
            begin = lines[i] * channels
            clear(space, at + end, begin - end)
            line_at = ((first + image) * lines.size + i) * length
            if mean.size:
                normal_pixels(source, line_at, channels, mean, scale, shift, 0, space, at + begin, line, channels)
            else:
                copy(source, line_at, space, at + begin, length)
            end = begin + length
        clear(space, at + end, pixels * channels - end)
