package source

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
)

// A daemon may give up in the middle of a transfer, for example because its disk is full. That is no error about a
// file.
func TestAnEndedTransferIsNoChangedFile(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, map[string]string{"a": "x"})
	scanned, err := Scan(t.Context(), dir, Scope{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	fail := func(err error) { t.Errorf("the file is blamed: %v", err) }
	sent := &sentFS{ctx: ctx, tree: scanned, root: root, fail: fail}
	file, err := sent.Open("a")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cancel()
	if _, err := io.ReadAll(file); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
