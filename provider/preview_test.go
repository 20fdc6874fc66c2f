package provider

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// formatOutputs returns the outputs that dependents read as one line. ? stands for an unknown output.
func formatOutputs(out property.Map) string {
	var parts []string
	for _, k := range []string{"digest", "ref", "repoDigest", "refs", "manifests"} {
		v := out.Get(k)
		switch {
		case v.IsComputed():
			parts = append(parts, k+"=?")
		case v.IsString():
			parts = append(parts, k+"="+v.AsString())
		case v.IsArray():
			parts = append(parts, k+"="+strings.Join(texts(out, k), ","))
		default:
			parts = append(parts, k+"=known")
		}
	}
	return strings.Join(parts, " ")
}

// A preview never shows a known output that the update will change.
func TestPreviewOfAnUpdate(t *testing.T) {
	t.Parallel()
	r, req := pushImage(t)
	cases := map[string]struct{ changes, want string }{
		"nothing": {`{}`,
			"digest=sha ref=app:v1@sha repoDigest=app@sha refs=app:v1,app:latest manifests=known"},
		"content": {`{"contextHash": "c2"}`,
			"digest=? ref=? repoDigest=? refs=app:v1,app:latest manifests=?"},
		"a build argument": {`{"buildArgs": {"A": "2"}}`,
			"digest=? ref=? repoDigest=? refs=app:v1,app:latest manifests=?"},
		"unknown argument": {`{"buildArgs": {"A": "?"}}`,
			"digest=? ref=? repoDigest=? refs=app:v1,app:latest manifests=?"},
		"unknown content": {`{"contextHash": "?"}`, "digest=? ref=? repoDigest=? refs=app:v1,app:latest manifests=?"},
		"another tag": {`{"tags": ["HOST/app:2"]}`,
			"digest=sha ref=app:2@sha repoDigest=app@sha refs=app:2 manifests=known"},
		"another repo": {`{"tags": ["HOST/other:1"]}`, "digest=? ref=? repoDigest=? refs=other:1 manifests=?"},
		"unknown tag":  {`{"tags": ["?"]}`, "digest=? ref=? repoDigest=? refs=? manifests=?"},
		"unknown tags": {`{"tags": "?"}`, "digest=? ref=? repoDigest=? refs=? manifests=?"},
		"unknown password": {`{"registries": [{"address": "HOST", "password": "?"}]}`,
			"digest=? ref=? repoDigest=? refs=app:v1,app:latest manifests=?"},
		"everything at all": {`{"contextHash": "?", "tags": "?", "platforms": "?", "buildOnPreview": true}`,
			"digest=? ref=? repoDigest=? refs=? manifests=?"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inputs := req.Inputs.Set("buildOnPreview", property.New(false))
			for key, value := range props(t, strings.ReplaceAll(c.changes, "HOST", r.Host())).All {
				inputs = inputs.Set(key, value)
			}
			res, err := r.server.Update(p.UpdateRequest{ID: "app", Urn: urn, State: req.Properties, Inputs: inputs,
				DryRun: true})
			if err != nil {
				t.Fatal(err)
			}
			if got := r.shorten(formatOutputs(res.Properties)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// shorten returns text without the host and the digits of the digest.
func (r remembered) shorten(text string) string {
	return strings.NewReplacer(r.Host()+"/", "", r.digest, "sha").Replace(text)
}

// A preview asks the registry for the image: apply builds again what is gone, and fails if the registry does not
// answer.
func TestPreviewAsksWhetherTheImageIsThere(t *testing.T) {
	t.Parallel()
	r, req := pushImage(t)
	inputs := req.Inputs.Set("buildOnPreview", property.New(false)).Set("tags", list([]string{r.Host() + "/app:2"}))
	preview := func() string {
		t.Helper()
		res, err := r.server.Update(p.UpdateRequest{ID: "app", Urn: urn, State: req.Properties, Inputs: inputs,
			DryRun: true})
		if err != nil {
			t.Fatal(err)
		}
		return r.shorten(formatOutputs(res.Properties))
	}
	const unknown = "digest=? ref=? repoDigest=? refs=app:2 manifests=?"
	var closed atomic.Bool
	closed.Store(true)
	r.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if closed.Load() {
				registrytest.Refuse(w, http.StatusForbidden, "DENIED", "no")
				return
			}
			next.ServeHTTP(w, req)
		})
	})
	if got := preview(); got != unknown {
		t.Errorf("nobody tells: got %s", got)
	}
	if _, err := r.server.Update(p.UpdateRequest{ID: "app", Urn: urn, State: req.Properties,
		Inputs: inputs}); err == nil || !strings.Contains(err.Error(), "403 denied") {
		t.Errorf("the update: %v", err)
	}
	closed.Store(false)
	r.remove(t, r.digest)
	if got := preview(); got != unknown {
		t.Errorf("it is gone: got %s", got)
	}
}

func TestPreviewOfACreate(t *testing.T) {
	t.Parallel()
	res, err := serve(t).Create(p.CreateRequest{Urn: urn, DryRun: true,
		Properties: props(t, `{"contextHash": "c1", "tags": ["a.io/x:1"], "buildArgs": {"A": "?"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	const want = "digest=? ref=? repoDigest=? refs=a.io/x:1 manifests=?"
	if got := formatOutputs(res.Properties); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !res.Properties.Get("buildArgs").HasComputed() || text(res.Properties, "contextHash") != "c1" {
		t.Errorf("the applied inputs are not repeated: %v", res.Properties)
	}
}
