# The doors of the project. `make help` lists them; every door does its own set-up.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

HCQD_DATA ?= ../shared/data
export HCQD_DATA

# What Debian 12 must have installed; `setup` installs what is missing.
APT := libavformat-dev libavcodec-dev libswscale-dev libavutil-dev libopenblas-dev libmosquitto-dev pkg-config ffmpeg opencv-doc \
       python3 python3-venv jq libgl1 curl
VENV := .venv
PYTHON := $(VENV)/bin/python
CLIP := /usr/share/doc/opencv-doc/examples/data/vtest.avi
SWIFT := swift
TEST_SCRATCH := .build-test
TEST_FLAGS := -c release -Xswiftc -enable-testing --scratch-path $(TEST_SCRATCH)

.PHONY: help setup build demo test test-swift test-python check bench bench-full train train-smoke package clean

help: ## list the doors
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: ## install the Debian packages that are missing
	@missing=$$(for p in $(APT); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	    sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	    echo "installing:" $$missing; \
	    $$sudo apt-get update -qq; \
	    DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi

$(VENV)/.done: Training/requirements.txt | setup
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r Training/requirements.txt
	touch $@

build: setup ## build the daemon (release): .build/release/hcqd
	$(SWIFT) build -c release

# Slim images leave /usr/share/doc out when they install; the package itself has the clip all the same.
demo-output/vtest.avi: | setup
	@mkdir -p demo-output
	@if [ -f $(CLIP) ]; then ln -sf $(CLIP) $@; else \
	    cd demo-output && apt-get download -qq opencv-doc && dpkg-deb --fsys-tarfile opencv-doc_*.deb \
	        | tar -xO .$(CLIP) > vtest.avi && rm opencv-doc_*.deb; \
	fi

# Used while no trained weights lie in Models/.
demo-output/untrained.safetensors: build
	@mkdir -p demo-output
	@printf '{"backbone":"resnet18","hidden_dim":128,"queries":30,"encoder_layers":2,"encoder_ffn":512,"decoder_layers":3,"decoder_ffn":512}' \
	    > demo-output/untrained.json
	@.build/release/hcqd model new --config demo-output/untrained.json --seed 1 -o $@

DEMO_MODEL := $(or $(firstword $(sort $(wildcard Models/*.safetensors))),demo-output/untrained.safetensors)

demo: build demo-output/vtest.avi $(DEMO_MODEL) ## watch a surveillance clip: event log and annotated video in demo-output/
	@case $(DEMO_MODEL) in *untrained*) \
	    echo "There are no trained weights in Models/ yet: this network is UNTRAINED. It runs in full, and what it says means nothing.";; \
	esac
	.build/release/hcqd --replay demo-output/vtest.avi --model $(DEMO_MODEL) --output demo-output \
	    --annotate demo-output/vtest.mp4
	@echo "Look at demo-output/vtest.mp4 and at the event log demo-output/vtest.jsonl, for example:"
	@echo "    jq -c '{t, type, id, reason}' demo-output/vtest.jsonl | head"

test: test-swift test-python ## all tests

test-swift: setup $(VENV)/.done ## the tests of the daemon
	$(SWIFT) build --build-tests $(TEST_FLAGS)
	HCQD_PYTHON=$(CURDIR)/$(PYTHON) $(SWIFT) test --skip-build $(TEST_FLAGS)

test-python: setup $(VENV)/.done ## the tests of the training system, parity with the engine among them
	$(SWIFT) build $(TEST_FLAGS) --product hcqd
	cd Training && HCQD_BINARY=$(CURDIR)/$(TEST_SCRATCH)/release/hcqd ../$(PYTHON) -m pytest -q

BENCH_VENV := .venv-bench
$(BENCH_VENV)/.done: Benchmarks/requirements.txt | setup
	python3 -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

bench: build $(BENCH_VENV)/.done ## hcqd and its peers on the same networks, in turns (minutes)
	$(BENCH_VENV)/bin/python Benchmarks/bench.py

bench-full: build $(BENCH_VENV)/.done ## every model and size, one core and all (hours)
	$(BENCH_VENV)/bin/python Benchmarks/bench.py --full

HCQD_DATA ?= ../shared/data
DATA := $(abspath $(HCQD_DATA))
RECIPE ?= compact-cpu
RUN ?= training-runs/$(RECIPE)
PROCESSES ?= $(shell nproc)
training-runs/data/.done: | setup $(VENV)/.done
	cd Training && ../$(PYTHON) -m hcqnet.unpack --data $(DATA) --output ../training-runs/data
	touch $@

training-runs/pseudo/.done: training-runs/data/.done
	cd Training && ../$(PYTHON) -m hcqnet.pseudo_labels --data ../training-runs/data --teachers $(DATA)/teachers \
	    --output ../training-runs/pseudo --threads $(PROCESSES)
	touch $@

train: training-runs/pseudo/.done ## train RECIPE (compact-cpu) into RUN, going on where it stopped
	cd Training && OMP_NUM_THREADS=1 ../$(VENV)/bin/torchrun --standalone --nproc-per-node $(PROCESSES) -m hcqnet.train \
	    --recipe recipes/$(RECIPE).json --data ../training-runs/data --pseudo ../training-runs/pseudo --output ../$(RUN) \
	    $(if $(wildcard $(RUN)/last.pt),--resume)

train-smoke: training-runs/data/.done ## eight pictures learned by heart: the chain from labels to AP, in minutes
	cd Training && ../$(PYTHON) -m hcqnet.smoke --data ../training-runs/data --teachers $(DATA)/teachers

clean: ## remove what was built
	rm -rf .build $(TEST_SCRATCH) demo-output
