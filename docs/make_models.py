"""Write the table of docs/models.md: every model, its parameters, and what one image costs.

python docs/make_models.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "models.md"
sys.path.insert(0, str(ROOT))

import minitorch  # noqa: E402 - from this checkout
from minitorch.vision import models  # noqa: E402

SMALL = (*(f"resnet{depth}" for depth in (20, 32, 44, 56, 110)), "airbench94")  # for images of 32 x 32


def row(name: str) -> str:
    """One line of the table."""
    size = 32 if name in SMALL else 224
    found = minitorch.summary(models.get_model(name), (1, 3, size, size))
    work = f"{found.multiply_adds / 1e6:,.1f} M"
    return f"| `{name}` | {found.parameters:,} | {work} | {size} x {size} |"


def main() -> None:
    """Replace what stands between the marks."""
    lines = [
        "| model | parameters | multiply-adds | of an image |",
        "|---|---|---|---|",
        *map(row, models.list_models()),
    ]
    table = "\n".join(["<!-- models:start -->", *lines, "<!-- models:end -->"])
    PAGE.write_text(re.sub(r"<!-- models:start -->.*<!-- models:end -->", table, PAGE.read_text(), flags=re.DOTALL))


if __name__ == "__main__":
    main()
