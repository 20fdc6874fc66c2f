package daemon

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/subprocess"
)

// The settings of the machine that forbid user namespaces.
const (
	limitSetting    = "user.max_user_namespaces"
	rootSetting     = "kernel.unprivileged_userns_clone" // of Debian's kernels
	apparmorSetting = "kernel.apparmor_restrict_unprivileged_userns"
)

// subordinateCount is how many subordinate IDs images need: they have the users 0 to 65535.
const subordinateCount = 65536

// namespaceLimit bounds the trial of a user namespace, and a question to a directory service.
const namespaceLimit = 10 * time.Second

func checkRootlesskit(daemonFolder) error {
	_, err := findBinary("rootlesskit")
	return err
}

func checkUIDMapper(daemonFolder) error { return checkMapper("newuidmap") }

func checkGIDMapper(daemonFolder) error { return checkMapper("newgidmap") }

// checkMapper returns an *Error if the program that writes the user IDs of a namespace is missing.
func checkMapper(name string) error {
	if _, err := exec.LookPath(name); err != nil {
		return newError(MapperMissing, name,
			"%s is not on PATH (%s), and an ordinary user needs it for a user namespace", name, os.Getenv("PATH"))
	}
	return nil
}

func checkSubordinateUIDs(daemonFolder) error { return checkSubordinates("/etc/subuid") }

func checkSubordinateGIDs(daemonFolder) error { return checkSubordinates("/etc/subgid", "-g") }

// checkSubordinates returns an *Error if this user has too few subordinate IDs. The IDs are in the file at path, or in
// a directory service (LDAP, for example), which getsubids asks.
func checkSubordinates(path string, options ...string) error {
	id := strconv.Itoa(os.Geteuid())
	name := id
	if account, err := user.LookupId(id); err == nil {
		name = account.Username
	}
	text, err := os.ReadFile(path)
	if count := countSubordinates(text, ":", name, id); count >= subordinateCount {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), namespaceLimit, errors.New("no answer within 10 s"))
	defer cancel()
	cmd := exec.CommandContext(ctx, "getsubids", append(options, name)...)
	if listed, _, err := subprocess.Output(cmd); err == nil {
		// A line is "0: NAME FIRST COUNT".
		_, listed, _ := bytes.Cut(listed, []byte(": "))
		if countSubordinates(listed, " ", name, id) >= subordinateCount {
			return nil
		}
	}
	reason := newError(NoSubordinates, path,
		"%s gives user %s fewer than %d subordinate IDs", path, name, subordinateCount)
	if err != nil {
		reason = newError(NoSubordinates, path, "%w: user %s has no subordinate IDs", err, name)
	}
	reason.User = name
	return reason
}

// countSubordinates adds up the counts of the lines with one of the names. Each line has name, first ID and count.
func countSubordinates(text []byte, separator string, names ...string) (count int) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		fields := strings.Split(strings.TrimSpace(lines.Text()), separator)
		if len(fields) != 3 || fields[0] != names[0] && fields[0] != names[1] {
			continue
		}
		n, _ := strconv.Atoi(fields[2])
		count += n
	}
	return count
}

// checkNamespace returns an *Error if the user namespace of a daemon cannot be made. It makes one, and the process in
// it exits at once.
func (c client) checkNamespace(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, namespaceLimit, errors.New("no answer within 10 s"))
	defer cancel()
	command, err := c.keeperCommand(probeName)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Env = "/", keepInherited(os.Environ())
	output, complaint, err := subprocess.Output(cmd)
	if err == nil {
		return nil
	}
	cause := fmt.Errorf("a user namespace: %w: %s", err, bytes.TrimSpace(append(output, complaint...)))
	if bytes.Contains(output, []byte(procDenied)) {
		return newError(NamespaceMasked, "/proc",
			"parts of /proc are hidden here, so a user namespace cannot mount its own /proc")
	}
	return c.explainNamespace(cause)
}

// explainNamespace returns an *Error with the setting of the machine that is the likely reason.
func (c client) explainNamespace(cause error) error {
	switch {
	case setting(limitSetting) == "0":
		return newError(NamespaceLimit, limitSetting,
			"no user namespaces are allowed on this machine: %s is 0", limitSetting)
	case setting(rootSetting) == "0":
		return newError(NamespaceRoot, rootSetting,
			"only root may make user namespaces on this machine: %s is 0", rootSetting)
	case setting(apparmorSetting) == "1":
		reason := newError(NamespaceAppArmor, apparmorSetting,
			"AppArmor takes the privileges of user namespaces away on this machine: %s is 1", apparmorSetting)
		reason.Program = c.rootlesskit
		return reason
	case status("NoNewPrivs") == "1":
		return newError(NamespaceNoSetuid, "",
			"this process cannot gain privileges (no_new_privs), and newuidmap needs them")
	case status("Seccomp") == "2":
		return newError(NamespaceSeccomp, "", "a seccomp filter, as containers have, forbids user namespaces")
	}
	return &Error{Fault: NamespaceDenied, Cause: cause}
}

// setting returns the value of a sysctl, or "".
func setting(name string) string {
	text, _ := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	return strings.TrimSpace(string(text))
}

// status returns a field of the status of this process, or "".
func status(name string) string {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// procDenied is what a probe prints if it has no permission to mount /proc.
const procDenied = "no /proc"

// probeNamespace runs in a user namespace and tries what a daemon does there first: it mounts /proc in a new PID
// namespace.
func probeNamespace() error {
	if os.Getpid() == 1 {
		if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			return fmt.Errorf("%s: %w", procDenied, err)
		}
		return nil
	}
	cmd := exec.CommandContext(context.Background(), "/proc/self/exe", probeName)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	return cmd.Run()
}
