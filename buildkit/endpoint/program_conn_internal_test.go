package endpoint

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// A program that ends says why, and not what Docker's CLI would say of it.
func TestAProgramEnds(t *testing.T) {
	dir := t.TempDir()
	const script = "#!/bin/sh\necho 'Error from server (NotFound): pods \"pod-0\" not found' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/bin:/usr/bin")
	e, err := Parse("kube-pod://pod-0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := e.dialHelper(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, err = conn.Read(make([]byte, 1))
	const want = `kubectl ended (exit status 1): Error from server (NotFound): pods "pod-0" not found`
	if err == nil || err.Error() != want || !errors.As(err, new(*ProgramEndError)) {
		t.Errorf("got %v, want %s", err, want)
	}
	if got := (programConn{}).explain(io.EOF); got != io.EOF { //nolint:errorlint // unchanged
		t.Errorf("got %v", got)
	}
}
