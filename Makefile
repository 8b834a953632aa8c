# Everyday commands. Only Python >= 3.11 (with venv) and make are needed; the rest is brought along.
#   make demo    the whole thing on this machine          make test   every test, browser included
#   make check   lint, types and the fast tests           make bench  the performance table
#   make faults  the consistency contract, while parts fail, for minutes
#   make test-store  the Python tests on another store; STORE=redis (from the path), sentinel, cluster, redis-…
#   make mutants every defence of the table of threats taken away, one at a time; ROWS="6 7" for some
#   make client-model  the browser client against 10 000 random schedules of lost and repeated messages
#   make fuzz    inputs nobody would send by accident, for FUZZ_SECONDS (480); TARGETS="token frame" for some

VENV   := .venv
PY     := $(VENV)/bin/python
STAMP  := $(VENV)/.setup
PYTEST ?= $(PY) -m pytest
# two at a time: most tests wait, for a process, a socket or a clock
PAIR   := -n 2 --dist loadfile
STORE  ?= redis

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-store check faults mutants client-model fuzz bench browser provider lock clean

help:
	@sed -n '2,10s/^# *//p' Makefile

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@test -x $(PY) || { \
	  for python in python3.13 python3.12 python3.11 python3; do \
	    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; \
	  done; \
	  test -n "$$python" || { echo 'make: Python 3.11 or newer is needed, and none was found' >&2; exit 1; }; \
	  $$python -c 'import ensurepip, venv' 2>/dev/null || \
	    { echo "make: $$python has no venv; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; \
	  rm -rf $(VENV) && $$python -m venv $(VENV); }
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(STAMP)

demo: setup
	$(VENV)/bin/hub demo

test: setup browser provider
	servers=$$($(PY) -m tests.binaries servers) && eval "$(PYTEST) $(PAIR) $$servers"
	node=$$($(PY) -m tests.binaries node) && "$$node" --test tests/client/*.test.js

test-store: setup browser provider
	@case $(STORE) in redis*) redis-server --version || \
	  { echo 'make: no redis-server on the path (apt install redis-server)' >&2; exit 1; };; esac
	servers=$$($(PY) -m tests.binaries servers) && eval "HUB_TEST_STORE=$(STORE) $(PYTEST) $(PAIR) $$servers"

check: setup
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy hub tests demo_apps
	$(PYTEST) $(PAIR) -m 'not (edge or e2e or browser or faults or proxies or netns or redis_server)' --ignore tests/fuzz

faults: setup
	servers=$$($(PY) -m tests.binaries servers) && eval "FAULTS=long $(PYTEST) $$servers tests/faults --timeout 300"

mutants: setup browser provider
	$(PY) -m tests.security.mutate $(ROWS)

client-model: setup provider
	node=$$($(PY) -m tests.binaries node) && SCHEDULES=$${SCHEDULES:-10000} "$$node" --test tests/client/model.test.js

fuzz: setup
	$(PY) -m tests.fuzz $(TARGETS)

bench: setup
	$(PY) -m tests.benchmarks

browser: setup
	@$(PY) -m tests.binaries browser

provider: setup
	@$(PY) -m tests.binaries provider
	@$(PY) -m tests.binaries client

lock:
	$(VENV)/bin/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header -o requirements.lock

clean:
	rm -rf $(VENV) tests/idp/node_modules tests/client/node_modules dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .hub-demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
