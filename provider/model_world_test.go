package provider

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// world is all that there is around the provider: the user's files and program, what the engine remembers, a registry, two
// machines; and what the model knows to be true.
type world struct {
	ctx      context.Context
	id       int64
	dir      string
	front    *front
	machines [2]string
	log      []string

	wishes   [2]*wish
	password string // in the provider's configuration
	machine  int
	trouble  *trouble // for the next run
	crash    int      // so many calls into the next run the engine dies; 0: it does not
	hiccup   bool     // the registry is down for the next preview only

	live   []*entry
	doomed []*entry // replaced and still to be deleted
	config string   // password of the configuration in the state
	shown  map[string]property.Map

	hashOf   map[string]string           // file → contextHash
	fileOf   map[string]string           // contextHash → file
	contents map[string]content          // digest → what the registry has behind it
	digests  map[content]map[string]bool // content → the digests of it that were ever seen
	built    map[machined]string         // the digest that a machine makes of a content
}

type machined struct {
	machine int
	content content
}

// entry is a resource in the engine's state.
type entry struct {
	name       string
	id         string
	inputs     property.Map
	outputs    property.Map
	incomplete bool               // it has init errors
	doubted    map[string]bool    // tags that others have touched since the state was written
	was        map[content]string // the digests that it ever had, of contents that Check knew
}

// newEntry is one that nobody doubts.
func newEntry(name string, inputs property.Map, was map[content]string) *entry {
	return &entry{name: name, inputs: inputs, doubted: map[string]bool{}, was: maps.Clone(was)}
}

func (e *entry) urn() resource.URN {
	return resource.URN("urn:pulumi:dev::shop::buildkit:index:Image::" + e.name)
}

func (e *entry) digest() string { return text(e.outputs, "digest") }

// violation is a rule that was broken.
type violation struct{ rule, text string }

func (v *violation) Error() string { return fmt.Sprintf("rule %q is broken: %s", v.rule, v.text) }

// broken ends the run of the model; see execute.
func broken(rule, format string, args ...any) {
	panic(&violation{rule, fmt.Sprintf(format, args...)})
}

// worlds are counted, so that no two build the same and find each other's work in a daemon's cache.
var worlds atomic.Int64

func newWorld(ctx context.Context, machines [2]string) *world {
	w := &world{
		ctx: ctx, id: worlds.Add(1), machines: machines, password: "canary0", config: "canary0",
		hashOf: map[string]string{}, fileOf: map[string]string{}, contents: map[string]content{},
		digests: map[content]map[string]bool{}, built: map[machined]string{},
	}
	var err error
	if w.dir, err = os.MkdirTemp("", "model-"); err != nil {
		broken("harness", "%v", err)
	}
	if w.front, err = newFront(w.password); err != nil {
		broken("harness", "%v", err)
	}
	for i := range w.wishes {
		w.wishes[i] = w.newWish(i)
		w.save(i)
	}
	return w
}

func (w *world) close() error {
	if err := w.front.Close(); err != nil {
		return err
	}
	return os.RemoveAll(w.dir)
}

// text is one of the versions of the file.
func (w *world) text(version int) string { return fmt.Sprintf("v%d.%d", version, w.id) }

func (w *world) note(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

// tags are those that the entry's outputs claim, without the host.
func (w *world) tags(e *entry) []string { return w.local(texts(e.outputs, "refs")) }

func (w *world) local(refs []string) []string {
	out := make([]string, len(refs))
	for i, ref := range refs {
		out[i] = strings.TrimPrefix(ref, w.front.Host()+"/")
	}
	return out
}

// entries are all in the state that claim something, those to be deleted too.
func (w *world) entries() []*entry { return append(slices.Clone(w.live), w.doomed...) }

func (w *world) entry(name string) *entry {
	for _, e := range w.live {
		if e.name == name {
			return e
		}
	}
	return nil
}

// put replaces or adds an entry by its name; a nil one removes it.
func (w *world) put(name string, e *entry) {
	at := slices.IndexFunc(w.live, func(o *entry) bool { return o.name == name })
	switch {
	case at < 0 && e != nil:
		w.live = append(w.live, e)
	case at >= 0 && e != nil:
		w.live[at] = e
	case at >= 0:
		w.live = slices.Delete(w.live, at, at+1)
	}
}

// doubt notes that somebody touched a tag that these entries claim: what they say of it may be wrong from now on.
func doubt(tag string, entries ...*entry) {
	for _, e := range entries {
		e.doubted[tag] = true
	}
}

// wanter is the image of the program that wants the tag.
func (w *world) wanter(tag string) *wish {
	for _, v := range w.wishes {
		if slices.Contains(v.wants(), tag) {
			return v
		}
	}
	return nil
}
