package provider

import (
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// An image that lost a part is built again. There is no builder here, which is how it shows.
func TestApplyReusesNothingThatIsNotWhole(t *testing.T) {
	t.Parallel()
	r := remember(t)
	res, err := r.update(r.inputs(t, "app:v1"))
	if err != nil {
		t.Fatal(err)
	}
	r.remove(t, text(res.Properties.Get("manifests").AsMap().Get("linux/arm64").AsMap(), "digest"))
	nowhere := "unix://" + t.TempDir() + "/buildkitd.sock"
	inputs := r.inputs(t, "app:v2").Set("builder", property.New(props(t, `{"endpoint": "`+nowhere+`"}`))).
		Set("dockerfile", property.New(props(t, `{"inline": "FROM scratch"}`)))
	if _, err = r.update(inputs); err == nil || !strings.Contains(err.Error(), nowhere) {
		t.Errorf("got %v", err)
	}
}

// Of a hash that ignoreChanges keeps, the outputs tell what it stands for. A tag with {hash} would tell something else.
func TestApplyTellsWhatAPinnedHashStandsFor(t *testing.T) {
	t.Parallel()
	r := remember(t)
	kept, built := strings.Repeat("a", 64), strings.Repeat("b", 64)
	r.state = mirror(r.inputs(t, "app:v1")).Set("contextHash", property.New(built)).Set("digest", property.New(r.digest))
	for _, preview := range []bool{true, false} {
		update := func(tag string) (p.UpdateResponse, error) {
			return r.server.Update(p.UpdateRequest{ID: "app", Urn: urn, State: r.state, DryRun: preview,
				Inputs: r.inputs(t, tag).Set("contextHash", property.New(kept)), IgnoreChanges: []string{"contextHash"}})
		}
		res, err := update("app:v2")
		if err != nil || text(res.Properties, "digest") != r.digest || text(res.Properties, "contextHash") != built {
			t.Errorf("preview %v: %v, %v", preview, res.Properties, err)
		}
		if _, err := update("app:{hash}"); err == nil || !strings.Contains(err.Error(), "would name another image than it says") {
			t.Errorf("preview %v: got %v", preview, err)
		}
	}
}
