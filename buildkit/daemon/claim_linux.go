package daemon

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// The text of the marker.
const (
	markerTitle = "pulumi-buildkit daemon folder, format "
	markerText  = markerTitle + `1

The BuildKit daemon of the Pulumi provider "buildkit" keeps its state and its cache here. The provider makes, replaces
and removes files in this folder: put nothing else into it. While no build runs, the whole folder may be deleted; the
build cache is lost then.
`
)

// claimLimit bounds the wait for another process that marks the same folder.
const claimLimit = 5 * time.Second

// claim makes the folder private. It writes the marker if the folder is empty, or if a release before the marker made
// the folder.
//
// claim changes nothing and returns an *Error if the folder holds anything else, if another user owns it, or if its
// mode let other users put something into it.
func (f daemonFolder) claim(ctx context.Context) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if owner := private.Owner(info); owner != os.Geteuid() {
		return newError(FolderOwner, f.Path(), "it belongs to user %d, who would control the daemon", owner)
	}
	marked, err := f.isMarked()
	if err == nil && !marked {
		err = f.adopt(ctx)
	}
	if err == nil {
		err = f.checkShared()
	}
	if err != nil || info.Mode().Perm() == 0o700 {
		return err
	}
	return f.Restrict()
}

// checkShared returns an *Error if other users may put something into the folder.
func (f daemonFolder) checkShared() error {
	info, err := f.Stat()
	if err != nil || info.Mode().Perm()&0o022 == 0 {
		return err
	}
	return newError(FolderShared, f.Path(),
		"its mode %04o lets other users write to it, and what they left would be obeyed", info.Mode().Perm())
}

// isMarked reports whether the folder has our marker. It returns an *Error if a file of somebody else's has the
// marker's name, or if a later release marked the folder.
func (f daemonFolder) isMarked() (bool, error) {
	text, err := f.Read(markerFile, file.LimitText)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, explainPlanted(f, err)
	}
	title, _, _ := strings.Cut(string(text), "\n")
	ours, _, _ := strings.Cut(markerText, "\n")
	switch {
	case title == ours:
		return true, nil
	case strings.HasPrefix(title, markerTitle):
		return false, newError(FolderNewer, f.Path(), "a later release of the provider made it")
	}
	return false, f.foreignError(markerFile)
}

// foreignError returns the *Error for a folder of somebody else's. The entry with this name shows that.
func (f daemonFolder) foreignError(name string) error {
	return newError(FolderForeign, f.Path(),
		"the provider did not make it, and it is not empty: it has %q. Nothing was changed", name)
}

// explainPlanted returns an *Error if cause is about an entry that another user may have made. Otherwise it returns
// cause.
func explainPlanted(f daemonFolder, cause error) error {
	if _, ok := errors.AsType[*private.UnsafeError](cause); !ok {
		return cause
	}
	return withFault(cause, FolderPlanted, f.Path())
}

// adopt marks a folder that has no marker. It returns an *Error if somebody else has put something into the folder.
func (f daemonFolder) adopt(ctx context.Context) error {
	folder, _, err := f.Handle()
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	ctx, cancel := context.WithTimeoutCause(ctx, claimLimit, errors.New("another process holds it for too long"))
	defer cancel()
	if err := lockWhenFree(ctx, folder, unix.LOCK_EX); err != nil {
		return err
	}
	if marked, err := f.isMarked(); marked || err != nil {
		return err
	}
	entries, err := f.content()
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		err = f.adoptEarlier(entries)
	} else {
		err = f.adoptEmpty()
	}
	if err != nil {
		return err
	}
	return f.Write(markerFile, []byte(markerText))
}

// content returns the entries of the folder. It leaves out what an unused folder may have, too: lost+found and
// temporary files.
func (f daemonFolder) content() ([]fs.DirEntry, error) {
	entries, err := f.Entries()
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		return e.Name() == "lost+found" || private.IsTemporary(e.Name())
	}), err
}

// adoptEmpty makes an empty folder private. It returns an *Error if something is in the folder afterwards: until then
// other users may have been able to write to it.
func (f daemonFolder) adoptEmpty() error {
	if err := f.Restrict(); err != nil {
		return err
	}
	entries, err := f.content()
	if err == nil && len(entries) > 0 {
		err = f.foreignError(entries[0].Name())
	}
	return err
}

// adoptEarlier returns an error unless a release before the marker made the folder, and no other user can write to it.
func (f daemonFolder) adoptEarlier(entries []fs.DirEntry) error {
	if f.isEarlier(entries) || f.hasEarlier(entries) {
		return f.checkShared()
	}
	for _, e := range entries {
		if !isOurs(e.Name()) {
			return f.foreignError(e.Name())
		}
	}
	return f.foreignError(entries[0].Name())
}

// earlierNames matches the names of what releases before the marker put into the folder.
var earlierNames = regexp.MustCompile(`^(clients\.lock|start\.lock|alive\.lock|pids|buildkitd\.sock|otel\.sock|` +
	`buildkitd\.toml|registries\.toml|ca-[0-9]+\.pem|buildkitd\.log|keeper\.log|root|tmp|trust-[0-9a-f]{8})$`)

// isOurs reports whether a release before the marker made entries of this name.
func isOurs(name string) bool { return earlierNames.MatchString(name) }

// isEarlier reports whether a release before the marker had a daemon in the folder: there are three empty lock files,
// and a configuration that begins as ours do. If there is no configuration, because no daemon came up, all entries must
// have names of ours.
func (f daemonFolder) isEarlier(entries []fs.DirEntry) bool {
	for _, name := range []string{clientsLockFile, startLockFile, aliveLockFile} {
		if text, err := f.Read(name, 0); err != nil || len(text) > 0 {
			return false
		}
	}
	config, err := f.Read(configFile, file.LimitText)
	if errors.Is(err, fs.ErrNotExist) {
		return areOurs(entries)
	}
	return err == nil && bytes.HasPrefix(config, []byte(configTitle))
}

// hasEarlier reports whether a release before the marker had a daemon below the folder, but none in it. Below it are
// the daemons that trust further registries.
func (f daemonFolder) hasEarlier(entries []fs.DirEntry) bool {
	if !areOurs(entries) {
		return false
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		if !strings.HasPrefix(e.Name(), "trust-") {
			return false
		}
		sub, err := f.Sub(e.Name())
		if err != nil {
			return false
		}
		defer func() { _ = sub.Close() }()
		below, err := sub.Entries()
		return err == nil && daemonFolder{sub}.isEarlier(below)
	})
}

// areOurs reports whether a release before the marker may have made all the entries.
func areOurs(entries []fs.DirEntry) bool {
	return !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !isOurs(e.Name()) })
}
