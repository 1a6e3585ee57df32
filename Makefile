# What people and CI call. Everything else is cargo's.

CARGO ?= cargo
CARGO_DENY_VERSION := 0.20.2

.DEFAULT_GOAL := help
.PHONY: help build demo test properties soak lint install-tools clean

# How long `make soak` runs, in seconds.
SECONDS ?= 300

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: ## build the daemon, optimised: target/release/mcp-proxy
	$(CARGO) build --release --locked

demo: ## run daemon and sandbox, sign in, and call a tool through them
	@tests/demo

test: ## run every test, and say by name what ran
	@tests/run

properties: ## drive the token machine through 100,000 random sequences
	PROPTEST_CASES=100000 $(CARGO) test --release --locked --package mcp-proxy --lib every_sequence

soak: ## many clients, short tokens, every fault: make soak SECONDS=3600
	SOAK_SECONDS=$(SECONDS) $(CARGO) test --locked --package mcp-proxy --test soak -- --nocapture

lint: ## check format, clippy, documentation, licences and sources
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked
	@if [ "$(CI)" = true ] && ! $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) install cargo-deny --locked --version $(CARGO_DENY_VERSION); \
	fi
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) deny --locked check licenses bans sources; \
	else \
		echo "cargo-deny is not installed: licences, bans and sources were NOT checked (make install-tools)"; \
	fi

install-tools: ## install what lint needs: rustfmt, clippy, cargo-deny
	@$(CARGO) fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	@$(CARGO) clippy --version >/dev/null 2>&1 || rustup component add clippy
	@$(CARGO) deny --version >/dev/null 2>&1 || \
		$(CARGO) install cargo-deny --locked --version $(CARGO_DENY_VERSION)

clean: ## remove everything that was built
	$(CARGO) clean
