"""Single layers: forward, and the gradient for the input and for the weight, each through `autograd.grad`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

FACES = ("forward", "input gradient", "weight gradient")


class Conv(NamedTuple):
    """A 2-d convolution of square images without bias."""

    n: int
    c: int
    size: int
    k: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1

    def __str__(self) -> str:
        """As in the table."""
        name = f"{self.kernel}x{self.kernel} C{self.c} {self.size}² K{self.k}"
        return f"N{self.n} " + ("depthwise " if self.groups > 1 else "") + name + f" s{self.stride}"

    @property
    def output(self) -> tuple[int, ...]:
        """Shape of the result."""
        return (self.n, self.k, *self._geometry.output_size)

    @property
    def flops(self) -> int:
        """Of each face: a multiply and an add for every pair of output element and tap, zeros around x included."""
        return conv_flops(self.n, self.c, self.k, self._geometry)

    @property
    def goal(self) -> float:
        """Asked of every face, as a ratio to PyTorch's best layout."""
        if self.groups > 1:
            return 3.0
        return 1.8 if (self.kernel, self.stride) == (3, 1) and min(self.c, self.k) >= 64 else 1.0

    @property
    def _geometry(self) -> Any:
        from minitorch.geometry import ConvGeometry

        return ConvGeometry.of((self.size, self.size), self.kernel, self.stride, self.padding, groups=self.groups)

    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of x and of the weight."""
        return (self.n, self.c, self.size, self.size), (self.k, self.c // self.groups, self.kernel, self.kernel)

    def apply(self, functional: Any, x: Any, w: Any) -> Any:
        """The forward pass, in either framework."""
        return functional.conv2d(x, w, stride=self.stride, padding=self.padding, groups=self.groups)


class Linear(NamedTuple):
    """A linear layer without bias."""

    n: int
    inputs: int
    outputs: int
    goal: float = 1.0

    def __str__(self) -> str:
        """As in the table."""
        return f"Linear ({self.n}, {self.inputs}) to {self.outputs}"

    @property
    def output(self) -> tuple[int, ...]:
        """Shape of the result."""
        return self.n, self.outputs

    @property
    def flops(self) -> int:
        """Of each face."""
        return 2 * self.n * self.inputs * self.outputs

    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of x and of the weight."""
        return (self.n, self.inputs), (self.outputs, self.inputs)

    def apply(self, functional: Any, x: Any, w: Any) -> Any:
        """The forward pass, in either framework."""
        return functional.linear(x, w)


def conv_flops(n: int, c: int, k: int, geometry: Any) -> int:
    """2 x images x output pixels x output channels x taps x channels that a tap sees."""
    return 2 * n * k * (c // geometry.groups) * int(np.prod(geometry.kernel_size) * np.prod(geometry.output_size))


def _depthwise(c: int, size: int, stride: int) -> Conv:
    return Conv(64, c, size, c, 3, stride, 1, groups=c)


DENSE = [
    Conv(64, 64, 16, 64, 3, 1, 1),
    Conv(64, 64, 32, 64, 3, 1, 1),
    Conv(64, 128, 16, 128, 3, 1, 1),
    Conv(64, 256, 8, 256, 3, 1, 1),
    Conv(64, 64, 32, 128, 3, 2, 1),
    Conv(64, 3, 32, 64, 3, 1, 1),
    Conv(64, 64, 32, 64, 1),
]
OF_NETS = [
    Conv(128, 16, 32, 16, 3, 1, 1),
    Conv(128, 32, 16, 32, 3, 1, 1),
    Conv(128, 64, 8, 64, 3, 1, 1),
    Conv(256, 3, 32, 24, 2),
    Conv(256, 24, 31, 64, 3, 1, 1),
    Conv(256, 64, 15, 256, 3, 1, 1),
    Conv(256, 256, 7, 256, 3, 1, 1),
    Conv(256, 256, 15, 256, 3, 1, 1),
]
DEPTHWISE = [
    _depthwise(*shape)
    for shape in ((32, 32, 1), (64, 32, 2), (128, 16, 1), (128, 16, 2), (256, 8, 1), (256, 8, 2), (512, 4, 1))
]
LINEAR = [Linear(64, 400, 120), Linear(64, 4096, 10), Linear(128, 64, 10), Linear(256, 1024, 1024)]
ALL = DENSE + OF_NETS + DEPTHWISE + LINEAR
QUICK = [*DENSE, OF_NETS[0], DEPTHWISE[2], LINEAR[3]]


def faces(side: Any, layer: Conv | Linear) -> dict[str, Any]:
    """The three passes as functions; the gradients run a graph that was recorded once and holds nothing else."""
    rng = np.random.default_rng(0)
    functional, grad = side.lib.nn.functional, side.lib.autograd.grad
    x, w = (rng.standard_normal(shape, np.float32) for shape in layer.shapes())
    g = side.tensor(rng.standard_normal(layer.output, np.float32))

    def gradient(of_input: bool) -> Any:
        operands = side.tensor(x).requires_grad_(of_input), side.weight(w).requires_grad_(not of_input)
        y = layer.apply(functional, *operands)
        return lambda: grad([y], [operands[0 if of_input else 1]], [g], retain_graph=True)

    operands = side.tensor(x), side.weight(w)

    def forward() -> np.ndarray:
        return layer.apply(functional, *operands).numpy()  # which sees to it that nothing is put off

    return dict(zip(FACES, (forward, gradient(True), gradient(False)), strict=True))
