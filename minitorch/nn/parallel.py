"""Models on several devices, of which there is one, and in several processes."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd import is_grad_enabled
from ..autograd.tape import wrap
from ..random import default_generator
from .module import Module
from .norm import SyncBatchNorm, _BatchNorm, _InstanceNorm

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]


class DataParallel(Module):
    """Calls `module`, on the one device there is; parameters have "module." before their names, as with several.

    Raises RuntimeError for devices other than the CPU.
    """

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        super().__init__()
        for device in (*(device_ids or ()), output_device):
            dtypes.check_device(device)
        self.module, self.dim = module, dim
        self.device_ids: list = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module makes of the input."""
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(Module):
    """`module`, trained by all processes of `process_group`, each on its part of the batch.

    Parameters and buffers start as those of rank 0. After backward every `.grad` is the mean over all ranks: gradients
    travel in buckets while backward goes on. Each rank calls its loss's `backward` as often as the others. A parameter
    without a gradient counts as zeros; with `find_unused_parameters` one that no rank has used keeps its `.grad` as it
    is. With `broadcast_buffers` every forward begins with the buffers of rank 0. state_dict has "module." before all
    names; `.module` is what was given.

    bucket_cap_mb: the size of a bucket in MB (default: 1). micro_shards: a power of two that the number of ranks
    divides. Then the gradients are those of so many equal parts of the global batch, added up in a fixed tree, and any
    number of ranks gives the same bits; random numbers drawn in `forward` depend on the part alone. Tensors among the
    arguments are cut along their first axis, results joined, and results without axes are the mean of the parts'. The
    other arguments have no effect here.

    Raises ValueError where init_process_group was not called, for `micro_shards` that fit neither ranks nor batch, or
    batch norms that are not synchronised with them; RuntimeError for a module without parameters that require grad, and
    where the ranks have different parameters.
    """

    def __init__(
        self,
        module: Module,
        device_ids: Any = None,
        output_device: Any = None,
        dim: int = 0,
        broadcast_buffers: bool = True,
        init_sync: bool = True,
        process_group: Any = None,
        bucket_cap_mb: float | None = None,
        find_unused_parameters: bool = False,
        check_reduction: bool = False,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
        *,
        micro_shards: int | None = None,
        **settings: Any,
    ) -> None:
        from ..distributed import all_gather_object
        from ..distributed.group import resolve
        from ..distributed.reducer import Reducer, group_of_its_own

        super().__init__()
        for device in (*(device_ids or ()), output_device):
            dtypes.check_device(device)
        group = resolve(process_group)
        trained = [p for p in module.parameters() if p.requires_grad]
        if not trained:
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameter that requires a "
                "gradient."
            )
        size = 1.0 if bucket_cap_mb is None else float(bucket_cap_mb)
        if not size > 0:
            raise ValueError(f"DistributedDataParallel: `bucket_cap_mb` must be above zero, but is {bucket_cap_mb}")
        if micro_shards is not None:
            _check_shards(module, micro_shards, group.size())
        self.module, self.process_group, self.dim = module, group, dim
        self.broadcast_buffers, self.find_unused_parameters = broadcast_buffers, find_unused_parameters
        self.micro_shards = micro_shards
        self.require_backward_grad_sync = True
        mine = [(name, tuple(t.outline.shape), t.outline.dtype.name) for name, t in _state(module)]
        theirs: list = [None] * group.size()
        all_gather_object(theirs, mine, group)
        for rank, other in enumerate(theirs):
            if other != theirs[0]:
                which = next((pair for pair in zip(theirs[0], other, strict=False) if pair[0] != pair[1]), None)
                raise RuntimeError(
                    f"DDP expects same model across all ranks, but Rank 0 has {len(theirs[0])} params and buffers, "
                    f"while rank {rank} has inconsistent {len(other)}"
                    + (f": {which[0]} and {which[1]}" if which else "")
                )
        if init_sync:
            self._send_state([t for _, t in _state(module)])
        own = group_of_its_own(group, "gradients")
        self.__dict__["reducer"] = Reducer(trained, own, size * 2**20, micro_shards is not None, find_unused_parameters)

    def _send_state(self, tensors: list) -> None:
        """Give these tensors the values of rank 0, in one message for each dtype."""
        from ..distributed import broadcast

        for dtype in sorted({t.outline.dtype for t in tensors}, key=str):
            same = [t for t in tensors if t.outline.dtype == dtype]
            flat = wrap(np.concatenate([t.array.reshape(-1) for t in same]))
            broadcast(flat, group=self.process_group, group_src=0)
            parts = np.split(flat.array, np.cumsum([t.outline.size for t in same])[:-1])
            for t, part in zip(same, parts, strict=True):
                t.write()[...] = part.reshape(t.outline.shape)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module makes of this rank's part of the batch."""
        synchronised = self.require_backward_grad_sync
        buffers = list(self.module.buffers())
        if self.broadcast_buffers and buffers and synchronised and self.process_group.size() > 1:
            self._send_state(buffers)
        if not is_grad_enabled():
            return self.module(*inputs, **kwargs)
        self.reducer.armed = synchronised
        return self.module(*inputs, **kwargs) if self.micro_shards is None else self._in_shards(inputs, kwargs)

    def _in_shards(self, inputs: tuple, kwargs: dict) -> Any:
        """The same, of each micro-shard by itself."""
        from ..distributed import shards

        count = self.micro_shards // self.process_group.size()  # type: ignore[operator]
        parts = list(zip(shards.split(inputs, count), shards.split(kwargs, count), strict=True))
        copies = shards.fan(self.module, count)
        calls = [functools.partial(copy, *args, **named) for copy, (args, named) in zip(copies, parts, strict=True)]
        meeting = any(isinstance(m, SyncBatchNorm) and m.training for m in self.module.modules())
        seed = int(default_generator.numpy.integers(2**63))  # one draw on every rank, whatever its share
        return shards.join(shards.Lockstep(seed, self.process_group.rank() * count).run(calls, meeting))

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Forward passes in this block leave gradients where they are; the first one after it brings all together."""
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before


def _state(module: Module) -> list[tuple[str, Any]]:
    """Parameters and buffers by name."""
    return [*module.named_parameters(), *module.named_buffers()]


def _check_shards(module: Module, count: Any, ranks: int) -> None:
    """Raise ValueError unless so many micro-shards fit the ranks, and the module can be computed in them."""
    if not isinstance(count, int) or isinstance(count, bool) or count < 1 or count & (count - 1) or count % ranks:
        raise ValueError(
            f"DistributedDataParallel: `micro_shards` must be a power of two that the {ranks} ranks divide, but is "
            f"{count!r}"
        )
    for name, layer in module.named_modules():
        if isinstance(layer, _BatchNorm) and not isinstance(layer, SyncBatchNorm | _InstanceNorm):
            raise ValueError(
                f"DistributedDataParallel: with `micro_shards`, {name or 'the module'} would see a part of the batch "
                "alone: use SyncBatchNorm.convert_sync_batchnorm"
            )


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: Any = None,
) -> Any:
    """module(*inputs), on the one device there is."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return DataParallel(module, device_ids, output_device, dim)(*inputs, **(module_kwargs or {}))
