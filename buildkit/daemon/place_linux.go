package daemon

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// What is in the folder of a daemon.
const (
	clientsLock = "clients.lock"
	startLock   = "start.lock"
	aliveLock   = "alive.lock"
	pidFile     = "pids"           // of the keeper and of the daemon, a line each
	socketFile  = "buildkitd.sock" // clients speak to it
	traceFile   = "otel.sock"      // steps speak to it
	configFile  = "buildkitd.toml"
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

// socketPathLimit is what a sockaddr_un holds, less the zero byte at its end.
const socketPathLimit = 107

// place is the folder of one daemon.
type place string

func (p place) path(name string) string { return filepath.Join(string(p), name) }

func (p place) endpoint() string { return "unix://" + p.path(socketFile) }

// makePlace creates the folder, or makes the one that is there private. The result has no symbolic link in its path.
func makePlace(dir string) (place, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("%w: set %s to a folder that can be written", err, dirVariable)
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", err
	}
	if owner := int(info.Sys().(*syscall.Stat_t).Uid); owner != os.Geteuid() {
		return "", fmt.Errorf("%s belongs to user %d, who would control the daemon: set %s to a folder of user %d",
			dir, owner, dirVariable, os.Geteuid())
	}
	if info.Mode().Perm() != 0o700 {
		if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a folder: 0700 is what private means
			return "", err
		}
	}
	return place(dir), place(dir).fits()
}

func (p place) fits() error {
	if socket := p.path(socketFile); len(socket) > socketPathLimit {
		return fmt.Errorf("the path of a Unix socket has at most %d bytes, and %s has %d: set %s to a shorter folder",
			socketPathLimit, socket, len(socket), dirVariable)
	}
	return nil
}

// cgroupParent is the name of the cgroup that holds the steps of this daemon and of no other: it is made of what also
// identifies the lock files, because containers that see the same cgroups may have equal paths.
func (p place) cgroupParent() (string, error) {
	var stat syscall.Stat_t
	if err := syscall.Stat(string(p), &stat); err != nil {
		return "", fmt.Errorf("%s: %w", p, err)
	}
	identity := fnv.New32a()
	_, _ = fmt.Fprintf(identity, "%d:%d", stat.Dev, stat.Ino)
	return fmt.Sprintf("pulumi-buildkit-%d-%08x", os.Geteuid(), identity.Sum32()), nil
}

func (p place) writePIDs(keeper, daemon int) error {
	return os.WriteFile(p.path(pidFile), fmt.Appendf(nil, "%d\n%d\n", keeper, daemon), 0o600)
}

// pids are those of the keeper and the daemon that were started last; 0 stands for one that is not known.
func (p place) pids() (keeper, daemon int, err error) {
	text, err := os.ReadFile(p.path(pidFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, 0, err
	}
	lines := strings.Split(string(text)+"\n\n", "\n")
	keeper, _ = strconv.Atoi(lines[0])
	daemon, _ = strconv.Atoi(lines[1])
	return keeper, daemon, nil
}
