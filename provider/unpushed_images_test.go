package provider

import (
	"fmt"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// The images of previews take a bounded part of memory: the oldest ones go first.
func TestUnpushedImagesAreBounded(t *testing.T) {
	t.Parallel()
	kept := &unpushedImages{}
	for i := range 2 * unpushedKept {
		kept.add(unpushedImage{digest: fmt.Sprint(i), content: &buildkit.UnpushedImage{}})
	}
	for digest, want := range map[string]bool{
		"0": false, fmt.Sprint(unpushedKept - 1): false, fmt.Sprint(unpushedKept): true,
		fmt.Sprint(2*unpushedKept - 1): true,
	} {
		if found := kept.find(digest); (len(found) > 0) != want {
			t.Errorf("image %s is kept: %t, want %t", digest, !want, want)
		}
	}
}

// Two builders may build the same image, and each has the layers that it built itself. A build gets the image of its
// own builder, whichever built last.
func TestUnpushedImageOfEachBuilder(t *testing.T) {
	t.Parallel()
	kept := &unpushedImages{}
	contents := map[string]*buildkit.UnpushedImage{"tcp://a": {}, "tcp://b": {}}
	for _, endpoint := range []string{"tcp://a", "tcp://b"} {
		kept.add(unpushedImage{digest: stoppedDigest, endpoint: endpoint, content: contents[endpoint]})
	}
	base := awaitedBase{ref: "host.io/base@" + stoppedDigest, images: kept.find(stoppedDigest)}
	for endpoint, want := range contents {
		got, err := unpushedOn(builder{endpoint: endpoint}, []awaitedBase{base})
		if err != nil || len(got) != 1 || got[base.ref] != want {
			t.Errorf("%s: got %v, %v", endpoint, got, err)
		}
	}
	_, err := unpushedOn(builder{endpoint: "tcp://c"}, []awaitedBase{base})
	want := base.ref + ": tcp://a or tcp://b has it, the builder is tcp://c"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// An error about a base image that the preview of another image built is no failure of the preview. Any other error is
// one.
func TestMissingBase(t *testing.T) {
	t.Parallel()
	const (
		tagged = "host.io/base:1"
		fixed  = "host.io/base@" + stoppedDigest
	)
	awaited := []awaitedBase{{ref: tagged}, {ref: fixed}}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"another builder":        {&otherBuilderError{base: awaited[1]}, fixed},
		"a lost layer":           {fmt.Errorf("building: %w", &buildkit.LostLayerError{Ref: tagged}), tagged},
		"a builder that is old":  {&buildkit.BaseImageError{Ref: "host.io/base:1@" + stoppedDigest}, fixed},
		"a registry that denies": {&buildkit.BaseImageError{Ref: tagged, Fault: buildkit.Denied}, tagged},
		"no such platform":       {&buildkit.BaseImageError{Ref: tagged, Fault: buildkit.NoPlatform}, ""},
		"another base image":     {&buildkit.BaseImageError{Ref: "host.io/base:2"}, ""},
		"no reference":           {&buildkit.BaseImageError{Ref: "?"}, ""},
		"a step":                 {&buildkit.StepError{}, ""},
		"nothing":                {nil, ""},
	} {
		if got, ok := missingBase(c.err, awaited); got.ref != c.want || ok != (c.want != "") {
			t.Errorf("%s: got %q %t, want %q", name, got.ref, ok, c.want)
		}
	}
}
