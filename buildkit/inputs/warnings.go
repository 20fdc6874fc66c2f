package inputs

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/go-units"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/foreign"
)

// A context of this size or more is worth a warning when most of it is not read.
const (
	bigBytes = 100 << 20
	bigFiles = 20_000
)

// WarningKind is what a warning is about.
type WarningKind int

// The kinds of warnings.
const (
	IgnoreFile   WarningKind = iota // an ignore file, or a pattern of one, has no effect
	NotSent                         // BuildKit cannot send some files
	Uncertain                       // most of a big context counts because nobody can tell what the Dockerfile reads
	MostlyUnread                    // the Dockerfile does not read most of a big context
)

// Warning is what a person should know about the recorded inputs of a plan.
type Warning struct {
	Kind    WarningKind
	Text    string
	Folders string // the biggest folders that are not needed, with their sizes; "" for other kinds
}

// Warnings returns what a person should know about the recorded inputs of a plan: files that BuildKit cannot send,
// ignore files without effect, and big contexts most of which the build does not read, with their biggest folders.
func (in *Inputs) Warnings(ctx context.Context, plan Plan) (warnings []Warning) {
	for _, text := range in.linkWarnings {
		warnings = append(warnings, Warning{Text: text})
	}
	for _, name := range slices.Sorted(maps.Keys(in.contexts)) {
		tree, c := in.trees[name], in.contexts[name]
		if text := warnOfPattern(c.ignore, c.ignorePath); text != "" && in.mayReadSource(name) {
			warnings = append(warnings, Warning{Text: text})
		}
		if skipped := tree.SkippedPaths(); len(skipped) > 0 {
			warnings = append(warnings, Warning{Kind: NotSent,
				Text: fmt.Sprintf("build context %s: %s: BuildKit cannot "+
					"send sockets, FIFOs and devices, so the build goes without", c.dir, foreign.QuoteFirst(skipped))})
		}
		if waste, ok := in.wasteWarning(ctx, plan, c); ok {
			all, _ := tree.Weight()
			waste.Text = fmt.Sprintf("build context %s: %s in %d files are hashed and sent, %s",
				c.dir, units.BytesSize(float64(all.Bytes)), all.Files, waste.Text)
			warnings = append(warnings, waste)
		}
	}
	return warnings
}

// wasteWarning returns why most of a big context is not read. ok is false when the context is small or read.
func (in *Inputs) wasteWarning(ctx context.Context, plan Plan, c localContext) (w Warning, ok bool) {
	all, names := in.trees[c.source].Weight()
	if in.predicted.Reads != nil || !isBig(all) {
		return Warning{}, false
	}
	predicted, err := predict(ctx, plan, in.Texts)
	if predicted.doubt != "" || err != nil {
		return Warning{
			Kind: Uncertain, Text: "because it cannot be told for certain which of them the Dockerfile reads",
			Folders: describeFolders(names),
		}, true
	}
	scope, err := c.scope(ctx, in.files, predicted.Reads)
	if err != nil || scope.Includes == nil {
		return Warning{}, false
	}
	read, left, err := in.trees[c.source].PartWeight(scope)
	if err != nil || !isWaste(all, read) {
		return Warning{}, false
	}
	return Warning{
		Kind: MostlyUnread, Text: "most of which the Dockerfile does not read", Folders: describeFolders(left),
	}, true
}

// ReservedPaths returns the absolute paths of what Files.Reserved kept out of the contexts.
func (in *Inputs) ReservedPaths() []string {
	var all []string
	for name := range in.contexts {
		tree := in.trees[name]
		for _, path := range tree.ReservedPaths() {
			all = append(all, filepath.Join(tree.Root(), filepath.FromSlash(path)))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func isBig(all source.Folder) bool { return all.Bytes >= bigBytes || all.Files >= bigFiles }

// isWaste tells whether at most a half of what makes a context big is read.
func isWaste(all, read source.Folder) bool {
	return all.Bytes >= bigBytes && 2*read.Bytes <= all.Bytes || all.Files >= bigFiles && 2*read.Files <= all.Files
}

// describeFolders names the biggest folders, without those that are nothing beside the first.
func describeFolders(all map[string]source.Folder) string {
	var parts []string
	biggest := source.BiggestFolders(all, 3)
	for _, f := range biggest {
		if 100*f.Bytes >= biggest[0].Bytes || 100*f.Files >= biggest[0].Files && f.Files > 1 {
			size := units.BytesSize(float64(f.Bytes))
			parts = append(parts, fmt.Sprintf("%s (%s in %d files)", f.Name, size, f.Files))
		}
	}
	return strings.Join(parts, ", ")
}
