# Thin names over scripts/ and the presets of CMakePresets.json. `make help` lists them.
#
# Every target that builds runs scripts/setup first: it installs what is missing and otherwise takes a moment.

.DEFAULT_GOAL := build
.PHONY: build demo test unit check format asan tsan fuzz bench install setup clean distclean help

PREFIX ?= /usr/local
JOBS ?= $(shell nproc)

build: setup ## build build/ingot
	@scripts/build release

setup: ## install and fetch what the build needs
	@scripts/setup --quiet

demo: build ## run both examples from source to warehouse
	@scripts/demo

test: ## install, build and run every test
	@scripts/test

unit: setup ## the unit tests alone, without sanitizers
	@scripts/build release unit-tests
	@ctest --test-dir build --output-on-failure -j $(JOBS)

asan: setup ## the unit tests under AddressSanitizer and UBSan
	@scripts/build asan unit-tests
	@ctest --test-dir build-asan --output-on-failure -j $(JOBS)

tsan: setup ## the unit tests of what runs threads, under ThreadSanitizer
	@scripts/build tsan thread-tests
	@scripts/ctest-threads

fuzz: ## fuzz every reader of foreign bytes; SECONDS=60 each
	@scripts/setup --quiet --tests
	@tests/fuzz/run $${SECONDS_EACH:-60}

bench: build ## run the benchmarks, and the peers they compare with
	@scripts/setup --quiet --tests
	@tests/bench/run

check: ## formatting, clang-tidy, layering, sizes
	@scripts/setup --quiet --tests
	@scripts/check

format: ## rewrite the sources as .clang-format says
	@git ls-files '*.c' '*.h' | xargs clang-format-19 -i

install: build ## install into PREFIX (/usr/local)
	@cmake --install build --prefix $(PREFIX)

clean: ## remove what was built
	rm -rf build build-*

distclean: clean ## and what was fetched
	rm -rf .deps .venv .cache

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
