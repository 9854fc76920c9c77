"""Unit 5: modules, parameters, their initial scale, and the optimizers SGD and Adam."""

from ..outline import Task, Unit

MODULE, INIT = "minitorch/nn/module.py", "minitorch/nn/init.py"
SGD, ADAM = "minitorch/optim/sgd.py", "minitorch/optim/adam.py"

UNIT = Unit(
    number=5,
    name="modules",
    title="Modules and optimizers",
    hours=3.0,
    read=(MODULE, INIT, SGD, ADAM),
    tasks=(
        Task(
            id="5.1",
            title="walks over modules and their parameters, shared ones once",
            files=(MODULE,),
            write="`named_modules` yields a module under its name, then all below it. `_named_members` walks over "
            "modules and yields what one of their dicts holds. Both pass over None, and yield what is shared once, "
            "unless `remove_duplicate` is False.",
            hints=(
                "A generator may hand over to another: `yield from`. Which set of what came already do all levels of "
                "the walk share?",
                "named_modules: nothing if self is in memo; remember self, if duplicates are to be removed; yield "
                "(prefix, self); then for each submodule that is not None, yield from its own walk, with its name "
                "joined to the prefix and with the same memo.",
                "_named_members: the owners are the pairs of `self.named_modules(prefix=..., remove_duplicate=...)` "
                "or, without recurse, the pair (prefix, self) alone. For each, go through the dict `getattr(module, "
                "kind)`; skip None and what is in a set; yield `_joined(owner, name)` and the member.",
            ),
            points=3,
            minutes=40,
        ),
        Task(
            id="5.2",
            title="train and eval, state_dict, loading all or nothing",
            files=(MODULE,),
            write="Set `training` on every module of the walk, and return self. Put parameters and persistent buffers "
            "into `destination` under prefix + name. Before loading, check every value: what is wrong is collected "
            "and refused together, what is right goes to the plan.",
            hints=(
                "Read what stands around the three blocks: where do `destination`, `errors` and `plan` come from, and "
                "who uses them afterwards?",
                "A tensor of the state is detached, unless keep_vars; None and the names in "
                "`_non_persistent_buffers_set` are left out. A key that the given dict does not have was reported "
                "elsewhere: pass over it.",
                "Loading: for each key and its (module, name, tensor) in `state`, if the key is in `state_dict`, ask "
                "`_problem`; append it to `errors`, or append the four of module, name, tensor and value to `plan`. "
                "After the loop, and not in it, call `self._refuse(errors)`.",
            ),
            minutes=40,
        ),
        Task(
            id="5.3",
            title="the initial scale",
            files=(INIT,),
            write="Compute fan in and fan out of a weight, the deviation that keeps the size of what passes, and the "
            "bound of a uniform distribution that has this deviation.",
            hints=(
                "An output is a sum of fan-in terms. If each has variance v, what is the variance of the sum?",
                "fan in is the number of inputs times the number of taps; fan out likewise. The deviation is the gain "
                "over the root of the chosen fan. The variance of a uniform distribution over [-b, b) is b^2 / 3.",
                "`math.prod(shape[2:])` are the taps. `modes.index(mode.lower())` is 0 or 1, which picks the fan. The "
                "bound is the deviation times the root of 3; `uniform_(tensor, -bound, bound, generator)` fills and "
                "returns.",
            ),
            minutes=25,
        ),
        Task(
            id="5.4",
            title="SGD with momentum and Nesterov",
            files=(SGD,),
            write="Update p and the buffer in place by the formulas in the docstring of the class. In this order: turn "
            "the sign to maximize, add the decay, update the buffer, choose the direction, step.",
            hints=(
                "`p -= x` changes the array that the parameter has; `p = p - x` makes another one that nobody sees. "
                "And g is not yours: `g = -g` is fine, `g *= -1` is not.",
                "Without momentum there is no buffer, it is None. In the first step, when it is fresh, it holds "
                "garbage and becomes g itself: `buffer[...] = g`.",
                "Later: the buffer times momentum, in place, plus share times g. The direction is the buffer, or with "
                "nesterov g plus momentum times the buffer, as a new array. Last, p minus lr times the direction.",
            ),
            minutes=35,
        ),
        Task(
            id="5.5",
            title="Adam",
            files=(ADAM,),
            write="In `_update` compute the two numbers into which the corrections fold. In `_descend` update m and "
            "v, and peak if there is one, in place, and take the step.",
            hints=(
                "m starts at 0, so after one step it is (1 - beta1) g. What must it be divided by to be g?",
                "Write lr * m' / (sqrt(v') + eps) with m' = m / (1 - beta1^count) and v' = v / c^2, c^2 = 1 - "
                "beta2^count. Multiply numerator and denominator by c, and read off the rate.",
                "correction: the root of 1 - beta2 to the power count. rate: lr times that over 1 - beta1 to the power "
                "count. m moves by share1 of its distance to g; v becomes beta2 v + share2 g g; peak the maximum of "
                "itself and v, and stands for v then. The step is rate * m / (sqrt(v) + eps). Use `+=`, `*=`, `[...]`.",
            ),
            points=3,
            minutes=40,
        ),
    ),
)
