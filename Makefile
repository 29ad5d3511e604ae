# Tocsin: `make` lists what there is. Needs python3 (3.11 to 3.13) with venv; everything else goes into .venv.

SHELL := /bin/sh
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell \
	command -v $(name) >/dev/null 2>&1 && \
	$(name) -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $(name))))
BIN := .venv/bin
STAMPS := .venv/stamps

ifeq ($(strip $(HOME)),)
export HOME := $(shell python3 -c 'import os; home = os.path.expanduser("~"); print(home if os.access(home, os.W_OK) else os.path.abspath(".cache"))')
endif
export UV_SYSTEM_CERTS ?= 1
export UV_LINK_MODE ?= copy
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUNBUFFERED := 1

# uv is quick; where it cannot reach the index as this machine's pip is set up to, pip does the same work.
INSTALL = $(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r $(1) 2>.venv/uv.log || \
	$(BIN)/python -m pip install -q --require-hashes -r $(1)

.DEFAULT_GOAL := list
.PHONY: list demo test check console docs bench soak fuzz requirements clean

list:
	@echo "make demo     set up, start the demo town of Hewan, print the address and the sign-in (Ctrl-C ends it)"
	@echo "make test     set up and run the whole suite, real servers and browser included"
	@echo "make check    format, lint, types, imports, dead dependencies, console"
	@echo "make console  build the console into src/tocsin/web/static"
	@echo "make docs     build the documents into site/"
	@echo "make bench    measure every figure the documents quote into bench/results.json"
	@echo "make soak     the crash tests with 50 kills each, each parser fuzzed for a minute; into bench/soak.json"
	@echo "make fuzz     each fuzz target for five minutes (TOCSIN_FUZZ_SECONDS=N)"
	@echo "make requirements   pin the dependencies of pyproject.toml again"

demo: $(STAMPS)/run
	@$(BIN)/python tools/console.py
	@exec $(BIN)/tocsin demo

test: $(STAMPS)/dev
	@$(BIN)/python tools/packages.py
	@$(BIN)/python tools/console.py
	@$(BIN)/python tools/test.py $(ARGS)

check: $(STAMPS)/dev
	$(BIN)/ruff format --check src tests tools bench docs hatch_build.py
	$(BIN)/ruff check src tests tools bench docs hatch_build.py
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/arch tests/docs
	$(BIN)/deptry src
	$(BIN)/python tools/console.py --check

console: $(STAMPS)/setup
	@$(BIN)/python tools/console.py --force

docs: $(STAMPS)/dev
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -q

bench: $(STAMPS)/dev
	@$(BIN)/python tools/console.py
	@$(BIN)/python -m bench all

soak: $(STAMPS)/dev
	@$(BIN)/python tools/packages.py
	@$(BIN)/python tools/console.py
	@$(BIN)/python tools/soak.py $(ARGS)

fuzz: export TOCSIN_FUZZ_SECONDS ?= 300
fuzz: $(STAMPS)/dev
	@$(BIN)/python -m pytest -q tests/fuzz

requirements: $(STAMPS)/setup
	@$(BIN)/python tools/requirements.py

clean:
	rm -rf .venv .cache site dist console/node_modules

# --- set-up -------------------------------------------------------------------------------------------------------------

$(STAMPS)/setup: requirements-setup.txt
	@test -n "$(PYTHON)" || { echo "Tocsin needs python3, 3.11 to 3.13, with venv (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "setting up .venv"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
		{ echo "python3 has no working venv (Debian: apt-get install python3-venv)" >&2; rm -rf .venv; exit 1; }
	@$(BIN)/python -m pip install -q --require-hashes -r requirements-setup.txt
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/self: $(STAMPS)/setup pyproject.toml hatch_build.py
	@$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

$(STAMPS)/run: $(STAMPS)/self requirements.txt
	@echo "installing what the server needs"
	@$(call INSTALL,requirements.txt)
	@touch $@

$(STAMPS)/dev: $(STAMPS)/self requirements-dev.txt
	@echo "installing what the tests need"
	@$(call INSTALL,requirements-dev.txt)
	@touch $@ $(STAMPS)/run
