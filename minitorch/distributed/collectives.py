"""What ranks do together with tensors, and the messages between two of them: PyTorch's functions, MPI's calls.

All calls are MPI's that return at once; `Work` waits for them. Memory that is not in row-major order is packed before,
and unpacked after. What only moves travels as bytes, so every dtype does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autograd import Variable
from ..dtypes import FLOATS
from .group import get_global_rank, get_group_rank, outside, resolve
from .work import Work

__all__ = [
    "ReduceOp",
    "all_gather",
    "all_gather_into_tensor",
    "all_reduce",
    "all_to_all",
    "all_to_all_single",
    "broadcast",
    "gather",
    "irecv",
    "isend",
    "recv",
    "reduce",
    "reduce_scatter",
    "reduce_scatter_tensor",
    "scatter",
    "send",
]


class ReduceOp(str):
    """How numbers of several ranks become one: SUM, PRODUCT, MIN, MAX, BAND, BOR, BXOR, and AVG for floats."""

    SUM: ReduceOp
    AVG: ReduceOp
    PRODUCT: ReduceOp
    MIN: ReduceOp
    MAX: ReduceOp
    BAND: ReduceOp
    BOR: ReduceOp
    BXOR: ReduceOp


for _name in ("SUM", "AVG", "PRODUCT", "MIN", "MAX", "BAND", "BOR", "BXOR"):
    setattr(ReduceOp, _name, ReduceOp(_name))


# ------------------------------------------------------------------------------------------------ arguments


def _tensor(name: str, value: Any) -> Any:
    if not isinstance(value, Variable):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type minitorch.Tensor\n"
            f"             but got {type(value)} instead."
        )
    return value


def _tensors(name: str, values: Any) -> list:
    if not isinstance(values, list | tuple) or not all(isinstance(value, Variable) for value in values):
        kind = [type(value) for value in values] if isinstance(values, list | tuple) else type(values)
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type List[minitorch.Tensor]\n"
            f"             but got {kind} instead."
        )
    return list(values)


def _alike(name: str, values: list, like: Any, count: int) -> None:
    """Raise ValueError unless there are `count` tensors, of the shape and dtype of `like`."""
    if len(values) != count:
        raise ValueError(f"`{name}` needs a tensor for each of the {count} ranks, but has {len(values)}")
    for i, value in enumerate(values):
        _same(f"{name}[{i}]", value, like.outline.shape, like.outline.dtype)


def _same(name: str, value: Any, shape: tuple, dtype: np.dtype) -> None:
    if value.outline.dtype != dtype:
        raise ValueError(
            f"Invalid usage of tensors with different dtypes: `{name}` is {value.outline.dtype}, another {dtype}"
        )
    if tuple(value.outline.shape) != tuple(shape):
        raise ValueError(f"`{name}` has the shape {tuple(value.outline.shape)}, but needs {tuple(shape)}")


def _of_size(name: str, value: Any, shapes: Sequence[tuple], dtype: np.dtype) -> None:
    """Raise ValueError unless `value` has one of the shapes."""
    if tuple(value.outline.shape) not in shapes:
        _same(name, value, shapes[0], dtype)
    _same(name, value, value.outline.shape, dtype)


def _peer(name: str, members: Any, rank: Any, group_rank: Any, default: int | None = None) -> int:
    """The number in the group of the rank meant by `src` or `group_src`."""
    if rank is not None and group_rank is not None:
        raise ValueError("Can't specify both group_rank and global_rank")
    if rank is None and group_rank is None:
        if default is None:
            raise ValueError("Must specify global_rank or group_rank")
        group_rank = default
    value = rank if group_rank is None else group_rank
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TypeError(f"`{name}` must be an int, but is {value!r}")
    if group_rank is None:
        return get_group_rank(members, int(rank))
    get_global_rank(members, int(group_rank))
    return int(group_rank)


def added_in(dtype: np.dtype) -> np.dtype:
    """The dtype in which ranks add up: float32 for float16 and bfloat16, which MPI does not know."""
    return np.dtype(np.float32) if dtype.kind in FLOATS and dtype.itemsize == 2 else dtype


def _operation(op: Any, dtype: np.dtype) -> tuple[Any, np.dtype]:
    """MPI's operation, and the dtype it computes in."""
    from mpi4py import MPI

    if not isinstance(op, ReduceOp):
        raise ValueError(f"Invalid ``op`` argument. Expected ``op`` argument to be of type ReduceOp. Got {op!r}")
    bits = op in (ReduceOp.BAND, ReduceOp.BOR, ReduceOp.BXOR)
    if (bits and dtype.kind in FLOATS) or (op == ReduceOp.AVG and dtype.kind not in FLOATS):
        raise RuntimeError(f"Invalid scalar type: ReduceOp.{op} has no meaning for {dtype.name}")
    if dtype.kind == "b":
        logic = {"SUM": MPI.LOR, "MAX": MPI.LOR, "BOR": MPI.LOR, "BXOR": MPI.LXOR}
        return logic.get(op, MPI.LAND), dtype
    table = {
        "SUM": MPI.SUM,
        "AVG": MPI.SUM,
        "PRODUCT": MPI.PROD,
        "MIN": MPI.MIN,
        "MAX": MPI.MAX,
        "BAND": MPI.BAND,
        "BOR": MPI.BOR,
        "BXOR": MPI.BXOR,
    }
    return table[op], added_in(dtype)


# ------------------------------------------------------------------------------------------------ memory


def _read(x: Any) -> np.ndarray:
    """The elements of a tensor in row-major order."""
    return np.ascontiguousarray(x.array)


def _bytes(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1).view(np.uint8)


def _target(x: Any) -> tuple[np.ndarray, Callable[[], None] | None]:
    """Row-major memory to receive x's elements, and how they get into x if it is not x's own."""
    array = x.write()
    if array.flags.c_contiguous:
        return array, None
    packed = np.empty(array.shape, array.dtype)
    return packed, lambda: np.copyto(array, packed)


def _writable(*tensors: Any) -> None:
    """Raise RuntimeError where a tensor can't be written to, before anything is sent."""
    for x in tensors:
        x.check_writeable()


def _run(work: Work, async_op: bool) -> Work | None:
    if async_op:
        return work
    work.wait()
    return None


def _text(x: Any) -> str:
    return f"{x.outline.size} x {x.outline.dtype.name}"


# ------------------------------------------------------------------------------------------------ all with all


def broadcast(
    tensor: Any, src: int | None = None, group: Any = None, async_op: bool = False, group_src: int | None = None
) -> Work | None:
    """Give every rank's `tensor` the elements that rank `src` has in it; all have the same size and dtype."""
    if outside(group, "broadcast"):
        return None
    members = resolve(group)
    root = _peer("src", members, src, group_src)
    _tensor("tensor", tensor)
    call = f"broadcast({_text(tensor)}, from {members.ranks[root]})"
    if members.rank() == root:
        array, after = _read(tensor), None
    else:
        _writable(tensor)
        array, after = _target(tensor)
    number = members.begin(call)
    requests = [members.comm.Ibcast(_bytes(array), root)]
    return _run(Work(members, number, call, requests, after, array), async_op)


def all_reduce(tensor: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False) -> Work | None:
    """tensor = its sum (`op`: another combination) over all ranks, in place; the same bits everywhere.

    float16 and bfloat16 are added up in float32. bool: SUM and MAX are "any", PRODUCT and MIN "all". Raises
    RuntimeError for BAND, BOR and BXOR of floats, for AVG of integers.
    """
    _tensor("tensor", tensor)
    if outside(group, "all_reduce"):
        return None
    members = resolve(group)
    how, dtype = _operation(op, tensor.outline.dtype)
    _writable(tensor)
    call = f"all_reduce({_text(tensor)}, {op})"
    number = members.begin(call)
    array = tensor.write()
    own = array.flags.c_contiguous and array.dtype == dtype
    packed = array if own else np.ascontiguousarray(array, dtype)

    def finish() -> None:
        if op == ReduceOp.AVG:
            np.divide(packed, dtype.type(members.size()), out=packed)
        if not own:
            np.copyto(array, packed, casting="same_kind")

    from mpi4py import MPI

    requests = [members.comm.Iallreduce(MPI.IN_PLACE, packed, how)]
    return _run(Work(members, number, call, requests, finish, packed), async_op)


def reduce(
    tensor: Any,
    dst: int | None = None,
    op: Any = ReduceOp.SUM,
    group: Any = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """As `all_reduce`, but only rank `dst` gets the result; the tensors of the others stay."""
    if outside(group, "reduce"):
        return None
    members = resolve(group)
    root = _peer("dst", members, dst, group_dst)
    _tensor("tensor", tensor)
    how, dtype = _operation(op, tensor.outline.dtype)
    here = members.rank() == root
    if here:
        _writable(tensor)
    call = f"reduce({_text(tensor)}, {op}, to {members.ranks[root]})"
    number = members.begin(call)
    packed = np.array(tensor.array, dtype, order="C")

    def finish() -> None:
        if op == ReduceOp.AVG:
            np.divide(packed, dtype.type(members.size()), out=packed)
        np.copyto(tensor.write(), packed, casting="same_kind")

    from mpi4py import MPI

    requests = [members.comm.Ireduce(MPI.IN_PLACE if here else packed, packed if here else None, how, root)]
    return _run(Work(members, number, call, requests, finish if here else None, packed), async_op)


def all_gather(tensor_list: Any, tensor: Any, group: Any = None, async_op: bool = False) -> Work | None:
    """tensor_list[r] = the `tensor` of rank r, for all ranks; all of one shape and dtype."""
    outputs = _tensors("tensor_list", tensor_list)
    _tensor("tensor", tensor)
    if outside(group, "all_gather"):
        return None
    members = resolve(group)
    _alike("tensor_list", outputs, tensor, members.size())
    _writable(*outputs)
    return _run(_gathered(members, "all_gather", tensor, outputs), async_op)


def _gathered(members: Any, name: str, tensor: Any, outputs: list) -> Work:
    call = f"{name}({_text(tensor)})"
    number = members.begin(call)
    sent = _read(tensor)
    packed = np.empty((members.size(), sent.nbytes), np.uint8)

    def finish() -> None:
        for row, x in zip(packed, outputs, strict=True):
            np.copyto(x.write(), row.view(sent.dtype).reshape(sent.shape))

    return Work(members, number, call, [members.comm.Iallgather(_bytes(sent), packed)], finish, (sent, packed))


def all_gather_into_tensor(
    output_tensor: Any, input_tensor: Any, group: Any = None, async_op: bool = False
) -> Work | None:
    """output_tensor = the `input_tensor` of all ranks, (N, ...), joined to (W N, ...) or stacked to (W, N, ...)."""
    _tensor("input_tensor", input_tensor)
    _tensor("output_tensor", output_tensor)
    if outside(group, "all_gather_into_tensor"):
        return None
    members = resolve(group)
    x, size = input_tensor.outline, members.size()
    _of_size("output_tensor", output_tensor, _wholes(x.shape, size), x.dtype)
    _writable(output_tensor)
    call = f"all_gather_into_tensor({_text(input_tensor)})"
    number = members.begin(call)
    sent, (array, after) = _read(input_tensor), _target(output_tensor)
    requests = [members.comm.Iallgather(_bytes(sent), _bytes(array))]
    return _run(Work(members, number, call, requests, after, (sent, array)), async_op)


def _wholes(part: tuple, size: int) -> list[tuple]:
    """The shapes of `size` parts, joined or stacked."""
    return [(size * part[0], *part[1:]) if part else (size,), (size, *part)]


def gather(
    tensor: Any,
    gather_list: Any = None,
    dst: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """At rank `dst` (0), gather_list[r] = the `tensor` of rank r; the others leave `gather_list` out."""
    _tensor("tensor", tensor)
    outputs = _tensors("gather_list", gather_list or [])
    if outside(group, "gather"):
        return None
    members = resolve(group)
    root = _peer("dst", members, dst, group_dst, 0)
    here = members.rank() == root
    if here and not outputs:
        raise ValueError("Argument ``gather_list`` must be specified on destination rank.")
    if not here and outputs:
        raise ValueError("Argument ``gather_list`` must NOT be specified on non-destination ranks.")
    if here:
        _alike("gather_list", outputs, tensor, members.size())
        _writable(*outputs)
    call = f"gather({_text(tensor)}, to {members.ranks[root]})"
    number = members.begin(call)
    sent = _read(tensor)
    packed = np.empty((members.size(), sent.nbytes), np.uint8) if here else None

    def finish() -> None:
        for row, x in zip(packed, outputs, strict=True):  # type: ignore[arg-type]
            np.copyto(x.write(), row.view(sent.dtype).reshape(sent.shape))

    requests = [members.comm.Igather(_bytes(sent), packed, root)]
    return _run(Work(members, number, call, requests, finish if here else None, (sent, packed)), async_op)


def scatter(
    tensor: Any,
    scatter_list: Any = None,
    src: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """`tensor` of rank r = scatter_list[r] of rank `src` (0); the others leave `scatter_list` out."""
    _tensor("tensor", tensor)
    inputs = _tensors("scatter_list", scatter_list or [])
    if outside(group, "scatter"):
        return None
    members = resolve(group)
    root = _peer("src", members, src, group_src, 0)
    here = members.rank() == root
    if here and not inputs:
        raise ValueError("Argument ``scatter_list`` must be specified on source rank.")
    if not here and inputs:
        raise ValueError("Argument ``scatter_list`` must NOT be specified on non-source ranks.")
    if here:
        _alike("scatter_list", inputs, tensor, members.size())
    _writable(tensor)
    call = f"scatter({_text(tensor)}, from {members.ranks[root]})"
    number = members.begin(call)
    packed = np.concatenate([_bytes(_read(x)) for x in inputs]) if here else None
    array, after = _target(tensor)
    requests = [members.comm.Iscatter(packed, _bytes(array), root)]
    return _run(Work(members, number, call, requests, after, (packed, array)), async_op)


def reduce_scatter(
    output: Any, input_list: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """`output` of rank r = the sum over all ranks of their input_list[r]; all of one shape and dtype."""
    _tensor("output", output)
    inputs = _tensors("input_list", input_list)
    if outside(group, "reduce_scatter"):
        return None
    members = resolve(group)
    _alike("input_list", inputs, output, members.size())
    call = f"reduce_scatter({_text(output)}, {op})"
    return _run(_reduced(members, call, output, [x.array for x in inputs], op), async_op)


def reduce_scatter_tensor(
    output: Any, input: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """`output` (N, ...) of rank r = the r-th part of the sum over all ranks of `input`, (W N, ...) or (W, N, ...)."""
    _tensor("output", output)
    _tensor("input", input)
    if outside(group, "reduce_scatter_tensor"):
        return None
    members = resolve(group)
    out = output.outline
    _of_size("input", input, _wholes(out.shape, members.size()), out.dtype)
    call = f"reduce_scatter_tensor({_text(output)}, {op})"
    parts = list(input.array.reshape(members.size(), *out.shape))
    return _run(_reduced(members, call, output, parts, op), async_op)


def _reduced(members: Any, call: str, output: Any, parts: list[np.ndarray], op: Any) -> Work:
    how, dtype = _operation(op, output.outline.dtype)
    _writable(output)
    number = members.begin(call)
    sent = np.ascontiguousarray(np.stack(parts), dtype)
    packed = np.empty(output.outline.shape, dtype)

    def finish() -> None:
        if op == ReduceOp.AVG:
            np.divide(packed, dtype.type(members.size()), out=packed)
        np.copyto(output.write(), packed, casting="same_kind")

    requests = [members.comm.Ireduce_scatter_block(sent, packed, how)]
    return Work(members, number, call, requests, finish, (sent, packed))


def all_to_all(
    output_tensor_list: Any, input_tensor_list: Any, group: Any = None, async_op: bool = False
) -> Work | None:
    """output_tensor_list[s] of rank r = input_tensor_list[r] of rank s; shapes may differ where both ends agree."""
    outputs = _tensors("output_tensor_list", output_tensor_list)
    inputs = _tensors("input_tensor_list", input_tensor_list)
    if outside(group, "all_to_all"):
        return None
    members = resolve(group)
    kinds = {x.outline.dtype for x in (*outputs, *inputs)}
    if len(kinds) > 1:
        raise ValueError(f"Invalid usage of tensors with different dtypes: {sorted(k.name for k in kinds)}")
    for name, values in (("output_tensor_list", outputs), ("input_tensor_list", inputs)):
        if len(values) != members.size():
            raise ValueError(f"`{name}` needs a tensor for each of the {members.size()} ranks, but has {len(values)}")
    _writable(*outputs)
    call = f"all_to_all({kinds.pop().name})"
    number = members.begin(call)
    sent = [_bytes(_read(x)) for x in inputs]
    targets = [_target(x) for x in outputs]
    received = np.empty(sum(array.nbytes for array, _ in targets), np.uint8)
    ends = np.cumsum([array.nbytes for array, _ in targets])

    def finish() -> None:
        for (array, after), piece in zip(targets, np.split(received, ends[:-1]), strict=True):
            _bytes(array)[...] = piece
            if after is not None:
                after()

    packed = np.concatenate(sent)
    requests = [members.comm.Ialltoallv((packed, [s.nbytes for s in sent]), (received, [a.nbytes for a, _ in targets]))]
    return _run(Work(members, number, call, requests, finish, (packed, received)), async_op)


def all_to_all_single(
    output: Any,
    input: Any,
    output_split_sizes: Sequence[int] | None = None,
    input_split_sizes: Sequence[int] | None = None,
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """`all_to_all` of parts along the first axis, of the lengths given or all equal."""
    _tensor("output", output)
    _tensor("input", input)
    if outside(group, "all_to_all_single"):
        return None
    members = resolve(group)
    _same("output", output, output.outline.shape, input.outline.dtype)
    lengths = [
        _splits(name, x, sizes, members.size())
        for name, x, sizes in (("output", output, output_split_sizes), ("input", input, input_split_sizes))
    ]
    if output.outline.shape[1:] != input.outline.shape[1:]:
        raise ValueError(
            "`output` and `input` differ beyond their first axis: "
            f"{tuple(output.outline.shape)} and {tuple(input.outline.shape)}"
        )
    _writable(output)
    call = f"all_to_all_single({input.outline.dtype.name})"
    number = members.begin(call)
    sent, (array, after) = _read(input), _target(output)
    row = int(np.prod(input.outline.shape[1:])) * input.outline.dtype.itemsize
    counts = [[n * row for n in part] for part in lengths]
    requests = [members.comm.Ialltoallv((_bytes(sent), counts[1]), (_bytes(array), counts[0]))]
    return _run(Work(members, number, call, requests, after, (sent, array)), async_op)


def _splits(name: str, x: Any, sizes: Sequence[int] | None, count: int) -> list[int]:
    """The lengths of the parts of x along its first axis."""
    if not x.outline.shape:
        raise ValueError(f"`{name}` needs an axis to be split along")
    length = x.outline.shape[0]
    if not sizes:
        if length % count:
            raise ValueError(f"`{name}`: its first axis, {length}, does not divide equally across the {count} ranks")
        return [length // count] * count
    parts = [int(n) for n in sizes]
    if len(parts) != count or sum(parts) != length or min(parts) < 0:
        raise ValueError(f"`{name}_split_sizes` needs {count} lengths that add up to {length}, but is {list(sizes)}")
    return parts


# ------------------------------------------------------------------------------------------------ one with one


def isend(
    tensor: Any, dst: int | None = None, group: Any = None, tag: int = 0, group_dst: int | None = None
) -> Work | None:
    """Send `tensor` to rank `dst`, who receives it with the same `tag`; a Work to wait for before it is changed."""
    _tensor("tensor", tensor)
    if outside(group, "isend"):
        return None
    members = resolve(group)
    peer = _other("dst", members, dst, group_dst)
    array = _read(tensor)
    if array is tensor.array and not array.flags.writeable:
        array = array.copy()
    call = f"send({_text(tensor)}, to {members.ranks[peer]}, tag {tag})"
    requests = [members.comm.Isend(_bytes(array), peer, _checked_tag(tag))]
    return Work(members, None, call, requests, None, array, [members.ranks[peer]])


def irecv(
    tensor: Any, src: int | None = None, group: Any = None, tag: int = 0, group_src: int | None = None
) -> Work | None:
    """Receive `tensor`, of the size and dtype that was sent, from rank `src` (None: from any)."""
    _tensor("tensor", tensor)
    if outside(group, "irecv"):
        return None
    return _received(tensor, src, resolve(group), tag, group_src)


def _received(tensor: Any, src: Any, members: Any, tag: int, group_src: Any) -> Work:
    from mpi4py import MPI

    anybody = src is None and group_src is None
    peer = MPI.ANY_SOURCE if anybody else _other("src", members, src, group_src)
    _checked_tag(tag)
    _writable(tensor)
    array, after = _target(tensor)
    whom = "anybody" if anybody else members.ranks[peer]
    call = f"recv({_text(tensor)}, from {whom}, tag {tag})"
    status = MPI.Status()
    request = members.comm.Irecv(_bytes(array), peer, tag)
    peers = members.ranks if anybody else [members.ranks[peer]]

    class Receive(Work):
        def is_completed(self) -> bool:
            if not self._done and request.Test(status):
                self._done, self.kept = True, None
                if status.Get_count(MPI.BYTE) != array.nbytes:
                    raise RuntimeError(
                        f"{call}: {status.Get_count(MPI.BYTE)} bytes came, but {array.nbytes} were "
                        "needed; both ends have to name the same size and dtype"
                    )
                if after is not None:
                    after()
                self.source = members.ranks[status.Get_source()]
            return self._done

    return Receive(members, None, call, [request], None, array, peers)


def send(tensor: Any, dst: int | None = None, group: Any = None, tag: int = 0, group_dst: int | None = None) -> None:
    """Send `tensor` to rank `dst`, and return when it may be changed."""
    work = isend(tensor, dst, group, tag, group_dst)
    if work is not None:
        work.wait()


def recv(tensor: Any, src: int | None = None, group: Any = None, tag: int = 0, group_src: int | None = None) -> int:
    """Receive `tensor` from rank `src` (None: from any); returns the number of the rank that sent it."""
    work: Any = irecv(tensor, src, group, tag, group_src)
    if work is None:
        return -1
    work.wait()
    return work.source


def _other(name: str, members: Any, rank: Any, group_rank: Any) -> int:
    peer = _peer(name, members, rank, group_rank)
    if peer == members.rank():
        raise ValueError(f"Invalid {name} rank: {name} rank should not be the same as the rank of the current process.")
    return peer


def _checked_tag(tag: Any) -> int:
    if not isinstance(tag, int | np.integer) or isinstance(tag, bool) or not 0 <= tag < 2**15:
        raise ValueError(f"`tag` must be an int from 0 to 32767, but is {tag!r}")
    return int(tag)
