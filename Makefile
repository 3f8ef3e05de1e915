# Two commands do everything: `make run` and `make test`.
# What they install stays in .venv and is installed again only when pyproject.toml changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run setup test test-slow lint clean

run: setup
	@$(BIN)/rhoscope app

setup: $(VENV)/.ready

# Two processes of one thread each: networks this small gain nothing from more threads.  Then one browser by itself.
test: $(VENV)/.ready-for-tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --durations 12 -m "not slow and not browser"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --durations 12 -m "browser and not slow"

test-slow: $(VENV)/.ready-for-tests
	$(BIN)/python -m pytest -m slow --timeout 7200

lint: $(VENV)/.ready-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV)

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Rhoscope needs Python 3.11 or newer, and %s is %s: say make PYTHON=python3.12, for example." % (sys.executable, sys.version.split()[0]))'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.ready: pyproject.toml $(VENV)/.made
	$(BIN)/python -m pip install --editable .
	@touch $@

# What the tests need holds what the app needs.
$(VENV)/.ready-for-tests: pyproject.toml $(VENV)/.made
	$(BIN)/python -m pip install --editable '.[test]'
	@touch $(VENV)/.ready $@
