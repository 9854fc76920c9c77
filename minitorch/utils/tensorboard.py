"""What a training run writes for TensorBoard: curves, images, histograms, the graph of a net.

`tensorboard --logdir runs` shows what SummaryWriters wrote below runs/. The files are tensorboardX's; PyTorch's names,
arguments and conversions of tensors are ours, and so is the graph, which is read from the tape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from ..autograd import enable_grad
from ..autograd.tape import _below
from ..creation import zeros
from ..tensor import Tensor

__all__ = ["SummaryWriter"]

ABSENT = {
    "add_video": "it would need an encoder of films; use add_images, with one image per frame",
    "add_audio": "it would need an encoder of sounds; write a .wav with Python's `wave`",
    "add_tensor": "tensorboardX has no event for it; use add_histogram, add_text or minitorch.save",
    "add_onnx_graph": "add_graph reads the tape, and minitorch.onnx.export writes ONNX files",
}


def plain(value: Any) -> Any:
    """`value` with the arrays of its tensors in place of them, off the tape; inside lists, tuples and dicts, too."""
    if isinstance(value, Tensor):
        return value.detach().numpy()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(plain(item) for item in value)
    return value


def pixels(images: Any) -> np.ndarray:
    """Images as tensorboardX wants them: uint8 as they are, all others as fractions, cut off at 0 and 1."""
    images = np.asarray(plain(images))
    if images.dtype == np.uint8:
        return images
    return np.clip(np.nan_to_num(images.astype(np.float32), posinf=1, neginf=0), 0, 1)


class SummaryWriter:
    """Writes event files to `log_dir`, by default runs/<time>_<machine><comment>; a thread does the writing.

    Events wait until there are `max_queue` of them, or for `flush_secs` seconds. With `purge_step`, TensorBoard hides
    what an earlier run wrote to the folder from this step on. Use it in a with block, or call `close()`.

    Every `add_*` takes Tensors, arrays or numbers. Tensors may require gradients.

    Raises:
        ImportError: tensorboardX is not installed; the message says how to get it.
    """

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        try:
            import tensorboardX
        except ImportError as error:
            raise ImportError(
                "SummaryWriter writes through tensorboardX: pip install tensorboardX tensorboard "
                "(the extra minitorch-numba[tensorboard] brings both)"
            ) from error
        self._writer = tensorboardX.SummaryWriter(
            None if log_dir is None else str(log_dir),
            comment,
            purge_step=purge_step,
            max_queue=max_queue,
            flush_secs=flush_secs,
            filename_suffix=filename_suffix,
        )
        self.log_dir = self.get_logdir()

    def get_logdir(self) -> str:
        """The folder that the event files are in."""
        return str(self._writer.logdir)

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """A point of the curve `tag`, kept as float32.

        TensorBoard shows the same with `new_style` and `double_precision`, which change PyTorch's encoding only.
        """
        self._writer.add_scalar(tag, plain(scalar_value), global_step, walltime)

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: dict[str, Any], global_step: int | None = None, walltime: Any = None
    ) -> None:
        """A point for each of several curves in one plot. Each curve has a folder of its own below `log_dir`."""
        self._writer.add_scalars(main_tag, plain(tag_scalar_dict), global_step, walltime)

    def add_image(
        self, tag: str, img_tensor: Any, global_step: int | None = None, walltime: Any = None, dataformats: str = "CHW"
    ) -> None:
        """An image: uint8 in [0, 255], anything else in [0, 1] (what lies outside is cut off)."""
        _needs("add_image", "PIL", "pillow")
        self._writer.add_image(tag, pixels(img_tensor), global_step, walltime, dataformats)

    def add_images(
        self, tag: str, img_tensor: Any, global_step: int | None = None, walltime: Any = None, dataformats: str = "NCHW"
    ) -> None:
        """A batch of images as one picture, eight in a row. A list of images has the `dataformats` of one."""
        _needs("add_images", "PIL", "pillow")
        if isinstance(img_tensor, (list, tuple)):
            img_tensor = np.stack([np.asarray(plain(image)) for image in img_tensor])
            dataformats = dataformats if len(dataformats) == 4 else "N" + dataformats
        self._writer.add_image(tag, pixels(img_tensor), global_step, walltime, dataformats)

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: int | None = None,
        walltime: Any = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: Sequence[str] | None = None,
    ) -> None:
        """An image with red frames: rows (left, top, right, bottom) of `box_tensor`, each with a label or none."""
        _needs("add_image_with_boxes", "PIL", "pillow")
        names = None if labels is None else [labels] if isinstance(labels, str) else list(labels)
        self._writer.add_image_with_boxes(
            tag, pixels(img_tensor), plain(box_tensor), global_step, walltime, dataformats, names, rescale=rescale
        )

    def add_figure(
        self, tag: str, figure: Any, global_step: int | None = None, close: bool = True, walltime: Any = None
    ) -> None:
        """A matplotlib figure, or a list of them, as a picture; `close` closes it."""
        _needs("add_figure", "matplotlib", "matplotlib")
        _needs("add_figure", "PIL", "pillow")
        self._writer.add_figure(tag, figure, global_step, close, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: Any = "tensorflow",
        walltime: Any = None,
        max_bins: int | None = None,
    ) -> None:
        """How values are distributed. `bins`: "tensorflow", one of NumPy's ("auto", "fd", ...), or edges."""
        array = np.asarray(plain(values))
        self._writer.add_histogram(
            tag, array.astype(np.int8) if array.dtype == bool else array, global_step, bins, walltime, max_bins
        )

    def add_histogram_raw(
        self,
        tag: str,
        min: Any,
        max: Any,
        num: Any,
        sum: Any,
        sum_squares: Any,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: int | None = None,
        walltime: Any = None,
    ) -> None:
        """A histogram of which everything is known already: the count in each bucket and its upper end."""
        numbers = (float(value) for value in plain([min, max, num, sum, sum_squares]))
        limits, counts = (np.asarray(plain(value)).tolist() for value in (bucket_limits, bucket_counts))
        self._writer.add_histogram_raw(tag, *numbers, limits, counts, global_step, walltime)

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """A text, which TensorBoard shows as Markdown."""
        self._writer.add_text(tag, text_string, global_step, walltime)

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: Any = None,
    ) -> None:
        """Precision over recall of `predictions` in [0, 1] for `labels` of 0 and 1."""
        arrays = (np.asarray(plain(value)) for value in (labels, predictions))
        self._writer.add_pr_curve(tag, *arrays, global_step, num_thresholds, plain(weights), walltime)

    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: Any = None,
    ) -> None:
        """The same from counts, of which there is one for each threshold."""
        rows = (true_positive_counts, false_positive_counts, true_negative_counts, false_negative_counts)
        arrays = (np.asarray(plain(value)) for value in (*rows, precision, recall))
        self._writer.add_pr_curve_raw(tag, *arrays, global_step, num_thresholds, plain(weights), walltime)

    def add_embedding(
        self,
        mat: Any,
        metadata: Sequence | None = None,
        label_img: Any = None,
        global_step: int | None = None,
        tag: str = "default",
        metadata_header: Sequence[str] | None = None,
    ) -> None:
        """Points (N, D) for the projector, each with a label from `metadata` and a square image, if given."""
        images = None if label_img is None else pixels(label_img)
        self._writer.add_embedding(plain(mat), plain(metadata), images, global_step, tag, metadata_header)

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: dict | None = None,
        global_step: int | None = None,
        walltime: Any = None,
    ) -> None:
        """Bodies in space: corners (N, V, 3), their colours (N, V, 3) in uint8, triangles (N, F, 3) of corners."""
        self._writer.add_mesh(tag, *plain([vertices, colors, faces]), config_dict, global_step, walltime)

    def add_custom_scalars(self, layout: dict[str, dict[str, list]]) -> None:
        """How curves are grouped: {category: {title: ["Multiline" or "Margin", [tags]]}}."""
        self._writer.add_custom_scalars(layout)

    def add_custom_scalars_multilinechart(
        self, tags: list[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Several curves in one plot."""
        self._writer.add_custom_scalars_multilinechart(tags, category, title)

    def add_custom_scalars_marginchart(
        self, tags: list[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """A curve between two others, which bound a band: tags of the curve, the lower and the upper bound."""
        self._writer.add_custom_scalars_marginchart(tags, category, title)

    def add_hparams(
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        hparam_domain_discrete: dict[str, list] | None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """Settings of a run and what came of them, as a run of its own: a folder `run_name` below `log_dir`.

        `hparam_domain_discrete` is checked and not written: TensorBoard offers the values that it finds in the runs.

        Raises:
            TypeError: one of them is no dict.
            ValueError: a setting is no number, bool, text, one-element tensor or None.
        """
        if type(hparam_dict) is not dict or type(metric_dict) is not dict:
            raise TypeError("hparam_dict and metric_dict should be dictionary.")
        if hparam_domain_discrete is not None and not (
            isinstance(hparam_domain_discrete, dict)
            and all(isinstance(values, list) and key in hparam_dict for key, values in hparam_domain_discrete.items())
        ):
            raise TypeError("hparam_domain_discrete should be a dictionary of lists, with keys of hparam_dict")
        settings = {}
        for name, value in hparam_dict.items():
            value = plain(value)
            settings[name] = value.item() if isinstance(value, (np.ndarray, np.generic)) else value
            if not (settings[name] is None or isinstance(settings[name], (bool, int, float, str))):
                raise ValueError(
                    f"value should be one of int, float, str, bool, or Tensor, but `{name}` is {type(value).__name__}"
                )
        self._writer.add_hparams(settings, plain(metric_dict), run_name, global_step)

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        """The ops of model(input_to_model), grouped by module, as the tape recorded them; `verbose` prints them, too.

        Several inputs come as a tuple. The model runs once; its buffers (as those of batch norm) stay what they were.

        Raises:
            TypeError: `input_to_model` is missing.
            RuntimeError: the output depends on no parameter and no floating input, so that nothing was recorded.
        """
        from tensorboardX.proto.event_pb2 import Event

        if input_to_model is None:
            raise TypeError(
                "add_graph: `input_to_model` is needed: a tensor or a tuple of what the model is called with"
            )
        nodes = list(trace(model, input_to_model))
        if verbose:
            for name, op, sources, shape in nodes:
                print(f"{name}: {op} {shape} <- {', '.join(sources) or 'nothing'}")
        self._writer._get_file_writer().add_event(Event(graph_def=graph_def(nodes).SerializeToString()))

    def flush(self) -> None:
        """Write what waits."""
        self._writer.flush()

    def close(self) -> None:
        """Write what waits and close the files; what is added later goes to a new one."""
        self._writer.close()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> NoReturn:
        said = f"{type(self).__name__!r} object has no attribute {name!r}"
        raise AttributeError(f"{said}: {ABSENT[name]}" if name in ABSENT else said, name=name, obj=self)


def _needs(method: str, module: str, package: str) -> None:
    try:
        __import__(module)
    except ImportError as error:
        raise ImportError(f"SummaryWriter.{method} needs {package}: pip install {package}") from error


# ------------------------------------------------------------------------------------------------ the graph of a net
Row = tuple[str, str, list[str], tuple[int, ...]]  # name, op, names of the sources, shape


def trace(model: Any, inputs: Any) -> Iterator[Row]:
    """The nodes of model(*inputs), sources first: inputs, parameters and other leaves, ops, outputs.

    An op is named by the module that was running when the tape numbered it: the innermost whose first and last number
    enclose its own.
    """
    inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    inputs = tuple(_fresh(value) for value in inputs)
    root = type(model).__name__
    paths = {id(module): "/".join([root, *filter(None, name.split("."))]) for name, module in model.named_modules()}
    names = {id(value): f"input/{index}" for index, value in enumerate(inputs)}
    names |= {id(value): f"{root}/{name.replace('.', '/')}" for name, value in model.named_parameters()}
    probe = zeros((), requires_grad=True)
    spans: list[tuple[int, int, str]] = []
    started: list[int] = []

    def now() -> int:
        return (probe + 0).grad_fn.sequence

    def before(module: Any, inputs: Any) -> None:
        started.append(now())

    def after(module: Any, inputs: Any, output: Any) -> None:
        spans.append((started.pop(), now(), paths[id(module)]))

    handles = [module.register_forward_pre_hook(before) for module in model.modules()]
    handles += [module.register_forward_hook(after) for module in model.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        with enable_grad():
            outputs = list(_tensors(model(*inputs)))
    finally:
        for handle in handles:
            handle.remove()
        for buffer, old in buffers:
            buffer.detach().copy_(old)
    below = _below([output.grad_fn for output in outputs])  # oldest first
    ops = [node for node in below if node.whole[0] is node]  # a Function's outputs count as one
    if not ops:
        raise RuntimeError(
            "add_graph: the tape recorded nothing: the output depends on no parameter and on no floating input"
        )
    spans.sort(reverse=True)  # the innermost of those around a number began last

    written: set[int] = set()
    for node in ops:
        place = next((path for start, end, path in spans if start < node.sequence < end), root)
        parents = [parent for parent, _ in node.next_functions if parent is not None]
        for leaf in parents:
            if isinstance(leaf, Tensor) and id(leaf) not in written:
                written.add(id(leaf))
                name = names.setdefault(id(leaf), f"{place}/leaf_{len(names)}")
                yield name, "Input" if name.startswith("input/") else "Parameter", [], tuple(leaf.shape)
        names[id(node)] = f"{place}/{node.name()}_{len(names)}"
        yield names[id(node)], node.name(), [names[id(parent)] for parent in parents], tuple(node.shape)
    for index, output in enumerate(outputs):
        if output.grad_fn is not None:
            yield f"output/{index}", "Output", [names[id(output.grad_fn)]], tuple(output.shape)


def _fresh(value: Any) -> Any:
    """A tensor off the tape, as a leaf that asks for a gradient where it can: what touches it is recorded."""
    if not isinstance(value, Tensor):
        return value
    value = value.detach().clone()
    return value.requires_grad_() if value.is_floating_point() else value


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)


def graph_def(nodes: list[Row]) -> Any:
    """The protocol buffer of a graph."""
    from tensorboardX.proto.attr_value_pb2 import AttrValue
    from tensorboardX.proto.graph_pb2 import GraphDef
    from tensorboardX.proto.node_def_pb2 import NodeDef
    from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboardX.proto.versions_pb2 import VersionDef

    def definition(name: str, op: str, sources: list[str], shape: tuple[int, ...]) -> Any:
        sizes = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])
        shapes = AttrValue(list=AttrValue.ListValue(shape=[sizes]))
        return NodeDef(name=name, op=op, input=sources, attr={"_output_shapes": shapes})

    return GraphDef(node=[definition(*row) for row in nodes], versions=VersionDef(producer=22))
