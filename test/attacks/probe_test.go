//go:build linux

package attacks

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// openProbe opens a stack whose image runs the probe of testdata with the attempts, one step for each list, and exports
// what it printed. properties are more lines of the image's.
func openProbe(t *testing.T, properties, run string, steps map[string][]string) *stack.Test {
	t.Helper()
	dockerfile := "FROM BUSYBOX AS base\nCOPY probe /probe\n"
	last := "FROM scratch\n"
	for _, name := range slices.Sorted(maps.Keys(steps)) {
		list := ""
		for _, attempt := range steps[name] {
			list += " '" + attempt + "'"
		}
		dockerfile += fmt.Sprintf("FROM base AS %s\nRUN %s /probe%s >/%[1]s\n", name, run, list)
		last += fmt.Sprintf("COPY --from=%s /%[1]s /\n", name)
	}
	files := map[string]string{"app/Dockerfile": dockerfile + last}
	properties = "context: { location: app }\ntags: [\"REPO:1\"]\nexports: [{ local: { dest: out } }]\n" + properties
	test := shared.Open(t, shared.Project(t, properties, files))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o",
		filepath.Join(test.Dir, "app", "probe"), "./testdata/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+runtime.GOARCH)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return test
}

// probeOutput returns what the probe printed in a step, by attempt.
func probeOutput(t *testing.T, test *stack.Test, step string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(test.Dir, "out", step))
	if err != nil {
		t.Fatal(err)
	}
	results := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if at := strings.LastIndex(line, ": REACHED"); at >= 0 {
			results[line[:at]] = strings.TrimSpace(line[at+2:])
		} else if at := strings.Index(line, ": FAILED"); at >= 0 {
			results[line[:at]] = strings.TrimSpace(line[at+2:])
		} else if at := strings.LastIndex(line, ": "); at >= 0 {
			results[line[:at]] = strings.TrimSpace(line[at+2:])
		}
	}
	return results
}
