package provider

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// newProcessNotes returns the notes of a process of one run of the engine.
func newProcessNotes(engine, dir string) *notes {
	return &notes{engine: engine, dir: dir, read: map[string]int64{}, images: map[resource.URN]note{}}
}

// urnOf returns the URN of an image of the program.
func urnOf(name string) resource.URN {
	return "urn:pulumi:dev::shop::buildkit:index:Image::" + resource.URN(name)
}

// Two processes of one run of the engine share their promises. Processes of different runs do not.
func TestPromisesAreOfOneRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, other, later := newProcessNotes("one", dir), newProcessNotes("one", dir), newProcessNotes("two", dir)
	one.notePromise(urnOf("base"), promise{
		Digest: "sha256:1", Refs: []string{"host.io/base:1"}, Paths: []string{"/out/site"},
	})
	for name, reader := range map[string]*notes{"the same process": one, "another process": other} {
		all := reader.promisesFor(urnOf("app"))
		if by, ok := all.byTag("host.io/base:1"); !ok || by.Digest != "sha256:1" || by.URN != urnOf("base") {
			t.Errorf("%s: got %v", name, all)
		}
		if _, ok := all.byDigest("host.io/base", "sha256:1"); !ok {
			t.Errorf("%s: no promise of the digest", name)
		}
		for path, want := range map[string]bool{
			"/out/site": true, "/out": true, "/out/site/nested": true, "/": true, "/out/sites": false,
			"/out/other": false,
		} {
			if _, _, ok := all.byPath(path); ok != want {
				t.Errorf("%s: written at, below or above %s: %v", name, path, ok)
			}
		}
		for _, ref := range []string{"host.io/base:2", "host.io/base"} {
			if _, ok := all.byTag(ref); ok {
				t.Errorf("%s: %s is promised", name, ref)
			}
		}
	}
	if got := one.promisesFor(urnOf("base")); len(got) > 0 {
		t.Errorf("an image gets its own promise: %v", got)
	}
	if got := later.promisesFor(urnOf("app")); len(got) > 0 {
		t.Errorf("another run has %v", got)
	}
}

// A promise ends with the preview, in whichever process the update begins. It also ends if its image does not change.
func TestPromisesEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(maker, other *notes){
		"its process updates an image": func(maker, _ *notes) { maker.dropAllPromises() },
		"another process updates one":  func(_, other *notes) { other.dropAllPromises() },
		"the image stays as it is":     func(maker, _ *notes) { maker.dropPromise(urnOf("base")) },
		"its next preview promises another reference": func(maker, _ *notes) {
			maker.notePromise(urnOf("base"), promise{
				Refs: []string{"host.io/base:2"},
			})
		},
	} {
		dir := t.TempDir()
		maker, other := newProcessNotes("one", dir), newProcessNotes("one", dir)
		maker.notePromise(urnOf("base"), promise{Refs: []string{"host.io/base:1"}})
		if _, ok := other.promisesFor("").byTag("host.io/base:1"); !ok {
			t.Fatalf("%s: another process does not see the promise", name)
		}
		end(maker, other)
		for _, reader := range []*notes{maker, other, newProcessNotes("one", dir)} {
			if _, ok := reader.promisesFor("").byTag("host.io/base:1"); ok {
				t.Errorf("%s: the promise was not dropped", name)
			}
		}
		maker.notePromise(urnOf("base"), promise{Refs: []string{"host.io/base:1"}})
		if _, ok := other.promisesFor("").byTag("host.io/base:1"); !ok {
			t.Errorf("%s: a later promise is not seen", name)
		}
	}
}

// Notes without a folder stay in the process until it is configured again. Notes that cannot be read are ignored.
func TestNotesWithoutAFolder(t *testing.T) {
	t.Parallel()
	alone, nowhere := newProcessNotes("", ""), newProcessNotes("one", "/dev/null/nowhere")
	for _, n := range []*notes{alone, nowhere} {
		n.notePromise(urnOf("base"), promise{Refs: []string{"host.io/base:1"}})
		if len(n.promisesFor("")) != 1 {
			t.Errorf("the process lost its own promise: %v", n.promisesFor(""))
		}
		n.forget()
	}
	if len(alone.promisesFor("")) != 0 || len(nowhere.promisesFor("")) != 1 {
		t.Error("forget must drop the notes of a process that serves many runs, and must keep those of one run")
	}
	dir := t.TempDir()
	broken := filepath.Join(dir, newProcessNotes("one", dir).prefix()+"x")
	if err := os.WriteFile(broken, []byte("{\n{\"URN\":\"u\",\"Promise\":{\"Refs\":[\"a\"]},\"At\":\""+
		time.Now().Format(time.RFC3339Nano)+"\"}\n{\"URN\":"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := newProcessNotes("one", dir).promisesFor(""); len(got) != 1 || !slices.Equal(got[0].Refs, []string{"a"}) {
		t.Errorf("a broken line costs others: %v", got)
	}
}

// The start time of the engine is a part of the name of its run.
func TestStartOfAProcess(t *testing.T) {
	t.Parallel()
	if got := startTime(os.Getpid()); got != startTime(os.Getpid()) {
		t.Errorf("it changes: %q", got)
	}
	if got := startTime(-1); got != "" {
		t.Errorf("no process: %q", got)
	}
}

// Notes of earlier runs are deleted, the oldest first, if they have too many bytes.
func TestNotesAreBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, name := range []string{"old", "new"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		written := time.Now().Add(time.Duration(i-2) * time.Hour)
		if err := errors.Join(os.Truncate(path, notesBytes*2/3), os.Chtimes(path, written, written)); err != nil {
			t.Fatal(err)
		}
	}
	n := newProcessNotes("one", dir)
	n.notePromise(urnOf("base"), promise{})
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 ||
		!slices.ContainsFunc(left, func(e os.DirEntry) bool { return e.Name() == n.name }) ||
		!slices.ContainsFunc(left, func(e os.DirEntry) bool { return e.Name() == "new" }) {
		t.Errorf("left: %v, %v", left, err)
	}
}
