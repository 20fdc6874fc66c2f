package inputs

import (
	"fmt"
	"path/filepath"
	"testing"
)

// A file that every use leaves out is no change. A file that is left out from now on is one, beside the line that says
// so.
func TestChangesOfWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	const without = "FROM scratch\nCOPY --exclude=conf . /\n"
	edit := func(dir string, _ *Files) {
		writeFile(dir+"/conf/a.ini", "edited")
		writeFile(dir+"/app/main.go", "edited")
	}
	got, want := explainChange(t, Plan{Files: Files{Inline: []byte(without)}}, edit), "modified app/main.go"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	from := func(dir string, f *Files) { f.Inline = []byte(without) }
	got = explainChange(t, Plan{Files: Files{Inline: []byte("FROM scratch\nCOPY . /\n")}}, from)
	if want = "no longer read conf\nmodified dockerfile.inline"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The first change after an upgrade is shown without the files that only an earlier version counted.
func TestChangesAfterAnUpgrade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"docs/a": "", "docs/b": "", "main.go": "one", "README.md": ""})
	plan := Plan{Files: Files{Context: dir, Inline: []byte("FROM scratch\nCOPY --exclude=docs --exclude=*.md . /\n")}}
	load := func() *Inputs {
		in, err := Load(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	earlier, history := load(), newHistory(t.TempDir())
	earlier.legacy.excluded = true
	history.Remember(earlier.Hash(), earlier)
	text := func() string {
		changes, known := history.Changes(earlier.Hash(), load(), testLabels)
		return fmt.Sprint(changes, known)
	}
	if got, want := text(), "[{no longer read README.md } {no longer read docs }] true"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	writeFile(filepath.Join(dir, "main.go"), "two")
	if got, want := text(), "[{modified main.go }] true"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
