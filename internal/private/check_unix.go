//go:build unix

package private

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// noWait keeps the opening of a FIFO from waiting for a writer.
const noWait = syscall.O_NONBLOCK

// checkOwner returns an *UnsafeError if what is at path belongs to a user who is not trusted.
func checkOwner(path string, info fs.FileInfo) error {
	return checkUser(path, Owner(info))
}

// Owner returns the user whom a file belongs to.
func Owner(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

func checkUser(path string, uid int) error {
	if uid == 0 || uid == os.Geteuid() || uid == homeOwner() {
		return nil
	}
	reason := fmt.Sprintf("it belongs to user %d, not to root or user %d", uid, os.Geteuid())
	return &UnsafeError{Path: path, Reason: reason}
}

// homeOwner returns the user whose home folder this process uses, or -1.
//
// With sudo -E and in the containers of some CI services root works in another user's home. That user decides there
// which plugins the Pulumi CLI runs, and which credential helpers Docker's and AWS's configurations name.
func homeOwner() int {
	home := os.Getenv("HOME")
	if !filepath.IsAbs(home) {
		return -1
	}
	info, err := os.Stat(home)
	if err != nil {
		return -1
	}
	return Owner(info)
}

// checkWriters returns an *UnsafeError if other users may replace what is in a folder, or change a file.
func checkWriters(path string, info fs.FileInfo) error {
	mode := info.Mode()
	others := mode.Perm()&0o002 != 0 || mode.Perm()&0o020 != 0 && !hasPrivateGroup(info)
	if !others || mode.IsDir() && mode&fs.ModeSticky != 0 {
		return nil
	}
	reason := fmt.Sprintf("its mode %04o lets other users write to it", mode.Perm())
	return &UnsafeError{Path: path, Reason: reason, Shared: true}
}

// hasPrivateGroup tells whether the group of a file is its owner's own, as Debian, Ubuntu and Fedora make one of the
// same name for each user: a umask of 002 makes folders writable for it. The group of root is none: its members are not
// all root.
func hasPrivateGroup(info fs.FileInfo) bool {
	stat := info.Sys().(*syscall.Stat_t)
	if stat.Gid == 0 {
		return false
	}
	owner, err := user.LookupId(strconv.Itoa(int(stat.Uid)))
	if err != nil || owner.Gid != strconv.Itoa(int(stat.Gid)) {
		return false
	}
	group, err := user.LookupGroupId(owner.Gid)
	return err == nil && group.Name == owner.Username
}

// checkNames returns an *UnsafeError if a file has another name as well: a hard link to a file of the victim's.
func checkNames(path string, info fs.FileInfo) error {
	if names := info.Sys().(*syscall.Stat_t).Nlink; names != 1 {
		return &UnsafeError{Path: path, Reason: fmt.Sprintf("it is one of %d hard links to the same file", names)}
	}
	return nil
}
