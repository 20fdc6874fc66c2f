package buildkit_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// Only the stages that are named run again.
func TestNoCacheOfStages(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	plan := s.plan(t, "RUN cat /proc/sys/kernel/random/uuid >/kept\nFROM base AS again\n"+
		"RUN cat /proc/sys/kernel/random/uuid >/new\nCOPY --from=1 /kept /kept")
	plan.NoCacheOf = []string{"again"}
	var kept, renewed []string
	for range 2 {
		built, err := s.solve(t.Context(), plan, buildkit.Access{})
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, s.fileContent(t, built, "kept"))
		renewed = append(renewed, s.fileContent(t, built, "new"))
	}
	if kept[0] != kept[1] || renewed[0] == renewed[1] {
		t.Errorf("kept %q, new %q", kept, renewed)
	}
}

// A step gets the network of the machine if the plan allows it, although other steps have their own.
func TestAllowedNetworkOfTheMachine(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	plan := s.plan(t, "RUN --network=host ip link | wc -l >/machine\nRUN ip link | wc -l >/own")
	if _, err := s.solve(t.Context(), plan, buildkit.Access{}); err == nil ||
		!strings.Contains(err.Error(), "network.host is not allowed") {
		t.Errorf("without permission: %v", err)
	}
	plan.Allow = []string{"network.host"}
	if _, err := s.solve(t.Context(), plan, buildkit.Access{}); err != nil {
		t.Error(err)
	}
	plan.Allow = []string{"security.insecure"}
	if _, err := s.solve(t.Context(), plan, buildkit.Access{}); err == nil ||
		!strings.Contains(err.Error(), "granting entitlement security.insecure is not allowed") {
		t.Errorf("of a daemon that grants it to no build: %v", err)
	}
}

// A host may have several addresses.
func TestHostWithSeveralAddresses(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	plan := s.plan(t, "RUN grep db /etc/hosts >/found")
	plan.Hosts = []inputs.Host{
		{Name: "db", IP: netip.MustParseAddr("10.0.0.5")}, {Name: "db", IP: netip.MustParseAddr("fd00::5")},
	}
	built, err := s.solve(t.Context(), plan, buildkit.Access{})
	if err != nil {
		t.Fatal(err)
	}
	found := s.fileContent(t, built, "found")
	for _, address := range []string{"10.0.0.5", "fd00::5"} {
		if !strings.Contains(found, address) {
			t.Errorf("/etc/hosts lacks %s:\n%s", address, found)
		}
	}
}

// A local export in the mode delete leaves only the files of the image.
func TestLocalExportDeletes(t *testing.T) {
	t.Parallel()
	s, dir := newStepBuilder(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "old"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	plan := s.plan(t, "")
	plan.Files.Inline = []byte("FROM scratch\nCOPY <<EOF /new\nhello\nEOF")
	s.export(t, plan, dir, "copy", true)
	s.export(t, plan, dir, "delete", false)
}

// export solves with a local export, and checks whether the file old is left.
func (s *stepBuilder) export(t *testing.T, plan inputs.Plan, dir, mode string, left bool) {
	t.Helper()
	if _, err := s.solve(t.Context(), plan, buildkit.Access{Exports: []buildkit.Export{
		{Type: "local", Dir: dir, Options: map[string]string{"mode": mode}},
	}}); err != nil {
		t.Fatal(err)
	}
	_, old := os.Stat(filepath.Join(dir, "old"))
	_, missing := os.Stat(filepath.Join(dir, "new"))
	if missing != nil || (old == nil) != left {
		t.Errorf("%s: new: %v, old: %v", mode, missing, old)
	}
}

// A local cache that is reset holds no blob of an earlier build.
func TestCacheReset(t *testing.T) {
	t.Parallel()
	s, dir := newStepBuilder(t), t.TempDir()
	blobs := func(reset string, plan inputs.Plan) int {
		t.Helper()
		to := buildkit.Cache{Type: "local", Options: map[string]string{"dest": dir, "mode": "max", "reset": reset}}
		_, exports, err := s.solveAndExport(t.Context(), plan, buildkit.Access{CacheTo: []buildkit.Cache{to}})
		if err := errors.Join(err, failureOf(exports)); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(filepath.Join(dir, "blobs/sha256"))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	first := blobs("false", s.plan(t, "RUN echo first >/first"))
	both := blobs("false", s.plan(t, "RUN echo other >/other"))
	if reset := blobs("true", s.plan(t, "RUN echo third >/third")); both <= first || reset != first {
		t.Errorf("blobs: %d of one build, %d of two, %d after a reset", first, both, reset)
	}
}

// A secret may be empty: a step mounts an empty file.
func TestEmptySecret(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	plan := s.plan(t, "RUN --mount=type=secret,id=npm,required=true cd /run/secrets && test -f npm && ! test -s npm")
	empty := func(context.Context) ([]byte, error) { return []byte{}, nil }
	if _, err := s.solve(t.Context(), plan, buildkit.Access{
		Secrets: map[string]buildkit.Secret{"npm": empty},
	}); err != nil {
		t.Error(err)
	}
}
