package daemon

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// trimAside removes all but the databases of a state that was put aside. That may take long, so it returns at once. The
// caller calls stop at its end; the next keeper removes the rest.
func (k keeper) trimAside() (stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	rescue.Go(func(error) {}, func() {
		defer close(done)
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
			_ = folder.RemoveAll(e.Name())
		}
	}
}
