# One set-up for everything: .venv in the checkout, versions from cluster/constraints.txt.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
PEERS := torch-fidelity vendi-score axe-playwright-python
STAMP := $(VENV)/.installed

.PHONY: install demo test soak bench bench-train ui clean

install: $(STAMP)

$(STAMP): pyproject.toml cluster/constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c cluster/constraints.txt -e '.[train,embeddings,test]'
	# Peers whose measures tests compare with ours, and an audit of pages: without what else they would want.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c cluster/constraints.txt --no-deps $(PEERS)
	@touch $(STAMP)

demo: install
	$(BIN)/birthday run studies/quickstart.yaml
	$(BIN)/birthday report runs/quickstart

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -m 'not soak' -n 2 --dist worksteal

soak: install
	$(BIN)/python -m pytest -m soak --timeout 3600

bench: install
	$(BIN)/python -m tests.benchmarks

bench-train: install
	$(BIN)/python -m tests.benchmarks training sweep

ui: install
	$(BIN)/mlflow ui --backend-store-uri sqlite:///$(CURDIR)/runs/mlflow.db --host 127.0.0.1 --port 5000

clean:
	rm -rf $(VENV) build *.egg-info
