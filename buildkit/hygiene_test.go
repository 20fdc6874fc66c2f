package buildkit

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func warningsOf(t *testing.T, plan Plan) string {
	t.Helper()
	in, err := Load(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(in.Warnings(t.Context(), plan), "\n")
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
		"a part, but all is watched": {"FROM a\nCOPY app /app\n", true, "most of which the Dockerfile does not read. Set watch to auto, or name in .dockerignore: data (100MiB in 1 files), Dockerfile"},
		"nobody knows":               {"# syntax=example.com/fe:1\nFROM a\nCOPY app /app\n", false, "because it cannot be told for certain which of them the Dockerfile reads"},
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
