package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	bk "github.com/moby/buildkit/client"
)

// pruneLimit is how long the daemon may take to remove its cache: about a second for each gigabyte of small files.
const pruneLimit = 5 * time.Minute

// freeSpace gives up the reserve and removes the cache that no build uses. Then it makes the reserve again, also after
// an error, unless the disk is still nearly full. It returns how many bytes became free.
func freeSpace(ctx context.Context, f daemonFolder) (freed uint64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, pruneLimit,
		fmt.Errorf("the embedded BuildKit daemon did not remove its cache within %s", pruneLimit))
	defer cancel()
	if err := f.giveUpReserve(); err != nil {
		return 0, err
	}
	defer func() { _ = f.makeReserve() }() // or the next keeper makes it
	before := folderDisk(f.Path()).Free
	if err := prune(ctx, f); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return 0, fmt.Errorf("remove the build cache in %s: %w", f.Path(), err)
	}
	after := folderDisk(f.Path()).Free
	return max(after, before) - before, nil
}

// prune asks the daemon of the folder to remove all cache that no build uses.
func prune(ctx context.Context, f daemonFolder) (err error) {
	c, err := newClient(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return c.Prune(ctx, nil, bk.PruneAll)
}
