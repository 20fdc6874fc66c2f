package provider

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// TestMissingExportsAreADifference: Check notes what this machine lacks, and Diff shows it until an update was applied.
func TestMissingExportsAreADifference(t *testing.T) {
	t.Parallel()
	server, dir := serve(t), t.TempDir()
	inputs := props(t, strings.ReplaceAll(`{"contextHash": "c", "dockerfile": {"inline": "FROM scratch\n"},
		"context": {"location": "DIR"}, "exports": [{"cacheonly": {}}, {"local": {"dest": "DIR/out"}},
		{"tar": {"dest": "DIR/a.tar"}, "disabled": true}, {"raw": "type=oci,dest=DIR/layout,tar=false"}]}`, "DIR", dir))
	check := func(old property.Map) property.Map {
		t.Helper()
		res, err := server.Check(p.CheckRequest{Urn: urn, State: old, Inputs: inputs})
		if err != nil || len(res.Failures) > 0 {
			t.Fatal(err, res.Failures)
		}
		return res.Inputs
	}
	expect := func(when string, state, wanted property.Map, want string) {
		t.Helper()
		res, err := server.Diff(p.DiffRequest{Urn: urn, State: state, OldInputs: state, Inputs: wanted})
		if got := changesOf(res); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", when, got, err, want)
		}
	}
	applied := func(inputs property.Map) property.Map { return setReferences(repeatedInputs(inputs), "", nil, nil) }
	first := check(property.Map{})
	expect("before the first update", applied(first), first, "")
	missing := check(first)
	expect("both are missing", applied(first), missing, "exports[1]:update exports[3]:update")
	expect("after the update", applied(missing), missing, "")
	for _, path := range []string{"out", "layout/blobs"} {
		if err := os.MkdirAll(filepath.Join(dir, path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	empty := check(missing)
	expect("a folder is empty", applied(missing), empty, "exports[1]:update")
	if err := os.WriteFile(filepath.Join(dir, "out/file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expect("both are there", applied(missing), check(missing), "")
	expect("both are there, for a state of before", applied(first), check(first), "")
}
