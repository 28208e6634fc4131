# The doors of the project. `make help` lists them; every door does its own set-up.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

HCQD_DATA ?= ../shared/data
# Absolute, since tests run in folders of their own.
override HCQD_DATA := $(abspath $(HCQD_DATA))
export HCQD_DATA

# What Debian 12 must have installed; `setup` installs what is missing. First what a Swift toolchain needs to run.
APT := binutils git libc6-dev libcurl4 libedit2 libgcc-12-dev libncurses6 libsqlite3-0 libstdc++-12-dev libxml2 libz3-4 tzdata \
       zlib1g-dev libavformat-dev libavcodec-dev libswscale-dev libavutil-dev libopenblas-dev libmosquitto-dev pkg-config ffmpeg opencv-doc \
       python3 python3-venv jq libgl1 curl
# What the tests talk to besides: a broker, Prometheus' checker, an RTSP server that is not ours.
APT_TEST := openssl procps mosquitto mosquitto-clients prometheus python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base \
            gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly
APT_CHECK := chromium
APT_PACKAGE := libcurl4-openssl-dev chrpath dpkg-dev lintian mmdebstrap
VENV := .venv
PYTHON := $(VENV)/bin/python
CLIP := /usr/share/doc/opencv-doc/examples/data/vtest.avi
SWIFT := swift
TEST_SCRATCH := .build-test
TEST_FLAGS := -c release -Xswiftc -enable-testing --scratch-path $(TEST_SCRATCH)

.PHONY: help setup setup-test build demo test test-swift test-python test-soak test-kill check check-threads check-addresses check-kill check-tracker check-pages false-alarms fuzz bench bench-full bench-cameras bench-tracking load quantize train train-smoke package format format-check clean

help: ## list the doors
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: ## install the Debian packages that are missing
	@$(call install,$(APT))

setup-test: setup
	@$(call install,$(APT_TEST))

# Installs what is missing of some packages.
define install
	missing=$$(for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	    sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	    echo "installing:" $$missing; \
	    $$sudo apt-get update -qq; \
	    DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi
endef

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

# The float network; its int8 form, NAME-int8, is for whoever asks for it.
MODEL := $(firstword $(sort $(filter-out %-int8.safetensors,$(wildcard Models/*.safetensors))))
DEMO_MODEL := $(or $(MODEL),demo-output/untrained.safetensors)

demo: build demo-output/vtest.avi $(DEMO_MODEL) ## watch a surveillance clip: event log and annotated video in demo-output/
	@case $(DEMO_MODEL) in *untrained*) \
	    echo "There are no trained weights in Models/ yet: this network is UNTRAINED. It runs in full, and what it says means nothing.";; \
	esac
	.build/release/hcqd --replay demo-output/vtest.avi --model $(DEMO_MODEL) --output demo-output \
	    --annotate demo-output/vtest.mp4
	@echo "Look at demo-output/vtest.mp4 and at the event log demo-output/vtest.jsonl, for example:"
	@echo "    jq -c '{t, type, id, reason}' demo-output/vtest.jsonl | head"

test: test-swift test-python test-soak test-kill ## all tests

test-swift: setup-test $(VENV)/.done demo-output/vtest.avi ## the tests of the daemon
	$(SWIFT) build --build-tests $(TEST_FLAGS)
	HCQD_PYTHON=$(CURDIR)/$(PYTHON) $(SWIFT) test --skip-build $(TEST_FLAGS)
	for cpu in avx2 baseline; do HCQD_CPU=$$cpu HCQD_VNNI=0 HCQD_PYTHON=$(CURDIR)/$(PYTHON) \
	    $(SWIFT) test --skip-build $(TEST_FLAGS) --filter EngineTests; done

test-python: setup $(VENV)/.done ## the tests of the training system, parity with the engine among them
	$(SWIFT) build $(TEST_FLAGS) --product hcqd
	cd Training && HCQD_BINARY=$(CURDIR)/$(TEST_SCRATCH)/release/hcqd ../$(PYTHON) -m pytest -q -rs

# A camera's clip for the soak: short, small, H.264.
out/day.h264: demo-output/vtest.avi
	@mkdir -p out
	@ffmpeg -v error -y -i $< -t 20 -s 384x288 -c:v libx264 -preset ultrafast -g 10 -bf 0 -pix_fmt yuv420p \
	    -bsf:v h264_mp4toannexb $@

# $(call small_model,BINARY,VARIABLES): an untrained network and a small picture, so that every core is not needed for it.
define small_model
	printf '{"backbone":"resnet18","hidden_dim":64,"queries":20,"encoder_layers":1,"encoder_ffn":128,"decoder_layers":2,"decoder_ffn":128}' > out/soak.json
	$(2) $(1) model new --config out/soak.json --seed 4 -o out/soak.safetensors
endef

# $(call kill,BINARY,DEATHS)
define kill
	$(call small_model,$(1))
	python3 Tests/Tools/kill_test.py $(1) out/day.h264 out/soak.safetensors --rounds $(2)
endef

# $(call soak,BINARY,MINUTES,OPTIONS,VARIABLES of the environment)
define soak
	$(call small_model,$(1),$(4))
	$(4) python3 Tests/Tools/soak.py $(1) out/day.h264 out/soak.safetensors --input 128x96 --minutes $(2) $(3)
endef

test-soak: setup out/day.h264 ## two minutes of four cameras with faults all along
	$(SWIFT) build $(TEST_FLAGS) --product hcqd
	@$(call soak,$(TEST_SCRATCH)/release/hcqd,2)

test-kill: setup out/day.h264 ## kill -9 while it writes, and the loss of what was not on disk, 32 times
	$(SWIFT) build $(TEST_FLAGS) --product hcqd
	@$(call kill,$(TEST_SCRATCH)/release/hcqd,32)

check-kill: build out/day.h264 ## the same 400 times
	@$(call kill,.build/release/hcqd,400)

# Every parser with libFuzzer, which looks for inputs that reach new code, and AddressSanitizer. What it finds stays in
# out/fuzz: NAME holds inputs for the next run, NAME-crash... what a parser did not survive.
FUZZ_SECONDS ?= 60
FUZZER := .build-fuzz/release/hcqd-fuzz
fuzz: setup ## damaged inputs for every parser, FUZZ_SECONDS (60) each; `make test` has a short version
	HCQD_LIBFUZZER=1 $(SWIFT) build -c release --product hcqd-fuzz --scratch-path .build-fuzz -Xswiftc -enable-testing \
	    -Xswiftc -sanitize=fuzzer,address -Xcc -fsanitize=fuzzer-no-link,address
	HCQD_FUZZ_SEEDS=out/fuzz/seeds $(FUZZER)
	@for parser in $$(ls out/fuzz/seeds); do \
	    mkdir -p out/fuzz/$$parser; echo "$$parser:"; \
	    HCQD_FUZZ_PARSER=$$parser ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=16 SWIFT_BACKTRACE=enable=no $(FUZZER) \
	        -max_total_time=$(FUZZ_SECONDS) -max_len=16384 -timeout=60 -rss_limit_mb=1024 -print_final_stats=1 \
	        -artifact_prefix=out/fuzz/$$parser- out/fuzz/$$parser out/fuzz/seeds/$$parser 2>out/fuzz/$$parser.log \
	        || { tail -40 out/fuzz/$$parser.log; exit 1; }; \
	    grep -E "DONE|executed_units|peak_rss" out/fuzz/$$parser.log; \
	done

check: check-threads check-addresses check-pages fuzz check-kill check-tracker ## sanitizers, pages in a browser, fuzzing, 400 kills, soaks: 50 minutes of cameras, a million frames of people
	$(MAKE) build out/day.h264
	@$(call soak,.build/release/hcqd,50)

# Release builds: sanitizers are slow enough, and without optimisation AddressSanitizer stops the tests where the Swift runtime
# copies a key path's result onto itself. Of the tests, those that run hcqd itself are left out, because the deadlines in them
# are too short for it: it is soaked instead. Leaks are not looked for: the runtime never gives back what it knows of types.
SANITIZED := -c release -Xswiftc -enable-testing
THREADS := $(SANITIZED) --sanitize=thread --scratch-path .build-threads
ADDRESSES := $(SANITIZED) --sanitize=address --scratch-path .build-addresses
SEEN := LD_PRELOAD=$(CURDIR)/out/seen_sharing.so
NO_LEAKS := ASAN_OPTIONS=detect_leaks=0
SANITIZED_MINUTES := 3

# What ThreadSanitizer must be shown of the Swift libraries.
out/seen_sharing.so: Tests/Tools/seen_sharing.c
	@mkdir -p out
	clang -O1 -Wall -Werror -shared -fPIC -o $@ $<

check-threads: setup-test $(VENV)/.done demo-output/vtest.avi out/day.h264 out/seen_sharing.so ## the tests, and three minutes of cameras, under ThreadSanitizer
	$(SWIFT) build --build-tests $(THREADS)
	$(SEEN) HCQD_PYTHON=$(CURDIR)/$(PYTHON) $(SWIFT) test --skip-build $(THREADS) --skip EndToEndTests
	@$(call soak,.build-threads/release/hcqd,$(SANITIZED_MINUTES),--sanitized,$(SEEN))

check-addresses: setup-test $(VENV)/.done demo-output/vtest.avi out/day.h264 ## the same under AddressSanitizer
	$(SWIFT) build --build-tests $(ADDRESSES)
	$(NO_LEAKS) HCQD_PYTHON=$(CURDIR)/$(PYTHON) $(SWIFT) test --skip-build $(ADDRESSES) --skip EndToEndTests
	@$(call soak,.build-addresses/release/hcqd,$(SANITIZED_MINUTES),--sanitized,$(NO_LEAKS))

check-tracker: setup-test $(VENV)/.done ## a million frames of twenty people: time and memory stay as they were
	$(SWIFT) build --build-tests $(TEST_FLAGS)
	HCQD_SOAK_FRAMES=1000000 $(SWIFT) test --skip-build $(TEST_FLAGS) --filter SoakTests

check-pages: build demo-output/vtest.avi $(VENV)/.done ## the live page and `hcqd zones` in headless Chromium, with screenshots in out/
	@$(call install,$(APT_CHECK))
	@mkdir -p out
	$(PYTHON) Tests/Tools/zones_page.py .build/release/hcqd demo-output/vtest.avi out/zones.png
	$(PYTHON) Tests/Tools/page.py .build/release/hcqd demo-output/vtest.avi out/page.png

false-alarms: build demo-output/vtest.avi ## events on clips that should have none: Docs/false-alarms.md (minutes)
	python3 Benchmarks/false_alarms.py .build/release/hcqd --data $(HCQD_DATA) --vtest demo-output/vtest.avi \
	    --output Docs/false-alarms.md

BENCH_VENV := .venv-bench
$(BENCH_VENV)/.done: Benchmarks/requirements.txt | setup
	python3 -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

bench: build $(BENCH_VENV)/.done ## hcqd and its peers on the same networks, in turns (minutes)
	$(BENCH_VENV)/bin/python Benchmarks/bench.py

bench-full: build $(BENCH_VENV)/.done ## every model and size, one core and all (hours)
	$(BENCH_VENV)/bin/python Benchmarks/bench.py --full

bench-cameras: build demo-output/vtest.avi $(DEMO_MODEL) ## memory of the daemon with eight cameras of 1080p
	python3 Benchmarks/cameras.py --clip demo-output/vtest.avi --model $(DEMO_MODEL)

quantize: build ## the int8 form of the shipped network, MODEL-int8, and what it loses
	@test -n "$(MODEL)" || { echo "there are no weights in Models/"; exit 1; }
	python3 Benchmarks/int8.py $(MODEL) --data $(HCQD_DATA)

load: build demo-output/vtest.avi ## more and more cameras, until this machine has enough
	python3 Benchmarks/load.py .build/release/hcqd demo-output/vtest.avi

.venv-tracking/.done: Benchmarks/tracking/requirements.txt | setup
	python3 -m venv .venv-tracking
	.venv-tracking/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

bench-tracking: build .venv-tracking/.done ## the tracker: each kind of evidence with and without, and its peers (half an hour)
	.venv-tracking/bin/python Benchmarks/tracking/evidence.py --model $(MODEL)
	.venv-tracking/bin/python Benchmarks/tracking/compare.py --ablation

RECIPE ?= compact-cpu
RUN ?= training-runs/$(RECIPE)
PROCESSES ?=
# One process a GPU, else one a core.
PROCESSES_HERE = $(or $(PROCESSES),$$(../$(PYTHON) -c 'import os, torch; print(torch.cuda.device_count() or len(os.sched_getaffinity(0)))'))
training-runs/data/.done: | setup $(VENV)/.done
	cd Training && ../$(PYTHON) -m hcqnet.unpack --data $(HCQD_DATA) --output ../training-runs/data
	touch $@

training-runs/pseudo/.done: training-runs/data/.done
	cd Training && ../$(PYTHON) -m hcqnet.pseudo_labels --data ../training-runs/data --teachers $(HCQD_DATA)/teachers \
	    --output ../training-runs/pseudo --threads $$(nproc)
	touch $@

train: training-runs/pseudo/.done ## train RECIPE (compact-cpu) into RUN, going on where it stopped
	cd Training && OMP_NUM_THREADS=1 ../$(VENV)/bin/torchrun --standalone --nproc-per-node $(PROCESSES_HERE) -m hcqnet.train \
	    --recipe recipes/$(RECIPE).json --data ../training-runs/data --pseudo ../training-runs/pseudo --output ../$(RUN) \
	    --teachers $(HCQD_DATA)/teachers $(if $(wildcard $(RUN)/last.pt),--resume)

train-smoke: training-runs/data/.done ## eight pictures learned by heart: the chain from labels to AP, in minutes
	cd Training && ../$(PYTHON) -m hcqnet.smoke --data ../training-runs/data --teachers $(HCQD_DATA)/teachers

package: setup ## a Debian package in out/, checked by lintian and, for root, tried on a clean Debian
	@$(call install,$(APT_PACKAGE))
	$(SWIFT) build -c release --static-swift-stdlib --product hcqd --scratch-path .build-package
	packaging/build-deb.sh .build-package out
	lintian --allow-root --fail-on error out/hcqd_*.deb
	@if [ "$$(id -u)" = 0 ] && unshare --mount true 2>/dev/null; then packaging/test-deb.sh out/hcqd_*.deb .build-package/debian; \
	else echo "not tried: that needs root and namespaces (packaging/test-deb.sh out/hcqd_*.deb ROOT)"; fi

format: ## lay the Swift sources out as .swift-format says
	$(SWIFT) format --in-place --parallel --recursive Package.swift Sources Tests

format-check: $(VENV)/.done ## say where their layout differs, and what ruff finds in Training
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources Tests
	$(VENV)/bin/ruff check Training

clean: ## remove what was built
	rm -rf .build $(TEST_SCRATCH) .build-threads .build-addresses .build-fuzz .build-package demo-output out
