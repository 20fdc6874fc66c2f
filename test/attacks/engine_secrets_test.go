//go:build linux

package attacks

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// The attacker may look at a Docker Engine later: at its containers, images, logs and files.

// inspectEngine looks for canaries in what an engine tells about its containers, and in their output. It returns their
// names.
func inspectEngine(t *testing.T, api *client.Client) (names []string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	list, err := api.ContainerList(ctx, client.ContainerListOptions{All: true})
	if err != nil {
		t.Error(err)
	}
	for _, c := range list.Items {
		names = append(names, c.Names...)
		if found, err := api.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{}); err == nil {
			searchCanaries(t, "docker inspect", found)
			for _, exec := range found.Container.ExecIDs {
				if found, err := api.ExecInspect(ctx, exec, client.ExecInspectOptions{}); err == nil {
					searchCanaries(t, "docker inspect of an exec", found)
				}
			}
		}
		if found, err := api.ContainerTop(ctx, c.ID, client.ContainerTopOptions{}); err == nil {
			searchCanaries(t, "docker top", found)
		}
		logs, err := api.ContainerLogs(ctx, c.ID, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
		if err == nil {
			text, _ := io.ReadAll(logs)
			_ = logs.Close()
			stack.LookFor("docker logs", text)
		}
	}
	return names
}

// searchCanaries looks for canaries in a value.
func searchCanaries(t *testing.T, where string, value any) {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	stack.LookFor(where, text)
}

// watchEngine inspects an engine until the returned function is called, which returns the containers that it saw.
func watchEngine(t *testing.T, api *client.Client) (end func() map[string]bool) {
	t.Helper()
	stop, seen := make(chan struct{}), make(chan map[string]bool)
	go func() {
		names := map[string]bool{}
		for tick := time.NewTicker(300 * time.Millisecond); ; {
			select {
			case <-stop:
				seen <- names
				return
			case <-tick.C:
				for _, name := range inspectEngine(t, api) {
					names[name] = true
				}
			}
		}
	}()
	return func() map[string]bool { close(stop); return <-seen }
}

// engineAddress returns an address with the port of engines with TLS. Each run of the tests on a machine has its own.
func engineAddress(network int) string {
	return fmt.Sprintf("127.%d.%d.1:2376", network, os.Getpid()%256)
}

// A Docker Engine shows and stores no secret, no password of a registry, no key of a client and no login of a proxy. No
// process has one in its arguments. That holds for our BuildKit in a container of the engine and for its own BuildKit.
// The suite fails for each canary that the test finds.
func TestSecretsInAnEngine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		engine    *enginetest.Engine
		address   string // of a port with TLS
		container bool   // our BuildKit runs in one
	}{
		"our BuildKit":           {engine: &classicEngine, address: engineAddress(77), container: true},
		"BuildKit of the engine": {engine: &ownEngine, address: engineAddress(78)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, certificate := c.engine.ServeTLS(t, c.address)
			password, secret := stack.Canary("password"), stack.Canary("secret")
			key := "friendlyName: " + stack.Canary("key") + "\n" + string(certificate.Key)
			registry := registrytest.New(t, registrytest.Login("user", password))
			properties := fmt.Sprintf("context: { location: . }\nplatforms: [linux/amd64]\ntags: [%q]\n"+
				"network: none\nsecrets: { token: {fn::secret: %q} }\n"+
				"registries: [{ address: %q, username: user, password: {fn::secret: %q} }]\n"+
				"builder: { endpoint: %q, tls: { ca: %q, cert: %q, key: {fn::secret: %q}, serverName: %q } }\n",
				registry.Host()+"/app:1", secret, registry.Host(), password, "tcp://"+address, certificate.Cert,
				certificate.Cert, key, enginetest.TLSName)
			s := stack.New(t, stack.Config{
				Bin: shared.Bin, Env: []string{"HTTPS_PROXY=http://u:" + stack.Canary("proxy") + "@127.0.0.1:9"},
				Program: shared.Project(t, properties, map[string]string{
					"Dockerfile": "FROM BUSYBOX\n" +
						"RUN --mount=type=secret,id=token test -s /run/secrets/token && sleep 2\n",
				}),
			})
			api, err := client.New(client.WithHost(c.engine.Host(t)))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = api.Close() }()
			end := watchEngine(t, api)
			stack.Succeeds(t, s.Up("--skip-preview"), "+ 2 created")
			containers := end()
			if (len(containers) > 0) != c.container {
				t.Errorf("containers: %v", containers)
			}
			images, err := api.ImageList(t.Context(), client.ImageListOptions{All: true})
			if err != nil {
				t.Fatal(err)
			}
			searchCanaries(t, "docker images", images)
			stack.LookInFolder(c.engine.Folder())
			stack.Succeeds(t, s.Destroy("--skip-preview"))
		})
	}
}

// Our BuildKit in a Docker Engine does no more for a Dockerfile than the embedded daemon.
func TestOurBuildKitInAnEngineIsGuarded(t *testing.T) {
	t.Parallel()
	for dockerfile, want := range map[string]string{
		"FROM scratch\nADD http://127.0.0.1:9/x /\n":                 "it was not fetched",
		"FROM scratch\nADD http://169.254.169.254/latest/ /\n":       "where clouds serve credentials",
		"# syntax=127.0.0.1:9/evil\nFROM scratch\n":                  "it was not run",
		"FROM BUSYBOX\nRUN --network=host true\n":                    "network.host is not allowed",
		"FROM BUSYBOX\nRUN --security=insecure true\n":               "security.insecure is not allowed",
		"FROM BUSYBOX\nRUN --mount=type=bind,source=/,target=/a :\n": "",
	} {
		properties := "context: { location: . }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\nnetwork: none\n" +
			builderOf(t, &classicEngine)
		s := shared.Open(t, shared.Project(t, properties, map[string]string{"Dockerfile": dockerfile}))
		r := s.Preview()
		if want == "" {
			stack.Succeeds(t, r)
			continue
		}
		stack.Fails(t, r, want)
		if t.Failed() {
			t.Fatal(strings.TrimSpace(dockerfile))
		}
	}
}
