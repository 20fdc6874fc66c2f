package provider

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// Every input is in the table once, with a reason.
func TestIndexInputs(t *testing.T) {
	t.Parallel()
	var names []string
	for _, in := range indexInputs {
		names = append(names, in.name)
		if in.why == "" {
			t.Errorf("%s has no reason", in.name)
		}
	}
	slices.Sort(names)
	if want := slices.Sorted(maps.Keys(fieldsOf(reflect.TypeFor[IndexArgs]()))); !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	outputs := fieldsOf(reflect.TypeFor[IndexState]())
	for _, name := range watchedIndexInputs() {
		if _, ok := outputs[name]; !ok {
			t.Errorf("%s is no output", name)
		}
	}
}

// Check reports every mistake at once, each under its path, and shows no secret.
func TestIndexCheck(t *testing.T) {
	t.Parallel()
	const (
		secretTag    = "a tag is seen wherever the image is, so it cannot be a secret: take it from a plain value"
		secretSource = "a source is seen wherever the index is made, so it cannot be a secret: take it from a plain " +
			"value"
		orUnsecret = ", or say that it is not a secret (unsecret)\n"
	)
	for program, want := range map[string]string{
		`{}`: "sources: it is missing, and required\ntag: it is missing, and required",
		`{"tag": "ghcr.io/x/App:1", "sources": ["", "ghcr.io/x/a:1"], "platforms": ["linux"],
			"registry": {"address": " "}, "annotations": {"a b": "c"},
			"sourceDigests": {"ghcr.io/x/a:1": "sha1"}}`: `tag: tag "ghcr.io/x/App:1" ` +
			"has capitals in its repository; write ghcr.io/x/app:1" + "\n" +
			`sources[0]: tag "" is empty; write host/path:tag, such as ghcr.io/acme/app:1` + "\n" +
			`platforms[0]: "linux" is not a platform: write os/architecture or os/architecture/variant, as in ` +
			"linux/amd64, linux/arm64, linux/arm/v7\n" +
			`annotations["a b"]: "a b" cannot be the name of an annotation: write one without white space, such as ` +
			"org.opencontainers.image.source\n" +
			"registry.address: a login needs the host of its registry, such as ghcr.io\n" +
			`sourceDigests["ghcr.io/x/a:1"]: "sha1" is no digest: write sha256: and 64 hexadecimal digits`,
		`{"tag": "app:1", "sources": ["HERE/a:1"]}`: "tag: tag \"app:1\" would go to docker.io/library",
		`{"tag": "secret:ghcr.io/x/canary:1", "sources": ["secret:ghcr.io/x/canary:2"],
			"annotations": {"a": "secret:canary"}}`: ": tag: " + secretTag + orUnsecret + "sources[0]: " +
			secretSource + orUnsecret + "annotations.a: an annotation can be read",
		`{"tag": "ghcr.io/x/app:1", "sources": ["ghcr.io/x/a@sha256:12"], "push": false, "bogus": 1}`: "bogus: there " +
			"is no such property here; there are annotations, platforms, push, registry, sourceDigests, sources, " +
			"tag\n" + `sources[0]: digest "sha256:12" is not like sha256:<64 hex digits>: `,
		`{"tag": "HERE/app:1", "sources": ["HERE/app:1", "HERE/app@sha256:` + strings.Repeat("1", 64) + `"]}`: "" +
			"sources[0]: HERE/app:1 is the tag of the index itself, which would then be made of what it made before",
		`{"tag": 1, "sources": "x"}`: "sources: it must be a list, and is a text\n" +
			"tag: it must be a text, and is a number",
		`{"tag": "?", "sources": ["?"], "platforms": ["?"], "annotations": {"a": "?"}, "registry": "?"}`: "",
		"{\"tag\": \"HERE/a\\u0000b\", \"sources\": [\"a:1\"], \"push\": false}": ": tag: tag " +
			`"HERE/a\x00b" contains a character`,
	} {
		e := newIndexEngine(t, `{}`)
		_, got := e.check(t, program)
		if !strings.HasPrefix(got, want) || want == "" && got != "" || strings.Contains(got+e.logText(), "canary") {
			t.Errorf("%s:\ngot  %s\nwant %s", program, got, want)
		}
		if len(e.here.Requests()) > 0 {
			t.Errorf("%s: Check asked %v", program, e.here.Requests())
		}
	}
}

func TestIndexNeedsASource(t *testing.T) {
	t.Parallel()
	inputs := props(t, `{"tag": "ghcr.io/x/app:1"}`).Set("sources", list(nil))
	res, err := serve(t).Check(p.CheckRequest{Urn: indexURN, Inputs: inputs})
	if err != nil || len(res.Failures) != 1 || res.Failures[0].Property != "sources" ||
		!strings.HasPrefix(res.Failures[0].Reason, "an index is made of images: name at least one") {
		t.Errorf("got %v, %v", res.Failures, err)
	}
}

// A tag of an image and of an index of one program would stand for the one that is pushed last.
func TestOneTagIsOfAnImageOrAnIndex(t *testing.T) {
	t.Parallel()
	e := newIndexEngine(t, `{}`)
	image := props(t, e.expand(`{"dockerfile": {"inline": "FROM scratch"}, "tags": ["HERE/app:1"]}`))
	if _, err := e.Check(t.Context(), &pulumirpc.CheckRequest{
		Urn: string(urnOf("image")), News: marshalProperties(t, image),
	}); err != nil {
		t.Fatal(err)
	}
	e.here.Push(t, "amd:1", registrytest.Image(t, "linux/amd64"))
	want := "tag: HERE/app:1 is a tag of two images of this program, app and image, and would stand for the one that " +
		"is pushed last. Give each image a tag of its own"
	if _, got := e.check(t, `{"tag": "HERE/app:1", "sources": ["HERE/amd:1"]}`); got != want {
		t.Errorf("got %s", got)
	}
}
