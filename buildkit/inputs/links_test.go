//go:build unix

package inputs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// Whatever a build reads by itself, a link leads it out of neither the context nor the project, and the error names the
// link.
func TestLoadFollowsNoLinkOutOfContextAndProject(t *testing.T) {
	t.Parallel()
	links := map[string]string{
		"Dockerfile": "p/app/Dockerfile", "context": "p/app", "named context": "p/lib",
	}
	for name, link := range links {
		for _, target := range []string{"relative", "absolute", "process"} {
			t.Run(name+" "+target, func(t *testing.T) {
				t.Parallel()
				top := t.TempDir()
				write(t, top, map[string]string{
					"p/app/Dockerfile": "FROM scratch\nCOPY --from=lib . .\n", "p/app/f": "", "p/lib/f": "",
					"secret": "CANARY", "secrets/Dockerfile": "FROM scratch\nCOPY --from=lib . .\n",
					"secrets/app/Dockerfile": "FROM scratch\n",
				})
				path := filepath.Join(top, link)
				text := map[string]string{
					"relative": "secret",
					"absolute": filepath.Join(top, "secret"),
					"process":  "/proc/self/environ",
				}[target]
				if name == "context" || name == "named context" {
					text = map[string]string{
						"relative": "secrets",
						"absolute": filepath.Join(top, "secrets"),
						"process":  "/proc/self",
					}[target]
				}
				if target == "relative" {
					text = strings.Repeat("../", strings.Count(link, "/")) + text
				}
				if err := errors.Join(os.RemoveAll(path), os.Symlink(text, path)); err != nil {
					t.Fatal(err)
				}
				files := Files{
					Context: filepath.Join(top, "p/app"), Dockerfile: filepath.Join(top, "p/app/Dockerfile"),
					Named: map[string]string{"lib": filepath.Join(top, "p/lib")}, Project: filepath.Join(top, "p"),
				}
				_, err := Load(t.Context(), Plan{Files: files})
				leaves := new(file.LinkError)
				if !errors.As(err, &leaves) || leaves.Link != path || leaves.Target != text ||
					strings.Contains(err.Error(), "CANARY") {
					t.Errorf("error %v", err)
				}
			})
		}
	}
}

// An ignore file that is a link out of its folder is not there, as for BuildKit, and a warning says so. It is not even
// read.
func TestIgnoreFilesThatAreLinksOutOfTheirFolder(t *testing.T) {
	t.Parallel()
	for _, link := range []string{"p/app/.dockerignore", "p/app/Dockerfile.dockerignore", "p/lib/.dockerignore"} {
		for text, warned := range map[string]bool{
			"../shared": true, "../../secret": true, "/proc/self/environ": true, "../gone": true,
			"TOP/p/app/f": true, "../..": true,
			"gone": false, "f": false, "/f": false, "../f": false,
		} {
			t.Run(link+" "+text, func(t *testing.T) {
				t.Parallel()
				top := t.TempDir()
				write(t, top, map[string]string{
					"p/app/Dockerfile": "FROM scratch\nCOPY --from=lib . .\nCOPY . .\n", "p/app/f": "x\n",
					"p/lib/f": "x\n", "p/app/g": "", "p/lib/g": "",
					"p/shared": "g\n", "secret": "g\n!CANARY\n",
				})
				text := strings.ReplaceAll(text, "TOP", top)
				if err := os.Symlink(text, filepath.Join(top, link)); err != nil {
					t.Fatal(err)
				}
				files := Files{
					Context: filepath.Join(top, "p/app"), Dockerfile: filepath.Join(top, "p/app/Dockerfile"),
					Named: map[string]string{"lib": filepath.Join(top, "p/lib")}, Project: filepath.Join(top, "p"),
				}
				in, err := Load(t.Context(), Plan{Files: files})
				if err != nil {
					t.Fatal(err)
				}
				warnings := warningTexts(in.Warnings(t.Context(), Plan{Files: files}))
				want := filepath.Join(top, link) + " has no effect: it is a link to \"" + text + "\""
				names := strings.Count(warnings, want) == 1 && strings.Contains(warnings, "Put a copy there")
				if names != warned || !warned && warnings != "" || strings.Contains(warnings, "CANARY") {
					t.Errorf("warnings %q, want one: %v", warnings, warned)
				}
				context := "p/app"
				if strings.HasPrefix(link, "p/lib") {
					context = "p/lib"
				}
				for name, tree := range in.trees {
					paths := strings.Join(tree.Paths(), " ")
					if in.contexts[name].dir == filepath.Join(top, context) && !strings.Contains(paths, "g") {
						t.Errorf("the ignore file is in force: %s", paths)
					}
				}
			})
		}
	}
}

// Links within the project are what monorepos share Dockerfiles by.
func TestLoadFollowsLinksWithinTheProject(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	write(t, top, map[string]string{
		"p/shared/Dockerfile": "FROM scratch\nCOPY . .\n", "p/apps/one/f": "", "p/apps/one/g": "",
	})
	for link, text := range map[string]string{
		"p/apps/one/Dockerfile": "../../shared/Dockerfile", "p/current": "apps/one",
	} {
		if err := os.Symlink(text, filepath.Join(top, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, context := range []string{"p/apps/one", "p/current"} {
		files := Files{
			Context:    filepath.Join(top, context),
			Dockerfile: filepath.Join(top, context, "Dockerfile"),
			Project:    filepath.Join(top, "p"),
		}
		in, err := Load(t.Context(), Plan{Files: files})
		if err != nil {
			t.Fatal(err)
		}
		if paths := in.trees[contextSource].Paths(); strings.Join(paths, " ") != "Dockerfile f g" {
			t.Errorf("%s: context %q", context, paths)
		}
		read, err := ReadDockerfile(t.Context(), files)
		if want := filepath.Join(top, "p/shared/Dockerfile"); err != nil || read.Linked != want {
			t.Errorf("%s: linked %q, want %q; error %v", context, read.Linked, want, err)
		}
	}
}

// A link in a context is sent as a link, and what it leads to outside is not read, whatever the Dockerfile copies.
func TestLoadReadsNothingBehindALinkOfTheTree(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	write(t, top, map[string]string{
		"app/Dockerfile": "FROM scratch\nCOPY out/f up/* environ f* /\n",
		"secrets/f":      "CANARY",
	})
	for link, text := range map[string]string{
		"out":     "../secrets",
		"up":      "..",
		"environ": "/proc/self/environ",
		"f":       filepath.Join(top, "secrets/f"),
	} {
		if err := os.Symlink(text, filepath.Join(top, "app", link)); err != nil {
			t.Fatal(err)
		}
	}
	in, err := Load(t.Context(), Plan{
		Files: Files{Context: filepath.Join(top, "app"), Dockerfile: filepath.Join(top, "app/Dockerfile")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if in.trees[contextSource].Size() > 1000 ||
		strings.Contains(strings.Join(in.trees[contextSource].Paths(), " "), "secrets") {
		t.Errorf("%q", in.trees[contextSource].Paths())
	}
}
