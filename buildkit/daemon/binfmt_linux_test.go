package daemon

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// inventArchitecture returns an architecture that does not exist, so that no handler of the machine matches it. It also
// returns the folder of its emulator, a program that prints its arguments.
func inventArchitecture(t *testing.T, code uint16) (architecture, string) {
	t.Helper()
	m := architecture{
		arch: "invented", qemu: fmt.Sprintf("invented%x", code), code: code, class: 2, order: binary.LittleEndian,
	}
	echo, err := os.ReadFile("/bin/echo")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, m.program()), echo, 0o755); err != nil {
		t.Fatal(err)
	}
	return m, folder
}

// mountKernelTable mounts the kernel's table in a mount namespace of the test's thread, which ends with the test.
func mountKernelTable(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: binfmt_misc needs root: run the tests as root")
	}
	runtime.LockOSThread()
	err := unix.Unshare(unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, "")
	}
	if err := errors.Join(err, mountBinfmt("rootful")); err != nil {
		t.Fatal(err)
	}
}

// newTestTable returns the kernel's table as the keeper of a daemon has it. The handlers of this test have their own
// prefix, and daemons with the same lockPath share its lock.
func newTestTable(t *testing.T, lockPath string) binfmt {
	t.Helper()
	f, err := os.OpenFile(lockPath, os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return binfmt{dir: binfmtDir, prefix: "test-" + strings.ToLower(t.Name()) + "-", lock: f}
}

// handlersOf returns the names of the handlers that take executables of m.
func handlersOf(t *testing.T, b binfmt, m architecture) []string {
	t.Helper()
	handlers, err := b.handlers()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, h := range handlers {
		if h.matches(m) {
			names = append(names, h.name)
		}
	}
	return names
}

func TestHandlersLiveAsLongAsTheirUsers(t *testing.T) {
	mountKernelTable(t)
	m, bin := inventArchitecture(t, 0xfe01)
	t.Setenv("PATH", bin)
	lockPath := filepath.Join(t.TempDir(), "lock")
	var lines []string
	note := func(format string, values ...any) { lines = append(lines, fmt.Sprintf(format, values...)) }
	killed := newTestTable(t, lockPath)
	if _, err := killed.register(m); err != nil { // without the lock, like a daemon that was killed
		t.Fatal(err)
	}
	stale := architecture{arch: "stale", qemu: "stale", code: 0xfe02, class: 2, order: binary.LittleEndian}
	header, mask := stale.header()
	entry := ":" + killed.prefix + "stale:M::" + escapeBytes(header) + ":" + escapeBytes(mask) + ":/bin/true:F"
	if err := os.WriteFile(binfmtDir+"/register", []byte(entry), 0); err != nil {
		t.Fatal(err)
	}

	first, second := newTestTable(t, lockPath), newTestTable(t, lockPath)
	wanted := []architecture{m}
	if err := errors.Join(first.registerAbsent(wanted, note), second.registerAbsent(wanted, note)); err != nil {
		t.Fatal(err)
	}
	if got := handlersOf(t, first, m); !slices.Equal(got, []string{first.prefix + m.qemu}) {
		t.Errorf("handlers: %v", got)
	}
	if got := handlersOf(t, first, stale); got != nil {
		t.Errorf("what a killed daemon left is still there: %v", got)
	}
	if len(lines) != 1 || lines[0] != "registered QEMU for steps of linux/invented, until the daemon ends" {
		t.Errorf("the notes, of which there must be one: %q", lines)
	}
	first.release(note)
	if got := handlersOf(t, second, m); len(got) != 1 {
		t.Errorf("the handler was taken from a daemon that uses it: %v", got)
	}
	wantEmulated(t, m)
	second.release(note)
	if got := handlersOf(t, second, m); got != nil {
		t.Errorf("the last daemon left %v", got)
	}
}

// wantEmulated runs a file that has only a header of m, and fails the test unless the emulator got it.
func wantEmulated(t *testing.T, m architecture) {
	t.Helper()
	header, _ := m.header()
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, append(header, make([]byte, 200)...), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Args = []string{"its-name", "its-argument"}
	output, err := cmd.CombinedOutput()
	if want := program + " its-name its-argument\n"; err != nil || string(output) != want {
		t.Errorf("the emulator got %q, not %q (%v)", output, want, err)
	}
}

func TestHandlerOfTheMachineIsUsed(t *testing.T) {
	mountKernelTable(t)
	m, bin := inventArchitecture(t, 0xfe03)
	t.Setenv("PATH", bin)
	const existing = "test-of-the-machine"
	header, mask := m.header()
	entry := ":" + existing + ":M::" + escapeBytes(header) + ":" + escapeBytes(mask) + ":/bin/true:F"
	if err := os.WriteFile(binfmtDir+"/register", []byte(entry), 0); err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile(filepath.Join(binfmtDir, existing), []byte("-1"), 0)
	var lines []string
	note := func(format string, values ...any) { lines = append(lines, fmt.Sprintf(format, values...)) }

	b := newTestTable(t, filepath.Join(t.TempDir(), "lock"))
	if err := b.registerAbsent([]architecture{m}, note); err != nil {
		t.Fatal(err)
	}
	if got := handlersOf(t, b, m); !slices.Equal(got, []string{existing}) {
		t.Errorf("handlers: %v", got)
	}
	if lines != nil {
		t.Errorf("log: %q", lines)
	}
	b.release(note)
	if got := handlersOf(t, b, m); !slices.Equal(got, []string{existing}) {
		t.Errorf("the machine's handler was removed: %v", got)
	}

	if err := os.WriteFile(filepath.Join(binfmtDir, existing), []byte("0"), 0); err != nil { // disabled
		t.Fatal(err)
	}
	b = newTestTable(t, filepath.Join(t.TempDir(), "lock"))
	if err := b.registerAbsent([]architecture{m}, note); err != nil {
		t.Fatal(err)
	}
	if got := handlersOf(t, b, m); !slices.Equal(got, []string{b.prefix + m.qemu}) {
		t.Errorf("handlers beside a disabled one: %v", got)
	}
	b.release(note)
}

func TestHeaderIsThatOfRealPrograms(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("NOT TESTED: -short leaves out what needs the programs that make fixtures fetches")
	}
	for _, m := range architectures {
		path := filepath.Join("../../.cache/fixtures", "busybox-"+m.arch, "busybox")
		if m.arch != "amd64" && m.arch != "arm64" {
			continue
		}
		program, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v: run make fixtures", err)
		}
		header, mask := m.header()
		for i := range header {
			if (program[i]^header[i])&mask[i] != 0 {
				t.Errorf("%s: byte %d is %x, not %x", path, i, program[i], header[i])
			}
		}
	}
}

func TestMissingEmulator(t *testing.T) {
	for _, platform := range []string{"linux/" + runtime.GOARCH, "linux/mips", "windows/amd64", "no platform at all"} {
		if pkg, missing := MissingEmulator(platform); missing {
			t.Errorf("%s: %s", platform, pkg)
		}
	}
	if pkg, missing := MissingEmulator("linux/s390x"); missing {
		t.Errorf("%s is missing: run apt-get install -y %s", pkg, pkg)
	}
	if _, err := os.Stat(binfmtDir + "/status"); err == nil {
		return // the machine's own handlers decide
	}
	t.Setenv("PATH", "/nowhere")
	for _, platform := range []string{"linux/s390x", "linux/riscv64/v1", "linux/ppc64le"} {
		if pkg, missing := MissingEmulator(platform); !missing || pkg != "qemu-user-static" {
			t.Errorf("%s: %q, %t", platform, pkg, missing)
		}
	}
}
