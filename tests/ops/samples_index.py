"""Rows of ops that pick and place elements, and of writes through views; see samples.py."""

from __future__ import annotations

import numpy as np
from samples import S, m, row

from minitorch.autograd import registry

KEYS: list[tuple] = [
    (slice(0, 2), Ellipsis),
    (None, 1, Ellipsis),
    (Ellipsis, slice(None, None, 2)),
    (slice(1, 1), Ellipsis),
    (np.array([0, 2, 0]), Ellipsis),
    (slice(None), np.array([[0, 1], [1, 3]]), Ellipsis),
    (np.array([0, -1, 0]), np.array([1, 2, 1])),
    (np.array([[True, False, True, True], [False] * 4, [True] * 4]), Ellipsis),
    (np.array([], np.int64), Ellipsis),
    (np.array([1, 0]), None, slice(None, 3), Ellipsis),
    (1, 2, Ellipsis),
]


def added(shape: tuple, key: tuple, y: np.ndarray) -> np.ndarray:
    """y added at key, one element at a time."""
    out, where = np.zeros(shape), np.arange(int(np.prod(shape))).reshape(shape)[key]
    for position, value in zip(np.ravel(where), np.ravel(y), strict=True):
        out.flat[position] += value
    return out


row(
    "getitem",
    lambda n: [
        *(S(n(3, 4), key=key) for key in KEYS),
        S(n(), key=(Ellipsis,)),
        S(n(0, 3), key=(slice(None), 1, Ellipsis)),
        S(n(2, 3, 4), key=(np.array([0, 1]), slice(None), np.array([1, 1]))),
    ],
    lambda x, key: x.ravel()[np.arange(x.size).reshape(x.shape)[key]],
    linear=True,
    errors=[
        (lambda: m.ones(3)[0, 0], IndexError, "too many indices for tensor of dimension 1"),
        (lambda: m.ones(3)[::-1], ValueError, "step must be greater than zero"),
        (lambda: m.ones(3)["a"], TypeError, "'a'"),
        (lambda: m.ones(3)[1.0], IndexError, "float"),
        (lambda: m.ones(3)[5], IndexError, "index 5 is out of bounds"),
        (lambda: m.ones(3)[m.tensor([0, 5])], IndexError, "index 5 is out of bounds"),
        (lambda: m.ones(3)[m.tensor([0.0, 1.0])], IndexError, "must be long, int, byte or bool tensors"),
        (lambda: m.tensor(1.0)[0], IndexError, "invalid index of a 0-dim tensor"),
        (lambda: m.ones(3)[m.tensor([True, False])], IndexError, "2"),
        (lambda: m.ones(2, 3).index_select(0, m.tensor([2])), IndexError, "out of range"),
        (lambda: m.ones(2, 3).narrow(1, 2, 2), RuntimeError, "start (2) + length (2) exceeds dimension size (3)"),
    ],
)
row(
    "place",
    lambda n: [S(np.asarray(n(3, 4)[key]), key=key, shape=(3, 4)) for key in KEYS],
    lambda y, key, shape: added(shape, key, y),
    linear=True,
)
SET_KEYS = [key for i, key in enumerate(KEYS) if i not in (4, 5, 6)]  # places named twice: which value stays is open
row(
    "setitem",
    lambda n: [
        *(S(n(3, 4), n(*np.zeros((3, 4))[key].shape), key=key) for key in SET_KEYS),
        S(n(3, 4), n(), key=(slice(1, 3), Ellipsis)),
        S(n(3, 4), n(4), key=(np.array([2, 0]), Ellipsis)),
        S(n(3, 4), 2.5, key=(np.array([2, 0]), Ellipsis)),
        S(n(0, 4), n(4), key=(Ellipsis,)),
    ],
    lambda x, value, key: x - added(x.shape, key, x[key]) + added(x.shape, key, value + 0 * x[key]),
    linear=True,
    errors=[
        (lambda: m.ones(3).__setitem__(0, m.ones(2)), RuntimeError, "shape"),
        (lambda: m.ones(3).__setitem__([0, 1], m.ones(3)), RuntimeError, "shape mismatch: value tensor of shape [3]"),
        (lambda: m.ones(3).__setitem__(3, 1.0), IndexError, "index 3 is out of bounds"),
        (lambda: m.ones(3).__setitem__(0, "a"), TypeError, "str"),
        (lambda: m.ones(3, requires_grad=True).__setitem__(0, 1), RuntimeError, "view of a leaf Variable"),
    ],
)
row(
    "pick",
    lambda n: [
        S(n(4, 3), np.array([0, 2, 1, 2]), np.array([1.0, -1.0, 0.5, 0.0], np.float32)),
        S(n(1, 1), np.array([0]), np.array([2.0], np.float32)),
        S(n(0, 3), np.zeros(0, np.int64), np.zeros(0, np.float32)),
    ],
    lambda x, labels, factor: (x * (np.arange(x.shape[1]) == labels[:, None])).sum(1) * factor,
    linear=True,
)
row(
    "put",
    lambda n: [
        S(n(4), np.array([0, 2, 1, 2]), np.array([1.0, -1.0, 0.5, 0.0], np.float32), classes=3),
        S(n(0), np.zeros(0, np.int64), np.zeros(0, np.float32), classes=2),
    ],
    lambda y, labels, factor, classes: (np.arange(classes) == labels[:, None]) * (y * factor)[:, None],
    linear=True,
)
row(
    "gather",
    lambda n: [
        S(n(3, 4), n.integers(0, 4, 3, 2), dim=1),
        S(n(3, 4), n.integers(0, 3, 5, 3), dim=0),
        S(n(4), np.array([1, 1, 0]), dim=0),
        S(n(2, 2, 3), n.integers(0, 3, 2, 1, 3), dim=2),
        S(n(3, 4), np.zeros((0, 4), np.int64), dim=0),
    ],
    linear=True,
    errors=[
        (
            lambda: m.ones(2, 3).gather(1, m.tensor([[3], [0]])),
            RuntimeError,
            "index 3 is out of bounds for dimension 1 with size 3",
        ),
        (lambda: m.ones(2, 3).gather(1, m.tensor([[-1], [0]])), RuntimeError, "index -1 is out of bounds"),
        (lambda: m.ones(2, 3).gather(1, m.tensor([0])), RuntimeError, "same number of dimensions"),
        (lambda: m.ones(2, 3).gather(1, m.ones(2, 1)), RuntimeError, "int64"),
    ],
)
row(
    "scatter_add",
    lambda n: [
        S(n(3, 2), n.integers(0, 4, 3, 2), dim=1, shape=(3, 4)),
        S(n(5, 3), n.integers(0, 3, 5, 3), dim=0, shape=(3, 4)),
        S(n(3), np.array([1, 1, 0]), dim=0, shape=(4,)),
        S(n(0, 4), np.zeros((0, 4), np.int64), dim=0, shape=(3, 4)),
    ],
    linear=True,
    errors=[
        (
            lambda: m.zeros(2, 3).scatter_add(1, m.tensor([[3], [0]]), m.ones(2, 1)),
            RuntimeError,
            "index 3 is out of bounds",
        ),
        (lambda: m.zeros(2, 3).scatter_add(1, m.tensor([[0, 0], [0, 0]]), m.ones(2, 1)), RuntimeError, "src"),
    ],
)
row("identity", lambda n: [S(n(2, 3)), S(n()), S(n(0, 2))], lambda x: x, linear=True)


def view(key: tuple) -> tuple:
    """A step of a view chain: x[key]."""
    return registry["getitem"], {"key": key}


def places(shape: tuple, views: tuple) -> np.ndarray:
    """The flat positions in an array of `shape` that the chain of views shows."""
    numpy = {
        "getitem": lambda a, key: a[key],
        "permute": lambda a, dims: np.transpose(a, dims),
        "reshape": lambda a, shape: np.reshape(a, shape),
    }
    at = np.arange(int(np.prod(shape))).reshape(shape)
    for primitive, settings in views:
        at = numpy[primitive.name](at, **settings)
    return at


def overwritten(x: np.ndarray, value: np.ndarray, views: tuple) -> np.ndarray:
    """x with the viewed elements replaced, one at a time."""
    out = x.copy()
    for position, v in zip(places(x.shape, views).ravel(), value.ravel(), strict=True):
        out.flat[position] = v
    return out


row(
    "overwrite",
    lambda n: [
        S(n(3, 4), n(2, 4), views=(view((slice(1, 3), Ellipsis)),)),
        S(n(3), n(3), views=()),
        S(n(3, 4), n(2, 2), views=(view((slice(1, 3), Ellipsis)), view((slice(None), slice(1, 4, 2), Ellipsis)))),
        S(n(2, 3), n(2), views=((registry["permute"], {"dims": (1, 0)}), view((1, Ellipsis)))),
        S(n(2, 3), n(3, 2), views=((registry["reshape"], {"shape": (3, 2)}),)),
        S(n(6), n(3, 2), views=((registry["reshape"], {"shape": (3, 2)}),)),
        S(n(3, 4), n(0, 4), views=(view((slice(1, 1), Ellipsis)),)),
    ],
    overwritten,
    linear=True,
)
