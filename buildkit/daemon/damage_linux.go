package daemon

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/subprocess"
)

const (
	// runningFile exists while a keeper runs. A keeper that finds it takes over from one that did not stop its daemon.
	runningFile = "running"
	// damagedFile exists if a build has met damage in BuildKit's state. No client joins the daemon any more.
	damagedFile = "damaged"
	// asideFolder is BuildKit's state before it was found damaged. Only its databases are kept, for a look at them.
	asideFolder = "root-damaged"
)

// warningPrefix begins the lines of a keeper that are for Options.Warn.
const warningPrefix = "warning: "

// databaseLimit is how long the check of all databases may take. 100 MB take about a second.
const databaseLimit = 10 * time.Second

// damagedExit is the exit code of a process that found its database damaged.
const damagedExit = 3

// disposable databases are made again by BuildKit. Without them it runs some steps again.
var disposable = []string{"cache.db", "history.db"}

// isSuspect reports whether BuildKit's state may be damaged: an earlier daemon was not stopped, or a build met damage.
func (f daemonFolder) isSuspect() bool {
	for _, name := range []string{runningFile, damagedFile} {
		if _, err := f.Lstat(name); err == nil {
			return true
		}
	}
	return false
}

// isDamaged reports whether a build has met damage in the state of the daemon that runs.
func (f daemonFolder) isDamaged() bool {
	_, err := f.Lstat(damagedFile)
	return err == nil
}

// repairState checks BuildKit's databases, and returns whether it found damage. It removes a damaged database that
// BuildKit makes again. Otherwise it puts the whole state aside. It returns an error if a signal asks the keeper to
// stop, and leaves the check to the next keeper. The caller holds the alive lock.
func (k keeper) repairState(signals <-chan os.Signal) (repaired bool, err error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), databaseLimit, errors.New("not within 10 s"))
	defer cancel()
	for _, name := range k.databases() {
		reason := k.findDamage(ctx, filepath.Join(rootFolder, name))
		if len(signals) > 0 { // the signal may have ended the check as well
			return repaired, errors.New("a signal came while the build cache was checked")
		}
		switch {
		case reason == "":
			continue
		case slices.Contains(disposable, name):
			err = k.Remove(filepath.Join(rootFolder, name))
			k.note(warningPrefix+"%s was damaged (%s), so it was removed: some steps run again",
				k.path(filepath.Join(rootFolder, name)), reason)
		default:
			return true, k.putAside(name, reason)
		}
		if repaired = true; err != nil {
			return repaired, err
		}
	}
	return repaired, k.Remove(damagedFile)
}

// databases returns the paths of BuildKit's databases, below the folder of its state. Of the workers it counts only
// that of the snapshotter that BuildKit uses next.
func (f daemonFolder) databases() (names []string) {
	worker := "runc-" + readSnapshotter(f)
	for _, name := range append(slices.Clone(disposable), filepath.Join(worker, "metadata_v2.db"),
		filepath.Join(worker, "containerdmeta.db"), filepath.Join(worker, snapshotDatabase)) {
		if _, err := f.Lstat(filepath.Join(rootFolder, name)); err == nil {
			names = append(names, name)
		}
	}
	return names
}

// findDamage checks a database in a process and returns its damage. It returns "" for a database that is not damaged,
// or that cannot be checked.
func (k keeper) findDamage(ctx context.Context, name string) (reason string) {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", checkName, k.path(name))
	begun := time.Now()
	output, _, err := subprocess.Output(cmd)
	k.log.Debug("database checked", "name", name, "took", time.Since(begun), "error", err)
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != damagedExit || ctx.Err() != nil {
		return "" // it may have run out of memory, or somebody ended it
	}
	reason, _, _ = strings.Cut(strings.TrimSpace(string(output)), "\n")
	return cmp.Or(reason, "damaged")
}
