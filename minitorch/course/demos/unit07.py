"""What a convolution sees: windows along an axis, sizes, and a picture convolved by your kernel."""

import numpy as np

from minitorch.geometry import ConvGeometry
from minitorch.kernels import reference
from minitorch.vision.datasets.shapes import draw_shapes

print("Windows along one axis, a line each; # is a tap, . a pixel between taps, | the image's ends.\n")
for settings in ({}, {"stride": 2}, {"stride": 2, "padding": 2, "dilation": 2}):
    geometry = ConvGeometry.of((8,), 3, **settings)
    (size,), (span,), (before, after) = geometry.padded_size, geometry.extent, geometry.padding[0]
    said = "".join(f", {name} {value}" for name, value in settings.items())
    print(f"8 pixels, kernel 3{said}: {geometry.output_size[0]} windows, each {span} pixels from end to end")
    print("    " + "0" * before + "|" + "x" * 8 + "|" + "0" * after)
    for o in range(geometry.output_size[0]):
        row = [" "] * size
        for position in range(span):
            row[o * geometry.stride[0] + position] = "#" if position % geometry.dilation[0] == 0 else "."
        row.insert(before, "|")
        row.insert(before + 9, "|")
        print(f"    {''.join(row)}  o = {o}")
    print()

print("What all windows see through each tap, by your slices (kernel 3, stride 2, dilation 2, of a line 0, 1, ...):\n")
geometry = ConvGeometry.of((9,), 3, 2, 0, 2)
line = np.arange(9)
for tap, seen in reference._taps(geometry):
    print(f"    tap {tap[-1]}: {line[seen[1]]}")

print("\nA shape, and its upright edges by your conv:\n")
image = draw_shapes(np.array([13]))[0].mean(-1, keepdims=True)
edges = np.zeros((1, 30, 30, 1))
kernel = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])[None, None]
reference.conv(image, kernel, edges, ConvGeometry.of((32, 32), 3))


def shades(picture: np.ndarray) -> list[str]:
    """A picture as text, one sign for two pixels of a column."""
    picture = picture[0, :30, :30, 0].reshape(15, 2, 30).mean(1)
    low, high = np.percentile(picture, [40, 98])
    steps = np.clip((picture - low) / (high - low) * 7, 0, 6).astype(int)
    return ["".join(" .:-=#@"[i] for i in row) for row in steps]


for left, right in zip(shades(image), shades(np.abs(edges)), strict=True):
    print(f"    {left}    {right}")
