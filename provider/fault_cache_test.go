package provider

import (
	"net/http"
	"strings"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// A cache that a registry takes and does not answer to is left out when its errors are to be ignored, and named when
// they are not. That in the image is none of them. The daemon is the embedded one, whose bytes can be counted, and
// nobody else's: what it sends for others would be headway.
func TestASilentCache(t *testing.T) {
	t.Parallel()
	embedded.Endpoint(t)
	for ignored, want := range map[string]string{
		"true": "", "false": "cacheTo: writing the cache: nothing of it was taken within 1s; look at the registry",
	} { //nolint:paralleltest // one daemon
		t.Run(ignored, func(t *testing.T) {
			good, bad := registrytest.New(t), registrytest.New(t)
			bad.Inject(registrytest.Rule{Method: http.MethodPut, Fault: registrytest.Stall})
			w := dial(t, newProvider(&settings{silence: time.Second}), `{}`)
			checked, err := w.Check(t.Context(), &pulumirpc.CheckRequest{Urn: string(urn), News: marshalProperties(t, props(t, `{
				"platforms": ["linux/amd64"], "tags": ["`+good.Host()+`/app:1"],
				"context": {"location": "`+t.TempDir()+`"},
				"dockerfile": {"inline": "FROM scratch\nCOPY <<EOF /a\n`+t.Name()+`\nEOF\n"},
				"cacheTo": [{"inline": {}},
					{"registry": {"ref": "`+bad.Host()+`/cache", "ignoreError": `+ignored+`}}]}`))})
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
