"""Whether PyTorch's backend of this name serves: no, kernels are minitorch's own."""


def is_available() -> bool:
    """False."""
    return False
