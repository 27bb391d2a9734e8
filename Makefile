# arqload: `make help` lists what there is.
GO      ?= go
OUT     ?= runs
FUZZTIME ?= 20s
POSTGRES_VERSIONS ?= 13.23.0-beta.16 14.23.0-beta.17 15.18.0-beta.17 16.14.0-beta.17 17.10.0-beta.17 18.4.0-beta.17
WITHOUT ?= none# major versions that the matrix leaves out
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

.DEFAULT_GOAL := help
.PHONY: help deps build demo test test-postgres-matrix test-matrix check fuzz bench calibrate golden

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | while IFS="$$(printf '\t')" read -r t d; do printf '  %-20s %s\n' "$$t" "$$d"; done

deps: ## install PostgreSQL and Redis where they are missing (Debian, Ubuntu)
	@./deploy/install-deps.sh

build: ## build bin/arqload
	$(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/arqload ./cmd/arqload

demo: deps build ## the main job on this machine alone: PostgreSQL, Redis, the reference ARQ, 1,100 requests/s, the report
	./bin/arqload demo --out $(OUT)

# Packages whose tests hold a drive against the clock: one at a time, with nothing beside them.
ALONE := arqload/attack arqload/cmd/arqload arqload/cmd/internal/reference

test: deps ## all tests, with the race detector, over a real PostgreSQL and Redis
	$(GO) test -race -timeout 280s $(TESTFLAGS) $(filter-out $(ALONE),$(shell $(GO) list ./...))
	$(GO) test -race -p 1 -parallel 4 -timeout 280s $(TESTFLAGS) $(ALONE)
	$(GO) test -run '^TestTiming' $(TESTFLAGS) ./attack

test-postgres-matrix: ## the collector on every PostgreSQL of POSTGRES_VERSIONS, fetched where missing
	@./deploy/install-deps.sh npm
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; trap 'exit 1' HUP INT TERM; failed=; \
	for version in $(filter-out $(addsuffix .%,$(WITHOUT)),$(POSTGRES_VERSIONS)); do \
		start=$$(date +%s); \
		if bin=$$(./deploy/fetch-postgres.sh $$version) && ARQLOAD_POSTGRES_BIN=$$bin $(GO) test -count=1 -timeout 240s ./attack/collectors/pgstat > "$$log" 2>&1; \
		then result=ok; else result=FAILED; failed="$$failed $$version"; cat "$$log"; fi; \
		echo "PostgreSQL $$version: $$result ($$(( $$(date +%s) - start )) s)"; \
	done; \
	if [ -n "$$failed" ]; then echo "failed on PostgreSQL:$$failed"; exit 1; fi

test-matrix: test-postgres-matrix ## that, and the long tests (build tag matrix, TestMatrix...)
	@./deploy/install-deps.sh npm pgbench pgbouncer
	$(GO) test -count=1 -tags matrix -run '^TestMatrix' -timeout 600s $(TESTFLAGS) ./attack/... ./cmd/...

check: ## gofmt, vet, staticcheck, and govulncheck where its database can be reached
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet -tags matrix,record ./...
	$(GO) tool staticcheck -tags matrix,record ./...
	@$(GO) tool govulncheck ./... > /tmp/arqload-vuln.$$$$ 2>&1; code=$$?; \
	if grep -qiE 'no such host|dial tcp|connection refused|403|forbidden|timeout|fetching vulnerabilities' /tmp/arqload-vuln.$$$$ && [ $$code -ne 3 ]; then \
		echo "govulncheck: its database cannot be reached from here; not checked"; code=0; \
	else cat /tmp/arqload-vuln.$$$$; fi; rm -f /tmp/arqload-vuln.$$$$; exit $$code

fuzz: ## every fuzz target for FUZZTIME (default 20s)
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

bench: ## the drive's CPU per request beside the plain Vegeta library's, in pairs
	$(GO) test -run '^$$' -bench . -benchtime 3x -timeout 900s ./attack ./analysis/...

calibrate: ## how often a verdict or a comparison is wrong, by simulation: both tables (some minutes)
	$(GO) test -count=1 -timeout 1800s -v -run '^(TestCalibration|TestALongerRunLeavesLessUnproven|TestAGateEndsSoonWhereTheAnswerIsPlain)$$' ./analysis -calibrate
	ARQLOAD_CALIBRATE=3000 $(GO) test -count=1 -timeout 1800s -v -run '^TestCalibratedOnRecordedNoise$$' ./analysis/compare

golden: ## rewrite the golden files of the tests
	$(GO) test ./reports ./cmd/arqload ./scenarios -update
