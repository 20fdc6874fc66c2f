package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// What is in the folder of a daemon.
const (
	clientsLock = "clients.lock"
	startLock   = "start.lock"
	aliveLock   = "alive.lock"
	trustLock   = "trust.lock"     // held by a client that looks for the folder of a trust
	pidFile     = "pids"           // of the keeper and of the daemon, a line each
	socketFile  = "buildkitd.sock" // clients speak to it
	traceFile   = "otel.sock"      // steps speak to it
	configFile  = "buildkitd.toml"
	digestFile  = "digests.json"  // of the programs that a daemon consists of
	daemonLog   = "buildkitd.log" // begun anew with each daemon
	keeperLog   = "keeper.log"    // the same
	rootFolder  = "root"          // BuildKit's state
	tempFolder  = "tmp"           // emptied with each daemon

	relaySocket   = "network.sock" // the CNI plugin speaks to the relay
	relayLog      = "network.log"  // begun anew with each daemon
	networkConfig = "network.json" // of the CNI plugin
	pluginFolder  = "cni"          // links to the CNI plugin
	deviceFolder  = "device"       // a TUN device, where the machine has none
	offlineFile   = "offline"      // why steps have no network; absent when they have
	endFile       = "ended"        // why the last daemon ended by itself; absent when it did not
)

// place is the folder of one daemon. What this package does in there goes through the open folder and follows no link.
type place struct{ *private.Folder }

func (p place) path(name string) string { return filepath.Join(p.Path(), name) }

// inDaemon returns the path of an entry for the daemon, which has the folder at a path of its own: whatever characters are
// in the folder's name, and however long it is, the options of mounts, URLs and Unix sockets take this one.
func inDaemon(name string) string { return filepath.Join(placeMount, name) }

func (p place) endpoint() string { return "unix://" + p.path(socketFile) }

// openPlace opens the folder dir, which it makes if it is missing. See claim for what may be in there.
func openPlace(ctx context.Context, dir string) (place, error) {
	folder, err := private.OpenAny(dir)
	if err != nil {
		return place{}, unusable(dir, err)
	}
	return place{folder}.checked(ctx)
}

// child opens the folder name below the place for another daemon.
func (p place) child(ctx context.Context, name string) (place, error) {
	if err := p.Mkdir(name); err != nil && !errors.Is(err, fs.ErrExist) {
		return place{}, unusable(p.path(name), err)
	}
	folder, err := p.Sub(name)
	if err != nil {
		return place{}, unusable(p.path(name), err)
	}
	return place{folder}.checked(ctx)
}

func (p place) checked(ctx context.Context) (place, error) {
	if err := p.claim(ctx); err != nil {
		return place{}, errors.Join(unusable(p.Path(), err), p.Close())
	}
	return p, nil
}

// unusable returns an *Error that says why the folder dir is not used.
func unusable(dir string, cause error) error {
	fault, path := FolderUnusable, dir
	if unsafe, ok := errors.AsType[*private.UnsafeError](cause); ok {
		fault, path = ParentOwner, unsafe.Path
		if unsafe.Shared {
			fault = ParentShared
		}
	}
	return fmt.Errorf("the folder %s of the embedded BuildKit daemon was not used: %w", dir, explain(cause, fault, path))
}

// cgroupParent is the name of the cgroup that holds the steps of this daemon and of no other: it is made of what also
// identifies the lock files, because containers that see the same cgroups may have equal paths.
func (p place) cgroupParent() (string, error) {
	info, err := p.Stat()
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.Path(), err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("pulumi-buildkit-%d-%x-%x", os.Geteuid(), stat.Dev, stat.Ino), nil
}

func (p place) writePIDs(keeper, daemon int) error {
	return p.Write(pidFile, fmt.Appendf(nil, "%d\n%d\n", keeper, daemon))
}

// pids are those of the keeper and the daemon that were started last; 0 stands for one that is not known.
func (p place) pids() (keeper, daemon int, err error) {
	text, err := p.Read(pidFile, file.LimitText)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, unusable(p.Path(), err)
	}
	lines := strings.Split(string(text)+"\n\n", "\n")
	keeper, _ = strconv.Atoi(lines[0])
	daemon, _ = strconv.Atoi(lines[1])
	return keeper, daemon, nil
}
