package provider

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
)

// newFolder returns a new folder with the given files.
func newFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// runCheckIn calls Check with inputs in which DIR stands for a folder.
func runCheckIn(t *testing.T, dir, inputs string) p.CheckResponse {
	t.Helper()
	res, err := serve(t).Check(p.CheckRequest{Urn: urn, Inputs: props(t, strings.ReplaceAll(inputs, "DIR", dir))})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

const goodDockerfile = "FROM scratch\nCOPY a /\n"

// Check finds the Dockerfile as docker build does. Only its text counts for the hash, not its place.
func TestCheckFindsTheDockerfile(t *testing.T) {
	t.Parallel()
	dir := newFolder(t, map[string]string{
		"lower/dockerfile": goodDockerfile, "lower/a": "", "upper/Dockerfile": goodDockerfile, "upper/a": "",
		"both/Dockerfile": goodDockerfile, "both/dockerfile": "RUNN", "both/a": "",
		"ignored/dockerfile": "FROM scratch\nCOPY . /\n", "ignored/dockerfile.dockerignore": "*\n!a", "ignored/a": "",
		"ignored/b": "",
	})
	hash := ""
	for name, inputs := range map[string]string{
		"usual name": `{"context": {"location": "DIR/upper"}}`,
		"lower case": `{"context": {"location": "DIR/lower"}}`,
		"lower case, named": `{"context": {"location": "DIR/lower"}, "dockerfile": {"location": ` +
			`"DIR/lower/Dockerfile"}}`,
		"as it is": `{"context": {"location": "DIR/lower"}, "dockerfile": {"location": ` +
			`"DIR/lower/dockerfile"}}`,
		"both":               `{"context": {"location": "DIR/both"}}`,
		"nothing said of it": `{"context": {"location": "DIR/lower"}, "dockerfile": {}}`,
		"empty":              `{"context": {"location": "DIR/lower"}, "dockerfile": {"location": ""}}`,
	} {
		res := runCheckIn(t, dir, inputs)
		got := text(res.Inputs, "contextHash")
		if len(res.Failures) > 0 || got == "" || hash != "" && got != hash {
			t.Errorf("%s: %s, failures %v", name, got, res.Failures)
		}
		hash = got
	}
	before := text(runCheckIn(t, dir, `{"context": {"location": "DIR/ignored"}}`).Inputs, "contextHash")
	if err := os.Remove(filepath.Join(dir, "ignored", "b")); err != nil {
		t.Fatal(err)
	}
	after := text(runCheckIn(t, dir, `{"context": {"location": "DIR/ignored"}}`).Inputs, "contextHash")
	if after != before {
		t.Error("dockerfile.dockerignore does not leave b out")
	}
}

// dockerfilePlaces are inputs that lead to no Dockerfile, with the reason that Check gives.
var dockerfilePlaces = map[string]struct{ inputs, property, reason string }{
	"Containerfile": {
		`{"context": {"location": "DIR/podman"}}`, "dockerfile.location",
		"no Dockerfile at DIR/podman/Dockerfile, but a Containerfile, which docker build does not take by itself: " +
			"set dockerfile.location to DIR/podman/Containerfile",
	},
	"nothing": {
		`{"context": {"location": "DIR/none"}}`, "dockerfile.location",
		"no Dockerfile at DIR/none/Dockerfile: create it, or say where it is with dockerfile.location or " +
			"dockerfile.inline",
	},
	"a folder of that name": {
		`{"context": {"location": "DIR/folder"}}`, "dockerfile.location",
		`"DIR/folder/Dockerfile" is a folder, and has no Dockerfile. Write the path of a file in dockerfile.location`,
	},
	"a folder": {
		`{"context": {"location": "DIR/app"}, "dockerfile": {"location": "DIR/app"}}`, "dockerfile.location",
		`"DIR/app" is a folder. Write the path of the file in dockerfile.location: DIR/app/Dockerfile`,
	},
	"a folder with a slash": {
		`{"context": {"location": "DIR/app"}, "dockerfile": {"location": "DIR/lower/"}}`, "dockerfile.location",
		`"DIR/lower/" is a folder. Write the path of the file in dockerfile.location: DIR/lower/dockerfile`,
	},
	"a folder of podman's": {
		`{"context": {"location": "DIR/app"}, "dockerfile": {"location": "DIR/podman"}}`, "dockerfile.location",
		`"DIR/podman" is a folder. Write the path of the file in dockerfile.location: DIR/podman/Containerfile`,
	},
	"a slash": {
		`{"context": {"location": "DIR/app"}, "dockerfile": {"location": "DIR/app/Dockerfile/"}}`,
		"dockerfile.location",
		`"DIR/app/Dockerfile/": DIR/app/Dockerfile is a file. Leave out what follows its name: DIR/app/Dockerfile`,
	},
	"a URL": {
		`{"context": {"location": "DIR/app"}, "dockerfile": {"location": "ssh://example.com/Dockerfile"}}`,
		"dockerfile.location",
		`"ssh://example.com/Dockerfile": a Dockerfile is a file, or at a URL that begins with https:// or http://. ` +
			`That of a git repository is found with the repository as the context`,
	},
	"a URL with a login": {
		`{"context": {"location": "DIR/app"}, "dockerfile": {"location": "ftp://me:pass@example.com/Dockerfile"}}`,
		"dockerfile.location",
		`"ftp://example.com/Dockerfile": a Dockerfile is a file, or at a URL`,
	},
	"standard input": {
		`{"context": {"location": "DIR/app"}, "dockerfile": {"location": "-"}}`, "dockerfile.location",
		`"-": there is no standard input here to read a Dockerfile from. Give its text in dockerfile.inline, ` +
			`or write its path in dockerfile.location`,
	},
	"home": {
		`{"context": {"location": "DIR/app"}, "dockerfile": {"location": "~/app/Dockerfile"}}`, "dockerfile.location",
		`"~/app/Dockerfile": only a shell replaces ~ by the home folder. Write HOME/app/Dockerfile in ` +
			`dockerfile.location`,
	},
	"somebody's home": {
		`{"context": {"location": "DIR/app"}, "dockerfile": {"location": "~me/Dockerfile"}}`, "dockerfile.location",
		`"~me/Dockerfile": only a shell replaces ~ by the home folder. Write the path of the home folder in ` +
			`dockerfile.location`,
	},
	"of a remote context": {
		`{"context": {"location": "https://example.com/a.git"}, "dockerfile": {"location": "DIR/web/Dockerfile"}}`,
		"dockerfile.location",
		"no Dockerfile at DIR/web/Dockerfile: an absolute dockerfile.location is a path on this machine. Write a " +
			"relative one for a file of the remote context; the folder after # is its root (#main:folder)",
	},
	"out of a remote context": {
		`{"context": {"location": "https://example.com/a.git"}, "dockerfile": {"location": "a/../../Dockerfile"}}`,
		"dockerfile.location", `"../Dockerfile": it leads out of the remote context. Write its path in there`,
	},
	"a URL beside a remote context": {
		`{"context": {"location": "https://example.com/a.git"}, "dockerfile": {"location": "ssh://a.io/Dockerfile"}}`,
		"dockerfile.location", `"ssh://a.io/Dockerfile": a Dockerfile is a file, or at a URL`,
	},
	"a context at home": {
		`{"context": {"location": "~/app"}, "dockerfile": {"inline": "FROM scratch"}}`, "context.location",
		`"~/app": only a shell replaces ~ by the home folder. Write HOME/app in context.location`,
	},
	"a named context by git's short form": {
		`{"context": {"location": "DIR/app", "named": {"a": {"location": "git@example.com:a/b"}}}}`,
		"context.named.a.location",
		`If a git repository is meant, write its URL with the scheme: https://… or ssh://…`,
	},
}

// Each reason says what is at that place, and what to write instead.
func TestCheckSaysWhereTheDockerfileIs(t *testing.T) {
	t.Parallel()
	dir := newFolder(t, map[string]string{
		"app/Dockerfile": goodDockerfile, "app/a": "", "podman/Containerfile": goodDockerfile,
		"lower/dockerfile": goodDockerfile, "none/a": "",
		"folder/Dockerfile/x": "",
	})
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	replaced := strings.NewReplacer("DIR", dir, "HOME", home)
	for name, c := range dockerfilePlaces {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failures, reason := runCheckIn(t, dir, c.inputs).Failures, replaced.Replace(c.reason)
			if len(failures) != 1 || failures[0].Property != c.property ||
				!strings.Contains(failures[0].Reason, reason) {
				t.Errorf("got %+v, want %s: %s", failures, c.property, reason)
			}
		})
	}
}
