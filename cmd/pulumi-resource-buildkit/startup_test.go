package main

import (
	"os"
	"os/exec"
	"runtime/debug"
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

// Only the plugin itself collects less garbage than Go does.
func TestEndStart(t *testing.T) {
	t.Parallel()
	if os.Getenv("GOGC") != "" {
		t.Skip("NOT TESTED: GOGC decides")
	}
	for _, c := range []struct {
		role string
		want int
	}{{"daemon-keeper", 100}, {"daemon-init", 100}, {"dockerfile-frontend", 100}, {"127.0.0.1:1", 200}} {
		endStart([]string{c.role})
		if got := debug.SetGCPercent(100); got != c.want {
			t.Errorf("%s: the percentage is %d, want %d", c.role, got, c.want)
		}
	}
}
