//go:build linux

package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

// Resource is one resource of a stack's state. Secrets in it are ciphertext.
type Resource struct {
	URN     string
	Type    string
	Inputs  map[string]any
	Outputs map[string]any
}

// Export is the stack's state, without the stack resource and the providers.
func (s *Stack) Export(ctx context.Context) ([]Resource, error) {
	quiet := *s
	quiet.output = nil
	result, err := quiet.Run(ctx, "stack", "export", "--stack", "dev")
	if err != nil {
		return nil, err
	}
	var state struct {
		Deployment struct{ Resources []Resource }
	}
	if err := json.Unmarshal([]byte(result.Stdout), &state); err != nil {
		return nil, fmt.Errorf("read what pulumi stack export printed: %w: %s", err, result.All())
	}
	return slices.DeleteFunc(state.Deployment.Resources, func(r Resource) bool {
		return r.Type == "pulumi:pulumi:Stack" || r.Type == "pulumi:providers:buildkit"
	}), nil
}
