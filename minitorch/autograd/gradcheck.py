"""Check derivatives against central differences, to first and second order; a mismatch says what may be wrong."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..dtypes import FLOATS
from .comparison import Comparison, GradcheckError, as_tuple, differentiable, outputs_of
from .diagnosis import wrong
from .modes import enable_grad
from .primitive import Primitive
from .quiet import quietly
from .report import parameter_names
from .tape import Variable, grad, wrap

__all__ = ["GradcheckError", "check_rules", "gradcheck", "gradgradcheck"]


# ---------------------------------------------------------------------------------------------------------- derivatives
def _numerical(function: Callable, inputs: tuple, x: Any, eps: float) -> list[np.ndarray]:
    """One matrix per output: [input element, output element], by central differences (f(x + eps) - f(x - eps)) / 2 eps.

    x: the one of `inputs` whose elements take a step, in place, and are put back.
    """
    # BEGIN SOLUTION 12.1
    slopes = []
    for place in np.ndindex(*x.array.shape):
        kept = float(x.array[place])
        x.array[place] = kept + eps
        up = [y.array.astype(float) for y in outputs_of(function, inputs)]
        x.array[place] = kept - eps
        down = [y.array.astype(float) for y in outputs_of(function, inputs)]
        x.array[place] = kept
        slopes.append([(high - low).ravel() / (2 * eps) for high, low in zip(up, down, strict=True)])
    sizes = [y.array.size for y in outputs_of(function, inputs)]
    return [np.array([row[k] for row in slopes]).reshape(x.array.size, size) for k, size in enumerate(sizes)]
    # END SOLUTION


def _analytical(y: Any, xs: Sequence[Any]) -> list[np.ndarray]:
    """One matrix per tensor of `xs`: [its element, element of y], by a backward pass for each element of y."""
    # BEGIN SOLUTION 12.2
    matrices = [np.zeros((x.array.size, y.array.size)) for x in xs]
    for j, seed in enumerate(np.eye(y.array.size, dtype=y.array.dtype)):
        arrived = grad(y, xs, wrap(seed.reshape(y.array.shape)), retain_graph=True, allow_unused=True)
        for matrix, g in zip(matrices, arrived, strict=True):
            if g is not None:
                matrix[:, j] = g.array.ravel()
    return matrices
    # END SOLUTION


def _verdict(found: np.ndarray, expected: np.ndarray, atol: float, rtol: float) -> np.ndarray:
    """Where two matrices do not agree: |found - expected| <= atol + rtol * |expected| does not hold."""
    # BEGIN SOLUTION 12.2
    return ~np.isclose(found, expected, rtol, atol)
    # END SOLUTION


class _Check(Comparison):
    """A comparison of what the functions above find."""

    numerical, analytical, verdict = staticmethod(_numerical), staticmethod(_analytical), staticmethod(_verdict)


def _overlaps(x: np.ndarray) -> bool:
    """Whether several elements stand in one place of memory, so that a step of one is a step of others."""
    end = 0
    for stride, n in sorted((abs(stride), n) for stride, n in zip(x.strides, x.shape, strict=True) if n > 1):
        if stride <= end:
            return x.size > 0
        end += stride * (n - 1)
    return False


def _refuse(inputs: tuple, eps: float) -> None:
    """Raises what PyTorch raises for inputs that can't be checked."""
    checked = differentiable(inputs)
    for i, x in checked:
        if x.array.dtype != np.float64 and eps < 1e-4:
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or complex. This check "
                "will likely fail if all the inputs are not of double precision floating point or complex.",
                stacklevel=4,
            )
        if _overlaps(x.array):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0, or others that overlap. gradcheck only supports "
                "inputs that are non-overlapping to be able to compute the numerical gradients correctly. You should "
                "call .contiguous on the input before passing it to gradcheck."
            )
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise AssertionError(text)


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare the gradients of `func` with central differences (f(x + eps) - f(x - eps)) / (2 eps), element by element.

    inputs: a tensor or a sequence; those that require grad are checked, and should be float64 without overlap. Outputs
    that require no grad are not checked if others do.
    Passes where |analytical - numerical| <= atol + rtol * |numerical|, a second backward gives the same bits (within
    `nondet_tol`), and no gradient comes out where none goes in. Raises GradcheckError, or returns False if
    `raise_exception` is off. The error names the input, the index, both numbers, the errors of all inputs and the
    mistake suspected: see docs/gradcheck.md. Raises ValueError if no input requires grad, RuntimeError for inputs whose
    elements overlap, TypeError if no tensor is returned; warns of float32 and of a function without float outputs.

    fast_mode: compare one random direction for each input and output, at the cost of two calls and two backward passes.
    check_forward_ad: compare dual numbers (`forward_ad`), `jvp` and backward, too. check_undefined_grad: of several
    outputs, one may be without a gradient. check_grad_dtypes: gradients have their inputs' dtypes. There are no batched
    gradients and no masks here, so `check_batched_grad`, `check_batched_forward_grad` and `masked` check nothing.

    >>> import minitorch
    >>> x = minitorch.tensor([0.5, -1.0], dtype=minitorch.float64, requires_grad=True)
    >>> gradcheck(lambda x: x.exp() * x, (x,))
    True
    """
    return _gradcheck(**locals())


@quietly
def _gradcheck(
    func: Callable, inputs: Any, names: Any = None, results: Any = None, origin: Any = None, **kw: Any
) -> bool:
    """`gradcheck`, told what inputs and results are called, and results whose rules are meant if not func's."""
    forward, backward = kw["check_forward_ad"], kw["check_backward_ad"]
    _require(forward or backward, "Expected at least one of check_forward_ad or check_backward_ad to be True")
    _require(
        backward or not kw["check_batched_grad"],
        "Setting check_batched_grad=True requires check_backward_ad to be True",
    )
    _require(
        forward or not kw["check_batched_forward_grad"],
        "Setting check_batched_forward_grad=True requires check_forward_ad to be True",
    )
    inputs = as_tuple(inputs)
    _refuse(inputs, kw["eps"])
    try:
        check = _Check(func, inputs, names or parameter_names(func, len(inputs)), results, kw)
        check.origin = origin
        if not check.outputs:
            check.flat()
            return True
        before = [x.array.copy() for x in check.xs]
        if backward:
            check.fast() if kw["fast_mode"] else check.backward()
        if forward:
            check.forward(backward)
        if backward:
            check.scaled()
            if kw["check_undefined_grad"]:
                check.undefined()
        check.unchanged(before)
    except GradcheckError as error:
        if kw["raise_exception"]:
            raise error.with_traceback(None) from error.__cause__  # without the frames of the engine
        return False
    return True


def gradgradcheck(
    func: Callable,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """`gradcheck` of the gradients of `func`: second derivatives, also with respect to the incoming gradients.

    grad_outputs: the incoming gradients; by default random ones from a fixed seed. First compares gradients that are
    recorded (create_graph=True) with those that are not: a rule may have two formulas. check_fwd_over_rev: dual numbers
    through backward, too. Raises as `gradcheck`, and TypeError if no output requires grad.
    """
    given = {k: v for k, v in locals().items() if k not in ("func", "inputs", "grad_outputs")}
    return _gradgradcheck(func, inputs, grad_outputs, **given)


def _gradgradcheck(func: Callable, inputs: Any, grad_outputs: Any = None, names: Any = None, **kw: Any) -> bool:
    """`gradgradcheck`, told what inputs are called."""
    forward, backward = kw.pop("check_fwd_over_rev"), kw.pop("check_rev_over_rev")
    _require(forward or backward, "Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    for option in ("check_undefined_grad", "check_batched_grad"):
        _require(backward or not kw[option], f"Setting {option}=True requires check_rev_over_rev to be True")
    inputs, non_contiguous = as_tuple(inputs), kw.pop("gen_non_contig_grad_outputs")
    names = names or parameter_names(func, len(inputs))
    outputs = [y for y in outputs_of(func, inputs) if y.edge is not None]
    grad_outputs = _incoming(outputs, non_contiguous) if grad_outputs is None else as_tuple(grad_outputs)
    count, positions = len(inputs), [i for i, _ in differentiable(inputs)]
    names = [*names, *([f"g{i}" for i in range(len(grad_outputs))] if len(grad_outputs) > 1 else ["g"])]
    if not positions:
        _refuse(inputs, kw["eps"])
    if not outputs:
        raise TypeError("gradgradcheck: no output of the function requires grad, so there is no gradient to check")

    def gradients(*args: Any, create_graph: bool = True) -> list:
        xs, gs = args[:count], args[count:]
        ys = [y for y in outputs_of(func, xs) if y.edge is not None]
        return list(grad(ys, [xs[i] for i in positions], gs, None, create_graph, allow_unused=True) if ys else ())

    try:
        recorded = gradients(*inputs, *grad_outputs)
        _same_recorded(recorded, gradients(*inputs, *grad_outputs, create_graph=False), positions, names, kw)
    except GradcheckError as error:
        if kw["raise_exception"]:
            raise error.with_traceback(None) from error.__cause__  # without the frames of the engine
        return False
    there = [f"(gradient of {names[i]})" for i, g in zip(positions, recorded, strict=False) if g is not None]
    return _gradcheck(
        enable_grad()(lambda *args: tuple(g for g in gradients(*args) if g is not None)),
        (*inputs, *grad_outputs),
        names,
        there,
        outputs,
        check_forward_ad=forward,
        check_backward_ad=backward,
        check_batched_forward_grad=False,
        **kw,
    )


def _incoming(outputs: list, non_contiguous: bool) -> tuple:
    """Random gradients for the outputs, which require grad."""
    rng, made = np.random.default_rng(1), []
    for y in outputs:
        values = rng.standard_normal(y.array.shape)
        if non_contiguous:
            values = np.repeat(values[..., None], 2, axis=-1)[..., 0]
        made.append(wrap(np.asarray(values, y.array.dtype)))
        made[-1]._requires_grad = True
    return tuple(made)


def _same_recorded(recorded: list, plain: list, positions: list, names: list, kw: dict) -> None:
    """Raises GradcheckError where a gradient depends on whether it is recorded."""
    for i, a, b in zip(positions, recorded, plain, strict=True):
        ours, theirs = (np.zeros(1) if g is None else g.array for g in (a, b))
        bad = wrong(ours, theirs, kw["atol"], kw["rtol"]) & ~(np.isnan(ours) & np.isnan(theirs))
        if bad.any():
            at = tuple(int(k) for k in np.argwhere(bad)[0])
            error = GradcheckError(
                f"the gradient of input {i} (`{names[i]}`) depends on whether it is recorded: at {list(at)} it is "
                f"{ours[at]:.8g} with create_graph=True and {theirs[at]:.8g} without; {int(bad.sum())} of {bad.size} "
                "entries differ\n  suspected: the rule has two formulas, and one is wrong; or it is not deterministic"
            )
            error.suspected, error.input, error.name = "the rule has two formulas", i, names[i]
            raise error


# ------------------------------------------------------------------------------------------------- rules of a primitive
_PRECISION = {  # eps, atol, rtol: rounding / eps and eps ** 2 are about as large
    "float64": (1e-6, 1e-5, 1e-3),
    "float32": (5e-3, 2e-3, 2e-2),
    "float16": (6e-2, 1e-1, 1e-1),
}


def check_rules(primitive: Callable, *args: Any, **settings: Any) -> bool:
    """Check every rule of a primitive to second order, at these arguments; returns True or raises GradcheckError.

    args: tensors, arrays or numbers; floats of arguments with a rule are checked, copied, in their dtype, with steps
    and tolerances for the coarsest. settings: the primitive's. Any function of tensors will do for a primitive.
    Raises TypeError for what can't be called, ValueError where no argument has a rule.

    >>> import minitorch
    >>> check_rules(minitorch.autograd.registry["multiply"], np.array([1.0, 2.0]), np.array([3.0]))
    True
    """
    if not callable(primitive):
        raise TypeError(f"check_rules: expected a primitive or a function, but got {type(primitive).__name__}")
    inputs, kinds = [], []
    rules = primitive.rules if isinstance(primitive, Primitive) else None
    for i, arg in enumerate(args):
        array = arg.array.copy() if isinstance(arg, Variable) else np.array(arg) if _numbers(arg) else None
        if array is None:
            inputs.append(arg)
            continue
        inputs.append(wrap(array))
        ruled = rules is None or rules[min(i, len(rules) - 1)] is not None
        if array.dtype.kind in FLOATS and ruled:
            inputs[-1]._requires_grad = True
            kinds.append(array.dtype.name)
    if not kinds:
        raise ValueError("check_rules: no argument is a float with a rule")
    eps, atol, rtol = _PRECISION[min(kinds, key=lambda kind: np.dtype(kind).itemsize)]

    def function(*xs: Any) -> Any:
        return primitive(*xs, **settings)

    function._argument_names = parameter_names(primitive, len(inputs))  # type: ignore[attr-defined]
    size = max((float(np.abs(y.array).max(initial=0)) for y in outputs_of(function, tuple(inputs))), default=1.0)
    tolerances: dict[str, Any] = {"eps": eps, "atol": atol * max(1.0, size), "rtol": rtol}
    return gradcheck(function, inputs, **tolerances) and gradgradcheck(function, inputs, **tolerances)


def _numbers(x: Any) -> bool:
    return isinstance(x, np.ndarray | np.generic | float | list)
