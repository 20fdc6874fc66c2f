package daemon

import (
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Where the daemon's mount namespace has its own folders, whatever the machine has there.
const (
	tempMount   = "/run/pulumi-buildkit"        // tempFolder: a short path, because steps get Unix sockets in it
	folderMount = "/run/pulumi-buildkit-daemon" // the daemon's folder: see inDaemon
	runcMount   = "/run/runc"                   // runc's list of containers
	cniMount    = "/var/lib/cni"                // libcni's list of networks
)

// becomeDaemon executes buildkitd in this process, which is process 1 of its PID namespace. It returns only if that
// fails.
//
// The parent-death signal that the keeper asked for belongs to the first thread of this process. Another thread may
// execute buildkitd, and takes the place of the first one then. So that thread asks for the signal as well.
func becomeDaemon(s setup) error {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("ask for the parent-death signal: %w", err)
	}
	gate := os.NewFile(gateFD, "gate")
	if _, err := io.ReadFull(gate, make([]byte, 1)); err != nil {
		return fmt.Errorf("the keeper has exited: %w", err)
	}
	if err := gate.Close(); err != nil {
		return err
	}
	if err := mountFolders(s.daemonFolder); err != nil {
		return err
	}
	return unix.Exec(s.buildkitd, []string{"buildkitd", "--config", s.path(configFile)}, os.Environ())
}

// mountFolders mounts /proc and the daemon's own folders.
func mountFolders(f daemonFolder) error {
	temp, err := f.Sub(tempFolder)
	if err != nil {
		return err
	}
	defer func() { _ = temp.Close() }()
	tempFolder, tempPath, err := temp.Handle()
	if err != nil {
		return err
	}
	defer func() { _ = tempFolder.Close() }()
	own, ownPath, err := f.Handle()
	if err != nil {
		return err
	}
	defer func() { _ = own.Close() }()
	for _, folder := range []string{tempMount, folderMount, runcMount, cniMount} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV
	for _, m := range []struct {
		source, target, kind, data string
		flags                      uintptr
	}{
		{source: "proc", target: "/proc", kind: "proc", flags: flags | unix.MS_NOEXEC},
		{source: tempPath, target: tempMount, flags: unix.MS_BIND},
		{source: ownPath, target: folderMount, flags: unix.MS_BIND | unix.MS_REC}, // with the mounts in it
		{source: "tmpfs", target: runcMount, kind: "tmpfs", flags: flags, data: "mode=700"},
		{source: "tmpfs", target: cniMount, kind: "tmpfs", flags: flags, data: "mode=700"},
	} {
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("mount %s on %s: %w; if this is a container, run it with --privileged",
				m.source, m.target, err)
		}
	}
	return nil
}
