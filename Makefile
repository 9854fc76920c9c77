# minitorch. `make help` lists the targets; each sets up what it needs in .venv, from nothing but python3.
# Settings: PYTHON=python3.12 · for `make train`: DATA=shapes|cifar10|<folder> EPOCHS=n ARGS="--batch-size 64 ..."
# for `make fuzz`: MINUTES=n SEED=n

PYTHON ?= python3
DATA ?= shapes
EPOCHS ?=
MINUTES ?= 3
SEED ?= 0
ARGS ?=
BIN := .venv/bin

# Some environments say that Python shall keep no bytecode: each of the hundreds of processes that tests start would
# compile the package anew, for a second. Not where files are changed and read again within a second, as in `faults`.
test course parity fuzz: export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup train test check course surface fix parity fuzz faults bench bench-quick leaks dist docs clean

help:  ## show this list
	@awk -F ':.*##' '/^[a-z-]+:.*##/ {printf "  make %-12s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/dev.done  ## make .venv with everything for users and developers

train: .venv/run.done  ## train the example CNN: make train [DATA=cifar10|folder] [EPOCHS=n]
	$(BIN)/python examples/cifar10.py --data "$(DATA)" $(if $(EPOCHS),--epochs $(EPOCHS)) $(ARGS)

test: export MAKE_STARTED := $(shell date +%s)
test: check  ## everything that must hold: check, then all tests, on all cores
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: .venv/dev.done  ## only reads: lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

course: .venv/dev.done  ## prove the course: blanks, order, leaks, points, typical mistakes; under 6 minutes
	$(BIN)/python -m minitorch.course verify $(ARGS)

surface: .venv/dev.done  ## write the stubs and docs/ops.md from the declarations of ops
	$(BIN)/python -c "from minitorch import surface; surface.write()"

fix: .venv/dev.done  ## rewrite what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

parity: .venv/torch.done  ## the slow tests, then all beside the live PyTorch oracle (installs torch 2.13.0, onnxruntime)
	$(BIN)/python -m pytest -n auto --dist worksteal -m slow
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile $(wildcard tests/parity/parity_*.py) $(ARGS)

fuzz: .venv/torch.done  ## random geometries, programs, calls, files and interrupts: make fuzz [MINUTES=n] [SEED=n]
	$(BIN)/python -m tests.fuzz --minutes "$(MINUTES)" --seed "$(SEED)" $(ARGS)

faults: .venv/dev.done  ## plant mistakes into a copy of the code: the tests must notice each
	$(BIN)/python tests/scripts/faults.py $(ARGS)

bench: .venv/torch.done  ## beside PyTorch: nets, layers, ops, memory, start-up; ARGS="ops softmax" for some; writes docs/performance.md
	$(BIN)/python benchmarks/bench.py $(ARGS)

bench-quick: .venv/torch.done  ## the same in under two minutes, printed only
	$(BIN)/python benchmarks/bench.py --quick $(ARGS)

leaks: .venv/dev.done  ## thousands of steps of each net, of double backward and hooks: does memory stay flat? 3 minutes
	$(BIN)/python benchmarks/leaks.py $(ARGS)

dist: .venv/dev.done  ## wheel and sdist in dist/, tried in bare environments with and without each extra
	$(BIN)/python tests/scripts/try_dist.py $(ARGS)

docs: .venv/docs.done  ## the site in build/docs, the chapters of the course run anew; ARGS=--check looks at every page
	$(BIN)/python -m sphinx -b html -E -W --keep-going docs build/docs
	$(if $(filter --check,$(ARGS)),$(BIN)/python tests/scripts/check_site.py)

clean:  ## remove .venv, caches and runs
	rm -rf .venv build dist runs *.egg-info .mypy_cache .ruff_cache .hypothesis .benchmarks docs/api docs/course docs/examples
	find . -name __pycache__ -prune -exec rm -rf {} +

# Stamps: the environment is made once, and again when the dependencies change.
.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else "minitorch needs Python 3.10 or newer, this is " + sys.version)'
	$(PYTHON) -m venv .venv

.venv/run.done: setup.cfg pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[viz]'
	@touch $@

.venv/dev.done: .venv/run.done
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[viz,dev]'
	@touch $@

.venv/docs.done: .venv/run.done
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@touch $@

.venv/torch.done: .venv/dev.done
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 onnxruntime
	@touch $@
