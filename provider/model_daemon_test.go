package provider

import (
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
)

// machines are two computers that run the same program. Each has a daemon with its own cache, so the same inputs have
// another digest on the other machine.
var machines [2]daemontest.Daemon

// embedded is the daemon of a provider without a builder in its configuration.
var embedded daemontest.Daemon

// endpoints starts both machines' daemons and returns their endpoints.
func endpoints(t testing.TB) [2]string {
	t.Helper()
	return [2]string{machines[0].Endpoint(t), machines[1].Endpoint(t)}
}
