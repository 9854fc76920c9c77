"""Operators with subgraphs, and values that are no tensors: sequences, which are lists, and what may be absent, None.

`run(graph, *inputs)` gives the outputs of a subgraph, which sees the values around it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .table import arr, axis_of, ints, number, operator, t, tensor


@operator("If")
def _if(cond: Any, *, then_branch: Any, else_branch: Any, run: Callable) -> tuple:
    return tuple(run(then_branch if number(cond) else else_branch))


@operator("Loop")
def _loop(M: Any, cond: Any, *carried: Any, body: Any, run: Callable, outputs: int) -> tuple:
    """The last carried values, and what each turn gave beside them, stacked."""
    most = sys.maxsize if M is None else int(number(M))
    states, rows, turn = list(carried), [], 0
    go = True if cond is None else bool(number(cond))
    while go and turn < most:
        again, *found = run(body, tensor(turn, np.int64), tensor(True), *states)
        states, row = found[: len(states)], found[len(states) :]
        rows.append(row)
        go, turn = bool(number(again)), turn + 1
    count = outputs - len(states)
    columns = list(zip(*rows, strict=True)) if rows else [()] * count
    return (*states, *(t.stack(list(c), 0) if c else tensor(np.zeros(0, np.float32)) for c in columns))


@operator("Scan")
def _scan(
    *inputs: Any,
    body: Any,
    num_scan_inputs: int,
    scan_input_axes: Any = None,
    scan_output_axes: Any = None,
    scan_input_directions: Any = None,
    scan_output_directions: Any = None,
    directions: Any = None,
    run: Callable,
    opset: int,
) -> tuple:
    """A loop over the slices of the last inputs. Before opset 9, each of a batch by itself."""
    if opset < 9:
        _lengths, *rest = inputs
        each = [
            _scan(
                *(x[b] for x in rest),
                body=body,
                num_scan_inputs=num_scan_inputs,
                run=run,
                opset=9,
                scan_input_directions=directions,
            )
            for b in range(arr(rest[0]).shape[0])
        ]
        return tuple(t.stack(list(column), 0) for column in zip(*each, strict=True))
    first = len(inputs) - num_scan_inputs
    states, scanned = list(inputs[:first]), inputs[first:]
    axes = [axis_of(a, arr(x).ndim) for a, x in zip(scan_input_axes or [0] * num_scan_inputs, scanned, strict=True)]
    back = scan_input_directions or [0] * num_scan_inputs
    steps = arr(scanned[0]).shape[axes[0]]
    rows = []
    for k in range(steps):
        slices = [t.select(x, a, steps - 1 - k if b else k) for x, a, b in zip(scanned, axes, back, strict=True)]
        found = list(run(body, *states, *slices))
        states, row = found[:first], found[first:]
        rows.append(row)
    columns = list(zip(*rows, strict=True))
    turned = scan_output_directions or [0] * len(columns)
    places = scan_output_axes or [0] * len(columns)
    stacked = [
        t.stack(list(c)[::-1] if b else list(c), axis_of(a, arr(c[0]).ndim + 1))
        for c, a, b in zip(columns, places, turned, strict=True)
    ]
    return (*states, *stacked)


# --------------------------------------------------------------------------------------------------------- sequences
@operator("SequenceEmpty")
def _sequence_empty(*, dtype: int = 1) -> list:
    return []


@operator("SequenceConstruct")
def _sequence_construct(*inputs: Any) -> list:
    return list(inputs)


def _place(position: Any, n: int, last: int) -> int:
    k = int(number(position))
    if not -n <= k <= last:
        raise IndexError(f"position {k} of a sequence of {n}")
    return k + n if k < 0 else k


@operator("SequenceAt")
def _sequence_at(sequence: list, position: Any) -> Any:
    return sequence[_place(position, len(sequence), len(sequence) - 1)]


@operator("SequenceErase")
def _sequence_erase(sequence: list, position: Any = None) -> list:
    k = len(sequence) - 1 if position is None else _place(position, len(sequence), len(sequence) - 1)
    return sequence[:k] + sequence[k + 1 :]


@operator("SequenceInsert")
def _sequence_insert(sequence: list, item: Any, position: Any = None) -> list:
    k = len(sequence) if position is None else _place(position, len(sequence), len(sequence))
    return [*sequence[:k], item, *sequence[k:]]


@operator("SequenceLength")
def _sequence_length(sequence: list) -> Any:
    return tensor(len(sequence), np.int64)


@operator("SequenceMap")
def _sequence_map(sequence: list, *others: Any, body: Any, run: Callable, outputs: int) -> tuple:
    rows = [
        run(body, item, *(other[k] if isinstance(other, list) else other for other in others))
        for k, item in enumerate(sequence)
    ]
    return tuple([row[i] for row in rows] for i in range(outputs))


@operator("SplitToSequence")
def _split_to_sequence(input: Any, split: Any = None, *, axis: int = 0, keepdims: int = 1) -> list:
    d = axis_of(axis, arr(input).ndim)
    n = arr(input).shape[d]
    if split is None:
        parts = [t.narrow(input, d, k, 1) for k in range(n)]
        return parts if keepdims else [t.squeeze(p, d) for p in parts]
    given = ints(split) or ()
    if not arr(split).ndim:
        given = tuple(min(given[0], n - k) for k in range(0, n, given[0]))
    starts = np.concatenate([[0], np.cumsum(given)]).tolist()
    return [t.narrow(input, d, start, size) for start, size in zip(starts, given, strict=False)]


@operator("ConcatFromSequence")
def _concat_from_sequence(sequence: list, *, axis: int, new_axis: int = 0) -> Any:
    if new_axis:
        return t.stack(sequence, axis_of(axis, arr(sequence[0]).ndim + 1))
    return t.cat(sequence, axis_of(axis, arr(sequence[0]).ndim))


# ------------------------------------------------------------------------------------------------------ perhaps absent
@operator("Optional")
def _optional(input: Any = None, *, type: Any = None) -> Any:
    return input


@operator("OptionalHasElement")
def _optional_has_element(input: Any = None) -> Any:
    return tensor(input is not None)


@operator("OptionalGetElement")
def _optional_get_element(input: Any) -> Any:
    if input is None:
        raise ValueError("there is no element")
    return input
