package provider

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// preview runs pulumi preview, in its own process of the provider. It changes no state.
func (m *model) preview() {
	if m.previewOutage && m.registry.outage == healthy {
		m.registry.setOutage(down)
		defer m.registry.setOutage(healthy)
	}
	c := m.startCommand(true, m.password)
	m.previewed = map[string]property.Map{}
	for i, img := range m.program {
		if !img.absent {
			c.register(i, replacement{of: -1})
		}
	}
	c.finish()
	m.previewOutage = false
}

// up runs pulumi up, with --replace if by names an image.
func (m *model) up(by replacement) {
	shown := m.previewed
	c := m.startCommand(false, m.password)
	m.config = m.password // the provider is a resource too, and comes first
	changes := map[string]bool{}
	ok := true
	for i, img := range m.program {
		if img.absent || !ok {
			continue
		}
		switch c.register(i, by) {
		case runStopped:
			ok = false
		case resourceChanged:
			changes[img.name] = true
		}
		ok = ok && !c.canceled
	}
	for _, e := range slices.Clone(m.pendingDeletes) {
		ok = ok && !c.canceled && c.delete(e, true) != runStopped
	}
	for _, e := range slices.Clone(m.resources) {
		if m.inProgram(e.name) {
			continue
		}
		ok = ok && !c.canceled && c.delete(e, false) != runStopped
	}
	c.finish()
	m.clearFailures()
	if ok {
		m.checkUp(shown, changes)
	}
}

// inProgram tells whether the program has a resource with this name.
func (m *model) inProgram(name string) bool {
	return slices.ContainsFunc(m.program[:], func(img *programImage) bool { return img.name == name && !img.absent })
}

// refresh runs pulumi refresh.
func (m *model) refresh() {
	c := m.startCommand(false, m.config)
	for _, e := range m.entries() {
		c.read(e)
	}
	c.finish()
	m.clearFailures()
}

// importImage runs pulumi import for the image behind a tag.
func (m *model) importImage(i, n int) {
	v, tag := m.program[i], tagChoices[n%len(tagChoices)]
	if v.absent || m.entry(v.name) != nil {
		return
	}
	c := m.startCommand(false, m.config)
	e := newEntry(v.name, property.Map{}, map[content]string{})
	e.id = m.registry.Host() + "/" + tag
	found := c.readImport(e, tag)
	c.finish()
	m.clearFailures()
	if found {
		m.put(e.name, e)
	}
}

// destroy runs pulumi destroy, which does not run the program.
func (m *model) destroy() {
	c := m.startCommand(false, m.config)
	c.destroys = true
	ok := true
	for _, e := range slices.Clone(m.pendingDeletes) {
		ok = ok && !c.canceled && c.delete(e, true) != runStopped
	}
	for _, e := range slices.Clone(m.resources) {
		ok = ok && !c.canceled && c.delete(e, false) != runStopped
	}
	c.finish()
	m.clearFailures()
	if ok && len(m.entries()) > 0 {
		violate("harness", "left after destroy: %v", m.entries())
	}
}

// clearFailures drops what applies to one command only.
func (m *model) clearFailures() { m.failure, m.crash, m.previewed = nil, 0, nil }
