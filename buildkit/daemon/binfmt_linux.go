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
	binfmtPrefix = "pulumi-buildkit-" // of the names of our handlers
	binfmtLimit  = 5 * time.Second    // the wait for another daemon that registers or removes handlers
)

// binfmt is the kernel's table of handlers for foreign executables.
//
// The table holds for every process of the kernel. So the daemon uses handlers that are there as they are. Its own ones
// bear the prefix, and go with the last daemon that uses them.
type binfmt struct {
	dir    string
	prefix string
	// guard is a file that every daemon of the kernel has a shared lock on. It is the file status of the table itself:
	// daemons in different containers meet on it.
	guard *os.File
}

// emulate registers QEMU for every architecture that it is installed for and that has no handler yet. It notes a
// failure: without the kernel's support, foreign platforms still build, except for their steps.
func emulate(daemon mode, note func(string, ...any)) binfmt {
	b := binfmt{dir: binfmtDir, prefix: binfmtPrefix}
	installed := slices.DeleteFunc(slices.Clone(architectures), func(m architecture) bool {
		_, err := exec.LookPath(m.program())
		return err != nil || m.isNative(runtime.GOARCH)
	})
	if len(installed) == 0 {
		return b
	}
	if daemon == rootless && b.handlesAny(installed) {
		return b // root's handlers of the machine, and only root may add others
	}
	err := mountBinfmt(daemon)
	if err == nil {
		b.guard, err = os.Open(filepath.Join(b.dir, "status"))
	}
	if err == nil {
		err = b.registerAbsent(installed, note)
	}
	if err != nil {
		note("no QEMU for steps of foreign platforms: %v", err)
	}
	return b
}

// mountBinfmt shows the table in this mount namespace, where it is not shown yet. For a rootless daemon it shows the
// table of the user namespace, which kernels have since version 6.7.
func mountBinfmt(daemon mode) error {
	var shown unix.Statfs_t
	// A name inside, because systemd mounts the table when somebody looks for one.
	err := unix.Statfs(filepath.Join(binfmtDir, "status"), &shown)
	if err == nil && shown.Type == unix.BINFMTFS_MAGIC && daemon == rootful {
		return nil
	}
	err = unix.Mount("binfmt_misc", binfmtDir, "binfmt_misc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	if err != nil {
		return fmt.Errorf("mount binfmt_misc on %s: %w; run modprobe binfmt_misc", binfmtDir, err)
	}
	return nil
}

// handlesAny reports whether the table that is shown has a handler for one of the architectures.
func (b binfmt) handlesAny(wanted []architecture) bool {
	handlers, err := b.handlers()
	return err == nil && slices.ContainsFunc(wanted, func(a architecture) bool {
		return slices.ContainsFunc(handlers, func(h handler) bool { return h.matches(a) })
	})
}

// registerAbsent registers what is absent of wanted, after it has removed what a killed daemon left. guard is locked
// afterwards.
func (b binfmt) registerAbsent(wanted []architecture, note func(string, ...any)) error {
	alone, err := tryLock(b.guard, unix.LOCK_EX)
	if err != nil {
		return err
	}
	if alone {
		if err := b.removeOurs(); err != nil {
			return err
		}
	}
	ctx, stop := context.WithTimeoutCause(context.Background(), binfmtLimit,
		errors.New("another daemon holds it for too long"))
	defer stop()
	if err := lockWhenFree(ctx, b.guard, unix.LOCK_SH); err != nil {
		return err
	}
	// Only now: another daemon may have removed ours while the lock changed hands.
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

// release removes our handlers if no other daemon uses them.
func (b binfmt) release(note func(string, ...any)) {
	if b.guard == nil {
		return
	}
	alone, err := tryLock(b.guard, unix.LOCK_EX)
	if alone {
		err = b.removeOurs()
	}
	if err := errors.Join(err, b.guard.Close()); err != nil {
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
	rule := fmt.Sprintf(":%s%s:M::%s:%s:%s:POCF", b.prefix, m.qemu, escapeBytes(header), escapeBytes(mask), qemu)
	err = os.WriteFile(filepath.Join(b.dir, "register"), []byte(rule), 0)
	if errors.Is(err, fs.ErrExist) {
		return false, nil // another daemon's, of this moment; or a disabled one of ours, which somebody wants so
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

// removeOurs removes the handlers that bear the prefix.
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
