//go:build linux

package source

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// isEqualTree tells whether two trees are the same to the last bit that is sent.
func isEqualTree(one, other *Tree) bool {
	return slices.Equal(one.entries, other.entries) && slices.Equal(one.skipped, other.skipped)
}

// randomFolder is a folder that changes at random. A step that is not possible does nothing: the test ignores its
// error.
type randomFolder struct {
	root   string
	random *rand.Rand
}

func (f randomFolder) path() string {
	names := []string{"a", "b", "c", "d.log", "ignored"}
	path := f.root
	for range 1 + f.random.IntN(3) {
		path = filepath.Join(path, names[f.random.IntN(len(names))])
	}
	return path
}

func (f randomFolder) mode() os.FileMode {
	return []os.FileMode{0o600, 0o644, 0o700, 0o755}[f.random.IntN(4)]
}

func (f randomFolder) change() {
	path := f.path()
	switch f.random.IntN(16) {
	case 0, 1:
		_ = os.MkdirAll(path, 0o755)
	case 2, 3, 4:
		_ = os.WriteFile(path, fmt.Append(nil, f.random.IntN(3)), 0o644)
	case 5:
		_ = os.RemoveAll(path)
	case 6, 7:
		_ = os.Rename(path, f.path())
	case 8:
		_ = unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, f.path(), unix.RENAME_EXCHANGE)
	case 9:
		_ = os.Chmod(path, f.mode())
	case 10:
		_ = os.Symlink(fmt.Sprint("to", f.random.IntN(3)), path)
	case 11:
		_ = touch(path)
	case 12:
		_ = firstError(os.Rename(path, f.root+".away"), f.changeElsewhere())
	case 13:
		_ = os.Rename(f.root+".away", path)
	case 14:
		_ = unix.Mknod(path, unix.S_IFSOCK|0o644, 0) // a FIFO would block who writes to it
	case 15:
		_ = mapAndWrite(path)
	}
}

// changeElsewhere changes what was moved away, or replaces the root by a copy.
func (f randomFolder) changeElsewhere() error {
	if f.random.IntN(2) == 0 {
		return os.Chmod(f.root+".away", f.mode())
	}
	was := f.root + ".was"
	return firstError(os.Rename(f.root, was), os.CopyFS(f.root, os.DirFS(was)), os.RemoveAll(was))
}

func mapAndWrite(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() == 0 || !info.Mode().IsRegular() {
		return err
	}
	memory, err := unix.Mmap(int(f.Fd()), 0, 1, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	memory[0]++
	return unix.Munmap(memory)
}

// A tree that counts as unchanged is what a new scan finds.
func TestWatchIsNeverWrong(t *testing.T) {
	t.Parallel()
	needWatch(t)
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: folders lose their permissions: run the tests as root")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	f := randomFolder{root: filepath.Join(t.TempDir(), "root"), random: rand.New(rand.NewPCG(seed, seed))}
	if err := os.Mkdir(f.root, 0o755); err != nil {
		t.Fatal(err)
	}
	scope := Scope{Excludes: []string{"**/*.log", "ignored"}}
	scan := func() (*Tree, *Watch) {
		scanned, watch := scanWatched(t, f.root, scope)
		watch.started = time.Now().Add(time.Hour) // the scans themselves open files that are young
		return scanned, watch
	}
	for range 100 {
		f.change()
	}
	held, watch := scan()
	shared, walked := 0, 0
	for round := 0; round < 400 || min(shared, walked) < 100; round++ {
		if round == 4000 {
			t.Fatalf("seed %d: %d times shared, %d times walked: that shows nothing", seed, shared, walked)
		}
		steps := f.random.IntN(4)
		for range steps {
			f.change()
		}
		unchanged := watch.IsUnchanged()
		now, again := scan()
		switch {
		case unchanged && !isEqualTree(held, now):
			t.Fatalf("seed %d, round %d: what is there now is not what is called unchanged", seed, round)
		case unchanged:
			shared++
			again.Close()
			continue
		case steps == 0:
			t.Fatalf("seed %d, round %d: nothing was done, and it is called changed", seed, round)
		}
		walked++
		watch.Close()
		held, watch = now, again
	}
	t.Logf("%d times shared, %d times walked", shared, walked)
}
