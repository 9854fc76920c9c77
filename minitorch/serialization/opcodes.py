"""Pickles as a list of steps: a machine that takes them one by one and calls nothing that a pickle names.

Python's pickle looks names up and calls what it finds. Here a name is looked up in a table of ours, and what stands
there takes plain values only. Everything that the machine builds is paid for out of a budget that grows with each byte
read, so a short pickle can't fill the memory.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Mapping
from typing import Any

from minitorch import devices, dtypes

LONGEST = 1 << 26  # bytes of pickles in a file
BASE, FACTOR = 1 << 24, 32  # after n bytes of a pickle, it has BASE + FACTOR * n bytes to spend
DEEP = 500  # containers within each other
TUPLES = 1000  # that are keys or in sets: more of them could be chosen to be slow


class Refused(ValueError):
    """What a pickle asks for and does not get."""


class Unfinished:
    """What stands for an object whose attributes follow; they turn it into another."""

    def __init__(self) -> None:
        self.numbers: list[int] = []  # in the memo


class Call:
    """What stands for a name that a pickle may call: a function of ours."""

    def __init__(self, name: str, make: Callable[..., Any]) -> None:
        self.name, self.make = name, make


class Keys:
    """Lets through what may be a key of a dict or in a set. Others can be such that to find them takes for ever."""

    def __init__(self) -> None:
        self.tuples = TUPLES

    def __call__(self, value: Any, depth: int = 0) -> Any:
        """The value itself."""
        kind = type(value)
        if kind is tuple and len(value) <= 16 and depth < 3 and self.tuples:
            self.tuples -= 1
            for entry in value:
                self(entry, depth + 1)
        elif kind is int:
            if abs(value) >= 1 << 60:
                raise Refused("it has a dict or set with a key that is too large a number")
        elif kind not in (str, bytes, float, bool, type(None), devices.device) and not isinstance(value, dtypes.dtype):
            raise Refused(f"it has a dict or set with a {kind.__name__} as a key")
        return value


class Machine:
    """Runs the pickles in `content`, one after the other.

    names: what stands for a "module.name", a value or a Call; None refuses it.
    storage: makes an object of the way in which a pickle speaks of what is outside of it.
    attributes: called with (object, state) where a pickle sets an object's attributes; returns the object.
    text: the coding of Python 2's strings, or "bytes".
    """

    def __init__(
        self,
        content: Any,
        names: Callable[[str], Any],
        attributes: Callable[[Any, Any], Any],
        storage: Callable[[Any], Any] | None = None,
        text: str = "utf-8",
        keys: Keys | None = None,
    ) -> None:
        self.content, self.at, self.spent = content, 0, 0
        self.names, self.attributes, self.storage, self.text = names, attributes, storage, text
        self.key = keys or Keys()
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """The next object."""
        self.stack, self.marks, self.memo = [], [], {}
        while True:
            code = self.take(1)[0]
            if code == STOP:
                if len(self.stack) != 1 or self.marks:
                    raise Refused("its pickle ends in the middle of an object")
                return self.stack.pop()
            step = STEPS.get(code)
            if step is None:
                raise Refused(f"its pickle has the step {bytes([code])!r}, which files of tensors do without")
            step(self)

    def take(self, count: int) -> bytes:
        """The next bytes."""
        start, self.at = self.at, self.at + count
        if self.at > len(self.content):
            raise Refused("its pickle is cut short")
        if self.at > LONGEST:
            raise Refused(f"its pickle is longer than the {LONGEST:,} bytes that are read")
        return self.content[start : self.at]

    def pay(self, size: int) -> None:
        """Take the bytes that an object needs out of the budget."""
        self.spent += size
        if self.spent > BASE + FACTOR * self.at:
            raise Refused("its pickle would take far more memory than its length allows")

    def push(self, value: Any, size: int = 64) -> None:
        """A new object."""
        self.pay(size)
        self.stack.append(value)

    def pop(self) -> Any:
        """The object on top."""
        if not self.stack:
            raise Refused("its pickle takes an object where none is")
        return self.stack.pop()

    def top(self, kind: type) -> Any:
        """The object on top, which has to be of this type and not of a subclass that does more."""
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise Refused(f"its pickle takes something else for a {kind.__name__}")
        return self.stack[-1]

    def marked(self) -> list[Any]:
        """The objects since the last mark."""
        if not self.marks:
            raise Refused("its pickle goes back to a mark that is not there")
        found, self.stack = self.stack, self.marks.pop()
        return found

    def number(self, index: int) -> None:
        """Remember the object on top."""
        if not self.stack:
            raise Refused("its pickle takes an object where none is")
        self.pay(100)
        value = self.memo[index] = self.stack[-1]
        if isinstance(value, Unfinished):
            value.numbers.append(index)

    def again(self, index: int) -> None:
        """A remembered object."""
        if index not in self.memo:
            raise Refused(f"its pickle has no object {index}")
        self.push(self.memo[index], 8)

    def string(self, size: int, coding: str | None = "utf-8") -> None:
        """Text, or bytes where no coding is given."""
        content = self.take(size)
        self.push(content if coding in (None, "bytes") else content.decode(coding, "surrogatepass"))

    def name(self, module: Any, name: Any) -> None:
        """What stands for a name."""
        full = f"{module}.{name}"
        found = self.names(full)
        if found is None:
            raise Refused(f"it names {full[:200]}, which is never looked up")
        self.push(found, 0)

    def call(self) -> None:
        """What a Call makes of its arguments."""
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, Call) or type(arguments) is not tuple:
            raise Refused("its pickle calls what is no function")
        for argument in arguments:
            if isinstance(argument, str | bytes):
                self.pay(4 * len(argument))
            elif isinstance(argument, list | tuple | dict):
                self.pay(100 * len(argument))
        try:
            made = function.make(*arguments)
        except TypeError as error:
            raise Refused(f"it calls {function.name} in a way that is not known: {error}") from error
        self.push(made, 500)

    def build(self) -> None:
        """Attributes of the object on top, which may turn it into another."""
        state, before = self.pop(), self.pop()
        after = self.attributes(before, state)
        if isinstance(before, Unfinished):
            self.memo.update(dict.fromkeys(before.numbers, after))
        self.push(after, 0)

    def append(self, entries: list[Any]) -> None:
        """Lists grow."""
        self.pay(8 * len(entries))
        self.top(list).extend(entries)

    def put(self, entries: list[Any]) -> None:
        """Dicts grow: keys and values in turns."""
        into = self.top(dict)
        if len(entries) % 2:
            raise Refused("its pickle has a key without a value")
        self.pay(100 * len(entries) // 2)
        for key, value in zip(entries[::2], entries[1::2], strict=True):
            into[self.key(key)] = value

    def add(self, entries: list[Any]) -> None:
        """Sets grow."""
        self.pay(100 * len(entries))
        self.top(set).update(map(self.key, entries))

    def outside(self) -> None:
        """What the object on top says of something outside the pickle."""
        if self.storage is None:
            raise Refused("it speaks of something outside of it")
        self.push(self.storage(self.pop()), 0)


def _unsigned(size: int) -> Callable[[Machine], int]:
    return lambda machine: int.from_bytes(machine.take(size), "little")


def _integer(machine: Machine, size: int) -> None:
    machine.push(int.from_bytes(machine.take(size), "little", signed=True))


def _mark(machine: Machine) -> None:
    machine.pay(64)
    machine.marks.append(machine.stack)
    machine.stack = []


def _tuple(machine: Machine, count: int | None = None) -> None:
    entries = machine.marked() if count is None else [machine.pop() for _ in range(count)][::-1]
    machine.push(tuple(entries), 64 + 8 * len(entries))


def _line(machine: Machine) -> str:
    end = machine.content.find(b"\n", machine.at, machine.at + 1000)
    if end < 0:
        raise Refused("its pickle has a name without an end")
    return machine.take(end + 1 - machine.at)[:-1].decode()


def _global(machine: Machine) -> None:
    module = _line(machine)
    machine.name(module, _line(machine))


def _stacked_name(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    if type(name) is not str or type(module) is not str:
        raise Refused("its pickle has a name that is no text")
    machine.name(module, name)


def _pairs_of_one(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    machine.put([key, value])


_1, _2, _4, _8 = map(_unsigned, (1, 2, 4, 8))
STOP = ord(".")
# The steps of protocols 2 to 5 that nests of plain data need, by their byte.
STEPS: dict[int, Callable[[Machine], Any]] = {
    0x80: lambda m: m.take(1),  # protocol
    0x95: lambda m: m.take(8),  # frame
    ord("("): _mark,
    ord("N"): lambda m: m.push(None, 48),  # in memory it is 8, but in time as much as others
    0x88: lambda m: m.push(True, 48),
    0x89: lambda m: m.push(False, 48),
    ord("K"): lambda m: m.push(_1(m), 8),
    ord("M"): lambda m: m.push(_2(m), 32),
    ord("J"): lambda m: _integer(m, 4),
    0x8A: lambda m: _integer(m, _1(m)),
    0x8B: lambda m: _integer(m, _4(m)),
    ord("G"): lambda m: m.push(struct.unpack(">d", m.take(8))[0], 32),
    ord("X"): lambda m: m.string(_4(m)),
    0x8C: lambda m: m.string(_1(m)),
    0x8D: lambda m: m.string(_8(m)),
    ord("U"): lambda m: m.string(_1(m), m.text),  # Python 2's text
    ord("T"): lambda m: m.string(_4(m), m.text),
    ord("C"): lambda m: m.string(_1(m), None),
    ord("B"): lambda m: m.string(_4(m), None),
    0x8E: lambda m: m.string(_8(m), None),
    0x96: lambda m: m.push(bytearray(m.take(_8(m)))),
    ord(")"): lambda m: m.push((), 8),
    ord("]"): lambda m: m.push([]),
    ord("}"): lambda m: m.push({}),
    0x8F: lambda m: m.push(set(), 216),
    ord("a"): lambda m: m.append([m.pop()]),
    ord("e"): lambda m: m.append(m.marked()),
    ord("s"): _pairs_of_one,
    ord("u"): lambda m: m.put(m.marked()),
    0x90: lambda m: m.add(m.marked()),
    ord("t"): _tuple,
    0x85: lambda m: _tuple(m, 1),
    0x86: lambda m: _tuple(m, 2),
    0x87: lambda m: _tuple(m, 3),
    ord("q"): lambda m: m.number(_1(m)),
    ord("r"): lambda m: m.number(_4(m)),
    0x94: lambda m: m.number(len(m.memo)),
    ord("h"): lambda m: m.again(_1(m)),
    ord("j"): lambda m: m.again(_4(m)),
    ord("c"): _global,
    0x93: _stacked_name,
    ord("R"): Machine.call,
    ord("b"): Machine.build,
    ord("Q"): Machine.outside,
}


def check_plain(value: Any, allowed: Callable[[Any], bool]) -> None:
    """Raises Refused where a nest holds something that is not allowed, contains itself, or is nested too deeply."""
    open_: list[tuple[int, Any]] = [(0, iter((value,)))]  # containers on the way to here
    way: set[int] = set()
    done: set[int] = set()
    while open_:
        this, entries = open_[-1]
        for entry in entries:
            kind = type(entry)
            if isinstance(entry, dict | list | tuple | set):
                if id(entry) in way:
                    raise Refused("it holds a container that contains itself")
                if id(entry) in done:
                    continue
                if len(open_) > DEEP:
                    raise Refused("it is nested too deeply")
                way.add(id(entry))
                inside = entry.values() if isinstance(entry, dict) else entry
                open_.append(
                    (id(entry), itertools.chain(inside, vars(entry).values() if hasattr(entry, "__dict__") else ()))
                )
                break
            if not allowed(entry):
                what = f"the name {entry.name} itself" if isinstance(entry, Call) else f"a {kind.__name__}"
                raise Refused(f"it holds {what}, which is no value")
        else:
            open_.pop()
            way.discard(this)
            done.add(this)


class Steps:
    """A pickle of protocol 2 as it is written, step by step."""

    def __init__(self) -> None:
        self.out: list[bytes | bytearray] = [b"\x80\x02"]
        self.known: dict[Any, int] = {}  # numbers of names and objects that were written

    def finish(self) -> bytes:
        """All of it."""
        return b"".join([*self.out, b"."])

    def remember(self, key: Any) -> None:
        """Number the object written last."""
        number = self.known[key] = len(self.known)
        self.out.append(b"r" + struct.pack("<I", number))

    def recall(self, key: Any) -> bool:
        """Write a numbered object once more, if it is there."""
        if key in self.known:
            self.out.append(b"j" + struct.pack("<I", self.known[key]))
        return key in self.known

    def name(self, full: str) -> None:
        """A "module.name"."""
        if not self.recall(full):
            module, _, name = full.rpartition(".")
            self.out.append(f"c{module}\n{name}\n".encode())
            self.remember(full)

    def named(self, full: str) -> Callable[[], None]:
        """A name, to be written when it is its turn."""
        return lambda: self.name(full)

    def call(self, name: str, *arguments: Any) -> None:
        """A call of "module.name"."""
        self.name(name)
        self.group(b"t", *arguments)
        self.out.append(b"R")

    def group(self, end: bytes, *entries: Any) -> None:
        """Entries, as `plain` takes them, and the step that gathers them."""
        self.out.append(b"(")
        for entry in entries:
            self.plain(entry)
        self.out.append(end)

    def plain(self, value: Any) -> None:
        """None, a bool, a number, text, bytes, a tuple of these, or what a function writes."""
        if callable(value):
            value()
        elif value is None or type(value) is bool:
            self.out.append({None: b"N", True: b"\x88", False: b"\x89"}[value])
        elif type(value) is int:
            self.out.append(_number(value))
        elif type(value) is float:
            self.out.append(b"G" + struct.pack(">d", value))
        elif type(value) is complex:
            self.call("__builtin__.complex", value.real, value.imag)
        elif isinstance(value, tuple):
            self.group(b"t", *value)
        elif type(value) is bytes:  # protocol 2 has none
            self.call("_codecs.encode", value.decode("latin1"), "latin1")
        else:
            content = value.encode("utf-8", "surrogatepass")
            self.out.append(b"X" + struct.pack("<I", len(content)) + content)


def _number(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    if len(content) > 255:
        return b"\x8b" + struct.pack("<I", len(content)) + content
    return b"\x8a" + bytes([len(content)]) + content


def names_of(table: Mapping[str, Any]) -> Callable[[str], Any]:
    """A look-up of names for a Machine: functions come as Calls."""
    return {name: Call(name, value) if callable(value) else value for name, value in table.items()}.get
