package provider

import (
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
)

// machines are two computers on which the same program runs: each has a daemon with a cache of its own, so that the same
// inputs built on the other give another digest.
var machines [2]daemontest.Daemon

// embedded is the daemon of a provider that was not told of another.
var embedded daemontest.Daemon

// endpoints are those of both.
func endpoints(t testing.TB) [2]string {
	t.Helper()
	return [2]string{machines[0].Endpoint(t), machines[1].Endpoint(t)}
}
