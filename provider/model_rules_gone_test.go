package provider

import (
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// excuse accepts an error when something was wrong on purpose.
func (c *command) excuse(err error, name string, inputs property.Map) {
	switch {
	case c.trouble != nil && c.trouble.hit:
	case c.front.outage != healthy:
	case !c.accepted(inputs):
	default:
		broken("an up without trouble succeeds", "%s: %v", name, err)
	}
}

// accepted tells whether the registry takes what there is to log in with: the image's own login, or else the provider's.
func (c *command) accepted(inputs property.Map) bool {
	password := passwordIn(inputs)
	if password == "" {
		password = c.config
	}
	return password == c.front.password
}

// passwordIn is the one of the inputs' first login.
func passwordIn(inputs property.Map) string {
	logins := inputs.Get("registries")
	if !logins.IsArray() || logins.AsArray().Len() == 0 {
		return ""
	}
	return text(logins.AsArray().Get(0).AsMap(), "password")
}

// spares tells whether a tag of a deleted entry is to stay, because the program that runs wants it.
func (c *command) spares(tag string) bool {
	return !c.destroys && c.wanter(tag) != nil
}

// holding are the tags of the entry that hold its digest.
func (w *world) holding(e *entry) []string {
	return slices.DeleteFunc(w.tags(e), func(tag string) bool { return w.front.holds(tag) != e.digest() })
}

// deleted holds what is left of an entry against what it had.
func (c *command) deleted(e *entry, before []string) {
	forgot := c.trouble != nil && c.trouble.hit && c.trouble.kind == forgotten
	for _, tag := range before {
		if held := c.front.holds(tag); held != "" && !c.spares(tag) && !forgot {
			broken("a delete leaves nothing", "%s of %s still holds %s", tag, e.name, short(held))
		}
	}
}

// dropped accepts that Read calls an entry gone.
func (c *command) dropped(e *entry) {
	switch {
	case c.front.outage == down, !c.accepted(e.inputs):
		broken("only what is gone is dropped", "%s, and the registry did not even answer", e.name)
	case len(c.tags(e)) == 0, len(c.holding(e)) > 0, c.somewhere(e):
		broken("only what is gone is dropped", "%s: %v hold it", e.name, c.holding(e))
	}
}

// somewhere tells whether a repository of the entry still has its digest.
func (w *world) somewhere(e *entry) bool {
	return slices.ContainsFunc(w.tags(e), func(tag string) bool {
		repository, _ := parted(tag)
		return w.front.holds(repository+"@"+e.digest()) != ""
	})
}

// refreshed holds what Read says against what there is, or against the state when the registry does not tell.
func (c *command) refreshed(e *entry, outputs property.Map) {
	want := c.tags(e)
	if c.front.outage != down && c.accepted(e.inputs) {
		want = c.holding(e)
		if len(want) == 0 && len(c.tags(e)) > 0 && !c.somewhere(e) {
			broken("what is gone is dropped", "%s is still in the state", e.name)
		}
		e.doubted = map[string]bool{}
	}
	after := &entry{name: e.name, outputs: outputs}
	if got := c.tags(after); !slices.Equal(got, want) || after.digest() != e.digest() {
		broken("a refresh tells what there is", "%s has refs %v at %s, and %v at %s is true", e.name, got, short(after.digest()), want, short(e.digest()))
	}
}

// imported reads what is behind a tag into a new entry, and tells whether there is something.
func (c *command) imported(e *entry, tag string) (found bool) {
	held := c.front.holds(tag)
	if !c.alive() {
		return false
	}
	res, err := c.wire.Read(c.ctx, &pulumirpc.ReadRequest{Id: e.id, Urn: string(e.urn())})
	if err != nil && held == "" && strings.Contains(err.Error(), "there is no such image: resolving "+e.id) {
		return false
	}
	if err != nil {
		c.excuse(err, e.name, e.inputs)
		return false
	}
	if held == "" || res.GetId() == "" {
		broken("an import finds what there is", "%s holds %q, and %q was found", tag, held, res.GetId())
	}
	e.id, e.inputs, e.outputs = res.GetId(), c.inputsOf(res.GetInputs()), c.outputs(res.GetProperties())
	if e.id != e.name || e.digest() != held || !slices.Equal(c.tags(e), []string{tag}) {
		broken("an import finds what there is", "%s holds %s, and the state is %v", tag, short(held), e.outputs)
	}
	return true
}
