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

// model is the environment of the provider: the user's files and program, the engine's state, a registry and two
// machines. It also holds what earlier steps showed to be true.
type model struct {
	ctx      context.Context
	id       int64
	dir      string
	registry *registryProxy
	machines [2]string
	log      []string

	program       [2]*programImage
	password      string // in the provider's configuration
	machine       int
	failure       *failure // of the next command
	crash         int      // the call of the next command at which the engine dies; 0: none
	previewOutage bool     // the registry is down for the next preview only

	resources      []*entry
	pendingDeletes []*entry                // replaced, and not deleted yet
	config         string                  // password of the configuration in the state
	previewed      map[string]property.Map // outputs of the last preview, by name

	hashOf       map[string]string           // file → contextHash
	fileOf       map[string]string           // contextHash → file
	contents     map[string]content          // digest → content of the image in the registry
	digests      map[content]map[string]bool // content → all its digests so far
	builtDigests map[machineContent]string   // the digest that a machine builds
}

// machineContent is a content that a machine built.
type machineContent struct {
	machine int
	content content
}

// entry is a resource in the engine's state.
type entry struct {
	name        string
	id          string
	inputs      property.Map
	outputs     property.Map
	incomplete  bool               // it has init errors
	touchedTags map[string]bool    // tags that others have touched since the state was written
	pastDigests map[content]string // the digests that it ever had, of contents that Check knew
}

// newEntry returns an entry whose tags nobody touched.
func newEntry(name string, inputs property.Map, was map[content]string) *entry {
	return &entry{name: name, inputs: inputs, touchedTags: map[string]bool{}, pastDigests: maps.Clone(was)}
}

func (e *entry) urn() resource.URN {
	return resource.URN("urn:pulumi:dev::shop::buildkit:index:Image::" + e.name)
}

func (e *entry) digest() string { return text(e.outputs, "digest") }

// violation is the error of a broken rule.
type violation struct{ rule, text string }

func (v *violation) Error() string { return fmt.Sprintf("rule %q is broken: %s", v.rule, v.text) }

// violate panics with a violation, which catchViolation returns.
func violate(rule, format string, args ...any) {
	panic(&violation{rule, fmt.Sprintf(format, args...)})
}

// models counts the models. No two build the same files, or one would find the other's steps in a daemon's cache.
var models atomic.Int64

func newModel(ctx context.Context, machines [2]string) *model {
	m := &model{
		ctx: ctx, id: models.Add(1), machines: machines, password: "canary0", config: "canary0",
		hashOf: map[string]string{}, fileOf: map[string]string{}, contents: map[string]content{},
		digests: map[content]map[string]bool{}, builtDigests: map[machineContent]string{},
	}
	var err error
	if m.dir, err = os.MkdirTemp("", "model-"); err != nil {
		violate("harness", "%v", err)
	}
	if m.registry, err = newRegistryProxy(m.password); err != nil {
		violate("harness", "%v", err)
	}
	for i := range m.program {
		m.program[i] = m.newProgramImage(i)
		m.save(i)
	}
	return m
}

func (m *model) close() error {
	if err := m.registry.Close(); err != nil {
		return err
	}
	return os.RemoveAll(m.dir)
}

// fileText returns the text of a version of the file.
func (m *model) fileText(version int) string { return fmt.Sprintf("v%d.%d", version, m.id) }

func (m *model) logf(format string, args ...any) { m.log = append(m.log, fmt.Sprintf(format, args...)) }

// tagsOf returns the tags in the entry's outputs, without the host.
func (m *model) tagsOf(e *entry) []string { return m.withoutHost(texts(e.outputs, "refs")) }

func (m *model) withoutHost(refs []string) []string {
	out := make([]string, len(refs))
	for i, ref := range refs {
		out[i] = strings.TrimPrefix(ref, m.registry.Host()+"/")
	}
	return out
}

// entries returns all entries of the state, with those that wait to be deleted.
func (m *model) entries() []*entry { return append(slices.Clone(m.resources), m.pendingDeletes...) }

func (m *model) entry(name string) *entry {
	for _, e := range m.resources {
		if e.name == name {
			return e
		}
	}
	return nil
}

// put replaces or adds an entry by its name; a nil one removes it.
func (m *model) put(name string, e *entry) {
	at := slices.IndexFunc(m.resources, func(o *entry) bool { return o.name == name })
	switch {
	case at < 0 && e != nil:
		m.resources = append(m.resources, e)
	case at >= 0 && e != nil:
		m.resources[at] = e
	case at >= 0:
		m.resources = slices.Delete(m.resources, at, at+1)
	}
}

// markTouched notes that somebody touched a tag of these entries, so that their state may be wrong from now on.
func markTouched(tag string, entries ...*entry) {
	for _, e := range entries {
		e.touchedTags[tag] = true
	}
}

// imageWithTag returns the image of the program with this tag, or nil.
func (m *model) imageWithTag(tag string) *programImage {
	for _, img := range m.program {
		if slices.Contains(img.wantedTags(), tag) {
			return img
		}
	}
	return nil
}
