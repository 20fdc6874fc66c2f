package provider

import (
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// command is one of the engine, as pulumi up is: a process of the provider and the calls that the engine makes to it.
type command struct {
	*world
	wire     *wire
	end      func()
	preview  bool
	destroys bool   // it asks the program nothing
	config   string // the password it is configured with

	calls int
	moves []move // of the last call
	dead  bool   // the provider's process or the engine's has ended: no call is made or answered any more
	over  bool   // the run was canceled: no further operation begins
}

func (w *world) start(preview bool, password string) *command {
	config := property.Map{}.Set("host", property.New(w.machines[w.machine])).Set("registries", w.login(password))
	w.front.mended()
	wire, end, err := launch(w.ctx, impatient(), marshaled(config, preview))
	if err != nil {
		broken("harness", "the provider does not start: %v", err)
	}
	return &command{world: w, wire: wire, end: end, preview: preview, config: password}
}

// finish ends the process and looks through what it said.
func (c *command) finish() {
	c.end()
	for _, l := range c.wire.engine.Logs() {
		c.note("    %s", l.GetMessage())
		if strings.Contains(l.GetMessage(), "canary") {
			broken("no secret is told", "the log says %q", l.GetMessage())
		}
	}
}

// kill ends the provider's process as kill -9 does: it is not heard of any more.
func (c *command) kill() { _ = c.wire.conn.Close() }

func (c *command) cancel() { _, _ = c.wire.Cancel(c.ctx, &emptypb.Empty{}) }

// alive counts a call and tells whether anybody is there to make it.
func (c *command) alive() bool {
	if c.calls++; c.crash > 0 && c.calls >= c.crash && !c.preview {
		c.dead = true
	}
	return !c.dead
}

// visited makes a call that may write to the registry, and settles what it did to tags.
func (c *command) visited(what string, by *entry, tags []string, call func() error) error {
	c.front.begin(&visit{tags: tags, trouble: c.trouble, kill: c.kill, cancel: c.cancel})
	err := call()
	v := c.front.end() // from here on nothing that is still under way counts
	if c.trouble != nil && c.trouble.hit {
		switch c.trouble.kind {
		case killed, killedAfter:
			c.dead = true
			c.end()
		case canceled, canceledAfter:
			c.over = true
		}
	}
	c.moves = v.moves
	c.settle(what, by, tags)
	if err != nil {
		c.note("    %s: %v", what, err)
		if strings.Contains(err.Error(), "canary") {
			broken("no secret is told", "%s says %q", what, err)
		}
	}
	return err
}

// settle holds what was done to tags against what the operation may do.
func (c *command) settle(what string, by *entry, tags []string) {
	for _, m := range c.moves {
		c.note("    %s %s %s → %s", m.method, m.tag, short(m.before), short(m.after))
		switch {
		case c.preview || what == "Read":
			broken("a preview or a refresh writes nothing", "%s of %s: %v", what, by.name, m)
		case m.method == "PUT" && !slices.Contains(tags, m.tag):
			broken("only own tags are moved", "%s of %s: %v", what, by.name, m)
		case m.method == "DELETE" && (what != "Delete" || !slices.Contains(c.tags(by), m.tag) || m.before != by.digest()):
			broken("only own tags are deleted", "%s of %s: %v", what, by.name, m)
		case m.method == "DELETE" && c.spares(m.tag):
			broken("a tag that another image wants is not deleted", "%s of %s: %v, which %s wants", what, by.name, m, c.wanter(m.tag).name)
		}
		for _, e := range c.entries() {
			if slices.Contains(c.tags(e), m.tag) && (e != by || c.dead || what == "Delete") {
				doubt(m.tag, e)
			}
		}
	}
}

func short(digest string) string {
	if digest == "" {
		return "nothing"
	}
	return digest[:min(len(digest), 15)]
}

// initFailed is the partial state that comes with an error; nil when there is none.
func initFailed(err error) *pulumirpc.ErrorResourceInitFailed {
	for _, detail := range rpcerror.Convert(err).Details() {
		if partial, is := detail.(*pulumirpc.ErrorResourceInitFailed); is {
			return partial
		}
	}
	return nil
}

// marshaled is a property map as the engine sends it to a provider that knows secrets.
func marshaled(m property.Map, unknowns bool) *structpb.Struct {
	s, err := plugin.MarshalProperties(resource.ToResourcePropertyMap(m),
		plugin.MarshalOptions{KeepUnknowns: unknowns, KeepSecrets: true, KeepResources: true})
	if err != nil {
		broken("harness", "%v", err)
	}
	return s
}

// unmarshaled is the other way round. Only a preview may answer with something unknown.
func unmarshaled(s *structpb.Struct, unknowns bool) property.Map {
	m, err := plugin.UnmarshalProperties(s,
		plugin.MarshalOptions{KeepUnknowns: unknowns, RejectUnknowns: !unknowns, KeepSecrets: true, KeepResources: true})
	if err != nil {
		broken("answers are well formed", "%v in %v", err, s)
	}
	return resource.FromResourcePropertyMap(m)
}

// outputs unpacks outputs, which hold no credentials, not even as secrets.
func (c *command) outputs(s *structpb.Struct) property.Map {
	m := unmarshaled(s, c.preview)
	if strings.Contains(s.String(), "canary") {
		broken("no secret is told", "outputs %v", m)
	}
	return m
}

// inputsOf unpacks inputs, which hold credentials as secrets only.
func (c *command) inputsOf(s *structpb.Struct) property.Map {
	m := unmarshaled(s, c.preview)
	if bare(property.New(m)) {
		broken("no secret is told", "inputs %v", m)
	}
	return m
}

// bare tells whether a password is somewhere in v without being a secret.
func bare(v property.Value) bool {
	switch {
	case v.Secret():
		return false
	case v.IsString():
		return strings.Contains(v.AsString(), "canary")
	case v.IsArray():
		return slices.ContainsFunc(v.AsArray().AsSlice(), bare)
	case v.IsMap():
		for _, e := range v.AsMap().All {
			if bare(e) {
				return true
			}
		}
	}
	return false
}
