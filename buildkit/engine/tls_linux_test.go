package engine_test

import (
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// The certificates of an address hold for its builds too. Without them nothing is built.
func TestEngineWithTLS(t *testing.T) {
	t.Parallel()
	address, certificate := containerd.ServeTLS(t, "127.0.0.1:0")
	a := engine.AtHost("tcp://" + address)
	if e, err := engine.Dial(t.Context(), a); err == nil {
		_ = e.Close()
		t.Error("an engine with TLS takes a client without")
	}
	a.TLS = certificate.Config()
	if a.Plaintext() != "" {
		t.Errorf("plain text to %s, in spite of TLS", a.Plaintext())
	}
	e, err := engine.Dial(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	if able, err := e.Abilities(t.Context()); err != nil || !able.Stores {
		t.Errorf("got %+v, %v", able, err)
	}
	daemon, err := e.BuildKit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = daemon.Close() }()
	built, err := solve(t, daemon, newPlan(t, registrytest.New(t).Host()+"/image"))
	if err != nil || built.Digest == "" {
		t.Errorf("got %+v, %v", built, err)
	}
}
