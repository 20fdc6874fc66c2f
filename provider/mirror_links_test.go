package provider

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// The plugin and the embedded daemon reach a mirror with the caFile and the insecure of its host in registries, of the
// provider or of the image.
func TestLinksOfMirrors(t *testing.T) {
	embedded.Endpoint(t)
	t.Setenv("PULUMI_BUILDKIT_DAEMON_IDLE", "1s")
	origin, secure, plain := registrytest.New(t), registrytest.New(t), registrytest.New(t)
	host, authority := secure.ServeTLS(t)
	plainHost := plain.ServePlain(t)
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, []byte(authority), 0o600); err != nil {
		t.Fatal(err)
	}
	base := origin.Host() + "/base:1"
	for name, test := range map[string]struct { //nolint:paralleltest // the environment is that of the process
		mirror *registrytest.Registry
		host   string
		link   string // of registries
		want   string // a part of the warning without the link
	}{
		"caFile": {
			secure, host, `"caFile": "` + caFile + `"`, "certificate signed by unknown authority; add the authority " +
				"that signed " + host + "'s certificate to this machine's, or name its file in registries",
		},
		"insecure": {
			plain, plainHost, `"insecure": true`, plainHost + " speaks plain http: serve it over https, or set " +
				"insecure for it in registries",
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := test.mirror.Push(t, "hub/base:1", registrytest.Image(t, "linux/amd64"))
			link := `"registries": [{"address": "` + test.host + `", ` + test.link + `}], `
			mirrors := `"host": "local://", "mirrors": {"` + origin.Host() + `": ["` + test.host + `/hub"]}}`
			options := registry.Options{RetryWaits: []time.Duration{}}

			w := dial(t, newProvider(&settings{registry: options}), `{`+link+mirrors)
			outputs := (mirroredRegistries{origin: origin}).create(t, w, base, true)
			if got := text(outputs.Get("baseDigests").AsMap(), base); got != want {
				t.Errorf("got %s, want %s: %s", got, want, w.logText())
			}
			if !hasRequest(test.mirror, "/v2/hub/base/blobs/", http.StatusOK) {
				t.Errorf("the daemon did not pull from the mirror: %v", test.mirror.Requests())
			}

			w = dial(t, newProvider(&settings{registry: options}), `{`+mirrors)
			if got := w.baseDigest(t, base, link); got != want {
				t.Errorf("with registries of the image: got %s, want %s", got, want)
			}
			if failures := w.checkPull(t, base, "").GetFailures(); len(failures) != 1 ||
				!strings.Contains(failures[0].GetReason(), "not found") {
				t.Errorf("without registries: %v", failures)
			}
			if log := w.logText(); !strings.Contains(log, "WARNING pull: mirror "+test.host+"/hub: ") ||
				!strings.Contains(log, test.want) {
				t.Errorf("the log does not say why the mirror failed: %s", log)
			}
			if got := w.baseDigest(t, base, link); got != want {
				t.Errorf("with registries of the image again: got %s, want %s", got, want)
			}
		})
	}
}
