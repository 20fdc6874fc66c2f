//go:build linux

package source

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func openToWrite(t *testing.T, root string) *os.File {
	f, err := os.OpenFile(root+"/dir/file", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func mapMemory(t *testing.T, f *os.File) []byte {
	memory, err := unix.Mmap(int(f.Fd()), 0, 4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return memory
}

// openFileChanges prepare a change of dir/file by a program that has it open.
var openFileChanges = map[string]func(t *testing.T, root string) (change func() error){
	"written, opened before": func(t *testing.T, root string) func() error {
		f := openToWrite(t, root)
		return func() error { _, err := f.WriteAt([]byte("B"), 1); return err }
	},
	"truncated, opened before": func(t *testing.T, root string) func() error {
		f := openToWrite(t, root)
		return func() error { return f.Truncate(1) }
	},
	"mode, opened before": func(t *testing.T, root string) func() error {
		f := openToWrite(t, root)
		return func() error { return f.Chmod(0o600) }
	},
	"mapped and written": func(t *testing.T, root string) func() error {
		return func() error {
			memory := mapMemory(t, openToWrite(t, root))
			t.Cleanup(func() { _ = unix.Munmap(memory) })
			memory[0] = 'B'
			return nil
		}
	},
	"mapped, written and unmapped": func(t *testing.T, root string) func() error {
		return func() error {
			memory := mapMemory(t, openToWrite(t, root))
			memory[0] = 'B'
			return unix.Munmap(memory)
		}
	},
	"written and unmapped, mapped before": func(t *testing.T, root string) func() error {
		memory := mapMemory(t, openToWrite(t, root))
		return func() error {
			memory[0] = 'B'
			return unix.Munmap(memory)
		}
	},
}

// A Watch sees the change of a file while a program still has it open.
func TestWatchSeesChangesOfOpenFiles(t *testing.T) {
	t.Parallel()
	needWatch(t)
	for name, prepared := range openFileChanges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := writeSampleTree(t)
			change := prepared(t, root)
			_, watch := scanWatched(t, root, sampleScope)
			makeOldEnough(t, watch, root)
			if !watch.IsUnchanged() {
				t.Fatal("IsUnchanged is false before the change")
			}
			if err := change(); err != nil {
				t.Fatal(err)
			}
			if watch.IsUnchanged() {
				t.Error("IsUnchanged is true after the change")
			}
		})
	}
}
