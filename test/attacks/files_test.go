//go:build linux

package attacks

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// The attacker writes the files that inputs and conventions name, and wants the plugin to wait or to use up the memory
// of the machine.

func TestNoFileIsWaitedForOrReadWithoutEnd(t *testing.T) {
	t.Parallel()
	const secret = "secretSources: {a: {file: PATH}}\n"
	const fifo, large, device, notRegular = "a FIFO", "sparse", "a device", "it is a FIFO, a socket or a device"
	for name, attack := range map[string]struct {
		kind, properties string // PATH is the file
		says, cause      string
		builds           bool
	}{
		"a secret": {kind: fifo, properties: secret, says: `the secret "a"`, cause: notRegular},
		"a CA file": {kind: fifo, properties: "registries: [{address: HOST, caFile: PATH}]\n",
			says: "the CA file of", cause: notRegular},
		"an SSH key": {kind: fifo, properties: "ssh: [{id: default, paths: [PATH]}]\n", says: `ssh "default"`,
			cause: notRegular},
		"a Dockerfile": {kind: large, properties: "dockerfile: {location: PATH}\n", says: "dockerfile.location",
			cause: "more than 16777216 bytes"},
		"a cache's index": {kind: fifo, properties: "cacheFrom: [{local: {src: ./cache}}]\n", says: "cacheFrom",
			cause: "built without", builds: true},
		"a file of a tree": {kind: fifo, says: "cannot send", builds: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test, path := openWithPlanted(t, attack.properties, attack.kind)
			began := time.Now()
			r := test.Preview()
			if took := time.Since(began); took > 2*time.Minute {
				t.Errorf("it took %s", took)
			}
			stack.Says(t, r, attack.says, attack.cause)
			if strings.Contains(r.All(), "panic") || (r.Code == 0) != attack.builds {
				t.Errorf("exit code %d with %s:\n%s", r.Code, path, r.All())
			}
		})
	}
}

// openWithPlanted opens a stack in which a file of the given kind is at each place that attacks.
func openWithPlanted(t *testing.T, properties, kind string) (*stack.Test, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "planted")
	properties = strings.NewReplacer("PATH", path, "HOST", shared.Registry.Host).Replace(app + properties)
	files := map[string]string{"app/Dockerfile": "FROM BUSYBOX\nCOPY . /x\nRUN true\n"}
	if strings.Contains(properties, "./cache") {
		files["cache/x"] = ""
	}
	test := shared.Open(t, shared.Project(t, properties, files))
	at := []string{path}
	switch {
	case strings.Contains(properties, "./cache"):
		at = []string{filepath.Join(test.Dir, "cache/index.json")}
	case !strings.Contains(properties, path):
		at = []string{filepath.Join(test.Dir, "app/pipe")}
	}
	for _, file := range at {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		var err error
		switch kind {
		case "a FIFO":
			err = syscall.Mkfifo(file, 0o600)
		case "sparse":
			if err = os.WriteFile(file, nil, 0o600); err == nil {
				err = os.Truncate(file, 256<<20) // over each limit, and little enough for a machine that reads it
			}
		default:
			err = os.Symlink("/dev/zero", file)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return test, at[0]
}
