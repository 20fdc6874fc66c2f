package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// clear removes what a daemon that was killed has left, and what one that ended has no use for: processes and cgroups of its
// steps, mounts, sockets, temporary files, the executor's folders. The caller holds the alive lock.
func (p place) clear() error {
	parent, err := p.cgroupParent()
	if err != nil {
		return err
	}
	if err := errors.Join(clearCgroups(parent), p.unmount()); err != nil {
		return err // removing files below a mount would remove what is mounted there
	}
	return errors.Join(
		p.remove(socketFile), p.remove(traceFile), p.remove(relaySocket),
		p.clearTemp(),
		p.clearExecutor(),
	)
}

func (p place) remove(name string) error {
	if err := os.Remove(p.path(name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (p place) clearTemp() error {
	return errors.Join(os.RemoveAll(p.path(tempFolder)), os.Mkdir(p.path(tempFolder), 0o700))
}

// clearExecutor removes the bundles of steps that never ended. The daemon itself never looks at them again.
func (p place) clearExecutor() error {
	bundles, err := filepath.Glob(filepath.Join(p.path(rootFolder), "runc-*", "executor", "*"))
	if err != nil {
		return err
	}
	for _, bundle := range bundles {
		// An empty folder by now. Were it not, its content would be a snapshot's.
		if err := os.Remove(filepath.Join(bundle, "rootfs")); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
			note("left: %v", err)
			continue
		}
		if err := os.RemoveAll(bundle); err != nil {
			return err
		}
	}
	return nil
}

// unmount drops the mounts below the place that this mount namespace sees, the latest first. A daemon's own are in its
// namespace, which has ended.
func (p place) unmount() error {
	mounts, err := readMounts()
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(mounts) {
		if !strings.HasPrefix(m.target, string(p)+"/") {
			continue
		}
		if err := unix.Unmount(m.target, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w; run umount -l %s", m.target, err, m.target)
		}
	}
	return nil
}
