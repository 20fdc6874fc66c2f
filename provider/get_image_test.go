package provider

import (
	"cmp"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

const getImage = "buildkit:index:getImage"

func TestGetImage(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t, registrytest.Login("u", "image-canary"))
	image := registrytest.Image(t, "linux/arm64")
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config.Config.User, config.Config.Env = "app", []string{"TOKEN=canary", "PATH=/bin"}
	config.Config.Entrypoint, config.Config.Cmd = []string{"/app"}, []string{"serve"}
	config.Config.ExposedPorts = map[string]struct{}{"8080/tcp": {}, "443/tcp": {}}
	config.Config.WorkingDir, config.Config.Labels = "/srv", map[string]string{"a": "b"}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	digest := r.Push(t, "app:1", image)
	args := strings.ReplaceAll(`{"ref": "HOST/app:1", "registries": [{"address": "HOST", "username": "u",
		"password": "secret:image-canary"}]}`, "HOST", r.Host())
	res, err := serve(t).Invoke(p.InvokeRequest{Token: getImage, Args: props(t, args)})
	if err != nil || len(res.Failures) > 0 {
		t.Fatal(res.Failures, err)
	}
	want := props(t, strings.NewReplacer("HOST", r.Host(), "DIGEST", digest).Replace(`{
		"user": "app", "entrypoint": ["/app"], "command": ["serve"], "workingDir": "/srv", "labels": {"a": "b"},
		"exposedPorts": ["443/tcp", "8080/tcp"], "environment": ["TOKEN", "PATH"], "digest": "DIGEST",
		"repoDigest": "HOST/app@DIGEST"}`))
	got := res.Return.Get("platforms").AsMap().Get("linux/arm64").AsMap()
	if !property.New(got.Delete("size")).Equals(property.New(want)) || got.Get("size").AsNumber() < 2<<10 {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if text(res.Return, "digest") != digest || text(res.Return, "ref") != r.Host()+"/app:1" ||
		property.New(res.Return).HasSecrets() {
		t.Errorf("got %v", res.Return)
	}
}

// A reference that is not known yet gives unknown results, and no registry is asked.
func TestGetImageOfAnUnknownReference(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		`{"ref": "?"}`, `{"ref": "ghcr.io/x/app:1", "registries": [{"address": "ghcr.io", "password": "?"}]}`,
	} {
		res, err := serve(t).Invoke(p.InvokeRequest{Token: getImage, Args: props(t, args)})
		if err != nil || len(res.Failures) > 0 || !res.Return.Get("digest").IsComputed() || res.Return.Len() != 7 {
			t.Errorf("%s: got %v, %v, %v", args, res.Return, res.Failures, err)
		}
	}
}

// In a preview, an image that the update will push has its digest, and the platforms of the image in the state and of
// the inputs. Any other image must exist.
func TestGetImageOfAnImageThatTheUpdateWillPush(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	past := r.Host() + "/app@" + r.Push(t, "app:1", registrytest.Image(t, "linux/arm64"))
	elsewhere := r.Host() + "/old@" + r.Push(t, "old:1", registrytest.Image(t, "linux/arm64"))
	coming := "sha256:" + strings.Repeat("a", 64)
	for name, c := range map[string]promisedImage{
		"an update": {
			promised: promise{Digest: coming, Past: past, Platforms: []string{"linux/amd64", "linux/arm64"}},
			sizes:    map[string]bool{"linux/amd64": false, "linux/arm64": true},
		},
		"a new image": {
			promised: promise{Digest: coming, Platforms: []string{"linux/amd64"}},
			sizes:    map[string]bool{"linux/amd64": false},
		},
		"a lost past image": {promised: promise{Digest: coming, Past: r.Host() + "/app@" + coming},
			sizes: map[string]bool{}},
		"a tag": {
			promised: promise{Digest: coming, Platforms: []string{"linux/amd64"}}, ref: "/app:coming",
			sizes: map[string]bool{"linux/amd64": false},
		},
		"another repository before": {
			promised: promise{Digest: coming, Past: elsewhere}, sizes: map[string]bool{},
		},
		"another image": {promised: promise{Digest: coming[:70] + "b", Past: past}, want: "push it first"},
		"another tag":   {promised: promise{Digest: coming}, ref: "/app:other", want: "push it first"},
		"a digest that is not known": {
			promised: promise{}, ref: "/app:coming",
			want: "its digest is not known in this preview; use the outputs of",
		},
		"another tag, without a digest": {promised: promise{}, ref: "/app:other", want: "push it first"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.check(t, r.Host(), coming)
		})
	}
}

// A registry may answer 401 or 403 for a repository that does not exist yet. An image that the update will push has its
// digest then, too, and an image of somebody else is still refused.
func TestGetImageOfARepositoryThatIsNotToldOf(t *testing.T) {
	t.Parallel()
	coming := "sha256:" + strings.Repeat("a", 64)
	sizes := map[string]bool{"linux/amd64": false}
	for status, want := range map[int]string{
		http.StatusUnauthorized: "401 unauthorized: no credentials",
		http.StatusForbidden:    "403 denied: no; no credentials",
	} {
		r := registrytest.New(t)
		r.Inject(registrytest.Rule{Path: "/manifests/", Fault: registrytest.Status(status, "X", "no", "")})
		promised := promise{Digest: coming, Platforms: []string{"linux/amd64"}}
		promisedImage{promised: promised, sizes: sizes}.check(t, r.Host(), coming)
		promisedImage{promised: promised, ref: "/app:other", want: want}.check(t, r.Host(), coming)
	}
}

// promisedImage is an image that the update will push, and what getImage says of it.
type promisedImage struct {
	promised promise
	ref      string          // "" is /app:1 with the digest
	want     string          // in the error
	sizes    map[string]bool // whether there is one, by platform; nil: an error
}

// check reads the image in a preview of a registry on host. coming is its digest.
func (c promisedImage) check(t *testing.T, host, coming string) {
	t.Helper()
	images := newImageResource(&settings{})
	images.notes = &notes{images: map[resource.URN]note{}}
	c.promised.Refs = []string{host + "/app:1", host + "/app:coming"}
	images.notes.notePromise(urnOf("app"), c.promised)
	res, err := newGetImageFunction(images).Invoke(t.Context(), p.InvokeRequest{
		Args: props(t, `{"ref": "`+host+cmp.Or(c.ref, "/app:1@"+coming)+`"}`),
	})
	if c.sizes == nil {
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v", err)
		}
		return
	}
	got := map[string]bool{}
	for platform, image := range res.Return.Get("platforms").AsMap().All {
		got[platform] = image.AsMap().Get("size").AsNumber() > 0
		if named := text(image.AsMap(), "repoDigest"); strings.HasSuffix(named, "@") {
			t.Errorf("%s has the reference %s", platform, named)
		}
	}
	if err != nil || !maps.Equal(got, c.sizes) || text(res.Return, "digest") != coming ||
		text(res.Return, "repoDigest") != host+"/app@"+coming {
		t.Errorf("got %v, %v", res.Return, err)
	}
}

// Every mistake is reported at once, and an error names the reference, the cause and the remedy.
func TestGetImageFails(t *testing.T) {
	t.Parallel()
	res, err := serve(t).Invoke(p.InvokeRequest{
		Token: getImage, Args: props(t, `{"ref": "ghcr.io/x/App:1", "registries": [{"address": ""}], "bogus": 1}`),
	})
	if err != nil || len(res.Failures) != 3 {
		t.Errorf("got %v, %v", res.Failures, err)
	}
	for status, want := range map[int]string{
		http.StatusNotFound: "reading HOST/app:1: not found: no; correct its name, or push it first",
		http.StatusUnauthorized: "reading HOST/app:1: 401 unauthorized: no credentials for HOST; log in with docker " +
			"login or set registries",
		http.StatusInternalServerError: "reading HOST/app:1: 500 no",
	} {
		r := registrytest.New(t)
		r.Inject(registrytest.Rule{Path: "/manifests/", Fault: registrytest.Status(status, "X", "no", "")})
		_, err := serve(t).Invoke(p.InvokeRequest{
			Token: getImage, Args: props(t, `{"ref": "`+r.Host()+`/app:1"}`),
		})
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), r.Host(), "HOST"), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
