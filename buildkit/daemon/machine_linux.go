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
var conditions = []func(f daemonFolder) error{
	checkRoot, checkBuildkitd, checkRunc, checkNetworkProgram, checkExec, checkOverlay, checkCgroups,
}

// checkMachine returns an *UnfitError with everything that keeps the embedded daemon from running in the folder, or
// nil. Without root there is no folder, and f is zero.
func checkMachine(f daemonFolder) error {
	var lacks []error
	for _, condition := range conditions {
		if err := condition(f); err != nil {
			lacks = append(lacks, err)
		}
	}
	if lacks == nil {
		return nil
	}
	return &UnfitError{Lacks: lacks}
}

// checkRoot returns an *Error unless the user is root.
func checkRoot(daemonFolder) error {
	if uid := os.Geteuid(); uid != 0 {
		return newError(NotRoot, "", "it needs root, and this is user %d", uid)
	}
	return nil
}

func checkBuildkitd(daemonFolder) error {
	_, err := findBinary("buildkitd")
	return err
}

func checkRunc(daemonFolder) error {
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

func checkNetworkProgram(daemonFolder) error {
	_, err := findBinary(network.Program)
	return err
}

func checkExec(f daemonFolder) error {
	if f.Folder == nil {
		return nil
	}
	folder, path, err := f.Handle()
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	var disk unix.Statfs_t
	if err := unix.Statfs(path, &disk); err == nil && disk.Flags&unix.ST_NOEXEC != 0 {
		return newError(NoExec, f.Path(), "%s is on a file system that was mounted noexec", f.Path())
	}
	return nil
}

// checkOverlay makes an overlay of folders in f and mounts it nowhere: nothing is left when this process is killed.
func checkOverlay(f daemonFolder) error {
	if f.Folder == nil {
		return nil // cannot be tried
	}
	err := clearTemp(f)
	if err != nil {
		return &Error{Fault: FolderUnusable, Path: f.Path(), Cause: err}
	}
	defer func() { _ = clearTemp(f) }()
	err = makeOverlay(f)
	switch {
	case err == nil || errors.Is(err, unix.ENOSYS): // a kernel before 5.2 has no way to try
		return nil
	case errors.Is(err, unix.ENODEV):
		return newError(NoOverlay, "", "the kernel has no overlayfs")
	case errors.Is(err, unix.EPERM):
		return newError(OverlayDenied, "", "an overlay may not be mounted: %w", err)
	}
	return newError(OverlayUnsupported, f.Path(), "%s is on a file system that overlayfs cannot use: %w", f.Path(), err)
}

// makeOverlay makes an overlay of folders in the temporary folder of f.
func makeOverlay(f daemonFolder) error {
	temp, err := f.Sub(tempFolder)
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

func checkCgroups(daemonFolder) error {
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
