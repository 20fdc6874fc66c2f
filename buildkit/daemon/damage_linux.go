package daemon

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

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
// BuildKit makes again. Otherwise it puts the whole state aside. The caller holds the alive lock.
func (k keeper) repairState() (repaired bool, err error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), databaseLimit, errors.New("not within 10 s"))
	defer cancel()
	for _, name := range k.databases() {
		reason := k.findDamage(ctx, filepath.Join(rootFolder, name))
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

// databases returns the paths of BuildKit's databases, below the folder of its state.
func (f daemonFolder) databases() (names []string) {
	root := f.path(rootFolder)
	for _, pattern := range append(slices.Clone(disposable),
		"runc-*/metadata_v2.db", "runc-*/containerdmeta.db", "runc-*/"+snapshotDatabase) {
		paths, _ := filepath.Glob(filepath.Join(escapePattern(root), pattern))
		for _, path := range paths {
			if name, err := filepath.Rel(root, path); err == nil {
				names = append(names, name)
			}
		}
	}
	return names
}

// escapePattern returns the pattern that matches path only.
func escapePattern(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// findDamage checks a database in a process and returns its damage. It returns "" for a database that is not damaged,
// or that cannot be checked.
func (k keeper) findDamage(ctx context.Context, name string) (reason string) {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", checkName, k.path(name))
	begun := time.Now()
	output, complaint, err := subprocess.Output(cmd)
	k.log.Debug("database checked", "name", name, "took", time.Since(begun), "error", err)
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || ctx.Err() != nil {
		return ""
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(output)+string(complaint)), "\n")
	status, _ := exit.Sys().(unix.WaitStatus)
	switch {
	case exit.ExitCode() == damagedExit:
		return first
	case exit.ExitCode() == 2 || status.Signaled() && status.Signal() != unix.SIGKILL: // Go or the kernel ended it
		return "reading it crashes: " + first
	}
	return ""
}

// putAside renames BuildKit's state, in place of one that was put aside before.
func (k keeper) putAside(database, reason string) error {
	err := k.RemoveAll(asideFolder)
	if err == nil {
		err = k.Rename(rootFolder, asideFolder)
	}
	if err = errors.Join(err, k.Remove(damagedFile)); err != nil {
		return fmt.Errorf("put the damaged build cache aside: %w", err)
	}
	k.note(warningPrefix+"the build cache in %s was damaged (%s: %s), so the embedded BuildKit daemon began a new "+
		"one. The damaged databases are in %s, which may be removed", k.Path(), database, reason, k.path(asideFolder))
	return nil
}
