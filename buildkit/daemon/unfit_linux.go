package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network"
)

// conditions of the embedded daemon. Each tries the real thing in the daemon's folder and returns what is wrong with its remedy.
var conditions = []func(dir string) error{isRoot, hasBuildkitd, hasRunc, hasNetwork, mayExecute, hasOverlay, hasCgroups}

// unfit says everything that keeps the embedded daemon from running in dir, or nil.
func unfit(dir string) error {
	var wrong []error
	for _, condition := range conditions {
		if err := condition(dir); err != nil {
			wrong = append(wrong, fmt.Errorf("- %w", err))
		}
	}
	if wrong == nil {
		return nil
	}
	return fmt.Errorf("the embedded BuildKit daemon cannot run here:\n%w\nor use another BuildKit daemon: set BUILDKIT_HOST or the "+
		"input builder.endpoint", errors.Join(wrong...))
}

func isRoot(string) error {
	if uid := os.Geteuid(); uid != 0 {
		return fmt.Errorf("it needs root, and this is user %d: run pulumi as root (sudo -E pulumi up), or start a rootless buildkitd "+
			"(rootlesskit buildkitd) and set BUILDKIT_HOST=unix://$XDG_RUNTIME_DIR/buildkit/buildkitd.sock", uid)
	}
	return nil
}

func hasBuildkitd(string) error {
	_, err := findBinary("buildkitd")
	return err
}

func hasRunc(string) error {
	runc, err := findBinary("runc")
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeoutCause(context.Background(), 10*time.Second, errors.New("no answer within 10 s"))
	defer stop()
	if output, err := exec.CommandContext(ctx, runc, "--version").CombinedOutput(); err != nil {
		return fmt.Errorf("%s --version: %w %s: replace it by one for this machine: install the whole plugin archive, or in a checkout "+
			"run make build", runc, err, strings.TrimSpace(string(output)))
	}
	return nil
}

func hasNetwork(string) error {
	_, err := findBinary(network.Program)
	return err
}

func mayExecute(dir string) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err == nil && disk.Flags&unix.ST_NOEXEC != 0 {
		return fmt.Errorf("%s is on a file system that was mounted noexec: run mount -o remount,exec on it, or set %s to a folder on "+
			"another one", dir, dirVariable)
	}
	return nil
}

// hasOverlay makes an overlay of folders in dir, without mounting it anywhere: nothing is left when this process is killed.
func hasOverlay(dir string) error {
	if os.Geteuid() != 0 {
		return nil // cannot be tried
	}
	temp := filepath.Join(dir, tempFolder)
	trial, err := "", os.MkdirAll(temp, 0o700)
	if err == nil {
		trial, err = os.MkdirTemp(temp, "overlay-")
	}
	if err != nil {
		return fmt.Errorf("%w: set %s to a folder that can be written", err, dirVariable)
	}
	defer func() { _ = os.RemoveAll(trial) }()
	err = makeOverlay(trial)
	switch {
	case err == nil || errors.Is(err, unix.ENOSYS): // a kernel before 5.2 has no way to try
		return nil
	case errors.Is(err, unix.ENODEV):
		return errors.New("the kernel has no overlayfs: run modprobe overlay")
	case errors.Is(err, unix.EPERM):
		return errors.New("an overlay may not be mounted: if this is a container, run it with --privileged")
	}
	return fmt.Errorf("%s is on a file system that overlayfs cannot use (%w): set %s to a folder on ext4 or xfs; "+
		"if this is a container, to a volume", dir, err, dirVariable)
}

func makeOverlay(trial string) error {
	overlay, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(overlay) }()
	for _, name := range []string{"lowerdir", "upperdir", "workdir"} {
		folder := filepath.Join(trial, name)
		if err := os.Mkdir(folder, 0o700); err != nil {
			return err
		}
		if err := unix.FsconfigSetString(overlay, name, folder); err != nil {
			return err
		}
	}
	return unix.FsconfigCreate(overlay)
}

func hasCgroups(string) error {
	roots, err := cgroupRoots()
	if err != nil {
		return err
	}
	if len(roots) == 0 {
		return errors.New("no cgroup file system is mounted: run mount -t cgroup2 none /sys/fs/cgroup")
	}
	for _, root := range roots {
		if err := unix.Access(root, unix.W_OK); os.Geteuid() == 0 && err != nil {
			return fmt.Errorf("%s cannot be written (%w): if this is a container, run it with --privileged", root, err)
		}
	}
	return nil
}
