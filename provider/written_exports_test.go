package provider

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is known of the files of an export decides whether they are written again.
func TestWrittenExports(t *testing.T) {
	t.Parallel()
	hash, other := digestOf("one"), digestOf("two")
	for name, c := range map[string]struct {
		export        export // without its destination
		files         bool
		same, another bool // missing for these inputs, and for others
	}{
		"files":             {export{kind: "local"}, true, false, true},
		"no files":          {export{kind: "local"}, false, false, true},
		"beside others":     {export{kind: "local", keepsOthers: true}, true, true, true},
		"an archive":        {export{kind: "tar"}, true, false, true},
		"an archive's name": {export{kind: "tar"}, false, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := writtenExports{dir: filepath.Join(t.TempDir(), "memory")}
			e := c.export
			e.dest = filepath.Join(t.TempDir(), "out")
			if w.has(e) || !w.areMissing(e, hash) {
				t.Error("it is known before it is written")
			}
			if c.files {
				if err := os.MkdirAll(filepath.Join(e.dest, "file"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			w.remember([]export{e}, hash)
			if !w.has(e) || w.areMissing(e, hash) != c.same || w.areMissing(e, other) != c.another {
				t.Errorf("missing: %v, for other inputs %v", w.areMissing(e, hash), w.areMissing(e, other))
			}
			if got := w.areMissing(e, ""); got == c.files {
				t.Errorf("missing for changed inputs: %v", got)
			}
			if err := os.RemoveAll(e.dest); err != nil {
				t.Fatal(err)
			}
			if got := w.areMissing(e, hash); got != c.files {
				t.Errorf("missing after a checkout: %v", got)
			}
		})
	}
}

// A preview removes files beside those of the image only where an update has done so.
func TestPreviewsKeepFilesOfOthers(t *testing.T) {
	t.Parallel()
	here := t.TempDir()
	const applied = `{"exports": [{"tar": {"dest": "x"}}, {"local": {"dest": "DIR", "mode": "delete"}}]}`
	mirrored := export{kind: "local", dest: here, options: optionMap{"mode": "delete"}}
	userWrittenExports().remember([]export{mirrored}, digestOf("one"))
	elsewhere := mirrored
	elsewhere.dest = t.TempDir()
	for name, c := range map[string]struct {
		outputs string
		export  export
		keeps   bool
	}{
		"first update":      {`{}`, mirrored, true},
		"applied":           {applied, mirrored, false},
		"applied, raw":      {`{"exports": [{"raw": "type=local,dest=DIR,mode=delete"}]}`, mirrored, false},
		"applied as a copy": {`{"exports": [{"local": {"dest": "DIR"}}]}`, mirrored, true},
		"disabled": {
			`{"exports": [{"local": {"dest": "DIR", "mode": "delete"}, "disabled": true}]}`, mirrored, true,
		},
		"another machine": {applied, elsewhere, true},
		"a copy":          {`{}`, export{kind: "local", dest: here}, false},
	} {
		outputs := props(t, strings.ReplaceAll(c.outputs, "DIR", c.export.dest))
		kept := withOthersKept(outputs, []export{c.export})
		if kept[0].keepsOthers != c.keeps || kept[0].mirrors() != (c.export.mirrors() && !c.keeps) {
			t.Errorf("%s: %+v", name, kept)
		}
	}
	if !mirrored.mirrors() {
		t.Error("the options of the update changed")
	}
}
