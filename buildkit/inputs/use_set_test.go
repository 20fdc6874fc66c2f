package inputs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// usesText renders the uses of a prediction: "context: /a* -*.md, /d +x; named-lib: *".
func usesText(u useSet) string {
	var sources []string
	for _, name := range slices.Sorted(maps.Keys(u)) {
		texts := []string{"*"}
		if u[name] != nil {
			texts = nil
		}
		for _, use := range u[name] {
			text := use.Path
			for _, p := range use.Includes {
				text += " +" + p
			}
			for _, p := range use.Excludes {
				text += " -" + p
			}
			texts = append(texts, text)
		}
		sources = append(sources, name+": "+strings.Join(texts, ", "))
	}
	return strings.Join(sources, "; ")
}

var predictedUses = map[string]struct {
	dockerfile string
	plan       Plan
	want       string
}{
	"nothing left out": {dockerfile: "FROM b\nCOPY . /x/", want: "context: *"},
	"a pattern":        {dockerfile: "FROM b\nCOPY --exclude=*.md . /x/", want: "context: / -*.md"},
	"patterns": {
		dockerfile: "FROM b\nCOPY --exclude=*.md --exclude=!a.md a b* /x/",
		want:       "context: /a -*.md -!a.md, /b* -*.md -!a.md",
	},
	"by ADD": {dockerfile: "FROM b\nADD --exclude=*.md . /x/", want: "context: / -*.md"},
	"with a file": {
		dockerfile: "FROM b\nCOPY go.mod ./\nCOPY --exclude=*.md . .",
		want:       "context: / -*.md, /go.mod",
	},
	"with a mount": {
		dockerfile: "FROM b\nCOPY --exclude=*.md . .\nRUN --mount=type=bind,source=d,target=/m,rw true",
		want:       "context: / -*.md, /d",
	},
	"with a cache": {
		dockerfile: "FROM b\nCOPY --from=lib --exclude=*.md . .\nRUN --mount=type=cache,from=lib,target=/m true",
		plan:       Plan{Files: Files{Named: libContext}},
		want:       "named-lib: *",
	},
	"with a base": {
		dockerfile: "FROM lib\nCOPY --from=lib --exclude=*.md . .",
		plan:       Plan{Files: Files{Named: libContext}},
		want:       "named-lib: *",
	},
	"with a base's step": {
		dockerfile: "FROM lib\nRUN --mount=type=bind,from=lib,target=/m true\nCOPY --from=lib --exclude=*.md . .",
		plan:       Plan{Files: Files{Named: libContext}},
		want:       "named-lib: *",
	},
	"with an owner": {
		dockerfile: "FROM lib\nCOPY --chown=me --from=lib --exclude=*.md . .",
		plan:       Plan{Files: Files{Named: libContext}},
		want:       "named-lib: *",
	},
	"of two contexts": {
		dockerfile: "FROM b\nCOPY --from=lib --exclude=*.md . .\nCOPY . .",
		plan:       Plan{Files: Files{Named: libContext}},
		want:       "context: *; named-lib: / -*.md",
	},
	"by --parents": {dockerfile: "FROM b\nCOPY --parents --exclude=*.md d/./e .", want: "context: /d +e -*.md"},
	"by --link":    {dockerfile: "FROM b\nCOPY --link --exclude=*.md . .", want: "context: / -*.md"},
	"in a test": {
		dockerfile: "FROM b AS t\nCOPY t /t\nFROM b\nCOPY --exclude=*.md . /x",
		plan:       Plan{TestTargets: []string{"t"}},
		want:       "context: / -*.md, /t",
	},
	"not in a test": {
		dockerfile: "FROM b AS t\nCOPY . /t\nFROM b\nCOPY --exclude=*.md . /x",
		plan:       Plan{TestTargets: []string{"t"}},
		want:       "context: /, / -*.md",
	},
	"a base's variable": {dockerfile: "FROM b\nCOPY --exclude=*.md . /x/\nCOPY $D /y/", want: "context: *"},
	"each platform": {dockerfile: "FROM scratch\nARG TARGETARCH\nCOPY --exclude=*.md . /x/\nCOPY $TARGETARCH /y/",
		plan: Plan{Platforms: strings.Split(bothPlatforms, ",")}, want: "context: / -*.md, /amd64, /arm64"},
	"an SBOM": {
		dockerfile: "FROM scratch\nCOPY --exclude=*.md . /x/",
		plan:       Plan{SBOM: "scanner"},
		want:       "context: / -*.md",
	},
	"an SBOM of the context": {
		dockerfile: "ARG BUILDKIT_SBOM_SCAN_CONTEXT=true\nFROM scratch\nCOPY --exclude=*.md . /x/",
		plan:       Plan{SBOM: "scanner"},
		want:       "context: / -*.md, /",
	},
	"many": {
		dockerfile: "FROM b\nCOPY" + many(200) + " . /x/",
		want: "context: / -" + strings.Join(strings.Split(strings.TrimSpace(many(200)), " --exclude="),
			" -")[len("--exclude="):],
	},
	"too many":      {dockerfile: "FROM b\nCOPY" + many(201) + " . /x/", want: "context: *"},
	"too intricate": {dockerfile: "FROM b\nCOPY --exclude=" + strings.Repeat("*a", 17) + " . /x/", want: "context: *"},
}

// many are so many patterns.
func many(n int) (flags string) {
	for i := range n {
		flags += fmt.Sprintf(" --exclude=p%d", i)
	}
	return flags
}

func TestPredictUses(t *testing.T) {
	t.Parallel()
	for name, c := range predictedUses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			texts := Texts{Name: "Dockerfile", Dockerfile: []byte(c.dockerfile), Named: map[string][]byte{}}
			for name := range c.plan.Files.Named {
				texts.Named[name] = nil
			}
			p, err := predict(t.Context(), c.plan, texts)
			if got := usesText(p.uses); got != c.want || p.doubt != "" || err != nil {
				t.Errorf("got %q, %q, %v, want %q", got, p.doubt, err, c.want)
			}
		})
	}
}

// An argument that is not known yet may be a path that a COPY without patterns takes.
func TestAnUnknownArgumentMayDecideWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	texts := Texts{
		Name:       "Dockerfile",
		Dockerfile: []byte("FROM scratch\nARG V\nCOPY --exclude=*.md . /x/\nCOPY $V /y/"),
	}
	plan := Plan{BuildArgs: map[string]string{"V": "a"}}
	if p, err := predict(t.Context(), plan, texts); p.doubt != "" || err != nil {
		t.Errorf("known: %q, %v", p.doubt, err)
	}
	plan.UnknownArgs = []string{"V"}
	if p, err := predict(t.Context(), plan, texts); p.doubt != usesDoubt || err != nil {
		t.Errorf("unknown: %q, %v", p.doubt, err)
	}
}

// A build may use less than was predicted, and nothing else.
func TestUsesCover(t *testing.T) {
	t.Parallel()
	md := source.Use{Path: "/", Wildcards: true, Excludes: []string{"*.md"}}
	for name, c := range map[string]struct {
		known, asked []source.Use
		want         string
	}{
		"all of it was hashed": {nil, []source.Use{{Path: "/a"}}, ""},
		"as predicted":         {[]source.Use{md}, []source.Use{md}, ""},
		"less":                 {[]source.Use{{Path: "/a"}, md}, []source.Use{{Path: "/a"}}, ""},
		"a file":               {[]source.Use{md}, []source.Use{md, {Path: "/README.md"}}, "README.md"},
		"without the pattern":  {[]source.Use{md}, []source.Use{{Path: "/", Wildcards: true}}, "."},
		"all of it":            {[]source.Use{md}, nil, "."},
	} {
		err := useSet{contextSource: c.known}.checkCovers(localRequest{name: contextSource, uses: c.asked})
		got := ""
		if unhashed, ok := errors.AsType[*UnhashedError](err); ok {
			got = unhashed.Path
		}
		if got != c.want || (err == nil) != (c.want == "") {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// The hash of an earlier version, which covers what COPY leaves out, is recognized for the very same files only. Where
// nothing is left out the hash is what it was.
func TestWhatIsLeftOutIsNotHashed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"main.go": "package main", "README.md": "one"})
	load := func(dockerfile string, watchAll bool) *Inputs {
		t.Helper()
		in, err := Load(t.Context(), Plan{Files: Files{Context: dir, Inline: []byte(dockerfile)}, WatchAll: watchAll})
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	const without = "FROM scratch\nCOPY --exclude=*.md . /\n"
	earlier := load(without, true).Hash() // which has always been the hash of the whole
	same := load(without, false)
	now := same.Hash()
	if same.Recognize(earlier); same.Hash() != earlier || now == earlier {
		t.Errorf("the same files have %s, recognized as %s, want %s", now, same.Hash(), earlier)
	}
	write(t, dir, map[string]string{"README.md": "two"})
	edited := load(without, false)
	if edited.Hash() != now {
		t.Error("what is left out is hashed")
	}
	if edited.Recognize(earlier); edited.Hash() != now {
		t.Error("the hash of other files is recognized")
	}
	if all := "FROM scratch\nCOPY . /\n"; load(all, false).Hash() != load(all, true).Hash() {
		t.Error("without a pattern the hash is another one than before")
	}
	if sum := edited.trees[contextSource].Digest(); edited.trees[contextSource].Len() != 2 ||
		sum == same.trees[contextSource].Digest() {
		t.Error("what is sent is not recorded")
	}
}

// One tree is made for each image that shares a scan, but digests are computed once.
func TestImagesWithPatternsShareAScan(t *testing.T) {
	t.Parallel()
	files := contextOf(t, map[string]string{"main.go": "package main", "README.md": "one"})
	hash := func(pattern string) string {
		files.Inline = []byte("FROM scratch\nCOPY --exclude=" + pattern + " . /\n")
		var scans SharedScans
		one, err := scans.Load(t.Context(), Plan{Files: files}, nil)
		if err != nil {
			t.Fatal(err)
		}
		other, err := scans.Load(t.Context(), Plan{Files: files}, nil)
		if err != nil || one.Hash() != other.Hash() {
			t.Fatal("two images of one scan differ", err)
		}
		return one.Hash()
	}
	before := map[string]string{"*.md": hash("*.md"), "*.go": hash("*.go")}
	write(t, files.Context, map[string]string{"README.md": "two"})
	if hash("*.md") != before["*.md"] || hash("*.go") == before["*.go"] {
		t.Error("the patterns of one image are those of the other")
	}
}
