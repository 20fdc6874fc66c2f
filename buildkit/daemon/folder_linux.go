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

// The files and folders in the folder of a daemon.
const (
	clientsLockFile = "clients.lock"
	startLockFile   = "start.lock"
	aliveLockFile   = "alive.lock"
	trustLockFile   = "trust.lock" // held by a client that looks for the folder of a trust

	pidFile        = "pids"           // the process IDs of the keeper and of the daemon, a line each
	socketFile     = "buildkitd.sock" // the daemon listens for clients
	traceFile      = "otel.sock"      // the daemon listens for traces of steps
	configFile     = "buildkitd.toml"
	digestFile     = "digests.json" // the digests of the programs that make up a daemon
	exitReasonFile = "ended"        // why the last daemon exited by itself; absent if it did not

	// The logs. Each daemon begins them anew.
	daemonLog    = "buildkitd.log"
	keeperLog    = "keeper.log"
	debugLog     = "debug.log"       // what the keeper does and why
	namespaceLog = "rootlesskit.log" // of a rootless daemon
	relayLog     = "network.log"

	snapshotterFile = "snapshotter" // the name of the snapshotter that the keeper chose
	namespaceFile   = "rootlesskit" // the path of the temporary folder of rootlesskit
	rootFolder      = "root"        // BuildKit's state
	tempFolder      = "tmp"         // emptied before each daemon

	relaySocket   = "network.sock" // the relay listens for the CNI plugin
	networkConfig = "network.json" // the configuration of the CNI plugin
	pluginFolder  = "cni"          // links to the CNI plugin
	deviceFolder  = "device"       // a TUN device, if the machine has none
	offlineFile   = "offline"      // why steps have no network; absent if they have one
)

// tailSize is how many bytes from the end of a log an error shows: about 20 lines.
const tailSize = 4 << 10

// daemonFolder is the folder of one daemon, which is open. This package follows no link in it.
type daemonFolder struct{ *private.Folder }

// openFolder opens the folder dir, and makes it if it is missing. It returns an *Error if claim refuses the folder.
func openFolder(ctx context.Context, dir string) (daemonFolder, error) {
	folder, err := private.OpenAny(dir)
	if err != nil {
		return daemonFolder{}, folderError(dir, err)
	}
	return claimOrClose(ctx, daemonFolder{folder})
}

// child opens the folder with this name below f, for another daemon. It makes the folder if it is missing.
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

// claimOrClose claims f and returns it. If that fails, it closes f and returns the error.
func claimOrClose(ctx context.Context, f daemonFolder) (daemonFolder, error) {
	if err := f.claim(ctx); err != nil {
		return daemonFolder{}, errors.Join(folderError(f.Path(), err), f.Close())
	}
	return f, nil
}

// folderError returns an *Error that says why the daemon does not use the folder dir.
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
// The daemon has its folder mounted at a fixed, short path. The folder's own path may be too long for a Unix socket, or
// have characters that mount options and URLs do not take.
func inDaemon(name string) string { return filepath.Join(folderMount, name) }

// cgroupParent returns the name of the cgroup for the steps of this daemon alone.
//
// The name has the device and the inode of the folder, not its path: two containers that share the cgroups of the
// machine may have different folders at the same path.
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

// pids returns the process IDs of the keeper and the daemon that were started last. 0 stands for an unknown ID.
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

// logTail returns the last whole lines of the log with this name. It returns "" if the log cannot be read.
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
