package daemon

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/subprocess"
)

// conditions of an embedded daemon of either mode, and those of one only. Each tries the real thing in the daemon's
// folder and returns what is wrong.
var (
	conditions         = []func(f daemonFolder) error{checkBuildkitd, checkRunc, checkNetworkProgram, checkExec}
	rootfulConditions  = []func(f daemonFolder) error{checkOverlay, checkCgroups}
	rootlessConditions = []func(f daemonFolder) error{
		checkRootlesskit, checkUIDMapper, checkGIDMapper, checkSubordinateUIDs, checkSubordinateGIDs,
	}
)

// checkMachine returns an *UnfitError with everything that keeps the embedded daemon from running in the folder, or
// nil.
func (c client) checkMachine(ctx context.Context) error {
	all := append(slices.Clone(conditions), rootfulConditions...)
	if c.mode == rootless {
		all = append(slices.Clone(conditions), rootlessConditions...)
	}
	var lacks []error
	for _, condition := range all {
		if err := condition(c.daemonFolder); err != nil {
			lacks = append(lacks, err)
		}
	}
	if lacks == nil && c.mode == rootless {
		if err := c.checkNamespace(ctx); err != nil {
			lacks = append(lacks, err)
		}
	}
	if lacks == nil {
		return nil
	}
	return &UnfitError{Lacks: lacks}
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

// checkOverlay returns an *Error if an overlay may not be mounted: then no other mount may be made either. Where
// overlayfs works badly or not at all, the keeper chooses another snapshotter.
func checkOverlay(f daemonFolder) error {
	if err := clearTemp(f); err != nil {
		return &Error{Fault: FolderUnusable, Path: f.Path(), Cause: err}
	}
	defer func() { _ = clearTemp(f) }()
	if err := makeOverlay(f); errors.Is(err, unix.EPERM) {
		return newError(OverlayDenied, "", "an overlay may not be mounted: %w", err)
	}
	return nil
}

// makeOverlay makes an overlay of folders in the temporary folder of f, and mounts it nowhere: nothing is left when
// this process is killed.
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
		if err := unix.Access(root, unix.W_OK); err != nil {
			return newError(CgroupsReadOnly, root, "%s cannot be written: %w", root, err)
		}
	}
	return nil
}
