# What people and CI call. Everything else is cargo's.

CARGO ?= cargo
CARGO_DENY_VERSION := 0.20.2
CARGO_DEB_VERSION := 3.8.0
CARGO_FUZZ_VERSION := 0.13.2
CARGO_GENERATE_RPM_VERSION := 0.21.1

.DEFAULT_GOAL := help
.PHONY: help build order bench bench-steps demo test test-clients test-systemd properties fuzz soak lint generate packages reproducible install install-tools package-tools clean

# How long `make soak` runs, and `make fuzz` with each target, in seconds.
soak: SECONDS ?= 300
fuzz: SECONDS ?= 60

# How many rounds `make bench` plays, which scenarios and which candidates: all, unless they are named, as in
# `make bench ROUNDS=3 ONLY=one,many CANDIDATES=nginx,mcp-proxy`. Only a whole run is written to docs/BENCHMARKS.md.
bench: ROUNDS ?= 5
bench: ONLY ?=
bench: CANDIDATES ?=

# Where `make install` puts things, below DESTDIR. The configuration always is in /etc, where the program looks.
PREFIX ?= /usr/local
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions

# What is built optimised does not say in which directories that was done: the same tree gives the same bytes. Its
# symbols say which types they are for, by which the linker can tell them apart.
RELEASE_FLAGS = --remap-path-prefix=$(CURDIR)=. --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo \
	-Csymbol-mangling-version=v0
RELEASE = RUSTFLAGS="$(RUSTFLAGS) $(RELEASE_FLAGS)" $(CARGO)

# The functions that the daemon uses, next to each other (docs/PERFORMANCE.md). `make build ORDER=` builds without, for a
# linker that takes no script: lld and GNU ld take it.
comma := ,
ORDER ?= packaging/order.ld
PROGRAM = rustc --locked --package mcp-proxy --bin mcp-proxy

# Tools run for seconds: they are built quickly rather than well, and what several of them need is built once.
INSTALL = CARGO_TARGET_DIR=$(CURDIR)/target/tools CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0 $(CARGO) install --locked

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: ## build the daemon, optimised: target/release/mcp-proxy
	$(RELEASE) $(PROGRAM) --release $(if $(ORDER),-- -C link-arg=-Wl$(comma)-T$(comma)$(ORDER))

order: ## write anew which functions the daemon uses: packaging/order.ld (takes valgrind and some minutes)
	@command -v valgrind nm >/dev/null || { echo "make order takes valgrind and nm: apt install valgrind binutils" >&2; exit 1; }
	$(RELEASE) $(PROGRAM) --profile profiling
	$(RELEASE) build --release --locked --package mcp-proxy-lab
	target/release/mcp-proxy-lab order
	@# Cargo does not know that the program is linked by it.
	touch src/main.rs

bench: build ## measure against nginx and haproxy, side by side: make bench ROUNDS=3 ONLY=one,many
	@benches/tools
	$(RELEASE) build --release --locked --package mcp-proxy-lab
	target/release/mcp-proxy-lab run --rounds $(ROUNDS) $(if $(ONLY),--only $(ONLY)) \
		$(if $(CANDIDATES),--candidates $(CANDIDATES)) $(if $(ONLY)$(CANDIDATES),,--write docs/BENCHMARKS.md)

bench-steps: ## measure the steps of a request by themselves: admission, routing, headers, events, policy
	RUSTFLAGS="$(RUSTFLAGS) --cfg measuring" $(CARGO) bench --locked --package mcp-proxy-lab --bench steps

demo: ## run daemon and sandbox, sign in, and call a tool through them
	@tests/demo

test: ## run every test, and say by name what ran
	@tests/all

test-clients: ## run the tests with other people's clients alone
	@tests/run --package mcp-proxy --test clients --test official_sdk

test-systemd: packages ## boot a real systemd, install the package there, and look from outside (root, Debian)
	@tests/systemd/run

properties: ## drive the token machine through 100,000 random sequences
	@$(CARGO) test --locked --workspace --lib --no-run
	@PROPTEST_CASES=50000 $(CARGO) test --locked --workspace --lib every_sequence & first=$$!; \
		PROPTEST_CASES=50000 $(CARGO) test --locked --workspace --lib every_sequence && wait $$first

fuzz: ## feed random input to whatever reads input: make fuzz SECONDS=600
	@fuzz/run $(SECONDS)

soak: ## many clients, short tokens, every fault: make soak SECONDS=3600
	SOAK_SECONDS=$(SECONDS) $(CARGO) test --locked --workspace --test soak -- --nocapture

lint: ## check format, clippy, documentation, licences and sources
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy --workspace --bench steps --locked -- -D warnings --cfg measuring
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked
	@if [ "$(CI)" = true ] && ! $(CARGO) deny --version >/dev/null 2>&1; then \
		$(INSTALL) cargo-deny --version $(CARGO_DENY_VERSION); \
	fi
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) deny --locked check licenses bans sources; \
	else \
		echo "cargo-deny is not installed: licences, bans and sources were NOT checked (make install-tools)"; \
	fi

generate: ## write man pages, completions and the reference of metrics anew, from the program and its documents
	@WRITE_GENERATED=1 $(CARGO) test --quiet --locked --package mcp-proxy --test generated

packages: build package-tools ## build .deb and .rpm, twice, and check them: target/packages
	@packaging/build --check

reproducible: build ## build the last commit once more, elsewhere, and compare every byte
	rm -rf target/elsewhere
	git clone --quiet . target/elsewhere
	$(MAKE) --no-print-directory --directory=target/elsewhere build
	cmp target/release/mcp-proxy target/elsewhere/target/release/mcp-proxy
	rm -rf target/elsewhere

install: ## install below DESTDIR and PREFIX what `make build` built
	install -D -m 755 target/release/mcp-proxy $(DESTDIR)$(PREFIX)/bin/mcp-proxy
	install -d $(addprefix $(DESTDIR)$(PREFIX)/lib/,systemd/system systemd/user systemd/system-preset sysusers.d tmpfiles.d)
	for unit in systemd/system/* systemd/user/*; do \
		sed 's|=/usr/bin/|=$(PREFIX)/bin/|' $$unit >$(DESTDIR)$(PREFIX)/lib/$$unit || exit 1; \
	done
	install -m 644 systemd/system-preset/* $(DESTDIR)$(PREFIX)/lib/systemd/system-preset/
	install -m 644 systemd/sysusers.d/* $(DESTDIR)$(PREFIX)/lib/sysusers.d/
	install -m 644 systemd/tmpfiles.d/* $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/
	for page in packaging/man/*; do \
		install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man$${page##*.} $$page || exit 1; \
	done
	install -D -m 644 packaging/completions/mcp-proxy.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/mcp-proxy
	install -D -m 644 -t $(DESTDIR)$(ZSHDIR) packaging/completions/_mcp-proxy
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d packaging/completions/mcp-proxy.fish
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/mcp-proxy README.md CHANGELOG.md
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/mcp-proxy/docs docs/*.md
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/mcp-proxy/monitoring packaging/monitoring/*
	test -e $(DESTDIR)/etc/mcp-proxy/mcp-proxy.toml || \
		install -D -m 644 packaging/mcp-proxy.toml $(DESTDIR)/etc/mcp-proxy/mcp-proxy.toml
	test -e $(DESTDIR)/etc/logrotate.d/mcp-proxy || \
		install -D -m 644 packaging/logrotate/mcp-proxy $(DESTDIR)/etc/logrotate.d/mcp-proxy

install-tools: ## install what lint, fuzz and packages need: rustfmt, clippy, cargo-deny, cargo-fuzz, cargo-deb, cargo-generate-rpm
	@$(CARGO) fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	@$(CARGO) clippy --version >/dev/null 2>&1 || rustup component add clippy
	@$(CARGO) deny --version >/dev/null 2>&1 || \
		$(INSTALL) cargo-deny --version $(CARGO_DENY_VERSION)
	@$(CARGO) fuzz --version >/dev/null 2>&1 || \
		$(INSTALL) cargo-fuzz --version $(CARGO_FUZZ_VERSION)
	@$(MAKE) --no-print-directory package-tools

package-tools:
	@$(CARGO) deb --version >/dev/null 2>&1 || $(INSTALL) cargo-deb --version $(CARGO_DEB_VERSION)
	@$(CARGO) generate-rpm --version >/dev/null 2>&1 || \
		$(INSTALL) cargo-generate-rpm --version $(CARGO_GENERATE_RPM_VERSION)

clean: ## remove everything that was built
	$(CARGO) clean
