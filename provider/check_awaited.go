package provider

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// madeElsewhereRemedy is the remedy for a file or folder that is missing because nothing has made it yet.
const madeElsewhereRemedy = "If another resource makes it, take the path from an output of that resource: it is then " +
	"unknown until it is there"

// checkAwaited notes that another image of this preview will write what decides on contextHash: the Dockerfile, or a
// folder that is not there yet. It comes first: what is awaited is no mistake.
func checkAwaited(c *checker) {
	if !isKnown(c.raw, "context", "dockerfile") || len(c.promised) == 0 {
		return
	}
	files := c.args.files()
	if _, _, ok := c.promised.writer(files.Dockerfile); ok && files.Dockerfile != "" {
		c.awaited = true
	}
	c.awaited = c.awaited || slices.ContainsFunc(localContexts(files), c.awaits)
}

// awaits tells whether a path leads nowhere yet, and another image of this preview will write there.
func (c *checker) awaits(path string) bool {
	if _, _, ok := c.promised.writer(path); !ok {
		return false
	}
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// readsAwaited tells whether another image of this preview will write what the build reads of a context that is there.
func (c *checker) readsAwaited(in *inputs.Inputs) bool {
	_, _, ok := c.promised.findRead(func(path string) bool { return in.MayRead(c.ctx, path) })
	return ok
}

// findRead returns the promise to write something that is read, and what it writes.
func (all promises) findRead(isRead func(path string) bool) (by promise, dest string, ok bool) {
	for _, p := range all {
		if i := slices.IndexFunc(p.Paths, isRead); i >= 0 {
			return p, p.Paths[i], true
		}
	}
	return promise{}, "", false
}

// localContexts returns the folders of this machine that are build contexts.
func localContexts(files inputs.Files) (dirs []string) {
	if !inputs.IsRemote(files.Context) {
		dirs = append(dirs, files.Context)
	}
	for _, name := range slices.Sorted(maps.Keys(files.Named)) {
		if !inputs.IsRemoteNamed(files.Named[name]) {
			dirs = append(dirs, files.Named[name])
		}
	}
	return dirs
}
