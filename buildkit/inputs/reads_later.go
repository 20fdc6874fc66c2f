package inputs

import (
	"context"
	"path/filepath"
	"strings"
)

// MayRead tells whether the build may read what something else writes at path, a file or a folder that need not be
// there: it is in a context or around one, no ignore file leaves it out, and the Dockerfile reads it.
func (in *Inputs) MayRead(ctx context.Context, path string) bool {
	abs, err := filepath.Abs(path)
	if err != nil {
		return true
	}
	for source, c := range in.contexts {
		dir, err := filepath.Abs(c.dir)
		if err != nil {
			return true
		}
		if in.mayReadSource(source) && c.mayRead(ctx, in, dir, abs) {
			return true
		}
	}
	return false
}

// mayRead is MayRead for one context, with absolute paths.
func (c localContext) mayRead(ctx context.Context, in *Inputs, dir, path string) bool {
	inside, err := filepath.Rel(dir, path)
	if err != nil {
		return false // another volume
	}
	inside = filepath.ToSlash(inside)
	if strings.Trim(inside, "./") == "" { // the context, or around it
		return true
	}
	if strings.HasPrefix(inside, "../") {
		return false
	}
	scope, err := c.scope(ctx, in.files, in.predicted.Reads)
	return err != nil || scope.MayTake(inside)
}
