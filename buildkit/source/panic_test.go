package source

import (
	"errors"
	"io/fs"
	"sync"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

func TestAPanicEndsAWalk(t *testing.T) {
	t.Parallel()
	w := &walk{ctx: t.Context(), slots: make(chan struct{}, 1)}
	var group sync.WaitGroup
	w.runTask(&group, func() { panic("in a folder") })
	group.Wait()
	if _, ok := errors.AsType[*rescue.PanicError](w.failure()); !ok || len(w.slots) > 0 {
		t.Fatalf("%v, %d slots are taken", w.failure(), len(w.slots))
	}
}

// fsutil calls these methods in its own goroutines.
func TestAPanicEndsATransfer(t *testing.T) {
	t.Parallel()
	recorded, err := Scan(t.Context(), writeTree(t, map[string]string{"a": "b"}), Scope{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, broken := range map[string]func(*sentFS) error{
		"Walk": func(s *sentFS) error {
			return s.Walk(t.Context(), "", func(string, fs.DirEntry, error) error { panic("in a walk") })
		},
		"Open": func(s *sentFS) error {
			s.tree = nil
			_, err := s.Open("a")
			return err
		},
		"Read": func(s *sentFS) error {
			_, err := (&verifiedFile{fs: s}).Read(nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var failed error
			s := &sentFS{ctx: t.Context(), tree: recorded, fail: func(err error) { failed = err }}
			err := broken(s)
			if _, ok := errors.AsType[*rescue.PanicError](err); !ok || !errors.Is(failed, err) {
				t.Fatalf("%v, and the transfer was told %v", err, failed)
			}
		})
	}
}
