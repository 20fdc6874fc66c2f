package registrytest_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// ecrBehaviorCase is a case of TestECRBehavior.
type ecrBehaviorCase struct {
	prepare func(t *testing.T, e *registrytest.ECR)
	act     func(t *testing.T, e *registrytest.ECR, auth remote.Option) error
	want    string
}

// ecrBehaviorCases returns the cases of TestECRBehavior, by name.
func ecrBehaviorCases(t *testing.T) map[string]ecrBehaviorCase {
	image, index := registrytest.Image(t, "linux/amd64"), registrytest.Index(t, "linux/amd64", "linux/arm64")
	other := registrytest.Image(t, "linux/amd64")
	artifact := mutate.Subject(other, v1.Descriptor{MediaType: "application/vnd.oci.image.manifest.v1+json",
		Digest: v1.Hash{
			Algorithm: "sha256", Hex: strings.Repeat("0", 64),
		}}).(v1.Image)
	write := func(name string, content v1.Image) func(*testing.T, *registrytest.ECR, remote.Option) error {
		return func(t *testing.T, e *registrytest.ECR, auth remote.Option) error {
			return remote.Write(reference(t, e, name), content, auth)
		}
	}
	return map[string]ecrBehaviorCase{
		"missing repository": {nil, write("absent:1", image), "404 NAME_UNKNOWN"},
		"created on push": {func(_ *testing.T, e *registrytest.ECR) { e.CreateOnPush("team") },
			write("team/sub/app:1", image), "<nil>"},
		"no template for it": {
			func(_ *testing.T, e *registrytest.ECR) { e.CreateOnPush("team") },
			write("other/app:1", image), "404 NAME_UNKNOWN",
		},
		// the client looks before it writes
		"tag again":                    {push("app:1", image), write("app:1", image), "<nil>"},
		"immutable tag, another image": {push("fixed:1", other), write("fixed:1", image), "400 TAG_INVALID"},
		"immutable tag, excluded":      {push("fixed:cache-1", other), write("fixed:cache-1", image), "<nil>"},
		"mutable tag, excluded":        {push("loose:v1", other), write("loose:v1", image), "400 TAG_INVALID"},
		"artifact":                     {nil, write("app:1", artifact), "405 UNSUPPORTED"},
		"action denied": {
			func(_ *testing.T, e *registrytest.ECR) { e.Deny("ecr:PutImage") },
			write("app:1", image), "403 DENIED",
		},
		"expired token": {
			func(_ *testing.T, e *registrytest.ECR) { e.Advance(12 * time.Hour) },
			write("app:1", image), "403",
		},
		"before the token expires": {
			func(_ *testing.T, e *registrytest.ECR) { e.Advance(11 * time.Hour) },
			write("app:1", image), "<nil>",
		},
		"archived": {archive(image), head("app:1"), "404"},
		"archived and pushed once again": {archive(image),
			func(t *testing.T, e *registrytest.ECR, auth remote.Option) error {
				return errors.Join(write("app:1", image)(t, e, auth), head("app:1")(t, e, auth))
			}, "<nil>"},
		"delete": {push("app:1", image), func(t *testing.T, e *registrytest.ECR, auth remote.Option) error {
			return remote.Delete(reference(t, e, "app:1"), auth)
		}, "405 UNSUPPORTED"},
		"index without its images": {nil, func(t *testing.T, e *registrytest.ECR, auth remote.Option) error {
			return remote.Tag(reference(t, e, "app:1").(name.Tag), taggable{index}, auth)
		}, "404 MANIFEST_BLOB_UNKNOWN"},
		"index": {push("app:1", index), head("app:1"), "<nil>"},
		"no auth": {nil, func(t *testing.T, e *registrytest.ECR, _ remote.Option) error {
			return head("app:1")(t, e, remote.WithAuth(authn.Anonymous))
		}, "401"},
	}
}

// TestECRBehavior drives the registry with go-containerregistry.
func TestECRBehavior(t *testing.T) {
	t.Parallel()
	tests := ecrBehaviorCases(t)
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			e.Repository("app", "")
			e.Repository("fixed", registrytest.ImmutableWithExclusion, "cache-*")
			e.Repository("loose", registrytest.MutableWithExclusion, "v*")
			auth := remote.WithAuth(login(t, e))
			if test.prepare != nil {
				test.prepare(t, e)
			}
			if got := statusAndCode(test.act(t, e, auth)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// taggable hides that an index has children, so that remote.Push does not push them with it.
type taggable struct{ v1.ImageIndex }

func (t taggable) RawManifest() ([]byte, error) { return t.ImageIndex.RawManifest() }

// push returns a step that pushes content.
func push(name string, content remote.Taggable) func(*testing.T, *registrytest.ECR) {
	return func(t *testing.T, e *registrytest.ECR) { e.Push(t, name, content) }
}

// archive returns a step that moves an image to the archive.
func archive(image v1.Image) func(*testing.T, *registrytest.ECR) {
	return func(t *testing.T, e *registrytest.ECR) { e.Archive("app", e.Push(t, "app:1", image)) }
}

// head returns a step that asks for a name by HEAD.
func head(name string) func(*testing.T, *registrytest.ECR, remote.Option) error {
	return func(t *testing.T, e *registrytest.ECR, auth remote.Option) error {
		_, err := remote.Head(reference(t, e, name), auth)
		return err
	}
}

// TestECRRefusesTheSameAgain holds that an immutable tag refuses a write of what it holds.
func TestECRRefusesTheSameAgain(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Repository("app", registrytest.Immutable)
	image := registrytest.Image(t, "linux/amd64")
	e.Push(t, "app:1", image)
	content, _ := image.RawManifest()
	status, body := send(t, e, login(t, e), http.MethodPut, "/v2/app/manifests/1", string(content))
	if status != http.StatusBadRequest || !strings.Contains(body,
		"cannot be overwritten because the repository is immutable") {
		t.Error(status, body)
	}
}

func TestECRCutsOffMissing(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.CutOffMissing()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, e.Endpoint()+"/v2/absent/blobs/uploads/",
		http.NoBody)
	config, _ := login(t, e).Authorization()
	req.SetBasicAuth(config.Username, config.Password)
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// acceptedTypes are the media types of the manifests that the tests push.
const acceptedTypes = "application/vnd.oci.image.manifest.v1+json,application/vnd.oci.image.index.v1+json"

// send sends one request with a login and a manifest in it.
func send(t *testing.T, e interface{ Host() string }, auth authn.Authenticator, method, path,
	content string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+e.Host()+path, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	req.Header.Set("Accept", acceptedTypes)
	if config, _ := auth.Authorization(); config.Username != "" {
		req.SetBasicAuth(config.Username, config.Password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(read)
}

// TestECRBehavesLikeRegistry holds that both answer alike to what both can do.
func TestECRBehavesLikeRegistry(t *testing.T) {
	t.Parallel()
	image := registrytest.Image(t, "linux/amd64")
	manifest, _ := image.RawManifest()
	digest := digestOf(t, image)
	steps := []struct{ method, path, content string }{
		{http.MethodGet, "/v2/", ""},
		{http.MethodGet, "/v2/app/manifests/1", ""},
		{http.MethodHead, "/v2/app/manifests/" + digest, ""},
		{http.MethodPut, "/v2/app/manifests/1", string(manifest)}, // its blobs are not there
		{http.MethodPut, "/v2/app/manifests/1", "{"},
		{http.MethodGet, "/v2/app/blobs/" + digest, ""},
		{http.MethodPost, "/v2/app/blobs/uploads/", ""},
		{http.MethodPost, "/v2/app/blobs/uploads/?digest=" + url.QueryEscape("sha256:0"), ""},
		{"push", "app:1", ""},
		{http.MethodPut, "/v2/app/manifests/2", string(manifest)},
		{http.MethodGet, "/v2/app/manifests/1", ""},
		{http.MethodGet, "/v2/app/manifests/2", ""},
		{http.MethodHead, "/v2/app/manifests/" + digest, ""},
	}
	plain, e := registrytest.New(t), registrytest.NewECR(t)
	e.Repository("app", "")
	auth := login(t, e)
	for _, step := range steps {
		if step.method == "push" {
			plain.Push(t, step.path, image)
			e.Push(t, step.path, image)
			continue
		}
		want, wantBody := send(t, plain, authn.Anonymous, step.method, step.path, step.content)
		got, gotBody := send(t, e, auth, step.method, step.path, step.content)
		if got != want || want == http.StatusOK && gotBody != wantBody {
			t.Errorf("%s %s: %d %s, want %d %s", step.method, step.path, got, gotBody, want, wantBody)
		}
	}
	if digestOf(t, empty.Image) == digest {
		t.Error("the image is empty")
	}
}
