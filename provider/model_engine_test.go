package provider

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// This file imitates github.com/pulumi/pulumi/pkg/v3/resource/deploy: the order of its calls, what it keeps of the
// responses, and what it keeps after an error.

// result is the result of registering a resource.
type result int

const (
	unchanged result = iota
	resourceChanged
	runStopped // by an error, or because a process died
)

// replacement is the option --replace for one image of the program.
type replacement struct {
	of          int  // index of the image in the program; -1: none
	deleteFirst bool // deleteBeforeReplace
}

// register makes the calls with which the engine brings an image of the program up to date.
func (c *command) register(i int, by replacement) result {
	img := c.program[i]
	old := c.entry(img.name)
	known := old
	if old == nil || by.of == i {
		known = newEntry(img.name, property.Map{}, nil)
	}
	inputs, ok := c.check(i, known)
	switch {
	case !ok:
		return runStopped
	case known.id == "" && old != nil && by.deleteFirst && c.delete(old, false) == runStopped:
		return runStopped
	case known.id == "":
		return c.create(i, inputs)
	}
	different, ok := c.diff(old, inputs, img)
	switch {
	case !ok:
		return runStopped
	case different || old.incomplete:
		return c.update(i, old, inputs)
	case !c.preview:
		old.inputs = inputs
	}
	return unchanged
}

// check applies ignoreChanges and calls Check. The provider never sees a change that ignoreChanges drops.
func (c *command) check(i int, old *entry) (inputs property.Map, ok bool) {
	img := c.program[i]
	news := resource.ToResourcePropertyMap(c.inputs(i, c.preview))
	if img.keepsHash && old.id != "" {
		path, err := resource.ParsePropertyPath("contextHash")
		if err != nil {
			violate("harness", "%v", err)
		}
		path.Reset(resource.ToResourcePropertyMap(old.inputs), news)
	}
	if !c.startCall() {
		return property.Map{}, false
	}
	res, err := c.wire.Check(c.ctx, &pulumirpc.CheckRequest{Urn: string(old.urn()),
		Olds: marshal(old.inputs, c.preview), News: marshal(resource.FromResourcePropertyMap(news), c.preview)})
	if err != nil {
		violate("an up without a failure succeeds", "Check of %s: %v", img.name, err)
	}
	if len(res.GetFailures()) > 0 {
		violate("an up without a failure succeeds", "Check of %s: %v", img.name, res.GetFailures())
	}
	inputs = c.readInputs(res.GetInputs())
	c.learnComputedHash(img, news, inputs)
	return inputs, true
}

func (c *command) diff(old *entry, inputs property.Map, img *programImage) (different, ok bool) {
	if !c.startCall() {
		return false, false
	}
	var ignored []string
	if img.keepsHash {
		ignored = []string{"contextHash"}
	}
	res, err := c.wire.Diff(c.ctx, &pulumirpc.DiffRequest{
		Id: old.id, Urn: string(old.urn()), IgnoreChanges: ignored, OldInputs: marshal(old.inputs, c.preview),
		Olds: marshal(old.outputs, c.preview), News: marshal(inputs, c.preview),
	})
	if err != nil {
		violate("an up without a failure succeeds", "Diff of %s: %v", img.name, err)
	}
	different = res.GetChanges() == pulumirpc.DiffResponse_DIFF_SOME
	consistent := different == (len(res.GetDetailedDiff()) > 0)
	if len(res.GetReplaces()) > 0 || !consistent || res.GetChanges() == pulumirpc.DiffResponse_DIFF_UNKNOWN {
		violate("answers are well formed", "Diff of %s: %v", img.name, res)
	}
	c.logf("    Diff %s: %v", img.name, res.GetDetailedDiff())
	return different, true
}

// create calls Create. A resource that the new one replaces is deleted at the end of the command.
func (c *command) create(i int, inputs property.Map) result {
	img := c.program[i]
	e := newEntry(img.name, inputs, map[content]string{})
	if !c.startCall() {
		return runStopped
	}
	var res *pulumirpc.CreateResponse
	err := c.callProvider("Create", e, img.wantedTags(), func() (err error) {
		res, err = c.wire.Create(c.ctx, &pulumirpc.CreateRequest{
			Urn: string(e.urn()), Properties: marshal(inputs, c.preview), Preview: c.preview,
		})
		return err
	})
	switch partial := partialState(err); {
	case c.dead:
		return runStopped
	case err == nil:
		e.id, e.outputs = res.GetId(), c.readOutputs(res.GetProperties())
	case partial != nil:
		e.id, e.outputs, e.incomplete = partial.GetId(), c.readOutputs(partial.GetProperties()), true
	}
	return c.store("Create", i, e, err)
}

func (c *command) update(i int, old *entry, inputs property.Map) result {
	img := c.program[i]
	if !c.startCall() {
		return runStopped
	}
	var ignored []string
	if img.keepsHash {
		ignored = []string{"contextHash"}
	}
	expected := c.expectedRollback(img, old)
	var res *pulumirpc.UpdateResponse
	err := c.callProvider("Update", old, img.wantedTags(), func() (err error) {
		res, err = c.wire.Update(c.ctx, &pulumirpc.UpdateRequest{
			Id: old.id, Urn: string(old.urn()), IgnoreChanges: ignored, Preview: c.preview,
			OldInputs: marshal(old.inputs, c.preview), Olds: marshal(old.outputs, c.preview),
			News: marshal(inputs, c.preview),
		})
		return err
	})
	e := newEntry(img.name, inputs, old.pastDigests)
	e.id = old.id
	switch partial := partialState(err); {
	case c.dead:
		return runStopped
	case err == nil:
		e.outputs = c.readOutputs(res.GetProperties())
		c.checkRollback(expected, e)
	case partial != nil: // the engine keeps the new outputs and the old inputs
		e.inputs, e.outputs, e.incomplete = old.inputs, c.readOutputs(partial.GetProperties()), true
		if e.digest() == old.digest() { // a tag may have moved, and the state says so
			for _, m := range c.moves {
				markTouched(m.tag, e)
			}
		}
	default:
		e.id = ""
	}
	return c.store("Update", i, e, err)
}

// store writes a new entry, if there is one, to the state. In a preview it keeps the outputs for a comparison.
func (c *command) store(what string, i int, e *entry, err error) result {
	if c.preview {
		if err != nil {
			violate("an up without a failure succeeds", "the preview of %s: %v", e.name, err)
		}
		if c.previewed != nil {
			c.previewed[e.name] = e.outputs
		}
		return resourceChanged
	}
	if e.id != "" {
		if old := c.entry(e.name); old != nil && what == "Create" {
			c.pendingDeletes = append(c.pendingDeletes, old)
		}
		c.put(e.name, e)
	}
	if err != nil {
		c.allowError(err, e.name, e.inputs)
		return runStopped
	}
	c.checkApplied(i, e)
	return resourceChanged
}

// delete calls Delete for a resource that the program no longer has, or for one that was replaced.
func (c *command) delete(e *entry, replaced bool) result {
	if !c.startCall() {
		return runStopped
	}
	before := c.heldTags(e)
	err := c.callProvider("Delete", e, nil, func() error {
		_, err := c.wire.Delete(c.ctx, &pulumirpc.DeleteRequest{Id: e.id, Urn: string(e.urn()),
			OldInputs: marshal(e.inputs, false), Properties: marshal(e.outputs, false)})
		return err
	})
	switch {
	case c.dead:
		return runStopped
	case err != nil:
		c.allowError(err, e.name, e.inputs)
		return runStopped
	}
	c.checkDeleted(e, before)
	if replaced {
		c.pendingDeletes = slices.DeleteFunc(c.pendingDeletes, func(d *entry) bool { return d == e })
	} else {
		c.put(e.name, nil)
	}
	return resourceChanged
}

// read calls Read and updates the entry.
func (c *command) read(e *entry) result {
	if !c.startCall() {
		return runStopped
	}
	var res *pulumirpc.ReadResponse
	err := c.callProvider("Read", e, nil, func() (err error) {
		res, err = c.wire.Read(c.ctx, &pulumirpc.ReadRequest{Id: e.id, Urn: string(e.urn()),
			Inputs: marshal(e.inputs, false), Properties: marshal(e.outputs, false)})
		return err
	})
	if err != nil {
		violate("a refresh survives every registry", "Read of %s: %v", e.name, err)
	}
	if res.GetId() == "" {
		c.checkDropped(e)
		c.put(e.name, nil)
		c.pendingDeletes = slices.DeleteFunc(c.pendingDeletes, func(d *entry) bool { return d == e })
		return resourceChanged
	}
	c.checkRefreshed(e, c.readOutputs(res.GetProperties()))
	e.inputs, e.outputs, e.incomplete = c.readInputs(res.GetInputs()), c.readOutputs(res.GetProperties()), false
	return resourceChanged
}
