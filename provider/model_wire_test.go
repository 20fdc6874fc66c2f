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

// command is one command of the engine, such as pulumi up: a process of the provider and the calls to it.
type command struct {
	*model
	wire     *wire
	end      func()
	preview  bool
	destroys bool   // the program does not run
	config   string // the password in its configuration

	calls    int
	moves    []move // of the last call
	dead     bool   // the provider's process or the engine's has ended
	canceled bool   // no further call begins
}

// providerCall is one call of the provider, with what it does to the registry.
type providerCall struct {
	tags    []string // that the call sets, such as "app:a"
	failure *failure
	kill    func()
	cancel  func()

	moves    []move
	canceled bool // or killed, or cut off
	queues   map[string]*queue
}

// move is a write that changed a tag. The digest of a missing tag is "".
type move struct{ method, tag, before, after string }

func (m *model) startCommand(preview bool, password string) *command {
	config := property.Map{}.Set("host", property.New(m.machines[m.machine])).Set("registries", m.login(password))
	m.registry.restore()
	wire, end, err := startProvider(m.ctx, newFastProvider(), marshal(config, preview))
	if err != nil {
		violate("harness", "the provider does not start: %v", err)
	}
	return &command{model: m, wire: wire, end: end, preview: preview, config: password}
}

// finish ends the process and searches its log for secrets.
func (c *command) finish() {
	c.end()
	for _, l := range c.wire.engine.Logs() {
		c.logf("    %s", l.GetMessage())
		if strings.Contains(l.GetMessage(), "canary") {
			violate("no secret is shown", "the log says %q", l.GetMessage())
		}
	}
}

// kill closes the connection. To the engine that looks like kill -9 of the provider's process.
func (c *command) kill() { _ = c.wire.conn.Close() }

func (c *command) cancel() { _, _ = c.wire.Cancel(c.ctx, &emptypb.Empty{}) }

// startCall counts a call and tells whether the processes are alive to make it.
func (c *command) startCall() bool {
	if c.calls++; c.crash > 0 && c.calls >= c.crash && !c.preview {
		c.dead = true
	}
	return !c.dead
}

// callProvider makes a call that may write to the registry, and checks which tags it changed.
func (c *command) callProvider(what string, by *entry, tags []string, do func() error) error {
	c.registry.begin(&providerCall{tags: tags, failure: c.failure, kill: c.kill, cancel: c.cancel})
	err := do()
	call := c.registry.end() // whatever is still under way does not count
	if c.failure != nil && c.failure.hit {
		switch c.failure.kind {
		case killBefore, killAfter:
			c.dead = true
			c.end()
		case cancelBefore, cancelAfter:
			c.canceled = true
		}
	}
	c.moves = call.moves
	c.checkMoves(what, by, tags)
	if err != nil {
		c.logf("    %s: %v", what, err)
		if strings.Contains(err.Error(), "canary") {
			violate("no secret is shown", "%s says %q", what, err)
		}
	}
	return err
}

// checkMoves checks that the last call changed only tags that it may change.
func (c *command) checkMoves(what string, by *entry, tags []string) {
	for _, m := range c.moves {
		c.logf("    %s %s %s → %s", m.method, m.tag, short(m.before), short(m.after))
		switch {
		case c.preview || what == "Read":
			violate("a preview or a refresh writes nothing", "%s of %s: %v", what, by.name, m)
		case m.method == "PUT" && !slices.Contains(tags, m.tag):
			violate("only own tags are moved", "%s of %s: %v", what, by.name, m)
		case m.method == "DELETE" &&
			(what != "Delete" || !slices.Contains(c.tagsOf(by), m.tag) || m.before != by.digest()):
			violate("only own tags are deleted", "%s of %s: %v", what, by.name, m)
		case m.method == "DELETE" && c.keepsTag(m.tag):
			violate("a tag that another image wants is not deleted", "%s of %s: %v, which %s wants",
				what, by.name, m, c.imageWithTag(m.tag).name)
		}
		for _, e := range c.entries() {
			if slices.Contains(c.tagsOf(e), m.tag) && (e != by || c.dead || what == "Delete") {
				markTouched(m.tag, e)
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

// partialState returns the partial state that an error holds, or nil.
func partialState(err error) *pulumirpc.ErrorResourceInitFailed {
	for _, detail := range rpcerror.Convert(err).Details() {
		if partial, ok := detail.(*pulumirpc.ErrorResourceInitFailed); ok {
			return partial
		}
	}
	return nil
}

// marshal returns a property map as the engine sends it to a provider that accepts secrets.
func marshal(m property.Map, unknowns bool) *structpb.Struct {
	s, err := plugin.MarshalProperties(resource.ToResourcePropertyMap(m),
		plugin.MarshalOptions{KeepUnknowns: unknowns, KeepSecrets: true, KeepResources: true})
	if err != nil {
		violate("harness", "%v", err)
	}
	return s
}

// unmarshal reverses marshal. Only a preview may return an unknown value.
func unmarshal(s *structpb.Struct, unknowns bool) property.Map {
	m, err := plugin.UnmarshalProperties(s, plugin.MarshalOptions{
		KeepUnknowns: unknowns, RejectUnknowns: !unknowns, KeepSecrets: true, KeepResources: true,
	})
	if err != nil {
		violate("answers are well formed", "%v in %v", err, s)
	}
	return resource.FromResourcePropertyMap(m)
}

// readOutputs unmarshals outputs, which hold no credentials, not even as secrets.
func (c *command) readOutputs(s *structpb.Struct) property.Map {
	m := unmarshal(s, c.preview)
	if strings.Contains(s.String(), "canary") {
		violate("no secret is shown", "outputs %v", m)
	}
	return m
}

// readInputs unmarshals inputs, which hold credentials only as secrets.
func (c *command) readInputs(s *structpb.Struct) property.Map {
	m := unmarshal(s, c.preview)
	if hasPlainPassword(property.New(m)) {
		violate("no secret is shown", "inputs %v", m)
	}
	return m
}

// hasPlainPassword tells whether v holds a password that is not marked as a secret.
func hasPlainPassword(v property.Value) bool {
	switch {
	case v.Secret():
		return false
	case v.IsString():
		return strings.Contains(v.AsString(), "canary")
	case v.IsArray():
		return slices.ContainsFunc(v.AsArray().AsSlice(), hasPlainPassword)
	case v.IsMap():
		for _, e := range v.AsMap().All {
			if hasPlainPassword(e) {
				return true
			}
		}
	}
	return false
}
