package inputs

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

func warningsOf(t *testing.T, plan Plan) string {
	t.Helper()
	in, err := Load(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	return warningTexts(in.Warnings(t.Context(), plan))
}

// A sparse file is big for everybody but the disk.
func bigProject(t *testing.T, dockerfile string) Files {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{"Dockerfile": dockerfile, "app/main.go": "package main", "data/small": "x"})
	if err := os.Truncate(filepath.Join(dir, "data", "small"), bigBytes+1); err != nil {
		t.Fatal(err)
	}
	return Files{Context: dir, Dockerfile: filepath.Join(dir, "Dockerfile")}
}

func TestWarningsAboutBigContexts(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		dockerfile string
		all        bool
		want       string
	}{
		"only a part is read":        {"FROM a\nCOPY app /app\n", false, ""},
		"all of it is read":          {"FROM a\nCOPY . /app\n", false, ""},
		"all of it is read, watched": {"FROM a\nCOPY . /app\n", true, ""},
		"a part, but all is watched": {
			"FROM a\nCOPY app /app\n",
			true,
			"most of which the Dockerfile does not read: data (100MiB in 1 files)",
		},
		"what is read is big": {"FROM a\nCOPY data /data\n", true, ""},
		"nobody knows": {
			"# syntax=example.com/fe:1\nFROM a\nCOPY app /app\n",
			false,
			"because it cannot be told for certain which of them the Dockerfile reads",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := warningsOf(t, Plan{Files: bigProject(t, c.dockerfile), WatchAll: c.all})
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// A small context is worth no word, whatever is read of it.
func TestNoWarningAboutASmallContext(t *testing.T) {
	t.Parallel()
	for _, dockerfile := range []string{
		"FROM a\nCOPY app /app\n",
		"# syntax=example.com/fe:1\nFROM a\nCOPY app /app\n",
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"Dockerfile": dockerfile, "app/f": "", "data/f": "not read"})
		files := Files{Context: dir, Dockerfile: filepath.Join(dir, "Dockerfile")}
		if got := warningsOf(t, Plan{WatchAll: true, Files: files}); got != "" {
			t.Errorf("got %q", got)
		}
	}
}

// What the build reads is not to be ignored, however big it is.
func TestWarningsNameNothingThatIsRead(t *testing.T) {
	t.Parallel()
	files := bigProject(t, "FROM a\nCOPY app /app\n")
	if err := os.Truncate(filepath.Join(files.Context, "app", "main.go"), bigBytes/2); err != nil {
		t.Fatal(err)
	}
	got := warningsOf(t, Plan{Files: files, WatchAll: true})
	if !strings.HasSuffix(got, "does not read: data (100MiB in 1 files)") {
		t.Errorf("got %q", got)
	}
}

func TestWhatIsBigAndWhatIsWaste(t *testing.T) {
	t.Parallel()
	for all, want := range map[source.Folder]bool{
		{Bytes: bigBytes - 1, Files: bigFiles - 1}: false,
		{Bytes: bigBytes}:                          true,
		{Files: bigFiles}:                          true,
	} {
		if isBig(all) != want {
			t.Errorf("%v is big: %v", all, !want)
		}
	}
	for _, c := range []struct {
		all, read source.Folder
		want      bool
	}{
		{source.Folder{Bytes: bigBytes, Files: 10}, source.Folder{Bytes: bigBytes/2 + 1, Files: 1}, false},
		{source.Folder{Bytes: bigBytes, Files: 10}, source.Folder{Bytes: bigBytes / 2, Files: 10}, true},
		{source.Folder{Bytes: 10, Files: bigFiles}, source.Folder{Bytes: 1, Files: bigFiles/2 + 1}, false},
		{source.Folder{Bytes: 10, Files: bigFiles}, source.Folder{Bytes: 10, Files: bigFiles / 2}, true},
		{source.Folder{Bytes: bigBytes - 1, Files: bigFiles - 1}, source.Folder{}, false},
	} {
		if isWaste(c.all, c.read) != c.want {
			t.Errorf("%v of %v is waste: %v", c.read, c.all, !c.want)
		}
	}
}

func TestWarningsNameWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"Dockerfile": "FROM a\nCOPY . /\n"})
	socket, err := net.Listen("unix", filepath.Join(dir, "s.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	got := warningsOf(t, Plan{Files: Files{Context: dir, Dockerfile: filepath.Join(dir, "Dockerfile")}})
	if !strings.Contains(got, `"s.sock": BuildKit cannot send sockets`) {
		t.Errorf("got %q", got)
	}
}

// warningTexts returns the texts and the folders of warnings, a line each.
func warningTexts(warnings []Warning) string {
	var lines []string
	for _, w := range warnings {
		lines = append(lines, strings.TrimSuffix(w.Text+": "+w.Folders, ": "))
	}
	return strings.Join(lines, "\n")
}
