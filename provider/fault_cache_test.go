package provider

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// A registry accepts a cache and never answers. With ignoreError the build goes on without that cache, and otherwise it
// fails with an error that names the cache. The inline cache is not affected.
//
// The test uses the embedded daemon, because only its bytes can be counted. No other test may use it meanwhile, or its
// bytes would count as progress.
func TestASilentCache(t *testing.T) {
	t.Parallel()
	embedded.Endpoint(t)
	for ignored, want := range map[string]string{ //nolint:paralleltest // one daemon
		"true": "", "false": "cacheTo: writing the cache: nothing of it was taken within 1s; look at the registry",
	} {
		t.Run(ignored, func(t *testing.T) {
			good, bad := registrytest.New(t), registrytest.New(t)
			bad.Inject(registrytest.Rule{Method: http.MethodPut, Fault: registrytest.Stall})
			w := dial(t, newProvider(&settings{stallTimeout: time.Second}), `{}`)
			checked, err := w.Check(t.Context(), &pulumirpc.CheckRequest{
				Urn: string(urn), News: marshalProperties(t, props(t, `{
				"platforms": ["linux/amd64"], "tags": ["`+good.Host()+`/app:1"],
				"context": {"location": "`+t.TempDir()+`"},
				"dockerfile": {"inline": "FROM scratch\nCOPY <<EOF /a\n`+t.Name()+`\nEOF\n"},
				"cacheTo": [{"inline": {}},
					{"registry": {"ref": "`+bad.Host()+`/cache", "ignoreError": `+ignored+`}}]}`)),
			})
			if err != nil || len(checked.GetFailures()) > 0 {
				t.Fatal(err, checked.GetFailures())
			}
			_, err = w.Create(t.Context(), &pulumirpc.CreateRequest{Urn: string(urn), Properties: checked.GetInputs()})
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("got %v, want %q", err, want)
			}
			if warned := strings.Contains(w.logText(), "built without"); warned != (want == "") {
				t.Errorf("logged: %s", w.logText())
			}
		})
	}
}

// A cache that the builder cannot even begin to write does not fail the build with ignoreError. The others are written.
// The token of this one is none.
func TestACacheThatTheBuilderCannotWrite(t *testing.T) {
	const canary = "canary-token"
	t.Setenv("ACTIONS_RUNTIME_TOKEN", canary)
	t.Setenv("ACTIONS_CACHE_URL", "http://127.0.0.1:1/")
	embedded.Endpoint(t)
	registry := registrytest.New(t)
	for ignored, want := range map[string]string{
		"true":  "",
		"false": "cacheTo: the builder cannot write a cache of type gha: ",
	} {
		w := dial(t, newProvider(&settings{}), `{}`)
		cache := "/cache-" + ignored
		checked, err := w.Check(t.Context(), &pulumirpc.CheckRequest{
			Urn: string(urn), News: marshalProperties(t, props(t, `{
			"platforms": ["linux/amd64"], "tags": ["`+registry.Host()+`/app:1"],
			"context": {"location": "`+t.TempDir()+`"},
			"dockerfile": {"inline": "FROM scratch\nCOPY <<EOF /a\n`+t.Name()+`\nEOF\n"},
			"cacheTo": [{"registry": {"ref": "`+registry.Host()+cache+`"}}, {"gha": {"ignoreError": `+ignored+`}}]}`)),
		})
		if err != nil || len(checked.GetFailures()) > 0 {
			t.Fatal(err, checked.GetFailures())
		}
		_, err = w.Create(t.Context(), &pulumirpc.CreateRequest{Urn: string(urn), Properties: checked.GetInputs()})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("ignoreError %s: %v, want %q", ignored, err, want)
		}
		if warned := strings.Contains(w.logText(), "built without"); warned != (want == "") {
			t.Errorf("ignoreError %s: logged %s", ignored, w.logText())
		}
		if strings.Contains(w.logText(), canary) || err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("the token is in %s, %v", w.logText(), err)
		}
		written := slices.ContainsFunc(registry.Requests(), func(r registrytest.Request) bool {
			return r.Method == http.MethodPut && strings.HasPrefix(r.Path, "/v2"+cache+"/manifests/")
		})
		if written != (want == "") {
			t.Errorf("ignoreError %s: the other cache is written: %t", ignored, written)
		}
	}
}
