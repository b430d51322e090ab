# Each target works alone on a fresh clone: it makes .venv, installs what it needs
# there once, and runs. Needs Python 3.11 or newer and make.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
TORCH ?= torch==2.13.0

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# libgomp's waiting threads spin by default and starve the working ones on small
# machines; the variable must be set before torch is imported.
export OMP_WAIT_POLICY ?= PASSIVE
export PYTHONPATH :=

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint format bench docs clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/'

demo: $(VENV)/.plot  ## fit, compare, save and draw on the digits (a minute)
	$(BIN)/python examples/quickstart.py

# One process a core, each with one thread: the small tables of the tests gain nothing
# from more, and waiting threads would starve the others.
test: $(VENV)/.test  ## run the test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

test-slow: $(VENV)/.test  ## run the long reproductions
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.test  ## check style, spelling and docstrings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell $$(git ls-files)
	$(BIN)/python -m numpydoc.hooks.validate_docstrings $$(git ls-files 'sktransform/*.py')

format: $(VENV)/.test  ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench  ## compare with the peers, one thread, CPU seconds
	for script in examples/benchmarks/[a-z]*.py; do \
	  OMP_NUM_THREADS=1 $(BIN)/python $$script --quick || exit 1; \
	done

docs: $(VENV)/.doc  ## build the documentation into doc/_build/html
	$(BIN)/python -m sphinx -W --keep-going -b html doc doc/_build/html

clean:  ## remove what the other targets made
	rm -rf $(VENV) build dist *.egg-info doc/_build doc/auto_examples doc/modules/generated

# One stamp for each extra, so that a second call installs nothing. The pinned torch
# goes first: left free, pip may choose a build for accelerators of several gigabytes.
$(VENV)/.torch:
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(TORCH)
	@touch $@

$(VENV)/.%: pyproject.toml | $(VENV)/.torch
	$(PIP) --editable '.[$*]'
	@touch $@
