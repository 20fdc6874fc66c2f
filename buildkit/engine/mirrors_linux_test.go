package engine_test

import (
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/inside"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// Our BuildKit in an engine takes base images from the mirrors that it is given.
func TestBaseImagesOfMirrors(t *testing.T) {
	t.Setenv("PULUMI_BUILDKIT_DAEMON_IDLE", "1s")
	mirror := registrytest.New(t)
	mirror.Push(t, "docker-hub/library/base:1", registrytest.Image(t, "linux/amd64"))
	b, err := dial(t, &classic).StartBuilder(t.Context(), engine.BuilderOptions{
		Registries: map[string]inside.Registry{"docker.io": {Mirrors: []string{mirror.Host() + "/docker-hub"}}},
		Hosts:      []string{"docker.io", mirror.Host()},
		Note:       func(line string) { t.Log(line) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	daemon, err := b.BuildKit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = daemon.Close() }()
	plan := newPlan(t, registrytest.New(t).Host()+"/image")
	plan.Platforms = []string{"linux/amd64"}
	plan.Files.Inline = []byte("FROM base:1\nCOPY file /\n")
	built, err := solve(t, daemon, plan)
	if err != nil || built.Digest == "" {
		t.Errorf("got %+v, %v; the mirror was asked for %v", built, err, mirror.Requests())
	}
}
