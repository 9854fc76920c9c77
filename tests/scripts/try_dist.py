"""Builds wheel and sdist into dist/ and tries them in bare environments: python tests/scripts/try_dist.py

--python python3.12 ... also tries other interpreters. `make dist` runs it. Needs a package index.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
TRAIN = """
import pathlib, sys
import minitorch
from minitorch import nn
assert not str(pathlib.Path(minitorch.__file__)).startswith(sys.argv[1]), minitorch.__file__
model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(2048, 10))
optimizer = minitorch.optim.SGD(model.parameters(), 0.1)
x, labels = minitorch.randn(8, 3, 16, 16), minitorch.arange(8)
losses = []
for _ in range(5):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), labels)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
assert losses[-1] < losses[0], losses
minitorch.save(model.state_dict(), "weights.zip")
model.load_state_dict(minitorch.load("weights.zip"))
print(minitorch.__version__, minitorch.kernels.implementation(), *(f"{loss:.4f}" for loss in losses))
"""
EXTRAS = {  # what each extra is for must work with it, and say what to install without it
    "viz": ("from minitorch.vision.pillow import import_pillow; import_pillow('ImageFolder')", "minitorch-numba[viz]"),
    "tensorboard": (
        "from minitorch.utils.tensorboard import SummaryWriter; SummaryWriter('runs').close()",
        "minitorch-numba[tensorboard]",
    ),
    "onnx": (
        "import io; from minitorch import nn, onnx, ones; onnx.export(nn.ReLU(), ones(2), io.BytesIO())",
        "minitorch-numba[onnx]",
    ),
}


def run(*command: object, **settings: object) -> subprocess.CompletedProcess:
    """Run a command; its output is captured, and shown where it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment, **settings)  # type: ignore[call-overload]
    return done


def must(*command: object, **settings: object) -> str:
    """The output of a command that has to succeed."""
    done = run(*command, **settings)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def build(python: str) -> tuple[Path, Path]:
    """Wheel and sdist, from a copy of what git knows, so that nothing else that lies around gets in."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        names = must("git", "-C", ROOT, "ls-files", "-z").split("\0")
        for name in filter(None, names):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((ROOT / name).read_bytes())
        must(python, "-m", "venv", Path(folder) / "venv")
        inside = Path(folder) / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
        must(inside, "-m", "pip", "install", "--quiet", "build")
        (ROOT / "dist").mkdir(exist_ok=True)
        print(must(inside, "-m", "build", "--outdir", ROOT / "dist", tree).splitlines()[-1])
    newest = sorted((ROOT / "dist").iterdir(), key=os.path.getmtime)[-2:]
    sdist, wheel = sorted(newest, key=lambda path: path.suffix == ".whl")
    return wheel, sdist


def contents(wheel: Path, sdist: Path) -> None:
    """Every module and stub is in the wheel, and nothing but the package; the sdist has the documents, too."""
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = set(filter(None, must("git", "-C", ROOT, "ls-files", "-z", "minitorch").split("\0")))
    if packed != wanted:
        raise SystemExit(f"{wheel.name}: missing {sorted(wanted - packed)}, too many {sorted(packed - wanted)}")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "examples/cifar10.py", "docs/design.md"):
        if name not in names:
            raise SystemExit(f"{sdist.name}: {name} is missing")


def try_out(python: str, package: Path, extra: str) -> None:
    """Install in an environment of its own, train, and see whether the extra serves, or says that it is missing."""
    with tempfile.TemporaryDirectory() as folder:
        must(python, "-m", "venv", Path(folder) / "venv")
        inside = Path(folder) / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
        wanted = f"minitorch-numba[{extra}] @ {package.as_uri()}" if extra else package
        must(inside, "-m", "pip", "install", "--quiet", wanted)
        must(inside, "-m", "pip", "check")
        print(f"{python}, {package.suffix[1:]}, {extra or 'bare'}:", must(inside, "-c", TRAIN, ROOT, cwd=folder))
        for name, (code, hint) in EXTRAS.items():
            done = run(inside, "-c", code, cwd=folder)
            if name == extra and done.returncode:
                raise SystemExit(f"with [{extra}]: {done.stderr}")
            if name != extra and done.returncode and hint not in done.stderr:
                raise SystemExit(f"without [{name}] nothing says what to install: {done.stderr}")


def main() -> None:
    """Build, look inside, try: the wheel bare and with each extra, the sdist bare, other interpreters bare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", nargs="*", default=[], help="other interpreters to try")
    args = parser.parse_args()
    wheel, sdist = build(sys.executable)
    contents(wheel, sdist)
    for extra in ("", *EXTRAS):
        try_out(sys.executable, wheel, extra)
    try_out(sys.executable, sdist, "")
    for python in args.python:
        try_out(python, wheel, "")


if __name__ == "__main__":
    main()
