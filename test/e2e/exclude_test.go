//go:build linux

package e2e

import (
	"io/fs"
	"testing"
)

// A change of a file that COPY leaves out causes no build, and no preview shows it. An image is up to date even
// if its state counts such files, as that of an earlier version does.
func TestExcludedFilesDoNotCount(t *testing.T) {
	t.Parallel()
	files := map[string]string{"Dockerfile": "FROM scratch\nCOPY --exclude=*.md --exclude=docs . /app/\n",
		"main.go": "one", "README.md": "one",
		"docs/guide.txt": "one", ".dockerignore": "Pulumi*\n"}
	program := func(watch string) fs.FS { return project(t, "context: { location: . }\nwatch: "+watch+"\n", files) }
	s := open(t, program("all"))
	succeeds(t, s.Up("--skip-preview"))
	must(t, s.Write("Pulumi.yaml", readProgram(t, program("auto"))))
	succeeds(t, s.Preview("--expect-no-changes"))

	must(t, s.Write("main.go", "two"))
	succeeds(t, s.Up(), "contextHash changed: modified main.go")
	built := image(t, s).Outputs["contextHash"]
	must(t, s.Write("README.md", "two"))
	must(t, s.Write("docs/more.txt", "two"))
	succeeds(t, s.Up("--expect-no-changes"))
	must(t, s.Write("main.go", "three"))
	succeeds(t, s.Preview(), "contextHash changed: modified main.go")
	must(t, s.Write("main.go", "two"))
	succeeds(t, s.Up("--expect-no-changes"))
	if now := image(t, s).Outputs["contextHash"]; now != built {
		t.Errorf("contextHash %v became %v", built, now)
	}
}
