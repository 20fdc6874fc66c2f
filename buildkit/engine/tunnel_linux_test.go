package engine_test

import (
	"context"
	"errors"
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

// A registry that does not listen is refused as everywhere. It is reached when it has started.
func TestTunnelToNothing(t *testing.T) {
	t.Parallel()
	host := freeHost(t)
	b := startApart(t, host)
	daemon, err := b.BuildKit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := solve(t, daemon, newPlan(t, host+"/image")); err == nil ||
		!strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
	_ = daemon.Close()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	serveRegistry(t, listener, registrytest.New(t))
	if daemon, err = b.BuildKit(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = daemon.Close() }()
	if _, err := solve(t, daemon, newPlan(t, host+"/image")); err != nil {
		t.Error(err)
	}
}

// serveRegistry makes a listener lead to a registry, until the end of the test.
func serveRegistry(t *testing.T, listener net.Listener, registry *registrytest.Registry) {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: registry.Host()})
	server := &http.Server{Handler: proxy}
	t.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
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
		"another network": {engine: dial(t, &apart), want: []string{"127.0.0.1:9", registry, byName}},
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
	serveRegistry(t, apart.Listen(t, here.Host()), there)
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

// On another machine, whoever listens at the port of a registry gets no image and no login, whether the registry of
// this machine listens or not.
func TestListenerOnAnotherMachine(t *testing.T) {
	t.Parallel()
	registry := registrytest.New(t)
	a := engine.AtHost("tcp://build.internal:2375")
	apart.Host(t)
	a.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", apart.Socket())
	}
	e, err := engine.Dial(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	for name, host := range map[string]string{"listens": registry.Host(), "does not listen": freeHost(t)} {
		serveRegistry(t, apart.Listen(t, host), registry)
		b, err := e.StartBuilder(t.Context(), engine.BuilderOptions{Hosts: []string{host}, Note: func(string) {}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.BuildKit(t.Context())
		if other, ok := errors.AsType[*engine.OccupiedError](err); !ok || other.Address != host {
			t.Errorf("%s: %v", name, err)
		}
		b.Close()
	}
	if n := len(registry.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestIsOnAnotherMachine(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"unix:///var/run/docker.sock": false, "npipe:////./pipe/docker_engine": false, "tcp://127.0.0.1:2375": false,
		"tcp://localhost:2375": false, "tcp://[::1]:2375": false, "tcp://10.0.0.1:2375": true,
		"tcp://docker:2376": true, "ssh://build": true, "ssh://localhost": true, "https://docker:2376": true,
		"tcp://%": true,
	} {
		if engine.IsOnAnotherMachine(host) != want {
			t.Errorf("%s: want %t", host, want)
		}
	}
}
