"""Where things are, for scripts that read the tests' rows: imported, it puts the tests' folders on the import path."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
GOLDEN = TESTS / "golden"
sys.path[:0] = [str(ROOT), *(str(folder) for folder in sorted(TESTS.iterdir()) if folder.is_dir())]
