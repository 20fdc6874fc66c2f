package provider

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	p "github.com/pulumi/pulumi-go-provider"
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
