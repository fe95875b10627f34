# Falconer: what a newcomer needs is `make run` and `make test`; both set up what they use.

CARGO ?= cargo
TOOLS := $(CURDIR)/target/tools
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
SECONDS_EACH ?= 60
FUZZ_FLAGS ?=
SOAK_SECONDS ?= 60
PREFIX ?= /usr/local

CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ_VERSION := 0.13.2
CARGO_CYCLONEDX_VERSION := 0.5.9
FUZZ_TARGETS := $(shell sed -n '/^\[\[bin/{n;s/name = "\(.*\)"/\1/p}' fuzz/Cargo.toml)

.PHONY: run install web test conformance soak bench lint audit sbom fuzz findings clean help

WEB_SOURCES := $(shell find web/src web/public -type f 2>/dev/null) \
    web/index.html web/package.json web/package-lock.json web/tsconfig.json web/vite.config.ts

help: ## This list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST)

run: ## Build what is missing and serve invented alerts; prints what to paste next
	@command -v npm >/dev/null && $(MAKE) --no-print-directory web || \
	    echo "npm is not installed: building without the dashboard"
	@test -x $(TARGET)/quick/falconer || \
	    echo "building falconer for a first look: about 3 minutes on 2 cores, once"
	$(CARGO) run --profile quick --locked -- demo

install: ## Build the release and install program, manual pages and completions under PREFIX
	@command -v npm >/dev/null && $(MAKE) --no-print-directory web || \
	    echo "npm is not installed: building without the dashboard"
	$(CARGO) build --release --locked
	install -D -m 755 $(TARGET)/release/falconer $(DESTDIR)$(PREFIX)/bin/falconer
	mkdir -p $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	$(TARGET)/release/falconer man > $(DESTDIR)$(PREFIX)/share/man/man1/falconer.1
	$(TARGET)/release/falconer completions bash \
	    > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/falconer

web: web/dist/index.html ## The dashboard, for the next build to take in

web/dist/index.html: web/node_modules/.package-lock.json $(WEB_SOURCES)
	cd web && npm run build
	touch $@

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	touch $@

test: web ## All tests, real clients included; says what it installs, skips loudly what cannot be had
	tests/clients/setup target/clients
	cd web && npm test
	$(CARGO) test --workspace --locked
	tests/conformance/run $(TARGET)/debug/examples/conformance target/clients
	$(CARGO) check --manifest-path fuzz/Cargo.toml --target-dir $(TARGET) --locked
	tests/clients/browser
	cd web && FALCONER_BIN=$(TARGET)/debug/falconer npm run e2e

conformance: ## What gRPC's own suites say: h2spec, connectconformance, interop; a table
	tests/clients/setup target/clients
	$(CARGO) build --locked --example conformance
	tests/conformance/run $(TARGET)/debug/examples/conformance target/clients

soak: ## What takes minutes: readers that poll, stall, come and go; each for SOAK_SECONDS
	SOAK_SECONDS=$(SOAK_SECONDS) $(CARGO) test --locked --test soak -- --ignored --nocapture \
	    --test-threads 1

bench: ## Beside tonic and the bare machine, and the page in a browser; QUICK=1 for a first look
	@command -v npm >/dev/null && $(MAKE) --no-print-directory web || \
	    echo "npm is not there: the page is not measured"
	$(CARGO) build --release --locked
	mkdir -p $(TARGET)/bench
	cp $(TARGET)/release/falconer $(TARGET)/bench/falconer
	FALCONER_BIN=$(TARGET)/bench/falconer $(CARGO) bench --locked --bench field
	@if command -v npm >/dev/null; then cd web && \
	    FALCONER_BIN=$(TARGET)/bench/falconer SECONDS=$(if $(QUICK),4,12) npm run bench; fi

lint: $(TOOLS)/bin/cargo-deny ## Format, clippy, documentation, dependencies
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --document-private-items --locked
	$(TOOLS)/bin/cargo-deny --locked --config .deny.toml check bans licenses sources

audit: $(TOOLS)/bin/cargo-deny ## Known vulnerabilities; fetches the advisory database
	$(TOOLS)/bin/cargo-deny --locked --config .deny.toml check advisories

sbom: $(TOOLS)/bin/cargo-cyclonedx ## What the binary and the page are made of, in CycloneDX, into target/sbom
	mkdir -p $(TARGET)/sbom
	PATH=$(TOOLS)/bin:$$PATH $(CARGO) cyclonedx --format json --describe binaries
	mv falconer_bin.cdx.json $(TARGET)/sbom/falconer.cdx.json
	cd web && npm sbom --omit dev --sbom-format cyclonedx > $(TARGET)/sbom/page.cdx.json

fuzz: $(TOOLS)/bin/cargo-fuzz ## Each fuzz target for SECONDS_EACH seconds
	for target in $(FUZZ_TARGETS); do \
	    mkdir -p fuzz/corpus/$$target tests/corpora/$$target; \
	    RUSTC_BOOTSTRAP=1 PATH=$(TOOLS)/bin:$$PATH $(CARGO) fuzz run $$target \
	        fuzz/corpus/$$target tests/corpora/$$target -- \
	        -max_total_time=$(SECONDS_EACH) -max_len=65536 $(FUZZ_FLAGS) || exit 1; \
	done

findings: ## Surprises of software around Falconer, shown again; fetches npm, PyPI and Go packages
	@failed=; \
	for finding in findings/*.sh; do \
	    echo "== $$finding"; $$finding || failed="$$failed $$finding"; \
	done; \
	test -z "$$failed" || { echo "no longer as it was found:$$failed" >&2; exit 1; }

# Built from source, unoptimised as they run for seconds only: the version is part of the name, so that a
# change of version is a change.
$(TOOLS)/bin/cargo-deny: $(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION)
$(TOOLS)/bin/cargo-fuzz: $(TOOLS)/cargo-fuzz-$(CARGO_FUZZ_VERSION)
$(TOOLS)/bin/cargo-cyclonedx: $(TOOLS)/cargo-cyclonedx-$(CARGO_CYCLONEDX_VERSION)
$(TOOLS)/cargo-%:
	@echo "installing cargo-$* into target/tools"
	$(CARGO) install --locked --force --debug --root $(TOOLS) \
	    $$(echo cargo-$* | sed 's/-\([0-9.]*\)$$/ --version \1/')
	touch $@

clean: ## Forget everything that was built or installed here
	$(CARGO) clean
	rm -rf run fuzz/target web/dist web/node_modules
