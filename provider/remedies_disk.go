package provider

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/shell"
)

// explainDisk adds to the error of a build on a full disk which disk it is, and a remedy.
func explainDisk(b builder, err error) error {
	own := daemon.Disk{}
	if b.isEmbedded() {
		own = b.embedded.Disk()
	}
	return diskError(err, b.prune, own)
}

// diskError adds a remedy to an error about a full disk. own is the disk of the embedded daemon, or zero for another
// builder, whose build cache the command prune removes.
//
// If a step reports a full disk, that is the builder's disk or a tmpfs. Nobody can tell, because BuildKit removes what
// the step wrote.
func diskError(err error, prune string, own daemon.Disk) error {
	switch {
	case err != nil && own.ReadOnly:
		return withLines(err, fmt.Sprintf("the disk of the builder cannot be written: %v. Linux does that after "+
			"errors of a disk: read dmesg and repair it, or set PULUMI_BUILDKIT_DAEMON_DIR to a folder on another disk",
			own))
	case isDiskFull(err) && own.Path == "":
		return withLines(err, "the disk of the builder is full: free space there, for example with "+prune)
	case isDiskFull(err):
		return withLines(err, fmt.Sprintf("the disk of the builder is full: %v now. %s", own, diskRemedy(own.Path)))
	case wroteToFullDisk(err) && own.Path != "":
		return withLines(err, fmt.Sprintf("the step says that a disk is full. Unless that is a tmpfs, or a disk "+
			"elsewhere, it is that of the builder: %v now. %s", own, diskRemedy(own.Path)))
	}
	return err
}

// wroteToFullDisk tells whether a step failed after it had printed that a disk is full.
func wroteToFullDisk(err error) bool {
	step, ok := errors.AsType[*buildkit.StepError](err)
	return ok && step.ExitCode != 0 && strings.Contains(strings.Join(step.Output, "\n"), "No space left on device")
}

// isDiskFull tells whether the daemon said that no space is left on its disk.
func isDiskFull(err error) bool {
	if base, ok := errors.AsType[*buildkit.BaseImageError](err); ok {
		return base.Fault == buildkit.DiskFull
	}
	return faultOf(err) == buildkit.DiskFull
}

// diskRemedy returns how to get space for the folder of the embedded daemon.
func diskRemedy(path string) string {
	return fmt.Sprintf("Free space there, or remove the folder while nothing builds, as only the build cache is in it "+
		"(sudo rm -rf %s), or set PULUMI_BUILDKIT_DAEMON_DIR to a folder on another disk", shell.Quote(path))
}
