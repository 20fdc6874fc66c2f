package provider

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// action is what a step may be. do takes an image of the program and a number, which it makes of use whatever they are.
type action struct {
	name   string
	weight int // how often it comes
	do     func(w *world, image, n int)
}

// changes are what users do to files and program, and others to the registry.
var changes = []action{
	{"edit", 14, func(w *world, i, n int) { w.wishes[i].file = w.text(n % 4); w.save(i) }},
	{"touch", 2, (*world).touch},
	{"arg", 6, func(w *world, i, n int) { w.wishes[i].arg = n % 3 }},
	{"platforms", 5, func(w *world, i, n int) { w.wishes[i].platforms = n % len(platformSets) }},
	{"tag", 12, (*world).tag},
	{"reorder", 2, func(w *world, i, _ int) { slices.Reverse(w.wishes[i].tags) }},
	{"push", 2, func(w *world, i, _ int) { w.wishes[i].unpushed = !w.wishes[i].unpushed }},
	{"pin", 3, func(w *world, i, _ int) { w.wishes[i].pinned = !w.wishes[i].pinned }},
	{"lazy", 2, func(w *world, i, _ int) { w.wishes[i].lazy = !w.wishes[i].lazy }},
	{"vague", 4, func(w *world, i, n int) { w.wishes[i].vague = n % len(vaguenesses) }},
	{"absent", 5, func(w *world, i, _ int) { w.wishes[i].absent = !w.wishes[i].absent }},
	{"rename", 2, (*world).rename},
	{"machine", 4, func(w *world, _, n int) { w.machine = n % len(w.machines) }},
	{"login", 9, (*world).newLogin},
	{"rotate", 1, func(w *world, _, n int) { w.front.setPassword(fmt.Sprint("canary", n%5)) }},
	{"outage", 3, func(w *world, _, n int) { w.front.setOutage(outage(n % int(outages))) }},
	{"mend", 8, func(w *world, _, _ int) { w.front.setOutage(healthy) }},
	{"retag", 5, (*world).retag},
	{"untag", 5, (*world).untag},
	{"wipe", 3, (*world).wipe},
	{"wound", 3, (*world).wound},
}

// troubles are what goes wrong in the run that follows at once.
var troubles = []action{
	{"refused", 3, trouble{kind: refused}.arm},
	{"failed", 3, trouble{kind: failed, tags: true}.arm},
	{"forgotten", 2, trouble{kind: forgotten, tags: true}.arm},
	{"unanswered", 4, trouble{kind: unanswered, tags: true}.arm},
	{"killed", 5, trouble{kind: killed}.arm},
	{"killedAfter", 4, trouble{kind: killedAfter}.arm},
	{"canceled", 4, trouble{kind: canceled}.arm},
	{"canceledAfter", 4, trouble{kind: canceledAfter}.arm},
	{"severed", 3, trouble{kind: severed, tags: true}.arm},
	{"severedAfter", 4, trouble{kind: severedAfter, tags: true}.arm},
	{"blip", 3, trouble{kind: blip, tags: true}.arm},
	{"crash", 5, func(w *world, _, n int) { w.crash = 2 + n%6 }},
	{"hiccup", 3, func(w *world, _, _ int) { w.hiccup = true }},
}

// runs are the commands of the engine.
var runs = []action{
	{"preview", 8, func(w *world, _, _ int) { w.doPreview() }},
	{"up", 34, (*world).previewAndUp},
	{"replace", 4, func(w *world, i, _ int) { w.up(replacement{of: i}) }},
	{"deleteBeforeReplace", 3, func(w *world, i, _ int) { w.up(replacement{of: i, deleteFirst: true}) }},
	{"refresh", 12, func(w *world, _, _ int) { w.refresh() }},
	{"adopt", 2, (*world).adopt},
	{"destroy", 3, func(w *world, _, _ int) { w.destroy() }},
}

// arm lets the trouble come at one of the first writes of the next run: of those to tags only, or of all.
func (t trouble) arm(w *world, i, n int) {
	t.at = 1 + n%20
	if t.tags = t.tags || i == 0; t.tags {
		t.at = 1 + n%4
	}
	w.trouble = &t
}

// previewAndUp is pulumi up, with --skip-preview every other time.
func (w *world) previewAndUp(_, n int) {
	if n%2 == 0 {
		w.doPreview()
	}
	w.up(replacement{of: -1})
}

// touch changes what the Dockerfile does not read, and the times of what it does.
func (w *world) touch(i, n int) {
	w.save(i)
	if err := os.WriteFile(filepath.Join(w.folder(i), "unread"), fmt.Append(nil, n), 0o644); err != nil {
		broken("harness", "%v", err)
	}
}

// tag gives a tag to the image, from wherever it is in the program, or takes it away.
func (w *world) tag(i, n int) {
	label := labels[n%len(labels)]
	has := slices.Contains(w.wishes[i].tags, label)
	for _, v := range w.wishes {
		v.tags = slices.DeleteFunc(v.tags, func(t string) bool { return t == label })
	}
	if !has {
		w.wishes[i].tags = append(w.wishes[i].tags, label)
	}
}

func (w *world) rename(i, _ int) {
	if v := w.wishes[i]; v.name == v.base() {
		v.name += renamed
	} else {
		v.name = v.base()
	}
}

// newLogin gives the registry's password to the image that has a login of its own, to the provider, or mostly to both.
func (w *world) newLogin(_, n int) {
	if n%4 != 0 {
		w.wishes[0].password = w.front.password
	}
	if n%4 != 1 {
		w.password = w.front.password
	}
}

// others sends a request of somebody else, and notes what it did to tags.
func (w *world) others(method, path string, body []byte) {
	before := map[string]string{}
	for _, tag := range labels {
		before[tag] = w.front.holds(tag)
	}
	w.front.ask(method, path, body)
	for _, tag := range labels {
		if w.front.holds(tag) != before[tag] {
			w.note("    others: %s %s → %s", tag, short(before[tag]), short(w.front.holds(tag)))
			doubt(tag, w.entries()...)
		}
	}
}

// retag moves a tag to another image, one of ours or a foreign one.
func (w *world) retag(_, n int) {
	tag := labels[n%len(labels)]
	repository, label := parted(tag)
	from := w.front.holds(repository + ":" + []string{"a", "b", "c"}[n/7%3])
	var manifest []byte
	if n%2 == 0 && from != "" {
		manifest = w.front.ask(http.MethodGet, "/v2/"+repository+"/manifests/"+from, nil).Body.Bytes()
	} else {
		manifest = w.front.foreign(repository)
	}
	w.others(http.MethodPut, "/v2/"+repository+"/manifests/"+label, manifest)
}

func (w *world) untag(_, n int) {
	repository, label := parted(labels[n%len(labels)])
	w.others(http.MethodDelete, "/v2/"+repository+"/manifests/"+label, nil)
}

// wipe deletes an image of ours from one of its repositories, or from all, with all its tags.
func (w *world) wipe(i, n int) {
	e := w.entry(w.wishes[i].name)
	if e == nil {
		return
	}
	var repositories []string
	for _, tag := range w.tags(e) {
		repository, _ := parted(tag)
		if !slices.Contains(repositories, repository) {
			repositories = append(repositories, repository)
		}
	}
	if n%2 == 0 && len(repositories) > 1 {
		repositories = repositories[:1]
	}
	for _, repository := range repositories {
		w.others(http.MethodDelete, "/v2/"+repository+"/manifests/"+e.digest(), nil)
	}
}

// wound deletes the manifest of one platform of an image of ours, and leaves the index.
func (w *world) wound(i, _ int) {
	e := w.entry(w.wishes[i].name)
	if e == nil || len(w.tags(e)) == 0 {
		return
	}
	repository, _ := parted(w.tags(e)[0])
	var index ocispec.Index
	raw := w.front.ask(http.MethodGet, "/v2/"+repository+"/manifests/"+e.digest(), nil).Body.Bytes()
	if json.Unmarshal(raw, &index) != nil || len(index.Manifests) == 0 {
		return
	}
	w.others(http.MethodDelete, "/v2/"+repository+"/manifests/"+index.Manifests[0].Digest.String(), nil)
}
