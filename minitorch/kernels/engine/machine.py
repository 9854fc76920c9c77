"""What compiled kernels run on: rows of text for `minitorch.show_config`."""

from __future__ import annotations

import os

from minitorch.kernels.engine import memory, runtime

__all__ = ["machine", "pools", "setting"]

FEATURES = ("avx512f", "avx2", "fma", "neon", "sve")


def machine() -> dict[str, str]:
    """The threading layer, the processor, the vectors and the cache of compiled kernels. Imports numba."""
    import llvmlite.binding
    import numba

    from minitorch.kernels.words.registers import WIDTH

    try:
        layer = f"{numba.threading_layer()} (running)"
    except ValueError:  # nothing ran in parallel so far
        layer = "omp, else tbb, else workqueue; none started so far"
    found = llvmlite.binding.get_host_cpu_features()
    features = " ".join(name for name in FEATURES if found.get(name)) or "none of " + " ".join(FEATURES)
    folder = runtime.cache_directory()
    count = sum(1 for path in folder.iterdir() if path.name != "lock" and path.suffix != ".part") if folder else 0
    return {
        "layer": layer,
        "processor": f"{llvmlite.binding.get_host_cpu_name()}: {features}",
        "vectors": f"{WIDTH} float32 lanes{setting('MINITORCH_VECTOR_WIDTH') or ' (detected)'}",
        "cache": f"{folder} with {count} kernels" if folder else "unusable, kernels are compiled in memory",
    }


def pools() -> str:
    """The state of both pools, in MB."""
    pool, scratch = memory._pool, sum(b.nbytes for kept in runtime._buffers.values() for b in kept)
    return ", ".join(f"{size / 1e6:.1f} MB {what}" for what, size in (
        ("lent", pool.lent), ("kept", pool.kept), ("lent at the peak", pool.peak), ("scratch", scratch)))


def setting(variable: str) -> str:
    """An environment variable as a remark, empty if it is not set."""
    return f" ({variable}={os.environ[variable]})" if variable in os.environ else ""
