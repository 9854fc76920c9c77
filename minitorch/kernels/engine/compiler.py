"""How numba 0.68 compiles a kernel: its own steps, without those that kernels do not need; see `runtime.jit`.

A net's first step compiles two dozen kernels, so this is what a user waits for. A kernel allocates no arrays, holds no
closures or array expressions, brings its vectors along and is called from Python alone. What that saves of the 26.4 s
that ResNet-20's first step took (one core of a Zen 3, numba 0.68, 2026-11):

- LLVM 12.3 s. numba lets it simplify every function, the module cheaply, then the module at full level: here one run
  does, at level 2 and without the vectoriser for straight code. Without unrolling it would be 1 s less, but short loops
  took 1.1 to 1.25 times as long (batch norm's backward pass, pooling's), and an average over a window other bits.
- Machine code for every part, which the kernels that call it inline: a part stays LLVM code, as it was emitted.
- Typing: 3,249 times the kernels ask what an operator makes of its operands, of which there are 101 cases: 1.2 s. And
  a part had a version of its own for a call with a constant: 0.3 s for the matrix product alone.
- Steps on numba's intermediate code: closures, array expressions, `with`, generators: 1.2 s.
- Counting references to arrays, and the entry point for C.

What is kept on disk is machine code alone. With the LLVM code, too, which numba keeps for who inlines a function, two
dozen kernels were loaded in 0.44 s, without in 0.10 (under a profiler, 2 cores Zen 3, 2026-11).
"""

from __future__ import annotations

from typing import Any, ClassVar

import llvmlite.binding
from numba import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager
from numba.core.typed_passes import (
    AnnotateTypes,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
    PreLowerStripPhis,
)
from numba.core.untyped_passes import FixupArgs, GenericRewrites, IRProcessing, ReconstructSSA, TranslateByteCode

STEPS = (TranslateByteCode, FixupArgs, IRProcessing, GenericRewrites, ReconstructSSA, NopythonTypeInference,
         PreLowerStripPhis, AnnotateTypes, NativeLowering, NoPythonBackend)


def _optimize(module: llvmlite.binding.ModuleRef, machine: llvmlite.binding.TargetMachine) -> None:
    """Simplify a module, in place: at level 2, without the vectoriser for straight code."""
    options = llvmlite.binding.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization, options.slp_vectorization = True, False
    passes = llvmlite.binding.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)


class _Library(JITCodeLibrary):
    """The LLVM code of a kernel, optimised once, when all its parts are there."""

    def _optimize_functions(self, module: Any) -> None:
        module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        _optimize(self._final_module, self._codegen._tm)

    def serialize_using_object_code(self) -> tuple[str, str, tuple[bytes, bytes]]:
        """Machine code; in place of the LLVM code, which would be read for nothing, the names that it defines."""
        self._ensure_finalized()
        module = self._final_module
        names = [f'define void @"{f.name}"() {{ unreachable }}' for f in module.functions if not f.is_declaration]
        names += [f'@"{v.name}" = global i8 0' for v in module.global_variables if not v.is_declaration]
        defined = llvmlite.binding.parse_assembly("\n".join(names))
        return self.name, "object", (self._get_compiled_object(), defined.as_bitcode())


class _Part(_Library):
    """The LLVM code of a part, which is linked into kernels and has no machine code of its own."""

    @property
    def codegen(self) -> Any:
        return self

    def set_env(self, name: str, env: Any) -> None:
        """Where numba would tell machine code where its constants are."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def _optimize_final_module(self) -> None:
        pass


class _Typing:
    """numba's typing, which remembers operators and compiles one version of a part for numbers and constants."""

    known: ClassVar[dict[Any, Any]] = {}

    def __init__(self, context: Any) -> None:
        self.context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self.context, name)

    def resolve_function_type(self, function: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if isinstance(function, types.Dispatcher):
            arguments = tuple(map(types.unliteral, arguments))
        if getattr(getattr(function, "typing_key", None), "__module__", None) not in ("_operator", "builtins"):
            return self.context.resolve_function_type(function, arguments, named)
        if (key := (function, arguments)) not in self.known:
            self.known[key] = self.context.resolve_function_type(function, arguments, named)
        return self.known[key]


class Compiler(CompilerBase):
    """numba's compiler with these steps and libraries."""

    library: type[JITCodeLibrary] = _Library

    def define_pipelines(self) -> list[PassManager]:
        state: Any = self.state
        state.typingctx = _Typing(state.typingctx)
        state.library = self.library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        steps = PassManager("kernel")
        for step in STEPS:
            steps.add_pass(step, step.__name__)
        steps.finalize()
        return [steps]


class _PartCompiler(Compiler):
    library = _Part


# What `jit` adds to numba's `njit` for a function that Python calls, and for one that only kernels call.
ENTRY = {"_nrt": False, "no_cfunc_wrapper": True, "pipeline_class": Compiler}
PART = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "pipeline_class": _PartCompiler}
