package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The digest of a layer is kept while its programs look the same, and computed again when one has changed.
func TestLayerDigest(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	program := filepath.Join(t.TempDir(), "program")
	write := func(head, tail string, then time.Time) {
		t.Helper()
		text := head + strings.Repeat(" ", headSize) + tail
		if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(program, then, then); err != nil {
			t.Fatal(err)
		}
	}
	digest := func() string {
		t.Helper()
		i := &builderImage{arch: "amd64", entries: []entry{{name: "program", mode: 0o755, path: program}}}
		d, err := i.layerDigest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	old := time.Now().Add(-time.Hour)
	write("one", "a", old)
	first := digest()
	write("one", "b", old) // nothing that fingerprint reads
	if digest() != first {
		t.Error("the program was read again")
	}
	for _, change := range []func(){
		func() { write("two", "a", old) },
		func() { write("one", "b", old.Add(time.Second)) },
		func() { write("one", "bb", old) },
	} {
		change()
		if digest() == first {
			t.Error("the digest of a changed program is the old one")
		}
	}
	write("one", "c", time.Now())
	young := digest()
	write("one", "d", time.Now())
	if digest() == young {
		t.Error("the digest of a program that has just changed was kept")
	}
}
