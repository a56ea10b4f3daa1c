# `make demo` and `make test` do all the set-up on a fresh machine: virtual environment, package, system libraries.
# `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
# The first Python of at least 3.11 that can make a virtual environment; `make PYTHON=/path/to/python` overrides it.
PYTHON = $(shell scripts/find-python.sh)

NB_PHANTOM := napari_mmlnb/bundles/shipped/nb-phantom

# Two processes where that helps; a file stays in one of them, so that what a file shares is made once.
PYTEST_ARGS ?= -n 2 --dist loadfile

.PHONY: help demo test test-slow lint types contracts manifest check screenshots train-nb-phantom system-libraries clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 20

demo: $(VENV)/.demo-installed ## classify a synthetic slide into ./demo, and show it where there is a display
	$(BIN)/mmlnb demo --out demo

test: $(VENV)/.dev-installed ## every test that is not slow; with a virtual screen where there is none
	@scripts/with-screen.sh $(BIN)/python -m pytest $(PYTEST_ARGS)

test-slow: $(VENV)/.dev-installed ## the tests that take minutes
	@scripts/with-screen.sh $(BIN)/python -m pytest -m slow

lint: $(VENV)/.dev-installed ## ruff: lint and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev-installed ## mypy, strict
	$(BIN)/mypy

contracts: $(VENV)/.dev-installed ## who may import whom
	$(BIN)/lint-imports --no-cache

manifest: $(VENV)/.dev-installed ## napari's manifest
	$(BIN)/npe2 validate napari_mmlnb/napari.yaml

check: lint types contracts manifest ## everything but the tests

screenshots: $(VENV)/.dev-installed ## the pictures in docs/images
	scripts/with-screen.sh $(BIN)/python docs/screenshots.py

train-nb-phantom: $(VENV)/.dev-installed ## train the shipped bundle again, from its committed configuration
	$(BIN)/mmlnb train docs/nb-phantom.yaml --out build/training
	@echo "The new bundle is in build/training/nb-phantom; the shipped one in $(NB_PHANTOM) is unchanged."

$(VENV)/.demo-installed: pyproject.toml | system-libraries
	@scripts/make-venv.sh "$(VENV)" "$(PYTHON)" gui,cpu
	@touch $@

$(VENV)/.dev-installed: pyproject.toml | system-libraries
	@scripts/make-venv.sh "$(VENV)" "$(PYTHON)" gui,cpu,train,transformers,dev
	@touch $@

system-libraries:
	@scripts/system-libraries.sh

clean: ## remove what the tools and the demo made; keeps the virtual environment
	rm -rf build dist demo out .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks
	find napari_mmlnb tests docs -name __pycache__ -type d -prune -exec rm -rf {} +
