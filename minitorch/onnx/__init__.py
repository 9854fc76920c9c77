"""Models that leave for other runtimes, and models that come in: ONNX files. See docs/onnx.md.

The package onnx (the extra minitorch-numba[onnx]) is imported by the first call, not before.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from .errors import ExportError, LoadError

if TYPE_CHECKING:
    from .loading import OnnxModule

__all__ = ["ExportError", "LoadError", "export", "load"]


def export(
    model: Any,
    args: Any,
    f: str | os.PathLike | IO[bytes],
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_axes: Mapping[str, Any] | None = None,
    opset_version: int = 17,
    *,
    kwargs: Mapping[str, Any] | None = None,
    export_params: bool = True,
    verbose: bool = False,
) -> None:
    """Write what `model` computes of `args`, in evaluation mode, to an ONNX file.

    model: a Module, or a function of tensors. args: a tensor, or a tuple of the model's arguments; tensors among them
    are the inputs of the graph, also inside tuples, lists and dicts, other values are as good as written into it.
    f: a path, whose file is whole or not there, or a binary file open for writing. input_names, output_names: of the
    inputs and outputs in order. dynamic_axes: {name: {axis: "batch"}} or {name: [axes]}, sizes of inputs that are to
    stay open; axes of one name have one size. opset_version: 13 to 21, of the standard operators. export_params=False
    writes no values of parameters. Parameters and buffers have the names of `state_dict`.

    The model runs a few times, with the given tensors and with others, and its modes, buffers and random numbers are
    what they were afterwards. Raises ExportError, a RuntimeError, which names operator and layer, for what ONNX cannot
    say and for models whose steps depend on values; ValueError and TypeError for wrong arguments; ImportError where
    the package onnx is missing.
    """
    from .exporting import export_to

    export_to(
        model,
        args,
        f,
        dict(kwargs or {}),
        input_names,
        output_names,
        dynamic_axes,
        opset_version,
        export_params,
        verbose,
    )


def load(f: str | os.PathLike | IO[bytes]) -> OnnxModule:
    """The model in an ONNX file, as a Module that runs, trains and can be saved and exported.

    Its arguments are the inputs of the graph in order, or by name; it returns a tensor, or a tuple where there are
    several outputs. Floats that a layer learns are parameters, all other initializers buffers, under their names.

    Raises LoadError, a RuntimeError, for a file that is damaged or asks for what it must not (data outside its folder,
    sizes beyond its own, cycles), NotImplementedError, which names the node and its opset, for operators that are not
    here, ImportError where the package onnx is missing. Nothing runs before all of the file is checked.
    """
    from .loading import load_from

    return load_from(f)
