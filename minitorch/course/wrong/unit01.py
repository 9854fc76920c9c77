"""Typical wrong solutions of unit 1."""

from ..outline import Wrong

SLOPES = {
    "+": "slopes = 1.0, 1.0\n",
    "*": "slopes = other.value, self.value\n",
    "**": "slope = n * self.value ** (n - 1)\n",
    "exp": "slope = out\n",
    "log": "slope = 1 / self.value\n",
    "relu": "slope = 1.0 if self.value > 0 else 0.0\n",
}


def _with(operation: str, text: str) -> tuple[str, ...]:
    """The blocks of task 1.2, one of them wrong."""
    return tuple({**SLOPES, operation: text}.values())


WRONG = [
    Wrong(
        "1.1",
        "a forward difference",
        (
            """\
slopes = []
for i, x in enumerate(point):
    above = list(point)
    above[i] = x + step
    slopes.append((function(*above) - function(*point)) / step)
return slopes
""",
        ),
        "both sides",
    ),
    Wrong(
        "1.1",
        "divided by one step",
        (
            """\
slopes = []
for i, x in enumerate(point):
    above, below = list(point), list(point)
    above[i], below[i] = x + step, x - step
    slopes.append((function(*above) - function(*below)) / step)
return slopes
""",
        ),
        "factor 2 is missing",
    ),
    Wrong(
        "1.1",
        "the point is moved and not put back",
        (
            """\
slopes = []
for i in range(len(point)):
    point[i] += step
    above = function(*point)
    point[i] -= 2 * step
    slopes.append((above - function(*point)) / (2 * step))
return slopes
""",
        ),
        "changed the point",
    ),
    Wrong("1.2", "the factors of a product exchanged", _with("*", "slopes = self.value, other.value\n"), "exchanged"),
    Wrong("1.2", "a power without its factor", _with("**", "slope = self.value ** (n - 1)\n"), "factor n .* missing"),
    Wrong(
        "1.2", "exp by the power rule", _with("exp", "slope = self.value * math.exp(self.value - 1)\n"), "power rule"
    ),
    Wrong("1.2", "log over its value", _with("log", "slope = 1 / math.log(self.value)\n"), "not over its value"),
    Wrong("1.2", "relu's value for its slope", _with("relu", "slope = max(self.value, 0.0)\n"), "not its slope"),
    Wrong(
        "1.3",
        "a second path overwrites the first",
        (
            """\
arrived = {self: 1.0}
while arrived:
    newest = max(arrived, key=lambda scalar: scalar.number)
    g = arrived.pop(newest)
    newest.grad += g
    for x, slope in zip(newest.inputs, newest.slopes):
        arrived[x] = g * slope
""",
        ),
        "overwritten",
    ),
    Wrong(
        "1.3",
        "the last that came goes first, as on a stack",
        (
            """\
arrived = [(self, 1.0)]
while arrived:
    scalar, g = arrived.pop()
    scalar.grad += g
    for x, slope in zip(scalar.inputs, scalar.slopes):
        arrived.append((x, g * slope))
""",
        ),
        "every path was walked",
    ),
    Wrong(
        "1.3",
        "depth first, each scalar once",
        (
            """\
arrived, stack, done = {self: 1.0}, [self], set()
while stack:
    scalar = stack.pop()
    if scalar in done:
        continue
    done.add(scalar)
    for x, slope in zip(scalar.inputs, scalar.slopes):
        arrived[x] = arrived.get(x, 0.0) + arrived[scalar] * slope
        stack.append(x)
for scalar, g in arrived.items():
    scalar.grad += g
""",
        ),
        "before all of it had arrived",
    ),
    Wrong(
        "1.3",
        "grad itself is handed on",
        (
            """\
self.grad = 1.0
waiting = {self}
while waiting:
    newest = max(waiting, key=lambda scalar: scalar.number)
    waiting.remove(newest)
    for x, slope in zip(newest.inputs, newest.slopes):
        x.grad += newest.grad * slope
        waiting.add(x)
""",
        ),
        "earlier call's grad",
    ),
    Wrong(
        "1.3",
        "what arrived is not multiplied",
        (
            """\
arrived = {self: 1.0}
while arrived:
    newest = max(arrived, key=lambda scalar: scalar.number)
    newest.grad += arrived.pop(newest)
    for x, slope in zip(newest.inputs, newest.slopes):
        arrived[x] = arrived.get(x, 0.0) + slope
""",
        ),
        "multiply what arrived",
    ),
    Wrong(
        "1.3",
        "backward calls itself",
        (
            """\
def walk(scalar, g):
    scalar.grad += g
    for x, slope in zip(scalar.inputs, scalar.slopes):
        walk(x, g * slope)
walk(self, 1.0)
""",
        ),
        "calls itself|every path was walked",
    ),
]
