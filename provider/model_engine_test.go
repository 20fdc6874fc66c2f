package provider

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// What follows does as github.com/pulumi/pulumi/pkg/v3/resource/deploy does: what it calls in which order, what of the
// answers it keeps, and what it remembers after an error.

// result is what became of a registration.
type result int

const (
	same result = iota
	changed
	stopped // by an error, or because somebody died
)

// replacement is --replace of one image of the program, if it is there.
type replacement struct {
	of          int
	deleteFirst bool // deleteBeforeReplace
}

// register brings the image of a wish to what it wants.
func (c *command) register(i int, by replacement) result {
	v := c.wishes[i]
	old := c.entry(v.name)
	known := old
	if old == nil || by.of == i {
		known = newEntry(v.name, property.Map{}, nil)
	}
	inputs, ok := c.check(i, known)
	switch {
	case !ok:
		return stopped
	case known.id == "" && old != nil && by.deleteFirst && c.delete(old, false) == stopped:
		return stopped
	case known.id == "":
		return c.create(i, inputs)
	}
	different, ok := c.diff(old, inputs, v)
	switch {
	case !ok:
		return stopped
	case different || old.incomplete:
		return c.update(i, old, inputs)
	case !c.preview:
		old.inputs = inputs
	}
	return same
}

// check lets ignoreChanges have its way first: the provider never sees what it ignores.
func (c *command) check(i int, old *entry) (inputs property.Map, ok bool) {
	v := c.wishes[i]
	news := resource.ToResourcePropertyMap(c.inputs(i, c.preview))
	if v.pinned && old.id != "" {
		path, err := resource.ParsePropertyPath("contextHash")
		if err != nil {
			broken("harness", "%v", err)
		}
		path.Reset(resource.ToResourcePropertyMap(old.inputs), news)
	}
	if !c.alive() {
		return property.Map{}, false
	}
	res, err := c.wire.Check(c.ctx, &pulumirpc.CheckRequest{Urn: string(old.urn()),
		Olds: marshaled(old.inputs, c.preview), News: marshaled(resource.FromResourcePropertyMap(news), c.preview)})
	if err != nil {
		broken("an up without trouble succeeds", "Check of %s: %v", v.name, err)
	}
	if len(res.GetFailures()) > 0 {
		broken("an up without trouble succeeds", "Check of %s: %v", v.name, res.GetFailures())
	}
	inputs = c.inputsOf(res.GetInputs())
	c.hashed(v, news, inputs)
	return inputs, true
}

func (c *command) diff(old *entry, inputs property.Map, v *wish) (different, ok bool) {
	if !c.alive() {
		return false, false
	}
	var ignored []string
	if v.pinned {
		ignored = []string{"contextHash"}
	}
	res, err := c.wire.Diff(c.ctx, &pulumirpc.DiffRequest{Id: old.id, Urn: string(old.urn()), IgnoreChanges: ignored,
		OldInputs: marshaled(old.inputs, c.preview), Olds: marshaled(old.outputs, c.preview), News: marshaled(inputs, c.preview)})
	if err != nil {
		broken("an up without trouble succeeds", "Diff of %s: %v", v.name, err)
	}
	different = res.GetChanges() == pulumirpc.DiffResponse_DIFF_SOME
	if len(res.GetReplaces()) > 0 || different != (len(res.GetDetailedDiff()) > 0) || res.GetChanges() == pulumirpc.DiffResponse_DIFF_UNKNOWN {
		broken("answers are well formed", "Diff of %s: %v", v.name, res)
	}
	c.note("    Diff %s: %v", v.name, res.GetDetailedDiff())
	return different, true
}

// create makes a resource. One that it replaces is to be deleted at the end.
func (c *command) create(i int, inputs property.Map) result {
	v := c.wishes[i]
	e := newEntry(v.name, inputs, map[content]string{})
	if !c.alive() {
		return stopped
	}
	var res *pulumirpc.CreateResponse
	err := c.visited("Create", e, v.wants(), func() (err error) {
		res, err = c.wire.Create(c.ctx, &pulumirpc.CreateRequest{Urn: string(e.urn()), Properties: marshaled(inputs, c.preview), Preview: c.preview})
		return err
	})
	switch partial := initFailed(err); {
	case c.dead:
		return stopped
	case err == nil:
		e.id, e.outputs = res.GetId(), c.outputs(res.GetProperties())
	case partial != nil:
		e.id, e.outputs, e.incomplete = partial.GetId(), c.outputs(partial.GetProperties()), true
	}
	return c.keep("Create", i, e, err)
}

func (c *command) update(i int, old *entry, inputs property.Map) result {
	v := c.wishes[i]
	if !c.alive() {
		return stopped
	}
	var ignored []string
	if v.pinned {
		ignored = []string{"contextHash"}
	}
	promised := c.promised(v, old)
	var res *pulumirpc.UpdateResponse
	err := c.visited("Update", old, v.wants(), func() (err error) {
		res, err = c.wire.Update(c.ctx, &pulumirpc.UpdateRequest{Id: old.id, Urn: string(old.urn()), IgnoreChanges: ignored, Preview: c.preview,
			OldInputs: marshaled(old.inputs, c.preview), Olds: marshaled(old.outputs, c.preview), News: marshaled(inputs, c.preview)})
		return err
	})
	e := newEntry(v.name, inputs, old.was)
	e.id = old.id
	switch partial := initFailed(err); {
	case c.dead:
		return stopped
	case err == nil:
		e.outputs = c.outputs(res.GetProperties())
		c.kept(promised, e)
	case partial != nil: // the engine keeps the new outputs and the old inputs
		e.inputs, e.outputs, e.incomplete = old.inputs, c.outputs(partial.GetProperties()), true
		if e.digest() == old.digest() { // not known to have moved, and the engine knows that
			for _, m := range c.moves {
				doubt(m.tag, e)
			}
		}
	default:
		e.id = ""
	}
	return c.keep("Update", i, e, err)
}

// keep writes a new entry, if there is one, to the state.
func (c *command) keep(what string, i int, e *entry, err error) result {
	if c.preview {
		if err != nil {
			broken("an up without trouble succeeds", "the preview of %s: %v", e.name, err)
		}
		if c.shown != nil {
			c.shown[e.name] = e.outputs
		}
		return changed
	}
	if e.id != "" {
		if old := c.entry(e.name); old != nil && what == "Create" {
			c.doomed = append(c.doomed, old)
		}
		c.put(e.name, e)
	}
	if err != nil {
		c.excuse(err, e.name, e.inputs)
		return stopped
	}
	c.made(i, e)
	return changed
}

// delete removes a resource that the program does not have any more, or one that was replaced.
func (c *command) delete(e *entry, doomed bool) result {
	if !c.alive() {
		return stopped
	}
	before := c.holding(e)
	err := c.visited("Delete", e, nil, func() error {
		_, err := c.wire.Delete(c.ctx, &pulumirpc.DeleteRequest{Id: e.id, Urn: string(e.urn()),
			OldInputs: marshaled(e.inputs, false), Properties: marshaled(e.outputs, false)})
		return err
	})
	switch {
	case c.dead:
		return stopped
	case err != nil:
		c.excuse(err, e.name, e.inputs)
		return stopped
	}
	c.deleted(e, before)
	if doomed {
		c.doomed = slices.DeleteFunc(c.doomed, func(d *entry) bool { return d == e })
	} else {
		c.put(e.name, nil)
	}
	return changed
}

// read brings the entry to what there is.
func (c *command) read(e *entry) result {
	if !c.alive() {
		return stopped
	}
	var res *pulumirpc.ReadResponse
	err := c.visited("Read", e, nil, func() (err error) {
		res, err = c.wire.Read(c.ctx, &pulumirpc.ReadRequest{Id: e.id, Urn: string(e.urn()),
			Inputs: marshaled(e.inputs, false), Properties: marshaled(e.outputs, false)})
		return err
	})
	if err != nil {
		broken("a refresh survives every registry", "Read of %s: %v", e.name, err)
	}
	if res.GetId() == "" {
		c.dropped(e)
		c.put(e.name, nil)
		c.doomed = slices.DeleteFunc(c.doomed, func(d *entry) bool { return d == e })
		return changed
	}
	c.refreshed(e, c.outputs(res.GetProperties()))
	e.inputs, e.outputs, e.incomplete = c.inputsOf(res.GetInputs()), c.outputs(res.GetProperties()), false
	return changed
}
