"""Typical wrong solutions of unit 6."""

from ..outline import Wrong

LOSS = {
    "pick": "x=lambda g, labels, factor, x_shape: put(g, labels, factor, classes=x_shape[1]),\n",
    "put": "y=lambda g, labels, factor: pick(g, labels, factor),\n",
    "mean": """\
counted = labels != ignore_index
divisor = float(counted.sum() if table is None else table[labels[counted]].sum())
""",
    "whole": """\
return _picked(reducing.log_softmax_over(_rows(input), dim=1), target, weights, ignore_index, reduction)[0]
""",
}
EPOCH = """\
net.train()
total, count = 0.0, 0
for x, labels in batches:
    loss = cross_entropy(net(x), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    total += loss.item() * len(labels)
    count += len(labels)
return total / count
"""
ACCURACY = """\
before, right, count = net.training, 0, 0
net.eval()
with no_grad():
    for x, labels in batches:
        right += int((net(x).argmax(1) == labels).sum().item())
        count += len(labels)
net.train(before)
return right / count
"""


def _loss(**wrong: str) -> tuple[str, ...]:
    """The blocks of task 6.1, one of them wrong."""
    return tuple({**LOSS, **wrong}.values())


def _with(text: str, right: str, wrong: str) -> tuple[str, ...]:
    """A block with a part exchanged."""
    assert text.count(right) == 1
    return (text.replace(right, wrong),)


COUNT = "counted = labels != ignore_index\n"
WRONG = [
    Wrong(
        "6.1",
        "scores without log_softmax",
        _loss(whole="return _picked(_rows(input), target, weights, ignore_index, reduction)[0]\n"),
        "log_softmax is missing",
    ),
    Wrong(
        "6.1",
        "ignored rows are counted",
        _loss(mean=COUNT + "divisor = float(len(labels) if table is None else table[labels[counted]].sum())\n"),
        "counts rows that are ignored",
    ),
    Wrong(
        "6.1",
        "weights are not divided by",
        _loss(mean=COUNT + "divisor = float(counted.sum())\n"),
        "not by the sum of their weights",
    ),
    Wrong(
        "6.1",
        "the rule of pick forgets the factor",
        _loss(pick="x=lambda g, labels, factor, x_shape: put(g, labels, factor * 0 + 1, classes=x_shape[1]),\n"),
        "pick of a .*derivative by x",
    ),
    Wrong("6.2", "no zero_grad", _with(EPOCH, "    optimizer.zero_grad()\n", ""), "call zero_grad"),
    Wrong(
        "6.2",
        "zero_grad after backward",
        _with(
            EPOCH,
            "    optimizer.zero_grad()\n    loss.backward()\n",
            "    loss.backward()\n    optimizer.zero_grad()\n",
        ),
        "there is no gradient",
    ),
    Wrong(
        "6.2",
        "the mean over batches",
        (EPOCH.replace("loss.item() * len(labels)", "loss.item()").replace("+= len(labels)", "+= 1"),),
        "weigh by the number",
    ),
    Wrong("6.2", "the total is a tensor", _with(EPOCH, "loss.item()", "loss"), "keeps its whole tape"),
    Wrong("6.2", "the mode is left", _with(EPOCH, "net.train()\n", ""), r"call net.train\(\)"),
    Wrong(
        "6.3",
        "the mean over batches",
        (ACCURACY.replace("sum().item())", "sum().item()) / len(labels)").replace("+= len(labels)", "+= 1"),),
        "count samples",
    ),
    Wrong("6.3", "in training mode", _with(ACCURACY, "net.eval()\n", ""), "in training mode while"),
    Wrong("6.3", "on the tape", _with(ACCURACY, "with no_grad():", "if True:"), "use no_grad"),
    Wrong("6.3", "always back to training mode", _with(ACCURACY, "net.train(before)", "net.train()"), "leave the mode"),
]
