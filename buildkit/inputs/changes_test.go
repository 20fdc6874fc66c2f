package inputs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// explainChange is what a history tells of a change: each one in a line.
func explainChange(t *testing.T, plan Plan, change func(dir string, f *Files)) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"Dockerfile":          "FROM scratch\nCOPY . /\n",
		"app/main.go":         "",
		"app/prod.Dockerfile": "FROM scratch\nCOPY . /\n",
		"conf/a.ini":          "",
		"conf/b/c":            "",
		"lib/f":               "",
	})
	plan.Files.Context = dir
	if plan.Files.Dockerfile == "" && plan.Files.Inline == nil {
		plan.Files.Dockerfile = "Dockerfile"
	}
	if plan.Files.Dockerfile != "" {
		plan.Files.Dockerfile = filepath.Join(dir, plan.Files.Dockerfile)
	}
	for name, location := range plan.Files.Named {
		plan.Files.Named[name] = strings.Replace(location, "DIR", dir, 1)
	}
	load := func() *Inputs {
		in, err := Load(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	before, history := load(), newHistory(t.TempDir())
	history.Remember(before.Hash(), before)
	change(dir, &plan.Files)
	changes, known := history.Changes(before.Hash(), load(), testLabels)
	if !known {
		t.Fatal("not known")
	}
	var lines []string
	for _, c := range changes {
		lines = append(lines, strings.TrimSpace(strings.Join([]string{
			string(c.Kind),
			strings.ReplaceAll(c.Path, dir, "DIR"),
			c.Detail,
		}, " ")))
	}
	return strings.Join(lines, "\n")
}

func writeFile(path, content string) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		panic(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		panic(err)
	}
}

const reads = "FROM scratch\nCOPY app /app\n"

var explanations = map[string]struct {
	files  Files
	change func(dir string, f *Files)
	want   string
}{
	"an ignore file": {
		change: func(dir string, _ *Files) { writeFile(dir+"/.dockerignore", "conf") },
		want:   "added .dockerignore\nno longer read conf",
	},
	"the Dockerfile's own ignore file": {change: func(dir string, _ *Files) {
		writeFile(dir+"/Dockerfile.dockerignore", "conf\n")
	},
		want: "added Dockerfile.dockerignore\nno longer read conf"},
	"a folder that is gone": {
		change: func(dir string, _ *Files) { _ = os.RemoveAll(dir + "/conf") },
		want:   "removed conf\nremoved conf/a.ini\nremoved conf/b\nremoved conf/b/c",
	},
	"a line less, the file gone": {
		files:  Files{Inline: []byte(reads + "COPY conf /conf\n")},
		change: func(_ string, f *Files) { f.Inline = []byte(reads) },
		want:   "no longer read conf\nmodified dockerfile.inline",
	},
	"a Dockerfile in the context, in a part": {
		change: func(dir string, _ *Files) { writeFile(dir+"/Dockerfile", "FROM scratch\nCOPY app /\n") },
		want:   "modified Dockerfile\nno longer read conf\nno longer read lib",
	},
	"an image that moved": {files: Files{
		Inline: []byte(reads + "COPY --from=img / /"),
		Named:  map[string]string{"img": "docker-image://example.com/i:1"},
	},
		change: func(_ string, f *Files) { f.Named["img"] = "docker-image://example.com/i:2" },
		want:   "modified context.named.img docker-image://example.com/i:1 became docker-image://example.com/i:2"},
	"a folder that became an image": {files: Files{
		Inline: []byte(reads + "COPY --from=lib / /"),
		Named:  map[string]string{"lib": "DIR/lib"},
	},
		change: func(_ string, f *Files) { f.Named["lib"] = "docker-image://example.com/i:2" },
		want:   "modified context.named.lib a folder became docker-image://example.com/i:2"},
	"an image that became a folder": {files: Files{
		Inline: []byte(reads + "COPY --from=lib / /"),
		Named:  map[string]string{"lib": "docker-image://example.com/i:2"},
	},
		change: func(dir string, f *Files) { f.Named["lib"] = dir + "/lib" },
		want:   "modified context.named.lib docker-image://example.com/i:2 became a folder"},
	"a branch": {files: Files{
		Inline: []byte(reads + "COPY --from=git / /"),
		Named:  map[string]string{"git": "https://user:token@example.com/g.git#v1"},
	},
		change: func(_ string, f *Files) { f.Named["git"] = "https://user:token@example.com/g.git#v2" },
		want:   "modified context.named.git https://example.com/g.git#v1 became https://example.com/g.git#v2"},
	"a context that is gone": {files: Files{
		Inline: []byte(reads + "COPY --from=lib / /"),
		Named:  map[string]string{"lib": "DIR/lib"},
	},
		change: func(_ string, f *Files) {
			f.Named, f.Inline = nil, []byte(reads)
		}, want: "no longer read context.named.lib\nmodified dockerfile.inline"},
	"a context that is new": {files: Files{Inline: []byte(reads)},
		change: func(_ string, f *Files) {
			f.Named, f.Inline = map[string]string{
				"img": "docker-image://example.com/i:2",
			}, []byte(reads+"COPY --from=img / /")
		}, want: "added context.named.img docker-image://example.com/i:2\nmodified dockerfile.inline"},
	"another folder of equal content": {files: Files{
		Inline: []byte(reads + "COPY --from=lib / /"),
		Named:  map[string]string{"lib": "DIR/lib"},
	},
		change: func(dir string, f *Files) { writeFile(dir+"/lib2/f", ""); f.Named["lib"] = dir + "/lib2" }, want: ""},
	"a Dockerfile of another folder": {change: func(dir string, f *Files) {
		writeFile(dir+"/docker/prod.Dockerfile", "FROM scratch\nCOPY . /\n# x")
		f.Dockerfile = dir + "/docker/prod.Dockerfile"
	},
		want: "no longer read Dockerfile\nadded docker\nadded docker/prod.Dockerfile"},
}

func TestChanges(t *testing.T) {
	t.Parallel()
	for name, c := range explanations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := explainChange(t, Plan{Files: c.files}, c.change); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// One edit of a Dockerfile below the context, which is copied as a whole, is told once.
func TestChangesTellAnEditOnce(t *testing.T) {
	t.Parallel()
	got := explainChange(t, Plan{
		Files: Files{Dockerfile: "app/prod.Dockerfile"},
	}, func(dir string, _ *Files) { writeFile(dir+"/app/prod.Dockerfile", "FROM scratch\nCOPY . /x\n") })
	if got != "modified app/prod.Dockerfile" {
		t.Errorf("got %s", got)
	}
}

// No secret of a URL is kept or told.
func TestLocationsHaveNoSecrets(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"https://user:t0ken@example.com/g.git#v1:sub":    "https://example.com/g.git#v1:sub",
		"https://t%ken@example.com":                      "https://example.com",
		"https://example.com/a.tgz?X-Signature=t0ken":    "https://example.com/a.tgz",
		"git@example.com:a/b.git#v1":                     "git@example.com:a/b.git#v1",
		"docker-image://alpine:3@sha256:" + inlineName:   "docker-image://alpine:3@sha256:" + inlineName,
		"ssh://git@example.com:22/a/b@c.git?ref=v1#v2:x": "ssh://example.com:22/a/b@c.git",
	} {
		if got := locationText(locationMark(location)); got != want {
			t.Errorf("%s: got %s, want %s", location, got, want)
		}
	}
}

var testLabels = Labels{Context: "context.location", Named: "context.named.", Inline: "dockerfile.inline"}
