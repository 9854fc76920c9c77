"""Typical wrong solutions of unit 5."""

from ..outline import Wrong


def _with(right: dict[str, str], **wrong: str) -> tuple[str, ...]:
    """The blocks of a task in their order, some of them wrong."""
    return tuple(text.strip("\n") + "\n" for text in {**right, **wrong}.values())


WALKS = {
    "modules": """
memo = set() if memo is None else memo
if self in memo:
    return
if remove_duplicate:
    memo.add(self)
yield prefix, self
for name, module in self._modules.items():
    if module is not None:
        yield from module.named_modules(memo, _joined(prefix, name), remove_duplicate)
""",
    "members": """
seen = set()
owners = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
for owner, module in owners:
    for name, member in getattr(module, kind).items():
        if member is not None and member not in seen:
            if remove_duplicate:
                seen.add(member)
            yield _joined(owner, name), member
""",
}
STATE = {
    "train": """
for module in self.modules():
    module.training = mode
return self
""",
    "save": """
for name, tensor in (*self._parameters.items(), *self._buffers.items()):
    if tensor is not None and name not in self._non_persistent_buffers_set:
        destination[prefix + name] = tensor if keep_vars else tensor.detach()
""",
    "load": """
for key, (module, name, tensor) in state.items():
    if key not in state_dict:
        continue
    problem = _problem(key, tensor, state_dict[key], assign)
    if problem:
        errors.append(problem)
    else:
        plan.append((module, name, tensor, state_dict[key]))
self._refuse(errors)
""",
}
SCALE = {
    "uniform": """
bound = math.sqrt(3.0) * _kaiming_deviation(tensor, a, mode, nonlinearity)
return uniform_(tensor, -bound, bound, generator)
""",
    "fans": """
taps = math.prod(shape[2:])
return shape[1] * taps, shape[0] * taps
""",
    "deviation": """
fan = _calculate_fan_in_and_fan_out(tensor)[modes.index(mode.lower())]
return calculate_gain(nonlinearity, a) / math.sqrt(fan)
""",
}
DESCEND = """
if maximize:
    g = -g
if decays:
    g = weight_decay * p + g
if buffer is not None:
    if fresh:
        buffer[...] = g
    else:
        buffer *= momentum
        buffer += share * g
    g = momentum * buffer + g if nesterov else buffer
p -= lr * g
"""
ADAM = {
    "numbers": """
correction = sqrt(1 - beta2**count)
rate = lr * correction / (1 - beta1**count)
""",
    "step": """
m += share1 * (g - m)
v *= beta2
v += share2 * g * g
if peak is not None:
    np.maximum(peak, v, out=peak)
    v = peak
p -= rate * m / (np.sqrt(v) + eps)
""",
}


def _sgd(right: str, wrong: str) -> tuple[str, ...]:
    """The block of task 5.4 with a part exchanged."""
    assert DESCEND.count(right) == 1
    return (DESCEND.replace(right, wrong).strip("\n") + "\n",)


def _adam(right: str, wrong: str) -> tuple[str, ...]:
    """The blocks of task 5.5 with a part of one exchanged."""
    assert sum(text.count(right) for text in ADAM.values()) == 1
    return tuple(text.replace(right, wrong).strip("\n") + "\n" for text in ADAM.values())


WRONG = [
    Wrong(
        "5.1",
        "no memo",
        _with(
            WALKS,
            modules="""
yield prefix, self
for name, module in self._modules.items():
    if module is not None:
        yield from module.named_modules(memo, _joined(prefix, name), remove_duplicate)
""",
        ),
        "keep a memo",
    ),
    Wrong(
        "5.1",
        "children first",
        _with(
            WALKS,
            modules="""
memo = set() if memo is None else memo
if self in memo:
    return
if remove_duplicate:
    memo.add(self)
for name, module in self._modules.items():
    if module is not None:
        yield from module.named_modules(memo, _joined(prefix, name), remove_duplicate)
yield prefix, self
""",
        ),
        "comes before what is below it",
    ),
    Wrong(
        "5.1",
        "a parameter under two names twice",
        _with(
            WALKS,
            members="""
owners = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
for owner, module in owners:
    for name, member in getattr(module, kind).items():
        if member is not None:
            yield _joined(owner, name), member
""",
        ),
        "two steps",
    ),
    Wrong(
        "5.2",
        "only the children are switched",
        _with(
            STATE, train="for module in self.children():\n    module.training = mode\nself.training = mode\nreturn self"
        ),
        "still in training mode",
    ),
    Wrong(
        "5.2",
        "nothing is returned",
        _with(STATE, train="for module in self.modules():\n    module.training = mode"),
        "return the module itself",
    ),
    Wrong(
        "5.2",
        "loaded while it is checked",
        _with(
            STATE,
            load="""
for key, (module, name, tensor) in state.items():
    if key in state_dict:
        problem = _problem(key, tensor, state_dict[key], assign)
        if problem:
            errors.append(problem)
        else:
            tensor.write()[...] = state_dict[key].array
self._refuse(errors)
""",
        ),
        "all or nothing",
    ),
    Wrong(
        "5.2",
        "only the first problem is told",
        _with(
            STATE,
            load="""
for key, (module, name, tensor) in state.items():
    if key in state_dict:
        problem = _problem(key, tensor, state_dict[key], assign)
        self._refuse([problem] if problem else [])
        plan.append((module, name, tensor, state_dict[key]))
self._refuse(errors)
""",
        ),
        "collect all",
    ),
    Wrong(
        "5.3",
        "fans exchanged",
        _with(SCALE, fans="taps = math.prod(shape[2:])\nreturn shape[0] * taps, shape[1] * taps"),
        "exchanged",
    ),
    Wrong("5.3", "taps forgotten", _with(SCALE, fans="return shape[1], shape[0]"), "taps of the window are forgotten"),
    Wrong(
        "5.3",
        "the bound is the deviation",
        _with(
            SCALE,
            uniform="bound = _kaiming_deviation(tensor, a, mode, nonlinearity)\n"
            "return uniform_(tensor, -bound, bound, generator)",
        ),
        r"b / sqrt\(3\)",
    ),
    Wrong("5.4", "uphill", _sgd("p -= lr * g", "p += lr * g"), "sign is wrong"),
    Wrong(
        "5.4",
        "the buffer forgets",
        _sgd("        buffer *= momentum\n        buffer += share * g", "        buffer[...] = share * g"),
        "old buffer",
    ),
    Wrong(
        "5.4", "the first buffer is damped", _sgd("buffer[...] = g\n", "buffer[...] = share * g\n"), "first buffer is g"
    ),
    Wrong(
        "5.4",
        "nesterov moves the buffer",
        _sgd(
            "    g = momentum * buffer + g if nesterov else buffer",
            "    if nesterov:\n        buffer[...] = momentum * buffer + g\n    g = buffer",
        ),
        "moved ahead",
    ),
    Wrong(
        "5.4",
        "the gradient is changed",
        _sgd("if decays:\n    g = weight_decay * p + g", "if decays:\n    g += weight_decay * p"),
        "changed the gradient",
    ),
    Wrong(
        "5.5",
        "no correction",
        (*_with({"numbers": "correction, rate = 1.0, lr"}), *_adam("share1", "share1")[1:]),
        "not corrected",
    ),
    Wrong(
        "5.5",
        "v is not corrected",
        _adam("rate = lr * correction / (1 - beta1**count)", "correction = 1.0\nrate = lr / (1 - beta1**count)"),
        "v is not corrected",
    ),
    Wrong("5.5", "no root", _adam("np.sqrt(v)", "v"), "expected"),
    Wrong("5.5", "the peak is not used", _adam("    v = peak\n", "    peak = peak\n"), "peak, the largest v so far"),
]
