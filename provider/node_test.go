package provider

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/containerd/platforms"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// candidateWith returns a candidate whose daemon says that it serves platforms, its own first.
func candidateWith(name, serves string, only ...string) measured {
	var all []ocispecs.Platform
	for _, p := range strings.Fields(serves) {
		all = append(all, platforms.MustParse(p))
	}
	return measured{candidate{name: name, platforms: only}, buildkit.NewServed(all)}
}

// Platforms of workers, their own first.
const (
	x86 = "linux/amd64 linux/amd64/v2 linux/386 linux/arm64"
	arm = "linux/arm64 linux/arm/v7 linux/amd64"
)

// assignments are the cases of TestAssign, by name: the builder of each platform, the one that builds all of them as a
// whole, and the platforms that nobody may build.
var assignments = map[string]struct {
	among []measured
	want  map[string]string
	whole string
	none  []string
}{
	"each natively": {
		among: []measured{candidateWith("a", x86), candidateWith("b", arm)},
		want:  map[string]string{"linux/amd64": "a", "linux/arm64": "b"}, whole: "a",
	},
	"natively, whatever the order": {
		among: []measured{candidateWith("a", arm), candidateWith("b", x86)},
		want:  map[string]string{"linux/amd64": "b", "linux/arm64": "a"}, whole: "a",
	},
	"the first of two": {
		among: []measured{candidateWith("a", x86), candidateWith("b", x86)},
		want:  map[string]string{"linux/amd64": "a", "linux/arm64": "a"}, whole: "a",
	},
	"named before emulated": {
		among: []measured{candidateWith("a", x86), candidateWith("b", x86, "linux/arm64")},
		want:  map[string]string{"linux/amd64": "a", "linux/arm64": "b"}, whole: "a",
	},
	"native before named": {
		among: []measured{candidateWith("a", x86, "linux/arm64"), candidateWith("b", arm), candidateWith("c", x86)},
		want:  map[string]string{"linux/amd64": "c", "linux/arm64": "b"}, whole: "b",
	},
	"variants are native": {
		among: []measured{candidateWith("a", arm), candidateWith("b", x86)},
		want: map[string]string{
			"linux/arm/v7": "a", "linux/386": "b", "linux/amd64/v2": "b",
		}, whole: "a",
	},
	"nobody serves it": {
		among: []measured{candidateWith("a", x86, "linux/amd64"), candidateWith("b", x86)},
		want:  map[string]string{"linux/riscv64": "b"}, whole: "b",
	},
	"nobody may": {
		among: []measured{candidateWith("a", x86, "linux/amd64"), candidateWith("b", arm, "linux/arm64")},
		want:  map[string]string{"linux/amd64": "a"}, none: []string{"linux/s390x"},
	},
}

// Each platform goes to the first builder that has it natively, then to one that is named for it, then to one that
// emulates it, then to any.
func TestAssign(t *testing.T) {
	t.Parallel()
	for name, c := range assignments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wanted := append(slices.Sorted(maps.Keys(c.want)), c.none...)
			chosen, none := assign(wanted, c.among, "app")
			got := map[string]string{}
			for platform, number := range chosen {
				got[platform] = c.among[number].name
			}
			if !maps.Equal(got, c.want) || !slices.Equal(none, c.none) {
				t.Errorf("got %v, and nobody for %v", got, none)
			}
			whole := ""
			if number := assignWhole(wanted, c.among, "app"); number >= 0 {
				whole = c.among[number].name
			}
			if whole != c.whole {
				t.Errorf("%q builds all platforms, want %q", whole, c.whole)
			}
		})
	}
}

// Places of caches differ by platform.
func TestCachesOfPlatform(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]buildkit.Cache{
		"ref=h:5/a:c-linux-arm-v7":           {Type: "registry", Options: map[string]string{"ref": "h:5/a:c"}},
		"ref=h:5/a:latest-linux-arm-v7":      {Type: "registry", Options: map[string]string{"ref": "h:5/a"}},
		"dest=kept/linux-arm-v7":             {Type: "local", Options: map[string]string{"dest": "kept"}},
		"scope=buildkit-linux-arm-v7":        {Type: "gha"},
		"name=n-linux-arm-v7":                {Type: "s3", Options: map[string]string{"name": "n"}},
		"name=a-linux-arm-v7;b-linux-arm-v7": {Type: "s3", Options: map[string]string{"name": "a;b"}},
		"name=m-linux-arm-v7":                {Type: "azblob", Options: map[string]string{"name": "m"}},
		"":                                   {Type: "inline"},
	} {
		_, to := cachesOfPlatform(nil, []buildkit.Cache{c}, "linux/arm/v7")
		got := ""
		for name, value := range to[0].Options {
			got = name + "=" + value
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", c.Type, got, want)
		}
	}
}

// Another builder than the first would make another image of a program without platforms.
func TestSpreadWithoutPlatforms(t *testing.T) {
	t.Parallel()
	f := &builderFinder{
		answers: &nodeAnswers{}, log: slog.New(slog.DiscardHandler), begin: func(string) func() { return func() {} },
	}
	down := candidate{name: "a", connect: func(context.Context) (builder, error) {
		return builder{}, errors.New("refused")
	}}
	other := candidate{name: "b", connect: func(context.Context) (builder, error) {
		t.Error("the second builder was asked")
		return builder{}, errors.New("refused")
	}}
	_, err := f.spread(t.Context(), []candidate{down, other}, "")
	if none, ok := errors.AsType[*noNodeError](err); !ok || len(none.platforms) > 0 {
		t.Errorf("got %v", err)
	}
	if explained := explainBuilder(err).Error(); explained != "none of the builders answers:\n- refused" {
		t.Errorf("got %q", explained)
	}
}

// What looks at the whole image is built by one builder, in the preview as in the update.
func TestNeedsOneBuilder(t *testing.T) {
	t.Parallel()
	for inputs, want := range map[string]bool{
		`{"tags": ["a.io/b:1"]}`:                                        false,
		`{"tags": ["a.io/b:1"], "load": true}`:                          true,
		`{"exports": [{"local": {"dest": "a"}}]}`:                       true,
		`{"tags": ["a.io/b:1"], "testTargets": ["t"]}`:                  false,
		`{"tags": ["a.io/b:1"], "testTargets": ["t"], "noCache": true}`: true,
	} {
		op, err := newOperation(t.Context(), &settings{}, request{urn: urn, inputs: props(t, inputs), preview: true})
		if err != nil {
			t.Fatal(err)
		}
		if op.whole != want || op.withoutPush().whole != want {
			t.Errorf("%s: %v, in the preview %v", inputs, op.whole, op.withoutPush().whole)
		}
	}
}
