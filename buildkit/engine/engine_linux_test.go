package engine_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/docker/cli/cli/config"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
)

func dial(t *testing.T, e *enginetest.Engine) *engine.Engine {
	t.Helper()
	c, err := engine.Dial(t.Context(), engine.AtHost(e.Host(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// An engine tells which store it has, and which BuildKit.
func TestAbilities(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		engine *enginetest.Engine
		stores bool
	}{
		"containerd": {engine: &containerd, stores: true},
		"classic":    {engine: &classic},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := dial(t, c.engine).Abilities(t.Context())
			if err != nil || found.Stores != c.stores || found.OS != "linux" ||
				engine.IsOlder(found.Version, "v0.30.0") {
				t.Errorf("got %+v, %v", found, err)
			}
		})
	}
}

func TestDialSaysWhoNamedTheEngine(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
	a, err := engine.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = engine.Dial(t.Context(), a)
	if none, ok := errors.AsType[*engine.NoEngineError](err); !ok || none.Denied ||
		!strings.Contains(err.Error(), "at unix:///nowhere/docker.sock (DOCKER_HOST)") {
		t.Errorf("got %v", err)
	}
}

func TestIsOlder(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"": true, "library-import": true, "v0.29.9": true, "v0.30.0": false, "v0.30.0-rc1": false, "v1.0.0": false,
		"v0.9.3+unknown": true,
	} {
		if engine.IsOlder(version, "v0.30.0") != want {
			t.Errorf("%q: want %t", version, want)
		}
	}
}

// A configuration that cannot be read does not count as one that names no context.
func TestCurrentWithABrokenConfiguration(t *testing.T) {
	t.Setenv("DOCKER_HOST", "")
	t.Setenv("DOCKER_CONTEXT", "")
	if _, err := engine.Current(t.Context()); err != nil {
		t.Errorf("without a configuration: %v", err)
	}
	before := config.Dir()
	t.Cleanup(func() { config.SetDir(before) })
	config.SetDir(t.TempDir())
	if err := os.WriteFile(filepath.Join(config.Dir(), "config.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a, err := engine.Current(t.Context()); err == nil {
		t.Errorf("got %+v", a)
	}
}

// Only a connection whose other side is known to be the engine needs no permission.
func TestPlaintext(t *testing.T) { //nolint:paralleltest // the environment is the input
	for name, c := range map[string]struct{ host, verify, certificates, want string }{
		"a socket":             {host: "unix:///var/run/docker.sock"},
		"plain":                {host: "tcp://h:2375", want: "h:2375"},
		"certificates":         {host: "tcp://h:2376", verify: "1", certificates: "/certs"},
		"the default folder":   {host: "tcp://h:2376", verify: "1"},
		"nobody is identified": {host: "tcp://h:2376", certificates: "/certs", want: "h:2376"},
		"ssh":                  {host: "ssh://h"},
	} {
		t.Setenv("DOCKER_HOST", c.host)
		t.Setenv("DOCKER_TLS_VERIFY", c.verify)
		t.Setenv("DOCKER_CERT_PATH", c.certificates)
		a, err := engine.Current(t.Context())
		if err != nil || a.Plaintext() != c.want {
			t.Errorf("%s: %q, %v, want %q", name, a.Plaintext(), err, c.want)
		}
	}
}

// A container that ends between two connections is started again.
func TestBuilderThatHasEnded(t *testing.T) {
	t.Setenv("PULUMI_BUILDKIT_DAEMON_IDLE", "1s")
	e := dial(t, &classic)
	b, err := e.StartBuilder(t.Context(), engine.BuilderOptions{Note: func(string) {}})
	if err != nil {
		t.Fatal(err)
	}
	docker, err := client.New(client.WithHost(classic.Host(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = docker.Close() }()
	name := strings.TrimPrefix(b.Endpoint(), "docker-container://")
	if _, err := docker.ContainerRemove(t.Context(), name, client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	daemon, err := b.BuildKit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = daemon.Close()
}
