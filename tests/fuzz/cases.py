"""What a kind of case is, how one is run, and what is printed of one that fails."""

from __future__ import annotations

import collections
import importlib
import importlib.util
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import minitorch as m


class Kind(NamedTuple):
    """A row of the table below. share: of the time. Its module has `case(rng, counts)`, which raises what is wrong."""

    name: str
    share: float
    needs_torch: bool
    doc: str


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "geometries", 0.14, True, "convolutions, poolings, paddings, folds, resamplings, norms, losses, reductions"
        ),
        Kind("programs", 0.30, True, "in-place changes, views, no_grad, detach, hooks, results that wait"),
        Kind("calls", 0.08, True, "wrong arguments: the class of the error, and operands left alone"),
        Kind("files", 0.08, False, "damaged checkpoints: refused, or exactly what was saved"),
        Kind("interrupts", 0.22, False, "KeyboardInterrupt anywhere: the next step gives the same bits"),
        Kind("fusion", 0.10, False, "stacks of layers with fusion and without: the same bits"),
        Kind("compiled", 0.08, False, "compiled steps and their functions: the same bits"),
    )
}
HAS_TORCH = importlib.util.find_spec("torch") is not None
LINES, WIDTH = 5, 700  # of what is printed of a failing case


class Failure(AssertionError):
    """A case went wrong. The message is at most four lines, for the first line of a report is the command."""


def same(a: Any, b: Any) -> bool:
    """Whether two things that were seen are the same, to the bit."""
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
        return type(a) is type(b) and a == b
    return (a.shape, a.dtype, a.tobytes()) == (b.shape, b.dtype, b.tobytes())


def generator(kind: str, seed: int, number: int) -> np.random.Generator:
    """The random numbers of one case."""
    return np.random.default_rng([seed, list(KINDS).index(kind), number])


def command(kind: str, seed: int, number: int) -> str:
    """What runs the case again."""
    return f"python -m tests.fuzz {kind} --seed {seed} --case {number}"


def report(kind: str, seed: int, number: int, what: str) -> str:
    """At most five lines: the command, then what went wrong."""
    lines = [line.strip() for line in what.splitlines() if line.strip()]
    if len(lines) > LINES - 1:
        lines = [*lines[: LINES - 2], " ".join(lines[LINES - 2 :])]
    return "\n    ".join([command(kind, seed, number), *(line[:WIDTH] for line in lines)])


def run(kind: str, seed: int, number: int, counts: collections.Counter) -> str | None:
    """Run one case; the report if it fails. What holds for all kinds is looked at here: modes are as they were."""
    case: Callable = importlib.import_module(f"tests.fuzz.{kind}").case
    m.manual_seed(number)
    before = np.geterr()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case(generator(kind, seed, number), counts)
        if not m.is_grad_enabled() or np.geterr() != before:
            raise Failure(f"grad mode is {m.is_grad_enabled()}, np.geterr() {np.geterr()} afterwards")
    except Failure as failure:
        what = str(failure)
    except AssertionError as failure:
        what = str(failure) or repr(failure)
    except Exception as error:  # noqa: BLE001
        what = f"{type(error).__name__}: {error}{place(error)}"
    else:
        return None
    m.set_grad_enabled(True)
    np.seterr(**before)
    return report(kind, seed, number, what)


def place(error: BaseException) -> str:
    """' (in file:line)' of the innermost frame."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" (in {trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno})" if trace else ""
