//go:build linux

package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// interrupt calls do when some program opens or lists dir for the nth time; kind says which. The program waits until do
// returns. The test needs the right to watch with fanotify(7).
func interrupt(t *testing.T, dir string, kind uint64, nth int, do func() error) {
	t.Helper()
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK, unix.O_RDONLY)
	if err != nil {
		t.Skipf("only root can stop a scan: %v", err)
	}
	events := os.NewFile(uintptr(fd), "fanotify")
	if err := unix.FanotifyMark(fd, unix.FAN_MARK_ADD, kind|unix.FAN_ONDIR, unix.AT_FDCWD, dir); err != nil {
		t.Skipf("this kernel stops nobody: %v", err)
	}
	_ = events.SetReadDeadline(time.Now().Add(time.Minute))
	done := make(chan struct{})
	t.Cleanup(func() { _ = events.Close(); <-done })
	go func() {
		defer close(done)
		defer events.Close() // a program that waits goes on
		var event unix.FanotifyEventMetadata
		buffer := make([]byte, unsafe.Sizeof(event))
		for i := 1; ; i++ {
			if _, err := events.Read(buffer); err != nil {
				if !errors.Is(err, os.ErrClosed) || i <= nth {
					t.Errorf("stopped %d times: %v", i-1, err)
				}
				return
			}
			if i == nth {
				if err := do(); err != nil {
					t.Error(err)
				}
			}
			_, _ = binary.Decode(buffer, binary.NativeEndian, &event)
			var answer bytes.Buffer
			allow := unix.FanotifyResponse{Fd: event.Fd, Response: unix.FAN_ALLOW}
			_ = binary.Write(&answer, binary.NativeEndian, allow)
			_, _ = events.Write(answer.Bytes())
			_ = unix.Close(int(event.Fd))
		}
	}()
}

// A change at the worst moment of a scan is in the record, or the tree counts as changed.
func TestWatchSeesChangesDuringTheScan(t *testing.T) {
	t.Parallel()
	needWatch(t)
	const list, open = unix.FAN_ACCESS_PERM, unix.FAN_OPEN_PERM
	replaceFull := changes["a folder replaced by one of its name"]
	cases := map[string]struct {
		dir  string
		kind uint64
		nth  int
		do   func(root string) error
		then func(root string) error // when the scan is over
	}{
		"the root is listed, and a file is made":       {".", list, 2, changes["a file is made"], nil},
		"a folder is listed, and a file is made":       {"dir/deep", list, 2, changes["a file is made deep down"], nil},
		"a folder is about to be opened and filled":    {"empty", open, 1, changes["a folder is filled"], nil},
		"a folder is opened, and replaced":             {"full", list, 1, replaceFull, nil},
		"a folder is about to be listed, and moved":    {"dir", list, 1, changes["moved out"], nil},
		"the root is listed, and a folder above moved": {".", list, 2, moveAbove, nil},
		"a folder above is moved, and back, and a file is written": {".", list, 2, moveAbove, func(r string) error {
			above, file := filepath.Dir(r), r+"/dir/deep/file"
			return firstError(
				os.Rename(above, above+".in"), os.Rename(above+".out", above),
				os.WriteFile(file, []byte("BBBB"), 0o644),
			)
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := writeSampleTree(t)
			for _, dir := range []string{"empty", "full", "dir"} {
				if err := touch(filepath.Join(root, dir)); err != nil {
					t.Fatal(err)
				}
			}
			watch := NewWatch()
			defer watch.Close()
			interrupt(t, filepath.Join(root, c.dir), c.kind, c.nth, func() error { return c.do(root) })
			held, err := Scan(t.Context(), root, sampleScope, Options{Watch: watch})
			if err != nil {
				t.Log(err)
			}
			if c.then != nil {
				if err := c.then(root); err != nil {
					t.Fatal(err)
				}
			}
			if !watch.IsUnchanged() {
				return
			}
			if now, err := Scan(t.Context(), root, sampleScope, Options{}); err != nil || !isEqualTree(held, now) {
				t.Errorf("the tree counts as unchanged, but a scan finds another: %v", err)
			}
		})
	}
}

// moveAbove moves the folder above the root away and puts folders of the same names in its place.
func moveAbove(root string) error {
	above := filepath.Dir(root)
	errs := []error{os.Rename(above, above+".out")}
	for _, dir := range []string{"dir/deep", "empty", "full", "pair"} {
		errs = append(errs, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	return firstError(errs...)
}
