"""The version, where the build can read it without importing the package."""

__version__ = "0.1.0"
cuda = hip = None  # what PyTorch was built for, which is no GPU
