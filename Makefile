# Caddis. `make help` lists what there is; README.md explains it.

PREFIX ?= /usr/local
DESTDIR ?=
SYSCONFDIR ?= /etc

# The programs are static: the setuid helper loads no library and no plugin, and an environment's own libc, of
# whatever version, does not matter to it.
TRIPLE := $(or $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p'),$(shell uname -m)-unknown-linux-gnu)
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
BIN_DIR ?= $(TARGET_DIR)/$(TRIPLE)/release
STATIC_FLAGS := -C target-feature=+crt-static
PROGRAMS := caddis caddis-login caddis-helper caddis-admin

# Compiled in, so that no variable at run time can tell a setuid program where to look.
export CADDIS_BINDIR := $(PREFIX)/bin
export CADDIS_LIBEXECDIR := $(PREFIX)/libexec/caddis
export CADDIS_SYSCONFDIR := $(SYSCONFDIR)/caddis

# `make run CMD="…"`: by way of the environment, so that the shell that make starts does not read it.
export CMD
# `make test T=name P=crate`, `make bench ARGS="…"`
T ?=
P ?=
ARGS ?=
TEST_ARGS = $(if $(P),--package $(P),--workspace) $(T)

.DEFAULT_GOAL := help
.PHONY: help run test build build-lab install uninstall bench lint fuzz host image clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

run: ## set up, build, install, and open a shell in an environment of yours (CMD="…": run that instead)
	@scripts/prepare build run
	@$(MAKE) --no-print-directory build
	@scripts/as-root $(MAKE) --no-print-directory install BUILD=no BIN_DIR='$(BIN_DIR)' PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)'
	@PREFIX='$(PREFIX)' scripts/open

test: ## set up and run every test, on disposable hosts (T=name: only those; P=crate: only of that one)
	@scripts/prepare build test
	@$(MAKE) --no-print-directory build-lab
	cargo test --locked --no-run --quiet $(if $(P),--package $(P),--workspace)
ifeq ($(T),)
	cargo test --locked --doc --quiet --workspace
endif
	@lab/run-tests $(BIN_DIR) $(TEST_ARGS)

build: ## the programs, in target/<triple>/release
	RUSTFLAGS='$(STATIC_FLAGS)' cargo build --locked --release --target $(TRIPLE) $(PROGRAMS:%=--package %)

# The tests need their own program as well.
build-lab:
	RUSTFLAGS='$(STATIC_FLAGS)' cargo build --locked --release --target $(TRIPLE) $(PROGRAMS:%=--package %) --package caddis-lab

install: ## install under PREFIX (/usr/local) and DESTDIR; builds only if there is no build
	@test '$(BUILD)' = no || test -x '$(BIN_DIR)/caddis-helper' || $(MAKE) --no-print-directory build
	@BIN_DIR='$(BIN_DIR)' PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' SYSCONFDIR='$(SYSCONFDIR)' scripts/install

uninstall: ## remove what install put there; PURGE=1: the policy and all environments, too
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' SYSCONFDIR='$(SYSCONFDIR)' PURGE='$(PURGE)' scripts/uninstall

bench: ## measure start, join and cost beside other container programs (ARGS="…" for caddis-bench)
	@scripts/prepare build test bench
	@$(MAKE) --no-print-directory build-lab
	RUSTFLAGS='$(STATIC_FLAGS)' cargo build --locked --release --target $(TRIPLE) --package caddis-bench
	@lab/run-tests $(BIN_DIR) --exec $(abspath $(BIN_DIR))/caddis-bench $(ARGS)

lint: ## formatting, lints, and what scripts/check-text checks of the documentation, as CI does
	scripts/check-text --self-test
	scripts/check-text
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

fuzz: ## the property tests again with many more cases (CASES=200000)
	PROPTEST_CASES=$(or $(CASES),200000) cargo test --locked --release --package caddis-policy --package caddis-seccomp --package caddis-packages --package caddis-helper --package caddis-client --package caddis-login --package caddis $(T)

host: ## a root shell on a fresh test host, for looking around (ARGS=alice: as alice)
	@scripts/prepare build test
	@$(MAKE) --no-print-directory build-lab
	@lab/run-tests $(BIN_DIR) --exec $(abspath $(BIN_DIR))/caddis-lab shell $(ARGS)

image: ## build the test hosts' image if it is not there, and say where it is
	@scripts/prepare test
	@scripts/as-root lab/image/build

clean: ## remove what was built here (the test hosts' image is in ~/.cache/caddis-lab)
	cargo clean
