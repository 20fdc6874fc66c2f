package daemon

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/subprocess"
)

// conditions of the embedded daemon. Each tries the real thing in the daemon's folder and returns what is wrong.
var conditions = []func(p place) error{isRoot, hasBuildkitd, hasRunc, hasNetwork, mayExecute, hasOverlay, hasCgroups}

// unfit returns an *UnfitError with everything that keeps the embedded daemon from running in the place, or nil. Without
// root there is no place.
func unfit(p place) error {
	var lacks []error
	for _, condition := range conditions {
		if err := condition(p); err != nil {
			lacks = append(lacks, err)
		}
	}
	if lacks == nil {
		return nil
	}
	return &UnfitError{Lacks: lacks}
}

func isRoot(place) error {
	if uid := os.Geteuid(); uid != 0 {
		return newError(NotRoot, "", "it needs root, and this is user %d", uid)
	}
	return nil
}

func hasBuildkitd(place) error {
	_, err := findBinary("buildkitd")
	return err
}

func hasRunc(place) error {
	runc, err := findBinary("runc")
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeoutCause(context.Background(), 10*time.Second, errors.New("no answer within 10 s"))
	defer stop()
	if _, complaint, err := subprocess.Output(exec.CommandContext(ctx, runc, "--version")); err != nil {
		return newError(ProgramBroken, runc, "%s --version: %w %s", runc, err, bytes.TrimSpace(complaint))
	}
	return nil
}

func hasNetwork(place) error {
	_, err := findBinary(network.Program)
	return err
}

func mayExecute(p place) error {
	if p.Folder == nil {
		return nil
	}
	folder, path, err := p.Handle()
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	var disk unix.Statfs_t
	if err := unix.Statfs(path, &disk); err == nil && disk.Flags&unix.ST_NOEXEC != 0 {
		return newError(NoExec, p.Path(), "%s is on a file system that was mounted noexec", p.Path())
	}
	return nil
}

// hasOverlay makes an overlay of folders in the place, without mounting it anywhere: nothing is left when this process is killed.
func hasOverlay(p place) error {
	if p.Folder == nil {
		return nil // cannot be tried
	}
	err := p.clearTemp()
	if err != nil {
		return &Error{Fault: FolderUnusable, Path: p.Path(), Cause: err}
	}
	defer func() { _ = p.clearTemp() }()
	err = p.makeOverlay()
	switch {
	case err == nil || errors.Is(err, unix.ENOSYS): // a kernel before 5.2 has no way to try
		return nil
	case errors.Is(err, unix.ENODEV):
		return newError(NoOverlay, "", "the kernel has no overlayfs")
	case errors.Is(err, unix.EPERM):
		return newError(OverlayDenied, "", "an overlay may not be mounted: %w", err)
	}
	return newError(OverlayUnsupported, p.Path(), "%s is on a file system that overlayfs cannot use: %w", p.Path(), err)
}

func (p place) makeOverlay() error {
	temp, err := p.Sub(tempFolder)
	if err != nil {
		return err
	}
	defer func() { _ = temp.Close() }()
	folder, path, err := temp.Handle()
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	overlay, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(overlay) }()
	for _, name := range []string{"lowerdir", "upperdir", "workdir"} {
		if err := temp.Mkdir(name); err != nil {
			return err
		}
		if err := unix.FsconfigSetString(overlay, name, path+"/"+name); err != nil {
			return err
		}
	}
	return unix.FsconfigCreate(overlay)
}

func hasCgroups(place) error {
	roots, err := cgroupRoots()
	if err != nil {
		return err
	}
	if len(roots) == 0 {
		return newError(NoCgroups, "", "no cgroup file system is mounted")
	}
	for _, root := range roots {
		if err := unix.Access(root, unix.W_OK); os.Geteuid() == 0 && err != nil {
			return newError(CgroupsReadOnly, root, "%s cannot be written: %w", root, err)
		}
	}
	return nil
}
