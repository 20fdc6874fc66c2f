package engine_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// pushRandom pushes an image of 1 MB to a registry and returns its reference.
func pushRandom(t *testing.T, host string) string {
	t.Helper()
	image, err := random.Image(512<<10, 2)
	if err == nil {
		image, err = mutate.ConfigFile(image, withPlatform(t, image))
	}
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(host+"/base:1", name.Insecure)
	if err == nil {
		err = remote.Write(ref, image, remote.WithContext(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
	return ref.Name()
}

// withPlatform returns the configuration of an image with the platform of this machine.
func withPlatform(t *testing.T, image v1.Image) *v1.ConfigFile {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	return config
}

// startApart returns our BuildKit in an engine that has another loopback than the test.
func startApart(t *testing.T, hosts ...string) *engine.Builder {
	t.Helper()
	b, err := dial(t, &apart).StartBuilder(t.Context(), engine.BuilderOptions{
		Hosts: hosts, Note: func(line string) { t.Log(line) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// A registry on the loopback of this machine serves base images and takes pushes in an engine of another network.
// Builds that run at once share the tunnels.
func TestRegistryOnTheLoopbackOfAnotherNetwork(t *testing.T) {
	t.Parallel()
	registry := registrytest.New(t)
	base := pushRandom(t, registry.Host())
	byName := strings.Replace(registry.Host(), "127.0.0.1", "localhost", 1)
	b := startApart(t)
	plan := newPlan(t, registry.Host()+"/image")
	plan.Platforms = nil
	plan.Files.Inline = []byte("FROM " + base + "\nCOPY file /\n")
	daemon, err := b.BuildKit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := solve(t, daemon, plan); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Fatalf("without a tunnel: %v", err)
	}
	_ = daemon.Close()
	var builds sync.WaitGroup
	for _, host := range []string{registry.Host(), byName, registry.Host()} {
		plan := newPlan(t, host+"/image")
		plan.Platforms = nil
		plan.Files.Inline = []byte("FROM " + strings.Replace(base, registry.Host(), host, 1) + "\nCOPY file /\n")
		builds.Go(func() {
			b := startApart(t, host)
			daemon, err := b.BuildKit(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = daemon.Close() }()
			built, err := solve(t, daemon, plan)
			if err != nil || built.Digest == "" {
				t.Errorf("%s: %+v, %v", host, built, err)
			}
			b.Close()
		})
	}
	builds.Wait()
	// Nothing is left of the tunnels.
	if daemon, err = b.BuildKit(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = daemon.Close() }()
	if _, err := solve(t, daemon, plan); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("after the builds: %v", err)
	}
}

// A registry that does not listen is refused as everywhere.
func TestTunnelToNothing(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := listener.Addr().String()
	_ = listener.Close()
	b := startApart(t, host)
	daemon, err := b.BuildKit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = daemon.Close() }()
	if _, err := solve(t, daemon, newPlan(t, host+"/image")); err == nil ||
		!strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
}

// The engine says which registries of this machine its own BuildKit reaches.
func TestUnreachableHosts(t *testing.T) {
	t.Parallel()
	registry := registrytest.New(t).Host()
	byName := strings.Replace(registry, "127.0.0.1", "localhost", 1)
	hosts := []string{"docker.io", "127.0.0.1:9", "registry.example.com:5000", registry, byName}
	for name, c := range map[string]struct {
		engine *engine.Engine
		want   []string
	}{
		"this network":    {engine: dial(t, &containerd)},
		"another network": {engine: dial(t, &apart), want: []string{registry, byName}},
	} {
		if got, err := c.engine.UnreachableHosts(t.Context(), hosts); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// A registry in the engine's own network is used, even if this machine has one at the same port.
func TestRegistryInTheNetworkOfTheEngine(t *testing.T) {
	t.Parallel()
	here, there := registrytest.New(t), registrytest.New(t)
	listener := apart.Listen(t, here.Host())
	address, err := url.Parse("http://" + there.Host())
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: httputil.NewSingleHostReverseProxy(address)}
	t.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	hosts := []string{here.Host()}
	if got, err := dial(t, &apart).UnreachableHosts(t.Context(), hosts); err != nil || !slices.Equal(got, hosts) {
		t.Errorf("got %v, %v: the engine's own BuildKit would use that registry without a word", got, err)
	}
	daemon, err := startApart(t, here.Host()).BuildKit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = daemon.Close() }()
	if _, err := solve(t, daemon, newPlan(t, here.Host()+"/image")); err != nil {
		t.Error(err)
	}
	if n, m := len(here.Requests()), len(there.Requests()); n != 0 || m == 0 {
		t.Errorf("%d requests came to this machine, %d to the engine's network", n, m)
	}
}
