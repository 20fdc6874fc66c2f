package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/subprocess"
)

// conditions of the embedded daemon. Each tries the real thing in the daemon's folder and returns what is wrong with its remedy.
var conditions = []func(p place) error{isRoot, hasBuildkitd, hasRunc, hasNetwork, mayExecute, hasOverlay, hasCgroups}

// unfit says everything that keeps the embedded daemon from running in the place, or nil. Without root there is no place.
func unfit(p place) error {
	var wrong []error
	for _, condition := range conditions {
		if err := condition(p); err != nil {
			wrong = append(wrong, fmt.Errorf("- %w", err))
		}
	}
	if wrong == nil {
		return nil
	}
	return fmt.Errorf("the embedded BuildKit daemon cannot run here:\n%w\nor use another BuildKit daemon: set BUILDKIT_HOST or the "+
		"input builder.endpoint", errors.Join(wrong...))
}

func isRoot(place) error {
	if uid := os.Geteuid(); uid != 0 {
		return fmt.Errorf("it needs root, and this is user %d: run pulumi as root (sudo -E pulumi up), or start a rootless buildkitd "+
			"(rootlesskit buildkitd) and set BUILDKIT_HOST=unix://$XDG_RUNTIME_DIR/buildkit/buildkitd.sock", uid)
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
		return fmt.Errorf("%s --version: %w %s: replace it by one for this machine: install the whole plugin archive, or in a checkout "+
			"run make build", runc, err, strings.TrimSpace(string(complaint)))
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
		return fmt.Errorf("%s is on a file system that was mounted noexec: run mount -o remount,exec on it, or set %s to a folder on "+
			"another one", p.Path(), dirVariable)
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
		return fmt.Errorf("%w: set %s to a folder that can be written", err, dirVariable)
	}
	defer func() { _ = p.clearTemp() }()
	err = p.makeOverlay()
	switch {
	case err == nil || errors.Is(err, unix.ENOSYS): // a kernel before 5.2 has no way to try
		return nil
	case errors.Is(err, unix.ENODEV):
		return errors.New("the kernel has no overlayfs: run modprobe overlay")
	case errors.Is(err, unix.EPERM):
		return errors.New("an overlay may not be mounted: if this is a container, run it with --privileged")
	}
	return fmt.Errorf("%s is on a file system that overlayfs cannot use (%w): set %s to a folder on ext4 or xfs; "+
		"if this is a container, to a volume", p.Path(), err, dirVariable)
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
		return errors.New("no cgroup file system is mounted: run mount -t cgroup2 none /sys/fs/cgroup")
	}
	for _, root := range roots {
		if err := unix.Access(root, unix.W_OK); os.Geteuid() == 0 && err != nil {
			return fmt.Errorf("%s cannot be written (%w): if this is a container, run it with --privileged", root, err)
		}
	}
	return nil
}
