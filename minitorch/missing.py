"""What is said of PyTorch's names that are not here: why not, and what to use instead; see docs/coverage.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

INSIDE = "it belongs to PyTorch's inside"
# What is out of range here, by patterns that a name has to hold; the first that fits is said.
REASONS: dict[str, str] = {
    r"sparse|coalesce|(col|row)_indices|^(hs|s|ds)mm$|^hspmm|^sspaddmm|^spmm|^saddmm|^(indices|values)(_copy)?$"
    r"|^dense_dim|^to_dense|^SparseAdam$": (
        "there are no sparse tensors: use dense ones, and gather, scatter_add or index_select for rows"
    ),
    r"quant|^q(int|scheme|_)|^QU?Int|^int_repr|^per_(tensor|channel)|^fake_|^fbgemm|choose_qparams|^qat$|^observ|^ao$"
    r"|^intrinsic": "there is no quantization: the floats are float16, float32 and float64",
    r"^float[48]_|^bits\d|^u?int[1-7]$": "there is no such dtype: NumPy has no storage for it; use float16 or float32",
    r"^uint(16|32|64)$": "the integers are uint8, int8, int16, int32 and int64: use the next wider one",
    r"[Cc]omplex|^c(float|double|half)$|^(angle|imag|polar|isreal)$|^view_as_real|^i?stft$|^fft$|^eig$|^eigvals$": (
        "there are no complex tensors: use two real ones"
    ),
    r"cuda|cudnn|CUDA|miopen|^(Stream|Event|StreamObjType|DeviceObjType|AcceleratorError|get_device_module)$"
    r"|^(is_)?(ipu|xla|hpu|mtia|maia|vulkan|mps|xpu)$|_(ipu|xla|gpu)_|vulkan|^record_stream": (
        "minitorch runs on the CPU: there are no GPUs"
    ),
    r"[Dd]istributed|multiprocessing|^RRef|^rpc$": (
        "several processes are ranks of `minitorch.distributed`: docs/distributed.md"
    ),
    r"jit|[Ss]cript|^fx$|^export$|^(parse|import)_(ir|schema|type)|^Compil|Type$|^Graph|^Block$|^Node$"
    r"|^Code$|^FileCheck$|^package$|^library$|^classes$|^ops$|^fork$|^wait$|[Ff]uture|^sym_|^Sym|^cond$|^while_loop$"
    r"|^Concrete|^merge_type|^unify_type|^JITExc|^Tracing|^FunctionSchema": (
        "there is no graph to compile or export: `minitorch.compile` records a step's kernel calls"
    ),
    r"[Dd]atapipe|DataPipe|^DataChunk|runtime_validation|argument_validation|^non_deterministic|^guaranteed_": (
        "PyTorch gave it up: write a Dataset or an IterableDataset"
    ),
    r"mkldnn|onednn|^native_|^batch_norm_|^cpp$|[Ss]torage|^set_$|^const_data_ptr|^hash_tensor|Dispatch|^AliasDb"
    r"|Argument|^Capsule|^CallStack|Benchmark|Logger|^PyTorchFile|^PRIVATE|^USE_|^slice_inverse|^resize$"
    r"|^resize_as$|^output_nr$|^grad_dtype$|^module_load$|_torch_function|^Disable|^(AVG|SUM|Tag|Use|Value)$"
    r"|^Kineto|^kineto|^Profiler|^ExecutionPlan|^ErrorReport|^OperatorInfo|^StaticModule|^DeepCopyMemo|^Deserialization"
    r"|^FatalError|^BufferDict|^factory_kwargs|^init_num_threads|^classproperty|^boolean_dispatch|^assert_int_or"
    r"|^get_file_path|^prepare_|^thread_safe|^windows$|^cudnn_|^types$|^overrides$|^monitor$|^torch_version$|^debug_unwrap"
    r"|^SavedTensor|^NestedIO|^enforce_grad|multithreading_enabled|^is_view_replay|^functionalize|^Gradient$|^ModuleDict$"
    r"|^ParameterDict$|^common_types|^inf$|^has_(lapack|mkl|openmp|spectral)|^compiled_with|^legacy_contiguous": INSIDE,
    r"^nested$|^jagged$|^to_padded_tensor": "there are no nested tensors: pad, or pack sequences",
    r"autocast": "nothing is cast on its own: `amp.autocast` is a block that changes nothing",
    r"^(lstsq|matrix_rank|solve)$": "use the function of `minitorch.linalg`",
    r"^symeig$": "use `minitorch.linalg.eigh` for it",
    r"^(frobenius|nuclear)_norm$": "use `minitorch.linalg.matrix_norm` for it",
    r"^ldl_": "use `minitorch.linalg.lu_factor` and `lu_solve` for it",
    r"prune|^AdaptiveLogSoftmax|^[Ll]inear_?[Cc]ross|grouped_mm|scaled_mm|^CrossMapLRN|^NLLLoss2d|^Container$"
    r"|^(fbgemm|from_file|hub)$": "it is out of range here",
}
INSTEAD = {
    "name": "tensors have no names",
    "storage": "`untyped_storage().data_ptr()` says whether two tensors share memory",
    "volatile": "use `no_grad()`",
    "reinforce": "write the loss of the policy gradient",
    "profiler": "use Python's cProfile; `show_config` says what computes",
    "is_storage": "there are no storages, only tensors",
    "set_": "assign to `.data`",
    "assert_allclose": "use `assert_close`",
    "hub": "nothing is downloaded but data sets; `load` reads PyTorch's files",
    "model_zoo": "nothing is downloaded but data sets; `load` reads PyTorch's files",
    "_six": "use math.inf and collections.abc, which it stood for",
} | {
    old: f"PyTorch calls it {old}_ today"
    for old in (
        "constant",
        "dirac",
        "eye",
        "kaiming_normal",
        "kaiming_uniform",
        "normal",
        "orthogonal",
        "uniform",
        "xavier_normal",
        "xavier_uniform",
        "clip_grad_norm",
    )
}


def reason(name: str) -> str:
    """Why a name of PyTorch's is not here, or what to use instead; an empty text if nothing is known."""
    if name in INSTEAD:
        return INSTEAD[name]
    return next((text for pattern, text in REASONS.items() if re.search(pattern, name)), "")


def answer(name: str, said: str, otherwise: str = "docs/coverage.md lists what of PyTorch is here") -> str:
    """The message of an AttributeError: `said`, which names it as Python does, and why or what to do."""
    return f"{said}: {reason(name) or otherwise}"


def guide(module: str, *otherwise: str) -> Callable[[str], NoReturn]:
    """The `__getattr__` of a module: what is not there is explained, in the AttributeError."""

    def __getattr__(name: str) -> NoReturn:
        said = f"module {module!r} has no attribute {name!r}"
        raise AttributeError(said if name.startswith("_") else answer(name, said, *otherwise), name=name)

    return __getattr__
