//go:build linux

package reliability

import (
	"context"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

// program is what a user wrote: one resource, or none.
type program struct {
	kind   string         // Image or Index
	inputs map[string]any // nil: the program has no resource
}

// entry is the resource in the state of the engine.
type entry struct {
	kind, id        string
	inputs, outputs *structpb.Struct
	incomplete      bool // it has init errors
}

func (e *entry) urn() string {
	return "urn:pulumi:dev::app::buildkit:index:" + e.kind + "::" + strings.ToLower(e.kind)
}

// text returns an output, or "".
func (e *entry) text(key string) string { return e.outputs.GetFields()[key].GetStringValue() }

// digest returns the digest of the image or the index.
func (e *entry) digest() string { return e.text("digest") }

// tags returns the references that the state says to hold digest.
func (e *entry) tags() []string {
	if e.kind == "Index" {
		return []string{e.text("tag")}
	}
	var tags []string
	for _, v := range e.outputs.GetFields()["refs"].GetListValue().GetValues() {
		tags = append(tags, strings.SplitN(v.GetStringValue(), "@", 2)[0])
	}
	return tags
}

// outcome is how a command ended.
type outcome struct {
	err     error // the first one of the provider
	killed  bool  // a process of the command got SIGKILL
	changed bool  // a resource was created, updated, refreshed or deleted
	log     string
}

// The commands of Pulumi.
const (
	up      = "up"
	refresh = "refresh"
	destroy = "destroy"
)

// engine runs one command with one plugin, in the order of the calls of the Pulumi engine. It keeps what that engine
// keeps of the answers, and what it keeps after an error.
type engine struct {
	plugin *plugin
	state  *entry // nil: no resource
}

// run runs the command and changes the state.
func (e *engine) run(ctx context.Context, command string, p program) outcome {
	var changed bool
	var err error
	switch command {
	case up:
		changed, err = e.up(ctx, p)
	case refresh:
		changed, err = e.refresh(ctx)
	case destroy:
		changed, err = e.destroy(ctx)
	}
	return outcome{err: err, changed: changed, killed: e.plugin.wasKilled(), log: e.plugin.log()}
}

// up brings the resource to the inputs of the program.
func (e *engine) up(ctx context.Context, p program) (changed bool, err error) {
	news, err := structpb.NewStruct(p.inputs)
	if err != nil {
		return false, err
	}
	old := e.state
	if old == nil {
		old = &entry{kind: p.kind}
	}
	checked, err := e.plugin.Check(ctx, &pulumirpc.CheckRequest{Urn: old.urn(), Olds: old.inputs, News: news})
	if err == nil && len(checked.GetFailures()) > 0 {
		err = fmt.Errorf("check: %v", checked.GetFailures())
	}
	if err != nil {
		return false, err
	}
	inputs := checked.GetInputs()
	if old.id == "" {
		return true, e.create(ctx, p.kind, inputs)
	}
	diff, err := e.plugin.Diff(ctx, &pulumirpc.DiffRequest{
		Id: old.id, Urn: old.urn(), OldInputs: old.inputs, Olds: old.outputs, News: inputs,
	})
	if err != nil {
		return false, err
	}
	if diff.GetChanges() != pulumirpc.DiffResponse_DIFF_SOME && !old.incomplete {
		e.state = &entry{kind: old.kind, id: old.id, inputs: inputs, outputs: old.outputs}
		return false, nil
	}
	return true, e.update(ctx, old, inputs)
}

func (e *engine) create(ctx context.Context, kind string, inputs *structpb.Struct) error {
	created := &entry{kind: kind, inputs: inputs}
	res, err := e.plugin.Create(ctx, &pulumirpc.CreateRequest{Urn: created.urn(), Properties: inputs})
	switch partial := partialState(err); {
	case err == nil:
		created.id, created.outputs = res.GetId(), res.GetProperties()
	case partial != nil:
		created.id, created.outputs, created.incomplete = partial.GetId(), partial.GetProperties(), true
	default:
		return err
	}
	e.state = created
	return err
}

func (e *engine) update(ctx context.Context, old *entry, inputs *structpb.Struct) error {
	res, err := e.plugin.Update(ctx, &pulumirpc.UpdateRequest{
		Id: old.id, Urn: old.urn(), OldInputs: old.inputs, Olds: old.outputs, News: inputs,
	})
	switch partial := partialState(err); {
	case err == nil:
		e.state = &entry{kind: old.kind, id: old.id, inputs: inputs, outputs: res.GetProperties()}
	case partial != nil: // the engine keeps the new outputs and the old inputs
		e.state = &entry{
			kind: old.kind, id: old.id, inputs: old.inputs, outputs: partial.GetProperties(), incomplete: true,
		}
	}
	return err
}

func (e *engine) refresh(ctx context.Context) (changed bool, err error) {
	old := e.state
	if old == nil {
		return false, nil
	}
	res, err := e.plugin.Read(ctx, &pulumirpc.ReadRequest{
		Id: old.id, Urn: old.urn(), Inputs: old.inputs, Properties: old.outputs,
	})
	if err != nil {
		return false, err
	}
	if res.GetId() == "" {
		e.state = nil
		return true, nil
	}
	e.state = &entry{
		kind: old.kind, id: old.id, inputs: res.GetInputs(), outputs: res.GetProperties(), incomplete: old.incomplete,
	}
	return old.outputs.String() != e.state.outputs.String(), nil
}

func (e *engine) destroy(ctx context.Context) (changed bool, err error) {
	old := e.state
	if old == nil {
		return false, nil
	}
	_, err = e.plugin.Delete(ctx, &pulumirpc.DeleteRequest{
		Id: old.id, Urn: old.urn(), OldInputs: old.inputs, Properties: old.outputs,
	})
	if err == nil {
		e.state = nil
	}
	return true, err
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
