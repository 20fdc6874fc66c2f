package provider

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/shell"
)

// privilegedRemedy is the remedy for an operation that a container may not make.
const privilegedRemedy = "If this is a container, run it with --privileged"

// embeddedRemedies are the remedies for the embedded daemon: its machine, its folder, the daemon itself. embeddedRemedy
// replaces each $word by a fact of the fault, and a $word in single quotes by that fact quoted for a shell.
var embeddedRemedies = map[daemon.Fault]string{
	daemon.NotLinux: "Set BUILDKIT_HOST or the input builder.endpoint to a BuildKit daemon that runs elsewhere",
	daemon.NoProc:   "Mount /proc",
	daemon.ProgramMissing: "Install the whole plugin archive, or in a checkout run make build and put bin/ on " +
		"PATH",
	daemon.ProgramMode:       "Run chmod 755 '$path'",
	daemon.ProgramUnreadable: "Let this user read it",
	daemon.ProgramBroken: "Replace it by one for this machine: install the whole plugin archive, or in a checkout " +
		"run make build",
	daemon.NoExec: "Run mount -o remount,exec on it, or set PULUMI_BUILDKIT_DAEMON_DIR to a folder on another one",

	daemon.OverlayDenied:   privilegedRemedy,
	daemon.NoCgroups:       "Run mount -t cgroup2 none /sys/fs/cgroup",
	daemon.CgroupsReadOnly: privilegedRemedy,

	daemon.MapperMissing: "Install it: apt-get install uidmap on Debian and Ubuntu, dnf install shadow-utils on Fedora",
	daemon.NoSubordinates: "Run sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 '$name', with a " +
		"range that no other user has",
	daemon.NamespaceLimit: "Run sudo sysctl -w $path=15000, and write it into a file in /etc/sysctl.d",
	daemon.NamespaceRoot:  "Run sudo sysctl -w $path=1, and write it into a file in /etc/sysctl.d",
	daemon.NamespaceAppArmor: "Give '$program' a profile in /etc/apparmor.d that has userns, or run sudo sysctl -w " +
		"$path=0",
	daemon.NamespaceSeccomp: "If this is a container, run it with --security-opt seccomp=unconfined --security-opt " +
		"apparmor=unconfined --security-opt systempaths=unconfined",
	daemon.NamespaceNoSetuid: "Run pulumi where setuid programs work: in a container, allow privilege escalation " +
		"(without --security-opt no-new-privileges)",
	daemon.NamespaceMasked: "If this is a container, run it with --security-opt systempaths=unconfined",
	daemon.NamespaceDenied: "Allow user namespaces for ordinary users on this machine",

	daemon.FolderUnknown:  "Set PULUMI_BUILDKIT_DAEMON_DIR",
	daemon.FolderUnusable: "Set PULUMI_BUILDKIT_DAEMON_DIR to a folder that can be written",
	daemon.FolderOwner:    "Set PULUMI_BUILDKIT_DAEMON_DIR to a folder of user $user",
	daemon.FolderShared:   "Remove the folder, or set PULUMI_BUILDKIT_DAEMON_DIR to another one",
	daemon.FolderForeign:  "Set PULUMI_BUILDKIT_DAEMON_DIR to a new or an empty folder",
	daemon.FolderNewer:    "Update the provider, or set PULUMI_BUILDKIT_DAEMON_DIR to another folder",
	daemon.FolderPlanted: "Remove the folder (sudo rm -rf '$path'), for another user may have put something into it. " +
		"Only the build cache is lost",
	daemon.ParentOwner: "Set PULUMI_BUILDKIT_DAEMON_DIR to a folder of user $user, below folders that only root and " +
		"user $user can replace",
	daemon.ParentShared: "Run chmod go-w '$path', or chmod +t '$path' if others need to write there, or set " +
		"PULUMI_BUILDKIT_DAEMON_DIR to a folder elsewhere",
	daemon.LockUnsupported: "Put the folder on a local file system: set PULUMI_BUILDKIT_DAEMON_DIR",
	daemon.CAFile:          "Correct it in registries",
	daemon.CAFileLink:      "Write the path of its target in registries",

	daemon.IdleText:         "Write 90s or 10m",
	daemon.SizeText:         "Write 20GB or 20GiB",
	daemon.NotReady:         "Read buildkitd.log and keeper.log in $path",
	daemon.ProgramsReplaced: "Try again",
	daemon.InUse:            "Try again when they have ended, or set PULUMI_BUILDKIT_DAEMON_DIR to another folder",
	daemon.Hung:             "End them, or run kill -9 $process, and try again",
}

// explainEmbedded adds remedies to the error of an embedded daemon that cannot be used. Each thing that the machine
// lacks gets its own. The remedy for a full disk stands at the end.
func explainEmbedded(err error) error {
	if full, ok := errors.AsType[*daemon.FullDiskError](err); ok {
		explained := &daemon.FullDiskError{Disk: full.Disk, Cause: explainEmbedded(full.Cause)}
		return withLines(explained, diskRemedy(full.Path))
	}
	if unfit, ok := errors.AsType[*daemon.UnfitError](err); ok {
		return withLines(explainLacks(unfit), otherBuilder())
	}
	e, ok := errors.AsType[*daemon.Error](err)
	if !ok {
		return err
	}
	remedy := embeddedRemedy(e)
	if strings.Contains(err.Error(), "\n") { // the error ends with a log
		return withLines(err, remedy)
	}
	return fmt.Errorf("%w. %s", err, remedy)
}

// otherBuilder returns the remedy that always works.
func otherBuilder() string {
	const other = "use another BuildKit daemon: set BUILDKIT_HOST or the input builder.endpoint"
	if daemon.Rootless() {
		return "Or run pulumi as root (sudo -E pulumi up), start a Docker Engine that this user may use, or " + other
	}
	return "Or " + other
}

// explainLacks adds to each thing that the machine lacks what to do about it. Neighbors with one remedy share it: the
// last of them has it.
func explainLacks(unfit *daemon.UnfitError) error {
	explained := &daemon.UnfitError{}
	for i, lack := range unfit.Reasons {
		if i+1 == len(unfit.Reasons) || remedyOfLack(lack) != remedyOfLack(unfit.Reasons[i+1]) {
			lack = explainEmbedded(lack)
		}
		explained.Reasons = append(explained.Reasons, lack)
	}
	return explained
}

// remedyOfLack returns the remedy for a thing that the machine lacks, or "".
func remedyOfLack(lack error) string {
	if e, ok := errors.AsType[*daemon.Error](lack); ok {
		return embeddedRemedy(e)
	}
	return ""
}

// embeddedRemedy returns the remedy of a fault with its facts.
func embeddedRemedy(e *daemon.Error) string {
	return strings.NewReplacer(
		"'$path'", shell.Quote(e.Path), "$path", e.Path,
		"$user", strconv.Itoa(os.Geteuid()), "$process", strconv.Itoa(e.Process),
		"'$name'", shell.Quote(e.User), "'$program'", shell.Quote(e.Program),
	).Replace(embeddedRemedies[e.Fault])
}
