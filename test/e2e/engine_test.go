//go:build linux

package e2e

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/moby/moby/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// ordinary is the user nobody, in the group that may use Docker.
var ordinary = stack.User{UID: 65534, GID: 31002}

// fixed is a program whose image has the same digest whenever and wherever it is built.
const fixed = scratchImage + `
sourceDateEpoch: 0
dockerfile:
  inline: |
    FROM scratch
    COPY hello /hello
`

// openAs copies the program and runs it as an ordinary user with further variables.
func openAs(t *testing.T, user *stack.User, program fs.FS, env ...string) *stack.Test {
	t.Helper()
	for dir := shared.Bin; user != nil && dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode()&0o001 == 0 {
			t.Skipf("NOT TESTED: another user cannot enter %s, where the plugin is: %v", dir, err)
		}
	}
	return stack.New(t, stack.Config{Bin: shared.Bin, Program: program, User: user, Env: env})
}

// dockerContext writes a Docker configuration whose current context is an engine, and returns its folder.
func dockerContext(t *testing.T, e *enginetest.Engine) string {
	t.Helper()
	host := e.Host(t)
	must(t, errors.Join(os.Chown(e.Socket(), 0, int(ordinary.GID)), os.Chmod(e.Socket(), 0o660),
		os.Chmod(filepath.Dir(e.Socket()), 0o755)))
	dir := t.TempDir()
	meta := filepath.Join(dir, "contexts/meta", fmt.Sprintf("%x", sha256.Sum256([]byte("remote"))))
	must(t, errors.Join(
		os.Chmod(filepath.Dir(dir), 0o755), os.MkdirAll(meta, 0o755),
		os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"currentContext": "remote"}`), 0o644),
		os.WriteFile(filepath.Join(meta, "meta.json"),
			[]byte(`{"Name":"remote","Metadata":{},"Endpoints":{"docker":{"Host":"`+
				host+`","SkipTLSVerify":false}}}`), 0o644),
	))
	return dir
}

// A member of the group docker needs no setting. The engine of the current Docker context builds, or our BuildKit in it
// if the engine cannot. The image has the same digest as on the embedded daemon of root.
func TestOrdinaryUserWithADockerEngine(t *testing.T) {
	t.Parallel()
	files := map[string]string{"hello": "hello\n"}
	embedded := open(t, project(t, fixed, files))
	succeeds(t, embedded.Up("--skip-preview"))
	want := image(t, embedded).Outputs["digest"]
	for name, c := range map[string]struct {
		engine *enginetest.Engine
		says   string
	}{
		"containerd": {&containerdEngine, `building on unix://`},
		"classic":    {&classicEngine, "so our BuildKit runs there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openAs(t, &ordinary, project(t, fixed, files), "DOCKER_CONFIG="+dockerContext(t, c.engine))
			succeeds(t, s.Up(), "+ 2 created", c.says, `the Docker context "remote"`)
			if got := image(t, s).Outputs["digest"]; got != want {
				t.Errorf("the digest is %v, on the embedded daemon %v", got, want)
			}
			succeeds(t, s.Up("--expect-no-changes"))
			succeeds(t, s.Destroy("--skip-preview"))
		})
	}
}

// A preview on a machine without any builder warns once, leaves outputs unknown and succeeds. An update says what was
// tried.
func TestNoBuilderAtAll(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/var/run/docker.sock"); err == nil {
		t.Skip("NOT TESTED: this machine has a Docker Engine")
	}
	s := openAs(t, &ordinary, project(t, fixed, map[string]string{"hello": "hello\n"}))
	succeeds(t, s.Preview(), "warning: not built in this preview: no builder can work here", "subordinate IDs",
		"no Docker Engine answers at unix:///var/run/docker.sock (the Docker Engine of this machine)", "+ 2 to create")
	fails(t, s.Up("--skip-preview"), "no builder can work here", "or name a builder that runs elsewhere")
}

// An image is loaded into the engine that builds it, whatever the current Docker context is.
func TestLoadIntoTheBuilder(t *testing.T) {
	t.Parallel()
	host := containerdEngine.Host(t)
	properties := "context: { location: . }\ntags: [\"REPO:1\"]\npush: false\nload: true\n" +
		"builder: { endpoint: \"" + host + "\" }\n"
	s := open(t, project(t, properties, map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"}))
	succeeds(t, s.Up("--skip-preview"), "+ 2 created")
	c, err := client.New(client.WithHost(host))
	must(t, err)
	defer func() { _ = c.Close() }()
	if _, err := c.ImageInspect(t.Context(), repository(t)+":1"); err != nil {
		t.Error(err)
	}
}
