//go:build linux

package reliability

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// endLimit is how long the plugin may outlive a killed engine.
const endLimit = 20 * time.Second

// changes matches what the CLI says of a change of the image or the index.
var changes = regexp.MustCompile(`buildkit:index:\w+ \w+ (created|updated|deleted|refreshed)`)

// runCLI runs one command with the real CLI, and reads the state that it leaves.
func (w *world) runCLI(ctx context.Context, command string, p program) (out outcome, err error) {
	if p.inputs != nil {
		if err := w.writeProgram(p); err != nil {
			return out, err
		}
	}
	process, err := w.stack.Start(ctx, command, "--yes", "--non-interactive", "--stack", "dev", "--skip-preview")
	if err != nil {
		return out, err
	}
	w.process.Store(process)
	ended, err := process.Wait()
	if err != nil {
		return out, err
	}
	out = outcome{log: ended.All(), killed: ended.Code < 0, changed: changes.MatchString(ended.All())}
	if ended.Code != 0 {
		out.err = errors.New(ended.All())
	}
	if out.killed {
		if err := w.recover(ctx); err != nil {
			out.err = errors.Join(out.err, err)
		}
	}
	w.state, err = w.readState()
	return out, err
}

// recover waits until the plugin has noticed the end of its engine, and does what a user does then: the killed CLI left
// its lock on the state.
func (w *world) recover(ctx context.Context) error {
	left := stack.WaitUntil(ctx, endLimit, func() bool { return len(w.plugins()) == 0 })
	stack.Kill(w.stack.Plugins()) // the language host is Pulumi's own
	result, err := w.stack.Run(ctx, "cancel", "--yes", "--stack", "dev")
	if err == nil && result.Code != 0 {
		err = fmt.Errorf("pulumi cancel: %s", result.All())
	}
	if left != nil {
		left = fmt.Errorf("the plugin outlives its engine: %v", w.plugins())
	}
	return errors.Join(left, err)
}

// writeProgram writes Pulumi.yaml. JSON is YAML.
func (w *world) writeProgram(p program) error {
	text, err := json.Marshal(map[string]any{
		"name": "app", "runtime": "yaml",
		"resources": map[string]any{strings.ToLower(p.kind): map[string]any{
			"type": "buildkit:" + p.kind, "properties": p.inputs,
		}},
	})
	if err != nil {
		return err
	}
	return w.write("Pulumi.yaml", string(text))
}

// readState returns the resource in the state of the CLI.
func (w *world) readState() (*entry, error) {
	resources, err := w.stack.Export()
	if err != nil || len(resources) == 0 {
		return nil, err
	}
	if len(resources) > 1 {
		return nil, fmt.Errorf("the state has the resources %v", resources)
	}
	r := resources[0]
	outputs, err := structpb.NewStruct(r.Outputs)
	kind := r.Type[strings.LastIndex(r.Type, ":")+1:]
	return &entry{kind: kind, id: r.ID, outputs: outputs, incomplete: len(r.InitErrors) > 0}, err
}
