package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// replacedPrefix begins the names of folders with a state that was put aside earlier, and that another one replaced.
const replacedPrefix = asideFolder + "-"

// openFolders is how many folders removeAll has open at most.
const openFolders = 30

// putAside renames BuildKit's state, in place of one that was put aside before. startRemoval removes that one.
func (k keeper) putAside(database, reason string) error {
	err := k.Rename(asideFolder, fmt.Sprintf("%s%d", replacedPrefix, time.Now().UnixNano()))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = k.Rename(rootFolder, asideFolder)
	}
	if err = errors.Join(err, k.removeReport()); err != nil {
		return fmt.Errorf("put the damaged build cache aside: %w", err)
	}
	k.note(warningPrefix+"the build cache in %s was damaged (%s: %s), so the embedded BuildKit daemon began a new "+
		"one. The damaged databases are in %s, which may be removed", k.Path(), database, reason, k.path(asideFolder))
	return nil
}

// startRemoval begins to remove all but the databases of the state that was put aside last, and those that it replaced.
// It also removes the folders of unused daemons beside this one. That may take long, so it returns at once. The caller
// calls stop at its end; the next keeper removes the rest.
func (k keeper) startRemoval() (stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	rescue.Go(func(error) {}, func() {
		defer close(done)
		if err := k.renameUnused(); err != nil { //nolint:contextcheck // it is short, and its waits are bounded
			k.log.Debug("unused folders stay", "reason", err)
		}
		k.removeRenamed(ctx)
		if aside, err := k.Sub(asideFolder); err == nil {
			const depth = 3 // the files of snapshots are below runc-overlayfs/snapshots/snapshots
			trim(ctx, aside, depth)
			k.log.Debug("state put aside was trimmed", "complete", ctx.Err() == nil)
		}
	})
	return func() {
		cancel(errors.New("the keeper exits"))
		<-done
	}
}

// removeRenamed removes the folders with a state that another one replaced, and the unused folders.
func (k keeper) removeRenamed(ctx context.Context) {
	entries, _ := k.Entries() // or the next keeper removes them
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), replacedPrefix) || strings.HasPrefix(e.Name(), unusedPrefix) {
			removeAll(ctx, k.Folder, e, openFolders)
		}
	}
}

// removeAll removes an entry of a folder with everything below it. It stops when ctx ends. Below a folder of another
// user, and deeper than depth, it stops only after the whole folder.
func removeAll(ctx context.Context, folder *private.Folder, entry fs.DirEntry, depth int) {
	if ctx.Err() != nil {
		return
	}
	if entry.IsDir() && depth > 0 {
		if sub, err := folder.SubAny(entry.Name()); err == nil {
			entries, _ := sub.Entries()
			for _, e := range entries {
				removeAll(ctx, sub, e, depth-1)
			}
			_ = sub.Close()
		}
	}
	if ctx.Err() == nil {
		_ = folder.RemoveAll(entry.Name())
	}
}

// trim removes all but databases from a folder and from the folders below it, down to this depth. It closes the folder.
func trim(ctx context.Context, folder *private.Folder, depth int) {
	defer func() { _ = folder.Close() }()
	entries, err := folder.Entries()
	if err != nil {
		return
	}
	for _, e := range entries {
		switch {
		case ctx.Err() != nil:
			return
		case !e.IsDir() && filepath.Ext(e.Name()) == ".db":
			continue
		case e.IsDir() && depth > 0:
			if sub, err := folder.SubAny(e.Name()); err == nil {
				trim(ctx, sub, depth-1)
			}
			_ = folder.Remove(e.Name()) // unless a database is left in it
		default:
			removeAll(ctx, folder, e, openFolders)
		}
	}
}
