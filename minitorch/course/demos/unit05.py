"""Modules, scale and optimizers on your own code."""

import math

import numpy as np

import minitorch
from minitorch import nn


class Part(nn.Module):
    """One parameter and one buffer."""

    def __init__(self, *below: nn.Module) -> None:
        super().__init__()
        self.weight = nn.Parameter(minitorch.ones(2))
        self.register_buffer("mean", minitorch.zeros(2))
        for number, module in enumerate(below):
            self.add_module(f"part{number}", module)


def main() -> None:
    """Print the chapter."""
    print("1. A model in which one part is used twice. The walk finds it once:\n")
    shared = Part()
    net = Part(shared, Part(shared))
    print("   modules:   ", [name for name, _ in net.named_modules()])
    print("   parameters:", [name for name, _ in net.named_parameters()])
    print("   the state has both names:", [name for name in net.state_dict() if name.endswith("weight")])
    print("   in eval mode:", not any(module.training for module in net.eval().modules()))
    state = {name: value.clone() for name, value in net.state_dict().items()}
    state["part1.weight"], state["mean"] = minitorch.zeros(3), minitorch.zeros(1)
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        if isinstance(error, NotImplementedError):
            raise
        print("   loading a state with two wrong shapes:")
        print(*("      " + line.strip()[:100] for line in str(error).splitlines()), sep="\n")

    print("\n2. Twenty layers of 100 numbers, each followed by relu: the size of what comes out.\n")
    minitorch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)
    for layer in range(1, 21):
        x = np.maximum(x @ nn.init.kaiming_uniform_(minitorch.empty(100, 100), nonlinearity="relu").array.T, 0)
        if layer % 4 == 0:
            size = math.sqrt(float((x**2).mean()))
            print(f"   layer {layer:2}   {size:.3f} {'#' * min(60, round(20 * size))}")

    print("\n3. Down a valley, 20 times as steep across as along, from (-4, 1.5):\n")
    makers = {
        "SGD, lr 1.5": lambda p: minitorch.optim.SGD(p, lr=1.5),
        "SGD, lr 0.5, momentum 0.8": lambda p: minitorch.optim.SGD(p, lr=0.5, momentum=0.8),
        "... and nesterov": lambda p: minitorch.optim.SGD(p, lr=0.5, momentum=0.8, nesterov=True),
        "Adam, lr 0.3": lambda p: minitorch.optim.Adam(p, lr=0.3),
    }
    for name, make in makers.items():
        p, steep, heights = minitorch.tensor([-4.0, 1.5], requires_grad=True), minitorch.tensor([0.05, 1.0]), []
        optimizer = make([p])
        for step in range(41):
            loss = (p * p * steep).sum() * 0.5
            if step % 10 == 0:
                heights.append(f"{loss.item():9.6f}")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"   {name:26} height after 0, 10, ... 40 steps: {' '.join(heights)}")


if __name__ == "__main__":
    main()
