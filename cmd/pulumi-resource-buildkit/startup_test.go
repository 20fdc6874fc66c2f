package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The collector is told to wait before the packages initialize that allocate most.
func TestInitializesEarly(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	trace, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, trace)
	}
	_, late, found := strings.Cut(string(trace), "init github.com/pulumi-buildkit/pulumi-buildkit/internal/startup ")
	if !found {
		t.Fatal("internal/startup does not initialize anything")
	}
	for _, name := range []string{
		"github.com/pulumi/pulumi/pkg/v3/codegen/schema", "github.com/santhosh-tekuri/jsonschema/v5",
	} {
		if !strings.Contains(late, "init "+name+" ") {
			t.Errorf("%s initializes before internal/startup, or not at all", name)
		}
	}
}
