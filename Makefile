# Everything is set up by itself: the first target that needs the environment makes .venv.
# Works with GNU make 3.81 and Python 3.11 or later; uv is used where Python lacks venv.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH_READY := $(VENV)/.ready-bench
PROTO_VENV := .venv-proto
PROTO_READY := $(PROTO_VENV)/.ready
PIP_FLAGS := --quiet --disable-pip-version-check

# Tests start real servers, so more processes than this only wait for each other.
WORKERS := 4
# More arguments for pytest, e.g. make pytest ARGS="tests/sdk -x".
ARGS :=
# What to measure: cases of the bench by name, whether in small, and where else than in
# bench/results to keep the figures, e.g. docs/bench/0.1.0.
CASE :=
QUICK :=
KEEP :=
# The folder that the demo summarizes; empty: this repository's own documents.
DIR :=
# How long chaos goes on, and its seed; empty: a random one.
MINUTES := 10
SEED :=

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types contracts pytest proto format bench chaos clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## Make .venv with everything that development needs

demo: $(READY) ## Kill a hub under load and count what was lost (DIR=path: summarize that folder)
	@$(BIN)/python -m examples.demo $(if $(DIR),"$(DIR)")

test: lint types contracts pytest ## Run every check and every test

lint: $(READY) ## Check style and format
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@echo "ruff: style and format are fine"

types: $(READY) ## Check types, strictly
	@$(BIN)/pyright --pythonpath $(BIN)/python

contracts: $(READY) ## Check who may import whom
	@$(BIN)/lint-imports --no-logo

pytest: $(READY) ## Run the tests alone (ARGS="tests/sdk -x": some of them)
	@$(BIN)/python -m pytest -q -n auto --maxprocesses $(WORKERS) --dist loadfile $(ARGS)

proto: $(PROTO_READY) ## Generate the Python modules of the wire contract
	@cd proto && ../$(PROTO_VENV)/bin/python -m grpc_tools.protoc -I . --python_out=. \
		--pyi_out=. --grpc_python_out=. corral_proto/v1/*.proto
	@echo "proto: generated; commit what git shows as changed"

format: $(READY) ## Put code into the house's format
	@$(BIN)/ruff check --quiet --fix
	@$(BIN)/ruff format --quiet

bench: $(BENCH_READY) ## Measure against targets and peers (QUICK=1: in small; CASE=batches: that one; KEEP=path)
	@$(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(KEEP),--keep "$(KEEP)") $(CASE)

chaos: $(READY) ## Disturb a fleet at random and account for every run (MINUTES=10 SEED=1)
	@$(BIN)/python -m tests.chaos --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

clean: ## Remove environments and caches, not data
	@rm -rf $(VENV) .venv-* .cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml .ci/venv
	@.ci/venv $(VENV)
	@echo "Installing what corral and its checks need into $(VENV)"
	@$(BIN)/python -m pip install $(PIP_FLAGS) --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install $(PIP_FLAGS) --editable '.[up]' --group dev
	@touch $@

$(BENCH_READY): $(READY)
	@$(BIN)/python -m pip install $(PIP_FLAGS) --group bench
	@touch $@

# The oldest generator that runs with every protobuf we promise; see docs/decisions.
$(PROTO_READY): Makefile .ci/venv
	@.ci/venv $(PROTO_VENV)
	@$(PROTO_VENV)/bin/python -m pip install $(PIP_FLAGS) 'grpcio-tools==1.66.2' 'setuptools<81'
	@touch $@
