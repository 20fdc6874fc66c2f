package buildkit_test

import (
	"context"
	"flag"
	"os"
	"sync"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/dockerfile"
)

var (
	shared daemontest.Daemon // of the tests in this package
	quiet  daemontest.Daemon // of those that count what is sent
	stuck  daemontest.Daemon // of those in which pushes get stuck
	alone  daemontest.Daemon // of those in which servers get stuck: what others read would be headway
)

func TestMain(m *testing.M) {
	if handled, code := dockerfile.RunChild(os.Args[1:]); handled {
		os.Exit(code)
	}
	flag.Parse()
	if handled, code := runOrdinaryUser(flag.Args()); handled {
		os.Exit(code)
	}
	os.Exit(daemontest.Main(m, &shared, &quiet, &stuck, &alone))
}

// daemonClient returns a client of the shared daemon.
func daemonClient(t testing.TB) *client.Client {
	t.Helper()
	c, err := dialOnce(shared.Endpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var connection struct {
	sync.Once
	*client.Client
	err error
}

// dialOnce connects to the daemon at the first call. The connection ends with the daemon.
func dialOnce(endpoint string) (*client.Client, error) {
	connection.Do(func() { connection.Client, connection.err = dial(context.Background(), endpoint) })
	return connection.Client, connection.err
}

// dial connects to the daemon at an address of this machine.
func dial(ctx context.Context, address string) (*client.Client, error) {
	e, err := endpoint.Parse(address)
	if err != nil {
		return nil, err
	}
	return e.Dial(ctx, endpoint.Options{})
}
