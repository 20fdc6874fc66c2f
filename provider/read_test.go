package provider

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// pushImage returns a state whose tags app:v1 and app:latest hold the image.
func pushImage(t *testing.T) (remembered, p.ReadRequest) {
	t.Helper()
	r := newRemembered(t)
	inputs := r.newInputs(t, "app:v1", "app:latest")
	res, err := r.update(inputs)
	if err != nil {
		t.Fatal(err)
	}
	r.state = res.Properties
	return r, p.ReadRequest{ID: "app", Urn: urn, Inputs: inputs, Properties: res.Properties}
}

func (r remembered) remove(t *testing.T, path string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+r.Host()+"/v2/app/manifests/"+path,
		nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusAccepted {
		t.Fatal(res.Status)
	}
}

func TestReadWithoutDrift(t *testing.T) {
	t.Parallel()
	r, req := pushImage(t)
	res, err := r.server.Read(req)
	if err != nil || res.ID != "app" || formatOutputs(res.Properties) != formatOutputs(req.Properties) ||
		len(texts(res.Inputs, "tags")) != 2 {
		t.Errorf("got %+v, %v", res, err)
	}
}

// A tag that somebody moved or removed is drift: the next update puts it back.
func TestReadShowsDrift(t *testing.T) {
	t.Parallel()
	changes := map[string]func(t *testing.T, r remembered){
		"moved":   func(t *testing.T, r remembered) { r.Push(t, "app:latest", registrytest.Index(t, "linux/amd64")) },
		"removed": func(t *testing.T, r remembered) { r.remove(t, "latest") },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, req := pushImage(t)
			change(t, r)
			res, err := r.server.Read(req)
			if err != nil {
				t.Fatal(err)
			}
			want := []string{r.Host() + "/app:v1"}
			if !slices.Equal(texts(res.Inputs, "tags"), want) || !slices.Equal(texts(res.Properties, "tags"), want) ||
				!slices.Equal(texts(res.Properties, "refs"), want) {
				t.Fatalf("got inputs %v, outputs %v", res.Inputs, res.Properties)
			}
			r.state = res.Properties
			if _, err := r.update(req.Inputs); err != nil {
				t.Fatal(err)
			}
			if r.digestOf(t, "app:latest") != r.digest {
				t.Error("the update did not put the tag back")
			}
		})
	}
}

func TestReadOfAMissingImage(t *testing.T) {
	t.Parallel()
	r, req := pushImage(t)
	r.remove(t, r.digest)
	res, err := r.server.Read(req)
	if err != nil || res.ID != "" {
		t.Errorf("got %+v, %v", res, err)
	}
}

// What could not be determined is not "gone".
func TestReadKeepsTheStateWhenTheRegistryCannotBeAsked(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403, 429, 500, 503} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			r, req := pushImage(t)
			r.Wrap(func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					registrytest.Refuse(w, status, "X", "no")
				})
			})
			res, err := r.server.Read(req)
			if err != nil || res.ID != "app" || formatOutputs(res.Properties) != formatOutputs(req.Properties) ||
				len(texts(res.Inputs, "tags")) != 2 {
				t.Errorf("got %+v, %v", res, err)
			}
		})
	}
}

func TestReadImportsAReference(t *testing.T) {
	t.Parallel()
	r, _ := pushImage(t)
	ref := r.Host() + "/app:v1"
	res, err := r.server.Read(p.ReadRequest{ID: ref, Urn: urn})
	if err != nil || res.ID != "app" || text(res.Properties, "ref") != ref+"@"+r.digest {
		t.Errorf("got %+v, %v", res, err)
	}
	if _, err := r.server.Read(p.ReadRequest{ID: "nonsense:", Urn: urn}); err == nil ||
		!strings.Contains(err.Error(), "import takes a reference with a tag") {
		t.Errorf("got %v", err)
	}
	if res, err := r.server.Read(p.ReadRequest{ID: r.Host() + "/app:nope", Urn: urn}); err == nil ||
		!strings.Contains(err.Error(), "there is no such image") {
		t.Errorf("got %+v, %v", res, err)
	}
}

// Check accepts the inputs of an import, which has only tags. A program with only these tags shows a change, because it
// cannot build the image.
func TestCheckOfAnImport(t *testing.T) {
	t.Parallel()
	found := props(t, `{"tags": ["localhost:5000/app:1"]}`) // and no Dockerfile in the working directory
	server := serve(t)
	res, err := server.Check(p.CheckRequest{Urn: urn, State: found, Inputs: found})
	if err != nil || len(res.Failures) != 0 {
		t.Fatalf("got %v, %v", res.Failures, err)
	}
	state := props(t, `{"tags": ["localhost:5000/app:1"], "contextHash": "", "digest": "sha256:1"}`)
	diff, err := server.Diff(p.DiffRequest{Urn: urn, State: state, OldInputs: found, Inputs: res.Inputs})
	if err != nil || !diff.HasChanges {
		t.Errorf("got %+v, %v", diff, err)
	}
	other := found.Set("context", value(map[string]any{"location": "./nowhere"}))
	if res, err = server.Check(p.CheckRequest{Urn: urn, State: found, Inputs: other}); err != nil ||
		len(res.Failures) != 1 {
		t.Errorf("got %v, %v", res.Failures, err)
	}
}

// deleteLater deletes the image in a later process.
func (r remembered) deleteLater(t *testing.T, req p.ReadRequest) error {
	t.Helper()
	return serve(t).Delete(p.DeleteRequest{ID: "app", Urn: urn, Properties: req.Properties, OldInputs: req.Inputs})
}

// Delete removes only the tags that we pushed and that nobody moved since.
func TestDelete(t *testing.T) {
	t.Parallel()
	r, req := pushImage(t)
	r.Push(t, "app:latest", registrytest.Index(t, "linux/amd64")) // by somebody else
	theirs := r.digestOf(t, "app:latest")
	for range 2 { // the second time everything is gone already
		if err := r.deleteLater(t, req); err != nil {
			t.Fatal(err)
		}
	}
	if r.digestOf(t, "app:v1") != "" || r.digestOf(t, "app:latest") != theirs {
		t.Error("the wrong tags are gone")
	}
}

func TestDeleteReportsAFailure(t *testing.T) {
	t.Parallel()
	r, req := pushImage(t)
	r.Wrap(registrytest.Intercept(http.MethodDelete, "/manifests/v1", func(w http.ResponseWriter, _ *http.Request) {
		registrytest.Refuse(w, http.StatusForbidden, "DENIED", "no")
	}))
	if err := r.deleteLater(t, req); err == nil || !strings.Contains(err.Error(), "/app:v1") {
		t.Errorf("got %v", err)
	}
	if r.digestOf(t, "app:latest") != "" {
		t.Error("the other tag is still there")
	}
}

// In a replacement the engine deletes with the URN of the new image, and after a rename with another URN. If it was
// interrupted, it deletes in a later process. Each process has checked the program before.
func TestDeleteKeepsTagsOfTheProgram(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		old  resource.URN
		push bool
		want bool
	}{
		"replaced":   {urn, true, true},
		"renamed":    {"urn:pulumi:dev::shop::buildkit:index:Image::old", true, true},
		"not pushed": {urn, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, req := pushImage(t)
			later := serve(t)
			if _, err := later.Check(p.CheckRequest{Urn: urn,
				Inputs: r.newInputs(t, "app:v1").Set("push", property.New(c.push))}); err != nil {
				t.Fatal(err)
			}
			err := later.Delete(p.DeleteRequest{ID: "app", Urn: c.old, Properties: req.Properties,
				OldInputs: req.Inputs})
			if err != nil || (r.digestOf(t, "app:v1") == r.digest) != c.want || r.digestOf(t, "app:latest") != "" {
				t.Errorf("v1 holds %q, latest %q, %v", r.digestOf(t, "app:v1"), r.digestOf(t, "app:latest"), err)
			}
		})
	}
}

// A tag with {hash} belongs to the program if the program still has the inputs of the hash.
func TestDeleteKeepsAHashTagOfTheProgram(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]bool{`{"A": "1"}`: true, `{"A": "2"}`: false} {
		r := newRemembered(t)
		inputs := r.newInputs(t, "app:{hash}").Set("buildArgs", property.New(props(t, `{"A": "1"}`)))
		r.state = repeatedInputs(inputs).Set("digest", property.New(r.digest))
		res, err := r.update(inputs)
		if err != nil {
			t.Fatal(err)
		}
		later := serve(t)
		if _, err := later.Check(p.CheckRequest{Urn: urn,
			Inputs: inputs.Set("buildArgs", property.New(props(t, args)))}); err != nil {
			t.Fatal(err)
		}
		if err := later.Delete(p.DeleteRequest{ID: "app", Urn: urn, Properties: res.Properties,
			OldInputs: inputs}); err != nil {
			t.Fatal(err)
		}
		label := strings.TrimPrefix(res.Properties.Get("refs").AsArray().Get(0).AsString(), r.Host()+"/")
		if got := r.digestOf(t, label); (got == r.digest) != want {
			t.Errorf("%s: %s holds %q", args, label, got)
		}
	}
}
