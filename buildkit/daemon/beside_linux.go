package daemon

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// besidePrefix begins the names of folders below the folder of a daemon. Their daemons run beside that one.
	besidePrefix = "beside-"
	// unusedPrefix begins the names of such folders that a keeper removes.
	unusedPrefix = "unused-"
	// besideLockFile is held by a client that gets a lease on a daemon beside another. A keeper that looks for unused
	// folders holds it alone.
	besideLockFile = "beside.lock"
)

// besideLifetime is how long the folder of a daemon beside another stays after its last use.
const besideLifetime = 7 * 24 * time.Hour

// acquireBeside returns a lease on a daemon in a folder below f. That daemon has its own cache. So two versions of the
// plugin, or two configurations, can build at the same time. inUse says why the daemon in f is not joined.
func (a *acquisition) acquireBeside(ctx context.Context, f daemonFolder, inUse error) (*Lease, error) {
	lock, err := a.lockBeside(ctx, f)
	if err != nil {
		return nil, err
	}
	defer func() { _ = lock.Close() }()
	s, err := newSetup(f, a.options)
	if err != nil {
		return nil, err
	}
	text, err := s.configuration()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(withoutSizes(text)))
	beside, err := f.child(ctx, fmt.Sprintf("%s%x", besidePrefix, sum[:4]))
	if err != nil {
		return nil, err
	}
	defer func() { _ = beside.Close() }()
	if ok, err := a.trusted.writeTo(beside); !ok || err != nil {
		return nil, cmp.Or(err, fmt.Errorf("the embedded BuildKit daemon in %s: %w", beside.Path(), inUse))
	}
	reason := fmt.Sprintf("another version of the plugin, or another configuration, uses the embedded BuildKit daemon "+
		"in %s now", f.Path())
	if errors.Is(inUse, errDamagedDaemon) {
		reason = fmt.Sprintf("the embedded BuildKit daemon in %s has a damaged build cache, and other builds use it",
			f.Path())
	}
	a.options.Note(fmt.Sprintf("%s: this build has one with a cache of its own in %s. After a week without use, the "+
		"next daemon that starts in %s removes it", reason, beside.Path(), f.Path()))
	return a.acquireIn(ctx, beside)
}

// lockBeside takes besideLockFile for a client.
func (a *acquisition) lockBeside(ctx context.Context, f daemonFolder) (*os.File, error) {
	ctx, stop := a.withLimit(ctx, f)
	defer stop()
	return openAndLock(ctx, f, besideLockFile, unix.LOCK_SH)
}

// renameUnused renames the folders of daemons beside this one that nobody has used for besideLifetime. removeRenamed
// removes them. A client that looks for such a folder at the same time keeps all of them for the next keeper.
func (k keeper) renameUnused() error {
	lock, err := openLock(k.daemonFolder, besideLockFile)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if free, err := tryLock(lock, unix.LOCK_EX); !free || err != nil {
		return err
	}
	entries, err := k.Entries()
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), besidePrefix) {
			err = errors.Join(err, k.renameIfUnused(e.Name()))
		}
	}
	return err
}

// renameIfUnused renames the folder with this name if nobody has used it for besideLifetime. It changes nothing if a
// keeper, a daemon or a client has one of the folder's locks.
func (k keeper) renameIfUnused(name string) error {
	folder, err := k.Sub(name)
	if err != nil {
		return err
	}
	beside := daemonFolder{folder}
	defer func() { _ = beside.Close() }()
	used := beside.lastUse()
	if marked, err := beside.isMarked(); !marked || err != nil || used.IsZero() || time.Since(used) < besideLifetime {
		return err
	}
	for _, name := range []string{startLockFile, clientsLockFile, aliveLockFile} {
		lock, err := openLock(beside, name)
		if err != nil {
			return err
		}
		defer func() { _ = lock.Close() }()
		if free, err := tryLock(lock, unix.LOCK_EX); !free || err != nil {
			return err
		}
	}
	s := k.setup
	s.daemonFolder = beside
	if err := removeLeftovers(s); err != nil {
		return err
	}
	k.log.Debug("unused folder is removed", "folder", beside.Path(), "last use", used)
	return k.Rename(name, fmt.Sprintf("%s%d", unusedPrefix, time.Now().UnixNano()))
}

// lastUse returns when a keeper or a daemon of the folder has last written to one of its logs. It returns the zero time
// if there is no log.
func (f daemonFolder) lastUse() (latest time.Time) {
	for _, name := range []string{pidFile, debugLog, keeperLog, daemonLog} {
		if info, err := f.Lstat(name); err == nil && info.ModTime().After(latest) {
			latest = info.ModTime()
		}
	}
	return latest
}
