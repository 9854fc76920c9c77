"""conv2d side by side with PyTorch: forward, input gradient and weight gradient, alternately in one process.

    python benchmarks/convolution.py [--quick] [--threads 2] [--write]

Prints medians in GFLOP/s (2 N K C kernel pixels / time), the ratio to PyTorch's default layout (NCHW) and to its
channels_last, and the spread of ours; with --write also docs/benchmarks.md.
"""

import argparse
import os
import platform
import time
from pathlib import Path

import numpy as np
import torch

import minitorch
from minitorch import kernels
from minitorch.geometry import ConvGeometry
from minitorch.ops.conv import conv, conv_transpose, conv_weight_grad

SHAPES = [  # batch, channels in, size, channels out, kernel, stride
    (64, 64, 16, 64, 3, 1),
    (64, 64, 32, 64, 3, 1),
    (64, 128, 16, 128, 3, 1),
    (64, 256, 8, 256, 3, 1),
    (64, 64, 32, 128, 3, 2),
    (64, 3, 32, 64, 3, 1),
    (64, 64, 32, 64, 1, 1),
]
FACES = ("forward", "input gradient", "weight gradient")


def ours(n, c, size, k, kernel, stride):
    """A function per face on channels-last memory, as inside a network."""
    geometry = ConvGeometry.of((size, size), kernel, stride, kernel // 2)
    rng = np.random.default_rng(0)

    def image(channels, size):
        memory = rng.standard_normal((n, *size, channels), np.float32)
        return minitorch.from_numpy(memory.transpose(0, 3, 1, 2))

    x, y = image(c, geometry.input_size), image(k, geometry.output_size)
    w = minitorch.from_numpy(rng.standard_normal((k, c, kernel, kernel), np.float32))
    return (
        lambda: conv(x, w, geometry=geometry),
        lambda: conv_transpose(y, w, geometry=geometry),
        lambda: conv_weight_grad(x, y, geometry=geometry),
    )


def theirs(n, c, size, k, kernel, stride, layout):
    """The same three functions in PyTorch."""
    x = torch.randn(n, c, size, size).to(memory_format=layout)
    w = torch.randn(k, c, kernel, kernel).to(memory_format=layout)
    pad = kernel // 2
    y = torch.randn_like(torch.nn.functional.conv2d(x, w, stride=stride, padding=pad))

    def backward(mask):
        return torch.ops.aten.convolution_backward(
            y, x, w, None, [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], 1, mask
        )

    return (
        lambda: torch.nn.functional.conv2d(x, w, stride=stride, padding=pad),
        lambda: backward([True, False, False]),
        lambda: backward([False, True, False]),
    )


def alternate(functions, rounds):
    """Seconds of each function in each round, one after the other so that all meet the same noise."""
    times = [[] for _ in functions]
    for function in functions:
        function(), function()
    for _ in range(rounds):
        for function, column in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            column.append(time.perf_counter() - start)
    return times


def main():
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    kernels.set_num_threads(args.threads)
    torch.set_grad_enabled(False)
    rounds = 7 if args.quick else 31

    lines = [
        f"{args.threads} threads, {platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, "
        f"torch {torch.__version__}, median of {rounds} alternating rounds, float32; "
        f"OPENBLAS_CORETYPE={os.environ.get('OPENBLAS_CORETYPE', 'not set')}, "
        f"GOMP_SPINCOUNT={os.environ.get('GOMP_SPINCOUNT', 'not set')}",
        "",
        "| layer | face | minitorch GFLOP/s (min-max) | NCHW | channels_last | ratio to NCHW | to channels_last |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    for n, c, size, k, kernel, stride in SHAPES:
        shape = (n, c, size, k, kernel, stride)
        columns = [ours(*shape), theirs(*shape, torch.contiguous_format), theirs(*shape, torch.channels_last)]
        flops = 2 * n * k * c * kernel**2 * (size // stride) ** 2
        for face, functions in zip(FACES, zip(*columns, strict=True), strict=True):
            times = alternate(functions, rounds)
            mine, nchw, last = (flops / np.median(column) / 1e9 for column in times)
            low, high = flops / np.max(times[0]) / 1e9, flops / np.min(times[0]) / 1e9
            line = (
                f"| N{n} {kernel}x{kernel} C{c} {size}² K{k} s{stride} | {face} | {mine:.0f} ({low:.0f}-{high:.0f}) | "
                f"{nchw:.0f} | {last:.0f} | {mine / nchw:.2f} | {mine / last:.2f} |"
            )
            print(line, flush=True)
            lines.append(line)
    if args.write:
        page = Path(__file__).parent.parent / "docs" / "benchmarks.md"
        text = "# Convolution against PyTorch\n\nWritten by `make bench ARGS=--write`.\n\n" + "\n".join(lines) + "\n"
        page.write_text(text)
        print(f"\nwritten to {page}")


if __name__ == "__main__":
    main()
