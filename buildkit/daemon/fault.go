package daemon

import (
	"errors"
	"fmt"
)

// Fault says what an *Error is about. Each fault has one remedy, which the caller knows.
type Fault int

// The faults of the machine come first, then those of folders and files, then those of the daemon and its settings.
const (
	Unexplained       Fault = iota // none of those below
	NotLinux                       // only Linux runs the daemon
	NoProc                         // /proc does not have what is expected: perhaps it is not mounted
	ProgramMissing                 // the program Path, which ships with the plugin, was not found
	ProgramMode                    // nobody has permission to execute Path
	ProgramUnreadable              // this user has no permission to look at Path
	ProgramBroken                  // Path does not run on this machine
	NoExec                         // Path is on a file system that is mounted noexec
	OverlayDenied                  // the kernel has overlayfs, and this process has no permission to mount it
	NoCgroups                      // no cgroup file system is mounted
	CgroupsReadOnly                // the cgroup file system at Path cannot be written

	// What an ordinary user lacks for a user namespace.

	MapperMissing     // Path is newuidmap or newgidmap, and it is not on PATH
	NoSubordinates    // the file Path gives the user with the name User too few subordinate IDs
	NamespaceLimit    // the sysctl Path lets nobody make user namespaces
	NamespaceRoot     // the sysctl Path lets only root make user namespaces
	NamespaceAppArmor // the sysctl Path makes AppArmor restrict user namespaces; Program is rootlesskit
	NamespaceSeccomp  // a seccomp filter, as containers have, forbids user namespaces
	NamespaceNoSetuid // this process cannot gain privileges, which newuidmap needs
	NamespaceMasked   // parts of /proc are hidden, so no namespace can mount its own /proc
	NamespaceDenied   // no user namespace can be made, for another reason

	FolderUnknown   // the environment names neither a home folder nor a cache folder
	FolderUnusable  // the folder Path cannot be opened or written
	FolderOwner     // the folder Path belongs to another user: found when the folder is claimed
	FolderShared    // other users can write to the folder Path: found when the folder is claimed
	FolderForeign   // the folder Path holds something that the daemon did not make
	FolderNewer     // a later release made the folder Path
	FolderPlanted   // another user has perhaps put something into the folder Path
	ParentOwner     // the folder, or a parent of it, belongs to another user: found when Path is opened
	ParentShared    // other users can write to Path, the folder or a parent of it: found when Path is opened
	LockUnsupported // the file system of Path has no locks
	CAFile          // the file with the certificate authorities of a registry cannot be used
	CAFileLink      // the file with the certificate authorities of a registry is a link that leads elsewhere

	IdleText         // the idle time is not a duration above zero
	SizeText         // the size of the build cache is not a size above zero
	NotReady         // the daemon in the folder Path was not ready in time
	ProgramsReplaced // the programs of the daemon were replaced while it started
	InUse            // other builds use the daemon, which is of another version or configuration
	Hung             // other builds use the daemon, which does not answer; Process is its keeper
)

// Error is an error with a fault, and with the facts that the remedy names.
type Error struct {
	Fault Fault
	Path  string // a file, a folder or a setting: the comment of the fault says which

	Process int
	User    string
	Program string
	Cause   error // says what happened, without the remedy
}

// Error returns the text of the cause.
func (e *Error) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// newError returns an *Error with this fault and path. Its cause is what fmt.Errorf makes of the format and the values.
func newError(fault Fault, path, format string, values ...any) *Error {
	return &Error{Fault: fault, Path: path, Cause: fmt.Errorf(format, values...)}
}

// UnfitError says what keeps the embedded daemon from running on this machine.
type UnfitError struct {
	Reasons []error // most are of type *Error
}

// Error returns a line for each reason.
func (e *UnfitError) Error() string {
	text := "the embedded BuildKit daemon cannot run here:"
	for _, reason := range e.Reasons {
		text += "\n- " + reason.Error()
	}
	return text
}

// Unwrap returns all reasons.
func (e *UnfitError) Unwrap() []error { return e.Reasons }

// withFault returns an *Error with this fault and path whose cause is err. It returns err itself if it wraps an *Error.
func withFault(err error, fault Fault, path string) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	return &Error{Fault: fault, Path: path, Cause: err}
}
