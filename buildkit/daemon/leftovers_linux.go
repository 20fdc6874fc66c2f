package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// removeLeftovers removes what a daemon leaves behind, whether it was killed or stopped: processes and cgroups of its
// steps, mounts, sockets, temporary files, the executor's folders. The caller holds the alive lock.
func removeLeftovers(s setup) error {
	f := s.daemonFolder
	if err := errors.Join(removeCgroups(s), unmountBelow(f)); err != nil {
		return err // removing files below a mount would remove what is mounted there
	}
	return errors.Join(
		f.Remove(socketFile), f.Remove(traceFile), f.Remove(relaySocket),
		emptyTempFolder(f),
		removeBundles(f),
	)
}

// emptyTempFolder makes the folder for temporary files, or empties it.
func emptyTempFolder(f daemonFolder) error {
	return errors.Join(f.RemoveAll(tempFolder), f.Mkdir(tempFolder))
}

// removeBundles removes the bundles of steps that a killed daemon has left. No later daemon removes them by itself.
func removeBundles(f daemonFolder) error {
	root, err := f.Sub(rootFolder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	workers, err := root.Entries()
	if err != nil {
		return err
	}
	for _, worker := range workers {
		if !strings.HasPrefix(worker.Name(), "runc-") {
			continue
		}
		if err := removeWorkerBundles(root, worker.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// removeWorkerBundles removes the bundles of the worker that has this name.
func removeWorkerBundles(root *private.Folder, name string) error {
	worker, err := root.Sub(name)
	if err != nil {
		return err
	}
	defer func() { _ = worker.Close() }()
	executor, err := worker.Sub("executor")
	if err != nil {
		return err
	}
	defer func() { _ = executor.Close() }()
	bundles, err := executor.Entries()
	if err != nil {
		return err
	}
	for _, bundle := range bundles {
		// rootfs is empty after the unmounting. RemoveAll is not used here: if rootfs is still mounted, its files are a
		// snapshot's.
		err := executor.Remove(filepath.Join(bundle.Name(), "rootfs"))
		if err != nil && !errors.Is(err, unix.ENOTDIR) {
			note("the folder of a build step could not be removed from %s: %v", executor.Path(), err)
			continue
		}
		if err := executor.RemoveAll(bundle.Name()); err != nil {
			return err
		}
	}
	return nil
}

// unmountBelow unmounts what is mounted below the folder in this mount namespace, the latest first. A daemon's own
// mounts were in its own namespace, and ended with it.
func unmountBelow(f daemonFolder) error {
	mounts, err := readMounts()
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(mounts) {
		if !strings.HasPrefix(m.target, f.Path()+"/") {
			continue
		}
		if err := unix.Unmount(m.target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("unmount %s: %w; run umount -l %s", m.target, err, m.target)
		}
	}
	return nil
}
