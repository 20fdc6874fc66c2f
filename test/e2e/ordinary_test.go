//go:build linux

package e2e

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/snippets"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// dockerGroup is the group that may use the socket of an engine.
const dockerGroup = 31002

// openOn copies the program and runs it with further variables: as nobody on the machine, or, without one, as the user
// of the tests. The stack has its own daemon.
func openOn(t testing.TB, machine *daemontest.Machine, program fs.FS, env ...string) *stack.Test {
	t.Helper()
	if machine != nil {
		daemontest.SkipUnlessReachable(t, shared.Bin)
	}
	return stack.New(t, stack.Config{Bin: shared.Bin, Program: program, Machine: machine, Env: env})
}

// openRootless runs the program as nobody on a machine without a Docker Engine, where nobody can have a daemon.
func openRootless(t testing.TB, program fs.FS, env ...string) *stack.Test {
	t.Helper()
	daemontest.SkipWithoutNamespaces(t, shared.Bin)
	machine := daemontest.UsualMachine
	machine.NoEngine = true
	return openOn(t, &machine, program, env...)
}

// An ordinary user without a Docker Engine builds on the embedded daemon, and pushes to a registry on loopback. The
// terminal says which builder was taken and why.
func TestOrdinaryUserFromFirstUpToDestroy(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"Dockerfile": forkingDockerfile, "greeting": "hello\n", ".dockerignore": "Pulumi*.yaml\n",
	}
	s := openRootless(t, project(t, twoPlatforms, files))
	succeeds(t, s.Preview(), "+ 2 to create", "started the embedded BuildKit daemon in "+s.Daemon,
		"building on the embedded BuildKit daemon: no Docker Engine answers at unix:///var/run/docker.sock",
		"(the Docker Engine of this machine): connect: no such file or directory")
	succeeds(t, s.Up("--skip-preview"), "+ 2 created")
	first := image(t, s).Outputs["digest"]
	if pushed := fetchManifest(t, repository(t)+":1"); pushed == nil || pushed.Digest.String() != first {
		t.Fatalf("output digest is %v, the registry serves %v", first, pushed)
	}
	succeeds(t, s.Up("--expect-no-changes"), "2 unchanged")
	must(t, s.Write("greeting", "hellO\n"))
	succeeds(t, s.Up("--diff"), "~ contextHash", "~ 1 updated")
	if second := image(t, s).Outputs["digest"]; second == first {
		t.Errorf("the digest is %v before and after a change", first)
	}
	succeeds(t, s.Refresh("--expect-no-changes"), "2 unchanged")
	succeeds(t, s.Destroy(), "- 2 deleted")
	if left := fetchManifest(t, repository(t)+":1"); left != nil {
		t.Errorf("destroy left %s", left.Digest)
	}
	must(t, errors.Join(s.AwaitEnd(t.Context()), stack.AwaitDaemonEnd(t.Context(), s.Daemon)))
}

// readmeProgram returns the first program of the README with the files that it builds. It pushes to the registry of the
// tests.
func readmeProgram(t *testing.T) fs.FS {
	t.Helper()
	all := blocks(t)
	i := slices.IndexFunc(all, func(b snippets.Block) bool {
		return strings.HasPrefix(b.Place, "README.md") && strings.Contains(b.Text, "runtime: yaml")
	})
	if i < 0 {
		t.Fatal("the README has no program")
	}
	text := strings.ReplaceAll(all[i].Text, "registry.example.com/shop", repository(t))
	return fstest.MapFS{
		"Pulumi.yaml":    {Data: []byte(text), Mode: 0o644},
		"app/Dockerfile": {Data: []byte("FROM scratch\nCOPY server /\nCMD [\"/server\"]\n"), Mode: 0o644},
		"app/server":     {Data: []byte("#!\n"), Mode: 0o755},
	}
}

// A member of the group docker runs the first program of the README and sets nothing. The Docker Engine builds that
// listens at the usual place or that the current Docker context names, or our BuildKit in it if the engine cannot.
func TestOrdinaryUserWithADockerEngine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		engine  *enginetest.Engine
		context bool
		says    []string
	}{
		"containerd": {&containerdEngine, false, []string{
			"building on unix:///var/run/docker.sock: the Docker Engine of this machine",
		}},
		"classic": {&classicEngine, false, []string{
			"the Docker Engine of this machine; its image store is not containerd's", "so our BuildKit runs there",
		}},
		"context": {&containerdEngine, true, []string{`building on unix://`, `the Docker context "remote"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			machine := daemontest.Machine{NoEngine: true, Group: dockerGroup}
			giveToDockerGroup(t, c.engine)
			var env []string
			if c.context {
				env = []string{"DOCKER_CONFIG=" + writeDockerContext(t, c.engine.Host(t))}
			} else {
				machine.Engine = c.engine.Socket()
			}
			s := openOn(t, &machine, readmeProgram(t), env...)
			succeeds(t, s.Up(), append(c.says, "+ 2 created")...)
			succeeds(t, s.Up("--expect-no-changes"), "2 unchanged")
			succeeds(t, s.Destroy("--skip-preview"), "- 2 deleted")
		})
	}
}

// giveToDockerGroup lets the group use the socket of an engine.
func giveToDockerGroup(t testing.TB, e *enginetest.Engine) {
	t.Helper()
	e.Host(t)
	must(t, errors.Join(os.Chown(e.Socket(), 0, dockerGroup), os.Chmod(e.Socket(), 0o660),
		os.Chmod(filepath.Dir(e.Socket()), 0o755)))
}

// writeDockerContext writes a Docker configuration whose current context is an engine, and returns its folder.
func writeDockerContext(t *testing.T, host string) string {
	t.Helper()
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

// A preview on a machine without any builder warns once, leaves outputs unknown and succeeds. An update says what was
// tried. Each has the remedies.
func TestNoBuilderAtAll(t *testing.T) {
	t.Parallel()
	giveToDockerGroup(t, &containerdEngine)
	giveToDockerGroup(t, &brokenEngine)
	brokenEngine.MakeVolumeReadOnly(t, engine.Volume)
	const noEngine = "no Docker Engine answers at unix:///var/run/docker.sock (the Docker Engine of this machine): " +
		"connect: "
	for name, c := range map[string]struct {
		machine daemontest.Machine
		says    []string
	}{
		"nothing": {daemontest.Machine{NoEngine: true}, []string{
			noEngine + "no such file or directory. Start it, or install Docker", "Run sudo usermod --add-subuids",
		}},
		"not in the group docker": {daemontest.Machine{Engine: containerdEngine.Socket()}, []string{
			noEngine + "permission denied. Add this user to the group docker (sudo usermod -aG docker $USER)",
		}},
		"an engine in which our BuildKit does not run": {
			daemontest.Machine{Engine: brokenEngine.Socket(), Group: dockerGroup}, []string{
				"our BuildKit does not run in the Docker Engine at unix:///var/run/docker.sock: ",
				"; use a Docker Engine that runs as root and allows privileged containers",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openOn(t, &c.machine, readmeProgram(t))
			r := s.Preview()
			succeeds(t, r, append(c.says, "warning: not built in this preview: no builder can work here",
				"image: [unknown]", "+ 2 to create")...)
			_, summary, _ := strings.Cut(r.Stdout, "Diagnostics:")
			if n := strings.Count(summary, "warning:"); n != 1 || strings.Count(summary, "--add-subuids") > 1 {
				t.Errorf("the preview has %d warnings, or a remedy twice:\n%s", n, r.All())
			}
			fails(t, s.Up("--skip-preview"),
				append(c.says, "no builder can work here", "name a builder that runs elsewhere")...)
		})
	}
}
