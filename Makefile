# Everything is built into bin/ and .cache/. What the machine itself lacks is named, or installed as root on Debian, by .tools/require.
.DEFAULT_GOAL := help
SHELL := /bin/bash -euo pipefail

# A tag is the version; any other commit is a development version of nothing released.
VERSION ?= $(shell git describe --tags --exact-match --match 'v*' 2>/dev/null | sed 's/^v//' | grep . || echo 0.0.0-dev+$$(git describe --always --dirty=.dirty --exclude '*' 2>/dev/null || echo unknown))
BUILDKIT_VERSION = $(shell awk '$$1=="github.com/moby/buildkit" {print $$2}' .tools/buildkit/go.mod)

SHIPPED := CGO_ENABLED=0 go build -trimpath
STRIP   := -s -w
BIN     := $(CURDIR)/bin
TOOLS   := bin/pulumi bin/pulumi-language-yaml bin/registry
BUSYBOX := .cache/fixtures/busybox-amd64/busybox .cache/fixtures/busybox-arm64/busybox

help: ## print the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: plugin bin/buildkitd bin/runc ## the plugin, and buildkitd and runc that it runs, into bin/

# go build's own cache decides: make cannot know what the plugin is made of.
plugin: go
	$(SHIPPED) -ldflags '$(STRIP) -X main.version=$(VERSION)' -o bin/ ./cmd/pulumi-resource-buildkit

tools: $(TOOLS) ## the Pulumi CLI, its YAML language host and a registry, into bin/: with build, a complete environment

fixtures: $(BUSYBOX) qemu ## what base images of the tests are made of, into .cache/, and QEMU for foreign platforms

demo: build tools qemu ## a real pulumi up for two platforms: push, pull back, run, change, destroy
	@go run ./examples/demo

# The example is a module of its own. Then one invocation, so that packages compile once and run side by side. vet is make lint's: here it would visit every dependency.
test: build tools fixtures ## every test: unit, in-process engine, end to end against the real CLI, daemon and registry
	cd examples/go-server && go test -race ./...
	go test -race -shuffle=on -vet=off -timeout 15m ./...

# sdk/ is generated, and a module that this does not visit.
lint: bin/golangci-lint ## the rules of .golangci.yml
	bin/golangci-lint run
	cd .tools/sdkgen && $(BIN)/golangci-lint run

bench: build tools fixtures ## hashing beside bare walks, a preview of 200,000 files, build and push beside buildctl
	go test -run '^$$' -bench . -benchtime 10x -timeout 30m ./buildkit ./buildkit/source
	go test -run '^$$' -bench . -benchtime 10x -timeout 30m ./examples

schema: go ## write schema.json
	go test ./provider -run TestSchema -count=1 -update

# A release sets the version. It is not committed: 0.0.0 is what is built from this tree, and the Go SDK has that of its tag.
SDK_VERSION ?= 0.0.0
sdk: schema ## write schema.json, and from it the SDKs of all languages into sdk/
	cd .tools/sdkgen && go run . -schema $(CURDIR)/schema.json -out $(CURDIR)/sdk -version $(SDK_VERSION)

clean: ## remove bin/ and .cache/
	rm -rf bin .cache

# buildctl comes with buildkitd: one module, one build.
bin/buildkitd: .tools/buildkit/go.mod .tools/buildkit/go.sum | go
	cd .tools/buildkit && $(SHIPPED) -ldflags '$(STRIP) -X github.com/moby/buildkit/version.Version=$(BUILDKIT_VERSION)' -o $(BIN)/ tool
	@touch bin/buildkitd bin/buildctl

# runc enters namespaces in C, and buildkitd asks for its seccomp profile wherever the kernel has seccomp: without the tag no step
# starts there. Static, for it runs on machines with another libc.
bin/runc: .tools/runc/go.mod .tools/runc/go.sum | go gcc seccomp
	cd .tools/runc && CGO_ENABLED=1 go build -trimpath -tags seccomp,netgo,osusergo -ldflags '$(STRIP) -extldflags -static' -o $(BIN)/ tool
	@touch $@

bin/%: .tools/%/go.mod .tools/%/go.sum | go
	cd .tools/$* && go build -ldflags '$(STRIP)' -o $(BIN)/ tool
	@touch $@

.cache/fixtures/busybox-%/busybox: .tools/busybox
	.tools/busybox $* $@

go gcc seccomp qemu:
	@.tools/require $@

.PHONY: help build plugin tools fixtures demo test lint bench schema sdk clean go gcc seccomp qemu
