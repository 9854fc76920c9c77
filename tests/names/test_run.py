"""Scripts written for PyTorch run as they are, and as `python script.py` would run them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from minitorch.run import Version

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "tests" / "scripts" / "run"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


def run(*arguments: Any, under: bool = True, **options: Any) -> subprocess.CompletedProcess:
    """A process of Python, under minitorch.run or not."""
    command = [sys.executable, *(["-m", "minitorch.run"] if under else []), *map(str, arguments)]
    options = {"env": ENVIRONMENT, "capture_output": True, "text": True, "timeout": 120, **options}
    return subprocess.run(command, check=False, **options)


def written(folder: Path, text: str, name: str = "script.py") -> Path:
    """A script in a folder."""
    path = folder / name
    path.write_text(text)
    return path


# ------------------------------------------------------------------------------------------------ as Python would do it

QUICK = {"what a script sees", "exit with a number", "an error", "no syntax", "pickles"}
# name: (script, arguments)
ORDINARY = {
    "what a script sees": (
        "import sys, __main__\n"
        "print(sys.argv, sys.path[0], __file__, __name__, __package__, __doc__)\n"
        "print(__spec__ and __spec__.name)\n"
        "print(__main__.__dict__ is globals(), type(__loader__).__name__, __builtins__)",
        ["--a", "-m", "x y"],
    ),
    "a module beside it": ("import beside; print(beside.__file__)", []),
    "exit with a number": ("raise SystemExit(3)", []),
    "exit with text": ("import sys; sys.exit('that is all')", []),
    "exit without": ("exit()", []),
    "an error": ("def f():\n    return 1 / 0\n\nprint(1)\nf()\n", []),
    "an error of an error": (
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('no') from e\n",
        [],
    ),
    "an error in an import": ("import broken", []),
    "no syntax": ("print(1)\nx = = 2\n", []),
    "no such module": ("import nothing_of_this_name", []),
    "a hook of its own": ("import sys\nsys.excepthook = lambda *a: print(a[0], len(a))\n1 / 0", []),
    "at exit": ("import atexit\natexit.register(print, 'bye')\nraise KeyError('x')", []),
    "another coding": ("# -*- coding: latin-1 -*-\nprint(ascii('\xe9'))", []),
    "from the future": ("from __future__ import annotations\ndef f(x: nothing): pass\nprint(f.__annotations__)", []),
    "warnings": ("import warnings\nwarnings.warn('careful')", []),
    "pickles": (
        "import pickle\nclass A:\n    pass\nprint(type(pickle.loads(pickle.dumps(A()))) is A, A.__module__)",
        [],
    ),
    "processes": (
        "import multiprocessing as mp, sys\n"
        "class A:\n    pass\n"
        "def f(a, q):\n    q.put((type(a) is A, type(a).__module__, sys.argv))\n"
        "if __name__ == '__main__':\n"
        "    for method in ('fork', 'spawn', 'forkserver'):\n"
        "        context = mp.get_context(method)\n"
        "        q = context.Queue()\n"
        "        p = context.Process(target=f, args=(A(), q))\n"
        "        p.start()\n        print(q.get(timeout=60))\n        p.join()\n        print(p.exitcode)",
        ["--x"],
    ),
}


@pytest.mark.skipif(sys.platform == "win32", reason="needs all ways to start a process")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in ORDINARY]
)
def test_as_python_does(name: str, tmp_path: Path) -> None:
    """The same output, errors and exit status; some as a module, too."""
    text, arguments = ORDINARY[name]
    written(tmp_path, "def f():\n    raise OSError('broken')\nf()\n", "broken.py")
    written(tmp_path, "", "beside.py")
    (tmp_path / "script.py").write_bytes(text.encode("latin-1"))
    for command in ([tmp_path / "script.py"], ["-m", "script"])[
        : 2 if name in ("what a script sees", "processes") else 1
    ]:
        plain, ours = (run(*command, *arguments, under=under, cwd=tmp_path) for under in (False, True))
        assert (ours.returncode, ours.stdout) == (plain.returncode, plain.stdout), ours.stderr
        assert ours.stderr == plain.stderr


def test_packages_and_paths(tmp_path: Path) -> None:
    """-m takes a package's __main__; a link's folder is the script's own; another folder is searched from there."""
    (tmp_path / "package").mkdir()
    written(tmp_path / "package", "from . import other\nprint(other.x, __package__, __spec__.name)", "__main__.py")
    written(tmp_path / "package", "import torch\nx = torch.__name__", "other.py")
    done = run("-m", "package", cwd=tmp_path)
    assert done.stdout == "minitorch package package.__main__\n", done.stderr
    written(tmp_path / "package", "import other, sys\nprint(sys.argv[0])", "script.py")
    os.symlink(tmp_path / "package" / "script.py", tmp_path / "link.py")
    assert run("link.py", cwd=tmp_path).stdout == "link.py\n"


def test_interrupts(tmp_path: Path) -> None:
    """Ctrl-C ends a script as it ends any, with a traceback of its own lines."""
    path = written(tmp_path, "import time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    with subprocess.Popen(
        [sys.executable, "-m", "minitorch.run", str(path)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    place = errors.splitlines()[1].strip()
    assert re.fullmatch(rf'File "{re.escape(str(path))}", line [23], in <module>', place) and errors.endswith(
        "KeyboardInterrupt\n"
    )


@pytest.mark.slow
def test_the_debugger(tmp_path: Path) -> None:
    """pdb stops in the script's lines, by breakpoint() and around it."""
    path = written(tmp_path, "import torch\nx = torch.ones(2)\nbreakpoint()\nprint('end')\n")
    done = run(path, input="p x.sum()\nc\n")
    assert "tensor(2.)" in done.stdout and "end" in done.stdout and done.returncode == 0, done.stderr
    done = run("-m", "pdb", path, input="n\nn\np torch.__name__, x\nq\n")
    assert "('minitorch', tensor([1., 1.]))" in done.stdout, done.stdout


@pytest.mark.slow
def test_wrong_arguments(tmp_path: Path) -> None:
    """A sentence, and Python's exit status."""
    for arguments, status, words in [
        ([], 2, ""),
        (["--nonsense"], 2, "--nonsense is no option here"),
        (["-m"], 2, "lacks its argument"),
        (["nothing.py"], 2, "can't open file"),
        ([tmp_path], 2, "Is a directory"),
        (["-m", "nothing_of_this_name"], 1, "No module named nothing_of_this_name"),
    ]:
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode == status and words in done.stderr and "Traceback" not in done.stderr, done.stderr
    done = run("--help")
    assert done.returncode == 0 and "usage: python -m minitorch.run script.py" in done.stdout


def test_the_package_says_what_it_is() -> None:
    """`python -m minitorch`: version, configuration, where to go."""
    done = subprocess.run(
        [sys.executable, "-m", "minitorch"], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    for words in ("minitorch 0.1.0", "python -m minitorch.run", "docs/coverage.md", "threads", "versions"):
        assert words in done.stdout


# ------------------------------------------------------------------------------------------------------ PyTorch's names

SAME = """
import importlib, sys
import torch, minitorch
import torch.nn as nn, torch.nn.functional as F, torch.optim as optim, torchvision.transforms as T, torchvision
from torch import nn as again, Tensor, optim as optim_too
from torch.utils.data import DataLoader, Dataset
assert torch is minitorch and nn is again is minitorch.nn and optim is optim_too
assert T is torchvision.transforms is minitorch.vision.transforms
paths = '''nn.modules nn.modules.conv nn.modules.rnn nn.modules.batchnorm nn.modules.module nn.modules.loss nn.modules.utils
nn.modules.pooling nn.modules.transformer nn.modules.distance nn.parameter nn.init nn.parallel nn.utils.rnn nn.utils.weight_norm
optim.lr_scheduler optim.adam optim.optimizer utils.data.dataset utils.data.dataloader utils.data.sampler utils.checkpoint
autograd.function autograd.functional backends.cudnn cuda.amp testing random serialization'''
pairs = [(f'torch.{path}', f'minitorch.{path}') for path in paths.split()] + [
    ('torch.nn.parallel.distributed', 'minitorch.nn.parallel'),
    ('torch.utils.data._utils.collate', 'minitorch.utils.data.collate'),
    ('torch.autograd.variable', 'minitorch.autograd'), ('torch.autograd.grad_mode', 'minitorch.autograd.modes'),
    ('torch.cuda.amp.grad_scaler', 'minitorch.cuda.amp'), ('torch.amp.grad_scaler', 'minitorch.amp'),
    ('torch.functional', 'minitorch'), ('torchvision.datasets', 'minitorch.vision.datasets'),
    ('torchvision.datasets.cifar', 'minitorch.vision.datasets.cifar'), ('torchvision.models', 'minitorch.vision.models'),
    ('torchvision.transforms', 'minitorch.vision.transforms'),
]
for pair in pairs:
    theirs, ours = map(importlib.import_module, pair)
    assert theirs is ours, pair
    assert ours.__spec__ is None or not ours.__spec__.name.startswith("torch"), pair
assert callable(torch.nn.utils.weight_norm) and callable(torch.tensor) and torch.nn.parallel.DataParallel
import torch.autograd.variable, torch.nn.parallel.distributed as d, torch.utils.data._utils.collate as c
assert torch.autograd.variable.Variable and d.DistributedDataParallel and c.default_collate([1, 2]).sum() == 3
assert torch.nn.modules.conv.Conv2d is nn.Conv2d and isinstance(nn.Conv2d(1, 1, 1), torch.nn.modules.conv._ConvNd)
assert torch.nn.modules.batchnorm._BatchNorm and isinstance(nn.Conv2d(1, 1, 1).weight, torch.nn.parameter.Parameter)
assert not {name for name in sys.modules if name.startswith("torch.") and sys.modules[name].__name__.startswith("torch")}
assert importlib.util.find_spec("torch") is not None
print("same", torch.__version__, torchvision.__version__)
"""


def test_names_are_the_very_same_modules(tmp_path: Path) -> None:
    """No second copy, by any path."""
    done = run("-W", "error", written(tmp_path, SAME), under=False)
    assert "No module named 'torch'" in done.stderr or done.returncode  # without the runner it means something else
    done = run(written(tmp_path, SAME))
    assert done.stdout.startswith("same 2.13.0+minitorch.") and done.returncode == 0, done.stderr


# script: what its last line of errors says
MISSING = {
    "import torch.multiprocessing as mp": "No module named 'torch.multiprocessing' in minitorch: several processes are",
    "import torch.nn.nothing": "No module named 'torch.nn.nothing' in minitorch: docs/coverage.md lists",
    "import torchvision.nothing": "No module named 'torchvision.nothing' in minitorch: docs/coverage.md lists",
    "import torch._C": "No module named 'torch._C' in minitorch: docs/coverage.md lists",
    "from torch.jit import script": "No module named 'torch.jit' in minitorch: there is no graph to compile or export",
    "from torch._six import inf": "No module named 'torch._six' in minitorch: use math.inf and collections.abc",
    "import torch.utils.model_zoo": "in minitorch: nothing is downloaded but data sets",
    "import torch.optim.adam.nothing": "'torch.optim.adam' is not a package (docs/coverage.md lists",
    "import torch.hub": "No module named 'torch.hub' in minitorch: nothing is downloaded but data sets",
    "from torch import float8_e5m2": "cannot import name 'float8_e5m2' from 'minitorch': there is no such dtype",
    "from torch.nn import Nothing": "cannot import name 'Nothing' from 'minitorch.nn': docs/coverage.md lists",
    "import torch; torch.hub.load('a', 'b')": "no attribute 'hub': nothing is downloaded but data sets",
    "import torch; torch.nothing": "module 'minitorch' has no attribute 'nothing': docs/coverage.md lists",
    "import torch; torch.ones(1).to_sparse()": "there are no sparse tensors: use dense ones",
    "import torch; torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1))": "has not been initialized",
}


EACH = """
import sys, minitorch.run
for script in eval(sys.argv[1]):
    try:
        exec(compile(script, "<script>", "exec"), {})
    except Exception as error:
        minitorch.run._explain(error)
        print(repr((type(error).__name__, str(error))))
"""


def test_missing_names_say_why(tmp_path: Path) -> None:
    """Which one, why, where the page is; the traceback has the script's line alone."""
    done = run(written(tmp_path, EACH), repr(list(MISSING)))
    lines = done.stdout.splitlines()
    assert len(lines) == len(MISSING), done.stderr
    for line, (script, words) in zip(lines, MISSING.items(), strict=True):
        kind, text = eval(line)
        assert words in text, script
        if kind != "ValueError":
            assert "docs/coverage.md" in text and kind in ("ModuleNotFoundError", "ImportError", "AttributeError")
    done = run(written(tmp_path, "import torch.multiprocessing as mp\n"))
    first, place, line, last = done.stderr.splitlines()
    assert (
        done.returncode == 1 and "line 1, in <module>" in place and line.strip() == "import torch.multiprocessing as mp"
    )
    assert last.startswith("ModuleNotFoundError: No module named 'torch.multiprocessing' in minitorch: several")


def test_a_script_may_go_on_without(tmp_path: Path) -> None:
    """`try: import ... except ImportError` and hasattr work."""
    text = "import torch\ntry:\n    import torch.multiprocessing\nexcept ImportError as e:\n    print(e.name)\n"
    text += "try:\n    from torch.nothing import x\nexcept ModuleNotFoundError:\n    print(hasattr(torch, 'nothing'))"
    assert run(written(tmp_path, text)).stdout == "torch.multiprocessing\nFalse\n"


def test_versions_compare_as_pytorchs() -> None:
    """By numbers, with text and tuples; as text it is read by others."""
    version = Version("2.13.0+minitorch.0.1.0")
    assert version > "2.9" and version >= "2.13" and version < "2.13.1" and version <= (2, 13) and version > (1, 10, 2)
    assert not version < "1.13.1+cu117" and version > "1.8.0a0" and version.split("+")[0] == "2.13.0"
    assert [int(part) for part in version.split(".")[:2]] == [2, 13] and hash(version) == hash(str(version))
    with pytest.raises(TypeError):
        _ = version > 3


def test_pytorch_itself_is_not_replaced(tmp_path: Path) -> None:
    """Who has PyTorch loaded is told to install first."""
    text = "import sys, types\nsys.modules['torch'] = types.ModuleType('torch')\n"
    text += "from minitorch.run import install\ninstall()"
    done = run(written(tmp_path, text), under=False)
    assert done.stderr.endswith("torch is loaded already; install before importing it\n")


WORKERS = """
import torch
from torch.utils.data import DataLoader, Dataset

assert torch.__name__ == "minitorch", "a PyTorch that is installed"

class Squares(Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, i):
        return torch.tensor(float(i * i)), Label(i)

class Label:
    def __init__(self, i):
        self.i = i

def collate(samples):
    return torch.stack([x for x, _ in samples]), [y for _, y in samples]

if __name__ == "__main__":
    for x, y in DataLoader(Squares(), batch_size=4, num_workers=2, collate_fn=collate):
        print(x.sum().item(), [label.i for label in y], type(y[0]) is Label)
"""


@pytest.mark.slow
def test_workers_of_a_loader(tmp_path: Path) -> None:
    """Their data set, its samples and the collate function are the script's own."""
    done = run(written(tmp_path, WORKERS))
    assert done.stdout == "14.0 [0, 1, 2, 3] True\n126.0 [4, 5, 6, 7] True\n", done.stderr


@pytest.mark.slow
def test_workers_of_a_script_without_a_guard(tmp_path: Path) -> None:
    """As with PyTorch on Linux, they are copies of it, and do not do again what it did."""
    before, _, rest = WORKERS.partition('if __name__ == "__main__":\n')
    text = before + "print('once')\n" + rest.replace("\n    ", "\n").removeprefix("    ")
    done = run(written(tmp_path, text.replace("print(x.sum", "    print(x.sum")))
    assert done.stdout == "once\n14.0 [0, 1, 2, 3] True\n126.0 [4, 5, 6, 7] True\n", done.stderr
