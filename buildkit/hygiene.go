package buildkit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/go-units"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// From these on a context is worth a word when most of it is not read.
const (
	bigBytes = 100 << 20
	bigFiles = 20_000
)

// Warnings tell a person what is odd about the recorded inputs of a plan: files that BuildKit cannot send, and big contexts
// most of which the build does not read, with their biggest folders and what to do.
func (in *Inputs) Warnings(ctx context.Context, plan Plan) []string {
	var warnings []string
	for _, name := range slices.Sorted(maps.Keys(in.dirs)) {
		tree, dir := in.trees[name], in.dirs[name].dir
		if skipped := tree.Skipped(); len(skipped) > 0 {
			warnings = append(warnings, fmt.Sprintf("build context %s: %s: BuildKit cannot send sockets, FIFOs and devices, so the build goes without. "+
				"Add them to .dockerignore to be rid of this warning", dir, few(skipped)))
		}
		if reason := in.waste(ctx, plan, in.dirs[name]); reason != "" {
			warnings = append(warnings, fmt.Sprintf("build context %s: %s in %d files are hashed and sent, %s: %s",
				dir, units.BytesSize(float64(tree.Size())), tree.Len(), reason, folders(tree.Biggest(3))))
		}
	}
	return warnings
}

// waste tells why most of a big context is not read; "" when it is small or read.
func (in *Inputs) waste(ctx context.Context, plan Plan, c localContext) string {
	whole := in.trees[c.source]
	if in.reads != nil || whole.Size() < bigBytes && whole.Len() < bigFiles {
		return ""
	}
	reads, certain := Predict(ctx, plan, in.Definition)
	if !certain {
		return "because it cannot be told for certain which of them the Dockerfile reads. Name what it does not need in .dockerignore, as perhaps"
	}
	scope, err := c.scope(reads)
	if err != nil || scope.Includes == nil {
		return ""
	}
	entries, bytes, err := whole.Part(scope)
	if err != nil || 2*bytes > whole.Size() && 2*entries > whole.Len() {
		return ""
	}
	return "most of which the Dockerfile does not read. Set watch to auto, or name in .dockerignore"
}

func folders(biggest []source.Folder) string {
	var parts []string
	for _, f := range biggest {
		parts = append(parts, fmt.Sprintf("%s (%s in %d files)", f.Name, units.BytesSize(float64(f.Bytes)), f.Files))
	}
	return strings.Join(parts, ", ")
}

// few names the first paths of a list.
func few(paths []string) string {
	const shown = 5
	text := fmt.Sprintf("%q", paths[:min(shown, len(paths))])
	text = strings.Trim(text, "[]")
	if more := len(paths) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
