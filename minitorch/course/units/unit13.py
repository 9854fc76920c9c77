"""Unit 13: the project. Nothing is blank; the framework that was written trains CIFAR-10."""

from ..outline import Unit

UNIT = Unit(
    number=13,
    name="project",
    title="CIFAR-10 on your own framework",
    hours=5.0,
    read=("minitorch/autograd/plain.py", "minitorch/summary.py"),
    tasks=(),
)
