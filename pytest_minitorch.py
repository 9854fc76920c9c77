"""A pytest plugin: `@pytest.mark.gradcheck` checks the derivatives of what a test function returns.

Name it, by `pytest -p pytest_minitorch` or `pytest_plugins = ["pytest_minitorch"]` in conftest.py. As one that pytest
finds by itself, it would have pytest rewrite the assertions of all of minitorch, in everybody's tests.

    @pytest.mark.gradcheck(second=True)
    def test_softplus():
        return softplus, (minitorch.randn(4, dtype=minitorch.float64, requires_grad=True),)

    @pytest.mark.gradcheck(Layer(3, 4))
    def test_layer():
        return minitorch.randn(2, 3)

The mark takes a module, or `function=`, unless the test returns it before its inputs; `second=True` for the second
order, and the settings of `minitorch.autograd.gradcheck`. A module is checked by all its parameters (Module.gradcheck).
This file stands outside the package, so that pytest imports minitorch only for tests that are marked.
"""

from __future__ import annotations

from typing import Any

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers",
        "gradcheck(function=None, second=False, **settings): check the derivatives of what the test returns: a "
        "function or module and its inputs, or inputs alone (minitorch)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Call a marked test and check what it returns; pytest calls the others itself."""
    mark = pyfuncitem.get_closest_marker("gradcheck")
    if mark is None:
        return None
    wanted = pyfuncitem._fixtureinfo.argnames
    returned = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted})
    from minitorch.autograd import GradcheckError

    try:
        _check(returned, *mark.args, **mark.kwargs)
    except GradcheckError as error:
        pytest.fail(str(error), pytrace=False)
    return True


def _check(returned: Any, function: Any = None, *, second: bool = False, **settings: Any) -> None:
    """Check a function at its inputs; raises pytest's failure for what is neither."""
    from minitorch import Tensor, nn
    from minitorch.autograd import gradcheck, gradgradcheck

    inputs = returned
    if function is None:
        pair = isinstance(returned, tuple | list) and len(returned) == 2 and callable(returned[0])
        if not pair or isinstance(returned[0], Tensor):
            pytest.fail(
                "gradcheck: the test must return (function, inputs), or inputs alone where the mark has the function; "
                f"it returned {type(returned).__name__}",
                pytrace=False,
            )
        function, inputs = returned
    inputs = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    if not callable(function) or not any(isinstance(x, Tensor) for x in inputs):
        pytest.fail("gradcheck: a function and tensors to call it with are needed", pytrace=False)
    if isinstance(function, nn.Module):
        function.gradcheck(*inputs, second=second, **settings)
        return
    gradcheck(function, inputs, **settings)
    if second:
        gradgradcheck(function, inputs, **settings)
