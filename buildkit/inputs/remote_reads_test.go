package inputs

import (
	"maps"
	"testing"
)

// A named context counts when the build reads it, wherever it is.
func TestOnlyContextsThatAreReadCount(t *testing.T) {
	t.Parallel()
	files := project(t)
	other := project(t).Named["lib"]
	load := func(dockerfile string, named map[string]string) *Inputs {
		t.Helper()
		f := files
		f.Named, f.Dockerfile, f.Inline = named, "", []byte(dockerfile)
		in, err := Load(t.Context(), Plan{Files: f})
		if err != nil || !in.Certain {
			t.Fatal(err, in)
		}
		return in
	}
	write(t, other, map[string]string{"more": ""})
	named := map[string]string{
		"lib": files.Named["lib"],
		"img": "docker-image://example.com/i:1",
		"git": "https://example.com/g.git#v1",
	}
	changes := map[string]string{
		"lib": other,
		"img": "docker-image://example.com/i:2",
		"git": "https://example.com/g.git#v2",
	}
	for read := range named {
		dockerfile := "FROM scratch\nCOPY main.go /\nCOPY --from=" + read + " / /"
		before := load(dockerfile, named)
		for name, location := range changes {
			changed := maps.Clone(named)
			changed[name] = location
			after, without := load(dockerfile, changed), maps.Clone(named)
			if got := after.Hash() != before.Hash(); got != (name == read) {
				t.Errorf("reading %s, with another %s: the hash differs: %v", read, name, got)
			}
			if delete(without, name); name == read {
				continue
			}
			if after = load(dockerfile, without); after.Hash() != before.Hash() || after.key != before.key {
				t.Errorf("reading %s, without %s: another hash or key", read, name)
			}
		}
	}
}
