package provider

import (
	"slices"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// The registry of a frontend counts if this build runs it. The list of those that may run counts only if nobody knows
// which one the Dockerfile asks for.
func TestRegistryHostsOfFrontends(t *testing.T) {
	t.Parallel()
	config := Config{Frontends: []string{"localhost:5001/fe"}}
	for name, c := range map[string]struct {
		files inputs.Files
		want  []string
	}{
		"asked for": {
			files: inputs.Files{Context: ".", Inline: []byte("# syntax=localhost:5000/fe\nFROM scratch\n")},
			want:  []string{"localhost:5000"},
		},
		"only allowed": {files: inputs.Files{Context: ".", Inline: []byte("FROM scratch\n")}},
		"not known":    {files: inputs.Files{Context: "https://example.com/a.git"}, want: []string{"localhost:5001"}},
	} {
		op := operation{plan: inputs.Plan{Files: c.files}}
		if got := registryHosts(t.Context(), op, config); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
