# Each target works alone on a fresh clone: it makes .venv, installs what it needs
# there once, and runs. Needs Python 3.11 or newer and make.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
TORCH ?= torch==2.13.0

TORCH_LOWEST ?= $(shell grep '^torch==' .ci/lowest.txt)

VENV := .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest
INSTALL := -m pip install --quiet --disable-pip-version-check
PIP := $(BIN)/python $(INSTALL)
PYTEST := -m pytest -n auto --dist worksteal

# libgomp's waiting threads spin by default and starve the working ones on small
# machines; the variable must be set before torch is imported.
export OMP_WAIT_POLICY ?= PASSIVE
export PYTHONPATH :=

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-lowest test-dist coverage lint format bench docs \
  changelog changelog-draft dist clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/'

demo: $(VENV)/.plot  ## fit, compare, save and draw on the digits (a minute)
	$(BIN)/python examples/quickstart.py

# One process a core, each with one thread: the small tables of the tests gain nothing
# from more, and waiting threads would starve the others.
test: $(VENV)/.test  ## run the test suite
	OMP_NUM_THREADS=1 $(BIN)/python $(PYTEST)

test-slow: $(VENV)/.test  ## run the long reproductions
	$(BIN)/python -m pytest -m slow

test-lowest: $(LOWEST)/.test  ## run the test suite with the lowest versions of everything
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python $(PYTEST)

coverage: $(VENV)/.test  ## run the test suite and fail below the threshold of setup.cfg
	OMP_NUM_THREADS=1 $(BIN)/python $(PYTEST) --cov --cov-report=term

lint: $(VENV)/.test $(VENV)/.lint  ## check style, spelling, docstrings and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell $$(git ls-files)
	$(BIN)/python -m numpydoc.hooks.validate_docstrings $$(git ls-files 'sktransform/*.py')
	$(BIN)/mypy

format: $(VENV)/.lint  ## apply ruff's automatic fixes and its layout
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench  ## compare with the peers, one thread, CPU seconds
	for script in examples/benchmarks/[a-z]*.py; do \
	  OMP_NUM_THREADS=1 $(BIN)/python $$script --quick || exit 1; \
	done

docs: $(VENV)/.doc  ## build the documentation into doc/_build/html
	$(BIN)/python -m sphinx -W --keep-going -b html doc doc/_build/html

changelog: $(VENV)/.release  ## join the changelog fragments into the coming version's page
	$(BIN)/towncrier build --yes --version "$$($(BIN)/python -c 'import sktransform; print(sktransform.__version__)')"

changelog-draft: $(VENV)/.release  ## print what `make changelog` would write
	$(BIN)/towncrier build --draft --version draft

dist: $(VENV)/.release  ## build the wheel and the source archive into dist
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

test-dist: dist  ## install each file of dist into an empty environment and try it there
	for file in dist/*; do .ci/test-dist "$(PYTHON)" "$$file" $(TORCH) || exit 1; done

clean:  ## remove what the other targets made
	rm -rf $(VENV) $(LOWEST) build dist *.egg-info doc/_build doc/auto_examples doc/modules/generated

# One stamp for each extra, so that a second call installs nothing. The pinned torch
# goes first: left free, pip may choose a build for accelerators of several gigabytes.
$(VENV)/.torch:
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(TORCH)
	@touch $@

$(VENV)/.lint: .ci/lint.txt | $(VENV)/.torch
	$(PIP) --requirement .ci/lint.txt
	@touch $@

$(LOWEST)/.test: .ci/lowest.txt
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python $(INSTALL) $(TORCH_LOWEST)
	grep -v '^torch==' .ci/lowest.txt | $(LOWEST)/bin/python $(INSTALL) --requirement /dev/stdin
	$(LOWEST)/bin/python $(INSTALL) --no-deps --editable .
	@touch $@

$(VENV)/.%: pyproject.toml | $(VENV)/.torch
	$(PIP) --editable '.[$*]'
	@touch $@
