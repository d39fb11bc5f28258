# make test is what a change has to pass; make help lists the rest.

SHELL := /bin/bash
.DEFAULT_GOAL := test
.PHONY: bench demo fuzz go127 help lint load race servers test vet-and-test vuln

# The root module and the modules below it, which the workspace joins: those first
# whose tests take long.
MODULES := $(patsubst %/,%,$(dir $(wildcard go.mod internal/integration/go.mod internal/faults/go.mod dashboard/browsertest/go.mod bench/peers/go.mod cmd/sqlwitness/go.mod examples/go.mod drivers/migrateurl/go.mod metrics/otlp/go.mod)))

# A heading: bold on a terminal, plain in a pipe.
say = if [ -t 1 ]; then printf '\033[1m%s\033[0m\n' "$(1)"; else echo "$(1)"; fi

# One command, $(2), in each module; all of them run even if one fails.
each = failed=0; for m in $(MODULES); do $(call say,-- $$m: $(1)); (cd $$m && $(2)) || failed=1; done; exit $$failed

# Runs a command with a PostgreSQL server for all packages. It says last which
# tests were skipped for want of a server.
with-servers = go run ./internal/testdb/cmd/testservers

FUZZTIME ?= 30s
BENCHTIME ?= 1s

## test: vet and test every module; real servers are installed if that is allowed
test: servers
	@$(with-servers) $(MAKE) --no-print-directory vet-and-test

vet-and-test:
	@$(call say,-- build without the workspace); GOWORK=off go build ./...
	@printf '%s\n' $(MODULES) | xargs -P 2 -I{} .ci/module {}

## race: test the packages that goroutines share, with the race detector and fewer faults
race: servers
	@$(with-servers) go test -race -short -timeout 10m . ./internal/fakedb ./alert ./audit/... ./dashboard ./eventlog ./metrics ./migrator ./probe ./sqltext

## go127: test the driver with Go 1.27, whose database/sql has a new interface for rows
go127: servers
	@if GOTOOLCHAIN=go1.27.0 go version >/dev/null 2>&1; \
	then GOTOOLCHAIN=go1.27.0 GOWORK=off $(with-servers) go test -timeout 5m . ./drivertest ./internal/fakedb; \
	else echo "SKIPPED: GO 1.27 IS NOT TO BE HAD HERE"; fi

## lint: golangci-lint; its own module is tools/go.mod
lint:
	@lint=$$(GOWORK=off go tool -n -modfile=tools/go.mod golangci-lint) && $(call each,lint,$$lint run --config $(CURDIR)/.golangci.yml ./...)

## vuln: known vulnerabilities that are reached, by govulncheck; they fail, a database out of reach does not
vuln:
	@vuln=$$(GOWORK=off go tool -n -modfile=tools/go.mod govulncheck) && .ci/vuln $$vuln $(MODULES)

## bench: what the witness costs, and what its rivals cost
bench:
	go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./bench
	@if [ -f bench/peers/go.mod ]; then cd bench/peers && go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...; fi

## fuzz: each fuzz test of the root module for FUZZTIME, not spent on making inputs smaller
fuzz:
	@grep -rEl --include='*_test.go' '^func Fuzz' . | while read -r file; do \
		grep -Eo '^func Fuzz[A-Za-z0-9_]*' "$$file" | while read -r _ name; do \
			$(call say,-- $$name); (cd "$$(dirname "$$file")" && go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x .) || exit 1; \
		done || exit 1; \
	done

## load: much of everything through a witness, and what that costs; LOAD is its flags and scenarios
load: servers
	go run ./internal/faults/cmd/load $(LOAD)

## demo: migrations seen through the witness
demo:
	go run ./cmd/sqlwitness demo

servers:
	@.ci/servers

help:
	@sed -n 's/^## /  make /p' $(MAKEFILE_LIST)
