"""What follows from the declarations of ops: methods, functions, `out`, stubs and a page of the docs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import minitorch as m
from minitorch import surface


def test_files_are_as_the_declarations_say() -> None:
    """`make surface` was run after the last change."""
    assert surface.STUBS.read_text() == surface.stubs()
    for where, path in surface.PARTS.items():
        assert path.read_text() == surface.part_stubs(where)
    if surface.PAGE.parent.exists():
        assert surface.PAGE.read_text() == surface.page()


@pytest.mark.slow
def test_types_for_editors(tmp_path: Path) -> None:
    """What an editor and mypy see: expressions of tensors are tensors."""
    api = pytest.importorskip("mypy.api")
    expressions = (
        "m.ones(2).sum()",
        "m.relu(m.randn(2))",
        "m.ones(2)[0] @ m.eye(2)",
        "m.zeros(1).to(m.float16).T",
        "1 + m.tensor([1]) * 2",
        "m.exp(m.from_numpy(None)).relu_()",
        "m.rand(size=(2,)).view(1, 2)",
    )
    lines = ["import minitorch as m", *(f"reveal_type({e})" for e in expressions), "reveal_type(m.ones(2).shape[1:])"]
    script = tmp_path / "script.py"
    script.write_text("\n".join(lines) + "\n")
    root = surface.HERE.parent
    cache = str(root / ".mypy_cache")
    said, errors, _ = api.run(["--config-file=", "--follow-imports=silent", "--cache-dir", cache, str(script)])
    found = [line.split('"')[1] for line in said.splitlines() if "Revealed" in line]
    assert found == ["minitorch.tensor.Tensor"] * len(expressions) + ["Any"], said + errors
    assert (surface.HERE / "py.typed").exists()


def test_every_name_is_found_where_it_is_declared() -> None:
    """Methods on Tensor, functions in the package, by the names that PyTorch has for them."""
    for name, method in surface.methods().items():
        assert m.Tensor.__dict__[name] is not None, name
        assert callable(method)
    for name in surface.functions():
        assert callable(getattr(m, name)), name
    for name in surface.functions("s"):
        assert callable(getattr(m.special, name)), name
    for name in surface.functions("l"):
        assert callable(getattr(m.linalg, name)), name


@pytest.mark.parametrize(
    "name,args,named",
    [
        ("exp", (), {"input": [1.0, 2.0]}),
        ("add", ([1.0, 2.0],), {"other": [3.0, 4.0]}),
        ("pow", (), {"input": [1.0, 2.0], "exponent": [2.0, 3.0]}),
        ("hypot", ([3.0],), {"other": [4.0]}),
        ("clamp", ([1.0, 5.0],), {"max": [2.0, 2.0]}),
        ("sum", ([1.0, 2.0],), {"dim": 0}),
    ],
)
def test_pytorchs_names_of_arguments(name: str, args: tuple, named: dict) -> None:
    """input, other, exponent, by position or by name, give the same."""
    args = tuple(m.tensor(a) for a in args)
    named = {k: m.tensor(v) if isinstance(v, list) else v for k, v in named.items()}
    function = getattr(m, name)
    expected = function(*args, **named)
    values = [*args, *(v for v in named.values() if isinstance(v, m.Tensor))]
    if name not in ("clamp", "sum"):
        assert function(*values).tolist() == expected.tolist()
    with pytest.raises(TypeError, match="nonsense"):
        function(*args, **named, nonsense=1)


def test_out_receives_the_result() -> None:
    """Same memory, same tensor; a warning for another shape; errors before anything changes."""
    out = m.zeros(3)
    memory = out.numpy()
    assert m.exp(m.zeros(3), out=out) is out and memory.tolist() == [1.0, 1.0, 1.0]
    assert m.sum(m.ones(2, 3), 0, out=out) is out and memory.tolist() == [2.0, 2.0, 2.0]
    values, indices = m.zeros(2), m.zeros(2, dtype=m.int64)
    m.max(m.tensor([[1.0, 3.0], [5.0, 2.0]]), 1, out=(values, indices))
    assert values.tolist() == [3.0, 5.0] and indices.tolist() == [1, 0]
    with pytest.warns(UserWarning, match="was resized"):
        m.add(m.ones(2), 1, out=out)
    assert out.tolist() == [2.0, 2.0]
    m.mul(m.ones(2), 3, out=(empty := m.zeros(0)))
    assert empty.tolist() == [3.0, 3.0]
    counts = m.zeros(2, dtype=m.int64)
    with pytest.raises(RuntimeError, match="can't be cast to the desired output type"):
        m.add(m.ones(2), 1, out=counts)
    assert counts.tolist() == [0, 0]
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        m.exp(m.ones(2, requires_grad=True), out=out)


def test_numpys_functions_are_ours_where_we_have_them() -> None:
    """np.arctan2 of tensors is recorded."""
    x = m.tensor([1.0, 2.0], requires_grad=True)
    out = np.arctan2(x, m.ones(2))
    assert out.requires_grad and np.allclose(out.detach().numpy(), np.arctan2([1.0, 2.0], 1))
