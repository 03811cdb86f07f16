# Every target sets .venv up first (skipped when nothing changed). Variables: PYTHON, KIND=cpu|cuda, PIP_ARGS, ARGS.
SHELL := bash
PYTHON ?= python3
export PYTHON KIND PIP_ARGS
BIN := .venv/bin
# Two tests at a time, a file in one process; the first file of the list first, so that the many short ones end the run.
# ARGS="-n 0" runs one at a time, as `.venv/bin/python -m pytest` does.
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help setup compare test check test-all docs clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@sed -nE 's/^([a-z-]+):[^#]*## *(.*)/\1 \2/p' Makefile | while read -r name what; do printf '  make %-9s %s\n' "$$name" "$$what"; done

setup:  ## make .venv from the lock under requirements/ (cuda where an NVIDIA GPU answers, else cpu)
	@requirements/install.sh

compare: setup  ## run the default comparison: every method from one checkpoint, with a report (ARGS="--help")
	@$(BIN)/coeflab compare $(ARGS)

test: setup  ## run the tests (ARGS="-k name")
	@$(PYTEST) $(ARGS)

check: setup  ## ruff, formatting, pyright, tests
	@echo "check: ruff check"
	@$(BIN)/ruff check --quiet .
	@echo "check: ruff format"
	@$(BIN)/ruff format --check --quiet . || { echo "check: run '$(BIN)/ruff format .'" >&2; exit 1; }
	@echo "check: pyright"
	@$(BIN)/pyright
	@echo "check: pytest"
	@$(PYTEST) $(ARGS)

test-all: setup  ## run the tests and what takes long (fuzzing, simulations, mutation, browser)
	@$(PYTEST) -m "" $(ARGS)

docs: setup  ## build the documentation as a site, build/docs/html/index.html (needs .venv/bin/pip install '.[docs]')
	@PYTHONPATH=. $(BIN)/python docs/site/build.py $(ARGS)

clean:  ## remove .venv, caches and build output; runs/ and models/ stay
	@rm -rf .venv .wheels-* build dist ./*.egg-info .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
	@echo "clean: removed .venv, caches and build output"
