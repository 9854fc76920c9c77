"""Write golden/nn.npz: PyTorch's numbers for the rows of test_nn.py. Run by hand after changing a row."""

import numpy as np
import places  # noqa: F401 - where the tests are
import torch
from test_nn import GOLDEN, ROWS, numbers, row_key

if __name__ == "__main__":
    stored = {}
    for index, row in enumerate(ROWS):
        for name, value in numbers(torch, lambda v: torch.tensor(v), row).items():
            stored[f"{row_key(index)} | {name}"] = value
    GOLDEN.parent.mkdir(exist_ok=True)
    np.savez_compressed(GOLDEN, **stored)
    print(f"torch {torch.__version__}: {len(ROWS)} rows, {GOLDEN.stat().st_size:,} bytes")
