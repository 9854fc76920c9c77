"""What this process runs on."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from minitorch.version import __version__

__all__ = ["show_config"]

FEATURES = ("avx512f", "avx2", "fma", "neon", "sve")


def show_config() -> None:
    """Print versions, kernels, threads, vectors, caches and memory: what a report of a fault or of a time needs."""
    from minitorch import kernels

    fast = kernels.implementation() == "numba"
    rows = {
        "versions": f"minitorch {__version__}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {_version(name)}" for name in ("numpy", "numba", "llvmlite")),
        "kernels": f"{kernels.implementation()}{'' if fast else _why()}",
        "threads": f"{kernels.get_num_threads()} of {os.cpu_count()} cores{_set('NUMBA_NUM_THREADS')}",
    }
    rows |= _machine() if fast else {}
    rows |= {
        "convolution": f"algorithm {_algorithm()}",
        "memory": _memory(),
        "environment": ", ".join(f"{name}={os.environ.get(name, '(not set)')}"
                                 for name in ("GOMP_SPINCOUNT", "OPENBLAS_CORETYPE", "OMP_NUM_THREADS")),
    }  # fmt: skip
    print("\n".join(f"{name:<12} {value}" for name, value in rows.items()))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def _set(variable: str) -> str:
    return f" ({variable}={os.environ[variable]})" if variable in os.environ else ""


def _why() -> str:
    """The reason why numba does not serve."""
    for variable in ("MINITORCH_KERNELS", "NUMBA_DISABLE_JIT"):
        if variable in os.environ:
            return f", because {variable}={os.environ[variable]}"
    return ", because numba is not installed"


def _machine() -> dict[str, str]:
    """Rows about code that is compiled."""
    import llvmlite.binding
    import numba

    from minitorch import kernels
    from minitorch.kernels.tile import WIDTH

    try:
        layer = f"{numba.threading_layer()} (running)"
    except ValueError:  # nothing ran in parallel so far
        layer = "omp, else tbb, else workqueue; none started so far"
    found = llvmlite.binding.get_host_cpu_features()
    features = " ".join(name for name in FEATURES if found.get(name)) or "none of " + " ".join(FEATURES)
    folder = kernels.cache_directory()
    count = sum(1 for path in folder.iterdir() if path.name != "lock" and path.suffix != ".part") if folder else 0
    return {
        "layer": layer,
        "processor": f"{llvmlite.binding.get_host_cpu_name()}: {features}",
        "vectors": f"{WIDTH} float32 lanes{_set('MINITORCH_VECTOR_WIDTH') or ' (detected)'}",
        "cache": f"{folder} with {count} kernels" if folder else "unusable, kernels are compiled in memory",
    }


def _algorithm() -> str:
    """`minitorch.backends.conv.algorithm`, where that exists."""
    conv = getattr(sys.modules.get("minitorch.backends"), "conv", None)
    return str(getattr(conv, "algorithm", "direct"))


def _memory() -> str:
    """The state of both pools, in MB."""
    from minitorch.kernels import memory, runtime

    pool, scratch = memory._pool, sum(b.nbytes for kept in runtime._buffers.values() for b in kept)
    return ", ".join(f"{size / 1e6:.1f} MB {what}" for what, size in (
        ("lent", pool.lent), ("kept", pool.kept), ("lent at the peak", pool.peak), ("scratch", scratch)))  # fmt: skip
