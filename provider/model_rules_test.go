package provider

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// checkState checks that each tag in refs holds the digest of the state, unless somebody else touched the tag since.
func (m *model) checkState() {
	for _, e := range m.entries() {
		for _, tag := range m.tagsOf(e) {
			if held := m.registry.digestAt(tag); held != e.digest() && !e.touchedTags[tag] {
				violate("the state is true", "%s says that %s holds %s; it holds %s",
					e.name, tag, short(e.digest()), short(held))
			}
		}
	}
}

// learnComputedHash calls learnHash if Check computed the contextHash.
func (c *command) learnComputedHash(img *programImage, news resource.PropertyMap, inputs property.Map) {
	hash := inputs.Get("contextHash")
	if _, given := news["contextHash"]; !given && hash.IsString() {
		c.learnHash(img.file, hash.AsString())
	}
}

// learnHash notes the hash of a file, and checks that each file has one hash and each hash one file.
func (m *model) learnHash(file, hash string) {
	if known, seen := m.hashOf[file]; seen && known != hash {
		violate("a file has one hash", "%s has %s and %s", file, known, hash)
	}
	if known, seen := m.fileOf[hash]; seen && known != file {
		violate("a hash has one file", "%s is of %s and %s", hash, known, file)
	}
	m.hashOf[file], m.fileOf[hash] = hash, file
}

// checkApplied compares an image that was just created or updated with the program and the registry.
func (c *command) checkApplied(i int, e *entry) {
	img := c.program[i]
	if refs := c.tagsOf(e); !slices.Equal(refs, img.wantedTags()) {
		violate("outputs are what was wanted", "%s wants %v and has refs %v", e.name, img.wantedTags(), refs)
	}
	if (e.digest() == "") != (len(img.wantedTags()) == 0) {
		violate("an image without tags is not made", "%s wants %v and has digest %q",
			e.name, img.wantedTags(), e.digest())
	}
	for _, tag := range c.tagsOf(e) {
		if held := c.registry.digestAt(tag); held != e.digest() {
			violate("the state is true", "%s has set %s to %s; it holds %s",
				e.name, tag, short(e.digest()), short(held))
		}
	}
	delete(c.contents, e.digest()) // the image is complete again, even if a step damaged it
	c.checkImage(img, e)
	if len(c.tagsOf(e)) > 0 {
		c.checkReproducible(e.digest())
	}
	if !img.keepsHash && e.digest() != "" {
		e.pastDigests[img.content()] = e.digest()
	}
}

// expectedRollback returns the digest that an update must reuse without a build: every repository still has an image of
// these inputs that the state remembers. It returns "" if there is none. The state remembers 20 images.
func (c *command) expectedRollback(img *programImage, old *entry) string {
	digest := old.pastDigests[img.content()]
	remembers := digest != "" && len(old.pastDigests) < pastBuildsLimit
	if c.preview || img.keepsHash || len(img.wantedTags()) == 0 || !remembers {
		return ""
	}
	for _, tag := range img.wantedTags() {
		repository, _ := splitName(tag)
		if _, err := c.registry.content(repository, digest); err != nil {
			return ""
		}
	}
	return digest
}

// checkRollback checks that an update has reused the digest that expectedRollback returned.
func (c *command) checkRollback(expected string, e *entry) {
	if expected != "" && e.digest() != expected {
		violate("a rollback builds nothing", "%s is at %s, want %s", e.name, short(e.digest()), short(expected))
	}
}

// checkImage reads the image and compares its content with the outputs and with the program.
func (m *model) checkImage(img *programImage, e *entry) {
	if len(m.tagsOf(e)) == 0 {
		return
	}
	got, want := m.contentOf(e), img.content()
	m.learnHash(got.file, text(e.outputs, "contextHash"))
	if img.keepsHash {
		want.file = got.file
	}
	if got != want {
		violate("the image is of its inputs", "%s is %v (%s) and not %v", e.name, got, short(e.digest()), want)
	}
}

// contentOf returns the content of the entry's image.
func (m *model) contentOf(e *entry) content {
	if known, ok := m.contents[e.digest()]; ok {
		return known
	}
	repository, _ := splitName(m.tagsOf(e)[0])
	c, err := m.registry.content(repository, e.digest())
	if err != nil {
		violate("the image is complete", "%s: %v", e.name, err)
	}
	m.contents[e.digest()] = c
	return c
}

// checkReproducible notes the digest of a content, and checks that a machine always builds the same one.
func (m *model) checkReproducible(digest string) {
	c := m.contents[digest]
	if m.digests[c] == nil {
		m.digests[c] = map[string]bool{}
	}
	here := machineContent{m.machine, c}
	switch {
	case m.digests[c][digest]:
	case m.builtDigests[here] == "":
		m.builtDigests[here] = digest
	default:
		violate("equal inputs are equal images", "%v was %s and is %s", c, short(m.builtDigests[here]), short(digest))
	}
	m.digests[c][digest] = true
}

// checkUp compares the state, the registry and the preview with the program, after an up that succeeded.
func (m *model) checkUp(shown map[string]property.Map, changes map[string]bool) {
	for _, img := range m.program {
		e := m.entry(img.name)
		if img.absent != (e == nil) || len(m.pendingDeletes) > 0 {
			violate("harness", "the state of %s is %v, to be deleted are %v", img.name, e, m.pendingDeletes)
		}
		if img.absent {
			continue
		}
		for _, tag := range img.wantedTags() {
			if held := m.registry.digestAt(tag); held != e.digest() && !e.touchedTags[tag] {
				violate("an up converges", "%s holds %s and not %s of %s", tag, short(held), short(e.digest()), e.name)
			}
		}
		m.checkImage(img, e)
		if before, ok := shown[img.name]; ok && changes[img.name] {
			comparePreview(img.name, property.New(before), property.New(e.outputs))
		}
	}
	m.checkNoChanges()
}

// checkNoChanges runs a preview that must find no difference and ask the registry nothing.
func (m *model) checkNoChanges() {
	requests := len(m.registry.Requests())
	c := m.startCommand(true, m.password)
	for i, img := range m.program {
		if img.absent {
			continue
		}
		vague := img.unknownChoice
		img.unknownChoice = 0
		if c.register(i, replacement{of: -1}) != unchanged {
			violate("an up leaves nothing to do", "%s differs", img.name)
		}
		img.unknownChoice = vague
	}
	c.finish()
	if more := m.registry.Requests()[requests:]; len(more) > 0 {
		violate("an up leaves nothing to do", "the registry was asked %v", more)
	}
}

// comparePreview compares the known outputs of a preview with those of the update.
func comparePreview(path string, before, after property.Value) {
	switch {
	case before.IsComputed():
	case before.IsMap() && after.IsMap():
		for _, key := range slices.Sorted(maps.Keys(before.AsMap().AsMap())) {
			comparePreview(path+"."+key, before.AsMap().Get(key), after.AsMap().Get(key))
		}
	case before.IsArray() && after.IsArray() && before.AsArray().Len() == after.AsArray().Len():
		for i, e := range before.AsArray().All {
			comparePreview(fmt.Sprintf("%s[%d]", path, i), e, after.AsArray().Get(i))
		}
	case !plainValue(before).Equals(plainValue(after)):
		violate("a preview shows the outputs of the update", "%s is %v, the preview showed %v", path, after, before)
	}
}
