package buildkit_test

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// A file that changes between the hash and the build ends the build. The error has its path, and no manifest reaches
// the registry.
func TestAFileThatChangesAfterTheHashEndsTheBuild(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	changes := map[string]func(path string) error{
		"other bytes": func(p string) error { return os.WriteFile(p, bytes.Repeat([]byte{'y'}, size), 0o644) },
		"truncated":   func(p string) error { return os.Truncate(p, size/2) },
		"grown":       func(p string) error { return os.Truncate(p, 2*size) },
		"deleted":     os.Remove,
		"now a link":  func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/etc/passwd", p)) },
	}
	c := daemonClient(t)
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg, dir := registrytest.New(t), t.TempDir()
			writeFile(filepath.Join(dir, "sub", "big"), strings.Repeat("x", size))
			plan := inputs.Plan{
				Files:        inputs.Files{Context: dir, Inline: []byte("FROM scratch\nCOPY sub /sub\n")},
				Repositories: []string{reg.Host() + "/app"},
			}
			in, err := inputs.Load(t.Context(), plan)
			if err != nil {
				t.Fatal(err)
			}
			if err := change(filepath.Join(dir, "sub", "big")); err != nil {
				t.Fatal(err)
			}
			_, err = buildkit.Solve(
				t.Context(), c, plan, in, buildkit.Access{Credentials: noCredentials}, func(buildkit.Event) {},
			)
			if err == nil || !strings.HasPrefix(err.Error(), "sub/big changed between hashing and sending") {
				t.Errorf("got %v", err)
			}
			for _, request := range reg.Requests() {
				if request.Method == http.MethodPut && strings.Contains(request.Path, "/manifests/") {
					t.Errorf("pushed: %s", request.Path)
				}
			}
		})
	}
}
