"""What `python -m minitorch.distributed.run` starts on every rank: the script, and how it ended, for the watchdog."""

from __future__ import annotations

import contextlib
import io
import os
import sys

from minitorch import run
from minitorch.distributed import guard

__all__ = ["main"]


def _show(error: BaseException) -> None:
    """Print an error as Python does, without what ran the script, and in one piece: other ranks print, too."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    text = io.StringIO()
    with contextlib.redirect_stderr(text):
        sys.excepthook(type(error), error.with_traceback(trace), trace)
    sys.stderr.write(text.getvalue())


def main(arguments: list[str]) -> int:
    """Run a script, or a module after "-m", with PyTorch's names after "--torch"; its exit code."""
    rank, size = guard.numbers()
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(size), LOCAL_RANK=os.environ.get("MPI_LOCALRANKID", "0"))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)  # lines of several ranks come one after the other
    guard.started_by_run()
    code = 0
    try:
        if arguments[0] == "--torch":
            arguments = arguments[1:]
            run.install()
        run.execute(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)
    except BaseException as error:  # noqa: BLE001 what it was is shown and told, and the process ends by it
        _show(error)
        code = 130 if isinstance(error, KeyboardInterrupt) else 1
        guard.fail(error, code)
    guard.leave(code)
    return code


if __name__ == "__main__":
    from minitorch.distributed.rank import main as started  # this module, and not a copy of it

    raise SystemExit(started(sys.argv[1:]))
