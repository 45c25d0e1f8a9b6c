# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup demo test check bench figures protos clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Trimtab needs Python 3.11 or newer; run make with PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[control,demo,simulate]' --group dev
	touch $@

demo: setup
	$(BIN)/trimtab demo

test: setup
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m benchmarks

# The pictures of README and docs, from real runs on this machine.
figures: setup
	$(BIN)/trimtab demo --scenario slow-pod --chart docs/figures/demo.svg

# The descriptor set that the xDS room loads, from its .proto files.
PROTOS := src/trimtab/xds/proto
protos: setup
	$(BIN)/python -m grpc_tools.protoc --include_imports --proto_path=$(PROTOS) \
		--descriptor_set_out=$(PROTOS)/xds.binpb $$(cd $(PROTOS) && find envoy google grpc trimtab xds -name '*.proto' | sort)

clean:
	rm -rf $(VENV) build dist
