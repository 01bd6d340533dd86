# One command on a laptop equals CI: `make ci` is what CI runs, and its longest step is `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Most tests wait for servers more than they compute: more of them at once than there are cores.
JOBS ?= 3
IN_PARALLEL = $(if $(filter-out 1,$(JOBS)),--numprocesses=$(JOBS) --dist=loadgroup --no-loadscope-reorder)

.PHONY: help up test ci lint format types imports compat compiled bench faults fuzz audit walk dist lock platform engine26 clean

help: ## this list
	@grep -E '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):[^#]*## /\1\t/' | expand -t 12

up: $(VENV)/run.stamp ## install what is missing and run everything: make up ARGS="--duration 60"
	@$(BIN)/wst up $(ARGS)

test: $(VENV)/dev.stamp ## run every test that can run here: make test ARGS="-m kafka"; JOBS=1: one after the other
	@$(BIN)/python -m pytest $(IN_PARALLEL) $(ARGS)

ci: lint types imports compat test compiled ## what CI runs

lint: $(VENV)/dev.stamp ## style and common mistakes
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: $(VENV)/dev.stamp ## put the style right
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

types: $(VENV)/dev.stamp
	@$(BIN)/mypy

imports: $(VENV)/dev.stamp
	@$(BIN)/lint-imports

compat: $(VENV)/dev.stamp ## every schema version against every other
	@$(BIN)/python -m schemas.compatibility

# Behind `test` in CI: most tests run on what everybody has, plain Python, and those of the translated modules on both.
compiled: $(VENV)/dev.stamp ## the hot modules as machine code where there is a C compiler, and their tests on it
	@$(BIN)/python -m schemas.compile $(if $(CI),--required)
	@$(BIN)/python -m pytest -q $(IN_PARALLEL) tests/core_usage tests/columns tests/core_state tests/time/test_replay.py tests/schemas/test_tick_decoder.py tests/schemas/test_usage_decoder.py tests/schemas/test_usage_encoder.py tests/lane/test_agents.py

bench: $(VENV)/dev.stamp ## the long measurements: make bench ARGS=codec runs one
	@for name in $(if $(ARGS),$(ARGS),$(basename $(notdir $(filter-out %/__init__.py %/stack.py,$(wildcard benchmarks/*.py))))); do \
		echo "== $$name"; $(BIN)/python -m benchmarks.$$name; done

faults: $(VENV)/dev.stamp ## kill, pause and break everything, then compare: make faults ARGS="--seed 1 --minutes 20"
	@$(BIN)/python -m tests.faults.campaign $(if $(ARGS),$(ARGS),--seed 1 --minutes 20)

fuzz: $(VENV)/dev.stamp ## ten million broken inputs for every decoder and parser: make fuzz ARGS="--inputs 100000 --seed 2"
	@$(BIN)/python -m tests.fuzz.campaign $(ARGS)

audit: ## known vulnerabilities of the locked dependencies
	@PYTHON=$(PYTHON) .ci/audit

walk: $(VENV)/dev.stamp ## a long random walk over a real engine with parts killed, as root: make walk ARGS="--seed 2"
	@$(BIN)/python -m tests.e2e.campaign_walk $(ARGS)

dist: $(VENV)/dev.stamp ## wheel and sdist, in dist/
	@$(BIN)/python -m build

platform: $(VENV)/dev.stamp ## fetch the real parts tests run against, as root: Kafka's jars, Docker 26, Compose, a base image
	@for part in platform.kafka platform.registry platform.engine26 compose.tools compose.image; do $(BIN)/python -m tests.$$part; done

engine26: $(VENV)/dev.stamp ## Debian 13 with Docker 26 in a folder, as root
	@$(BIN)/python -m tests.platform.engine26

lock: ## choose versions anew and write them down
	@$(PYTHON) -m venv --clear build/lock && build/lock/bin/pip install --quiet '.[dev]'
	@{ grep '^#' requirements.lock; build/lock/bin/pip freeze --exclude workspace-status; } > build/requirements.lock
	@mv build/requirements.lock requirements.lock && rm -rf build/lock

clean: ## remove what tools left, but neither .venv nor .cache
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# Two stamps, because `make up` must not wait for tools that only tests need.
$(VENV)/run.stamp: EXTRA := embedded
$(VENV)/dev.stamp: EXTRA := dev
$(VENV)/%.stamp: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "wst needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Python cannot make a virtual environment; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "Installing workspace-status[$(EXTRA)] into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[$(EXTRA)]'
	@touch $@
