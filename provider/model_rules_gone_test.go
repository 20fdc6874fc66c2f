package provider

import (
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// allowError breaks a rule unless a failure, an outage or a wrong password explains the error.
func (c *command) allowError(err error, name string, inputs property.Map) {
	switch {
	case c.failure != nil && c.failure.hit:
	case c.registry.outage != healthy:
	case !c.canLogIn(inputs):
	default:
		violate("an up without a failure succeeds", "%s: %v", name, err)
	}
}

// canLogIn tells whether the registry accepts the image's own login or, without one, the provider's.
func (c *command) canLogIn(inputs property.Map) bool {
	password := passwordIn(inputs)
	if password == "" {
		password = c.config
	}
	return password == c.registry.password
}

// passwordIn returns the password of the first login in registries.
func passwordIn(inputs property.Map) string {
	logins := inputs.Get("registries")
	if !logins.IsArray() || logins.AsArray().Len() == 0 {
		return ""
	}
	return text(logins.AsArray().Get(0).AsMap(), "password")
}

// keepsTag tells whether a tag of a deleted entry must stay, because the program wants it.
func (c *command) keepsTag(tag string) bool {
	return !c.destroys && c.imageWithTag(tag) != nil
}

// heldTags returns the tags of the entry that hold its digest.
func (m *model) heldTags(e *entry) []string {
	return slices.DeleteFunc(m.tagsOf(e), func(tag string) bool { return m.registry.digestAt(tag) != e.digest() })
}

// checkDeleted checks that Delete removed the tags that held the image before.
func (c *command) checkDeleted(e *entry, before []string) {
	forgot := c.failure != nil && c.failure.hit && c.failure.kind == loseWrite
	for _, tag := range before {
		if held := c.registry.digestAt(tag); held != "" && !c.keepsTag(tag) && !forgot {
			violate("a delete leaves nothing", "%s of %s still holds %s", tag, e.name, short(held))
		}
	}
}

// checkDropped checks that an image is really gone, after Read said so.
func (c *command) checkDropped(e *entry) {
	switch {
	case c.registry.outage == down, !c.canLogIn(e.inputs):
		violate("only what is gone is dropped", "%s, and the registry did not even answer", e.name)
	case len(c.tagsOf(e)) == 0, len(c.heldTags(e)) > 0, c.hasDigest(e):
		violate("only what is gone is dropped", "%s: %v hold it", e.name, c.heldTags(e))
	}
}

// hasDigest tells whether one of the entry's repositories still has its digest.
func (m *model) hasDigest(e *entry) bool {
	return slices.ContainsFunc(m.tagsOf(e), func(tag string) bool {
		repository, _ := splitName(tag)
		return m.registry.digestAt(repository+"@"+e.digest()) != ""
	})
}

// checkRefreshed compares the outputs of Read with the registry or, if the registry cannot be asked, with the state.
func (c *command) checkRefreshed(e *entry, outputs property.Map) {
	want := c.tagsOf(e)
	if c.registry.outage != down && c.canLogIn(e.inputs) {
		want = c.heldTags(e)
		if len(want) == 0 && len(c.tagsOf(e)) > 0 && !c.hasDigest(e) {
			violate("what is gone is dropped", "%s is still in the state", e.name)
		}
		e.touchedTags = map[string]bool{}
	}
	after := &entry{name: e.name, outputs: outputs}
	if got := c.tagsOf(after); !slices.Equal(got, want) || after.digest() != e.digest() {
		violate("a refresh shows the registry", "%s has refs %v at %s, want %v at %s",
			e.name, got, short(after.digest()), want, short(e.digest()))
	}
}

// readImport calls Read for a tag, fills a new entry and tells whether an image was found.
func (c *command) readImport(e *entry, tag string) (found bool) {
	held := c.registry.digestAt(tag)
	if !c.startCall() {
		return false
	}
	res, err := c.wire.Read(c.ctx, &pulumirpc.ReadRequest{Id: e.id, Urn: string(e.urn())})
	if err != nil && held == "" && strings.Contains(err.Error(), "there is no such image: resolving "+e.id) {
		return false
	}
	if err != nil {
		c.allowError(err, e.name, e.inputs)
		return false
	}
	if held == "" || res.GetId() == "" {
		violate("an import finds what there is", "%s holds %q, and %q was found", tag, held, res.GetId())
	}
	e.id, e.inputs, e.outputs = res.GetId(), c.readInputs(res.GetInputs()), c.readOutputs(res.GetProperties())
	if e.id != e.name || e.digest() != held || !slices.Equal(c.tagsOf(e), []string{tag}) {
		violate("an import finds what there is", "%s holds %s, and the state is %v", tag, short(held), e.outputs)
	}
	return true
}
