package provider

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/property"

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

// What cannot be looked up is neither unchanged nor gone: Check warns, Diff plans an update, and the update says why it
// fails.
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
			checked, failures := e.check(t, joined)
			got := e.diff(t, checked)
			if failures != "" || len(got) != 1 || !strings.HasPrefix(got[0], "sourceDigests") {
				t.Errorf("got %v, %s", got, failures)
			}
			promised, err := e.preview(t, joined)
			if err != nil || !promised.Get("ref").IsComputed() {
				t.Errorf("the preview promised %s, %v", formatOutputs(promised), err)
			}
			err = e.up(t, joined)
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

func TestIndexShowsDrift(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, *indexEngine){
		"moved":   func(t *testing.T, e *indexEngine) { e.here.Push(t, "app:1", registrytest.Index(t, "linux/amd64")) },
		"removed": func(t *testing.T, e *indexEngine) { remembered{Registry: e.here}.remove(t, "1") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newJoinedEngine(t)
			digest := text(e.outputs, "digest")
			change(t, e)
			if gone := e.refresh(t); gone || !e.outputs.Get("tag").IsNull() || text(e.outputs, "ref") != "" {
				t.Errorf("got %v", e.outputs)
			}
			other := e.holds(t, "app:1")
			if err := e.destroy(t); err != nil || e.holds(t, "app:1") != other {
				t.Errorf("a destroy removed a tag that is not ours: %v", err)
			}
			checked, _ := e.check(t, joined)
			if got := e.diff(t, checked); !slices.Equal(got, []string{"tag"}) {
				t.Errorf("got %v", got)
			}
			if err := e.up(t, joined); err != nil || e.holds(t, "app:1") != digest {
				t.Errorf("the update did not put the tag back: %v", err)
			}
		})
	}
}

func TestIndexIsGone(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	remembered{Registry: e.here}.remove(t, text(e.outputs, "digest"))
	if !e.refresh(t) {
		t.Errorf("got %v", e.outputs)
	}
}

// What could not be determined is not "gone".
func TestIndexIsKeptWhenTheRegistryCannotBeAsked(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403, 429, 500, 503} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			e := newJoinedEngine(t)
			before := e.outputs
			e.here.Inject(registrytest.Rule{Fault: registrytest.Status(status, "X", "no", "")})
			if e.refresh(t) || !property.New(e.outputs).Equals(property.New(before)) {
				t.Errorf("got %v", e.outputs)
			}
			if log := e.logText(); !strings.Contains(log, "the state is kept as it is") {
				t.Errorf("it logged %s", log)
			}
		})
	}
}

// Delete removes the tag as long as it is ours, and no image.
func TestIndexDelete(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	later := e.withState(t, newFastProvider())
	digest := text(e.outputs, "digest")
	if err := e.destroy(t); err != nil || e.holds(t, "app:1") != digest {
		t.Errorf("a tag that this run has moved is gone: %v", err)
	}
	for range 2 { // the second time it is gone already
		if err := later.destroy(t); err != nil {
			t.Fatal(err)
		}
		if got := e.holds(t, "app:1"); got != "" {
			t.Errorf("the tag still holds %s", got)
		}
	}
	if e.holds(t, "app:"+digest) != digest {
		t.Error("the index is gone, and not only its tag")
	}
}

func TestIndexDeleteReportsARefusal(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	later := e.withState(t, newFastProvider())
	e.here.Inject(registrytest.Rule{
		Method: http.MethodDelete, Fault: registrytest.Status(http.StatusForbidden, "DENIED", "no", ""),
	})
	err := later.destroy(t)
	if err == nil || !strings.Contains(e.shorten(err.Error()), "deleting HERE/app:1: 403 denied: no") ||
		!strings.Contains(err.Error(), "retainOnDelete: true") {
		t.Errorf("got %v", err)
	}
}

// Two stacks have the tag in turn. Each sees that the other has moved it, and removes only what is its own.
func TestIndexOfTwoStacks(t *testing.T) {
	t.Parallel()
	one := newJoinedEngine(t)
	two := one.withState(t, newFastProvider())
	two.inputs, two.outputs = property.Map{}, property.Map{}
	if err := two.up(t, `{"tag": "HERE/app:1", "sources": ["HERE/amd:1"]}`); err != nil {
		t.Fatal(err)
	}
	theirs := text(two.outputs, "digest")
	later := one.withState(t, newFastProvider())
	if err := later.destroy(t); err != nil || one.holds(t, "app:1") != theirs {
		t.Errorf("the other stack's tag is gone: %v", err)
	}
	if one.refresh(t) || !one.outputs.Get("tag").IsNull() {
		t.Errorf("got %v", one.outputs)
	}
}

// A new tag is an update, and the old one stays.
func TestIndexWithANewTag(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	digest := text(e.outputs, "digest")
	if err := e.up(t, strings.ReplaceAll(joined, "app:1", "app:2")); err != nil {
		t.Fatal(err)
	}
	if e.holds(t, "app:1") != digest || e.holds(t, "app:2") != digest {
		t.Errorf("the tags hold %s and %s", e.holds(t, "app:1"), e.holds(t, "app:2"))
	}
}

func TestIndexImport(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	digest := text(e.outputs, "digest")
	read, err := e.read(t, e.here.Host()+"/app:1")
	if err != nil || read.GetId() != "app" {
		t.Fatal(read, err)
	}
	e.inputs = unmarshalProperties(t, read.GetInputs())
	e.outputs = unmarshalProperties(t, read.GetProperties())
	if text(e.outputs, "digest") != digest || len(manifestDigests(e.outputs)) != 2 {
		t.Errorf("got %v", e.outputs)
	}
	program := `{"tag": "HERE/app:1", "sources": ["HERE/app@` + digest + `"]}`
	checked, failures := e.check(t, program)
	if got := e.diff(t, checked); failures != "" || len(got) > 0 {
		t.Errorf("got %v, %s", got, failures)
	}
	if err := e.up(t, joined); err != nil || text(e.outputs, "digest") != digest {
		t.Errorf("got %v, %v", e.outputs, err)
	}
	for id, want := range map[string]string{
		"nonsense:":                 "import takes a reference with a tag",
		e.here.Host() + "/app:none": "there is no such index",
		e.here.Host() + "/amd:1":    "is a single image and no index",
	} {
		if _, err := e.read(t, id); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", id, err)
		}
	}
}

// A state of docker-build has neither a digest nor the digests of the sources. The update changes no tag.
func TestIndexOfDockerBuild(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	digest := text(e.outputs, "digest")
	e.inputs = e.inputs.Delete("sourceDigests").Set("push", property.New(true))
	e.outputs = e.inputs.Set("ref", property.New(e.here.Host()+"/app:1@"+digest))
	if e.refresh(t) {
		t.Fatal("it is gone")
	}
	if err := e.up(t, joined); err != nil || text(e.outputs, "digest") != digest || e.holds(t, "app:1") != digest {
		t.Errorf("got %v, %v", e.outputs, err)
	}
}
