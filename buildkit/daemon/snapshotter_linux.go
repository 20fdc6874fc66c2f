package daemon

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// The snapshotters, the fastest first.
const (
	overlayfs     = "overlayfs"
	fuseOverlayfs = "fuse-overlayfs" // also the name of the program, which does not ship with the plugin
	native        = "native"         // copies all files for each step
)

const fuseDevice = "/dev/fuse"

// readSnapshotter returns the snapshotter that a keeper chose for the folder. It returns the fastest one if no keeper
// has run there yet.
func readSnapshotter(f daemonFolder) string {
	text, err := f.Read(snapshotterFile, file.LimitText)
	switch name := string(text); {
	case err == nil && (name == fuseOverlayfs || name == native):
		return name
	default:
		return overlayfs
	}
}

// chooseSnapshotter writes the name of the fastest snapshotter that works in the folder to a file, for the
// configuration. If it is not overlayfs, it notes for the user what that costs.
func (k keeper) chooseSnapshotter() error {
	defer func() { _ = emptyTempFolder(k.daemonFolder) }()
	reason := tryOverlay(k.daemonFolder)
	name := overlayfs
	switch {
	case reason == nil:
	case tryFuse() == nil:
		name = fuseOverlayfs
		k.note("files of steps pass through the program fuse-overlayfs, which takes more time: %v", reason)
	default:
		name = native
		k.note("each step copies all files of the one before, which takes more time and disk: %v", reason)
	}
	k.log.Debug("snapshotter chosen", "name", name, "reason", reason)
	return k.Write(snapshotterFile, []byte(name))
}

// tryOverlay returns why overlayfs cannot be used in the folder, or nil.
func tryOverlay(f daemonFolder) error {
	err := makeOverlay(f)
	switch {
	case err == nil || errors.Is(err, unix.ENOSYS): // a kernel before 5.2 has no way to try
		return nil
	case errors.Is(err, unix.ENODEV):
		return errors.New("the kernel has no overlayfs; run modprobe overlay")
	case errors.Is(err, unix.EPERM):
		return errors.New("the kernel lets only root mount overlayfs: that is so before version 5.11")
	}
	return fmt.Errorf("%s is on a file system that overlayfs cannot use (%w); set %s to a folder on ext4 or xfs, in a "+
		"container to a volume", f.Path(), err, dirVariable)
}

// tryFuse returns why fuse-overlayfs cannot be used, or nil.
func tryFuse() error {
	if _, err := exec.LookPath(fuseOverlayfs); err != nil {
		return err
	}
	device, err := os.OpenFile(fuseDevice, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return device.Close()
}
