# Both commands need Python >= 3.11, make and the package index, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: quickstart test lint types imports unit docs clean

quickstart: $(VENV)/.installed
	$(BIN)/didact quickstart

test: lint types imports unit

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/basedpyright --level error --pythonpath $(BIN)/python

imports: $(VENV)/.test
	$(BIN)/lint-imports --no-cache

# glibc keeps freed memory for the next large tensor; to give it back and fault it in again takes a tenth of the time
unit: export MALLOC_MMAP_THRESHOLD_ = 1073741824
unit: export MALLOC_TRIM_THRESHOLD_ = 1073741824
# threads that wait for each other sleep, as they do under the command: beside a busy process they would spin for seconds
unit: export OMP_WAIT_POLICY ?= PASSIVE
# a file's tests run in one process, so that what they share is made once; in their order, which ends with short files
unit: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

# the pages of methods and settings, from the code; then the site, under build/site, from all Markdown files and docstrings
docs: $(VENV)/.docs
	$(BIN)/python -m didact.catalogue.pages docs
	$(BIN)/python -m sphinx -q -W --keep-going -c docs/site . build/site
	@echo build/site/index.html

$(VENV)/bin/pip:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "didact needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -q -e .
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -q -e '.[test]'
	touch $@ $(VENV)/.installed

$(VENV)/.docs: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -q -e '.[docs]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build/site docs/reference .pytest_cache .ruff_cache .hypothesis
