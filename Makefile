# Every target makes its own virtual environment when there is none; only Python 3.10-3.13 and make are needed.
PYTHON ?= $(firstword $(foreach v,3.11 3.12 3.13 3.10,$(shell command -v python$(v) 2>/dev/null)) python3)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
THREADS ?= 1
JOBS ?= 2

.PHONY: help demo test check bench wheel clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(STAMP)  ## clone the bundled voice and speak with it
	$(BIN)/gpt-sovits demo --out output/demo.wav

test: $(STAMP)  ## unit, golden and end-to-end tests
	OMP_NUM_THREADS=$(THREADS) $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

check: $(STAMP)  ## formatting, lint, types, import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)  ## speed on this machine, as a markdown table
	OMP_NUM_THREADS=$(THREADS) $(BIN)/python -m benchmarks

wheel: $(STAMP)  ## dist/*.whl, with configs, res and the embedded model
	$(BIN)/python -m build --wheel --no-isolation

clean:  ## everything that was built, the environment too
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache dist build
