# make help lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
DATE := $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)
# The controller's image, by its full name.
IMAGE ?= kubectl-fluid/controller:$(VERSION)
RELEASE := go build -C hack/release -o ../../bin/release . && bin/release -version "$(VERSION)" -image "$(IMAGE)" $(RELEASEFLAGS)
DEVTOOLS := hack/devtools
# The modules with code of this project; the others in hack pin versions only.
MODULES := . hack/release
# The product is static; the race detector is the only use of cgo.
export CGO_ENABLED ?= 0
# Go doesn't know all that the tests depend on: what they read before they begin, and what they start. So nothing is cached.
TEST := go test -count=1
# Says what is run and how long the suite before it took.
SUITE := @hack/suite
export SUITE_RUN ?= $(shell echo $$PPID)
# Runs tests with the race detector if there is a C compiler.
RACE := $(if $(shell command -v gcc),CGO_ENABLED=1 $(TEST) -race,$(TEST))

.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build all programs into bin/
	go build -trimpath -ldflags "$(LDFLAGS)" -o bin/ ./cmd/kubectl-fluid ./cmd/controller ./cmd/node ./cmd/fluid-fuse

.PHONY: install
install: build ## Install kubectl-fluid where kubectl finds it (PREFIX=/usr/local)
	install -D bin/kubectl-fluid $(or $(PREFIX),/usr/local)/bin/kubectl-fluid

.PHONY: manifests
manifests: ## Render install.yaml, with-fluid.yaml and crds.yaml (IMAGE=name) into dist/
	$(RELEASE) manifests

.PHONY: image
image: ## Build the image of controller and node plugin (IMAGE=name) for amd64 and arm64 into dist/, without a container engine
	$(RELEASE) image

.PHONY: push
push: image ## Build the image and send it to the registry that its name says (IMAGE=registry.example.com/name:tag)
	$(RELEASE) push

.PHONY: release
release: ## Build all that is published of VERSION=v1.2.3 into dist/, the same each time (RELEASEFLAGS=-platforms=linux/amd64)
	@changes=$$(git status --porcelain -- . ':!krew-manifest.yaml'); test -z "$$changes" || \
	  { echo "a release is made from a clean checkout, but there are changes:"; echo "$$changes"; exit 1; }
	rm -rf dist
	$(RELEASE) release
	$(if $(RELEASEFLAGS),,cp dist/krew-manifest.yaml krew-manifest.yaml)

.PHONY: demo
demo: ## Start a real one-node cluster and walk through the example; it goes on running (DEMOFLAGS=-state=/some/directory)
	@go run ./test/demo $(DEMOFLAGS)

.PHONY: demo-down
demo-down: ## Stop the demo's cluster and leave nothing behind
	@go run ./test/demo -down $(DEMOFLAGS)

.PHONY: test
test: ## Run all tests, on real clusters where they need one; sets up what they need
	$(SUITE) go run ./test/demo -prepare
	$(SUITE) $(TEST) -timeout 20m ./api/... ./cmd/... $$(go list ./pkg/... | grep -v /pkg/reconcile)
	$(SUITE) $(RACE) -timeout 30m -p 1 ./pkg/reconcile/...
	$(SUITE) go test -C hack/release -count=1 -timeout 30m ./...
	$(SUITE) $(TEST) -timeout 20m -p 1 ./test/cluster ./test/walkthrough ./test/docs ./test/harness ./test/soak
	$(SUITE) $(TEST) -timeout 20m -parallel 8 -v ./test/e2e
	$(SUITE) $(TEST) -timeout 20m -v ./test/installation
	$(SUITE) $(TEST) -timeout 20m -v ./test/load
	$(SUITE) $(TEST) -timeout 20m -p 1 ./test/rights ./test/demo
	@$(MAKE) --no-print-directory race

# The versions of Kubernetes that hack/tools pins.
KUBERNETES_VERSIONS ?= 1.35 1.36 1.37
.PHONY: test-matrix
test-matrix: ## Run the end-to-end tests on each version of Kubernetes in KUBERNETES_VERSIONS
	@for version in $(KUBERNETES_VERSIONS); do export KUBECTL_FLUID_KUBERNETES=$$version; \
	  echo "Kubernetes $$version"; go run ./test/demo -prepare && $(TEST) -timeout 20m -parallel 8 -v ./test/e2e || exit 1; done

.PHONY: check
check: analyze test-short ## Check a change in a minute: formatting, golangci-lint, and the tests that need no cluster

.PHONY: test-short
test-short: ## Run the tests that need no cluster
	go test -short ./...
	go test -C hack/release -short ./...

.PHONY: race
race: ## Run the tests that need no cluster with the race detector, if there is a C compiler
	@if command -v gcc >/dev/null; then hack/suite CGO_ENABLED=1 go test -race -short ./pkg/...; \
	else echo "no gcc: the race detector's tests are left out"; fi

.PHONY: bench
bench: ## Run the benchmarks, the last of them on a cluster
	go test -run '^$$' -bench . -benchmem ./pkg/...
	go test -run '^$$' -bench . -benchtime 1x -timeout 40m ./test/load

.PHONY: fuzz
fuzz: ## Fuzz the parsers and the patch engine (FUZZTIME=30s each)
	@for package in $$(go list ./pkg/...); do \
	  for test in $$(go test -list '^Fuzz' $$package | grep ^Fuzz); do \
	    go test -run '^$$' -fuzz "^$$test$$" -fuzztime $(or $(FUZZTIME),30s) $$package || exit 1; done; done

# How many times as many random cases make soak takes.
SOAK ?= 20
.PHONY: soak
soak: ## Look for hours for what fails by chance: random cases SOAK=20 times as many, suites repeated, each fuzz test for 5 minutes
	@go run ./test/demo -prepare
	$(SUITE) KUBECTL_FLUID_SOAK=$(SOAK) $(TEST) -timeout 6h ./pkg/inject ./pkg/reconcile
	$(SUITE) $(TEST) -timeout 6h -count 5 -parallel 8 ./test/e2e
	$(SUITE) $(TEST) -timeout 6h -count 5 -p 1 ./test/installation ./test/load
	@$(MAKE) --no-print-directory fuzz FUZZTIME=5m

.PHONY: generate
generate: ## Generate deep copies and CRDs from the API types, and the controller's roles from what the code declares
	cd $(DEVTOOLS) && go tool controller-gen object crd paths=../../api/... output:crd:dir=../../config/crd/bases
	go run ./hack/crd
	cd $(DEVTOOLS) && go tool controller-gen rbac:roleName=kubectl-fluid-controller,fileName=role.yaml \
	  paths=../../pkg/... paths=../../cmd/controller output:rbac:dir=../../config/rbac

.PHONY: verify
verify: generate ## Fail if generated files or go.mod aren't up to date
	@for module in $(MODULES); do echo "go mod tidy: $$module"; (cd $$module && go mod tidy -diff) || exit 1; done
	git diff --exit-code -- api config

.PHONY: lint
lint: analyze ## Check formatting, modules and vulnerabilities, and run golangci-lint and, if there is one, shellcheck
	@for module in $$(git ls-files '*go.mod'); do echo "go mod verify: $$module"; (cd $$(dirname $$module) && go mod verify) || exit 1; done
	@if command -v shellcheck >/dev/null; then cd pkg/inject/scripts && shellcheck --shell sh *.sh; else echo "no shellcheck: the scripts aren't checked"; fi
	@$(MAKE) --no-print-directory vulncheck

.PHONY: analyze
analyze:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not gofmt-ed: $$unformatted"; exit 1; }
	@cd hack/golangci-lint && go build -o ../../bin/ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@for module in $(MODULES); do echo "golangci-lint: $$module"; (cd $$module && $(CURDIR)/bin/golangci-lint run --config $(CURDIR)/.golangci.yaml ./...) || exit 1; done

# Where the Go vulnerability database is, or a mirror of it.
VULNDB ?= https://vuln.go.dev
.PHONY: vulncheck
vulncheck: bin/govulncheck ## Look for known vulnerabilities in what the programs and make release call, if VULNDB can be reached
	@output=$$(bin/govulncheck -db $(VULNDB) -C cmd/kubectl-fluid -scan module 2>&1); case "$$?:$$output" in \
	  0:*|3:*) bin/govulncheck -db $(VULNDB) ./cmd/... && bin/govulncheck -db $(VULNDB) -C hack/release .;; \
	  *"creating client"*|*"fetching vulnerabilities"*) echo "vulnerabilities weren't looked for: $(VULNDB) can't be reached ($$output)";; \
	  *) echo "$$output"; exit 1;; esac

bin/govulncheck:
	cd $(DEVTOOLS) && go build -o ../../bin/ golang.org/x/vuln/cmd/govulncheck

.PHONY: cross
cross: ## Compile the plugin for the other systems that it runs on
	@set -e; for platform in windows/amd64 windows/arm64 darwin/amd64 darwin/arm64 linux/arm64; do echo "$$platform"; \
	  GOOS=$${platform%/*} GOARCH=$${platform#*/} go build ./cmd/kubectl-fluid ./pkg/plugin; done

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin dist
