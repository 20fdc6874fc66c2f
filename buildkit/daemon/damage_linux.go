package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
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
	// uncheckedFile exists if a build has met damage, and the keeper could not check the state. Clients join the daemon
	// all the same, and the next keeper checks the state again.
	uncheckedFile = "unchecked"
	// asideFolder is BuildKit's state before it was found damaged. Only its databases are kept, for a look at them.
	asideFolder = "root-damaged"
)

// warningPrefix begins the lines of a keeper that are for Options.Warn.
const warningPrefix = "warning: "

// How long the check of all databases may take: 100 MB take about a second. A build that met damage is worth a longer
// wait. While the keeper checks its report, Acquire waits longer than Options.Limit, and its note says "a minute".
const (
	databaseLimit = 10 * time.Second
	reportLimit   = time.Minute
)

// damagedExit is the exit code of a process that found its database damaged.
const damagedExit = 3

// disposable databases are made again by BuildKit. Without them it runs some steps again.
var disposable = []string{"cache.db", "history.db"}

// isSuspect reports whether BuildKit's state may be damaged: an earlier daemon was not stopped, or a build met damage.
func (f daemonFolder) isSuspect() bool { return f.has(runningFile) || f.isReported() }

// isReported reports whether a build has met damage, and no keeper has checked the state since.
func (f daemonFolder) isReported() bool { return f.isDamaged() || f.has(uncheckedFile) }

// isDamaged reports whether a build has met damage in the state of the daemon that runs.
func (f daemonFolder) isDamaged() bool { return f.has(damagedFile) }

// has reports whether the folder has an entry with this name.
func (f daemonFolder) has(name string) bool {
	_, err := f.Lstat(name)
	return err == nil
}

// isBeingChecked reports whether a keeper checks the state now because a build has met damage. A keeper that is frozen
// counts only as long as a check may take.
func (f daemonFolder) isBeingChecked() bool {
	info, err := f.Lstat(pidFile) // the keeper writes it before the check, and again when its daemon runs
	if err != nil || time.Since(info.ModTime()) > reportLimit || !f.isReported() {
		return false
	}
	_, daemon, err := f.pids()
	return err == nil && daemon == 0
}

// repairState checks BuildKit's databases, and returns whether it found damage. It removes a damaged database that
// BuildKit makes again. Otherwise it puts the whole state aside. It returns an error if a signal asks the keeper to
// stop, and leaves the check to the next keeper. The caller holds the alive lock.
//
// A report of damage stays if a database could not be checked: it may be the damaged one.
func (k keeper) repairState(signals <-chan os.Signal) (repaired bool, err error) {
	limit, isReported := databaseLimit, k.isReported()
	if isReported {
		limit = reportLimit
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit, fmt.Errorf("not within %s", limit))
	defer cancel()
	ctx, stop := signal.NotifyContext(ctx, stopSignals...)
	defer stop()
	if len(signals) > 0 { // it came before
		stop()
	}
	var unchecked error
	for _, name := range k.databases() {
		reason, errCheck := k.findDamage(ctx, filepath.Join(rootFolder, name))
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			return repaired, errors.New("a signal came while the build cache was checked")
		case errCheck != nil:
			unchecked = errors.Join(unchecked, fmt.Errorf("%s: %w", name, errCheck))
		case reason == "":
		case !slices.Contains(disposable, name):
			return true, k.putAside(name, reason)
		default:
			repaired = true
			if err := k.removeDatabase(name, reason); err != nil {
				return repaired, err
			}
		}
	}
	if unchecked != nil && isReported {
		return repaired, k.keepReport(unchecked)
	}
	return repaired, k.removeReport()
}

// removeDatabase removes a damaged database that BuildKit makes again.
func (k keeper) removeDatabase(name, reason string) error {
	path := filepath.Join(rootFolder, name)
	if err := k.Remove(path); err != nil {
		return fmt.Errorf("%s is damaged (%s): %w", k.path(path), reason, err)
	}
	k.note(warningPrefix+"%s was damaged (%s), so it was removed: some steps run again", k.path(path), reason)
	return nil
}

// keepReport keeps the report of damage for the next keeper, and lets clients join the daemon meanwhile.
func (k keeper) keepReport(unchecked error) error {
	k.note(warningPrefix+"a build met damage in the build cache in %s, and it could not be checked (%s). It is used "+
		"as it is, and checked again when the daemon starts next. If builds fail, remove %s while no build runs",
		k.Path(), unchecked, k.path(rootFolder))
	if err := k.Rename(damagedFile, uncheckedFile); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// removeReport removes the report of damage.
func (f daemonFolder) removeReport() error {
	return errors.Join(f.Remove(damagedFile), f.Remove(uncheckedFile))
}

// databases returns the paths of BuildKit's databases, below the folder of its state. Those whose damage costs the
// whole state come first. Of the workers it counts only that of the snapshotter that BuildKit uses next.
func (f daemonFolder) databases() (names []string) {
	worker := "runc-" + readSnapshotter(f)
	for _, name := range append([]string{
		filepath.Join(worker, "metadata_v2.db"), filepath.Join(worker, "containerdmeta.db"),
		filepath.Join(worker, snapshotDatabase),
	}, disposable...) {
		if f.has(filepath.Join(rootFolder, name)) {
			names = append(names, name)
		}
	}
	return names
}

// findDamage checks a database in a process and returns its damage, or "". It returns an error if the database could
// not be checked: the process may have run out of memory, or somebody ended it.
func (k keeper) findDamage(ctx context.Context, name string) (reason string, err error) {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", checkName, k.path(name))
	begun := time.Now()
	output, _, err := subprocess.Output(cmd)
	k.log.Debug("database checked", "name", name, "took", time.Since(begun), "error", err)
	if err != nil && ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	text, _, _ := strings.Cut(strings.TrimSpace(string(output)), "\n")
	exit, ok := errors.AsType[*exec.ExitError](err)
	if ok && exit.ExitCode() == damagedExit {
		return cmp.Or(text, "damaged"), nil
	}
	if err != nil && text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return "", err
}
