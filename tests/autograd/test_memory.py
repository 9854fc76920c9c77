"""Who has which memory, and who may write to it: what backward reads, results that are new memory, views that share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch.autograd import grad

m, F, nn = minitorch, minitorch.nn.functional, minitorch.nn


def ints() -> Any:
    return m.tensor([0, 1])


def mask() -> Any:
    return m.tensor([True, False, True, False])


def leaf(*values: float) -> Any:
    return m.tensor(list(values), requires_grad=True)


def placed(x: Any, key: Any) -> Any:
    """A copy of x with 5 at `key`."""
    y = x * 1
    y[key] = 5.0
    return y


# ------------------------------------------------------------------- what backward reads must be what forward has read

# (name, what is changed, forward of x (4, 2) of ones)
READ: list[tuple[str, Callable, Callable]] = [
    ("index", ints, lambda x, i: x[i]),
    ("index beside a number", ints, lambda x, i: x[i, 1]),
    ("mask", mask, lambda x, k: x[k]),
    ("byte mask", lambda: mask().to(m.uint8), lambda x, k: x[k]),
    ("written index", ints, placed),
    ("written mask", mask, placed),
    ("index_select", ints, lambda x, i: x.index_select(0, i)),
    ("masked_select", lambda: m.tensor([[True, False]] * 4), lambda x, k: x.masked_select(k)),
    ("masked_fill", lambda: m.tensor([True, False]), lambda x, k: x.masked_fill(k, 2.0)),
    ("gather", lambda: m.tensor([[0, 1]]), lambda x, i: x.gather(0, i)),
    ("scatter_add", lambda: m.tensor([[0, 1]]), lambda x, i: m.zeros(4, 2).scatter_add(0, i, x[:1] * 1)),
    ("embedding", ints, lambda x, i: F.embedding(i, x)),
    ("max_unpool", lambda: m.tensor([[0, 2, 4, 6, 8, 10, 12, 14]]), lambda x, i: F.max_unpool1d(x.reshape(1, 8), i, 2)),
    ("nll target", lambda: m.tensor([0, 1, 0, 1]), lambda x, t: F.nll_loss(x, t)),
    ("nll weight", lambda: m.ones(2), lambda x, w: F.nll_loss(x, m.tensor([0, 1, 0, 1]), weight=w)),
    ("cross entropy target", lambda: m.tensor([0, 1, 0, 1]), lambda x, t: F.cross_entropy(x, t)),
    ("cross entropy weight", lambda: m.ones(2), lambda x, w: F.cross_entropy(x, m.tensor([0, 1, 0, 1]), weight=w)),
    ("weight of probabilities", lambda: m.ones(2), lambda x, w: F.cross_entropy(x, m.ones(4, 2), weight=w)),
    ("pos_weight", lambda: m.ones(2), lambda x, w: F.binary_cross_entropy_with_logits(x, m.ones(4, 2), pos_weight=w)),
]


def changed(t: Any) -> None:
    """Other values of the same kind, all of them valid."""
    if t.dtype == m.bool:
        t.copy_(~t)
    else:
        t.fill_(1 if t.dtype in (m.int64, m.uint8) else 0.5)


@pytest.mark.parametrize(("make", "forward"), [row[1:] for row in READ], ids=[row[0] for row in READ])
def test_what_was_read_must_not_change(make: Callable, forward: Callable) -> None:
    """Changed in place after forward, it makes backward raise; left alone, or changed after backward, it doesn't."""
    x, read = m.ones(4, 2, requires_grad=True), make()
    y = forward(x, read)
    changed(read)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    read = make()
    forward(x, read).sum().backward()
    changed(read)
    assert x.grad is not None


RETURNED: list[tuple[str, Callable]] = [
    ("max", lambda x: x.max(0)),
    ("min with keepdim", lambda x: x.min(0, keepdim=True)),
    ("cummax", lambda x: x.cummax(0)),
    ("max_pool1d", lambda x: F.max_pool1d(x.reshape(1, 8), 2, return_indices=True)),
    ("adaptive_max_pool1d", lambda x: F.adaptive_max_pool1d(x.reshape(1, 1, 8), 2, return_indices=True)),
    (
        "fractional_max_pool2d",
        lambda x: F.fractional_max_pool2d(x.reshape(1, 1, 4, 2), 1, output_size=2, return_indices=True),
    ),
]


@pytest.mark.parametrize("forward", [row[1] for row in RETURNED], ids=[row[0] for row in RETURNED])
def test_positions_that_were_returned_must_not_change(forward: Callable) -> None:
    """The rule reads the positions that the user got."""
    x = m.arange(8.0).reshape(4, 2).requires_grad_()
    values, positions = forward(x)
    positions.fill_(0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        values.sum().backward()


def test_second_derivatives_watch_the_index_too() -> None:
    """What the first backward read, the second reads again."""
    x, w, i = leaf(1.0, 2.0, 3.0), leaf(4.0, 5.0), m.tensor([0, 2])
    (g,) = grad((x[i] * w).sum(), x, create_graph=True)  # w, put where i says: x[i] itself has no part in it
    i.fill_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        g.sum().backward()


def test_numbers_and_arrays_as_indices_are_copied() -> None:
    """A tensor of one number, and a user's NumPy array, may change: the gradient belongs to what they were."""
    x, one, several = leaf(1.0, 2.0, 3.0), m.tensor(1), np.array([0, 2])
    y = x[one].sum() + x[several].sum()
    one.fill_(0)
    several[:] = 1
    y.backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


# --------------------------------------------------------------------------------------- results that are never views

FRESH: list[tuple[str, Callable]] = [
    ("pad reflect", lambda x: F.pad(x, (0, 0, 0, 0), mode="reflect")),
    ("pad replicate", lambda x: F.pad(x, (0, 0, 0, 0), mode="replicate")),
    ("pad circular", lambda x: F.pad(x, (0, 0, 0, 0), mode="circular")),
    ("pad constant", lambda x: F.pad(x, (0, 0))),
    ("unfold", lambda x: F.unfold(x, 1)),
    ("unfold one window", lambda x: F.unfold(x, 4)),
    ("fold", lambda x: F.fold(x.reshape(1, 4, 16), 4, 1)),
    ("pixel_shuffle", lambda x: F.pixel_shuffle(x, 1)),
    ("pixel_unshuffle", lambda x: F.pixel_unshuffle(x, 1)),
    ("channel_shuffle 1", lambda x: F.channel_shuffle(x, 1)),
    ("channel_shuffle 4", lambda x: F.channel_shuffle(x, 4)),
    ("interpolate", lambda x: F.interpolate(x, scale_factor=1)),
    ("flip of nothing", lambda x: x.flip(())),
    ("repeat", lambda x: x.repeat(1, 1, 1, 1)),
    ("cat of one", lambda x: m.cat([x])),
    ("index by a list", lambda x: x[[0]]),
]


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("call", [row[1] for row in FRESH], ids=[row[0] for row in FRESH])
def test_results_are_new_memory(call: Callable, channels_last: bool) -> None:
    """What is written into them does not reach the argument, whatever order its memory has."""
    x = m.ones(1, 4, 4, 4)
    x = F.avg_pool2d(x, 1) if channels_last else x
    with m.no_grad():
        call(x).fill_(7.0)
    assert x.max().item() == 1.0


# ------------------------------------------------------------------------------ views of memory in channels-last order


def image() -> Any:
    """What a layer made: channels-last in memory."""
    x = F.avg_pool2d(m.arange(16.0).reshape(1, 4, 2, 2), 1)
    assert not x.is_contiguous()
    return x


@pytest.mark.parametrize("shape", [lambda y: y.view(-1), lambda y: y.flatten(1), lambda y: y.reshape(2, 8)])
def test_a_reshaped_image_shares_memory_with_all_that_did(shape: Callable) -> None:
    """Writes go both ways between the image, its detached twin, its slices and the reshaped view."""
    x = image()
    twin, part, data = x.detach(), x[:, 1:3], x.data
    flat = shape(x)
    flat.fill_(7.0)
    for t in (x, twin, part, data):
        assert t.min().item() == 7.0
    part.fill_(3.0)
    assert flat.sum().item() == x.sum().item() == twin.sum().item() == 8 * 7 + 8 * 3
    twin[0, 0, 0, 0] = 100.0
    assert flat.max().item() == data.max().item() == 100.0


def test_the_view_of_a_detached_image_shares_memory() -> None:
    """Also where the image itself is gone, and also where the result was still pending."""
    y = image().detach()
    y.view(-1).fill_(3.0)
    assert y.min().item() == y.max().item() == 3.0
    w = m.ones(4, 4, 1, 1, requires_grad=True)
    kept = F.relu(F.conv2d(image(), w))  # its rule keeps the result
    kept.view(-1)[0] = 100.0
    assert kept.max().item() == 100.0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        kept.sum().backward()
    z = F.conv2d(image(), w)
    z.view(-1)[0] = 100.0
    assert z.max().item() == z[0, 0, 0, 0].item() == 100.0
    z.sum().backward()
    assert w.grad[0].sum().item() == 120.0 - (0 + 4 + 8 + 12)


def test_a_reshaped_image_is_a_copy_where_numpy_has_it() -> None:
    """A NumPy array can't be moved: the reshaped image has memory of its own, and the array stays the image's."""
    x = image()
    array = x.numpy()
    x.reshape(-1).fill_(7.0)
    array[0, 0, 0, 0] = 50.0
    assert x.max().item() == 50.0


def test_view_is_refused_where_pytorch_refuses() -> None:
    """`view` never copies; `reshape` does."""
    x = m.arange(6.0).reshape(2, 3)
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        x.t().view(-1)
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        x[:, :2].view_as(m.zeros(4))
    assert x.t().reshape(-1).tolist() == [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
    assert x.t().view(3, 2, 1).shape == (3, 2, 1)
    assert x[:, :0].view(-1).shape == (0,)


def test_contiguous_copies_where_memory_stands_otherwise_than_it_seems() -> None:
    """The channels of an image moved last are in order in memory, but PyTorch's would be a copy."""
    x = image()
    moved = x.permute(0, 2, 3, 1).contiguous()
    moved.fill_(7.0)
    assert x.max().item() == 15.0


# ------------------------------------------------------------------------------------------------- writes that are refused


@pytest.mark.parametrize(
    "take",
    [
        lambda y: y.unbind()[0],
        lambda y: y.split(1)[1],
        lambda y: y.chunk(2)[0],
        lambda y: next(iter(y)),
        lambda y: y.unbind()[0][:1],
    ],
)
def test_one_of_several_views_is_not_changed_on_the_tape(take: Callable) -> None:
    """One call made them all, so PyTorch refuses, where it would be recorded; off the tape they are plain views."""
    x = leaf(1.0, 2.0, 3.0, 4.0).reshape(2, 2)
    y = x * 1
    before = y.tolist()
    with pytest.raises(RuntimeError, match="returns multiple views"):
        take(y).mul_(2)
    assert y.tolist() == before
    z = x.detach().clone()
    take(z).mul_(0)
    assert z.tolist() != before
    with m.no_grad():
        take(y).mul_(0)
    assert y.tolist() == z.tolist()


def test_detach_in_place_cuts_what_was_saved() -> None:
    """What was computed from it would lose its gradient; its own rule may still read it."""
    x = leaf(1.0)
    a = x * 1
    b = a.sin()
    a.detach_()
    with pytest.raises(RuntimeError):
        b.backward()
    h = (x * 1).tanh()
    y = h * 2
    h.detach_()
    y.backward()
    assert x.grad.item() == pytest.approx(2 * (1 - np.tanh(1.0) ** 2))


def test_inference_tensors() -> None:
    """Made in inference mode, they are neither changed in place outside nor kept for backward; clones are free."""
    with m.inference_mode():
        c = m.ones(3)
        c.add_(1)
        assert m.is_inference_mode_enabled()
    assert c.is_inference()
    assert c[1:].is_inference()
    assert not (c + 1).is_inference()
    for write in (lambda: c.add_(1), lambda: c[1:].zero_(), lambda: c.__setitem__(0, 1.0), lambda: c.detach().zero_()):
        with pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
            write()
    with m.no_grad(), pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
        c.add_(1)
    assert c.tolist() == [2.0] * 3
    w = leaf(1.0, 2.0, 3.0)
    with pytest.raises(RuntimeError, match="cannot be saved for backward"):
        c * w
    (c + w).sum().backward()  # addition keeps nothing
    (c.clone().add_(1) * w).sum().backward()
    assert w.grad.tolist() == [4.0, 4.0, 4.0]
    with pytest.raises(RuntimeError, match="requires_grad=True on inference tensor"):
        c.requires_grad_()

    @m.inference_mode
    def made() -> Any:
        return m.ones(2)

    assert made().is_inference()
    assert not m.ones(2).is_inference()


def test_data_keeps_the_kind_of_what_requires_grad() -> None:
    """Integers have no gradient; what doesn't require one may become anything."""
    a = leaf(1.0)
    for wrong, error in ((m.tensor([3]), RuntimeError), (3, TypeError)):
        with pytest.raises(error):
            a.data = wrong
    assert a.tolist() == [1.0]
    a.data = m.tensor([3.0, 4.0], dtype=m.float64)
    assert a.shape == (2,)
    b = m.tensor([1.0])
    b.data = m.tensor([3])
    assert b.dtype == m.int64


def test_gradients_can_be_deleted() -> None:
    """As they can be set to None."""
    x = leaf(1.0)
    x.sum().backward()
    del x.grad
    assert x.grad is None


# ------------------------------------------------------------------- in-place arithmetic keeps the value that a rule needs


def test_constants_times_parameters_in_place() -> None:
    """The tensor that is overwritten is not on the tape, but the other one's gradient needs what it was."""
    a, b = m.tensor([2.0, 5.0]), leaf(3.0, 4.0)
    a.mul_(b)
    a.sum().backward()
    assert b.grad.tolist() == [2.0, 5.0]
    a, b = m.tensor([2.0, 5.0]), leaf(3.0)
    a[1:].div_(b).sum().backward()
    assert b.grad.tolist() == pytest.approx([-5 / 9])
    assert a.tolist() == pytest.approx([2.0, 5 / 3])


def test_gradients_that_are_parts_of_the_given_one_share_its_memory() -> None:
    """As in PyTorch, and changes count for both; but no two results overlap."""
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0, 5.0)
    g = m.arange(5.0)
    gx, gy = grad(m.cat([x, y]), (x, y), g)
    before = g._version
    gx.zero_()
    assert g.tolist() == [0.0, 0.0, 2.0, 3.0, 4.0]
    assert g._version == before + 1
    assert gy.tolist() == [2.0, 3.0, 4.0]
    for forward in (lambda: x + y[:2], lambda: (x.reshape(1, 2) + y[None, :2]).reshape(2)):
        gx, gy = grad(forward(), (x, y), g[:2])
        assert not np.shares_memory(gx.array, gy.array)
    z = leaf(6.0, 7.0).reshape(1, 2).detach().requires_grad_()
    gx, gz = grad(x + z.reshape(2), (x, z), g[:2])
    assert not np.shares_memory(gx.array, gz.array)


def test_results_are_no_views_of_what_nobody_has() -> None:
    """They can be detached in place, and writes into them need no base."""
    x, image3 = m.ones(3, 4, requires_grad=True), m.ones(2, 4, 4, requires_grad=True)
    results = [
        x @ m.ones(4),
        m.ones(3) @ x,
        x[None] @ m.ones(1, 4, 2),
        F.linear(x[None], m.ones(5, 4)),
        x.max(1)[0],
        x.max(1)[1],
        F.max_pool2d(image3, 2),
        x.roll(1),
        F.cross_entropy(image3[None], m.zeros(1, 4, 4, dtype=m.int64), reduction="none"),
    ]
    for y in results:
        assert y.base is None
        y.detach_()
    y = x @ x.t()
    v = y.view(-1)
    y.copy_(m.ones(3, 3))
    y.register_hook(lambda g: g * 2)
    v.sum().backward()
    assert x.grad.abs().sum().item() == 0.0


def test_views_taken_without_recording_stay_so() -> None:
    """Also if the base has changed on the tape since."""
    t = leaf(1.0, 2.0) * 1
    with m.no_grad():
        v = t[...]
    t += t
    with pytest.raises(RuntimeError, match="created in no_grad mode"):
        v.mul_(0.5)
    with m.no_grad():
        v.mul_(0.5)
    assert t.tolist() == [1.0, 2.0]


def test_what_a_copy_overwrote_has_gradient_zero() -> None:
    """It was there, but has no part in the result."""
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    a = x * 1
    a.copy_(y)
    a.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]
    assert y.grad.tolist() == [1.0, 1.0]


def test_leaves_that_no_longer_ask_get_no_gradient() -> None:
    """What counts is whether they ask when backward runs."""
    for quiet in (lambda x: x.requires_grad_(False), lambda x: x.detach_()):
        x, y = leaf(1.0), leaf(2.0)
        z = x * y
        quiet(x)
        z.backward()
        assert x.grad is None
        assert y.grad.item() == 1.0
    with pytest.raises(RuntimeError, match="cannot be empty"):
        grad((y * 2).sum(), [])
