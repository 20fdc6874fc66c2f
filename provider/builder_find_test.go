package provider

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
)

// A Docker Engine at a port is reached with the certificates of the program, and not without TLS.
func TestEngineAddressHasTheCertificates(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"tcp://build.internal:2376": true, "unix:///var/run/docker.sock": false,
	} {
		e, err := endpoint.Parse(address)
		if err != nil || e.Kind() != endpoint.Engine {
			t.Fatalf("%s: kind %d, %v", address, e.Kind(), err)
		}
		name := "engine"
		a, err := engineAddress(t.Context(), e, &TLS{ServerName: &name})
		if err != nil || (a.TLS != nil) != want || want && a.TLS.ServerName != name {
			t.Errorf("%s: TLS %v, %v", address, a.TLS, err)
		}
		if a, err = engineAddress(t.Context(), e, nil); err != nil || a.TLS != nil {
			t.Errorf("%s without certificates: TLS %v, %v", address, a.TLS, err)
		}
	}
	e, err := endpoint.Parse("tcp://build.internal:2376")
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bad, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := engineAddress(t.Context(), e, &TLS{CA: &bad}); err == nil {
		t.Error("a file that is no certificate is taken for one")
	}
}

// The error about a key that is not PEM does not show its text.
func TestReadPEM(t *testing.T) {
	t.Parallel()
	const canary = "canary-key"
	for _, given := range []string{canary + "\nMIIE", strings.Repeat(canary, 30)} {
		if _, err := readPEM(t.Context(), given); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("got %v", err)
		}
	}
	for _, given := range []string{
		"-----BEGIN EC PRIVATE KEY-----\n", "\n-----BEGIN X-----\n", "Bag Attributes\n-----BEGIN X-----",
	} {
		if content, err := readPEM(t.Context(), given); err != nil || string(content) != given {
			t.Errorf("%q: %q, %v", given, content, err)
		}
	}
}

// The error about nodes that do not answer begins with the variable that names their builder, and keeps its remedies.
//
//nolint:paralleltest // the builder is named in the environment
func TestDownNodesNameTheVariable(t *testing.T) {
	dir := t.TempDir()
	const node = `{"Name": "%s", "Endpoint": "unix://%s", "Platforms": null}`
	nodes := fmt.Sprintf(node+","+node, "n0", filepath.Join(dir, "0.sock"), "n1", filepath.Join(dir, "1.sock"))
	path := filepath.Join(dir, "instances", "farm")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	instance := `{"Name": "farm", "Driver": "remote", "Nodes": [` + nodes + `]}`
	if err := os.WriteFile(path, []byte(instance), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"BUILDX_CONFIG": dir, "BUILDX_BUILDER": "farm", "BUILDKIT_HOST": "", "DOCKER_HOST": "", "DOCKER_CONTEXT": "",
	} {
		t.Setenv(name, value)
	}
	f := &builderFinder{
		answers: &nodeAnswers{}, log: slog.New(slog.DiscardHandler), begin: func(string) func() { return func() {} },
		platforms: []string{"linux/amd64"},
	}
	_, err := f.find(t.Context())
	if err == nil {
		t.Fatal("a builder was found")
	}
	said := explainBuilder(err).Error()
	if !strings.HasPrefix(said, "BUILDX_BUILDER: none of the builders answers:\n- ") ||
		strings.Count(said, "; start one there") != 2 {
		t.Errorf("got %s", said)
	}
}
