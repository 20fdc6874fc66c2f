package daemon

import (
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

const (
	dirVariable  = "PULUMI_BUILDKIT_DAEMON_DIR"
	idleVariable = "PULUMI_BUILDKIT_DAEMON_IDLE"

	defaultIdle  = time.Minute
	defaultLimit = 30 * time.Second
)

// Options says where the daemon lives. The zero value is what a user gets.
type Options struct {
	// Dir is the daemon's folder, of mode 0700: state, socket, logs, locks. One folder is one daemon. The default is
	// the environment variable PULUMI_BUILDKIT_DAEMON_DIR, else <user cache folder>/pulumi-buildkit/buildkitd.
	Dir string
	// Idle is how long the daemon outlives its last lease. The client that starts it decides. The default is the
	// environment variable PULUMI_BUILDKIT_DAEMON_IDLE (a Go duration), else 60 s.
	Idle time.Duration
	// Limit bounds Acquire. The default is 30 s.
	Limit time.Duration
	// Registries, by host, are those that the daemon reaches in another way than by https and the machine's own
	// authorities. With them the daemon is another one than without, in a folder below Dir.
	Registries map[string]Registry
	// Keeper is the command line of a program that passes its arguments to RunKeeper. The default is this executable.
	Keeper []string
	// Note gets one line at a time for the user, while Acquire runs, and only from the client that starts the daemon.
	// It may be nil.
	Note func(line string)
	// Log receives records of level Debug: which daemon was taken, where and why. They hold no secret. Nil discards
	// them. What the keeper decides later is in the file debug.log of the folder.
	Log *slog.Logger
}

// Registry says how to reach one.
type Registry struct {
	// CAFile has the certificates, PEM, of the authorities of the registry beside the machine's own; "" is none.
	CAFile string
	// Project is the folder in which links to the CAFile have to stay; "" is none.
	Project string
	// PlainHTTP speaks http without TLS.
	PlainHTTP bool
}

// withDefaults returns the options without a zero field, except for Registries. Its Dir is absolute. It returns an
// *Error when the environment is wrong.
func (o Options) withDefaults() (Options, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var origin string
	var err error
	if o.Dir, origin, err = resolveDir(o.Dir); err != nil {
		return o, err
	}
	o.Log.Debug("folder chosen", "folder", o.Dir, "origin", origin)
	if o.Idle, err = resolveIdle(o.Idle); err != nil {
		return o, err
	}
	if o.Limit == 0 {
		o.Limit = defaultLimit
	}
	if len(o.Keeper) == 0 {
		self, err := os.Executable()
		if err != nil {
			return o, newError(NoProc, "", "the path of this program: %w", err)
		}
		o.Keeper = []string{self}
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	return o, nil
}

// markerFile marks the folder of a daemon. Its first line is for us, the others are for people.
const markerFile = "pulumi-buildkit.txt"

// Folder returns the folder of the daemon of the zero Options. It returns "" if there is none, or if it holds something
// and is not marked as a daemon's.
func Folder() string {
	dir, _, err := resolveDir("")
	if err != nil {
		return ""
	}
	if _, err := os.Lstat(filepath.Join(dir, markerFile)); err == nil {
		return dir
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return ""
	}
	return dir
}

// resolveDir returns the absolute path of the daemon's folder, and where it comes from: dir, the environment, or the
// default.
func resolveDir(dir string) (path, origin string, err error) {
	origin = "options"
	if dir == "" {
		dir, origin = os.Getenv(dirVariable), dirVariable
	}
	if dir != "" {
		path, err = filepath.Abs(dir)
		return path, origin, err
	}
	origin = "cache folder"
	cache, err := private.CacheFolder()
	if err != nil { // a bare environment, as services have it
		account, accountErr := user.Current()
		if accountErr != nil || account.HomeDir == "" {
			return "", "", newError(FolderUnknown, "", "no folder for the embedded BuildKit daemon: %w", err)
		}
		cache, origin = filepath.Join(account.HomeDir, ".cache", "pulumi-buildkit"), "home of the user"
	}
	return filepath.Join(cache, "buildkitd"), origin, nil
}

// resolveIdle returns the idle time: the given one, the environment's, or the default.
func resolveIdle(idle time.Duration) (time.Duration, error) {
	text := os.Getenv(idleVariable)
	switch {
	case idle > 0:
		return idle, nil
	case text == "":
		return defaultIdle, nil
	}
	idle, err := time.ParseDuration(text)
	if err != nil || idle <= 0 {
		return 0, newError(IdleText, "", "%s=%q is not a duration above zero", idleVariable, text)
	}
	return idle, nil
}
