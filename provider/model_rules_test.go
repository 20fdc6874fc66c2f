package provider

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// What the state says is so: each tag in refs holds the digest, unless somebody else touched it since.
func (w *world) honest() {
	for _, e := range w.entries() {
		for _, tag := range w.tags(e) {
			if held := w.front.holds(tag); held != e.digest() && !e.doubted[tag] {
				broken("the state is true", "%s says that %s holds %s; it holds %s", e.name, tag, short(e.digest()), short(held))
			}
		}
	}
}

// hashed learns what is behind a contextHash that Check has computed.
func (c *command) hashed(v *wish, news resource.PropertyMap, inputs property.Map) {
	hash := inputs.Get("contextHash")
	if _, given := news["contextHash"]; !given && hash.IsString() {
		c.hashes(v.file, hash.AsString())
	}
}

// hashes notes that a file has a hash. Each has one, and no two the same.
func (w *world) hashes(file, hash string) {
	if known, seen := w.hashOf[file]; seen && known != hash {
		broken("a hash is of its files", "%s has %s and %s", file, known, hash)
	}
	if known, seen := w.fileOf[hash]; seen && known != file {
		broken("a hash is of its files", "%s is of %s and %s", hash, known, file)
	}
	w.hashOf[file], w.fileOf[hash] = hash, file
}

// made holds an image that was just created or updated against the wish.
func (c *command) made(i int, e *entry) {
	v := c.wishes[i]
	if refs := c.tags(e); !slices.Equal(refs, v.wants()) {
		broken("outputs are what was wanted", "%s wants %v and has refs %v", e.name, v.wants(), refs)
	}
	if (e.digest() == "") != (len(v.wants()) == 0) {
		broken("an image that nobody gets is not made", "%s wants %v and has digest %q", e.name, v.wants(), e.digest())
	}
	for _, tag := range c.tags(e) {
		if held := c.front.holds(tag); held != e.digest() {
			broken("the state is true", "%s was to set %s to %s; it holds %s", e.name, tag, short(e.digest()), short(held))
		}
	}
	delete(c.contents, e.digest()) // it is whole now, whatever was
	c.right(v, e)
	if len(c.tags(e)) > 0 {
		c.reproducible(e.digest())
	}
	if !v.pinned && e.digest() != "" {
		e.was[v.content()] = e.digest()
	}
}

// promised is the digest that an update must come to without a build, because every repository still has an image of these
// very inputs that the state has known; "" when there is none. The state remembers 20 of them.
func (c *command) promised(v *wish, old *entry) string {
	digest := old.was[v.content()]
	if c.preview || v.pinned || len(v.wants()) == 0 || digest == "" || len(old.was) >= memoryLimit {
		return ""
	}
	for _, tag := range v.wants() {
		repository, _ := parted(tag)
		if _, err := c.front.content(repository, digest); err != nil {
			return ""
		}
	}
	return digest
}

func (c *command) kept(promise string, e *entry) {
	if promise != "" && e.digest() != promise {
		broken("a rollback builds nothing", "%s is at %s and was to be at %s", e.name, short(e.digest()), short(promise))
	}
}

// right reads the image itself: it is made of what the outputs say, and that is what the wish is for.
func (w *world) right(v *wish, e *entry) {
	if len(w.tags(e)) == 0 {
		return
	}
	got, want := w.behind(e), v.content()
	w.hashes(got.file, text(e.outputs, "contextHash"))
	if v.pinned {
		want.file = got.file
	}
	if got != want {
		broken("the image is of its inputs", "%s is %v (%s) and not %v", e.name, got, short(e.digest()), want)
	}
}

// behind is what the entry's digest is made of.
func (w *world) behind(e *entry) content {
	if known, ok := w.contents[e.digest()]; ok {
		return known
	}
	repository, _ := parted(w.tags(e)[0])
	c, err := w.front.content(repository, e.digest())
	if err != nil {
		broken("the image is whole", "%s: %v", e.name, err)
	}
	w.contents[e.digest()] = c
	return c
}

// reproducible notes a digest that was seen: a machine makes one of a content, always the same.
func (w *world) reproducible(digest string) {
	c := w.contents[digest]
	if w.digests[c] == nil {
		w.digests[c] = map[string]bool{}
	}
	here := machined{w.machine, c}
	switch {
	case w.digests[c][digest]:
	case w.built[here] == "":
		w.built[here] = digest
	default:
		broken("equal inputs are equal images", "%v was %s and is %s", c, short(w.built[here]), short(digest))
	}
	w.digests[c][digest] = true
}

// succeeded holds everything against the program, after an update that went through.
func (w *world) succeeded(shown map[string]property.Map, changes map[string]bool) {
	for _, v := range w.wishes {
		e := w.entry(v.name)
		if v.absent != (e == nil) || len(w.doomed) > 0 {
			broken("harness", "the state of %s is %v, to be deleted are %v", v.name, e, w.doomed)
		}
		if v.absent {
			continue
		}
		for _, tag := range v.wants() {
			if held := w.front.holds(tag); held != e.digest() && !e.doubted[tag] {
				broken("an up converges", "%s holds %s and not %s of %s", tag, short(held), short(e.digest()), e.name)
			}
		}
		w.right(v, e)
		if before, ok := shown[v.name]; ok && changes[v.name] {
			foretold(v.name, property.New(before), property.New(e.outputs))
		}
	}
	w.quiet()
}

// quiet is a preview of nothing: no diff, and the registry is not even asked.
func (w *world) quiet() {
	requests := len(w.front.Requests())
	c := w.start(true, w.password)
	for i, v := range w.wishes {
		if v.absent {
			continue
		}
		vague := v.vague
		v.vague = 0
		if c.register(i, replacement{of: -1}) != same {
			broken("an up leaves nothing to do", "%s differs", v.name)
		}
		v.vague = vague
	}
	c.finish()
	if more := w.front.Requests()[requests:]; len(more) > 0 {
		broken("an up leaves nothing to do", "the registry was asked %v", more)
	}
}

// foretold compares what a preview knew with what came.
func foretold(path string, before, after property.Value) {
	switch {
	case before.IsComputed():
	case before.IsMap() && after.IsMap():
		for _, key := range slices.Sorted(maps.Keys(before.AsMap().AsMap())) {
			foretold(path+"."+key, before.AsMap().Get(key), after.AsMap().Get(key))
		}
	case before.IsArray() && after.IsArray() && before.AsArray().Len() == after.AsArray().Len():
		for i, e := range before.AsArray().All {
			foretold(fmt.Sprintf("%s[%d]", path, i), e, after.AsArray().Get(i))
		}
	case !plain(before).Equals(plain(after)):
		broken("a preview knows nothing wrong", "%s was to be %v and is %v", path, before, after)
	}
}
