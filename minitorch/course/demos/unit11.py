"""One convolution by your loops, step by step faster."""

import time

import numpy as np

from minitorch.geometry import ConvGeometry
from minitorch.kernels import loops, reference

geometry = ConvGeometry.of((32, 32), 3, 1, 1)
random = np.random.default_rng(0)
x, w = (random.standard_normal(shape).astype(np.float32) for shape in ((4, 32, 32, 32), (32, 32, 3, 3)))
padded, packed, out = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), loops.packed(w), np.empty_like(x)
once = (1, 1), (1, 1)
products = out.size * 32 * 9
print("4 images of 32 x 32 pixels, 32 channels to 32, kernel 3 x 3: 38 million products.\n")
for name, run in (
    ("NumPy, kernels/reference.py", lambda: reference.conv(x, w, out, geometry)),
    ("11.1  the definition", lambda: loops.definition(padded, w, out, *once)),
    ("11.2  in the order of memory", lambda: loops.ordered(padded, packed, out, *once)),
    ("11.3  on all threads", lambda: loops.forward(padded, packed, out, *once, False)),
    ("11.4  four pixels a weight", lambda: loops.forward(padded, packed, out, *once, True)),
):
    try:
        run()  # compiles
        times = []
        for _ in range(5):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
    except NotImplementedError as blank:
        print(f"    {name:30} {blank}")
        continue
    print(f"    {name:30} {min(times) * 1e3:7.2f} ms   {2 * products / min(times) / 1e9:7.1f} GFLOP/s")
print("\nThe product's own kernels keep a whole tile of out in registers, and Winograd's saves half of the products")
print("and more: run a net with MINITORCH_PLAIN=0 to see how far that goes.")
