//go:build linux

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// atSocket makes buildctl connect to a socket.
func atSocket(path string) func(*stack.Test) ([]string, string) {
	return func(*stack.Test) ([]string, string) { return []string{"--addr", "unix://" + path}, "" }
}

// atDaemon makes buildctl connect to the embedded daemon.
func atDaemon(s *stack.Test) ([]string, string) {
	return atSocket(filepath.Join(s.Daemon, "buildkitd.sock"))(s)
}

func embeddedContender(*testing.B) contender { return contender{buildctl: atDaemon} }

func rootlessContender(b *testing.B) contender {
	b.Helper()
	daemontest.SkipWithoutNamespaces(b, shared.Bin)
	machine := daemontest.UsualMachine
	machine.NoEngine = true
	return contender{machine: &machine, buildctl: atDaemon}
}

func unixContender(b *testing.B) contender {
	b.Helper()
	return contender{builder: elsewhere.endpoint(b), buildctl: atSocket(elsewhere.start(b).socket)}
}

func secureContender(b *testing.B) contender {
	b.Helper()
	d := elsewhere.start(b)
	address, c := "tcp://"+d.hostPort, d.certificates
	return contender{
		builder: fmt.Sprintf("builder: { endpoint: %q, tls: { ca: %s, cert: %s, key: %s, serverName: builder } }\n",
			address, c.path("ca"), c.path("client"), c.path("client-key")),
		buildctl: func(*stack.Test) ([]string, string) {
			return []string{"--addr", address, "--tlsservername", "builder", "--tlscacert", c.path("ca"),
				"--tlscert", c.path("client"), "--tlskey", c.path("client-key")}, ""
		},
	}
}

func engineContender(b *testing.B) contender {
	b.Helper()
	api, err := client.New(client.WithHost(containerdEngine.Host(b)))
	must(b, err)
	b.Cleanup(func() { _ = api.Close() })
	socket := startProxy(b, func(ctx context.Context) (net.Conn, error) {
		return api.DialHijack(ctx, "/grpc", "h2c", nil)
	})
	return contender{builder: endpointOf(b, &containerdEngine), buildctl: atSocket(socket)}
}

func classicContender(b *testing.B) contender {
	b.Helper()
	e := dialEngine(b, &classicEngine)
	b.Setenv("PULUMI_BUILDKIT_DAEMON_IDLE", benchmarkIdle.String())
	ours, err := e.StartBuilder(b.Context(), engine.BuilderOptions{Note: func(string) {}})
	must(b, err)
	return contender{builder: endpointOf(b, &classicEngine), buildctl: atSocket(startProxy(b, ours.Dial))}
}

func buildxContender(b *testing.B) contender {
	b.Helper()
	const container = "buildx_buildkit_bench0"
	e := dialEngine(b, &containerdEngine)
	writeStoppedContainer(b, &containerdEngine, container)
	store := b.TempDir()
	must(b, os.Mkdir(filepath.Join(store, "instances"), 0o700))
	text := fmt.Sprintf(`{"Name":"bench","Driver":"docker-container","Nodes":[{"Name":"bench0","Endpoint":%q}]}`,
		containerdEngine.Host(b))
	must(b, os.WriteFile(filepath.Join(store, "instances/bench"), []byte(text), 0o600))
	socket := startProxy(b, func(ctx context.Context) (net.Conn, error) {
		return e.Exec(ctx, container, "buildctl", "dial-stdio")
	})
	return contender{
		builder: "builder: { name: bench }\n", env: []string{"BUILDX_CONFIG=" + store}, buildctl: atSocket(socket),
	}
}

func podContender(b *testing.B) contender {
	b.Helper()
	return standInContender(b, "kubectl", "kube-pod://pod-0?namespace=ci")
}

func sshContender(b *testing.B) contender {
	b.Helper()
	return standInContender(b, "ssh", "ssh://me@build.example.com")
}

// standInContender is a builder behind a program that stands in for the real one.
func standInContender(b *testing.B, program, address string) contender {
	b.Helper()
	env := writeStandIn(b, elsewhere.start(b).socket, program)
	return contender{
		builder: fmt.Sprintf("builder: { endpoint: %q }\n", address), env: env,
		buildctl: func(*stack.Test) ([]string, string) { return []string{"--addr", address}, env[0] },
	}
}

func dialEngine(b *testing.B, e *enginetest.Engine) *engine.Engine {
	b.Helper()
	dialed, err := engine.Dial(b.Context(), engine.AtHost(e.Host(b)))
	must(b, err)
	b.Cleanup(func() { _ = dialed.Close() })
	return dialed
}

// farRegistryContender pushes to a registry to which each way takes 10 ms.
func farRegistryContender(b *testing.B) contender {
	b.Helper()
	c := unixContender(b)
	c.registry = startSlowLink(b, shared.Registry.Host, 10*time.Millisecond)
	return c
}

// repositoryAt returns the repository of a benchmark at a registry; "" is that of the tests.
func repositoryAt(b *testing.B, host string) string {
	b.Helper()
	return strings.Replace(repository(b), shared.Registry.Host, cmp.Or(host, shared.Registry.Host), 1)
}
