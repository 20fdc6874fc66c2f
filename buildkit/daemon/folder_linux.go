package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	debugLog    = "debug.log"     // the same: what the keeper does and why

	namespaceLog    = "rootlesskit.log" // the same, of a rootless daemon
	snapshotterFile = "snapshotter"     // the name of the one that the keeper chose
	rootFolder      = "root"            // BuildKit's state
	tempFolder      = "tmp"             // emptied with each daemon

	relaySocket   = "network.sock" // the CNI plugin speaks to the relay
	relayLog      = "network.log"  // begun anew with each daemon
	networkConfig = "network.json" // of the CNI plugin
	pluginFolder  = "cni"          // links to the CNI plugin
	deviceFolder  = "device"       // a TUN device, where the machine has none
	offlineFile   = "offline"      // why steps have no network; absent when they have
	endFile       = "ended"        // why the last daemon ended by itself; absent when it did not
)

// tailSize is how much of a log's end an error shows, in bytes: about 20 lines.
const tailSize = 4 << 10

// daemonFolder is the folder of one daemon. This package works in it through the open folder and follows no link.
type daemonFolder struct{ *private.Folder }

// openFolder opens the folder dir, and makes it if it is missing. It returns an *Error when claim refuses the folder.
func openFolder(ctx context.Context, dir string) (daemonFolder, error) {
	folder, err := private.OpenAny(dir)
	if err != nil {
		return daemonFolder{}, folderError(dir, err)
	}
	return claimOrClose(ctx, daemonFolder{folder})
}

// child opens the folder name below f for another daemon, and makes it if it is missing.
func (f daemonFolder) child(ctx context.Context, name string) (daemonFolder, error) {
	if err := f.Mkdir(name); err != nil && !errors.Is(err, fs.ErrExist) {
		return daemonFolder{}, folderError(f.path(name), err)
	}
	folder, err := f.Sub(name)
	if err != nil {
		return daemonFolder{}, folderError(f.path(name), err)
	}
	return claimOrClose(ctx, daemonFolder{folder})
}

// claimOrClose returns f when it can be claimed. Otherwise it closes f and returns the error.
func claimOrClose(ctx context.Context, f daemonFolder) (daemonFolder, error) {
	if err := f.claim(ctx); err != nil {
		return daemonFolder{}, errors.Join(folderError(f.Path(), err), f.Close())
	}
	return f, nil
}

// folderError returns an *Error that says why the folder dir is not used.
func folderError(dir string, cause error) error {
	fault, path := FolderUnusable, dir
	if unsafe, ok := errors.AsType[*private.UnsafeError](cause); ok {
		fault, path = ParentOwner, unsafe.Path
		if unsafe.Shared {
			fault = ParentShared
		}
	}
	cause = withFault(cause, fault, path)
	return fmt.Errorf("the folder %s of the embedded BuildKit daemon was not used: %w", dir, cause)
}

func (f daemonFolder) path(name string) string { return filepath.Join(f.Path(), name) }

func (f daemonFolder) endpoint() string { return "unix://" + f.path(socketFile) }

// inDaemon returns the path at which the daemon sees an entry of its folder.
//
// The daemon has the folder at a fixed path. The options of mounts, URLs and Unix sockets take that one, whatever
// characters are in the folder's name, and however long it is.
func inDaemon(name string) string { return filepath.Join(folderMount, name) }

// cgroupParent returns the name of the cgroup that holds the steps of this daemon and of no other.
//
// The name has what also identifies the lock files, because containers that see the same cgroups may have equal paths.
func (f daemonFolder) cgroupParent() (string, error) {
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("%s: %w", f.Path(), err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("pulumi-buildkit-%d-%x-%x", os.Geteuid(), stat.Dev, stat.Ino), nil
}

func (f daemonFolder) writePIDs(keeper, daemon int) error {
	return f.Write(pidFile, fmt.Appendf(nil, "%d\n%d\n", keeper, daemon))
}

// pids returns the process numbers of the keeper and the daemon that were started last. 0 stands for an unknown one.
func (f daemonFolder) pids() (keeper, daemon int, err error) {
	text, err := f.Read(pidFile, file.LimitText)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, folderError(f.Path(), err)
	}
	lines := strings.Split(string(text)+"\n\n", "\n")
	keeper, _ = strconv.Atoi(lines[0])
	daemon, _ = strconv.Atoi(lines[1])
	return keeper, daemon, nil
}

// logTail returns the end of the log name, without a line that is cut off. It returns "" when the log cannot be read.
func (f daemonFolder) logTail(name string) string {
	log, err := f.Open(name)
	if err != nil {
		return ""
	}
	defer func() { _ = log.Close() }()
	info, err := log.Stat()
	if err != nil {
		return ""
	}
	from := max(0, info.Size()-tailSize)
	text, err := io.ReadAll(io.NewSectionReader(log, from, tailSize))
	if err != nil {
		return ""
	}
	if from > 0 {
		_, whole, _ := strings.Cut(string(text), "\n")
		return strings.TrimSpace(whole)
	}
	return strings.TrimSpace(string(text))
}
