//go:build linux

package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// canaryProgram has one password as a secret of the configuration, one as plain text in the program, and one in a
// provider.
const canaryProgram = `config: { password: { type: string } }
resources:
  own:
    type: pulumi:providers:buildkit
    properties: { registries: [{ address: HOST, username: me, password: "${password}" }] }
  one:
    type: buildkit:Image
    options: { provider: "${own}" }
    properties: { platforms: [linux/amd64], tags: ["HOST/app:one"] }
  two:
    type: buildkit:Image
    properties:
      platforms: [linux/amd64]
      tags: ["HOST/app:two"]
      registries: [{ address: HOST, username: me, password: "${password}" }]
  three:
    type: buildkit:Image
    properties:
      platforms: [linux/amd64]
      tags: ["REPO:three"]
      registries: [{ address: HOST, username: me, password: PLAIN }]
outputs:
  digest: ${two.digest}
  ref: ${two.ref}
`

// Only the registry gets a password, and a password makes no output a secret. It is in no output of a command, state,
// backup or plan, and in no other file of the run or of the daemon.
func TestPasswordsAreNotLeaked(t *testing.T) {
	t.Parallel()
	canary, plain := stack.Canary("password"), stack.Canary("plain-password")
	registry := newPrivateRegistry(t, canary)
	// The stack has its own daemon, because the test searches the daemon's folder.
	s := stack.New(t, stack.Config{Bin: shared.Bin,
		Program: program(t, strings.ReplaceAll(withHost(registry.Host(), canaryProgram), "PLAIN", plain),
			map[string]string{
				"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "x",
			})})
	cli(t, s, "config", "set", "--secret", "password", canary)
	root := filepath.Dir(s.Dir)
	said := s.Preview("--diff", "--save-plan", filepath.Join(root, "tmp", "plan.json"))
	succeeds(t, said)
	up := s.Up("--skip-preview", "--diff")
	succeeds(t, up, "digest: \"sha256:", "ref   : \""+registry.Host())
	must(t, s.Write("file", "y"))
	again := s.Up("--json")
	succeeds(t, again)
	for _, r := range []stack.Result{said, up, again} {
		if linesWith(r.All(), canary)+linesWith(r.All(), plain) > 0 {
			t.Errorf("a password is shown:\n%s", r.All())
		}
	}
	for name, r := range resourcesByName(s) {
		if digest, _ := r.Outputs["digest"].(string); name != "own" && !strings.HasPrefix(digest, "sha256:") {
			t.Errorf("%s: output digest is %v", name, r.Outputs["digest"])
		}
	}
	if got, want := filesWith(t, root, canary, plain), []string{filepath.Join(s.Dir, "Pulumi.yaml")}; !slices.Equal(got,
		want) {
		t.Errorf("a password is in %v, want the program alone", got)
	}
}

// filesWith returns the regular files below root that contain one of the texts.
func filesWith(t *testing.T, root string, texts ...string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil //nolint:nilerr // a running daemon removes files
		}
		content, _ := os.ReadFile(path)
		for _, text := range texts {
			if bytes.Contains(content, []byte(text)) {
				found = append(found, path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
