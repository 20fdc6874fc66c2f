package provider

import (
	"net/http"
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
