package provider

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// joined is a program that joins an image of each registry. The first source has a tag.
const joined = `{"tag": "HERE/app:1", "sources": ["HERE/amd:1", "THERE/arm:1"]}`

// newJoinedEngine returns an engine that has applied the program joined.
func newJoinedEngine(t *testing.T) *indexEngine {
	t.Helper()
	e := newIndexEngine(t, `{}`)
	e.here.Push(t, "amd:1", registrytest.Image(t, "linux/amd64"))
	e.there.Push(t, "arm:1", registrytest.Image(t, "linux/arm64"))
	if err := e.up(t, joined); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestIndex(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	digest := e.holds(t, "app:1")
	want := map[string]string{
		"digest": digest, "ref": e.here.Host() + "/app:1@" + digest, "repoDigest": e.here.Host() + "/app@" + digest,
	}
	for name, value := range want {
		if text(e.outputs, name) != value || digest == "" {
			t.Errorf("%s is %q, not %q", name, text(e.outputs, name), value)
		}
	}
	platforms := slices.Sorted(maps.Keys(manifestDigests(e.outputs)))
	if !slices.Equal(platforms, []string{"linux/amd64", "linux/arm64"}) {
		t.Errorf("got %v", platforms)
	}
	for _, name := range []string{"tag", "sources", "sourceDigests"} {
		if !plainValue(e.outputs.Get(name)).Equals(plainValue(e.inputs.Get(name))) {
			t.Errorf("%s is %v, not %v", name, e.outputs.Get(name), e.inputs.Get(name))
		}
	}
	before := len(e.here.Requests())
	if err := e.up(t, joined); err != nil {
		t.Error(err)
	}
	for _, r := range e.here.Requests()[before:] {
		if r.Method != http.MethodHead && r.Method != http.MethodGet {
			t.Errorf("an update without a change sent %v", r)
		}
	}
}

// A new image behind the tag of a source is a change, and a preview knows the digest of the index.
func TestIndexOfANewSource(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	old := text(e.outputs, "digest")
	e.there.Push(t, "arm:1", registrytest.Image(t, "linux/arm64"))
	checked, _ := e.check(t, joined)
	want := []string{`sourceDigests["` + e.there.Host() + `/arm:1"]`}
	if got := e.diff(t, checked); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	promised, err := e.preview(t, joined)
	if err != nil || e.holds(t, "app:1") != old {
		t.Fatal(err, "or the preview moved the tag")
	}
	if err := e.up(t, joined); err != nil {
		t.Fatal(err)
	}
	if text(e.outputs, "digest") == old || formatOutputs(promised) != formatOutputs(e.outputs) {
		t.Errorf("the preview promised %s, and it became %s", formatOutputs(promised), formatOutputs(e.outputs))
	}
	if got := e.diff(t, e.inputs); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

// ignoreChanges gives Check the digests of before.
func TestIndexKeepsGivenDigests(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	e.there.Push(t, "arm:1", registrytest.Image(t, "linux/arm64"))
	held := text(e.inputs.Get("sourceDigests").AsMap(), e.there.Host()+"/arm:1")
	program := strings.TrimSuffix(joined, "}") + `, "sourceDigests": {"THERE/arm:1": "` + held + `"}}`
	checked, failures := e.check(t, program)
	if got := e.diff(t, checked); failures != "" || len(got) > 0 {
		t.Errorf("got %v, %s", got, failures)
	}
}

// If nothing of the program changed, a source that cannot be looked up is a warning: the index has its image.
func TestIndexOfALostSource(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		http.StatusUnauthorized: "401 unauthorized: no credentials for THERE",
		http.StatusNotFound: "not found: no; the index keeps the image that it has; push a new one there, or name " +
			"the image by its digest in sources",
		http.StatusInternalServerError: "500 internal server error",
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			e := newJoinedEngine(t)
			e.there.Inject(registrytest.Rule{
				Path: "/v2/arm/manifests/1", Fault: registrytest.Status(status, "X", "no", ""),
			})
			checked, failures := e.check(t, joined)
			if got := e.diff(t, checked); failures != "" || len(got) > 0 {
				t.Errorf("got %v, %s", got, failures)
			}
			if warning := e.shorten(e.logText()); !strings.Contains(warning, "sources[1]: whether the image behind it "+
				"changed is not known: ") || !strings.Contains(warning, want) {
				t.Errorf("it warned: %s", warning)
			}
			e.here.Push(t, "app:1", registrytest.Image(t, "linux/386"))
			if e.refresh(t) || !e.outputs.Get("tag").IsNull() {
				t.Fatalf("got %v", e.outputs)
			}
			if err := e.up(t, joined); err != nil || e.holds(t, "app:1") != text(e.outputs, "digest") {
				t.Errorf("the tag is not put back: %v", err)
			}
		})
	}
}

// What cannot be looked up is neither unchanged nor gone if another index is asked for: Check warns, Diff plans an
// update, and the update says why it fails.
func TestIndexOfAnUnreadableSource(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		want   string
	}{
		"401": {http.StatusUnauthorized, "401 unauthorized: no credentials for THERE"},
		"404": {http.StatusNotFound, "not found: no; correct its name, or let the index depend on what pushes it"},
		"500": {http.StatusInternalServerError, "500 no"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newJoinedEngine(t)
			e.there.Inject(registrytest.Rule{
				Path: "/v2/arm/manifests/1", Fault: registrytest.Status(test.status, "X", "no", ""),
			})
			changed := strings.TrimSuffix(joined, "}") + `, "annotations": {"a": "b"}}`
			checked, failures := e.check(t, changed)
			got := e.diff(t, checked)
			if failures != "" || len(got) != 2 || !strings.HasPrefix(got[1], "sourceDigests") {
				t.Errorf("got %v, %s", got, failures)
			}
			promised, err := e.preview(t, changed)
			if err != nil || !promised.Get("ref").IsComputed() {
				t.Errorf("the preview promised %s, %v", formatOutputs(promised), err)
			}
			err = e.up(t, changed)
			warning := e.shorten(e.logText())
			if !strings.Contains(warning, "sources[1]: whether the image behind it changed is not known: ") {
				t.Errorf("it warned: %s", warning)
			}
			if name == "404" && !strings.Contains(warning, test.want) {
				t.Errorf("the warning lacks %q: %s", test.want, warning)
			}
			if err == nil || !strings.Contains(e.shorten(err.Error()), "sources[1]: ") {
				t.Errorf("got %v", err)
			}
			if text(e.outputs, "digest") != e.holds(t, "app:1") {
				t.Error("the tag moved")
			}
		})
	}
}

func TestIndexIsNotPushed(t *testing.T) {
	t.Parallel()
	e := newIndexEngine(t, `{}`)
	program := `{"tag": "app:1", "sources": ["HERE/amd:1", "HERE/arm:1"], "push": false}`
	promised, err := e.preview(t, program)
	if err != nil || text(promised, "ref") != "app:1" {
		t.Errorf("the preview promised %v, %v", promised, err)
	}
	if err := e.up(t, program); err != nil {
		t.Fatal(err)
	}
	if text(e.outputs, "ref") != "app:1" || text(e.outputs, "digest") != "" || len(e.here.Requests()) > 0 {
		t.Errorf("got %v after %v", e.outputs, e.here.Requests())
	}
	if gone := e.refresh(t); gone || text(e.outputs, "ref") != "app:1" {
		t.Errorf("a refresh read %v", e.outputs)
	}
	if err := e.destroy(t); err != nil {
		t.Error(err)
	}
}

// Unknown values stay unknown, and known ones do not wait for them.
func TestIndexPreviewsUnknownInputs(t *testing.T) {
	t.Parallel()
	e := newIndexEngine(t, `{}`)
	e.here.Push(t, "amd:1", registrytest.Image(t, "linux/amd64"))
	for program, want := range map[string]string{
		`{"tag": "HERE/app:1", "sources": ["?"]}`:                                                         "unknown",
		`{"tag": "HERE/app:1", "sources": "?"}`:                                                           "unknown",
		`{"tag": "?", "sources": ["HERE/amd:1"]}`:                                                         "unknown",
		`{"tag": "HERE/app:1", "sources": ["HERE/amd:1"], "platforms": ["?"]}`:                            "unknown",
		`{"tag": "HERE/app:1", "sources": ["HERE/amd:1"], "annotations": {"a": "?"}}`:                     "unknown",
		`{"tag": "HERE/app:1", "sources": ["HERE/amd:1"], "push": "?"}`:                                   "unknown",
		`{"tag": "HERE/app:1", "sources": ["HERE/amd:1"], "registry": {"address": "x", "password": "?"}}`: "known",
		`{"tag": "HERE/app:1", "sources": ["HERE/none:1"]}`:                                               "unknown",
	} {
		promised, err := e.preview(t, program)
		ref := promised.Get("ref")
		if err != nil || ref.IsComputed() != (want == "unknown") {
			t.Errorf("%s: got %v, %v", program, ref, err)
		}
	}
	if got := e.holds(t, "app:1"); got != "" {
		t.Errorf("a preview tagged %s", got)
	}
}

// An index of the very image that another resource of this preview builds is known as far as that is.
func TestIndexOfAPromisedImage(t *testing.T) {
	t.Parallel()
	e := newIndexEngine(t, `{}`)
	images := newImageResource(&settings{})
	indexes := newIndexResource(images)
	images.notes.notePromise(urn, promise{Refs: []string{e.here.Host() + "/amd:1"}})
	c := &indexChecker{index: IndexArgs{Tag: e.here.Host() + "/app:1", Sources: []string{e.here.Host() + "/amd:1"}}}
	found := lookUpSources(t.Context(), nil, c.index, indexes.notes.promisesFor(indexURN))
	if got := found[e.here.Host()+"/amd:1"]; got.err != nil || got.digest != "" {
		t.Errorf("got %+v", got)
	}
}
