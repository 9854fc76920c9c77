"""Write golden/pool.npz: PyTorch's numbers for the rows of test_pool_family.py. Run by hand after changing a row."""

import numpy as np
import places  # noqa: F401 - where the tests are
import torch
from test_nn import numbers
from test_pool_family import GOLDEN, ROWS

if __name__ == "__main__":
    stored = {}
    for row in ROWS:
        for name, value in numbers(torch, lambda v: torch.tensor(v), row).items():
            stored[f"{row} | {name}"] = value
    np.savez_compressed(GOLDEN, **stored)
    print(f"torch {torch.__version__}: {len(ROWS)} rows, {GOLDEN.stat().st_size:,} bytes")
