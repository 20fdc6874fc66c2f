package provider

import (
	"slices"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// formerState is the state of an image that an earlier version pushed to app:<12 digits> and app:latest. That version
// replaced {hash} by 12 digits.
type formerState struct {
	remembered
	inputs, outputs property.Map
	short, whole    string // tags
}

func newFormerState(t *testing.T) formerState {
	t.Helper()
	r := newRemembered(t)
	inputs := r.newInputs(t, "app:{hash}", "app:latest")
	args, _, err := decode(t.Context(), inputs)
	if err != nil {
		t.Fatal(err)
	}
	hash := inputsHash(args)
	f := formerState{remembered: r, inputs: inputs, short: "app:" + hash[:12], whole: "app:" + hash}
	res, err := f.update(r.newInputs(t, f.short, "app:latest"))
	if err != nil {
		t.Fatal(err)
	}
	f.outputs = res.Properties.Set("tags", inputs.Get("tags"))
	f.state, f.server = f.outputs, serve(t) // a later run
	return f
}

func (f formerState) read(t *testing.T) p.ReadResponse {
	t.Helper()
	res, err := f.server.Read(p.ReadRequest{ID: "app", Urn: urn, Inputs: f.inputs, Properties: f.outputs})
	return must(t, res, err)
}

func TestUpgradeFromShortHashesIsNoDiffAndNoDrift(t *testing.T) {
	t.Parallel()
	f := newFormerState(t)
	diff, err := f.server.Diff(p.DiffRequest{ID: "app", Urn: urn, State: f.outputs, Inputs: f.inputs})
	if err != nil || diff.HasChanges {
		t.Errorf("a diff: %+v, %v", diff, err)
	}
	res := f.read(t)
	if !property.New(res.Properties).Equals(property.New(f.outputs)) ||
		!property.New(res.Inputs).Equals(property.New(f.inputs)) {
		t.Errorf("a drift: %v", res)
	}
}

func TestUpgradeFromShortHashesShowsDriftOfThatTagOnly(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]string{"latest": "/app:{hash}", "": "/app:latest"} {
		f := newFormerState(t)
		gone := tag
		if gone == "" {
			gone = f.short[len("app:"):]
		}
		f.remove(t, gone)
		res := f.read(t)
		if wanted := []string{
			f.Host() + want,
		}; !slices.Equal(texts(res.Inputs, "tags"), wanted) || !slices.Equal(texts(res.Properties, "tags"), wanted) {
			t.Errorf("without %s: inputs %v, outputs %v", gone, texts(res.Inputs, "tags"), res.Properties)
		}
	}
}

// {hash} and {hash:12} side by side are two different tags.
func TestReadDistinguishesShortHashes(t *testing.T) {
	t.Parallel()
	f := newFormerState(t)
	f.inputs = f.newInputs(t, "app:{hash}", "app:{hash:12}", "app:latest")
	res, err := f.update(f.inputs)
	if err != nil {
		t.Fatal(err)
	}
	f.outputs = res.Properties
	f.remove(t, f.whole[len("app:"):])
	if got := texts(f.read(t).Inputs, "tags"); !slices.Equal(got, []string{
		f.Host() + "/app:{hash:12}", f.Host() + "/app:latest",
	}) {
		t.Errorf("got %v", got)
	}
}

func TestUpgradeFromShortHashesAtTheNextChange(t *testing.T) {
	t.Parallel()
	f := newFormerState(t)
	res, err := f.update(f.newInputs(t, "app:{hash}", "app:next"))
	if err != nil {
		t.Fatal(err)
	}
	if refs := texts(res.Properties, "refs"); !slices.Equal(refs, []string{
		f.Host() + "/" + f.whole, f.Host() + "/app:next",
	}) {
		t.Errorf("refs are %v", refs)
	}
	if f.digestOf(t, f.whole) != f.digest || f.digestOf(t, f.short) != f.digest {
		t.Error("an update takes a tag away, or sets none")
	}
}

func TestUpgradeFromShortHashesIsDestroyed(t *testing.T) {
	t.Parallel()
	f := newFormerState(t)
	if err := f.server.Delete(p.DeleteRequest{
		ID: "app", Urn: urn, Properties: f.outputs, OldInputs: f.inputs,
	}); err != nil {
		t.Fatal(err)
	}
	if f.digestOf(t, f.short) != "" || f.digestOf(t, "app:latest") != "" {
		t.Error("tags are left")
	}
}

// Two images of the program share a tag that an earlier version made. Deleting one leaves the other with its tags.
func TestUpgradeFromShortHashesKeepsTagsOfOtherImages(t *testing.T) {
	t.Parallel()
	f := newFormerState(t)
	const other = "urn:pulumi:dev::shop::buildkit:index:Image::other"
	if _, err := f.server.Check(p.CheckRequest{Urn: urn, Inputs: f.inputs, State: f.inputs}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.server.Diff(p.DiffRequest{ID: "app", Urn: urn, State: f.outputs, Inputs: f.inputs}); err != nil {
		t.Fatal(err)
	}
	if err := f.server.Delete(p.DeleteRequest{
		ID: "other", Urn: other, Properties: f.outputs, OldInputs: f.inputs,
	}); err != nil {
		t.Fatal(err)
	}
	if f.digestOf(t, f.short) != f.digest || f.digestOf(t, "app:latest") != f.digest {
		t.Error("a tag that the program has is gone")
	}
}

// A refresh calls Diff too, but no program runs. A destroy after it deletes all tags.
func TestUpgradeFromShortHashesIsDestroyedAfterARefresh(t *testing.T) {
	t.Parallel()
	f := newFormerState(t)
	if _, err := f.server.Diff(p.DiffRequest{ID: "app", Urn: urn, State: f.outputs, Inputs: f.inputs}); err != nil {
		t.Fatal(err)
	}
	if err := f.server.Delete(p.DeleteRequest{
		ID: "app", Urn: urn, Properties: f.outputs, OldInputs: f.inputs,
	}); err != nil {
		t.Fatal(err)
	}
	if f.digestOf(t, f.short) != "" {
		t.Error("the tag is left")
	}
}
