# demo   the main job: a simulated rack forms a tray of cells
# test   lint, types, directions of imports, all tests but those of `system`
# check  the quick part of `test`
# system what needs real processes, real time or other programs
# bench  the benchmarks: figures, no verdict
# compare  an electrochemical model, in an environment of its own, judges the simulated cells: docs/simulation.md
# campaign racks at random and a swarm of faults over SEEDS seeds, JOBS at a time: is anybody ever in danger? docs/simulation.md
# crash  a recording process is killed at every named point and RANDOM times at random: what has its store kept?
# mutate one thing at a time is changed in what keeps cells safe: does a test fail?
# detect planted defects over SEEDS seeds, JOBS at a time: what is found, what is not
#
# Each sets up .venv first, from PYTHON (3.11 or later), and again when pyproject.toml has changed.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check

.PHONY: demo test check system bench compare detect campaign crash mutate lint
.NOTPARALLEL:

demo: .venv/.ready
	@$(BIN)/cycler demo

test: lint
	@$(BIN)/python -m pytest -n 2 -m "not system"

check: lint
	@$(BIN)/python -m pytest -n 2 -m "not system and not slow"

system: .venv/.ready-system
	@$(BIN)/python -m pytest -m system tests/system

bench: .venv/.ready-dev
	@set -e; for script in tests/bench/bench_*.py; do echo "== $$script"; $(BIN)/python $$script; done

compare: .venv/.ready-dev .venv-compare/.ready
	@PYBAMM_DISABLE_TELEMETRY=true .venv-compare/bin/python tests/compare/run_pybamm.py
	@$(BIN)/python tests/compare/compare.py

SEEDS ?= 20
JOBS ?= 2

detect: .venv/.ready-dev
	@$(BIN)/python tests/detect/detect.py --seeds $(SEEDS) --jobs $(JOBS)

campaign: .venv/.ready-dev
	@$(BIN)/python tests/campaign/campaign.py --seeds $(SEEDS) --jobs $(JOBS)

RANDOM ?= 200

crash: .venv/.ready-dev
	@PYTHONPATH=.:tests/helpers:tests/crash $(BIN)/python tests/crash/crash.py --random $(RANDOM)

mutate: .venv/.ready-dev
	@$(BIN)/python tests/mutate/mutate.py --jobs $(JOBS)

lint: .venv/.ready-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

.venv/.ready: pyproject.toml
	@echo "setting up .venv"
	@$(PYTHON) -m venv .venv
	@$(INSTALL) -e .
	@touch $@

.venv/.ready-dev: pyproject.toml
	@echo "setting up .venv, with what development needs"
	@$(PYTHON) -m venv .venv
	@$(INSTALL) -e '.[dev]'
	@touch .venv/.ready $@

.venv/.ready-system: pyproject.toml
	@echo "setting up .venv, with what development needs and with other people's programs"
	@$(PYTHON) -m venv .venv
	@$(INSTALL) -e '.[dev,system]'
	@touch .venv/.ready .venv/.ready-dev $@

.venv-compare/.ready: tests/compare/requirements.txt
	@echo "setting up .venv-compare"
	@$(PYTHON) -m venv .venv-compare
	@.venv-compare/bin/python -m pip install -qq --disable-pip-version-check -r tests/compare/requirements.txt
	@touch $@
