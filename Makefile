# Portico: everything a user runs. `make` prints this list.
.DEFAULT_GOAL := help
SHELL := /bin/bash
GOLANGCI := v2.5.0
COVERAGE := 80

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: up
up: local ## run everything on this machine and show a delivery; Ctrl-C ends it (DATABASES=acme: with a second database; LOG=json; DEBUG=1: for a debugger)
	@exec .local/bin/local up -databases "$$DATABASES" -log "$$LOG" -debug "$$DEBUG"

.PHONY: clean
clean: local ## remove the data of make up and all build results
	@exec .local/bin/local clean

.PHONY: test
test: local ## run every test; starts and stops the stores that tests need
	@infra/local/moto
	@.local/bin/local services -- go test -count=1 -timeout 20m $(or $(PKG),-coverpkg=./shared/... -coverprofile=.local/cover.out ./...)
	@$(if $(PKG),true,infra/check/coverage .local/cover.out $(COVERAGE))

.PHONY: check
check: tools .local/bin/golangci-lint-$(GOLANGCI) ## check the code, the template (with the tools that this machine can install) and the API
	@infra/check/run .local/bin/golangci-lint-$(GOLANGCI)

.PHONY: quick
quick: tools .local/bin/golangci-lint-$(GOLANGCI) ## after every save: format, build, vet and lint of changed packages, tests that need no store
	@infra/check/quick .local/bin/golangci-lint-$(GOLANGCI)

.PHONY: fuzz
fuzz: local ## look for input that breaks the API: over 10,000 generated requests, every Go fuzz target, schemathesis (REQUESTS=n SEED=n FUZZTIME=1m)
	@infra/fuzz/run

.PHONY: bench
bench: tools ## measure speed and cost on this machine in five minutes (ARGS=-short, ARGS=-long: all, ARGS='-only soak', ARGS='-against REV', ARGS=-h)
	@mkdir -p .local/bin && go build -o .local/bin/bench ./infra/bench
	@exec .local/bin/bench $(ARGS)

.PHONY: invoke
invoke: local ## run one function once: make invoke FN=bootstrap EVENT=events/bootstrap.json
	@exec .local/bin/local invoke "$$FN" "$${EVENT:-events/$$FN.json}"

.PHONY: cli
cli: tools ## build the command portico, which works with the API: .local/bin/portico
	@mkdir -p .local/bin && go build -o .local/bin/portico ./infra/portico

.PHONY: generate
generate: local ## write infra/api.yaml, infra/invoke.yaml, docs/openapi.json, docs/permissions.md and the codes of docs/errors.md from shared/api, the pages of the mail templates, and docs/schema.md and the schema in docs/webhooks.md from the migrations
	@mkdir -p .local && go run ./infra/apigen > .local/api.yaml && mv .local/api.yaml infra/api.yaml
	@go run ./infra/apigen invoke > .local/invoke.yaml && mv .local/invoke.yaml infra/invoke.yaml
	@go run ./infra/apigen openapi > .local/openapi.json && mv .local/openapi.json docs/openapi.json
	@go run ./infra/apigen permissions > .local/permissions.md && mv .local/permissions.md docs/permissions.md
	@go run ./infra/apigen errors > .local/errors.md && mv .local/errors.md docs/errors.md
	@go run ./infra/mailgen
	@.local/bin/local services -- go test -count=1 -run "TestSchemaDocument|TestSpecificationSchema" ./infra/migrations -write

.PHONY: renderer
renderer: tools ## download the renderer of the API reference from npm again (VERSION=1.2.3: another version)
	@shared/api/reference/renew $(VERSION)

.PHONY: fmt
fmt: ## format the Go code
	@gofmt -w functions infra shared

.PHONY: tools
tools:
	@command -v go >/dev/null || { echo "Go is missing: install version 1.26 or newer from https://go.dev/dl"; exit 1; }
	@command -v npm >/dev/null || { echo "Node.js with npm is missing: install version 20 or newer (Debian: apt-get install nodejs npm)"; exit 1; }

# Built, not `go run`, so that Ctrl-C reaches it and its exit code comes back.
.PHONY: local
local: tools
	@test -x .local/bin/local || echo "… building the local stack (a minute or two the first time: Go fetches the libraries)"
	@mkdir -p .local/bin && go build -o .local/bin/local ./infra/local

.local/bin/golangci-lint-$(GOLANGCI):
	@echo "… building golangci-lint $(GOLANGCI) (a minute or two, once)"
	@mkdir -p .local/bin
	@GOBIN=$(CURDIR)/.local/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
	@mv .local/bin/golangci-lint $@
