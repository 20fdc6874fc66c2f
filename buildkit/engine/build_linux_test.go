package engine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"

	bkclient "github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// newPlan returns a plan for two platforms of a Dockerfile with one file.
func newPlan(t *testing.T, repository string) inputs.Plan {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	err := errors.Join(os.WriteFile(path, []byte("content"), 0o644), os.Chtimes(path, time.Time{}, time.Unix(1e9, 0)))
	if err != nil {
		t.Fatal(err)
	}
	return inputs.Plan{
		Files:        inputs.Files{Context: dir, Inline: []byte("FROM scratch\nCOPY file /\nCMD [\"/file\"]\n")},
		Platforms:    []string{"linux/amd64", "linux/arm64"},
		Repositories: []string{repository},
		Epoch:        new(int64(1e9)), // each builder has its own clock
	}
}

func solve(t *testing.T, c *bkclient.Client, plan inputs.Plan) (buildkit.Built, error) {
	t.Helper()
	in, err := inputs.Load(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	access := buildkit.Access{Credentials: func(context.Context, string) (buildkit.Credential, error) {
		return buildkit.Credential{}, nil
	}}
	return buildkit.Solve(t.Context(), c, plan, in, access, func(buildkit.Event) {})
}

// The same inputs have the same digest on each builder, whatever the engine can do itself.
func TestEachBuilderMakesTheSameBytes(t *testing.T) {
	t.Setenv("PULUMI_BUILDKIT_DAEMON_IDLE", "1s")
	digests := map[string]string{}
	for name, connect := range map[string]func(*testing.T) (*bkclient.Client, error){
		"embedded": connectEmbedded,
		"containerd": func(t *testing.T) (*bkclient.Client, error) {
			return dial(t, &containerd).BuildKit(t.Context())
		},
		"container, containerd": func(t *testing.T) (*bkclient.Client, error) {
			return connectContainer(t, &containerd)
		},
		"container, classic": func(t *testing.T) (*bkclient.Client, error) { return connectContainer(t, &classic) },
	} {
		daemon, err := connect(t)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		defer func() { _ = daemon.Close() }()
		built, err := solve(t, daemon, newPlan(t, registrytest.New(t).Host()+"/image"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		digests[built.Digest] += " " + name
	}
	if len(digests) != 1 {
		t.Errorf("the digests differ: %v", digests)
	}
}

func connectEmbedded(t *testing.T) (*bkclient.Client, error) {
	e, err := endpoint.Parse(embedded.Endpoint(t))
	if err != nil {
		return nil, err
	}
	return e.Dial(t.Context(), endpoint.Options{})
}

func connectContainer(t *testing.T, e *enginetest.Engine) (*bkclient.Client, error) {
	b, err := dial(t, e).StartBuilder(t.Context(), engine.BuilderOptions{Note: func(line string) { t.Log(line) }})
	if err != nil {
		return nil, err
	}
	return b.BuildKit(t.Context())
}
