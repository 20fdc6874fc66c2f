package provider

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// doPreview is pulumi preview: in a process of its own, and writing nothing.
func (w *world) doPreview() {
	if w.hiccup && w.front.outage == healthy {
		w.front.setOutage(down)
		defer w.front.setOutage(healthy)
	}
	c := w.start(true, w.password)
	w.shown = map[string]property.Map{}
	for i, v := range w.wishes {
		if !v.absent {
			c.register(i, replacement{of: -1})
		}
	}
	c.finish()
	w.hiccup = false
}

// up is pulumi up, maybe with --replace.
func (w *world) up(by replacement) {
	shown := w.shown
	c := w.start(false, w.password)
	w.config = w.password // the provider is a resource too, and comes first
	changes := map[string]bool{}
	ok := true
	for i, v := range w.wishes {
		if v.absent || !ok {
			continue
		}
		switch c.register(i, by) {
		case stopped:
			ok = false
		case changed:
			changes[v.name] = true
		}
		ok = ok && !c.over
	}
	for _, e := range slices.Clone(w.doomed) {
		ok = ok && !c.over && c.delete(e, true) != stopped
	}
	for _, e := range slices.Clone(w.live) {
		if w.programmed(e.name) {
			continue
		}
		ok = ok && !c.over && c.delete(e, false) != stopped
	}
	c.finish()
	w.disarm()
	if ok {
		w.succeeded(shown, changes)
	}
}

// programmed tells whether the program has a resource of this name.
func (w *world) programmed(name string) bool {
	return slices.ContainsFunc(w.wishes[:], func(v *wish) bool { return v.name == name && !v.absent })
}

// refresh is pulumi refresh.
func (w *world) refresh() {
	c := w.start(false, w.config)
	for _, e := range w.entries() {
		c.read(e)
	}
	c.finish()
	w.disarm()
}

// adopt is pulumi import of the image behind a tag.
func (w *world) adopt(i, n int) {
	v, tag := w.wishes[i], labels[n%len(labels)]
	if v.absent || w.entry(v.name) != nil {
		return
	}
	c := w.start(false, w.config)
	e := newEntry(v.name, property.Map{}, map[content]string{})
	e.id = w.front.Host() + "/" + tag
	found := c.imported(e, tag)
	c.finish()
	w.disarm()
	if found {
		w.put(e.name, e)
	}
}

// destroy is pulumi destroy, which asks the program nothing.
func (w *world) destroy() {
	c := w.start(false, w.config)
	c.destroys = true
	ok := true
	for _, e := range slices.Clone(w.doomed) {
		ok = ok && !c.over && c.delete(e, true) != stopped
	}
	for _, e := range slices.Clone(w.live) {
		ok = ok && !c.over && c.delete(e, false) != stopped
	}
	c.finish()
	w.disarm()
	if ok && len(w.entries()) > 0 {
		broken("harness", "left after destroy: %v", w.entries())
	}
}

// disarm ends what was to happen to one run only.
func (w *world) disarm() { w.trouble, w.crash, w.shown = nil, 0, nil }
