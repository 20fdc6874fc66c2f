//go:build linux

package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"
)

// Suite holds what the tests of one package share: a registry with one base image, and a daemon.
type Suite struct {
	Bin      string    // absolute folder of the tools
	Fixtures string    // folder with the busybox binaries
	Registry *Registry // on loopback, without a login
	Base     string    // a reference with busybox for amd64 and arm64
	Daemon   string    // folder of the embedded daemon
}

// Main runs the tests of a package, for TestMain. It prepares the suite, runs the tests, ends what it started, and
// returns the exit code. root is the folder of the repository, relative to that of the tests. Main does not return if
// this process is to become a command on a machine.
func (s *Suite) Main(m *testing.M, root string) int {
	becomeCommand()
	code, err := s.run(m, root)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func (s *Suite) run(m *testing.M, root string) (code int, err error) {
	tooSlow := errors.New("preparing the tests took over three minutes")
	ctx, cancel := context.WithTimeoutCause(context.Background(), 3*time.Minute, tooSlow)
	defer cancel()
	if s.Bin, err = filepath.Abs(filepath.Join(root, "bin")); err != nil {
		return 1, err
	}
	binaries := []string{"pulumi", "pulumi-language-yaml", "pulumi-resource-buildkit", "buildkitd", "runc",
		"rootlesskit", "registry"}
	for _, binary := range binaries {
		if _, err := os.Stat(filepath.Join(s.Bin, binary)); err != nil {
			return 1, fmt.Errorf("%w: run `make build tools fixtures`, or `make test`", err)
		}
	}
	if s.Registry, err = StartRegistry(ctx, s.Bin); err != nil {
		return 1, err
	}
	defer func() { _ = s.Registry.Close() }()
	s.Fixtures = filepath.Join(root, ".cache/fixtures")
	if s.Base, err = PushBusybox(ctx, s.Fixtures, s.Registry.Host); err != nil {
		return 1, err
	}
	if s.Daemon, err = os.MkdirTemp("", "daemon-"); err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(s.Daemon) }()
	code = s.runWatched(m)
	gone := AwaitDaemonEnd(context.Background(), s.Daemon)
	LookInFolder(s.Daemon)
	LookInFolder(s.Registry.dir)
	return code, errors.Join(gone, leakError())
}

// runWatched runs the tests. Meanwhile it searches the arguments of all processes for canaries.
func (s *Suite) runWatched(m *testing.M) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { watchArguments(ctx, filepath.Join(s.Bin, "pulumi")) })
	defer watching.Wait()
	defer cancel(errors.New("the tests have ended"))
	return m.Run()
}

// Project returns a program of one Image. Properties are lines of YAML. BUSYBOX in a file stands for the base image.
// REPO in the properties stands for the repository of this test alone.
func (s *Suite) Project(t testing.TB, properties string, files map[string]string) fs.FS {
	t.Helper()
	indented := strings.ReplaceAll(strings.TrimSpace(properties), "\n", "\n      ")
	return s.Program(t, `resources:
  image:
    type: buildkit:Image
    properties:
      `+indented+`
outputs:
  digest: ${image.digest}
  ref: ${image.ref}
  repoDigest: ${image.repoDigest}
  manifests: ${image.manifests}
`, files)
}

// Program returns a Pulumi program with the given sections and files. It replaces the same words as Project.
func (s *Suite) Program(t testing.TB, sections string, files map[string]string) fs.FS {
	t.Helper()
	sections = strings.ReplaceAll(sections, "REPO", s.Repository(t))
	tree := fstest.MapFS{"Pulumi.yaml": {Data: []byte("name: app\nruntime: yaml\n" + sections), Mode: 0o644}}
	for path, text := range files {
		tree[path] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(text, "BUSYBOX", s.Base)), Mode: 0o644}
	}
	return tree
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// Repository returns the repository of this test in the suite's registry.
func (s *Suite) Repository(t testing.TB) string {
	return s.Registry.Host + "/" + notInNames.ReplaceAllString(strings.ToLower(t.Name()), "-")
}

// Open opens a stack on the suite's daemon. The stack ends with the test.
func (s *Suite) Open(t testing.TB, program fs.FS) *Test {
	t.Helper()
	return New(t, Config{Bin: s.Bin, Program: program, Daemon: s.Daemon, Idle: 5 * time.Second})
}

// Succeeds fails the test unless the command succeeded and printed each text.
func Succeeds(t testing.TB, r Result, texts ...string) {
	t.Helper()
	if r.Code != 0 {
		t.Fatalf("exit code %d:\n%s", r.Code, r.All())
	}
	Says(t, r, texts...)
}

// Fails fails the test unless the command failed and printed each text.
func Fails(t testing.TB, r Result, texts ...string) {
	t.Helper()
	if r.Code <= 0 {
		t.Fatalf("exit code %d, want a failure:\n%s", r.Code, r.All())
	}
	Says(t, r, texts...)
}

// Says fails the test unless the command printed each text.
func Says(t testing.TB, r Result, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.All(), text) {
			t.Errorf("the output lacks %q:\n%s", text, r.All())
		}
	}
}
