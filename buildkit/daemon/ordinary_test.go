//go:build linux

package daemon_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nobody is the user ID of an ordinary user that each machine has.
const nobody = 65534

// ordinaryVariable is the environment variable that makes a client process run as nobody. Its value is the JSON of an
// ordinaryMachine.
const ordinaryVariable = "DAEMON_TEST_ORDINARY"

// ordinaryMachine says what the user nobody finds on the machine. Only a client process sees that, in its own mount
// namespace; the machine itself stays as it is.
type ordinaryMachine struct {
	Subordinates string            // the content of /etc/subuid and /etc/subgid
	NoDevice     bool              // the TUN device is for root only
	Settings     map[string]string // files in /proc/sys, which has no others then
	Seccomp      bool              // a filter forbids user namespaces
	NoNewPrivs   bool              // setuid programs do not work
	Overlay      string            // the folder that is an overlay of the user nobody; "": none
}

// usual is a machine on which the user nobody can run a daemon.
var usual = ordinaryMachine{Subordinates: "nobody:100000:65536\n"}

// become changes this process, which runs as root, into a client of the user nobody on the machine. It returns only if
// that fails.
func (m ordinaryMachine) become() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := errors.Join(m.writeSubordinates(), m.makeDevice(), m.writeSettings(), m.mountOverlay()); err != nil {
		return err
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
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
		return err
	}
	// A process that has changed its user cannot read its own /proc folder. So it executes itself again.
	if err := os.Unsetenv(ordinaryVariable); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return unix.Exec(self, os.Args, os.Environ())
}

func (m ordinaryMachine) writeSubordinates() error {
	file, err := os.CreateTemp("", "subordinates-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(m.Subordinates)
	return errors.Join(err, file.Chmod(0o644), file.Close(),
		unix.Mount(file.Name(), "/etc/subuid", "", unix.MS_BIND, ""),
		unix.Mount(file.Name(), "/etc/subgid", "", unix.MS_BIND, ""))
}

// makeDevice makes a TUN device for everybody, as udev does.
func (m ordinaryMachine) makeDevice() error {
	err := unix.Mount("tmpfs", "/dev/net", "tmpfs", 0, "mode=755")
	if m.NoDevice || err != nil {
		return err
	}
	return errors.Join(
		unix.Mknod("/dev/net/tun", unix.S_IFCHR|0o666, int(unix.Mkdev(10, 200))), os.Chmod("/dev/net/tun", 0o666))
}

func (m ordinaryMachine) writeSettings() error {
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

func (m ordinaryMachine) mountOverlay() error {
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
		os.Chown(m.Overlay, nobody, nobody), os.Chmod(m.Overlay, 0o700))
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

// ordinaryHome returns a home folder of the user nobody, and a copy of this program that this user can run. It skips
// the test if the user nobody cannot run the programs of the daemon, or cannot make user namespaces.
func ordinaryHome(t *testing.T) (home, program string) {
	t.Helper()
	skipWithoutDaemon(t)
	bin, err := filepath.Abs("../../bin")
	must(t, err)
	for dir := bin; dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode()&0o001 == 0 {
			t.Skipf("NOT TESTED: another user cannot enter %s, where the programs of the daemon are: %v", dir, err)
		}
	}
	if text, err := os.ReadFile("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"); err == nil &&
		strings.TrimSpace(string(text)) == "1" {
		t.Skip("NOT TESTED: AppArmor keeps ordinary users of this machine from user namespaces")
	}
	dir := t.TempDir()
	home, program = filepath.Join(dir, "home"), filepath.Join(dir, "program")
	self, err := os.ReadFile("/proc/self/exe")
	must(t, err, os.WriteFile(program, self, 0o755),
		os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755),
		os.Mkdir(home, 0o700), os.Chown(home, nobody, nobody))
	return home, program
}

// startOrdinary starts a client of the user nobody on the machine, and a daemon in the folder d of the home.
func startOrdinary(
	t *testing.T, m ordinaryMachine, home, program string, idle time.Duration, environ ...string,
) clientProcess {
	t.Helper()
	settings, err := json.Marshal(m)
	must(t, err)
	temp := filepath.Join(home, "tmp")
	if err := os.Mkdir(temp, 0o700); err == nil {
		must(t, os.Chown(temp, nobody, nobody))
	}
	stopDaemonAtCleanup(t, filepath.Join(home, "d"))
	environ = append([]string{ordinaryVariable + "=" + string(settings), "HOME=" + home, "TMPDIR=" + temp}, environ...)
	return startProgram(t, program, filepath.Join(home, "d"), idle, environ...)
}

// ordinaryError starts a client of the user nobody that gets no daemon, and returns what it prints.
func ordinaryError(t *testing.T, m ordinaryMachine, environ ...string) string {
	t.Helper()
	home, program := ordinaryHome(t)
	c := startOrdinary(t, m, home, program, time.Minute, environ...)
	output, err := io.ReadAll(c.output)
	if err != nil || strings.HasPrefix(string(output), "unix://") {
		t.Fatalf("the daemon started: %s (%v)", output, err)
	}
	return string(output)
}

// becomeOrdinary does what ordinaryVariable asks for.
func becomeOrdinary() error {
	text := os.Getenv(ordinaryVariable)
	if text == "" {
		return nil
	}
	var m ordinaryMachine
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return err
	}
	return fmt.Errorf("become user %s: %w", strconv.Itoa(nobody), m.become())
}
