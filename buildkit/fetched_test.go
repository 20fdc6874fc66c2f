package buildkit

import (
	"errors"
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
	named := map[string]string{"lib": files.Named["lib"], "img": "docker-image://example.com/i:1", "git": "https://example.com/g.git#v1"}
	changes := map[string]string{"lib": other, "img": "docker-image://example.com/i:2", "git": "https://example.com/g.git#v2"}
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

// What an ONBUILD takes from a context that was not hashed is not sent for.
func TestAFetchedContextThatWasNotHashedIsOutOfReach(t *testing.T) {
	t.Parallel()
	plan := Plan{Files: Files{Context: t.TempDir(), Named: map[string]string{"img:latest": "docker-image://example.com/i:1", "git": "https://example.com/g.git"}}}
	d := Definition{Name: "Dockerfile", Dockerfile: []byte("FROM scratch\nCOPY --from=img / /"), Named: map[string][]byte{}}
	run := func(reads Reads) error {
		g := newDryGateway(plan, d, "linux/amd64")
		_, err := frontend{Client: g, source: d.source(), platforms: &stepPlatforms{}, guard: &guard{hashed: Prediction{Reads: reads}}, policy: &sourcePolicy{}}.build(t.Context(), g.attrs)
		return err
	}
	for name, reads := range map[string]Reads{"hashed": {localName("img:latest"): nil}, "all of it hashed": nil} {
		if err := run(reads); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if stopped := new(UnhashedError); !errors.As(run(Reads{}), &stopped) || stopped.Source != localName("img") {
		t.Errorf("got %v", run(Reads{}))
	}
	d.Dockerfile = []byte("FROM scratch\nCOPY --from=git / /")
	if err := run(Reads{}); !errors.As(err, new(*UnhashedError)) {
		t.Errorf("got %v", err)
	}
}
