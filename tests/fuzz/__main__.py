"""`python -m tests.fuzz [KIND ...] [--minutes n] [--seed s]`; with one KIND and `--case n`, that case alone."""

from __future__ import annotations

import argparse
import os
import sys

from tests.fuzz.cases import KINDS
from tests.fuzz.driver import fuzz, repeat


def main(arguments: list[str] | None = None) -> int:
    """Run; 1 if a case failed."""
    kinds = "\n".join(f"  {kind.name:11} {kind.doc}" for kind in KINDS.values())
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", formatter_class=argparse.RawDescriptionHelpFormatter, epilog=f"kinds:\n{kinds}"
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="all, if none is named")
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, metavar="N", help="run the N-th case of one kind")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    unknown = [kind for kind in options.kinds if kind not in KINDS]
    if unknown:
        parser.error(f"no such kind: {', '.join(unknown)}; there are {', '.join(KINDS)}")
    if options.case is not None:
        if len(options.kinds) != 1:
            parser.error("--case needs one kind")
        return min(1, repeat(options.seed, options.kinds[0], options.case))
    return min(1, fuzz(options.seed, options.minutes, options.kinds or list(KINDS), options.processes))


if __name__ == "__main__":
    sys.exit(main())
