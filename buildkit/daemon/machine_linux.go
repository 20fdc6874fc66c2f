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

// What an embedded daemon needs: in either mode, and in one mode only. Each condition tries the real thing in the
// daemon's folder and returns what is wrong.
var (
	conditions         = []func(f daemonFolder) error{checkBuildkitd, checkRunc, checkNetworkProgram, checkExec}
	rootfulConditions  = []func(f daemonFolder) error{checkOverlay, checkCgroups}
	rootlessConditions = []func(f daemonFolder) error{
		checkRootlesskit, checkUIDMapper, checkGIDMapper, checkSubordinateUIDs, checkSubordinateGIDs,
	}
)

// checkMachine returns an *UnfitError with everything that keeps the embedded daemon from running in the folder. It
// returns nil if there is nothing.
func (c client) checkMachine(ctx context.Context) error {
	all := append(slices.Clone(conditions), rootfulConditions...)
	if c.mode == rootless {
		all = append(slices.Clone(conditions), rootlessConditions...)
	}
	var reasons []error
	for _, condition := range all {
		if err := condition(c.daemonFolder); err != nil {
			reasons = append(reasons, err)
		}
	}
	if reasons == nil && c.mode == rootless {
		if err := c.checkNamespace(ctx); err != nil {
			reasons = append(reasons, err)
		}
	}
	if reasons == nil {
		return nil
	}
	return &UnfitError{Reasons: reasons}
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
	ctx, cancel := context.WithTimeoutCause(context.Background(), 10*time.Second, errors.New("no answer within 10 s"))
	defer cancel()
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

// checkOverlay returns an *Error if this process has no permission to mount an overlay: then it cannot mount anything
// else either. If overlayfs works badly or not at all, the keeper chooses another snapshotter.
func checkOverlay(f daemonFolder) error {
	if err := emptyTempFolder(f); err != nil {
		return &Error{Fault: FolderUnusable, Path: f.Path(), Cause: err}
	}
	defer func() { _ = emptyTempFolder(f) }()
	if err := makeOverlay(f); errors.Is(err, unix.EPERM) {
		return newError(OverlayDenied, "", "no permission to mount an overlay: %w", err)
	}
	return nil
}

// makeOverlay makes an overlay of folders in the temporary folder of f. It mounts the overlay nowhere, so nothing is
// left if this process is killed.
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
