//go:build linux

// Package e2e runs programs with the real CLI, plugin, daemon and registry.
package e2e

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// shared is the suite of all tests of this package.
var shared stack.Suite

// Docker Engines, by the store in which they keep images.
var (
	containerdEngine enginetest.Engine
	classicEngine    = enginetest.Engine{Classic: true}
	apartEngine      = enginetest.Engine{Apart: true}
	brokenEngine     = enginetest.Engine{Classic: true} // our BuildKit does not run in it
)

func TestMain(m *testing.M) {
	code := shared.Main(m, "../..")
	if err := errors.Join(containerdEngine.End(), classicEngine.End(), apartEngine.End(), brokenEngine.End(),
		elsewhere.end(), secondNode.end()); err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		code = 1
	}
	os.Exit(code)
}

func project(t testing.TB, properties string, files map[string]string) fs.FS {
	t.Helper()
	return shared.Project(t, properties, files)
}

func program(t testing.TB, sections string, files map[string]string) fs.FS {
	t.Helper()
	return shared.Program(t, sections, files)
}

func repository(t testing.TB) string { return shared.Repository(t) }

func open(t testing.TB, program fs.FS) *stack.Test {
	t.Helper()
	return shared.Open(t, program)
}

// must fails the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fetchManifest returns what the registry serves for the reference, or nil if it answers 404.
func fetchManifest(t testing.TB, reference string) *remote.Descriptor {
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

func succeeds(t testing.TB, r stack.Result, texts ...string) {
	t.Helper()
	stack.Succeeds(t, r, texts...)
}

func fails(t testing.TB, r stack.Result, texts ...string) {
	t.Helper()
	stack.Fails(t, r, texts...)
}

func says(t testing.TB, r stack.Result, texts ...string) {
	t.Helper()
	stack.Says(t, r, texts...)
}

// image returns the only Image in the state.
func image(t testing.TB, s *stack.Test) stack.Resource {
	t.Helper()
	resources := s.Export()
	if len(resources) != 1 || resources[0].Type != "buildkit:index:Image" {
		t.Fatalf("state: %+v, want one buildkit:index:Image", resources)
	}
	return resources[0]
}
