package daemon

import (
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

const (
	dirVariable  = "PULUMI_BUILDKIT_DAEMON_DIR"
	idleVariable = "PULUMI_BUILDKIT_DAEMON_IDLE"
	sizeVariable = "PULUMI_BUILDKIT_DAEMON_SIZE"

	defaultIdle  = time.Minute
	defaultLimit = 30 * time.Second
)

// Options says where the daemon runs, and how. The zero value is what a user gets.
type Options struct {
	// Dir is the path of the daemon's folder, which has mode 0700 and holds state, socket, logs and locks. Each daemon
	// has its own folder. The default is the environment variable PULUMI_BUILDKIT_DAEMON_DIR, else
	// <user cache folder>/pulumi-buildkit/buildkitd.
	Dir string
	// Idle is how long the daemon runs after its last lease was released. The client that starts the daemon decides.
	// The default is the environment variable PULUMI_BUILDKIT_DAEMON_IDLE (a Go duration), else 60 s.
	Idle time.Duration
	// Size is how many bytes of build cache the daemon keeps. The client that starts the daemon decides. The default is
	// the environment variable PULUMI_BUILDKIT_DAEMON_SIZE (20GB or 20GiB), else 100 GB, or 80 % of a smaller disk.
	Size int64
	// Limit bounds Acquire. The default is 30 s.
	Limit time.Duration
	// Registries holds, by host, the registries that have mirrors, and those that the daemon does not reach by https
	// with the machine's own certificate authorities. If there are any, the daemon has its own folder below Dir.
	Registries map[string]Registry
	// Keeper is the command line of a program that passes its arguments to RunRole. The default is this executable.
	Keeper []string
	// Note is called with one line for the user at a time, while Acquire runs: that a daemon was started or stopped,
	// for example. It may be nil.
	Note func(line string)
	// Warn is called as Note is, with a line that should stay: that the build cache was lost, for example. The default
	// is Note.
	Warn func(line string)
	// Log receives records of level Debug: which daemon was taken, where and why. They hold no secret. Nil discards
	// them. What the keeper decides later is in the file debug.log of the folder.
	Log *slog.Logger
}

// Registry says how to reach a registry.
type Registry struct {
	// CAFile is a file with the registry's certificate authorities (PEM), which are trusted beside the machine's own.
	// "" is none.
	CAFile string
	// Project is the folder that links to the CAFile must not leave; "" is none.
	Project string
	// PlainHTTP: the registry speaks http without TLS.
	PlainHTTP bool
	// Mirrors are asked for images before the registry, in this order. Each is host[:port][/path]. Their own entries
	// say how to reach them.
	Mirrors []string
}

// withDefaults returns the options with every zero field but Registries filled in, and with an absolute Dir. It returns
// an *Error if an environment variable is wrong.
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
	if o.Size, err = resolveSize(o.Size); err != nil {
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
	if o.Warn == nil {
		o.Warn = o.Note
	}
	return o, nil
}

// markerFile marks the folder of a daemon. Its first line is for us, the others are for people.
const markerFile = "pulumi-buildkit.txt"

// Folder returns the path of the folder that the zero Options mean. It returns "" if the environment names none, or if
// the folder holds something but not our marker.
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

// resolveDir returns the absolute path of the daemon's folder, and the origin of the path: dir, the environment, or the
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
	if err != nil { // the environment is nearly empty, as that of services
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

// resolveSize returns the size of the build cache: the given one, the environment's, or 0 for the default.
func resolveSize(size int64) (int64, error) {
	text := os.Getenv(sizeVariable)
	if size > 0 || text == "" {
		return size, nil
	}
	parse := units.FromHumanSize
	if strings.Contains(strings.ToLower(text), "ib") {
		parse = units.RAMInBytes
	}
	size, err := parse(text)
	if err != nil || size <= 0 {
		return 0, newError(SizeText, "", "%s=%q is not a size above zero", sizeVariable, text)
	}
	return size, nil
}
