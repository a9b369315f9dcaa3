# Each target installs what it needs on a bare Debian 12, apt packages included; a second run is quick.
# `make` alone lists the targets.

PYTHON ?= python3
PREFIX ?= /opt/vedette
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed

SEEDS ?= 300
FIRST := $(or $(FIRST),$(shell date +%s))

# The lab's machines are User Mode Linux kernels; what their wires, tables and captures are made and looked at with.
# tcc makes a small library for hosts with AMX (src/vedette/lab/xstate.c).
LAB_PACKAGES := user-mode-linux iproute2 ipvsadm keepalived nftables tcpdump kmod procps curl tcc

# What fencing is tested against: controllers and power strips that somebody else wrote, and fence agents.
FENCING_PACKAGES := ipmitool openipmi snmp snmpd openssh-client openssh-server openssl fence-agents iproute2 nftables

# What checks are tested against: real servers of their protocols.
SERVER_PACKAGES := nginx-light lighttpd socat openssl unbound postfix dovecot-imapd dovecot-pop3d vsftpd leafnode \
  kamailio chrony mariadb-server postgresql slapd redis-server freeradius etcd-server

# The model of the lease is checked by Spin, which writes its verifier in C.
MODEL_PACKAGES := spin gcc libc6-dev

# Peers that are too slow for every run.
PEER_PACKAGES := ldirectord

# What benchmarks measure beside us: other people's load balancers, and the least that C takes.
BENCH_PACKAGES := keepalived ldirectord ipvsadm nginx openssl gcc libc6-dev util-linux

# Marks of tests that need more than Python: kernels, machines, simulators, servers of other people, Spin.
ALONE := kernel or lab or fencing or servers
REAL := $(ALONE) or model

.DEFAULT_GOAL := help
.PHONY: help setup install uninstall demo test lint format bench simulate day mutants model test-unit test-fencing test-kernel test-lab \
  test-peers test-servers lock clean lab-packages fencing-packages server-packages model-packages bench-packages

help:  ## Say what each target does
	@echo 'Vedette. Targets:'
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: $(READY)  ## Build .venv from the lock, with the vedette command in it

$(READY): requirements-dev.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || tools/debian-packages python3
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || tools/debian-packages python3-venv
	@echo 'Building $(VENV): the releases of requirements-dev.lock, each checked against its hash'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
	@echo 'Done: $(BIN)/vedette'

install:  ## Put Vedette on this machine: PREFIX=/opt/vedette, /usr/bin/vedette, units, completion (root; DESTDIR)
	@command -v $(PYTHON) >/dev/null || tools/debian-packages python3
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || tools/debian-packages python3-venv
	@PYTHON='$(PYTHON)' PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' tools/install

uninstall:  ## Take it away again; the document, the key and what the node has promised stay (root)
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' tools/install --remove

lab-packages:
	@tools/debian-packages $(LAB_PACKAGES)

fencing-packages:
	@tools/debian-packages $(FENCING_PACKAGES)

server-packages:  # one by one where one of them would take the place of something else: its tests are skipped then
	@tools/debian-packages $(SERVER_PACKAGES) || for package in $(SERVER_PACKAGES); do \
	  tools/debian-packages $$package || echo "Going on without $$package"; done

bench-packages:
	@tools/debian-packages $(BENCH_PACKAGES)

model-packages:
	@tools/debian-packages $(MODEL_PACKAGES)

demo: setup lab-packages  ## Two routers on real kernels, a client, and every drill: about five minutes
	@echo 'Rehearsing examples/two-routers: power cuts, killed daemons, cut cables, edits'
	@$(BIN)/vedette rehearse examples/two-routers/cluster.yaml

test: lint lab-packages fencing-packages server-packages model-packages  ## Lint, then every test, those on real kernels included (root)
	@echo 'Running every test: those that need nothing side by side, then kernels, with devices and servers beside'
	@$(BIN)/pytest -n auto -m 'not ($(ALONE)) and not peers'
	@$(BIN)/pytest -m '(fencing or servers) and not (kernel or lab) and not peers' >.devices.log 2>&1 & devices=$$!; \
	  $(BIN)/pytest -m '(kernel or lab) and not peers'; machines=$$?; \
	  wait $$devices; others=$$?; cat .devices.log; rm -f .devices.log; exit $$((machines | others))

lint: setup  ## Format, style, types and layers; changes nothing
	@echo 'Checking format, style, types and layers'
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo

format: setup  ## Put the code into the project's format
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

test-unit: setup  ## The tests that need neither root nor a real kernel: seconds
	@$(BIN)/pytest -n auto -m 'not ($(REAL)) and not peers'

test-fencing: setup fencing-packages  ## Fencing drivers against simulators of their devices (root)
	@$(BIN)/pytest -m fencing

test-servers: setup server-packages  ## Checks against real servers of their protocols, on loopback (root)
	@$(BIN)/pytest -m servers

test-kernel: setup lab-packages  ## The drivers against a real kernel, in one machine (root)
	@$(BIN)/pytest -m kernel

test-lab: setup lab-packages fencing-packages  ## Several machines, end to end (root)
	@$(BIN)/pytest -m lab

test-peers: setup lab-packages  ## ldirectord programs the same tables: five minutes or more (root)
	@tools/debian-packages $(PEER_PACKAGES)
	@$(BIN)/pytest -m peers

simulate: setup  ## The cluster core on virtual time, a minute of faults each (SEEDS=300 FIRST=now; 10000 take an hour or two)
	@echo 'Simulating $(SEEDS) seeds from $(FIRST) on; one that fails: $(BIN)/python -m tests.cluster.simulate --seed N --trace'
	@$(BIN)/python -m tests.cluster.simulate --seeds $(SEEDS) --first $(FIRST)

day: setup  ## A day in the life of real servers on virtual time: flaps, edits, drains, drifts (HOURS=24 FIRST=now)
	@$(BIN)/python -m tests.ipvs.long --hours $(or $(HOURS),24) --seed $(FIRST)

mutants: setup  ## Plant one bug after the other in the cluster core; each must be found
	@$(BIN)/python -m tests.cluster.mutants

model: setup model-packages  ## The model of the lease, every run: ten minutes or more, 3 GB
	@echo 'Spin looks for two holders in tests/cluster/model/lease.pml'
	@$(BIN)/python -m tests.cluster.spin

bench: setup lab-packages bench-packages  ## Everything beside its peers; rows go to benchmarks/results.json (root)
	@$(BIN)/python -m benchmarks $(BENCH)

lock: tools/lock  ## Choose the newest releases again and write the lock files
	@tools/lock

clean:  ## Remove what the other targets made, and what a killed lab left behind
	@test ! -x $(BIN)/vedette || test ! -d /run/vedette-lab || $(BIN)/vedette lab status >/dev/null || true
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis rehearsal-logs
	@find src tests benchmarks -type d -name __pycache__ -prune -exec rm -rf {} +
