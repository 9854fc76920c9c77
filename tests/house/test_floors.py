"""Who may import whom, read from the source; and what must start without numba."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "minitorch"
FILES = sorted(PACKAGE.rglob("*.py"))

# A part may import the parts beside its name (and itself). What stands in no list is free of rules.
FLOORS = {
    "autograd": {"dtypes"},
    "geometry": set(),
    "devices": set(),
    "missing": set(),
    "dtypes": {"devices"},
    "return_types": set(),
    "files": set(),
    "version": set(),
    "random": {"dtypes"},
    "kernels": {"geometry", "files"},
    "ops": {"autograd", "kernels", "geometry", "dtypes", "devices", "return_types"},
    "compiler": {"autograd", "dtypes", "geometry", "kernels", "nn", "ops", "optim", "random", "tensor"},
    "surface": {"autograd", "ops"},
    "func": {"autograd", "ops", "dtypes"},
    "special": {"surface"},
    "linalg": {"missing", "ops", "surface"},
    "facts": {"autograd", "ops", "dtypes", "devices"},
    "tensor": {
        "autograd",
        "ops",
        "dtypes",
        "devices",
        "drawing",
        "facts",
        "missing",
        "printing",
        "random",
        "surface",
        "_surface",
    },
    "drawing": {"autograd", "ops", "dtypes", "random"},
    "printing": {"dtypes"},
    "creation": {"autograd", "ops", "dtypes", "devices", "random", "tensor"},
    "exchange": {"ops", "dtypes", "devices", "tensor"},
    "legacy": {"autograd", "dtypes", "devices", "tensor"},
    "testing": {"ops", "dtypes", "devices", "tensor", "creation"},
    "settings": {"ops", "dtypes"},
    "amp": {"devices"},
    "cuda": {"amp", "devices", "missing"},
    **dict.fromkeys(("accelerator", "cpu", "mps", "xpu"), set()),
    "nn": {"autograd", "ops", "geometry", "dtypes", "random", "tensor", "creation", "version", "printing"}
    | {"devices", "func", "missing", "distributed"},
    "optim": {"autograd", "ops", "kernels", "nn", "dtypes", "random", "tensor", "creation", "missing"},
    "distributed": {"autograd", "ops", "dtypes", "tensor", "random", "missing", "run"},
    "lowrank": {"autograd", "creation", "linalg", "ops"},
    "positional": {"autograd", "nn", "ops"},
    "windows": {"creation", "dtypes", "ops"},
    "utils": {"exchange", "autograd", "tensor", "random", "creation", "dtypes", "serialization", "nn", "ops"}
    | {"missing", "distributed"},
    "serialization": {"files", "tensor", "dtypes", "devices", "nn", "ops", "autograd"},
    "backends": {"autograd", "kernels", "ops"},
    "onnx": {"autograd", "ops", "surface", "nn", "files", "tensor", "random", "version", "geometry"},
    "config": {"kernels", "version"},
    "run": {"missing", "version", "utils"},
    "__main__": {"config", "version"},
    "warmup": {"autograd", "kernels", "nn", "ops", "optim"},
    "explain": {"files", "autograd", "ops", "geometry", "dtypes", "tensor", "creation", "nn"},
    "summary": {"autograd", "creation", "geometry", "nn", "random", "tensor"},
    "vision": {"files", "tensor", "random", "creation", "dtypes", "utils", "nn", "ops", "serialization"},
}
THIRD = {
    "autograd": {"numpy"},
    "geometry": {"numpy"},
    "kernels": {"numpy", "numba", "llvmlite"},
    "ops": {"numpy"},
    "tensor": {"numpy"},
}


def part(path: Path) -> str:
    """The top-level part a file belongs to."""
    inside = path.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def imports(path: Path) -> Iterator[tuple[int, str, bool]]:
    """(line, absolute dotted name, whether it stands inside a function) of every import."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    lazy = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    package = ["minitorch", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, id(node) in lazy
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{name}.{alias.name}", id(node) in lazy


@pytest.mark.parametrize("path", FILES, ids=[str(f.relative_to(PACKAGE)) for f in FILES])
def test_imports_stay_on_their_floor(path: Path) -> None:
    """A file imports only from its own part and those below."""
    mine = part(path)
    if mine in ("__init__", "course"):  # the public names, and what teaches all of it: everything
        return
    for line, name, lazy in imports(path):
        top, *rest = name.split(".")
        if top == "minitorch":
            other = rest[0] if rest else "minitorch"
            known = (PACKAGE / other).is_dir() or (PACKAGE / f"{other}.py").exists()
            if not known:
                assert lazy or mine in ("nn", "optim", "utils", "vision", "warmup"), (
                    f"{path}:{line} imports the whole package: {name}"
                )
                continue
            assert other == mine or other in FLOORS[mine], f"{path}:{line}: {mine} must not import {other}"
        elif mine in THIRD and top not in sys.stdlib_module_names:
            assert top in THIRD[mine], f"{path}:{line}: {mine} must not import {top}"


@pytest.mark.parametrize("path", FILES, ids=[str(f.relative_to(PACKAGE)) for f in FILES])
def test_numba_only_in_kernels(path: Path) -> None:
    """numba and llvmlite are imported in kernels alone; torch and scipy nowhere."""
    for line, name, _ in imports(path):
        top = name.split(".")[0]
        assert top not in ("torch", "scipy", "torchvision"), f"{path}:{line} imports {name}"
        assert top not in ("numba", "llvmlite") or part(path) == "kernels", f"{path}:{line} imports {name}"


def test_data_and_vision_know_no_kernels() -> None:
    """utils.data and vision import neither kernels nor numba, at the top of a file or inside a function."""
    for path in FILES:
        if part(path) == "vision" or path.is_relative_to(PACKAGE / "utils" / "data"):
            for line, name, _ in imports(path):
                assert "kernels" not in name.split(".") and not name.startswith("numba"), (
                    f"{path}:{line} imports {name}"
                )


@pytest.mark.parametrize(
    "module",
    [
        "minitorch",
        "minitorch.utils.data",
        "minitorch.vision",
        "minitorch.vision.transforms",
        "minitorch.vision.datasets",
        "minitorch.geometry",
        "minitorch.autograd",
    ],
)
def test_starts_without_numba(module: str) -> None:
    """Importing this loads no numba, torch or scipy: worker processes start fast and stay clear of parallel kernels."""
    code = f"import sys, {module}; print([n for n in ('numba', 'llvmlite', 'torch', 'scipy') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_files_name_their_subject() -> None:
    """No utils.py, helpers.py or misc.py."""
    assert not [f for f in FILES if f.stem in ("utils", "helpers", "misc", "common", "tools")]


WRITE = re.compile(
    r"\.array\[[^\]]*\]\s*([-+*/@&|^%]|//|\*\*)?=[^=]|\.array\s*([-+*/@&|^%]|//|\*\*)=|out=\w+\.array\b|\.array\.(fill|sort)\("
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_autograd_writes_to_the_memory_of_tensors(path: Path) -> None:
    """Everybody else asks `Variable.write` for the array, which counts the change and computes what waits."""
    if part(path) == "autograd" or path.parent.name == "wrong":  # mistakes of students are texts
        return
    for number, line in enumerate(path.read_text().splitlines(), 1):
        code = line.partition("  #")[0]
        assert not WRITE.search(code), f"{path}:{number}: {line.strip()}"


def test_few_files_know_of_fusion() -> None:
    """ops/fuse.py, one hook, one slot, in-place changes, the kernels it is for, and the switch."""
    knows = re.compile(r"\bpending\b|\bfuse\b|\bfusion\b", re.IGNORECASE)
    found = {str(path.relative_to(PACKAGE)) for path in FILES if knows.search(re.sub(r"#.*", "", path.read_text()))}
    allowed = {
        "ops/fuse.py",
        "autograd/primitive.py",
        "autograd/tape.py",
        "autograd/inplace.py",
        "ops/norm.py",
        "ops/conv.py",
        "backends/__init__.py",
        "compiler/program.py",
        "kernels/tile/epilogue.py",
    }
    assert found <= allowed, f"these files know of fusion, too: {sorted(found - allowed)}"
