"""Random numbers: generators that can be seeded, saved and restored."""

from __future__ import annotations

from typing import Any

import numpy as np

from .dtypes import FLOATS


class Generator:
    """A stream of random numbers; `.numpy` is the NumPy generator it draws from.

    >>> import minitorch
    >>> g = minitorch.Generator().manual_seed(7)
    >>> a = minitorch.rand(3, generator=g)
    >>> bool((a == minitorch.rand(3, generator=g.manual_seed(7))).all())
    True
    """

    def __init__(self, device: Any = "cpu") -> None:
        if str(device).partition(":")[0] != "cpu":
            raise RuntimeError(f"minitorch runs on the CPU: `device` must be 'cpu', but got {device!r}")
        self.device = device
        self.manual_seed(67280421310721)  # PyTorch's default seed

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream that belongs to `seed`, an int of 64 bits; negative ones count from 2^64. Returns self.

        Raises ValueError beyond that.
        """
        seed = int(seed)
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"manual_seed: overflow when unpacking {seed} as 64 bits")
        self._seed = seed % 2**64
        self.numpy = np.random.Generator(np.random.PCG64(self._seed))
        return self

    def seed(self) -> int:
        """Start at a random seed, and return it."""
        self.manual_seed(int(np.random.SeedSequence().generate_state(1, np.uint64)[0]))
        return self._seed

    def initial_seed(self) -> int:
        """The seed the stream began with."""
        return self._seed

    def get_state(self) -> dict:
        """The position of the stream, for `set_state`."""
        return {"seed": self._seed, "state": self.numpy.bit_generator.state}

    def set_state(self, state: dict) -> Generator:
        """Go on from where `get_state` was called; returns the generator."""
        self.numpy.bit_generator.state = state["state"]
        self._seed = state["seed"]
        return self


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator, from which everything draws that is given none; returns it."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator at random, and return the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The default generator's seed."""
    return default_generator.initial_seed()


def get_rng_state() -> dict:
    """The state of the default generator."""
    return default_generator.get_state()


def set_rng_state(state: dict) -> None:
    """Put the default generator back to where `get_rng_state` was called."""
    default_generator.set_state(state)


def numpy_generator(generator: Generator | None) -> np.random.Generator:
    """The NumPy generator of `generator`, or of the default one for None. Raises TypeError for anything else."""
    if generator is None:
        return default_generator.numpy
    if not isinstance(generator, Generator):
        raise TypeError(f"expected a minitorch.Generator, got {type(generator).__name__}")
    return generator.numpy


def check_drawn(name: str, d: np.dtype) -> np.dtype:
    """A dtype that random numbers come in. Raises NotImplementedError for integers and bools."""
    if d.kind not in FLOATS:
        raise NotImplementedError(f'"{name}" not implemented for {d.name}: random numbers are float32 or float64')
    return d


def check_probability(p: Any) -> np.ndarray:
    """A number or a tensor as an array. Raises RuntimeError unless all of it lies in [0, 1]."""
    if not hasattr(p, "array") and not isinstance(p, float | int):
        raise TypeError(f"bernoulli: `p` must be a number or a Tensor, but got {p!r}")
    values = np.asarray(p.array if hasattr(p, "array") else p)
    wrong = values[~((values >= 0) & (values <= 1))]
    if wrong.size:
        raise RuntimeError(f"bernoulli expects p to be in [0, 1], but got p={wrong[0]}")
    return values
