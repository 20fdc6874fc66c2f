package provider

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// madeElsewhereRemedy is the remedy for a missing file or folder that another resource makes.
const madeElsewhereRemedy = "If another resource makes it, take the path from an output of that resource: it is then " +
	"unknown until the file exists"

// checkAwaited sets awaited if another image of this preview will write the Dockerfile, or a build context that does
// not exist yet. It runs before the other checks, which must not report such a file as missing.
func checkAwaited(c *checker) {
	if !isKnown(c.raw, "context", "dockerfile") || len(c.promised) == 0 {
		return
	}
	files := c.args.files()
	if _, _, ok := c.promised.byPath(files.Dockerfile); ok && files.Dockerfile != "" {
		c.awaited = true
	}
	for _, dir := range localContexts(files) {
		c.awaited = c.awaited || isAwaited(dir, c.promised)
	}
}

// isAwaited tells whether a path does not exist yet, and another image of this preview will write it.
func isAwaited(path string, promised promises) bool {
	if _, _, ok := promised.byPath(path); !ok {
		return false
	}
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// readsAwaited tells whether another image of this preview will write a file that the build reads from an existing
// context.
func readsAwaited(ctx context.Context, in *inputs.Inputs, promised promises) bool {
	_, _, ok := promised.firstWriting(func(path string) bool { return in.MayRead(ctx, path) })
	return ok
}

// localContexts returns the folders of this machine that are build contexts.
func localContexts(files inputs.Files) (dirs []string) {
	if !inputs.IsRemote(files.Context) {
		dirs = append(dirs, files.Context)
	}
	for _, name := range slices.Sorted(maps.Keys(files.Named)) {
		if !inputs.IsRemoteNamedContext(files.Named[name]) {
			dirs = append(dirs, files.Named[name])
		}
	}
	return dirs
}
