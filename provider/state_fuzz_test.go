package provider

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// silentTransport is a transport to registries that do not answer.
type silentTransport struct{}

func (silentTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("nobody answers")
}

// FuzzState makes the calls of the engine with any state, as if somebody edited it or another version wrote it. No call
// panics. An image is not gone if no registry confirms it, and a difference names only inputs.
func FuzzState(f *testing.F) {
	f.Add([]byte(appliedImage), []byte(`{"tags": ["a.io/x:1"], "platforms": ["linux/amd64"]}`))
	f.Add([]byte(`{"refs": ["a.io/x:1", 3, null, {}], "digest": 7, "__builds": [{"inputs": []}], "__found": "x"}`),
		[]byte(`{"tags": "x"}`))
	f.Add([]byte(`{"refs": ["::", "a.io/x@sha256:d"], "manifests": [], "tags": {"0": "a"}, "buildArgs": [1]}`),
		[]byte(`{"buildArgs": {"": ""}}`))
	f.Add([]byte(`{"tags": ["a.io/x:{hash:9999999999}"], "registries": [{"address": "a b"}]}`),
		[]byte(`{"tags": ["a.io/x:{hash:12}"]}`))
	f.Fuzz(func(t *testing.T, outputs, inputs []byte) {
		olds, ok := storedMap(outputs)
		news, known := storedMap(inputs)
		if !ok || !known {
			return
		}
		server, err := integration.NewServer(t.Context(), Name, semver.MustParse("1.0.0"),
			integration.WithProvider(newProvider(&settings{registry: registry.Options{Transport: silentTransport{},
				RetryWaits: []time.Duration{}}})))
		if err != nil {
			t.Fatal(err)
		}
		diff, err := server.Diff(p.DiffRequest{ID: "app", Urn: urn, State: olds, OldInputs: news, Inputs: news})
		failsWithoutBug(t, err)
		for path := range diff.DetailedDiff {
			if strings.HasPrefix(path, "__") || strings.HasPrefix(path, "refs") {
				t.Errorf("a difference in %s, which is no input", path)
			}
		}
		read, err := server.Read(p.ReadRequest{ID: "app", Urn: urn, Inputs: news, Properties: olds})
		failsWithoutBug(t, err)
		if err == nil && read.ID == "" {
			t.Error("a registry that does not answer is taken for one that has the image no more")
		}
		failsWithoutBug(t, server.Delete(p.DeleteRequest{ID: "app", Urn: urn, Properties: olds, OldInputs: news}))
	})
}

// storedMap reads a map of a state, which is JSON.
func storedMap(text []byte) (property.Map, bool) {
	var raw map[string]any
	if len(text) > 1<<16 || json.Unmarshal(text, &raw) != nil || raw == nil {
		return property.Map{}, false
	}
	return value(raw).AsMap(), true
}

// failsWithoutBug fails the test if err is a panic that was caught.
func failsWithoutBug(t *testing.T, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), "bug of the provider") {
		t.Error(err)
	}
}
