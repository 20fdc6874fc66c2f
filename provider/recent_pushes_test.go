package provider

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Two processes of one run of the engine know each other's pushes. Processes of two runs do not.
func TestRecentPushesAreOfOneRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	of := func(engine string) *recentPushes {
		return &recentPushes{engine: engine, dir: dir, made: map[string]string{}}
	}
	of("one").add("sha256:1", []string{"host/app:1", "host/app:2"})
	for _, c := range []struct {
		engine, ref, digest string
		want                bool
	}{
		{"one", "host/app:1", "sha256:1", true},
		{"one", "host/app:2", "sha256:1", true},
		{"one", "host/app:1", "sha256:2", false},
		{"one", "host/app:3", "sha256:1", false},
		{"two", "host/app:1", "sha256:1", false},
	} {
		if got := of(c.engine).holds(c.ref, c.digest); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
	old := time.Now().Add(-2 * pushLife)
	if err := os.Chtimes(filepath.Join(dir, of("one").name("host/app:1")), old, old); err != nil {
		t.Fatal(err)
	}
	if of("one").holds("host/app:1", "sha256:1") {
		t.Error("a claim of another day counts")
	}
}

// A process without an engine or without a folder knows only its own pushes.
func TestRecentPushesWithoutAnEngine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]*recentPushes{
		"no engine": newRecentPushes(),
		"no folder": {engine: "one", dir: "/dev/null/nowhere", made: map[string]string{}},
	} {
		c.add("sha256:1", []string{"host/app:1"})
		if !c.holds("host/app:1", "sha256:1") || c.holds("host/app:2", "sha256:1") {
			t.Errorf("%s: its own claim is lost", name)
		}
	}
}
