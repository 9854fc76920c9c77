"""Write golden/conv.npz: PyTorch's numbers for the rows of test_conv_family.py. Run by hand after changing a row."""

import warnings

import numpy as np
import places  # noqa: F401 - where the tests are
import torch
from test_conv_family import GOLDEN, ROWS, exact, row_key
from test_nn import numbers

if __name__ == "__main__":
    stored = {}
    warnings.simplefilter("ignore")
    for index, (expression, inputs, *other) in enumerate(ROWS):
        spoken = (other[0] if other else expression, exact(inputs))
        for name, value in numbers(torch, torch.tensor, spoken).items():
            stored[f"{row_key(index)} | {name}"] = value
    np.savez_compressed(GOLDEN, **stored)
    print(f"torch {torch.__version__}: {len(ROWS)} rows, {GOLDEN.stat().st_size:,} bytes")
