package buildkit_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// stepBuilder builds Dockerfiles whose steps run processes, on the tests' daemon.
type stepBuilder struct {
	*testBuilder
	base string // a reference to busybox

	mu     sync.Mutex
	events []buildkit.Event
}

func newStepBuilder(t *testing.T) *stepBuilder {
	t.Helper()
	return &stepBuilder{testBuilder: newTestBuilder(t), base: busybox(t)}
}

// busybox returns a reference to the image busybox in a registry of this process. It skips the test where there can be
// no daemon, because the programs of the image may be missing there too.
func busybox(t *testing.T) string {
	t.Helper()
	daemontest.SkipWithoutDaemon(t)
	reference, err := pushBusybox()
	if err != nil {
		t.Fatal(err)
	}
	return reference
}

// pushBusybox pushes the image once.
var pushBusybox = sync.OnceValues(func() (string, error) {
	registry, err := registrytest.Start("127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return stack.PushBusybox(context.Background(), "../.cache/fixtures", registry.Host())
})

// plan returns a plan for a Dockerfile on busybox, with an empty context. The daemon has no cache of its steps, because
// they depend on the repository of this test.
func (s *stepBuilder) plan(t *testing.T, dockerfile string) inputs.Plan {
	t.Helper()
	plan := inlinePlan(
		t.TempDir(), fmt.Sprintf("FROM %s AS base\nFROM base\nARG TEST=%s\n%s\n", s.base, s.repository, dockerfile),
	)
	plan.Repositories = []string{s.repository}
	return plan
}

// solve loads and solves a plan.
func (s *stepBuilder) solve(ctx context.Context, plan inputs.Plan, access buildkit.Access) (buildkit.Built, error) {
	ctx, stop := context.WithTimeoutCause(ctx, caseLimit, errors.New("the build took too long"))
	defer stop()
	access.Credentials = noCredentials
	in, err := inputs.Load(ctx, plan)
	if err != nil {
		return buildkit.Built{}, err
	}
	return buildkit.Solve(ctx, s.c, plan, in, access, s.report)
}

func (s *stepBuilder) report(e buildkit.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

// image pulls an image of one platform.
func (s *stepBuilder) image(t *testing.T, built buildkit.Built) v1.Image {
	t.Helper()
	ref, err := name.NewDigest(s.repository + "@" + built.Digest)
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Image(ref, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// tag gives the image a tag, and returns the reference.
func (s *stepBuilder) tag(t *testing.T, built buildkit.Built, label string) string {
	t.Helper()
	ref, err := name.NewTag(s.repository + ":" + label)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Tag(ref, s.image(t, built), remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	return ref.Name()
}

// fileContent returns the content of a file of the image.
func (s *stepBuilder) fileContent(t *testing.T, built buildkit.Built, path string) string {
	t.Helper()
	content := mutate.Extract(s.image(t, built))
	defer content.Close()
	for reader := tar.NewReader(content); ; {
		h, err := reader.Next()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if h.Name != path {
			continue
		}
		text, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}
