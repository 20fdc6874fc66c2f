package provider

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// An image that lost a part is built again. The test has no builder, so the build fails.
func TestApplyReusesNothingThatIsNotWhole(t *testing.T) {
	t.Parallel()
	r := newRemembered(t)
	res, err := r.update(r.newInputs(t, "app:v1"))
	if err != nil {
		t.Fatal(err)
	}
	r.remove(t, text(res.Properties.Get("manifests").AsMap().Get("linux/arm64").AsMap(), "digest"))
	nowhere := "unix://" + t.TempDir() + "/buildkitd.sock"
	inputs := r.newInputs(t, "app:v2").Set("builder", property.New(props(t, `{"endpoint": "`+nowhere+`"}`))).
		Set("dockerfile", property.New(props(t, `{"inline": "FROM scratch"}`)))
	if _, err = r.update(inputs); err == nil || !strings.Contains(err.Error(), nowhere) {
		t.Errorf("got %v", err)
	}
}

// If ignoreChanges keeps contextHash, the outputs have the hash of the files that were built. A tag with {hash} is
// refused, because it would name other files.
func TestApplyOutputsOfAPinnedHash(t *testing.T) {
	t.Parallel()
	r := newRemembered(t)
	kept, built := strings.Repeat("a", 64), strings.Repeat("b", 64)
	r.state = repeatedInputs(r.newInputs(t, "app:v1")).Set("contextHash", property.New(built)).Set("digest",
		property.New(r.digest))
	for _, preview := range []bool{true, false} {
		update := func(tag string) (p.UpdateResponse, error) {
			return r.server.Update(p.UpdateRequest{ID: "app", Urn: urn, State: r.state, DryRun: preview,
				Inputs: r.newInputs(t, tag).Set("contextHash",
					property.New(kept)), IgnoreChanges: []string{"contextHash"}})
		}
		res, err := update("app:v2")
		if err != nil || text(res.Properties, "digest") != r.digest || text(res.Properties, "contextHash") != built {
			t.Errorf("preview %v: %v, %v", preview, res.Properties, err)
		}
		if _, err := update("app:{hash}"); err == nil ||
			!strings.Contains(err.Error(), "would name another image than it says") {
			t.Errorf("preview %v: got %v", preview, err)
		}
	}
}

// An image that somebody else pushed under the tag with the inputs hash, and that is not what is asked for, is no
// reason not to build. The test has no builder, so the build fails.
func TestApplyReusesNoForgedImage(t *testing.T) {
	t.Parallel()
	arm := registrytest.Image(t, "linux/arm64")
	forged := map[string]v1.ImageIndex{
		"a platform twice": registrytest.Index(t, "linux/amd64", "linux/arm64", "linux/arm64"),
		"another architecture": mutate.AppendManifests(registrytest.Index(t, "linux/arm64"),
			mutate.IndexAddendum{Add: arm, Descriptor: amd64}),
		"no platform": mutate.AppendManifests(registrytest.Index(t, "linux/amd64", "linux/arm64"),
			mutate.IndexAddendum{Add: arm}),
		"an attestation": registrytest.Index(t, "linux/amd64", "linux/arm64", "unknown/unknown"),
	}
	for name, index := range forged {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRemembered(t)
			r.state = property.Map{}
			nowhere := "unix://" + t.TempDir() + "/buildkitd.sock"
			inputs := r.newInputs(t, "app:{hash}").
				Set("builder", property.New(props(t, `{"endpoint": "`+nowhere+`"}`))).
				Set("dockerfile", property.New(props(t, `{"inline": "FROM scratch"}`)))
			args, _, err := decode(t.Context(), inputs)
			if err != nil {
				t.Fatal(err)
			}
			r.Push(t, "app:"+inputsHash(args), index)
			if _, err := r.update(inputs); err == nil || !strings.Contains(err.Error(), nowhere) {
				t.Errorf("got %v", err)
			}
		})
	}
}

var amd64 = v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}
