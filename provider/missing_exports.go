package provider

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// missingKey holds, in the inputs, how often Check did not find what an export wrote, by the destination. The outputs
// repeat it. Diff compares both, so that it needs no disk. A file that is there again leaves the number as it is, so
// that nothing differs. The engine keeps keys that begin with __ out of diffs and off the screen.
const missingKey = "__missingExports"

// fillMissingExports notes in the inputs which files and folders of exports this machine lacks, such as another machine
// after a checkout. If no input that shapes them changed, files of other inputs count as lacking too: a preview wrote
// them, or this machine before another one applied newer inputs. Before the first update there is nothing to miss.
func fillMissingExports(req p.CheckRequest, c *checker, res *p.CheckResponse) {
	if req.State.Len() == 0 || isImport(req) || c.raw.Get("exports").IsComputed() {
		return
	}
	counts := map[string]property.Value{}
	hash := unchangedHash(c, req.State, res.Inputs)
	for i, e := range c.args.Exports {
		form, err := e.toExport()
		if err != nil || form.dest == "" || deref(e.Disabled) || c.unknownAt(key("exports"), index(i)) {
			continue
		}
		count := missingCount(req.State, form.dest)
		if userWrittenExports().areMissing(form, hash) {
			count++
		}
		if count > 0 {
			counts[form.dest] = property.New(count)
		}
	}
	if len(counts) > 0 {
		res.Inputs = res.Inputs.Set(missingKey, property.New(counts))
	}
}

// unchangedHash returns the inputs hash if the old and the new inputs have the same, and "" otherwise.
func unchangedHash(c *checker, old, inputs property.Map) string {
	before, err := decodeStored(c.ctx, old)
	if err != nil || !isKnown(inputs, imageInputs...) {
		return ""
	}
	hash := inputsHash(c.args.withComputedInputs(inputs))
	if inputsHash(before) != hash {
		return ""
	}
	return hash
}

// missingCount returns how often a destination was missing, as inputs or outputs hold it.
func missingCount(of property.Map, dest string) float64 {
	counts := of.Get(missingKey)
	if !counts.IsMap() || !counts.AsMap().Get(dest).IsNumber() {
		return 0
	}
	return counts.AsMap().Get(dest).AsNumber()
}

// isMissing tells whether nothing is where the export writes, or an empty folder. What cannot be looked at counts as
// there. It opens no file, which could be a FIFO.
func (e export) isMissing() bool {
	info, err := os.Stat(e.dest)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	if !info.IsDir() || e.kind != "local" && !e.folder {
		return false
	}
	folder, err := os.OpenRoot(e.dest)
	if err != nil {
		return false
	}
	defer func() { _ = folder.Close() }()
	entries, err := fs.ReadDir(folder.FS(), ".")
	return err == nil && len(entries) == 0
}

// missingExports returns the exports whose destination was missing since they were applied.
func missingExports(outputs, inputs property.Map, exports []export) []export {
	return slices.DeleteFunc(slices.Clone(exports), func(e export) bool {
		return e.dest == "" || missingCount(inputs, e.dest) <= missingCount(outputs, e.dest)
	})
}

// missingExportPaths returns the paths of the exports whose destination was missing since they were applied.
func missingExportPaths(ctx context.Context, outputs, inputs property.Map) map[string]p.DiffKind {
	changes := map[string]p.DiffKind{}
	if inputs.Get(missingKey).IsNull() {
		return changes
	}
	args, err := decodeStored(ctx, inputs)
	if err != nil {
		return changes
	}
	for i, e := range args.Exports {
		form, err := e.toExport()
		if err == nil && !deref(e.Disabled) && len(missingExports(outputs, inputs, []export{form})) > 0 {
			changes[fmt.Sprintf("exports[%d]", i)] = p.Update
		}
	}
	return changes
}

// logMissing logs which files are written again.
func logMissing(ctx context.Context, op operation) {
	var paths []string
	for _, e := range op.missing {
		paths = append(paths, printable(e.dest))
	}
	if len(paths) > 0 {
		loggerOf(ctx).infof("exports: not on this machine, or of other inputs, so that the build writes it again: %s",
			strings.Join(paths, ", "))
	}
}
