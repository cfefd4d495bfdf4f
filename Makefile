# make run: the whole chain with a console page.  make test: every test, real servers included.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
# Tests of times that a requirement states: they want the machine to themselves.
ALONE := tests/scenario/test_interrupted_run.py tests/scenario/test_chain.py
# Tests wait for disks, sockets and clocks as long as they compute.
AT_ONCE := $(shell expr 2 \* $$(nproc))
# Tests start hundreds of processes: without compiled files each compiles all that it imports, most of its start.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run test check bench soak clean env lock format

help:  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

env: .venv/ready-dev  ## create .venv with everything that development and tests need

.venv/ready-%: requirements/%.txt requirements/bootstrap.txt pyproject.toml scripts/create-environment
	@scripts/create-environment $*

run: .venv/ready-all  ## install what is missing and run the chain until Ctrl-C
	@exec $(BIN)/veritape up

check: env  ## formatting, lint, types, import contracts, spelling, dead code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell src tests docs scripts README.md CHANGELOG.md
	$(BIN)/vulture

test: env  ## every test
	@scripts/install-test-servers
	$(BIN)/pytest -n $(AT_ONCE) tests/unit tests/property
	$(BIN)/pytest -n 6 --dist loadgroup tests/scenario tests/servers $(addprefix --ignore=,$(ALONE))
	$(BIN)/pytest $(ALONE)

soak: env  ## the same tests at the specification's size
	@scripts/install-test-servers
	VERITAPE_SOAK=1 $(BIN)/pytest --timeout 7200

bench: env  ## measured figures beside peers
	$(BIN)/veritape bench

format: env  ## rewrite files as the formatter likes them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: env  ## resolve the dependency locks anew (hashes, no addresses)
	@scripts/lock-requirements

clean:  ## remove the environment and every cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .tools dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
