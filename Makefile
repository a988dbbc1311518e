# make env | demo | all | lab | lint | test | figures | site; every target returns non-zero if anything failed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

export TF_CPP_MIN_LOG_LEVEL ?= 3
export JUPYTER_PREFER_ENV_PATH = 1

.PHONY: env demo all lab lint test test-code test-notebooks figures site

# The environment is made when it is missing or the lock has changed. The copy of the lock is written last, so that
# an environment whose making was interrupted is made again.
env:
	@cmp -s requirements.lock $(VENV)/requirements.lock || $(MAKE) --no-print-directory $(VENV)

.PHONY: $(VENV)
$(VENV):
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or \
	    sys.exit("$(PYTHON) is Python %d.%d; 3.11 to 3.13 is needed: make PYTHON=python3.12 ..." % v)'
	@echo "Making $(VENV) from requirements.lock: a few minutes, 3.5 GB."
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m listi.compendium.kernels
	cp requirements.lock $(VENV)/requirements.lock

# The figures of the paper, then the other notebooks, at a small scale.
demo: env
	$(BIN)/python -m listi run --only 00-11

all: env
	$(BIN)/python -m listi run

# The repository is the root of what JupyterLab serves, so that data and figures can be reached from notebooks. Without
# --allow-root it refuses to start in containers.
lab: env
	$(BIN)/jupyter lab --allow-root --ServerApp.root_dir="$(CURDIR)" notebooks/00_index.ipynb

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: env
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-code test-notebooks

test-code: env
	$(BIN)/python -m pytest tests

test-notebooks: env
	$(BIN)/python -m pytest --nbval-lax --nbval-current-env notebooks

figures: env
	$(BIN)/python -m listi figures

# Nothing is computed and nothing fetched: what is in the repository, as pages in results/site/html.
site: env
	$(BIN)/python notebooks/site/build.py
