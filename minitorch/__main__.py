"""`python -m minitorch`: which version this is, what it runs on, and where to go from here."""

from minitorch.config import show_config
from minitorch.version import __version__

TEXT = f"""\
minitorch {__version__}: PyTorch's names for tensors, gradients, layers and training, on numpy and numba.

  python -m minitorch.run script.py ...   run a script that was written for PyTorch
  python -m minitorch.warmup              compile all kernels now, once for this machine

  docs/coverage.md     what of PyTorch is here       docs/files.md         which files are read and written
  docs/layers.md       layers, with pictures         docs/design.md        how it works inside
  docs/performance.md  times beside PyTorch          examples/             trainings to start from
"""

if __name__ == "__main__":
    print(TEXT)
    show_config()
