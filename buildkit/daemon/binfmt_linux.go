package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	binfmtDir    = "/proc/sys/fs/binfmt_misc"
	binfmtPrefix = "pulumi-buildkit-" // begins the names of our handlers
	binfmtLimit  = 5 * time.Second    // how long to wait for another daemon that registers or removes handlers
)

// binfmt is the kernel's table of handlers for foreign executables.
//
// The table applies to every process of the kernel. So the keeper does not change the handlers that are there already.
// The names of our own handlers begin with the prefix, and the keeper of the last daemon that uses them removes them.
type binfmt struct {
	dir    string
	prefix string
	// lock is the file status of the table, on which the keeper of every daemon of the kernel has a shared lock. It is
	// the same file in all containers.
	lock *os.File
}

// registerEmulators registers QEMU for every architecture that it is installed for and that has no handler yet. It
// passes a failure to note, because images of foreign platforms can be built without QEMU if no step runs.
func registerEmulators(daemon mode, note func(string, ...any)) binfmt {
	b := binfmt{dir: binfmtDir, prefix: binfmtPrefix}
	installed := slices.DeleteFunc(slices.Clone(architectures), func(m architecture) bool {
		_, err := exec.LookPath(m.program())
		return err != nil || m.isNative(runtime.GOARCH)
	})
	if len(installed) == 0 {
		return b
	}
	if daemon == rootless && b.handlesAny(installed) {
		return b // the machine has handlers, and only root can add others
	}
	err := mountBinfmt(daemon)
	if err == nil {
		b.lock, err = os.Open(filepath.Join(b.dir, "status"))
	}
	if err == nil {
		err = b.registerAbsent(installed, note)
	}
	if err != nil {
		note("no QEMU for steps of foreign platforms: %v", err)
	}
	return b
}

// mountBinfmt mounts the table in this mount namespace unless it is mounted already. For a rootless daemon it mounts
// the table of the user namespace, which kernels have since version 6.7.
func mountBinfmt(daemon mode) error {
	var mounted unix.Statfs_t
	// A file in it, because systemd mounts the table when somebody opens a path below the folder.
	err := unix.Statfs(filepath.Join(binfmtDir, "status"), &mounted)
	if err == nil && mounted.Type == unix.BINFMTFS_MAGIC && daemon == rootful {
		return nil
	}
	err = unix.Mount("binfmt_misc", binfmtDir, "binfmt_misc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	if err != nil {
		return fmt.Errorf("mount binfmt_misc on %s: %w; run modprobe binfmt_misc", binfmtDir, err)
	}
	return nil
}

// handlesAny reports whether the mounted table has a handler for one of the architectures.
func (b binfmt) handlesAny(wanted []architecture) bool {
	handlers, err := b.handlers()
	return err == nil && slices.ContainsFunc(wanted, func(m architecture) bool {
		return slices.ContainsFunc(handlers, func(h handler) bool { return h.matches(m) })
	})
}

// registerAbsent removes the handlers that a killed daemon left, and registers those of wanted that are absent. It
// locks b.lock.
func (b binfmt) registerAbsent(wanted []architecture, note func(string, ...any)) error {
	alone, err := tryLock(b.lock, unix.LOCK_EX)
	if err != nil {
		return err
	}
	if alone {
		if err := b.removeOurs(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), binfmtLimit,
		errors.New("another daemon holds it for too long"))
	defer cancel()
	if err := lockWhenFree(ctx, b.lock, unix.LOCK_SH); err != nil {
		return err
	}
	// Look only now: another keeper may have removed our handlers before this one had the lock.
	var added []string
	for _, m := range wanted {
		absent, err := b.register(m)
		if err != nil {
			return err
		}
		if absent {
			added = append(added, "linux/"+m.arch)
		}
	}
	if added != nil {
		note("registered QEMU for steps of %s, until the daemon ends", strings.Join(added, ", "))
	}
	return nil
}

// release releases the lock, and removes our handlers if no other daemon uses them.
func (b binfmt) release(note func(string, ...any)) {
	if b.lock == nil {
		return
	}
	alone, err := tryLock(b.lock, unix.LOCK_EX)
	if alone {
		err = b.removeOurs()
	}
	if err := errors.Join(err, b.lock.Close()); err != nil {
		note("QEMU stays registered: %v", err)
	}
}

// register adds a handler for m unless one is there, whatever its name.
func (b binfmt) register(m architecture) (absent bool, err error) {
	there, err := b.handlers()
	if err != nil || slices.ContainsFunc(there, func(h handler) bool { return h.matches(m) }) {
		return false, err
	}
	qemu, err := exec.LookPath(m.program())
	if err != nil {
		return false, err
	}
	// F: the kernel opens QEMU now, a container needs no file. P: QEMU learns argv[0]. C: setuid programs stay so.
	header, mask := m.header()
	entry := fmt.Sprintf(":%s%s:M::%s:%s:%s:POCF", b.prefix, m.qemu, escapeBytes(header), escapeBytes(mask), qemu)
	err = os.WriteFile(filepath.Join(b.dir, "register"), []byte(entry), 0)
	if errors.Is(err, fs.ErrExist) {
		return false, nil // another keeper was faster, or somebody has disabled our handler on purpose
	}
	if err != nil {
		return false, fmt.Errorf("register %s: %w", qemu, err)
	}
	return true, nil
}

// escapeBytes returns a text in the form that the table takes: each byte in hexadecimal.
func escapeBytes(text []byte) string {
	var b strings.Builder
	for _, c := range text {
		_, _ = fmt.Fprintf(&b, `\x%02x`, c)
	}
	return b.String()
}

// removeOurs removes the handlers whose names begin with the prefix.
func (b binfmt) removeOurs() error {
	ours, err := filepath.Glob(filepath.Join(b.dir, b.prefix+"*"))
	if err != nil {
		return err
	}
	for _, path := range ours {
		if err := os.WriteFile(path, []byte("-1"), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
