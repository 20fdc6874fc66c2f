package engine

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/inside"
)

// Functions of this package that tests call.
var (
	LockStart          = lockStart
	IsOnAnotherMachine = isOnAnotherMachine
)

// SetTunnelLimits makes the tunnels of a builder wait less.
func (b *Builder) SetTunnelLimits(open, claim time.Duration) {
	b.tunnelLimits = tunnelLimits{open: open, claim: claim}
}

// Environ returns what the daemon of a builder inherits.
func Environ(t *testing.T, b *Builder) map[string]string {
	t.Helper()
	var s inside.Settings
	if err := json.Unmarshal(b.settings, &s); err != nil {
		t.Fatal(err)
	}
	return s.Environ
}
