"""What this process runs on."""

from __future__ import annotations

import os
import platform
from importlib.util import find_spec

from minitorch import kernels
from minitorch.kernels.engine.machine import machine, pools, setting
from minitorch.kernels.tile import algorithm
from minitorch.version import __version__

__all__ = ["show_config"]


def show_config() -> None:
    """Print versions, kernels, threads, vectors, caches and memory: what a report of a fault or of a time needs."""
    fast = kernels.implementation() == "numba"
    rows = {
        "versions": f"minitorch {__version__}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {_version(name)}" for name in ("numpy", "numba", "llvmlite")),
        "kernels": f"{kernels.implementation()}{'' if fast else _why()}",
        "threads": f"{kernels.get_num_threads()} of {os.cpu_count()} cores{setting('NUMBA_NUM_THREADS')}",
    }
    rows |= machine() if fast else {}
    rows |= {
        "convolution": f"algorithm {algorithm.setting}",
        "memory": pools(),
        "environment": ", ".join(
            f"{name}={os.environ.get(name, '(not set)')}"
            for name in ("GOMP_SPINCOUNT", "OPENBLAS_CORETYPE", "OMP_NUM_THREADS")
        ),
    }
    print("\n".join(f"{name:<12} {value}" for name, value in rows.items()))


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # 27 ms, which an import should not cost

    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def _why() -> str:
    """The reason why numba does not serve."""
    for variable in ("MINITORCH_KERNELS", "NUMBA_DISABLE_JIT"):
        if variable in os.environ:
            return f", because {variable}={os.environ[variable]}"
    return f", because numba {'cannot be imported' if find_spec('numba') else 'is not installed'}"
