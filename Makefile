# Everything is built into bin/ and .cache/. If the machine lacks something, .tools/require names it. On Debian, as
# root, it installs it.
.DEFAULT_GOAL := help
SHELL := /bin/bash -euo pipefail

# The version is that of the tag, or else 0.0.0-dev. It is computed once, so that a commit during the build changes
# nothing.
ifndef VERSION
VERSION := $(shell git describe --tags --exact-match --match 'v*' 2>/dev/null | sed 's/^v//' | grep . || echo 0.0.0-dev+$$(git describe --always --dirty=.dirty --exclude '*' 2>/dev/null || echo unknown))
endif
BUILDKIT_VERSION = $(shell awk '$$1=="github.com/moby/buildkit" {print $$2}' .tools/buildkit/go.mod)

SHIPPED := CGO_ENABLED=0 go build -trimpath -buildvcs=false
STRIP   := -s -w
BIN     := $(CURDIR)/bin
# The programs of an archive are built into OUT, for GOOS and GOARCH. make dist has one OUT for each platform.
OUT     := bin
SHIPS   := pulumi-resource-buildkit pulumi-buildkit-network pulumi-buildkit-builder pulumi-buildkit-mounts buildkitd runc rootlesskit
PLATFORMS := linux-amd64 linux-arm64 darwin-amd64 darwin-arm64 windows-amd64 windows-arm64
DIST    := bin/dist
# Every time in an archive is that of the commit.
ifndef SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH := $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
endif
TOOLS   := bin/pulumi bin/pulumi-language-yaml bin/registry bin/actionlint bin/dockerd
HOSTS   := $(addprefix bin/pulumi-language-,go nodejs python python-exec java)
BUSYBOX := .cache/fixtures/busybox-amd64/busybox .cache/fixtures/busybox-arm64/busybox

help: ## print the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: plugin network builder mounts $(OUT)/buildkitd $(OUT)/runc $(OUT)/rootlesskit ## the plugin and the programs that it runs (network of steps, builder in a container, cache mounts, buildkitd, runc, rootlesskit), into bin/

# go build runs each time and decides by its cache, because make does not know the files of the plugin.
plugin: go
	$(SHIPPED) -ldflags '$(STRIP) -X main.version=$(VERSION)' -o $(OUT)/ ./cmd/pulumi-resource-buildkit

# The network of build steps: BuildKit's CNI plugin, and the relay. It exists on Linux only.
network: go
	$(SHIPPED) -ldflags '$(STRIP)' -o $(OUT)/ ./cmd/pulumi-buildkit-network

# What runs in the container of our BuildKit in a Docker Engine. It exists on Linux only.
builder: go
	$(SHIPPED) -ldflags '$(STRIP)' -o $(OUT)/ ./cmd/pulumi-buildkit-builder

# What runs in the steps that restore and save cache mounts, on builders with Linux.
mounts: go
	$(SHIPPED) -ldflags '$(STRIP)' -o $(OUT)/ ./cmd/pulumi-buildkit-mounts

tools: $(TOOLS) ## the Pulumi CLI, its YAML language host, a registry, actionlint and a Docker Engine, into bin/

fixtures: $(BUSYBOX) qemu ## the busybox of the tests' base images, into .cache/, and QEMU for other platforms

# The SDKs are installed where a package manager puts them, so that programs find them there. .tools/languages has the
# versions of tools and packages.
languages: $(HOSTS) $(addprefix .cache/languages/,nodejs.built python.built java.built) ## language hosts, toolchains and the built SDKs, into .cache/

demo: build tools qemu ## a real pulumi up for two platforms: push, pull back, run, change, destroy
	@go run ./test/e2e/demo

# The example is a separate module. One invocation tests all packages, so that they compile once and run in parallel.
# make lint runs vet, which would visit every dependency here. Without debug symbols, linking takes half the time.
#
# Packages that take long come first. Two tests run for each core, because most tests wait as much as they compute.
SLOWEST := ./test/e2e ./provider ./buildkit ./test/attacks ./buildkit/daemon ./test/e2e/languages ./test/reliability \
	./test/faults ./test/e2e/archive
test: build tools fixtures languages uidmap ## every test: unit, in-process engine, end to end against the real CLI, daemon and registry
	cd examples/go-server && go test -race ./...
	cd .tools/archive && go test -race ./...
	cd .tools/kubernetes && go test -count=1 ./... # go knows no change of files outside a module
	go test -vet=off -ldflags='-s -w' -run 'Bound|Budget|Child' ./buildkit/dockerfile # without -race: see raceDetector
	go test -race -shuffle=on -vet=off -ldflags='-s -w' -timeout 30m -parallel $$((2 * $$(nproc))) $(SLOWEST) ./...

# A run that was stopped goes on with the cases that it has not finished. make test runs a sample of them.
reliability: build tools fixtures ## every single failure of a registry, a daemon and the disk: see docs/reliability.md
	@mkdir -p .cache
	go test -vet=off -run TestEverySingleFailure -timeout 24h -v ./test/reliability -whole -workers $$((2 * $$(nproc))) -finished $(CURDIR)/.cache/reliability-finished.txt

# Unit tests of every package, on any operating system, by any user. Tests that need root, a daemon or a tool are
# skipped; -v shows which.
CHECKED := ./cmd/... ./provider/... ./buildkit/... ./registry/... ./internal/...
check: ## the tests that need Go and nothing else, in two minutes
	go vet $(CHECKED)
	go test -short -vet=off $(CHECKED)

# sdk/ is generated and a separate module, so it is not linted.
lint: bin/golangci-lint bin/actionlint ## the rules of .golangci.yml, and workflows
	bin/golangci-lint run
	bin/actionlint
	for module in .tools/sdkgen .tools/archive .tools/kubernetes examples/go-server/go; do (cd $$module && $(BIN)/golangci-lint run); done

# The list of known vulnerabilities comes from https://vuln.go.dev, or from VULN_DB.
vuln: build bin/govulncheck ## known vulnerabilities in the plugin and in the programs that it runs
	@found=; for program in $(SHIPS); do \
		echo "$$program:"; bin/govulncheck $(VULN_DB:%=-db %) -mode binary bin/$$program || found=1; done; [ -z "$$found" ]

# Two targets run at a time, with one worker each. Inputs that fail are written to testdata/fuzz, where they stay as
# tests.
FUZZTIME ?= 1m
fuzz: go gcc ## every fuzz target, for FUZZTIME each (1m)
	git grep -oE '^func Fuzz[A-Za-z0-9]+' -- '*_test.go' | sed -E 's|^(.*)/[^/]+:func (.*)$$|\2 ./\1|' | \
		xargs -P 2 -L 1 bash -c 'go test -vet=off -run "^$$" -fuzz "^$$0\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5s -parallel 1 "$$1"'

bench: build tools fixtures dist ## the numbers of docs/performance.md
	go test -run '^$$' -bench . -benchtime 10x -timeout 30m ./buildkit ./buildkit/inputs ./buildkit/source ./buildkit/daemon
	go test -run '^$$' -bench . -benchtime 10x -timeout 3h ./test/e2e
	@for file in $(PLATFORMS:%=.cache/dist/%/pulumi-resource-buildkit*) $(PLATFORMS:%=$(DIST)/$(ARCHIVE)-%.tar.gz); do \
		awk -v bytes=$$(stat -c %s $$file) -v file=$$file 'BEGIN {printf "%6.1f MB  %s\n", bytes / 1e6, file}'; done

schema: go ## write schema.json
	go test ./provider -run TestSchema -count=1 -update

# A release sets SDK_VERSION. The committed SDKs have 0.0.0, and the Go SDK has the version of its tag.
SDK_VERSION ?= 0.0.0
sdk: schema ## write schema.json, and from it docs/reference.md and the SDKs of all languages into sdk/
	cd .tools/sdkgen && go run . -schema $(CURDIR)/schema.json -examples $(CURDIR)/provider
	$(MAKE) schema
	cd .tools/sdkgen && go run . -schema $(CURDIR)/schema.json -out $(CURDIR)/sdk -version $(SDK_VERSION) -programs $(CURDIR)/test/e2e/languages/testdata/inputs -reference $(CURDIR)/docs/reference.md

clean: ## remove bin/ and .cache/
	rm -rf bin .cache

# Plugin archives. The same commit and the same Go give the same bytes in any directory. Those for Linux hold every
# program that the plugin runs.
dist: $(addprefix dist-,$(PLATFORMS)) ## archives for pulumi plugin install, and their checksums, into bin/dist/
	cd $(DIST) && sha256sum $(PLATFORMS:%=$(ARCHIVE)-%.tar.gz) >$(ARCHIVE)-checksums.txt

ARCHIVE = pulumi-resource-buildkit-v$(VERSION)
# What our BuildKit in a Docker Engine is made of: the archives of other systems have it for both architectures.
INSIDE = pulumi-buildkit-builder pulumi-buildkit-network pulumi-buildkit-mounts buildkitd runc
LINUXES = linux-amd64 linux-arm64
# A builder may have the other architecture, and runs our program in the steps on cache mounts.
OTHER = $(filter-out $*,$(LINUXES))
dist-%: go
	@mkdir -p $(DIST)
	GOOS=$(word 1,$(subst -, ,$*)) GOARCH=$(word 2,$(subst -, ,$*)) $(MAKE) OUT=.cache/dist/$* VERSION='$(VERSION)' $(if $(filter linux-%,$*),build,plugin)
	$(if $(filter linux-%,$*),GOOS=linux GOARCH=$(OTHER:linux-%=%) $(MAKE) OUT=.cache/dist/$(OTHER) mounts,$(foreach l,$(LINUXES),GOOS=linux GOARCH=$(l:linux-%=%) $(MAKE) OUT=.cache/dist/$(l) VERSION='$(VERSION)' build &&) true)
	cd .tools/archive && go run . -time $(SOURCE_DATE_EPOCH) -out $(abspath $(DIST))/$(ARCHIVE)-$*.tar.gz \
		$(if $(filter linux-%,$*),$(SHIPS:%=$(CURDIR)/.cache/dist/$*/%) $(OTHER)=$(CURDIR)/.cache/dist/$(OTHER)/pulumi-buildkit-mounts,$(CURDIR)/.cache/dist/$*/pulumi-resource-buildkit$(if $(filter windows-%,$*),.exe) \
		$(foreach l,$(LINUXES),$(INSIDE:%=$(l)=$(CURDIR)/.cache/dist/$(l)/%))) $(CURDIR)/LICENSE

# buildctl and buildkitd are one module, so one build makes both.
$(OUT)/buildkitd: .tools/buildkit/go.mod .tools/buildkit/go.sum | go
	cd .tools/buildkit && $(SHIPPED) -ldflags '$(STRIP) -X github.com/moby/buildkit/version.Version=$(BUILDKIT_VERSION)' -o $(CURDIR)/$(OUT)/ tool
	@touch $(OUT)/buildkitd $(OUT)/buildctl

# rootlesskit makes the user namespace of an ordinary user's daemon.
$(OUT)/rootlesskit: .tools/rootlesskit/go.mod .tools/rootlesskit/go.sum | go
	cd .tools/rootlesskit && $(SHIPPED) -ldflags '$(STRIP)' -o $(CURDIR)/$(OUT)/ tool
	@touch $@

# runc enters namespaces in C. It needs the tag seccomp: buildkitd sets a seccomp profile if the kernel has seccomp, and
# no step would start without the tag. It is static, because it runs on machines with another libc.
FOREIGN = $(filter-out $(shell go env GOHOSTARCH),$(GOARCH))
TRIPLE  = $(if $(filter arm64,$(GOARCH)),aarch64,x86_64)-linux-gnu
$(OUT)/runc: .tools/runc/go.mod .tools/runc/go.sum | go gcc seccomp
	$(if $(FOREIGN),.tools/require cross_$(GOARCH))
	cd .tools/runc && $(if $(FOREIGN),CC=$(TRIPLE)-gcc PKG_CONFIG_LIBDIR=/usr/lib/$(TRIPLE)/pkgconfig) CGO_ENABLED=1 \
		go build -trimpath -buildvcs=false -tags seccomp,netgo,osusergo -ldflags '$(STRIP) -extldflags -static' -o $(CURDIR)/$(OUT)/ tool
	@touch $@

# A Docker Engine with the containerd that it starts. Drivers for the file systems of other machines are left out.
bin/dockerd: .tools/engine/go.mod .tools/engine/go.sum | go
	cd .tools/engine && CGO_ENABLED=0 go build -trimpath -ldflags '$(STRIP)' -tags no_btrfs,no_devmapper,no_zfs -o $(BIN)/ tool
	@touch $@

bin/%: .tools/%/go.mod .tools/%/go.sum | go
	cd .tools/$* && go build -ldflags '$(STRIP)' -o $(BIN)/ tool
	@touch $@

# The Python host runs this script with the interpreter of the program.
bin/pulumi-language-python-exec: .tools/pulumi-language-python/go.mod | go
	install -m 755 "$$(cd .tools/pulumi-language-python && go list -m -f '{{.Dir}}' github.com/pulumi/pulumi/sdk/v3)/python/cmd/$(@F)" $@
	@touch $@

LANGUAGES := .cache/languages
NODE      := $(LANGUAGES)/node_modules
MAVEN     := mvn -q -B -Dstyle.color=never --no-transfer-progress -Dmaven.repo.local=$(CURDIR)/$(LANGUAGES)/maven

$(NODE)/.package-lock.json: .tools/languages/package.json .tools/languages/package-lock.json | nodejs
	@mkdir -p $(LANGUAGES)
	cp $^ $(LANGUAGES)
	cd $(LANGUAGES) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(LANGUAGES)/venv/installed: .tools/languages/requirements.txt | python
	rm -rf $(@D) && python3 -m venv $(@D)
	$(@D)/bin/pip install -q --disable-pip-version-check --no-deps -r $<
	@touch $@

# Each SDK is built in a copy, because the tools write beside the source.
$(LANGUAGES)/nodejs.built: $(NODE)/.package-lock.json $(shell find sdk/nodejs -type f)
	rm -rf $(LANGUAGES)/sdk-nodejs $(NODE)/@pulumi-buildkit && cp -a sdk/nodejs $(LANGUAGES)/sdk-nodejs
	$(NODE)/.bin/tsc -p $(LANGUAGES)/sdk-nodejs --outDir $(NODE)/@pulumi-buildkit/buildkit
	cp sdk/nodejs/package.json sdk/nodejs/README.md $(NODE)/@pulumi-buildkit/buildkit
	@touch $@

$(LANGUAGES)/python.built: $(LANGUAGES)/venv/installed $(shell find sdk/python -type f)
	rm -rf $(LANGUAGES)/sdk-python && cp -a sdk/python $(LANGUAGES)/sdk-python
	$(<D)/bin/pip install -q --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall $(LANGUAGES)/sdk-python
	@touch $@

# Compiling the program once fetches the Maven plugins that run it.
$(LANGUAGES)/java.built: $(shell find sdk/java examples/go-server/java -type f) | java
	rm -rf $(LANGUAGES)/sdk-java && cp -a sdk/java $(LANGUAGES)/sdk-java && cp -a examples/go-server/java $(LANGUAGES)/sdk-java/program
	$(MAVEN) -f $(LANGUAGES)/sdk-java install
	$(MAVEN) -f $(LANGUAGES)/sdk-java/program compile exec:help
	@touch $@

.cache/fixtures/busybox-%/busybox: .tools/busybox
	.tools/busybox $* $@

go gcc seccomp qemu uidmap nodejs python java:
	@.tools/require $@

.PHONY: help build plugin network builder mounts dist tools fixtures demo check test reliability lint vuln fuzz bench schema sdk clean languages go gcc seccomp qemu uidmap nodejs python java
