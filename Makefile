# Each of these sets up what it needs. `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage lint bench bench-long vectors vectors-all-pythons compliance fuzz mutate lifecycle faults soak backlog

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
UV := uv>=0.13,<0.14
# The second try is for machines whose own certificate authority stands before the package index.
SYNC = UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --frozen --quiet --python $(BIN)/python

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## the Python environment in .venv, exactly as locked

# pip reaches into the environment from outside: Debian's python3 has no ensurepip to put one inside.
$(STAMP): uv.lock pyproject.toml
	@test -x $(BIN)/python || python3 -m venv --without-pip $(VENV)
	@test -x $(BIN)/uv || python3 -m pip --python $(BIN)/python install --quiet --disable-pip-version-check '$(UV)'
	$(SYNC) || $(SYNC) --system-certs
	@touch $@

demo: setup ## two boroughs, one handover there and back, as a live timeline
	@$(BIN)/gateway demo

# Three at once, on two cores: each has its own broker and database, and much of a test's time is waiting for one of
# them.
# What fails beside the others is run once more alone, and named: brokers and nodes are killed here under load.
test: setup lint ## everything: installs RabbitMQ and PostgreSQL when root, then lint and the whole suite
	@scripts/install-system-packages
	$(BIN)/pytest --numprocesses=3 --dist=loadfile || \
	  $(BIN)/pytest --last-failed --last-failed-no-failures none -v

# Apart from `test`: measuring every line takes a quarter of the time again.
coverage: setup ## the whole suite once more, and which lines and branches no test reaches
	@scripts/install-system-packages
	$(BIN)/pytest --cov --cov-report=term --numprocesses=3 --dist=loadfile

lint: setup ## style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## P1 to P12 in short, beside peers in environments of their own: a table and a picture
	@scripts/install-system-packages
	$(BIN)/python bench/all.py

bench-long: setup ## the same with a million stored, a million waiting and more rounds: hours
	@scripts/install-system-packages
	$(BIN)/python bench/all.py --long

vectors: setup ## the published test vectors made again; says which files have changed
	@$(BIN)/python tests/vectors/generate.py

vectors-all-pythons: setup ## the vectors judged under every Python from 3.11 on that can be had
	@scripts/vectors-all-pythons

compliance: setup ## docs/compliance.md from the tests of every finding and duty, with what became of each
	@scripts/install-system-packages
	@$(BIN)/python tests/compliance/generate.py

N = 100000
SEED = 1
fuzz: setup ## N=10000000 SEED=1: every parser of foreign bytes; only the one error may escape
	$(BIN)/python bench/fuzz.py --number $(N) --seed $(SEED) --keep bench/results

mutate: N = 100
mutate: setup ## N=300 SEED=1: faults put into gateway/core, and whether a test sees them
	$(BIN)/python bench/mutate.py --number $(N) --seed $(SEED) --keep bench/results

lifecycle: N = 500
lifecycle: setup ## N=2000: whole lifecycles of three boroughs, drawn at random, and what they break
	LIFECYCLE=$(N) $(BIN)/pytest tests/properties/test_lifecycle.py -q -s

faults: N = 100
faults: setup ## N=1000 SEED=1: N faults into real nodes, a real broker and real databases, then every oracle
	@scripts/install-system-packages
	$(BIN)/python -m gateway.testing.chaos --number $(N) --seed $(SEED) --keep bench/results

MINUTES = 60
soak: setup ## MINUTES=60 SEED=1: mixed load with faults over two real nodes, and whether anything grows
	@scripts/install-system-packages
	$(BIN)/python bench/soak.py --minutes $(MINUTES) --seed $(SEED) --keep bench/results

WAITING = 20000
QUEUED = 20000
backlog: setup ## WAITING=1000000 QUEUED=100000: rows and messages that wait, and what they cost (P9)
	@scripts/install-system-packages
	$(BIN)/python bench/backlog.py --waiting $(WAITING) --queued $(QUEUED) --keep bench/results
