"""The tests are tested from outside: one mistake at a time is planted into a copy of the code, and they must fail.

    python tests/scripts/faults.py [words]      all faults, or those with one of the words in their name
    python tests/scripts/faults.py --check      run none, but say which rows name a text or a test that is not there

Each row of FAULTS names a file, the text in it, what stands there instead, and the tests that must notice. These tests
first run on an unchanged copy, where they must pass. Exit status 1: a fault was missed, or its text is not found
exactly once, or its test not at all, so that the row says nothing any more. (test_bends.py bends every derivative rule in the same spirit.)
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("minitorch", "tests", "examples", "setup.cfg")
REFERENCE = {"MINITORCH_KERNELS": "reference"}
NUMBA = {"NUMBA_NUM_THREADS": "1"}  # only the serial twins are compiled: conv in 4 s, not 13
THREADED = {"NUMBA_NUM_THREADS": "2"}
CACHE = "compiled"  # in the copy: machine code of bent kernels stays out of the user's cache
TIMEOUT = 600  # seconds for the tests of one fault, or for all of them without any


class Fault(NamedTuple):
    """One mistake: `old` is replaced by `new` in minitorch/`file`; `tests` (file name, or file name::test; in any folder) notice."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    environment: dict[str, str] = REFERENCE


SIZES = ("test_geometry.py::test_output_size_counts_windows",)
BACK = ("test_geometry.py::test_transposed_input_size_is_undone_by_conv",)
PLANS = ("test_geometry.py::test_plans_say_what_convolution_is",)
POOLS = ("test_geometry.py::test_pool_windows_by_hand",)
PARTS = ("test_geometry.py::test_adaptive_windows",)
PADDING, FEW = "kernels/tile/padding.py", "kernels/tile/few_outputs.py"
FACES = ("test_kernels.py::test_the_three_faces_of_one_trilinear_form",)
LAYERS = ("test_nn.py::test_values",)
RECORDED = ("test_fused_rules.py::test_recorded_gradients_are_the_same[batch_norm]",)
GUARD = ("test_kernel_memory.py::test_nothing_outside_an_array_is_touched[16-False]",)
REFUSALS = ("test_geometry.py::test_refusals_are_sentences_and_immediate",)
WHOLE = ("test_files_faults.py::test_files_are_whole_or_not_there",)
CACHED = ("test_cache.py::test_damaged_entries_are_refused_and_replaced",)
FAMILY = ("test_conv_family.py::test_values",)


def primitive(*names: str) -> tuple[str, ...]:
    """Frozen values and both derivatives of these primitives, by their rows in samples.py."""
    tests = ("value_and_gradients_are_pytorch_s", "first_derivative", "second_derivative")
    return tuple(f"test_primitives.py::test_{test}[{name}]" for name in names for test in tests)


def fast(name: str) -> tuple[str, ...]:
    """A numba kernel against its reference."""
    return (f"test_kernels.py::test_fast_kernels_agree_with_reference[{name}]",)


def formula(name: str) -> tuple[str, ...]:
    """The kernel of a pointwise formula against NumPy's reading of it."""
    return (f"test_pointwise.py::test_kernel_computes_what_numpy_does[{name}]",)


def lie(case: str) -> tuple[str, ...]:
    """A pointwise kernel on operands of this memory order and these shapes."""
    return (f"test_pointwise.py::test_operands_are_read_as_they_lie[{case}]",)


def memory(name: str) -> tuple[str, ...]:
    """A test of who has which memory."""
    return (f"test_memory.py::test_{name}",)


FUSE, FUSION = "ops/fuse.py", ("test_fuse.py", "test_fuse_conv.py")
BACKWARDS = ("test_fuse_backward.py",)
READING = ("test_fuse_reading.py",)
AHEAD, LARGE = ("test_sums_ahead.py",), ("test_inplace_large.py",)
INTERRUPTS, STEPS = ("test_interrupts.py",), ("test_steps.py",)
FINISHED = ("test_kernels.py::test_a_finished_convolution_has_the_bits_of_two_kernels",)
SLOPES = (
    "test_fused_rules.py::test_fused_slopes_of_curves",
    "test_fused_rules.py::test_fused_slope_of_cross_entropy",
)
GEOMETRY, CONV, POOL, DEPTHWISE = (
    "geometry.py",
    "kernels/tile/direct.py",
    "kernels/pool.py",
    "kernels/tile/depthwise.py",
)
FAULTS = [
    # special functions and arithmetic
    Fault("lgamma: reflected without its sine", "ops/special.py", "log(abs(sin(r * PI))) - out", "log(abs(r * PI)) - out", ("test_special.py::test_values[1-lgamma]",)),
    Fault("zeta: one term of the sum too few", "ops/special.py", "for k in range(1, 8):\n        out = out + (q + k)", "for k in range(1, 7):\n        out = out + (q + k)", ("test_special.py::test_zeta",)),
    Fault("igamma: a missing derivative is silently none", "ops/special.py", 'return stopped("igamma: input", lower(input, other), input)', "return lower(input, other)", ("test_special.py::test_no_derivative_is_an_error_and_not_zero",)),
    Fault("ldexp: by a power that overflows first", "ops/arithmetic.py", 'if by.outline.dtype.kind in FLOATS:', "if True:", ("test_arithmetic.py::test_frexp_and_ldexp",)),
    # geometry: sizes
    Fault(
        "conv: dilation dropped from a window's extent", GEOMETRY,
        "d * (k - 1) + 1 for k, d in zip(self.kernel_size", "k for k, d in zip(self.kernel_size", SIZES,
    ),
    Fault("conv: padding before counted, after forgotten", GEOMETRY, "i + sum(p) for i, p", "i + p[0] for i, p", SIZES),
    Fault("conv: output size rounded up", GEOMETRY, "(i - e) // s + 1 for", "-((e - i) // s) + 1 for", SIZES),
    Fault("transposed size: output_padding forgotten", GEOMETRY, "(k - 1) + extra + 1 for", "(k - 1) + 1 for", BACK),
    Fault("transposed size: stride and dilation swapped", GEOMETRY, "(o - 1) * s - sum(p) + d *", "(o - 1) * d - sum(p) + s *", BACK),
    Fault("transposed size: output_padding may reach the stride", GEOMETRY, "0 <= extra < max(s, d)", "0 <= extra <= max(s, d)", BACK),
    Fault("pool: ceil_mode off by one", GEOMETRY, "(s - 1 if ceil_mode", "(s if ceil_mode", POOLS),
    Fault("pool: ceil_mode keeps a window in the right padding", GEOMETRY, "(o - 1) * s >= i + p", "(o - 1) * s > i + p", POOLS),
    Fault("pool: padding on one side only", GEOMETRY, "(i + 2 * p - extent", "(i + p - extent", POOLS),
    Fault("pool: stride and padding swapped", GEOMETRY, "[w * s - p for w in", "[w * p - s for w in", POOLS),
    Fault("pool: a dilated window that starts in the padding leaves its grid", GEOMETRY, "c if c >= 0 else c % d", "max(c, 0)", POOLS),
    Fault("pool: windows reach into the right padding", GEOMETRY, "tuple(min(c + extent, i) for", "tuple(min(c + extent, i + p) for", POOLS),
    Fault("avg_pool: padding beyond ceil_mode's edge counted", GEOMETRY, "min(c + extent, i + p) - c", "extent", POOLS),
    Fault("avg_pool: count_include_pad inverted", GEOMETRY, "        if count_include_pad:", "        if not count_include_pad:", POOLS),
    Fault("adaptive: window ends rounded down", GEOMETRY, "-(-(w + 1) * i // o)", "max((w + 1) * i // o, w * i // o + 1)", PARTS),
    Fault("adaptive: window starts rounded up", GEOMETRY, "tuple(w * i // o for", "tuple(-(-w * i // o) for", PARTS),
    Fault("conv: an image too large to count is let through", GEOMETRY, "if prod(self.padded_size) > LIMIT:", "if prod(self.padded_size) > LIMIT**3:", REFUSALS),
    Fault("pool: padding of a whole window allowed", GEOMETRY, "if p > extent // 2:", "if p > extent:", POOLS),
    # geometry: plans of the fast kernels
    Fault("plan: dilation dropped from the taps", GEOMETRY, "[t * d for t in range(k)])])", "[t for t in range(k)])])", PLANS),
    Fault("plan of the adjoint: phases forget the padding", GEOMETRY, "r = (i + p) % s", "r = i % s", PLANS),
    Fault("plan of the adjoint: dilation dropped from the taps", GEOMETRY, "[-(t * d // s) for", "[-(t // s) for", PLANS),
    Fault("plan of the adjoint: zeros behind the source one short", GEOMETRY, "max(before, 0), max(after, 0)", "max(before, 0), max(after - 1, 0)", PLANS),
    Fault("plan: taps merged across groups", GEOMETRY, "self.output_size,\n                            self.kernel_size, merge=self.groups == 1", "self.output_size,\n                            self.kernel_size, merge=True", FACES, NUMBA),
    Fault("plan of the weight's gradient: stride 1", GEOMETRY, "geometry.output_size[-1], geometry.stride[-1]", "geometry.output_size[-1], 1", FACES, NUMBA),
    # derivative rules
    Fault("conv_transpose's rule for w: partners swapped", "ops/conv.py", "conv_weight_grad(g, y, geometry", "conv_weight_grad(y, g, geometry", primitive("conv_transpose")),
    Fault("conv_weight_grad's rule for x: partners swapped", "ops/conv.py", "conv_transpose(y, g, geometry", "conv_transpose(g, y, geometry", primitive("conv_weight_grad")),
    Fault("conv's rule for x: conv in place of its adjoint", "ops/conv.py", "\nconv.vjp(\n    # BEGIN SOLUTION 8.3: x w\n    x=lambda g, w, geometry: conv_transpose(g, w", "\nconv.vjp(\n    # BEGIN SOLUTION 8.3: x w\n    x=lambda g, w, geometry: conv(g, w", primitive("conv")),
    Fault("bias: the gradient of the first image only", "ops/conv.py", "b=lambda g: bias_grad(g),", "b=lambda g: bias_grad(g[:1]),", primitive("add_bias")),
    Fault("average's rule: scale forgotten", "ops/pool.py", "average_transpose(g, geometry=geometry, scale=scale)", "average_transpose(g, geometry=geometry, scale=(1.0,) * len(scale))", primitive("average")),
    Fault("max_pool's rule: scattered to the neighbour", "ops/pool.py", "pool_scatter(g, choice, size=geometry.input_size, geometry", "pool_scatter(g, choice[..., ::-1], size=geometry.input_size, geometry", primitive("max_pool")),
    Fault("matmul's rule: transposition missing", "ops/linalg.py", "batched_matmul(transpose(x, 1, 2), g)", "batched_matmul(x, g)", primitive("batched_matmul")),
    Fault("permute's rule: not the inverse", "ops/shape.py", "tuple(dims.index(d) for d in range(len(dims)))", "dims", primitive("permute")),
    Fault("broadcasting: sum_to dropped", "ops/shape.py", "g if g.shape == shape else sum_to(g, shape=shape)", "g", primitive("multiply", "expand")),
    Fault("pad's rule: sides swapped", "ops/shape.py", "(-before, -after) for", "(-after, -before) for", primitive("pad_constant")),
    Fault("indexing's rule: places named twice overwrite", "ops/index.py", "np.add.at(placed, key, y)", "placed[key] = y", primitive("getitem")),
    Fault("unfold's rule: overlapping windows overwrite", "ops/folding.py", "(count - 1) * along + 1 : along] += values", "(count - 1) * along + 1 : along] = values", primitive("windows")),
    Fault("batch_norm's recorded rule: the deviation's share dropped", "ops/norm.py", " - h * reduce.mean(g * h, axes, keepdim=True)", "", RECORDED),
    Fault("tape: a second gradient replaces the first", "autograd/tape.py", "gradients[edge] = _sum(gradients[edge], g)", "gradients[edge] = g", ("test_tape.py",)),
    Fault("backward on arrays: rules of users handed arrays", "autograd/primitive.py", '.partition(".")[0] == _PACKAGE', '.partition(".")[0] != ""', ("test_rules.py",)),
    Fault("backward on arrays: a kept array's version not asked", "autograd/primitive.py", "if version is not None and version.count != expected:", "if False:", ("test_inplace.py",)),
    Fault("backward on arrays: the dtype of a rule's result kept", "autograd/tape.py", "piece if piece.dtype == like.dtype else _computed(piece).astype(like.dtype)", "piece", ("test_rules.py",)),
    Fault("backward on arrays: a hook may change what waits", "autograd/tape.py", "                if users:", "                if False:", FUSION),
    Fault("grad: results share memory", "autograd/tape.py", "wrap(_apart(array))", "wrap(array)", ("test_gradients.py",)),
    Fault("parts: a gap taken for pieces in a row", "ops/index.py", "(*starts, shape[axis]) == (0, *ends)", "starts[0] == 0 and ends[-1] == shape[axis]", ("test_index.py",)),
    Fault("parts: the first counted twice", "ops/index.py", "for key, g in rest:", "for key, g in self.parts:", ("test_index.py",)),
    Fault("parts: the second of two overwrites", "ops/index.py", "np.add(target, g, out=target)", "target[...] = g", ("test_index.py",)),
    Fault("parts: those of another array dropped", "ops/index.py", "self.parts.extend(other.parts)", "pass", ("test_index.py",)),
    Fault("padding's rule: a corner of the border left out", "ops/folding.py", "for part in itertools.product(*along)]", "for part in list(itertools.product(*along))[:-1]]", primitive("extend")),
    Fault("reshape: a copy where a view would do", "ops/shape.py", "if a != n * b}", "}", ("test_tensor.py::test_reshape_is_a_view_where_numpy_s_is",)),
    # reference kernels
    Fault("reference conv: dilation dropped", "kernels/reference.py", "[t * d for t, d in zip(tap", "[t for t, d in zip(tap", LAYERS),
    Fault("reference conv: group offset missing", "kernels/reference.py", "slice(g * c, (g + 1) * c), slice", "slice(0, c), slice", LAYERS),
    Fault("reference conv_transpose: the wrong side cut off", "kernels/reference.py", "slice(p, p + i) for (p, _), i", "slice(p, p + i) for (_, p), i", FACES),
    Fault("reference max_pool: the last of equals", "kernels/reference.py", "pixels.argmax(1))", "pixels.shape[1] - 1 - pixels[:, ::-1].argmax(1))", ("test_kernels.py::test_max_pool_choices",)),
    Fault("reference max_pool: the first NaN", "kernels/reference.py", "np.where(nan.any(1), len(window) - 1 - nan[:, ::-1].argmax(1),", "np.where(nan.any(1), nan.argmax(1),", ("test_kernels.py::test_max_pool_choices",)),
    Fault("reference pool_scatter: repeated choices overwrite", "kernels/reference.py", "channels] += y[:, o]", "channels] = y[:, o]", primitive("pool_scatter")),
    Fault("reference window_spread: overlapping windows overwrite", "kernels/reference.py", "out[:, window] += scale", "out[:, window] = scale", primitive("average_transpose")),
    Fault("reference batch_norm: unbiased variance", "kernels/reference.py", "np.square(x - centre).mean(0)", "np.square(x - centre).sum(0) / max(len(x) - 1, 1)", LAYERS),
    # numba kernels
    Fault("plan: padded windows of one pixel taken for all pixels", GEOMETRY, "== self.groups == 1 and not self.padded", "== self.groups == 1", fast("conv"), NUMBA),
    Fault("conv: group offset missing", CONV, "corner = start + group * inner", "corner = start", FACES, NUMBA),
    Fault("conv: last row of every phase skipped", CONV, "last = row + (split + 1) * total // splits - 1", "last = row + (split + 1) * total // splits - 2", FACES, NUMBA),
    Fault("conv: weight packed without the taps' order", CONV, "start = order[t] + i * inner_stride", "start = t + i * inner_stride", FACES, NUMBA),
    Fault("conv: padding between lines not cleared", PADDING, "clear(space, at + end, begin - end)", "pass", fast("conv"), NUMBA),
    Fault("conv: padding behind the image not cleared", PADDING, "clear(space, at + end, pixels * channels - end)", "pass", fast("conv"), NUMBA),
    Fault("conv, depthwise: taps in the wrong order", DEPTHWISE, "flat((tap for tap, _ in chosen), kernel", "flat((tap for tap, _ in chosen[::-1]), kernel", fast("conv"), NUMBA),
    Fault("conv, depthwise: sources outside the image not left out", DEPTHWISE, "for t, source in seen if 0 <= source <", "for t, source in seen if -1 <= source <", FACES, NUMBA),
    Fault("conv, depthwise: pixels beyond the last written", DEPTHWISE, "stop = builder.sub(pixels, builder.srem(builder.sub(pixels, first), INT(height)))", "stop = pixels", GUARD, NUMBA),
    Fault("conv, depthwise: pixels that fill no tile skipped", DEPTHWISE, "TILES = 4, 2, 1", "TILES = 4, 2", FACES, NUMBA),
    Fault("conv, depthwise: a run through taps that do not exist", DEPTHWISE, "all(at in taps for at in run)", "run[0] in taps and run[-1] in taps", FACES, NUMBA),
    Fault("conv, depthwise: right edge without a mask", DEPTHWISE, "v.mask(builder.sub(channels, k)) if masked else None", "None", GUARD, NUMBA),
    Fault("conv, depthwise: the last block packed from the wrong channels", DEPTHWISE, "= w[(k + lane) * taps + tap]", "= w[(block * size + lane) % channels * taps + tap]", fast("conv"), NUMBA),
    Fault("1x1 weight gradient: the last part left out", CONV, "out.reshape(-1), parts, 1, channels", "out.reshape(-1), parts - 1, 1, channels", fast("conv_weight_grad"), NUMBA),
    Fault("weight gradient: first sums added to junk", CONV, "more = 0  # the", "more = 1  # the", fast("conv_weight_grad"), NUMBA),
    Fault("weight gradient: later sums overwrite", CONV, "                        more = 1\n", "                        more = 0\n", FACES, NUMBA),
    Fault("weight gradient: one part left out", CONV, "for part in range(1, parts)", "for part in range(2, parts)", FACES, NUMBA),
    Fault("weight gradient, depthwise: stride dropped", DEPTHWISE, "kind[along].source_step * source_steps[along]", "source_steps[along]", FACES, NUMBA),
    Fault("weight gradient, depthwise: sums begin with junk", DEPTHWISE, "clear(partial, part * sums, sums)", "pass", FACES, NUMBA),
    Fault("weight gradient, depthwise: one part left out", DEPTHWISE, "for part in range(1, parts)", "for part in range(2, parts)", FACES, NUMBA),
    Fault("weight gradient: last row of a block skipped", CONV, "min(low + m_size, height) - 1", "min(low + m_size, height) - 2", FACES, NUMBA),
    Fault("max_pool: NaN does not win", POOL, 'builder.fcmp_unordered("uno", value, value)', 'builder.fcmp_ordered(">", value, builder.load(best))', fast("max_pool"), NUMBA),
    Fault("max_pool: the last of equals", POOL, 'fcmp_ordered(">", value', 'fcmp_ordered(">=", value', fast("max_pool"), NUMBA),
    Fault("pool_gather: the first image for all", POOL, "stop, start = min(end, (n + 1) * windows), n * image * channels", "stop, start = min(end, (n + 1) * windows), 0", fast("pool_gather"), NUMBA),
    Fault("pool_scatter: not cleared", POOL, "clear(out, start, image * channels)", "pass", fast("pool_scatter"), NUMBA),
    Fault("window_sum: one scale for all windows", POOL, "tile.entry(scale, window))\n            tile.store", "tile.entry(scale, INT(0)))\n            tile.store", fast("window_sum"), NUMBA),
    Fault("window_spread: overlapping windows overwrite", POOL, "list(map(builder.fadd, olds, values)) if add else values", "values", fast("window_spread"), NUMBA),
    Fault("window_scatter: overlapping windows overwrite", POOL, "list(map(builder.fadd, olds, parts)) if add else parts", "parts", fast("window_scatter"), NUMBA),
    Fault("pooling backward: pixels of no window not cleared", POOL, "disjoint and pixels.size == count", "disjoint", fast("window_spread"), NUMBA),
    Fault("pooling: right edge read without a mask", POOL, "(self.v.mask(valid), valid) if", "(None, valid) if", GUARD, NUMBA),
    Fault("pooling: right edge written whole", POOL, "kind.store_first(value, cell, self.valid)", "kind.store(value, cell)", GUARD, NUMBA),
    Fault("matmul: later steps overwrite", "kernels/tile/gemm.py", "min(stretch, k - step), min(step, 1)", "min(stretch, k - step), 0", fast("matmul"), NUMBA),
    Fault("matmul: y in place though its rows end within a vector", "kernels/tile/gemm.py", "m <= SHORT and n % lanes == 0", "m <= SHORT", GUARD, NUMBA),
    Fault("matmul: the same step of y in place again", "kernels/tile/gemm.py", "left * y_column + step * y_step, y_step", "left * y_column, y_step", fast("matmul"), NUMBA),
    Fault("products: a turned matrix taken as it is not", "ops/linalg.py", "w, turn_w = w.T, not turn_w", "w = w.T", ("test_matrices.py::test_transposed_views_are_not_copied",)),
    Fault("groups: NaN of one group in another", "kernels/tile/direct.py", "if not _has_nan(out):", "if True:", ("test_joined_groups.py::test_groups_do_not_feel_each_other",), NUMBA),
    Fault("groups: one group's gradient for all", "kernels/tile/direct.py", "own[:, i] = blocks[:, i, :, i]", "own[:, i] = blocks[:, i, :, 0]", ("test_joined_groups.py::test_groups_do_not_feel_each_other",), NUMBA),
    Fault("groups: weights beside their own", "kernels/tile/direct.py", "joined[:, i, :, i] = each[:, i]", "joined[:, i, :, i] = each[:, -i]", ("test_joined_groups.py::test_groups_do_not_feel_each_other",), NUMBA),
    Fault("matmul: last row of a block skipped", "kernels/tile/gemm.py", "min(rows, m - low), min(left", "min(rows, m - low) - 1, min(left", fast("matmul"), NUMBA),
    Fault("tile: one lane too many written", "kernels/words/registers.py", 'icmp_signed("<", number', 'icmp_signed("<=", number', FACES, NUMBA),
    Fault("transfer: axes merged that lie apart in the source", "kernels/broadcast.py", "zip(dims[-1][1], steps, strict=True)", "zip(dims[-1][1][1:], steps[1:], strict=True)", fast("transfer"), NUMBA),
    Fault("transfer: the last rows of a matrix skipped", "kernels/layout.py", "end = min(row + lanes, stop)", "end = row + lanes if row + lanes <= stop else row", fast("transfer"), NUMBA),
    Fault("transfer: a whole piece where a part is left", "kernels/layout.py", "else min(run, whole - row * run)", "else run", GUARD, NUMBA),
    Fault("matrix times vector: the last rows left out", "kernels/tile/matvec.py", "min(RUN, rows - row))", "RUN if rows - row >= RUN else 0)", fast("linear"), NUMBA),
    Fault("matrix times vector: no ReLU", "kernels/tile/gemm.py", "np.maximum(out, 0, out=out)", "pass", fast("linear"), NUMBA),
    Fault("normalize: the mean forgotten in the weight's recorded rule", "ops/norm.py", "(x - _column(_as(mean, g), g))", "x", ("test_primitives.py::test_rules_on_arrays[float64-normalize]",)),
    Fault("layer_norm: weights in another order than memory", "ops/row_norm.py", "w.transpose(self.tail).reshape(-1)", "w.reshape(-1)", ("test_row_norms.py",)),
    Fault("scatter_rows: not cleared", "kernels/index.py", "clear(out, i * length, (end - i) * length)", "pass", fast("scatter_rows"), NUMBA),
    Fault("scatter_rows: a worker adds to the next one's first row", "kernels/index.py", "if low <= rows[k] < high:", "if low <= rows[k] <= high:", fast("scatter_rows"), THREADED),
    Fault("weighted_rows: the last of an odd number left out", "kernels/index.py", "            if e < end:\n", "            if e + 1 < end:\n", fast("weighted_rows"), NUMBA),
    Fault("place_extreme: equals do not share", "kernels/meet.py", "1 if newer else shared + _same(v, best)", "1 if newer else shared", fast("place_extreme"), NUMBA),
    Fault("place_extreme: NaN does not win", "kernels/meet.py", "(not (v <= best) if largest else not (v >= best))", "(v > best if largest else v < best)", fast("place_extreme"), NUMBA),
    Fault("place_product: x counts where it should not", "kernels/meet.py", "out[np.uint64(start + m * length + d)] = 1", "pass", fast("place_product"), NUMBA),
    Fault("histogram: the upper end in a bin of its own", "kernels/meet.py", "min(np.int64((v - low) * scale), bins - 1)", "np.int64((v - low) * scale)", fast("histogram"), NUMBA),
    Fault("bisect_places: before equals either way", "kernels/order.py", "not (other > v if right else other >= v)", "not (other >= v)", fast("bisect_places"), NUMBA),
    Fault("leading_places: the last of equals first", "kernels/order.py", "return (v > other) | ((v != v)", "return (v >= other) | ((v != v)", fast("leading_places"), NUMBA),
    Fault("running_extreme: the first of equals", "kernels/order.py", "(v >= best if largest else v <= best)", "(v > best if largest else v < best)", fast("running_extreme"), NUMBA),
    Fault("polynomials: the divisor forgotten", "kernels/recurrence.py", "- c * p[i]) / d", "- c * p[i])", fast("polynomials"), NUMBA),
    Fault("sin: the rounding of the reduction lost", "kernels/words/polynomial.py", "    lost = (near - r) + lost\n", "    lost = near - near\n", ("test_polynomials.py::test_error_in_units_of_the_last_place",), NUMBA),
    Fault("pow: one part of the logarithm", "kernels/words/polynomial.py", "lost = y.fma(high, -product) + y * low", "lost = y.fma(high, -product)", ("test_polynomials.py::test_error_of_two_operands",), NUMBA),
    Fault("batch_norm: unbiased variance", "kernels/norm.py", "variance[c] = 0.0 if squared < 0 else squared", "variance[c] = 0.0 if squared < 0 else squared * m / max(m - 1, 1)", fast("batch_norm_statistics"), NUMBA),
    Fault("batch_norm: running variance biased", "kernels/norm.py", "(variance[c] * m / max(m - 1, 1))", "variance[c]", fast("batch_norm_statistics"), NUMBA),
    Fault("batch_norm: a run's sums left where its first row put them", "kernels/norm.py", "return [moved, w.fma(e, w.add(sums, moved), squares)]", "return [moved, squares]", fast("batch_norm_statistics"), NUMBA),
    Fault("batch_norm: a block's sums left where its first pixel put them", "kernels/norm.py", "squares[c] + e * (2 * sums[c] + n * e)", "squares[c]", fast("batch_norm_statistics"), NUMBA),
    Fault("batch_norm: a block summed before all of it is written", "kernels/norm.py", "// channels * some) == stop - begin:", "// channels * some) == (stop - begin) // 2:", AHEAD, NUMBA),
    Fault("batch_norm: sums of what Winograd's algorithm then wrote once more", "kernels/tile/winograd.py", "            sums[0][:] = 0  # outputs will change", "            pass", AHEAD, NUMBA),
    Fault("batch_norm: sums of groups that were then done by themselves", "kernels/tile/direct.py", "            sums[0][:] = 0  # outputs will change", "            pass", AHEAD, NUMBA),
    Fault("batch_norm: the mean's share of the gradient dropped", "kernels/norm.py", "slope, b.fsub(g, offset))", "slope, g)", fast("batch_norm_input_grad"), NUMBA),
    Fault("batch_norm: ReLU's gate open at 0", "kernels/norm.py", 'fcmp_ordered("<=", y, v.zero)', 'fcmp_ordered("<", y, v.zero)', fast("batch_norm_sums"), NUMBA),
    Fault("linear: bias of another block", "kernels/tile/gemm.py", "+ bias[j]", "+ bias[j - left]", fast("linear"), NUMBA),
    Fault("matmul: steps that fill no vector left out", "kernels/tile/gemm.py", "for i in range(whole, steps)", "for i in range(whole + 1, steps)", fast("matmul"), NUMBA),
    Fault("matmul: rows beyond the last read", "kernels/words/moves.py", "v.clamped(INT(0), v.lanes, builder.sub(rows, INT(1)))", "[INT(j) for j in lanes]", GUARD, NUMBA),
    Fault("weight gradient, matmul: right edge of y read without a mask", "kernels/words/moves.py", "v.store(v.load(source, v.mask(valid)), target)", "v.store(v.load(source), target)", GUARD, NUMBA),
    Fault("tile: rows below the last not clamped", "kernels/tile/tile.py", "v.clamped(row, height, row_last)", "[builder.add(row, INT(m)) for m in range(height)]", GUARD, NUMBA),
    Fault("conv: one element too many of a line copied", PADDING, "space, at + begin, length)", "space, at + begin, length + 1)", GUARD, NUMBA),
    Fault("conv: workers share one copy of an image", CONV, "slots = 0 if not padded else get_num_threads() * plan.images", "slots = 0 if not padded else plan.images", GUARD, THREADED),
    Fault("conv: images left over by the threads not padded", PADDING, "first, stop = worker * batch // workers, (worker + 1) * batch // workers", "first, stop = worker * (batch // workers), (worker + 1) * (batch // workers)", fast("conv"), THREADED),
    Fault("batch_norm: rows left over by the threads skipped", "kernels/norm.py", "range(worker * rows // workers, (worker + 1) * rows // workers):\n            at = row * width\n            count = min(width, x.size - at)\n            if r.size", "range(worker * (rows // workers), (worker + 1) * (rows // workers)):\n            at = row * width\n            count = min(width, x.size - at)\n            if r.size", fast("batch_norm_apply"), THREADED),
    Fault("batch_norm: the shorter row at the end skipped", "kernels/norm.py", "                stop = x.size  # with what is left over, a shorter row\n            while at < stop:\n                n, length = max(1, min(RUN, (stop - at) // width)), min(width, stop - at)\n                if y.size", "                pass\n            while at < stop:\n                n, length = max(1, min(RUN, (stop - at) // width)), min(width, stop - at)\n                if y.size", fast("batch_norm_sums"), NUMBA),
    Fault("all kernels: fast-math without NaN", "kernels/engine/runtime.py", '{"reassoc", "contract", "nsz"}', "True", fast("max_pool"), NUMBA),
    Fault("the door: strided results not filled", "kernels/__init__.py", "        fill(result, array)", "        pass", ("test_kernels.py::test_any_layout_is_served",), NUMBA),
    # nn.functional
    Fault("conv2d: stride and padding swapped", "nn/functional/conv.py", '"conv2d", 2, input, weight, bias, stride, padding,', '"conv2d", 2, input, weight, bias, padding, stride,', LAYERS),
    Fault("conv: bias forgotten", "nn/functional/conv.py", "out = convolution.conv_bias(x, w, b, geometry=geometry)", "out = convolution.conv(x, w, geometry=geometry)", LAYERS),
    Fault("conv: dilation dropped", "nn/functional/conv.py", "w[2:], stride, sides, dilation, groups)\n    except RuntimeError as error:\n        raise renamed(name, error, f\"input {x}", "w[2:], stride, sides, 1, groups)\n    except RuntimeError as error:\n        raise renamed(name, error, f\"input {x}", LAYERS),
    Fault("'same': the odd pixel before", "nn/functional/conv.py", "(n // 2, n - n // 2) for", "(n - n // 2, n // 2) for", LAYERS),
    Fault("conv_transpose: output_padding ignored", "nn/functional/conv.py", 'extra = as_ints(name, "output_padding", output_padding, rank)', "extra = (0,) * rank", LAYERS),
    Fault("reflect off by one", "ops/folding.py", "2 * (n - 1)) - (mode", "2 * n - 1) - (mode", LAYERS),
    Fault("circular shifted by one", "ops/folding.py", "low + (first - low) % (high", "low + (first - low + 1) % (high", LAYERS),
    Fault("reflect's gradient: copies overwrite", "ops/folding.py", "        target += values\n", "        target[...] = values\n", primitive("extend")),
    Fault("pad: axes in the wrong order", "nn/functional/padding.py", "zip(ends[-2::-2], ends[::-2], strict", "zip(ends[::2], ends[1::2], strict", LAYERS),
    Fault("max_pool: dilation ignored", "nn/functional/pool.py", "kernel, stride, padding, dilation, ceil_mode)\n    except", "kernel, stride, padding, 1, ceil_mode)\n    except", LAYERS),
    Fault("avg_pool: ceil_mode ignored", "nn/functional/pool.py", "kernel, stride, padding, 1, ceil_mode)\n    kernel", "kernel, stride, padding, 1, False)\n    kernel", LAYERS),
    Fault("unfold: dilation dropped", "ops/folding.py", "dilation=geometry.dilation[axis]", "dilation=1", (*FAMILY, *primitive("columns"))),
    Fault("fold: stride and dilation swapped", "ops/folding.py", "step=g.stride[axis], dilation=g.dilation[axis]", "step=g.dilation[axis], dilation=g.stride[axis]", FAMILY),
    Fault("max_unpool: sizes one stride away allowed", "nn/functional/pool.py", "if not d - s < n < d + s:", "if not d - s <= n <= d + s:", ("test_pool_family.py::test_error",)),
    Fault("conv layers: drawn as if all weights fed one output", "nn/conv.py", "self.weight.array[0].size ** -0.5", "self.weight.array.size ** -0.5", ("test_conv_family.py::test_initial_values",)),
    Fault("resample's rule: not the adjoint", "ops/resample.py", "x=lambda g, axis, taps: resample_transpose(g,", "x=lambda g, axis, taps: resample(g,", primitive("resample")),
    Fault("fusion: all wait that are kept", FUSE, "while len(_waiting) > WAITING:", "if len(_waiting) > 100 * WAITING:", FUSION),
    Fault("fusion: not computed before a change in place", "autograd/tape.py", "        if version.readers:\n            version.settle()\n        version.count += 1\n        return self.array", "        version.count += 1\n        return self.array", FUSION),
    Fault("fusion: the residual's changes not watched", FUSE, "[*pending.versions, r.version]", "pending.versions", FUSION),
    Fault("fusion: the changes of a convolution's weight not watched", FUSE, "Pending(producer, epilogue, [*versions, w.version])", "Pending(producer, epilogue, versions)", FUSION),
    Fault("fusion: the changes of a convolution's image not watched", FUSE, "Pending(producer, epilogue, [*versions, w.version])", "Pending(producer, epilogue, [w.version])", FUSION),
    Fault("fusion: the changes of a linear layer's input not watched", FUSE, "Pending(producer, Epilogue(), [x.version, w.version])", "Pending(producer, Epilogue(), [w.version])", FUSION),
    Fault("fusion: what a convolution reads forgotten by the batch norm behind it", FUSE, "_normalizing(args, settings), pending.versions)", "_normalizing(args, settings), [])", FUSION),
    Fault("fusion: a convolution run for everybody who asks", FUSE, "self.claimed = not isinstance(self.producer, Normalized)", "self.claimed = False", FUSION),
    Fault("fusion: a second residual joins", FUSE, " or pending.epilogue.residual is not None:", ":", FUSION),
    Fault("fusion: memory that users hold is waited on", FUSE, "        and not (x._shared is not None and x._shared.exposed)\n", "", FUSION),
    Fault("fusion: joined though it is switched off", FUSE, "if not enabled or plain.enabled or self.claimed or", "if plain.enabled or self.claimed or", FUSION),
    Fault("fusion: -0.0 lost without a batch norm", FUSE, "np.full(channels, -0.0, dtype)", "np.full(channels, 0.0, dtype)", ("test_fuse_conv.py::test_negative_zeros_stay",), NUMBA),
    Fault("fusion: by the algorithm of another time", FUSE, "algorithm.as_of(self.algorithm)", "algorithm.as_of(algorithm.setting)", FUSION, NUMBA),
    Fault("fusion: ReLU's gate left open", FUSE, "return pixels(self.h), none, *self.factors", "return pixels(self.h), none, none, none", FUSION),
    Fault("forming: the two last rows of tiles missing", "kernels/tile/winograd.py", "4 * some + 2, height)", "4 * some, height)", READING, NUMBA),
    Fault("forming: the rows of the image before", "kernels/tile/winograd.py", "(i == 0 or i == begin + 4 * rows)", "i == begin + 4 * rows", READING, NUMBA),
    Fault("forming: outliers are looked for in what is read", "kernels/tile/winograd.py", "x, apart = formed(x, norm), np.zeros", "x, apart = x, np.zeros", READING, NUMBA),
    Fault("forming: integers are not recognised", "kernels/tile/winograd.py", "if _kinds(space, 0, 0, 1, channels, 4) & 4:", "if channels:", READING, NUMBA),
    Fault("forming: matrix products read the first rows again", "kernels/tile/gemm.py", "s, a, s_at = space, space, staged - top * x_row", "s, a, s_at = space, space, staged", READING, NUMBA),
    Fault("forming: depthwise sums of one image in place of another", DEPTHWISE, "if image != held:", "if held < 0:", READING, NUMBA),
    Fault("forming: images that are copied lack the ReLU and the norm", PADDING, "            if mean.size:\n", "            if mean.size < 0:\n", READING, NUMBA),
    Fault("forming: pools without the ReLU", "kernels/pool.py", "tile.v.rectified(tile.v.normal(x, *own))", "tile.v.normal(x, *own)", fast("max_pool_of_normal"), NUMBA),
    Fault("forming: what a recipe reads is not watched", FUSE, "        for version in of.versions:\n            version.read_by(weakref.ref(self))\n", "", READING),
    Fault("forming: formed though it may be read by others", FUSE, "pending.recipe is not None and pending.recipe.rectified", "pending.recipe is not None", READING),
    Fault("forming: hooks of what is kept are not asked", FUSE, "pending if waits and _recorder.get() is None else None", "pending if waits else None", READING),
    Fault("finish: always ReLU", CONV, "0 if relu else -np.inf", "0", fast("conv_normal"), NUMBA),
    Fault("finish: an absent sum adds 0.0", CONV, "plane + lanes] = -0.0", "plane + lanes] = 0.0", FINISHED, NUMBA),
    Fault("finish: winograd reads r beside an image", "kernels/tile/winograd.py", "inside(\"target\", other, i, j), mask)", "other, mask)", GUARD, NUMBA),
    Fault("finish: depthwise takes the first channels' factors", DEPTHWISE, "finish.factors(builder.add(k, INT", "finish.factors(builder.add(INT(0), INT", fast("conv_normal"), NUMBA),
    Fault("few outputs: a line's last tile goes beyond it", FEW, "m = min(tile * height, length - height)", "m = tile * height", ("test_few_outputs.py",), NUMBA),
    Fault("few outputs: the next images' sums replace those before", FEW, "                    more = 1", "                    more = 0", ("test_few_outputs.py",), NUMBA),
    Fault("few outputs: a part of the batch not added", FEW, "for part in range(1, parts):", "for part in range(2, parts):", ("test_few_outputs.py",), NUMBA),
    Fault("few outputs: a pixel collects from the next line", FEW, "min(taps, q + padding + 1) - low", "taps - low", ("test_few_outputs.py",), NUMBA),
    Fault("few outputs: a vector reaches over the line's end", FEW, "0 if q <= loose else outer", "0", ("test_few_outputs.py",), NUMBA),
    Fault("compiled: a hook is not noticed", "compiler/guards.py", "if EVERYWHERE or any(self._empty):", "if EVERYWHERE:", STEPS, NUMBA),
    Fault("compiled: a name's new value is not noticed", "compiler/guards.py", "if names.get(name, _missing) is not value:", "if names.get(name, _missing) is _missing:", STEPS, NUMBA),
    Fault("compiled: other attributes are not noticed", "compiler/guards.py", "return len(now) == len(self._state) and all(map(operator.is_, now, self._state))", "return True", STEPS, NUMBA),
    Fault("compiled: a value that is asked for counts as a constant", "compiler/guards.py", 'VALUES = {"item", ', "VALUES = {", STEPS, NUMBA),
    Fault("compiled: what a launch counts in stays", "compiler/program.py", "if x.tobytes() != was.tobytes():", "if x.size < 0:", STEPS, NUMBA),
    Fault("compiled: dropout's seed stays", "compiler/program.py", "        settings[name] = seed", "        settings[name] = settings[name]", STEPS, NUMBA),
    Fault("compiled: results share the record's memory", "compiler/program.py", 'out = wrap(found.array.copy(order="K"))', "out = wrap(found.array)", STEPS, NUMBA),
    Fault("compiled: unseen computing is believed", "compiler/program.py", "same = all(a.tobytes() == b.tobytes() for a, b in pairs)", "same = True", STEPS, NUMBA),
    Fault("silu: another curve's slope", "ops/activation.py", "g * _silu_slope(x)", "g * _mish_slope(x)", primitive("silu")),
    Fault("cross_entropy: the fused slope forgets the mean's divisor", "ops/loss.py", "(g * _inverse(divisor))", "g", SLOPES),
    Fault("cross_entropy: the composed slope forgets smoothing", "ops/loss.py", "+= 1 - smoothing", "+= 1", SLOPES),
    Fault("batch_norm: warns of infinities", "nn/functional/norm.py", "@quietly\ndef batch_norm(", "def batch_norm(", ("test_nn.py::test_infinities_are_silent",)),
    Fault("interrupts: the error state of before is not put back", "autograd/primitive.py", "            set_errors(before)", "            pass", INTERRUPTS),
    Fault("interrupts: a mode that was interrupted stays", "autograd/modes.py", "        except BaseException:  # an interrupt", "        except ZeroDivisionError:  # an interrupt", INTERRUPTS),
    Fault("interrupts: hooks find the caller's mode", "autograd/tape.py", "            with GradMode(create_graph):\n                for hook", "            with GradMode(_enabled.get()):\n                for hook", INTERRUPTS),
    Fault("fusion: a gradient that a sum hands to two is written over", FUSE, "for _op in (conv, conv_bias,", "for _op in (add, conv, conv_bias,", BACKWARDS, NUMBA),
    Fault("fusion: every gradient behind a ReLU is written over", FUSE, "h if waits else None)", "h)", BACKWARDS),
    Fault("fusion: no gradient is written over", FUSE, "return Own(g) if gains and", "return g if gains and", BACKWARDS),
    Fault("fusion: a sum of gradients is written over one that others have", "autograd/tape.py", "    if type(first) is Own:\n        return Own(add_over(a, b))", "    if True:\n        return Own(add_over(a, b))", BACKWARDS, NUMBA),
    Fault("fusion: no sum of gradients is written over one", "autograd/tape.py", "if type(second) is Own and", "if False and", BACKWARDS, NUMBA),
    Fault("fusion: what a node's hooks are shown is written over", "autograd/tape.py", "users or node.after is not None or", "users or", BACKWARDS),
    Fault("fusion: what a tensor keeps is written over", "autograd/tape.py", "node.after is not None or node.retained is not None or", "node.after is not None or", BACKWARDS),
    Fault("fusion: what is asked for is written over", "autograd/tape.py", " or (wanted and node in wanted):", ":", BACKWARDS),
    Fault("threads: a follower trusts its operand", "ops/fuse.py", "{**settings, **gate}) if args[0].pending is pending else None", "{**settings, **gate}) if True else None", INTERRUPTS),
    Fault("threads: the launch lock of one's own thread", "kernels/engine/runtime.py", "self.launch = threading.RLock()", "self.launch = threading.Lock()", ("test_threads.py",), THREADED),
    Fault("forks: none waits for a compilation", "kernels/engine/apart.py", "os.register_at_fork(before=_before_fork, ", "os.register_at_fork(", ("test_threads.py",)),
    Fault("memory: shared with forked children", "kernels/engine/memory.py", "mmap.MAP_PRIVATE |", "mmap.MAP_SHARED |", ("test_kernel_memory.py::test_a_forked_child_has_memory_of_its_own",)),
    Fault("tile: one lane too few written", "kernels/words/registers.py", "while size > 1:", "while size > 2:", FACES, NUMBA),
    Fault("winograd: the weight gradient's last part left out", "kernels/tile/winograd.py", "for part in range(1, parts):", "for part in range(1, parts - 1):", ("test_winograd.py::test_error_stays_below_what_is_stated",), NUMBA),
    Fault("winograd: no tile is inspected", "kernels/tile/winograd.py", "if unsure.size:", "if unsure.size and padding is None:", ("test_winograd_edges.py",), NUMBA),
    Fault("winograd: weights of one sign are its own", "kernels/tile/winograd.py", "if found != 7 and found != 0:", "if found < 4 and found != 0:", ("test_winograd_edges.py",), NUMBA),
    Fault("winograd: an image outweighs the others", "kernels/tile/winograd.py", "light = product <= share *", "light = product >= 0 * share *", ("test_winograd_edges.py",), NUMBA),
    Fault("winograd: a plane of scratch missing", "kernels/tile/winograd.py", "* 36 * (channels * 2 * lanes + APART)\n    u, space", "* 35 * (channels * 2 * lanes + APART)\n    u, space", GUARD, NUMBA),
    Fault("winograd: later channels replace the sum of earlier ones", "kernels/tile/winograd.py", "min(c, 1), m + p * m_plane", "0, m + p * m_plane", ("test_winograd.py",), NUMBA),
    Fault("winograd: outputs that share V share M", "kernels/tile/winograd.py", "m_at = m + (k - some) // (2 * lanes) * 36 * m_plane", "m_at = m", ("test_winograd.py",), NUMBA),
    Fault("reductions: a block left out", "kernels/reduce.py", "for block in range(1, blocks):\n                _merge(how, partial, o", "for block in range(2, blocks):\n                _merge(how, partial, o", fast("sum_along"), NUMBA),
    Fault("reductions: rows of a fold left over skipped", "kernels/reduce.py", "kepts, 0, (o * reduced + stop) * inner - at, 1)", "kepts, 0, 0, 1)", fast("sum_along"), NUMBA),
    Fault("reductions: the first row's number for all rows", "kernels/words/lanes.py", "b.load(v.at(address, b.add(place, step.index)))", "b.load(v.at(address, place))", fast("sum_deviations"), NUMBA),
    Fault("reductions: another formula's machine code", "kernels/reduce.py", "if self.foreign:", "if False:", ("test_reduce.py::test_formulas_of_one_name_do_not_meet",), NUMBA),
    Fault("reductions: NaN loses", "kernels/words/lanes.py", "choose(y == y, choose(x < y, y, x), y), \"fmaximum\"", "choose(x < y, y, x), \"fmaximum\"", ("test_reduce.py::test_nan_and_ties_in_large_arrays",), NUMBA),
    Fault("reductions: right edge read without a mask", "kernels/words/lanes.py", "def columns(first: Any, several: int, valid: Any) -> None:\n        mask = None if valid is None else v.mask(valid)", "def columns(first: Any, several: int, valid: Any) -> None:\n        mask = None", GUARD, NUMBA),
    Fault("reductions: float32 added up in float32", "kernels/words/lanes.py", "v.widened() if combination.wide and v.bytes == 4 else v", "v", ("test_reduce.py::test_a_million_terms_are_right_to_float32",), NUMBA),
    Fault("reductions: the other group's axes forgotten", "ops/collapse.py", "if how.rest:", "if False:", ("test_reduce.py::test_over_axes",), NUMBA),
    Fault("reductions: channels-last images read as they are not", "ops/collapse.py", "by_stride = sorted(range(len(shape)), key=lambda axis: -strides[axis] if shape[axis] > 1 else 0)", "by_stride = [*range(len(shape))][::-1]", ("test_reduce.py::test_a_million_terms_are_right_to_float32", "test_reduce.py::test_layouts_are_not_copied"), NUMBA),
    Fault("prod's rule: factors behind forgotten", "ops/reduce.py", "(_products_before(x, dim[0]) * _products_before(x, dim[0], -1))", "_products_before(x, dim[0])", primitive("prod")),
    Fault("cumprod's rule: one step too few", "ops/reduce.py", "    while step < x.shape[dim]:\n        sums", "    while 2 * step < x.shape[dim]:\n        sums", primitive("cumprod")),
    Fault("softmax across columns: sums of the task before", "kernels/loss.py", "                    tops[top + i] = -np.inf\n                    sums[s + i] = 0.0", "                    tops[top + i] = -np.inf", fast("softmax"), NUMBA),
    Fault("group_norm: the first groups' weights for all", "kernels/row_norm.py", "low, first = task * count, task % groups * per\n            mean", "low, first = task * count, 0\n            mean", fast("group_norm"), NUMBA),
    Fault("group_norm: the mean's share of the gradient dropped", "kernels/row_norm.py", "kind(s * s * s * b / count), kind(-s * a / count if centred else 0.0)", "kind(s * s * s * b / count), kind(0.0)", fast("group_norm_grad"), NUMBA),
    Fault("layer_norm: rows of a block left over skipped", "kernels/row_norm.py", "rows, at = min(RUN, stop - n), n * channels + first", "rows, at = min(RUN, max(stop - n - 1, 1)), n * channels + first\n                n += 1", fast("group_norm_grad"), NUMBA),
    Fault("group_norm: channels-last images turned", "ops/row_norm.py", "self.last = x.ndim > 2 and not x.flags.c_contiguous and", "self.last = False and", ("test_row_norms.py::test_images_are_not_copied",)),
    Fault("instance_norm: running variance biased", "nn/functional/norm.py", "reducing.var_mean(input, tuple(range(2, len(x))))", "reducing.var_mean(input, tuple(range(2, len(x))), correction=0)", ("test_row_norms.py::test_instance_norm_follows_the_images",)),
    Fault("gru: the state's own share of the gradient dropped", "ops/recurrent.py", "        dh += kept\n", "", primitive("gru")),
    Fault("lstm: the gradient of a state that ended early forgotten", "kernels/reference.py", "dh, dc = gh[:n], gc[:n]\n        dh += g[rows]", "gh[n:] = 0\n        dh, dc = gh[:n], gc[:n]\n        dh += g[rows]", primitive("lstm")),
    Fault("lstm: kernels of the last task run its first step only", "kernels/recurrent.py", "rows = min(per, starts[t + 1] - first)\n                if rows <= 0:\n                    continue\n                narrow_rows, wide_rows", "rows = min(per, starts[t + 1] - first)\n                if rows <= 0 or step and low:\n                    continue\n                narrow_rows, wide_rows", fast("lstm_steps"), THREADED),
    Fault("packed sequences: the order of the batch not undone", "nn/rnn.py", "if back is not None:", "if back is None:", ("test_recurrent.py::test_packed_sequences_are_as_each_by_itself",)),
    Fault("attention: a query that sees nothing gives NaN", "nn/functional/attention.py", "return where(wrap(blind), 0.0, mask), blind", "return mask, None", ("test_attention.py::test_scaled_dot_product_attention",)),
    Fault("attention: padding masks replace the other mask", "nn/functional/attention.py", "mask = full if mask is None else mask + full", "mask = full", ("test_attention.py::test_multihead_attention",)),
    Fault("rms_norm's recorded rule: centred", "ops/row_norm.py", "rms_norm.vjp(**_row_rules(False))", "rms_norm.vjp(**_row_rules(True))", primitive("rms_norm")),
    Fault("batch_norm: eps outside the root", "kernels/norm.py", "1 / np.sqrt(np.float64(variance[c]) + eps)", "1 / (np.sqrt(np.float64(variance[c])) + eps)", fast("batch_norm_statistics"), NUMBA),
    # files
    Fault("files: straight to their place", "files.py", "os.replace(temporary, path)", "os.replace(temporary, path + '~')", WHOLE),
    Fault("files: unlocked before they have their name", "files.py", "if fcntl is None:\n                file.close()", "if True:\n                file.close()", ("test_files_faults.py::test_a_crowd_of_writers",)),
    Fault("files: what killed writers left stays", "files.py", "    _sweep(folder)\n", "", WHOLE),
    Fault("files: what failed stays", "files.py", "with contextlib.suppress(OSError):\n            os.unlink(temporary)", "pass", WHOLE),
    Fault("files: errors name what nobody knows", "files.py", "raise OSError(error.errno, error.strerror, path) from error", "raise", WHOLE),
    Fault("pictures: straight to their place", "explain.py", "with replacing(path) as file:", "with open(path, 'wb') as file:", WHOLE),
    Fault("models: zeros behind the channels alone", "vision/models/cifar.py", "before = self.channels // 2", "before = 0", ("test_models.py::test_option_a",)),
    Fault("models: whitening in rising order", "vision/models/airbench.py", ".T[::-1].reshape", ".T.reshape", ("test_models.py::test_whitening",)),
    Fault("models: weights asked for in vain", "vision/models/registry.py", "if weights or pretrained:", "if pretrained:", ("test_models.py::test_weights_are_not_downloaded",)),
    Fault("summary: dilation overlooked", "summary.py", "yield d * (k - 1), s", "yield k - 1, s", ("test_summary.py::test_receptive_fields",)),
    Fault("summary: shared parameters count twice", "summary.py", "own = [p for p in own if id(p) not in seen]", "own = list(own)", ("test_summary.py::test_shared_modules",)),
    Fault("summary: buffers of the model itself", "summary.py", "copy.deepcopy(model, memo).eval()", "model.eval()", ("test_summary.py::test_the_model_stays_as_it_is",)),
    Fault("downloads: not checked", "vision/datasets/download.py", "check_md5(Path(part.name), md5)", "pass", ("test_datasets.py::test_download_that_fails_leaves_nothing",)),
    Fault("cache: an entry serves in every folder", "kernels/engine/runtime.py", "{path.parent.name}/{path.name}/", "{path.name}/", CACHED, NUMBA),
    Fault("cache: links followed", "kernels/engine/runtime.py", '"O_NOFOLLOW", ', "", ("test_cache.py::test_entries_are_checked_when_open",), NUMBA),
    Fault("pickles: any dtype", "vision/datasets/array_pickle.py", "if self.dtype.kind not in KINDS:", "if False:", ("test_files.py::test_what_a_pickle_says_of_a_dtype_is_not_believed",)),
    Fault("pickles: order of axes", "vision/datasets/array_pickle.py", '"F" if columns_first else "C"', '"C"', ("test_files.py::test_arrays_of_pickles",)),
    Fault("func: results of inner points on the tape", "func.py", "            record = outer and _outside([y], xs)\n            found", "            record = outer\n            found", ("test_func.py::test_results_are_on_the_tape_where_something_outside_is",)),
    Fault("func: tied weights apart", "func.py", "    if tie_weights:", "    if False:", ("test_func.py::test_modules_as_functions",)),
    Fault("hooks of saved tensors: of Functions not", "autograd/function.py", "            recorder.act(node)", "            pass", ("test_saved.py::test_kept_values_go_through_the_hooks",)),
    Fault("checkpoint: other random numbers", "utils/checkpoint.py", "                set_rng_state(state)", "                pass", ("test_saved.py::test_a_checkpoint_has_the_gradients_of_the_plain_call",)),
    Fault("anomalies: no stop", "autograd/anomaly.py", "        if not self.check_nan or", "        if True or", ("test_saved.py::test_anomalies",)),
    Fault("hooks of a view also after the change", "autograd/inplace.py", "        return follow(x.chain, x.base)\n", "        pass\n", ("test_inplace_gradients.py::test_hooks_of_a_view_see_what_was_done_before_the_change",)),
    Fault("archives: long headers read", "vision/datasets/packed.py", "if not 0 <= size <= HEADER or self.left < 0:", "if False:", ("test_files.py::test_hostile_archives",)),
    Fault("archives: names that climb", "vision/datasets/archive.py", 'or ".." in parts or', "or", ("test_archives.py::test_names_that_climb_are_no_files",)),
    Fault("prepared images: of whatever source", "vision/datasets/prepared.py", 'if file["source"].tobytes() != source:', "if False:", ("test_archives.py::test_a_stale_cache_is_made_anew",)),
    Fault("transforms: samples share what they draw more", "vision/transforms/base.py", "own._keys, own._drawn = stream.words(), 0", "own._keys, own._drawn = stream.words()[:1].repeat(len(stream)), 0", ("test_random_transforms.py::test_batches_equal_single_images",)),
    Fault("transforms: hue the other way", "vision/transforms/functional/color.py", "+ each(by, rgb.dtype)[..., 0]", "- each(by, rgb.dtype)[..., 0]", ("test_functional.py::test_values", "test_functional.py::test_hue_goes_round_the_circle")),
    Fault("transforms: images end in their own edge", "vision/transforms/functional/warp.py", "np.where((at >= 0) & (at < size), weight, 0)", "weight", ("test_functional.py::test_values",)),
    Fault("images: small files unpack without a bound", "vision/datasets/loader.py", "if unpacked > max(MOST, 100 * size):", "if False:", ("test_files.py::test_large_files_are_refused",)),
    Fault("load: expanded tensors written out", "serialization/writing.py", "max(high - low, LARGE)", "high - low", ("test_checkpoints.py::test_arrays_that_see_an_element_twice",)),
    Fault("pickles: tensors beyond their storage", "serialization/torch_reading.py", "last >= len(memory) or", "", ("test_hostile_files.py::test_hostile_files",)),
    Fault("pickles: budget without an end", "serialization/opcodes.py", "if self.spent > BASE + FACTOR * self.at:", "if False:", ("test_hostile_files.py::test_hostile_files[a million empty dicts]",)),
    Fault("pickles: containers in themselves", "serialization/opcodes.py", "if id(entry) in way:", "if False:", ("test_hostile_files.py::test_hostile_files[a list in itself]",)),
    Fault("PyTorch's files: byte order ignored", "serialization/torch_reading.py", "if swapped and self.stored.itemsize > 1:", "if False:", ("test_torch_files.py::test_the_other_byte_order",)),
    Fault("PyTorch's files: one storage for each view", "serialization/torch_writing.py", "overlapping(spans, [array.nbytes for array, _, _ in self.tensors])", "[[i] for i in range(len(spans))]", ("test_torch_files.py::test_everything_comes_back",)),
    Fault("run: a second copy", "run.py", "sys.modules.setdefault(root + name.removeprefix(ours), module)", "pass", ("test_run.py::test_names_are_the_very_same_modules",)),
    Fault("run: children on their own", "run.py", "    _hand_on()\n", "", ("test_run.py::test_workers_of_a_loader",)),
    Fault("load: directories of any length", "serialization/reading.py", "size if 0 <= size <= _DIRECTORY else _DIRECTORY + 1", "size", ("test_checkpoints.py::test_long_directories_are_not_read",)),
    Fault("optimizers: averages may be missing", "optim/adam.py", '("step", *self.like_parameter[: 3 if group["amsgrad"] else 2])', '("step",)', ("test_load_state.py::test_refused_before_anything_changes",)),
    Fault("optimizers: blocks forget the state", "optim/formula.py", "                if old is not None:\n", "                if old is not None and old.size > 9:\n", ("test_formulas.py::test_values",)),
    Fault("L-BFGS: pairs in the wrong order", "optim/lbfgs.py", "share - float(y @ d)", "share + float(y @ d)", ("test_formulas.py::test_lbfgs_minimizes",)),
    Fault("schedules: a sequence checks no part", "optim/lr_scheduler.py", "            scheduler._checked(entry)\n", "            pass\n", ("test_averages.py::test_a_bad_state_changes_no_part_of_a_sequence",)),
    Fault("averages: one model too few", "optim/swa_utils.py", "/ (number + 1)", "/ number", ("test_averages.py::test_averaged_model",)),
    # one declaration per op, and the kernels of formulas
    Fault("formulas: n - x written down as x - n", "ops/declare.py", '"{1} - {0}"', '"{0} - {1}"', formula("sigmoid_grad_x"), NUMBA),
    Fault("formulas: settings handed over in another order", "ops/declare.py", "[given[s] for s in names]", "[given[s] for s in names[::-1]]", primitive("hardtanh")),
    Fault("formulas: numbers handed to a kernel in another order", "ops/declare.py", "if p is float])\n        operands", "if p is float][::-1])\n        operands", formula("hardtanh"), NUMBA),
    Fault("in place: an operand that overlaps is read where it has changed", "autograd/inplace.py", "return fits and not np.may_share_memory(a.array, mine)", "return fits", LARGE, NUMBA),
    Fault("in place: a change of a large tensor is not counted", "kernels/pointwise.py", "    elif changing is not None:\n        changing()\n", "", LARGE, NUMBA),
    Fault("in place: a copy within one memory by the kernel", "kernels/__init__.py", " and not np.may_share_memory(out, x)", "", LARGE, NUMBA),
    Fault("pointwise rules: not summed to the argument's shape", "ops/declare.py", "return out if shape is None else fit(out, shape)", "return out", ("test_primitives.py::test_first_derivative[hypot]", "test_primitives.py::test_first_derivative[multiply]")),
    Fault("pointwise: a column and a row left to NumPy", "ops/declare.py", "if large or (most > SPREAD and", "if large or (False and", ("test_arithmetic.py::test_a_column_and_a_row_make_a_large_result",)),
    Fault("pointwise: one operand's stride for all axes", "kernels/pointwise.py", "entry(first + 1 + k)", "entry(first + 1)", lie("C-three axes around a line"), NUMBA),
    Fault("pointwise: an operand that stays fills one vector only", "kernels/pointwise.py", "for i in range(SIDE_BY_SIDE * self.v.lanes):", "for i in range(self.v.lanes):", lie("C-rows and a column"), NUMBA),
    Fault("pointwise: the last element of a share left out", "kernels/pointwise.py", "(worker + 1) * chunks // workers * CHUNK)", "(worker + 1) * chunks // workers * CHUNK - 1)", ("test_pointwise.py::test_bits_do_not_depend_on_threads_or_place",), THREADED),
    Fault("pointwise: the first number in place of all", "kernels/pointwise.py", "builder.gep(given, [INT(i)])", "builder.gep(given, [INT(0)])", formula("hardtanh"), NUMBA),
    Fault("pointwise: the first operand's memory in place of all", "kernels/pointwise.py", "at(builder, arrays, i, BYTE", "at(builder, arrays, 0, BYTE", formula("multiply"), NUMBA),
    Fault("parameters: defaults lost", "autograd/parameters.py", "function.__kwdefaults__ or {}", "{}", ("test_parameters.py::test_as_inspect_says",)),
    Fault("views: a hook on the way is called for a change", "autograd/inplace.py", "if node.hooks or node.after or", "if node.after or", ("test_hooks.py::test_a_view_on_the_way_to_one_that_is_changed",)),
    Fault("functions: compiled anew in every process", "kernels/engine/functions.py", "runtime.kept(name, pickle.loads)", "None", ("test_cache.py::test_functions_without_numba_are_kept_alike",), NUMBA),
    Fault("pointwise: conditions read upside down", "kernels/pointwise.py", 'icmp_signed("!=", found', 'icmp_signed("==", found', formula("where"), NUMBA),
    Fault("pointwise: right edge without a mask", "kernels/pointwise.py", "[start], self.v.mask(b.sub(self.stop, start)))", "[start], None)", GUARD, NUMBA),
    Fault("broadcasting: axes merged where one operand passes through", "kernels/broadcast.py", "if dims and all(", "if dims and any(", lie("C-images and channels"), NUMBA),
    Fault("broadcasting: results in rows whatever the operands are", "kernels/broadcast.py", "            if x.flags.c_contiguous:\n", "            if True:\n", lie("channels last-images and channels"), NUMBA),
    Fault("broadcasting: memory with gaps taken for dense", "kernels/broadcast.py", "            if stride != step:", "            if stride < step:", lie("every second row-rows and a row"), NUMBA),
    # ---- memory: what was read, what is shared, what may be written
    Fault("shared: nothing that was read is watched", "autograd/tape.py",
          "out._node.watched = [(s.version, s.version.count) for s in sources if isinstance(s, Variable)]", "pass", memory("what_was_read_must_not_change")),
    Fault("shared: second derivatives forget what was read", "autograd/primitive.py",
          "piece._node.watched = node.watched", "pass", memory("second_derivatives_watch_the_index_too")),
    Fault("shared: positions that were returned are not watched", "ops/reduce.py",
          "watch(take_along(x, indices.array, dim=d), indices)", "take_along(x, indices.array, dim=d)",
          memory("positions_that_were_returned_must_not_change")),
    Fault("shared: class weights are not watched", "nn/functional/loss.py",
          "    watch(out, target, weights)", "    watch(out, target)", memory("what_was_read_must_not_change")),
    Fault("shared: a user's index is not copied", "ops/index.py", "item = item.copy()", "item = item[...]",
          memory("numbers_and_arrays_as_indices_are_copied")),
    Fault("shared: columns of an image are a view of it", "ops/shape.py",
          "return out.clone() if np.may_share_memory(out.array, x.array) else standalone(out)", "return out",
          memory("results_are_new_memory")),
    Fault("shared: padding by nothing returns its argument", "nn/functional/padding.py",
          "mode=mode) if any(map(any, sides)) else input.clone()", "mode=mode) if any(map(any, sides)) else input",
          memory("results_are_new_memory")),
    Fault("shared: an image moves without those that share it", "ops/shape.py",
          "for (tensor, _), array in zip(tensors, arrays, strict=True):",
          "for (tensor, _), array in zip(tensors[:1], arrays, strict=False):",
          memory("a_reshaped_image_shares_memory_with_all_that_did")),
    Fault("shared: a moved view shows the whole", "autograd/tape.py",
          "own.sharers.append((weakref.ref(self), (*path, *views)))", "own.sharers.append((weakref.ref(self), path))",
          memory("a_reshaped_image_shares_memory_with_all_that_did")),
    Fault("shared: what NumPy has is moved", "autograd/tape.py", "        self.sharers.clear()", "        pass",
          memory("a_reshaped_image_is_a_copy_where_numpy_has_it")),
    Fault("shared: gradients that overlap are parts of the given one", "autograd/tape.py",
          "not any(_overlap(array, other) for other in others)", "True",
          memory("gradients_that_are_parts_of_the_given_one_share_its_memory")),
    Fault("shared: changes of a part are not counted", "autograd/tape.py",
          "            out[edge]._shared = tensor.version", "            pass",
          memory("gradients_that_are_parts_of_the_given_one_share_its_memory")),
    Fault("shared: results are views of hidden bases", "ops/shape.py", "    out.base, out.chain = None, ()", "    pass",
          memory("results_are_no_views_of_what_nobody_has")),
    Fault("shared: a view forgets that it was not recorded", "autograd/inplace.py",
          'if unrecorded or (recording and x._made == "no_grad"):', "if unrecorded:",
          memory("views_taken_without_recording_stay_so")),
    Fault("shared: what a copy overwrote has no gradient", "tensor.py", "copied=True", "copied=False",
          memory("what_a_copy_overwrote_has_gradient_zero")),
    Fault("shared: leaves that no longer ask get gradients", "autograd/tape.py",
          "if leaf._requires_grad if wanted is None else leaf in wanted:", "if wanted is None or leaf in wanted:",
          memory("leaves_that_no_longer_ask_get_no_gradient")),
    Fault("shared: view copies", "ops/shape.py",
          "if x.base is not None and x.base.array.flags.c_contiguous and _copies(x.array.shape, x.array.strides, target):", "if False:",
          memory("view_is_refused_where_pytorch_refuses")),
    Fault("shared: contiguous is a view", "facts.py",
          "if self.array.flags.c_contiguous and (self.base is None or self.base.array.flags.c_contiguous):",
          "if self.array.flags.c_contiguous:", memory("contiguous_copies_where_memory_stands_otherwise_than_it_seems")),
    Fault("shared: one of several views is changed", "autograd/inplace.py", 'if recording and x._made == "several":', "if False:",
          memory("one_of_several_views_is_not_changed_on_the_tape")),
    Fault("shared: views of views are not several", "autograd/primitive.py",
          '            result._made = source._made or "no_grad"', "            pass", memory("one_of_several_views_is_not_changed_on_the_tape")),
    Fault("sorting: bits without room in a key are forgotten", "ops/sort.py", "    if drop:", "    if False:",
          ("test_sort.py::test_keys_that_have_no_room_beside_positions",)),
    Fault("sorting: topk passes over what equals its floor", "ops/sort.py", "np.flatnonzero(rows >= floor)",
          "np.flatnonzero(rows > floor)", ("test_sort.py::test_topk_is_the_beginning_of_the_sort",)),
    Fault("sorting: near vectors cancel in matrix products", "ops/distance.py", "where(square >= (a + b) * FAR,",
          "where(square >= 0.0,", ("test_distance.py::test_euclidean_distances_lose_no_digits",)),
    Fault("sorting: rounding puts elements beside their bin", "ops/statistics.py", "places -= x < edges[places]",
          "places -= 0", ("test_statistics.py::test_edges_belong_to_the_bin_above",)),
    Fault("sorting: light weights ring first", "drawing.py", "weights / draw.standard_exponential",
          "1 / weights / draw.standard_exponential", ("test_drawing.py::test_multinomial_without_repetition",)),
    Fault("shared: detaching in place cuts nothing", "tensor.py", "            self.version.count += 1",
          "            pass", memory("detach_in_place_cuts_what_was_saved")),
    Fault("shared: detaching in place cuts the tensor's own rule", "tensor.py",
          "item._replace(expected=item.expected + 1)", "item", memory("detach_in_place_cuts_what_was_saved")),
    Fault("shared: inference tensors are written to", "autograd/tape.py",
          "if self._inference and not is_inference_mode_enabled():", "if False:", memory("inference_tensors")),
    Fault("shared: inference tensors are kept for backward", "autograd/primitive.py", "if arg._inference:", "if False:",
          memory("inference_tensors")),
    Fault("shared: views of inference tensors are none", "autograd/tape.py", "        if source._inference:",
          "        if False:", memory("inference_tensors")),
    Fault("shared: inference mode as a decorator is no_grad", "autograd/modes.py",
          "return inference_mode(not self.mode)", "return _GradMode(self.mode)", memory("inference_tensors")),
    Fault("shared: integers as the data of what requires grad", "tensor.py",
          'if self.requires_grad and value.outline.dtype.kind not in FLOATS:', "if False:",
          memory("data_keeps_the_kind_of_what_requires_grad")),
    Fault("shared: the value before an in-place product is lost", "autograd/inplace.py",
          "if others or (asks and x.node is not None):", "if asks and x.node is not None:",
          memory("constants_times_parameters_in_place")),
    # losses, links, grids
    Fault("ctc: labels that repeat are skipped to", "ops/ctc.py", "skips[:, 2:][states[:, 2:] != states[:, :-2]] = 0", "skips[:, 2:] = 0", ("test_primitives.py::test_value_by_formula[ctc]",)),
    Fault("ctc: the way back skips from the wrong state", "ops/ctc.py", "beta = _joined(ahead, ahead + skips, -1)", "beta = _joined(ahead, ahead + last, -1)", ("test_primitives.py::test_first_derivative[ctc]",)),
    Fault("links: the second 16 bits are not sorted by", "ops/links.py", "range(16, (self.size - 1).bit_length(), 16)", "range(16, 16)", ("test_embedding.py::test_tables_beyond_65536_rows",)),
    Fault("grid_sample: mirrored at pixels, not at edges", "ops/grid.py", "else (-0.5, n)", "else (0.0, n)", ("test_grid_sample.py::test_values_and_derivatives",)),
    Fault("multi_margin: the label's own margin is counted", "nn/functional/margin.py", "keepdim=False) - own)", "keepdim=False))", ("test_losses.py::test_values_and_reductions",)),
    Fault("parametrize: the copy shares the original", "nn/utils/parametrize.py", "out.__dict__.update(deepcopy(self.__dict__, memo))", "out.__dict__.update(self.__dict__)", ("test_parametrize.py::test_copies_are_of_their_own",)),
    # names, dtypes, exchange
    Fault("names: NumPy's axis is not understood", "surface.py", '"axis": "dim", "keepdims"', '"axes": "dim", "keepdims"',
          ("test_call_forms.py::test_axis_is_dim[unsqueeze]",)),
    Fault("dtypes: uint8 and int8 meet in the second", "dtypes.py", "return np.promote_types(a, b)",
          "return max(a, b, key=lambda d: d.itemsize)", ("test_dtypes.py::test_dtypes_meet_as_in_pytorch_s_table",)),
    Fault("exchange: negative strides are handed out", "tensor.py", "min(array.strides, default=0) < 0 or not", "not",
          ("test_exchange.py::test_dlpack_guards",)),
    Fault("devices: channels_last with the batch inside", "ops/place.py", "(0, *range(2, ndim), 1)", "(*range(2, ndim), 0, 1)",
          ("test_devices.py::test_channels_last",)),
    Fault("onnx: data may lie above the model's folder", "onnx/reading.py",
          'or os.path.commonpath([folder, path]) != folder', "", ("test_onnx_load.py::test_outside_data",)),
    Fault("onnx: bytes of an initializer are not counted", "onnx/reading.py",
          "if len(proto.raw_data) != count * dtype.itemsize:", "if False:", ("test_onnx_load.py::test_damaged_files",)),
    Fault("onnx: an open size is what it was in the example", "onnx/primitives.py", "kept[left[0]] = -1",
          "kept[left[0]] = shape[left[0]].entries[0]", ("test_onnx_export.py::test_programs",)),
    Fault("onnx: what NumPy made of the input is a constant", "onnx/graph.py",
          "same = self._same(value.arrays)", "same = True", ("test_onnx_export.py::test_what_cannot_be_said",)),
    Fault("onnx: gates of an LSTM are in our order", "onnx/steps.py", '"LSTM": (0, 3, 1, 2)', '"LSTM": (0, 1, 2, 3)',
          ("test_onnx_export.py::test_layers[LSTM]",)),
    Fault("onnx: numbers of a file are not the ones that were written", "onnx/loading.py",
          "return float(str(np.float32(value)))", "return value", ("test_onnx_options.py::test_numbers_that_were_written",)),
    Fault("pixels outside [0, 1] wrap around in TensorBoard", "utils/tensorboard.py",
          "return np.clip(np.nan_to_num(images.astype(np.float32), posinf=1, neginf=0), 0, 1)",
          "return images.astype(np.float32)", ("test_tensorboard.py::test_not_a_number_is_black",)),
    Fault("an op in TensorBoard's graph belongs to the outermost module", "utils/tensorboard.py",
          "spans.sort(reverse=True)", "spans.sort()", ("test_tensorboard.py::test_graph_of_the_tape",)),
    Fault("a resumed run draws its random numbers from the beginning", "../examples/common.py",
          'minitorch.set_rng_state(state["random"])', "pass", ("test_common.py::test_interrupted_and_resumed",)),
    Fault("a resumed epoch begins with its first batch", "../examples/common.py",
          "parts[first:, rank].tolist()", "parts[:, rank].tolist()", ("test_common.py::test_batches_from_any_batch_on",)),
    # matrices
    Fault("solve: the gradient of A is not turned", "ops/factor.py", "fit(-(_solve_b(g, a, memo) @ out.mT), a_shape)", "fit(-(_solve_b(g, a, memo) @ out.mT).mT, a_shape)", primitive("solve")),
    Fault("det: singular matrices without the sign of U", "ops/factor.py", "out[lost] = (np.linalg.det(u)", "out[lost] = (np.abs(np.linalg.det(u))", ("test_linalg.py::test_determinants_of_a_stack_with_singular_matrices",)),
    Fault("det: the small part without its sign", "ops/factor.py", "return c * (-1.0) ** n", "return c", ("test_linalg.py::test_determinants_of_any_rank",)),
    Fault("svd: equal singular values divide by 0", "ops/spectral.py", "return (1 - zero) / (x + zero)", "return 1 / x", ("test_linalg.py::test_norm_of_equal_singular_values", "test_linalg.py::test_a_tall_zero_has_a_slope")),
    Fault("lu: columns to the right are not exchanged", "ops/lu.py", "a[stack, j], a[stack, p] = a[stack, p], a[stack, j]", "a[stack, j, :k], a[stack, p, :k] = a[stack, p, :k], a[stack, j, :k]", ("test_linalg.py::test_factors_make_the_matrix",)),
    Fault("matrix_exp: a size is taken out and not put back", "ops/products.py", "[..., :n, n:] * scale", "[..., :n, n:]", ("test_linalg.py::test_the_derivative_of_an_exponential_keeps_its_digits",)),
    # loading
    Fault("data: batches are handed on as they come", "utils/data/pool.py", "1 if self._in_order else None)", "None)",
          ("test_workers.py::test_order_is_kept_unless_declined",)),
    Fault("data: a sample drawn again draws the same", "utils/data/loading.py", "count_turns(indices, drawn))", "None)",
          ("test_data.py::test_samples_drawn_again_are_augmented_anew",)),
    Fault("data: a dataset draws the program's numbers", "utils/data/stream.py", "default.numpy = default.numpy, own",
          "default.numpy = default.numpy, default.numpy", ("test_data_arguments.py::test_loading_takes_no_numbers_from_the_program",)),
    Fault("data: a stray StopIteration ends the epoch", "utils/data/worker.py", "(StopIteration, StopAsyncIteration)", "()",
          ("test_worker_failures.py::test_exceptions_of_a_dataset",)),
    Fault("data: strides are lost on the way", "utils/data/parcel.py", "elif is_plain_tensor(value):", "elif False:",
          ("test_workers.py::test_any_number_of_workers_gives_the_same_batches",)),
    # moving elements, views in place
    Fault("moving: a diagonal on the other side", "ops/moving.py", "out = x.diagonal(offset, *dims)", "out = x.diagonal(-offset, *dims)", ("test_moving_values.py::test_values[diagonal]",)),
    Fault("moving: a quarter the other way", "ops/moving.py", "b if turns == 1 else a", "a if turns == 1 else b", ("test_moving_values.py::test_values",)),
    Fault("moving: the first parts of a split not larger", "ops/moving.py", "i * (n // parts) + builtins.min(i, n % parts)", "i * (n // parts)", ("test_moving_values.py::test_values[tensor_split]",)),
    Fault("moving: elements in one place overwrite each other", "ops/moving.py", "np.add.at(line, _of_memory(np.arange(line.size), y.shape, stride, offset), y)", "line[_of_memory(np.arange(line.size), y.shape, stride, offset)] = y", ("test_moving.py::test_as_strided_adds_up_where_elements_overlap",)),
    Fault("moving: rolled by one axis alone", "ops/shape.py", "total[d] = total.get(d, 0) + shift", "total = {d: shift}", ("test_moving_values.py::test_values[roll]",)),
    Fault("moving: matrices of a block before their columns", "ops/moving.py", "        before += n\n", "", ("test_moving_values.py::test_values[block_diag]",)),
    Fault("copies: pieces are views", "ops/copies.py", "tuple(v.clone() for v in found) if", "found if", ("test_copies.py::test_copies_in_pieces",)),
    Fault("views in place: views of before follow", "autograd/tape.py", "            self.base = base = base.base\n", "            pass\n", ("test_in_view.py::test_views_taken_before_stay",)),
    Fault("views in place: the change not counted", "autograd/inplace.py", "    version.count += 1\n    if value is x:", "    if value is x:", ("test_in_view.py::test_what_the_tape_cannot_follow",)),
    Fault("views in place: leaves change", "autograd/inplace.py", "    _changing(x, is_grad_enabled() and x.edge is not None)\n", "", ("test_in_view.py::test_leaves_change_under_no_grad_alone",)),
    Fault("watched: index_add's index", "ops/scatter.py", "line + watch(added, index)", "line + added", ("test_watched.py::test_positions_of_rows[index_add]",)),
    # integers, Bessel functions, hooks, dual numbers
    Fault("integers: pieces stand at the wrong bits", "nn/functional/checks.py", "np.uint64(16 * (k + m))", "np.uint64(16 * (k + k))", ("test_integers.py::test_convolution[int64-True]",)),
    Fault("bessel: Y's wave the other way", "ops/bessel.py", "p * sine + q * cosine if second", "p * sine - q * cosine if second", ("test_bessel.py::test_values[bessel_y0]",)),
    Fault("bessel: K_1 without its pole", "ops/bessel.py", "out + 1.0 / x * sign - x", "out - x", ("test_bessel.py::test_values[modified_bessel_k1]",)),
    Fault("polynomials: Hermite's step", "ops/bessel.py", "lambda k: (2, 0, 2 * k, 1)", "lambda k: (2, 0, k, 1)", ("test_primitives.py::test_value_by_formula[hermite_polynomial_h]",)),
    Fault("hooks: called always, with nothing", "nn/hooks.py", "out = hook(module, args, kwargs, out)\n                except", "hook(module, args, kwargs, None)\n                except", ("test_hooks_everywhere.py::test_always_call_when_forward_raises",)),
    Fault("hooks: a module's own before those of all", "nn/hooks.py", '(*of_all("backward"), *self.module._backward_hooks.values())', '(*self.module._backward_hooks.values(), *of_all("backward"))', ("test_hooks_everywhere.py::test_order_of_all_kinds",)),
    Fault("hooks of gradients: everybody is waited for", "autograd/graph.py", "sum(edge in reached for edge in self.edges) if", "len(self.edges) if", ("test_multi_hooks.py::test_all_gradients_at_once",)),
    Fault("dual numbers: tangents stay on the tape", "autograd/forward_ad.py", "_slope(ys, u, vs, record)", "_slope(ys, u, vs, True)", ("test_forward_ad.py::test_tangents",)),
]


def copied(fault: Fault | None, folder: Path) -> None:
    """The code and its tests in `folder`, with the fault if there is one."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy(source, folder / name)
    if fault is not None:
        path = folder / "minitorch" / fault.file
        text = path.read_text().replace(fault.old, fault.new)
        compile(text, str(path), "exec")  # a slip of this table is no fault
        path.write_text(text)


def located(test: str) -> str:
    """A pytest argument with the folder of its file, whose name is found once under tests/."""
    name, *rest = test.split("::", 1)
    (path,) = (ROOT / "tests").rglob(name)
    return "::".join((str(path.relative_to(ROOT)), *rest))


def run(folder: Path, tests: tuple[str, ...], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """pytest in `folder`, stopping at the first failure."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=line", "-m", "", *map(located, tests)]
    settings = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return subprocess.run(
        command, cwd=folder, env=os.environ | settings, capture_output=True, text=True, timeout=TIMEOUT
    )


def caught(fault: Fault) -> tuple[bool, float, str]:
    """Whether the tests failed (or the interpreter crashed), after how many seconds, and which test it was."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copied(fault, folder)
        done = run(folder, fault.tests, fault.environment | {"MINITORCH_CACHE_DIR": str(folder / CACHE)})
    by = re.search(r"^(?:FAILED|ERROR) tests/.*?([^/]*\.py.*)", done.stdout, re.MULTILINE)
    reason = by[1] if by else f"exit status {done.returncode}"
    return done.returncode == 1 or done.returncode < 0, time.perf_counter() - start, reason


def stale(faults: list[Fault]) -> list[str]:
    """A sentence for each row whose text is not there exactly once, or that names a test which is not there."""
    wrong, names = [], {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    for fault in faults:
        path = ROOT / "minitorch" / fault.file
        count = path.read_text().count(fault.old) if path.exists() else 0
        if count != 1:
            wrong.append(f"{fault.name}: its text is found {count} times in {fault.file}, not once")
        wrong += [
            f"{fault.name}: there is no file of {test}" for test in fault.tests if test.split("::")[0] not in names
        ]
    tests = dict.fromkeys(test for fault in faults for test in fault.tests if test.split("::")[0] in names)
    files = dict.fromkeys(located(test.split("::")[0]) for test in tests)
    command = [sys.executable, "-m", "pytest", "--collect-only", "-m", "", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT)
    found = {re.sub("^[^:]*/", "", line) for line in done.stdout.splitlines()}
    found |= {line.split("[")[0] for line in found} | names
    return wrong + [f"{test}: there is no such test" for test in tests if test not in found]


def passes(faults: list[Fault], environment: dict[str, str]) -> bool:
    """Whether the tests of all faults of this environment pass without them; if not, says which does not."""
    tests = dict.fromkeys(test for fault in faults if fault.environment == environment for test in fault.tests)
    if not tests:
        return True
    with tempfile.TemporaryDirectory() as name:
        copied(None, Path(name))
        done = run(Path(name), tuple(tests), environment)
    if done.returncode:
        print(f"a test fails without any fault, with {environment}:\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def main() -> int:
    """Plant the faults, two at a time; print a line for each."""
    words = [word for word in sys.argv[1:] if word != "--check"]
    faults = [fault for fault in FAULTS if not words or any(word in fault.name for word in words)]
    outdated = stale(faults)
    print("\n".join(outdated) or f"all {len(faults)} rows name a text and tests that are there")
    if outdated or "--check" in sys.argv:
        return bool(outdated)
    found = 0
    with ThreadPoolExecutor(2) as pool:
        if not all(pool.map(lambda environment: passes(faults, environment), (THREADED, NUMBA, REFERENCE))):
            return 1
        for fault, (noticed, seconds, by) in zip(faults, pool.map(caught, faults), strict=True):
            found += noticed
            print(f"{fault.name:66} {'caught' if noticed else 'MISSED'} {seconds:5.1f} s  {by}", flush=True)
    print(f"planted {len(faults)} faults, caught {found}")
    return 0 if found == len(faults) else 1


if __name__ == "__main__":
    sys.exit(main())
