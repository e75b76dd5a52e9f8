# Kunci: what one does here. "make" alone prints this list.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# go test -race needs a C compiler; the product itself is built without one.
export CGO_ENABLED := 1

# Packages tested at once. Most of them wait for a database or a browser, so
# more than the cores helps little, and Chromium wants its own.
PACKAGES_AT_ONCE ?= 2
TESTS_AT_ONCE ?= 4
# The longest ones begin first: what is left fills the gaps beside them.
PACKAGES := ./internal/kuncitest ./e2e ./...
# SQLite is C that was translated to Go: its pointers are its own arithmetic, and
# watching each of its reads is two fifths of the time of all tests. So is a hash,
# which fills 19 MiB of new memory. What calls the two stays watched, and so do the
# locks they take.
UNCHECKED := -gcflags='modernc.org/...=-d=checkptr=0' -gcflags='modernc.org/sqlite/lib=-d=checkptr=0 -race=false'
UNCHECKED += -gcflags='golang.org/x/crypto/argon2=-race=false'
FUZZ_TIME ?= 10s
# The collector runs less often for tests and for what compiles them: there is memory.
GOGC ?= 400
export GOGC
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: help run parts stop test vet format lint e2e pictures bench fuzz build clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## the demo at http://localhost:8080: organization Contoso, nothing to set up
	go run ./cmd/kunci demo

parts: ## install and start what tests need: PostgreSQL, Chromium (Debian packages; root the first time)
	@scripts/parts install
	@scripts/parts start

stop: ## end the PostgreSQL that "make parts" started
	@scripts/parts stop

test: parts format vet ## everything: rules, rooms on both databases, journeys in Chromium
	go test -race $(UNCHECKED) -p $(PACKAGES_AT_ONCE) -parallel $(TESTS_AT_ONCE) -timeout 40m $(PACKAGES)

vet: ## what the compiler lets pass and should not
	go vet -race $(UNCHECKED) ./...

format: ## fails on files that gofmt would change, and names them
	@wrong=$$(find . -name node_modules -prune -o -name '*.go' -print0 | xargs -0r gofmt -l); \
	if [ -n "$$wrong" ]; then printf 'gofmt would change:\n%s\n' "$$wrong" >&2; exit 1; fi

lint: format vet ## the linters of .golangci.yml; the first time builds them, two minutes
	go run $(GOLANGCI) run --timeout 10m ./...

e2e: parts ## journeys in Chromium alone, with pictures of their pages in e2e/shots
	KUNCI_PICTURES=yes go test -race $(UNCHECKED) -timeout 10m -count=1 ./e2e/

pictures: parts ## take the pictures of the README again, from the demo in Chromium
	KUNCI_PICTURES=yes go test -count=1 -run TestTheDemoInChromium ./e2e/
	cp e2e/shots/readme/*.png docs/images/

bench: parts ## the numbers this product is held to
	scripts/each-test Benchmark -run '^$$' -benchmem

fuzz: ## every fuzz target for FUZZ_TIME (10s)
	scripts/each-test Fuzz -run '^$$' -fuzztime $(FUZZ_TIME)

build: ## one static binary: dist/kunci
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o dist/kunci ./cmd/kunci

clean: ## remove what building leaves
	rm -rf dist
