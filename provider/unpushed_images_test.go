package provider

import (
	"fmt"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// The images of previews take a bounded part of memory: the oldest ones go first. The image of the last builder counts.
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
		if _, ok := kept.find(digest); ok != want {
			t.Errorf("image %s is kept: %t, want %t", digest, ok, want)
		}
	}
	const again = "300"
	kept.add(unpushedImage{digest: again, endpoint: "tcp://other", content: &buildkit.UnpushedImage{}})
	if one, ok := kept.find(again); !ok || one.endpoint != "tcp://other" {
		t.Errorf("got %+v", one)
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
