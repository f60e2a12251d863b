# The two commands first: make demo, make test. Needs python3 >= 3.11 and a package index, nothing else.

PYTHON ?= python3
FUZZ   ?= 50
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed
TOOLS  := $(VENV)/.installed-for-tests

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench model faults docs screens clean

help:            ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

demo: $(READY)   ## the main job on a sample application, without a server and without a question
	@$(BIN)/holdfast demo

test: $(TOOLS)   ## everything: ruff, mypy, import-linter, and every test on real servers
	@$(MAKE) --no-print-directory lint
	@tests/servers/install
	$(BIN)/python -m pytest -n 3 --dist loadfile -q

lint: $(TOOLS)   ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(TOOLS)  ## measure speed and memory side by side with other tools, into bench/RESULTS.md
	$(BIN)/python -m bench

model: $(TOOLS)  ## explore the log protocol for hours instead of seconds
	$(BIN)/python -m tests.model.long_run

faults: $(TOOLS) ## kill -9 at every statement and every call of the store around the guard, instead of at a few
	HOLDFAST_KILL_POINTS=100000 $(BIN)/python -m pytest tests/faults/test_kill_guard.py -q

docs: $(READY)   ## write docs/cli.md anew from the verbs themselves
	$(BIN)/python -m holdfast.cli.reference > docs/cli.md.new
	@mv docs/cli.md.new docs/cli.md

api: $(TOOLS)    ## write tests/golden/openapi.json anew from the routes themselves
	$(BIN)/python -c 'from holdfast.web.describing import described; print(described(), end="")' > tests/golden/openapi.json.new
	@mv tests/golden/openapi.json.new tests/golden/openapi.json

fuzz: $(TOOLS)   ## many more requests against a server, and random examples of every property, than the tests make
	API_EXAMPLES=100 API_PHASES=examples,coverage,fuzzing,stateful API_SEED=$$(date +%s) \
	  $(BIN)/python -m pytest tests/integration/web/test_api_description.py -q --timeout 3600
	HOLDFAST_FUZZ=$(FUZZ) $(BIN)/python -m pytest tests -q --timeout 7200

screens: $(TOOLS) ## take a picture of every page of the dashboard, into docs/screens/
	$(BIN)/python -m tests.integration.web.screens docs/screens

clean:           ## remove what make and the demo made
	rm -rf $(VENV) playground .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "holdfast needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "$(PYTHON) -m venv does not work here. On Debian and Ubuntu: apt install python3-venv"; rm -rf $(VENV); exit 1; }

$(READY): pyproject.toml | $(BIN)/python
	@echo "installing holdfast into $(VENV) (only the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(TOOLS): pyproject.toml $(READY) | $(BIN)/python
	@echo "installing what the tests need (only the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	@touch $@
