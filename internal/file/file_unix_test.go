//go:build unix

package file_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

func TestRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, size int64) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	tooLarge := func(err error) bool { return errors.As(err, new(*file.TooLargeError)) }
	matches := func(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }
	for name, test := range map[string]struct {
		ctx   context.Context
		path  string
		wrong func(error) bool
	}{
		"as large as allowed": {path: write("fits", 10)},
		"a byte too much":     {path: write("over", 11), wrong: tooLarge},
		"sparse":              {path: write("sparse", 40<<30), wrong: tooLarge},
		"FIFO":                {path: fifo, wrong: matches(file.ErrNotRegular)},
		"device":              {path: "/dev/zero", wrong: matches(file.ErrNotRegular)},
		"folder":              {path: dir, wrong: matches(syscall.EISDIR)},
		"nothing":             {path: filepath.Join(dir, "none"), wrong: matches(fs.ErrNotExist)},
		"canceled":            {ctx: canceled, path: write("canceled", 1), wrong: matches(context.Cause(canceled))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			if test.ctx != nil {
				ctx = test.ctx
			}
			content, err := file.Read(ctx, test.path, 10)
			if test.wrong == nil {
				if err != nil || len(content) != 10 {
					t.Fatalf("%d bytes, %v", len(content), err)
				}
				return
			}
			pathErr := new(fs.PathError)
			if !errors.As(err, &pathErr) || pathErr.Path != test.path || !test.wrong(err) {
				t.Fatalf("error %v", err)
			}
		})
	}
}

func TestTheNullDeviceIsAnEmptyFile(t *testing.T) {
	t.Parallel()
	content, err := file.Read(t.Context(), os.DevNull, 10)
	if err != nil || len(content) > 0 || file.Check(os.DevNull, 10) != nil {
		t.Errorf("%q, %v", content, err)
	}
}
