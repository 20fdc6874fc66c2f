//go:build linux

// Package examples runs programs with the real CLI, plugin, daemon and registry.
package examples

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pulumi-buildkit/pulumi-buildkit/examples/stack"
)

// shared is what the tests have in common, because isolation is not their point: one registry with one base image, one daemon.
var shared struct {
	bin      string
	registry *stack.Registry
	base     string // a reference with busybox for amd64 and arm64
	daemon   string
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Minute, fmt.Errorf("preparing the tests took over a minute"))
	defer cancel()
	if shared.bin, err = filepath.Abs("../bin"); err != nil {
		return 1, err
	}
	for _, binary := range []string{"pulumi", "pulumi-language-yaml", "pulumi-resource-buildkit", "buildkitd", "runc", "registry"} {
		if _, err := os.Stat(filepath.Join(shared.bin, binary)); err != nil {
			return 1, fmt.Errorf("%w: run `make build tools fixtures`, or `make test`", err)
		}
	}
	if shared.registry, err = stack.StartRegistry(ctx, shared.bin); err != nil {
		return 1, err
	}
	defer shared.registry.Close()
	if shared.base, err = stack.PushBusybox(ctx, "../.cache/fixtures", shared.registry.Host); err != nil {
		return 1, err
	}
	if shared.daemon, err = os.MkdirTemp("", "daemon-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(shared.daemon)
	code = m.Run()
	return code, stack.DaemonGone(context.Background(), shared.daemon)
}

// project is a program of one Image. Properties are lines of YAML; BUSYBOX in a file is the base image, REPO in the properties the
// repository that belongs to the test alone.
func project(t testing.TB, properties string, files map[string]string) fs.FS {
	t.Helper()
	indented := strings.ReplaceAll(strings.TrimSpace(properties), "\n", "\n      ")
	return program(t, `resources:
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

// program is a Pulumi program with the given sections and files, as project says.
func program(t testing.TB, sections string, files map[string]string) fs.FS {
	t.Helper()
	sections = strings.ReplaceAll(sections, "REPO", repository(t))
	tree := fstest.MapFS{"Pulumi.yaml": {Data: []byte("name: app\nruntime: yaml\n" + sections), Mode: 0o644}}
	for path, text := range files {
		tree[path] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(text, "BUSYBOX", shared.base)), Mode: 0o644}
	}
	return tree
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

func repository(t testing.TB) string {
	return shared.registry.Host + "/" + notInNames.ReplaceAllString(strings.ToLower(t.Name()), "-")
}

// open is a stack on the shared daemon.
func open(t testing.TB, program fs.FS) *stack.Test {
	t.Helper()
	return stack.New(t, stack.Config{Bin: shared.bin, Program: program, Daemon: shared.daemon, Idle: 5 * time.Second})
}

// served is what the registry has under the reference, or nil when it answers 404.
func served(t testing.TB, reference string) *remote.Descriptor {
	t.Helper()
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	descriptor, err := remote.Get(ref, remote.WithContext(t.Context()))
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return descriptor
}

func isNotFound(err error) bool {
	refused := new(transport.Error)
	return errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound
}

// ok fails the test unless the command succeeded and printed each text.
func ok(t testing.TB, r stack.Result, texts ...string) {
	t.Helper()
	if r.Code != 0 {
		t.Fatalf("exit code %d:\n%s", r.Code, r.All())
	}
	says(t, r, texts...)
}

// fails fails the test unless the command failed and printed each text.
func fails(t testing.TB, r stack.Result, texts ...string) {
	t.Helper()
	if r.Code <= 0 {
		t.Fatalf("exit code %d, want a failure:\n%s", r.Code, r.All())
	}
	says(t, r, texts...)
}

func says(t testing.TB, r stack.Result, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.All(), text) {
			t.Errorf("the output lacks %q:\n%s", text, r.All())
		}
	}
}

// image is the state's only Image.
func image(t testing.TB, s *stack.Test) stack.Resource {
	t.Helper()
	resources := s.Export()
	if len(resources) != 1 || resources[0].Type != "buildkit:index:Image" {
		t.Fatalf("state: %+v, want one buildkit:index:Image", resources)
	}
	return resources[0]
}
