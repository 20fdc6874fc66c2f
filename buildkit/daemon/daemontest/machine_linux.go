package daemontest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Nobody is the user ID of an ordinary user that each machine has.
const Nobody = 65534

// Machine says what the user nobody finds on the machine. Only a process in its own mount namespace sees that; the
// machine itself stays as it is.
type Machine struct {
	Subordinates string            // the content of /etc/subuid and /etc/subgid
	NoDevice     bool              // the TUN device is for root only
	Settings     map[string]string // files in /proc/sys, which has no others then
	Seccomp      bool              // a filter forbids user namespaces
	NoNewPrivs   bool              // setuid programs do not work
	Overlay      string            // the folder that is an overlay of the user nobody; "": none
	NoEngine     bool              // no Docker Engine listens at the usual place
	Engine       string            // the socket that is at the usual place; "": what the machine has there
	Group        int               // a further group of nobody's; 0: none
}

// UsualMachine is a machine on which the user nobody can run a daemon.
var UsualMachine = Machine{Subordinates: "nobody:100000:65536\n"}

// Become changes this process, which runs as root in its own mount namespace, into one of the user nobody on the
// machine. The caller then executes a program, because a process that has changed its user cannot read its own /proc
// folder.
func (m Machine) Become() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	for _, change := range []func() error{
		m.writeSubordinates, m.makeDevice, m.writeSettings, m.mountOverlay, m.moveEngine,
	} {
		if err := change(); err != nil {
			return err
		}
	}
	if m.NoNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
	}
	if m.Seccomp {
		if err := forbidNamespaces(); err != nil {
			return err
		}
	}
	var groups []int
	if m.Group != 0 {
		groups = append(groups, m.Group)
	}
	return errors.Join(syscall.Setgroups(groups), syscall.Setgid(Nobody), syscall.Setuid(Nobody))
}

func (m Machine) writeSubordinates() error {
	file, err := os.CreateTemp("", "subordinates-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.WriteString(m.Subordinates)
	return errors.Join(err, file.Chmod(0o644), file.Close(),
		unix.Mount(file.Name(), "/etc/subuid", "", unix.MS_BIND, ""),
		unix.Mount(file.Name(), "/etc/subgid", "", unix.MS_BIND, ""))
}

// makeDevice makes a TUN device for everybody, as udev does.
func (m Machine) makeDevice() error {
	err := unix.Mount("tmpfs", "/dev/net", "tmpfs", 0, "mode=755")
	if m.NoDevice || err != nil {
		return err
	}
	return errors.Join(
		unix.Mknod("/dev/net/tun", unix.S_IFCHR|0o666, int(unix.Mkdev(10, 200))), os.Chmod("/dev/net/tun", 0o666))
}

func (m Machine) writeSettings() error {
	if m.Settings == nil {
		return nil
	}
	err := unix.Mount("tmpfs", "/proc/sys", "tmpfs", 0, "mode=755")
	for name, value := range m.Settings {
		path := filepath.Join("/proc/sys", name)
		err = errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(value+"\n"), 0o644))
	}
	return err
}

func (m Machine) mountOverlay() error {
	if m.Overlay == "" {
		return nil
	}
	base, err := os.MkdirTemp("", "overlay-")
	if err != nil {
		return err
	}
	// On a file system of this namespace only, so that nothing is left.
	err = unix.Mount("tmpfs", base, "tmpfs", 0, "mode=755")
	for _, name := range []string{"lower", "upper", "work"} {
		err = errors.Join(err, os.Mkdir(filepath.Join(base, name), 0o755))
	}
	options := "lowerdir=" + base + "/lower,upperdir=" + base + "/upper,workdir=" + base + "/work"
	return errors.Join(err,
		unix.Mount("overlay", m.Overlay, "overlay", 0, options),
		os.Chown(m.Overlay, Nobody, Nobody), os.Chmod(m.Overlay, 0o700))
}

// moveEngine puts the socket of an engine at the usual place, /var/run/docker.sock, or nothing.
func (m Machine) moveEngine() error {
	if m.Engine == "" && !m.NoEngine {
		return nil
	}
	err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755")
	if err != nil || m.Engine == "" {
		return err
	}
	const usual = "/run/docker.sock"
	return errors.Join(os.WriteFile(usual, nil, 0o600), unix.Mount(m.Engine, usual, "", unix.MS_BIND, ""))
}

// forbidNamespaces makes clone(2) refuse a user namespace, as the filter of a container does.
func forbidNamespaces() error {
	const (
		load        = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		jumpIfEqual = unix.BPF_JMP | unix.BPF_JEQ
		jumpIfSet   = unix.BPF_JMP | unix.BPF_JSET
		answer      = unix.BPF_RET
	)
	filter := []unix.SockFilter{
		{Code: load, K: 0}, // the number of the call
		{Code: jumpIfEqual, Jf: 3, K: unix.SYS_CLONE},
		{Code: load, K: 16}, // its first argument
		{Code: jumpIfSet, Jf: 1, K: unix.CLONE_NEWUSER},
		{Code: answer, K: 0x00050000 | uint32(unix.EPERM)}, // SECCOMP_RET_ERRNO
		{Code: answer, K: 0x7fff0000},                      // SECCOMP_RET_ALLOW
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	const setFilter, allThreads = 1, 1
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, setFilter, allThreads, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return nil
}

// SkipWithoutNamespaces skips the test if nobody cannot run the programs in the folder bin, or has no user namespaces
// on the real machine.
func SkipWithoutNamespaces(t testing.TB, bin string) {
	t.Helper()
	SkipUnlessReachable(t, bin)
	text, err := os.ReadFile("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
	if err == nil && strings.TrimSpace(string(text)) == "1" {
		t.Skip("NOT TESTED: AppArmor keeps ordinary users of this machine from user namespaces")
	}
}

// SkipUnlessReachable skips the test if nobody cannot run the programs in the folder bin.
func SkipUnlessReachable(t testing.TB, bin string) {
	t.Helper()
	for dir := bin; dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode()&0o001 == 0 {
			t.Skipf("NOT TESTED: another user cannot enter %s, where the programs of the plugin are: %v", dir, err)
		}
	}
}
