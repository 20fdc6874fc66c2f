package provider

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// programs are inputs with a recorded inputs hash.
var programs = map[string]string{
	"nothing": `{}`,
	"plain":   `{"contextHash": "c1", "tags": ["ghcr.io/acme/app:1"]}`,
	"platforms": `{"contextHash": "c1", "platforms": ["linux/x86_64", "linux/arm64/v8", "linux/arm/v7",
		"linux/amd64"]}`,
	"arguments": `{"contextHash": "c1", "target": "app", "buildArgs": {"B": "2", "A": "1"},
		"labels": {"b": "2", "a": "1"}}`,
	"steps": `{"contextHash": "c1", "addHosts": ["db:10.0.0.5", "[six]:[fd00::1]"], "network": "none",
		"testTargets": ["unit", "lint", "unit"]}`,
	"default network": `{"contextHash": "c1", "network": "default"}`,
	"described": `{"contextHash": "c1", "annotations": {"b": "2", "a": "1"}, "sourceDateEpoch": 0,
		"provenance": {"mode": "max"}, "sbom": {"generator": "docker/buildkit-syft-scanner:stable-1"}}`,
	"bases": `{"contextHash": "c1", "pull": true,
		"baseDigests": {"alpine": "sha256:a", "ghcr.io/acme/base:1": "sha256:b"}}`,
	"written": `{"contextHash": "c1", "exports": [
		{"image": {"compression": "zstd", "compressionLevel": 3, "store": true}},
		{"registry": {"ociMediaTypes": true, "annotations": {"a": "b"}}}, {"tar": {"dest": "out.tar"}}], "load": true}`,
	"not of the image": `{"contextHash": "c1", "context": {"location": "elsewhere"},
		"dockerfile": {"inline": "FROM scratch"},
		"tags": ["ghcr.io/acme/app:{hash}"], "push": false, "pushTimeout": 10, "buildOnPreview": false, "noCache": true,
		"limits": {"memory": "2g", "cpus": 1.5, "ulimits": {"nofile": "1024:2048"}, "cgroupParent": "/builds"},
		"ssh": [{"id": "default"}], "secrets": {"token": "secret:1"}, "secretSources": {"other": {"env": "TOKEN"}},
		"cacheFrom": [{"gha": {}}], "cacheTo": [{"inline": {}}], "registries": [{"address": "ghcr.io"}],
		"builder": {"endpoint": "unix:///run/buildkit.sock"}, "watch": "all"}`,
}

// TestInputsHashStaysTheSame checks the inputs hashes. They are in tags of users and in states, so another hash would
// build every image again.
func TestInputsHashStaysTheSame(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"nothing":          "a9f1b7a74195070aed411d4a6e6d6050ebd5cffae4f106c7493cce42ace5ef8f",
		"plain":            "31ca81ccab4fc66ef9b9aad617319502ae7ee8cfdffbd0b3fa2500e1653de1f6",
		"platforms":        "76effd5f96becc65924693107d472160a82c61755ea6de75a28d9b57ad286fa0",
		"arguments":        "2a72c6aa58251a3626641af6be671fb317fd4904a2289d8895e9bbb9296a7814",
		"steps":            "e4f62811c16f101a2d34060fd14adea9648af0ce9a581f715d8079c96b762b28",
		"default network":  "31ca81ccab4fc66ef9b9aad617319502ae7ee8cfdffbd0b3fa2500e1653de1f6",
		"described":        "e1cddbbbf9e1d714bf3edce147dc9727e6ee2e7f57a160ab142454a91538b4c2",
		"bases":            "f58c731800551ed80bc2a60961d1a0f6c16030fcb52d501cca18f0fd12392960",
		"written":          "5551d35dda72156adb83ec8cb413559bf66b4305566d91dc1c713d69b3db0f09",
		"not of the image": "31ca81ccab4fc66ef9b9aad617319502ae7ee8cfdffbd0b3fa2500e1653de1f6",
	}
	for name, inputs := range programs {
		args, _, err := decode(t.Context(), props(t, inputs))
		if err != nil {
			t.Fatal(err)
		}
		if hash := inputsHash(args); hash != want[name] {
			t.Errorf("%q: %q", name, hash)
		}
	}
}

// TestContextHashStaysTheSame checks the context hashes. They are in states and, with ignoreChanges, in programs.
func TestContextHashStaysTheSame(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("hard-coded for Linux, where files may be executable and file names are bytes")
	}
	dir := newFolder(t, map[string]string{
		"app/Dockerfile": "FROM scratch AS app\nCOPY src /\nFROM app AS other\nCOPY --from=lib /lib /\n",
		"app/src/a":      "a", "app/src/b/c": "c",
		"app/run.sh": "#!/bin/sh\n", "app/.dockerignore": "src/b\n", "lib/lib": "lib",
		"all/Dockerfile": "FROM scratch\nCOPY . /\n",
		"all/é ü.txt":    "text", "all/empty": "",
	})
	if err := os.Chmod(filepath.Join(dir, "app/run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", filepath.Join(dir, "app/src/link")); err != nil {
		t.Fatal(err)
	}
	named := `"context": {"location": "DIR/app", "named": {"lib": {"location": "DIR/lib"}}}`
	for _, test := range []struct{ inputs, want string }{
		{`{` + named + `, "target": "app"}`, "05d1443b773a1fe19855ab5bdf96d2962d45121e794f02741d4957702c1e229a"},
		{`{` + named + `}`, "8fa73c28d050652c7ac4e0e716b028e777de98274c58ed9a501ceaaa5900e706"},
		{`{` + named + `, "watch": "all"}`, "212dffd757c4756a626e47b550d9462fcb990ce5eddf8d5e14d5c860e0217b77"},
		{
			`{` + named + `, "testTargets": ["other"], "target": "app"}`,
			"8fa73c28d050652c7ac4e0e716b028e777de98274c58ed9a501ceaaa5900e706",
		},
		{
			`{"context": {"location": "DIR/all"}, "platforms": ["linux/arm64"]}`,
			"5ca0abe1a09f9dc77036741aecabb85888523b9d88dd89297de76808d9feef0f",
		},
		{
			`{"context": {"location": "DIR/all"}, "dockerfile": {"inline": "FROM scratch"}}`,
			"95942dbf6412d67fd37bcee77040098b84953fa992086b4b1b2735a3b1ae0b93",
		},
		{
			`{"context": {"location": "https://example.com/acme/app.git#main:sub"}}`,
			"65f327dde2ca73d5ecdc60a461a46460285cefce2eda7b3c6df956ca32486472",
		},
		{
			`{"context": {"location": "DIR/app"}, "buildArgs": {"BUILDKIT_SYNTAX": "a.io/f"}}`,
			"67c343f9916571dc50b699b1aec7aa6467ffa27b75725e238c4fc6ba880b2bc9",
		},
	} {
		if got := text(runCheckIn(t, dir, test.inputs).Inputs, "contextHash"); got != test.want || got == "" {
			t.Errorf("%s: %q", test.inputs, got)
		}
	}
}
