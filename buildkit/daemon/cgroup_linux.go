package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cgroupLimit is how long killed processes may take to leave a cgroup. cgroupPoll is how often it is looked at.
const (
	cgroupLimit = 5 * time.Second
	cgroupPoll  = 10 * time.Millisecond
)

// cgroupRoots returns the roots of the cgroup hierarchies: one with version 2, one for each controller with version 1.
func cgroupRoots() ([]string, error) {
	mounts, err := readMounts()
	if err != nil {
		return nil, err
	}
	var roots []string
	for _, m := range mounts {
		if m.kind == "cgroup" || m.kind == "cgroup2" {
			roots = append(roots, m.target)
		}
	}
	return roots, nil
}

// removeCgroups kills the processes in the cgroup that holds the steps of a daemon, and removes this cgroup, in every
// hierarchy.
func removeCgroups(s setup) error {
	if s.mode == rootless {
		return nil // it has none
	}
	parent, err := s.cgroupParent()
	if err != nil {
		return err
	}
	roots, err := cgroupRoots()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), cgroupLimit,
		fmt.Errorf("its processes did not end within %s", cgroupLimit))
	defer cancel()
	for _, root := range roots {
		if err := removeCgroupTree(ctx, filepath.Join(root, parent)); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroupTree kills the processes in the cgroup at path and in those below it, and removes these cgroups.
func removeCgroupTree(ctx context.Context, path string) error {
	var folders []string
	err := filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("list the cgroups of a daemon that stopped: %w", err)
	}
	for _, folder := range slices.Backward(folders) {
		if err := killAndRemoveCgroup(ctx, folder); err != nil {
			return fmt.Errorf("remove the cgroup %s of a daemon that stopped: %w; kill the processes that %s lists",
				folder, err, filepath.Join(folder, "cgroup.procs"))
		}
	}
	return nil
}

// killAndRemoveCgroup kills the processes in the cgroup and removes it.
func killAndRemoveCgroup(ctx context.Context, folder string) error {
	tick := time.NewTicker(cgroupPoll)
	defer tick.Stop()
	for {
		err := os.Remove(folder)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) {
			return err
		}
		if err := killProcesses(folder); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// killProcesses kills the processes in the cgroup that this PID namespace sees.
func killProcesses(folder string) error {
	pids, err := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
	if err != nil {
		return err
	}
	for _, field := range strings.Fields(string(pids)) {
		// 0 stands for a process that this PID namespace does not see.
		pid, err := strconv.Atoi(field)
		if err != nil || pid <= 0 {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill process %d: %w", pid, err)
		}
	}
	return nil
}
