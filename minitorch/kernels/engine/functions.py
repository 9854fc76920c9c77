"""Functions written in LLVM's own terms alone: compiled without numba, kept in the same cache, called by address.

Most of what numba takes for a kernel goes into its Python: typing, loops over arrays, the way in from the interpreter.
Pointwise formulas and reductions need that once for all of them (pointwise.py, reduce.py; words/outline.py is the way
from a kernel into such a function). By itself a formula compiles in 20 to 60 ms, where a kernel of its own took 220 to
540; from disk it is loaded in 2 ms, not 14 (2 cores Zen 3 and Xeon, 2026-11).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import cache, partial

import llvmlite.binding as llvm
from llvmlite import ir

from minitorch.kernels.engine import runtime
from minitorch.kernels.engine.apart import apart

_addresses: dict[str, int] = {}


def address_of(name: str, emit: Callable[[ir.Module], None]) -> int:
    """Where the machine code of the function `name` begins, which `emit` writes into an empty module.

    The name must be another for any other code: it is the function's in the cache on disk, too.
    """
    return _addresses.get(name) or apart(partial(_prepare, name, emit))


def _prepare(name: str, emit: Callable[[ir.Module], None]) -> int:
    if name not in _addresses:
        machine, engine = _compiler()
        with runtime.preparing(name):
            code = runtime.kept(name, pickle.loads)
            if code is None:
                code = _compiled(machine, name, emit)
                runtime.keep(name, partial(pickle.dumps, code))
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        _addresses[name] = engine.get_function_address(name)
        for listener in runtime.listeners:
            listener(name)
    return _addresses[name]


@cache
def _compiler() -> tuple[llvm.TargetMachine, llvm.ExecutionEngine]:
    """What makes machine code for this processor, and what it runs in."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    settings = {"cpu": llvm.get_host_cpu_name(), "features": llvm.get_host_cpu_features().flatten(), "opt": 2,
                "reloc": "static" if target.name.startswith("x86") else "default", "codemodel": "jitdefault"}
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target.create_target_machine(**settings))
    return target.create_target_machine(**settings), engine  # which has taken the other over


def _compiled(machine: llvm.TargetMachine, name: str, emit: Callable[[ir.Module], None]) -> bytes:
    """Machine code."""
    module = ir.Module(name)
    emit(module)
    read = llvm.parse_assembly(str(module))
    read.verify()
    _tidy(read, machine)
    return machine.emit_object(read)


def _tidy(module: llvm.ModuleRef, machine: llvm.TargetMachine) -> None:
    """Simplify a module, in place. Vectors in straight lines need a third of what kernels do (compiler.py)."""
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_new_gvn_pass()
    passes.add_simplify_cfg_pass()
    passes.add_loop_rotate_pass()
    passes.add_instruction_combine_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
